"""What images, sound, video and files cost: a dated table of rules, by provider and model.

A rule is chosen by the model's name. Where that is not given or not in the table, the largest
result of the provider's rules holds, so that no model's count is too low.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Protocol

from ctxmem.chat.shapes import first_of, get
from ctxmem.chat.sizes import (
    Size,
    byte_count,
    data_of,
    image_size,
    mp4_seconds,
    pdf_pages,
    wav_seconds,
)

UNSEEN_IMAGE = (2048, 2048)
"""Pixels of an image that is named, not given."""
UNSEEN_SECONDS = 60
"""Duration of sound and video that are named, not given."""
UNSEEN_FILE = 20_000
"""Tokens of a file that is named, not given: about five pages, text and image."""
OPAQUE_CHARACTERS = 4
"""Characters of encrypted reasoning or a signature that may be one token."""
SOUND_BYTES = 1000
"""Bytes of a second of compressed speech, at the least; a WAV file states its own."""
VIDEO_BYTES = 12_500
"""Bytes of a second of video, at the least; an MP4 file states its duration."""
FILE_BYTES = 4
"""Bytes of a file per token, where its pages cannot be counted."""
PAGE_TEXT = 3000
"""Tokens of the text of a page: Anthropic publishes 1,500 to 3,000, the others nothing."""
PAGE_PIXELS = (1240, 1754)
"""The image of a page, which Anthropic and OpenAI add to its text: A4 at 150 dots an inch."""


class ImageRule(Protocol):
    """A provider's rule from the size of an image, None if it is not known, to tokens."""

    def tokens(self, size: Size | None, detail: str) -> int:
        """Return the tokens of an image, of the largest that is likely if its size is None."""
        ...


@dataclass(frozen=True, slots=True)
class Tiles:
    """`base` and `tile` per tile of 512 pixels, in 2048 x 2048 with a short side of 768."""

    base: int
    tile: int

    def tokens(self, size: Size | None, detail: str) -> int:
        """Return the tokens of an image."""
        if detail == "low":
            return self.base
        wide, high = size or (2048, 768)  # no shape covers more tiles
        scale = min(1.0, 2048 / max(wide, high), 768 / min(wide, high))
        tiles = math.ceil(wide * scale / 512 - 1e-9) * math.ceil(high * scale / 512 - 1e-9)
        return self.base + self.tile * max(1, tiles)


@dataclass(frozen=True, slots=True)
class Patches:
    """`factor` per patch of 32 pixels, shrunk to `most` patches and `edge` pixels.

    `original` and `original_edge` hold for detail "original", and for "auto" where `large_auto`.
    """

    factor: float
    most: int = 1536
    edge: int = 2048
    original: int = 0
    original_edge: int = 0
    large_auto: bool = False

    def tokens(self, size: Size | None, detail: str) -> int:
        """Return the tokens of an image."""
        most, edge = self.most, self.edge
        if self.original and (
            detail == "original" or (self.large_auto and detail not in ("low", "high"))
        ):
            most, edge = self.original, self.original_edge
        patches = _patches(size or UNSEEN_IMAGE, most, edge)
        return math.ceil(patches * self.factor - 1e-9)


def _patches(size: Size, most: int, edge: int) -> int:
    """Return the patches of an image after it was shrunk, as OpenAI's guide describes it."""
    scale = min(1.0, edge / max(size))
    wide, high = size[0] * scale / 32, size[1] * scale / 32
    if math.ceil(wide) * math.ceil(high) > most:
        shrink = math.sqrt(most / (wide * high))
        wide, high = wide * shrink, high * shrink
        # Then one side is made a whole number of patches.
        shrink = min(max(1, math.floor(side)) / side for side in (wide, high))
        wide, high = wide * shrink, high * shrink
    return min(most, math.ceil(wide - 1e-6) * math.ceil(high - 1e-6))


@dataclass(frozen=True, slots=True)
class Squares:
    """Anthropic's: one token per 28 x 28 pixels, fitted into `edge` pixels and `most` tokens."""

    edge: int
    most: int

    def tokens(self, size: Size | None, detail: str) -> int:
        """Return the tokens of an image."""
        if size is None:
            return self.most
        long, short = max(size), min(size)
        for edge in range(min(long, self.edge), 0, -1):
            squares = math.ceil(edge / 28) * max(1, math.ceil(round(short * edge / long) / 28))
            if squares <= self.most:
                return squares
        return 1


@dataclass(frozen=True, slots=True)
class Crops:
    """Gemini 2's: 258 to 384 pixels a side, else 258 per crop and for the whole image once more."""

    each: int = 258

    def tokens(self, size: Size | None, detail: str) -> int:
        """Return the tokens of an image."""
        wide, high = size or UNSEEN_IMAGE
        if max(wide, high) <= 384:
            return self.each
        unit = max(256, min(768, int(min(wide, high) / 1.5)))
        return self.each * (1 + math.ceil(wide / unit) * math.ceil(high / unit))


@dataclass(frozen=True, slots=True)
class Flat:
    """The same for every size; by the detail that is asked for, where the provider has some."""

    each: int
    by_detail: tuple[tuple[str, int], ...] = ()

    def tokens(self, size: Size | None, detail: str) -> int:
        """Return the tokens of an image."""
        return dict(self.by_detail).get(detail, self.each)


@dataclass(frozen=True, slots=True)
class Media:
    """What one model family takes for media.

    Attributes:
        models: a pattern of their names.
        image: the rule for images.
        source: where it is published or measured.
        sound: tokens per second of the user's sound; the assistant's costs twice as much at OpenAI.
        video: tokens per second of video, 0 where the provider takes none.
        page: tokens per page of a PDF; 0 where that is a page's text and its image.
        exact: whether recorded usages, or documented examples, are reproduced.
        named_only: it holds where the model is named, not for unnamed models.
        date: when the source was looked up.
    """

    models: str
    image: ImageRule
    source: str
    sound: int = 0
    video: int = 0
    page: int = 0
    exact: bool = False
    named_only: bool = False
    date: str = "2026-11"


_VISION = "OpenAI guide images-vision, mirror of 2026"
_HIGH = ("high", "ultra_high")
_DETAILS = (("low", 280), ("medium", 560), ("high", 1120), ("ultra_high", 2240))
_LATE = "gpt-(?:5\\.[6-9]|[6-9])"
_CLAUDE_VISION = "platform.claude.com/docs/en/build-with-claude/vision"
_GEMINI_TOKENS = "ai.google.dev/gemini-api/docs/tokens"

MEDIA_RULES: dict[str, tuple[Media, ...]] = {
    "openai": (
        # 33 times the tokens of other models, at a thirty-third of their price.
        Media("gpt-4o-mini", Tiles(2833, 5667), _VISION, 10, exact=True, named_only=True),
        Media("gpt-(?:4\\.1|5)-nano|gpt-5\\.4-nano", Patches(2.46), _VISION, 10, exact=True),
        Media("gpt-(?:4\\.1|5)-mini|gpt-5\\.4-mini", Patches(1.62), _VISION, 10, exact=True),
        Media("o4-mini", Patches(1.72), _VISION, 10, exact=True),
        Media(
            _LATE, Patches(1.2, 30_000, 65_535),
            f"{_VISION}: never shrunk; 1.2 by third parties that cite it", 10,
        ),
        Media(
            "gpt-5\\.5", Patches(1.2, 2500, 2048, 10_000, 6000, large_auto=True),
            f"{_VISION}; 1.2 measured (2,060 for 1245 x 1395)", 10, exact=True,
        ),
        Media(
            "gpt-5\\.4", Patches(1.2, 2500, 2048, 10_000, 6000),
            f"{_VISION}; 1.2 as measured with gpt-5.5", 10,
        ),
        Media("gpt-5\\.|gpt-5-codex", Patches(1.2), f"{_VISION}; 1.2 by community reports", 10),
        Media("gpt-5", Tiles(70, 140), _VISION, 10, exact=True),
        Media("(?:^|/)o[13](?:-|$)", Tiles(75, 150), _VISION, 10, exact=True),
        Media("computer-use", Tiles(65, 129), _VISION, 10, exact=True),
        Media(
            "gpt-4|gpt-audio", Tiles(85, 170),
            f"{_VISION}; sound: guide realtime-costs, a token per 100 ms", 10, exact=True,
        ),
    ),
    "anthropic": (
        Media(
            "claude-(?:opus-4-[7-9]|(?:opus|sonnet|haiku|fable|mythos)-[5-9])",
            Squares(2576, 4784), f"{_CLAUDE_VISION}, high-resolution tier", exact=True,
        ),
        Media(
            "claude-(?:v?[123]|instant|(?:opus|sonnet|haiku)-4)",
            Squares(1568, 1568), f"{_CLAUDE_VISION}, standard tier", exact=True,
        ),
    ),
    "gemini": (
        Media(
            "gemini-[3-9]", Flat(1120, _DETAILS),
            "ai.google.dev/gemini-api/docs/media-resolution: at most; sound: the larger of two "
            "pages, 25 and 32; video: 70 a frame, 280 in high resolution", 32, 70, 560,
        ),
        Media(
            "gemini-[12]", Crops(),
            f"{_GEMINI_TOKENS}; crops as recorded with gemini-2.0-flash: one more than documented",
            32, 263, 258, exact=True,
        ),
    ),
    "bedrock": (
        Media("nova", Flat(1840), "not published; 1,830 in three recordings of nova-pro", 32, 263),
    ),
}  # fmt: skip
"""By provider; of a provider's rows the first holds whose pattern is in the model's name.

Bedrock's Claude models have the rows of Anthropic.
"""


def media_rows(provider: str, model: str | None) -> tuple[Media, ...]:
    """Return the row of a model, or all that may hold where the table does not know it."""
    rows = MEDIA_RULES[provider]
    if provider == "bedrock":
        rows = (*rows, *MEDIA_RULES["anthropic"])
    for row in rows if model else ():
        if re.search(row.models, str(model), re.IGNORECASE):
            return (row,)
    return tuple(row for row in rows if not row.named_only)


def image_tokens(block: Any, rows: tuple[Media, ...]) -> int:
    """Return the tokens of an image block.

    The size is read from the image's own first bytes, where they are given; an image behind a URL
    or an id counts as one of `UNSEEN_IMAGE`.
    """
    inner = get(block, "image_url")
    detail = get(block, "detail") or (get(inner, "detail") if inner else None)
    detail = detail or _resolution(block)
    size = image_size(data_of(block))
    return max(row.image.tokens(size, str(detail or "auto")) for row in rows)


def _resolution(block: Any) -> str | None:
    """Return Gemini's media resolution of a part, in the words of the table."""
    level = first_of(block, "mediaResolution", "media_resolution")
    level = level if isinstance(level, str) else get(level, "level")
    if not isinstance(level, str):
        return None
    return level.lower().removeprefix("media_resolution_")


def audio_tokens(block: Any, rows: tuple[Media, ...], *, spoken: bool = False) -> int:
    """Return the tokens of a sound block; `spoken` by the assistant, OpenAI takes twice as many."""
    rate = max(row.sound for row in rows) or 32
    rate *= 2 if spoken else 1
    data = data_of(block)
    if not data:
        return rate * UNSEEN_SECONDS
    seconds = wav_seconds(data)
    return max(1, math.ceil(rate * (seconds or byte_count(data) / SOUND_BYTES)))


def video_tokens(block: Any, rows: tuple[Media, ...]) -> int:
    """Return the tokens of a video block: by its duration, else by its bytes."""
    rate = max(row.video for row in rows) or 263
    data = data_of(block)
    if not data:
        return rate * UNSEEN_SECONDS
    rate *= 4 if _resolution(block) in _HIGH else 1  # Gemini 3: 280 for 70 a frame
    seconds = mp4_seconds(data)
    if seconds is None:
        still = image_size(data)
        if still is not None:  # a picture that is called a video
            return max(row.image.tokens(still, "auto") for row in rows)
        seconds = byte_count(data) / VIDEO_BYTES
    return max(rate, math.ceil(rate * seconds))


def file_tokens(block: Any, rows: tuple[Media, ...]) -> int:
    """Return the tokens of a file block, by its pages or else by its bytes."""
    data = data_of(block)
    if not data:
        return UNSEEN_FILE
    pages = pdf_pages(data)
    if pages is None:
        return max(1, math.ceil(byte_count(data) / FILE_BYTES))
    scale = 2 if _resolution(block) in _HIGH else 1  # Gemini 3: 1,120 for 560
    return pages * max(
        row.page * scale or PAGE_TEXT + row.image.tokens(PAGE_PIXELS, "high") for row in rows
    )


def opaque_tokens(data: Any) -> int:
    """Return the tokens of what only the provider can read: encrypted thoughts, signatures."""
    return math.ceil(len(data) / OPAQUE_CHARACTERS) if isinstance(data, str | bytes) else 0

"""What a request costs beyond its text: messages, calls, tools, images, sound and files.

Facts of providers, as a table with source and date. Where a provider publishes nothing, the row
says so and holds a number on the safe side.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from dataclasses import dataclass
from typing import Any

from ctxmem.chat.rules import wire_format
from ctxmem.chat.shapes import get


@dataclass(frozen=True, slots=True)
class Overhead:
    """Tokens that a provider adds, beyond the texts themselves.

    Attributes:
        request: once per request.
        message: per message, beside its role.
        name: per message with a name, beside the name.
        call: per tool call, beside id, name and arguments.
        result: per tool result that is a block, beside id and content.
        tools: once, if there are tools.
        tool: per tool, beside its schema as JSON.
        source: where it is published or measured.
        date: when that was looked up.
    """

    request: int
    message: int
    name: int
    call: int
    result: int
    tools: int
    tool: int
    source: str
    date: str


OVERHEAD = {
    "openai": Overhead(
        *(3, 3, 1, 3, 3, 16, 8),
        "request, message, name: OpenAI cookbook, How to count tokens with tiktoken; call: as "
        "LlamaIndex counts it; tools: not published, above what function-token estimators use",
        "2026-11",
    ),
    "gemini": Overhead(
        *(4, 4, 1, 12, 12, 64, 16),
        "not published; ai.google.dev tokens guide counts roles and structure, the numbers are on the "
        "safe side",
        "2026-11",
    ),
    "bedrock": Overhead(
        *(8, 5, 1, 12, 12, 530, 16),
        "not published; those of Anthropic, whose models most requests go to",
        "2026-11",
    ),
    "anthropic": Overhead(
        *(8, 5, 1, 12, 12, 530, 16),
        "tools: docs.anthropic.com tool-use-pricing-and-tokens, largest value of the table; the "
        "rest is not published and on the safe side",
        "2026-11",
    ),
}
"""Per provider. Counts of Claude are estimates in any case: its tokenizer is not public."""

OPAQUE_CHARACTERS = 4
"""Characters of encrypted reasoning or a signature that may stand for one token."""
AUDIO_BYTES = 100
"""Bytes of sound per token: OpenAI counts 10 tokens a second, speech has 1,000 bytes or more."""
FILE_BYTES = 4
"""Bytes of a file per token: Anthropic takes 1,500 to 3,000 tokens a page and its image."""
UNSEEN_AUDIO = 600
"""Sound that is named, not given: a minute."""
UNSEEN_FILE = 20_000
"""A file that is named, not given: about five pages, text and image."""

# Anthropic: one token per 28 x 28 pixels, after fitting into the edge and the number of tokens of
# the models that take most (platform.claude.com/docs/en/build-with-claude/vision, 2026-11).
_CLAUDE_PATCH, _CLAUDE_EDGE, _CLAUDE_MOST = 28, 2576, 4784
# OpenAI: 85 and 170 per tile of 512 pixels, or up to 1,536 patches of 32 pixels times 1.62, by
# model (platform.openai.com/docs/guides/images-vision, 2026-11). An encoding does not tell the
# model, so the dearer of the two holds.
_TILE_BASE, _TILE, _TILE_EDGE, _TILE_BOX, _TILE_SHORT = 85, 170, 512, 2048, 768
_PATCH_EDGE, _PATCH_MOST, _PATCH_FACTOR = 32, 1536, 1.62
_HEADER_CHARACTERS = 1 << 17  # of base64; the size of a JPEG may stand behind a thumbnail


def provider_of(provider: str | None, counter: str) -> str:
    """Return the provider whose overhead holds: the one named, else the counter's."""
    named = wire_format(provider)
    if named is not None:
        return "openai" if named == "responses" else named
    if counter.startswith("claude"):
        return "anthropic"
    return "gemini" if counter.startswith("gemini") else "openai"


def image_tokens(block: Any, provider: str) -> int:
    """Return the tokens of an image block, by the rule of who takes blocks of this shape.

    The size is read from the image's own first bytes, where they are given; an image behind a URL
    or an id counts as the largest.
    """
    inner = get(block, "image_url")
    source = get(block, "source")
    detail = get(block, "detail") or (get(inner, "detail") if inner else None)
    size = _image_size(_data_of(block))
    if provider == "anthropic" or (source is not None and inner is None):
        return _claude_tokens(size)
    if detail == "low":
        return _TILE_BASE
    return max(_tile_tokens(size), _patch_tokens(size))


def _claude_tokens(size: tuple[int, int] | None) -> int:
    if size is None:
        return _CLAUDE_MOST
    scale = min(1.0, _CLAUDE_EDGE / max(size))
    wide, high = (math.ceil(edge * scale / _CLAUDE_PATCH) for edge in size)
    return max(1, min(_CLAUDE_MOST, wide * high))


def _tile_tokens(size: tuple[int, int] | None) -> int:
    if size is None:
        size = (_TILE_BOX, _TILE_SHORT)  # no shape covers more tiles
    scale = min(1.0, _TILE_BOX / max(size))
    scale = min(scale, _TILE_SHORT / min(size))
    wide, high = (math.ceil(edge * scale / _TILE_EDGE) for edge in size)
    return _TILE_BASE + _TILE * max(1, wide * high)


def _patch_tokens(size: tuple[int, int] | None) -> int:
    patches = _PATCH_MOST
    if size is not None:
        wide, high = (math.ceil(edge / _PATCH_EDGE) for edge in size)
        patches = min(patches, wide * high)
    return math.ceil(patches * _PATCH_FACTOR)


def audio_tokens(block: Any) -> int:
    """Return the tokens of a sound block, by its bytes."""
    return _by_size(block, AUDIO_BYTES, UNSEEN_AUDIO)


def file_tokens(block: Any) -> int:
    """Return the tokens of a file block, by its bytes."""
    return _by_size(block, FILE_BYTES, UNSEEN_FILE)


def video_tokens(block: Any) -> int:
    """Return the tokens of a video block, by its bytes."""
    return _by_size(block, FILE_BYTES, UNSEEN_FILE)


def opaque_tokens(data: Any) -> int:
    """Return the tokens of what only the provider can read: encrypted thoughts, signatures."""
    return math.ceil(len(data) / OPAQUE_CHARACTERS) if isinstance(data, str | bytes) else 0


def _by_size(block: Any, per_token: int, unseen: int) -> int:
    data = _data_of(block)
    if not data:
        return unseen
    size = len(data) if isinstance(data, bytes) else len(data) * 3 // 4
    return max(1, math.ceil(size / per_token))


def _data_of(block: Any) -> str | bytes | None:
    """Return the bytes that a block carries: base64 text, a data URL's, or bytes."""
    for name in ("source", "image_url", "input_audio", "file", None):
        inner = get(block, name) if name else block
        if isinstance(inner, str):
            inner = {"url": inner}
        if inner is None:
            continue
        for field in ("data", "base64", "file_data", "image", "audio", "video", "url"):
            data = get(inner, field)
            if isinstance(data, bytes) and data:
                return data
            if isinstance(data, str) and data:
                if data.startswith("data:"):
                    return data.partition(",")[2]
                if field != "url":
                    return data
    return None


def _image_size(data: str | bytes | None) -> tuple[int, int] | None:
    """Return width and height from the beginning of a PNG, GIF, WebP or JPEG file."""
    if not data:
        return None
    head = data[:_HEADER_CHARACTERS]
    try:
        # LlamaIndex keeps base64 text as bytes; an image's own bytes never look like base64.
        text = head.encode("ascii") if isinstance(head, str) else head
        decoded = base64.b64decode(text[: len(text) // 4 * 4], validate=True)
    except (binascii.Error, UnicodeEncodeError):
        decoded = head if isinstance(head, bytes) else b""
    try:
        size = _size_in(decoded)
    except struct.error:
        return None
    return size if size and min(size) > 0 else None


def _size_in(head: bytes) -> tuple[int, int] | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        wide, high = struct.unpack_from(">II", head, 16)
    elif head[:6] in (b"GIF87a", b"GIF89a"):
        wide, high = struct.unpack_from("<HH", head, 6)
    elif head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
        low = struct.unpack_from("<HBHB", head, 24)
        wide, high = 1 + low[0] + (low[1] << 16), 1 + low[2] + (low[3] << 16)
    elif head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8 ":
        wide, high = (edge & 0x3FFF for edge in struct.unpack_from("<HH", head, 26))
    elif head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8L":
        bits = struct.unpack_from("<I", head, 21)[0]
        wide, high = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif head[:2] == b"\xff\xd8":
        return _size_in_jpeg(head)
    else:
        return None
    return int(wide), int(high)


def _size_in_jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        # A frame header, of whatever coding; C4, C8 and CC in between are tables.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            high, wide = struct.unpack_from(">HH", head, at + 5)
            return int(wide), int(high)
        at += 2 + int(struct.unpack_from(">H", head, at + 2)[0])
    return None

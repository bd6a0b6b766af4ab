"""What a window is made of: passages that are found again by their text.

Texts are cut at blank lines and around the passages that were retrieved for them, so that a passage
is the same segment wherever it stands. Every distinct segment is counted once.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import xxhash

from ctxmem.auditing.assembly import Call
from ctxmem.chat.parts import Part, inner_parts, parts_of, ui_output
from ctxmem.chat.shapes import ROLES, role_of
from ctxmem.chat.uniform import arguments_text
from ctxmem.errors import InputError
from ctxmem.protocols import Counter
from ctxmem.traces import Passage

LEAST_CHARACTERS = 40
"""A shorter paragraph may stand in a window twice without being told; a retrieved one may not."""

LEAST_WORDS = 6
SPOKEN_CHARACTERS = 200
"""What a model says itself is told as a repeat from here on: it thanks for every question."""

_BLANK_LINES = re.compile("\n\n+")
_SEED = secrets.randbits(64)
_KEPT_CHARACTERS = 16 << 20
_MOST_LOCATED = 200  # passages of a trace that are looked for in each text
_MOST_PARAGRAPHS = 20_000  # that a text is cut into
_DEEPEST = 8


class Segment:
    """A stretch of a window.

    Attributes:
        key: hash of its text without outer white space.
        text: the text.
        tokens: its count, -1 until it is counted.
        role: who brings it: system, user, assistant, tool, or passage where no message is known.
        label: name of a retrieved passage, "" for others.
        retrieved: a retriever returned it.
        telling: long enough that its repetition is waste.
        units: hashes of its lines and sentences, None until asked for.
    """

    __slots__ = ("key", "label", "retrieved", "role", "telling", "text", "tokens", "units")

    def __init__(self, text: str, role: str, label: str = "", retrieved: bool = False) -> None:
        stripped = text.strip()
        self.text = text
        self.key = key_of(stripped)
        self.tokens = -1
        self.role = role
        self.label = label
        self.retrieved = retrieved
        least = SPOKEN_CHARACTERS if role == "assistant" else LEAST_CHARACTERS
        self.telling = retrieved or (
            role != "call"
            and len(stripped) >= least
            and len(stripped.split(None, LEAST_WORDS)) >= LEAST_WORDS
        )
        self.units: tuple[int, ...] | None = None

    def as_retrieved(self, label: str) -> Segment:
        """Return it as a passage that a retriever returned."""
        other = Segment.__new__(Segment)
        other.text, other.key, other.tokens, other.role = (
            self.text, self.key, self.tokens, self.role
        )  # fmt: skip
        other.label, other.retrieved, other.telling, other.units = label, True, True, self.units
        return other

    @property
    def name(self) -> str:
        """What a person calls it: its label, or how it begins."""
        if self.label:
            return self.label
        begins = " ".join(self.text[:200].split())
        return begins if len(begins) <= 60 else begins[:59] + "…"


def key_of(text: str) -> int:
    """Return a hash of a text, seeded per process, so that nobody can make two texts collide."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")
    return xxhash.xxh3_64_intdigest(data, _SEED)


Marks = dict[int, str]
"""Segments of a window that are marked as waste, and as what."""


@dataclass(slots=True)
class Window:
    """What a call was given, cut into segments.

    `places` says where each segment stands; `unique` lists the telling ones that stand there for
    the first time; the first `common` ones, of `stable` tokens, begin the call before too, and
    `lost` tokens, the `moved` ones, stood in it behind what changed.
    """

    call: Call
    session: str
    segments: list[Segment]
    places: list[dict[str, Any]] = field(default_factory=list)
    marks: Marks = field(default_factory=dict)
    unique: list[int] = field(default_factory=list)
    common: int = 0
    stable: int = 0
    lost: int = 0
    moved: frozenset[int] = frozenset()

    @property
    def tokens(self) -> int:
        """All its tokens."""
        return sum(segment.tokens for segment in self.segments)

    def unmarked(self) -> list[int]:
        """Return the unique segments that nothing was found about so far."""
        return [i for i in self.unique if i not in self.marks]


Shown = dict[int, tuple[str, Passage]]
"""Retrieved passages and their texts, by the key of the text."""


class Cutter:
    """Cuts calls into segments; what was cut before is kept, within bounds.

    A history comes again with every request, so most texts were cut before.
    """

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._known: dict[tuple[str, str], list[Segment]] = {}  # by role and text
        self._characters = 0

    def cut(self, call: Call) -> tuple[list[Segment], list[int]]:
        """Return the segments of a call, and for each the message that it stands in."""
        segments: list[Segment] = []
        message_of: list[int] = []
        if not call.messages:
            for passage in call.shown:
                segments.append(self._passage(passage))
                message_of.append(0)
        else:
            shown = _locatable(call.shown)
            for i, message in enumerate(call.messages):
                for role, text in texts_of(message):
                    pieces = self._pieces(text, role, shown)
                    segments += pieces
                    message_of += [i] * len(pieces)
        self._count(segments)
        return segments, message_of

    def _count(self, segments: Sequence[Segment]) -> None:
        fresh = [segment for segment in segments if segment.tokens < 0]
        if fresh:
            counts = self._counter.count_many([segment.text for segment in fresh])
            for segment, tokens in zip(fresh, counts, strict=True):
                segment.tokens = tokens

    def _passage(self, passage: Passage) -> Segment:
        """Return the segment of a passage; retrievers return the same ones again and again."""
        if passage.text is None:
            return passage_segment(passage)
        role = "\0"  # none that a message has: those are cut
        known = self._known.get((role, passage.text))
        if known is None:
            known = self._keep(role, passage.text, [passage_segment(passage)])
        label = passage.label
        return known[0] if known[0].label == label else known[0].as_retrieved(label)

    def _keep(self, role: str, text: str, segments: list[Segment]) -> list[Segment]:
        self._characters += len(text)
        if self._characters > _KEPT_CHARACTERS:
            self._known.clear()
            self._characters = len(text)
        self._known[role, text] = segments
        return segments

    def _pieces(self, text: str, role: str, shown: Shown) -> list[Segment]:
        known = self._known.get((role, text))
        if known is None:
            known = self._keep(role, text, list(_paragraphs(text, role)))
        if not shown:
            return known
        # Most passages are paragraphs; those that are not are looked for.
        pieces = [s.as_retrieved(shown[s.key][1].label) if s.key in shown else s for s in known]
        here = {segment.key for segment in pieces if segment.retrieved}
        missing = [one for key, one in shown.items() if key not in here and len(one[0]) < len(text)]
        del missing[_MOST_LOCATED:]
        if missing and _locate(text, missing):
            return list(_around(text, role, _locate(text, shown.values())))
        return pieces


def passage_segment(passage: Passage) -> Segment:
    """Return the segment of a retrieved passage; one without text is known by its id alone."""
    if passage.text is None:
        segment = Segment("", "passage", passage.label, retrieved=True)
        segment.key = key_of(f"\0id {passage.id}")
        segment.tokens = 0
        return segment
    return Segment(passage.text, "passage", passage.label, retrieved=True)


def _paragraphs(text: str, role: str) -> Iterator[Segment]:
    """Cut at blank lines; a cut leaves the newlines before it, so that counts add up exactly."""
    start = 0
    least = len(text) // _MOST_PARAGRAPHS  # text made of blank lines is cut less finely
    for blank in _BLANK_LINES.finditer(text):
        if blank.end() - start > least:
            yield Segment(text[start : blank.end()], role)
            start = blank.end()
    if start < len(text):
        yield Segment(text[start:], role)


def _locatable(shown: Sequence[Passage]) -> Shown:
    found: Shown = {}
    for passage in shown:
        text = passage.text.strip() if passage.text else ""
        if len(text) >= 8:
            found.setdefault(key_of(text), (text, passage))
    return found


def _locate(text: str, shown: Iterable[tuple[str, Passage]]) -> list[tuple[int, int, Passage]]:
    """Return where passages stand in a text, without those inside of others."""
    found = []
    for passage, known in shown:
        at = text.find(passage)
        while at >= 0:
            found.append((at, at + len(passage), known))
            at = text.find(passage, at + len(passage))
    found.sort(key=lambda place: (place[0], -place[1]))
    kept: list[tuple[int, int, Passage]] = []
    for place in found:
        if not kept or place[0] >= kept[-1][1]:
            kept.append(place)
    return kept


def _around(text: str, role: str, located: Sequence[tuple[int, int, Passage]]) -> Iterator[Segment]:
    at = 0
    for start, end, passage in located:
        if start > at:
            yield from _paragraphs(text[at:start], role)
        yield Segment(text[start:end], role, passage.label, retrieved=True)
        at = end
    if at < len(text):
        yield from _paragraphs(text[at:], role)


# Messages


def texts_of(message: Any) -> Iterator[tuple[str, str]]:
    """Yield role and text of all that a message says, calls and answers; thoughts are not sent.

    A trace may hold anything: what is no message has no texts.
    """
    try:
        role = role_of(message, 0) or "user"
        parts = parts_of(message, 0)
    except InputError:
        return
    role = ROLES.get(role, role)
    for part in parts:
        yield from _texts(part, part.role or role, 0)


def _texts(part: Part, role: str, depth: int) -> Iterator[tuple[str, str]]:
    if part.kind in ("text", "prompt", "refusal"):
        if part.text:
            yield role, part.text
    elif part.kind in ("call", "hosted_call"):
        yield "call", arguments_text(part.body)
        output = ui_output(part) if part.settled and not part.whole else None
        if output is not None and depth < _DEEPEST:
            yield from _texts(part._replace(kind="result", body=output), "tool", depth + 1)
    elif part.kind in ("result", "hosted_result", "quoted") and depth < _DEEPEST:
        inside = inner_parts(part, 0)
        if inside is None:
            yield "tool", arguments_text(part.body)
        for one in inside or ():
            yield from _texts(one, role if part.kind == "quoted" else "tool", depth + 1)
    elif part.kind == "unknown":
        yield from _texts_inside(part, role, depth)


def _texts_inside(part: Part, role: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the texts in a block of a type that nobody knows, as far as it has a content."""
    block = part.value
    content = block.get("content") if isinstance(block, dict) else None
    if isinstance(content, str):
        yield role, content
    elif isinstance(content, list) and depth < _DEEPEST:
        for one in inner_parts(part._replace(body=content), 0) or ():
            yield from _texts(one, role, depth + 1)

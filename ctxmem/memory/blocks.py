"""Show parts of a text so that no block of it is torn: code, tables, JSON.

What is shown of a code block has its fences, a row its header, a member of JSON the keys and
brackets around it, and a line of its own says where something is left out.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from ctxmem import _native
from ctxmem.memory.json_parts import (
    JsonParts,
    is_json,
    is_json_lines,
    lines_around,
    lines_part,
)
from ctxmem.memory.long_texts import LongTexts
from ctxmem.memory.table_parts import table_part

LEFT_OUT = "[...]"
"""Marks where text is left out."""
_UNIT_BYTES = 240
_FEWEST_BYTES, _MOST_BYTES = 80, 800
_SHARE = 0.5
"""A block of which a span has a smaller share is left out of it, if it has more of another."""
_HEAD_SHARE = 2 / 3
"""Of a text that is shown in part, this share of what is shown is its beginning."""

_CODE, _FENCE, _HEADER, _NAME, _ROW, _RECORD = (
    _native.SPAN_KINDS.index(kind)
    for kind in ("code", "fence", "header", "name", "table_row", "record")
)
_BLOCKS = frozenset({_CODE, _FENCE, _HEADER, _NAME, _ROW, _RECORD})
_NEEDED = frozenset({_CODE, _FENCE, _HEADER, _NAME})
_NEVER_ALONE = sum(1 << _native.SPAN_FLAGS.index(flag) for flag in ("label", "lead_in"))
_STRUCTURED = re.compile(r"```|~~~|^[ \t]*\|.*\||^[ \t]*[\[{]|^[^\n]*\t[^\n]*\t", re.MULTILINE)

Spans = tuple[tuple[int, int], ...]


class _Outline(NamedTuple):
    """The units of a text: where they are, what they are, and what each needs."""

    starts: list[int]
    ends: list[int]
    kinds: list[int]
    flags: list[int]
    need: list[int]
    also: list[int]

    def with_needs(self, unit: int, *, headings: bool = True) -> set[int]:
        """Return a unit and what a reader needs to see around it.

        Without `headings` it is only what makes a block whole: fences, headers, keys, signatures.
        """
        found: set[int] = set()
        left = [unit]
        while left:
            one = left.pop()
            if one in found:
                continue
            found.add(one)
            need = self.need[one]
            if need >= 0 and (headings or self.kinds[need] in _NEEDED):
                left.append(need)
            if self.also[one] >= 0 and self.kinds[self.also[one]] == _FENCE:
                left.append(self.also[one])
        return found


_outlined: LongTexts[_Outline] = LongTexts()
_parsed: LongTexts[JsonParts] = LongTexts()


def _outline(text: str, room: int = _UNIT_BYTES, *, code: bool = False) -> _Outline:
    def read() -> _Outline:
        formats = np.array([3 if code else 0], np.uint8)
        columns = _native.outline(_native.Corpus([text]), formats, room=room)
        start, end, kind, flags, need, also, _, _ = (column.tolist() for column in columns)
        return _Outline(start, end, kind, flags, need, also)

    return _outlined.get(text, (room, code), read)


def whole_blocks(text: str, spans: Spans) -> Spans:
    """Return spans of a text so that each block in them is whole or has what it needs.

    Prose is left as it is, and JSON is: `shown_text` shows it so.

    >>> text = "| a | b |\\n|---|---|\\n| 1 | 2 |\\n| 3 | 4 |\\n"
    >>> [text[start:end].split("\\n")[0] for start, end in whole_blocks(text, ((32, 36),))]
    ['| a | b |', '| 3 | 4 |']
    """
    if not _STRUCTURED.search(text) or is_json_lines(text) or _read_json(text) is not None:
        return spans
    units = _outline(text)
    kept: list[tuple[int, int]] = []
    wanted: set[int] = set()
    for start, end in spans:
        torn: list[tuple[float, int]] = []  # the share of each block in the span
        first = bisect_right(units.ends, start)
        for i in range(first, bisect_left(units.starts, end)):
            begin, last = units.starts[i], _trimmed(text, units.starts[i], units.ends[i])
            if units.kinds[i] not in _BLOCKS:
                kept.append((max(begin, start), min(units.ends[i], end)))
            elif last > start:
                torn.append(((min(last, end) - max(begin, start)) / max(1, last - begin), i))
        most = max(torn, default=(0.0, 0))[0]
        for share, i in torn:
            if share >= min(_SHARE, most):
                wanted |= units.with_needs(i, headings=False)
    kept += [(units.starts[i], units.ends[i]) for i in wanted]
    return _merged(text, kept)


def _trimmed(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1].isspace():
        end -= 1
    return end


def _merged(text: str, spans: Iterable[tuple[int, int]]) -> Spans:
    """Return spans in order, those with nothing but white space between them as one."""
    made: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if made and (start <= made[-1][1] or not text[made[-1][1] : start].strip()):
            made[-1] = (made[-1][0], max(made[-1][1], end))
        elif text[start:end].strip():
            made.append((start, end))
    return tuple(made)


def shown_text(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return the spans of a text, in order, with a mark wherever words between them are left out.

    Of JSON, and of lines of it, the members are shown that the spans have.

    >>> shown_text("One. Two. Three.", [(5, 9)])
    '[...]\\nTwo.\\n[...]'
    """
    if len(spans) == 1 and not (text[: spans[0][0]] + text[spans[0][1] :]).strip():
        return text.strip("\n")
    with suppress(ValueError):
        if is_json_lines(text):
            return lines_around(text, spans)
        if (parts := _read_json(text)) is not None:
            return parts.around(spans)
    return _marked(text, spans, LEFT_OUT)


def _marked(text: str, spans: Sequence[tuple[int, int]], mark: str) -> str:
    out, last = [], 0
    for start, end in spans:
        if text[last:start].strip():
            out.append(mark)
        line = text.rfind("\n", 0, start) + 1
        indented = line >= last and not text[line:start].strip()
        out.append(text[line if indented else start : end].rstrip().strip("\n"))
        last = end
    if text[last:].strip():
        out.append(mark)
    return "\n".join(out)


def _read_json(text: str) -> JsonParts | None:
    """Return a text as JSON, None if it is none."""
    if not is_json(text):
        return None
    with suppress(ValueError):
        return _parsed.get(text, None, lambda: JsonParts(text))
    return None


class PartialText:
    """Shows a text in part: its beginning and its end, with no block torn.

    Of JSON whole members are shown, of anything else sentences, rows, items and groups of
    statements with what they need.

    Args:
        room: characters that about will be shown.
        kind: "code" for code without a fence around it, "table" for what `tabled` made.

    >>> print(PartialText("| a |\\n|---|\\n| 1 |\\n| 2 |\\n| 3 |\\n| 4 |\\n", 28).part(28))
    | a |
    |---|
    | 1 |
    [...]
    | 4 |
    """

    def __init__(self, text: str, room: int, *, kind: str = "") -> None:
        self._text = text
        self._json = _read_json(text)
        self._most = max(_FEWEST_BYTES, min(_MOST_BYTES, room // 4))
        self._kind = kind

    def part(self, room: int) -> str:
        """Return what is shown in about `room` characters."""
        text = self._text
        if len(text) <= room:
            return text
        if self._json is not None:
            try:
                return self._json.part(room)
            except ValueError:
                self._json = None
        if self._kind == "table":
            return table_part(text, room)
        if is_json_lines(text):
            return lines_part(text, room)
        units = _outline(text, self._most, code=self._kind == "code")
        count, first = len(units.starts), int(_HEAD_SHARE * room)
        chosen: set[int] = set()
        left = room - first + _filled(units, range(count), first, chosen)
        _filled(units, range(count - 1, -1, -1), left, chosen)
        chosen = _without_lonely(units, chosen)
        spans = _merged(text, [(units.starts[i], units.ends[i]) for i in chosen])
        return _marked(text, spans, LEFT_OUT) if spans else ""


def _filled(units: _Outline, order: Iterable[int], room: int, chosen: set[int]) -> int:
    """Choose units in order, each with its needs, while there is room; return what is left."""
    for i in order:
        if i in chosen:
            continue
        new = units.with_needs(i) - chosen
        size = sum(units.ends[one] - units.starts[one] for one in new)
        size += len(LEFT_OUT) + 1 if len(new) > 1 else 0
        if size > room:
            break
        chosen |= new
        room -= size
    return room


def _without_lonely(units: _Outline, chosen: set[int]) -> set[int]:
    """Return units without the names and lead-ins of which nothing is shown."""
    said = [i for i in chosen if not units.flags[i] & _NEVER_ALONE]
    return {one for i in said for one in units.with_needs(i)}

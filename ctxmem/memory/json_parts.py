"""Show JSON in part: whole members, as they are written, and what is left out in words."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

_LEAST = 40
"""Characters; a member that may have fewer is left out."""
_DEEPEST = 12
_WHOLE = 240
"""Characters; around what is looked for, members of no more are shown whole."""
_BRIEF = 60
"""Characters; a member of no more, such as an id, is shown beside those that are looked for."""
_SHARE = 0.5
"""A member of which a span has a smaller share is left out, if it has more of another."""
_NAMES = 3
"""So many keys of members that are left out are named."""
_HEAD_SHARE = 2 / 3
_WHITE = " \t\r\n"
_CHARACTER = re.compile(
    r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.|[^\\]",
    re.DOTALL,
)
"""A character of a string as JSON writes it: an escape, or two that are one."""
_decode = json.JSONDecoder().raw_decode


class _Member(NamedTuple):
    """A member of an object or an array: where it begins, its value and its end, and its key."""

    start: int
    value: int
    end: int
    key: str


def is_json(text: str) -> bool:
    """Return whether a text reads like one JSON object or array."""
    begins, ends = text.lstrip()[:1], text.rstrip()[-1:]
    return (begins, ends) in {("{", "}"), ("[", "]")}


def is_json_lines(text: str) -> bool:
    """Return whether each line of a text reads like a JSON object or array."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    lines = [line for line in text.split("\n") if line.strip()]
    return len(lines) > 1 and all(map(is_json, lines))


class JsonParts:
    """Shows a text of JSON in part.

    Members are shown as they are written. What is left out is said between them, which makes no
    valid JSON, so that nobody takes it for all there is.

    Raises:
        ValueError: the text is no JSON.

    >>> print(JsonParts('[{"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}, {"a": 5}]').part(30))
    [{"a": 1}, {"a": 2},
    [... 2 of 5 elements left out ...]
    {"a": 5}]
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._start = len(text) - len(text.lstrip())
        self._held: dict[int, list[_Member]] = {}
        try:
            _, self._end = _decode(text, self._start)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if text[self._end :].strip():
            raise ValueError("more than one value")

    def part(self, room: int) -> str:
        """Return the JSON in about `room` characters.

        Raises:
            ValueError: what is large in it is nested too deeply.
        """
        return self._shown(self._start, self._end, room, 0)

    def _shown(self, start: int, end: int, room: int, depth: int) -> str:
        text = self._text
        if end - start <= room:
            return text[start:end]
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        opened = text[start]
        if opened == '"':
            return _string(text, start, end, room)
        if opened not in "{[":
            return text[start:end]
        members = self._members(start)
        sizes = [one.end - one.start for one in members]
        shares = (_shares if opened == "{" else _ends)(sizes, room)
        parts = [
            text[one.start : one.value]
            + self._shown(one.value, one.end, share - (one.value - one.start), depth + 1)
            if share >= min(size, _LEAST)
            else None
            for one, size, share in zip(members, sizes, shares, strict=True)
        ]
        return _joined(text, start, end, members, parts)

    def around(self, spans: Sequence[tuple[int, int]]) -> str:
        """Return the members that spans of the text have most of, within the keys above them.

        What says briefly what an object is (an id, a name) is shown with what is in it.

        Raises:
            ValueError: they are nested too deeply.

        >>> text = str([[1] * 90, [2] * 90, [3, 4]])
        >>> print(JsonParts(text).around([(len(text) - 4, len(text))]))
        [
        [... 2 of 3 elements left out ...]
        [3, 4]]
        """
        return self._around(self._start, self._end, spans, 0)

    def _around(self, start: int, end: int, spans: Sequence[tuple[int, int]], depth: int) -> str:
        text = self._text
        if end - start <= _WHOLE:
            return text[start:end]
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        if text[start] == '"':
            return _string_around(text, start, end, spans)
        if text[start] not in "{[":
            return text[start:end]
        members = self._members(start)
        covered = [_covered(one, spans) for one in members]
        most = max(
            (part / (one.end - one.start) for one, part in zip(members, covered, strict=True)),
            default=0.0,
        )
        parts: list[str | None] = []
        brief = _WHOLE  # characters that are left for what is shown beside
        for one, part in zip(members, covered, strict=True):
            size = one.end - one.start
            if part and (part >= min(_SHARE, most) * size or size > _WHOLE):
                inside = self._around(one.value, one.end, spans, depth + 1)
                parts.append(text[one.start : one.value] + inside)
            elif self._is_brief(start, one) and size <= brief:
                brief -= size
                parts.append(text[one.start : one.end])
            else:
                parts.append(None)
        return _joined(text, start, end, members, parts)

    def _is_brief(self, start: int, member: _Member) -> bool:
        """Return whether a member of what begins at `start` says briefly what that is."""
        brief = member.end - member.start <= _BRIEF
        return brief and self._text[start] == "{" and self._text[member.value] not in "{["

    def _members(self, start: int) -> list[_Member]:
        """Return the members of the object or array that begins at `start`."""
        if start in self._held:
            return self._held[start]
        text = self._text
        members: list[_Member] = []
        at = _behind_white(text, start + 1)
        while text[at] not in "}]":
            begin, key = at, ""
            if text[start] == "{":
                key, at = _decode(text, at)
                at = _behind_white(text, _behind_white(text, at) + 1)
            _, end = _decode(text, at)
            members.append(_Member(begin, at, end, key))
            at = _behind_white(text, end)
            if text[at] == ",":
                at = _behind_white(text, at + 1)
        self._held[start] = members
        return members


def _covered(member: _Member, spans: Sequence[tuple[int, int]]) -> int:
    """Return how many characters of a member are in spans."""
    return sum(max(0, min(b, member.end) - max(a, member.start)) for a, b in spans)


def _behind_white(text: str, at: int) -> int:
    while text[at] in _WHITE:
        at += 1
    return at


def _shares(sizes: list[int], room: int) -> list[int]:
    """Return the room of each member of an object: small ones are whole, large ones share."""
    shares = [0] * len(sizes)
    left = room
    order = sorted(range(len(sizes)), key=lambda i: (sizes[i], i))
    for place, i in enumerate(order):
        share = min(sizes[i], left // (len(order) - place))
        if share < min(sizes[i], _LEAST):
            if place < len(order) // 2:
                break  # the larger ones are named only
            share = min(sizes[i], left)  # at least one of them is shown
            if share < _LEAST:
                break
        shares[i] = share
        left -= share + 2
    if not any(shares) and sizes:
        shares[0] = max(_LEAST, room)
    return shares


def _ends(sizes: list[int], room: int) -> list[int]:
    """Return the room of each element of an array: the first and the last ones are whole."""
    shares = [0] * len(sizes)
    left = int(_HEAD_SHARE * room)
    first = 0
    while first < len(sizes) and sizes[first] + 2 <= left:
        shares[first] = sizes[first]
        left -= sizes[first] + 2
        first += 1
    left += room - int(_HEAD_SHARE * room)
    last = len(sizes) - 1
    while last > first and sizes[last] + 2 <= left:
        shares[last] = sizes[last]
        left -= sizes[last] + 2
        last -= 1
    if first == 0 and sizes and left >= _LEAST:
        shares[0] = left
    return shares


def _joined(
    text: str,
    start: int,
    end: int,
    members: list[_Member],
    parts: list[str | None],
) -> str:
    """Return members with their brackets, and a line for each run of members left out."""
    out = [text[start]]
    indent = text[start + 1 : members[0].start]
    broken = "\n" in indent  # each member is on a line of its own
    gap = indent if broken else "\n"
    i = 0
    while i < len(parts):
        part = parts[i]
        if part is not None:
            comma = "," if i + 1 < len(parts) else ""
            behind = parts[i + 1] is not None if i + 1 < len(parts) else True
            between = text[members[i].end : members[i + 1].start] if comma and behind else comma
            before = indent if i == 0 else ""
            out.append(before + part + between)
            i += 1
            continue
        last = i
        while last + 1 < len(parts) and parts[last + 1] is None:
            last += 1
        mark = _mark(members[i : last + 1], len(members), named=text[start] == "{")
        out.append(gap + mark + (gap if last + 1 < len(parts) else ""))
        i = last + 1
    closing = text[members[-1].end : end] if members else text[start + 1 : end]
    if parts and parts[-1] is None and not broken:
        closing = "\n" + closing
    return "".join(out) + closing


def lines_part(text: str, room: int) -> str:
    """Return the first and the last lines of lines of JSON in about `room` characters."""
    lines = [line for line in text.split("\n") if line.strip()]
    shares = _ends([len(line) for line in lines], room)
    parts = [
        line if share >= len(line) else JsonParts(line).part(share) if share else None
        for line, share in zip(lines, shares, strict=True)
    ]
    return _with_marks(parts)


def lines_around(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return the lines of JSON that spans of the text have most of, long ones in part.

    Raises:
        ValueError: a line is no JSON, or nested too deeply.
    """
    parts: list[str | None] = []
    at = 0
    for line in text.split("\n"):
        here = [(a - at, b - at) for a, b in spans if a < at + len(line) and b > at]
        part = sum(min(b, len(line)) - max(a, 0) for a, b in here)
        wanted = part >= min(_SHARE * len(line), _WHOLE)
        if line.strip():
            parts.append(JsonParts(line).around(here) if wanted and here else None)
        at += len(line) + 1
    return _with_marks(parts)


def _with_marks(parts: Sequence[str | None]) -> str:
    """Return lines, and a line that counts them for each run of lines left out."""
    out: list[str] = []
    left_out = 0
    for part in [*parts, ""]:
        if part is None:
            left_out += 1
            continue
        if left_out:
            out.append(f"[... {left_out} of {len(parts)} lines left out ...]")
        left_out = 0
        out.append(part)
    return "\n".join(out[:-1])


def _mark(members: list[_Member], total: int, *, named: bool) -> str:
    count = f"{len(members)} of {total}"
    if not named:
        return f"[... {count} elements left out ...]"
    names = ", ".join(json.dumps(one.key, ensure_ascii=False)[:40] for one in members[:_NAMES])
    more = ", ..." if len(members) > _NAMES else ""
    return f"[... {count} members left out: {names}{more} ...]"


def _string(text: str, start: int, end: int, room: int) -> str:
    """Return the beginning of a string, closed, and how many characters it lacks."""
    cut = start + max(1, room)
    word = max(text.rfind(" ", start, cut), text.rfind("\\n", start, cut))
    if word > start + (cut - start) // 2:
        cut = word
    return _closed(text, start, end, cut)


def _string_around(text: str, start: int, end: int, spans: Sequence[tuple[int, int]]) -> str:
    """Return a string to where the spans in it end, and from where they begin if that is far."""
    inside = [(max(a, start), min(b, end)) for a, b in spans if a < end and b > start]
    first = min((a for a, _ in inside), default=start)
    last = max((b for _, b in inside), default=start)
    last = max(last, start + 1)
    rest = text[start:end] if last >= end - 1 else _closed(text, start, end, last)
    if first - start <= _WHOLE:
        return rest
    cut = _between_escapes(text, start + 1, first)
    lacks = f"[... {cut - start - 1:,} more characters left out before this ...]"
    return f'{lacks} "{rest[cut - start :]}'


def _closed(text: str, start: int, end: int, cut: int) -> str:
    """Return a string up to `cut`, closed, and how many characters it lacks."""
    cut = _between_escapes(text, start, cut)
    return f'{text[start:cut]}" [... {end - 1 - cut:,} more characters left out ...]'


def _between_escapes(text: str, start: int, cut: int) -> int:
    """Return the last place up to `cut` that is within no escape of a string."""
    at = max(start, cut - 13)  # before any escape, or pair of them, that `cut` is within
    slashes = 0
    while at - 1 - slashes >= start and text[at - 1 - slashes] == "\\":
        slashes += 1
    at -= slashes % 2
    while (found := _CHARACTER.match(text, at)) and found.end() <= cut:
        at = found.end()
    return at

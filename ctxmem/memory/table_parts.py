"""Show a table that was made of JSON in part: whole rows below their header."""

from __future__ import annotations

import re

from ctxmem.memory.long_texts import LongTexts

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?$)')
_HEAD_SHARE = 2 / 3
_known: LongTexts[list[list[str]]] = LongTexts()


def table_part(text: str, room: int) -> str:
    """Return the first and the last rows of a table in about `room` characters.

    A row may itself hold tables, and is shown with all lines of them. Where not even the first row
    is short enough, its first lines are shown.

    >>> print(table_part("[id|name\\n1|a\\n2|b\\n3|c\\n4|d]", 20))
    [id|name
    1|a
    [... 2 of 4 rows left out ...]
    4|d]
    """
    lines = text.split("\n")
    rows = _known.get(text, None, lambda: _rows(lines))
    head = lines[0]
    left = int(_HEAD_SHARE * room) - len(head) - 1
    first = 0
    while first < len(rows) and _size(rows[first]) <= left:
        left -= _size(rows[first])
        first += 1
    if not first:
        return _first_lines(lines, room)
    left += room - int(_HEAD_SHARE * room)
    last = len(rows)
    while last > first and _size(rows[last - 1]) <= left:
        left -= _size(rows[last - 1])
        last -= 1
    mark = [f"[... {last - first} of {len(rows)} rows left out ...]"] if last > first else []
    shown = ["\n".join(row) for row in rows[:first]] + mark
    return "\n".join([head, *shown, *("\n".join(row) for row in rows[last:])])


def _rows(lines: list[str]) -> list[list[str]]:
    """Return the rows of the outermost table, each as its lines; none where there is no such."""
    if not lines[0].startswith("["):
        return []
    rows: list[list[str]] = []
    depth = _depth(lines[0])
    if depth != 1:
        return []
    for line in lines[1:]:
        if depth == 1:
            rows.append([])
        rows[-1].append(line)
        depth += _depth(line)
        if depth < 1:
            break
    return rows


def _depth(line: str) -> int:
    bare = _QUOTED.sub("", line)
    return bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")


def _size(row: list[str]) -> int:
    return sum(len(line) + 1 for line in row)


def _first_lines(lines: list[str], room: int) -> str:
    shown: list[str] = []
    for line in lines:
        if len(line) + 1 > room:
            break
        shown.append(line)
        room -= len(line) + 1
    if not shown:
        return ""
    left = len(lines) - len(shown)
    return "\n".join([*shown, *([f"[... {left} more lines left out ...]"] if left else [])])

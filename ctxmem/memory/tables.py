"""Write JSON with fewer tokens and nothing lost: `tabled`.

Tool results are mostly JSON, and most of its tokens are quotes, braces and keys said again for
every row. Here a list of objects of one shape becomes a table, its keys said once; other objects
become `key=value`. Every value, its type and the order of keys can be read back; the tests do so.

::

    {"id": 7, "legs": [{"from": "JFK", "seats": {"a": 1, "b": 2}}, {"from": "SEA", ...}]}

    id=7 legs=[from|seats>a|seats>b
    JFK|1|2
    SEA|0|4]

Groups of rows (lists of lists of objects) are parted by a blank line. A string is quoted, as in
JSON, when it would read as something else.
"""

from __future__ import annotations

import json
import re
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_.-]+")
_LITERAL = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Infinity")
_UNSAFE = re.compile(r'[{}\[\]|,="\x00-\x1f\x7f-\x9f\u2028\u2029]|^\s|\s$|^$')


class _Number(str):
    """A number as it is written."""


class _NotTabled(Exception):
    """The text is no JSON that a table can hold."""


def tabled(text: str) -> str | None:
    """Return JSON text in fewer words, None for what is no JSON object or list.

    >>> print(tabled('[{"id": 1, "at": {"x": "5"}}, {"id": 2, "at": {"x": "b c"}}]'))
    [id|at>x
    1|"5"
    2|b c]
    """
    if text[:1] not in "{[" and text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(
            text,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_refuse,
            object_pairs_hook=_object,
        )
        if not isinstance(value, dict | list) or not value:
            return None
        return _fields(value) if isinstance(value, dict) else _list(value)
    except (ValueError, RecursionError, _NotTabled):
        return None


def _refuse(constant: str) -> Any:
    raise _NotTabled(constant)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _NotTabled("a key is there twice")
    return made


def _fields(value: dict[str, Any]) -> str:
    parts = []
    for key, inner in value.items():
        shown = f"{{{_fields(inner)}}}" if isinstance(inner, dict) else "=" + _value(inner)
        parts.append(_key(key) + shown)
    return " ".join(parts)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{_fields(value)}}}"
    if isinstance(value, list):
        return _list(value)
    if value is None or value is True or value is False:
        return "null" if value is None else str(value).lower()
    if isinstance(value, _Number):
        return str(value)
    if _UNSAFE.search(value) or _LITERAL.fullmatch(value):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _list(value: list[Any]) -> str:
    rows = _rows(value)
    if rows is None:
        groups = [_rows(inner, least=1) if isinstance(inner, list) else None for inner in value]
        rows = []
        for i, group in enumerate(groups):
            if group is None or (i and [k for k, _ in group[0]] != [k for k, _ in rows[0]]):
                rows = None
                break
            rows += [*([[]] if i else []), *group]
        if len(value) < 2:
            rows = None
    if not rows:
        return f"[{','.join(map(_value, value))}]"
    header = "|".join(key for key, _ in rows[0])
    # An empty row, which no table has, is the blank line between groups.
    lines = ["|".join(_value(cell) for _, cell in row) for row in rows]
    return "[" + "\n".join([header, *lines]) + "]"


_Row = list[tuple[str, Any]]


def _rows(value: list[Any], least: int = 2) -> list[_Row] | None:
    """Return the objects of a list as rows, if they are all of one shape."""
    if len(value) < least or not all(isinstance(inner, dict) and inner for inner in value):
        return None
    rows = [_cells(inner, "") for inner in value]
    keys = [key for key, _ in rows[0]]
    return rows if all([key for key, _ in row] == keys for row in rows[1:]) else None


def _cells(value: dict[str, Any], path: str) -> _Row:
    row: _Row = []
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            row += _cells(inner, f"{path}{_key(key)}>")
        else:
            row.append((path + _key(key), inner))
    return row


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)

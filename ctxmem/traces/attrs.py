"""Attributes of spans as plain values, whether they come flattened, nested, as OTLP or as JSON."""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

_DEEPEST = 20
_ENCODED = 3  # times that exports encode a value as JSON
_LONGEST_NAME = 300  # characters of an id or a name that are kept
_SESSIONS = (
    *("session_id", "thread_id", "conversation_id", "chat_id"),
    *("sessionId", "threadId", "conversationId", "chatId", "Helicone-Session-Id"),
)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?\s*(Z|[+-]\d\d:?\d\d)?")


def plain(attributes: Any) -> dict[str, Any]:
    """Return attributes as a dict: OTLP's list of keys and values, JSON, or a dict as it is."""
    if isinstance(attributes, str):
        attributes = parsed(attributes)
    if isinstance(attributes, list):
        return {
            str(item.get("key")): _value(item.get("value"), 0)
            for item in attributes
            if isinstance(item, dict)
        } or {str(item[0]): item[1] for item in attributes if _is_entry(item)}
    return attributes if isinstance(attributes, dict) else {}


_OTLP = frozenset(
    f"{kind}Value" for kind in ("string", "bool", "int", "double", "array", "kvlist", "bytes")
)


def _value(value: Any, depth: int) -> Any:
    """Return an OTLP value: {"stringValue": ...}, {"arrayValue": {"values": [...]}} and so on."""
    if not isinstance(value, dict) or len(value) != 1 or depth > _DEEPEST:
        return value
    ((kind, inner),) = value.items()
    if kind not in _OTLP:
        return value
    if kind == "intValue":
        return as_int(inner)
    if kind == "arrayValue":
        values = inner.get("values") if isinstance(inner, dict) else None
        return [_value(item, depth + 1) for item in values or ()]
    if kind == "kvlistValue":
        values = inner.get("values") if isinstance(inner, dict) else None
        return {
            str(item.get("key")): _value(item.get("value"), depth + 1)
            for item in values or ()
            if isinstance(item, dict)
        }
    return inner


def value_of(value: Any) -> Any:
    """Return a value that may be OTLP's, such as {"stringValue": ...}; the body of a log record."""
    return _value(value, 0)


def look(attributes: Mapping[str, Any], name: str) -> Any:
    """Return an attribute by its dotted name, also where dots have become nesting."""
    found = attributes.get(name)
    if found is not None or name.partition(".")[0] not in attributes:
        return found  # flattened, as most are: nothing is nested
    at: Any = attributes
    parts = name.split(".")
    for i, part in enumerate(parts):
        if not isinstance(at, dict):
            return None
        rest = ".".join(parts[i:])
        if rest in at:
            return at[rest]
        at = at.get(part)
    return at


def rows(attributes: Mapping[str, Any], name: str, item: str) -> list[dict[str, Any]]:
    """Return a list of records: `name.{i}.item.field` flattened, or a list under `name`.

    The fields of a flattened record keep what is left of their dotted names.
    """
    listed = look(attributes, name)
    if isinstance(listed, str):
        listed = parsed(listed)
    if isinstance(listed, list):
        return [_record(row, item) for row in listed if isinstance(row, dict)]
    prefix = name + "."
    found: dict[int, dict[str, Any]] = {}
    for key, value in attributes.items():
        if key.startswith(prefix):
            number, _, rest = key[len(prefix) :].partition(".")
            if number.isdecimal() and len(number) < 9:
                found.setdefault(int(number), {})[rest.removeprefix(item + ".")] = value
    return [found[number] for number in sorted(found)]


def _record(row: dict[str, Any], item: str) -> dict[str, Any]:
    inner = row.get(item)
    if isinstance(inner, dict):
        return inner
    return {key.removeprefix(item + "."): value for key, value in row.items()}


def parsed(value: Any) -> Any:
    """Return what JSON in a string says, also in a string in a string; anything else as it is."""
    for _ in range(_ENCODED):
        if not isinstance(value, str) or value[:1] not in ("{", "[", '"'):
            break
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return _python(value)
    return value


_LITERAL = re.compile(r"[\[{(][\[{(\s]*'")
_LONGEST_LITERAL = 1 << 20  # characters; the parser takes some hundred bytes for each


def _python(text: str) -> Any:
    """Return the value that Python wrote as `str(value)`, the text if it is none."""
    if len(text) > _LONGEST_LITERAL or not _LITERAL.match(text):
        return text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not know
            return as_json(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def as_json(value: Any, *, maps: bool = False, depth: int = 0) -> Any:
    """Return a value of Python, numpy, pandas or Arrow as JSON would have it.

    Arrays and tuples become lists, decimals numbers, bytes text, what a table writes for a missing
    value None. Times stay as they are; objects of other classes too. With `maps`, a list of pairs
    is a dict: it is what Arrow makes of a map.
    """
    kind = type(value)
    if kind in _JSON or depth > _DEEPEST:
        return value
    if kind is float:
        return None if math.isnan(value) else value
    if kind is dict:
        return {str(k): as_json(v, maps=maps, depth=depth + 1) for k, v in value.items()}
    if kind in (list, tuple, set, frozenset):
        if maps and value and all(map(_is_entry, value)):
            return {k: as_json(v, maps=maps, depth=depth + 1) for k, v in value}
        return [as_json(inner, maps=maps, depth=depth + 1) for inner in value]
    return _foreign(value, maps, depth)


_JSON = (str, int, bool, type(None))


def _is_entry(item: Any) -> bool:
    """Return whether an item is an entry of an Arrow map: a tuple of a name and a value."""
    return type(item) is tuple and len(item) == 2 and type(item[0]) is str


def _foreign(value: Any, maps: bool, depth: int) -> Any:
    if type(value).__module__.partition(".")[0] == "numpy":
        return as_json(value.tolist(), maps=maps, depth=depth + 1)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return as_json(dict(value), maps=maps, depth=depth)
    if type(value).__name__ in ("NAType", "NaTType"):  # pandas' missing values
        return None
    return value


def text_of(value: Any) -> str | None:
    """Return a text that is one, without lone surrogates; None for anything else."""
    if not isinstance(value, str):
        return None
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return value


def name_of(value: Any) -> str | None:
    """Return an id or a name as a str, None for what is empty or neither."""
    if value is None:
        return None
    if type(value) is str and value.isascii() and value[:1] != '"':
        return value[:_LONGEST_NAME] or None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = text_of(parsed(value) if isinstance(value, str) and value[:1] == '"' else value)
    if not text:
        text = str(value) if isinstance(value, int) and abs(value) < 1 << 128 else ""
    return text[:_LONGEST_NAME] or None


def named(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Return the first of several fields that holds an id or a name."""
    for name in names:
        value = fields.get(name)
        if value is not None:
            found = name_of(value)
            if found is not None:
                return found
    return None


def session_in(metadata: Any) -> str | None:
    """Return the session that a caller's metadata names."""
    if isinstance(metadata, dict):
        for key in _SESSIONS:
            found = metadata.get(key)
            if found is not None:
                name = name_of(found)
                if name:
                    return name
    return None


def as_int(value: Any) -> int | None:
    """Return a count, also one written as text; None for anything else."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 19:
        value = int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_score(value: Any) -> float | None:
    """Return a finite score, also one written as text; None for anything else."""
    if type(value) is float and -1e300 < value < 1e300:
        return value
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value) if abs(value) < 1e300 else float("inf")
    return number if abs(number) < 1e300 else None


def as_time(value: Any) -> float | None:
    """Return a time in seconds since 1970, from ISO text or a number of any unit."""
    if isinstance(value, str):
        if value.isdecimal() and len(value) < 25:
            value = int(value)
        else:
            return _iso(value)
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, list) and len(value) == 2:  # seconds and nanoseconds, as JavaScript's SDK
        seconds, rest = (as_score(number) for number in value)
        return None if seconds is None or rest is None else seconds + rest / 1e9
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e20:
        return None
    seconds = float(value)
    while seconds > 1e11:  # the year 5138: it was milliseconds, micro- or nanoseconds
        seconds /= 1e3
    return seconds


def _iso(text: str) -> float | None:
    found = _TIME.match(text)
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    zone = "+00:00" if zone in (None, "Z") else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}{zone}").timestamp()
    except ValueError:
        return None
    return whole + (float(f"0.{fraction}") if fraction else 0.0)


def dicts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the dicts of a list, none of anything else."""
    if isinstance(value, list | tuple):
        yield from (item for item in value if isinstance(item, dict))

"""A request's body with the place of each of its messages, so that the rest stays as it is.

A managed request differs from the client's in its messages alone. The bytes before and after them,
and those of the messages that stay, are the client's own: numbers, escapes and the order of fields
are not written anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from ctxmem.gateway.wire.reading import Unreadable

_BLANKS = re.compile(r"[ \t\n\r]*")
_decode = json.JSONDecoder().raw_decode
_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object that was read, and where the elements of one of its lists are.

    Attributes:
        text: all of it.
        body: what it says.
        start, end: where the value of the list is.
        elements: where each element of the list is.
    """

    text: str
    body: dict[str, Any]
    start: int
    end: int
    elements: Sequence[tuple[int, int]]

    def raw(self, element: int) -> str:
        """Return an element of the list as it is written."""
        start, end = self.elements[element]
        return self.text[start:end]

    def with_elements(self, written: Sequence[str]) -> bytes:
        """Return the document with other elements in the list, each given as JSON."""
        made = f"{self.text[: self.start]}[{','.join(written)}]{self.text[self.end :]}"
        return made.encode("utf-8", "surrogatepass")


def document(data: bytes, name: str) -> Document:
    """Return a body whose messages are the list `name`; its other values are read, too.

    Raises:
        Unreadable: it is no JSON object in UTF-8, has a name twice, or `name` is no list.
    """
    try:
        text = data.decode("utf-8")
        return _read(text, name)
    except (ValueError, IndexError, RecursionError) as error:
        raise Unreadable(f"the body is no JSON object ({type(error).__name__})") from None


def _read(text: str, name: str) -> Document:
    at = _skip(text, 0)
    if text[at] != "{":
        raise Unreadable("the body is no JSON object")
    body: dict[str, Any] = {}
    place = (0, 0)
    elements: list[tuple[int, int]] = []
    at = _skip(text, at + 1)
    while text[at] != "}":
        if text[at] != '"':
            raise Unreadable("the body is no JSON object")
        key, at = scanstring(text, at + 1)
        at = _skip(text, at)
        if text[at] != ":" or key in body:
            raise Unreadable("the body is no JSON object, or has a name twice")
        begin = _skip(text, at + 1)
        if key == name and text[begin] == "[":
            values, elements, at = _list(text, begin)
            body[key], place = values, (begin, at)
        else:
            body[key], at = _decode(text, begin)
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
        elif text[at] != "}":
            raise Unreadable("the body is no JSON object")
    if _skip(text, at + 1) != len(text):
        raise Unreadable("there is something behind the body")
    if not place[1]:
        raise Unreadable(f"{name} is no list")
    return Document(text, body, *place, elements)


def _list(text: str, at: int) -> tuple[list[Any], list[tuple[int, int]], int]:
    values: list[Any] = []
    places: list[tuple[int, int]] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        value, end = _decode(text, at)
        values.append(value)
        places.append((at, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
        elif text[at] != "]":
            raise Unreadable("a list of the body does not end")
    return values, places, at + 1


def _skip(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def written(message: Any) -> str:
    """Return a message as compact JSON, the same for the same message."""
    text = _write(message)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(message, separators=(",", ":"))
    return text

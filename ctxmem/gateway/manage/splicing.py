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
    """A JSON object that was read, and how the elements of one of its lists are written.

    Attributes:
        body: what it says.
        name: of the list.
        before: the bytes before the list's value.
        gap: those between the beginning of the list and its first element.
        elements: those of each element.
        between: those behind each element: of the last, up to the end of the list.
        after: those behind the list.
        shared: how many elements, the first ones, are those of the document that was read before.
        framed: whether all that is not of the list is that of the document before.
    """

    body: dict[str, Any]
    name: str
    before: bytes
    gap: bytes
    elements: Sequence[bytes]
    between: Sequence[bytes]
    after: bytes
    shared: int = 0
    framed: bool = False

    def raw(self, element: int) -> str:
        """Return an element of the list as it is written."""
        return self.elements[element].decode()

    def place(self, element: int) -> int:
        """Return where an element begins, in bytes."""
        ahead = zip(self.elements[:element], self.between, strict=False)
        return len(self.before) + len(self.gap) + 1 + sum(len(a) + len(b) for a, b in ahead)

    def with_elements(self, written: Sequence[bytes]) -> bytes:
        """Return the document with other elements in the list, each given as JSON."""
        return b"".join((self.before, b"[", b",".join(written), b"]", self.after))

    def common(self, data: bytes) -> tuple[int, int]:
        """Return how many elements a body begins with, as they are here, and where the last ends.

        The count is -1 if what is before the list is another. Every byte is compared.
        """
        opening = self.before + b"[" + self.gap
        if not data.startswith(opening):
            return -1, 0
        at = end = len(opening)
        count = 0
        for element, behind in zip(self.elements, self.between, strict=True):
            # A number would go on in another body: what is no object is read again.
            if element[:1] != b"{" or not data.startswith(element, at):
                break
            count += 1
            end = at + len(element)
            at = end + len(behind)
            if data[end:at] != behind:
                break
        return count, end


def document(data: bytes, name: str, last: Document | None = None) -> Document:
    """Return a body whose messages are the list `name`; its other values are read, too.

    Of a body that begins as the document `last` does, only what is new is read.

    Raises:
        Unreadable: it is no JSON object in UTF-8, has a name twice, or `name` is no list.
    """
    try:
        found = _read_on(data, last) if last is not None and last.name == name else None
        return found or _read(data, name)
    except (ValueError, IndexError, RecursionError) as error:
        raise Unreadable(f"the body is no JSON object ({type(error).__name__})") from None


def _read_on(data: bytes, last: Document) -> Document | None:
    """Return a body that begins and ends as another does; None if it does not."""
    count, at = last.common(data)
    end = len(data) - len(last.after)
    if count < 1 or at >= end or not data.endswith(last.after):
        return None
    text = data[at:end].decode("utf-8")
    begin = _skip(text, 0)
    if text[begin] == ",":
        values, places, stop = _list(text, begin + 1)
        if stop != len(text) or not places:
            return None
        behind = text[: places[0][0]].encode()
    else:  # it is shorter than the one before
        if text[begin:] != "]":
            return None
        values, places, stop, behind = [], [], len(text), text[:begin].encode()
    elements, between = _pieces(text, None, places, stop)
    read = [*last.body[last.name][:count], *values]
    return Document(
        body={**last.body, last.name: read},
        name=last.name,
        before=last.before,
        gap=last.gap,
        elements=[*last.elements[:count], *elements],
        between=[*last.between[: count - 1], behind, *between],
        after=last.after,
        shared=count,
        framed=True,
    )


def _pieces(
    text: str, data: bytes | None, places: Sequence[tuple[int, int]], end: int
) -> tuple[list[bytes], list[bytes]]:
    """Return the elements of a list that ends before `end`, and what is behind each, as bytes.

    `data` are the bytes of the text if it has a byte for each character.
    """
    starts = [*(start for start, _ in places[1:]), end - 1]
    if data is not None:
        elements = [data[start:stop] for start, stop in places]
        between = [data[stop:start] for (_, stop), start in zip(places, starts, strict=False)]
    else:
        elements = [text[start:stop].encode() for start, stop in places]
        between = [
            text[stop:start].encode() for (_, stop), start in zip(places, starts, strict=False)
        ]
    return elements, between


def _read(data: bytes, name: str) -> Document:
    text = data.decode("utf-8")
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
            values, elements, at = _list(text, begin + 1)
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
    start, end = place
    if not end:
        raise Unreadable(f"{name} is no list")
    written, between = _pieces(text, data if len(data) == len(text) else None, elements, end)
    first = elements[0][0] if elements else end - 1
    return Document(
        body=body,
        name=name,
        before=text[:start].encode(),
        gap=text[start + 1 : first].encode(),
        elements=written,
        between=between,
        after=text[end:].encode(),
    )


def _list(text: str, at: int) -> tuple[list[Any], list[tuple[int, int]], int]:
    """Return the values of a list from `at` on, their places, and where the list ends."""
    values: list[Any] = []
    places: list[tuple[int, int]] = []
    at = _skip(text, at)
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


def written(message: Any) -> bytes:
    """Return a message as compact JSON, the same for the same message."""
    try:
        return _write(message).encode()
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(message, separators=(",", ":")).encode()

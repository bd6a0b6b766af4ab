"""A request's body with the place of each of its messages, so that the rest stays as it is.

A managed request differs from the client's in its messages alone. The bytes before and after them,
and those of the messages that stay, are the client's own: numbers, escapes and the order of fields
are not written anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, overload

from ctxmem.gateway.wire.reading import Unreadable

_BLANKS = re.compile(r"[ \t\n\r]*")
_BRACE = ord("{")
_Place = tuple[int, int]
_decode = json.JSONDecoder().raw_decode
_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Elements(Sequence[bytes]):
    """The elements of a list in a body, each as it is written; a body is not copied for them."""

    __slots__ = ("_data", "_places")

    def __init__(self, data: bytes, places: Sequence[_Place]) -> None:
        self._data, self._places = data, places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[bytes]:
        return (self._data[start:stop] for start, stop in self._places)

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> Elements: ...

    def __getitem__(self, at: int | slice) -> bytes | Elements:
        if isinstance(at, slice):
            return Elements(self._data, self._places[at])
        start, stop = self._places[at]
        return self._data[start:stop]


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object that was read, and where the elements of one of its lists are written.

    Attributes:
        body: what it says.
        name: of the list.
        data: the object as it is written.
        places: where each element begins and ends, in bytes.
        begin, end: where the list's value does, its brackets included.
        objects: how many elements, the first ones, are objects.
        shared: how many elements, the first ones, are those of the document that was read before.
        framed: whether all that is not of the list is that of the document before.
    """

    body: dict[str, Any]
    name: str
    data: bytes
    places: Sequence[_Place]
    begin: int
    end: int
    objects: int
    shared: int = 0
    framed: bool = False

    @property
    def elements(self) -> Elements:
        """The bytes of each element."""
        return Elements(self.data, self.places)

    @property
    def around(self) -> int:
        """The number of bytes around the list."""
        return len(self.data) - (self.end - self.begin)

    def raw(self, element: int) -> str:
        """Return an element of the list as it is written."""
        return self.elements[element].decode()

    def with_elements(self, written: Iterable[bytes]) -> bytes:
        """Return the document with other elements in the list, each given as JSON."""
        return b"".join(
            (self.data[: self.begin], b"[", b",".join(written), b"]", self.data[self.end :])
        )

    def common(self, data: bytes) -> tuple[int, int]:
        """Return how many elements a body begins with, as they are here, and where the last ends.

        The count is -1 if what is before the list is another. Every byte is compared.
        """
        first = self.places[0][0] if self.places else self.end - 1
        if not data.startswith(self.data[:first]):
            return -1, 0
        # A number would go on in another body: what is no object is read again.
        count, other = 0, self.objects + 1
        end, at = first, self.objects  # most bodies go on with all of it
        while count < at:
            stop = self.places[at - 1][1]
            if data.startswith(self.data[end:stop], end):
                count, end = at, stop
            else:
                other = at
            at = (count + other) // 2
        return count, end


def document(data: bytes, name: str, last: Document | None = None) -> Document:
    """Return a body whose messages are the list `name`; its other values are read, too.

    Of a body that begins as the document `last` does, only what is new is read.

    Raises:
        Unreadable: it is no JSON object in UTF-8, has a name twice, or `name` is no list.
    """
    with _unreadable():
        found = _read_on(data, last) if last is not None and last.name == name else None
        return found or _read(data, name)


def document_after(data: bytes, last: Document) -> Document | None:
    """Return a body that begins and ends as the document `last` does; None for another.

    Raises:
        Unreadable: what is new in it is no JSON in UTF-8.
    """
    with _unreadable():
        return _read_on(data, last)


@contextmanager
def _unreadable() -> Iterator[None]:
    """Raise `Unreadable` for what a reader of JSON raises."""
    try:
        yield
    except (ValueError, IndexError, RecursionError) as error:
        raise Unreadable(f"the body is no JSON object ({type(error).__name__})") from None


def _read_on(data: bytes, last: Document) -> Document | None:
    """Return a body that begins and ends as another does; None if it does not."""
    count, at = last.common(data)
    after = last.data[last.end :]
    end = len(data) - len(after)
    if count < 1 or at >= end or not data.endswith(after):
        return None
    text = data[at:end].decode("utf-8")
    begin = _skip(text, 0)
    values: list[Any] = []
    new: list[_Place] = []
    if text[begin] == ",":
        values, new, stop = _list(text, begin + 1)
        if stop != len(text) or not new:
            return None
    elif text[begin:] != "]":  # else it is shorter than the one before
        return None
    places = [*last.places[:count], *_in_bytes(text, new, at)]
    return Document(
        body={**last.body, last.name: [*last.body[last.name][:count], *values]},
        name=last.name,
        data=data,
        places=places,
        begin=last.begin,
        end=end,
        objects=_objects(data, places, count),
        shared=count,
        framed=True,
    )


def _in_bytes(text: str, places: Sequence[_Place], ahead: int = 0) -> list[_Place]:
    """Return where something is written in bytes, for places in a text behind `ahead` bytes."""
    if text.isascii():
        return [(start + ahead, stop + ahead) for start, stop in places]
    made, done = [], 0
    for start, stop in places:
        begin = ahead + len(text[done:start].encode())
        ahead, done = begin + len(text[start:stop].encode()), stop
        made.append((begin, ahead))
    return made


def _objects(data: bytes, places: Sequence[_Place], count: int = 0) -> int:
    """Return how many places, the first ones, have an object, where the first `count` have."""
    while count < len(places) and data[places[count][0]] == _BRACE:
        count += 1
    return count


def _read(data: bytes, name: str) -> Document:
    text = data.decode("utf-8")
    at = _skip(text, 0)
    if text[at] != "{":
        raise Unreadable("the body is no JSON object")
    body: dict[str, Any] = {}
    place: _Place = (0, 0)
    elements: list[_Place] = []
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
    if not place[1]:
        raise Unreadable(f"{name} is no list")
    start, stop = place
    (begin, _), *places, (end, _) = _in_bytes(text, [(start, start), *elements, (stop, stop)])
    return Document(body, name, data, places, begin, end, _objects(data, places))


def _list(text: str, at: int) -> tuple[list[Any], list[_Place], int]:
    """Return the values of a list from `at` on, their places, and where the list ends."""
    values: list[Any] = []
    places: list[_Place] = []
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

"""Requests as they were read, so that of a growing conversation only what is new is read.

A client sends the whole conversation every time. What a body begins with is found by comparing its
bytes with those of requests before it, each byte.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from ctxmem.chat.advice import Repeats
from ctxmem.chat.reading import Turn, fingerprint, read
from ctxmem.gateway.exchanges import Exchange, decoded
from ctxmem.gateway.manage.splicing import Document, document
from ctxmem.gateway.wire import Asked, Unreadable

LISTS = {"chat": "messages", "responses": "input", "anthropic": "messages"}
"""The list of a body that holds its messages, by format."""
MOST_BYTES = 24 << 20
"""Bytes of the bodies that are remembered."""
_MOST = 512
_MOST_ALIKE = 32  # requests that begin with the same few bytes
_MOST_COMPARED = 4  # of those, where none is the beginning as a whole
_ALIKE_BYTES = 64

_Key = tuple[str, str, bytes]


@dataclass(slots=True)
class Reading:
    """A request that was read.

    Attributes:
        asked: what it asks.
        document: the body with the place of its messages; None where that is not known.
        marks: what tells the messages apart, equal for equal ones, whatever their cache marks.
        shared: how many of the first messages are those of a request that was read before.
        turns: of the messages, once they were asked for.
        repeats: what repeats in it, once that was looked for; of one request at a time.
        last, last_at: its last message as it is written, and where that begins.
    """

    asked: Asked
    document: Document | None
    marks: list[bytes]
    shared: int = 0
    turns: list[Turn] | None = None
    repeats: Repeats | None = None
    last: bytes = b""
    last_at: int = 0

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return 0 if self.document is None else len(self.document.data)

    def turns_of_messages(self) -> list[Turn]:
        """Return the turn of each message.

        Raises:
            InputTypeError: something is no message.
        """
        if self.turns is None or len(self.turns) < len(self.asked.messages):
            known = self.turns or []
            self.turns = [*known, *read(self.asked.messages[len(known) :])]
        return self.turns


class Readings:
    """Reads requests, and remembers the last ones; for many threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes, self.bytes = most_bytes, 0
        self._held: OrderedDict[int, tuple[_Key, Reading, int]] = OrderedDict()
        self._alike: dict[_Key, list[int]] = {}
        self._number = 0
        self._lock = Lock()

    def __len__(self) -> int:
        """The number of requests that are remembered."""
        return len(self._held)

    def read(self, exchange: Exchange) -> Reading:
        """Return what an exchange asks, which is its `asked` then.

        Raises:
            Unreadable: it is not of its format.
            ValueError: it is no JSON, or of a coding that is not known.
        """
        known = exchange.notes.get("reading")
        if isinstance(known, Reading):
            return known
        data = decoded(exchange.coding, exchange.original)
        if not exchange.coding:
            exchange.original = (data,)  # its parts are not needed any more
        key = (exchange.tenant, exchange.wire.name, data[:_ALIKE_BYTES])
        number = self._find(key, data)
        with self._lock:
            before = self._held[number][1] if number in self._held else None
        made = _read(exchange, data, before)
        exchange.asked = made.asked
        exchange.notes["reading"] = made
        self._keep(key, made, number, before)
        return made

    def _find(self, key: _Key, data: bytes) -> int:
        """Return the number of the request that a body goes on with, or that it shares most of.

        0 if there is none.
        """
        with self._lock:
            held = [(one, self._held[one][1]) for one in reversed(self._alike.get(key, ()))]
        for number, reading in held:
            if reading.last and data.startswith(reading.last, reading.last_at):
                assert reading.document is not None
                if reading.document.common(data)[0] == len(reading.document.places):
                    return number
        best, most = 0, 0
        for number, reading in held[:_MOST_COMPARED]:
            assert reading.document is not None
            count, _ = reading.document.common(data)
            if count > most:
                best, most = number, count
        return best

    def _keep(self, key: _Key, made: Reading, number: int, before: Reading | None) -> None:
        """Remember a request; one that it goes on with is forgotten for it."""
        size = made.size
        if made.document is None or size > self._most_bytes // 4:
            return
        with self._lock:
            if before is not None and before.marks and made.shared == len(before.marks):
                made.repeats, before.repeats = before.repeats, None
                if number in self._held:
                    self._drop(number)
            if made.document.places:
                made.last = made.document.elements[-1]
                made.last_at = made.document.places[-1][0]
            self._number += 1
            self._held[self._number] = (key, made, size)
            self.bytes += size
            alike = self._alike.setdefault(key, [])
            alike.append(self._number)
            if len(alike) > _MOST_ALIKE:
                self._drop(alike[0])
            while self.bytes > self._most_bytes or len(self._held) > _MOST:
                self._drop(next(iter(self._held)))

    def _drop(self, number: int) -> None:
        key, _, size = self._held.pop(number)
        self.bytes -= size
        alike = self._alike[key]
        alike.remove(number)
        if not alike:
            del self._alike[key]


def _read(exchange: Exchange, data: bytes, before: Reading | None) -> Reading:
    wire, last = exchange.wire, before.document if before is not None else None
    try:
        made = document(data, LISTS[wire.name], last)
    except Unreadable:  # a name that is there twice, or a text in place of the list
        asked = wire.read(json.loads(data))
        return Reading(asked, None, marks_of(asked.messages))
    asked = wire.read(made.body)
    first = len(made.places) - len(asked.messages)
    if before is None or made.shared <= first:
        return Reading(asked, made, marks_of(asked.messages, made.elements[first:]))
    shared = min(made.shared - first, len(before.marks))
    new = marks_of(asked.messages[shared:], made.elements[first + shared :])
    turns = before.turns[:shared] if before.turns is not None else None
    return Reading(asked, made, [*before.marks[:shared], *new], shared, turns)


def marks_of(messages: Sequence[Any], written: Sequence[bytes] | None = None) -> list[bytes]:
    """Return what tells messages apart; `written` are their bytes, where those are known."""
    made = []
    for i, message in enumerate(messages):
        marked = written is None or b"cache_control" in written[i]
        bare = unmarked(message) if marked else message
        made.append(fingerprint(bare) or _digest(repr(bare)))
    return made


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def unmarked(value: Any) -> Any:
    """Return a message without its cache marks; the same object if it has none."""
    if isinstance(value, dict):
        made = {name: unmarked(inner) for name, inner in value.items() if name != "cache_control"}
        same = len(made) == len(value) and all(made[name] is value[name] for name in made)
        return value if same else made
    if isinstance(value, list):
        listed = [unmarked(inner) for inner in value]
        same = all(one is other for one, other in zip(listed, value, strict=True))
        return value if same else listed
    return value

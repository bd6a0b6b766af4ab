"""What was read of the last requests of conversations, so that only what is new is read.

A client sends the whole conversation every time, so a request begins with the bytes of the one
before. What is known of those bytes is found by comparing them, each byte; keys and checksums play
no part.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

from ctxmem.gateway.manage.knowing import Known
from ctxmem.gateway.manage.splicing import Document
from ctxmem.pricing import Block, Prefixes

MOST_BYTES = 24 << 20
"""Bytes of all requests that are remembered."""
MOST = 512
"""Requests that are remembered."""
_PROBE = 128  # bytes of the first message that are compared first
_MOST_COMPARED = 8  # requests that begin alike


@dataclass(frozen=True, slots=True)
class Head:
    """What is before a conversation: its blocks, and its tokens by part."""

    blocks: Sequence[Block]
    parts: dict[str, int]


@dataclass(slots=True)
class Transcript:
    """What was read of one request; nothing of it is changed later.

    Attributes:
        document: the body.
        label: of the meter that its messages are counted by.
        first: elements of the list that are of the head.
        known: what is known of each message.
        digests: those of the messages.
        marked: numbers of the messages that have a cache mark.
        heads: what is before the messages, without and with the tool `recall`, and with a choice
            of tools.
        blocks: the prefixes of heads and messages, by the same.
        parts: the tokens of all messages by part, once they were asked for.
    """

    document: Document
    label: str
    first: int
    known: list[Known]
    digests: list[bytes]
    marked: list[int]
    heads: dict[Hashable, Head] = field(default_factory=dict)
    blocks: dict[Hashable, Prefixes] = field(default_factory=dict)
    parts: dict[str, int] | None = None


@dataclass(slots=True)
class _Held:
    place: tuple[str, str]
    at: int
    probe: bytes
    transcript: Transcript
    size: int


class Transcripts:
    """The transcripts of the requests that came last; for many threads."""

    def __init__(self, most_bytes: int = MOST_BYTES, most: int = MOST) -> None:
        self._most_bytes, self._most, self.bytes = most_bytes, most, 0
        self._held: dict[int, _Held] = {}  # the newest are the last
        self._number = 0
        self._lock = Lock()

    def __len__(self) -> int:
        """The number of requests that are remembered."""
        return len(self._held)

    def find(self, tenant: str, wire: str, data: bytes) -> Transcript | None:
        """Return the transcript of the request that a body begins with most of."""
        best, most = None, 0
        for held in islice(self._alike((tenant, wire), data), _MOST_COMPARED):
            document = held.transcript.document
            count, _ = document.common(data)
            if count > most:
                best, most = held.transcript, count
            if count == len(document.places):
                break  # it goes on with the newest, as most do
        return best

    def _alike(self, place: tuple[str, str], data: bytes) -> Iterator[_Held]:
        with self._lock:
            newest = list(reversed(self._held.values()))
        for held in newest:
            if held.place == place and data.startswith(held.probe, held.at):
                yield held

    def keep(self, tenant: str, wire: str, made: Transcript, before: Transcript | None) -> None:
        """Remember a transcript; one that it goes on with is forgotten for it."""
        document = made.document
        if made.first >= len(document.places):
            return
        at, size = document.places[made.first][0], len(document.data)
        if size > self._most_bytes // 4:
            return
        probe = document.elements[made.first][:_PROBE]
        with self._lock:
            if before is not None and document.shared == len(before.document.places):
                for number, held in reversed(self._held.items()):
                    if held.transcript is before:
                        self._drop(number)
                        break
            self._number += 1
            self._held[self._number] = _Held((tenant, wire), at, probe, made, size)
            self.bytes += size
            while self.bytes > self._most_bytes or len(self._held) > self._most:
                self._drop(next(iter(self._held)))

    def _drop(self, number: int) -> None:
        self.bytes -= self._held.pop(number).size

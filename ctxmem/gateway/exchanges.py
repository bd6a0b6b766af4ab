"""One request and its reply on their way through the gateway."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import httpx
from httpx_sse import EventSource

from ctxmem.gateway.telemetry.spans import RequestSpan
from ctxmem.gateway.wire import Asked, Reply, Unreadable, Wire

_MOST_INFLATED = 128 << 20
_MALFORMED = (ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""What reading raises of a body with values of other kinds than its format has."""


@dataclass(slots=True)
class Exchange:
    """What is known of one request, and of its reply once that is there.

    Attributes:
        wire: its format.
        tenant: whose it is.
        number: of the exchanges of this process.
        original: the body as the client sent it, in parts.
        asked: what it asks, None until it was read.
        coding: the content coding of the body, "" if it has none.
        sent: the body that is sent instead, None for the client's own.
        second: the body that is sent if the client's own is refused as too long or not valid; None
            for none.
        why: why the client's own body is sent, "" if another is, or where nothing else was meant.
        header: what the client is shown of what was changed, in the header `x-ctxmem`.
        facts: numbers about it, for metrics, spans and the page; see `facts.RequestFacts`.
        quick: whether the stage prepared it at once.
        notes: what a stage remembers from `prepare` to `finish`.
        span: the exchange as a trace has it.
    """

    wire: Wire
    tenant: str
    number: int
    original: Sequence[bytes] = ()
    coding: str = ""
    asked: Asked | None = None
    sent: bytes | None = None
    second: bytes | None = None
    why: str = ""
    header: str = ""
    quick: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    span: RequestSpan = field(default_factory=RequestSpan)

    def read(self) -> Asked:
        """Return what the request asks.

        Raises:
            Unreadable: it is not of its format, no JSON, or of a coding that is not known.
        """
        if self.asked is None:
            try:
                self.asked = self.wire.read(json.loads(decoded(self.coding, self.original)))
            except _MALFORMED as error:
                raise Unreadable(type(error).__name__) from error
        return self.asked


class Stage(Protocol):
    """What a mode does with an exchange; both run in a worker thread and may raise anything."""

    def prepare(self, exchange: Exchange) -> bytes | None:
        """Return the body to send instead of the client's, None for the client's own."""

    def finish(self, exchange: Exchange, status: int, reply: Reply | None) -> None:
        """Take in how it went; `reply` is None if it was an error or could not be read."""


@runtime_checkable
class QuickStage(Stage, Protocol):
    """A stage that prepares most exchanges in the event loop, without a worker thread."""

    def prepare_at_once(self, exchange: Exchange) -> bool:
        """Prepare an exchange that is sent unchanged; False if a thread has to prepare it."""

    def hold(self, exchange: Exchange) -> Held | None:
        """Return the lock that `finish` waits for, acquired; None if another thread has it."""


class Held(Protocol):
    """A lock that was acquired."""

    def release(self) -> None:
        """Give it back."""


def reply_of(wire: Wire, content_type: str, coding: str, parts: Sequence[bytes]) -> Reply:
    """Return what a reply says, streamed or not.

    Raises:
        Unreadable: it is not of the format, no JSON, or of a coding that is not known.
    """
    try:
        body = decoded(coding, parts)
        if content_type.startswith("text/event-stream"):
            return wire.reply(wire.gather(events_in(body)))
        return wire.reply(json.loads(body))
    except _MALFORMED as error:
        raise Unreadable(type(error).__name__) from error


def decoded(coding: str, parts: Sequence[bytes]) -> bytes:
    """Return a body without its content coding; what is missing at its end is left out.

    Raises:
        ValueError: it is not of the coding, or that is not known.
    """
    body = parts[0] if len(parts) == 1 else b"".join(parts)
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"content coding {coding!r} is not known")
    try:
        return _inflated(zlib.MAX_WBITS | 32, body)
    except zlib.error:  # deflate without the frame that it should have
        try:
            return _inflated(-zlib.MAX_WBITS, body)
        except zlib.error:
            raise ValueError(f"the body is not of the coding {coding!r}") from None


def _inflated(bits: int, body: bytes) -> bytes:
    """Return what was deflated; a small body that makes a huge one is refused."""
    stream = zlib.decompressobj(bits)
    made = stream.decompress(body, _MOST_INFLATED)
    if stream.unconsumed_tail:
        raise ValueError(f"the body has more than {_MOST_INFLATED} bytes without its coding")
    return made


def events_in(body: bytes) -> Iterator[Any]:
    """Yield the JSON of each server-sent event; what is no JSON is left out."""
    stream = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    for event in EventSource(stream).iter_sse():
        if event.data[:1] == "{":
            try:
                yield json.loads(event.data)
            except ValueError:
                continue


def common_prefix(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    """Return how many messages two conversations begin with, both, by hashes of them."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count

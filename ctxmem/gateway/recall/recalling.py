"""Calls of the tool `recall`, answered between the model and the client.

The model is offered the tool behind the client's own. A reply that calls nothing else is answered
here, and the model goes on; the client gets one reply, in which no call of `recall` is left. Where
the model calls tools of the client as well, the result waits for the client's next request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from ctxmem.gateway.http.relay import BrokenOff, Headers, UpstreamError
from ctxmem.gateway.recall.answering import NO_ROOM, Answer, RecallBudget, called_name, waiting_text
from ctxmem.gateway.wire.frames import Frame, Frames, json_bytes, read_frame
from ctxmem.gateway.wire.rounds import Round, Turn
from ctxmem.gateway.wire.turns import TURNS
from ctxmem.memory import tool

log = logging.getLogger("ctxmem.gateway")

MOST_ROUNDS = 8
"""Calls of one reply that are answered; then the model has to do without the tool."""
_OK = 200
_READABLE = frozenset(("", "gzip", "x-gzip"))
_MOST_INFLATED = 1 << 20  # bytes at once
_MOST_OF_AN_ERROR = 1 << 20
_DRAIN_SECONDS = 1.0
_REFUSED = frozenset((400, 404, 413, 422))


class Incoming(Protocol):
    """A reply of which the head was read, such as `relay.Answer`."""

    status_code: int
    headers: Headers

    def header(self, name: bytes) -> str:
        """Return the value of a header, "" if there is none."""
        ...

    def parts(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes; `BrokenOff` if its end is missing."""
        ...

    async def aclose(self) -> None:
        """Let the connection go."""
        ...


Send = Callable[[bytes], Awaitable[Incoming]]


@dataclass(slots=True)
class Recalling:
    """Answers the calls of one exchange.

    Args:
        wire: name of the format.
        sent: the request's body.
        send: sends a body and returns the reply, of which only the head was read.
        answer: answers a call; it runs in a worker thread.
        keep: holds a text until results come of the client's calls with these ids.
        most: bytes of a reply that are held.
        facts: numbers about the exchange: `recall_calls`, `fault`.
        room: tokens by which its requests may grow, None for as many as the provider takes.
        ours: names of the tools whose calls are answered.
        declare: returns a request with the tools that calls before it found.
    """

    wire: str
    sent: dict[str, Any]
    send: Send
    answer: Answer
    keep: Callable[[Sequence[str], str], None]
    most: int
    facts: dict[str, Any] = field(default_factory=dict)
    room: RecallBudget | None = None
    ours: frozenset[str] = frozenset({tool.NAME})
    declare: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    _turn: Turn = field(init=False)

    def __post_init__(self) -> None:
        self._turn = TURNS[self.wire](self.sent, self.most, self.ours)

    async def reply(self, first: Incoming) -> Incoming:
        """Return the reply that the client gets, whose stream may go on with further requests.

        Raises:
            UpstreamError: a further request has no reply that can be read.
        """
        kind, coding = first.header(b"content-type"), _coding(first)
        if first.status_code != _OK or coding not in _READABLE:
            return first
        if kind.startswith("text/event-stream"):
            return _Made(first, self._events(first), same=not coding)
        if kind.startswith("application/json"):
            return await self._whole(first)
        return first

    # Whole replies --------------------------------------------------------------------------------

    async def _whole(self, first: Incoming) -> Incoming:
        parts = _parts(first)
        read, error = await _read(parts, self.most)
        round_ = self._round_in(b"".join(read)) if error is None else None
        if round_ is None or not round_.calls:
            return _Made(first, _rest_of(read, parts, error, first), same=not _coding(first))
        await first.aclose()
        try:
            refused = await self._rounds(round_)
            if refused is not None:
                return refused
            made = json_bytes(self._turn.joined())
        except UpstreamError:
            raise
        except BrokenOff as cut:
            raise UpstreamError(str(cut)) from None
        except Exception as fault:
            self._fault(fault)
            raise UpstreamError("a reply that cannot be put together") from fault
        reply = _Made(first, _only(made), same=False)
        reply.headers.append((b"content-length", b"%d" % len(made)))
        return reply

    def _round_in(self, raw: bytes) -> Round | None:
        """Return what the first reply calls, None if it cannot be read or is too long."""
        if len(raw) > self.most:
            return None
        try:
            return self._turn.read(json.loads(raw))
        except Exception as fault:
            self._fault(fault)
            return None

    async def _rounds(self, round_: Round) -> Incoming | None:
        """Go on until the model has answered; return what the upstream refuses to go on with."""
        while self._follows(round_):
            self._turn.begin_round(round_)
            reply = await self._go_on(round_)
            if reply.status_code != _OK:
                return reply
            try:
                read, error = await _read(_parts(reply), self.most)
            finally:
                await reply.aclose()
            if error is not None:
                raise error
            round_ = self._turn.read(json.loads(b"".join(read)))
        await self._keep_beside(round_)
        self._turn.begin_round(round_)
        return None

    # Answers --------------------------------------------------------------------------------------

    def _follows(self, round_: Round) -> bool:
        only_ours = bool(round_.calls) and not round_.others
        return only_ours and round_.ended and len(self._turn.rounds) < MOST_ROUNDS

    async def _go_on(self, round_: Round) -> Incoming:
        """Answer a round's calls, and send the request that goes on."""
        results = await asyncio.to_thread(self._answers, round_)
        last = len(self._turn.rounds) >= MOST_ROUNDS
        before = self.sent
        self.sent, data = await asyncio.to_thread(self._next, before, round_, results, last)
        reply = await self.send(data)
        if reply.status_code not in _REFUSED:
            return reply
        await reply.aclose()
        short = [NO_ROOM] * len(results)
        self.sent, data = await asyncio.to_thread(self._next, before, round_, short, True)
        return await self.send(data)

    def _next(
        self, sent: dict[str, Any], round_: Round, results: Sequence[str], last: bool
    ) -> tuple[dict[str, Any], bytes]:
        offering = sent if self.declare is None else self.declare(sent)
        made = self._turn.followed(offering, round_, results, last)
        return made, json_bytes(made)

    def _answers(self, round_: Round) -> list[str]:
        calls = round_.calls
        for call in calls:
            fact = "recall_calls" if called_name(call) == tool.NAME else "find_calls"
            self.facts[fact] = self.facts.get(fact, 0) + 1
        results = [self._answered(call) for call in calls]
        if self.room is None:
            return results
        self.room.take(round_.said(self.room.count))
        return [self.room.fitting(text) for text in results]

    def _answered(self, call: dict[str, Any]) -> str:
        """Return the answer to a call; what went wrong is one too."""
        try:
            return self.answer(call)
        except Exception as error:
            self._fault(error)
            return f"{called_name(call)} failed ({type(error).__name__}); nothing could be read"

    async def _keep_beside(self, round_: Round) -> None:
        """Answer calls of a reply that also calls the client's tools, for its next request."""
        if round_.calls and round_.others and round_.ended:
            results = await asyncio.to_thread(self._answers, round_)
            self.keep(round_.others, waiting_text(round_.calls, results))

    def _fault(self, error: Exception) -> None:
        self.facts["fault"] = "recall"
        log.error("recall failed: %s", type(error).__name__, exc_info=log.isEnabledFor(10))

    # Streams --------------------------------------------------------------------------------------

    async def _events(self, reply: Incoming) -> AsyncGenerator[bytes, None]:
        """Yield the events that the client gets, of all rounds."""
        try:
            while True:
                async with aclosing(_parts(reply)) as parts:
                    passage = _Passage(self._turn, self.most, self._fault)
                    async for made in passage.shown(parts):
                        yield made
                    round_ = passage.round()
                    if round_ is None:
                        return
                    if not self._follows(round_):
                        await self._keep_beside(round_)
                        yield self._turn.last_frames(round_) + passage.after
                        async for part in parts:
                            yield part
                        return
                    await _drained(parts)
                await reply.aclose()
                self._turn.begin_round(round_)
                reply = await self._go_on(round_)
                if reply.status_code != _OK:
                    yield self._turn.failed(await _error_in(reply))
                    return
                if not reply.header(b"content-type").startswith("text/event-stream"):
                    raise ValueError("the upstream went on without a stream")
        except BrokenOff:
            raise
        except UpstreamError as error:
            raise BrokenOff(f"the upstream did not go on: {error}") from None
        except Exception as error:
            self._fault(error)
            raise BrokenOff("the reply could not be put together") from error
        finally:
            await reply.aclose()


class _Passage:
    """One round of a stream on its way to the client."""

    def __init__(self, turn: Turn, most: int, fault: Callable[[Exception], None]) -> None:
        self._turn, self._fault = turn, fault
        self._frames = Frames(most)
        self._blind = False
        self.over = False
        self.after = b""

    async def shown(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield what the client gets while the round comes, until it ends."""
        async for part in parts:
            made = part if self._blind else self._take(part)
            if made:
                yield made
            if self.over:
                break
        rest = self._frames.rest()
        if self.over:
            self.after += rest
        elif rest:
            made = self._taken([read_frame(rest)])
            if made:
                yield made

    def round(self) -> Round | None:
        """Return the round that was read, None if it went through as it came."""
        return None if self._blind else self._turn.close_round()

    def _take(self, part: bytes) -> bytes:
        made = self._taken(self._frames.feed(part))
        if self._frames.too_long and not self.over:
            self._go_blind(ValueError("an event is too long"))
            made += self._frames.rest()
        return made

    def _taken(self, frames: Sequence[Frame]) -> bytes:
        made = []
        for frame in frames:
            if self.over:
                self.after += frame.raw
            elif self._blind:
                made.append(frame.raw)
            else:
                made.append(self._shown(frame))
        return b"".join(made)

    def _shown(self, frame: Frame) -> bytes:
        try:
            shown = self._turn.take(frame)
            self.over = self._turn.changed and self._turn.ends(frame)
            return shown
        except Exception as error:
            self._go_blind(error)
            return frame.raw

    def _go_blind(self, error: Exception) -> None:
        """Pass on all that comes, if nothing was changed yet."""
        if self._turn.changed:
            raise error
        self._fault(error)
        self._blind = True


class _Made:
    """A reply whose body is made here; closing it closes what it is made of."""

    def __init__(self, of: Incoming, parts: AsyncGenerator[bytes, None], *, same: bool) -> None:
        other = () if same else (b"content-length", b"content-encoding")
        self.status_code = of.status_code
        self.headers: Headers = [one for one in of.headers if one[0] not in other]
        self._of, self._parts = of, parts

    def header(self, name: bytes) -> str:
        """Return the value of a header, "" if there is none."""
        return next((value.decode("latin-1") for n, value in self.headers if n == name), "")

    def parts(self) -> AsyncIterator[bytes]:
        """Yield the body."""
        return self._parts

    async def aclose(self) -> None:
        """Let the connections go, also those of further requests."""
        try:
            await self._parts.aclose()
        finally:
            await self._of.aclose()


def _coding(reply: Incoming) -> str:
    coding = reply.header(b"content-encoding").strip().lower()
    return "" if coding == "identity" else coding


async def _parts(reply: Incoming) -> AsyncGenerator[bytes, None]:
    """Yield a reply's bytes without its coding."""
    if not _coding(reply):
        async for part in reply.parts():
            yield part
        return
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        async for part in reply.parts():
            made = inflate.decompress(part, _MOST_INFLATED)
            while made:
                yield made
                made = inflate.decompress(inflate.unconsumed_tail, _MOST_INFLATED)
    except zlib.error as error:
        raise BrokenOff("its coding is damaged") from error


async def _only(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


async def _read(parts: AsyncIterator[bytes], most: int) -> tuple[list[bytes], BrokenOff | None]:
    """Return the parts of a reply until they are more than `most` bytes, and what cut it off."""
    read: list[bytes] = []
    size = 0
    try:
        async for part in parts:
            read.append(part)
            size += len(part)
            if size > most:
                break
    except BrokenOff as error:
        return read, error
    return read, None


async def _rest_of(
    read: list[bytes], parts: AsyncIterator[bytes], error: Exception | None, reply: Incoming
) -> AsyncGenerator[bytes, None]:
    """Yield what was read of a reply and what follows, or how it was cut off."""
    try:
        for part in read:
            yield part
        if error is not None:
            raise error
        async for part in parts:
            yield part
    finally:
        await reply.aclose()


async def _drained(parts: AsyncIterator[bytes]) -> None:
    """Read what follows a round's end, so that its connection can be used again."""
    # Before Python 3.12 `asyncio.wait_for` loses a cancellation that comes as the wait ends.
    with suppress(BrokenOff), anyio.move_on_after(_DRAIN_SECONDS):
        async for _ in parts:
            pass


async def _error_in(reply: Incoming) -> dict[str, Any]:
    """Return the error that an upstream's refusal names."""
    read, _ = await _read(_parts(reply), _MOST_OF_AN_ERROR)
    try:
        error = json.loads(b"".join(read))["error"]
    except (ValueError, TypeError, KeyError):
        error = None
    if isinstance(error, dict):
        return error
    return {"type": "api_error", "message": f"the upstream answered {reply.status_code}"}

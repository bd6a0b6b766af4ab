"""The gateway as an ASGI application: every path is the provider's, but /ctxmem/ and /metrics.

What a client sends is passed on, and so is what comes back, in the order and in the parts in which
it comes. Reading, counting and changing is done by a stage, which never makes a request fail: its
faults are counted, and the request goes on as the client wrote it.

Traffic is answered here and not by Starlette's routes, whose layers take longer than all the rest;
those serve the gateway's own pages.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from time import perf_counter
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from ctxmem.errors import StoreError
from ctxmem.gateway.backlog import Backlog
from ctxmem.gateway.client import Client, leaves
from ctxmem.gateway.exchanges import Exchange, QuickStage, Stage, reply_of
from ctxmem.gateway.http.bodies import Body, BodyAllowance, ClientGone, Kept, TooLong, followed_by
from ctxmem.gateway.http.relay import (
    Answer,
    BrokenOff,
    Headers,
    Place,
    Refused,
    UpstreamError,
    Upstreams,
    to_client,
    to_upstream,
)
from ctxmem.gateway.http.security import Doorkeeper, without_token
from ctxmem.gateway.observe.contents import question_of
from ctxmem.gateway.recall.answering import PendingResults
from ctxmem.gateway.recall.offering import Finder, answer_of, with_our_tools
from ctxmem.gateway.recall.recalling import Incoming, Recalling
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.store_watch import StoreWatch
from ctxmem.gateway.telemetry.facts import RequestFacts
from ctxmem.gateway.telemetry.logs import Seldom
from ctxmem.gateway.telemetry.spans import begin as begin_span
from ctxmem.gateway.wire import Unreadable, wire_of

log = logging.getLogger("ctxmem.gateway")

OWN_PATHS = ("/ctxmem/", "/ctxmem", "/metrics")
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_REFUSED = frozenset((400, 404, 413, 422))
"""Answers after which a changed request is sent once more as the client wrote it."""
_HEAD_FAILED = 502
_CLIENT_LEFT = 499
"""What is noted for a request whose client did not wait for the reply."""
_MOST_STATUS = 599  # of what a server may answer with
_UNREAD_KEPT = 1 << 20  # bytes of a body that is not looked into, kept to send it again
_MOST_REFUSAL = 1 << 20  # bytes of a refusal that is kept while another request is tried
_MOST_HELD = 256 << 20  # bytes of all bodies at once
_MOST_WAITING = 2048  # exchanges that wait to be looked into
_MOST_WAITING_BYTES = 64 << 20  # of their bodies
_MOST_UNNOTED = 16_384  # exchanges that wait to be noted, with those not looked into
_SHORT_REPLY = 16 << 10  # bytes; such a reply is read in the event loop
_MOST_OF_A_REPLY = 16 << 20  # bytes that are held of one in which calls are answered
_THREADS = 8


class Gateway:
    """Takes clients' requests to the upstream, through the stage of the mode.

    Args:
        settings: the options.
        stage: what the mode does; None: nothing.
        note: called with the facts of every exchange that was looked into, in a worker thread.
        routes: the gateway's own pages, below /ctxmem/ and at /metrics.
        stream: a context in which each reply is passed on, such as one that counts them.
    """

    def __init__(
        self,
        settings: Settings,
        stage: Stage | None = None,
        note: Callable[[dict[str, Any]], None] | None = None,
        routes: Sequence[BaseRoute] = (),
        stream: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.settings, self.stage, self._note, self._stream = settings, stage, note, stream
        self.door = Doorkeeper(settings)
        self.upstreams = Upstreams(settings.proxy)
        self._pages = Starlette(routes=list(routes))
        self._numbers = itertools.count(1)
        self._changes = stage is not None and settings.mode != "observe"
        self._held = BodyAllowance(_MOST_HELD)
        # What only looks at requests waits until none needs the interpreter.
        self._backlog = Backlog(_MOST_WAITING_BYTES, _MOST_WAITING)
        self._threads = ThreadPoolExecutor(_THREADS, "ctxmem-gateway")
        self._store = StoreWatch(settings.store) if settings.mode == "manage" else None
        quick = isinstance(stage, QuickStage) and not settings.answers
        self._quick = stage if isinstance(stage, QuickStage) and quick else None
        self._results = PendingResults()
        self._warned = Seldom()
        self.skipped = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        kind = scope["type"]
        if kind == "http":
            client = Client(scope, receive, send)
            try:
                await self._answer(client)
            except (ClientGone, asyncio.CancelledError):
                # The client left, or the process ends: nobody waits for the rest. If the reply had
                # begun its end is missing, and the server closes the connection.
                client.done()
                if not client.gone and not client.started:
                    await client.refuse(503, "the gateway is shutting down")
                self._left(client)
            except Exception as error:
                log.error("a request failed: %s", type(error).__name__, exc_info=_debugging())
                if not client.started:
                    await client.refuse(500, "a fault of the gateway")
                self._left(client)
            finally:
                client.done()
                if client.body is not None and not client.keeps_body:
                    client.body.kept.drop()
        elif kind == "lifespan":
            await self._live(receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    def _left(self, client: Client) -> None:
        """Write down a request that ended before its reply began."""
        exchange = client.exchange
        if exchange is not None and not client.keeps_body:
            exchange.facts["status"] = _CLIENT_LEFT
            self._finish_later(client, exchange, _CLIENT_LEFT, None, None)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    async def _answer(self, client: Client) -> None:
        started = self._backlog.busy_at = perf_counter()
        path, headers = client.path, client.headers
        own = path.startswith(OWN_PATHS[0]) or path in OWN_PATHS
        refused = self.door.refuses(headers, own=own)
        if refused:
            await client.refuse(*refused)
            return
        if own:
            await self._pages(client.scope, client.receive, client.send)
            return
        place = self.settings.place(client.family)
        problem = self._problem(client, place)
        if problem or place is None:
            await client.refuse(*(problem or (404, "no upstream is given for this path")))
            return
        target = place.target(client.raw_path, client.scope["query_string"])
        wire = wire_of(client.method, path) if self.stage is not None else None
        if wire is None:
            kept = Kept(self._held, _UNREAD_KEPT)
            client.body = Body(client.receive, kept, self.settings.most_body)
            await self._relay(client, place, target, without_token(headers), None, started)
            return
        exchange = Exchange(wire, self.door.tenant(headers), next(self._numbers))
        exchange.facts = {
            "wire": wire.name,
            "mode": self.settings.mode,
            "server_address": place.host,
            "server_port": place.port,
        }
        exchange.span = begin_span(headers)
        exchange.coding = client.header(b"content-encoding")
        client.exchange = exchange
        client.body = Body(
            client.receive, Kept(self._held, self.settings.most_read), self.settings.most_body
        )
        await self._relay(client, place, target, without_token(headers), exchange, started)

    def _problem(self, client: Client, place: Place | None) -> tuple[int, str] | None:
        """Return why a request is not passed on."""
        if place is None:
            return 404, "no upstream is given for this path"
        if client.method not in _METHODS:
            return 405, f"the method {client.method[:20]} is not passed on"
        if client.header(b"upgrade").lower() == "websocket":
            return 426, "websockets are not passed on; use HTTP"
        if leaves(client.raw_path):
            return 400, "the path has a segment '..'"
        length = client.header(b"content-length")
        if length.isdigit() and int(length) > self.settings.most_body:
            return 413, f"the request has more than {self.settings.most_body} bytes"
        return None

    async def _relay(
        self,
        client: Client,
        place: Place,
        target: bytes,
        headers: Headers,
        exchange: Exchange | None,
        started: float,
    ) -> None:
        """Pass a request on, and give the client the reply or the reason why there is none."""
        answer: Incoming
        try:
            if exchange is not None and self._changes:
                answer, sent = await self._change(client, place, target, headers, exchange)
            else:
                answer, sent = await self._pass(client, place, target, headers, exchange)
        except UpstreamError as error:
            await self._unreachable(client, place, exchange, error)
        except TooLong:
            await self._too_long(client, exchange)
        else:
            await self._reply(client, answer, exchange, started, sent)

    async def _pass(
        self,
        client: Client,
        place: Place,
        target: bytes,
        headers: Headers,
        exchange: Exchange | None,
    ) -> tuple[Answer, float]:
        """Pass a request on while it comes; return the reply, and when the request was sent."""
        body = client.body
        assert body is not None
        sent = perf_counter()
        answer = await self.upstreams.send(
            client.method, place, target, to_upstream(headers, place), body
        )
        if exchange is not None:
            exchange.original = body.kept.parts or ()
            exchange.why = "" if body.kept.parts is not None else "too long"
        return answer, sent

    async def _change(
        self,
        client: Client,
        place: Place,
        target: bytes,
        headers: Headers,
        exchange: Exchange,
    ) -> tuple[Incoming, float]:
        """Pass a request on as the stage writes it, and as the client did if that is refused.

        Returns the reply, and when the request was sent.
        """
        parts = await self._prepare(client, exchange)
        sent = perf_counter()
        if exchange.sent is not None:
            changed = exchange.sent
            first = await self.upstreams.send(
                client.method, place, target, to_upstream(headers, place, len(changed)), [changed]
            )
            answer = await self._recalled(client, first, place, target, headers, exchange)
            if answer.status_code not in _REFUSED:
                return answer, sent
            log.warning("a changed request was refused (%d)", answer.status_code)
            await answer.aclose()
            exchange.sent, exchange.why, exchange.header = None, "refused", ""
        own = await self.upstreams.send(
            client.method, place, target, to_upstream(headers, place), parts
        )
        if exchange.second is not None:
            return await self._instead(client, place, target, headers, exchange, own), sent
        return own, sent

    async def _instead(
        self,
        client: Client,
        place: Place,
        target: bytes,
        headers: Headers,
        exchange: Exchange,
        answer: Answer,
    ) -> Answer | Refused:
        """Return the answer to the second body if the client's own was refused.

        If that is refused too, the client has what its own was refused with.
        """
        second = exchange.second
        assert second is not None
        if answer.status_code not in _REFUSED:
            exchange.header = ""
            return answer
        first = await Refused.of(answer, _MOST_REFUSAL)
        if not first.whole:
            exchange.header = ""
            return first
        with suppress(UpstreamError):
            another = await self.upstreams.send(
                client.method, place, target, to_upstream(headers, place, len(second)), [second]
            )
            if another.status_code not in _REFUSED:
                exchange.sent = second
                return another
            await another.aclose()
        exchange.header, exchange.why = "", "refused"
        return first

    async def _prepare(
        self, client: Client, exchange: Exchange
    ) -> Sequence[bytes] | AsyncIterator[bytes]:
        """Read a request and let the stage write another; return the client's own body."""
        body = client.body
        assert body is not None
        arriving, first = body.parts(), []
        async for part in arriving:
            first.append(part)
            if body.kept.parts is None:  # what was read of it, and the rest as it comes
                exchange.why = "too long"
                return followed_by(first, arriving)
        exchange.original = first
        if self._prepared_at_once(exchange):
            return first
        client.preparing = self._threads.submit(self._prepared, exchange)
        exchange.sent = await asyncio.wrap_future(client.preparing)
        return first

    def _prepared_at_once(self, exchange: Exchange) -> bool:
        """Have the stage prepare a request in the event loop; False if a thread has to."""
        if self._quick is None or (self._store is not None and self._store.problem()):
            return False
        try:
            with exchange.span.current():
                exchange.quick = self._quick.prepare_at_once(exchange)
        except Exception as error:
            self._fault(exchange, "prepare", error)
            return True
        return exchange.quick

    def _prepared(self, exchange: Exchange) -> bytes | None:
        assert self.stage is not None
        problem = self._store.problem() if self._store is not None else ""
        if problem:
            exchange.why, exchange.facts["fault"] = problem, "store"
            return None
        try:
            with exchange.span.current():
                changed = self.stage.prepare(exchange)
        except Exception as error:
            # Others that are StoreErrors are of one conversation.
            if self._store is not None and type(error) is StoreError:
                self._store.failed()
            self._fault(exchange, "prepare", error)
            exchange.header = ""
            return None
        if self._store is not None:
            self._store.worked()
        if not self.settings.answers:
            return changed
        try:
            return with_our_tools(exchange, changed, self._results)
        except Exception as error:
            self._fault(exchange, "recall", error)
            return changed

    async def _recalled(
        self,
        client: Client,
        answer: Incoming,
        place: Place,
        target: bytes,
        headers: Headers,
        exchange: Exchange,
    ) -> Incoming:
        """Return a reply in which the model's calls of our tools are answered."""
        body = exchange.notes.get("body")
        if not self.settings.answers or body is None:
            return answer
        # An upstream takes a second request with the same key for the first one again.
        further = [one for one in headers if one[0] != b"idempotency-key"]

        async def send(data: bytes) -> Answer:
            head = to_upstream(further, place, len(data))
            return await self.upstreams.send(client.method, place, target, head, [data])

        finder: Finder | None = exchange.notes.get("finder")
        recalling = Recalling(
            wire=exchange.wire.name,
            sent=body,
            send=send,
            answer=answer_of(exchange),
            keep=partial(self._results.keep, exchange.tenant),
            most=min(self.settings.most_read, _MOST_OF_A_REPLY),
            facts=exchange.facts,
            room=exchange.notes.get("room"),
            ours=exchange.notes["ours"],
            declare=finder.declared if finder is not None else None,
        )
        try:
            return await recalling.reply(answer)
        except BaseException:  # the client left, too: nobody else has the reply to close it
            await answer.aclose()
            raise

    def _fault(self, exchange: Exchange, stage: str, error: Exception) -> None:
        """Count a fault of ours; the request goes on without us. Texts may be in the error."""
        exchange.why = exchange.why or "fault"
        exchange.facts["fault"] = stage
        log.error("%s failed: %s", stage, type(error).__name__, exc_info=_debugging())

    async def _too_long(self, client: Client, exchange: Exchange | None) -> None:
        if exchange is not None:
            exchange.facts["status"] = 413
            self._finish_later(client, exchange, 413, None, None)
        await client.refuse(413, f"the request has more than {self.settings.most_body} bytes")

    async def _unreachable(
        self, client: Client, place: Place, exchange: Exchange | None, error: UpstreamError
    ) -> None:
        if self._warned.due(place):
            log.warning("the upstream %s did not answer (%s)", place.address, error)
        if exchange is not None:
            exchange.facts["status"] = _HEAD_FAILED
            self._finish_later(client, exchange, _HEAD_FAILED, None, None)
        await client.refuse(_HEAD_FAILED, f"the upstream {place.address} did not answer ({error})")

    # Replies --------------------------------------------------------------------------------------

    async def _reply(
        self,
        client: Client,
        answer: Incoming,
        exchange: Exchange | None,
        started: float,
        sent: float,
    ) -> None:
        """Pass a reply on as it comes; the upstream is let go when the client leaves."""
        now = self._backlog.busy_at = perf_counter()
        status = answer.status_code
        headers = to_client(answer.headers, status)
        if exchange is not None:
            exchange.facts["status"] = status
            exchange.facts["seconds_added"] = sent - started
            exchange.facts["seconds_upstream"] = now - sent
            if exchange.header:
                headers.append((b"x-ctxmem", exchange.header.encode("ascii", "replace")))
        kept = Kept(self._held, self.settings.most_read) if exchange is not None else None
        try:
            if exchange is not None:
                await self._stored(exchange)
            if status > _MOST_STATUS:
                await client.refuse(_HEAD_FAILED, f"the upstream answered with status {status}")
                return
            with self._stream():
                await client.begin(status, headers)
                whole = False
                async for part in answer.parts():
                    if kept is not None:
                        kept.add(part)
                    whole = isinstance(answer, Answer) and answer.read
                    await client.write(part, last=whole)
                    self._backlog.busy_at = perf_counter()
                if not whole:
                    await client.write(b"", last=True)
        except BrokenOff as error:
            # The end of the reply is missing, and the client has to see that: the server closes the
            # connection of a reply that has no end.
            log.warning("the upstream broke off within a reply (%s)", error)
            if exchange is not None:
                exchange.facts["broken_off"] = True
        finally:
            await answer.aclose()
            if exchange is not None:
                self._finish_later(client, exchange, status, answer, kept)

    async def _stored(self, exchange: Exchange) -> None:
        """Wait until what the stage wrote of a request outlives a power cut."""
        stored: Future[None] | None = exchange.notes.get("stored")
        if stored is None:
            return
        try:
            if stored.done():  # as usual: the provider takes longer than the disk
                stored.result()
            else:  # others wait for the same: a client that leaves does not end it
                await asyncio.shield(asyncio.wrap_future(stored))
        except Exception as error:
            if self._store is not None and exchange.quick and type(error) is StoreError:
                self._store.failed()
            self._fault(exchange, "store", error)

    def _finish_later(
        self,
        client: Client,
        exchange: Exchange,
        status: int,
        answer: Incoming | None,
        kept: Kept | None,
    ) -> None:
        """Have a worker read the reply; when too much waits, only what is known is noted."""
        loop = asyncio.get_running_loop()
        bodies = [one for one in (kept, client.body.kept if client.body else None) if one]
        client.keeps_body = True

        def over() -> None:
            for one in bodies:
                one.drop()

        size = sum(one.size for one in bodies)
        if not self._changes and self._backlog.full(size):
            self.skipped += 1
            exchange.facts["skipped"], exchange.why = True, "busy"
            exchange.original, kept, answer, size = (), None, None, 0
            over()
        finished = partial(self._finished, exchange, status, answer, kept, client.preparing)
        short = kept is None or kept.size <= _SHORT_REPLY
        if exchange.quick and short and self._finished_at_once(exchange, finished):
            over()
        elif self._changes:
            try:
                task = self._threads.submit(finished)
            except RuntimeError:  # the process ends
                over()
                return
            task.add_done_callback(lambda _: _on(loop, over))
        elif len(self._backlog) >= _MOST_UNNOTED:
            finished()
        elif not self._backlog.add(partial(_both, finished, partial(_on, loop, over)), size):
            over()

    def _finished_at_once(self, exchange: Exchange, finished: Callable[[], None]) -> bool:
        """Read a short reply in the event loop; False if another thread has the conversation."""
        assert self._quick is not None
        held = self._quick.hold(exchange)
        if held is None:
            return False
        try:
            finished()
        finally:
            held.release()
        return True

    def _finished(
        self,
        exchange: Exchange,
        status: int,
        answer: Incoming | None,
        kept: Kept | None,
        preparing: Future[bytes | None] | None,
    ) -> None:
        """Read a reply, and give it to the stage."""
        if preparing is not None:
            # A client that leaves does not stop the thread that prepares its request, and what
            # that charges has to be there to be taken back. It was queued first, so it has begun.
            wait((preparing,))
        reply = None
        if answer is not None and kept is not None and kept.parts is not None and status < 400:
            try:
                reply = reply_of(
                    exchange.wire,
                    answer.header(b"content-type"),
                    answer.header(b"content-encoding"),
                    kept.parts,
                )
            except Unreadable as error:  # the upstream's fault, and the client has it as it is
                exchange.facts["reply_unreadable"] = True
                log.info("a reply could not be read (%s)", error)
            except Exception as error:
                self._fault(exchange, "read reply", error)
        assert self.stage is not None
        if not exchange.facts.get("skipped"):
            try:
                self.stage.finish(exchange, status, reply)
            except Exception as error:
                self._fault(exchange, "finish", error)
        exchange.facts["passed_through"] = exchange.why
        if self.settings.show_text and exchange.asked is not None:
            exchange.facts["question"] = question_of(exchange.asked)
        if self._note is not None:
            try:
                self._note(exchange.facts)
            except Exception as error:
                self._fault(exchange, "note", error)
        if exchange.span.recording:
            exchange.span.finish(RequestFacts.read(exchange.facts))
        # What the exchange holds is not needed any more, though its facts may be.
        exchange.original, exchange.sent, exchange.asked = (), None, None

    async def close(self) -> None:
        """Wait for what is still written down, and close the connections."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._backlog.close)
        await loop.run_in_executor(None, partial(self._threads.shutdown, wait=True))
        await self.upstreams.close()
        close = getattr(self.stage, "close", None)
        if close is not None:
            close()


def _debugging() -> bool:
    """Whether errors are logged whole: texts and keys may be in them."""
    return log.isEnabledFor(logging.DEBUG)


def _both(first: Callable[[], None], second: Callable[[], None]) -> None:
    try:
        first()
    finally:
        second()


def _on(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call something on a loop, if that still runs."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)

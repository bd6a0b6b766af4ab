"""The gateway as an ASGI application: every path is the provider's, but /ctxmem/ and /metrics.

What a client sends is passed on, and so is what comes back, in the order and in the parts in which
it comes. Reading, counting and changing is done by a stage, which never makes a request fail: its
faults are counted, and the request goes on as the client wrote it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from ctxmem.gateway.exchanges import Exchange, Stage, reply_of
from ctxmem.gateway.recalling import Recalling, Waiting, answer_from, is_offered, with_waiting
from ctxmem.gateway.relay import Headers, UpstreamError, Upstreams, address, to_client, to_upstream
from ctxmem.gateway.security import Doorkeeper, without_token
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import family_of, wire_of
from ctxmem.gateway.wire.frames import json_bytes

log = logging.getLogger("ctxmem.gateway")

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_REFUSED = frozenset((400, 404, 413, 422))
"""Answers after which a changed request is sent once more as the client wrote it."""
_UPSTREAM_FAILED = 502


class Gateway:
    """Takes clients' requests to the upstream, through the stage of the mode.

    Args:
        settings: the options.
        stage: what the mode does; None: nothing.
        note: called with the facts of every exchange that was looked into, in a worker thread.
    """

    def __init__(
        self,
        settings: Settings,
        stage: Stage | None = None,
        note: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.settings, self._stage, self._note = settings, stage, note
        self.door = Doorkeeper(settings)
        self.upstreams = Upstreams()
        self.waiting = Waiting()
        self._numbers = itertools.count(1)
        self._changes = stage is not None and settings.mode != "observe"
        self._after: set[asyncio.Task[None]] = set()

    async def answer(self, request: Request) -> Response:
        """Answer a request of a client."""
        started = perf_counter()
        headers: Headers = list(request.headers.raw)
        refused = self.door.refuses(headers)
        if refused:
            return _error(403, refused)
        path = request.scope["path"]
        url = address(
            self.settings.upstream(family_of(path, headers)),
            request.scope.get("raw_path") or path.encode(),
            request.scope["query_string"],
        )
        if "://" not in url:
            return _error(404, "no upstream is given for this path")
        wire = wire_of(request.method, path) if self._stage is not None else None
        headers = without_token(headers)
        if wire is None:
            return await self._pass(request, url, headers, None, started)
        exchange = Exchange(wire, self.door.tenant(headers), next(self._numbers))
        exchange.facts = {"wire": wire.name, "mode": self.settings.mode}
        if self._changes:
            return await self._change(request, url, headers, exchange, started)
        return await self._pass(request, url, headers, exchange, started)

    async def _pass(
        self,
        request: Request,
        url: str,
        headers: Headers,
        exchange: Exchange | None,
        started: float,
    ) -> Response:
        """Pass a request on while it comes."""
        body = _Body(request, self.settings.most_read if exchange is not None else 0)
        sent = perf_counter()
        try:
            reply = await self.upstreams.send(
                request.method, url, to_upstream(headers, url), body.parts()
            )
        except UpstreamError as error:
            return self._unreachable(exchange, error)
        if exchange is not None and body.kept is not None:
            exchange.original = body.kept
        elif exchange is not None:
            exchange.why = "too long"
        return self._reply(reply, exchange, started, sent)

    async def _change(
        self, request: Request, url: str, headers: Headers, exchange: Exchange, started: float
    ) -> Response:
        """Pass a request on as the stage writes it, and as the client did if that is refused."""
        body = _Body(request, self.settings.most_read)
        arriving = body.parts()
        parts: Any = []
        async for part in arriving:
            parts.append(part)
            if body.kept is None:
                break
        if body.kept is None:  # what was read of it, and the rest as it comes
            exchange.why = "too long"
            parts = _followed_by(parts, arriving)
        else:
            exchange.original = parts
            exchange.sent = await asyncio.to_thread(self._prepared, exchange)
        sent = perf_counter()
        try:
            if exchange.sent is not None:
                changed = exchange.sent
                reply = await self.upstreams.send(
                    request.method, url, to_upstream(headers, url, len(changed)), [changed]
                )
                if reply.status_code not in _REFUSED:
                    reply = await self._recalled(reply, request, url, headers, exchange)
                    return self._reply(reply, exchange, started, sent)
                log.warning("a changed request was refused (%d)", reply.status_code)
                await reply.aclose()
                exchange.sent, exchange.why = None, "refused"
            reply = await self.upstreams.send(request.method, url, to_upstream(headers, url), parts)
        except UpstreamError as error:
            return self._unreachable(exchange, error)
        return self._reply(reply, exchange, started, sent)

    def _prepared(self, exchange: Exchange) -> bytes | None:
        assert self._stage is not None
        try:
            changed = self._stage.prepare(exchange)
            return changed if changed is None else self._with_waiting(exchange, changed)
        except Exception as error:
            self._fault(exchange, "prepare", error)
            return None

    def _with_waiting(self, exchange: Exchange, changed: bytes) -> bytes:
        """Return a changed body with what waits for this request of its conversation."""
        body, wire = exchange.notes.get("body"), exchange.wire.name
        if not self.settings.recall or body is None:
            return changed
        messages = body.get("input" if wire == "responses" else "messages")
        text = self.waiting.text_for(exchange.tenant, messages)
        if not text:
            return changed
        exchange.notes["body"] = with_waiting(body, wire, text)
        return json_bytes(exchange.notes["body"])

    async def _recalled(
        self,
        reply: httpx.Response,
        request: Request,
        url: str,
        headers: Headers,
        exchange: Exchange,
    ) -> httpx.Response:
        """Return a reply in which the model's calls of `recall` are answered."""
        memory, body = exchange.notes.get("memory"), exchange.notes.get("body")
        if memory is None or body is None or not is_offered(body, exchange.wire.name):
            return reply
        # An upstream takes a second request with the same key for the first one again.
        further = [one for one in headers if one[0] != b"idempotency-key"]

        async def send(data: bytes) -> httpx.Response:
            head = to_upstream(further, url, len(data))
            return await self.upstreams.send(request.method, url, head, [data])

        recalling = Recalling(
            wire=exchange.wire.name,
            sent=body,
            send=send,
            answer=answer_from(memory),
            keep=partial(self.waiting.keep, exchange.tenant),
            most=self.settings.most_read,
            facts=exchange.facts,
        )
        return await recalling.reply(reply)

    def _fault(self, exchange: Exchange, stage: str, error: Exception) -> None:
        """Count a fault of ours; the request goes on without us. Texts may be in the error."""
        exchange.why = exchange.why or "fault"
        exchange.facts["fault"] = stage
        log.error("%s failed: %s", stage, type(error).__name__, exc_info=log.isEnabledFor(10))

    def _unreachable(self, exchange: Exchange | None, error: UpstreamError) -> Response:
        if exchange is not None:
            self._finish_later(exchange, _UPSTREAM_FAILED, None)
        return _error(_UPSTREAM_FAILED, f"the upstream did not answer ({error})")

    # Replies --------------------------------------------------------------------------------------

    def _reply(
        self, reply: httpx.Response, exchange: Exchange | None, started: float, sent: float
    ) -> Response:
        now = perf_counter()
        if exchange is not None:
            exchange.facts["status"] = reply.status_code
            exchange.facts["seconds_added"] = sent - started
            exchange.facts["seconds_upstream"] = now - sent
        answer = StreamingResponse(self._relayed(reply, exchange), status_code=reply.status_code)
        answer.raw_headers = to_client(reply.headers.raw)
        return answer

    async def _relayed(
        self, reply: httpx.Response, exchange: Exchange | None
    ) -> AsyncIterator[bytes]:
        """Yield a reply as it comes; the upstream is let go when the client leaves."""
        kept: list[bytes] | None = [] if exchange is not None else None
        size = 0
        assert isinstance(reply.stream, httpx.AsyncByteStream)
        try:
            async for part in reply.stream:
                if kept is not None:
                    kept.append(part)
                    size += len(part)
                    if size > self.settings.most_read:
                        kept = None
                yield part
        except httpx.HTTPError as error:
            # The end of the reply is missing, and the client has to see that.
            raise ConnectionError(f"the upstream broke off ({type(error).__name__})") from None
        finally:
            await reply.aclose()
            if exchange is not None:
                self._finish_later(exchange, reply.status_code, (reply.headers, kept))

    def _finish_later(self, exchange: Exchange, status: int, told: Any) -> None:
        task = asyncio.ensure_future(asyncio.to_thread(self._finished, exchange, status, told))
        self._after.add(task)
        task.add_done_callback(self._after.discard)

    def _finished(self, exchange: Exchange, status: int, told: Any) -> None:
        """Read a reply, and give it to the stage."""
        reply = None
        if told is not None and told[1] is not None and status < 400:
            headers, parts = told
            try:
                reply = reply_of(
                    exchange.wire,
                    headers.get("content-type", ""),
                    headers.get("content-encoding", ""),
                    parts,
                )
            except Exception as error:
                self._fault(exchange, "read reply", error)
        assert self._stage is not None
        try:
            self._stage.finish(exchange, status, reply)
        except Exception as error:
            self._fault(exchange, "finish", error)
        if self._note is not None:
            self._note(exchange.facts)

    async def close(self) -> None:
        """Wait for what is still written down, and close the connections."""
        if self._after:
            await asyncio.wait(self._after, timeout=5)
        await self.upstreams.close()


class _Body:
    """A request's body while it comes; `kept` are its parts, None if they are too many bytes."""

    def __init__(self, request: Request, most: int) -> None:
        self._request, self._most = request, most
        self.kept: list[bytes] | None = [] if most else None

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the parts of the body as they come."""
        size = 0
        async for part in self._request.stream():
            if not part:
                continue
            size += len(part)
            if self.kept is not None:
                self.kept.append(part)
                if size > self._most:
                    self.kept = None
            yield part


async def _followed_by(first: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for part in first:
        yield part
    async for part in rest:
        yield part


def _error(status: int, said: str) -> Response:
    """Return an error of the gateway itself, in a form that clients of both providers read."""
    error = {"type": "ctxmem_gateway", "message": f"ctxmem: {said}"}
    return JSONResponse({"type": "error", "error": error}, status, headers={"x-ctxmem-error": "1"})


def create_app(
    settings: Settings,
    stage: Stage | None = None,
    note: Callable[[dict[str, Any]], None] | None = None,
) -> ASGIApp:
    """Return the gateway as an ASGI application."""
    gateway = Gateway(settings, stage, note)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await gateway.close()

    return Starlette(
        routes=[Route("/{path:path}", gateway.answer, methods=METHODS)],
        lifespan=lifespan,
    )

"""The way to the upstream: requests and replies are passed on byte for byte, as they come."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, AsyncIterator
from functools import partial
from time import monotonic
from typing import cast

import httpx

from ctxmem.gateway.http.connecting import Place, connect, proxy_of
from ctxmem.gateway.http.connections import (
    WITHOUT_BODY,
    Answer,
    BrokenOff,
    ClosedUnanswered,
    Connection,
    Headers,
    Parts,
    UpstreamError,
)

__all__ = [
    "Answer",
    "BrokenOff",
    "Headers",
    "Parts",
    "Place",
    "Refused",
    "UpstreamError",
    "Upstreams",
    "to_client",
    "to_upstream",
]

_HOP_BY_HOP = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization"),
        *(b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    )
)
_READABLE = (b"identity", b"gzip", b"deflate")
_READABLE_LISTS = frozenset((b"gzip, deflate", b"gzip", b"gzip,deflate", b"identity"))
_IDLE_SECONDS = 20.0
"""A connection that is idle so long is not used again: providers close theirs later."""
_MOST_IDLE = 256
_RACE_SECONDS = 2.0
"""An upstream that closes a reused connection does so within this time of the request.

Later, it may have worked on the request, which must not be sent a second time.
"""
_FRAMING = frozenset((b"content-length", b"host"))
"""Headers that are passed on even if a `Connection` header names them."""
_DROPPED = frozenset((b"host", b"expect"))
_REPLACED = _DROPPED | {b"content-length", b"content-encoding"}
"""With a body that is not the client's."""


class Refused:
    """A reply that was read, and can be passed on later.

    One that is long is read in part, and the rest is passed on as it comes.
    """

    __slots__ = ("_answer", "_parts", "headers", "status_code", "whole")

    def __init__(self, answer: Answer, parts: list[bytes], *, whole: bool) -> None:
        self._answer, self._parts, self.whole = answer, parts, whole
        self.headers, self.status_code = answer.headers, answer.status_code

    @classmethod
    async def of(cls, answer: Answer, most: int) -> Refused:
        """Read an answer and let its connection go, unless it has more than `most` bytes."""
        parts, size = list[bytes](), 0
        try:
            async for part in answer.parts():
                parts.append(part)
                size += len(part)
                if size > most:
                    return cls(answer, parts, whole=False)
        except BrokenOff as error:
            raise UpstreamError(str(error)) from None
        finally:
            if size <= most:
                await answer.aclose()
        return cls(answer, parts, whole=True)

    def header(self, name: bytes) -> str:
        """Return the value of a header, "" if there is none; `name` is in lower case."""
        return self._answer.header(name)

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the body."""
        for part in self._parts:
            yield part
        if not self.whole:
            async for part in self._answer.parts():
                yield part

    async def aclose(self) -> None:
        """Let the connection go, if it still has it."""
        await self._answer.aclose()


class Upstreams:
    """Connections to the providers' addresses, kept alive between requests.

    The one used last is used next, so that those that are not needed are closed.

    Args:
        proxy: address of a proxy, "env" for those that the environment names, "" for none.
    """

    def __init__(self, proxy: str = "") -> None:
        self._proxy = proxy
        self._context: ssl.SSLContext | None = None
        self._proxies: dict[Place, str] = {}
        self._idle: dict[Place, list[Connection]] = {}
        self._open: set[Connection] = set()

    async def send(
        self, method: str, place: Place, target: bytes, headers: Headers, body: Parts
    ) -> Answer:
        """Send a request and return the reply.

        The client's patience is the only limit on how long a reply may take. A request on a
        connection that the upstream had closed meanwhile is sent again on a new one if its body
        can be: if it is a list, or was `kept` (see `bodies.Body`).

        Raises:
            UpstreamError: there is no reply.
        """
        reused = self._idle_one(place)
        if reused is not None:
            sent = monotonic()
            try:
                return await self._exchange(reused, method, target, headers, body)
            except ClosedUnanswered:
                again = _again(body)
                if again is None or monotonic() - sent > _RACE_SECONDS:
                    raise
                body = again
        return await self._exchange(await self._new(place), method, target, headers, body)

    async def _exchange(
        self, connection: Connection, method: str, target: bytes, headers: Headers, body: Parts
    ) -> Answer:
        try:
            return await connection.send(method, target, headers, body)
        except BaseException:
            self._open.discard(connection)
            raise

    def _idle_one(self, place: Place) -> Connection | None:
        idle = self._idle.get(place)
        while idle:
            connection = idle.pop()
            if connection.reusable and not _expired(connection):
                return connection
            self._close(connection)
        return None

    async def _new(self, place: Place) -> Connection:
        """Return a new connection: certificates are checked, a proxy is used if asked for."""
        if self._context is None:
            self._context = httpx.create_ssl_context()
            self._context.set_alpn_protocols(["http/1.1"])
        proxy = self._proxy
        if proxy == "env":
            if place not in self._proxies:
                self._proxies[place] = proxy_of(place)
            proxy = self._proxies[place]
        made = await connect(place, proxy, self._context, partial(self._release, place))
        self._open.add(made)
        return made

    def _release(self, place: Place, connection: Connection) -> None:
        """Keep a connection for the next request, or close it."""
        if connection not in self._open or not connection.reusable:
            self._close(connection)
            return
        connection.idle_since = monotonic()
        idle = self._idle.setdefault(place, [])
        idle.append(connection)
        if len(idle) > _MOST_IDLE or (len(idle) > 1 and _expired(idle[0])):
            self._close(idle.pop(0))

    def _close(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.close()

    async def close(self) -> None:
        """Close all connections."""
        for connection in list(self._open):
            self._close(connection)
        self._idle.clear()


def _expired(connection: Connection) -> bool:
    return monotonic() - connection.idle_since > _IDLE_SECONDS


def _again(body: Parts) -> Parts | None:
    """Return a body to be sent a second time, None if it is not there any more."""
    if not isinstance(body, AsyncIterable):
        return body if isinstance(body, list | tuple) else None
    again = getattr(body, "again", None)
    return cast("Parts | None", again()) if again is not None else None


# Headers ------------------------------------------------------------------------------------------


def to_upstream(headers: Headers, place: Place, length: int | None = None) -> Headers:
    """Return a client's headers as they are sent on.

    `length` is the new length of a body that is not the client's. Codings of the reply that cannot
    be looked into are not asked for.
    """
    hop = _hop_by_hop(headers)
    made: Headers = [(b"host", place.netloc)]
    chunked = False
    for name, value in headers:
        if name in hop:
            chunked = chunked or name == b"transfer-encoding"
        elif name == b"accept-encoding":
            made.append((name, value if value in _READABLE_LISTS else _codings(value)))
        elif name not in (_DROPPED if length is None else _REPLACED):
            made.append((name, value))
    if length is not None:
        made.append((b"content-length", b"%d" % length))
    elif chunked:
        made.append((b"transfer-encoding", b"chunked"))
    return made


def to_client(headers: Headers, status: int = 200) -> Headers:
    """Return an upstream's headers, with names in lower case, as they are passed on."""
    hop = _hop_by_hop(headers)
    drop_length = status in WITHOUT_BODY
    return [
        header
        for header in headers
        if header[0] not in hop and not (drop_length and header[0] == b"content-length")
    ]


def _hop_by_hop(headers: Headers) -> frozenset[bytes]:
    """Return the headers that are meant for one connection only."""
    named = [value for name, value in headers if name == b"connection"]
    if not named or named in ([b"keep-alive"], [b"close"]):
        return _HOP_BY_HOP
    own = {part.strip().lower() for value in named for part in value.split(b",")}
    return _HOP_BY_HOP | (own - _FRAMING)


def _codings(value: bytes) -> bytes:
    """Return the codings that a client accepts, those that can be read."""
    kept = [
        part.strip()
        for part in value.split(b",")
        if part.split(b";")[0].strip().lower() in _READABLE
    ]
    return b", ".join(kept) or b"identity"

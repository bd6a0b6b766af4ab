"""The way to the upstream: requests and replies are passed on byte for byte, as they come."""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from time import monotonic
from typing import cast
from urllib.parse import urlsplit

import httpcore
import httpx

from ctxmem.gateway.http.sockets import Sockets

Headers = list[tuple[bytes, bytes]]
Parts = AsyncIterable[bytes] | Iterable[bytes]

_HOP_BY_HOP = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization"),
        *(b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    )
)
_READABLE = (b"identity", b"gzip", b"deflate")
_READABLE_LISTS = frozenset((b"gzip, deflate", b"gzip", b"gzip,deflate", b"identity"))
_IDLE_SECONDS = 20.0
"""A connection that is idle so long is closed, sooner than providers do it."""
_MOST_IDLE = 256
_CONNECT_SECONDS = 30.0
_RACE_SECONDS = 2.0
"""An upstream that closes a reused connection does so within this time of the request.

Later, it may have worked on the request, which must not be sent a second time.
"""
_FRAMING = frozenset((b"content-length", b"host"))
"""Headers that are passed on even if a `Connection` header names them."""
_DROPPED = frozenset((b"host", b"expect"))
_REPLACED = _DROPPED | {b"content-length", b"content-encoding"}
"""With a body that is not the client's."""
_WITHOUT_BODY = frozenset((204, 304))
_PORTS = {"http": 80, "https": 443}


class UpstreamError(Exception):
    """The upstream could not be reached, or broke off before it answered."""


class BrokenOff(Exception):
    """The upstream broke off within a reply."""


@dataclass(frozen=True)
class Place:
    """An upstream: where it is, and the path that its own paths begin with."""

    scheme: str
    host: str
    port: int
    netloc: bytes
    base: bytes

    @classmethod
    def of(cls, url: str) -> Place:
        """Return the place of a checked address."""
        return _place(url)

    @cached_property
    def end(self) -> bytes:
        """The last segment of the base, such as `/v1/`, b"" if there is none."""
        end = self.base.rpartition(b"/")[2]
        return b"/%s/" % end if end else b""

    def target(self, raw_path: bytes, query: bytes) -> bytes:
        """Return what a client's path is called at the upstream, its query with it.

        Clients are pointed at the gateway as at the provider, some with "/v1" in the address and
        some without, and so are upstreams written down: it is there once.
        """
        base = self.base
        if self.end and raw_path.startswith(self.end):
            base = base[: 1 - len(self.end)]
        return base + raw_path + (b"?" + query if query else b"")


@lru_cache(maxsize=64)
def _place(url: str) -> Place:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return Place(
        parts.scheme,
        host,
        parts.port or _PORTS[parts.scheme],
        parts.netloc.encode("ascii"),
        parts.path.rstrip("/").encode(),
    )


class Answer:
    """An upstream's reply, of which only the head was read."""

    __slots__ = ("_connection", "_pool", "_response", "headers", "status_code")

    def __init__(
        self,
        response: httpcore.Response,
        connection: httpcore.AsyncConnectionInterface,
        pool: Upstreams,
    ) -> None:
        self.status_code = response.status
        self.headers: Headers = [(name.lower(), value) for name, value in response.headers]
        self._response, self._pool = response, pool
        self._connection: httpcore.AsyncConnectionInterface | None = connection

    def header(self, name: bytes) -> str:
        """Return the value of a header, "" if there is none; `name` is in lower case."""
        for given, value in self.headers:
            if given == name:
                return value.decode("latin-1")
        return ""

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes.

        Raises:
            BrokenOff: its end is missing.
        """
        try:
            async for part in cast("AsyncIterable[bytes]", self._response.stream):
                yield part
        except httpcore.ProtocolError as error:
            raise BrokenOff(type(error).__name__) from None
        except (httpcore.NetworkError, httpcore.TimeoutException, OSError) as error:
            raise BrokenOff(type(error).__name__) from None

    async def aclose(self) -> None:
        """Let the connection go: for the next request if the reply was read to its end.

        A second call does nothing, so that a connection which another request uses by then is
        neither offered twice nor closed.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            with suppress(httpcore.NetworkError, httpcore.ProtocolError, OSError):
                await self._response.aclose()
        finally:
            self._pool.release(connection)


class Refused:
    """A reply that was read to its end, and can be passed on later."""

    __slots__ = ("_answer", "_parts", "headers", "status_code")

    def __init__(self, answer: Answer, parts: list[bytes]) -> None:
        self._answer, self._parts = answer, parts
        self.headers, self.status_code = answer.headers, answer.status_code

    @classmethod
    async def of(cls, answer: Answer) -> Refused:
        """Read an answer and let its connection go."""
        try:
            parts = [part async for part in answer.parts()]
        except BrokenOff as error:
            raise UpstreamError(str(error)) from None
        finally:
            await answer.aclose()
        return cls(answer, parts)

    def header(self, name: bytes) -> str:
        """Return the value of a header, "" if there is none; `name` is in lower case."""
        return self._answer.header(name)

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the body."""
        for part in self._parts:
            yield part

    async def aclose(self) -> None:
        """Do nothing: its connection was let go."""


class Upstreams:
    """Connections to the providers' addresses, kept alive between requests.

    httpcore makes them and speaks HTTP on them. Which one is used next is decided here, because
    its pool looks at every idle connection for every request: the one used last, so that those
    that are not needed are closed.

    Args:
        proxy: address of a proxy, "env" for those that the environment names, "" for none.
    """

    def __init__(self, proxy: str = "") -> None:
        self._proxy = proxy
        self._context: ssl.SSLContext | None = None
        self._makers: dict[Place, httpcore.AsyncConnectionPool] = {}
        self._idle: dict[Place, list[httpcore.AsyncConnectionInterface]] = {}
        self._places: dict[httpcore.AsyncConnectionInterface, Place] = {}
        self._closing: set[asyncio.Task[None]] = set()

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
        url = httpcore.URL(scheme=place.scheme, host=place.host, port=place.port, target=target)
        reused = self._idle_one(place)
        if reused is not None:
            sent = monotonic()
            try:
                return await self._exchange(reused, method, url, headers, body)
            except (httpcore.ProtocolError, httpcore.NetworkError) as error:
                again = _again(body)
                if again is None or monotonic() - sent > _RACE_SECONDS or _ours(error):
                    raise UpstreamError(type(error).__name__) from None
                body = again
        try:
            return await self._exchange(self._new(place, url.origin), method, url, headers, body)
        except (httpcore.ProtocolError, httpcore.NetworkError) as error:
            raise UpstreamError(type(error).__name__) from None
        except (httpcore.TimeoutException, httpcore.ProxyError, ssl.SSLError, OSError) as error:
            raise UpstreamError(type(error).__name__) from None

    async def _exchange(
        self,
        connection: httpcore.AsyncConnectionInterface,
        method: str,
        url: httpcore.URL,
        headers: Headers,
        body: Parts,
    ) -> Answer:
        request = httpcore.Request(
            method,
            url,
            headers=headers,
            content=body if isinstance(body, AsyncIterable) else _each(body),
            extensions={"timeout": {"connect": _CONNECT_SECONDS}},
        )
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            self._places.pop(connection, None)
            raise
        return Answer(response, connection, self)

    def _idle_one(self, place: Place) -> httpcore.AsyncConnectionInterface | None:
        idle = self._idle.get(place)
        while idle:
            connection = idle.pop()
            if connection.is_idle() and not connection.has_expired():
                return connection
            self._close_later(connection)
        return None

    def _new(self, place: Place, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        maker = self._makers.get(place)
        if maker is None:
            maker = self._makers[place] = self._maker(place)
        connection = maker.create_connection(origin)
        self._places[connection] = place
        return connection

    def _maker(self, place: Place) -> httpcore.AsyncConnectionPool:
        """Return what makes connections: certificates are checked, a proxy is used if asked for."""
        if self._context is None:
            self._context = httpx.create_ssl_context()
        proxy = _proxy_of(place) if self._proxy == "env" else self._proxy
        if proxy:
            return httpcore.AsyncHTTPProxy(
                proxy,
                ssl_context=self._context,
                keepalive_expiry=_IDLE_SECONDS,
                network_backend=Sockets(),
            )
        return httpcore.AsyncConnectionPool(
            ssl_context=self._context,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=Sockets(),
        )

    def release(self, connection: httpcore.AsyncConnectionInterface) -> None:
        """Keep a connection for the next request, or close it."""
        place = self._places.get(connection)
        if place is None:
            return
        if not connection.is_idle():
            self._close_later(connection)
            return
        idle = self._idle.setdefault(place, [])
        idle.append(connection)
        if len(idle) > _MOST_IDLE or (len(idle) > 1 and idle[0].has_expired()):
            self._close_later(idle.pop(0))

    def _close_later(self, connection: httpcore.AsyncConnectionInterface) -> None:
        self._places.pop(connection, None)
        if not connection.is_closed():
            task = asyncio.ensure_future(_closed(connection))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all connections."""
        for connection in list(self._places):
            self._close_later(connection)
        self._idle.clear()
        if self._closing:
            await asyncio.wait(self._closing, timeout=2)


async def _closed(connection: httpcore.AsyncConnectionInterface) -> None:
    with suppress(Exception):
        await connection.aclose()


async def _each(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def _again(body: Parts) -> Parts | None:
    """Return a body to be sent a second time, None if it is not there any more."""
    if not isinstance(body, AsyncIterable):
        return body if isinstance(body, list | tuple) else None
    again = getattr(body, "again", None)
    return cast("Parts | None", again()) if again is not None else None


def _ours(error: Exception) -> bool:
    """Whether a request could not be written as HTTP, which would be so on any connection."""
    return isinstance(error, httpcore.LocalProtocolError)


def _proxy_of(place: Place) -> str:
    """Return the proxy that the environment names for an upstream, "" if there is none."""
    if urllib.request.proxy_bypass(place.host):
        return ""
    return urllib.request.getproxies().get(place.scheme, "")


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
    drop_length = status in _WITHOUT_BODY
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

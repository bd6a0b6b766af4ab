"""The way to the upstream: requests and replies are passed on byte for byte, as they come."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from urllib.parse import urlsplit

import httpx

Headers = list[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization"),
        *(b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    )
)
_READABLE = (b"identity", b"gzip", b"deflate")
# A connection that the upstream closes while it is idle is one request's error, so it is given up
# sooner than providers do.
_IDLE_SECONDS = 20.0
_CONNECT_SECONDS = 30.0


class UpstreamError(Exception):
    """The upstream could not be reached, or broke off before it answered."""


class Sized(httpx.AsyncByteStream):
    """A body in parts, sent without being joined."""

    def __init__(self, parts: AsyncIterable[bytes] | Iterable[bytes]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if isinstance(self._parts, AsyncIterable):
            async for part in self._parts:
                yield part
        else:
            for part in self._parts:
                yield part


class Upstreams:
    """Connections to the providers' addresses, kept alive between requests."""

    def __init__(self) -> None:
        self._transport = httpx.AsyncHTTPTransport(
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=256,
                keepalive_expiry=_IDLE_SECONDS,
            ),
        )

    async def send(
        self,
        method: str,
        url: str,
        headers: Headers,
        body: AsyncIterable[bytes] | Iterable[bytes],
    ) -> httpx.Response:
        """Send a request and return the reply, of which only the head was read.

        The client's patience is the only limit on how long a reply may take.

        Raises:
            UpstreamError: there is no reply.
        """
        request = httpx.Request(
            method,
            url,
            headers=headers,
            stream=Sized(body),
            extensions={"timeout": {"connect": _CONNECT_SECONDS}},
        )
        try:
            return await self._transport.handle_async_request(request)
        except httpx.HTTPError as error:
            raise UpstreamError(type(error).__name__) from error

    async def close(self) -> None:
        """Close all connections."""
        with suppress(httpx.HTTPError):
            await self._transport.aclose()


def address(upstream: str, raw_path: bytes, query: bytes) -> str:
    """Return the address of a client's path at an upstream.

    Clients are pointed at the gateway as at the provider, some with "/v1" in the address and some
    without, and so are upstreams written down: it is there once.
    """
    base = upstream.rstrip("/")
    path = raw_path.decode("ascii", "replace")
    end = urlsplit(base).path.rpartition("/")[2]
    if end and path.startswith(f"/{end}/"):
        base = base[: -len(end) - 1]
    return f"{base}{path}" + (f"?{query.decode('ascii', 'replace')}" if query else "")


def to_upstream(headers: Headers, url: str, length: int | None = None) -> Headers:
    """Return a client's headers as they are sent on.

    `length` is the new length of a body that is not the client's. Codings of the reply that cannot
    be looked into are not asked for.
    """
    hop = _hop_by_hop(headers)
    made: Headers = [(b"host", urlsplit(url).netloc.encode())]
    chunked = False
    for name, value in headers:
        if name == b"host" or (name == b"content-length" and length is not None):
            continue
        if name == b"transfer-encoding":
            chunked = length is None
            continue
        if name in hop or name == b"expect":
            continue
        made.append((name, _codings(value) if name == b"accept-encoding" else value))
    if length is not None:
        made.append((b"content-length", b"%d" % length))
    elif chunked:
        made.append((b"transfer-encoding", b"chunked"))
    return made


def to_client(headers: Headers) -> Headers:
    """Return an upstream's headers as they are passed on."""
    lowered = [(name.lower(), value) for name, value in headers]
    hop = _hop_by_hop(lowered)
    return [(name, value) for name, value in lowered if name not in hop]


def _hop_by_hop(headers: Headers) -> frozenset[bytes]:
    """Return the headers that are meant for one connection only."""
    named = [value for name, value in headers if name == b"connection"]
    own = {part.strip().lower() for value in named for part in value.split(b",")}
    return _HOP_BY_HOP | own


def _codings(value: bytes) -> bytes:
    """Return the codings that a client accepts, those that can be read."""
    kept = [
        part.strip()
        for part in value.split(b",")
        if part.split(b";")[0].strip().lower() in _READABLE
    ]
    return b", ".join(kept) or b"identity"

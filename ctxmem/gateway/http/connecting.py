"""New connections to upstreams: with TLS or without, through a proxy or not."""

from __future__ import annotations

import asyncio
import base64
import ssl
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from urllib.parse import SplitResult, unquote, urlsplit

import anyio

from ctxmem.gateway.http.connections import Connection, Headers, UpstreamError, in_words

CONNECT_SECONDS = 30.0
_PORTS = {"http": 80, "https": 443}


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

    @property
    def address(self) -> str:
        """Where it is, for people; an upstream has no name and no password in it."""
        return f"{self.scheme}://{self.netloc.decode()}"

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


async def connect(
    place: Place, proxy: str, context: ssl.SSLContext, release: Callable[[Connection], None]
) -> Connection:
    """Return a new connection to an upstream.

    Args:
        place: the upstream.
        proxy: address of the proxy on the way, "" for none.
        context: how certificates are checked.
        release: see `Connection`.

    Raises:
        UpstreamError: there is none within half a minute.
    """
    try:
        # Before Python 3.12 `asyncio.wait_for` loses a cancellation that comes as the wait ends.
        with anyio.fail_after(CONNECT_SECONDS):
            return await _connected(place, proxy, context, release)
    except TimeoutError:
        raise UpstreamError("no connection in time") from None
    except (OSError, ValueError) as error:  # ValueError: a host that is no name
        raise UpstreamError(in_words(error)) from None


async def _connected(
    place: Place, proxy: str, context: ssl.SSLContext, release: Callable[[Connection], None]
) -> Connection:
    secure = context if place.scheme == "https" else None
    if not proxy:
        made = Connection(release)
        return await _opened(made, place.host, place.port, secure)
    through = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if through.scheme not in _PORTS:
        raise UpstreamError("the proxy is none for HTTP")
    port = through.port or _PORTS[through.scheme]
    between = context if through.scheme == "https" else None
    if secure is None:
        made = Connection(release, b"http://" + place.netloc, _credentials(through))
        return await _opened_to_proxy(made, through.hostname or "", port, between)
    tunnel = Connection(Connection.close)
    await _opened_to_proxy(tunnel, through.hostname or "", port, between)
    try:
        await _ask_for_tunnel(tunnel, place, _credentials(through))
        made = Connection(release)
        transport = await asyncio.get_running_loop().start_tls(
            tunnel.transport, made, secure, server_hostname=place.host
        )
        if transport is None:
            raise UpstreamError("closed")
        made.connection_made(transport)
        return made
    except BaseException:
        tunnel.close()
        raise


async def _opened(
    made: Connection, host: str, port: int, context: ssl.SSLContext | None
) -> Connection:
    name = host if context is not None else None
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: made, host, port, ssl=context, server_hostname=name)
    return made


async def _opened_to_proxy(
    made: Connection, host: str, port: int, context: ssl.SSLContext | None
) -> Connection:
    try:
        return await _opened(made, host, port, context)
    except (OSError, ValueError) as error:
        raise UpstreamError(f"the proxy: {in_words(error)}") from None


async def _ask_for_tunnel(tunnel: Connection, place: Place, credentials: Headers) -> None:
    """Have a proxy connect to an upstream; then all that is written goes there."""
    host = f"[{place.host}]" if ":" in place.host else place.host
    name = f"{host}:{place.port}".encode("ascii")
    answer = await tunnel.send("CONNECT", name, [(b"host", name), *credentials], ())
    if not 200 <= answer.status_code < 300:
        raise UpstreamError(f"the proxy answered with status {answer.status_code}")
    if answer.queue:
        raise UpstreamError("the proxy wrote more than its reply")


def _credentials(proxy: SplitResult) -> Headers:
    """Return the header with the name and the password that a proxy's address holds."""
    if not proxy.username and not proxy.password:
        return []
    pair = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
    return [(b"proxy-authorization", b"Basic " + base64.b64encode(pair.encode()))]


def proxy_of(place: Place) -> str:
    """Return the proxy that the environment names for an upstream, "" if there is none."""
    if urllib.request.proxy_bypass(place.host):
        return ""
    return urllib.request.getproxies().get(place.scheme, "")

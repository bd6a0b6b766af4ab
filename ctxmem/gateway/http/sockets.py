"""Sockets for httpcore on asyncio itself.

httpcore reads and writes through anyio, whose cancel scopes took more time for each request than
all of the gateway's own work.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast

import httpcore

_MOST_BUFFERED = 256 << 10
"""Bytes of a reply that are held for a client that reads slowly; then the upstream waits."""


class _Socket(asyncio.Protocol):
    """What came on a connection and was not read, and whether more may be written."""

    def __init__(self) -> None:
        self.transport = cast("asyncio.Transport", None)
        self.came = bytearray()
        self.ended = False
        self.error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._full = False
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.came += data
        if len(self.came) > _MOST_BUFFERED and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        self.ended = True
        _wake(self._reader)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended, self.error = True, exc
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        _wake(self._writer)

    async def read(self, most: int) -> bytes:
        """Return what came, b"" at the end."""
        while not self.came and not self.ended:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        if not self.came and self.error is not None:
            raise httpcore.ReadError(type(self.error).__name__)
        if len(self.came) <= most:
            made = bytes(self.came)
            self.came.clear()
        else:
            made = bytes(self.came[:most])
            del self.came[:most]
        if self._paused and len(self.came) <= _MOST_BUFFERED and not self.ended:
            self._paused = False
            self.transport.resume_reading()
        return made

    async def write(self, data: bytes) -> None:
        """Write, and wait while the other side does not read."""
        if self.ended or self.transport.is_closing():
            raise httpcore.WriteError("closed")
        self.transport.write(data)
        while self._full and not self.ended:
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


class Stream(httpcore.AsyncNetworkStream):
    """A connection as httpcore reads and writes it."""

    def __init__(self, socket: _Socket) -> None:
        self._socket = socket

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what came, b"" at the end."""
        if timeout is None:
            return await self._socket.read(max_bytes)
        try:
            return await asyncio.wait_for(self._socket.read(max_bytes), timeout)
        except asyncio.TimeoutError:
            raise httpcore.ReadTimeout from None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write, and wait while the other side does not read."""
        if buffer:
            await self._socket.write(buffer)

    async def aclose(self) -> None:
        """Close the connection; what was not read is dropped."""
        with suppress(Exception):
            self._socket.transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return the connection with TLS on it."""
        loop, inner = asyncio.get_running_loop(), _Socket()
        try:
            transport = await asyncio.wait_for(
                loop.start_tls(
                    self._socket.transport, inner, ssl_context, server_hostname=server_hostname
                ),
                timeout,
            )
        except asyncio.TimeoutError:
            await self.aclose()
            raise httpcore.ConnectTimeout from None
        except (OSError, ssl.SSLError) as error:
            await self.aclose()
            raise httpcore.ConnectError(_reason(error)) from error
        if transport is None:
            raise httpcore.ConnectError("closed")
        inner.connection_made(transport)
        return Stream(inner)

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks about a connection."""
        if info == "is_readable":  # while it is idle: the upstream closed it
            socket = self._socket
            return socket.ended or bool(socket.came) or socket.transport.is_closing()
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._socket.transport.get_extra_info(names.get(info, info))


class Sockets(httpcore.AsyncNetworkBackend):
    """Makes connections."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a new connection."""
        loop = asyncio.get_running_loop()
        try:
            _, socket = await asyncio.wait_for(loop.create_connection(_Socket, host, port), timeout)
        except asyncio.TimeoutError:
            raise httpcore.ConnectTimeout from None
        except OSError as error:
            raise httpcore.ConnectError(_reason(error)) from error
        return Stream(socket)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def _reason(error: Exception) -> str:
    return type(error).__name__

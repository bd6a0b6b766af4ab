"""How the bytes of an answer leave: pieces, pauses, compression, cuts."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Iterator

from .record import Record
from .script import Reply


class Connection:
    """One request's side of the ASGI server, with the transport below it."""

    def __init__(self, receive, send, record: Record) -> None:
        self._send = send
        self._receive = receive
        self.record = record
        self._cutting = False

    async def body(self) -> bytes:
        """Read the request's body."""
        parts = []
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.record.disconnected = True
                break
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        return b"".join(parts)

    async def watch(self) -> None:
        """Note in the record when the client goes away before the end of the answer."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not (self.record.complete or self._cutting):
            self.record.disconnected = True

    async def start(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send status and headers."""
        self.record.status = status
        raw = [(name.encode(), value.encode()) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        self.record.sent += data
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """End the answer as it should end."""
        self.record.complete = True
        await self._send({"type": "http.response.body", "body": b""})

    async def cut(self, *, reset: bool) -> None:
        """End the connection below HTTP, so that the answer is seen to be incomplete."""
        self._cutting = True
        # uvicorn's `receive` is a method of its request, which has the transport.
        transport = self._receive.__self__.transport
        if reset:
            transport.abort()
        else:
            transport.close()
        await asyncio.sleep(0.01)


def shaped(reply: Reply, events: Iterable[bytes], *, gzip: bool) -> Iterator[bytes]:
    """Yield the body in the pieces in which it is sent."""
    parts: Iterable[bytes] = events
    if reply.mangle:
        parts = [reply.mangle(b"".join(parts))]
    if gzip:
        parts = _compressed(parts)
    if reply.chunk:
        data = b"".join(parts)
        parts = [data[at : at + reply.chunk] for at in range(0, len(data), reply.chunk)]
    if reply.cut is not None:
        parts = _until(parts, reply.cut)
    yield from parts


def _compressed(parts: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for part in parts:
        yield packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


def _until(parts: Iterable[bytes], most: int) -> Iterator[bytes]:
    for part in parts:
        if most <= 0:
            return
        yield part[:most]
        most -= len(part)

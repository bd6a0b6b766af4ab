"""A gateway in this process, an upstream whose every byte a test decides, and raw clients."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from ctxmem.gateway import serving
from ctxmem.gateway.app import Gateway
from ctxmem.gateway.settings import Settings

Handler = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]
WAIT = 10.0


@dataclass
class Request:
    """A request as the upstream got it, byte for byte."""

    head: bytes
    body: bytes
    connection: int
    reader: asyncio.StreamReader

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n")[0].decode("latin-1")

    def header(self, name: str) -> list[str]:
        found = []
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.decode().lower() == name:
                found.append(value.strip().decode("latin-1"))
        return found

    def json(self) -> Any:
        return json.loads(self.body)


def reply(
    body: bytes = b'{"ok":true}', status: str = "200 OK", *more: str, length: bool = True
) -> bytes:
    """Return a whole reply."""
    head = [f"HTTP/1.1 {status}", "content-type: application/json", *more]
    if length:
        head.append(f"content-length: {len(body)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Upstream:
    """A server that reads requests and lets a function write what it likes."""

    def __init__(
        self, handler: Handler | None = None, *, context: ssl.SSLContext | None = None
    ) -> None:
        self._context = context
        self.handler = handler or self.ok
        self.requests: list[Request] = []
        self.connections = 0
        self.gone = threading.Event()
        self.read_body = True
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(WAIT)

    @staticmethod
    async def ok(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)

        async def main() -> None:
            self._stop = asyncio.Event()
            server = await asyncio.start_server(
                self._serve, "127.0.0.1", 0, limit=1 << 26, ssl=self._context
            )
            self.port = server.sockets[0].getsockname()[1]
            self._started.set()
            await self._stop.wait()
            server.close()

        self._loop.run_until_complete(main())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
                request = Request(head, b"", number, reader)
                self.requests.append(request)
                if self.read_body:
                    request.body = await _body(reader, request)
                await self.handler(request, writer)
                await writer.drain()
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.set()
        finally:
            writer.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT)


async def _body(reader: asyncio.StreamReader, request: Request) -> bytes:
    length = request.header("content-length")
    if length:
        return await reader.readexactly(int(length[0]))
    if request.header("transfer-encoding") != ["chunked"]:
        return b""
    made = b""
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        made += await reader.readexactly(size)
        await reader.readexactly(2)
        if not size:
            return made


@dataclass
class Running:
    """A gateway that serves."""

    gateway: Gateway
    server: uvicorn.Server
    port: int
    noted: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def facts(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait for the facts of so many exchanges."""
        until(lambda: len(self.noted) >= count)
        return self.noted


@contextmanager
def running(
    upstream: str, *, stage: Any = None, routes: Any = (), **options: Any
) -> Iterator[Running]:
    """Run a gateway in a thread of this process."""
    options.setdefault("store", ":memory:")
    settings = Settings(upstreams={"": upstream}, port=0, **options)
    made = stage(settings) if callable(stage) else stage
    noted: list[dict[str, Any]] = []
    gateway = Gateway(settings, made, noted.append, routes)
    listening = serving.listen(settings)
    server = uvicorn.Server(uvicorn.Config(gateway, **serving.OPTIONS))
    logging.getLogger("uvicorn.error").addFilter(serving.is_news)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield Running(gateway, server, listening.getsockname()[1], noted)
    finally:
        server.should_exit = True
        thread.join(WAIT)
        assert not thread.is_alive()


def until(holds: Callable[[], Any], seconds: float = WAIT) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def connect(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def raw(port: int, sent: bytes, *, close: bool = True) -> bytes:
    """Send bytes and return all that comes until the connection is closed."""
    with connect(port) as made:
        made.sendall(sent)
        return rest(made)


def rest(made: socket.socket) -> bytes:
    """Return what comes until the connection is closed."""
    came = b""
    try:
        while part := made.recv(1 << 16):
            came += part
    except ConnectionError:
        pass
    return came


def request(
    path: str = "/v1/chat/completions", body: bytes = b"{}", *more: str, method: str = "POST"
) -> bytes:
    """Return a request whose connection is closed after the reply."""
    head = [f"{method} {path} HTTP/1.1", "host: localhost", "connection: close", *more]
    if not any(one.lower().startswith(("content-length", "transfer-encoding")) for one in more):
        head.append(f"content-length: {len(body)}")
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def status_of(came: bytes) -> int:
    return int(came.split(b" ", 2)[1])


def headers_of(came: bytes) -> list[tuple[str, str]]:
    lines = came.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return [
        (name.decode().lower(), value.strip().decode("latin-1"))
        for name, _, value in (line.partition(b":") for line in lines)
    ]


def body_of(came: bytes) -> bytes:
    return came.partition(b"\r\n\r\n")[2]


CHAT = b'{"model":"gpt-4o","messages":[{"role":"user","content":"When does it open?"}]}'
ANSWER = json.dumps(
    {
        "id": "c1",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "At nine."}}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3},
    }
).encode()

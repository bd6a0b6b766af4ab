"""A very light upstream for load tests: canned bytes behind a delay, nothing parsed.

It reads a request's head and `content-length` only, so that the processor time of a load test goes
into the client and the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from . import chat_wire, messages_wire, responses_wire
from .script import Reply
from .wires import Ids, compact

WIRES = {"chat": chat_wire, "responses": responses_wire, "messages": messages_wire}
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Canned:
    """The bytes of an answer, and seconds before them."""

    answer: bytes
    delay: float = 0.0


def canned(api: str = "chat", *, stream: bool = False, delay: float = 0.0) -> Canned:
    """Return a usual answer of an API as canned bytes."""
    counts = {"input": 1000, "cached": 0, "written": 0, "output": 20}
    if api == "messages":
        counts = {
            "input_tokens": 1000,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 20,
        }
    body = {"model": "claude-sonnet-4-5" if api == "messages" else "gpt-4o-mini"}
    reply, ids = Reply("A short answer, as from a model."), Ids(1)
    if stream:
        data = b"".join(WIRES[api].events(reply, ids, body, counts))
    else:
        data = compact(WIRES[api].whole(reply, ids, body, counts)).encode()
    kind = "text/event-stream" if stream else "application/json"
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n\r\n"
    return Canned(head.encode() + data, delay)


class Stub(asyncio.Protocol):
    """One connection: for every request the answer, in order."""

    def __init__(self, choose) -> None:
        self._choose = choose
        self._data = bytearray()
        self._rest = 0  # bytes of the body that are still to come
        self._canned: Canned | None = None

    def connection_made(self, transport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Count the bytes of bodies, and answer behind the last one."""
        while data or self._canned is not None:
            if self._canned is not None:
                taken = min(self._rest, len(data))
                self._rest -= taken
                data = data[taken:]
                if self._rest:
                    return
                self._answer(self._canned)
                self._canned = None
                continue
            self._data += data
            end = self._data.find(HEAD_END)
            if end < 0:
                return
            head = bytes(self._data[:end]).lower()
            data = bytes(self._data[end + len(HEAD_END) :])
            self._data.clear()
            self._rest = _length(head)
            self._canned = self._choose(head)

    def _answer(self, chosen: Canned) -> None:
        if chosen.delay:
            asyncio.get_running_loop().call_later(chosen.delay, self._write, chosen.answer)
        else:
            self._write(chosen.answer)

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


def _length(head: bytes) -> int:
    at = head.find(b"content-length:")
    if at < 0:
        return 0
    return int(head[at + 15 :].split(b"\r\n", 1)[0])


async def serve_stub(port: int, *, delay: float, stream: bool, ready=None) -> None:
    """Serve until cancelled; the API is chosen by the path."""
    answers = {
        api: canned(api, stream=stream, delay=delay) for api in ("chat", "responses", "messages")
    }

    def choose(head: bytes) -> Canned:
        line = head.split(b"\r\n", 1)[0]
        if b"/messages" in line:
            return answers["messages"]
        return answers["responses" if b"/responses" in line else "chat"]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Stub(choose), "127.0.0.1", port)
    if ready is not None:
        ready(server.sockets[0].getsockname()[1])
    with contextlib.suppress(asyncio.CancelledError):
        await server.serve_forever()

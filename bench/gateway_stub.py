"""A light upstream for `gateway_latency`: answers every POST after a time.

It reports a token for each five bytes of a request, about what the texts of the bench have. The
time is `delay` seconds, or spread evenly around them by a share of them. Multiples of the
golden ratio fill that range evenly from the first request, so that medians of short runs are
comparable. It is run as a process of its own, and prints its port in a line.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Iterator
from typing import cast

_BYTES_A_TOKEN = 5


def reply(length: int) -> bytes:
    """Return the reply to a request of so many bytes."""
    body = json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": "gpt-4o",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "The museum opens at nine. " * 20},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": length // _BYTES_A_TOKEN, "completion_tokens": 120},
        }
    ).encode()
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        b"x-request-id: req_1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    )


_GOLDEN = (5**0.5 - 1) / 2


class Stub(asyncio.Protocol):
    """Reads requests by their content-length only."""

    def __init__(self, delays: Iterator[float]) -> None:
        self._delays = delays
        self._head = b""
        self._length = 0
        self._left = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Read what came, and answer if that was all."""
        if self._left < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            found = self._head[:end].lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            self._length = int(found or 0)
            self._left = self._length - (len(self._head) - end - 4)
            self._head = b""
        else:
            self._left -= len(data)
        if self._left <= 0:
            self._left = -1
            self._loop.call_later(next(self._delays), self._answer, reply(self._length))

    def _answer(self, made: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(made)


def delays(delay: float, spread: float) -> Iterator[float]:
    """Yield the seconds after which requests are answered."""
    for count in itertools.count():
        yield delay * (1 + spread * (2 * (count * _GOLDEN % 1) - 1))


async def serve(delay: float, spread: float) -> None:
    """Serve until the process is ended."""
    loop, seconds = asyncio.get_running_loop(), delays(delay, spread)
    server = await loop.create_server(lambda: Stub(seconds), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    asyncio.run(serve(float(sys.argv[1]), float(sys.argv[2])))

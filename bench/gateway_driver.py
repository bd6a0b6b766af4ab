"""A driver for `gateway_latency` where wrk is missing: keep-alive connections on asyncio."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlsplit


def drive(url: str, size: int, model: str, seconds: int, connections: int) -> dict[str, Any]:
    """Send requests for some seconds; the latencies are in milliseconds."""
    return asyncio.run(_drive(url, size, model, seconds, connections))


async def _drive(url: str, size: int, model: str, seconds: int, connections: int) -> dict[str, Any]:
    place, times = urlsplit(url), list[float]()
    filler = ("When does the museum open on a holiday? " * (size // 40 + 1))[:size]
    end = time.perf_counter() + seconds

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        count = 0
        while time.perf_counter() < end:
            count += 1
            messages = [
                {"role": "user", "content": filler},
                {"role": "user", "content": f"question {number}-{count}"},
            ]
            body = json.dumps({"model": model, "messages": messages}).encode()
            started = time.perf_counter()
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
                b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            times.append(1000 * (time.perf_counter() - started))
        writer.close()

    await asyncio.gather(*(one(number) for number in range(connections)))
    times.sort()
    return {
        "p50": times[len(times) // 2],
        "p99": times[int(0.99 * (len(times) - 1))],
        "requests": len(times),
        "seconds": float(seconds),
        "errors": 0,
    }

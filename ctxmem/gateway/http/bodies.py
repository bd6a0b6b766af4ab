"""A client's request body while it comes, and the bytes of bodies that are held in all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

Receive = Callable[[], Awaitable[Any]]


class ClientGone(Exception):
    """The client left before its request or its reply was complete."""


class TooLong(Exception):
    """A request's body is longer than it may be."""


class BodyAllowance:
    """How many bytes of bodies are held at once; what does not fit is passed on unread."""

    __slots__ = ("bytes", "most")

    def __init__(self, most: int) -> None:
        self.bytes, self.most = 0, most

    def take(self, size: int) -> bool:
        """Whether so many bytes more may be held, which are then counted."""
        if self.bytes + size > self.most:
            return False
        self.bytes += size
        return True

    def give_back(self, size: int) -> None:
        """Count bytes that are no longer held."""
        self.bytes -= size


class Kept:
    """The parts of a body as they came, as long as there is room for them.

    `parts` is None once there was not.
    """

    __slots__ = ("_held", "_most", "parts", "size")

    def __init__(self, held: BodyAllowance, most: int) -> None:
        self._held, self._most = held, most
        self.parts: list[bytes] | None = []
        self.size = 0

    def add(self, part: bytes) -> None:
        """Keep a part, or give up all of them."""
        if self.parts is None:
            return
        if self.size + len(part) > self._most or not self._held.take(len(part)):
            self.drop()
            return
        self.size += len(part)
        self.parts.append(part)

    def drop(self) -> None:
        """Let the parts go."""
        self.parts = None
        self._held.give_back(self.size)
        self.size = 0


class Body:
    """A request's body: passed on while it comes, and kept so that it can be sent again.

    Once it has all come, the client is watched: when it leaves, the task that serves it is
    cancelled, and with it the request to the upstream.

    Args:
        receive: where the body comes from (ASGI).
        kept: what holds its parts.
        most: bytes that it may have.
    """

    def __init__(self, receive: Receive, kept: Kept, most: int) -> None:
        self._receive, self._most = receive, most
        self.kept = kept
        self.client_gone = False
        self.complete = False
        self._size = 0
        self._task = asyncio.current_task()
        self._watch: asyncio.Task[None] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    def parts(self) -> AsyncIterator[bytes]:
        """Return the parts of the body that are not read yet, as they come.

        Their iteration raises `ClientGone` if the client left, and `TooLong` if there are too many
        bytes.
        """
        return self

    async def __anext__(self) -> bytes:  # no generator: the loop keeps books of those
        while not self.complete:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.client_gone = True
                raise ClientGone
            part: bytes = message.get("body", b"")
            self._size += len(part)
            if self._size > self._most:
                raise TooLong
            self.complete = not message.get("more_body", False)
            if self.complete:
                self._watch = asyncio.ensure_future(self._watched())
            if part:
                self.kept.add(part)
                return part
        raise StopAsyncIteration

    def again(self) -> AsyncIterator[bytes] | None:
        """Return the body from its beginning, None if what was sent of it is not there any more."""
        if self.kept.parts is None:
            return None
        return followed_by(list(self.kept.parts), self.parts())

    async def _watched(self) -> None:
        """Wait until the client leaves."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_gone = True
        if self._task is not None:
            self._task.cancel()

    def done(self) -> None:
        """Watch the client no longer."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


async def followed_by(first: Iterable[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield parts that are there, then those that come."""
    for part in first:
        yield part
    async for part in rest:
        yield part

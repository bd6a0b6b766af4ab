"""A connection to an upstream: one request at a time in HTTP/1.1, and its reply as it comes.

httptools reads the replies, whose parser is the one that reads the clients' requests, too. What it
leaves open is decided here in the strict way: a head that says in two ways where its body ends is
refused, and a connection on which more came than the reply is not used again.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import cast

import anyio
import httptools

Headers = list[tuple[bytes, bytes]]
Parts = AsyncIterable[bytes] | Iterable[bytes]

MOST_REPLY_HEAD = 100 << 10
"""Bytes of a reply's head, and of anything else in it that is no body, such as trailers."""
MOST_BUFFERED = 256 << 10
"""Bytes of a reply that are held for a client that reads slowly; then the upstream waits."""
MOST_STALLED = 300.0
"""Seconds in which an upstream may take nothing of a request: while a body cannot be passed on, the
client is not read, so that nobody would see that it has left."""
WITHOUT_BODY = frozenset((204, 304))

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_HEAD = re.compile(
    rb"%b [!-~]+ HTTP/1\.1\r\n(?:%b: [^\x00\r\n]*\r\n)*\r\n" % (_TOKEN, _TOKEN)
)


class UpstreamError(Exception):
    """The upstream could not be reached, or broke off before it answered."""


class ClosedUnanswered(UpstreamError):
    """The upstream closed a connection without a byte in reply."""


class BrokenOff(Exception):
    """The upstream broke off within a reply."""


def in_words(error: Exception) -> str:
    """Return why there is no connection, or none any more, in words for people.

    >>> in_words(ConnectionRefusedError(111, "Connect call failed"))
    'connection refused'
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        return f"its certificate is not accepted, {type(error).__name__}: {why}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or type(error).__name__).replace('_', ' ').lower()}"
    if isinstance(error, socket.gaierror):
        return _NAMES.get(error.errno or 0, "the name cannot be looked up")
    if isinstance(error, ValueError):
        return "the host is no name"
    number = getattr(error, "errno", None)
    if number is None:  # of a name with several addresses, at which each attempt failed
        found = re.search(r"\[Errno (\d+)\]", str(error))
        number = int(found[1]) if found else None
    return _REASONS.get(number or 0, type(error).__name__)


_NAMES = {
    socket.EAI_NONAME: "name not known",
    socket.EAI_AGAIN: "the name cannot be looked up now",
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME): "name not known",
}
_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.ECONNABORTED: "connection aborted",
    errno.EPIPE: "connection closed",
    errno.ETIMEDOUT: "no connection in time",
    errno.EHOSTUNREACH: "no route to it",
    errno.ENETUNREACH: "no network",
    errno.EADDRNOTAVAIL: "no network",
    errno.EMFILE: "too many open files here",
}


class _Malformed(Exception):
    """Raised in the parser's callbacks, to stop it."""


class Answer:
    """An upstream's reply: its head, and its body as it comes."""

    __slots__ = (
        *("_connection", "_failure", "_waiting", "complete", "headers", "held"),
        *("queue", "status_code", "to_head", "until_close"),
    )

    def __init__(self, connection: Connection, *, to_head: bool) -> None:
        self.status_code = 0
        self.headers: Headers = []
        self._connection: Connection | None = connection
        self._failure = ""
        self._waiting: asyncio.Future[None] | None = None
        # What the connection sets.
        self.queue: deque[bytes] = deque()
        self.held = 0
        self.complete = False
        self.to_head = to_head
        self.until_close = False

    @property
    def read(self) -> bool:
        """Whether the body has come to its end, and all of it was read."""
        return self.complete and not self.queue

    def header(self, name: bytes) -> str:
        """Return the value of a header, "" if there is none; `name` is in lower case."""
        for given, value in self.headers:
            if given == name:
                return value.decode("latin-1")
        return ""

    def parts(self) -> AsyncIterator[bytes]:
        """Return the body as it comes.

        Its iteration raises `BrokenOff` if the end is missing.
        """
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:  # no generator: the loop keeps books of those
        while not self.queue:
            if self.complete:
                raise StopAsyncIteration
            if self._failure:
                raise BrokenOff(self._failure)
            await self._more()
        part = self.queue.popleft()
        self.held -= len(part)
        if self._connection is not None and self.held <= MOST_BUFFERED:
            self._connection.read_on()
        return part

    async def head(self) -> None:
        """Wait until the head has come.

        Raises:
            UpstreamError: it does not.
        """
        while not self.status_code:
            if self._failure:
                raise UpstreamError(self._failure)
            await self._more()

    async def _more(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        await self._waiting

    def came(self) -> None:
        """Wake who waits for more."""
        _wake(self._waiting)

    def fail(self, why: str) -> None:
        """Take in that no more comes."""
        if not self.complete and not self._failure:
            self._failure = why
        _wake(self._waiting)

    async def aclose(self) -> None:
        """Let the connection go: for the next request if the reply has come to its end.

        A second call does nothing, so that a connection which another request uses by then is
        neither offered twice nor closed.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.let_go()


class Connection(asyncio.Protocol):
    """A connection, and the reply that is being read on it.

    Args:
        release: called when a reply on it was let go.
        origin: what is written before the path in a request, for a proxy.
        more: headers that each request has beside its own, for a proxy.
    """

    def __init__(
        self,
        release: Callable[[Connection], None],
        origin: bytes = b"",
        more: Headers | None = None,
    ) -> None:
        self._release, self._origin, self._more = release, origin, more or []
        self._parser = httptools.HttpResponseParser(self)
        self.transport = cast("asyncio.Transport", None)
        self._answer: Answer | None = None
        self._writer: asyncio.Future[None] | None = None
        self._full = self._paused = self._ended = False
        self._sent = self._keeps = self._any = False
        self._length = self._chunked = False
        self._fields = self._bare = 0
        self._left: int | None = 0
        self.idle_since = 0.0
        """When it was let go last (`time.monotonic`); set by who keeps it."""

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent: the one before it is over on both sides."""
        answer = self._answer
        over = answer is None or (answer.complete and self._sent and self._keeps)
        return over and not self._ended and not self._paused and not self.transport.is_closing()

    def let_go(self) -> None:
        """Hand it to whoever keeps it."""
        self._release(self)

    def close(self) -> None:
        """Close it; what was not written or not read is dropped."""
        self._end("closed")
        if self.transport is not None:
            self.transport.abort()

    # Requests -------------------------------------------------------------------------------------

    async def send(self, method: str, target: bytes, headers: Headers, body: Parts) -> Answer:
        """Send a request, and return its reply as soon as the head has come.

        Raises:
            ClosedUnanswered: the upstream closed the connection.
            UpstreamError: there is no reply.
        """
        answer = Answer(self, to_head=method == "HEAD")
        try:
            head = _request_head(method, self._origin + target, self._more + headers)
            length = _length_of(headers)
            self._answer = answer
            self._sent = self._keeps = self._any = False
            self._length = self._chunked = False
            self._fields = self._bare = 0
            if self._ended or self.transport.is_closing():
                raise ClosedUnanswered("closed")
            self.transport.write(head)
            await self._write(body, length)
            try:
                await answer.head()
            except UpstreamError as error:
                if self._any:
                    raise
                raise ClosedUnanswered(str(error)) from None
        except BaseException:
            self.close()
            raise
        return answer

    async def _write(self, body: Parts, length: int | None) -> None:
        """Write a body; an upstream that closes before its end may have answered all the same."""
        self._left = length
        if isinstance(body, AsyncIterable):
            async for part in body:
                if not await self._write_part(part):
                    return
        else:
            for part in body:
                if not await self._write_part(part):
                    return
        if self._left:
            raise UpstreamError("the body is shorter than its head says")
        if self._ended or self.transport.is_closing():
            return
        if length is None:
            self.transport.write(b"0\r\n\r\n")
        self._sent = True

    async def _write_part(self, part: bytes) -> bool:
        """Write a part, and wait until more may be written; False if nobody reads it."""
        if self._ended or self.transport.is_closing():
            return False
        if self._left is None:
            if part:  # an empty chunk would be the last
                self.transport.write(b"%x\r\n%b\r\n" % (len(part), part))
        else:
            self._left -= len(part)
            if self._left < 0:
                raise UpstreamError("the body is longer than its head says")
            self.transport.write(part)
        if self._full and not self._ended:
            await self._writable()
        return True

    async def _writable(self) -> None:
        """Wait until more may be written.

        Raises:
            UpstreamError: the upstream takes nothing for `MOST_STALLED` seconds.
        """
        while self._full and not self._ended:
            left = self.transport.get_write_buffer_size()
            self._writer = asyncio.get_running_loop().create_future()
            with anyio.move_on_after(MOST_STALLED) as limit:
                await self._writer
            if limit.cancelled_caught and self.transport.get_write_buffer_size() == left:
                raise UpstreamError("it takes nothing of the request")

    # asyncio's protocol ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read a part of the reply."""
        answer = self._answer
        if answer is None or answer.complete:  # nothing was asked
            self.close()
            return
        self._any = True
        self._bare += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._broken(answer, "the reply is not valid HTTP")
        if self._bare > MOST_REPLY_HEAD:
            self._broken(answer, "the head of the reply is too large")
        answer.came()
        if answer.held > MOST_BUFFERED and not self._paused and not self._ended:
            self._paused = True
            self.transport.pause_reading()

    def _broken(self, answer: Answer, why: str) -> None:
        """End a reply that cannot be read on; what comes behind a whole one ends the connection."""
        answer.fail(why)
        self.close()

    def read_on(self) -> None:
        """Read again after a pause."""
        if self._paused:
            self._paused = False
            if not self._ended and not self.transport.is_closing():
                self.transport.resume_reading()

    def eof_received(self) -> bool:
        """Take in that no more comes."""
        answer = self._answer
        if answer is not None and answer.until_close:
            answer.complete = True
        self._end("closed")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Take in that the connection is gone."""
        self._end("closed" if exc is None else in_words(exc))

    def _end(self, why: str) -> None:
        self._ended = True
        if self._answer is not None:
            self._answer.fail(why)
        _wake(self._writer)

    def pause_writing(self) -> None:
        """Let who writes wait."""
        self._full = True

    def resume_writing(self) -> None:
        """Let who writes go on."""
        self._full = False
        _wake(self._writer)

    # The parser's callbacks -----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a head: that of an interim reply, or of the reply."""
        if self._answer is None or self._answer.complete:
            raise _Malformed  # a reply to nothing

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer, which is not passed on."""
        answer = cast("Answer", self._answer)
        self._fields += len(name) + len(value) + 4
        if self._fields > MOST_REPLY_HEAD:
            raise _Malformed
        if answer.status_code:
            return
        name, value = name.lower(), value.rstrip(b" \t")
        if name == b"content-length":
            if self._length or not value.isdigit():
                raise _Malformed
            self._length = True
        elif name == b"transfer-encoding":
            if self._chunked or value.lower() != b"chunked":
                raise _Malformed
            self._chunked = True
        answer.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take a head."""
        answer, status = cast("Answer", self._answer), self._parser.get_status_code()
        if self._length and self._chunked:
            raise _Malformed
        if status < 200:
            if status < 100 or status == 101 or self._length or self._chunked:
                raise _Malformed
            answer.headers.clear()
            return
        answer.status_code = status
        if answer.to_head:
            # The parser waits for the body that the head is of: it is not used again.
            answer.complete = True
            return
        if not self._length and not self._chunked:
            answer.until_close = status not in WITHOUT_BODY
        self._keeps = self._parser.should_keep_alive() and self._parser.get_http_version() == "1.1"

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        answer = cast("Answer", self._answer)
        if not answer.complete:
            self._bare = 0
            answer.queue.append(data)
            answer.held += len(data)

    def on_message_complete(self) -> None:
        """Take the end of a reply; after an interim one another head comes."""
        answer = cast("Answer", self._answer)
        if answer.status_code:
            answer.complete = True


def _request_head(method: str, target: bytes, headers: Headers) -> bytes:
    lines = [b"%b: %b\r\n" % header for header in headers]
    head = b"%b %b HTTP/1.1\r\n%b\r\n" % (method.encode("latin-1"), target, b"".join(lines))
    # A line more would be another header, or another request.
    if _REQUEST_HEAD.fullmatch(head) is None or head.count(b"\n") != len(headers) + 2:
        raise UpstreamError("the request cannot be written as HTTP")
    return head


def _length_of(headers: Headers) -> int | None:
    """Return the bytes that a request's body has, None if it is sent in chunks."""
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings == [b"chunked"] and not lengths:
        return None
    if codings or len(lengths) > 1 or (lengths and not lengths[0].isdigit()):
        raise UpstreamError("the request does not say where its body ends")
    return int(lengths[0]) if lengths else 0


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)

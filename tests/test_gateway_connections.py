"""Connections to upstreams: what comes on them, in any pieces, whole, cut off or made up.

h11, another reader of HTTP, is the oracle for what is valid.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxmem.gateway.http.connections import (
    MOST_BUFFERED,
    MOST_REPLY_HEAD,
    Answer,
    BrokenOff,
    ClosedUnanswered,
    Connection,
    UpstreamError,
)

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
REPLIES = {
    "length": OK + b"X-A:  one \t\r\nX-a: two\r\nX-Empty:\r\nContent-Length: 5\r\n\r\nhello",
    "no bytes": OK + b"Content-Length: 0\r\n\r\n",
    "chunks": CHUNKED + b"5\r\nhello\r\n1;x=y\r\n,\r\n00A\r\n0123456789\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"1\r\na\r\n0\r\nX-Trailer: 1\r\nX-Other: 2\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    + OK
    + b"Content-Length: 2\r\n\r\nab",
    "no content": b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    "no reason": b"HTTP/1.1 429 \r\nContent-Length: 1\r\n\r\nx",
    "latin": b"HTTP/1.1 500 \xe9\r\nX-\xc3: \xe9\r\n".replace(b"X-\xc3", b"X-L")
    + b"Content-Length: 1\r\n\r\nx",
    "closes": OK + b"Connection: close\r\nContent-Length: 1\r\n\r\nx",
    "version 1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
}
UNTIL_CLOSE = {
    "until close": OK + b"X-A: 1\r\n\r\nall that comes",
    "until close, 1.0": b"HTTP/1.0 200 OK\r\n\r\nall that comes",
}
USED_AGAIN = sorted(set(REPLIES) - {"closes", "version 1.0"})
ALL = REPLIES | UNTIL_CLOSE
HEADERS = [(b"host", b"upstream"), (b"content-length", b"0")]


class Wire(asyncio.Transport):
    """Keeps what is written and done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.done: list[str] = []

    def write(self, data: Any) -> None:
        assert self.done[-1:] != ["closed"]
        self.written += data

    def get_write_buffer_size(self) -> int:
        return len(self.written)

    def is_closing(self) -> bool:
        return "closed" in self.done

    def abort(self) -> None:
        self.done.append("closed")

    def pause_reading(self) -> None:
        self.done.append("paused")

    def resume_reading(self) -> None:
        self.done.append("resumed")


def open_connection() -> tuple[Connection, Wire]:
    wire = Wire()
    made = Connection(lambda connection: None if connection.reusable else connection.close())
    made.connection_made(wire)
    return made, wire


async def asked(made: Connection, method: str = "POST", body: Any = ()) -> asyncio.Task[Answer]:
    """Send a request that waits for its reply."""
    task = asyncio.ensure_future(made.send(method, b"/v1/chat", HEADERS, body))
    await asyncio.sleep(0)
    return task


async def came(
    pieces: list[bytes], *, end: bool = False, method: str = "POST"
) -> tuple[int, list[tuple[bytes, bytes]], bytes, bool, bool]:
    """Return what a reply is in which so many pieces come: with its end, and whether it is used on.

    Raises:
        UpstreamError: it has no head.
    """
    made, wire = open_connection()
    task = await asked(made, method)
    for piece in pieces:
        made.data_received(piece)
        if wire.is_closing():
            break
    if end:
        made.eof_received()
        made.connection_lost(None)
    answer = await task
    body, whole = b"", True
    try:
        async for part in answer.parts():
            assert part
            body += part
    except BrokenOff:
        whole = False
    await answer.aclose()
    assert made.reusable != wire.is_closing() or end
    return answer.status_code, answer.headers, body, whole, made.reusable


def by_h11(reply: bytes, method: str = "POST") -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return what another reader makes of a reply at whose end the connection is closed."""
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method=method, target="/v1/chat", headers=HEADERS))
    reader.send(h11.EndOfMessage())
    reader.receive_data(reply)
    reader.receive_data(b"")
    status, headers, body = 0, [], b""
    while True:
        event = reader.next_event()
        if isinstance(event, h11.Response):
            status, headers = event.status_code, [(bytes(a), bytes(b)) for a, b in event.headers]
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return status, headers, body


@pytest.mark.parametrize("name", ALL)
async def test_a_reply_is_the_same_wherever_it_is_cut(name: str) -> None:
    reply = ALL[name]
    end = name in UNTIL_CLOSE
    expected = (*by_h11(reply), True, name in USED_AGAIN)
    assert await came([reply], end=end) == expected
    assert await came([bytes([one]) for one in reply], end=end) == expected
    for cut in range(1, len(reply)):
        assert await came([reply[:cut], reply[cut:]], end=end) == expected


def test_a_header_and_a_body_as_a_person_reads_them() -> None:
    status, headers, body, whole, again = asyncio.run(came([REPLIES["length"]]))
    assert (status, body, whole, again) == (200, b"hello", True, True)
    assert headers == [
        (b"x-a", b"one"),
        (b"x-a", b"two"),
        (b"x-empty", b""),
        (b"content-length", b"5"),
    ]


@pytest.mark.parametrize("name", ALL)
async def test_a_reply_that_ends_early_is_never_whole(name: str) -> None:
    reply = ALL[name]
    head = reply.rindex(b"\r\n\r\n", 0, reply.index(b"Content-Length")) if name == "interim" else 0
    head = reply.index(b"\r\n\r\n", head + 1 if head else 0) + 4
    whole_body = by_h11(reply)[2]
    for cut in range(len(reply)):
        if cut < head:
            with pytest.raises(UpstreamError):
                await came([reply[:cut]] if cut else [], end=True)
            continue
        _, _, body, whole, again = await came([reply[:cut]], end=True)
        assert whole_body.startswith(body)
        assert whole == (name in UNTIL_CLOSE)
        assert not again


async def test_a_reset_within_a_reply_until_the_close_is_no_end() -> None:
    made, _ = open_connection()
    task = await asked(made)
    made.data_received(UNTIL_CLOSE["until close"])
    made.connection_lost(ConnectionResetError())
    answer = await task
    with pytest.raises(BrokenOff, match="ConnectionResetError"):
        [part async for part in answer.parts()]


MALFORMED = {
    "no HTTP": b"<html>busy</html>",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x46",
    "a request": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "a long status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a low status": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
    "NUL": OK + b"X-A: \x00\r\nContent-Length: 0\r\n\r\n",
    "a space in a name": OK + b"X-A : b\r\nContent-Length: 0\r\n\r\n",
    "length and chunks": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "one length twice": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": OK + b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": OK + b"Content-Length: +5\r\n\r\nhello",
    "a length below 0": OK + b"Content-Length: -5\r\n\r\nhello",
    "no number": OK + b"Content-Length: five\r\n\r\nhello",
    "an empty length": OK + b"Content-Length:\r\n\r\nhello",
    "a huge length": OK + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "another coding": OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "a coding and chunks": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "like chunked": OK + b"Transfer-Encoding: xchunked\r\n\r\nhello",
    "an interim with length": b"HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n",
    "an interim in chunks": b"HTTP/1.1 103 Hints\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a long head": OK + b"X-A: " + b"a" * MOST_REPLY_HEAD,
    "many headers": OK + b"X-A: a\r\n" * (MOST_REPLY_HEAD // 7),
    "interims for ever": b"HTTP/1.1 102 Processing\r\n\r\n" * (MOST_REPLY_HEAD // 20),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_head_that_can_be_read_in_two_ways_is_no_reply(name: str) -> None:
    for pieces in ([MALFORMED[name]], [MALFORMED[name][:7], MALFORMED[name][7:]]):
        made, wire = open_connection()
        task = await asked(made)
        for piece in pieces:
            if not wire.is_closing():
                made.data_received(piece)
        assert wire.is_closing()
        with pytest.raises(UpstreamError) as raised:
            await task
        assert not isinstance(raised.value, ClosedUnanswered)  # it may have worked on it
        assert not made.reusable


CUT_CHUNKS = {
    "no line end": b"5\r\nhelloX\r\n0\r\n\r\n",
    "no size": b"5\r\nhello\r\nX\r\n",
    "a prefix": b"5\r\nhello\r\n0x5\r\nagain\r\n0\r\n\r\n",
    "a sign": b"5\r\nhello\r\n-1\r\n",
    "a huge size": b"5\r\nhello\r\nfffffffffffffffff\r\n",
    "a long extension": b"5\r\nhello\r\n1;" + b"x" * (MOST_REPLY_HEAD + 1),
    "a long trailer": b"5\r\nhello\r\n0\r\nX-A: " + b"x" * (MOST_REPLY_HEAD + 1),
    "many trailers": b"5\r\nhello\r\n0\r\n" + b"X-A: a\r\n" * (MOST_REPLY_HEAD // 7),
}


@pytest.mark.parametrize("name", CUT_CHUNKS)
async def test_chunks_that_are_malformed_break_a_reply_off(name: str) -> None:
    chunks = CUT_CHUNKS[name]
    status, _, body, whole, again = await came([CHUNKED, chunks[:10], chunks[10:]])
    assert (status, body, whole, again) == (200, b"hello", False, False)


@pytest.mark.parametrize("more", [b"X", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"\0"])
@pytest.mark.parametrize("name", REPLIES)
async def test_what_comes_behind_a_reply_is_never_the_next_one(name: str, more: bytes) -> None:
    """A connection on which more came than was asked for is not used again."""
    reply = REPLIES[name]
    expected = by_h11(reply)
    for pieces in ([reply + more], [reply[:-1], reply[-1:] + more]):
        status, headers, body, whole, again = await came(pieces)
        assert ((status, headers, body), whole, again) == (expected, True, False)


@pytest.mark.parametrize("more", [b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"])
async def test_an_idle_connection_on_which_something_comes_is_closed(more: bytes) -> None:
    made, wire = open_connection()
    task = await asked(made)
    made.data_received(REPLIES["length"])
    answer = await task
    assert [part async for part in answer.parts()] == [b"hello"]
    await answer.aclose()
    assert made.reusable
    made.data_received(more)
    assert not made.reusable and wire.is_closing()
    with pytest.raises(ClosedUnanswered):
        await made.send("POST", b"/", HEADERS, ())


@pytest.mark.parametrize("name", [*ALL, "length of a body"])
async def test_a_reply_to_head_has_no_body(name: str) -> None:
    reply = ALL.get(name, OK + b"Content-Length: 500\r\n\r\n")
    head = reply[: by_head(reply)]
    status, headers, body, whole, again = await came([head], method="HEAD")
    assert (status, headers) == by_h11(head, "HEAD")[:2]
    assert (body, whole, again) == (b"", True, False)


def by_head(reply: bytes) -> int:
    """Return where the head of the last reply ends."""
    begin = reply.index(OK) if OK in reply else 0
    return reply.index(b"\r\n\r\n", begin) + 4


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4))
def test_any_bytes_end_a_request_or_answer_it(pieces: list[bytes]) -> None:
    for begin in (b"", OK, CHUNKED):
        try:
            asyncio.run(came([begin, *pieces] if begin else pieces, end=True))
        except UpstreamError:
            continue


async def test_an_upstream_waits_for_who_reads_slowly() -> None:
    made, wire = open_connection()
    task = await asked(made)
    size = MOST_BUFFERED // 2
    made.data_received(OK + b"Content-Length: %d\r\n\r\n" % (5 * size))
    answer = await task
    parts = answer.parts()
    for _ in range(2):
        made.data_received(b"x" * size)
    assert wire.done == []
    made.data_received(b"x" * size)
    assert wire.done == ["paused"]
    assert len(await parts.__anext__()) == size
    assert wire.done == ["paused", "resumed"]
    for _ in range(2):
        made.data_received(b"x" * size)
    assert wire.done == ["paused", "resumed", "paused"] and not made.reusable
    assert [len(part) async for part in parts] == [size] * 4
    assert wire.done[-1] == "resumed" and made.reusable


async def test_a_body_waits_for_an_upstream_that_does_not_read() -> None:
    made, wire = open_connection()
    made.pause_writing()
    task = asyncio.ensure_future(
        made.send("POST", b"/", [(b"transfer-encoding", b"chunked")], [b"one", b"", b"two"])
    )
    await asyncio.sleep(0)
    assert wire.written.endswith(b"\r\n\r\n3\r\none\r\n")
    made.resume_writing()
    for _ in range(3):
        await asyncio.sleep(0)
    assert wire.written.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    made.data_received(REPLIES["length"])
    assert (await task).status_code == 200


async def test_an_upstream_that_answers_within_a_body_and_closes_has_answered() -> None:
    made, wire = open_connection()

    async def body() -> Any:
        yield b"one"
        made.data_received(OK.replace(b"200 OK", b"413 No") + b"Content-Length: 2\r\n\r\nno")
        made.eof_received()
        yield b"two"
        raise AssertionError("the rest is not asked for")

    answer = await made.send("POST", b"/", [(b"content-length", b"6")], body())
    assert (answer.status_code, [part async for part in answer.parts()]) == (413, [b"no"])
    assert wire.written.endswith(b"one") and not made.reusable


BROKEN_REQUESTS = {
    "a line in a value": ("POST", b"/", [(b"x-a", b"b\r\nx-c: d")]),
    "a line in a name": ("POST", b"/", [(b"x-a: b\r\nx-c", b"d")]),
    "an empty name": ("POST", b"/", [(b"", b"d")]),
    "NUL": ("POST", b"/", [(b"x-a", b"\0")]),
    "a space in the path": ("POST", b"/a HTTP/1.1\r\nx: y", []),
    "letters in the path": ("POST", "/ä".encode(), []),
    "a method": ("PO ST", b"/", []),
    "two lengths": ("POST", b"/", [(b"content-length", b"1"), (b"content-length", b"2")]),
    "no length": ("POST", b"/", [(b"content-length", b"-1")]),
    "both": ("POST", b"/", [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")]),
    "a coding": ("POST", b"/", [(b"transfer-encoding", b"gzip")]),
}


@pytest.mark.parametrize("name", BROKEN_REQUESTS)
async def test_a_request_that_would_be_two_is_not_written(name: str) -> None:
    made, wire = open_connection()
    with pytest.raises(UpstreamError, match="the request"):
        await made.send(*BROKEN_REQUESTS[name], [])
    assert wire.written == b"" and wire.is_closing()


@pytest.mark.parametrize("body", [[b"hel"], [], [b"hello", b"again"], [b"hello again"]])
async def test_a_body_of_another_length_ends_the_connection(body: list[bytes]) -> None:
    made, wire = open_connection()
    with pytest.raises(UpstreamError, match="the body is"):
        await made.send("POST", b"/", [(b"content-length", b"5")], body)
    assert wire.is_closing() and len(wire.written.partition(b"\r\n\r\n")[2]) <= 5


async def test_who_is_cancelled_closes_the_connection() -> None:
    made, wire = open_connection()
    task = await asked(made)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert wire.is_closing()
    made.data_received(REPLIES["length"])  # what was on its way


async def test_a_reply_that_is_let_go_early_closes_the_connection() -> None:
    made, wire = open_connection()
    task = await asked(made)
    made.data_received(CHUNKED + b"5\r\nhello\r\n")
    answer = await task
    await answer.aclose()
    assert wire.is_closing() and not made.reusable

"""The gateway passes requests and replies on byte for byte, whatever happens on either side."""

from __future__ import annotations

import asyncio
import gzip
import json
import select
import socket
import time

import httpx
import pytest
from gateways import (
    ANSWER,
    CHAT,
    WAIT,
    Request,
    Upstream,
    body_of,
    connect,
    headers_of,
    raw,
    reply,
    request,
    rest,
    running,
    status_of,
    until,
)

from ctxmem.gateway import serving
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.http.relay import Place
from ctxmem.gateway.observe.observing import Observe
from ctxmem.gateway.wire import Reply

pytestmark = pytest.mark.usefixtures("no_traceback")


# Bytes --------------------------------------------------------------------------------------------


def test_bodies_headers_paths_and_queries_are_unchanged(upstream: Upstream) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(b"\x00\xff", "429 Slow Down", "set-cookie: a=1", "Set-Cookie: b=2",
                           "retry-after: 7", "x-ratelimit-remaining: 0"))  # fmt: skip

    upstream.handler = answer
    path = "/v1/files/a%2Fb%20c//d?x=1&y=%2F&x=2"
    with running(upstream.url) as gateway:
        came = raw(gateway.port, request(path, CHAT, "x-a: 1", "X-A: 2", "x-api-key: secret"))
    got = upstream.requests[0]
    assert got.line == f"POST {path} HTTP/1.1"
    assert (got.body, got.header("x-a"), got.header("x-api-key")) == (CHAT, ["1", "2"], ["secret"])
    assert got.header("host") == [f"127.0.0.1:{upstream.port}"]
    assert got.header("connection") == []
    assert (status_of(came), body_of(came)) == (429, b"\x00\xff")
    shown = headers_of(came)
    assert [value for name, value in shown if name == "set-cookie"] == ["a=1", "b=2"]
    assert ("retry-after", "7") in shown and ("x-ratelimit-remaining", "0") in shown


@pytest.mark.parametrize(
    ("base", "asked", "sent"),
    [
        ("", "/v1/models", "/v1/models"),
        ("/v1", "/v1/models", "/v1/models"),
        ("/v1/", "/chat/completions", "/v1/chat/completions"),
        ("/openai/v1", "/v1/models", "/openai/v1/models"),
        ("/openai", "/v1/models", "/openai/v1/models"),
    ],
)
def test_the_version_is_once_in_the_path(base: str, asked: str, sent: str) -> None:
    target = Place.of(f"https://example.org{base}").target(asked.encode(), b"a=b")
    assert target == f"{sent}?a=b".encode()


def test_a_chunked_request_stays_chunked(upstream: Upstream) -> None:
    chunks = b"5\r\n" + CHAT[:5] + b"\r\n%x\r\n" % len(CHAT[5:]) + CHAT[5:] + b"\r\n0\r\n\r\n"
    with running(upstream.url, stage=Observe) as gateway:
        sent = request("/v1/chat/completions", b"", "transfer-encoding: chunked") + chunks
        assert status_of(raw(gateway.port, sent)) == 200
        assert gateway.facts()[0]["model"] == "gpt-4o"
    got = upstream.requests[0]
    assert (got.body, got.header("transfer-encoding")) == (CHAT, ["chunked"])
    assert got.header("content-length") == []


def test_compressed_bodies_pass_as_they_are_and_are_read(upstream: Upstream) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(gzip.compress(ANSWER), "200 OK", "content-encoding: gzip"))

    upstream.handler = answer
    packed = gzip.compress(CHAT)
    with running(upstream.url, stage=Observe) as gateway:
        codings = ("content-encoding: gzip", "accept-encoding: gzip, zstd")
        came = raw(gateway.port, request("/v1/chat/completions", packed, *codings))
        facts = gateway.facts()[0]
    assert upstream.requests[0].body == packed
    assert upstream.requests[0].header("accept-encoding") == ["gzip"]
    assert gzip.decompress(body_of(came)) == ANSWER
    assert (facts["model"], facts["usage"]["input"]) == ("gpt-4o", 12)


def test_a_coding_that_is_not_known_passes_unread(upstream: Upstream) -> None:
    with running(upstream.url, stage=Observe) as gateway:
        sent = request("/v1/chat/completions", b"\x28\xb5\x2f\xfd", "content-encoding: zstd")
        assert status_of(raw(gateway.port, sent)) == 200
        assert gateway.facts()[0]["passed_through"] == "unreadable"
    assert upstream.requests[0].body == b"\x28\xb5\x2f\xfd"


@pytest.mark.parametrize("mode", ["observe", "guard", "recall"])
def test_bodies_that_cannot_be_read_pass_and_are_no_faults_of_ours(upstream, mode) -> None:
    options = {"mode": "manage", "recall": True} if mode == "recall" else {"mode": mode}
    bodies = [
        (b"no gzip", ["content-encoding: gzip"]),
        (b"no deflate", ["content-encoding: deflate"]),
        (b'{"messages":' + b"[" * 100_000, []),
        (b'{"messages": 7}', []),
        (b'{"model":', []),
        (b"\xff\xfe", []),
        (b"", []),
    ]
    with running(upstream.url, stage=serving.stage_of, **options) as gateway:
        for body, more in bodies:
            sent = request("/v1/chat/completions", body, *more)
            assert status_of(raw(gateway.port, sent)) == 200
        facts = gateway.facts(len(bodies))
    assert [one.body for one in upstream.requests] == [body for body, _ in bodies]
    assert [one.get("fault") for one in facts] == [None] * len(bodies)
    assert {one["passed_through"] for one in facts} == {"unreadable"}


@pytest.mark.parametrize("mode", ["observe", "manage"])
@pytest.mark.parametrize("content", [7, [7], [None], {}, True])
def test_a_content_that_is_no_text_does_not_end_what_is_noted(upstream, mode, content) -> None:
    odd = json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode()
    with running(upstream.url, stage=serving.stage_of, mode=mode, show_text=True) as gateway:
        for body in (odd, CHAT):
            sent = request("/v1/chat/completions", body)
            assert status_of(raw(gateway.port, sent)) == 200
            facts = gateway.facts(1 if body is odd else 2)
    assert [one.get("fault") for one in facts] == [None, None]
    assert not facts[0].get("question") and facts[1]["question"]


@pytest.mark.parametrize(
    ("status", "method"),
    [("204 No Content", "POST"), ("304 Not Modified", "GET"), ("200 OK", "HEAD")],
)
def test_replies_without_body_end(upstream: Upstream, status: str, method: str) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        length = ["content-length: 9"] if status[0] != "2" or method == "HEAD" else []
        writer.write(reply(b"", status, "etag: x", *length, length=False))

    upstream.handler = answer
    with running(upstream.url) as gateway, connect(gateway.port) as client:
        for _ in range(2):  # on one connection: nothing is left of the first
            head = f"{method} /v1/models HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"
            client.sendall(head.encode())
            came = client.recv(1 << 16)
            assert status_of(came) == int(status[:3])
            assert came.endswith(b"\r\n\r\n") and ("etag", "x") in headers_of(came)


def test_interim_replies_come_before_the_reply(upstream: Upstream) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + reply())

    upstream.handler = answer
    with running(upstream.url) as gateway, connect(gateway.port) as client:
        client.sendall(
            request("/v1/chat/completions", CHAT, "expect: 100-continue").replace(CHAT, b"")
        )
        assert client.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(CHAT)
        assert status_of(rest(client)) == 200
    assert upstream.requests[0].header("expect") == []


def test_events_come_one_by_one(upstream: Upstream) -> None:
    first_read = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        loops.append(asyncio.get_running_loop())
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        writer.write(b"a\r\ndata: {}\n\n\r\n")
        await writer.drain()
        await asyncio.wait_for(first_read.wait(), WAIT)
        writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    upstream.handler = answer
    with running(upstream.url, stage=Observe) as gateway:
        url = f"{gateway.url}/v1/chat/completions"
        with httpx.stream("POST", url, content=CHAT) as stream:
            parts = stream.iter_raw()
            assert next(parts) == b"data: {}\n\n"
            loops[0].call_soon_threadsafe(first_read.set)
            assert b"".join(parts) == b"data: [DONE]\n\n"


# Connections --------------------------------------------------------------------------------------


def test_connections_are_kept_alive(upstream: Upstream) -> None:
    with running(upstream.url) as gateway, httpx.Client() as client:
        for _ in range(3):
            assert client.post(f"{gateway.url}/v1/chat/completions", content=CHAT).json() == {
                "ok": True
            }
    assert (len(upstream.requests), upstream.connections) == (3, 1)


def test_a_connection_that_was_closed_meanwhile_is_no_error(upstream: Upstream) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.connection == 1 and len(upstream.requests) == 2:
            writer.close()  # as if it had been closed while the second request was on its way
        else:
            writer.write(reply())

    upstream.handler = answer
    with running(upstream.url, stage=Observe) as gateway, httpx.Client() as client:
        for _ in range(2):
            assert (
                client.post(f"{gateway.url}/v1/chat/completions", content=CHAT).status_code == 200
            )
    assert [one.connection for one in upstream.requests] == [1, 1, 2]
    assert [one.body for one in upstream.requests] == [CHAT] * 3


def test_a_new_connection_that_fails_is_not_tried_again(upstream: Upstream) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.close()

    upstream.handler = answer
    with running(upstream.url, stage=Observe) as gateway:
        came = raw(gateway.port, request())
        assert gateway.facts()[0]["status"] == 502
    assert status_of(came) == 502
    assert json.loads(body_of(came))["error"]["code"] == "upstream_unreachable"
    assert len(upstream.requests) == 1


def test_an_upstream_that_is_not_there_is_an_error_in_the_clients_form() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with running(f"http://127.0.0.1:{port}") as gateway:
        chat = raw(gateway.port, request("/v1/chat/completions", CHAT))
        message = raw(gateway.port, request("/v1/messages", CHAT))
    assert status_of(chat) == status_of(message) == 502
    assert set(json.loads(body_of(chat))) == {"error"}
    shown = json.loads(body_of(message))
    assert (shown["type"], shown["error"]["type"]) == ("error", "api_error")


# Clients that leave -------------------------------------------------------------------------------


def test_a_client_that_leaves_within_its_body_ends_the_request(upstream: Upstream) -> None:
    with running(upstream.url, stage=Observe) as gateway:
        with connect(gateway.port) as client:
            client.sendall(request(body=b"x" * 9)[:-4])
            until(lambda: upstream.requests)
        assert upstream.gone.wait(WAIT)
        assert gateway.facts()[0]["status"] == 499


def test_a_client_that_leaves_while_it_waits_ends_the_request(upstream: Upstream) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        assert await request.reader.read() == b""
        raise ConnectionError

    upstream.handler = answer
    with running(upstream.url, stage=Observe) as gateway:
        with connect(gateway.port) as client:
            client.sendall(request(body=CHAT))
            until(lambda: upstream.requests)
            time.sleep(0.1)
        assert upstream.gone.wait(WAIT)
        assert gateway.facts()[0]["status"] == 499


def test_a_request_is_finished_after_it_was_prepared_though_its_client_left(
    upstream: Upstream,
) -> None:
    called = []

    class Slow:
        def prepare(self, exchange: Exchange) -> None:
            called.append("prepare")
            time.sleep(0.3)
            called.append("prepared")

        def finish(self, exchange: Exchange, status: int, reply: Reply | None) -> None:
            called.append(f"finish {status}")

    with running(upstream.url, stage=Slow(), mode="guard") as gateway:
        with connect(gateway.port) as client:
            client.sendall(request(body=CHAT))
            until(lambda: called)
        gateway.facts()
    assert called == ["prepare", "prepared", "finish 499"]


def test_a_client_that_leaves_within_the_reply_ends_it(upstream: Upstream) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(b"", "200 OK", "transfer-encoding: chunked", length=False))
        while True:
            writer.write(b"5\r\nhello\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    upstream.handler = answer
    with running(upstream.url, stage=Observe) as gateway:
        with connect(gateway.port) as client:
            client.sendall(request(body=CHAT))
            assert client.recv(100)
        assert upstream.gone.wait(WAIT)
        assert gateway.facts()[0]["status"] == 200
        assert httpx.get(f"{gateway.url}/ctxmem/none").status_code == 404  # it goes on


@pytest.mark.parametrize("framing", ["content-length: 100", "transfer-encoding: chunked"])
def test_a_reply_that_breaks_off_has_no_end(upstream: Upstream, framing: str) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(b"", "200 OK", framing, length=False))
        writer.write(b"5\r\nhello\r\n" if "chunked" in framing else b"hello")
        await writer.drain()
        writer.close()

    upstream.handler = answer
    with running(upstream.url, stage=Observe) as gateway:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{gateway.url}/v1/chat/completions", content=CHAT)
        assert gateway.facts()[0]["broken_off"] is True
    assert len(upstream.requests) == 1


# Pressure -----------------------------------------------------------------------------------------


def test_an_upstream_waits_for_a_client_that_does_not_read(upstream: Upstream) -> None:
    written = [0]

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(b"", "200 OK", f"content-length: {1 << 30}", length=False))
        for _ in range(1 << 10):
            writer.write(bytes(1 << 20))
            await writer.drain()
            written[0] += 1

    upstream.handler = answer
    with running(upstream.url) as gateway, connect(gateway.port) as client:
        client.sendall(request(body=CHAT))
        assert client.recv(1)
        last = -1
        while last != written[0]:
            last = written[0]
            time.sleep(0.3)
        assert written[0] < 100  # megabytes; what the system buffers is among them


def test_a_client_waits_for_an_upstream_that_does_not_read(upstream: Upstream) -> None:
    upstream.read_body = False
    held = asyncio.Event()

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()
        try:
            await asyncio.wait_for(held.wait(), 3)
        except asyncio.TimeoutError:
            writer.close()

    upstream.handler = answer
    with running(upstream.url) as gateway, connect(gateway.port) as client:
        client.sendall(request("/v1/files", b"", f"content-length: {1 << 28}"))
        client.setblocking(False)
        sent, block = 0, bytes(1 << 20)
        while select.select([], [client], [], 0.5)[1] and sent < 200 << 20:
            sent += client.send(block)
        assert 0 < sent < 150 << 20

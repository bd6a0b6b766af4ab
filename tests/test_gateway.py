"""The gateway passes requests and replies on byte for byte, whatever happens on either side."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateways import (
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
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ctxmem.gateway import app
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.http.relay import Answer, Place, Upstreams, to_client, to_upstream
from ctxmem.gateway.observe.guarding import Guard
from ctxmem.gateway.observe.observing import Observe
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import Reply, family_of, wire_of

CHAT = b'{"model":"gpt-4o","messages":[{"role":"user","content":"When does it open?"}]}'
ANSWER = json.dumps(
    {
        "id": "c1",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "At nine."}}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3},
    }
).encode()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that a client or an upstream does makes a traceback."""
    caplog.set_level(logging.WARNING)
    yield
    shown = [record for record in caplog.records if record.exc_info]
    assert [record.getMessage() for record in shown] == []


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


# Ways of the stage --------------------------------------------------------------------------------


class Changing:
    """A stage that sends another body."""

    def __init__(self, body: bytes | None, second: bytes | None = None) -> None:
        self.body, self.second = body, second
        self.finished: list[tuple[int, Reply | None, str]] = []

    def prepare(self, exchange: Exchange) -> bytes | None:
        exchange.second, exchange.header = self.second, "changed"
        return self.body

    def finish(self, exchange: Exchange, status: int, reply: Reply | None) -> None:
        self.finished.append((status, reply, exchange.why))


def refusing(*bodies: bytes) -> Any:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        refused = request.body in bodies
        status = "400 Bad Request" if refused else "200 OK"
        writer.write(reply(b'{"said":"%d"}' % len(request.body), status))

    return answer


def test_a_changed_request_is_sent_with_its_own_length(upstream: Upstream) -> None:
    stage = Changing(b"other")
    with running(upstream.url, stage=stage, mode="guard") as gateway:
        came = raw(
            gateway.port,
            request("/v1/chat/completions", gzip.compress(CHAT), "content-encoding: gzip"),
        )
        gateway.facts()
    assert (upstream.requests[0].body, upstream.requests[0].header("content-length")) == (
        b"other",
        ["5"],
    )
    assert upstream.requests[0].header("content-encoding") == []
    assert ("x-ctxmem", "changed") in headers_of(came)


def test_a_changed_request_that_is_refused_is_sent_as_it_was(upstream: Upstream) -> None:
    stage = Changing(b"other")
    upstream.handler = refusing(b"other")
    with running(upstream.url, stage=stage, mode="guard") as gateway:
        came = raw(gateway.port, request(body=CHAT))
        assert gateway.facts()[0]["passed_through"] == "refused"
    assert [one.body for one in upstream.requests] == [b"other", CHAT]
    assert status_of(came) == 200 and "x-ctxmem" not in dict(headers_of(came))


@pytest.mark.parametrize(("refused", "status", "sent"), [
    ((), 200, [CHAT]),
    ((CHAT,), 200, [CHAT, b"shorter"]),
    ((CHAT, b"shorter"), 400, [CHAT, b"shorter"]),
])  # fmt: skip
def test_a_second_body_is_sent_if_the_clients_own_is_refused(
    upstream: Upstream, refused: tuple[bytes, ...], status: int, sent: list[bytes]
) -> None:
    upstream.handler = refusing(*refused)
    with running(upstream.url, stage=Changing(None, b"shorter"), mode="guard") as gateway:
        came = raw(gateway.port, request(body=CHAT))
    assert (status_of(came), [one.body for one in upstream.requests]) == (status, sent)
    shown = len(CHAT) if status == 400 or len(sent) == 1 else len(b"shorter")
    assert json.loads(body_of(came)) == {"said": str(shown)}


def test_a_client_has_its_own_refusal_if_the_second_body_has_no_answer(upstream: Upstream) -> None:
    refuse = refusing(CHAT)

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.body == CHAT:
            await refuse(request, writer)
        else:
            writer.close()

    upstream.handler = answer
    with running(upstream.url, stage=Changing(None, b"shorter"), mode="guard") as gateway:
        assert status_of(raw(gateway.port, request(body=CHAT))) == 400


@pytest.mark.parametrize("mode", ["observe", "guard"])
def test_a_body_that_is_too_long_passes_unread(upstream: Upstream, mode: str) -> None:
    body = CHAT + b" " * 300_000
    with running(upstream.url, stage=Changing(b"other"), mode=mode, most_read=100_000) as gateway:
        assert status_of(raw(gateway.port, request(body=body))) == 200
        assert gateway.facts()[0]["passed_through"] == "too long"
        until(lambda: gateway.gateway._held.bytes == 0)
    assert [one.body for one in upstream.requests] == [body]


FAULTS = [
    ("observe", Observe, "finish"),
    ("observe", Observe, "weigh"),
    ("observe", Observe, "_findings"),
    ("guard", Guard, "prepare"),
    ("guard", Guard, "finish"),
    ("guard", Guard, "_repaired"),
    ("guard", Guard, "_trimmed"),
    ("guard", Guard, "_written"),
]


@pytest.mark.parametrize(("mode", "stage", "name"), FAULTS)
def test_a_fault_of_ours_is_not_the_clients(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, mode: str, stage: Any, name: str
) -> None:
    def fails(*args: Any, **options: Any) -> Any:
        raise RuntimeError("marker")

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(ANSWER))

    upstream.handler = answer
    monkeypatch.setattr(stage, name, fails)
    body = CHAT.replace(b'"}]', b'"},{"role":"tool","tool_call_id":"c9","content":"x"}]')
    with running(upstream.url, stage=stage, mode=mode, budget=10_000) as gateway:
        came = raw(gateway.port, request(body=body))
        facts = gateway.facts()[0]
    assert (status_of(came), body_of(came)) == (200, ANSWER)
    assert "x-ctxmem" not in dict(headers_of(came)) or mode == "guard"
    if name != "_trimmed" or facts.get("fault"):
        assert facts["fault"] in ("prepare", "finish")
    if facts.get("fault") == "prepare":
        assert upstream.requests[0].body == body


def test_faults_in_reading_the_reply_and_in_noting_are_not_the_clients(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*args: Any) -> Any:
        raise RuntimeError("marker")

    monkeypatch.setattr(app, "reply_of", fails)
    with running(upstream.url, stage=Observe) as gateway:
        monkeypatch.setattr(gateway.gateway, "_note", fails)
        assert status_of(raw(gateway.port, request(body=CHAT))) == 200
        until(lambda: any("note failed" in one.getMessage() for one in caplog.records))
    logged = [record.getMessage() for record in caplog.records]
    assert "read reply failed: RuntimeError" in logged
    assert not any("marker" in line for line in logged)


@pytest.mark.parametrize(
    "broken", [b"{", b"[]", b'{"messages":3}', b'{"messages":[3]}', b"\xff", b"[" * 9999]
)
@pytest.mark.parametrize("mode", ["observe", "guard"])
def test_requests_that_cannot_be_read_pass(upstream: Upstream, broken: bytes, mode: str) -> None:
    stage = Guard if mode == "guard" else Observe
    with running(upstream.url, stage=stage, mode=mode) as gateway:
        assert status_of(raw(gateway.port, request(body=broken))) == 200
        assert "fault" not in gateway.facts()[0]
    assert upstream.requests[0].body == broken


def test_what_cannot_be_looked_into_in_time_is_noted_all_the_same(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_MOST_WAITING", 0)
    with running(upstream.url, stage=Observe) as gateway:
        assert status_of(raw(gateway.port, request(body=CHAT))) == 200
        facts = gateway.facts()[0]
        until(lambda: gateway.gateway._held.bytes == 0)
    assert (facts["skipped"], facts["status"], gateway.gateway.skipped) == (True, 200, 1)
    assert "tokens" not in facts


def test_requests_go_to_the_upstream_of_their_format(upstream: Upstream) -> None:
    anthropic = Upstream()
    settings = Settings(
        upstreams={"openai": upstream.url, "anthropic": f"{anthropic.url}/v1"}, store=":memory:"
    )
    for path, headers, reached in (
        ("/v1/messages", [], anthropic),
        ("/v1/messages/count_tokens", [], anthropic),
        ("/v1/models", [(b"anthropic-version", b"2023-06-01")], anthropic),
        ("/v1/models", [], upstream),
        ("/v1/threads/t1/messages", [], upstream),
        ("/v1/chat/completions", [], upstream),
    ):
        place = settings.place(family_of(path, headers))
        assert place is not None and place.port == reached.port, path
    anthropic.close()


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v1/chat/completions", "chat"),
        ("POST", "/openai/deployments/x/chat/completions", "chat"),
        ("POST", "/v1/responses", "responses"),
        ("POST", "/v1/messages", "anthropic"),
        ("POST", "/v1/messages/count_tokens", None),
        ("POST", "/v1/threads/t1/messages", None),
        ("GET", "/v1/responses", None),
        ("POST", "/v1/embeddings", None),
    ],
)
def test_what_is_looked_into(method: str, path: str, name: str | None) -> None:
    wire = wire_of(method, path)
    assert (wire.name if wire else None) == name


# Its own pages, proxies, certificates -------------------------------------------------------------


def test_own_pages_come_before_the_providers_paths(upstream: Upstream) -> None:
    async def page(_: Any) -> PlainTextResponse:
        return PlainTextResponse("page")

    with running(
        upstream.url, routes=[Route("/ctxmem/", page), Route("/metrics", page)]
    ) as gateway:
        assert httpx.get(f"{gateway.url}/ctxmem/").text == "page"
        assert httpx.get(f"{gateway.url}/metrics").text == "page"
        assert httpx.get(f"{gateway.url}/ctxmem/other").status_code == 404
        assert upstream.requests == []
        assert httpx.get(f"{gateway.url}/v1/metrics").json() == {"ok": True}


def test_websockets_are_refused(upstream: Upstream) -> None:
    with running(upstream.url) as gateway:
        sent = (
            b"GET /v1/responses HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\n"
            b"upgrade: websocket\r\nsec-websocket-key: x\r\nsec-websocket-version: 13\r\n\r\n"
        )
        came = raw(gateway.port, sent)
    assert status_of(came) == 426
    assert json.loads(body_of(came))["error"]["code"] == "no_websockets"
    assert upstream.requests == []


def test_proxies_are_used_only_if_asked_for(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Upstream()
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "")
    try:
        for option, reached in (("", upstream), ("env", proxy), (proxy.url, proxy)):
            with running(upstream.url, proxy=option) as gateway:
                assert status_of(raw(gateway.port, request())) == 200
            assert len(reached.requests) == 1
            reached.requests.clear()
    finally:
        proxy.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_certificates_are_checked(tmp_path: Path) -> None:
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", tmp_path / "key", "-out", tmp_path / "cert"],
        capture_output=True, check=False)  # fmt: skip
    assert made.returncode == 0, made.stderr
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    secure = Upstream(context=context)
    try:
        with running(f"https://localhost:{secure.port}") as gateway:
            assert status_of(raw(gateway.port, request())) == 502
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
            with running(f"https://localhost:{secure.port}") as gateway:
                assert status_of(raw(gateway.port, request())) == 200
    finally:
        secure.close()


async def test_a_reply_closed_twice_gives_its_connection_back_once(upstream: Upstream) -> None:
    async def slowly(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na")
        await asyncio.sleep(0.1)
        writer.write(b"b")

    upstream.handler = slowly
    upstreams, place = Upstreams(), Place.of(upstream.url)

    async def begun() -> Answer:
        headers = [(b"host", place.netloc), (b"content-length", b"0")]
        return await upstreams.send("POST", place, b"/v1/chat/completions", headers, [])

    first = await begun()
    assert b"".join([part async for part in first.parts()]) == b"ab"
    await first.aclose()
    second = await begun()  # on the connection of the first
    await first.aclose()
    assert b"".join([part async for part in second.parts()]) == b"ab"
    await second.aclose()
    assert upstream.connections == 1
    await upstreams.close()


def test_headers_of_one_connection_stay_on_it() -> None:
    place = Place.of("http://up.example:81")
    own = b"close, X-Own, content-length"
    given = [(b"host", b"a"), (b"connection", own), (b"x-own", b"1"), (b"te", b"x"),
             (b"content-length", b"3"), (b"upgrade", b"h2c"), (b"x-kept", b"1")]  # fmt: skip
    assert to_upstream(given, place) == [
        (b"host", b"up.example:81"),
        (b"content-length", b"3"),
        (b"x-kept", b"1"),
    ]
    assert to_client([(b"transfer-encoding", b"chunked"), (b"a", b"1")]) == [(b"a", b"1")]


# The process --------------------------------------------------------------------------------------


def start(tmp_path: Path, upstream: Upstream, *options: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "ctxmem", "serve", "--upstream", upstream.url, "--port", "0"]
    process = subprocess.Popen(
        [*command, "--store", str(tmp_path / "store.db"), *options],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "CTXMEM_OFFLINE": "1"})  # fmt: skip
    assert process.stderr is not None
    word, url = process.stderr.readline().split()
    assert word == "listening"
    return process, url


@pytest.mark.parametrize(
    "sent", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_the_process_finishes_open_replies_and_ends_cleanly(
    tmp_path: Path, upstream: Upstream, sent: int
) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(
            reply(b"", "200 OK", "transfer-encoding: chunked", length=False) + b"1\r\na\r\n"
        )
        await writer.drain()
        await asyncio.sleep(1)
        writer.write(b"1\r\nb\r\n0\r\n\r\n")

    upstream.handler = answer
    process, url = start(tmp_path, upstream)
    with httpx.stream("POST", f"{url}/v1/chat/completions", content=CHAT) as stream:
        parts = stream.iter_raw()
        assert next(parts) == b"a"
        process.send_signal(sent)
        assert b"".join(parts) == b"b"
    _, errors = process.communicate(timeout=WAIT)
    assert process.returncode == 0
    assert "Traceback" not in errors and "ERROR" not in errors


@pytest.mark.slow
def test_workers_share_the_port(tmp_path: Path, upstream: Upstream) -> None:
    process, url = start(tmp_path, upstream, "--workers", "2")
    for _ in range(8):
        assert httpx.post(f"{url}/v1/chat/completions", content=CHAT, timeout=60).json() == {
            "ok": True
        }
    process.terminate()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0 and "Traceback" not in errors


@pytest.mark.slow
def test_large_bodies_are_not_held(tmp_path: Path, upstream: Upstream) -> None:
    process, url = start(tmp_path, upstream)

    def resident() -> int:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    upstream.read_body = True
    httpx.post(f"{url}/v1/chat/completions", content=CHAT)
    before = resident()
    body = (
        b'{"model":"gpt-4o","messages":[{"role":"user","content":"' + b"x" * (100 << 20) + b'"}]}'
    )
    assert httpx.post(f"{url}/v1/chat/completions", content=body, timeout=60).status_code == 200
    assert resident() - before < 80 << 10  # kilobytes: what is kept until it is too long to be read
    process.terminate()
    process.communicate(timeout=30)


def test_settings_refuse_what_cannot_be(tmp_path: Path) -> None:
    for options, said in (
        ({"port": 70_000}, "port is"),
        ({"proxy": "nowhere"}, "proxy"),
        ({"host": "0.0.0.0"}, "token"),
        ({"workers": 2, "store": ":memory:"}, "share"),
        ({"recall": True}, "recall works in the mode"),
        ({"counter": "nope"}, "no encoding, model"),
        ({"most_body": 0}, "longest body"),
        ({"log": "xml"}, "expected 'text' or 'json'"),
    ):
        with pytest.raises(ValueError, match=said):
            Settings(upstreams={"": "http://127.0.0.1:1"}, **options)  # type: ignore[arg-type]


def test_running_twice_on_one_port_is_a_clear_error(upstream: Upstream) -> None:
    from ctxmem.errors import InputError
    from ctxmem.gateway.serving import listen

    with running(upstream.url) as gateway, pytest.raises(InputError, match="nothing can listen"):
        listen(Settings(upstreams={"": upstream.url}, port=gateway.port, store=":memory:"))

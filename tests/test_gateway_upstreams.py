"""The connection that a request takes to the upstream: one in use before, or a new one."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import logging
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from gateways import CHAT, Request, Upstream, body_of, connect, raw, reply, running, status_of
from gateways import request as post

from ctxmem.gateway.http import connecting, connections
from ctxmem.gateway.http.connections import in_words
from ctxmem.gateway.http.relay import Answer, Place, UpstreamError, Upstreams
from ctxmem.gateway.observe.observing import Observe
from ctxmem.gateway.telemetry.logs import Seldom

CREDENTIALS = "Basic " + base64.b64encode(b"me:p@ss").decode()


async def ask(upstreams: Upstreams, url: str, path: bytes = b"/v1/models") -> tuple[int, bytes]:
    answer = await begin(upstreams, url, path)
    body = b"".join([part async for part in answer.parts()])
    await answer.aclose()
    return answer.status_code, body


async def begin(upstreams: Upstreams, url: str, path: bytes = b"/v1/models") -> Answer:
    place = Place.of(url)
    return await upstreams.send("POST", place, path, [(b"host", place.netloc)], [])


async def test_the_connection_used_last_is_used_next(upstream: Upstream) -> None:
    upstreams = Upstreams()
    several = [await begin(upstreams, upstream.url) for _ in range(3)]
    for answer in several:
        [part async for part in answer.parts()]
        await answer.aclose()
    for _ in range(3):
        await ask(upstreams, upstream.url)
    assert [one.connection for one in upstream.requests] == [1, 2, 3, 3, 3, 3]
    await upstreams.close()


@pytest.mark.parametrize("began, sent", [(b"", 3), (b"HTTP/1.1 2", 2), (b"<html>", 2)])
async def test_a_request_is_sent_again_only_if_nothing_came(
    upstream: Upstream, began: bytes, sent: int
) -> None:
    async def second_fails(request: Request, writer: asyncio.StreamWriter) -> None:
        if len(upstream.requests) != 2:
            writer.write(reply())
            return
        writer.write(began)
        writer.close()

    upstream.handler = second_fails
    upstreams = Upstreams()
    assert (await ask(upstreams, upstream.url))[0] == 200
    if began:
        with pytest.raises(UpstreamError):
            await ask(upstreams, upstream.url)
    else:
        assert (await ask(upstreams, upstream.url))[0] == 200
    assert len(upstream.requests) == sent
    assert upstream.requests[1].connection == 1
    await upstreams.close()


async def test_a_client_that_leaves_as_the_connection_is_made_is_not_missed(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = connecting._connected

    async def leaving(*args: Any) -> Any:
        connection = await made(*args)
        task.cancel()
        return connection

    monkeypatch.setattr(connecting, "_connected", leaving)
    upstreams = Upstreams()
    task = asyncio.ensure_future(ask(upstreams, upstream.url))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert upstreams._open == set()


async def test_who_waits_for_a_connection_does_not_wait_for_ever(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(connecting, "_connected", never)
    monkeypatch.setattr(connecting, "CONNECT_SECONDS", 0.01)
    with pytest.raises(UpstreamError, match="no connection in time"):
        await ask(Upstreams(), upstream.url)


async def test_a_reply_with_more_behind_it_ends_its_connection(upstream: Upstream) -> None:
    async def smuggles(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(b"mine") + reply(b"evil"))

    upstream.handler = smuggles
    upstreams = Upstreams()
    for _ in range(3):
        assert await ask(upstreams, upstream.url) == (200, b"mine")
    assert upstream.connections == 3
    await upstreams.close()


async def test_a_request_by_a_proxy_names_the_upstream(upstream: Upstream) -> None:
    proxy = upstream.url.replace("//", "//me:p%40ss@")
    upstreams = Upstreams(proxy)
    for _ in range(2):
        assert (await ask(upstreams, "http://provider.invalid:8000/v1"))[0] == 200
    assert upstream.connections == 1
    for request in upstream.requests:
        assert request.line == "POST http://provider.invalid:8000/v1/models HTTP/1.1"
        assert request.header("host") == ["provider.invalid:8000"]
        assert request.header("proxy-authorization") == [CREDENTIALS]
    await upstreams.close()


# Tunnels ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "key", "-out", folder / "cert"],
        capture_output=True, check=True)  # fmt: skip
    return folder


@pytest.fixture
def secure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert", certificate / "key")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert"))
    made = Upstream(context=context)
    yield made
    made.close()


@asynccontextmanager
async def tunnelling(answer: bytes, port: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run a proxy that answers CONNECT, and passes on all that comes then."""
    asked: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        there, back = await asyncio.open_connection("localhost", port)
        for pair in ((reader, back), (there, writer)):
            tasks.add(asyncio.ensure_future(_pass_on(*pair)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://me:p%40ss@127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        for task in tasks:
            task.cancel()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()


OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes certificates")


@OPENSSL
async def test_a_tunnel_carries_requests_that_the_proxy_does_not_see(secure: Upstream) -> None:
    url = f"https://localhost:{secure.port}"
    async with tunnelling(b"HTTP/1.1 200 Connected\r\n\r\n", secure.port) as (proxy, asked):
        upstreams = Upstreams(proxy)
        for _ in range(2):
            assert (await ask(upstreams, url))[0] == 200
        await upstreams.close()
    assert [head.split(b"\r\n") for head in asked] == [
        [
            b"CONNECT localhost:%d HTTP/1.1" % secure.port,
            b"host: localhost:%d" % secure.port,
            b"proxy-authorization: " + CREDENTIALS.encode(),
            b"",
            b"",
        ]
    ]
    assert [one.line for one in secure.requests] == ["POST /v1/models HTTP/1.1"] * 2
    assert secure.requests[0].header("proxy-authorization") == []


@OPENSSL
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 Connected\r\n\r\n\x15\x03\x01",
        b"SSH-2.0\r\n",
    ],
)
async def test_a_tunnel_that_is_none_fails_the_request(secure: Upstream, answer: bytes) -> None:
    async with tunnelling(answer, secure.port) as (proxy, _):
        upstreams = Upstreams(proxy)
        with pytest.raises(UpstreamError):
            await ask(upstreams, f"https://localhost:{secure.port}")
        await upstreams.close()
    assert secure.requests == []


@OPENSSL
async def test_a_certificate_for_another_name_is_refused_in_a_tunnel(secure: Upstream) -> None:
    async with tunnelling(b"HTTP/1.1 200 Connected\r\n\r\n", secure.port) as (proxy, asked):
        upstreams = Upstreams(proxy)
        with pytest.raises(UpstreamError, match="SSLCertVerificationError"):
            await ask(upstreams, f"https://127.0.0.1:{secure.port}")
        await upstreams.close()
    assert len(asked) == 1 and secure.requests == []


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://127.0.0.1:1"])
async def test_a_proxy_that_is_none_is_no_connection(proxy: str) -> None:
    with pytest.raises(UpstreamError):
        await ask(Upstreams(proxy), "http://localhost:1")


async def test_a_host_that_is_no_name_is_no_connection() -> None:
    with pytest.raises(UpstreamError):
        await ask(Upstreams(), f"http://{'a' * 70}.invalid")


# What people see of an upstream that is not there -------------------------------------------------


@pytest.fixture
def nobody() -> Iterator[str]:
    """Return an address at which connections are refused."""
    with socket.socket() as taken:  # bound and not listening
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("stage", [None, Observe])
def test_an_upstream_that_is_not_there_is_named_to_the_client_and_once_in_the_log(
    nobody: str, stage: type[Observe] | None, caplog: pytest.LogCaptureFixture
) -> None:
    with running(nobody, stage=stage) as gateway:
        came = [raw(gateway.port, post("/v1/chat/completions", CHAT)) for _ in range(3)]
    said = f"the upstream {nobody} did not answer (connection refused)"
    assert [status_of(one) for one in came] == [502] * 3
    assert {json.loads(body_of(one))["error"]["message"] for one in came} == {f"ctxmem: {said}"}
    ours = [one for one in caplog.records if one.name == "ctxmem.gateway"]
    assert [one.getMessage() for one in ours if one.levelno >= logging.WARNING] == [said]


@pytest.mark.parametrize(
    "error, words",
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection refused"),
        (
            OSError(
                f"Multiple exceptions: [Errno {errno.ECONNREFUSED}] Connect call failed ('::1', 1),"
                f" [Errno {errno.ECONNREFUSED}] Connect call failed ('127.0.0.1', 1)"
            ),
            "connection refused",
        ),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "name not known"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "the name cannot be looked up now"),
        (socket.gaierror(-99, "x"), "the name cannot be looked up"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "connection reset"),
        (OSError(errno.EHOSTUNREACH, "x"), "no route to it"),
        (UnicodeError("label too long"), "the host is no name"),
        (OSError("odd"), "OSError"),
    ],
)
def test_reasons_are_in_words(error: Exception, words: str) -> None:
    assert in_words(error) == words


async def test_a_proxy_that_is_not_there_is_not_taken_for_the_upstream(nobody: str) -> None:
    for url in ("http://provider.invalid", "https://provider.invalid"):
        with pytest.raises(UpstreamError, match="the proxy: connection refused"):
            await ask(Upstreams(nobody), url)


def test_a_message_about_the_same_waits() -> None:
    now = 5.0
    seldom = Seldom(60.0, lambda: now)
    assert [seldom.due(about) for about in ("a", "b", "a", "b")] == [True, True, False, False]
    now = 64.9
    assert not seldom.due("a")
    now = 65.0
    assert seldom.due("a") and not seldom.due("a")


def test_an_upstream_that_takes_nothing_of_a_request_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While a body cannot be passed on the client is not read, and might have left."""
    monkeypatch.setattr(connections, "MOST_STALLED", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with (
            running(f"http://127.0.0.1:{port}", stage=Observe) as gateway,
            connect(gateway.port) as client,
        ):
            with suppress(OSError):  # it is closed before all is sent
                client.sendall(post(body=b" " * (24 << 20)))
            assert [502] == [one["status"] for one in gateway.facts()]


async def test_an_upstream_that_takes_a_request_slowly_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "MOST_STALLED", 0.05)

    async def slow(got: Request, writer: asyncio.StreamWriter) -> None:
        left = int(got.header("content-length")[0])
        while left:
            left -= len(await got.reader.read(1 << 20))
            await asyncio.sleep(0.01)
        writer.write(reply())

    upstream, upstreams = Upstream(slow), Upstreams()
    upstream.read_body = False
    place, length = Place.of(upstream.url), 24 << 20
    try:
        head = [(b"host", place.netloc), (b"content-length", b"%d" % length)]
        answer = await upstreams.send("POST", place, b"/v1", head, [b" " * length])
        assert answer.status_code == 200
        await answer.aclose()
    finally:
        upstream.close()

"""The connection that a request takes to the upstream: one in use before, or a new one."""

from __future__ import annotations

import asyncio
import base64
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from gateways import Request, Upstream, reply

from ctxmem.gateway.http.relay import Answer, Place, UpstreamError, Upstreams

CREDENTIALS = "Basic " + base64.b64encode(b"me:p@ss").decode()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


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

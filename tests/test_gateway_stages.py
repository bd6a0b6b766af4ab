"""Requests through the gateway's stages, its own pages, proxies, and the gateway as a process."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import httpx
import pytest
from gateways import (
    ANSWER,
    CHAT,
    WAIT,
    Request,
    Upstream,
    body_of,
    headers_of,
    raw,
    reply,
    request,
    running,
    status_of,
    until,
)
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ctxmem.errors import StoreError
from ctxmem.gateway import app
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.http.relay import Answer, Place, Upstreams, to_client, to_upstream
from ctxmem.gateway.observe.guarding import Guard
from ctxmem.gateway.observe.observing import Observe
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import Reply, family_of, wire_of

pytestmark = pytest.mark.usefixtures("no_traceback")


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


class Storing:
    """A stage whose requests are on the disk when the test says so."""

    def __init__(self) -> None:
        self.stored: Future[None] = Future()
        self.stored.set_running_or_notify_cancel()

    def prepare(self, exchange: Exchange) -> bytes | None:
        exchange.notes["stored"] = self.stored
        return None

    def finish(self, exchange: Exchange, status: int, reply: Reply | None) -> None:
        """Do nothing."""


@pytest.mark.parametrize("error", [None, StoreError("disk full"), ValueError("not to be kept")])
def test_a_reply_waits_until_its_request_is_on_the_disk(
    upstream: Upstream, error: Exception | None
) -> None:
    stage, came = Storing(), list[bytes]()
    with running(upstream.url, stage=stage, mode="guard") as gateway:
        asking = Thread(target=lambda: came.append(raw(gateway.port, request(body=CHAT))))
        asking.start()
        until(lambda: len(upstream.requests) == 1)  # it is sent on without waiting
        asking.join(0.2)
        assert not came
        if error is None:
            stage.stored.set_result(None)
        else:
            stage.stored.set_exception(error)
        asking.join(WAIT)
        assert (status_of(came[0]), body_of(came[0])) == (200, b'{"ok":true}')
        assert gateway.facts()[0].get("fault") == (None if error is None else "store")


class Quick(Storing):
    """A stage that prepares requests at once, or fails to."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.stored.set_result(None)
        self.error, self.lock = error, Lock()
        self.finished: list[bool] = []
        self.began = 0

    def prepare_at_once(self, exchange: Exchange) -> bool:
        self.began += 1
        if self.error is not None:
            raise self.error
        exchange.why = "unchanged"
        return True

    def prepare(self, exchange: Exchange) -> bytes | None:
        raise AssertionError("no thread is needed")

    def hold(self, exchange: Exchange) -> Any:
        return self.lock if self.lock.acquire(blocking=False) else None

    def finish(self, exchange: Exchange, status: int, reply: Reply | None) -> None:
        self.finished.append(self.lock.locked())


def test_a_request_that_is_prepared_at_once_needs_no_thread(upstream: Upstream) -> None:
    stage = Quick()
    with running(upstream.url, stage=stage, mode="guard") as gateway:
        assert status_of(raw(gateway.port, request(body=CHAT))) == 200
        assert gateway.facts()[0]["passed_through"] == "unchanged"
        with stage.lock:  # a thread waits for who has it
            assert status_of(raw(gateway.port, request(body=CHAT))) == 200
            until(lambda: len(stage.finished) == 2)
    assert stage.began == 2 and stage.finished == [True, True]
    assert [one.body for one in upstream.requests] == [CHAT, CHAT]


def test_a_fault_while_a_request_is_prepared_at_once_is_not_the_clients(
    upstream: Upstream,
) -> None:
    stage = Quick(RuntimeError("marker"))
    with running(upstream.url, stage=stage, mode="guard") as gateway:
        assert status_of(raw(gateway.port, request(body=CHAT))) == 200
        assert gateway.facts()[0]["fault"] == "prepare"
    assert upstream.requests[0].body == CHAT


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
    budget = None if mode == "observe" else 10_000
    with running(upstream.url, stage=stage, mode=mode, budget=budget) as gateway:
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
    ("sent", "code"),
    [(signal.SIGTERM, 0), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)],
)
def test_the_process_finishes_open_replies_and_ends_cleanly(
    tmp_path: Path, upstream: Upstream, sent: int, code: int
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
    assert process.returncode == code
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
        ({"host": "0.0.0.0"}, "give a token"),
        ({"host": "0.0.0.0", "token": "short"}, "at least 16"),
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


@pytest.mark.parametrize("mode", ["observe", "manage"])
def test_a_folder_in_which_nothing_can_be_made_is_a_clear_error(tmp_path: Path, mode: str) -> None:
    from ctxmem.errors import InputError
    from ctxmem.gateway.serving import serve

    (tmp_path / "file").touch()
    store = str(tmp_path / "file" / "gateway.db")
    settings = Settings(upstreams={"": "http://127.0.0.1:1"}, port=0, store=store, mode=mode)
    with pytest.raises(InputError, match=r"cannot be kept beside .*CTXMEM_GATEWAY_SECRET"):
        serve(settings)

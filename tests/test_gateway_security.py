"""Who may use the gateway, where requests can go, and what is never written down."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import logging
import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateways import (
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

from ctxmem.errors import InputError
from ctxmem.gateway import serving
from ctxmem.gateway.client import leaves
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.http import protocol, security
from ctxmem.gateway.http.protocol import MOST_HEAD, MOST_HEADERS
from ctxmem.gateway.http.relay import Headers
from ctxmem.gateway.http.security import Doorkeeper, secret_of, tenants_of
from ctxmem.gateway.observe.guarding import Guard
from ctxmem.gateway.observe.observing import Observe
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.telemetry.logs import Seldom
from ctxmem.gateway.wire import wire_of
from ctxmem.tokens import names

KEY = "sk-marker-8461"
TOKEN = "token-marker-1273"
SECRET_TEXT = "a word that only the client knows"


def settings(**options: Any) -> Settings:
    options.setdefault("store", ":memory:")
    return Settings(upstreams={"": "http://127.0.0.1:1"}, **options)


# The token ----------------------------------------------------------------------------------------


def test_another_address_needs_a_token() -> None:
    with pytest.raises(InputError, match="--token"):
        settings(host="0.0.0.0")
    assert settings(host="0.0.0.0", token=TOKEN).token == TOKEN


def test_a_token_is_needed_and_not_passed_on(upstream: Upstream) -> None:
    with running(upstream.url, token=TOKEN) as gateway:
        for shown in ([], ["x-ctxmem-token: wrong"], [f"authorization: Bearer {TOKEN}"]):
            came = raw(gateway.port, request("/v1/messages", b"{}", *shown))
            assert status_of(came) == 401
            assert json.loads(body_of(came))["error"]["type"] == "authentication_error"
        assert upstream.requests == []
        sent = request("/v1/messages", b"{}", f"x-ctxmem-token: {TOKEN}", f"x-api-key: {KEY}")
        assert status_of(raw(gateway.port, sent)) == 200
    assert TOKEN.encode() not in upstream.requests[0].head
    assert upstream.requests[0].header("x-api-key") == [KEY]


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def digest(shown: bytes, token: bytes) -> bool:
        compared.append(shown)
        return hmac.compare_digest(shown, token)

    monkeypatch.setattr(security, "hmac", type("Hmac", (), {"compare_digest": digest}))
    door = Doorkeeper(settings(token=TOKEN))
    assert door.refuses([(b"x-ctxmem-token", b"t")]) is not None
    assert door.refuses([(b"x-ctxmem-token", TOKEN.encode())]) is None
    assert compared == [b"t", TOKEN.encode()]


def test_pages_take_the_token_as_a_password(upstream: Upstream) -> None:
    async def page(_: Any) -> PlainTextResponse:
        return PlainTextResponse("page")

    coded = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    with running(upstream.url, token=TOKEN, routes=[Route("/ctxmem/", page)]) as gateway:
        url = f"{gateway.url}/ctxmem/"
        refused = httpx.get(url)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (
            401,
            'Basic realm="ctxmem"',
        )
        assert httpx.get(url, headers={"authorization": f"Basic {coded}"}).text == "page"
        assert httpx.get(url, headers={"authorization": "Basic ?"}).status_code == 401
        # It is no key of the provider: other paths do not take it.
        other = f"{gateway.url}/v1/models"
        assert httpx.get(other, headers={"authorization": f"Basic {coded}"}).status_code == 401


# Names of this machine ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8787", 200),
        ("127.0.0.1", 200),
        ("[::1]:8787", 200),
        ("LOCALHOST", 200),
        ("rebound.example", 403),
        ("127.0.0.1.rebound.example", 403),
        ("localhost.rebound.example:8787", 403),
        ("", 403),
        ("[::1", 403),
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(
    upstream: Upstream, host: str, status: int
) -> None:
    with running(upstream.url) as gateway:
        sent = request().replace(b"host: localhost", f"host: {host}".encode())
        assert status_of(raw(gateway.port, sent)) == status
    assert len(upstream.requests) == (status == 200)


def test_pages_from_elsewhere_do_not_reach_the_own_ones(upstream: Upstream) -> None:
    async def page(_: Any) -> PlainTextResponse:
        return PlainTextResponse("page")

    with running(upstream.url, routes=[Route("/metrics", page)]) as gateway:
        url = f"{gateway.url}/metrics"
        assert httpx.get(url, headers={"sec-fetch-site": "cross-site"}).status_code == 403
        assert httpx.get(url, headers={"sec-fetch-site": "same-origin"}).status_code == 200


# Limits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        request("/v1/messages", b"{}", "x-long: " + "a" * MOST_HEAD),
        request("/v1/messages", b"{}", *(f"x-{i}: 1" for i in range(MOST_HEADERS + 1))),
        request("/v1/messages?" + "a" * MOST_HEAD),
        b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-endless: " + b"a" * 4 * MOST_HEAD,
    ],
    ids=["one", "many", "path", "endless"],
)
def test_a_head_that_is_too_large_is_refused(upstream: Upstream, sent: bytes) -> None:
    with running(upstream.url) as gateway, connect(gateway.port) as client:
        with suppress(ConnectionError):
            client.sendall(sent)
        came = rest(client)
        # What it had not read when it closed may have taken the reply with it.
        assert not came or status_of(came) == 431
        assert not came or json.loads(body_of(came))["error"]["message"].startswith(
            "ctxmem: the path"
        )
        assert status_of(raw(gateway.port, request())) == 200
    assert len(upstream.requests) == 1


CHUNKED = "transfer-encoding: chunked"


@pytest.mark.parametrize("mode", ["plain", "observe", "guard"])
@pytest.mark.parametrize("first", [b"", b"2\r\n{}\r\n"])
def test_chunks_that_are_malformed_are_refused(upstream: Upstream, mode: str, first: bytes) -> None:
    """A request is passed on while it comes, so that the upstream may have begun on it."""
    upstream.read_body = False
    upstream.handler = wait_for_more
    stage = {"observe": Observe, "guard": Guard}.get(mode)
    options = {} if stage is None else {"mode": mode}
    with running(upstream.url, stage=stage, **options) as gateway, connect(gateway.port) as made:
        made.sendall(request("/v1/messages", first, CHUNKED))
        if mode != "guard" and first:
            until(lambda: upstream.requests)
        made.sendall(b"zz\r\nabc")
        came = rest(made)
    assert status_of(came) == 400
    assert json.loads(body_of(came))["error"]["type"] == "invalid_request_error"
    assert ("connection", "close") in headers_of(came) and came.count(b"HTTP/1.1") == 1


def test_no_refusal_is_put_into_the_reply_of_another_request(upstream: Upstream) -> None:
    async def late(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply()[:-3])
        await writer.drain()
        await asyncio.sleep(0.3)
        writer.write(reply()[-3:])

    upstream.handler = late
    with running(upstream.url) as gateway, connect(gateway.port) as made:
        whole = request().replace(b"connection: close", b"x-a: 1")
        made.sendall(whole + request("/v1/messages", b"", CHUNKED))
        assert made.recv(1 << 16).startswith(b"HTTP/1.1 200")
        made.sendall(b"zz\r\nabc")
        assert b"HTTP/1.1" not in rest(made)


async def wait_for_more(request: Request, writer: asyncio.StreamWriter) -> None:
    while await request.reader.read(1 << 16):
        pass
    writer.close()


TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


def test_what_speaks_no_http_is_in_the_log_once_in_a_while_with_a_hint(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(protocol, "_WARNED", Seldom())
    with running(upstream.url) as gateway:
        for sent in (TLS_HELLO, b"SSH-2.0-x\r\n\r\n") * 3:
            assert status_of(raw(gateway.port, sent)) == 400
    said = [(one.name, one.getMessage()) for one in caplog.records if "asyncio" not in one.name]
    assert said == [
        ("ctxmem.gateway", "a client speaks TLS to the gateway; use http:// in its address"),
        ("ctxmem.gateway", "a request was refused (400): this is no valid HTTP request"),
    ]


def test_a_body_that_is_too_large_is_refused(upstream: Upstream) -> None:
    with running(upstream.url, most_body=1000) as gateway:
        whole = raw(gateway.port, request("/v1/messages", b"x" * 1001))
        chunked = request("/v1/chat/completions", b"", "transfer-encoding: chunked")
        parts = raw(gateway.port, chunked + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")
        assert status_of(raw(gateway.port, request("/v1/messages", b"x" * 1000))) == 200
    assert status_of(whole) == status_of(parts) == 413
    assert json.loads(body_of(whole))["error"]["type"] == "request_too_large"
    assert json.loads(body_of(parts))["error"]["code"] == "request_too_large"


# Where requests can go ----------------------------------------------------------------------------


def test_only_the_configured_upstream_is_reached(upstream: Upstream) -> None:
    elsewhere = Upstream()
    other = f"127.0.0.1:{elsewhere.port}"
    try:
        with running(upstream.url) as gateway:
            for target, sent in (
                (f"http://{other}/v1/models", "/v1/models"),
                (f"//{other}/v1/models", f"//{other}/v1/models"),
                (f"/@{other}/v1", f"/@{other}/v1"),
                ("/v1/%0d%0aHost:%20x", "/v1/%0d%0aHost:%20x"),
                ("/v1/a%2f%2fb?u=http://x", "/v1/a%2f%2fb?u=http://x"),
            ):
                came = raw(gateway.port, request(target, b"", method="GET"))
                assert status_of(came) == 200, target
                assert upstream.requests[-1].line == f"GET {sent} HTTP/1.1"
            count = len(upstream.requests)
            for target in (f"CONNECT {other}", f"GET {other}", "GET v1/models", "TRACE /v1/models"):
                came = raw(
                    gateway.port,
                    f"{target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode(),
                )
                assert status_of(came) in (400, 405), target
            assert len(upstream.requests) == count
        assert elsewhere.requests == []
    finally:
        elsewhere.close()


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        (b"/v1/../admin", True),
        (b"/v1/%2e%2e/admin", True),
        (b"/v1/.%2E%2fadmin", True),
        (b"/v1/..%5cadmin", True),
        (b"/v1/..", True),
        (b"/v1/a..b", False),
        (b"/v1/files/a%20b", False),
        (b"/v1/%252e%252e/x", False),
    ],
)
def test_no_path_leaves_the_upstreams(path: bytes, refused: bool) -> None:
    assert leaves(path) is refused


def test_a_path_that_would_leave_is_refused(upstream: Upstream) -> None:
    with running(f"{upstream.url}/tenant/v1") as gateway:
        came = raw(gateway.port, request("/v1/%2e%2e/%2e%2e/other"))
    assert (status_of(came), upstream.requests) == (400, [])


HEAD = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
        HEAD + b"content-length: +2\r\n\r\n{}",
        HEAD + b"x-folded: a\r\n transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{}",
        HEAD + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"x: a\rb\r\ncontent-length: 2\r\n\r\n{}",
        HEAD + b"x: a\x00b\r\ncontent-length: 2\r\n\r\n{}",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_requests_that_servers_read_differently_are_refused(
    upstream: Upstream, sent: bytes
) -> None:
    with running(upstream.url) as gateway, connect(gateway.port) as client:
        client.sendall(sent + b"GET /v1/smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n")
        came = rest(client)
    assert not came or status_of(came) == 400
    assert all("smuggled" not in one.line for one in upstream.requests)


def test_a_connection_header_takes_no_framing_away(upstream: Upstream) -> None:
    with running(upstream.url) as gateway:
        sent = request("/v1/messages", b"{}", "x-own: 1").replace(
            b"connection: close", b"connection: close, content-length, x-own"
        )
        assert status_of(raw(gateway.port, sent)) == 200
    assert (upstream.requests[0].body, upstream.requests[0].header("x-own")) == (b"{}", [])


# What is never written down -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["observe", "guard"])
@pytest.mark.parametrize("fails", [False, True])
def test_keys_and_texts_are_in_no_log_no_error_and_no_store(
    upstream: Upstream,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    fails: bool,
) -> None:
    caplog.set_level(logging.INFO)
    stage = Guard if mode == "guard" else Observe
    if fails:

        def raises(*_: Any, **__: Any) -> Any:
            raise RuntimeError(f"{KEY} {SECRET_TEXT}")

        monkeypatch.setattr(Observe, "weigh", raises)
        monkeypatch.setattr(Guard, "_repaired", raises)

    async def answer(request: Request, writer: Any) -> None:
        if len(upstream.requests) == 1:
            writer.write(reply())
        else:
            writer.close()

    upstream.handler = answer
    body = json.dumps(
        {
            "model": "claude-sonnet-4-5",
            "system": SECRET_TEXT,
            "messages": [
                {"role": "user", "content": SECRET_TEXT},
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}],
                },
            ],
        }
    ).encode()
    store = tmp_path / "gateway.db"
    with running(upstream.url, stage=stage, mode=mode, store=str(store), token=TOKEN) as gateway:
        shown = [f"x-ctxmem-token: {TOKEN}", f"x-api-key: {KEY}", f"authorization: Bearer {KEY}"]
        came = [raw(gateway.port, request("/v1/messages", body, *shown)) for _ in range(2)]
        facts = gateway.facts(2)
    assert [status_of(one) for one in came] == [200, 502]
    written = [record.getMessage() for record in caplog.records] + [str(facts)]
    written += [one.decode("latin-1") for one in came]
    written += [
        path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()
    ]
    for secret in (KEY, TOKEN, SECRET_TEXT):
        assert not any(secret in text for text in written)
    assert not any(record.exc_info for record in caplog.records)


def test_tenants_are_keyed_digests() -> None:
    one, other = Doorkeeper(settings()), Doorkeeper(settings())
    names = {one.tenant([(b"x-api-key", key)]) for key in (b"a", b"b")}
    assert len(names) == 2 and one.tenant([(b"x-api-key", b"a")]) in names
    assert not names & {other.tenant([(b"x-api-key", key)]) for key in (b"a", b"b")}
    assert one.tenant([(b"authorization", b"a")]) not in names


# The secret ---------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="rights of files are POSIX's")
def test_the_secret_is_for_its_owner_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = secret_of(str(tmp_path / "deep" / "store.db"))
    finally:
        os.umask(before)
    path = tmp_path / "deep" / "store.db.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (path.read_bytes(), len(made)) == (made, 32)
    assert os.listdir(path.parent) == ["store.db.key"]


@pytest.mark.skipif(os.name != "posix", reason="rights of files are POSIX's")
def test_rights_of_others_are_taken_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "store.db.key"
    path.write_bytes(b"k" * 32)
    path.chmod(0o644)
    assert secret_of(str(tmp_path / "store.db")) == b"k" * 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "could be read by others" in caplog.text


@pytest.mark.parametrize("held", [b"", b"short", b"k" * 33])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, held: bytes) -> None:
    (tmp_path / "store.db.key").write_bytes(held)
    with pytest.raises(InputError, match="holds no key"):
        secret_of(str(tmp_path / "store.db"))


def test_processes_share_the_secret(tmp_path: Path) -> None:
    code = (
        "import sys; from ctxmem.gateway.http.security import secret_of; "
        "print(secret_of(sys.argv[1]).hex())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "store.db")],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    found = {process.communicate(timeout=60)[0] for process in processes}
    assert len(found) == 1 and len(found.pop().strip()) == 64


def test_the_secret_of_the_environment_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(security.SECRET_VARIABLE, "a" * 16)
    assert secret_of(":memory:") == secret_of("postgresql://x")


@pytest.mark.parametrize("given", ["abc", "a" * 15, " " * 40 + "abc"])
def test_a_secret_that_could_be_guessed_is_refused(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(security.SECRET_VARIABLE, given)
    with pytest.raises(InputError, match=r"at least 16, such as of `openssl rand -hex 32`"):
        secret_of(":memory:")


def test_a_shared_store_without_a_secret_says_how_to_make_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(security.SECRET_VARIABLE, raising=False)
    with pytest.raises(InputError, match=r"CTXMEM_GATEWAY_SECRET.*`openssl rand -hex 32`"):
        secret_of("postgresql://x")


def test_errors_of_the_gateway_are_marked(upstream: Upstream) -> None:
    with running(upstream.url) as gateway:
        came = raw(gateway.port, request().replace(b"host: localhost", b"host: x"))
        until(lambda: True)
    assert ("x-ctxmem-error", "not_allowed") in headers_of(came)


@pytest.mark.parametrize(
    "sent",
    [
        [(b"authorization", b"Bearer sk-1")],
        [(b"x-api-key", b"sk-1")],
        [(b"x-api-key", b"sk-1"), (b"authorization", b"Bearer sk-1")],
    ],
)
def test_a_key_names_its_tenant_however_it_is_sent(tmp_path: Path, sent: Headers) -> None:
    store = str(tmp_path / "store.db")
    door = Doorkeeper(Settings(upstreams={"": "http://127.0.0.1:9"}, store=store))
    assert door.tenant([(b"host", b"localhost"), *sent]) in tenants_of("sk-1", store)
    assert door.tenant(sent) not in tenants_of("sk-2", store)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
@pytest.mark.parametrize("mode", ["observe", "guard", "manage"])
def test_no_model_of_a_client_is_read_as_a_file(
    path: str, mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    looked_at: list[object] = []
    monkeypatch.setattr(names, "_at_path", looked_at.append)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("{}")
    budget = None if mode == "observe" else 9000
    settings = Settings(upstreams={"": "http://u"}, mode=mode, budget=budget, store=":memory:")
    stage, wire = serving.stage_of(settings), wire_of("POST", path)
    assert wire is not None
    said = [{"role": "user", "content": "When does it open?"}]
    for model in ("/dev/zero", "~/.ssh/id_rsa", "./a", "../a/b", "a/../b", "x.json", "sub/file"):
        body = {"model": model, "messages": said, "input": said, "max_tokens": 9}
        exchange = Exchange(wire, "t", 1, original=[json.dumps(body).encode()])
        stage.prepare(exchange)
        stage.finish(exchange, 200, None)
        assert exchange.facts["model"] == ""
    assert looked_at == []

"""Guard repairs what would be refused, trims what is too long, and leaves the rest alone."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from chats import user
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
)

import ctxmem
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.observe import windows
from ctxmem.gateway.observe.guarding import Guard
from ctxmem.gateway.observe.windows import WINDOWS, window_of
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import wire_of

PATHS = {
    "chat": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "responses": "/v1/responses",
}


def guarded(body: Any, wire: str = "chat", **options: Any) -> tuple[Any, Exchange]:
    """Return the body that goes out, None for the client's, and the exchange."""
    made = wire_of("POST", PATHS[wire])
    assert made is not None
    settings = Settings(
        upstreams={"": "http://127.0.0.1:1"}, store=":memory:", mode="guard", **options
    )
    exchange = Exchange(made, "one", 1, original=[json.dumps(body).encode()])
    sent = Guard(settings).prepare(exchange)
    return (json.loads(sent) if sent is not None else None), exchange


def long_chat(count: int, words: int) -> list[dict[str, Any]]:
    return [
        {"role": "assistant" if i % 2 else "user", "content": f"{i}: " + "word " * words}
        for i in range(count)
    ]


VALID = {
    "chat": {"model": "gpt-4o", "temperature": 0.1, "messages": [user("a")], "unknown": [1, None]},
    "anthropic": {
        "model": "claude-opus-5",
        "max_tokens": 10,
        "system": "s",
        "messages": [user("a")],
    },
    "responses": {"model": "gpt-5", "input": "a", "instructions": "s"},
}


@pytest.mark.parametrize("wire", PATHS)
def test_what_is_accepted_goes_out_as_the_client_wrote_it(wire: str) -> None:
    sent, exchange = guarded(VALID[wire], wire)
    assert (sent, exchange.why, exchange.header) == (None, "", "")


ORPHANS: dict[str, tuple[dict[str, Any], str]] = {
    "chat": (
        {"model": "gpt-4o", "n": 1, "messages": [
            {"role": "system", "content": "s"}, user("a"),
            {"role": "tool", "tool_call_id": "c1", "content": "x"}]},
        "messages",
    ),
    "anthropic": (
        {"model": "claude-opus-5", "max_tokens": 9, "system": [{"type": "text", "text": "s"}],
         "messages": [
            user("a"), {"role": "assistant", "content": "b"},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "x"},
                {"type": "text", "text": "c"}]}]},
        "messages",
    ),
    "responses": (
        {"model": "gpt-5", "instructions": "s", "input": [
            user("a"), {"type": "function_call_output", "call_id": "c1", "output": "x"}]},
        "input",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wire", PATHS)
def test_what_would_be_refused_is_repaired_and_nothing_else_changes(wire: str) -> None:
    body, field = ORPHANS[wire]
    sent, exchange = guarded(body, wire)
    provider = exchange.wire.provider
    assert {name: value for name, value in sent.items() if name != field} == {
        name: value for name, value in body.items() if name != field
    }
    assert [one for one in ctxmem.check(sent[field], provider=provider) if one.rule] == []
    assert '"x"' not in json.dumps(sent[field])
    assert exchange.header == "repaired=1 (orphan_result)"
    assert [one["kind"] for one in exchange.facts["repaired"]] == ["orphan_result"]


def test_wastes_are_not_repaired() -> None:
    long = "a paragraph that is said twice, word for word, in one history. " * 20
    messages = [user(long), {"role": "assistant", "content": "b"}, user(long)]
    assert ctxmem.check(messages, provider="openai")
    assert guarded({"model": "gpt-4o", "messages": messages})[0] is None


@pytest.mark.parametrize("more", [{"previous_response_id": "resp_1"}, {"conversation": "conv_1"}])
def test_a_history_that_the_provider_keeps_is_not_touched(more: dict[str, Any]) -> None:
    body, _ = ORPHANS["responses"]
    sent, exchange = guarded({**body, **more}, "responses")
    assert (sent, exchange.why) == (None, "kept")


# Windows ------------------------------------------------------------------------------------------


def test_a_request_over_the_window_is_trimmed_with_room_for_the_answer() -> None:
    messages = [{"role": "system", "content": "Be brief."}, *long_chat(201, 900)]
    body = {"model": "gpt-4o-2024-08-06", "messages": messages, "max_tokens": 1_000}
    sent, exchange = guarded(body)
    count = ctxmem.count_messages(sent["messages"], "gpt-4o", provider="openai", model="gpt-4o")
    assert 120_000 < count <= 127_000
    assert sent["messages"][0] == messages[0]
    assert sent["messages"][1:] == messages[-len(sent["messages"]) + 1 :]
    dropped = len(messages) - len(sent["messages"])
    assert exchange.header == f"trimmed={dropped} of 201 messages"
    assert (exchange.facts["dropped"], exchange.facts["kept"]) == (dropped, 201 - dropped)


@pytest.mark.parametrize("wire", PATHS)
def test_a_budget_holds_for_every_wire_and_model(wire: str) -> None:
    chat = long_chat(41, 50)
    body: dict[str, Any] = {"model": "house-model", "messages": chat}
    if wire == "responses":
        body = {"model": "house-model", "input": chat, "instructions": "s"}
    if wire == "anthropic":
        body["system"] = "s"
    sent, exchange = guarded(body, wire, budget=1_000, counter="o200k_base")
    kept = sent["input" if wire == "responses" else "messages"]
    assert 0 < len(kept) < len(chat) and kept == chat[-len(kept) :]
    guard = Guard(
        Settings(upstreams={"": "http://127.0.0.1:1"}, store=":memory:", counter="o200k_base")
    )
    again = Exchange(exchange.wire, "one", 2, original=[json.dumps(sent).encode()])
    assert guard.observe.weigh(again).total <= 1_000


def test_models_that_are_not_known_are_not_trimmed() -> None:
    body = {"model": "house-model", "messages": long_chat(1_001, 900)}
    sent, exchange = guarded(body)
    assert (sent, exchange.second, exchange.why) == (None, None, "")


def test_a_question_that_does_not_fit_is_the_providers_to_refuse() -> None:
    sent, exchange = guarded({"model": "gpt-4", "messages": [user("word " * 20_000)]})
    assert (sent, exchange.why) == (None, "over the window")


LONG = json.dumps(
    {"model": "claude-opus-4-5", "max_tokens": 9, "messages": long_chat(201, 1_000)}
).encode()
"""A request that an estimate finds a little too long."""


def exchanged(upstream: Upstream) -> tuple[bytes, dict[str, Any]]:
    """Send the long request through a guarding gateway; return the reply and the facts of it."""
    try:
        with running(upstream.url, stage=Guard, mode="guard") as gateway:
            return raw(gateway.port, request("/v1/messages", LONG)), gateway.facts()[0]
    finally:
        upstream.close()


def test_an_estimate_trims_only_what_was_refused() -> None:
    """Its counts are upper bounds: what is a little over may fit."""
    calls: list[int] = []

    async def answer(got: Request, writer: asyncio.StreamWriter) -> None:
        calls.append(len(got.json()["messages"]))
        refused = calls[-1] == 201
        writer.write(
            reply(
                b'{"error":{}}' if refused else b'{"ok":1}',
                "400 Bad Request" if refused else "200 OK",
            )
        )

    came, facts = exchanged(Upstream(answer))
    assert calls[0] == 201 and calls[1] < 201 and len(calls) == 2
    assert body_of(came) == b'{"ok":1}'
    assert dict(headers_of(came))["x-ctxmem"].startswith("trimmed=")
    assert facts["dropped"] == 201 - calls[1]


def test_a_refusal_without_an_end_is_passed_on_as_it_comes() -> None:
    """No second request is tried behind one that is too long to be kept."""
    going, count = threading.Event(), 0
    piece = b"x" * 65_536

    async def answer(got: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        writer.write(
            reply(b"", "400 Bad Request", "transfer-encoding: chunked", length=False)
            + (b"%x\r\n%b\r\n" % (len(piece), piece)) * 24
        )
        await writer.drain()
        await asyncio.to_thread(going.wait, WAIT)
        writer.write(b"3\r\nend\r\n0\r\n\r\n")

    upstream = Upstream(answer)
    try:
        with (
            running(upstream.url, stage=Guard, mode="guard") as gateway,
            connect(gateway.port) as client,
        ):
            client.sendall(request("/v1/messages", LONG))
            came = b""
            while len(came) < 24 * len(piece):
                came += client.recv(1 << 16)
            going.set()
            came += rest(client)
    finally:
        going.set()
        upstream.close()
    assert came.startswith(b"HTTP/1.1 400") and came.count(b"x" * 100) > 0
    assert b"end" in came[-64:] and count == 1


def test_a_request_that_was_not_changed_has_no_facts_of_a_change() -> None:
    upstream = Upstream()
    came, facts = exchanged(upstream)
    assert [one.body for one in upstream.requests] == [LONG]
    assert "x-ctxmem" not in dict(headers_of(came))
    assert "dropped" not in facts and "edit" not in facts


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("gpt-4o", 128_000),
        ("openai/gpt-4o-mini-2024-07-18", 128_000),
        ("claude-opus-4-5-20251101", 200_000),
        ("claude-sonnet-5", 1_000_000),
        ("GPT-4.1", 1_047_576),
        ("gpt-4-0613", 8_192),
        ("gpt-4o-audio-preview", None),
        ("gpt-4o-x", None),
        ("", None),
    ],
)
def test_windows_are_looked_up_by_the_models_name(name: str, window: int | None) -> None:
    row = window_of(name)
    assert (row.window if row else None) == window


def test_rows_of_windows_are_dated_and_each_model_has_one() -> None:
    names = [name for row in WINDOWS for name in row.models]
    assert len(names) == len(set(names))
    assert all(row.source and row.date == windows.LOOKED_UP for row in WINDOWS)
    assert all(0 < row.most_input <= row.window for row in WINDOWS)


def test_room_is_left_for_the_answer() -> None:
    row = window_of("gpt-5")
    assert row is not None
    assert (row.room(None), row.room(100_000), row.room(200_000)) == (272_000, 272_000, 200_000)

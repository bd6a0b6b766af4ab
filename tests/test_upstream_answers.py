"""The upstream of the gateway's tests answers as the providers do, and bills as they do."""

from __future__ import annotations

import json
import socket
import time

import httpx
import pytest
from upstream.app import App
from upstream.script import Failure, Refused, Reply, Text, Thinking, ToolCall, ToolLoop, echo
from upstream.seals import signature_of
from upstream.server import Upstream
from upstream_requests import (
    CHAT,
    CHAT_LOOK,
    CLIENT,
    HI,
    HOUR,
    ITEM_LOOK,
    LOOK,
    MARK,
    MESSAGES,
    RESPONSES,
    assistant,
    chat,
    headers_of,
    messages,
    post,
    responses,
    said,
    text,
    user,
)

from ctxmem import PRICES


@pytest.fixture
def scripted(provider):
    """Return a function that makes a key of its own for a script, as a server each is slow."""

    def key_of(*answers) -> str:
        key = f"key-{len(provider.app.scripts)}"
        provider.app.scripts[key] = answers
        return key

    return key_of


# Answers


PARTS = [Thinking("I think twice."), Text("Größe, 大小. "), ToolCall("look", {"at": "Ümlaut"})]


def body_of(path: str, **more) -> dict:
    makers = {MESSAGES: messages, CHAT: chat, RESPONSES: responses}
    tools = {MESSAGES: LOOK, CHAT: CHAT_LOOK, RESPONSES: ITEM_LOOK}
    return makers[path](tools=[tools[path]], **more)


def events_of(data: bytes) -> list[dict]:
    """The JSON of every event, read without any client."""
    found = []
    for block in data.decode().split("\n\n"):
        lines = [line[6:] for line in block.split("\n") if line.startswith("data: ")]
        if lines and lines[0] != "[DONE]":
            found.append(json.loads(lines[0]))
    return found


def test_events_of_anthropic_come_in_the_documented_order(provider, scripted):
    body = body_of(MESSAGES, stream=True)
    got = events_of(post(provider, MESSAGES, body, key=scripted(Reply(PARTS))).content)
    kinds = [one["type"] for one in got]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    inputs = [one["delta"].get("partial_json", "") for one in got if "delta" in one]
    assert json.loads("".join(inputs)) == {"at": "Ümlaut"}
    signed = [one["delta"]["signature"] for one in got if "signature" in one.get("delta", {})]
    assert signed == [signature_of("I think twice.")]
    assert got[-2]["delta"]["stop_reason"] == "tool_use"


def test_chunks_of_chat_end_with_the_usage_if_it_is_asked_for(provider, scripted):
    key, body = scripted(Reply(PARTS)), body_of(CHAT, stream=True)
    plain = post(provider, CHAT, body, key=key).content
    body |= {"stream_options": {"include_usage": True}}
    counted = post(provider, CHAT, body, key=key).content
    assert plain.endswith(b"data: [DONE]\n\n") and b"usage" not in plain
    last = events_of(counted)[-1]
    assert last["choices"] == [] and last["usage"]["completion_tokens"] > 0
    assert {None} == {one["usage"] for one in events_of(counted)[:-1]}
    spoken = [one["choices"][0]["delta"].get("content") or "" for one in events_of(plain)]
    assert "".join(spoken) == "Größe, 大小. "


def test_events_of_responses_are_numbered(provider, scripted):
    key = scripted(Reply(PARTS))
    got = events_of(post(provider, RESPONSES, body_of(RESPONSES, stream=True), key=key).content)
    whole = post(provider, RESPONSES, body_of(RESPONSES), key=key).json()
    assert [one["sequence_number"] for one in got] == list(range(len(got)))
    assert got[0]["type"] == "response.created" and got[-1]["type"] == "response.completed"
    done = [one["item"] for one in got if one["type"] == "response.output_item.done"]
    assert [item["type"] for item in done] == ["reasoning", "message", "function_call"]
    assert [one["output_index"] for one in got if one["type"].endswith("item.done")] == [0, 1, 2]
    assert got[-1]["response"]["output"] == done
    assert [item["type"] for item in whole["output"]] == [item["type"] for item in done]


@pytest.mark.parametrize(
    ("path", "reason"),
    [(MESSAGES, '"stop_reason":"refusal"'), (CHAT, '"refusal":"No."'), (RESPONSES, '"refusal"')],
)
def test_refusals(provider, scripted, path, reason):
    key = scripted(Reply([Refused("No.")]))
    assert reason in post(provider, path, body_of(path), key=key).text


@pytest.mark.parametrize("path", [MESSAGES, CHAT, RESPONSES])
@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
def test_failures_have_the_shape_of_the_provider(provider, scripted, path, status):
    key = scripted(Failure(status, "on purpose", retry_after=2))
    response = post(provider, path, body_of(path), key=key)
    assert status == response.status_code and "on purpose" == said(response)
    assert "2" == response.headers["retry-after"]
    assert ("request_id" in response.json()) == (path == MESSAGES)


@pytest.mark.parametrize("path", [MESSAGES, CHAT, RESPONSES])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cut", [-1, 0, 40])
@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_is_seen_by_the_client(provider, scripted, path, stream, cut, reset):
    key = scripted(Reply(PARTS, cut=cut, reset=reset))
    body, headers = body_of(path, stream=stream), headers_of(path, key)
    got = bytearray()
    with (
        pytest.raises(httpx.TransportError),
        CLIENT.stream("POST", provider.url + path, json=body, headers=headers) as response,
    ):
        for part in response.iter_raw():
            got += part
    assert len(got) <= max(cut, 0)  # a reset may take what was on its way
    assert reset or len(got) == max(cut, 0)
    assert not provider.of(key)[0].complete and not provider.of(key)[0].disconnected


@pytest.mark.parametrize("path", [MESSAGES, CHAT, RESPONSES])
@pytest.mark.parametrize("stream", [False, True])
def test_chunks_and_compression_do_not_change_the_bytes(provider, scripted, path, stream):
    shapes = [{}, {"chunk": 1}, {"gzip": True}, {"gzip": True, "chunk": 3}]
    bodies = []
    for shape in shapes:
        key = scripted(Reply(PARTS, **shape))
        response = post(provider, path, body_of(path, stream=stream), key=key)
        assert ("content-encoding" in response.headers) == ("gzip" in shape)
        bodies.append(response.content)
    assert bodies[0] and {bodies[0]} == set(bodies)


def test_malformed_bytes_and_errors_inside_a_stream(provider, scripted):
    broken = Reply("One two.", mangle=lambda data: data.replace(b'{"type"', b'{"typ', 1))
    key = scripted(broken, Reply("One two.", fail_inside="too busy"))
    first = post(provider, MESSAGES, messages(stream=True), key=key).content
    second = post(provider, MESSAGES, messages(stream=True), key=key).content
    assert b'{"typ:' in first and b"message_stop" in first
    assert events_of(second)[-1]["error"]["type"] == "overloaded_error"
    assert b"message_stop" not in second


def test_a_client_that_goes_away_is_seen(provider, scripted):
    key = scripted(Reply("One two three four.", pause=0.02))
    request = {"json": chat(stream=True), "headers": headers_of(CHAT, key)}
    with CLIENT.stream("POST", provider.url + CHAT, **request) as response:
        next(response.iter_raw())
    record = provider.of(key)[0]
    for _ in range(500):
        if not record.disconnected:
            time.sleep(0.01)
    assert record.disconnected and not record.complete


# Scripts, records, bills


def test_scripts_by_key_and_by_number_of_the_call():
    with Upstream(App(script=echo, scripts={"mine": ["One.", "Two."]})) as provider:
        texts = [
            post(provider, CHAT, chat(), key=key).json()["choices"][0]["message"]["content"]
            for key in ("mine", "other", "mine", "mine")
        ]
        assert [len(provider.of(key)) for key in ("mine", "other")] == [3, 1]
    assert texts == ["One.", "Answer 0 to 1 messages.", "Two.", "Two."]


def test_a_tool_loop_ends_with_what_the_tool_said():
    with Upstream(App(script=ToolLoop([ToolCall("look", {"at": 1})]))) as provider:
        said = post(provider, MESSAGES, messages(tools=[LOOK])).json()["content"]
        call = said[-1]
        answer = user({"type": "tool_result", "tool_use_id": call["id"], "content": "a cat"})
        again = messages(HI, assistant(*said), answer, tools=[LOOK])
        assert "a cat" in post(provider, MESSAGES, again).json()["content"][0]["text"]


def test_requests_are_kept_byte_for_byte():
    with Upstream() as provider:
        body = b'{"model" :"gpt-4o-mini",\n "messages":[{"content":"\\u00e9","role":"user"}]}'
        request = (
            b"POST /v1/chat/completions?a=%%20b HTTP/1.1\r\nHost: x\r\nX-Odd:  Caf\xe9 \r\n"
            b"Authorization: Bearer k\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        with socket.create_connection(("127.0.0.1", provider.port)) as raw:
            raw.sendall(request + body)
            while raw.recv(65536):
                pass
    record = provider.records[0]
    assert (record.status, record.body, record.query) == (200, body, "a=%20b")
    assert (b"x-odd", b"Caf\xe9") in [(name, value.strip()) for name, value in record.headers]


def test_the_bill_of_anthropic_by_hand():
    """1,500 tokens written, then read with 1,000 more written; then an unmarked call."""
    long, more = "word " * 1500, "more " * 1000
    marked = user(text(long, cache_control=MARK))
    now = [0.0]
    with Upstream(App(clock=lambda: now[0])) as provider:
        first = post(provider, MESSAGES, messages(marked)).json()["usage"]
        size = first["cache_creation_input_tokens"]
        assert first["input_tokens"] == 0 and 1500 <= size <= 1510
        grown = messages(marked, assistant(text("ok")), user(text(more, cache_control=MARK)))
        second = post(provider, MESSAGES, grown).json()["usage"]
        assert second["cache_read_input_tokens"] == size
        assert 1000 <= second["cache_creation_input_tokens"] <= 1020
        now[0] += 301  # idle for longer than the five minutes
        third = post(provider, MESSAGES, grown).json()["usage"]
        assert third["cache_read_input_tokens"] == 0
        written = sum(u["cache_creation_input_tokens"] for u in (first, second, third))
        assert provider.app.accounts.total("k") == pytest.approx(1.25 * written + 0.1 * size)
        assert provider.app.accounts.total("another") == 0


def test_an_hour_in_the_cache_costs_twice():
    body = messages(user(text("word " * 1500, cache_control=HOUR)))
    now = [0.0]
    with Upstream(App(clock=lambda: now[0])) as provider:
        usage = post(provider, MESSAGES, body).json()["usage"]
        size = usage["cache_creation"]["ephemeral_1h_input_tokens"]
        assert size == usage["cache_creation_input_tokens"] > 1500
        now[0] += 3000
        assert post(provider, MESSAGES, body).json()["usage"]["cache_read_input_tokens"] == size
        assert provider.app.accounts.total("k") == pytest.approx(2 * size + 0.1 * size)


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_openai_finds_prefixes_in_steps_of_128(path):
    long = {"role": "user", "content": "word " * 1500}
    maker = chat if path == CHAT else responses
    with Upstream(App(prices=PRICES["openai"])) as provider:
        post(provider, path, maker(long))
        usage = post(provider, path, maker(long, HI)).json()["usage"]
        other = post(provider, path, maker(long, HI), key="other").json()["usage"]
    details = usage.get("prompt_tokens_details") or usage["input_tokens_details"]
    assert details["cached_tokens"] == 1408  # 11 whole steps of the 1,504 tokens
    details = other.get("prompt_tokens_details") or other["input_tokens_details"]
    assert details["cached_tokens"] == 0

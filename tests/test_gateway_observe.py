"""What observe says of the exchanges that pass through."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from chats import assistant, user
from gateways import Request, Upstream, raw, reply, request, running

import ctxmem
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.observe import audits, observing
from ctxmem.gateway.observe.observing import Observe
from ctxmem.gateway.observe.readings import unmarked
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import Reply, wire_of
from ctxmem.tokens import Estimate
from ctxmem.traces.events import Usage

PATHS = {
    "chat": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "responses": "/v1/responses",
}
TOOL = {
    "type": "function",
    "function": {
        "name": "read",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
    },
}


def observe(**options: Any) -> Observe:
    return Observe(Settings(upstreams={"": "http://127.0.0.1:1"}, store=":memory:", **options))


def facts_of(
    stage: Observe,
    body: Any,
    wire: str = "chat",
    *,
    tenant: str = "one",
    status: int = 200,
    reply: Reply | None = None,
) -> dict[str, Any]:
    made = wire_of("POST", PATHS[wire])
    assert made is not None
    exchange = Exchange(made, tenant, 1, original=[json.dumps(body).encode()])
    assert stage.prepare(exchange) is None
    stage.finish(exchange, status, reply)
    return exchange.facts


def test_tokens_are_those_of_count_messages_by_part() -> None:
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "read", "arguments": '{"path":"a"}'},
    }
    messages = [
        {"role": "system", "content": "Be brief."},
        user("What is in the file?"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "seven words are in this file"},
        user("Thanks."),
    ]
    facts = facts_of(observe(), {"model": "gpt-4o", "messages": messages, "tools": [TOOL]})
    whole = ctxmem.count_messages(
        messages, "gpt-4o", provider="openai", model="gpt-4o", tools=[TOOL]
    )
    assert sum(facts["tokens"].values()) == whole
    assert set(facts["tokens"]) == {
        "system",
        "tools",
        "user",
        "tool_calls",
        "tool_results",
        "overhead",
    }
    one = ctxmem.count_messages([messages[0]], "gpt-4o", provider="openai", model="gpt-4o")
    assert facts["tokens"]["system"] == one - 3  # without what begins the answer
    assert (facts["exact"], facts["model"], facts["messages"]) == (True, "gpt-4o", 4)


@pytest.mark.parametrize("wire", PATHS)
def test_every_wire_is_counted(wire: str) -> None:
    body: dict[str, Any] = {"model": "gpt-4o", "messages": [user("When?")], "system": "Be brief."}
    if wire == "responses":
        body = {"model": "gpt-4o", "input": "When?", "instructions": "Be brief."}
    if wire == "chat":
        body = {
            "model": "gpt-4o",
            "messages": [{"role": "system", "content": "Be brief."}, user("When?")],
        }
    parts = facts_of(observe(), body, wire)["tokens"]
    assert parts["system"] > 2 and parts["user"] > 1


def test_images_have_a_part_of_their_own() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    body = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, image]}],
    }
    assert facts_of(observe(), body)["tokens"]["images"] >= 85


def test_usage_and_the_answering_model_are_taken_over() -> None:
    reply = Reply(usage=Usage(100, 7, 60, None), model="gpt-4o-2024-08-06")
    facts = facts_of(observe(), {"model": "gpt-4o", "messages": [user("a")]}, reply=reply)
    assert facts["usage"] == {"input": 100, "cached": 60, "written": 0, "output": 7}
    assert facts["response_model"] == "gpt-4o-2024-08-06"


def test_what_check_finds_is_noted() -> None:
    body = {
        "model": "gpt-4o",
        "messages": [user("a"), {"role": "tool", "tool_call_id": "c", "content": "x"}],
    }
    found = facts_of(observe(), body)["findings"]
    assert [(one["kind"], one["refused"], one["index"]) for one in found] == [
        ("orphan_result", True, 1)
    ]


# Prefixes -----------------------------------------------------------------------------------------


def test_a_history_that_grows_can_be_read_from_the_cache() -> None:
    stage, chat = observe(), [user("first")]
    first = facts_of(stage, {"model": "gpt-4o", "messages": chat})
    chat += [assistant("second"), user("third")]
    facts = facts_of(stage, {"model": "gpt-4o", "messages": chat})
    assert "prefix_reused" not in first
    assert facts["prefix_broken"] == ""
    assert facts["prefix_reused"] == sum(first["tokens"].values()) - first["tokens"]["overhead"]
    assert facts["conversation"] == first["conversation"]


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"model": "gpt-4.1"}, "model"),
        ({"tools": [TOOL]}, "tools"),
        ({"messages": [user("first"), assistant("other"), user("third")]}, "message"),
        ({"messages": [user("first")]}, "message"),
        ({"messages": [{"role": "system", "content": "new"}, user("first")]}, "system"),
    ],
)
def test_what_broke_the_prefix_is_named(change: dict[str, Any], broken: str) -> None:
    stage = observe()
    body = {"model": "gpt-4o", "messages": [user("first"), assistant("second")]}
    facts_of(stage, body)
    facts = facts_of(stage, {**body, **change})
    assert facts["prefix_broken"] == broken
    assert (facts["prefix_reused"] > 0) == (broken == "message")


def test_cache_marks_that_move_break_nothing() -> None:
    stage = observe()
    mark = {"cache_control": {"type": "ephemeral"}}
    one = {"role": "user", "content": [{"type": "text", "text": "first", **mark}]}
    facts_of(stage, {"model": "claude-opus-5", "messages": [one]}, "anthropic")
    bare = {"role": "user", "content": [{"type": "text", "text": "first"}]}
    two = {"role": "user", "content": [{"type": "text", "text": "third", **mark}]}
    body = {"model": "claude-opus-5", "messages": [bare, assistant("second"), two]}
    assert facts_of(stage, body, "anthropic")["prefix_broken"] == ""


def test_unmarked_messages_are_the_same_objects() -> None:
    plain = {"role": "user", "content": [{"type": "text", "text": "a"}]}
    assert unmarked(plain) is plain
    assert unmarked({**plain, "cache_control": {}}) == plain


def test_conversations_of_two_tenants_do_not_meet() -> None:
    stage, body = observe(), {"model": "gpt-4o", "messages": [user("first")]}
    one, other = (facts_of(stage, body, tenant=name) for name in ("one", "other"))
    assert "prefix_reused" not in other
    assert one["conversation"] != other["conversation"]


def test_two_branches_of_a_conversation_go_on_by_themselves() -> None:
    stage, start = observe(), [user("first"), assistant("second")]
    left, right = [*start, user("left")], [*start, user("right")]
    for messages in (left, right):
        facts_of(stage, {"model": "gpt-4o", "messages": messages})
    longer = [*right, assistant("a"), user("b")]
    assert facts_of(stage, {"model": "gpt-4o", "messages": longer})["prefix_broken"] == ""


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "_MOST_FAMILIES", 3)
    monkeypatch.setattr(audits, "_MOST_LOGGED", 4)
    stage = observe()
    for i in range(20):
        facts_of(stage, {"model": "gpt-4o", "messages": [user(f"first {i}")]})
    for i in range(20):
        facts_of(stage, {"model": "gpt-4o", "messages": [user("one"), user(f"next {i}")]})
    assert len(stage._families) == 3
    assert max(map(len, stage._families.values())) <= observing._MOST_CHATS
    assert stage.audit().totals["calls"] == 4


# Counters -----------------------------------------------------------------------------------------


def test_an_estimate_learns_from_usage_and_only_the_gateways_own() -> None:
    stage, text = observe(), "When does the museum open on a holiday? " * 40
    shared = ctxmem.counter("claude-sonnet-4-5")
    assert isinstance(shared, Estimate)
    before = shared.count(text)
    for size in (10, 80, 40, 160, 20, 320) * 3:
        sent = "When does the museum open on a holiday? " * size
        true = Reply(usage=Usage(int(shared.count(sent) * 0.75) + 20, 5))
        body = {"model": "claude-sonnet-4-5", "messages": [user(sent)]}
        facts_of(stage, body, "anthropic", reply=true)
    own = stage.scales.counter("claude-sonnet-4-5")
    assert isinstance(own, Estimate) and own.observations == 16
    assert before * 0.75 < own.count(text) < before
    assert shared.count(text) == before and shared.observations == 0


def test_a_report_that_cannot_be_is_no_fault() -> None:
    stage = observe()
    body = {"model": "claude-sonnet-4-5", "messages": [user("a" * 400)]}
    facts = facts_of(stage, body, "anthropic", reply=Reply(usage=Usage(1, 5)))
    assert facts["usage"]["input"] == 1


def test_a_growing_history_is_counted_by_its_new_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    from ctxmem.chat.counting import Meter

    counted: list[Any] = []
    message = Meter.message

    def counting(self: Meter, given: Any, index: int) -> int:
        counted.append(given)
        return message(self, given, index)

    monkeypatch.setattr(Meter, "message", counting)
    stage, chat = observe(), []
    for i in range(10):
        chat += [user(f"question {i}"), assistant(f"answer {i}")]
        facts_of(stage, {"model": "gpt-4o", "messages": chat})
    assert len(counted) == 20


def test_an_unknown_model_is_counted_all_the_same() -> None:
    facts = facts_of(observe(), {"model": "house-model-3", "messages": [user("When?")]})
    assert (facts["exact"], facts["tokens"]["user"] > 0) == (False, True)


def test_the_audit_of_the_last_exchanges() -> None:
    stage, chat = observe(), []
    for i in range(3):
        chat += [
            user(f"question {i}: " + "a long passage about the museum. " * 30),
            assistant("yes"),
        ]
        facts_of(
            stage, {"model": "gpt-4o", "messages": chat}, reply=Reply(usage=Usage(900, 5, 0, 0))
        )
    totals = stage.audit().totals
    assert (totals["requests"], totals["sessions"]) == (3, 1)
    assert totals["billed"]["input"] == 2700


def test_facts_of_a_stream_through_the_whole_gateway() -> None:
    chunks = [
        {
            "id": "c",
            "model": "gpt-4o-x",
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": "At"}}],
        },
        {"choices": [{"index": 0, "delta": {"content": " nine."}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}},
    ]
    events = (
        b"".join(b"data: %s\n\n" % json.dumps(one).encode() for one in chunks) + b"data: [DONE]\n\n"
    )

    async def answer(got: Request, writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"
        writer.write(head % len(events) + events)

    upstream = Upstream(answer)
    body = json.dumps({"model": "gpt-4o", "stream": True, "messages": [user("When?")]}).encode()
    try:
        with running(upstream.url, stage=Observe) as gateway:
            came = raw(gateway.port, request(body=body))
            facts = gateway.facts()[0]
    finally:
        upstream.close()
    assert came.endswith(events)
    assert (facts["streamed"], facts["usage"]["output"], facts["response_model"]) == (
        True,
        2,
        "gpt-4o-x",
    )
    assert facts["seconds_upstream"] > 0 and facts["seconds_added"] >= 0


def test_errors_of_the_provider_are_counted_too() -> None:
    async def answer(got: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(b'{"error":{"message":"slow down"}}', "429 Too Many Requests"))

    upstream = Upstream(answer)
    try:
        with running(upstream.url, stage=Observe) as gateway:
            body = json.dumps({"model": "gpt-4o", "messages": [user("When?")]}).encode()
            raw(gateway.port, request(body=body))
            facts = gateway.facts()[0]
    finally:
        upstream.close()
    assert facts["status"] == 429 and "usage" not in facts and "fault" not in facts

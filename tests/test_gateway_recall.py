"""Calls of `recall` are answered between the model and the client, which sees none of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_rules import problems
from recall_clients import seen
from recall_rounds import (
    BESIDE,
    CLIENTS,
    LOOK,
    PAGE,
    SAID,
    WIRES,
    Given,
    Round,
    Upstream,
    request,
    run,
    stream,
    whole,
)

from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.recall.answering import NO_ROOM, PendingResults, RecallBudget
from ctxmem.gateway.recall.offering import offered, with_our_tools
from ctxmem.gateway.recall.recalling import Recalling, _drained
from ctxmem.gateway.wire import wire_of
from ctxmem.gateway.wire.frames import Frames
from ctxmem.gateway.wire.turns import TURNS


def order(part: tuple[str, Any]) -> int:
    """Return where a part may be in a reply: calls come last."""
    return {"think": 0, "text": 1}.get(part[0], 2)


def exchange_of(wire: str, body: dict[str, Any], tenant: str = "a") -> Exchange:
    """Return a client's request on its way, whose conversation has a memory."""
    paths = {"chat": "/chat/completions", "responses": "/responses", "anthropic": "/messages"}
    found = wire_of("POST", paths[wire])
    assert found is not None
    exchange = Exchange(found, tenant, 1, [json.dumps(body).encode()])
    exchange.notes["memory"] = object()
    return exchange


def after_tools(wire: str, final: dict[str, Any]) -> dict[str, Any]:
    """Return the client's next request, with the results of its own tools."""
    made = request(wire)
    if wire == "responses":
        calls = [one for one in final["output"] if one["type"] == "function_call"]
        results = [
            {"type": "function_call_output", "call_id": one["call_id"], "output": "seen"}
            for one in calls
        ]
        return {**made, "input": [*made["input"], *final["output"], *results]}
    if wire == "anthropic":
        said = {"role": "assistant", "content": final["content"]}
        calls = [one for one in final["content"] if one["type"] == "tool_use"]
        results = [
            {"type": "tool_result", "tool_use_id": one["id"], "content": "seen"} for one in calls
        ]
        added = [said, {"role": "user", "content": results}]
        return {**made, "messages": [*made["messages"], *added]}
    said = final["choices"][0]["message"]
    results = [
        {"role": "tool", "tool_call_id": one["id"], "content": "seen"} for one in said["tool_calls"]
    ]
    return {**made, "messages": [*made["messages"], said, *results]}


@pytest.mark.parametrize("wire", WIRES)
def test_a_whole_reply_has_the_texts_of_all_rounds_and_no_call(wire: str) -> None:
    upstream = Upstream(wire, [Round(LOOK), Round(SAID)])
    reply, got, recalling = run(upstream)
    body = json.loads(got)
    assert str(len(got)) == reply.header(b"content-length")
    assert "recall" not in got.decode()
    assert {"recall_calls": 1} == recalling.facts
    if wire == "anthropic":
        kinds = ["thinking", "text", "thinking", "text"]
        assert kinds == [block["type"] for block in body["content"]]
        assert ("msg_1", "m-1", "end_turn") == (body["id"], body["model"], body["stop_reason"])
        # 101 + 102, 2 x 1000, 11 + 12
        usage = body["usage"]
        assert [203, 2000, 23] == [
            usage[f"{k}_tokens"] for k in ("input", "cache_read_input", "output")
        ]
    elif wire == "chat":
        (choice,) = body["choices"]
        assert "Let me look.\n\nPort 8443, naïve." == choice["message"]["content"]
        assert "Hm.So." == choice["message"]["reasoning_content"]
        assert ("chatcmpl-1", "m-1", "stop") == (body["id"], body["model"], choice["finish_reason"])
        assert (203, 20, 128) == (
            body["usage"]["prompt_tokens"],
            body["usage"]["completion_tokens"],
            body["usage"]["prompt_tokens_details"]["cached_tokens"],
        )
    else:
        kinds = ["reasoning", "message", "reasoning", "message"]
        assert kinds == [item["type"] for item in body["output"]]
        assert ("resp_1", "m-1", "completed") == (body["id"], body["model"], body["status"])
        assert (203, 20) == (body["usage"]["input_tokens"], body["usage"]["output_tokens"])


SCRIPTS = {
    "texts around a call": [Round(LOOK), Round(SAID)],
    "nothing before the call": [Round([("recall", {"query": "port"})]), Round(SAID)],
    "calls at once": [
        Round([("text", "Two."), ("recall", {"page": "p1"}), ("recall", {"query": "é"})]),
        Round(SAID),
    ],
    "three rounds": [Round(LOOK), Round(LOOK), Round([("recall", {})]), Round(SAID)],
    "then the client's tool": [Round(LOOK), Round([*SAID, ("tool", {"at": 1})])],
    "beside the client's tools": [
        Round([("text", "Both."), ("tool", {"a": 1}), ("recall", {"page": "p1"}), ("tool", {})])
    ],
    "recall first, beside a tool": [Round([("recall", {"page": "p1"}), ("tool", {"a": "b"})])],
    "cut in a call": [Round(LOOK, cut=True)],
    "cut in a later round": [Round(LOOK), Round(LOOK, cut=True)],
    "refused in a later round": [Round(LOOK), Round([("text", "I cannot.")], refusal=True)],
    "nothing after the call": [Round(LOOK), Round([])],
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_stream_makes_the_message_that_a_whole_reply_is(wire: str, name: str) -> None:
    rounds = SCRIPTS[name]
    _, at_once, _ = run(Upstream(wire, list(rounds)))
    upstream = Upstream(wire, list(rounds), streams=True)
    _, streamed, recalling = run(upstream)
    assert seen(wire, at_once, False) == seen(wire, streamed, True)
    assert b"recall" not in streamed
    assert "fault" not in recalling.facts
    assert len(rounds) == upstream.given
    assert all(body.closed for body in upstream.bodies)


@pytest.mark.parametrize("name", SCRIPTS)
def test_events_of_all_rounds_are_numbered_on(name: str) -> None:
    _, got, _ = run(Upstream("responses", list(SCRIPTS[name]), streams=True))
    events = [frame.event or {} for frame in Frames(1 << 20).feed(got)]
    assert list(range(len(events))) == [event["sequence_number"] for event in events]
    kinds = [event["type"] for event in events]
    assert 1 == kinds.count("response.created") == kinds.count("response.in_progress")
    items = [one for one in events if one["type"] == "response.output_item.done"]
    assert list(range(len(items))) == [one["output_index"] for one in items]
    assert [one["item"] for one in items] == events[-1]["response"]["output"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_message_begins_and_ends_once(name: str) -> None:
    _, got, _ = run(Upstream("anthropic", list(SCRIPTS[name]), streams=True))
    events = [frame.event or {} for frame in Frames(1 << 20).feed(got)]
    kinds = [event["type"] for event in events if event["type"] != "ping"]
    assert ["message_start", "message_delta", "message_stop"] == [*kinds[:1], *kinds[-2:]]
    assert 3 == sum(kind.startswith("message") for kind in kinds)
    starts = [one["index"] for one in events if one["type"] == "content_block_start"]
    stops = [one["index"] for one in events if one["type"] == "content_block_stop"]
    assert list(range(len(starts))) == starts == stops
    # Each round's upstream sent a ping.
    assert len(SCRIPTS[name]) == len(events) - len(kinds)


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_completion_ends_once(name: str, usage: bool) -> None:
    rounds = list(SCRIPTS[name])
    _, got, _ = run(Upstream("chat", rounds, streams=True, usage=usage))
    frames = [one for one in Frames(1 << 20).feed(got) if not one.raw.startswith(b":")]
    assert [len(frames) - 1] == [n for n, frame in enumerate(frames) if frame.done]
    events = [frame.event or {} for frame in frames[:-1]]
    assert {("chatcmpl-1", 1001, "m-1")} == {(e["id"], e["created"], e["model"]) for e in events}
    ends = [e for e in events if e["choices"] and e["choices"][0]["finish_reason"]]
    assert 1 == len(ends)
    assert usage == any(e.get("usage") is not None for e in events)
    assert events[-1 - usage] == ends[0]


@pytest.mark.parametrize("wire", WIRES)
def test_the_stream_of_a_reply_without_a_call_is_the_upstreams(wire: str) -> None:
    for parts in (SAID, [*SAID, ("tool", {"a": 1})]):
        for end in ("\n", "\r\n"):
            upstream = Upstream(wire, [Round(parts)], streams=True, size=7, end=end)
            reply, got, _ = run(upstream)
            assert b"".join(upstream.bodies[0].body) == got
            upstream.bodies.clear()
    direct = Upstream(wire, [Round(SAID)])
    reply, got, _ = run(direct)
    assert b"".join(direct.bodies[0].body) == got
    assert direct.bodies[0].headers == reply.headers


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_events_are_cut_alike_wherever_parts_end(end: str) -> None:
    lines = ": é", "", "event: a", 'data: {"a": "😀"}', "", "id: 1", "data: {", 'data:"b": 2}', ""
    data = end.join([*lines, "data: [DONE]", "", ""]).encode()
    expected = Frames(1 << 20).feed(data)
    assert [None, {"a": "😀"}, {"b": 2}, None] == [frame.event for frame in expected]
    assert [False, False, False, True] == [frame.done for frame in expected]
    assert data == b"".join(frame.raw for frame in expected)
    for at in range(1, len(data)):
        for then in range(at, len(data)):
            frames = Frames(1 << 20)
            parts = data[:at], data[at:then], data[then:]
            assert expected == [one for part in parts for one in frames.feed(part)], (at, then)
            assert b"" == frames.rest()


def test_an_event_with_other_data_keeps_its_other_fields() -> None:
    (frame,) = Frames(100).feed(b'event: a\r\nid: 7\r\ndata: {"a":\r\ndata: 1}\r\n\r\n')
    assert b'event: a\r\nid: 7\r\ndata: {"a":"\\ud83d"}\r\n\r\n' == frame.with_event(
        {"a": "\ud83d"}
    )


def all_splits(wire: str, step: int) -> None:
    """Compare what a client gets of a stream in two parts, split at many places."""
    _, expected, _ = run(Upstream(wire, [Round(BESIDE)], streams=True))
    data = stream(wire, Round(BESIDE, number=1))

    async def splits() -> None:
        for at in range(1, len(data), step):
            first = Given([data[:at], data[at:]])
            recalling = Recalling(
                wire, request(wire, stream=True), None, lambda _: "x", lambda *_: None, 1 << 20
            )
            reply = await recalling.reply(first)
            assert expected == b"".join([part async for part in reply.parts()]), at

    asyncio.run(splits())


@pytest.mark.parametrize("wire", WIRES)
def test_a_client_gets_the_same_wherever_parts_end(wire: str) -> None:
    all_splits(wire, 23)
    rounds = [Round(LOOK), Round(SAID)]
    for end in ("\n", "\r\n"):
        _, expected, _ = run(Upstream(wire, list(rounds), streams=True, end=end))
        for size in (1, 5, 64):
            _, got, _ = run(Upstream(wire, list(rounds), streams=True, end=end, size=size))
            assert expected == got


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
def test_a_client_gets_the_same_at_every_place_where_parts_end(wire: str) -> None:
    all_splits(wire, 1)


@pytest.mark.parametrize("wire", WIRES)
def test_events_before_a_call_do_not_wait(wire: str) -> None:
    upstream = Upstream(wire, [Round(LOOK), Round(SAID)], streams=True, size=40)

    async def first_parts() -> list[int]:
        recalling = Recalling(
            wire, request(wire, stream=True), upstream.send, lambda _: "x", None, 1 << 20
        )
        reply = await recalling.reply(upstream.next())
        read = []
        async for part in reply.parts():
            assert part.endswith(b"\n\n")
            read.append(upstream.bodies[0].given)
        return read

    # No more of the upstream's parts of 40 bytes are read than make the next event.
    read = asyncio.run(first_parts())
    whole = stream(wire, Round(LOOK, number=1))
    ends = [i + 2 for i in range(len(whole)) if whole[i : i + 2] == b"\n\n"]
    expected = [-(-end // 40) for end in ends]
    assert sorted(set(expected))[:3] == sorted(set(read))[:3]


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_the_request_that_goes_on_has_the_reply_as_it_came(wire: str, streams: bool) -> None:
    upstream = Upstream(wire, [Round(LOOK), Round(SAID)], streams=streams)
    run(upstream)
    (sent,) = upstream.requests
    asked = request(wire, stream=streams)
    body = whole(wire, Round(LOOK, number=1))
    if wire == "responses":
        assert asked["input"] + body["output"] == sent["input"][:-1]
        output = {"type": "function_call_output", "call_id": "call_1_2", "output": PAGE}
        assert output == sent["input"][-1]
    elif wire == "anthropic":
        said = {"role": "assistant", "content": body["content"]}
        result = {"type": "tool_result", "tool_use_id": "toolu_1_2", "content": PAGE}
        results = {"role": "user", "content": [result]}
        assert [*asked["messages"], said, results] == sent["messages"]
        assert "sig10" == body["content"][0]["signature"]
    else:
        said = {k: v for k, v in body["choices"][0]["message"].items() if k != "refusal"}
        result = {"role": "tool", "tool_call_id": "call_1_0", "content": PAGE}
        assert [*asked["messages"], said, result] == sent["messages"]
    rest = {k: v for k, v in asked.items() if k not in ("messages", "input")}
    assert rest == {k: v for k, v in sent.items() if k not in ("messages", "input")}


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("tools", [0, 1])
@pytest.mark.parametrize("wire", WIRES)
def test_after_eight_rounds_the_tool_is_taken_away(wire: str, tools: int, streams: bool) -> None:
    upstream = Upstream(wire, [Round(LOOK)] * 12, streams=streams)
    _, got, recalling = run(upstream, tools=tools)
    assert 8 == len(upstream.requests)
    assert {"recall_calls": 8} == recalling.facts
    *before, last = upstream.requests
    assert all(request(wire)["tools"][-1] == sent["tools"][-1] for sent in before)
    if tools:
        assert [CLIENTS[wire]] == last["tools"]
    else:
        assert NONE[wire] == last["tool_choice"]
    final = json.dumps(seen(wire, got, streams))
    assert "recall" not in final
    ends = {"anthropic": '"end_turn"', "chat": '"stop"', "responses": '"completed"'}
    assert ends[wire] in final


# Beside the client's calls ------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_a_result_beside_the_clients_calls_waits_for_its_next_request(
    wire: str, streams: bool
) -> None:
    waiting = PendingResults()
    upstream = Upstream(wire, [Round(BESIDE)], streams=streams)
    _, got, recalling = run(upstream, keep=lambda ids, text: waiting.keep("a", ids, text))
    assert [] == upstream.requests
    assert {"recall_calls": 1} == recalling.facts
    sent = after_tools(wire, seen(wire, got, streams))
    messages = sent["input" if wire == "responses" else "messages"]
    text = waiting.text_for("a", messages)
    sent["tools"] = sent["tools"][:-1]
    assert f'You called recall with {{"page": "p1"}}. Its result:\n{PAGE}' == text
    assert "" == waiting.text_for("b", messages)
    exchange = exchange_of(wire, sent)
    again = json.loads(with_our_tools(exchange, None, waiting) or b"")
    assert again == exchange.notes["body"]
    assert request(wire)["tools"] == again["tools"]
    name = "input" if wire == "responses" else "messages"
    assert [] == problems(again[name], {"chat": "openai"}.get(wire, wire))
    assert text in json.dumps(again[name][-1]).encode().decode("unicode_escape")
    exchange = exchange_of(wire, sent)
    exchange.notes["room"] = RecallBudget(60, len)
    without = (with_our_tools(exchange, None, waiting) or b"").decode()
    assert NO_ROOM in without
    assert "You called" not in without
    if wire == "anthropic":
        kinds = [block["type"] for block in again[name][-1]["content"]]
        assert ["tool_result", "text"] == kinds
    else:
        assert messages == again[name][:-1]
    # A request further on has the results in its past, and nothing waits for it.
    later = [*messages, {"role": "assistant", "content": "So."}, {"role": "user", "content": "?"}]
    assert "" == waiting.text_for("a", later)


def test_what_waits_is_bounded() -> None:
    waiting = PendingResults(most=100)
    for n in range(50):
        waiting.keep("a", [f"c{n}"], "x" * 30)
    held = [n for n in range(50) if waiting.text_for("a", [{"tool_call_id": f"c{n}"}])]
    assert [47, 48, 49] == held


# Whether the tool is offered ----------------------------------------------------------------------

NONE = {"chat": "none", "responses": "none", "anthropic": {"type": "none"}}


@pytest.mark.parametrize("wire", WIRES)
def test_the_tool_is_behind_the_clients(wire: str) -> None:
    own = {**request(wire), "tools": [CLIENTS[wire]]}
    for asked in (own, {**own, "tools": []}, {k: v for k, v in own.items() if k != "tools"}):
        exchange = exchange_of(wire, asked)
        sent = json.loads(with_our_tools(exchange, None, PendingResults()) or b"")
        assert asked.get("tools", []) + request(wire)["tools"][-1:] == sent["tools"]
        assert {**asked, "tools": sent["tools"]} == sent


@pytest.mark.parametrize("wire", WIRES)
def test_the_tool_is_not_offered_where_it_cannot_be(wire: str) -> None:
    own = {**request(wire), "tools": [CLIENTS[wire]]}
    for other in (
        {"tool_choice": NONE[wire]},
        {"tools": request(wire)["tools"]},  # the client has a tool of that name
        {"n": 2},
        {"functions": []},
    ):
        exchange = exchange_of(wire, {**own, **other})
        assert with_our_tools(exchange, None, PendingResults()) is None
        assert b"{}" == with_our_tools(exchange, b"{}", PendingResults())
        assert exchange.notes.get("body") is None
    exchange = exchange_of(wire, own)
    exchange.notes["memory"] = None
    assert with_our_tools(exchange, None, PendingResults()) is None


def test_a_client_that_leaves_its_history_to_the_provider_is_not_offered_the_tool() -> None:
    own = {"model": "m", "input": "hello"}
    said = {"type": "message", "role": "assistant", "content": [], "id": "m1"}
    cases = {
        json.dumps({**own, "store": False}): True,
        json.dumps({**own, "input": [said, {"role": "user", "content": "?"}]}): True,
        json.dumps(own): False,  # it may go on with `previous_response_id`
        json.dumps({**own, "store": False, "previous_response_id": "r"}): False,
        json.dumps({**own, "store": False, "background": True}): False,
    }
    for body, expected in cases.items():
        asked = exchange_of("responses", json.loads(body)).read()
        assert expected == (offered(asked, "responses") != asked.tools)


# The budget of recall ----------------------------------------------------------------------------


def test_a_result_is_cut_after_a_line_where_there_is_no_room() -> None:
    room = RecallBudget(100, len)
    text = "\n".join(f"line {n}" for n in range(9)) + "\n" + "x" * 200
    got = room.fitting(text)
    assert (
        "line 0\nline 1\nline 2\n[cut here: 7 of 10 lines do not fit; give a narrower 'query']"
        == got
    )
    assert 100 - 16 - len(got) == room.left
    assert NO_ROOM == room.fitting(text)


@pytest.mark.parametrize("wire", WIRES)
def test_what_follows_fits_the_room(wire: str) -> None:
    upstream = Upstream(wire, [Round(LOOK), Round(SAID)])

    async def replied() -> None:
        recalling = Recalling(
            wire, request(wire), upstream.send, lambda _: "word\n" * 500, None, 1 << 20,
            room=RecallBudget(300, len),
        )  # fmt: skip
        await recalling.reply(upstream.next())

    asyncio.run(replied())
    text = json.dumps(upstream.requests[0])
    assert "lines do not fit" in text
    # 300 less what was said, of 10 or 11 tokens by its usage, and what is beside a result
    assert 200 < text.count("word") * len("word\n") < 300 - 10 - 16


@pytest.mark.parametrize("name", [["recall"], {}, None, 7])
def test_a_call_whose_name_is_no_text_is_none_of_ours(name: Any) -> None:
    call = {"id": "c1", "call_id": "c1", "name": name, "function": {"name": name}}
    for wire, body in (
        ("anthropic", {"content": [{"type": "tool_use", **call}]}),
        ("chat", {"choices": [{"message": {"tool_calls": [call]}}]}),
        ("responses", {"output": [{"type": "function_call", **call}]}),
    ):
        made = TURNS[wire]({}, 100).read(body)
        assert (made.calls, made.others) == ([], ["c1"])


async def test_a_client_that_leaves_as_a_round_ends_is_not_missed() -> None:
    async def over() -> AsyncIterator[bytes]:
        task.cancel()
        for part in ():
            yield part

    async def goes_on() -> None:
        await _drained(over())
        await asyncio.sleep(0)

    task = asyncio.ensure_future(goes_on())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_round_that_does_not_end_is_not_waited_for(monkeypatch: Any) -> None:
    state = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while len(state) < 5000:
                await asyncio.sleep(0.001)
                state.append("read")
                yield b""
            state.append("at its end")
        except asyncio.CancelledError:
            state.append("cancelled")
            raise

    monkeypatch.setattr("ctxmem.gateway.recall.recalling._DRAIN_SECONDS", 0.05)
    await _drained(endless())
    assert ["read", "cancelled"] == [state[0], state[-1]]


# Any script ---------------------------------------------------------------------------------------

PARTS = st.one_of(
    st.tuples(st.just("text"), st.sampled_from(["Hm.", "naïve 😀", "a\nb"])),
    st.tuples(st.just("think"), st.sampled_from(["So", "é"])),
    st.tuples(st.just("recall"), st.sampled_from([{}, {"page": "p1"}, {"query": "é"}])),
    st.tuples(st.just("tool"), st.sampled_from([{}, {"a": 1}])),
)
REPLIES = st.lists(PARTS, max_size=4).map(lambda parts: sorted(parts, key=order))


@pytest.mark.parametrize("wire", WIRES)
@settings(max_examples=15, deadline=None)
@given(
    scripts=st.lists(REPLIES, min_size=1, max_size=5),
    cut=st.booleans(),
    size=st.sampled_from([0, 1, 9, 100]),
)
def test_no_script_leaves_a_trace_of_recall(
    wire: str, scripts: list[list[tuple[str, Any]]], cut: bool, size: int
) -> None:
    rounds = [Round(parts) for parts in scripts]
    rounds[-1].cut = cut
    rounds.append(Round(SAID))
    direct = Upstream(wire, list(rounds))
    _, got, _ = run(direct)
    final = seen(wire, got, False)
    assert "recall" not in json.dumps(final)
    upstream = Upstream(wire, list(rounds), streams=True, size=size)
    _, streamed, _ = run(upstream)
    assert final == seen(wire, streamed, True)
    assert direct.given == upstream.given
    # Each request was checked by the provider's rules when it was sent.
    texts = [said for one in rounds[: upstream.given] for kind, said in one.parts if kind == "text"]
    assert texts == [text for text in texts if json.dumps(text)[1:-1] in json.dumps(final)]

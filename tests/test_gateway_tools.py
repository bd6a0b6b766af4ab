"""Tools that `manage` chooses: the bytes that go out, calls of `find_tool`, and what it costs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_gateway_manage import Client, Clock, manage, user
from test_gateway_recall_served import WIRES, Conversation, served, text_of
from upstream.app import App
from upstream.script import Call, Failure, Reply, Text, ToolCall
from upstream.server import Upstream

from ctxmem.errors import InputError
from ctxmem.gateway.manage import tool_sets
from ctxmem.gateway.manage.managing import Manage
from ctxmem.gateway.manage.tool_sets import Finder
from ctxmem.gateway.recall.answering import PendingResults, RecallBudget
from ctxmem.gateway.recall.offering import with_our_tools
from ctxmem.gateway.settings import Settings
from ctxmem.pricing import PRICES
from ctxmem.traces.events import Usage

THINGS = "cargo crew tide wind map rope sail oar flag chart deck mast hull anchor compass".split()
DOES = ("list", "create", "delete", "update")
BUDGET = 3_000


def schema(name: str, wire: str) -> dict[str, Any]:
    """A tool of about 150 tokens in a wire format."""
    does, thing = name.split("_")
    about = f"{does.title()} the {thing} of a ship. " + " ".join(
        f"Field {n} of the {thing} is shown as it was entered by the officer on watch."
        for n in range(6)
    )
    fields = {
        f"{thing}_{n}": {"type": "string", "description": f"value {n} of the {thing}"}
        for n in range(4)
    }
    parameters = {"type": "object", "properties": fields}
    if wire == "anthropic":
        return {"name": name, "description": about, "input_schema": parameters}
    function = {"name": name, "description": about, "parameters": parameters}
    if wire == "responses":
        return {"type": "function", **function, "strict": False}
    return {"type": "function", "function": function}


NAMES = [f"{does}_{thing}" for does in DOES for thing in THINGS]


def schemas(wire: str) -> list[dict[str, Any]]:
    return [schema(name, wire) for name in NAMES]


def name_of(tool: dict[str, Any]) -> str:
    return tool.get("name") or tool["function"]["name"]


def names_in(data: bytes) -> list[str]:
    return [name_of(one) for one in json.loads(data)["tools"]]


def stage_of(**options: Any) -> Manage:
    given = {"mode": "manage", "tools": BUDGET, "budget": 60_000, **options}
    return Manage(Settings({"": "http://127.0.0.1:1"}, store=":memory:", **given))


def needing(name: str) -> Any:
    """A model that calls one tool of the client, and finds it if it is not offered."""

    def script(call: Call) -> Reply:
        tail = json.dumps(call.items[-1])
        if "seen" in tail:
            return Reply([Text("Done.")])
        if "please" not in tail and "offered_from_now_on" not in tail and "find_tool" not in tail:
            return Reply([Text("Fine.")])
        if name in call.tools():
            return Reply([Text("Calling."), ToolCall(name, {})])
        return Reply([ToolCall("find_tool", {"query": name})])

    return script


# Through the gateway, to the strict upstream ------------------------------------------------------


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_the_model_finds_a_tool_and_the_client_sees_only_its_call(wire: str, streams: bool) -> None:
    stage = stage_of()
    with (
        Upstream(App(script=needing("delete_compass"))) as upstream,
        served(upstream, stage, recall=False, tools=BUDGET) as url,
    ):
        talk = Conversation(wire, url, streams, tools=schemas(wire))
        assert "Done." == text_of(wire, talk.ask("List the cargo please."))
        assert "Fine." == text_of(wire, talk.ask("Thanks."))
        assert "find_tool" not in json.dumps(talk.history)
        assert "delete_compass" in json.dumps(talk.history)
        assert [] == [one.error for one in upstream.records if one.status != 200]
        sent = [names_in(one.body) for one in upstream.records]
    first, found, *later = sent
    assert "delete_compass" not in first and "find_tool" in first and len(first) < len(NAMES)
    assert "list_cargo" in first
    assert {*first, "delete_compass"} == set(found)
    assert [found] * len(later) == later  # stable from then on


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_a_tool_that_is_found_beside_a_call_of_the_client_is_declared_next(
    wire: str, streams: bool
) -> None:
    def script(call: Call) -> Reply:
        said = json.dumps(call.items[1:])
        if "offered_from_now_on" in said:
            return Reply([Text("Found." if "delete_compass" in call.tools() else "Not there.")])
        return Reply([ToolCall("find_tool", {"query": "delete_compass"}), ToolCall(NAMES[0], {})])

    with (
        Upstream(App(script=script)) as upstream,
        served(upstream, stage_of(), recall=False, tools=BUDGET) as url,
    ):
        talk = Conversation(wire, url, streams, tools=schemas(wire))
        assert "Found." == text_of(wire, talk.ask("List the cargo."))
        assert [200, 200] == [one.status for one in upstream.records]
        first, second = (names_in(one.body) for one in upstream.records)
    assert {*first, "delete_compass"} == set(second) != set(first)


@pytest.mark.parametrize("wire", WIRES)
def test_both_tools_of_ours_are_answered_in_one_reply(wire: str) -> None:
    def script(call: Call) -> Reply:
        said = json.dumps(call.items[1:])
        if "offered_from_now_on" not in said:
            return Reply([ToolCall("find_tool", {"query": "delete_hull"}), ToolCall("recall", {})])
        assert {"recall", "delete_hull"} <= set(call.tools())
        return Reply([Text("Both.")])

    stage = stage_of(recall=True)
    with (
        Upstream(App(script=script)) as upstream,
        served(upstream, stage, tools=BUDGET) as url,
    ):
        talk = Conversation(wire, url, False, tools=schemas(wire))
        assert "Both." == text_of(wire, talk.ask("List the cargo."))
        assert [200, 200] == [one.status for one in upstream.records]


@pytest.mark.parametrize("wire", WIRES)
def test_what_is_refused_goes_out_as_the_client_wrote_it_from_then_on(wire: str) -> None:
    def script(call: Call) -> Reply | Failure:
        return Failure(400, "no") if "find_tool" in call.tools() else Reply("Plain.")

    stage = stage_of()
    with (
        Upstream(App(script=script)) as upstream,
        served(upstream, stage, recall=False, tools=BUDGET) as url,
    ):
        talk = Conversation(wire, url, False, tools=schemas(wire))
        assert "Plain." == text_of(wire, talk.ask("List the cargo."))
        assert "Plain." == text_of(wire, talk.ask("And now?"))
        assert [400, 200, 200] == [one.status for one in upstream.records]
        assert NAMES == names_in(upstream.records[-1].body)


@pytest.mark.parametrize("wire", WIRES)
def test_without_the_option_and_with_few_tools_bytes_pass_as_they_are(wire: str) -> None:
    few = schemas(wire)[:5]
    for tools, options in ((schemas(wire), {}), (few, {"tools": BUDGET})):
        stage = manage(budget=60_000, counter=None, **options)
        client = Client(stage, wire, tools=tools)
        assert client.ask(user("List the cargo.")) is None
        assert "finder" not in client.exchange.notes


def test_the_option_needs_the_mode_and_a_number() -> None:
    with pytest.raises(InputError, match="tools works in the mode 'manage'"):
        Settings({"": "http://127.0.0.1:1"}, tools=100)
    with pytest.raises(InputError, match="tools is 0"):
        Settings({"": "http://127.0.0.1:1"}, mode="manage", tools=0)


# The bytes ----------------------------------------------------------------------------------------


def body_sent(client: Client, raw: bytes | None = None) -> bytes:
    """Return what goes out, as the gateway makes it of what the stage returns."""
    data = json.dumps(client.body(), indent=1).encode() if raw is None else raw
    changed = client.send(data)
    made = with_our_tools(client.exchange, changed, PendingResults())
    return data if made is None else made


KEPT = {
    "chat": [
        {"type": "function", "function": {"name": "exact", "parameters": {}, "strict": True}},
        {"type": "custom", "custom": {"name": "shell"}},
    ],
    "responses": [
        {"type": "web_search", "filters": None},
        {"type": "mcp", "server_label": "x", "server_url": "https://x.test/"},
        {"type": "function", "name": "exact", "parameters": {}, "strict": True},
    ],
    "anthropic": [
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 1.50},
        {"type": "computer_20250124", "name": "computer", "display_width_px": 1},
        {**schema("list_planks", "anthropic"), "cache_control": {"type": "ephemeral"}},
    ],
}


@pytest.mark.parametrize("wire", WIRES)
def test_tools_with_a_meaning_of_their_own_are_kept_byte_for_byte(wire: str) -> None:
    tools = [KEPT[wire][0], *schemas(wire), *KEPT[wire][1:]]
    client = Client(manage(budget=60_000, tools=BUDGET), wire, tools=tools, store=False)
    client.told = [user("List the cargo. \u00e9")]
    data = json.dumps(client.body(), indent=3).encode()
    sent = body_sent(client, data)
    before, after = data.split(b'"tools": ['), sent.split(b'"tools": [')
    assert before[0] == after[0]
    assert before[1][before[1].rindex(b"]") :] == after[1][after[1].rindex(b"]") :]
    for tool in KEPT[wire]:
        own = json.dumps(tool, indent=3).replace("\n", "\n      ").encode()
        assert own in data and own in sent
    last = json.loads(sent)["tools"][-1]
    assert KEPT[wire][-1] == last  # a mark behind the last tool is behind all of them
    assert len(json.loads(sent)["tools"]) < len(tools)


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": {"type": "function", "function": {"name": "delete_hull"}}},
        {"tool_choice": "required"},
        {"n": 2},
        {"functions": []},
    ],
)
def test_what_asks_for_a_tool_or_for_several_answers_is_not_touched(fields: Any) -> None:
    client = Client(manage(budget=60_000, tools=BUDGET), tools=schemas("chat"), **fields)
    assert client.ask(user("List the cargo.")) is None
    assert "finder" not in client.exchange.notes


@pytest.mark.parametrize(
    "tool",
    [
        schema("find_tool", "chat"),
        {"type": "tool_search"},
        schema("list_cargo", "chat"),  # a second one of this name
        "list_cargo",
    ],
)
def test_a_client_that_finds_tools_itself_or_is_wrong_is_not_touched(tool: Any) -> None:
    client = Client(manage(budget=60_000, tools=BUDGET), tools=[*schemas("chat"), tool])
    assert client.ask(user("List the cargo.")) is None
    assert "finder" not in client.exchange.notes


def test_a_forced_tool_of_the_choice_keeps_it_and_another_one_does_not() -> None:
    client = Client(manage(budget=60_000, tools=BUDGET), tools=schemas("chat"))
    client.ask(user("List the cargo."))
    chosen = names_in(body_sent(client))
    client.finish(usage=Usage(input=4000))
    for name, count in (("list_cargo", len(chosen)), ("delete_hull", len(NAMES))):
        client.fields["tool_choice"] = {"type": "function", "function": {"name": name}}
        client.told += [{"role": "assistant", "content": "So."}, user("And?")]
        assert count == len(names_in(body_sent(client)))


def call_of(name: str) -> list[dict[str, Any]]:
    function = {"name": name, "arguments": "{}"}
    return [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": f"c_{name}", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": f"c_{name}", "content": "ok"},
    ]


def test_a_tool_that_the_history_calls_is_sent_in_full() -> None:
    tools = schemas("chat")
    client = Client(manage(budget=60_000, tools=BUDGET), tools=tools)
    client.told = [user("List the cargo."), *call_of("delete_hull"), user("Go on.")]
    sent = json.loads(body_sent(client))["tools"]
    assert schema("delete_hull", "chat") in sent and len(sent) < len(tools)


def test_the_choice_is_stable_and_the_same_in_another_process() -> None:
    tools = schemas("chat")
    client = Client(manage(budget=60_000, tools=BUDGET), tools=tools)
    other = Client(manage(budget=60_000, tools=BUDGET), tools=tools)
    chosen = set()
    for n in range(12):
        client.told += [user(f"List the {THINGS[n]}.")]
        chosen.add(tuple(names_in(body_sent(client))))
        client.finish(usage=Usage(input=4000))
        client.told += [{"role": "assistant", "content": "So."}]
    assert 1 == len(chosen)
    other.told = [user("List the cargo.")]
    assert chosen == {tuple(names_in(body_sent(other)))}


def test_large_tools_of_many_conversations_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, tools = manage(budget=60_000, tools=BUDGET), schemas("chat")
    size = len(json.dumps(tools, indent=1))
    monkeypatch.setattr(tool_sets, "_MOST_BYTES", 4 * size)
    talks = [Client(stage, tools=tools) for _ in range(9)]
    chosen: list[set[tuple[str, ...]]] = [set() for _ in talks]
    for _ in range(2):  # the second time the first ones are not held any more
        for n, client in enumerate(talks):
            client.told += [user(f"List the cargo. {n}")]
            chosen[n].add(tuple(names_in(body_sent(client))))
            client.finish(usage=Usage(input=4000))
            client.told += [{"role": "assistant", "content": "So."}]
            assert len(stage._tools._held) <= 4
    assert len(stage._tools._held) == 3  # with what else is in a request
    assert all(len(one) == 1 and len(*one) < len(NAMES) for one in chosen)


# The bill -----------------------------------------------------------------------------------------


def bill(records: Any, wire: str) -> float:
    """Return what the upstream charged for input, in uncached tokens, by the rows' prices."""
    row = PRICES["anthropic" if wire == "anthropic" else "openai"]
    total = 0.0
    for one in records:
        usage = one.usage
        if wire == "anthropic":
            total += usage["input_tokens"] + row.read * usage["cache_read_input_tokens"]
            total += row.write * usage["cache_creation_input_tokens"]
        else:
            total += usage["input"] - (1 - row.read) * usage["cached"]
    return total


def talked(wire: str, script: Any, asked: list[str], **options: Any) -> tuple[float, Any]:
    with (
        Upstream(App(script=script)) as upstream,
        served(upstream, stage_of(**options), recall=False, **options) as url,
    ):
        talk = Conversation(wire, url, False, tools=schemas(wire))
        for text in asked:
            talk.ask(text)
        assert [] == [one.error for one in upstream.records if one.status != 200]
        return bill(upstream.records, wire), upstream.records


@pytest.mark.parametrize(
    ("wire", "needed"), [*((wire, "delete_compass") for wire in WIRES), ("chat", "list_cargo")]
)
def test_the_bill_is_below_that_of_passing_through_even_where_a_tool_is_looked_for(
    wire: str, needed: str
) -> None:
    asked = ["List the cargo please.", *(f"Thanks for {n}." for n in range(3))]
    through, _ = talked(wire, needing(needed), asked, tools=None)
    chosen, records = talked(wire, needing(needed), asked, tools=BUDGET)
    assert any("find_tool" in names_in(one.body) for one in records)
    assert chosen < through


@pytest.mark.parametrize("declares", [True, False])
def test_where_the_cache_is_too_dear_to_lose_schemas_are_in_the_answer(declares: bool) -> None:
    client = Client(manage(budget=60_000, tools=BUDGET), tools=schemas("chat"))
    client.told = [user("List the cargo.")]
    sent = json.loads(body_sent(client))
    chosen = client.exchange.notes["finder"].first
    finder = Finder(chosen, declares=declares, room=RecallBudget(10_000, len))
    call = {"function": {"name": "find_tool", "arguments": '{"query": "delete_hull"}'}}
    answer = finder.answer(call)
    made = finder.declared(sent)
    assert ("parameters" in answer) is not declares
    assert (schema("delete_hull", "chat") in made["tools"]) is declares
    assert (made is sent) is not declares
    assert "give 'query'" in finder.answer({"function": {"name": "find_tool", "arguments": "{"}})


def test_a_long_conversation_does_not_lose_its_cache_for_a_tool_that_was_found() -> None:
    client = Client(manage(budget=120_000, tools=BUDGET), tools=schemas("chat"))
    client.told = [user("List the cargo.")]
    body_sent(client)
    client.finish(usage=Usage(input=4000))
    client.told += [{"role": "assistant", "content": "So."}, user("sail " * 60_000)]
    body_sent(client)
    assert client.exchange.notes["finder"]._declares is False


def test_a_conversation_that_began_with_all_tools_goes_on_with_them() -> None:
    """The provider's cache holds all of them: other ones would be written anew."""
    clock = Clock()
    stage = manage(budget=60_000, tools=BUDGET, clock=clock)
    client = Client(stage, tools=schemas("chat"), tool_choice="required")
    client.ask(user("List the cargo."))
    client.finish(usage=Usage(input=9000))
    del client.fields["tool_choice"]
    client.told += [{"role": "assistant", "content": "So."}, user("And?")]
    assert len(NAMES) == len(names_in(body_sent(client)))
    clock.now += 100_000  # the cache is cold
    client.told += [{"role": "assistant", "content": "So."}, user("And?")]
    assert len(NAMES) > len(names_in(body_sent(client)))

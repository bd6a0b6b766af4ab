"""Chat histories: counted exactly, repaired by little, trimmed whole, whatever they are made of."""

from __future__ import annotations

import base64
import copy
import json
import struct
from importlib.util import find_spec
from pathlib import Path

import pytest
from chats import (
    assistant,
    call,
    result,
    same_objects,
    user,
    words,
)
from usages import png

import ctxmem
from ctxmem.chat import OVERHEAD, units

NEEDS_FRAMEWORKS = pytest.mark.skipif(
    not (find_spec("langchain_core") and find_spec("llama_index")),
    reason="needs LangChain and LlamaIndex",
)

CORPUS = json.loads((Path(__file__).parent / "data" / "histories.json").read_text("utf-8"))
REFUSED = {"orphan_result", "misplaced_result", "empty_content", "role_order"}
by_name = pytest.mark.parametrize("row", CORPUS, ids=lambda row: row["name"])


def refused(messages, provider=None):
    """Return the findings that a provider would refuse; a call in flight is none."""
    return [
        finding
        for finding in ctxmem.check(messages, provider=provider)
        if finding.kind in REFUSED
        or (finding.kind == "open_call" and "flight" not in finding.detail)
    ]


# The corpus ---------------------------------------------------------------------------------------


@by_name
def test_check_finds_what_is_wrong_and_nothing_else(row):
    options = {
        key: row[key] for key in ("provider", "budget", "tools", "previous_tools") if key in row
    }
    found = ctxmem.check(row["messages"], **options)
    assert [tuple(finding) for finding in row["findings"]] == [(f.kind, f.index) for f in found]


@by_name
def test_repair_leaves_nothing_refused_and_every_other_message_as_it_was(row):
    messages, provider = row["messages"], row.get("provider")
    before = copy.deepcopy(messages)
    log = []
    repaired = ctxmem.repair(messages, provider=provider, log=log)
    assert before == messages  # the input is not changed
    assert [f for f in refused(repaired, provider) if "no provider knows" not in f.detail] == []
    kept = [messages[i] for i in row["kept"]]
    touched = {f.index for f in log}
    whole = [m for i, m in enumerate(messages) if i in row["kept"] and i not in touched]
    assert {id(m) for m in whole} <= {id(m) for m in repaired}
    assert len(kept) <= len(repaired)
    assert same_objects(repaired, ctxmem.repair(repaired, provider=provider))
    if not log:
        assert same_objects(messages, repaired)


@by_name
def test_trim_keeps_units_whole_and_the_budget_at_every_size(row):
    messages, provider = row["messages"], row.get("provider")
    if not messages:
        assert [] == ctxmem.trim_messages([], 1)
        return
    total = ctxmem.count_messages(messages, provider=provider)
    for budget in sorted({max(1, total * part // 8) for part in range(1, 10)}):
        try:
            kept = ctxmem.trim_messages(messages, budget, provider=provider)
        except ctxmem.BudgetError as error:
            assert error.pinned
            continue
        assert ctxmem.count_messages(kept, provider=provider) <= budget
        assert [f for f in refused(kept, provider) if "no provider knows" not in f.detail] == []
    if not refused(messages, provider):
        assert same_objects(messages, ctxmem.trim_messages(messages, max(1, total)))


def test_the_corpus_has_every_kind_of_finding_and_of_message():
    kinds = {kind for row in CORPUS for kind, _ in row["findings"]}
    assert kinds == REFUSED | {
        "open_call",
        "duplicate_message",
        "repeated_passage",
        "prefix_breaker",
        "over_budget",
    }
    assert {row["kind"] for row in CORPUS} == {"openai", "anthropic", "responses", "langchain"}


# Prefixes -----------------------------------------------------------------------------------------


def test_the_first_change_to_the_request_before_is_told():
    before = [{"role": "system", "content": "s"}, user("a"), assistant("b"), user("c")]
    assert [] == ctxmem.check([*before, assistant("d")], previous=before)
    turned = [before[0], {"content": "a", "role": "user"}, *before[2:]]
    found = ctxmem.check(turned, previous=before)
    assert [("prefix_breaker", 1)] == [(f.kind, f.index) for f in found]
    assert "another order" in found[0].detail
    found = ctxmem.check([before[0], *before[2:]], previous=before)
    assert [("prefix_breaker", 1)] == [(f.kind, f.index) for f in found]
    assert "differs from this message" in found[0].detail
    found = ctxmem.check(before[:2], previous=before)
    assert "2 messages of the request before are gone" in found[0].detail


def test_a_time_that_is_now_breaks_the_prefix_and_office_hours_do_not():
    for text, count in (("The time is 13:36.", 1), ("Now: 9:05 am", 1), ("Open 9:00 to 17:30.", 0)):
        found = ctxmem.check([{"role": "system", "content": text}, user("hi")])
        assert count == sum(f.kind == "prefix_breaker" for f in found), text


# Repair -------------------------------------------------------------------------------------------


def test_late_result_moves_behind_its_call():
    chat = [user("a"), assistant(None, "1", "2"), result("1"), user("b"), result("2"), user("c")]
    repaired = ctxmem.repair(chat)
    assert same_objects([chat[i] for i in (0, 1, 2, 4, 3, 5)], repaired)


def test_calls_without_ids_keep_all_their_results():
    made = [{"function": {"name": "weather", "arguments": {"city": c}}} for c in ("Bern", "Chur")]
    told = [{"role": "tool", "tool_name": "weather", "content": c} for c in ("rain", "sun")]
    asked = {"role": "assistant", "content": "", "tool_calls": made}
    nameless = [{"role": "tool", "content": "rain"}, {"role": "tool", "content": "sun"}]
    for results in (told, nameless):
        chat = [user("Weather?"), asked, *results, assistant("Mixed.")]
        assert [] == ctxmem.check(chat)
        assert [range(0, 1), range(1, 4), range(4, 5)] == units(chat)


@NEEDS_FRAMEWORKS
def test_repair_takes_a_call_out_wherever_the_message_names_it():
    from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

    thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    said = AIMessage(
        [thought, *({"type": "tool_use", "id": k, "name": "f", "input": {}} for k in "ab")],
        tool_calls=[{"name": "f", "args": {}, "id": k} for k in "ab"],
        additional_kwargs={"tool_calls": [call("a"), call("b")], "trace": 7},
    )
    chat = [HumanMessage("hi"), said, ToolMessage("ok", tool_call_id="a"), HumanMessage("go on")]
    repaired = ctxmem.repair(chat)
    assert ["a"] == [c["id"] for c in repaired[1].tool_calls]
    assert ["thinking", "tool_use"] == [block["type"] for block in repaired[1].content]
    assert said.content[0] is repaired[1].content[0]  # byte for byte
    assert {"tool_calls": [call("a")], "trace": 7} == repaired[1].additional_kwargs
    assert 2 == len(said.tool_calls)  # the caller's message is not changed


def test_repair_keeps_blocks_it_does_not_know_byte_for_byte():
    blocks = [
        {"type": "compaction", "content": "earlier", "cache_control": {"type": "ephemeral"}},
        {"type": "thinking", "thinking": "", "signature": "c2ln"},
        {"type": "hologram", "voxels": [1]},
    ]
    chat = [
        user("a"),
        {"role": "assistant", "content": [*blocks, {"type": "tool_use", "id": "x", "name": "f"}]},
        user("b"),
    ]
    repaired = ctxmem.repair(chat)
    assert all(a is b for a, b in zip(blocks, repaired[1]["content"], strict=True))


# Units --------------------------------------------------------------------------------------------


def test_units_are_the_smallest_whole_runs():
    chat = [
        {"role": "system", "content": "s"},
        user("a"),
        assistant(None, "1", "2"),
        result("2"),
        result("1"),
        assistant("b"),
        {"type": "reasoning", "id": "r", "summary": []},
        {"type": "function_call", "call_id": "3", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "4", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "3", "output": ""},
        {"type": "function_call_output", "call_id": "4", "output": ""},
        assistant(None, "5"),
    ]
    expected = [(0, 1), (1, 2), (2, 5), (5, 6), (6, 11), (11, 12)]
    assert [range(*unit) for unit in expected] == units(chat)


# Counting -----------------------------------------------------------------------------------------


def test_a_plain_chat_counts_as_the_cookbook_says():
    # 3 for the request; 3, the role and the text for the message.
    assert 3 + 3 + 1 + 1 == ctxmem.count_messages([user("hi")])
    named = {"role": "user", "name": "Ann", "content": "hi"}
    assert 3 + 3 + 1 + 1 + 1 + 1 == ctxmem.count_messages([named], words)
    assert OVERHEAD["openai"].request == OVERHEAD["openai"].message == 3


@NEEDS_FRAMEWORKS
def test_every_framework_counts_alike():
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
    from llama_index.core.llms import ChatMessage

    plain = [
        {"role": "system", "content": "Be short."},
        user("How long is the notice period?"),
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [call("c1", arguments='{"term": "notice"}')],
        },
        result("c1", "thirty days"),
    ]
    lang = [
        SystemMessage("Be short."),
        HumanMessage("How long is the notice period?"),
        AIMessage(
            "Looking.", tool_calls=[{"name": "look_up", "args": {"term": "notice"}, "id": "c1"}]
        ),
        ToolMessage("thirty days", tool_call_id="c1"),
    ]
    llama = [
        ChatMessage(role="system", content="Be short."),
        ChatMessage(role="user", content="How long is the notice period?"),
        ChatMessage(
            role="assistant",
            content="Looking.",
            additional_kwargs={"tool_calls": plain[2]["tool_calls"]},
        ),
        ChatMessage(role="tool", content="thirty days", additional_kwargs={"tool_call_id": "c1"}),
    ]
    expected = ctxmem.count_messages(plain)
    assert expected == ctxmem.count_messages(lang) == ctxmem.count_messages(llama)
    for chat in (plain, lang, llama):
        assert [range(0, 1), range(1, 2), range(2, 4)] == units(chat)
        assert ["orphan_result"] == [f.kind for f in ctxmem.check([*chat[:2], chat[3]])]
        assert same_objects(chat[:2], ctxmem.repair([*chat[:2], chat[3]]))


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_use", "id": "t", "name": "f", "input": {"text": "word " * 400}},
        {"type": "thinking", "thinking": "word " * 400, "signature": ""},
        {
            "type": "tool_result",
            "tool_use_id": "t",
            "content": [{"type": "text", "text": "a " * 400}],
        },
        {"type": "redacted_thinking", "data": "QUJD" * 400},
        {"type": "hologram", "voxels": ["word"] * 400},
        {"type": "document", "source": {"type": "text", "data": "word " * 400}},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "word " * 400}]},
        {"type": "search_result", "content": [{"type": "text", "text": "word " * 400}]},
    ],
    ids=lambda block: block["type"],
)
def test_no_block_counts_for_nothing(block):
    assert 400 <= ctxmem.count_messages([{"role": "assistant", "content": [block]}]) <= 1700


def jpeg(wide, high):
    thumbnail = b"\xff\xe1" + struct.pack(">H", 5000) + bytes(4998)
    frame = b"\xff\xc0" + struct.pack(">HBHH", 17, 8, high, wide) + bytes(10)
    return base64.b64encode(b"\xff\xd8" + thumbnail + frame).decode()


@pytest.mark.parametrize("make", [png, jpeg])
@pytest.mark.parametrize(
    ("size", "openai", "anthropic"),
    [
        ((32, 32), 85 + 170, 4),  # one tile, 2 x 2 patches of 28 pixels
        ((1024, 1024), 2520, 37 * 37),  # 1,024 patches x 2.46, those of gpt-5-nano
        ((4096, 4096), 19661, 4761),  # 16,384 patches x 1.2, those of gpt-6; 69 x 69 of Claude
    ],
)
def test_images_cost_what_the_provider_publishes(make, size, openai, anthropic):
    data = make(*size)
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    source = {"type": "image", "source": {"type": "base64", "data": data}}
    empty = ctxmem.count_messages([{"role": "user", "content": []}])
    for expected, block in ((openai, url), (anthropic, source)):
        assert expected == ctxmem.count_messages([{"role": "user", "content": [block]}]) - empty


@NEEDS_FRAMEWORKS
def test_a_message_that_was_changed_is_counted_anew():
    from langchain_core.messages import AIMessage
    from llama_index.core.base.llms.types import TextBlock, ToolCallBlock
    from llama_index.core.llms import ChatMessage

    blocks = [TextBlock(text="x"), ToolCallBlock(tool_name="f", tool_kwargs={"a": 1})]
    llama = ChatMessage(role="assistant", blocks=blocks, additional_kwargs={"n": []})
    plain = assistant("x", "c1")
    lang = AIMessage("x", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "c1"}])
    extra = AIMessage("x", reasoning_content="first")
    before = [ctxmem.count_messages([message]) for message in (plain, lang, extra, llama, llama)]
    plain["tool_calls"][0]["function"]["arguments"] = "word " * 50
    lang.tool_calls[0]["args"]["a"] = "word " * 50
    extra.reasoning_content = "word " * 50
    llama.blocks[0].text = "word " * 50
    after = [ctxmem.count_messages([message]) for message in (plain, lang, extra, llama)]
    llama.blocks[0].text = "x"
    llama.blocks[1].tool_kwargs["a"] = "word " * 50
    after.append(ctxmem.count_messages([llama]))
    assert all(new > old + 40 for old, new in zip(before, after, strict=True))


@NEEDS_FRAMEWORKS
def test_tools_are_counted_from_any_framework():
    def look_up(term: str) -> str:
        """Look a term up in the contract."""

    from langchain_core.tools import tool
    from llama_index.core.tools import FunctionTool

    chat = [user("hi")]
    plain = ctxmem.count_messages(chat)
    schema = {"name": "look_up", "description": look_up.__doc__, "parameters": {"term": "str"}}
    for given in (schema, look_up, tool(look_up), FunctionTool.from_defaults(look_up)):
        assert plain + 30 < ctxmem.count_messages(chat, tools=[given]) < plain + 150
    with pytest.raises(ctxmem.InputTypeError, match=r"tool 0 is 5 \(int\)"):
        ctxmem.count_messages(chat, tools=[5])


# Hostile input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ("hi", "wrap it in a list"),
        ({"messages": []}, "pass its 'messages'"),
        (7, "messages is 7"),
        ([None], "message 0 is None"),
        ([{}], "message 0 is {}"),
        ([user("a"), {"role": 5, "content": "b"}], "message 1 has the role 5"),
        ([user(5)], "message 0 has the content 5"),
        ([user([5])], "message 0 has the block 5"),
        ([user({"type": "text"})], "message 0 has the content"),
    ],
)
def test_what_is_no_message_is_refused_by_name(messages, said):
    for take in (
        ctxmem.check,
        ctxmem.repair,
        ctxmem.count_messages,
        units,
        lambda given: ctxmem.trim_messages(given, 9),
    ):
        with pytest.raises(ctxmem.InputTypeError) as error:
            take(messages)
        assert said in str(error.value)


def test_an_unknown_provider_is_refused_everywhere():
    for take in (ctxmem.check, ctxmem.repair, ctxmem.count_messages):
        with pytest.raises(
            ctxmem.InputError, match=r"provider is 'acme'.*one of openai, anthropic"
        ):
            take([user("hi")], provider="acme")


def test_values_that_json_does_not_know_are_refused_by_name():
    loop = {}
    loop["self"] = loop
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for hostile in (loop, {"a": deep}, {("a", 1): 2}):
        block = {"type": "tool_use", "id": "t", "name": "f", "input": hostile}
        with pytest.raises(ctxmem.InputError, match="message 0 holds a value"):
            ctxmem.count_messages([{"role": "assistant", "content": [block]}])


def test_results_within_results_are_counted_however_deep():
    block = {"type": "text", "text": "bottom"}
    for i in range(200):
        block = {"type": "tool_result", "tool_use_id": f"t{i}", "content": [block]}
    assert 200 < ctxmem.count_messages([{"role": "user", "content": [block]}])


@pytest.mark.slow
def test_a_history_in_which_nothing_fits_together_takes_linear_time():
    chat = [m for i in range(20_000) for m in (assistant(None, f"a{i}"), result(f"b{i}"))]
    assert [user("x"), user("z")] == ctxmem.repair([user("x"), *chat, user("z")])
    nameless = [{"role": "tool", "content": "x"}] * 20_000
    assert [user("z")] == ctxmem.repair(
        [assistant(None, *map(str, range(20_000))), *nameless, user("z")]
    )
    keys = [f"t{i}" for i in range(20_000)]
    uses = [{"type": "tool_use", "id": key, "name": "f", "input": {}} for key in keys]
    late = [{"type": "tool_result", "tool_use_id": key} for key in keys]
    wide = [user("x"), {"role": "assistant", "content": uses}, user("y"), user(late)]
    assert same_objects([wide[i] for i in (0, 1, 3, 2)], ctxmem.repair(wide))
    same = [user("y" * 300)] * 20_000
    assert 19_999 == len(ctxmem.check(same))
    assert 3 < len(ctxmem.trim_messages(same, 10_000))

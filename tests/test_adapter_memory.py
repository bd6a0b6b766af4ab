"""One memory for every framework: states that change, restarts, old stores, broken stores."""

from __future__ import annotations

import json
import random

import pytest
import xxhash
from chats import random_chat
from fuzz_size import some
from provider_rules import problems

import ctxmem
from ctxmem import Memory
from ctxmem.errors import StoreError
from ctxmem.pricing import Bill, Block, prices_of
from ctxmem.stores import MemoryStore

pytest.importorskip("langchain")
pytest.importorskip("llama_index.core")
from langchain.agents.middleware.types import ModelRequest
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    ToolMessage,
    convert_to_messages,
    message_to_dict,
)
from llama_index.core.llms import ChatMessage
from test_adapters import from_langchain, from_llama_index, to_llama_index

from ctxmem.adapters.langchain import ContextMiddleware
from ctxmem.adapters.llama_index import ContextMemory


class Runtime:
    """What a middleware reads of LangGraph's runtime."""

    def __init__(self, thread):
        self.config = {"configurable": {"thread_id": thread}}


def sent_by(middleware, messages, thread="t", state=None):
    request = ModelRequest(
        model=None, messages=list(messages), state=state or {}, runtime=Runtime(thread)
    )
    sent = []
    middleware.wrap_model_call(request, lambda given: sent.extend(given.messages) or AIMessage(""))
    return sent


def turn(i, size=20):
    call = {"name": "look", "args": {"term": f"t{i}"}, "id": f"c{i}"}
    return [
        HumanMessage(f"question_{i} " + "word " * size, id=f"h{i}"),
        AIMessage("", tool_calls=[call], id=f"a{i}"),
        ToolMessage("found " * size, tool_call_id=f"c{i}", id=f"r{i}"),
        AIMessage(f"answer_{i} " + "word " * size, id=f"b{i}"),
    ]


def said(messages):
    return "\n".join(str(message.content) for message in messages)


def test_a_state_that_was_edited_or_rewound_shows_nothing_that_it_does_not_hold():
    rng = random.Random(7)
    middleware = ContextMiddleware(budget=500)
    state, number = [], 0
    for _ in range(150):
        what = rng.random()
        if what < 0.6 or len(state) < 4:
            state = [*state, *turn(number)]
            number += 1
        elif what < 0.75:
            state = state[: 4 * rng.randrange(1, len(state) // 4 + 1)]  # rewound
        elif what < 0.9:
            at = 4 * rng.randrange(len(state) // 4)
            changed = state[at].model_copy(update={"content": f"changed_{number}"})
            state = [*state[:at], changed, *state[at + 1 :]]
            number += 1
        else:
            at = 4 * rng.randrange(len(state) // 4)
            state = state[:at] + state[at + 4 :]
        asked = [*state, HumanMessage("And now?", id="last")]
        sent = sent_by(middleware, asked)
        assert ctxmem.count_messages(sent) <= 500
        assert "And now?" == sent[-1].content
        here = said(asked).split()
        names = {word for word in said(sent).split() if "_" in word}
        assert names <= set(here)
        assert [] == problems(from_langchain(sent), "openai")


def test_a_message_changed_in_place_is_shown_as_it_is_now():
    middleware = ContextMiddleware(budget=2000)
    state = turn(0)
    sent_by(middleware, [*state, HumanMessage("And?")])
    state[0].content = "other words"
    assert "other words" == sent_by(middleware, [*state, HumanMessage("And?")])[0].content


def test_threads_do_not_see_each_other():
    middleware = ContextMiddleware(budget=300, mode="persistent")
    for i in range(12):
        for thread in ("left", "right"):
            state = [HumanMessage(f"{thread}_{k} " + "word " * 20) for k in range(i + 1)]
            assert {thread} == {
                word.split("_")[0]
                for word in said(sent_by(middleware, state, thread)).split()
                if "left_" in word or "right_" in word
            }


@pytest.mark.parametrize("mode", ["ephemeral", "persistent"])
def test_requests_between_edits_begin_with_the_one_before_and_cost_what_memory_costs(mode):
    memory, middleware = Memory(700), ContextMiddleware(budget=700, recall_tool=False)
    bills = [Bill(prices_of("openai")), Bill(prices_of("openai"))]
    state = []
    for i in range(30):
        for message in [turn(i)[:1], turn(i)[1:3]]:
            state += message
            memory.append(list(message))
            for bill, window in zip(
                bills, (memory.window().messages, sent_by(middleware, state)), strict=True
            ):
                blocks = [Block(said([m]), ctxmem.count_messages([m])) for m in window]
                bill.call(blocks)
        state += turn(i)[3:]
        memory.append(turn(i)[3:])
    assert bills[0].cost == bills[1].cost > 0


def persisted(middleware, state, thread="t"):
    """Run one model call of an agent in persistent mode, and return its state."""
    update = middleware.before_model({"messages": state}, Runtime(thread))
    if update is not None:
        state = update["messages"][1:]
    sent = sent_by(middleware, state, thread)
    assert ctxmem.count_messages(sent) <= 400
    return state


@pytest.mark.parametrize("path", [True, False], ids=["restarted", "kept open"])
def test_what_left_a_persistent_state_is_there_and_nothing_is_lost_or_twice(path, tmp_path):
    store = str(tmp_path / "pages.db")
    middleware = ContextMiddleware(budget=400, mode="persistent", store=store, recall_tool=False)
    state, everything = [], []
    for i in range(20):
        if path and i % 3 == 0:
            middleware.close()
            middleware = ContextMiddleware(
                budget=400, mode="persistent", store=store, recall_tool=False
            )
        for part in (turn(i)[:1], turn(i)[1:3]):
            state, everything = [*state, *part], [*everything, *part]
            state = persisted(middleware, state)
        state, everything = [*state, turn(i)[3]], [*everything, turn(i)[3]]
    left = middleware.evicted("t")
    assert len(left) > 20
    assert {m.id for m in everything} == {m.id for m in [*left, *state]}
    assert len(everything) == len(left) + len(state)
    assert "question_3" in said(middleware.recall("question_3", 2, thread_id="t"))
    middleware.close()


class FailsAt(MemoryStore):
    """A store whose n-th write fails."""

    def __init__(self, n):
        super().__init__()
        self.left = n

    def append(self, *given, **options):
        self.left -= 1
        if self.left == 0:
            raise StoreError("the disk is full")
        return super().append(*given, **options)


@pytest.mark.parametrize("n", range(1, 40, 3))
def test_a_store_that_fails_on_a_write_drops_nothing(n):
    middleware = ContextMiddleware(budget=400, mode="persistent", store=FailsAt(n))
    state, everything = [], []
    for i in range(12):
        state, everything = [*state, *turn(i)[:1]], [*everything, *turn(i)[:1]]
        try:
            state = persisted(middleware, state)
        except StoreError:
            state = persisted(middleware, state)  # the next run of the agent
        state, everything = [*state, turn(i)[3]], [*everything, turn(i)[3]]
    here = {m.id for m in [*middleware.evicted("t"), *state]}
    assert {m.id for m in everything} == here


def old_session(store, tenant, messages, encode):
    """Write a session as ctxmem 0.1 did."""
    payloads = [json.dumps(encode(message)).encode() for message in messages]
    order = [xxhash.xxh3_128_hexdigest(payload) for payload in payloads]
    for i, page in enumerate(order):
        record = json.dumps({"whole": i == 0, "messages": [page]}).encode()
        store.append(tenant, "s", [record], pages={page: payloads[i]})


def test_sessions_of_the_version_before_are_read():
    store = MemoryStore()
    chat = [ChatMessage(f"The port of server {i} is 80{i}0.") for i in range(8)]
    old_session(store, "llama_index", chat, lambda m: m.model_dump(mode="json"))
    memory = ContextMemory(budget=900, store=store, session="s")
    assert chat == memory.get_all() == memory.get()
    memory.put(ChatMessage("And now?"))
    again = ContextMemory(budget=900, store=store, session="s")
    assert [*chat, ChatMessage("And now?")] == again.get_all()
    evicted = [HumanMessage(f"old {i}", id=str(i)) for i in range(5)]
    old_session(store, "langchain", evicted, message_to_dict)
    middleware = ContextMiddleware(budget=900, mode="persistent", store=store)
    assert evicted == middleware.evicted("s")
    sent_by(middleware, turn(0), "s")
    assert evicted == middleware.evicted("s")
    assert "old 3" in said(middleware.recall("old 3", 1, thread_id="s"))


@pytest.mark.parametrize(
    "rounds",
    [60, *(pytest.param(some(2500) + i, marks=pytest.mark.slow) for i in range(some(2, 2)))],
)
def test_random_histories_through_the_adapters_are_sound_within_budget_and_whole(rounds):
    rng = random.Random(rounds)
    asked = 0
    for _ in range(rounds):
        budget = rng.randrange(60, 900)
        middleware = ContextMiddleware(budget=budget)
        memory = ContextMemory(budget=budget)
        chat = []
        for _ in range(rng.randrange(1, 4)):
            chat += [m for m in random_chat(rng, rng.randrange(1, 5)) if m["role"] != "system"]
            chat.append({"role": "user", "content": f"question {rng.random()}"})
            memory.set(to_llama_index(chat)) if rng.random() < 0.2 else memory.put_messages(
                to_llama_index(chat[len(memory.get_all()) :])
            )
            try:
                windows = [
                    from_langchain(sent_by(middleware, convert_to_messages(chat))),
                    from_llama_index(memory.get()),
                ]
            except ctxmem.BudgetError as error:
                assert error.pinned
                continue
            assert to_llama_index(chat) == memory.get_all()
            for window in windows:
                asked += 1
                assert ctxmem.count_messages(window) <= budget
                assert [] == problems(window, "openai")
                assert chat[-1]["content"] in [m["content"] for m in window]
    assert asked > rounds


def test_low_water_is_deprecated_for_the_policy_that_does_the_same():
    with pytest.warns(DeprecationWarning, match="policy='slide'"):
        ContextMiddleware(budget=500, low_water=None)
    with pytest.warns(DeprecationWarning, match="policy='batch'"):
        ContextMemory(budget=500, low_water=0.5)


def test_what_json_cannot_hold_reaches_the_model_and_is_stored_without_it():
    rows = object()
    result = ToolMessage("found", tool_call_id="c0", artifact=rows, id="r0")
    state = [*turn(0)[:2], result]
    sent = sent_by(ContextMiddleware(budget=2000), state)
    assert rows is sent[-1].artifact

"""States that frameworks really have: branches of a thread, edits, removals, late results."""

from __future__ import annotations

import random
import re

import pytest

import ctxmem
from ctxmem.stores import MemoryStore

pytest.importorskip("langchain")
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.graph.message import add_messages
from provider_rules import problems
from test_adapter_memory import Runtime, sent_by
from test_adapters import from_langchain

from ctxmem.adapters.langchain import ContextMiddleware

BUDGET = 400
NAME = re.compile(r"(?:ask|reply|found|looking|term)_(\w+)")


def turn(name, rng):
    """Return a turn whose words and ids name it; calls may be parallel, results late."""
    said = "word " * rng.randrange(1, 25)
    question = HumanMessage(f"ask_{name} {said}", id=f"h{name}")
    if rng.random() < 0.4:
        return [question, AIMessage(f"reply_{name} {said}", id=f"a{name}")]
    calls = [
        {"name": "look", "args": {"term": f"term_{name}"}, "id": f"c{name}-{k}"}
        for k in range(rng.randrange(1, 4))
    ]
    results = [
        ToolMessage(f"found_{name} {said}", tool_call_id=call["id"], id=f"r{call['id']}")
        for call in calls
    ]
    rng.shuffle(results)
    return [
        question,
        AIMessage(rng.choice(["", f"looking_{name}"]), tool_calls=calls, id=f"t{name}"),
        *results,
        AIMessage(f"reply_{name} {said}", id=f"a{name}"),
    ]


def ids(messages):
    return [message.id for message in messages]


def named_in(messages):
    """Return the turns that messages name."""
    return {name for message in messages for name in NAME.findall(str(message.content))}


def called(middleware, state, path):
    """Make one model call in persistent mode, check all of it, and return the thread's state."""
    update = middleware.before_model({"messages": state}, Runtime("t"))
    if update is not None:
        state = update["messages"][1:]
    sent = sent_by(middleware, state, "t")
    assert ctxmem.count_messages(sent) <= BUDGET
    assert [] == problems(from_langchain(sent), "openai")
    assert named_in(sent) <= named_in(path)  # nothing of another branch
    evicted = ids(middleware.evicted("t"))
    place = {id: i for i, id in enumerate(ids(path))}
    assert evicted == sorted(evicted, key=place.__getitem__)
    assert sorted(ids(path)) == sorted([*evicted, *ids(state)])  # nothing lost, nothing twice
    return state


@pytest.mark.parametrize("restarts", [False, True], ids=["kept open", "restarted"])
def test_branches_of_a_thread_hold_their_own_past_and_all_of_it(restarts):
    rng = random.Random(17)
    rewinds = evicted = 0
    for round in range(8):
        store = MemoryStore()
        middleware = ContextMiddleware(
            budget=BUDGET, mode="persistent", store=store, recall_tool=False
        )
        checkpoints = [([], [])]  # the state, and everything that was said on the way to it
        state, path = checkpoints[0]
        for step in range(30):
            if rng.random() < 0.25:
                state, path = rng.choice(checkpoints)
                rewinds += 1
            if restarts and rng.random() < 0.2:
                middleware = ContextMiddleware(
                    budget=BUDGET, mode="persistent", store=store, recall_tool=False
                )
            new = turn(f"{round}x{step}", rng)
            state, path = [*state, *new], [*path, *new]
            state = called(middleware, state, path)
            evicted += len(path) > len(state)
            checkpoints.append((state, path))
    assert rewinds > 30 and evicted > 100


def test_two_forks_that_take_turns_keep_what_left_each_of_them():
    rng = random.Random(5)
    middleware = ContextMiddleware(budget=BUDGET, mode="persistent", recall_tool=False)
    state, path = [], []
    for step in range(6):
        new = turn(f"both{step}", rng)
        state, path = called(middleware, [*state, *new], [*path, *new]), [*path, *new]
    forks = {name: (state, path) for name in ("left", "right")}
    for step in range(12):
        for name, (state, before) in forks.items():
            new = turn(f"{name}{step}", rng)
            path = [*before, *new]
            forks[name] = (called(middleware, [*state, *new], path), path)
            found = middleware.recall(f"ask_{name}0", 3, thread_id="t")
            assert step < 8 or f"h{name}0" in ids(found)
            other = "left" if name == "right" else "right"
            assert not any(other in message.id for message in middleware.evicted("t"))


PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/map.png"}}


def odd_turn(name, rng):
    """Return messages as agents have them: some without content, late, or at an odd place."""
    kind = rng.choice(["plain", "picture", "late", "silent", "rules", "failed"])
    said = "word " * rng.randrange(1, 15)
    if kind == "plain":
        return turn(name, rng)
    if kind == "picture":
        shown = [{"type": "text", "text": f"ask_{name} {said}"}, PICTURE]
        return [HumanMessage(shown, id=f"h{name}"), AIMessage(f"reply_{name}", id=f"a{name}")]
    if kind == "rules":
        return [SystemMessage(f"looking_{name} {said}", id=f"s{name}")]
    calls = [{"name": "look", "args": {}, "id": f"c{name}-{k}"} for k in range(2)]
    results = [
        ToolMessage(f"found_{name} {said}", tool_call_id=call["id"], id=f"r{call['id']}")
        for call in calls
    ]
    asks = [HumanMessage(f"ask_{name} {said}", id=f"h{name}")]
    asks += [AIMessage("", tool_calls=calls, id=f"t{name}")]
    if kind == "late":
        between = HumanMessage(f"ask_{name} and?", id=f"l{name}")
        return [*asks, results[0], between, results[1], AIMessage(f"reply_{name}", id=f"a{name}")]
    if kind == "failed":
        failed = results[1].model_copy(update={"status": "error", "content": ""})
        return [*asks, results[0], failed, AIMessage(f"reply_{name}", id=f"a{name}")]
    return [*asks, *results, AIMessage("", id=f"a{name}")]


@pytest.mark.parametrize("mode", ["ephemeral", "persistent"])
def test_states_that_are_edited_and_pruned_are_shown_as_they_are_now(mode):
    rng = random.Random(mode)
    calls = refused = 0
    for round in range(12):
        middleware = ContextMiddleware(budget=900, mode=mode, recall_tool=False)
        state = []
        for step in range(25):
            state = add_messages(state, odd_turn(f"{round}x{step}", rng))
            what, one = rng.random(), rng.choice(state)
            if what < 0.15:
                state = add_messages(state, [RemoveMessage(id=one.id)])
            elif what < 0.3 and isinstance(one, HumanMessage):
                edited = HumanMessage(f"ask_{round}x{step}e again", id=one.id)
                state = add_messages(state, [edited])
            state = [*state, HumanMessage("And now?", id=f"n{round}x{step}")]
            try:
                update = middleware.before_model({"messages": state}, Runtime("t"))
                if update is not None:
                    state = add_messages(state, update["messages"])
                sent = sent_by(middleware, state, "t")
            except ctxmem.BudgetError as error:
                assert error.pinned
                refused += 1
                break
            calls += 1
            assert ctxmem.count_messages(sent) <= 900
            assert [] == ctxmem.check(sent, provider="openai")
            assert "And now?" == sent[-1].content
            assert named_in(sent) <= named_in([*state, *middleware.evicted("t")])
            # What people and rules say is shown as the object that was given.
            same = {message.id: message for message in state}
            for message in sent:
                if message.id in same and isinstance(message, HumanMessage | SystemMessage):
                    assert message is same[message.id]
    assert calls > 150 and refused < 6


def test_a_removed_message_is_shown_no_more_and_an_edited_one_as_it_is_now():
    middleware = ContextMiddleware(budget=2000, mode="persistent", recall_tool=False)
    state = [HumanMessage("The code is 17.", id="a"), AIMessage("Yes.", id="b")]
    state += [HumanMessage("My name is Ann.", id="c"), AIMessage("Hello.", id="d")]
    called_with = [*state, HumanMessage("And?", id="e")]
    assert called_with == sent_by(middleware, called_with, "t")
    pruned = add_messages(called_with, [RemoveMessage(id="a"), HumanMessage("I am Eve.", id="c")])
    assert ["Yes.", "I am Eve.", "Hello.", "And?"] == [
        message.content for message in sent_by(middleware, pruned, "t")
    ]
    assert [] == middleware.evicted("t") == middleware.recall("17", 3, thread_id="t")

"""What is kept between calls of `assemble` changes no result, and is bounded."""

from __future__ import annotations

import copy
import json
import random
import threading

import numpy as np
import pytest
from assembled_requests import (
    PROVIDERS,
    history,
    passages,
    random_request,
    sentence,
    text,
    tool,
    tool_names,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import ctxmem
from ctxmem import _native
from ctxmem.assembling import blocks, conversation, evidence, inputs, tool_items
from ctxmem.chat import counting
from ctxmem.outline import known

SEEDS = range(7000, 7005)


@pytest.fixture
def cold():
    """Return a function that empties what is kept between calls."""

    def empty() -> None:
        for table in (
            *(blocks._problems, blocks._readings, conversation._known, conversation._ledgers),
            *(evidence._indices, tool_items._forms, counting._texts),
        ):
            table.clear()
        inputs._kept_chunk.cache_clear()
        known.OUTLINES.__init__()

    empty()
    return empty


def outcome(given) -> str:
    """Return a request as text, or its error."""
    try:
        return json.dumps(ctxmem.assemble(**given).to_dict(), default=repr)
    except ctxmem.BudgetError as error:
        return str(error)


def session(rng: random.Random, calls: int) -> list[dict]:
    """Return calls with one set of tools and passages, and a history that grows or shrinks."""
    provider = rng.choice(PROVIDERS)
    tools = [tool(rng, name, provider) for name in tool_names(rng, 12)]
    said = history(rng, provider, tool_names(rng, 3), 14)
    shown = passages(rng, 8)
    made = []
    for _ in range(calls):
        made.append(
            {
                "question": sentence(rng),
                "budget": rng.choice((900, 2000, 4000)),
                "provider": provider,
                "tools": tools[: rng.choice((6, 12))],
                "history": said[: rng.randint(1, len(said))],
                "passages": shown[: rng.choice((4, 8))],
            }
        )
    return made


@pytest.mark.parametrize("provider", PROVIDERS)
def test_requests_are_equal_in_any_order_and_after_others(cold, provider):
    first = {}
    for seed in SEEDS:
        cold()
        first[seed] = outcome(random_request(seed, provider))
    order = [*SEEDS, *SEEDS]
    random.Random(provider).shuffle(order)
    assert {seed: outcome(random_request(seed, provider)) for seed in order} == first


@pytest.mark.parametrize("seed", range(2))
def test_other_questions_over_the_same_parts_are_as_if_they_were_the_first(cold, seed):
    calls = session(random.Random(seed), 5)
    alone = []
    for one in calls:
        cold()
        alone.append(outcome(one))
    cold()
    assert [outcome(copy.deepcopy(one)) for one in calls] == alone
    assert [outcome(one) for one in reversed(calls)] == alone[::-1]


def test_a_result_that_comes_later_joins_the_unit_of_its_call(cold):
    function = {"name": "look", "arguments": "{}"}
    call = {"id": "c1", "type": "function", "function": function}
    said = [
        {"role": "user", "content": "Look at the parcel."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "It is red."},
    ]
    whole = outcome({"question": None, "budget": 500, "history": said})
    cold()
    outcome({"question": None, "budget": 500, "history": said[:2]})
    assert outcome({"question": None, "budget": 500, "history": said}) == whole
    assert "It is red." in whole and '"1-2"' in whole


def test_an_equal_call_has_the_same_bound_where_texts_were_cut_again():
    # This call fills its window with smaller parts; the second one found that done.
    first, second = (outcome(random_request(5019, "openai")) for _ in range(2))
    assert first == second


def test_a_change_of_the_given_objects_is_seen(cold):
    given = session(random.Random(9), 1)[0] | {"budget": 20_000}
    ctxmem.assemble(**given)
    given["history"][0]["content"] = "The code word is heliotrope."
    given["passages"].append("Lorikeets are red.")
    request = ctxmem.assemble(**given)
    sent = json.dumps(request.messages)
    assert "heliotrope" in sent and "Lorikeets" in sent


def test_a_change_of_a_tool_changes_no_other_call(cold):
    one = {"name": "pay", "description": "Pay a bill.", "input_schema": {"type": "object"}}
    said = history(random.Random(4), "anthropic", ["pay"], 3)  # which calls it
    given = {"question": "Pay it.", "budget": 4000, "provider": "anthropic", "history": said}
    first = ctxmem.assemble(**given, tools=[one, {"name": "now"}])
    (sent,) = [sent for sent in first.tools if sent["name"] == "pay"]
    expected = json.dumps(first.tools)
    one["input_schema"]["type"] = "changed"  # what the caller gave
    sent["description"] = "changed"  # and what the caller got
    one = {"name": "pay", "description": "Pay a bill.", "input_schema": {"type": "object"}}
    for tools in ([one, {"name": "now"}], (one, {"name": "now"})):
        assert json.dumps(ctxmem.assemble(**given, tools=tools).tools) == expected


@pytest.mark.parametrize("changed", ["given", "sent"])
def test_a_change_of_a_cut_message_changes_no_other_call(cold, changed):
    """The result is cut; its call is not, and is kept beside it."""

    def said() -> list[dict]:
        call = {"id": "c1", "type": "function", "function": {"name": "rows", "arguments": "{}"}}
        return [
            {"role": "user", "content": "Get the rows."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "A row of the table.\n" * 400},
            {"role": "assistant", "content": "There are 400."},
        ]

    given = said()
    first = ctxmem.assemble("How many rows?", 400, history=given)
    expected = json.dumps(first.messages)
    assert [one.form for one in first.decisions if one.key == "1-2"] == ["shortened"]
    for message in given if changed == "given" else first.messages:
        message["content"] = "changed"
        for call in message.get("tool_calls", ()):
            call["function"]["name"] = "changed"
    assert json.dumps(ctxmem.assemble("How many rows?", 400, history=said()).messages) == expected


def test_a_change_of_the_note_changes_no_later_request(cold):
    said = [{"role": "user", "content": f"Word {i} of many. " * 30} for i in range(20)]
    given = {"history": said, "tools": [{"name": "now"}]}
    first = ctxmem.assemble("And now?", 600, **given)
    second = ctxmem.assemble("And now?", 600, **given, previous=first)
    expected = json.dumps(second.messages)
    assert second.messages[0]["content"].startswith("[memory] Earlier messages")
    second.messages[0]["content"] = "changed"
    third = ctxmem.assemble("And now?", 600, **given, previous=first)
    assert json.dumps(third.messages) == expected


def test_threads_get_what_one_thread_gets(cold):
    calls = session(random.Random(3), 4)
    alone = [outcome(one) for one in calls]
    cold()
    found: dict[tuple[int, int], str] = {}

    def run(number: int) -> None:
        for k in random.Random(number).sample(range(len(calls)), len(calls)):
            found[number, k] = outcome(copy.deepcopy(calls[k]))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {(number, k): alone[k] for number in range(4) for k in range(len(calls))}


def test_what_is_kept_is_bounded(cold):
    rng = random.Random(1)
    for _ in range(10):
        for one in session(rng, 1):
            ctxmem.assemble(**one | {"budget": 6000})
    assert len(blocks._problems) <= blocks._KEPT and len(blocks._readings) <= blocks._KEPT
    for texts in list(counting._texts.values()):
        for memo in texts.memos.values():
            assert len(memo.get("histories", ())) <= conversation._HISTORIES


def test_chunks_that_are_too_long_are_not_kept(cold, monkeypatch):
    monkeypatch.setattr(blocks, "_LONGEST", 50)
    ctxmem.assemble("What is due?", 200, passages=["The report is due. " * 5])
    assert not blocks._problems and not blocks._readings


# Outlines -----------------------------------------------------------------------------------------


def columns_of(outline) -> list[list[int]]:
    return [column.tolist() for column in outline]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from((48, 200, 1600)))
def test_joined_outlines_are_the_outline_of_all_texts(seed, room):
    rng = random.Random(seed)
    texts = [text(rng, rng.randint(1, 8)) for _ in range(rng.randint(1, 6))]
    formats = np.array([rng.randrange(4) for _ in texts], dtype=np.uint8)
    named = np.array([rng.randrange(2) for _ in texts], dtype=np.uint8)
    expected = _native.outline(_native.Corpus(texts), formats, named, room, len(texts))
    outlines = known.KnownOutlines()
    outlines.outline(texts[1:], formats[1:], named[1:], room) if len(texts) > 1 else None
    for _ in range(2):
        found = outlines.outline(texts, formats, named, room)
        assert columns_of(found) == columns_of(expected)
        assert [c.dtype for c in found] == [c.dtype for c in expected]


def test_outlines_are_emptied_when_they_hold_too_much(monkeypatch):
    monkeypatch.setattr(known, "_KEPT_CHARACTERS", 100)
    monkeypatch.setattr(known, "_LONGEST", 60)
    outlines = known.KnownOutlines()
    none = np.zeros(1, dtype=np.uint8)
    for k in range(20):
        outlines.outline([f"Sentence {k} is here. " * 2], none, none, 1600)
        assert sum(len(key[0]) for key in outlines._columns) <= 100
    assert outlines._columns
    outlines.outline(["a" * 61], none, none, 1600)
    assert all(len(key[0]) <= 60 for key in outlines._columns)

"""Requests that go on with what the history says was sent before, for callers that keep nothing."""

from __future__ import annotations

import gc
import itertools
import json
import random
import weakref
from typing import Any

import pytest
from assembled_requests import sentence, tool, tool_names

import ctxmem
from ctxmem.assembling import deriving
from ctxmem.assembling.inputs import read_inputs


def session(seed: int, turns: int, words: int = 3) -> list[tuple[list[Any], str]]:
    """Histories and questions of a growing session."""
    rng = random.Random(seed)
    made, history = [], []
    for _ in range(turns):
        question = sentence(rng, 6, 14)
        made.append((list(history), question))
        history.append({"role": "user", "content": question})
        answer = " ".join(sentence(rng) for _ in range(words))
        history.append({"role": "assistant", "content": answer})
    return made


def tools(count: int = 60) -> list[Any]:
    rng = random.Random(5)
    return [tool(rng, name, "openai") for name in tool_names(rng, count)]


def assembled(turn: tuple[list[Any], str], previous: Any, **more: Any) -> Any:
    history, question = turn
    return ctxmem.assemble(question, 4000, history=history, previous=previous, **more)


def names(request: Any) -> list[str]:
    return [one["function"]["name"] for one in request.tools]


def changes(requests: list[Any]) -> int:
    sent = [json.dumps(one.tools) for one in requests]
    return sum(a != b for a, b in itertools.pairwise(sent))


def test_a_growing_history_keeps_its_tools_without_a_request_before() -> None:
    turns, given = session(1, 24), tools()
    derived = [assembled(turn, "history", tools=given) for turn in turns]
    alone = [assembled(turn, None, tools=given) for turn in turns]
    assert changes(alone) > 10
    assert changes(derived) <= 3
    assert all(one.tokens <= 4000 for one in derived)


def test_the_result_depends_on_the_arguments_alone() -> None:
    turns, given = session(2, 12), tools(30)
    warm = [assembled(turn, "history", tools=given).to_dict() for turn in turns]
    deriving._known.clear()
    cold = assembled(turns[-1], "history", tools=given).to_dict()
    assert warm[-1] == cold
    deriving._known.clear()
    other = [assembled(turn, "history", tools=given).to_dict() for turn in turns[::-1]]
    assert warm == other[::-1]


def test_the_first_turn_and_a_history_without_questions_have_nothing_before_them() -> None:
    given = tools(30)
    for turn in (([], "Where is it?"), ([{"role": "assistant", "content": "Hi."}], "Where?")):
        assert (
            assembled(turn, "history", tools=given).to_dict()
            == assembled(turn, None, tools=given).to_dict()
        )


def test_which_turns_are_computed() -> None:
    """All of the first 32 turns; then those from a fixed turn on, which is another after 16."""
    lengths: list[int] = []

    def make(inputs: Any, _: Any) -> Any:
        lengths.append(len(inputs.history) // 2 + 1)
        raise ctxmem.BudgetError("no room", pinned=["question"])

    names = "system rules tools memory passages code sections prices model".split()
    rest = dict.fromkeys(names)
    turns = session(3, 50)
    for number, first in ((2, 1), (9, 1), (32, 1), (33, 17), (48, 17), (49, 33)):
        lengths.clear()
        deriving._known.clear()
        history, question = turns[number - 1]
        inputs = read_inputs(
            question, 900, history=history, provider="openai", counter="o200k_base", **rest
        )
        assert deriving.earlier(inputs, False, make) is None
        assert [*range(first, number)] == lengths


def test_histories_that_end_with_the_question_keep_their_tools_too() -> None:
    given = tools(30)
    made = [
        assembled(([*history, {"role": "user", "content": question}], None), "history", tools=given)
        for history, question in session(4, 12)
    ]
    assert changes(made) <= 3


def test_steps_of_a_turn_keep_the_tools_of_its_question() -> None:
    """An agent sends its history after every call: question, result, result."""
    given, made = tools(60), []
    history: list[Any] = []
    for n, (_, question) in enumerate(session(6, 4)):
        history.append({"role": "user", "content": question})
        made.append(assembled((history, None), "history", tools=given))  # type: ignore[arg-type]
        for step in range(2):
            function = {"name": names(made[0])[0], "arguments": "{}"}
            call = {"id": f"c{n}{step}", "type": "function", "function": function}
            history.append({"role": "assistant", "content": None, "tool_calls": [call]})
            history.append({"role": "tool", "tool_call_id": f"c{n}{step}", "content": f"Row {n}."})
            made.append(assembled((history, None), "history", tools=given))  # type: ignore[arg-type]
        history.append({"role": "assistant", "content": "Done."})
    assert len(made) == 12
    assert changes(made) <= 3


def test_tools_make_room_for_a_history_that_grows() -> None:
    """60 tools fill the first request; later ones need the room for what was said."""
    made: list[Any] = []
    for turn in session(5, 16):
        made.append(assembled(turn, made[-1] if made else None, tools=tools()))
    assert made[0].parts["tools"] > 3900
    assert changes(made) <= 3
    for one in made[2:]:
        forms = [row.form for row in one.decisions if row.part == "history"]
        assert set(forms) == {"full"}


def test_tools_that_do_not_suit_a_question_stay_for_it_and_change_if_that_goes_on() -> None:
    rng = random.Random(5)
    verbs = ["sign", "weigh", "paint", "mow", "bake", "knit", "row", "sew"]
    given = [tool(rng, f"{name}_{thing}", "openai") for name in verbs for thing in ("it", "all")]
    first = ctxmem.assemble("Please sign it.", 500, tools=given)
    once = ctxmem.assemble("Please knit it.", 500, tools=given, previous=first)
    assert once.tools == first.tools
    later = [once]
    for _ in range(12):
        later.append(ctxmem.assemble("Please knit it.", 500, tools=given, previous=later[-1]))
    assert changes(later) == 1
    assert "knit_it" not in names(first)
    assert "knit_it" in names(later[-1])


def test_passages_of_this_turn_are_sent_and_leave_the_tools_as_they_were() -> None:
    turns, given = session(5, 10), tools()
    passage = "The invoice of the warehouse is 300 euro and due on Monday."
    asked = "When is the invoice of the warehouse due?"
    made = [
        assembled((turn[0], asked), "history", tools=given, passages=[passage])
        if n % 2
        else assembled(turn, "history", tools=given)
        for n, turn in enumerate(turns)
    ]
    assert changes(made) <= 3
    assert all(passage in json.dumps(one.messages) for one in made[3::2])


def test_a_word_that_is_no_request_is_refused() -> None:
    with pytest.raises(ctxmem.InputError, match="previous is 'last'"):
        ctxmem.assemble("Where?", 500, previous="last")  # type: ignore[arg-type]


def test_a_counter_is_kept_while_requests_are_known_by_its_address() -> None:
    """Else the next counter could get the address, and requests that were counted otherwise."""
    counter = Words()
    kept = weakref.ref(counter)
    assembled(session(7, 4)[-1], "history", tools=tools(20), counter=counter)
    del counter
    gc.collect()
    assert deriving._known and kept() is not None
    deriving._known.clear()
    gc.collect()
    assert kept() is None


class Words:
    """Counts words."""

    name, exact = "words", True

    def count(self, text: str) -> int:
        return len(text.split())

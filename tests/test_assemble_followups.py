"""`assemble`: questions that lean on what was said just before them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chats import assistant, user

import ctxmem


def call(name: str, number: int, **arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    one = {"id": f"call_{number}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [one]}


def result(number: int, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": text}


def sent(request: ctxmem.Request) -> str:
    """Return all that a request shows of messages."""
    return json.dumps([request.system, request.messages], ensure_ascii=False)


SCHEMAS = json.dumps(
    [
        {"name": f"flight_{verb}", "description": f"{verb.capitalize()} a flight. " * 12}
        for verb in ("book", "cancel", "search", "rebook")
    ]
)


@pytest.mark.parametrize("budget", [190, 230])
def test_schemas_that_find_tool_returned_are_no_evidence(budget):
    """Every schema has "book" and "flight" in it; none of them says which flight is meant."""
    chat = [
        user("Find me a flight to Oslo."),
        call("find_tool", 1, query="book a flight"),
        result(1, SCHEMAS),
        call("flight_search", 2, city="Oslo"),
        result(2, "TP701 to Oslo leaves at 7:15 and is free, 133 EUR."),
        assistant("TP701 leaves at 7:15, for 133 EUR."),
    ]
    for i in range(3):
        chat += [user(f"Thanks. What is the weather in city {i}?"), assistant(f"Rain in city {i}.")]
    request = ctxmem.assemble("Book the flight.", budget, history=chat)
    forms = {decision.key: decision.form for decision in request.decisions}
    assert forms["1-2"] in ("omitted", "indexed")
    assert "TP701" in sent(request)


LONG = "Hotel Mozart (120 EUR), Hotel Sacher (450 EUR) and Hotel Prater (80 EUR) are free. " * 5
TRAVEL = [
    *(one for i in range(14) for one in (user(f"What of city {i}?"), assistant(f"It is {i}."))),
    user("Which hotels in Vienna have free rooms?"),
    assistant(LONG),
]


@pytest.mark.parametrize("question", ["The third?", "Book it.", "Und das dritte?", "订第三个。"])
@pytest.mark.parametrize("provider", ["openai", "responses", "anthropic"])
def test_a_short_question_has_the_newest_exchange_before_it(provider, question):
    """The answer has 121 tokens and no word of the question; 28 short messages compete with it."""
    budget = {"anthropic": 306}.get(provider, 270)
    request = ctxmem.assemble(question, budget, history=TRAVEL, provider=provider)
    text = sent(request)
    assert "Which hotels in Vienna" in text
    assert LONG.strip() in text
    assert question in text
    assert text.index("Which hotels") < text.index("Mozart") < text.index(question)


def test_a_history_that_ends_with_the_question_has_the_exchange_before_it():
    request = ctxmem.assemble(None, 270, history=[*TRAVEL, user("And the third?")])
    assert LONG.strip() in sent(request)
    steps = [*TRAVEL, user("Book it."), call("book", 1), result(1, "Booked."), call("pay", 2)]
    request = ctxmem.assemble(None, 300, history=[*steps, result(2, "Paid.")])
    assert LONG.strip() in sent(request)


def test_a_long_newest_answer_is_cut_and_one_that_takes_too_much_is_left_out():
    long = [*TRAVEL[:-1], assistant(LONG * 8)]
    request = ctxmem.assemble("And the third?", 500, history=long)
    forms = {decision.key: decision.form for decision in request.decisions}
    assert forms["28"] == "full" and forms["29"] == "shortened"
    request = ctxmem.assemble("And the third?", 120, history=TRAVEL)  # the answer has 121 tokens
    assert request.tokens <= 120


def test_a_long_question_says_itself_what_it_is_about():
    """All messages of a history that is no exchange compete, as before."""
    question = "In which of the cities that I asked you about was the answer the number 3?"
    request = ctxmem.assemble(question, 150, history=TRAVEL)
    assert LONG.strip() not in sent(request)


PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhg"
    "GAWjR9awAAAABJRU5ErkJggg=="
)


def test_an_image_that_is_the_question_is_sent():
    """It has about 255 tokens and no word, so that only its place says that it asks."""
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]}
    history = [*TRAVEL, picture]
    request = ctxmem.assemble(None, 450, history=history)
    assert request.messages[-1] == picture
    with pytest.raises(ctxmem.BudgetError, match="it is the question"):
        ctxmem.assemble(None, 100, history=history)

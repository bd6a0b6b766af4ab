"""`assemble`: questions that lean on what was said just before them."""

from __future__ import annotations

import json
from typing import Any

import pytest

import ctxmem


def call(name: str, number: int, **arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    one = {"id": f"call_{number}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [one]}


def result(number: int, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": text}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


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

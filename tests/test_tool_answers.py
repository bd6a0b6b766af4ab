"""Calls of the tools that ctxmem adds are answered, also with the message that holds them."""

from __future__ import annotations

import json

import pytest

import ctxmem
from ctxmem import InputError

TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "description": f"Use {name}.", "parameters": {}},
    }
    for name in ("get_weather", "get_time")
]


@pytest.mark.parametrize("field", ["tool_calls", "content"])
def test_the_message_that_holds_one_call_is_answered_as_the_call(field):
    if field == "content":
        call = {"type": "tool_use", "id": "c", "name": "recall", "input": {"page": "p0"}}
        other = {"type": "text", "text": "Let me look."}
    else:
        asked = {"name": "recall", "arguments": '{"page": "p0"}'}
        call = {"type": "function", "id": "c", "function": asked}
        other = {**call, "id": "d", "function": {"name": "grep", "arguments": "{}"}}
    with ctxmem.Memory(1000) as memory:
        memory.append({"role": "user", "content": "The port is 8080."})
        answer = memory.answer(call)
        assert "8080" in json.dumps(answer)
        assert memory.answer({"role": "assistant", field: [other, call]}) == answer
        for calls in ([], [other], [call, {**call, "id": "e"}], "none"):
            with pytest.raises(InputError, match="pass one entry of tool_calls"):
                memory.answer({"role": "assistant", field: calls})


def test_answer_takes_the_message_that_holds_the_call():
    request = ctxmem.assemble("Where is it warm?", 200, tools=TOOLS)
    asked = {"name": "find_tool", "arguments": '{"query": "weather"}'}
    call = {"type": "function", "id": "c", "function": asked}
    other = {**call, "id": "d", "function": {"name": "get_weather", "arguments": "{}"}}
    said = {"role": "assistant", "content": None}
    answer = request.answer(call)
    assert answer["tool_call_id"] == "c"
    assert request.answer({**said, "tool_calls": [other, call]}) == answer
    for calls in ([], [other], [call, {**call, "id": "e"}]):
        with pytest.raises(InputError, match="pass one entry of tool_calls"):
            request.answer({**said, "tool_calls": calls})

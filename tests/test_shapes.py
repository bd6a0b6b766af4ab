"""Messages of every provider and framework: read by their shape, handed back as they came.

Each sample is a history as its client writes it, and the same four things are said in all of them:
a rule, a question, a call with its result, an answer.
"""

from __future__ import annotations

import copy
import json
from enum import Enum

import pytest
from chats import words

import ctxmem
from ctxmem.chat import units
from ctxmem.chat.notes import is_note
from ctxmem.chat.parts import parts_of
from ctxmem.chat.reading import read
from ctxmem.chat.shapes import get

RULE, QUESTION, ANSWER, RESULT = "Be short.", "How long is it?", "Thirty days.", "thirty days"


def openai():
    function = {"name": "look", "arguments": '{"a": 1}'}
    return [
        {"role": "system", "content": RULE},
        {"role": "user", "content": QUESTION},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": RESULT},
        {"role": "assistant", "content": ANSWER},
    ]


def responses():
    return [
        {"role": "developer", "content": RULE},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"a": 1}'},
        {"type": "function_call_output", "call_id": "c1", "output": RESULT},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "content": [{"type": "output_text", "text": ANSWER, "annotations": []}],
        },
    ]


def anthropic():
    call = {"type": "tool_use", "id": "c1", "name": "look", "input": {"a": 1}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": RESULT}
    return [
        {"role": "system", "content": RULE},
        {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
        {"role": "assistant", "content": ANSWER},
    ]


def gemini():
    call = {"functionCall": {"name": "look", "args": {"a": 1}}, "thoughtSignature": "c2ln"}
    result = {"functionResponse": {"name": "look", "response": {"output": RESULT}}}
    return [
        {"role": "system", "parts": [{"text": RULE}]},
        {"role": "user", "parts": [{"text": QUESTION}]},
        {"role": "model", "parts": [call]},
        {"role": "user", "parts": [result]},
        {"role": "model", "parts": [{"text": ANSWER}]},
    ]


def bedrock():
    call = {"toolUse": {"toolUseId": "c1", "name": "look", "input": {"a": 1}}}
    result = {"toolResult": {"toolUseId": "c1", "content": [{"text": RESULT}]}}
    return [
        {"role": "system", "content": [{"text": RULE}]},
        {"role": "user", "content": [{"text": QUESTION}]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
        {"role": "assistant", "content": [{"text": ANSWER}]},
    ]


def langchain():
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

    return [
        SystemMessage(RULE),
        HumanMessage(QUESTION),
        AIMessage("", tool_calls=[{"name": "look", "args": {"a": 1}, "id": "c1"}]),
        ToolMessage(RESULT, tool_call_id="c1"),
        AIMessage(ANSWER),
    ]


def langchain_dicts():
    from langchain_core.messages import messages_to_dict

    return messages_to_dict(langchain())


def langchain_serialized():
    from langchain_core.load import dumpd

    return [dumpd(message) for message in langchain()]


def llama_index():
    from llama_index.core.base.llms.types import TextBlock, ToolCallBlock
    from llama_index.core.llms import ChatMessage

    call = ToolCallBlock(tool_call_id="c1", tool_name="look", tool_kwargs={"a": 1})
    return [
        ChatMessage(role="system", content=RULE),
        ChatMessage(role="user", blocks=[TextBlock(text=QUESTION)]),
        ChatMessage(role="assistant", blocks=[call]),
        ChatMessage(role="tool", content=RESULT, additional_kwargs={"tool_call_id": "c1"}),
        ChatMessage(role="assistant", content=ANSWER),
    ]


def pydantic_ai():
    from pydantic_ai import messages as m

    return [
        m.ModelRequest([m.SystemPromptPart(RULE)]),
        m.ModelRequest([m.UserPromptPart(QUESTION)]),
        m.ModelResponse([m.ToolCallPart("look", {"a": 1}, "c1")]),
        m.ModelRequest([m.ToolReturnPart("look", RESULT, "c1")]),
        m.ModelResponse([m.TextPart(ANSWER)]),
    ]


def pydantic_ai_dicts():
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    return ModelMessagesTypeAdapter.dump_python(pydantic_ai(), mode="json")


def google_genai():
    from google.genai import types as t

    result = t.FunctionResponse(name="look", response={"output": RESULT})
    return [
        t.Content(role="system", parts=[t.Part(text=RULE)]),
        t.Content(role="user", parts=[t.Part(text=QUESTION)]),
        t.Content(
            role="model",
            parts=[t.Part(function_call=t.FunctionCall(name="look", args={"a": 1}))],
        ),
        t.Content(role="user", parts=[t.Part(function_response=result)]),
        t.Content(role="model", parts=[t.Part(text=ANSWER)]),
    ]


def ai_sdk_model_messages():
    call = {"type": "tool-call", "toolCallId": "c1", "toolName": "look", "input": {"a": 1}}
    output = {"type": "text", "value": RESULT}
    result = {"type": "tool-result", "toolCallId": "c1", "toolName": "look", "output": output}
    return [
        {"role": "system", "content": RULE},
        {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
        {"role": "assistant", "content": [call]},
        {"role": "tool", "content": [result]},
        {"role": "assistant", "content": [{"type": "text", "text": ANSWER}]},
    ]


SHAPES = (openai, responses, anthropic, gemini, bedrock, langchain, langchain_dicts,
          langchain_serialized, llama_index, pydantic_ai, pydantic_ai_dicts, google_genai,
          ai_sdk_model_messages)  # fmt: skip
every_shape = pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
NEEDS = {"pydantic_ai": "pydantic_ai", "pydantic_ai_dicts": "pydantic_ai",
         "google_genai": "google.genai"}  # fmt: skip


def made(make):
    if make.__name__ in NEEDS:
        pytest.importorskip(NEEDS[make.__name__])
    return make()


@every_shape
def test_every_shape_says_the_same(make):
    chat = made(make)
    turns = read(chat)
    roles = [turn.role for turn in turns]
    assert roles[:2] + roles[4:] == ["system", "user", "assistant"]
    assert len(turns[2].calls) == 1
    assert turns[2].calls == turns[3].results
    assert [turn.asks for turn in turns] == [False, True, False, False, False]
    assert units(chat) == [range(1), range(1, 2), range(2, 4), range(4, 5)]
    said = [part.text for i, message in enumerate(chat) for part in parts_of(message, i)]
    assert [text for text in said if text] == [RULE, QUESTION, ANSWER]


@every_shape
def test_a_history_in_order_comes_back_as_the_same_objects(make):
    chat = made(make)
    before = copy.deepcopy(chat)
    assert [f.kind for f in ctxmem.check(chat) if f.rule] == []
    for back in (ctxmem.repair(chat), ctxmem.trim_messages(chat, 10_000, counter=words)):
        assert len(back) == len(chat)
        assert all(a is b for a, b in zip(back, chat, strict=True))
    assert chat == before


@every_shape
def test_a_cancelled_call_is_taken_out_of_every_shape(make):
    chat = made(make)
    cancelled = [*chat[:3], chat[4]]
    before = copy.deepcopy(cancelled)
    log = []
    repaired = ctxmem.repair(cancelled, log=log)
    assert [f.kind for f in log] == ["open_call"]
    assert [m for m in repaired if m not in cancelled] == []
    assert len(repaired) == 3
    assert cancelled == before
    assert ctxmem.repair([*chat[:2], chat[3], chat[4]]) == [*chat[:2], chat[4]]  # a stale result


@every_shape
def test_every_shape_counts_what_it_says_and_calls(make):
    chat = made(make)
    least = words(f"{RULE} {QUESTION} {RESULT} {ANSWER} look")
    count = ctxmem.count_messages(chat, words)
    assert least <= count <= 3 * ctxmem.count_messages(openai(), words)
    assert ctxmem.count_messages(chat[:2], words) == ctxmem.count_messages(openai()[:2], words)


@every_shape
def test_a_long_result_is_shown_in_part_in_every_shape(make):
    chat = made(make)
    longer = json.loads(json.dumps(RESULT))
    long = [*chat[:3], _with_result(chat[3], longer + " word" * 900)]
    kept = ctxmem.trim_messages(long, 300, counter=words)
    assert 100 < ctxmem.count_messages(kept, words) <= 300
    assert type(kept[3]) is type(chat[3])
    assert "characters were left out" in str(kept[3])


def _with_result(message, text):
    """Return a copy of a message whose result is another text, whatever it is made of."""
    changed = copy.deepcopy(message)

    def change(value):
        if isinstance(value, dict):
            for key, one in value.items():
                value[key] = text if one == RESULT else one
                change(one)
        elif isinstance(value, list):
            for one in value:
                change(one)
        elif hasattr(value, "__dict__") and not isinstance(value, Enum | type):
            for key, one in list(vars(value).items()):
                if one == RESULT:
                    object.__setattr__(value, key, text)
                change(one)

    change(changed)
    return changed


# The AI SDK's messages hold a call and its output in one part -------------------------------------


def ui(state, **more):
    part = {"type": "tool-look", "toolCallId": "c1", "state": state, "input": {"a": 1}, **more}
    return {"id": "m2", "role": "assistant", "parts": [{"type": "step-start"}, part]}


def asked(text=QUESTION):
    return {"id": "m1", "role": "user", "parts": [{"type": "text", "text": text}]}


def test_a_tool_part_with_its_output_is_whole_and_one_without_is_open():
    done = [asked(), ui("output-available", output={"days": 30}), asked("And then?")]
    assert [f.kind for f in ctxmem.check(done)] == []
    broken = [asked(), ui("input-available"), asked("And then?")]
    assert [f.kind for f in ctxmem.check(broken)] == ["open_call"]
    assert ctxmem.repair(broken) == [broken[0], broken[2]]
    waiting = [asked(), ui("input-available")]
    assert "in flight" in ctxmem.check(waiting)[0].detail
    assert ctxmem.repair(waiting) == waiting


def test_the_output_in_a_tool_part_is_counted():
    short = ctxmem.count_messages([ui("output-available", output="x")], words)
    long = ctxmem.count_messages([ui("output-available", output="x " * 500)], words)
    assert long - short == 499


# Pydantic AI: one request may hold rules, a question and results ----------------------------------


def test_a_request_with_rules_stays_in_front():
    m = pytest.importorskip("pydantic_ai").messages
    chat = [m.ModelRequest([m.SystemPromptPart(RULE), m.UserPromptPart(QUESTION)])]
    for i in range(20):
        chat.append(m.ModelResponse([m.TextPart(f"answer {i} " + "word " * 10)]))
        chat.append(m.ModelRequest([m.UserPromptPart(f"question {i}")]))
    kept = ctxmem.trim_messages(chat, 100, counter=words)
    assert kept[0] is chat[0]
    assert kept[-1] is chat[-1]


def test_a_retry_is_the_answer_to_its_call():
    m = pytest.importorskip("pydantic_ai").messages
    chat = [
        m.ModelRequest([m.UserPromptPart(QUESTION)]),
        m.ModelResponse([m.ToolCallPart("look", {"a": 1}, "c1")]),
        m.ModelRequest([m.RetryPromptPart("no such term", tool_name="look", tool_call_id="c1")]),
        m.ModelResponse([m.TextPart(ANSWER)]),
    ]
    assert ctxmem.check(chat) == []
    assert units(chat) == [range(1), range(1, 3), range(3, 4)]


# OpenAI's Agents SDK ------------------------------------------------------------------------------


def test_run_items_are_read_by_what_they_hold():
    agents = pytest.importorskip("agents")
    from agents.items import ToolCallItem, ToolCallOutputItem
    from openai.types.responses import ResponseFunctionToolCall

    agent = agents.Agent(name="a")
    raw = ResponseFunctionToolCall(
        call_id="c1", name="look", arguments="{}", type="function_call", id="fc_1"
    )
    output = {"type": "function_call_output", "call_id": "c1", "output": RESULT}
    call = ToolCallItem(agent=agent, raw_item=raw)
    result = ToolCallOutputItem(agent=agent, raw_item=output, output=RESULT)
    chat = [{"role": "user", "content": QUESTION}, call, result]
    assert [turn.calls or turn.results for turn in read(chat)] == [(), ("c1",), ("c1",)]
    assert ctxmem.check(chat) == []
    assert ctxmem.repair([chat[0], call, {"role": "user", "content": "Well?"}]) == [
        chat[0],
        {"role": "user", "content": "Well?"},
    ]


# LangChain ----------------------------------------------------------------------------------------


def test_an_order_to_remove_a_message_is_carried_out():
    from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage

    chat = [HumanMessage("a", id="1"), AIMessage("b", id="2"), HumanMessage("c", id="3")]
    log = []
    repaired = ctxmem.repair([*chat, RemoveMessage(id="2")], log=log)
    assert repaired == [chat[0], chat[2]]
    assert [f.kind for f in log] == ["role_order"]
    everything = RemoveMessage(id="__remove_all__")
    assert ctxmem.repair([*chat[:2], everything, chat[2]]) == [chat[2]]
    assert ctxmem.count_messages([everything], words) == ctxmem.count_messages([], words)


def test_function_messages_answer_calls_of_the_old_form():
    from langchain_core.messages import AIMessage, FunctionMessage, HumanMessage

    call = AIMessage("", additional_kwargs={"function_call": {"name": "look", "arguments": "{}"}})
    chat = [HumanMessage(QUESTION), call, FunctionMessage(RESULT, name="look"), AIMessage(ANSWER)]
    assert ctxmem.check(chat) == []
    assert units(chat) == [range(1), range(1, 3), range(3, 4)]
    assert ctxmem.repair([chat[0], chat[1], chat[3]]) == [chat[0], chat[3]]


# Blocks that nobody knows -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block",
    [
        {"type": "hologram", "voxels": ["word"] * 50},
        {"crystalBall": {"vision": "word " * 50}},
        {"text": "word " * 50, "toolUse": {"toolUseId": "x", "name": "f", "input": {}}},
    ],
    ids=["typed", "untyped", "two fields"],
)
def test_an_unknown_block_is_kept_counted_and_named(block):
    chat = [{"role": "user", "content": [block]}]
    assert ctxmem.repair(chat)[0] is chat[0]
    assert ctxmem.count_messages(chat, words) >= 50
    (part,) = parts_of(chat[0], 0)
    assert part.kind == "unknown"
    assert part.name


# Notes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("<system-reminder>the list is empty</system-reminder>", True),
        ("<system-reminder>a</system-reminder>\n<ide_selection>b</ide_selection>\n", True),
        ("<environment_context>\n<cwd>/tmp</cwd>\n</environment_context>", True),
        ("[Request interrupted by user]", True),
        ("Reminder: the list is empty", True),
        ("<system-reminder>a</system-reminder> Please go on.", False),
        ("Please go on.", False),
        ("<p>Is this HTML right?</p>", False),
        ("<system-reminder>never closed", False),
        ("[draft] Is this right?", False),
        ("Should I send a reminder: yes or no?", False),
        ("", False),
    ],
)
def test_a_note_is_told_from_a_question(text, note):
    assert is_note(text) is note


def test_a_field_of_a_model_is_what_python_says_it_is():
    langchain = pytest.importorskip("langchain_core.messages")
    call = {"name": "look", "args": {}, "id": "c"}
    for message in (
        langchain.HumanMessage("a", id="h", custom=7),  # kept as an extra
        langchain.AIMessage("", tool_calls=[call], additional_kwargs={"refusal": "no"}),
        langchain.ToolMessage("found", tool_call_id="c", artifact=object()),
        langchain.AIMessage.model_construct(content="b"),
    ):
        for name in ("content", "tool_calls", "custom", "text", "id", "parts", "model_fields"):
            assert get(message, name) == getattr(message, name, None), name
        assert get(message, "tool_call_id") is getattr(message, "tool_call_id", None)

    class Lazy:
        def __getattr__(self, name):
            if name == "role":
                return "user"
            raise AttributeError(name)

    assert ("user", None) == (get(Lazy(), "role"), get(Lazy(), "content"))

"""Histories in another provider's format: what they say stays, and the provider accepts them."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from assembled_requests import PROVIDERS, history
from test_assemble_valid import ADVICE, BESIDE, PATHS, post
from upstream_requests import said
from usages import png

import ctxmem
from ctxmem.chat.converting import converted
from ctxmem.chat.parts import inner_parts, parts_of

NAMES = ["list_rooms", "book_room"]
PNG = png(20, 10)


def meaning(messages: list[Any]) -> list[tuple[Any, ...]]:
    """What messages say, call and answer, whatever their format, in order."""
    found: list[tuple[Any, ...]] = []
    for i, message in enumerate(messages):
        for part in parts_of(message, i):
            if part.kind == "call":
                body = json.loads(part.body) if isinstance(part.body, str) else part.body
                found.append(("call", part.key, part.name, json.dumps(body)))
            elif part.kind == "result":
                texts = [one.text for one in inner_parts(part) or ()]
                found.append(("result", part.key, "\n\n".join(texts)))
            elif part.text.strip():
                found.append((message.get("role"), part.text))
    return found


@pytest.mark.parametrize("target", PROVIDERS)
@pytest.mark.parametrize("wire", PROVIDERS)
def test_what_is_said_stays_on_the_way_there_and_back(wire: str, target: str) -> None:
    for seed in range(12):
        given = history(random.Random(seed), wire, NAMES, 8)
        before = json.dumps(given)
        there, origin = converted(given, target)
        back = converted(there, wire).messages
        assert meaning(given) == meaning(there) == meaning(back)
        assert len(origin) == len(there) and origin == sorted(origin)
        assert before == json.dumps(given)
        assert wire != target or there == given
        again = converted(there, target).messages
        assert all(one is other for one, other in zip(there, again, strict=True))


def test_a_chat_comes_back_from_anthropic_as_the_same_messages() -> None:
    for seed in range(12):
        given = history(random.Random(seed), "openai", NAMES, 6)
        given = json.loads(json.dumps(given))
        for message in given:
            for call in message.get("tool_calls", ()):
                function = call["function"]  # as they are written: without escapes
                written = json.dumps(json.loads(function["arguments"]), ensure_ascii=False)
                function["arguments"] = written
        back = converted(converted(given, "anthropic").messages, "openai").messages
        assert given == back


CALLS = [
    {"id": key, "type": "function", "function": {"name": "look", "arguments": written}}
    for key, written in (("c1", '{"at": "door"}'), ("c2", "not json"))
]
CHAT = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What is it?"}, None]},
    {"role": "assistant", "content": None, "tool_calls": CALLS},
    {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
    {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "a dog"}]},
    {"role": "assistant", "content": "Both.", "refusal": None},
]
CHAT[1]["content"][1] = {
    "type": "image_url",
    "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"},
}


def test_a_chat_becomes_anthropic_blocks_and_responses_items() -> None:
    blocks = converted(CHAT, "anthropic")
    assert [0, 1, 2, 3, 5] == blocks.origin
    assert [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": PNG},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "door"}},
                {
                    "type": "tool_use",
                    "id": "c2",
                    "name": "look",
                    "input": {"arguments": "not json"},
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "a cat"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "a dog"},
            ],
        },
        {"role": "assistant", "content": "Both."},
    ] == blocks.messages
    items = converted(CHAT, "responses").messages
    assert ["developer", "user", None, None, None, None, "assistant"] == [
        one.get("role") for one in items
    ]
    assert {"type": "function_call_output", "call_id": "c2", "output": "a dog"} == items[5]
    assert "not json" == items[3]["arguments"]


ANTHROPIC = [
    {"role": "user", "content": "Look."},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "x"},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "t1", "name": "look", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "t1",
                "is_error": True,
                "content": [
                    {"type": "text", "text": "no light"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": PNG},
                    },
                ],
            },
            {"type": "text", "text": "And now?", "cache_control": {"type": "ephemeral"}},
        ],
    },
]


def test_blocks_of_anthropic_become_a_chat_without_thoughts_and_marks() -> None:
    made = converted(ANTHROPIC, "openai")
    assert [0, 1, 2, 2] == made.origin
    assistant, result, asked = made.messages[1:]
    assert "I look." == assistant["content"]
    assert {"name": "look", "arguments": "{}"} == assistant["tool_calls"][0]["function"]
    assert "t1" == result["tool_call_id"] and "Error" in json.dumps(result)
    assert "no light" in json.dumps(result) and "image" in json.dumps(result)
    assert ["image_url", "text"] == [one["type"] for one in asked["content"]]
    for secret in ("Hm.", "cache_control", "signature"):
        assert secret not in json.dumps(made.messages)


def test_gemini_and_bedrock_are_read_too_and_calls_get_ids() -> None:
    gemini = [
        {"role": "user", "parts": [{"text": "Look."}]},
        {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"a": 1}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"x": 2}}}]},
    ]
    made = converted(gemini, "anthropic").messages
    (call,), (result,) = made[1]["content"], made[2]["content"]
    assert call["id"] == result["tool_use_id"] and {"a": 1} == call["input"]
    assert "2" in json.dumps(result["content"])
    bedrock = [
        {
            "role": "assistant",
            "content": [{"toolUse": {"toolUseId": "b", "name": "l", "input": {}}}],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "b", "content": [{"text": "k"}]}}],
        },
    ]
    chat = converted(bedrock, "openai").messages
    assert ["assistant", "tool"] == [one["role"] for one in chat] and "k" == chat[1]["content"]


def test_what_a_format_has_no_place_for_becomes_a_note() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    kept = {"type": "file", "file": {"file_id": "file-1", "filename": "plan.pdf"}}
    given = [{"role": "user", "content": [sound, kept, {"type": "text", "text": "Hear."}]}]
    texts = converted(given, "anthropic").messages[0]["content"]
    assert "[audio that was shown]" in texts and "[file plan.pdf that was shown]" in texts
    hosted = [{"type": "web_search_call", "id": "w", "status": "completed"}]
    assert "[web_search_call of the provider was used]" in json.dumps(
        converted(hosted, "openai").messages
    )


def test_objects_of_frameworks_are_handed_on() -> None:
    class Message:
        role, content = "user", "hi"

    one = Message()
    assert converted([one, *CHAT[2:4]], "anthropic").messages[0] is one


def test_a_turn_of_very_many_calls_is_joined_and_what_was_given_stays() -> None:
    # If each result copied those before it, this would take minutes.
    many = range(20_000)
    calls = [{**CALLS[0], "id": f"c{n}"} for n in many]
    results = [{"role": "tool", "tool_call_id": f"c{n}", "content": "a cat"} for n in many]
    called = {"role": "assistant", "content": None, "tool_calls": calls}
    before = json.dumps(called)
    made = converted([called, *results], "anthropic")
    assert [0, 1] == made.origin and [len(many)] * 2 == [len(m["content"]) for m in made.messages]
    function = {"type": "function_call", "name": "look", "arguments": "{}"}
    items = [function | {"call_id": f"d{n}"} for n in many]
    chat = converted([called, *items], "openai").messages
    assert ["c0", "d0"] == [chat[0]["tool_calls"][n]["id"] for n in (0, len(many))]
    assert 1 == len(chat) and 2 * len(many) == len(chat[0]["tool_calls"])
    assert before == json.dumps(called)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_hostile_messages_are_converted(provider) -> None:
    deep = "[" * 100_000
    function = {"name": "look", "arguments": deep}
    call = {"id": "c1", "type": "function", "function": function}
    given = [
        {"role": "user", "content": [{"type": ["text"], "text": "Hear."}, {"type": 7}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    asked, called = converted(given, provider).messages
    assert "Hear." in json.dumps(asked)
    assert deep in json.dumps(called)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("given", [CHAT, ANTHROPIC], ids=["chat", "anthropic"])
def test_assemble_takes_a_history_of_any_provider(strict, provider, given) -> None:
    if provider == "anthropic":  # whose signatures are checked
        given = json.loads(
            json.dumps(given).replace(
                '{"type": "thinking", "thinking": "Hm.", "signature": "x"}, ', ""
            )
        )
    tool = {"name": "look", "description": "Look.", "input_schema": {"type": "object"}}
    request = ctxmem.assemble(
        "Where is the cat?", 20_000, history=given, tools=[tool], provider=provider
    )
    found = ctxmem.check(request.messages, tools=request.tools, provider=provider)
    assert [] == [one for one in found if one.kind not in ADVICE]
    response = post(strict, PATHS[provider], request.body() | BESIDE[provider])
    assert 200 == response.status_code, said(response)
    keys = [one.key for one in request.decisions if one.part == "history"]
    assert len(set(keys)) == len(keys) > 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_memory_of_another_provider_is_converted_too(strict, provider) -> None:
    memory = ctxmem.Memory(20_000)
    memory.append(CHAT[1:])
    request = ctxmem.assemble("Where is the cat?", 20_000, memory=memory, provider=provider)
    response = post(strict, PATHS[provider], request.body() | BESIDE[provider])
    assert 200 == response.status_code, said(response)
    assert "a dog" in json.dumps(request.messages)

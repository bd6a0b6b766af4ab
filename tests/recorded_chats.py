"""One conversation as many programs would have logged it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Record = dict[str, Any]
WORDS = (
    "pump cellar valve leak order invoice refund parcel carrier monday report meter panel code "
    "warranty partner service basement pressure litre hour customer street window"
).split()


def prose(rng: random.Random, least: int = 12, most: int = 60) -> str:
    """Return a made-up text."""
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(least, most))).capitalize() + "."


def chat(seed: int, turns: int = 6) -> list[Record]:
    """Return a conversation with tool calls, in the shape of Chat Completions; it ends answered."""
    rng = random.Random(seed)
    made: list[Record] = []
    for turn in range(turns):
        made.append({"role": "user", "content": f"{turn}: {prose(rng)}"})
        for step in range(rng.randint(0, 2)):
            calls = [
                {
                    "id": f"call_{seed}_{turn}_{step}_{i}",
                    "type": "function",
                    "function": {
                        "name": rng.choice(("read_file", "search")),
                        "arguments": json.dumps({"path": f"src/part_{turn}{step}{i}.py", "n": i}),
                    },
                }
                for i in range(rng.randint(1, 2))
            ]
            said = prose(rng) if rng.random() < 0.5 else None
            made.append({"role": "assistant", "content": said, "tool_calls": calls})
            made += [
                {"role": "tool", "tool_call_id": call["id"], "content": prose(rng, 40, 120)}
                for call in calls
            ]
        made.append({"role": "assistant", "content": f"Answer {turn}. {prose(rng)}"})
    return made


def windows(messages: list[Record]) -> Iterator[tuple[list[Record], Record]]:
    """Yield what was sent with each call, and the answer."""
    for i, message in enumerate(messages):
        if message["role"] == "assistant":
            yield messages[:i], message


def blocks(messages: list[Record]) -> list[Record]:
    """Return messages in the shape of Anthropic's: the results of one answer in one message."""
    made: list[Record] = []
    for message in messages:
        if message["role"] == "tool":
            block = {
                "type": "tool_result",
                "tool_use_id": message["tool_call_id"],
                "content": [{"type": "text", "text": message["content"]}],
            }
            if made[-1]["role"] == "user":
                made[-1]["content"].append(block)
            else:
                made.append({"role": "user", "content": [block]})
            continue
        content = [{"type": "text", "text": message["content"]}] if message["content"] else []
        for call in message.get("tool_calls", ()):
            function = call["function"]
            given = json.loads(function["arguments"])
            content.append(
                {"type": "tool_use", "id": call["id"], "name": function["name"], "input": given}
            )
        made.append({"role": message["role"], "content": content})
    return made


def openai(messages: list[Record]) -> list[Record]:
    return [{"model": "gpt-x", "messages": sent} for sent, _ in windows(messages)]


def openai_with_answers(messages: list[Record]) -> list[Record]:
    return [
        {
            "request": {"model": "gpt-x", "messages": sent},
            "response": {
                "id": f"r{i}",
                "choices": [{"message": {**answer, "refusal": None, "annotations": []}}],
            },
        }
        for i, (sent, answer) in enumerate(windows(messages))
    ]


def anthropic(messages: list[Record]) -> list[Record]:
    """Mark the last message of every request for the cache, as clients do."""
    records = []
    for sent, _ in windows(messages):
        given = blocks(sent)
        last = given[-1]["content"]
        last[-1] = {**last[-1], "cache_control": {"type": "ephemeral"}}
        records.append({"model": "claude-x", "max_tokens": 9, "messages": given})
    return records


def one_list(messages: list[Record]) -> list[Record]:
    return [{"messages": messages}]


def growing_lists(messages: list[Record]) -> list[Record]:
    return [{"messages": sent} for sent, _ in windows(messages)]


def lines(messages: list[Record]) -> list[Record]:
    return messages


def claude_code(messages: list[Record], session: str = "s") -> list[Record]:
    """Write an answer block by block, each tool's result behind its call."""
    made: list[Record] = []
    last: str | None = None

    def add(kind: str, message: Record) -> None:
        nonlocal last
        uuid = f"{session}-{len(made)}"
        minute, second = divmod(len(made), 60)
        stamp = f"2026-03-01T10:{minute:02}:{second:02}Z"
        made.append(
            {
                "type": kind,
                "uuid": uuid,
                "parentUuid": last,
                "sessionId": session,
                "isSidechain": False,
                "timestamp": stamp,
                "message": message,
            }
        )
        last = uuid

    results: dict[str, Record] = {}
    for message in blocks(messages):
        for block in message["content"]:
            if block["type"] == "tool_result":
                results[block["tool_use_id"]] = block
    for number, message in enumerate(blocks(messages)):
        if message["role"] == "user":
            content = [b for b in message["content"] if b["type"] != "tool_result"]
            if content:
                add("user", {"role": "user", "content": content[0]["text"]})
            continue
        for block in message["content"]:
            head = {"id": f"msg_{session}_{number}", "model": "claude-x", "role": "assistant"}
            add("assistant", {**head, "content": [block]})
            if block["type"] == "tool_use":
                add("user", {"role": "user", "content": [results[block["id"]]]})
    return made


def _span(number: int, attributes: Record) -> Record:
    return {
        "name": "chat",
        "context": {"trace_id": f"t{number}", "span_id": f"s{number}"},
        "start_time": f"2026-03-01T10:{number // 60:02}:{number % 60:02}Z",
        "attributes": attributes,
    }


def openinference(messages: list[Record]) -> list[Record]:
    made = []
    for number, (sent, _) in enumerate(windows(messages)):
        fields: Record = {
            "openinference.span.kind": "LLM",
            "session.id": "s",
            "llm.model_name": "gpt-x",
        }
        for i, message in enumerate(sent):
            head = f"llm.input_messages.{i}.message"
            fields[f"{head}.role"] = message["role"]
            if message["content"] is not None:
                fields[f"{head}.content"] = message["content"]
            if message["role"] == "tool":
                fields[f"{head}.tool_call_id"] = message["tool_call_id"]
            for k, call in enumerate(message.get("tool_calls", ())):
                name = f"{head}.tool_calls.{k}.tool_call"
                fields[f"{name}.id"] = call["id"]
                fields[f"{name}.function.name"] = call["function"]["name"]
                fields[f"{name}.function.arguments"] = call["function"]["arguments"]
        made.append(_span(number, fields))
    return made


def _parts(message: Record) -> Record:
    if message["role"] == "tool":
        part = {
            "type": "tool_call_response",
            "id": message["tool_call_id"],
            "response": message["content"],
        }
        return {"role": "tool", "parts": [part]}
    parts: list[Record] = []
    if message["content"]:
        parts.append({"type": "text", "content": message["content"]})
    for call in message.get("tool_calls", ()):
        function = call["function"]
        parts.append(
            {
                "type": "tool_call",
                "id": call["id"],
                "name": function["name"],
                "arguments": json.loads(function["arguments"]),
            }
        )
    return {"role": message["role"], "parts": parts}


def genai(messages: list[Record]) -> list[Record]:
    return [
        _span(
            number,
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.conversation.id": "s",
                "gen_ai.request.model": "gpt-x",
                "gen_ai.input.messages": json.dumps(list(map(_parts, sent))),
            },
        )
        for number, (sent, _) in enumerate(windows(messages))
    ]


def responses(messages: list[Record]) -> list[Record]:
    """Name the response that each request continues, and send what is new alone."""
    made: list[Record] = []
    sent_before = 0
    for number, (sent, answer) in enumerate(windows(messages)):
        request: Record = {"model": "gpt-x", "input": _items(sent[sent_before:])}
        if number:
            request["previous_response_id"] = f"resp_{number - 1}"
        response = {"id": f"resp_{number}", "output": _items([answer])}
        made.append({"request": request, "response": response})
        sent_before = len(sent) + 1
    return made


def _items(messages: list[Record]) -> list[Record]:
    items: list[Record] = []
    for message in messages:
        if message["role"] == "tool":
            key, text = message["tool_call_id"], message["content"]
            items.append({"type": "function_call_output", "call_id": key, "output": text})
            continue
        if message["content"]:
            items.append({"role": message["role"], "content": message["content"]})
        for call in message.get("tool_calls", ()):
            items.append({"type": "function_call", "call_id": call["id"], **call["function"]})
    return items


Writer = Callable[[list[Record]], list[Record]]

WRITERS: dict[str, Writer] = {
    "growing OpenAI requests": openai,
    "OpenAI requests with answers": openai_with_answers,
    "growing Anthropic requests": anthropic,
    "one list of messages": one_list,
    "growing lists of messages": growing_lists,
    "messages, one a line": lines,
    "a Claude Code transcript": claude_code,
    "OpenInference spans": openinference,
    "GenAI spans": genai,
    "responses that continue one another": responses,
}
"""How a conversation may be logged so that every call has the same messages."""

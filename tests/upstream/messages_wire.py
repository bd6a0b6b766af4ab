"""Answers of Anthropic Messages, whole and as events."""

from __future__ import annotations

from collections.abc import Iterator

from .script import Refused, Reply, Text, Thinking, ToolCall
from .seals import signature_of
from .wires import Ids, event, json_pieces, pieces

# What the usage of `message_delta` says again, now for the whole answer.
CUMULATIVE = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
)


def stop_reason(reply: Reply) -> str:
    """Return why the answer ends."""
    if reply.max_tokens:
        return "max_tokens"
    if any(isinstance(part, Refused) for part in reply.content):
        return "refusal"
    if any(isinstance(part, ToolCall) for part in reply.content):
        return "tool_use"
    return "end_turn"


def _blocks(reply: Reply, ids: Ids) -> list[dict]:
    blocks: list[dict] = []
    for n, part in enumerate(reply.content):
        if isinstance(part, Thinking):
            signature = signature_of(part.text)
            blocks.append({"type": "thinking", "thinking": part.text, "signature": signature})
        elif isinstance(part, ToolCall):
            use = {"type": "tool_use", "id": ids.of("toolu_", n), "name": part.name}
            blocks.append(use | {"input": part.arguments})
        elif isinstance(part, Text | Refused):
            blocks.append({"type": "text", "text": part.text})
    return blocks


def whole(reply: Reply, ids: Ids, body: dict, usage: dict) -> dict:
    """Return the answer as one JSON object."""
    return {
        "id": ids.of("msg_"),
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": _blocks(reply, ids),
        "stop_reason": stop_reason(reply),
        "stop_sequence": None,
        "usage": usage,
    }


def events(reply: Reply, ids: Ids, body: dict, usage: dict) -> Iterator[bytes]:
    """Yield the answer as events, in the order that the API documents."""
    start = whole(reply, ids, body, usage | {"output_tokens": 1})
    start |= {"content": [], "stop_reason": None}
    yield event({"type": "message_start", "message": start}, "message_start")
    for index, block in enumerate(_blocks(reply, ids)):
        yield from _block_events(block, index)
        if reply.fail_inside:
            error = {"type": "overloaded_error", "message": reply.fail_inside}
            yield event({"type": "error", "error": error}, "error")
            return
    delta = {"stop_reason": stop_reason(reply), "stop_sequence": None}
    last = {"type": "message_delta", "delta": delta}
    shown = {name: usage[name] for name in CUMULATIVE}
    yield event(last | {"usage": shown}, "message_delta")
    yield event({"type": "message_stop"}, "message_stop")


def _block_events(block: dict, index: int) -> Iterator[bytes]:
    kind = block["type"]
    empty = {
        "text": {"type": "text", "text": ""},
        "thinking": {"type": "thinking", "thinking": "", "signature": ""},
        "tool_use": block | {"input": {}},
    }[kind]
    deltas = [{"type": "text_delta", "text": one} for one in pieces(block.get("text", ""))]
    if kind == "tool_use":
        parts = ["", *json_pieces(block["input"])]
        deltas = [{"type": "input_json_delta", "partial_json": one} for one in parts]
    if kind == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": one} for one in pieces(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    start = {"type": "content_block_start", "index": index, "content_block": empty}
    yield event(start, "content_block_start")
    if index == 0:
        yield event({"type": "ping"}, "ping")
    for delta in deltas:
        change = {"type": "content_block_delta", "index": index, "delta": delta}
        yield event(change, "content_block_delta")
    yield event({"type": "content_block_stop", "index": index}, "content_block_stop")

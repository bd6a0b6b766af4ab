"""Answers of OpenAI Responses, whole and as events."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .chat_wire import CREATED
from .script import Part, Refused, Reply, Text, Thinking, ToolCall
from .seals import encrypted
from .wires import Ids, event, json_pieces, pieces

# What a response repeats of its request, and what holds if the request does not say.
REPEATED = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
}


def usage_of(counts: dict) -> dict:
    """Return the counts as this API reports them."""
    return {
        "input_tokens": counts["input"],
        "input_tokens_details": {
            "cached_tokens": counts["cached"],
            "cache_write_tokens": counts["written"],
        },
        "output_tokens": counts["output"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counts["input"] + counts["output"],
    }


def _item(part: Part, n: int, ids: Ids, hidden: bool) -> dict:
    if isinstance(part, Thinking):
        item = {"id": ids.of("rs_", n), "type": "reasoning"}
        item["summary"] = [{"type": "summary_text", "text": part.text}]
        return item | ({"encrypted_content": encrypted(part.text)} if hidden else {})
    if isinstance(part, ToolCall) and part.custom:
        item = {"id": ids.of("ctc_", n), "type": "custom_tool_call", "status": "completed"}
        return item | {"call_id": ids.of("call_", n), "name": part.name, "input": part.arguments}
    if isinstance(part, ToolCall):
        item = {"id": ids.of("fc_", n), "type": "function_call", "status": "completed"}
        arguments = json.dumps(part.arguments, ensure_ascii=False)
        return item | {"arguments": arguments, "call_id": ids.of("call_", n), "name": part.name}
    return {
        "id": ids.of("msg_", n),
        "type": "message",
        "status": "completed",
        "content": [_content(part)],
        "role": "assistant",
    }


def _content(part: Text | Refused) -> dict:
    if isinstance(part, Refused):
        return {"type": "refusal", "refusal": part.text}
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": part.text}


def output_of(reply: Reply, ids: Ids, body: dict) -> list[dict]:
    """Return the output items; reasoning is encrypted where the request asks for that."""
    hidden = "reasoning.encrypted_content" in (body.get("include") or [])
    return [_item(part, n, ids, hidden) for n, part in enumerate(reply.content)]


def whole(reply: Reply, ids: Ids, body: dict, counts: dict) -> dict:
    """Return the answer as one JSON object."""
    repeated = {key: body.get(key, value) for key, value in REPEATED.items()}
    ended = reply.max_tokens
    return {
        "id": ids.of("resp_"),
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if ended else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if ended else None,
        "model": body["model"],
        "output": output_of(reply, ids, body),
        "service_tier": "default",
        **repeated,
        "usage": usage_of(counts),
        "user": body.get("user"),
    }


def events(reply: Reply, ids: Ids, body: dict, counts: dict) -> Iterator[bytes]:
    """Yield the answer as numbered events."""
    final = whole(reply, ids, body, counts)
    open_form = final | {"status": "in_progress", "output": [], "usage": None}
    for number, (kind, data) in enumerate(_events(final, open_form, reply)):
        yield event({"type": kind, "sequence_number": number} | data, kind)


def _events(final: dict, open_form: dict, reply: Reply) -> Iterator[tuple[str, dict]]:
    yield "response.created", {"response": open_form}
    yield "response.in_progress", {"response": open_form}
    for index, item in enumerate(final["output"]):
        yield from _item_events(item, index)
        if reply.fail_inside:
            error = {"code": "server_error", "message": reply.fail_inside}
            yield "response.failed", {"response": open_form | {"status": "failed", "error": error}}
            return
    ended = final["status"]
    yield f"response.{ended}", {"response": final}


def _item_events(item: dict, index: int) -> Iterator[tuple[str, dict]]:
    place = {"output_index": index}
    inside = place | {"item_id": item["id"]}
    kind = item["type"]
    started = {
        "reasoning": item | {"summary": []},
        "message": item | {"status": "in_progress", "content": []},
        "function_call": item | {"status": "in_progress", "arguments": ""},
        "custom_tool_call": item | {"status": "in_progress", "input": ""},
    }[kind]
    yield "response.output_item.added", place | {"item": started}
    if kind == "message":
        yield from _text_events(item["content"][0], inside | {"content_index": 0})
    elif kind == "reasoning":
        yield from _summary_events(item["summary"][0], inside | {"summary_index": 0})
    elif kind == "function_call":
        name = "response.function_call_arguments"
        for one in json_pieces(item["arguments"]):
            yield f"{name}.delta", inside | {"delta": one}
        yield f"{name}.done", inside | {"arguments": item["arguments"]}
    else:
        name = "response.custom_tool_call_input"
        for one in json_pieces(item["input"]):
            yield f"{name}.delta", inside | {"delta": one}
        yield f"{name}.done", inside | {"input": item["input"]}
    yield "response.output_item.done", place | {"item": item}


def _text_events(part: dict, place: dict) -> Iterator[tuple[str, dict]]:
    field, name = ("refusal", "refusal") if "refusal" in part else ("text", "output_text")
    logprobs = {} if field == "refusal" else {"logprobs": []}
    yield "response.content_part.added", place | {"part": part | {field: ""}}
    for one in pieces(part[field]):
        yield f"response.{name}.delta", place | {"delta": one} | logprobs
    yield f"response.{name}.done", place | {field: part[field]} | logprobs
    yield "response.content_part.done", place | {"part": part}


def _summary_events(part: dict, place: dict) -> Iterator[tuple[str, dict]]:
    yield "response.reasoning_summary_part.added", place | {"part": part | {"text": ""}}
    for one in pieces(part["text"]):
        yield "response.reasoning_summary_text.delta", place | {"delta": one}
    yield "response.reasoning_summary_text.done", place | {"text": part["text"]}
    yield "response.reasoning_summary_part.done", place | {"part": part}

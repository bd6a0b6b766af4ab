"""Answers of OpenAI Chat Completions, whole and as chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .script import Refused, Reply, Text, ToolCall
from .wires import Ids, event, json_pieces, pieces

CREATED = 1_790_000_000


def usage_of(counts: dict) -> dict:
    """Return the counts as this API reports them."""
    return {
        "prompt_tokens": counts["input"],
        "completion_tokens": counts["output"],
        "total_tokens": counts["input"] + counts["output"],
        "prompt_tokens_details": {
            "cached_tokens": counts["cached"],
            "audio_tokens": 0,
            "cache_write_tokens": counts["written"],
        },
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def finish_reason(reply: Reply) -> str:
    """Return why the answer ends."""
    if reply.max_tokens:
        return "length"
    return "tool_calls" if any(isinstance(p, ToolCall) for p in reply.content) else "stop"


def _calls(reply: Reply, ids: Ids) -> list[dict]:
    return [
        {
            "id": ids.of("call_", n),
            "type": "function",
            "function": {"name": part.name, "arguments": json.dumps(part.arguments)},
        }
        for n, part in enumerate(reply.content)
        if isinstance(part, ToolCall)
    ]


def _joined(reply: Reply, kind: type) -> str | None:
    found = [part.text for part in reply.content if isinstance(part, kind)]
    return "".join(found) if found else None


def whole(reply: Reply, ids: Ids, body: dict, counts: dict) -> dict:
    """Return the answer as one JSON object; of `n` choices, all are equal."""
    message = {
        "role": "assistant",
        "content": _joined(reply, Text),
        "refusal": _joined(reply, Refused),
        "annotations": [],
    }
    calls = _calls(reply, ids)
    if calls:
        message["tool_calls"] = calls
    end = {"logprobs": None, "finish_reason": finish_reason(reply)}
    return {
        "id": ids.of("chatcmpl-"),
        "object": "chat.completion",
        "created": CREATED,
        "model": body["model"],
        "choices": [{"index": n, "message": message} | end for n in range(body.get("n") or 1)],
        "usage": usage_of(counts),
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _deltas(reply: Reply, ids: Ids) -> Iterator[dict]:
    yield {"role": "assistant", "content": "", "refusal": None}
    for part in reply.content:
        if isinstance(part, Text):
            yield from ({"content": one} for one in pieces(part.text))
        if isinstance(part, Refused):
            yield from ({"refusal": one} for one in pieces(part.text))
    for n, call in enumerate(_calls(reply, ids)):
        empty = call | {"function": {"name": call["function"]["name"], "arguments": ""}}
        yield {"tool_calls": [{"index": n} | empty]}
        for one in json_pieces(call["function"]["arguments"]):
            yield {"tool_calls": [{"index": n, "function": {"arguments": one}}]}


def events(reply: Reply, ids: Ids, body: dict, counts: dict) -> Iterator[bytes]:
    """Yield the answer as chunks, with the usage chunk if the request asks for it."""
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    base = {
        "id": ids.of("chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": body["model"],
        "service_tier": "default",
        "system_fingerprint": None,
    }

    def chunk(delta: dict, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event(base | {"choices": [choice]} | ({"usage": None} if asked else {}))

    for n, delta in enumerate(_deltas(reply, ids)):
        yield chunk(delta)
        if reply.fail_inside and n == 1:
            error = {"message": reply.fail_inside, "type": "server_error"}
            yield event({"error": error | {"param": None, "code": None}})
            return
    yield chunk({}, finish_reason(reply))
    if asked:
        yield event(base | {"choices": [], "usage": usage_of(counts)})
    yield event("[DONE]")

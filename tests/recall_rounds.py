"""Scripted replies of three wire formats, and an upstream that gives them one by one.

A round is a list of parts, in order: ("text", text), ("think", text), ("recall", arguments) or
("tool", arguments), and how it ends. The same script is written whole and as a stream.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from provider_rules import problems

from ctxmem.gateway.http.relay import BrokenOff
from ctxmem.gateway.recall.recalling import Incoming, Recalling
from ctxmem.memory import tool

CLIENTS = {
    "anthropic": {"name": "look", "description": "look", "input_schema": {"type": "object"}},
    "chat": {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}},
    "responses": {"type": "function", "name": "look", "parameters": {"type": "object"}},
}
FORMS = {"anthropic": "anthropic", "chat": "openai", "responses": "responses"}
WIRES = tuple(FORMS)


@dataclass
class Round:
    """A reply; `cut` ends it before its model did, as a limit of tokens does."""

    parts: list[tuple[str, Any]]
    cut: bool = False
    number: int = 0
    refusal: bool = False


def request(wire: str, *, stream: bool = False, tools: int = 1) -> dict[str, Any]:
    """Return a managed request with the client's tools and the gateway's."""
    said = {"role": "user", "content": "Which port did we choose?"}
    made: dict[str, Any] = {"model": "m", "stream": stream}
    made["input" if wire == "responses" else "messages"] = [said]
    if wire == "anthropic":
        made["max_tokens"] = 1000
    if wire == "responses":
        made["store"] = False
    made["tools"] = [CLIENTS[wire]] * tools + [tool.definition(FORMS[wire])]
    return made


# Whole replies ------------------------------------------------------------------------------------


def whole(wire: str, round_: Round) -> dict[str, Any]:
    """Return the body of a reply without streaming."""
    return {"anthropic": _message, "chat": _completion, "responses": _response}[wire](round_)


def _name(kind: str) -> str:
    return tool.NAME if kind == "recall" else "look"


def _calls(round_: Round) -> bool:
    return any(kind in ("recall", "tool") for kind, _ in round_.parts)


def _block(round_: Round, n: int, kind: str, said: Any) -> dict[str, Any]:
    if kind == "text":
        return {"type": "text", "text": said}
    if kind == "think":
        return {"type": "thinking", "thinking": said, "signature": f"sig{round_.number}{n}"}
    return {
        "type": "tool_use",
        "id": f"toolu_{round_.number}_{n}",
        "name": _name(kind),
        "input": said,
    }


def _message(round_: Round) -> dict[str, Any]:
    reason = "tool_use" if _calls(round_) else "refusal" if round_.refusal else "end_turn"
    return {
        "id": f"msg_{round_.number}",
        "type": "message",
        "role": "assistant",
        "model": f"m-{round_.number}",
        "content": [_block(round_, n, *part) for n, part in enumerate(round_.parts)],
        "stop_reason": "max_tokens" if round_.cut else reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 100 + round_.number,
            "cache_read_input_tokens": 1000,
            "cache_creation_input_tokens": 0,
            "output_tokens": 10 + round_.number,
        },
    }


def _text_of(round_: Round, wanted: str) -> str | None:
    texts = [said for kind, said in round_.parts if kind == wanted]
    return "".join(texts) if texts else None


def _chat_calls(round_: Round) -> list[dict[str, Any]]:
    calls = [part for part in round_.parts if part[0] in ("recall", "tool")]
    return [
        {
            "id": f"call_{round_.number}_{n}",
            "type": "function",
            "function": {"name": _name(kind), "arguments": json.dumps(said)},
        }
        for n, (kind, said) in enumerate(calls)
    ]


def _completion(round_: Round) -> dict[str, Any]:
    text = _text_of(round_, "text")
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if round_.refusal:
        message |= {"content": None, "refusal": text}
    thought = _text_of(round_, "think")
    if thought is not None:
        message["reasoning_content"] = thought
    calls = _chat_calls(round_)
    if calls:
        message["tool_calls"] = calls
    reason = "length" if round_.cut else "tool_calls" if calls else "stop"
    return {
        "id": f"chatcmpl-{round_.number}",
        "object": "chat.completion",
        "created": 1000 + round_.number,
        "model": f"m-{round_.number}",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": 100 + round_.number,
            "completion_tokens": 10,
            "total_tokens": 110 + round_.number,
            "prompt_tokens_details": {"cached_tokens": 64},
        },
    }


def _item(round_: Round, n: int, kind: str, said: Any) -> dict[str, Any]:
    name = f"{round_.number}_{n}"
    if kind == "text":
        part = {"type": "output_text", "text": said, "annotations": []}
        if round_.refusal:
            part = {"type": "refusal", "refusal": said}
        head = {"id": f"msg_{name}", "type": "message", "status": "completed"}
        return {**head, "role": "assistant", "content": [part]}
    if kind == "think":
        summary = [{"type": "summary_text", "text": said}]
        head = {"id": f"rs_{name}", "type": "reasoning"}
        return {**head, "summary": summary, "encrypted_content": f"secret{name}"}
    return {
        "id": f"fc_{name}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{name}",
        "name": _name(kind),
        "arguments": json.dumps(said),
    }


def _response(round_: Round) -> dict[str, Any]:
    return {
        "id": f"resp_{round_.number}",
        "object": "response",
        "created_at": 1000 + round_.number,
        "status": "incomplete" if round_.cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if round_.cut else None,
        "error": None,
        "model": f"m-{round_.number}",
        "output": [_item(round_, n, *part) for n, part in enumerate(round_.parts)],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 100 + round_.number,
            "input_tokens_details": {"cached_tokens": 64},
            "output_tokens": 10,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 110 + round_.number,
        },
    }


# Streams ------------------------------------------------------------------------------------------


def stream(wire: str, round_: Round, *, end: str = "\n", usage: bool = True) -> bytes:
    """Return a reply as server-sent events."""
    if wire == "anthropic":
        made = [_sse(event["type"], event) for event in _message_events(round_)]
        made.insert(1, 'event: ping\ndata: {"type": "ping"}\n\n')
    elif wire == "chat":
        made = [_sse("", chunk) for chunk in _chunks(round_, usage)]
        made += ["data: [DONE]\n\n"]
        made.insert(1, ": keep\n\n")
    else:
        made = []
        for number, event in enumerate(_response_events(round_)):
            made.append(_sse(event["type"], {**event, "sequence_number": number}))
    return "".join(made).replace("\n", end).encode()


def _sse(name: str, event: dict[str, Any]) -> str:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(event, ensure_ascii=False)}\n\n"


def _halves(text: str) -> Iterator[str]:
    yield text[: len(text) // 2]
    yield text[len(text) // 2 :]


def _message_events(round_: Round) -> Iterator[dict[str, Any]]:
    body = _message(round_)
    usage = {**body["usage"], "output_tokens": 1}
    start = {**body, "content": [], "stop_reason": None, "usage": usage}
    yield {"type": "message_start", "message": start}
    for n, block in enumerate(body["content"]):
        kind = block["type"]
        empty = {**block, **({"input": {}} if kind == "tool_use" else {kind: ""})}
        if kind == "thinking":
            empty = {"type": kind, "thinking": "", "signature": ""}
        empty = {"type": "text", "text": ""} if kind == "text" else empty
        yield {"type": "content_block_start", "index": n, "content_block": empty}
        deltas = {
            "text": [{"type": "text_delta", "text": x} for x in _halves(block.get("text", ""))],
            "thinking": [
                *(
                    {"type": "thinking_delta", "thinking": x}
                    for x in _halves(block.get("thinking", ""))
                ),
                {"type": "signature_delta", "signature": block.get("signature")},
            ],
            "tool_use": [
                {"type": "input_json_delta", "partial_json": x}
                for x in _halves(json.dumps(block.get("input")))
            ],
        }[kind]
        for delta in deltas:
            yield {"type": "content_block_delta", "index": n, "delta": delta}
        yield {"type": "content_block_stop", "index": n}
    delta = {"stop_reason": body["stop_reason"], "stop_sequence": None}
    said = {"output_tokens": body["usage"]["output_tokens"]}
    yield {"type": "message_delta", "delta": delta, "usage": said}
    yield {"type": "message_stop"}


def _chunks(round_: Round, usage: bool) -> Iterator[dict[str, Any]]:
    body = _completion(round_)
    message = body["choices"][0]["message"]
    head = {name: body[name] for name in ("id", "created", "model")}
    head["object"] = "chat.completion.chunk"

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    yield chunk({"role": "assistant", "content": None, "refusal": None})
    for name in ("reasoning_content", "content", "refusal"):
        for half in _halves(message.get(name) or ""):
            if half:
                yield chunk({name: half})
    for n, call in enumerate(message.get("tool_calls") or ()):
        empty = {**call["function"], "arguments": ""}
        yield chunk({"tool_calls": [{"index": n, **call, "function": empty}]})
        for half in _halves(call["function"]["arguments"]):
            yield chunk({"tool_calls": [{"index": n, "function": {"arguments": half}}]})
    yield chunk({}, body["choices"][0]["finish_reason"])
    if usage:
        yield {**head, "choices": [], "usage": body["usage"]}


def _response_events(round_: Round) -> Iterator[dict[str, Any]]:
    body = _response(round_)
    start = {**body, "output": [], "status": "in_progress", "usage": None}
    start["incomplete_details"] = None
    yield {"type": "response.created", "response": start}
    yield {"type": "response.in_progress", "response": start}
    for n, item in enumerate(body["output"]):
        at = {"output_index": n}
        emptied = {
            "message": {"content": [], "status": "in_progress"},
            "reasoning": {"summary": []},
            "function_call": {"arguments": "", "status": "in_progress"},
        }[item["type"]]
        yield {"type": "response.output_item.added", **at, "item": {**item, **emptied}}
        yield from _inside(at | {"item_id": item["id"]}, item)
        yield {"type": "response.output_item.done", **at, "item": item}
    kind = "response.incomplete" if round_.cut else "response.completed"
    yield {"type": kind, "response": body}


def _inside(at: dict[str, Any], item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if item["type"] == "function_call":
        for half in _halves(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", **at, "delta": half}
        done = {"arguments": item["arguments"], "name": item["name"]}
        yield {"type": "response.function_call_arguments.done", **at, **done}
    elif item["type"] == "message":
        (part,) = item["content"]
        at = at | {"content_index": 0}
        kind = part["type"]
        name = "text" if kind == "output_text" else "refusal"
        yield {"type": "response.content_part.added", **at, "part": {**part, name: ""}}
        for half in _halves(part[name]):
            yield {"type": f"response.{kind}.delta", **at, "delta": half, "logprobs": []}
        yield {"type": f"response.{kind}.done", **at, name: part[name], "logprobs": []}
        yield {"type": "response.content_part.done", **at, "part": part}


# An upstream --------------------------------------------------------------------------------------


class Given:
    """A reply whose body comes in parts, one of which may be an error; it notes its closing."""

    def __init__(
        self, parts: list[Any], kind: str = "text/event-stream", status: int = 200, **headers: str
    ) -> None:
        self.body, self.status_code = parts, status
        self.headers = [(b"content-type", kind.encode())]
        self.headers += [
            (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ]
        self.given, self.closed = 0, False

    def header(self, name: bytes) -> str:
        return next((value.decode() for given, value in self.headers if given == name), "")

    async def parts(self) -> AsyncIterator[bytes]:
        for part in self.body:
            if isinstance(part, Exception):
                raise part
            self.given += 1
            yield part

    async def aclose(self) -> None:
        self.closed = True


def failing(status: int, error: dict[str, Any]) -> Given:
    """Return an upstream's error."""
    body = json.dumps({"type": "error", "error": error}).encode()
    return Given([body], "application/json", status)


@dataclass
class Upstream:
    """Gives the rounds of a script, one for each request; `size` is that of its parts.

    The reply with the number `cut` breaks off."""

    wire: str
    rounds: list[Round | Given]
    streams: bool = False
    size: int = 0
    end: str = "\n"
    usage: bool = True
    cut: int = -1
    gzip: bool = False
    requests: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[Given] = field(default_factory=list)
    given: int = 0

    async def send(self, data: bytes) -> Given:
        """Take a further request, check its history, and give the next round."""
        sent = json.loads(data)
        self.requests.append(sent)
        history = sent["input" if self.wire == "responses" else "messages"]
        provider = {"chat": "openai"}.get(self.wire, self.wire)
        found = problems(history, provider)
        assert [] == found, found
        return self.next()

    def next(self) -> Given:
        """Give the next round."""
        round_ = self.rounds[self.given]
        self.given += 1
        if isinstance(round_, Given):
            return round_
        round_.number = self.given
        if self.streams:
            data = stream(self.wire, round_, end=self.end, usage=self.usage)
            kind = "text/event-stream; charset=utf-8"
        else:
            data, kind = json.dumps(whole(self.wire, round_)).encode(), "application/json"
        if self.gzip:
            data = gzip.compress(data)
        size = self.size or len(data)
        parts: list[Any] = [data[i : i + size] for i in range(0, len(data), size)]
        if self.given == self.cut + 1:
            parts[-2:] = [BrokenOff("cut")]
        headers = {"x_request_id": f"req_{self.given}"}
        if self.gzip:
            headers["content_encoding"] = "gzip"
        if not self.streams:
            headers["content_length"] = str(len(data))
        self.bodies.append(Given(parts, kind, **headers))
        return self.bodies[-1]


# A client's request ------------------------------------------------------------------------------

LOOK = [("think", "Hm."), ("text", "Let me look."), ("recall", {"page": "p1"})]
SAID = [("think", "So."), ("text", "Port 8443, naïve.")]
BESIDE = [("text", "é€😀"), ("recall", {"page": "p1"}), ("tool", {"k": "ü"})]
PAGE = "[p1] the port is 8443"


def run(
    upstream: Upstream,
    *,
    answer: Any = None,
    keep: Any = None,
    tools: int = 1,
    most: int = 1 << 20,
    facts: dict[str, Any] | None = None,
) -> tuple[Incoming, bytes, Recalling]:
    """Return the reply that the client of an upstream's script gets."""

    async def all_of() -> tuple[Incoming, bytes, Recalling]:
        recalling = Recalling(
            upstream.wire,
            request(upstream.wire, stream=upstream.streams, tools=tools),
            upstream.send,
            answer or (lambda call: PAGE),
            keep or (lambda ids, text: None),
            most,
            facts if facts is not None else {},
        )
        reply = await recalling.reply(upstream.next())
        got = b"".join([part async for part in reply.parts()])
        return reply, got, recalling

    return asyncio.run(all_of())

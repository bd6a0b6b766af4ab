"""The stub in place of a provider for `ctxmem serve --demo`: it says that it is one.

It takes Anthropic's Messages and OpenAI's Chat Completions, streamed or not, calls the tools it is
offered a few times, and bills by the providers' published rules for cached prompts.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ctxmem import count_tokens
from ctxmem.gateway.demo.script import asked_of, reply_to
from ctxmem.pricing import PRICES, Bill, Block, Charge

MODELS = {"claude-sonnet-5": "anthropic", "gpt-5": "openai"}
"""Models that the demonstration names, and the rules by which they are billed."""
_MARK = "cache_control"
_NOTE = re.compile(r"\[memory\] |\[p\d[^\]\n]*, from memory\]")
"""How texts begin that ctxmem adds to a request: no question of the user is in them."""
_MOST_PREFIXES = 5000


class StubUpstream:
    """Answers as a provider would, without a model."""

    def __init__(self) -> None:
        self._bills = {model: Bill(PRICES[row]) for model, row in MODELS.items()}
        self._numbers = itertools.count(1)

    def app(self) -> Starlette:
        """Return it as an ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/messages", self.messages, methods=["POST"]),
                Route("/v1/chat/completions", self.completions, methods=["POST"]),
            ]
        )

    async def messages(self, request: Request) -> Response:
        """Answer POST /v1/messages."""
        body = await request.json()
        head = [body.get("system"), body.get("tools")]
        charge = self._charge(body["model"], head, body["messages"])
        text, call = _next(body["messages"], [tool["name"] for tool in body.get("tools") or ()])
        block: dict[str, Any] = {"type": "text", "text": text}
        if call:
            name, what = call
            block = {"type": "tool_use", "id": self._id("toolu"), "name": name}
            block["input"] = {"query" if name == "recall" else "what": what}
        usage = {
            "input_tokens": charge.plain,
            "cache_read_input_tokens": charge.read,
            "cache_creation_input_tokens": charge.written,
            "output_tokens": _tokens(json.dumps(block)),
        }
        reply = {
            "id": self._id("msg"),
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [block],
            "stop_reason": "tool_use" if call else "end_turn",
            "stop_sequence": None,
            "usage": usage,
        }
        if not body.get("stream"):
            return JSONResponse(reply)
        return _events(_message_events(reply), names=True)

    async def completions(self, request: Request) -> Response:
        """Answer POST /v1/chat/completions."""
        body = await request.json()
        charge = self._charge(body["model"], [body.get("tools")], body["messages"])
        names = [tool["function"]["name"] for tool in body.get("tools") or ()]
        text, call = _next(body["messages"], names)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if call:
            name, what = call
            arguments = json.dumps({"query" if name == "recall" else "what": what})
            function = {"name": name, "arguments": arguments}
            calls = [{"id": self._id("call"), "type": "function", "function": function}]
            message = {"role": "assistant", "content": None, "tool_calls": calls}
        spent, said = charge.read + charge.written + charge.plain, _tokens(json.dumps(message))
        reply = {
            "id": self._id("chatcmpl"),
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body["model"],
            "choices": [
                {"index": 0, "message": message, "finish_reason": "tool_calls" if call else "stop"}
            ],
            "usage": {
                "prompt_tokens": spent,
                "completion_tokens": said,
                "total_tokens": spent + said,
                "prompt_tokens_details": {"cached_tokens": charge.read},
            },
        }
        if not body.get("stream"):
            return JSONResponse(reply)
        return _events(_completion_events(reply), names=False)

    def _id(self, kind: str) -> str:
        return f"{kind}_stub{next(self._numbers):06}"

    def _charge(self, model: str, head: list[Any], messages: list[Any]) -> Charge:
        """Return what a request costs by the rules of its model's cache."""
        bill = self._bills.get(model) or self._bills["gpt-5"]
        texts = [json.dumps(part, sort_keys=True) for part in (head, *messages)]
        blocks = [Block(_unmarked(text), _tokens(text)) for text in texts]
        marks = [number for number, text in enumerate(texts, 1) if _MARK in text]
        charge = bill.call(blocks, breakpoints=marks, now=time.time())
        bill.forget(_MOST_PREFIXES)
        return charge


def _next(messages: list[Any], tools: list[str]) -> tuple[str, tuple[str, str] | None]:
    """Return what the stub says next, or the tool that it calls and what for."""
    question, results = "", 0
    for message in reversed(messages):
        text = _question_of(message)
        if message.get("role") == "user" and text:
            question = text
            break
        results += _has_result(message)
    if "recall" in tools and "earlier" in question and not results:
        return "", ("recall", question)
    own = [tool for tool in tools if tool != "recall"]
    if own and results < 1 + len(question) % 3:
        tool = own[(len(question) + results) % len(own)]
        return "", (tool, asked_of(tool, question, results))
    return reply_to(question, results), None


def _question_of(message: Mapping[str, Any]) -> str:
    """Return what a message says, without the notes of ctxmem."""
    content = message.get("content")
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    texts = [block.get("text", "") for block in blocks if block.get("type") == "text"]
    return "".join(text for text in texts if not _NOTE.match(text))


def _has_result(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    blocks = content if isinstance(content, list) else ()
    return message.get("role") == "tool" or any(b.get("type") == "tool_result" for b in blocks)


@lru_cache(maxsize=4096)
def _tokens(text: str) -> int:
    return count_tokens(text)


@lru_cache(maxsize=4096)
def _unmarked(text: str) -> str:
    """Return a block as a cache sees it: marks are not part of it, and clients move them."""
    return json.dumps(_without_marks(json.loads(text)), sort_keys=True)


def _without_marks(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_marks(one) for one in part]
    if isinstance(part, dict):
        return {name: _without_marks(one) for name, one in part.items() if name != _MARK}
    return part


# Streams ------------------------------------------------------------------------------------------


def _events(events: Iterator[dict[str, Any]], *, names: bool) -> Response:
    def lines() -> Iterator[str]:
        for event in events:
            yield f"event: {event['type']}\n" if names else ""
            yield f"data: {json.dumps(event)}\n\n"
        if not names:
            yield "data: [DONE]\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


def _message_events(reply: dict[str, Any]) -> Iterator[dict[str, Any]]:
    block = reply["content"][0]
    began = {**reply["usage"], "output_tokens": 1}
    start = {**reply, "content": [], "stop_reason": None, "usage": began}
    yield {"type": "message_start", "message": start}
    if block["type"] == "text":
        empty: dict[str, Any] = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": part} for part in _parts(block["text"])]
    else:
        empty = {**block, "input": {}}
        written = _parts(json.dumps(block["input"]))
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in written]
    yield {"type": "content_block_start", "index": 0, "content_block": empty}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": reply["stop_reason"], "stop_sequence": None},
        "usage": {"output_tokens": reply["usage"]["output_tokens"]},
    }
    yield {"type": "message_stop"}


def _completion_events(reply: dict[str, Any]) -> Iterator[dict[str, Any]]:
    choice = reply["choices"][0]
    message = choice["message"]
    names = ("id", "created", "model")
    base = {**{name: reply[name] for name in names}, "object": "chat.completion.chunk"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": part} for part in _parts(message["content"] or "")]
    for index, call in enumerate(message.get("tool_calls") or ()):
        deltas.append({"tool_calls": [{"index": index, **call}]})
    for delta in deltas:
        yield {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    last = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    yield {**base, "choices": [last]}
    yield {**base, "choices": [], "usage": reply["usage"]}


def _parts(text: str, size: int = 60) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]

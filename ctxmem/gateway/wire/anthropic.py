"""Anthropic's Messages."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ctxmem.gateway.wire.reading import (
    Asked,
    Call,
    Reply,
    Unreadable,
    count_of,
    list_of,
    model_in,
    object_of,
    text_of,
    usage_in,
    with_tools,
)

_DELTAS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


class AnthropicMessages:
    """POST /v1/messages."""

    name = "anthropic"
    provider = "anthropic"

    def read(self, body: Any) -> Asked:
        """Return what a request's body asks."""
        body = object_of(body)
        system = body.get("system")
        if isinstance(system, str):
            system = [{"type": "text", "text": system}]
        if not isinstance(system, list | None):
            raise Unreadable("system is neither a text nor a list")
        return Asked(
            body=body,
            model=model_in(body),
            stream=body.get("stream") is True,
            system=system or [],
            messages=list_of(body, "messages"),
            tools=list_of(body, "tools"),
            tool_choice=body.get("tool_choice"),
            kept=body.get("container") is not None,
            answer=count_of(body, "max_tokens"),
        )

    def write(self, asked: Asked, messages: list[Any], tools: list[Any]) -> dict[str, Any]:
        """Return the request's body with other messages behind its head, and with these tools."""
        return with_tools({**asked.body, "messages": messages}, tools)

    def reply(self, body: Any) -> Reply:
        """Return what a reply's body says."""
        body = object_of(body)
        content = list_of(body, "content")
        return Reply(
            messages=[{"role": "assistant", "content": content}] if content else [],
            calls=[
                Call(text_of(block, "id"), text_of(block, "name"), block.get("input"))
                for block in content
                if isinstance(block, dict) and block.get("type") == "tool_use"
            ],
            usage=usage_in(body),
            model=text_of(body, "model"),
            finished=text_of(body, "stop_reason"),
            id=text_of(body, "id"),
        )

    def gather(self, events: Iterable[Any]) -> dict[str, Any]:
        """Return the message that the events of a stream make."""
        made: dict[str, Any] = {}
        blocks: dict[int, dict[str, Any]] = {}
        for event in events:
            if not isinstance(event, dict):
                continue
            kind, index = event.get("type"), event.get("index", 0)
            if kind == "message_start":
                made = {**event.get("message", {})}
            elif kind == "content_block_start":
                blocks[index] = {**event.get("content_block", {})}
            elif kind == "content_block_delta" and index in blocks:
                _add(blocks[index], event.get("delta") or {})
            elif kind == "message_delta":
                made.update(event.get("delta") or {})
                usage = {k: v for k, v in (event.get("usage") or {}).items() if v is not None}
                made["usage"] = {**(made.get("usage") or {}), **usage}
            elif kind == "error":
                made["error"] = event.get("error")
        made["content"] = [_closed(blocks[i]) for i in sorted(blocks)]
        return made


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a part of a block to what there is of it."""
    if delta.get("type") == "citations_delta":
        block.setdefault("citations", []).append(delta.get("citation"))
        return
    name = _DELTAS.get(str(delta.get("type")))
    if name is not None:
        block[name] = (block.get(name) or "") + (delta.get(name) or "")


def _closed(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block whose input was written in parts with its input."""
    written = block.pop("partial_json", None)
    if written:
        try:
            block["input"] = json.loads(written)
        except ValueError:
            block["input"] = written
    return block

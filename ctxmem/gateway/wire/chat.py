"""OpenAI's Chat Completions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ctxmem.gateway.wire.reading import (
    Asked,
    Call,
    Reply,
    count_of,
    list_of,
    model_in,
    object_of,
    rules_in,
    text_of,
    usage_in,
    with_tools,
)


class ChatCompletions:
    """POST /v1/chat/completions."""

    name = "chat"
    provider = "openai"

    def read(self, body: Any) -> Asked:
        """Return what a request's body asks."""
        body = object_of(body)
        messages = list_of(body, "messages")
        first = rules_in(messages)
        return Asked(
            body=body,
            model=model_in(body),
            stream=body.get("stream") is True,
            system=messages[:first],
            messages=messages[first:],
            tools=list_of(body, "tools"),
            tool_choice=body.get("tool_choice"),
            response_format=body.get("response_format"),
            answer=count_of(body, "max_completion_tokens", "max_tokens"),
        )

    def write(self, asked: Asked, messages: list[Any], tools: list[Any]) -> dict[str, Any]:
        """Return the request's body with other messages behind its head, and with these tools."""
        return with_tools({**asked.body, "messages": [*asked.system, *messages]}, tools)

    def reply(self, body: Any) -> Reply:
        """Return what a reply's body says; of several choices the first."""
        body = object_of(body)
        choices = [one for one in list_of(body, "choices") if isinstance(one, dict)]
        first = choices[0] if choices else {}
        message = first.get("message")
        said = [message] if isinstance(message, dict) else []
        return Reply(
            messages=said,
            calls=[call for one in said for call in _calls(one)],
            usage=usage_in(body),
            model=text_of(body, "model"),
            finished=text_of(first, "finish_reason"),
            id=text_of(body, "id"),
        )

    def gather(self, events: Iterable[Any]) -> dict[str, Any]:
        """Return the body that the chunks of a stream make."""
        made: dict[str, Any] = {"object": "chat.completion", "choices": []}
        choices: dict[int, dict[str, Any]] = {}
        for event in events:
            if not isinstance(event, dict):
                continue
            for name, value in event.items():
                if name not in ("choices", "object") and value is not None:
                    made[name] = value
            for chunk in event.get("choices") or ():
                index = chunk.get("index", 0)
                choice = choices.setdefault(index, {"index": index, "message": {}})
                if chunk.get("finish_reason"):
                    choice["finish_reason"] = chunk["finish_reason"]
                _add(choice["message"], chunk.get("delta") or {})
        for choice in choices.values():
            calls = choice["message"].get("tool_calls")
            if isinstance(calls, dict):
                choice["message"]["tool_calls"] = [calls[i] for i in sorted(calls)]
        made["choices"] = [choices[i] for i in sorted(choices)]
        return made


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a part of a message to what there is of it."""
    for name, value in delta.items():
        if name == "tool_calls" and isinstance(value, list):
            calls = message.setdefault("tool_calls", {})
            for part in value:
                call = calls.setdefault(part.get("index", 0), {"function": {}})
                _add_call(call, part)
        elif name == "role":
            message["role"] = value
        elif isinstance(value, str) and isinstance(message.get(name), str):
            message[name] += value
        elif value is not None or name not in message:
            message[name] = value


def _add_call(call: dict[str, Any], part: dict[str, Any]) -> None:
    for name, value in part.items():
        if name == "function" and isinstance(value, dict):
            for inner, text in value.items():
                there = call["function"].get(inner)
                joined = isinstance(there, str) and isinstance(text, str)
                call["function"][inner] = there + text if joined else text
        elif name != "index" and value is not None:
            call[name] = value


def _calls(message: dict[str, Any]) -> list[Call]:
    made = []
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            made.append(
                Call(
                    text_of(call, "id"),
                    text_of(function, "name"),
                    arguments_in(function.get("arguments")),
                )
            )
    return made


def arguments_in(written: Any) -> Any:
    """Return a call's arguments as a dict, or as they were written if they are no JSON object."""
    if not isinstance(written, str):
        return written
    try:
        read = json.loads(written or "{}")
    except ValueError:
        return written
    return read if isinstance(read, dict) else written

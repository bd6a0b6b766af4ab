"""OpenAI's Responses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ctxmem.gateway.wire.chat import arguments_in
from ctxmem.gateway.wire.reading import (
    Asked,
    Call,
    Reply,
    Unreadable,
    count_of,
    list_of,
    model_in,
    object_of,
    rules_in,
    text_of,
    usage_in,
    with_tools,
)

_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))


class Responses:
    """POST /v1/responses."""

    name = "responses"
    provider = "responses"

    def read(self, body: Any) -> Asked:
        """Return what a request's body asks."""
        body = object_of(body)
        given = body.get("input")
        if isinstance(given, str):
            given = [{"role": "user", "content": given}]
        if not isinstance(given, list | None):
            raise Unreadable("input is neither a text nor a list")
        items = given or []
        first = rules_in(items)
        instructions = body.get("instructions")
        rules = [{"role": "system", "content": instructions}] if instructions else []
        return Asked(
            body=body,
            model=model_in(body),
            stream=body.get("stream") is True,
            system=[*rules, *items[:first]],
            messages=items[first:],
            tools=list_of(body, "tools"),
            tool_choice=body.get("tool_choice"),
            response_format=body.get("text"),
            kept=bool(body.get("previous_response_id") or body.get("conversation")),
            answer=count_of(body, "max_output_tokens"),
        )

    def write(self, asked: Asked, messages: list[Any], tools: list[Any]) -> dict[str, Any]:
        """Return the request's body with other messages behind its head, and with these tools."""
        head = asked.system[1:] if asked.body.get("instructions") else asked.system
        return with_tools({**asked.body, "input": [*head, *messages]}, tools)

    def reply(self, body: Any) -> Reply:
        """Return what a reply's body says."""
        body = object_of(body)
        output = list_of(body, "output")
        return Reply(
            messages=output,
            calls=[
                Call(
                    text_of(item, "call_id"),
                    text_of(item, "name"),
                    arguments_in(item.get("arguments")),
                )
                for item in output
                if isinstance(item, dict) and item.get("type") == "function_call"
            ],
            usage=usage_in(body),
            model=text_of(body, "model"),
            finished=text_of(body, "status"),
            id=text_of(body, "id"),
        )

    def gather(self, events: Iterable[Any]) -> dict[str, Any]:
        """Return the response that the events of a stream make: the last event has all of it."""
        made: dict[str, Any] = {}
        done: dict[int, Any] = {}
        for event in events:
            if not isinstance(event, dict):
                continue
            kind = event.get("type")
            response = event.get("response")
            if isinstance(response, dict):
                made = response
                if kind in _ENDS:
                    return made
            elif kind == "response.output_item.done":
                done[event.get("output_index", len(done))] = event.get("item")
        return {**made, "output": [done[i] for i in sorted(done)]} if done else made

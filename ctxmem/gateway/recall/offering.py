"""The tool `recall` among a client's tools."""

from __future__ import annotations

import json
from typing import Any

from ctxmem.gateway.exchanges import Exchange, decoded
from ctxmem.gateway.recall.answering import PendingResults, RecallBudget
from ctxmem.gateway.wire.frames import json_bytes
from ctxmem.gateway.wire.reading import Asked
from ctxmem.gateway.wire.rounds import dicts_in
from ctxmem.gateway.wire.turns import TURNS, is_said
from ctxmem.memory import tool


def offered(asked: Asked, wire: str) -> list[Any]:
    """Return the tools of a request with `recall` behind them, where it can be offered.

    It is not where the client has a tool of that name, forbids tools, asks for several answers,
    names functions in the old way, or leaves the conversation to the provider.
    """
    body = asked.body
    names = [_name_of(one) for one in dicts_in(asked.tools)]
    choice = asked.tool_choice
    forbidden = choice == "none" or (isinstance(choice, dict) and choice.get("type") == "none")
    several = isinstance(body.get("n"), int) and body["n"] > 1
    if tool.NAME in names or forbidden or several or "functions" in body or asked.kept:
        return asked.tools
    if wire == "responses" and (body.get("background") or not _replays(asked)):
        return asked.tools
    return [*asked.tools, tool.definition(TURNS[wire].form)]


def _name_of(declared: dict[str, Any]) -> Any:
    inner = declared.get("function")
    return (inner if isinstance(inner, dict) else declared).get("name")


def _replays(asked: Asked) -> bool:
    """Return whether a client of Responses sends its history itself.

    One that goes on by `previous_response_id` would leave a call of `recall` without an answer.
    """
    return asked.body.get("store") is False or any(is_said(one) for one in asked.messages)


def with_recall(exchange: Exchange, changed: bytes | None, waiting: PendingResults) -> bytes | None:
    """Return the body to send with the tool, and with what waits for this request.

    `changed` is what the stage sends, None for the client's own. Nothing is added where the stage
    names no `Memory` in `exchange.notes["memory"]`, or where the tool cannot be offered. The body
    that offers it is `exchange.notes["body"]`; else that is None. What waits takes its tokens from
    `exchange.notes["room"]`, a `RecallBudget`, if the stage says how much there is.
    """
    body = exchange.notes.pop("body", None)
    wire = exchange.wire.name
    if exchange.notes.get("memory") is None:
        return changed
    asked = exchange.read()
    tools = offered(asked, wire)
    if tools is asked.tools:
        return changed
    if body is None:
        own = decoded(exchange.coding, exchange.original) if changed is None else changed
        body = json.loads(own)
    body = {**body, "tools": tools}
    text = waiting.text_for(
        exchange.tenant, body.get("input" if wire == "responses" else "messages")
    )
    room: RecallBudget | None = exchange.notes.get("room")
    text = room.fitting(text) if room is not None and text else text
    exchange.notes["body"] = TURNS[wire](body, 0).with_text(body, text) if text else body
    return json_bytes(exchange.notes["body"])

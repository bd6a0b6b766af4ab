"""Our tools among those of a client."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ctxmem.gateway.exchanges import Exchange, decoded
from ctxmem.gateway.manage.splicing import document, written
from ctxmem.gateway.recall.answering import PendingResults, RecallBudget, answer_from, called_name
from ctxmem.gateway.wire.frames import json_bytes
from ctxmem.gateway.wire.reading import Asked, Unreadable
from ctxmem.gateway.wire.rounds import dicts_in
from ctxmem.gateway.wire.turns import TURNS, is_said
from ctxmem.memory import tool
from ctxmem.toolset.finding import NAME as FIND_TOOL


class Finder(Protocol):
    """The choice of a client's tools for one exchange, and what answers calls of `find_tool`."""

    schemas: list[Any]
    """The tools that are sent."""

    def written(self, elements: Sequence[bytes]) -> list[bytes]:
        """Return these tools as JSON; `elements` are the client's tools as they are written."""
        ...

    def answer(self, call: dict[str, Any]) -> str:
        """Return what a call of `find_tool` is answered with."""
        ...

    def declared(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Return a request with the tools that were found."""
        ...


def offered(asked: Asked, wire: str) -> list[Any]:
    """Return the tools of a request with `recall` behind them, where it can be offered.

    It is not where the client has a tool of that name, forbids tools, asks for several answers,
    names functions in the old way, or leaves the conversation to the provider.
    """
    choice = asked.tool_choice
    forbidden = choice == "none" or (isinstance(choice, dict) and choice.get("type") == "none")
    if forbidden or not may_answer(asked, wire, tool.NAME):
        return asked.tools
    return [*asked.tools, tool.definition(TURNS[wire].form)]


def may_answer(asked: Asked, wire: str, name: str) -> bool:
    """Return whether calls of a tool of ours could be answered here."""
    body = asked.body
    several = isinstance(body.get("n"), int) and body["n"] > 1
    taken = name in [_name_of(one) for one in dicts_in(asked.tools)]
    if taken or several or "functions" in body or asked.kept:
        return False
    return wire != "responses" or not (body.get("background") or not _replays(asked))


def _name_of(declared: dict[str, Any]) -> Any:
    inner = declared.get("function")
    return (inner if isinstance(inner, dict) else declared).get("name")


def _replays(asked: Asked) -> bool:
    """Return whether a client of Responses sends its history itself.

    One that goes on by `previous_response_id` would leave a call of `recall` without an answer.
    """
    return asked.body.get("store") is False or any(is_said(one) for one in asked.messages)


def with_our_tools(
    exchange: Exchange, changed: bytes | None, waiting: PendingResults
) -> bytes | None:
    """Return the body to send with our tools, and with what waits for this request.

    `changed` is what the stage sends, None for the client's own. The tool `recall` is added where
    the stage names a `Memory` in `exchange.notes["memory"]`, and the client's tools are replaced by
    the choice in `exchange.notes["finder"]`. The body that offers tools of ours is
    `exchange.notes["body"]`; else that is None. What waits takes its tokens from
    `exchange.notes["room"]`, a `RecallBudget`, if the stage says how much there is.
    """
    body = exchange.notes.pop("body", None)
    wire = exchange.wire.name
    finder: Finder | None = exchange.notes.get("finder")
    try:
        asked = exchange.read()
    except Unreadable:  # the provider says what is wrong with it
        exchange.why = exchange.why or "unreadable"
        return changed
    ours = offered(asked, wire) if exchange.notes.get("memory") is not None else asked.tools
    added = ours[len(asked.tools) :]
    if finder is None and not added:
        return changed
    own = decoded(exchange.coding, exchange.original) if changed is None else changed
    if finder is not None:
        chosen = document(own, "tools")
        made = chosen.with_elements([*finder.written(chosen.elements), *map(written, added)])
        body = {**chosen.body, "tools": [*finder.schemas, *added]}
    else:
        body = {**(json.loads(own) if body is None else body), "tools": ours}
        made = None
    exchange.notes["ours"] = frozenset(_name_of(one) for one in added) | (
        frozenset({FIND_TOOL}) if finder is not None else frozenset()
    )
    text = waiting.text_for(
        exchange.tenant, body.get("input" if wire == "responses" else "messages")
    )
    room: RecallBudget | None = exchange.notes.get("room")
    text = room.fitting(text) if room is not None and text else text
    exchange.notes["body"] = TURNS[wire](body, 0).with_text(body, text) if text else body
    return made if made is not None and not text else json_bytes(exchange.notes["body"])


def answer_of(exchange: Exchange) -> Callable[[dict[str, Any]], str]:
    """Return a function that answers a call of any tool of ours."""
    memory = exchange.notes.get("memory")
    finder: Finder | None = exchange.notes.get("finder")
    recalled = answer_from(memory) if memory is not None else None

    def answer(call: dict[str, Any]) -> str:
        if finder is not None and called_name(call) == FIND_TOOL:
            return finder.answer(call)
        assert recalled is not None
        return recalled(call)

    return answer

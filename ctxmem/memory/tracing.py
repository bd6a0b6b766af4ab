"""Which numbers of a memory's calls are recorded in spans; see `ctxmem.telemetry`.

A call is described by what changed from its begin to its end, so edits and bills of calls that
several threads make of one memory at the same time may be counted in more than one span.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ctxmem.telemetry import (
    Arguments,
    Attributes,
    Named,
    argument,
    captures_text,
    conversation_id,
    traced,
)

if TYPE_CHECKING:
    from ctxmem.memory.session import Memory
    from ctxmem.memory.window import MemoryWindow, Page


class _Noted(NamedTuple):
    """Counters of a memory at the begin of a call."""

    messages: int
    tokens: int
    edits: int
    calls: int
    cost: float
    untrimmed: float
    known: int


def _counters(args: Arguments) -> _Noted:
    memory: Memory = args[0]
    session = memory._session
    costs, state = session.costs, session.state
    bill = (costs.calls, costs.cost, costs.untrimmed, costs.known)
    return _Noted(len(state.items), state.total, len(session.receipts.issued), *bill)


def _named(memory: Memory) -> dict[str, Any]:
    return {"gen_ai.conversation.id": conversation_id(*memory._log.names)}


def _appended(args: Arguments, kwargs: Named, pages: list[str], noted: _Noted | None) -> Attributes:
    memory: Memory = args[0]
    found = _named(memory)
    found["gen_ai.memory.record.count"] = len(pages)
    if noted is not None:
        now = _counters(args)
        found["ctxmem.appended"] = now.messages - noted.messages
        found["ctxmem.tokens.appended"] = now.tokens - noted.tokens
    if captures_text():
        given = argument(args, kwargs, 1, "message_or_chunk")
        listed = given if isinstance(given, list) else [given]
        found["gen_ai.memory.records"] = _as_json([{"content": one} for one in listed])
    return found


def _shown(args: Arguments, kwargs: Named, window: MemoryWindow, noted: Any) -> Attributes:
    memory: Memory = args[0]
    recalled = sum(-event.tokens for event in window.events if event.kind == "recall")
    messages, kept = len(memory._session.state.items), len(set(window.shown))
    found = _named(memory) | {
        "ctxmem.budget_tokens": window.budget,
        "ctxmem.tokens": window.tokens,
        "ctxmem.exact": window.exact,
        "ctxmem.kept": kept,
        "ctxmem.dropped": messages - kept,
        "ctxmem.tokens.stable": window.stable_tokens,
        "ctxmem.tokens.volatile": window.tokens - window.stable_tokens - recalled,
        "ctxmem.tokens.recalled": recalled,
        "ctxmem.recalled": len(window.recalled),
    }
    if noted is not None:
        found |= _changed(memory, noted)
    if captures_text():
        found["ctxmem.text"] = _as_json(window.messages)
        query = argument(args, kwargs, 1, "query")
        if query is not None:
            found["gen_ai.memory.query.text"] = query
    return found


def _changed(memory: Memory, noted: _Noted) -> dict[str, Any]:
    """Return the attributes of an edit and of the bill since a call began."""
    now = _counters((memory,))
    receipts = memory._session.receipts.issued[noted.edits :]
    found: dict[str, Any] = {"ctxmem.edit": bool(receipts)}
    if receipts:
        found["ctxmem.edit.reason"] = receipts[-1].reason
        found["ctxmem.edit.tokens"] = sum(receipt.tokens for receipt in receipts)
    if now.calls > noted.calls:  # asking again without anything new costs nothing
        found["ctxmem.prefix.reused_tokens"] = now.known - noted.known
        found["ctxmem.bill"] = float(now.cost - noted.cost)
        found["ctxmem.bill.untrimmed"] = float(now.untrimmed - noted.untrimmed)
    return found


def _recalled(args: Arguments, kwargs: Named, pages: list[Page], _noted: Any) -> Attributes:
    found = _named(args[0]) | {
        "gen_ai.memory.record.count": len(pages),
        "ctxmem.tokens.recalled": sum(page.tokens for page in pages),
        "ctxmem.recall.k": argument(args, kwargs, 2, "k", 5),
        "ctxmem.recall.scope": kwargs.get("scope", "session"),
        "ctxmem.recall.faults": sum(not page.resident for page in pages),
    }
    if captures_text():
        found["gen_ai.memory.query.text"] = argument(args, kwargs, 1, "query")
        rows = [{"content": page.text, "id": page.id, "score": page.score} for page in pages]
        found["gen_ai.memory.records"] = _as_json(rows)
    return found


def _as_json(value: Any) -> str:
    """Return a value as JSON in ASCII, which also has a form for lone surrogates."""
    return json.dumps(value, default=str)


append_span = traced("create_memory", "create_memory", _appended, before=_counters)
window_span = traced("ctxmem.window", "window", _shown, before=_counters)
recall_span = traced("search_memory", "search_memory", _recalled)

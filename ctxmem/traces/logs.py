"""Plain messages, one a record, and plain hits of a retriever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctxmem.traces.attrs import name_of, parsed, session_in, text_of
from ctxmem.traces.events import Event, Kind
from ctxmem.traces.messages import message_of, query_of, says
from ctxmem.traces.passages import is_passage, passages_of
from ctxmem.traces.requests import MESSAGES, SESSIONS, TRACES, named_in, time_of

HITS = "retrieval hits"
NO_QUESTION = "passages without a question; those of one file are taken for one request"
"""What `Event.unread` is of them: which were retrieved together is not known."""
_HITS = ("hits", "documents", "chunks", "results", "contexts", "passages", "retrieved")

_HAS_HITS = frozenset(_HITS)
MESSAGE_KEYS = frozenset(("role", "data"))
HITS_KEYS = frozenset((*_HITS, "text", "page_content"))


def is_message(record: dict[str, Any]) -> bool:
    """Return whether a record is one chat message."""
    if isinstance(record.get("role"), str):
        if "content" in record or "tool_calls" in record or "parts" in record:
            return True
        return says(record)
    return isinstance(record.get("data"), dict) and record.get("type") in (
        *("human", "ai", "system", "tool"),
    )


def read_message(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield one message of a chat; its file is the session, if it names none."""
    yield Event(
        Kind.TURN,
        place,
        MESSAGES,
        session=named_in(record, SESSIONS) or place.rpartition(":")[0] or "chat",
        time=time_of(record),
        name=name_of(record.get("model")) or "",
        messages=[message_of(record)],
        turn=name_of(record.get("id")) or place,
    )


def is_hits(record: dict[str, Any]) -> bool:
    """Return whether a record is a list of hits, or one of them."""
    return _hits_key(record) is not None or _is_hit(record)


def _hits_key(record: dict[str, Any]) -> str | None:
    if _HAS_HITS.isdisjoint(record):
        return None
    for key in _HITS:
        rows = record.get(key)
        if isinstance(rows, list) and rows and is_passage(rows[0]):
            return key
    return None


def _is_hit(record: dict[str, Any]) -> bool:
    return any(isinstance(record.get(key), str) for key in ("text", "page_content"))


def read_hits(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield what was retrieved for a query; hits that come one by one are joined by their query."""
    key = _hits_key(record)
    query = query_of(record) if key else query_of(record.get("query", record.get("question")))
    one_by_one, asked = "", None
    if key is None:
        asked = named_in(record, ("query_id", "qid", *TRACES))
        one_by_one = f"{place.rpartition(':')[0]} {asked or query or ''}"
    trace = one_by_one or named_in(record, TRACES) or ""
    alone = key is None and not (asked or query)
    lists = _lists(record[key]) if key else {"": [record]}
    if len(lists) > 1:
        trace = trace or place  # one request, whose hits came from several retrievers
    for name, rows in lists.items():
        yield Event(
            Kind.RETRIEVAL,
            place,
            HITS,
            trace=trace,
            session=named_in(record, SESSIONS) or session_in(parsed(record.get("metadata"))),
            time=time_of(record),
            name=name or _list_of(record) or text_of(record.get("name")) or "",
            query=query,
            passages=passages_of(rows),
            unread=NO_QUESTION if alone else "",
        )


def _lists(rows: list[Any]) -> dict[str, list[Any]]:
    """Return hits by the retriever that each of them names, scores of which are its own."""
    lists: dict[str, list[Any]] = {}
    for row in rows:
        lists.setdefault(_list_of(row) if isinstance(row, dict) else "", []).append(row)
    return lists


def _list_of(record: dict[str, Any]) -> str:
    """Return the retriever that a record or a hit names, "" if none."""
    return text_of(record.get("list") or record.get("retriever")) or ""

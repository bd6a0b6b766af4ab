"""Logs of requests and chats: OpenAI, Anthropic, Claude Code, plain messages, plain hits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctxmem.traces.attrs import as_int, as_score, as_time, name_of, parsed, text_of
from ctxmem.traces.events import ROOT, Event, Kind, Usage
from ctxmem.traces.passages import (
    message_of,
    messages_of,
    passage_of,
    passages_of,
    query_of,
    with_system,
)
from ctxmem.traces.spans import session_in

OPENAI, ANTHROPIC, CLAUDE_CODE, MESSAGES, HITS = (
    "OpenAI requests",
    "Anthropic requests",
    "Claude Code",
    "messages",
    "retrieval hits",
)
_REQUESTS = ("request", "body", "params", "kwargs", "request_body", "input")
_RESPONSES = ("response", "output", "response_body", "result")
_SESSIONS = ("session_id", "session", "thread_id", "conversation_id", "chat_id", "conversation")
_TRACES = ("trace_id", "request_id", "custom_id")
_TIMES = ("timestamp", "time", "created_at", "created", "start_time", "ts")
_ANSWERS = ("choices", "output", "content")
_COSTS = ("response_cost", "cost", "cost_usd", "costUSD", "total_cost", "spend")
_HITS = ("hits", "documents", "chunks", "results", "contexts", "passages", "retrieved")

REQUEST_KEYS = frozenset(("messages", *_REQUESTS))
CLAUDE_CODE_KEYS = frozenset(("sessionId", "leafUuid", "messageId"))
MESSAGE_KEYS = frozenset(("role", "data"))
HITS_KEYS = frozenset((*_HITS, "text", "page_content"))

# Requests


def request_in(record: dict[str, Any]) -> dict[str, Any] | None:
    """Return the request of a log record: itself, or what it holds; None if there is none."""
    candidates = [record]
    for key in _REQUESTS:
        inner = parsed(record.get(key))
        if isinstance(inner, dict):
            candidates.append(inner)
            body = parsed(inner.get("body") or inner.get("json"))
            if isinstance(body, dict):
                candidates.append(body)
    for request in candidates:
        messages = request.get("messages")
        if isinstance(messages, list) and messages and isinstance(messages[0], dict | list):
            return request
        # Responses API: the input is a text or a list of items.
        if isinstance(request.get("input"), str | list) and "model" in request:
            return request
    return None


def is_request(record: dict[str, Any]) -> bool:
    """Tell whether a record holds a request with all its messages."""
    return request_in(record) is not None


def read_request(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield one request, without the answer that some logs keep at the end of its messages."""
    request = request_in(record)
    assert request is not None
    messages, answer = messages_of(request.get("messages", request.get("input"))), []
    logged_answer = request is record and "model" not in record and "usage" not in record
    if logged_answer and len(messages) > 1 and _role(messages[-1]) in ("assistant", "ai"):
        messages, answer = messages[:-1], messages[-1:]
    messages = with_system(messages, request)
    usage = _usage(record) or _usage(request)
    response = _response(record) or {}
    event = Event(
        Kind.REQUEST,
        place,
        _provider(record, request),
        trace=_named(record, (*_TRACES, "id")) or "",
        session=_named(record, _SESSIONS)
        or session_in(parsed(record.get("metadata")))
        or session_in(parsed(request.get("metadata")))
        or _named(request, _SESSIONS),
        time=_time(record),
        name=name_of(request.get("model")) or name_of(record.get("model")) or "",
        messages=messages,
        tools=tools_of(request),
        answer=answer or answer_of(response),
        usage=usage,
        cost=_cost(record),
        response=name_of(response.get("id")) or "",
        previous=name_of(request.get("previous_response_id")) or "",
    )
    yield event


def tools_of(request: dict[str, Any]) -> list[Any]:
    """Return the definitions of tools that a request offers."""
    tools = parsed(request.get("tools", request.get("functions")))
    return tools if isinstance(tools, list) else []


def answer_of(response: dict[str, Any]) -> list[Any]:
    """Return the messages of a provider's response: Chat Completions, Responses or Messages."""
    choices = parsed(response.get("choices"))
    if isinstance(choices, list):
        return messages_of([c.get("message") or {} for c in choices[:1] if isinstance(c, dict)])
    output = parsed(response.get("output"))
    if isinstance(output, list):
        return messages_of(output)
    if response.get("role") == "assistant" and response.get("content"):
        return messages_of(response)
    return []


def _response(record: dict[str, Any]) -> dict[str, Any] | None:
    """Return the response that a log record holds, itself if it is logged with its request."""
    for holder in (*(parsed(record.get(key)) for key in _RESPONSES), record):
        if isinstance(holder, dict):
            body = parsed(holder.get("body"))
            for inner in (holder, body):
                if isinstance(inner, dict) and any(key in inner for key in _ANSWERS):
                    return inner
    return None


def _cost(record: dict[str, Any]) -> float | None:
    return next((c for c in (as_score(record.get(key)) for key in _COSTS) if c is not None), None)


def _provider(record: dict[str, Any], request: dict[str, Any]) -> str:
    if "model" not in request and "model" not in record and "usage" not in record:
        return MESSAGES
    model = str(request.get("model") or record.get("model") or "")
    usage = _raw_usage(record) or _raw_usage(request) or {}
    anthropic = "claude" in model or "cache_read_input_tokens" in usage or "system" in request
    return ANTHROPIC if anthropic else OPENAI


def _time(record: dict[str, Any]) -> float | None:
    """Return the first time that a record tells under one of the usual names."""
    for key in _TIMES:
        if key in record:
            time = as_time(record[key])
            if time:
                return time
    return None


def _role(message: Any) -> Any:
    return message.get("role", message.get("type")) if isinstance(message, dict) else None


def _named(record: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = record.get(key)
        if value is not None:
            found = name_of(value.get("id")) if isinstance(value, dict) else name_of(value)
            if found:
                return found
    return None


def _raw_usage(record: dict[str, Any]) -> dict[str, Any] | None:
    for holder in (record, *(parsed(record.get(key)) for key in _RESPONSES)):
        if isinstance(holder, dict):
            for inner in (holder, holder.get("body"), holder.get("message")):
                if isinstance(inner, dict) and isinstance(inner.get("usage"), dict):
                    found: dict[str, Any] = inner["usage"]
                    return found
    return None


def _usage(record: dict[str, Any]) -> Usage | None:
    usage = _raw_usage(record)
    return usage_of(usage) if usage else None


def usage_of(usage: dict[str, Any]) -> Usage:
    """Return a provider's usage; Anthropic's input is without the cached part, OpenAI's with it."""
    made = as_int(usage.get("output_tokens", usage.get("completion_tokens")))
    if "cache_read_input_tokens" in usage or "cache_creation_input_tokens" in usage:
        cached = as_int(usage.get("cache_read_input_tokens")) or 0
        written = as_int(usage.get("cache_creation_input_tokens")) or 0
        fresh = as_int(usage.get("input_tokens")) or 0
        return Usage(fresh + cached + written, made, cached, written)
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    found = as_int(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Usage(as_int(usage.get("prompt_tokens", usage.get("input_tokens"))), made, found)


# Claude Code

_OTHER_LINES = frozenset(
    "summary system file-history-snapshot queue-operation progress result attachment".split()
)


def is_claude_code(record: dict[str, Any]) -> bool:
    """Tell whether a record is a line of a Claude Code transcript."""
    kind = record.get("type")
    if kind in ("user", "assistant"):
        return isinstance(record.get("message"), dict) and "sessionId" in record
    return (
        isinstance(kind, str) and kind in _OTHER_LINES and not CLAUDE_CODE_KEYS.isdisjoint(record)
    )


def read_claude_code(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield the message of a line; side chains are sessions of their own."""
    session = name_of(record.get("sessionId")) or ""
    if record.get("isSidechain"):
        session += f" (agent {name_of(record.get('agentId')) or 'side chain'})"
    event = Event(
        Kind.LINK,
        place,
        CLAUDE_CODE,
        span=name_of(record.get("uuid")) or "",
        parent=name_of(record.get("parentUuid")) or (ROOT if "parentUuid" in record else ""),
        session=session,
        time=as_time(record.get("timestamp")),
    )
    message = record.get("message")
    compacted = record.get("isCompactSummary") or record.get("subtype") == "compact_boundary"
    if compacted:
        event.kind = Kind.RESTART
        yield event
    if isinstance(message, dict) and _is_sent(message, record):
        usage = message.get("usage")
        yield Event(
            Kind.TURN,
            place,
            CLAUDE_CODE,
            session=session,
            time=event.time,
            span=event.span,
            parent=event.parent,
            name=name_of(message.get("model")) or "",
            messages=[message],
            usage=usage_of(usage) if isinstance(usage, dict) else None,
            cost=_cost(record),
            # An answer of several blocks is told in several lines, each with the usage of all.
            turn=name_of(message.get("id")) or name_of(record.get("requestId")) or event.span,
        )
    elif not compacted:
        yield event


def _is_sent(message: dict[str, Any], record: dict[str, Any]) -> bool:
    """Return whether a message is part of the history: neither a note nor written by the program.

    The program writes an answer itself when a request failed.
    """
    made_up = message.get("model") == "<synthetic>"
    return "content" in message and not record.get("isMeta") and not made_up


# Plain messages and hits


def is_message(record: dict[str, Any]) -> bool:
    """Tell whether a record is one chat message."""
    if isinstance(record.get("role"), str):
        return "content" in record or "tool_calls" in record or "parts" in record
    return isinstance(record.get("data"), dict) and record.get("type") in (
        *("human", "ai", "system", "tool"),
    )


def read_message(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield one message of a chat; its file is the session, if it names none."""
    yield Event(
        Kind.TURN,
        place,
        MESSAGES,
        session=_named(record, _SESSIONS) or place.rpartition(":")[0] or "chat",
        time=_time(record),
        name=name_of(record.get("model")) or "",
        messages=[message_of(record)],
        turn=name_of(record.get("id")) or place,
    )


def is_hits(record: dict[str, Any]) -> bool:
    """Tell whether a record is a list of hits, or one of them."""
    return _hits_key(record) is not None or _is_hit(record)


def _hits_key(record: dict[str, Any]) -> str | None:
    for key in _HITS:
        rows = record.get(key)
        if isinstance(rows, list) and rows and passage_of(rows[0]) is not None:
            return key
    return None


def _is_hit(record: dict[str, Any]) -> bool:
    return any(isinstance(record.get(key), str) for key in ("text", "page_content"))


def read_hits(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield what was retrieved for a query; hits that come one by one are joined by their query."""
    key = _hits_key(record)
    query = query_of(record) if key else query_of(record.get("query", record.get("question")))
    asked = _named(record, ("query_id", "qid", *_TRACES))
    one_by_one = "" if key else f"{place.rpartition(':')[0]} {asked or query or ''}"
    found = passage_of(record) if key is None else None
    yield Event(
        Kind.RETRIEVAL,
        place,
        HITS,
        trace=one_by_one or _named(record, _TRACES) or "",
        session=_named(record, _SESSIONS) or session_in(parsed(record.get("metadata"))),
        time=_time(record),
        name=text_of(record.get("list") or record.get("retriever") or record.get("name")) or "",
        query=query,
        passages=passages_of(record[key]) if key else [found] if found else [],
    )

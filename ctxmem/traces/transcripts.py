"""Transcripts of agents on the command line: Claude Code, Codex, Gemini CLI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctxmem.traces.attrs import as_time, dicts, name_of, parsed
from ctxmem.traces.events import ROOT, Event, Kind, Usage
from ctxmem.traces.requests import cost_of
from ctxmem.traces.usage import count_of, usage_of

CLAUDE_CODE, CODEX, GEMINI_CLI = "Claude Code", "Codex CLI", "Gemini CLI"

CLAUDE_CODE_KEYS = frozenset(("sessionId", "leafUuid", "messageId"))
CODEX_KEYS = frozenset(("payload", "call_id", "record_type", "encrypted_content"))
GEMINI_CLI_KEYS = frozenset(("sessionId", "type", "$set", "$rewindTo"))

# Claude Code

_OTHER_LINES = frozenset(
    "summary system file-history-snapshot queue-operation progress result attachment".split()
)


def is_claude_code(record: dict[str, Any]) -> bool:
    """Return whether a record is a line of a Claude Code transcript."""
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
            cost=cost_of(record),
            # An answer of several blocks is logged in several lines, each with the usage of all.
            turn=name_of(message.get("id"))
            or name_of(record.get("requestId"))
            or event.span
            or place,
        )
    elif not compacted:
        yield event


def _is_sent(message: dict[str, Any], record: dict[str, Any]) -> bool:
    """Return whether a message is part of the history: neither a note nor written by the program.

    The program writes an answer itself when a request failed.
    """
    made_up = message.get("model") == "<synthetic>"
    return "content" in message and not record.get("isMeta") and not made_up


# Codex

_CODEX_LINES = frozenset(
    "session_meta response_item event_msg turn_context compacted ghost_snapshot".split()
)
_CALLS = ("function_call", "custom_tool_call", "local_shell_call", "tool_search_call")


def is_codex(record: dict[str, Any]) -> bool:
    """Return whether a record is a line of a rollout of Codex, or a bare item of an older one."""
    kind = record.get("type")
    if isinstance(record.get("payload"), dict):
        return isinstance(kind, str) and kind in _CODEX_LINES
    if "record_type" in record:
        return bool(record["record_type"] == "state")
    if "call_id" in record:
        return kind in _CALLS or kind in ("function_call_output", "custom_tool_call_output")
    return kind == "reasoning" and "encrypted_content" in record


def read_codex(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield what a line says: an item of the history, or what holds for the lines around it."""
    payload = record.get("payload")
    kind, item = (record.get("type"), payload) if isinstance(payload, dict) else ("", record)
    assert isinstance(item, dict)
    event = Event(
        Kind.LINK,
        place,
        CODEX,
        session=place.rpartition(":")[0],
        time=as_time(record.get("timestamp")),
    )
    if kind in ("response_item", ""):
        _codex_item(event, item)
    elif kind == "session_meta":
        event.kind = Kind.HEADER
        event.trace = name_of(item.get("id")) or ""
        yield event
        system = item.get("base_instructions")
        text = system.get("text") if isinstance(system, dict) else None
        if not text:
            return
        event = _turn_of(event, {"role": "system", "content": text})
    elif kind == "turn_context":
        event.kind = Kind.HEADER
        event.name = name_of(item.get("model")) or ""
    elif kind == "event_msg":
        _codex_tokens(event, item)
    elif kind == "compacted":
        yield from _codex_compacted(event, item)
        return
    yield event


def _turn_of(event: Event, message: dict[str, Any], number: int = 0) -> Event:
    """Return the turn that a message is; one of the model has no id until its answer ends."""
    place = f"{event.place}#{number}" if number else event.place
    turn = "" if message.get("role") == "assistant" else place
    return Event(
        Kind.TURN,
        place,
        event.format,
        session=event.session,
        time=event.time,
        messages=[message],
        turn=turn,
    )


def _codex_item(event: Event, item: dict[str, Any]) -> None:
    message = _codex_message(item)
    if message is not None:
        turn = _turn_of(event, message)
        event.kind, event.messages, event.turn = turn.kind, turn.messages, turn.turn


def _codex_message(item: dict[str, Any]) -> dict[str, Any] | None:
    """Return the message that an item of the Responses API is, None for what is not sent."""
    kind = item.get("type")
    if kind == "message" and item.get("content"):
        return {"role": item.get("role") or "user", "content": item["content"]}
    if kind == "reasoning":
        thoughts = (
            block.get("text") for block in dicts(item.get("summary") or item.get("content"))
        )
        text = "\n".join(thought for thought in thoughts if isinstance(thought, str))
        return {"role": "assistant", "content": [{"type": "thinking", "thinking": text}]}
    call_id = name_of(item.get("call_id")) or name_of(item.get("id"))
    if kind in _CALLS:
        given = item.get("arguments", item.get("input", item.get("action")))
        function = {"name": name_of(item.get("name")) or kind, "arguments": given}
        call = {"id": call_id, "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    if isinstance(kind, str) and kind.endswith("_output"):
        output = item.get("output")
        if isinstance(output, dict):
            output = output.get("content", output.get("output"))
        return {"role": "tool", "tool_call_id": call_id, "content": output or ""}
    return None


def _codex_tokens(event: Event, item: dict[str, Any]) -> None:
    info = item.get("info")
    last = info.get("last_token_usage") if isinstance(info, dict) else None
    if item.get("type") == "token_count" and isinstance(last, dict):
        event.kind = Kind.HEADER
        event.usage = usage_of(last)


def _codex_compacted(event: Event, item: dict[str, Any]) -> Iterator[Event]:
    event.kind = Kind.RESTART
    event.turn = event.place
    yield event
    kept = [m for m in map(_codex_message, dicts(item.get("replacement_history"))) if m]
    if not kept and item.get("message"):
        kept = [{"role": "user", "content": item["message"]}]
    for number, message in enumerate(kept, start=1):
        # What is kept of the model's answers was answered before.
        turn = _turn_of(event, {**message, "role": "user"}, number)
        turn.messages = [message] if message["role"] != "assistant" else turn.messages
        yield turn


# Gemini CLI

_GEMINI_TYPES = frozenset(("user", "gemini", "info", "error", "warning"))
ONLY_TYPED = "Gemini CLI's logs.json, which has what was typed and no answers"


def is_gemini_cli(record: dict[str, Any]) -> bool:
    """Return whether a record is a chat of Gemini CLI, or a line of one."""
    if "$set" in record or "$rewindTo" in record:
        return True
    kind = record.get("type")
    if isinstance(kind, str) and kind in _GEMINI_TYPES:
        if "messageId" in record and "message" in record:
            return not isinstance(record["message"], dict)
        return "content" in record and ("id" in record or "toolCalls" in record)
    return "sessionId" in record and "projectHash" in record


def read_gemini_cli(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield the messages of a chat: of a whole one, or of one line, which follow a header."""
    session = name_of(record.get("sessionId"))
    if "messageId" in record:
        yield Event(Kind.LINK, place, GEMINI_CLI, session=session, unread=ONLY_TYPED)
        return
    messages = record.get("messages")
    if isinstance(messages, list):
        for number, message in enumerate(dicts(messages), start=1):
            yield from _gemini_turns(message, f"{place}#{number}", session or place)
    elif "content" in record:
        yield from _gemini_turns(record, place, place.rpartition(":")[0])
    else:
        header = Event(Kind.HEADER, place, GEMINI_CLI, trace=session or "")
        header.session = place.rpartition(":")[0]
        yield header


def _gemini_turns(message: dict[str, Any], place: str, session: str) -> Iterator[Event]:
    kind = message.get("type")
    event = Event(
        Kind.LINK,
        place,
        GEMINI_CLI,
        session=session,
        time=as_time(message.get("timestamp")),
        span=name_of(message.get("id")) or "",
        turn=name_of(message.get("id")) or place,
    )
    content = parsed(message.get("content"))
    calls = list(dicts(message.get("toolCalls")))
    if kind == "user":
        event.kind = Kind.TURN
        event.messages = [{"role": "user", "content": content}]
    elif kind == "gemini":
        event.kind = Kind.TURN
        said = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        asked = [
            {"functionCall": {k: call.get(k) for k in ("id", "name", "args")}} for call in calls
        ]
        event.messages = [{"role": "assistant", "content": [*said, *asked]}]
        event.name = name_of(message.get("model")) or ""
        event.usage = _gemini_tokens(message.get("tokens"))
    yield event
    results = [part for call in calls for part in dicts(call.get("result"))]
    if results:
        answered = {"role": "user", "content": results}
        yield Event(
            Kind.TURN,
            f"{place}+",
            GEMINI_CLI,
            session=session,
            time=event.time,
            messages=[answered],
            span=event.span and f"{event.span}+",
            turn=f"{event.turn}+",
        )


def _gemini_tokens(tokens: Any) -> Usage | None:
    if not isinstance(tokens, dict):
        return None
    made = [count_of(tokens, (key,)) or 0 for key in ("output", "thoughts")]
    return Usage(count_of(tokens, ("input",)), sum(made), count_of(tokens, ("cached",)))

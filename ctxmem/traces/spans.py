"""OpenTelemetry spans: OpenInference (Phoenix), GenAI conventions, Langfuse's SDK; OTLP or not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctxmem.traces.attrs import (
    as_int,
    as_score,
    as_time,
    dicts,
    look,
    name_of,
    parsed,
    plain,
    rows,
    text_of,
)
from ctxmem.traces.events import NO_MESSAGES, Event, Kind, Passage, Usage
from ctxmem.traces.passages import message_of, messages_of, passages_of, query_of

OPENINFERENCE, GENAI, LANGFUSE, SPAN = (
    "OpenInference",
    "OpenTelemetry GenAI",
    "Langfuse spans",
    "OpenTelemetry",
)
_SESSIONS = (
    "session.id",
    "langfuse.session.id",
    "gen_ai.conversation.id",
    "langfuse.trace.metadata.session_id",
    "langfuse.observation.metadata.session_id",
    "conversation.id",
    "thread.id",
)

SPAN_KEYS = frozenset(("attributes",))
HOLDER_KEYS = frozenset(("resourceSpans", "resource_spans", "resourceLogs"))


def is_span(record: dict[str, Any]) -> bool:
    """Tell whether a record is one span, as JSON lines or as a row of a table of them."""
    if "attributes" in record:
        return any(key in record for key in ("context", "traceId", "trace_id", "spanId", "span_id"))
    return any(key.startswith("attributes.") for key in record)


def unpack(record: dict[str, Any]) -> Iterator[dict[str, Any]] | None:
    """Return the spans and log records of an OTLP export, None for anything else."""
    for outer, middle, inner in (
        ("resourceSpans", "scopeSpans", "spans"),
        ("resource_spans", "scope_spans", "spans"),
        ("resourceLogs", "scopeLogs", "logRecords"),
    ):
        if isinstance(record.get(outer), list):
            return (
                span
                for resource in dicts(record[outer])
                for scope in dicts(resource.get(middle) or resource.get("instrumentationLibrary"))
                for span in dicts(scope.get(inner))
            )
    return None


def read_span(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield what a span tells; one that tells nothing of context is a link to its parent."""
    attributes = plain(record.get("attributes"))
    if not attributes:
        prefix = "attributes."
        attributes = {k[len(prefix) :]: v for k, v in record.items() if k.startswith(prefix)}
    context = record.get("context") if isinstance(record.get("context"), dict) else record
    assert isinstance(context, dict)
    start = ("start_time", "startTimeUnixNano", "start_time_unix_nano", "timeUnixNano")
    event = Event(
        Kind.LINK,
        place,
        SPAN,
        trace=_first(context, record, ("trace_id", "traceId", "context.trace_id")),
        span=_first(context, record, ("span_id", "spanId", "context.span_id")),
        parent=_first(record, record, ("parent_id", "parentSpanId", "parent_span_id")),
        time=next((t for t in (as_time(record.get(key)) for key in start) if t), None),
        name=name_of(record.get("name")) or "",
        session=_session(attributes),
    )
    kind = look(attributes, "openinference.span.kind") or record.get("span_kind")
    if isinstance(kind, str):
        event.format = OPENINFERENCE
        _openinference(event, kind.upper(), attributes)
    elif look(attributes, "langfuse.observation.type") is not None:
        event.format = LANGFUSE
        _langfuse(event, attributes)
    elif look(attributes, "gen_ai.operation.name") or look(attributes, "gen_ai.system"):
        event.format = GENAI
        _genai(event, attributes, record)
    yield event


def _first(*places: Any) -> str:
    *dicts_of, names = places
    return next((n for d in dicts_of for n in (name_of(d.get(key)) for key in names) if n), "")


def _session(attributes: dict[str, Any]) -> str | None:
    for name in _SESSIONS:
        found = name_of(look(attributes, name))
        if found:
            return found
    metadata = parsed(look(attributes, "metadata"))
    if isinstance(metadata, dict):
        return session_in(metadata)
    return None


def session_in(metadata: Any) -> str | None:
    """Return the session that a caller's metadata names."""
    if isinstance(metadata, dict):
        for key in ("session_id", "thread_id", "conversation_id", "chat_id", "sessionId"):
            found = name_of(metadata.get(key))
            if found:
                return found
    return None


# OpenInference


def _openinference(event: Event, kind: str, attributes: dict[str, Any]) -> None:
    """Read the kinds that carry context; chains repeat what these say and are links."""
    if kind in ("RETRIEVER", "RERANKER"):
        name = "retrieval.documents" if kind == "RETRIEVER" else "reranker.output_documents"
        event.passages = [
            Passage(
                text_of(row.get("content")),
                name_of(row.get("id")),
                as_score(row.get("score")),
                _source(row.get("metadata")),
            )
            for row in rows(attributes, name, "document")
        ]
        if not any(passage.id for passage in event.passages):
            event.passages = _with_ids(event.passages, look(attributes, "output.value"))
        # LlamaIndex puts a second retriever span, without documents, inside the first.
        if event.passages:
            event.kind = Kind.RETRIEVAL if kind == "RETRIEVER" else Kind.RERANKED
            asked = "input.value" if kind == "RETRIEVER" else "reranker.query"
            event.query = query_of(look(attributes, asked) or look(attributes, "input.value"))
    elif kind == "LLM":
        event.messages = [
            _oi_message(row) for row in rows(attributes, "llm.input_messages", "message")
        ]
        if not event.messages:
            prompts = rows(attributes, "llm.prompts", "prompt")
            texts = [text_of(row.get("text")) for row in prompts]
            event.messages = [{"role": "user", "content": text} for text in texts if text]
        if not event.messages:
            event.messages = messages_of(look(attributes, "input.value"))
        event.usage = Usage(
            as_int(look(attributes, "llm.token_count.prompt")),
            as_int(look(attributes, "llm.token_count.completion")),
            as_int(look(attributes, "llm.token_count.prompt_details.cache_read")),
            as_int(look(attributes, "llm.token_count.prompt_details.cache_write")),
        )
        event.name = name_of(look(attributes, "llm.model_name")) or ""
        as_request(event)


def _with_ids(passages: list[Passage], output: Any) -> list[Passage]:
    """Return the passages with the ids of the span's output: LangChain's are only there."""
    named = passages_of(output)
    if [passage.text for passage in named] != [passage.text for passage in passages]:
        return passages
    return [p._replace(id=other.id) for p, other in zip(passages, named, strict=True)]


def _source(metadata: Any) -> str | None:
    metadata = parsed(metadata)
    if not isinstance(metadata, dict):
        return None
    keys = ("source", "file_name", "file_path", "file", "url", "title")
    return next((n for n in (name_of(metadata.get(key)) for key in keys) if n), None)


def _oi_message(row: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": row.get("role") or "user"}
    content = row.get("content")
    parts = rows(row, "contents", "message_content")
    if content is None and parts:
        content = [
            {"type": "text", "text": part.get("text")}
            if part.get("type") in ("text", None)
            else {"type": part.get("type")}
            for part in parts
        ]
    message["content"] = content
    calls = []
    for call in rows(row, "tool_calls", "tool_call"):
        name = look(call, "function.name")
        arguments = look(call, "function.arguments")
        function = {"name": name, "arguments": arguments or ""}
        calls.append({"id": call.get("id"), "type": "function", "function": function})
    if calls:
        message["tool_calls"] = calls
    if row.get("tool_call_id") is not None:
        message["tool_call_id"] = row["tool_call_id"]
    return message


# GenAI


def _genai(event: Event, attributes: dict[str, Any], record: dict[str, Any]) -> None:
    operation = look(attributes, "gen_ai.operation.name")
    if operation == "retrieval" or look(attributes, "gen_ai.retrieval.documents") is not None:
        # Ids and scores alone, even where content is captured.
        event.passages = passages_of(look(attributes, "gen_ai.retrieval.documents"))
        event.query = text_of(look(attributes, "gen_ai.retrieval.query.text"))
        source = name_of(look(attributes, "gen_ai.data_source.id"))
        event.name = source or event.name
        if event.passages:
            event.kind = Kind.RETRIEVAL
        return
    told = [attributes, *(plain(e.get("attributes")) for e in dicts(record.get("events")))]
    for of in told:
        if not event.messages:
            system = parsed(look(of, "gen_ai.system_instructions"))
            event.messages = messages_of(look(of, "gen_ai.input.messages"))
            if event.messages and system:
                parts = (
                    system if isinstance(system, list) else [{"type": "text", "content": system}]
                )
                event.messages.insert(0, message_of({"role": "system", "parts": parts}))
    event.messages = event.messages or _traceloop(attributes) or _told_by_events(attributes, record)
    cached = look(attributes, "gen_ai.usage.cache_read.input_tokens")
    written = look(attributes, "gen_ai.usage.cache_creation.input_tokens")
    event.usage = Usage(
        _count(attributes, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        _count(attributes, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        as_int(cached),
        as_int(written),
    )
    event.name = name_of(look(attributes, "gen_ai.request.model")) or ""
    chats = operation in ("chat", "text_completion", "generate_content")
    if event.messages or chats or look(attributes, "llm.request.type") in ("chat", "completion"):
        as_request(event)


def _count(attributes: dict[str, Any], *names: str) -> int | None:
    return next(
        (n for n in (as_int(look(attributes, name)) for name in names) if n is not None), None
    )


def _content(value: Any) -> Any:
    """Return the blocks that a text has as JSON, or the text, which may be JSON itself."""
    blocks = parsed(value)
    is_blocks = isinstance(blocks, list) and all(
        isinstance(block, dict) and "type" in block for block in blocks
    )
    return blocks if is_blocks else value


def _traceloop(attributes: dict[str, Any]) -> list[Any]:
    """Return the messages of OpenLLMetry's attributes: `gen_ai.prompt.0.role` and so on."""
    messages = []
    for row in rows(attributes, "gen_ai.prompt", "message"):
        message = {"role": row.get("role") or "user", "content": _content(row.get("content"))}
        calls = [
            {
                "id": call.get("id"),
                "type": "function",
                "function": {"name": call.get("name"), "arguments": call.get("arguments") or ""},
            }
            for call in rows(row, "tool_calls", "tool_call")
        ]
        if calls:
            message["tool_calls"] = calls
        if row.get("tool_call_id") is not None:
            message["tool_call_id"] = row["tool_call_id"]
        messages.append(message)
    return messages


_EVENT_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}


def _told_by_events(attributes: dict[str, Any], record: dict[str, Any]) -> list[Any]:
    """Return the messages that a span's events hold, or Logfire's `events` and `request_data`."""
    events: list[tuple[Any, dict[str, Any]]] = [
        (event.get("name"), plain(event.get("attributes"))) for event in dicts(record.get("events"))
    ]
    logged = dicts(parsed(look(attributes, "events")))
    events += [(event.get("event.name"), event) for event in logged]
    messages = []
    for name, fields in events:
        role = _EVENT_ROLES.get(str(name))
        if role is None:
            continue
        message = {"role": fields.get("role") or role, "content": _content(fields.get("content"))}
        calls = parsed(fields.get("tool_calls"))
        if isinstance(calls, list):
            message["tool_calls"] = calls
        if role == "tool":
            message["tool_call_id"] = fields.get("id")
        messages.append(message)
    return messages or messages_of(look(attributes, "request_data"))


def as_request(event: Event) -> None:
    """Make an event of a model's call a request, or note that its messages are not known."""
    if event.messages or (event.usage is not None and event.usage.input):
        event.kind = Kind.REQUEST
    else:
        event.unread = NO_MESSAGES


# Langfuse


def _langfuse(event: Event, attributes: dict[str, Any]) -> None:
    kind = str(look(attributes, "langfuse.observation.type")).lower()
    given = look(attributes, "langfuse.observation.input")
    returned = look(attributes, "langfuse.observation.output")
    if kind == "retriever":
        event.passages = passages_of(returned)
        event.query = query_of(given)
        if event.passages:
            event.kind = Kind.RETRIEVAL
    elif kind == "generation":
        event.messages = messages_of(given)
        event.name = name_of(look(attributes, "langfuse.observation.model.name")) or ""
        usage = parsed(look(attributes, "langfuse.observation.usage_details"))
        event.usage = details_usage(usage)
        as_request(event)


def details_usage(usage: Any) -> Usage | None:
    """Return the usage that Langfuse's details tell; `input` is there without the cached part."""
    if not isinstance(usage, dict):
        return None
    fresh = as_int(usage.get("input"))
    cached = next(
        (
            n
            for n in (
                as_int(usage.get(key))
                for key in ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read")
            )
            if n is not None
        ),
        None,
    )
    written = as_int(usage.get("cache_creation_input_tokens"))
    total = None if fresh is None else fresh + (cached or 0) + (written or 0)
    return Usage(total, as_int(usage.get("output")), cached, written)

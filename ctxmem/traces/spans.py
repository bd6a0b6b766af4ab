"""OpenTelemetry spans and log records, OTLP or not; OpenInference (Phoenix), Langfuse's SDK.

What other tracers write into spans is read in `genai` and `platforms`.
"""

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
    named,
    parsed,
    plain,
    rows,
    session_in,
    text_of,
)
from ctxmem.traces.events import Event, Kind, Passage, Usage, as_request
from ctxmem.traces.genai import (
    is_genai,
    log_name,
    read_ai_sdk,
    read_gemini_log,
    read_genai,
    read_log,
    session_among,
)
from ctxmem.traces.messages import answer_of, messages_of, query_of, tools_of, without_tools
from ctxmem.traces.mlflow import read_mlflow_span
from ctxmem.traces.passages import passages_of
from ctxmem.traces.usage import details_usage

OPENINFERENCE, LANGFUSE, SPAN = ("OpenInference", "Langfuse spans", "OpenTelemetry")
_SESSIONS = (
    "session.id",
    "langfuse.session.id",
    "gen_ai.conversation.id",
    "conversation.id",
    "thread.id",
    "mlflow.trace.session",
)

_ATTRIBUTES = ("attributes", "SpanAttributes", "LogAttributes")
SPAN_KEYS = frozenset((*_ATTRIBUTES, "startTimeUnixNano", "traceID"))
_HOLDERS = (
    ("resourceSpans", "scopeSpans", "spans"),
    ("resource_spans", "scope_spans", "spans"),
    ("batches", "scopeSpans", "spans"),  # Grafana Tempo
    ("resourceLogs", "scopeLogs", "logRecords"),
    ("resource_logs", "scope_logs", "log_records"),
)
HOLDER_KEYS = frozenset(outer for outer, *_ in _HOLDERS)


_IDS = ("context", "traceId", "trace_id", "spanId", "span_id", "_spanContext")
_TRACES = ("trace_id", "traceId", "context.trace_id", "TraceId", "traceID")
_SPANS = ("span_id", "spanId", "context.span_id", "SpanId", "spanID", "id")
_PARENTS = ("parent_id", "parentSpanId", "parent_span_id", "ParentSpanId", "parentId")
_NAMES = ("name", "span_name", "SpanName", "operationName")
_LOG_FIELDS = ("body", "_body", "severityNumber", "severity_number", "hrTime")
_TIMES = (
    *("start_time", "startTimeUnixNano", "start_time_unix_nano", "timeUnixNano", "timestamp"),
    *("observedTimeUnixNano", "time_unix_nano", "start_timestamp", "Timestamp", "startTime"),
    "hrTime",
)


def is_span(record: dict[str, Any]) -> bool:
    """Return whether a record is a span or log record, as a JSON line or as a row of a table."""
    if "attributes" in record:
        return any(key in record for key in (*_IDS, *_LOG_FIELDS))
    if "startTimeUnixNano" in record and "spanId" in record:
        return True  # OTLP leaves out what is empty
    if "SpanAttributes" in record or "LogAttributes" in record:  # the collector's tables
        return True
    if "traceID" in record:  # Jaeger
        return "spanID" in record
    return any(key.startswith("attributes.") for key in record)


def unpack(record: dict[str, Any]) -> Iterator[dict[str, Any]] | None:
    """Return the spans and log records of an OTLP export, None for anything else."""
    for outer, middle, inner in _HOLDERS:
        if isinstance(record.get(outer), list):
            return (
                span
                for resource in dicts(record[outer])
                for scope in dicts(resource.get(middle) or resource.get("instrumentationLibrary"))
                for span in dicts(scope.get(inner))
            )
    return None


def read_span(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield what a span says; one that says nothing of context is a link to its parent."""
    attributes = _attributes(record)
    own = record.get("context") or record.get("_spanContext")
    context = own if isinstance(own, dict) else record
    event = Event(
        Kind.LINK,
        place,
        SPAN,
        trace=named(context, _TRACES) or named(record, _TRACES) or "",
        span=named(context, _SPANS) or named(record, _SPANS) or "",
        parent=named(record, _PARENTS) or "",
        time=next((t for t in (as_time(record.get(key)) for key in _TIMES) if t), None),
        name=named(record, _NAMES) or "",
        session=_session(attributes),
    )
    _read_kind(event, attributes, record)
    yield event


def _read_kind(event: Event, attributes: dict[str, Any], record: dict[str, Any]) -> None:
    """Fill in what the tracer that wrote a span, or a log record, says with its attributes."""
    kind = look(attributes, "openinference.span.kind") or record.get("span_kind")
    logged = log_name(record, attributes)
    if isinstance(kind, str):
        event.format = OPENINFERENCE
        _openinference(event, kind.upper(), attributes)
    elif logged.startswith("gemini_cli."):
        event.time = event.time or as_time(look(attributes, "event.timestamp"))
        read_gemini_log(event, logged, attributes)
    elif logged.startswith("gen_ai."):
        read_log(event, logged, attributes, record)
    elif look(attributes, "langfuse.observation.type") is not None:
        event.format = LANGFUSE
        _langfuse(event, attributes)
    elif look(attributes, "mlflow.spanType") is not None:
        read_mlflow_span(event, attributes)
    elif look(attributes, "ai.operationId") is not None:
        read_ai_sdk(event, attributes)
    elif is_genai(attributes):
        read_genai(event, attributes, record)


def _attributes(record: dict[str, Any]) -> dict[str, Any]:
    """Return a span's attributes, under the names that exports and tables have for them."""
    for key in _ATTRIBUTES:
        attributes = plain(record.get(key))
        if attributes:
            return attributes
    if isinstance(record.get("tags"), list) and "traceID" in record:
        return plain(record["tags"])
    prefix = "attributes."
    return {k[len(prefix) :]: v for k, v in record.items() if k.startswith(prefix)}


def _session(attributes: dict[str, Any]) -> str | None:
    for name in _SESSIONS:
        found = name_of(look(attributes, name))
        if found:
            return found
    return session_in(parsed(look(attributes, "metadata"))) or session_among(attributes)


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
        event.answer = [
            _oi_message(row) for row in rows(attributes, "llm.output_messages", "message")
        ]
        event.tools = [
            parsed(row.get("json_schema")) for row in rows(attributes, "llm.tools", "tool")
        ]
        event.cost = as_score(look(attributes, "llm.cost.total"))
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


def _oi_part(part: dict[str, Any]) -> dict[str, Any]:
    url = look(part, "image.image.url")
    if isinstance(url, str):
        return {"type": "image_url", "image_url": {"url": url}}
    if part.get("type") in ("text", None):
        return {"type": "text", "text": part.get("text")}
    return {"type": part.get("type")}


def _oi_message(row: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": row.get("role") or "user"}
    content = row.get("content")
    parts = rows(row, "contents", "message_content")
    if content is None and parts:
        content = [_oi_part(part) for part in parts]
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
        event.messages, tools = without_tools(messages_of(given))
        event.tools = tools or tools_of(parsed(given))
        event.answer = answer_of(returned)
        event.name = name_of(look(attributes, "langfuse.observation.model.name")) or ""
        cost = parsed(look(attributes, "langfuse.observation.cost_details"))
        event.cost = as_score(cost.get("total")) if isinstance(cost, dict) else None
        usage = parsed(look(attributes, "langfuse.observation.usage_details"))
        event.usage = details_usage(usage)
        as_request(event)

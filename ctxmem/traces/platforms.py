"""Exports of tracing platforms: LangSmith runs, Langfuse observations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctxmem.traces.attrs import as_int, as_time, dicts, name_of, parsed
from ctxmem.traces.events import Event, Kind, Usage
from ctxmem.traces.passages import messages_of, passages_of, query_of
from ctxmem.traces.spans import as_request, details_usage, session_in

LANGSMITH, LANGFUSE = "LangSmith", "Langfuse observations"
_OBSERVATIONS = frozenset(
    "SPAN GENERATION EVENT RETRIEVER TOOL AGENT CHAIN EMBEDDING EVALUATOR GUARDRAIL".split()
)

LANGSMITH_KEYS = frozenset(("run_type",))
LANGFUSE_KEYS = frozenset(("trace_id", "traceId"))
HOLDER_KEYS = frozenset(("runs", "observations", "spans", "data", "child_runs"))


def is_langsmith(record: dict[str, Any]) -> bool:
    """Tell whether a record is a LangSmith run."""
    return "run_type" in record and ("inputs" in record or "outputs" in record)


def read_langsmith(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield what a run tells; retrievers and models carry context, chains repeat theirs."""
    extra = parsed(record.get("extra"))
    metadata = extra.get("metadata") if isinstance(extra, dict) else None
    kind = record.get("run_type")
    name = name_of(record.get("name")) or ""
    if kind == "llm":
        name = name_of(metadata.get("ls_model_name")) or "" if isinstance(metadata, dict) else ""
    event = Event(
        Kind.LINK,
        place,
        LANGSMITH,
        trace=name_of(record.get("trace_id")) or name_of(record.get("id")) or "",
        span=name_of(record.get("id")) or "",
        parent=name_of(record.get("parent_run_id")) or "",
        # `session_id` of a run is its project; the chat is in the caller's metadata.
        session=session_in(metadata),
        time=as_time(record.get("start_time")),
        name=name,
    )
    inputs, outputs = parsed(record.get("inputs")), parsed(record.get("outputs"))
    if kind == "retriever":
        event.passages = passages_of(outputs)
        event.query = query_of(inputs)
        if event.passages:
            event.kind = Kind.RETRIEVAL
    elif kind == "llm":
        event.messages = messages_of(inputs)
        event.usage = _usage(record, outputs)
        as_request(event)
    yield event


def _usage(record: dict[str, Any], outputs: Any) -> Usage | None:
    if as_int(record.get("prompt_tokens")):
        given, made = as_int(record.get("prompt_tokens")), as_int(record.get("completion_tokens"))
        details = parsed(record.get("prompt_token_details"))
        cached = as_int(details.get("cache_read")) if isinstance(details, dict) else None
        return Usage(given, made, cached)
    usage = outputs.get("usage_metadata") if isinstance(outputs, dict) else None
    if not isinstance(usage, dict):
        return None
    details = usage.get("input_token_details")
    cached = as_int(details.get("cache_read")) if isinstance(details, dict) else None
    written = as_int(details.get("cache_creation")) if isinstance(details, dict) else None
    return Usage(
        as_int(usage.get("input_tokens")), as_int(usage.get("output_tokens")), cached, written
    )


def is_langfuse(record: dict[str, Any]) -> bool:
    """Tell whether a record is a Langfuse observation, as exported or as its API gives it."""
    return (
        str(record.get("type")).upper() in _OBSERVATIONS
        and ("trace_id" in record or "traceId" in record)
        and ("input" in record or "output" in record)
    )


def read_langfuse(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield what an observation tells; exports have snake_case, the API camelCase."""

    def field(snake: str, camel: str) -> Any:
        value = record.get(snake, record.get(camel))
        return None if value == "" else value  # exports write what is unset as an empty string

    metadata = parsed(record.get("metadata"))
    event = Event(
        Kind.LINK,
        place,
        LANGFUSE,
        trace=name_of(field("trace_id", "traceId")) or "",
        span=name_of(record.get("id")) or "",
        parent=name_of(field("parent_observation_id", "parentObservationId")) or "",
        session=name_of(field("session_id", "sessionId")) or session_in(metadata),
        time=as_time(field("start_time", "startTime")),
        name=name_of(record.get("name")) or "",
    )
    kind = str(record.get("type")).upper()
    if kind == "RETRIEVER":
        event.passages = passages_of(record.get("output"))
        event.query = query_of(record.get("input"))
        if event.passages:
            event.kind = Kind.RETRIEVAL
    elif kind == "GENERATION":
        event.messages = messages_of(record.get("input"))
        model = field("provided_model_name", "model") or record.get("model")
        event.name = name_of(model) or ""
        event.usage = details_usage(parsed(field("usage_details", "usageDetails")))
        as_request(event)
    yield event


def unpack(record: dict[str, Any]) -> Iterator[dict[str, Any]] | None:
    """Return the rows of a page of an API, the observations of a trace, or a run and those in it.

    None for others.
    """
    if isinstance(record.get("child_runs"), list):
        own = {key: value for key, value in record.items() if key != "child_runs"}
        return iter([own, *dicts(record["child_runs"])])
    for key in ("runs", "observations", "spans"):
        if isinstance(record.get(key), list) and "run_type" not in record:
            return dicts(record[key])
    rows = record.get("data")
    if isinstance(rows, list) and rows and ("meta" in record or "object" in record):
        return dicts(rows)
    return None

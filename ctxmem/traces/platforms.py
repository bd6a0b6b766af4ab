"""Exports of tracing platforms: LangSmith runs, Langfuse observations, OpenAI's Agents SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctxmem.traces.attrs import as_int, as_score, as_time, dicts, name_of, parsed, session_in
from ctxmem.traces.events import Event, Kind, Usage, as_request
from ctxmem.traces.messages import answer_of, messages_of, query_of, tools_of, without_tools
from ctxmem.traces.mlflow import unpack_mlflow
from ctxmem.traces.passages import passages_of
from ctxmem.traces.usage import details_usage, usage_of

LANGSMITH, LANGFUSE, AGENTS = "LangSmith", "Langfuse observations", "OpenAI Agents SDK"
_OBSERVATIONS = frozenset(
    "SPAN GENERATION EVENT RETRIEVER TOOL AGENT CHAIN EMBEDDING EVALUATOR GUARDRAIL".split()
)

LANGSMITH_KEYS = frozenset(("run_type",))
AGENTS_KEYS = frozenset(("span_data", "workflow_name"))
LANGFUSE_KEYS = frozenset(("trace_id", "traceId"))
_PAGES = frozenset(("meta", "object", "error", "next_cursor", "nextPageToken"))
HOLDER_KEYS = frozenset(("runs", "observations", "spans", "data", "child_runs"))


def is_langsmith(record: dict[str, Any]) -> bool:
    """Return whether a record is a LangSmith run."""
    return "run_type" in record and ("inputs" in record or "outputs" in record)


def read_langsmith(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield what a run says; retrievers and models carry context, chains repeat theirs."""
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
        event.tools = tools_of(inputs) or tools_of(_invocation(extra))
        event.answer = answer_of(outputs)
        event.usage = _usage(record, outputs, metadata)
        event.cost = as_score(record.get("total_cost"))
        event.response = _response(outputs)
        as_request(event)
    yield event


def _invocation(extra: Any) -> Any:
    return extra.get("invocation_params") if isinstance(extra, dict) else None


def _response(outputs: Any) -> str:
    """Return the id of a provider's own response; LangChain's runs have ids of their own."""
    named = isinstance(outputs, dict) and "choices" in outputs
    return name_of(outputs.get("id")) or "" if named else ""


def _usage(record: dict[str, Any], outputs: Any, metadata: Any) -> Usage | None:
    if as_int(record.get("prompt_tokens")):
        return usage_of({key: parsed(value) for key, value in record.items() if "token" in key})
    for holder in (outputs, metadata):
        if isinstance(holder, dict):
            for usage in (*map(holder.get, ("usage_metadata", "usage")), _langchain(holder)):
                if isinstance(usage, dict):
                    return usage_of(usage)
    return None


def _langchain(outputs: dict[str, Any]) -> Any:
    """Return the usage that LangChain's output has with its message, or beside all of them."""
    inner = outputs.get("generations")
    while isinstance(inner, list) and inner:
        inner = inner[0]
    message = inner.get("message") if isinstance(inner, dict) else None
    fields = message.get("kwargs", message) if isinstance(message, dict) else {}
    if isinstance(fields, dict) and isinstance(fields.get("usage_metadata"), dict):
        return fields["usage_metadata"]
    beside = outputs.get("llm_output")
    return beside.get("token_usage", beside.get("usage")) if isinstance(beside, dict) else None


def is_langfuse(record: dict[str, Any]) -> bool:
    """Return whether a record is a Langfuse observation, as exported or as its API gives it."""
    return (
        str(record.get("type")).upper() in _OBSERVATIONS
        and ("trace_id" in record or "traceId" in record)
        and ("input" in record or "output" in record)
    )


def read_langfuse(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield what an observation says; exports have snake_case, the API camelCase."""

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
        event.messages, tools = without_tools(messages_of(record.get("input")))
        event.tools = tools or tools_of(parsed(record.get("input")))
        event.answer = answer_of(record.get("output"))
        model = field("provided_model_name", "model") or record.get("model")
        event.name = name_of(model) or ""
        usage = field("usage_details", "usageDetails") or record.get("usage")
        event.usage = details_usage(parsed(usage))
        costs = parsed(field("cost_details", "costDetails"))
        total = costs.get("total") if isinstance(costs, dict) else None
        stated = field("total_cost", "calculatedTotalCost")
        event.cost = as_score(total if total is not None else stated)
        as_request(event)
    yield event


def is_agents(record: dict[str, Any]) -> bool:
    """Return whether a record is a span or a trace of OpenAI's Agents SDK."""
    return str(record.get("object")).startswith("trace")


def read_agents(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield what a span says; those of the Responses API have tokens alone."""
    data = record.get("span_data")
    event = Event(
        Kind.LINK,
        place,
        AGENTS,
        trace=name_of(record.get("trace_id") or record.get("id")) or "",
        span=name_of(record.get("id")) or "",
        parent=name_of(record.get("parent_id")) or "",
        session=name_of(record.get("group_id")),
        time=as_time(record.get("started_at")),
    )
    if isinstance(data, dict) and data.get("type") in ("generation", "response"):
        usage = data.get("usage")
        event.messages = messages_of(data.get("input"))
        event.answer = answer_of(data.get("output"))
        event.usage = usage_of(usage) if isinstance(usage, dict) else None
        event.name = name_of(data.get("model")) or ""
        event.response = name_of(data.get("response_id")) or ""
        as_request(event)
    yield event


def unpack(record: dict[str, Any]) -> Iterator[dict[str, Any]] | None:
    """Return the rows of a page of an API, the observations of a trace, or a run and those in it.

    None for others.
    """
    if isinstance(record.get("child_runs"), list):
        return _runs(record)
    for key in ("runs", "observations"):
        if isinstance(record.get(key), list) and "run_type" not in record:
            return _observed(record, key)
    spans = unpack_mlflow(record) if "run_type" not in record else None
    if spans is not None:
        return spans
    rows = record.get("data")
    if isinstance(rows, list) and rows and not _PAGES.isdisjoint(record):
        return dicts(rows)
    if isinstance(rows, list) and rows and isinstance(rows[0], dict) and "traceID" in rows[0]:
        return dicts(rows)  # Jaeger's traces, each with its spans
    return None


def _runs(run: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a run and all in it, however deep they are nested."""
    waiting = [run]
    while waiting:
        run = waiting.pop()
        inner = run.get("child_runs")
        waiting.extend(reversed(list(dicts(inner))))
        yield {key: value for key, value in run.items() if key != "child_runs"}


def _observed(trace: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    """Yield the observations of a trace; the session is said once, of the trace."""
    about = trace.get("trace")
    session = next(
        (
            name
            for holder in (trace, about)
            if isinstance(holder, dict)
            for name in (holder.get("sessionId"), holder.get("session_id"))
            if name
        ),
        None,
    )
    for row in dicts(trace[key]):
        own = row.get("session_id") or row.get("sessionId")
        yield {**row, "session_id": session} if session and not own else row

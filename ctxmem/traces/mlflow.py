"""MLflow's traces and W&B Weave's calls: functions with their inputs and outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ctxmem.traces.attrs import as_score, as_time, dicts, look, name_of, parsed, session_in
from ctxmem.traces.events import Event, Kind, Usage, as_request
from ctxmem.traces.messages import answer_of, listed, messages_of, query_of, tools_of
from ctxmem.traces.passages import passages_of
from ctxmem.traces.usage import count_of, including_cache, usage_of

MLFLOW, WEAVE = "MLflow", "W&B Weave"
_SESSION = "mlflow.trace.session"

# MLflow


def read_mlflow_span(event: Event, attributes: dict[str, Any]) -> None:
    """Fill in what a span of MLflow says; each of its attributes is JSON."""
    event.format = MLFLOW
    kind = parsed(look(attributes, "mlflow.spanType"))
    inputs = parsed(look(attributes, "mlflow.spanInputs"))
    outputs = parsed(look(attributes, "mlflow.spanOutputs"))
    if kind in ("RETRIEVER", "RERANKER"):
        event.passages = passages_of(outputs)
        event.query = query_of(inputs)
        if event.passages:
            event.kind = Kind.RETRIEVAL if kind == "RETRIEVER" else Kind.RERANKED
    elif kind in ("CHAT_MODEL", "LLM"):
        event.messages = messages_of(inputs)
        event.tools = tools_of(inputs) or listed(look(attributes, "mlflow.chat.tools"))
        event.answer = answer_of(outputs)
        event.usage = _mlflow_usage(parsed(look(attributes, "mlflow.chat.tokenUsage")), outputs)
        cost = parsed(look(attributes, "mlflow.llm.cost"))
        event.cost = as_score(cost.get("total_cost")) if isinstance(cost, dict) else None
        event.name = _model(attributes, inputs)
        if isinstance(outputs, dict):
            event.response = name_of(outputs.get("id")) or ""
        as_request(event)


def _model(attributes: dict[str, Any], inputs: Any) -> str:
    model = parsed(look(attributes, "mlflow.llm.model"))
    if model is None and isinstance(inputs, dict):
        model = inputs.get("model")
    return name_of(model) or ""


def _mlflow_usage(counted: Any, outputs: Any) -> Usage | None:
    """Return MLflow's own count, whose input includes the cached part, or the provider's."""
    if isinstance(counted, dict):
        given, made, read, written = (
            count_of(counted, (name,))
            for name in (
                *("input_tokens", "output_tokens"),
                *("cache_read_input_tokens", "cache_creation_input_tokens"),
            )
        )
        return including_cache(Usage(given, made, read, written))
    usage = outputs.get("usage") if isinstance(outputs, dict) else None
    return usage_of(usage) if isinstance(usage, dict) else None


def unpack_mlflow(record: dict[str, Any]) -> Iterator[dict[str, Any]] | None:
    """Return the spans of a trace of MLflow, or of a row of a table of them; None for others.

    The session is said once, beside the spans.
    """
    data, info = parsed(record.get("data")), parsed(record.get("info"))
    holder = data if isinstance(data, dict) else record
    spans = holder.get("spans")
    if not isinstance(spans, list):
        return None
    session = None
    for about in (info, record):
        if isinstance(about, dict):
            for name in ("trace_metadata", "request_metadata", "tags"):
                metadata = parsed(about.get(name))
                if isinstance(metadata, dict) and session is None:
                    session = metadata.get(_SESSION)
    return (_mlflow_span(span, session) for span in dicts(spans))


def _mlflow_span(span: dict[str, Any], session: Any) -> dict[str, Any]:
    attributes = span.get("attributes")
    if session is None or not isinstance(attributes, dict):
        return span
    return {**span, "attributes": {_SESSION: session, **attributes}}


# Weave

WEAVE_KEYS = frozenset(("op_name",))
_PROVIDERS = re.compile(
    r"(openai|anthropic|litellm|mistral|cohere|groq|google|vertexai|bedrock|together|"
    r"huggingface|nvidia|cerebras|instructor)\b.*(create|parse|complet|generate|converse|invoke|"
    r"stream|chat|request)",
    re.IGNORECASE,
)


def is_weave(record: dict[str, Any]) -> bool:
    """Return whether a record is a call of Weave."""
    return "op_name" in record and "inputs" in record


def read_weave(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield what a call says; functions of the user are around the calls of models in them."""
    inputs, output = parsed(record.get("inputs")), parsed(record.get("output"))
    attributes = parsed(record.get("attributes"))
    event = Event(
        Kind.LINK,
        place,
        WEAVE,
        trace=name_of(record.get("trace_id")) or "",
        span=name_of(record.get("id")) or "",
        parent=name_of(record.get("parent_id")) or "",
        session=name_of(record.get("thread_id")) or session_in(attributes),
        time=as_time(record.get("started_at")),
    )
    operation = str(record.get("op_name"))
    own = attributes.get("kind") if isinstance(attributes, dict) else None
    summary = parsed(record.get("summary"))
    usage = summary.get("usage") if isinstance(summary, dict) else None
    billed = (
        {k: v for k, v in usage.items() if isinstance(v, dict)} if isinstance(usage, dict) else {}
    )
    asks = isinstance(inputs, dict) and ("messages" in inputs or "contents" in inputs)
    if own == "llm" or _PROVIDERS.search(operation) or (billed and asks):
        event.messages = messages_of(inputs)
        event.tools = tools_of(inputs)
        event.answer = answer_of(output)
        event.usage, event.cost = _weave_usage(billed, summary)
        model = inputs.get("model") if isinstance(inputs, dict) else None
        event.name = name_of(model) or next(iter(billed), "")
        event.response = name_of(output.get("id")) or "" if isinstance(output, dict) else ""
        if own == "llm" or _PROVIDERS.search(operation):
            as_request(event)
        elif event.messages:
            event.kind = Kind.AROUND
    elif own in ("retriever", "search") or "retriev" in operation.lower():
        event.passages = passages_of(output)
        event.query = query_of(inputs)
        if event.passages:
            event.kind = Kind.RETRIEVAL
    yield event


def _weave_usage(
    billed: dict[str, dict[str, Any]], summary: Any
) -> tuple[Usage | None, float | None]:
    """Return tokens and cost of a call of one model; of several the sum is no call's."""
    if len(billed) != 1:
        return None, None
    ((model, usage),) = billed.items()
    weave = summary.get("weave")
    costs = weave.get("costs") if isinstance(weave, dict) else None
    known = costs.get(model) if isinstance(costs, dict) else None
    stated = known.items() if isinstance(known, dict) else ()
    parts = [as_score(value) for key, value in stated if key.endswith("total_cost")]
    cost = sum((part for part in parts if part is not None), 0.0) if parts else None
    return usage_of(usage), cost

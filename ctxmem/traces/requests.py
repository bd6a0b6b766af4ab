"""Logged requests: OpenAI, Anthropic, Gemini, Bedrock, and the gateways LiteLLM and Helicone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctxmem.traces.attrs import as_score, as_time, name_of, parsed, session_in
from ctxmem.traces.clearing import without_cleared
from ctxmem.traces.events import Event, Kind, Usage, as_request
from ctxmem.traces.messages import answer_of, messages_of, tools_of
from ctxmem.traces.usage import usage_of

OPENAI, ANTHROPIC, GEMINI, BEDROCK, LITELLM, HELICONE, MESSAGES = (
    "OpenAI requests",
    "Anthropic requests",
    "Gemini requests",
    "Bedrock requests",
    "LiteLLM",
    "Helicone",
    "messages",
)
_REQUESTS = (
    *("request", "body", "params", "kwargs", "request_body", "requestBody", "input"),
    *("proxy_server_request", "inputs", "full_request"),
)
_RESPONSES = (
    *("response", "output", "response_body", "responseBody", "response_obj", "result", "outputs"),
    "full_response",
)
_BODIES = ("body", "json", "inputBodyJson", "outputBodyJson")
SESSIONS = ("session_id", "session", "thread_id", "conversation_id", "chat_id", "conversation")
TRACES = ("trace_id", "request_id", "custom_id", "requestId")
_TIMES = (
    *("timestamp", "time", "created_at", "created", "start_time", "ts"),
    *("startTime", "request_created_at", "createdAt"),
)
_HAS_TIME = frozenset(_TIMES)
_ANSWERS = ("choices", "candidates", "output", "content", "usageMetadata", "usage_metadata")
_USAGES = ("usage", "usageMetadata", "usage_metadata", "usage_object")
_COSTS = ("response_cost", "cost", "cost_usd", "costUSD", "total_cost", "spend")
_HAS_COST = frozenset(_COSTS)
_METADATA = ("metadata", "requestMetadata", "request_properties", "properties")
_LITELLM = frozenset(("litellm_call_id", "response_cost", "spend"))
_HELICONE = frozenset(("request_created_at", "helicone_user", "request_properties"))
_TEXTS = ("input", "contents", "prompt", "inputText")
_ENCODED = ("[", "{")

REQUEST_KEYS = frozenset(
    ("messages", "contents", "prompt", "modelId", "call_type", *_HELICONE, *_REQUESTS)
)


def request_in(record: dict[str, Any]) -> dict[str, Any] | None:
    """Return the request of a log record: itself, or what it holds; None if there is none."""
    named = "model" in record or "modelId" in record
    return next((request for request in _candidates(record) if _asks(request, named)), None)


def _candidates(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield record
    for key in _REQUESTS:
        inner = _object(record, key)
        if inner is not None:
            yield inner
            yield from _bodies(inner)


def _bodies(holder: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in _BODIES:
        body = _object(holder, name)
        if body is not None:
            yield body


def _object(record: dict[str, Any], key: str) -> dict[str, Any] | None:
    """Return the object in a field, which may be JSON, None if there is none."""
    value = record.get(key)
    if isinstance(value, str):
        value = parsed(value)
    return value if isinstance(value, dict) else None


def _asks(request: dict[str, Any], named: bool) -> bool:
    """Return whether a dict is a request with all its messages; a text alone needs a model."""
    for key in ("messages", "contents"):
        messages = request.get(key)
        if isinstance(messages, str) and messages[:1] in _ENCODED:
            messages = parsed(messages)
        if isinstance(messages, list) and messages and isinstance(messages[0], dict | list):
            return True
    # Of the Responses API, the input is a text or a list of items.
    given = next((request[key] for key in _TEXTS if request.get(key)), None)
    # What is embedded is not answered.
    asked = (named or "model" in request) and "embed" not in str(request.get("model"))
    return asked and isinstance(given, str | list)


def is_request(record: dict[str, Any]) -> bool:
    """Return whether a record holds a request with its messages, or is a log of a gateway."""
    return request_in(record) is not None or _gateway(record) is not None


def _gateway(record: dict[str, Any]) -> str | None:
    """Return the gateway that wrote a record, also one that keeps no messages."""
    if "call_type" in record and not _LITELLM.isdisjoint(record):
        return LITELLM
    if "request_id" in record and not _HELICONE.isdisjoint(record):
        return HELICONE
    if "modelId" in record and ("input" in record or "operation" in record):
        return BEDROCK
    return None


def read_request(record: dict[str, Any], place: str) -> Iterator[Event]:
    """Yield one request, without the answer that some logs keep at the end of its messages."""
    found = request_in(record)
    request = record if found is None else found
    holders = _holders(record)
    response = _response(holders, request) or {}
    raw = _raw_usage([response, *holders, request])
    messages, answer = _messages(record, request) if found is not None else ([], [])
    messages = without_cleared(messages, request, response)
    own = named_in(record, (*TRACES, "id"))
    metadata = (_object(holder, key) for key in _METADATA for holder in (record, request))
    event = Event(
        Kind.REQUEST,
        place,
        _format(record, request, raw or {}),
        trace=own or "",
        session=named_in(record, SESSIONS)
        or next((s for s in map(session_in, metadata) if s), None)
        or named_in(request, SESSIONS),
        time=time_of(record),
        name=_model(record, request),
        messages=messages,
        tools=tools_of(request) or tools_of(parsed(record.get("model_parameters"))),
        answer=answer or answer_of(response),
        usage=_usage(record, raw),
        cost=cost_of(record),
        response=named_in(response, ("id", "responseId", "response_id")) or "",
        previous=name_of(request.get("previous_response_id")) or "",
    )
    if not messages:
        event.kind = Kind.LINK
        as_request(event)
    yield event


def _messages(record: dict[str, Any], request: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return what was sent, and the answer that some logs keep behind it."""
    messages = messages_of(request)
    logged_answer = request is record and "model" not in record and "usage" not in record
    if logged_answer and len(messages) > 1 and _role(messages[-1]) in ("assistant", "ai"):
        return messages[:-1], messages[-1:]
    return messages, []


def _model(record: dict[str, Any], request: dict[str, Any]) -> str:
    names = ("model", "modelId", "request_model", "modelVersion")
    return next((n for d in (request, record) for n in (name_of(d.get(k)) for k in names) if n), "")


def _format(record: dict[str, Any], request: dict[str, Any], usage: dict[str, Any]) -> str:
    gateway = _gateway(record)
    if gateway is not None:
        return gateway
    if "contents" in request:
        return GEMINI
    if "toolConfig" in request or "inferenceConfig" in request or "modelId" in request:
        return BEDROCK
    if "model" not in request and "model" not in record and "usage" not in record:
        return MESSAGES
    model = str(request.get("model") or record.get("model") or "")
    anthropic = "claude" in model or "cache_read_input_tokens" in usage or "system" in request
    return ANTHROPIC if anthropic else OPENAI


def time_of(record: Mapping[str, Any]) -> float | None:
    """Return the first time that a record has under one of the usual names."""
    if _HAS_TIME.isdisjoint(record):
        return None
    for key in _TIMES:
        if key in record:
            time = as_time(record[key])
            if time:
                return time
    return None


def cost_of(record: Mapping[str, Any]) -> float | None:
    """Return the price of a call as its record states it."""
    if _HAS_COST.isdisjoint(record):
        return None
    return next((c for c in (as_score(record.get(key)) for key in _COSTS) if c is not None), None)


def _role(message: Any) -> Any:
    return message.get("role", message.get("type")) if isinstance(message, dict) else None


def named_in(record: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """Return the first of several fields that holds an id, or an object with one."""
    for key in keys:
        value = record.get(key)
        if value is not None:
            found = name_of(value.get("id")) if isinstance(value, dict) else name_of(value)
            if found:
                return found
    return None


# Responses


def _holders(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what may hold a response or its usage: values of the usual names, then a record."""
    holders = []
    for key in _RESPONSES:
        inner = _object(record, key)
        if inner is not None:
            holders += [*_bodies(inner), inner]
    return [*holders, *_bodies(record), record]


def _response(holders: list[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any] | None:
    """Return the response that a log record holds, itself if it is logged with its request."""
    record = holders[-1]
    for holder in holders:
        own = holder is not request or holder is record
        if own and any(key in holder for key in _ANSWERS):
            return holder
    return None


def _raw_usage(holders: list[dict[str, Any]]) -> dict[str, Any] | None:
    for holder in holders:
        for key in _USAGES:
            usage = holder.get(key)
            if isinstance(usage, dict):
                return usage
        message = holder.get("message")
        if isinstance(message, dict) and isinstance(message.get("usage"), dict):
            found: dict[str, Any] = message["usage"]
            return found
    return None


def _usage(record: dict[str, Any], raw: dict[str, Any] | None) -> Usage | None:
    if raw:
        return usage_of(raw)
    # Gateways keep counts beside the request, Bedrock's log with its input and output.
    flat = {
        key: value
        for holder in (record, record.get("input"), record.get("output"))
        if isinstance(holder, dict)
        for key, value in holder.items()
        if "oken" in key
    }
    flat["cache_read_input_tokens"] = flat.pop("prompt_cache_read_tokens", None)
    flat["cache_creation_input_tokens"] = flat.pop("prompt_cache_write_tokens", None)
    usage = usage_of({key: value for key, value in flat.items() if value is not None})
    return usage if usage.input is not None or usage.output is not None else None

"""Spans and log records of OpenTelemetry's GenAI conventions, in all the ways they were written.

Attributes with JSON (semantic conventions since 1.37, Logfire, Pydantic AI), numbered attributes
(OpenLLMetry), events of the span, log records of their own, and the AI SDK's telemetry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxmem.traces.attrs import (
    as_int,
    as_score,
    dicts,
    look,
    name_of,
    parsed,
    plain,
    rows,
    session_in,
    text_of,
    value_of,
)
from ctxmem.traces.events import Event, Kind, Usage, as_request
from ctxmem.traces.messages import answer_of, blocks_of, listed, message_of, messages_of
from ctxmem.traces.passages import passages_of
from ctxmem.traces.usage import including_cache, usage_of

GENAI, AI_SDK, GEMINI_CLI_LOG = "OpenTelemetry GenAI", "AI SDK", "Gemini CLI telemetry"
_CALLS = frozenset(("chat", "text_completion", "generate_content", "completion", "responses"))
_AGENTS = frozenset(("invoke_agent", "create_agent", "invoke_workflow"))
_READ = ("cache_read.input_tokens", "cache_read_input_tokens", "cached_input_tokens", "cache_read")
_WRITTEN = (
    *("cache_creation.input_tokens", "cache_creation_input_tokens"),
    *("cache_write.input_tokens", "cache_write_input_tokens"),
)
_COSTS = ("operation.cost", "gen_ai.usage.cost", "gen_ai.cost")


def is_genai(attributes: Mapping[str, Any]) -> bool:
    """Return whether a span's attributes are of the GenAI conventions."""
    return any(
        look(attributes, name) is not None
        for name in (
            *("gen_ai.operation.name", "gen_ai.system", "gen_ai.provider.name"),
            *("llm.request.type", "gen_ai.request.model"),
        )
    )


def read_genai(event: Event, attributes: dict[str, Any], record: dict[str, Any]) -> None:
    """Fill in what a span of the GenAI conventions says."""
    event.format = GENAI
    operation = name_of(look(attributes, "gen_ai.operation.name"))
    if operation == "retrieval" or look(attributes, "gen_ai.retrieval.documents") is not None:
        _retrieval(event, attributes)
        return
    logged = _sources_of(attributes, record)
    event.messages = (
        _messages(logged)
        or _numbered(attributes, "gen_ai.prompt")
        or _told_by_events(event, attributes, record)
        or _logfire(attributes)
    )
    event.answer = event.answer or _answer(attributes, logged)
    event.tools = _tools(attributes)
    event.usage = _usage(attributes)
    event.cost = next((c for c in (as_score(look(attributes, n)) for n in _COSTS) if c), None)
    event.name = name_of(look(attributes, "gen_ai.request.model")) or ""
    event.response = name_of(look(attributes, "gen_ai.response.id")) or ""
    event.previous = name_of(look(attributes, "gen_ai.openai.request.previous_response_id")) or ""
    if operation in _AGENTS or look(attributes, "pydantic_ai.all_messages") is not None:
        _around(event, attributes)
        return
    asked = operation in _CALLS or name_of(look(attributes, "llm.request.type")) in _CALLS
    if event.messages or asked:
        event.joins = True
        as_request(event)


def _retrieval(event: Event, attributes: dict[str, Any]) -> None:
    """Read a retriever: ids and scores alone, even where content is captured."""
    event.passages = passages_of(look(attributes, "gen_ai.retrieval.documents"))
    event.query = text_of(look(attributes, "gen_ai.retrieval.query.text"))
    source = name_of(look(attributes, "gen_ai.data_source.id"))
    event.name = source or event.name
    if event.passages:
        event.kind = Kind.RETRIEVAL


def _around(event: Event, attributes: dict[str, Any]) -> None:
    """Read an agent's run, which has the messages of its last call with the answer at the end."""
    for name in ("pydantic_ai.all_messages", "all_messages_events"):
        if not event.messages:
            event.messages = messages_of(look(attributes, name))
    while event.messages and event.messages[-1].get("role") == "assistant":
        event.answer.insert(0, event.messages.pop())
    if event.messages:
        event.kind = Kind.AROUND


# Attributes


def _sources_of(attributes: dict[str, Any], record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the attributes of a span and of its events: either may hold the messages."""
    return [attributes, *(plain(e.get("attributes")) for e in dicts(record.get("events")))]


def _messages(sources: list[dict[str, Any]]) -> list[Any]:
    for of in sources:
        messages = messages_of(look(of, "gen_ai.input.messages"))
        if messages:
            system = parsed(look(of, "gen_ai.system_instructions"))
            if system:
                parts = (
                    system if isinstance(system, list) else [{"type": "text", "content": system}]
                )
                messages.insert(0, message_of({"role": "system", "parts": parts}))
            return messages
        for name in ("gen_ai.prompt", "gen_ai.content.prompt"):
            prompt = look(of, name)
            if isinstance(prompt, str | list):
                return messages_of(prompt)
    return []


def _answer(attributes: dict[str, Any], sources: list[dict[str, Any]]) -> list[Any]:
    for of in sources:
        for name in ("gen_ai.output.messages", "gen_ai.completion"):
            answer = look(of, name)
            if isinstance(answer, str | list):
                return answer_of(answer)
    numbered = _numbered(attributes, "gen_ai.completion")
    return numbered or answer_of(look(attributes, "response_data"))


def _tools(attributes: dict[str, Any]) -> list[Any]:
    tools = listed(look(attributes, "gen_ai.tool.definitions"))
    if tools:
        return tools
    functions = rows(attributes, "llm.request.functions", "function")
    return [
        {"type": "function", "function": {**f, "parameters": parsed(f.get("parameters"))}}
        for f in functions
    ]


def _usage(attributes: dict[str, Any]) -> Usage | None:
    counts = [
        _count(attributes, "gen_ai.usage.", names)
        for names in (
            ("input_tokens", "prompt_tokens"),
            ("output_tokens", "completion_tokens"),
            _READ,
            _WRITTEN,
        )
    ]
    return including_cache(Usage(*counts)) if any(n is not None for n in counts) else None


def _count(attributes: Mapping[str, Any], prefix: str, names: tuple[str, ...]) -> int | None:
    for name in names:
        found = as_int(look(attributes, prefix + name))
        if found is not None:
            return found
    return None


def _numbered(attributes: dict[str, Any], name: str) -> list[Any]:
    """Return the messages of OpenLLMetry's attributes: `gen_ai.prompt.0.role` and so on."""
    messages = []
    default = "user" if name.endswith("prompt") else "assistant"
    for row in rows(attributes, name, "message"):
        message = {"role": row.get("role") or default, "content": blocks_of(row.get("content"))}
        calls = [
            _function_call(call.get("id"), call.get("name"), call.get("arguments"))
            for call in rows(row, "tool_calls", "tool_call")
        ]
        if calls:
            message["tool_calls"] = calls
        if row.get("tool_call_id") is not None:
            message["tool_call_id"] = row["tool_call_id"]
        messages.append(message)
    return messages


def _function_call(call_id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments or ""}
    return {"id": call_id, "type": "function", "function": function}


def _logfire(attributes: dict[str, Any]) -> list[Any]:
    """Return the messages of Logfire's `request_data`: the request, less what it left out."""
    request = parsed(look(attributes, "request_data"))
    return messages_of(request) if isinstance(request, dict) else []


# Events and log records

_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}
_DETAILS = "gen_ai.client.inference.operation.details"


def _told_by_events(event: Event, attributes: dict[str, Any], record: dict[str, Any]) -> list[Any]:
    """Return the messages that a span's events hold, or Logfire's attribute `events`."""
    said: list[tuple[Any, dict[str, Any]]] = [
        (e.get("name"), plain(e.get("attributes"))) for e in dicts(record.get("events"))
    ]
    for name in ("events", "all_messages_events"):
        said += [(e.get("event.name"), e) for e in dicts(parsed(look(attributes, name)))]
    messages = []
    for kind, fields in said:
        message = _said(str(kind), fields)
        if message is not None:
            messages.append(message)
        elif kind == "gen_ai.choice":
            event.answer += answer_of(_inside(fields))
    return messages


def _said(name: str, fields: dict[str, Any]) -> dict[str, Any] | None:
    """Return the message that an event is, None if it is another event or has no content."""
    role = _ROLES.get(name)
    fields = _inside(fields)
    content, calls = fields.get("content"), parsed(fields.get("tool_calls"))
    if role is None or (content is None and not calls):
        return None
    message = {"role": fields.get("role") or role, "content": blocks_of(content)}
    if isinstance(calls, list):
        message["tool_calls"] = calls
    if role == "tool":
        message["tool_call_id"] = fields.get("id")
    return message


def _inside(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event with those that Azure's and Microsoft's SDKs write as JSON."""
    inner = parsed(fields.get("gen_ai.event.content"))
    return {**fields, **inner} if isinstance(inner, dict) else fields


def log_name(record: Mapping[str, Any], attributes: Mapping[str, Any]) -> str:
    """Return the name of the event that a log record is, "" if it names none."""
    name = record.get("eventName") or record.get("event_name") or record.get("EventName")
    return name_of(name or look(attributes, "event.name")) or ""


def read_log(event: Event, name: str, attributes: dict[str, Any], record: dict[str, Any]) -> None:
    """Fill in what a log record says of a call whose span has nothing of it."""
    event.format = GENAI
    body = parsed(value_of(record.get("body", record.get("Body"))))
    fields = {**attributes, **body} if isinstance(body, dict) else attributes
    message = _said(name, fields)
    if message is not None:
        event.messages = [message]
    elif name == "gen_ai.choice":
        event.answer = answer_of(_inside(fields))
    elif name == _DETAILS:
        event.messages = _messages([fields])
        event.answer = _answer(fields, [fields])
        event.tools = _tools(fields)
        event.usage = _usage(fields)
        event.response = name_of(look(fields, "gen_ai.response.id")) or ""
    else:
        return
    event.name = name_of(look(fields, "gen_ai.request.model")) or ""
    event.kind = Kind.PART
    event.parent = ""


# Gemini CLI


def read_gemini_log(event: Event, name: str, attributes: dict[str, Any]) -> None:
    """Fill in what an event of Gemini CLI's telemetry says: a request, or its answer and tokens.

    Both name the prompt that they are of; the tokens of a prompt's requests come in their order.
    """
    event.format = GEMINI_CLI_LOG
    event.trace = name_of(look(attributes, "prompt_id")) or event.trace
    event.name = name_of(look(attributes, "model")) or ""
    if name.endswith("api_request"):
        event.messages = messages_of(look(attributes, "request_text"))
        event.kind, event.span, event.joins = Kind.PART, event.place, True
    elif name.endswith("api_response"):
        event.usage = usage_of(attributes)
        event.answer = answer_of(look(attributes, "response_text"))
        event.kind, event.span = Kind.PART, ""


# AI SDK


def read_ai_sdk(event: Event, attributes: dict[str, Any]) -> None:
    """Fill in what a span of the AI SDK says; the functions are around the calls that they make."""
    event.format = AI_SDK
    operation = str(look(attributes, "ai.operationId") or event.name)
    function, _, step = operation.removeprefix("ai.").partition(".")
    if not function.startswith(("generate", "stream")):
        return
    event.messages = messages_of(look(attributes, "ai.prompt.messages"))
    event.messages = event.messages or messages_of(look(attributes, "ai.prompt"))
    event.tools = listed(look(attributes, "ai.prompt.tools"))
    event.usage = _ai_usage(attributes)
    event.answer = _ai_answer(attributes)
    event.name = name_of(look(attributes, "ai.model.id")) or ""
    event.response = name_of(look(attributes, "ai.response.id")) or ""
    if step:
        as_request(event)
    else:
        event.kind = Kind.AROUND


def _ai_usage(attributes: dict[str, Any]) -> Usage | None:
    counts = [
        _count(attributes, "ai.usage.", names)
        for names in (
            ("inputTokens", "promptTokens"),
            ("outputTokens", "completionTokens"),
            ("cachedInputTokens", "inputTokenDetails.cacheReadTokens"),
            ("inputTokenDetails.cacheWriteTokens",),
        )
    ]
    return including_cache(Usage(*counts)) if any(n is not None for n in counts) else None


def _ai_answer(attributes: dict[str, Any]) -> list[Any]:
    names = ("ai.response.text", "ai.response.object", "ai.result.text", "ai.result.object")
    text = next((text for text in (look(attributes, name) for name in names) if text), None)
    calls = listed(look(attributes, "ai.response.toolCalls"))
    if not text and not calls:
        return []
    blocks = [{"type": "text", "text": text}] if isinstance(text, str) else []
    return [
        {
            "role": "assistant",
            "content": [*blocks, *({**c, "type": "tool-call"} for c in dicts(calls))],
        }
    ]


# Sessions

_PROPERTIES = (
    *("traceloop.association.properties.", "ai.telemetry.metadata.", "metadata."),
    *("langsmith.metadata.", "langfuse.trace.metadata.", "langfuse.observation.metadata."),
)


def session_among(attributes: Mapping[str, Any]) -> str | None:
    """Return the session that a tracer's properties of the caller name."""
    found = {
        key.rpartition(".")[2]: value
        for key, value in attributes.items()
        if key.startswith(_PROPERTIES)
    }
    if found:
        return session_in(found)
    nested = (look(attributes, prefix[:-1]) for prefix in _PROPERTIES)
    return next((name for name in map(session_in, nested) if name), None)

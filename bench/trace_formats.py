"""Sessions, written in the formats in which traces and logs are kept.

Each writer takes the steps of a session, whose messages have the shape of OpenAI's Chat
Completions, and yields records as the format's SDK or exporter writes them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Record = dict[str, Any]
Message = dict[str, Any]


class Hit(NamedTuple):
    """A retrieved passage."""

    id: str
    text: str
    score: float


@dataclass
class Step:
    """One question of a session: what was retrieved, and what the model was sent."""

    query: str
    lists: dict[str, list[Hit]] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)


def written(name: str, steps: list[Step], number: int) -> list[Record]:
    """Return a session's records in one of the formats that can hold it."""
    formats = [langsmith, openinference, langfuse, mlflow]
    if not steps[0].messages:
        formats.append(hits_rows)
    elif not steps[0].lists:
        formats = [openai, openinference, anthropic, genai, openllmetry, gemini, bedrock, litellm]
        formats += [ai_sdk] + [claude_code] * _only_grows(steps)
    return list(formats[number % len(formats)](name, steps))


def _only_grows(steps: list[Step]) -> bool:
    """Say whether every step sends the messages of the one before, unchanged, and more."""
    return all(
        step.messages == later.messages[: len(step.messages)]
        for step, later in itertools.pairwise(steps)
    )


def langsmith(name: str, steps: list[Step], first: int = 0) -> Iterator[Record]:
    """Write runs: a chain, its retrievers and its model; traces are numbered from `first`."""
    for turn, step in enumerate(steps, start=first):
        trace = f"{name}/{turn}"
        for ranker, hits in step.lists.items():
            yield langsmith_list(trace, step.query, ranker, hits, name)
        if step.messages:
            yield {
                "id": f"{trace}/llm",
                "trace_id": trace,
                "parent_run_id": trace,
                "run_type": "llm",
                "name": "ChatModel",
                "extra": {"metadata": {"thread_id": name}},
                "inputs": {"messages": [step.messages]},
                "outputs": {"generations": [[{"text": "An answer."}]]},
            }
        yield {
            "id": trace,
            "trace_id": trace,
            "run_type": "chain",
            "name": "RunnableSequence",
            "extra": {"metadata": {"thread_id": name}},
            "inputs": {"input": step.query},
            "outputs": {"output": [hit.text for hits in step.lists.values() for hit in hits]},
        }


def langsmith_list(
    trace: str, query: str, ranker: str, hits: list[Hit], session: str | None
) -> Record:
    """Write the run of one retriever."""
    return {
        "id": f"{trace}/{ranker}",
        "trace_id": trace,
        "parent_run_id": trace,
        "run_type": "retriever",
        "name": ranker,
        "extra": {"metadata": {"thread_id": session} if session else {}},
        "inputs": {"query": query},
        "outputs": {
            "documents": [
                {
                    "id": hit.id,
                    "page_content": hit.text,
                    "metadata": {"source": f"{hit.id}.md", "score": hit.score},
                    "type": "Document",
                }
                for hit in hits
            ]
        },
    }


def openinference(name: str, steps: list[Step]) -> Iterator[Record]:
    """Write spans as JSON lines; the inner retriever span without documents is there too."""
    for turn, step in enumerate(steps):
        trace = f"0x{abs(hash_of(f'{name}/{turn}')):032x}"
        for ranker, hits in step.lists.items():
            outer = f"{trace}-{ranker}"
            yield _span(
                trace, f"{outer}-inner", outer, name, {"openinference.span.kind": "RETRIEVER"}
            )
            attributes = {"openinference.span.kind": "RETRIEVER", "input.value": step.query}
            for i, hit in enumerate(hits):
                at = f"retrieval.documents.{i}.document"
                attributes[f"{at}.id"] = hit.id
                attributes[f"{at}.content"] = hit.text
                attributes[f"{at}.score"] = hit.score  # type: ignore[assignment]
            yield _span(trace, outer, "root", name, attributes) | {"name": ranker}
        if step.messages:
            attributes = {"openinference.span.kind": "LLM"}
            for i, message in enumerate(step.messages):
                at = f"llm.input_messages.{i}.message"
                attributes[f"{at}.role"] = message["role"]
                if message["content"] is not None:
                    attributes[f"{at}.content"] = message["content"]
                if "tool_call_id" in message:
                    attributes[f"{at}.tool_call_id"] = message["tool_call_id"]
                for k, call in enumerate(message.get("tool_calls", ())):
                    inner = f"{at}.tool_calls.{k}.tool_call"
                    attributes[f"{inner}.id"] = call["id"]
                    attributes[f"{inner}.function.name"] = call["function"]["name"]
                    attributes[f"{inner}.function.arguments"] = call["function"]["arguments"]
            yield _span(trace, f"{trace}-llm", "root", name, attributes)


def hash_of(text: str) -> int:
    """Return a number for a text, the same in every process."""
    return int.from_bytes(text.encode()[-15:], "big")


def _span(trace: str, span: str, parent: str, session: str, attributes: Record) -> Record:
    return {
        "name": "span",
        "context": {"trace_id": trace, "span_id": span},
        "parent_id": parent,
        "attributes": {"session.id": session, **attributes},
    }


def langfuse(name: str, steps: list[Step]) -> Iterator[Record]:
    """Write observations as they are exported: inputs and outputs are text."""
    for turn, step in enumerate(steps):
        trace = f"{name}/{turn}"
        base = {"trace_id": trace, "session_id": name, "parent_observation_id": ""}
        for ranker, hits in step.lists.items():
            yield {
                **base,
                "id": f"{trace}/{ranker}",
                "type": "RETRIEVER",
                "name": ranker,
                "input": step.query,
                "output": json.dumps(_documents(hits)),
            }
        if step.messages:
            yield {
                **base,
                "id": f"{trace}/llm",
                "type": "GENERATION",
                "name": "llm",
                "input": json.dumps(step.messages),
                "output": "An answer.",
                "usage_details": {"input": 100, "output": 5},
            }


def openai(name: str, steps: list[Step]) -> Iterator[Record]:
    """Write requests with their usage."""
    for step in steps:
        yield {
            "request": {"model": "gpt-4o", "messages": step.messages},
            "response": {"usage": {"prompt_tokens": 100, "completion_tokens": 5}},
            "session_id": name,
        }


def anthropic(name: str, steps: list[Step]) -> Iterator[Record]:
    """Write requests of the Messages API: the system text apart, calls and results as blocks."""
    for step in steps:
        system, messages = _apart(step.messages)
        yield {
            "model": "claude-sonnet-4",
            "system": system,
            "messages": [_anthropic_message(message) for message in messages],
            "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5},
            "metadata": {"session_id": name},
        }


def _anthropic_message(message: Message) -> Record:
    if message["role"] == "tool":
        answer = {"tool_use_id": message["tool_call_id"], "content": message["content"]}
        return {"role": "user", "content": [{"type": "tool_result", **answer}]}
    content = [{"type": "text", "text": message["content"]}] if message["content"] else []
    for call, function, arguments in _calls(message):
        content.append({"type": "tool_use", "id": call, "name": function, "input": arguments})
    return {"role": message["role"], "content": content}


def hits_rows(name: str, steps: list[Step]) -> Iterator[Record]:
    """Write a line a query with its hits."""
    for step in steps:
        for ranker, hits in step.lists.items():
            rows = [{"id": hit.id, "text": hit.text, "score": hit.score} for hit in hits]
            yield {"query": step.query, "hits": rows, "list": ranker, "session_id": name}


def genai(name: str, steps: list[Step]) -> Iterator[Record]:
    """Write spans by OpenTelemetry's conventions: messages of parts, as JSON in an attribute."""
    for turn, step in enumerate(steps):
        system, messages = _apart(step.messages)
        yield _otel(
            f"{name}/{turn}",
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.conversation.id": name,
                "gen_ai.system_instructions": json.dumps([{"type": "text", "content": system}]),
                "gen_ai.input.messages": json.dumps([_genai_message(m) for m in messages]),
                "gen_ai.usage.input_tokens": 100,
            },
        )


def _genai_message(message: Message) -> Record:
    if message["role"] == "tool":
        answer = {"id": message["tool_call_id"], "response": message["content"]}
        return {"role": "tool", "parts": [{"type": "tool_call_response", **answer}]}
    parts = [{"type": "text", "content": message["content"]}] if message["content"] else []
    for call, function, arguments in _calls(message):
        parts.append({"type": "tool_call", "id": call, "name": function, "arguments": arguments})
    return {"role": message["role"], "parts": parts}


def openllmetry(name: str, steps: list[Step]) -> Iterator[Record]:
    """Write spans with an attribute for each field of each message."""
    for turn, step in enumerate(steps):
        attributes: Record = {
            "llm.request.type": "chat",
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.prompt_tokens": 100,
            "traceloop.association.properties.session_id": name,
        }
        for i, message in enumerate(step.messages):
            at = f"gen_ai.prompt.{i}"
            attributes[f"{at}.role"] = message["role"]
            if message["content"] is not None:
                attributes[f"{at}.content"] = message["content"]
            if "tool_call_id" in message:
                attributes[f"{at}.tool_call_id"] = message["tool_call_id"]
            for k, call in enumerate(message.get("tool_calls", ())):
                attributes[f"{at}.tool_calls.{k}.id"] = call["id"]
                attributes[f"{at}.tool_calls.{k}.name"] = call["function"]["name"]
                attributes[f"{at}.tool_calls.{k}.arguments"] = call["function"]["arguments"]
        yield _otel(f"{name}/{turn}", attributes)


def ai_sdk(name: str, steps: list[Step]) -> Iterator[Record]:
    """Write the spans of Vercel's AI SDK: one of the function and, in it, one of the request."""
    for turn, step in enumerate(steps):
        trace = f"{name}/{turn}"
        prompt = json.dumps({"messages": step.messages})
        common = {"ai.telemetry.metadata.sessionId": name, "ai.model.id": "gpt-4o"}
        outer = {"ai.operationId": "ai.generateText", "ai.prompt": prompt, **common}
        yield _otel(trace, outer)
        inner = {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.prompt.messages": json.dumps([_ai_message(m) for m in step.messages]),
            "gen_ai.system": "openai.chat",
            "gen_ai.request.model": "gpt-4o",
            "ai.usage.promptTokens": 100,
            **common,
        }
        yield _otel(trace, inner, parent=f"{trace}/0")


def _ai_message(message: Message) -> Record:
    if message["role"] == "tool":
        answer = {"toolCallId": message["tool_call_id"], "toolName": "search"}
        output = {"type": "text", "value": message["content"]}
        return {"role": "tool", "content": [{"type": "tool-result", **answer, "output": output}]}
    if message["role"] == "system":
        return message
    content = [{"type": "text", "text": message["content"]}] if message["content"] else []
    for call, function, arguments in _calls(message):
        named = {"toolCallId": call, "toolName": function}
        content.append({"type": "tool-call", **named, "input": arguments})
    return {"role": message["role"], "content": content}


def _otel(trace: str, attributes: Record, parent: str = "") -> Record:
    return {
        "name": "chat",
        "context": {"trace_id": trace, "span_id": f"{trace}/{1 if parent else 0}"},
        "parent_id": parent,
        "attributes": attributes,
    }


def mlflow(name: str, steps: list[Step]) -> Iterator[Record]:
    """Write traces of retrievers and of the model, whose attributes are JSON."""
    for turn, step in enumerate(steps):
        spans = []
        for ranker, hits in step.lists.items():
            spans.append(_mlflow_span("RETRIEVER", ranker, step.query, _documents(hits)))
        if step.messages:
            given = {"model": "gpt-4o", "messages": step.messages}
            spans.append(_mlflow_span("CHAT_MODEL", "completions", given, {"choices": []}))
        for number, span in enumerate(spans):
            span |= {"trace_id": f"tr-{name}-{turn}", "span_id": f"{name}/{turn}/{number}"}
        info = {"trace_id": f"tr-{name}-{turn}", "trace_metadata": {"mlflow.trace.session": name}}
        yield {"info": info, "data": {"spans": spans}}


def _mlflow_span(kind: str, name: str, given: Any, made: Any) -> Record:
    attributes = {
        "mlflow.spanType": json.dumps(kind),
        "mlflow.spanInputs": json.dumps(given),
        "mlflow.spanOutputs": json.dumps(made),
    }
    return {"name": name, "parent_span_id": None, "attributes": attributes}


def gemini(name: str, steps: list[Step]) -> Iterator[Record]:
    """Write requests of Google's API, logged with their answer."""
    for step in steps:
        system, messages = _apart(step.messages)
        yield {
            "request": {
                "model": "gemini-2.5-flash",
                "systemInstruction": {"parts": [{"text": system}]},
                "contents": [_gemini_message(m) for m in messages],
            },
            "response": {"usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 5}},
            "session_id": name,
        }


def _gemini_message(message: Message) -> Record:
    if message["role"] == "tool":
        answer = {"name": "search", "response": {"result": message["content"]}}
        return {"role": "user", "parts": [{"functionResponse": answer}]}
    parts: list[Record] = [{"text": message["content"]}] if message["content"] else []
    for _, function, arguments in _calls(message):
        parts.append({"functionCall": {"name": function, "args": arguments}})
    return {"role": "user" if message["role"] == "user" else "model", "parts": parts}


def bedrock(name: str, steps: list[Step]) -> Iterator[Record]:
    """Write the invocation log of Amazon Bedrock for requests of its Converse API."""
    for turn, step in enumerate(steps):
        system, messages = _apart(step.messages)
        given = {"system": [{"text": system}], "messages": [_bedrock_message(m) for m in messages]}
        yield {
            "schemaType": "ModelInvocationLog",
            "requestId": f"{name}/{turn}",
            "operation": "Converse",
            "modelId": "anthropic.claude-sonnet-4-20250514-v1:0",
            "requestMetadata": {"session_id": name},
            "input": {"inputContentType": "application/json", "inputBodyJson": given},
            "output": {"outputBodyJson": {"usage": {"inputTokens": 100, "outputTokens": 5}}},
        }


def _bedrock_message(message: Message) -> Record:
    if message["role"] == "tool":
        answer = {"toolUseId": message["tool_call_id"], "content": [{"text": message["content"]}]}
        return {"role": "user", "content": [{"toolResult": answer}]}
    content: list[Record] = [{"text": message["content"]}] if message["content"] else []
    for call, function, arguments in _calls(message):
        use = {"toolUseId": call, "name": function, "input": arguments}
        content.append({"toolUse": use})
    return {"role": message["role"], "content": content}


def litellm(name: str, steps: list[Step]) -> Iterator[Record]:
    """Write the payloads that LiteLLM hands to its loggers."""
    for turn, step in enumerate(steps):
        yield {
            "id": f"chatcmpl-{name}-{turn}",
            "trace_id": name,
            "call_type": "acompletion",
            "stream": False,
            "status": "success",
            "custom_llm_provider": "openai",
            "model": "gpt-4o",
            "messages": step.messages,
            "response": {"choices": [{"message": {"role": "assistant", "content": "An answer."}}]},
            "response_cost": 0.0003,
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "total_tokens": 105,
            "metadata": {"requester_metadata": {"session_id": name}},
        }


def claude_code(name: str, steps: list[Step]) -> Iterator[Record]:
    """Write the lines of a transcript; its system text is not in it."""
    answer = {"role": "assistant", "content": f"That was all of {name}."}
    parent = None
    for number, message in enumerate([*_apart(steps[-1].messages)[1], answer]):
        sent = _anthropic_message(message)
        line = f"{name}-{number}"
        if message["role"] == "assistant":
            sent |= {"id": f"msg-{line}", "type": "message", "model": "claude-sonnet-4"}
            sent["usage"] = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5}
        yield {
            "type": sent["role"],
            "uuid": line,
            "parentUuid": parent,
            "sessionId": name,
            "isSidechain": False,
            "message": sent,
        }
        parent = line


def _documents(hits: list[Hit]) -> list[Record]:
    """Return passages as documents of LangChain."""
    return [{"id": h.id, "page_content": h.text, "metadata": {"score": h.score}} for h in hits]


def _apart(messages: list[Message]) -> tuple[str, list[Message]]:
    """Return the system text and the other messages."""
    return messages[0]["content"], messages[1:]


def _calls(message: Message) -> list[tuple[str, str, Record]]:
    """Return id, name and arguments of each call of a message."""
    functions = [(call["id"], call["function"]) for call in message.get("tool_calls", ())]
    return [(id, one["name"], json.loads(one["arguments"])) for id, one in functions]


def date(record: Record, second: int) -> None:
    """Give a record its time, under the name that its format has for it."""
    when = f"2026-03-02T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    if "data" in record:
        record["info"]["request_time"] = when
        for span in record["data"]["spans"]:
            span["start_time_unix_nano"] = int(1772409600 + second) * 10**9
    elif "schemaType" in record or "sessionId" in record:
        record["timestamp"] = when
    elif "call_type" in record:
        record["startTime"] = 1772409600.0 + second
    elif any(key in record for key in ("run_type", "context", "type")):
        record["start_time"] = when
    else:
        record["timestamp"] = when

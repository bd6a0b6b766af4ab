"""Retrieved passages and messages as the many formats write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ctxmem.traces.attrs import as_score, dicts, named, parsed, text_of
from ctxmem.traces.events import Passage

_TEXTS = ("text", "page_content", "content", "pageContent", "document", "chunk", "passage", "body")
_IDS = ("id", "id_", "doc_id", "chunk_id", "node_id", "document_id", "_id")
_SCORES = ("score", "similarity", "relevance_score", "rerank_score", "similarity_score")
_SOURCES = ("source", "file_name", "file_path", "file", "url", "title", "doc", "path")
_LISTS = ("documents", "output", "hits", "chunks", "results", "contexts", "nodes", "matches")
_SYSTEM = ("system", "instructions", "systemInstruction", "system_instruction")
_ROLE_OF_CLASS = {
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "SystemMessage": "system",
    "ToolMessage": "tool",
    "FunctionMessage": "function",
}


def passage_of(value: Any) -> Passage | None:
    """Return a passage from a str, a document, a node with score or a pair, None for others."""
    if isinstance(value, str):
        return Passage(text_of(value)) if value else None
    if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], dict | str):
        inner = passage_of(value[0])
        return inner._replace(score=as_score(value[1])) if inner else None
    if not isinstance(value, dict):
        return None
    inner = value.get("node") or value.get("kwargs")
    if isinstance(inner, dict):
        known = passage_of(inner)
        score = _score(value)
        return known._replace(score=score) if known and score is not None else known
    text = None
    for key in _TEXTS:
        found = value.get(key)
        if found and isinstance(found, str):
            text = found
            break
    name = named(value, _IDS)
    if text is None and name is None:
        nested = value.get("document") or value.get("payload")
        return passage_of(nested) if isinstance(nested, dict) else None
    source, score = named(value, _SOURCES), _score(value)
    metadata = parsed(value.get("metadata"))
    if isinstance(metadata, dict):
        source = source or named(metadata, _SOURCES)
        score = _score(metadata) if score is None else score
    return Passage(text_of(text), name, score, source)


def _score(value: Mapping[str, Any]) -> float | None:
    for key in _SCORES:
        found = value.get(key)
        if found is not None:
            score = as_score(found)
            if score is not None:
                return score
    return None


def passages_of(value: Any) -> list[Passage]:
    """Return the passages of a list, or of the list that an object or a JSON text holds."""
    value = parsed(value)
    if isinstance(value, dict):
        for key in _LISTS:
            inner = parsed(value.get(key))
            if isinstance(inner, list | dict):
                return passages_of(inner)
        return []
    if not isinstance(value, list):
        return []
    return [found for found in map(passage_of, value) if found is not None]


def query_of(value: Any) -> str | None:
    """Return the question that an input holds, as text or under a usual name."""
    value = parsed(value)
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, dict):
        for key in ("query", "question", "input", "query_str", "q", "text"):
            found = value.get(key)
            if isinstance(found, str):
                return text_of(found)
            if isinstance(found, dict):
                return query_of(found)
    return None


def message_of(value: Any) -> Any:
    """Return a message in its provider's shape: frameworks' wrappers are taken off."""
    if not isinstance(value, dict):
        return value
    if value.get("type") == "constructor" and isinstance(value.get("kwargs"), dict):
        inner = dict(value["kwargs"])
        names = value.get("id")
        cls = names[-1] if isinstance(names, list) and names else ""
        role = _ROLE_OF_CLASS.get(str(cls).removesuffix("Chunk"))
        return inner if "role" in inner or role is None else {**inner, "role": role}
    if isinstance(value.get("data"), dict) and isinstance(value.get("type"), str):
        return {"role": value["type"], **value["data"]}  # LangChain's messages_to_dict
    if isinstance(value.get("message"), dict) and "role" not in value and "content" not in value:
        return message_of(value["message"])
    if isinstance(value.get("parts"), list):
        return _from_parts(value)
    return value


def messages_of(value: Any) -> list[Any]:
    """Return the messages of an input: a list, a list of lists, prompts, or one text."""
    value = parsed(value)
    if isinstance(value, str):
        return [{"role": "user", "content": value}] if value else []
    if isinstance(value, dict):
        for key in ("messages", "input_messages", "input", "contents"):
            if isinstance(value.get(key), list):
                return with_system(messages_of(value[key]), value)
        if isinstance(value.get("prompts"), list):
            return [{"role": "user", "content": p} for p in value["prompts"] if isinstance(p, str)]
        if "role" in value and "content" in value:
            return [message_of(value)]
        text = query_of(value)
        return messages_of(text) if text else []
    if isinstance(value, list):
        if len(value) >= 1 and all(isinstance(item, list) for item in value):
            value = value[0]  # LangChain's batches; each is traced as a run of its own
        return [message_of(item) for item in dicts(value)]
    return []


def with_system(messages: list[Any], request: Mapping[str, Any]) -> list[Any]:
    """Return the messages of a request with the system prompt that it has beside them."""
    first = messages[0] if messages else None
    if isinstance(first, dict) and first.get("role") == "system":
        return messages
    for key in _SYSTEM:
        system = request.get(key)
        if isinstance(system, dict):  # Gemini's content
            system = message_of({"role": "system", **system}).get("content")
        if system and isinstance(system, str | list):
            return [{"role": "system", "content": system}, *messages]
    return messages


def _from_parts(value: dict[str, Any]) -> dict[str, Any]:
    """Return a message of OpenTelemetry's or Gemini's parts as one of blocks."""
    blocks: list[Any] = []
    for part in dicts(value["parts"]):
        kind = part.get("type")
        text = part.get("content") if kind in ("text", "reasoning") else part.get("text")
        if kind == "tool_call":
            blocks.append({**part, "type": "tool_use", "input": part.get("arguments")})
        elif kind == "tool_call_response":
            answer = part.get("response", part.get("result"))
            answer = answer if isinstance(answer, str) else json.dumps(answer, default=str)
            blocks.append({"type": "tool_result", "tool_use_id": part.get("id"), "content": answer})
        elif isinstance(text, str):
            blocks.append({"type": "text", "text": text})
        else:
            blocks.append(part)
    role = value.get("role")
    return {"role": "user" if role == "tool" else role, "content": blocks}

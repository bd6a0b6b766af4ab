"""Messages, answers and tools as requests, responses and frameworks write them.

What comes out has the shape of its provider (OpenAI, Anthropic, Gemini, Bedrock, AI SDK), which
`ctxmem.chat` reads; only what frameworks and tracers wrap around it is taken off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ctxmem.traces.attrs import dicts, parsed, text_of

_SYSTEM = ("system", "instructions", "systemInstruction", "system_instruction")
_MESSAGES = ("messages", "input_messages", "input", "contents", "chat_history")
_QUESTIONS = ("query", "question", "input", "query_str", "q", "text", "prompt", "inputText")
_ROLE_OF_CLASS = {
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "SystemMessage": "system",
    "ToolMessage": "tool",
    "FunctionMessage": "function",
}
_PAIRS = frozenset(("system", "developer", "user", "human", "assistant", "ai", "tool"))
_SIDES = _PAIRS | {"model", "chatbot", "function"}
_UNTYPED = frozenset(("text", "toolUse", "toolResult", "functionCall", "functionResponse"))
_TEXTS = ("text", "message", "value", "body")  # names of a text where there is no content
_WRAPPERS = frozenset(("type", "lc", "data", "parts"))  # fields of messages that are wrapped
_DEEPEST = 20  # wrappers around messages


def query_of(value: Any, depth: int = 0) -> str | None:
    """Return the question that an input holds, as text or under a usual name."""
    value = parsed(value)
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, dict) and depth < _DEEPEST:
        for key in _QUESTIONS:
            found = value.get(key)
            if isinstance(found, str):
                return text_of(found)
            if isinstance(found, dict):
                return query_of(found, depth + 1)
    return None


# One message


def message_of(value: Any) -> Any:
    """Return a message in its provider's shape: frameworks' wrappers are taken off."""
    if not isinstance(value, dict):
        return value
    if "role" in value and _WRAPPERS.isdisjoint(value):
        return value if value.get("content") else with_content(value)
    serialized = value.get("type") == "constructor" or value.get("lc") == 1
    if serialized and isinstance(value.get("kwargs"), dict):
        inner = dict(value["kwargs"])
        names = value.get("id")
        cls = names[-1] if isinstance(names, list) and names else ""
        role = _ROLE_OF_CLASS.get(str(cls).removesuffix("Chunk"))
        return inner if "role" in inner or role is None else {**inner, "role": role}
    if isinstance(value.get("data"), dict) and isinstance(value.get("type"), str):
        return {"role": value["type"], **value["data"]}  # LangChain's messages_to_dict
    if isinstance(value.get("message"), dict) and "role" not in value and "content" not in value:
        return message_of(value["message"])
    if isinstance(value.get("parts"), list) and "kind" not in value:
        return _from_parts(value)
    return value


def says(record: Mapping[str, Any]) -> bool:
    """Return whether a record with a role has a text under a name that messages have for it."""
    role = record.get("role")
    known = isinstance(role, str) and role.lower() in _SIDES
    return known and any(isinstance(record.get(name), str) for name in _TEXTS)


def with_content(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message without content whose text is under another name with it as content."""
    texts = ((name, message.get(name)) for name in _TEXTS)
    found = next((name for name, text in texts if text and isinstance(text, str)), None)
    if found is None or message.get("tool_calls"):
        return message
    rest = {name: value for name, value in message.items() if name != "content"}
    return {"content" if name == found else name: value for name, value in rest.items()}


def _from_parts(value: dict[str, Any]) -> dict[str, Any]:
    """Return a message of OpenTelemetry's or Gemini's parts as one of blocks."""
    blocks = [_block(part) for part in value["parts"] if isinstance(part, dict | str)]
    role = value.get("role")
    return {"role": "user" if role == "tool" else role, "content": blocks}


def _block(part: dict[str, Any] | str) -> Any:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = part.get("type")
    if kind == "tool_call":
        return {**part, "type": "tool_use", "input": part.get("arguments")}
    if kind == "tool_call_response":
        answer = part.get("response", part.get("result"))
        answer = answer if isinstance(answer, str) else json.dumps(answer, default=str)
        return {"type": "tool_result", "tool_use_id": part.get("id"), "content": answer}
    if kind in ("blob", "uri"):
        return _media(part)
    text = part.get("content") if kind in ("text", "reasoning") else part.get("text")
    if not isinstance(text, str):
        return part
    if kind == "reasoning" or part.get("thought") is True:
        return {"type": "thinking", "thinking": text}
    return {"type": "text", "text": text}


def _media(part: dict[str, Any]) -> dict[str, Any]:
    """Return OpenTelemetry's part of data, or of an address, as the block of its modality."""
    kind = part.get("mime_type") or "application/octet-stream"
    url = part.get("uri") or f"data:{kind};base64,{part.get('content') or ''}"
    if part.get("modality") == "image" or str(kind).startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    if part.get("modality") == "audio":
        return {"type": "input_audio", "input_audio": {"data": part.get("content") or url}}
    return {"type": "file", "file": {"file_data": url}}


def blocks_of(value: Any) -> Any:
    """Return the blocks that a text has as JSON, or the text, which may be JSON itself."""
    blocks = parsed(value)
    is_blocks = isinstance(blocks, list) and all(
        isinstance(block, dict) and ("type" in block or not _UNTYPED.isdisjoint(block))
        for block in blocks
    )
    return blocks if is_blocks else value


# All messages of a request


def messages_of(value: Any, depth: int = 0) -> list[Any]:
    """Return the messages of an input: a list, a list of lists, prompts, or one text."""
    if isinstance(value, str):
        inner = parsed(value)
        known = [] if isinstance(inner, str) else messages_of(inner, depth + 1)
        # A text that is JSON is still a text, unless it is an object, which says what it is.
        if known or isinstance(inner, dict) or not value:
            return known
        return [{"role": "user", "content": inner if isinstance(inner, str) else value}]
    if depth > _DEEPEST:
        return []
    if isinstance(value, dict):
        return _messages_in(value, depth)
    if isinstance(value, list | tuple):
        return _listed(value, depth)
    return []


def _messages_in(value: dict[str, Any], depth: int) -> list[Any]:
    for key in _MESSAGES:
        inner = value.get(key)
        if isinstance(inner, str) and inner[:1] in ("[", "{"):
            inner = parsed(inner)
        if isinstance(inner, list | tuple):
            return with_system(messages_of(inner, depth + 1), value)
    prompts = value.get("prompts")
    if isinstance(prompts, list):
        return [{"role": "user", "content": p} for p in prompts if isinstance(p, str)]
    holds = "content" in value or "parts" in value or says(value)
    if isinstance(value.get("role"), str) and holds:
        return [message_of(value)]
    if isinstance(value.get("kwargs"), dict) and value.get("type") != "constructor":
        return messages_of(value["kwargs"], depth + 1)  # a traced function's arguments
    text = query_of(value)
    if text is None and isinstance(value.get("contents"), str):
        text = value["contents"]
    return with_system(messages_of(text, depth + 1), value) if text else []


def _listed(value: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
    if value and all(isinstance(item, list | tuple) for item in value):
        pairs = [_pair(item) for item in value]
        if all(pairs):
            return pairs
        return messages_of(value[0], depth + 1)  # LangChain's batches; each is traced on its own
    return [
        {"role": "user", "content": item} if isinstance(item, str) else message_of(item)
        for item in value
        if (isinstance(item, dict) and item) or (isinstance(item, str) and item)
    ]


def _pair(item: list[Any] | tuple[Any, ...]) -> dict[str, Any] | None:
    """Return the message of a pair such as ("user", "a question"), None for others."""
    if len(item) == 2 and isinstance(item[0], str) and item[0] in _PAIRS:
        return {"role": item[0], "content": item[1]}
    return None


def with_system(messages: list[Any], request: Mapping[str, Any]) -> list[Any]:
    """Return the messages of a request with the system prompt that it has beside them."""
    first = messages[0] if messages else None
    if isinstance(first, dict) and first.get("role") == "system":
        return messages
    config = request.get("config")
    for holder in (request, config if isinstance(config, dict) else {}):
        for key in _SYSTEM:
            system = holder.get(key)
            if isinstance(system, dict):  # Gemini's content
                system = message_of({"role": "system", **system}).get("content")
            if system and isinstance(system, str | list):
                return [{"role": "system", "content": system}, *messages]
    return messages


# Tools and answers


def without_tools(messages: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return messages and tools that a tracer (Langfuse's for LangChain) wrote as messages."""
    tools = [m["content"] for m in messages if _is_tool(m)]
    return ([m for m in messages if not _is_tool(m)], tools) if tools else (messages, [])


def _is_tool(message: Any) -> bool:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, dict) or "tool_call_id" in message:
        return False
    return content.get("type") == "function" or "input_schema" in content


def tools_of(request: Any) -> list[Any]:
    """Return the definitions of tools that a request offers."""
    if not isinstance(request, dict):
        return []
    for holder in (request, *(request.get(k) for k in ("toolConfig", "config", "kwargs"))):
        if isinstance(holder, dict):
            tools = listed(holder.get("tools") or holder.get("functions"))
            if tools:
                return tools
    return []


def listed(value: Any) -> list[Any]:
    """Return the items of a list, each of them and all of them perhaps as JSON in a string."""
    value = parsed(value)
    return [parsed(item) for item in value] if isinstance(value, list) else []


def answer_of(response: Any, depth: int = 0) -> list[Any]:
    """Return the messages that a model returned, from a provider's response or a text."""
    response = parsed(response)
    if isinstance(response, str):
        return [{"role": "assistant", "content": text_of(response)}] if response else []
    if depth > _DEEPEST:
        return []
    if isinstance(response, list):
        if response and isinstance(response[0], list):
            return answer_of(response[0], depth + 1)  # LangChain's generations
        return [found for item in dicts(response) for found in answer_of(item, depth + 1)]
    return _answer_in(response, depth) if isinstance(response, dict) else []


def _answer_in(response: dict[str, Any], depth: int) -> list[Any]:
    for key in ("choices", "candidates"):
        ways = parsed(response.get(key))
        if isinstance(ways, list):
            return answer_of(ways[:1], depth + 1)
    if response.get("type") == "constructor":
        return [message_of(response)]
    for key in ("message", "output", "generations", "outputs"):
        inner = response.get(key)
        if inner and isinstance(inner, dict | list | str):
            return answer_of(inner, depth + 1)
    if "role" in response or "parts" in response or response.get("type") in _ITEMS:
        return [_answered(message_of(response))]
    content = response.get("content") or response.get("text")
    if isinstance(content, dict):
        return answer_of(content, depth + 1)
    calls = response.get("tool_calls")
    if content or calls:
        return [
            {"role": "assistant", "content": content, **({"tool_calls": calls} if calls else {})}
        ]
    return []


_ITEMS = frozenset(("message", "function_call", "reasoning", "custom_tool_call"))


def _answered(message: Any) -> Any:
    if isinstance(message, dict) and message.get("role") in (None, "model", "ai"):
        if message.get("type") in _ITEMS:
            return message
        return {**message, "role": "assistant"}
    return message

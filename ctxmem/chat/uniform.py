"""Messages of any provider in one shape, so that what is measured does not depend on the log."""

from __future__ import annotations

import json
from typing import Any

from ctxmem.chat.parts import Part, inner_parts, parts_of
from ctxmem.chat.shapes import ROLES, role_of
from ctxmem.errors import InputError

_PLAIN = frozenset(("text", "call", "result", "mark"))
_ROLES = frozenset(("system", "user", "assistant", "tool"))


def uniform(message: Any) -> list[Any]:
    """Return a message as Chat Completions has it: each result of a tool is a message of its own.

    Texts, calls and results are converted, with arguments written in one way. A message that holds
    anything else (thoughts, images, files) is returned as it is, so that nothing of it is lost.

    >>> result = {"type": "tool_result", "tool_use_id": "c1", "content": "42"}
    >>> uniform({"role": "user", "content": [result]})
    [{'role': 'tool', 'tool_call_id': 'c1', 'content': '42'}]
    """
    if type(message) is dict and len(message) == 2 and type(message.get("content")) is str:
        return [message]
    try:
        named = role_of(message, 0)
        parts = parts_of(message, 0)
    except (InputError, RecursionError):
        return [message]
    role = ROLES.get(named, named) if named is not None else _role_of_item(parts)
    if role not in _ROLES or any(part.kind not in _PLAIN for part in parts):
        return [message]
    results = [_result(part) for part in parts if part.kind == "result"]
    if None in results:
        return [message]
    calls = [_call(part) for part in parts if part.kind == "call"]
    texts = [part.text for part in parts if part.kind == "text" and part.text]
    if (texts or calls or not results) and role != "tool":
        content: Any = texts[0] if len(texts) == 1 else [_text(text) for text in texts] or None
        said = {"role": role, "content": content if content is not None or calls else ""}
        results.append({**said, "tool_calls": calls} if calls else said)
    return results or [message]


def put_together(messages: list[Any]) -> list[Any]:
    """Return uniform messages with the items of one answer as one message.

    The Responses API has an item for the text of an answer and one for each call.
    """
    made: list[Any] = []
    for message in messages:
        before = made[-1] if made else None
        if _calls_alone(message) and isinstance(before, dict) and before.get("role") == "assistant":
            calls = [*before.get("tool_calls", ()), *message["tool_calls"]]
            made[-1] = {**before, "tool_calls": calls}
        else:
            made.append(message)
    return made


def _calls_alone(message: Any) -> bool:
    return isinstance(message, dict) and message.get("content") is None and "tool_calls" in message


def _role_of_item(parts: list[Part]) -> str:
    return "tool" if any(part.kind == "result" for part in parts) else "assistant"


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _call(part: Part) -> dict[str, Any]:
    function = {"name": part.name, "arguments": arguments_text(part.body)}
    return {"id": part.key, "type": "function", "function": function}


def _result(part: Part) -> dict[str, Any] | None:
    """Return a result as a message, None if it holds more than text."""
    inside = inner_parts(part)
    if inside is None or any(inner.kind != "text" for inner in inside):
        return None
    text = "\n".join(inner.text for inner in inside)
    return {"role": "tool", "tool_call_id": part.key, "content": text}


def arguments_text(arguments: Any) -> str:
    """Return the arguments of a call as JSON; logs hold them as values or written in some way."""
    if isinstance(arguments, str) and arguments[:1] == "{":
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return str(arguments)
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    try:
        return json.dumps(arguments, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return ""

"""Look at messages of any framework without importing one: fields, roles, blocks, contents."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ctxmem.errors import InputError, InputTypeError, refuse_table

ROLES = {
    **{role: role for role in ("system", "user", "assistant", "tool")},
    "developer": "system",
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "chatbot": "assistant",
    "function": "tool",
    "HumanMessageChunk": "user",
    "AIMessageChunk": "assistant",
    "SystemMessageChunk": "system",
    "ToolMessageChunk": "tool",
    "FunctionMessageChunk": "tool",
    "request": "user",
    "response": "assistant",
    "remove": "remove",
}
"""What frameworks and providers call the four roles, and LangChain's order to remove a message."""

_EXPECTED = (
    "a dict with 'role' and 'content' or 'parts', a Responses item with 'type', or a message of "
    "LangChain, LlamaIndex, Pydantic AI or the AI SDK"
)
_LISTS = ("blocks", "content")


def get(value: Any, name: str) -> Any:
    """Return a field of a dict or an attribute of an object, None if it has none."""
    kind = type(value)
    if kind is dict:
        return value.get(name)
    known = _attributes.get(kind)
    if known is None:
        known = _attributes_of(kind)
    if not known:
        return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    fields = value.__dict__
    if name in fields:
        return fields[name]
    if name in known:
        return getattr(value, name, None)
    extra = value.__pydantic_extra__
    return extra.get(name) if extra else None


_attributes: dict[type, frozenset[str]] = {}
_KEPT_CLASSES = 1 << 10


def _attributes_of(kind: type) -> frozenset[str]:
    """Return the names of the attributes of a pydantic model's class, none for other classes.

    A model that is asked for what it does not have raises and formats an error, which takes longer
    than everything else that is read of a message. One that answers by a `__getattr__` of its own
    is asked as any object is.
    """
    hook = getattr(kind, "__getattr__", None)
    names: frozenset[str] = frozenset()
    if getattr(hook, "__module__", "") == "pydantic.main" and hasattr(kind, "__pydantic_extra__"):
        names = frozenset(dir(kind))
    if len(_attributes) >= _KEPT_CLASSES:
        _attributes.clear()
    _attributes[kind] = names
    return names


def has(value: Any, name: str) -> bool:
    """Return whether an object has an attribute, which pydantic's models need not be asked for."""
    return name in getattr(value, "__dict__", ()) or hasattr(value, name)


def first_of(value: Any, *names: str) -> Any:
    """Return the first of these fields that is there and not None."""
    for name in names:
        found = get(value, name)
        if found is not None:
            return found
    return None


def kind_of(block: Any) -> str:
    """Return the type of a block or an item, "" if it has none."""
    if isinstance(block, str):
        return "text"
    kind = first_of(block, "type", "block_type", "part_kind")
    return kind if isinstance(kind, str) else ""


def listed(messages: Any, name: str = "messages") -> list[Any]:
    """Return the messages as a list, or raise InputTypeError for what is no series of messages.

    `name` is what the caller calls them.
    """
    if isinstance(messages, list):
        return messages
    refuse_table(messages, name)
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        hint = "pass its 'messages'" if isinstance(messages, Mapping) else "wrap it in a list"
        raise InputTypeError(
            f"{name} is {shown(messages)}; expected a list of messages, each {_EXPECTED}: {hint}"
        )
    return list(messages)


def inner_of(message: Any) -> Any:
    """Return the message inside of what a framework wraps around it, else the message itself.

    LangChain writes messages as {"type": ..., "data": {...}} or, with its serializer, as
    {"lc": 1, "kwargs": {...}}; OpenAI's Agents SDK holds items as the `raw_item` of a run item.
    """
    if type(message) is dict:
        if isinstance(message.get("data"), dict) and message.get("type") in ROLES:
            return message["data"]
        if message.get("lc") == 1 and isinstance(message.get("kwargs"), dict):
            return message["kwargs"]
        return message
    raw = get(message, "raw_item")
    return message if raw is None else raw


def rewrapped(message: Any, inner: Any) -> Any:
    """Return a copy of a wrapped message with another message inside."""
    if type(message) is dict:
        field = "data" if "lc" not in message else "kwargs"
        return {**message, field: inner}
    shallow = copy.copy(message)
    shallow.raw_item = inner
    return shallow


def role_of(message: Any, index: int) -> str | None:
    """Return the role as the message has it, None if it is a Responses item without one.

    Raises:
        InputTypeError: it is no message; `index` names it.
    """
    if isinstance(message, str):
        return "user"
    if isinstance(message, tuple) and len(message) == 2 and isinstance(message[0], str):
        return message[0]
    role = get(message, "role")
    role = getattr(role, "value", role)
    if role is None:
        role = _role_by_type(message)
        if role is not None:
            return role or None
    if not isinstance(role, str):
        given = f"has the role {shown(role)}" if role is not None else f"is {shown(message)}"
        raise InputTypeError(f"message {index} {given}; expected {_EXPECTED}")
    return role


def _role_by_type(message: Any) -> str | None:
    """Return the role of a message that has none in so many words: "" for an item, None: no."""
    kind = get(message, "type")
    if type(message) is dict and message.get("lc") == 1:
        names = message.get("id")
        name = str(names[-1]) if isinstance(names, list) and names else "?"
        return _LANGCHAIN_CLASSES.get(name, name)
    if isinstance(kind, str):
        # LangChain's messages have a type for a role, whatever it is; items have not.
        if kind in ROLES or has(message, "additional_kwargs"):
            return kind
        inner = inner_of(message)
        if inner is not message:
            return kind if type(message) is dict and "data" in message else _role_inside(inner)
        return ""
    kind = get(message, "kind")
    if kind in ("request", "response") and isinstance(get(message, "parts"), list | tuple):
        return str(kind)  # Pydantic AI
    inner = inner_of(message)
    if inner is not message:
        return _role_inside(inner)
    if isinstance(get(message, "parts"), list):
        return "user"  # Gemini: a content without a role is the user's
    return None


_LANGCHAIN_CLASSES = {
    "HumanMessage": "human",
    "AIMessage": "ai",
    "SystemMessage": "system",
    "ToolMessage": "tool",
    "FunctionMessage": "function",
    "RemoveMessage": "remove",
    **{
        f"{name}Chunk": role
        for name, role in (("HumanMessage", "human"), ("AIMessage", "ai"), ("ToolMessage", "tool"))
    },
}


def _role_inside(inner: Any) -> str:
    role = get(inner, "role")
    role = getattr(role, "value", role)
    return role if isinstance(role, str) else ""


def content_of(message: Any) -> Any:
    """Return what a message holds as content: a str, blocks or None."""
    message = inner_of(message)
    field = content_field(message)
    if field is None:
        return message if isinstance(message, str) else message[1]
    return get(message, field)


def content_field(message: Any) -> str | None:
    """Return the field in which a message keeps its content; None for a str or a pair."""
    if isinstance(message, str | tuple):
        return None
    if isinstance(message, Mapping):
        if message.get("parts"):
            return "parts"
        content = message.get("content")
        if content:
            return "content"
        parted = "parts" in message and content is None
        return misnamed_field(message) or ("parts" if parted else "content")
    # Asking a pydantic object for a field that it has not takes it microseconds.
    fields = getattr(message, "__dict__", None) or {}
    if fields.get("parts"):
        return "parts"
    for name in _LISTS:
        if name in fields:
            return name
    if get(message, "parts"):
        return "parts"
    return "content" if get(message, "content") else misnamed_field(message) or "content"


_OTHER_NAMES = ("text", "message", "value", "body", "output", "result")


def misnamed_field(message: Any) -> str | None:
    """Return the field with the text of a message that has no content, None if there is none.

    Programs of one's own call it so, and older interfaces; no provider of today reads it.
    """
    if get(message, "content") or get(message, "parts"):
        return None
    if get(message, "role") is None and get(message, "type") not in (None, *ROLES):
        return None  # an item of the Responses API, whose fields have meanings of their own
    texts = ((name, get(message, name)) for name in _OTHER_NAMES)
    return next((name for name, text in texts if text and isinstance(text, str)), None)


_BESIDE = frozenset(
    (
        *("role", "type", "kind", "id", "name", "model", "provider", "status", "phase", "index"),
        *("tool_calls", "invalid_tool_calls", "function_call", "tool_call_id", "toolInvocations"),
        *("tool_name", "toolName", "call_id", "refusal", "reasoning_content", "audio", "example"),
        *("additional_kwargs", "response_metadata", "usage_metadata", "metadata", "usage"),
        *("annotations", "citations", "logprobs", "cache_control", "instructions", "language"),
        *("created", "timestamp", "time", "date", "ts", "finish_reason", "stop_reason", "channel"),
        *("stop_sequence", "signature", "recipient", "session", "user", "author", "is_error"),
        *("experimental_attachments", "provider_details", "provider_name", "providerOptions"),
        *("providerMetadata", "state", "source", "tags", "title", "block_type", "part_kind"),
    )
)
_IDS = ("_id", "Id", "_at", "At")


def unread_fields(value: Any) -> dict[str, Any]:
    """Return the fields that say something in a message or a block of which nothing was read.

    These are texts, lists and objects under names that no provider or framework has.
    """
    if not isinstance(value, Mapping):
        return {}
    return {
        name: held
        for name, held in value.items()
        if isinstance(name, str)
        and held
        and isinstance(held, str | list | Mapping)
        and name not in _BESIDE
        and not name.endswith(_IDS)
    }


def blocks_in(content: Any, index: int) -> Iterable[Any]:
    """Return the blocks of a content: str, dict or a framework's block object.

    Raises:
        InputTypeError: it is no content, or a block of it is none.
    """
    if isinstance(content, str):
        return (content,)
    if content is None:
        return ()
    if isinstance(content, Mapping) or not isinstance(content, Iterable):
        raise InputTypeError(
            f"message {index} has the content {shown(content)}; expected a str, a list of blocks "
            "or None"
        )
    blocks = content if isinstance(content, list) else list(content)
    for block in blocks:
        if (
            type(block) is not dict
            and not isinstance(block, str | Mapping)
            and not hasattr(block, "__dict__")
        ):
            raise InputTypeError(
                f"message {index} has the block {shown(block)}; expected a str, a dict or a "
                "framework's block"
            )
    return blocks


def shown(value: object) -> str:
    """Return a value as an error message shows it."""
    name = type(value).__name__
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({name})"


def as_json(value: Any, index: int) -> str:
    """Return a value as JSON, frameworks' objects by their fields.

    Raises:
        InputError: it holds what JSON does not know.
    """
    try:
        return json.dumps(value, ensure_ascii=False, default=_dump)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"message {index} holds a value that cannot be written as JSON ({error}); providers "
            "take nothing else: pass plain dicts, lists, strings and numbers"
        ) from None


def _dump(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump()
    return value.hex() if isinstance(value, bytes) else repr(value)

"""What requests ask and replies say, whatever their format."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

from ctxmem.traces.events import Usage
from ctxmem.traces.usage import usage_of

_MODEL = re.compile(r"[A-Za-z0-9@][^\s\\]{0,199}")
_FILES = (".json", ".tiktoken", ".model")


class Unreadable(Exception):
    """A body that is not what its format says; it is passed on as it is."""


@dataclass(slots=True)
class Asked:
    """A request.

    Attributes:
        body: all of it.
        model: its model, "" if it names none; see `model_in`.
        stream: whether the reply comes as events.
        system: what is said before the conversation, as a list of messages or blocks.
        messages: the conversation.
        tools: schemas.
        tool_choice, response_format: as the format has them, None if there are none.
        kept: whether the provider keeps a part of the conversation (`previous_response_id`), so
            that the request does not have all of it.
        answer: tokens that are kept for the reply, None if the request does not say.
    """

    body: dict[str, Any]
    model: str
    stream: bool
    system: list[Any]
    messages: list[Any]
    tools: list[Any]
    tool_choice: Any = None
    response_format: Any = None
    kept: bool = False
    answer: int | None = None


@dataclass(slots=True)
class Call:
    """A call of a tool in a reply; `arguments` is a dict, or a text that is no JSON object."""

    id: str
    name: str
    arguments: Any


@dataclass(slots=True)
class Reply:
    """A reply.

    Attributes:
        messages: what the client will send back as the reply in its next request.
        calls: calls of tools.
        usage: tokens as billed, None if it does not say.
        model: the model that answered.
        finished: why it ended, in the provider's words.
        id: the provider's name of it.
    """

    messages: list[Any] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    usage: Usage | None = None
    model: str = ""
    finished: str = ""
    id: str = ""


def object_of(body: Any) -> dict[str, Any]:
    """Return a body that is a JSON object."""
    if not isinstance(body, dict):
        raise Unreadable("the body is no JSON object")
    return body


def list_of(body: dict[str, Any], name: str) -> list[Any]:
    """Return a list in a body; one that is left out or null is empty."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable(f"{name} is no list")
    return value


def text_of(body: dict[str, Any], name: str) -> str:
    """Return a text in a body, "" if it has none."""
    value = body.get(name)
    return value if isinstance(value, str) else ""


def model_in(body: dict[str, Any]) -> str:
    """Return the model that a request names, "" if it names none or what may be a file.

    Counters are found by the model's name, and a name that is a path is a tokenizer file to them: a
    client could have any file of this machine read.

    >>> model_in({"model": "Qwen/Qwen3-8B"}), model_in({"model": "/models/tokenizer.json"})
    ('Qwen/Qwen3-8B', '')
    """
    model = text_of(body, "model")
    if _MODEL.fullmatch(model) is None or ".." in model or model.endswith(_FILES):
        return ""
    return "" if "/" in model and os.path.lexists(model) else model


def rules_in(messages: list[Any]) -> int:
    """Return how many messages, from the first on, are the system's or the developer's."""
    for i, message in enumerate(messages):
        if not (isinstance(message, dict) and message.get("role") in ("system", "developer")):
            return i
    return len(messages)


def count_of(body: dict[str, Any], *names: str) -> int | None:
    """Return the first of some fields that holds a whole number."""
    for name in names:
        value = body.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def usage_in(body: dict[str, Any]) -> Usage | None:
    """Return the usage in a reply."""
    usage = body.get("usage")
    return usage_of(usage) if isinstance(usage, dict) and usage else None


def with_tools(body: dict[str, Any], tools: list[Any]) -> dict[str, Any]:
    """Return a body with these tools; one that has none and gets none names none."""
    return {**body, "tools": tools} if tools or "tools" in body else body

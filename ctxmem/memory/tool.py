"""A tool by which a model fetches what has left its window."""

from __future__ import annotations

import json
from typing import Any

from ctxmem.errors import InputError

NAME = "recall"

DESCRIPTION = (
    "Read earlier parts of this conversation that have left the context window. Indexes and "
    "placeholders name them: give 'page' (such as 'p12') to read one in full, or 'query' to search "
    "all of them."
)

_PARAMETERS = {
    "type": "object",
    "properties": {
        "page": {"type": "string", "description": "id of a page, such as p12"},
        "query": {"type": "string", "description": "words to search for, if no page is named"},
    },
}


def definition(form: str) -> dict[str, Any]:
    """Return the tool as a provider wants it declared: "openai", "responses" or "anthropic"."""
    if form == "anthropic":
        return {"name": NAME, "description": DESCRIPTION, "input_schema": _PARAMETERS}
    function = {"name": NAME, "description": DESCRIPTION, "parameters": _PARAMETERS}
    if form == "responses":
        return {"type": "function", **function}
    if form == "openai":
        return {"type": "function", "function": function}
    raise InputError(f"form is {form!r}; expected 'openai', 'responses' or 'anthropic'")


def arguments_of(call: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call in any of the three forms; {} if they cannot be read."""
    inner = call.get("function", call)
    given = inner.get("input", inner.get("arguments"))
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except ValueError:
            return {}
    return given if isinstance(given, dict) else {}


def result(call: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the message that answers a call, in the form of the call."""
    if call.get("type") == "tool_use":
        block = {"type": "tool_result", "tool_use_id": call.get("id"), "content": text}
        return {"role": "user", "content": [block]}
    if call.get("type") == "function_call":
        return {"type": "function_call_output", "call_id": call.get("call_id"), "output": text}
    return {"role": "tool", "tool_call_id": call.get("id"), "content": text}

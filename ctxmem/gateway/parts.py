"""Which part of a request a message is, in any of the wire formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool_results",
    "function": "tool_results",
}
_BLOCKS = {
    "image": "images",
    "image_url": "images",
    "input_image": "images",
    "document": "files",
    "file": "files",
    "input_file": "files",
    "input_audio": "sound",
}


def part_of(message: Any) -> str:
    """Return the part that a message is, by the names of `ctxmem.gateway.traffic.PARTS`.

    A message is one part as a whole: with results of tools in it their part, else with an image, a
    file or sound in it that part, else that of its role.

    >>> part_of({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]})
    'tool_results'
    >>> part_of({"type": "function_call", "name": "read", "arguments": "{}"})
    'tool_calls'
    """
    if not isinstance(message, Mapping):
        return "overhead"
    kind = message.get("type")
    if isinstance(kind, str) and kind != "message":
        if kind.endswith("_output"):
            return "tool_results"
        if kind.endswith("_call"):
            return "tool_calls"
        if kind == "reasoning":
            return "thoughts"
    content = message.get("content")
    blocks = (
        [one for one in content if isinstance(one, Mapping)] if isinstance(content, list) else []
    )
    kinds = [one.get("type") for one in blocks if isinstance(one.get("type"), str)]
    if any(str(one).endswith("tool_result") for one in kinds):
        return "tool_results"
    found = next((_BLOCKS[str(one)] for one in kinds if one in _BLOCKS), "")
    return found or _ROLES.get(str(message.get("role")), "overhead")

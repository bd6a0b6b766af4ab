"""Context editing of Anthropic's API: results of tools that the server cleared before the call.

The request that is logged has them still. The response says how many of them the model was not
shown: the oldest, except for those of the tools that the request excludes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CLEARED = "[tool result cleared by context editing]"
"""What a window has in place of a result that was cleared."""

_FIELD = "context_management"


def without_cleared(
    messages: list[Any], request: Mapping[str, Any], response: Mapping[str, Any]
) -> list[Any]:
    """Return the messages as the model was shown them: the same list if nothing was cleared.

    >>> result = {"type": "tool_result", "tool_use_id": "t1", "content": "a long text"}
    >>> edit = {"type": "clear_tool_uses_20250919", "cleared_tool_uses": 1}
    >>> response = {"context_management": {"applied_edits": [edit]}}
    >>> shown = without_cleared([{"role": "user", "content": [result]}], {}, response)
    >>> shown[0]["content"][0]["content"]
    '[tool result cleared by context editing]'
    """
    count = _count_of(response)
    if not count:
        return messages
    kept = _kept(messages, request)
    shown: list[Any] = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if not count or not isinstance(content, list):
            shown.append(message)
            continue
        blocks = []
        for block in content:
            clear = count and _is_result(block) and block.get("tool_use_id") not in kept
            blocks.append({**block, "content": CLEARED} if clear else block)
            count -= bool(clear)
        shown.append({**message, "content": blocks})
    return shown


def _count_of(response: Mapping[str, Any]) -> int:
    """Return how many results a response says were cleared."""
    count = 0
    for edit in _dicts(response.get(_FIELD), "applied_edits"):
        cleared = edit.get("cleared_tool_uses")
        count += cleared if isinstance(cleared, int) and cleared > 0 else 0
    return count


def _kept(messages: list[Any], request: Mapping[str, Any]) -> set[Any]:
    """Return the ids of the calls whose results are never cleared."""
    excluded: set[str] = set()
    for edit in _dicts(request.get(_FIELD), "edits"):
        names = edit.get("exclude_tools")
        excluded.update(name for name in names or () if isinstance(name, str))
    if not excluded:
        return set()
    contents = (m.get("content") for m in messages if isinstance(m, dict))
    blocks = (block for content in contents if isinstance(content, list) for block in content)
    return {b.get("id") for b in blocks if isinstance(b, dict) and b.get("name") in excluded}


def _dicts(holder: Any, key: str) -> list[dict[str, Any]]:
    found = holder.get(key) if isinstance(holder, Mapping) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _is_result(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "tool_result"

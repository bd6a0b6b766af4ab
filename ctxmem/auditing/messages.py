"""What the auditing of conversations has to know of a message, whatever its provider's shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ctxmem.chat.reading import fingerprint, read_one
from ctxmem.chat.shapes import ROLES
from ctxmem.errors import InputError

_MESSAGE_BYTES = 500  # what a message takes beside its text
_MARKS = frozenset(("cache_control", "id", "status", "logprobs"))


def side_of(message: Any) -> str:
    """Return whose a message is: system, user, assistant or tool; "" where it is unknown."""
    role = message.get("role") if isinstance(message, dict) else None
    if isinstance(role, str):
        return ROLES.get(role, "")
    try:
        return read_one(message, 0).role  # items of the Responses API have a type alone
    except (InputError, RecursionError):
        return ""


def is_answer(message: Any) -> bool:
    """Return whether a message is the model's."""
    return side_of(message) == "assistant"


def _blocks(message: Any) -> list[Any]:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if isinstance(content, str) and content else []


def calls_made(message: Any) -> set[str]:
    """Return the ids of the tools that an answer calls."""
    if not isinstance(message, dict):
        return set()
    calls, content = message.get("tool_calls"), message.get("content")
    blocks = content if isinstance(content, list) else []
    made = [b.get("id") for b in blocks if isinstance(b, dict) and b.get("type") == "tool_use"]
    if isinstance(calls, list):
        made += [call.get("id") for call in calls if isinstance(call, dict)]
    return {name for name in made if isinstance(name, str)}


def results_in(message: Any) -> list[str]:
    """Return the ids of the calls that a message answers, [] if it holds anything else."""
    if not isinstance(message, dict):
        return []
    one, content = message.get("tool_call_id"), message.get("content")
    if isinstance(one, str):
        return [one]
    if not isinstance(content, list):
        return []
    ids = [
        b.get("tool_use_id")
        for b in content
        if isinstance(b, dict) and b.get("type") == "tool_result"
    ]
    return [name for name in ids if isinstance(name, str)] if len(ids) == len(content) else []


def joined(first: Any, more: Any) -> Any:
    """Return an answer with what another line of it adds.

    A line may repeat the blocks before it, or go on with a text: streams are logged in both ways.
    """
    before, after = _blocks(first), _blocks(more)
    if len(after) >= len(before) and all(map(_grew, before, after)):
        blocks = after
    else:
        blocks = before + [block for block in after if block not in before]
    calls = [message.get("tool_calls") for message in (first, more)]
    made = {**first, "content": blocks}
    if any(isinstance(one, list) for one in calls):
        known = [call for one in calls if isinstance(one, list) for call in one]
        made["tool_calls"] = [call for i, call in enumerate(known) if call not in known[:i]]
    return made


def _grew(before: Any, after: Any) -> bool:
    if before == after:
        return True
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return False
    if before.get("type") != after.get("type"):
        return False
    was, now = (block.get("text", block.get("thinking")) for block in (before, after))
    return isinstance(was, str) and isinstance(now, str) and now.startswith(was)


def same(one: Any, other: Any) -> bool:
    """Return whether two messages say the same, whatever cache marks and empty fields they have."""
    return one is other or one == other or _bare(one) == _bare(other)


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        found = {k: _bare(v) for k, v in value.items() if k not in _MARKS}
        return {key: inner for key, inner in found.items() if inner not in (None, "", [], {})}
    if isinstance(value, list):
        inner = [_bare(one) for one in value]
        texts = [one.get("text") for one in inner if isinstance(one, dict) and len(one) == 2]
        return texts[0] if len(inner) == 1 and texts and isinstance(texts[0], str) else inner
    return value


def mark_of(message: Any) -> bytes | None:
    """Return a hash of what a message says, None for an instruction, which a client may renew."""
    return None if side_of(message) == "system" else fingerprint(_bare(message))


def shared(before: Sequence[Any], now: Sequence[Any]) -> int:
    """Return how many messages two windows have in common from the first on."""
    common = 0
    for mine, theirs in zip(before, now, strict=False):
        if mine is not theirs and not same(mine, theirs):
            break
        common += 1
    return common


def size_of(message: Any) -> int:
    """Return about how many bytes a message takes."""
    content = message.get("content") if isinstance(message, dict) else message
    if isinstance(content, str):
        return len(content) + _MESSAGE_BYTES
    if isinstance(content, list):
        return _MESSAGE_BYTES + sum(map(_block_size, content))
    return _MESSAGE_BYTES


def _block_size(block: Any) -> int:
    if not isinstance(block, dict):
        return 100
    return 300 + sum(len(value) for value in block.values() if isinstance(value, str | list))

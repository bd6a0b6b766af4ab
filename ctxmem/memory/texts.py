"""The texts of messages: what pages are cut from, and where results may be written otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from ctxmem.messages.reading import (
    CALL_BLOCKS,
    TEXT_BLOCKS,
    blocks_of,
    call_key,
    call_name,
    calls_of,
    content_of,
    get,
    kind_of,
    role_of,
)

Rewrite = Callable[[str], str | None]
"""A function from the text of a result to another text for it, or None to leave it."""


def copied(message: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a message whose fields and blocks the caller may change.

    Whoever sends messages puts cache marks on them, and on their last blocks.
    """
    made = dict(message)
    for name, value in message.items():
        if type(value) is list:
            made[name] = [dict(one) if type(one) is dict else one for one in value]
    return made


def text_of(message: dict[str, Any], index: int) -> str:
    """Return everything in a message that a person could read, blocks by lines."""
    return "\n".join(part for part in _parts(message, index) if part)


def _parts(message: dict[str, Any], index: int) -> Iterator[str]:
    kind = kind_of(message)
    if role_of(message, index) is None and kind:
        yield from _block(message)
        return
    named = set()
    for block in blocks_of(message, index):
        if kind_of(block) in CALL_BLOCKS:
            named.add(call_key(block))
        yield from _block(block)
    for call in calls_of(message):
        if call_key(call) not in named:
            yield _call(call)


def _block(block: Any) -> Iterator[str]:
    kind = kind_of(block)
    if isinstance(block, str):
        yield block
    elif kind in TEXT_BLOCKS:
        yield str(get(block, "text") or "")
    elif kind in CALL_BLOCKS or kind == "custom_tool_call":
        yield _call(block)
    elif kind == "tool_result" or kind.endswith("_output"):
        inner = get(block, "content") if kind == "tool_result" else get(block, "output")
        for part in inner if isinstance(inner, list | tuple) else [inner]:
            if part is not None:
                yield from _block(part)
    elif kind in ("thinking", "reasoning"):
        yield str(get(block, "thinking") or get(block, "text") or "")


def _call(call: Any) -> str:
    inner = get(call, "function") or get(call, "custom") or call
    given = get(inner, "arguments")
    if given is None:
        given = get(inner, "input")
    if given is not None and not isinstance(given, str):
        given = json.dumps(given, ensure_ascii=False, default=str)
    return f"{call_name(call)}({given or ''})"


def with_results(message: dict[str, Any], rewrite: Rewrite) -> dict[str, Any]:
    """Return the message with the texts of its tool results rewritten; itself if none was.

    Everything else in it stays as it is: ids, cache marks, images, blocks we do not know.
    """
    kind = message.get("type")
    if isinstance(kind, str) and kind.endswith("_call_output") and "role" not in message:
        return _with(message, "output", rewrite)
    if message.get("role") in ("tool", "function"):
        return _with(message, "content", rewrite)
    content = content_of(message)
    if not isinstance(content, list):
        return message
    blocks = [
        _with(block, "content", rewrite)
        if isinstance(block, dict) and block.get("type") == "tool_result"
        else block
        for block in content
    ]
    changed = any(new is not old for new, old in zip(blocks, content, strict=True))
    return {**message, "content": blocks} if changed else message


def _with(holder: dict[str, Any], field: str, rewrite: Rewrite) -> dict[str, Any]:
    value = holder.get(field)
    if isinstance(value, str):
        new = rewrite(value)
        return holder if new is None else {**holder, field: new}
    if not isinstance(value, list) or not all(
        isinstance(block, dict) and block.get("type") in TEXT_BLOCKS and "text" in block
        for block in value
    ):
        return holder  # an image, or a block we do not know: left alone
    blocks = []
    for block in value:
        new = rewrite(block["text"])
        blocks.append(block if new is None else {**block, "text": new})
    changed = any(new is not old for new, old in zip(blocks, value, strict=True))
    return {**holder, field: blocks} if changed else holder


def has_results(message: dict[str, Any]) -> bool:
    """Return whether the message holds the text of a tool result."""
    found = False

    def note(_: str) -> None:
        nonlocal found
        found = True

    with_results(message, note)
    return found

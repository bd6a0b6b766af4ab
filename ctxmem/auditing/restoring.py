"""Write what left the windows of conversations, to be read or to be sent again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ctxmem.auditing.forgetting.blocks import Block, Entry
from ctxmem.auditing.forgetting.losses import Departure
from ctxmem.chat import repair
from ctxmem.errors import InputError

FORMS = (".md", ".json", ".jsonl")
"""Endings of files that can be written: Markdown, a list of messages, a message a line."""

_KEPT = frozenset(
    {"text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking"}
)
"""Blocks of Anthropic's that are written as they are."""
_NO_ID = re.compile(r"[^a-zA-Z0-9_-]")
_FENCE = re.compile(r"`{3,}")


@dataclass(slots=True)
class Removal:
    """Messages that left a window together, or those that trimming took from one conversation.

    Attributes:
        session: the conversation.
        by: trimming, compaction or /clear.
        call: the first call without them.
        place: file and line of that call.
        entries: the messages, in order.
        summary: what replaced them, "" if nothing.
    """

    session: str
    by: str
    call: int
    place: str
    entries: list[Entry] = field(default_factory=list)
    summary: str = ""


def removals(session: str, departures: Sequence[Departure]) -> list[Removal]:
    """Return what left a conversation: one removal a compaction, one for all of the trimming."""
    found: list[Removal] = []
    trimmed: Removal | None = None
    for one in departures:
        if one.by == "trimming" and trimmed is not None:
            trimmed.entries += one.entries
            continue
        made = Removal(session, one.by, one.call, one.place, list(one.entries), one.summary)
        found.append(made)
        if one.by == "trimming":
            trimmed = made
    return found


def restore(removed: Sequence[Removal], path: str | Path, *, force: bool = False) -> Path:
    """Write what left the windows to a file, and return its path.

    A file that ends in .md is for people: the messages in order, with role, time, calls and
    results. One that ends in .json or .jsonl has messages in Anthropic's shape, those of several
    conversations one after the other; what was cut apart is repaired, so that `check` accepts it.

    Raises:
        InputError: nothing left any window, the file is there already and `force` is not set, its
            ending is another, or it cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in FORMS:
        raise InputError(f"{target} has the ending {target.suffix!r}; expected {', '.join(FORMS)}")
    removed = [one for one in removed if one.entries]
    if not removed:
        raise InputError(
            "there is nothing to restore: no message left the window of any conversation"
        )
    if target.suffix.lower() == ".md":
        text = markdown(removed)
    else:
        messages = anthropic_messages([e for one in removed for e in one.entries])
        if target.suffix.lower() == ".json":
            text = json.dumps(messages, ensure_ascii=True, indent=2) + "\n"
        else:
            text = "".join(json.dumps(message, ensure_ascii=True) + "\n" for message in messages)
    try:
        with target.open("w" if force else "x", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{target} exists; give another name, or --force to replace it") from None
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error.strerror})") from None
    return target


# Markdown -----------------------------------------------------------------------------------------


def markdown(removed: Sequence[Removal]) -> str:
    """Return what left the windows as Markdown, a section for each compaction."""
    return "\n".join(line for one in removed for line in _section(one))


def _section(removal: Removal) -> Iterator[str]:
    count = len(removal.entries)
    yield f"# Session {removal.session}: removed by {removal.by}"
    yield ""
    messages = "1 message" if count == 1 else f"{count:,} messages"
    yield f"{messages}; the first call without them is call {removal.call}, at {removal.place}."
    yield ""
    for number, entry in enumerate(removal.entries, 1):
        time = f", {_time(entry.time)}" if entry.time is not None else ""
        yield f"## {number}. {entry.role}{time}"
        yield ""
        for block in entry.blocks:
            yield from _block(block)
    if removal.summary:
        yield "## The summary that replaced them"
        yield ""
        yield from (f"> {line}".rstrip() for line in removal.summary.split("\n"))
        yield ""


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return f"{seconds:g}"


def _block(block: Block) -> Iterator[str]:
    if block.kind == "text":
        yield block.text
    else:
        what = f"Call of `{block.name}`" if block.kind == "call" else "Result"
        text = block.text
        if isinstance(block.body, dict):
            text = json.dumps(block.body, ensure_ascii=False, indent=2)
        fence = "`" * max(3, *(len(run) + 1 for run in _FENCE.findall(text)), 3)
        yield f"{what}:"
        yield ""
        yield f"{fence}{'json' if isinstance(block.body, dict) else ''}"
        yield text
        yield fence
    yield ""


# Messages -----------------------------------------------------------------------------------------


def anthropic_messages(entries: Sequence[Entry]) -> list[Any]:
    """Return messages in Anthropic's shape that `check` accepts, without those of the system."""
    made = []
    for entry in entries:
        if entry.role == "system":
            continue
        content = _content(entry)
        if content:
            role = "assistant" if entry.role == "assistant" else "user"
            made.append({"role": role, "content": content})
    while made and not _begins(made[0]):
        made.pop(0)  # a history begins with a question
    return repair(made, provider="anthropic") if made else []


def _begins(message: dict[str, Any]) -> bool:
    return message["role"] == "user" and any(
        block.get("type") != "tool_result" for block in message["content"]
    )


def _content(entry: Entry) -> list[dict[str, Any]]:
    message = entry.message
    if isinstance(message, dict) and not {"tool_calls", "tool_call_id"} & message.keys():
        given = message.get("content")
        if isinstance(given, list) and all(map(_is_anthropic, given)):
            return [dict(block) for block in given]
    return [_as_block(block) for block in entry.blocks if block.text or block.kind != "text"]


def _is_anthropic(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") in _KEPT


def _as_block(block: Block) -> dict[str, Any]:
    key = _NO_ID.sub("_", block.key)
    if block.kind == "call":
        body = block.body if isinstance(block.body, dict) else {"input": block.text}
        return {"type": "tool_use", "id": key, "name": block.name or "tool", "input": body}
    if block.kind == "result":
        return {"type": "tool_result", "tool_use_id": key, "content": block.text}
    return {"type": "text", "text": block.text}

"""Make a window one that the provider accepts, whatever was appended to the session.

A session may hold calls that were cancelled, results that came late and whatever else a program
wrote. All of it is kept; what is sent is repaired.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ctxmem.chat.pairing import pair_up
from ctxmem.chat.reading import read
from ctxmem.chat.steps import case_of, repair_history


class Sent(NamedTuple):
    """The messages of a window, where what is for one call begins, and the cache marks."""

    messages: list[dict[str, Any]]
    volatile_from: int
    breakpoints: tuple[int, ...]


def with_notes(
    messages: list[dict[str, Any]], notes: list[dict[str, Any]], volatile_from: int
) -> tuple[list[dict[str, Any]], int]:
    """Return messages with what is shown for one call behind them, and where that begins.

    Nothing may come between a call and its results: the notes precede calls in flight.
    """
    if not notes:
        return messages, volatile_from
    pairing = pair_up(read(messages))
    at = pairing.tail if pairing.in_flight else len(messages)
    return [*messages[:at], *notes, *messages[at:]], min(volatile_from, at)


def sendable(sent: Sent, provider: str | None) -> Sent:
    """Return the window as the provider accepts it; itself if it does."""
    turns = read(sent.messages)
    case = case_of(turns, provider)
    messages = sent.messages
    if case.dialect in _FORMS and any(turn.dialect == case.dialect for turn in turns):
        messages = [_FORMS[case.dialect](message) for message in messages]
        turns = read(messages)
    repaired = repair_history(case, messages, turns)
    if repaired.items is sent.messages:
        return sent
    stable = next(
        (i for i, old in enumerate(repaired.origin) if old >= sent.volatile_from),
        len(repaired.items),
    )
    marks = (
        max((i for i, old in enumerate(repaired.origin[:stable]) if old <= mark), default=-1)
        for mark in sent.breakpoints
    )
    kept = tuple(sorted({mark for mark in marks if mark >= 0}))
    return Sent(repaired.items, stable, kept)


def _as_parts(message: dict[str, Any]) -> dict[str, Any]:
    """Return a note of ours, which is a text, as Gemini's clients write it."""
    content = message.get("content")
    if not isinstance(content, str):
        return message
    role = "model" if message["role"] == "assistant" else message["role"]
    return {"role": role, "parts": [{"text": content}]}


def _as_blocks(message: dict[str, Any]) -> dict[str, Any]:
    """Return a note of ours, which is a text, as Bedrock's clients write it."""
    content = message.get("content")
    return {**message, "content": [{"text": content}]} if isinstance(content, str) else message


_FORMS = {"gemini": _as_parts, "bedrock": _as_blocks}

"""Make a window one that the provider accepts, whatever was appended to the session.

A session may hold calls that were cancelled, results that came late and whatever else a program
wrote. All of it is kept; what is sent is repaired.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ctxmem.chat.pairing import pair_up
from ctxmem.chat.reading import Turn, read, read_one
from ctxmem.chat.steps import case_of, repair_history
from ctxmem.memory.framework_messages import framework_of, is_spoken_text, spoken


class Sent(NamedTuple):
    """The messages of a window, where what is for one call begins, and the cache marks."""

    messages: list[dict[str, Any]]
    volatile_from: int
    breakpoints: tuple[int, ...]


class Sender:
    """Makes windows of one memory acceptable to a provider.

    Most of a window's messages are those of the window before, the same objects, which a memory
    never changes: what they are to their neighbours is read once.
    """

    def __init__(self, provider: str | None) -> None:
        self._provider = provider
        self._messages: list[Any] = []
        self._turns: list[Turn] = []
        self._notes: dict[int, tuple[Any, Any]] = {}  # by id: dicts, as their framework's messages

    def in_one_framework(self, messages: list[Any], others: Sequence[Any]) -> list[Any]:
        """Return a window's messages with notes and passages as messages of the others' framework.

        `others` are messages of the session, for a window that holds nothing but notes.
        """
        framework = next((name for name in map(framework_of, [*messages, *others]) if name), "")
        if not framework:
            return messages
        known, self._notes = self._notes, {}
        made = []
        for message in messages:
            if not is_spoken_text(message):
                made.append(message)
                continue
            held = known.get(id(message)) or (message, spoken(message, framework))
            self._notes[id(message)] = held
            made.append(held[1])
        return made

    def with_notes(
        self, messages: list[dict[str, Any]], notes: list[dict[str, Any]], volatile_from: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Return messages with what is shown for one call behind them, and where that begins.

        Nothing may come between a call and its results: the notes precede calls in flight.
        """
        if not notes:
            return messages, volatile_from
        pairing = pair_up(self._read(messages))
        at = pairing.tail if pairing.in_flight else len(messages)
        return [*messages[:at], *notes, *messages[at:]], min(volatile_from, at)

    def sendable(self, sent: Sent) -> Sent:
        """Return the window as the provider accepts it; itself if it does."""
        turns = self._read(sent.messages)
        case = case_of(turns, self._provider)
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

    def _read(self, messages: list[dict[str, Any]]) -> list[Turn]:
        """Return the turn of each message, of those that the last list began with as before."""
        same = 0
        for before, message in zip(self._messages, messages, strict=False):
            if before is not message:
                break
            same += 1
        new = [read_one(messages[i], i) for i in range(same, len(messages))]
        self._messages, self._turns = messages, [*self._turns[:same], *new]
        return self._turns


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

"""A note with what binds of the messages that leave a request: rules, limits, decisions, values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ctxmem.assembling.conversation import BINDING, HEADING, LASTING
from ctxmem.chat.parts import parts_of
from ctxmem.chat.shapes import ROLES, role_of
from ctxmem.memory.ledger import STANDING, Entry, Ledger, line

NOTE_SHARE, NOTE_MOST = 0.2, 1_500
"""A note has this share of the tokens for messages, and no more than so many."""
_OTHERS = 0.25
"""Share of a note for values and facts, which bind less than rules and decisions."""


class Bindings:
    """The statements of a conversation that bind; superseded ones are not among them."""

    def __init__(self, messages: Sequence[Any]) -> None:
        ledger = Ledger()
        for i, message in enumerate(messages):
            role = role_of(message, i) or ""
            for speaker, text in _said(message, ROLES.get(role, role), i):
                ledger.take(i, speaker, text)
        self._messages = messages
        self._entries = [entry for entry in ledger.entries() if entry.message >= 0]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._entries)

    def note(self, kept: Sequence[Any], room: int, count: Callable[[str], int]) -> str:
        """Return the note of what binds in messages that are not kept, "" if nothing does.

        It has at most `room` tokens: the strongest and newest statements, in their order.
        """
        shown = set(map(id, kept))
        gone = [one for one in self._entries if id(self._messages[one.message]) not in shown]
        left = room - count(f"{HEADING}\n{BINDING}\n")
        others = _OTHERS * room
        chosen: list[Entry] = []
        for entry in sorted(gone, key=_rank, reverse=True):
            tokens = count(line(entry) + "\n")
            binds = entry.kind in STANDING or entry.kind in LASTING
            if tokens > left or (not binds and tokens > others):
                continue
            left -= tokens
            others -= 0 if binds else tokens
            chosen.append(entry)
        chosen.sort(key=lambda entry: entry.id)
        lines = dict.fromkeys(line(entry) for entry in chosen)
        return "\n".join([HEADING, BINDING, *lines]) if lines else ""


def _rank(entry: Entry) -> tuple[bool, bool, float, int]:
    return entry.kind in STANDING, entry.kind in LASTING, entry.strength, entry.id


def _said(message: Any, role: str, index: int) -> Iterator[tuple[str, str]]:
    """Yield who says what in a message; of a note of ours, which the user says, the statements."""
    for part in parts_of(message, index):
        if part.kind != "text" or not part.text:
            continue
        said_by = part.role or role
        if said_by == "user" and part.text.startswith(HEADING):
            # A framework whose history is what was sent has the note in it: it binds still.
            for one in part.text.partition(BINDING)[2].splitlines():
                if one.strip():
                    yield said_by, one.partition(": ")[2] or one
        else:
            yield said_by, part.text

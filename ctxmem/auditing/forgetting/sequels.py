"""Conversations that go on in another: after a compaction that left nothing of the window.

A log of requests names no compaction. A window that holds a summary and a new question shares
nothing with the one before, so it begins a conversation of its own, in the same session.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ctxmem.auditing.conversations import Conversation
from ctxmem.auditing.forgetting.blocks import Entry
from ctxmem.auditing.forgetting.losses import is_note_before, is_summary


def joined(conversations: Iterable[Conversation]) -> Iterator[Conversation]:
    """Yield conversations; one that begins with a summary is joined to what it sums up.

    That is the conversation of the same session with the latest call before it. The order of the
    others is kept.
    """
    made: list[Conversation] = []
    sessions: dict[str, _Ended] = {}
    for one in sorted(conversations, key=_begins):
        session = sessions.setdefault(one.session, _Ended())
        number = session.latest(_begins(one))
        if number is None or not _continues(made[number], one):
            number = len(made)
            made.append(one)
        else:
            session.drop()
            made[number] = _both(made[number], one)
        session.add(_ends(made[number]), number)
    yield from made


class _Ended:
    """The conversations of a session by the time of their last call.

    Each is looked at when it has ended, and once: moments are asked for in the order of time.
    """

    def __init__(self) -> None:
        self._open: list[tuple[float, int]] = []  # a heap
        self._ended: list[int] = []

    def add(self, ends: float, number: int) -> None:
        heapq.heappush(self._open, (ends, number))

    def latest(self, now: float) -> int | None:
        """Return the number of the conversation that ended last before a moment."""
        while self._open and self._open[0][0] <= now:
            self._ended.append(heapq.heappop(self._open)[1])
        return self._ended[-1] if self._ended else None

    def drop(self) -> None:
        """Drop the one that ended last: it goes on."""
        self._ended.pop()


def _both(before: Conversation, one: Conversation) -> Conversation:
    count = len(before.exchanges)
    restarts = [replace(restart, index=restart.index + count) for restart in one.restarts]
    return Conversation(
        one.session,
        [*before.exchanges, *one.exchanges],
        [*before.restarts, *restarts],
        one.unanswered,
    )


def _begins(one: Conversation) -> float:
    return (one.exchanges[0].time or 0.0) if one.exchanges else 0.0


def _ends(one: Conversation) -> float:
    return (one.exchanges[-1].time or 0.0) if one.exchanges else 0.0


def _continues(before: Conversation, one: Conversation) -> bool:
    """Return whether a conversation begins with a summary, or with messages of another."""
    if not before.exchanges or not one.exchanges:
        return False
    first = [Entry(message) for message in one.exchanges[0].messages]
    last = [Entry(message) for message in before.exchanges[-1].messages]
    mine = {entry.sign for entry in first if entry.role == "system"}
    theirs = {entry.sign for entry in last if entry.role == "system"}
    spoken = [entry for entry in first if entry.role != "system"]
    known = {entry.sign for entry in last if entry.role != "system" and len(entry.text) > 20}
    if not spoken or len(last) < 3:
        return False
    summarised = any(is_summary(entry) for entry in first[:3])
    summarised = summarised or (len(spoken) >= 2 and is_note_before(spoken[0], spoken[1]))
    shared = any(entry.sign in known for entry in spoken)
    return (summarised and (mine == theirs or shared)) or (shared and mine == theirs)

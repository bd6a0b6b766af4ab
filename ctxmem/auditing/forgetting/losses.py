"""Walk through the windows of a conversation: what is new in each, and what left it.

Windows are compared with the one before. What is aligned with it stayed; what comes behind the last
aligned message is new; what is put in front of that is a summary or a rewritten message. What left
is known by its content: a passage that is still anywhere in the window has not left.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctxmem.auditing.conversations import Conversation, Exchange
from ctxmem.auditing.forgetting.blocks import Block, Entry

_SUMMARY = re.compile(
    r"^\s*<\w*(?:summary|context|memory|history|recap|handoff|compact)\w*>"
    r"|\b(?:summar(?:y|ized|ised|ises|izes)|being continued from|conversation so far|so far:|recap"
    r"|compacted|(?:earlier|previous|prior) (?:conversation|messages|turns|context|discussion)"
    r"|conversation history|what (?:has )?happened (?:before|so far)|progress so far|hand-?off note"
    r"|context was|history of (?:this|the) (?:chat|conversation)|context checkpoint"
    r"|zusammenfassung|bisherige\w* (?:gespräch|verlauf)|résumé|resumen|riassunto)\b",
    re.IGNORECASE,
)
_CLEARED = re.compile(r"<command-name>/?clear</command-name>|^/clear\s*$")
_CONTAINED = 12  # least characters of a text that another one contains and so replaces
_LONG = 200  # characters of a message that may be a summary with a question behind it
_ANSWER = 50  # messages at the end of a window among which its answer is
_NOTE = 8  # words of a message at the beginning that sums up
_A_CHAT = 3  # messages without the system's that a window has if it is one of a chat


def is_summary(entry: Entry) -> bool:
    """Return whether a message says that it sums up what was said before."""
    return bool(_SUMMARY.search(entry.text[:2000]))


def is_note_before(first: Entry, second: Entry) -> bool:
    """Return whether a window begins with two messages of the user, the first one in prose.

    The first one has no answer: it sums up what was said before, and the second one asks.
    """
    said = first.role == second.role == "user" and first.spoken and second.spoken
    return bool(said) and "?" not in first.text and len(first.text.split()) >= _NOTE


class Window:
    """What a model was sent: its blocks, and what they name."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._contents: Counter[int] = Counter()
        self._names: Counter[str] = Counter()

    def add(self, entry: Entry) -> None:
        """Put a message at the end."""
        self.entries.append(entry)
        for block in entry.blocks:
            self._contents[block.content] += 1
            self._names.update(block.names)

    def become(self, entries: Sequence[Entry]) -> None:
        """Hold other messages; those at the beginning that are the same stay as they are."""
        common = 0
        for mine, theirs in zip(self.entries, entries, strict=False):
            if mine is not theirs and (mine.sign != theirs.sign or mine.content != theirs.content):
                break
            common += 1
        for entry in self.entries[common:]:
            for block in entry.blocks:
                self._contents[block.content] -= 1
                self._names.subtract(block.names)
        del self.entries[common:]
        for entry in entries[common:]:
            self.add(entry)

    def holds(self, block: Block) -> bool:
        """Return whether the text of a block is in the window, alone or in another."""
        if self._contents[block.content] > 0:
            return True
        size = len(block.text)
        return size >= _CONTAINED and any(
            block.text in other.text for other in self.blocks() if len(other.text) > size
        )

    def names(self, name: str) -> bool:
        """Return whether the window names an identifier, in any spelling of its case."""
        low = name.lower()
        return self._names[low] > 0 or any(low in block.low for block in self.blocks())

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks."""
        for entry in self.entries:
            yield from entry.blocks

    @property
    def summary(self) -> str:
        """The summary in it, "" if it has none."""
        return "\n".join(entry.text for entry in self.entries if entry.summary)


@dataclass(frozen=True, slots=True)
class Departure:
    """When messages left the window: the call that no longer had them, and by what they left.

    `by` is "trimming", "compaction" or "/clear"; `entries` are the whole messages that left.
    """

    call: int
    place: str
    by: str
    entries: list[Entry] = field(default_factory=list)
    summary: str = ""


@dataclass(slots=True)
class Moment:
    """A new message, with the window that was there when it was said.

    A message of the model is held against the window that it answered; one of anybody else against
    the window that the next call was sent. `fresh` is whether a window begins with it that shares
    nothing with the one before, so that nothing was trimmed.
    """

    entry: Entry
    window: Window
    call: int
    place: str
    fresh: bool = False


class Walk:
    """One walk through a conversation: `moments` yields what is said, `departures` collects.

    `gone` has of each content that is in no window any more when it left.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._exchanges = conversation.exchanges
        self._unanswered = conversation.unanswered
        self._restarts = _restarts(conversation)
        self.window = Window()
        self.departures: list[Departure] = []
        self.gone: dict[int, Departure] = {}
        self._before: list[Entry] = []
        self._known: dict[int, tuple[Any, Entry]] = {}
        self._new_start = False

    def moments(self) -> Iterator[Moment]:
        """Yield each message once, in order."""
        last = (0, "")
        before: Exchange | None = None
        for number, exchange in enumerate(self._exchanges, 1):
            place = str(exchange.place)
            if before is not None and _appends(before, exchange):
                yield from self._appended(exchange, before.until, last, (number, place))
            else:
                entries = [self._entry(message) for message in exchange.messages]
                entries = [entry for entry in entries if entry.blocks]
                if not entries or self._aside(entries):
                    continue
                if self._goes_back(entries):
                    self.window.become(entries)
                    self._before = list(entries)
                else:
                    yield from self._compared(entries, exchange.time, last, (number, place))
            before, last = exchange, (number, place)
            for message in exchange.answer:
                answer = self._entry(message)
                if answer.blocks:
                    self._date([answer], exchange.time)
                    yield Moment(answer, self.window, number, place)
                    self.window.add(answer)
                    self._before.append(answer)
        for message in self._unanswered:
            entry = self._entry(message)
            if entry.blocks and entry.sign not in {known.sign for known in self._before}:
                yield Moment(entry, self.window, *last)
                self.window.add(entry)

    def _appended(
        self, exchange: Exchange, start: int, last: tuple[int, str], now: tuple[int, str]
    ) -> Iterator[Moment]:
        """Yield the new messages of a window that begins with all of the one before."""
        answered = {entry.sign for entry in self._before[-_ANSWER:]}
        new = [self._entry(message) for message in exchange.history[start : exchange.until]]
        new = [one for one in new if one.blocks]
        while new and new[0].role == "assistant" and new[0].sign in answered:
            new.pop(0)
        self._date(new, exchange.time)
        spoken = max((i for i, one in enumerate(new) if one.role == "assistant"), default=-1)
        for i, entry in enumerate(new):
            yield Moment(entry, self.window, *(last if i <= spoken else now))
            self.window.add(entry)
            self._before.append(entry)

    def _compared(
        self,
        entries: list[Entry],
        time: float | None,
        last: tuple[int, str],
        now: tuple[int, str],
    ) -> Iterator[Moment]:
        """Yield the new messages of a window, after what the one before had and it has not."""
        self._date(entries, time)
        known, tail = self._align(entries)
        tail = self._without_summary(entries, known, tail, now[0])
        # What the model said since was said to the window before; results came in between.
        spoken = max((i for i in tail if entries[i].role == "assistant"), default=-1)
        for i in tail:
            if i > spoken:
                break
            yield Moment(entries[i], self.window, *last)
            self.window.add(entries[i])
        later = {i for i in tail if i > spoken}
        self.window.become([entry for i, entry in enumerate(entries) if i not in later])
        self._note_departures(entries, later, *now)
        for i in sorted(later):
            yield Moment(entries[i], self.window, *now, self._new_start)
            self._new_start = False
            self.window.add(entries[i])
        self._before = list(entries)

    def _entry(self, message: Any) -> Entry:
        """Return a message as read; a transcript hands the same object with every window."""
        known = self._known.get(id(message))
        if known is None or known[0] is not message:
            known = self._known[id(message)] = (message, Entry(message))
        return known[1]

    @staticmethod
    def _date(entries: Iterable[Entry], time: float | None) -> None:
        """Note when messages were first sent."""
        for entry in entries:
            entry.time = time if entry.time is None else entry.time

    def _aside(self, entries: Sequence[Entry]) -> bool:
        """Return whether a window belongs to another task: other instructions, no message alike."""
        signs = {entry.sign for entry in self._before}
        if not signs or any(entry.sign in signs for entry in entries):
            return False
        theirs = [entry.sign for entry in entries if entry.role == "system"]
        mine = [entry.sign for entry in self._before if entry.role == "system"]
        return (
            bool(mine)
            and bool(theirs)
            and not any(e.summary for e in entries)
            and (not is_summary(entries[0]))
        )

    def _goes_back(self, entries: Sequence[Entry]) -> bool:
        """Return whether a window is the beginning of the one before, with nothing behind it.

        A client went back to try again, or another run began with the same question: what came
        behind was abandoned, and nothing was trimmed. Trimming takes out what is old.
        """
        before = self._before[: len(entries)]
        return len(entries) < len(self._before) and all(
            one.sign == other.sign for one, other in zip(entries, before, strict=True)
        )

    def _align(self, entries: Sequence[Entry]) -> tuple[set[int], list[int]]:
        """Return which messages were in the window before, and those behind the last of them."""
        before, at = self._before, 0
        known: set[int] = set()
        places: dict[tuple[Any, ...], list[int]] = {}
        for i, entry in enumerate(before):
            places.setdefault(entry.sign, []).append(i)
        for i, entry in enumerate(entries):
            if i == 0 and entry.role == "system" and before and before[0].role == "system":
                known.add(0)
                at = max(at, 1)
                continue
            found = next((p for p in places.get(entry.sign, ()) if p >= at), None)
            if found is None:
                found = self._rewritten(entry, at)
            if found is not None and i == len(entries) - 1 and self._repeated(entry, found):
                found = None
            if found is not None:
                known.add(i)
                entry.time = before[found].time
                at = found + 1
        last = max((i for i in known if entries[i].role != "system"), default=-1)
        if last < 0 and known:
            last = max(known)
        return known, [i for i in range(last + 1, len(entries)) if i not in known]

    def _repeated(self, entry: Entry, found: int) -> bool:
        """Return whether the last message of a window says again what was said long before.

        If it is the last question of the window before, that was asked once more.
        """
        return entry.role == "user" and any(
            other.role == "user" and other.spoken for other in self._before[found + 1 :]
        )

    def _rewritten(self, entry: Entry, at: int) -> int | None:
        """Return the message before that one is a cut or a longer form of."""
        if len(entry.text) < _CONTAINED:
            return None
        for i in range(at, len(self._before)):
            other = self._before[i]
            if other.role != entry.role or len(other.text) < _CONTAINED:
                continue
            shorter, longer = sorted((entry.text, other.text), key=len)
            if shorter in longer or _shortened(shorter, longer):
                return i
        return None

    def _without_summary(
        self, entries: Sequence[Entry], known: set[int], tail: list[int], number: int
    ) -> list[int]:
        """Mark the summary of a window; return its new messages without it."""
        self._new_start = False
        inserted = [i for i in range(len(entries)) if i not in known and i not in tail]
        for i in inserted:
            entries[i].summary = True
        given = self._restarts.get(number)
        if given:
            for i, entry in enumerate(entries):
                if i not in known and entry.text and entry.text in given:
                    entry.summary = True
        elif self._before and not any(entries[i].role != "system" for i in known) and tail:
            first = entries[tail[0]]
            long = len(tail) >= 2 or len(first.text) >= _LONG  # no word of a short question
            noted = len(tail) >= 2 and is_note_before(first, entries[tail[1]])
            if first.role == "system" or (long and is_summary(first)) or noted:
                first.summary = True
            else:
                chat = sum(entry.role != "system" for entry in self._before)
                self._new_start = chat < _A_CHAT
        return [i for i in tail if not entries[i].summary]

    def _note_departures(
        self, entries: Sequence[Entry], fresh: Collection[int], number: int, place: str
    ) -> None:
        """Note what of the window before is in this one no more; `fresh` messages are new."""
        here = {entry.sign for entry in entries}
        left = [e for e in self._before if e.sign not in here and not e.summary]
        for i, entry in enumerate(entries):
            for block in entry.blocks if i not in fresh else ():
                self.gone.pop(block.content, None)
        contents = {block.content for entry in entries for block in entry.blocks}
        blocks = [
            block
            for entry in self._before
            if not entry.summary
            for block in entry.blocks
            if block.content not in contents
        ]
        if not blocks:
            return
        summary = "\n".join(entry.text for entry in entries if entry.summary)
        cleared = any(_CLEARED.search(entry.text) for entry in [*self._before[-2:], *entries[:3]])
        by = "compaction" if summary else "/clear" if cleared else "trimming"
        departure = Departure(number, place, by, left, summary)
        if left:
            self.departures.append(departure)
        for block in blocks:
            self.gone[block.content] = departure


def _shortened(shorter: str, longer: str) -> bool:
    """Return whether a text is another one with its middle or its end left out."""
    head = shorter[: max(_CONTAINED, len(shorter) // 3)]
    return len(shorter) >= 2 * _CONTAINED and longer.startswith(head)


def _appends(before: Exchange, now: Exchange) -> bool:
    """Return whether a window begins with all messages of the one before: they share a list."""
    return now.history is before.history and now.until >= before.until


def _restarts(conversation: Conversation) -> dict[int, str]:
    """Return the summaries of compactions by the number of the call that first had them."""
    return {
        restart.index + 1: Entry(restart.summary).text
        for restart in conversation.restarts
        if restart.summary is not None
    }

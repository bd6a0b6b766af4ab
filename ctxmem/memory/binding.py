"""Keep what binds in the window: the block of the ledger's entries behind the head."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ctxmem.chat.counting import Meter
from ctxmem.memory.ledger import (
    STANDING,
    Entry,
    Finder,
    Ledger,
    importance,
    line,
    read_statements,
    render,
)
from ctxmem.memory.plan import Plan
from ctxmem.memory.search import Held
from ctxmem.memory.session_state import Entry as Shown
from ctxmem.memory.session_state import SessionState

SHARE = 0.3
"""The block may take this share of the budget, the weakest entries are left out first, ..."""
QUESTION_SHARE = 0.2
"""... and this one in a window for a question, ..."""
SMALL_TOKENS = 300
"""... or so many tokens, if that is more, ..."""
SMALL_SHARE = 0.5
"""... but at most this share. If not all rules and the like fit in a window for a question,
rules without a condition have all of the share: recall prefers the others where the words of the
question meet them."""
OTHER_SHARE = 0.04
"""Values and the like, which the words of a question find, take this share for a question, ..."""
OTHER_TOKENS = 60
"""... or so many tokens, if that is more."""
HEADING = "[memory] Said earlier in this conversation, and still binding:"

_CONDITION = re.compile(
    r"\b(?:when(?:ever)?|if|unless|until|once|while|in case|wenn|falls|sobald|quand|lorsque"
    r"|cuando|quando)\b",
    re.IGNORECASE,
)


def share_of(limit: int, *, question: bool = False) -> int:
    """Return the tokens that the block may take in a window of `limit` tokens.

    >>> share_of(400), share_of(1_000), share_of(8_000), share_of(8_000, question=True)
    (200, 300, 2400, 1600)
    """
    share = QUESTION_SHARE if question else SHARE
    return max(int(share * limit), min(SMALL_TOKENS, int(SMALL_SHARE * limit)))


class Binding:
    """The ledger of one session, and its block in the window.

    `finder` finds the statements instead of the ledger's own phrases; what it found is recorded
    with each message, so that it is called once for a message.
    """

    def __init__(
        self, state: SessionState, meter: Meter, finder: Finder | None, *, active: bool
    ) -> None:
        self.state, self.meter, self.active = state, meter, active
        self._finder = finder
        self._recorded: list[Entry] = []
        self.ledger = self._empty()

    def _empty(self) -> Ledger:
        return Ledger(self._replayed if self._finder is not None else None)

    def _replayed(self, text: str, role: str) -> Iterable[Entry]:
        return self._recorded

    def found(self, role: str, text: str) -> list[list[Any]]:
        """Return what the caller's function finds in a text, as plain data for a record.

        Raises `InputError` if it returns anything but statements.
        """
        if self._finder is None or role not in ("user", "system") or not self.active:
            return []
        entries, _ = read_statements(self._finder(text, role), text)
        return [[one.kind, one.text, one.subject, one.value, one.strength] for one in entries]

    def take(self, message: int, role: str, text: str, page: str, found: list[list[Any]]) -> None:
        """Take in what was said in a message; `found` is what a record has of `found`."""
        if not self.active or not text:
            return
        self._recorded = [
            Entry(0, kind, said, subject=subject, value=value, strength=strength)
            for kind, said, subject, value, strength in found
        ]
        self.ledger.take(message, role, text, page=page)

    def to_dict(self) -> dict[str, Any]:
        """Return the ledger as plain data."""
        return self.ledger.to_record()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take in what `to_dict` returned."""
        finder = self._replayed if self._finder is not None else None
        self.ledger = Ledger.from_record(state, finder)

    def shown(self, visible: Callable[[int], bool]) -> list[Entry]:
        """Return the entries that a window without a block would lack."""
        entries = self.ledger.entries()
        return [one for one in entries if one.message < 0 or not all(map(visible, one.messages))]

    def place(
        self, plan: Plan, limit: int, *, less: int = 0, question: bool = False, late: bool = False
    ) -> int:
        """Put the block of a plan's window behind its head, and return the tokens that adds.

        A new block that comes `late` is where the plan's window ceases to be that of before.

        The block has an entry for each statement that binds and whose message the window lacks, in
        at most its share of `limit` tokens, and `less` tokens less than that. With a
        `question`, rules and the like take most of it: recall finds current values and the like.
        """
        if not self.active:
            return 0
        entries = plan.layout(self.state.entries)
        at = next((i for i, entry in enumerate(entries) if entry.binding), None)
        before = entries[at] if at is not None else None
        visible = plan.visible(entries)
        share = share_of(limit, question=question)
        crowded = question and not self._fits(visible, share)
        if crowded:
            share = share_of(limit)
        room = share - less - self.meter.count(HEADING) - 5
        wanted = self.ledger.shown(
            lambda entry: _lacked(entry, visible) and (not crowded or _binds_always(entry)),
            *(room, self.meter.count),
            others=max(OTHER_TOKENS, int(OTHER_SHARE * limit)) if question else None,
        )
        block = self._block(wanted) if wanted and room > 0 else None
        if before is None and block is None:
            return 0
        if before is not None and block is not None and before.message == block.message:
            return 0
        if at is None:
            at = max(self._head(entries), plan.keep if late else 0)
        rest = entries[at + (before is not None) :]
        plan.replace_from(entries, at, [*([block] if block else []), *rest])
        plan.binding = tuple(wanted)
        return (block.tokens if block else 0) - (before.tokens if before else 0)

    def _fits(self, visible: Collection[int], room: int) -> bool:
        """Return whether all rules and the like that the window lacks fit into the block."""
        for entry in self.standing(visible):
            room -= self.meter.count(line(entry) + "\n")
            if room < 0:
                return False
        return True

    def held(self, visible: Collection[int], block: Shown | None) -> Held:
        """Return what a window has, and what binds that it lacks."""
        said = _said_in(block)

        def lines(room: int, beside: str, always: bool) -> list[Entry]:
            return self.ledger.shown(
                lambda one: (
                    _lacked(one, visible)
                    and one.id not in said
                    and one.text not in beside
                    and (not always or _binds_always(one))
                ),
                room - self.meter.count(HEADING + "\n"),
                self.meter.count,
            )

        return Held(
            visible,
            self.superseded(),
            str(block.message["content"]) if block else "",
            self.standing(visible, said),
            lines,
            _text,
        )

    def unshown(
        self, visible: Collection[int], block: Shown | None, beside: str
    ) -> tuple[Entry, ...]:
        """Return the entries that neither a message, the block nor the text `beside` shows.

        Rules and the like come first, of these the strongest, of equals the newest.
        """
        said = _said_in(block)
        lacked = [
            one
            for one in (self.ledger.entries() if self.active else ())
            if _lacked(one, visible)
            and one.id not in said
            and not (beside and (one.text in beside or line(one, after=one.page) in beside))
        ]
        return tuple(sorted(lacked, key=importance))

    def standing(self, visible: Collection[int], said: Collection[int] = ()) -> list[Entry]:
        """Return the rules and the like that a window lacks: no message of it, no entry `said`."""
        entries = self.ledger.entries()
        return [
            one
            for one in entries
            if one.kind in STANDING and _lacked(one, visible) and one.id not in said
        ]

    def lacked_rules(self, visible: Collection[int], block: Shown | None) -> int:
        """Return the tokens of the rules without a condition that a window and its block lack."""
        said = _said_in(block)
        lacked = [one for one in self.standing(visible, said) if _binds_always(one)]
        return sum(self.meter.count(line(one) + "\n") for one in lacked)

    def superseded(self) -> set[int]:
        """Return the messages of which a newer one states another value."""
        entries = self.ledger.entries(superseded=True)
        return {one.message for one in entries if one.superseded_by is not None}

    def without(self, entry: Shown, gone: Collection[int]) -> dict[str, Any] | None:
        """Return what a record says of the block without the statements of items."""
        assert isinstance(entry.shown, dict)
        ids = set(entry.shown["binding"])
        kept = [one for one in self.ledger.entries(superseded=True) if one.id in ids]
        kept = [one for one in kept if not any(item in gone for item in one.messages)]
        shown = self._block(kept).shown if kept else None
        return shown if isinstance(shown, dict) else None

    def texts_of(self, items: Collection[int]) -> set[str]:
        """Return the statements that were found in items."""
        entries = self.ledger.entries(superseded=True)
        return {one.text for one in entries if any(item in items for item in one.messages)}

    def _block(self, entries: list[Entry]) -> Shown:
        text = _text(entries)
        return self.state.entry({"note": text, "binding": [entry.id for entry in entries]})

    def _head(self, entries: list[Shown]) -> int:
        """Return where the head ends: leading system messages, pins and the first question."""
        state = self.state
        at = 0
        while at < len(entries) and (
            entries[at].item in state.staying or entries[at].item == state.task
        ):
            at += 1
        return at


def _said_in(block: Shown | None) -> set[int]:
    """Return the ids of the entries that a block shows."""
    return set(block.shown["binding"]) if block and isinstance(block.shown, dict) else set()


def _text(entries: Collection[Entry]) -> str:
    return f"{HEADING}\n{render(list(entries))}" if entries else ""


def _lacked(entry: Entry, visible: Collection[int]) -> bool:
    """Return whether a window lacks the message of an entry; a program's entries have none."""
    return entry.message < 0 or any(item not in visible for item in entry.messages)


def _binds_always(entry: Entry) -> bool:
    """Return whether a statement binds whatever the next question is about."""
    unconditional = entry.kind in ("rule", "instruction") and not _CONDITION.search(entry.text)
    return entry.pinned or unconditional

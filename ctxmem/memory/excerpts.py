"""Show in part what is too long for the window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ctxmem.chat.counting import Meter
from ctxmem.memory import editing
from ctxmem.memory.identifiers import identifiers
from ctxmem.memory.items import Item
from ctxmem.memory.json_parts import is_json
from ctxmem.memory.outlines import kind_of, lines_room, outline_places
from ctxmem.memory.plan import Plan
from ctxmem.memory.session_state import SessionState, shortened
from ctxmem.memory.texts import has_results, with_long_texts, with_results
from ctxmem.memory.visibility import VisibilityTracker
from ctxmem.memory.window import Event

LEAST = 48
"""Results of fewer tokens have no outline."""
FEWEST = 16
"""A new result keeps so many tokens where nothing else is left to leave the window."""
UNNAMED = 0.25
"""Of the identifiers that are needed later, an outline of usual size lacks this share."""
_NAMES_SHARE = 0.15
"""An outline of code or of lines names identifiers in this share of the result's tokens, ..."""
_NAMES_MOST = 80
"""... and in at most so many tokens; of code and logs, few identifiers are needed again."""
_NAMES_FROM = 240
"""Results of fewer tokens are fetched for less than their identifiers cost."""


class Outline(NamedTuple):
    """The texts that replace a message's results, its tokens then, and what they do not name.

    `unnamed` is the share of the identifiers in the results that nothing in the window names.
    """

    texts: list[str]
    tokens: int
    unnamed: float


class ExcerptPlanner:
    """Plans the excerpts and outlines of one session's items."""

    def __init__(self, state: SessionState, meter: Meter, visibility: VisibilityTracker) -> None:
        self.state, self.meter, self.visibility = state, meter, visibility

    def outlined(self, item: Item) -> Outline:
        """Return the outline of an item's results.

        Data is outlined by its identifiers. Code and lines are outlined by the lines that say best
        what they are and by fewer identifiers, as long as nearly all that was needed was in
        the window.
        """
        texts: list[str] = []
        data = not self.visibility.needs_met

        def rewrite(text: str) -> str:
            nonlocal data
            kind = "data" if item.sent_key else kind_of(text)  # tables were made of what is sent
            data = data or kind == "data"
            ids = () if texts else item.ids
            if kind == "data" or not self.visibility.needs_met:
                named = editing.unshown_ids(ids, self.visibility, item.tokens, self.meter.count)
                numbers: list[int] = []
                lines: list[str] = []
            else:
                numbers, lines = outline_places(
                    text, kind, lines_room(item.tokens), self.meter.count
                )
                named = self._named(text, ids, lines, item.tokens, calls_first=kind == "code")
            made = editing.outline(
                *(item.pages, item.tokens, named, lines),
                of=numbers,
                total=len(text.splitlines()),
                offers=self.state.offers,
            )
            texts.append(made)
            return texts[-1]

        message = with_results(item.message, rewrite)
        unnamed = self._unnamed(item, texts) if data else UNNAMED
        return Outline(texts, self.meter.message(message, item.index), unnamed)

    def _named(
        self, text: str, ids: Iterable[str], lines: Sequence[str], tokens: int, *, calls_first: bool
    ) -> list[str]:
        """Return the identifiers of code or lines that an outline names beside its lines.

        What code calls is looked up next more often than its variables.
        """
        if tokens < _NAMES_FROM:
            return []
        there = set(identifiers("\n".join(lines)))
        new = [one for one in ids if one not in there and one not in self.visibility]
        if calls_first:
            new.sort(key=lambda one: one + "(" not in text)
        room = min(_NAMES_MOST, _NAMES_SHARE * tokens)
        named = []
        for one in new:
            room -= self.meter.count(" " + one)
            if room < 0:
                break
            named.append(one)
        return named

    def _unnamed(self, item: Item, texts: Sequence[str]) -> float:
        there = set(identifiers("\n".join(texts)))
        missing = sum(one not in there and one not in self.visibility for one in item.ids)
        return missing / max(1, len(item.ids))

    def squeeze(self, plan: Plan, excess: int, least: int = 2 * LEAST) -> int:
        """Show in part what is new and long, and return the tokens that frees.

        Results are shortened first, each to `least` tokens or more, then what the user says, which
        keeps words of its own; the largest first.
        """
        state = self.state
        freed = 0
        new = state.items[state.pending_from() :]
        if 0 <= state.question < state.pending_from() and state.question in state.parts:
            new = [state.items[state.question], *new]  # it was too long when it was new
        entries = plan.layout(state.entries)
        here = {entry.item for entry in entries} | {index for index, _, _ in plan.pending}
        new = [
            i
            for i in new
            if i.index in here
            and not i.pinned
            and i.turn.role in ("user", "tool")
            and not i.turn.calls
        ]
        speech = {item.index: not has_results(item.message) for item in new}
        for item in sorted(new, key=lambda i: (speech[i.index], -i.tokens, i.index)):
            if freed >= excess:
                break
            fewest = 2 * LEAST if speech[item.index] else least
            room = max(fewest, item.tokens - (excess - freed))
            found = self._excerpted(item, room)
            if found is None:
                continue
            self._unsettle(plan, item.index)
            plan.parts[item.index], message, tokens = found
            if speech[item.index]:
                plan.excerpts[item.index] = plan.parts[item.index]
            elif item.index not in state.excerpts:
                plan.excerpts[item.index] = [*self.outlined(item).texts]
            at = next(i for i, (index, _, _) in enumerate(plan.pending) if index == item.index)
            freed += plan.pending[at][2] - tokens
            plan.pending[at] = (item.index, message, tokens)
            detail = (
                f"{editing.page_range(item.pages)} has {item.tokens:,} tokens; {tokens:,} of them "
                "are shown"
            )
            names = tuple(map(editing.page_name, item.pages))
            plan.events.append(Event("excerpt", detail, names, item.tokens - tokens))
        return freed

    def _excerpted(
        self, item: Item, room: int
    ) -> tuple[list[str | None], dict[str, Any], int] | None:
        """Return the parts of an item's results that fit, and the message with its tokens then."""
        texts: list[str] = []
        with_long_texts(item.message, texts.append)
        sizes = [self.meter.count(text) for text in texts]
        spare = max(0, room - (item.tokens - sum(sizes)))
        made: list[str | None] = []
        for text, size in zip(texts, sizes, strict=True):
            share = spare * size // max(1, sum(sizes))
            part = None
            if share < size:
                part = editing.excerpt(
                    *(text, item.pages, item.tokens, share, self.meter.count),
                    kind=_kind(text, item),
                    offers=self.state.offers,
                )
                if part is None:
                    part = editing.outline(item.pages, item.tokens, (), offers=self.state.offers)
            made.append(part)
        message = shortened(item.message, made)
        tokens = self.meter.message(message, item.index)
        return (made, message, tokens) if tokens < item.tokens else None

    def _unsettle(self, plan: Plan, index: int) -> None:
        """Move the items from `index` on from the stable part to the tail of this call."""
        if index >= plan.committed:
            return
        entries = plan.layout(self.state.entries)
        at = next(i for i, entry in enumerate(entries) if entry.item >= index)
        parts = {**self.state.parts, **plan.parts}
        shown = {entry.item for entry in entries[at:]}  # the others have left
        moved = [item for item in range(index, plan.committed) if item in shown]
        plan.pending[:0] = [self.state.sent_now(item, parts) for item in moved]
        plan.replace_from(entries, at)
        plan.notes += [entry for entry in entries[at:] if entry.again >= 0]
        plan.committed = index


def _kind(text: str, item: Item) -> str:
    """Return how the text of an item is shown in part: as a table that was made, or as code."""
    if item.sent_key and not is_json(text):
        return "table"
    return "code" if "```" not in text and kind_of(text) == "code" else ""

"""Search a session: its pages by a query, and what a window shows for a question."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ctxmem import _native
from ctxmem.chat.counting import Meter
from ctxmem.memory import editing, recall
from ctxmem.memory.items import Item
from ctxmem.memory.ledger import Entry
from ctxmem.memory.session_state import SessionState
from ctxmem.memory.vectors import VectorIndex
from ctxmem.protocols import Embed

HEADING = "[memory] From earlier in this conversation:"


class Recalled(NamedTuple):
    """The message that shows what was found for a question, its tokens, and the pages in it.

    `best` is the page that answers best of them, None if only statements that bind are shown.
    """

    message: dict[str, Any]
    tokens: int
    pages: list[int]
    best: int | None


class Held(NamedTuple):
    """What a window has before anything is recalled for a question, and what it lacks.

    Attributes:
        items: those that the window has.
        superseded: items of which a newer message states another value.
        block: the text of what binds, "" if there is none.
        rules: the rules and the like that the window lacks.
        lines: returns statements that bind and that the window lacks, in at most so many tokens,
            without those that another text has; only those that every window needs, whatever its
            question, if the last argument is True.
        render: returns statements as a text.
    """

    items: Collection[int]
    superseded: Collection[int] = ()
    block: str = ""
    rules: Collection[Entry] = ()
    lines: Callable[[int, str, bool], list[Entry]] = lambda room, beside, always: []
    render: Callable[[Collection[Entry]], str] = lambda entries: ""


class SessionSearch:
    """The index of one session's words, and what is found by it.

    `dated` says whether items have the time at which they were said, and not only that of their
    arrival; without it no day is shown, and "yesterday" in a question is not read as one.
    """

    def __init__(
        self, state: SessionState, meter: Meter, embed: Embed | None = None, *, dated: bool = True
    ) -> None:
        self.state, self.meter = state, meter
        self._index = _native.SessionIndex()
        self._new: list[Item] = []  # not yet in the index
        self.vectors = VectorIndex(embed, self._index, self._text) if embed else None
        self.dated = dated
        self._asked: tuple[str, int, int] | None = None
        self._found: recall.Found | None = None
        self._counts: dict[str, int] = {}

    @property
    def index(self) -> _native.SessionIndex:
        """The words of all items; those of new ones are read when it is asked for."""
        new, self._new = self._new, []
        for item in new:
            at = item.at or math.nan
            self._index.add(item.index, _role(item), item.text, at, item.cuts)
        return self._index

    def add(self, item: Item) -> None:
        """Add an item; what was lost has no words."""
        if item.text and not item.lost:
            self._new.append(item)
            if self.vectors is not None:  # it looks at the index by itself
                self.index  # noqa: B018

    def pages(self, query: str, k: int) -> list[tuple[int, float]]:
        """Return the k pages that answer a query best and their scores, best first."""
        if k < 1:
            return []
        hits = self._find(query)
        found: dict[int, float] = {}
        for message, score, passages in zip(
            hits.messages[:k], hits.scores[:k], hits.passages[:k], strict=True
        ):
            item = self.state.items[message]
            start, _, _ = max(passages, key=lambda one: one[2], default=(0, 0, 0.0))
            found.setdefault(item.first_page + bisect_right(item.cuts, start), score)
        return list(found.items())

    def needed(self, question: str, room: int, shown: Collection[int], least: float) -> int:
        """Return about how many tokens `recalled` would take, `room` at most; 0 for nothing."""
        found = self._find(question)
        whole, most = recall.sizes_for(found.ask)
        tokens, days = 0, {""}
        for message in recall.wanted(found, shown=shown, least=least):
            item = self.state.items[message]
            day = self._day(item)
            tokens += item.tokens if item.tokens <= whole else min(item.tokens, most)
            tokens += self._count(_label(item, False)) + 1
            tokens += self._count(day) + 1 if day not in days else 0
            days.add(day)
            if tokens >= room:
                return room
        heading = self.meter.message(_said(HEADING), 0)
        return min(room, tokens + heading) if tokens else 0

    def recalled(self, question: str, room: int, held: Held) -> Recalled | None:
        """Return the message for a question in at most `room` tokens, None if nothing is found.

        Rules without a condition that the window lacks come first, in `RULES_SHARE` of
        the room. Messages with other rules come before others that answer as well; messages that
        are part of the block are left out. Statements that bind take what room is left.
        """
        found = self._find(question)
        frame = self.meter.message(_said(""), 0)
        first = held.lines(int(RULES_SHARE * room) - frame, "", True) if held.rules else []
        lacked = [(one.message, one.start, one.end) for one in held.rules if one not in first]
        if lacked:
            found = recall.preferred(found, lacked)
        answers = self._filled(found, room, held, held.render(first))
        left = room - (answers.tokens if answers else frame)
        said = str(answers.message["content"]) if answers else ""
        more = held.lines(left - 1, said, False)
        both = sorted([*first, *more], key=lambda one: (one.message, one.id))
        return (self._filled(found, room, held, held.render(both)) if more else None) or answers

    def _filled(
        self, found: recall.Found, room: int, held: Held, binding: str = ""
    ) -> Recalled | None:
        """Return the message with `binding` and with what is found, in at most `room` tokens."""

        def about(number: int) -> tuple[str, str]:
            item = self.state.items[number]
            return self._day(item), _label(item, number in held.superseded)

        heads = [text for text in (binding, HEADING) if text]
        limit = room - self.meter.message(_said("\n".join(heads)), 0)
        for attempt in range(_TRIES):
            chosen = recall.select(
                found,
                max(0, limit),
                text_of=self._text,
                count=self._count,
                about=about,
                shown=held.items,
                beside=held.block,
            )
            lines = [*heads, *self._lines(chosen, held.superseded)] if chosen else [binding]
            message = _said("\n".join(filter(None, lines)))
            tokens = self.meter.message(message, 0)
            if not chosen and (not binding or tokens > room):
                return None
            if tokens <= room:
                best = min(chosen, key=lambda one: found.messages.index(one.message), default=None)
                pages = [*map(self._page, chosen)]
                return Recalled(message, tokens, pages, self._page(best) if best else None)
            limit -= tokens - room + 16 * attempt  # a smaller room may be filled more exactly
        return None

    def _lines(
        self, chosen: Sequence[recall.Excerpt], superseded: Collection[int]
    ) -> Iterator[str]:
        """Yield what is shown of messages under the days on which they were said."""
        day = ""
        for one in chosen:
            item = self.state.items[one.message]
            if self._day(item) != day:
                day = self._day(item)
                yield day
            yield _label(item, one.message in superseded, self._page(one)) + one.text

    def _find(self, question: str) -> recall.Found:
        """Return what the index has for a question; asked again, without another search."""
        asked = (question, len(self.state.items), len(self.index))
        if self._found is None or self._asked != asked:
            now = self.state.items[-1].at if self.dated and len(self.state.items) else None
            found = recall.find(self.index, question, now, text_of=self._text)
            if self.vectors is not None:
                near = self.vectors.search(question, recall.CANDIDATES)
                found = recall.fused(found, near, self._speaker)
            self._found, self._asked = found, asked
        return self._found

    def _day(self, item: Item) -> str:
        if not self.dated or not item.at:
            return ""
        return f"{datetime.fromtimestamp(item.at, timezone.utc):%Y-%m-%d}:"

    def _text(self, message: int) -> str:
        return self.state.items[message].text

    def _speaker(self, message: int) -> int:
        return _SPEAKERS.index(_role(self.state.items[message]))

    def _count(self, text: str) -> int:
        tokens = self._counts.get(text)
        if tokens is None:
            if len(self._counts) >= _COUNTED:
                self._counts.clear()
            tokens = self._counts[text] = self.meter.count(text)
        return tokens

    def continues(self, question: str, least: float) -> bool:
        """Return whether a question may be about the last answer.

        It may if it has few words, or if the answer has at least the share `least` of the score of
        the best message.
        """
        if len(question.split()) < _QUESTION_WORDS:
            return True
        found = self._find(question)
        unit = self.state.unit(self.state.last_answer())
        scores = dict(zip(found.messages, found.scores, strict=True))
        best = max(scores.values(), default=0.0)
        return any(scores.get(item, 0.0) >= least * best for item in unit)

    def _page(self, one: recall.Excerpt) -> int:
        item = self.state.items[one.message]
        return item.first_page + bisect_right(item.cuts, one.spans[0][0])


RULES_SHARE = 0.75
"""Of the room for what is recalled: rules that the window lacks take at most this share of it."""
_QUESTION_WORDS = 6
_TRIES = 8
_SPEAKERS = ("user", "assistant", "tool", "system", "chunk")
_COUNTED = 2048
"""The tokens of so many texts are remembered, since a question is often asked again."""


def _said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _label(item: Item, superseded: bool, page: int | None = None) -> str:
    name = editing.page_name(item.first_page if page is None else page)
    who = item.role
    if item.turn.results and who != "tool":
        who += ", with results of tools"
    return f"{name} {who}{' (changed since)' if superseded else ''}: "


def _role(item: Item) -> str:
    role = item.role
    return role if role in _SPEAKERS else "tool"

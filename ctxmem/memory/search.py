"""Search a session: its pages by a query, and what a window shows for a question."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ctxmem import _native
from ctxmem.chat.counting import Meter
from ctxmem.memory import editing, recall
from ctxmem.memory.items import Item
from ctxmem.memory.resident import Resident

HEADING = "[memory] From earlier in this conversation:"


class Recalled(NamedTuple):
    """The message that shows what was found for a question, its tokens, and the pages in it."""

    message: dict[str, Any]
    tokens: int
    pages: list[int]


class SessionSearch:
    """The index of one session's words, and what is found by it."""

    def __init__(self, state: Resident, meter: Meter) -> None:
        self.state, self.meter = state, meter
        self.index = _native.SessionIndex()

    def add(self, item: Item) -> None:
        """Add an item; what was lost has no words."""
        if item.text and not item.lost:
            at = item.at or math.nan
            self.index.add(item.index, _role(item), item.text, at, item.cuts)

    def pages(self, query: str, k: int) -> list[tuple[int, float]]:
        """Return the k pages that answer a query best and their scores, best first."""
        if k < 1:
            return []
        messages, scores, first, starts, _, _ = self.index.search(query, k)
        found: dict[int, float] = {}
        for at, (message, score) in enumerate(zip(messages.tolist(), scores.tolist(), strict=True)):
            item = self.state.items[message]
            start = int(starts[first[at]]) if first[at] < first[at + 1] else 0
            found.setdefault(item.first_page + bisect_right(item.cuts, start), score)
        return list(found.items())[:k]

    def recalled(
        self,
        question: str,
        room: int,
        shown: Collection[int],
        superseded: Collection[int],
        least: float = 0.0,
    ) -> Recalled | None:
        """Return the message for a question in at most `room` tokens, None if nothing is found.

        `shown` are the items that the window has; `superseded` those of which a newer message
        states another value; what has less than the share `least` of the best score is left out.
        """
        limit = room - self.meter.message({"role": "user", "content": HEADING}, 0)
        now = self.state.items[-1].at if len(self.state.items) else None
        for _ in range(4):
            if limit <= 0:
                return None
            found = recall.select(
                self.index,
                question,
                limit,
                text_of=lambda number: self.state.items[number].text,
                count=lambda text: self.meter.count(text) + _LABEL,
                shown=shown,
                now=now,
                least=least,
            )
            if not found:
                return None
            self.state.items.loaded(one.message for one in found)
            texts = [self._labelled(one, one.message in superseded) for one in found]
            message = {"role": "user", "content": "\n".join([HEADING, *texts])}
            tokens = self.meter.message(message, 0)
            if tokens <= room:
                return Recalled(message, tokens, [self._page(one) for one in found])
            limit -= tokens - room
        return None

    def continues(self, question: str, least: float) -> bool:
        """Return whether a question may be about the last answer.

        It may if it has few words, or if the answer has at least the share `least` of the score of
        the best message.
        """
        if len(question.split()) < _QUESTION_WORDS:
            return True
        messages, scores, *_ = self.index.search(question, 400)
        unit = self.state.unit(self.state.last_answer())
        found = dict(zip(messages.tolist(), scores.tolist(), strict=True))
        best = max(found.values(), default=0.0)
        return any(found.get(item, 0.0) >= least * best for item in unit)

    def _labelled(self, one: recall.Excerpt, superseded: bool) -> str:
        item = self.state.items[one.message]
        about = [editing.page_name(self._page(one)), item.role]
        if item.at:
            day = datetime.fromtimestamp(item.at, timezone.utc)
            about.append(f"{day:%Y-%m-%d}")
        if superseded:
            about.append("changed since")
        return f"[{', '.join(about)}] {one.text}"

    def _page(self, one: recall.Excerpt) -> int:
        item = self.state.items[one.message]
        return item.first_page + bisect_right(item.cuts, one.spans[0][0])


_QUESTION_WORDS = 6
_LABEL = 12
"""Tokens of a label before an excerpt."""


def _role(item: Item) -> str:
    role = item.role
    return role if role in ("user", "assistant", "tool", "system", "chunk") else "tool"

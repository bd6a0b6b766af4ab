"""Findings, added up as they come, the dearest kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS: Mapping[str, str] = {
    "repeat_in_request": "the same passage several times in one request",
    "repeat_in_session": "the same passage again in a later request of the session",
    "near_version": "versions of one passage side by side",
    "overlap": "passages that share a stretch of text",
    "boilerplate": "the same lines in many passages",
    "growth": "a window that grows and is never trimmed",
    "unstable_prefix": "a beginning that changes, so that nothing behind it is cached",
    "broken_pair": "tool calls and results that do not belong together",
    "over_budget": "windows over the budget",
    "miscalibrated": "scores that do not mean the same from list to list",
    "same_budget": "every query served with as many passages, however hard it is",
}
"""Kinds of findings, in the order in which they are told when nothing else decides."""

REMEMBER = "memory = ctxmem.Memory(budget=8000)  # a small window with a stable beginning"

FIXES: Mapping[str, str] = {
    "repeat_in_request": "window = ctxmem.pack(hits, budget=4000, query=question)",
    "repeat_in_session": "window = ctxmem.pack(hits, budget=4000, query=question, "
    "previous_window=last_window)",
    "near_version": "window = ctxmem.pack(hits, budget=4000, query=question, dedup='careful')",
    "overlap": "hits = [ctxmem.Chunk(text, source=doc, span=(start, end)) for "
    "text, doc, start, end in cuts]  # pack() then shows what neighbours share once",
    "boilerplate": "text = text.replace(boilerplate, '')  # before the text is cut and indexed",
    "growth": REMEMBER,
    "unstable_prefix": "messages = [*fixed_instructions, *history, whatever_changes]",
    "broken_pair": "messages = ctxmem.repair(messages)",
    "over_budget": "messages = ctxmem.trim_messages(messages, budget)",
    "miscalibrated": "hits = [ctxmem.Chunk(text, rank=i, list=name) for i, text in "
    "enumerate(ranked)]  # ranks, no scores",
    "same_budget": "window = ctxmem.pack(hits, budget=ctxmem.Budget(4000, auto=True), "
    "query=question)",
}

_PLACES = 8  # kept of each finding
_MOST = 4000  # findings of a kind; beyond, the cheaper half is only counted


@dataclass(slots=True)
class AuditFinding:
    """One thing that costs tokens, or that is wrong.

    Attributes:
        kind: one of `ctxmem.auditing.KINDS`.
        title: what it is, for a person.
        tokens: what it cost, over all requests that it was in.
        requests: how many those are.
        count: how often it was met.
        detail: what is known beyond the title.
        places: where it was met, the first of them: place, session, trace, message.
        texts: what it is about: the passage, or the versions side by side.
        fix: the line of code that mends it.
        money: what the tokens cost where they were, cached or not; None without prices.
    """

    kind: str
    title: str
    tokens: int = 0
    requests: int = 0
    count: int = 0
    detail: str = ""
    places: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    fix: str = ""
    money: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        return {
            "kind": self.kind,
            "title": self.title,
            "tokens": self.tokens,
            "money": self.money,
            "requests": self.requests,
            "count": self.count,
            "detail": self.detail,
            "places": self.places,
            "texts": self.texts,
            "fix": self.fix,
        }


Priced = Callable[[str, int, int | None], float]
"""Returns what tokens of a finding cost: its kind, the tokens, and its segment in the window."""

Describe = Callable[[], tuple[str, str, list[str]]]
"""Returns title, detail and texts of a finding; called once a finding."""


class Ledger:
    """Adds up what is found, by kind and by what it is about."""

    def __init__(self) -> None:
        self._found: dict[str, dict[Hashable, AuditFinding]] = {kind: {} for kind in KINDS}
        self.tokens: dict[str, int] = dict.fromkeys(KINDS, 0)
        self.count: dict[str, int] = dict.fromkeys(KINDS, 0)
        self.money: dict[str, float] = dict.fromkeys(KINDS, 0.0)
        self.price: Priced | None = None  # of the window that is walked through
        self._floor: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._dropped: dict[str, int] = dict.fromkeys(KINDS, 0)

    def add(
        self,
        kind: str,
        about: Hashable,
        tokens: int,
        place: Mapping[str, Any],
        describe: Describe,
        *,
        count: int = 1,
        requests: int = 1,
        fix: str | None = None,
        at: int | None = None,
    ) -> None:
        """Add to the finding of that kind about that; the first time it is described.

        `at` is the segment of the window that the tokens are in, by which they have a price.
        """
        money = self.price(kind, tokens, at) if self.price is not None and tokens else 0.0
        self.money[kind] += money
        self.tokens[kind] += tokens
        self.count[kind] += count
        found = self._found[kind].get(about)
        if found is None:
            if tokens < self._floor[kind]:
                self._dropped[kind] += 1
                return
            if len(self._found[kind]) >= _MOST:
                self._drop_cheap(kind)
            title, detail, texts = describe()
            found = AuditFinding(kind, title, detail=detail, texts=texts, fix=fix or FIXES[kind])
            self._found[kind][about] = found
        found.tokens += tokens
        if self.price is not None:
            found.money = (found.money or 0.0) + money
        found.count += count
        found.requests += requests
        if len(found.places) < _PLACES and found.places[-1:] != [place]:
            found.places.append(dict(place))

    def _drop_cheap(self, kind: str) -> None:
        found = self._found[kind]
        dearest = sorted(found, key=lambda about: -found[about].tokens)[: _MOST // 2]
        self._dropped[kind] += len(found) - len(dearest)
        self._found[kind] = {about: found[about] for about in dearest}
        # From now on what is no dearer than these is only counted, and never described.
        self._floor[kind] = found[dearest[-1]].tokens

    def found(self) -> dict[str, int]:
        """Return how many findings there are of each kind, those too cheap to keep included."""
        return {kind: len(found) + self._dropped[kind] for kind, found in self._found.items()}

    def findings(self) -> list[AuditFinding]:
        """Return all findings, those of most tokens first."""
        order = {kind: number for number, kind in enumerate(KINDS)}
        found = [one for of in self._found.values() for one in of.values()]
        found.sort(key=lambda one: (-one.tokens, order[one.kind], -one.count))
        return found

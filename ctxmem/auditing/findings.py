"""Findings, added up as they come, those of most tokens kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ctxmem.auditing.fixes import Fix, usual

KINDS: Mapping[str, str] = {
    "repeat_in_request": "the same passage several times in one request",
    "repeat_in_session": "the same passage again in a later request of the session",
    "near_version": "versions of one passage side by side",
    "overlap": "passages that share a part of their text",
    "boilerplate": "the same lines in many passages",
    "growth": "a window that grows and is never trimmed",
    "unstable_prefix": "a beginning that changes, so that nothing behind it is cached",
    "broken_pair": "tool calls and results that do not belong together",
    "over_budget": "windows over the budget",
    "miscalibrated": "scores that do not mean the same from list to list",
    "same_budget": "every query served with as many passages, however hard it is",
}
"""Kinds of findings, in the order of a report when nothing else decides."""

FIXES: Mapping[str, str] = {kind: fix.line for kind, fix in usual().items()}
"""The line of code for each kind of finding where nothing more is known of it."""

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
        of: how many requests there are in all.
        count: how often it was met: copies beside the first, versions beside the longest, calls
            that lost the cache.
        detail: what is known beyond the title.
        places: where it was met, the first of them: place, session, trace, message.
        texts: what it is about: the passage, or the versions side by side.
        advice: what to do about it, in words.
        fix: the line of code that does it.
        money: what the tokens cost where they were, cached or not; None without prices.
    """

    kind: str
    title: str
    tokens: int = 0
    requests: int = 0
    of: int = 0
    count: int = 0
    detail: str = ""
    places: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    advice: str = ""
    fix: str = ""
    money: float | None = None

    @property
    def extent(self) -> str:
        """How often it was met, in words: "in 12 of 12 requests, 66 copies"."""
        of = max(self.of, self.requests)
        requests = f"in {self.requests:,} of {of:,} request{'s' if of != 1 else ''}"
        one, many = _COUNTED[self.kind]
        if not many or (self.count == self.requests and not one):
            return requests
        return f"{requests}, {self.count:,} {one if self.count == 1 else many}"

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        return {
            "kind": self.kind,
            "title": self.title,
            "tokens": self.tokens,
            "money": self.money,
            "requests": self.requests,
            "of": self.of,
            "count": self.count,
            "extent": self.extent,
            "detail": self.detail,
            "places": self.places,
            "texts": self.texts,
            "advice": self.advice,
            "fix": self.fix,
        }


Priced = Callable[[str, int, int | None], float]
"""Returns what tokens of a finding cost: its kind, the tokens, and its segment in the window."""

_COUNTED: Mapping[str, tuple[str, str]] = dict.fromkeys(KINDS, ("", "")) | {
    "repeat_in_request": ("copy", "copies"),
    "repeat_in_session": ("copy", "copies"),
    "near_version": ("pair", "pairs"),
    "overlap": ("pair", "pairs"),
    "boilerplate": ("copy", "copies"),
}
"""What is counted of a finding of each kind, beside the requests: one, and several."""

Describe = Callable[[], tuple[str, str, list[str]]]
"""Returns title, detail and texts of a finding; called once a finding."""


class FindingAggregator:
    """Adds up what is found, by kind and by what it is about.

    Attributes:
        budget: tokens that a window may have, which the lines of code name; None: not known.
        calls: how many requests there are in all.
        tokens: tokens of all findings of each kind.
        count: how often each kind was met.
    """

    def __init__(self, budget: int | None = None) -> None:
        self.budget = budget
        self.calls = 0
        self._usual = usual(budget)
        self._last: dict[int, tuple[Hashable, int]] = {}  # finding -> its last request
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
        fix: Fix | Callable[[], Fix] | None = None,
        at: int | None = None,
        request: Hashable = None,
    ) -> None:
        """Add to the finding of that kind about that; the first time it is described.

        Args:
            kind: one of `KINDS`.
            about: what the finding is about; the same again is the same finding.
            tokens: what it cost here.
            place: where it was met.
            describe: makes the title, the detail and the texts.
            count: how often it was met here.
            requests: how many requests that was in.
            fix: what to do about it, or a function that says so; without it what the kind has.
            at: the segment of the window that it is about, by which its tokens have a price.
            request: names these requests; without it the place does.
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
            made = fix() if callable(fix) else fix or self._usual[kind]
            found = AuditFinding(
                kind, title, detail=detail, texts=texts, advice=made.advice, fix=made.line
            )
            self._found[kind][about] = found
        found.tokens += tokens
        if self.price is not None:
            found.money = (found.money or 0.0) + money
        found.count += count
        self._add_requests(found, place.get("place") if request is None else request, requests)
        if place and len(found.places) < _PLACES and found.places[-1:] != [place]:
            found.places.append(dict(place))

    def _add_requests(self, found: AuditFinding, request: Hashable, requests: int) -> None:
        """Add requests that a finding is in; the same ones again are counted once."""
        last, counted = self._last.get(id(found), (None, 0))
        if last != request:
            counted = 0
        found.requests += max(0, requests - counted)
        self._last[id(found)] = (request, max(counted, requests))

    def _drop_cheap(self, kind: str) -> None:
        found = self._found[kind]
        kept = sorted(found, key=lambda about: -found[about].tokens)[: _MOST // 2]
        self._dropped[kind] += len(found) - len(kept)
        self._found[kind] = {about: found[about] for about in kept}
        for about in found.keys() - self._found[kind].keys():
            self._last.pop(id(found[about]), None)
        # From now on what has no more tokens than these is only counted, and never described.
        self._floor[kind] = found[kept[-1]].tokens

    def found(self) -> dict[str, int]:
        """Return how many findings there are of each kind, those too cheap to keep included."""
        return {kind: len(found) + self._dropped[kind] for kind, found in self._found.items()}

    def sorted(self) -> list[AuditFinding]:
        """Return all findings, those of most tokens first."""
        order = {kind: number for number, kind in enumerate(KINDS)}
        found = [one for of in self._found.values() for one in of.values()]
        for one in found:
            one.of = self.calls
        found.sort(key=lambda one: (-one.tokens, order[one.kind], -one.count))
        return found

"""What scores mean: within a list, between lists, and how many passages every query gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from ctxmem.auditing.findings import FindingAggregator
from ctxmem.auditing.segments import key_of
from ctxmem.traces import Event, Passage

LEAST_LISTS = 5
"""Least number of lists, or pairs of lists, for a finding about a ranker."""

LEAST_QUERIES = 10
"""Least number of different queries for which the same number of passages is reported."""

RISING, APART, CONSTANT = 0.9, 0.8, 0.95  # least shares that are reported
_LEAST_LABELS = (
    20  # passages that another list returned too, and that it did not, for ranks of both
)
_DROP = 0.15
_KEPT = 4000
_NAMED = 200  # rankers that are distinguished


@dataclass(slots=True)
class _Ranker:
    """What one retriever returned."""

    lists: int = 0
    scored: int = 0
    rising: int = 0
    sizes: Counter[int] = field(default_factory=Counter)
    queries: set[int] = field(default_factory=set)
    faded: int = 0  # lists whose last scores are under half of their best
    faded_tokens: int = 0
    # (query, score, whether another list returned the passage too)
    agreed: list[tuple[int, float, bool]] = field(default_factory=list)
    place: dict[str, Any] = field(default_factory=dict)


class Rankers:
    """Watches the lists of all retrievers."""

    def __init__(self) -> None:
        self._rankers: dict[str, _Ranker] = {}
        self._pairs: dict[tuple[str, str], Counter[str]] = {}
        self._traces = 0

    def add(self, lists: Sequence[Event], tokens_of: dict[str, int], place: dict[str, Any]) -> None:
        """Take the lists that were retrieved for one question."""
        self._traces += 1
        # Which passages other lists returned too matters only where there are others.
        keys = [list(map(_key, event.passages)) if len(lists) > 1 else [] for event in lists]
        for i, event in enumerate(lists):
            ranker = self._rankers.get(event.name)
            if ranker is None:
                if len(self._rankers) >= _NAMED:
                    continue
                ranker = self._rankers[event.name] = _Ranker(place=place)
            others = set().union(*keys[:i], *keys[i + 1 :])
            self._add_list(ranker, event, keys[i], others, tokens_of)
        for a, b in combinations(lists, 2):
            if a.name != b.name:
                self._add_pair(a, b)

    def _add_list(
        self,
        ranker: _Ranker,
        event: Event,
        keys: Sequence[str],
        others: set[str],
        tokens_of: dict[str, int],
    ) -> None:
        ranker.lists += 1
        ranker.sizes[len(event.passages)] += 1
        if event.query and len(ranker.queries) < 1 << 14:
            ranker.queries.add(key_of(event.query))
        scores = [passage.score for passage in event.passages if passage.score is not None]
        if len(scores) != len(event.passages) or len(set(scores)) < 2:
            return
        ranker.scored += 1
        ordered = sorted(scores)
        ranker.rising += scores == ordered
        best = ordered[-1]
        if best > 0 and 0 <= ordered[0] < best / 2:
            ranker.faded += 1
            for passage, score in zip(event.passages, scores, strict=True):
                if score < best / 2 and passage.text is not None:
                    ranker.faded_tokens += tokens_of.get(passage.text, 0)
        if others and len(ranker.agreed) < _KEPT:
            ranker.agreed += [
                (self._traces, score, key in others)
                for key, score in zip(keys, scores, strict=True)
            ]

    def _add_pair(self, a: Event, b: Event) -> None:
        first, second = sorted((a, b), key=lambda event: event.name)
        known = self._pairs.get((first.name, second.name))
        if known is None:
            if len(self._pairs) >= _NAMED:
                return
            known = self._pairs[first.name, second.name] = Counter()
        lows_highs = []
        for event in (first, second):
            scores = [p.score for p in event.passages if p.score is not None]
            if len(scores) < 2:
                return
            lows_highs.append((min(scores), max(scores)))
        (low_a, high_a), (low_b, high_b) = lows_highs
        known["pairs"] += 1
        known["first above"] += low_a > high_b
        known["second above"] += low_b > high_a

    def tell(self, findings: FindingAggregator) -> None:
        """Add what there is to say of the rankers."""
        for name, ranker in self._rankers.items():
            self._tell_rising(findings, name, ranker)
            self._tell_pooled(findings, name, ranker)
            self._tell_size(findings, name, ranker)
        for names, known in self._pairs.items():
            self._tell_apart(findings, names, known)

    def _tell_rising(self, findings: FindingAggregator, name: str, ranker: _Ranker) -> None:
        if ranker.scored < LEAST_LISTS or ranker.rising < RISING * ranker.scored:
            return
        title = f"scores of {_called(name)} rise from the first passage to the last"
        detail = (
            f"in {ranker.rising:,} of {ranker.scored:,} lists; a distance was taken for a score: "
            f"give its negative, or ranks"
        )
        findings.add(
            "miscalibrated", (name, "rising"), 0, ranker.place, lambda: (title, detail, []),
            requests=ranker.scored,
        )  # fmt: skip

    def _tell_apart(
        self, findings: FindingAggregator, names: tuple[str, str], known: Counter[str]
    ) -> None:
        above, below = names
        count = known["first above"]
        if known["second above"] > count:
            above, below, count = below, above, known["second above"]
        if known["pairs"] < LEAST_LISTS or count < APART * known["pairs"]:
            return
        title = f"scores of {_called(above)} and {_called(below)} are on different scales"
        detail = (
            f"for {count:,} of {known['pairs']:,} queries every score of the one is above every "
            f"score of the other: merged by score, the best of {_called(below)} comes last"
        )
        place = self._rankers[above].place if above in self._rankers else {}
        findings.add(
            "miscalibrated", names, 0, place, lambda: (title, detail, []), requests=known["pairs"]
        )

    def _tell_pooled(self, findings: FindingAggregator, name: str, ranker: _Ranker) -> None:
        """Report a ranker whose scores order passages within a query, and not between queries.

        What another list returned too counts as relevant: no trace says more.
        """
        labels = Counter(agreed for _, _, agreed in ranker.agreed)
        if min(labels[True], labels[False]) < _LEAST_LABELS:
            return
        within = _ordered(ranker.agreed, within=True)
        between = _ordered(ranker.agreed, within=False)
        if within is None or between is None or within < 0.65 or between > within - _DROP:
            return
        title = f"scores of {_called(name)} do not mean the same from query to query"
        detail = (
            f"of two passages of one query the one that others return too has the higher score in "
            f"{within:.0%} of cases, of two queries' passages in {between:.0%}: one threshold for "
            f"all cuts good passages of some and keeps bad ones of others"
        )
        findings.add(
            "miscalibrated", (name, "pooled"), 0, ranker.place, lambda: (title, detail, []),
            requests=ranker.scored,
        )  # fmt: skip

    def _tell_size(self, findings: FindingAggregator, name: str, ranker: _Ranker) -> None:
        if len(ranker.queries) < LEAST_QUERIES:
            return
        size, times = ranker.sizes.most_common(1)[0]
        if size < 3 or times < CONSTANT * ranker.lists:
            return
        title = f"every query gets {size} passages of {_called(name)}, however hard it is"
        detail = f"{ranker.lists:,} lists for {len(ranker.queries):,} different queries"
        if ranker.faded:
            detail += (
                f"; in {ranker.faded:,} of them the last passages score less than half of the best"
            )
        findings.add(
            "same_budget", name, ranker.faded_tokens, ranker.place, lambda: (title, detail, []),
            requests=ranker.lists,
        )  # fmt: skip


def _key(passage: Passage) -> str:
    return passage.text or passage.id or ""


def _called(name: str) -> str:
    return repr(name) if name else "the retriever"


def _ordered(rows: Sequence[tuple[int, float, bool]], *, within: bool) -> float | None:
    """Return how often a relevant passage outscores another, ties half: the area under the curve.

    Within queries, or over all of them at once, by ranks: n log n.
    """
    groups: dict[int, list[tuple[float, bool]]] = {}
    for query, score, relevant in rows:
        groups.setdefault(query if within else 0, []).append((score, relevant))
    won = total = 0.0
    for group in groups.values():
        positive = sum(relevant for _, relevant in group)
        pairs = positive * (len(group) - positive)
        if not pairs:
            continue
        group.sort(key=lambda row: row[0])
        ranks = 0.0
        i = 0
        while i < len(group):
            j = i
            while j < len(group) and group[j][0] == group[i][0]:
                j += 1
            ranks += (i + j + 1) / 2 * sum(relevant for _, relevant in group[i:j])
            i = j
        won += ranks - positive * (positive + 1) / 2
        total += pairs
    return won / total if total else None

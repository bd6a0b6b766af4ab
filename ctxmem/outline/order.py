"""The order of passages whose place in their source is not known."""

from __future__ import annotations

import heapq
import itertools
import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

_COUNTED = re.compile(r"(.*?)(\d{1,15})(\D*)", re.DOTALL)

_SHORT = 256
"""Characters of an id that is remembered; others are read again, since they may have any length."""

Series = tuple[str, str]
"""What the ids of one splitter have before and after their number."""


def numbered(name: str) -> tuple[Series, int] | None:
    """Return the series of an id and its number, the last one in it; None without a number."""
    return _known(name) if len(name) <= _SHORT else _numbered(name)


def _numbered(name: str) -> tuple[Series, int] | None:
    match = _COUNTED.fullmatch(name)
    return ((match[1], match[3]), int(match[2])) if match else None


_known = lru_cache(maxsize=1 << 13)(_numbered)


class Member(NamedTuple):
    """A chunk of a passage: its id, where it begins in the passage, its length (characters)."""

    id: str
    offset: int
    length: int


class Numbered(NamedTuple):
    """A chunk whose id counts, as `Member` has it."""

    number: int
    offset: int
    length: int


def counted_order(passages: Sequence[Sequence[Member]]) -> list[int]:
    """Return the indices of passages in the order in which the ids of their chunks count.

    Ids with one beginning ("doc-3", "doc-12") are a series, as a splitter numbers its chunks, and
    are ordered by their last number. Passages of two series, of two splitters, are compared by
    where they begin: passages with chunks of both show which numbers correspond, and between those
    positions are interpolated. Where two series contradict each other, and where nothing counts,
    the least id decides.

    Costs O(n log n) in the chunks.
    """
    series = [_by_series(members) for members in passages]
    after, waits = _constraints(series)
    place = _positions(series)
    keys = [
        (place.get(k, math.inf), min(member.id for member in members), k)
        for k, members in enumerate(passages)
    ]
    done: list[int] = []
    rest = set(range(len(passages)))
    ready = [keys[k] for k in rest if not waits[k]]
    heapq.heapify(ready)
    while rest:
        if not ready:  # orders that contradict each other
            heapq.heappush(ready, min(keys[k] for k in rest))
        k = heapq.heappop(ready)[2]
        if k not in rest:
            continue
        rest.remove(k)
        done.append(k)
        for b in after[k]:
            waits[b] -= 1
            if waits[b] == 0 and b in rest:
                heapq.heappush(ready, keys[b])
    return done


def _by_series(members: Sequence[Member]) -> dict[Series, list[Numbered]]:
    """Return the chunks of a passage by series, in the order of their numbers."""
    found: dict[Series, list[Numbered]] = defaultdict(list)
    for member in members:
        if counted := numbered(member.id):
            name, number = counted
            found[name].append(Numbered(number, member.offset, member.length))
    return {name: sorted(chunks) for name, chunks in found.items()}


def _constraints(
    series: Sequence[dict[Series, list[Numbered]]],
) -> tuple[list[set[int]], list[int]]:
    """Return which passages follow each, and how many each follows, by their least numbers."""
    after: list[set[int]] = [set() for _ in series]
    waits = [0] * len(series)
    chains: dict[Series, list[tuple[int, int]]] = defaultdict(list)
    for k, found in enumerate(series):
        for name, chunks in found.items():
            chains[name].append((chunks[0].number, k))
    for chain in chains.values():
        for (_, a), (_, b) in itertools.pairwise(sorted(chain)):
            if b not in after[a]:
                after[a].add(b)
                waits[b] += 1
    return after, waits


def _positions(series: Sequence[dict[Series, list[Numbered]]]) -> dict[int, float]:
    """Return where passages begin, in characters from where the largest series has its zero.

    Series without a passage in common with those that are placed get no position.
    """
    passages_of: dict[Series, list[int]] = defaultdict(list)
    for k, found in enumerate(series):
        for name in found:
            passages_of[name].append(k)
    place: dict[int, float] = {}
    largest_first = sorted(passages_of, key=lambda name: (-len(passages_of[name]), name))
    for name in largest_first:
        stride = _stride([found[name] for found in series if name in found])
        anchors = sorted(
            (chunk.number, place[k] + chunk.offset)
            for k in passages_of[name]
            if k in place
            for chunk in series[k][name]
        )
        if not anchors and place:
            continue
        anchors = anchors or [(0, 0.0)]
        for k in passages_of[name]:
            first = series[k][name][0]
            place.setdefault(k, _interpolate(first.number, anchors, stride) - first.offset)
    return place


def _stride(runs: Sequence[Sequence[Numbered]]) -> float:
    """Return how far apart chunks of a series begin on average, in characters a number."""
    steps = characters = 0
    for run in runs:
        steps += run[-1].number - run[0].number
        characters += run[-1].offset - run[0].offset
    if steps > 0 and characters > 0:
        return characters / steps
    lengths = [chunk.length for run in runs for chunk in run]
    return sum(lengths) / len(lengths)


def _interpolate(number: int, anchors: Sequence[tuple[int, float]], stride: float) -> float:
    """Return the position of a number between, before or after those that are known."""
    k = bisect_left(anchors, (number, -math.inf))
    if k == len(anchors) or (k == 0 and anchors[0][0] > number):
        known, at = anchors[min(k, len(anchors) - 1)]
        return at + (number - known) * stride
    if anchors[k][0] == number:
        return anchors[k][1]
    (low, begin), (high, end) = anchors[k - 1], anchors[k]
    return begin + (end - begin) * (number - low) / (high - low)

"""Order passages whose place in their source is not known, by the numbers in their ids."""

from __future__ import annotations

import heapq
import itertools
import re
from collections.abc import Sequence

_COUNTED = re.compile(r"(.*?)(\d{1,15})(\D*)", re.DOTALL)


def counted_order(things: Sequence[int], ids: Sequence[Sequence[str]]) -> list[int]:
    """Return things in the order of the numbers in their ids, as splitters number their chunks.

    Ids that share a prefix ("doc-3", "doc-12") are ordered by their last number. A thing may have
    several ids. If their orders contradict each other, or no id has a number, the least id decides.
    """
    keys: list[dict[tuple[str, str], int]] = []
    for names in ids:
        found: dict[tuple[str, str], int] = {}
        for name in names:
            match = _COUNTED.fullmatch(name)
            if match:
                series = (match[1], match[3])
                found[series] = min(found.get(series, int(match[2])), int(match[2]))
        keys.append(found)
    after: list[set[int]] = [set() for _ in things]
    waits = [0] * len(things)
    for series in {series for found in keys for series in found}:
        chain = sorted((found[series], k) for k, found in enumerate(keys) if series in found)
        for (_, a), (_, b) in itertools.pairwise(chain):
            if b not in after[a]:
                after[a].add(b)
                waits[b] += 1
    least = [min(names) for names in ids]
    done: list[int] = []
    open_: list[tuple[str, int]] = [(least[k], k) for k in range(len(things)) if not waits[k]]
    heapq.heapify(open_)
    left = set(range(len(things)))
    while left:
        if not open_:  # orders that contradict each other
            heapq.heappush(open_, min((least[k], k) for k in left))
        _, k = heapq.heappop(open_)
        if k not in left:
            continue
        left.remove(k)
        done.append(things[k])
        for b in after[k]:
            waits[b] -= 1
            if waits[b] == 0 and b in left:
                heapq.heappush(open_, (least[b], b))
    return done

"""From band keys to clusters of texts that may be near-duplicates of one another.

Texts with an equal key of a band are in one bucket. A text is compared with the first text of its
bucket and the `NEIGHBOURS` before it, by the estimate of their sketches; pairs that may be at the
threshold are linked. So the pairs that are looked at are linear in the texts, however full a bucket
is. A cluster is what is linked, directly or through others: a cluster is not a group, but texts of
different clusters are in no common group. The groups come from the exact join of each cluster.

Texts of equal signatures are linked at once and meet others by one of them, so a flood of copies
costs as much as one text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 4
PAIRS = 1 << 15
"""Pairs that are estimated at once."""

Integers = NDArray[np.int64]


def roots(parent: Integers, of: Integers) -> Integers:
    """Return the root of each text."""
    root = parent[of]
    while True:
        above = parent[root]
        if (above == root).all():
            return root
        root = above


def unite(parent: Integers, left: Integers, right: Integers) -> None:
    """Join the trees of each pair; the root of a tree is its first text."""
    left, right = roots(parent, left), roots(parent, right)
    while True:
        differ = left != right
        left, right = left[differ], right[differ]
        if not len(left):
            return
        # Of several links of one root the last counts here; the loop takes the others.
        parent[np.maximum(left, right)] = np.minimum(left, right)
        touched = np.unique(np.concatenate([left, right]))
        while True:  # halve the depth until all point to their roots
            above = parent[parent[touched]]
            if (above == parent[touched]).all():
                break
            parent[touched] = above
        left, right = parent[left], parent[right]


def flatten(parent: Integers) -> None:
    """Point every text to its root."""
    while True:
        above = parent[parent]
        if (above == parent).all():
            return
        parent[:] = above


def link_copies(parent: Integers, whole: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Link texts of equal signatures; return which of them are not the first such text."""
    order = np.argsort(whole, kind="stable")
    ordered = whole[order]
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    unite(parent, order[same].astype(np.int64), order[same + 1].astype(np.int64))
    copies = np.zeros(len(whole), np.bool_)
    copies[order[same + 1]] = True
    return copies


def bucket_pairs(
    keys: NDArray[np.uint64], texts: NDArray[np.uint64], bits: int
) -> Iterator[tuple[Integers, Integers]]:
    """Yield the pairs of texts to compare, of the buckets of one band.

    A key and a text are packed into 64 bits, so that one sort puts buckets together; the lower
    `bits` of a key are given up for that. Texts that meet by the rest alone are no harm: every pair
    is compared.
    """
    low = np.uint64((1 << bits) - 1)
    packed = keys & ~low | texts
    packed.sort()
    bucket, text = packed >> np.uint64(bits), (packed & low).astype(np.int64)
    for back in range(1, NEIGHBOURS + 1):
        at = np.flatnonzero(bucket[back:] == bucket[:-back])
        yield text[at], text[at + back]
    if not len(bucket):
        return
    first = np.flatnonzero(np.concatenate([[True], bucket[1:] != bucket[:-1]]))
    sizes = np.diff(np.append(first, len(bucket)))
    full = sizes > NEIGHBOURS + 1
    heads = np.repeat(first[full], sizes[full])
    at = np.flatnonzero(np.repeat(full, sizes))
    far = at - heads > NEIGHBOURS
    yield text[heads[far]], text[at[far]]


Estimate = Callable[[Integers, Integers], NDArray[np.float64]]


def estimates(sketches: NDArray[np.uint8], left: Integers, right: Integers) -> NDArray[np.float64]:
    """Return the share of equal places of each pair."""
    equal = sketches[left] == sketches[right]
    shares: NDArray[np.float64] = equal.sum(axis=1) / sketches.shape[1]
    return shares


def link_band(
    parent: Integers,
    keys: NDArray[np.uint64],
    copies: NDArray[np.bool_],
    estimate: Estimate,
    least: float,
    parts: int,
) -> None:
    """Link the texts of one band. In `parts`, so that less is in memory at once."""
    bits = max(1, int(len(keys) - 1).bit_length())
    for part in range(parts):
        chosen = ~copies
        if parts > 1:
            chosen &= keys % np.uint64(parts) == np.uint64(part)
        texts = np.flatnonzero(chosen)
        for left, right in bucket_pairs(keys[texts], texts.astype(np.uint64), bits):
            apart = roots(parent, left) != roots(parent, right)
            close = np.flatnonzero(apart)
            close = close[estimate(left[close], right[close]) >= least]
            unite(parent, left[close], right[close])
    flatten(parent)


def batches(
    parent: Integers, sizes: NDArray[Any], budget: int, each: int
) -> tuple[NDArray[np.int32], list[bool]]:
    """Put clusters into batches of about `budget` bytes; return the batch of each text.

    A text without a link is in none, -1. Clusters are taken in the order of their first texts. A
    cluster that is larger than the budget is a batch of its own; the second result says which
    batches are such. `each` is what a text costs besides its size.
    """
    of = np.full(len(parent), -1, np.int32)
    members = np.bincount(parent, minlength=len(parent))
    linked = np.flatnonzero(members > 1)
    if not len(linked):
        return of, []
    cost = np.bincount(parent, weights=sizes.astype(np.float64) + each, minlength=len(parent))
    batch_of_root = np.full(len(parent), -1, np.int32)
    costs = cost[linked]
    small = costs <= budget
    # By the sum before it, a small cluster falls into one batch, which has at most twice as much.
    before = np.cumsum(costs[small]) - costs[small]
    _, numbers = np.unique((before // budget).astype(np.int64), return_inverse=True)
    batch_of_root[linked[small]] = numbers
    count = int(numbers.max()) + 1 if len(numbers) else 0
    large = linked[~small]
    batch_of_root[large] = np.arange(count, count + len(large))
    of[:] = batch_of_root[parent]
    return of, [False] * count + [True] * len(large)

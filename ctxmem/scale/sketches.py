"""Signatures of texts, and the bands by which similar ones meet.

A text has 256 places of MinHash. They are cut into bands of r places, and two texts of Jaccard
similarity s share a whole band with probability 1 - (1 - s^r)^b, b = 256 // r. The plan has the
longest bands, so the fewest chance meetings, by which this is at least .98 at the threshold and
.995 at .8 (or at the threshold, where that is higher), but never bands of fewer than four places:
shorter ones bring every text together with thousands of others, and time would grow with the square
of the corpus. So, for one pair alone:

    threshold   r    b    at the threshold    at .8
    .3          4   64    .406                1 - 2e-15
    .5          4   64    .984                1 - 2e-15
    .7          6   42    .995                1 - 3e-6
    .8          8   32    .997                .997
    .9         13   19    .996                (below the threshold)

Pairs are found more often than that, since texts are joined exactly with all that they are linked
to through others.

The first 128 places, 8 bits of each, are kept as a sketch. The share of equal places estimates the
similarity with a standard error of at most .5 / sqrt(128) = .044.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.dedup import minhash
from ctxmem.dedup.arguments import Unit

PLACES = 256
SKETCH = 128
SHORTEST = 4
_LONGEST = 16
_AT_THRESHOLD, _AT_TARGET, _TARGET = 0.98, 0.995, 0.8
_BLOCK = 4096  # texts at once: their keys stay in the cache


class Plan(NamedTuple):
    """How signatures are cut into bands."""

    bands: int
    rows: int

    def recall(self, similarity: float) -> float:
        """Return the probability that two texts of this similarity share a band."""
        return float(1.0 - (1.0 - similarity**self.rows) ** self.bands)


def plan_for(threshold: float) -> Plan:
    """Return the plan of a threshold, by the rule above."""
    for rows in range(_LONGEST, SHORTEST, -1):
        plan = Plan(PLACES // rows, rows)
        high = max(threshold, _TARGET)
        if plan.recall(threshold) >= _AT_THRESHOLD and plan.recall(high) >= _AT_TARGET:
            return plan
    return Plan(PLACES // SHORTEST, SHORTEST)


def least_estimate(threshold: float) -> float:
    """Return the estimate that a pair at the threshold is above in 9,997 of 10,000 cases."""
    return float(threshold - 3.5 * np.sqrt(threshold * (1.0 - threshold) / SKETCH))


class Sketches(NamedTuple):
    """What is kept of texts: keys of their bands, of the whole signature, and estimates."""

    keys: NDArray[np.uint64]  # bands x texts
    whole: NDArray[np.uint64]  # texts: equal signatures have equal ones
    places: NDArray[np.uint8]  # texts x SKETCH


def sketch(texts: list[str], plan: Plan, *, ngram: int, unit: Unit, threads: int) -> Sketches:
    """Return the sketches of texts."""
    keys = np.empty((plan.bands, len(texts)), np.uint64)
    whole = np.empty(len(texts), np.uint64)
    places = np.empty((len(texts), SKETCH), np.uint8)
    for begin in range(0, len(texts), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        signatures = minhash(
            texts[part], ngram=ngram, unit=unit, permutations=PLACES, threads=threads
        )
        places[part] = signatures[:, :SKETCH]
        banded = _keys(signatures, plan)
        keys[:, part] = banded
        whole[part] = _folded(banded, signatures[:, plan.bands * plan.rows :].T)
    return Sketches(keys, whole, places)


def _keys(signatures: NDArray[np.uint32], plan: Plan) -> NDArray[np.uint64]:
    """Return a number for each band of each signature: bands x texts."""
    used = signatures[:, : plan.bands * plan.rows].reshape(len(signatures), plan.bands, plan.rows)
    start = np.arange(plan.bands, dtype=np.uint64) + np.uint64(0x243F6A8885A308D3)
    keys = np.repeat(start[:, None], len(signatures), axis=1)
    for row in range(plan.rows):
        keys = _mixed(keys, used[:, :, row].T)
    return keys


def _folded(*rows: NDArray[Any]) -> NDArray[np.uint64]:
    whole = np.zeros(rows[0].shape[1], np.uint64)
    for part in rows:
        for row in part:
            whole = _mixed(whole, row)
    return whole


def _mixed(keys: NDArray[np.uint64], values: NDArray[Any]) -> NDArray[np.uint64]:
    mixed: NDArray[np.uint64] = (keys ^ values) * np.uint64(0xD6E8FEB86659FD93)
    mixed ^= mixed >> np.uint64(32)
    return mixed

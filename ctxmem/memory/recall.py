"""Find the pages that answer a query: BM25 over all of them, smoothed over neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native

NEIGHBOUR = 0.5
"""Share of its neighbours' better score that a page gets: who asks is answered by what follows."""


def scores(texts: list[str], query: str) -> NDArray[np.float64]:
    """Return how well each page answers the query; 0 where nothing speaks for it."""
    if not texts:
        return np.zeros(0)
    own = _native.bm25(texts, [query])[:, 0]
    beside = np.zeros_like(own)
    beside[1:] = own[:-1]
    beside[:-1] = np.maximum(beside[:-1], own[1:])
    smoothed: NDArray[np.float64] = own + NEIGHBOUR * beside
    return smoothed


def ranked(texts: list[str], query: str, k: int) -> list[tuple[int, float]]:
    """Return the k best pages and their scores, best first; ties go to the newer page."""
    found = scores(texts, query)
    order = np.lexsort((-np.arange(len(found)), -found))[:k]
    return [(int(i), float(found[i])) for i in order if found[i] > 0]

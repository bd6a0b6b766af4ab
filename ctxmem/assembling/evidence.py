"""What texts of a history are worth as passages: the value model's density times their tokens."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.pipeline import PackProblem
from ctxmem.protocols import Counter
from ctxmem.schema import Budget, Chunk

VALUED = 48
"""So many texts, the best by BM25, are valued; the others have next to no value."""
CHARACTERS = 4000
"""Characters of a text that are read for it."""
FLOOR = 0.01
"""Value of the other texts, and of all where nothing is asked."""

_KEPT = 16
_known: dict[tuple[str, str, tuple[str, ...]], NDArray[np.float64]] = {}
_lock = threading.Lock()


def evidence_in(texts: Sequence[str], question: str, counter: Counter) -> NDArray[np.float64]:
    """Return the expected tokens of evidence in each text."""
    if not texts or not question.strip():
        return np.full(len(texts), FLOOR)
    key = (question, counter.name, tuple(texts))
    with _lock:
        found = _known.pop(key, None)
    if found is None:
        found = _valued(texts, question, counter)
    with _lock:
        _known[key] = found
        while len(_known) > _KEPT:
            del _known[next(iter(_known))]
    return found


def _valued(texts: Sequence[str], question: str, counter: Counter) -> NDArray[np.float64]:
    value = np.full(len(texts), FLOOR)
    scores = _native.bm25([text[:CHARACTERS] for text in texts], [question])[:, 0]
    best = np.lexsort((np.arange(len(texts)), -scores))[:VALUED]
    best = np.sort(best[scores[best] > 0])
    chunks = [Chunk(texts[i][:CHARACTERS], id=str(i)) for i in best.tolist() if texts[i].strip()]
    if not chunks:
        return value
    limit = sum(len(chunk.text) for chunk in chunks) + 1
    problem = PackProblem(chunks, limit, query=question, counter=counter, dedup=False)
    problem.selecting(Budget(limit))
    table = problem.table
    worth = np.concatenate(([0.0], np.cumsum(table.segment_density * table.segment_tokens)))
    for k, chunk in enumerate(chunks):
        i = int(chunk.id or 0)
        value[i] += worth[table.last_segment[k]] - worth[table.first_segment[k]]
    return value

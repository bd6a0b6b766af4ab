"""Select the chunks that are cut into spans: all chunks, unless there are very many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.candidates import Candidates
from ctxmem.value.question import Question, unit, vector
from ctxmem.value.retrieval import retrieval_features

SPARE = 4
"""Size of the shortlist as a multiple of the budget; other chunks can hardly reach the window."""

LEAST = 32_000
"""Minimum size of the shortlist in tokens."""

CHARACTERS = 4
"""Characters per token, about; the shortlist is made before tokens are counted."""


def shortlist(table: Candidates, question: Question, limit: int) -> None:
    """Add `shortlisted`: the chunks that are cut into spans and valued.

    They are ranked by cheap features: agreement of lists, scores, BM25 and cosine of the whole
    chunk. Pinned and required chunks are always on the list.
    """
    unique = table.unique
    table.shortlisted = np.ones(len(table), dtype=np.bool_)
    full = table.full_texts()
    texts = [full[i] for i in unique.tolist()]
    size = np.array([len(text) for text in texts], dtype=np.int64)
    room = CHARACTERS * max(LEAST, SPARE * limit)
    if size.sum() <= room:
        return
    draft = np.zeros(len(unique))
    columns = retrieval_features(table, unique, given_cosine(table, question))
    for column in columns.T:
        draft += _scaled(column)
    if question.texts:
        for column in _native.bm25(texts, list(question.texts)).T:
            draft += _scaled(column) / len(question.texts)
    order = np.argsort(-draft, kind="stable")
    if (np.diff(draft[order]) == 0).any():  # ids break ties, not the order of the input
        names = [table.ids[i] for i in unique.tolist()]
        keys = list(zip((-draft).tolist(), names, strict=True))
        order = np.array(sorted(range(len(unique)), key=keys.__getitem__), dtype=np.intp)
    # The chunk that exceeds the size is still on the list: part of it may answer the question.
    before = np.cumsum(size[order]) - size[order]
    left_out = order[before > room]
    table.shortlisted[unique[left_out]] = False
    needed = {need for needs in table.needs for need in needs}
    table.shortlisted[table.pinned] = True
    table.shortlisted[sorted(needed)] = True


def given_cosine(table: Candidates, question: Question) -> NDArray[np.float64] | None:
    """Return the cosine to the query for chunks given with a vector, NaN for other chunks.

    Raises:
        InputError: a vector differs in size from the query's, or has entries that are not finite.
    """
    if question.vectors is None:
        return None
    target = question.vectors[0]
    cosine = np.full(len(table), np.nan)
    given = [i for i in table.unique.tolist() if table.chunks[i].embedding is not None]
    if given:
        embedded = np.stack(
            [
                vector(
                    table.chunks[i].embedding, f"embedding of chunk {table.id(i)!r}", len(target)
                )
                for i in given
            ]
        )
        cosine[given] = unit(embedded) @ target
    return cosine


def _scaled(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the known numbers of a column scaled to 0 .. 1, and 0 for unknown ones."""
    known = np.isfinite(column)
    if not known.any():
        return np.zeros(len(column))
    low, high = column[known].min(), column[known].max()
    scaled = (column - low) / (high - low) if high > low else np.zeros(len(column))
    return np.where(known, scaled, 0.0)

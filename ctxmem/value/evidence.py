"""What is known of each chunk: how often, how high and by which lists it was returned."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem.errors import CtxmemWarning
from ctxmem.schema import Candidates

RANK_OFFSET = 60
"""Reciprocal rank fusion, Cormack, Clarke, Buettcher 2009: a hit at rank r adds 1 / (60 + r)."""

LEADING_OFFSET = 5
"""The same with a small offset: where the first few ranks count for much."""

RISING = 0.8
"""Spearman correlation of scores with given ranks from which on the scores are distances. That of
similarities is -1; of three hits only 1 reaches it, of four one pair of neighbours may be swapped.
"""

FEWEST = 3
"""Distinct scores that a list needs for its direction to be told."""

EVIDENCE = ("consensus", "leading", "best_rank", "hits", "lists", "score", "mean_score", "cosine")
"""What is known of a chunk, a column each, NaN where it is not: as csrc/core/span_features.hpp."""


def add_evidence(table: Candidates) -> None:
    """Add `hits` and `evidence`, how often and how high each text was returned, and what they are
    made of: `lists`, `score` and `rank`.

    Repeats are counted before they are removed: lists that agree are the best sign there is.
    Scores of a list that rise where its given ranks fall are distances: they are read negated, with
    one `CtxmemWarning` that names the lists.
    """
    table.lists = _lists(table)
    table.score = np.array(
        [np.nan if chunk.score is None else chunk.score for chunk in table.chunks], dtype=np.float64
    )
    given = np.array([-1 if c.rank is None else c.rank for c in table.chunks], dtype=np.int64)
    _negate_distances(table, given)
    table.rank = _ranks(table, given)
    table.hits = np.bincount(table.repeat_of, minlength=len(table)).astype(np.int32)
    evidence = np.zeros(len(table))
    known = table.rank >= 0
    np.add.at(evidence, table.repeat_of[known], 1.0 / (RANK_OFFSET + 1 + table.rank[known]))
    table.hits = table.hits[table.repeat_of]
    table.evidence = evidence[table.repeat_of]


def evidence_of(
    table: Candidates, chunks: NDArray[np.intp], cosine: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the evidence of these chunks, a row each in the order of `EVIDENCE`."""
    n = len(table)
    columns = np.full((len(EVIDENCE), n), np.nan)
    row = {name: columns[k] for k, name in enumerate(EVIDENCE)}
    known = table.rank >= 0
    if known.any():
        ranked = np.zeros(n, dtype=np.bool_)
        ranked[table.repeat_of[known]] = True
        row["consensus"][ranked] = table.evidence[ranked]
        leading = np.zeros(n)
        np.add.at(leading, table.repeat_of[known], 1.0 / (LEADING_OFFSET + 1 + table.rank[known]))
        row["leading"][ranked] = leading[ranked]
        best = np.full(n, np.iinfo(np.int64).max)
        np.minimum.at(best, table.repeat_of[known], table.rank[known])
        row["best_rank"][ranked] = 1.0 / (1.0 + best[ranked])
    row["hits"][:] = table.hits
    # Hit by hit, a list at a time; each counts for the text that it repeats.
    hits = np.concatenate(table.lists)
    of_list = np.repeat(np.arange(len(table.lists)), [len(members) for members in table.lists])
    first = table.repeat_of[hits]
    if len(table.lists) > 1:
        once_a_list = np.unique(of_list * n + first) % n
        row["lists"][:] = 0.0
        np.add.at(row["lists"], once_a_list, 1.0 / len(table.lists))
    scored = ~np.isnan(table.score[hits])
    first = first[scored]
    scaled = _scaled_in_lists(table.score[hits][scored], of_list[scored], len(table.lists))
    total, count = np.zeros(n), np.bincount(first, minlength=n)
    most = np.full(n, -1.0)
    np.maximum.at(most, first, scaled)
    np.add.at(total, first, scaled)
    scored_chunks = count > 0
    row["score"][scored_chunks] = most[scored_chunks]
    row["mean_score"][scored_chunks] = total[scored_chunks] / count[scored_chunks]
    if cosine is not None:
        row["cosine"][:] = cosine
    return np.ascontiguousarray(columns[:, chunks].T)


def _scaled_in_lists(
    scores: NDArray[np.float64], of_list: NDArray[np.intp], lists: int
) -> NDArray[np.float64]:
    """Return scores from 0 to 1 within their list; 1 where all of a list are equal."""
    low, high = np.full(lists, np.inf), np.full(lists, -np.inf)
    np.minimum.at(low, of_list, scores)
    np.maximum.at(high, of_list, scores)
    width = (high - low)[of_list]
    scaled = np.ones(len(scores))
    np.divide(scores - low[of_list], width, out=scaled, where=width > 0)
    return scaled


def _negate_distances(table: Candidates, given: NDArray[np.int64]) -> None:
    """Read scores as similarities in every list; warn once, naming the lists of distances."""
    found = []
    for members in table.lists:
        scored = members[(given[members] >= 0) & ~np.isnan(table.score[members])]
        if _rise(given[scored], table.score[scored]):
            table.score[members] = -table.score[members]
            found.append(table.chunks[int(members[0])].list)
    if found:
        _warn_of_distances(found)


def _rise(ranks: NDArray[np.int64], scores: NDArray[np.float64]) -> bool:
    """Tell whether later ranks have clearly higher scores."""
    if len(scores) < FEWEST or len(np.unique(scores)) < FEWEST or ranks.min() == ranks.max():
        return False
    places = np.stack([_places(ranks), _places(scores)])
    return bool(np.asarray(np.corrcoef(places))[0, 1] >= RISING - 1e-9)


def _places(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the places of values in their order; equal ones share the mean of theirs."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[inverse.reshape(len(values))], dtype=np.float64)


def _warn_of_distances(lists: Sequence[str | None]) -> None:
    names = ", ".join("hits without a list" if name is None else repr(name) for name in lists)
    warnings.warn(
        f"scores rise with the ranks of {names}, so they were read as distances, lower is better; "
        f"expected scores where higher is better: give similarities (-distance or 1 - distance), "
        f"or leave the scores out and give ranks alone",
        CtxmemWarning,
        stacklevel=5,  # who called `pack`
    )


def _ranks(table: Candidates, given: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each hit's rank in its list: given, else by score among the list's, else -1."""
    ranks: NDArray[np.int64] = given.copy()
    unranked = (ranks < 0) & ~np.isnan(table.score)
    for members in table.lists:
        scored = members[unranked[members]]
        scores = -table.score[scored]
        # Equal scores get equal ranks, so that the input's order does not decide.
        ranks[scored] = np.searchsorted(np.sort(scores), scores)
    return ranks


def _lists(table: Candidates) -> list[NDArray[np.intp]]:
    """Return the hits of each list that passages came from."""
    lists: dict[str | None, list[int]] = defaultdict(list)
    for i, chunk in enumerate(table.chunks):
        lists[chunk.list].append(i)
    return [np.array(members, dtype=np.intp) for members in lists.values()]

"""Retrieval features of each chunk: its hits, its ranks and the lists that returned it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem.candidates import Candidates
from ctxmem.errors import CtxmemWarning, warn_caller

RANK_OFFSET = 60
"""Reciprocal rank fusion, Cormack, Clarke, Buettcher 2009: a hit at rank r adds 1 / (60 + r)."""

LEADING_OFFSET = 5
"""Offset of a second fusion score, which favours the first few ranks."""

RISING = 0.8
"""Spearman correlation of scores with given ranks from which the scores are taken as distances. For
similarities it is -1. With three hits only a correlation of 1 reaches it; with four hits one pair
of neighbours may be swapped."""

FEWEST = 3
"""Distinct scores that a list needs at least to decide whether they are distances."""

EVIDENCE = ("consensus", "leading", "best_rank", "hits", "lists", "score", "mean_score", "cosine")
"""Retrieval features of a chunk, a column each, NaN if unknown; see csrc/core/ranking."""


def add_rank_fusion(table: Candidates) -> None:
    """Add `hits`, the number of results per text, and `evidence`, its reciprocal rank fusion score.

    Also adds the columns they are computed from: `lists`, `score` and `rank`. Repeats are counted
    before they are removed, because agreement of lists is the strongest sign of relevance. Scores
    that rise with the given ranks of their list are distances: they are negated, with one
    `CtxmemWarning` that names the lists.
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
    table.rrf_score = evidence[table.repeat_of]


def retrieval_features(
    table: Candidates, chunks: NDArray[np.intp], cosine: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the retrieval features of these chunks, one row each, in the order of `EVIDENCE`."""
    n = len(table)
    columns = np.full((len(EVIDENCE), n), np.nan)
    row = {name: columns[k] for k, name in enumerate(EVIDENCE)}
    known = table.rank >= 0
    if known.any():
        ranked = np.zeros(n, dtype=np.bool_)
        ranked[table.repeat_of[known]] = True
        row["consensus"][ranked] = table.rrf_score[ranked]
        leading = np.zeros(n)
        np.add.at(leading, table.repeat_of[known], 1.0 / (LEADING_OFFSET + 1 + table.rank[known]))
        row["leading"][ranked] = leading[ranked]
        best = np.full(n, np.iinfo(np.int64).max)
        np.minimum.at(best, table.repeat_of[known], table.rank[known])
        row["best_rank"][ranked] = 1.0 / (1.0 + best[ranked])
    row["hits"][:] = table.hits
    # One entry per hit, list by list; a repeat counts for the first chunk with its text.
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
    """Return scores scaled to 0 .. 1 within their list; 1 if all scores of a list are equal."""
    low, high = np.full(lists, np.inf), np.full(lists, -np.inf)
    np.minimum.at(low, of_list, scores)
    np.maximum.at(high, of_list, scores)
    width = (high - low)[of_list]
    scaled = np.ones(len(scores))
    np.divide(scores - low[of_list], width, out=scaled, where=width > 0)
    return scaled


def _negate_distances(table: Candidates, given: NDArray[np.int64]) -> None:
    """Negate the scores of lists of distances; warn once, naming these lists."""
    found = []
    for members in table.lists:
        scored = members[(given[members] >= 0) & ~np.isnan(table.score[members])]
        if _rise(given[scored], table.score[scored]):
            table.score[members] = -table.score[members]
            found.append(table.chunks[int(members[0])].list)
    if found:
        _warn_of_distances(found)


def _rise(ranks: NDArray[np.int64], scores: NDArray[np.float64]) -> bool:
    """Return whether scores clearly rise with the rank."""
    if len(scores) < FEWEST or len(np.unique(scores)) < FEWEST or ranks.min() == ranks.max():
        return False
    places = np.stack([_places(ranks), _places(scores)])
    return bool(np.asarray(np.corrcoef(places))[0, 1] >= RISING - 1e-9)


def _places(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the ranks of values; equal values share the mean of their ranks."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[inverse.reshape(len(values))], dtype=np.float64)


def _warn_of_distances(lists: Sequence[str | None]) -> None:
    names = ", ".join("hits without a list" if name is None else repr(name) for name in lists)
    warn_caller(
        f"scores rise with the ranks of {names}, so they were read as distances, lower is better; "
        f"expected scores where higher is better: give similarities (-distance or 1 - distance), "
        f"or leave the scores out and give ranks alone",
        CtxmemWarning,
    )


def _ranks(table: Candidates, given: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each hit's rank in its list: the given rank, else by score, else -1."""
    ranks: NDArray[np.int64] = given.copy()
    unranked = (ranks < 0) & ~np.isnan(table.score)
    for members in table.lists:
        scored = members[unranked[members]]
        scores = -table.score[scored]
        # Equal scores get equal ranks, so that the input's order does not decide.
        ranks[scored] = np.searchsorted(np.sort(scores), scores)
    return ranks


def _lists(table: Candidates) -> list[NDArray[np.intp]]:
    """Return the hits of each list."""
    lists: dict[str | None, list[int]] = defaultdict(list)
    for i, chunk in enumerate(table.chunks):
        lists[chunk.list].append(i)
    return [np.array(members, dtype=np.intp) for members in lists.values()]

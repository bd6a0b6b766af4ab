"""What a passage is worth: consensus of ranks, given scores, BM25 and cosine to the query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.errors import InputError, InputTypeError
from ctxmem.schema import Candidates, Chunk, Embed

RANK_OFFSET = 60
"""Reciprocal rank fusion, Cormack, Clarke, Buettcher 2009: a hit at rank r adds 1 / (60 + r)."""

WEIGHTS = {"consensus": 0.5, "score": 0.2, "bm25": 0.1, "dense": 0.2}
"""Share of each kind of evidence, where all are there; the shares of absent ones are spread."""

STEEPNESS = 3.0
"""Worth is relevance to this power: a token of a passage half as relevant is worth an eighth."""

FLOOR = 1e-3
"""Worth of a token that nothing speaks for; above 0, so that room left over is used."""


def add_evidence(table: Candidates) -> None:
    """Add `hits` and `evidence`: how often, and how high, each text was returned.

    Repeats are counted before they are removed: lists that agree are the best sign there is.
    """
    ranks = _ranks(table.chunks)
    table.hits = np.bincount(table.repeat_of, minlength=len(table)).astype(np.int32)
    evidence = np.zeros(len(table))
    known = ranks >= 0
    np.add.at(evidence, table.repeat_of[known], 1.0 / (RANK_OFFSET + 1 + ranks[known]))
    table.hits = table.hits[table.repeat_of]
    table.evidence = evidence[table.repeat_of]


def estimate(
    table: Candidates,
    query: str | None = None,
    *,
    query_embedding: Any = None,
    embed: Embed | None = None,
) -> None:
    """Add `relevance`, a blend of the evidence there is, and `worth`, the value of one token.

    Every kind of evidence is scaled to its own range first, so none wins by its units.
    Near-duplicates share theirs: the members of a group are worth what its best member is.
    """
    unique = table.unique
    columns = {
        "consensus": _consensus(table),
        "score": _scores(table),
        "bm25": _bm25(table, query),
        "dense": _dense(table, query, query_embedding, embed),
    }
    blend = np.zeros(len(table))
    weight = 0.0
    for name, column in columns.items():
        if column is not None:
            blend += WEIGHTS[name] * _unit(column, unique)
            weight += WEIGHTS[name]
    blend = blend / weight if weight else np.ones(len(table))
    best = np.zeros(len(table))
    np.maximum.at(best, table.group[unique], blend[unique])
    table.relevance = best[table.group]
    table.worth = FLOOR + (1 - FLOOR) * table.relevance**STEEPNESS


def _unit(column: NDArray[np.float64], unique: NDArray[np.intp]) -> NDArray[np.float64]:
    """Scale to 0 .. 1 over the unique texts; a column that tells none apart says 1 of all."""
    if not len(unique):
        return np.zeros_like(column)
    low, high = column[unique].min(), column[unique].max()
    if not high > low:
        return np.ones_like(column)
    scaled: NDArray[np.float64] = np.clip((column - low) / (high - low), 0.0, 1.0)
    return scaled


def _ranks(chunks: Sequence[Chunk]) -> NDArray[np.int64]:
    """Return each hit's rank in its list: given, else by score among the list's, else -1."""
    ranks = np.array([-1 if c.rank is None else c.rank for c in chunks], dtype=np.int64)
    scored: dict[str | None, list[int]] = defaultdict(list)
    for i, chunk in enumerate(chunks):
        if chunk.rank is None and chunk.score is not None:
            scored[chunk.list].append(i)
    for members in scored.values():
        scores = np.array([chunks[i].score for i in members], dtype=np.float64)
        # Equal scores get equal ranks, so that the input's order does not decide.
        ranks[members] = np.searchsorted(np.sort(-scores), -scores)
    return ranks


def _consensus(table: Candidates) -> NDArray[np.float64] | None:
    if not table.evidence.any():
        return None
    first = table.repeat_of == np.arange(len(table))
    total = np.zeros(len(table))
    np.add.at(total, table.group[first], table.evidence[first])
    return total[table.group]


def _scores(table: Candidates) -> NDArray[np.float64] | None:
    """Return given scores, scaled within their list; a text keeps the best of its hits."""
    lists: dict[str | None, list[int]] = defaultdict(list)
    for i, chunk in enumerate(table.chunks):
        if chunk.score is not None:
            lists[chunk.list].append(i)
    if not lists:
        return None
    best = np.zeros(len(table))
    for members in lists.values():
        scores = np.array([table.chunks[i].score for i in members], dtype=np.float64)
        low, high = scores.min(), scores.max()
        scaled = (scores - low) / (high - low) if high > low else np.ones(len(scores))
        np.maximum.at(best, table.repeat_of[members], scaled)
    return best[table.repeat_of]


def _bm25(table: Candidates, query: str | None) -> NDArray[np.float64] | None:
    if query is None:
        return None
    if not isinstance(query, str):
        raise InputTypeError(f"query is a {type(query).__name__}; expected a str, or None")
    scores = np.zeros(len(table))
    texts = [table.text(i) for i in table.unique.tolist()]
    scores[table.unique] = _native.bm25(texts, [query])[:, 0]
    return scores[table.repeat_of] if scores.any() else None


def _dense(
    table: Candidates,
    query: str | None,
    query_embedding: Any,
    embed: Callable[[Sequence[str]], Any] | None,
) -> NDArray[np.float64] | None:
    """Return the cosine of each text to the query, where vectors are given or can be made."""
    vectors = {i: table.chunks[i].embedding for i in table.unique.tolist()}
    if embed is not None:
        if query_embedding is None and query is not None:
            query_embedding = _rows(embed([query]), 1, "embed")[0]
        missing = [i for i, vector in vectors.items() if vector is None]
        if missing and query_embedding is not None:
            made = _rows(embed([table.text(i) for i in missing]), len(missing), "embed")
            vectors.update(zip(missing, made, strict=True))
    if query_embedding is None:
        return None
    target = _vector(query_embedding, "query_embedding", None)
    cosine = np.zeros(len(table))
    for i, vector in vectors.items():
        if vector is not None:
            name = f"embedding of chunk {table.id(i)!r}"
            cosine[i] = _cosine(_vector(vector, name, len(target)), target)
    return cosine[table.repeat_of] if cosine.any() else None


def _rows(vectors: Any, count: int, what: str) -> NDArray[np.float64]:
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != count:
        raise InputTypeError(
            f"{what} returned an array of shape {rows.shape}; expected {count} rows, one a text"
        )
    return rows


def _vector(given: Any, what: str, size: int | None) -> NDArray[np.float64]:
    try:
        vector = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputTypeError(f"{what} is a {type(given).__name__}; expected a vector") from None
    if vector.ndim != 1 or (size is not None and len(vector) != size):
        raise InputError(
            f"{what} has the shape {vector.shape}; expected "
            + ("one dimension" if size is None else f"({size},), as the query's has")
        )
    if not np.isfinite(vector).all():
        raise InputError(f"{what} has entries that are not finite numbers; expected none")
    return vector


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm else 0.0

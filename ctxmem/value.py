"""What a span is worth: how likely each of its tokens is evidence for an answer.

Every kind of evidence there is becomes numbers a span (csrc/core/span_features.hpp): the agreement
of the lists that returned its chunks, given scores, cosine, BM25, headings, neighbours, and what
the best spans name and the query does not. Two forests of small trees, fitted on public questions
with marked evidence, turn them into a worth between 0 and 1: the first drafts it, the second looks
at the drafts around. They never see a word, only such numbers, scaled within the query.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.errors import InputError, InputTypeError
from ctxmem.schema import Candidates, Embed

RANK_OFFSET = 60
"""Reciprocal rank fusion, Cormack, Clarke, Buettcher 2009: a hit at rank r adds 1 / (60 + r)."""

FLOOR = 1e-4
"""Worth of a token that nothing speaks for; above 0, so that room left over is used."""

EVIDENCE = ("consensus", "best_rank", "hits", "lists", "score", "mean_score", "cosine")
"""What is known of a chunk, a column each, NaN where it is not: as csrc/core/span_features.hpp."""

WEIGHTS = "value-1.json"
"""The forests: a data file with its version and where it comes from."""


class Question(NamedTuple):
    """What the window is for: the query, other ways to say it, and their vectors."""

    texts: tuple[str, ...] = ()  # the query first
    vectors: NDArray[np.float32] | None = None  # a unit vector each, or fewer, the query's first
    embed: Embed | None = None


def read_question(
    query: str | None,
    variants: Sequence[str] = (),
    query_embedding: Any = None,
    embed: Embed | None = None,
) -> Question:
    """Return the question, checked; `embed` makes the vectors that were not given.

    Raises:
        InputError: variants without a query, a vector that is not one of finite numbers.
        InputTypeError: a query or variant that is no str.
    """
    if isinstance(variants, str) or not all(isinstance(text, str) for text in variants):
        raise InputTypeError("variants has something that is no str; expected a list of queries")
    if query is None:
        if variants:
            raise InputError("variants are given without a query; expected query='...' as well")
        texts: tuple[str, ...] = ()
    elif isinstance(query, str):
        texts = (query, *variants)
    else:
        raise InputTypeError(f"query is a {type(query).__name__}; expected a str, or None")
    vectors = None
    if query_embedding is not None:
        vectors = _unit(_vector(query_embedding, "query_embedding", None)[None])
    if embed is not None and texts:
        missing = list(texts if vectors is None else texts[1:])
        if missing:
            made = _unit(_rows(embed(missing), len(missing), "embed"))
            vectors = made if vectors is None else np.vstack([vectors, made])
    return Question(texts, vectors, embed)


def add_evidence(table: Candidates) -> None:
    """Add `hits` and `evidence`: how often, and how high, each text was returned.

    Repeats are counted before they are removed: lists that agree are the best sign there is.
    """
    table.rank = _ranks(table)
    table.hits = np.bincount(table.repeat_of, minlength=len(table)).astype(np.int32)
    evidence = np.zeros(len(table))
    known = table.rank >= 0
    np.add.at(evidence, table.repeat_of[known], 1.0 / (RANK_OFFSET + 1 + table.rank[known]))
    table.hits = table.hits[table.repeat_of]
    table.evidence = evidence[table.repeat_of]


def estimate(table: Candidates, question: Question) -> None:
    """Add `segment_worth`, and `relevance` and `worth` of the chunks.

    A chunk is as relevant as the best of its segments, and a token of it worth what one is on the
    average. Where nothing is known of any, all are alike.
    """
    if not _known(table, question):
        table.segment_worth = np.ones(len(table.segment_span))
    else:
        described = describe(table, question)
        worth = model().worth(described)
        table.segment_worth = FLOOR + (1 - FLOOR) * worth.astype(np.float64)
    add_chunk_worth(table)


def add_chunk_worth(table: Candidates) -> None:
    """Add `relevance` and `worth`: the best and the mean of each chunk's segments."""
    size = (table.segment_span[:, 1] - table.segment_span[:, 0]).astype(np.float64)
    total = np.concatenate(([0.0], np.cumsum(table.segment_worth * size)))
    sizes = np.concatenate(([0.0], np.cumsum(size)))
    first, last = table.first_segment, table.last_segment
    share = (total[last] - total[first]) / np.maximum(1.0, sizes[last] - sizes[first])
    table.worth = np.clip(share, FLOOR, 1.0)
    table.relevance = table.worth.copy()
    for i in table.unique.tolist():
        if first[i] < last[i]:
            table.relevance[i] = table.segment_worth[first[i] : last[i]].max()
    table.relevance = table.relevance[table.repeat_of]


def describe(table: Candidates, question: Question) -> _native.SpanFeatures:
    """Return what speaks for each segment, for the forests."""
    unique = table.unique
    vectors, cosine = _vectors(table, question)
    evidence = _evidence(table, cosine)
    nothing = np.zeros((0, 0), dtype=np.float32)
    return _native.SpanFeatures(
        table.stretches,
        table.stretch_first,
        np.ascontiguousarray(table.segment_span[:, 0]),
        np.ascontiguousarray(table.segment_span[:, 1]),
        table.segment_kind,
        table.document,
        table.stretch_place,
        table.first_segment[unique],
        table.last_segment[unique],
        evidence,
        list(question.texts),
        nothing if vectors is None else vectors,
        nothing if vectors is None else question.vectors,
    )


@cache
def model() -> _native.SpanModel:
    """Return the forests that come with the package."""
    text = files("ctxmem").joinpath("weights", WEIGHTS).read_text(encoding="utf-8")
    return _native.SpanModel(json.loads(text))


def _known(table: Candidates, question: Question) -> bool:
    """Tell whether anything sets the chunks apart: a query, ranks, scores, vectors to compare."""
    return bool(
        question.texts
        or (table.rank >= 0).any()
        or (question.vectors is not None and any(c.embedding is not None for c in table.chunks))
    )


def _ranks(table: Candidates) -> NDArray[np.int64]:
    """Return each hit's rank in its list: given, else by score among the list's, else -1."""
    ranks = np.array([-1 if c.rank is None else c.rank for c in table.chunks], dtype=np.int64)
    for members in table.lists().values():
        scored = [
            i for i in members if table.chunks[i].rank is None and table.chunks[i].score is not None
        ]
        if scored:
            scores = np.array([table.chunks[i].score for i in scored], dtype=np.float64)
            # Equal scores get equal ranks, so that the input's order does not decide.
            ranks[scored] = np.searchsorted(np.sort(-scores), -scores)
    return ranks


def _evidence(table: Candidates, cosine: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return the evidence of the unique chunks, a row each in the order of `EVIDENCE`."""
    n = len(table)
    columns = np.full((len(EVIDENCE), n), np.nan)
    row = {name: columns[k] for k, name in enumerate(EVIDENCE)}
    known = table.rank >= 0
    if known.any():
        ranked = np.zeros(n, dtype=np.bool_)
        ranked[table.repeat_of[known]] = True
        row["consensus"][ranked] = table.evidence[ranked]
        best = np.full(n, np.iinfo(np.int64).max)
        np.minimum.at(best, table.repeat_of[known], table.rank[known])
        row["best_rank"][ranked] = 1.0 / (1.0 + best[ranked])
    row["hits"][:] = table.hits
    lists = table.lists()
    if len(lists) > 1:
        row["lists"][:] = 0.0
        for members in lists.values():
            row["lists"][np.unique(table.repeat_of[list(members)])] += 1.0 / len(lists)
    total, count = np.zeros(n), np.zeros(n)
    most = np.full(n, -1.0)
    for members in lists.values():
        scored = [i for i in members if table.chunks[i].score is not None]
        if not scored:
            continue
        scores = np.array([table.chunks[i].score for i in scored], dtype=np.float64)
        low, high = scores.min(), scores.max()
        scaled = (scores - low) / (high - low) if high > low else np.ones(len(scores))
        first = table.repeat_of[scored]
        np.maximum.at(most, first, scaled)
        np.add.at(total, first, scaled)
        np.add.at(count, first, 1.0)
    scored_chunks = count > 0
    row["score"][scored_chunks] = most[scored_chunks]
    row["mean_score"][scored_chunks] = total[scored_chunks] / count[scored_chunks]
    if cosine is not None:
        row["cosine"][:] = cosine
    return np.ascontiguousarray(columns[:, table.unique].T)


def _vectors(
    table: Candidates, question: Question
) -> tuple[NDArray[np.float32] | None, NDArray[np.float64] | None]:
    """Return the vectors of the segments, where they can be made, and the chunks' cosines."""
    if question.vectors is None:
        return None, None
    target = question.vectors[0]
    cosine = np.full(len(table), np.nan)
    given = [i for i in table.unique.tolist() if table.chunks[i].embedding is not None]
    if given:
        rows = np.stack(
            [
                _vector(
                    table.chunks[i].embedding, f"embedding of chunk {table.id(i)!r}", len(target)
                )
                for i in given
            ]
        )
        cosine[given] = _unit(rows) @ target
    vectors = None
    if question.embed is not None:
        texts = [
            table.stretches[t][a:b].strip()
            for t, (a, b) in zip(
                table.segment_stretch.tolist(), table.segment_span.tolist(), strict=True
            )
        ]
        vectors = _unit(_rows(question.embed(texts), len(texts), "embed"))
        if vectors.shape[1] != len(target):
            raise InputError(
                f"embed makes vectors of {vectors.shape[1]} numbers, the query's has "
                f"{len(target)}; expected one size"
            )
        for i in table.unique.tolist():
            first, last = table.first_segment[i], table.last_segment[i]
            if table.chunks[i].embedding is None and first < last:
                pooled = vectors[first:last].sum(axis=0, keepdims=True)
                cosine[i] = float((_unit(pooled) @ target)[0])
    return vectors, None if np.isnan(cosine).all() else cosine


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


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return rows of length 1; a row of zeroes stays one."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows / np.where(norm > 0, norm, 1.0), dtype=np.float32)

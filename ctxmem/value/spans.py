"""The value of a span: the expected share of its tokens that is evidence for an answer.

Each span is described by numeric features (csrc/core/ranking): agreement of the lists
that returned its chunks, scores, cosine, BM25, headings, neighbours, and terms of the top spans
that are not in the query. Two stages of gradient-boosted trees, fitted on public questions with
marked evidence, predict a value between 0 and 1. The second stage also sees the first stage's
predictions for neighbouring spans. The trees see no words, only features normalised within the
query.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.candidates import Candidates
from ctxmem.errors import InputError
from ctxmem.value.question import Question, rows, unit
from ctxmem.value.retrieval import retrieval_features
from ctxmem.value.shortlist import given_cosine

HEADLESS = 1 << _native.SPAN_FLAGS.index("headless")
UNCLEAR = 0.05
"""Factor on the value of a row without a header, since the meaning of its cells is unknown.

A row that names what is asked for is the answer in spite of it, so its factor is at least its
coverage of the query.
"""

FLOOR = 1e-4
"""Minimum density of a span; above 0, so that unused budget is filled."""

TIE = 1e-3
"""Weight of the mean of the `PLAIN` features, which breaks ties of the trees."""

PLAIN = ("consensus_sum", "score", "cosine", "span_cosine", "bm25")

DEFINED = 0.5
"""Least density of a span that surely says what the subject of the question is."""

WEIGHTS = "value-1.json"
"""Data file of the trees, with its version and origin."""


def estimate(table: Candidates, question: Question) -> _native.SpanFeatures | None:
    """Add `segment_density`, and `relevance` and `density` of the chunks; return the span features.

    The relevance of a chunk is the value of its best segment; its `density` is the mean density of
    its segments. Without query, ranks, scores and vectors, all values are equal, and the result is
    None.
    """
    described = None
    given = _given_density(table)
    if len(given) == len(table.unique) or not _known(table, question):
        table.segment_density = np.ones(len(table.segment_span))
    else:
        described = describe(table, question)
        density = model().predict(described) + TIE * _rrf_of_spans(described)
        table.segment_density = np.full(len(table.segment_span), FLOOR)
        table.segment_density[: len(density)] = as_density(described, density)
    headless = (table.segment_flags & HEADLESS) != 0
    table.segment_density[headless] *= _clarity(described, len(headless))[headless]
    keep_given_density(table)
    add_chunk_density(table)
    return described


def as_density(
    described: _native.SpanFeatures, predicted: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the density of spans from what the trees predict, at least that of definitions."""
    least = DEFINED * described.definitions()
    value = np.maximum(predicted, least) if len(least) else predicted
    return FLOOR + (1 - FLOOR) * np.minimum(1.0, value.astype(np.float64))


def _clarity(described: _native.SpanFeatures | None, count: int) -> NDArray[np.float64]:
    """Return the factor on the value of each of `count` spans, if it is a row without a header."""
    clarity = np.full(count, UNCLEAR)
    if described is not None:
        coverage = described.draft()[:, _native.DRAFT_FEATURES.index("coverage")]
        clarity[: len(coverage)] = np.clip(coverage, UNCLEAR, 1.0)
    return clarity


def _given_density(table: Candidates) -> dict[int, float]:
    """Return the density of the chunks that were given with one; repeats have the greatest."""
    given: dict[int, float] = {}
    for i, chunk in enumerate(table.chunks):
        if chunk.density is not None:
            first = int(table.repeat_of[i])
            given[first] = max(given.get(first, 0.0), chunk.density)
    return given


def keep_given_density(table: Candidates) -> None:
    """Set the density of segments whose chunk was given with one; of several, the greatest."""
    given = _given_density(table)
    if not given:
        return
    density = np.full(len(table.segment_span), -1.0)
    for i, value in given.items():
        part = slice(int(table.first_segment[i]), int(table.last_segment[i]))
        density[part] = np.maximum(density[part], FLOOR + (1 - FLOOR) * value)
    known = density >= 0
    table.segment_density[known] = density[known]


def _rrf_of_spans(described: _native.SpanFeatures) -> NDArray[np.float32]:
    """Return the mean of the known `PLAIN` features of each span, 0 to 1."""
    columns = described.draft()[:, [_native.DRAFT_FEATURES.index(name) for name in PLAIN]]
    known = columns[:, (columns >= 0).any(axis=0)]
    if not known.shape[1]:
        return np.zeros(len(columns), dtype=np.float32)
    mean: NDArray[np.float32] = np.clip(known, 0.0, 1.0).mean(axis=1)
    return mean


def add_chunk_density(table: Candidates) -> None:
    """Add `relevance` and `density`: the maximum and the mean over each chunk's segments.

    The members of a group of near-duplicates all get the greatest number of the group.
    """
    size = (table.segment_span[:, 1] - table.segment_span[:, 0]).astype(np.float64)
    total = np.concatenate(([0.0], np.cumsum(table.segment_density * size)))
    sizes = np.concatenate(([0.0], np.cumsum(size)))
    first, last = table.first_segment, table.last_segment
    density = (total[last] - total[first]) / np.maximum(1.0, sizes[last] - sizes[first])
    unique = table.unique
    relevance = np.zeros(len(table))
    held = unique[first[unique] < last[unique]]
    # Every other slice is one chunk; an end may equal the length, so a zero is appended.
    bounds = np.stack([first[held], last[held]], axis=1).ravel()
    relevance[held] = np.maximum.reduceat(np.append(table.segment_density, 0.0), bounds)[::2]
    for column in (density, relevance):
        best = np.zeros(len(table))
        np.maximum.at(best, table.group[unique], column[unique])
        column[:] = best[table.group]
    table.density, table.relevance = np.clip(density, FLOOR, 1.0), relevance


def describe(table: Candidates, question: Question) -> _native.SpanFeatures:
    """Return the features of the segments of the shortlist."""
    chunks = table.unique[table.shortlisted[table.unique]]
    # In text order, so that the order of the input does not change the rounding of sums.
    chunks = chunks[np.lexsort((table.last_segment[chunks], table.first_segment[chunks]))]
    merged_texts = shortlisted_texts(table)
    known = int(table.merged_first[merged_texts])
    vectors = _vectors(table, question, known)
    columns = retrieval_features(table, chunks, _cosine(table, question, vectors))
    nothing = np.zeros((0, 0), dtype=np.float32)
    scored = nothing if vectors is None or question.vectors is None else question.vectors
    return _native.SpanFeatures(
        table.corpus,
        table.merged_first[: merged_texts + 1],
        np.ascontiguousarray(table.segment_span[:known, 0]),
        np.ascontiguousarray(table.segment_span[:known, 1]),
        table.segment_kind[:known],
        table.segment_flags[:known],
        table.segment_need[:known],
        table.segment_block[:known],
        table.document[:merged_texts],
        table.merged_place[:merged_texts],
        [table.chunks[i].source or "" for i in table.merged_chunk[:merged_texts]],
        table.first_segment[chunks],
        table.last_segment[chunks],
        columns,
        list(question.texts),
        nothing if vectors is None else vectors,
        scored,
    )


def shortlisted_texts(table: Candidates) -> int:
    """Return the number of merged texts with chunks of the shortlist; they precede all others."""
    chunks = table.unique[table.shortlisted[table.unique]]
    last = int(table.last_segment[chunks].max()) if len(chunks) else 0
    return int(table.segment_merged[last - 1]) + 1 if last else 0


@cache
def model() -> _native.SpanModel:
    """Return the model shipped with the package."""
    text = (files("ctxmem") / "weights" / WEIGHTS).read_text(encoding="utf-8")
    return _native.SpanModel(json.loads(text))


def _known(table: Candidates, question: Question) -> bool:
    """Return whether chunks can be ranked: by a query, ranks, scores or vectors."""
    return bool(
        question.texts
        or (table.rank >= 0).any()
        or (question.vectors is not None and any(c.embedding is not None for c in table.chunks))
    )


def _vectors(table: Candidates, question: Question, known: int) -> NDArray[np.float32] | None:
    """Return the vectors of the segments, None without `embed`."""
    if question.vectors is None or question.embed is None:
        return None
    texts = table.segment_texts[:known]
    said = [k for k, text in enumerate(texts) if text]
    made = unit(rows(question.embed([texts[k] for k in said]), len(said), "embed"))
    vectors = np.zeros((known, made.shape[1]), dtype=np.float32)
    vectors[said] = made
    if vectors.shape[1] != question.vectors.shape[1]:
        raise InputError(
            f"embed makes vectors of {vectors.shape[1]} numbers, the query's has "
            f"{question.vectors.shape[1]}; expected the same size"
        )
    return vectors


def _cosine(
    table: Candidates, question: Question, vectors: NDArray[np.float32] | None
) -> NDArray[np.float64] | None:
    """Return the chunks' cosines to the query, from their own vectors or their segments'."""
    cosine = given_cosine(table, question)
    if vectors is None or question.vectors is None or cosine is None:
        return cosine
    for i in table.unique[table.shortlisted[table.unique]].tolist():
        first, last = table.first_segment[i], table.last_segment[i]
        if table.chunks[i].embedding is None and first < last:
            pooled = vectors[first:last].sum(axis=0, keepdims=True)
            cosine[i] = float((unit(pooled) @ question.vectors[0])[0])
    return cosine

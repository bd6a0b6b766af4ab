"""What a span is worth: how likely each of its tokens is evidence for an answer.

Every kind of evidence there is becomes numbers a span (csrc/core/span_features.hpp): the agreement
of the lists that returned its chunks, given scores, cosine, BM25, headings, neighbours, and what
the best spans name and the query does not. Two forests of small trees, fitted on public questions
with marked evidence, turn them into a worth between 0 and 1: the first drafts it, the second looks
at the drafts around. They never see a word, only such numbers, scaled within the query.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.errors import InputError
from ctxmem.schema import Candidates
from ctxmem.value.evidence import evidence_of
from ctxmem.value.question import Question, rows, unit, vector

FLOOR = 1e-4
"""Worth of a token that nothing speaks for; above 0, so that room left over is used."""

TIE = 1e-3
"""Where the forests see no difference, the span with more plain evidence is worth a little more."""

PLAIN = ("consensus_sum", "score", "cosine", "span_cosine", "bm25")

WEIGHTS = "value-1.json"
"""The forests: a data file with its version and where it comes from."""


def estimate(table: Candidates, question: Question) -> None:
    """Add `segment_worth`, and `relevance` and `worth` of the chunks.

    A chunk is as relevant as the best of its segments, and a token of it worth what one is on the
    average. Where nothing is known of any, all are alike.
    """
    if not _known(table, question):
        table.segment_worth = np.ones(len(table.segment_span))
    else:
        described = describe(table, question)
        worth = model().worth(described) + TIE * _plain_evidence(described)
        table.segment_worth = FLOOR + (1 - FLOOR) * np.minimum(1.0, worth.astype(np.float64))
    add_chunk_worth(table)


def _plain_evidence(described: _native.SpanFeatures) -> NDArray[np.float32]:
    """Return the mean of what is known of each span by its most telling numbers, 0 to 1."""
    columns = described.draft()[:, [_native.DRAFT_FEATURES.index(name) for name in PLAIN]]
    mean: NDArray[np.float32] = np.clip(columns, 0.0, 1.0).mean(axis=1)
    return mean


def add_chunk_worth(table: Candidates) -> None:
    """Add `relevance` and `worth`: the best and the mean of each chunk's segments.

    Near-duplicates share theirs: the members of a group are worth what its best member is.
    """
    size = (table.segment_span[:, 1] - table.segment_span[:, 0]).astype(np.float64)
    total = np.concatenate(([0.0], np.cumsum(table.segment_worth * size)))
    sizes = np.concatenate(([0.0], np.cumsum(size)))
    first, last = table.first_segment, table.last_segment
    worth = (total[last] - total[first]) / np.maximum(1.0, sizes[last] - sizes[first])
    relevance = np.zeros(len(table))
    for i in table.unique.tolist():
        if first[i] < last[i]:
            relevance[i] = table.segment_worth[first[i] : last[i]].max()
    unique = table.unique
    for column in (worth, relevance):
        best = np.zeros(len(table))
        np.maximum.at(best, table.group[unique], column[unique])
        column[:] = best[table.group]
    table.worth, table.relevance = np.clip(worth, FLOOR, 1.0), relevance


def describe(table: Candidates, question: Question) -> _native.SpanFeatures:
    """Return what speaks for each segment, for the forests."""
    # In the order of the text, so that the input's does not round sums another way.
    unique = table.unique[
        np.lexsort((table.last_segment[table.unique], table.first_segment[table.unique]))
    ]
    vectors, cosine = _vectors(table, question)
    evidence = evidence_of(table, unique, cosine)
    nothing = np.zeros((0, 0), dtype=np.float32)
    asked = nothing if vectors is None or question.vectors is None else question.vectors
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
        asked,
    )


@cache
def model() -> _native.SpanModel:
    """Return the forests that come with the package."""
    text = (files("ctxmem") / "weights" / WEIGHTS).read_text(encoding="utf-8")
    return _native.SpanModel(json.loads(text))


def _known(table: Candidates, question: Question) -> bool:
    """Tell whether anything sets the chunks apart: a query, ranks, scores, vectors to compare."""
    return bool(
        question.texts
        or (table.rank >= 0).any()
        or (question.vectors is not None and any(c.embedding is not None for c in table.chunks))
    )


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
        embedded = np.stack(
            [
                vector(
                    table.chunks[i].embedding, f"embedding of chunk {table.id(i)!r}", len(target)
                )
                for i in given
            ]
        )
        cosine[given] = unit(embedded) @ target
    vectors = None
    if question.embed is not None:
        texts = table.segment_texts
        vectors = unit(rows(question.embed(texts), len(texts), "embed"))
        if vectors.shape[1] != len(target):
            raise InputError(
                f"embed makes vectors of {vectors.shape[1]} numbers, the query's has "
                f"{len(target)}; expected one size"
            )
        for i in table.unique.tolist():
            first, last = table.first_segment[i], table.last_segment[i]
            if table.chunks[i].embedding is None and first < last:
                pooled = vectors[first:last].sum(axis=0, keepdims=True)
                cosine[i] = float((unit(pooled) @ target)[0])
    return vectors, None if np.isnan(cosine).all() else cosine

"""Draft and verify: call an expensive scorer only where its answer could change the window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.candidates import Candidates
from ctxmem.errors import InputError, InputTypeError, a_type
from ctxmem.protocols import Scorer
from ctxmem.value.question import Question
from ctxmem.value.spans import FLOOR, add_chunk_density, as_density, model

BATCHES = 7
"""Number of batches of calls; after each batch, the values of other spans are predicted again."""

SHARE = 0.6
"""Maximum share of the spans that are scored if `calls` is not given."""

GAIN = 0.022
"""Minimum expected gain of a call, in tokens of evidence in the window, if `USUAL` tokens of
evidence are expected in total."""

USUAL = 100.0
FEW = 30.0
"""Lower bound on the expected tokens of evidence in total, since a question has some answer."""

SHARED = 0.4
"""Exponent of the expected evidence in the gain. With 1 the gain is relative to all evidence; with
0 it is absolute, since the expectation is uncertain."""


def read_scorer(scorer: Any, calls: int | None, question: Question) -> Scorer | None:
    """Return the scorer, or raise an error if it or `calls` is invalid.

    Raises:
        InputError: there is no query, or `calls` is below 1.
        InputTypeError: the scorer is not callable.
    """
    if scorer is None:
        if calls is not None:
            raise InputError("calls is given without a scorer; expected scorer=... as well")
        return None
    if not callable(scorer):
        raise InputTypeError(
            f"scorer is {a_type(scorer)}; expected a function (query, texts) -> scores"
        )
    if not question.texts:
        raise InputError("a scorer is given without a query; expected query='...' as well")
    if calls is not None and (isinstance(calls, bool) or not isinstance(calls, int) or calls < 1):
        raise InputError(f"calls is {calls!r}; expected the most texts the scorer may see, from 1")
    checked: Scorer = scorer
    return checked


def verify(
    table: Candidates,
    question: Question,
    features: _native.SpanFeatures,
    scorer: Scorer,
    limit: int,
    calls: int | None = None,
) -> None:
    """Correct `segment_density`, `relevance` and `density` with a scorer; add `scored`.

    Spans are scored in the order of the expected gain of evidence in the window, in batches, each
    text once. After each batch the values of the other spans are predicted again from the scores.
    Scoring stops if all spans fit into `limit` tokens, if no call is expected to gain `GAIN`, or
    after `calls` texts.

    Scores between 0 and 1 are used as densities. Other scores only determine an order: the span
    with the best score gets the highest predicted value of the scored spans, and so on.

    Raises:
        InputError: the scorer did not return one finite score per text.
    """
    density = table.segment_density[: len(features)].copy()
    drafted = density.copy()
    scores = np.full(len(density), np.nan)
    texts = table.segment_texts[: len(density)]
    number: dict[str, int] = {}
    same = np.array([number.setdefault(text, len(number)) for text in texts], dtype=np.intp)
    said = np.array([bool(text) for text in texts])  # False for names of sources
    most = max(1, round(SHARE * len(number))) if calls is None else calls
    batch = max(1, -(-most // BATCHES))
    scored = 0
    while scored < most:
        ask = _next_to_score(table, density, scores, limit)
        ask = ask[said[ask]]
        _, first = np.unique(same[ask], return_index=True)  # each text once
        ask = ask[np.sort(first)][: min(batch, most - scored)]
        if not len(ask):
            break
        answers = np.full(len(number), np.nan)
        answers[same[ask]] = _scores(scorer, question.texts[0], [texts[s] for s in ask])
        answered = np.isfinite(answers[same])
        scores[answered] = answers[same][answered]
        scored += len(ask)
        known = np.isfinite(scores)
        density[known] = _as_density(scores[known], drafted[known])
        revised = model().revise(features, density.astype(np.float32))
        density[~known] = as_density(features, revised)[~known]
    table.segment_density[: len(features)] = density
    table.scored_count = scored
    add_chunk_density(table)


def _next_to_score(
    table: Candidates, density: NDArray[np.float64], scores: NDArray[np.float64], limit: int
) -> NDArray[np.intp]:
    """Return the spans to score next, the greatest expected gain first; empty if none can gain.

    An answer can change the window in two ways. A span left out may be evidence and displace the
    span of the lowest density. A selected span may not be evidence and be displaced (the knowledge
    gradient of Frazier, Powell and Dayanik 2008, for binary answers). The more evidence is known or
    expected, the less a further token counts.
    """
    lengths = table.segment_tokens[: len(density)].astype(np.float64)
    order = np.argsort(-density, kind="stable")
    last = int(np.searchsorted(np.cumsum(lengths[order]), limit, side="right"))
    if last == len(order):
        return np.zeros(0, dtype=np.intp)  # everything fits
    least = density[order[last]]  # the density at the margin of the window
    change = np.where(density < least, density * (1 - least), (1 - density) * least)
    expected = max(FEW, float(density @ lengths))
    gain = change * lengths * (USUAL / expected) ** SHARED
    gain[np.isfinite(scores)] = -1.0  # already scored
    order = np.argsort(-gain, kind="stable")
    scored: NDArray[np.intp] = order[gain[order] >= GAIN]
    return scored


def _scores(scorer: Scorer, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
    answer = scorer(query, texts)  # exceptions of the scorer are passed on to the caller
    try:
        scores = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputTypeError(
            f"scorer did not return numbers ({error}); expected one number per text"
        ) from error
    if scores.shape != (len(texts),) or not np.isfinite(scores).all():
        raise InputError(
            f"scorer returned an array of shape {scores.shape} for {len(texts)} texts; expected "
            f"one finite number per text"
        )
    return scores


def _as_density(scores: NDArray[np.float64], drafted: NDArray[np.float64]) -> NDArray[np.float64]:
    if scores.min() >= 0 and scores.max() <= 1:
        return np.maximum(FLOOR, scores)
    density = np.empty(len(scores))
    density[np.argsort(-scores, kind="stable")] = np.sort(drafted)[::-1]
    return density

"""Draft, then verify: ask a costly scorer only where its answer could change the window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.errors import InputError, InputTypeError
from ctxmem.schema import Candidates, Scorer
from ctxmem.value.question import Question
from ctxmem.value.spans import FLOOR, add_chunk_worth, model

BATCHES = 7
"""Batches that the calls are spent in: after each, the rest is drafted again."""

SHARE = 0.6
"""Share of the spans that are asked about at most, where no number of calls is given."""

GAIN = 0.022
"""Tokens of evidence that an answer must be expected to add to the window, to be asked for, where
`USUAL` tokens of evidence are expected in all."""

USUAL = 100.0
FEW = 30.0
"""Tokens of evidence below which an expectation is not trusted: a question has some answer."""

SHARED = 0.4
"""What counts is the share of the evidence that a window has (a power of 1 of what is expected in
all), but what is expected is uncertain (a power of 0)."""


def read_scorer(scorer: Any, calls: int | None, question: Question) -> Scorer | None:
    """Return the scorer, or raise what is wrong with it.

    Raises:
        InputError: no query to score for, or a number of calls below 1.
        InputTypeError: a scorer that cannot be called.
    """
    if scorer is None:
        if calls is not None:
            raise InputError("calls is given without a scorer; expected scorer=... as well")
        return None
    if not callable(scorer):
        raise InputTypeError(
            f"scorer is a {type(scorer).__name__}; expected a function (query, texts) -> scores"
        )
    if not question.texts:
        raise InputError("a scorer is given without a query; expected query='...' as well")
    if calls is not None and (isinstance(calls, bool) or not isinstance(calls, int) or calls < 1):
        raise InputError(f"calls is {calls!r}; expected how many texts the scorer may see, from 1")
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
    """Let a scorer correct `segment_worth`, `relevance` and `worth`; add `asked`.

    Spans are asked about in the order of what the answer is expected to add to the window, a batch
    at a time, each text once; each answer counts as evidence for the spans around, which are
    drafted again. Asking stops when all would fit into `limit` tokens, when no answer is expected
    to change the window by `GAIN`, or when the calls are spent.

    Scores from 0 to 1 are taken as the worth of a token. Others only order: the best-scored span
    gets the highest drafted worth among those asked about, and so on.

    Raises:
        InputError: as many scores as texts were expected, all finite.
    """
    worth = table.segment_worth[: len(features)].copy()
    drafted = worth.copy()
    scores = np.full(len(worth), np.nan)
    texts = table.segment_texts[: len(worth)]
    number: dict[str, int] = {}
    same = np.array([number.setdefault(text, len(number)) for text in texts], dtype=np.intp)
    said = np.array([bool(text) for text in texts])  # names of sources are none of the text
    most = max(1, round(SHARE * len(number))) if calls is None else calls
    batch = max(1, -(-most // BATCHES))
    asked = 0
    while asked < most:
        ask = _worth_asking(table, worth, scores, limit)
        ask = ask[said[ask]]
        _, first = np.unique(same[ask], return_index=True)  # one of each text
        ask = ask[np.sort(first)][: min(batch, most - asked)]
        if not len(ask):
            break
        answers = np.full(len(number), np.nan)
        answers[same[ask]] = _scores(scorer, question.texts[0], [texts[s] for s in ask])
        told = np.isfinite(answers[same])
        scores[told] = answers[same][told]
        asked += len(ask)
        known = np.isfinite(scores)
        worth[known] = _as_worth(scores[known], drafted[known])
        revised = model().revise(features, worth.astype(np.float32)).astype(np.float64)
        worth[~known] = FLOOR + (1 - FLOOR) * revised[~known]
    table.segment_worth[: len(features)] = worth
    table.asked = asked
    add_chunk_worth(table)


def _worth_asking(
    table: Candidates, worth: NDArray[np.float64], scores: NDArray[np.float64], limit: int
) -> NDArray[np.intp]:
    """Return the spans to ask about next, best first; none where nothing can change any more.

    An answer changes the window in one of two ways: what is left out turns out to be evidence, and
    displaces what is worth least; or what is taken turns out to be none, and makes room for it
    (the knowledge gradient of Frazier, Powell and Dayanik 2008, for answers of yes or no). Where
    much evidence is known or expected, a little more of it matters less.
    """
    lengths = table.segment_tokens[: len(worth)].astype(np.float64)
    order = np.argsort(-worth, kind="stable")
    last = int(np.searchsorted(np.cumsum(lengths[order]), limit, side="right"))
    if last == len(order):
        return np.zeros(0, dtype=np.intp)  # all of it fits
    least = worth[order[last]]  # of what the window holds
    change = np.where(worth < least, worth * (1 - least), (1 - worth) * least)
    expected = max(FEW, float(worth @ lengths))
    gain = change * lengths * (USUAL / expected) ** SHARED
    gain[np.isfinite(scores)] = -1.0  # known
    order = np.argsort(-gain, kind="stable")
    asked: NDArray[np.intp] = order[gain[order] >= GAIN]
    return asked


def _scores(scorer: Scorer, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
    answer = scorer(query, texts)  # what it raises is its author's to read
    try:
        scores = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputTypeError(
            f"scorer returned something else than numbers ({error}); expected a number a text"
        ) from error
    if scores.shape != (len(texts),) or not np.isfinite(scores).all():
        raise InputError(
            f"scorer returned an array of shape {scores.shape} for {len(texts)} texts; expected a "
            f"finite number a text"
        )
    return scores


def _as_worth(scores: NDArray[np.float64], drafted: NDArray[np.float64]) -> NDArray[np.float64]:
    if scores.min() >= 0 and scores.max() <= 1:
        return np.maximum(FLOOR, scores)
    worth = np.empty(len(scores))
    worth[np.argsort(-scores, kind="stable")] = np.sort(drafted)[::-1]
    return worth

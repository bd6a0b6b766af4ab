"""Draft, then verify: few calls, well spent; answers of any scale; wrong answers told."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ctxmem import Chunk, InputError, InputTypeError, pack
from ctxmem.value.verify import _next_to_score

TOPICS = "harbour glacier orchard violin cement satellite pepper lantern walrus saddle".split()
CHUNKS = [
    Chunk(
        f"The {t} was seen in town {i}. Nobody spoke of the {t} at noon. It left with box {i}.",
        score=1 - i / 100,
    )
    for i, t in enumerate(TOPICS * 2)
]
QUERY = "who was seen in town"


class Judge:
    """A scorer that remembers what it was asked."""

    def __init__(self, score):
        self.score = score
        self.asked = []

    def __call__(self, query, texts):
        assert query == QUERY
        self.asked += list(texts)
        return [self.score(text) for text in texts]


@pytest.mark.parametrize("calls", [1, 3, 10, 10**9])
def test_at_most_so_many_texts_are_asked_about_and_none_twice(calls):
    judge = Judge(lambda text: 0.5)
    window = pack(CHUNKS, 60, query=QUERY, scorer=judge, calls=calls)
    assert 1 <= len(judge.asked) == window.scored_count <= min(calls, window.passages)
    assert all(any(text in c.text for c in CHUNKS) for text in judge.asked)


def test_six_in_ten_are_asked_about_at_most_where_nothing_is_said():
    judge = Judge(lambda text: 0.5)
    window = pack(CHUNKS, 60, query=QUERY, scorer=judge)
    assert 1 <= window.scored_count <= window.passages * 0.6 + 1
    assert (
        f"scored {window.scored_count} of {window.passages} sentences and blocks"
        in window.explain()
    )


def test_nothing_is_asked_when_all_fits():
    judge = Judge(lambda text: 0.5)
    window = pack(CHUNKS, 10_000, query=QUERY, scorer=judge)
    assert judge.asked == []
    assert window.scored_count == 0
    assert "scorer" not in window.explain()


def test_scores_from_0_to_1_are_taken_as_density():
    judge = Judge(lambda text: 1.0 if "saddle" in text else 0.0)
    window = pack(CHUNKS, 30, query=QUERY, scorer=judge, calls=10**9)
    assert "saddle" in window.pieces[0].text
    best = max(window.pieces, key=lambda piece: piece.relevance)
    assert best.relevance == 1.0


@pytest.mark.parametrize("scale", [(10.0, -10.0), (1e300, -1e300), (2.0, 1.5)])
def test_scores_of_another_scale_order_what_was_drafted(scale):
    high, low = scale
    judge = Judge(lambda text: high if "saddle" in text else low)
    window = pack(CHUNKS, 30, query=QUERY, scorer=judge, calls=10**9)
    assert "saddle" in max(window.pieces, key=lambda piece: piece.relevance).text
    assert all(0 <= piece.relevance <= 1 for piece in window.pieces)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (lambda texts: [0.5] * (len(texts) - 1), InputError, "expected one finite number per text"),
        (lambda texts: [[0.5]] * len(texts), InputError, r"an array of shape \(\d+, 1\)"),
        (lambda texts: 0.5, InputError, r"an array of shape \(\)"),
        (lambda texts: [float("nan")] * len(texts), InputError, "one finite number"),
        (lambda texts: [float("inf")] * len(texts), InputError, "one finite number"),
        (lambda texts: "high", InputTypeError, "did not return numbers"),
        (lambda texts: {}, InputTypeError, "did not return numbers"),
        (lambda texts: [10**400] * len(texts), InputTypeError, "did not return numbers"),
        (lambda texts: (0.5 for _ in texts), InputTypeError, "did not return numbers"),
    ],
)
def test_wrong_answers_are_told(answer, error, message):
    with pytest.raises(error, match=message):
        pack(CHUNKS, 60, query=QUERY, scorer=lambda query, texts: answer(texts))


def test_what_a_scorer_raises_is_raised():
    def broken(query, texts):
        raise TypeError("missing argument of its own")

    with pytest.raises(TypeError, match="of its own") as caught:
        pack(CHUNKS, 60, query=QUERY, scorer=broken)
    assert not isinstance(caught.value, InputTypeError)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scorer": len}, InputError, "without a query"),
        ({"scorer": 3, "query": QUERY}, InputTypeError, "scorer is an int; expected a function"),
        ({"scorer": len, "query": QUERY, "calls": 0}, InputError, "calls is 0"),
        ({"scorer": len, "query": QUERY, "calls": "x"}, InputError, "calls is 'x'"),
        ({"scorer": len, "query": QUERY, "calls": 2.5}, InputError, "calls is 2.5"),
        ({"calls": 3, "query": QUERY}, InputError, "calls is given without a scorer"),
    ],
)
def test_bad_scorers_are_named(options, error, message):
    with pytest.raises(error, match=message):
        pack(CHUNKS, 60, **options)


@pytest.fixture
def drafted():
    """Ten spans of ten tokens each, with densities from .95 down to .05."""
    density = np.linspace(0.95, 0.05, 10)
    return SimpleNamespace(segment_tokens=np.full(10, 10)), density


def test_what_stands_at_the_margin_is_asked_about_first(drafted):
    table, density = drafted
    # Five fit: the sixth, of density .45, is the lowest that an answer could bring in or put out.
    # Above it, the chance to make room counts; below it, the chance to come in: .2475 of a token at
    # the sixth, then .2025, .1925, .1575, .1375 ...
    asked = _next_to_score(table, density, np.full(10, np.nan), 50)
    assert asked.tolist() == [5, 4, 6, 3, 7, 2, 8, 1, 9, 0]


def test_of_two_alike_the_longer_is_asked_about_first(drafted):
    table, density = drafted
    table.segment_tokens[8] = 100
    assert _next_to_score(table, density, np.full(10, np.nan), 50)[0] == 8


def test_what_is_known_and_what_cannot_matter_is_not_asked_about(drafted):
    table, density = drafted
    density[7:] = 1e-4
    scores = np.full(10, np.nan)
    scores[5] = 0.2
    asked = _next_to_score(table, density, scores, 50)
    assert 5 not in asked and not set(asked) & {7, 8, 9}

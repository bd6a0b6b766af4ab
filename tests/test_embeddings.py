"""Groups by embedding: exact groups where all is compared, and only when asked for."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxmem import Chunk, InputError, InputTypeError, MissingExtraError, Reason, pack
from ctxmem.dedup import embeddings
from ctxmem.dedup.embeddings import embedding_groups


def slow_groups(vectors, threshold):
    """Return representatives by comparing each vector with every earlier representative."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    groups: list[int] = []
    representative = []
    for i, row in enumerate(rows):
        near = [s for s in groups if float(rows[s] @ row) >= threshold]
        representative.append(near[0] if near else i)
        if not near:
            groups.append(i)
    return representative


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 5), st.sampled_from([0.5, 0.9]), st.integers(0, 99))
def test_groups_equal_their_slow_twin(count, width, threshold, seed):
    rng = np.random.default_rng(seed)
    # A coarse grid, so that many are equal and none is a rounding error from the threshold.
    vectors = rng.integers(-2, 3, (count, width)).astype(np.float32)
    cosines = vectors @ vectors.T
    norms = np.linalg.norm(vectors, axis=1)
    with np.errstate(all="ignore"):
        cosines = cosines / norms / norms[:, None]
    if (np.abs(cosines - threshold) < 1e-5).any():
        return
    assert slow_groups(vectors, threshold) == embedding_groups(vectors, threshold)[0].tolist()


def test_similarities_are_cosines_to_the_representative():
    representative, similarity = embedding_groups([[1, 0], [3, 4], [0.9, 0.1]], 0.55)
    assert representative.tolist() == [0, 0, 0]
    assert similarity.tolist() == pytest.approx([1, 0.6, 0.9 / np.hypot(0.9, 0.1)], rel=1e-6)


def test_beyond_the_flat_size_a_graph_finds_nearly_all(monkeypatch):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 32))
    vectors = np.repeat(centres, 25, axis=0) + rng.normal(scale=0.02, size=(1000, 32))
    exact = embedding_groups(vectors, 0.9)[0]
    monkeypatch.setattr(embeddings, "FLAT", 100)
    found, similarity = embedding_groups(vectors, 0.9)
    assert (found == exact).mean() > 0.95
    assert (similarity >= 0.9).all()


def test_a_flood_of_equal_vectors_is_one_star():
    assert set(embedding_groups(np.ones((20_000, 8)), 0.9)[0].tolist()) == {0}


@pytest.mark.parametrize(
    ("vectors", "threshold", "error", "message"),
    [
        ([1, 2], 0.9, InputError, "shape .* expected one row a text"),
        ([[1, float("nan")]], 0.9, InputError, "embedding 0 has entries that are not finite"),
        ([["a"]], 0.9, InputTypeError, "not numbers"),
        ([[1, 2]], 1.5, InputError, "threshold is 1.5"),
    ],
)
def test_bad_input_is_named(vectors, threshold, error, message):
    with pytest.raises(error, match=message):
        embedding_groups(vectors, threshold)


def test_without_faiss_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match="pip install faiss-cpu"):
        embedding_groups([[1, 0]], 0.9)


def paraphrases():
    return [
        Chunk("The cat sat on the mat.", id="a", rank=0, embedding=[1.0, 0.0]),
        Chunk("A feline rested upon a rug.", id="b", rank=1, embedding=[0.99, 0.05]),
        Chunk("It rained in 1987.", id="c", rank=2, embedding=[1.0, 0.01]),
    ]


def test_paraphrases_are_folded_only_when_asked_for():
    assert all(decision.kept for decision in pack(paraphrases(), 100).decisions)
    window = pack(paraphrases(), 100, similar=0.95)
    a, b, c = window.decisions
    assert (a.kept, b.kept, c.kept) == (True, False, True)  # c has a number of its own
    assert (b.reason, b.represented_by) == (Reason.SIMILAR, "a")
    assert "100% similar by embedding" in b.detail
    assert "similar: version of a" in window.explain()


def test_embeddings_of_two_sizes_are_refused():
    chunks = [Chunk("a", embedding=[1.0]), Chunk("b", embedding=[1.0, 2.0])]
    with pytest.raises(InputError, match="expected one size for all"):
        pack(chunks, 100, similar=0.9)

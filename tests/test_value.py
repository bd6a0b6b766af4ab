"""What a passage is worth: BM25 against its slow twin, evidence by hand."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from ctxmem import Chunk, _native, dedup, intake, value
from ctxmem.dedup import cut_segments

texts = st.lists(st.text("ab cdé 東12.-", max_size=30), min_size=1, max_size=8)


@given(texts, st.lists(st.text("ab cdé 東12", max_size=12), min_size=1, max_size=3))
def test_bm25_equals_its_slow_twin(documents, queries):
    expected = reference.bm25(documents, queries)
    scores = _native.bm25(documents, queries)
    np.testing.assert_allclose(scores, expected, rtol=1e-12, atol=1e-12)


def test_bm25_of_a_hand_written_case():
    # df = 1 of 2, length = mean: idf = log(1 + 1.5 / 1.5), tf part = 1
    scores = _native.bm25(["red fox", "blue sky"], ["fox"])
    assert scores[:, 0].tolist() == pytest.approx([np.log(2), 0])


@given(st.text("aB é東京กข1_-’'\u0301 \n", max_size=40))
def test_words_equal_their_slow_twin(text):
    expected = reference.split_words(text)
    hashes = _native.words(text).tolist()
    assert len(expected) == len(hashes)
    assert len(set(zip(expected, hashes, strict=True))) == len(set(expected)) == len(set(hashes))


def test_words_by_hand():
    def same(a, b):
        return _native.words(a).tolist() == _native.words(b).tolist()

    assert same("Hello, WORLD!", "hello world")
    assert same("foo_bar-baz", "foo bar baz")
    assert len(_native.words("東京タワー")) == 5  # no spaces: each letter is a word
    assert len(_native.words("don't")) == 2
    assert len(_native.words("... --- \u3000")) == 0


def table_of(chunks, query=None, **options):
    options = {"query": query, **options}
    table = intake.read(chunks)
    dedup.find_repeats(table)
    value.add_evidence(table)
    dedup.group(table, True)
    cut_segments(table)
    value.estimate(table, value.read_question(**options))
    return table


def test_every_hit_adds_its_reciprocal_rank():
    table = table_of([Chunk("a", rank=0), Chunk("b", rank=4), Chunk("a", rank=9, list="x")])
    assert table.evidence.tolist() == pytest.approx([1 / 61 + 1 / 70, 1 / 65, 1 / 61 + 1 / 70])
    assert table.hits.tolist() == [2, 1, 2]


def test_scores_rank_within_their_own_list():
    chunks = [
        Chunk("a", score=900.0, list="bm25"),
        Chunk("b", score=100.0, list="bm25"),
        Chunk("c", score=0.9, list="cosine"),
        Chunk("d", score=0.1, list="cosine"),
    ]
    a, b, c, d = table_of(chunks).relevance.tolist()
    assert a == c > b == d


def test_equal_scores_are_equally_relevant():
    assert len(set(table_of([Chunk(t, score=0.5) for t in "abc"]).relevance.tolist())) == 1


def test_without_any_evidence_all_are_alike():
    assert table_of([Chunk("a"), Chunk("b")]).relevance.tolist() == [1, 1]

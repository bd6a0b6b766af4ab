"""The value of a passage: BM25 against its slow twin, evidence by hand."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import reference_value
from hypothesis import given
from hypothesis import strategies as st

from ctxmem import Chunk, CtxmemWarning, _native, _testing, dedup, intake, pack, value
from ctxmem.outline import cut_segments

texts = st.lists(st.text("ab cdé 東12.-", max_size=30), min_size=1, max_size=8)


@given(texts, st.lists(st.text("ab cdé 東12", max_size=12), min_size=1, max_size=3))
def test_bm25_equals_its_slow_twin(documents, queries):
    expected = reference_value.bm25(documents, queries)
    scores = _native.bm25(documents, queries)
    np.testing.assert_allclose(scores, expected, rtol=1e-12, atol=1e-12)


def test_bm25_of_a_hand_written_case():
    # df = 1 of 2, length = mean: idf = log(1 + 1.5 / 1.5), tf part = 1
    scores = _native.bm25(["red fox", "blue sky"], ["fox"])
    assert scores[:, 0].tolist() == pytest.approx([np.log(2), 0])


@given(st.text("aB é東京กข1_-’'\u0301 \n", max_size=40))
def test_words_equal_their_slow_twin(text):
    expected = reference.split_words(text)
    hashes = _testing.words(text).tolist()
    assert len(expected) == len(hashes)
    assert len(set(zip(expected, hashes, strict=True))) == len(set(expected)) == len(set(hashes))


def test_words_by_hand():
    def same(a, b):
        return _testing.words(a).tolist() == _testing.words(b).tolist()

    assert same("Hello, WORLD!", "hello world")
    assert same("foo_bar-baz", "foo bar baz")
    assert len(_testing.words("東京タワー")) == 5  # no spaces: each letter is a word
    assert len(_testing.words("don't")) == 2
    assert len(_testing.words("... --- \u3000")) == 0


def table_of(chunks, query=None, **options):
    options = {"query": query, **options}
    table = intake.read(chunks)
    dedup.find_repeats(table)
    value.add_rank_fusion(table)
    dedup.group(table, True)
    cut_segments(table)
    value.estimate(table, value.read_question(**options))
    return table


def test_every_hit_adds_its_reciprocal_rank():
    table = table_of([Chunk("a", rank=0), Chunk("b", rank=4), Chunk("a", rank=9, list="x")])
    assert table.rrf_score.tolist() == pytest.approx([1 / 61 + 1 / 70, 1 / 65, 1 / 61 + 1 / 70])
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


def hits(scores, name="faiss", ranks=None):
    return [
        Chunk(f"{name} {k}", score=score, rank=k if ranks is None else ranks[k], list=name)
        for k, score in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("scores", "ranks"),
    [
        ([0.1, 0.2, 0.4], None),
        ([0.1, 0.2, 0.2, 0.4], None),  # ties
        ([1.0, 1.0, 1.0, 3.0, 2.0, 3.0], None),  # .83, where ties share the mean of their places
        ([0.1, 0.3, 0.2, 0.4], None),  # neighbours swapped, as an approximate index does
        ([-3.0, -2.0, -1.0], None),
        ([0.4, 0.1, 0.2], [2, 0, 1]),  # the input's order means nothing
        ([0.1, 0.2, 0.4], [0, 7, 50]),
    ],
)
def test_scores_that_rise_with_the_ranks_are_distances(scores, ranks):
    with pytest.warns(CtxmemWarning, match="ranks of 'faiss', so they were read as distances"):
        distances = table_of(hits(scores, ranks=ranks))
    similarities = table_of(hits([-score for score in scores], ranks=ranks))
    assert distances.score.tolist() == similarities.score.tolist() == [-score for score in scores]
    assert distances.relevance.tolist() == similarities.relevance.tolist()


@pytest.mark.parametrize(
    ("scores", "ranks"),
    [
        ([0.4, 0.2, 0.1], None),  # similarities
        ([0.1, 0.2], None),  # two may rise by chance
        ([0.1, 0.1, 0.2, 0.2], None),  # too few distinct scores
        ([0.1, 0.4, 0.3, 0.2], None),  # another retriever's order
        ([0.1, 0.2, 0.4], [0, 0, 0]),
        ([0.1, 0.2, 0.4], [None, None, None]),  # without ranks it can not be told
    ],
)
def test_other_scores_are_read_as_they_are(scores, ranks):
    assert table_of(hits(scores, ranks=ranks)).score.tolist() == scores


def test_distances_are_told_list_by_list_and_warned_of_once():
    chunks = hits([0.1, 0.2, 0.4]) + hits([9.0, 5.0, 1.0], "bm25") + hits([1.0, 2.0, 3.0], None)
    with pytest.warns(CtxmemWarning) as warned:
        pack(chunks, 50, counter=lambda text: len(text.split()))
    assert [w.filename for w in warned] == [__file__]
    assert "the ranks of 'faiss', hits without a list, so" in str(warned[0].message)
    assert "give similarities (-distance or 1 - distance)" in str(warned[0].message)


def test_pairs_in_order_with_distances_are_packed_as_with_similarities():
    texts = ["The fee is due in May.", "Bananas are yellow.", "The lift is out of order."]
    options = {"ranked": True, "query": "When is rent paid?", "counter": lambda t: len(t.split())}
    with pytest.warns(CtxmemWarning, match="read as distances"):
        distances = pack(list(zip(texts, [0.2, 0.7, 0.9], strict=True)), 6, **options)
    similar = pack(list(zip(texts, [0.8, 0.3, 0.1], strict=True)), 6, **options)
    assert distances.text == similar.text == "The fee is due in May."


def test_equal_scores_are_equally_relevant():
    assert len(set(table_of([Chunk(t, score=0.5) for t in "abc"]).relevance.tolist())) == 1


def test_without_any_evidence_all_are_alike():
    assert table_of([Chunk("a"), Chunk("b")]).relevance.tolist() == [1, 1]


ROWS = [f"{1000 + i},Cust{i},DE,{500 + 50 * i},active" for i in range(24)]
HEADER = "id,name,country,limit_eur,status"


@pytest.mark.parametrize("budget", [40, 60, 100, 150])
@pytest.mark.parametrize(
    "query", ["What is the limit of Cust17?", "What limit has customer 1017?", "Cust17"]
)
def test_a_row_that_names_what_is_asked_for_is_shown_without_its_header(query, budget):
    hits = ["\n".join(ROWS[12:]), "\n".join([HEADER, *ROWS[:12]])]
    assert ROWS[17] in pack(hits, budget, query=query, ranked=True).text


def test_a_row_without_a_header_and_without_words_of_the_query_has_almost_no_value():
    hits = ["\n".join(ROWS[12:]), "The limit of a new customer is 400 euros."]
    table = table_of(hits, "What is the limit of a new customer?")
    headless = (table.segment_flags & value.spans.HEADLESS) != 0
    assert headless.sum() == 12 and table.segment_density[headless].max() < 0.01
    assert table.segment_density.max() > 0.3

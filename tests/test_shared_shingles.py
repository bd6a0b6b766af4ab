"""The quick look at many groups of texts, against brute force and against the exact join."""

from __future__ import annotations

import random

import numpy as np
import pytest
import reference_dedup
from hypothesis import given
from hypothesis import strategies as st
from sample_texts import hostile_text

from ctxmem import _native
from ctxmem.dedup import find_near_duplicates, overlaps, share_words

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8).map(" ".join)


@given(st.lists(st.tuples(WORDS, st.integers(0, 2)), max_size=12), st.integers(1, 4))
def test_groups_share_shingles_exactly_where_brute_force_finds_one(rows, ngram):
    texts, group = [text for text, _ in rows], [number for _, number in rows]
    expected = reference_dedup.share_shingles(texts, group, ngram)
    assert share_words(texts, group, ngram=ngram).tolist() == expected


@given(st.lists(hostile_text, max_size=6))
def test_hostile_texts_share_what_brute_force_says(texts):
    expected = reference_dedup.share_shingles(texts, [0] * len(texts), 3)
    assert share_words(texts, np.zeros(len(texts))).tolist() == expected


def test_a_group_that_shares_nothing_has_no_near_duplicates_at_any_threshold():
    rng = random.Random(3)
    found = {True: 0, False: 0}
    for _ in range(300):
        texts = [" ".join(rng.choices("abcdefgh", k=9)) for _ in range(rng.randint(1, 4))]
        shared = bool(share_words(texts, [0] * len(texts)).any())
        found[shared] += 1
        if not shared:
            assert find_near_duplicates(texts, 0.001) == []
    assert min(found.values()) > 30


def test_only_texts_of_one_group_are_compared():
    texts = [
        "a cat sat on the mat",
        "a dog lay here now",
        "a cat sat on the mat",
        "no words shared",
    ]
    assert share_words(texts, [0, 0, 1, 1]).tolist() == [False] * 4
    assert share_words(texts, [0, 0, 0, 1]).tolist() == [True, True, True, False]
    assert [row[:2] for row in overlaps(texts, 8)] == [(0, 2)]
    assert overlaps(texts, 8, [0, 0, 1, 1]) == []


def test_a_shingle_that_one_text_repeats_is_not_shared():
    assert not share_words(["one two three one two three", "four five six"], [0, 0]).any()


def test_groups_of_another_length_than_the_texts_are_refused():
    with pytest.raises(ValueError, match="as many groups as texts"):
        _native.share_shingles(["a"], np.zeros(2, np.int32), 3)
    with pytest.raises(ValueError, match="ngram must be at least 1"):
        share_words(["a"], [0], ngram=0)

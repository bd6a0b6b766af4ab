"""The exact join against brute force, on one thread and on many."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import reference
import reference_dedup
from cpp_build import COUNT_BLOCKS, compile_and_run
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_dedup import as_rows
from sample_texts import (
    FOX,
    MODES,
    NGRAMS,
    PROSE,
    THRESHOLDS,
    edited,
    edited_prose,
    few_words,
    hostile_text,
    passages,
)

from ctxmem import _native, _testing
from ctxmem.dedup import find_near_duplicates

# The oracle


@pytest.mark.parametrize("ngram", NGRAMS)
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize(("characters", "containment"), MODES)
def test_pairs_of_real_text_are_exactly_those_of_brute_force(
    threshold, ngram, characters, containment
):
    texts = passages(120, 60, seed=ngram)
    expected = reference_dedup.near_duplicate_pairs(
        texts, threshold, ngram, characters=characters, containment=containment
    )
    actual = as_rows(
        *_testing.near_duplicate_pairs(texts, threshold, ngram, characters, containment)
    )
    assert expected == actual
    assert len(expected) > 5


@pytest.mark.parametrize("ngram", NGRAMS)
@pytest.mark.parametrize(("characters", "containment"), MODES)
def test_groups_of_real_text_are_exactly_those_of_brute_force(ngram, characters, containment):
    texts = passages(120, 60, seed=10 + ngram)
    priority = np.random.default_rng(ngram).integers(0, 9, len(texts)).astype(float)
    for threshold in THRESHOLDS:
        expected = reference_dedup.near_duplicate_groups(
            texts, priority, threshold, ngram, characters=characters, containment=containment
        )
        actual = as_rows(
            *_native.near_duplicate_groups(
                texts, priority, threshold, ngram, characters, containment
            )
        )
        assert expected == actual


@pytest.mark.parametrize("script", sorted(PROSE))
@pytest.mark.parametrize(("characters", "containment"), MODES)
def test_prose_of_every_script_agrees_with_brute_force(script, characters, containment):
    texts = edited_prose(script)
    for threshold, ngram in itertools.product(THRESHOLDS, NGRAMS):
        rows = as_rows(
            *_testing.near_duplicate_pairs(texts, threshold, ngram, characters, containment)
        )
        assert rows == reference_dedup.near_duplicate_pairs(
            texts, threshold, ngram, characters=characters, containment=containment
        )
        # No empty sets, not everything equal: some pairs are alike, most are not.
        assert 0 < len(rows) < len(texts) * (len(texts) - 1) // 4 or ngram == 1


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(hostile_text | few_words, max_size=14),
    threshold=st.sampled_from([*THRESHOLDS, 0.05, 1 / 3, 1.0]),
    ngram=st.sampled_from([*NGRAMS, 2**31 - 1]),
    mode=st.sampled_from(MODES),
    seed=st.integers(0, 99),
)
def test_any_text_agrees_with_brute_force(texts, threshold, ngram, mode, seed):
    options = dict(zip(("characters", "containment"), mode, strict=True))
    pairs = _testing.near_duplicate_pairs(texts, threshold, ngram, **options)
    expected = reference_dedup.near_duplicate_pairs(texts, threshold, ngram, **options)
    assert expected == as_rows(*pairs)
    priority = np.random.default_rng(seed).integers(0, 4, len(texts)).astype(float)
    groups = _native.near_duplicate_groups(texts, priority, threshold, ngram, **options)
    expected_groups = reference_dedup.near_duplicate_groups(
        texts, priority, threshold, ngram, **options
    )
    assert expected_groups == as_rows(*groups)


@pytest.mark.parametrize("containment", [False, True])
def test_a_join_too_large_for_one_table_finds_the_same_pairs(containment):
    # So many shingles that they are counted part by part, and the lists built so.
    asked = passages(150, 60, seed=21)
    rng = random.Random(4)
    vocabulary = [f"w{i}" for i in range(5000)]
    others = [" ".join(rng.choices(vocabulary, k=160)) for _ in range(8000)]
    others += [text + " tail" for text in others[:3000]]
    rows = as_rows(*_testing.near_duplicate_pairs(asked + others, 0.5, 3, containment=containment))
    expected = reference_dedup.near_duplicate_pairs(asked, 0.5, 3, containment=containment)
    assert expected == [row for row in rows if row[1] < len(asked)]
    tails = [row for row in rows if row[0] >= len(asked)]
    first = range(len(asked), len(asked) + 3000)
    assert [(i, i + 8000) for i in first] == [row[:2] for row in tails]
    priority = np.zeros(len(asked + others))
    groups = _native.near_duplicate_groups(asked + others, priority, 0.5, 3, False, containment)
    one = _native.near_duplicate_groups(asked, priority[: len(asked)], 0.5, 3, False, containment)
    assert as_rows(*one) == as_rows(*groups)[: len(asked)]


@pytest.mark.parametrize("count", [0, 1, 3, 300, 20_000])
def test_threads_change_nothing(count):
    rng = random.Random(count)
    vocabulary = [f"w{i}" for i in range(max(3, 20 * count))]
    texts: list[str] = []
    for _ in range(count):
        if texts and rng.random() < 0.4:
            texts.append(edited(rng.choice(texts), rng))
        else:
            texts.append(" ".join(rng.choices(vocabulary, k=80)))
    priority = np.array([len(text) for text in texts], float)
    for containment in (False, True):
        pairs = [
            as_rows(*_testing.near_duplicate_pairs(texts, 0.4, 2, False, containment, threads))
            for threads in (1, 2, 5)
        ]
        assert pairs[0] == pairs[1] == pairs[2]
        assert (len(pairs[0]) > count // 10) or count < 300
        groups = [
            as_rows(
                *_native.near_duplicate_groups(texts, priority, 0.4, 2, False, containment, threads)
            )
            for threads in (1, 2, 5)
        ]
        assert groups[0] == groups[1] == groups[2]
    some, prio = texts[:3000], priority[:3000]
    sketched = [
        as_rows(*_native.near_duplicate_groups_sketched(some, prio, 0.4, 2, threads=threads))
        for threads in (1, 2, 5)
    ]
    assert sketched[0] == sketched[1] == sketched[2]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | hostile_text, st.integers(0, 40))
def test_words_begin_and_end_where_the_twin_says(text, padding):
    # Padding moves the text against the blocks that the fast path reads.
    padded = "x" * padding + text
    words = reference.split_words(padded)
    hashes = _testing.words(padded).tolist()
    assert len(words) == len(hashes)
    assert [_testing.words(word).tolist() for word in words] == [[h] for h in hashes]


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(st.text("ab", max_size=12) | st.text("aé中😀", max_size=9), max_size=9),
    sources=st.integers(1, 2),
    min_chars=st.integers(1, 4),
)
def test_overlaps_agree_with_trying_every_offset(texts, sources, min_chars):
    source = np.arange(len(texts), dtype=np.int32) % sources
    expected = reference_dedup.text_overlaps(texts, source.tolist(), min_chars)
    assert expected == as_rows(*_native.text_overlaps(texts, source, min_chars))


@st.composite
def slices(draw):
    """Slices of one text, some with an end of their own, as a splitter with overlap makes them."""
    whole = draw(
        st.text("ab ", min_size=20, max_size=80) | st.text("aé中😀", min_size=20, max_size=60)
    )
    cuts = st.tuples(st.integers(0, len(whole)), st.integers(0, len(whole)))
    own = st.sampled_from(["", "", "x", "é", "ab"])
    return [
        draw(own) + whole[min(cut) : max(cut)] + draw(own)
        for cut in draw(st.lists(cuts, min_size=2, max_size=7))
    ]


@settings(max_examples=300, deadline=None)
@given(texts=slices(), sources=st.integers(1, 2), min_chars=st.integers(5, 20))
def test_overlaps_of_long_texts_agree_with_trying_every_offset(texts, sources, min_chars):
    source = np.arange(len(texts), dtype=np.int32) % sources
    expected = reference_dedup.text_overlaps(texts, source.tolist(), min_chars)
    assert expected == as_rows(*_native.text_overlaps(texts, source, min_chars))


# Cases to check by eye


def test_one_changed_word_of_nine_costs_the_shingles_it_is_in():
    texts = [FOX, FOX.replace("the lazy", "a lazy")]
    left, right, similarity = _testing.near_duplicate_pairs(texts, 0.1, 3)
    # 7 shingles each; "over the lazy", "the lazy dog", "jumps over the" differ: 4 of 10 shared.
    assert as_rows(left, right, similarity) == [(0, 1, 0.4)]


def test_higher_priority_represents_and_ties_go_to_the_first():
    texts = ["a b c d", "a b c d e", "A B C D"]
    taken = _native.near_duplicate_groups(texts, np.array([1.0, 2.0, 1.0]), 0.5, 3)
    assert as_rows(*taken) == [(1, 2 / 3), (1, 1.0), (1, 2 / 3)]
    taken = _native.near_duplicate_groups(texts, np.array([3.0, 2.0, 3.0]), 0.5, 3)
    assert as_rows(*taken) == [(0, 1.0), (0, 2 / 3), (0, 1.0)]


@pytest.mark.parametrize("method", ["exact", "sketch"])
def test_the_text_of_most_characters_represents(method):
    texts = ["é é é ab cd", "é é é ab cd ef", "\N{GRINNING FACE} é é é ab cd ef"]
    (group,) = find_near_duplicates(texts, 0.3, method=method)
    assert group == [0, 1, 2]
    assert group.representative == 2


def test_overlaps_of_a_sliding_window_form_a_chain():
    text = "".join(chr(0x4E00 + i) for i in range(100))
    windows = [text[start : start + 40] for start in range(0, 61, 20)]
    rows = _native.text_overlaps(windows, np.zeros(4, np.int32), 10)
    assert as_rows(*rows) == [(0, 1, 20), (1, 2, 20), (2, 3, 20)]


def test_overlap_is_looked_for_within_a_source_only():
    texts = ["alpha beta gamma", "beta gamma delta", "gamma", "alpha beta gamma"]
    rows = _native.text_overlaps(texts, np.array([1, 1, 2, 1], np.int32), 5)
    assert as_rows(*rows) == [(0, 1, 6), (0, 3, 0)]


def test_a_shared_header_does_not_make_overlaps_quadratic():
    header = "All rights reserved by the company. " * 4
    texts = [f"{header} text number {i} {header}" for i in range(20_000)]
    left, right, _ = _native.text_overlaps(texts, np.zeros(len(texts), np.int32), 20)
    assert len(right) == len(texts)
    assert {0, 1} == set(left.tolist())


def test_a_hundred_thousand_copies_are_each_paired_with_the_first():
    left, right, similarity = _testing.near_duplicate_pairs(["one two three"] * 100_000, 0.5, 3)
    assert not left.any() and list(range(1, 100_000)) == right.tolist()
    assert (similarity == 1.0).all()


def test_the_native_core_refuses_bad_shapes():
    with pytest.raises(ValueError, match="as many priorities"):
        _native.near_duplicate_groups(["a"], np.zeros(2), 0.5, 3)
    with pytest.raises(ValueError, match="threads"):
        _native.near_duplicate_groups(["a"], np.zeros(1), 0.5, 3, threads=0)
    with pytest.raises(ValueError, match="threads"):
        _testing.near_duplicate_pairs(["a"], 0.5, 3, threads=0)
    with pytest.raises(ValueError, match="threads"):
        _native.near_duplicate_groups_sketched(["a"], np.zeros(1), 0.5, 3, threads=0)
    with pytest.raises(ValueError, match="NaN"):
        _native.near_duplicate_groups(["a"], np.array([np.nan]), 0.5, 3)
    with pytest.raises(ValueError, match="as many sources"):
        _native.text_overlaps(["a"], np.zeros(2, np.int32), 1)
    with pytest.raises(ValueError, match="min_chars"):
        _native.text_overlaps(["a"], np.zeros(1, np.int32), 0)


@pytest.mark.parametrize(("words", "threshold"), [(6, 0.1), (8, 0.4), (12, 0.5), (14, 0.8)])
def test_texts_of_few_words_are_all_compared(words, threshold):
    # Lists of hundreds of sets, which are split by the shingles that sets have in common.
    rng = random.Random(words)
    texts = [" ".join(rng.choices("abcdef", k=rng.randint(1, words))) for _ in range(1200)]
    shingles, start = _testing.shingle_sets(texts, 2)
    sets = [frozenset(shingles[a:b].tolist()) for a, b in itertools.pairwise(start.tolist())]
    first = {found: i for i, found in reversed(list(enumerate(sets)))}
    expected = {(first[found], i, 1.0) for i, found in enumerate(sets) if first[found] != i}
    for (a, i), (b, j) in itertools.combinations(sorted(first.items(), key=lambda one: one[1]), 2):
        similarity = len(a & b) / len(a | b)
        if similarity >= threshold:
            expected.add((i, j, similarity))
    assert sorted(expected) == as_rows(*_testing.near_duplicate_pairs(texts, threshold, 2))


NATIVE = [
    "csrc/core/dedup/setjoin.cpp",
    "csrc/core/dedup/join.cpp",
    "csrc/core/dedup/text_sets.cpp",
    "csrc/core/dedup/overlap.cpp",
    "csrc/core/dedup/lsh_index.cpp",
    "csrc/core/dedup/minhash.cpp",
    "csrc/core/dedup/shingles.cpp",
    "csrc/core/dedup/shared_shingles.cpp",
    "csrc/core/text/words.cpp",
    "csrc/kernels/dispatch.cpp",
    "csrc/kernels/level.cpp",
]


@pytest.mark.slow(40)
def test_set_join_is_clean_under_the_sanitizers():
    compile_and_run("test_setjoin", NATIVE)


@pytest.mark.slow(70)
def test_set_join_is_free_of_data_races():
    compile_and_run("test_setjoin", NATIVE, sanitize="thread")


@pytest.mark.slow
def test_the_work_grows_with_a_line_and_no_faster():
    compile_and_run("test_dedup_cost", NATIVE, flags=COUNT_BLOCKS, sanitize="")


def test_words_are_the_same_without_vector_instructions():
    compile_and_run("test_words", ["csrc/core/text/words.cpp"])

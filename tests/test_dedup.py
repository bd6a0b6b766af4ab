"""Near-duplicates: exact against a slow twin, and what pack makes of them."""

from __future__ import annotations

import random

import numpy as np
import pytest
import reference
from cpp_build import compile_and_run
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxmem import InputError, InputTypeError, _native, find_near_duplicates
from ctxmem.dedup import difference, telling_words


def stars(texts, threshold, n):
    order = np.arange(len(texts), dtype=np.int32)
    return _native.near_duplicate_stars(*_native.split_texts(texts), order, threshold, n)


few_words = st.lists(st.sampled_from("a b c d e".split()), max_size=12).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(few_words, max_size=12),
    st.sampled_from([0.3, 0.5, 0.7, 0.85, 1.0]),
    st.sampled_from([1, 2, 3, 5]),
)
def test_stars_equal_their_slow_twin(texts, threshold, n):
    representative, similarity = stars(texts, threshold, n)
    expected = reference.near_duplicate_stars(texts, threshold, n)
    assert expected[0] == representative.tolist()
    np.testing.assert_allclose(similarity, expected[1], rtol=1e-12)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.85])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_stars_of_edited_prose_equal_their_slow_twin(threshold, n):
    rng = random.Random(n)
    texts = []
    for paragraph in np.__doc__.split("\n\n") + random.__doc__.split("\n\n"):
        words = paragraph.split()
        texts.append(paragraph)
        for rate in (0.05, 0.1, 0.3):
            texts.append(" ".join(rng.choice(words) if rng.random() < rate else w for w in words))
    rng.shuffle(texts)
    representative, _ = stars(texts, threshold, n)
    assert reference.near_duplicate_stars(texts, threshold, n)[0] == representative.tolist()


def test_groups_by_hand():
    texts = ["one two three four five", "something else", "One, two, three: four five!", ""]
    assert find_near_duplicates(texts) == [[0, 2]]


def test_groups_are_stars_not_chains():
    a, b, c = "a b c d e f g h", "c d e f g h i j", "e f g h i j k l"
    assert find_near_duplicates([a, b, c], 0.5, ngram=1) == [[0, 1]]


def test_texts_without_words_are_alike_to_none():
    assert find_near_duplicates(["...", "...", "!!!", ""]) == []


def test_scripts_without_spaces_are_compared_by_letter():
    texts = [
        "契約は三十日前の通知で終了する",
        "契約は四十日前の通知で終了する",
        "東京は日本の首都である",
    ]
    assert find_near_duplicates(texts) == [[0, 1]]


def test_a_flood_of_alike_texts_is_one_group():
    texts = [
        f"the same long line of text about nothing at all number {i % 7}" for i in range(20_000)
    ]
    assert [len(group) for group in find_near_duplicates(texts)] == [20_000]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("one text",), {}, InputTypeError, "texts is a str; expected a list of str"),
        ((["a", 3],), {}, InputTypeError, "text 1 is a int"),
        ((["a"], 0), {}, InputError, "threshold is 0; expected a share above 0"),
        ((["a"], float("nan")), {}, InputError, "threshold is nan"),
        ((["a"], "x"), {}, InputTypeError, "threshold is a str"),
        ((["a"],), {"ngram": 0}, InputError, "ngram is 0; expected an int from 1"),
        ((["a"],), {"measure": "cosine"}, InputError, "measure is 'cosine'"),
    ],
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        find_near_duplicates(*arguments, **options)


def test_numbers_dates_and_negations_are_telling():
    assert telling_words("Not before 3 May 2024, won't be 1,200.50!") == [
        "1,200.50",
        "2024",
        "3",
        "not",
        "won't",
    ]
    assert telling_words("It was done by him.") == []


def test_differences_put_numbers_first():
    text = "The late fee is forty euro after 10 days"
    other = "A late charge is due of thirty euro after 9 days"
    assert difference(text, other).startswith("differs in 'forty', '10', 'the', 'fee', where")
    assert difference("a b", "b a") == "differs only in order or layout"


def test_stars_are_clean_under_sanitizers():
    compile_and_run("test_stars", ["csrc/core/stars.cpp", "csrc/core/words.cpp"])

"""The corpus: merged texts decoded once, with their units."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest
from columns import pack_with_table
from cpp_build import compile_and_run, core_sources
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import unit_bodies

import ctxmem
from ctxmem import _native, tokens
from ctxmem.candidates import SegmentTexts

SURROGATES = ["\ud83d", "\ude00", "\ud83d\ude00"]
ATOMS = [
    *("a", "word", "Wort.", "/", "'s", "1234", "é", "中文", "😀", "\u0301", "x" * 70),
    *(" ", "  ", "\t", "\n", "\r\n", "\n\n", "\r", "\x0b", "\x1c", "\x1f", "\x85"),
    *("\xa0", "\u1680", "\u2003", "\u2028", "\u202f", "\u205f", "\u3000", "\u200b", "\ufeff"),
    *SURROGATES,
]


@st.composite
def cut_texts(draw):
    """Texts, and units that cover them, some of them empty."""
    texts = ["".join(parts) for parts in draw(st.lists(st.lists(st.sampled_from(ATOMS))))]
    first, start, end = [0], [], []
    for text in texts:
        inner = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
        bounds = [0, *inner, len(text)]
        if text or draw(st.booleans()):
            start += bounds[:-1]
            end += bounds[1:]
        first.append(len(start))
    return texts, *(np.array(column, dtype=np.int64) for column in (first, start, end))


@settings(max_examples=400, deadline=None)
@given(cut_texts())
def test_bodies_are_what_python_strips(cut):
    texts, first, start, end = cut
    body, broken = _native.Corpus(texts).set_units(first, start, end)
    expected = unit_bodies(texts, first.tolist(), start.tolist(), end.tolist())
    rows = zip(body.tolist(), broken.tolist(), strict=True)
    assert expected == [(a, b, bool(line)) for (a, b), line in rows]


@settings(max_examples=400, deadline=None)
@given(cut_texts(), st.sampled_from(["o200k_base", "cl100k_base"]))
def test_units_cost_what_their_strings_cost(cut, encoding):
    texts, first, start, end = cut
    corpus = _native.Corpus(texts)
    body, broken = corpus.set_units(first, start, end)
    merged = np.repeat(np.arange(len(texts), dtype=np.int32), np.diff(first))
    strings = SegmentTexts(texts, merged, body, {})
    priced = [text + "\n" * int(line) for text, line in zip(strings, broken, strict=True)]
    counter = tokens.resolve(encoding)
    assert isinstance(counter, tokens.counters.Native)
    assert [counter.count(text) for text in priced] == counter.count_units(corpus).tolist()
    assert (
        list(counter.count_many(priced)) == counter.count_units(corpus).tolist()
    )  # from the cache


AFTER = ["", "\n\n", " ", "\n---\n", "/x", "foo", "\u0301", "'s", "\r", "1"]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(ATOMS), min_size=8, max_size=60), max_size=4),
    st.sampled_from(AFTER),
    st.sampled_from(["o200k_base", "cl100k_base"]),
)
def test_blocks_counted_with_their_texts_cost_what_they_cost_alone(parts, after, encoding):
    texts = ["".join(part) for part in parts]
    first = np.arange(len(texts) + 1, dtype=np.int64)
    end = np.array([len(text) for text in texts], dtype=np.int64)
    corpus = _native.Corpus(texts)
    corpus.set_units(first, np.zeros(len(texts), dtype=np.int64), end)
    counter = tokens.resolve(encoding)
    assert isinstance(counter, tokens.counters.Native)
    counter.count_units(corpus, after)
    blocks = [text.strip() + after for text in texts] + [text.strip() for text in texts]
    exact = counter.core.count_many(blocks, cache=False).tolist()
    assert exact == counter.count_many(blocks)


def test_every_character_that_python_strips_is_stripped():
    characters = [chr(c) for c in range(sys.maxunicode + 1)]
    first = np.arange(len(characters) + 1, dtype=np.int64)
    zeros = np.zeros(len(characters), dtype=np.int64)
    body, _ = _native.Corpus(characters).set_units(first, zeros, zeros + 1)
    blank = [c for c, (start, end) in zip(characters, body.tolist(), strict=True) if start == end]
    assert [c for c in characters if not c.strip()] == blank


def test_units_that_do_not_fit_their_texts_are_refused():
    def columns(*rows: list[int]) -> list[np.ndarray]:
        return [np.array(row, dtype=np.int64) for row in rows]

    for text in ("abc", "äöü"):
        corpus = _native.Corpus([text])
        with pytest.raises(ValueError, match="after its text"):
            corpus.set_units(*columns([0, 1], [0], [4]))
        with pytest.raises(ValueError, match="out of order"):
            corpus.set_units(*columns([0, 2], [2, 1], [3, 3]))
        with pytest.raises(ValueError, match="out of order"):
            corpus.set_units(*columns([0, 1], [-1], [3]))
        with pytest.raises(ValueError, match="inconsistent"):
            corpus.set_units(*columns([0, 2], [0], [1]))
        with pytest.raises(ValueError, match="inconsistent"):
            corpus.set_units(*columns([0], [], []))
    with pytest.raises(ValueError, match="out of order"):
        _native.Corpus(["a", "b"]).set_units(*columns([0, 2, 1], [0], [1]))


def test_pickled_corpus_has_its_texts_and_units():
    corpus = _native.Corpus(["One. Two.\n", "\ud83d"])
    assert len(pickle.loads(pickle.dumps(corpus))) == 2
    corpus.set_units(*(np.array(c, dtype=np.int64) for c in ([0, 2, 3], [0, 5, 0], [5, 10, 1])))
    counter = tokens.resolve("o200k_base")
    again = pickle.loads(pickle.dumps(corpus))
    assert counter.count_units(corpus).tolist() == counter.count_units(again).tolist()


def test_a_borrowed_header_costs_what_its_text_costs():
    table = "| name | price |\n|---|---|\n| apple | 1 |\n"
    chunks = [
        ctxmem.Chunk(table, id="a", source="prices", span=(0, len(table))),
        ctxmem.Chunk("| pear | 2 |\n| plum | 3 |\n", id="b", source="prices", span=(500, 526)),
    ]
    _, columns = pack_with_table(chunks, 100, query="price of a plum")
    (lent, lender), *_ = columns.lent.items()
    assert (
        columns.segment_texts[lent]
        == columns.segment_texts[lender]
        == list(columns.segment_texts)[lent]
    )
    counter = tokens.resolve("o200k_base")
    assert counter.count(columns.segment_texts[lender] + "\n") == columns.segment_tokens[lent]


def test_segment_texts_are_a_sequence():
    texts = SegmentTexts([" one two"], np.zeros(2, dtype=np.int32), np.array([[1, 4], [5, 8]]), {})
    assert (texts[0], texts[-1], len(texts)) == ("one", "two", 2)
    with pytest.raises(IndexError):
        texts[2]
    assert ["one"] == texts[:1]
    assert ["one", "two"] == list(texts)
    assert (texts[0], texts[-1]) == ("one", "two")


@pytest.mark.slow
def test_the_corpus_is_clean_under_the_sanitizers():
    compile_and_run("test_corpus", core_sources("corpus"))

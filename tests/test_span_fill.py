"""The fill of a window by spans: never above its bound, nothing twice, headings with their text."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from cpp_build import compile_and_run
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxmem import _native

HEADING = _native.SPAN_KINDS.index("heading")
PROSE = _native.SPAN_KINDS.index("prose")


def fill(stretches, tokens, worth, limit, *, kinds=None, overhead=1, again=1, **options):
    """Fill from stretches given as lists of texts; tokens, worth and kinds are flat."""
    sizes = [len(texts) for texts in stretches]
    first = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    start, end = [], []
    for texts in stretches:
        at = 0
        for text in texts:
            start.append(at)
            at += len(text)
            end.append(at)
    n = len(start)
    demand = np.asarray(options.pop("demand", [0] * n), dtype=np.uint8)
    document = options.pop("document", range(len(stretches)))
    return _native.fill_spans(
        ["".join(texts) for texts in stretches],
        first,
        np.array(start, dtype=np.int64),
        np.array(end, dtype=np.int64),
        np.array(kinds or [PROSE] * n, dtype=np.uint8),
        np.array(tokens, dtype=np.int64),
        np.array(list(document), dtype=np.int32),
        np.full(len(stretches), overhead, dtype=np.int64),
        again,
        np.array(worth, dtype=np.float64),
        demand,
        limit,
        **options,
    )


def cost(kept, sizes, tokens, overhead, again):
    """Return what a choice costs: its tokens, the overhead of each document, then of each run."""
    total, at = 0, 0
    for size in sizes:
        here = kept[at : at + size]
        runs = sum(1 for k in range(size) if here[k] and not (k and here[k - 1]))
        total += sum(t for t, k in zip(tokens[at : at + size], here, strict=True) if k)
        total += overhead + again * (runs - 1) if runs else 0
        at += size
    return total


spans = st.lists(
    st.lists(st.tuples(st.integers(1, 9), st.floats(0.01, 1)), min_size=1, max_size=4),
    min_size=1,
    max_size=3,
)


@settings(max_examples=300, deadline=None)
@given(spans, st.integers(0, 30), st.integers(0, 3), st.integers(0, 3))
def test_a_fill_stays_within_its_limit_and_no_choice_exceeds_its_bound(
    given_spans, limit, more, again
):
    overhead = again + more  # a document's first run has the header and the separator
    sizes = [len(stretch) for stretch in given_spans]
    tokens = [t for stretch in given_spans for t, _ in stretch]
    worth = [w for stretch in given_spans for _, w in stretch]
    stretches = [[f"s{i}.{k} " for k in range(n)] for i, n in enumerate(sizes)]
    kept, _, pins_fit, spent, value, bound, price, left = fill(
        stretches, tokens, worth, limit, overhead=overhead, again=again
    )
    assert pins_fit
    assert cost(kept.tolist(), sizes, tokens, overhead, again) == spent <= limit
    values = [t * w for t, w in zip(tokens, worth, strict=True)]
    assert sum(v for v, k in zip(values, kept, strict=True) if k) == pytest.approx(value)
    best = max(
        sum(v for v, k in zip(values, choice, strict=True) if k)
        for choice in itertools.product((0, 1), repeat=len(tokens))
        if cost(choice, sizes, tokens, overhead, again) <= limit
    )
    assert value <= best + 1e-9 <= bound + 2e-9
    assert 0 <= left <= 1 and price >= 0


def test_the_best_spans_are_taken_and_touching_ones_share_a_block():
    # 5 + 5 tokens and one block of 2; the span alone in its document would cost 3 + 2.
    kept, *_ = fill(
        [["a ", "b ", "c "], ["d "]], [5, 5, 5, 3], [0.9, 0.8, 0.1, 0.7], 13, overhead=2
    )
    assert [1, 1, 0, 0] == kept.tolist()


LONG = "the supplier shall pay the fee on the first day of every month without delay. "


def test_what_the_window_says_already_is_not_said_again():
    edited = LONG.replace("supplier", "provider")
    kept, twin, *_ = fill(
        [[LONG], [edited], ["quite another matter "]], [16, 16, 4], [1, 0.9, 0.1], 99
    )
    assert [1, 0, 1] == kept.tolist()
    assert [-1, 0, -1] == twin.tolist()
    kept, *_ = fill([[LONG], [edited]], [16, 16], [1, 0.9], 99, alike=2.0)
    assert [1, 1] == kept.tolist()


def test_a_text_may_repeat_itself():
    kept, *_ = fill([[LONG, LONG]], [16, 16], [1, 0.9], 99)
    assert [1, 1] == kept.tolist()


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ("the fee is due within 45 days of receipt", True),
        ("the fee is due within 30 days after the receipt", False),
        ("the fee is not due within 30 days of receipt", True),
        ("the fee isn't due within 30 days of receipt", True),
        ("a charge will be not payable before 30 days of getting it", False),  # wording, mainly
        ("The fee is due within 30 days of receipt!", False),
    ],
)
def test_versions_stand_side_by_side_where_numbers_or_mainly_negations_differ(other, told):
    text = "the fee is due within 30 days of receipt"
    assert told is _native.differ_tellingly(text, other) is _native.differ_tellingly(other, text)


def test_a_version_with_another_number_is_kept_unless_all_are_folded():
    other = LONG.replace("first", "third day, or the 3rd,")
    kept, *_ = fill([[LONG], [other]], [16, 18], [1, 0.9], 99)
    assert [1, 1] == kept.tolist()
    kept, *_ = fill([[LONG], [other]], [16, 18], [1, 0.9], 99, careful=False)
    assert [1, 0] == kept.tolist()


def test_a_heading_comes_only_with_what_it_stands_above():
    stretches = [["Fees\n", "Due monthly. ", "Elsewhere. "]]
    kinds = [HEADING, PROSE, PROSE]
    kept, *_ = fill(stretches, [1, 3, 3], [0.9, 0.1, 0.8], 6, kinds=kinds)
    assert [0, 0, 1] == kept.tolist()
    # Worth nothing by itself, it is worth half of what stands below it.
    kept, *_ = fill(stretches, [1, 3, 3], [0.0, 0.9, 0.1], 6, kinds=kinds)
    assert [1, 1, 0] == kept.tolist()


def test_a_price_stops_before_the_limit():
    texts = [[f"word{i} "] for i in range(10)]
    worth = [0.8] + [0.02] * 9
    # One token each, and one of overhead: a token of the others is worth .01 there.
    kept, _, _, _, value, _, _, left = fill(texts, [1] * 10, worth, 99, least=0.011)
    assert [1] + [0] * 9 == kept.tolist()
    assert left == pytest.approx(1 - value / 0.98)


def test_what_must_be_there_is_and_what_must_not_is_not():
    texts = [["a "], ["b "], ["c "]]
    kept, *_ = fill(texts, [2, 2, 2], [0.1, 0.9, 0.8], 6, demand=[1, 2, 0])
    assert [1, 0, 1] == kept.tolist()
    _, _, pins_fit, *_ = fill(texts, [2, 2, 2], [1, 1, 1], 2, demand=[1, 0, 0])
    assert pins_fit is False


def test_room_that_runs_out_has_a_price_and_room_left_has_none():
    texts = [["a "], ["b "]]
    *_, price, _ = fill(texts, [4, 4], [0.9, 0.5], 5)
    assert price == pytest.approx(0.5 * 4 / 5)  # what one more token would have bought
    *_, price, _ = fill(texts, [4, 4], [0.9, 0.5], 99)
    assert price == 0


def test_a_span_that_joins_two_runs_may_cost_less_than_its_tokens():
    kept, _, _, spent, *_ = fill([["a ", "b ", "c "]], [3, 3, 3], [0.9, 0.1, 0.9], 10, again=1)
    assert [1, 1, 1] == kept.tolist()
    assert spent == 10


@pytest.mark.parametrize(("tokens", "worth"), [(1, float("nan")), (1, float("inf")), (-1, 0.5)])
def test_a_worth_that_has_no_place_in_an_order_is_refused(tokens, worth):
    with pytest.raises(ValueError, match="a worth or a number of tokens"):
        fill([["a "]], [tokens], [worth], 9)


def test_arrays_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="do not belong together"):
        fill([["a "]], [1, 2], [0.5], 9)


@pytest.mark.slow
def test_the_fill_is_clean_under_the_sanitizers():
    names = ("span_fill", "words", "asked", "terms")
    compile_and_run("test_span_fill", [f"csrc/core/{name}.cpp" for name in names])


TEMPLATE = "The {} is open to the public on every day of the week but for the great feasts."


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", [True, False]),
        ("Is it open on feasts?", [True, False]),
        ("Is the harbour open?", [True, False]),
        ("Are harbours and orchards open?", [True, True]),  # by their stems
        ("Is the orchard open?", [True, True]),
    ],
)
def test_what_differs_in_a_word_of_the_query_is_not_folded(query, kept):
    stretches = [[TEMPLATE.format("harbour")], [TEMPLATE.format("orchard")]]
    found = fill(stretches, [20, 20], [0.9, 0.8], 99, query=query, overhead=0, again=0)
    assert found[0].astype(bool).tolist() == kept


@pytest.mark.parametrize(
    ("text", "other", "apart"),
    [
        ("The orchards close.", "An orchard closes.", False),
        ("The orchard closes.", "The harbour closes.", True),
        ("The harbour closes.", "The orchard closes.", False),  # the query says nothing of it
        ("Is the what of it?", "", False),  # function words
        ("ORCHARD", "harbour", True),
        ("The orchard closes early.", "The harbour opens late.", False),  # and in more beside
        ("The new orchard closes.", "The harbour closes.", False),  # half is not most
        ("", "orchard", False),
        ("Größe 7", "Grösse 8", True),
    ],
)
def test_what_differs_mainly_in_words_of_the_query(text, other, apart):
    words = _native.AskedWords("What is the orchard of Größe 7?")
    for _ in range(2):  # looking changes nothing
        assert words.set_apart(text, other) is apart

"""The selection of units: within its limit, below its bound, closed under needs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from cpp_build import compile_and_run, core_sources
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctxmem import _native
from ctxmem.selection.result import NativeSelection

LABEL, LEAD_IN, HIDDEN, FILLER = 1, 2, 4, 8
OPTIONAL, REQUIRED, EXCLUDED = range(3)
SHARED = 0.5  # the density of a label, as a share of the best unit below it


def select(merged_texts, tokens, density, limit, *, overhead=1, again=1, **options):
    """Select from merged texts given as lists of unit texts; tokens, density, flags are flat."""
    sizes = [len(texts) for texts in merged_texts]
    first = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    start, end = [], []
    for texts in merged_texts:
        at = 0
        for text in texts:
            start.append(at)
            at += len(text)
            end.append(at)
    n = len(start)
    columns = {
        "requirement": np.asarray(options.pop("requirement", [OPTIONAL] * n), dtype=np.uint8),
        "flags": np.asarray(options.pop("flags", [0] * n), dtype=np.uint8),
        "need": np.asarray(options.pop("need", [-1] * n), dtype=np.int32),
        "also": np.asarray(options.pop("also", [-1] * n), dtype=np.int32),
    }
    return NativeSelection(
        *_native.select_units(
            texts=["".join(texts) for texts in merged_texts],
            first=first,
            start=np.array(start, dtype=np.int64),
            end=np.array(end, dtype=np.int64),
            tokens=np.array(tokens, dtype=np.int64),
            density=np.array(density, dtype=np.float64),
            overhead=np.full(len(merged_texts), overhead, dtype=np.int64),
            again=again,
            limit=limit,
            **columns,
            **{"alike": 0.4, **options},
        )
    )


def fill(*arguments, **options):
    """Return the columns of a selection that most tests look at."""
    found = select(*arguments, **options)
    fits = found.outcome == "found"
    left = max(0.0, 1 - found.value / found.total) if found.total else 0.0
    return (
        *(found.kept, found.duplicate_of, fits, found.spent),
        *(found.value, found.bound, found.price, left),
    )


def cost(kept, sizes, tokens, overhead, again):
    """Return the cost of a choice: tokens, one overhead per document, one per further run."""
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
    sizes = [len(merged_text) for merged_text in given_spans]
    tokens = [t for merged_text in given_spans for t, _ in merged_text]
    worth = [w for merged_text in given_spans for _, w in merged_text]
    merged_texts = [[f"s{i}.{k} " for k in range(n)] for i, n in enumerate(sizes)]
    kept, _, pins_fit, spent, value, bound, price, left = fill(
        merged_texts, tokens, worth, limit, overhead=overhead, again=again
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
    # 5 + 5 tokens and one overhead of 2; the span that is alone in its document would cost 3 + 2.
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


def test_what_is_folded_and_then_needed_is_kept():
    edited = LONG.replace("supplier", "provider")
    merged_texts = [[LONG], [edited, "quite another matter "]]
    kept, twin, *_ = fill(merged_texts, [16, 16, 4], [1, 0.9, 0.5], 99, need=[-1, -1, 1])
    assert [1, 1, 1] == kept.tolist()
    assert [-1, -1, -1] == twin.tolist()


def test_a_text_may_repeat_itself():
    kept, *_ = fill([[LONG, LONG]], [16, 16], [1, 0.9], 99)
    assert [1, 1] == kept.tolist()


def test_a_version_with_another_number_is_kept_unless_all_are_folded():
    other = LONG.replace("first", "third day, or the 3rd,")
    kept, *_ = fill([[LONG], [other]], [16, 18], [1, 0.9], 99)
    assert [1, 1] == kept.tolist()
    kept, *_ = fill([[LONG], [other]], [16, 18], [1, 0.9], 99, careful=False)
    assert [1, 0] == kept.tolist()


def closure(unit, need, also):
    """Return a unit and all units that it needs, directly or indirectly."""
    found, left = set(), [unit]
    while left:
        at = left.pop()
        if at >= 0 and at not in found:
            found.add(at)
            left += [need[at], also[at]]
    return found


@st.composite
def instances(draw):
    """Draw units with any flags and needs, including cycles; no unit needs a hidden one."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=2))
    n = sum(sizes)
    rows = st.integers(-1, n - 1)
    need, also = (draw(st.lists(rows, min_size=n, max_size=n)) for _ in range(2))
    flags = draw(
        st.lists(st.sampled_from([0, 0, 0, LABEL, LEAD_IN, FILLER]), min_size=n, max_size=n)
    )
    for k in range(n):
        if flags[k] == 0 and k not in need + also and draw(st.integers(0, 9)) == 0:
            flags[k] = HIDDEN
    return {
        "sizes": sizes,
        "need": need,
        "also": also,
        "flags": flags,
        "tokens": draw(st.lists(st.integers(1, 9), min_size=n, max_size=n)),
        "worth": draw(st.lists(st.floats(0.01, 1), min_size=n, max_size=n)),
        "requirement": draw(
            st.lists(st.sampled_from([OPTIONAL] * 5 + [EXCLUDED]), min_size=n, max_size=n)
        ),
    }


# A label that introduces nothing joins the two units beside it: both fit with it, not without it.
JOINED_BY_A_LABEL = {
    "sizes": [4],
    "need": [0, 0, 0, 0],
    "also": [0, 0, 0, 2],
    "flags": [0, LABEL, 0, LABEL],
    "tokens": [1, 1, 1, 1],
    "worth": [1.0, 1.0, 1.0, 1.0],
    "requirement": [OPTIONAL] * 4,
}
BESIDE_A_RING = {
    "sizes": [1, 2],
    "need": [0, 1, 0],
    "also": [2, 1, 0],
    "flags": [0, 0, 0],
    "tokens": [1, 1, 1],
    "worth": [1.0, 0.25, 1.0],
    "requirement": [OPTIONAL] * 3,
}


@settings(max_examples=500, deadline=None)
@example(JOINED_BY_A_LABEL, 5, 0, 2)
@example(BESIDE_A_RING, 1, 0, 0)
@given(instances(), st.integers(0, 40), st.integers(0, 3), st.integers(0, 3))
def test_a_fill_keeps_what_units_need_and_no_closed_choice_exceeds_its_bound(
    given_units, limit, more, again
):
    sizes, need, also, flags, tokens, worth, requirement = given_units.values()
    n, overhead = len(tokens), again + more
    needs = [closure(k, need, also) for k in range(n)]
    # A label or a lead-in has content only if a unit below it has.
    content = {k for k in range(n) if not flags[k] & (LABEL | LEAD_IN | FILLER | HIDDEN)}
    for _ in range(n):
        content |= {need[k] for k in content if need[k] >= 0 and flags[need[k]] & (LABEL | LEAD_IN)}
    said = [k for k in content if not flags[k] & LABEL]
    content |= {k for d in said for k in needs[d] if flags[k] & LABEL}
    given_flags = flags
    if all(requirement[k] == EXCLUDED for k in content):  # labels are all there is: they are text
        flags = [f & HIDDEN for f in flags]
        content = {k for k in range(n) if not flags[k]}
        said = sorted(content)
    # A needed unit has at least a share of the density of the best unit that needs it.
    values = [
        tokens[k]
        * max(
            worth[k] * (k in said),
            SHARED
            * max((worth[d] for d in said if d != k and k in needs[d]), default=0)
            * (k in content),
        )
        for k in range(n)
    ]

    def closed(choice):
        kept = {k for k in range(n) if choice[k]}
        return (
            all(needs[k] <= kept for k in kept)
            and not any(requirement[k] == EXCLUDED or flags[k] & HIDDEN for k in kept)
            # A lead-in is shown with a unit that it introduces, if there is one with content.
            and all(
                any(k == need[d] for d in kept & content)
                for k in kept & content
                if flags[k] & LEAD_IN
            )
            # A label is shown with a unit below it, if there is one with content.
            and all(
                any(k in needs[d] for d in kept & set(said))
                for k in kept & content
                if flags[k] & LABEL
            )
        )

    merged_texts, at = [], 0
    for size in sizes:
        merged_texts.append([f"s{k} " for k in range(at, at + size)])
        at += size
    kept, _, pins_fit, spent, value, bound, _, left = fill(
        merged_texts,
        tokens,
        worth,
        limit,
        overhead=overhead,
        again=again,
        flags=given_flags,
        need=need,
        also=also,
        requirement=requirement,
    )
    assert pins_fit
    assert cost(kept.tolist(), sizes, tokens, overhead, again) == spent <= limit
    assert sum(v for v, k in zip(values, kept, strict=True) if k) == pytest.approx(value)
    choices = [
        choice
        for choice in itertools.product((0, 1), repeat=n)
        if cost(choice, sizes, tokens, overhead, again) <= limit and closed(choice)
    ]
    best = max(sum(v for v, k in zip(values, choice, strict=True) if k) for choice in choices)
    assert best <= bound + 1e-9
    # A ring of units that need each other is split only where that has much more value.
    assert value <= best + 1e-9 if closed(kept.tolist()) else value >= best - 1e-9
    assert 0 <= left <= 1


def test_a_heading_is_taken_whenever_something_below_it_is():
    merged_texts = [["Fees\n", "Due monthly. ", "Elsewhere. "]]
    below = {"flags": [LABEL, 0, 0], "need": [-1, 0, 0]}
    # The best unit costs 3, its heading 1, and two runs 1 + 1.
    kept, *_, spent, value, _, _, _ = fill(merged_texts, [1, 3, 3], [0.9, 0.1, 0.8], 6, **below)
    assert [1, 0, 1] == kept.tolist()
    assert (6, pytest.approx(3 * 0.8 + SHARED * 0.8)) == (spent, value)
    # If it does not fit, the other one does: it is adjacent to its heading.
    kept, *_ = fill(merged_texts, [1, 3, 3], [0.9, 0.1, 0.8], 5, **below)
    assert [1, 1, 0] == kept.tolist()
    kept, *_ = fill(merged_texts, [1, 3, 3], [0.9, 0.1, 0.8], 4, **below)
    assert [0, 0, 0] == kept.tolist()


def test_rows_pay_for_their_header_once():
    merged_texts = [["header ", "row 1 ", "row 2 ", "row 3 "], ["Prose. "]]
    below = {"flags": [LABEL, 0, 0, 0, 0], "need": [-1, 0, 0, 0, -1]}
    # A row and the header cost 6 + 2 + 1 tokens; a second row costs 2 more, the prose 4 + 1.
    kept, *_ = fill(merged_texts, [6, 2, 2, 2, 4], [0, 0.9, 0.8, 0.1, 0.3], 11, **below)
    assert [1, 1, 1, 0, 0] == kept.tolist()


def test_a_lead_in_brings_the_first_of_what_it_introduces():
    merged_texts = [["These are free: ", "- dogs ", "- cats "]]
    tied = {"flags": [LEAD_IN, 0, 0], "need": [-1, 0, 0]}
    kept, *_ = fill(merged_texts, [4, 2, 2], [1.0, 0.01, 0.01], 7, **tied)
    assert [1, 1, 0] == kept.tolist()
    kept, *_ = fill(merged_texts, [4, 2, 2], [1.0, 0.01, 0.01], 6, **tied)
    assert [0, 0, 0] == kept.tolist()
    kept, *_ = fill(merged_texts, [4, 2, 2], [1.0, 0.01, 0.01], 99, requirement=[0, 2, 2], **tied)
    assert [0, 0, 0] == kept.tolist()


def test_a_lead_in_of_a_lead_in_brings_what_that_introduces():
    merged_texts = [["Free: ", "- dogs: ", "  - black "]]
    tied = {"flags": [LEAD_IN, LEAD_IN, 0], "need": [-1, 0, 1]}
    kept, *_ = fill(merged_texts, [2, 2, 2], [1.0, 0.01, 0.01], 7, **tied)
    assert [1, 1, 1] == kept.tolist()
    kept, *_ = fill(merged_texts, [2, 2, 2], [1.0, 0.01, 0.01], 6, **tied)
    assert [0, 0, 0] == kept.tolist()


def test_steps_that_need_each_other_are_taken_together_where_they_fit():
    merged_texts = [["1. Open. ", "2. Wait. ", "3. Close. "]]
    tied = {"also": [1, 2, 0]}
    kept, *_ = fill(merged_texts, [2, 2, 2], [0.9, 0.1, 0.1], 7, **tied)
    assert [1, 1, 1] == kept.tolist()
    # If not all of the ring fits, and nothing else does, the best units of it are taken.
    kept, *_ = fill(merged_texts, [2, 2, 2], [0.9, 0.1, 0.1], 6, **tied)
    assert [1, 1, 0] == kept.tolist()


def test_a_rule_is_shown_only_between_what_is_shown():
    merged_texts = [["One. ", "--- ", "Two. ", "--- ", "Three. "]]
    flags = [0, FILLER, 0, FILLER, 0]
    kept, *_ = fill(merged_texts, [3, 1, 3, 1, 3], [0.9, 0, 0.8, 0, 0.1], 9, flags=flags)
    assert [1, 1, 1, 0, 0] == kept.tolist()


def test_a_stray_mark_is_never_shown():
    kept, *_ = fill([["One. ", "| ", "Two. "]], [3, 1, 3], [0.9, 1, 0.8], 99, flags=[0, HIDDEN, 0])
    assert [1, 0, 1] == kept.tolist()


def test_what_is_pinned_is_shown_with_what_it_needs():
    below = {"flags": [LABEL, 0], "need": [-1, 0], "requirement": [OPTIONAL, REQUIRED]}
    kept, *_ = fill([["Fees\n", "Due monthly. "]], [1, 3], [0.1, 0.1], 99, **below)
    assert [1, 1] == kept.tolist()


@pytest.mark.parametrize("column", ["need", "also"])
@pytest.mark.parametrize("row", [-2, 1])
def test_a_need_of_what_is_not_there_is_refused(column, row):
    with pytest.raises(ValueError, match="needs one that is not there"):
        fill([["a "]], [1], [0.5], 9, **{column: [row]})


def test_a_price_stops_before_the_limit():
    texts = [[f"word{i} "] for i in range(10)]
    worth = [0.8] + [0.02] * 9
    # One token each, and one of overhead: the density of the others is .01.
    kept, _, _, _, value, _, _, left = fill(texts, [1] * 10, worth, 99, min_density=0.011)
    assert [1] + [0] * 9 == kept.tolist()
    assert left == pytest.approx(1 - value / 0.98)


def test_what_must_be_there_is_and_what_must_not_is_not():
    texts = [["a "], ["b "], ["c "]]
    kept, *_ = fill(texts, [2, 2, 2], [0.1, 0.9, 0.8], 6, requirement=[1, 2, 0])
    assert [1, 0, 1] == kept.tolist()
    _, _, pins_fit, *_ = fill(texts, [2, 2, 2], [1, 1, 1], 2, requirement=[1, 0, 0])
    assert pins_fit is False


def test_room_that_runs_out_has_a_price_and_room_left_has_none():
    texts = [["a "], ["b "]]
    *_, price, _ = fill(texts, [4, 4], [0.9, 0.5], 5)
    assert price == pytest.approx(0.5 * 4 / 5)  # value per token of the unit that did not fit
    *_, price, _ = fill(texts, [4, 4], [0.9, 0.5], 99)
    assert price == 0


def test_a_span_that_joins_two_runs_may_cost_less_than_its_tokens():
    kept, _, _, spent, *_ = fill([["a ", "b ", "c "]], [3, 3, 3], [0.9, 0.1, 0.9], 10, again=1)
    assert [1, 1, 1] == kept.tolist()
    assert spent == 10


@pytest.mark.parametrize(
    ("tokens", "worth"), [(1, float("nan")), (1, float("inf")), (1, -0.5), (-1, 0.5)]
)
def test_a_density_that_has_no_place_in_an_order_is_refused(tokens, worth):
    with pytest.raises(ValueError, match="negative tokens, a density that is no number"):
        fill([["a "]], [tokens], [worth], 9)


def test_arrays_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="do not belong together"):
        fill([["a "]], [1, 2], [0.5], 9)


@pytest.mark.slow(60)
def test_the_fill_is_clean_under_the_sanitizers():
    difference = ("difference", "difference_marks", "alignment", "read_text", "data_forms")
    solver = ("selection", "window_*", "greedy_*", "tree_bound", "component_solver")
    packing = (
        "packing",
        "budget_tree",
        "packing_check",
        "builder",
        "enumeration",
        "knapsack",
        "multiply_out",
        "requirements",
    )
    texts = ("words", "query_words", "terms", "stems", "line_classifier", "sentences")
    names = (*solver, *packing, "prices", "schedule", *texts)
    compile_and_run("test_unit_selection", core_sources(*names, *difference))


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
    merged_texts = [[TEMPLATE.format("harbour")], [TEMPLATE.format("orchard")]]
    found = fill(merged_texts, [20, 20], [0.9, 0.8], 99, query=query, overhead=0, again=0)
    assert found[0].astype(bool).tolist() == kept


@pytest.mark.parametrize(
    ("text", "other", "apart"),
    [
        ("The orchards close.", "An orchard closes.", False),
        ("The orchard closes.", "The harbour closes.", True),
        ("The harbour closes.", "The orchard closes.", False),  # the query does not name it
        ("Is the what of it?", "", False),  # function words
        ("ORCHARD", "harbour", True),
        ("The orchard naps softly.", "The harbour sleeps in peace.", False),  # and other words
        ("The new orchard closes.", "The harbour closes.", False),  # half is not most
        ("", "orchard", False),
        ("größe", "Breite", True),
    ],
)
def test_what_differs_mainly_in_words_of_the_query(text, other, apart):
    pair = _native.ReadText(text), _native.ReadText(other)
    assert not _native.DifferenceRule().differ(*pair)
    rule = _native.DifferenceRule("What is the orchard of Größe 7?")
    for _ in range(2):  # a comparison does not change the words
        assert rule.differ(*pair) is apart


@pytest.mark.parametrize("others", [3, 200])  # few units, and more than are each left out on trial
def test_a_large_unit_is_not_crowded_out_by_small_ones_of_higher_density(others):
    texts = ["small. ", "large. ", *(f"dust {k}. " for k in range(others))]
    tokens = [10, 98, *[1] * others]
    worth = [0.9, 0.8, *[0.01] * others]
    kept, *_ = fill([[text] for text in texts], tokens, worth, 100, overhead=0, again=0)
    # 98 tokens at 0.8 have more value than 10 at 0.9; both do not fit into 100.
    assert [0, 1] == kept[:2].tolist()
    assert 2 == sum(kept[2:])

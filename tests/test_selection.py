"""The choice is the best there is, or the bound says how much may be missing."""

from __future__ import annotations

from itertools import combinations

from columns import pack_with_table
from hypothesis import given, settings
from hypothesis import strategies as st

import ctxmem
from ctxmem import BudgetError, Chunk, pack

WORDS = "able bird cold dawn east fish gold hand iron july kite lamp moon".split()


def subsets(n):
    return (chosen for size in range(n + 1) for chosen in combinations(range(n), size))


sizes = st.lists(
    st.tuples(st.integers(1, 9), st.floats(0.01, 1), st.booleans()), min_size=1, max_size=8
)


@settings(max_examples=120, deadline=None)
@given(sizes, st.integers(1, 40))
def test_independent_chunks_are_chosen_optimally(given_sizes, budget):
    chunks = [
        Chunk(" ".join([WORDS[i], *WORDS[-size:]]), id=str(i), score=score, pinned=pinned and i < 2)
        for i, (size, score, pinned) in enumerate(given_sizes)
    ]
    feasible = [
        chosen
        for chosen in subsets(len(chunks))
        if all(i in chosen for i, chunk in enumerate(chunks) if chunk.pinned)
        and ctxmem.count_tokens("\n\n".join(chunks[i].text for i in chosen)) <= budget
    ]
    try:
        window, table = pack_with_table(chunks, budget, dedup=False)
    except BudgetError:
        assert feasible == []
        return
    worth = [
        float(table.density[i] * (table.tokens[i] - table.overhead[i])) for i in range(len(chunks))
    ]
    best = max(sum(worth[i] for i in chosen) for chosen in feasible)
    assert window.upper_bound >= best - 1e-4
    if all(ctxmem.count_tokens(chunk.text) <= budget for chunk in chunks):
        assert window.value >= best - 1e-4  # where one is larger, its parts compete: greedily
    if window.status == "optimal":
        assert window.gap == 0


@settings(max_examples=120, deadline=None)
@given(sizes, st.integers(1, 40), st.sampled_from([0.05, 0.3, 0.7]))
def test_at_a_price_no_choice_is_worth_more_after_paying_for_it(given_sizes, budget, price):
    chunks = [
        Chunk(" ".join([WORDS[i], *WORDS[-size:]]), id=str(i), score=score, pinned=pinned and i < 1)
        for i, (size, score, pinned) in enumerate(given_sizes)
    ]
    try:
        window, table = pack_with_table(
            chunks, ctxmem.Budget(budget, auto=price), dedup=False, compress=False
        )
    except BudgetError:
        return
    worth = table.density * (table.tokens - table.overhead)

    def net(chosen):
        return sum(float(worth[i] - price * table.tokens[i]) for i in chosen)

    best = max(
        net(chosen)
        for chosen in subsets(len(chunks))
        if all(i in chosen for i, chunk in enumerate(chunks) if chunk.pinned)
        and ctxmem.count_tokens("\n\n".join(chunks[i].text for i in chosen)) <= budget
    )
    kept = [i for i, decision in enumerate(window.decisions) if decision.kept]
    assert net(kept) >= best - 1e-4
    assert window.value <= window.upper_bound
    left_out = [i for i in range(len(chunks)) if i not in kept]
    dear = all(worth[i] < price * table.tokens[i] for i in left_out)
    assert window.stopped_early == (bool(left_out) and dear)


BOOK = "One fine day. Two cats sat. Three dogs ran. Four birds sang. Five fish swam. Six bees hum."
EDGES = [0, 14, 28, 44, 61, 77, len(BOOK)]
cuts = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 6), st.floats(0.01, 1)).filter(
        lambda c: c[0] < c[1]
    ),
    min_size=1,
    max_size=7,
    unique_by=lambda c: c[:2],
)


@settings(max_examples=120, deadline=None)
@given(cuts, st.integers(3, 30))
def test_the_bound_holds_where_chunks_share_text(given_cuts, budget):
    chunks = [
        Chunk(BOOK[EDGES[a] : EDGES[b]], source="book", span=(EDGES[a], EDGES[b]), score=score)
        for a, b, score in given_cuts
    ]
    window, table = pack_with_table(chunks, budget, compress=False)

    def value(chosen):
        shown = {s for i in chosen for s in range(table.first_segment[i], table.last_segment[i])}
        return sum(float(table.segment_density[s] * table.segment_tokens[s]) for s in shown)

    def text(chosen):
        covered = sorted({s for i in chosen for s in range(given_cuts[i][0], given_cuts[i][1])})
        runs: list[list[int]] = []
        for s in covered:
            if runs and runs[-1][-1] == s - 1:
                runs[-1].append(s)
            else:
                runs.append([s])
        return "\n\n".join(BOOK[EDGES[r[0]] : EDGES[r[-1] + 1]].strip() for r in runs)

    best = max(
        value(chosen)
        for chosen in subsets(len(chunks))
        if ctxmem.count_tokens(text(chosen)) <= budget
    )
    assert window.upper_bound >= best - 1e-4
    kept = [decision.position for decision in window.decisions if decision.kept]
    assert abs(window.value - value(kept)) <= 1e-4


def test_at_most_one_of_a_group_is_chosen():
    long = "the quick brown fox jumps over the lazy dog near the river bank on a sunny day"
    chunks = [Chunk(long, id="a", rank=0), Chunk(long + " again", id="b", rank=1)]
    window = pack(chunks, 100)
    assert [False, True] == [decision.kept for decision in window.decisions]
    assert window.text == long + " again"  # it contains the other one
    assert window.decisions[0].reason is ctxmem.Reason.CONTAINED


def test_a_member_stands_in_where_its_representative_does_not_fit():
    short = "the quick brown fox jumps over the lazy dog near the river bank on a sunny day"
    long = short.replace("jumps over", "jumps right over") + " and then it rests for a while"
    chunks = [Chunk(long, id="long", rank=0), Chunk(short, id="short", rank=1)]
    window = pack(chunks, ctxmem.count_tokens(short))
    assert window.text == short
    assert window.decisions[0].represented_by == "short"


def test_sections_are_not_filled_with_what_is_not_worth_its_price():
    chunks = [
        Chunk("The bridge was opened by the mayor.", section="facts"),
        Chunk("Bananas are yellow and lamps are on.", section="facts"),
        Chunk("Answer in a single line.", section="rules", pinned=True),
    ]
    sections = [ctxmem.Section("rules"), ctxmem.Section("facts", header="Facts:")]

    def packed(auto):
        budget = ctxmem.Budget(200, auto=auto)
        return pack(chunks, budget, query="Who opened the bridge?", sections=sections)

    whole, small = packed(False), packed(0.05)
    assert "Bananas" in whole.text
    assert small.text == "Answer in a single line.\n\nFacts:\n\nThe bridge was opened by the mayor."
    assert small.stopped_early and not whole.stopped_early
    assert 0 < small.unselected_share < 0.5 and whole.unselected_share == 0
    assert "stopped early" in small.explain()


def test_neighbours_that_share_text_are_left_out_at_a_price_too():
    chunks = [
        Chunk(BOOK[0:28], source="book", span=(0, 28)),
        Chunk(BOOK[14:44], source="book", span=(14, 44)),
        Chunk(BOOK[61:77], source="book", span=(61, 77)),
    ]
    window = pack(chunks, ctxmem.Budget(50, auto=0.02), query="Two cats?", compress=False)
    assert "Two cats sat." in window.text and "Five fish" not in window.text
    assert window.value <= window.upper_bound


def test_text_that_chunks_of_sections_share_is_worth_its_tokens_once():
    chunks = [
        Chunk(BOOK[0:28], source="book", span=(0, 28), section="facts"),
        Chunk(BOOK[14:44], source="book", span=(14, 44), section="facts"),
    ]
    window = pack(chunks, 50, sections=[ctxmem.Section("facts")])
    assert window.text == BOOK[0:43]
    # Nothing is known of them, so that a token has the value 1.
    assert window.value == ctxmem.count_tokens(window.text)
    assert window.value <= window.upper_bound

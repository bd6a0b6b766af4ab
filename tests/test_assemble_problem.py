"""The one problem of a request against brute force, on menus small enough for it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ctxmem
from ctxmem import Chunk
from ctxmem.assembling.blocks import Blocks
from ctxmem.assembling.menu import Menu
from ctxmem.assembling.options import NONE, Offer
from ctxmem.assembling.problem import Problem

QUESTION = "What is the weather in Oslo tomorrow?"


@st.composite
def menus(draw):
    offers = []
    for part in ("tools", "history"):
        n = draw(st.integers(0, 3))
        rows, worth, required = [], [], []
        for _ in range(n):
            row = draw(st.lists(st.integers(0, 12) | st.just(NONE), min_size=2, max_size=2))
            rows.append(row)
            worth.append(draw(st.lists(st.integers(0, 20), min_size=2, max_size=2)))
            required.append(draw(st.booleans()) and min(row) < NONE)
        offers.append(
            Offer(
                part,
                [f"{part}{i}" for i in range(n)],
                ("full", "short"),
                np.array(rows, dtype=np.int64).reshape(n, 2),
                np.array(worth, dtype=np.float64).reshape(n, 2),
                np.array(required, dtype=np.bool_),
                draw(st.integers(0, 3)) if n else 0,
            )
        )
    most = draw(st.none() | st.integers(0, 20))
    return offers, {} if most is None else {"history": (0, most)}, draw(st.integers(0, 45))


def brute_force(offers, limits, budget):
    """Return the highest value of all choices, None if there is none."""
    rows = [
        (offer.part, [None, 0, 1] if not offer.required[i] else [0, 1], offer, i)
        for offer in offers
        for i in range(len(offer.keys))
    ]
    best = None
    for choice in itertools.product(*(columns for _, columns, _, _ in rows)):
        tokens = {offer.part: offer.fixed for offer in offers}
        value = 0.0
        for (part, _, offer, i), column in zip(rows, choice, strict=True):
            if column is not None:
                tokens[part] += int(offer.tokens[i, column])
                value += float(offer.value[i, column])
        over = any(most is not None and tokens[part] > most for part, (_, most) in limits.items())
        if sum(tokens.values()) <= budget and not over and (best is None or value > best):
            best = value
    return best


@settings(deadline=None, max_examples=120)
@given(menus())
def test_the_choice_of_items_is_that_of_brute_force(problem):
    offers, limits, budget = problem
    expected = brute_force(offers, limits, budget)
    picked = Menu(offers, limits).at(budget)
    if expected is None:
        assert picked is None
        return
    assert picked is not None and picked.tokens <= budget
    assert picked.value <= expected + 1e-9 <= picked.bound + 2e-9
    assert picked.value == pytest.approx(expected)


SENTENCES = [
    "Oslo is in Norway.",
    "The crane of the harbour is red.",
    "Parcels wait in the depot until Monday.",
    "The weather in Oslo is wet in autumn.",
]


@settings(deadline=None, max_examples=60)
@given(menus(), st.lists(st.sampled_from(SENTENCES), unique=True, min_size=1))
def test_a_split_is_never_above_brute_force_and_its_bound_never_below(problem, sentences):
    offers, limits, budget = problem
    chunks = [Chunk(sentence, section="passages") for sentence in sentences]
    blocks = Blocks(
        chunks,
        60,
        question=QUESTION,
        counter=ctxmem.counter("o200k_base"),
        sections={},
        min_density=0.0,
    )
    tokens, density = blocks.curve
    placed = [sentences[i] for i in blocks.problem.table.merged_chunk]
    assert len(tokens) == len(sentences)
    best: list[float | None] = [None, None]  # in the budget, and with a separator more
    for kept in itertools.product([False, True], repeat=len(tokens)):
        mask = np.array(kept, dtype=np.bool_)
        spent = ctxmem.count_tokens("\n\n".join(itertools.compress(placed, kept)))
        for k in range(2):
            left = budget + k * (blocks.around - 1) - spent
            items = brute_force(offers, limits, left) if left >= 0 else None
            if items is not None:
                value = items + float((tokens * density)[mask].sum())
                best[k] = value if best[k] is None else max(best[k], value)
    choice = Problem([Menu(offers, limits)], blocks).solve(budget, budget)
    assert (choice is None) == (best[0] is None)
    if choice is not None:
        # A block counts with its separator, which the last one does not have: a choice may be a
        # separator too long until the request is counted.
        assert choice.items.value + choice.share.value <= best[1] + 1e-6
        assert best[0] <= choice.bound + 1e-6


@settings(deadline=None, max_examples=60)
@given(menus(), st.floats(0, 3))
def test_the_bound_at_a_price_holds_for_every_choice(problem, price):
    offers, limits, budget = problem
    expected = brute_force(offers, limits, budget)
    if expected is not None:
        assert expected <= Menu(offers, limits).dual(price) + price * budget + 1e-9

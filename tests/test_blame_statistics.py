"""Intervals of shares and of paired differences: published values, and how often they hold."""

from __future__ import annotations

import math
import random
from math import comb

import pytest

from ctxmem.blaming.statistics import Z, compare, wilson


def pairs(both, first, second, neither):
    one = [True] * (both + first) + [False] * (second + neither)
    two = [True] * both + [False] * first + [True] * second + [False] * neither
    return one, two


def test_wilson_gives_published_values():
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I: 81 of 263 and 15 of 148.
    assert [round(end, 4) for end in wilson(81, 263)] == [0.2553, 0.3662]
    assert [round(end, 4) for end in wilson(15, 148)] == [0.0624, 0.1605]
    assert [round(end, 4) for end in wilson(0, 20)] == [0.0, 0.1611]
    assert [round(end, 4) for end in wilson(1, 29)] == [0.0061, 0.1718]


def test_paired_difference_gives_the_published_interval():
    # Newcombe (1998), Statistics in Medicine 17, 2635-2650: cells 36, 12, 2, 0.
    found = compare(*pairs(36, 2, 12, 0))
    assert found.difference == pytest.approx(0.2)
    assert [round(end, 4) for end in found.interval] == [0.0569, 0.3404]


def score_limits(count, total):
    """Return where a share is 1.96 standard errors of its own from what was seen, by bisection."""
    seen = count / total

    def far(share):
        return abs(seen - share) > Z * math.sqrt(share * (1 - share) / total)

    ends = []
    for end in (0.0, 1.0):
        outer, inner = end, seen
        for _ in range(100):
            middle = (outer + inner) / 2
            outer, inner = (middle, inner) if far(middle) else (outer, middle)
        ends.append(inner)
    return ends


@pytest.mark.parametrize("cells", [(20, 5, 10, 15), (30, 1, 1, 8), (6, 2, 3, 4)])
def test_the_interval_of_a_difference_is_that_of_the_formula(cells):
    a, b, c, d = cells
    total = sum(cells)
    phi = max(a * d - b * c - total / 2, 0)
    phi /= math.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    (low_1, high_1), (low_2, high_2) = score_limits(a + b, total), score_limits(a + c, total)
    one, two = (a + b) / total, (a + c) / total

    def distance(x, y):
        return math.sqrt(x * x - 2 * phi * x * y + y * y)

    expected = (
        two - one - distance(two - low_2, high_1 - one),
        two - one + distance(high_2 - two, one - low_1),
    )
    assert compare(*pairs(*cells)).interval == pytest.approx(expected, abs=1e-9)


def test_the_order_of_the_windows_turns_the_sign_and_nothing_else():
    one, two = pairs(5, 9, 3, 8)
    found, turned = compare(one, two), compare(two, one)
    assert turned.difference == -found.difference
    assert turned.interval == pytest.approx((-found.interval.high, -found.interval.low))
    assert turned.p == found.p


def test_mcnemar_is_the_test_of_a_fair_coin():
    assert compare(*pairs(5, 0, 8, 5)).p == pytest.approx(2 * 0.5**8)
    assert compare(*pairs(5, 3, 3, 5)).p == 1.0
    expected = 2 * sum(comb(12, k) for k in range(3)) / 2**12
    assert compare(*pairs(0, 2, 10, 0)).p == pytest.approx(expected)


def test_without_questions_nothing_is_claimed():
    found = compare([], [])
    assert (found.difference, found.interval, found.p) == (0.0, (-1.0, 1.0), 1.0)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.9])
def test_intervals_of_shares_hold_about_nineteen_times_in_twenty(share):
    # Exactly, over every outcome of 120 questions.
    total = 120
    held = 0.0
    for count in range(total + 1):
        low, high = wilson(count, total)
        if low <= share <= high:
            held += comb(total, count) * share**count * (1 - share) ** (total - count)
    assert 0.92 <= held <= 0.99


@pytest.mark.parametrize("cells", [(0.4, 0.05, 0.25, 0.3), (0.7, 0.02, 0.03, 0.25)])
def test_intervals_of_differences_hold_about_nineteen_times_in_twenty(cells):
    draw = random.Random(5)
    truth = cells[2] - cells[1]
    held = 0
    outcomes = [(True, True), (True, False), (False, True), (False, False)]
    for _ in range(1000):
        drawn = draw.choices(outcomes, cells, k=120)
        low, high = compare([one for one, _ in drawn], [two for _, two in drawn]).interval
        held += low <= truth <= high
    assert 0.93 <= held / 1000 <= 0.99

"""Shares and paired differences, with their intervals.

Questions are the sample: an interval says what to expect of other questions of the same kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, sqrt
from typing import Any, NamedTuple

Z = 1.959963984540054
"""The quantile of the normal distribution that leaves 2.5 % above it: intervals are of 95 %."""


class Interval(NamedTuple):
    """A lower and an upper end."""

    low: float
    high: float


def wilson(count: int, total: int) -> Interval:
    """Return the 95 % interval of a share, which also holds for small samples and for 0 and 1.

    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22, 209-212.

    >>> tuple(round(end, 3) for end in wilson(23, 120))
    (0.131, 0.271)
    >>> tuple(wilson(0, 0))
    (0.0, 1.0)
    """
    if not total:
        return Interval(0.0, 1.0)
    share, square = count / total, Z * Z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = Z * sqrt(share * (1 - share) / total + square / (4 * total * total))
    half /= 1 + square / total
    low = 0.0 if count == 0 else max(0.0, middle - half)
    high = 1.0 if count == total else min(1.0, middle + half)
    return Interval(low, high)


class Comparison(NamedTuple):
    """How many of the same questions are right in one window and in another.

    Attributes:
        both, only_first, only_second, neither: counts of questions.
        difference: share of the second less share of the first.
        interval: of the difference, 95 %.
        p: exact two-sided probability of a split as uneven if the windows were equally good.
    """

    both: int
    only_first: int
    only_second: int
    neither: int
    difference: float
    interval: Interval
    p: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**self._asdict(), "interval": list(self.interval)}


def compare(first: Sequence[bool], second: Sequence[bool]) -> Comparison:
    """Compare answers to the same questions, in the same order, in two windows.

    The interval is method 10 of R. G. Newcombe (1998), Improved confidence intervals for the
    difference between binomial proportions based on paired data, Statistics in Medicine 17,
    2635-2650. The probability is that of the exact test of Q. McNemar (1947), Psychometrika 12,
    153-157: questions on which the windows differ are tosses of a coin.

    >>> found = compare([True] * 10 + [False] * 10, [True] * 18 + [False] * 2)
    >>> round(found.difference, 2), [round(end, 2) for end in found.interval], round(found.p, 4)
    (0.4, [0.14, 0.6], 0.0078)
    """
    pairs = list(zip(first, second, strict=True))
    both, neither = pairs.count((True, True)), pairs.count((False, False))
    one, two = pairs.count((True, False)), pairs.count((False, True))
    total = len(pairs)
    if not total:
        return Comparison(0, 0, 0, 0, 0.0, Interval(-1.0, 1.0), 1.0)
    interval = _newcombe(both, one, two, neither)
    return Comparison(both, one, two, neither, (two - one) / total, interval, _mcnemar(one, two))


def _newcombe(both: int, one: int, two: int, neither: int) -> Interval:
    total = both + one + two + neither
    first, second = (both + one) / total, (both + two) / total
    low_1, high_1 = wilson(both + one, total)
    low_2, high_2 = wilson(both + two, total)
    phi = _correlation(both, one, two, neither)
    difference = second - first
    below = _distance(second - low_2, high_1 - first, phi)
    above = _distance(high_2 - second, first - low_1, phi)
    return Interval(max(-1.0, difference - below), min(1.0, difference + above))


def _distance(a: float, b: float, phi: float) -> float:
    return sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))


def _correlation(both: int, one: int, two: int, neither: int) -> float:
    """Return the correlation of the pairs, with Newcombe's correction for continuity."""
    rows = (both + one) * (two + neither) * (both + two) * (one + neither)
    if not rows:
        return 0.0
    product: float = both * neither - one * two
    if product > 0:
        product = max(0.0, product - (both + one + two + neither) / 2)
    return product / sqrt(rows)


def _mcnemar(one: int, two: int) -> float:
    """Return the exact probability; of many pairs that differ, integers keep it exact."""
    total, least = one + two, min(one, two)
    tail = sum(comb(total, k) for k in range(least + 1))
    return min(1.0, 2 * tail / (1 << total)) if total else 1.0

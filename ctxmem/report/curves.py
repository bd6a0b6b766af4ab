"""Curves of a share over a budget that doubles, each labelled where it begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import floor, log2
from typing import NamedTuple

from ctxmem.report.words import escape

_WIDE, _HIGH = 860, 400
_LEFT, _RIGHT, _TOP, _LOW = 236, 46, 30, 44
_APART = 16.0  # of two labels, from line to line

OURS = ("new", "overlap")
PEERS = ("version", "resent", "repeat", "lost")
OTHERS = "boilerplate"


class Curve(NamedTuple):
    """A line: its name, the shares by budget, how it is coloured, whether its name is beside it."""

    name: str
    shares: Mapping[int, float]
    mark: str
    named: bool


def choose_curves(
    ours: Sequence[tuple[str, Mapping[int, float]]],
    peers: Sequence[tuple[str, Mapping[int, float]]],
) -> list[Curve]:
    """Return curves with colours: ours, the first few peers by name, the others grey behind."""
    grey = [Curve(name, shares, OTHERS, False) for name, shares in peers[len(PEERS) :]]
    named = [
        Curve(name, shares, mark, True) for (name, shares), mark in zip(peers, PEERS, strict=False)
    ]
    mine = [
        Curve(name, shares, mark, True) for (name, shares), mark in zip(ours, OURS, strict=False)
    ]
    return grey + named[::-1] + mine[::-1]  # what is drawn last lies on top


def curves(lines: Sequence[Curve], title: str, axis: str) -> str:
    """Draw shares over budgets, these on a scale of doublings."""
    budgets = sorted({budget for line in lines for budget in line.shares})
    lowest = min((share for line in lines for share in line.shares.values()), default=0.0)
    bottom = min(0.9, floor(lowest * 10) / 10)
    doublings = max(1e-9, log2(budgets[-1] / budgets[0])) if budgets else 1.0

    def x(budget: float) -> float:
        width = _WIDE - _LEFT - _RIGHT
        return round(_LEFT + width * log2(budget / budgets[0]) / doublings, 1)

    def y(share: float) -> float:
        return round(_TOP + (_HIGH - _TOP - _LOW) * (1 - share) / (1 - bottom), 1)

    parts = [
        f'<svg class="plot" viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{escape(title)}">'
    ]
    for tenth in range(round(bottom * 10), 11):
        height = y(tenth / 10)
        parts.append(
            f'<path class="grid" d="M{_LEFT} {height}H{_WIDE - _RIGHT}"/>'
            f'<text x="{_WIDE - _RIGHT + 8}" y="{height + 4}">{tenth / 10:.1f}</text>'
        )
    for budget in budgets:
        parts.append(
            f'<path class="grid" d="M{x(budget)} {_TOP}V{_HIGH - _LOW}"/>'
            f'<text x="{x(budget)}" y="{_HIGH - _LOW + 18}" text-anchor="middle">{budget:,}</text>'
        )
    for line in lines:
        points = " ".join(f"{x(budget)},{y(line.shares[budget])}" for budget in sorted(line.shares))
        parts.append(
            f'<polyline class="line m-{line.mark}{_weight(line)}" points="{points}">'
            f"<title>{escape(_told(line))}</title></polyline>"
        )
    parts += _labels([line for line in lines if line.named], y)
    parts.append(f'<text x="{_LEFT}" y="16">{escape(title)}</text>')
    parts.append(
        f'<text x="{_WIDE - _RIGHT}" y="{_HIGH - 6}" text-anchor="end">{escape(axis)}</text>'
    )
    return "".join(parts) + "</svg>"


def _weight(line: Curve) -> str:
    if line.mark == OURS[0]:
        return " ours"
    return "" if line.named else " thin"


def _told(line: Curve) -> str:
    by_budget = ", ".join(f"{line.shares[budget]:.3f} at {budget:,}" for budget in line.shares)
    return f"{line.name}: {by_budget}"


def _labels(lines: Sequence[Curve], y: Callable[[float], float]) -> list[str]:
    """Write names left of where the lines begin, moved apart where they would touch."""
    begins = [(y(line.shares[min(line.shares)]), line) for line in lines if line.shares]
    begins.sort(key=lambda pair: (pair[0], pair[1].name))
    places = spaced([height for height, _ in begins], _APART)
    parts = []
    for (height, line), at in zip(begins, places, strict=True):
        parts.append(
            f'<path class="line m-{line.mark} lead" '
            f'd="M{_LEFT - 2} {height}L{_LEFT - 22} {at:.1f}"/>'
            f'<text class="label m-{line.mark}" x="{_LEFT - 26}" y="{at + 4:.1f}" '
            f'text-anchor="end">{escape(line.name)}</text>'
        )
    return parts


def spaced(heights: Sequence[float], apart: float) -> list[float]:
    """Return ascending heights moved so that none is closer than `apart`, as little as may be.

    Those that touch form a block around their mean, and blocks that touch become one.

    >>> spaced([10, 11, 50], 8)
    [6.5, 14.5, 50.0]
    """
    blocks: list[tuple[float, int]] = []  # mean of what its members want, members
    for height in heights:
        middle, size = float(height), 1
        while blocks and middle - blocks[-1][0] < apart * (size + blocks[-1][1]) / 2:
            before, count = blocks.pop()
            middle = (middle * size + before * count) / (size + count)
            size += count
        blocks.append((middle, size))
    return [middle + apart * (i - (size - 1) / 2) for middle, size in blocks for i in range(size)]

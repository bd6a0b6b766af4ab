"""Slow twins of the native code: short, obvious, and the judges of the fast ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence


def best_packing(
    classes: Sequence[Sequence[tuple[int, int]]], mandatory: Sequence[bool], budget: int
) -> int | None:
    """Return the most value of one (tokens, value) option per class, or None if nothing fits."""
    best: int | None = None
    choices = [
        [*options, *([] if must else [(0, 0)])]
        for options, must in zip(classes, mandatory, strict=True)
    ]
    for chosen in itertools.product(*choices):
        if sum(tokens for tokens, _ in chosen) <= budget:
            value = sum(value for _, value in chosen)
            best = value if best is None else max(best, value)
    return best

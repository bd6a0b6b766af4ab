"""What the native solver returns, and which ranges of text a selection keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.candidates import Candidates
from ctxmem.selected import SelectionResult
from ctxmem.selection.requirement import EXCLUDED, OPTIONAL

SOURCE = _native.SPAN_KINDS.index("source")
NEVER_ALONE = sum(1 << _native.SPAN_FLAGS.index(flag) for flag in ("hidden", "filler"))
UNVALUED = NEVER_ALONE | 1 << _native.SPAN_FLAGS.index("label")

Range = tuple[int, int, int]
"""A part of a merged text: its number, first character, and the character after the last."""


class NativeSelection(NamedTuple):
    """What `_native.select_units` returns; see csrc/core/solver/selection.hpp."""

    outcome: str
    section: int
    kept: NDArray[np.uint8]
    duplicate_of: NDArray[np.int32]
    spent: int
    value: float
    bound: float
    total: float
    price: float
    section_prices: NDArray[np.float64]

    def among(self, free: NativeSelection) -> NativeSelection:
        """Return this selection, with the bound and the prices of one with more units."""
        return self._replace(
            bound=max(self.value, free.bound),
            total=free.total,
            price=free.price,
            section_prices=free.section_prices,
        )


def empty_selection(table: Candidates) -> SelectionResult:
    """Return the selection of nothing."""
    n = len(table.segment_span)
    return SelectionResult(
        np.zeros(n, dtype=np.bool_),
        np.full(n, -1, dtype=np.int32),
        np.full(len(table), -1, dtype=np.int32),
    )


def kept_ranges(table: Candidates, selection: SelectionResult) -> list[Range]:
    """Return the kept parts of the merged texts."""
    kept = np.flatnonzero(selection.segment_kept)
    spans = table.segment_span[kept].tolist()
    return [
        (text, start, end)
        for text, (start, end) in zip(table.segment_merged[kept].tolist(), spans, strict=True)
        if start < end
    ]


def shows(table: Candidates, selection: SelectionResult, ranges: Sequence[Range]) -> bool:
    """Return whether all of the text of these ranges is kept."""
    start, end = table.segment_span.T
    for text, first, last in ranges:
        at = slice(int(table.merged_first[text]), int(table.merged_first[text + 1]))
        kept = selection.segment_kept[at]
        shown = np.minimum(end[at], last) - np.maximum(start[at], first)
        if int(np.maximum(0, shown)[kept].sum()) < last - first:
            return False
    return True


def shows_all(
    table: Candidates, selection: SelectionResult, requirement: NDArray[np.uint8]
) -> bool:
    """Return whether a selection has every unit that may be selected, so that none can be added.

    Units that are never shown by themselves, such as rules and stray marks, do not count.
    """
    text = table.segment_body[:, 0] < table.segment_body[:, 1]
    free = (requirement[: len(text)] != EXCLUDED) & text & (table.segment_kind < SOURCE)
    free &= (table.segment_flags & NEVER_ALONE) == 0
    shorter = table.alternative[selection.kept_row[selection.kept_row >= 0]] > 0
    return bool(free.any() and selection.segment_kept[free].all() and not shorter.any())


def left_out(
    table: Candidates, selection: SelectionResult, requirement: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    """Return which units could be selected, are not, and have no duplicate that is."""
    optional = requirement[: len(selection.segment_kept)] == OPTIONAL
    found: NDArray[np.bool_] = optional & ~selection.segment_kept & (selection.duplicate_of < 0)
    return found & (table.segment_body[:, 0] < table.segment_body[:, 1])


def largest_left_out(
    table: Candidates, selection: SelectionResult, requirement: NDArray[np.uint8]
) -> float:
    """Return the most value of a unit that is left out."""
    out = left_out(table, selection, requirement) & ((table.segment_flags & UNVALUED) == 0)
    value = table.segment_density[out] * table.segment_tokens[out]
    return float(value.max(initial=0.0))


def inside(table: Candidates, ranges: Sequence[Range]) -> NDArray[np.bool_]:
    """Return which segments are inside one of the ranges."""
    found = np.zeros(len(table.segment_span), dtype=np.bool_)
    start, end = table.segment_span.T
    for text, first, last in ranges:
        at = slice(int(table.merged_first[text]), int(table.merged_first[text + 1]))
        found[at] |= (start[at] >= first) & (end[at] <= last) & (start[at] < end[at])
    return found

"""Cut the texts of a table into units, count them, and keep the cuts that were made.

A cut depends on the chunks and on the maximum size of a unit, not on the question. So several
questions about the same chunks, and several budgets, share the cuts.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ctxmem import render, tokens
from ctxmem.candidates import Candidates
from ctxmem.outline import OUTLINES, MergedTexts, cut_segments, merge_texts
from ctxmem.protocols import Counter
from ctxmem.schema import Layout, Window
from ctxmem.selected import RunCosts, SelectionResult
from ctxmem.selection import Range, WindowSelection, kept_ranges, largest_left_out, shows
from ctxmem.tokens import Estimate

FULL = 0.75
"""Share of the budget below which units that did not fit are cut into smaller parts."""

POOR = 0.9
"""Share of the value left out above which such a window is made anew from smaller parts."""

FINER = 2
"""How often that is done."""

MUCH_LESS = 0.3
"""Share of the value of a unit without room at which a window is made anew, too."""

LEAST_ADDED = 120
"""Maximum size in bytes below which most lines are cut: only whole sentences are added then."""

LEAST_BYTES = 48
"""Least maximum size of a unit in bytes, about 12 tokens."""

KEPT = 12
"""Cuts that are kept: all sizes from 1,600 bytes to the least one, for two shortlists."""

UNIT_COLUMNS = (
    *("first_segment", "last_segment", "merged_texts", "document", "merged_place"),
    *("merged_records", "merged_chunk", "lent", "chunk_offset", "merged_first"),
    *("segment_merged", "segment_span", "segment_kind", "segment_broken", "segment_flags"),
    *("segment_need", "segment_also", "segment_block", "segment_body", "segment_texts"),
    *("segment_tokens", "corpus"),
)
"""The columns that a cut adds; no later step changes their arrays."""
ROW_COLUMNS = ("tokens", "overhead")


class Cutter:
    """Cuts one set of chunks, and prices rows and units.

    Args:
        folds: repeats are folded, so that chunks which overlap are merged.
        blocks: blocks are not cut.
        keeps: cuts are kept; the texts and options of the table must not change then.
    """

    def __init__(self, counter: Counter, *, folds: bool, blocks: bool, keeps: bool) -> None:
        self.counter = counter
        self.folds, self.blocks, self.keeps = folds, blocks, keeps
        self._known: dict[Hashable, dict[str, Any]] = {}
        self._merged: tuple[bytes, MergedTexts] | None = None  # of the last shortlist

    def cut_to_room(
        self, table: Candidates, layout: Layout, limit: int, room: int, *, compressed: bool
    ) -> int:
        """Cut texts into units that fit into the budget; return their maximum size in bytes.

        Chunks with shorter versions are not cut for the budget.
        """
        while True:
            self._cut(table, layout, room)
            # A unit that is longer than `room` is of a kind that is not cut; smaller parts of all
            # others would not make it fit.
            cut = np.diff(table.segment_span, axis=1)[:, 0] <= room
            for i in np.flatnonzero(np.diff(table.first_row) > 1).tolist():
                cut[table.first_segment[i] : table.last_segment[i]] = False
            fit = table.segment_tokens[cut].max(initial=0) <= limit and _sections_fit(table, layout)
            if room <= LEAST_BYTES or compressed or fit:
                return room
            room = max(LEAST_BYTES, room // 2)

    def _cut(self, table: Candidates, layout: Layout, room: int) -> None:
        key = self._key("cut", table, layout, room)
        if self._take(key, table):
            return
        listed = table.shortlisted.tobytes()
        merged = self._merged
        if merged is None or merged[0] != listed:
            merged = self._merged = listed, merge_texts(table, enabled=self.folds)
        cut_segments(
            table,
            spans=True,
            labels=layout.header == render.AUTO,
            room=room,
            blocks=self.blocks,
            merged=merged[1],
            outlines=OUTLINES if self.keeps else None,
        )
        tokens.price_segments(table, self.counter, layout.separator)
        render.price_labels(table, layout, self.counter)
        self._keep(key, table, UNIT_COLUMNS)

    def price_rows(self, table: Candidates, layout: Layout) -> None:
        """Add the tokens of rows: what each text costs inside a window."""
        key = self._key("rows", table, layout)
        if not self._take(key, table):
            tokens.price(table, self.counter, layout.separator, render.headers(table, layout))
            self._keep(key, table, ROW_COLUMNS)

    def run_costs(
        self, table: Candidates, layout: Layout, *, whole: bool, headers: Sequence[int]
    ) -> RunCosts:
        """Return the tokens around runs of units, by the cut that the table has."""
        key = self._key("costs", table, layout, whole, tuple(headers), id(table.corpus))
        known = self._known.get(key) if self.keeps else None
        if known is None or known["corpus"] is not table.corpus:
            costs = render.run_costs(table, layout, self.counter, whole=whole, headers=headers)
            known = {"costs": costs, "corpus": table.corpus}
            self._store(key, known)
        made: RunCosts = known["costs"]
        return made

    # Keeping --------------------------------------------------------------------------------------

    def _key(self, what: str, table: Candidates, layout: Layout, *more: Hashable) -> Hashable:
        if not self.keeps:
            return None
        learnt = self.counter.observations if isinstance(self.counter, Estimate) else 0
        shape = layout.separator, layout.header, layout.ellipsis
        return what, shape, table.shortlisted.tobytes(), learnt, *more

    def _take(self, key: Hashable, table: Candidates) -> bool:
        """Set the columns of a known cut."""
        known = self._known.get(key) if self.keeps else None
        for name, column in (known or {}).items():
            setattr(table, name, column)
        return known is not None

    def _keep(self, key: Hashable, table: Candidates, names: Sequence[str]) -> None:
        self._store(key, {name: getattr(table, name) for name in names})

    def _store(self, key: Hashable, columns: dict[str, Any]) -> None:
        if self.keeps:
            if len(self._known) >= 3 * KEPT:
                self._known = {}
            self._known[key] = columns


class UnitSizes:
    """The maximum size of a unit, in bytes, while it is lowered.

    Units are cut into smaller parts if none fits with its dependencies, or if the window has much
    less value than one unit that did not fit with them. They are also cut if a large part of the
    budget is unused because units did not fit; the text of the window is then held, and the parts
    are added to it.
    """

    def __init__(self, room: int, *, fill_up: bool) -> None:
        self.room = room
        self.fill_up = fill_up
        self.held: list[Range] = []
        self.sentences = False  # parts of sentences and lines are not added to what is held
        self.added = 0  # windows to which parts were added
        self.poor = False  # the window has next to nothing: smaller parts may replace its text
        self.replaced_from = 0.0  # the value above which a window of smaller parts replaces it
        self.window: Window  # the best window so far

    def finer(self, window: Window, selecting: WindowSelection, selection: SelectionResult) -> bool:
        """Lower the size after a window; False if `window` of this object is the result."""
        table = selecting.table
        if self.held and not shows(table, selection, self.held):
            return False
        added = not self.held or window.text != self.window.text
        if added and (not self.poor or window.value > self.replaced_from):
            self.window = window
            self.poor = self._is_poor(window, selecting, selection)
        if self.room <= LEAST_BYTES:
            return False
        if window.pieces and not (self.poor or self._may_add(window)):
            return False
        if (table.alternative[selection.kept_row[selection.kept_row >= 0]] > 0).any():
            return False
        self.added += bool(window.pieces)
        self.held = [] if self.poor else kept_ranges(table, selection)
        self.room = max(LEAST_BYTES, self.room // 2)
        self.sentences = bool(self.held) and self.room < LEAST_ADDED
        return True

    def _is_poor(
        self, window: Window, selecting: WindowSelection, selection: SelectionResult
    ) -> bool:
        """Return whether a window has next to nothing of the value that it could have.

        Nearly all value is left out though much of the budget is unused, or the window has much
        less value than one unit that did not fit.
        """
        if not window.pieces:
            return False
        self.replaced_from = window.value
        if _is_unused(window) and window.unselected_share > POOR:
            return True
        self.replaced_from = window.value / MUCH_LESS
        largest = largest_left_out(selecting.table, selection, selecting.requirement)
        return self.fill_up and window.value <= MUCH_LESS * largest

    def _may_add(self, window: Window) -> bool:
        return self.fill_up and _is_unused(window) and self.added < FINER


def _is_unused(window: Window) -> bool:
    """Return whether much of the budget is unused because units did not fit."""
    return window.tokens < FULL * window.budget and any(window.prices.values())


def _sections_fit(table: Candidates, layout: Layout) -> bool:
    """Return whether each section with a minimum has a unit that fits into its maximum."""
    if not any(part.min and part.max is not None for part in layout.sections):
        return True
    names = np.array([table.chunks[i].section or "" for i in table.merged_chunk], dtype=object)
    shown = table.segment_body[:, 0] < table.segment_body[:, 1]
    for part in layout.sections:
        tokens_of = table.segment_tokens[(names == part.name)[table.segment_merged] & shown]
        if part.min and part.max is not None and len(tokens_of) and tokens_of.min() > part.max:
            return False
    return True

"""Choose what the window holds span by span: the best sentences of all chunks, nothing twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ctxmem import _native
from ctxmem.schema import Candidates
from ctxmem.selection.choice import Proof

ALIKE = 0.35
"""Share of a span's 5-word shingles that the window may hold before the span is taken to say the
same: a word in twelve edited leaves about half of them."""

UNFOLDED = 2.0
"""Above any share: nothing is folded."""


MAY, MUST, MUST_NOT = 0, 1, 2
"""What is asked of a span; those of chunks that another stands for must not be there."""


def choose_spans(
    table: Candidates,
    limit: int,
    overhead: Sequence[int],
    again: int,
    dedup: bool | float,
    least: float = 0.0,
) -> Proof | None:
    """Add `segment_kept`, `stands_for_it` and `kept_row`: which spans are in the window.

    Spans are taken by worth per token. One that says what the window says already is represented by
    the span that does; with `dedup` True, only where both have the same numbers and negations.

    Args:
        table: the candidates, cut into spans, priced and valued.
        limit: tokens of all blocks.
        overhead: of each stretch, the tokens of what stands around the first run of a document.
        again: the tokens of what stands around every further run of it.
        dedup: False folds nothing; a number is the share of shingles from which on all are folded.
        least: worth of a token below which none is taken, whatever room is left.

    Returns:
        What is known of the selection; None when the pinned chunks do not fit (all are kept out).
    """
    demand = np.full(len(table.segment_span), MUST_NOT, dtype=np.uint8)
    standing = _standing(table)
    for i in np.flatnonzero(standing & (table.group == np.arange(len(table)))).tolist():
        demand[table.first_segment[i] : table.last_segment[i]] = MAY
    for i in np.flatnonzero(table.pinned & standing).tolist():
        demand[table.first_segment[i] : table.last_segment[i]] = MUST
    alike = ALIKE if dedup is True else float(dedup) if dedup else UNFOLDED
    kept, stands_for_it, pins_fit, spent, value, bound, price, left = _native.fill_spans(
        table.stretches,
        table.stretch_first,
        np.ascontiguousarray(table.segment_span[:, 0]),
        np.ascontiguousarray(table.segment_span[:, 1]),
        table.segment_kind,
        table.segment_tokens,
        table.document,
        np.asarray(overhead, dtype=np.int64),
        again,
        table.segment_worth,
        demand,
        limit,
        least=least,
        alike=alike,
        careful=dedup is True,
    )
    if not pins_fit:
        table.segment_kept = np.zeros(len(kept), dtype=np.bool_)
        table.stands_for_it = np.full(len(kept), -1, dtype=np.int32)
        table.kept_row = np.full(len(table), -1, dtype=np.int32)
        return None
    table.segment_kept = kept.astype(np.bool_)
    table.stands_for_it = stands_for_it
    attribute(table)
    return Proof(value, bound, spent, {"": price}, left)


def attribute(table: Candidates) -> None:
    """Add `kept_row`: the chunks that the kept segments are taken from.

    Each segment is its best holder's: a chunk that must be there, else the one with most evidence.
    A chunk none of whose segments are its own is represented by those that hold them.
    """
    order = sorted(
        np.flatnonzero(_standing(table)).tolist(),
        key=lambda i: (not table.pinned[i], -table.evidence[i], -table.relevance[i], table.id(i)),
    )
    holder = np.full(len(table.segment_span), -1, dtype=np.int32)
    for i in reversed(order):
        holder[table.first_segment[i] : table.last_segment[i]] = i
    table.kept_row = np.full(len(table), -1, dtype=np.int32)
    chosen = np.unique(holder[table.segment_kept & (holder >= 0)])
    table.kept_row[chosen] = table.first_row[chosen]


def _standing(table: Candidates) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which chunks stand for themselves: neither blank nor repeats of others."""
    standing = np.zeros(len(table), dtype=np.bool_)
    standing[table.unique] = True
    return standing

"""Choose what the window holds span by span: the best sentences of all chunks, nothing twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
    blank = [not text for text in table.segment_texts]  # separators that only Python calls space
    demand[np.array(blank, dtype=np.bool_)] = MUST_NOT
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
    left_out = ~table.segment_kept & (table.stands_for_it < 0) & (demand == MAY)
    return Proof(
        value, bound, spent, {"": price}, left, _stopped(table, left_out, least, limit - spent)
    )


def _stopped(table: Candidates, left_out: NDArray[np.bool_], least: float, room: int) -> bool:
    """Tell whether a price, and not the limit, left out what is left out."""
    if least <= 0 or not left_out.any():
        return False
    dear = bool(table.segment_worth[left_out].max() < least)
    return dear or int(table.segment_tokens[left_out].max()) <= room


def attribute(table: Candidates) -> None:
    """Add `kept_row`: the chunks that the kept segments are taken from.

    Each segment is its best holder's: a chunk that has it whole before one that ends inside it,
    one that must be there before others, then the one with most evidence. What no chunk has whole
    is of all that have a part. A chunk none of whose segments are its own is represented by those
    that hold them.
    """
    order = sorted(
        np.flatnonzero(_standing(table)).tolist(),
        key=lambda i: (not table.pinned[i], -table.evidence[i], -table.relevance[i], table.id(i)),
    )
    holder = np.full(len(table.segment_span), -1, dtype=np.int32)
    whole = {i: _whole(table, i) for i in order}
    for i in reversed(order):
        first, last = whole[i]
        holder[first:last] = i
    holders = set(holder[table.segment_kept & (holder >= 0)].tolist())
    for i in order:
        first, last = whole[i]
        cut = [*range(table.first_segment[i], first), *range(last, table.last_segment[i])]
        if any(table.segment_kept[s] and (holder[s] < 0 or table.pinned[i]) for s in cut):
            holders.add(i)
    reach = -1
    for i in sorted(holders, key=lambda i: (whole[i][0], -whole[i][1], table.id(i))):
        uncut = whole[i] == (table.first_segment[i], table.last_segment[i])
        if uncut and whole[i][1] <= reach and not table.pinned[i]:
            holders.remove(i)  # all of it stands with one that is kept anyway
        reach = max(reach, whole[i][1])
    chosen = np.array(sorted(holders), dtype=np.intp)
    table.kept_row = np.full(len(table), -1, dtype=np.int32)
    table.kept_row[chosen] = table.first_row[chosen]


def _whole(table: Candidates, i: int) -> tuple[int, int]:
    """Return the segments that a chunk has whole: those at its ends may go on beyond it."""
    first, last = int(table.first_segment[i]), int(table.last_segment[i])
    text = table.text(i).strip()
    if first < last and not text.endswith(table.segment_texts[last - 1]):
        last -= 1
    if first < last and not text.startswith(table.segment_texts[first]):
        first += 1
    return first, last


def _standing(table: Candidates) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which chunks stand for themselves: neither blank nor repeats of others."""
    standing = np.zeros(len(table), dtype=np.bool_)
    standing[table.unique] = True
    return standing

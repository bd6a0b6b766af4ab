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

SOURCE = _native.SPAN_KINDS.index("source")

UNFOLDED = 2.0
"""Above any share: nothing is folded."""


MAY, MUST, MUST_NOT = 0, 1, 2
"""What is asked of a span; those of chunks that another stands for must not be there."""


class SpanChoice:
    """Chooses the spans of a window, for one limit after another.

    Spans are taken by worth per token. One that says what the window says already is represented by
    the span that does; with `dedup` True, only where both have the same numbers and negations, and
    do not differ mainly in words of the query.

    Args:
        table: the candidates, cut into spans, priced and valued.
        overhead: of each stretch, the tokens of what stands around the first run of a document.
        again: the tokens of what stands around every further run of it.
        dedup: False folds nothing; a number is the share of shingles from which on all are folded.
        least: worth of a token below which none is taken, whatever room is left.
        query: what is asked.
    """

    def __init__(
        self,
        table: Candidates,
        overhead: Sequence[int],
        again: int,
        dedup: bool | float,
        least: float = 0.0,
        query: str | None = None,
    ) -> None:
        self.table = table
        self.overhead = np.asarray(overhead, dtype=np.int64)
        self.again = again
        self.alike = ALIKE if dedup is True else float(dedup) if dedup else UNFOLDED
        self.careful = dedup is True
        self.least = least
        self.query = query or ""
        self.demand = _demand(table)
        self.holders = _Holders(table)

    def __call__(self, limit: int) -> Proof | None:
        """Add `segment_kept`, `stands_for_it` and `kept_row`: what a window of `limit` has.

        Returns:
            What is known of the selection; None when the pinned chunks do not fit (all are kept
            out).
        """
        table = self.table
        kept, stands_for_it, pins_fit, spent, value, bound, price, left = _native.fill_spans(
            table.stretches,
            table.stretch_first,
            table.segment_span[:, 0],
            table.segment_span[:, 1],
            table.segment_kind,
            table.segment_flags,
            table.segment_need,
            table.segment_also,
            table.segment_tokens,
            table.document,
            self.overhead,
            self.again,
            table.segment_worth,
            self.demand,
            limit,
            least=self.least,
            alike=self.alike,
            careful=self.careful,
            query=self.query,
        )
        if not pins_fit:
            table.segment_kept = np.zeros(len(kept), dtype=np.bool_)
            table.stands_for_it = np.full(len(kept), -1, dtype=np.int32)
            table.kept_row = np.full(len(table), -1, dtype=np.int32)
            return None
        table.segment_kept = kept.astype(np.bool_)
        table.stands_for_it = stands_for_it
        chosen = self.holders.of(table.segment_kept)
        table.kept_row = np.full(len(table), -1, dtype=np.int32)
        table.kept_row[chosen] = table.first_row[chosen]
        left_out = ~table.segment_kept & (table.stands_for_it < 0) & (self.demand == MAY)
        stopped = _stopped(table, left_out, self.least, limit - spent)
        return Proof(value, bound, spent, {"": price}, left, stopped)


def represent_by_what_fits(table: Candidates, limit: int) -> None:
    """Let a near-duplicate represent its group where the representative exceeds the budget."""
    total = np.concatenate(([0], np.cumsum(table.segment_tokens)))
    tokens = total[table.last_segment] - total[table.first_segment]
    unique = table.unique
    for rep in unique[(table.group[unique] == unique) & (tokens[unique] > limit)].tolist():
        members = [i for i in unique[table.group[unique] == rep].tolist() if tokens[i] <= limit]
        if members and not table.pinned[rep]:
            best = min(members, key=lambda i: (-table.evidence[i], table.id(i)))
            table.group[table.group == rep] = best


def _demand(table: Candidates) -> NDArray[np.uint8]:
    """Return what is asked of each span."""
    demand = np.full(len(table.segment_span), MUST_NOT, dtype=np.uint8)
    unique = table.unique
    for i in unique[table.group[unique] == unique].tolist():
        demand[table.first_segment[i] : table.last_segment[i]] = MAY
    blank = [not text for text in table.segment_texts]  # separators that only Python calls space
    demand[np.array(blank, dtype=np.bool_)] = MUST_NOT
    demand[table.segment_kind == SOURCE] = MAY
    demand[list(table.lent)] = MAY
    for i in unique[table.pinned[unique]].tolist():
        demand[table.first_segment[i] : table.last_segment[i]] = MUST
    return demand


def _stopped(table: Candidates, left_out: NDArray[np.bool_], least: float, room: int) -> bool:
    """Tell whether a price, and not the limit, left out what is left out."""
    if least <= 0 or not left_out.any():
        return False
    dear = bool(table.segment_worth[left_out].max() < least)
    return dear or int(table.segment_tokens[left_out].max()) <= room


class _Holders:
    """Which chunks the segments of a window are taken from.

    Each segment is its best holder's: a chunk that has it whole before one that ends inside it,
    one that must be there before others, then the one with most evidence. What no chunk has whole
    is of all that have a part. A chunk none of whose segments are its own is represented by those
    that hold them.
    """

    def __init__(self, table: Candidates) -> None:
        self.table = table
        unique = table.unique.tolist()
        standing = zip(
            (~table.pinned).tolist(),
            (-table.evidence).tolist(),
            (-table.relevance).tolist(),
            table.ids,
            strict=True,
        )
        best_first = sorted(unique, key=list(standing).__getitem__)
        bounds = zip(table.first_segment.tolist(), table.last_segment.tolist(), strict=True)
        self.segments = list(bounds)
        self.whole = {i: self._whole(i) for i in unique}
        self.holder = np.full(len(table.segment_span), -1, dtype=np.int32)
        for i in reversed(best_first):
            first, last = self.whole[i]
            self.holder[first:last] = i
        self.parts = {i: self._parts(i) for i in unique if self.whole[i] != self.segments[i]}

    def _whole(self, i: int) -> tuple[int, int]:
        """Return the segments that a chunk has whole: those at its ends may go on beyond it."""
        first, last = self.segments[i]
        text = self.table.text(i).strip()
        texts = self.table.segment_texts
        if first < last and not text.endswith(texts[last - 1]):
            last -= 1
        if first < last and not text.startswith(texts[first]):
            first += 1
        return first, last

    def _parts(self, i: int) -> list[int]:
        """Return the segments that a chunk has a part of and that are, or must be, its own."""
        (begin, end), (first, last) = self.segments[i], self.whole[i]
        cut = [*range(begin, first), *range(last, end)]
        return [s for s in cut if self.holder[s] < 0 or self.table.pinned[i]]

    def of(self, kept: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the chunks that these segments are taken from, in ascending order."""
        table, whole = self.table, self.whole
        chosen = set(self.holder[kept & (self.holder >= 0)].tolist())
        chosen.update(i for i, parts in self.parts.items() if kept[parts].any())
        reach = -1
        for i in sorted(chosen, key=lambda i: (whole[i][0], -whole[i][1], table.id(i))):
            uncut = whole[i] == self.segments[i]
            if uncut and whole[i][1] <= reach and not table.pinned[i]:
                chosen.remove(i)  # all of it stands with one that is kept anyway
            reach = max(reach, whole[i][1])
        return np.array(sorted(chosen), dtype=np.intp)

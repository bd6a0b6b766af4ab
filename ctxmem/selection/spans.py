"""Select the window span by span: the best units of all chunks, without duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.schema import Candidates
from ctxmem.selection.choice import Proof

ALIKE = 0.35
"""Share of a span's 5-word shingles in the window from which the span counts as a duplicate. If one
word in twelve is edited, about half of the shingles remain."""

SOURCE = _native.SPAN_KINDS.index("source")

UNFOLDED = 2.0
"""Above any share of shingles: nothing is folded."""


MAY, MUST, MUST_NOT = 0, 1, 2
"""Requirement of a span: optional, required, excluded. Spans of duplicate chunks are excluded."""


class SpanChoice:
    """Selects the spans of a window for a given limit; can be called with several limits.

    Spans are taken in order of density, their value per token. A span that duplicates a selected
    span is represented by that span. With `dedup=True` this requires that the two say the same by
    `differences` and do not differ mainly in words of the query.

    Args:
        table: the candidates, cut into spans, priced and valued.
        overhead: for each merged text, the tokens of header and separator around the first run of
            its document.
        again: the tokens around every further run of the document.
        dedup: False folds nothing; a number is the share of shingles from which every span is
            folded.
        least: minimum density; a span below it is not taken, however much budget is left.
        query: the question.
        held: ranges of merged texts, as `kept_ranges` returns them, that are taken first if they
            fit.
    """

    def __init__(
        self,
        table: Candidates,
        overhead: Sequence[int],
        again: int,
        dedup: bool | float,
        least: float = 0.0,
        query: str | None = None,
        held: Sequence[Range] = (),
    ) -> None:
        self.table = table
        self.overhead = np.asarray(overhead, dtype=np.int64)
        self.again = again
        self.alike = ALIKE if dedup is True else float(dedup) if dedup else UNFOLDED
        self.careful = dedup is True
        self.least = least
        self.query = query or ""
        self.demand = _demand(table)
        self.held = np.where(_inside(table, held) & (self.demand == MAY), MUST, self.demand)
        self.holders = _Holders(table)

    def __call__(self, limit: int) -> Proof | None:
        """Add `segment_kept`, `duplicate_of` and `kept_row` for a window of `limit` tokens.

        Returns:
            Value and bound of the selection; None if the pinned chunks do not fit (then nothing is
            selected).
        """
        fill = self._fill(self.held, limit)
        if not fill[2]:  # the held ranges do not fit
            fill = self._fill(self.demand, limit)
        table = self.table
        kept, duplicate_of, pins_fit, spent, value, bound, price, left = fill
        if not pins_fit:
            table.segment_kept = np.zeros(len(kept), dtype=np.bool_)
            table.duplicate_of = np.full(len(kept), -1, dtype=np.int32)
            table.kept_row = np.full(len(table), -1, dtype=np.int32)
            return None
        table.segment_kept = kept.astype(np.bool_)
        table.duplicate_of = duplicate_of
        chosen = self.holders.of(table.segment_kept)
        table.kept_row = np.full(len(table), -1, dtype=np.int32)
        table.kept_row[chosen] = table.first_row[chosen]
        left_out = ~table.segment_kept & (table.duplicate_of < 0) & (self.demand == MAY)
        stopped = _stopped(table, left_out, self.least, limit - spent)
        return Proof(value, bound, spent, {"": price}, left, stopped)

    def _fill(self, demand: NDArray[np.uint8], limit: int) -> tuple[Any, ...]:
        table = self.table
        return _native.fill_spans(
            table.merged_texts,
            table.merged_first,
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
            table.segment_density,
            demand,
            limit,
            least=self.least,
            alike=self.alike,
            careful=self.careful,
            query=self.query,
        )


Range = tuple[int, int, int]
"""A part of a merged text: its number, first character, and the character after the last."""


def kept_ranges(table: Candidates) -> list[Range]:
    """Return the kept parts of the merged texts."""
    kept = np.flatnonzero(table.segment_kept)
    spans = table.segment_span[kept].tolist()
    return [
        (text, start, end)
        for text, (start, end) in zip(table.segment_merged[kept].tolist(), spans, strict=True)
        if start < end
    ]


def shows(table: Candidates, ranges: Sequence[Range]) -> bool:
    """Return whether all of these ranges are kept."""
    return bool(table.segment_kept[_inside(table, ranges)].all())


def _inside(table: Candidates, ranges: Sequence[Range]) -> NDArray[np.bool_]:
    """Return which segments are inside one of the ranges."""
    found = np.zeros(len(table.segment_span), dtype=np.bool_)
    start, end = table.segment_span.T
    for text, first, last in ranges:
        at = slice(int(table.merged_first[text]), int(table.merged_first[text + 1]))
        found[at] |= (start[at] >= first) & (end[at] <= last) & (start[at] < end[at])
    return found


def represent_by_what_fits(table: Candidates, limit: int) -> None:
    """Choose another representative for groups whose representative exceeds the budget."""
    total = np.concatenate(([0], np.cumsum(table.segment_tokens)))
    tokens = total[table.last_segment] - total[table.first_segment]
    unique = table.unique
    for rep in unique[(table.group[unique] == unique) & (tokens[unique] > limit)].tolist():
        members = [i for i in unique[table.group[unique] == rep].tolist() if tokens[i] <= limit]
        if members and not table.pinned[rep]:
            best = min(members, key=lambda i: (-table.rrf_score[i], table.id(i)))
            table.group[table.group == rep] = best


def _demand(table: Candidates) -> NDArray[np.uint8]:
    """Return the requirement of each span."""
    demand = np.full(len(table.segment_span), MUST_NOT, dtype=np.uint8)
    unique = table.unique
    for i in unique[table.group[unique] == unique].tolist():
        demand[table.first_segment[i] : table.last_segment[i]] = MAY
    blank = [not text for text in table.segment_texts]  # only Python counts these as space
    demand[np.array(blank, dtype=np.bool_)] = MUST_NOT
    demand[table.segment_kind == SOURCE] = MAY
    demand[list(table.lent)] = MAY
    for i in unique[table.pinned[unique]].tolist():
        demand[table.first_segment[i] : table.last_segment[i]] = MUST
    return demand


def _stopped(table: Candidates, left_out: NDArray[np.bool_], least: float, room: int) -> bool:
    """Return whether the minimum density, not the limit, excluded the spans left out."""
    if least <= 0 or not left_out.any():
        return False
    dear = bool(table.segment_density[left_out].max() < least)
    return dear or int(table.segment_tokens[left_out].max()) <= room


class _Holders:
    """Assigns the segments of a window to chunks.

    Each segment belongs to the best chunk that contains it: a chunk that contains all of it before
    a chunk that ends inside it, a pinned chunk before others, then the chunk with the highest
    `evidence`. A segment that no chunk contains whole belongs to all chunks that have a part. A
    chunk to which no segment belongs is represented by the chunks that own its segments.
    """

    def __init__(self, table: Candidates) -> None:
        self.table = table
        unique = table.unique.tolist()
        standing = zip(
            (~table.pinned).tolist(),
            (-table.rrf_score).tolist(),
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
        """Return the segments that a chunk contains whole; those at its ends may extend beyond."""
        first, last = self.segments[i]
        text = self.table.text(i).strip()
        texts = self.table.segment_texts
        if first < last and not text.endswith(texts[last - 1]):
            last -= 1
        if first < last and not text.startswith(texts[first]):
            first += 1
        return first, last

    def _parts(self, i: int) -> list[int]:
        """Return the segments of which a chunk has a part and that belong to it."""
        (begin, end), (first, last) = self.segments[i], self.whole[i]
        cut = [*range(begin, first), *range(last, end)]
        return [s for s in cut if self.holder[s] < 0 or self.table.pinned[i]]

    def of(self, kept: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the chunks that own these segments, in ascending order."""
        table, whole = self.table, self.whole
        chosen = set(self.holder[kept & (self.holder >= 0)].tolist())
        chosen.update(i for i, parts in self.parts.items() if kept[parts].any())
        reach = -1
        for i in sorted(chosen, key=lambda i: (whole[i][0], -whole[i][1], table.id(i))):
            uncut = whole[i] == self.segments[i]
            if uncut and whole[i][1] <= reach and not table.pinned[i]:
                chosen.remove(i)  # a kept chunk contains all of it
            reach = max(reach, whole[i][1])
        return np.array(sorted(chosen), dtype=np.intp)

"""Assign the segments of a window to the chunks that contain them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ctxmem.candidates import Candidates


class Holders:
    """The chunk that each segment belongs to.

    A segment belongs to the best chunk that contains it: a chunk that contains all of it before a
    chunk that ends inside it, a `required` chunk before others, then the chunk with the highest
    `rrf_score`. A segment that no chunk contains whole belongs to all chunks that have a part. A
    chunk to which no segment belongs is represented by the chunks that own its segments.
    """

    def __init__(self, table: Candidates, required: Sequence[int] = ()) -> None:
        self.table = table
        self.required = np.zeros(len(table), dtype=np.bool_)
        self.required[list(required)] = True
        unique = table.unique.tolist()
        standing = zip(
            (~self.required).tolist(),
            (-table.rrf_score).tolist(),
            (-table.relevance).tolist(),
            table.ids,
            strict=True,
        )
        best_first = sorted(unique, key=list(standing).__getitem__)
        bounds = zip(table.first_segment.tolist(), table.last_segment.tolist(), strict=True)
        self.segments = list(bounds)
        self.whole = self._whole_ranges(unique)
        self.holder = np.full(len(table.segment_span), -1, dtype=np.int32)
        for i in reversed(best_first):
            first, last = self.whole[i]
            self.holder[first:last] = i
        cut = [i for i in unique if self.whole[i] != self.segments[i]]
        self.parts = {i: self._parts(i) for i in cut if self.required[i]}
        for i, parts in self.parts.items():
            self.holder[parts] = i  # they are shown for the sake of the required chunk
        self.parts.update({i: self._parts(i) for i in cut if not self.required[i]})

    def _whole_ranges(self, chunks: list[int]) -> dict[int, tuple[int, int]]:
        """Return the segments that each chunk contains whole; a chunk alone has all of its own."""
        table = self.table
        held = [i for i in chunks if self.segments[i][0] < self.segments[i][1]]
        texts = table.segment_merged[table.first_segment[held]]
        alone = np.bincount(texts, minlength=len(table.merged_texts))[texts] == 1
        single = dict(zip(held, alone.tolist(), strict=True))
        return {i: self.segments[i] if single.get(i, True) else self._whole(i) for i in chunks}

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
        return [s for s in cut if self.holder[s] < 0 or self.required[i]]

    def segments_of(self, i: int) -> list[int]:
        """Return the segments that show the chunk if they are in the window."""
        first, last = self.whole.get(i, (0, 0))
        own = np.flatnonzero(self.holder[first:last] == i) + first
        return [*own.tolist(), *self.parts.get(i, ())]

    def shown_whole(self, kept: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the chunks all of whose segments are kept, without those inside another one."""
        table = self.table
        count = np.concatenate(([0], np.cumsum(kept)))
        chosen = [
            i
            for i in self.whole
            if table.group[i] == i
            and self.segments[i][0] < self.segments[i][1]
            and count[self.segments[i][1]] - count[self.segments[i][0]]
            == self.segments[i][1] - self.segments[i][0]
        ]
        standing = {i: (-table.rrf_score[i], -table.relevance[i], table.id(i)) for i in chosen}
        reach, outer = -1, []
        for i in sorted(
            chosen, key=lambda i: (self.segments[i][0], -self.segments[i][1], standing[i])
        ):
            if self.segments[i][1] > reach or self.required[i]:
                outer.append(i)
            reach = max(reach, self.segments[i][1])
        return np.array(sorted(outer), dtype=np.intp)

    def of(self, kept: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the chunks that own these segments, in ascending order."""
        table, whole = self.table, self.whole
        chosen = set(self.holder[kept & (self.holder >= 0)].tolist())
        chosen.update(i for i, parts in self.parts.items() if kept[parts].any())
        reach = -1
        for i in sorted(chosen, key=lambda i: (whole[i][0], -whole[i][1], table.id(i))):
            uncut = whole[i] == self.segments[i]
            if uncut and whole[i][1] <= reach and not self.required[i]:
                chosen.remove(i)  # a kept chunk contains all of it
            reach = max(reach, whole[i][1])
        return np.array(sorted(chosen), dtype=np.intp)

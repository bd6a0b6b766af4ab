"""Text that neighbours of one source share: priced once, shown once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ctxmem.schema import Candidates, Chunk


class Place(NamedTuple):
    """Where a text stands: character offsets in its source."""

    source: str
    start: int
    end: int


def place(chunk: Chunk) -> Place | None:
    """Return where a chunk stands, None where that is not known or not as long as its text."""
    if chunk.source is None or chunk.span is None:
        return None
    start, end = chunk.span
    return Place(chunk.source, start, end) if end - start == len(chunk.text) else None


def overlap(a: Chunk, b: Chunk) -> bool:
    """Tell whether two chunks share a stretch of one source."""
    first, second = place(a), place(b)
    if first is None or second is None or first.source != second.source:
        return False
    return first.start < second.end and second.start < first.end


def cut_segments(table: Candidates, *, enabled: bool = True) -> None:
    """Add the segment columns: what each chunk shares with its neighbours in one source.

    The ends of all chunks cut a source into segments; a chunk is a run of them. A chunk whose text
    disagrees with what another says of the same place stands alone.
    """
    segments = _Segments(table)
    sources: dict[tuple[str, str | None], dict[int, Place]] = defaultdict(dict)
    alone = []
    for i, chunk in enumerate(table.chunks):
        if table.repeat_of[i] == i and not table.blank[i]:
            where = place(chunk) if enabled else None
            if where is None:
                alone.append(i)
            else:
                # Pieces do not reach across sections, so neither does what neighbours share.
                sources[where.source, chunk.section][i] = where
    for places in sources.values():
        disagreeing = _disagreeing(table, places)
        alone.extend(disagreeing)
        segments.cut({i: where for i, where in places.items() if i not in disagreeing})
    for i in sorted(alone):
        segments.add(i)
    table.first_segment = segments.first[table.repeat_of]
    table.last_segment = segments.last[table.repeat_of]
    table.segment_chunk = np.array(segments.chunk, dtype=np.int32)
    table.segment_span = np.array(segments.span, dtype=np.int64).reshape(-1, 2)
    table.joined = np.array(segments.joined, dtype=np.bool_)


def _disagreeing(table: Candidates, places: Mapping[int, Place]) -> set[int]:
    """Return the chunks of one source whose text is not what their neighbours say stands there."""
    wrong = set()
    text, start = "", 0  # the run of text known so far, and where it begins in the source
    for i in sorted(places, key=lambda i: (places[i], table.id(i))):
        where, mine = places[i], table.chunks[i].text
        known = text[where.start - start : where.end - start] if text else ""
        if where.start > start + len(text) or not text:
            text, start = mine, where.start
        elif mine.startswith(known):
            text += mine[len(known) :]
        else:
            wrong.add(i)
    return wrong


class _Segments:
    """The segment columns while they grow."""

    def __init__(self, table: Candidates) -> None:
        self.table = table
        self.first = np.zeros(len(table), dtype=np.int32)
        self.last = np.zeros(len(table), dtype=np.int32)
        self.chunk: list[int] = []
        self.span: list[tuple[int, int]] = []
        self.joined: list[bool] = []

    def add(self, i: int) -> None:
        """Give a chunk that shares nothing a segment of its own."""
        self.first[i] = len(self.chunk)
        self.chunk.append(i)
        self.span.append((0, len(self.table.chunks[i].text)))
        self.joined.append(False)
        self.last[i] = len(self.chunk)

    def cut(self, places: Mapping[int, Place]) -> None:
        """Cut one source at the ends of all its chunks."""
        edges = sorted({edge for where in places.values() for edge in (where.start, where.end)})
        number = {edge: e for e, edge in enumerate(edges)}
        holder = [-1] * len(edges)  # a chunk whose text reaches from this edge to the next
        for i, where in places.items():
            for e in range(number[where.start], number[where.end]):
                holder[e] = i
        segment = [-1] * len(edges)
        for e, i in enumerate(holder):
            if i >= 0:
                segment[e] = len(self.chunk)
                self.chunk.append(i)
                start = places[i].start
                self.span.append((edges[e] - start, edges[e + 1] - start))
                self.joined.append(e > 0 and holder[e - 1] >= 0)
        for i, where in places.items():
            self.first[i] = segment[number[where.start]]
            self.last[i] = segment[number[where.end] - 1] + 1

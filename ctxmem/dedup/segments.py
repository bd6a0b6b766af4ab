"""Text that neighbours of one source share, cut into spans: priced, valued and shown once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.schema import Candidates, Chunk

OVERLAP = 64
"""Characters that the end of one chunk and the beginning of another must share to be neighbours,
where no span says where they stand; boilerplate lines are seldom longer."""


PROSE = _native.SPAN_KINDS.index("prose")


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


def cut_segments(table: Candidates, *, enabled: bool = True, spans: bool = False) -> None:
    """Add the stretch and segment columns: what each chunk shares with its neighbours.

    Chunks that overlap or touch make one stretch. It is cut where chunks begin and end, or, with
    `spans`, into its sentences and blocks wherever those of the chunks begin: a chunk is a run of
    segments, and two that overlap share some. Where no span says so, neighbours are found by their
    text: the end of one is the beginning of another, or one stands inside another. A chunk whose
    text disagrees with what another says of the same place stands alone. So does, uncut, each that
    is not on the shortlist; those come last.
    """
    stretches = _Stretches(table)
    chunks = table.unique[table.shortlisted[table.unique]].tolist()
    places = {i: place(table.chunks[i]) for i in chunks} if enabled else {}
    if enabled and not table.conversation:
        places.update(_found_places(table, [i for i in chunks if places[i] is None]))
    sources: dict[tuple[str, str | None], dict[int, Place]] = defaultdict(dict)
    alone = []
    for i in chunks:
        where = places.get(i)
        if where is None:
            alone.append(i)
        else:
            # Pieces do not reach across sections, so neither does what neighbours share.
            sources[where.source, table.chunks[i].section][i] = where
    # In an order of their own, so that the input's does not break ties.
    for _, found in sorted(sources.items(), key=lambda pair: (pair[0][0], pair[0][1] or "")):
        in_order = dict(sorted(found.items(), key=lambda pair: (pair[1], table.id(pair[0]))))
        disagreeing = _disagreeing(table, in_order)
        alone.extend(disagreeing)
        stretches.add_source({i: at for i, at in in_order.items() if i not in disagreeing})
    for i in sorted(alone, key=table.id):
        stretches.add(table.chunks[i].text, {i: 0}, place(table.chunks[i]))
    close = len(stretches.texts)
    for i in table.unique[~table.shortlisted[table.unique]].tolist():
        stretches.add(table.chunks[i].text, {i: 0}, None)
    stretches.cut(spans, close)


def _found_places(table: Candidates, chunks: Sequence[int]) -> dict[int, Place]:
    """Return places of chunks that overlap others or stand inside them, each run in a source."""
    if len(chunks) < 2:
        return {}
    names = [(table.chunks[i].source, table.chunks[i].section) for i in chunks]
    number = {name: k for k, name in enumerate(dict.fromkeys(names))}
    texts = [table.chunks[i].text for i in chunks]
    source = np.array([number[name] for name in names], dtype=np.int32)
    left, right, offset = _native.text_overlaps(texts, source, OVERLAP)
    before = {
        b: (a, at) for a, b, at in zip(left.tolist(), right.tolist(), offset.tolist(), strict=True)
    }
    if not before:
        return {}
    placed: dict[int, tuple[int, int]] = {}  # text -> the first of its run, and how far behind it
    for k in {*before, *(a for a, _ in before.values())}:
        path = [k]
        on_path = {k}
        while path[-1] not in placed and path[-1] in before:
            up = before[path[-1]][0]
            if up in on_path:
                break
            path.append(up)
            on_path.add(up)
        placed.setdefault(path[-1], (path[-1], 0))
        for at, up in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
            root, start = placed[up]
            placed[at] = (root, start + before[at][1])
    return {
        chunks[k]: Place(f"\0{table.id(chunks[root])}", start, start + len(texts[k]))
        for k, (root, start) in placed.items()
    }


def _disagreeing(table: Candidates, places: Mapping[int, Place]) -> set[int]:
    """Return the chunks of one source whose text is not what their neighbours say stands there.

    `places` are in the order of the source.
    """
    wrong = set()
    text, start = "", 0  # the run of text known so far, and where it begins in the source
    for i, where in places.items():
        mine = table.chunks[i].text
        known = text[where.start - start : where.end - start] if text else ""
        if where.start > start + len(text) or not text:
            text, start = mine, where.start
        elif mine.startswith(known):
            text += mine[len(known) :]
        else:
            wrong.add(i)
    return wrong


class _Stretches:
    """The stretches while they are gathered, and the columns that they are cut into."""

    def __init__(self, table: Candidates) -> None:
        self.table = table
        self.texts: list[str] = []
        self.holders: list[Mapping[int, int]] = []  # chunk -> where it begins in the stretch
        self.places: list[Place | None] = []

    def add(self, text: str, holders: Mapping[int, int], where: Place | None) -> None:
        """Add a text without gaps and the chunks that stand in it."""
        self.texts.append(text)
        self.holders.append(holders)
        self.places.append(where)

    def add_source(self, places: Mapping[int, Place]) -> None:
        """Add the runs of text that the chunks of one source, in its order, make together."""
        text = ""
        holders: dict[int, int] = {}
        first: Place | None = None
        for i, where in places.items():
            if first is None or where.start > first.start + len(text):
                if first is not None:
                    self.add(text, holders, first)
                text, holders, first = "", {}, where
            holders[i] = where.start - first.start
            text += self.table.chunks[i].text[len(text) - holders[i] :]
        if first is not None:
            self.add(text, holders, first)

    def cut(self, spans: bool, close: int) -> None:
        """Write the columns; only the first stretches, `close` of them, are cut."""
        table = self.table
        documents: dict[object, int] = {}
        n = len(table)
        table.stretches = self.texts
        table.document = np.array(
            [
                documents.setdefault(self._document(t), len(documents))
                for t in range(len(self.texts))
            ],
            dtype=np.int32,
        )
        table.stretch_place = np.array(
            [0 if where is None else where.start for where in self.places], dtype=np.int64
        )
        start, end, kind, first = _native.split_spans(self.texts[:close])
        if not spans:
            start, end, kind, first = self._at_chunk_ends(start, end, kind, first)
        uncut = np.array([len(text) for text in self.texts[close:]], dtype=np.int64)
        start = np.concatenate([start, np.zeros(len(uncut), dtype=np.int64)])
        end = np.concatenate([end, uncut])
        kind = np.concatenate([kind, np.full(len(uncut), PROSE, dtype=np.uint8)])
        first = np.concatenate([first, first[-1] + 1 + np.arange(len(uncut), dtype=np.int64)])
        table.segment_span = np.stack([start, end], axis=1).reshape(-1, 2)
        table.segment_kind = kind
        table.stretch_first = first
        table.segment_stretch = np.repeat(
            np.arange(len(self.texts), dtype=np.int32), np.diff(first).astype(np.int64)
        )
        bounds, starts, ends = first.tolist(), start.tolist(), end.tolist()
        segments = [
            self.texts[k][a:b]
            for k, a, b in zip(table.segment_stretch.tolist(), starts, ends, strict=True)
        ]
        bodies = [segment.rstrip() for segment in segments]
        table.segment_texts = [body.lstrip() for body in bodies]
        table.segment_broken = np.array(
            [
                segment.find("\n", len(body)) >= 0
                for segment, body in zip(segments, bodies, strict=True)
            ],
            dtype=np.bool_,
        )
        first_segment, last_segment = [0] * n, [0] * n
        for t, holders in enumerate(self.holders):
            at, after = bounds[t], bounds[t + 1]
            if len(holders) == 1:
                (i,) = holders
                first_segment[i], last_segment[i] = at, after
                continue
            for i, offset in holders.items():
                text = table.chunks[i].text
                head = offset + len(text) - len(text.lstrip())
                tail = offset + len(text.rstrip())
                first_segment[i] = bisect_right(ends, head, at, after)
                last_segment[i] = bisect_left(starts, tail, at, after)
        table.first_segment = np.array(first_segment, dtype=np.int32)[table.repeat_of]
        table.last_segment = np.array(last_segment, dtype=np.int32)[table.repeat_of]

    def _document(self, t: int) -> object:
        """Return what a stretch is a part of: its source, or itself where that is not known."""
        chunk = self.table.chunks[next(iter(self.holders[t]))]
        where = self.places[t]
        if chunk.source is not None:
            return chunk.source
        return t if where is None else where.source

    def _at_chunk_ends(
        self,
        start: NDArray[np.int64],
        end: NDArray[np.int64],
        kind: NDArray[np.uint8],
        first: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
        """Cut the spans once more wherever a chunk begins or ends."""
        starts, ends, kinds, counts = [], [], [], [0]
        for t, holders in enumerate(self.holders[: len(first) - 1]):
            at = slice(int(first[t]), int(first[t + 1]))
            edges = set(start[at].tolist()) | set(self._edges(holders))
            cuts = np.array(sorted(edge for edge in edges if edge < len(self.texts[t])), np.int64)
            starts.append(cuts)
            ends.append(np.append(cuts[1:], len(self.texts[t])))
            kinds.append(kind[at][np.searchsorted(start[at], cuts, side="right") - 1])
            counts.append(len(cuts))
        return (
            np.concatenate([start[:0], *starts]),
            np.concatenate([end[:0], *ends]),
            np.concatenate([kind[:0], *kinds]),
            np.cumsum(counts, dtype=np.int64),
        )

    def _edges(self, holders: Mapping[int, int]) -> Iterable[int]:
        for i, offset in holders.items():
            yield offset
            yield offset + len(self.table.chunks[i].text)

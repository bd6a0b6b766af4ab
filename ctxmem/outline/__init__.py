"""Cut texts into the units that can be selected, with the dependencies of each unit.

merge       joins overlapping chunks of one source into merged texts
neighbours  decides which overlaps are those of neighbours
order       orders passages whose place in their source is not known
headers     gives rows without a header the header of an earlier table
known       keeps the outlines of texts that are cut again
needs       finds units that are left out because a text that they need has no room

The outline itself is native: csrc/core/text/outline.hpp.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.candidates import Candidates, SegmentTexts
from ctxmem.outline.headers import lend_headers
from ctxmem.outline.known import OUTLINES, KnownOutlines
from ctxmem.outline.merge import GAP, disagreeing, found_places, white_space
from ctxmem.outline.needs import withheld_units
from ctxmem.outline.order import Member, counted_order
from ctxmem.places import Place, place_of

__all__ = [
    "OUTLINES",
    "MergedTexts",
    "count_units",
    "cut_segments",
    "merge_texts",
    "units_shown_alone",
    "withheld_units",
]

LONGEST = 1600
"""Maximum size of a unit in bytes, about 400 tokens in any script."""

RECORDS = 1
"""The format of settings and other records."""

FORMATS = {
    **dict.fromkeys(("yml", "yaml", "toml", "ini", "cfg", "conf", "properties", "env"), RECORDS),
    **dict.fromkeys(("csv", "tsv"), 2),
    **dict.fromkeys(
        (
            *(
                "py",
                "js",
                "ts",
                "tsx",
                "jsx",
                "java",
                "c",
                "h",
                "cc",
                "cpp",
                "hpp",
                "cs",
                "go",
                "rs",
            ),
            *("rb", "php", "sh", "swift", "kt", "scala", "lua", "pl", "r", "sql"),
        ),
        3,
    ),
}
"""File extension of a source -> format of its text: 1 records, 2 a table, 3 code."""


def format_of(source: str | None) -> int:
    """Return the format for the file extension of a source, 0 if it is unknown."""
    return FORMATS.get(source.rsplit(".", 1)[-1].lower(), 0) if source and "." in source else 0


SOURCE = _native.SPAN_KINDS.index("source")
NEVER_ALONE = sum(
    1 << _native.SPAN_FLAGS.index(flag) for flag in ("label", "lead_in", "hidden", "filler")
)
"""Flags of units that are not shown without the text that they belong to."""
HIDDEN = 1 << _native.SPAN_FLAGS.index("hidden")
TORN = sum(1 << _native.SPAN_FLAGS.index(flag) for flag in ("unopened", "unclosed"))


def cut_segments(
    table: Candidates,
    *,
    enabled: bool = True,
    spans: bool = False,
    room: int = LONGEST,
    labels: bool = False,
    blocks: bool = False,
    merged: MergedTexts | None = None,
    outlines: KnownOutlines | None = None,
) -> None:
    """Add the columns of merged texts (`merged_texts`) and of segments.

    Chunks that overlap or touch form one merged text. It is cut at the ends of its chunks or, with
    `spans`, into sentences and blocks. A chunk is a range of segments, and overlapping chunks share
    segments. Without spans in their source, neighbours are found by their text: the end of one
    chunk is the beginning of another, or one contains another. A chunk whose text contradicts its
    neighbour's text at the same place forms a merged text of its own. A chunk that is not on the
    shortlist does so too, uncut; these come last.

    No unit is longer than `room` bytes. With `labels`, units without a heading need the name of
    their source. With `blocks`, the units of a block of at most `room` characters need each other.

    `merged` are the texts as `merge_texts` made them of a table with the same chunks and shortlist.
    With `outlines`, texts that were cut before are not cut again.
    """
    merged = merged or merge_texts(table, enabled=enabled)
    merged.cut(table, spans, room, labels, outlines)
    if blocks:
        _keep_blocks_whole(table, room)


def merge_texts(table: Candidates, *, enabled: bool = True) -> MergedTexts:
    """Return the texts that are cut: overlapping chunks of one source joined, others alone."""
    merged_texts = MergedTexts(table)
    chunks = table.unique[table.shortlisted[table.unique]].tolist()
    places = {i: place_of(table.chunks[i]) for i in chunks} if enabled else {}
    if enabled and not table.conversation:
        places.update(found_places(table, [i for i in chunks if places[i] is None]))
    sources: dict[tuple[str, str | None], dict[int, Place]] = defaultdict(dict)
    alone = []
    for i in chunks:
        where = places.get(i)
        if where is None:
            alone.append(i)
        else:
            # A piece lies within one section, so chunks of different sections are not merged.
            sources[where.source, table.chunks[i].section][i] = where
    # Sorted, so that the order of the input does not break ties.
    for _, found in sorted(sources.items(), key=lambda pair: (pair[0][0], pair[0][1] or "")):
        in_order = dict(sorted(found.items(), key=lambda pair: (pair[1], table.id(pair[0]))))
        wrong = disagreeing(table, in_order)
        alone.extend(wrong)
        merged_texts.add_source({i: at for i, at in in_order.items() if i not in wrong})
    for i in sorted(alone, key=table.id):
        merged_texts.add(table.chunks[i].text, {i: 0}, place_of(table.chunks[i]))
    merged_texts.close = len(merged_texts.texts)
    merged_texts.add_alone(table.unique[~table.shortlisted[table.unique]].tolist())
    return merged_texts


def count_units(table: Candidates) -> int:
    """Return the number of units without names of sources and borrowed headers."""
    return int((table.segment_kind < SOURCE).sum())


def units_shown_alone(table: Candidates) -> NDArray[np.bool_]:
    """Return which units are shown without a text that they belong to.

    In a text that has only headings, keys and comments, these are text themselves.
    """
    given = table.segment_body[:, 0] < table.segment_body[:, 1]
    alone: NDArray[np.bool_] = given & ((table.segment_flags & NEVER_ALONE) == 0)
    with_content = np.zeros(len(table.merged_texts), dtype=np.bool_)
    with_content[table.segment_merged[alone]] = True
    labels = given & ((table.segment_flags & HIDDEN) == 0) & ~with_content[table.segment_merged]
    for s in np.flatnonzero(labels).tolist():
        alone[s] = any(map(str.isalnum, table.segment_texts[s]))
    return alone


def _keep_blocks_whole(table: Candidates, room: int) -> None:
    """Tie the units of each block of at most `room` characters to each other, in a ring."""
    size = np.diff(table.segment_span, axis=1)[:, 0]
    block = table.segment_block
    whole = np.bincount(block, weights=size, minlength=len(size))[block] <= room
    order = np.arange(len(block))
    after = np.append(block[1:], -1)
    goes_on = whole & (after == block)
    table.segment_also[goes_on] = order[goes_on] + 1
    last = whole & ~goes_on & (block < order)
    table.segment_also[last] = block[last]


class MergedTexts:
    """Collects the merged texts of a table, and cuts them into columns of it or of a copy.

    Only the first `close` texts are cut.
    """

    def __init__(self, table: Candidates) -> None:
        self.table = table
        self.close = 0
        self.texts: list[str] = []
        self.holders: list[Mapping[int, int]] = []  # chunk -> its offset in the merged text
        self.firsts: list[int] = []  # the first of these chunks
        self.sources: list[str | None] = []  # its source
        self.places: list[Place | None] = []

    def add(self, text: str, holders: Mapping[int, int], where: Place | None) -> None:
        """Add a merged text and the chunks that it contains."""
        first = next(iter(holders))
        self.texts.append(text)
        self.holders.append(holders)
        self.firsts.append(first)
        self.sources.append(self.table.chunks[first].source)
        self.places.append(where)

    def add_alone(self, chunks: Sequence[int]) -> None:
        """Add each of the chunks as a merged text without a place."""
        given = [self.table.chunks[i] for i in chunks]
        self.texts.extend([chunk.text for chunk in given])
        self.holders.extend([{i: 0} for i in chunks])
        self.firsts.extend(chunks)
        self.sources.extend([chunk.source for chunk in given])
        self.places.extend([None] * len(chunks))

    def add_source(self, places: Mapping[int, Place]) -> None:
        """Merge the chunks of one source, given in the order of the source, and add the texts."""
        text = ""
        holders: dict[int, int] = {}
        first: Place | None = None
        for i, where in places.items():
            gap = 0 if first is None else where.start - first.start - len(text)
            if first is None or gap > GAP:
                if first is not None:
                    self.add(text, holders, first)
                text, holders, first = "", {}, where
            elif gap > 0:
                text += white_space(gap, text, self.table.chunks[i].text)
            holders[i] = where.start - first.start
            text += self.table.chunks[i].text[len(text) - holders[i] :]
        if first is not None:
            self.add(text, holders, first)

    @cached_property
    def documents(self) -> list[object]:
        """The document of each merged text: its source, or the text itself if unknown."""
        return [
            source if source is not None else t if where is None else where.source
            for t, (source, where) in enumerate(zip(self.sources, self.places, strict=True))
        ]

    def cut(
        self,
        table: Candidates,
        spans: bool,
        room: int,
        labels: bool,
        outlines: KnownOutlines | None = None,
    ) -> None:
        """Write the columns of a table, which has the chunks that the texts were made of."""
        n = len(table)
        documents = self.documents
        number = {document: k for k, document in enumerate(dict.fromkeys(documents))}
        table.merged_texts = self.texts
        table.document = np.array([number[document] for document in documents], dtype=np.int32)
        table.merged_chunk = self.firsts
        table.merged_place = self.merged_text_places
        named = np.array([labels and source is not None for source in self.sources], dtype=np.uint8)
        format_by_source = {source: format_of(source) for source in set(self.sources)}
        formats = np.array([format_by_source[source] for source in self.sources], dtype=np.uint8)
        table.merged_records = formats == RECORDS
        table.corpus = _native.Corpus(self.texts)
        if outlines is not None and self.close == len(self.texts) > 0:
            outline = outlines.outline(self.texts, formats, named, room)
        else:
            outline = _native.outline(table.corpus, formats, named, room, self.close)
        flags: Any
        start, end, kind, flags, need, also, block, first = outline
        if not spans:
            # Whole chunks are shown unchanged: no missing fence is added.
            flags = flags & np.uint8(255 - TORN)
            unit, start, end, first = self._at_chunk_ends(start, first)
            kind, flags = kind[unit], flags[unit]
            part = np.searchsorted(unit, np.arange(len(need) + 1), side="left").astype(np.int32)
            need, also = (
                np.where(ties[unit] >= 0, part[ties[unit]], -1).astype(np.int32)
                for ties in (need, also)
            )
            block = part[block[unit]]
        table.segment_flags, table.segment_kind = flags, kind
        table.segment_need, table.segment_also, table.segment_block = need, also, block
        table.segment_span = np.stack([start, end], axis=1).reshape(-1, 2)
        table.merged_first = first
        table.segment_merged = np.repeat(
            np.arange(len(self.texts), dtype=np.int32), np.diff(first).astype(np.int64)
        )
        table.segment_body, broken = table.corpus.set_units(first, start, end)
        table.segment_broken = broken.astype(np.bool_)
        lend_headers(table)
        table.segment_texts = SegmentTexts(
            self.texts, table.segment_merged, table.segment_body, table.lent
        )
        bounds, starts, ends = first.tolist(), start.tolist(), end.tolist()
        first_segment, last_segment, offsets = [0] * n, [0] * n, [0] * n
        for t, holders in enumerate(self.holders):
            at, after = bounds[t], bounds[t + 1]
            if len(holders) == 1:
                i = self.firsts[t]
                first_segment[i], last_segment[i], offsets[i] = at, after, holders[i]
                continue
            for i, offset in holders.items():
                text = table.chunks[i].text
                head = offset + len(text) - len(text.lstrip())
                tail = offset + len(text.rstrip())
                first_segment[i] = bisect_right(ends, head, at, after)
                last_segment[i] = bisect_left(starts, tail, at, after)
                offsets[i] = offset
        table.chunk_offset = np.array(offsets, dtype=np.int64)
        table.first_segment = np.array(first_segment, dtype=np.int32)[table.repeat_of]
        table.last_segment = np.array(last_segment, dtype=np.int32)[table.repeat_of]

    @cached_property
    def merged_text_places(self) -> NDArray[np.int64]:
        """The offset of each merged text in its source.

        Texts without a span come last, in the order of the numbers in their ids.
        """
        places = [0] * len(self.texts)
        unplaced: dict[object, list[int]] = defaultdict(list)
        ends: dict[object, int] = defaultdict(int)
        for t, (where, document) in enumerate(zip(self.places, self.documents, strict=True)):
            if where is None and self.sources[t] is None:
                continue  # a document of its own
            if where is not None and not where.source.startswith("\0"):
                places[t] = where.start
                ends[document] = max(ends[document], where.start + len(self.texts[t]))
            else:
                unplaced[document].append(t)
        for document, merged_texts in unplaced.items():
            at = ends[document]
            if len(merged_texts) == 1:
                places[merged_texts[0]] = at
                continue
            for k in counted_order([self._members(t) for t in merged_texts]):
                t = merged_texts[k]
                places[t] = at
                at += len(self.texts[t]) + 1
        return np.array(places, dtype=np.int64)

    def _members(self, t: int) -> list[Member]:
        return [
            Member(self.table.id(i), offset, len(self.table.chunks[i].text))
            for i, offset in self.holders[t].items()
        ]

    def _at_chunk_ends(
        self, start: NDArray[np.int64], first: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], ...]:
        """Cut the units again at the ends of chunks.

        Returns the unit of each part, its start and end, and the first part of each text.
        """
        units, starts, ends, counts = [], [], [], [0]
        for t, holders in enumerate(self.holders):
            at = slice(int(first[t]), int(first[t + 1]))
            known = start[at]
            edges = [edge for edge in self._edges(holders) if 0 < edge < len(self.texts[t])]
            cuts = np.sort(np.concatenate([known, np.setdiff1d(np.array(edges, np.int64), known)]))
            owner = np.searchsorted(known, cuts, side="right") - 1
            # An empty unit stays before the unit that starts at the same offset.
            double = np.flatnonzero(np.diff(cuts) == 0)
            owner[double] = np.searchsorted(known, cuts[double], side="left")
            units.append(owner + at.start)
            starts.append(cuts)
            ends.append(np.append(cuts[1:], len(self.texts[t])))
            counts.append(len(cuts))
        return (
            np.concatenate([start[:0], *units]),
            np.concatenate([start[:0], *starts]),
            np.concatenate([start[:0], *ends]),
            np.cumsum(counts, dtype=np.int64),
        )

    def _edges(self, holders: Mapping[int, int]) -> Iterable[int]:
        for i, offset in holders.items():
            yield offset
            yield offset + len(self.table.chunks[i].text)

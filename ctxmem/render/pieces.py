"""Pieces: the kept parts of each merged text, with marks where text was left out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.candidates import Candidates
from ctxmem.render.layout import FENCE, SOURCE, gap, header_of, opening_fence
from ctxmem.schema import ChunkId, Layout, Piece, trim
from ctxmem.selected import SelectionResult

HEADING, FENCE_KIND = map(_native.SPAN_KINDS.index, ("heading", "fence"))
NAMING = np.isin(
    _native.SPAN_KINDS, ("heading", "name", "list_item", "header", "table_row", "record")
)
"""Kinds of units to which a reader assigns the text below them."""

HIDDEN, FILLER, UNOPENED, UNCLOSED, PART = (
    1 << _native.SPAN_FLAGS.index(flag)
    for flag in ("hidden", "filler", "unopened", "unclosed", "part")
)


TITLE = re.compile(r"# |[^\n]+\n={3,}\s*(\n|$)|={3,}\n")
"""A heading of the first level, which says what a source is about."""


GOES_ON = re.compile(r"(?:[,;]|[,;] (?:and|or|und|oder|et|ou|y|o|e))$")
"""The end of a point of a list after which another one follows: "...; and"."""


class Placed(NamedTuple):
    """A piece with its document and its character offset in the document."""

    piece: Piece
    document: int
    place: int
    chunk: int  # the first of its chunks
    nameless: bool  # does not begin with a heading
    names: bool  # has a heading, a name, a list or a table, to which the next piece could belong


class _Run(NamedTuple):
    """Adjacent kept segments of a merged text."""

    first: int
    last: int  # exclusive
    start: int  # characters of the merged text
    end: int
    flags: int  # of the first segment
    last_flags: int
    cut_off: bool  # the text after it continues its last sentence or line
    value: float  # the greatest density
    names: bool  # one of its segments is a name, an item or a row


def stitch(table: Candidates, selection: SelectionResult, layout: Layout) -> list[Placed]:
    """Return a piece for each merged text with kept segments and for each chosen alternative."""
    kept_row, segment_kept = selection.kept_row, selection.segment_kept
    placed = []
    firsts, lasts = table.first_segment.tolist(), table.last_segment.tolist()
    offsets = table.chunk_offset.tolist()
    held: dict[int, list[int]] = defaultdict(list)  # merged text -> its kept chunks
    for i in np.flatnonzero(kept_row >= 0).tolist():
        row = int(kept_row[i])
        first = firsts[i]
        if table.alternative[row]:
            piece = _alternative_piece(table, layout, i, row)
            placed.append(Placed(piece, *_place(table, first), i, True, False))
            continue
        if first < lasts[i]:
            held[int(table.segment_merged[first])].append(i)
    for merged_text, runs in _runs(table, segment_kept).items():
        chunks = held.get(merged_text)
        if chunks:
            chunks.sort(key=lambda i: (firsts[i], lasts[i], table.ids[i]))
            placed.append(_merged_piece(table, layout, merged_text, runs, chunks, offsets))
    return placed


def _alternative_piece(table: Candidates, layout: Layout, i: int, row: int) -> Piece:
    option = table.chunks[i].alternatives[table.alternative[row] - 1]
    ranges = getattr(option, "spans", ()) or ((0, len(table.chunks[i].text)),)
    origins = [(table.id(i), start, end) for start, end in ranges]
    return _piece(table, layout, [i], table.texts[row], (), float(table.relevance[i]), origins)


def _covered(
    table: Candidates, start: int, end: int, chunks: Sequence[int], offsets: Sequence[int]
) -> Iterator[tuple[int, int, int]]:
    """Yield the chunks that a range of a merged text comes from, each with the part it gives.

    At each position the chunk that reaches furthest is used. White space between two chunks, which
    the splitter cut off, comes from none. `offsets` are those of all chunks in their merged texts.
    """
    while start < end:
        reach, best = start, -1
        for i in chunks:
            offset = offsets[i]
            stop = min(end, offset + len(table.chunks[i].text))
            if offset <= start and stop > reach:
                reach, best = stop, i
        if best < 0:
            start = min((offsets[i] for i in chunks if offsets[i] > start), default=end)
            continue
        yield best, start, reach
        start = reach


def _joined(parts: Iterable[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Return the ranges of parts, those that touch as one."""
    ranges: list[tuple[int, int]] = []
    for _, start, end in parts:
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], end)
        else:
            ranges.append((start, end))
    return ranges


def _place(table: Candidates, segment: int) -> tuple[int, int]:
    merged_text = int(table.segment_merged[segment])
    start = int(table.merged_place[merged_text] + table.segment_span[segment, 0])
    return int(table.document[merged_text]), start


def _runs(table: Candidates, segment_kept: NDArray[np.bool_]) -> dict[int, list[_Run]]:
    """Return the runs of adjacent kept segments of each merged text.

    Names of sources are left out, since they are not part of the text.
    """
    flags, merged_text = table.segment_flags, table.segment_merged
    kept = np.flatnonzero(segment_kept & (table.segment_kind < SOURCE))
    if not len(kept):
        return {}
    breaks = np.flatnonzero((np.diff(kept) > 1) | (np.diff(merged_text[kept]) > 0))
    first = kept[np.concatenate(([0], breaks + 1))]
    last = kept[np.append(breaks, len(kept) - 1)] + 1
    after = np.minimum(last, len(flags) - 1)
    cut_off = (last < len(flags)) & ((flags[after] & PART) != 0)
    cut_off &= merged_text[after] == merged_text[first]
    # Every other slice is a run; an end may equal the length, so a zero is appended.
    bounds = np.stack([first, last], axis=1).ravel()
    value = np.maximum.reduceat(np.append(table.segment_density, 0.0), bounds)[::2]
    names = np.logical_or.reduceat(np.append(NAMING[table.segment_kind], False), bounds)[::2]
    columns = (
        *(first, last, table.segment_span[first, 0], table.segment_span[last - 1, 1]),
        *(flags[first], flags[last - 1], cut_off, value, names),
    )
    found: dict[int, list[_Run]] = defaultdict(list)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for text, row in zip(merged_text[first].tolist(), rows, strict=True):
        found[text].append(_Run(*row))
    return found


def _merged_piece(
    table: Candidates,
    layout: Layout,
    merged_text: int,
    runs: Sequence[_Run],
    chunks: Sequence[int],
    offsets: Sequence[int],
) -> Placed:
    """Return the kept runs of a merged text as one piece, with marks where text was left out."""
    whole = table.merged_texts[merged_text]
    parts: list[str] = []
    ranges: list[tuple[int, int]] = []
    lent: set[int] = set()
    opened = False  # a fence was put before code whose opening fence is missing
    after = -1
    for run in runs:
        start = _line_start(whole, run.start)
        given = whole[start : run.end]
        text = trim(given)
        start += given.find(text)
        if parts:
            parts.append(_between(table, layout, after, run.first, text))
        header = _lent_header(table, run.first, run.last) if table.lent else None
        if header is not None and header not in lent:
            lent.add(header)
            parts.append(_lines(table, table.lent[header]) + "\n")
        if run.flags & UNOPENED and not opened:
            opened = True
            parts.append(opening_fence(layout))
        parts.append(_marked(layout, text, run))
        ranges.append((start, start + len(text)))
        after = run.last
    goes_on = layout.ellipsis and after < table.merged_first[merged_text + 1]
    if goes_on and GOES_ON.search(parts[-1]):
        parts.append(f"\n{layout.ellipsis}")
    if runs[-1].last_flags & UNCLOSED:
        parts.append(f"{gap(layout)}{_closing_fence(table, whole, after - 1)}")
    covered = [
        part for start, end in ranges for part in _covered(table, start, end, chunks, offsets)
    ]
    place = int(table.merged_place[merged_text])
    spans: tuple[tuple[int, int], ...] = ()
    if table.chunks[chunks[0]].span is not None:
        spans = tuple((start + place, end + place) for start, end in _joined(covered))
    origins = [(table.ids[i], start - offsets[i], end - offsets[i]) for i, start, end in covered]
    value = max(run.value for run in runs)
    piece = _piece(table, layout, chunks, "".join(parts), spans, value, origins)
    # A section of settings, "[build-system]", does not say whose settings they are.
    titled = table.segment_kind[runs[0].first] == HEADING and TITLE.match(whole, ranges[0][0])
    return Placed(
        piece,
        int(table.document[merged_text]),
        place + runs[0].start,
        chunks[0],
        bool(table.merged_records[merged_text] or not titled),
        any(run.names for run in runs),
    )


def _marked(layout: Layout, text: str, run: _Run) -> str:
    """Return the text of a run, with marks where it begins or ends inside a sentence or line."""
    if not layout.ellipsis:
        return text
    if run.flags & PART:
        text = f"{layout.ellipsis} {text.lstrip()}"
    if run.cut_off:
        text = f"{text} {layout.ellipsis}"
    return text


def _lent_header(table: Candidates, first: int, last: int) -> int | None:
    """Return the unit of the borrowed header that these rows need, None if there is none."""
    for s in table.segment_need[first:last].tolist():
        if s in table.lent:
            return int(s)
    return None


def _lines(table: Candidates, segment: int) -> str:
    """Return the text of a segment, with the indentation of its first line."""
    whole = table.merged_texts[table.segment_merged[segment]]
    start, end = table.segment_span[segment].tolist()
    return trim(whole[_line_start(whole, start) : end])


def _between(table: Candidates, layout: Layout, after: int, first: int, text: str) -> str:
    """Return the separator of two runs: a mark on its own line if text was left out."""
    left_out = table.segment_flags[after:first]
    if not layout.ellipsis or not np.any((left_out & (FILLER | HIDDEN)) == 0):
        return "\n\n"
    indent = text[: len(text) - len(text.lstrip(" \t"))]
    return f"\n{indent}{layout.ellipsis}\n"


def _closing_fence(table: Candidates, whole: str, segment: int) -> str:
    """Return the closing fence for the fence that opens a segment."""
    opening = int(table.segment_need[segment])
    while opening >= 0 and table.segment_kind[opening] != FENCE_KIND:
        opening = int(table.segment_need[opening])
    if opening < 0:
        return FENCE
    start, end = table.segment_span[opening]
    line = whole[start:end].strip()
    found = re.search(r"`{3,}|~{3,}", line)
    return found[0] if found else FENCE


def _line_start(text: str, at: int) -> int:
    """Return the start of the line if only indentation precedes `at`, else `at`."""
    line = text.rfind("\n", 0, at) + 1
    return at if text[line:at].strip(" \t") else line


def _piece(
    table: Candidates,
    layout: Layout,
    chunks: Sequence[int],
    text: str,
    spans: tuple[tuple[int, int], ...],
    relevance: float,
    origins: Iterable[tuple[ChunkId, int, int]],
) -> Piece:
    chunk = table.chunks[chunks[0]]
    return Piece(
        text=text,
        tokens=0,
        chunk_ids=tuple([table.ids[i] for i in chunks]),
        spans=spans,
        source=chunk.source,
        header=header_of(chunk, layout),
        relevance=relevance,
        origins=tuple(origins),
    )

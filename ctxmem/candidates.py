"""The table of candidates: the columns that walk through the pipeline of `pack`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ctxmem.schema import Chunk, ChunkId


class SegmentTexts(Sequence[str]):
    """The texts of the segments without the white space around them, made when they are read.

    Few steps need them, since native code reads the merged texts themselves. A borrowed header has
    the text of the header that it is `lent`.
    """

    def __init__(
        self,
        merged_texts: Sequence[str],
        merged: NDArray[np.int32],
        body: NDArray[np.int64],
        lent: Mapping[int, int],
    ) -> None:
        self._merged_texts = merged_texts
        self._merged = merged
        self._body = body
        self._lent = lent
        self._made: list[str] | None = None

    def __len__(self) -> int:
        return len(self._merged)

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> list[str]: ...
    def __getitem__(self, key: int | slice) -> str | list[str]:
        if self._made is None and not isinstance(key, slice):
            segment = range(len(self))[key]
            return self._slice(self._lent.get(segment, segment))
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def _slice(self, segment: int) -> str:
        text = self._merged_texts[int(self._merged[segment])]
        return text[int(self._body[segment, 0]) : int(self._body[segment, 1])]

    def _all(self) -> list[str]:
        made = self._made
        if made is None:
            texts = self._merged_texts
            rows: list[int] = self._merged.tolist()
            made = [
                texts[row][start:end]
                for row, (start, end) in zip(rows, self._body.tolist(), strict=True)
            ]
            for segment, lender in self._lent.items():
                made[segment] = self._slice(lender)
            self._made = made
        return made


@dataclass(slots=True)
class Candidates:
    """The columns of the pipeline of `pack`; each step only adds columns.

    One row per chunk and alternative; the rows of a chunk are adjacent, the full text first. n is
    the number of chunks, m of rows, s of segments. The ends of chunks cut the text of a source into
    segments, so that text which several chunks share is counted and valued once.

    ============== ====== ============ ====================================================
    column         shape  added by     meaning
    ============== ====== ============ ====================================================
    chunks         n      intake       the inputs, ids filled in
    ids            n      intake       their ids
    texts          m      intake       the text of the row, outer blank lines removed
    chunk          m      intake       the chunk of the row
    alternative    m      intake       0 for the full text, then 1, 2, ...
    first_row      n + 1  intake       rows of chunk i: first_row[i] .. first_row[i + 1]
    blank          n      intake       nothing to show
    needs          n      intake       chunks that it requires, directly
    refused        1      compress     by chunk, why compressed texts were refused
    conversation   1      intake       the input is a chat, whose order must not change
    shortlisted    n      value        valued span by span; all, unless there are very many
    repeat_of      n      dedup        best-ranked chunk with the same text (itself if none)
    unique         u      dedup        the chunks that are neither blank nor repeats
    pinned         n      dedup        the chunk, or a repeat of it, must be in the window
    lists          l      value        the hits of each list of passages
    score          n      value        given score of the hit, NaN if it has none
    rank           n      value        rank of the hit in its list, -1 if it has none
    rrf_score      n      value        sum of reciprocal ranks of its text, over all lists
    hits           n      value        how often its text was returned
    group          n      dedup        representative of its near-duplicate group
    similarity     n      dedup        to the representative, or to version_of
    version_of     n      dedup        the passage it is a version of, -1 if of none
    by_embedding   n      dedup        its group is by embedding, not by text
    first_segment  n      dedup        its segments: first_segment[i] .. last_segment[i]
    last_segment   n      dedup        (exclusive)
    merged_texts   t      dedup        merged texts: adjacent and overlapping chunks of one source
    document       t      dedup        number of the source of a merged text
    merged_place   t      dedup        offset of the merged text in its source, in characters
    merged_records t      dedup        its source is named as a file of records (TOML, YAML, INI)
    merged_first   t + 1  dedup        its segments: merged_first[k] .. merged_first[k + 1]
    segment_merged s      dedup        the merged text that a segment is cut from
    segment_span   s x 2  dedup        character offsets in the merged text
    corpus         1      dedup        merged texts and segments as native code reads them
    segment_body   s x 2  dedup        character offsets without the white space around it
    segment_texts  s      dedup        the text between these offsets; made when it is read
    segment_broken s      dedup        a line break follows it
    segment_kind   s      dedup        prose, heading, list item ...: index of _native.SPAN_KINDS
    tokens         m      tokens       tokens of the row as a block: header, text, separator
    overhead       n      tokens       tokens of the header and the separator
    segment_tokens s      tokens       tokens of the segment inside a block
    scored_count   1      value        number of segments that the user's scorer was given
    segment_density  s      value        density of the segment: value per token, between 0 and 1
    relevance      n      value        the density of its best segment
    density        n      value        the mean density of the chunk
    ============== ====== ============ ====================================================
    """

    chunks: tuple[Chunk, ...]
    ids: list[ChunkId]
    texts: list[str]
    chunk: NDArray[np.int32]
    alternative: NDArray[np.int32]
    first_row: NDArray[np.int32]
    blank: NDArray[np.bool_]
    shortlisted: NDArray[np.bool_]
    needs: list[tuple[int, ...]]
    conversation: bool = False
    scored_count: int = 0
    refused: dict[int, list[str]] = field(default_factory=dict)
    repeat_of: NDArray[np.int32] = field(init=False)
    unique: NDArray[np.intp] = field(init=False)
    pinned: NDArray[np.bool_] = field(init=False)
    lists: list[NDArray[np.intp]] = field(init=False)
    score: NDArray[np.float64] = field(init=False)
    rank: NDArray[np.int64] = field(init=False)
    rrf_score: NDArray[np.float64] = field(init=False)
    hits: NDArray[np.int32] = field(init=False)
    group: NDArray[np.int32] = field(init=False)
    similarity: NDArray[np.float64] = field(init=False)
    version_of: NDArray[np.int32] = field(init=False)
    by_embedding: NDArray[np.bool_] = field(init=False)
    first_segment: NDArray[np.int32] = field(init=False)
    last_segment: NDArray[np.int32] = field(init=False)
    merged_texts: list[str] = field(init=False)
    document: NDArray[np.int32] = field(init=False)
    merged_place: NDArray[np.int64] = field(init=False)
    merged_records: NDArray[np.bool_] = field(init=False)
    merged_chunk: list[int] = field(init=False)
    lent: dict[int, int] = field(init=False)
    chunk_offset: NDArray[np.int64] = field(init=False)
    merged_first: NDArray[np.int64] = field(init=False)
    segment_merged: NDArray[np.int32] = field(init=False)
    segment_span: NDArray[np.int64] = field(init=False)
    segment_kind: NDArray[np.uint8] = field(init=False)
    segment_broken: NDArray[np.bool_] = field(init=False)
    segment_flags: NDArray[np.uint8] = field(init=False)
    segment_need: NDArray[np.int32] = field(init=False)
    segment_also: NDArray[np.int32] = field(init=False)
    segment_block: NDArray[np.int32] = field(init=False)
    tokens: NDArray[np.int64] = field(init=False)
    overhead: NDArray[np.int64] = field(init=False)
    corpus: Any = field(init=False)
    segment_body: NDArray[np.int64] = field(init=False)
    segment_texts: SegmentTexts = field(init=False)
    segment_tokens: NDArray[np.int64] = field(init=False)
    segment_density: NDArray[np.float64] = field(init=False)
    relevance: NDArray[np.float64] = field(init=False)
    density: NDArray[np.float64] = field(init=False)

    def __len__(self) -> int:
        return len(self.chunks)

    def id(self, chunk: int) -> ChunkId:
        """Return the id of a chunk."""
        return self.ids[chunk]

    def text(self, chunk: int) -> str:
        """Return the full text of a chunk."""
        return self.texts[int(self.first_row[chunk])]

    def full_texts(self) -> list[str]:
        """Return the full text of every chunk."""
        texts = self.texts
        return [texts[row] for row in self.first_row[:-1].tolist()]

"""Shorter versions of a chunk: extracts of its best spans, and the output of compressors.

They are alternatives of the chunk: the solver selects the whole, one alternative, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.compress.faithful import untrue
from ctxmem.errors import InputError, InputTypeError
from ctxmem.protocols import Compressor
from ctxmem.schema import EXTRACT, Alternative, Candidates, trim

LENGTHS = (0.25, 0.5, 0.75)
"""Sizes of extracts, as shares of the chunk's tokens."""

OF_BUDGET = (0.25, 0.6)
"""Sizes of extracts of a chunk that exceeds the budget, as shares of the budget."""

LEAST = 3
"""Minimum number of spans of a chunk that gets extracts."""

ASKED = 4.0
"""Compressors see only the best chunks, up to this many times the budget in total: a compressor may
be a language model, and less relevant chunks can hardly reach the window."""

SOURCE = _native.SPAN_KINDS.index("source")
MAY, MUST_NOT = 0, 2
UNFOLDED = 2.0
"""Above any share of shingles: repeats within one text are kept."""


BLOCKS = "blocks"
"""The value of `compress` that leaves out whole blocks, and cuts no block that fits."""


def read_compressors(given: Any) -> tuple[bool, tuple[Compressor, ...]]:
    """Return whether to compress at all, and the compressors of `pack(compress=...)`.

    Raises:
        InputError: a str other than "blocks".
        InputTypeError: neither a bool, "blocks" nor compressors.
    """
    if isinstance(given, bool):
        return given, ()
    if isinstance(given, str):
        if given != BLOCKS:
            raise InputError(
                f"compress is {given!r}; expected True, False, 'blocks' or a function (text, query)"
            )
        return True, ()
    several: Iterable[Any] = given if isinstance(given, list | tuple) else [given]
    compressors = []
    for one in several:
        if isinstance(one, type):
            raise InputTypeError(
                f"compress has the class {one.__name__}; expected an instance of it"
            )
        if hasattr(one, "compress_prompt"):
            compressors.append(_lingua(one))
        elif callable(one):
            compressors.append(one)
        else:
            raise InputTypeError(
                f"compress has a {type(one).__name__}; expected True, False, a function "
                f"(text, query) -> str, or a list of such functions"
            )
    return True, tuple(compressors)


def add_alternatives(
    table: Candidates,
    compressors: Sequence[Compressor] = (),
    *,
    query: str | None = None,
    limit: int = 0,
    gap: str = "\n…\n",
) -> None:
    """Add rows: extracts of chunks that share no text with others, and the compressors' texts.

    An extract consists of whole spans of the chunk, unchanged, with the headings that they need.
    Overlapping chunks get no extracts because these could repeat the same text. `gap` marks text
    that was left out. A compressor's text is refused if it is not shorter or contradicts the chunk;
    the table's `refused` has the reason. Pinned chunks stay whole.

    Raises:
        InputTypeError: a compressor did not return a str.
    """
    asked = _worth_asking(table, limit) if compressors else set()
    chunks = list(table.chunks)
    unique = table.unique[table.first_segment[table.unique] < table.last_segment[table.unique]]
    merged_text = table.segment_merged[table.first_segment[unique]]
    alone = np.bincount(merged_text, minlength=len(table.merged_texts))[merged_text] == 1
    for i, lone in zip(unique.tolist(), alone.tolist(), strict=True):
        if table.pinned[i]:
            continue
        made = _extracts(table, i, gap, limit) if lone else []
        if i in asked:
            made += _compressed(table, i, compressors, query)
        if made:
            chunks[i] = replace(chunks[i], alternatives=(*chunks[i].alternatives, *made))
    table.chunks = tuple(chunks)
    _rebuild_rows(table)


def _extracts(table: Candidates, i: int, gap: str, limit: int) -> list[Alternative]:
    """Return extracts of a chunk: its best units with their dependencies, unchanged."""
    first, last = int(table.first_segment[i]), int(table.last_segment[i])
    if last - first < LEAST:
        return []
    merged_text = int(table.segment_merged[first])
    units = slice(int(table.merged_first[merged_text]), int(table.merged_first[merged_text + 1]))
    tokens = table.segment_tokens[units]
    worth = np.minimum(1.0, table.segment_density[units])
    value = worth * tokens
    made: list[Alternative] = []
    total = int(tokens.sum())
    sizes = [int(share * total) for share in LENGTHS]
    if total > limit:
        sizes = [int(share * limit) for share in OF_BUDGET] + sizes
    for size in sizes:
        kept, *_ = _native.fill_spans(
            [table.merged_texts[merged_text]],
            np.array([0, len(tokens)], dtype=np.int64),
            np.ascontiguousarray(table.segment_span[units, 0]),
            np.ascontiguousarray(table.segment_span[units, 1]),
            table.segment_kind[units],
            table.segment_flags[units],
            _within(table.segment_need[units], units),
            _within(table.segment_also[units], units),
            tokens,
            np.zeros(1, dtype=np.int32),
            np.zeros(1, dtype=np.int64),
            1,
            worth,
            np.where(table.segment_kind[units] >= SOURCE, MUST_NOT, MAY).astype(np.uint8),
            size,
            alike=UNFOLDED,
        )
        chosen = kept.astype(np.bool_)
        ranges = _ranges(table, units.start, chosen)
        text = gap.join(table.merged_texts[merged_text][start:end] for start, end in ranges)
        if not chosen.all() and text and all(text != other.text for other in made):
            share = min(1.0, float(value[chosen].sum() / max(1e-12, value.sum())))
            made.append(Alternative(text, share, EXTRACT, tuple(ranges)))
    return made


def _within(ties: NDArray[np.int32], units: slice) -> NDArray[np.int32]:
    """Return ties relative to the first of these units; ties to other units become -1."""
    inside = (ties >= units.start) & (ties < units.stop)
    return np.where(inside, ties - units.start, -1).astype(np.int32)


def _ranges(table: Candidates, first: int, chosen: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the ranges of the chosen units in the merged text; adjacent units are joined."""
    ranges: list[tuple[int, int]] = []
    merged_text = table.merged_texts[table.segment_merged[first]]
    start = None
    for k in range(len(chosen) + 1):
        if k < len(chosen) and chosen[k]:
            start = k if start is None else start
        elif start is not None:
            begin = int(table.segment_span[first + start, 0])
            end = int(table.segment_span[first + k - 1, 1])
            line = merged_text.rfind("\n", 0, begin) + 1
            begin = begin if merged_text[line:begin].strip(" \t") else line
            ranges.append((begin, begin + len(merged_text[begin:end].rstrip())))
            start = None
    return ranges


def _worth_asking(table: Candidates, limit: int) -> set[int]:
    room = ASKED * 4 * limit  # characters, about 4 per token
    asked = set()
    for i in sorted(table.unique.tolist(), key=lambda i: (-table.relevance[i], table.id(i))):
        if room <= 0:
            break
        room -= len(table.text(i))
        asked.add(i)
    return asked


def _compressed(
    table: Candidates, i: int, compressors: Sequence[Compressor], query: str | None
) -> list[Alternative]:
    text = table.text(i)
    made = []
    for compressor in compressors:
        shorter = compressor(text, query)
        if not isinstance(shorter, str):
            raise InputTypeError(
                f"a compressor returned a {type(shorter).__name__} for chunk {table.id(i)!r}; "
                f"expected a str"
            )
        shorter = trim(shorter) if shorter.strip() else ""
        name = getattr(compressor, "__name__", "summary")
        label = "summary" if name == "<lambda>" else name
        wrong = _wrong(text, shorter)
        if wrong is None:
            made.append(Alternative(shorter, label=label))
        else:
            table.refused.setdefault(i, []).append(f"its {label} was refused: {wrong}")
    return made


def _wrong(text: str, shorter: str) -> str | None:
    if not shorter:
        return "it is empty"
    if len(shorter) >= len(text):
        return "it is not shorter"
    return untrue(text, shorter)


def _lingua(model: Any) -> Compressor:
    """Return a compressor that calls LLMLingua's `compress_prompt` of an object."""

    def compress(text: str, query: str | None) -> str:
        made = model.compress_prompt([text], question=query or "")
        shorter = made.get("compressed_prompt") if isinstance(made, Mapping) else made
        if not isinstance(shorter, str):
            raise InputTypeError(
                f"{type(model).__name__}.compress_prompt returned {made!r:.80}; expected a dict "
                f"whose 'compressed_prompt' is a str"
            )
        return shorter

    compress.__name__ = type(model).__name__
    return compress


def _rebuild_rows(table: Candidates) -> None:
    texts: list[str] = []
    row_chunk: list[int] = []
    alternative: list[int] = []
    first_row = [0]
    for i, chunk in enumerate(table.chunks):
        rows = [table.text(i)]
        rows += [trim(o.text) for o in chunk.alternatives if isinstance(o, Alternative)]
        texts += rows
        row_chunk += [i] * len(rows)
        alternative += range(len(rows))
        first_row.append(len(texts))
    table.texts = texts
    table.chunk = np.array(row_chunk, dtype=np.int32)
    table.alternative = np.array(alternative, dtype=np.int32)
    table.first_row = np.array(first_row, dtype=np.int32)

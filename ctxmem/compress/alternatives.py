"""Shorter texts that may stand for a chunk: extracts of its best spans, and what compressors make.

They compete as alternatives: the solver takes the whole, one of them, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.compress.faithful import untrue
from ctxmem.errors import InputError, InputTypeError
from ctxmem.schema import EXTRACT, Alternative, Candidates, trim

LENGTHS = (0.25, 0.5, 0.75)
"""Shares of a chunk's tokens that its extracts keep."""

OF_BUDGET = (0.25, 0.6)
"""Shares of the budget that extracts of a chunk have which is larger than it."""

LEAST = 3
"""Spans from which on a chunk has extracts."""

ASKED = 4.0
"""Compressors see the best chunks that together have so many times the budget, no others: they may
be language models, and what is worth less cannot reach the window."""

SOURCE = _native.SPAN_KINDS.index("source")
MAY, MUST_NOT = 0, 2
UNFOLDED = 2.0
"""Above any share: what a text repeats is its author's to repeat."""

Compressor = Callable[..., str]
"""A function (text, query) -> shorter text, or an object with LLMLingua's `compress_prompt`."""


BLOCKS = "blocks"
"""The `compress` that leaves out blocks, and cuts none that fits."""


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
                f"compress has the class {one.__name__}; expected an object made of it"
            )
        if hasattr(one, "compress_prompt"):
            compressors.append(_lingua(one))
        elif callable(one):
            compressors.append(one)
        else:
            raise InputTypeError(
                f"compress has a {type(one).__name__}; expected True, False, a function "
                f"(text, query) -> str, or a list of them"
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

    An extract is made of whole spans of the chunk, byte for byte, headings above them with them;
    those of neighbours that overlap would say the same twice. `gap` stands where text was cut. A
    compressor's text is refused if it is not shorter, or says what the chunk does not bear out; the
    table's `refused` says why. What is pinned stays whole.

    Raises:
        InputTypeError: a compressor returned something else than a str.
    """
    asked = _worth_asking(table, limit) if compressors else set()
    chunks = list(table.chunks)
    unique = table.unique[table.first_segment[table.unique] < table.last_segment[table.unique]]
    stretch = table.segment_stretch[table.first_segment[unique]]
    alone = np.bincount(stretch, minlength=len(table.stretches))[stretch] == 1
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
    """Return shorter versions of a chunk: its best units with what they need, byte for byte."""
    first, last = int(table.first_segment[i]), int(table.last_segment[i])
    if last - first < LEAST:
        return []
    stretch = int(table.segment_stretch[first])
    units = slice(int(table.stretch_first[stretch]), int(table.stretch_first[stretch + 1]))
    tokens = table.segment_tokens[units]
    worth = np.minimum(1.0, table.segment_worth[units])
    value = worth * tokens
    made: list[Alternative] = []
    total = int(tokens.sum())
    sizes = [int(share * total) for share in LENGTHS]
    if total > limit:
        sizes = [int(share * limit) for share in OF_BUDGET] + sizes
    for size in sizes:
        kept, *_ = _native.fill_spans(
            [table.stretches[stretch]],
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
        text = gap.join(table.stretches[stretch][start:end] for start, end in ranges)
        if not chosen.all() and text and all(text != other.text for other in made):
            share = float(value[chosen].sum() / max(1e-12, value.sum()))
            made.append(Alternative(text, share, EXTRACT, tuple(ranges)))
    return made


def _within(ties: NDArray[np.int32], units: slice) -> NDArray[np.int32]:
    """Return ties as rows of the units alone; those that lead out of them are none."""
    inside = (ties >= units.start) & (ties < units.stop)
    return np.where(inside, ties - units.start, -1).astype(np.int32)


def _ranges(table: Candidates, first: int, chosen: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where the chosen units stand in the stretch, those that touch together."""
    ranges: list[tuple[int, int]] = []
    stretch = table.stretches[table.segment_stretch[first]]
    start = None
    for k in range(len(chosen) + 1):
        if k < len(chosen) and chosen[k]:
            start = k if start is None else start
        elif start is not None:
            begin = int(table.segment_span[first + start, 0])
            end = int(table.segment_span[first + k - 1, 1])
            line = stretch.rfind("\n", 0, begin) + 1
            begin = begin if stretch[line:begin].strip(" \t") else line
            ranges.append((begin, begin + len(stretch[begin:end].rstrip())))
            start = None
    return ranges


def _worth_asking(table: Candidates, limit: int) -> set[int]:
    room = ASKED * 4 * limit  # characters: about four a token
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
    """Return a compressor that asks an object with LLMLingua's `compress_prompt`."""

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

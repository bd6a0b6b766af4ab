"""Shorter versions of a chunk: the output of compressors.

They are alternatives of the chunk: the window shows units of the chunk, one alternative, or none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ctxmem.candidates import Candidates
from ctxmem.compress.faithful import untrue
from ctxmem.errors import InputError, InputTypeError, a_type
from ctxmem.protocols import Compressor
from ctxmem.schema import Alternative, trim

ASKED = 4.0
"""Compressors see only the best chunks, up to this many times the budget in total: a compressor may
be a language model, and less relevant chunks can hardly reach the window."""


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
                f"compress has {a_type(one)}; expected True, False, a function "
                f"(text, query) -> str, or a list of such functions"
            )
    return True, tuple(compressors)


def add_alternatives(
    table: Candidates,
    compressors: Sequence[Compressor],
    *,
    query: str | None = None,
    limit: int = 0,
) -> None:
    """Add rows: the compressors' texts of the best chunks.

    A text is refused if it is not shorter or contradicts the chunk; the table's `refused` has the
    reason. Pinned chunks stay whole.

    Raises:
        InputTypeError: a compressor did not return a str.
    """
    if not compressors:
        return
    chunks = list(table.chunks)
    for i in _best_chunks(table, limit):
        made = _compressed(table, i, compressors, query)
        chunks[i] = replace(chunks[i], alternatives=(*chunks[i].alternatives, *made))
    table.chunks = tuple(chunks)
    _rebuild_rows(table)


def _best_chunks(table: Candidates, limit: int) -> list[int]:
    """Return the most relevant chunks that are not pinned, up to `ASKED` times the budget."""
    room = ASKED * 4 * limit  # characters, about 4 per token
    best = []
    for i in sorted(table.unique.tolist(), key=lambda i: (-table.relevance[i], table.id(i))):
        if room <= 0:
            break
        room -= len(table.text(i))
        if not table.pinned[i]:
            best.append(i)
    return best


def _compressed(
    table: Candidates, i: int, compressors: Sequence[Compressor], query: str | None
) -> list[Alternative]:
    text = table.text(i)
    made = []
    for compressor in compressors:
        shorter = compressor(text, query)
        if not isinstance(shorter, str):
            raise InputTypeError(
                f"a compressor returned {a_type(shorter)} for chunk {table.id(i)!r}; expected a str"
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

"""Count texts, spans of a text, and the segments and rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctxmem.errors import InputError, InputTypeError
from ctxmem.tokens.counters import Native, quoted
from ctxmem.tokens.names import resolve

if TYPE_CHECKING:
    from ctxmem.candidates import Candidates
    from ctxmem.protocols import Counter


@overload
def count_tokens(text: str, counter: object = ...) -> int: ...
@overload
def count_tokens(text: list[str] | tuple[str, ...], counter: object = ...) -> list[int]: ...
def count_tokens(
    text: str | list[str] | tuple[str, ...], counter: object = "o200k_base"
) -> int | list[int]:
    """Count the tokens of a text, or of each text of a list.

    A str gives an int; a list or a tuple of str gives a list of int. Equal to the length of
    tiktoken's `encode_ordinary(text)`; lone surrogates count as U+FFFD, as they do there.

    Raises `InputTypeError` for anything else, and what `resolve` raises for the counter.

    >>> count_tokens(["one", "one two"], counter=lambda text: len(text.split()))
    [1, 2]
    """
    if isinstance(text, str):
        return resolve(counter).count(text)
    if isinstance(text, (list, tuple)):
        for i, one in enumerate(text):
            if not isinstance(one, str):
                raise InputTypeError(
                    f"item {i} is {quoted(one)}; count_tokens takes a str or a list of str"
                )
        return list(resolve(counter).count_many(list(text)))
    raise InputTypeError(
        f"text is {quoted(text)}; count_tokens takes a str or a list of str "
        "(of a message or a document, pass its content)"
    )


def count_spans(counter: object, text: str, spans: ArrayLike) -> NDArray[np.int64]:
    """Count the tokens of text[start:end] for each row (start, end) of spans.

    Offsets are characters. The counts are exact wherever the counter is: a span is priced as the
    text it is, not as a share of the whole. Native counters price all spans from one pass over the
    text; others count every slice.

    Raises `InputError` unless spans is a (k, 2) array of integers with 0 <= start <= end <=
    len(text).

    >>> count_spans(len, "abcdef", [(0, 6), (2, 4)]).tolist()
    [6, 2]
    """
    if not isinstance(text, str):
        raise InputTypeError(f"text is {quoted(text)}; count_spans takes one str")
    resolved = resolve(counter)
    rows = np.asarray(spans)
    if rows.size == 0:
        return np.zeros(0, dtype=np.int64)
    if rows.ndim != 2 or rows.shape[1] != 2 or rows.dtype.kind not in "iu":
        raise InputError(
            f"spans are of shape {rows.shape} and type {rows.dtype}; "
            "expected integers (start, end), one row for each span"
        )
    wrong = (rows[:, 0] < 0) | (rows[:, 0] > rows[:, 1]) | (rows[:, 1] > len(text))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"span {first} is ({rows[first, 0]}, {rows[first, 1]}); "
            f"expected 0 <= start <= end <= {len(text)}"
        )
    rows = rows.astype(np.int64, copy=False)
    if isinstance(resolved, Native):
        return resolved.count_spans(text, rows)
    slices = [text[start:end] for start, end in rows.tolist()]
    return np.asarray(resolved.count_many(slices), dtype=np.int64)


def price(table: Candidates, counter: Counter, separator: str, headers: Sequence[str]) -> None:
    """Add `tokens` and `overhead`: what each text costs inside a window.

    A row costs what its block counts: header, text and separator together, so that blocks add up
    exactly where the separator ends in a newline.
    """
    rows: list[int] = table.chunk.tolist()
    blocks = [headers[i] + text + separator for i, text in zip(rows, table.texts, strict=True)]
    table.tokens = np.asarray(counter.count_many(blocks), dtype=np.int64)
    frames = {header: counter.count(header + separator) for header in set(headers)}
    table.overhead = np.array([frames[header] for header in headers], dtype=np.int64)


def price_segments(table: Candidates, counter: Counter, separator: str = "") -> None:
    """Add `segment_tokens`: what each segment adds to a block that has those before it.

    That is exact within a token or so; what is rendered is counted once more. A native counter
    counts texts of one segment together with the block that ends in `separator`, which is asked
    for next.
    """
    if isinstance(counter, Native):
        table.segment_tokens = counter.count_units(table.corpus, separator)
        for segment in table.lent:
            header = table.segment_texts[segment] + "\n"
            table.segment_tokens[segment] = counter.count(header)
        return
    # A line break is paid for where it is; a space belongs to the word that comes next.
    priced = [
        text + "\n" if broken else text
        for text, broken in zip(table.segment_texts, table.segment_broken.tolist(), strict=True)
    ]
    table.segment_tokens = np.asarray(counter.count_many(priced), dtype=np.int64)

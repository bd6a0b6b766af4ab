"""Borrow table headers: a row without a header gets one from an earlier text of its source."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np

from ctxmem import _native
from ctxmem.candidates import Candidates

HEADER, LENT = map(_native.SPAN_KINDS.index, ("header", "lent"))
HIDDEN, HEADLESS = (1 << _native.SPAN_FLAGS.index(flag) for flag in ("hidden", "headless"))

SEPARATORS = "\t,;"
"""Separators of the columns of separated values."""


def lend_headers(table: Candidates) -> None:
    """Give rows without a header the header of an earlier table with the same columns.

    Only tables of the same source are used; the nearest one before the rows is chosen.
    """
    table.lent = {}
    flags, kinds = table.segment_flags, table.segment_kind
    headless = np.flatnonzero(kinds == LENT).tolist()
    if not headless:
        return
    headers: dict[int, list[int]] = defaultdict(list)
    for s in np.flatnonzero(kinds == HEADER).tolist():
        headers[int(table.document[table.segment_merged[s]])].append(s)
    for s in headless:
        merged_text = int(table.segment_merged[s])
        last = int(table.merged_first[merged_text + 1])
        rows = [r for r in range(s + 1, last) if table.segment_need[r] == s]
        row = _line(table, rows[min(1, len(rows) - 1)]) if rows else ""
        shape = _shape(row)
        if shape is not None and shape[0] in SEPARATORS:
            # Rows may lack their last cells, so the longest one is compared.
            shapes = [_shape(_line(table, r)) for r in rows]
            shape = max(other for other in shapes if other is not None and other[0] == shape[0])
        place = int(table.merged_place[merged_text])
        lender = nearly = None
        for h in headers[int(table.document[merged_text])]:
            other = int(table.segment_merged[h])
            if other == merged_text or int(table.merged_place[other]) >= place or shape is None:
                continue
            header = _shape(_line(table, h))
            if header == shape:
                lender = h
            elif header is not None and (
                _aligned(_line(table, h), row) if shape[0] == "column" else _fits(header, shape)
            ):
                nearly = h
        lender = nearly if lender is None else lender
        if lender is None:
            table.segment_need[rows] = table.segment_need[s]
        else:
            flags[s] &= 255 - HIDDEN
            flags[rows] &= 255 - HEADLESS
            table.lent[s] = lender
            table.segment_broken[s] = True


def _fits(header: tuple[str, int], row: tuple[str, int]) -> bool:
    """Return whether rows of separated values have nearly as many columns as the header."""
    separator, columns = header
    apart = abs(columns - row[1])
    return separator in SEPARATORS and separator == row[0] and apart <= max(1, columns // 3)


def _aligned(header: str, row: str) -> bool:
    """Return whether words of the row begin or end below at least half of those of the header."""
    words, names = (list(re.finditer(r"\S+", line)) for line in (row, header))
    begins, ends = {word.start() for word in words}, {word.end() for word in words}
    below = sum(name.start() in begins or name.end() in ends for name in names)
    return below >= 2 and 2 * below >= len(names)


def _line(table: Candidates, s: int) -> str:
    """Return the first line of a row or header, with the white space before it."""
    merged_text = table.merged_texts[table.segment_merged[s]]
    start, end = table.segment_span[s]
    line: str = merged_text[merged_text.rfind("\n", 0, start) + 1 : end]
    return line.rstrip().split("\n")[0]


def _shape(first: str) -> tuple[str, int] | None:
    """Return the column separator of a row or header, and the number or offset of its columns."""
    if set(first.strip()) == {"=", " "} or ("  " in first.strip() and "|" not in first):
        column = re.match(r"\s*\S+(?: \S+)*\s{2,}", first)
        if set(first.strip()) == {"=", " "}:
            column = re.match(r"\s*=+ +", first)
        return ("column", column.end()) if column else None
    if "|" in first:
        return ("|", first.count("|"))
    best = max(SEPARATORS, key=first.count)
    return (best, first.count(best)) if best in first else None

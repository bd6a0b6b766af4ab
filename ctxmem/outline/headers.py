"""Borrow table headers: a row without a header gets one from an earlier text of its source."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np

from ctxmem import _native
from ctxmem.schema import Candidates

HEADER, LENT = map(_native.SPAN_KINDS.index, ("header", "lent"))
HIDDEN, HEADLESS = (1 << _native.SPAN_FLAGS.index(flag) for flag in ("hidden", "headless"))


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
        headers[int(table.document[table.segment_stretch[s]])].append(s)
    for s in headless:
        stretch = int(table.segment_stretch[s])
        last = int(table.stretch_first[stretch + 1])
        rows = [r for r in range(s + 1, last) if table.segment_need[r] == s]
        shape = _shape(table, rows[min(1, len(rows) - 1)]) if rows else None
        place = int(table.stretch_place[stretch])
        lender = None
        for h in headers[int(table.document[stretch])]:
            other = int(table.segment_stretch[h])
            before = other != stretch and int(table.stretch_place[other]) < place
            if before and shape is not None and _shape(table, h) == shape:
                lender = h
        if lender is None:
            table.segment_need[rows] = table.segment_need[s]
        else:
            flags[s] &= 255 - HIDDEN
            flags[rows] &= 255 - HEADLESS
            table.lent[s] = lender
            table.segment_texts[s] = table.segment_texts[lender]
            table.segment_broken[s] = True


def _shape(table: Candidates, s: int) -> tuple[str, int] | None:
    """Return the column separator of a row or header, and the number or offset of its columns."""
    stretch = table.stretches[table.segment_stretch[s]]
    start, end = table.segment_span[s]
    line_start = stretch.rfind("\n", 0, start) + 1
    lines = stretch[line_start:end].rstrip().split("\n")
    first = lines[0]
    if set(first.strip()) == {"=", " "} or ("  " in first.strip() and "|" not in first):
        column = re.match(r"\s*\S+(?: \S+)*\s{2,}", first)
        if set(first.strip()) == {"=", " "}:
            column = re.match(r"\s*=+ +", first)
        return ("column", column.end()) if column else None
    if "|" in first:
        return ("|", first.count("|"))
    best = max("\t,;", key=first.count)
    return (best, first.count(best)) if best in first else None

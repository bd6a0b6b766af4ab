"""Outlines of texts in a form that tests compare, and the laws that every outline keeps."""

from __future__ import annotations

import numpy as np

from ctxmem import _native

UNKNOWN, RECORD, TABLE, CODE_FILE = range(4)  # the form of a text, by the name of its source
LABEL, LEAD_IN, HIDDEN, FILLER, HEADLESS, UNOPENED, UNCLOSED = (1 << bit for bit in range(7))
LABELS = {"heading", "name", "header", "fence", "source", "lent"}  # kinds with the flag LABEL


def outline(text, form=UNKNOWN, named=False, room=1600):
    """Return the columns of the outline of one text, as lists."""
    forms, names = np.array([form], dtype=np.uint8), np.array([named], dtype=np.uint8)
    return [
        column.tolist()
        for column in _native.outline(_native.Corpus([text]), forms, names, room)[:-1]
    ]


def units(text, form=UNKNOWN, room=1600):
    """Return (kind, text, text of the unit it needs) of every unit, without white space around."""
    start, end, kind, _, need, _, _ = outline(text, form, room=room)
    said = [text[a:b].strip() for a, b in zip(start, end, strict=True)]
    return [
        (_native.SPAN_KINDS[k], here, said[n] if n >= 0 else None)
        for k, here, n in zip(kind, said, need, strict=True)
    ]


def tied(text, form=UNKNOWN):
    """Return {text: text of the unit shown with it} of the units that are tied to another."""
    start, end, _, _, _, also, _ = outline(text, form)
    said = [text[a:b].strip() for a, b in zip(start, end, strict=True)]
    return {here: said[other] for here, other in zip(said, also, strict=True) if other >= 0}


def shown_with(text, said, room=1600):
    """Return the texts of the other units of prose without which a unit is never shown."""
    start, end, kind, _, need, also, _ = outline(text, room=room)
    texts = [text[a:b].strip() for a, b in zip(start, end, strict=True)]
    first = texts.index(said)
    seen, stack = {-1}, [first]
    while stack:
        unit = stack.pop()
        if unit not in seen:
            seen.add(unit)
            stack += need[unit], also[unit]
    prose = _native.SPAN_KINDS.index("prose")
    return [texts[u] for u in sorted(seen - {-1, first}) if kind[u] == prose]


def flagged(text, flag, form=UNKNOWN):
    """Return the texts of the units that have a flag."""
    start, end, _, flags, _, _, _ = outline(text, form)
    return [text[a:b].strip() for a, b, f in zip(start, end, flags, strict=True) if f & flag]


def spans(text):
    """Return (kind, text) of every unit, without white space around."""
    return [(kind, said) for kind, said, _ in units(text)]


def texts(text):
    """Return the text of every unit, without white space around."""
    return [span for _, span in spans(text)]


def broken_laws(text, form=UNKNOWN, named=False, room=1600):
    """Return the laws of outline.hpp that the outline of a text breaks."""
    start, end, kind, flags, need, also, block = outline(text, form, named, room)
    n = len(start)
    kinds = [_native.SPAN_KINDS[k] for k in kind]
    rows = range(n)
    laws = {
        "units cover the text": [0, *end] == [*start, len(text)] if n else not text,
        "needs are units of the text": all(-1 <= row < n for row in [*need, *also]),
        "no unit needs itself": not any(u in (need[u], also[u]) for u in rows),
        "a unit's block begins at it or before": all(0 <= block[u] <= u for u in rows),
        "needs come before, except of what closes": all(
            need[u] < u or kinds[u] in ("fence", "header") for u in rows
        ),
        "only labels have the flag LABEL": all(
            (kinds[u] in LABELS) == bool(flags[u] & LABEL) for u in rows
        ),
        "only rows are headless": all(kinds[u] == "table_row" for u in rows if flags[u] & HEADLESS),
        "only code lacks a fence": all(
            kinds[u] == "code" for u in rows if flags[u] & (UNOPENED | UNCLOSED)
        ),
        "needed units can be shown": not any(
            flags[row] & HIDDEN and kinds[row] != "lent" for row in [*need, *also] if 0 <= row < n
        ),
        "only names of sources and lent headers are empty": all(
            (start[u] == end[u]) == (kinds[u] in ("source", "lent")) for u in rows
        ),
    }
    return [law for law, holds in laws.items() if not holds]

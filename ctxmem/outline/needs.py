"""Find units that are left out because a text without which they are not shown has no room."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.candidates import Candidates
from ctxmem.selected import Withheld

PROSE = _native.SPAN_KINDS.index("prose")
PART = 1 << _native.SPAN_FLAGS.index("part")
NAMES = sum(1 << _native.SPAN_FLAGS.index(flag) for flag in ("label", "hidden", "filler"))
"""Flags of units that name or frame others: headings, keys, fences, rules."""


def withheld_units(
    table: Candidates, left_out: NDArray[np.bool_], limit: int, least: float
) -> dict[int, Withheld]:
    """Return, by chunk, the densest unit that is left out if it is withheld in this sense.

    `left_out` are the units that could be in a window of `limit` tokens and are not, `least` is the
    density above which they count.
    """
    found = {}
    dense = left_out & (table.segment_density > least) & (table.segment_tokens <= limit)
    density = np.where(dense, table.segment_density, -1.0)
    before = np.concatenate(([0], np.cumsum(dense)))
    unique = table.unique
    has = before[table.last_segment[unique]] > before[table.first_segment[unique]]
    for i in unique[has].tolist():
        first, last = int(table.first_segment[i]), int(table.last_segment[i])
        withheld = _withheld(table, first + int(np.argmax(density[first:last])), limit)
        if withheld is not None:
            found[i] = withheld
    return found


def _withheld(table: Candidates, unit: int, limit: int) -> Withheld | None:
    spent = 0
    closure = set()
    for other in _needs(table, unit):
        closure.add(other)
        spent += int(table.segment_tokens[other])
        if spent > limit:
            break
    if spent <= limit:
        return None
    sentence = _sentence(table, unit)
    others = sorted(
        other
        for other in closure
        if other not in sentence and not table.segment_flags[other] & NAMES
    )
    own = sorted(closure.intersection(sentence) - {unit})
    if not others:
        return Withheld(_text(table, sentence), "", False) if own else None
    after = [other for other in others if other > unit]
    needed = _sentence(table, after[0] if after else others[-1])
    prose = table.segment_kind[unit] == table.segment_kind[needed[0]] == PROSE
    excepts = bool(after and prose and not _is_ring(table, unit))
    return Withheld(_text(table, sentence), _text(table, needed), excepts)


def _text(table: Candidates, units: range) -> str:
    """Return the text of adjacent units of one merged text."""
    whole: str = table.merged_texts[int(table.segment_merged[units[0]])]
    start, end = table.segment_span[units[0], 0], table.segment_span[units[-1], 1]
    return whole[int(start) : int(end)].strip()


def _needs(table: Candidates, unit: int) -> Iterator[int]:
    """Yield a unit and all units that it needs, directly or not, those it needs directly first."""
    seen, queue = {unit}, [unit]
    for at in queue:
        yield at
        for other in (int(table.segment_need[at]), int(table.segment_also[at])):
            if other >= 0 and other not in seen:
                seen.add(other)
                queue.append(other)


def _sentence(table: Candidates, unit: int) -> range:
    """Return the units that are parts of the sentence or line of a unit."""
    text = int(table.segment_merged[unit])
    first, last = unit, unit + 1
    while first > table.merged_first[text] and table.segment_flags[first] & PART:
        first -= 1
    while last < table.merged_first[text + 1] and table.segment_flags[last] & PART:
        last += 1
    return range(first, last)


def _is_ring(table: Candidates, unit: int) -> bool:
    """Return whether units need each other in turn, as the points of a list do."""
    at, steps = int(table.segment_also[unit]), 0
    while at >= 0 and at != unit and steps < 64:
        at, steps = int(table.segment_also[at]), steps + 1
    return at == unit

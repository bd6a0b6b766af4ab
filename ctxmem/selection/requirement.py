"""Which units may be selected: the requirement of each unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.candidates import Candidates

OPTIONAL, REQUIRED, EXCLUDED = 0, 1, 2
"""Requirement of a unit. Units of duplicate chunks are excluded."""


SOURCE = _native.SPAN_KINDS.index("source")
PART = 1 << _native.SPAN_FLAGS.index("part")


def segment_requirement(table: Candidates, *, whole: bool, careful: bool) -> NDArray[np.uint8]:
    """Return the requirement of each segment before any chunk is pinned.

    Args:
        table: the candidates, cut into segments.
        whole: whole chunks are selected, so that each chunk has all segments that it needs.
        careful: chunks are folded only if they say the same.
    """
    requirement = np.full(len(table.segment_span), EXCLUDED, dtype=np.uint8)
    unique = table.unique
    shown = table.group[unique] == unique
    if careful and not whole:
        shown |= _is_beside_original(table)
    for i in unique[shown].tolist():
        requirement[table.first_segment[i] : table.last_segment[i]] = OPTIONAL
    if not whole:
        _allow_needs(requirement, np.stack([table.segment_need, table.segment_also]))
        requirement[table.segment_body[:, 0] == table.segment_body[:, 1]] = EXCLUDED
        requirement[table.segment_kind == SOURCE] = OPTIONAL
        requirement[list(table.lent)] = OPTIONAL
    return requirement


def _is_beside_original(table: Candidates) -> NDArray[np.bool_]:
    """Return which unique chunks are in one merged text with the chunk that represents them.

    Repetition inside one text is kept: without a part of it, the parts around would read as one.
    Chunks that are similar by embedding only are folded, because the caller asked for that.
    """
    unique = table.unique
    chunks = np.stack([unique, table.group[unique]])
    held = (table.first_segment[chunks] < table.last_segment[chunks]).all(axis=0)
    texts = np.append(table.segment_merged, -1)[table.first_segment[chunks]]
    beside: NDArray[np.bool_] = held & (texts[0] == texts[1]) & ~table.by_embedding[unique]
    return beside


def _allow_needs(requirement: NDArray[np.uint8], ties: NDArray[np.int32]) -> None:
    """Make excluded units optional that optional units need, directly or not.

    These are headings, keys and brackets of duplicate chunks on which other chunks depend.
    """
    while True:
        needed = ties[:, requirement != EXCLUDED]
        needed = needed[needed >= 0]
        needed = np.unique(needed[requirement[needed] == EXCLUDED])
        if not len(needed):
            return
        requirement[needed] = OPTIONAL


def with_held(
    requirement: NDArray[np.uint8], table: Candidates, held: NDArray[np.bool_], *, sentences: bool
) -> NDArray[np.uint8]:
    """Return the requirement of each unit if segments are held, that is, required if possible.

    With `sentences`, no part of another sentence or line is shown beside them.
    """
    changed: NDArray[np.uint8] = requirement.copy()
    optional = requirement[: len(held)] == OPTIONAL
    if sentences:
        part = (table.segment_flags & PART) != 0
        part[:-1] |= part[1:] & (table.segment_merged[1:] == table.segment_merged[:-1])
        changed[: len(held)][part & optional] = EXCLUDED
    changed[: len(held)][held & optional] = REQUIRED
    return changed

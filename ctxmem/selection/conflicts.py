"""Name the constraints that no selection satisfies together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ctxmem.errors import BudgetError
from ctxmem.schema import Section
from ctxmem.selection.requirement import EXCLUDED, OPTIONAL, REQUIRED

if TYPE_CHECKING:
    from ctxmem.selection.window import WindowSelection


def conflict(window: WindowSelection, limit: int) -> BudgetError:
    """Return the error for a window of `limit` tokens for which there is no selection.

    Constraints without which there is none either are not named.
    """
    table, required = window.table, window.requirement == REQUIRED
    needed = [k for k, minimum in enumerate(window.minima.tolist()) if minimum]
    pinned = bool(window.disjunctive or required.any())
    free = np.where(required, OPTIONAL, window.requirement).astype(np.uint8)
    pins_matter = pinned and not window.fails(free, limit, ())
    requirement = window.requirement if pins_matter or not needed else free
    dropped: list[int] = []
    for k in needed:  # a constraint that can be dropped without a solution is no part of it
        if window.fails(requirement, limit, (*dropped, k)):
            dropped.append(k)
    parts = [_minimum(window, k) for k in needed if k not in dropped]
    if pins_matter or not parts:
        parts += [f"chunk {table.id(i)!r} is pinned" for i in window.pinned() if table.pinned[i]][
            :8
        ]
        parts += [
            f"section {part.name!r} has a maximum of {part.max:,} tokens"
            for part in window.sections
            if part.max is not None and part.max < limit and not parts[1:]
        ][:8]
    parts.append(f"the budget is {limit - window.costs.separator:,} tokens")
    return BudgetError(
        "these constraints conflict: "
        + "; ".join(parts)
        + ". Lower a minimum, unpin, or raise the budget"
    )


def _minimum(window: WindowSelection, k: int) -> str:
    """Return the minimum of a section in words, and its text if that has fewer tokens."""
    part = window.sections[k]
    inside = [j for j, other in enumerate(window.sections) if _is_in(window, other, part)]
    texts = np.isin(window.section, inside)
    units = np.repeat(texts, np.diff(window.first)) & (window.requirement != EXCLUDED)
    tokens = int(window.tokens[units].sum())
    short = f", but its chunks have {tokens:,}" if tokens < part.min else ""
    return f"section {part.name!r} has a minimum of {part.min:,} tokens{short}"


def _is_in(window: WindowSelection, section: Section, outer: Section) -> bool:
    parents = {part.name: part.parent for part in window.sections}
    name: str | None = section.name
    while name is not None and name != outer.name:
        name = parents[name]
    return name is not None

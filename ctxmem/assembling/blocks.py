"""Passages, memory and code of a request: one problem of `pack`, with a section for each part."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.assembling.inputs import BLOCKS
from ctxmem.errors import BudgetError
from ctxmem.pipeline import PackProblem
from ctxmem.protocols import Counter
from ctxmem.schema import Budget, Chunk, Section, Window
from ctxmem.selection import WindowSelection
from ctxmem.selection.window import EXCLUDED, REQUIRED

HEADERS = {
    "memory": "[memory] From earlier in this conversation:",
    "passages": "Passages:",
    "code": "Code:",
}
"""Lines above the parts, where there is more than one."""


class Share(NamedTuple):
    """The blocks of a window of at most `limit` tokens: their value, and a bound on it.

    `price` is the value of one more token.
    """

    limit: int
    value: float
    spent: int
    bound: float
    price: float
    additive: bool


NOTHING = Share(0, 0.0, 0, 0.0, 0.0, True)


class Blocks:
    """The blocks that can be sent, and the best of them within a limit.

    `without` are ids of chunks that are not chosen, since the request has their text elsewhere.
    """

    def __init__(
        self,
        chunks: Sequence[Chunk],
        limit: int,
        *,
        question: str | None,
        counter: Counter,
        sections: Mapping[str, Section],
        min_density: float,
    ) -> None:
        self.chunks = chunks
        self.min_density = min_density
        self.counter = counter
        self.limit = limit
        self._without: frozenset[str] = frozenset()
        self._shares: dict[tuple[int, frozenset[str]], Share] = {}
        self.problem: PackProblem | None = None
        if not chunks or limit < 1:
            return
        used = dict.fromkeys(chunk.section for chunk in chunks)
        parts = [
            replace(
                sections.get(name, Section(name)),
                header=HEADERS[name] if len(used) > 1 else None,
            )
            for name in BLOCKS
            if name in used
        ]
        self.problem = PackProblem(
            chunks,
            limit,
            query=question or None,
            counter=counter,
            sections=[_within(part, limit) for part in parts],
        )
        self._select()

    def _select(self) -> None:
        assert self.problem is not None
        self._selecting = self.problem.selecting(Budget(self.limit))
        self._selecting.min_density = self.min_density
        self._cuts = self.problem.cuts

    @property
    def recut(self) -> bool:
        """Whether the texts were cut again, into smaller parts, to fill a window."""
        return self.problem is not None and self.problem.cuts != self._cuts

    def at(self, limit: int, without: Collection[str] = ()) -> Share | None:
        """Return the best blocks within a limit; None if what is pinned does not fit.

        Raises:
            BudgetError: minima of sections and pins conflict.
        """
        if self.problem is None:
            return NOTHING
        gone = frozenset(without)
        found = self._shares.get((limit, gone))
        if found is None:
            selecting = self._restricted(gone)
            if limit < 1:
                pinned = bool((selecting.requirement == REQUIRED).any() or selecting.disjunctive)
                return None if pinned else NOTHING
            slack = selecting.costs.separator
            result = selecting.solve_at(limit + slack)
            if result is None:
                return None
            found = Share(
                limit,
                result.value,
                max(0, result.spent - slack),
                max(min(result.bound, result.total), result.value),
                float(result.prices.get("", 0.0)),
                selecting.costs.additive,
            )
            self._shares[limit, gone] = found
        return found

    def window(self, limit: int, without: Collection[str] = ()) -> Window | None:
        """Return the window of the best blocks within a limit, None if there are none."""
        if self.problem is None or limit < 1:
            return None
        budget = Budget(limit, auto=self.min_density or False)
        return self.problem.window(budget, first=self._restricted(frozenset(without)))

    def _restricted(self, gone: frozenset[str]) -> WindowSelection:
        """Return the selection without some chunks."""
        if self.recut:
            self._select()  # a window was filled up with smaller parts
        selecting = copy.copy(self._selecting)
        selecting.bounded_at = -1
        selecting.maxima = selecting.maxima.copy()
        selecting.minima = selecting.minima.copy()
        if gone and self.problem is not None:
            selecting.requirement = self._excluded(selecting.requirement, gone)
            selecting.held = self._excluded(selecting.held, gone)
        return selecting

    def _excluded(self, requirement: NDArray[np.uint8], gone: frozenset[str]) -> NDArray[np.uint8]:
        assert self.problem is not None
        table = self.problem.table
        made = requirement.copy()
        for i, chunk in enumerate(self.chunks):
            if chunk.id in gone:
                units = slice(int(table.first_segment[i]), int(table.last_segment[i]))
                made[units] = np.where(made[units] == REQUIRED, made[units], EXCLUDED)
        return made


def _within(section: Section, limit: int) -> Section:
    """Return a section whose minimum fits into a limit."""
    if section.min > limit:
        raise BudgetError(
            f"section {section.name!r} has a minimum of {section.min:,} tokens, but {limit:,} are "
            "left for it; lower the minimum or raise the budget"
        )
    return section

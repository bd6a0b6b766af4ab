"""Passages, memory and code of a request: one problem of `pack`, with a section for each part."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.assembling import values
from ctxmem.assembling.inputs import BLOCKS
from ctxmem.errors import BudgetError
from ctxmem.pipeline import PackProblem
from ctxmem.protocols import Counter
from ctxmem.schema import Budget, Chunk, Section, Window
from ctxmem.selected import SelectionResult
from ctxmem.selection import WindowSelection
from ctxmem.selection.requirement import EXCLUDED, REQUIRED
from ctxmem.tokens import Estimate

HEADERS = {
    "memory": "[memory] From earlier in this conversation:",
    "passages": "Passages:",
    "code": "Code:",
}
"""Lines above the parts, where there is more than one."""

FEW = 64
"""Units up to which exact bounds are computed."""

_KEPT = 8
_LONGEST = 1 << 22  # characters of the chunks of a problem that is kept
_lock = threading.Lock()


class _Shown(NamedTuple):
    """A window, and whether texts were cut into smaller parts than those of the problem for it."""

    window: Window | None
    finer: bool


class _Known(NamedTuple):
    """A problem that was read and valued, and what it was solved for."""

    problem: PackProblem
    selecting: WindowSelection
    shares: dict[Any, Share]
    windows: dict[Any, _Shown]


class Share(NamedTuple):
    """The blocks within `limit` tokens: their value, and the value of one more token."""

    limit: int
    value: float
    spent: int
    price: float
    additive: bool


NOTHING = Share(0, 0.0, 0, 0.0, True)
_problems: dict[Any, _Known] = {}
"""Problems of the last calls, for equal calls; a call takes its problem out while it uses it."""
_readings: dict[Any, PackProblem] = {}
"""Problems of the last sets of chunks, for other questions; these only copy them."""


class Blocks:
    """The blocks that can be sent, and the best of them within a limit.

    `share` is the probability that the question needs any of them. `titled` puts a line above each
    part even if there is only one, since other texts precede it.
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
        titled: bool = False,
        share: float = 1.0,
    ) -> None:
        self.share = share
        self.chunks = chunks
        self.min_density = min_density
        self.counter, self.limit, self.question = counter, limit, question
        self._shares: dict[int, Share] = {}
        self.conflict: BudgetError | None = None
        """Why the last limit that did not do did not."""
        self._bounds: dict[int, float] = {}
        self._windows: dict[int, _Shown] = {}
        self._solved: dict[int, tuple[WindowSelection, SelectionResult]] = {}
        self.problem: PackProblem | None = None
        self.part_of: dict[str, str] = {}
        self._equal: Any = None  # the key of equal calls
        self._rows: Any = None  # the key of calls with the same chunks
        if not chunks or limit < 1:
            return
        used = dict.fromkeys(chunk.section for chunk in chunks)
        self.sections = [
            replace(
                _within(sections.get(name, Section(name)), limit),
                header=HEADERS[name] if titled or len(used) > 1 else None,
            )
            for name in BLOCKS
            if name in used
        ]
        self._prepare()

    def _prepare(self) -> None:
        """Read and value the chunks, or take what an equal call or one of these chunks left."""
        self._rows = self._key()
        if self._rows is not None:
            about = self.limit, self.question, self.min_density, tuple(self.sections), self.share
            self._equal = self._rows, about
        with _lock:
            known = _problems.pop(self._equal, None) if self._rows is not None else None
            read = _readings.get(self._rows) if self._rows is not None else None
        if known is not None:
            self.problem, self._selecting, self._shares, self._windows = known
        else:

            def weigh(density: NDArray[np.float64]) -> NDArray[np.float64]:
                return values.text(density, self.share)

            if read is not None:
                self.problem = read.asked(self.question or None, self.limit, self.sections, weigh)
            else:
                self.problem = PackProblem(
                    self.chunks,
                    self.limit,
                    query=self.question or None,
                    counter=self.counter,
                    sections=self.sections,
                    keeps_cuts=self._rows is not None,
                    weigh=weigh,
                )
            self._selecting = self.problem.selecting(Budget(self.limit))
            self._selecting.min_density = self.min_density
        table = self.problem.table
        self.part_of = {
            str(name): chunk.section or "passages"
            for name, chunk in zip(table.ids, table.chunks, strict=True)
        }

    def _key(self) -> Any:
        """Return a key of the chunks and the counter, None if nothing is kept of them."""
        if any(chunk.embedding is not None for chunk in self.chunks):
            return None
        if sum(len(chunk.text) for chunk in self.chunks) > _LONGEST:
            return None
        rows = tuple(
            (
                *(chunk.text, chunk.id, chunk.score, chunk.source, chunk.span, chunk.rank),
                *(chunk.list, chunk.section, chunk.pinned, chunk.requires, chunk.alternatives),
                *(chunk.density, chunk.metadata.get("line") if chunk.metadata else None),
            )
            for chunk in self.chunks
        )
        learnt = self.counter.observations if isinstance(self.counter, Estimate) else 0
        return rows, self.counter.name, id(self.counter), learnt

    def keep(self) -> None:
        """Leave what was prepared and solved for an equal call, and for other questions."""
        if self._rows is None or self.problem is None:
            return
        with _lock:
            known = _Known(self.problem, self._selecting, self._shares, self._windows)
            _problems[self._equal] = known
            _readings.pop(self._rows, None)
            _readings[self._rows] = self.problem
            for table in (_problems, _readings):
                while len(table) > _KEPT:
                    del table[next(iter(table))]

    # The problem ----------------------------------------------------------------------------------

    @property
    def _free(self) -> NDArray[np.bool_]:
        """Return which units may be chosen."""
        free: NDArray[np.bool_] = self._selecting.requirement != EXCLUDED
        return free

    @property
    def few(self) -> bool:
        """Whether there are so few units that exact bounds cost little."""
        return self.problem is not None and len(self._selecting.tokens) <= FEW

    @property
    def demanding(self) -> bool:
        """Whether some blocks are required."""
        if self.problem is None:
            return False
        selecting = self._selecting
        pinned = bool((selecting.requirement == REQUIRED).any()) or bool(selecting.disjunctive)
        return pinned or bool(selecting.minima.any())

    @property
    def total_tokens(self) -> int:
        """The tokens of all blocks, about: at least what a window of all of them has."""
        if self.problem is None:
            return 0
        selecting = self._selecting
        costs = selecting.costs
        return int(
            selecting.tokens[self._free].sum()
            + costs.overhead.sum()
            + sum(costs.headers)
            + costs.again * len(selecting.tokens)
        )

    @property
    def total(self) -> float:
        """The value of all blocks."""
        if self.problem is None:
            return 0.0
        tokens, density = self.curve
        return float((tokens * density).sum())

    def _best(self) -> float:
        """Return the density of the best unit."""
        selecting = self._fresh()
        free = (selecting.requirement != EXCLUDED) & (selecting.density >= self.min_density)
        return float(selecting.density[free].max(initial=0.0))

    @property
    def curve(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Tokens and density of the units that may be chosen."""
        if self.problem is None:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        free = self._free
        return self._selecting.tokens[free], self._selecting.density[free]

    @property
    def around(self) -> int:
        """The tokens that a block has beside its units, about."""
        return 0 if self.problem is None else self._selecting.costs.separator + 1

    def dual(self, price: float) -> float:
        """Return a bound on value less the price of tokens, of any blocks.

        What units need and what begins a run only costs tokens; where counts do not add up, a unit
        may count less beside others.
        """
        tokens, density = self.curve
        if self.problem is None:
            return 0.0
        costs = self._selecting.costs
        least = np.maximum(0, tokens - costs.joint)
        gain = float(np.maximum(0.0, density * tokens - price * least).sum())
        return gain + price * (costs.joint + costs.separator)  # the last has no separator

    def bound(self, limit: int) -> float:
        """Return a value that no blocks within a limit exceed."""
        if self.problem is None or limit < 1:
            return 0.0
        found = self._bounds.get(limit)
        if found is None:
            selecting = self._fresh()
            result = selecting.solve_at(limit + selecting.costs.separator)
            found = self.total
            if result is not None:
                found = max(result.value, min(result.bound, result.total))
            self._bounds[limit] = found
        return found

    # Solving --------------------------------------------------------------------------------------

    def at(self, limit: int) -> Share | None:
        """Return the best blocks within a limit; None if pins and minima do not fit."""
        if self.problem is None:
            return NOTHING
        if limit < 1:
            return None if self.demanding else NOTHING._replace(price=self._best())
        found = self._shares.get(limit)
        if found is None:
            selecting = self._fresh()
            slack = selecting.costs.separator
            selecting.bounded_at = limit + slack  # no bound: one of the whole request is computed
            try:
                result = selecting.solve_at(limit + slack)
            except BudgetError as error:  # more tokens may be enough for the minima
                self.conflict, result = error, None
            if result is None:
                return None
            price = float(result.prices.get("", 0.0))
            price = max([price, *(p for p in result.prices.values() if price)])
            spent = max(0, result.spent - slack)
            found = Share(limit, result.value, spent, price, selecting.costs.additive)
            self._shares[limit] = found
            self._solved[limit] = selecting, result
        return found

    def window(self, limit: int) -> Window | None:
        """Return the window of the best blocks within a limit, None if there are none."""
        if self.problem is None or limit < 1:
            return None
        if limit not in self._windows:
            self._windows[limit] = self._window(limit)
        return self._windows[limit].window

    def _window(self, limit: int) -> _Shown:
        assert self.problem is not None
        budget = Budget(limit, auto=self.min_density or False)
        selecting, solved = self._solved.pop(limit, (None, None))
        if selecting is None:
            selecting = self._fresh()
            selecting.bounded_at = limit + selecting.costs.separator
        problem = self.problem.apart()  # it may cut the texts again
        window = problem.window(budget, first=selecting, solved=solved)
        return _Shown(window, problem.cuts != self.problem.cuts)

    def is_finer(self, limit: int) -> bool:
        """Return whether texts were cut again, into smaller parts, to fill a window."""
        shown = self._windows.get(limit)
        return shown is not None and shown.finer

    def _fresh(self) -> WindowSelection:
        """Return a copy of the selection, for a limit of its own."""
        return self._selecting.without(())


def forget() -> None:
    """Drop what equal calls would reuse, where the values have changed."""
    with _lock:
        _problems.clear()


def _within(section: Section, limit: int) -> Section:
    """Return a section whose minimum fits into a limit."""
    if section.min > limit:
        raise BudgetError(
            f"section {section.name!r} has a minimum of {section.min:,} tokens, but {limit:,} are "
            "left for it; lower the minimum or raise the budget"
        )
    return section

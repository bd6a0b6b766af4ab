"""What the next window may cost, where a conversation must never cost more than it would untrimmed.

The law of the policy "covered": at every call the sum of what the windows cost is at most the sum
of what the whole history would have cost, by the same price table, so that a conversation may end
anywhere. What the next window may cost is what was saved so far and what the untrimmed history
costs at this call. With N tokens cached, an edit that leaves R tokens behind it to be written again
costs `write * R` where the untrimmed history costs `read * N`: an edit that must be made while
nothing is saved takes out more, so that it costs less.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ctxmem.memory.cost_tracker import CostTracker, Outlook
from ctxmem.memory.plan import Plan
from ctxmem.memory.resident import Entry, Resident
from ctxmem.pricing import Prices

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Demand:
    """How a plan is tried: each try gives up more to cost less.

    Attributes:
        optional: whether edits and outlines that need not be are looked for.
        edit: whether an edit is made though the window fits.
        margin: tokens that an edit has to cost less than it may: the block of what binds, which is
            made after it, takes them.
        less: tokens that the block of what binds has to do without.
        everything: whether all leaves that may, without an index.
    """

    optional: bool = True
    edit: bool = False
    margin: float = 0.0
    less: int = 0
    everything: bool = False


class Coverage:
    """What the next window of one session may cost, and what plans of it would cost."""

    def __init__(self, state: Resident, prices: Prices, costs: CostTracker) -> None:
        self.state, self.prices, self.costs = state, prices, costs
        self.head = 0  # tokens of the request before its messages
        self.outlook: Outlook | None = None
        self.demand = Demand()
        self.allowance = 0.0
        self.marks: set[int] = set()  # entries behind which an earlier window had a breakpoint
        self._read_ends = [0]  # tokens of the prefixes that the provider has, rising

    def begin(self, *, cold: bool) -> None:
        """Take in what is known before a window is planned."""
        outlook, entries = self.outlook, self.state.entries
        ends = [self.head, *accumulate((e.tokens for e in entries), initial=self.head)][1:]
        if outlook is not None:
            self.allowance = outlook.may_cost
        else:
            self.allowance = self.costs.saved + self.costs.due(
                self.head + self.state.total, cold=cold
            )
        if cold:
            self._read_ends = [0]
        elif outlook is not None and outlook.cached is not None:
            counts = outlook.cached([entry.message for entry in entries])
            self._read_ends = [0, *sorted(ends[count] for count in counts if count < len(ends))]
        elif self.prices.marked:
            self._read_ends = [0, *(ends[mark] for mark in sorted(self.marks) if mark < len(ends))]
        else:
            self._read_ends = [0, *ends] if self.costs.calls else [0]

    def reads(self, common: int) -> int:
        """Return the tokens that are read from the cache, of a prefix of so many that is kept."""
        return self._read_ends[bisect_right(self._read_ends, common) - 1]

    def cost(self, *, common: int, stable: int, tail: int) -> float:
        """Return what a window costs of which so many tokens are stable, and `common` were there.

        The tokens are those behind the head.
        """
        return self.costs.price(
            stable=self.head + stable,
            common=self.reads(self.head + common),
            total=self.head + stable + tail,
            outlook=self.outlook,
        )

    def cost_of(self, plan: Plan) -> float:
        """Return what the window of a plan costs."""
        kept: Sequence[Entry] = [*self.state.entries[: plan.keep], *plan.entries]
        tail = sum(tokens for _, _, tokens in plan.pending)
        tail += sum(note.tokens for note in plan.notes)
        stable = sum(entry.tokens for entry in kept)
        return self.cost(common=plan.common, stable=stable, tail=tail)

    @property
    def tail(self) -> float:
        """What a token costs that is shown for one call only."""
        written = self.outlook is not None and self.outlook.tail_written
        return self.prices.write if written else 1.0

    def once(self) -> bool:
        """Return whether results may be shown for one call only, and by an outline then."""
        caching = self.outlook is None or self.outlook.caching
        long = self.head + self.state.stable >= self.prices.minimum
        return self.demand.optional and caching and long

    def spare(self, new: int) -> float:
        """Return what is left of what the window may cost, if it keeps all and `new` tokens."""
        stable = self.state.stable
        cost = self.cost(common=stable, stable=stable + new, tail=0)
        return max(0.0, self.allowance - cost)

    def left_by(self, plan: Plan) -> float:
        """Return what may still be spent on what is shown for one call beside a plan's window."""
        return max(0.0, self.allowance - self.cost_of(plan)) / self.tail

    def over(self, cost: float) -> float:
        """Return by how much a cost is above what the window may cost; 0 if it is not."""
        over = cost - self.allowance
        return over if over > _ROUNDING * max(1.0, self.allowance) else 0.0

    def sent(self, keep: int, marks: Iterable[int]) -> None:
        """Take in that a window kept so many entries of the one before, and has these marks."""
        self.marks = {mark for mark in self.marks if mark <= keep} | set(marks)

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
from ctxmem.memory.session_state import Entry, SessionState
from ctxmem.pricing import Prices

_ROUNDING = 1e-6
_LOOK_AHEAD = 12
"""For so many calls it is looked ahead what a window loses that is too short to be cached."""


@dataclass(frozen=True, slots=True)
class PlanAttempt:
    """The options of one attempt at a plan; each attempt gives up more to cost less.

    Attributes:
        optional: whether edits and outlines that are not required are looked for.
        edit: whether an edit is made though the window fits.
        margin: tokens that an edit has to cost less than it may: the block of what binds, which is
            made after it, takes them.
        terse: whether an index names the pages that left, and not what they mention.
        less: tokens that the block of what binds has to do without.
        everything: whether all leaves that may, without an index.
    """

    optional: bool = True
    edit: bool = False
    margin: float = 0.0
    terse: bool = False
    less: int = 0
    everything: bool = False


class Coverage:
    """What the next window of one session may cost, and what plans of it would cost."""

    def __init__(self, state: SessionState, prices: Prices, costs: CostTracker) -> None:
        self.state, self.prices, self.costs = state, prices, costs
        self.head = 0  # tokens of the request before its messages
        self.outlook: Outlook | None = None
        self.attempt = PlanAttempt()
        self.allowance = 0.0
        self.stuck = 0  # tokens of the units that no edit takes out
        self.limit = 0  # tokens that a window may have, the head included
        self.marks: set[int] = set()  # entries behind which an earlier window had a breakpoint
        self._read_ends = [0]  # tokens of the prefixes that the provider has, rising

    def begin(self, limit: int, *, cold: bool) -> None:
        """Take in what is known before a window of `limit` tokens is planned."""
        self.limit = self.head + limit
        outlook, entries = self.outlook, self.state.entries
        shown = [(entry.message, entry.tokens) for entry in entries]
        if outlook is not None and outlook.cached is not None:
            new = self.state.items[self.state.committed :]
            shown += [(item.message, item.tokens) for item in new]
        ends = list(accumulate((tokens for _, tokens in shown), initial=self.head))
        if outlook is not None:
            self.allowance = outlook.may_cost
        else:
            self.allowance = self.costs.saved + self.costs.due(
                self.head + self.state.whole, cold=cold
            )
        if cold:
            self._read_ends = [0]
        elif outlook is not None and outlook.cached is not None:
            counts = outlook.cached([message for message, _ in shown])
            self._read_ends = [0, *sorted(ends[count] for count in counts if count < len(ends))]
        elif self.prices.marked:
            self._read_ends = [0, *(ends[mark] for mark in sorted(self.marks) if mark < len(ends))]
        else:
            self._read_ends = [0, *ends] if self.costs.warm else [0]

    def first_read(self) -> int:
        """Return the tokens of the shortest prefix that the provider has and caches for sure."""
        least = self.prices.minimum
        if self.outlook is not None and self.outlook.minimum is not None:
            least = self.outlook.minimum
        return next((end for end in self._read_ends if end >= least), least)

    def reads(self, common: int) -> int:
        """Return the tokens that are read from the cache, of a prefix of so many that is kept."""
        end = self._read_ends[bisect_right(self._read_ends, common) - 1]
        least = self.outlook.minimum if self.outlook is not None else None
        return end if least is None or end >= least else 0

    def cost(self, *, common: int, stable: int, tail: int, edited: bool = True) -> float:
        """Return what a window costs of which so many tokens are stable, and `common` were there.

        The tokens are those behind the head. What the calls after it lose for sure is a part of it.
        """
        cost = self.costs.price(
            stable=self.head + stable,
            common=self.reads(self.head + common),
            total=self.head + stable + tail,
            outlook=self.outlook,
        )
        if stable + tail >= self.state.whole:  # it costs what the untrimmed history costs
            return cost
        margin = self.outlook.margin if self.outlook is not None else 0.0
        if edited:
            # From now on other tokens than those of the untrimmed history are between two steps.
            margin += (self.prices.write - self.prices.read) * (self.prices.step - 1)
        return cost + margin + self._exposure(self.head + stable)

    def _exposure(self, stable: int) -> float:
        """Return what is lost at the next calls by a window that is too short to be cached.

        Its tokens have the full price until it has grown, and are written then, where those of
        the untrimmed history are read.
        """
        prices, outlook = self.prices, self.outlook
        least = prices.minimum if outlook is None or outlook.minimum is None else outlook.minimum
        history = self.head + self.state.whole
        caching = outlook is None or outlook.caching
        if not caching or stable >= least or history < prices.minimum:
            return 0.0
        growth = max(1.0, self.state.total / max(1, self.state.assistants + 1))
        calls = 1
        if self.limit >= least:
            calls = min(_LOOK_AHEAD, int((least - stable) / growth) + 1)
        lost = 0.0
        for call in range(1, calls + 1):
            now, whole = stable + call * growth, history + (call - 1) * growth
            price = prices.write if now >= least else 1.0
            lost += price * now - prices.read * whole - prices.write * growth
        # As nothing of it is cached, it may also be cut down at every call, and nothing be lost.
        least_lost = calls * max(0.0, self.head + self.stuck + growth - prices.read * history)
        return max(0.0, min(lost, least_lost))

    def cost_of(self, plan: Plan) -> float:
        """Return what the window of a plan costs."""
        kept: Sequence[Entry] = plan.layout(self.state.entries)
        tail = sum(tokens for _, _, tokens in plan.pending)
        tail += sum(note.tokens for note in plan.notes)
        stable = sum(entry.tokens for entry in kept)
        return self.cost(common=plan.common, stable=stable, tail=tail, edited=plan.edited)

    @property
    def tail(self) -> float:
        """What a token costs that is shown for one call only."""
        written = self.outlook is not None and self.outlook.tail_written
        return self.prices.write if written else 1.0

    def once(self) -> bool:
        """Return whether results may be shown for one call only, and by an outline then."""
        caching = self.outlook is None or self.outlook.caching
        least = self.outlook.minimum if self.outlook is not None else None
        long = self.head + self.state.stable >= (least or self.prices.minimum)
        return self.attempt.optional and caching and long

    def lost_by_retry(self, size: int) -> float:
        """Return what is lost if a call that shows so many tokens once is made a second time."""
        return size * (2 * self.tail - self.prices.write - self.prices.read)

    def spare(self, new: int) -> float:
        """Return what is left of what the window may cost, if it keeps all and `new` tokens."""
        stable = self.state.stable
        cost = self.cost(common=stable, stable=stable + new, tail=0)
        return max(0.0, self.allowance - cost)

    def left_by(self, plan: Plan) -> float:
        """Return what may still be spent on what is shown for one call beside a plan's window."""
        return max(0.0, self.allowance - self.cost_of(plan)) / self.tail

    def common(self, entries: Iterable[Entry]) -> int:
        """Return the tokens of the stable part and of new entries that are shown in full.

        Another conversation may have sent them already.
        """
        tokens = self.state.stable
        for entry in entries:
            if not entry.full:
                break
            tokens += entry.tokens
        return tokens

    def over(self, cost: float) -> float:
        """Return by how much a cost is above what the window may cost; 0 if it is not."""
        over = cost - self.allowance
        return over if over > _ROUNDING * max(1.0, self.allowance) else 0.0

    def sent(self, keep: int, marks: Iterable[int]) -> None:
        """Take in that a window kept so many entries of the one before, and has these marks."""
        self.marks = {mark for mark in self.marks if mark <= keep} | set(marks)

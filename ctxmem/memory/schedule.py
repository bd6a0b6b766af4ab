"""When to edit a window, and where: the edit schedule.

A cached prefix is read at a tenth of the price and written at more than the full one, so taking
something out of the middle of a window costs what is behind it: every token there is written
again. An edit therefore takes a run of the oldest units, all at once, and leaves an index of them;
this module finds the run that pays best, if any does.

With prices r (read) and w (write), N calls still to come, a run of units with t tokens each, an
index of d tokens in their place and S cached tokens behind it, the edit saves

    N r (sum t - d)  -  (w - r) S  -  w d  -  sum of (calls that need the unit) x p t

where p is what a token costs that is needed and not in the window: it is fetched, at full price.
How often a unit of its age is needed is learned from the chat (`Reuse`). When the cache is cold all
is written anew in any case: the second term falls away and what is taken out saves w on top. A
window shorter than the provider caches is read at full price, before and after.

By this the runs are ranked: one that leaves a window too short for the cache is avoided. What
people are shown takes into account that such a window grows, and is cached again after some calls.

N is not known. Half the calls that were is a fair guess for whatever ends by chance: chats that
have gone on for long go on for longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from ctxmem.memory.identifiers import Reuse
from ctxmem.pricing import Prices

FEWEST_CALLS = 6.0
"""A chat is never expected to have fewer calls to come; recorded runs have 10 to 140 in all."""


class Span(NamedTuple):
    """A unit of the window that could be taken out.

    `named` is what the index grows by when it goes and all before it; `age` is in calls; `cached`
    are those of its tokens that an earlier call has written.
    """

    tokens: int
    named: int
    age: int
    cached: int
    pinned: bool = False


class Cut(NamedTuple):
    """An edit: of the first `units` units all but the pinned leave, and all before `start` stay.

    `removed` tokens go, `noted` come in their place, `rewritten` behind them are written again;
    `gain` is what it saves over the calls to come, `cost` what it costs at once, for a window
    that does not grow. `at_once` and `saves` are the same for one that does.
    """

    units: int
    removed: int
    noted: int
    rewritten: int
    gain: float
    cost: float
    at_once: float
    saves: float
    start: int = 0

    @property
    def pays(self) -> bool:
        """Whether it saves more than it costs."""
        return self.gain > 0 and self.saves > 0


def horizon(calls: int) -> float:
    """Return how many calls are still to come, by how many there were."""
    return max(FEWEST_CALLS, 0.5 * calls)


def cuts(
    spans: Sequence[Span],
    *,
    stable: int,
    heading: int,
    most_noted: int,
    prices: Prices,
    calls: float,
    reuse: Reuse,
    miss_cost: float,
    cold: bool = False,
    growth: float = 0.0,
) -> list[Cut]:
    """Return every cut that takes more than it leaves, the smallest first.

    `spans` are the units from the first that may go to the end of the stable part, which has
    `stable` tokens in all; `heading` is the price of an index without entries, and an index
    has at most `most_noted` tokens. The window grows by `growth` tokens a call.
    """
    before = carrying(stable, prices, calls, growth)

    def carried(tokens: int) -> float:
        return calls * tokens * (prices.read if tokens >= prices.minimum else 1.0)

    warm = not cold and stable >= prices.minimum
    again = max(0.0, prices.write - prices.read) if warm else 0.0
    write = prices.write if stable >= prices.minimum else 1.0
    rewritten = sum(span.cached for span in spans)
    removed, index, lost = 0, heading, 0.0
    found: list[Cut] = []
    for units, span in enumerate(spans, start=1):
        if span.pinned:
            continue  # it stays, behind the index
        rewritten -= span.cached
        removed += span.tokens
        index = min(index + span.named, max(heading, most_noted))
        lost += reuse.expected(span.age, calls) * miss_cost * span.tokens
        if removed <= index:
            continue
        cost = again * rewritten + write * (index - (removed if cold else 0))
        gain = carried(stable) - carried(stable - removed + index) - cost - lost
        left = stable - removed + index
        at_once, after = cost, carrying(left, prices, calls, growth)
        if left < prices.minimum <= stable:
            # All that is left has the full price now, where the whole was read or written.
            at_once = left - (prices.write if cold else prices.read) * stable
            after -= left
            saves = before - prices.read * stable - after - at_once - lost
        else:
            saves = before - after - at_once - lost
        found.append(Cut(units, removed, index, rewritten, gain, cost, at_once, saves))
    return found


def carrying(tokens: float, prices: Prices, calls: float, growth: float) -> float:
    """Return what a window costs over so many calls, which grows by `growth` tokens at each.

    It is read from the cache; one that is too short has the full price until it has grown.
    """
    short = calls if tokens < prices.minimum else 0.0
    if short and growth > 0:
        short = min(calls, float(ceil((prices.minimum - tokens) / growth)))

    def sum_of(count: float) -> float:
        return count * tokens + growth * count * (count - 1) / 2

    written = prices.write - prices.read if 0 < short < calls else 0.0
    cost = sum_of(short) + prices.read * (sum_of(calls) - sum_of(short))
    return cost + written * (tokens + short * growth)

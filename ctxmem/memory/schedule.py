"""When to edit a window, and where: the edit schedule.

A cached prefix is read at a tenth of the price and written at more than the full one, so taking
something out of the middle of a window costs what is behind it: every token there is written
again. An edit therefore takes a run of the oldest units, all at once, and leaves an index of them;
this module finds the run that pays best, if any does.

With prices r (read) and w (write), N calls still to come, a run of units with t tokens each, an
index of d tokens in their place and S cached tokens behind it, the edit is worth

    N r (sum t - d)  -  (w - r) S  -  w d  -  sum of (calls that need the unit) x p t

where p is what a token costs that is needed and not in sight: it is fetched, at full price. How
often a unit of its age is needed is learned from the chat (`Reuse`). When the cache is cold all is
written anew in any case: the second term falls away and what is taken out saves w on top. A window
shorter than the provider caches is read at full price, before and after.

N is not known. Half the calls that were is a fair guess for whatever ends by chance: chats that
have gone on for long go on for longer.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    `gain` is what it is worth over the calls to come, `cost` what it costs at once.
    """

    units: int
    removed: int
    noted: int
    rewritten: int
    gain: float
    cost: float
    start: int = 0


def horizon(calls: int, share: float = 0.5) -> float:
    """Return how many calls are still to come, by how many there were."""
    return max(FEWEST_CALLS, share * calls)


def cuts(
    spans: Sequence[Span],
    *,
    stable: int,
    heading: int,
    most_noted: int,
    prices: Prices,
    calls: float,
    reuse: Reuse,
    fault: float,
    cold: bool = False,
) -> list[Cut]:
    """Return every cut that takes more than it leaves, the smallest first.

    `spans` are the units from the first that may go to the end of the stable part, which has
    `stable` tokens in all; `heading` is the price of an index without entries, and an index
    has at most `most_noted` tokens.
    """

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
        lost += reuse.expected(span.age, calls) * fault * span.tokens
        if removed <= index:
            continue
        cost = again * rewritten + write * (index - (removed if cold else 0))
        gain = carried(stable) - carried(stable - removed + index) - cost - lost
        found.append(Cut(units, removed, index, rewritten, gain, cost))
    return found

"""What a memory's windows cost, and what the untrimmed history would have cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ctxmem.pricing import Prices


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a caller who keeps the account himself knows of the next call.

    Attributes:
        may_cost: what the next request may cost, in uncached input tokens, the head included.
        margin: what a window that leaves anything out has to cost less than that, because counts
            are not those of the provider.
        cold: whether the provider has nothing of it in its cache.
        caching: False while nothing is marked for the cache: every token has the plain price.
        tail_written: whether what is for one call only is written to the cache all the same.
        minimum: a prefix of at least so many tokens is certainly cached; None: the price table's
            minimum.
        cached: a function from the messages of the stable part to how many of the first of them
            make prefixes that the provider has, 0 for the head alone; None: as the window before
            ended.
    """

    may_cost: float
    margin: float = 0.0
    cold: bool = False
    caching: bool = True
    tail_written: bool = False
    minimum: int | None = None
    cached: Callable[[Sequence[Any]], Sequence[int]] | None = None


class CostTracker:
    """A running bill by one price table, for the windows and for the whole history beside them.

    It takes the stable part for cached as far as the window before had it; `ctxmem.pricing.Bill`
    looks closer, at breakpoints and how far back a provider searches for them.
    """

    def __init__(self, prices: Prices) -> None:
        self.prices = prices
        self.calls = 0
        self.cost = 0.0
        self.untrimmed = 0.0
        self.sent = 0
        self.known = 0
        self._history = 0
        self.warm = False  # whether the provider has the window before and the history

    @property
    def saved(self) -> float:
        """What was saved so far against the untrimmed history."""
        return self.untrimmed - self.cost

    def charge(self, *, stable: int, common: int, total: int, history: int, cold: bool) -> None:
        """Charge one window of `total` tokens.

        Its first `stable` tokens are marked for the cache; `common` of them the window before had.
        """
        if not self.warm or cold:
            common = 0
        self.warm = True
        self.cost += self._price(stable, common, total)
        self.untrimmed += self._price(history, 0 if cold else self._history, history)
        self._history = history
        self.calls += 1
        self.sent += total
        self.known += common

    def charge_whole(self, history: int, *, cold: bool) -> None:
        """Charge a call that sent the whole history of so many tokens: both bills grow alike."""
        cost = self.due(history, cold=cold)
        self.warm = True
        self.cost += cost
        self.untrimmed += cost
        self.calls += 1
        self.sent += history
        self.known += 0 if cold else min(self._history, history)
        self._history = history

    def due(self, history: int, *, cold: bool) -> float:
        """Return what the untrimmed history of so many tokens would cost at the next call."""
        return self._price(history, 0 if cold else self._history, history)

    def price(self, *, stable: int, common: int, total: int, outlook: Outlook | None) -> float:
        """Return what a request would cost, as `charge` would charge it."""
        if outlook is not None and not outlook.caching:
            return float(total)
        cost = self._price(stable, common, total)
        if outlook is not None and outlook.tail_written and total >= self.prices.minimum:
            cost += (self.prices.write - 1.0) * (total - stable)
        return cost

    def resume(self, history: int) -> None:
        """Go on with a session that another process sent: its history is taken for cached.

        So is its last window, or what its windows cost would be compared with less than that.
        """
        self._history, self.warm = history, True

    def to_dict(self) -> list[float]:
        """Return the bill so far as plain data."""
        return [self.cost, self.untrimmed]

    def restore(self, state: list[float]) -> None:
        """Take in what `to_dict` returned."""
        self.cost, self.untrimmed = state[:2]

    def _price(self, stable: int, common: int, total: int) -> float:
        prices = self.prices
        read = common // prices.step * prices.step
        if read < prices.minimum:
            read = 0
        written = max(0, stable - read) if stable >= prices.minimum else 0
        return prices.read * read + prices.write * written + (total - read - written)

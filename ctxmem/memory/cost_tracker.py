"""What a memory's windows cost, and what the untrimmed history would have cost."""

from __future__ import annotations

from ctxmem.pricing import Prices


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

    @property
    def saved(self) -> float:
        """What was saved so far against the untrimmed history."""
        return self.untrimmed - self.cost

    def charge(self, *, stable: int, common: int, total: int, history: int, cold: bool) -> None:
        """Charge one window of `total` tokens.

        Its first `stable` tokens are marked for the cache; `common` of them the window before had.
        """
        if not self.calls or cold:
            common = 0
        self.cost += self._price(stable, common, total)
        self.untrimmed += self._price(history, 0 if cold else self._history, history)
        self._history = history
        self.calls += 1
        self.sent += total
        self.known += common

    def to_dict(self) -> list[float]:
        """Return the bill so far as plain data."""
        return [self.cost, self.untrimmed]

    def restore(self, state: list[float]) -> None:
        """Take in what `to_dict` returned."""
        self.cost, self.untrimmed = state

    def _price(self, stable: int, common: int, total: int) -> float:
        prices = self.prices
        read = common // prices.step * prices.step
        if read < prices.minimum:
            read = 0
        written = max(0, stable - read) if stable >= prices.minimum else 0
        return prices.read * read + prices.write * written + (total - read - written)

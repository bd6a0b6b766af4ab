"""Say of requests that are passed on although they are over the budget."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock

from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.telemetry.logs import Seldom

log = logging.getLogger("ctxmem.gateway")


class OverBudget:
    """Notes them: each in the header of its reply, all of a minute in one warning of the log.

    Args:
        clock: seconds, of any beginning.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._seldom = Seldom(clock=clock)
        self._counts: dict[int, int] = {}  # by budget, since the last warning about it
        self._lock = Lock()

    def note(self, exchange: Exchange, *, tokens: int, head: int, budget: int) -> None:
        """Note a request of so many tokens, of which `head` are system message and tools."""
        exchange.header = (
            f"over budget; {tokens} of {budget} tokens; {head} of system message and tools; "
            "passed on"
        )
        with self._lock:
            count = self._counts.get(budget, 0) + 1
            due = self._seldom.due(budget)
            self._counts[budget] = 0 if due else count
        if due:
            requests = "1 request is" if count == 1 else f"{count:,} requests are"
            log.warning(
                "%s over the budget of %s tokens and passed on: the last has %s tokens, of which "
                "%s are system message and tools, which are never cut",
                *(requests, f"{budget:,}", f"{tokens:,}", f"{head:,}"),
            )

"""Track which identifiers of a session its window shows, and which were needed but not shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ctxmem.memory.identifiers import Reuse
from ctxmem.memory.session_state import SessionState

KEPT_ITEMS = 2048
"""An identifier is forgotten when this many items in a row, or up to twice as many, lack it."""
MISS_SHARE = 0.015
"""Needs count as met while at most this share of them is not in the window, ..."""
_NEEDS = 60
"""... as if there had been so many needs before, all met."""


class VisibilityTracker:
    """Follows identifiers through a session, a new item at a time.

    `name in tracker` says whether the window shows it. It looks at the first and the last item that
    hold it, and at indexes; an item between the two alone does not count, which errs on the side
    of naming it once more.
    """

    def __init__(self, state: SessionState, reuse: Reuse) -> None:
        self._state, self._reuse = state, reuse
        self.used: Callable[[Iterable[int]], None] | None = (
            None  # called with the items that were needed
        )
        self._holders: dict[str, tuple[int, int]] = {}
        self._learned = 0
        self.hits = 0
        self.misses = 0

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        first, last = self._holders.get(name, (-1, -1))
        there = self._state.in_full
        return first in there or last in there or self._state.named[name] > 0

    @property
    def needs_met(self) -> bool:
        """Whether nearly all identifiers that were needed so far were in the window."""
        return self.misses <= MISS_SHARE * (self.hits + self.misses + _NEEDS)

    def learn(self) -> None:
        """Take in the items that are new: what assistant messages among them referred to."""
        state = self._state
        tail = range(state.committed, self._learned)  # items behind the stable part, in full
        for item in state.items[self._learned :]:
            if item.turn.role == "assistant":
                needed: dict[int, None] = {}
                used: dict[int, None] = {}
                for name in item.ids:
                    if name in self._holders:
                        used[self._holders[name][0]] = None
                        needed[self._holders[name][1]] = None
                        last = self._holders[name][1]
                        if name in self or (last in tail and last not in state.parts):
                            self.hits += 1
                        else:
                            self.misses += 1
                if self.used is not None:
                    self.used(dict.fromkeys([*used, *needed]))
                created = map(state.items.created_at, needed)
                ages = [max(1, item.created_at - one + 1) for one in created]
                self._reuse.call(item.index, ages)
            for name in item.ids:
                first, _ = self._holders.get(name, (item.index, 0))
                self._holders[name] = (first, item.index)
            if item.index % KEPT_ITEMS == 0:
                self._forget(item.index - KEPT_ITEMS)
        self._learned = len(state.items)

    def _forget(self, before: int) -> None:
        """Forget the identifiers that nothing has held since an item."""
        self._holders = {name: held for name, held in self._holders.items() if held[1] >= before}

    # Snapshots ------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return what was learned, as plain data."""
        return {"learned": self._learned, "holders": self._holders}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take in what `to_dict` returned."""
        self._learned = state["learned"]
        self._holders = {name: (first, last) for name, (first, last) in state["holders"].items()}

"""Let a page policy choose what leaves the window, instead of the prices."""

from __future__ import annotations

from collections.abc import Iterable

from ctxmem.memory.session_state import SessionState
from ctxmem.policies import page_table
from ctxmem.protocols import Policy

_ENDLESS = 1 << 60


class PolicyEviction:
    """The items of a session in a page table, whose policy names those that go first."""

    def __init__(self, state: SessionState, policy: str | Policy) -> None:
        self._state = state
        self._table = page_table(_ENDLESS, policy)

    def touch(self, items: Iterable[int]) -> None:
        """Count uses of items, and of their units with them."""
        self._enter(self._state.in_full)
        for unit in dict.fromkeys(map(self._state.unit, items)):
            for item in unit:
                self._table.touch(_key(item))

    def chosen(self, shown: Iterable[int], held: Iterable[int], tokens: int) -> list[int]:
        """Return the items that go, whole units, until `tokens` are free or only held are left.

        `shown` are the items that the window would show in full.
        """
        self._enter(shown)
        table = self._table
        if not table.tokens:
            return []
        pinned = [
            slot for slot in map(self._slot, held) if slot >= 0 and table.page(slot).state < 3
        ]
        for slot in pinned:
            table.pin(slot)
        table.budget = table.tokens  # full, so that what is freed is what was asked for
        gone = table.evict(min(tokens, table.evictable))
        table.budget = _ENDLESS
        for slot in pinned:
            table.unpin(slot)
        return sorted(int(table.page(slot).id, 16) for slot in gone)

    def _enter(self, shown: Iterable[int]) -> None:
        """Bring the table up to the items that are shown in full, in the order they were said."""
        for item in sorted(shown):
            slot = self._slot(item)
            if slot < 0:
                one = self._state.items[item]
                self._restore_unit(item)
                self._table.insert(_key(item), max(1, one.tokens), unit=one.unit)
            elif self._table.page(slot).state == 3:
                self._table.restore(slot)

    def _restore_unit(self, item: int) -> None:
        """Bring back the unit that an item joins, as a late result does, if it had left."""
        for other in self._state.unit(self._state.items[item].unit):
            slot = self._slot(other)
            if slot >= 0 and self._table.page(slot).state == 3:
                self._table.restore(slot)
                return

    def _slot(self, item: int) -> int:
        return self._table.slot(_key(item))


def _key(item: int) -> str:
    return f"{item:032x}"

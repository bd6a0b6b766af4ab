"""Where a window has cache marks."""

from __future__ import annotations

from ctxmem.memory.session_state import SessionState
from ctxmem.pricing import Prices


class Breakpoints:
    """Chooses the messages behind which a cache mark belongs.

    `known` are the entries that the window before the last had, too.
    """

    def __init__(self) -> None:
        self.known = 0
        self._last_index, self._index_at = 0, -1  # where the last index ends

    def places(self, state: SessionState, prices: Prices, stable: int) -> tuple[int, ...]:
        """Return the messages that a mark is behind, of the first `stable`.

        The end of the stable part always; where it ended before, from which a provider that looks
        only some blocks back would not find it; the end of the last index and of the head.
        """
        if not stable or not prices.marked:
            return ()
        entries = state.entries
        head = 0
        while head < stable and entries[head].item >= 0 and _is_head(state, entries[head].item):
            head += 1
        if self._index_at != state.shorts:
            ends = (i + 1 for i, entry in enumerate(entries) if entry.item < 0 > entry.again)
            self._last_index, self._index_at = max(ends, default=0), state.shorts
        wished = [stable, self.known, self._last_index, head]
        marks: dict[int, None] = dict.fromkeys(mark for mark in wished if 0 < mark <= stable)
        return tuple(sorted(mark - 1 for mark in list(marks)[: prices.breakpoints]))


def _is_head(state: SessionState, index: int) -> bool:
    role = state.items[index].turn.role
    return role == "system" or (role == "user" and state.items[index].created_at == 0)

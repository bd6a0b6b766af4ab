"""A layout of the window before it is applied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctxmem.memory.session_state import Entry
from ctxmem.memory.window import Event


@dataclass(slots=True)
class Plan:
    """The next layout: entries from `keep` on, and what is sent behind them."""

    keep: int
    entries: list[Entry]
    committed: int
    common: int  # tokens of the entries that the window before had, too
    excerpts: dict[int, list[str | None]] = field(default_factory=dict)
    parts: dict[int, list[str | None]] = field(default_factory=dict)
    pending: list[tuple[int, dict[str, Any], int]] = field(default_factory=list)
    notes: list[Entry] = field(default_factory=list)  # behind what is pending, for this call only
    events: list[Event] = field(default_factory=list)
    evicted: list[int] = field(default_factory=list)  # items that leave the window
    binding: tuple[Any, ...] = ()  # entries of the ledger that its block shows
    reason: str = ""
    cost: float = 0.0
    saves: float = 0.0
    sources: set[int] = field(default_factory=set)  # items that new results refer to
    edited: bool = False
    record: dict[str, Any] | None = None

    def layout(self, before: Sequence[Entry]) -> list[Entry]:
        """Return all entries of the layout, given those of the window before."""
        return [*before[: self.keep], *self.entries]

    def replace_from(self, entries: Sequence[Entry], at: int, rest: Iterable[Entry] = ()) -> None:
        """Put `rest` in the place of the entries from `at` on; `entries` are the whole layout."""
        self.common = min(self.common, sum(entry.tokens for entry in entries[:at]))
        self.keep = min(self.keep, at)
        self.entries = [*entries[self.keep : at], *rest]

    def visible(self, entries: Iterable[Entry]) -> set[int]:
        """Return the items that a window of these entries and of what is pending shows in full."""
        shown = {entry.item if entry.full else entry.again for entry in entries}
        return shown | {index for index, _, _ in self.pending if index not in self.parts}

"""Items with options in one budget: a multiple-choice knapsack with limits of parts.

Small menus are solved exactly by dynamic programming. Of larger ones, the options of each item on
the upper hull of value against tokens are taken by their gain per token, and what is left of the
budget is filled; the linear relaxation bounds the value (Sinha and Zoltners 1979). With hundreds
of items the bound is one option of one item above the value at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.assembling.options import Item

EXACT = 40
"""Items up to which dynamic programming is exact and fast, ..."""
EXACT_WORK = 4_000_000
"""... where options times budget is at most this."""

Limits = Mapping[str, tuple[int, int | None]]
"""Minimum and maximum of the tokens of a part."""


class Picked(NamedTuple):
    """The chosen option of each item, -1 for none.

    `price` is the value per token of the next option that does not fit, by part, and `bound` a
    value that no choice exceeds.
    """

    options: list[int]
    tokens: int
    value: float
    bound: float
    price: float
    prices: dict[str, float]


class _Step(NamedTuple):
    """A better option of an item: tokens and value beyond those of the option before."""

    slope: float
    item: int
    option: int
    tokens: int
    value: float


class Menu:
    """Items of a few parts, ready to be solved for several budgets."""

    def __init__(self, items: Sequence[Item], limits: Limits, min_density: float = 0.0) -> None:
        self.items = items
        self.min_density = min_density
        self.limits = {
            part: limits[part] for part in dict.fromkeys(i.part for i in items) if part in limits
        }
        self.start: list[int] = []  # the lightest option of required items, else -1
        self.steps: list[_Step] = []
        self.least = 0
        self.least_value = 0.0
        for i, item in enumerate(items):
            self._read(i, item)
        self.steps.sort(key=lambda step: (-step.slope, step.item))
        self._known: dict[int, Picked | None] = {}

    def _read(self, i: int, item: Item) -> None:
        """Add the first option of an item and the steps up its hull."""
        at, tokens, value = -1, 0, 0.0
        if item.required and item.options:
            at = min(
                range(len(item.options)),
                key=lambda o: (item.options[o].tokens, -item.options[o].value),
            )
            _, tokens, value = item.options[at]
            self.least += tokens
            self.least_value += value
        self.start.append(at)
        while True:
            best: _Step | None = None
            for o, (_, more, worth) in enumerate(item.options):
                gain = worth - value
                if gain <= 0 or (more <= tokens and at >= 0 and more < tokens):
                    continue
                slope = gain / max(1e-9, more - tokens) if more > tokens else float("inf")
                if best is None or (slope, -o) > (best.slope, -best.option):
                    best = _Step(slope, i, o, more - tokens, gain)
            if best is None:
                return
            self.steps.append(best)
            at = best.option
            _, tokens, value = item.options[at]

    def at(self, limit: int) -> Picked | None:
        """Return the best choice within a limit, None if what is required does not fit."""
        if limit not in self._known:
            self._known[limit] = self._solved(limit)
        return self._known[limit]

    def _solved(self, limit: int) -> Picked | None:
        if self.least > limit:
            return None
        greedy = self._greedy(limit)
        if greedy is None:
            return None
        work = limit * sum(len(item.options) for item in self.items)
        if len(self.items) > EXACT or work > EXACT_WORK or greedy.value >= greedy.bound:
            return greedy
        return greedy if self.min_density else self._exact(limit, greedy)

    # Greedy ---------------------------------------------------------------------------------------

    def _greedy(self, limit: int) -> Picked | None:
        chosen = list(self.start)
        spent = dict.fromkeys(self.limits, 0)
        for i, o in enumerate(chosen):
            part = self.items[i].part
            if o >= 0 and part in spent:
                spent[part] += self.items[i].options[o].tokens
        for part, (_, most) in self.limits.items():
            if most is not None and spent[part] > most:
                return None
        state = _State(self, chosen, spent, self.least, self.least_value)
        for part, (least, _) in self.limits.items():
            if least > spent[part]:
                state.fill(limit, part=part, least=least)
        state.fill(limit)
        price, prices = state.prices(limit)
        bound = self._bound(limit)
        return Picked(chosen, state.tokens, state.value, max(bound, state.value), price, prices)

    def _bound(self, limit: int) -> float:
        """Return the value of the linear relaxation: parts are cut off at their maximum."""
        value, left = self.least_value, float(limit - self.least)
        room = {
            part: float(most - self._least_of(part))
            for part, (_, most) in self.limits.items()
            if most is not None
        }
        for step in self.steps:
            if self.min_density and step.slope < self.min_density and not self._has_minima:
                continue
            part = self.items[step.item].part
            tokens = min(float(step.tokens), left, room.get(part, left))
            if tokens <= 0 and step.tokens > 0:
                if left <= 0:
                    break
                continue
            value += step.value * (tokens / step.tokens if step.tokens > 0 else 1.0)
            left -= tokens
            if part in room:
                room[part] -= tokens
        return value

    @property
    def _has_minima(self) -> bool:
        return any(least for least, _ in self.limits.values())

    def _least_of(self, part: str) -> int:
        return sum(
            item.options[o].tokens
            for item, o in zip(self.items, self.start, strict=True)
            if o >= 0 and item.part == part
        )

    # Exact ----------------------------------------------------------------------------------------

    def _exact(self, limit: int, greedy: Picked) -> Picked:
        """Return the best choice by dynamic programming, one part after the other."""
        parts = list(dict.fromkeys(item.part for item in self.items))
        total = np.full(limit + 1, -np.inf)
        total[0] = 0.0
        tables: list[tuple[str, list[int], list[NDArray[np.float64]], NDArray[np.intp]]] = []
        for part in parts:
            members = [i for i, item in enumerate(self.items) if item.part == part]
            least, most = self.limits.get(part, (0, None))
            rows = self._rows(members, limit if most is None else min(limit, most))
            last = rows[-1].copy()
            best_least = (
                int(np.flatnonzero(np.isfinite(last))[-1]) if np.isfinite(last).any() else 0
            )
            last[: min(least, best_least)] = -np.inf
            if np.isfinite(last).sum() * limit > EXACT_WORK:
                return greedy
            total, took = _combined(total, last)
            tables.append((part, members, rows, took))
        if not np.isfinite(total).any():
            return greedy
        at = int(np.argmax(total))
        value = float(total[at])
        if value < greedy.value - 1e-9:  # the greedy choice misses a minimum
            return greedy
        chosen = [-1] * len(self.items)
        left = at
        for _, members, rows, took in reversed(tables):
            own = int(took[left])
            self._traced(members, rows, own, chosen)
            left -= own
        return greedy._replace(
            options=chosen,
            tokens=at,
            value=value,
            bound=value if not self._has_minima else greedy.bound,
        )

    def _rows(self, members: Sequence[int], limit: int) -> list[NDArray[np.float64]]:
        """Return, after each item, the best value of exactly so many tokens."""
        row = np.full(limit + 1, -np.inf)
        row[0] = 0.0
        rows = [row]
        for i in members:
            item = self.items[i]
            new = np.full(limit + 1, -np.inf) if item.required else row.copy()
            for o, (_, tokens, value) in enumerate(item.options):
                if tokens <= limit:
                    np.maximum(new[tokens:], row[: limit + 1 - tokens] + value, out=new[tokens:])
            row = new
            rows.append(row)
        return rows

    def _traced(
        self,
        members: Sequence[int],
        rows: Sequence[NDArray[np.float64]],
        at: int,
        chosen: list[int],
    ) -> None:
        """Set the options by which a part has its value at so many tokens."""
        for k in range(len(members) - 1, -1, -1):
            i = members[k]
            item, target = self.items[i], rows[k + 1][at]
            if not item.required and rows[k][at] == target:
                continue
            for o, (_, tokens, value) in enumerate(item.options):
                if tokens <= at and rows[k][at - tokens] + value == target:
                    chosen[i] = o
                    at -= tokens
                    break


def _combined(
    total: NDArray[np.float64], part: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the best sums of two parts, and the tokens that the second has of each."""
    made = np.full(len(total), -np.inf)
    took = np.zeros(len(total), dtype=np.intp)
    for tokens in np.flatnonzero(np.isfinite(part)).tolist():
        trial = total[: len(total) - tokens] + part[tokens]
        better = trial > made[tokens:]
        made[tokens:][better] = trial[better]
        took[tokens:][better] = tokens
    return made, took


class _State:
    """A choice that grows step by step."""

    def __init__(
        self, menu: Menu, chosen: list[int], spent: dict[str, int], tokens: int, value: float
    ) -> None:
        self.menu, self.chosen, self.spent = menu, chosen, spent
        self.tokens, self.value = tokens, value
        self.blocked: set[int] = set()

    def fill(self, limit: int, *, part: str | None = None, least: int = 0) -> None:
        """Take steps in their order while they fit; with a part, until it has `least` tokens."""
        menu = self.menu
        left = limit - self.tokens
        behind: set[int] = set()
        for step in menu.steps:
            i = step.item
            own = menu.items[i].part
            if i in behind or (part is not None and own != part):
                continue
            if part is not None and self.spent[part] >= least:
                return
            if part is None and step.slope < menu.min_density:
                break
            now = self.chosen[i]
            option = menu.items[i].options[step.option]
            before = menu.items[i].options[now] if now >= 0 else None
            tokens = option.tokens - (before.tokens if before else 0)
            gain = option.value - (before.value if before else 0.0)
            if gain <= 0 or now == step.option:
                continue
            if tokens > left or self._over(own, tokens):
                behind.add(i)  # a step further up the hull starts from this one
                continue
            self.chosen[i] = step.option
            self.tokens += tokens
            self.value += gain
            left -= tokens
            if own in self.spent:
                self.spent[own] += tokens

    def _over(self, part: str, tokens: int) -> bool:
        _, most = self.menu.limits.get(part, (0, None))
        return most is not None and self.spent[part] + tokens > most

    def prices(self, limit: int) -> tuple[float, dict[str, float]]:
        """Return the value per token of the best step that was not taken, overall and by part."""
        best = 0.0
        found: dict[str, float] = {}
        for step in self.menu.steps:
            now = self.chosen[step.item]
            item = self.menu.items[step.item]
            if now >= 0 and item.options[now].value >= item.options[step.option].value:
                continue
            if step.slope < self.menu.min_density:
                continue
            found.setdefault(item.part, step.slope)
            if not self._over(item.part, step.tokens):
                best = max(best, step.slope)
        return best, found

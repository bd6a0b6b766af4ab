"""Items with options in one budget: a multiple-choice knapsack with limits of parts.

Of each item the options on the upper hull of value against tokens are taken by their gain per
token, and what is left of the budget is filled; the linear relaxation bounds the value (Sinha and
Zoltners 1979). With hundreds of items the bound is at most one option of one item above the value.
Small menus are solved exactly by dynamic programming.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.assembling.options import NONE, Offer

EXACT = 40
"""Items up to which dynamic programming is tried, ..."""
EXACT_WORK = 4_000_000
"""... where it takes at most so many additions."""

Limits = Mapping[str, tuple[int, int | None]]
"""Minimum and maximum of the tokens of a part, with what it adds whatever is chosen."""


class Picked(NamedTuple):
    """The chosen form of each item by offer, -1 for none.

    `price` is the value per token of the best step that was not taken, and `prices` the same by
    part; no choice exceeds `bound`.
    """

    columns: tuple[NDArray[np.intp], ...]
    tokens: int
    value: float
    bound: float
    price: float
    prices: dict[str, float]


class Menu:
    """Offers, ready to be solved for several budgets.

    Numbers of tokens are without `fixed`, which the offers add whatever is chosen.
    """

    def __init__(self, offers: Sequence[Offer], limits: Limits, min_density: float = 0.0) -> None:
        self.offers = tuple(offers)
        self.min_density = min_density
        self.fixed = sum(offer.fixed for offer in offers)
        fixed = {offer.part: offer.fixed for offer in offers}
        self.limits: dict[str, tuple[int, int | None]] = {}
        self.feasible = True
        for part, (least, most) in limits.items():
            own = fixed.get(part, 0)
            if most is not None and own > most:
                self.feasible = False
            self.limits[part] = (max(0, least - own), None if most is None else most - own)
        self._first: list[NDArray[np.intp]] = []
        self.least = 0
        self.least_value = 0.0
        self._least_of: dict[str, int] = {}
        steps = [self._read(k, offer) for k, offer in enumerate(self.offers)]
        self._sort(steps)
        self._known: dict[int, Picked | None] = {}

    # Hulls ----------------------------------------------------------------------------------------

    def _read(self, k: int, offer: Offer) -> list[tuple[NDArray[np.float64], ...]]:
        """Set the first forms of required items, and return the steps up each item's hull."""
        n = len(offer.keys)
        first = np.full(n, -1, dtype=np.intp)
        tokens, value, inside = np.zeros(n), np.zeros(n), np.zeros(n)
        needed = np.flatnonzero(offer.required)
        if len(needed):
            # The lightest form, of equals the one with the most value.
            order = np.lexsort((-offer.value[needed], offer.tokens[needed]), axis=-1)[:, 0]
            first[needed] = order
            tokens[needed] = offer.tokens[needed, order]
            value[needed] = offer.value[needed, order]
            inside[needed] = offer.counted[needed, order]
        self._first.append(first)
        self.least += int(tokens.sum())
        self.least_value += float(value.sum())
        self._least_of[offer.part] = self._least_of.get(offer.part, 0) + int(inside.sum())
        steps: list[tuple[NDArray[np.float64], ...]] = []
        rows = np.arange(n)
        weights, counted = offer.tokens.astype(np.float64), offer.counted.astype(np.float64)
        for depth in range(len(offer.forms)):
            gain = offer.value[rows] - value[rows, None]
            more = weights[rows] - tokens[rows, None]
            open_ = (offer.tokens[rows] < NONE) & (gain > 0) & (more >= 0)
            with np.errstate(divide="ignore", invalid="ignore"):
                slope = np.where(open_, np.where(more > 0, gain / more, math.inf), -1.0)
            best = slope.argmax(axis=1) if slope.size else np.zeros(0, dtype=np.intp)
            at = np.arange(len(rows))
            steep = slope[at, best] if slope.size else np.zeros(0)
            going = steep > 0
            if not going.any():
                break
            rows, best, steep = rows[going], best[going], steep[going]
            kept = at[going]
            steps.append(
                (
                    steep,
                    more[kept, best],
                    gain[kept, best],
                    np.full(len(rows), float(k)),
                    rows.astype(np.float64),
                    best.astype(np.float64),
                    np.full(len(rows), float(depth)),
                    counted[rows, best] - inside[rows],
                )
            )
            tokens[rows], inside[rows] = weights[rows, best], counted[rows, best]
            value[rows] = offer.value[rows, best]
        return steps

    def _sort(self, steps: Sequence[Sequence[tuple[NDArray[np.float64], ...]]]) -> None:
        flat = [step for one in steps for step in one]
        if flat:
            columns = [np.concatenate(column) for column in zip(*flat, strict=True)]
        else:
            columns = [np.zeros(0)] * 8
        slope, tokens, gain, offer, row, form, depth, inside = columns
        order = np.lexsort((depth, row, offer, -slope))
        self.slope, self.gain = slope[order], gain[order]
        self.tokens = tokens[order].astype(np.int64)
        self.inside = inside[order].astype(np.int64)  # of them, what limits of the part count
        self.offer, self.row, self.form, self.depth = (
            column[order].astype(np.intp) for column in (offer, row, form, depth)
        )
        end = len(order)
        if self.min_density:
            end = int(np.searchsorted(-self.slope, -self.min_density, side="right"))
        self.end = end  # steps behind it have too little value per token
        # The step before of the same item, and the lightest of the steps from each on.
        self._before = np.full(len(order), -1, dtype=np.intp)
        by_item = np.lexsort((self.depth, self.row, self.offer))
        same = (self.offer[by_item][1:] == self.offer[by_item][:-1]) & (
            self.row[by_item][1:] == self.row[by_item][:-1]
        )
        self._before[by_item[1:][same]] = by_item[:-1][same]
        self._least_behind = np.minimum.accumulate(self.tokens[::-1])[::-1]
        self._ends = np.cumsum(self.tokens)
        self._gains = np.cumsum(self.gain)

    # Solving --------------------------------------------------------------------------------------

    def at(self, limit: int) -> Picked | None:
        """Return the best choice within a limit, None if what is required does not fit."""
        if limit not in self._known:
            self._known[limit] = self._solved(limit)
        return self._known[limit]

    def _solved(self, limit: int) -> Picked | None:
        left = limit - self.fixed
        if not self.feasible or left < self.least:
            return None
        for part, (_, most) in self.limits.items():
            if most is not None and self._least_of.get(part, 0) > most:
                return None
        picked = self._limited(left) if self.limits else self._free(left)
        items = sum(len(offer.keys) for offer in self.offers)
        work = left * sum(offer.tokens.size for offer in self.offers)
        small = items <= EXACT and work <= EXACT_WORK and not self.min_density
        if small and picked.value < picked.bound:
            picked = self._exact(left, picked)
        return picked._replace(tokens=picked.tokens + self.fixed)

    def dual(self, price: float) -> float:
        """Return a bound on value less the price of tokens, of any choice."""
        gain = (self.gain - price * self.tokens)[: self.end]
        base = self.least_value - price * (self.least + self.fixed)
        return base + float(gain[gain > 0].sum())

    def _free(self, left: int) -> Picked:
        """Take steps in their order, then those that still fit."""
        room = left - self.least
        taken = int(np.searchsorted(self._ends[: self.end], room, side="right"))
        mask = np.zeros(len(self.slope), dtype=np.bool_)
        mask[:taken] = True
        spent = int(self._ends[taken - 1]) if taken else 0
        self._fill(mask, taken, room - spent)
        value = float(self._gains[taken - 1]) if taken else 0.0
        if taken < self.end:
            part = (room - spent) / max(1, int(self.tokens[taken]))
            value += min(1.0, part) * float(self.gain[taken])
        return self._picked(mask, self.least_value + value)

    def _fill(self, mask: NDArray[np.bool_], start: int, room: int) -> None:
        """Take later steps that fit and whose item is at the step before."""
        if start >= self.end or room < self._least_behind[start]:
            return
        waiting = np.flatnonzero(self.tokens[start : self.end] <= room) + start
        taken = mask.tolist()
        for s, tokens, before in zip(
            waiting.tolist(),
            self.tokens[waiting].tolist(),
            self._before[waiting].tolist(),
            strict=True,
        ):
            if tokens <= room and (before < 0 or taken[before]):
                taken[s] = mask[s] = True
                room -= tokens
                if room < self._least_behind[s]:
                    return

    def _limited(self, left: int) -> Picked:
        """The same where parts have limits: one step after the other."""
        part_of = [offer.part for offer in self.offers]
        spent = dict(self._least_of)
        room = left - self.least
        mask = np.zeros(len(self.slope), dtype=np.bool_)
        columns = self.offer, self.row, self.tokens, self.inside
        steps = list(zip(*(column.tolist() for column in columns), strict=True))
        for wanted in (*(part for part, (least, _) in self.limits.items() if least), None):
            least = self.limits[wanted][0] if wanted is not None else 0
            behind: set[tuple[int, int]] = set()
            for s in range(len(steps) if wanted is not None else self.end):
                offer, row, tokens, inside = steps[s]
                part = part_of[offer]
                if mask[s] or (offer, row) in behind or wanted not in (None, part):
                    continue
                if wanted is not None and spent.get(part, 0) >= least:
                    break
                most = self.limits.get(part, (0, None))[1]
                if tokens > room or (most is not None and spent.get(part, 0) + inside > most):
                    behind.add((offer, row))
                    continue
                mask[s] = True
                room -= tokens
                spent[part] = spent.get(part, 0) + inside
        return self._picked(mask, self._relaxed(left))

    def _relaxed(self, left: int) -> float:
        """Return the value of the linear relaxation: parts are cut off at their maximum.

        The maximum of a part that sends some forms elsewhere is not used.
        """
        outside = {offer.part for offer in self.offers if offer.inside is not None}
        value, room = self.least_value, float(left - self.least)
        free = {
            part: float(most - self._least_of.get(part, 0))
            for part, (_, most) in self.limits.items()
            if most is not None and part not in outside
        }
        end = len(self.slope) if any(least for least, _ in self.limits.values()) else self.end
        for offer, tokens, gain in zip(
            self.offer[:end].tolist(),
            self.tokens[:end].tolist(),
            self.gain[:end].tolist(),
            strict=True,
        ):
            part = self.offers[offer].part
            share = min(float(tokens), room, free.get(part, room))
            if tokens and share <= 0:
                continue
            value += gain * (share / tokens if tokens else 1.0)
            room -= share
            if part in free:
                free[part] -= share
        return value

    def _picked(self, mask: NDArray[np.bool_], bound: float) -> Picked:
        columns = tuple(first.copy() for first in self._first)
        taken = np.flatnonzero(mask)
        for k in range(len(columns)):
            own = taken[self.offer[taken] == k]
            columns[k][self.row[own]] = self.form[own]  # in order, so that the last step holds
        value = self.least_value + float(self.gain[taken].sum())
        tokens = self.least + int(self.tokens[taken].sum())
        rest = np.flatnonzero(~mask[: self.end])
        prices: dict[str, float] = {}
        for k, offer in enumerate(self.offers):
            own = rest[self.offer[rest] == k]
            if len(own):
                prices[offer.part] = float(self.slope[own[0]])
        price = max(
            (slope for part, slope in prices.items() if not self._full(part, columns)), default=0.0
        )
        return Picked(columns, tokens, value, max(bound, value), price, prices)

    def _full(self, part: str, columns: Sequence[NDArray[np.intp]]) -> bool:
        """Return whether a part is at its maximum, about."""
        most = self.limits.get(part, (0, None))[1]
        return most is not None and self._spent(part, columns) >= 0.95 * most

    def _spent(self, part: str, columns: Sequence[NDArray[np.intp]]) -> int:
        total = 0
        for offer, column in zip(self.offers, columns, strict=True):
            if offer.part == part:
                rows = np.flatnonzero(column >= 0)
                total += int(offer.counted[rows, column[rows]].sum())
        return total

    # Exact ----------------------------------------------------------------------------------------

    def _exact(self, left: int, greedy: Picked) -> Picked:
        """Return the best choice by dynamic programming, one offer after the other."""
        total = np.full(left + 1, -math.inf)
        total[0] = 0.0
        tables: list[tuple[list[NDArray[np.float64]], NDArray[np.intp]]] = []
        minima = False
        for offer in self.offers:
            least, most = self.limits.get(offer.part, (0, None))
            if offer.inside is not None and offer.part in self.limits:
                return greedy
            rows = _rows(offer, left if most is None else min(left, most))
            last = rows[-1].copy()
            reached = np.flatnonzero(np.isfinite(last))
            if not len(reached) or len(reached) * left > EXACT_WORK:
                return greedy
            if least:
                minima = True
                last[: min(least, int(reached[-1]))] = -math.inf
            total, took = _combined(total, last)
            tables.append((rows, took))
        at = int(np.argmax(total))
        value = float(total[at])
        if not value >= greedy.value - 1e-9:
            return greedy
        columns = [np.full(len(offer.keys), -1, dtype=np.intp) for offer in self.offers]
        room = at
        for k in range(len(self.offers) - 1, -1, -1):
            rows, took = tables[k]
            own = int(took[room])
            _trace(self.offers[k], rows, own, columns[k])
            room -= own
        bound = greedy.bound if minima else value
        return greedy._replace(columns=tuple(columns), tokens=at, value=value, bound=bound)


def _rows(offer: Offer, limit: int) -> list[NDArray[np.float64]]:
    """Return, after each item, the best value of exactly so many tokens."""
    row = np.full(limit + 1, -math.inf)
    row[0] = 0.0
    rows = [row]
    for i in range(len(offer.keys)):
        new = np.full(limit + 1, -math.inf) if offer.required[i] else row.copy()
        for tokens, value in zip(offer.tokens[i].tolist(), offer.value[i].tolist(), strict=True):
            if tokens <= limit:
                np.maximum(new[tokens:], row[: limit + 1 - tokens] + value, out=new[tokens:])
        row = new
        rows.append(row)
    return rows


def _combined(
    total: NDArray[np.float64], part: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the best sums of two parts, and the tokens that the second has of each."""
    made = np.full(len(total), -math.inf)
    took = np.zeros(len(total), dtype=np.intp)
    for tokens in np.flatnonzero(np.isfinite(part)).tolist():
        trial = total[: len(total) - tokens] + part[tokens]
        better = trial > made[tokens:]
        made[tokens:][better] = trial[better]
        took[tokens:][better] = tokens
    return made, took


def _trace(
    offer: Offer, rows: Sequence[NDArray[np.float64]], at: int, column: NDArray[np.intp]
) -> None:
    """Set the forms by which an offer has its value at so many tokens."""
    for i in range(len(offer.keys) - 1, -1, -1):
        target = rows[i + 1][at]
        if not offer.required[i] and rows[i][at] == target:
            continue
        for j, (tokens, value) in enumerate(
            zip(offer.tokens[i].tolist(), offer.value[i].tolist(), strict=True)
        ):
            if tokens <= at and rows[i][at - tokens] + value == target:
                column[i] = j
                at -= tokens
                break

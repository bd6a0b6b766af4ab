"""The one problem of a request: items and blocks share a budget, and the share of each is found.

Tools and units of the history are a multiple-choice knapsack, and passages, memory and code one
problem of `pack`. For a given number of tokens for the blocks both have their best value; the split
is right where one more token brings the same on both sides (Everett 1963). A first split comes from
the densities of the units of blocks, and a few more are tried towards the side with the higher
price; the best that was tried is taken.

Two bounds hold for every split, and the lower one is used. At any price per token, value less price
is bounded on both sides by itself, without knowing the split. And both values rise with the tokens:
if blocks get more than one tried number of tokens and at most the next, they have at most the value
of the larger one, and the items at most theirs beside the smaller one.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ctxmem.assembling.blocks import Blocks, Share
from ctxmem.assembling.menu import Menu, Picked

SPLITS = 4
"""So many numbers of tokens for the blocks are tried, beside the first, ..."""
FEW_SPLITS = 10
"""... or so many where there are few blocks."""
CLOSE = 0.01
"""The search ends where it knows the split to within this share of the room, ..."""
MARGIN = 16
"""Tokens, and divisor of tokens, that blocks get beyond the least that pins and minima need."""
ALIKE = 1.15
"""... or where the prices of both sides are within this factor."""


class Choice(NamedTuple):
    """A solution: a form for each item by part and key, and the blocks' share of the tokens.

    `bound` holds for the whole, `items_bound` for the items if they had all of the room.
    `block_price` is the value of one more token for blocks.
    """

    forms: dict[str, dict[str, str]]
    share: Share
    items: Picked
    bound: float
    items_bound: float
    block_price: float


class _Try(NamedTuple):
    share: Share
    menu: Menu
    items: Picked

    @property
    def value(self) -> float:
        return self.share.value + self.items.value


class Problem:
    """Items, as menus of which one is used, and blocks, within one room."""

    def __init__(self, menus: Sequence[Menu], blocks: Blocks) -> None:
        self.menus = menus
        self.blocks = blocks
        self._tried: dict[int, _Try | None] = {}
        self._room = 0

    def solve(self, room: int, most: int) -> Choice | None:
        """Return the best choice within `room` tokens, None if what is required does not fit.

        The bound is that of `most` tokens, which may be more: what counts of parts leave out.
        """
        self._tried, self._room = {}, room
        high = self._most(room)
        if high < 0:
            return None
        if self.blocks.problem is None or high == 0:
            found = self._attempt(0)
            return self._choice(found, most) if found is not None else None
        low = self._least(high)
        if low < 0:
            return None
        self._search(low, high)
        tried = self._found()
        if not tried:
            return None
        best = tried[self._top(tried)].share
        if low <= best.spent < best.limit:
            self._attempt(best.spent)  # the items may have what the blocks leave
            tried = self._found()
        return self._choice(tried[self._top(tried)], most)

    def again(
        self, choice: Choice, room: int, most: int, limit: int | None = None
    ) -> Choice | None:
        """Return a choice for another room with `limit` or the same tokens for blocks, or fewer."""
        limit = choice.share.limit if limit is None else limit
        self._room = room
        while True:
            picked = self._items(room - limit)
            if picked is not None:
                share = self.blocks.at(limit)
                if share is not None:
                    made = self._made(_Try(share, *picked), most)
                    return made._replace(
                        bound=choice.bound, block_price=share.price or choice.block_price
                    )
            if limit < 1:
                return None
            limit = min(limit - 1, limit * 7 // 8)

    def required(self, room: int) -> Choice | None:
        """Return the choice of what is required alone, with the fewest tokens."""
        for menu in sorted(self.menus, key=lambda menu: menu.least + menu.fixed):
            least = menu.least + menu.fixed
            picked = menu.at(least)
            share = self.blocks.at(0)
            if share is None and room > least:
                share = self.blocks.at(room - least)
            if picked is not None and share is not None:
                made = self._made(_Try(share, menu, picked), room)
                return made._replace(bound=made.items_bound + self.blocks.total)
        return None

    # Searching ------------------------------------------------------------------------------------

    def _attempt(self, limit: int) -> _Try | None:
        """Return what a split brings, None if it is not possible."""
        if limit not in self._tried:
            found = None
            picked = self._items(self._room - limit)
            if picked is not None:
                share = self.blocks.at(limit)
                found = _Try(share, *picked) if share is not None else None
            self._tried[limit] = found
        return self._tried[limit]

    def _found(self) -> dict[int, _Try]:
        return {limit: found for limit, found in self._tried.items() if found is not None}

    def _top(self, tried: Mapping[int, _Try]) -> int:
        return max(tried, key=lambda limit: (tried[limit].value, limit))

    def _most(self, room: int) -> int:
        """Return the tokens that required items leave for blocks."""
        fits = [menu for menu in self.menus if menu.feasible]
        return max((room - menu.fixed - menu.least for menu in fits), default=-1)

    def _least(self, high: int) -> int:
        """Return the least tokens of blocks that were found to be enough for pins and minima."""
        if not self.blocks.demanding or self._attempt(0) is not None:
            return 0
        if self._attempt(high) is None:
            return -1
        low = 0
        while high - low > 1:
            middle = (low + high) // 2
            if self.blocks.at(middle) is None:
                low = middle
            else:
                high = middle
        # Sections are counted once more where they are rendered, and may have fewer tokens then.
        high = min(self._most(self._room), high + max(MARGIN, high // MARGIN))
        return high if self._attempt(high) is not None else -1

    def _search(self, low: int, high: int) -> None:
        """Try splits between two, from a guess on, towards the side with the higher price."""
        most = high
        if self.blocks.total_tokens <= high:
            found = self._attempt(min(high, self.blocks.total_tokens))
            if found is not None and found.items.price == 0:
                return  # everything fits
        guess = min(max(low, self._guess()), high)
        for _ in range(FEW_SPLITS if self.blocks.few else SPLITS):
            found = self._attempt(guess)
            if found is None:
                high = guess
            else:
                blocks, items = found.share.price, found.items.price
                if blocks <= items * ALIKE and items <= blocks * ALIKE:
                    break
                if blocks > items:
                    low = guess
                else:
                    high = guess
            if high - low <= max(1, CLOSE * self._room):
                break
            # Near the guess first: it is seldom far off.
            step = max(1, self._room // 8)
            if guess == low:
                guess = min(guess + step, (low + high + 1) // 2)
            else:
                guess = max(guess - step, (low + high) // 2)
        if self.blocks.few:
            self._try_sums(most)
        if not self._found():
            self._attempt(low)

    def _try_sums(self, high: int) -> None:
        """Try the tokens of the first units by density: with few units, no price is near."""
        tokens, density = self.blocks.curve
        order = np.lexsort((np.arange(len(tokens)), -density))[:FEW_SPLITS]
        for limit in np.cumsum(tokens[order] + self.blocks.around).tolist():
            if limit <= high:
                self._attempt(limit)

    def _guess(self) -> int:
        """Return the tokens of blocks whose density is above the price at which all would fit."""
        menu = max(self.menus, key=lambda menu: menu.feasible and menu.end)
        tokens, density = self.blocks.curve
        slopes = np.concatenate([menu.slope[: menu.end], density])
        sizes = np.concatenate([menu.tokens[: menu.end], tokens])
        order = np.argsort(-slopes, kind="stable")
        room = self._room - menu.fixed - menu.least
        taken = order[: int(np.searchsorted(np.cumsum(sizes[order]), room, side="right"))]
        return int(sizes[taken[taken >= menu.end]].sum())

    def _items(self, limit: int) -> tuple[Menu, Picked] | None:
        """Return the menu with the best items within a limit."""
        best: tuple[Menu, Picked] | None = None
        for menu in self.menus:
            picked = menu.at(limit)
            if picked is not None and (best is None or picked.value > best[1].value):
                best = menu, picked
        return best

    # Results --------------------------------------------------------------------------------------

    def _choice(self, found: _Try, most: int) -> Choice:
        made = self._made(found, most)
        return made._replace(bound=max(found.value, self._overall(found, most)))

    def _made(self, found: _Try, room: int) -> Choice:
        forms = _forms(found.menu, found.items)
        bound = self._bound(room)
        return Choice(forms, found.share, found.items, found.value, bound, found.share.price)

    def _bound(self, limit: int) -> float:
        """Return a value that no items within a limit exceed."""
        found = [menu.at(limit) for menu in self.menus]
        return max((picked.bound for picked in found if picked is not None), default=0.0)

    def _overall(self, best: _Try, room: int) -> float:
        """Return a value that no split of so many tokens exceeds."""
        if self.blocks.problem is None:
            return self._bound(room)
        prices = {0.0, best.share.price, best.items.price}
        bound = min(self._dual(price, room) for price in prices)
        if not self.blocks.few:
            return min(bound, self._bound(room) + self.blocks.total)
        ends = sorted(self._found())
        most = self._most(room)
        if ends[-1] < most:
            ends.append(most)
        stepped = self.blocks.bound(ends[0]) + self._bound(room)
        for before, after in itertools.pairwise(ends):
            both = self.blocks.bound(after) + self._bound(room - before - 1)
            stepped = max(stepped, both)
        return min(bound, stepped)

    def _dual(self, price: float, room: int) -> float:
        """Return the bound at a price per token."""
        items = max(menu.dual(price) for menu in self.menus if menu.feasible)
        return items + self.blocks.dual(price) + price * room


def left_out(recalled: Mapping[str, str], history: Mapping[str, str]) -> list[str]:
    """Return the recalled chunks whose text is in the history that is sent."""
    return [name for key, name in recalled.items() if history.get(key) == "full"]


def _forms(menu: Menu, picked: Picked) -> dict[str, dict[str, str]]:
    made: dict[str, dict[str, str]] = {"tools": {}, "history": {}}
    for offer, columns in zip(menu.offers, picked.columns, strict=True):
        own = made[offer.part]
        for key, column in zip(offer.keys, columns.tolist(), strict=True):
            if column >= 0:
                own[key] = offer.forms[column]
    return made

"""The one problem of a request: items and blocks share a budget, and the share of each is found.

Tools and units of the history are a multiple-choice knapsack, and passages, memory and code one
problem of `pack`. For a given number of tokens for the blocks both have their best value; the split
is right where one more token brings the same on both sides (Everett 1963). It is searched by that
price, and every split that was tried counts: the best is taken.

The bound needs no such search. Both values rise with the tokens: if blocks get more than one tried
number of tokens and at most the next, they have at most the bound of the larger one, and the items
at most theirs beside the smaller one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from ctxmem.assembling.blocks import Blocks, Share
from ctxmem.assembling.menu import Menu, Picked
from ctxmem.assembling.options import Item

SPLITS = 6
"""So many numbers of tokens for the blocks are tried at most."""
CLOSE = 0.02
"""The search ends where it knows the split to within this share of the room."""


class Mode(NamedTuple):
    """A way to send items: with or without a list of deferred tools, and of left-out messages.

    `fixed` are the tokens that it adds whatever is chosen.
    """

    menu: Menu
    fixed: int


class Choice(NamedTuple):
    """A solution: a form for each item by part and key, and the tokens for blocks."""

    forms: dict[str, dict[str, str]]
    share: Share
    items: Picked
    bound: float
    items_bound: float


class Problem:
    """Items in a few modes and blocks, within one room.

    `recalled` maps keys of units of the history to ids of chunks with the same text, which are not
    chosen where the unit is sent in full.
    """

    def __init__(
        self, modes: Sequence[Mode], blocks: Blocks, recalled: Mapping[str, str] | None = None
    ) -> None:
        self.modes = modes
        self.blocks = blocks
        self.recalled = recalled or {}

    def solve(self, room: int, most: int) -> Choice | None:
        """Return the best choice within `room` tokens, None if what is required does not fit.

        The bound is that of `most` tokens, which may be more: what counts of parts leave out.
        """
        tried: dict[int, tuple[Share, Mode, Picked]] = {}

        def attempt(limit: int) -> tuple[Share, Mode, Picked] | None:
            if limit not in tried:
                picked = self._items(room - limit)
                if picked is None:
                    return None
                share = self.blocks.at(limit, self._gone(*picked))
                if share is None:
                    return None
                tried[limit] = (share, *picked)
            return tried[limit]

        low, high = 0, self._most(room)
        if self.blocks.problem is None or high <= 0:
            return self._best({0: found}, most) if (found := attempt(0)) else None
        low = self._least(room, attempt)
        if low < 0:
            return None
        self._search(low, high, room, attempt)
        if not tried:
            return None
        best = tried[self._top(tried)][0]
        if best.spent < best.limit and best.spent >= low:
            attempt(best.spent)  # the items may have what the blocks leave
        return self._best(tried, most)

    def again(self, choice: Choice, room: int, most: int) -> Choice | None:
        """Return a choice for another room with the same tokens for blocks, or else fewer."""
        limit = choice.share.limit
        while True:
            picked = self._items(room - limit) if room >= limit else None
            share = self.blocks.at(limit, self._gone(*picked)) if picked is not None else None
            if picked is not None and share is not None:
                return self._choice(share, *picked, choice.bound, most)
            if limit < 1:
                return None
            limit = min(limit - 1, limit * 7 // 8)

    def required(self, room: int) -> Choice | None:
        """Return the choice of what is required alone, with the fewest tokens."""
        found = [(mode.menu.least + mode.fixed, k) for k, mode in enumerate(self.modes)]
        for least, k in sorted(found):
            picked = self.modes[k].menu.at(self.modes[k].menu.least)
            share = self.blocks.at(0) or self.blocks.at(max(1, room - least))
            if picked is not None and share is not None:
                return self._choice(share, self.modes[k], picked, 0.0, room)
        return None

    def _most(self, room: int) -> int:
        """Return the tokens that required items leave for blocks."""
        return max((room - mode.fixed - mode.menu.least for mode in self.modes), default=room)

    def _least(self, room: int, attempt: Callable[[int], object]) -> int:
        """Return the least tokens of blocks that were found to be enough for pins and minima."""
        if attempt(0) is not None:
            return 0
        low, high = 0, self._most(room)
        if attempt(high) is None:
            return -1
        while high - low > 1:
            middle = (low + high) // 2
            if self.blocks.at(middle) is None:
                low = middle
            else:
                high = middle
        return high if attempt(high) is not None else -1

    def _search(
        self,
        low: int,
        high: int,
        room: int,
        attempt: Callable[[int], tuple[Share, Mode, Picked] | None],
    ) -> None:
        """Try splits between two: towards the side where one more token brings more."""
        top = attempt(high)
        if top is not None and top[0].price == 0:
            high = max(low, min(high, top[0].spent))  # all blocks fit: more tokens add nothing
            top = attempt(high)
        if top is not None and top[0].price >= top[2].price and top[2].price == 0:
            return
        for _ in range(SPLITS):
            if high - low <= max(1, CLOSE * room):
                break
            middle = (low + high) // 2
            found = attempt(middle)
            if found is None:
                high = middle
                continue
            share, _, items = found
            if share.price > items.price:
                low = middle
            elif share.price < items.price:
                high = middle
            else:
                break

    def _items(self, limit: int) -> tuple[Mode, Picked] | None:
        """Return the mode with the best items within a limit."""
        best: tuple[Mode, Picked] | None = None
        for mode in self.modes:
            picked = mode.menu.at(limit - mode.fixed) if limit >= mode.fixed else None
            if picked is not None and (best is None or picked.value > best[1].value):
                best = mode, picked
        return best

    def _bound(self, limit: int) -> float:
        """Return a value that no items within a limit exceed."""
        found = [mode.menu.at(limit - mode.fixed) for mode in self.modes if limit >= mode.fixed]
        return max((picked.bound for picked in found if picked is not None), default=0.0)

    def _gone(self, mode: Mode, picked: Picked) -> Collection[str]:
        if not self.recalled:
            return ()
        return self.gone(_forms(mode.menu.items, picked.options)["history"])

    def gone(self, history: Mapping[str, str]) -> list[str]:
        """Return the chunks whose text is in the history that is sent."""
        return [name for key, name in self.recalled.items() if history.get(key) == "full"]

    def _top(self, tried: Mapping[int, tuple[Share, Mode, Picked]]) -> int:
        return max(tried, key=lambda at: (tried[at][0].value + tried[at][2].value, at))

    def _best(self, tried: Mapping[int, tuple[Share, Mode, Picked]], room: int) -> Choice:
        """Return the best split, with a bound on all of them."""
        return self._choice(*tried[self._top(tried)], self._overall(tried, room), room)

    def _choice(self, share: Share, mode: Mode, picked: Picked, bound: float, room: int) -> Choice:
        forms = _forms(mode.menu.items, picked.options)
        return Choice(forms, share, picked, bound, self._bound(room))

    def _overall(self, tried: Mapping[int, tuple[Share, Mode, Picked]], room: int) -> float:
        """Return a value that no split exceeds."""
        ends = sorted(tried)
        # Blocks of a try may lack what the history has; without recalled texts nothing lacks.
        bounds = {at: self._block_bound(at, tried[at][0]) for at in ends}
        bound = bounds[ends[0]] + self._bound(room)
        most = self._most(room)
        if ends[-1] < most and tried[ends[-1]][0].price > 0:
            found = self.blocks.at(most)
            ends.append(most)
            bounds[most] = found.bound if found is not None else bounds[ends[-2]]
        for before, after in zip(ends, ends[1:], strict=False):
            bound = max(bound, bounds[after] + self._bound(room - before - 1))
        return bound

    def _block_bound(self, limit: int, share: Share) -> float:
        if not self.recalled or limit <= 0:
            return share.bound
        found = self.blocks.at(limit)
        return found.bound if found is not None else share.bound


def _forms(items: Sequence[Item], options: Sequence[int]) -> dict[str, dict[str, str]]:
    forms: dict[str, dict[str, str]] = {"tools": {}, "history": {}}
    for item, o in zip(items, options, strict=True):
        if o >= 0:
            forms[item.part][item.key] = item.options[o].form
    return forms

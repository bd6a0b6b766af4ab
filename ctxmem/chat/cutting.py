"""Choose which units of a history stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ctxmem.chat.history import History, Price
from ctxmem.chat.pairing import ordered_units
from ctxmem.chat.reading import Turn, read_one
from ctxmem.chat.shapes import ROLES, role_of
from ctxmem.chat.shortening import partial, shortened_results
from ctxmem.chat.steps import repair_history, sound
from ctxmem.errors import BudgetError, InputError

_BOUNDED = frozenset({"first_user", "alternate", "call_turn", "final_thought", "unique_items"})
"""Rules about how messages of different units follow each other, begin and end.

Where items have ids, an output may hang on a reference to an item that is dropped.
"""


def _questions(turns: Sequence[Turn]) -> list[bool]:
    """Return which messages ask; where none does, notes of the user's are taken for questions."""
    asking = [turn.asks for turn in turns]
    if True in asking:
        return asking
    return [turn.role == "user" and turn.speaks for turn in turns]


class Cut:
    """One trimming: the units, what they cost, and what fits."""

    def __init__(
        self,
        history: History,
        limit: int,
        price: Price,
        split: Callable[[str], list[str]] | None,
    ) -> None:
        self.items, self.turns, self.origin, self.units, self.in_flight = history.repaired
        self.case = history.case
        self.marks, self.costs = history.marks, history.costs
        self.limit = limit
        self.request, self.meter, self.count_list = price
        self.split = split  # None: messages are not cut
        self._questions = _questions(self.turns)
        self.kept: list[int] = []  # what `last` kept, whole or in part
        self._parts: list[tuple[int, Any]] | None = None  # what is sent, where it is not `kept`
        self.unread = False  # a unit is kept behind a leap because the model has not read it
        self._shortened: dict[int, Any] = {}  # messages whose results are shown in part

    def last(self, head: range, starts: tuple[Any, ...], ends: tuple[Any, ...]) -> list[Any]:
        """Return the head, the pins, and the longest end that fits beside them."""
        units = [unit for unit in self.units if unit[0] >= len(head)]
        while ends and units and not self._is(units[-1][-1], ends):
            units.pop()
        units = self._sendable(units)
        pins = self._with_beside(head, units, self._pins(units))
        pinned = [*head, *(i for unit in pins for i in unit)]
        self._demand(sorted(pinned))
        free = [unit for unit in reversed(units) if unit not in pins]
        taken = self._fill(pinned, free)
        cut = self._cut(pinned, free, taken, last=True)
        kept = sorted([*pins, *free[:taken]], key=lambda unit: unit[0])
        if starts:
            # A part of a message is always the first of what was taken from the end.
            if cut is not None and not self._is(cut[0], starts):
                cut = None
            while kept and cut is None and kept[0] not in pins and not self._is(kept[0][0], starts):
                kept.pop(0)
        self.kept = [i for unit in (head, *kept) for i in unit]
        return self._valid(cut)

    def _sendable(self, units: list[range]) -> list[range]:
        """Return the units without those at the end that the model does not take as the last."""
        prefill = self.case.rules.get("no_prefill")
        if prefill is None or not self.case.model or not prefill.value.search(self.case.model):
            return units
        end = len(units)
        while end and self._closes(units[end - 1]):
            end -= 1
        return units[:end] if end else units

    def _closes(self, unit: range) -> bool:
        turn = self.turns[unit[-1]]
        return turn.role == "assistant" and not turn.calls

    def _valid(self, cut: tuple[int, Any] | None) -> list[Any]:
        """Return what was kept as a history that the provider accepts."""
        if cut is None and not self._shortened and not _BOUNDED & self.case.rules.keys():
            self._parts = None
            return [self.items[i] for i in self.kept]  # units are whole, and nothing else matters
        parts = [(i, self._shortened.get(i, self.items[i])) for i in self.kept]
        if cut is not None:
            parts = sorted([*parts, cut], key=lambda part: part[0])
        items = [item for _, item in parts]
        turns = [self.turns[i] for i, _ in parts]  # parts of messages are what they were
        self._parts = parts
        if sound(self.case, turns) and ordered_units(turns, self.case.rules) is not None:
            return items
        repaired = repair_history(replace(self.case, faults=[]), items, turns)
        if repaired.items is not items:
            self._parts = [(-1, item) for item in repaired.items]
        return list(repaired.items)

    @property
    def tokens(self) -> int:
        """The tokens of a request of what is kept."""
        if self.meter is None or self._parts is None:
            return self._total(self.kept)
        total = self.request
        for i, item in self._parts:
            if i < 0:
                total += self.meter.message(item, 0)
                continue
            whole = item is self.items[i]
            total += self._cost(i) if whole else self.meter.message(item, self.origin[i])
        return total

    def leap(self, head: range, low_water: float, start: int = 0) -> tuple[int, int]:
        """Forget the units that are behind the last leap of a history that grew to what it is.

        The history is walked as it grew. At each unit that takes it over the limit, the oldest go
        until the low-water mark, and the last question stays in front of what is left. `start` is
        the unit behind the last leap, where that is known. Returns the messages at which what is
        left begins, and the question in front of it, -1 if there is none.
        """
        units = [unit for unit in self.units if unit[0] >= len(head)]
        costs = [self._cost(i) for i in range(len(self.items))]
        prices = [sum(costs[unit.start : unit.stop]) for unit in units]
        low = int(low_water * self.limit)
        spent, question = self.request + sum(costs[: len(head)]), -1
        unread = len(units)  # results from this unit on the model has not read yet
        for j, price in enumerate(prices):
            spent += price
            unread = self._unread_from(units[j], j, unread)
            if self._asks(units[j]):
                if 0 <= question < start:
                    spent -= prices[question]  # it was in front, for want of a newer one
                question = j
            if spent <= self.limit:
                continue
            # The newest goes only if it does not fit by itself.
            while (start < min(j, unread) and spent > low) or (
                start == j != question and spent > self.limit
            ):
                spent -= prices[start] if start != question else 0
                start += 1
        stays = self._pins(units)
        behind = units[:start]
        self.unread = any(unit in stays and not self._asks(unit) for unit in behind)
        gone = {unit for unit in behind if unit not in stays}
        self.units = [unit for unit in self.units if unit not in gone]
        begins = units[start][0] if start < len(units) else len(self.items)
        return begins, units[question][0] if 0 <= question < start else -1

    def _unread_from(self, unit: range, at: int, before: int) -> int:
        """Return the first unit that is not read, once the history has grown by a unit."""
        turns = self.turns[unit.start : unit.stop]
        if not any(turn.role == "assistant" for turn in turns):
            return before
        return at if turns[-1].role != "assistant" else len(self.units)

    def first(self, head: range, starts: tuple[Any, ...], ends: tuple[Any, ...]) -> list[Any]:
        """Return the head and the longest beginning that fits beside it."""
        if starts:
            raise InputError(
                "start_on is given with strategy='first', which keeps the beginning; leave it "
                "out, or use strategy='last'"
            )
        units = [unit for unit in self.units if unit[0] >= len(head)]
        self._demand([*head])
        taken = self._fill([*head], units)
        cut = self._cut([*head], units, taken, last=False)
        kept = units[:taken]
        if ends and not (cut is not None and self._is(cut[0], ends)):
            cut = None
            while kept and not self._is(kept[-1][-1], ends):
                kept.pop()
        self.kept = [i for unit in (head, *kept) for i in unit]
        return self._valid(cut)

    def _pins(self, units: list[range]) -> set[range]:
        """Return the units that must stay.

        They are those of the last question, those with calls in flight, and those whose results no
        message of the assistant follows: the model has not read them yet.
        """
        pins = set()
        if self.in_flight:
            pins = {unit for unit in units if any(i in self.in_flight for i in unit)}
        for unit in reversed(units):
            turns = self.turns[unit.start : unit.stop]
            if any(turn.results for turn in turns) and not turns[0].results:
                pins.add(unit)
            if any(turn.role == "assistant" for turn in turns):
                break
        for unit in reversed(units):
            if self._asks(unit):
                pins.add(unit)
                break
        if self._signed():
            # Calls behind the last message of the user need the signature of their thought: if it
            # was dropped, older calls would be the current ones.
            pins.update(self._last_spoken(units))
        return pins

    def _signed(self) -> bool:
        rule = self.case.rules.get("signature")
        return bool(rule and self.case.model and rule.value.search(self.case.model))

    def _last_spoken(self, units: list[range]) -> list[range]:
        """Return the unit of the last message of the user that is no result, as a list."""
        for unit in reversed(units):
            turns = self.turns[unit.start : unit.stop]
            if any(turn.role == "user" and not turn.answers_only for turn in turns):
                return [unit]
        return []

    def _with_beside(self, head: range, units: list[range], pins: set[range]) -> set[range]:
        """Return the pins, with what was said or shown last beside the question if it fits too.

        It may be a reminder of the agent's, which no question may leave for, or the user's.
        """
        for unit in reversed(units):
            if unit in pins and self._asks(unit):
                return pins
            if any(self.turns[i].beside for i in unit):
                more = {*pins, unit}
                places = sorted([*head, *(i for one in more for i in one)])
                return more if self._total(places) <= self.limit else pins
        return pins

    def begins_wrong(self, kept: list[Any], head: int) -> bool:
        """Return whether what was kept begins on a message that the provider refuses as first."""
        if not {"first_user", "call_turn"} & self.case.rules.keys() or len(kept) <= head:
            return False
        if "first_user" not in self.case.rules and not read_one(kept[head], head).calls:
            return False  # only calls need the user before them
        return ROLES.get(role_of(kept[head], head) or "") != "user"

    def _asks(self, unit: range) -> bool:
        return True in self._questions[unit.start : unit.stop]

    def _demand(self, pinned: list[int]) -> None:
        """See that the pins fit: results the model has not read are shown in part if need be."""
        self._shortened = {}
        tokens = self._total(pinned)
        if tokens > self.limit:
            tokens = self._shorten(pinned, tokens)
        if tokens <= self.limit:
            return
        names = [f"message {self.origin[i]} ({self.turns[i].role})" for i in pinned]
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        what = (
            f"the pinned messages need {tokens:,}"
            if names
            else f"the request alone needs {tokens:,}"
        )
        raise BudgetError(
            f"budget is {self.limit:,} tokens but {what}: raise the budget or shorten "
            f"{shown or 'the tools'}",
            pinned=names,
        )

    def _shorten(self, pinned: list[int], tokens: int) -> int:
        """Cut results among the pins, the largest first, and return the tokens of all pins then."""
        for i in sorted(pinned, key=self._size, reverse=True):
            if tokens <= self.limit:
                break
            if not self.turns[i].results:
                continue
            others = [j for j in pinned if j != i] if self.meter is None else []

            def cost(item: Any, i: int = i, others: list[int] = others) -> int:
                if self.meter is not None:
                    return self.meter.message(item, self.origin[i])
                return self._total(sorted([*others, i]), {i: item})

            room = self.limit
            if self.meter is not None:
                room -= tokens - self._cost(i)
            made = shortened_results(self.items[i], self.origin[i], room, cost)
            if made is not None:
                self._shortened[i] = made[0]
                tokens = tokens - self._cost(i) + made[1] if self.meter else self._total(pinned)
        return tokens

    def _size(self, index: int) -> int:
        return self._cost(index) if self.meter is not None else -index

    def _total(self, indices: list[int], instead: Mapping[int, Any] | None = None) -> int:
        """Return the tokens of a request of these messages, some of them in another form."""
        forms = {**self._shortened, **(instead or {})}
        if self.count_list is not None:
            items = [forms.get(i, self.items[i]) for i in indices]
            return self.count_list(items) if items else 0
        if not forms:
            return self.request + sum(map(self._cost, indices))
        assert self.meter is not None
        total = self.request
        for i in indices:
            total += self.meter.message(forms[i], self.origin[i]) if i in forms else self._cost(i)
        return total

    def _cost(self, index: int) -> int:
        cost = self.costs[index]
        if cost is None:
            assert self.meter is not None
            cost = self.meter.marked(self.items[index], self.origin[index], self.marks[index])
            self.costs[index] = cost
        return cost

    def _fill(self, pinned: list[int], units: list[range]) -> int:
        """Return how many of the units, taken in their order, fit beside the pins."""
        if self.count_list is None:
            # Only what is kept is counted, and the first unit that does not fit.
            total = self._total(pinned)
            for taken, unit in enumerate(units):
                for i in unit:
                    cost = self.costs[i]
                    total += self._cost(i) if cost is None else cost
                if total > self.limit:
                    return taken
            return len(units)
        low, high = 0, len(units)
        while low < high:
            middle = (low + high + 1) // 2
            chosen = sorted([*pinned, *(i for unit in units[:middle] for i in unit)])
            if self._total(chosen) <= self.limit:
                low = middle
            else:
                high = middle - 1
        return low

    def _cut(
        self, pinned: list[int], units: list[range], taken: int, *, last: bool
    ) -> tuple[int, Any] | None:
        """Return a part of the next unit that still fits, if it is a message that may be cut."""
        if self.split is None or taken == len(units) or len(units[taken]) > 1:
            return None
        index = units[taken][0]
        beside = sorted([*pinned, *(i for unit in units[:taken] for i in unit)])
        spent = self._total(beside) if self.count_list is None else 0

        def fits(part: Any) -> bool:
            if self.meter is not None:
                return spent + self.meter.message(part, index) <= self.limit
            return self._total(sorted([*beside, index]), {index: part}) <= self.limit

        item = self.items[index]
        part = partial(item, self.turns[index], fits, self.split, last=last)
        return None if part is None else (index, part)

    def _is(self, index: int, types: tuple[Any, ...]) -> bool:
        item = self.items[index]
        role = self.turns[index].role
        own = role_of(item, index) or role
        return any(
            isinstance(item, one) if isinstance(one, type) else one in (own, role) for one in types
        )

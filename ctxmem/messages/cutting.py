"""Read, repair and price a history, and choose which of its units stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ctxmem.errors import BudgetError, InputError
from ctxmem.messages.checking import dialect_of, trouble_in, units_of
from ctxmem.messages.counting import Meter, list_meter
from ctxmem.messages.reading import (
    ROLES,
    TEXT_BLOCKS,
    Turn,
    content_of,
    get,
    kind_of,
    read_marked,
    role_of,
    with_content,
)
from ctxmem.messages.repairing import Mended, mend


def for_anthropic(given: list[Any], turns: list[Turn], provider: str | None) -> bool:
    """Return whether a history, of whose end the turns are known, is meant for Anthropic."""
    if provider is not None or any(turn.dialect for turn in turns):
        return dialect_of(turns, provider) == "anthropic"
    for i in range(len(given) - len(turns) - 1, -1, -1):
        item = given[i]
        content = item.get("content") if type(item) is dict else content_of(item)
        # Of what was not read, only blocks can tell.
        if not isinstance(content, str):
            dialect = read_marked(item, i)[0].dialect
            if dialect:
                return dialect == "anthropic"
    return False


class History(NamedTuple):
    """What is trimmed: a repaired history, with fingerprints and counts as far as known."""

    mended: Mended
    marks: list[bytes | None]
    costs: list[int | None]


def whole(given: list[Any], provider: str | None) -> History:
    """Read and repair a whole history."""
    read = [read_marked(item, i) for i, item in enumerate(given)]
    mended = mend(given, [turn for turn, _ in read], provider, [])
    marks = [
        read[old][1] if given[old] is item else None
        for item, old in zip(mended.items, mended.origin, strict=True)
    ]
    return History(mended, marks, [None] * len(marks))


def newest(given: list[Any], room: int, meter: Meter, *, include_system: bool) -> History | None:
    """Read as much of the end as could be kept, which is all that is needed of a long history.

    That is: more tokens than there is room for, back to the last user turn, and to the calls of all
    results. None if something there needs repair; then the whole history has to be read.
    """
    size = len(given)
    rows: list[tuple[int, Turn, bytes | None, int | None]] = []
    head: list[tuple[int, Turn, bytes | None, int | None]] = []
    while include_system and len(head) < size:
        turn, mark = read_marked(given[len(head)], len(head))
        if turn.role != "system":
            break
        cost = meter.marked(given[len(head)], len(head), mark)
        head.append((len(head), turn, mark, cost))
        room -= cost
    asked = False
    unmatched: dict[str, int] = {}
    i = size
    while i > len(head):
        i -= 1
        turn, mark = read_marked(given[i], i)
        if room < 0 and asked and not unmatched and not turn.leads:
            break
        spent = meter.marked(given[i], i, mark) if room >= 0 else None
        rows.append((i, turn, mark, spent))
        room -= spent or 0
        asked = asked or (turn.role == "user" and turn.speaks)
        if turn.blank or turn.hollow:
            return None
        for key in turn.results:
            unmatched[key] = unmatched.get(key, 0) + 1
        for key in turn.calls:
            if unmatched.get(key, 0) > 1:
                unmatched[key] -= 1
            else:
                unmatched.pop(key, None)
    else:
        return None  # read to the beginning: nothing is saved, and it may begin wrong
    rows = [*head, *reversed(rows)]
    turns = [turn for _, turn, _, _ in rows]
    trouble = trouble_in(turns)
    if trouble.orphans or trouble.open or trouble.misplaced:
        return None
    origin = [at for at, _, _, _ in rows]
    mended = Mended([given[at] for at in origin], turns, origin, trouble)
    return History(mended, [mark for _, _, mark, _ in rows], [cost for *_, cost in rows])


Price = tuple[int, Meter | None, Callable[[list[Any]], int] | None]


def price_of(
    counter: object, token_counter: Any, provider: str | None, tools: Iterable[Any] | None
) -> Price:
    """Return what every request costs, and how a message or else a list of them is counted."""
    if isinstance(token_counter, str):
        counter = "estimate" if token_counter == "approximate" else token_counter
    elif token_counter is not None:
        if tools is not None:
            raise InputError(
                "tools are given with a token_counter of messages, which cannot count them; take "
                "them off the budget, or give counter="
            )
        return 0, None, list_meter(token_counter)
    meter = Meter(counter, provider)
    return meter.request + meter.tools(tools), meter, None


class Cut:
    """One trimming: the units, what they cost, and what fits."""

    def __init__(
        self,
        history: History,
        limit: int,
        price: Price,
        split: Callable[[str], list[str]] | None,
    ) -> None:
        self.items, self.turns, self.origin, trouble = history.mended
        self.marks, self.costs = history.marks, history.costs
        self.limit = limit
        self.request, self.meter, self.count_list = price
        self.split = split  # None: messages are not cut
        self.units = units_of(self.turns, trouble)
        self.in_flight = {i for i, _ in trouble.in_flight}
        self._questions = [turn.role == "user" and turn.speaks for turn in self.turns]
        self.kept: list[int] = []  # what `last` kept whole

    @property
    def tokens(self) -> int:
        """The tokens of a request of what is kept."""
        return self._total(self.kept)

    def last(self, head: range, starts: tuple[Any, ...], ends: tuple[Any, ...]) -> list[Any]:
        """Return the head, the pins, and the longest end that fits beside them."""
        units = [unit for unit in self.units if unit[0] >= len(head)]
        while ends and units and not self._is(units[-1][-1], ends):
            units.pop()
        pins = self._pins(units)
        pinned = [*head, *(i for unit in pins for i in unit)]
        self._demand(pinned)
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
        parts = [(i, self.items[i]) for i in self.kept]
        if cut is not None:
            parts.append(cut)
        return [item for _, item in sorted(parts, key=lambda part: part[0])]

    def leap(self, head: range, low_water: float, start: int = 0) -> tuple[int, int]:
        """Forget the units that are behind the last leap of a history that grew to what it is.

        The history is walked as it grew. At each unit that takes it over the limit, the oldest go
        until the low-water mark, and the last question stays in front of what is left. `start` is
        the unit behind the last leap, where that is known. Returns the messages at which what is
        left begins, and the question that stands in front of it, -1 if none does.
        """
        units = [unit for unit in self.units if unit[0] >= len(head)]
        costs = [self._cost(i) for i in range(len(self.items))]
        prices = [sum(costs[unit.start : unit.stop]) for unit in units]
        low = int(low_water * self.limit)
        spent, question = self.request + sum(costs[: len(head)]), -1
        for j, price in enumerate(prices):
            spent += price
            if self._asks(units[j]):
                if 0 <= question < start:
                    spent -= prices[question]  # it stood in front, for want of a newer one
                question = j
            if spent <= self.limit:
                continue
            # The newest goes only if it does not fit by itself.
            while (start < j and spent > low) or (start == j != question and spent > self.limit):
                spent -= prices[start] if start != question else 0
                start += 1
        stays = self._pins(units)
        gone = {unit for unit in units[:start] if unit not in stays}
        self.units = [unit for unit in self.units if unit not in gone]
        begins = units[start][0] if start < len(units) else len(self.items)
        return begins, units[question][0] if 0 <= question < start else -1

    def begins_wrong(self, kept: list[Any], head: int) -> bool:
        """Return whether what was kept begins on another message than a user's."""
        return len(kept) > head and ROLES.get(role_of(kept[head], head) or "") != "user"

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
        result = [self.items[i] for unit in (head, *kept) for i in unit]
        return result if cut is None else [*result, cut[1]]

    def _pins(self, units: list[range]) -> set[range]:
        """Return the units that must stay: the last user turn's, and those with calls in flight."""
        pins = set()
        if self.in_flight:
            pins = {unit for unit in units if any(i in self.in_flight for i in unit)}
        for unit in reversed(units):
            if self._asks(unit):
                pins.add(unit)
                break
        return pins

    def _asks(self, unit: range) -> bool:
        return True in self._questions[unit.start : unit.stop]

    def _demand(self, pinned: list[int]) -> None:
        tokens = self._total(sorted(pinned))
        if tokens <= self.limit:
            return
        names = [f"message {self.origin[i]} ({self.turns[i].role})" for i in sorted(pinned)]
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

    def _total(self, indices: list[int]) -> int:
        if self.count_list is not None:
            return self.count_list([self.items[i] for i in indices]) if indices else 0
        return self.request + sum(map(self._cost, indices))

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
                total += sum(map(self._cost, unit))
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
        split = self.split
        if split is None or taken == len(units) or len(units[taken]) > 1:
            return None
        index = units[taken][0]
        turn, item = self.turns[index], self.items[index]
        if turn.calls or turn.results or turn.thinks or turn.dialect == "responses":
            return None
        beside = sorted([*pinned, *(i for unit in units[:taken] for i in unit)])
        spent = self._total(beside) if self.count_list is None else 0

        def fits(part: Any) -> bool:
            if self.meter is not None:
                return spent + self.meter.message(part, index) <= self.limit
            assert self.count_list is not None
            places = sorted([*beside, index])
            whole = [part if i == index else self.items[i] for i in places]
            return self.count_list(whole) <= self.limit

        content = content_of(item)
        blocks = [content] if isinstance(content, str) else list(content or ())
        for size in range(len(blocks) - 1, 0, -1):
            part = with_content(item, blocks[-size:] if last else blocks[:size])
            if fits(part):
                return index, part
        block = blocks[-1 if last else 0] if blocks else ""
        text = block if isinstance(block, str) else get(block, "text")
        if kind_of(block) not in TEXT_BLOCKS or not isinstance(text, str) or not text:
            return None
        lines = split(text)
        best = None
        low, high = 0, len(lines)
        while low < high:
            middle = (low + high + 1) // 2
            shorter = "".join(lines[-middle:] if last else lines[:middle])
            part = with_content(item, shorter)
            if shorter and fits(part):
                low, best = middle, part
            else:
                high = middle - 1
        return None if best is None else (index, best)

    def _is(self, index: int, types: tuple[Any, ...]) -> bool:
        item = self.items[index]
        role = self.turns[index].role
        own = role_of(item, index) or role
        return any(
            isinstance(item, one) if isinstance(one, type) else one in (own, role) for one in types
        )

"""Trim a history to a budget: whole units, exact counts, nothing pinned lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ctxmem.errors import BudgetError, InputError, InputTypeError
from ctxmem.intake import read_budget
from ctxmem.messages.checking import dialect_of, first_words, trouble_in, units_of
from ctxmem.messages.counting import Meter, list_meter
from ctxmem.messages.overhead import provider_of
from ctxmem.messages.reading import (
    ROLES,
    TEXT_BLOCKS,
    Turn,
    content_of,
    get,
    kind_of,
    listed,
    read_marked,
    role_of,
    told,
    with_content,
)
from ctxmem.messages.repairing import Mended, mend
from ctxmem.schema import Budget

_Types = str | type | Sequence[str | type]


def trim_messages(
    messages: Iterable[Any],
    budget: int | Budget | None = None,
    *,
    counter: object = "o200k_base",
    strategy: str = "last",
    include_system: bool = True,
    start_on: _Types | None = None,
    end_on: _Types | None = None,
    allow_partial: bool = False,
    text_splitter: Any = None,
    low_water: float | None = None,
    tools: Iterable[Any] | None = None,
    provider: str | None = None,
    max_tokens: int | Budget | None = None,
    token_counter: Any = None,
) -> list[Any]:
    """Return as much of a history as a budget holds: the same messages, in the same order.

    A drop-in for LangChain's function of that name, for messages of any framework. What it keeps:

    - The budget holds, with the overhead of `count_messages` and with `tools`, wherever the counter
      is exact.
    - Units are whole: a tool call stays with all its results, or all of it goes. Histories that
      arrive broken are repaired first (see `repair`); what is far too old to be kept is not read.
    - With `strategy="last"` the leading system messages (unless `include_system` is False), the
      last user turn and calls in flight are pinned; the rest is the longest end of the history that
      fits beside them. With "first" it is the longest beginning.
    - The messages are the caller's objects. Only `allow_partial` may add a copy: the next message,
      cut to its last (or first) blocks, or to the lines of its last (or first) text.

    `start_on` drops what stands before the first message of a type, `end_on` what stands behind the
    last: "human" or "user", "ai" or "assistant", "tool", "system", or a class; pins stay. For
    Anthropic (`provider`, or known by the blocks) the history starts on a user message unless
    `start_on` says otherwise.

    `low_water` keeps the prompt cache warm: when the budget is reached, the oldest units go until
    what is left is at most that share of it, and then nothing until it is reached again. So from
    one request to the next a history only grows at its end, but for those few. It needs no memory
    of earlier calls: the same history is always cut at the same places.
    `max_tokens` is another name for `budget`; `token_counter` counts messages as LangChain has it:
    a function of a list or of a `BaseMessage`, a model, or the name of a counter. What it says is
    then all that counts, without overhead of ours. `docs/messages.md` tells where results differ
    from LangChain's, and why.

    Raises:
        BudgetError: it is no budget, or the pins do not fit; `pinned` names them.
        InputError: an option is not one of those above.
        InputTypeError: something is no message, no counter or no budget.

    >>> chat = [{"role": "user", "content": f"question {i}"} for i in range(9)]
    >>> [m["content"] for m in trim_messages(chat, 15, counter=lambda text: len(text.split()))]
    ['question 7', 'question 8']
    """
    limit = read_budget(_one_of(budget, max_tokens)).limit
    if strategy not in ("last", "first"):
        raise InputError(f"strategy is {told(strategy)}; expected 'last' or 'first'")
    provider_of(provider, "")
    starts, ends = _types_in(start_on, "start_on"), _types_in(end_on, "end_on")
    price = _price(counter, token_counter, provider, tools)
    if low_water is not None:
        _check_low_water(low_water, strategy, price, ends)
    given = listed(messages)
    if not given:
        return []
    split = _splitter(text_splitter) if allow_partial else None
    newest = None
    if strategy == "last" and not ends and low_water is None and price[1] is not None:
        newest = _newest(given, limit - price[0], price[1], include_system=include_system)
    trim = _Trim(newest or _whole(given, provider), limit, price, split)
    turns = trim.turns
    head = range(first_words(turns) if include_system else 0)
    if strategy == "first":
        return trim.first(head, starts, ends)
    if low_water is not None:
        trim.leap(head, low_water)
    kept = trim.last(head, starts, ends)
    if start_on is not None or not trim.begins_wrong(kept, len(head)):
        return kept
    return trim.last(head, ("user",), ends) if _for_anthropic(given, turns, provider) else kept


def _for_anthropic(given: list[Any], turns: list[Turn], provider: str | None) -> bool:
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


class _History(NamedTuple):
    """What is trimmed: a repaired history, with fingerprints and counts as far as known."""

    mended: Mended
    marks: list[bytes | None]
    costs: list[int | None]


def _whole(given: list[Any], provider: str | None) -> _History:
    """Read and repair a whole history."""
    read = [read_marked(item, i) for i, item in enumerate(given)]
    mended = mend(given, [turn for turn, _ in read], provider, [])
    marks = [
        read[old][1] if given[old] is item else None
        for item, old in zip(mended.items, mended.origin, strict=True)
    ]
    return _History(mended, marks, [None] * len(marks))


def _newest(given: list[Any], room: int, meter: Meter, *, include_system: bool) -> _History | None:
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
    return _History(mended, [mark for _, _, mark, _ in rows], [cost for *_, cost in rows])


_Price = tuple[int, Meter | None, Callable[[list[Any]], int] | None]


def _price(
    counter: object, token_counter: Any, provider: str | None, tools: Iterable[Any] | None
) -> _Price:
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


class _Trim:
    """One trimming: the units, what they cost, and what fits."""

    def __init__(
        self,
        history: _History,
        limit: int,
        price: _Price,
        split: Callable[[str], list[str]] | None,
    ) -> None:
        self.items, self.turns, self.origin, trouble = history.mended
        self.marks, self.costs = history.marks, history.costs
        self.limit = limit
        self.request, self.meter, self.count_list = price
        self.split = split  # None: messages are not cut
        self.units = units_of(self.turns, trouble)
        self.in_flight = {i for i, _ in trouble.in_flight}

    def last(self, head: range, starts: tuple[Any, ...], ends: tuple[Any, ...]) -> list[Any]:
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
        parts = [(i, self.items[i]) for unit in (head, *kept) for i in unit]
        if cut is not None:
            parts.append(cut)
        return [item for _, item in sorted(parts, key=lambda part: part[0])]

    def leap(self, head: range, low_water: float) -> None:
        """Forget the units that are behind the last leap of a history that grew to what it is.

        The history is walked as it grew. At each unit that takes it over the limit, the oldest go
        until the low-water mark, and the last question stays in front of what is left.
        """
        fixed = self._total([*head])
        units = [unit for unit in self.units if unit[0] >= len(head)]
        prices = [sum(self._cost(i) for i in unit) for unit in units]
        low = int(low_water * self.limit)
        start, spent, question = 0, fixed, -1
        for j, unit in enumerate(units):
            spent += prices[j]
            if any(self.turns[i].role == "user" and self.turns[i].speaks for i in unit):
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

    def begins_wrong(self, kept: list[Any], head: int) -> bool:
        """Return whether what was kept begins on another message than a user's."""
        return len(kept) > head and ROLES.get(role_of(kept[head], head) or "") != "user"

    def first(self, head: range, starts: tuple[Any, ...], ends: tuple[Any, ...]) -> list[Any]:
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
            if any(self.turns[i].role == "user" and self.turns[i].speaks for i in unit):
                pins.add(unit)
                break
        return pins

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
        return self.request + sum(self._cost(i) for i in indices)

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
                total += sum(self._cost(i) for i in unit)
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


def _check_low_water(low_water: Any, strategy: str, price: _Price, ends: tuple[Any, ...]) -> None:
    if isinstance(low_water, bool) or not isinstance(low_water, int | float):
        raise InputTypeError(f"low_water is {told(low_water)}; expected a share such as 0.5")
    if not 0 < low_water <= 1:
        raise InputError(f"low_water is {low_water}; expected more than 0 and at most 1")
    if strategy != "last" or ends or price[1] is None:
        raise InputError(
            "low_water is given with strategy='first', end_on or a token_counter of lists; it is "
            "for the end of a history, counted message by message: leave one out"
        )


def _one_of(budget: Any, max_tokens: Any) -> Any:
    if (budget is None) == (max_tokens is None):
        given = "both" if budget is not None else "neither"
        raise InputTypeError(
            f"budget and max_tokens mean the same, and {given} of them is given; give one, a "
            "number of tokens"
        )
    return budget if max_tokens is None else max_tokens


def _splitter(given: Any) -> Callable[[str], list[str]]:
    """Return the function that cuts a text into parts: lines, unless the caller has another."""
    if given is None:
        return lambda text: re.split(r"(?<=\n)", text)
    split = getattr(given, "split_text", given)
    if not callable(split):
        raise InputTypeError(
            f"text_splitter is {told(given)}; expected a function from a text to its parts, or an "
            "object with split_text"
        )
    return lambda text: list(split(text))


def _types_in(types: Any, name: str) -> tuple[Any, ...]:
    """Return the types as roles of ours and classes, checked."""
    if types is None:
        return ()
    several = (types,) if isinstance(types, str | type) else types
    try:
        named = tuple(several)
    except TypeError:
        named = (several,)
    for one in named:
        if not isinstance(one, str | type):
            raise InputTypeError(
                f"{name} has {told(one)}; expected a role such as 'human', a message class, or a "
                "list of them"
            )
    return tuple(ROLES.get(one, one) if isinstance(one, str) else one for one in named)

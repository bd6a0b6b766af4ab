"""Trim a history to a budget: whole units, exact counts, nothing pinned lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ctxmem.chat.cutting import Cut
from ctxmem.chat.faults import leading_rules
from ctxmem.chat.history import Price, newest, price_of, whole
from ctxmem.chat.rules import wire_format
from ctxmem.chat.shapes import ROLES, listed, shown
from ctxmem.errors import InputError, InputTypeError
from ctxmem.intake import read_budget
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
    model: str | None = None,
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
      last question, calls in flight and results that the model has not read are pinned; the rest
      is the longest end of the history that fits beside them. A question is what the user says:
      reminders and text beside tool results are not. Results that are pinned and too long
      are shown in part, with a mark that says how much was left out. With "first" the rest is the
      longest beginning.
    - `check` finds nothing that it could not find in the history as given: what is left begins and
      ends as the provider wants it. With `model`, so does what only some models refuse.
      The model's own overhead and media rules count then, as in `count_messages(..., model=...)`.
    - The messages are the caller's objects, but for those results, and for what `allow_partial`
      adds: the next message, cut to its last (or first) blocks, or to the lines of its text.

    `start_on` drops what precedes the first message of a type, `end_on` what follows the
    last: "human" or "user", "ai" or "assistant", "tool", "system", or a class; pins stay. Where the
    provider wants it (`provider`, or known by the blocks) the history starts on a user message.

    `low_water` keeps the prompt cache warm: when the budget is reached, the oldest units go until
    what is left is at most that share of it, and then nothing until it is reached again. So from
    one request to the next a history only grows at its end, but for those few. It needs no memory
    of earlier calls: the same history is always cut at the same places.
    `max_tokens` is another name for `budget`; `token_counter` counts messages as LangChain has it:
    a function of a list or of a `BaseMessage`, a model, or the name of a counter. What it says is
    then all that counts, without overhead of ours. `docs/messages.md` lists where results differ
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
        raise InputError(f"strategy is {shown(strategy)}; expected 'last' or 'first'")
    wire_format(provider)
    starts, ends = _types_in(start_on, "start_on"), _types_in(end_on, "end_on")
    price = price_of(counter, token_counter, provider, tools, model)
    if low_water is not None:
        _check_low_water(low_water, strategy, price, ends)
    given = listed(messages)
    if not given:
        return []
    split = _splitter(text_splitter) if allow_partial else None
    end = None
    if strategy == "last" and not ends and low_water is None and price[1] is not None:
        room = limit - price[0]
        end = newest(
            *(given, room, price[1]),
            include_system=include_system,
            provider=provider,
            model=model,
        )
    trim = Cut(end or whole(given, provider, model), limit, price, split)
    head = range(leading_rules(trim.turns, trim.origin) if include_system else 0)
    if strategy == "first":
        return trim.first(head, starts, ends)
    if low_water is not None:
        trim.leap(head, low_water)
    kept = trim.last(head, starts, ends)
    if start_on is None and trim.begins_wrong(kept, len(head)):
        begun = trim.last(head, ("user",), ends)
        return begun if len(begun) > len(head) else kept  # better a wrong beginning than none
    return kept


def _check_low_water(low_water: Any, strategy: str, price: Price, ends: tuple[Any, ...]) -> None:
    if isinstance(low_water, bool) or not isinstance(low_water, int | float):
        raise InputTypeError(f"low_water is {shown(low_water)}; expected a share such as 0.5")
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
            f"text_splitter is {shown(given)}; expected a function from a text to its parts, or an "
            "object with split_text"
        )
    parts: Any = split
    return lambda text: list(parts(text))


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
                f"{name} has {shown(one)}; expected a role such as 'human', a message class, or a "
                "list of them"
            )
    return tuple(ROLES.get(one, one) if isinstance(one, str) else one for one in named)

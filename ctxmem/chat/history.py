"""Read, repair and price a history before it is trimmed: all of it, or as much as matters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ctxmem.chat.counting import Meter, list_meter
from ctxmem.chat.faults import Case
from ctxmem.chat.pairing import ordered_units, pair_up, units_of
from ctxmem.chat.reading import Turn, read_marked
from ctxmem.chat.rules import dialect_in, rules_of
from ctxmem.chat.shapes import content_of
from ctxmem.chat.steps import Repaired, case_of, repair_history, sound
from ctxmem.errors import InputError

Price = tuple[int, Meter | None, Callable[[list[Any]], int] | None]
"""What every request costs, and how a message or else a list of messages is counted."""


class History(NamedTuple):
    """What is trimmed: a repaired history, with fingerprints and counts as far as known."""

    case: Case
    repaired: Repaired
    marks: list[bytes | None]
    costs: list[int | None]


def whole(given: list[Any], provider: str | None, model: str | None = None) -> History:
    """Read and repair a whole history."""
    read = [read_marked(item, i) for i, item in enumerate(given)]
    turns = [turn for turn, _ in read]
    case = case_of(turns, provider, model=model)
    repaired = repair_history(case, given, turns)
    marks = [
        read[old][1] if given[old] is item else None
        for item, old in zip(repaired.items, repaired.origin, strict=True)
    ]
    return History(case, repaired, marks, [None] * len(marks))


def newest(
    given: list[Any],
    room: int,
    meter: Meter,
    *,
    include_system: bool,
    provider: str | None,
    model: str | None,
) -> History | None:
    """Read as much of the end as could be kept, which is all that is needed of a long history.

    That is: more tokens than there is room for, back to the last question, to the last message of
    the assistant, and to the calls of all results. None if something there needs repair; then the
    whole history has to be read.
    """
    head = _rules_at(given, meter) if include_system else []
    first = len(head)
    room -= sum(cost for _, _, cost in head)
    turns: list[Turn] = []
    marks: list[bytes | None] = []
    costs: list[int | None] = []
    asked = answered = False
    whole_units = True  # what was read last is no result, whose call is still to be read
    i = len(given)
    while i > first:
        i -= 1
        item = given[i]
        turn, mark = read_marked(item, i)
        if room < 0 and asked and answered and whole_units and not turn.leads:
            break
        cost = None
        if room >= 0:
            cost = meter.marked(item, i, mark)
            room -= cost
        turns.append(turn)
        marks.append(mark)
        costs.append(cost)
        whole_units = not turn.results
        if turn.asks:
            asked = True
        elif turn.role == "assistant":
            answered = True
    else:
        return None  # read to the beginning: nothing is saved, and it may begin wrong
    origin = [*range(first), *range(len(given) - len(turns), len(given))]
    turns = [*(turn for turn, _, _ in head), *reversed(turns)]
    marks = [*(mark for _, mark, _ in head), *reversed(marks)]
    costs = [*(cost for _, _, cost in head), *reversed(costs)]
    dialect = _dialect(given, turns, provider)
    case = Case(rules_of(dialect), dialect, model, named=provider is not None)
    items = [given[at] for at in origin]
    if not sound(case, turns):
        return None
    units = ordered_units(turns, case.rules)
    if units is not None:
        repaired = Repaired(items, turns, origin, units, set())
    else:
        pairing = pair_up(turns, case.rules)
        if not pairing.clean:
            return None
        in_flight = {call.message for call in pairing.in_flight}
        repaired = Repaired(items, turns, origin, units_of(turns, pairing), in_flight)
    return History(case, repaired, marks, costs)


def _rules_at(given: list[Any], meter: Meter) -> list[tuple[Turn, bytes | None, int]]:
    """Return the turns, fingerprints and tokens of the system messages at the beginning."""
    head: list[tuple[Turn, bytes | None, int]] = []
    for i, item in enumerate(given):
        turn, mark = read_marked(item, i)
        if not turn.rules:
            break
        head.append((turn, mark, meter.marked(item, i, mark)))
    return head


def _dialect(given: list[Any], turns: Sequence[Turn], provider: str | None) -> str:
    """Return the wire format of a history of whose end the turns are known."""
    dialects = [turn.dialect for turn in reversed(turns)]
    # Calls without signs of another format are OpenAI's.
    if provider is None and not any(dialects) and not any(turn.calls for turn in turns):
        for i in range(len(given) - len(turns) - 1, -1, -1):
            item = given[i]
            content = item.get("content") if type(item) is dict else content_of(item)
            # Of what was not read, only blocks show the format.
            if not isinstance(content, str):
                dialect = read_marked(item, i)[0].dialect
                if dialect:
                    return dialect
    return dialect_in(dialects, provider)


def price_of(
    counter: object,
    token_counter: Any,
    provider: str | None,
    tools: Iterable[Any] | None,
    model: str | None = None,
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
    meter = Meter(counter, provider, model)
    return meter.request + meter.tools(tools), meter, None

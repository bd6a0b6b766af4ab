"""The steps by which a history is checked and repaired, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ctxmem.chat import answers, ends, faults
from ctxmem.chat.faults import Case, Fault, Line, Step
from ctxmem.chat.pairing import Pairing, ordered_units, units_of
from ctxmem.chat.reading import Turn
from ctxmem.chat.rules import dialect_in, rules_of

STEPS: tuple[Step, ...] = (
    faults.removals,
    faults.role_names,
    faults.roles,
    faults.blocks,
    faults.empties,
    answers.ids,
    answers.answers,
    answers.results_first,
    ends.hosted,
    ends.items,
    ends.reasoning,
    ends.beginning,
    ends.alternation,
    ends.ending,
    ends.marks,
    ends.documents,
    ends.signatures,
)
"""Each looks for faults of one kind and returns the lines without them."""

_ROUNDS = 64
"""One step may bring up work for another; few histories need more than three rounds."""


def case_of(
    turns: Sequence[Turn],
    provider: str | None,
    *,
    model: str | None = None,
    continued: bool = False,
    outside_marks: int = 0,
) -> Case:
    """Return the case of a history: whose rules hold for it."""
    dialect = dialect_in((turn.dialect for turn in reversed(turns)), provider)
    named = provider is not None
    return Case(rules_of(dialect), dialect, model, continued, outside_marks, named)


def find(case: Case, items: Sequence[Any], turns: Sequence[Turn]) -> list[Fault]:
    """Return what is wrong with a history as it is."""
    if sound(case, turns) and ordered_units(turns, case.rules) is not None:
        return []
    lines = lined(items, turns)
    for step in STEPS:
        step(case, lines)
    return case.faults


def lined(items: Sequence[Any], turns: Sequence[Turn]) -> list[Line]:
    """Return messages and their turns as lines."""
    return [Line(i, item, turn) for i, (item, turn) in enumerate(zip(items, turns, strict=True))]


class Repaired(NamedTuple):
    """A repaired history.

    Attributes:
        items: its messages.
        turns: what each is to its neighbours.
        origin: the original index of each.
        units: what belongs together; see `units`.
        in_flight: messages with calls that wait for a result.
    """

    items: list[Any]
    turns: list[Turn]
    origin: Sequence[int]
    units: list[range]
    in_flight: set[int]


def repair_history(case: Case, items: list[Any], turns: list[Turn]) -> Repaired:
    """Return the repaired messages and what is known of them; `case.faults` has what was done."""
    if sound(case, turns):
        units = ordered_units(turns, case.rules)
        if units is not None:
            return Repaired(items, turns, range(len(items)), units, set())
        pairing = case.pair_turns(turns)
        if pairing.clean:
            for call in pairing.in_flight:
                wrong = f"the call {call.key!r} is in flight: its result is to come"
                rule = case.rules.get("call_answered")
                case.faults.append(Fault("open_call", call.message, wrong, "", rule))
            return _repaired(items, turns, range(len(items)), pairing)
    lines = lined(items, turns)
    done: list[Fault] = []
    for _ in range(_ROUNDS):
        case.faults = []
        for step in STEPS:
            lines = step(case, lines)
        done += [fault for fault in case.faults if fault.done]
        if not any(fault.done for fault in case.faults):
            break
    case.faults = done + [fault for fault in case.faults if not fault.done]
    turns = [line.turn for line in lines]
    kept, origin = [line.item for line in lines], [line.origin for line in lines]
    units = ordered_units(turns, case.rules)
    if units is not None:
        return Repaired(kept, turns, origin, units, set())
    return _repaired(kept, turns, origin, case.pair_turns(turns))


def _repaired(
    items: list[Any], turns: list[Turn], origin: Sequence[int], pairing: Pairing
) -> Repaired:
    in_flight = {call.message for call in pairing.in_flight}
    return Repaired(items, turns, origin, units_of(turns, pairing), in_flight)


def sound(case: Case, turns: Sequence[Turn]) -> bool:
    """Return whether nothing is wrong with a history but, perhaps, how calls and results pair up.

    Most histories are sound; they are read once and not stepped through.
    """
    marks = case.outside_marks
    middle = "system_place" not in case.rules
    for turn in turns:
        if turn.odd:
            return False
        if turn.marks:
            marks += turn.marks
        if turn.role != "system":
            middle = True
        elif middle and "system_place" in case.rules:
            return False
    return _quick_ends(case, turns, marks)


def _quick_ends(case: Case, turns: Sequence[Turn], marks: int) -> bool:
    rules = case.rules
    if marks and marks > 4:
        return False
    if "alternate" in rules or "call_turn" in rules:
        return False
    first = faults.first_words(turns)
    if "first_user" in rules and first < len(turns) and turns[first].role != "user":
        return False
    if "unique_calls" in rules and rules["unique_calls"].value == "request":
        keys = [key for turn in turns for key in turn.calls if not key.startswith("function:")]
        if len(set(keys)) < len(keys):
            return False
    return not turns or turns[-1].role != "assistant" or "final_thought" not in rules

"""Pair calls with results, and find where they do not pair up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ctxmem.chat.reading import Turn
from ctxmem.chat.rules import Rules

_OPTIONAL = "(mcp_approval_request)"
"""A request for approval may stay without an answer."""


class Spot(NamedTuple):
    """A call or a result: its message, its place among the calls or results there, and its id."""

    message: int
    nth: int
    key: str


@dataclass(slots=True)
class Pairing:
    """How calls and results of a history pair up, and where they do not.

    Attributes:
        links: (call, result), in the order of the results.
        orphans: results that answer no call, or one answered before.
        open: calls that nobody answered, though the chat went on.
        in_flight: calls at the very end, whose results are still to come.
        misplaced: results at a wrong place, with their calls.
        tail: from here to the end there is nothing but calls in flight and their results.
    """

    links: list[tuple[Spot, Spot]] = field(default_factory=list)
    orphans: list[Spot] = field(default_factory=list)
    open: list[Spot] = field(default_factory=list)
    in_flight: list[Spot] = field(default_factory=list)
    misplaced: dict[Spot, Spot] = field(default_factory=dict)
    tail: int = 0

    @property
    def clean(self) -> bool:
        """Whether every call has its result, or will have it, and every result is in its place."""
        return not (self.orphans or self.open or self.misplaced)


def pair_up(
    turns: Sequence[Turn], rules: Rules | None = None, *, continued: bool = False
) -> Pairing:
    """Pair calls with results, each result with the latest open call of its id before it.

    Some models number their calls anew in every turn, so an id alone does not identify the call. A
    result that precedes its call is paired too, if the call has no other. `continued`: the
    history goes on from one that the provider has, with calls that may be answered here.
    """
    pairing = Pairing(tail=_tail(turns))
    waiting = _Waiting()
    early: list[Spot] = []
    together = rules is not None and "results_together" in rules
    apart = -1  # the last message that was not made of results alone
    for i, turn in enumerate(turns):
        if turn.calls:
            for nth, key in enumerate(turn.calls):
                waiting.add(Spot(i, nth, key))
        if turn.results:
            for nth, key in enumerate(turn.results):
                result = Spot(i, nth, key)
                call = waiting.take(key)
                if call is None:
                    early.append(result)
                    continue
                pairing.links.append((call, result))
                at = call.message
                if (
                    at + 1 != i
                    if together and not turn.whole
                    else at < apart and not (turn.dialect == turns[at].dialect == "responses")
                ):
                    pairing.misplaced[result] = call
        else:
            apart = i
    # Of calls without ids to one function, in one message, it is enough that one has a result:
    # they cannot be distinguished.
    answered = {
        (call.message, call.key) for call, _ in pairing.links if call.key.startswith("function:")
    }
    for call in waiting.left():
        if call.key.endswith(_OPTIONAL):
            continue
        if (call.message, call.key) not in answered or together:
            (pairing.in_flight if call.message >= pairing.tail else pairing.open).append(call)
    _pair_early(pairing, early, turns, continued)
    pairing.open.sort()
    pairing.in_flight.sort()
    return pairing


def _pair_early(
    pairing: Pairing, early: Sequence[Spot], turns: Sequence[Turn], continued: bool
) -> None:
    """Pair results with calls behind them; a call in flight is not answered by what was before."""
    if not early:
        return
    unanswered = {call.key: call for call in pairing.open}
    # An item reference may be the call of an output after it.
    unseen = next(
        (i for i, turn in enumerate(turns) if "item_reference" in turn.unknown and _may_call(turn)),
        len(turns),
    )
    answered: set[Spot] = set()
    for result in early:
        call = unanswered.pop(result.key, None)
        if call is not None:
            pairing.links.append((call, result))
            pairing.misplaced[result] = call
            answered.add(call)
        elif result.message < unseen and not continued:
            pairing.orphans.append(result)
    pairing.open = [call for call in pairing.open if call not in answered]


def _may_call(reference: Turn) -> bool:
    return not reference.item.startswith(("msg_", "rs_"))


class _Waiting:
    """Calls that wait for a result, by id: those of the latest message go first, in order."""

    def __init__(self) -> None:
        self._calls: dict[str, list[list[Spot]]] = {}
        self._without_id: dict[str, None] = {}  # keys that are names of functions, in order

    def add(self, call: Spot) -> None:
        groups = self._calls.setdefault(call.key, [])
        if groups and groups[-1][0].message == call.message:
            groups[-1].append(call)
        else:
            groups.append([call])
        if call.key.startswith("function:"):
            self._without_id[call.key] = None

    def take(self, key: str) -> Spot | None:
        """Return the call that a result of this id answers, which waits no longer.

        A result without id and name takes the first call without id.
        """
        groups = self._calls.get(key)
        if not groups and key == "function:":
            key = next(iter(self._without_id), key)
            groups = self._calls.get(key)
        if not groups:
            return None
        group = groups[-1]
        found = group[0]
        if len(group) > 1:
            groups[-1] = group[1:] if len(group) < 64 else _rest(group)
            return found
        groups.pop()
        if not groups:
            del self._calls[key]
            self._without_id.pop(key, None)
        return found

    def left(self) -> Iterable[Spot]:
        for groups in self._calls.values():
            for group in groups:
                yield from group


def _rest(group: list[Spot]) -> list[Spot]:
    """Return all but the first; the last takes its place where so many are alike."""
    group[0] = group[-1]
    group.pop()
    return group


def _tail(turns: Sequence[Turn]) -> int:
    at = len(turns)
    while at and turns[at - 1].answers_only:
        at -= 1
    while at and _is_step(turns[at - 1]):
        at -= 1
    if at and turns[at - 1].calls:
        at -= 1
    return at


def _is_step(turn: Turn) -> bool:
    """Return whether an item of the Responses API is one of the model's, and no message."""
    return turn.dialect == "responses" and turn.role == "assistant" and not turn.speaks


def ordered_units(turns: Sequence[Turn], rules: Rules) -> list[range] | None:
    """Return the units of a history in which all results directly follow their calls, else None.

    Most histories are like that, and need no more to be known of them.
    """
    together = "results_together" in rules
    units: list[range] = []
    i, size = 0, len(turns)
    while i < size:
        turn = turns[i]
        start = i
        i += 1
        if turn.results or turn.leads:
            return None
        calls = turn.calls
        if len(calls) == 1 and i < size and turns[i].results == calls and not turns[i].calls:
            i += 1  # one call and its result, as most are
        elif calls:
            waiting = set(calls)
            if len(waiting) < len(calls):
                return None
            while waiting:
                if i == size:
                    return None
                answer = turns[i]
                if answer.calls or not waiting.issuperset(answer.results) or not answer.results:
                    return None
                left = len(waiting) - len(answer.results)
                waiting.difference_update(answer.results)
                if len(waiting) != left:
                    return None  # a result is there twice
                if waiting and (answer.speaks or (together and not answer.whole)):
                    return None
                i += 1
        units.append(range(start, i))
    return units


def units_of(turns: Sequence[Turn], pairing: Pairing) -> list[range]:
    """Return the units: the shortest runs of messages that no call, result or thought crosses."""
    reach: dict[int, int] = {}
    for call, result in pairing.links:
        first, last = call.message, result.message
        if first > last:
            first, last = last, first
        reach[first] = max(reach.get(first, 0), last)
    units: list[range] = []
    start = end = 0
    for i, turn in enumerate(turns):
        if i > end:
            start = end = i
        if i in reach and reach[i] > end:
            end = reach[i]
        if turn.leads and i == end and i + 1 < len(turns):
            end = i + 1
        if i == end:
            units.append(range(start, i + 1))
    return units

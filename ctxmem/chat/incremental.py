"""Trim a history that grows at its end, again and again, at the price of what is kept of it."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, NamedTuple

from ctxmem.chat.counting import Meter
from ctxmem.chat.cutting import Cut
from ctxmem.chat.faults import leading_rules
from ctxmem.chat.history import whole
from ctxmem.chat.rules import wire_format
from ctxmem.chat.shapes import listed
from ctxmem.forking import ForkSafeLock
from ctxmem.tokens import resolve

LOW_WATER = 0.5
"""What is left after a leap, as a share of the budget: few leaps, so few broken caches."""


class Trimmed(NamedTuple):
    """What is kept of a history, and the tokens of a request of it with its tools.

    `fixed` is the part of them that leading system messages, tools and the request itself take.
    """

    messages: list[Any]
    tokens: int
    fixed: int


class _Seen(NamedTuple):
    """A history as it was, what it was trimmed to, and where its window begins."""

    messages: list[Any]
    limits: tuple[int, int]  # and what of it the request and its tools take
    provider: str | None
    dialect: str  # its wire format
    head: int  # leading system messages
    begins: int
    question: int  # in front of the window, -1 if none is


class IncrementalTrimmer:
    """Trims as `trim_messages(..., low_water=)` does, and remembers where its window begins.

    For one history after the other the result is the same; for one that begins with the very
    objects of the call before, what has left the window is not read again. A message that was
    changed in place is read anew if it is still in the window; what had left it stays away. May be
    used from many threads.
    """

    def __init__(self, counter: object, low_water: float | None) -> None:
        self._counter = resolve(counter)  # counts are kept by counter
        # As little as possible at a time is a leap to the limit.
        self._low_water = 1.0 if low_water is None else low_water
        self._seen: _Seen | None = None
        self._lock = ForkSafeLock()

    def trim(
        self,
        messages: Iterable[Any],
        limit: int,
        *,
        tools: Iterable[Any] | None = None,
        provider: str | None = None,
    ) -> Trimmed:
        """Return as much of the end of a history as the limit holds; errors as `trim_messages`."""
        wire_format(provider)
        meter = Meter(self._counter, provider)
        around = meter.request + meter.tools(tools)
        given = listed(messages)
        if not given:
            return Trimmed([], around, around)
        with self._lock:
            seen = self._seen
        if seen is not None and not _goes_on(seen, given, (limit, around), provider):
            seen = None
        part, places = _window(given, seen)
        history = whole(part, provider)
        if seen is not None and history.case.dialect == "openai" != seen.dialect:
            # The new messages do not show the format; those that left the window did.
            history = whole(part, provider or seen.dialect)
        if history.repaired.items is not part and seen is not None:
            # What is broken may reach back behind the window.
            seen, (part, places) = None, _window(given, None)
            history = whole(part, provider)
        cut = Cut(history, limit, (around, meter, None), None)
        cut.origin = [places[i] for i in cut.origin]  # by which errors name messages
        head = range(leading_rules(cut.turns, cut.origin) if seen is None else seen.head)
        start = 1 if seen is not None and seen.question >= 0 else 0
        begins, question = cut.leap(head, self._low_water, start)
        kept = cut.last(head, (), ())
        if cut.begins_wrong(kept, len(head)):
            begun = cut.last(head, ("user",), ())
            # Better a wrong beginning than none.
            kept = begun if len(begun) > len(head) else cut.last(head, (), ())
        now: _Seen | None
        fixed = around + sum(meter.message(cut.items[i], i) for i in head)
        if cut.in_flight or cut.unread:
            now = seen  # a unit is walked over when it is whole
        elif history.repaired.items is part:
            at = places[begins] if begins < len(places) else len(given)
            asked = places[question] if question >= 0 else -1
            now = _Seen(
                list(given), (limit, around), provider, history.case.dialect, len(head), at, asked
            )
        else:
            now = None
        with self._lock:
            self._seen = now
        return Trimmed(kept, cut.tokens, fixed)


def _goes_on(seen: _Seen, given: list[Any], limits: tuple[int, int], provider: str | None) -> bool:
    size = len(seen.messages)
    return (
        (seen.limits, seen.provider) == (limits, provider)
        and size <= len(given)
        and all(map(operator.is_, seen.messages, given))
    )


def _window(given: list[Any], seen: _Seen | None) -> tuple[list[Any], list[int]]:
    """Return what may be in the window, and its indices in the history."""
    if seen is None:
        return given, list(range(len(given)))
    places = [*range(seen.head)]
    if seen.question >= 0:
        places.append(seen.question)
    places += range(seen.begins, len(given))
    return [given[i] for i in places], places

"""What is wrong with a request: what its provider refuses, and what it wastes.

The same as `ctxmem.check`, for histories that come again with every request: what is looked for in
the text of the first messages is looked for once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from ctxmem.chat import advice
from ctxmem.chat.advice import Repeats
from ctxmem.chat.faults import first_words
from ctxmem.chat.findings import Finding
from ctxmem.chat.reading import Turn, fingerprint, read
from ctxmem.chat.steps import case_of, find
from ctxmem.gateway.observe.readings import Reading
from ctxmem.gateway.wire import Asked, Wire

_MOST_BEGINNINGS = 4096


def in_one_list(asked: Asked) -> list[Any]:
    """Return a request's messages with the system message before them, as messages."""
    system = list(asked.system)
    if system and isinstance(system[0], Mapping) and "role" not in system[0]:
        system = [{"role": "system", "content": system}]
    return [*system, *asked.messages]


def refused(wire: Wire, asked: Asked, messages: Sequence[Any]) -> list[Finding]:
    """Return what the provider refuses of a request with these messages, by `ctxmem.chat.RULES`."""
    return _refused(wire, asked, messages, read(messages))


def _refused(wire: Wire, asked: Asked, messages: Sequence[Any], turns: list[Turn]) -> list[Finding]:
    marks = [isinstance(tool, Mapping) and bool(tool.get("cache_control")) for tool in asked.tools]
    case = case_of(
        turns,
        wire.provider,
        model=asked.model or None,
        continued=asked.body.get("previous_response_id") is not None,
        outside_marks=sum(marks),
    )
    return [
        Finding(fault.kind, fault.message, fault.wrong, fault.rule)
        for fault in find(case, messages, turns)
    ]


class Inspector:
    """Looks at requests one after the other."""

    def __init__(self) -> None:
        self._beginnings: OrderedDict[tuple[bytes | None, ...], list[Finding]] = OrderedDict()

    def inspect(self, wire: Wire, reading: Reading) -> list[Finding]:
        """Return what `ctxmem.check` finds in a request.

        Raises:
            InputTypeError: something in it is no message.
        """
        asked = reading.asked
        messages = in_one_list(asked)
        head = messages[: len(messages) - len(asked.messages)]
        turns = [*read(head), *reading.turns_of_messages()]
        found = _refused(wire, asked, messages, turns)
        repeats = reading.repeats
        if repeats is None or repeats.count > len(messages):
            repeats = reading.repeats = Repeats()
        seen = repeats.count
        repeats.add(messages[seen:], turns[seen:])
        return [*found, *repeats.found, *self._beginning(messages, turns)]

    def _beginning(self, messages: Sequence[Any], turns: list[Turn]) -> list[Finding]:
        until = min(first_words(turns) + 1, len(messages))
        key = tuple(fingerprint(one) for one in messages[:until])
        known = self._beginnings.get(key)
        if known is None:
            known = list(advice.of_prefix(messages, turns))
            if None not in key:
                self._beginnings[key] = known
            if len(self._beginnings) > _MOST_BEGINNINGS:
                self._beginnings.popitem(last=False)
        return known

"""Make a history valid by the smallest change: what is refused goes, everything else stays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ctxmem.chat.findings import Finding
from ctxmem.chat.reading import read
from ctxmem.chat.shapes import listed
from ctxmem.chat.steps import case_of, repair_history

_FORMATS = 4
"""How often a repaired history may show another wire format."""


def repair(
    messages: Iterable[Any],
    *,
    provider: str | None = None,
    model: str | None = None,
    previous_response_id: str | None = None,
    log: list[Finding] | None = None,
) -> list[Any]:
    """Return a history that the provider accepts, by the smallest change.

    It drops results that answer no call, calls that were never answered although the chat went on,
    and what is empty; it moves results to their calls, renames ids that are used twice together
    with their results, and joins neighbours of one role where roles must alternate. Calls at the
    very end stay: they are in flight. What cannot
    be repaired without loss stays as it is. Repairing again changes nothing.

    Nothing is invented, and no text is changed but for white space at the end of a final message.
    Messages that need no change are the same objects, in a new list; of the others a shallow copy
    is changed, whose remaining blocks (thoughts and their signatures, cache marks, whatever we do
    not know) are the same objects.

    What was done is appended to `log` as findings of the kinds that `check` has, with the index in
    the history as given; what had to stay has `repaired=False`.

    Raises `InputTypeError` for what is no message, `InputError` for a provider we do not know.

    >>> done: list[Finding] = []
    >>> repair([{"role": "tool", "tool_call_id": "c1", "content": "12:00"}], log=done)
    []
    >>> done[0].detail
    "dropped it: the result of 'c1' answers no open call before it"
    """
    items = listed(messages)
    turns = read(items)
    case = case_of(turns, provider, model=model, continued=previous_response_id is not None)
    repaired = repair_history(case, items, turns)
    faults, places = case.faults, repaired.origin
    for _ in range(_FORMATS):
        # Without what was dropped the messages may show another format.
        other = case_of(repaired.turns, provider, model=model, continued=case.continued)
        if other.dialect == case.dialect:
            break
        case, repaired = other, repair_history(other, repaired.items, repaired.turns)
        faults += [fault._replace(message=places[fault.message]) for fault in case.faults]
        places = [places[i] for i in repaired.origin]
    if log is not None:
        distinct = {
            fault[:-1]: fault for fault in faults
        }  # once, though it was found in every round
        faults = sorted(distinct.values(), key=lambda fault: fault.message)
        log += [
            Finding(
                fault.kind,
                fault.message,
                f"{fault.done or 'left it'}: {fault.wrong}",
                fault.rule,
                bool(fault.done),
            )
            for fault in faults
        ]
    return list(repaired.items)

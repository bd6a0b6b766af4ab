"""Make a history valid by the smallest change: what is refused goes, everything else stays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ctxmem.chat.findings import Finding
from ctxmem.chat.reading import read
from ctxmem.chat.shapes import listed
from ctxmem.chat.steps import case_of, mend

_FORMATS = 4
"""How often a history may tell another wire format when it is repaired."""


def repair(
    messages: Iterable[Any],
    *,
    provider: str | None = None,
    model: str | None = None,
    previous_response_id: str | None = None,
    log: list[Finding] | None = None,
) -> list[Any]:
    """Return a history that the provider accepts, by the smallest change.

    What `check` finds refused is mended: results that answer no call are dropped, and so are calls
    that were never answered although the chat went on, and what is empty; results are moved behind
    their calls; ids that are used twice are renamed, with their results; neighbours of one role are
    joined where roles must alternate. Calls at the very end stay: they are in flight. What cannot
    be mended without loss stays as it is. Repairing again changes nothing.

    Nothing is invented, and no text is changed but for white space at the end of a final message.
    Messages that need no change are the same objects, in a new list; of the others a shallow copy
    is changed, whose remaining blocks (thoughts and their signatures, cache marks, whatever we do
    not know) are the same objects.

    What was done is appended to `log` as findings of the kinds that `check` has, with the index in
    the history as given; what had to stay has `mended=False`.

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
    mended = mend(case, items, turns)
    faults, places = case.faults, mended.origin
    for _ in range(_FORMATS):
        # Without what was dropped the messages may tell another format.
        other = case_of(mended.turns, provider, model=model, continued=case.continued)
        if other.dialect == case.dialect:
            break
        case, mended = other, mend(other, mended.items, mended.turns)
        faults += [fault._replace(message=places[fault.message]) for fault in case.faults]
        places = [places[i] for i in mended.origin]
    if log is not None:
        told = {fault[:-1]: fault for fault in faults}  # once, though it was found in every round
        faults = sorted(told.values(), key=lambda fault: fault.message)
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
    return list(mended.items)

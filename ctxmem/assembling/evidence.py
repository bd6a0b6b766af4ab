"""What messages of a history are worth for a question, by the index that memories search.

An index of a history is kept for the next request, which mostly has the same messages and more.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.assembling import values
from ctxmem.assembling.conversation import Conversation
from ctxmem.memory.recall import find

_KEPT = 8
_indices: dict[tuple[Hashable, ...], _native.SessionIndex] = {}
_lock = threading.Lock()


def evidence_in(conversation: Conversation) -> NDArray[np.float64]:
    """Return the expected tokens of evidence in each unit of a history."""
    units = conversation.units
    value = np.zeros(len(units))
    if not units or not conversation.question.strip():
        return value
    marks: tuple[Hashable, ...] = tuple(unit.mark for unit in units)
    index, known = _index_of(marks)
    for k in range(known, len(units)):
        role = conversation.turns[units[k].span[0]].role
        index.add(k, role, units[k].facts.text, float("nan"))
    found = find(index, conversation.question, text_of=lambda k: units[k].facts.text)
    with _lock:
        while len(_indices) >= _KEPT:
            _indices.pop(next(iter(_indices)))
        _indices[marks] = index
    if found.messages and found.scores[0] > 0:
        share = np.array(found.scores) / max(found.scores)
        value[np.array(found.messages)] = values.found(share)
    return value


def _index_of(marks: Sequence[Hashable]) -> tuple[_native.SessionIndex, int]:
    """Return the index of the longest known beginning of a history, and its number of units.

    An index is taken out of the table while a call adds to it, so that no other call does.
    """
    now = tuple(marks)
    with _lock:
        known = [key for key in _indices if now[: len(key)] == key]
        if known:
            best = max(known, key=len)
            return _indices.pop(best), len(best)
    return _native.SessionIndex(), 0

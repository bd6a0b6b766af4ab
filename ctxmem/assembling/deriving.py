"""What the request before was, computed anew from the history alone.

A call that is given no request before it can compute one, because the history holds the questions
that were asked: each turn is assembled after the one before it. The turns are computed from a fixed
one on, the first of all in the first 32 turns, then another after every 16, so that a call computes
at most 31. Steps of one turn (calls of tools and their results) go on with the request of its
question. The result depends on nothing but the arguments; what was computed is remembered, so
that a growing conversation computes one turn for each call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ctxmem import tokens
from ctxmem.assembling.conversation import mark_of
from ctxmem.assembling.inputs import BLOCKS, Inputs
from ctxmem.assembling.request import Request
from ctxmem.chat.parts import parts_of
from ctxmem.chat.reading import fingerprint, read_one
from ctxmem.errors import BudgetError

_KEPT = 256
_EVERY = 16
"""Turns after which the first one that is computed is another."""
_known: dict[Any, tuple[Any, Request | None]] = {}
"""The counter is kept with a request: the key has its address, which another could get after it."""
_lock = threading.Lock()


def earlier(
    inputs: Inputs, asked: bool, make: Callable[[Inputs, Request | None], Request]
) -> Request | None:
    """Return the request of the turn before this one, None if there is none.

    `asked` says whether the history ends with the question of this turn, as the histories of
    earlier turns are taken to do then; else their questions were given beside it. `make` assembles
    a request after the one before it. What was found for an earlier question is not known, so that
    earlier requests are computed without memory, passages and code.
    """
    history = inputs.history
    asks = [i for i, message in enumerate(history) if read_one(message, i).asks]
    if asked and asks and asks[-1] == len(history) - 1:
        asks = asks[:-1]  # else the model has answered it, by calls: that request was before this
    first = max(0, len(asks) // _EVERY - 1) * _EVERY
    rest = {name: one for name, one in inputs.sections.items() if name not in BLOCKS}
    past = replace(inputs, question=None, memory=None, own_history=False, chunks=(), sections=rest)
    counting = tokens.resolve(inputs.counter)
    waiting: list[tuple[Any, Inputs]] = []
    before: Request | None = None
    for end in reversed(asks[first:]):
        turn = replace(past, history=history[: end + 1])
        if not asked:
            said = [part.text for part in parts_of(history[end], end) if part.kind == "text"]
            turn = replace(past, history=history[:end], question="\n".join(said))
        key = (first, _key(turn, counting))
        if key[1] is not None:
            with _lock:
                if key in _known:
                    _known[key] = _known.pop(key)  # the most recent is last
                    before = _known[key][1]
                    break
        waiting.append((key, turn))
    for key, turn in reversed(waiting):
        try:
            before = make(turn, before)
        except BudgetError:  # its question was longer than what there is now
            before = None
        if key[1] is not None:
            with _lock:
                _known[key] = counting, before
                while len(_known) > _KEPT:
                    del _known[next(iter(_known))]
    return before


def _key(inputs: Inputs, counting: Any) -> Any:
    """Return what equal inputs share, None where a message has no mark."""
    marks = tuple(mark_of(message, fingerprint(message)) for message in inputs.history)
    if None in marks:
        return None
    return (
        marks,
        *(
            inputs.question,
            inputs.budget,
            inputs.system,
            inputs.rules,
            inputs.tools,
            inputs.provider,
        ),
        *(inputs.model, counting.name, id(counting), inputs.prices),
        tuple(sorted(inputs.sections.items())),
    )

"""The value of the messages of a history for a question, by the index that memories search.

An index of a history is kept for the next request, which mostly has the same messages and more.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.assembling import values
from ctxmem.assembling.asking import Holdings, features, words_of
from ctxmem.assembling.conversation import Conversation
from ctxmem.assembling.tool_items import ToolItems
from ctxmem.memory.recall import BROAD, Found, find
from ctxmem.schema import Chunk

BEST = 5
"""So many of the units that were found for an ask show how much of it the history has."""

_KEPT = 8
_indices: dict[tuple[Hashable, ...], _native.SessionIndex] = {}
_lock = threading.Lock()


class Search:
    """A history searched for each of several asks."""

    def __init__(self, conversation: Conversation, asks: Sequence[str]) -> None:
        self.units = units = conversation.units
        self.words = words_of(asks)
        self.found: list[Found] = []
        self._places: dict[int, tuple[Found, int]] = {}
        if not units or not any(ask.strip() for ask in asks):
            return
        marks: tuple[Hashable, ...] = tuple(unit.mark for unit in units)
        index, known = _index_of(marks)
        for k in range(known, len(units)):
            role = conversation.turns[units[k].span[0]].role
            index.add(k, role, units[k].facts.text, float("nan"))
        self.found = [find(index, ask, text_of=lambda k: units[k].facts.text) for ask in asks]
        every = list(dict.fromkeys(word for own in self.words for word in own))
        self._counts = np.array(index.frequencies(every), dtype=np.float64)
        with _lock:
            while len(_indices) >= _KEPT:
                _indices.pop(next(iter(_indices)))
            _indices[marks] = index

    def holdings(self) -> Holdings | None:
        """Return the best units for each ask, and the share of all units that have each word."""
        if not self.found:
            return None
        best = dict.fromkeys(k for found in self.found for k in found.messages[:BEST])
        texts = [self.units[k].facts.text for k in best]
        return Holdings(texts, (0.5 + self._counts) / (len(self.units) + 1))

    def evidence(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expected tokens of evidence in each unit, by the history's share of asks."""
        value = np.zeros(len(self.units))
        most = np.zeros(len(self.units))
        if not self.found:
            return value
        for found, share in zip(self.found, shares.tolist(), strict=True):
            if found.messages and found.scores[0] > 0:
                messages = np.array(found.messages)
                scores = np.array(found.scores) / max(found.scores)
                own = share * values.found(scores, found.ask.kind in BROAD)
                value[messages] += own
                for at in np.flatnonzero(own > most[messages]).tolist():
                    self._places[found.messages[at]] = found, at
                most[messages] = np.maximum(most[messages], own)
        return value

    def place(self, k: int) -> tuple[Found, int]:
        """Return what was found for the ask that a unit answers best, and the unit's place in it.

        It is known of units that have evidence.
        """
        return self._places[k]


def compared(
    asks: Sequence[str], search: Search, tools: ToolItems, chunks: Sequence[Chunk]
) -> tuple[NDArray[np.float64], list[bool]]:
    """Return the features by which asks are divided, and which parts the request has."""
    texts = list(dict.fromkeys(chunk.text for chunk in chunks))
    parts = [search.holdings(), tools.holdings(), Holdings(texts) if texts else None]
    return features(asks, search.words, parts, tools.chances), [part is not None for part in parts]


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

"""What was found in long texts, kept for when they come again.

The same long text is appended to many sessions of a process where their owners begin with it, or
go back and ask again. What is found in a text depends on the text alone, so it is read once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

LONG = 2_000
"""Minimum length in characters of a text that is kept; shorter ones are read as fast as found."""
MOST = 4_000_000
"""Characters of all texts that are kept for one purpose."""

T = TypeVar("T")


class LongTexts(Generic[T]):
    """Keeps what is found in the long texts that came last; for many threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._held = most, 0
        self._found: OrderedDict[tuple[str, Hashable], T] = OrderedDict()
        self._lock = Lock()

    def get(self, text: str, how: Hashable, find: Callable[[], T]) -> T:
        """Return what `find` finds in a text; `how` is all else that it depends on.

        What is returned is shared, so nobody may change it.
        """
        if len(text) < LONG:
            return find()
        at = (text, how)
        with self._lock:
            if at in self._found:
                self._found.move_to_end(at)
                return self._found[at]
        found = find()
        with self._lock:
            if at not in self._found:
                self._found[at] = found
                self._held += len(text)
            while self._held > self._most:
                (old, _), _ = self._found.popitem(last=False)
                self._held -= len(old)
        return found

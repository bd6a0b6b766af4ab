"""Leave out of a new tool result the lines that the window already shows.

Agents read the same file again and again: a listing before an edit, and after it. Runs of lines
that an earlier result in the window holds, byte for byte, are replaced by a mark that names the
page and the lines there; every other line is shown as it is. The original is stored as ever, so
`page(id)` gives both texts in full, also when the earlier one has left the window since.

New text is not cached yet, so leaving some of it out never costs a rewrite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from ctxmem.memory import editing
from ctxmem.memory.items import Item
from ctxmem.memory.session_state import SessionState
from ctxmem.memory.texts import result_texts

RUN_LINES = 2
"""Shorter runs of repeated lines are shown."""
RUN_CHARACTERS = 100
"""Runs of fewer characters are shown; a mark takes about 60."""
MARK_TOKENS = 20
"""A mark has about so many tokens."""
LEAST_SAVED = 24
"""A result is shown without its repeats where that saves so many tokens."""
_MOST_KEYS = 100_000
"""Keys beyond this are dropped with all of what has left the window."""

_LOOK_BACK = 128
"""Repeats are counted in so many items before a new one."""

Place = tuple[int, int, int]  # an item, one of its results, a line


class RepeatIndex:
    """Finds lines of results that the window of one session shows in full.

    The index holds a key for each run of `RUN_LINES` lines, the newest place for each key; a match
    is compared with the text of the place, so a collision of keys cannot change what is shown.
    Adding an item and looking one up take time linear in its text.
    """

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._places: dict[int, Place] = {}
        self._lines: dict[int, list[list[str]]] = {}  # of each item that was added
        self._keys: dict[int, frozenset[int]] = {}  # of the results of recent items
        self._times: Counter[int] = Counter()  # how many of those items hold a key
        self._counted = range(0)  # those items
        self._started = False

    def add(self, item: Item) -> None:
        """Add the results of an item that is shown in full."""
        if not self._started:
            self._start(item.index)
        if len(self._places) > _MOST_KEYS:
            self._start(item.index)
        lines = [text.split("\n") for text in result_texts(item.message)]
        if not any(len(one) >= RUN_LINES for one in lines):
            return
        self._lines[item.index] = lines
        for part, one in enumerate(lines):
            for at in range(len(one) - RUN_LINES + 1):
                self._places[_key(one, at)] = (item.index, part, at)

    def expected(self, item: Item) -> float:
        """Return how many tokens later results will save if a new item stays in the window.

        Lines that were repeated k times are expected to be repeated k times more. Results among
        the last `_LOOK_BACK` items count, wherever they are by now. Linear in the item's text and
        in that of the items since the last call.
        """
        times = self._times_before(item.index)
        saved = 0.0
        for text in result_texts(item.message) if times else ():
            lines = text.split("\n")
            scale = item.tokens / max(1, len(item.text))
            counts = _covered(lines, times)
            for count, run in groupby(zip(counts, lines, strict=True), key=itemgetter(0)):
                tokens = scale * sum(len(line) + 1 for _, line in run) - MARK_TOKENS
                saved += count * tokens if tokens >= LEAST_SAVED else 0.0
        return saved

    def _times_before(self, index: int) -> Counter[int]:
        """Return how many of the results before an item hold each key, kept from call to call."""
        if index < self._counted.stop:
            self._keys.clear()
            self._times.clear()
            self._counted = range(0)
        start = max(0, index - _LOOK_BACK)
        for old in range(self._counted.start, min(start, self._counted.stop)):
            self._times.subtract(self._keys.pop(old))
        for new in range(max(start, self._counted.stop), index):
            self._times.update(self._keys_of(new))
        self._counted = range(start, index)
        if len(self._times) > _MOST_KEYS:
            self._times = +self._times
        return self._times

    def _keys_of(self, index: int) -> frozenset[int]:
        """Return the keys of an item's results, each once."""
        if index not in self._keys:
            found: set[int] = set()
            for text in result_texts(self._state.items[index].message):
                lines = text.split("\n")
                found.update(_key(lines, at) for at in range(len(lines) - RUN_LINES + 1))
            self._keys[index] = frozenset(found)
        return self._keys[index]

    def _start(self, before: int) -> None:
        """Begin with the items that the window shows in full, of those before an item."""
        self._started = True
        self._places.clear()
        self._lines.clear()
        for index in sorted(self._state.in_full):
            if index < before:
                self.add(self._state.items[index])

    def without_repeats(
        self, item: Item, shown: Container[int]
    ) -> tuple[list[str | None], set[int]] | None:
        """Return texts for an item's results without the lines that other items show, and those.

        `shown` are the items that the window shows in full. A text of None is shown as it is;
        None for all: nothing of the item is repeated.
        """
        if not self._started:
            self._start(item.index)
        sources: set[int] = set()
        made = [self._shortened(text, shown, sources) for text in result_texts(item.message)]
        return (made, sources) if sources else None

    def _shortened(self, text: str, shown: Container[int], sources: set[int]) -> str | None:
        lines = text.split("\n")
        made: list[str] = []
        at, left_out = 0, False
        while at < len(lines):
            place, count = self._run(lines, at, shown)
            if count and sum(map(len, lines[at : at + count])) >= RUN_CHARACTERS:
                made.append(self._mark(place, count))
                sources.add(place[0])
                left_out = True
            else:
                count = 1
                made.append(lines[at])
            at += count
        return "\n".join(made) if left_out else None

    def _mark(self, place: Place, count: int) -> str:
        pages, line = editing.page_range(self._state.items[place[0]].pages), place[2]
        reads = "; recall reads it" * self._state.offers
        return f"[{count} lines as in {pages}, its lines {line + 1}-{line + count}{reads}]"

    def _run(self, lines: Sequence[str], at: int, shown: Container[int]) -> tuple[Place, int]:
        """Return where the lines from `at` on are in the window, and how many are."""
        place = self._places.get(_key(lines, at)) if at + RUN_LINES <= len(lines) else None
        if place is None or place[0] not in shown:
            return (-1, 0, 0), 0
        there = self._lines[place[0]][place[1]]
        most = min(len(lines) - at, len(there) - place[2])
        count = 0
        while count < most and lines[at + count] == there[place[2] + count]:
            count += 1
        return place, count if count >= RUN_LINES else 0


def _covered(lines: Sequence[str], times: Mapping[int, int]) -> list[int]:
    """Return of each line how often a run of lines that holds it was said before."""
    counts = [0] * len(lines)
    for at in range(len(lines) - RUN_LINES + 1):
        seen = times.get(_key(lines, at), 0)
        for line in range(at, at + RUN_LINES) if seen else ():
            counts[line] = max(counts[line], seen)
    return counts


def _key(lines: Sequence[str], at: int) -> int:
    return hash(tuple(lines[at : at + RUN_LINES]))

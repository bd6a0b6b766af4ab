"""Identifiers: the names by which later steps refer to earlier pages.

Paths, ids, dates, versions, names in snake_case and camelCase. What an assistant writes next is
mostly new, but what it refers to it refers to by identifiers, so they tell which pages are needed
again (`Reuse`), and keeping them in the window tells a model what it may ask for.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from ctxmem.memory.long_texts import LongTexts

_RUN = re.compile(
    # In JSON within a text a line break is written "\\n", which is no part of the word behind it.
    r"(?:(?<=\\)[nrt](?=[A-Z0-9]))?(\w[\w./:@-]{2,78}\w)"
)
_PAGES = re.compile(r"p\d+(-p\d+)?")  # how an index or an excerpt names our own pages
# Longer numbers are order numbers and the like. Nobody refers to anything by a time of day.
_NUMBER = re.compile(r"\d{1,5}|\d+\.\d+|[T ]?\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:[ap]m|Z)?")
_KEY = re.compile(r"\\?\"([^\W\d]+)\\?\"\s*:")
"""A key of JSON without a digit: the name of a field, which every row has."""
_TELLING = re.compile(r"[0-9_/.@]|[a-z][A-Z]")


_named: LongTexts[tuple[str, ...]] = LongTexts()


def identifiers(text: str) -> tuple[str, ...]:
    """Return the identifiers of a text, each once, in order.

    >>> identifiers("See src/app.py: getUser(7) returns user_id, not 12, of flight HAT017.")
    ('src/app.py', 'getUser', 'user_id', 'HAT017')
    >>> identifiers('{"flight_no": "HAT017", "departs": "09:45:10"}')
    ('HAT017',)
    """
    return _named.get(text, None, lambda: _identifiers(text))


def _identifiers(text: str) -> tuple[str, ...]:
    keys = set(_KEY.findall(text)) if '":' in text or '" :' in text else ()
    return tuple(
        run
        for run in dict.fromkeys(_RUN.findall(text))
        if run not in keys
        and _TELLING.search(run)
        and not _NUMBER.fullmatch(run)
        and not _PAGES.fullmatch(run)
    )


_AGES = (1, 2, 4, 8, 16, 32)
# Of pages whose age in calls is at most 1, 2, 4, ... and older: how many calls of a hundred refer
# to one. A prior of the weight of a hundred looks, which observations soon exceed.
_PRIOR = (0.40, 0.25, 0.12, 0.06, 0.03, 0.015, 0.008)
_LOOKS = 100.0
_EVER = 1 << 62


class Reuse:
    """How likely a page of some age is needed by the next call, learned as the chat goes on."""

    def __init__(self) -> None:
        self._looks = [_LOOKS] * len(_PRIOR)
        self._needs = [_LOOKS * share for share in _PRIOR]
        self._pages = deque([0], maxlen=_AGES[-1] + 1)  # pages there were after the last calls
        self._calls = 0
        self._expected: dict[tuple[int, float], float] = {}  # asked for since the last call

    @property
    def calls(self) -> int:
        """The calls there were."""
        return self._calls

    def to_dict(self) -> dict[str, Any]:
        """Return what was learned, as plain data."""
        return {
            "looks": self._looks,
            "needs": self._needs,
            "pages": list(self._pages),
            "calls": self._calls,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take in what `to_dict` returned."""
        self._looks, self._needs = list(state["looks"]), list(state["needs"])
        self._pages.clear()
        self._pages.extend(state["pages"])
        self._calls = state["calls"]
        self._expected.clear()

    def call(self, pages: int, needed: Iterable[int]) -> None:
        """Learn from a call: how many pages there are by now, and the ages of those it needed."""
        self._expected.clear()
        self._pages.append(pages)
        self._calls += 1
        older = pages
        for bucket, edge in enumerate((*_AGES, _EVER)):
            # Before the first call there were no pages.
            left = self._pages[-1 - edge] if edge < min(self._calls + 1, len(self._pages)) else 0
            self._looks[bucket] += max(0, older - left)
            older = left
        for age in needed:
            self._needs[_bucket(age)] += 1

    def expected(self, age: int, calls: float) -> float:
        """Return how often a page of an age is needed in the calls to come."""
        asked = (age, calls)
        if asked not in self._expected:
            self._expected[asked] = self._computed(age, calls)
        return self._expected[asked]

    def _computed(self, age: int, calls: float) -> float:
        total, start, left = 0.0, float(max(1, age)), calls
        for edge, needs, looks in zip((*_AGES, _EVER), self._needs, self._looks, strict=True):
            here = min(left, edge + 1 - start)
            if here > 0:
                total += here * min(1.0, needs / looks)
                start += here
                left -= here
        return total


def _bucket(age: int) -> int:
    return next((i for i, edge in enumerate(_AGES) if age <= edge), len(_AGES))

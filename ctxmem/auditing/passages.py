"""What repeats within one window: the same text, versions of it, shared stretches, boilerplate."""

from __future__ import annotations

from functools import partial
from typing import Any

from ctxmem.auditing.ledger import REMEMBER, Ledger
from ctxmem.auditing.segments import LEAST_WORDS, Segment, Window, key_of
from ctxmem.dedup import difference, differences, find_near_duplicates, overlaps
from ctxmem.protocols import Counter

NEAR = 0.5
"""Shared word 3-grams from which on two passages are versions of one."""

OVERLAP_CHARACTERS = 60
"""Characters that two passages share from which on it is told."""

BOILERPLATE_PASSAGES = 4
"""Different passages with a line from which on the line is boilerplate."""

_LEAST_UNIT = 40
_LONG_LINE = 240
_MOST_UNITS = 300_000
_MOST_PASSAGES = 400_000
_SHOWN = 2000  # characters of a text that a finding keeps


def mark_repeats(window: Window, ledger: Ledger) -> None:
    """Mark what stands in the window before, and note what does not."""
    first: dict[int, int] = {}
    for i, segment in enumerate(window.segments):
        if not segment.telling:
            continue
        if first.setdefault(segment.key, i) == i:
            window.unique.append(i)
            continue
        window.marks[i] = "repeat"
        describe = partial(told, segment)
        ledger.add(
            "repeat_in_request",
            segment.key,
            segment.tokens,
            window.places[i],
            describe,
            fix=None if segment.retrieved else REMEMBER,
            at=i,
        )


def told(segment: Segment) -> tuple[str, str, list[str]]:
    """Describe a finding about one passage."""
    if not segment.text:
        return segment.name, "only its id is in the trace, so its tokens are not known", []
    by = "retrieved" if segment.retrieved else f"said by {segment.role}"
    return segment.name, f"{segment.tokens:,} tokens, {by}", [segment.text.strip()[:_SHOWN]]


def mark_versions(window: Window, ledger: Ledger) -> None:
    """Mark passages that are versions of longer ones in the window."""
    segments = window.segments
    compared = [i for i in window.unique if segments[i].text]
    if len(compared) < 2:
        return
    for group in find_near_duplicates([segments[i].text for i in compared], NEAR):
        members = [compared[i] for i in group]
        longest = max(members, key=lambda i: (len(segments[i].text), -i))
        for i in members:
            if i == longest or not _is_version(window, i, longest):
                continue
            one, other = segments[i], segments[longest]
            # What was sent before is waste already; that it has a version here is still told.
            tokens = 0 if i in window.marks else segments[i].tokens
            window.marks.setdefault(i, "version")
            ledger.add(
                "near_version",
                tuple(sorted((segments[i].key, segments[longest].key))),
                tokens,
                window.places[i],
                partial(_versions, one, other),
                fix=None if one.retrieved or other.retrieved or one.role == "user" else REMEMBER,
                at=i,
            )


def _is_version(window: Window, i: int, j: int) -> bool:
    """Tell versions from what has one form by right: records of tools, rules, questions of a user.

    What a user pastes stands beside other text of its message; a question is all of it.
    """
    one, other = window.segments[i], window.segments[j]
    if one.retrieved or other.retrieved:
        return True
    if one.role == other.role == "user" and not (
        _stands_alone(window, i) or _stands_alone(window, j)
    ):
        return True
    return not differences(one.text, other.text)


def _stands_alone(window: Window, i: int) -> bool:
    """Tell whether a segment is all that its message says."""
    places = window.places
    return places[i] not in (places[i - 1] if i else None, *places[i + 1 : i + 2])


def _versions(one: Segment, other: Segment) -> tuple[str, str, list[str]]:
    how = difference(one.text[:_SHOWN], other.text[:_SHOWN])
    if differences(one.text[:_SHOWN], other.text[:_SHOWN]):
        how += "; the two say different things, so a reader has to know which version holds"
    texts = [one.text.strip()[:_SHOWN], other.text.strip()[:_SHOWN]]
    return f"{one.name} and {other.name}", how, texts


def mark_overlaps(window: Window, ledger: Ledger) -> None:
    """Mark passages that begin with the end of another, or stand inside it."""
    segments = window.segments
    compared = [i for i in window.unmarked() if len(segments[i].text) >= OVERLAP_CHARACTERS]
    if len(compared) < 2:
        return
    texts = [segments[i].text.strip() for i in compared]
    for left, right, _, characters in overlaps(texts, OVERLAP_CHARACTERS):
        one, other = segments[compared[left]], segments[compared[right]]
        if not (one.retrieved or other.retrieved) and one.role != other.role:
            continue  # who answers quotes
        window.marks[compared[right]] = "overlap"
        ledger.add(
            "overlap",
            (one.key, other.key),
            other.tokens * characters // max(1, len(texts[right])),
            window.places[compared[right]],
            partial(_overlap, one, other, texts[right][:characters]),
            at=compared[right],
        )


def _overlap(one: Segment, other: Segment, shared: str) -> tuple[str, str, list[str]]:
    title = f"{other.name} and {one.name}"
    detail = (
        f"all {len(shared):,} characters of the first stand in the second"
        if len(shared) == len(other.text.strip())
        else f"the last {len(shared):,} characters of the second begin the first"
    )
    return title, detail, [shared[:_SHOWN]]


class Boilerplate:
    """Counts in how many different passages each line or sentence stands."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._passages: set[int] = set()
        self._count: dict[int, int] = {}
        self._hot: dict[int, tuple[str, int]] = {}  # unit -> its text and tokens

    def mark(self, window: Window, ledger: Ledger) -> None:
        """Count the lines of passages, and tell those that come again and again in this window."""
        passages = [
            (i, self._known(window.segments[i]))
            for i in window.unmarked()
            if window.segments[i].role not in ("assistant", "call")
        ]
        here: dict[int, int] = {}
        for i, units in passages:
            for unit in units:
                if unit in self._hot:
                    here[unit] = here.get(unit, 0) + 1
                    if here[unit] > 1:
                        self._tell(unit, i, window.places[i], ledger)

    def _known(self, segment: Segment) -> tuple[int, ...]:
        """Return the lines of a passage, counted if it is new."""
        if segment.units is None:
            segment.units = units_of(segment.text)
        if segment.key not in self._passages:
            if len(self._passages) >= _MOST_PASSAGES:
                self._passages.clear()
            self._passages.add(segment.key)
            self._learn(segment, segment.units)
        return segment.units

    def _learn(self, segment: Segment, units: tuple[int, ...]) -> None:
        for unit in units:
            count = self._count.get(unit, 0) + 1
            self._count[unit] = count
            if count == BOILERPLATE_PASSAGES:
                text = next(u for u in _units(segment.text) if key_of(u) == unit)
                self._hot[unit] = (text, self._counter.count(text))
        if len(self._count) > _MOST_UNITS:
            # Lossy counting (Manku and Motwani 2002): what stood in one passage so far goes.
            self._count = {unit: count for unit, count in self._count.items() if count > 1}
            if len(self._count) > _MOST_UNITS // 2:
                self._count = {}

    def _tell(self, unit: int, at: int, place: dict[str, Any], ledger: Ledger) -> None:
        text, tokens = self._hot[unit]

        def describe() -> tuple[str, str, list[str]]:
            title = " ".join(text[:60].split())
            return title, f"{tokens:,} tokens in passages that have nothing else in common", [text]

        ledger.add("boilerplate", unit, tokens, place, describe, at=at)


def units_of(text: str) -> tuple[int, ...]:
    """Return the hashes of the lines and sentences of a passage, each once, () if it is but one."""
    return tuple(dict.fromkeys(map(key_of, _units(text))))


def _units(text: str) -> list[str]:
    """Cut at lines, long ones at sentences; what is short or has few words is left out."""
    if "\n" not in text and ". " not in text:
        return []
    found = []
    short = 0
    for line in text.split("\n"):
        parts = line.split(". ") if len(line) > _LONG_LINE or "\n" not in text else (line,)
        for part in parts:
            unit = part.strip()
            if len(unit) >= _LEAST_UNIT and len(unit.split(None, LEAST_WORDS)) >= LEAST_WORDS:
                found.append(unit)
            elif unit:
                short += 1
    return found if len(found) + short > 1 else []

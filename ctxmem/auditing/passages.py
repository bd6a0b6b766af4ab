"""What repeats within one window: the same text, versions of it, shared text, boilerplate."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ctxmem.auditing import fixes
from ctxmem.auditing.assembly import Call
from ctxmem.auditing.findings import FindingAggregator
from ctxmem.auditing.segments import Segment, Window, key_of
from ctxmem.auditing.tool_results import ToolCall, ToolResults
from ctxmem.chat.forms import are_items, is_of_one_form, is_prose, say_the_same
from ctxmem.chat.paragraphs import LineIndex, Run, has_words
from ctxmem.dedup import contrast, differences, find_near_duplicates, overlaps, share_words
from ctxmem.protocols import Counter

NEAR = 0.5
"""Least share of common word 3-grams of two versions of one passage."""

OVERLAP_CHARACTERS = 60
"""Least number of common characters of two passages that is reported."""

BOILERPLATE_PASSAGES = 4
"""Least number of different passages that have a line of boilerplate."""

_LEAST_UNIT = 40
_LONG_LINE = 240
_MOST_UNITS = 300_000
_MOST_PASSAGES = 400_000
_SHOWN = 2000  # characters of a text that a finding keeps
_ALIKE = 0.5  # least share of common lines of two reads of one file
_COMPARED = 8  # passages with one line that are compared


def mark_repeats(window: Window, findings: FindingAggregator) -> None:
    """Mark what the window has before, and note what it has for the first time."""
    first: dict[int, int] = {}
    repeats: list[tuple[int, int]] = []
    for i, segment in enumerate(window.segments):
        if not segment.comparable:
            continue
        source = first.setdefault(segment.key, i)
        if source == i:
            window.unique.append(i)
        else:
            repeats.append((i, source))
    if repeats:
        results, counted = ToolResults(window.call.messages), set[Hashable]()
        for i, source in repeats:
            window.marks[i] = "repeat"
            add_repeat(window, findings, results, counted, i, source)


def note_unlike(calls: Sequence[Call]) -> None:
    """Note the calls whose passages have neither a few words in a row nor a long text in common.

    These have no versions and no overlaps, and most lists of passages are so. To look through many
    lists at once takes a tenth of the time of a search in each.
    """
    texts: list[str] = []
    owner: list[int] = []
    for number, call in enumerate(calls):
        if call.turn is None and not call.messages:
            said = [passage.text for passage in call.shown if passage.text]
            texts += said
            owner += [number] * len(said)
            call.unlike = True
    group = np.array(owner, np.int32)
    alike = set(group[share_words(texts, group)].tolist())
    stripped = [text.strip() for text in texts]
    alike |= {owner[row.left] for row in overlaps(stripped, OVERLAP_CHARACTERS, group)}
    for number in alike:
        calls[number].unlike = False


def mark_labelled(
    window: Window, findings: FindingAggregator, calls: Sequence[int] | None = None
) -> None:
    """Mark passages whose lines were there before, behind another label or in front of a question.

    Where passages were retrieved, their ends are known; then that is a matter of overlaps. `calls`
    says in how many calls each segment was sent; without it, it was one.
    """
    if all(window.segments[i].retrieved for i in window.unique):
        return
    index = LineIndex()
    numbers: list[int] = []
    results = ToolResults(window.call.messages)
    counted: set[Hashable] = set()
    for i in window.unique:
        segment = window.segments[i]
        if not segment.text or segment.role == "assistant":
            continue
        for run in index.runs(segment.text) if numbers else ():
            source = numbers[run.source]
            if not (segment.retrieved and window.segments[source].retrieved):
                window.marks[i] = "repeat"
                sent = 1 if calls is None else calls[i]
                if sent > 0:
                    tokens = add_repeat(
                        window, findings, results, counted, i, source, run=run, calls=sent
                    )
                    window.partly[i] = window.partly.get(i, 0) + tokens
        numbers.append(i)
        index.add(segment.text)


def add_repeat(
    window: Window,
    findings: FindingAggregator,
    results: ToolResults,
    counted: set[Hashable],
    at: int,
    source: int,
    *,
    run: Run | None = None,
    calls: int = 1,
    first: str = "",
) -> int:
    """Add a segment that repeats an earlier one, or the lines of it that do; return their tokens.

    All that repeats of the results of one call is one finding: a file that is read again. `counted`
    holds the copies of such results that were counted; `first` is where the first copy is.
    """
    segment = window.segments[at]
    place, earlier = window.places[at], window.places[source]
    text = segment.text if run is None else segment.text[run.start : run.end]
    tokens = segment.tokens * len(text) // max(1, len(segment.text))
    about: Hashable = segment.key if run is None else key_of(text.strip())
    count = calls
    # A transcript has a place for each message; its calls are those of the session.
    request = window.session if window.call.turn is not None else None
    call = again = None
    if segment.role == "tool" and not segment.retrieved:
        call = results.call(earlier.get("message"), window.segments[source].text.strip())
        again = results.call(place.get("message"), segment.text.strip())
    if call is not None:
        about = (window.session, call.name, call.about)
        copy = (place.get("message"), about)
        count = 0 if copy in counted else calls
        counted.add(copy)
    findings.add(
        "repeat_in_request",
        about,
        tokens * calls,
        place,
        partial(_repeat, segment, text, call, again, first),
        count=count,
        requests=calls,
        fix=partial(_fix_of, window, at, source, findings.budget),
        at=at,
        request=request,
    )
    return tokens


def _fix_of(window: Window, at: int, source: int, budget: int | None) -> fixes.Fix:
    """Return what removes a repeat: packing where the passages of one prompt were retrieved."""
    segment = window.segments[at]
    here, there = window.places[at].get("message"), window.places[source].get("message")
    if segment.retrieved and here == there:
        return fixes.packed(fixes.room_of(budget, window.tokens))
    if segment.retrieved:
        return fixes.folded(passages=True)
    return fixes.folded(said=segment.role == "assistant")


def _repeat(
    segment: Segment, text: str, call: ToolCall | None, again: ToolCall | None, first: str
) -> tuple[str, str, list[str]]:
    where = f"; first at {first}" if first else ""
    if call is not None:
        title, detail = _of_results(call, again)
        return title, detail + where, [text.strip()[:_SHOWN]]
    title, detail, texts = described(segment)
    if text is not segment.text:
        title, texts = begins(text), [text.strip()[:_SHOWN]]
        detail = "the same lines, with another label or question around them"
    return title, detail + where, texts


def _of_results(call: ToolCall, again: ToolCall | None) -> tuple[str, str]:
    """Say how far a later result of a tool is an earlier one."""
    if again is None or again[:2] != call[:2]:
        detail = "results of other calls have lines that this one returned first"
        return f"{call.title}: later results repeat it", detail
    known = set(call.result.split("\n"))
    lines = [line for line in again.result.split("\n") if line.strip()]
    same = sum(line in known for line in lines)
    if same == len(lines):
        detail = "the tool was called again and returned what the history holds already"
        return f"{call.title}: the same result again", detail
    detail = (
        f"the tool was called again; {same:,} of the {len(lines):,} lines that it returned were "
        "in its result before"
    )
    most = 2 * same >= len(lines)
    return f"{call.title}: {'mostly' if most else 'partly'} the same result again", detail


def described(segment: Segment) -> tuple[str, str, list[str]]:
    """Describe a finding about one passage."""
    if not segment.text:
        return segment.name, "only its id is in the trace, so its tokens are not known", []
    if segment.retrieved:
        what = f"a retrieved passage of {segment.tokens:,} tokens"
    else:
        where = _TEXT_IN.get(segment.role, f"a message of the role {segment.role!r}")
        what = f"a text of {segment.tokens:,} tokens in {where}"
    return segment.name, what, [segment.text.strip()[:_SHOWN]]


_TEXT_IN = {
    "system": "the system prompt",
    "user": "a message of the user",
    "assistant": "a message of the model",
    "tool": "a tool result",
    "passage": "a passage",
}


def begins(text: str) -> str:
    """Return how a text begins, as a title."""
    line = " ".join(text[:200].split())
    return line if len(line) <= 60 else line[:59] + "…"


def mark_versions(window: Window, findings: FindingAggregator) -> None:
    """Mark passages that are versions of longer ones in the window."""
    segments = window.segments
    compared = [i for i in window.unmarked() if segments[i].text]
    # What was sent before is waste already; that it has a version here is reported all the same.
    compared += [i for i, mark in window.marks.items() if mark == "resent" and segments[i].text]
    compared.sort()
    if len(compared) < 2:
        return
    for group in find_near_duplicates([segments[i].text for i in compared], NEAR):
        members = [compared[i] for i in group]
        longest = max(members, key=lambda i: (len(segments[i].text), -i))
        for i in members:
            if i == longest or not _is_version(window, i, longest):
                continue
            one, other = segments[i], segments[longest]
            tokens = 0 if i in window.marks else one.tokens
            window.marks.setdefault(i, "version")
            findings.add(
                "near_version",
                tuple(sorted((one.key, other.key))),
                tokens,
                window.places[i],
                partial(_versions, one, other),
                fix=partial(_version_fix, window, one, other, findings.budget),
                at=i,
            )


def _is_version(window: Window, i: int, j: int) -> bool:
    """Return whether two passages are versions of one, and not alike for another reason.

    Records, rows, logs and code of one form are alike by right; so are questions of a user, answers
    of a model, and results of tools of which the newer is the present state. Texts that were
    retrieved, or put into one message, are read side by side.
    """
    one, other = window.segments[i], window.segments[j]
    if one.retrieved and other.retrieved:
        return not is_of_one_form(one.text, other.text)
    roles = {one.role, other.role}
    if "assistant" in roles or _is_said(window, i) or _is_said(window, j):
        return False
    if "tool" not in roles and _message(window, i) == _message(window, j):
        alike = are_items(one.text, other.text) or is_of_one_form(one.text, other.text)
        return not alike
    return say_the_same(one.text, other.text)


def _is_said(window: Window, i: int) -> bool:
    """Return whether a passage is all that a message of a user says: a question."""
    segment, places = window.segments[i], window.places
    return (
        segment.role == "user"
        and not segment.retrieved
        and "\n" not in segment.text.strip()
        and places[i] not in (places[i - 1] if i else None, *places[i + 1 : i + 2])
    )


def _message(window: Window, i: int) -> tuple[Any, Any]:
    place = window.places[i]
    return place["place"], place.get("message")


def _version_fix(window: Window, one: Segment, other: Segment, budget: int | None) -> fixes.Fix:
    if "tool" in (one.role, other.role) and not (one.retrieved or other.retrieved):
        return fixes.remembered(window.tokens // 2)
    if not differences(one.text, other.text):
        return fixes.packed_carefully(fixes.room_of(budget, window.tokens))
    return fixes.without_version(one.text, other.text)


def _versions(one: Segment, other: Segment) -> tuple[str, str, list[str]]:
    how = contrast(one.text[:_SHOWN], other.text[:_SHOWN], "the first", "the second")
    if differences(one.text[:_SHOWN], other.text[:_SHOWN]):
        how += "; the two say different things, and the model cannot know which one is valid"
    texts = [one.text.strip()[:_SHOWN], other.text.strip()[:_SHOWN]]
    return f"{one.name} and {other.name}", how, texts


def mark_overlaps(window: Window, findings: FindingAggregator) -> None:
    """Mark passages that begin with the end of another, or are inside it."""
    segments = window.segments
    compared = [i for i in window.unmarked() if len(segments[i].text) >= OVERLAP_CHARACTERS]
    if len(compared) < 2:
        return
    texts = [segments[i].text.strip() for i in compared]
    for left, right, _, characters in overlaps(texts, OVERLAP_CHARACTERS):
        i, j = compared[left], compared[right]
        one, other = segments[i], segments[j]
        if not _are_cut(window, i, j):
            continue
        window.marks[j] = "overlap"
        findings.add(
            "overlap",
            (one.key, other.key),
            other.tokens * characters // max(1, len(texts[right])),
            window.places[j],
            partial(_overlap, one, other, texts[right][:characters]),
            fix=partial(_span_fix, window, findings.budget),
            at=j,
        )


def _span_fix(window: Window, budget: int | None) -> fixes.Fix:
    return fixes.spanned(fixes.room_of(budget, window.tokens))


def _are_cut(window: Window, i: int, j: int) -> bool:
    """Return whether two passages may be cut from one text; answers and tool results quote."""
    one, other = window.segments[i], window.segments[j]
    if one.retrieved or other.retrieved:
        return True
    same = one.role == other.role and one.role in ("system", "user", "passage")
    return same and _message(window, i) == _message(window, j)


def _overlap(one: Segment, other: Segment, shared: str) -> tuple[str, str, list[str]]:
    title = f"{other.name} and {one.name}"
    detail = (
        f"all {len(shared):,} characters of the first are in the second too"
        if len(shared) == len(other.text.strip())
        else f"the first begins with the last {len(shared):,} characters of the second"
    )
    return title, detail, [shared[:_SHOWN]]


class _Line(NamedTuple):
    """A line that many passages have; code and rows are boilerplate only where retrieved."""

    text: str
    tokens: int
    prose: bool


class Boilerplate:
    """Counts how many different passages have each line or sentence."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._passages: set[int] = set()
        self._count: dict[int, int] = {}
        self._hot: dict[int, _Line] = {}

    def mark(self, window: Window, findings: FindingAggregator) -> None:
        """Count the lines of passages, and report those that this window has again and again."""
        passages = [
            (i, self._known(window.segments[i]))
            for i in window.unmarked()
            if (role := window.segments[i].role) == "passage"
            or (role != "assistant" and not _is_said(window, i))
        ]
        # The passages with a line, as their lines. What users write from a template, question by
        # question, and the examples of a prompt are no documents: only one message counts.
        here: dict[Hashable, list[frozenset[int]]] = {}
        for i, units in passages:
            if not units:
                continue
            retrieved = window.segments[i].retrieved
            said = window.segments[i].role == "user" and not retrieved
            asked = _message(window, i) if said else None
            hot = [u for u in units if u in self._hot and (retrieved or self._hot[u].prose)]
            lines = frozenset(units) if hot else frozenset()
            for unit in hot:
                others = here.setdefault((unit, asked), [])
                if any(_are_reads_of_one(lines, other) for other in others):
                    continue
                if others:
                    self._tell(unit, i, window.places[i], findings)
                if len(others) < _COMPARED:
                    others.append(lines)

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
                self._hot[unit] = _Line(text, self._counter.count(text), is_prose(text))
        if len(self._count) > _MOST_UNITS:
            # Lossy counting (Manku and Motwani 2002): what only one passage had so far goes.
            self._count = {unit: count for unit, count in self._count.items() if count > 1}
            if len(self._count) > _MOST_UNITS // 2:
                self._count = {}

    def _tell(self, unit: int, at: int, place: dict[str, Any], findings: FindingAggregator) -> None:
        text, tokens, _ = self._hot[unit]

        def describe() -> tuple[str, str, list[str]]:
            title = " ".join(text[:60].split())
            detail = f"a line of {tokens:,} tokens in passages that have little else in common"
            return title, detail, [text]

        findings.add(
            "boilerplate", unit, tokens, place, describe, fix=fixes.without_line(text), at=at
        )


def _are_reads_of_one(one: frozenset[int], other: frozenset[int]) -> bool:
    """Return whether two passages share so many lines that both are the same file, or versions."""
    return len(one & other) > max(1.0, _ALIKE * min(len(one), len(other)))


def units_of(text: str) -> tuple[int, ...]:
    """Return the hashes of the lines and sentences of a passage, each once, () if it is but one."""
    found = _units(text)
    return tuple(dict.fromkeys(map(key_of, found))) if found else ()


def _units(text: str) -> list[str]:
    """Cut at lines, long ones at sentences; what is short or has few words is left out."""
    if "\n" not in text and ". " not in text:
        return []
    if "\n" not in text:
        parts = text.split(". ")
    else:
        parts = []
        for line in text.split("\n"):
            parts += line.split(". ") if len(line) > _LONG_LINE else (line,)
    units = [unit for unit in map(str.strip, parts) if unit]
    if len(units) < 2:
        return []
    return [unit for unit in units if len(unit) >= _LEAST_UNIT and has_words(unit)]

"""The statements of a text, as the tables of phrases find them, each with its subject and value."""

from __future__ import annotations

from typing import NamedTuple

from ctxmem import _native
from ctxmem.memory.asides import asides_apart
from ctxmem.memory.authorship import own_words, reported
from ctxmem.memory.long_texts import LongTexts
from ctxmem.memory.narrowing import is_of_one_answer
from ctxmem.memory.subjects import adjusted, denies, meant_by_it, subject_of, without_newer
from ctxmem.memory.traits import VALUED

UPDATES, RETRACTS = 1, 8
"""Flags of a statement: it changes what was said; it takes something back."""


_OF_ANSWERS = frozenset({"rule", "instruction", "preference", "limit"})
"""Kinds that say how to answer: what is for one answer only does not bind later ones."""


class Found(NamedTuple):
    """A statement of a text: kind, place, strength, flags, and the value of what it states."""

    kind: str
    start: int
    end: int
    strength: int
    flags: int
    subject: str
    value: str


_scanned: LongTexts[tuple[Found, ...]] = LongTexts()


def scan(text: str, *, replies: bool = False, trusted: bool = False) -> list[Found]:
    """Return the statements of a text; those of `replies` are proposals and answers to them."""
    how = (replies, trusted)
    return list(_scanned.get(text, how, lambda: tuple(_statements(text, replies, trusted))))


def _statements(text: str, replies: bool, trusted: bool) -> list[Found]:
    kinds = _native.STATEMENT_KINDS
    found = []
    read = text if replies or trusted else own_words(text)
    read = read if replies else asides_apart(read)
    for k, _, strength, flags, start, end, c0, c1, s0, s1, v0, v1 in _native.statements(
        read, replies, trusted
    ).tolist():
        if not (replies or trusted) and reported(text[start:end]):
            continue
        said = text[start:end]
        if kinds[k] in _OF_ANSWERS and not (replies or trusted) and is_of_one_answer(said):
            continue
        subject, value, extra = "", text[v0:v1], 0
        if kinds[k] in VALUED:
            cue = text[c0:c1]
            subject = subject_of(text[s0:s1], cue) or (value and meant_by_it(text[start:v0]))
            if value:
                subject, value = adjusted(cue, text[v1 : v1 + 40], subject, value)
            named = without_newer(subject)
            if named != subject:
                subject, extra = named, UPDATES
        kind = kinds[k]
        if value and kind in {"value", "deadline"} and denies(text[c0:v0]):
            kind, value, extra = "correction", "", UPDATES
        found.append(Found(kind, start, end, strength, flags | extra, subject, value))
    return found


def restricts(sentence: str) -> bool:
    """Return whether a sentence restricts the one before it, as the scanner ties it to a rule.

    >>> restricts("But keep those of March."), restricts("Keep those of March.")
    (True, False)
    """
    found = scan(f"{_RULE} {sentence}", trusted=True)
    return bool(found) and found[0].end > len(_RULE)


_RULE = "Never do this."

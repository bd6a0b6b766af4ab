"""Check a shorter text against the passage: numbers, quotations and negations.

A model's summary cannot be proved correct, but some errors can be detected without understanding
the text: a number or quotation that is not in the passage, and a "not" that was lost or added.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_QUOTATION = re.compile(r'"([^"]{2,})"|“([^”]{2,})”|«([^»]{2,})»|„([^“”]{2,})[“”]')
_CLAUSE = re.compile(r"[.,;:!?()\n]+(?:\s|$)|\n")
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_NEGATION = re.compile(r"(?:not|no|never|cannot|neither|nor|\w+n['’]t)")

_LIGHT = frozenset(
    "a an the any all at be been being is are was were am do does did has have had having will "
    "would shall should can could may might must of in on by to for from with as it its this that "
    "these those such ever only yet more less than longer such so and or but if".split()
)
"""Words that may occur between a negation and the word that it negates."""


def untrue(text: str, shorter: str) -> str | None:
    """Return the first contradiction of a shorter text to the passage; None if none is found.

    >>> untrue("The fee is not due before 30 June.", "Fee due before 30 June.")
    "it says 'due', which the text only denies"
    >>> untrue("The fee is not due before 30 June.", "Fee not due before June.")
    """
    numbers = set(_NUMBER.findall(text))
    for number in _NUMBER.findall(shorter):
        if number not in numbers:
            return f"it has the number {number}, which the text lacks"
    whole = " ".join(text.split())
    for groups in _QUOTATION.findall(shorter):
        quoted = " ".join("".join(groups).split())
        if quoted not in whole:
            return f"it quotes {quoted!r:.60}, which the text does not say"
    said, denied = _said_and_denied(text)
    said_shorter, _ = _said_and_denied(shorter)
    for word in _denials(text):
        if word not in said and word in said_shorter:
            return f"it says {word!r}, which the text only denies"
    for word in _denials(shorter):
        if word in said and word not in denied and word not in said_shorter:
            return f"it denies {word!r}, which the text says"
    return None


def _clauses(text: str) -> Iterator[list[str]]:
    for clause in _CLAUSE.split(text):
        yield _WORD.findall(clause.lower())


def _said_and_denied(text: str) -> tuple[set[str], set[str]]:
    """Return the words before any negation in their clause, and the words after one."""
    said: set[str] = set()
    denied: set[str] = set()
    for words in _clauses(text):
        into = said
        for word in words:
            if _NEGATION.fullmatch(word):
                into = denied
            else:
                into.add(word)
    return said, denied


def _denials(text: str) -> Iterator[str]:
    """Yield the word that each negation negates: the first content word after it in the clause."""
    for words in _clauses(text):
        open_negation = False
        for word in words:
            if _NEGATION.fullmatch(word):
                open_negation = True
            elif open_negation and word not in _LIGHT:
                yield word
                open_negation = False

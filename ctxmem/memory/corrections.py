"""What a correction replaces that does not name it: "Sorry, 43", "No, use spaces after all."."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ctxmem.memory.subjects import content, family_words, forbids, replaced_names, stem
from ctxmem.memory.traits import VALUED, comparable_kinds, form_of, unit_of

if TYPE_CHECKING:
    from ctxmem.memory.ledger import Entry

_OPENS = re.compile(
    r"\W*(?:(?:no|nope|wait|sorry|correction|oh|ok|okay|nein|doch|korrektur|ach|non|perdón"
    r"|corrección|não|nee)\s*[,:;.!–—-]\s*|(?:actually|scratch that|on second thoughts?|eigentlich"
    r"|en fait|finalement|mejor dicho|en realidad|anzi|in realtà|na verdade|eigenlijk)"
    r"\b[\s,:;.!–—-]+)+",
    re.IGNORECASE,
)
_INSTEAD = re.compile(
    r"\b(?:after all|instead|doch|lieber|stattdessen|plutôt|finalement|mejor|piuttosto|antes|toch"
    r"|liever)\b",
    re.IGNORECASE,
)


def values_meant(entry: Entry, recent: Iterable[Entry]) -> list[Entry]:
    """Return the values that a correction without a subject can be meant for.

    One that the correction names ("not 8080") is meant; else, of those of the same form and unit
    that were said within four messages, the newest. Several of one message can be meant.
    """
    mine, unit = form_of(entry.value), unit_of(entry.text, entry.value)
    found = [
        other
        for other in recent
        if other.value
        and other.kind in VALUED
        and form_of(other.value) == mine
        and (not unit or unit_of(other.text, other.value) == unit)
    ]
    named = replaced_names(entry.text)
    meant = [other for other in found if other.value.lower() in named]
    if meant or any(word.isdecimal() for word in named):
        return meant
    newest = [other for other in found if other.message == found[0].message]
    alike = [other for other in newest if len(other.value) == len(entry.value)]
    return alike or newest


def corrected(entry: Entry, recent: Iterable[Entry]) -> Entry | None:
    """Return the statement that a correction replaces: the first that chooses another alternative.

    "No, use spaces after all." begins as a correction does, and says the same as "Use tabs." but
    for a word that replaces another.
    """
    opening = _OPENS.match(entry.text)
    if opening is None:
        return None
    said = _INSTEAD.sub("", entry.text[opening.end() :])
    chosen = family_words(said)
    for other in recent if chosen else ():
        alike = comparable_kinds(entry.kind, other.kind) and forbids(said) == forbids(other.text)
        theirs = family_words(other.text)
        differs = theirs.keys() == chosen.keys() and theirs != chosen
        if alike and differs and _rest(said, chosen.values()) == _rest(other.text, theirs.values()):
            return other
    return None


def _rest(text: str, chosen: Iterable[str]) -> frozenset[str]:
    """Return what a statement is about beside what it chooses, and the version of that."""
    about = content(text) - frozenset(map(stem, chosen))
    return frozenset(word for word in about if not word[0].isdigit())

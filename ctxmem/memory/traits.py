"""What comparing two entries of a ledger needs of each: what it is about, where, and how much.

`traits_of` reads an entry once, when it is made; comparing two of them is set arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from ctxmem import _native
from ctxmem.memory.scopes import NO_SCOPE, Scope, distinct, scope_of
from ctxmem.memory.subjects import (
    FAMILY,
    NEWER,
    STOP,
    content,
    family_words,
    forbids,
    slot,
    stem,
    words_of,
)
from ctxmem.memory.subjects import about as about_of

CHOICES = frozenset({"instruction", "preference", "decision"})
"""Kinds that choose one of several."""
_GROUPS = {
    kind: group
    for group in (
        frozenset({"preference", "decision", "correction"}),
        frozenset({"rule", "instruction", "permission"}),
    )
    for kind in group
}
"""Kinds of which one may replace another."""
_GROUPS["correction"] |= {"fact"}
VALUED = frozenset({"value", "limit", "deadline", "correction"})
"""Kinds that state a value."""

_DAYS = (
    r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?|(?:jan|febr?)(?:uary)?|mar(?:ch)?"
    r"|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|(?:oct|nov|dec)(?:o?[em]*ber)?"
    r"|tomorrow|today|tonight|eo[dwmqy]|week|month|quarter|easter|christmas|year|weekend"
)
_TIME = re.compile(
    r"\d{1,2}(?:[:.]\d\d)?\s?(?:[ap]\.?m\.?)|\d{1,2}:\d\d(?::\d\d)?|noon|midnight", re.I
)
_DATE = re.compile(
    rf"\b(?:{_DAYS})\b|^\d{{1,2}}(?:st|nd|rd|th)$|^\d{{4}}-\d\d-\d\d$|^\d+/\d+", re.I
)
_NUMBER = re.compile(r"[-+]?[\d.,]+")
_QUANTITY = re.compile(r"[-+]?[\d.,]*\d\s?([^\W\d_]+)?")
_MEASURES = {
    word: measure
    for measure, words in {
        "money": "usd eur gbp chf dollar dollars euro euros pound pounds cent cents buck bucks",
        "time": "ms s sec secs second seconds m min mins minute minutes h hr hrs hour hours day "
        "days week weeks month months year years",
        "size": "b kb mb gb tb kib mib gib byte bytes bit bits",
        "length": "mm cm km meter meters metre metres foot feet inch inches mile miles",
        "mass": "mg g gram grams kg kilo kilos lb lbs pound-mass stone",
        "share": "% percent",
        "energy": "cal calories kcal",
    }.items()
    for word in words.split()
}
_WHERE = re.compile(
    r"\b(?:for|on|in|at|of|per|under|with|during|inside|to|from)\s+"
    r"(?:(?:the|my|our|an?|each|every) )?([^\W\d_][\w-]*)",
    re.IGNORECASE,
)
_WHERE_ELSE = re.compile(
    r"\b(?<!go )(?<!going )(?<!opt )(?<!opted )(?:for|on|in|at|of|per)\s+"
    r"(?:(?:the|my|our|an?|each|every|all|long|short) )?([^\W\d_][\w-]*)",
    re.IGNORECASE,
)
_CHANGES = frozenset(
    stem(word)
    for word in "set scaled raised lowered increased decreased reduced bumped cut went goes gone "
    "grew shrank dropped rose climbed fell extended upgraded downgraded switched updated adjusted "
    "make allow use".split()
) | frozenset(map(stem, NEWER))
"""Words that say that a value changed, and not of what."""
_ORDINAL = re.compile(r"\b(first|second|third|fourth|other|last|next|old)\s+$", re.IGNORECASE)
_LETTERS, _DIGITS = re.compile(r"[^\W\d_]+"), re.compile(r"\d+")
_PLACING = frozenset("for on in at of per under with during inside to from".split())
_ANYWHERE = frozenset(
    "moment time future case fact general total order addition meantime end least most max sure "
    "once first last place now then there here everything all whole default night morning evening "
    "least once average practice short plan plans mind change".split()
)
"""Words behind a preposition that limit nothing."""
_UNIT = re.compile(r"\s?([^\W\d_]{2,})")
_SEVERAL = re.compile(r"\s*(?:,|,?\s*(?:and|or|&)\b|/)\s*([\w.:/-]+)")
_OPEN = re.compile(
    r"\b(?:one of|another|some|an additional|a second|a third|an?)\s+(?:\w+\s+)?$", re.I
)
_CLAUSE = re.compile(r"[,;:.!?](?:\s|$)|\s(?:because|since|but|so|and)\s")


class Traits(NamedTuple):
    """An entry as it is compared with others.

    Attributes:
        words: stems of what it says, by which later entries find it.
        about: stems of the subject and of where it holds ("for staging"); empty without a value.
        shape: "time", "date", "number", "name" or "".
        measure: what the unit of the value measures, "" where that is not known.
        several: the value is one of several, or a list.
        indefinite: the subject is not the only one of its kind ("another port").
        counted: the subject is the unit of the value only ("5 retries").
        unit: the stem of the word behind a number.
        slot: the one thing about a person that it sets, or "".
        scope: of what it holds: "for free users", "of milestone 2".
        value: the value, "" where there is none.
    """

    words: frozenset[str]
    about: frozenset[str] = frozenset()
    shape: str = ""
    measure: str = ""
    several: bool = False
    indefinite: bool = False
    counted: bool = False
    unit: str = ""
    slot: str = ""
    scope: Scope = NO_SCOPE
    value: str = ""


def traits_of(kind: str, text: str, subject: str, value: str) -> Traits:
    """Return the traits of an entry."""
    name = slot(text) if kind not in {"rule", "decision"} else ""
    found = content(text) | content(subject) if subject else content(text)
    extra = [f"={name}"] if name else []
    if kind in CHOICES or (kind == "rule" and not forbids(text)):
        extra += [f"~{family}" for family in family_words(text)]
    words = frozenset([*(word for word in found if word[0] > "9" or word[0] < "0"), *extra])
    if not (value or subject) or kind not in VALUED:
        return Traits(words, slot=name, scope=scope_of(text, "", stem, valued=False))
    at = text.find(value) if value else -1
    before, behind = (text[:at], text[at + len(value) :]) if at >= 0 else ("", "")
    about = about_of(subject)
    scope = scope_of(before if at >= 0 else text, behind, stem, valued=True)
    if not about:
        return Traits(words, slot=name, shape=shape_of(value) if value else "", scope=scope)
    shape = shape_of(value) if value else ""
    place = before.lower().rfind(subject.lower())
    if place > 0 and (ordinal := _ORDINAL.search(before[:place])):
        about |= {ordinal.group(1).lower()}
    listed = _SEVERAL.match(behind)
    return Traits(
        words,
        about
        if words_of(text).isdisjoint(_PLACING)
        else about
        | (_places(before[:place], behind) if place >= 0 else _places("", behind))
        | (_inner_places(before[place + len(subject) :]) if place >= 0 else frozenset()),
        shape,
        _measure(value, before, behind) if shape in {"number", "name"} else "",
        several=listed is not None and shape_of(listed.group(1)) == shape != "name",
        indefinite=(place > 0 and _OPEN.search(before[:place]) is not None)
        or subject.lower().startswith(("another ", "one of ", "a ", "an ", "some ")),
        counted=place < 0 and behind.lower().lstrip().startswith(subject.lower()),
        unit=_unit(behind) if shape == "number" else "",
        slot=name,
        scope=scope,
        value=value,
    )


def shape_of(value: str) -> str:
    """Return the form of a value: "time", "date", "number" or "name"."""
    plain = value.strip("'\"")
    if plain.isdecimal():
        return "number"
    if _TIME.fullmatch(plain):
        return "time"
    if _DATE.search(plain):
        return "date"
    return "number" if _NUMBER.fullmatch(plain) else "name"


def form_of(value: str) -> str:
    """Return what a value is written with: "9" for numbers, "a-9" for "B-17"."""
    plain = value.strip("'\"").replace(",", "").replace(".", "")
    form = _DIGITS.sub("9", _LETTERS.sub("a", plain))
    return form if len(form) <= 4 else "mixed"


def unit_of(text: str, value: str) -> str:
    """Return what the unit behind a value measures, else the stem of the unit, "" without one."""
    at = text.find(value)
    if at < 0:
        return ""
    before, behind = text[:at], text[at + len(value) :]
    unit = _UNIT.match(behind)
    word = unit.group(1).lower() if unit and unit.group(1).lower() not in STOP else ""
    return _measure(value, before, behind) or stem(word)


def comparable_kinds(kind: str, other: str) -> bool:
    """Whether a statement of a kind can replace or contradict one of another kind."""
    return kind == other or other in _GROUPS.get(kind, ())


def comparable(one: Traits, other: Traits) -> bool:
    """Whether two values can be of one thing: no time for a date, and no hours for megabytes."""
    if one.measure and other.measure and one.measure != other.measure:
        return False
    if not one.shape or not other.shape:
        return True
    return one.shape == other.shape or {one.shape, other.shape} == {"number", "name"}


def same_subject(one: Traits, other: Traits, *, updates: bool) -> bool:
    """Whether two values are of one subject, in one place.

    Where the subject is only what is counted ("5 retries"), the rest must be about the same, too,
    unless one `updates` the other and says no more.
    """
    if apart_in_scope(one, other):
        return False
    if one.counted or other.counted:
        if one.unit != other.unit:
            return False
        units = {one.unit} | (one.about & other.about)
        mine, theirs = one.words - units, other.words - units
        if theirs and theirs < mine and not mine - theirs <= _CHANGES:
            return False  # a narrower case: "answers" and "answers about law"
        return mine == theirs or bool(mine & theirs) or (updates and mine <= _CHANGES)
    labels = {label for _, label in one.scope[1] & other.scope[1]}
    return one.about - labels == other.about - labels != frozenset()


def _unit(behind: str) -> str:
    found = _UNIT.match(behind)
    return stem(found.group(1)) if found else ""


def _places(before: str, behind: str) -> frozenset[str]:
    """Return stems of where or for what a value holds, from its clause outside the subject."""
    stop = _CLAUSE.search(behind)
    clause = behind[: stop.start()] if stop else behind
    found = set()
    for part in (before, clause):
        if not part or " " not in part.strip():
            continue
        for match in _WHERE.finditer(part):
            word = match.group(1).lower()
            if word not in STOP and word not in _ANYWHERE and not _DATE.search(word):
                found.add(stem(word))
    return frozenset(found)


def _inner_places(between: str) -> frozenset[str]:
    """Return stems of where a value holds from the words between its subject and itself.

    The word right before the value is a part of it: "on port 9000".
    """
    found = [m for m in _WHERE_ELSE.finditer(between) if between[m.end() :].strip()]
    return _stems_of_places(found)


def elsewhere(text: str, other: str) -> bool:
    """Whether a statement holds only for something of which the other says nothing."""
    if words_of(text).isdisjoint(_PLACING):
        return False
    named = content(other)
    found = _stems_of_places(_WHERE_ELSE.finditer(text))
    return not found <= named


def _stems_of_places(found: Iterable[re.Match[str]]) -> frozenset[str]:
    words = (match.group(1).lower() for match in found)
    return frozenset(
        stem(word)
        for word in words
        if not (word in STOP or word in _ANYWHERE or word in FAMILY or _DATE.search(word))
    )


def _measure(value: str, before: str, behind: str) -> str:
    if before[-1:] in "$€£¥" and before:
        return "money"
    if behind[:1] == "%":
        return "share"
    quantity = _QUANTITY.fullmatch(value)
    if quantity is None:
        return ""
    unit = quantity.group(1) or behind.lstrip()[:12].partition(" ")[0].strip(".,;:!?)")
    return _MEASURES.get(unit.lower(), "")


def apart_in_scope(one: Traits, other: Traits) -> bool:
    """Whether two values hold for different things: "for team A" and "for team B"."""
    return distinct(one.scope, other.scope, values=(one.value, other.value))


def apart(one: Traits, other: Traits) -> bool:
    """Whether two values have subjects that differ: "the price" and "the price for children"."""
    if apart_in_scope(one, other):
        return True
    return bool(one.about and other.about) and one.about != other.about


def replaces(kind: str, shared: int, mine: int, theirs: int) -> bool:
    """Return whether an update shares so many stems with a statement that it replaces it.

    Rules that differ in their object have most words in common, and are two rules.
    """
    if kind in {"preference", "decision", "correction"}:
        if kind == "correction" and shared == 1 < min(mine, theirs):
            return False
        return shared >= 0.5 * min(mine, theirs) and max(mine, theirs) - shared <= 2 + shared
    return (shared >= 2 or shared == mine == theirs) and shared >= 0.6 * max(mine, theirs)


def opposed(a: Any, b: str) -> bool:
    """Whether a statement that was read and another differ in a number, a negation or the like."""
    found = a.differences(_native.ReadText(b))
    return any(kind in {"number", "negation", "opposite", "unit"} for _, _, kind in found)

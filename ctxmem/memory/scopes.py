"""Of what a statement holds: "for free users", "of milestone 2", "for team A".

Values of two subjects whose scopes differ are values of two things, however alike the rest is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_TOKEN = re.compile(r"[^\W_]+(?:['’._-][^\W_]+)*|[,;:.!?()]")
_OPENS = frozenset(
    "for of in on at per under during inside für von im in bei pro pour de du des para del "
    "por per di della voor van".split()
)
"""Prepositions in front of what a value holds for."""
_ENDS = frozenset(
    "is are was were be been being has have had must should shall may might can could will "
    "would to from by until till before after than now currently instead moved changed set "
    "raised lowered goes went gets get needs need takes take remains stays equals means and "
    "or but because since so that which ist sind war wird auf bis est sont sera es son será è "
    "sono sarà é são sera zijn wordt only just with".split()
)
"""Words behind which a phrase is over."""
_ARTICLES = frozenset(
    "the a an my our your this that these those its their his her each every all any der die "
    "das dem den des ein eine einen einem einer mein meine unser unsere le la les l un une "
    "mon ma nos el los las una mi mis il lo gli i mio mia o os as um uma meu minha de het een "
    "mijn onze".split()
)
_NOWHERE = frozenset(
    "moment time future case fact general total order addition meantime end least most max "
    "sure once first last now then there here everything whole default average practice short "
    "once jetzt now zukunft plan plans mind".split()
)
"""Words behind a preposition that limit nothing."""
_LONGEST = 5  # words of a phrase
_LABELLED = (
    r"([^\W\d_]{2,})[ -](?:(?:no|nr|number)\.? ?)?"
    r"([A-Z]|\d{1,3}|[IVX]{1,4}|one|two|three|four|five|six|seven|eight|nine|ten)"
    r"(?=['’]s\b|[^\w.,/:%'’-]|[.,:;]?(?:\s|$))"
)
_LABEL = re.compile(_LABELLED)
_PLACED_LABEL = re.compile(
    r"\b(?<!go )(?<!going )(?<!opt )(?<!opted )(?:[Ff]or|[Ii]n|[Oo]n|[Aa]t) (?:the )?" + _LABELLED
)
_CODE = re.compile(r"\b([A-Za-z])(\d{1,2})\b")
_NO_NOUN = (
    _OPENS
    | _ENDS
    | _ARTICLES
    | frozenset(
        "most least about around roughly exactly over above below max maximum minimum up down "
        "not no more less between option".split()
    )
)

Scope = tuple[frozenset[str], frozenset[tuple[str, str]]]
"""Stems of the phrases that say of what a value holds, and the labels of nouns: ("team", "a")."""
NO_SCOPE: Scope = (frozenset(), frozenset())


def scope_of(before: str, behind: str, stem: Callable[[str], str], *, valued: bool) -> Scope:
    """Return the scope of a statement, from the text before its value and that behind it.

    Where no value is stated (`valued` is False), only labels behind a preposition are read: "we go
    with vendor A" chooses the label.

    >>> phrases, labels = scope_of("The limit for team A is ", " requests.", str, valued=True)
    >>> sorted(phrases), sorted(labels)
    (['a', 'team'], [('team', 'a')])
    """
    labels = {
        (stem(noun.lower()), label.lower())
        for noun, label in (_LABEL if valued else _PLACED_LABEL).findall(before)
        if noun.lower() not in _NO_NOUN
    }
    if not valued:
        return frozenset(), frozenset(labels)
    labels |= {(letter.lower(), number) for letter, number in _CODE.findall(before)}
    found = _phrases(before, numbers=True) | _phrases(behind, numbers=False)
    return frozenset(map(stem, found)), frozenset(labels)


def _phrases(text: str, *, numbers: bool) -> set[str]:
    """Return the words behind prepositions; a phrase ends at a verb or a sign."""
    words: set[str] = set()
    phrase: list[str] | None = None

    def close() -> None:
        if phrase and not all(word in _NOWHERE for word in phrase):
            words.update(phrase)

    for token in _TOKEN.findall(text):
        word = token.lower().removesuffix("'s").removesuffix("’s")
        if phrase and len(word) == 1 and word.isalpha():
            phrase.append(word)  # "part A"
        elif word in _OPENS:
            close()
            phrase = []
        elif phrase is None or (word in _ARTICLES and not phrase):
            continue
        elif word in _ENDS or not word[0].isalnum() or len(phrase) == _LONGEST:
            close()
            phrase = None
        elif numbers or not word[0].isdigit():
            phrase.append(word)
        else:
            close()
            phrase = None
    close()
    return words


def distinct(one: Scope, other: Scope, *, values: tuple[str, str] = ("", "")) -> bool:
    """Return whether two statements hold for different things.

    Each says something of what it holds for that the other does not, or a noun has another label
    in each. A label that is the value of the other ("budget 500 is now 700") is none.
    """
    phrases, labels = one
    theirs, others = other
    if phrases - theirs and theirs - phrases:
        return True
    said = {value.lower() for value in values}
    mine = {noun: label for noun, label in labels if label not in said}
    return any(
        noun in mine and mine[noun] != label and (noun, mine[noun]) not in others
        for noun, label in others
        if label not in said
    )

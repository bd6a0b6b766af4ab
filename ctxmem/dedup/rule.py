"""The rule of difference: what makes two near-duplicates say different things.

See csrc/core/dedup/difference.hpp for the method, and csrc/core/difference_words/ for the words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

from ctxmem import _native
from ctxmem.errors import InputTypeError

DifferenceKind = Literal[
    "number",
    "negation",
    "modal",
    "condition",
    "quantifier",
    "month",
    "weekday",
    "unit",
    "opposite",
    "symbol",
    "operator",
    "identifier",
]

_SHOWN = 5  # words of a kind that a sentence about two texts names


class Difference(NamedTuple):
    """What is at the same place of two texts and makes them say different things.

    a     the words in the first text, as written there; "" where the second has something more
    b     the words in the second text
    kind  number, negation, modal, condition, quantifier, month, weekday, unit, opposite, symbol,
          operator or identifier
    """

    a: str
    b: str
    kind: DifferenceKind


def differences(a: str, b: str) -> list[Difference]:
    """Return what makes two near-duplicates say different things, in text order.

    An empty list means that they say the same, or differ in wording only: synonyms, an adjective
    more, sentences in another order. `pack` and the other functions that fold near-duplicates ask
    this one rule. It knows numbers with sign, unit and currency, identifiers and versions,
    operators, ticks, every word of data and code (records, tables, logs, quotations), and the words
    that turn a statement round in English, German, French, Spanish, Italian, Portuguese, Dutch,
    Polish, Russian, Arabic, Hindi, Chinese, Japanese and Korean.
    Case, layout, quotes, dashes, Unicode forms and hyphenation are no difference. In doubt the
    texts differ, since what is folded is not read.

    The texts are aligned word by word, in time about linear in near-duplicates; texts with more
    than 512 differing words are compared without their order.

    Args:
        a: One text.
        b: A near-duplicate of it; of texts about different things the rule says little.

    Raises:
        InputTypeError: If one of the two is not a str.

    >>> differences("The fee of 5 mg may apply.", "The fee of 5 g must apply.")
    [Difference(a='5 mg', b='5 g', kind='number'), Difference(a='may', b='must', kind='modal')]
    >>> differences("It isn't due by 1,200 days.", "it is not due by 1200 days")
    []
    """
    for text in (a, b):
        if not isinstance(text, str):
            raise InputTypeError(f"a text is of type {type(text).__name__}; expected str")
    found = _native.ReadText(a).differences(_native.ReadText(b))
    return [Difference(one, other, cast(DifferenceKind, kind)) for one, other, kind in found]


def difference(text: str, other: str) -> str:
    """Say in which words a text differs from another, what makes them differ first.

    >>> difference("Due within 45 days of receipt.", "Due within 30 days after receipt.")
    "differs in '45', 'of', where that has '30', 'after'"
    """
    new, lost = _new_and_lost(text, other)
    if not new and lost:
        return f"lacks {_quote(lost)}, which that has"
    if new and not lost:
        return f"has {_quote(new)} beyond that"
    if new:
        return f"differs in {_quote(new)}, where that has {_quote(lost)}"
    return f"differs only in {_same_words(text, other)}"


def contrast(text: str, other: str, mine: str, theirs: str) -> str:
    """Say in which words two texts differ, as a sentence in which both have names.

    >>> contrast("Due within 45 days.", "Due within 30 days.", "the first", "the second")
    "the first has '45' where the second has '30'"
    """
    new, lost = _new_and_lost(text, other)
    if not new and lost:
        return f"{theirs} has {_quote(lost)}, which {mine} has not"
    if new and not lost:
        return f"{mine} has {_quote(new)}, which {theirs} has not"
    if new:
        return f"{mine} has {_quote(new)} where {theirs} has {_quote(lost)}"
    return f"{mine} and {theirs} differ only in {_same_words(text, other)}"


def _same_words(text: str, other: str) -> str:
    """Return in what two texts of the same words can differ."""
    mine, theirs = (re.findall(r"\w+", one.casefold()) for one in (text, other))
    return "capitals, punctuation or layout" if mine == theirs else "order or layout"


def _new_and_lost(text: str, other: str) -> tuple[list[str], list[str]]:
    """Return the words that one text has and another has not, and the other way round.

    What makes them differ is first.
    """
    found = _native.ReadText(text).differences(_native.ReadText(other), wording=True)
    found.sort(key=lambda change: change[2] == "wording")
    if not found:  # the words of the same meaning, such as "supplier" and "provider"
        return _without(text, other), _without(other, text)
    return [mine for mine, _, _ in found if mine], [theirs for _, theirs, _ in found if theirs]


def _without(text: str, other: str) -> list[str]:
    """Return the words of one text that another has not, or not as often."""
    left = Counter(re.findall(r"\w+", other.casefold()))
    words = []
    for word in re.findall(r"\w+", text):
        left[word.casefold()] -= 1
        if left[word.casefold()] < 0:
            words.append(word)
    return words


def folded_although(text: str, other: str, threshold: float) -> str:
    """Say that two texts are folded at a threshold that the caller gave, and what that hides.

    >>> folded_although("Due within 45 days.", "Due within 30 days.", 0.5)
    "folded at 0.5 although the two differ: '45' / '30'"
    >>> folded_although("Due in 30 days.", "Due in 30 days, sir.", 0.5)
    "folded at 0.5, lacks 'sir', which that has"
    """
    if threshold > 1:  # folded by another rule: no two texts share more than all
        return difference(text, other)
    found = differences(text, other)
    if not found:
        return f"folded at {threshold:g}, {difference(text, other)}"
    shown = ", ".join(f"{one.a!r} / {one.b!r}" for one in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"folded at {threshold:g} although the two differ: {shown}{more}"


def _quote(words: Sequence[str]) -> str:
    shown = ", ".join(repr(word) for word in words[:_SHOWN])
    return shown + (f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else "")

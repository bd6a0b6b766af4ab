"""Whether an answer is right: the same text, contained, most of its words, or by a judge.

Texts are compared without case, punctuation, accents of compatibility forms and English articles,
as SQuAD does it (P. Rajpurkar et al. 2016, SQuAD: 100,000+ questions for machine comprehension of
text). Text without spaces between words (Chinese, Japanese, Thai) is compared by its letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

from ctxmem.blaming.quantities import in_one_form
from ctxmem.dedup import differences

Judge = Callable[[str, "str | list[str] | None", str], "float | bool"]
"""A function of question, expected answer (None where there is none) and answer."""

MATCHES = ("auto", "exact", "contained", "f1")
"""Ways of comparing: `auto` is exact, or contained, or for long answers most of the words."""

F1 = 0.6
"""Share of common words from which an answer is right."""

_KEPT_LENGTH = 1000  # characters of texts whose words are kept, so that memory has a bound
_LONG = 3  # words from which an expected answer may be said in other words
_ARTICLES = frozenset(("a", "an", "the"))
_YES = "yes true ja oui si sí sim 是 はい".split()
_NO = "no false nein non não 否 いいえ".split()
_POLAR = frozenset((*_YES, *_NO, "none", "unknown"))
_SAID = "|".join((*_YES, *_NO))
_OPENING = re.compile(
    # At the start of a sentence, or alone: "there is no fee" is not the answer "no".
    rf"(?:(?:^|[.:,;!?\n])[\W_]*({_SAID})\b(?! (?:information|mention|answer|evidence|details?)\b)"
    rf"|\b({_SAID})(?=[*_\"']*\s*(?:[.,;:!?\u3002\u3001\n]|$)))"
)
_ABSTAINS = re.compile(
    r"(?:do not|don['\u2019]t|does not|doesn['\u2019]t|can ?not|can['\u2019]t|could not|unable to) "
    r"(?:\w+ )?(?:know|say|tell|answer|determine|find|mention|specify|provide|contain)"
    r"|not (?:sure|mentioned|specified|stated|clear)|unclear|no (?:information|mention|answer)"
)
_TOKENS = re.compile(
    # Letters of scripts without spaces one by one; numbers with their sign, points and commas.
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
    r"|(?<![\w.])[-\u2212]?\d+(?:[.,]\d+)*|[^\W\d_\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+|\d+"
)


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text as they are compared.

    Numbers, units, times and dates are in one form.

    >>> words("The Notice is 1,500.50 days; co-signed.")
    ('notice', 'is', '1500.50', 'day', 'co', 'signed')
    >>> words("返金は30日")
    ('返', '金', 'は', '30', '日')
    """
    return _kept_words(text) if len(text) <= _KEPT_LENGTH else _words(text)


def _words(text: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKC", text).replace("\u2212", "-")
    folded = in_one_form(plain).casefold()
    found = (_plain(match[0]) for match in _TOKENS.finditer(folded))
    return tuple(word for word in found if word not in _ARTICLES)


_kept_words = lru_cache(maxsize=8192)(_words)


def _plain(token: str) -> str:
    """Return a number without the commas of its thousands."""
    return re.sub(r",(?=\d{3}(?:\D|$))", "", token) if token[-1].isdigit() else token


def contains(text: str, part: str) -> bool:
    """Return whether the words of `part` follow one another in `text`.

    >>> contains("It takes 30 days.", "30 days"), contains("It takes 130 days.", "30 days")
    (True, False)
    >>> contains("It takes thirty days.", "30 days")
    True
    """
    inner = words(part)
    return bool(inner) and f" {' '.join(inner)} " in f" {' '.join(words(text))} "


def f1(answer: str, expected: str) -> float:
    """Return the harmonic mean of precision and recall of the words.

    >>> round(f1("paid in thirty days", "within thirty days"), 2)
    0.57
    """
    mine, theirs = words(answer), words(expected)
    common = sum((Counter(mine) & Counter(theirs)).values())
    return 2 * common / (len(mine) + len(theirs)) if common else 0.0


def is_right(
    answer: str, expected: Sequence[str], *, match: str = "auto", threshold: float = F1
) -> bool:
    """Return whether an answer is one of the expected ones.

    By words in common, each number of the expected answer must be in the answer, and what
    `ctxmem.differences` finds missing or turned round makes it wrong.

    >>> is_right("That is 30 days.", ["30 days"]), is_right("45 days", ["30 days"])
    (True, False)
    >>> is_right("45 days", ["30 days"], match="f1", threshold=0.5)
    False
    """
    return any(_is_one(answer, one, match, threshold) for one in expected)


def _is_one(answer: str, expected: str, match: str, threshold: float) -> bool:
    wanted, said = words(expected), words(answer)
    if not wanted:  # nothing but punctuation: only the text itself is the same
        return answer.strip() == expected.strip() != ""
    if said == wanted:
        return True
    if match == "exact":
        return False
    if is_polar(expected):
        return polarity(answer) == polarity(expected)
    if match in ("auto", "contained") and contains(answer, expected):
        return True
    if match == "contained" or (match == "auto" and len(wanted) < _LONG):
        return False
    numbers = {word for word in wanted if any(map(str.isdigit, word))}
    close = numbers <= set(said) and f1(answer, expected) >= threshold
    return close and not _contradicts(answer, expected)


def is_polar(expected: str) -> bool:
    """Return whether an expected answer is yes or no and nothing else."""
    said = words(expected)
    return len(said) == 1 and said[0] in (*_YES, *_NO)


def polarity(answer: str) -> bool | None:
    """Return whether an answer says yes or no first, None if it says neither.

    >>> polarity("No, they stay on deck."), polarity("There is no fee for it.")
    (False, None)
    """
    found = _OPENING.search(unicodedata.normalize("NFKC", answer).casefold())
    return None if found is None else (found[1] or found[2]) in _YES


def may_be_either(answer: str, expected: Sequence[str]) -> bool:
    """Return whether yes or no is expected, and the answer says something else about it.

    "Dogs stay on deck" may be a no, and no comparison of words can tell. An answer that says that
    it does not know is wrong.
    """
    return (
        bool(expected)
        and all(map(is_polar, expected))
        and polarity(answer) is None
        and _ABSTAINS.search(answer.casefold()) is None
    )


def _contradicts(answer: str, expected: str) -> bool:
    """Return whether an answer says another number, month or quantity, or turns the sense round.

    What it says besides, such as a second number, is no contradiction.
    """
    return any(
        found.b.strip() or found.kind == "negation"
        for found in differences(in_one_form(answer), in_one_form(expected))
    )


def can_be_found(expected: Sequence[str]) -> bool:
    """Return whether an expected answer is enough to look for in passages: "yes" does not."""
    return any(set(words(one)) - _POLAR for one in expected)


def verdict_of_judge(value: object) -> bool:
    """Return what a judge means: True and numbers from one half on are right.

    Raises:
        ValueError: neither a truth value nor a number from 0 to 1.
    """
    if isinstance(value, bool):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, str) or not 0 <= number <= 1:
        said = repr(value)[:80]
        raise ValueError(f"the judge returned {said}; expected a bool or a number from 0 to 1")
    return number >= 0.5

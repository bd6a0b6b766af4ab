"""Near-duplicates: which texts say the same again.

Redundancy is text containment: texts are compared as sets of shingles (n words or characters in a
row), exactly, in the native core. See csrc/core/setjoin.hpp for the method, and shingles.hpp for
what becomes of short, wordless and spaceless text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from ctxmem import _native
from ctxmem.errors import InputError, InputTypeError

Measure = Literal["jaccard", "containment"]
Unit = Literal["word", "char"]

_MOST_WORDS = 2**31 - 1  # no text has more, so a longer n-gram compares whole texts as well


def find_near_duplicates(
    texts: Iterable[str],
    threshold: float = 0.5,
    *,
    ngram: int = 3,
    measure: Measure = "jaccard",
    unit: Unit = "word",
) -> list[list[int]]:
    """Group the texts that repeat one another; return lists of indices into `texts`.

    A group is a star: its longest text (the first of them, if several are as long) is the
    representative, and every other member is within the threshold of *it*, so similarity does not
    chain from text to text. Longer texts choose first. Each group has two members or more and is
    sorted, and groups are sorted by their first member; a text is in one group at most.

    The result is exact: no pair is missed, as sketches miss some, and none is estimated.

    Args:
        texts: The texts to compare; words are compared in lower case and without punctuation.
        threshold: The least similarity of a member to its representative, above 0 and at most 1.
            Edited copies of a passage are at about .5; .3 finds heavily edited ones too.
        ngram: How many words (or characters) in a row make a shingle. Two texts of fewer words are
            near-duplicates if their words are the same.
        measure: "jaccard", shared shingles among all shingles of both; or "containment", shared
            shingles among those of the smaller one, for texts cut from others.
        unit: "word", or "char" for text with broken words (OCR, typing errors).

    Raises:
        InputTypeError: If `texts` is one string, or not all of them are strings.
        InputError: If an option is out of range.

    >>> find_near_duplicates(
    ...     [
    ...         "The meter is read on the first day of every month.",
    ...         "Refunds are paid within thirty days.",
    ...         "the meter is read on the first day of every month",
    ...     ]
    ... )
    [[0, 2]]
    """
    listed = _list_of_texts(texts)
    threshold, ngram = _threshold(threshold), _ngram(ngram)
    containment = _choice("measure", measure, ("jaccard", "containment")) == "containment"
    characters = _choice("unit", unit, ("word", "char")) == "char"
    lengths = np.fromiter(map(len, listed), np.float64, len(listed))
    representative, _ = _native.near_duplicate_stars(
        listed, lengths, threshold, ngram, characters, containment
    )
    repeated = np.bincount(representative, minlength=len(listed))[representative] > 1
    members = np.flatnonzero(repeated)
    groups: dict[int, list[int]] = {}
    for member, centre in zip(members.tolist(), representative[members].tolist(), strict=True):
        groups.setdefault(centre, []).append(member)
    return list(groups.values())


def _list_of_texts(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, (str, bytes)):
        raise InputTypeError(
            f"texts is one {type(texts).__name__}; expected several strings; put it into a list"
        )
    try:
        listed = list(texts)
    except TypeError:
        raise InputTypeError(
            f"texts is of type {type(texts).__name__}; expected a list of strings"
        ) from None
    if set(map(type, listed)) - {str}:
        for index, text in enumerate(listed):
            if not isinstance(text, str):
                raise InputTypeError(
                    f"texts[{index}] is of type {type(text).__name__}; expected str; "
                    "pass the text of the chunk, or decode the bytes"
                )
    return listed


def _threshold(threshold: float) -> float:
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float, np.number)):
        raise InputTypeError(
            f"threshold is of type {type(threshold).__name__}; "
            "expected a number above 0 and at most 1, such as 0.5"
        )
    value = float(threshold)
    if not 0.0 < value <= 1.0:
        raise InputError(
            f"threshold is {threshold!r}; expected a similarity above 0 and at most 1, such as 0.5"
        )
    return value


def _ngram(ngram: int) -> int:
    if isinstance(ngram, bool) or not isinstance(ngram, (int, np.integer)):
        raise InputTypeError(
            f"ngram is of type {type(ngram).__name__}; expected a whole number, such as 3"
        )
    if ngram < 1:
        raise InputError(f"ngram is {ngram}; expected at least 1, such as 3")
    return min(int(ngram), _MOST_WORDS)


def _choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        expected = " or ".join(repr(choice) for choice in choices)
        raise InputError(f"{name} is {value!r}; expected {expected}")
    return value

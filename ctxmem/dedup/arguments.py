"""What the functions of near-duplicates take: the types of their options, and their checks.

A check returns the argument as the native core takes it, or raises an error that says what was
given, what was expected and what to do.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from ctxmem.errors import InputError, InputTypeError, refuse_table

Measure = Literal["jaccard", "containment"]
Unit = Literal["word", "char"]
Method = Literal["exact", "sketch"]
Prefer = Literal["longest", "first"]

PERMUTATIONS = 128
"""Places of a MinHash signature; more find the same pairs with fewer comparisons."""

_MOST_THREADS = 1024
_MOST_WORDS = 2**31 - 1  # no text has more, so a longer n-gram compares whole texts as well


def check_texts(texts: Iterable[str]) -> list[str]:
    """Return the texts as a list, if all are str."""
    refuse_table(texts, "texts", texts=True)
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


def check_ids(ids: Iterable[str | int]) -> list[str | int]:
    """Return the ids as a list, if each is a str or an int and given once."""
    refuse_table(ids, "ids", texts=True)
    if isinstance(ids, (str, bytes)):
        raise InputTypeError(
            f"ids is one {type(ids).__name__}; expected one id for each text; put it into a list"
        )
    named = list(ids)
    for index, id in enumerate(named):
        if isinstance(id, bool) or not isinstance(id, (str, int)):
            raise InputTypeError(
                f"ids[{index}] is of type {type(id).__name__}; expected str or int"
            )
    if len(set(named)) != len(named):
        twice, _ = Counter(named).most_common(1)[0]
        raise InputError(f"id {twice!r} is given twice; expected each id once")
    return named


def check_threshold(threshold: float) -> float:
    """Return the threshold, a similarity above 0 and at most 1."""
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


def check_ngram(ngram: int) -> int:
    """Return how many words or characters in a row make a shingle."""
    if isinstance(ngram, bool) or not isinstance(ngram, (int, np.integer)):
        raise InputTypeError(
            f"ngram is of type {type(ngram).__name__}; expected a whole number, such as 3"
        )
    if ngram < 1:
        raise InputError(f"ngram is {ngram}; expected at least 1, such as 3")
    return min(int(ngram), _MOST_WORDS)


def check_threads(threads: int) -> int:
    """Return how many threads may work."""
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)):
        raise InputTypeError(
            f"threads is of type {type(threads).__name__}; expected a whole number, such as 2"
        )
    if not 1 <= threads <= _MOST_THREADS:
        raise InputError(f"threads is {threads}; expected 1 to {_MOST_THREADS}, such as 2")
    return int(threads)


def check_seed(seed: int) -> int:
    """Return the seed of the hash functions, 64 bits."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise InputError(f"seed is {seed!r}; expected a whole number from 0 to 2**64 - 1")
    return int(seed)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Return the value of the option of this name, if it is one of the choices."""
    if value not in choices:
        expected = " or ".join(repr(choice) for choice in choices)
        raise InputError(f"{name} is {value!r}; expected {expected}")
    return value


def digest_of(texts: Sequence[str]) -> bytes:
    """Return 16 bytes made from the texts: the key of the hashes that compare them.

    The digest is cryptographic, so nobody can choose texts to fit the key that they result in; and
    a search that stops at a certain cost stops at the same place in every process.
    """
    digest = hashlib.blake2b(digest_size=16)
    for begin in range(0, len(texts), 1000):
        digest.update("\0".join(texts[begin : begin + 1000]).encode("utf-8", "surrogatepass"))
    return digest.digest()

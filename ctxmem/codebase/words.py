"""Words of code: identifiers, split at underscores and capitals, and the words of comments."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

IDENTIFIER = re.compile(r"[^\W\d]\w*|\d+")
PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\da-zA-Z_]+")

COMMON = frozenset(
    """a an and are as at be by for from has have if in into is it its of on or that the their this
    to was were will with which when who what how where do does not can return returns given
    def self cls none true false import class function const let var new public private static void
    int str""".split()
)
"""Words that say nothing about what is asked, of English and of the grammar of languages."""

LONGEST = 64
"""Characters of an identifier that is split; longer ones are data."""


def terms(text: str) -> Counter[str]:
    """Return the words of a text and how often each is in it.

    An identifier counts as itself and as its parts, with the ends of inflected words taken off.

    >>> sorted(terms("def parse_headers(rawBytes)"))
    ['byte', 'header', 'parse', 'parse_headers', 'raw', 'rawbytes']
    """
    found: Counter[str] = Counter()
    for identifier, count in Counter(IDENTIFIER.findall(text)).items():
        for term in split(identifier):
            found[term] += count
    return found


@lru_cache(maxsize=1 << 16)
def split(identifier: str) -> tuple[str, ...]:
    """Return the terms of an identifier: its parts and, if it has several, itself."""
    if len(identifier) > LONGEST:
        return ()
    parts = PARTS.findall(identifier)
    found = [stem(part.lower()) for part in parts]
    if len(parts) > 1:
        found.append(identifier.strip("_").lower())
    return tuple(term for term in found if term not in COMMON and (len(term) > 1 or term.isdigit()))


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """Return a word without the usual English endings.

    >>> [stem(word) for word in ("parses", "parsed", "parsing", "class", "bodies")]
    ['parse', 'parse', 'parse', 'class', 'body']
    """
    if len(word) <= 3 or not word.isascii():
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        root = word[: -len(ending)]
        if word.endswith(ending) and len(root) >= 3 and re.search("[aeiouy]", root):
            if root[-1] == root[-2] and root[-1] not in "ls":
                return root[:-1]
            return root + "e" if re.search(r"[^aeiouy][aeiouy][^aeiouywx]$|[csvz]$", root) else root
    return word

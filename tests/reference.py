"""Slow twins of the native functions that read a text: its characters, words and tokens.

A slow twin is a plain implementation that a property test compares with the native one. The modules
`reference_*` hold the slow twins of the other parts of the core.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from ctxmem import _testing


@cache
def char_classes() -> list[int]:
    """Return the class of every character: 1 to 5 in a word, plus 8 in a script without spaces."""
    return _testing.char_classes().tolist()


def repaired(text: str) -> str:
    """Return the text as the native core reads it: lone surrogates become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def lower_char(char: str) -> str:
    """Return the lower case of a character, unchanged if it has more than one character."""
    return char.lower() if len(char.lower()) == 1 else char


def split_words(text: str) -> list[str]:
    """Return the lower-cased words; each letter of a spaceless script is one, with its marks."""
    words: list[str] = []
    inside = spaceless = False
    for char in repaired(text):
        bits = char_classes()[ord(char)]
        if not 1 <= bits & 7 <= 5:
            inside = spaceless = False
            continue
        alone = bool(bits & 8)
        if not inside or alone or (spaceless and bits & 7 != 4):
            words.append("")
            spaceless = False
        words[-1] += lower_char(char)
        inside = True
        spaceless = spaceless or alone
    return words


def split_characters(text: str) -> list[str]:
    """Return the lower-cased characters of the words, a space where something separated them."""
    marked = [
        lower_char(c) if 1 <= char_classes()[ord(c)] & 7 <= 5 else " " for c in repaired(text)
    ]
    return list(" ".join("".join(marked).split()))


def byte_pairs(piece: bytes, ranks: Mapping[bytes, int]) -> list[bytes]:
    """Merge the adjacent pair of lowest rank, the leftmost first, until no pair is a token."""
    if piece in ranks:
        return [piece]
    parts = [piece[i : i + 1] for i in range(len(piece))]
    while True:
        pairs = [
            (ranks[left + right], i)
            for i, (left, right) in enumerate(pairwise(parts))
            if left + right in ranks
        ]
        if not pairs:
            return parts
        _, i = min(pairs)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def load_generator(name: str) -> ModuleType:
    """Return a generator script of csrc/core as a module."""
    core = Path(__file__).resolve().parent.parent / "csrc/core"
    folder = str(next(core.glob(f"*/{name}.py")).parent)
    sys.path.insert(0, folder)  # a generator imports its siblings by name, as it does as a script
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


# Corpus


def unit_bodies(
    texts: Sequence[str], first: Sequence[int], start: Sequence[int], end: Sequence[int]
) -> list[tuple[int, int, bool]]:
    """Return start and end of each unit without white space, and if a line break follows."""
    found = []
    for t, text in enumerate(texts):
        for u in range(first[t], first[t + 1]):
            unit = text[start[u] : end[u]]
            body = unit.rstrip()
            broken = unit.find("\n", len(body)) >= 0
            stop = start[u] + len(body)
            found.append((stop - len(body.lstrip()), stop, broken))
    return found

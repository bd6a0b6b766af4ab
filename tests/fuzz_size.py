"""How many random cases the slow lane tries: so many that it ends in half an hour.

With the reference libraries it compares a twentieth of the texts, and of the code points above the
first 12,544 every 61st; of random texts, windows, histories, requests and kills it tries a part.
All of them are tried with CTXMEM_FUZZ=all, which takes hours.
"""

from __future__ import annotations

import os

ALL = os.environ.get("CTXMEM_FUZZ") == "all"


def many(texts: int) -> int:
    """Return how many of so many texts are compared."""
    return texts if ALL else texts // 20


def some(cases: int, of: int = 3) -> int:
    """Return how many of so many random cases are tried: one of `of`."""
    return cases if ALL else cases // of


def code_points() -> list[str]:
    """Return the characters that are compared, surrogates left out."""
    found = range(0x110000) if ALL else (*range(0x3100), *range(0x3100, 0x110000, 61))
    return [chr(c) for c in found if not 0xD800 <= c < 0xE000]

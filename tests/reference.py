"""Slow twins of the native core: the oracles of the property tests."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from itertools import pairwise

import numpy as np

from ctxmem import _native

# near-duplicates


@cache
def _classes() -> list[int]:
    return _native.char_classes().tolist()


def repaired(text: str) -> str:
    """Return the text as the native core reads it: lone surrogates become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _lower(char: str) -> str:
    return char.lower() if len(char.lower()) == 1 else char


def split_words(text: str) -> list[str]:
    """Return the lower-cased words; a letter of a spaceless script is one, with its marks."""
    words: list[str] = []
    inside = spaceless = False
    for char in repaired(text):
        bits = _classes()[ord(char)]
        if not 1 <= bits & 7 <= 5:
            inside = spaceless = False
            continue
        alone = bool(bits & 8)
        if not inside or alone or (spaceless and bits & 7 != 4):
            words.append("")
            spaceless = False
        words[-1] += _lower(char)
        inside = True
        spaceless = spaceless or alone
    return words


def split_characters(text: str) -> list[str]:
    """Return the lower-cased characters of the words, a space where something separated them."""
    marked = [_lower(c) if 1 <= _classes()[ord(c)] & 7 <= 5 else " " for c in repaired(text)]
    return list(" ".join("".join(marked).split()))


def shingle_set(text: str, ngram: int, *, characters: bool = False) -> frozenset[Hashable]:
    """Return what stands for the text when it is compared."""
    units = split_characters(text) if characters else split_words(text)
    if not units:
        return frozenset([("bytes", repaired(text))])
    if len(units) < ngram:
        return frozenset([("short", *units)])
    return frozenset(tuple(units[i : i + ngram]) for i in range(len(units) - ngram + 1))


def similarity(a: frozenset[Hashable], b: frozenset[Hashable], *, containment: bool) -> float:
    """Return Jaccard similarity or containment."""
    shared = len(a & b)
    return shared / (min(len(a), len(b)) if containment else len(a) + len(b) - shared)


def near_duplicate_pairs(
    texts: Sequence[str],
    threshold: float,
    ngram: int,
    *,
    characters: bool = False,
    containment: bool = False,
) -> list[tuple[int, int, float]]:
    """Compare every text with every other; texts of one set are paired with the first of them."""
    sets = [shingle_set(text, ngram, characters=characters) for text in texts]
    first = [sets.index(one) for one in sets]
    pairs = []
    for i in range(len(texts)):
        if first[i] != i:
            continue
        for j in range(i + 1, len(texts)):
            if first[j] not in (i, j):
                continue
            found = similarity(sets[i], sets[j], containment=containment)
            if found >= threshold:
                pairs.append((i, j, found))
    return pairs


def near_duplicate_stars(
    texts: Sequence[str],
    priority: Sequence[float],
    threshold: float,
    ngram: int,
    *,
    characters: bool = False,
    containment: bool = False,
) -> list[tuple[int, float]]:
    """Let each text, by descending priority, take what is free and within the threshold."""
    sets = [shingle_set(text, ngram, characters=characters) for text in texts]
    taken: dict[int, tuple[int, float]] = {}
    for i in sorted(range(len(texts)), key=lambda i: (-priority[i], i)):
        if i in taken:
            continue
        taken[i] = (i, 1.0)
        for j in range(len(texts)):
            found = similarity(sets[i], sets[j], containment=containment)
            if j not in taken and found >= threshold:
                taken[j] = (i, found)
    return [taken[i] for i in range(len(texts))]


def text_overlaps(
    texts: Sequence[str], source: Sequence[int], min_chars: int
) -> list[tuple[int, int, int]]:
    """Try every text against every other of its source, at every offset."""
    whole = [repaired(text) for text in texts]
    rows: dict[int, tuple[int, int, int]] = {}
    free: list[int] = []
    for right, text in enumerate(whole):
        peers = [i for i in range(len(whole)) if source[i] == source[right]]
        if len(text) < min_chars:
            continue
        same = [i for i in peers if i < right and whole[i] == text]
        holders = [i for i in peers if len(whole[i]) > len(text) and text in whole[i]]
        if same:
            rows[right] = (same[0], right, 0)
        elif holders:
            left = max(holders, key=lambda i: (len(whole[i]), -i))
            rows[right] = (left, right, whole[left].index(text))
        else:
            free.append(right)
    for right in free:
        best = (0, 0, 0)  # overlap, -left, offset
        for left in free:
            if left == right or source[left] != source[right]:
                continue
            for offset in range(1, len(whole[left]) - min_chars + 1):
                end = whole[left][offset:]
                if whole[right].startswith(end):
                    best = max(best, (len(end), -left, offset))
                    break
        if best[0]:
            rows[right] = (-best[1], right, best[2])
    return sorted(rows.values())


def as_rows(*columns: np.ndarray) -> list[tuple[float, ...]]:
    """Return the arrays of a native result as a list of tuples."""
    return list(zip(*(column.tolist() for column in columns), strict=True))


# value


def bm25(texts: Sequence[str], queries: Sequence[str]) -> list[list[float]]:
    """Return Okapi BM25 with k1 = 1.2 and b = .75 of every text against every query."""
    split = [split_words(text) for text in texts]
    mean = sum(map(len, split)) / len(split) or 1

    def score(document: list[str], query: str) -> float:
        total = 0.0
        for word in set(split_words(query)):
            df = sum(word in other for other in split)
            idf = math.log(1 + (len(split) - df + 0.5) / (df + 0.5))
            f = document.count(word)
            total += idf * f * 2.2 / (f + 1.2 * (0.25 + 0.75 * len(document) / mean))
        return total

    return [[score(document, query) for query in queries] for document in split]


# solver


def best_packing(
    classes: Sequence[Sequence[tuple[int, int]]], mandatory: Sequence[bool], budget: int
) -> int | None:
    """Return the most value of one (tokens, value) option per class, or None if nothing fits."""
    best: int | None = None
    choices = [
        [*options, *([] if must else [(0, 0)])]
        for options, must in zip(classes, mandatory, strict=True)
    ]
    for chosen in itertools.product(*choices):
        if sum(tokens for tokens, _ in chosen) <= budget:
            value = sum(value for _, value in chosen)
            best = value if best is None else max(best, value)
    return best


# tokens


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

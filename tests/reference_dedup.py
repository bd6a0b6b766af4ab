"""Slow twins of the native search for near-duplicates and for shared text."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations, groupby

import numpy as np
from reference import repaired, split_characters, split_words


def shingle_set(text: str, ngram: int, *, characters: bool = False) -> frozenset[Hashable]:
    """Return the set of shingles by which a text is compared."""
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
    """Compare every text with every other; texts of one set are paired with the first text only."""
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


def near_duplicate_groups(
    texts: Sequence[str],
    priority: Sequence[float],
    threshold: float,
    ngram: int,
    *,
    characters: bool = False,
    containment: bool = False,
) -> list[tuple[int, float]]:
    """Return each text's representative and its similarity to it.

    Texts are processed by descending priority. A text that has no representative yet represents
    itself, and all texts within the threshold that have none.
    """
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


def share_shingles(texts: Sequence[str], group: Sequence[int], ngram: int) -> list[bool]:
    """Return for each text whether two texts of its run of equal numbers share a shingle."""
    sets = [shingle_set(text, ngram) for text in texts]
    found: list[bool] = []
    for _, run in groupby(range(len(texts)), key=lambda i: group[i]):
        members = list(run)
        shared = any(sets[i] & sets[j] for i, j in combinations(members, 2))
        found += [shared] * len(members)
    return found


def text_overlaps(
    texts: Sequence[str], source: Sequence[int], min_chars: int
) -> list[tuple[int, int, int]]:
    """Compare every text with every other text of its source, at every offset."""
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


def minhash(hashes: Sequence[int], permutations: int, seed: int) -> list[int]:
    """Return the minimum of each function a x + b, whose a and b SplitMix64 draws from the seed."""
    least = []
    for _ in range(permutations):
        seed = (seed + 0x9E3779B97F4A7C15) % 2**64
        z = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        z ^= z >> 31
        a, b = z % 2**32 | 1, z >> 32
        least.append(min(((a * (h >> 32) + b) % 2**32 for h in hashes), default=2**32 - 1))
    return least


def as_rows(*columns: np.ndarray) -> list[tuple[float, ...]]:
    """Return the arrays of a native result as a list of tuples."""
    return list(zip(*(column.tolist() for column in columns), strict=True))

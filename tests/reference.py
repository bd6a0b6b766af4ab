"""Slow twins: the definitions that the native core is held against, as plainly as can be."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

# tokens -------------------------------------------------------------------------------------------


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

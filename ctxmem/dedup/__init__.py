"""Find what repeats: the same text, near-duplicates, text that neighbours share.

rule        what makes two near-duplicates say different things
near        groups of near-duplicate texts, and an index of them
passages    repeats and versions among the passages of one pack
overlaps    text that one passage has from another
embeddings  groups of close embeddings, when asked for
"""

from ctxmem.dedup.near import DedupIndex, Group, Match, find_near_duplicates, minhash
from ctxmem.dedup.overlaps import Overlap, overlaps
from ctxmem.dedup.passages import (
    check_dedup,
    find_repeats,
    group,
    group_similar,
)
from ctxmem.dedup.rule import (
    Difference,
    difference,
    differences,
    folded_although,
)

__all__ = [
    "DedupIndex",
    "Difference",
    "Group",
    "Match",
    "Overlap",
    "check_dedup",
    "difference",
    "differences",
    "find_near_duplicates",
    "find_repeats",
    "folded_although",
    "group",
    "group_similar",
    "minhash",
    "overlaps",
]

"""Find what repeats: the same text, near-duplicates, text that neighbours share.

near        groups of near-duplicate texts, and an index of them
passages    repeats and versions among the passages of one pack
overlaps    text that one passage has from another
segments    stretches of text that neighbours of one source share
embeddings  groups of close embeddings, when asked for
"""

from ctxmem.dedup.near import DedupIndex, Group, Match, find_near_duplicates, minhash
from ctxmem.dedup.overlaps import Overlap, overlaps
from ctxmem.dedup.passages import (
    check_dedup,
    difference,
    find_repeats,
    group,
    group_similar,
    telling_words,
)
from ctxmem.dedup.segments import cut_segments

__all__ = [
    "DedupIndex",
    "Group",
    "Match",
    "Overlap",
    "check_dedup",
    "cut_segments",
    "difference",
    "find_near_duplicates",
    "find_repeats",
    "group",
    "group_similar",
    "minhash",
    "overlaps",
    "telling_words",
]

"""Find redundant text: repeats, near-duplicates, and text that adjacent passages share.

rule        what makes two near-duplicates say different things
near        groups of near-duplicate texts
index       an index of texts that finds the near-duplicates of other texts
arguments   the options of both, and their checks
passages    repeats and versions among the passages of one pack
overlaps    text that a passage shares with another
embeddings  groups of close embeddings, on request
"""

from ctxmem.dedup.index import DedupIndex, Match
from ctxmem.dedup.near import Group, find_near_duplicates, minhash, share_words
from ctxmem.dedup.overlaps import Overlap, overlaps
from ctxmem.dedup.passages import (
    check_dedup,
    find_repeats,
    group,
    group_similar,
    with_shown_versions,
)
from ctxmem.dedup.rule import (
    Difference,
    contrast,
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
    "contrast",
    "difference",
    "differences",
    "find_near_duplicates",
    "find_repeats",
    "folded_although",
    "group",
    "group_similar",
    "minhash",
    "overlaps",
    "share_words",
    "with_shown_versions",
]

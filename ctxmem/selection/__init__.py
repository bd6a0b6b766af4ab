"""Select within a budget, with an upper bound on the value of any selection.

choice    selects whole chunks: pins, groups, requirements, sections, shared text
spans     selects spans of all chunks, without duplicates
problems  packing problems as data: read, solve, explain
"""

from ctxmem.selection.choice import Proof, choose, keep, over_pinned
from ctxmem.selection.problems import Solution, explain, solve
from ctxmem.selection.spans import Range, SpanChoice, kept_ranges, represent_by_what_fits, shows

__all__ = [
    "Proof",
    "Range",
    "Solution",
    "SpanChoice",
    "choose",
    "explain",
    "keep",
    "kept_ranges",
    "over_pinned",
    "represent_by_what_fits",
    "shows",
    "solve",
]

"""Select within a budget, with an upper bound on the value of any selection.

choice    selects whole chunks: pins, groups, requirements, sections, shared text
spans     selects spans of all chunks, without duplicates
problems  packing problems as data: read, solve, explain
"""

from ctxmem.selection.choice import Proof, choose, keep, over_pinned
from ctxmem.selection.problems import Solution, explain, solve
from ctxmem.selection.spans import SpanChoice, represent_by_what_fits

__all__ = [
    "Proof",
    "Solution",
    "SpanChoice",
    "choose",
    "explain",
    "keep",
    "over_pinned",
    "represent_by_what_fits",
    "solve",
]

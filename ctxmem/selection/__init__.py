"""Choose within a budget, with a proof.

choice    the rows of a pack: pins, groups, requirements, sections, text that neighbours share
spans     the sentences of all chunks, none of which says what another said
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

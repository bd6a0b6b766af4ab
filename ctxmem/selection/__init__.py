"""Choose within a budget, with a proof.

choice    the rows of a pack: pins, groups, requirements, sections, text that neighbours share
problems  packing problems as data: read, solve, explain
"""

from ctxmem.selection.choice import choose, keep, over_pinned
from ctxmem.selection.problems import Solution, explain, solve

__all__ = ["Solution", "choose", "explain", "keep", "over_pinned", "solve"]

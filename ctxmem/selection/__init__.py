"""Select within a budget, with an upper bound on the value of any selection.

window     the selection of a window: units, chunks, alternatives and sections as one problem
conflicts  the constraints that no selection satisfies together
result     what the native solver returns, and the kept ranges of text
holders    the chunk that each segment of a window belongs to
problems   packing problems as data: read, solve, explain
"""

from ctxmem.selection.problems import Solution, explain, solve
from ctxmem.selection.result import (
    Range,
    empty_selection,
    kept_ranges,
    largest_left_out,
    left_out,
    shows,
    shows_all,
)
from ctxmem.selection.window import WindowSelection, represent_by_what_fits

__all__ = [
    "Range",
    "Solution",
    "WindowSelection",
    "empty_selection",
    "explain",
    "kept_ranges",
    "largest_left_out",
    "left_out",
    "represent_by_what_fits",
    "shows",
    "shows_all",
    "solve",
]

"""The outcome of a selection, as a value: the table of candidates is not changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_NONE = np.zeros(0)


class RunCosts(NamedTuple):
    """Tokens of a window besides those of its units.

    `overhead` is that of the first run of each merged text, `again` that of each further run, and
    `headers` that of each section. A run may count up to `joint` tokens less than the sum of its
    parts, a whole text `joint_whole`, and each unit of a longer text `joint_unit`, by merged text.
    `additive` is whether sums are exact. `separator` is what the last block of a window or
    section saves.
    """

    overhead: NDArray[np.int64]
    again: int
    headers: Sequence[int] = ()
    joint: int = 0
    joint_whole: int = 0
    joint_unit: NDArray[np.float64] = _NONE
    additive: bool = False
    separator: int = 0


@dataclass(frozen=True, slots=True)
class SelectionResult:
    """The units and rows that are selected, their value, and a bound on any selection.

    The value is the sum of density times tokens: the expected number of tokens of evidence. Labels
    and separators count as tokens, not as value.
    """

    segment_kept: NDArray[np.bool_]  # by segment
    duplicate_of: NDArray[np.int32]  # by segment: the kept segment it duplicates, or -1
    kept_row: NDArray[np.int32]  # by chunk: its row in the window, or -1
    value: float = 0.0
    bound: float = 0.0
    total: float = 0.0  # value of the whole input
    spent: int = 0  # tokens by the sum of parts
    prices: Mapping[str, float] = field(default_factory=dict)  # of one more token, by section
    stopped_early: bool = False  # the minimum density ended it, not the limit
    prefix: tuple[Prefix, ...] = ()  # pieces of the previous window that are kept unchanged

    @property
    def unselected_share(self) -> float:
        """The share of the value of the input that is not selected."""
        share = 1 - self.value / self.total if self.total > 0 else 0.0
        return share if share > 1e-5 else 0.0


class Withheld(NamedTuple):
    """A sentence or block that fits into a window, but not with the text that it needs."""

    text: str
    needed: str  # the text that it needs; empty if that is the rest of its sentence
    excepts: bool  # that is an exception to it


class Prefix(NamedTuple):
    """A piece of the previous window that is kept unchanged, and where its text is now."""

    chunk: int  # the first of its chunks
    text: str
    header: str
    tokens: int
    segments: tuple[int, ...]  # kept segments of one merged text; empty for an alternative
    row: int  # the row of an alternative, or -1

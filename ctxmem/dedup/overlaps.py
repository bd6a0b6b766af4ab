"""Text that one passage has from another: its beginning from the other's end, or all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ctxmem import _native


class Overlap(NamedTuple):
    """A passage that begins at character `offset` of another; they share `characters`."""

    left: int
    right: int
    offset: int
    characters: int


def overlaps(texts: Sequence[str], min_chars: int, group: ArrayLike | None = None) -> list[Overlap]:
    """Return, for each text at most once, the other that holds it or that it goes on from.

    Equal texts are given with the first of them. `group` has a number for each text; only texts of
    one group are compared, without it all. See csrc/core/dedup/overlap.hpp.

    >>> overlaps(["a cat sat on the mat", "on the mat lay a dog"], 8)
    [Overlap(left=0, right=1, offset=10, characters=10)]
    """
    listed = list(texts)
    groups = np.zeros(len(listed), np.int32) if group is None else np.asarray(group, np.int32)
    left, right, offset = _native.text_overlaps(listed, groups, min_chars)
    return [
        Overlap(a, b, at, min(len(listed[a]) - at, len(listed[b])))
        for a, b, at in zip(left.tolist(), right.tolist(), offset.tolist(), strict=True)
    ]

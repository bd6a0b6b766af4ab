"""Outlines of single texts that are kept, since the same passages are cut again for each question.

A text's outline depends on the text, its format, whether its source has a name, and the maximum
size of a unit. The outlines of several texts are joined into the columns that the native outline
returns for all of them.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native

_KEPT_CHARACTERS = 1 << 23
_KEPT_TEXTS = 1 << 14
_LONGEST = 1 << 17  # characters of a text; a longer one is cut again every time

Columns = tuple[NDArray[Any], ...]
_Key = tuple[str, int, int, int]


class KnownOutlines:
    """Outlines by text; emptied when they hold too much."""

    def __init__(self) -> None:
        self._columns: dict[_Key, Columns] = {}
        self._characters = 0
        self._lock = threading.Lock()

    def outline(
        self,
        texts: Sequence[str],
        formats: NDArray[np.uint8],
        named: NDArray[np.uint8],
        room: int,
    ) -> Columns:
        """Return what `_native.outline` returns for a corpus of all of these texts."""
        keys = list(zip(texts, formats.tolist(), named.tolist(), [room] * len(texts), strict=True))
        known = self._columns
        found = [known.get(key) for key in keys]
        missing = [t for t, columns in enumerate(found) if columns is None]
        if missing:
            made = _outlines([texts[t] for t in missing], formats[missing], named[missing], room)
            for t, columns in zip(missing, made, strict=True):
                found[t] = columns
            self._keep([keys[t] for t in missing], made)
        return _joined([columns for columns in found if columns is not None])

    def _keep(self, keys: Sequence[_Key], made: Sequence[Columns]) -> None:
        with self._lock:
            for key, columns in zip(keys, made, strict=True):
                size = len(key[0])
                if size > _LONGEST:
                    continue
                full = self._characters + size > _KEPT_CHARACTERS
                if full or len(self._columns) >= _KEPT_TEXTS:
                    self._columns, self._characters = {}, 0  # who reads the old one keeps it
                if key not in self._columns:
                    self._columns[key] = columns
                    self._characters += size


def _outlines(
    texts: list[str], formats: NDArray[np.uint8], named: NDArray[np.uint8], room: int
) -> list[Columns]:
    """Return the outline of each text; ties are places in the text's own units."""
    corpus = _native.Corpus(texts)
    outline = _native.outline(corpus, formats, named, room, len(texts))
    start, end, kind, flags, need, also, block, first = outline
    owner = np.repeat(first[:-1], np.diff(first)).astype(np.int32)
    need = np.where(need >= 0, need - owner, -1).astype(np.int32)
    also = np.where(also >= 0, also - owner, -1).astype(np.int32)
    made = (start, end, kind, flags, need, also, block - owner)
    ends = first.tolist()
    return [tuple(column[at:to].copy() for column in made) for at, to in itertools.pairwise(ends)]


def _joined(parts: Sequence[Columns]) -> Columns:
    """Return the columns of all texts, with the first unit of each as the last column."""
    counts = np.array([len(columns[0]) for columns in parts], dtype=np.int64)
    first = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    owner = np.repeat(first[:-1], counts).astype(np.int32)
    start, end, kind, flags, need, also, block = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    need = np.where(need >= 0, need + owner, -1).astype(np.int32)
    also = np.where(also >= 0, also + owner, -1).astype(np.int32)
    return start, end, kind, flags, need, also, (block + owner).astype(np.int32), first


OUTLINES = KnownOutlines()

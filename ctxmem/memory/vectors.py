"""Vectors of the passages of a session: what is meant alike is found without a common word."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.errors import InputError
from ctxmem.protocols import Embed

_HEADER = struct.Struct("<4sQII")  # magic, first row, rows, numbers in each
_MAGIC = b"vec1"
_BATCH = 512
"""So many passages are embedded in one call."""


class Near(NamedTuple):
    """The passages of the messages nearest to a question, and their cosines.

    `messages` are the best first, each with the cosine of its best passage; `rows` has the rows of
    every message's passages as a range of the columns `start`, `end` and `cosine`.
    """

    messages: NDArray[np.int64]
    cosines: NDArray[np.float32]
    rows: dict[int, list[tuple[int, int, float]]]


class VectorIndex:
    """The vectors of all passages of one session, in the order of its index.

    Passages are embedded before the first search after they came, many in a call, so that
    appending takes no time. The search is exact.
    """

    def __init__(
        self, embed: Embed, index: _native.SessionIndex, text_of: Callable[[int], str]
    ) -> None:
        self._embed, self._index, self._text_of = embed, index, text_of
        self._vectors: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self._size = 0  # rows in use
        self._saved = 0  # rows in snapshots

    def __len__(self) -> int:
        return self._size

    @property
    def unsaved(self) -> int:
        """The vectors that are in no segment."""
        return self._size - self._saved

    def take_over(self, before: VectorIndex) -> None:
        """Take the vectors that another index has of the same passages, from the first on."""
        columns = zip(*(column.tolist() for column in before._index.passages()), strict=True)
        rows = {passage: row for row, passage in enumerate(columns) if row < len(before)}
        kept: list[int] = []
        for passage in zip(*(column.tolist() for column in self._index.passages()), strict=True):
            if passage not in rows:
                break
            kept.append(rows[passage])
        if kept:
            self._push(before._vectors[kept])

    def embed_new(self) -> None:
        """Embed the passages that have no vector yet.

        Raises `InputError` if the function returns anything but one finite vector for each text,
        all of one size.
        """
        messages, start, end = self._index.passages()
        if self._size > len(messages):  # vectors of another session's passages
            self._size = self._saved = 0
        for at in range(self._size, len(messages), _BATCH):
            rows = zip(
                messages[at : at + _BATCH].tolist(),
                start[at : at + _BATCH].tolist(),
                end[at : at + _BATCH].tolist(),
                strict=True,
            )
            self._push(self._embedded([self._text_of(m)[a:b] for m, a, b in rows]))

    def search(self, question: str, limit: int) -> Near:
        """Return the messages nearest to a question, `limit` at most, ties the newer first."""
        (asked,) = self._embedded([question])
        if self._size and len(asked) != self._vectors.shape[1]:  # they are of another function
            self._size = self._saved = 0
        self.embed_new()
        if not self._size:
            return Near(np.zeros(0, np.int64), np.zeros(0, np.float32), {})
        messages, start, end = self._index.passages()
        cosines = self._vectors[: self._size] @ asked
        first = np.flatnonzero(np.r_[True, messages[1:] != messages[:-1]])
        best = np.maximum.reduceat(cosines, first)
        order = np.lexsort((-first, -best))[:limit]
        last = np.r_[first[1:], self._size]
        rows = {
            int(messages[first[at]]): list(
                zip(
                    start[first[at] : last[at]].tolist(),
                    end[first[at] : last[at]].tolist(),
                    cosines[first[at] : last[at]].tolist(),
                    strict=True,
                )
            )
            for at in order
        }
        return Near(messages[first[order]], best[order], rows)

    def _embedded(self, texts: list[str]) -> NDArray[np.float32]:
        """Return a vector of length 1 for each text; one of zeros stays as it is."""
        given = self._embed(texts)
        try:
            found = np.asarray(given, np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"embed returned what is no array of numbers ({error}); expected a finite vector "
                f"for each of {len(texts)} texts, all of one size"
            ) from None
        if found.ndim != 2 or len(found) != len(texts) or not np.isfinite(found).all():
            raise InputError(
                f"embed returned an array of shape {found.shape} for {len(texts)} texts; "
                "expected a finite vector for each"
            )
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return (found / np.where(norms > 0, norms, 1)).astype(np.float32)

    def _push(self, vectors: NDArray[np.float32]) -> None:
        size = self._size + len(vectors)
        width = vectors.shape[1]
        if self._size and width != self._vectors.shape[1]:
            raise InputError(
                f"embed returned vectors of {width} numbers; those before have "
                f"{self._vectors.shape[1]}: expected one size"
            )
        if size > len(self._vectors) or width != self._vectors.shape[1]:
            grown = np.zeros((max(256, size, 2 * self._size), width), np.float32)
            if self._size:
                grown[: self._size] = self._vectors[: self._size]
            self._vectors = grown
        self._vectors[self._size : size] = vectors
        self._size = size

    # Snapshots ------------------------------------------------------------------------------------

    def segment(self) -> tuple[int, bytes]:
        """Return the row of the first vector in no segment yet, and the bytes that `load` reads.

        Nothing is embedded for it: a passage that is not there yet is in a later segment.
        """
        first, rows = self._saved, self._vectors[self._saved : self._size]
        head = _HEADER.pack(_MAGIC, first, len(rows), self._vectors.shape[1])
        self._saved = self._size
        return first, head + rows.astype("<f4").tobytes()

    def load(self, data: bytes) -> None:
        """Append what `segment` returned; what does not follow the vectors here is left out.

        Raises `ValueError` for bytes that are no segment.
        """
        if len(data) < _HEADER.size:
            raise ValueError("the vectors of a snapshot are cut short")
        magic, first, rows, width = _HEADER.unpack_from(data)
        if magic != _MAGIC or len(data) != _HEADER.size + 4 * rows * width:
            raise ValueError("these are no vectors of a snapshot")
        found = np.frombuffer(data, "<f4", rows * width, _HEADER.size).reshape(rows, width)
        if not np.isfinite(found).all():
            raise ValueError("the vectors of a snapshot are not finite")
        follows = first == self._size and (not self._size or width == self._vectors.shape[1])
        if rows and follows:
            self._push(found)
            self._saved = self._size

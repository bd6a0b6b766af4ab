"""Groups of passages whose embeddings are close: paraphrases and translations.

Only when asked for: embedding similarity takes distinct evidence for redundant at tight budgets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctxmem.errors import InputError, InputTypeError, MissingExtraError

FLAT = 30_000
"""Vectors up to which every comparison is made; beyond, neighbours come from a graph (HNSW)."""

_BLOCK = 256  # vectors compared with the representatives at once
_NEIGHBOURS = 32  # asked of the graph, and links of each vector in it


def embedding_groups(
    vectors: ArrayLike, threshold: float, *, centres: int = 0
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return each vector's representative and its cosine to it; earlier vectors choose first.

    As among texts, a vector joins the first representative within the threshold, else it
    represents itself; the first `centres` vectors do so in any case. Exact up to `FLAT` vectors;
    beyond, a near neighbour may be missed (HNSW, Malkov and Yashunin 2016), but every similarity is
    exact. A zero vector is alike to none.

    Raises:
        InputError: not one row of finite numbers for each, or a threshold outside (0, 1].
        MissingExtraError: faiss is not installed.

    >>> embedding_groups([[1, 0], [0, 1], [2, 0.1]], 0.9)[0].tolist()
    [0, 1, 0]
    """
    rows = _unit_rows(vectors)
    if not 0 < threshold <= 1:
        raise InputError(f"threshold is {threshold}; expected a cosine above 0 and at most 1")
    count, width = rows.shape
    representative = np.arange(count, dtype=np.int32)
    similarity = np.ones(count)
    index = _index(count, width)
    representatives: list[int] = []
    for start in range(0, count, _BLOCK):
        block = rows[start : start + _BLOCK]
        known = _first_near(index, block, threshold) if representatives else [-1] * len(block)
        among = block @ block.T
        new: list[int] = []
        for b, found in enumerate(known):
            i = start + b
            if i < centres:
                new.append(b)
                continue
            if found >= 0:
                representative[i] = representatives[found]
            else:
                near = next((r for r in new if among[b, r] >= threshold), None)
                if near is None:
                    new.append(b)
                    continue
                representative[i] = start + near
            similarity[i] = float(rows[i] @ rows[representative[i]])
        if new:
            index.add(block[new])
            representatives.extend(start + b for b in new)
    return representative, similarity


def _unit_rows(vectors: ArrayLike) -> NDArray[np.float32]:
    try:
        rows = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError):
        raise InputTypeError(
            "embeddings are not numbers; expected an array of one row a text"
        ) from None
    if rows.ndim != 2:
        raise InputError(f"embeddings have the shape {rows.shape}; expected one row a text")
    if not np.isfinite(rows).all():
        bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise InputError(f"embedding {bad} has entries that are not finite numbers; expected none")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0))


def _index(count: int, width: int) -> Any:
    try:
        import faiss
    except ImportError:
        raise MissingExtraError(
            "embeddings are compared with faiss, which is not installed; pip install faiss-cpu"
        ) from None
    if count <= FLAT:
        return faiss.IndexFlatIP(width)
    return faiss.IndexHNSWFlat(width, _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)


def _first_near(index: Any, block: NDArray[np.float32], threshold: float) -> list[int]:
    """Return the earliest representative within the threshold of each vector, -1 if none is."""
    if not hasattr(index, "hnsw"):
        # faiss keeps what is strictly above its radius.
        below = float(np.nextafter(np.float32(threshold), np.float32(-1)))
        limits, _, found = index.range_search(block, below)
        return [
            int(found[a:b].min()) if b > a else -1
            for a, b in zip(limits[:-1].tolist(), limits[1:].tolist(), strict=True)
        ]
    near, found = index.search(block, _NEIGHBOURS)
    return [
        int(ids[close].min()) if (close := (scores >= threshold) & (ids >= 0)).any() else -1
        for scores, ids in zip(near, found, strict=True)
    ]

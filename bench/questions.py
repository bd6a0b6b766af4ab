"""Questions with marked evidence, read from the files that scorers of packing quality use.

A set is two files: NAME.json.gz holds documents and questions, NAME.npz what retrievers returned
for them and the vectors of all.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LISTS = ("A.dense.q", "A.bm25.q", "A.dense.v", "A.bm25.v", "B.dense.q", "B.bm25.q", "single")
SINGLE = LISTS.index("single")


class Hit(NamedTuple):
    """A passage that a retriever returned."""

    text: str
    doc: str
    start: int
    end: int
    key: int  # of the passage: the same in every list
    source: str  # the list
    rank: int
    sents: list[tuple[int, int, int]]  # start, end and tokens of its sentences
    sent_emb: NDArray[np.float32]


class Asked(NamedTuple):
    """A question: what was retrieved for it, and where the evidence is."""

    set: str
    number: int
    query: dict[str, Any]  # text, variants, emb, variant_embs
    hits: list[Hit]  # of several lists, or of a single dense one
    scores: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    gold: list[tuple[str, int, int]]  # document, start, end


def sets_in(data: Path) -> list[str]:
    """Return the names of the sets in a folder, sorted."""
    return sorted(path.stem for path in data.glob("*.npz"))


def read_set(data: Path, name: str, *, single: bool = False) -> Iterator[Asked]:
    """Yield the questions of a set, with the hits of its union of lists or of the single one."""
    with gzip.open(data / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        meta = json.load(file)
    arrays = dict(np.load(data / f"{name}.npz"))
    chunk_vectors = _unit(arrays["chunk_emb"].astype(np.float32))
    sentence_vectors = _unit(
        arrays["sent_emb"].astype(np.float32) * arrays["sent_scale"].astype(np.float32)[:, None]
    )
    query_vectors = _unit(arrays["q_emb"].astype(np.float32))
    for number, asked in enumerate(meta["queries"]):
        rows = slice(*arrays["hit_ptr"][number : number + 2].tolist())
        found, scores = arrays["hits"][rows], arrays["hit_scores"][rows]
        chosen = (found[:, 0] == SINGLE) == single
        found, scores = found[chosen], scores[chosen]
        hits = []
        for of_list, rank, chunk in found.tolist():
            d, start, end, first, last, _ = arrays["chunks"][chunk].tolist()
            sentences = [
                (a - start, b - start, n) for _, a, b, n in arrays["sents"][first:last].tolist()
            ]
            hits.append(
                Hit(
                    meta["docs"][d][start:end],
                    meta["doc_names"][d],
                    start,
                    end,
                    chunk,
                    LISTS[of_list],
                    rank,
                    sentences,
                    sentence_vectors[first:last],
                )
            )
        vectors = query_vectors[slice(*asked["emb"])]
        query = {
            "text": asked["q"],
            "variants": asked["variants"],
            "emb": vectors[0],
            "variant_embs": vectors[1:],
        }
        gold = [(meta["doc_names"][d], start, end) for d, start, end in asked["gold"]]
        yield Asked(name, number, query, hits, scores, chunk_vectors[found[:, 2]], gold)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    norm: NDArray[np.float32] = np.maximum(1e-6, np.linalg.norm(rows, axis=1, keepdims=True))
    return np.asarray(rows / norm, dtype=np.float32)

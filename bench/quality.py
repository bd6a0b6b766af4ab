"""How much of the evidence does the window keep? Packers for scorers of packing quality.

The scorer brings the questions, the retrieved hits and the gold; this brings ctxmem, as a user who
has several lists of hits, and perhaps an embedding model, would call it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ctxmem

Packer = Callable[[dict[str, Any], Sequence[Any], Any, Any, int], list[str]]


def packer(
    query: dict[str, Any],
    chunks: Sequence[Any],
    scores: NDArray[Any],
    embeddings: NDArray[Any],
    budget: int,
) -> list[str]:
    """Return the pieces of the window that `ctxmem.pack` makes of the hits.

    Args:
        query: text and variants, emb and variant_embs, their unit vectors.
        chunks: one per hit, with text, doc, start, end, key, source (its list), rank, and sents and
            sent_emb, its sentences and their vectors.
        scores: n x 2, cosine and BM25 to the query.
        embeddings: n x d, unit vectors.
        budget: tokens of the joined pieces, o200k_base.
    """
    hits = [
        ctxmem.Chunk(
            hit.text,
            id=str(hit.key),
            score=float(scores[i, 1 if "bm25" in hit.source else 0]),
            embedding=embeddings[i],
            source=hit.doc,
            span=(hit.start, hit.end),
            rank=hit.rank,
            list=hit.source,
        )
        for i, hit in enumerate(chunks)
    ]
    return _pieces(
        ctxmem.pack(
            hits,
            budget,
            query=query["text"],
            variants=query["variants"],
            query_embedding=query["emb"],
            embed=Embedder(query, chunks),
        )
    )


def packer_of_words(
    query: dict[str, Any],
    chunks: Sequence[Any],
    scores: NDArray[Any],
    embeddings: NDArray[Any],
    budget: int,
) -> list[str]:
    """Return the same without any embedding or score: the words and ranks alone speak."""
    hits = [
        ctxmem.Chunk(
            hit.text,
            id=str(hit.key),
            source=hit.doc,
            span=(hit.start, hit.end),
            rank=hit.rank,
            list=hit.source,
        )
        for hit in chunks
    ]
    return _pieces(ctxmem.pack(hits, budget, query=query["text"], variants=query["variants"]))


def _pieces(window: ctxmem.Window) -> list[str]:
    return [piece.text for piece in window.pieces]


class Embedder:
    """The embedding model that the scorer's data was made with, for the texts that it covers.

    A text gets the mean of the vectors of the sentences it overlaps, by characters.
    """

    def __init__(self, query: dict[str, Any], chunks: Sequence[Any]) -> None:
        self.known = dict(zip(query["variants"], query["variant_embs"], strict=True))
        self.known[query["text"]] = query["emb"]
        self.chunks = list({hit.key: hit for hit in chunks}.values())
        self.size = len(query["emb"])

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the vectors of texts, a row each."""
        return np.stack([self.vector(text) for text in texts])

    def vector(self, text: str) -> NDArray[np.float64]:
        """Return the vector of one text; zeroes for one that no chunk holds."""
        if text in self.known:
            return np.asarray(self.known[text], dtype=np.float64)
        found = np.zeros(self.size)
        for hit in self.chunks:
            start = hit.text.find(text)
            if start >= 0:
                bounds = np.array([(a, b) for a, b, _ in hit.sents])
                shared = np.minimum(bounds[:, 1], start + len(text)) - np.maximum(
                    bounds[:, 0], start
                )
                found = np.maximum(0, shared) @ hit.sent_emb
                break
        self.known[text] = found
        return found

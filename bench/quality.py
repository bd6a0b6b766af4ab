"""How much of the evidence does the window keep? A packer for scorers of packing quality.

The scorer brings the questions, the retrieved hits and the gold; this brings ctxmem, as a user who
has two scores and an embedding a hit would call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

import ctxmem


def packer(
    query: dict[str, Any],
    chunks: Sequence[Any],
    scores: NDArray[Any],
    embeddings: NDArray[Any],
    budget: int,
) -> list[str]:
    """Return the pieces of the window that `ctxmem.pack` makes of the hits.

    Args:
        query: text, and emb, its unit vector.
        chunks: one per hit, with text, doc, start, end, key, source (its list) and rank.
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
    window = ctxmem.pack(hits, budget, query=query["text"], query_embedding=query["emb"])
    return [piece.text for piece in window.pieces]

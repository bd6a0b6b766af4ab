"""Packers for scorers of packing quality: ctxmem as its users call it, and a check of its windows.

The scorer provides questions, retrieved hits and gold; ctxmem is called as by a user with several
lists of hits and optionally an embedding model.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ctxmem
from ctxmem import _native

Packer = Callable[[dict[str, Any], Sequence[Any], Any, Any, int], list[str]]

MARK = re.compile(r"\s*(?:```text\s*)?…?\s*(?:`{3,}|~{3,})?\s*")
"""Text that ctxmem may add between two parts of a piece: a mark, or the fence of torn code."""

SEPARATOR = "\n\n"
ELLIPSIS = "…\n"
"""The header of a piece that continues its source after a gap."""


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
    given = hits_of(chunks, scores, embeddings)
    return _pieces(window_of(query, given, budget, Embedder(query, chunks)))


def packer_of_words(
    query: dict[str, Any],
    chunks: Sequence[Any],
    scores: NDArray[Any],
    embeddings: NDArray[Any],
    budget: int,
) -> list[str]:
    """Return the same without embeddings and scores: only words and ranks are used."""
    return _pieces(window_of(query, hits_of(chunks), budget))


def hits_of(
    chunks: Sequence[Any], scores: Any = None, embeddings: Any = None
) -> list[ctxmem.Chunk]:
    """Return the scorer's hits as chunks, with the scores and vectors that are given."""
    return [
        ctxmem.Chunk(
            hit.text,
            id=str(hit.key),
            score=None if scores is None else float(scores[i, 1 if "bm25" in hit.source else 0]),
            embedding=None if embeddings is None else embeddings[i],
            source=hit.doc,
            span=(hit.start, hit.end),
            rank=hit.rank,
            list=hit.source,
        )
        for i, hit in enumerate(chunks)
    ]


def window_of(
    query: dict[str, Any],
    hits: Sequence[ctxmem.Chunk],
    budget: int | ctxmem.Budget,
    embed: Embedder | None = None,
    **options: Any,
) -> ctxmem.Window:
    """Pack hits for a question; with an embedding model, vectors are used too."""
    if embed is not None:
        options |= {"query_embedding": query["emb"], "embed": embed}
    return ctxmem.pack(hits, budget, query=query["text"], variants=query["variants"], **options)


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


# Weights ------------------------------------------------------------------------------------------


@contextmanager
def valued_by(weights: Path | None) -> Iterator[None]:
    """Use the weights of a file within the context; None keeps the shipped weights.

    Both modules that refer to the model by name get the other model.
    """
    if weights is None:
        yield
        return
    other = _native.SpanModel(json.loads(weights.read_text(encoding="utf-8")))
    modules: list[Any] = [import_module(f"ctxmem.value.{name}") for name in ("spans", "verify")]
    shipped = [module.model for module in modules]
    try:
        for module in modules:
            module.model = lambda: other
        yield
    finally:
        for module, model in zip(modules, shipped, strict=True):
            module.model = model


# Guarantees of a window ---------------------------------------------------------------------------

Sources = dict[str, list[tuple[int, str]]]


def sources_of(hits: Sequence[ctxmem.Chunk]) -> Sources:
    """Return the known text of every source as (start, text), with overlapping hits joined."""
    known: Sources = defaultdict(list)
    placed = {(hit.source, hit.span[0], hit.text) for hit in hits if hit.source and hit.span}
    for source, start, text in sorted(placed):
        begun, before = known[source][-1] if known[source] else (start, "")
        at = start - begun
        shared = before[at : at + len(text)]
        if known[source] and at <= len(before) and text.startswith(shared):
            known[source][-1] = (begun, before + text[len(shared) :])
        else:
            known[source].append((start, text))
    return known


def contradictions(
    window: ctxmem.Window, hits: Sequence[ctxmem.Chunk], sources: Sources
) -> list[str]:
    """Return the violated guarantees of a window as sentences; empty if there are none.

    The text consists of the pieces. A piece consists of parts of its source, unchanged, at the
    given offsets, and of marks between them. Every hit has a decision, and exactly the kept hits
    have a piece.
    """
    found = []
    for piece in window.pieces:
        if piece.header not in ("", ELLIPSIS) and not piece.header.startswith("["):
            found.append(f"{piece.header!r} is before a piece of {piece.source}")
        parts = sources.get(piece.source or "", [])
        rest = piece.text
        for start, end in piece.spans:
            said = next(_between(parts, start, end), None)
            between, there, after = rest.partition(said or "\0")
            if said is None or not there or not MARK.fullmatch(between):
                found.append(f"{piece.source} ({start}, {end}) is not in {rest[:60]!r}")
                break
            rest = after
        else:
            if piece.spans and not MARK.fullmatch(rest):
                found.append(f"{rest[:60]!r} is not of {piece.source}")
    if window.text != SEPARATOR.join(piece.header + piece.text for piece in window.pieces):
        found.append("the text is not its pieces")
    if len(window.decisions) != len(hits):
        found.append(f"{len(hits)} hits, {len(window.decisions)} decisions")
    kept = {decision.chunk_id for decision in window.decisions if decision.kept}
    shown = {name for piece in window.pieces for name in piece.chunk_ids}
    if kept != shown:
        found.append(f"kept, or shown, but not both: {sorted(map(str, kept ^ shown))}")
    return found


def _between(parts: Sequence[tuple[int, str]], start: int, end: int) -> Iterator[str]:
    for begun, text in parts:
        if begun <= start and end <= begun + len(text):
            yield text[start - begun : end - begun]

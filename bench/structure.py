"""Is the structure of technical texts kept? Packers for a scorer of that, and its questions.

The scorer is a Python file that calls `packer(question, chunks, budget) -> str` and reads the
window: does the answer stand there under its own name, header, lead-in, fences?

    python score.py --packer ctxmem.bench.structure:packer
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import ctxmem

from .questions import Asked, Hit


def packer(question: str, chunks: Sequence[Mapping[str, Any]], budget: int) -> str:
    """Return the text of the window that `ctxmem.pack` makes, every option left as it is."""
    return ctxmem.pack(_chunks(chunks), budget, query=question).text


def whole_chunks(question: str, chunks: Sequence[Mapping[str, Any]], budget: int) -> str:
    """Return the text of a window of whole chunks."""
    return ctxmem.pack(_chunks(chunks), budget, query=question, compress=False).text


def _chunks(chunks: Sequence[Mapping[str, Any]]) -> list[ctxmem.Chunk]:
    fields = ("text", "id", "source", "span", "rank", "list")
    return [ctxmem.Chunk(**{name: chunk[name] for name in fields}) for chunk in chunks]


def read_questions(path: Path) -> Iterator[Asked]:
    """Yield the questions of a file of the scorer's, each kind as a set of its own.

    Evidence is what answers: names, headers and keys above it are not counted, since the outline
    brings them.
    """
    with gzip.open(path, "rt", encoding="utf-8") as file:
        data = json.load(file)
    keys = {name: number for number, name in enumerate(data["chunks"])}
    for number, asked in enumerate(data["questions"]):
        hits = []
        for name, of_list, rank in asked["hits"]:
            doc, start, end = data["chunks"][name]
            text = data["docs"][doc][start:end]
            vectors = np.zeros((0, 1), dtype=np.float32)
            hits.append(Hit(text, doc, start, end, keys[name], of_list, rank, [], vectors))
        gold = [
            (asked["doc"], *span["span"])
            for span in asked["gold"]
            if span["role"] in ("answer", "row", "step", "block", "lead")
        ]
        nothing = np.zeros(1, dtype=np.float32)
        query = {
            "text": asked["question"],
            "variants": [],
            "emb": nothing,
            "variant_embs": np.zeros((0, 1), dtype=np.float32),
            "with_span": asked["with_span"],
        }
        scores = np.zeros((len(hits), 2), dtype=np.float32)
        embeddings = np.zeros((len(hits), 1), dtype=np.float32)
        yield Asked(f"structure_{asked['kind']}", number, query, hits, scores, embeddings, gold)

"""Sets of questions with marked evidence, in the files that the benches read, made up."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

WORDS = [a + b for a in ("bar", "kel", "mon", "tir", "vos") for b in ("dun", "fen", "lop", "rag")]
TOPICS = ("harbour", "orchard", "foundry", "archive")


def write_set(folder: Path, name: str) -> None:
    """Write a set of two questions over four documents of twelve sentences, a chunk each."""
    docs, bounds = [], []
    words = np.random.default_rng(len(name))
    for topic in TOPICS:
        text, ends = "", []
        for k in range(12):
            start = len(text)
            seen = " ".join(words.choice(WORDS, 7))
            text += f"The {topic} of {name} has {k + 2} {seen}. "
            ends.append((start, len(text)))
        docs.append(text)
        bounds.append(ends)
    chunks = [(d, 0, len(docs[d]), 12 * d, 12 * d + 12, 0) for d in range(4)]
    sents = [(d, a, b, 14) for d in range(4) for a, b in bounds[d]]
    hits, scores, pointers = [], [], [0]
    queries = []
    for q in range(2):
        for of_list in (0, 1, 6):
            for rank, d in enumerate([(q + 1) % 4, q, (q + 2) % 4, (q + 3) % 4]):
                hits.append((of_list, rank, d))
                scores.append((0.9 - 0.1 * rank, 3.0 if d == q else 0.5))
        pointers.append(len(hits))
        start, end = bounds[q][5]
        queries.append(
            {
                "q": f"What does the {TOPICS[q]} have 7 of?",
                "variants": [f"{TOPICS[q]} 7"],
                "emb": [2 * q, 2 * q + 2],
                "gold": [[q, start, end - 1]],
            }
        )
    meta = {"name": name, "doc_names": list(TOPICS), "docs": docs, "queries": queries}
    with gzip.open(folder / f"{name}.json.gz", "wt", encoding="utf-8") as file:
        json.dump(meta, file)
    random = np.random.default_rng(0)
    np.savez(
        folder / f"{name}.npz",
        chunks=np.array(chunks, dtype=np.int32),
        chunk_emb=random.normal(size=(4, 8)).astype(np.float16),
        sents=np.array(sents, dtype=np.int32),
        sent_emb=random.integers(-99, 99, (48, 8)).astype(np.int8),
        sent_scale=np.ones(48, dtype=np.float16),
        q_emb=random.normal(size=(4, 8)).astype(np.float16),
        hits=np.array(hits, dtype=np.int32),
        hit_ptr=np.array(pointers, dtype=np.int64),
        hit_scores=np.array(scores, dtype=np.float32),
    )

"""The words of a code base: which symbol has which word, and how much each says of a question."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.codebase.symbols import Symbol
from ctxmem.codebase.words import IDENTIFIER, terms

SATURATION = 1.8
"""BM25's k1: a word counts at most 1 + k1 times as much as at its first use."""

LENGTH = 0.7
"""BM25's b: how much a word in a long body counts less."""

WEIGHTS = {"name": 6.0, "signature": 2.0, "doc": 2.0, "above": 1.0, "body": 1.0}
"""How many uses in the body one use elsewhere counts for: in the name, the signature, the doc
string, in the names of the classes, file and folders above."""


class Fields(NamedTuple):
    """The words of one symbol: weighted counts, the number of its words, its identifiers."""

    counts: Mapping[str, float]
    length: int
    names: frozenset[str]


def fields_of(text: str, symbol: Symbol) -> Fields:
    """Return the words of a symbol, without those of its path and of its class."""
    whole = text[symbol.start : symbol.end]
    body = terms(whole)
    counts: dict[str, float] = {term: WEIGHTS["body"] * count for term, count in body.items()}
    parts = (
        ("name", symbol.name),
        ("signature", text[slice(*symbol.signature)]),
        ("doc", text[slice(*symbol.doc)]),
    )
    for kind, part in parts:
        for term in terms(part):
            counts[term] = counts.get(term, 0.0) + WEIGHTS[kind]
    return Fields(counts, sum(body.values()), frozenset(IDENTIFIER.findall(whole)))


class WordIndex:
    """An inverted index: for each word, the symbols that have it and what it counts there."""

    def __init__(self, fields: Sequence[Fields], above: Sequence[Iterable[str]]) -> None:
        size = len(fields)
        self.size = size
        lengths = np.array([one.length for one in fields], dtype=np.float64)
        mean = lengths.mean() if size else 1.0
        norm = (SATURATION * (1 - LENGTH + LENGTH * lengths / max(1.0, mean))).tolist()
        ids: dict[str, list[int]] = defaultdict(list)
        counts: dict[str, list[float]] = defaultdict(list)
        for i, one in enumerate(fields):
            words = dict(one.counts)
            for term in above[i]:
                words[term] = words.get(term, 0.0) + WEIGHTS["above"]
            for term, count in words.items():
                ids[term].append(i)
                counts[term].append(count / (count + norm[i]))
        self._postings = {
            term: (np.array(held, dtype=np.int32), np.array(counts[term], dtype=np.float32))
            for term, held in ids.items()
        }

    def score(self, question: str) -> NDArray[np.float64]:
        """Return the BM25 score of each symbol for a question."""
        scores = np.zeros(self.size)
        for term, often in sorted(Counter(terms(question)).items()):
            held = self._postings.get(term)
            if held is not None:
                ids, counts = held
                rarity = np.log1p((self.size - len(ids) + 0.5) / (len(ids) + 0.5))
                scores[ids] += min(often, 2) * rarity * counts
        return scores

"""What do constraints cost, and how far is a window from the best selection?

Each question of `--data` (a folder of question sets) and `--structure` (a file of questions to
technical texts) is packed twice: without constraints, and with half of the chunks in two sections
(a minimum and maxima), 5 % of the chunks with a requirement, a pin, and a previous window. The
unconstrained window gets the room that the pin leaves. Constraints are checked on the windows by
themselves, by the characters that `origins` says are shown; a window that breaks one ends the
benchmark with an error. Recall is the share of the characters of the evidence that a window shows.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import ctxmem

from .packers import hits_of, window_of
from .questions import Asked, read_set
from .structure import read_questions

BUDGETS = (512, 1024, 2048, 4096)
SECTIONS = ("a", "b")
MINIMUM, MAXIMUM = 0.05, 0.6  # of the budget
REQUIRING = 0.05  # share of the chunks


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="ctxmem bench constraints", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the question sets")
    parser.add_argument("--structure", type=Path, help="file of questions to technical texts")
    parser.add_argument("--limit", type=int, default=20, help="questions of each set (20)")
    options = parser.parse_args(argv)
    if options.data is None and options.structure is None:
        print("ctxmem bench constraints: needs --data PATH or --structure FILE", file=sys.stderr)
        return 2
    print(f"ctxmem {ctxmem.__version__}, shipped weights")
    gaps: list[float] = []
    recalls: list[Recalls] = []
    for name, questions in _sets(options.data, options.structure, options.limit):
        found = list(_recalls(name, questions))
        mine = [gap for question in questions for gap in _gaps(question)]
        print(f"{name:16s} n = {len(questions):3d}  {_gap_line(mine)}  {_recall_line(found)}")
        gaps += mine
        recalls += found
    print(f"{'all':16s} {'':7s}  {_gap_line(gaps)}  {_recall_line(recalls)}")
    print("every constraint was kept")
    return 0


def _sets(
    data: Path | None, structure: Path | None, limit: int
) -> Iterator[tuple[str, list[Asked]]]:
    if structure is not None:
        questions = list(read_questions(structure))
        yield "structure", questions[:: max(1, len(questions) // (3 * limit))]
    for path in sorted(data.glob("*.json.gz")) if data is not None else ():
        name = path.name.removesuffix(".json.gz")
        yield name, list(read_set(path.parent, name))[:limit]


def _gaps(question: Asked) -> Iterator[float]:
    hits = hits_of(question.hits)
    for budget in BUDGETS:
        yield window_of(question.query, hits, budget).gap


def _gap_line(gaps: Sequence[float]) -> str:
    high = statistics.quantiles(gaps, n=10)[-1]
    return f"gap: median {statistics.median(gaps):.2%}, 90th percentile {high:.2%}"


@dataclass(frozen=True)
class Recalls:
    """The recall of one question without constraints, with them, and with a previous window."""

    free: float
    constrained: float
    continued: float


def _recall_line(recalls: Sequence[Recalls]) -> str:
    free, constrained, continued = (
        np.mean([getattr(one, name) for one in recalls]) for name in Recalls.__annotations__
    )
    return (
        f"recall {free:.3f}, with constraints {constrained:.3f}, and with a previous window "
        f"{continued:.3f}"
    )


def _recalls(name: str, questions: Iterable[Asked]) -> Iterator[Recalls]:
    for question in questions:
        for budget in BUDGETS[1:3]:
            task = _Task(question, budget, random.Random(f"{name} {question.number} {budget}"))
            if task.room > 0:
                yield task.recalls()


@dataclass
class _Task:
    """A question with random constraints."""

    question: Asked
    budget: int
    rng: random.Random
    texts: dict[str, Any] = field(init=False)  # hit by id

    def __post_init__(self) -> None:
        rng = self.rng
        self.texts = {str(hit.key): hit for hit in reversed(self.question.hits)}
        ids = list(self.texts)
        self.section = {i: rng.choice(SECTIONS) if rng.random() < 0.5 else None for i in ids}
        self.requires = {
            i: [other] for i in ids if rng.random() < REQUIRING and (other := rng.choice(ids)) != i
        }
        self.pin = rng.choice(ids)
        pinned = {self.pin}
        while more := {r for i in pinned for r in self.requires.get(i, ())} - pinned:
            pinned |= more
        used = sum(ctxmem.count_tokens(self.texts[i].text + "\n\n") for i in pinned)
        self.room = self.budget - used if 4 * used < self.budget else 0

    def recalls(self) -> Recalls:
        query = self.question.query
        chunks = hits_of(self.question.hits)
        free = window_of(query, chunks, self.room)
        sections = [
            ctxmem.Section("a", min=int(MINIMUM * self.budget), max=int(MAXIMUM * self.budget)),
            ctxmem.Section("b", max=int(MAXIMUM * self.budget)),
        ]
        if not any(self.section[i] == "a" for i in self.texts):
            sections[0] = ctxmem.Section("a")
        constrained = [
            ctxmem.Chunk(
                chunk.text,
                id=chunk.id,
                source=chunk.source,
                span=chunk.span,
                rank=chunk.rank,
                list=chunk.list,
                section=self.section[str(chunk.id)],
                requires=self.requires.get(str(chunk.id), ()),
                pinned=chunk.id == self.pin,
            )
            for chunk in chunks
        ]
        before = window_of(query, chunks[::2], self.budget // 3)
        alone = window_of(query, constrained, self.budget, sections=sections)
        continued = window_of(
            query, constrained, self.budget, sections=sections, previous_window=before
        )
        for window in (alone, continued):
            self.check(window, sections)
        return Recalls(*(self.recall(window) for window in (free, alone, continued)))

    def shown(self, window: ctxmem.Window) -> Mapping[str, list[tuple[int, int]]]:
        """Return the character ranges of each document that a window shows."""
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for piece in window.pieces:
            for name, start, end in piece.origins:
                hit = self.texts[name]
                found[hit.doc].append((hit.start + start, hit.start + end))
        return found

    def recall(self, window: ctxmem.Window) -> float:
        shown = self.shown(window)
        parts = [(_covered(shown[doc], a, b).sum(), b - a) for doc, a, b in self.question.gold]
        return float(sum(p for p, _ in parts) / max(1, sum(n for _, n in parts)))

    def check(self, window: ctxmem.Window, sections: Sequence[ctxmem.Section]) -> None:
        """Raise an AssertionError unless the window keeps every constraint."""
        shown = self.shown(window)
        printed = {" ".join(piece.text.split()) for piece in window.pieces}

        def whole(name: str) -> bool:
            hit = self.texts[name]
            seen = _covered(shown[hit.doc], hit.start, hit.start + len(hit.text))
            text = " ".join(hit.text.split())  # another passage may have the same text
            if any(text in one for one in printed):
                return True
            return all(s or c.isspace() for s, c in zip(seen, hit.text, strict=True))

        assert window.tokens <= self.budget
        assert whole(self.pin), f"the pin {self.pin} is cut"
        for name in {d.chunk_id for d in window.decisions if d.kept}:
            for other in self.requires.get(name, ()):
                assert whole(other), f"{name} is shown without {other}"
        for section in sections:
            parts = [
                piece.header + piece.text
                for piece in window.pieces
                if self.section[piece.chunk_ids[0]] == section.name
            ]
            used = ctxmem.count_tokens("\n\n".join(parts))
            assert used >= section.min, f"section {section.name} has {used} tokens"
            assert section.max is None or used <= section.max, f"{section.name} has {used} tokens"


def _covered(ranges: Iterable[tuple[int, int]], start: int, end: int) -> np.ndarray[Any, Any]:
    """Return which characters from start to end are in one of the ranges."""
    seen = np.zeros(end - start, dtype=np.bool_)
    for a, b in ranges:
        seen[max(0, a - start) : max(0, b - start)] = True
    return seen


if __name__ == "__main__":
    sys.exit(main())

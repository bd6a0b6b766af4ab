"""Does a window made of one dense list keep as much evidence as the list's own order does?

    python -m ctxmem.bench.single_list --data PATH...

For each question the best 5, 10 and 20 hits of its single dense list are packed into half of their
tokens, by `ctxmem.pack` and by a plain fill, which takes whole hits in the order of the list and
skips hits that do not fit. The output is the share of the evidence, in characters, that each keeps,
and the share for the same list with its similarities given as distances.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

import ctxmem

from .questions import Asked, Hit, read_set, sets_in

DEPTHS = (5, 10, 20)
SEPARATOR = "\n\n"

Ranges = list[tuple[str, int, int]]
Packer = Callable[[Asked, Sequence[Hit], int], Ranges]


def in_order(asked: Asked, hits: Sequence[Hit], budget: int) -> Ranges:
    """Return the selection of a plain fill: whole hits, best first, if they fit."""
    shown: list[str] = []
    ranges: Ranges = []
    for hit in hits:
        if ctxmem.count_tokens(SEPARATOR.join([*shown, hit.text])) <= budget:
            shown.append(hit.text)
            ranges.append((hit.doc, hit.start, hit.end))
    return ranges


def packed(sign: float) -> Packer:
    """Return a packer that gives similarities times `sign` as scores."""

    def run(asked: Asked, hits: Sequence[Hit], budget: int) -> Ranges:
        chunks = [
            ctxmem.Chunk(
                hit.text,
                id=str(hit.key),
                source=hit.doc,
                span=(hit.start, hit.end),
                rank=hit.rank,
                score=sign * float(asked.scores[k, 0]),
                list="dense",
            )
            for k, hit in enumerate(hits)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ctxmem.CtxmemWarning)  # distances are given on purpose
            window = ctxmem.pack(chunks, budget, query=asked.query["text"])
        return [(piece.source or "", *span) for piece in window.pieces for span in piece.spans]

    return run


PACKERS: dict[str, Packer] = {
    "order of the list": in_order,
    "ctxmem": packed(1.0),
    "ctxmem, distances": packed(-1.0),
}


def kept_share(gold: Iterable[tuple[str, int, int]], shown: Ranges) -> float:
    """Return the share of the gold, in characters, that a window contains."""
    found = wanted = 0
    for doc, start, end in gold:
        covered = np.zeros(end - start, dtype=np.bool_)
        for name, first, last in shown:
            if name == doc and first < end and start < last:
                covered[max(0, first - start) : last - start] = True
        found += int(covered.sum())
        wanted += end - start
    return found / max(1, wanted)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the share of the evidence that each packer keeps, by set and depth."""
    parser = argparse.ArgumentParser(prog="ctxmem bench single_list", description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", help="folders of questions")
    options = parser.parse_args(argv)
    if not options.data:
        print("ctxmem bench single_list: needs --data PATH, question sets", file=sys.stderr)
        return 2
    print(f"{'set':16s}{'hits':>6s}{'n':>5s}" + "".join(f"{name:>20s}" for name in PACKERS))
    for folder in options.data:
        for name in sets_in(folder):
            questions = [asked for asked in read_set(folder, name, single=True) if asked.hits]
            for depth in DEPTHS:
                row = [_mean_share(questions, packer, depth) for packer in PACKERS.values()]
                shares = "".join(f"{share:20.3f}" for share in row)
                print(f"{name:16s}{depth:6d}{len(questions):5d}{shares}", flush=True)
    return 0


def _mean_share(questions: Sequence[Asked], packer: Packer, depth: int) -> float:
    shares = []
    for asked in questions:
        hits = sorted(asked.hits, key=lambda hit: hit.rank)[:depth]
        budget = sum(ctxmem.count_tokens(hit.text) for hit in hits) // 2
        shares.append(kept_share(asked.gold, packer(asked, hits, max(1, budget))))
    return float(np.mean(shares))


if __name__ == "__main__":
    sys.exit(main())

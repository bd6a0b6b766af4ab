"""Is the structure of technical texts kept? Packers for a scorer of structure, and its questions.

The scorer is a Python file that calls `packer(question, chunks, budget) -> str` and checks that the
window contains the answer with its name, header, lead-in and fences.

    python score.py --packer ctxmem.bench.structure:packer
    ctxmem bench structure --data FILE [--left-out FOLDER]

`--left-out` is a folder that `ctxmem.bench.fit_value --structure FILE --leave-out FOLDER` writes:
each kind of question is then scored with weights fitted without it.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import ctxmem

from .packers import valued_by
from .questions import Asked, Hit


def packer(question: str, chunks: Sequence[Mapping[str, Any]], budget: int) -> str:
    """Return the text of the window that `ctxmem.pack` makes with default options."""
    return ctxmem.pack(_chunks(chunks), budget, query=question).text


def whole_chunks(question: str, chunks: Sequence[Mapping[str, Any]], budget: int) -> str:
    """Return the text of a window of whole chunks."""
    return ctxmem.pack(_chunks(chunks), budget, query=question, compress=False).text


def misplaced(
    question: str,
    chunks: Sequence[Mapping[str, Any]],
    budget: int,
    places: Mapping[str, tuple[str, int, int]],
) -> int:
    """Return how many pieces of a window come after a later one of their source.

    `places` says of each chunk its source, begin and end. A scorer that finds the lines of a window
    in the sources cannot tell lines that occur twice; the origins of a piece can.
    """
    window = ctxmem.pack(_chunks(chunks), budget, query=question)
    furthest: dict[str, int] = {}
    wrong = 0
    for piece in window.pieces:
        chunk, start, _ = piece.origins[0]
        source, begin, _ = places[chunk]
        wrong += begin + start < furthest.get(source, 0)
        furthest[source] = max(furthest.get(source, 0), begin + start)
    return wrong


def _chunks(chunks: Sequence[Mapping[str, Any]]) -> list[ctxmem.Chunk]:
    fields = ("text", "id", "source", "span", "rank", "list")
    return [ctxmem.Chunk(**{name: chunk[name] for name in fields}) for chunk in chunks]


def read_questions(path: Path) -> Iterator[Asked]:
    """Yield the questions of a file of the scorer; each kind of question is a separate set.

    Only the answers are evidence. Names, headers and keys above them are not, since the outline
    adds them.
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


# Command ------------------------------------------------------------------------------------------

BUDGETS = (150, 300, 600, 1200)
MISPLACED = "misplaced"
PACKERS = {"ctxmem": packer, "ctxmem, whole chunks": whole_chunks}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the share of answered questions, by kind, and the faults per hundred windows."""
    parser = argparse.ArgumentParser(prog="ctxmem bench structure", description=__doc__)
    parser.add_argument("--data", type=Path, help="file with the questions")
    parser.add_argument(
        "--scorer", type=Path, help="the scorer (default: score.py beside the data)"
    )
    parser.add_argument(
        "--left-out", type=Path, help="folder of weights fitted without each kind of question"
    )
    options = parser.parse_args(argv)
    if options.data is None:
        print("ctxmem bench structure: needs --data FILE, questions to texts", file=sys.stderr)
        return 2
    scorer = load_scorer(options.scorer or options.data.resolve().parent / "score.py")
    data, sources = scorer.load(str(options.data))
    by_kind: dict[str, list[Any]] = {}
    for question in data["questions"]:
        by_kind.setdefault(question["kind"], []).append(question)
    seen = (
        "questions whose kind the weights have not seen" if options.left_out else "shipped weights"
    )
    print(f"ctxmem {ctxmem.__version__}, n = {len(data['questions'])}, {seen}")
    scored = _Scored(scorer, data, sources, options.left_out)
    for name, pack in PACKERS.items():
        for budget in BUDGETS:
            faults: Counter[str] = Counter()
            answered = {
                kind: scored.share(kind, questions, pack, budget, faults)
                for kind, questions in by_kind.items()
            }
            mean = sum(answered.values()) / len(answered)
            kinds = " ".join(f"{kind} {share:.2f}" for kind, share in answered.items())
            print(f"{name:21s}{budget:6d} tokens: answered {mean:.3f}  {kinds}")
            hundred = len(data["questions"]) / 100
            said = " ".join(f"{fault} {faults[fault] / hundred:.0f}" for fault in scorer.COUNTS)
            print(f"{'':33s}in 100 windows: {said}", flush=True)
            if pack is packer:
                moved = faults[MISPLACED]
                print(f"{'':33s}out of order by their origins: {moved} pieces in all windows")
    return 0


class _Scored(NamedTuple):
    """What reads and judges windows."""

    scorer: Any
    data: Mapping[str, Any]
    sources: Any
    left_out: Path | None

    def share(
        self,
        kind: str,
        questions: Sequence[Any],
        pack: Callable[[str, Sequence[Mapping[str, Any]], int], str],
        budget: int,
        faults: Counter[str],
    ) -> float:
        """Return the share of questions of a kind that windows answer; count faults."""
        right = 0
        with valued_by(self.left_out and self.left_out / f"structure_{kind}.json"):
            for question in questions:
                hits = self.scorer.hits_of(question, self.data)
                text = pack(question["question"], hits, budget)
                reading = self.scorer.read(text, question, self.data, self.sources)
                right += self.scorer.judge(question, reading, self.sources) == 1
                faults.update(reading.integrity())
                if pack is packer:
                    places = self.data["chunks"]
                    faults[MISPLACED] += misplaced(question["question"], hits, budget, places)
        return right / len(questions)


def load_scorer(path: Path) -> Any:
    """Return the module of a scorer, which is a Python file beside its data."""
    spec = importlib.util.spec_from_file_location("structure_scorer", path)
    if spec is None or spec.loader is None:
        raise ctxmem.InputError(f"{path} is no Python file; expected the scorer")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())

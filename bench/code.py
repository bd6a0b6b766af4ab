"""Is the function that a question asks for in the window, whole?

    ctxmem bench code --archives FOLDER [--data FILE] [--keep-docs]

FOLDER has source distributions, such as `pip download --no-deps --no-binary :all: flask` writes.
A question is the first sentence of a function's doc string, which is taken out of the source, or a
line of a change log that names the function. FILE has documents, queries and marked ranges. Recall
is the share of the function's lines in the window; `whole` is the share of questions all of whose
lines are there. Every method has the same files and headers.
"""

from __future__ import annotations

import argparse
import ast
import math
import re
import statistics
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import ctxmem

from .code_questions import Question, Repository, read_archives, read_functions

BUDGETS = (2000, 8000)
WORD = re.compile(r"[A-Za-z_]\w*")
LINES_OF_CHUNK = 40


class Shown(NamedTuple):
    """A window: its tokens, and the lines of each file in it."""

    tokens: int
    lines: Mapping[str, set[int]]


class Unit(NamedTuple):
    """What a baseline ranks: lines of a file, (first, last) from 1, and what is shown of them."""

    path: str
    first: int
    last: int
    text: str
    name: str = ""
    signature: str = ""


# ctxmem -------------------------------------------------------------------------------------------


class Ours:
    """`ctxmem.code` and `ctxmem.pack` with their default options."""

    def __init__(self, repository: Repository, files: Mapping[str, str]) -> None:
        self.code = ctxmem.code(repository.folder)
        self.files = files

    def __call__(self, question: str, budget: int) -> Shown:
        """Return the window for a question; what it shows is compared with the files."""
        chunks = self.code.chunks(question)
        window = ctxmem.pack(chunks, budget, query=question)
        lines: dict[str, set[int]] = defaultdict(set)
        for piece in window.pieces:
            for line, text in shown_lines(piece, {str(chunk.id): chunk for chunk in chunks}):
                path = piece.source or ""
                assert text in self.files[path].split("\n")[line - 1], (path, line, text)
                lines[path].add(line)
        return Shown(ctxmem.count_tokens(window.text), lines)


def shown_lines(piece: ctxmem.Piece, chunks: Mapping[str, ctxmem.Chunk]) -> list[tuple[int, str]]:
    """Return the lines of a piece that are shown whole, with their numbers."""
    found = []
    for name, start, end in piece.origins:
        chunk = chunks[name]
        first = chunk.metadata["line"] + chunk.text.count("\n", 0, start)
        for k, line in enumerate(chunk.text[start:end].split("\n")):
            found.append((first + k, line.strip()))
    return found


# Baselines ----------------------------------------------------------------------------------------


class Baseline(ABC):
    """Shows units in the order of a rank until one does not fit; smaller ones may still fit."""

    def __init__(self, repository: Repository, files: Mapping[str, str]) -> None:
        self.asked, self.order = "", list[int]()
        self.units = self.cut(files)
        self.tokens = ctxmem.counter("o200k_base").count_many(
            [
                f"[{unit.path}:{unit.first}-{unit.last}]\n{self.shown(unit)}\n\n"
                for unit in self.units
            ]
        )

    @abstractmethod
    def cut(self, files: Mapping[str, str]) -> list[Unit]:
        """Return the units of files."""

    def shown(self, unit: Unit) -> str:
        """Return what a window shows of a unit."""
        return unit.text

    @abstractmethod
    def rank(self, question: str) -> list[int]:
        """Return the units, best first."""

    def __call__(self, question: str, budget: int) -> Shown:
        """Return the window for a question."""
        if question != self.asked:  # once for all budgets
            self.asked, self.order = question, self.rank(question)
        spent = 0
        lines: dict[str, set[int]] = defaultdict(set)
        for i in self.order:
            if spent + self.tokens[i] <= budget:
                spent += int(self.tokens[i])
                unit = self.units[i]
                count = self.shown(unit).count("\n") + 1
                lines[unit.path].update(range(unit.first, unit.first + count))
        return Shown(spent, lines)


class Words(Baseline):
    """BM25 over chunks of a fixed number of lines."""

    def __init__(self, repository: Repository, files: Mapping[str, str]) -> None:
        super().__init__(repository, files)
        self.index = Bm25([unit.text for unit in self.units])

    def cut(self, files: Mapping[str, str]) -> list[Unit]:
        """Return chunks of `LINES_OF_CHUNK` lines."""
        found = []
        for path, text in files.items():
            lines = text.split("\n")
            for first in range(0, len(lines), LINES_OF_CHUNK):
                part = lines[first : first + LINES_OF_CHUNK]
                if "".join(part).strip():
                    found.append(Unit(path, first + 1, first + len(part), "\n".join(part)))
        return found

    def rank(self, question: str) -> list[int]:
        """Return the chunks by BM25."""
        return self.index.rank(question)


class Functions(Words):
    """BM25 over whole functions, methods and what is between them."""

    def cut(self, files: Mapping[str, str]) -> list[Unit]:
        """Return functions and the statements between them."""
        return functions_of(files)


class RepoMap(Baseline):
    """Signatures by the rank of references: PageRank from the names that the question mentions."""

    def __init__(self, repository: Repository, files: Mapping[str, str]) -> None:
        super().__init__(repository, files)
        self.words = [set(parts_of(f"{unit.path} {unit.name}")) for unit in self.units]
        self.edges = reference_edges(self.units)

    def cut(self, files: Mapping[str, str]) -> list[Unit]:
        """Return functions and the statements between them."""
        return functions_of(files)

    def shown(self, unit: Unit) -> str:
        """Return the signature of a unit."""
        return unit.signature

    def rank(self, question: str) -> list[int]:
        """Return the functions by reference rank."""
        asked = set(parts_of(question))
        start = [1.0 + 10.0 * len(words & asked) for words in self.words]
        ranks = page_rank(self.edges, start)
        order = sorted(range(len(self.units)), key=lambda i: -ranks[i])
        return [i for i in order if self.units[i].signature]


class RepoMapBodies(RepoMap):
    """The same rank, with whole functions in place of signatures."""

    def shown(self, unit: Unit) -> str:
        """Return the whole unit."""
        return unit.text


def functions_of(files: Mapping[str, str]) -> list[Unit]:
    """Return functions and methods, and the lines between them, of Python files; others whole."""
    found = []
    for path, text in files.items():
        lines = text.split("\n")
        begin = 0
        for node in sorted(_functions(text), key=lambda node: node.lineno):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
            last = node.end_lineno or node.lineno
            if first < begin:
                continue
            _add_between(found, path, lines, begin, first)
            part = "\n".join(lines[first:last])
            head = "\n".join(lines[first : max(first + 1, node.body[0].lineno - 1)])
            found.append(Unit(path, first + 1, last, part, node.name, head))
            begin = last
        _add_between(found, path, lines, begin, len(lines))
    return found


def _functions(text: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    found: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found.append(child)
            elif isinstance(child, ast.stmt):
                pending.append(child)
    return found


def _add_between(found: list[Unit], path: str, lines: list[str], begin: int, end: int) -> None:
    for first in range(begin, end, LINES_OF_CHUNK):
        part = lines[first : min(end, first + LINES_OF_CHUNK)]
        if "".join(part).strip():
            found.append(Unit(path, first + 1, first + len(part), "\n".join(part)))


def parts_of(text: str) -> list[str]:
    """Return the words of a text, and of each identifier its parts, in lower case."""
    found = []
    for word in WORD.findall(text):
        parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", word)
        found += [part.lower() for part in parts]
        if len(parts) > 1:
            found.append(word.lower())
    return found


class Bm25:
    """BM25 with the usual constants, k1 = 1.2 and b = 0.75, over words and parts of identifiers."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(parts_of(text)) for text in texts]
        lengths = [sum(count.values()) for count in counts]
        mean = statistics.fmean(lengths) if lengths else 1.0
        self.size = len(texts)
        self.held: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for i, count in enumerate(counts):
            norm = 1.2 * (1 - 0.75 + 0.75 * lengths[i] / max(1.0, mean))
            for word, often in count.items():
                self.held[word].append((i, often * 2.2 / (often + norm)))

    def rank(self, question: str) -> list[int]:
        """Return the texts that share a word with the question, best first."""
        scores: dict[int, float] = defaultdict(float)
        for word in set(parts_of(question)):
            held = self.held.get(word, [])
            rarity = math.log(1 + (self.size - len(held) + 0.5) / (len(held) + 0.5))
            for i, weight in held:
                scores[i] += rarity * weight
        return sorted(scores, key=lambda i: (-scores[i], i))


def reference_edges(units: Sequence[Unit]) -> list[tuple[int, int, float]]:
    """Return an edge from each unit to the definitions of the names that it uses."""
    meanings: dict[str, list[int]] = defaultdict(list)
    for i, unit in enumerate(units):
        if unit.name:
            meanings[unit.name].append(i)
    edges = []
    for i, unit in enumerate(units):
        for name, often in Counter(WORD.findall(unit.text)).items():
            for j in meanings.get(name, ()):
                if i != j:
                    edges.append((i, j, math.sqrt(often) / len(meanings[name])))
    return edges


def page_rank(edges: Sequence[tuple[int, int, float]], start: Sequence[float]) -> list[float]:
    """Return the personalised PageRank with damping .85, after 20 steps."""
    total = sum(start)
    origin = [value / total for value in start]
    out: dict[int, float] = defaultdict(float)
    for i, _, weight in edges:
        out[i] += weight
    rank = origin
    for _ in range(20):
        moved = [0.0] * len(origin)
        for i, j, weight in edges:
            moved[j] += weight / out[i] * rank[i]
        lost = 1.0 - sum(moved)
        rank = [
            0.15 * base + 0.85 * (flow + lost * base)
            for base, flow in zip(origin, moved, strict=True)
        ]
    return rank


# Command ------------------------------------------------------------------------------------------

METHODS: dict[str, Callable[[Repository, Mapping[str, str]], Callable[[str, int], Shown]]] = {
    "ctxmem": Ours,
    "BM25, 40 lines": Words,
    "BM25, functions": Functions,
    "repo map": RepoMap,
    "repo map, bodies": RepoMapBodies,
}


def files_of(repository: Repository) -> dict[str, str]:
    """Return the texts that every method sees: those that `ctxmem.code` reads."""
    return {file.path: file.parsed.text for file in ctxmem.code(repository.folder).files}


def recall(question: Question, shown: Shown) -> float:
    """Return the share of a function's lines that a window shows."""
    first, last = question.lines
    lines = shown.lines.get(question.path, set())
    return sum(line in lines for line in range(first, last + 1)) / (last - first + 1)


def main(argv: Sequence[str] | None = None) -> int:
    """Print recall by method, budget and kind of question."""
    parser = argparse.ArgumentParser(prog="ctxmem bench code", description=__doc__)
    parser.add_argument("--archives", type=Path, help="folder of source distributions")
    parser.add_argument("--data", type=Path, help="file of documents, queries and ranges")
    parser.add_argument("--count", type=int, default=30, help="questions of a kind a repository")
    parser.add_argument("--keep-docs", action="store_true", help="leave doc strings in the source")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), metavar="NAME")
    options = parser.parse_args(argv)
    if options.archives is None and options.data is None:
        print("ctxmem bench code: needs --archives FOLDER or --data FILE", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repositories = []
        if options.data:
            repositories.append(read_functions(options.data, folder / "data"))
        if options.archives:
            archives = sorted(
                path for path in options.archives.iterdir() if path.name.endswith((".gz", ".zip"))
            )
            repositories += read_archives(
                archives, folder, options.count, keep_docs=options.keep_docs
            )
        _measure(repositories, options.methods)
    return 0


def _measure(repositories: Sequence[Repository], methods: Sequence[str]) -> None:
    scores: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    asked = [q for repository in repositories for q in repository.questions]
    kinds = sorted({q.kind for q in asked})
    print(f"ctxmem {ctxmem.__version__}, {len(repositories)} repositories, n = {len(asked)}")
    for repository in repositories:
        files = files_of(repository)
        for method in methods:
            started = time.perf_counter()
            window = METHODS[method](repository, files)
            made = time.perf_counter() - started
            started = time.perf_counter()
            here: dict[int, list[float]] = defaultdict(list)
            for question in repository.questions:
                for budget in BUDGETS:
                    shown = window(question.text, budget)
                    assert shown.tokens <= budget, (method, budget, shown.tokens)
                    found = recall(question, shown)
                    scores[method, question.kind, budget].append(found)
                    scores[method, repository.name, budget].append(found)
                    here[budget].append(found)
            each = (time.perf_counter() - started) / max(1, 2 * len(repository.questions))
            means = "  ".join(f"{statistics.fmean(here[b] or [0.0]):.3f}" for b in BUDGETS)
            print(
                f"  {repository.name:13s} {len(files):4d} files n = {len(repository.questions):3d} "
                f" {method:17s} {means}  made in {made:.2f} s, {each * 1000:.0f} ms each",
                flush=True,
            )
    for kind in kinds:
        for method in methods:
            row = []
            for budget in BUDGETS:
                found = scores[method, kind, budget]
                whole = statistics.fmean(one == 1.0 for one in found)
                row.append(f"{statistics.fmean(found):.3f} ({whole:.3f} whole)")
            print(f"{kind:10s} n = {len(found):3d} {method:17s} " + "   ".join(row))


if __name__ == "__main__":
    sys.exit(main())

"""A code base: its symbols, ranked for a question, as chunks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ctxmem.codebase.files import as_paths, find_files, read_file
from ctxmem.codebase.index import Fields, WordIndex
from ctxmem.codebase.parsing import CACHE
from ctxmem.codebase.recency import last_changes
from ctxmem.codebase.references import find_references
from ctxmem.codebase.symbols import Skipped, SourceFile, Symbol
from ctxmem.codebase.words import terms
from ctxmem.errors import InputError, InputTypeError
from ctxmem.schema import Alternative, Chunk

LIMIT = 300
"""Chunks that are returned for a question, the best ones; those that they require are added."""

SEEDS = 20
"""Symbols, the best by their words, from which the rank of references starts."""

WORDS, NEIGHBOURS, USED, RECENT = 1.0, 0.6, 0.05, 0.05
"""Weights of the words of a question, the neighbourhood of the best symbols, the share of all
references, and recency."""

TESTS = 0.4
"""Factor on tests, which use the words of what they test."""

TEST = re.compile(
    r"(?:^|/)(?:tests?|testing|spec|__tests__)/|(?:^|/)(?:test_|conftest)|_test\.|\.(?:test|spec)\."
)

PROSE = 0.5
"""Factor on texts that are no code."""

MAP_SHARE = 0.6
"""Share of the value of a symbol that its signature has where nothing is asked: a map is wanted."""

LONG, LONG_SHARE = 4000, 0.5
"""Characters above which a symbol may be shown as its signature where something is asked, about
1,000 tokens, and the share of its value per token that the signature has then."""

SHARPNESS = 4.0
"""Exponent of the score from which the probability that a symbol is what is asked for is made,
fitted on repositories that no benchmark uses."""


def code(
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
) -> Codebase:
    """Read a repository, folders or files of code as context."""
    paths = as_paths(path)
    if not paths:
        raise InputError("no path is given; expected the path of a file or folder of code")
    skipped: list[Skipped] = []
    found = find_files(paths, _patterns(include, "include"), _patterns(exclude, "exclude"), skipped)
    files: list[SourceFile] = []
    fields: list[Fields] = []
    times: dict[str, int] = {}
    for root in paths:
        if root.is_dir():
            prefix = f"{root.resolve().name}/" if len(paths) > 1 else ""
            times.update({prefix + name: at for name, at in last_changes(root).items()})
    for one in found:
        data, reason = read_file(one.file, one.file.name, named=one.named)
        if not reason:
            known = CACHE.read(data, one.path, named=one.named)
            reason = known.reason
        if reason:
            skipped.append(Skipped(one.path, reason))
            continue
        files.append(SourceFile(one.path, known.parsed))
        fields.extend(known.fields)
    return Codebase(files, fields, skipped, times)


def _patterns(given: Iterable[str], name: str) -> list[str]:
    if isinstance(given, str):
        raise InputTypeError(f"{name} is a str; expected a list of patterns, such as ['*.py']")
    return list(given)


class Codebase:
    """The symbols of files of code, ranked for questions; made by `ctxmem.code`.

    Attributes:
        files: the files that were read, in the order of their paths.
        skipped: the files and folders that were left out, each with the reason.
    """

    def __init__(
        self,
        files: Sequence[SourceFile],
        fields: Sequence[Fields],
        skipped: Sequence[Skipped],
        times: Mapping[str, int],
    ) -> None:
        self.files = tuple(files)
        self.skipped = tuple(skipped)
        self._symbols = [symbol for file in files for symbol in file.parsed.symbols]
        self._file = [k for k, file in enumerate(files) for _ in file.parsed.symbols]
        self._first = np.cumsum([0, *(len(file.parsed.symbols) for file in files)]).tolist()
        self._words = WordIndex(fields, self._above())
        self._references = find_references(files, [one.names for one in fields])
        self._recent = _recency([times.get(file.path) for file in files])[self._file]
        self._factor = np.array([self._factor_of(i) for i in range(len(self._symbols))])

    def __len__(self) -> int:
        """Return the number of symbols."""
        return len(self._symbols)

    def chunks(self, question: str | None = None, *, limit: int = LIMIT) -> list[Chunk]:
        """Return the best symbols for a question as chunks, best first."""
        score = self.rank(question)
        order = np.argsort(-score, kind="stable")[:limit].tolist()
        chosen = dict.fromkeys(i for i in order if score[i] > 0)
        for i in list(chosen):
            for parent in self._parents(i):
                chosen.setdefault(parent)
        best = score / max(score.max(initial=0.0), 1e-12)
        likely = best**SHARPNESS
        likely /= max(likely.sum(), 1e-12)
        return [
            self._chunk(i, float(best[i]), float(likely[i]), asked=bool(question)) for i in chosen
        ]

    def rank(self, question: str | None = None) -> NDArray[np.float64]:
        """Return the relevance of each symbol for a question."""
        words = np.zeros(len(self._symbols))
        if question:
            words = self._words.score(question) * self._factor
        used = self._references.rank()
        base = USED * _scaled(used) + RECENT * self._recent
        if not words.any():
            return base * self._factor
        seeds = np.zeros(len(words))
        best = np.argsort(-words, kind="stable")[:SEEDS]
        seeds[best] = words[best] ** 2
        near = self._references.rank(seeds)
        return WORDS * _scaled(words) + (NEIGHBOURS * _scaled(near) + base) * self._factor

    def _parents(self, i: int) -> list[int]:
        found = []
        while self._symbols[i].parent >= 0:
            i = self._symbols[i].parent + self._first[self._file[i]]
            found.append(i)
        return found

    def _above(self) -> list[list[str]]:
        """Return the words of the names above each symbol: of its classes, its file and folders."""
        by_path = {file.path: terms(file.path.rsplit(".", 1)[0]) for file in self.files}
        found = []
        for i, symbol in enumerate(self._symbols):
            above = symbol.qualified.rpartition(".")[0]
            found.append(list({*by_path[self.files[self._file[i]].path], *terms(above)}))
        return found

    def _factor_of(self, i: int) -> float:
        path = self.files[self._file[i]].path
        return (TESTS if TEST.search(path) else 1.0) * (
            PROSE if self._symbols[i].kind == "text" else 1.0
        )

    def _name(self, i: int) -> str:
        symbol, file = self._symbols[i], self.files[self._file[i]]
        last = symbol.line + file.parsed.text.count("\n", symbol.start, symbol.end)
        return f"{file.path}:{symbol.line}-{last}"

    def _chunk(self, i: int, score: float, density: float, *, asked: bool) -> Chunk:
        symbol, file = self._symbols[i], self.files[self._file[i]]
        text = file.parsed.text
        parents = self._parents(i)[:1]
        return Chunk(
            text[symbol.start : symbol.end],
            id=self._name(i),
            score=score,
            density=density,
            source=file.path,
            span=(symbol.start, symbol.end),
            requires=[self._name(parent) for parent in parents],
            alternatives=_short(text, symbol, asked=asked),
            metadata={"line": symbol.line, "name": symbol.qualified, "kind": symbol.kind},
        )


def _short(text: str, symbol: Symbol, *, asked: bool) -> tuple[Alternative, ...]:
    """Return the signature of a function or class as an alternative, if it is much shorter.

    Where something is asked, only a long symbol has one, for a window that it does not fit into:
    signatures of many would take the place of the body that is asked for.
    """
    start, end = symbol.signature
    size = symbol.end - symbol.start
    if end <= start or symbol.kind == "text" or (end - start) * 2 > size:
        return ()
    if asked and size <= LONG:
        return ()
    share = LONG_SHARE * (end - start) / size if asked else MAP_SHARE
    span = (start - symbol.start, end - symbol.start)
    return (Alternative(text[start:end], share, "signature", (span,)),)


def _recency(times: Sequence[int | None]) -> NDArray[np.float64]:
    """Return 1 for the file that was changed last, 0 for the first and for unknown ones, by rank."""
    known = sorted({at for at in times if at is not None})
    place = {at: (k + 1) / len(known) for k, at in enumerate(known)}
    return np.array([0.0 if at is None else place[at] for at in times])


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values / max(values.max(initial=0.0), 1e-12)

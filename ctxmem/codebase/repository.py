"""A code base: its symbols, ranked for a question, as chunks."""

from __future__ import annotations

import os
import re
from collections import Counter
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
from ctxmem.errors import InputError, InputTypeError, a_type
from ctxmem.schema import Alternative, Chunk

LIMIT = 300
"""Chunks that are returned for a question, the best ones; those that they require are added."""

SEEDS = 20
"""Symbols, the best by their words, from which the rank of references starts."""

WORDS, NEIGHBOURS, USED, RECENT = 1.0, 0.6, 0.05, 0.05
"""Weights of the words of a question, the neighbourhood of the best symbols, the share of all
references, and recency."""

ADJACENT = 0.2
"""Weight of the symbols before and after a symbol: what is about the same is written together."""

NAMED = 5
"""Files that the report names for a reason, at most."""

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
    r"""Read a repository, folders or files of code as context.

    Files that git ignores, hidden, vendored, built, generated, minified, binary and large files
    are left out; `Codebase.skipped` has each with the reason. Symbolic links to folders are not
    followed. Python is parsed by the standard library; other languages by the grammars of the
    extra `code` where it is installed, else they are cut by their indentation. Parsed files are
    kept, by their content, for later calls.

    Args:
        path: a folder or a file, or several.
        include: patterns, as in `.gitignore`, of the files of a folder that are read; all others
            are left out. Without it, files with the ending of a source file or a text.
        exclude: patterns of files and folders that are left out.

    Raises:
        InputError: no path, or a path that does not exist.
        InputTypeError: `include` or `exclude` is a str.

    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = Path(folder.name, "app.py").write_text("def area(a, b):\n    return a * b\n")
    >>> [(chunk.id, chunk.text) for chunk in code(folder.name).chunks("area of a rectangle")]
    [('app.py:1-2', 'def area(a, b):\n    return a * b')]
    >>> folder.cleanup()
    """
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
        self._used = _scaled(self._references.rank())
        self._recent = _recency([times.get(file.path) for file in files])[self._file]
        self._factor = np.array([self._factor_of(i) for i in range(len(self._symbols))])

    def explain(self) -> str:
        """Return a report for a person: what was read, with notes, and what was left out, and why.

        Files are named up to `NAMED` for each reason; `skipped` has all of them.
        """
        read = "1 file" if len(self.files) == 1 else f"{len(self.files):,} files"
        found = "1 symbol" if len(self) == 1 else f"{len(self):,} symbols"
        lines = [f"{read} read, {found}"]
        lines += [f"  {f.path}: {f.parsed.note}" for f in self.files if f.parsed.note]
        count = Counter(one.reason for one in self.skipped)
        for reason, often in count.most_common():
            paths = [one.path for one in self.skipped if one.reason == reason]
            more = ", ..." if often > NAMED else ""
            lines.append(f"  {often:,} left out, {reason}: {', '.join(paths[:NAMED])}{more}")
        return "\n".join(lines)

    def __len__(self) -> int:
        """Return the number of symbols."""
        return len(self._symbols)

    def chunks(self, question: str | None = None, *, limit: int = LIMIT) -> list[Chunk]:
        """Return the best symbols for a question as chunks, best first.

        `ctxmem.pack` and `ctxmem.assemble` take them. A chunk is a function, a method, a class, or
        statements between them; its id is `path:first-last`, its `density` the probability that it
        is what is asked for. A method requires the signature of its class. Without a question,
        symbols are ranked by how much others use them, and have signatures as alternatives: the
        window is a map.

        Args:
            question: what is asked, or a description of the task.
            limit: the number of chunks; what they require is added.

        Raises:
            InputError: the limit is below 1.
            InputTypeError: the question is not a str.
        """
        if question is not None and not isinstance(question, str):
            raise InputTypeError(
                f"question is {a_type(question)}; expected a str, or None for a map"
            )
        if limit < 1:
            raise InputError(f"limit is {limit}; expected a number of chunks from 1")
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
        base = USED * self._used + RECENT * self._recent
        if not words.any():
            found: NDArray[np.float64] = base * self._factor
            return found
        seeds = np.zeros(len(words))
        best = np.argsort(-words, kind="stable")[:SEEDS]
        seeds[best] = words[best] ** 2
        near = self._references.rank(seeds)
        found = WORDS * _scaled(words) + (NEIGHBOURS * _scaled(near) + base) * self._factor
        return found + ADJACENT * self._beside(found)

    def _beside(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean score of the symbols before and after each in its file."""
        beside = np.zeros(len(score))
        file = np.array(self._file)
        same = file[1:] == file[:-1]
        beside[1:][same] += score[:-1][same] / 2
        beside[:-1][same] += score[1:][same] / 2
        return beside

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
    if text[end : end + 1] != "\n":  # "def f(): return 1"
        return ()
    if asked and size <= LONG:
        return ()
    share = LONG_SHARE * (end - start) / size if asked else MAP_SHARE
    span = (start - symbol.start, end - symbol.start)
    return (Alternative(text[start:end], share, "signature", (span,)),)


def _recency(times: Sequence[int | None]) -> NDArray[np.float64]:
    """Return 1 for the file that was changed last, less for earlier ones, 0 if it is unknown."""
    known = sorted({at for at in times if at is not None})
    place = {at: (k + 1) / len(known) for k, at in enumerate(known)}
    return np.array([0.0 if at is None else place[at] for at in times])


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = values / max(values.max(initial=0.0), 1e-12)
    return scaled

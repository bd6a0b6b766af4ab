"""Which symbols use which: by the names in their text, narrowed by class, file and imports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ctxmem.codebase.symbols import Import, SourceFile, Symbol

MOST_MEANINGS = 4
"""Definitions of a name, at most, that a use of it may mean, where neither class, file nor imports
say which; a name with more of them, such as `get`, says nothing."""

KNOWN, GUESSED = 1.0, 0.4
"""Weight of a use whose definition is in the same class or file or is imported, and of others."""

MEMBER = 0.3
"""Weight of the tie between a class and a part of its body."""

ROUNDS = 12
"""Steps of the rank; with `DAMPING`, later ones change it by less than one part in a thousand."""

DAMPING = 0.5
"""Share of the rank that goes on to what a symbol uses: half, because it starts from the question,
and three steps from a symbol little is left to do with it."""

BACKWARD = 0.5
"""Weight of the way from a definition to its uses: who calls it shows what it is for."""


class References:
    """The graph of uses between symbols.

    Attributes:
        source, target, weight: the edges; the weights from one source add up to 1.
    """

    def __init__(self, size: int, edges: Mapping[tuple[int, int], float]) -> None:
        self.size = size
        pairs = np.array(list(edges), dtype=np.int64).reshape(-1, 2)
        weight = np.array(list(edges.values()), dtype=np.float64)
        self.used = np.bincount(pairs[:, 1], weights=weight, minlength=size)
        self.forward = _normal(pairs[:, 0], pairs[:, 1], weight, size)
        both = np.concatenate([pairs, pairs[:, ::-1]])
        weights = np.concatenate([weight, BACKWARD * weight])
        self.around = _normal(both[:, 0], both[:, 1], weights, size)

    def rank(self, start: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the PageRank of each symbol, from a distribution over symbols or from all alike.

        From a question, ranks also flow from a definition to its uses.
        """
        source, target, weight = self.forward if start is None else self.around
        if start is None or not start.sum() > 0:
            start = np.full(self.size, 1.0 / max(1, self.size))
        first = start / start.sum() if self.size else start
        rank = first
        for _ in range(ROUNDS):
            moved = np.bincount(target, weights=weight * rank[source], minlength=self.size)
            lost = 1.0 - moved.sum()  # of symbols that use nothing
            rank = (1 - DAMPING) * first + DAMPING * (moved + lost * first)
        return rank


def _normal(
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    weight: NDArray[np.float64],
    size: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    total = np.bincount(source, weights=weight, minlength=size)
    return source, target, weight / np.maximum(total[source], 1e-12)


def find_references(files: Sequence[SourceFile], names: Sequence[frozenset[str]]) -> References:
    """Return the graph of the symbols of all files, numbered through.

    `names` are the identifiers in the text of each symbol.
    """
    symbols = [symbol for file in files for symbol in file.parsed.symbols]
    file_of = [k for k, file in enumerate(files) for _ in file.parsed.symbols]
    first = np.cumsum([0, *(len(file.parsed.symbols) for file in files)]).tolist()
    meanings: dict[str, list[int]] = defaultdict(list)
    for i, symbol in enumerate(symbols):
        if symbol.name and symbol.kind != "text":
            meanings[symbol.name.rsplit(".", 1)[-1].rsplit("::", 1)[-1]].append(i)
    imported = _imported_files(files)
    edges: dict[tuple[int, int], float] = {}
    known_names = meanings.keys()
    for i, symbol in enumerate(symbols):
        f = file_of[i]
        parent = symbol.parent + first[f] if symbol.parent >= 0 else -1
        for name in sorted(names[i] & known_names):
            weight, found = _meant(meanings[name], parent, f, file_of, symbols, first, imported)
            for j in found:
                if j != i:
                    edges[i, j] = edges.get((i, j), 0.0) + weight / len(found)
        if parent >= 0:
            edges[i, parent] = edges.get((i, parent), 0.0) + MEMBER
    return References(len(symbols), edges)


def _meant(
    found: list[int],
    parent: int,
    f: int,
    file_of: Sequence[int],
    symbols: Sequence[Symbol],
    first: Sequence[int],
    imported: Sequence[frozenset[int]],
) -> tuple[float, list[int]]:
    """Return the definitions that a use of a name may mean, and its weight."""
    here = [j for j in found if file_of[j] == f]
    if parent >= 0:
        same = [
            j for j in here if symbols[j].parent + first[f] == parent and symbols[j].parent >= 0
        ]
        if same:
            return KNOWN, same
    if here:
        return KNOWN, here
    near = [j for j in found if file_of[j] in imported[f]]
    if near:
        return KNOWN, near[:MOST_MEANINGS]
    return (GUESSED, found) if len(found) <= MOST_MEANINGS else (0.0, [])


def _imported_files(files: Sequence[SourceFile]) -> list[frozenset[int]]:
    """Return the files of the code base that each file imports."""
    at: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for k, file in enumerate(files):
        parts = _module(file.path)
        for start in range(len(parts)):
            at[parts[start:]].append(k)
    found = []
    for k, file in enumerate(files):
        mine = _module(file.path)
        package = mine if file.path.endswith("/__init__.py") else mine[:-1]
        targets: set[int] = set()
        for one in file.parsed.imports:
            targets.update(_files_of(one, package, at))
        found.append(frozenset(targets - {k}))
    return found


def _files_of(
    one: Import, package: tuple[str, ...], at: Mapping[tuple[str, ...], list[int]]
) -> Iterable[int]:
    names = tuple(name for name in one.names if name not in ("", "..", "."))
    if one.level:
        names = package[: len(package) - one.level + 1] + names
    if not names:
        return ()
    found = at.get(names, ())
    return found if len(found) <= MOST_MEANINGS else ()


def _module(path: str) -> tuple[str, ...]:
    """Return the path of a file as names: its folders and its name without the ending."""
    parts = path.split("/")
    stem = parts[-1].split(".")[0] or parts[-1]
    return tuple(parts[:-1]) if stem in ("__init__", "index", "mod") else (*parts[:-1], stem)

"""From clusters to groups: the exact join of each batch of clusters.

Texts are in a group only by an exact comparison with its representative. A batch that fits into
memory is joined as `find_near_duplicates` joins it. A cluster that does not fit is taken in the
order in which its texts may be representatives, in parts: each text is compared with the
representatives so far, which are kept in an index, and with the rest of its part. If even the
representatives do not fit, the earliest are dropped, and the account says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.dedup import differences, find_near_duplicates
from ctxmem.dedup.arguments import PERMUTATIONS, Prefer, Unit
from ctxmem.errors import CtxmemWarning
from ctxmem.scale.workspace import Workspace

MEMBERS = np.dtype([("member", "<i8"), ("head", "<i8"), ("similarity", "<f8"), ("exact", "?")])
"""A text and the representative that it repeats; `exact` if it is the same text."""

PER_BYTE, PER_TEXT = 4, 300
"""Bytes of memory that the join takes for a byte of text, and for a text."""

_INDEXED_BYTE, _INDEXED_TEXT = 2, 1200  # of a representative in the index


@dataclass(frozen=True, slots=True)
class Rule:
    """What makes texts near-duplicates, and which text represents others."""

    threshold: float
    ngram: int
    unit: Unit
    prefer: Prefer
    threads: int
    careful: bool = False


class Joined(NamedTuple):
    """The members of a batch that are not representatives, and what was not exact about it."""

    rows: NDArray[Any]
    notes: list[str]


def join(texts: list[str], numbers: NDArray[np.int64], rule: Rule) -> Joined:
    """Join texts; `numbers` are their numbers in the corpus, ascending."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CtxmemWarning)
        groups = find_near_duplicates(
            texts,
            rule.threshold,
            ngram=rule.ngram,
            unit=rule.unit,
            prefer=rule.prefer,
            careful=rule.careful,
            threads=rule.threads,
        )
    rows = [
        (i, group.representative, similarity, kind == "exact")
        for group in groups
        for i, similarity, kind in zip(group, group.similarities, group.kinds, strict=True)
        if i != group.representative
    ]
    found = np.array(rows, MEMBERS)
    found["member"], found["head"] = numbers[found["member"]], numbers[found["head"]]
    notes = [str(one.message) for one in caught if issubclass(one.category, CtxmemWarning)]
    return Joined(found, notes)


class Texts(Protocol):
    """The texts of one batch, by their places in it; `sizes` are bytes."""

    numbers: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def texts(self, chosen: NDArray[np.int64]) -> list[str]:
        """Return texts by their places."""
        ...


# Texts on disk, by batch


class Routed:
    """The texts of one batch, in the files that the runs left."""

    def __init__(self, workspace: Workspace, batch: int, runs: int) -> None:
        """Find the texts; none is read."""
        self._workspace = workspace
        numbers, files, begins, ends = [], [], [], []
        for run in range(runs):
            with open(workspace.folder / f"routed/{run:05d}.npy", "rb") as file:
                starts, order, edges = (np.load(file, allow_pickle=False) for _ in range(3))
            part = slice(int(starts[batch]), int(starts[batch + 1]))
            numbers.append(order[part])
            begins.append(edges[:-1][part])
            ends.append(edges[1:][part])
            files.append(np.full(len(order[part]), run, np.int32))
        self.numbers: NDArray[np.int64] = np.concatenate(numbers)
        self._file: NDArray[np.int32] = np.concatenate(files)
        self._begin: NDArray[np.int64] = np.concatenate(begins)
        self._end: NDArray[np.int64] = np.concatenate(ends)
        self.sizes: NDArray[np.int64] = self._end - self._begin

    def texts(self, chosen: NDArray[np.int64]) -> list[str]:
        """Return texts by their place in `numbers`; ascending places are read fastest."""
        found = []
        opened, handle = -1, None
        try:
            for at in chosen.tolist():
                if self._file[at] != opened:
                    if handle is not None:
                        handle.close()
                    opened = int(self._file[at])
                    name = f"routed/{opened:05d}.bin"
                    handle = open(self._workspace.folder / name, "rb")  # noqa: SIM115
                assert handle is not None
                begin = int(self._begin[at])
                if handle.tell() != begin:
                    handle.seek(begin)
                data = handle.read(int(self._end[at]) - begin)
                found.append(data.decode("utf-8", "surrogatepass"))
        finally:
            if handle is not None:
                handle.close()
        return found


def route_bytes(texts: Sequence[str], of: NDArray[np.int32], batches: int) -> tuple[bytes, Any]:
    """Return texts ordered by batch, and (first place of each batch, order, edges in bytes)."""
    order = np.argsort(of, kind="stable")
    starts = np.searchsorted(of[order], np.arange(batches + 1)).astype(np.int64)
    places: list[int] = order.tolist()
    pieces = [texts[i].encode("utf-8", "surrogatepass") for i in places]
    edges = np.concatenate([[0], np.cumsum(np.fromiter(map(len, pieces), np.int64, len(pieces)))])
    return b"".join(pieces), (starts, order.astype(np.int64), edges.astype(np.int64))


# Clusters that do not fit


def join_large(routed: Texts, lengths: NDArray[Any], rule: Rule, memory: int) -> Joined:
    """Join a cluster that does not fit into memory; `lengths` are characters of its texts."""
    order = np.arange(len(lengths))
    if rule.prefer == "longest":
        order = np.lexsort((order, -lengths.astype(np.int64)))
    index, held = _new_index(rule), 0
    heads: list[tuple[int, int]] = []  # of each entry: number, place in `routed`
    rows: list[tuple[int, int, float, bool]] = []
    dropped = 0
    in_order = replace(rule, prefer="first")
    for part in _parts(order, routed.sizes, memory // 16):
        texts = _in_order(routed, part)
        numbers = routed.numbers[part]
        start, entry, similarity = index.query(texts)
        known: dict[int, str] = {}  # texts of representatives that were looked at
        left = []
        for i, (begin, end) in enumerate(pairwise(start.tolist())):
            shares = dict(
                zip(entry[begin:end].tolist(), similarity[begin:end].tolist(), strict=True)
            )
            for e in sorted(shares):
                head, at = heads[e]
                if (rule.careful or shares[e] == 1.0) and e not in known:
                    (known[e],) = routed.texts(np.array([at]))
                if not (rule.careful and differences(known[e], texts[i])):
                    same = shares[e] == 1.0 and known[e] == texts[i]
                    rows.append((int(numbers[i]), head, shares[e], same))
                    break
            else:
                left.append(i)
        rest = [texts[i] for i in left]
        among = join(rest, numbers[left], in_order).rows
        rows += among.tolist()
        members = set(among["member"].tolist())
        new = [i for i, at in enumerate(left) if int(numbers[at]) not in members]
        held += sum(_INDEXED_BYTE * int(routed.sizes[part[left[i]]]) + _INDEXED_TEXT for i in new)
        if held > memory // 2:
            dropped += len(heads)
            index, heads, held = _new_index(rule), [], 0
        index.add([rest[i] for i in new])
        heads += [(int(numbers[left[i]]), int(part[left[i]])) for i in new]
    found = np.array(rows, MEMBERS)
    found = found[np.argsort(found["member"])]
    notes = [
        f"a cluster of {len(order):,} texts did not fit into memory; its texts were compared "
        "with its representatives by MinHash, which misses 1 in 100 pairs at the threshold"
    ]
    if dropped:
        notes.append(f"{dropped:,} of its representatives did not fit either and were dropped")
    return Joined(found, notes)


def _new_index(rule: Rule) -> _native.LshIndex:
    return _native.LshIndex(
        rule.threshold, rule.ngram, rule.unit == "char", permutations=PERMUTATIONS
    )


def _parts(
    order: NDArray[np.int64], sizes: NDArray[np.int64], budget: int
) -> Iterator[NDArray[np.int64]]:
    cost = np.cumsum(PER_BYTE * sizes[order] + PER_TEXT)
    begin = 0
    while begin < len(order):
        before = int(cost[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(cost, before + budget, "right")))
        yield order[begin:end]
        begin = end


def _in_order(routed: Texts, part: NDArray[np.int64]) -> list[str]:
    """Return the texts of a part in its order, read in the order of the files."""
    ascending = np.argsort(part, kind="stable")
    texts = routed.texts(part[ascending])
    found = [""] * len(texts)
    for place, text in zip(ascending.tolist(), texts, strict=True):
        found[place] = text
    return found

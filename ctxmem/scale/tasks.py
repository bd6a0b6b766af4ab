"""What a machine of a cluster does with its share of a corpus, as functions of plain values.

A task is a list of portions. Usually it is one; the portions of an archive, which can only be read
from its start, are one task together. What is large goes through files in the folder of the run,
which all machines see, or through the shuffles of the engine.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.scale import linking
from ctxmem.scale.joining import Joined, Rule, join, join_large
from ctxmem.scale.portions import (
    KINDS,
    portion_as_listed,
    read_portion,
    route_portion,
    written_parts,
)
from ctxmem.scale.sketches import SKETCH
from ctxmem.scale.sources import Corpus, Segment, SourceFile
from ctxmem.scale.workspace import canonical, digest_of, replace_file

_HEAD = "detail"


class Part(NamedTuple):
    """A portion of a task: its number, its first document, how many it has, and its segments."""

    number: int
    at: int
    documents: int
    segments: list[Segment]


class Task(NamedTuple):
    """Portions that one machine works on, one after the other, and the files they are of."""

    parts: list[Part]
    files: dict[int, SourceFile]

    def to_json(self) -> str:
        """Return the task as text, for `from_json`."""
        return canonical([self.parts, {str(n): file for n, file in self.files.items()}])

    @classmethod
    def from_json(cls, text: str) -> Task:
        """Return the task that `to_json` made a text of."""
        parts, files = json.loads(text)
        return cls(
            [
                Part(number, at, documents, [Segment(*one) for one in segments])
                for number, at, documents, segments in parts
            ],
            {int(number): SourceFile(*file) for number, file in files.items()},
        )


class Slot(NamedTuple):
    """Keys of one band, and the numbers of their texts; a bucket is whole in one slot."""

    slot: int
    keys: NDArray[np.uint64]
    texts: NDArray[np.uint64]


class Batched(NamedTuple):
    """The texts of a portion that are in one batch: their numbers, edges in bytes, and bytes."""

    batch: int
    numbers: NDArray[np.int64]
    edges: NDArray[np.int64]
    content: bytes


class Held:
    """The texts of a batch, gathered from portions."""

    def __init__(self, parts: Sequence[Batched]) -> None:
        """Take the parts in any order; `numbers` ascend."""
        parts = sorted(parts, key=lambda part: int(part.numbers[0]))
        self.numbers: NDArray[np.int64] = np.concatenate([part.numbers for part in parts])
        self.sizes: NDArray[np.int64] = np.concatenate([np.diff(part.edges) for part in parts])
        self._contents = [part.content for part in parts]
        self._edges = [part.edges for part in parts]
        self._first = np.cumsum([0, *(len(part.numbers) for part in parts)])

    def texts(self, chosen: NDArray[np.int64]) -> list[str]:
        """Return texts by their place in `numbers`."""
        found = []
        parts = np.searchsorted(self._first, chosen, "right") - 1
        for part, at in zip(parts.tolist(), (chosen - self._first[parts]).tolist(), strict=True):
            begin, end = self._edges[part][at : at + 2].tolist()
            found.append(self._contents[part][begin:end].decode("utf-8", "surrogatepass"))
        return found


@dataclass(frozen=True, slots=True)
class Worker:
    """What a machine knows of the run: folder, options; its methods are the work on tasks."""

    out: str
    id: str
    text: str
    portion: int
    rule: Rule

    def _corpus(self, files: dict[int, SourceFile]) -> Corpus:
        return Corpus(files, id=self.id, text=self.text, portion=self.portion)

    def _file(self, number: int) -> Path:
        return Path(self.out) / sketched(number)

    def segments(self, task: Task) -> list[list[Any]]:
        """Return (segment, bytes, records) of the files of a task, to make portions of."""
        corpus, found = self._corpus(task.files), []
        try:
            for number in task.files:
                sized = corpus.segments(number)
                found += [[one.segment, one.size, one.records] for one in sized]
        finally:
            corpus.close()
        return found

    def read(self, task: Task) -> list[dict[str, Any]]:
        """Sketch the portions of a task into files; return counts and checksum of each.

        Raises:
            InputError: If a file changed since it was listed.
        """
        corpus, found = self._corpus(task.files), []
        try:
            for part in task.parts:
                known = self._known(part)
                found.append(known or self._read(corpus, part))
        finally:
            corpus.close()
        return found

    def _known(self, part: Part) -> dict[str, Any] | None:
        """Return what `read` returns of a portion if a run that was killed had read it."""
        try:
            data = self._file(part.number).read_bytes()
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                # All of it, since its checksums are looked at when an array is read.
                detail, counts = json.loads(bytes({n: arrays[n] for n in arrays.files}[_HEAD]))
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return None
        same = [Segment(*one) for one in detail["segments"]] == part.segments
        return {"counts": counts, "xxh3": digest_of(data)} if same else None

    def _read(self, corpus: Corpus, part: Part) -> dict[str, Any]:
        read = read_portion(corpus, portion_as_listed(corpus, part.segments), self.rule)
        head = canonical([read.detail, read.counts]).encode()
        out = io.BytesIO()
        arrays: dict[str, NDArray[Any]] = {
            _HEAD: np.frombuffer(head, np.uint8),
            "keys": read.sketches.keys,
            "places": read.sketches.places,
            **read.columns,
        }
        np.savez(out, **arrays)  # type: ignore[arg-type]
        data = out.getvalue()
        replace_file(self._file(part.number), data, durable=False)
        return {"counts": read.counts, "xxh3": digest_of(data)}

    def bands(self, task: Task, copies: bytes, parts: int, slices: int) -> Iterator[Slot]:
        """Yield the keys of the texts of a task that are no copies, by slots."""
        for part, flags in _cut(task, np.frombuffer(copies, np.bool_)):
            with np.load(self._file(part.number), allow_pickle=False) as arrays:
                keys = arrays["keys"]
            chosen = np.flatnonzero(~flags)
            texts = (part.at + chosen).astype(np.uint64)
            for band, row in enumerate(keys):
                mine = row[chosen]
                of = slots_of(mine, parts, slices)
                order = np.argsort(of, kind="stable")
                edges = np.flatnonzero(np.diff(of[order])) + 1
                for some in np.split(order, edges) if len(order) else ():
                    slot = band * (parts << slices) + int(of[some[0]])
                    yield Slot(slot, mine[some], texts[some])

    def sketches(self, task: Task) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        """Yield the numbers and the sketches of the texts of each portion."""
        for part in task.parts:
            with np.load(self._file(part.number), allow_pickle=False) as arrays:
                yield np.arange(part.at, part.at + part.documents), arrays["places"]

    def route(self, task: Task, of: bytes, batches: int) -> Iterator[Batched]:
        """Yield the texts of clusters by their batches; `of` has the batch of each document."""
        corpus = self._corpus(task.files)
        try:
            for part, mine in _cut(task, np.frombuffer(of, np.int32)):
                detail, _, kinds = read_again(self._file(part.number))
                content, (starts, order, edges) = route_portion(
                    corpus, detail, kinds, mine, batches
                )
                for batch in np.flatnonzero(np.diff(starts)).tolist():
                    begin, end = starts[batch : batch + 2].tolist()
                    some = edges[begin : end + 1]
                    cut = content[int(some[0]) : int(some[-1])]
                    yield Batched(batch, part.at + order[begin:end], some - some[0], cut)
        finally:
            corpus.close()

    def join(self, parts: Sequence[Batched], large: bool, memory: int) -> Joined:
        """Join a batch; `large` if it is a cluster that does not fit into memory."""
        held = Held(parts)
        if not large:
            return join(held.texts(np.arange(len(held.numbers))), held.numbers, self.rule)
        numbers = range(len(held.numbers))
        lengths = np.fromiter(
            (len(held.texts(np.array([at]))[0]) for at in numbers), np.int64, len(numbers)
        )
        return join_large(held, lengths, self.rule, memory)

    def write(self, task: Task, keep: bytes) -> list[tuple[str, str]]:
        """Write what is kept and rejected of a task; return names and checksums."""
        corpus, found = self._corpus(task.files), []
        try:
            for part, mine in _cut(task, np.frombuffer(keep, np.bool_)):
                detail, _, kinds = read_again(self._file(part.number))
                for name, data in written_parts(corpus, detail, kinds, mine, part.number):
                    replace_file(Path(self.out) / name, data)
                    found.append((name, digest_of(data)))
        finally:
            corpus.close()
        return found


def sketched(number: int) -> str:
    """Return the name of the file of a portion that was read, in the folder of the results."""
    return f"_work/sketched/{number:05d}.npz"


def read_again(
    path: Path, *names: str
) -> tuple[dict[str, Any], dict[str, NDArray[Any]], NDArray[np.uint8]]:
    """Return what was noted of a portion, the columns of these names, and kinds of its records."""
    with np.load(path, allow_pickle=False) as arrays:
        detail, _ = json.loads(bytes(arrays[_HEAD]))
        return detail, {name: arrays[name] for name in names}, arrays[KINDS]


def slots_of(keys: NDArray[np.uint64], parts: int, slices: int) -> NDArray[np.uint64]:
    """Return the slot of each key of a band, by its remainder and its first bits.

    By the remainder, since the local engine takes a band in such parts.
    """
    low = (keys % np.uint64(parts)) << np.uint64(slices)
    high = keys >> np.uint64(64 - slices) if slices else np.uint64(0)
    slots: NDArray[np.uint64] = low | high
    return slots


def pairs_of(
    keys: NDArray[np.uint64], texts: NDArray[np.uint64], bits: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of texts of a slot that are to be compared."""
    lefts, rights = zip(*linking.bucket_pairs(keys, texts, bits), strict=True)
    return np.concatenate(lefts), np.concatenate(rights)


def shares(left: bytes | memoryview, right: bytes | memoryview) -> NDArray[np.float64]:
    """Return the estimated similarity of pairs, of their sketches one after the other."""
    a, b = (np.frombuffer(data, np.uint8).reshape(-1, SKETCH) for data in (left, right))
    found: NDArray[np.float64] = (a == b).sum(axis=1) / SKETCH
    return found


def _cut(task: Task, values: NDArray[Any]) -> Iterator[tuple[Part, NDArray[Any]]]:
    """Yield each portion of a task with its values, of which there is one a document."""
    begin = 0
    for part in task.parts:
        yield part, values[begin : begin + part.documents]
        begin += part.documents

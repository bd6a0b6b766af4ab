"""The engine on Daft: the stages of the local engine as plans, on one machine or a Ray cluster.

read    files are cut into segments, and segments, put into portions here, are sketched into files
link    keys of bands are shuffled by slots, their pairs are made distinct and joined with sketches,
        and pairs that may be at the threshold come here and are linked
join    texts of clusters are shuffled by batches, and each batch is joined exactly
write   portions write what is kept and rejected

Where Daft runs is its own configuration, as DAFT_RUNNER=ray. What is done with a portion, a slot or
a batch is done by the functions of the local engine, so the results are the same.

Here, on the driver, are about 100 bytes of memory a document: links, batches, which are kept; and
in files the columns that the local engine has, without sketches and keys.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import chain
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ctxmem.errors import InputError, MissingExtraError
from ctxmem.scale import linking
from ctxmem.scale.columnar import pyarrow
from ctxmem.scale.joining import MEMBERS
from ctxmem.scale.local import Run, run_file
from ctxmem.scale.portions import KINDS, placed
from ctxmem.scale.sketches import SKETCH, least_estimate
from ctxmem.scale.sources import Segment, Sized, in_portions
from ctxmem.scale.tasks import (
    Batched,
    Part,
    Task,
    Worker,
    pairs_of,
    read_again,
    shares,
    sketched,
)
from ctxmem.scale.workspace import canonical

SLOT = 1 << 21
"""Keys of a slot, about: 16 bytes each, and as much again while pairs are made."""

_COLUMNS = ("lengths.u32", "sizes.u32", "files.u32", "rows.i64", "id_ends.i64", "ids.json")
_WIDE = 10_000  # partitions at most


def on_cluster() -> bool:
    """Return whether Daft is configured to run on Ray."""
    if daft := sys.modules.get("daft"):
        return bool(daft.get_or_infer_runner_type() == "ray")
    return os.environ.get("DAFT_RUNNER", "").lower() == "ray"


def daft() -> Any:
    """Return Daft.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        import_module("pyarrow")
        return import_module("daft")
    except ImportError as error:
        raise MissingExtraError(
            "engine 'daft' needs Daft; install it with pip install 'ctxmem[scale]'"
        ) from error


class DaftRun(Run):
    """A run of the engine on Daft."""

    __slots__ = ()
    engine: ClassVar[str] = "daft"

    def _worker(self) -> Worker:
        options = self.corpus.options
        return Worker(str(self.workspace.out.resolve()), **options, rule=self.rule)

    # read

    def read(self) -> None:
        """Read the corpus into a file for each portion, and write the columns."""
        state, workspace = self.state, self.workspace
        if state.get("read"):
            return
        self.progress("read", 0, 1)
        worker = self._worker()
        state["runs"] = runs = []
        (workspace.folder / "sketched").mkdir(parents=True, exist_ok=True)
        tasks = self._portions(worker)
        portions = sum(len(task.parts) for task in tasks)
        found: dict[int, dict[str, Any]] = {}
        for numbers, answers in _answers(worker.read, tasks):
            found |= zip(numbers, answers, strict=True)
            self.progress("read", len(found), portions)
        for number in range(portions):
            counts, name = found[number]["counts"], sketched(number)
            workspace.enter(workspace.out / name, found[number]["xxh3"])
            detail, columns, kinds = read_again(workspace.out / name, *_COLUMNS, "whole.u64")
            parts = placed({**columns, KINDS: kinds}, *self._before(number))
            detail |= workspace.write_columns(parts)
            workspace.write(run_file(number), canonical(detail).encode())
            runs.append(counts)
        state["read"] = True
        workspace.save()

    def _portions(self, worker: Worker) -> list[Task]:
        """Return the portions of the corpus as tasks; only the segments of files come here."""
        each = [Task([], {number: file}) for number, file in enumerate(self.files)]
        sized: dict[int, list[Sized]] = {}
        for files, answers in _answers(worker.segments, each, names=lambda task: list(task.files)):
            (number,) = files
            sized[number] = [Sized(Segment(*one), size, many) for one, size, many in answers]
        found = in_portions(
            ((file.kind, sized[number]) for number, file in enumerate(self.files)), worker.portion
        )
        parts = [
            Part(number, 0, 0, [one.segment for one in gathered])
            for number, (_, gathered) in enumerate(found)
        ]
        return self._in_tasks(parts)

    def _in_tasks(self, parts: Iterable[Part]) -> list[Task]:
        """Put portions into tasks: those that begin in one archive together, others alone.

        A portion that begins in an archive and ends in the next one is with those of the first. So
        the beginning of the next is unpacked twice, but many archives are not one task.
        """
        tasks: list[Task] = []
        archive = -1  # that the portions of the last task begin in
        for part in parts:
            first = part.segments[0].file
            if first != archive:
                tasks.append(Task([], {}))
            tasks[-1].parts.append(part)
            numbers = {segment.file for segment in part.segments}
            tasks[-1].files.update({number: self.files[number] for number in numbers})
            archive = first if self.files[first].path.lower().endswith(".gz") else -1
        return tasks

    def _tasks(self) -> list[Task]:
        """Return the portions that were read as tasks."""
        parts = []
        for number in range(len(self.state["runs"])):
            at, until = self.documents_of(number)
            segments = [Segment(*one) for one in self.detail(number)["segments"]]
            parts.append(Part(number, at, until - at, segments))
        return self._in_tasks(parts)

    # link

    def link_bands(self) -> None:
        """Link the pairs that the workers find."""
        workspace, count = self.workspace, self.documents
        self.progress("link", 0, 1)
        parent = np.arange(count, dtype=np.int64)
        copies = linking.link_copies(parent, workspace.column("whole.u64", np.uint64, count))
        linking.flatten(parent)
        least = least_estimate(self.rule.threshold)
        slices = max(0, (count // SLOT).bit_length())
        for left, right in _links(
            self._worker(), self._tasks(), copies, self.parts(), slices, least
        ):
            linking.unite(parent, left, right)
        linking.flatten(parent)
        workspace.write("parent-00.i64", parent.tobytes())
        self.state["linked"] = 0

    # join

    def route(self) -> None:
        """Do nothing: texts go to their batches in the plan of `join`."""

    def join(self) -> None:
        """Join the batches, wherever Daft puts them."""
        state, workspace = self.state, self.workspace
        if state.get("all_joined"):
            return
        of, large = self.batches()
        notes: list[list[str]] = [[] for _ in large]
        self.progress("join", 0, len(large))
        found = _joined(self._worker(), self._tasks(), of, large, self.memory)
        for done, (batch, rows, said) in enumerate(found, start=1):
            workspace.write(f"joined/{batch:05d}.bin", rows)
            notes[batch] = json.loads(said)
            self.progress("join", done, len(large))
        state["joined"], state["all_joined"] = notes, True
        workspace.save()

    # write

    def write_portions(self, keep: NDArray[np.bool_]) -> None:
        """Write what is kept and what was rejected, wherever Daft puts it."""
        state, workspace, count = self.state, self.workspace, len(self.state["runs"])
        if state.get("written", 0) == count:
            return
        self.progress("write", 0, count)
        done = 0
        for numbers, answers in _answers(self._worker().write, self._tasks(), keep):
            for name, digest in answers:
                workspace.enter(workspace.out / name, digest)
            done += len(numbers)
            self.progress("write", done, count)
        state["written"] = count
        workspace.save()


# Plans


def _frame(tasks: list[Task], values: NDArray[Any] | None = None) -> Any:
    """Return tasks as a frame, a row and partition each, with the values of their documents."""
    cut = [b"" for _ in tasks]
    if values is not None:
        cut = [
            b"".join(values[p.at : p.at + p.documents].tobytes() for p in task.parts)
            for task in tasks
        ]
    frame = daft().from_pydict({"task": [task.to_json() for task in tasks], "values": cut})
    if daft().get_or_infer_runner_type() == "ray":
        frame = frame.into_partitions(min(_WIDE, max(1, len(tasks))))
    return frame


def _rows(frame: Any) -> Iterator[Any]:
    """Run a plan and yield its result as it comes, in batches of Arrow.

    Raises:
        InputError: As the work did that raised it; on Ray it comes inside another error.
    """
    try:
        yield from frame.to_arrow_iter()
    except InputError as error:
        cause = getattr(error, "cause", None)
        raise (cause if isinstance(cause, InputError) else error) from None


def _batch(function: Callable[..., Any], dtype: Any, size: int | None = 1) -> Callable[..., Any]:
    applied: Callable[..., Any] = daft().func.batch(return_dtype=dtype, batch_size=size)(function)
    return applied


def _answers(
    work: Callable[..., Any],
    tasks: list[Task],
    values: NDArray[Any] | None = None,
    names: Callable[[Task], list[int]] | None = None,
) -> Iterator[tuple[list[int], Any]]:
    """Do work on each task; yield its numbers and what it returned, in any order."""
    if not tasks:
        return
    col, types = daft().col, daft().DataType
    given = values is not None

    def done(texts: Any, cut: Any) -> list[str]:
        found = []
        for text, some in zip(texts.to_pylist(), cut.to_pylist(), strict=True):
            task = Task.from_json(text)
            answer = work(task, some) if given else work(task)
            numbers = names(task) if names else [part.number for part in task.parts]
            found.append(json.dumps([numbers, answer]))
        return found

    call = _batch(done, types.string())
    for rows in _rows(_frame(tasks, values).select(call(col("task"), col("values")).alias("a"))):
        for (answer,) in zip(*(column.to_pylist() for column in rows.columns), strict=True):
            yield tuple(json.loads(answer))


def _exploded(
    work: Callable[[Task, bytes], Iterable[Any]],
    tasks: list[Task],
    values: NDArray[Any],
    fields: dict[str, Any],
) -> Any:
    """Return a plan of which each task makes some rows; a row is a tuple by the `fields`."""
    col, types = daft().col, daft().DataType

    def done(texts: Any, cut: Any) -> list[Any]:
        found = []
        for text, some in zip(texts.to_pylist(), cut.to_pylist(), strict=True):
            rows = work(Task.from_json(text), some)
            found.append([dict(zip(fields, map(_plain, row), strict=True)) for row in rows])
        return found

    call = _batch(done, types.list(types.struct(fields)))
    frame = _frame(tasks, values).select(call(col("task"), col("values")).alias("row"))
    frame = frame.explode("row").where(col("row").not_null())
    return frame.select(*(col("row")[name].alias(name) for name in fields))


def _plain(value: Any) -> Any:
    return value.tobytes() if isinstance(value, np.ndarray) else value


def _links(
    worker: Worker,
    tasks: list[Task],
    copies: NDArray[np.bool_],
    parts: int,
    slices: int,
    least: float,
) -> Iterator[tuple[linking.Integers, linking.Integers]]:
    """Yield the pairs of texts that are to be linked."""
    if not tasks:
        return
    col, types = daft().col, daft().DataType
    bits = max(1, int(len(copies) - 1).bit_length())

    def pairs(keys: Any, texts: Any) -> Any:
        return _pairs_as_arrow(*pairs_of(_joint(keys), _joint(texts), bits))

    def estimated(left: Any, right: Any) -> NDArray[np.float64]:
        return shares(_bytes_of(left), _bytes_of(right))

    slots = _exploded(
        lambda task, some: worker.bands(task, some, parts, slices),
        tasks,
        copies,
        {"slot": types.int64(), "keys": types.binary(), "texts": types.binary()},
    )
    pair = types.struct({"left": types.int64(), "right": types.int64()})
    found = slots.groupby("slot").map_groups(
        _batch(pairs, pair, None)(col("keys"), col("texts")).alias("pair")
    )
    found = found.select(col("pair")["left"].alias("left"), col("pair")["right"].alias("right"))
    found = found.distinct()
    for side in ("left", "right"):
        found = found.join(_sketches(worker, tasks, f"of_{side}"), left_on=side, right_on="text")
    share = _batch(estimated, types.float64(), None)(col("of_left"), col("of_right"))
    found = found.where(share >= least).select("left", "right")
    for rows in _rows(found):
        left, right = (column.to_numpy(zero_copy_only=False) for column in rows.columns)
        yield left, right


def _sketches(worker: Worker, tasks: list[Task], name: str) -> Any:
    """Return a plan with the sketch of each text."""
    col, types = daft().col, daft().DataType

    def done(texts: Any) -> Any:
        both = [worker.sketches(Task.from_json(text)) for text in texts.to_pylist()]
        numbers, places = zip(*chain.from_iterable(both), strict=True)
        return _sketches_as_arrow(np.concatenate(numbers), np.concatenate(places), name)

    item = types.struct({"text": types.int64(), name: types.fixed_size_binary(SKETCH)})
    call = _batch(done, types.list(item))
    frame = _frame(tasks).select(call(col("task")).alias("row")).explode("row")
    return frame.select(*(col("row")[field].alias(field) for field in ("text", name)))


def _joined(
    worker: Worker, tasks: list[Task], of: NDArray[np.int32], large: list[bool], memory: int
) -> Iterator[tuple[int, bytes, str]]:
    """Yield of each batch its number, its members as bytes, and its notes."""
    if not large:
        return
    col, types = daft().col, daft().DataType

    def joined(batch: Any, *columns: Any) -> list[Any]:
        number = batch.to_pylist()[0]
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        parts = [
            Batched(number, _integers(numbers), _integers(edges), content)
            for numbers, edges, content in rows
        ]
        found = worker.join(parts, large[number], memory)
        return [{"batch": number, "rows": found.rows.tobytes(), "notes": json.dumps(found.notes)}]

    fields = {name: types.binary() for name in ("numbers", "edges", "content")}
    routed = _exploded(
        lambda task, some: worker.route(task, some, len(large)),
        tasks,
        of,
        {"batch": types.int64(), **fields},
    )
    result = types.struct({"batch": types.int64(), "rows": types.binary(), "notes": types.string()})
    call = _batch(joined, result, None)
    frame = routed.groupby("batch").map_groups(
        call(col("batch"), *(col(name) for name in fields)).alias("found")
    )
    for rows in _rows(frame.select("found")):
        for row in rows.column(0).to_pylist():
            assert len(row["rows"]) % MEMBERS.itemsize == 0
            yield row["batch"], row["rows"], row["notes"]


# Arrow


def _integers(data: bytes) -> NDArray[np.int64]:
    return np.frombuffer(data, np.int64)


def _joint(blobs: Any) -> NDArray[np.uint64]:
    return np.frombuffer(b"".join(blobs.to_pylist()), np.uint64)


def _bytes_of(series: Any) -> memoryview:
    """Return the values of a column of sketches one after the other."""
    array = series.to_arrow()
    begin = array.offset * SKETCH
    return memoryview(array.buffers()[1])[begin : begin + len(array) * SKETCH]


def _pairs_as_arrow(left: NDArray[np.int64], right: NDArray[np.int64]) -> Any:
    pa = pyarrow()
    return pa.StructArray.from_arrays([pa.array(left), pa.array(right)], ["left", "right"])


def _sketches_as_arrow(numbers: NDArray[np.int64], places: NDArray[np.uint8], name: str) -> Any:
    """Return one list of (text, sketch)."""
    pa, count = pyarrow(), len(numbers)
    blob = pa.py_buffer(np.ascontiguousarray(places))
    sketches = pa.FixedSizeBinaryArray.from_buffers(pa.binary(SKETCH), count, [None, blob])
    rows = pa.StructArray.from_arrays([pa.array(numbers), sketches], ["text", name])
    return pa.LargeListArray.from_arrays(pa.array([0, count], pa.int64()), rows)

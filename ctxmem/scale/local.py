"""The local engine: one machine, within a memory limit, in stages that can be continued.

read    the corpus is read in portions; each text leaves a sketch, the keys of its bands and its
        place, in columns on disk (sketches, sources, workspace)
link    band after band, texts that may be near-duplicates are linked to clusters (linking); left
        out if all texts fit into memory, which then are one cluster
route   the corpus is read again, and the texts of clusters are put into batches on disk
join    each batch is joined exactly (joining)
write   the corpus is read again, and what is kept is written; then groups and account (results)

In memory are, besides one portion or batch, about 60 bytes a document.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ctxmem.scale import linking, results
from ctxmem.scale.account import TIMED, Report
from ctxmem.scale.joining import (
    MEMBERS,
    PER_BYTE,
    PER_TEXT,
    Routed,
    Rule,
    join,
    join_large,
)
from ctxmem.scale.portions import KINDS, placed, read_portion, route_portion, written_parts
from ctxmem.scale.sketches import SKETCH, Plan, least_estimate, plan_for
from ctxmem.scale.sources import Corpus, Portion, Problems, SourceFile, place_behind
from ctxmem.scale.workspace import Workspace, canonical, replace_file

Progress = Callable[[str, int, int], None]

CHECKPOINT = 20.0
"""Seconds between two records of the links so far."""

TWICE = "an id that several documents have"
_LARGEST, _LOSSES = 20, 100  # rows of the account


@dataclass(slots=True)
class Run:
    """A run; each method is a stage. Another engine has its own way for the larger ones."""

    workspace: Workspace
    files: list[SourceFile]
    corpus: Corpus
    rule: Rule
    memory: int
    max_loss: float
    progress: Progress
    engine: ClassVar[str] = "local"

    @property
    def state(self) -> dict[str, Any]:
        """What the manifest says."""
        return self.workspace.state

    @property
    def plan(self) -> Plan:
        """The bands of the threshold."""
        return plan_for(self.rule.threshold)

    @property
    def documents(self) -> int:
        """How many documents were read."""
        return sum(run["documents"] for run in self.state["runs"])

    def run(self, listed: Problems) -> dict[str, float]:
        """Run the stages that are not finished; return the seconds that each took."""
        stages: dict[str, float] = {}
        for stage in (self.read, self.link, self.route, self.join):
            begin = time.perf_counter()
            stage()
            stages[stage.__name__] = time.perf_counter() - begin
        begin = time.perf_counter()
        self.write(listed)
        stages["write"] = time.perf_counter() - begin
        return stages

    # read

    def read(self) -> None:
        """Read the corpus and write the columns."""
        state = self.state
        runs = state.setdefault("runs", [])
        if state.get("read"):
            return
        done = sum(run["size"] for run in runs)
        total = sum(file.bytes for file in self.files)
        behind = tuple(runs[-1]["behind"]) if runs else (0, 0, 1)
        for portion in self.corpus.portions(behind):
            self.progress("read", done, max(done, total))
            runs.append(self._read_portion(portion, len(runs)))
            self.workspace.save()
            done += runs[-1]["size"]
        state["read"] = True
        self.workspace.save()

    def _read_portion(self, portion: Portion, number: int) -> dict[str, Any]:
        read = read_portion(self.corpus, portion, self.rule)
        columns = placed(read.columns, *self._before(number))
        at, sketches = self._before(number)[0], read.sketches
        columns.append(("sketches.u8", SKETCH * at, sketches.places))
        columns += [(_band(b), 8 * at, keys) for b, keys in enumerate(sketches.keys)]
        detail = read.detail | self.workspace.write_columns(columns)
        self.workspace.write(run_file(number), canonical(detail).encode())
        return {**read.counts, "behind": place_behind(portion, portion.kind)}

    def _before(self, number: int) -> tuple[int, int, int]:
        """Return documents, records and bytes of ids of the portions before one."""
        runs = self.state["runs"][:number]
        return (
            sum(run["documents"] for run in runs),
            sum(run["records"] for run in runs),
            sum(run["id_bytes"] for run in runs),
        )

    # link

    def in_memory(self, sizes: NDArray[Any]) -> bool:
        """Return whether all texts can be joined at once."""
        cost = PER_BYTE * int(sizes.sum(dtype=np.int64)) + PER_TEXT * len(sizes)
        return cost <= 0.6 * self.memory

    def link(self) -> None:
        """Find the clusters."""
        state, workspace, count = self.state, self.workspace, self.documents
        if "clusters" in state:
            return
        if self.in_memory(workspace.column("sizes.u32", np.uint32, count)):
            state["clusters"] = "all"
            workspace.save()
            return
        self.link_bands()
        state["clusters"] = "linked"
        workspace.save()

    def parts(self) -> int:
        """Return in how many parts a band is linked: keys, their copies and pairs take memory."""
        return max(1, -(-80 * self.documents // (self.memory // 3)))

    def link_bands(self) -> None:
        """Link the texts of each band; a record of the links is written now and then."""
        state, workspace, count = self.state, self.workspace, self.documents
        done = state.get("linked", -1)
        if done < 0:
            parent = np.arange(count, dtype=np.int64)
        else:
            parent = np.frombuffer(workspace.read(f"parent-{done:02d}.i64"), np.int64).copy()
        copies = linking.link_copies(parent, workspace.column("whole.u64", np.uint64, count))
        linking.flatten(parent)
        least, parts = least_estimate(self.rule.threshold), self.parts()
        saved = time.monotonic()
        for band in range(done + 1, self.plan.bands):
            self.progress("link", band, self.plan.bands)
            keys = workspace.column(_band(band), np.uint64, count)
            linking.link_band(parent, keys, copies, self._estimate, least, parts)
            if time.monotonic() - saved > CHECKPOINT or band == self.plan.bands - 1:
                workspace.write(f"parent-{band:02d}.i64", parent.tobytes())
                state["linked"] = band
                workspace.leave(lambda name, band=band: _old_parent(name, band))  # type: ignore[misc]
                saved = time.monotonic()

    def _estimate(self, left: linking.Integers, right: linking.Integers) -> NDArray[np.float64]:
        found = []
        for begin in range(0, len(left), linking.PAIRS):
            part = slice(begin, begin + linking.PAIRS)
            # Mapped anew for each block, so that pages of earlier ones are not in memory.
            sketches = self.workspace.mapped("sketches.u8", np.uint8, (self.documents, SKETCH))
            found.append(linking.estimates(sketches, left[part], right[part]))
        return np.concatenate(found) if found else np.empty(0)

    # route

    def batches(self) -> tuple[NDArray[np.int32], list[bool]]:
        """Return the batch of each text, -1 for none, and which batches do not fit into memory."""
        count = self.documents
        if self.state["clusters"] == "all":
            return np.zeros(count, np.int32), [False] if count else []
        name = f"parent-{self.state['linked']:02d}.i64"
        parent = np.frombuffer(self.workspace.read(name), np.int64)
        sizes = PER_BYTE * self.workspace.column("sizes.u32", np.uint32, count).astype(np.int64)
        return linking.batches(parent, sizes, int(0.3 * self.memory), PER_TEXT)

    def route(self) -> None:
        """Put the texts of clusters into batches on disk."""
        state, workspace = self.state, self.workspace
        runs, done = state["runs"], state.get("routed", 0)
        if done == len(runs):
            return
        of, large = self.batches()
        for number in range(done, len(runs)):
            self.progress("route", number, len(runs))
            at, until = self.documents_of(number)
            content, (starts, order, edges) = route_portion(
                self.corpus, self.detail(number), self.kinds(number), of[at:until], len(large)
            )
            table = io.BytesIO()
            for array in (starts, at + order, edges):
                np.save(table, array, allow_pickle=False)
            workspace.write(f"routed/{number:05d}.bin", content)
            workspace.write(f"routed/{number:05d}.npy", table.getvalue())
            state["routed"] = number + 1
            workspace.save()

    def documents_of(self, number: int) -> tuple[int, int]:
        """Return the first document of a portion and the first behind it."""
        at = self._before(number)[0]
        return at, at + self.state["runs"][number]["documents"]

    def kinds(self, number: int) -> NDArray[np.uint8]:
        """Return what each record of a portion is."""
        with open(self.workspace.folder / KINDS, "rb") as file:
            file.seek(self._before(number)[1])
            return np.fromfile(file, np.uint8, self.state["runs"][number]["records"])

    def detail(self, number: int) -> dict[str, Any]:
        """Return what was noted of a portion."""
        detail: dict[str, Any] = json.loads(self.workspace.read(run_file(number)))
        return detail

    # join

    def join(self) -> None:
        """Join the batches."""
        state, workspace = self.state, self.workspace
        done: list[list[str]] = state.setdefault("joined", [])
        if state.get("all_joined"):
            return
        _, large = self.batches()
        for batch in range(len(done), len(large)):
            self.progress("join", batch, len(large))
            routed = Routed(workspace, batch, len(state["runs"]))
            if large[batch]:
                lengths = workspace.mapped("lengths.u32", np.uint32, (self.documents,))
                found = join_large(routed, lengths[routed.numbers], self.rule, self.memory)
            else:
                texts = routed.texts(np.arange(len(routed.numbers)))
                found = join(texts, routed.numbers, self.rule)
            workspace.write(f"joined/{batch:05d}.bin", found.rows.tobytes())
            done.append(found.notes)
            workspace.save()
        state["all_joined"] = True
        workspace.leave(lambda name: "/routed/" in name)

    # write

    def write(self, listed: Problems) -> None:
        """Write what is kept and rejected, the groups and the account."""
        state, workspace, count = self.state, self.workspace, self.documents
        parts = [workspace.read(f"joined/{b:05d}.bin") for b in range(len(state["joined"]))]
        rows = np.frombuffer(b"".join(parts), MEMBERS)
        file_of = workspace.column("files.u32", np.uint32, count)
        outcome = results.cap(rows, file_of, self.max_loss)
        keep = np.ones(count, np.bool_)
        keep[outcome.removed()] = False
        (workspace.out / "kept").mkdir(exist_ok=True)
        self.write_portions(keep)
        id_bytes = sum(run["id_bytes"] for run in state["runs"])
        names = results.Names(workspace, count, id_bytes, self.files)
        results.write_groups(workspace, outcome, names)
        report = self._report(outcome, listed, names)
        account = {name: value for name, value in report.to_dict().items() if name not in TIMED}
        account.pop("out")
        account["options"] = dict(sorted(state["identity"]["options"].items()))
        account["largest_groups"] = results.largest_groups(outcome.rows, names, _LARGEST)
        account["sources"] = results.losses(outcome, file_of, self.files, _LOSSES)
        text = json.dumps(account, indent=2).encode() + b"\n"
        replace_file(workspace.out / "account.json", text)
        state["report"] = report.to_dict()

    def write_portions(self, keep: NDArray[np.bool_]) -> None:
        """Write what is kept and what was rejected."""
        state, count = self.state, len(self.state["runs"])
        for number in range(state.get("written", 0), count):
            self.progress("write", number, count)
            at, until = self.documents_of(number)
            parts = written_parts(
                self.corpus, self.detail(number), self.kinds(number), keep[at:until], number
            )
            for name, data in parts:
                self.workspace.write_result(name, data)
            state["written"] = number + 1
            self.workspace.save()

    def _report(self, outcome: results.Outcome, listed: Problems, names: results.Names) -> Report:
        problems, rejected = Problems(), 0
        problems.merge(listed.counts, listed.places)
        for number in range(len(self.state["runs"])):
            detail = self.detail(number)
            problems.merge(detail["counts"], detail["places"])
            rejected += len(detail["rejected"])
        self._count_ids(problems, names)
        rows, removed = outcome.rows, len(outcome.removed())
        exact = int(rows["exact"].sum())
        _, sizes = np.unique(rows["head"], return_counts=True)
        in_memory = self.state["clusters"] == "all"
        notes = sorted({note for batch in self.state["joined"] for note in batch})
        plan = self.plan
        return Report(
            out="",  # the manifest does not depend on it
            engine=self.engine,
            documents=self.documents,
            kept=self.documents - removed,
            removed=removed,
            exact=exact,
            near=removed - exact,
            groups=len(sizes),
            largest_group=int(sizes.max()) + 1 if len(sizes) else 0,
            rejected=rejected,
            problems=problems.counts,
            places=problems.places,
            capped=results.swallowed(outcome, names, self.files),
            in_memory=in_memory,
            recall=1.0 if in_memory else round(plan.recall(self.rule.threshold), 6),
            recall_at_80=1.0 if in_memory else round(plan.recall(max(0.8, self.rule.threshold)), 6),
            notes=tuple(notes),
        )

    def _count_ids(self, problems: Problems, names: results.Names) -> None:
        """Count the documents whose id an earlier one has."""
        count = self.documents
        hashes = names.hashes(count)
        order = np.argsort(hashes, kind="stable")
        again = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
        twice = order[again + 1][
            [names.id(int(order[i])) == names.id(int(order[i + 1])) for i in again]
        ]
        for number in np.sort(twice).tolist():
            problems.add(TWICE, names.place(number))


def _old_parent(name: str, band: int) -> bool:
    return "/parent-" in name and not name.endswith(f"parent-{band:02d}.i64")


def run_file(number: int) -> str:
    """Return the name of what is noted of a portion."""
    return f"runs/{number:05d}.json"


def _band(number: int) -> str:
    return f"band-{number:02d}.u64"

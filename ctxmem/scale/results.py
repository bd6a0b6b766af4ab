"""What a run leaves: the kept documents, what was rejected, the groups, the account."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from ctxmem.scale import columnar
from ctxmem.scale.account import Capped
from ctxmem.scale.sources import (
    DOCUMENT,
    REJECTED,
    Corpus,
    Portion,
    SourceFile,
    places,
    raw_records,
)
from ctxmem.scale.workspace import Workspace

SMALLEST_SOURCE = 100
"""Documents of a file below which no group is capped for it."""

_BLOCK = 1 << 16  # ids hashed at once
_BOM = b"\xef\xbb\xbf"


class Outcome(NamedTuple):
    """Which texts go: `rows` are all members of groups, `capped` those of them that are kept."""

    rows: NDArray[Any]
    capped: NDArray[np.bool_]
    swallowed: list[tuple[int, int, int, int]]  # head, file, documents of it, kept

    def removed(self) -> NDArray[np.int64]:
        """Return the numbers of the texts that are removed."""
        numbers: NDArray[np.int64] = self.rows["member"][~self.capped]
        return numbers


def cap(rows: NDArray[Any], file_of: NDArray[np.uint32], max_loss: float) -> Outcome:
    """Keep the similar texts of a source of which one group would remove more than `max_loss`."""
    rows = rows[np.argsort(rows["member"], kind="stable")]
    capped = np.zeros(len(rows), np.bool_)
    swallowed: list[tuple[int, int, int, int]] = []
    documents = np.bincount(file_of) if len(file_of) else np.zeros(1, np.int64)
    files = file_of[rows["member"]].astype(np.int64)
    near = rows["similarity"] < 1.0
    group = rows["head"] * np.int64(len(documents)) + files
    pairs, of, counts = np.unique(group, return_inverse=True, return_counts=True)
    similar = np.bincount(of, weights=near, minlength=len(pairs))
    total = documents[pairs % len(documents)]
    over = (total >= SMALLEST_SOURCE) & (counts > max_loss * total) & (similar > 0)
    for i in np.flatnonzero(over).tolist():
        head, file = divmod(int(pairs[i]), len(documents))
        swallowed.append((head, file, int(total[i]), int(similar[i])))
    capped[over[of] & near] = True
    return Outcome(rows, capped, swallowed)


# Documents


def kept_part(
    corpus: Corpus, portion: Portion, kinds: NDArray[np.uint8], keep: NDArray[np.bool_]
) -> bytes:
    """Return the documents of a portion that are kept, as they are in the source."""
    at = np.flatnonzero(kinds == DOCUMENT)[keep]
    if portion.kind == "rows":
        mask = np.zeros(len(kinds), np.bool_)
        mask[at] = True
        return columnar.written(columnar.chosen(portion.contents, mask))
    if portion.kind == "text":
        texts = corpus.texts(portion, kinds, np.flatnonzero(keep))
        names = [corpus.files[portion.segments[i].file].name for i in at.tolist()]
        rows = [{"id": name, "text": text} for name, text in zip(names, texts, strict=True)]
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    lines = list(raw_records(portion))
    return b"".join(lines[i].removeprefix(_BOM).rstrip(b"\r") + b"\n" for i in at.tolist())


def rejected_part(
    portion: Portion, kinds: NDArray[np.uint8], reasons: list[list[str]]
) -> tuple[str, bytes]:
    """Return the records of a portion that are no documents: (suffix, content).

    Of lines and files they are JSON lines with place, reason and the line itself; bytes that are
    not UTF-8 are surrogates there, as Python's surrogateescape has them. Of Parquet they are rows.
    """
    at = np.flatnonzero(kinds == REJECTED).tolist()
    if portion.kind == "rows":
        mask = kinds == REJECTED
        return "parquet", columnar.written(columnar.chosen(portion.contents, mask))
    lines = list(raw_records(portion)) if portion.kind == "lines" else []
    out = []
    for i, (place, reason) in zip(at, reasons, strict=True):
        row = {"place": place, "reason": reason}
        if lines:
            row["line"] = lines[i].decode("utf-8", "surrogateescape")
        out.append(json.dumps(row).encode() + b"\n")
    return "jsonl", b"".join(out)


# Groups


class Names:
    """Ids and places of documents, read from the columns when they are asked for."""

    def __init__(
        self, workspace: Workspace, documents: int, id_bytes: int, files: list[SourceFile]
    ) -> None:
        """Map the columns."""
        self._ends = workspace.mapped("id_ends.i64", np.int64, (documents,))
        self._ids = workspace.mapped("ids.json", np.uint8, (id_bytes,))
        self._rows = workspace.mapped("rows.i64", np.int64, (documents,))
        self._file_of = workspace.mapped("files.u32", np.uint32, (documents,))
        self._files = files

    def id(self, number: int) -> bytes:
        """Return an id as JSON."""
        begin = int(self._ends[number - 1]) if number else 0
        return self._ids[begin : int(self._ends[number])].tobytes()

    def hashes(self, count: int) -> NDArray[np.uint64]:
        """Return a hash of each id; the same id has the same."""
        found = np.empty(count, np.uint64)
        begin = 0
        for at in range(0, count, _BLOCK):
            ends = self._ends[at : at + _BLOCK]
            data = self._ids[begin : int(ends[-1])].tobytes()
            edges = [0, *(ends - begin).tolist()]
            pieces = (xxhash.xxh3_64_intdigest(data[a:b]) for a, b in pairwise(edges))
            found[at : at + len(ends)] = np.fromiter(pieces, np.uint64, len(ends))
            begin = int(ends[-1])
        return found

    def place(self, number: int) -> str:
        """Return where a document is in the source."""
        return next(places([(int(self._file_of[number]), int(self._rows[number]))], self._files))

    def both(self, number: int) -> bytes:
        """Return id and place as fields of a JSON object."""
        return b'"id": %s, "place": %s' % (self.id(number), json.dumps(self.place(number)).encode())


def write_groups(workspace: Workspace, outcome: Outcome, names: Names) -> None:
    """Write a line for each group: its representative, and its members by their order."""
    rows, capped = outcome.rows, outcome.capped
    order = np.lexsort((rows["member"], rows["head"]))
    heads = rows["head"][order]
    begins = np.flatnonzero(np.concatenate([[True], heads[1:] != heads[:-1]]) if len(rows) else [])
    ends = np.append(begins[1:], len(rows))
    first = np.minimum(heads[begins], rows["member"][order[begins]]) if len(rows) else begins
    path = workspace.out / "groups.jsonl.new"
    with open(path, "wb") as file:
        for g in np.argsort(first, kind="stable").tolist():
            part = order[begins[g] : ends[g]]
            file.write(b'{"representative": {%s}, "members": [' % names.both(int(heads[begins[g]])))
            for i, row in enumerate(part.tolist()):
                number, _, similarity, exact = rows[row].tolist()
                file.write(
                    b'%s{%s, "similarity": %s, "kind": "%s"%s}'
                    % (
                        b", " if i else b"",
                        names.both(number),
                        repr(similarity).encode(),
                        b"exact" if exact else b"near",
                        b', "kept": true' if capped[row] else b"",
                    )
                )
            file.write(b"]}\n")
    path.replace(workspace.out / "groups.jsonl")


def largest_groups(rows: NDArray[Any], names: Names, count: int) -> list[dict[str, Any]]:
    """Return the largest groups: representative and number of texts."""
    heads, sizes = np.unique(rows["head"], return_counts=True)
    order = np.lexsort((heads, -sizes))[:count]
    return [
        {
            "representative": json.loads(names.id(int(heads[i]))),
            "place": names.place(int(heads[i])),
            "documents": int(sizes[i]) + 1,
        }
        for i in order.tolist()
    ]


def losses(
    outcome: Outcome, file_of: NDArray[np.uint32], files: list[SourceFile], count: int
) -> list[dict[str, Any]]:
    """Return the files that lost the largest shares of their documents."""
    total = np.bincount(file_of, minlength=len(files))
    gone = np.bincount(file_of[outcome.removed()], minlength=len(files))
    share = gone / np.maximum(total, 1)
    order = [i for i in np.lexsort((np.arange(len(files)), -share)).tolist() if gone[i]]
    return [
        {"source": files[i].name, "documents": int(total[i]), "removed": int(gone[i])}
        for i in order[:count]
    ]


def swallowed(outcome: Outcome, names: Names, files: list[SourceFile]) -> tuple[Capped, ...]:
    """Return the groups that were capped."""
    return tuple(
        Capped(json.loads(names.id(head)), files[file].name, documents, kept)
        for head, file, documents, kept in outcome.swallowed
    )

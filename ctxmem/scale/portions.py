"""What is done with a portion of a corpus, by itself: read, routed, written.

Both engines call these functions: the local one for one portion after the other, that on Daft for
many at once, on any machine that has the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.errors import InputError
from ctxmem.scale import results
from ctxmem.scale.joining import Rule, route_bytes
from ctxmem.scale.sketches import Sketches, plan_for, sketch
from ctxmem.scale.sources import UNREADABLE_ERRORS, Corpus, Portion, Segment, SourceFile

KINDS = "kinds.u8"


class Read(NamedTuple):
    """A portion that was read: columns by their names, what is noted of it, and its sketches."""

    columns: dict[str, NDArray[Any]]
    detail: dict[str, Any]
    counts: dict[str, int]
    sketches: Sketches


def read_portion(corpus: Corpus, portion: Portion, rule: Rule) -> Read:
    """Read the documents of a portion; the columns have a value a document, kinds one a record."""
    found = corpus.documents(portion)
    texts = found.texts
    sketches = sketch(
        texts, plan_for(rule.threshold), ngram=rule.ngram, unit=rule.unit, threads=rule.threads
    )
    columns: dict[str, NDArray[Any]] = {
        "lengths.u32": np.fromiter(map(len, texts), np.uint32, len(texts)),
        "sizes.u32": np.fromiter(map(_size, texts), np.uint32, len(texts)),
        "files.u32": np.array(found.files, np.uint32),
        "rows.i64": np.array(found.rows, np.int64),
        "id_ends.i64": np.cumsum(np.fromiter(map(len, found.ids), np.int64, len(texts))),
        "ids.json": np.frombuffer(b"".join(found.ids), np.uint8),
        KINDS: np.frombuffer(bytes(found.kinds), np.uint8),
        "whole.u64": sketches.whole,
    }
    detail: dict[str, Any] = {
        "segments": portion.segments,
        "digest": portion.digest(),
        "kind": portion.kind,
        "counts": found.problems.counts,
        "places": found.problems.places,
        "rejected": found.rejected,
    }
    counts = {
        "documents": len(texts),
        "records": len(found.kinds),
        "id_bytes": sum(map(len, found.ids)),
        "size": portion.size,
    }
    return Read(columns, detail, counts, sketches)


def portion_again(corpus: Corpus, detail: dict[str, Any]) -> Portion:
    """Return a portion that was read before.

    Raises:
        InputError: If it is not what it was.
    """
    portion = None
    with suppress(*UNREADABLE_ERRORS):
        portion = corpus.again([Segment(*one) for one in detail["segments"]])
    if portion is None or portion.digest() != detail["digest"]:
        raise _changed(corpus.files[detail["segments"][0][0]])
    return portion


def portion_as_listed(corpus: Corpus, segments: list[Segment]) -> Portion:
    """Return a portion of segments that another reading found.

    Raises:
        InputError: If one of its files is not as it was listed, so that segments may be torn.
    """
    portion = None
    with suppress(*UNREADABLE_ERRORS):
        portion = corpus.again(segments)
    for number in dict.fromkeys(one.file for one in segments):
        if portion is None or not corpus.files[number].is_as_listed():
            raise _changed(corpus.files[number])
    assert portion is not None  # it has segments
    return portion


def _changed(file: SourceFile) -> InputError:
    return InputError(
        f"{file.name} changed since the run began; expected a source that stays as it is; "
        "call deduplicate again to start anew"
    )


def route_portion(
    corpus: Corpus,
    detail: dict[str, Any],
    kinds: NDArray[np.uint8],
    of: NDArray[np.int32],
    batches: int,
) -> tuple[bytes, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Return the texts of clusters, ordered by batch, and (starts, numbers in portion, edges).

    `of` is the batch of each document of the portion, -1 for none.
    """
    wanted = np.flatnonzero(of >= 0)
    texts: list[str] = []
    if len(wanted):
        texts = corpus.texts(portion_again(corpus, detail), kinds, wanted)
    content, (starts, order, edges) = route_bytes(texts, of[wanted], batches)
    return content, (starts, wanted[order], edges)


def written_parts(
    corpus: Corpus,
    detail: dict[str, Any],
    kinds: NDArray[np.uint8],
    keep: NDArray[np.bool_],
    number: int,
) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the results of a portion: what is kept, and what was rejected."""
    portion = portion_again(corpus, detail)
    if keep.any():
        suffix = "parquet" if portion.kind == "rows" else "jsonl"
        yield f"kept/part-{number:05d}.{suffix}", results.kept_part(corpus, portion, kinds, keep)
    if detail["rejected"]:
        suffix, data = results.rejected_part(portion, kinds, detail["rejected"])
        yield f"rejected/part-{number:05d}.{suffix}", data


def placed(
    columns: dict[str, NDArray[Any]], at: int, records: int, id_bytes: int
) -> list[tuple[str, int, NDArray[Any] | bytes]]:
    """Return columns with the places in bytes at which they go on, for `write_columns`.

    `at`, `records` and `id_bytes` are what the portions before have.
    """
    found: list[tuple[str, int, NDArray[Any] | bytes]] = []
    for name, values in columns.items():
        if name == "id_ends.i64":
            found.append((name, 8 * at, values + id_bytes))
        elif name == "ids.json":
            found.append((name, id_bytes, values))
        elif name == KINDS:
            found.append((name, records, values))
        else:
            found.append((name, values.itemsize * at, values))
    return found


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

"""Corpora that do not fit into memory: one document of each near-duplicate group is kept.

local      the engine for one machine, in stages: read, link, route, join, write
daft_engine  the same stages as plans of Daft, for one machine or a Ray cluster
tasks      what one machine of a cluster does
portions   what is done with one portion of a corpus
sources    folders of texts, JSON lines and Parquet, read in portions
columnar   Parquet
sketches   signatures and bands, and what they find
linking    clusters of texts that may be near-duplicates
joining    the exact join of clusters
results    what is written
account    what is reported
workspace  the files and the manifest of a run that may be killed and continued
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ctxmem import __version__
from ctxmem.dedup.arguments import (
    Prefer,
    Unit,
    check_choice,
    check_ngram,
    check_threads,
    check_threshold,
)
from ctxmem.errors import CtxmemWarning, InputError, InputTypeError, warn_caller
from ctxmem.scale.account import Capped, Report, in_words, restored
from ctxmem.scale.daft_engine import DaftRun, daft, on_cluster
from ctxmem.scale.joining import Rule
from ctxmem.scale.local import Progress, Run
from ctxmem.scale.sources import Corpus, list_files
from ctxmem.scale.workspace import Workspace, canonical, digest_of

__all__ = ["Capped", "Engine", "Progress", "Report", "deduplicate", "in_words"]

Engine = Literal["auto", "local", "daft"]

_LEAST_MEMORY = 64 << 20
_LEAST_PORTION, _MOST_PORTION = 1 << 20, 32 << 20


def deduplicate(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    engine: Engine = "auto",
    threshold: float = 0.5,
    id: str = "id",
    text: str = "text",
    ngram: int = 3,
    unit: Unit = "word",
    prefer: Prefer = "longest",
    memory: int = 2 << 30,
    max_loss: float = 0.5,
    careful: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Keep one document of each group of near-duplicates of a corpus; write the rest nowhere.

    Groups are those of `find_near_duplicates`: each member was compared with its representative,
    exactly, and is within the threshold of it. If all texts fit into `memory`, no pair is missed.
    Otherwise candidates come from MinHash, and a pair of similarity .8 or more is found with a
    probability above .995; see the `recall` of the report.

    The folder `out` gets:

    kept/          the kept documents, as they are in the source and in its order: JSON lines or
                   Parquet; of text files, JSON lines with id and text
    rejected/      records that are no documents, with place and reason
    groups.jsonl   a line for each group: its representative and members, with similarities
    account.json   what was removed and why, what was not as expected, and where

    A run that was killed is continued by the same call, with the same bytes as its result. If the
    input or an option changed, it starts anew, with a CtxmemWarning. A folder with files that are
    not of such a run is refused.

    Args:
        source: A folder, a file, or a list of them. Files are JSON lines (.jsonl, .ndjson, .json,
            also .gz), Parquet, or texts, each of which is a document. Hidden files are not read.
        out: A new or empty folder, or that of an earlier run.
        engine: "local" for this machine; "daft" for a plan of Daft, which runs on a Ray cluster if
            Daft is configured so (`DAFT_RUNNER=ray`), and on this machine otherwise. "auto" is
            "daft" if Daft is configured to run on Ray, and "local" otherwise. The groups are the
            same.
        threshold: Minimum Jaccard similarity of a member to its representative.
        id: The field of a record's id, a string or a whole number. A record without one is named by
            its file and line.
        text: The field of its text.
        ngram: How many words (or characters) in a row make a shingle.
        unit: "word" or "char".
        prefer: Which document is kept: the "longest", or the "first" of the source.
        memory: Bytes that the run may take, about; at least 64 MiB.
        max_loss: Share of the documents of a file (of 100 or more) that one group may remove. A
            group that would remove more is a template, not a text: of this file it removes only
            documents with the same words as its representative, and the report names it.
        careful: Whether documents that differ by `differences`, as in a number or a negation, are
            never in one group. Takes longer.
        threads: How many threads may work; by default all that the machine has. On Daft, those of
            each piece of work; by default 1. The result is the same.
        progress: Called with the stage, how much of it is done, and of how much.

    Raises:
        InputError: If an option is out of range, the source has no files, a file changes during the
            run, or `out` has files of others.
        InputTypeError: If an option is of the wrong type.
        MissingExtraError: If Parquet is read without pyarrow, or Daft is not installed.

    >>> import json, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> texts = ["Refunds take thirty days.", "refunds take thirty days", "Call us at nine."]
    >>> rows = [json.dumps({"id": i, "text": text}) for i, text in enumerate(texts)]
    >>> _ = (folder / "corpus.jsonl").write_text("\\n".join(rows))
    >>> report = deduplicate(folder / "corpus.jsonl", folder / "out")
    >>> report.documents, report.kept, report.near
    (3, 2, 1)
    """
    begun = time.perf_counter()
    chosen = check_choice("engine", engine, ("auto", "local", "daft"))
    kind = DaftRun if chosen == "daft" or (chosen == "auto" and on_cluster()) else Run
    rule = Rule(
        check_threshold(threshold),
        check_ngram(ngram),
        "char" if check_choice("unit", unit, ("word", "char")) == "char" else "word",
        "first" if check_choice("prefer", prefer, ("longest", "first")) == "first" else "longest",
        check_threads(threads if threads is not None else _all_threads(kind)),
        bool(careful),
    )
    _check_limits(memory, max_loss)
    if kind is DaftRun:
        daft()  # an error before anything is read
    files, listed = list_files(source)
    folder = Path(out)
    _check_apart(files, folder)
    identity = {
        "version": __version__,
        "engine": kind.engine,
        "options": {
            "threshold": rule.threshold,
            "ngram": rule.ngram,
            "unit": rule.unit,
            "prefer": rule.prefer,
            "id": id,
            "text": text,
            "memory": memory,
            "max_loss": max_loss,
            "careful": rule.careful,
        },
        "input": digest_of(canonical(files).encode()),
    }
    workspace = Workspace(folder)
    workspace.load(identity)  # refuses a folder of others before anything is written to it
    portion = max(_LEAST_PORTION, min(_MOST_PORTION, memory // 64))
    corpus = Corpus(files, id=id, text=text, portion=portion)
    run = kind(workspace, files, corpus, rule, memory, max_loss, progress or _silent)
    with workspace.locked():
        resumed, restarted = _resume(workspace, identity)
        finished = "report" in workspace.state
        stages: dict[str, float] = {}
        if not finished:
            try:
                stages = run.run(listed)
            finally:
                corpus.close()
            workspace.finish()
    report = restored(workspace.state["report"])
    return replace(
        report,
        out=str(folder),
        resumed=resumed,
        restarted=restarted,
        seconds=time.perf_counter() - begun,
        stages=stages,
    )


def _resume(workspace: Workspace, identity: dict[str, Any]) -> tuple[bool, str]:
    """Take up an earlier run or begin one; return whether it goes on, and why not."""
    why = workspace.load(identity)
    if why == "" and (damaged := workspace.damaged()):
        why = f"{damaged} is not as it was written"
    if why == "":
        return True, ""
    if why is not None:
        warn_caller(
            f"the earlier run in {workspace.out} cannot be continued: {why}; it starts anew",
            CtxmemWarning,
        )
    workspace.begin(identity)
    return False, why or ""


def _all_threads(kind: type[Run]) -> int:
    """Return the threads of one piece of work; Daft does many pieces at once."""
    return 1 if kind is DaftRun else min(64, os.cpu_count() or 1)


def _check_limits(memory: int, max_loss: float) -> None:
    if isinstance(memory, bool) or not isinstance(memory, int):
        raise InputTypeError(
            f"memory is of type {type(memory).__name__}; expected bytes, such as 2 << 30"
        )
    if memory < _LEAST_MEMORY:
        raise InputError(f"memory is {memory:,} bytes; expected at least {_LEAST_MEMORY:,}")
    if isinstance(max_loss, bool) or not isinstance(max_loss, int | float):
        raise InputTypeError(
            f"max_loss is of type {type(max_loss).__name__}; expected a share, such as 0.5"
        )
    if not 0.0 <= max_loss <= 1.0:
        raise InputError(f"max_loss is {max_loss!r}; expected a share from 0 to 1, such as 0.5")


def _check_apart(files: Sequence[Any], out: Path) -> None:
    """Refuse a folder of results inside the source: it would be read as part of it."""
    inside = out.resolve()
    for file in files:
        if inside in Path(file.path).resolve().parents:
            raise InputError(
                f"out is {out}, and the source has {file.path} in it; expected a folder apart"
            )


def _silent(stage: str, done: int, of: int) -> None:
    """Show no progress."""

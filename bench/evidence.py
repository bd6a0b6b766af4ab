"""Windows of ctxmem and of its peers over the questions of a scorer, and what they hold.

Each window is made once and read by every row of the report that is about it.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import ctxmem
from ctxmem.protocols import Scorer

from . import frameworks
from .judge import BUDGETS, JUDGED, Judge, Row, module_at
from .packers import (
    SEPARATOR,
    Embedder,
    Packer,
    contradictions,
    hits_of,
    sources_of,
    valued_by,
    window_of,
)

Clock = Callable[[], float]

OURS = "ctxmem"
WORDS = "ctxmem, words and ranks"
SHIPPED = "ctxmem, shipped weights"

BASELINES = {
    "dense": "passages by cosine",
    "bm25": "passages by BM25",
    "dense_x": "passages by cosine, copies dropped",
    "bm25_x": "passages by BM25, copies dropped",
    "rrf": "reciprocal ranks fused, copies dropped",
    "conv_x": "cosine and BM25 added, copies dropped",
    "density": "cosine for each token, copies dropped",
    "facloc": "facility location by embeddings",
    "mmr5": "MMR, half for novelty",
    "mmr7": "MMR, .3 for novelty",
    "mmr5x": "MMR, half for novelty, copies dropped",
    "mmr7x": "MMR, .3 for novelty, copies dropped",
    "lcred": "LangChain's redundancy filter as written down from memory",
    "simpost": "LlamaIndex's cutoff as written down from memory, the last passage cut",
    "st_dense": "by cosine, neighbours stitched",
    "st_conv": "by cosine and BM25, neighbours stitched",
    "st_rrf": "by fused ranks, neighbours stitched",
    "stnd_conv": "by cosine and BM25, stitched, near-duplicates skipped",
    "sent_dense": "sentences by cosine",
    "sent_mix": "sentences by cosine and BM25, theirs and their passage's",
    "sent_rrf": "sent_mix and fused ranks",
    "sent_rrf_ctx1": "sent_rrf, each with its neighbours",
    "sent_rrf_nd": "sent_rrf, near-duplicates skipped",
    "sent_rrf_div": "sent_rrf, each further sentence of a document of less value",
}
"""Packers of `baselines.py` that see no gold; those that a file does not have are left out."""

VERSIONS_BUDGET = 1024
CEILING = 8192
ABOUT_100 = (80, 120)
"""Hits of the questions that are timed."""


@dataclass
class Measured:
    """What was seen over all windows: scores by scenario and packer, and what they broke."""

    rows: dict[str, dict[str, list[Row]]] = field(default_factory=dict)
    auto: list[Row] = field(default_factory=list)
    verified: list[Row] = field(default_factory=list)  # asked about what is in doubt
    scored: list[Row] = field(default_factory=list)  # asked about all
    broken: list[str] = field(default_factory=list)
    overruns: int = 0
    windows: int = 0
    milliseconds: list[list[float]] = field(default_factory=list)  # by the wall, of the processor
    versions: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)

    def add(self, scenario: str, packer: str, row: Row) -> None:
        """Add the scores of one window."""
        self.rows.setdefault(scenario, {}).setdefault(packer, []).append(row)

    def peers(self, scenario: str) -> dict[str, list[Row]]:
        """Return the scores of all who are not ctxmem."""
        found = self.rows.get(scenario, {})
        return {name: rows for name, rows in found.items() if not name.startswith("ctxmem")}


def measure(judge: Judge, left_out: Path | None) -> Measured:
    """Make every window that the report is about, a set at a time."""
    seen = Measured()
    peers = _peers(judge, seen)
    tasks = {name: judge.tasks(name, "multi") for name in judge.sets}
    say("times, before anything is warm")
    seen.milliseconds = milliseconds([task for of in tasks.values() for task in of])
    for name in judge.sets:
        weights = None if left_out is None else left_out / f"{name}.json"
        scenarios = {"multi": tasks[name], "single": judge.tasks(name, "single")}
        for scenario, asked in scenarios.items():
            say(f"{name}, {scenario}: {len(asked)} questions")
            for task in asked:
                _peers_windows(judge, seen, scenario, task, peers, BUDGETS)
                question = Question(judge, seen, task)
                with valued_by(weights):
                    _our_windows(question, scenario)
                if left_out is not None and scenario == "multi":
                    question.windows(scenario, SHIPPED, BUDGETS)
        asked = judge.tasks(name, "versions")
        say(f"{name}, versions: {len(asked)} questions")
        for task in asked:
            _peers_windows(judge, seen, "versions", task, peers, (VERSIONS_BUDGET,))
            Question(judge, seen, task).windows("versions", OURS, (VERSIONS_BUDGET,))
    return seen


def say(what: str) -> None:
    """Tell a person who waits what is being done."""
    print(f"quality: {what} ...", file=sys.stderr)


def _peers(judge: Judge, seen: Measured) -> dict[str, Packer]:
    """Return the packers of today: those beside the scorer, and those of installed frameworks."""
    peers: dict[str, Packer] = {}
    path = Path(judge.scorer.__file__ or "").with_name("baselines.py")
    if path.is_file():
        module = module_at(path)
        peers |= {name: getattr(module, name) for name in BASELINES if hasattr(module, name)}
    else:
        seen.absent.append(f"packers of today (no {path.name} beside the scorer)")
    made, versions, absent = frameworks.packers()
    seen.versions |= versions
    seen.absent += absent
    return peers | made


def _peers_windows(
    judge: Judge,
    seen: Measured,
    scenario: str,
    task: Any,
    peers: Mapping[str, Packer],
    budgets: Sequence[int],
) -> None:
    for name, pack in peers.items():
        for budget in budgets:
            kept = pack(task.query, task.chunks, task.scores, task.embeddings, budget)
            seen.add(scenario, name, judge.score(task, SEPARATOR.join(kept), budget))


class Question:
    """A question whose windows are made and judged."""

    def __init__(self, judge: Judge, seen: Measured, task: Any) -> None:
        self.judge = judge
        self.seen = seen
        self.task = task
        self.hits = hits_of(task.chunks, task.scores, task.embeddings)
        self.bare = hits_of(task.chunks)
        self.embed = Embedder(task.query, task.chunks)
        self.sources = sources_of(self.bare)

    def judged(self, window: ctxmem.Window, budget: int) -> Row:
        """Score a window, and note what it breaks."""
        row = self.judge.score(self.task, window.text, budget)
        broken = contradictions(window, self.hits, self.sources)
        if row["tokens"] != window.tokens:
            broken.append(f"{window.tokens} tokens reported, {row['tokens']:.0f} counted")
        self.seen.broken += [f"{row['qid']} at {budget}: {one}" for one in broken]
        self.seen.overruns += row["tokens"] > budget
        self.seen.windows += 1
        return row

    def windows(
        self, scenario: str, packer: str, budgets: Sequence[int], *, words: bool = False
    ) -> None:
        """Make a window for each budget and keep its scores."""
        for budget in budgets:
            hits, embed = (self.bare, None) if words else (self.hits, self.embed)
            window = window_of(self.task.query, hits, budget, embed)
            self.seen.add(scenario, packer, self.judged(window, budget))


def _our_windows(question: Question, scenario: str) -> None:
    question.windows(scenario, OURS, BUDGETS)
    question.windows(scenario, WORDS, BUDGETS, words=True)
    if scenario != "multi":
        return
    task, seen = question.task, question.seen
    budget = ctxmem.Budget(CEILING, auto=True)
    window = window_of(task.query, question.hits, budget, question.embed)
    seen.auto.append(question.judged(window, CEILING))
    judge_of_spans = oracle(task)
    for limit in BUDGETS[:JUDGED]:
        for rows, asking in ((seen.verified, nullcontext), (seen.scored, asking_all)):
            with asking():
                window = window_of(task.query, question.bare, limit, scorer=judge_of_spans)
            rows.append(question.judged(window, limit) | {"asked": window.scored_count})


def oracle(task: Any) -> Scorer:
    """Return a scorer that knows the gold: the share of a text that is evidence."""
    known: dict[str, float] = {}

    def share(text: str) -> float:
        most = 0.0
        for hit in task.chunks:
            at = hit.text.find(text)
            if at >= 0:
                start, end = hit.start + at, hit.start + at + len(text)
                gold = sum(
                    max(0, min(end, last) - max(start, first))
                    for document, first, last in task.goldspans
                    if document == hit.doc
                )
                most = max(most, gold / max(1, len(text)))
        return min(1.0, most)

    def score(query: str, texts: Sequence[str]) -> list[float]:
        for text in texts:
            if text not in known:
                known[text] = share(text)
        return [known[text] for text in texts]

    return score


@contextmanager
def asking_all() -> Iterator[None]:
    """Let scorers be asked about every span while this lasts, in doubt or not."""
    room: Any = importlib.import_module("ctxmem.value.verify")
    kept = room.GAIN, room.SHARE
    room.GAIN, room.SHARE = 0.0, 1.0
    try:
        yield
    finally:
        room.GAIN, room.SHARE = kept


def milliseconds(
    tasks: Sequence[Any], clocks: Sequence[Clock] = (time.perf_counter, time.thread_time)
) -> list[list[float]]:
    """Time a pack at 1k of each question of about 100 hits, without `embed`, by every clock.

    Each question is seen for the first time, so that nothing is known of it; the first one warms
    the process up and is not counted.
    """
    fewest, most = ABOUT_100
    times: list[list[float]] = [[] for _ in clocks]
    for task in tasks:
        if not fewest <= len(task.chunks) <= most:
            continue
        hits = hits_of(task.chunks, task.scores)
        started = [clock() for clock in clocks]
        window = window_of(task.query, hits, 1024)
        for taken, clock, start in zip(times, clocks, started, strict=True):
            taken.append(1e3 * (clock() - start))
        if window.tokens > 1024:
            raise AssertionError(f"{window.tokens} tokens of 1024")
    return [taken[1:] for taken in times]


def spread(times: Sequence[float]) -> dict[str, float]:
    """Return the median of times and the quartiles around it."""
    low, median, high = np.percentile(times, [25, 50, 75])
    return {"median": float(median), "low": float(low), "high": float(high), "n": len(times)}

"""Scores of windows by a scorer of packing quality, and their summary statistics.

A scorer is a Python file with `load_set(path, scenario, limit)`, which reads the questions of a
set, and `score_text(text, gold, budget)`, which says how much of the evidence a window holds. The
packers of today may run beside it, in `baselines.py`.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem.errors import InputError

from .questions import sets_in

BUDGETS = (512, 1024, 2048, 4096, 8192)
JUDGED = 4
"""Number of budgets in the mean recall, AUB; at larger budgets every packer finds all evidence."""

SATURATED = "nq"
"""Beginning of the names of sets of which every packer finds all: they are not judged."""

RESAMPLED = 1000

Row = dict[str, Any]
"""Scores of one window: set, qid, budget, recall, dup, over, tokens."""


class Judge:
    """A scorer with the question sets that it reads."""

    def __init__(self, scorer: Path, data: Path, limit: int | None) -> None:
        self.scorer = module_at(scorer)
        self.data = data
        self.limit = limit
        self.sets = judged_sets(data)
        self._scored: tuple[str, dict[tuple[int, str], Row]] = ("", {})

    def tasks(self, name: str, scenario: str) -> list[Any]:
        """Read the questions of a set: with set, qid, query, chunks, scores, embeddings, gold."""
        found: list[Any] = self.scorer.load_set(str(self.data / name), scenario, self.limit)
        return found

    def score(self, task: Any, text: str, budget: int) -> Row:
        """Return the scores of a window; many packers make the same, which is scored once."""
        if self._scored[0] != task.qid:
            self._scored = (task.qid, {})
        known = self._scored[1]
        if (budget, text) not in known:
            scores = self.scorer.score_text(text, task.gold, budget)
            known[budget, text] = {
                "set": task.set,
                "qid": task.qid,
                "budget": budget,
                **{name: float(scores[name]) for name in ("recall", "dup", "over", "tokens")},
            }
        return known[budget, text]

    def check(self, rows: Sequence[Row]) -> None:
        """Raise if the scorer sums its scores up otherwise than we do."""
        theirs = getattr(self.scorer, "aub", None)
        if theirs is not None and abs(theirs(rows) - aub(rows)) > 1e-9:
            raise AssertionError(f"our mean recall is {aub(rows)}, the scorer's {theirs(rows)}")


def module_at(path: Path) -> ModuleType:
    """Run a Python file as a module that files beside it can import by its name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.exists():
        raise InputError(f"{path} is no Python file; expected the path of a scorer")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def what_is_missing(data: Path | None, scorer: Path | None, left_out: Path | None) -> str:
    """Return in one line what is missing and how to give it; nothing if all is there."""
    names = [] if data is None else judged_sets(data)
    if not names:
        where = "no question sets are given" if data is None else f"{data} holds no question sets"
        return f"{where}; give --data PATH, a folder of NAME.json.gz and NAME.npz"
    if scorer is None or not scorer.is_file():
        where = f"there is no scorer at {scorer}"
        return f"{where}; give --data PATH --scorer FILE, a module with load_set and score_text"
    absent = [name for name in names if left_out and not (left_out / f"{name}.json").is_file()]
    if absent:
        return (
            f"{left_out} has no weights for {', '.join(absent)}; expected NAME.json of every set, "
            "as ctxmem.bench.fit_value --leave-out writes them"
        )
    return ""


def judged_sets(data: Path) -> list[str]:
    """Return the names of the sets that are judged."""
    return [name for name in sets_in(data) if not name.startswith(SATURATED)]


# Sums ---------------------------------------------------------------------------------------------


def macro(rows: Iterable[Row], name: str, budget: int) -> float:
    """Return the mean over sets of the mean over questions of a score at a budget."""
    of_set: dict[str, list[float]] = {}
    for row in rows:
        if row["budget"] == budget:
            of_set.setdefault(row["set"], []).append(row[name])
    return float(np.mean([np.mean(values) for values in of_set.values()]))


def aub(rows: Sequence[Row]) -> float:
    """Return the mean recall over the judged budgets, macro over the sets."""
    return float(np.mean([macro(rows, "recall", budget) for budget in BUDGETS[:JUDGED]]))


def recalls(rows: Iterable[Row], budgets: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """Return by set the mean recall of each question over the budgets, in order of questions."""
    of_set: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        if row["budget"] in budgets:
            questions = of_set.setdefault(row["set"], {})
            questions.setdefault(row["qid"], []).append(row["recall"])
    return {
        name: np.array([np.mean(values) for values in questions.values()])
        for name, questions in of_set.items()
    }


def interval(of_set: Mapping[str, NDArray[np.float64]]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the macro mean, over the questions within sets."""
    random = np.random.default_rng(0)
    means = [
        values[random.integers(0, len(values), (RESAMPLED, len(values)))].mean(axis=1)
        for values in of_set.values()
    ]
    low, high = np.percentile(np.mean(means, axis=0), [2.5, 97.5])
    return float(low), float(high)


def curve(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the row of a packer: recall by budget, AUB, its interval, repeats, overruns."""
    low, high = interval(recalls(rows, BUDGETS[:JUDGED]))
    return {
        "recall": {str(budget): macro(rows, "recall", budget) for budget in BUDGETS},
        "aub": aub(rows),
        "low": low,
        "high": high,
        "dup": macro(rows, "dup", 1024),
        "overruns": sum(row["over"] > 0 for row in rows),
        "windows": len(rows),
    }


def margin(ours: Sequence[Row], peers: Mapping[str, Sequence[Row]], budget: int) -> dict[str, Any]:
    """Return how far our recall at a budget is above that of the best peer there."""
    best = max(peers, key=lambda name: macro(peers[name], "recall", budget))
    mine, theirs = recalls(ours, [budget]), recalls(peers[best], [budget])
    low, high = interval({name: mine[name] - theirs[name] for name in mine})
    recall, other = macro(ours, "recall", budget), macro(peers[best], "recall", budget)
    return {
        "peer": best,
        "recall": recall,
        "peer recall": other,
        "margin": recall - other,
        "low": low,
        "high": high,
    }


def losses(ours: Sequence[Row], peers: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """Return the sets and budgets at which a peer's recall is above ours, the largest gap first.

    Of each set and budget the best peer is named.
    """
    found: list[dict[str, Any]] = []
    if not peers:
        return found
    for name in sorted({row["set"] for row in ours}):
        mine = [row for row in ours if row["set"] == name]
        others = {peer: [row for row in rows if row["set"] == name] for peer, rows in peers.items()}
        for budget in sorted({row["budget"] for row in mine}):
            gap = margin(mine, others, budget)
            if gap["margin"] < -1e-9:
                found.append({"set": name, "budget": budget, **gap})
    return sorted(found, key=lambda gap: float(gap["margin"]))


Order = Callable[[dict[str, Any], Sequence[Any], Any, Any], Sequence[int]]


def fill(order: Sequence[int], chunks: Sequence[Any], budget: int) -> list[str]:
    """Return whole passages in an order, each that still fits, with room for what parts them."""
    taken, spent = [], 0
    for i in order:
        if spent + chunks[i].tokens + 2 <= budget:
            taken.append(chunks[i].text)
            spent += chunks[i].tokens + 2
    return taken

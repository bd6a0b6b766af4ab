"""How fast is a packing solved to proven optimality, compared with other solvers?

Fresh seeds, near-duplicate groups and three alternatives per chunk, the same instances for the
native solver, OR-tools CP-SAT, HiGHS and a numpy dynamic programme, one thread each. The answers
are compared before a time is reported. Then the structures that a greedy fill cannot serve,
coverage to a given gap, and the tail where this solver is slow.

    python -m ctxmem.bench.solver [--quick] [--seeds N] [--limit SECONDS] [--json]
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native, solve

Classes = list[list[tuple[int, int]]]
Answer = tuple[int | None, int | None]  # value, bound; None when nothing came in time


# --- instances ---


def chunks(
    rng: np.random.Generator, count: int, strong: bool = False
) -> list[list[tuple[int, int]]]:
    """Return (tokens, value) options of chunks: full text, an extract and a summary."""
    tokens = np.clip(rng.lognormal(4.85, 0.95, count), 8, 2000).astype(int)
    score = rng.uniform(0.2, 1.0, count)
    value = (100 * (0.95 + 0.1 * score) * tokens) if strong else (1000 * score * tokens**0.5)
    cuts = rng.uniform((0.3, 0.6, 0.08, 0.25), (0.5, 0.85, 0.15, 0.5), (count, 4))
    return [
        [
            (int(t), int(v)),
            (max(1, int(t * extract)), int(v * keeps)),
            (max(1, int(t * summary)), int(v * gist)),
        ]
        for t, v, (extract, keeps, summary, gist) in zip(tokens, value, cuts, strict=True)
    ]


def grouped(rng: np.random.Generator, count: int, strong: bool = False) -> Classes:
    """Join 15 % of the chunks with one to four near-duplicates into one class each."""
    classes: Classes = []
    options = chunks(rng, count, strong)
    while options:
        size = int(rng.integers(2, 6)) if rng.random() < 0.15 else 1
        group, options = options[:size], options[size:]
        classes.append([option for member in group for option in member])
    return classes


def problem_of(rng: np.random.Generator, kind: str, count: int, budget: int) -> dict[str, Any]:
    """Return a packing problem with one kind of structure."""
    items: list[dict[str, Any]] = [
        {"id": i, "options": [{"t": t, "v": v} for t, v in options], "section": None, "needs": []}
        for i, options in enumerate(chunks(rng, count))
    ]
    problem: dict[str, Any] = {"budget": budget, "items": items}
    if kind == "sections":
        problem["sep"] = 3
        problem["sections"] = [
            {
                "id": f"s{k}",
                "parent": "s0" if k > 3 else None,
                "min": budget // 24 if k % 2 == 0 else 0,
                "max": budget // 5,
                "header": 12,
            }
            for k in range(6)
        ]
        for item in items:
            item["section"] = f"s{rng.integers(6)}"
    elif kind == "headings":
        for i, item in enumerate(items):
            if i % 15 == 0:
                item["options"] = [{"t": 20, "v": 50}]
            else:
                item["needs"] = [i - i % 15]
    elif kind == "needs (DAG)":
        for i, item in enumerate(items[1:], 1):
            low = max(0, i - 10)
            item["needs"] = [int(rng.integers(low, i)) for _ in range(rng.integers(0, 3))]
    elif kind == "tool pairs":
        problem["together"] = [[i, i + 1] for i in range(0, count - 1, 4)]
    elif kind == "redundancy":
        pairs = rng.integers(0, count - 3, count)
        problem["redundancy"] = [
            [int(i), int(i + rng.integers(1, 4)), int(rng.integers(500, 6000))] for i in pairs
        ]
    elif kind == "prefix":
        order = list(range(count // 5))
        problem["prefix"] = {"order": order, "bonus": rng.integers(100, 2000, len(order)).tolist()}
    elif kind == "coverage":
        problem["concepts"] = rng.integers(1000, 20000, count // 2).tolist()
        for item in items:
            concepts = rng.choice(count // 2, int(rng.integers(1, 8)), replace=False).tolist()
            for k, option in enumerate(item["options"]):
                option["v"] //= 10
                option["c"] = concepts[: max(1, len(concepts) // (k + 1))]
    return problem


# --- contestants; each returns (value, bound) ---


def arrays_of(classes: Classes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return starts, tokens and values."""
    starts = np.cumsum([0, *map(len, classes)]).astype(np.int64)
    flat = np.array([option for options in classes for option in options], dtype=np.int64)
    return starts, flat[:, 0].copy(), flat[:, 1].copy()


def ctxmem_solver(classes: Classes, budget: int, limit: float) -> tuple[float, Answer]:
    """Time the native solver, from arrays."""
    starts, tokens, values = arrays_of(classes)
    begin = time.perf_counter()
    found = _native.solve_packing(starts, tokens, values, budget, time_limit=limit)
    return time.perf_counter() - begin, (found.value, found.upper_bound)


def cp_sat(classes: Classes, budget: int, limit: float) -> tuple[float, Answer]:
    """Time CP-SAT with one worker, its model already built."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    weight, values = [], []
    for options in classes:
        x = [model.new_bool_var("") for _ in options]
        model.add_at_most_one(x)
        weight += [t * v for v, (t, _) in zip(x, options, strict=True)]
        values += [w * v for v, (_, w) in zip(x, options, strict=True)]
    model.add(sum(weight) <= budget)
    model.maximize(sum(values))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = limit
    begin = time.perf_counter()
    status = solver.solve(model)
    seconds = time.perf_counter() - begin
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return seconds, (None, None)
    return seconds, (round(solver.objective_value), round(solver.best_objective_bound))


def highs(classes: Classes, budget: int, limit: float) -> tuple[float, Answer]:
    """Time HiGHS with one thread and no tolerance on the gap, its model already built."""
    import highspy

    model = highspy.Highs()
    for name, setting in (
        ("output_flag", False),
        ("threads", 1),
        ("time_limit", limit),
        ("mip_rel_gap", 0.0),
        ("mip_abs_gap", 0.5),
    ):
        model.setOptionValue(name, setting)
    starts, tokens, values = arrays_of(classes)
    count, rows = len(tokens), len(classes) + 1
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = count, rows
    lp.col_cost_ = values.astype(float)
    lp.col_lower_, lp.col_upper_ = np.zeros(count), np.ones(count)
    lp.row_lower_ = np.full(rows, -highspy.kHighsInf)
    lp.row_upper_ = np.array([float(budget)] + [1.0] * len(classes))
    lp.integrality_ = [highspy.HighsVarType.kInteger] * count
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([[0, count], count + starts[1:]]).astype(np.int32)
    lp.a_matrix_.index_ = np.tile(np.arange(count), 2).astype(np.int32)
    lp.a_matrix_.value_ = np.concatenate([tokens.astype(float), np.ones(count)])
    model.passModel(lp)
    begin = time.perf_counter()
    model.run()
    seconds = time.perf_counter() - begin
    info = model.getInfo()
    if abs(info.objective_function_value) > 1e29:
        return seconds, (None, None)
    return seconds, (round(info.objective_function_value), round(info.mip_dual_bound))


def numpy_table(classes: Classes, budget: int, limit: float) -> tuple[float, Answer]:
    """Time the textbook dynamic programme, value only."""
    begin = time.perf_counter()
    best = np.zeros(budget + 1, dtype=np.int64)
    for options in classes:
        now = best.copy()
        for tokens, value in options:
            if tokens <= budget:
                np.maximum(now[tokens:], best[: budget + 1 - tokens] + value, out=now[tokens:])
        best = now
        if time.perf_counter() - begin > limit:
            return time.perf_counter() - begin, (None, None)
    return time.perf_counter() - begin, (int(best[-1]), int(best[-1]))


CONTESTANTS: dict[str, tuple[str | None, Callable[[Classes, int, float], tuple[float, Answer]]]] = {
    "ctxmem": (None, ctxmem_solver),
    "cp-sat": ("ortools", cp_sat),
    "highs": ("highspy", highs),
    "numpy dp": ("numpy", numpy_table),
}


# --- the questions ---


def race(
    count: int, budget: int, *, strong: bool, seeds: Sequence[int], rivals: int, limit: float
) -> list[dict[str, Any]]:
    """Compare all contestants on groups with alternatives; rivals see the first few seeds only."""
    times: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    unproved = dict.fromkeys(CONTESTANTS, 0)
    for number, seed in enumerate(seeds):
        classes = grouped(np.random.default_rng(seed), count, strong)
        answers: dict[str, Answer] = {}
        for name, (package, contestant) in CONTESTANTS.items():
            if (name != "ctxmem" and number >= rivals) or not installed(package):
                continue
            seconds, answers[name] = contestant(classes, budget, limit)
            times[name].append(seconds)
            value, bound = answers[name]
            unproved[name] += value is None or value != bound
        check_agreement(answers, f"n={count}, budget={budget}, seed={seed}")
    ours = times["ctxmem"]
    return [
        {
            "question": "groups + 3 alternatives",
            "n": count,
            "budget": budget,
            "values": "strong" if strong else "weak",
            "solver": name,
            "median_ms": 1e3 * float(np.median(taken)),
            "worst_ms": 1e3 * max(taken),
            "ratio": float(np.median(taken)) / float(np.median(ours[: len(taken)])),
            "runs": len(taken),
            "unproved": unproved[name],
        }
        for name, taken in times.items()
        if taken
    ]


def check_agreement(answers: dict[str, Answer], where: str) -> None:
    """Raise unless proved values are equal and no value passes another's bound."""
    for name, (value, bound) in answers.items():
        for other, (other_value, other_bound) in answers.items():
            if value is None or bound is None or other_value is None or other_bound is None:
                continue
            if value > other_bound:
                raise AssertionError(f"{where}: {name} {value} is above {other}'s {other_bound}")
            if value == bound and other_value == other_bound and value != other_value:
                raise AssertionError(f"{where}: {name} proved {value}, {other} {other_value}")


def structures(
    kinds: Sequence[str],
    size: tuple[int, int],
    *,
    seeds: Sequence[int],
    limit: float,
    gap: float = 0.0,
) -> list[dict[str, Any]]:
    """Time whole problems, from Python data to the solution."""
    count, budget = size
    rows = []
    for kind in kinds:
        taken, gaps = [], []
        for seed in seeds:
            problem = problem_of(np.random.default_rng(seed), kind, count, budget)
            begin = time.perf_counter()
            solution = solve(problem, time_limit=limit, gap=gap)
            taken.append(time.perf_counter() - begin)
            gaps.append(1.0 if solution.gap is None else solution.gap)
        rows.append(
            {
                "question": f"{kind}, to {gap:.1%}" if gap else kind,
                "n": count,
                "budget": budget,
                "solver": "ctxmem.solve",
                "median_ms": 1e3 * float(np.median(taken)),
                "worst_ms": 1e3 * max(taken),
                "worst_gap": max(gaps),
                "runs": len(taken),
                "unproved": sum(g > gap for g in gaps),
            }
        )
    return rows


def hard_tail(count: int, seeds: Sequence[int], limit: float) -> list[dict[str, Any]]:
    """Time the classes that exact knapsack codes fear (Pisinger 2005), coefficients to 10,000."""
    kinds: dict[str, Callable[[NDArray[np.int64]], NDArray[np.int64]]] = {
        "strongly correlated": lambda t: t + 1000,
        "inverse strongly correlated": lambda t: t - 1000,
        "subset sum": lambda t: t,
        "profit ceiling": lambda t: 3 * -(-t // 3),
    }
    rows = []
    for kind, value_of in kinds.items():
        results = []
        for seed in seeds:
            tokens = np.random.default_rng(seed).integers(1001, 11001, count)
            values = value_of(tokens)
            classes = [[(int(t), int(v))] for t, v in zip(tokens, values, strict=True)]
            results.append(ctxmem_solver(classes, int(tokens.sum()) // 2, limit))
        gaps = [1 - (value or 0) / max(1, bound or 1) for _, (value, bound) in results]
        rows.append(
            {
                "question": f"hard tail: {kind}",
                "n": count,
                "solver": "ctxmem",
                "median_ms": 1e3 * float(np.median([seconds for seconds, _ in results])),
                "worst_ms": 1e3 * max(seconds for seconds, _ in results),
                "worst_gap": max(gaps),
                "runs": len(results),
                "unproved": sum(g > 0 for g in gaps),
            }
        )
    return rows


def where_we_lose(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Name the rows in which a rival is faster or our answer is not proved."""
    lines = [
        f"{row['solver']} is {1 / row['ratio']:.1f}x faster at n={row['n']}, "
        f"budget={row['budget']}, {row['values']} values"
        for row in rows
        if row.get("ratio", 1) < 1
    ]
    lines += [
        f"{row['question']} (n={row['n']}): {row['unproved']} of {row['runs']} not proved, "
        f"gap up to {row['worst_gap']:.4%}"
        for row in rows
        if row["unproved"] and "worst_gap" in row
    ]
    return lines or ["nowhere in this run"]


def installed(package: str | None) -> bool:
    """Say whether a contestant's package is there."""
    if package is None:
        return True
    try:
        importlib.import_module(package)
    except ImportError:
        return False
    return True


def versions() -> dict[str, str]:
    """Return the versions of everything that took part."""
    found = {"python": platform.python_version(), "cpu level": _native.cpu_level()}
    for package in ("numpy", "ortools", "highspy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found | {"ctxmem": _native.__version__, "machine": platform.machine()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; see the head of this file."""
    parser = argparse.ArgumentParser(prog="ctxmem bench solver", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer seeds, no 10,000 chunks")
    parser.add_argument("--seeds", type=int, default=50, help="instances per row for ctxmem")
    parser.add_argument("--rivals", type=int, default=5, help="instances per row for the others")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds per instance")
    parser.add_argument("--first-seed", type=int, default=20_000)
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    args = parser.parse_args(argv)
    if args.quick:
        args.seeds, args.rivals = min(args.seeds, 5), min(args.rivals, 1)
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    few = seeds[: max(1, args.seeds // 5)]

    for _, contestant in (c for c in CONTESTANTS.values() if installed(c[0])):
        contestant(grouped(np.random.default_rng(0), 20), 1000, 1.0)  # load what it loads lazily

    sizes = [(50, 2000), (200, 8000), (1000, 8000), (1000, 32000)]
    sizes += [] if args.quick else [(10_000, 128_000)]
    rows: list[dict[str, Any]] = []
    for count, budget in sizes:
        for strong in (False, True):
            rivals = args.rivals if count < 10_000 else min(args.rivals, 1)
            print(f"race: n={count}, budget={budget}", file=sys.stderr)
            rows += race(count, budget, strong=strong, seeds=seeds, rivals=rivals, limit=args.limit)
    kinds = ["sections", "headings", "needs (DAG)", "tool pairs", "redundancy", "prefix"]
    print("structures", file=sys.stderr)
    for size in ((200, 8000), (1000, 16_000)):
        rows += structures(kinds, size, seeds=few, limit=args.limit)
    for gap in (0.005, 0.0):
        rows += structures(["coverage"], (1000, 8000), seeds=few, limit=args.limit, gap=gap)
    print("hard tail", file=sys.stderr)
    rows += hard_tail(200 if args.quick else 1000, few, args.limit)

    if args.json:
        print(json.dumps({"versions": versions(), "rows": rows}, indent=1))
        return 0
    print(", ".join(f"{name} {number}" for name, number in versions().items()))
    print("one thread each; solver time without building its model; ratio of medians to ctxmem\n")
    print(f"{'question':40} {'n':>6} {'budget':>7} {'values':7} {'solver':12} ", end="")
    print(f"{'median ms':>10} {'worst ms':>10} {'ratio':>8} {'runs':>4} {'unproved':>8} worst gap")
    for row in rows:
        ratio = f"{row['ratio']:.1f}x" if "ratio" in row else ""
        gap = f"{row['worst_gap']:.4%}" if "worst_gap" in row else ""
        print(
            f"{row['question']:40} {row['n']:6} {row.get('budget', ''):>7} "
            f"{row.get('values', ''):7} {row['solver']:12} {row['median_ms']:10.2f} "
            f"{row['worst_ms']:10.2f} {ratio:>8} {row['runs']:4} {row['unproved']:8} {gap}"
        )
    print("\nwhere it loses:")
    for line in where_we_lose(rows):
        print(f"  {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How much of the evidence does the window keep, and how much else does it hold?

`--data` is a folder of question sets with marked evidence (NAME.json.gz, NAME.npz), `--scorer` a
Python file that reads them and scores windows (`load_set`, `score_text`); `score.py` above the data
is taken if there is one. The packers of today in `baselines.py` beside it, and those of LangChain
and LlamaIndex that are installed, run on the same questions. AUB is the mean recall at 512 to 4,096
tokens, macro over the sets but the saturated ones; its interval is a bootstrap over the questions
within sets.

The shipped weights were fitted on public sets. `--left-out` is a folder of NAME.json that `python
-m ctxmem.bench.fit_value --data PATH --leave-out FOLDER` writes: each set is then valued by weights
that have not seen it, and those are the figures to compare with others.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import ctxmem
from ctxmem import _native
from ctxmem.report import quality_page

from .evidence import (
    BASELINES,
    CEILING,
    OURS,
    SHIPPED,
    VERSIONS_BUDGET,
    WORDS,
    Measured,
    measure,
    spread,
)
from .judge import (
    BUDGETS,
    JUDGED,
    Judge,
    Row,
    aub,
    curve,
    interval,
    losses,
    macro,
    margin,
    recalls,
    what_is_missing,
)
from .packers import packer, packer_of_words
from .reporting import print_json
from .token_peers import reference

__all__ = ["main", "packer", "packer_of_words"]  # the packers are what scorers call

LIMIT = 25
SCENARIOS = {
    "multi": "several lists, with their repeats",
    "single": "a single dense list",
}
HOW_TO_LEAVE_OUT = (
    "needs --left-out FOLDER; python -m ctxmem.bench.fit_value --data PATH --leave-out FOLDER "
    "makes it"
)
SHOWN_LOSSES = 6


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="ctxmem bench quality", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the question sets")
    parser.add_argument("--scorer", type=Path, help="the scorer (default: score.py above the data)")
    parser.add_argument("--left-out", type=Path, help="folder of weights fitted without each set")
    parser.add_argument(
        "--limit", type=int, default=LIMIT, help=f"questions of each set, 0 for all ({LIMIT})"
    )
    parser.add_argument("--html", type=Path, metavar="OUT", help="also draw it as a page")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="OUT", help="print JSON instead, or write it here"
    )
    options = parser.parse_args(argv)
    scorer = options.scorer
    if scorer is None and options.data is not None:
        scorer = options.data.resolve().parent / "score.py"
    missing = what_is_missing(options.data, scorer, options.left_out)
    if missing:
        print(f"ctxmem bench quality: {missing}", file=sys.stderr)
        return 2
    reference("o200k_base")  # scorers count with tiktoken: so loaded, it needs no network
    judge = Judge(scorer, options.data, options.limit or None)
    report = report_of(judge, measure(judge, options.left_out), left_out=bool(options.left_out))
    if options.html:
        options.html.write_text(quality_page(report), encoding="utf-8")
        print(f"wrote {options.html}", file=sys.stderr)
    if options.json == "-":
        print_json(report)
        return 0
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    show(report)
    return 0


# Report -------------------------------------------------------------------------------------------


def report_of(judge: Judge, seen: Measured, *, left_out: bool) -> dict[str, Any]:
    """Return all figures as plain data."""
    for of_packer in (seen.rows["multi"], seen.rows["single"]):
        for rows in of_packer.values():
            judge.check(rows)
    ours = seen.rows["multi"][OURS]
    lost = [
        {"scenario": scenario, **gap}
        for scenario in SCENARIOS
        for gap in losses(seen.rows[scenario][OURS], seen.peers(scenario))
    ]
    return {
        "question": "how much of the evidence does the window keep, and how much else?",
        "versions": {
            "ctxmem": ctxmem.__version__,
            "numpy": version("numpy"),
            "tiktoken": version("tiktoken"),
            "python": platform.python_version(),
            "cpu_level": _native.cpu_level(),
            **seen.versions,
        },
        "questions": {name: len(of) for name, of in recalls(ours, BUDGETS).items()},
        "sample": f"; {judge.limit} of each set at most, --limit 0 takes all"
        if judge.limit
        else "",
        "left_out": left_out,
        "rows": rows_of(seen, left_out=left_out),
        "scenarios": {
            scenario: {name: curve(rows) for name, rows in seen.rows[scenario].items()}
            for scenario in SCENARIOS
        },
        "versions of passages": {
            name: {
                score: macro(rows, score, VERSIONS_BUDGET) for score in ("recall", "dup", "over")
            }
            for name, rows in seen.rows["versions"].items()
        },
        "losses": sorted(lost, key=lambda gap: float(gap["margin"])),
        "packers": {name: BASELINES[name] for name in BASELINES if name in seen.rows["multi"]},
        "compared": len(SCENARIOS) * len(judge.sets) * len(BUDGETS),
        "broken": seen.broken,
        "absent": seen.absent,
    }


def row(what: str, reach: str, measured: str, met: bool | None) -> dict[str, Any]:
    """Return a line of the table; `met` is None where nothing was measured."""
    return {"what": what, "reach": reach, "measured": measured, "met": met}


def rows_of(seen: Measured, *, left_out: bool) -> list[dict[str, Any]]:
    """Return what is to be reached and what was measured, line by line."""
    multi = seen.rows["multi"]
    blind = "" if left_out else " (shipped weights, which may have seen the sets)"
    found = []
    if left_out:
        found.append(_aub("AUB, each set by weights fitted without it", multi[OURS], 0.83))
    else:
        what = "AUB, each set by weights fitted without it"
        found.append(row(what, ">= 0.830", f"not measured: {HOW_TO_LEAVE_OUT}", None))
    shipped = multi[SHIPPED if left_out else OURS]
    found.append(_aub("AUB, shipped weights", shipped, 0.85))
    found.append(_least("recall at 1,024, shipped weights", macro(shipped, "recall", 1024), 0.83))
    versions = seen.rows["versions"][OURS]
    recall, dup = (macro(versions, name, VERSIONS_BUDGET) for name in ("recall", "dup"))
    found.append(_least("versions of passages, shipped weights: recall at 1,024", recall, 0.78))
    found.append(_most("versions of passages: share of repeats at 1,024", dup, 0.03))
    found += [_above(seen, budget, blind) for budget in (512, 1024)]
    found.append(_aub(f"AUB, words and ranks only{blind}", multi[WORDS], 0.815))
    return found + _how_much(seen, blind) + _promises(seen) + _verified(seen, blind) + _speed(seen)


def _above(seen: Measured, budget: int, blind: str) -> dict[str, Any]:
    what, peers = f"single list at {budget:,}: above the best peer{blind}", seen.peers("single")
    if not peers:
        return row(what, ">= 0.040", "not measured: there is no peer", None)
    gap = margin(seen.rows["single"][OURS], peers, budget)
    results = (
        f"{gap['margin']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]: {gap['recall']:.3f}, "
        f"{gap['peer']} {gap['peer recall']:.3f}"
    )
    return row(what, ">= 0.040", results, gap["margin"] >= 0.04)


def _aub(what: str, rows: Sequence[Row], reach: float) -> dict[str, Any]:
    low, high = interval(recalls(rows, BUDGETS[:JUDGED]))
    value = aub(rows)
    return row(what, f">= {reach:.3f}", f"{value:.4f} [{low:.3f}, {high:.3f}]", value >= reach)


def _least(what: str, value: float, reach: float) -> dict[str, Any]:
    return row(what, f">= {reach:.3f}", f"{value:.4f}", value >= reach)


def _most(what: str, value: float, reach: float) -> dict[str, Any]:
    return row(what, f"<= {reach:.3f}", f"{value:.4f}", value <= reach)


def _how_much(seen: Measured, blind: str) -> list[dict[str, Any]]:
    fixed, auto = seen.rows["multi"][OURS], seen.auto
    whole = macro(fixed, "recall", CEILING)
    kept = macro(auto, "recall", CEILING) / whole if whole else 1.0
    used, filled = (macro(rows, "tokens", CEILING) for rows in (auto, fixed))
    what = f"Budget({CEILING:,}, auto=True) against all of it: "
    return [
        row(f"{what}recall kept{blind}", ">= 97 %", f"{kept:.1%}", kept >= 0.97),
        row(
            f"{what}tokens",
            "<= 40 %",
            f"{used / filled:.1%} ({used:,.0f} of {filled:,.0f}; {used / CEILING:.1%} of the "
            "ceiling)",
            used / filled <= 0.4,
        ),
    ]


def _promises(seen: Measured) -> list[dict[str, Any]]:
    count = f"0 of {seen.windows:,} windows"
    over = f"{seen.overruns} of {seen.windows:,} windows"
    broken = count if not seen.broken else f"{len(seen.broken)}; the first: {seen.broken[0]}"
    return [
        row("overruns", "0", over, seen.overruns == 0),
        row("pieces that are not byte for byte in their source", "0", broken, not seen.broken),
    ]


def _verified(seen: Measured, blind: str) -> list[dict[str, Any]]:
    lost = aub(seen.scored) - aub(seen.verified)
    shares = []
    for name in recalls(seen.scored, BUDGETS):
        asked, of_all = (
            sum(one["asked"] for one in rows if one["set"] == name)
            for rows in (seen.verified, seen.scored)
        )
        shares.append(asked / max(1, of_all))
    calls = float(np.mean(shares))
    what = "draft, then verify by an oracle: "
    return [
        row(
            f"{what}AUB lost to scoring everything{blind}",
            "<= 0.005",
            f"{lost:.4f} ({aub(seen.verified):.4f}; everything scored {aub(seen.scored):.4f})",
            lost <= 0.005,
        ),
        row(f"{what}calls", "<= 25 %", f"{calls:.1%} of them", calls <= 0.25),
    ]


def _speed(seen: Measured) -> list[dict[str, Any]]:
    what = "milliseconds: about 100 hits at 1,024, never seen, no embed"
    wall, processor = seen.milliseconds
    if not wall:
        return [row(what, "<= 5", "not measured: no two questions have about 100 hits", None)]
    took, worked = spread(wall), spread(processor)
    results = (
        f"median {took['median']:.1f}, quartiles {took['low']:.1f} and {took['high']:.1f}; of the "
        f"processor {worked['median']:.1f}; n = {took['n']}"
    )
    return [row(what, "<= 5", results, took["median"] <= 5)]


# Printing -----------------------------------------------------------------------------------------


def show(report: Mapping[str, Any]) -> None:
    """Print the figures for a person."""
    counts = report["questions"]
    print(report["question"])
    print(", ".join(f"{name} {value}" for name, value in report["versions"].items()))
    of_set = ", ".join(f"{name} {count}" for name, count in counts.items())
    print(f"{sum(counts.values())} questions: {of_set}{report['sample']}\n")
    wide = max(len(one["what"]) for one in report["rows"])
    print(f"{'what':<{wide}}  {'reach':<8}  measured")
    for one in report["rows"]:
        mark = {True: "", False: "  MISSED", None: ""}[one["met"]]
        print(f"{one['what']:<{wide}}  {one['reach']:<8}  {one['measured']}{mark}")
    for scenario, title in SCENARIOS.items():
        show_curves(f"recall, {title}", report["scenarios"][scenario])
    print(f"\n{'versions of passages, at 1,024 tokens':<40}{'recall':>8}{'repeats':>9}")
    results = report["versions of passages"]
    for name in sorted(results, key=lambda name: -results[name]["recall"]):
        print(f"{name:<40}{results[name]['recall']:>8.3f}{results[name]['dup']:>9.3f}")
    show_losses(report)
    for name in report["absent"]:
        print(f"not run: {name}")


def show_curves(title: str, curves: Mapping[str, Mapping[str, Any]]) -> None:
    """Print recall by budget, the best first."""
    head = "".join(f"{budget:>7}" for budget in BUDGETS)
    print(f"\n{title:<40}{head}    AUB  95 % interval  dup@1k  over")
    for name in sorted(curves, key=lambda name: -curves[name]["aub"]):
        one = curves[name]
        recall = "".join(f"{one['recall'][str(budget)]:>7.3f}" for budget in BUDGETS)
        print(
            f"{name:<40}{recall}  {one['aub']:.3f}  [{one['low']:.3f}, {one['high']:.3f}]"
            f"{one['dup']:>8.3f}{one['overruns']:>6}"
        )


def show_losses(report: Mapping[str, Any]) -> None:
    """Print where a peer keeps more."""
    found = report["losses"]
    print(
        f"\na peer keeps more at {len(found)} of {report['compared']} pairs of set and budget"
        + (f"; the largest {min(len(found), SHOWN_LOSSES)}:" if found else "")
    )
    for gap in found[:SHOWN_LOSSES]:
        print(
            f"  {gap['set']}, {SCENARIOS[gap['scenario']]}, at {gap['budget']:,}: {gap['peer']} "
            f"{gap['peer recall']:.3f}, ctxmem {gap['recall']:.3f}"
        )


if __name__ == "__main__":
    sys.exit(main())

"""How does ctxmem compare overall? Runs every benchmark in turn, as ratios against named peers.

Each benchmark runs in a separate process, so that it shares no caches or memory with another. A
benchmark without its data or peers reports that, and the others continue.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ctxmem import _native
from ctxmem.report import bench_page

from . import history
from .comparisons import READERS, Comparison, Reader, lost, ours, ratio
from .reporting import print_report

ALL = (
    *("tokens", "dedup", "solver", "quality", "bill", "eviction", "adapters", "memory"),
    *("messages", "pack", "tools", "audit"),
)
"""In this order; what is not among the installed benchmarks is said to be absent."""

QUICK: dict[str, list[str]] = {
    "tokens": ["--rounds", "5", "--chunks", "400"],
    "dedup": ["--sizes", "100", "1000", "5000", "--rounds", "5"],
    "solver": ["--quick", "--rivals", "1", "--seeds", "3"],
    "quality": ["--limit", "6"],
    "bill": ["--budgets", "4000", "--prices", "anthropic"],
    "messages": ["--rounds", "5"],
    "pack": ["--rounds", "5"],
    "tools": ["--no-embedding"],
    "audit": ["--megabytes", "60", "--rounds", "1"],
}
"""Options with which the whole takes minutes; --full leaves them out."""

_CALL = "import sys, importlib; sys.exit(importlib.import_module({0!r}).main(sys.argv[1:]))"


def main(argv: Sequence[str] | None = None, *, names: Iterable[str] = ALL) -> int:
    """Run every benchmark of `names`, and print and draw what they say."""
    parser = argparse.ArgumentParser(prog="ctxmem bench all", description=__doc__)
    parser.add_argument("--full", action="store_true", help="as long as each takes by itself")
    parser.add_argument(
        "--data", action="append", default=[], metavar="NAME=PATH",
        help="data of a benchmark, such as bill=runs.jsonl.gz; may be given for several",
    )  # fmt: skip
    parser.add_argument("--only", metavar="NAMES", help="of them only these, by commas")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for each (1800)")
    parser.add_argument("--html", metavar="OUT", help="also draw it as a page")
    parser.add_argument(
        "--history", metavar="FILE", help="append the figures to a file as a line of JSON"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    data = dict(part.split("=", 1) for part in options.data if "=" in part)
    chosen = options.only.split(",") if options.only else [*ALL]
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": {},
        "comparisons": [],
        "texts": {},
        "absent": {},
    }
    for name in chosen:
        if name not in names or find_spec(f"ctxmem.bench.{name}") is None:
            report["absent"][name] = "not in this version"
            continue
        print(f"{name} ...", file=sys.stderr)
        run(name, report, full=options.full, data=data.get(name), timeout=options.timeout)
    report["lost"] = [
        {"title": one["title"], "bench": one["bench"], "who": row["name"], "ratio": ratio(one, row)}
        for one in report["comparisons"]
        for row in lost(one)
    ]
    if options.html:
        Path(options.html).write_text(bench_page(report), encoding="utf-8")
        print(f"wrote {options.html}", file=sys.stderr)
    if options.history:
        history.append(options.history, report)
        print(f"appended to {options.history}", file=sys.stderr)
    print_report(report, show, as_json=options.json)
    return 0


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    return {
        "cpu level": _native.cpu_level(),
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def run(name: str, report: dict[str, Any], *, full: bool, data: str | None, timeout: float) -> None:
    """Run one benchmark in a process of its own and add what it says to the report."""
    module = f"ctxmem.bench.{name}"
    reader = reader_of(name)
    arguments = [] if full else list(QUICK.get(name, ()))
    arguments += ["--data", data] if data else []
    arguments += ["--json"] if reader else []
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CALL.format(module), *arguments],
            capture_output=True, text=True, check=False, timeout=timeout,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        report["absent"][name] = f"took longer than {timeout:g} seconds"
        return
    if done.returncode != 0 or not done.stdout.strip():
        said = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        hint = f"; give it with --data {name}=PATH" if "--data" in said else ""
        report["absent"][name] = f"{said}{hint}"
    elif reader is None:
        report["texts"][name] = done.stdout
    else:
        report_of = json.loads(done.stdout)
        report["versions"].update(versions_in(report_of))
        report["comparisons"] += [{"bench": name, **one} for one in reader(report_of)]


def reader_of(name: str) -> Reader | None:
    """Return what reads the report of a benchmark, None if it can only be shown as it is."""
    if name in READERS:
        return READERS[name]
    try:
        found: Reader | None = getattr(import_module(f"ctxmem.bench.{name}"), "comparisons", None)
    except ImportError:
        return None
    return found


def versions_in(report: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions that a report names."""
    found = report.get("versions")
    found = dict(found) if isinstance(found, Mapping) else {}
    for row in report.get("speed", ()):
        if isinstance(row, Mapping) and "version" in row:
            found[row["who"].split(",")[0]] = row["version"]
    skipped = ("machine", "cpu_level", "cpu level", "python")
    return {name: str(version) for name, version in found.items() if name not in skipped}


def show(report: Mapping[str, Any]) -> None:
    """Print the comparison for a person."""
    machine_of, versions = report["machine"], report["versions"]
    print(", ".join(f"{name} {value}" for name, value in machine_of.items()))
    print(", ".join(f"{name} {value}" for name, value in sorted(versions.items())))
    print("medians of n rounds, lowest to highest; ratios to ctxmem in the same run\n")
    last = None
    for one in report["comparisons"]:
        if one["bench"] != last:
            last = one["bench"]
            print(last.upper())
        show_one(one)
    for name, text in report["texts"].items():
        print(f"{name.upper()}\n{text}")
    if report["lost"]:
        print("WHERE A PEER WINS")
        for row in report["lost"]:
            print(f"  {row['title']}: {row['who']}, {1 / row['ratio']:.1f}x")
        print()
    if report["absent"]:
        print("NOT MEASURED")
        for name, why in report["absent"].items():
            print(f"  {name}: {why}")


def show_one(one: Comparison) -> None:
    """Print one comparison."""
    runs = f", n = {one['n']}" if one["n"] else ""
    print(f"  {one['title']} ({one['unit']}{runs})")
    for row in one["rows"]:
        times = ratio(one, row)
        alone = all(row["ours"] for row in one["rows"])
        compared = "" if times is None or alone or row is ours(one) else f"{times:8.1f}x"
        spread = ""
        if "low" in row:
            spread = f"{figure(row['low'])} to {figure(row['high'])}"
        elif "high" in row:
            spread = f"to {figure(row['high'])}"
        line = f"    {row['name']:<42}{figure(row['value']):>10}  {spread:<20}{compared:>9}"
        print(f"{line}  {row.get('note', '')}".rstrip())
    print()


def figure(value: float) -> str:
    """Return a number with three digits that say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())

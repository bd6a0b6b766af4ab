"""The history of the benchmarks: one line of JSON for each run, so that versions can be compared.

A line has the date, the version and commit of ctxmem, the machine and its load (mean number of
processes that ran or waited in the last five minutes), the versions of the others, and of each
comparison our value and the ratio of each other's value to it (above 1: the other is worse).
Ratios of one run can be compared with those of another machine; values cannot.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import ctxmem

from .comparisons import ours, ratio

VERSION = 1


def append(path: str | Path, report: Mapping[str, Any]) -> None:
    """Append the report of `ctxmem bench all` to a file, which is made if it is missing."""
    with open(path, "a", encoding="utf-8") as out:
        out.write(json.dumps(entry(report), separators=(",", ":")) + "\n")


def entry(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line of a run as plain data."""
    return {
        "history": VERSION,
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "ctxmem": ctxmem.__version__,
        "commit": _commit(),
        "machine": report["machine"],
        "load": os.getloadavg()[1] if hasattr(os, "getloadavg") else None,
        "versions": {k: v for k, v in report["versions"].items() if k != "ctxmem"},
        "comparisons": [_row(one) for one in report["comparisons"] if ours(one) is not None],
    }


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(one)
    own = ours(found) or {"value": None}
    others = {row["name"]: ratio(found, row) for row in found["rows"] if not row["ours"]}
    return {
        "bench": one["bench"],
        "title": one["title"],
        "unit": one["unit"],
        "n": one["n"],
        "value": _short(own["value"]),
        "ratios": {name: _short(times) for name, times in others.items()},
    }


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.4g}")


def _commit() -> str | None:
    """Return the commit of the tree that this file is in, None outside a repository."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() or None

"""How fast are traces audited, and are all faults in them found?

The result is checked first: in a corpus with known faults at least 99 % are found, and none in its
clean half. Then JSON lines of retrievals and chats are audited, with and without the search for
near-duplicates, and compared with `json.loads` on the same lines, a lower bound on the time. Where
we lose: short lines. A record costs some 35 microseconds regardless of its length, for the objects
that are made of it and the tables it is looked up in; so a file of short lines is audited too.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ctxmem
from ctxmem import _native, audit

from . import traces
from .reporting import print_report

_PEAK = """
import gc, resource, sys
gc.set_threshold(1_000_000, 20, 50)
from ctxmem import audit
audit(sys.argv[1], near=sys.argv[2] == "near")
kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    # On Linux ru_maxrss begins with the peak of the process that started this one; VmHWM does not.
    with open("/proc/self/status") as status:
        kilobytes = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
except (OSError, StopIteration):
    pass
print(kilobytes // 1024)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="ctxmem bench audit", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=300, help="of JSON lines (default 300)")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds of each (default 3)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    gc.set_threshold(1_000_000, 20, 50)  # as the command does
    report = {
        "question": "how fast are traces audited, and is all found?",
        "versions": {
            "ctxmem": ctxmem.__version__,
            "python": platform.python_version(),
            "cpu_level": _native.cpu_level(),
        },
        "planted": check_answer(),
    }
    with tempfile.TemporaryDirectory() as folder:
        report |= speed(Path(folder), options.megabytes, options.rounds)
        report["page"] = page_seconds(Path(folder))
    print_report(report, show, as_json=options.json)
    return 0


def check_answer() -> dict[str, int]:
    """Audit a corpus whose faults are known; raise if too many are missed, or any is made up."""
    corpus = traces.planted(400)
    found = audit(corpus.records, budget=traces.BUDGET)
    missed, alarms = traces.missed(corpus, found), traces.alarms(found)
    if len(missed) > 0.01 * len(corpus.truth) or alarms:
        raise AssertionError(f"{len(missed)} of {len(corpus.truth)} missed; {alarms[:3]}")
    return {
        "sessions": 400,
        "planted": len(corpus.truth),
        "missed": len(missed),
        "alarms": len(alarms),
    }


def speed(folder: Path, megabytes: int, rounds: int) -> dict[str, Any]:
    """Time audits and bare parsing in turn, in CPU seconds, and measure the peak of memory."""
    path, short = folder / "traces.jsonl", folder / "short.jsonl"
    with path.open("wb") as out:
        out.writelines(traces.lines(megabytes / 1000))
    with short.open("wb") as out:
        out.writelines(traces.short_lines(megabytes / 10_000))
    with short.open("rb") as stream:
        length = round(short.stat().st_size / sum(1 for _ in stream))
    return {
        "megabytes": round(path.stat().st_size / 1e6),
        "rounds": rounds,
        "speed": timed(path, rounds),
        "short": {
            "megabytes": round(short.stat().st_size / 1e6),
            "bytes_a_line": length,
            "speed": timed(short, rounds),
        },
        "peak_megabytes": {how: peak(path, how) for how in ("plain", "near")},
    }


def timed(path: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Return megabytes a second of CPU time, by what is done with the file."""
    size = path.stat().st_size
    subjects: dict[str, Callable[[], object]] = {
        "ctxmem": lambda: audit(path, near=False),
        "ctxmem, near-duplicates too": lambda: audit(path),
        "json.loads alone": lambda: parse(path),
    }
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, run in subjects.items():
            start = time.process_time()
            run()
            times[name].append(size / 1e6 / (time.process_time() - start))
    return {
        name: {
            "median": round(statistics.median(values), 1),
            "min": round(min(values), 1),
            "max": round(max(values), 1),
        }
        for name, values in times.items()
    }


def parse(path: Path) -> int:
    """Parse every line and keep nothing."""
    with path.open("rb") as stream:
        return sum(json.loads(line) is not None for line in stream)


def peak(path: Path, how: str) -> int | None:
    """Return the peak of memory of an audit in a process of its own, None where it is unknown."""
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(path), how], capture_output=True, text=True, check=False
    )
    return int(done.stdout) if done.returncode == 0 else None


def page_seconds(folder: Path) -> dict[str, Any]:
    """Time a browser that opens the page of 10,000 events from the disk."""
    records: list[dict[str, Any]] = []
    seed = 0
    while len(records) < 10_000:
        records += traces.planted(100, seed=seed).records
        seed += 1
    path = audit(records[:10_000], budget=traces.BUDGET).to_html(folder / "audit.html")
    found: dict[str, Any] = {"events": 10_000, "kilobytes": path.stat().st_size // 1000}
    program = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if program is None:
        found["seconds"] = None
        return found
    # The policy lets no script of others run, so the copy that is timed has none.
    text = path.read_text(encoding="utf-8").replace("http-equiv", "data-was")
    # What the browser has to do before it shows the page: parse, style, lay out, run the script.
    shown = (
        "<script>addEventListener('load',()=>{document.body.getBoundingClientRect();"
        "document.body.dataset.took=performance.now()})</script></body>"
    )
    path.write_text(text.replace("</body>", shown), encoding="utf-8")
    seconds = []
    for _ in range(3):
        done = subprocess.run(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
             "--disable-background-networking", f"--user-data-dir={folder / 'profile'}",
             path.as_uri()],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        _, mark, rest = done.stdout.partition('data-took="')
        if mark:
            seconds.append(float(rest.partition('"')[0]) / 1000)
    found["seconds"] = round(statistics.median(seconds), 2) if seconds else None
    return found


def show(report: dict[str, Any]) -> None:
    """Print the figures for a person."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    planted, page = report["planted"], report["page"]
    print(f"{report['question']}\n{versions}\n")
    print(
        f"{planted['sessions']} sessions, half of them clean: {planted['missed']} of "
        f"{planted['planted']} faults missed, {planted['alarms']} false alarms\n"
    )
    print(f"{report['megabytes']:,} MB of JSON lines, n = {report['rounds']}, CPU time, one thread")
    show_speed(report["speed"])
    short = report["short"]
    print(f"\n{short['megabytes']:,} MB of short lines, {short['bytes_a_line']:,} bytes each")
    show_speed(short["speed"])
    peaks = report["peak_megabytes"]
    print(f"\npeak of memory: {peaks['plain']} MB, {peaks['near']} MB with near-duplicates")
    took = f"{page['seconds']} s" if page["seconds"] is not None else "not timed: no chromium here"
    print(f"page of {page['events']:,} events, {page['kilobytes']:,} kB, opened: {took}")


def show_speed(speed: dict[str, dict[str, float]]) -> None:
    """Print one row a subject, with its ratio to ours."""
    print(f"{'':<30}{'MB/s':>8}{'min':>8}{'max':>8}{'ratio':>8}")
    base = speed["ctxmem"]["median"]
    for name, row in speed.items():
        ratio = f"{row['median'] / base:.2f}x"
        print(f"{name:<30}{row['median']:>8}{row['min']:>8}{row['max']:>8}{ratio:>8}")


if __name__ == "__main__":
    sys.exit(main())

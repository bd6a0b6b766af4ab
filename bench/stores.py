"""What does a turn cost in a store that outlives its process, beside the bare database?

A turn is an `append` of one record and one page of 2 kB behind an expected version. Each store is
measured beside a bare write of the same bytes to the same server by the same client library, the
two in turn, with one process and with several on sessions of their own. Durability is on
everywhere: SQLite and PostgreSQL as they come, Redis with `appendfsync always`. What came back is
compared before anything is timed. `window` is `Memory.window` of a session of 40 messages.

Servers are those of `--postgres` and `--redis`; without one its rows are left out.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import ctxmem
from ctxmem import _native
from ctxmem.stores import open_store

from .comparisons import Comparison, add, comparison
from .reporting import print_report

PAYLOAD = 2000  # bytes of a page
RECORD = 120  # bytes of a record
REACH = 1.5
"""Times of a bare write that an append may take, at the median."""

Write = Callable[[int], object]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="ctxmem bench stores", description=__doc__)
    parser.add_argument("--postgres", metavar="URL", help="postgresql://user@host:port/database")
    parser.add_argument("--redis", metavar="URL", help="redis://host:port/0")
    parser.add_argument("--turns", type=int, default=300, help="of each process and round (300)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    report = measure(options)
    print_report(report, show, as_json=options.json)
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return microseconds of appends, bare writes and windows."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"sqlite": os.path.join(folder, "pages.db")}
        places.update(postgres=options.postgres, redis=options.redis)
        places = {kind: place for kind, place in places.items() if place}
        for kind, place in places.items():
            check(place, kind)
        rows: list[dict[str, Any]] = []
        for processes in options.processes:
            times: dict[tuple[str, str], list[list[float]]] = {}
            for round_ in range(options.rounds):
                for kind, place in places.items():
                    for way in ("append", "bare"):
                        if way == "bare" and kind == "sqlite" and processes > 1:
                            continue  # writers of one file wait for each other either way
                        taken = timed(kind, place, way, processes, options.turns, round_)
                        times.setdefault((kind, way), []).append(taken)
            rows += [
                {"store": kind, "way": way, "processes": processes, **summary(rounds)}
                for (kind, way), rounds in times.items()
            ]
        windows = {kind: window_times(place) for kind, place in places.items()}
    return {
        "ctxmem": ctxmem.__version__,
        "python": platform.python_version(),
        "cpu": _native.cpu_level(),
        "turns": options.turns,
        "rounds": options.rounds,
        "rows": rows,
        "windows": {kind: summary([taken]) for kind, taken in windows.items()},
    }


def check(place: str, kind: str) -> None:
    """Fail unless what a store acknowledged is what another connection reads."""
    with open_store(place) as store, open_store(place) as other:  # type: ignore[attr-defined]
        store.delete_tenant("bench")
        version = store.append("bench", "check", [b"one"], pages={"p": b"page"}, expect=0)
        store.append("bench", "check", [b"two"], expect=version)
        assert [b"one", b"two"] == [r.payload for r in other.read("bench", "check")], kind
        assert {"p": b"page"} == other.pages("bench", "check", ["p"]), kind


def timed(kind: str, place: str, way: str, processes: int, turns: int, round_: int) -> list[float]:
    """Return the microseconds of each write of all processes."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(processes)
    results = context.Queue()
    running = [
        context.Process(
            target=write, args=(kind, place, way, turns, f"{round_}-{k}", start, results)
        )
        for k in range(processes)
    ]
    for one in running:
        one.start()
    taken = [results.get(timeout=300) for _ in running]
    for one in running:
        one.join()
    return [time for times in taken for time in times]


def write(kind: str, place: str, way: str, turns: int, name: str, start: Any, results: Any) -> None:
    """Write turns in a process and report what each took."""
    one = appending(place, name) if way == "append" else bare(kind, place, name)
    one(0)
    start.wait()
    times = []
    for turn in range(1, turns + 1):
        began = time.perf_counter()
        one(turn)
        times.append(1e6 * (time.perf_counter() - began))
    results.put(times)


def body(turn: int, size: int) -> bytes:
    """Return bytes that no other turn has."""
    return (b"%d " % turn * (size // 2))[:size]


def appending(place: str, name: str) -> Write:
    """Return a function that appends a turn to a session."""
    store = open_store(place)
    session = f"{os.getpid()}-{name}"
    version: list[int] = [0]

    def one(turn: int) -> None:
        pages = {ctxmem.PageId(f"{turn:032x}"): body(turn, PAYLOAD)}
        record = body(turn, RECORD)
        version[0] = store.append("bench", session, [record], pages=pages, expect=version[0])

    return one


def bare(kind: str, place: str, name: str) -> Write:
    """Return a function that writes the bytes of a turn and nothing else."""
    key = f"{os.getpid()}-{name}"
    if kind == "sqlite":
        import sqlite3

        file = sqlite3.connect(f"{place}.bare", isolation_level=None)
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        file.execute("CREATE TABLE IF NOT EXISTS bare (k TEXT, n INT, d BLOB, PRIMARY KEY (k, n))")
        return lambda turn: file.execute(
            "INSERT INTO bare VALUES (?, ?, ?)", (key, turn, body(turn, PAYLOAD + RECORD))
        )
    if kind == "postgres":
        import psycopg

        connection = psycopg.connect(place, autocommit=True)
        connection.execute("SELECT pg_advisory_lock(1)")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bare (k text, n bigint, d bytea, PRIMARY KEY (k, n))"
        )
        connection.execute("SELECT pg_advisory_unlock(1)")
        return lambda turn: connection.execute(
            "INSERT INTO bare VALUES (%s, %s, %b)", (key, turn, body(turn, PAYLOAD + RECORD))
        )
    import redis

    client = redis.Redis.from_url(place)
    return lambda turn: client.set(f"bare:{key}:{turn}", body(turn, PAYLOAD + RECORD))


def window_times(place: str) -> list[float]:
    """Return the microseconds of windows, each after a message was added."""
    times = []
    with ctxmem.Memory(4000, store=place, tenant="bench", session=f"window-{os.getpid()}") as one:
        for turn in range(40):
            role = "assistant" if turn % 2 else "user"
            one.append({"role": role, "content": f"turn {turn}: " + "some words " * 30})
            began = time.perf_counter()
            one.window()
            times.append(1e6 * (time.perf_counter() - began))
    return times


def summary(rounds: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return the median of the rounds' medians and 99th percentiles, and their spread."""
    medians = [statistics.median(taken) for taken in rounds]
    tails = [sorted(taken)[int(0.99 * (len(taken) - 1))] for taken in rounds]
    return {
        "p50": statistics.median(medians),
        "low": min(medians),
        "high": max(medians),
        "p99": statistics.median(tails),
    }


def comparisons(report: dict[str, Any]) -> list[Comparison]:
    """Return a comparison for each store and number of processes."""
    found = []
    by_place: dict[tuple[str, int], dict[str, Any]] = {}
    for row in report["rows"]:
        by_place.setdefault((row["store"], row["processes"]), {})[row["way"]] = row
    for (store, processes), ways in by_place.items():
        if len(ways) < 2:
            continue
        one = comparison(f"a turn in {store}, {processes} processes", "us", report["rounds"])
        for way, row in ways.items():
            name = "ctxmem" if way == "append" else f"bare {store}"
            add(
                one, name, row["p50"], ours=way == "append", low=row["low"], high=row["high"],
                note="1.5 times is the goal",
            )  # fmt: skip
        found.append(one)
    return found


def show(report: dict[str, Any]) -> None:
    """Print the table."""
    print(
        f"ctxmem {report['ctxmem']}, Python {report['python']}, {report['cpu']}; "
        f"{report['turns']} turns of {PAYLOAD + RECORD} bytes, {report['rounds']} rounds; "
        "microseconds, median of rounds [lowest-highest]"
    )
    bare_ = {(r["store"], r["processes"]): r for r in report["rows"] if r["way"] == "bare"}
    print(
        f"{'store':10} {'processes':>9} {'append p50':>22} {'p99':>8} {'bare p50':>9} {'ratio':>6}"
    )
    for row in report["rows"]:
        if row["way"] != "append":
            continue
        other = bare_.get((row["store"], row["processes"]))
        spread = f"{row['p50']:,.0f} [{row['low']:,.0f}-{row['high']:,.0f}]"
        right = f"{other['p50']:9,.0f} {row['p50'] / other['p50']:6.2f}" if other else ""
        line = f"{row['store']:10} {row['processes']:9d} {spread:>22} {row['p99']:8,.0f} {right}"
        print(line.rstrip())
    for kind, row in report["windows"].items():
        print(f"window in {kind}: p50 {row['p50']:,.0f}, p99 {row['p99']:,.0f}")


if __name__ == "__main__":
    raise SystemExit(main())

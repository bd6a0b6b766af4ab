"""What does a turn cost in a store that outlives its process, beside the bare database?

A turn is an `append` of one record and one page of 2 kB behind an expected version. Each store is
measured beside a bare write of the same bytes to the same server by the same client library, with
one process and with several on sessions of their own. Durability is on everywhere: SQLite and
PostgreSQL as they come, Redis with `appendfsync always`. What came back is compared before anything
is timed. `window` is `Memory.window` of a session of up to 40 messages.

All processes append together, then write barely, then ask for windows, in rounds of few turns, and
the ratio is the median of the ratios of the rounds: other work on the machine slows both ways of a
round. `client` are microseconds of the processor that a turn takes in the process that asks; that
of the server is not in it.

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
MESSAGES = 40  # of a session whose windows are measured, at most
REACH = 1.5
"""Times of a bare write that an append may take, at the median."""

Turn = tuple[float, float]
"""Microseconds that a turn took, and of the processor in the process that asked."""

Write = Callable[[int], Turn]
"""Takes the turn of a number."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="ctxmem bench stores", description=__doc__)
    parser.add_argument("--postgres", metavar="URL", help="postgresql://user@host:port/database")
    parser.add_argument("--redis", metavar="URL", help="redis://host:port/0")
    parser.add_argument("--turns", type=int, default=40, help="of each process and round (40)")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    report = measure(options)
    print_report(report, show, as_json=options.json)
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return microseconds of appends, bare writes and windows, and the ratios of the first two."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"sqlite": os.path.join(folder, "pages.db")}
        places.update(postgres=options.postgres, redis=options.redis)
        places = {kind: place for kind, place in places.items() if place}
        for kind, place in places.items():
            check(place, kind)
        rows: list[dict[str, Any]] = []
        for processes in options.processes:
            for kind, place in places.items():
                times = timed(kind, place, processes, options.turns, options.rounds)
                found = {way: summary(rounds) for way, rounds in times.items()}
                if "bare" in times:
                    found["append"]["ratio"] = ratio(times["append"], times["bare"])
                rows += [
                    {"store": kind, "way": way, "processes": processes, **numbers}
                    for way, numbers in found.items()
                ]
    return {
        "ctxmem": ctxmem.__version__,
        "python": platform.python_version(),
        "cpu": _native.cpu_level(),
        "turns": options.turns,
        "rounds": options.rounds,
        "rows": rows,
    }


def check(place: str, kind: str) -> None:
    """Fail unless what a store acknowledged is what another connection reads."""
    with open_store(place) as store, open_store(place) as other:  # type: ignore[attr-defined]
        store.delete_tenant("bench")
        version = store.append("bench", "check", [b"one"], pages={"p": b"page"}, expect=0)
        store.append("bench", "check", [b"two"], expect=version)
        assert [b"one", b"two"] == [r.payload for r in other.read("bench", "check")], kind
        assert {"p": b"page"} == other.pages("bench", "check", ["p"]), kind


def timed(
    kind: str, place: str, processes: int, turns: int, rounds: int
) -> dict[str, list[list[Turn]]]:
    """Return what each turn of all processes took, by way and round."""
    ways = list(WAYS)
    if kind == "sqlite" and processes > 1:
        ways.remove("bare")  # writers of one file wait for each other either way
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(processes)
    results = context.Queue()
    work = (kind, place, ways, turns, rounds)
    running = [
        context.Process(target=write, args=(*work, str(k), start, results))
        for k in range(processes)
    ]
    for one in running:
        one.start()
    taken = [results.get(timeout=600) for _ in running]
    for one in running:
        one.join()
    return {
        way: [[turn for times in taken for turn in times[way][at]] for at in range(rounds)]
        for way in ways
    }


def write(
    kind: str,
    place: str,
    ways: Sequence[str],
    turns: int,
    rounds: int,
    name: str,
    start: Any,
    results: Any,
) -> None:
    """Take turns in a process, together with the others, and report what each took."""
    calls = {way: WAYS[way](kind, place, name) for way in ways}
    for call in calls.values():
        call(0)
    times: dict[str, list[list[Turn]]] = {way: [] for way in ways}
    for round_ in range(rounds):
        first = 1 + round_ * turns
        for way, call in calls.items():
            start.wait()
            times[way].append([call(turn) for turn in range(first, first + turns)])
    results.put(times)


def clocked(call: Callable[[], object]) -> Turn:
    """Return the microseconds of a call, and those of the processor in this thread."""
    worked, began = time.thread_time(), time.perf_counter()
    call()
    took = time.perf_counter() - began
    return 1e6 * took, 1e6 * (time.thread_time() - worked)


def body(turn: int, size: int) -> bytes:
    """Return bytes that no other turn has."""
    return (b"%d " % turn * (size // 2))[:size]


def appending(kind: str, place: str, name: str) -> Write:
    """Return a function that appends a turn to a session."""
    store = open_store(place)
    session = f"{os.getpid()}-{name}"
    version: list[int] = [0]

    def one(turn: int) -> None:
        pages = {ctxmem.PageId(f"{turn:032x}"): body(turn, PAYLOAD)}
        record = body(turn, RECORD)
        version[0] = store.append("bench", session, [record], pages=pages, expect=version[0])

    return lambda turn: clocked(lambda: one(turn))


def bare(kind: str, place: str, name: str) -> Write:
    """Return a function that writes the bytes of a turn and nothing else."""
    one = bare_write(kind, place, name)
    return lambda turn: clocked(lambda: one(turn))


def bare_write(kind: str, place: str, name: str) -> Callable[[int], object]:
    """Return what writes the bytes of a turn by the client library of a store."""
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


def windowing(kind: str, place: str, name: str) -> Write:
    """Return a function that adds a message to a session and takes the time of its window."""
    sessions: list[ctxmem.Memory] = []

    def one(turn: int) -> Turn:
        if turn % MESSAGES == 0 or not sessions:
            while sessions:
                sessions.pop().close()
            session = f"window-{os.getpid()}-{name}-{turn}"
            sessions.append(ctxmem.Memory(4000, store=place, tenant="bench", session=session))
        role = "assistant" if turn % 2 else "user"
        content = f"turn {turn}: " + "some words " * 30
        sessions[-1].append({"role": role, "content": content})
        return clocked(sessions[-1].window)

    return one


WAYS: dict[str, Callable[[str, str, str], Write]] = {
    "append": appending,
    "bare": bare,
    "window": windowing,
}
"""What is measured: each makes a function of a turn's number, in the process that takes it."""


def summary(rounds: Sequence[Sequence[Turn]]) -> dict[str, float]:
    """Return the median of the rounds' medians and their spread, and the 99th percentile of all."""
    medians = [statistics.median(taken for taken, _ in turns) for turns in rounds]
    every = sorted(turn for turns in rounds for turn in turns)
    return {
        "p50": statistics.median(medians),
        "low": min(medians),
        "high": max(medians),
        "p99": every[int(0.99 * (len(every) - 1))][0],
        "client": statistics.median(worked for _, worked in every),
    }


def ratio(ours: Sequence[Sequence[Turn]], bare: Sequence[Sequence[Turn]]) -> float:
    """Return the median of the rounds' ratios of medians."""
    pairs = zip(ours, bare, strict=True)
    return statistics.median(summary([a])["p50"] / summary([b])["p50"] for a, b in pairs)


def comparisons(report: dict[str, Any]) -> list[Comparison]:
    """Return a comparison for each store and number of processes."""
    found = []
    by_place: dict[tuple[str, int], dict[str, Any]] = {}
    for row in report["rows"]:
        if row["way"] == "window":
            continue
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
    print(f"{'store':10} {'processes':>9} {'way':>7} {'p50':>24} {'p99':>9} {'client':>7}  ratio")
    for row in report["rows"]:
        spread = f"{row['p50']:,.0f} [{row['low']:,.0f}-{row['high']:,.0f}]"
        times = f"{row['ratio']:6.2f}" if "ratio" in row else ""
        line = f"{row['store']:10} {row['processes']:9d} {row['way']:>7} {spread:>24} "
        print(f"{line}{row['p99']:9,.0f} {row['client']:7,.0f} {times}".rstrip())


if __name__ == "__main__":
    raise SystemExit(main())

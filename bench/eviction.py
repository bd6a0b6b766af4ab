"""Which eviction policy misses least, on recorded traffic, and what does one use of a page cost?

Every policy replays the same traces in one run, one block of the trace a page, beside Belady's
optimum, which knows the future, and the policies of libcachesim, where that is installed. Traces
are files of JSON lines whose `hash_ids` are the blocks that a request needs, in order (the format
of the traces that Mooncake published), given by --data. Workloads that are made here run in any
case; they say where learning does not pay: recency pure and simple, no pattern at all.
"""

from __future__ import annotations

import argparse
import gzip
import heapq
import json
import statistics
import sys
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from ctxmem.policies import POLICIES, page_table

from .reporting import print_report, versions

Trace = NDArray[np.uint64]
SIZES = (5_859, 10_000, 20_000)
MADE_SIZES = (50, 500)
PEERS = {
    "FIFO": "FIFO",
    "LRU": "LRU",
    "LFU": "LFU",
    "Clock": "Clock",
    "2Q": "TwoQ",
    "LIRS": "LIRS",
    "ARC": "ARC",
    "S3-FIFO": "S3FIFO",
    "SIEVE": "Sieve",
    "W-TinyLFU": "WTinyLFU",
    "LeCaR": "LeCaR",
    "Cacheus": "Cacheus",
    "Hyperbolic": "Hyperbolic",
    "LHD": "LHD",
    "GDSF": "GDSF",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="ctxmem bench eviction", description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="a trace (.jsonl, .jsonl.gz), or a folder of them"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="pages in the window")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds (default 5)")
    parser.add_argument("--no-peers", action="store_true", help="leave libcachesim out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    peers = {} if options.no_peers else libcachesim_policies()
    traces = [(path.name, read_trace(path)) for path in trace_files(options.data)]
    report = {
        "question": "which eviction policy misses least?",
        "versions": versions("libcachesim"),
        "traces": [
            replay_all(name, trace, size, peers) for name, trace in traces for size in options.sizes
        ],
        "made": [
            replay_all(name, trace, size, {})
            for name, trace in made_workloads().items()
            for size in MADE_SIZES
        ],
        "touch": [time_touches(pages, options.rounds) for pages in (256, 1024, 4096)],
    }
    print_report(report, show, as_json=options.json)
    return 0


# traces


def trace_files(data: Path | None) -> list[Path]:
    """Return the trace files below a path; those that hold no blocks are passed over."""
    if data is None:
        print("no --data: recorded traffic is left out", file=sys.stderr)
        return []
    files = [data] if data.is_file() else sorted(data.glob("*.jsonl*"))
    found = [path for path in files if "hash_ids" in next(lines(path), "")]
    if not found:
        print(f"--data {data}: no .jsonl or .jsonl.gz with hash_ids there", file=sys.stderr)
    return found


def lines(path: Path) -> Iterable[str]:
    """Yield the lines of a file, packed or not."""
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        yield from file


def read_trace(path: Path) -> Trace:
    """Return the blocks that the requests of a trace need, in order."""
    blocks = [block for line in lines(path) for block in json.loads(line)["hash_ids"]]
    return np.array(blocks, dtype=np.uint64)


def made_workloads() -> dict[str, Trace]:
    """Return traffic of known nature, the same at every run."""
    rng = np.random.default_rng(6)
    n = 60_000
    popular = zipf(rng, n, 5_000)
    bursts = [
        np.concatenate([popular[i : i + 2000], 10**6 + i + np.arange(500)])
        for i in range(0, n, 2000)
    ]
    return {
        "popular pages": popular,
        "popular pages, scans between": np.concatenate(bursts),
        "popular pages, others after a while": np.concatenate(
            [popular[: n // 2], 10**6 + popular[: n // 2]]
        ),
        "a loop that is too long": np.arange(n) % 600,
        "a working set that moves": np.arange(n) // 40 + rng.integers(0, 800, n),
        "chats that go on": chats(rng, n),
        "recent pages": recent(rng, n),
        "no pattern": rng.integers(0, 2_000, n),
    }


def zipf(rng: np.random.Generator, n: int, pages: int) -> NDArray[Any]:
    """Return uses of pages whose popularity falls with their rank, and never changes."""
    weights = 1 / np.arange(1, pages + 1) ** 0.9
    return rng.choice(pages, n, p=weights / weights.sum())


def chats(rng: np.random.Generator, n: int) -> NDArray[Any]:
    """Return a service's traffic: a chat needs all its pages, adds some, and pauses or ends."""
    waiting: list[tuple[float, int, list[int]]] = [(rng.random(), i, []) for i in range(40)]
    heapq.heapify(waiting)
    trace: list[int] = []
    fresh, order = 100, len(waiting)
    while len(trace) < n:
        now, _, pages = heapq.heappop(waiting)
        more = int(rng.integers(2, 12))
        pages = [*pages, *range(fresh, fresh + more)]
        fresh, order = fresh + more, order + 2
        trace += [0, 1, 2, *pages]
        goes_on = rng.random() < 0.7
        heapq.heappush(waiting, (now + rng.lognormal(), order, pages if goes_on else []))
    return np.array(trace[:n])


def recent(rng: np.random.Generator, n: int) -> NDArray[Any]:
    """Return uses of pages that depend on nothing but how many others were used since."""
    stack: list[int] = []
    trace = []
    for depth in (20 * rng.pareto(1.0, n)).astype(int):
        page = stack.pop(-1 - depth) if depth < len(stack) else len(trace)
        stack.append(page)
        trace.append(page)
    return np.array(trace)


# replaying


def replay_all(name: str, trace: NDArray[Any], size: int, peers: dict[str, Any]) -> dict[str, Any]:
    """Replay a trace under every policy; check the counts against what must hold."""
    numbers = np.ascontiguousarray(trace, dtype=np.uint64)
    hits: dict[str, int] = {}
    nanoseconds: dict[str, float] = {}
    for policy in POLICIES:
        table = page_table(size, policy, remember=7 * size)
        start = time.thread_time()
        hits[policy] = table.replay(numbers)
        nanoseconds[policy] = round(1e9 * (time.thread_time() - start) / len(numbers))
    references = numbers.tolist()
    best = belady(references, size)
    theirs = {label: peer_hits(cache, references, size) for label, cache in peers.items()}
    check(name, size, hits | theirs, best, references)
    return {
        "trace": name,
        "size": size,
        "uses": len(references),
        "pages": len(set(references)),
        "hits": hits,
        "libcachesim": theirs,
        "belady": best,
        "nanoseconds": nanoseconds,
    }


def check(name: str, size: int, hits: dict[str, int], best: int, references: list[int]) -> None:
    """Raise AssertionError unless LRU is exact and no policy beats the optimum."""
    expected = lru(references, size)
    if hits["lru"] != expected:
        raise AssertionError(f"{name}, {size}: lru hits {hits['lru']}, a plain one {expected}")
    beyond = [policy for policy, found in hits.items() if found > best]
    if beyond:
        raise AssertionError(f"{name}, {size}: {beyond} hit more than the optimum, {best}")


def lru(references: Sequence[int], size: int) -> int:
    """Count the hits of a plain LRU cache."""
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for page in references:
        if page in held:
            hits += 1
            held.move_to_end(page)
        else:
            if len(held) == size:
                held.popitem(last=False)
            held[page] = None
    return hits


def belady(references: Sequence[int], size: int) -> int:
    """Count the hits of the optimum: evict what is needed again last (Belady 1966)."""
    never = len(references)
    following = [never] * never
    seen: dict[int, int] = {}
    for at in range(never - 1, -1, -1):
        following[at] = seen.get(references[at], never)
        seen[references[at]] = at
    held: dict[int, int] = {}
    queue: list[tuple[int, int]] = []
    hits = 0
    for page, again in zip(references, following, strict=True):
        if page in held:
            hits += 1
        elif len(held) == size:
            while True:
                when, last = heapq.heappop(queue)
                if held.get(last) == -when:  # else it was used since
                    del held[last]
                    break
        held[page] = again
        heapq.heappush(queue, (-again, page))
    return hits


def libcachesim_policies() -> dict[str, Any]:
    """Return the peers by name, none if they are not installed."""
    try:
        import libcachesim
    except ImportError:
        print("libcachesim is not installed: its policies are left out", file=sys.stderr)
        return {}
    return {label: getattr(libcachesim, name) for label, name in PEERS.items()}


def peer_hits(cache: Any, references: Sequence[int], size: int) -> int:
    """Count the hits of one of libcachesim's caches."""
    import libcachesim

    held = cache(cache_size=size, hashpower=16)
    request = libcachesim.Request()
    request.obj_size = 1
    hits = 0
    for at, page in enumerate(references):
        request.clock_time = at
        request.obj_id = page
        hits += held.get(request)
    return hits


# one use of a page


def time_touches(pages: int, rounds: int) -> dict[str, Any]:
    """Time a touch in a table of so many pages beside OrderedDict.move_to_end."""
    ids = [xxhash.xxh3_128_digest(b"%d" % page) for page in range(pages)]
    order = np.random.default_rng(1).integers(0, pages, 100_000).tolist()
    keys = [ids[page] for page in order]
    plain = OrderedDict.fromkeys(ids)
    calls: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
        "OrderedDict.move_to_end": (plain.move_to_end, keys)
    }
    for policy in ("auto", "lru"):
        table = page_table(10**6, policy)
        first, *_ = [table.insert(id, 1) for id in ids]
        calls[policy] = (table.touch, keys)
        if table.touch(ids[0]) != 0 or table.page(first).uses != 2:
            raise AssertionError("a touch was not counted")
    times: dict[str, list[float]] = {name: [] for name in ["loop", *calls]}
    for _ in range(rounds):
        times["loop"].append(time_calls(None, keys))
        for name, (call, arguments) in calls.items():
            times[name].append(time_calls(call, arguments))
    loop = min(times.pop("loop"))
    return {
        "pages": pages,
        "loop_ns": round(loop, 1),
        "ns": {
            name: {
                "median": round(statistics.median(values) - loop, 1),
                "min": round(min(values) - loop, 1),
                "max": round(max(values) - loop, 1),
            }
            for name, values in times.items()
        },
    }


def time_calls(call: Callable[[Any], Any] | None, arguments: list[Any]) -> float:
    """Return nanoseconds of processor time of one call, the loop around it included."""
    start = time.thread_time()
    if call is None:
        for _ in arguments:
            pass
    else:
        for argument in arguments:
            call(argument)
    return 1e9 * (time.thread_time() - start) / len(arguments)


# for a person


def show(report: dict[str, Any]) -> None:
    """Print the figures."""
    print(", ".join(f"{name} {version}" for name, version in report["versions"].items()))
    for name, rows in by_trace(report["traces"]).items():
        first = rows[0]
        print(f"\n{name}: {first['uses']:,} uses of {first['pages']:,} pages; share of hits")
        show_trace(rows)
    if report["made"]:
        print("\nmade here; share of hits, and what auto has over the best of the others")
        show_made(report["made"])
    print("\none touch, nanoseconds of processor time without the loop: median (min to max)")
    for row in report["touch"]:
        base = row["ns"]["OrderedDict.move_to_end"]["median"]
        print(f"  {row['pages']:,} pages")
        for name, value in row["ns"].items():
            spread = f"({value['min']:.0f} to {value['max']:.0f})"
            ratio = value["median"] / base
            print(f"    {name:<26}{value['median']:>6.0f}  {spread:<14}{ratio:>6.2f}x")


def by_trace(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each trace."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row["trace"], []).append(row)
    return grouped


def show_trace(rows: list[dict[str, Any]]) -> None:
    """Print a table of policies by sizes."""
    print(f"  {'pages in the window':<24}" + "".join(f"{row['size']:>10,}" for row in rows))
    every = {**rows[0]["hits"], **{f"{label} *": 0 for label in rows[0]["libcachesim"]}}
    for policy in every:
        print(f"  {policy:<24}" + "".join(f"{share(row, policy):>10.4f}" for row in rows))
    print(f"  {'Belady (the future)':<24}" + "".join(f"{share(row, ''):>10.4f}" for row in rows))
    gains = [(share(row, "auto"), *best_other(row)) for row in rows]
    others = Counter(name for _, name, _ in gains)
    print(
        f"  {'auto / best other':<24}"
        + "".join(f"{mine / other:>9.3f}x" for mine, _, other in gains)
        + f"   ({', '.join(others)})"
    )
    times = [row["nanoseconds"] for row in rows]
    print(
        f"  {'ns a use, auto / lru':<24}" + "".join(f"{t['auto']:>6}/{t['lru']:<3}" for t in times)
    )
    if rows[0]["libcachesim"]:
        print("  * as libcachesim has it")


def share(row: dict[str, Any], policy: str) -> float:
    """Return the share of hits of a policy, "" for the optimum."""
    if not policy:
        hits = row["belady"]
    elif policy.endswith(" *"):
        hits = row["libcachesim"][policy[:-2]]
    else:
        hits = row["hits"][policy]
    found: float = hits / row["uses"]
    return found


def best_other(row: dict[str, Any]) -> tuple[str, float]:
    """Return the best policy besides auto, and its share of hits."""
    others = {name: hits for name, hits in row["hits"].items() if name != "auto"}
    others |= {f"{name} *": hits for name, hits in row["libcachesim"].items()}
    best = max(others, key=lambda name: others[name])
    return best, others[best] / row["uses"]


def show_made(rows: list[dict[str, Any]]) -> None:
    """Print a table of workloads by policies."""
    print(f"  {'':<36}{'pages':>6}" + "".join(f"{policy:>8}" for policy in POLICIES))
    for row in rows:
        shares = "".join(f"{share(row, policy):>8.3f}" for policy in POLICIES)
        gain = share(row, "auto") - best_other(row)[1]
        print(f"  {row['trace']:<36}{row['size']:>6}{shares}{gain:>+9.3f}")


if __name__ == "__main__":
    raise SystemExit(main())

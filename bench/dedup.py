"""How long does it take to find the near-duplicates among n chunks, and how many are found?

From `list[str]` to groups, one thread, 1 kB chunks, word trigrams, Jaccard .7, beside the MinHash
libraries that are installed, each with 128 permutations and in the same run. The truth is the exact
join, itself checked against sets of words compared one by one; recall and precision are beside
every time. Peers hand back pairs, ctxmem also groups them.

The chunks are generated; `--corpus PATH` measures on real text as well, which repeats itself in
other ways: `--corpus installed` takes the documentation of the Python packages of this machine.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.dedup import find_near_duplicates, minhash

from . import corpus
from .native_testing import native as testing
from .reporting import print_report

THRESHOLD = 0.7
NGRAM = 3
PERMUTATIONS = 128
BANDS = 32  # of 4 places: .99998 of the pairs at .7 share one
SEED = 42
MODULE = __spec__.name if __spec__ is not None else __name__  # for processes of their own

Edges = set[tuple[int, int]]
Peer = Callable[[list[str]], Edges]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    os.environ.setdefault("RAYON_NUM_THREADS", "1")  # of the peers in Rust: one thread for all
    parser = argparse.ArgumentParser(prog="ctxmem bench dedup", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--large", action="store_true", help="also 100,000 chunks (minutes)")
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds of each (default 9)")
    parser.add_argument(
        "--corpus", metavar="PATH", nargs="+", default=[],
        help="measure on this text too: files, folders, or installed",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    if options.corpus:
        try:
            corpus.real_passages(tuple(options.corpus))
        except (OSError, ValueError) as error:
            parser.error(str(error))
    sizes = [*options.sizes, *([100_000] if options.large else [])]
    report: dict[str, Any] = {
        "cpu level": _native.cpu_level(),
        "processor": processor(),
        "python": platform.python_version(),
        "corpora": {"generated": measure(sizes, options.rounds, (), large=options.large)},
        "signatures a second": {level: signatures(level) for level in ("base", "v3", "v4")},
        "hard cases": hard_cases(),
    }
    if options.corpus:
        report["corpora"][", ".join(options.corpus)] = measure(
            sizes, options.rounds, options.corpus, large=options.large
        )
    print_report(report, show, as_json=options.json)
    return 0


def measure(
    sizes: Sequence[int], rounds: int, paths: Sequence[str], *, large: bool
) -> dict[str, Any]:
    """Answer the questions that depend on the corpus."""
    check_answer(paths)
    growing = [10_000, 20_000, 40_000, 80_000] if large else [5_000, 10_000]
    measured: dict[str, Any] = {"speed": [], "growth": [], "left out": []}
    for n in sizes:
        try:
            measured["speed"] += compare(n, rounds, paths)
        except ValueError as error:
            measured["left out"].append(str(error))
    try:
        measured["growth"] = growth(growing, paths)
        measured["memory"] = memory(100_000 if large else 20_000, paths)
    except ValueError as error:
        measured["left out"].append(str(error))
    return measured


def check_answer(paths: Sequence[str]) -> None:
    """Raise if the exact join does not say what comparing Python sets says."""
    texts = corpus.chunks(300, seed=1, paths=paths)
    sets = [set(shingles(text)) for text in texts]
    expected = {
        (i, j)
        for j in range(len(sets))
        for i in range(j)
        if len(sets[i] & sets[j]) >= THRESHOLD * len(sets[i] | sets[j])
    }
    if expected != truth(texts):
        raise AssertionError("the join and the comparison of sets disagree")


def shingles(text: str) -> list[str]:
    """Return the word trigrams as peers are given them."""
    words = re.findall(r"[^\W_]+", text.lower())
    return [" ".join(words[i : i + NGRAM]) for i in range(len(words) - NGRAM + 1)]


def truth(texts: list[str]) -> Edges:
    """Return every pair at the threshold, copies paired with each other too."""
    left, right, similarity = testing.near_duplicate_pairs(texts, THRESHOLD, NGRAM)
    copies: dict[int, list[int]] = defaultdict(list)
    first = list(range(len(texts)))
    for i, j, share in zip(left.tolist(), right.tolist(), similarity.tolist(), strict=True):
        if share == 1.0:
            first[j] = i
    for i, owner in enumerate(first):
        copies[owner].append(i)
    edges = {(i, j) for same in copies.values() for j in same for i in same if i < j}
    for i, j, share in zip(left.tolist(), right.tolist(), similarity.tolist(), strict=True):
        if share < 1.0:
            edges |= {(min(a, b), max(a, b)) for a in copies[i] for b in copies[j]}
    return edges


# Peers


def rensa(texts: list[str]) -> Edges:
    """Sign with R-MinHash, query all, keep what is estimated at the threshold."""
    library = importlib.import_module("rensa")
    signed = library.RMinHash.from_token_sets([shingles(t) for t in texts], PERMUTATIONS, SEED)
    index = library.RMinHashLSH(THRESHOLD, PERMUTATIONS, BANDS)
    index.insert_many(signed)
    return {
        (i, j)
        for j, found in enumerate(index.query_all(signed))
        for i in found
        if i < j and signed[i].jaccard(signed[j]) >= THRESHOLD
    }


def gaoya(texts: list[str]) -> Edges:
    """Let it tokenise itself, which it does faster than Python."""
    library = importlib.import_module("gaoya.minhash")
    index = library.MinHashStringIndex(
        hash_size=32,
        jaccard_threshold=THRESHOLD,
        num_bands=BANDS,
        band_size=PERMUTATIONS // BANDS,
        analyzer="word",
        lowercase=True,
        ngram_range=(NGRAM, NGRAM),
    )
    for i, text in enumerate(texts):
        index.insert_document(i, text)
    return {(i, j) for j, text in enumerate(texts) for i in index.query(text) if i < j}


def datasketch(texts: list[str]) -> Edges:
    """Sign in bulk with its default hash, query each."""
    library = importlib.import_module("datasketch")
    tokens = [[token.encode() for token in shingles(text)] for text in texts]
    signed = library.MinHash.bulk(tokens, num_perm=PERMUTATIONS, seed=SEED)
    rows = PERMUTATIONS // BANDS
    index = library.MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, rows))
    for i, signature in enumerate(signed):
        index.insert(i, signature, check_duplication=False)
    return {
        (i, j)
        for j, signature in enumerate(signed)
        for i in index.query(signature)
        if i < j and signed[i].jaccard(signature) >= THRESHOLD
    }


def fast_sketch(texts: list[str]) -> Edges:
    """Sign with the Fast Similarity Sketch, query all, keep what is estimated at the threshold."""
    library = importlib.import_module("FastSketchLSH")
    sketch = library.FastSimilaritySketch(PERMUTATIONS, SEED)
    signed = np.asarray(sketch.batch([shingles(text) for text in texts], num_threads=1))
    index = library.LSH(PERMUTATIONS, BANDS, num_threads=1)
    index.insert(signed)
    edges = set()
    for j, found in enumerate(index.query(signed)):
        before = [i for i in found if i < j]
        alike = (signed[before] == signed[j]).mean(axis=1) >= THRESHOLD
        edges |= {(i, j) for i, is_alike in zip(before, alike, strict=True) if is_alike}
    return edges


PEERS: dict[str, Peer] = {
    "rensa": rensa,
    "gaoya": gaoya,
    "FastSketchLSH": fast_sketch,
    "datasketch": datasketch,
}


# Questions


def compare(n: int, rounds: int, paths: Sequence[str]) -> list[dict[str, Any]]:
    """Time ctxmem and the peers on n chunks."""
    texts = corpus.chunks(n, paths=paths)
    edges = truth(texts)
    few = 3 if n < 50_000 else 1

    def ours(**options: Any) -> list[list[int]]:
        return list(find_near_duplicates(texts, THRESHOLD, **options))

    times = timed(ours, rounds if n < 50_000 else 3)
    rows: list[dict[str, Any]] = [{"n": n, "who": "ctxmem", "version": _native.__version__}]
    others: dict[str, list[float]] = {}
    beside = {"": times}  # our own times next to those of each peer
    cores = os.cpu_count() or 1
    variants: dict[str, dict[str, Any]] = {"sketch": {"method": "sketch"}}
    if n >= 5_000 and cores > 1:
        variants[f"{cores} threads"] = {"threads": cores}
        if ours() != ours(threads=cores):
            raise AssertionError("threads changed the answer")
    for name, options in variants.items():
        others[f"ctxmem, {name}"] = timed(lambda: ours(**options), few)  # noqa: B023
        rows.append({"n": n, "who": f"ctxmem, {name}", "version": _native.__version__})
    for name, peer in PEERS.items():
        if n >= 50_000 and name == "datasketch":
            continue  # a minute or more, and never the fastest
        rows.append({"n": n, "who": name, "version": "not installed"})
        try:
            rows[-1]["version"] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found: Edges = set()

        def run(peer: Peer = peer) -> None:
            nonlocal found
            found = peer(texts)

        others[name] = timed(run, max(1, min(rounds, 2000 // n)))
        rows[-1] |= quality(found, edges)
        # A peer is compared with the rounds before and after it, so that a busy moment of the
        # machine is not one side's alone.
        before, after = times[-few:], timed(ours, few)
        beside[name] = before + after
        times = times + after
    rows[0] |= {**spread(times), "ratio": 1.0, **quality(edges, edges)}
    for row in rows[1:]:
        if row["who"] in others:
            row.update(spread(others[row["who"]]))
            mine = statistics.median(beside.get(row["who"], beside[""]))
            row["ratio"] = statistics.median(others[row["who"]]) / mine
    return rows


def timed(call: Callable[[], object], rounds: int) -> list[float]:
    """Return the seconds of each round, after one that is not counted if there are several.

    Rounds follow one another, so caches are warm for all who are compared.
    """
    gc.collect()
    if rounds > 1:
        call()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def spread(times: Sequence[float]) -> dict[str, float]:
    """Return median, least and most, in milliseconds."""
    return {
        "ms": statistics.median(times) * 1e3,
        "least": min(times) * 1e3,
        "most": max(times) * 1e3,
    }


def quality(found: Edges, edges: Edges) -> dict[str, float]:
    """Return recall and precision of pairs."""
    both = len(found & edges)
    return {"recall": both / max(1, len(edges)), "precision": both / max(1, len(found))}


def in_process(program: str, level: str | None = None) -> Any:
    """Run a program that prints JSON in a process of its own; None if the CPU level is missing."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if level is not None:
        environment["CTXMEM_CPU"] = level
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "this machine supports" in ran.stderr:
        return None
    if ran.returncode != 0:
        raise RuntimeError(ran.stderr)
    return json.loads(ran.stdout)


def signatures(level: str) -> dict[str, float] | None:
    """Return MinHash signatures a second, k = 128, of shingles hashed already and of strings."""
    return in_process(  # type: ignore[no-any-return]
        f"import json; from {MODULE} import signature_rate; print(json.dumps(signature_rate()))",
        level,
    )


def signature_rate(n: int = 5_000) -> dict[str, float]:
    """Measure signatures a second at the CPU level of this process."""
    texts = corpus.passages(n)
    sets = testing.shingle_sets(texts, NGRAM)
    hashed = min(timed(lambda: testing.minhash(*sets, PERMUTATIONS), 7))
    strings = min(timed(lambda: minhash(texts, ngram=NGRAM, permutations=PERMUTATIONS), 7))
    return {"hashed": n / hashed, "strings": n / strings}


def growth(sizes: Sequence[int], paths: Sequence[str]) -> list[dict[str, float]]:
    """Return the time of each size, and by how much a doubling multiplied it.

    The sizes are timed in turn, and the minimum of each counts, so that load on the machine does
    not affect a single size.
    """
    texts = {n: corpus.chunks(n, paths=paths) for n in sizes}
    times: dict[int, list[float]] = {n: [] for n in sizes}
    for _ in range(5):
        for n in sizes:
            times[n] += timed(lambda: find_near_duplicates(texts[n], THRESHOLD), 1)  # noqa: B023
    rows: list[dict[str, float]] = []
    for n in sizes:
        ms = min(times[n]) * 1e3
        rows.append({"n": n, "ms": ms} | ({"factor": ms / rows[-1]["ms"]} if rows else {}))
    return rows


def memory(n: int, paths: Sequence[str]) -> dict[str, float] | None:
    """Return by how many MB the join of n chunks raises the peak of a process."""
    return in_process(  # type: ignore[no-any-return]
        f"import json; from {MODULE} import peak; print(json.dumps(peak({n}, {list(paths)!r})))"
    )


def peak(n: int, paths: Sequence[str]) -> dict[str, float] | None:
    """Measure the peak beyond the texts; Linux only, where a process can reset its peak."""
    if not sys.platform.startswith("linux"):
        return None

    def most() -> float:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10

    texts = corpus.chunks(n, paths=paths)
    gc.collect()
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as reset:
            reset.write("5")  # the peak so far is forgotten
    except OSError:
        pass
    before = most()
    find_near_duplicates(texts, THRESHOLD)
    return {"n": n, "input MB": sum(map(len, texts)) / 2**20, "peak MB": most() - before}


def hard_cases() -> list[dict[str, Any]]:
    """Time the exact join where it has most to do, beside the sketch of the same package."""
    rows = []
    cases: list[tuple[str, list[str], float, int]] = [
        ("single words", corpus.chunks(3000), 0.7, 1),
        ("a low threshold", corpus.chunks(5000), 0.2, 3),
        ("eight letters at random", letters(2000), 0.7, 3),
    ]
    for name, texts, threshold, ngram in cases:
        exact = min(timed(lambda: find_near_duplicates(texts, threshold, ngram=ngram), 2))  # noqa: B023
        sketch = min(
            timed(
                lambda: find_near_duplicates(texts, threshold, ngram=ngram, method="sketch"),  # noqa: B023
                2,
            )
        )
        rows.append(
            {"case": name, "n": len(texts), "exact ms": exact * 1e3, "sketch ms": sketch * 1e3}
        )
    return rows


def letters(count: int) -> list[str]:
    """Return texts of few words in all orders: every shingle is frequent, no two texts alike."""
    draws: NDArray[np.int64] = np.random.default_rng(3).integers(0, 8, (count, 150))
    return [" ".join("abcdefgh"[x] for x in row) for row in draws.tolist()]


def processor() -> str:
    """Return the name of the processor, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def show(report: dict[str, Any]) -> None:
    """Print the report as text."""
    print(f"{report['processor']}, CPU level {report['cpu level']}, Python {report['python']}")
    for name, measured in report["corpora"].items():
        show_corpus(name, measured)
    print(f"\nMinHash signatures a second, k = {PERMUTATIONS}")
    rows: list[Iterable[object]] = [("level", "hashed shingles", "strings")]
    for level, rate in report["signatures a second"].items():
        if rate is not None:
            rows.append((level, f"{rate['hashed']:,.0f}", f"{rate['strings']:,.0f}"))
    table(rows)
    print("\nHard cases: the exact join beside the sketch of this package")
    rows = [("case", "n", "exact ms", "sketch ms")]
    for row in report["hard cases"]:
        rows.append((row["case"], row["n"], f"{row['exact ms']:.1f}", f"{row['sketch ms']:.1f}"))
    table(rows)


def show_corpus(name: str, measured: dict[str, Any]) -> None:
    """Print what was measured on one corpus."""
    print(
        f"\nNear-duplicates among n chunks of 1 kB ({name}), trigrams, Jaccard {THRESHOLD}, "
        "one thread unless said otherwise"
    )
    rows: list[Iterable[object]] = [
        ("n", "who", "version", "ms", "least-most", "x", "recall", "precision")
    ]
    for row in measured["speed"]:
        known = "ms" in row
        rows.append((
            row["n"],
            row["who"],
            row["version"],
            f"{row['ms']:.2f}" if known else "",
            f"{row['least']:.2f}-{row['most']:.2f}" if known else "",
            f"{row['ratio']:.1f}" if known else "",
            f"{row['recall']:.3f}" if "recall" in row else "",
            f"{row['precision']:.3f}" if "precision" in row else "",
        ))  # fmt: skip
    table(rows)
    for reason in measured["left out"]:
        print(f"left out: {reason}")
    if measured["growth"]:
        print("\nGrowth")
        rows = [("n", "ms", "factor")]
        for row in measured["growth"]:
            factor = f"{row['factor']:.2f}" if "factor" in row else ""
            rows.append((row["n"], f"{row['ms']:.1f}", factor))
        table(rows)
    if measured.get("memory") is not None:
        print("\nMemory: ", ", ".join(f"{k} {v:,.0f}" for k, v in measured["memory"].items()))


def table(rows: Sequence[Iterable[object]]) -> None:
    """Print rows in columns, the first row as the head."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


if __name__ == "__main__":
    sys.exit(main())

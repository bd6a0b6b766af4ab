"""How much faster than tiktoken is counting chunks of 200 tokens that were never seen before?

    python -m bench.tokens [--json] [--encoding o200k_base] [--chunks 1000] [--rounds 7]

Texts are what every machine has or what is composed here: prose from the docstrings of Python's
standard library, its source code, generated JSON, and five languages from banks of phrases. Up to
400,000 characters of one half of each corpus warm the counters up, as in a process that has run for
a while; the other half is cut into the chunks that are timed, so that no chunk was counted before
("first seen"; `fresh` is the same in a process that has counted nothing). `repeat` counts the same
chunks again, from the cache by content. The same half is then counted as one text.

Every count is checked against tiktoken's before anything is timed. Peers are timed in the same run,
in turn with ours; medians of the rounds are reported with the lowest and the highest. Each corpus
names the fastest; the cases where a peer is as fast as we are, or faster, are named at the end.
Missing peers: pip install quicktok-v1 rs-bpe bpe-openai riptoken tokenizers nanotok gigatoken
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from ctxmem import _native
from ctxmem.tokens.packed import packed_path

from .token_peers import Count, Peer, one_by_one, peers, reference, write_for_tiktoken
from .token_texts import CHUNK, corpora, cut

OURS = ("first seen", "fresh", "one by one")  # rows of ours that are compared with the peers'
WARM_UP = 400_000  # characters
WHOLE = 200_000  # characters that are counted in one call; bpe-openai refuses more


def many(counter: _native.Tokenizer) -> Count:
    """Return the native counter of many texts, with its cache by content."""
    return lambda texts: counter.count_many(list(texts)).tolist()


# Measures -----------------------------------------------------------------------------------------


def timed(count: Count, texts: Sequence[str]) -> float:
    """Return microseconds of processor time for each text."""
    start = time.thread_time()
    count(texts)
    return (time.thread_time() - start) * 1e6 / len(texts)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the range."""
    return {
        "median": round(statistics.median(values), 3),
        "low": round(min(values), 3),
        "high": round(max(values), 3),
    }


def checked(
    counters: dict[str, Peer], tik: Any, data: bytes, texts: Sequence[str]
) -> tuple[dict[str, Peer], dict[str, str]]:
    """Return the counters that count these texts, and by name why a row is no comparison.

    Exits if our own counter differs from tiktoken.
    """
    expected = [len(tik.encode_ordinary(one)) for one in texts]

    def wrong(count: Count) -> int:
        return sum(a != b for a, b in zip(count(texts), expected, strict=True))

    if differ := wrong(many(_native.Tokenizer(data, str(tik.name)))):
        sys.exit(f"ctxmem counts {differ} of {len(texts)} texts differently from tiktoken")
    kept, notes = {}, {}
    for name, peer in counters.items():
        try:
            differ = wrong(peer.count)
        except Exception as error:
            notes[name] = f"{type(error).__name__}: {error}"[:80]
            continue
        kept[name] = peer
        if differ:
            notes[name] = f"counts {differ} of {len(texts)} texts wrongly"
        elif peer.warm:
            notes[name] = "has seen the chunks before"
    return kept, notes


def rounds_of(
    counters: dict[str, Peer],
    data: bytes,
    encoding: str,
    warm_up: list[str],
    texts: list[str],
    n: int,
) -> dict[str, list[float]]:
    """Time all counters in turn, n times, each warmed up and with texts that are new to it."""
    times: dict[str, list[float]] = {name: [] for name in counters}
    times |= {"first seen": [], "fresh": [], "one by one": [], "repeat": []}
    for _ in range(n):
        for name, peer in counters.items():
            peer.forget()
            peer.count(warm_up)
            times[name].append(timed(peer.count, texts))
        # A text can be seen for the first time once only, so every round has new counters.
        times["fresh"].append(timed(many(_native.Tokenizer(data, encoding)), texts))
        warm = _native.Tokenizer(data, encoding)
        warm.count_many(warm_up)
        times["first seen"].append(timed(many(warm), texts))
        times["repeat"].append(timed(many(warm), texts))
        single = _native.Tokenizer(data, encoding)
        single.count_many(warm_up)
        times["one by one"].append(timed(one_by_one(single.count), texts))
    return times


def measure_corpus(
    tik: Any, data: bytes, counters: dict[str, Peer], *, text: str, chunks: int, rounds: int
) -> dict[str, Any]:
    """Check and time one corpus, in chunks and as one text."""
    encoding = str(tik.name)
    half, texts = cut(tik, text, chunks)
    warm_up = [half[at : at + WHOLE] for at in range(0, min(len(half), WARM_UP), WHOLE)]
    whole = text[len(text) // 2 :][:WHOLE]
    kept, notes = checked(counters, tik, data, [*texts, whole])
    times = rounds_of(kept, data, encoding, warm_up, texts, rounds)
    at_once = rounds_of(kept, data, encoding, warm_up, [whole], rounds)
    base = statistics.median(times["first seen"])
    fair = [name for name in kept if name not in notes]
    return {
        "chunks": len(texts),
        "bytes": round(sum(len(one.encode()) for one in texts) / len(texts)),
        "characters": len(set("".join(texts))),
        "microseconds": {name: spread(values) for name, values in times.items()},
        "ratio": {name: round(statistics.median(times[name]) / base, 2) for name in fair},
        "first": first(times, fair),
        "whole": {
            "bytes": len(whole.encode()),
            "megabytes_a_second": {
                name: round(len(whole.encode()) / statistics.median(values), 1)
                for name, values in at_once.items()
                if name not in ("repeat", "one by one")
            },
            "first": first(at_once, fair),
        },
        "notes": notes,
    }


def first(times: dict[str, list[float]], fair: Sequence[str]) -> str:
    """Name the fastest counter of texts that it has not seen before."""
    return min((*fair, "first seen"), key=lambda name: statistics.median(times[name]))


LOAD = """
import json, resource, sys, time
import numpy, tiktoken
from ctxmem import _native
kind, encoding, path = sys.argv[1:]
def resident():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0
_native.bm25(["warm"], ["warm"])
before = resident()
start = time.perf_counter()
if kind == "ctxmem":
    counter = _native.Tokenizer(open(path, "rb").read(), encoding)
    counter.count_many(["Hello world"])
else:
    counter = tiktoken.get_encoding(encoding)
    counter.encode_ordinary("Hello world")
seconds = time.perf_counter() - start
print(json.dumps({"milliseconds": seconds * 1e3, "resident_mb": resident() - before}))
"""


def measure_load(encoding: str, rounds: int) -> dict[str, Any]:
    """Time loading the vocabulary and take its memory, each in a process of its own."""
    results: dict[str, list[dict[str, float]]] = {"ctxmem": [], "tiktoken": []}
    with tempfile.TemporaryDirectory() as folder:
        write_for_tiktoken(encoding, folder)
        environment = {**os.environ, "TIKTOKEN_CACHE_DIR": folder}
        for _ in range(rounds):
            for kind, measured in results.items():
                ran = subprocess.run(
                    [sys.executable, "-c", LOAD, kind, encoding, str(packed_path(encoding))],
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=True,
                )
                measured.append(json.loads(ran.stdout))
    return {
        kind: {key: spread([one[key] for one in measured]) for key in measured[0]}
        for kind, measured in results.items()
    }


def run(encoding: str = "o200k_base", *, chunks: int = 1000, rounds: int = 7) -> dict[str, Any]:
    """Measure everything and return it."""
    tik = reference(encoding)
    data = packed_path(encoding).read_bytes()
    counters, absent = peers(encoding)
    return {
        "question": (__doc__ or "").splitlines()[0],
        "encoding": encoding,
        "versions": {
            "ctxmem": _native.__version__,
            "tiktoken": version("tiktoken"),
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cpu_level": _native.cpu_level(),
        },
        "rounds": rounds,
        "corpora": {
            name: measure_corpus(tik, data, counters, text=text(), chunks=chunks, rounds=rounds)
            for name, text in corpora().items()
        },
        "absent": absent,
        "load": measure_load(encoding, min(rounds, 5)),
    }


def losses(result: dict[str, Any]) -> list[str]:
    """Name the cases where a peer is as fast as we are, or faster."""
    lost = []
    for corpus, measured in result["corpora"].items():
        times = {name: value["median"] for name, value in measured["microseconds"].items()}
        lost += [
            f"{name} on {corpus}, {ours}: {times[name]:.1f} us against our {times[ours]:.1f} us"
            for name in measured["ratio"]
            for ours in OURS
            if times[name] <= times[ours]
        ]
        speeds = measured["whole"]["megabytes_a_second"]
        mine = speeds["first seen"]
        lost += [
            f"{name} on {corpus}, one text: {speeds[name]} MB/s against our {mine} MB/s"
            for name in measured["ratio"]
            if speeds[name] >= mine
        ]
    return lost


def ours(name: str) -> str:
    """Return how a row is called."""
    return "ctxmem" if name == "first seen" else name


def show_corpus(corpus: str, measured: dict[str, Any]) -> None:
    """Print the rows of one corpus."""
    print(
        f"{corpus}: {measured['chunks']} chunks of {measured['bytes']} bytes, "
        f"{measured['characters']} different characters; first: {ours(measured['first'])}"
    )
    rows = measured["microseconds"]
    for name, value in sorted(rows.items(), key=lambda row: -row[1]["median"]):
        if name in measured["ratio"]:
            label, note = name, f"x{measured['ratio'][name]:.1f}"
        elif name in ("repeat", *OURS):
            label, note = f"ctxmem, {name}", ""
        else:
            label, note = name, f"({measured['notes'][name]}: for information)"
        between = f"({value['low']:.2f}-{value['high']:.2f})"
        print(f"  {label:22} {value['median']:8.2f} {between} {note}")
    whole = measured["whole"]
    speeds = ", ".join(
        f"{ours(name)} {speed}" for name, speed in whole["megabytes_a_second"].items()
    )
    print(f"  one text of {whole['bytes'] / 1e6:.1f} MB, MB/s: {speeds}")
    print(f"    first: {ours(whole['first'])}")
    for name, note in measured["notes"].items():
        if name not in rows:
            print(f"  {name}: {note}")


def show(result: dict[str, Any]) -> None:
    """Print the result as tables."""
    print(result["question"])
    print(
        f"{result['encoding']}, chunks of {CHUNK} tokens, median of {result['rounds']} rounds "
        "(lowest-highest), microseconds of processor time a chunk; x = times ours first seen"
    )
    print(", ".join(f"{name} {value}" for name, value in result["versions"].items()) + "\n")
    for corpus, measured in result["corpora"].items():
        show_corpus(corpus, measured)
    for line in result["absent"]:
        print(line)
    print("\nloading the vocabulary (a process each):")
    for kind, measured in result["load"].items():
        label = ", ".join(f"{value['median']:.1f} {key}" for key, value in measured.items())
        print(f"  {kind:22} {label}")
    print("\nwhere we lose:")
    for line in losses(result) or ["nowhere in this run"]:
        print(f"  {line}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="ctxmem bench tokens", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--encoding", default="o200k_base", choices=["o200k_base", "cl100k_base"])
    parser.add_argument("--chunks", type=int, default=1000, help="at most, of each corpus")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(argv)
    result = run(options.encoding, chunks=options.chunks, rounds=options.rounds)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())

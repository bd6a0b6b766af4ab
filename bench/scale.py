"""Do time and memory grow in line with a corpus on disk, and are all planted copies found?

The corpus is generated from a seed: documents of 20 to 120 words, of which 30 % are copies of
earlier ones: unchanged, with words replaced, or cut at the end. Every copy is planted with its
origin, and the similarity of the pair is computed from the words. `recall` is the share of planted
pairs of similarity .8 or more of which at most one text was kept. `wrong` counts the members of
groups, of those `looked` at, whose similarity to their representative, computed anew, is another
than was reported or below the threshold.

Each size runs in a process of its own, so that the peak of memory is its own.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ctxmem.input_files import json_lines

from .reporting import print_json

WORDS = 50_000
COPIES = 0.3
MODULE = __spec__.name  # also where this is run as __main__
RECENT = 20_000  # texts of which copies are made


def documents(count: int, seed: int = 0) -> Iterator[tuple[int, str, int]]:
    """Yield (number, text, number of the text that it was copied from, or -1)."""
    rng = random.Random(seed)
    vocabulary = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(WORDS)]
    # Word frequencies fall with the rank, as in real texts.
    weights = [1 / (rank + 3) for rank in range(WORDS)]
    sums, total = [], 0.0
    for weight in weights:
        total += weight
        sums.append(total)
    recent: list[tuple[int, list[str]]] = []
    for number in range(count):
        origin = -1
        if recent and rng.random() < COPIES:
            origin, source = rng.choice(recent)
            words = edited(source, rng, vocabulary)
        else:
            words = rng.choices(vocabulary, cum_weights=sums, k=rng.randint(20, 120))
        if len(recent) < RECENT:
            recent.append((number, words))
        elif rng.random() < 0.2:  # copies of far texts too
            recent[rng.randrange(RECENT)] = (number, words)
        yield number, " ".join(words), origin


def edited(words: list[str], rng: random.Random, vocabulary: list[str]) -> list[str]:
    """Return a copy of a text: the same, with words replaced, or cut at its end."""
    kind = rng.random()
    if kind < 0.3:
        return list(words)
    if kind < 0.5:
        return words[: max(10, int(len(words) * rng.uniform(0.7, 0.99)))]
    copy = list(words)
    for _ in range(max(1, int(len(words) * rng.uniform(0.0, 0.08)))):
        copy[rng.randrange(len(copy))] = rng.choice(vocabulary)
    return copy


def similarity(left: str, right: str) -> float:
    """Return the share of word trigrams that two texts have in common."""
    sets = []
    for text in (left, right):
        words = text.split()
        sets.append({tuple(words[i : i + 3]) for i in range(len(words) - 2)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def write(path: Path, count: int, seed: int) -> tuple[dict[int, str], list[tuple[int, int]]]:
    """Write a corpus; return the planted pairs of similarity .8 or more, and their texts."""
    texts: dict[int, str] = {}
    pairs: list[tuple[int, int]] = []
    held: dict[int, str] = {}
    with open(path, "w", encoding="utf-8") as file:
        for number, text, origin in documents(count, seed):
            file.write(json.dumps({"id": number, "text": text}) + "\n")
            held[number] = text
            if origin in held and similarity(held[origin], text) >= 0.8:
                pairs.append((origin, number))
                texts[origin], texts[number] = held[origin], text
    return texts, pairs


def measure(source: Path, out: Path, memory: int, threads: int) -> dict[str, Any]:
    """Run once in this process; return seconds, memory and what was found."""
    from ctxmem.scale import deduplicate

    begin, worked = time.perf_counter(), time.process_time()
    report = deduplicate(source, out, memory=memory, threads=threads)
    return {
        "documents": report.documents,
        "mb": source.stat().st_size / 1e6,
        "seconds": time.perf_counter() - begin,
        "cpu_seconds": time.process_time() - worked,
        "stages": report.stages,
        "peak_mb": peak(),
        "removed": report.removed,
        "in_memory": report.in_memory,
        "notes": report.notes,
    }


def peak() -> float:
    """Return the largest memory of this process so far, in MB.

    `ru_maxrss` would be that of the parent if it had more when it forked.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def quality(out: Path, texts: dict[int, str], pairs: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Return recall of the planted pairs, and the least similarity of the members looked at."""
    removed: set[int] = set()
    wrong = looked = 0
    for group in json_lines((out / "groups.jsonl").read_text(encoding="utf-8")):
        first = group["representative"]["id"]
        for member in group["members"]:
            removed.add(member["id"])
            if member["id"] in texts and first in texts:
                looked += 1
                found = similarity(texts[first], texts[member["id"]])
                wrong += abs(found - member["similarity"]) > 1e-9 or found < 0.5
    # Two texts of a pair may have different representatives, or one of them may be in a group and
    # the other, unlike its representative, in none: so the exact join has it too.
    found = sum(a in removed or b in removed for a, b in pairs)
    return {
        "pairs": len(pairs),
        "recall": found / max(1, len(pairs)),
        "looked": looked,
        "wrong": wrong,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print a row for each size."""
    parser = argparse.ArgumentParser(prog="ctxmem bench scale", description=__doc__)
    parser.add_argument("--documents", type=int, nargs="+", default=[25_000, 50_000, 100_000])
    parser.add_argument("--memory", type=int, default=64 << 20, help="bytes (64 MiB)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("SOURCE", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        source, out = map(Path, options.one)
        print(json.dumps(measure(source, out, options.memory, options.threads)))
        return 0
    rows: list[dict[str, Any]] = []
    if not options.json:
        print("  documents      MB  seconds     cpu  us/doc  peak MB    pairs  recall  wrong")
    for count in options.documents:
        rows.append(row(count, options))
        if not options.json:
            show(rows[-1])
    if options.json:
        print_json(rows)
    return 0 if all(one["wrong"] == 0 for one in rows) else 1


def row(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Run one size in a process of its own and check its groups."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "corpus.jsonl", Path(folder) / "out"
        texts, pairs = write(source, count, options.seed)
        command = [sys.executable, "-m", MODULE, "--one", str(source), str(out)]
        command += ["--memory", str(options.memory), "--threads", str(options.threads)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout) | quality(out, texts, pairs)


def show(row: dict[str, Any]) -> None:
    """Print a row of the table."""
    print(
        f"{row['documents']:>11,} {row['mb']:>7.0f} {row['seconds']:>8.1f} "
        f"{row['cpu_seconds']:>7.1f} {1e6 * row['cpu_seconds'] / max(1, row['documents']):>7.0f} "
        f"{row['peak_mb']:>8.0f} {row['pairs']:>8,} {row['recall']:>7.4f} {row['wrong']:>6}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())

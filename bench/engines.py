"""Which engine takes a corpus in which time and memory, and what does each miss or remove wrongly?

In one run, over the same files: our local engine, that on Daft (native and on Ray on this machine),
and the MinHash pipelines of datatrove and text-dedup, if their interpreters are given. An engine
that is not there is left out, and the table says why. Ours must write the same groups.

The corpus is that of `bench.scale`, in eight files. All compare three words in a row. Ours and
text-dedup look for a similarity of .5, datatrove with its own bands, whose threshold is about .7.
The peers do not compare the candidates that they find and take groups of groups as one.

Every engine may use two processes or threads. The peers have the sizes of signatures that they come
with, and where an option makes them faster and finds as much, it is set: 32 bits and xxh3 in
text-dedup, longer reads and forked workers in datatrove. datatrove's splitter of English words,
spaCy, takes four fifths of its time, so it runs a second time with words split at spaces.

recall  share of planted pairs of similarity .8 or more of which at most one text was kept
wrong   of up to 2,000 removed documents, those that no kept document is like at .5, computed here
        from the words

Memory is the largest sum over the processes of an engine, shared pages counted once, looked at
several times a second. The seconds of the processor are of all of these processes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xxhash

from . import scale
from .reporting import print_json

FILES = 8
SAMPLE = 2000
THRESHOLD = 0.5

OURS = """
import sys
from ctxmem.scale import deduplicate
deduplicate(sys.argv[1], sys.argv[2], engine="{engine}", memory={memory})
"""

DATATROVE = """
import sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster
from datatrove.pipeline.dedup import MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

source, out = sys.argv[1:]
config = MinhashConfig(n_grams=3)
stages = [
    (8, [JsonlReader(source), MinhashDedupSignature(f"{out}/signatures", config)]),
    (14, [MinhashDedupBuckets(f"{out}/signatures", f"{out}/buckets", config=config,
                              lines_to_buffer=1000)]),
    (1, [MinhashDedupCluster(f"{out}/buckets", f"{out}/remove", config=config)]),
    (8, [JsonlReader(source), MinhashDedupFilter(f"{out}/remove"),
         JsonlWriter(f"{out}/kept", compression=None)]),
]
if __name__ == "__main__":
    for number, (tasks, pipeline) in enumerate(stages):
        LocalPipelineExecutor(
            pipeline, tasks=tasks, workers=2, start_method="fork", logging_dir=f"{out}/log{number}"
        ).run()
"""

SPLIT = """
from datatrove.utils.word_tokenizers import WordTokenizer

class Split(WordTokenizer):
    def word_tokenize(self, text):
        return text.split()
    def sent_tokenize(self, text):
        return [text]
    def span_tokenize(self, text):
        return [(0, len(text))]

source, out"""

DATATROVE_SPLIT = DATATROVE.replace("\nsource, out", SPLIT, 1).replace(
    "config)]", "config, Split())]", 1
)

TEXT_DEDUP = """
import sys
from text_dedup.minhash import main
main(["--path", "json", "--data_dir", sys.argv[1], "--split", "train", "--column", "text",
      "--output", sys.argv[2] + "/kept", "--cache_dir", sys.argv[2] + "/cache",
      "--ngram", "3", "--min_length", "0", "--threshold", "0.5",
      "--hash_func", "xxh3", "--hash_bits", "32", "--num_proc", "2"])
"""

# text-dedup keeps a data set of its own kind.
AS_LINES = """
import json, sys
from datasets import load_from_disk
with open(sys.argv[1] + "/kept.jsonl", "w") as file:
    for id in load_from_disk(sys.argv[1] + "/kept")["id"]:
        file.write(json.dumps({"id": id}) + "\\n")
"""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine: its code, its interpreter, what must be installed there, and variables."""

    name: str
    code: str
    python: str
    packages: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    after: str = ""

    @property
    def lines(self) -> int:
        """Lines of code that a user writes."""
        return sum(1 for line in self.code.splitlines() if line.strip())

    def missing(self) -> str:
        """Return why it cannot run, "" if it can."""
        if not self.python:
            return f"no interpreter was given: --{self.name.split()[0]}"
        if not shutil.which(self.python):
            return f"{self.python} is not there"
        return "" if self.versions() else f"{' or '.join(self.packages)} is not installed there"

    def versions(self) -> str:
        """Return the versions of its packages, "" if one is missing."""
        code = "import sys, importlib.metadata as m; print(*(m.version(n) for n in sys.argv[1:]))"
        line = [self.python, "-c", code, *self.packages]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            return ""
        found = zip(self.packages, done.stdout.split(), strict=True)
        return ", ".join(f"{name} {version}" for name, version in found)


def engines(options: argparse.Namespace) -> list[Engine]:
    """Return all engines, ours first."""
    python, memory = options.python, options.memory
    local = OURS.format(engine="local", memory=memory)
    daft = OURS.format(engine="daft", memory=memory)
    ray = {"DAFT_RUNNER": "ray", "RAY_USAGE_STATS_ENABLED": "0"}
    return [
        Engine("local", local, python, ("numpy",)),
        Engine("daft", daft, python, ("daft", "pyarrow"), {"DAFT_RUNNER": "native"}),
        Engine("daft on ray", daft, python, ("daft", "ray"), ray),
        Engine("datatrove", DATATROVE, options.datatrove, ("datatrove", "spacy")),
        Engine("datatrove split", DATATROVE_SPLIT, options.datatrove, ("datatrove",)),
        Engine("text-dedup", TEXT_DEDUP, options.text_dedup, ("text-dedup",), {}, AS_LINES),
    ]


# Running


class Watch:
    """Memory and processor time of a process and all that it started, looked at again and again."""

    def __init__(self, root: int) -> None:
        """Begin."""
        self.peak = 0.0
        self._root, self._ticks, self._stop = root, dict[int, float](), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def cpu(self) -> float:
        """Seconds of the processor, as far as they were seen."""
        return sum(self._ticks.values())

    def kill(self) -> None:
        """Kill the process and all that it started."""
        for number in descendants(self._root):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            inside = descendants(self._root)
            for number, ticks in inside.items():
                self._ticks[number] = ticks
            self.peak = max(self.peak, sum(map(memory_of, inside)))


def descendants(root: int) -> dict[int, float]:
    """Return the processes below one and itself: seconds of the processor by number."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    tick = os.sysconf("SC_CLK_TCK")
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        number = int(path.parent.name)
        parents[number] = int(fields[1])
        seconds[number] = (int(fields[11]) + int(fields[12])) / tick
    inside = {root}
    while more := {n for n, above in parents.items() if above in inside} - inside:
        inside |= more
    return {number: seconds[number] for number in inside if number in seconds}


def cpu_of_ended() -> float:
    """Return the seconds of the processor of all that this process started and that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def memory_of(number: int) -> float:
    """Return the memory of a process in MB, its share of what it shares; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def measured(engine: Engine, source: Path, out: Path, limit: float) -> dict[str, Any]:
    """Run an engine; return its seconds and memory.

    Raises:
        RuntimeError: If it fails or takes longer than the limit, with the end of what it printed.
    """
    out.mkdir()
    code = out.with_name(f"run_{out.name}.py")  # no name that hides a package
    code.write_text(engine.code)
    environment = {**os.environ, **engine.variables, "HF_HOME": str(out / "home")}
    results = out / "results"
    begin, worked = time.perf_counter(), cpu_of_ended()
    with open(out.with_suffix(".log"), "w+b") as log:
        line = [engine.python, str(code), str(source), str(results)]
        process = subprocess.Popen(line, stdout=log, stderr=log, env=environment)
        with Watch(process.pid) as watch:
            try:
                failed = process.wait(limit) != 0
            except subprocess.TimeoutExpired:
                watch.kill()
                process.wait()
                raise RuntimeError(f"it took more than {limit:,.0f} seconds") from None
        seconds, worked = time.perf_counter() - begin, cpu_of_ended() - worked
        if failed:
            log.seek(0)
            last = log.read().decode(errors="replace").strip().splitlines()[-1:]
            raise RuntimeError(f"it failed: {''.join(last)}")
    if engine.after:
        after = [engine.python, "-c", engine.after, str(results)]
        subprocess.run(after, check=True, capture_output=True, env=environment)
    # A process that ended between two looks is in the first only, Ray's servers in the second.
    return {"seconds": seconds, "cpu_seconds": max(worked, watch.cpu), "peak_mb": watch.peak}


# Checking


def kept_ids(results: Path) -> set[int]:
    """Return the ids that an engine kept."""
    found: set[int] = set()
    for path in [*results.glob("kept/*.jsonl"), *results.glob("kept.jsonl")]:
        with open(path, encoding="utf-8") as file:
            # datatrove leaves out values that are false, as the id 0.
            found.update(int(json.loads(line).get("id", 0)) for line in file)
    return found


def shingles(text: str) -> set[tuple[str, ...]]:
    """Return the word trigrams of a text."""
    words = text.split()
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


def texts_of(source: Path) -> Iterator[tuple[int, str]]:
    """Yield (id, text) of the corpus."""
    for path in sorted(source.iterdir()):
        with open(path, encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                yield record["id"], record["text"]


def wrongly_removed(source: Path, kept: set[int], seed: int) -> tuple[int, int]:
    """Return (documents looked at, how many of them no kept document is like)."""
    gone = [number for number, _ in texts_of(source) if number not in kept]
    chosen = set(random.Random(seed).sample(gone, min(SAMPLE, len(gone))))
    sampled = {number: shingles(text) for number, text in texts_of(source) if number in chosen}
    having: dict[tuple[str, ...], list[int]] = {}
    for number, some in sampled.items():
        for one in some:
            having.setdefault(one, []).append(number)
    alone = set(sampled)
    for number, text in texts_of(source):
        if number not in kept:
            continue
        some, shared = shingles(text), dict[int, int]()
        for one in some:
            for other in having.get(one, ()):
                shared[other] = shared.get(other, 0) + 1
        for other, common in shared.items():
            if common / (len(some) + len(sampled[other]) - common) >= THRESHOLD:
                alone.discard(other)
    return len(sampled), len(alone)


def row(
    engine: Engine,
    source: Path,
    folder: Path,
    pairs: Sequence[tuple[int, int]],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Run one engine and check what it kept."""
    if why := engine.missing():
        return {"engine": engine.name, "skipped": why}
    out = folder / engine.name.replace(" ", "_")
    try:
        found = measured(engine, source, out, options.limit)
    except RuntimeError as error:
        return {"engine": engine.name, "skipped": str(error), "versions": engine.versions()}
    kept = kept_ids(out / "results")
    looked, wrong = wrongly_removed(source, kept, options.seed)
    groups = out / "results/groups.jsonl"
    digest = xxhash.xxh3_128_hexdigest(groups.read_bytes()) if groups.exists() else ""
    shutil.rmtree(out)
    return {
        "engine": engine.name,
        "versions": engine.versions(),
        "lines": engine.lines,
        **found,
        "kept": len(kept),
        "recall": sum(not (a in kept and b in kept) for a, b in pairs) / max(1, len(pairs)),
        "looked": looked,
        "wrong": wrong,
        "groups": digest,
    }


def write(folder: Path, count: int, seed: int) -> list[tuple[int, int]]:
    """Write the corpus into files of equal numbers of documents; return the planted pairs."""
    whole = folder.with_suffix(".whole")
    _, pairs = scale.write(whole, count, seed)
    folder.mkdir()
    each = -(-count // FILES)
    with open(whole, encoding="utf-8") as lines:
        for number in range(FILES):
            part = [line for _, line in zip(range(each), lines, strict=False)]
            (folder / f"{number:02d}.jsonl").write_text("".join(part), encoding="utf-8")
    whole.unlink()
    return pairs


def show(row: dict[str, Any]) -> None:
    """Print a row of the table."""
    if "skipped" in row:
        print(f"{row['engine']:<16} left out: {row['skipped']}", flush=True)
        return
    print(
        f"{row['engine']:<16}{row['seconds']:>9.1f}{row['cpu_seconds']:>9.1f}"
        f"{row['peak_mb']:>9.0f}{row['lines']:>7}{row['kept']:>11,}{row['recall']:>9.4f}"
        f"{row['wrong']:>7}/{row['looked']:,}  {row['versions']}",
        flush=True,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run all engines; 1 if ours differ or removed wrongly."""
    parser = argparse.ArgumentParser(prog="ctxmem bench engines", description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--memory", type=int, default=256 << 20, help="bytes, of ours (256 MiB)")
    parser.add_argument("--python", default=sys.executable, help="interpreter of ours")
    parser.add_argument("--datatrove", default="", help="interpreter that has datatrove")
    parser.add_argument("--text-dedup", default="", help="interpreter that has text-dedup")
    parser.add_argument("--only", nargs="+", metavar="ENGINE", help="engines by their names")
    parser.add_argument("--limit", type=float, default=7200.0, help="seconds for an engine (7200)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = write(folder / "corpus", options.documents, options.seed)
        if not options.json:
            print(f"{options.documents:,} documents, {len(pairs):,} planted pairs")
            print("engine            seconds      cpu  peak MB  lines       kept   recall    wrong")
        for engine in engines(options):
            if options.only and engine.name not in options.only:
                continue
            rows.append(row(engine, folder / "corpus", folder, pairs, options))
            if not options.json:
                show(rows[-1])
    if options.json:
        print_json(rows)
    ours = [one for one in rows if one.get("groups")]
    same = len({one["groups"] for one in ours}) <= 1
    if not options.json:
        print("the same groups of ours" if same else "OURS DIFFER")
    return 0 if same and not any(one["wrong"] for one in ours) else 1


if __name__ == "__main__":
    sys.exit(main())

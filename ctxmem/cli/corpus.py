"""ctxmem dedup --out: near-duplicates of a corpus that need not fit into memory."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ctxmem.cli.reading import DONE, FOUND, MISUSED, print_json, progress
from ctxmem.errors import InputError
from ctxmem.report import visible
from ctxmem.scale import Progress, deduplicate, in_words
from ctxmem.schema import SCHEMA_VERSION

_SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
# Options of the command in memory, and the values that say nothing.
_OTHERS = {"measure": "jaccard", "paragraphs": False, "keep": None, "counter": "o200k_base"}


def add_options(dedup: argparse.ArgumentParser) -> None:
    """Add the options of corpora to the command."""
    corpus = dedup.add_argument_group(
        "corpora",
        "With --out, documents are read from JSON lines, Parquet or text files, and one "
        "of each group is written. A run that was stopped continues where it was.",
    )
    corpus.add_argument(
        "--out", metavar="DIR", help="folder for the results, new or of a run to continue"
    )
    corpus.add_argument(
        "--engine",
        choices=("auto", "local", "daft"),
        default="auto",
        help="what reads and compares the documents (auto)",
    )
    corpus.add_argument("--id", default="id", help="name of the field with the id (id)")
    corpus.add_argument("--text", default="text", help="name of the field with the text (text)")
    corpus.add_argument(
        "--memory", type=size, default=2 << 30, help="memory that may be used, such as 512M (2G)"
    )
    corpus.add_argument(
        "--max-loss",
        type=float,
        default=0.5,
        help="largest share of a file's documents that one group may remove (0.5)",
    )
    corpus.add_argument(
        "--careful", action="store_true", help="never group documents that differ in a fact"
    )


def size(text: str) -> int:
    """Return a number of bytes as a person writes it: 512M, 2G, 2GB."""
    short = text.strip().upper().removesuffix("B").removesuffix("I")
    factor = _SIZES.get(short[-1:], 1)
    try:
        return int(float(short.rstrip("KMG").replace("_", "").replace(",", "")) * factor)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes") from None


def run(arguments: argparse.Namespace) -> int:
    """Deduplicate a corpus and print the report."""
    for name, value in _OTHERS.items():
        if getattr(arguments, name) != value:
            raise InputError(
                f"--{name} is for texts that are compared in memory; leave it or --out out"
            )
    if "-" in arguments.paths:
        raise InputError("--out reads files three times, and - only once; write it to a file first")
    with shown() as progressing:
        report = deduplicate(
            arguments.paths,
            arguments.out,
            engine=arguments.engine,
            threshold=arguments.threshold,
            id=arguments.id,
            text=arguments.text,
            ngram=arguments.ngram,
            unit=arguments.unit,
            prefer=arguments.prefer,
            memory=arguments.memory,
            max_loss=arguments.max_loss,
            careful=arguments.careful,
            threads=arguments.threads,
            progress=progressing,
        )
    if arguments.json:
        print_json({"schema_version": SCHEMA_VERSION, **report.to_dict()})
    else:
        print(visible(in_words(report)))
    if report.removed:
        return FOUND
    return MISUSED if report.rejected else DONE


@contextmanager
def shown() -> Iterator[Progress]:
    """Show progress on a terminal, by rich if it is installed."""
    if sys.stderr.isatty():
        try:
            import rich.console
            import rich.progress
        except ImportError:
            pass
        else:
            console = rich.console.Console(stderr=True)
            with rich.progress.Progress(console=console, transient=True) as bars:
                tasks: dict[str, Any] = {}

                def advance(stage: str, done: int, of: int) -> None:
                    if stage not in tasks:
                        for earlier in tasks.values():
                            bars.update(earlier, completed=bars.tasks[earlier].total)
                        tasks[stage] = bars.add_task(stage, total=of)
                    bars.update(tasks[stage], completed=done, total=of)

                yield advance
            return
    yield progress
    progress("")

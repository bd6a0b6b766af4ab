"""ctxmem dedup: find near-duplicates in files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from ctxmem.cli import corpus
from ctxmem.cli.reading import DONE, FOUND, MISUSED, add_counter, print_json, progress
from ctxmem.cli.texts import Texts, read_texts
from ctxmem.dedup import Group, difference, find_near_duplicates
from ctxmem.errors import InputError
from ctxmem.report import visible
from ctxmem.report.words import many
from ctxmem.schema import SCHEMA_VERSION
from ctxmem.tokens import resolve

BATCH = 1024  # texts counted between two looks at the progress

EXAMPLES = (
    "ctxmem dedup passages.jsonl --keep unique.jsonl",
    "ctxmem dedup docs --paragraphs --threshold 0.7",
    "ctxmem dedup corpus/*.parquet --out deduplicated --memory 4G",
)
SETTINGS = ("counter", "threshold", "ngram", "measure", "unit", "prefer", "threads", "paragraphs")
"""Options whose defaults may be in pyproject.toml."""


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    dedup = commands.add_parser(
        "dedup",
        help="find near-duplicates in files",
        description="Find groups of passages that repeat one another, and say how many tokens they "
        "cost. The exit code is 1 if there are any, and 2 if there are none but something could "
        "not be read.",
        epilog="A JSON, JSONL or Parquet file has passages, as for pack, or traces, as for audit, "
        "of which the retrieved passages are compared. Any other file is one text, or, with "
        "--paragraphs, one text for each paragraph. Folders are searched.",
    )
    dedup.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="files or folders; - reads JSONL from standard input",
    )
    dedup.add_argument(
        "--threshold",
        type=float,
        default=0.5,
        help="share of shingles that two near-duplicates have in common (0.5)",
    )
    dedup.add_argument("--ngram", type=int, default=3, help="words or characters in a shingle (3)")
    dedup.add_argument(
        "--measure",
        choices=("jaccard", "containment"),
        default="jaccard",
        help="the share is of both texts (jaccard) or of the shorter one (jaccard)",
    )
    dedup.add_argument(
        "--unit", choices=("word", "char"), default="word", help="what a shingle consists of (word)"
    )
    dedup.add_argument(
        "--prefer",
        choices=("longest", "first"),
        default="longest",
        help="which text of a group is kept (longest)",
    )
    dedup.add_argument("--threads", type=int, default=1, help="number of threads (1)")
    dedup.add_argument(
        "--paragraphs", action="store_true", help="compare the paragraphs of files, not whole files"
    )
    add_counter(dedup)
    dedup.add_argument(
        "--keep", metavar="OUT", help="write one text of each group to OUT, as JSONL"
    )
    corpus.add_options(dedup)
    dedup.add_argument("--json", action="store_true", help="print the groups as JSON")
    dedup.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the groups and what they cost, or write one of each."""
    if arguments.out:
        return corpus.run(arguments)
    if arguments.engine != "auto":
        raise InputError(f"--engine {arguments.engine} needs --out, the folder of the results")
    read = read_texts(arguments.paths, paragraphs=arguments.paragraphs)
    names, texts = read.names, read.texts
    progress(f"comparing {len(texts):,} texts")
    groups = find_near_duplicates(
        texts,
        arguments.threshold,
        ngram=arguments.ngram,
        measure=arguments.measure,
        unit=arguments.unit,
        prefer=arguments.prefer,
        threads=arguments.threads,
    )
    counter = resolve(arguments.counter)
    tokens: list[int] = []
    for start in range(0, len(texts), BATCH):
        progress("counting tokens", start, len(texts))
        tokens += map(int, counter.count_many(texts[start : start + BATCH]))
    progress("")
    stays = {i: group.representative for group in groups for i in group}
    saved = sum(tokens[i] for i, kept in stays.items() if i != kept)
    if arguments.keep:
        kept_rows = [(names[i], text) for i, text in enumerate(texts) if stays.get(i, i) == i]
        _write_kept(arguments.keep, kept_rows)
    if arguments.json:
        print_json(
            {
                "schema_version": SCHEMA_VERSION,
                "texts": len(texts),
                "tokens": sum(tokens),
                "saved_tokens": saved,
                "counter": counter.name,
                "exact": counter.exact,
                "unread": read.unread,
                "groups": [_as_dict(group, names, tokens) for group in groups],
            }
        )
    else:
        _print_groups(groups, read, tokens, saved)
    return _ended(groups, read)


def _as_dict(group: Group, names: Sequence[str], tokens: Sequence[int]) -> dict[str, Any]:
    return {
        "keep": names[group.representative],
        "members": [
            {"id": names[i], "tokens": tokens[i], "similarity": share, "kind": kind}
            for i, share, kind in zip(group, group.similarities, group.kinds, strict=True)
        ],
    }


def _print_groups(groups: Sequence[Group], read: Texts, tokens: Sequence[int], saved: int) -> None:
    names, texts = read.names, read.texts
    repeats = len({i for group in groups for i in group}) - len(groups)
    if not repeats:
        print(f"{many(len(texts), 'text')}, {many(sum(tokens), 'token')}: none repeats another")
        return
    print(
        f"{many(len(texts), 'text')}, {many(sum(tokens), 'token')}: {repeats:,} of the texts "
        f"repeat{'s' if repeats == 1 else ''} others, in {many(len(groups), 'group')}; keeping "
        f"one of each saves {many(saved, 'token')} ({saved / max(1, sum(tokens)):.0%})"
    )
    for group in sorted(groups, key=lambda group: -sum(tokens[i] for i in group)):
        kept = group.representative
        print(f"\n{visible(names[kept])}  ({tokens[kept]:,} tokens, kept)")
        for i, share, kind in zip(group, group.similarities, group.kinds, strict=True):
            if i != kept:
                said = (
                    "same text"
                    if kind == "exact"
                    else (f"{kind} {share:.2f}, {difference(texts[i], texts[kept])}")
                )
                print(visible(f"  {names[i]}  {tokens[i]:,} tokens, {said}"))


def _write_kept(path: str, rows: Sequence[tuple[str, str]]) -> None:
    try:
        with open(path, "w", encoding="utf-8") as out:
            for name, text in rows:
                out.write(json.dumps({"id": name, "text": text}) + "\n")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror})") from None


def _ended(groups: Sequence[Group], read: Texts) -> int:
    """Say what was not read, and return the exit code: no gate passes what was not read."""
    for reason in read.reasons() if groups else ():
        print(f"ctxmem dedup: {visible(reason)}", file=sys.stderr)
    if read.empty:
        print(
            f"skipped {many(len(read.empty), 'file')} without text: {visible(read.empty[0])} ...",
            file=sys.stderr,
        )
    if groups:
        return FOUND
    if read.unread:
        why = visible("; ".join(read.reasons()))
        print(f"ctxmem dedup: nothing repeats in what could be read; {why}", file=sys.stderr)
        return MISUSED
    return DONE

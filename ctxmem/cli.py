"""The command line: ctxmem pack | dedup | vocab | bench.

Data goes to stdout, progress and errors to stderr. Exit codes: 0 done, 1 found something, 2 not
used as meant or an input that cannot be read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from ctxmem import __version__
from ctxmem.arrange import ORDERS
from ctxmem.dedup import difference, find_near_duplicates
from ctxmem.errors import CtxmemError, InputError
from ctxmem.intake import read
from ctxmem.pack import pack
from ctxmem.schema import SCHEMA_VERSION, Window
from ctxmem.tokens import resolve

DONE, FOUND, MISUSED = 0, 1, 2

BENCHES = {
    "tokens": "how fast are tokens counted?",
    "dedup": "how fast are near-duplicates found, and are they all?",
    "pack": "how long does a pack take?",
    "solver": "how fast are packings solved and proved?",
    "messages": "how long does it take to trim a chat?",
}

_HITS = ("chunks", "hits", "documents", "results", "messages")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        with warnings.catch_warnings(record=False):
            setattr(warnings, "showwarning", _show_warning)  # noqa: B010
            code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except CtxmemError as error:
        print(f"ctxmem {arguments.command}: {error}", file=sys.stderr)
        return MISUSED
    except BrokenPipeError:
        # The reader has gone (`| head`); the interpreter must not complain when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _show_warning(message: Warning | str, *_: Any) -> None:
    """Print a warning as a person reads it, without the line of code that gave it."""
    print(f"ctxmem: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ctxmem", description="Put the right context, not too much, before a model."
    )
    parser.add_argument("--version", action="version", version=f"ctxmem {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    packing = commands.add_parser(
        "pack",
        help="pack retrieved passages into a token budget",
        description="Pack retrieved passages into a token budget and say what became of each.",
        epilog="FILE is JSON (a list of passages, or an object with 'query' and a list under "
        "'chunks'), or JSONL with one passage a line. A passage is a str or an object with 'text' "
        "and, where known, id, score, rank, list, source, span.",
    )
    packing.add_argument("file", metavar="FILE", help="JSON or JSONL; - reads standard input")
    packing.add_argument("--query", help="the question; left out, the file's")
    packing.add_argument("--budget", type=_whole, help="tokens; left out, the file's")
    packing.add_argument("--counter", default="o200k_base", help="encoding or model name")
    packing.add_argument("--order", choices=ORDERS, default="auto")
    packing.add_argument("--header", help="line before each piece, such as '[{source}]'")
    packing.add_argument("--separator", default="\n\n", help="between pieces (default: blank line)")
    packing.add_argument("--ranked", action="store_true", help="the passages come best first")
    packing.add_argument("--no-dedup", action="store_true", help="keep every repeat")
    packing.add_argument("--text", action="store_true", help="print the window alone")
    packing.add_argument("--json", action="store_true", help="print everything as JSON")
    packing.add_argument("--html", metavar="OUT", help="also write the account as a page")
    packing.set_defaults(run=_pack)

    dedup = commands.add_parser(
        "dedup",
        help="find near-duplicates in files",
        description="Group passages that repeat one another, exactly, and say what they cost. "
        "Exits with 1 when there are any.",
        epilog="A JSON or JSONL file holds passages, as for pack; any other file is one text, or, "
        "with --paragraphs, one text a paragraph. Folders are searched.",
    )
    dedup.add_argument("paths", metavar="PATH", nargs="+", help="files or folders; - reads JSONL")
    dedup.add_argument("--threshold", type=float, default=0.5, help="shared shingles (0.5)")
    dedup.add_argument("--ngram", type=int, default=3, help="words in a shingle (3)")
    dedup.add_argument("--measure", choices=("jaccard", "containment"), default="jaccard")
    dedup.add_argument("--paragraphs", action="store_true", help="compare paragraphs of files")
    dedup.add_argument("--counter", default="o200k_base", help="encoding or model name")
    dedup.add_argument("--keep", metavar="OUT", help="write one of each as JSONL")
    dedup.add_argument("--json", action="store_true", help="print the groups as JSON")
    dedup.set_defaults(run=_dedup)

    vocab = commands.add_parser(
        "vocab",
        help="list and fetch the vocabularies that exact counts need",
        description="List where the vocabularies are found, or fetch one into the cache.",
    )
    vocab.add_argument("--fetch", metavar="NAME", help="download one, checked by its sha256")
    vocab.add_argument("--json", action="store_true", help="print as JSON")
    vocab.set_defaults(run=_vocab)

    bench = commands.add_parser(
        "bench",
        help="measure this machine against named peers",
        description="; ".join(f"{name}: {question}" for name, question in BENCHES.items()),
    )
    bench.add_argument("name", choices=BENCHES, metavar="|".join(BENCHES))
    bench.add_argument("options", nargs=argparse.REMAINDER, help="options of the benchmark")
    bench.set_defaults(run=_bench)
    return parser


def _whole(text: str) -> int:
    try:
        return int(text.replace("_", "").replace(",", ""))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of tokens") from None


# pack


def _pack(arguments: argparse.Namespace) -> int:
    items, given = _read(arguments.file)
    query = arguments.query if arguments.query is not None else given.get("query")
    budget = arguments.budget if arguments.budget is not None else given.get("budget")
    if budget is None:
        raise InputError(
            f"no budget given, and {arguments.file} names none; expected --budget TOKENS"
        )
    window = pack(
        items,
        budget,
        query=query,
        counter=arguments.counter,
        dedup=not arguments.no_dedup,
        order=arguments.order,
        header=arguments.header,
        separator=arguments.separator.encode().decode("unicode_escape")
        if "\\" in arguments.separator
        else arguments.separator,
        ranked=arguments.ranked,
    )
    if arguments.html:
        print(f"wrote {window.to_html(arguments.html)}", file=sys.stderr)
    if arguments.json:
        _print_json(window.to_dict())
    elif arguments.text:
        print(window.text)
    else:
        _show(window)
    return DONE


def _show(window: Window) -> None:
    """Print the account, then the window; coloured where rich and a terminal are there."""
    account = window.explain()
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        try:
            from rich.console import Console
            from rich.panel import Panel
            from rich.text import Text
        except ImportError:
            pass
        else:
            console = Console(highlight=False)
            console.print(Text(account))
            console.print(Panel(Text(window.text), title=f"window, {window.tokens:,} tokens"))
            return
    rule = "-" * 79
    print(f"{account}\n\n{rule}\n{window.text}\n{rule}")


def _read(path: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the passages of a file, and whatever else its object says."""
    if path == "-":
        text = _decoded(sys.stdin.buffer.read(), "standard input")
    else:
        text = _decoded(_bytes_of(path), path)
    if not text.strip():
        raise InputError(f"{path} is empty; expected passages as JSON or JSONL")
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        data = _lines(text, path, error)
    if isinstance(data, list):
        return data, {}
    if isinstance(data, dict):
        for key in _HITS:
            if isinstance(data.get(key), list):
                return data[key], data
        if isinstance(data.get("text"), str):
            return [data], {}
    raise InputError(
        f"{path} holds a JSON {type(data).__name__} without passages; expected a list, or an "
        f"object with a list under one of: {', '.join(_HITS)}"
    )


def _bytes_of(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); expected the path of a file, or -"
        ) from None


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8 (byte {error.start}); expected UTF-8: convert it first"
        ) from None


def _lines(text: str, path: str, whole: json.JSONDecodeError) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number == 1:  # not JSONL either: the error of the whole tells more
                raise InputError(f"{path} is not JSON: {whole}; expected JSON or JSONL") from None
            raise InputError(
                f"{path}, line {number} is not JSON: {error}; expected one passage a line"
            ) from None
    return rows


# dedup


def _dedup(arguments: argparse.Namespace) -> int:
    names, texts = _passages(arguments.paths, arguments.paragraphs)
    _progress(f"comparing {len(texts):,} texts")
    groups = find_near_duplicates(
        texts, arguments.threshold, ngram=arguments.ngram, measure=arguments.measure
    )
    counter = resolve(arguments.counter)
    _progress("counting tokens")
    tokens = list(map(int, counter.count_many(texts)))
    _progress("")
    # The longest of a group stands for it, as in find_near_duplicates.
    stays = {i: max(group, key=lambda i: (len(texts[i]), -i)) for group in groups for i in group}
    saved = sum(tokens[i] for i, kept in stays.items() if i != kept)
    if arguments.keep:
        with open(arguments.keep, "w", encoding="utf-8") as out:
            for i, text in enumerate(texts):
                if stays.get(i, i) == i:
                    out.write(json.dumps({"id": names[i], "text": text}) + "\n")
    if arguments.json:
        _print_json(
            {
                "schema_version": SCHEMA_VERSION,
                "texts": len(texts),
                "tokens": sum(tokens),
                "saved_tokens": saved,
                "counter": counter.name,
                "exact": counter.exact,
                "groups": [
                    {
                        "keep": names[stays[group[0]]],
                        "members": [{"id": names[i], "tokens": tokens[i]} for i in group],
                    }
                    for group in groups
                ],
            }
        )
        return FOUND if groups else DONE
    repeats = len(stays) - len(groups)
    print(
        f"{len(texts):,} texts, {sum(tokens):,} tokens: {repeats:,} repeat others, in "
        f"{len(groups):,} groups; keeping one of each saves {saved:,} tokens "
        f"({saved / max(1, sum(tokens)):.0%})"
    )
    for group in sorted(groups, key=lambda group: -sum(tokens[i] for i in group)):
        kept = stays[group[0]]
        print(f"\n{names[kept]}  ({tokens[kept]:,} tokens, kept)")
        for i in group:
            if i != kept:
                same = "same text" if texts[i] == texts[kept] else difference(texts[i], texts[kept])
                print(f"  {names[i]}  {tokens[i]:,} tokens, {same}")
    return FOUND if groups else DONE


def _passages(paths: Sequence[str], paragraphs: bool) -> tuple[list[str], list[str]]:
    """Return names and texts of all passages; blank ones are left out."""
    files: list[str] = []
    for path in paths:
        if path != "-" and Path(path).is_dir():
            files += sorted(str(file) for file in Path(path).rglob("*") if file.is_file())
        else:
            files.append(path)
    names, texts = [], []
    for number, file in enumerate(files, start=1):
        _progress(f"reading {number:,} of {len(files):,} files")
        if file == "-" or Path(file).suffix in (".json", ".jsonl"):
            table = read(_read(file)[0])
            parts = [(chunk.id or "", chunk.text) for chunk in table.chunks]
            parts = [(f"{file}:{n}", text) for n, (_, text) in enumerate(parts, start=1)]
        else:
            text = _decoded(_bytes_of(file), file)
            cut = [part for part in text.split("\n\n") if part.strip()] if paragraphs else [text]
            parts = [(f"{file}:{n}" if paragraphs else file, p) for n, p in enumerate(cut, 1)]
        for name, text in parts:
            if text.strip():
                names.append(name)
                texts.append(text)
    if not texts:
        raise InputError(f"{', '.join(paths)}: no text; expected files with passages")
    return names, texts


def _progress(stage: str) -> None:
    """Show what is being done, where somebody watches; an empty stage clears the line."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{stage}", end="", file=sys.stderr, flush=True)


# vocab


def _vocab(arguments: argparse.Namespace) -> int:
    from ctxmem import tokens

    if arguments.fetch:
        found = tokens.fetch_vocabulary(arguments.fetch)
        print(f"{found.name} is at {found.path}", file=sys.stderr)
    rows = tokens.vocabularies()
    if arguments.json:
        _print_json(
            {
                "schema_version": SCHEMA_VERSION,
                "vocabularies": [
                    {
                        "name": row.name,
                        "path": None if row.path is None else str(row.path),
                        "place": row.place,
                        "size": row.size,
                        "sha256_ok": row.sha256_ok,
                    }
                    for row in rows
                ],
            }
        )
    else:
        for row in rows:
            if row.path is None:
                print(f"{row.name:<14} not found; ctxmem vocab --fetch {row.name} downloads it")
            else:
                damage = "" if row.sha256_ok else ", damaged: not used"
                print(f"{row.name:<14} {row.path} ({row.place}, {row.size / 1e6:.1f} MB{damage})")
    return DONE


# bench


def _bench(arguments: argparse.Namespace) -> int:
    code: int = import_module(f"ctxmem.bench.{arguments.name}").main(arguments.options)
    return code


def _print_json(data: Any, file: TextIO | None = None) -> None:
    # ASCII, so that lone surrogates and any terminal's encoding are no concern of the reader's.
    json.dump(data, file or sys.stdout, indent=2)
    print(file=file or sys.stdout)

"""ctxmem pack: pack passages into a token budget."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from ctxmem.cli.reading import DONE, add_counter, is_passages, print_json, read, whole, write_page
from ctxmem.codebase import code, kind_of
from ctxmem.errors import InputError
from ctxmem.pipeline import pack
from ctxmem.render import AUTO, ORDERS
from ctxmem.report import visible
from ctxmem.schema import Budget, Window

EXAMPLES = (
    'ctxmem pack hits.json --budget 4000 --query "How long is the notice period?"',
    'ctxmem pack src tests --budget 8000 --query "Where is a retry decided?"',
    'search "notice period" --json | ctxmem pack - --budget 4000 --text',
)
SETTINGS = (
    "budget",
    "counter",
    "auto",
    "whole",
    "order",
    "header",
    "separator",
    "ranked",
    "dedup",
    "dedup-threshold",
)
"""Options whose defaults may be in pyproject.toml."""


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    packing = commands.add_parser(
        "pack",
        help="pack retrieved passages, or a folder of code, into a token budget",
        description="Pack retrieved passages into a token budget and say what became of each: what "
        "was kept, what repeats or overlaps others, what was left out, and why. A folder, or files "
        "of code, are packed by their functions and classes, with line numbers.",
        epilog="FILE is JSON (a list of passages, or an object with 'query', 'variants', 'budget' "
        "and a list under 'passages'), or JSONL with one passage a line. A passage is a str or an "
        "object with 'text' (or 'page_content', 'content') and, where known, id, score, rank, "
        "list, source, span. Several such files are read together. Folders, and files with other "
        "endings such as .py and .md, are code and texts.",
    )
    packing.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="JSON or JSONL with passages (- is standard input), or files and folders of code",
    )
    for name, what in (("include", "read only"), ("exclude", "leave out")):
        packing.add_argument(
            f"--{name}",
            metavar="PATTERN",
            action="append",
            default=[],
            help=f"in folders, {what} files that match PATTERN, as in .gitignore; may be repeated",
        )
    packing.add_argument("--query", help="the question (default: the query in FILE)")
    packing.add_argument(
        "--variant",
        metavar="TEXT",
        action="append",
        help="another wording of the question; may be repeated (default: the variants in FILE)",
    )
    packing.add_argument(
        "--budget", type=whole, help="tokens of the window (default: the budget in FILE)"
    )
    packing.add_argument(
        "--auto",
        metavar="DENSITY",
        nargs="?",
        const=True,
        default=False,
        type=_density,
        help="stop early, when the next passage has less value per token than DENSITY, such as "
        "0.01 (without a number: a limit at which almost no evidence was lost in tests)",
    )
    packing.add_argument(
        "--whole", action="store_true", help="keep each passage whole, or leave it out"
    )
    add_counter(packing)
    packing.add_argument(
        "--order",
        choices=ORDERS,
        default="auto",
        help="order of the passages in the window: best documents first (auto), best first, by "
        "source, or as given (auto)",
    )
    packing.add_argument(
        "--header",
        default=AUTO,
        help="line before each piece, such as '[{source}]'; '' for none (default: the source, if a "
        "piece could be read as part of another)",
    )
    packing.add_argument(
        "--separator", default="\n\n", help="text between pieces (default: a blank line)"
    )
    packing.add_argument(
        "--ranked", action="store_true", help="the passages are sorted, best first"
    )
    packing.add_argument(
        "--dedup",
        choices=("careful", "exact", "off"),
        default="careful",
        help="fold near-duplicates that say the same (careful), exact repeats only, or nothing "
        "(careful)",
    )
    packing.add_argument(
        "--no-dedup",
        dest="dedup",
        action="store_const",
        const="off",
        help="the same as --dedup off",
    )
    packing.add_argument(
        "--dedup-threshold",
        metavar="SHARE",
        type=float,
        help="fold all passages that share at least SHARE of their word 3-grams, such as 0.5",
    )
    packing.add_argument("--text", action="store_true", help="print only the text of the window")
    packing.add_argument("--json", action="store_true", help="print the whole result as JSON")
    packing.add_argument(
        "--html", metavar="OUT", help="also write a page that shows the window beside its sources"
    )
    packing.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Pack a file or a folder and print what became of its passages, the text or JSON."""
    items, given = _read(arguments)
    query = arguments.query if arguments.query is not None else given.get("query")
    variants = arguments.variant if arguments.variant is not None else given.get("variants")
    budget = arguments.budget if arguments.budget is not None else given.get("budget")
    if budget is None:
        raise InputError(
            f"no budget given, and {arguments.files[0]} names none; expected --budget TOKENS"
        )
    window = pack(
        items,
        Budget(budget, auto=arguments.auto) if arguments.auto else budget,
        query=query,
        variants=variants or (),
        counter=arguments.counter,
        dedup=False if arguments.dedup == "off" else arguments.dedup,
        dedup_threshold=arguments.dedup_threshold,
        compress=not arguments.whole,
        order=arguments.order,
        header=arguments.header,
        separator=arguments.separator.encode().decode("unicode_escape")
        if "\\" in arguments.separator
        else arguments.separator,
        ranked=arguments.ranked,
    )
    if arguments.json:
        print_json(window.to_dict())
    elif arguments.text:
        print(window.text)
    else:
        _show(window)
    if arguments.html:
        write_page(window.to_html, arguments.html)
    return DONE


def _read(arguments: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
    """Return what is packed, and what its file says beside it; a note says what was not read."""
    paths = arguments.files
    passages = [path for path in paths if path == "-" or is_passages(path)]
    if len(paths) == 1 and not _is_code(paths[0]):
        passages = paths
    if len(passages) == len(paths):
        if arguments.include or arguments.exclude:
            raise InputError(
                f"{paths[0]} is a file of passages; expected --include and --exclude with a folder"
            )
        return _passages(paths, arguments)
    for path in passages:
        print(
            f"ctxmem pack: {path} has passages; it is read as source code, as the other paths are",
            file=sys.stderr,
        )
    codebase = code(paths, include=arguments.include, exclude=arguments.exclude)
    if codebase.files or codebase.skipped:
        print(codebase.explain(), file=sys.stderr)
    chunks = list(codebase.chunks(arguments.query))
    if not chunks:
        left = ", and that --include and --exclude let through" if _filters(arguments) else ""
        raise InputError(
            f"{', '.join(paths)}: no file is read; expected source code or texts, such as .py, "
            f".md or .txt{left}"
        )
    return chunks, {}


def _filters(arguments: argparse.Namespace) -> bool:
    return bool(arguments.include or arguments.exclude)


def _passages(
    paths: Sequence[str], arguments: argparse.Namespace
) -> tuple[list[Any], dict[str, Any]]:
    """Return the passages of one or several files, and what these say beside them.

    Of several files that are sorted, each is a list of its own.
    """
    found: list[Any] = []
    beside: dict[str, Any] = {}
    for path in paths:
        items, given = read(path)
        if arguments.ranked and len(paths) > 1:
            items = [_in_list(item, path, rank) for rank, item in enumerate(items)]
        found += items
        for name in ("query", "variants", "budget"):
            value = given.get(name)
            if value is None:
                continue
            if getattr(arguments, _OPTIONS[name]) is None and beside.get(name, value) != value:
                raise InputError(
                    f"{path} has another {name} than a file before it; expected --{_OPTIONS[name]}"
                )
            beside[name] = value
    if not found:
        where = "standard input" if paths[0] == "-" else ", ".join(paths)
        raise InputError(f"{where} holds no passages; expected at least one")
    return found, beside


_OPTIONS = {"query": "query", "variants": "variant", "budget": "budget"}
"""The option that is used in place of what a file says."""


def _in_list(item: Any, name: str, rank: int) -> Any:
    """Return a passage with its place in the list that a file is, unless it has one."""
    if isinstance(item, str):
        return {"text": item, "list": name, "rank": rank}
    return {"list": name, "rank": rank, **item} if isinstance(item, dict) else item


def _is_code(path: str) -> bool:
    """Return whether a path is a folder or a file of code, not a file of passages."""
    return os.path.isdir(path) or (path != "-" and kind_of(path) is not None)


def _density(text: str) -> float:
    """Return the least value per token that is paid for."""
    expected = "expected a number above 0 and at most 1, such as 0.01"
    try:
        density = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no value per token; {expected}, or none: put FILE before --auto"
        ) from None
    if not 0.0 < density <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no value per token; {expected}")
    return density


def _show(window: Window) -> None:
    """Print the explanation, then the window; in a frame where rich and a terminal are there."""
    explained = window.explain()
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        try:
            from rich.console import Console
            from rich.panel import Panel
            from rich.text import Text
        except ImportError:
            pass
        else:
            console = Console(highlight=False)
            console.print(Text(explained))
            console.print(
                Panel(Text(visible(window.text)), title=f"window, {window.tokens:,} tokens")
            )
            return
    rule = "-" * 79
    print(f"{explained}\n\n{rule}\n{visible(window.text)}\n{rule}")

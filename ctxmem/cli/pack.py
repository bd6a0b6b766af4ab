"""ctxmem pack: pack passages into a token budget."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from ctxmem.cli.reading import DONE, add_counter, print_json, read, whole
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
        "list, source, span. A folder, several files, or a file with the ending of a source file "
        "is code.",
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
    if arguments.html:
        print(f"wrote {window.to_html(arguments.html)}", file=sys.stderr)
    if arguments.json:
        print_json(window.to_dict())
    elif arguments.text:
        print(window.text)
    else:
        _show(window)
    return DONE


def _read(arguments: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
    """Return what is packed, and what its file says beside it; a note says what was not read."""
    paths = arguments.files
    if not _is_code(paths):
        if arguments.include or arguments.exclude:
            raise InputError(
                f"{paths[0]} is a file of passages; expected --include and --exclude with a folder"
            )
        return read(paths[0])
    codebase = code(paths, include=arguments.include, exclude=arguments.exclude)
    print(codebase.explain(), file=sys.stderr)
    return list(codebase.chunks(arguments.query)), {}


def _is_code(paths: Sequence[str]) -> bool:
    """Return whether paths are folders or files of code, not one file of passages."""
    if len(paths) > 1:
        return True
    return os.path.isdir(paths[0]) or (paths[0] != "-" and kind_of(paths[0]) is not None)


def _density(text: str) -> float:
    """Return the least value per token that is paid for."""
    try:
        density = float(text)
    except ValueError:
        density = 0.0
    if not 0.0 < density <= 1.0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no value per token; expected a number above 0 and at most 1, such as "
            f"0.01, or none: put FILE before --auto"
        )
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

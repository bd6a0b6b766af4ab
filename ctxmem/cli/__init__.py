"""The command line: ctxmem audit | blame | pack | dedup | replay | vocab | bench.

One file is one command. Data goes to stdout, progress and errors to stderr. Exit codes: 0 done, 1
found something, 2 not used as meant or an input that cannot be read.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from ctxmem import __version__
from ctxmem.cli import audit, bench, blame, dedup, pack, replay, vocab
from ctxmem.cli.reading import DONE, MISUSED
from ctxmem.errors import CtxmemError
from ctxmem.report import visible

COMMANDS = (audit, blame, pack, dedup, replay, vocab, bench)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = _parser()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character shows another; it is no reason to stop.
            stream.reconfigure(errors="replace")
    arguments = parser.parse_args(bench.with_name(sys.argv[1:] if argv is None else list(argv)))
    try:
        with warnings.catch_warnings(record=False):
            setattr(warnings, "showwarning", _show_warning)  # noqa: B010
            code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except CtxmemError as error:
        print(f"ctxmem {arguments.command}: {visible(str(error))}", file=sys.stderr)
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
    for command in COMMANDS:
        command.add_to(commands)
    return parser

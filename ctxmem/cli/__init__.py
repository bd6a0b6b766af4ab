"""The command line: ctxmem audit | blame | pack | dedup | replay | serve | mcp | vocab | bench.

One file is one command. Data goes to stdout, progress and errors to stderr. Exit codes: 0 done, 1
found something, 2 not used as meant or an input that cannot be read, 130 interrupted. A reader that
leaves early, as that of `| head` does, does not change the code.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence
from errno import EINVAL
from typing import Any, TextIO

from ctxmem import __version__
from ctxmem.cli import audit, bench, blame, dedup, mcp, pack, replay, serve, vocab
from ctxmem.cli.reading import INTERRUPTED, MISUSED, progress
from ctxmem.errors import CtxmemError
from ctxmem.report import visible

COMMANDS = (audit, blame, pack, dedup, replay, serve, mcp, vocab, bench)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_patient, before)
    try:
        return _run(bench.with_name(sys.argv[1:] if argv is None else list(argv)))
    finally:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        sys.stdout, sys.stderr = before


def _run(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    try:
        with warnings.catch_warnings(record=False):
            setattr(warnings, "showwarning", _show_warning)  # noqa: B010
            code: int = arguments.run(arguments)
        return code
    except CtxmemError as error:
        progress("")
        print(f"ctxmem {arguments.command}: {visible(str(error))}", file=sys.stderr)
        return MISUSED
    except KeyboardInterrupt:
        progress("")
        print(f"ctxmem {arguments.command}: interrupted", file=sys.stderr)
        return INTERRUPTED


class _Pipe(io.FileIO):
    """A stream whose reader may leave: what is written then is dropped, and the work goes on."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            if isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == EINVAL):
                return memoryview(data).nbytes
            raise


def _patient(stream: TextIO) -> TextIO:
    """Return a standard stream that outlives its reader and shows what its encoding can.

    A terminal that cannot show a character shows another; it is no reason to stop.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    captured = stream not in (sys.__stdout__, sys.__stderr__)
    if captured or stream.isatty():  # a terminal does not leave
        stream.reconfigure(errors="replace")
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Pipe(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.line_buffering or stream is sys.__stderr__,
    )


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

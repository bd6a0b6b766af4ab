"""The command line: ctxmem audit | blame | pack | dedup | replay | serve | mcp | vocab | bench.

One file is one command. Data goes to stdout, progress and errors to stderr. Exit codes: 0 done, 1
found something, 2 wrong usage or an input that cannot be read, 3 a fault of ctxmem itself, 130
interrupted. A reader that leaves early, as that of `| head` does, does not change the code.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from errno import EINVAL
from typing import Any, TextIO

from ctxmem import __version__
from ctxmem.cli import (
    audit,
    bench,
    blame,
    completion,
    dedup,
    mcp,
    pack,
    replay,
    serve,
    settings,
    vocab,
)
from ctxmem.cli.formatting import HelpFormatter, Parser, with_examples
from ctxmem.cli.reading import FAILED, INTERRUPTED, MISUSED, progress
from ctxmem.errors import CtxmemError
from ctxmem.report import visible

COMMANDS = (audit, blame, pack, dedup, replay, serve, mcp, vocab, bench, completion)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_patient, before)
    try:
        try:
            return _run(bench.with_name(sys.argv[1:] if argv is None else list(argv)))
        finally:
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()
    except _OutputError as error:
        print(f"ctxmem: the output cannot be written ({error.strerror})", file=sys.stderr)
        return MISUSED
    finally:
        sys.stdout, sys.stderr = before


def _run(argv: list[str]) -> int:
    name = ""
    try:
        parser, commands = make_parser()
        name = next((word for word in argv if word in commands), "")
        if name in _SETTINGS and "--no-config" not in argv[: argv.index(name)]:
            settings.apply(commands, _SETTINGS, name)
        arguments = parser.parse_args(argv)
        with warnings.catch_warnings(record=False):
            setattr(warnings, "showwarning", _show_warning)  # noqa: B010
            code: int = arguments.run(arguments)
        return code
    except CtxmemError as error:
        progress("")
        print(f"{_called(name)}: {visible(str(error))}", file=sys.stderr)
        return MISUSED
    except KeyboardInterrupt:
        progress("")
        print(f"{_called(name)}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except _OutputError:
        raise
    except Exception:
        # Python's own code for this is 1, which means that something was found.
        progress("")
        traceback.print_exc()
        print(f"{_called(name)}: this is a fault of ctxmem; please report it", file=sys.stderr)
        return FAILED


def _called(name: str) -> str:
    return f"ctxmem {name}".rstrip()


class _OutputError(OSError):
    """Standard output or error cannot be written, such as to a full disk."""


class _Pipe(io.FileIO):
    """A stream whose reader may leave: what is written then is dropped, and the work goes on.

    Any other error is raised once; what is written later, as when the stream is closed, is dropped.
    """

    failed = False

    def write(self, data: Any) -> int:
        if self.failed:
            return memoryview(data).nbytes
        try:
            return super().write(data) or 0
        except OSError as error:
            if isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == EINVAL):
                return memoryview(data).nbytes
            self.failed = True
            raise _OutputError(error.errno, error.strerror) from None


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


def make_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of the command line and, by name, those of its commands."""
    parser = Parser(
        prog="ctxmem",
        description="Put the right context, not too much, in front of a language model.",
        epilog=with_examples(
            "ctxmem COMMAND --help explains a command. Commands that only read files take defaults "
            "of their options from [tool.ctxmem] of pyproject.toml.",
            EXAMPLES,
        ),
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ctxmem {__version__}")
    parser.add_argument("--no-config", action="store_true", help="do not read pyproject.toml")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    made: dict[str, argparse.ArgumentParser] = dict(commands.choices)
    for command, of_command in zip(COMMANDS, made.values(), strict=True):
        of_command.epilog = with_examples(of_command.epilog or "", command.EXAMPLES)
        of_command.formatter_class = HelpFormatter
    return parser, made


EXAMPLES = (
    "ctxmem pack hits.json --budget 4000",
    "ctxmem audit traces/ --html audit.html",
    "ctxmem serve --demo",
)
_SETTINGS: dict[str, tuple[str, ...]] = {
    "audit": audit.SETTINGS,
    "blame": blame.SETTINGS,
    "pack": pack.SETTINGS,
    "dedup": dedup.SETTINGS,
    "replay": replay.SETTINGS,
}

"""ctxmem completion: print the script by which a shell completes ctxmem's commands and options."""

from __future__ import annotations

import argparse
from typing import Any

from ctxmem.cli.bench import ALL, BENCHES
from ctxmem.cli.reading import DONE
from ctxmem.errors import MissingExtraError

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")

EXAMPLES = (
    "ctxmem completion bash > ~/.local/share/bash-completion/completions/ctxmem",
    "ctxmem completion zsh > ~/.zfunc/_ctxmem",
    "ctxmem completion fish > ~/.config/fish/completions/ctxmem.fish",
)

_FILES = {"FILE", "PATH", "TRACE", "TRACES", "OUT"}
_FOLDERS = {"DIR"}


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "completion",
        help="print a script that completes commands and options in a shell",
        description="Print the script by which a shell completes ctxmem's commands, options and "
        "file names. Needs the extra cli.",
    )
    parser.add_argument("shell", choices=SHELLS, help="shell for which the script is")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script for a shell."""
    try:
        import shtab
    except ImportError:
        raise MissingExtraError(
            "ctxmem completion needs shtab: pip install 'ctxmem[cli]'"
        ) from None
    from ctxmem.cli import make_parser

    if arguments.shell not in shtab.SUPPORTED_SHELLS:
        raise MissingExtraError(
            f"this version of shtab does not know {arguments.shell}: pip install -U shtab"
        )
    parser, commands = make_parser()
    for command in commands.values():
        for action in command._actions:
            _complete(action, shtab)
    print(shtab.complete(parser, shell=arguments.shell))
    return DONE


def _complete(action: argparse.Action, shtab: Any) -> None:
    """Say what completes the value of an option: files, folders or the names of benchmarks."""
    if action.metavar in _FILES:
        setattr(action, "complete", shtab.FILE)  # noqa: B010
    elif action.metavar in _FOLDERS:
        setattr(action, "complete", shtab.DIRECTORY)  # noqa: B010
    elif action.dest == "name" and action.default == ALL:
        action.choices = [*BENCHES, ALL]

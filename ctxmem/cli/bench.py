"""ctxmem bench: measure this machine against named peers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from ctxmem.errors import InputError

BENCHES = {
    "tokens": "how fast are tokens counted?",
    "estimates": "how far above the true counts are estimates, and how often below?",
    "dedup": "how fast are near-duplicates found, and are they all?",
    "scale": "do time and memory of a corpus on disk grow in line, and is all found?",
    "engines": "which engine takes a corpus in which time and memory, and what does it miss?",
    "pack": "how long does a pack take?",
    "solver": "how fast are packings solved and proved?",
    "quality": "how much of the evidence does the window keep?",
    "structure": "are questions to technical texts answered, and is their structure kept?",
    "code": "is the function that a question asks for in the window, whole?",
    "constraints": "what do constraints cost, and how far is a window from the best selection?",
    "episodes": "does one budget for a whole request hold more evidence than fixed shares?",
    "single_list": "does one dense list lose evidence against its own order?",
    "tools": "is the tool that a question needs in the request, when all do not fit?",
    "bill": "what does a conversation cost under prompt caching?",
    "gateway": "does a managed conversation ever cost more than passing it through?",
    "memory": "are budget and prefix kept at once, and what does a call take?",
    "binding": "do statements that bind stay in a window far smaller than the session?",
    "stores": "what does a turn cost in a store, beside the bare database?",
    "eviction": "which eviction policy misses least?",
    "messages": "how long does it take to trim a chat?",
    "adapters": "how much work do the adapters save?",
    "audit": "how fast are traces audited, and is all found?",
    "forgetting": "is what left a window and was needed later found, and nothing else?",
    "gateway_latency": "what does the gateway add to a request, and how many does a core carry?",
    "blame": "is the fault of each question named right, and do the intervals hold?",
}


ALL = "all"

EXAMPLES = (
    "ctxmem bench tokens",
    "ctxmem bench --html bench.html",
    "ctxmem bench --history bench/history.jsonl",
)


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    bench = commands.add_parser(
        "bench",
        help="measure this machine against named peers",
        description="Run one benchmark by name, or without a name all, as one comparison:\n\n"
        + "\n".join(f"  {name:<16}{question}" for name, question in BENCHES.items()),
    )
    bench.add_argument("name", nargs="?", default=ALL, metavar="NAME", help="one of these, or all")
    bench.add_argument("options", nargs=argparse.REMAINDER, help="options of the benchmark")
    bench.set_defaults(run=run)


def with_name(argv: Sequence[str]) -> list[str]:
    """Return arguments in which `bench --only tokens` has the name that it leaves out.

    argparse would take the value of the option for the name.
    """
    bare = not argv[1:] or argv[1].startswith("-")
    if argv[:1] == ["bench"] and bare and argv[1:2] not in (["-h"], ["--help"]):
        return ["bench", ALL, *argv[1:]]
    return [*argv]


def run(arguments: argparse.Namespace) -> int:
    """Run one benchmark, or all; each parses its own options."""
    name, options = arguments.name, arguments.options
    if name == ALL:
        code: int = import_module("ctxmem.bench.everything").main(options, names=BENCHES)
        return code
    if name not in BENCHES:
        raise InputError(f"there is no benchmark {name!r}; there are: {', '.join([*BENCHES, ALL])}")
    code = import_module(f"ctxmem.bench.{name}").main(options)
    return code

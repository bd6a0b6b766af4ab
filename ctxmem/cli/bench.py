"""ctxmem bench: measure this machine against named peers."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

BENCHES = {
    "tokens": "how fast are tokens counted?",
    "dedup": "how fast are near-duplicates found, and are they all?",
    "pack": "how long does a pack take?",
    "solver": "how fast are packings solved and proved?",
    "bill": "what does a conversation cost under prompt caching?",
    "memory": "are budget and prefix kept at once, and what does a call take?",
    "eviction": "which eviction policy misses least?",
    "messages": "how long does it take to trim a chat?",
}


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    bench = commands.add_parser(
        "bench",
        help="measure this machine against named peers",
        description="; ".join(f"{name}: {question}" for name, question in BENCHES.items()),
    )
    bench.add_argument("name", choices=BENCHES, metavar="|".join(BENCHES))
    bench.add_argument("options", nargs=argparse.REMAINDER, help="options of the benchmark")
    bench.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run one benchmark; it parses its own options."""
    code: int = import_module(f"ctxmem.bench.{arguments.name}").main(arguments.options)
    return code

"""ctxmem vocab: list the vocabularies, and fetch those that are not in the package."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ctxmem import tokens
from ctxmem.cli.reading import DONE, print_json
from ctxmem.schema import SCHEMA_VERSION


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    vocab = commands.add_parser(
        "vocab",
        help="list the vocabularies of exact counts; fetch those not in the package",
        description="List the vocabularies of the package and where others are found, or fetch "
        "one into the cache.",
    )
    vocab.add_argument("--fetch", metavar="NAME", help="download one, checked by its sha256")
    vocab.add_argument("--json", action="store_true", help="print as JSON")
    vocab.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List the vocabularies, or fetch one."""
    if arguments.fetch:
        found = tokens.fetch_vocabulary(arguments.fetch)
        print(f"{found.name} is at {found.path} ({found.place})", file=sys.stderr)
    rows = tokens.vocabularies()
    if arguments.json:
        print_json(
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
                size = f"{row.size / 1e6:.1f} MB"
                print(f"{row.name:<14} {row.place}: {row.path} ({size}{damage})")
    return DONE

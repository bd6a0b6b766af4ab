"""ctxmem vocab: say how models are counted, list vocabularies, and fetch what the package lacks."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from ctxmem import tokens
from ctxmem.cli.reading import DONE, print_json
from ctxmem.errors import InputError
from ctxmem.schema import SCHEMA_VERSION
from ctxmem.tokens import caches
from ctxmem.tokens.names import tokenizer_path

# Kinds of text whose margins are shown; `Estimate.margins` has all.
_SHOWN = {"words": "English", "names": "names in code", "digits": "digits", "cyrillic": "Cyrillic"}
_SHOWN |= {"han": "Chinese characters"}

EXAMPLES = (
    "ctxmem vocab",
    "ctxmem vocab gpt-4o claude-sonnet-4-5 ./tokenizer.json",
    "ctxmem vocab --fetch p50k_base",
)


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    vocab = commands.add_parser(
        "vocab",
        help="say how models are counted; list vocabularies, and fetch those not in the package",
        description="Say how models are counted: exactly, and by which file, or by an estimate. "
        "Without a model, list the vocabularies of the package, where others are found, and the "
        "models whose tokenizer file is in a cache of Hugging Face; or fetch one into the cache.",
    )
    vocab.add_argument(
        "models", nargs="*", metavar="MODEL", help="a model, an encoding or a tokenizer file"
    )
    vocab.add_argument(
        "--fetch", metavar="NAME", help="download the vocabulary NAME and check its SHA-256"
    )
    vocab.add_argument("--json", action="store_true", help="print the result as JSON")
    vocab.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Say how models are counted, list what there is, or fetch a vocabulary."""
    if arguments.fetch:
        found = tokens.fetch_vocabulary(arguments.fetch)
        print(f"{found.name} is at {found.path} ({found.place})", file=sys.stderr)
    if arguments.models:
        answers = [_counting(model) for model in arguments.models]
        if arguments.json:
            print_json({"schema_version": SCHEMA_VERSION, "models": answers})
        else:
            for answer in answers:
                print(_in_words(answer))
        return DONE
    rows = tokens.vocabularies()
    cached = dict(caches.models())
    if arguments.json:
        _print_as_json(rows, cached)
        return DONE
    for row in rows:
        if row.path is None:
            print(f"{row.name:<14} not found; ctxmem vocab --fetch {row.name} downloads it")
        else:
            damage = "" if row.sha256_ok else ", damaged: not used"
            size = f"{row.size / 1e6:.1f} MB"
            print(f"{row.name:<14} {row.place}: {row.path} ({size}{damage})")
    for model, path in cached.items():
        print(f"{model} in a cache: {path}")
    return DONE


def _counting(model: str) -> dict[str, Any]:
    """Return how a model is counted, as plain data."""
    try:
        counter = tokens.resolve(model)
    except InputError:
        if not os.path.isfile(model):
            raise
        raise InputError(
            f"{model} is no tokenizer file; expected a tokenizer.json, or a file that ends in "
            ".tiktoken or .model"
        ) from None
    path = tokenizer_path(model)
    estimated = isinstance(counter, tokens.Estimate)
    return {
        "model": model,
        "counter": counter.name,
        "exact": counter.exact,
        "path": None if path is None else str(path),
        "family": counter.family if isinstance(counter, tokens.Estimate) else None,
        "margins": tokens.Estimate(model).margins() if estimated else None,
    }


def _in_words(answer: dict[str, Any]) -> str:
    model = answer["model"]
    if answer["margins"] is None:
        name = "" if answer["counter"] in (model, answer["path"]) else f" as {answer['counter']}"
        return f"{model}: exact{name}, by {answer['path'] or 'a library'}"
    margins = ", ".join(f"{shown} {answer['margins'][kind]:.2f}" for kind, shown in _SHOWN.items())
    family = answer["family"]
    what = {
        "unknown": "an unknown tokenizer",
        "estimate": "any model, like o200k_base",
    }.get(family, f"family {family}")
    return (
        f"{model}: estimated, as {what}; no tokenizer file of it was found. A window of 1,000 "
        f"tokens is counted as at most this many times what is expected: {margins}"
    )


def _print_as_json(rows: list[tokens.VocabularyFile], cached: dict[str, Any]) -> None:
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
            "cached_models": {model: str(path) for model, path in cached.items()},
        }
    )

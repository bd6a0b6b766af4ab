"""What commands have in common: passages in, JSON and progress out, and some options."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from ctxmem.errors import InputError
from ctxmem.input_files import BadLineError, decoded, json_lines, read_bytes
from ctxmem.intake import TEXT_KEYS

DONE, FOUND, MISUSED, FAILED, INTERRUPTED = 0, 1, 2, 3, 130

_HITS = "chunks hits documents results messages passages contexts retrieved".split()
"""Keys of an object that has passages; of two, the first is read."""


def read(path: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the passages of a file, and whatever else its object says."""
    given = sys.stdin.buffer.read() if path == "-" else read_bytes(path, "the path of a file, or -")
    path = "standard input" if path == "-" else path
    text = decoded(given, path)
    if not text.strip():
        raise InputError(f"{path} is empty; expected passages as JSON or JSONL")
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        data = _lines(text, path, error)
    except RecursionError:
        raise InputError(f"{path} is nested too deep; expected a list of passages") from None
    if isinstance(data, list):
        return data, {}
    if isinstance(data, dict):
        for key in _HITS:
            if isinstance(data.get(key), list):
                return data[key], data
    if _is_passage(data):  # JSONL of one line is JSON as well
        return [data], {}
    raise InputError(
        f"{path} holds {_KINDS[type(data)]} without passages; expected a list, one "
        f"passage, or an object with a list under one of: {', '.join(_HITS)}"
    )


_KINDS: dict[type, str] = {
    **{dict: "an object", str: "an empty text", bool: "true or false", type(None): "null"},
    **{int: "a number", float: "a number"},
}
"""What JSON data without passages are called."""


def is_passages(path: str) -> bool:
    """Return whether a file holds passages, as `read` takes them."""
    if not path.lower().endswith(_ENDINGS) or not os.path.isfile(path):
        return False
    try:
        items, _ = read(path)
    except InputError:
        return False
    return bool(items) and all(map(_is_passage, items))


_ENDINGS = (".json", ".jsonl", ".ndjson")


def write_page(write: Callable[[str], Any], path: str, after: str = "") -> None:
    """Write a page by a function of its path, and say so; what cannot be written is an error.

    `after` is said then too.
    """
    try:
        print(f"wrote {write(path)}", file=sys.stderr)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}){after}") from None


def _is_passage(data: Any) -> bool:
    """Return whether JSON data is one passage: a text, or an object that has one."""
    if isinstance(data, dict):
        return any(isinstance(data.get(key), str) for key in TEXT_KEYS)
    return isinstance(data, str) and bool(data)


def _lines(text: str, path: str, whole: json.JSONDecodeError) -> list[Any]:
    try:
        return json_lines(text)
    except BadLineError as bad:
        if bad.number == 1:  # not JSONL either: the error of the whole tells more
            raise InputError(f"{path} is not JSON: {whole}; expected JSON or JSONL") from None
        raise InputError(
            f"{path}, line {bad.number} is not JSON: {bad.reason}; expected one passage a line"
        ) from None


def whole(text: str) -> int:
    """Return a number of tokens as a person writes it: 128_000 or 128,000."""
    try:
        return int(text.replace("_", "").replace(",", ""))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of tokens") from None


def add_counter(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how tokens are counted."""
    parser.add_argument(
        "--counter",
        metavar="NAME",
        default="o200k_base",
        help="how tokens are counted: a model, an encoding or a tokenizer file (o200k_base)",
    )


def progress(stage: str, done: int = 0, of: int = 0) -> None:
    """Show what is being done, where somebody watches; an empty stage clears the line.

    With `of`, a bar shows how much of it is done.
    """
    if not sys.stderr.isatty():
        return
    if of:
        filled = 24 * done // of
        stage = f"{stage} [{'#' * filled}{'.' * (24 - filled)}] {done:,} of {of:,}"
    print(f"\r\x1b[K{stage}", end="", file=sys.stderr, flush=True)


def print_json(data: Any) -> None:
    """Print data as JSON to stdout."""
    # ASCII, so that lone surrogates and any terminal's encoding are no concern of the reader's.
    json.dump(data, sys.stdout, indent=2)
    print()

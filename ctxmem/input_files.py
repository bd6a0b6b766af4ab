"""Files that a person names: their bytes, text and JSON lines, with errors that name them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ctxmem.errors import InputError


class BadLineError(ValueError):
    """A line that is not JSON: its number, from 1, and the reason."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"line {number} is not JSON ({reason})")
        self.number = number
        self.reason = reason


def read_bytes(path: str | Path, expected: str = "the path of a file") -> bytes:
    """Return the content of a file; what cannot be read is an `InputError`."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected {expected}") from None


def decoded(data: bytes, name: str | Path) -> str:
    """Return UTF-8 as text; other bytes are an `InputError` that names them."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8 (byte {error.start}); expected UTF-8: convert it first"
        ) from None


def json_lines(text: str) -> list[Any]:
    r"""Return the value of each line that is not blank.

    Raises:
        BadLineError: a line is not JSON, or is nested too deep to be read.

    >>> json_lines('{"a": 1}\n\n[2]')
    [{'a': 1}, [2]]
    """
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except (json.JSONDecodeError, RecursionError) as error:
                raise BadLineError(number, getattr(error, "msg", "nested too deep")) from None
    return rows

"""From bytes to JSON records, streaming, whatever is in the way.

A file is JSON lines, one JSON document, or Parquet; .gz is unpacked. Lines and documents have a
limit, so that memory has one. What cannot be read is counted with a reason and never fatal.
"""

from __future__ import annotations

import glob
import gzip
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from ctxmem.errors import InputError, MissingExtraError

MAX_LINE = 64 << 20
"""Bytes of the longest line, or document that is not lines, that is read."""

_SUFFIXES = (".jsonl", ".json", ".ndjson", ".jsonl.gz", ".json.gz", ".ndjson.gz", ".parquet")
_PORTION = 1 << 20
_SHOWN = 5  # places of each reason that are kept


@dataclass(slots=True)
class Tally:
    """What was read, and what was not and why."""

    files: int = 0
    bytes: int = 0
    records: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, reason: str, place: str) -> None:
        """Count a record that was not read, or not as it stands."""
        self.skipped[reason] += 1
        places = self.places.setdefault(reason, [])
        if len(places) < _SHOWN:
            places.append(place)


Progress = Callable[[Tally], None]


def read_records(
    source: Any, tally: Tally, *, progress: Progress | None = None, max_line: int = MAX_LINE
) -> Iterator[tuple[Any, str]]:
    """Yield every record of a source with its place.

    Args:
        source: a path, a folder, a pattern such as "logs/*.jsonl", "-" for standard input, a list
            of these, or the records themselves as dicts.
        tally: filled while reading.
        progress: called with the tally about every megabyte.
        max_line: bytes of the longest line.

    Raises:
        InputError: a path that leads nowhere.
    """
    if isinstance(source, str | Path):
        source = [source]
    for number, item in enumerate(source, start=1):
        if isinstance(item, str | Path):
            for path in files_of(str(item)):
                yield from _file(path, tally, progress, max_line)
        else:
            tally.records += 1
            yield item, f"record {number}"


def files_of(path: str) -> list[str]:
    """Return the files that a path, a folder or a pattern stands for.

    Raises:
        InputError: there is none.
    """
    if path == "-" or Path(path).is_file():
        return [path]
    if Path(path).is_dir():
        found = sorted(
            str(file)
            for file in Path(path).rglob("*")
            if file.is_file() and file.name.lower().endswith(_SUFFIXES)
        )
        if not found:
            raise InputError(
                f"{path} holds no traces; expected files that end in {', '.join(_SUFFIXES)}"
            )
        return found
    found = sorted(glob.glob(path, recursive=True))
    if not found:
        raise InputError(
            f"{path} cannot be read (no such file); expected a file or folder of traces, a pattern "
            f"such as 'logs/*.jsonl', or - for standard input"
        )
    return found


def _file(
    path: str, tally: Tally, progress: Progress | None, max_line: int
) -> Iterator[tuple[Any, str]]:
    name = "stdin" if path == "-" else path
    tally.files += 1
    if path.endswith(".parquet"):
        yield from _parquet(path, tally, progress)
        return
    try:
        with _opened(path) as stream:
            yield from _stream(stream, name, tally, progress, max_line)
    except (OSError, EOFError) as error:  # gzip raises both for damaged files
        tally.skip(f"the file could not be read on ({_cause(error)})", name)


def _cause(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _opened(path: str) -> BinaryIO:
    stream: Any = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115
    if not hasattr(stream, "peek"):
        stream = io.BufferedReader(stream)
    # By its first bytes, not its name: what comes through a pipe has none.
    if stream.peek(2)[:2] == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=stream), _PORTION)
    return stream  # type: ignore[no-any-return]


def _stream(
    stream: BinaryIO, name: str, tally: Tally, progress: Progress | None, max_line: int
) -> Iterator[tuple[Any, str]]:
    lines = _lines(stream, name, tally, max_line)
    reported = tally.bytes
    for number, line in lines:
        place = f"{name}:{number}"
        record = _parsed(line)
        if isinstance(record, ValueError) and number == 1 and _unfinished(record, line):
            # A document over several lines, if it is one; else its first line is damaged.
            rest, whole = _document(stream, line, max_line)
            tally.bytes += len(rest) - len(line)
            record = _parsed(rest) if whole else record
            if isinstance(record, ValueError):
                record = _parsed(line)
                lines = _lines(stream, name, tally, max_line, rest[len(line) :])
                yield from _checked(record, line, place, tally)
                for number, line in lines:  # noqa: PLW2901
                    yield from _checked(_parsed(line), line, f"{name}:{number}", tally)
                return
        yield from _checked(record, line, place, tally)
        if progress is not None and tally.bytes - reported >= _PORTION:
            reported = tally.bytes
            progress(tally)


def _checked(record: Any, line: bytes, place: str, tally: Tally) -> Iterator[tuple[Any, str]]:
    """Yield a record, or count why there is none."""
    if isinstance(record, UnicodeDecodeError):
        tally.skip("bytes that are not UTF-8, read as U+FFFD", place)
        record = _parsed(line.decode("utf-8", "replace").encode())
    if isinstance(record, RecursionError):
        tally.skip("nested too deeply", place)
    elif isinstance(record, Exception):
        tally.skip("not JSON", place)
    else:
        tally.records += 1
        yield record, place


def _parsed(data: bytes) -> Any:
    """Return the JSON value, or the error that is in the way."""
    try:
        return json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        return error


def _unfinished(error: ValueError, line: bytes) -> bool:
    """Tell whether JSON ended too early, as the first line of a document over several does."""
    return isinstance(error, json.JSONDecodeError) and error.pos >= len(line.rstrip())


def _lines(
    stream: BinaryIO, name: str, tally: Tally, max_line: int, start: bytes = b""
) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of every line that is neither blank nor too long."""
    number = 1 if start else 0
    if start:
        *complete, last = start.split(b"\n")
        for line in complete:
            number += 1
            if line.strip():
                yield number, line
        more = stream.readline(max_line)
        tally.bytes += len(more)
        number += 1
        if (last + more).strip():
            yield number, last + more
    while True:
        line = stream.readline(max_line)
        if not line:
            return
        number += 1
        tally.bytes += len(line)
        if len(line) >= max_line and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(_PORTION)
                tally.bytes += len(line)
            tally.skip(f"a line of more than {max_line >> 20} MB", f"{name}:{number}")
        elif not line.isspace():
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            yield number, line


def _document(stream: BinaryIO, start: bytes, max_line: int) -> tuple[bytes, bool]:
    """Return what a stream holds from `start` on, and whether that is all of it."""
    rest = stream.read(max_line)
    return start + rest, len(rest) < max_line


def _parquet(path: str, tally: Tally, progress: Progress | None) -> Iterator[tuple[Any, str]]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtraError(
            f"{path} is Parquet, which needs pyarrow: pip install 'ctxmem[parquet]'"
        ) from None
    try:
        number = 0
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=256):
            tally.bytes += batch.nbytes
            for row in batch.to_pylist():
                number += 1
                tally.records += 1
                yield row, f"{path}:{number}"
            if progress is not None:
                progress(tally)
    except (OSError, ValueError) as error:  # pyarrow's errors derive from these
        tally.skip(f"the file could not be read on ({_cause(error)})", path)

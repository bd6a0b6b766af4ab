"""From bytes to JSON records, streaming, whatever is in the way.

A file is JSON lines, JSON documents one after another, or Parquet; gzip is unpacked and UTF-16 read
as what it is. Lines and documents have a limit, so that memory has one. What cannot be read is
counted with a reason and never fatal.
"""

from __future__ import annotations

import codecs
import glob
import gzip
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import IO, Any, BinaryIO

from ctxmem.errors import InputError, MissingExtraError
from ctxmem.traces.attrs import as_json

MAX_LINE = 64 << 20
"""Bytes of the longest line, or document that is not lines, that is read."""

_SUFFIXES = (".jsonl", ".json", ".ndjson", ".jsonl.gz", ".json.gz", ".ndjson.gz", ".parquet")
_PORTION = 1 << 20
# json.loads takes half as long again for short lines.
_scan: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_SPACE = re.compile(r"\s*")
_NOT_UTF8 = "lines with bytes that are not UTF-8, read as U+FFFD"
_WANTED = "write one record a line, such as with jq -c '.[]'"
_SHOWN = 5  # places of each reason that are kept


@dataclass(slots=True)
class ReadStats:
    """What was read, and what was not and why."""

    files: int = 0
    bytes: int = 0
    records: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, reason: str, place: str) -> None:
        """Count a record that was not read, or not as it is."""
        self.skipped[reason] += 1
        places = self.places.setdefault(reason, [])
        if len(places) < _SHOWN and place not in places:
            places.append(place)


Progress = Callable[[ReadStats], None]


def read_records(
    source: Any, stats: ReadStats, *, progress: Progress | None = None, max_line: int = MAX_LINE
) -> Iterator[tuple[Any, str]]:
    """Yield every record of a source with its place.

    Args:
        source: a path, a folder, a pattern such as "logs/*.jsonl", "-" for standard input, a list
            of these, or the records themselves as dicts.
        stats: filled while reading.
        progress: called with the stats about every megabyte.
        max_line: bytes of the longest line.

    Raises:
        InputError: a path that leads nowhere.
    """
    if isinstance(source, str | Path):
        source = [source]
    for number, item in enumerate(source, start=1):
        if isinstance(item, str | Path):
            for path in files_of(str(item)):
                try:
                    yield from _file(path, stats, progress, max_line)
                except MissingExtraError as error:
                    if path == str(item):
                        raise
                    stats.skip(str(error).removeprefix(f"{path} is "), path)
        else:
            stats.records += 1
            yield as_json(item) if isinstance(item, dict) else item, f"record {number}"


def files_of(path: str) -> list[str]:
    """Return the files that a path, a folder or a pattern names.

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
    path: str, stats: ReadStats, progress: Progress | None, max_line: int
) -> Iterator[tuple[Any, str]]:
    name = "stdin" if path == "-" else path
    stats.files += 1
    if path.endswith(".parquet"):
        yield from _parquet(path, stats, progress)
        return
    try:
        with _opened(path) as stream:
            yield from _stream(stream, name, stats, progress, max_line)
    except (OSError, EOFError) as error:  # gzip raises both for damaged files
        stats.skip(f"the file could not be read, or not to its end ({_cause(error)})", name)


def _cause(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class _Source(io.RawIOBase):
    """What a function reads, as a file; what came before an error is not lost with it."""

    def __init__(self, read: Callable[[int], bytes], inner: IO[Any]) -> None:
        super().__init__()
        self._read = read
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._inner.close()
        super().close()


def _opened(path: str) -> BinaryIO:
    """Open a file as UTF-8; its first bytes say what it is: a pipe has no name."""
    stream: Any = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115
    if not hasattr(stream, "peek"):
        stream = io.BufferedReader(stream)
    if stream.peek(2)[:2] == b"\x1f\x8b":
        packed = gzip.GzipFile(fileobj=stream)
        stream = io.BufferedReader(_Source(packed.read1, stream), _PORTION)
    if stream.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):  # as Windows writes it
        text = io.TextIOWrapper(stream, encoding="utf-16", errors="replace", newline="")
        source = _Source(lambda size: text.read(max(1, size // 4)).encode(), text)
        stream = io.BufferedReader(source, _PORTION)
    return stream  # type: ignore[no-any-return]


def _stream(
    stream: BinaryIO, name: str, stats: ReadStats, progress: Progress | None, max_line: int
) -> Iterator[tuple[Any, str]]:
    reported = stats.bytes
    for record, place in _records(stream, name, stats, max_line):
        yield record, place
        if progress is not None and stats.bytes - reported >= _PORTION:
            reported = stats.bytes
            progress(stats)


def _records(
    stream: BinaryIO, name: str, stats: ReadStats, max_line: int
) -> Iterator[tuple[Any, str]]:
    lines = _lines(stream, name, stats, max_line)
    first = next(lines, None)
    if first is None:
        return
    number, line = first
    if not _unfinished(_parsed(line), line):
        yield from _checked(line, f"{name}:{number}", stats)
    else:
        # A document over several lines, if it is one; else its first line is damaged.
        rest = stream.read(max_line)
        stats.bytes += len(rest)
        opened = line.strip() in (b"[", b"{") and isinstance(
            _parsed(rest.split(b"\n")[0]), ValueError
        )
        if len(rest) == max_line and opened:
            stats.skip(f"a document of more than {max_line >> 20} MB: {_WANTED}", name)
            return
        documents = _documents(line + rest, name, number, stats) if len(rest) < max_line else None
        beginning = next(documents, None) if documents is not None else None
        if documents is not None and beginning is not None:
            yield beginning
            yield from documents
            return
        yield from _checked(line, f"{name}:{number}", stats)
        lines = _lines(stream, name, stats, max_line, number, rest)
    for number, line in lines:
        record = _parsed(line)
        if isinstance(record, Exception):
            yield from _checked(line, f"{name}:{number}", stats)
        else:  # nearly always: a generator less for each line
            stats.records += 1
            yield record, f"{name}:{number}"


def _documents(data: bytes, name: str, number: int, stats: ReadStats) -> Iterator[tuple[Any, str]]:
    """Yield the documents that follow one another; none if the first is none."""
    try:
        text = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    seen = 0
    for at, record in _values(text):
        number += text.count("\n", seen, at)
        seen = at
        if isinstance(record, Exception):
            if at:
                stats.skip("not JSON", f"{name}:{number}")
            return
        if at == 0 and "\ufffd" in text:
            stats.skip(_NOT_UTF8, f"{name}:{number}")
        stats.records += 1
        yield record, f"{name}:{number}"


def _checked(line: bytes, place: str, stats: ReadStats) -> Iterator[tuple[Any, str]]:
    """Yield the record of a line, or count why there is none."""
    record = _parsed(line)
    if isinstance(record, UnicodeDecodeError):
        line = line.decode("utf-8", "replace").encode()
        record = _parsed(line)
        if not isinstance(record, Exception):
            stats.skip(_NOT_UTF8, place)
    if isinstance(record, RecursionError):
        stats.skip("nested too deeply", place)
    elif not isinstance(record, Exception):
        stats.records += 1
        yield record, place
    elif isinstance(record, json.JSONDecodeError) and record.msg == "Extra data":
        yield from _in_a_row(line.decode("utf-8", "surrogatepass"), place, stats)
    else:
        stats.skip("not JSON", place)


def _in_a_row(text: str, place: str, stats: ReadStats) -> Iterator[tuple[Any, str]]:
    """Yield the objects or lists that are in one line without anything between them."""
    for count, (_, record) in enumerate(_values(text), start=1):
        if not isinstance(record, dict | list):
            stats.skip("not JSON", place)
            return
        stats.records += 1
        yield record, f"{place}#{count}"


def _parsed(data: bytes) -> Any:
    """Return the JSON value, or the error that is in the way."""
    try:
        text = data.decode("utf-8", "surrogatepass")
        try:
            value, end = _scan(text, 0)
            if len(text) - end < 3 and not text[end:].strip():  # else find out what is wrong
                return value
        except StopIteration:
            pass
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return error


def _values(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the JSON values of a text with where each begins; an error as the last of them."""
    decoder = json.JSONDecoder()
    at = end = 0
    while end < len(text):
        space = _SPACE.match(text, end)
        at = end = space.end() if space else end
        if end == len(text):
            return
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield at, error
            return
        yield at, value


def _unfinished(record: Any, line: bytes) -> bool:
    """Return whether JSON ended too early, as the first line of a document over several does."""
    return isinstance(record, json.JSONDecodeError) and record.pos >= len(
        line.decode("utf-8", "replace").rstrip()
    )


def _lines(
    stream: BinaryIO,
    name: str,
    stats: ReadStats,
    max_line: int,
    number: int = 0,
    start: bytes = b"",
) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of every line that is neither blank nor too long.

    `start` was read already, and precedes what the stream has, behind line `number`.
    """
    if start:
        *complete, last = start.split(b"\n")
        for line in complete:
            number += 1
            if line.strip():
                yield number, line
        more = stream.readline(max_line)
        stats.bytes += len(more)
        number += 1
        if (last + more).strip():
            yield number, last + more
    while True:
        line = stream.readline(max_line)
        if not line:
            return
        number += 1
        stats.bytes += len(line)
        if len(line) >= max_line and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(_PORTION)
                stats.bytes += len(line)
            stats.skip(f"a line of more than {max_line >> 20} MB: {_WANTED}", f"{name}:{number}")
        elif not line.isspace():
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            yield number, line


def _parquet(path: str, stats: ReadStats, progress: Progress | None) -> Iterator[tuple[Any, str]]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtraError(
            f"{path} is Parquet, which needs pyarrow: pip install 'ctxmem[parquet]'"
        ) from None
    try:
        number = 0
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=256):
            stats.bytes += batch.nbytes
            for row in batch.to_pylist():
                number += 1
                stats.records += 1
                yield as_json(row, maps=True), f"{path}:{number}"
            if progress is not None:
                progress(stats)
    except (OSError, ValueError) as error:  # pyarrow's errors derive from these
        stats.skip(f"the file could not be read, or not to its end ({_cause(error)})", path)

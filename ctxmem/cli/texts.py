"""Texts of files and folders: plain ones, passages as JSON, and what was retrieved in traces.

One bad line does not take its file with it: what cannot be read is counted with its place.
"""

from __future__ import annotations

import codecs
import mimetypes
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ctxmem import intake
from ctxmem.auditing.assembly import Assembler
from ctxmem.chat import as_chunks
from ctxmem.cli.reading import progress
from ctxmem.errors import InputError, MissingExtraError
from ctxmem.input_files import read_bytes
from ctxmem.traces import NO_MESSAGES, UNKNOWN, ReadStats, read_events, read_records

_RECORDS = (".json", ".jsonl", ".ndjson", ".parquet", ".json.gz", ".jsonl.gz", ".ndjson.gz")
_HITS = ("chunks", "hits", "documents", "results")
_NO_TEXT = ("image", "audio", "video", "font")
_NO_PASSAGE = "a record without a passage"
_READ_AS = "that are not UTF-8, read as"
_LATIN = f"files with bytes {_READ_AS} Windows-1252"
_READ = frozenset((UNKNOWN, NO_MESSAGES, _NO_PASSAGE))  # reasons that are no damage


@dataclass(slots=True)
class Texts:
    """What was read: names and texts; which files hold none; what could not be read and why."""

    names: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    stats: ReadStats = field(default_factory=ReadStats)

    def add(self, name: str, text: str) -> None:
        """Take a text, unless it is blank."""
        if text.strip():
            self.names.append(name)
            self.texts.append(text)

    @property
    def unread(self) -> dict[str, int]:
        """How many lines, records or files could not be read as they are, by reason."""
        return {
            reason: count for reason, count in self.stats.skipped.items() if reason not in _READ
        }

    def reasons(self) -> list[str]:
        """Return each reason in words, with where it was met first."""
        return [
            (f"{reason}: {count:,}" if _READ_AS in reason else f"{count:,} not read: {reason}")
            + f" ({self.stats.places[reason][0]}{', ...' if count > 1 else ''})"
            for reason, count in self.unread.items()
        ]


def read_texts(paths: Sequence[str], *, paragraphs: bool = False) -> Texts:
    """Return the texts of files and of all files in folders; "-" is standard input, as JSON lines.

    Raises:
        InputError: a path that leads nowhere, or there is no text at all.
    """
    found = Texts()
    files: list[tuple[str, bool]] = []  # and whether it was named, not found in a folder
    for path in paths:
        if path != "-" and Path(path).is_dir():
            inside = sorted(str(file) for file in Path(path).rglob("*") if file.is_file())
            files += [(file, False) for file in inside]
        else:
            files.append((path, True))
    for number, (file, named) in enumerate(files):
        progress("reading files", number, len(files))
        before = len(found.texts), sum(found.unread.values())
        try:
            _read(file, found, paragraphs)
        except (InputError, MissingExtraError) as error:
            if named:
                raise
            found.stats.skip(str(error).removeprefix(f"{file} "), file)
        if (len(found.texts), sum(found.unread.values())) == before:
            found.empty.append(file)
    progress("")
    if not found.texts:
        why = "".join(f"; {reason}" for reason in found.reasons())
        raise InputError(f"{', '.join(paths)}: no text; expected files with passages{why}")
    return found


def _read(file: str, found: Texts, paragraphs: bool) -> None:
    if file == "-" or file.lower().endswith(_RECORDS):
        _read_records(file, found)
        return
    text = _text(file, found.stats)
    if not paragraphs:
        found.add(file, text)
        return
    cut = [part for part in text.split("\n\n") if part.strip()]
    for number, part in enumerate(cut, start=1):
        found.add(f"{file}:{number}", part)


def _text(file: str, stats: ReadStats) -> str:
    """Return the text of a file, "" if it holds none."""
    if (mimetypes.guess_type(file)[0] or "").partition("/")[0] in _NO_TEXT:
        return ""
    data = read_bytes(file)
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return data.decode("utf-16", "replace")
    if b"\0" in data[:8192]:
        return ""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        stats.skip(_LATIN, f"{file}:{line}")
        return data.decode("cp1252", "replace")


# Records


def _read_records(file: str, found: Texts) -> None:
    """Add the passages of a file's records: those that are given, and those of traces."""
    given: list[tuple[str, list[str]]] = []
    traces = Assembler()
    records = list(read_records(file, found.stats))
    others = _without_given(records, given, found.stats)
    shown: list[Any] = []
    for event in read_events(others, found.stats):
        shown += traces.add(event, 500)
    shown += traces.rest()
    for call in shown:
        # The requests of one trace share what was retrieved for them.
        if call.lists or not call.messages:
            texts = [passage.text for passage in call.shown if passage.text]
            given.append((call.place, texts))
    whole = len(records) == 1
    for place, texts in given:
        line = place.replace("stdin", "-", 1) if file == "-" else place
        for number, text in enumerate(texts, start=1):
            name = f"{file}:{number}" if whole else line
            found.add(name if whole or len(texts) == 1 else f"{line}#{number}", text)


def _without_given(
    records: Sequence[tuple[Any, str]], given: list[tuple[str, list[str]]], stats: ReadStats
) -> Iterator[tuple[Any, str]]:
    """Put aside the records that are passages, and yield the others."""
    for record, place in records:
        texts = _given(record, place, len(records) == 1, stats)
        if texts is None:
            yield record, place
        else:
            given.append((place, texts))


def _given(record: Any, place: str, alone: bool, stats: ReadStats) -> list[str] | None:
    """Return the passages that a record is or holds as they were given to us, None if none."""
    if isinstance(record, str):
        return [record]
    if isinstance(record, dict):
        for key in (*_HITS, "messages") if alone else _HITS:
            inner = record.get(key)
            if isinstance(inner, list) and inner:
                return _passages(inner, place, stats)
        return _converted([record])
    return _passages(record, place, stats) if isinstance(record, list) and record else None


def _passages(items: list[Any], place: str, stats: ReadStats) -> list[str] | None:
    """Return the texts of a list, without items that are no passage; None if none is one."""
    texts = _converted(items)
    if texts is not None:
        return texts
    found: list[str] = []
    for number, item in enumerate(items, start=1):
        one = _converted([item])
        if one is None:
            stats.skip(_NO_PASSAGE, f"{place}#{number}")
        found += one or ()
    return found or None


def _converted(items: Iterable[Any]) -> list[str] | None:
    try:
        table = intake.read(as_chunks(intake.listed(items))[0])
    except (InputError, RecursionError):
        return None
    return [chunk.text for chunk in table.chunks]

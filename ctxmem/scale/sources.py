"""Corpora as they come: folders of texts, JSON lines (also .gz), Parquet, and datasets of either.

A corpus is read three times, in the same portions: to sketch it, to fetch the texts of clusters,
and to write what is kept. A portion is a list of segments of files, so that reading starts
anywhere. What is no document has a reason and a place.
"""

from __future__ import annotations

import gzip
import json
import mimetypes
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from ctxmem.errors import InputError, InputTypeError, a_type
from ctxmem.scale import columnar

Kind = Literal["lines", "rows", "text"]

LONGEST = 64 << 20
"""Bytes of the longest line or text file that is read."""

SHOWN = 20
"""Places that are kept of each reason."""

BLANK, DOCUMENT, REJECTED = 0, 1, 2

NOT_JSON = "a line that is no JSON object"
TOO_LONG = "a line or file of more than 64 MiB"
NO_TEXT = "a record without the text field, or whose text is not a string"
NO_ID = "a record without a usable id, named by its place"
NOT_UTF8 = "bytes that are not UTF-8, compared as U+FFFD"
NOT_A_TEXT = "a file that is no text"
UNREADABLE = "a file that cannot be read"
EMPTY = "an empty text, compared like any other"
SKIPPED = "a hidden file, not read"

UNREADABLE_ERRORS = (OSError, EOFError, zlib.error)
"""What reading raises of a file that is gone, or of a damaged archive."""

_LINES = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz")
_STEP = 2 << 20  # bytes read at once: even of the shortest lines a step is not too many
_MANY = 100_000  # records after which a portion ends
_SPACE = " \t\r\n"
# Half the time of json.loads for short lines.
_scan: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_quoted: Any = json.encoder.encode_basestring_ascii


class SourceFile(NamedTuple):
    """A file of the corpus, as it was when it was listed."""

    name: str
    path: str
    kind: Kind
    bytes: int
    modified: int  # nanoseconds

    def is_as_listed(self) -> bool:
        """Return whether the file has the size and the time of change that it had then."""
        try:
            status = os.stat(self.path)
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.bytes, self.modified)


class Segment(NamedTuple):
    """A part of a file: bytes of lines, or numbers of rows; `first` is the number of the first."""

    file: int
    begin: int
    end: int
    first: int
    skipped: str = ""  # why it is not to be read


@dataclass(slots=True)
class Problems:
    """What was not as expected: how often, and the first places."""

    counts: dict[str, int] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, place: str) -> None:
        """Count one."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        shown = self.places.setdefault(reason, [])
        if len(shown) < SHOWN:
            shown.append(place)

    def merge(self, counts: dict[str, int], places: dict[str, list[str]]) -> None:
        """Add what another portion had."""
        for reason, count in counts.items():
            self.counts[reason] = self.counts.get(reason, 0) + count
            shown = self.places.setdefault(reason, [])
            shown += places[reason][: SHOWN - len(shown)]


@dataclass(slots=True)
class Documents:
    """The documents of a portion, and what each of its records is."""

    texts: list[str] = field(default_factory=list)
    ids: list[bytes] = field(default_factory=list)  # as JSON
    files: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # number of the line or row, from 1
    kinds: bytearray = field(default_factory=bytearray)  # of every record
    rejected: list[tuple[str, str]] = field(default_factory=list)  # place and reason, in order
    problems: Problems = field(default_factory=Problems)

    def take(self, id: bytes | None, text: str, file: int, row: int, place: str) -> None:
        """Enter a document."""
        if id is None:
            self.problems.add(NO_ID, place)
            id = json.dumps(place).encode()
        if not text.strip():
            self.problems.add(EMPTY, place)
        self.texts.append(text)
        self.ids.append(id)
        self.files.append(file)
        self.rows.append(row)
        self.kinds.append(DOCUMENT)

    def reject(self, reason: str, place: str) -> None:
        """Enter a record that is no document."""
        self.problems.add(reason, place)
        self.rejected.append((place, reason))
        self.kinds.append(REJECTED)


def id_as_json(value: Any) -> bytes | None:
    """Return an id as JSON; None if it is neither a string nor a whole number."""
    if isinstance(value, str):
        quoted: bytes = _quoted(value).encode()
        return quoted
    if isinstance(value, int) and not isinstance(value, bool):
        return b"%d" % value
    return None


# Listing


def list_files(source: Any) -> tuple[list[SourceFile], Problems]:
    """Return the files of a corpus, in the order of their names, and what was passed over.

    Raises:
        InputTypeError: If a path is neither str nor a path.
        InputError: If a path leads nowhere, or there is no file.
    """
    paths = [source] if isinstance(source, str | os.PathLike) else source
    if not isinstance(paths, Sequence) or not paths:
        raise InputTypeError(
            f"source is of type {type(source).__name__}; expected a path, or a list of paths"
        )
    found: list[SourceFile] = []
    problems = Problems()
    for one in paths:
        if not isinstance(one, str | os.PathLike):
            raise InputTypeError(f"source has {a_type(one)}; expected a path")
        path = Path(one)
        if path.is_dir():
            found += _in_folder(path, problems)
        elif path.is_file():
            found.append(_described(path, path.name))
        else:
            raise InputError(f"{path} is neither a file nor a folder; expected a path that exists")
    if not found:
        raise InputError(f"{source} has no files; expected JSON lines, Parquet or texts")
    return found, problems


def _in_folder(folder: Path, problems: Problems) -> Iterator[SourceFile]:
    inside = [path for path in folder.rglob("*") if path.is_file()]
    named = sorted((path.relative_to(folder).as_posix(), path) for path in inside)
    for name, path in named:
        if any(part.startswith((".", "_")) for part in name.split("/")):
            problems.add(SKIPPED, name)
        else:
            yield _described(path, name)


def _described(path: Path, name: str) -> SourceFile:
    lower = path.name.lower()
    kind: Kind = "text"
    if lower.endswith(".parquet"):
        kind = "rows"
    elif lower.endswith(_LINES):
        kind = "lines"
    status = path.stat()
    return SourceFile(name, str(path), kind, status.st_size, status.st_mtime_ns)


# Portions


@dataclass(slots=True)
class Portion:
    """Some segments of one kind of file, with their content."""

    kind: Kind
    segments: list[Segment]
    contents: list[Any]  # bytes, or a table of pyarrow; None if it cannot be read

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(s.end - s.begin if self.kind != "rows" else c.nbytes for s, c in self._pairs())

    def _pairs(self) -> Iterator[tuple[Segment, Any]]:
        return zip(self.segments, self.contents, strict=True)

    def digest(self) -> str:
        """Return a checksum of the content, to find a source that changes during a run."""
        digest = xxhash.xxh3_128()
        for content in self.contents:
            if isinstance(content, bytes):
                digest.update(content)
            elif content is not None:
                digest.update(columnar.content_of(content))
        return digest.hexdigest()


class Sized(NamedTuple):
    """A segment, what it adds to a portion, and its content if that was kept."""

    segment: Segment
    size: int  # bytes
    records: int
    content: Any = None


def in_portions(
    files: Iterable[tuple[Kind, Iterable[Sized]]], portion: int
) -> Iterator[tuple[Kind, list[Sized]]]:
    """Put the segments of files into portions of one kind and of about `portion` bytes."""
    gathered: list[Sized] = []
    size = records = 0
    before: Kind = "lines"
    for kind, segments in files:
        if gathered and kind != before:
            yield before, gathered
            gathered, size, records = [], 0, 0
        before = kind
        for one in segments:
            gathered.append(one)
            size += one.size
            records += one.records
            if size >= portion or records >= _MANY or kind == "rows":
                yield kind, gathered
                gathered, size, records = [], 0, 0
    if gathered:
        yield before, gathered


class Corpus:
    """The files of a corpus, read in portions."""

    def __init__(
        self,
        files: Sequence[SourceFile] | Mapping[int, SourceFile],
        *,
        id: str,
        text: str,
        portion: int,
    ) -> None:
        """Take files, all of them or some by their numbers; `portion` is bytes."""
        self.files = files
        self._id, self._text = id, text
        self._portion = portion
        self._open: tuple[int, IO[bytes]] | None = None
        self._rows = columnar.Rows()

    @property
    def options(self) -> dict[str, Any]:
        """What else than files it was made with."""
        return {"id": self._id, "text": self._text, "portion": self._portion}

    def close(self) -> None:
        """Close the file that is open."""
        if self._open:
            self._open[1].close()
        self._open = None
        self._rows.close()

    # Reading for the first time

    def portions(self, begin: tuple[int, int, int]) -> Iterator[Portion]:
        """Yield all that is behind a place: a file, a byte or row of it, the number of the line."""
        file, at, first = begin
        kinds: Iterator[Kind] = (self.files[number].kind for number in range(file, len(self.files)))
        parts = (
            self.segments(number, *((at, first) if number == file else (0, 1)))
            for number in range(file, len(self.files))
        )
        for kind, gathered in in_portions(zip(kinds, parts, strict=True), self._portion):
            yield _portion(kind, [(one.segment, one.content) for one in gathered])

    def segments(self, file: int, at: int = 0, first: int = 1) -> Iterator[Sized]:
        """Yield the segments of a file behind a place of it, with their content."""
        kind = self.files[file].kind
        for segment, content in self._segments(file, at, first):
            size = content.nbytes if kind == "rows" else segment.end - segment.begin
            records = content.count(b"\n") if kind == "lines" and content else 1
            yield Sized(segment, size, records, content)

    def _segments(self, file: int, at: int, first: int) -> Iterator[tuple[Segment, Any]]:
        described = self.files[file]
        if described.kind == "rows":
            for begin, table in self._rows.after(described.path, at, self._portion):
                yield Segment(file, begin, begin + table.num_rows, begin + 1), table
        elif described.kind == "text":
            if at == 0:
                content, skipped = _text_file(described)
                yield Segment(file, 0, described.bytes, 1, skipped), content
        else:
            yield from self._line_segments(file, at, first)

    def _line_segments(self, file: int, at: int, first: int) -> Iterator[tuple[Segment, Any]]:
        while True:
            try:
                handle = self._handle(file, at)
                data = handle.read(_STEP)
            except UNREADABLE_ERRORS:
                yield Segment(file, at, at, first, UNREADABLE), None
                return
            if not data:
                return
            if not data.endswith(b"\n"):
                data += handle.readline(LONGEST + 1)
            rest = len(data) - (data.rfind(b"\n") + 1)
            if rest > LONGEST:
                data = data[: len(data) - rest]
            if data:
                yield Segment(file, at, at + len(data), first), data
                at, first = at + len(data), first + data.count(b"\n")
            if rest > LONGEST:
                long = rest
                while piece := handle.readline(_STEP):
                    long += len(piece)
                    if piece.endswith(b"\n"):
                        break
                yield Segment(file, at, at + long, first, TOO_LONG), None
                at, first = at + long, first + 1

    # Reading again

    def again(self, segments: Sequence[Segment]) -> Portion:
        """Return the portion of these segments."""
        kind = self.files[segments[0].file].kind
        return _portion(kind, [(segment, self.content(segment)) for segment in segments])

    def content(self, segment: Segment) -> Any:
        """Return the content of a segment, None if it is not to be read."""
        described = self.files[segment.file]
        if segment.skipped:
            return None
        if described.kind == "rows":
            return self._rows.between(described.path, segment.begin, segment.end)
        if described.kind == "text":
            return _text_file(described)[0]
        handle = self._handle(segment.file, segment.begin)
        return handle.read(segment.end - segment.begin)

    def _handle(self, file: int, at: int) -> IO[bytes]:
        if self._open is None or self._open[0] != file:
            self.close()
            path = self.files[file].path
            opener: Any = gzip.open if path.lower().endswith(".gz") else open
            self._open = (file, opener(path, "rb"))
        handle = self._open[1]
        if handle.tell() != at:
            handle.seek(at)
        return handle

    # Documents

    def documents(self, portion: Portion) -> Documents:
        """Return the documents of a portion."""
        found = Documents()
        for segment, content in zip(portion.segments, portion.contents, strict=True):
            name = self.files[segment.file].name
            if portion.kind == "rows":
                self._row_documents(found, segment, content, name)
            elif portion.kind == "text":
                self._text_document(found, segment, content, name)
            elif content is None:
                found.reject(segment.skipped, f"{name}:{segment.first}")
            else:
                self._line_documents(found, segment, content, name)
        return found

    def _line_documents(self, found: Documents, segment: Segment, data: bytes, name: str) -> None:
        for row, line, broken in decoded_lines(data, segment.begin == 0, segment.first):
            if not line or line.isspace():
                found.kinds.append(BLANK)
                continue
            place = f"{name}:{row}"
            record = parsed(line)
            if record is None:
                found.reject(NOT_JSON, place)
                continue
            text = record.get(self._text)
            if not isinstance(text, str):
                found.reject(NO_TEXT, place)
                continue
            if broken:
                found.problems.add(NOT_UTF8, place)
            found.take(id_as_json(record.get(self._id)), text, segment.file, row, place)

    def _text_document(self, found: Documents, segment: Segment, data: Any, name: str) -> None:
        if data is None:
            found.reject(segment.skipped, name)
        elif not _is_text(name, data):
            found.reject(NOT_A_TEXT, name)
        else:
            text, broken = _decoded(data)
            if broken:
                found.problems.add(NOT_UTF8, name)
            found.take(json.dumps(name).encode(), text, segment.file, 1, name)

    def _row_documents(self, found: Documents, segment: Segment, table: Any, name: str) -> None:
        texts = columnar.values(table, self._text)
        ids = columnar.values(table, self._id)
        for row, (text, id) in enumerate(zip(texts, ids, strict=True), start=segment.first):
            place = f"{name}:{row}"
            if isinstance(text, str):
                found.take(id_as_json(id), text, segment.file, row, place)
            else:
                found.reject(NO_TEXT, place)

    def texts(self, portion: Portion, kinds: NDArray[np.uint8], wanted: NDArray[Any]) -> list[str]:
        """Return the texts of some documents of a portion, by their numbers in it, ascending."""
        records = np.flatnonzero(kinds == DOCUMENT)[wanted]
        if portion.kind == "rows":
            column = [x for t in portion.contents for x in columnar.values(t, self._text)]
            return [column[i] for i in records.tolist()]
        if portion.kind == "text":
            return [_decoded(portion.contents[i])[0] for i in records.tolist()]
        lines = list(raw_records(portion))
        return [self._text_of(lines[i]) for i in records.tolist()]

    def _text_of(self, line: bytes) -> str:
        record = parsed(line.decode("utf-8", "replace").removeprefix("\ufeff")) or {}
        text: str = record[self._text]
        return text


def _portion(kind: Kind, gathered: Sequence[tuple[Segment, Any]]) -> Portion:
    return Portion(kind, [one for one, _ in gathered], [content for _, content in gathered])


def place_behind(portion: Portion, kind: Kind) -> tuple[int, int, int]:
    """Return where the next portion begins: file, byte or row, number of the line."""
    last, content = portion.segments[-1], portion.contents[-1]
    if kind == "text":
        return last.file + 1, 0, 1
    if last.skipped == UNREADABLE:
        return last.file + 1, 0, 1
    if kind == "rows":
        return last.file, last.end, last.end + 1
    return last.file, last.end, last.first + (1 if content is None else content.count(b"\n"))


def raw_records(portion: Portion) -> Iterator[bytes]:
    """Yield every line of a portion as it is; a line that was too long is empty."""
    for content in portion.contents:
        if content is None:
            yield b""
        else:
            lines = content.split(b"\n")
            if content.endswith(b"\n"):
                lines.pop()
            yield from lines


def decoded_lines(data: bytes, at_start: bool, first: int) -> Iterator[tuple[int, str, bool]]:
    """Yield the number of each line, its text, and whether it had bytes that are not UTF-8."""
    broken: frozenset[int] = frozenset()
    try:
        text = data.decode("utf-8")
        lines = text.split("\n")
    except UnicodeDecodeError:
        raw = data.split(b"\n")
        broken = frozenset(i for i, line in enumerate(raw) if not _is_utf8(line))
        lines = [line.decode("utf-8", "replace") for line in raw]
    if data.endswith(b"\n"):
        lines.pop()
    if at_start and lines:
        lines[0] = lines[0].removeprefix("\ufeff")
    for i, line in enumerate(lines):
        yield first + i, line, i in broken


def parsed(line: str) -> dict[str, Any] | None:
    """Return the object that a line is, None if it is none."""
    line = line.strip(_SPACE)
    try:
        record, end = _scan(line, 0)
    except (ValueError, StopIteration, RecursionError):
        return None
    return record if end == len(line) and isinstance(record, dict) else None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decoded(data: bytes) -> tuple[str, bool]:
    try:
        return data.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        return data.decode("utf-8-sig", "replace"), True


def _is_text(name: str, data: bytes) -> bool:
    major = (mimetypes.guess_type(name)[0] or "").partition("/")[0]
    return major not in ("image", "audio", "video", "font") and b"\0" not in data[:8192]


def _text_file(file: SourceFile) -> tuple[bytes | None, str]:
    """Return the content of a text file, unpacked; None where it is not read, and why."""
    if file.bytes > LONGEST:
        return None, TOO_LONG
    opener: Any = gzip.open if file.path.lower().endswith(".gz") else open
    try:
        with opener(file.path, "rb") as opened:
            data: bytes = opened.read(LONGEST + 1)  # an archive may have any size
    except UNREADABLE_ERRORS:
        return None, UNREADABLE
    return (None, TOO_LONG) if len(data) > LONGEST else (data, "")


def places(rows: Iterable[tuple[int, int]], files: Sequence[SourceFile]) -> Iterator[str]:
    """Yield the place of documents by their file and row."""
    for file, row in rows:
        described = files[file]
        yield described.name if described.kind == "text" else f"{described.name}:{row}"

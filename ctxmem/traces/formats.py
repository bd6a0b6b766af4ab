"""Which format a record is of, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ctxmem.traces import logs, mlflow, platforms, requests, spans, transcripts
from ctxmem.traces.events import Event
from ctxmem.traces.joining import Joiner
from ctxmem.traces.records import ReadStats


class Format(NamedTuple):
    """A format: its name, how a record of it is recognised, what it says.

    A record of it has at least one of `keys`, of which a dotted name is known by its first part; so
    most formats need not be asked.
    """

    name: str
    keys: frozenset[str]
    recognises: Callable[[dict[str, Any]], bool]
    read: Callable[[dict[str, Any], str], Iterator[Event]]


FORMATS = (
    Format(mlflow.WEAVE, mlflow.WEAVE_KEYS, mlflow.is_weave, mlflow.read_weave),
    Format(platforms.AGENTS, platforms.AGENTS_KEYS, platforms.is_agents, platforms.read_agents),
    Format("OpenTelemetry", spans.SPAN_KEYS, spans.is_span, spans.read_span),
    Format(
        platforms.LANGSMITH,
        platforms.LANGSMITH_KEYS,
        platforms.is_langsmith,
        platforms.read_langsmith,
    ),
    Format(
        transcripts.CLAUDE_CODE,
        transcripts.CLAUDE_CODE_KEYS,
        transcripts.is_claude_code,
        transcripts.read_claude_code,
    ),
    Format(transcripts.CODEX, transcripts.CODEX_KEYS, transcripts.is_codex, transcripts.read_codex),
    Format(
        transcripts.GEMINI_CLI,
        transcripts.GEMINI_CLI_KEYS,
        transcripts.is_gemini_cli,
        transcripts.read_gemini_cli,
    ),
    Format(
        platforms.LANGFUSE, platforms.LANGFUSE_KEYS, platforms.is_langfuse, platforms.read_langfuse
    ),
    Format("requests", requests.REQUEST_KEYS, requests.is_request, requests.read_request),
    Format(requests.MESSAGES, logs.MESSAGE_KEYS, logs.is_message, logs.read_message),
    Format(logs.HITS, logs.HITS_KEYS, logs.is_hits, logs.read_hits),
)
"""Asked in this order, per record: one file may hold several."""

_HOLDERS = spans.HOLDER_KEYS | platforms.HOLDER_KEYS

MOST_PARTS = 50_000
"""Messages or passages of one record that are read."""

UNKNOWN = "of no known format"
"""Why a record is skipped that none of the formats recognises."""

_MOST_SHAPES = 4096
_NESTED = 4  # documents within documents: a page of an API with traces with observations


class _Shape(NamedTuple):
    """What a record may be by its keys: one that holds others, or of which formats."""

    holds: bool
    formats: tuple[Format, ...]


_SHAPES: dict[int, _Shape] = {}
"""Shapes by the hash of their keys, which is seeded and holds no name of anybody's."""


def _shape(record: dict[str, Any]) -> _Shape:
    known = hash(tuple(record))
    shape = _SHAPES.get(known)
    if shape is None:
        heads = {key.partition(".")[0] for key in record if isinstance(key, str)}
        formats = tuple(form for form in FORMATS if form.keys & heads)
        shape = _Shape(bool(_HOLDERS & heads), formats)
        if len(_SHAPES) >= _MOST_SHAPES:
            _SHAPES.clear()
        _SHAPES[known] = shape
    return shape


def read_events(records: Iterable[tuple[Any, str]], stats: ReadStats) -> Iterator[Event]:
    """Yield the events of records; those of no known format are counted, never fatal.

    Records that are about one call are joined, so that it is one event.
    """
    joiner = Joiner()
    for record, place in records:
        for event in _events(record, place, stats, 0):
            if not event.unread and joiner.passes(event):
                yield event
            else:
                yield from _counted(joiner.add(event), stats)
    yield from _counted(joiner.rest(), stats)


def _counted(events: Iterable[Event], stats: ReadStats) -> Iterator[Event]:
    """Yield events, and count those that say that something could not be read."""
    for event in events:
        if event.unread:
            stats.skip(event.unread, event.place)
        yield event


def _events(record: Any, place: str, stats: ReadStats, depth: int) -> Iterable[Event]:
    if isinstance(record, dict):
        shape = _shape(record)
        if shape.holds and depth < _NESTED:
            inner = spans.unpack(record) or platforms.unpack(record)
            if inner is not None:
                return _each(inner, place, stats, depth + 1)
        return _recognised(record, shape, place, stats)
    if isinstance(record, list) and depth < _NESTED:
        if record and all(isinstance(item, dict) and logs.is_message(item) for item in record):
            return _events({"messages": record}, place, stats, depth)
        return _each(record, place, stats, depth + 1)
    stats.skip(UNKNOWN, place)
    return ()


def _each(records: Iterable[Any], place: str, stats: ReadStats, depth: int) -> Iterator[Event]:
    for number, record in enumerate(records, start=1):
        yield from _events(record, f"{place}#{number}", stats, depth)


def _recognised(
    record: dict[str, Any], shape: _Shape, place: str, stats: ReadStats
) -> Sequence[Event]:
    for form in shape.formats:
        if form.recognises(record):
            try:
                # All of it before any of it: a record is read as a whole or counted as damaged.
                events = list(form.read(record, place))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                stats.skip(f"damaged ({form.name})", place)
                return ()
            for event in events:
                stats.formats[event.format] += 1
                _bound(event, stats)
            return events
    stats.skip(UNKNOWN, place)
    return ()


def _bound(event: Event, stats: ReadStats) -> None:
    """Cut what no request has, so that one record cannot take all memory."""
    if len(event.messages) > MOST_PARTS or len(event.passages) > MOST_PARTS:
        stats.skip(f"of more than {MOST_PARTS:,} messages or passages, read in part", event.place)
        del event.messages[MOST_PARTS:]
        del event.passages[MOST_PARTS:]

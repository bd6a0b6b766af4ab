"""Which format a record is of, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from ctxmem.traces import logs, platforms, spans
from ctxmem.traces.events import Event
from ctxmem.traces.records import Tally


class Format(NamedTuple):
    """A format: its name, how a record of it is told from others, what it says."""

    name: str
    recognises: Callable[[dict[str, Any]], bool]
    read: Callable[[dict[str, Any], str], Iterator[Event]]


FORMATS = (
    Format("OpenTelemetry", spans.is_span, spans.read_span),
    Format(platforms.LANGSMITH, platforms.is_langsmith, platforms.read_langsmith),
    Format(logs.CLAUDE_CODE, logs.is_claude_code, logs.read_claude_code),
    Format(platforms.LANGFUSE, platforms.is_langfuse, platforms.read_langfuse),
    Format("requests", logs.is_request, logs.read_request),
    Format(logs.MESSAGES, logs.is_message, logs.read_message),
    Format(logs.HITS, logs.is_hits, logs.read_hits),
)
"""Asked in this order, per record: one file may hold several."""

MOST_PARTS = 50_000
"""Messages or passages of one record that are read."""

_NESTED = 4  # documents within documents: a page of an API with traces with observations


def read_events(records: Iterable[tuple[Any, str]], tally: Tally) -> Iterator[Event]:
    """Yield the events of records; those of no known format are counted, never fatal."""
    for record, place in records:
        yield from _events(record, place, tally, 0)


def _events(record: Any, place: str, tally: Tally, depth: int) -> Iterator[Event]:
    if isinstance(record, list) and depth < _NESTED:
        if record and all(isinstance(item, dict) and logs.is_message(item) for item in record):
            record = {"messages": record}
        else:
            for number, item in enumerate(record, start=1):
                yield from _events(item, f"{place}#{number}", tally, depth + 1)
            return
    if not isinstance(record, dict):
        tally.skip("of no known format", place)
        return
    inner = spans.unpack(record) or platforms.unpack(record) if depth < _NESTED else None
    if inner is not None:
        for number, item in enumerate(inner, start=1):
            yield from _events(item, f"{place}#{number}", tally, depth + 1)
        return
    for form in FORMATS:
        if form.recognises(record):
            try:
                # All of it before any of it: a record is read as a whole or counted as damaged.
                events = list(form.read(record, place))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                tally.skip(f"damaged ({form.name})", place)
                return
            for event in events:
                tally.formats[event.format] += 1
                yield _bounded(event, tally)
            return
    tally.skip("of no known format", place)


def _bounded(event: Event, tally: Tally) -> Event:
    """Cut what no request has, so that one record cannot take all memory."""
    if max(len(event.messages), len(event.passages)) > MOST_PARTS:
        tally.skip(f"of more than {MOST_PARTS:,} messages or passages, read in part", event.place)
        del event.messages[MOST_PARTS:]
        del event.passages[MOST_PARTS:]
    return event

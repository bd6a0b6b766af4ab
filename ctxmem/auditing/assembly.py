"""From events to calls of a model, in the order of time, within bounded memory.

Spans of a trace come in any order and between those of others; exports often come newest first.
Events are held back until 32 MB of input have come after them, then sorted by trace and time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ctxmem.traces import MESSAGES, Event, Kind, Passage, Usage

HELD = 32 << 20
"""Bytes of input that are held back: spans of one trace are joined if they lie no further apart."""

_LINES = (Kind.TURN, Kind.RESTART, Kind.LINK)

_EVENT_BYTES = 500
"""What an event counts more than its input, so that short lines take no more memory than long."""


@dataclass(slots=True)
class Call:
    """What a model was given at once, or what was retrieved for it where that is all we know.

    `lists` holds what each retriever returned; of calls without messages it is the window. A turn
    adds one message to its session and is a call only if it is the model's; `line` is the id that
    its record has in any copy, "" if it has none. A `restart` drops what its session held for its
    own messages: none where a history was compacted, the path to a `branch` where it was rewound.

    `span` and `parent` are ids of a transcript's lines; a `link` is a line without a message. A
    `plain` call is a record of messages that names no model. `known` turns were counted before, in
    the session that this one is a copy of, and `thread` separates chats of one session.

    `cut` is what a `Cutter` made in advance of the one message of a turn, or of a list of passages;
    those of an `unlike` call are known to have no text in common.
    """

    place: str
    session: str | None
    trace: str
    time: float | None
    model: str
    query: str | None
    messages: list[Any] = field(default_factory=list)
    lists: list[Event] = field(default_factory=list)
    shown: list[Passage] = field(default_factory=list)
    usage: Usage | None = None
    turn: str | None = None
    line: str = ""
    restart: bool = False
    tools: list[Any] = field(default_factory=list)
    answer: list[Any] = field(default_factory=list)
    cost: float | None = None
    response: str = ""
    previous: str = ""
    span: str = ""
    parent: str = ""
    plain: bool = False
    format: str = ""
    link: bool = False
    known: bool = False
    branch: bool = False
    thread: str = ""
    unlike: bool = False
    cut: Any = None


@dataclass(slots=True)
class _Trace:
    """Events of one trace, held back."""

    time: float
    number: int
    events: list[Event]
    size: int


_Held = tuple[float, int, int, "Event | str"]
"""Time, number and size of what is held back: an event that has no trace, or a trace by its key."""


class Assembler:
    """Holds events back until they can be put in order."""

    def __init__(self, held: int = HELD) -> None:
        self._held = held
        self._traces: dict[str, _Trace] = {}
        self._alone: list[_Held] = []
        self._size = 0
        self._number = 0
        self._now = 0.0

    def add(self, event: Event, size: int) -> Iterable[Call]:
        """Take an event of `size` bytes of input; return the calls that are not held any longer."""
        self._number += 1
        if event.time is not None:
            self._now = event.time
        size += _EVENT_BYTES
        self._size += size
        trace = self._traces.get(event.trace) if event.trace else None
        if not event.trace:
            self._alone.append((self._now, self._number, size, event))
        elif trace is None:
            self._traces[event.trace] = _Trace(self._now, self._number, [event], size)
        else:
            trace.events.append(event)
            trace.size += size
            if event.time is not None and event.time < trace.time:
                trace.time = event.time
        return self._release(self._held // 2) if self._size > self._held else ()

    def rest(self) -> Iterator[Call]:
        """Yield what is still held."""
        yield from self._release(-1)

    def _release(self, keep: int) -> Iterator[Call]:
        order = self._alone
        order += [(one.time, one.number, one.size, key) for key, one in self._traces.items()]
        order.sort()  # no number is there twice
        count = 0
        while count < len(order) and self._size > keep:
            self._size -= order[count][2]
            count += 1
        self._alone = [held for held in order[count:] if not isinstance(held[3], str)]
        for *_, held in order[:count]:
            if isinstance(held, str):
                yield from calls_of(self._traces.pop(held).events)
            elif held.kind is Kind.TURN:
                yield _turn(held)
            elif held.kind is Kind.RETRIEVAL:
                yield _retrieval(held)
            else:
                yield from calls_of([held])


def _retrieval(event: Event) -> Call:
    """Return what a retriever returned for a request that is not known."""
    call = Call(event.place, event.session, "", event.time, "", event.query)
    call.lists, call.shown = [event], event.passages
    return call


def calls_of(events: list[Event]) -> Iterator[Call]:
    """Yield the calls of one trace.

    What retrievers returned is the window only where no request says what the model was given:
    else the same text would be counted twice.
    """
    if len(events) == 1 and events[0].kind in _LINES:
        if events[0].kind is not Kind.LINK or (events[0].span and not events[0].trace):
            yield _turn(events[0])
        return
    events = sorted(events, key=lambda event: event.time or 0.0)
    session = next((event.session for event in events if event.session), None)
    lists = _outermost(events, Kind.RETRIEVAL)
    final = _outermost(events, Kind.RERANKED) or lists
    shown = [passage for event in final for passage in event.passages]
    query = next((event.query for event in final if event.query), None)
    requests = _once([event for event in events if event.kind is Kind.REQUEST])
    if session is None and len(requests) > 1:
        session = requests[0].trace or None
    for event in requests:
        yield Call(
            event.place,
            event.session or session,
            event.trace,
            event.time,
            event.name,
            query,
            messages=event.messages,
            lists=lists if event is requests[0] else [],
            shown=shown,
            tools=event.tools,
            usage=event.usage,
            answer=event.answer,
            cost=event.cost,
            response=event.response,
            previous=event.previous,
            plain=event.format == MESSAGES,
            format=event.format,
        )
    if not requests and final:
        first = final[0]
        yield Call(
            first.place, session, first.trace, first.time, "", query, lists=lists, shown=shown
        )
    for event in events:
        if event.kind in _LINES and event.kind is not Kind.LINK:
            yield _turn(event)


def _turn(event: Event) -> Call:
    return Call(
        event.place,
        event.session,
        event.session or "",
        event.time,
        event.name,
        None,
        messages=event.messages,
        tools=event.tools,
        usage=event.usage,
        cost=event.cost,
        turn=event.turn,
        line=f"{event.kind.value} {event.span}" if event.span else "",
        restart=event.kind is Kind.RESTART,
        answer=event.answer,
        span=event.span,
        parent=event.parent,
        link=event.kind is Kind.LINK,
    )


def _once(requests: list[Event]) -> list[Event]:
    """Return requests without those that a log repeats when they end, then with their usage."""
    ended = [event for event in requests if event.usage is not None]
    if not ended or len(ended) == len(requests):
        return requests
    return [
        event
        for event in requests
        if event.usage is not None or all(event.messages != other.messages for other in ended)
    ]


def _outermost(events: list[Event], kind: Kind) -> list[Event]:
    """Return the events of a kind that are in no other of it, through however many spans.

    A retriever that asks others returns what they returned, and both are traced.
    """
    found = [event for event in events if event.kind is kind]
    if len(found) < 2:
        return found
    parent = {event.span: event.parent for event in events if event.span}
    spans = {event.span for event in found if event.span}
    return [event for event in found if not _inside(event.parent, parent, spans)]


def _inside(span: str, parent: dict[str, str], spans: set[str]) -> bool:
    for _ in range(len(parent)):
        if not span:
            return False
        if span in spans:
            return True
        span = parent.get(span, "")
    return False

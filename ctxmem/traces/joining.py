"""Join what a trace says of one call in several records, as they are read.

- The messages of a call may be log records of their own, which name its span.
- A step around calls (an agent, an AI SDK function) repeats their messages.
- A client that traces itself writes a second span without messages for the same response.
- A transcript says in lines of its own of which session and model the others are, and how many
  tokens an answer took.

Events that none of this concerns pass at once. The others are held until all is read, at most 32 MB
of them: then the older half is let go as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from ctxmem.traces.attrs import dicts
from ctxmem.traces.events import Event, Kind, as_request

HELD = 32 << 20
"""Characters of messages that are held back."""

_EVENT = 500  # characters that an event counts besides its messages
_MOST_IDS = 1 << 16  # ids of traces and responses that are remembered
_MOST_LINES = 1000  # lines of a transcript that wait for the tokens of an answer

Key = tuple[str, str]


class _Call:
    """What is held of one call: its span, and records about it; steps around calls are one too."""

    def __init__(self) -> None:
        self.span: Event | None = None
        self.parts: list[Event] = []
        self.size = 0


class Joiner:
    """Holds back the events that others may belong to."""

    def __init__(self, held: int = HELD) -> None:
        self._held = held
        self._calls: dict[Key, _Call] = {}
        self._size = 0
        self._unanswered: dict[str, list[Key]] = {}
        self._asked: dict[str, None] = {}
        self._answered: dict[str, None] = {}
        self._transcript = Transcript()

    def passes(self, event: Event) -> bool:
        """Return whether an event is complete, and no other waits for it: most are."""
        kind = event.kind
        if self._transcript.open:
            return False
        if kind is Kind.TURN and event.turn:
            self._transcript.note(event)
            return True
        return kind is Kind.RETRIEVAL or kind is Kind.RERANKED

    def add(self, event: Event) -> Iterator[Event]:
        """Take an event; yield it and others, as far as no more can be said of them."""
        kind = event.kind
        if kind is Kind.HEADER or (kind is Kind.TURN and not event.turn):
            yield from self._transcript.add(event)
            return
        if kind is not Kind.LINK and self._transcript.open:
            if self._transcript.takes(event):
                return
            yield from self._transcript.close()
        if kind is Kind.TURN:
            self._transcript.note(event)
        elif kind is Kind.RESTART:
            event.session = self._transcript.session_of(event)
            yield event
            yield from self._transcript.anew(event)
            return
        elif kind is Kind.AROUND:
            yield Event(
                Kind.LINK,
                event.place,
                event.format,
                trace=event.trace,
                session=event.session,
                time=event.time,
                span=event.span,
                parent=event.parent,
            )
            yield from self._hold(event)
            return
        elif kind is Kind.PART or self._waits(event):
            yield from self._hold(event)
            return
        elif kind is Kind.REQUEST:
            self._remember(event)
        yield event

    def rest(self) -> Iterator[Event]:
        """Yield what is still held."""
        yield from self._transcript.close()
        yield from self._release(-1)

    @staticmethod
    def _waits(event: Event) -> bool:
        """Return whether records about a call without messages may come yet."""
        return event.joins and bool(event.unread) and bool(event.span)

    def _hold(self, event: Event) -> Iterator[Event]:
        key = self._key(event)
        call = self._calls.setdefault(key, _Call())
        if event.kind is Kind.PART:
            call.parts.append(event)
        else:
            call.span = event
        size = _EVENT + sum(_length(m) for m in (*event.messages, *event.answer))
        call.size += size
        self._size += size
        if self._size > self._held:
            yield from self._release(self._held // 2)

    def _key(self, event: Event) -> Key:
        """Return what joins records: the span; without one, answers go to requests in order."""
        waiting = self._unanswered.get(event.trace)
        if not event.span and waiting:
            return waiting.pop(0)
        key = (event.trace, event.span or event.place)
        if event.kind is Kind.PART and event.joins:
            self._unanswered.setdefault(event.trace, []).append(key)
        return key

    def _release(self, keep: int) -> Iterator[Event]:
        order = list(self._calls) if keep < 0 else list(islice(self._calls, len(self._calls) // 2))
        self._unanswered.clear()
        joined = []
        for key in order:
            call = self._calls.pop(key)
            self._size -= call.size
            joined.append(_joined(call))
        # Calls first: whether a step is around one is known when all of them are.
        for event in joined:
            if event.messages and event.kind is Kind.REQUEST:
                self._remember(event)
        for event in joined:
            yield from self._counted_once(event)

    def _remember(self, event: Event) -> None:
        for ids, name in ((self._asked, event.trace), (self._answered, event.response)):
            if name:
                ids[name] = None
                if len(ids) > _MOST_IDS:
                    del ids[next(iter(ids))]

    def _counted_once(self, event: Event) -> Iterator[Event]:
        if event.kind is Kind.AROUND:
            if event.trace in self._asked:
                return  # its link was passed on when it came
            event.kind = Kind.LINK
            as_request(event)
        elif not event.messages and event.response in self._answered:
            event.kind = Kind.LINK
            event.unread = ""
        yield event


def _length(message: Any) -> int:
    """Return about how many characters a message has, without going into what may be deep."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return len(content)
    texts = [block.get("text") for block in dicts(content)]
    return _EVENT * (1 + len(texts)) + sum(len(text) for text in texts if isinstance(text, str))


def _joined(call: _Call) -> Event:
    """Return a call with what records of their own say about it."""
    event = call.span
    if event is None:
        event, *parts = call.parts
        event.kind = Kind.LINK
    else:
        parts = call.parts
    parts.sort(key=lambda part: part.time or 0.0)
    if (any(part.messages for part in parts) and not event.messages) or call.span is None:
        for part in parts:
            event.messages += part.messages
    for part in parts:
        if not event.answer or call.span is None:
            event.answer += part.answer
        event.tools = event.tools or part.tools
        event.usage = event.usage or part.usage
        event.name = event.name or part.name
        event.session = event.session or part.session
        event.response = event.response or part.response
    if event.kind is not Kind.AROUND:
        event.kind = Kind.LINK
        as_request(event)
    return event


class Transcript:
    """What holds for the lines of the transcript that is being read."""

    def __init__(self) -> None:
        self._file: str | None = None
        self._session = ""
        self._model = ""
        self._system: list[Any] = []
        self._lines: list[Event] = []
        self._answer: list[Event] = []

    @property
    def open(self) -> bool:
        """Whether lines wait for the tokens of their answer."""
        return bool(self._lines)

    def session_of(self, event: Event) -> str | None:
        """Return the session of a line, which is its file's where a header names it."""
        if self._file is not None and event.session == self._file:
            return self._session or event.session
        return event.session

    def note(self, event: Event) -> None:
        """Give a line the session of its file; remember the system prompt that it is."""
        if event.session == self._file and event.messages[0].get("role") == "system":
            self._system = event.messages
        event.session = self.session_of(event)

    def anew(self, event: Event) -> Iterator[Event]:
        """Yield the system prompt once more behind a compaction, which leaves it as it is."""
        if self._system and event.session == self._session:
            yield Event(
                Kind.TURN,
                event.place,
                event.format,
                session=event.session,
                time=event.time,
                messages=self._system,
                turn=event.place,
            )

    def add(self, event: Event) -> Iterator[Event]:
        """Take a header or a line of the model."""
        if event.session != self._file:
            yield from self.close()
            self._file, self._session, self._model = event.session, "", ""
            self._system = []
        if event.kind is Kind.HEADER:
            self._session = event.trace or self._session
            self._model = event.name or self._model
            if event.usage is not None:
                for line in self._answer:
                    line.usage = event.usage
                yield from self.close()
            event.kind = Kind.LINK
            event.usage = None
            yield event
            return
        if len(self._lines) > len(self._answer):
            yield from self.close()  # something was said since: this is another answer
        self._answer.append(event)
        self._lines.append(event)
        event.session = self.session_of(event)
        event.name = event.name or self._model
        event.turn = self._answer[0].place

    def takes(self, event: Event) -> bool:
        """Hold a line behind an answer whose tokens may still come, if it is of the transcript."""
        mine = event.kind is Kind.TURN and event.session == self._file
        if mine and len(self._lines) < _MOST_LINES:
            event.session = self.session_of(event)
            self._lines.append(event)
            return True
        return False

    def close(self) -> Iterator[Event]:
        """Yield the lines that wait for tokens; none come."""
        lines, self._lines, self._answer = self._lines, [], []
        yield from lines

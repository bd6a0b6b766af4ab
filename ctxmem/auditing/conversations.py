"""From traces to conversations: what one model was asked, call after call, and what it answered.

A log may repeat the whole history with every request, name the response that a request continues,
or have a line for each message. Whatever it does, a conversation is the same here: its true calls,
each with the window that was sent. `audit` walks through the same calls one by one and keeps none;
who needs a whole conversation (`replay`, what was forgotten, who is at fault) reads it here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctxmem.auditing.assembly import HELD, Assembler, Call
from ctxmem.auditing.lineage import Lineage, inferred_session
from ctxmem.auditing.messages import is_answer, mark_of, shared, side_of, size_of
from ctxmem.schema import Window
from ctxmem.traces import MAX_LINE, Event, Passage, ReadStats, Usage, read_events, read_records

KEPT_BYTES = 128 << 20
"""Conversations that are open hold about so many bytes; beyond, the longest idle are released."""

_MESSAGES = ("msgs", "turns")
_HAS_MESSAGES = frozenset(_MESSAGES)
_MOST_COMPARED = 8  # of them, message by message
_MOST_OPEN = 64  # conversations of one session that a request may continue


@dataclass(slots=True)
class Exchange:
    """One call of the model within a conversation.

    Attributes:
        place: file and line of its record.
        time: seconds since 1970, None where the log does not say.
        model: its name, "" where the log does not say.
        usage: tokens as the provider billed them, None where the log does not say.
        history, until: the window is the first `until` messages of `history`, a list that calls
            of the conversation share, so that a long conversation takes no more memory than its
            messages.
        added: messages before this index were in the window before it, or its answer, unchanged.
        answer: the messages that the model returned, [] where they are not known.
        tools: definitions of the tools that were offered, in the provider's shape.
        query: what was asked of a retriever for this call.
        shown: the passages that were retrieved for it.
        lists: what each retriever returned.
        cost: dollars, as the log states them.
        trace: the log's name for all that was done for one question, "" where it has none.
    """

    place: str
    time: float | None
    model: str
    usage: Usage | None
    history: list[Any] = field(repr=False)
    until: int
    added: int = 0
    answer: list[Any] = field(default_factory=list)
    tools: list[Any] = field(default_factory=list)
    query: str | None = None
    shown: list[Passage] = field(default_factory=list)
    lists: list[Event] = field(default_factory=list)
    cost: float | None = None
    trace: str = ""

    @property
    def messages(self) -> list[Any]:
        """The window as it was sent, in the provider's shape: a new list of shared messages."""
        return self.history[: self.until]


@dataclass(slots=True)
class Restart:
    """A point where a history was compacted or trimmed.

    Attributes:
        index: of the first exchange behind it; as many as there are exchanges if none followed.
        place: file and line where the log says so, or of the first call without what left.
        left: the messages that later windows do not hold any more.
        summary: the message that replaced them, None if there is none.
    """

    index: int
    place: str
    left: list[Any] = field(default_factory=list)
    summary: Any = None


@dataclass(slots=True)
class Conversation:
    """The calls of one conversation, in the order of time.

    Attributes:
        session: the log's name for it, or one made from its first question.
        exchanges: its calls.
        restarts: where its history was compacted or trimmed.
        unanswered: messages that were logged behind the last answer and sent with no call.
    """

    session: str
    exchanges: list[Exchange] = field(default_factory=list)
    restarts: list[Restart] = field(default_factory=list)
    unanswered: list[Any] = field(default_factory=list)


def conversations(
    source: Any,
    *,
    stats: ReadStats | None = None,
    progress: Callable[[ReadStats], None] | None = None,
    max_line: int = MAX_LINE,
    held: int = HELD,
    kept: int = KEPT_BYTES,
) -> Iterator[Conversation]:
    """Yield the conversations of traces, logs and transcripts in any format that `audit` reads.

    A conversation is yielded when its source has ended. When those that are open hold more than
    `kept` bytes, the ones without a call for the longest time are yielded before; what comes for
    such a one later is a conversation of its own.

    Args:
        source: a path, a folder, a pattern, "-" for standard input, records as dicts, or a list.
        stats: filled with what was read, what was not and why.
        progress: called with the stats about every megabyte.
        max_line: bytes of the longest line that is read.
        held: bytes of input that are held back to put events in order.
        kept: bytes of the conversations that are open.

    Raises:
        InputError: a path that leads nowhere.

    >>> ask = {"role": "user", "content": "When are refunds paid?"}
    >>> answer = {"role": "assistant", "content": "Within thirty days."}
    >>> more = {"role": "user", "content": "And for gift cards?"}
    >>> log = [{"model": "m", "messages": [ask]}, {"model": "m", "messages": [ask, answer, more]}]
    >>> (found,) = conversations(log)
    >>> [(len(call.messages), call.added, call.answer) for call in found.exchanges]
    [(1, 0, [{'role': 'assistant', 'content': 'Within thirty days.'}]), (3, 2, [])]
    """
    stats = ReadStats() if stats is None else stats
    folder = Folder(kept)
    lineage = Lineage(stats)
    for call in calls_in(source, stats, lineage, progress=progress, max_line=max_line, held=held):
        yield from folder.add(call)
    yield from folder.rest()


def calls_in(
    source: Any,
    stats: ReadStats,
    lineage: Lineage,
    *,
    progress: Callable[[ReadStats], None] | None = None,
    max_line: int = MAX_LINE,
    held: int = HELD,
) -> Iterator[Call]:
    """Yield the calls and turns of a source, in the order of time."""
    assembler = Assembler(held)
    before = 0
    records = read_records(source, stats, progress=progress, max_line=max_line)
    for event in read_events(map(_record, records), stats):
        for call in assembler.add(event, stats.bytes - before or _size(event)):
            yield from lineage.add(call)
        before = stats.bytes
    for call in assembler.rest():
        yield from lineage.add(call)
    yield from lineage.rest()


def _record(given: tuple[Any, str]) -> tuple[Any, str]:
    """Return a record in a shape that a format has.

    A `Window` is what was retrieved for one request; `msgs` and `turns` are names of messages.
    """
    record, place = given
    if isinstance(record, dict):
        if _HAS_MESSAGES.isdisjoint(record) or "messages" in record:
            return given
        for name in _MESSAGES:
            inner = record.get(name)
            if isinstance(inner, list) and inner and isinstance(inner[0], dict):
                return {**record, "messages": list(map(_with_content, inner))}, place
    elif isinstance(record, Window):
        hits = [
            {"text": piece.header + piece.text, "id": piece.chunk_ids[0], "source": piece.source}
            for piece in record.pieces
        ]
        return {"hits": hits}, place
    return given


def _with_content(message: Any) -> Any:
    text = message.get("text") if isinstance(message, dict) else None
    if isinstance(text, str) and "content" not in message:
        return {"role": message.get("role"), "content": text}
    return message


def _size(event: Any) -> int:
    """Return about how many bytes an event of a record holds whose size no file states."""
    return 200 + sum(len(passage.text or "") for passage in event.passages) + len(event.messages)


@dataclass(slots=True)
class _Open:
    """A conversation that may go on.

    Its `history` are the messages of its last window, with the answer where that is known, or what
    a transcript holds so far; `until` is how many of them were sent or answered.
    """

    conversation: Conversation
    thread: str = ""
    history: list[Any] = field(default_factory=list)
    until: int = 0
    size: int = 0
    turn: str = ""
    compacted: bool = False  # and what comes next may be the summary


class Folder:
    """Puts calls where they belong: behind the window that they continue."""

    def __init__(self, kept: int = KEPT_BYTES) -> None:
        self._kept = kept
        self._size = 0
        self._sessions: OrderedDict[str, list[_Open]] = OrderedDict()

    def add(self, call: Call) -> Iterator[Conversation]:
        """Take a call or a turn; yield the conversations that are released for it."""
        name = call.session or ("chat" if call.turn is not None else inferred_session(call))
        session = self._sessions.setdefault(name, [])
        self._sessions.move_to_end(name)
        before = session[:]
        one = self._turn(call, session, name) if call.turn is not None else None
        one = one or self._request(call, session, name)
        if one in before:
            session.remove(one)
        session.append(one)
        if len(session) > _MOST_OPEN:
            yield from self._released(session.pop(0))
        while self._size > self._kept and len(self._sessions) > 1:
            _, idle = self._sessions.popitem(last=False)
            for one in idle:
                yield from self._released(one)

    def rest(self) -> Iterator[Conversation]:
        """Yield the conversations that are open."""
        while self._sessions:
            for one in self._sessions.popitem(last=False)[1]:
                yield from self._released(one)

    def _released(self, one: _Open) -> Iterator[Conversation]:
        self._size -= one.size
        conversation = one.conversation
        if one.thread == _TURNS:
            conversation.unanswered = one.history[one.until :]
        if conversation.exchanges or conversation.unanswered:
            yield conversation

    def _grow(self, one: _Open, messages: Sequence[Any]) -> None:
        size = sum(map(size_of, messages))
        one.size += size
        self._size += size

    # Turns

    def _turn(self, call: Call, session: list[_Open], name: str) -> _Open:
        one = next((one for one in session if one.thread == _TURNS), None)
        if one is None:
            one = _Open(Conversation(name), _TURNS)
        if call.restart:
            self._restart(one, call)
            return one
        asked = any(map(is_answer, call.messages))
        if asked and not call.known and call.turn != one.turn:
            exchange = _exchange(call, one.history, one.until)
            exchange.answer = list(call.messages)
            one.conversation.exchanges.append(exchange)
        elif one.compacted and one.conversation.restarts and call.messages:
            one.conversation.restarts[-1].summary = call.messages[0]
        one.compacted = False
        one.turn = call.turn or "" if asked else one.turn
        one.history += call.messages
        if asked:
            one.until = len(one.history)
        self._grow(one, call.messages)
        return one

    def _restart(self, one: _Open, call: Call) -> None:
        """Go on behind a compaction, or behind the message that a conversation was rewound to."""
        if call.branch:
            one.until = shared(one.history[: one.until], call.messages)
        else:
            one.compacted = True
            if one.history:
                index = len(one.conversation.exchanges)
                one.conversation.restarts.append(Restart(index, call.place, one.history))
            one.until = 0
        one.history = call.messages[:]  # a list of its own: earlier windows share the other

    # Requests

    def _request(self, call: Call, session: list[_Open], name: str) -> _Open:
        one, common = _closest(session, call)
        if one is None:
            one = _Open(Conversation(name), call.thread)
        before, messages = one.history, call.messages
        last = one.conversation.exchanges[-1] if one.conversation.exchanges else None
        if common == len(before):
            one.history += messages[common:]
        else:
            if last is not None:
                _note_what_left(one.conversation, call, before[common:], messages[common:])
            one.history = before[:common] + messages[common:]
        if last is not None and not last.answer and common == last.until:
            last.answer = _answer_in(messages[common:])
            common += len(last.answer)
        exchange = _exchange(call, one.history, common)
        exchange.answer = call.answer
        one.conversation.exchanges.append(exchange)
        one.until = exchange.until
        if call.answer:
            one.history = one.history + call.answer
        self._grow(one, one.history[common:])
        return one


_TURNS = "\0turns"


def _exchange(call: Call, history: list[Any], added: int) -> Exchange:
    return Exchange(
        call.place,
        call.time,
        call.model,
        call.usage,
        history,
        len(history),
        added,
        tools=call.tools,
        query=call.query,
        shown=call.shown,
        lists=call.lists,
        cost=call.cost,
        trace=call.trace if call.turn is None else "",
    )


def _closest(session: Sequence[_Open], call: Call) -> tuple[_Open | None, int]:
    """Return the conversation that a window continues, and how many messages they share first.

    Agents share their instructions with others: it takes more than these to be a conversation.
    Where instructions differ from call to call, or the history was trimmed, it takes half of the
    messages, or the first of them.
    """
    best, most = None, _rules(call.messages)
    rivals = [one for one in reversed(session) if one.thread == call.thread]
    for one in rivals:
        common = shared(one.history, call.messages)
        if common > most:
            best, most = one, common
    if best is not None:
        return best, most
    marks = [mark for mark in map(mark_of, call.messages) if mark]
    for one in rivals[:_MOST_COMPARED] if marks else ():
        known = {mark for mark in map(mark_of, one.history) if mark}
        both = known.intersection(marks)
        if both and (marks[0] in known or 2 * len(both) >= min(len(known), len(marks))):
            return one, shared(one.history, call.messages)
    return None, 0


def _rules(messages: Sequence[Any]) -> int:
    """Return how many messages of instructions a window begins with."""
    for i, message in enumerate(messages):
        if side_of(message) != "system":
            return i
    return len(messages) - 1 if messages else 0


def _note_what_left(
    conversation: Conversation, call: Call, old: Sequence[Any], new: Sequence[Any]
) -> None:
    """Note a trimmed history: messages are gone in front of others that are still there.

    Where none of what followed is there, the conversation was rewound and nothing is forgotten.
    """
    marks = {mark_of(message) for message in new}
    left = [message for message in old if mark_of(message) not in marks]
    if not left or len(left) == len(old):
        return
    known = {mark_of(message) for message in old}
    added = next((m for m in new if side_of(m) != "system"), None)
    summary = added if added is not None and mark_of(added) not in known else None
    restart = Restart(len(conversation.exchanges), call.place, left, summary)
    conversation.restarts.append(restart)


def _answer_in(messages: Sequence[Any]) -> list[Any]:
    """Return the messages of the model that a window adds first: the answer of the call before."""
    answer = []
    for message in messages:
        if not is_answer(message):
            break
        answer.append(message)
    return answer

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

import xxhash

from ctxmem.auditing.assembly import HELD, Assembler, Call
from ctxmem.auditing.segments import texts_of
from ctxmem.chat.shapes import ROLES
from ctxmem.traces import MAX_LINE, Event, Passage, Tally, Usage, read_events, read_records

KEPT_BYTES = 128 << 20
"""Conversations that are open hold about so many bytes; beyond, the longest idle are released."""

_MOST_OPEN = 64  # conversations of one session that a request may continue
_MESSAGE_BYTES = 500  # what a message takes beside its text


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
    tally: Tally | None = None,
    progress: Callable[[Tally], None] | None = None,
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
        tally: filled with what was read, what was not and why.
        progress: called with the tally about every megabyte.
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
    tally = Tally() if tally is None else tally
    folder = Folder(kept)
    for call in calls_in(source, tally, progress=progress, max_line=max_line, held=held):
        yield from folder.add(call)
    yield from folder.rest()


def calls_in(
    source: Any,
    tally: Tally,
    *,
    progress: Callable[[Tally], None] | None = None,
    max_line: int = MAX_LINE,
    held: int = HELD,
) -> Iterator[Call]:
    """Yield the calls and turns of a source in the order of time."""
    assembler = Assembler(held)
    before = 0
    records = read_records(source, tally, progress=progress, max_line=max_line)
    for event in read_events(records, tally):
        yield from assembler.add(event, tally.bytes - before or 200)
        before = tally.bytes
    yield from assembler.rest()


@dataclass(slots=True)
class _Open:
    """A conversation that may go on: the messages of its last window, and what followed it."""

    conversation: Conversation
    history: list[Any] = field(default_factory=list)
    until: int = 0
    size: int = 0
    turn: str = ""

    @property
    def last(self) -> Exchange | None:
        return self.conversation.exchanges[-1] if self.conversation.exchanges else None


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
        if call.turn is not None:
            self._turn(call, name, session)
        else:
            self._request(call, name, session)
        while len(session) > _MOST_OPEN:
            yield self._release(session.pop(0))
        while self._size > self._kept and len(self._sessions) > 1:
            _, idle = self._sessions.popitem(last=False)
            yield from (self._release(one) for one in idle if one.conversation.exchanges)

    def rest(self) -> Iterator[Conversation]:
        """Yield the conversations that are open."""
        for session in self._sessions.values():
            yield from (self._release(one) for one in session if one.conversation.exchanges)
        self._sessions.clear()

    def _release(self, one: _Open) -> Conversation:
        self._size -= one.size
        one.conversation.unanswered = one.history[one.until :] if one.turn else []
        return one.conversation

    def _grow(self, one: _Open, messages: Sequence[Any]) -> None:
        size = sum(map(size_of, messages))
        one.size += size
        self._size += size

    # Turns

    def _turn(self, call: Call, name: str, session: list[_Open]) -> None:
        if not session:
            session.append(_Open(Conversation(name)))
        one = session[-1]
        if call.restart:
            exchanges = one.conversation.exchanges
            if one.history:
                restart = Restart(len(exchanges), call.place, one.history[:])
                one.conversation.restarts.append(restart)
            one.history, one.until = [], 0
        message = next((m for m in call.messages if isinstance(m, dict)), None)
        asked = message is not None and ROLES.get(str(message.get("role"))) == "assistant"
        if asked and call.turn != one.turn:
            one.turn = call.turn or ""
            exchange = Exchange(
                call.place,
                call.time,
                call.model,
                call.usage,
                one.history,
                len(one.history),
                added=one.until,
                answer=list(call.messages),
            )
            one.conversation.exchanges.append(exchange)
        one.history += call.messages
        if asked:
            one.until = len(one.history)
        self._grow(one, call.messages)

    # Requests

    def _request(self, call: Call, name: str, session: list[_Open]) -> None:
        one, common = closest(session, call.messages)
        if one is None:
            one = _Open(Conversation(name))
            session.append(one)
        else:
            session.remove(one)
            session.append(one)
        if common < len(one.history):
            one.history = one.history[:common]
        fresh = call.messages[common:]
        one.history += fresh
        last, added = one.last, common
        if last is not None and not last.answer and common >= last.until:
            last.answer = _answer_in(fresh)
            added += len(last.answer)
        exchange = Exchange(
            call.place,
            call.time,
            call.model,
            call.usage,
            one.history,
            len(one.history),
            added=added,
            query=call.query,
            shown=call.shown,
            lists=call.lists,
        )
        one.until = exchange.until
        one.conversation.exchanges.append(exchange)
        self._grow(one, fresh)


def closest(session: Sequence[_Open], messages: Sequence[Any]) -> tuple[_Open | None, int]:
    """Return the conversation that a window continues, and how many messages they share first."""
    best, most = None, 0
    for one in reversed(session):
        common = shared(one.history, messages)
        if common > most:
            best, most = one, common
    return best, most


def shared(before: Sequence[Any], now: Sequence[Any]) -> int:
    """Return how many messages two windows have in common from the first on."""
    common = 0
    for mine, theirs in zip(before, now, strict=False):
        if mine is not theirs and mine != theirs:
            break
        common += 1
    return common


def _answer_in(messages: Sequence[Any]) -> list[Any]:
    """Return the messages of the model that a window adds first: the answer of the call before."""
    answer = []
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        if ROLES.get(str(role)) != "assistant":
            break
        answer.append(message)
    return answer


def size_of(message: Any) -> int:
    """Return about how many bytes a message takes."""
    content = message.get("content") if isinstance(message, dict) else message
    if isinstance(content, str):
        return len(content) + _MESSAGE_BYTES
    if isinstance(content, list):
        return _MESSAGE_BYTES + sum(map(_block_size, content))
    return _MESSAGE_BYTES


def _block_size(block: Any) -> int:
    if not isinstance(block, dict):
        return 100
    return 300 + sum(len(value) for value in block.values() if isinstance(value, str | list))


def inferred_session(call: Call) -> str:
    """Name the session of a call that names none: by its first question, which stays in a chat."""
    for message in call.messages:
        for role, text in texts_of(message):
            if role == "user" and text:
                digest = xxhash.xxh3_64_hexdigest(text.encode("utf-8", "surrogatepass"))
                return f"chat {digest[:10]}"
    return call.trace or call.place

"""What a trace says, whoever wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple


class Kind(Enum):
    """What an event reports."""

    RETRIEVAL = "retrieval"
    """A retriever returned passages."""
    RERANKED = "reranked"
    """A reranker returned passages, in place of those that the trace retrieved."""
    REQUEST = "request"
    """A model was asked with these messages, all of them."""
    TURN = "turn"
    """A message was added to the session; one of a model means that it was asked."""
    RESTART = "restart"
    """The session's history was compacted: what comes next begins anew."""
    LINK = "link"
    """Nothing but which span belongs to which, and to which session."""
    PART = "part"
    """A record of its own about another's call: of what it was asked, of what it answered."""
    AROUND = "around"
    """A step that repeats what the requests in it say; itself a request only if none is there."""
    HEADER = "header"
    """What holds for the lines of a transcript around it: session, model, tokens of an answer.

    PART, AROUND and HEADER are joined with the events they belong to and never leave the reader.
    """


class Passage(NamedTuple):
    """A retrieved passage; of some formats only the id is known."""

    text: str | None
    id: str | None = None
    score: float | None = None
    source: str | None = None

    @property
    def label(self) -> str:
        """What a person calls it."""
        return self.id or self.source or ""


class Usage(NamedTuple):
    """Tokens as the provider billed them; `input` includes what was read from a cache."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    written: int | None = None


@dataclass(slots=True)
class Event:
    """One entry of a trace.

    Attributes:
        kind: what it is.
        place: file and line, or the number of the record.
        format: name of the format it was read from.
        trace: what belongs together: one question and all that was done for it.
        session: the chat or user that traces belong to, None where it is unknown.
        time: seconds since 1970, None where it is unknown.
        span, parent: ids within the trace.
        name: of the retriever, or of the model.
        query: what was asked.
        passages: what was retrieved.
        messages: what the model was given, in the shape of its provider.
        tools: definitions of the tools that the request offers, in the shape of its provider.
        answer: the messages that the model returned, in the shape of its provider.
        usage: tokens as billed, None where they are unknown.
        cost: price of the call as the log states it, usually in dollars, None where it does not.
        response: id of the model's response, "" where it is unknown.
        previous: id of the response that the request continues: `messages` is only what was added.
        turn: id of the model's answer, so that one logged in parts is counted once.
        joins: other records may hold the messages of the call; they name its span.
        unread: what the record should have said and did not in a known way, "" if nothing.
    """

    kind: Kind
    place: str
    format: str
    trace: str = ""
    session: str | None = None
    time: float | None = None
    span: str = ""
    parent: str = ""
    name: str = ""
    query: str | None = None
    passages: list[Passage] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    tools: list[Any] = field(default_factory=list)
    answer: list[Any] = field(default_factory=list)
    usage: Usage | None = None
    cost: float | None = None
    response: str = ""
    previous: str = ""
    turn: str = ""
    unread: str = ""
    joins: bool = False


ROOT = "-"
"""The parent of a transcript's line that says it has none: what comes behind it begins anew."""

NO_MESSAGES = "a call of a model without messages in a known form"
"""What `unread` is of such a call."""
UNLOGGED = "a call of a model whose messages were not logged; only its tokens are counted"
"""What `unread` is of a call of which the log has the tokens alone."""


def as_request(event: Event) -> None:
    """Make an event of a model's call a request, and note if its messages are not known."""
    billed = event.usage is not None and bool(event.usage.input)
    if event.messages or billed:
        event.kind = Kind.REQUEST
    event.unread = "" if event.messages else UNLOGGED if billed else NO_MESSAGES

"""The messages of a conversation's windows as they are sent.

A memory holds a message of its windows as one object from window to window and never changes it,
so what was found of it holds as long as it is that object.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import Any, NamedTuple

from ctxmem.chat.counting import Meter
from ctxmem.chat.reading import Turn, read_one
from ctxmem.gateway.manage.knowing import Known, Reader
from ctxmem.gateway.manage.splicing import written
from ctxmem.gateway.manage.transcripts import Head
from ctxmem.gateway.manage.wording import without_offer
from ctxmem.pricing import Block, Prefixes, prefixes_of


@dataclass(frozen=True, slots=True)
class SendingContext:
    """How messages are read and sent: what counts them, its name, and whether `recall` is offered.

    `theirs` are the digests of the client's messages, which are sent as they are.
    """

    reader: Reader
    meter: Meter
    label: str
    offering: bool
    head: Head
    theirs: Container[bytes] = field(default=())


class SentMessage(NamedTuple):
    """A message as it is sent, and what is known of it."""

    message: Any
    known: Known


class Line(NamedTuple):
    """The messages of a window as the memory holds them, as they are sent, and as blocks.

    `turns` are what the held ones are to their neighbours.
    """

    held: Sequence[Any]
    turns: list[Turn]
    sent: list[SentMessage]
    blocks: Prefixes


class ShownMessages:
    """Those of one conversation; whoever uses them holds the lock of its family."""

    def __init__(self) -> None:
        self._last: tuple[Head, bool, Line] | None = None
        self._written: dict[int, tuple[Any, bytes]] = {}

    def line(self, messages: Sequence[Any], how: SendingContext) -> Line:
        """Return the messages of a window as they are sent.

        Where the model is not offered the tool `recall`, marks of ours do not name it.
        """
        last, same = self._last, 0
        if last is not None and last[0] is how.head and last[1] is how.offering:
            before = last[2]
            there = [*map(is_, before.held, messages), False]
            same = there.index(False)
            turns, sent, blocks = before.turns[:same], before.sent[:same], before.blocks
        else:
            turns, sent, blocks = [], [], prefixes_of(how.head.blocks)
        turns += [read_one(messages[i], i) for i in range(same, len(messages))]
        new = [self._sent(message, how) for message in messages[same:]]
        ahead = len(how.head.blocks)
        blocks = blocks.then((Block(one.known.key, one.known.tokens) for one in new), ahead + same)
        made = Line(messages, turns, [*sent, *new], blocks)
        self._last = (how.head, how.offering, made)
        return made

    @staticmethod
    def _sent(message: Any, how: SendingContext) -> SentMessage:
        known = how.reader.of(message, how.meter, how.label)
        if how.offering or known.digest in how.theirs:
            return SentMessage(message, known)
        plain = without_offer(message)
        if plain is message:
            return SentMessage(message, known)
        return SentMessage(plain, how.reader.of(plain, how.meter, how.label))

    def written(self, message: Any) -> bytes:
        """Return a message of the last line as JSON."""
        found = self._written.get(id(message))
        if found is None or found[0] is not message:
            found = self._written[id(message)] = (message, written(message))
        return found[1]

    def forget(self) -> None:
        """Forget how messages are written that the last line does not have."""
        if self._last is not None and len(self._written) > 2 * len(self._last[2].sent) + 16:
            ids = {id(one.message) for one in self._last[2].sent}
            self._written = {at: one for at, one in self._written.items() if at in ids}

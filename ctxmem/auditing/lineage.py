"""Which call a record is: what a request continues, and which calls a chat in one record had.

A request may name the response that it continues, and hold what is new alone. A record of messages
without a model is a chat: each answer in it was a call, unless an earlier record had it already.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ctxmem.auditing.assembly import Call
from ctxmem.auditing.messages import is_answer, shared, side_of, size_of
from ctxmem.auditing.segments import texts_of
from ctxmem.auditing.transcripts import Transcripts
from ctxmem.traces import ReadStats

_KEPT_BYTES = 64 << 20  # of responses and of chats each; beyond, the oldest are forgotten
_MOST_CHATS = 64  # of one session
NO_HISTORY = "a request that continues a response that is not in the log: its history is not known"
NO_ANSWER = "a request that continues a response whose answer is not in the log"


@dataclass(slots=True)
class _Chat:
    """The messages of a chat as far as they were read; `open` if the last have no answer yet.

    `spoken` are those that are no instructions: a client may renew these with every request.
    """

    name: str
    messages: list[Any] = field(default_factory=list)
    spoken: list[Any] = field(default_factory=list)
    open: bool = False
    size: int = 0


class Lineage:
    """Takes calls and turns as they were logged; yields the true calls and turns."""

    def __init__(self, stats: ReadStats) -> None:
        self._stats = stats
        self._transcripts = Transcripts()
        self._responses: OrderedDict[str, tuple[list[Any], bool, int]] = OrderedDict()
        self._responses_size = 0
        self._chats: OrderedDict[str, list[_Chat]] = OrderedDict()
        self._chats_size = 0
        self._number = 0

    @property
    def copies(self) -> int:
        """Lines of transcripts that had been read before."""
        return self._transcripts.lines.copies

    def add(self, call: Call) -> Iterable[Call]:
        """Take what was logged; return what is known of it by now."""
        if call.turn is not None:
            return self._transcripts.add(call)
        if call.plain and call.messages:
            return self._listed(call)
        if call.previous:
            self._continue(call)
        if call.response or call.previous:
            self._remember(call)
        return (call,)

    def rest(self) -> Iterable[Call]:
        """Return what waited for more."""
        return self._transcripts.rest()

    # Requests that continue a response

    def _continue(self, call: Call) -> None:
        """Put the history before what a request adds to it."""
        known = self._responses.get(call.previous)
        if known is None:
            self._stats.skip(NO_HISTORY, call.place)
            return
        history, answered, _ = known
        if not answered:
            self._stats.skip(NO_ANSWER, call.place)
        fresh = call.messages
        if fresh and history and side_of(fresh[0]) == "system" == side_of(history[0]):
            # Instructions are those of one request and not part of what it leaves.
            call.messages = [fresh[0], *history[1:], *fresh[1:]]
        else:
            call.messages = history + fresh

    def _remember(self, call: Call) -> None:
        size = 8 * len(call.messages) + 500 + sum(map(size_of, call.messages[-8:]))
        known = (call.messages + call.answer, bool(call.answer), size)
        if call.response:
            self._responses[call.response] = known
            self._responses_size += size
        while self._responses_size > _KEPT_BYTES and len(self._responses) > 1:
            _, (*_, size) = self._responses.popitem(last=False)
            self._responses_size -= size

    # Chats

    def _listed(self, call: Call) -> Iterator[Call]:
        whole = call.messages + call.answer
        name = call.session or inferred_session(call)
        chats = self._chats.setdefault(name, [])
        self._chats.move_to_end(name)
        at = [i for i, message in enumerate(whole) if side_of(message) != "system"]
        spoken = [whole[i] for i in at]
        chat, start = _continued(chats, whole, spoken, at)
        if chat is None:
            self._number += 1
            chat = _Chat(f"{name}\0{self._number}")
            chats.append(chat)
        was_open = chat.open
        call.thread = chat.name
        ends = _answers(whole)
        calls = [
            replace(call, messages=whole[:first], answer=whole[first:end], lists=[], shown=[])
            for first, end in ends
            if first >= max(1, start) and not (first == start and was_open)
        ]
        chat.open = not ends or ends[-1][1] < len(whole)
        if chat.open or not calls:
            calls.append(call)
        calls[-1].lists, calls[-1].shown = call.lists, call.shown
        self._keep(chat, whole, spoken)
        yield from calls

    def _keep(self, chat: _Chat, whole: list[Any], spoken: list[Any]) -> None:
        size = sum(map(size_of, whole[len(chat.messages) :]))
        chat.messages, chat.spoken = whole, spoken
        chat.size += size
        self._chats_size += size
        while self._chats_size > _KEPT_BYTES and len(self._chats) > 1:
            _, idle = self._chats.popitem(last=False)
            self._chats_size -= sum(one.size for one in idle)


def _continued(
    chats: list[_Chat], whole: Sequence[Any], spoken: Sequence[Any], at: Sequence[int]
) -> tuple[_Chat | None, int]:
    """Return the longest chat that a list of messages continues, as the latest, and from where on.

    The list begins with the messages of the chat, or what was `spoken`, which is `at` these places
    of it, does: instructions may have the time of the request. A request that is sent again with
    other instructions is a chat of its own, whose answers were calls before.
    """
    best, start, most = None, 0, (-1, False, 0)
    for chat in chats:
        rank = _rank(chat, whole, spoken)
        if rank > most:
            best, most = chat, rank
    if best is not None:
        count, exact, _ = most
        start = len(best.messages) if exact else (*at, len(whole))[count]
        if not exact and count == len(spoken):
            best, start = None, len(whole)
    if best is not None:
        chats.remove(best)
        chats.append(best)
    del chats[:-_MOST_CHATS]
    return best, start


def _rank(chat: _Chat, whole: Sequence[Any], spoken: Sequence[Any]) -> tuple[int, bool, int]:
    """Return how much of a list of messages a chat is, a negative number if they differ.

    A list of the same words that ends with the answer is another conversation, with instructions
    of its own: logs of evaluations have those.
    """
    count, length = len(chat.spoken), len(chat.messages)
    if length <= len(whole) and shared(chat.messages, whole) == length:
        return count, True, length
    longer = count < len(spoken) or (count == len(spoken) and not is_answer(whole[-1]))
    if count and longer and shared(chat.spoken, spoken) == count:
        return count, False, length
    return -1, False, 0


def _answers(messages: Sequence[Any]) -> list[tuple[int, int]]:
    """Return where each answer of the model begins and ends.

    Items of the Responses API that follow one another are one answer; messages are one each.
    """
    found: list[tuple[int, int]] = []
    for i, message in enumerate(messages):
        if not is_answer(message):
            continue
        item = not (isinstance(message, dict) and "role" in message)
        if item and found and found[-1][1] == i:
            found[-1] = (found[-1][0], i + 1)
        else:
            found.append((i, i + 1))
    return found


def inferred_session(call: Call) -> str:
    """Name the session of a call that names none: by its first question, which stays in a chat.

    Logs of two formats are of two programs, though both are asked the same question first.
    """
    for message in call.messages:
        for role, text in texts_of(message):
            if role == "user" and text:
                about = f"{call.format}\0{text}".encode("utf-8", "surrogatepass")
                return f"chat {hashlib.blake2b(about, digest_size=10).hexdigest()}"
    return call.trace or call.place

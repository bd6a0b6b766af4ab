"""What is sent in place of a client's request: the memory's window, where that costs no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ctxmem.chat.checking import is_refused
from ctxmem.chat.parts import parts_of
from ctxmem.chat.reading import read_one
from ctxmem.gateway.manage.accounts import Account, Priced
from ctxmem.gateway.manage.conversations import Conversation
from ctxmem.gateway.manage.knowing import Reader, unmarked
from ctxmem.gateway.manage.marking import with_marks
from ctxmem.gateway.manage.requests import Request
from ctxmem.gateway.manage.shown import SendingContext
from ctxmem.gateway.manage.splicing import written
from ctxmem.memory import MemoryWindow
from ctxmem.memory.cost_tracker import Outlook
from ctxmem.memory.managed import held_window, may_be_shortened
from ctxmem.tokens import resolve

RECALL_TOKENS = 4_000
"""Where the tool `recall` is offered a window leaves a fifth of the budget free, but no more."""
_ALWAYS_SHOWN = 2  # messages: the first and the last of the user stay in every window


def rate_of(account: Account, request: Request) -> float:
    """Return how many of the provider's tokens one of ours is taken for."""
    return max(1.0, account.rate) if resolve(request.counter).exact else account.sure


def limit_of(account: Account, request: Request) -> int:
    """Return the budget in tokens as we count them, where the provider counts others."""
    return max(1, int((request.budget - account.beside) / rate_of(account, request)))


class WindowChooser:
    """Chooses what is sent of conversations; the lock of their family is held.

    Args:
        reader: knows messages by what they say.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def nothing_to_plan(
        self, conversation: Conversation, account: Account, request: Request
    ) -> bool:
        """Return whether the client's own request is sent in any case, so that no window is needed.

        That holds while the conversation was never changed and fits the budget, if the request is
        too short for the provider's cache, or if it has hardly grown since a window did not pay and
        no new message can be shown in fewer tokens.
        """
        own, prices, marks = request.passed, request.prices, request.marks
        if account.diverged or request.changed or not account.trusted:
            return False
        if own.tokens > limit_of(account, request):
            return False
        if prices.marked and not (marks.any or marks.by_itself(prices)):
            return False  # marks may be set, which changes it
        if own.tokens < account.minimum():
            return True
        new = slice(conversation.before, None)
        for known, message in zip(request.known[new], request.asked.messages[new], strict=True):
            if may_be_shortened(message, known.tokens):
                return False
        if len(request.known) <= _ALWAYS_SHOWN:
            return True
        return own.tokens < conversation.look_at and self.warm(account, conversation, request)

    def window(
        self, conversation: Conversation, account: Account, request: Request
    ) -> tuple[bytes | None, Priced, MemoryWindow | None]:
        """Return the bytes to send, None for the client's own, and what they are as blocks."""
        now, own, prices = request.now, request.passed, request.prices
        limit = limit_of(account, request)
        fits = own.tokens <= limit
        due = account.due(request.own, now)
        allowance, margin = account.to_spend + due, account.margin(due)
        if not account.trusted and fits:
            return None, own, None
        marks = request.marks
        caching = account.trusted and (
            not prices.marked or marks.any or marks.by_itself(prices) or account.marking
        )
        memory = conversation.memory
        memory.budget = limit - self._reserve(request, limit)
        head = sum(block.tokens for block in request.head.blocks)
        memory.head = head - request.meter.request
        free = marks.free(prices)
        memory.prices = replace(prices, breakpoints=free)
        memory.outlook = Outlook(
            may_cost=allowance,
            margin=margin,
            cold=not caching or not self.warm(account, conversation, request),
            caching=caching,
            tail_written=marks.by_itself(prices) or marks.automatic,
            minimum=account.minimum() if caching else None,
            cached=self._cached(conversation, account, request),
        )
        window = held_window(memory, self._question(account, request, fits=fits))
        choices = self._choices(conversation, request, window, free)
        conversation.shown.forget()
        sent: tuple[bytes | None, Priced]
        if caching and fits and choices[0][1].tokens < account.minimum():
            # One too short for the cache is dear as soon as the client's own is long enough.
            choices.insert(0, (None, own))
        lawful = [
            one
            for one in choices
            if account.within(
                account.cost(one[1], now, own=one[0] is None) + margin * (one[0] is not None),
                allowance,
            )
        ]
        if lawful:
            sent = lawful[0]
        else:
            if fits:
                choices.append((None, own))
            sent = min(choices, key=lambda one: account.cost(one[1], now, own=one[0] is None))
        if prices.marked and sent[1].marks and not marks.any and not marks.by_itself(prices):
            account.marking = True
        return sent[0], sent[1], window

    def _reserve(self, request: Request, limit: int) -> int:
        """Return the tokens that a window leaves free for what calls of `recall` bring."""
        return min(RECALL_TOKENS, limit // 5) if request.offering else 0

    def _question(self, account: Account, request: Request, *, fits: bool) -> str | None:
        """Return what the user asks, for which what left may be brought back; None if nothing."""
        last = len(request.asked.messages) - 1
        message = request.asked.messages[last]
        if (fits and not account.diverged) or not read_one(message, last).asks:
            return None
        texts = [part.text for part in parts_of(message, last) if part.kind == "text"]
        return "\n".join(texts) or None

    def warm(self, account: Account, conversation: Conversation, request: Request) -> bool:
        """Return whether the provider has anything of what was sent last."""
        if conversation.before == 0 and not account.ours.calls:
            return bool(account.ours.held(request.own.prefixes, now=request.now))
        asked = conversation.asked_at or account.last_at
        return request.now - asked <= request.prices.ttl

    def _cached(
        self, conversation: Conversation, account: Account, request: Request
    ) -> Callable[[Sequence[Any]], list[int]]:
        """Return a function: how many of the first messages make prefixes that the provider has.

        The memory keeps it until the next request, so it holds nothing of this one's body.
        """
        ahead, now = len(request.head.blocks), request.now
        how = self.how(request)

        def cached(messages: Sequence[Any]) -> list[int]:
            blocks = conversation.shown.line(messages, how).blocks
            return [held - ahead for held in account.ours.held(blocks, now=now) if held >= ahead]

        return cached

    def how(self, request: Request) -> SendingContext:
        """Return how messages of a request are read and sent."""
        return SendingContext(
            *(self._reader, request.meter, request.label, request.offering, request.head),
            theirs=request.places,
        )

    def _choices(
        self,
        conversation: Conversation,
        request: Request,
        window: MemoryWindow,
        free: int,
    ) -> list[tuple[bytes | None, Priced]]:
        """Return what may be sent, the best first: bytes, None for the client's own, and blocks."""
        prices, marks, own = request.prices, request.marks, request.passed
        digests, head = request.transcript.digests, request.head
        line = conversation.shown.line(window.messages, self.how(request))
        sent, blocks = line.sent, line.blocks
        same = len(sent) == len(digests) and [one.known.digest for one in sent] == digests
        whole = same and (not prices.marked or window.volatile_from == len(sent))
        if whole and (not prices.marked or marks.any or marks.by_itself(prices)):
            return [(None, own)]
        found = map(request.places.get, (one.known.digest for one in sent))
        elements = [
            (at, one.message if at is None else request.asked.messages[at])
            for at, one in zip(found, sent, strict=True)
        ]
        made: list[tuple[bytes | None, Priced]] = []
        head_marks = marks.head(prices, len(request.asked.system), len(head.blocks))
        end = [len(blocks)] if marks.by_itself(prices) or marks.automatic else []
        if prices.marked and free:
            at_marks = window.breakpoints[-free:]
            data, placed = self._bytes(conversation, request, elements, at_marks)
            placed = [len(head.blocks) + place + 1 for place in placed]
            made.append((data, Priced(blocks, (*head_marks, *placed, *end))))
        if whole:
            made.append((None, own))
        elif not prices.marked or not (marks.any or marks.by_itself(prices)):
            data, _ = self._bytes(conversation, request, elements, ())
            made.append((data, Priced(blocks, (*head_marks, *end))))
        provider, model = request.exchange.wire.provider, request.model or None
        if is_refused(line.held, line.turns, provider, model):
            made = [one for one in made if one[0] is None]
        return made or [(None, own)]

    def _bytes(
        self,
        conversation: Conversation,
        request: Request,
        elements: Sequence[tuple[int | None, Any]],
        at: Sequence[int],
    ) -> tuple[bytes, list[int]]:
        """Return a request with these messages, and the messages behind which the marks are."""
        known = request.known
        bare = [
            message if place is not None and not known[place].marked else unmarked(message)
            for place, message in elements
        ]
        marked, placed = with_marks(
            request.exchange.wire.name, bare, at, request.prices, hour=request.marks.hour
        )
        raw, first = request.document.elements, request.transcript.first
        texts = list(raw[:first])
        for (place, message), plain, made in zip(elements, bare, marked, strict=True):
            if made is plain and plain is message and place is not None:
                texts.append(raw[first + place])
            elif made is message:
                texts.append(conversation.shown.written(message))
            else:
                texts.append(written(made))
        return request.document.with_elements(texts), placed

"""The stage of the mode `manage`: requests as windows of a memory, at no higher cost.

What the client asks first and offers (system message, tools) goes out as the client wrote it. The
conversation behind it is kept in a memory, and what is sent of it is the memory's window. Where the
window is the conversation as it is, where it would cost more than passing the request through, or
where anything is not as expected, the client's own bytes go out.
"""

from __future__ import annotations

import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from ctxmem.chat import check
from ctxmem.chat.counting import Meter
from ctxmem.chat.parts import parts_of
from ctxmem.chat.reading import read_one
from ctxmem.errors import BudgetError, CtxmemError, InputError, InputTypeError
from ctxmem.gateway.exchanges import Exchange, decoded
from ctxmem.gateway.http.security import secret_of
from ctxmem.gateway.manage.accounts import Account, Entry, Priced
from ctxmem.gateway.manage.conversations import (
    Conversation,
    Conversations,
    Family,
    Known,
    Reader,
    unmarked,
)
from ctxmem.gateway.manage.marking import Marks, client_marks, with_marks
from ctxmem.gateway.manage.splicing import Document, document, written
from ctxmem.gateway.manage.syncing import Syncer
from ctxmem.gateway.manage.wording import without_offer
from ctxmem.gateway.observe.audits import ExchangeLog
from ctxmem.gateway.observe.contents import Contents
from ctxmem.gateway.observe.weighing import FALLBACK, MOST_MODELS
from ctxmem.gateway.recall.answering import Room
from ctxmem.gateway.recall.offering import offered
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.store_path import ACCOUNTS
from ctxmem.gateway.wire import Asked, Reply, Unreadable
from ctxmem.memory import Memory, MemoryWindow
from ctxmem.memory.cost_tracker import Outlook
from ctxmem.pricing import Block, Prices, prices_of, row_of
from ctxmem.protocols import PageStore
from ctxmem.stores import SqliteStore, open_store
from ctxmem.tokens import resolve

RECALL_TOKENS = 4_000
"""Where the tool `recall` is offered a window leaves a fifth of the budget free, but no more."""
_LISTS = {"chat": "messages", "responses": "input", "anthropic": "messages"}
_FAILED = 400
_MOST_COUNTERS = 16
"""Conversations are held open for so many pairs of a counter and a price row."""
_LOCKED_SECONDS = 1.0
"""So long a request waits for a store that another process has locked; then it passes through."""


@dataclass(slots=True)
class _Request:
    """A request while it is prepared."""

    exchange: Exchange
    asked: Asked
    document: Document
    first: int  # elements of the list that are of the head
    model: str
    meter: Meter
    counter: str
    label: str  # of the meter
    prices: Prices
    marks: Marks
    head: list[Block]
    head_tokens: int
    parts: dict[str, int]
    known: list[Known]
    own: Priced  # the client's own bytes
    passed: Priced  # the same, with the tool `recall` where that is offered
    budget: int
    now: float

    @property
    def offering(self) -> bool:
        """Whether the model is offered the tool `recall`."""
        return self.passed is not self.own


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the messages of a window are read, apart from the request they are for."""

    meter: Meter
    label: str
    offering: bool


def _opened(store: str) -> PageStore:
    """Return the store that is meant; requests do not wait long for a file that is locked."""
    if store == ":memory:" or "://" in store:
        return open_store(store)
    return SqliteStore(store, timeout=_LOCKED_SECONDS, sync_later=True)


class Manage:
    """The stage of `manage`; a lock for each family of conversations, and any number of threads.

    Args:
        settings: the options; `budget`, `prices`, `store` and `counter` are used here.
        window_of: a function from a model to the tokens that it takes, None where that is not
            known; used where no budget is given.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        window_of: Callable[[str], int | None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings, self._clock, self._window_of = settings, clock, window_of
        self.store = _opened(settings.store)
        sync = getattr(self.store, "sync", None)
        self._syncer = Syncer(sync) if sync is not None else None
        self._reader = Reader(secret_of(settings.store))
        self._conversations: OrderedDict[tuple[str, str, str], Conversations] = OrderedDict()
        self._meters: OrderedDict[tuple[str, str], tuple[str, Meter]] = OrderedDict()
        self._heads: dict[tuple[str, int], tuple[list[Block], dict[str, int]]] = {}
        self._contents = Contents()
        self._log = ExchangeLog()
        self._lock = Lock()

    def close(self) -> None:
        """Close all conversations and the store."""
        for one in self._conversations.values():
            one.close()
        if self._syncer is not None:
            self._syncer.close()
        self.store.close()

    def audit(self) -> Any:
        """Return `ctxmem.audit` of the last exchanges; it takes seconds, and is not for a loop."""
        return self._log.audit()

    # Preparing ------------------------------------------------------------------------------------

    def prepare(self, exchange: Exchange) -> bytes | None:
        """Return the request as it is sent, None for the client's own bytes; `why` says why."""
        try:
            request = self._read(exchange)
        except (Unreadable, InputError, InputTypeError):
            exchange.why = "unreadable"
            return None
        if request is None:
            return None
        family = self._families(request).family(
            exchange.tenant,
            exchange.wire.name,
            request.model,
            request.counter,
            request.known[self._opening(request)].digest.hex(),
        )
        with family.lock:
            return self._managed(request, family)

    def _opening(self, request: _Request) -> int:
        """Return the first message of the user; the first of all, if there is none."""
        messages = request.asked.messages
        users = (i for i, one in enumerate(messages) if one.get("role") == "user")
        return next(users, 0)

    def _read(self, exchange: Exchange) -> _Request | None:
        """Return a request that can be managed; None, and why, for another."""
        wire = exchange.wire
        name = _LISTS[wire.name]
        try:
            data = decoded(exchange.coding, exchange.original)
        except (ValueError, zlib.error):
            raise Unreadable("the body is not of the coding that it names") from None
        read = document(data, name)
        asked = exchange.asked = wire.read(read.body)
        facts = exchange.facts
        facts["model"] = asked.model
        if asked.kept:
            exchange.why = "kept by the provider"
            return None
        if not asked.messages or not all(isinstance(one, dict) for one in asked.messages):
            exchange.why = "no messages" if not asked.messages else "unreadable"
            return None
        counter, meter = self._meter(self.settings.counter or asked.model, wire.provider)
        first = len(read.elements) - len(asked.messages)
        label = f"{wire.name} {counter}"
        known = [
            self._reader.read(read.raw(first + i), message, meter, label)
            for i, message in enumerate(asked.messages)
        ]
        marks = client_marks(wire.name, asked, [i for i, one in enumerate(known) if one.marked])
        prices = self._prices(wire.name, asked.model, marks)
        tools = offered(asked, wire.name) if self.settings.recall else asked.tools
        head, parts = self._head(asked, tools, meter, label, wire.name)
        head_tokens = sum(block.tokens for block in head)
        blocks = [*head, *(Block(one.key, one.tokens) for one in known)]
        at = marks.of(prices, len(asked.system), len(head), len(blocks))
        own = passed = Priced(blocks, at)
        if tools is not asked.tools:
            plain, _ = self._head(asked, asked.tools, meter, label, wire.name)
            own = Priced([*plain, *blocks[len(head) :]], at)
        budget = self._budget(asked)
        if budget is None:
            exchange.why = "no budget"
            return None
        facts["budget"] = budget
        return _Request(
            *(
                exchange,
                asked,
                read,
                first,
                asked.model,
                meter,
                counter,
                label,
                prices,
                marks,
                head,
            ),
            head_tokens=head_tokens,
            parts=parts,
            known=known,
            own=own,
            passed=passed,
            budget=budget,
            now=self._clock(),
        )

    def _meter(self, counter: str, provider: str) -> tuple[str, Meter]:
        """Return the name of a model's counter, and what counts messages by it."""
        at = (counter, provider)
        with self._lock:
            found = self._meters.get(at)
            if found is None:
                name = counter or FALLBACK
                try:
                    found = name, Meter(name, provider)
                except (CtxmemError, OSError, ValueError):
                    found = FALLBACK, Meter(FALLBACK, provider)
                self._meters[at] = found
                if len(self._meters) > MOST_MODELS:
                    self._meters.popitem(last=False)
            return found

    def _prices(self, wire: str, model: str, marks: Marks) -> Prices:
        if self.settings.prices is not None:
            return prices_of(self.settings.prices)
        return row_of(wire, model, hour=marks.hour)

    def _budget(self, asked: Asked) -> int | None:
        if self.settings.budget is not None:
            return self.settings.budget
        window = self._window_of(asked.model) if self._window_of is not None else None
        return None if window is None else max(1, window - (asked.answer or 0))

    def _head(
        self, asked: Asked, schemas: Sequence[Any], meter: Meter, label: str, wire: str
    ) -> tuple[list[Block], dict[str, int]]:
        """Return what is before the conversation as blocks, and its tokens by part."""
        about = [unmarked(one) for one in asked.system]
        tools = [unmarked(one) for one in schemas]
        at = (label, self._reader.key([about, tools, asked.tool_choice, asked.response_format]))
        held = self._heads.get(at)
        if held is None:
            held = self._counted_head(asked, about, tools, meter, wire)
            with self._lock:
                if len(self._heads) > 1 << 10:
                    self._heads.clear()
                self._heads[at] = held
        return held

    def _counted_head(
        self, asked: Asked, about: Sequence[Any], tools: Sequence[Any], meter: Meter, wire: str
    ) -> tuple[list[Block], dict[str, int]]:
        beside = meter.tools(tools, asked.tool_choice) + meter.answer(asked.response_format)
        beside += meter.request
        blocks = [Block(self._reader.key([tools, asked.tool_choice]), beside)]
        for one in about:
            message = one if wire != "anthropic" else {"role": "user", "content": [one]}
            blocks.append(Block(self._reader.key(one), meter.message(message, 0)))
        system = sum(block.tokens for block in blocks[1:])
        return blocks, {"tools": beside, "system": system}

    def _families(self, request: _Request) -> Conversations:
        """Return the conversations that are counted and priced as a request is."""
        at = (request.counter, request.exchange.wire.provider, request.prices.name)
        old = None
        with self._lock:
            found = self._conversations.get(at)
            if found is None:
                open_memory = self._opener(request.budget, request.counter, request.prices, at[1])
                found = Conversations(self.store, self._reader, open_memory)
                self._conversations[at] = found
                if len(self._conversations) > _MOST_COUNTERS:
                    _, old = self._conversations.popitem(last=False)
            self._conversations.move_to_end(at)
        if old is not None:
            old.close()
        return found

    def _opener(
        self, budget: int, counter: str, prices: Prices, provider: str
    ) -> Callable[[str, str], Memory]:
        """Return a function that opens a session of a tenant; it keeps no request alive."""

        def opened(tenant: str, session: str) -> Memory:
            return Memory(
                max(1, budget),
                store=self.store,
                tenant=tenant,
                session=session,
                prices=prices,
                counter=counter,
                provider=provider,
                policy="covered",
                clock=self._clock,
            )

        return opened

    def _managed(self, request: _Request, family: Family) -> bytes | None:
        exchange, now = request.exchange, request.now
        digests = [one.digest for one in request.known]
        conversation = self._families(request).find(
            exchange.tenant, family, digests, request.asked.messages
        )
        account = self._account(conversation, request)
        exchange.facts["conversation"] = conversation.name
        exchange.notes["conversation"] = conversation
        made, why = None, ""
        try:
            made, sent, window = self._window(conversation, account, request)
        except BudgetError:
            why = "over budget"
        if made is None:
            sent, window = request.passed, None
            why = why or "unchanged"
        exchange.why = why
        offering = request.offering
        if offering:
            exchange.notes["memory"] = conversation.memory
            left = self._limit(account, request) - sent.tokens
            exchange.notes["room"] = Room(left, request.meter.count)
            tool = request.passed.tokens - request.own.tokens
            exchange.facts["bill_recall"] = account.grant(tool, sent, now)
        entry = account.charge(sent, request.own, now, same=made is None and not offering)
        over = not account.within(account.ours.cost, account.through.cost + account.granted)
        account.over += over
        conversation.asked_at = now
        exchange.notes["account"] = (account, entry, request.own, family, conversation)
        self._note(request, conversation, entry, sent, window, over=over)
        if account.diverged:
            self._write(exchange.tenant, conversation, account)
        if self._syncer is not None:
            self._sync(self._syncer, request, conversation, window)
        return made

    def _sync(
        self,
        syncer: Syncer,
        request: _Request,
        conversation: Conversation,
        window: MemoryWindow | None,
    ) -> None:
        """Have the disk take what was written; wait for what the window does not show."""
        before, now = conversation.stored, syncer.soon()
        conversation.stored = request.exchange.notes["stored"] = now
        if window is None:
            return
        new = range(conversation.before, len(request.known))
        if window.events or not set(new) <= set(window.shown):
            now.result()
        elif before is not None:
            before.result()

    # The account ----------------------------------------------------------------------------------

    def _account(self, conversation: Conversation, request: _Request) -> Account:
        """Return the account of a conversation: as it is held here, as stored, or a new one."""
        account = conversation.account
        if account is not None:
            return account
        account = conversation.account = Account(request.prices)
        names = (request.exchange.tenant + ACCOUNTS, conversation.session)
        version = self.store.version(*names)
        if version:
            records = list(self.store.read(*names, after=version - 1))
            account.restore(records[-1].payload, request.own.blocks)
        elif conversation.left is not None:
            before = conversation.left.account
            if before is not None:
                account.take_over(before)
                if before.diverged:
                    self._write(request.exchange.tenant, conversation.left, before)
        elif conversation.before:
            last = conversation.memory.last_at(conversation.before - 1)
            count = len(request.head) + conversation.before
            account.begin_warm(request.own.blocks, count, last)
        conversation.left = None
        return account

    def _write(self, tenant: str, conversation: Conversation, account: Account) -> None:
        self.store.append(tenant + ACCOUNTS, conversation.session, [account.to_json()])

    # Windows --------------------------------------------------------------------------------------

    def _window(
        self, conversation: Conversation, account: Account, request: _Request
    ) -> tuple[bytes | None, Priced, MemoryWindow | None]:
        """Return the bytes to send, None for the client's own, and what they are as blocks."""
        now, own, prices = request.now, request.passed, request.prices
        limit = self._limit(account, request)
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
        memory.head = request.head_tokens - request.meter.request
        free = marks.free(prices)
        memory.prices = replace(prices, breakpoints=free)
        memory.outlook = Outlook(
            may_cost=allowance,
            margin=margin,
            cold=not caching or not self._warm(account, conversation, request),
            caching=caching,
            tail_written=marks.by_itself(prices) or marks.automatic,
            minimum=account.minimum() if caching else None,
            cached=self._cached(account, request),
        )
        window = memory.window(self._question(account, request, fits=fits))
        choices = self._choices(conversation, account, request, window, free)
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

    @staticmethod
    def _limit(account: Account, request: _Request) -> int:
        """Return the budget in tokens as we count them, where the provider counts others."""
        exact = resolve(request.counter).exact
        rate = max(1.0, account.rate) if exact else account.sure
        return max(1, int((request.budget - account.beside) / rate))

    def _reserve(self, request: _Request, limit: int) -> int:
        """Return the tokens that a window leaves free for what calls of `recall` bring."""
        return min(RECALL_TOKENS, limit // 5) if request.offering else 0

    def _question(self, account: Account, request: _Request, *, fits: bool) -> str | None:
        """Return what the user asks, for which what left may be brought back; None if nothing."""
        last = len(request.asked.messages) - 1
        message = request.asked.messages[last]
        if (fits and not account.diverged) or not read_one(message, last).asks:
            return None
        texts = [part.text for part in parts_of(message, last) if part.kind == "text"]
        return "\n".join(texts) or None

    def _warm(self, account: Account, conversation: Conversation, request: _Request) -> bool:
        """Return whether the provider has anything of what was sent last."""
        if conversation.before == 0 and not account.ours.calls:
            return bool(account.ours.held(request.own.blocks, now=request.now))
        asked = conversation.asked_at or account.last_at
        return request.now - asked <= request.prices.ttl

    def _cached(self, account: Account, request: _Request) -> Callable[[Sequence[Any]], list[int]]:
        """Return a function: how many of the first messages make prefixes that the provider has.

        The memory keeps it until the next request, so it holds nothing of this one's body.
        """
        head, now = request.head, request.now
        theirs = {one.digest for one in request.known}
        about = _Reading(request.meter, request.label, request.offering)

        def cached(messages: Sequence[Any]) -> list[int]:
            known = (self._as_sent(one, about, theirs)[1] for one in messages)
            blocks = [*head, *(Block(one.key, one.tokens) for one in known)]
            return [
                held - len(head) for held in account.ours.held(blocks, now=now) if held >= len(head)
            ]

        return cached

    def _as_sent(
        self, message: Any, about: _Request | _Reading, theirs: Container[bytes]
    ) -> tuple[Any, Known]:
        """Return a message of a window as it is sent, and what is known of it.

        Where the model is not offered the tool `recall`, marks of ours do not name it; the
        client's messages, whose digests are `theirs`, are as they are.
        """
        known = self._reader.of(message, about.meter, about.label)
        if about.offering or known.digest in theirs:
            return message, known
        plain = without_offer(message)
        if plain is message:
            return message, known
        return plain, self._reader.of(plain, about.meter, about.label)

    def _choices(
        self,
        conversation: Conversation,
        account: Account,
        request: _Request,
        window: MemoryWindow,
        free: int,
    ) -> list[tuple[bytes | None, Priced]]:
        """Return what may be sent, the best first: bytes, None for the client's own, and blocks."""
        prices, marks, own = request.prices, request.marks, request.passed
        texts = {one.digest: i for i, one in enumerate(request.known)}
        elements, blocks = [], list(request.head)
        same = len(window.messages) == len(request.known)
        for place, given in enumerate(window.messages):
            message, known = self._as_sent(given, request, texts)
            at = texts.get(known.digest)
            same = same and at is not None and request.known[place].digest == known.digest
            element = message
            if at is not None:
                element = request.asked.messages[at]
            elements.append((at, element))
            blocks.append(Block(known.key, known.tokens))
        whole = same and (
            not prices.marked or window.volatile_from == len(blocks) - len(request.head)
        )
        if whole and (not prices.marked or marks.any or marks.by_itself(prices)):
            return [(None, own)]
        made: list[tuple[bytes | None, Priced]] = []
        head_marks = marks.head(prices, len(request.asked.system), len(request.head))
        end = [len(blocks)] if marks.by_itself(prices) or marks.automatic else []
        if prices.marked and free:
            at_marks = window.breakpoints[-free:]
            data, placed = self._bytes(request, elements, at_marks)
            placed = [len(request.head) + place + 1 for place in placed]
            made.append((data, Priced(blocks, (*head_marks, *placed, *end))))
        if whole:
            made.append((None, own))
        elif not prices.marked or not (marks.any or marks.by_itself(prices)):
            data, _ = self._bytes(request, elements, ())
            made.append((data, Priced(blocks, (*head_marks, *end))))
        made = [one for one in made if one[0] is None or self._sound(request, window)]
        return made or [(None, own)]

    def _bytes(
        self, request: _Request, elements: Sequence[tuple[int | None, Any]], at: Sequence[int]
    ) -> tuple[bytes, list[int]]:
        """Return a request with these messages, and the messages behind which the marks are."""
        bare = [unmarked(message) for _, message in elements]
        marked, placed = with_marks(
            request.exchange.wire.name, bare, at, request.prices, hour=request.marks.hour
        )
        texts = [request.document.raw(i) for i in range(request.first)]
        for (place, message), plain, made in zip(elements, bare, marked, strict=True):
            if made is plain and plain is message and place is not None:
                texts.append(request.document.raw(request.first + place))
            else:
                texts.append(written(made))
        return request.document.with_elements(texts), placed

    def _sound(self, request: _Request, window: MemoryWindow) -> bool:
        """Return whether the provider takes a window's messages."""
        provider = request.exchange.wire.provider
        found = check(window.messages, provider=provider, model=request.model or None)
        return not any(finding.rule for finding in found)

    # Finishing ------------------------------------------------------------------------------------

    def finish(self, exchange: Exchange, status: int, reply: Reply | None) -> None:
        """Take in what the provider reports, or that it did not answer."""
        if reply is not None and reply.usage is not None:
            exchange.facts["usage"] = reply.usage
        self._log.add(exchange)
        held = exchange.notes.pop("account", None)
        if held is None:
            return
        account, entry, own, family, conversation = held
        with family.lock:
            if status >= _FAILED:
                account.take_back(entry)
            elif exchange.why == "refused":
                account.sent_again(entry, own)
                exchange.facts["bill_sent"] = exchange.facts.get("bill_through")
                exchange.facts.pop("bill_recall", None)
            elif reply is not None and reply.usage is not None:
                if exchange.facts.get("recall_calls"):
                    more = account.add_rounds(entry, reply.usage)
                    for bill in ("bill_sent", "bill_recall"):
                        exchange.facts[bill] = (exchange.facts.get(bill) or 0.0) + more
                else:
                    account.observe(entry, reply.usage)
            if account.diverged and conversation.account is account:
                self._write(exchange.tenant, conversation, account)

    def _note(
        self,
        request: _Request,
        conversation: Conversation,
        entry: Entry,
        sent: Priced,
        window: MemoryWindow | None,
        *,
        over: bool,
    ) -> None:
        facts = request.exchange.facts
        shown = len(request.known)
        if window is not None and not entry.own:
            shown = len(set(window.shown))
        facts["tokens"] = {**request.parts, **self._parts(request, None if entry.own else window)}
        facts["kept"], facts["dropped"] = shown, len(request.known) - shown
        facts["recalled"] = len(window.recalled) if window is not None and not entry.own else 0
        facts["prefix_reused"] = entry.ours.read
        edited = window is not None and any(one.kind == "edit" for one in window.events)
        facts["edit"] = edited
        if edited:
            facts["receipts"] = conversation.memory.receipts()[-1:]
            facts["edit_reason"] = self._reason(conversation)
        through = entry.through
        if not entry.own:
            request.exchange.header = f"managed; {shown} of {len(request.known)} as they were"
        facts["bill_uncached"] = float(through.read + through.written + through.plain)
        facts["bill_sent"], facts["bill_through"] = entry.ours.cost, entry.through.cost
        facts["over_account"] = over
        facts["passed_through"] = request.exchange.why

    def _parts(self, request: _Request, window: MemoryWindow | None) -> dict[str, int]:
        """Return the tokens of what is sent of the conversation, by part."""
        known = list(zip(request.known, request.asked.messages, strict=True))
        meter, label = request.meter, request.label
        if window is None:
            return self._contents.parts(known, meter, label)
        again = self._contents.repeated_reads(known, meter, label, set(window.shown))
        request.exchange.facts["repeated_reads"] = again
        theirs = {one.digest for one in request.known}
        shown = [self._as_sent(one, request, theirs) for one in window.messages]
        sent = [(known, one) for one, known in shown]
        put_in = {i for i, (one, _) in enumerate(sent) if one.digest not in theirs}
        return self._contents.parts(sent, meter, label, put_in=put_in)

    def _reason(self, conversation: Conversation) -> str:
        receipts = conversation.memory.receipts()
        return receipts[-1].reason if receipts else ""

"""The stage of the mode `manage`: requests as windows of a memory, at no higher cost.

What the client asks first and offers (system message, tools) goes out as the client wrote it. The
conversation behind it is kept in a memory, and what is sent of it is the memory's window. Where the
window is the conversation as it is, where it would cost more than passing the request through, or
where anything is not as expected, the client's own bytes go out.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from ctxmem.chat.checking import is_refused
from ctxmem.chat.parts import parts_of
from ctxmem.chat.reading import read_one
from ctxmem.errors import BudgetError, InputError, InputTypeError, StoreError
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.http.security import secret_of
from ctxmem.gateway.manage.account_store import AccountStore
from ctxmem.gateway.manage.accounts import Account, Entry, Priced
from ctxmem.gateway.manage.conversations import (
    Conversation,
    Conversations,
    Family,
)
from ctxmem.gateway.manage.knowing import Reader, unmarked
from ctxmem.gateway.manage.marking import with_marks
from ctxmem.gateway.manage.requests import Request, RequestReader
from ctxmem.gateway.manage.shown import Telling
from ctxmem.gateway.manage.splicing import written
from ctxmem.gateway.manage.syncing import Syncer
from ctxmem.gateway.manage.tool_sets import ToolSets
from ctxmem.gateway.observe.audits import ExchangeLog
from ctxmem.gateway.observe.contents import Contents
from ctxmem.gateway.recall.answering import RecallBudget
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import Reply, Unreadable
from ctxmem.memory import Memory, MemoryWindow
from ctxmem.memory.cost_tracker import Outlook
from ctxmem.memory.edits import look_again
from ctxmem.memory.excerpts import LEAST
from ctxmem.memory.managed import held_window, sent_whole, show_no_days
from ctxmem.memory.texts import has_results
from ctxmem.pricing import Prices
from ctxmem.protocols import PageStore
from ctxmem.stores import SqliteStore, open_store
from ctxmem.tokens import resolve
from ctxmem.traces.events import Usage

RECALL_TOKENS = 4_000
"""Where the tool `recall` is offered a window leaves a fifth of the budget free, but no more."""
_FAILED = 400
_ROUNDING = 1e-9
_MOST_COUNTERS = 16
"""Conversations are held open for so many pairs of a counter and a price row."""
_ALWAYS_SHOWN = 2  # messages: the first and the last of the user stay in every window
_LOCKED_SECONDS = 1.0
"""So long a request waits for a store that another process has locked; then it passes through."""


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
        self.settings, self._clock = settings, clock
        self.store = _opened(settings.store)
        self._accounts = AccountStore(self.store)
        sync = getattr(self.store, "sync", None)
        self._syncer = Syncer(sync) if sync is not None else None
        self._reader = Reader(secret_of(settings.store))
        self._requests = RequestReader(settings, self._reader, window_of=window_of, clock=clock)
        self._tools = ToolSets(settings.tools, self._requests)
        self._conversations: OrderedDict[tuple[str, str, str], Conversations] = OrderedDict()
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

    @property
    def conversations(self) -> int:
        """Conversations that are held open."""
        with self._lock:
            held = list(self._conversations.values())
        return sum(map(len, held))

    def audit(self) -> Any:
        """Return `ctxmem.audit` of the last exchanges; it takes seconds, and is not for a loop."""
        return self._log.audit()

    # Preparing ------------------------------------------------------------------------------------

    def prepare(self, exchange: Exchange) -> bytes | None:
        """Return the request as it is sent, None for the client's own bytes; `why` says why."""
        try:
            request = self._requests.read(exchange)
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
            request.known[request.opening].digest.hex(),
        )
        with family.lock:
            return self._managed(request, family)

    def _families(self, request: Request) -> Conversations:
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
            memory = Memory(
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
            show_no_days(memory)
            return memory

        return opened

    def _managed(self, request: Request, family: Family) -> bytes | None:
        exchange, now = request.exchange, request.now
        digests, messages = request.transcript.digests, request.asked.messages
        conversation = self._families(request).find(exchange.tenant, family, digests, messages)
        account = self._account(conversation, request)
        request = self._tools.managed(request, conversation, account)
        exchange.facts["conversation"] = conversation.name
        exchange.notes["conversation"] = conversation
        made, sent, window = None, request.passed, None
        why = "unchanged"
        if self._nothing_to_plan(conversation, account, request):
            sent_whole(conversation.memory, cold=not self._warm(account, conversation, request))
        else:
            try:
                made, planned, planned_window = self._window(conversation, account, request)
            except BudgetError:
                why = "over budget"
            if made is not None:
                sent, window, why = planned, planned_window, ""
            conversation.look_at = 0 if made is not None else look_again(sent.tokens)
        exchange.why = why
        room = RecallBudget(self._limit(account, request) - sent.tokens, request.meter.count)
        exchange.notes["room"] = room
        if request.offering:
            exchange.notes["memory"] = conversation.memory
            exchange.facts["bill_recall"] = account.grant(request.recall_tokens, sent, now)
        entry = account.charge(sent, request.own, now, same=made is None and not request.changed)
        self._tools.begin(request, sent, account, room)
        over = not account.within(account.ours.cost, account.through.cost + account.granted)
        account.over += over
        conversation.asked_at = now
        exchange.notes["account"] = (account, entry, request.own, family, conversation)
        self._note(request, conversation, account, entry, window, over=over)
        if account.diverged:
            self._write(exchange.tenant, conversation, account)
        if self._syncer is not None:
            try:
                self._sync(self._syncer, request, conversation, window)
            except StoreError:  # the client's own bytes go out
                account.sent_again(entry, request.own)
                raise
        return made

    def _sync(
        self,
        syncer: Syncer,
        request: Request,
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

    def _account(self, conversation: Conversation, request: Request) -> Account:
        """Return the account of a conversation: as it is held here, as stored, or a new one."""
        account = conversation.account
        if account is not None:
            return account
        account = conversation.account = Account(request.prices)
        held = self._accounts.read(request.exchange.tenant, conversation.session)
        if held is not None:
            account.restore(held, request.own.prefixes)
        elif conversation.left is not None:
            before = conversation.left.account
            if before is not None:
                account.take_over(before)
                if before.diverged:
                    self._write(request.exchange.tenant, conversation.left, before)
        elif conversation.before:
            last = conversation.memory.last_at(conversation.before - 1)
            count = len(request.head.blocks) + conversation.before
            account.begin_warm(request.own.prefixes, count, last)
        conversation.left = None
        return account

    def _write(self, tenant: str, conversation: Conversation, account: Account) -> None:
        self._accounts.write(tenant, conversation.session, account.to_json())

    # Windows --------------------------------------------------------------------------------------

    def _nothing_to_plan(
        self, conversation: Conversation, account: Account, request: Request
    ) -> bool:
        """Return whether the client's own request is sent, whatever window could be made of it.

        So it is while nothing else was sent, all of it fits, and nothing in it can leave at a
        profit: it is shorter than the provider caches, or has hardly grown since a window was
        planned and did not pay, and nothing new can be shown in fewer tokens.
        """
        own, prices, marks = request.passed, request.prices, request.marks
        if account.diverged or request.changed or not account.trusted:
            return False
        if own.tokens > self._limit(account, request):
            return False
        if prices.marked and not (marks.any or marks.by_itself(prices)):
            return False  # marks may be set, which changes it
        if own.tokens < account.minimum():
            return True
        new = slice(conversation.before, None)
        for known, message in zip(request.known[new], request.asked.messages[new], strict=True):
            if known.tokens >= LEAST and has_results(message):
                return False
        if len(request.known) <= _ALWAYS_SHOWN:
            return True
        return own.tokens < conversation.look_at and self._warm(account, conversation, request)

    def _window(
        self, conversation: Conversation, account: Account, request: Request
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
        head = sum(block.tokens for block in request.head.blocks)
        memory.head = head - request.meter.request
        free = marks.free(prices)
        memory.prices = replace(prices, breakpoints=free)
        memory.outlook = Outlook(
            may_cost=allowance,
            margin=margin,
            cold=not caching or not self._warm(account, conversation, request),
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

    @staticmethod
    def _rate(account: Account, request: Request) -> float:
        """Return how many of the provider's tokens one of ours is taken for."""
        return max(1.0, account.rate) if resolve(request.counter).exact else account.sure

    def _limit(self, account: Account, request: Request) -> int:
        """Return the budget in tokens as we count them, where the provider counts others."""
        return max(1, int((request.budget - account.beside) / self._rate(account, request)))

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

    def _warm(self, account: Account, conversation: Conversation, request: Request) -> bool:
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
        how = self._how(request)

        def cached(messages: Sequence[Any]) -> list[int]:
            blocks = conversation.shown.line(messages, how).blocks
            return [held - ahead for held in account.ours.held(blocks, now=now) if held >= ahead]

        return cached

    def _how(self, request: Request) -> Telling:
        return Telling(
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
        line = conversation.shown.line(window.messages, self._how(request))
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
                self._sent_again(exchange.facts, account, entry, own)
            elif reply is not None and reply.usage is not None:
                self._add_usage(exchange, account, entry, reply.usage)
            self._tools.finish(exchange, conversation, account)
            if account.diverged and conversation.account is account:
                self._write(exchange.tenant, conversation, account)

    @staticmethod
    def _sent_again(facts: dict[str, Any], account: Account, entry: Entry, own: Priced) -> None:
        """Take in that the client's own bytes were sent, since ours were refused at last."""
        answered = bool(facts.get("recall_calls") or facts.get("find_calls"))
        account.sent_again(entry, own, answered=answered)
        first = facts.get("bill_sent") if answered else None
        facts["bill_sent"] = (first or 0.0) + facts.get("bill_through", 0.0)
        if not answered:
            facts.pop("bill_recall", None)

    @staticmethod
    def _add_usage(exchange: Exchange, account: Account, entry: Entry, usage: Usage) -> None:
        """Take in what the provider bills; calls of `recall` are granted, others are not."""
        facts = exchange.facts
        recalled, found = facts.get("recall_calls", 0), facts.get("find_calls", 0)
        if not recalled and not found:
            account.observe(entry, usage)
            # What was charged may not be what the provider did.
            facts["bill_sent"], facts["bill_through"] = entry.ours.cost, entry.through.cost
            if "bill_recall" in facts:
                facts["bill_recall"] = entry.granted
            return
        share = recalled / (recalled + found)
        more = account.add_rounds(entry, usage, granted=share)
        facts["bill_sent"] = (facts.get("bill_sent") or 0.0) + more
        if recalled:
            facts["bill_recall"] = (facts.get("bill_recall") or 0.0) + share * more

    def _note(
        self,
        request: Request,
        conversation: Conversation,
        account: Account,
        entry: Entry,
        window: MemoryWindow | None,
        *,
        over: bool,
    ) -> None:
        facts, rate = request.exchange.facts, self._rate(account, request)
        shown = len(request.known)
        if window is not None and not entry.own:
            shown = len(set(window.shown))
        shown_in = None if entry.own else window
        parts = {**request.head.parts, **self._parts(conversation, request, shown_in)}
        # In the tokens that the budget is in: people compare the two.
        facts["tokens"] = _scaled(parts, rate, account.beside)
        facts["exact"] = resolve(request.counter).exact and rate == 1.0 and not account.beside
        facts["kept"], facts["dropped"] = shown, len(request.known) - shown
        facts["recalled"] = len(window.recalled) if window is not None and not entry.own else 0
        facts["prefix_reused"] = int(entry.ours.read * rate)
        edited = window is not None and any(one.kind == "edit" for one in window.events)
        facts["edit"] = edited
        if edited:
            facts["receipts"] = conversation.memory.receipts()[-1:]
            facts["edit_reason"] = self._reason(conversation)
        through = entry.through
        if not entry.own:
            request.exchange.header = f"managed; {shown} of {len(request.known)} as they were"
            request.exchange.header += self._tools.said(request)
        facts["bill_uncached"] = float(through.read + through.written + through.plain)
        facts["bill_sent"], facts["bill_through"] = entry.ours.cost, entry.through.cost
        facts["over_account"] = over
        facts["passed_through"] = request.exchange.why

    def _parts(
        self, conversation: Conversation, request: Request, window: MemoryWindow | None
    ) -> dict[str, int]:
        """Return the tokens of what is sent of the conversation, by part."""
        if window is None:
            return self._parts_of_all(request)
        known = list(zip(request.known, request.asked.messages, strict=True))
        meter, label = request.meter, request.label
        again = self._contents.repeated_reads(known, meter, label, set(window.shown))
        request.exchange.facts["repeated_reads"] = again
        how = self._how(request)
        shown = conversation.shown.line(window.messages, how).sent
        sent = [(known, one) for one, known in shown]
        put_in = {i for i, (one, _) in enumerate(sent) if one.digest not in how.theirs}
        return self._contents.parts(sent, meter, label, put_in=put_in)

    def _parts_of_all(self, request: Request) -> dict[str, int]:
        """Return the tokens of the client's messages, by part."""
        before, start, found = request.before, 0, dict[str, int]()
        if before is not None and before.parts is not None and request.shared == len(before.known):
            start, found = request.shared, dict(before.parts)
        new = zip(request.known[start:], request.asked.messages[start:], strict=True)
        for part, tokens in self._contents.parts(new, request.meter, request.label).items():
            found[part] = found.get(part, 0) + tokens
        request.transcript.parts = found
        return dict(found)

    def _reason(self, conversation: Conversation) -> str:
        receipts = conversation.memory.receipts()
        return receipts[-1].reason if receipts else ""


def _scaled(parts: Mapping[str, int], rate: float, beside: int) -> dict[str, int]:
    """Return tokens by part as the provider counts them: at a rate, and those beside all parts.

    They add up to no more than the sum at that rate, so that a window within its budget is shown
    within it.

    >>> _scaled({"system": 3, "user": 4}, 1.5, 10)
    {'system': 4, 'user': 6, 'overhead': 10}
    """
    made: dict[str, int] = {}
    done = ours = 0
    for part, tokens in parts.items():
        ours += tokens
        made[part] = int(ours * rate + _ROUNDING) - done
        done += made[part]
    if beside:
        made["overhead"] = made.get("overhead", 0) + beside
    return made

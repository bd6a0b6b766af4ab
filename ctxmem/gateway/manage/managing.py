"""The stage of the mode `manage`: requests as windows of a memory, at no higher cost.

What the client asks first and offers (system message, tools) goes out as the client wrote it. The
conversation behind it is kept in a memory, and what is sent of it is the memory's window. Where the
window is the conversation as it is, where it would cost more than passing the request through, or
where anything is not as expected, the client's own bytes go out.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from threading import Lock, RLock
from typing import Any, NamedTuple

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
from ctxmem.gateway.manage.knowing import Reader
from ctxmem.gateway.manage.requests import Request, RequestReader
from ctxmem.gateway.manage.syncing import Syncer
from ctxmem.gateway.manage.tool_sets import ToolSets
from ctxmem.gateway.manage.windows import WindowChooser, limit_of, rate_of
from ctxmem.gateway.observe.audits import ExchangeLog
from ctxmem.gateway.observe.contents import Contents
from ctxmem.gateway.over_budget import OverBudget
from ctxmem.gateway.recall.answering import RecallBudget
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import Reply, Unreadable
from ctxmem.memory import Memory, MemoryWindow
from ctxmem.memory.managed import look_again, sent_whole, show_no_days
from ctxmem.protocols import PageStore
from ctxmem.stores import SqliteStore, open_store
from ctxmem.tokens import resolve
from ctxmem.traces.events import Usage

_FAILED = 400
_ROUNDING = 1e-9
_MOST_COUNTERS = 16
"""Conversations are held open for so many pairs of a counter and a price row."""
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
        self._chooser = WindowChooser(self._reader)
        self._tools = ToolSets(settings.tools, self._requests)
        self._conversations: OrderedDict[_Place, Conversations] = OrderedDict()
        self._contents = Contents()
        self._over_budget = OverBudget(clock)
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
        request: Request | None = exchange.notes.pop("request", None)
        try:
            request = request or self._requests.read(exchange)
        except (Unreadable, InputError, InputTypeError):
            exchange.why = "unreadable"
            return None
        if request is None:
            return None
        family = self._families(request).family(exchange.tenant, *_about(request))
        with family.lock:
            made, entry, left = self._managed(request, family)
        if left is not None:
            try:
                left.result()  # not with the lock, which the thread that writes may wait for
            except StoreError:  # the client's own bytes go out
                charged: Charged = exchange.notes["account"]
                with family.lock:
                    charged.account.sent_again(entry, request.own)
                raise
        return made

    def _families(self, request: Request) -> Conversations:
        """Return the conversations that are counted and priced as a request is."""
        at, old = _place(request), None
        with self._lock:
            found = self._conversations.get(at)
            if found is None:
                open_memory = self._opener(request, at.provider)
                found = Conversations(self.store, self._reader, open_memory)
                self._conversations[at] = found
                if len(self._conversations) > _MOST_COUNTERS:
                    _, old = self._conversations.popitem(last=False)
            self._conversations.move_to_end(at)
        if old is not None:
            old.close()
        return found

    def _opener(self, request: Request, provider: str) -> Callable[[str, str], Memory]:
        """Return a function that opens a session of a tenant; it keeps no request alive."""
        budget, counter, prices = request.budget, request.counter, request.prices

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
            memory.tool()  # marks name it; `without_offer` takes that out where it is not declared
            return memory

        return opened

    def prepare_at_once(self, exchange: Exchange) -> bool:
        """Prepare a request in the event loop, if that is quick; return whether it was prepared.

        Such a request continues an open conversation, has few new bytes, and needs no window, so
        it is sent unchanged. This waits for no lock and no disk: another thread writes the new
        messages while the provider answers.
        """
        if self._syncer is None or exchange.coding:
            return False
        try:
            request = self._requests.read_on(exchange)
        except (Unreadable, InputError, InputTypeError):
            return False  # it is read again, and `why` says so
        if request is None:
            return False
        exchange.notes["request"] = request  # it is not read again
        if self._tools.concern(request):
            return False
        with self._lock:
            conversations = self._conversations.get(_place(request))
        if conversations is None:
            return False
        family = conversations.open_family(exchange.tenant, *_about(request))
        if family is None or not family.lock.acquire(blocking=False):
            return False
        try:
            return self._at_once(request, conversations, family, self._syncer)
        finally:
            family.lock.release()

    def _at_once(
        self, request: Request, conversations: Conversations, family: Family, syncer: Syncer
    ) -> bool:
        digests, messages = request.transcript.digests, request.asked.messages
        conversation = conversations.known(family, digests)
        if conversation is None or conversation.account is None:
            return False
        account, conversation.before = conversation.account, len(conversation.digests)
        if not self._chooser.nothing_to_plan(conversation, account, request):
            return False
        del request.exchange.notes["request"]
        _name(request.exchange, conversation)
        cold = not self._chooser.warm(account, conversation, request)
        conversation.defer(digests, messages, cold=cold)
        self._charge(request, family, conversation, account, why="unchanged")
        known = (request.exchange.tenant, family, conversation, digests, messages)
        stored = syncer.write(partial(conversations.keep, *known))
        conversation.stored = request.exchange.notes["stored"] = stored
        return True

    def _managed(
        self, request: Request, family: Family
    ) -> tuple[bytes | None, Entry, Future[None] | None]:
        """Return the request as it is sent, what it is charged, and what is waited for first."""
        exchange = request.exchange
        digests, messages = request.transcript.digests, request.asked.messages
        conversation = self._families(request).find(exchange.tenant, family, digests, messages)
        _name(exchange, conversation)
        account = self._account(conversation, request)
        request = self._tools.managed(request, conversation, account)
        made: bytes | None = None
        sent, window, why = request.passed, None, "unchanged"
        if self._chooser.nothing_to_plan(conversation, account, request):
            cold = not self._chooser.warm(account, conversation, request)
            sent_whole(conversation.memory, cold=cold)
        else:
            try:
                made, planned, shown = self._chooser.window(conversation, account, request)
            except BudgetError:
                why = "over budget"
            if made is not None:
                sent, window, why = planned, shown, ""
            conversation.look_at = 0 if made is not None else look_again(sent.tokens)
        entry = self._charge(request, family, conversation, account, made, sent, window, why=why)
        spends = entry.ours.cost > entry.through.cost
        if account.diverged and (spends or not account.kept):
            # What is saved is written when the reply is there: until then, less is spent of it.
            self._write(exchange.tenant, conversation, account)
        return made, entry, self._sync(request, conversation, window)

    def _charge(
        self,
        request: Request,
        family: Family,
        conversation: Conversation,
        account: Account,
        made: bytes | None = None,
        sent: Priced | None = None,
        window: MemoryWindow | None = None,
        *,
        why: str,
    ) -> Entry:
        """Charge what is sent, and note what is known of it; without `sent` it is as it came."""
        exchange, now = request.exchange, request.now
        sent = request.passed if sent is None else sent
        exchange.why = why
        room = RecallBudget(limit_of(account, request) - sent.tokens, request.meter.count)
        exchange.notes["room"] = room
        if request.offering:
            exchange.notes["memory"] = conversation.memory
            exchange.facts["bill_recall"] = account.grant(request.recall_tokens, sent, now)
        entry = account.charge(sent, request.own, now, same=made is None and not request.changed)
        self._tools.begin(request, sent, account, room)
        over = not account.within(account.ours.cost, account.through.cost + account.granted)
        account.over += over
        conversation.asked_at = now
        charged = Charged(account, entry, request.own, family, conversation)
        exchange.notes["account"] = charged
        self._note(request, conversation, account, entry, window, over=over)
        return entry

    def _sync(
        self, request: Request, conversation: Conversation, window: MemoryWindow | None
    ) -> Future[None] | None:
        """Have the disk take what was written; return what the window waits for, None if nothing.

        It waits until what it does not show is there.
        """
        if self._syncer is None:
            return None
        before, now = conversation.stored, self._syncer.soon()
        conversation.stored = request.exchange.notes["stored"] = now
        if window is None:
            return None
        new = range(conversation.before, len(request.known))
        if window.events or not set(new) <= set(window.shown):
            return now
        return before

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
        account.kept = True

    # Finishing ------------------------------------------------------------------------------------

    def hold(self, exchange: Exchange) -> RLock | None:
        """Return the lock that `finish` waits for, acquired; None if another thread has it."""
        held: Charged | None = exchange.notes.get("account")
        if held is None or not held.family.lock.acquire(blocking=False):
            return None
        return held.family.lock

    def finish(self, exchange: Exchange, status: int, reply: Reply | None) -> None:
        """Take in what the provider reports, or that it did not answer."""
        if reply is not None and reply.usage is not None:
            exchange.facts["usage"] = reply.usage
        self._log.add(exchange)
        held: Charged | None = exchange.notes.pop("account", None)
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
        facts, rate = request.exchange.facts, rate_of(account, request)
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
        tokens = sum(facts["tokens"].values())
        if tokens > request.budget:
            head = sum(facts["tokens"].get(part, 0) for part in request.head.parts)
            about = request.exchange
            self._over_budget.note(about, tokens=tokens, head=head, budget=request.budget)
        elif not entry.own:
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
        how = self._chooser.how(request)
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


class _Place(NamedTuple):
    """What conversations are counted and priced by."""

    counter: str
    provider: str
    prices: str


class Charged(NamedTuple):
    """What a request was charged to, for when its reply is there; `own` is the client's own."""

    account: Account
    entry: Entry
    own: Priced
    family: Family
    conversation: Conversation


def _name(exchange: Exchange, conversation: Conversation) -> None:
    """Note the conversation of an exchange."""
    exchange.facts["conversation"] = conversation.name
    exchange.notes["conversation"] = conversation


def _place(request: Request) -> _Place:
    return _Place(request.counter, request.exchange.wire.provider, request.prices.name)


def _about(request: Request) -> tuple[str, ...]:
    """Return what all conversations of a family have in common."""
    opening = request.known[request.opening].digest.hex()
    return request.exchange.wire.name, request.model, request.counter, opening


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

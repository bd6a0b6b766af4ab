"""Memory: a session that is appended to, and asked for windows that keep the prompt cache warm."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from ctxmem.chat.counting import Meter
from ctxmem.chat.shapes import shown
from ctxmem.errors import (
    ConflictError,
    InputError,
    InputTypeError,
    SessionDeletedError,
    warn_deprecated,
)
from ctxmem.forking import ForkSafeLock
from ctxmem.intake import read_budget
from ctxmem.memory import editing, tool, tracing
from ctxmem.memory.assembling import WindowAssembler
from ctxmem.memory.cost_tracker import Outlook
from ctxmem.memory.items import Item
from ctxmem.memory.ledger import Entry, Finder
from ctxmem.memory.page_reader import PageReader
from ctxmem.memory.plan import Plan
from ctxmem.memory.planner import request_too_long
from ctxmem.memory.receipts import Receipt
from ctxmem.memory.records import RecordMaker, check_number, seconds_of
from ctxmem.memory.search import Recalled
from ctxmem.memory.session_log import SessionLog, damage_callback, exported, write_rows
from ctxmem.memory.session_state import Entry as Shown
from ctxmem.memory.session_state import SessionState
from ctxmem.memory.stored_session import TRIES, StoredSession
from ctxmem.memory.texts import copied
from ctxmem.memory.window import MemoryStats, MemoryWindow, Page
from ctxmem.pricing import Prices, prices_of
from ctxmem.protocols import Deleted, Embed, OnDamage, PageStore, Policy
from ctxmem.schema import Budget, PageId
from ctxmem.stores import open_store
from ctxmem.tokens import resolve

RECALL_SHARE = 0.85
"""What a query recalls takes at most this share of the budget, ..."""
RECALL_TOKENS = 8_000
"""... and old messages leave the window for at most so many tokens of it, ..."""
RECALL_LEAST = 0.3
"""... where it answers the query nearly as well as the best: with this share of its score."""
RECALL_SPENT = 0.15
"""With the policy "covered" a query may spend this share of what may be spent on one call, ..."""
RECALL_COVERED = 1_200
"""... and so many tokens at most: what is brought back is paid for in full, at every query."""
KEPT_WINDOWS = 8
"""So many windows of a turn are kept, for callers that ask the same again."""
PROMOTED_SHARE = 0.25
"""A message may be put back into the stable part if it takes at most this share of the budget."""
PROMOTED_AT = 2
"""A page that so many queries brought back is put into the stable part, at the next question."""


class Memory:
    """The memory of a conversation: everything is kept, a window of it is shown.

    What is appended is written to the store before the call returns. `window()` returns the
    messages to send, within the budget, laid out so that the provider's prompt cache keeps hitting:
    between edits a window begins with the stable part of the one before, which is its messages up
    to `volatile_from`, and what is for one call only is at the very end. When the window would
    overflow, when the cache is cold, or when it pays by the price table, one edit takes the oldest
    units out and leaves an index of them.

    Messages are dicts as OpenAI (chat or Responses) and Anthropic take them, or messages of
    LangChain and LlamaIndex, which come back as such; a `Chunk` or a str is a passage. Calls
    and results stay together; system messages, the first and the last user question, calls in
    flight and what is pinned stay in the window. `ctxmem.check` finds nothing in a window that
    `ctxmem.repair` could repair: what cannot be sent is left out, and stays in the store. A lone
    surrogate is shown as U+FFFD. A session may be used from many threads, and by several processes.

    Args:
        budget: tokens that a window may have, or a `Budget` that keeps some for the answer.
        store: ":memory:", the path of an SQLite file, or a `PageStore`; one given as an object is
            left open by `close`.
        session: the conversation.
        tenant: the customer or user whose sessions are kept apart from those of others.
        prices: a row of `ctxmem.PRICES` by name, or a `Prices`.
        counter: as in `count_tokens`.
        policy: what leaves the window, and when: "auto" follows the prices; "batch" waits until
            it must, and takes out the oldest down to half the budget; "slide" takes out as little
            as it can; "covered" is as "auto", but at every call the windows so far cost no more
            than the untrimmed history would have, unless nothing else fits the budget. A name of
            `ctxmem.policies`, or a `Policy`, works as "batch" and says which pages go.
        tabulate_json: write JSON results with fewer tokens, every value kept.
        miss_cost: the price of a token that is needed and not in the window, in uncached tokens.
            Higher keeps more in the window.
        tools: schemas that are sent along; they are counted.
        head: tokens of the request ahead of the messages that are counted by the caller, such as a
            system message kept elsewhere; they are a part of the budget and of the cached prefix.
        provider: whose overhead counts, as in `count_messages`.
        ledger: keep statements that bind (rules, limits, decisions, current values and the like,
            said by system or user) in the window when their message has left it. False does not;
            a function of a text and its role finds the statements instead: it returns texts of the
            message, or pairs of a kind (any str) and a text. Others are left out, with one warning.
        embed: a function from texts to vectors: what a query recalls is found by meaning, too. It
            is called for passages of messages before the first query after they came, and for
            queries; the vectors are kept in the store's snapshots. Open a session with the
            function that it was written with.
        damaged: "raise" raises `PageDamageError` for what is damaged in the store; "skip" leaves it
            out, one record or message each, and warns; a function gets the error instead.
        clock: seconds that pass, to know when the cache is cold.
        compact: the former name of `tabulate_json`.
        fault: the former name of `miss_cost`.

    Raises:
        BudgetError: it is no budget.
        InputError: an option is not one of those above.
        StoreError: the store cannot be opened or read; `PageDamageError` if what it holds is
            damaged.

    >>> memory = Memory(1000)
    >>> memory.append({"role": "user", "content": "My booking is HAT017."})
    ['p0']
    >>> window = memory.window()
    >>> window.messages, window.tokens
    ([{'role': 'user', 'content': 'My booking is HAT017.'}], 14)
    """

    def __init__(
        self,
        budget: int | Budget,
        *,
        store: str | os.PathLike[str] | PageStore = ":memory:",
        session: str = "default",
        tenant: str = "default",
        prices: str | Prices = "anthropic",
        counter: object = "o200k_base",
        policy: str | Policy = "auto",
        tabulate_json: bool = True,
        miss_cost: float = 0.25,
        tools: Iterable[Any] | None = None,
        provider: str | None = None,
        ledger: bool | Finder = True,
        embed: Embed | None = None,
        head: int = 0,
        damaged: str | OnDamage = "raise",
        clock: Callable[[], float] = time.monotonic,
        compact: bool | None = None,
        fault: float | None = None,
    ) -> None:
        if compact is not None:
            warn_deprecated("Memory(compact=)", "tabulate_json=")
            tabulate_json = compact
        if fault is not None:
            warn_deprecated("Memory(fault=)", "miss_cost=")
            miss_cost = fault
        self.budget = read_budget(budget).limit
        self.prices = prices_of(prices)
        self._counter = resolve(counter)
        self._meter = Meter(counter, provider)
        if isinstance(head, bool) or not isinstance(head, int) or head < 0:
            raise InputError(f"head is {shown(head)}; expected a number of tokens, 0 or more")
        self.head = head
        self.outlook: Outlook | None = None
        """For the policy "covered": what a caller who keeps the account knows of the next call."""
        self._own = self._meter.request + self._meter.tools(tools)
        for name, value in (("session", session), ("tenant", tenant)):
            if not isinstance(value, str):
                raise InputTypeError(f"{name} is {shown(value)}; expected a str")
        if not miss_cost >= 0:
            raise InputError(f"miss_cost is {miss_cost!r}; expected a price of 0 or more")
        on_damage = damage_callback(damaged)
        if not (isinstance(ledger, bool) or callable(ledger)):
            raise InputTypeError(f"ledger is {shown(ledger)}; expected True, False or a function")
        if not (embed is None or callable(embed)):
            raise InputTypeError(f"embed is {shown(embed)}; expected a function, or None")
        self._clock = clock
        self._lock = ForkSafeLock()
        self._recalled: dict[int, tuple[int, int]] = {}  # times brought back, items then
        self._faults = self._edits = self._evictions = 0
        self._events: Counter[str] = Counter()
        # The windows of the layout as it is, by query and by what else they depend on.
        self._windows: dict[tuple[str | None, int, Prices], MemoryWindow] = {}
        self._sent_at: float | None = None  # when the last window was
        self._owned = not isinstance(store, PageStore)
        log = self._log = SessionLog(open_store(store), tenant, session)
        log.on_damage = on_damage
        named = self._counter.name if isinstance(counter, str) else None
        records = RecordMaker(
            *(log, self._meter, self.prices, self.budget),
            counter_name=named,
            tabulate_json=tabulate_json,
        )
        self._session = StoredSession(
            *(log, records, self._meter, self.prices),
            policy=policy,
            miss_cost=miss_cost,
            ledger=ledger,
            embed=embed,
        )
        self._session.changed = self._windows.clear
        self._pages = PageReader(self._session, self._meter.count)
        self._assembler = WindowAssembler(self._session, self._pages, self._meter, provider)
        # How the other sessions of the tenant are opened, if they are searched.
        self._others: dict[str, Memory] = {}
        self._options: dict[str, Any] = {
            "counter": counter,
            "ledger": ledger,
            "embed": embed,
            "damaged": damaged,
        }
        try:
            self._session.open()
        except BaseException:
            self.close()
            raise
        self._seen = len(self._state.items)  # a session that is reopened has nothing new
        self._session.ended = self._session.last_sent()

    @property
    def _request(self) -> int:
        """The tokens of a request without its messages."""
        return self._own + self.head

    @property
    def _state(self) -> SessionState:
        return self._session.state

    # Appending ------------------------------------------------------------------------------------

    @tracing.append_span
    def append(
        self,
        message_or_chunk: Any,
        *,
        pinned: bool = False,
        at: float | datetime | None = None,
        expect: int | None = None,
    ) -> list[str]:
        """Keep a message, a chunk, or a list of them, and return the ids of their pages.

        When it returns, all of it is stored; if it raises, none of it is. A long text makes several
        pages. `pinned` keeps it in every window. `at` is when it was said, in seconds since 1970 or
        as a `datetime`; now, if left out. `expect` is how many messages the session has to have:
        nothing is appended behind what somebody else wrote meanwhile.

        Raises:
            ConflictError: the session has not as many messages as expected.
            InputTypeError: it is neither a message, a chunk nor a list of them.
            InputError: it holds what JSON cannot, or a dict has a role that no provider knows.
            StoreError: the store cannot be written; `SessionDeletedError` if the session was
                deleted.
        """
        given = message_or_chunk if isinstance(message_or_chunk, list) else [message_or_chunk]
        seconds = seconds_of(at)
        with self._lock:
            if self._session.planner.covers:
                self._session.records.ahead = self._request
            taken = self._session.append(given, pinned=pinned, at=seconds, expect=expect)
            return [editing.page_name(page) for item in taken for page in item.pages]

    # Windows --------------------------------------------------------------------------------------

    @tracing.window_span
    def window(self, query: str | None = None) -> MemoryWindow:
        """Return the messages to send now.

        With a query, stored pages that answer it are brought back for this call, behind the last
        breakpoint, in a message of their own at the end.

        Asking the same again without appending returns the same window.

        Raises:
            BudgetError: what must stay does not fit; `pinned` names it.
            InputTypeError: the query is no text.
            StoreError: the store cannot be written, and nothing has left the window.
        """
        with self._lock:
            if self._log.behind:
                self._session.catch_up()
            window = self._held_window(query)
        return replace(window, messages=list(map(copied, window.messages)))

    def _held_window(self, query: str | None) -> MemoryWindow:
        if query is not None and not isinstance(query, str):
            raise InputTypeError(f"query is {shown(query)}; expected a str, or None")
        with self._lock:
            for _ in range(TRIES):
                try:
                    return self._window(query)
                except ConflictError:
                    self._session.catch_up()
            return self._window(query)

    def _window(self, query: str | None) -> MemoryWindow:
        limit = self.budget - self._request
        key = (query, limit, self.prices)
        if key in self._windows:
            return replace(self._windows[key], events=())
        session = self._session
        state, planner = session.state, session.planner
        new = len(state.items) != self._seen
        cold = new and self._sent_at is not None and self._clock() - self._sent_at > self.prices.ttl
        if self.outlook is not None:
            cold = self.outlook.cold
        self._session.visibility.learn()
        planner.coverage.head, planner.coverage.outlook = self._request, self.outlook
        if limit < 1:
            raise request_too_long(self.budget, self._request)
        session.resume(self._request)
        plan = planner.plan(limit, cold=cold, new=new, wanted=self._session.wanted)
        found: Recalled | None = None
        if query is not None:
            plan, found = self._with_recall(plan, query, limit, cold=cold, new=new)
        if plan.record is not None:
            self._session.write_layout(plan.record)  # written before anything is dropped
            self._windows.clear()
        planner.apply(plan)
        for item in [item for item in self._session.wanted if item in state.in_full]:
            del self._session.wanted[item]
        if plan.edited:
            self._edits += 1
            self._evictions += len(plan.evicted)
        if new:
            self._assembler.breakpoints.known = plan.keep  # where the window before ended
        window = self._assembler.window(
            *(plan, found, self.budget, self._request),
            prices=self.prices,
            exact=self._counter.exact,
        )
        self._sent_at = self._clock()
        if new:
            self._session.costs.charge(
                stable=window.stable_tokens,
                common=planner.common(plan.common + self._request, window.stable_tokens),
                total=window.tokens,
                history=(state.whole if planner.covers else state.total) + self._request,
                cold=cold,
            )
            self._seen = len(state.items)
        planner.coverage.sent(len(state.entries), (mark + 1 for mark in window.breakpoints))
        if len(self._windows) >= KEPT_WINDOWS:
            del self._windows[next(iter(self._windows))]
        self._windows[key] = window
        self._events.update(event.kind for event in window.events)
        if found is not None:
            best = [found.best] if found.best is not None else []
            self._fault(best, others=len(found.pages) - len(best))
        return window

    def _sent_whole(self, *, cold: bool) -> None:
        with self._lock:
            self._session.visibility.learn()
            self._session.costs.charge_whole(self._state.whole + self._request, cold=cold)
            self._seen, self._sent_at = len(self._state.items), self._clock()

    def _with_recall(
        self, plan: Plan, query: str, limit: int, *, cold: bool, new: bool
    ) -> tuple[Plan, Recalled | None]:
        """Return the plan with room for what a query recalls, and what that is."""
        most = int(RECALL_SHARE * limit)
        asked = self._session.asked(query, limit)
        again = self._state.asked[:-1] == asked  # by this process or another: the window is there
        free = limit - self._session.planner.tokens(plan)
        visible = self._session.planner.visible(plan)
        needed = 0
        if free < RECALL_TOKENS and not self._session.planner.covers:
            needed = self._session.search.needed(query, most, visible, RECALL_LEAST)
            block = self._block(plan)
            needed = min(most, needed + self._session.binding.lacked_rules(visible, block))
        if needed > free and not again:
            options: dict[str, Any] = {"cold": cold, "new": new, "wanted": self._session.wanted}
            spare = min(needed, RECALL_TOKENS)
            continues = self._session.search.continues(query, RECALL_LEAST)
            plan = self._session.planner.plan(limit, spare=spare, continues=continues, **options)
            free = limit - self._session.planner.tokens(plan)
            visible = self._session.planner.visible(plan)
        if again:
            free = min(free, self._state.asked[-1])
        elif self._session.planner.covers:
            left = self._session.planner.coverage.left_by(plan)
            free = min(free, int(RECALL_SPENT * left), RECALL_COVERED)
        if not again and (self._session.planner.covers or plan.edited):
            self._session.planner.note_question(plan, [*asked, free])
        held = self._session.binding.held(visible, self._block(plan))
        return plan, self._session.search.recalled(query, free, held)

    def _block(self, plan: Plan) -> Shown | None:
        """Return the block of what binds in the window of a plan, if it has one."""
        entries = (*self._state.entries[: plan.keep], *plan.entries)
        return next((one for one in entries if one.binding), None)

    # Faults ---------------------------------------------------------------------------------------

    @tracing.recall_span
    def recall(self, query: str, k: int = 5, *, scope: str = "session") -> list[Page]:
        """Return the k pages that answer a query best, of all that were appended, best first.

        Ranked by their words; what the user said counts most, then what is beside a page: what
        follows a question answers it. Pages that have nothing to do with the query are left out.
        With the scope "tenant" all sessions of the tenant are searched; `Page.session` says which.
        """
        if not isinstance(query, str):
            raise InputTypeError(f"query is {shown(query)}; expected a str")
        if not isinstance(k, int) or k < 0:
            raise InputError(f"k is {shown(k)}; expected a number of pages")
        if scope not in ("session", "tenant"):
            raise InputError(f"scope is {scope!r}; expected 'session' or 'tenant'")
        with self._lock:
            self._session.catch_up()
            found = self._session.search.pages(query, k)
            self._fault([page for page, _ in found if not self._pages.is_resident(page)])
            pages = [self._pages.page(page, score) for page, score in found]
            if scope == "session":
                return pages
            for other in self._other_sessions():
                pages += other.recall(query, k)
            return sorted(pages, key=lambda page: -page.score)[:k]

    def _other_sessions(self) -> list[Memory]:
        """Return the other sessions of the tenant, opened; those that were deleted are dropped."""
        tenant, own = self._log.names
        names = [name for name in self._log.store.sessions(tenant) if name != own]
        self._others = {name: one for name, one in self._others.items() if name in names}
        for name in names:
            with suppress(SessionDeletedError):  # then another session has the name now
                if name in self._others:
                    self._others[name]._session.catch_up()
                    continue
            where: dict[str, Any] = {"store": self._log.store, "tenant": tenant, "session": name}
            self._others[name] = Memory(self.budget, **where, **self._options)
        return list(self._others.values())

    def page(self, id: str) -> Page:
        """Return a page by its id, from the window or from the store.

        Raises `InputError` for a page that is not of this session, `SessionDeletedError` if the
        session was deleted.
        """
        with self._lock:
            if self._log.behind:
                self._session.catch_up()
            number = self._pages.number(id)
            if not self._pages.is_resident(number):
                self._fault([number])
            return self._pages.page(number)

    def messages(self, start: int = 0) -> list[Any]:
        """Return what was appended from message `start` on, as it was appended; chunks as messages.

        Messages that were deleted or that are damaged, where damage is skipped, are None.

        Raises:
            InputTypeError: `start` is no int.
            InputError: `start` is below 0.
        """
        check_number(start)
        with self._lock:
            if self._log.behind:
                self._session.catch_up()
            if start >= len(self._state.items):
                return []
            items = map(self._state.items.__getitem__, range(start, len(self._state.items)))
            keys = [PageId("" if item.lost else item.key) for item in items]
            found = self._log.messages([key for key in keys if key])
            return [found.get(key) for key in keys]

    def last_at(self, number: int) -> float:
        """Return when a message was said, in seconds since 1970."""
        return self._item_at(number).at

    def pages(self) -> list[Page]:
        """Return all pages, in the order they were appended."""
        with self._lock:
            return [self._pages.page(page) for page in range(self._state.items.page_count)]

    def tool(self, form: str = "openai") -> dict[str, Any]:
        """Return the definition of a tool by which the model reads what has left the window.

        `form` is "openai" (chat), "responses" or "anthropic". Pass the model's calls of it to
        `answer`. What is written from now on in the place of text that leaves names the tool.
        """
        definition = tool.definition(form)
        self._state.offers = True
        return definition

    def answer(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message that answers a call of the tool, in the form of the call.

        `call` is an entry of `tool_calls` (or of the content, for Anthropic), or the whole message
        of the model if it has exactly one call of the tool.

        It never raises for what a model may write in its arguments; the message says what was wrong
        instead.

        Raises:
            InputTypeError: the call is no dict.
            InputError: it calls another tool, or is a message without exactly one call of it.
            SessionDeletedError: the session was deleted.
        """
        return tool.answer(call, self.page, self.recall)

    def _fault(self, pages: Sequence[int], *, others: int = 0) -> None:
        """Note that pages were brought back; those that are again and again are wanted for good.

        What is asked without anything new in between counts once.
        """
        self._faults += len(pages) + others
        now = len(self._state.items)
        for page in pages:
            count, at = self._recalled.get(page, (0, -1))
            count += at != now
            self._recalled[page] = (count, now)
            item = self._pages.item(page)
            if count >= PROMOTED_AT and item.tokens <= PROMOTED_SHARE * self.budget:
                self._session.wanted[item.index] = None

    # What binds, receipts ---------------------------------------------------------------------

    def ledger(self) -> list[Entry]:
        """Return the statements of the session that bind, in order.

        Those that a newer statement replaced are left out.
        """
        with self._lock:
            self._session.catch_up()
            return self._session.binding.ledger.entries()

    def receipts(self) -> list[Receipt]:
        """Return a receipt of every edit of the session's window, in order.

        What is shown in part because it is too long has an event in `MemoryWindow.events` only.
        """
        with self._lock:
            self._session.catch_up()
            return list(self._session.receipts.issued)

    # Pins, counters, the end ----------------------------------------------------------------------

    def pin(self, which: str | Entry) -> None:
        """Keep the message of a page in every window from now on, with its unit.

        Given an entry of the ledger, keep the statement. Raises `InputError` for a page that is not
        of this session.
        """
        self._pin(which, True)

    def unpin(self, which: str | Entry) -> None:
        """Let the message of a page, or an entry of the ledger, go again when it is time."""
        self._pin(which, False)

    def _pin(self, which: str | Entry, pinned: bool) -> None:
        with self._lock:
            if isinstance(which, Entry):
                self._session.correct("pin" if pinned else "unpin", self._entry(which))
                return
            item = self._item(which)
            if item.pinned != pinned:
                self._session.pin(item, pinned)

    def forget(self, which: str | Entry) -> Deleted | None:
        """Delete the message of a page from the session and from the store, for good.

        Its text, what windows and indexes had of it, and what the ledger has of it are deleted. The
        page keeps its id and is empty. Returns what was deleted; `held` says what still has bytes
        of it, such as another process that reads the file. Given an entry of the ledger, only the
        statement is dropped, and the message stays.

        Raises:
            InputError: the page or entry is not of this session.
            StoreError: the store cannot delete pages.
        """
        with self._lock:
            if isinstance(which, Entry):
                self._session.correct("forget", self._entry(which))
                return None
            return self._session.forget([self._item(which)])

    def _item_at(self, number: int) -> Item:
        with self._lock:
            return self._state.items[number]

    def _entry(self, entry: Entry) -> int:
        self._session.catch_up()
        known = self._session.binding.ledger.entries(superseded=True)
        if not any(one.id == entry.id and one.text == entry.text for one in known):
            raise InputError(f"{entry.text!r} is no statement in the ledger of this session")
        return entry.id

    def _item(self, id: str) -> Item:
        return self._pages.item(self._pages.number(id))

    def export(self, path: str | os.PathLike[str] | None = None) -> Iterator[dict[str, Any]] | int:
        """Return the messages of the session, one dict each, or write them to a file.

        A dict has `message` (as it was appended), `number`, `pages`, `role` and `at`, in seconds
        since 1970. With a path they are written as JSON lines, for the owner only if the file is
        new, and the return value is how many.

        Raises `InputError` for the path of a folder.
        """
        rows = exported(self.messages(), self._item_at)
        return rows if path is None else write_rows(path, rows)

    def __contains__(self, identifier: object) -> bool:
        """Return whether the last window shows an identifier, in a message or in an index."""
        with self._lock:
            self._session.visibility.learn()
            return identifier in self._session.visibility

    def stats(self) -> MemoryStats:
        """Return counters since this memory was opened."""
        with self._lock:
            state, costs = self._state, self._session.costs
            return MemoryStats(
                messages=len(state.items),
                pages=state.items.page_count,
                resident=sum(map(self._pages.is_resident, range(state.items.page_count))),
                calls=costs.calls,
                edits=self._edits,
                evictions=self._evictions,
                hits=self._session.visibility.hits,
                misses=self._session.visibility.misses,
                faults=self._faults,
                stable_share=costs.known / costs.sent if costs.sent else 0.0,
                cost=costs.cost,
                untrimmed=costs.untrimmed,
                dollars=costs.cost * self.prices.dollars / 1e6,
                events=dict(self._events),
            )

    def close(self) -> None:
        """Release the store, if this memory opened it; closing twice is no error."""
        with self._lock:
            for one in (self, *self._others.values()):
                one._session.close()
            if self._owned:
                self._log.store.close()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""Memory: a session that is appended to, and asked for windows that keep the prompt cache warm."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ctxmem.chat.counting import Meter
from ctxmem.chat.reading import Turn, fingerprint, read_one
from ctxmem.chat.shapes import shown
from ctxmem.errors import ConflictError, InputError, InputTypeError, warn_deprecated
from ctxmem.forking import ForkSafeLock
from ctxmem.intake import read_budget
from ctxmem.memory import editing, recall, tool
from ctxmem.memory.cost_tracker import CostTracker
from ctxmem.memory.encoding import check_shape, decode, plain
from ctxmem.memory.identifiers import Reuse
from ctxmem.memory.plan import Plan
from ctxmem.memory.planner import WindowPlanner
from ctxmem.memory.resident import Item, Resident, page_cuts
from ctxmem.memory.sending import Sent, sendable, with_notes
from ctxmem.memory.session_log import SessionLog
from ctxmem.memory.tables import tabled
from ctxmem.memory.texts import copied, text_of, with_results
from ctxmem.memory.visibility import VisibilityTracker
from ctxmem.memory.window import Event, MemoryStats, MemoryWindow, Page
from ctxmem.pricing import Prices, prices_of
from ctxmem.protocols import PageStore, Policy
from ctxmem.schema import Budget, Chunk
from ctxmem.stores import open_store
from ctxmem.tokens import resolve

RECALL_SHARE = 0.25
"""A query brings back pages for at most this share of the budget."""
RECALL_LEAST = 0.4
"""... and only those that answer it nearly as well as the best: this share of its score."""
PROMOTED_AT = 2
"""A page that so many queries brought back is put into the stable part."""
_TABLE_SHARE = 0.9
"""A result is written as a table where that takes at most this share of its tokens."""
_TABLE_CHARACTERS = 120
_TRIES = 64
"""How often a write is tried again when others write to the same session."""
_PAGE_ID = re.compile(r"p[0-9]{1,12}")


class Memory:
    """The memory of a conversation: everything is kept, a window of it is shown.

    What is appended is written to the store before the call returns. `window()` returns the
    messages to send, within the budget, laid out so that the provider's prompt cache keeps hitting:
    between edits a window begins with all of the one before, and what is for one call only stands
    at the very end. When the window would overflow, when the cache is cold, or when it pays by
    the price table, one edit takes the oldest units out and leaves an index of them.

    Messages are dicts as OpenAI (chat or Responses) and Anthropic take them; a `Chunk` or a str is
    a passage. Calls and results stay together; system messages, the first and the last user
    question, calls in flight and what is pinned stay in the window, which is always a history that
    `ctxmem.check` accepts: what cannot be sent is left out of it, and stays in the store. A
    session may be used from many threads, and by several processes through one store.

    Args:
        budget: tokens that a window may have, or a `Budget` that keeps some for the answer.
        store: ":memory:", the path of an SQLite file, or a `PageStore`; one given as an object is
            left open by `close`.
        session, tenant: whose memory it is.
        prices: a row of `ctxmem.PRICES` by name, or a `Prices`.
        counter: as in `count_tokens`.
        policy: what leaves the window, and when: "auto" follows the prices; "batch" waits until
            it must, and takes out the oldest down to half the budget; "slide" takes out as little
            as it can. A name of `ctxmem.policies`, or a `Policy`, works as "batch" and says which
            pages go.
        tabulate_json: write JSON results with fewer tokens, every value kept.
        miss_cost: the price of a token that is needed and not in the window, in uncached tokens.
            Higher keeps more in the window.
        tools: schemas that are sent along; they are counted.
        provider: whose overhead counts, as in `count_messages`.
        clock: seconds that pass, to know when the cache is cold.
        compact, fault: the former names of `tabulate_json` and `miss_cost`.

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
        self._provider = provider
        self._named_counter = self._counter.name if isinstance(counter, str) else None
        self._request = self._meter.request + self._meter.tools(tools)
        for name, value in (("session", session), ("tenant", tenant)):
            if not isinstance(value, str):
                raise InputTypeError(f"{name} is {shown(value)}; expected a str")
        if not miss_cost >= 0:
            raise InputError(f"miss_cost is {miss_cost!r}; expected a price of 0 or more")
        self._tabulate_json = tabulate_json
        self._clock = clock
        self._lock = ForkSafeLock()
        self._state = Resident(self._meter.message)
        self._costs = CostTracker(self.prices)
        reuse = Reuse()
        self._visibility = VisibilityTracker(self._state, reuse)
        self._planner = WindowPlanner(
            *(self._state, self._meter, self.prices),
            costs=self._costs,
            reuse=reuse,
            visibility=self._visibility,
            policy=policy,
            miss_cost=miss_cost,
        )
        if self._planner.eviction is not None:
            self._visibility.used = self._planner.eviction.touch
        self._recalled: dict[int, int] = {}  # how often each page was brought back
        self._wanted: dict[int, None] = {}  # items to show again
        self._known = 0  # entries that the window before the last had, too
        self._last_index, self._index_at = 0, -1  # where the last index ends
        self._faults = self._edits = self._evictions = 0
        self._events: Counter[str] = Counter()
        self._last: MemoryWindow | None = None
        self._asked: float | None = None
        self._owned = not isinstance(store, PageStore)
        opened = open_store(store)
        self._log = SessionLog(opened, tenant, session)
        try:
            self._catch_up()
        except BaseException:
            self.close()
            raise
        self._seen = len(self._state.items)  # a session that is reopened has nothing new

    # Appending ------------------------------------------------------------------------------------

    def append(self, message_or_chunk: Any, *, pinned: bool = False) -> list[str]:
        """Keep a message, a chunk, or a list of them, and return the ids of their pages.

        When it returns, all of it is stored; if it raises, none of it is. A long text makes several
        pages. `pinned` keeps it in every window.

        Raises:
            InputTypeError: it is neither a message, a chunk nor a list of them.
            InputError: it holds what JSON cannot.
            StoreError: the store cannot be written.
        """
        given = message_or_chunk if isinstance(message_or_chunk, list) else [message_or_chunk]
        with self._lock:
            first = len(self._state.items)
            prepared = [self._prepare(one, first + i, pinned) for i, one in enumerate(given)]
            records = [record for record, _, _ in prepared]
            blobs = {self._log.page_id(data): data for _, pages, _ in prepared for data in pages}
            self._write(records, blobs)
            taken = [self._take(record, *parts) for record, _, parts in prepared]
            self._last = None
            return [editing.page_name(page) for item in taken for page in item.pages]

    def _prepare(
        self, given: Any, index: int, pinned: bool
    ) -> tuple[dict[str, Any], list[bytes], tuple[dict[str, Any], Turn, str]]:
        """Return the record of something appended, what it stores, and what an item is made of."""
        chunk = isinstance(given, Chunk | str)
        if isinstance(given, Chunk):
            pinned = pinned or given.pinned
            source = f"[{given.source}]\n" if given.source else ""
            message: dict[str, Any] = {"role": "user", "content": source + given.text}
        elif isinstance(given, str):
            message = {"role": "user", "content": given}
        elif isinstance(given, Mapping):
            message = dict(given)
        else:
            raise InputTypeError(
                f"message {index} is {shown(given)}; expected a dict with 'role' and 'content', a "
                "ctxmem.Chunk or a str; framework objects go through ctxmem.adapters"
            )
        check_shape(message, f"message {index}")  # readers recurse
        turn = read_one(message, index)
        data = plain(message, f"message {index}")
        if type(message.get("content")) is not str or len(message) != 2:
            message = decode(data)  # a copy that the caller cannot change
        sent = self._written_shorter(message)
        tokens = self._meter.message(sent, index)
        text = text_of(message, index)
        cuts = page_cuts(text, self._meter.count, tokens)
        record: dict[str, Any] = {"op": "append", "page": self._log.page_id(data), "tokens": tokens}
        pages = [data]
        if sent is not message:
            pages.append(plain(sent, f"message {index}"))
            record["sent"] = self._log.page_id(pages[1])
        if self._named_counter is not None:
            record["counter"] = self._named_counter
        for name, value in (("cuts", cuts), ("chunk", chunk), ("pinned", pinned)):
            if value:
                record[name] = value
        return record, pages, (sent, turn, text)

    def _written_shorter(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the message with its JSON results written as tables, where that is shorter."""
        if not self._tabulate_json:
            return message
        count = self._meter.count

        def shorter(text: str) -> str | None:
            if len(text) < _TABLE_CHARACTERS:
                return None
            table = tabled(text)
            if table is None:
                return None
            before, after = count(text), count(table)
            # Where caches count in steps, a saving of less than half a step may be lost again.
            worth = after <= _TABLE_SHARE * before and before - after >= self.prices.step // 2
            return table if worth else None

        return with_results(message, shorter)

    def _take(self, record: Mapping[str, Any], sent: dict[str, Any], turn: Turn, text: str) -> Item:
        index = len(self._state.items)
        tokens = record["tokens"]
        if record.get("counter") != self._named_counter:
            tokens = self._meter.message(sent, index)
        return self._state.take(
            sent,
            turn,
            text,
            tokens=tokens,
            cuts=record.get("cuts", ()),
            chunk=record.get("chunk", False),
            pinned=record.get("pinned", False),
        )

    # Records --------------------------------------------------------------------------------------

    def _write(self, records: Sequence[Mapping[str, Any]], blobs: Mapping[Any, bytes]) -> None:
        """Write records; others' that came first are taken in before."""
        for _ in range(_TRIES):
            try:
                self._log.write(records, blobs)
                return
            except ConflictError:
                self._catch_up()
        self._log.write(records, blobs)

    def _catch_up(self) -> None:
        """Take in the records that this memory has not seen."""
        records = list(self._log.news())
        named = [record[key] for record in records for key in ("page", "sent") if key in record]
        messages = self._log.messages(named) if named else {}
        for record in records:
            if record["op"] == "append":
                index, original = len(self._state.items), messages[record["page"]]
                sent = messages[record.get("sent", record["page"])]
                self._take(record, sent, read_one(original, index), text_of(original, index))
            elif record["op"] == "pin":
                self._pinned(record["item"], record["pinned"])
            else:
                self._planner.take(record)
        if records:
            self._last = None
            self._planner.considered = len(self._state.items)

    # Windows --------------------------------------------------------------------------------------

    def window(self, query: str | None = None) -> MemoryWindow:
        """Return the messages to send now.

        With a query, stored pages that answer it are brought back for this call, behind the last
        breakpoint, in a message of their own at the end.

        Asking again without appending returns the same window.

        Raises:
            BudgetError: what must stay does not fit; `pinned` names it.
            InputTypeError: the query is no text.
            StoreError: the store cannot be written, and nothing has left the window.
        """
        if query is not None and not isinstance(query, str):
            raise InputTypeError(f"query is {shown(query)}; expected a str, or None")
        with self._lock:
            if self._log.behind:
                self._catch_up()
            for _ in range(_TRIES):
                try:
                    return self._window(query)
                except ConflictError:
                    self._catch_up()
            return self._window(query)

    def _window(self, query: str | None) -> MemoryWindow:
        if query is None and self._last is not None:
            return replace(self._last, messages=list(map(copied, self._last.messages)), events=())
        state, planner = self._state, self._planner
        new = len(state.items) != self._seen
        cold = new and self._asked is not None and self._clock() - self._asked > self.prices.ttl
        self._visibility.learn()
        limit = self.budget - self._request
        plan = planner.plan(limit, cold=cold, new=new, wanted=self._wanted)
        if plan.record is not None:
            self._log.write([plan.record], {})  # written before anything is dropped
        planner.apply(plan)
        for item in [item for item in self._wanted if item in state.in_full]:
            del self._wanted[item]
        if plan.edited:
            self._edits += 1
            self._evictions += plan.evicted
        if new:
            self._known = plan.keep  # where the window before ended
        window, found = self._assembled(plan, query, limit)
        self._asked = self._clock()
        if new:
            self._costs.charge(
                stable=window.stable_tokens,
                common=min(plan.common + self._request, window.stable_tokens),
                total=window.tokens,
                history=state.total + self._request,
                cold=cold,
            )
            self._seen = len(state.items)
        self._last = None if query is not None else window
        self._events.update(event.kind for event in window.events)
        self._fault(found)
        return replace(window, messages=list(map(copied, window.messages)))

    def _assembled(
        self, plan: Plan, query: str | None, limit: int
    ) -> tuple[MemoryWindow, list[int]]:
        """Return the window of a plan that was applied, and the pages brought back for a query."""
        state = self._state
        messages = [entry.message for entry in state.entries]
        volatile_from = len(messages)
        messages += [message for _, message, _ in plan.pending]
        notes = [note.message for note in plan.notes]
        tokens = state.stable + sum(tokens for _, _, tokens in plan.pending)
        tokens += sum(note.tokens for note in plan.notes)
        events = plan.events
        found: list[int] = []
        recalled: list[Page] = []
        if query is not None:
            room = min(limit - tokens, int(RECALL_SHARE * self.budget))
            found, note, cost = self._answering(query, room, plan)
            if found:
                recalled = [self._page(page) for page in found]
                notes.append(note)
                tokens += cost
                names = tuple(page.id for page in recalled)
                detail = f"{', '.join(names)} brought back for this call ({cost:,} tokens)"
                events = [*events, Event("recall", detail, names, -cost)]
        marks = self._breakpoints(volatile_from)
        messages, begins = with_notes(messages, notes, volatile_from)
        sent = Sent(messages, begins, tuple(mark for mark in marks if mark < begins))
        accepted = sendable(sent, self._provider)
        stable = state.stable
        if accepted is not sent or begins < volatile_from:
            costs = [
                self._meter.marked(message, i, fingerprint(message))
                for i, message in enumerate(accepted.messages)
            ]
            tokens, stable = sum(costs), sum(costs[: accepted.volatile_from])
        window = MemoryWindow(
            messages=accepted.messages,
            tokens=tokens + self._request,
            budget=self.budget,
            stable_tokens=stable + self._request,
            volatile_from=accepted.volatile_from,
            breakpoints=accepted.breakpoints,
            events=tuple(events),
            recalled=tuple(recalled),
            exact=self._counter.exact,
        )
        return window, found

    def _breakpoints(self, stable: int) -> tuple[int, ...]:
        """Return the messages behind which a cache mark belongs.

        The end of the stable part always; where it ended before, from which a provider that looks
        only some blocks back would not find it; the end of the last index and of the head.
        """
        if not stable or not self.prices.marked:
            return ()
        entries = self._state.entries
        head = 0
        while head < stable and entries[head].item >= 0 and self._is_head(entries[head].item):
            head += 1
        if self._index_at != self._state.shorts:
            ends = (i + 1 for i, entry in enumerate(entries) if entry.item < 0 > entry.again)
            self._last_index, self._index_at = max(ends, default=0), self._state.shorts
        wished = [stable, self._known, self._last_index, head]
        marks: dict[int, None] = dict.fromkeys(mark for mark in wished if 0 < mark <= stable)
        return tuple(sorted(mark - 1 for mark in list(marks)[: self.prices.breakpoints]))

    def _is_head(self, index: int) -> bool:
        role = self._state.items[index].turn.role
        return role == "system" or (role == "user" and self._state.items[index].created_at == 0)

    # Faults ---------------------------------------------------------------------------------------

    def recall(self, query: str, k: int = 5) -> list[Page]:
        """Return the k pages that answer a query best, of all that were appended, best first.

        Ranked by BM25, and by that of the pages beside: what follows a question answers it. Pages
        that share no word with the query, nor their neighbours, are left out.
        """
        if not isinstance(query, str):
            raise InputTypeError(f"query is {shown(query)}; expected a str")
        if not isinstance(k, int) or k < 0:
            raise InputError(f"k is {shown(k)}; expected a number of pages")
        with self._lock:
            self._catch_up()
            pages = range(len(self._state.pages))
            found = recall.ranked([self._text(page) for page in pages], query, k)
            self._fault([page for page, _ in found if not self._is_resident(page)])
            return [self._page(page, score) for page, score in found]

    def page(self, id: str) -> Page:
        """Return a page by its id, from the window or from the store.

        Raises `InputError` for a page that is not of this session.
        """
        with self._lock:
            number = self._number(id)
            if not self._is_resident(number):
                self._fault([number])
            return self._page(number)

    def pages(self) -> list[Page]:
        """Return all pages, in the order they were appended."""
        with self._lock:
            return [self._page(page) for page in range(len(self._state.pages))]

    def tool(self, form: str = "openai") -> dict[str, Any]:
        """Return the definition of a tool by which the model reads what has left the window.

        `form` is "openai" (chat), "responses" or "anthropic". Pass the model's calls of it to
        `answer`.
        """
        return tool.definition(form)

    def answer(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message that answers a call of the tool, in the form of the call.

        It never raises for what a model may write; the message says what was wrong instead.
        """
        given = tool.arguments_of(dict(call))
        page, query = given.get("page"), given.get("query")
        if isinstance(page, str) and page:
            try:
                found = [self.page(page.strip())]
            except InputError as error:
                return tool.result(dict(call), str(error))
        elif isinstance(query, str) and query:
            found = self.recall(query, 3)
        else:
            return tool.result(dict(call), "give 'page', such as 'p12', or 'query'")
        if not found:
            return tool.result(dict(call), f"no page answers {query!r}")
        texts = [editing.again(one.id, one.role, one.text) for one in found]
        return tool.result(dict(call), "\n\n".join(texts))

    def _answering(
        self, query: str, room: int, plan: Plan
    ) -> tuple[list[int], dict[str, Any], int]:
        """Return stored pages that answer a query within `room` tokens, and the message of them."""
        state = self._state
        pending = {index for index, _, _ in plan.pending if index not in state.parts}
        texts = [self._text(page) for page in range(len(state.pages))]
        ranked = recall.ranked(texts, query, 16)
        best = ranked[0][1] if ranked else 0.0
        found: list[int] = []
        message: dict[str, Any] = {}
        cost = 0
        for page, score in ranked:
            item = state.pages[page]
            if item in state.in_full or item in pending or score < RECALL_LEAST * best:
                continue
            trial = sorted([*found, page])
            notes = [
                editing.again(editing.page_name(p), self._role(p), self._text(p)) for p in trial
            ]
            made = {"role": "user", "content": "\n\n".join(notes)}
            tokens = self._meter.message(made, 0)
            if tokens <= room:
                found, message, cost = trial, made, tokens
        return found, message, cost

    def _fault(self, pages: Sequence[int]) -> None:
        """Note that pages were brought back; those that are again and again are wanted for good."""
        self._faults += len(pages)
        for page in pages:
            self._recalled[page] = self._recalled.get(page, 0) + 1
            item = self._state.items[self._state.pages[page]]
            if self._recalled[page] >= PROMOTED_AT and item.tokens <= RECALL_SHARE * self.budget:
                self._wanted[item.index] = None

    def _number(self, id: str) -> int:
        number = int(id[1:]) if isinstance(id, str) and _PAGE_ID.fullmatch(id) else -1
        if not 0 <= number < len(self._state.pages):
            self._catch_up()
        if not 0 <= number < len(self._state.pages):
            count = len(self._state.pages)
            there = f"p0 to p{count - 1}" if count else "none yet"
            raise InputError(f"there is no page {id!r}; this session has {there}")
        return number

    def _text(self, page: int) -> str:
        return self._state.items[self._state.pages[page]].part(page)

    def _role(self, page: int) -> str:
        item = self._state.items[self._state.pages[page]]
        return "chunk" if item.chunk else item.turn.role

    def _is_resident(self, page: int) -> bool:
        state = self._state
        item = state.pages[page]
        if item in state.in_full or item in state.passing:
            return True
        return item >= state.committed and (item not in state.parts or state.items[item].pinned)

    def _page(self, page: int, score: float = 0.0) -> Page:
        text = self._text(page)
        return Page(
            id=editing.page_name(page),
            text=text,
            role=self._role(page),
            tokens=self._meter.count(text),
            message=self._state.pages[page],
            resident=self._is_resident(page),
            score=score,
        )

    # Pins, counters, the end ----------------------------------------------------------------------

    def pin(self, id: str) -> None:
        """Keep the message of a page in every window from now on, with its unit.

        Raises `InputError` for a page that is not of this session.
        """
        self._pin(id, True)

    def unpin(self, id: str) -> None:
        """Let the message of a page go again when it is time."""
        self._pin(id, False)

    def _pin(self, id: str, pinned: bool) -> None:
        with self._lock:
            item = self._state.items[self._state.pages[self._number(id)]]
            if item.pinned == pinned:
                return
            record = {"op": "pin", "item": item.index, "pinned": pinned}
            for tries in range(_TRIES):
                # How the item is shown so far is written first: readers pin it after that, too.
                try:
                    self._log.write([self._planner.as_it_is(), record], {})
                    break
                except ConflictError:
                    if tries == _TRIES - 1:
                        raise
                    self._catch_up()
            self._planner.recorded = len(self._state.entries)
            self._pinned(item.index, pinned)

    def _pinned(self, index: int, pinned: bool) -> None:
        self._state.pin(index, pinned)
        self._last = None
        if pinned:
            self._wanted[index] = None
        else:
            self._wanted.pop(index, None)

    def __contains__(self, identifier: object) -> bool:
        """Return whether the last window shows an identifier, in a message or in an index."""
        with self._lock:
            self._visibility.learn()
            return identifier in self._visibility

    def stats(self) -> MemoryStats:
        """Return counters since this memory was opened."""
        with self._lock:
            state, costs = self._state, self._costs
            return MemoryStats(
                messages=len(state.items),
                pages=len(state.pages),
                resident=sum(map(self._is_resident, range(len(state.pages)))),
                calls=costs.calls,
                edits=self._edits,
                evictions=self._evictions,
                hits=self._visibility.hits,
                misses=self._visibility.misses,
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
            if self._owned:
                self._log.store.close()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

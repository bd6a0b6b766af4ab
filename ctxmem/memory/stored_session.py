"""A session as it is stored: what happened to it, written down, and the state that follows.

Every change is written first and taken in then, here as by any other reader of the records. What a
record says in words (the texts of a layout, statements found by a caller's function) is in a page
that it names, since single pages can be deleted and single records cannot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ctxmem.chat.counting import Meter
from ctxmem.errors import ConflictError, SessionDeletedError, StoreError
from ctxmem.memory import editing
from ctxmem.memory.binding import Binding
from ctxmem.memory.cost_tracker import CostTracker
from ctxmem.memory.encoding import encode
from ctxmem.memory.finders import warning_finder
from ctxmem.memory.identifiers import Reuse
from ctxmem.memory.items import LOST, Content, Item
from ctxmem.memory.ledger import Finder
from ctxmem.memory.planner import WindowPlanner
from ctxmem.memory.receipts import Receipts
from ctxmem.memory.records import Prepared, Progress, RecordMaker
from ctxmem.memory.search import SessionSearch
from ctxmem.memory.session_log import SessionLog
from ctxmem.memory.session_state import SessionState
from ctxmem.memory.snapshots import EVERY, Stateful, restore, rows_name, state_part
from ctxmem.memory.visibility import VisibilityTracker
from ctxmem.pricing import Prices
from ctxmem.protocols import Deleted, Embed, ManagedStore, Policy
from ctxmem.schema import PageId

TRIES = 64
"""How often a write is tried again when others write to the same session."""
_BINDING_ROLES = ("system", "user", "assistant")


class StoredSession:
    """The log of a session and the state that its records come to."""

    def __init__(
        self,
        log: SessionLog,
        records: RecordMaker,
        meter: Meter,
        prices: Prices,
        *,
        policy: str | Policy,
        miss_cost: float,
        ledger: bool | Finder,
        embed: Embed | None = None,
    ) -> None:
        self.log, self.records = log, records
        self._meter, self._prices = meter, prices
        self._policy, self._miss_cost = policy, miss_cost
        self._finder = None if isinstance(ledger, bool) else warning_finder(ledger)
        self._binds = ledger is not False
        self._embed = embed
        self.wanted: dict[int, None] = {}  # items to show again
        self.changed: Callable[[], None] = lambda: None  # called when windows are out of date
        self.dated = True  # whether `at` of items is when they were said
        self.ended = (0, 0)  # items and tokens that another process sent, before it is resumed
        self._build()

    def _build(self) -> None:
        """Make the state of an empty session."""
        self.state = SessionState(self._meter.message, self.log.contents)
        self.costs = CostTracker(self._prices)
        reuse = Reuse()
        self.visibility = VisibilityTracker(self.state, reuse)
        self.binding = Binding(self.state, self._meter, self._finder, active=self._binds)
        self.search = SessionSearch(self.state, self._meter, self._embed, dated=self.dated)
        self.receipts = Receipts()
        self.planner = WindowPlanner(
            *(self.state, self._meter, self._prices),
            costs=self.costs,
            reuse=reuse,
            visibility=self.visibility,
            binding=self.binding,
            receipts=self.receipts,
            policy=self._policy,
            miss_cost=self._miss_cost,
        )
        if self.planner.eviction is not None:
            self.visibility.used = self.planner.eviction.touch
        self._parts: dict[str, Stateful] = {
            "window": self.state,
            "costs": self.costs,
            "reuse": reuse,
            "visibility": self.visibility,
            "ledger": self.binding,
            "receipts": self.receipts,
        }

    # Reading --------------------------------------------------------------------------------------

    def open(self) -> None:
        """Take in the session as it is stored, from a snapshot where there is one."""
        snapshot = self.log.snapshot()
        if snapshot is not None:
            about = {"counter": self.records.counter_name}
            vectors = self.search.vectors
            load = {
                "words": self.search.index.load,
                "vectors": vectors.load if vectors is not None else lambda _: None,
            }
            if restore(snapshot, self.state.items, self._parts, load, **about):
                self.planner.restored()
            else:
                self._build()
                self.log.restart()
        self.catch_up()

    def last_sent(self) -> tuple[int, int]:
        """Return how many items the last call was about, with their tokens in full."""
        state = self.state
        seen = len(state.items)
        while seen and state.answers(seen - 1):
            seen -= 1
        after = sum(item.tokens for item in state.items[seen:])
        return seen, state.whole - after

    def asked(self, query: str, limit: int) -> list[Any]:
        """Return what a window for a query depends on beside the layout, as a record has it."""
        digest = hashlib.blake2b(query.encode("utf-8", "surrogatepass"), digest_size=8)
        return [len(self.state.items), limit, digest.hexdigest()]

    def resume(self, request: int) -> None:
        """Go on with the account of the process before; `request` tokens precede the messages."""
        (seen, tokens), self.ended = self.ended, (0, 0)
        if seen and self.planner.covers:
            self.costs.resume(tokens + request)
            self.planner.resume(seen)

    def catch_up(self) -> None:
        """Take in the records that this memory has not seen."""
        records = list(self.log.news())
        forgotten = {item for record in records for item in record.get("forget", ())}
        last = max((i for i, one in enumerate(records) if one["op"] == "forget"), default=-1)
        if forgotten and min(forgotten) < len(self.state.items):
            self._reload()
            return
        if forgotten:
            self._finish_forgetting(records, forgotten, last)
        bodies = self._bodies(records, last)
        contents = self._contents(records, forgotten)
        for at, record in enumerate(records):
            if record["op"] == "append":
                self._fill_gap(record)
                found = bodies.get(record.get("binds", ""), [])
                self._take(record, contents[at] or LOST, found)
            elif record["op"] == "pin":
                self.pinned(record["item"], record["pinned"])
            elif record["op"] == "ledger":
                self._correct(record)
            elif at >= last and not self.log.lost:
                self.planner.take(bodies.get(record.get("body", ""), record))
        if records:
            self.changed()
            self.planner.considered = len(self.state.items)
        self.save()

    def _reload(self) -> None:
        """Read the session again from its first record; vectors are not made again."""
        vectors = self.search.vectors
        self.log.restart()
        self._build()
        self.catch_up()
        if vectors is not None and self.search.vectors is not None:
            self.search.vectors.take_over(vectors)
        self.save()

    def _finish_forgetting(
        self, records: Sequence[Mapping[str, Any]], forgotten: set[int], last: int
    ) -> None:
        """Delete pages that a process did not delete because it was killed while it forgot them."""
        names = ("page", "sent", "binds")
        left = [
            PageId(record[name])
            for at, record in enumerate(records)
            for name in (names if record.get("item") in forgotten else ("body",))
            if name in record and (name != "body" or at < last)
        ]
        kept = {records[last].get("body")}  # the same text may have been written before
        left = [page for page in left if page not in kept]
        store = self.log.store
        if isinstance(store, ManagedStore) and store.pages(*self.log.names, left):
            store.delete_pages(*self.log.names, left)

    def _bodies(self, records: Sequence[Mapping[str, Any]], last: int) -> dict[str, Any]:
        """Return what records say in words, by page; layouts before the record `last` are gone."""
        wanted = [
            PageId(record[name])
            for at, record in enumerate(records)
            for name in ("body", "binds")
            if isinstance(record.get(name), str) and (at >= last or record["op"] == "append")
        ]
        found = self.log.messages(wanted) if wanted else {}
        return {str(page): body for page, body in found.items()}

    def _contents(
        self, records: Sequence[Mapping[str, Any]], forgotten: Iterable[int]
    ) -> dict[int, Content | None]:
        """Return what appended items are made of, by the place of their records."""
        gone = set(forgotten)
        places = []
        index = len(self.state.items)
        for at, record in enumerate(records):
            if record["op"] == "append":
                index = record.get("item", index)
                if index not in gone:
                    places.append(at)
                index += 1
        keys = [(records[at]["page"], records[at].get("sent", "")) for at in places]
        found: dict[int, Content | None] = dict.fromkeys(range(len(records)))
        found.update(zip(places, self.log.contents(keys), strict=True))
        return found

    def _fill_gap(self, record: Mapping[str, Any]) -> None:
        """Put lost items in the place of those whose records are damaged."""
        while len(self.state.items) < record.get("item", 0):
            self.state.take(LOST, {}, 0)

    def _take(self, record: Mapping[str, Any], content: Content, found: list[Any]) -> Item:
        tokens = record["tokens"]
        if record.get("counter") != self.records.counter_name:
            tokens = self._meter.message(content.message, len(self.state.items))
        item = self.state.take(content, record, tokens)
        self.search.add(item)
        if content.turn.role in _BINDING_ROLES and not item.chunk and not item.lost:
            self.binding.take(
                item.index,
                content.turn.role,
                content.spoken,
                editing.page_name(item.first_page),
                found,
            )
        return item

    # Writing --------------------------------------------------------------------------------------

    def append(
        self, given: Sequence[Any], *, pinned: bool, at: float, expect: int | None = None
    ) -> list[Item]:
        """Write what was given, behind `expect` items if that is given, and return its items."""

        def made() -> tuple[list[Any], dict[PageId, bytes], list[tuple[Prepared, list[Any]]]]:
            first = len(self.state.items)
            if expect is not None and expect != first:
                raise ConflictError(
                    f"session {self.log.session!r} has {first} messages, and {expect} are expected",
                    expected=expect,
                    actual=first,
                )
            prepared: list[tuple[Prepared, list[Any]]] = []
            progress = Progress(self.state.total, self.state.assistants)
            for index, one in enumerate(given, start=first):
                new = self._prepared(one, index, pinned=pinned, at=at, progress=progress)
                prepared.append(new)
                spoke = new[0].content.turn.role == "assistant"
                tokens = progress.tokens + new[0].record["tokens"]
                progress = Progress(tokens, progress.calls + spoke)
            pages = {id: data for one, _ in prepared for id, data in one.pages.items()}
            return [one.record for one, _ in prepared], pages, prepared

        prepared = self._write(made)
        taken = [self._take(one.record, one.content, found) for one, found in prepared]
        self.changed()
        self.save()
        return taken

    def _prepared(
        self, given: Any, index: int, *, pinned: bool, at: float, progress: Progress
    ) -> tuple[Prepared, list[Any]]:
        """Return the record of something given, and what the caller's function finds in it."""
        made = self.records.prepared(given, index, pinned=pinned, at=at, progress=progress)
        if self._finder is None or made.record.get("chunk"):
            return made, []
        found = self.binding.found(made.content.turn.role, made.content.spoken)
        if found:
            made.record["binds"] = self._page_of(found, made.pages)
        return made, found

    def _page_of(self, body: Any, pages: dict[PageId, bytes]) -> PageId:
        """Put what a record says in words into a page, and return its id."""
        data = encode(body)
        page = self.log.page_id(data)
        pages[page] = data
        return page

    def _write(self, made: Callable[[], tuple[list[Any], dict[PageId, bytes], Any]]) -> Any:
        """Write records, made anew when others wrote first, and return what `made` has third."""
        for _ in range(TRIES):
            records, pages, result = made()
            try:
                self.log.write(records, pages)
            except ConflictError:
                self.catch_up()
            else:
                return result
        raise ConflictError(
            f"others wrote to session {self.log.session!r} {TRIES} times meanwhile; try again",
            expected=self.log.version,
            actual=self.log.store.version(*self.log.names),
        )

    def write_layout(self, body: Mapping[str, Any]) -> None:
        """Write how the window is laid out from now on.

        Raises `ConflictError` when others wrote since.
        """
        pages: dict[PageId, bytes] = {}
        record = {"op": "layout", "body": self._page_of(body, pages)}
        self.log.write([record], pages)

    def pin(self, item: Item, pinned: bool) -> None:
        """Keep an item in every window, or no longer."""

        def made() -> tuple[list[Any], dict[PageId, bytes], None]:
            # How the item is shown so far is written first: readers pin it after that, too.
            pages: dict[PageId, bytes] = {}
            layout = {"op": "layout", "body": self._page_of(self.planner.as_it_is(), pages)}
            return [layout, {"op": "pin", "item": item.index, "pinned": pinned}], pages, None

        self._write(made)
        self.planner.recorded = len(self.state.entries)
        self.pinned(item.index, pinned)

    def pinned(self, index: int, pinned: bool) -> None:
        """Take in that an item is pinned, or no longer."""
        self.state.pin(index, pinned)
        self.changed()
        if pinned:
            self.wanted[index] = None
        else:
            self.wanted.pop(index, None)

    def correct(self, what: str, entry: int) -> None:
        """Pin, unpin or forget an entry of the ledger."""
        record = {"op": "ledger", "do": what, "entry": entry}
        self._write(lambda: ([record], {}, None))
        self._correct(record)
        self.changed()

    def _correct(self, record: Mapping[str, Any]) -> None:
        getattr(self.binding.ledger, record["do"])(record["entry"])

    def forget(self, items: Iterable[Item]) -> Deleted:
        """Delete the messages of items, and every text that was made of them, from the store.

        The ledger's entries of them go, too. Raises `StoreError` if the store cannot delete pages.
        """
        gone = {item.index for item in items}
        store = self.log.store
        if not isinstance(store, ManagedStore):
            raise StoreError(
                f"a {type(store).__name__} cannot delete pages; expected a store with "
                "delete_pages, such as ctxmem.stores.SqliteStore: delete the session instead"
            )
        keys = [
            PageId(key)
            for item in self.state.items.loaded(gone)
            for key in (item.key, item.sent_key)
            if key
        ]
        bodies, inline = self._bodies_of(gone)

        def made() -> tuple[list[Any], dict[PageId, bytes], PageId]:
            pages: dict[PageId, bytes] = {}
            body = self._page_of(self.planner.without(gone), pages)
            return [{"op": "forget", "forget": sorted(gone), "body": body}], pages, body

        written = self._write(made)
        bodies = [body for body in bodies if body != written]  # one that said the same
        deleted = store.delete_pages(*self.log.names, [*keys, *bodies])
        self._reload()
        self.changed()
        if inline and not deleted.held:
            deleted.held = "records that ctxmem 0.1 wrote; delete the session to delete them"
        return deleted

    def _bodies_of(self, gone: Iterable[int]) -> tuple[list[PageId], bool]:
        """Return the pages in which records say something in words that may be of items.

        The second is whether a record itself does, as those of ctxmem 0.1.
        """
        items, pages, inline = set(gone), [], False
        for record in self.log.records():
            inline = inline or "shown" in record
            if "body" in record:
                pages.append(PageId(record["body"]))
            if "binds" in record and record["item"] in items:
                pages.append(PageId(record["binds"]))
        return pages, inline

    def close(self) -> None:
        """Write the vectors that are in no snapshot, if the store takes them."""
        with suppress(SessionDeletedError, StoreError):
            self.save(closing=True)

    def save(self, *, closing: bool = False) -> None:
        """Write a snapshot if much is in none, or, when the session closes, any vector."""
        items, vectors = self.state.items, self.search.vectors
        embedded = vectors.unsaved if vectors is not None else 0
        due = max(len(items.unsaved), embedded) >= EVERY or (closing and embedded)
        if not due or not self.log.keeps_snapshots or self.log.lost:
            return
        self.visibility.learn()
        about = {"counter": self.records.counter_name, "items": len(items)}
        parts = {"state": state_part(self._parts, **about)}
        rows = items.saved() if items.unsaved else None
        if rows is not None:
            start = items.unsaved.start
            parts[rows_name("items", start)] = rows
            words = self.search.index.segment(start, len(items) - 1)
            parts[rows_name("words", start)] = words
        if vectors is not None and embedded:
            first, segment = vectors.segment()
            parts[rows_name("vectors", first)] = segment
        if self.log.save(parts) and rows is not None:
            items.keep_rows(rows, self.state.needed)

"""The state of a session: everything that was appended, and what the window shows of it.

A pure state machine: it takes records in, in order, and comes to the same state in any process.

- An *item* is one appended message or chunk, as it is sent when it is sent in full.
- A *page* is a part of an item's text; long items have several.
- A *unit* is a run of items that stay together: a tool call and all its results.
- An *entry* is one message of the window's stable part: an item in full, an item whose results
  are written shorter, or a note in the place of items that have left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ctxmem.chat.reading import Turn
from ctxmem.memory.identifiers import identifiers
from ctxmem.memory.items import LOADED_ITEMS, LOST, Content, Item, ItemTable, Load
from ctxmem.memory.texts import text_of, with_long_texts

PAGE_TOKENS = 512
"""Long texts are cut into pages of about so many tokens, at line ends."""
LONGEST_PAGE = 1024
"""A text of up to so many tokens is one page."""

_PARTS = {"chunk": "passages", "tool": "results"}
_COUNTS = ("assistants", "total", "task", "question", "note")

Shown = int | list[Any] | dict[str, Any]
"""An entry as a record has it: an item's number, [number, texts of its results], or a note."""


class Entry(NamedTuple):
    """One message of the window's stable part.

    `item` is -1 for a note; `again` is the item that a note repeats in full, else -1; `shown` is
    what a record says of it.
    """

    item: int
    message: dict[str, Any]
    tokens: int
    shown: Shown
    again: int = -1
    ids: tuple[str, ...] = ()  # the identifiers it names, where it is no item in full
    part: str = ""  # the part of a window that it is of

    @property
    def binding(self) -> bool:
        """Whether it is the block of the ledger."""
        return isinstance(self.shown, dict) and "binding" in self.shown

    @property
    def is_index(self) -> bool:
        """Whether it is an index of items that have left."""
        return self.item < 0 > self.again and not self.binding

    @property
    def full(self) -> bool:
        """Whether an item is shown in full."""
        return isinstance(self.shown, int)


class SessionState:
    """Items, units, pages and the stable entries of one session."""

    def __init__(self, count: Any, load: Load) -> None:
        self._count = count  # the tokens of a message
        self.items = ItemTable(load)
        self.offers = False  # whether the model has the tool that reads a page
        self.entries: list[Entry] = []
        self.committed = 0  # items before this are in the entries, or have left
        self.excerpts: dict[
            int, list[str | None]
        ] = {}  # items shown in full once, then by these texts
        self.parts: dict[int, list[str | None]] = {}  # items too long to be shown in full even once
        self.assistants = 0
        self.stable = 0  # tokens of the entries
        self.by_part: Counter[str] = Counter()  # the same, by part of a window
        self.total = 0  # tokens of all items
        self.untabled = 0  # tokens that they would have more without tables
        self.staying: set[int] = set()  # system messages and pinned items
        self.task = -1  # the first user message
        self.question = -1  # the last message in which a user asks
        self.note = -1  # the last of the user's, for want of a question
        self.named: Counter[str] = Counter()  # identifiers in entries that are no items in full
        self.shorts = 0  # changes whenever entries that are no items in full come or go
        self.in_full: set[int] = set()  # items that the entries show in full
        self.absent: set[int] = set()  # items that are not committed, and have left
        self.passing: set[int] = set()  # items that a note at the end shows, for this call only
        self.asked: list[Any] = []  # the last question with room made for it, and that room
        self._waiting: dict[str, list[int]] = {}

    # Taking records in ----------------------------------------------------------------------------

    def take(self, content: Content, record: Mapping[str, Any], tokens: int) -> Item:
        """Add the item that a record appends."""
        index = len(self.items)
        turn = content.turn
        chunk, pinned = record.get("chunk", False), record.get("pinned", False)
        item = Item(
            index=index,
            message=content.message,
            tokens=tokens,
            turn=turn,
            text=content.text,
            first_page=self.items.page_count,
            cuts=tuple(record.get("cuts", ())),
            unit=self._joined(index, turn),
            created_at=self.assistants,
            key=record.get("page", ""),
            sent_key=record.get("sent", ""),
            at=record.get("at", 0.0),
            chunk=chunk,
            pinned=pinned,
            lost=content is LOST,
        )
        self.items.append(item)
        self.total += tokens
        self.untabled += max(0, record.get("untabled", tokens) - tokens)
        self.assistants += turn.role == "assistant"
        if turn.role == "system" or pinned:
            self.staying.add(index)
        if turn.role == "user" and not chunk:
            if turn.speaks and self.task < 0:
                self.task = index
            if turn.asks:
                self.question = index
            elif turn.speaks:
                self.note = index
        return item

    def pin(self, index: int, pinned: bool) -> None:
        """Keep an item in every window, or no longer."""
        item = self.items[index]
        item.pinned = pinned
        self.items.change(item)
        if pinned or item.turn.role == "system":
            self.staying.add(index)
        else:
            self.staying.discard(index)

    def _joined(self, index: int, turn: Turn) -> int:
        """Return the first item of the new item's unit, and join what lies between."""
        start = index
        previous = self.items[index - 1] if index else None
        if previous is not None and previous.turn.leads:
            start = previous.unit
        for key in turn.results:
            calls = self._waiting.get(key)
            if calls:
                start = min(start, self.items[calls.pop()].unit)
                if not calls:
                    del self._waiting[key]
        for key in turn.calls:
            self._waiting.setdefault(key, []).append(index)
        for item in reversed(self.items[start:]):
            if item.unit > start:
                item.unit = start
                self.items.change(item)
        return start

    def replace_from(self, keep: int, entries: Iterable[Entry], committed: int) -> None:
        """Replace all entries but the first `keep` by others; `committed` items are dealt with."""
        gone = self.entries[keep:]
        del self.entries[keep:]
        self.stable -= sum(entry.tokens for entry in gone)
        for entry in gone:
            self.by_part[entry.part] -= entry.tokens
            self.in_full.discard(entry.item if entry.full else entry.again)
            if not entry.full:
                self.shorts += 1
                self.named.subtract(entry.ids)
        for entry in entries:
            self.push(entry)
        self.committed = committed

    def push(self, entry: Entry) -> None:
        """Add an entry behind the others."""
        self.entries.append(entry)
        self.stable += entry.tokens
        self.by_part[entry.part] += entry.tokens
        if entry.full:
            self.in_full.add(entry.item)
            return
        self.shorts += 1
        self.named.update(entry.ids)
        if entry.again >= 0:
            self.in_full.add(entry.again)

    def part(self, index: int) -> str:
        """Return the part of a window that an item is of."""
        role = self.items[index].role
        return _PARTS.get(role, role)

    def shown_by(self, index: int, excerpts: Mapping[int, list[str | None]]) -> Shown:
        """Return how an item is shown once it is committed: in full, or by its excerpt."""
        outlined = index in excerpts and not self.items[index].pinned
        return [index, excerpts[index]] if outlined else index

    def entry(self, shown: Shown) -> Entry:
        """Return the entry that a record speaks of."""
        if isinstance(shown, int):
            item = self.items[shown]
            return Entry(shown, item.message, item.tokens, shown, part=self.part(shown))
        if isinstance(shown, list):
            index, texts = shown
            message = shortened(self.items[index].message, texts)
            ids = identifiers(text_of(message, index))
            tokens = self._count(message, index)
            return Entry(index, message, tokens, shown, ids=ids, part=self.part(index))
        message = {"role": "user", "content": shown["note"]}
        ids = identifiers(shown["note"])
        again = shown.get("again", -1)
        part = "ledger" if "binding" in shown else "index"
        if again >= 0:
            part = self.part(again)
        return Entry(-1, message, self._count(message, 0), shown, again, ids, part)

    def sent_now(
        self, index: int, parts: Mapping[int, list[str | None]] | None = None
    ) -> tuple[int, dict[str, Any], int]:
        """Return a new item as this call shows it: in full, or by its parts (those recorded)."""
        item = self.items[index]
        parts = self.parts if parts is None else parts
        if index not in parts or item.pinned:
            return index, item.message, item.tokens
        message = shortened(item.message, parts[index])
        return index, message, self._count(message, index)

    # Snapshots ------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return all but the items, as plain data."""
        return {
            "shown": [entry.shown for entry in self.entries],
            "committed": self.committed,
            "tails": {i: texts for i, texts in self.excerpts.items() if i >= self.committed},
            "parts": {
                i: texts
                for i, texts in self.parts.items()
                if i >= self.committed or i == self.question
            },
            "changes": self.items.changes,
            "waiting": self._waiting,
            "asked": self.asked,
            "untabled": self.untabled,
            "absent": sorted(self.absent),
            "staying": sorted(self.staying),
            **{name: getattr(self, name) for name in _COUNTS},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take in what `to_dict` returned; the items are there already."""
        for name in _COUNTS:
            setattr(self, name, state[name])
        self.items.restore_changes(state["changes"])
        self._waiting = state["waiting"]
        self.untabled = state.get("untabled", 0)
        self.staying = set(state["staying"])
        self.absent = set(state.get("absent", ()))
        self.asked = state.get("asked", [])
        self.excerpts = {int(item): texts for item, texts in state["tails"].items()}
        self.parts = {int(item): texts for item, texts in state["parts"].items()}
        shown = state["shown"]
        items = [one if isinstance(one, int) else one[0] for one in shown if type(one) is not dict]
        self.items.loaded(items)
        self.replace_from(0, map(self.entry, shown), state["committed"])

    @property
    def whole(self) -> int:
        """The tokens of all items as they were appended, without tables."""
        return self.total + self.untabled

    @property
    def needed(self) -> set[int]:
        """The items that the next windows show or look at; of new ones the last `LOADED_ITEMS`."""
        shown = {entry.item for entry in self.entries} | {entry.again for entry in self.entries}
        new = range(max(self.committed, len(self.items) - LOADED_ITEMS), len(self.items))
        return shown | self.staying | {self.task, self.question, self.note} | set(new)

    # Asking ---------------------------------------------------------------------------------------

    def unit(self, item: int) -> range:
        """Return the items of an item's unit; none for an item that is not there."""
        if item >= len(self.items):
            return range(0)
        start = self.items[item].unit
        end = start + 1
        while end < len(self.items) and self.items[end].unit == start:
            end += 1
        return range(start, end)

    def answers(self, index: int) -> bool:
        """Return whether an item is the assistant's."""
        return self.items[index].turn.role == "assistant"

    def opens_turn(self, index: int) -> bool:
        """Return whether an item is the user's and answers to all before it are there."""
        item, before = self.items[index], self.items[index - 1]
        if item.role != "user" or item.chunk or not item.turn.speaks or item.unit != index:
            return False
        waiting = any(
            self.items[i].unit == before.unit for at in self._waiting.values() for i in at
        )
        return not waiting and self._answered(index)

    def _answered(self, index: int) -> bool:
        """Return whether an assistant message is between an item and the user's before it."""
        for at in reversed(range(index)):
            item = self.items[at]
            if item.turn.role == "user" and item.turn.speaks and not item.chunk:
                return False
            if self.answers(at):
                return True
        return True

    def pending_from(self) -> int:
        """Return the first item that no assistant message follows."""
        at = len(self.items)
        while at and self.items[at - 1].turn.role != "assistant":
            at -= 1
        return at

    def last_answer(self) -> int:
        """Return the unit of the last assistant message; the number of items if there is none."""
        at = self.pending_from()
        return self.items[at - 1].unit if at else len(self.items)


def shortened(message: Any, texts: Sequence[str | None]) -> Any:
    """Return a message with its long texts replaced, in order; None leaves one as it is."""
    left = iter(texts)
    return with_long_texts(message, lambda _: next(left, None))


def page_cuts(text: str, count: Any, tokens: int) -> list[int]:
    """Return where to cut a long text into pages: at line ends, or hard where lines are too long.

    `count` counts the tokens of a text, `tokens` are those of the whole.
    """
    if tokens <= LONGEST_PAGE:
        return []
    # Characters are a fair measure within one text, and one that cannot be slow.
    size = max(1, len(text) * PAGE_TOKENS // tokens)
    ends = _line_ends(text)
    cuts: list[int] = []
    start = at = 0
    while len(text) - start > 1.5 * size:
        while at < len(ends) and ends[at] <= start + size // 2:
            at += 1
        best = start + size
        while at < len(ends) and ends[at] <= start + size * 3 // 2:
            best = ends[at]
            at += 1
            if best >= start + size:
                break
        cuts.append(best)
        start = best
    return _short_enough(text, cuts, count)


def _line_ends(text: str) -> list[int]:
    """Return where runs of line ends end; far faster than an expression where there are few."""
    ends = []
    at = text.find("\n")
    while at >= 0:
        end = at + 1
        while text.startswith("\n", end):
            end += 1
        ends.append(end)
        at = text.find("\n", end)
    return ends


def _short_enough(text: str, cuts: list[int], count: Any) -> list[int]:
    """Halve the pages that are longer than any may be."""
    made: list[int] = []
    edges = [0, *cuts, len(text)]
    todo = list(pairwise(edges))[::-1]
    while todo:
        start, end = todo.pop()
        if end - start > 1 and count(text[start:end]) > LONGEST_PAGE:
            middle = (start + end) // 2
            todo += [(middle, end), (start, middle)]
            continue
        made.append(end)
    return made[:-1]


def named_in(entries: Iterable[Entry], items: Sequence[Item]) -> Mapping[str, None]:
    """Return the identifiers that entries show."""
    found: dict[str, None] = {}
    for entry in entries:
        found.update(dict.fromkeys(ids_of(entry, items)))
    return found


def ids_of(entry: Entry, items: Sequence[Item]) -> tuple[str, ...]:
    """Return the identifiers that one entry shows."""
    if entry.full:
        return items[entry.item].ids
    return entry.ids

"""The items of a session: one for each appended message or chunk.

A long session has far more items than its window shows. Those that were written to a snapshot of
the store are kept as rows of a few bytes, and are loaded when they are read.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from ctxmem.chat.reading import Turn
from ctxmem.memory.identifiers import identifiers

LOADED_ITEMS = 4096
"""So many items of a snapshot may be loaded before the ones read least recently are dropped."""


@dataclass(slots=True)
class Item:
    """One appended message or chunk.

    `key` is the id of the page that stores it, `sent_key` of the page that stores what is sent of
    it, where that differs; `at` is when it was said, in seconds since 1970 (UTC).
    """

    index: int
    message: dict[str, Any]
    tokens: int
    turn: Turn
    text: str
    first_page: int
    cuts: tuple[int, ...]  # where its text is cut into pages
    unit: int  # the first item of its unit
    created_at: int  # assistant messages there were before it
    key: str = ""
    sent_key: str = ""
    at: float = 0.0
    chunk: bool = False
    pinned: bool = False
    lost: bool = False  # deleted or damaged: it is never shown
    named: tuple[str, ...] | None = None

    @property
    def pages(self) -> range:
        """The numbers of its pages."""
        return range(self.first_page, self.first_page + len(self.cuts) + 1)

    @property
    def role(self) -> str:
        """Who said it; "chunk" for a passage, "tool" for results in a user's message."""
        if self.chunk:
            return "chunk"
        return "tool" if self.turn.answers_only else self.turn.role

    @property
    def ids(self) -> tuple[str, ...]:
        """The identifiers in it; of a table, those of the JSON that it was made of.

        That tells the names of fields, which are no identifiers, from the values.
        """
        if self.named is None:
            self.named = identifiers(self.text)
        return self.named

    def part(self, page: int) -> str:
        """Return the text of one of its pages."""
        edges = (0, *self.cuts, len(self.text))
        at = page - self.first_page
        return self.text[edges[at] : edges[at + 1]]


class Content(NamedTuple):
    """What an item is made of: the message that is sent, how it reads, and its text.

    `spoken` is what a person or the model says in it, without results and notes of programs.
    """

    message: dict[str, Any]
    turn: Turn
    text: str
    spoken: str = ""


Load = Callable[[Sequence[tuple[str, str]]], list[Content | None]]
"""A function from (key, sent_key) of items to their contents; None where the store lost one."""

_ROW = np.dtype(
    [
        ("key", "V16"),
        ("sent_key", "V16"),
        ("at", "<f8"),
        ("tokens", "<i4"),
        ("first_page", "<i4"),
        ("cuts", "<i4"),
        ("unit", "<i4"),
        ("created_at", "<i4"),
        ("flags", "<i4"),
    ]
)
_HEADER = struct.Struct("<4sqqq")  # magic, first item, items, cuts
_MAGIC = b"itm1"
_CHUNK, _PINNED, _LOST, _SENT = 1, 2, 4, 8
_NO_KEY = bytes(16)


class _Rows(NamedTuple):
    """The items of one part of a snapshot."""

    start: int
    rows: NDArray[Any]
    cut_ends: NDArray[np.int64]
    cuts: NDArray[np.int32]


class ItemTable(Sequence[Item]):
    """All items of a session in order; reading one loads it."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._items: list[Item | None] = []
        self._first_pages = array("i")  # of each item, since pages are looked up far more often
        self._parts: list[_Rows] = []
        self._recent: dict[int, None] = {}  # items of parts that are loaded, the latest last
        self._changed: dict[int, tuple[int, bool, bool]] = {}
        self.page_count = 0

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            found = self._items[index]
            if None in found:
                return self.loaded(range(*index.indices(len(self._items))))
            return found  # type: ignore[return-value]
        item = self._items[index]
        return item if item is not None else self.loaded([index % len(self._items)])[0]

    def __iter__(self) -> Iterator[Item]:
        for start in range(0, len(self._items), LOADED_ITEMS // 4):
            yield from self[start : start + LOADED_ITEMS // 4]

    def append(self, item: Item) -> None:
        """Add an item behind the others."""
        self._items.append(item)
        self._first_pages.append(item.first_page)
        self.page_count += len(item.pages)

    def of_page(self, page: int) -> int:
        """Return the item of a page."""
        return bisect_right(self._first_pages, page) - 1

    def loaded(self, indices: Iterable[int]) -> list[Item]:
        """Return items, the missing ones read from the store in one go."""
        wanted = list(indices)
        missing = [index for index in wanted if self._items[index] is None]
        if missing:
            rows = [self._row(index) for index in missing]
            there = [
                at for at, index in enumerate(missing) if not self._state_of(index, rows[at][0])[2]
            ]
            keys = [(_key(rows[at][0]["key"]), _sent_key(rows[at][0])) for at in there]
            contents: list[Content | None] = [None] * len(missing)
            for at, content in zip(there, self._load(keys) if keys else (), strict=True):
                contents[at] = content
            for index, (row, cuts), content in zip(missing, rows, contents, strict=True):
                self._items[index] = self._made(index, row, cuts, content)
        found = [self._items[index] for index in wanted]
        for index in wanted:
            if index < self._live_from:
                self._recent.pop(index, None)
                self._recent[index] = None
        while len(self._recent) > max(LOADED_ITEMS, len(wanted)):
            oldest = next(iter(self._recent))
            del self._recent[oldest]
            self._items[oldest] = None
        return found  # type: ignore[return-value]

    def created_at(self, index: int) -> int:
        """Return how many assistant messages there were before an item, without loading it."""
        item = self._items[index]
        return item.created_at if item is not None else int(self._row(index)[0]["created_at"])

    def change(self, item: Item) -> None:
        """Remember that unit, pin or loss of an item changed after it was written to a snapshot."""
        if item.index < self._live_from:
            self._changed[item.index] = (item.unit, item.pinned, item.lost)

    # Snapshots ------------------------------------------------------------------------------------

    @property
    def _live_from(self) -> int:
        """The first item that is in no part of a snapshot."""
        return self._parts[-1].start + len(self._parts[-1].rows) if self._parts else 0

    @property
    def unsaved(self) -> range:
        """The items that are in no part of a snapshot."""
        return range(self._live_from, len(self._items))

    @property
    def changes(self) -> dict[str, list[Any]]:
        """What changed of items after they were written, as plain data."""
        return {str(index): list(change) for index, change in self._changed.items()}

    def saved(self) -> bytes:
        """Return the items that are in no part of a snapshot as bytes of one, and drop nothing."""
        items = [self._items[index] for index in self.unsaved]
        rows = np.zeros(len(items), _ROW)
        cuts: list[int] = []
        for row, item in zip(rows, items, strict=True):
            assert item is not None
            flags = _CHUNK * item.chunk + _PINNED * item.pinned + _LOST * item.lost
            row["key"] = np.void(bytes.fromhex(item.key) if item.key else _NO_KEY)
            if item.sent_key:
                row["sent_key"] = np.void(bytes.fromhex(item.sent_key))
                flags += _SENT
            row["at"], row["tokens"], row["first_page"] = item.at, item.tokens, item.first_page
            row["unit"], row["created_at"], row["flags"] = item.unit, item.created_at, flags
            row["cuts"] = len(item.cuts)
            cuts += item.cuts
        header = _HEADER.pack(_MAGIC, self._live_from, len(items), len(cuts))
        return header + rows.tobytes() + np.asarray(cuts, "<i4").tobytes()

    def restore(self, data: bytes) -> None:
        """Take in a part of a snapshot behind the items there are.

        Raises `ValueError` for bytes that are no such part.
        """
        if len(data) < _HEADER.size:
            raise ValueError("the items of a snapshot are cut short")
        magic, start, count, cut_count = _HEADER.unpack_from(data)
        end = _HEADER.size + count * _ROW.itemsize
        if magic != _MAGIC or start != len(self._items) or count < 1 or cut_count < 0:
            raise ValueError("these are not the next items of the session")
        if len(data) != end + 4 * cut_count:
            raise ValueError("the items of a snapshot are cut short")
        rows = np.frombuffer(data, _ROW, count, _HEADER.size)
        cuts = np.frombuffer(data, "<i4", cut_count, end)
        cut_ends = np.cumsum(rows["cuts"], dtype=np.int64)
        first = rows["first_page"]
        sizes = rows["cuts"] + 1
        if int(first[0]) != self.page_count or (first[1:] != first[:-1] + sizes[:-1]).any():
            raise ValueError("the pages of a snapshot do not follow one another")
        if rows["cuts"].min() < 0 or int(cut_ends[-1]) != cut_count:
            raise ValueError("the cuts of a snapshot do not fit its items")
        self._parts.append(_Rows(start, rows, cut_ends, cuts))
        self._items += [None] * count
        self._first_pages.extend(first.tolist())
        self.page_count = self._page_after(self._parts[-1])

    def keep_rows(self, data: bytes, needed: Iterable[int]) -> None:
        """Keep what `saved` returned as rows; all items of it but the `needed` ones are dropped."""
        start = self._live_from
        count = len(self._items) - start
        held = self._items[start:]
        del self._items[start:], self._first_pages[start:]
        self.page_count = self._page_after(self._parts[-1]) if self._parts else 0
        self.restore(data)
        kept = {index for index in needed if start <= index < start + count}
        for index in sorted(kept):
            self._items[index] = held[index - start]
            self._recent[index] = None

    def restore_changes(self, changes: Mapping[str, Sequence[Any]]) -> None:
        """Take in what `changes` returned."""
        for index, (unit, pinned, lost) in changes.items():
            self._changed[int(index)] = (unit, pinned, lost)

    def _page_after(self, part: _Rows) -> int:
        return int(part.rows["first_page"][-1]) + int(part.rows["cuts"][-1]) + 1

    def _row(self, index: int) -> tuple[Any, tuple[int, ...]]:
        part = self._parts[bisect_right(self._parts, index, key=lambda one: one.start) - 1]
        at = index - part.start
        row = part.rows[at]
        end = int(part.cut_ends[at])
        return row, tuple(part.cuts[end - int(row["cuts"]) : end].tolist())

    def _state_of(self, index: int, row: Any) -> tuple[int, bool, bool]:
        """Return the unit of an item, and whether it is pinned and whether it is lost."""
        flags = int(row["flags"])
        written = (int(row["unit"]), bool(flags & _PINNED), bool(flags & _LOST))
        return self._changed.get(index, written)

    def _made(self, index: int, row: Any, cuts: tuple[int, ...], content: Content | None) -> Item:
        flags = int(row["flags"])
        unit, pinned, lost = self._state_of(index, row)
        if content is None or lost:
            content, lost = LOST, True
        return Item(
            index=index,
            message=content.message,
            tokens=int(row["tokens"]),
            turn=content.turn,
            text=content.text,
            first_page=int(row["first_page"]),
            cuts=cuts,
            unit=unit,
            created_at=int(row["created_at"]),
            key=_key(row["key"]),
            sent_key=_sent_key(row),
            at=float(row["at"]),
            chunk=bool(flags & _CHUNK),
            pinned=pinned,
            lost=lost,
        )


LOST = Content({"role": "user", "content": ""}, Turn("user", speaks=False), "")
"""What is left of a message that was deleted, or whose bytes are damaged."""


def _key(key: Any) -> str:
    return bytes(key).hex()


def _sent_key(row: Any) -> str:
    return _key(row["sent_key"]) if int(row["flags"]) & _SENT else ""

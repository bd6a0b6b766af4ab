"""The nouns of ctxmem: what goes in, what walks through the corridor, what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NewType, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ctxmem import report, request
from ctxmem.errors import PageDamageError
from ctxmem.pricing import Prices

ChunkId = NewType("ChunkId", str)
"""The caller's id of a chunk, or the content hash of its text."""

PageId = NewType("PageId", str)
"""The content hash of a page: 32 hexadecimal digits."""

SCHEMA_VERSION = 1
"""Version of what `Window.to_dict` returns; it grows when a field changes its meaning."""

PRICE = 0.0014
"""Worth of a token that `Budget(auto=True)` stops at."""

EXTRACT = "extract"
"""Label of the alternatives that are made of a chunk's own spans."""

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Alternative:
    """A shorter text that may stand for a chunk: an extract, a summary.

    `share` is the part of the chunk's value that it keeps, between 0 and 1; left out, it is
    the square root of the share of tokens it keeps: the first half of a text says more than half.
    `spans` are the character ranges of the chunk's text that it is made of, where it is an extract.
    """

    text: str
    share: float | None = None
    label: str = "alternative"
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A retrieved passage, one object per hit.

    The same passage may be given many times: how often, by which `list` and at which `rank` it was
    returned is evidence, and its text is paid for once.

    Attributes:
        text: the passage.
        id: the caller's name for it; left out, a hash of the text.
        score: the retriever's relevance, higher is better, on any scale of that `list`. Distances
            are recognised where the list has ranks too; give them negated where it has none.
        embedding: a vector, compared with the query's by cosine.
        source: the document it was cut from; with `span` it lets neighbours be stitched.
        span: character offsets (start, end) in the source.
        rank: position in the list it came from, 0 is best.
        list: the retriever or query variant that returned it.
        section: the part of the window that it belongs to.
        pinned: must be in the window.
        requires: ids of chunks without which it is of no use.
        alternatives: shorter texts that may stand for it, str or `Alternative`.
        metadata: the caller's, passed through untouched.
    """

    text: str
    id: str | None = None
    score: float | None = None
    embedding: Any = None
    source: str | None = None
    span: tuple[int, int] | None = None
    rank: int | None = None
    list: str | None = None
    section: str | None = None
    pinned: bool = False
    requires: Sequence[str] = ()
    alternatives: Sequence[str | Alternative] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Place(NamedTuple):
    """Where a text stands: character offsets in its source."""

    source: str
    start: int
    end: int


def place_of(chunk: Chunk) -> Place | None:
    """Return where a chunk stands, None where that is not known or not as long as its text."""
    if chunk.source is None or chunk.span is None:
        return None
    start, end = chunk.span
    return Place(chunk.source, start, end) if end - start == len(chunk.text) else None


def overlap(a: Chunk, b: Chunk) -> bool:
    """Tell whether two chunks share a stretch of one source."""
    first, second = place_of(a), place_of(b)
    if first is None or second is None or first.source != second.source:
        return False
    return first.start < second.end and second.start < first.end


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens a window may have.

    `reserve` is kept free out of `tokens`, for the question and the answer. `auto` stops before
    the tokens run out, where the next one is not worth its price: a question that is easy to answer
    gets a small window, a hard one the whole budget. The price is a worth, the chance that a token
    is evidence; True takes one that was found to lose next to nothing. Pins, the minima of sections
    and what chunks require are taken at any price.
    """

    tokens: int
    reserve: int = 0
    auto: bool | float = False

    @property
    def limit(self) -> int:
        """The tokens that the window itself may have."""
        return self.tokens - self.reserve

    @property
    def least(self) -> float:
        """The worth of a token below which none is paid for; 0 where the budget alone decides."""
        return PRICE if self.auto is True else float(self.auto)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the window with limits of its own; chunks belong to it by `Chunk.section`.

    Its tokens are those of its blocks, its header and its subsections. An empty section has no
    header. Limits are of prices: text that neighbours share may make a section come out shorter.

    Attributes:
        name: what chunks call it.
        min: tokens it has at least.
        max: tokens it has at most, None for no limit.
        share: the same, as a share of the budget.
        header: text that stands before its first piece.
        parent: the section that it is a part of.
    """

    name: str
    min: int = 0
    max: int | None = None
    share: float | None = None
    header: str | None = None
    parent: str | None = None


class Reason(str, Enum):
    """Why a chunk is in the window, or is not."""

    PINNED = "pinned"
    SELECTED = "selected"
    REQUIRED = "required"
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    SIMILAR = "similar"
    CONTAINED = "contained"
    OVER_BUDGET = "over_budget"
    MISSING_REQUIREMENT = "missing_requirement"
    BLANK = "blank"


class Decision(NamedTuple):
    """What became of one input chunk; a tuple, since a pack makes one for every input.

    `position` is its place in the input, `represented_by` the id of the chunk whose text stands for
    it, `tokens` the price of its text with header and separator, `relevance` between 0 and 1.
    """

    chunk_id: ChunkId
    kept: bool
    reason: Reason
    detail: str
    represented_by: ChunkId | None
    position: int
    tokens: int
    relevance: float
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """What is kept of one chunk, or of neighbours of one source stitched together.

    `tokens` counts the text alone. `origins` says from which characters of which chunk the text
    comes, in its order: (chunk id, start, end), offsets in `Chunk.text`; between two of them stands
    a mark. `spans` are the same places as character offsets in `source`, where known.
    """

    text: str
    tokens: int
    chunk_ids: tuple[ChunkId, ...]
    spans: tuple[tuple[int, int], ...]
    source: str | None
    header: str
    relevance: float
    origins: tuple[tuple[ChunkId, int, int], ...] = ()


@runtime_checkable
class Counter(Protocol):
    """What counts tokens: a named encoding, or whatever a user brings.

    `exact` says that a budget kept in these counts is kept; only estimates are not. `additive` says
    that a text which ends in a newline and one which begins with a character other than whitespace
    and `/` have together exactly the sum of their counts; it holds for cl100k_base and o200k_base.
    """

    @property
    def name(self) -> str:
        """What the counter is called in reports."""

    @property
    def exact(self) -> bool:
        """Whether its counts are those of the model's own tokeniser."""

    @property
    def additive(self) -> bool:
        """Whether blocks that end in a newline add up."""

    def count(self, text: str) -> int:
        """Return the number of tokens of one text."""

    def count_many(self, texts: Sequence[str]) -> Sequence[int]:
        """Return the number of tokens of each text."""


Header = str | Callable[[Chunk], str]
"""A template with {id}, {source}, {section}, {list} and {start}, or a function of the chunk."""

Embed = Callable[[Sequence[str]], Any]
"""A function from texts to vectors, one row a text."""


Scorer = Callable[[str, Sequence[str]], Any]
"""A function from a query and texts to a number a text, higher for more relevant."""


class PageState(IntEnum):
    """Where the text of a page is."""

    RESIDENT = 0
    """In the window, whole."""
    COMPRESSED = 1
    """In the window, as an extract."""
    PLACEHOLDER = 2
    """In the store; a line in the window names it."""
    STORED = 3
    """In the store alone."""


@runtime_checkable
class Policy(Protocol):
    """What decides which page goes when the window is full; `name` it, or bring one of your own.

    Pages are named by small integers, their slots. A slot is tracked from `on_insert` until
    `on_evict` or `on_remove`. After `on_evict` it still means the same page, so a policy may
    remember it until `on_remove`. Pinned pages are not tracked. None of the methods may change the
    page table that calls it; what they raise is raised by the call that asked.
    """

    def on_insert(self, slot: int) -> None:
        """Take note that a page entered the window, for the first time or again."""

    def on_touch(self, slot: int) -> None:
        """Take note that a tracked page was used."""

    def on_evict(self, slot: int) -> None:
        """Take note that a page left the window and is still known."""

    def on_remove(self, slot: int) -> None:
        """Forget a page, tracked or evicted; its slot may be given to another."""

    def victim(self) -> int:
        """Return the tracked slot to evict next."""


class Record(NamedTuple):
    """One entry of a session's journal; `version` is its place, from 1."""

    version: int
    payload: bytes


OnDamage = Callable[[PageDamageError], None]
"""What is told of every damaged record or page, when reading goes on without it."""


@runtime_checkable
class PageStore(Protocol):
    """Where the pages of sessions live: a journal of records and the pages they speak of.

    Everything is keyed by tenant and session; nothing of one is ever seen through another. A
    journal only grows: its version is the number of its records. Pages are keyed by content, so
    that writing one twice is writing it once. Payloads are bytes that the store does not read.

    An `append` that has returned survives a killed process; one that has not is there whole or
    not at all. Every payload is checked against the checksum it was stored with: what does not
    match raises `PageDamageError`, or goes to `damaged` if that is given and is left out; it is
    never returned. A store may be used from many threads.
    """

    def append(
        self,
        tenant: str,
        session: str,
        records: Sequence[bytes],
        *,
        pages: Mapping[PageId, bytes] = _NOTHING,
        expect: int | None = None,
    ) -> int:
        """Write pages and records, all or none, and return the session's new version.

        Raises `ConflictError`, and writes nothing, unless the session is at version `expect`.
        """

    def version(self, tenant: str, session: str) -> int:
        """Return the number of records of the session; 0 if it is unknown."""

    def read(
        self, tenant: str, session: str, *, after: int = 0, damaged: OnDamage | None = None
    ) -> Iterator[Record]:
        """Yield the records whose version is above `after`, in order."""

    def pages(
        self,
        tenant: str,
        session: str,
        ids: Sequence[PageId],
        *,
        damaged: OnDamage | None = None,
    ) -> dict[PageId, bytes]:
        """Return those of the pages that the session has."""

    def sessions(self, tenant: str, *, damaged: OnDamage | None = None) -> list[str]:
        """Return the sessions of the tenant, sorted."""

    def delete_session(self, tenant: str, session: str) -> None:
        """Forget a session, its records and its pages; an unknown one is no error."""

    def close(self) -> None:
        """Release files and connections; closing twice is no error."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a window is put together.

    A separator between pieces, a header before each, their order, and the line that stands, instead
    of a header, where text between two pieces of one source was left out.
    """

    separator: str = "\n\n"
    header: Header | None = None
    order: str = "auto"
    sections: tuple[Section, ...] = ()
    ellipsis: str = "…"


@dataclass(slots=True)
class Candidates:
    """The table that walks through the corridor; each room adds its columns and nothing else.

    One row per chunk and alternative; the rows of a chunk stand together, the full text first.
    n is the number of chunks, m of rows, s of segments: the stretches that the chunks' ends cut
    a source into, so that text which several chunks share is priced and valued once.

    ============== ====== ============ ====================================================
    column         shape  added by     meaning
    ============== ====== ============ ====================================================
    chunks         n      intake       the inputs, ids filled in
    ids            n      intake       their ids
    texts          m      intake       the text of the row, outer blank lines removed
    chunk          m      intake       the chunk of the row
    alternative    m      intake       0 for the full text, then 1, 2, ...
    first_row      n + 1  intake       rows of chunk i: first_row[i] .. first_row[i + 1]
    blank          n      intake       nothing to show
    needs          n      intake       chunks that it requires, directly
    refused        1      compress     of chunks, what compressors made that is not true to them
    conversation   1      intake       the input is a chat, whose order carries its meaning
    shortlisted    n      value        looked at span by span; all, unless there are very many
    repeat_of      n      dedup        best-ranked chunk with the same text (itself if none)
    unique         u      dedup        the chunks that are neither blank nor repeats
    pinned         n      dedup        it, or a repeat of it, must be in the window
    lists          l      value        the hits of each list that passages came from
    score          n      value        given score of the hit, NaN where it has none
    rank           n      value        rank of the hit in its list, -1 where it has none
    evidence       n      value        summed reciprocal ranks of its text, over all lists
    hits           n      value        how often its text was returned
    group          n      dedup        representative of its near-duplicate group
    similarity     n      dedup        to the representative, or to version_of
    version_of     n      dedup        the passage it is a version of, -1 if of none
    by_embedding   n      dedup        its group is by embedding, not by text
    first_segment  n      dedup        its segments: first_segment[i] .. last_segment[i]
    last_segment   n      dedup        (exclusive)
    stretches      t      dedup        texts without gaps: what the chunks of a source make together
    document       t      dedup        number of the source that a stretch is a part of
    stretch_place  t      dedup        where the stretch begins in it, in characters
    stretch_records t     dedup        its source is named as a file of records (TOML, YAML, INI)
    stretch_first  t + 1  dedup        its segments: stretch_first[k] .. stretch_first[k + 1]
    segment_stretch s     dedup        the stretch that a segment is cut from
    segment_span   s x 2  dedup        character offsets in the stretch
    segment_texts  s      dedup        its text without the white space around
    segment_broken s      dedup        a line break stands behind it
    segment_kind   s      dedup        prose, heading, list item ...: index of _native.SPAN_KINDS
    tokens         m      tokens       price of the row as a block: header, text, separator
    overhead       n      tokens       the part of it that header and separator take
    segment_tokens s      tokens       price of the segment inside a block
    asked          1      value        segments that a scorer was asked about
    segment_worth  s      value        value of one token of the segment, between 0 and 1
    relevance      n      value        the worth of its best segment
    worth          n      value        value of one token of it, on the average
    kept_row       n      selection    row in the window, -1 if none
    segment_kept   s      selection    the segment is in the window
    stands_for_it  s      selection    the kept segment that says the same, -1 if none does
    ============== ====== ============ ====================================================
    """

    chunks: tuple[Chunk, ...]
    ids: list[ChunkId]
    texts: list[str]
    chunk: NDArray[np.int32]
    alternative: NDArray[np.int32]
    first_row: NDArray[np.int32]
    blank: NDArray[np.bool_]
    shortlisted: NDArray[np.bool_]
    needs: list[tuple[int, ...]]
    conversation: bool = False
    asked: int = 0
    refused: dict[int, list[str]] = field(default_factory=dict)
    repeat_of: NDArray[np.int32] = field(init=False)
    unique: NDArray[np.intp] = field(init=False)
    pinned: NDArray[np.bool_] = field(init=False)
    lists: list[NDArray[np.intp]] = field(init=False)
    score: NDArray[np.float64] = field(init=False)
    rank: NDArray[np.int64] = field(init=False)
    evidence: NDArray[np.float64] = field(init=False)
    hits: NDArray[np.int32] = field(init=False)
    group: NDArray[np.int32] = field(init=False)
    similarity: NDArray[np.float64] = field(init=False)
    version_of: NDArray[np.int32] = field(init=False)
    by_embedding: NDArray[np.bool_] = field(init=False)
    first_segment: NDArray[np.int32] = field(init=False)
    last_segment: NDArray[np.int32] = field(init=False)
    stretches: list[str] = field(init=False)
    document: NDArray[np.int32] = field(init=False)
    stretch_place: NDArray[np.int64] = field(init=False)
    stretch_records: NDArray[np.bool_] = field(init=False)
    stretch_chunk: list[int] = field(init=False)
    lent: dict[int, int] = field(init=False)
    chunk_offset: NDArray[np.int64] = field(init=False)
    stretch_first: NDArray[np.int64] = field(init=False)
    segment_stretch: NDArray[np.int32] = field(init=False)
    segment_span: NDArray[np.int64] = field(init=False)
    segment_kind: NDArray[np.uint8] = field(init=False)
    segment_broken: NDArray[np.bool_] = field(init=False)
    segment_flags: NDArray[np.uint8] = field(init=False)
    segment_need: NDArray[np.int32] = field(init=False)
    segment_also: NDArray[np.int32] = field(init=False)
    segment_block: NDArray[np.int32] = field(init=False)
    tokens: NDArray[np.int64] = field(init=False)
    overhead: NDArray[np.int64] = field(init=False)
    segment_texts: list[str] = field(init=False)
    segment_tokens: NDArray[np.int64] = field(init=False)
    segment_worth: NDArray[np.float64] = field(init=False)
    relevance: NDArray[np.float64] = field(init=False)
    worth: NDArray[np.float64] = field(init=False)
    kept_row: NDArray[np.int32] = field(init=False)
    segment_kept: NDArray[np.bool_] = field(init=False)
    stands_for_it: NDArray[np.int32] = field(init=False)

    def __len__(self) -> int:
        return len(self.chunks)

    def id(self, chunk: int) -> ChunkId:
        """Return the id of a chunk."""
        return self.ids[chunk]

    def text(self, chunk: int) -> str:
        """Return the full text of a chunk."""
        return self.texts[int(self.first_row[chunk])]


@dataclass(frozen=True, slots=True)
class Window:
    """The packed context, with an account of every input.

    Attributes:
        text: what to put before the model; `str(window)` is the same.
        tokens: its token count, by `counter`; never above `budget` when `exact`.
        budget: the tokens it was allowed.
        pieces: kept text in window order.
        decisions: one per input chunk, in input order.
        status: "optimal" when no selection of these chunks is worth more, else "feasible".
        value: worth of the window: tokens times the worth of one, which grows with relevance.
        upper_bound: what no selection can exceed.
        gap: (upper_bound - value) / upper_bound, the share of value that may be missing.
        exact: False when the tokens are an estimate.
        counter: name of the counter.
        prices: worth of one more token, of the whole budget under "", of a section under its name;
            where it is 0 more room would change nothing.
        asked: how many of `passages` passages the scorer was asked about.
        passages: sentences and blocks that the input has.
        left: share of the evidence expected in the input that is not in the window.
        stopped: `Budget(auto=...)` stopped before the tokens ran out: the window holds enough.
        table: the corridor's table, for whoever wants to look closer.
    """

    text: str
    tokens: int
    budget: int
    pieces: tuple[Piece, ...]
    decisions: tuple[Decision, ...]
    status: str
    value: float
    upper_bound: float
    gap: float
    exact: bool
    counter: str
    prices: Mapping[str, float]
    left: float
    stopped: bool
    asked: int
    passages: int
    table: Candidates = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Return the window as plain data, ready for JSON, with a schema version."""
        return {
            "schema_version": SCHEMA_VERSION,
            "text": self.text,
            "tokens": self.tokens,
            "budget": self.budget,
            "exact": self.exact,
            "counter": self.counter,
            "status": self.status,
            "value": self.value,
            "upper_bound": self.upper_bound,
            "gap": self.gap,
            "prices": dict(self.prices),
            "left": self.left,
            "stopped": self.stopped,
            "asked": self.asked,
            "passages": self.passages,
            "pieces": [
                {
                    "text": piece.text,
                    "tokens": piece.tokens,
                    "chunk_ids": list(piece.chunk_ids),
                    "spans": [list(span) for span in piece.spans],
                    "origins": [list(origin) for origin in piece.origins],
                    "source": piece.source,
                    "header": piece.header,
                    "relevance": piece.relevance,
                }
                for piece in self.pieces
            ],
            "decisions": [
                {
                    "chunk_id": decision.chunk_id,
                    "kept": decision.kept,
                    "reason": decision.reason.value,
                    "detail": decision.detail,
                    "represented_by": decision.represented_by,
                    "position": decision.position,
                    "tokens": decision.tokens,
                    "relevance": decision.relevance,
                    "source": decision.source,
                }
                for decision in self.decisions
            ],
        }

    def to_messages(
        self,
        provider: str = "openai",
        question: str | None = None,
        *,
        history: Iterable[Mapping[str, Any]] = (),
        previous: Window | None = None,
        calls: float = 2,
        prices: str | Prices | None = None,
    ) -> list[dict[str, Any]]:
        """Return the window as messages to send: a user message of its text and the question.

        Cache breakpoints are set where the price table's rules say that they pay: behind the pieces
        that the `previous` window began with too, behind the whole context, and behind the
        `history`, which stands before it as it is. Marks that it has already count towards the
        number that a request may have. Where a provider caches by itself, or the context is too
        short to be kept, there are none, and the content is one str.

        Args:
            provider: "openai" or "anthropic", whose form the messages have.
            question: stands behind the context, where it breaks no prefix.
            history: messages to send before, as the provider takes them.
            previous: the window of the request before; see `resident` of `pack`.
            calls: how many requests will begin with this context, this one included.
            prices: a row of `ctxmem.PRICES` by name, or a `Prices`; the provider's if left out.

        Raises:
            InputError: a provider, a row of prices or a number of calls that is none.
            InputTypeError: the question is no text, or the history no dicts.
        """
        return request.context_messages(
            self.text,
            self.pieces,
            provider,
            question=question,
            history=history,
            before=() if previous is None else previous.pieces,
            calls=calls,
            prices=prices,
        )

    def explain(self) -> str:
        """Return, as text for a person, what was kept, what repeated, what was left out and why."""
        return report.window_text(self.to_dict(), self._texts())

    def to_html(self, path: str | Path) -> Path:
        """Write the window beside its sources as one self-contained HTML page; return its path."""
        target = Path(path)
        shown = report.window_page(self.to_dict(), self._texts(), self._starts())
        target.write_text(shown, encoding="utf-8")
        return target

    def _repr_html_(self) -> str:
        return report.window_html(self.to_dict(), self._texts(), self._starts())

    def _texts(self) -> dict[int, str]:
        """Return the inputs by position, as `origins` count their characters."""
        return {i: chunk.text for i, chunk in enumerate(self.table.chunks)}

    def _starts(self) -> dict[int, int]:
        """Return where inputs begin in their sources, by position, where that is known."""
        places = ((i, place_of(chunk)) for i, chunk in enumerate(self.table.chunks))
        return {i: place.start for i, place in places if place is not None}


def trim(text: str) -> str:
    """Return the text without outer blank lines and trailing space; indentation stays.

    So every block starts on its own line and ends without a newline of its own, which is what makes
    the counts of blocks add up.
    """
    if len(text.strip()) == len(text):
        return text
    text = text.rstrip()
    body = text.lstrip()
    indent = text[: len(text) - len(body)]
    # str.strip knows a few separators beyond \s of the tokeniser; only plain indentation is kept.
    return indent[max(indent.rfind("\n"), indent.rfind("\r")) + 1 :] + body

"""The data types of ctxmem: the input of `pack`, the columns of its pipeline, its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple, NewType

import numpy as np

from ctxmem import request
from ctxmem.errors import BudgetError, InputError, InputTypeError, a_type, warn_deprecated
from ctxmem.fields import (
    MAX_BUDGET,
    check_flag,
    check_fraction,
    check_min_density,
    check_name,
    check_rank,
    check_score,
    check_several,
    check_span,
    check_text,
    check_whole,
    name_of,
)
from ctxmem.pricing import Prices
from ctxmem.request import Provider

ChunkId = NewType("ChunkId", str)
"""The caller's id of a chunk, or the content hash of its text."""

PageId = NewType("PageId", str)
"""The content hash of a page: 32 hexadecimal digits."""

SCHEMA_VERSION = 2
"""Version of the plain data that `to_dict` and `--json` return; it grows when a field changes."""

PRICE = 0.0014
"""Density, value per token, below which `Budget(auto=True)` adds no more text."""

_NONE: tuple[()] = ()
_set = object.__setattr__  # the data types are frozen; their checks store plain values


@dataclass(frozen=True, slots=True)
class Alternative:
    """A shorter text that may replace a chunk: an extract, a summary.

    `share` is the share of the chunk's value that it keeps, between 0 and 1. The default is the
    square root of the share of tokens that it keeps: half of the tokens are taken to keep more than
    half of the value. `spans` are, for an extract, its character ranges in the chunk's text.

    Raises:
        InputError: the text is empty, the share is not between 0 and 1, or a span is no pair of
            offsets.
        InputTypeError: the text or the label is not a str, or the share not a number.
    """

    text: str
    share: float | None = None
    label: str = "alternative"
    spans: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise InputTypeError(
                f"alternative has a text of type {type(self.text).__name__}; expected str"
            )
        if not self.text.strip():
            raise InputError("alternative has an empty text; expected a shorter text: leave it out")
        if self.share is not None:
            _set(self, "share", check_fraction(self.share, "the share of an alternative"))
        if not isinstance(self.label, str):
            raise InputTypeError(
                f"the label of an alternative is {a_type(self.label)}; expected str"
            )
        if self.spans is not _NONE:
            spans = check_several(self.spans, "alternative", "spans", "a list of (start, end)")
            _set(self, "spans", tuple(check_span(span, "alternative") for span in spans))


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A retrieved passage, one object per hit.

    The same passage may be given many times. Its value depends on how often, by which `list` and at
    which `rank` it was returned; its text is in the window once.

    Attributes:
        text: the passage.
        id: the caller's id; the default is a hash of the text.
        score: the retriever's relevance, higher is better; each `list` may have its own scale.
            Distances are recognised if the list has ranks too; negate them if it has none.
        embedding: a vector, compared with the query's by cosine.
        source: the document it was cut from. With `span`, adjacent passages can be merged.
        span: character offsets (start, end) in the source.
        rank: position in the list that returned it, 0 is best.
        list: the retriever or query variant that returned it.
        section: the part of the window that it belongs to.
        pinned: must be in the window.
        requires: ids of chunks without which it must not be in the window.
        alternatives: shorter texts that may replace it, str or `Alternative`.
        metadata: the caller's data, which ctxmem does not change.
        density: its value per token, 0 to 1, where the caller knows it better than `pack` can
            estimate it: the probability that the passage is evidence.

    numpy scalars are stored as plain numbers, ids and other names as plain strings, alternatives as
    `Alternative`.

    Raises:
        InputError: an empty text, a score that is not finite, a negative rank, an invalid span.
        InputTypeError: a field of the wrong type, such as a single str in `requires`.
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
    density: float | None = None

    def __post_init__(self) -> None:
        score, rank, span = self.score, self.rank, self.span
        # Most chunks have plain fields, and many are made: this test costs less than the checks.
        if not (
            type(self.text) is str
            and self.text
            and (self.id is None or type(self.id) is str)
            and (score is None or (type(score) is float and isfinite(score)))
            and (rank is None or (type(rank) is int and rank >= 0))
            and (self.source is None or type(self.source) is str)
            and (self.list is None or type(self.list) is str)
            and (self.section is None or type(self.section) is str)
            and (span is None or _is_plain_span(span))
            and (self.pinned is False or self.pinned is True)
            and self.requires is _NONE
            and self.alternatives is _NONE
            and self.density is None
        ):
            self._check()

    def _check(self) -> None:
        owner = self._name()
        if type(self.text) is not str or not self.text:
            _set(self, "text", check_text(self.text, owner))
        if self.id is not None and type(self.id) is not str:
            _set(self, "id", check_name(self.id, owner, "id"))
        if self.score is not None:
            _set(self, "score", check_score(self.score, owner))
        if self.rank is not None:
            _set(self, "rank", check_rank(self.rank, owner))
        for name in ("source", "list", "section"):
            given = getattr(self, name)
            if given is not None and type(given) is not str:
                _set(self, name, str(name_of(given)))
        if self.span is not None:
            _set(self, "span", check_span(self.span, owner))
        if self.pinned is not False:
            _set(self, "pinned", check_flag(self.pinned, owner, "pinned"))
        if self.density is not None:
            _set(self, "density", check_fraction(self.density, f"{owner}: density"))
        if self.requires is not _NONE:
            ids = check_several(self.requires, owner, "requires", "a list of ids")
            _set(self, "requires", tuple(check_name(id, owner, "an id in requires") for id in ids))
        if self.alternatives is not _NONE:
            options = check_several(self.alternatives, owner, "alternatives", "a list of texts")
            _set(self, "alternatives", tuple(_alternative(option, owner) for option in options))

    def _name(self) -> str:
        """Return how errors name the chunk: by its id and its source, as far as they are given."""
        given = [] if self.id is None else [f"id {self.id!r}"]
        if self.source is not None:
            given.append(f"source {self.source!r}")
        return "chunk" + (f" ({', '.join(given)})" if given else "")


def _is_plain_span(span: Any) -> bool:
    return (
        type(span) is tuple
        and len(span) == 2
        and type(span[0]) is int
        and type(span[1]) is int
        and 0 <= span[0] <= span[1]
    )


def _alternative(given: Any, owner: str) -> Alternative:
    """Return an alternative of a chunk as an `Alternative`."""
    if isinstance(given, Alternative):
        return given
    if not isinstance(given, str):
        raise InputTypeError(
            f"{owner} has an alternative of type {type(given).__name__}; expected a str or a "
            f"ctxmem.Alternative"
        )
    if not given.strip():
        raise InputError(f"{owner} has an empty alternative; leave it out")
    return Alternative(given)


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens a window may have.

    `reserve` of the `tokens` are kept free, for the question and the answer. With `auto`, only text
    with at least a minimal density is added, so an easy question gets a small window and a hard one
    the whole budget. Density is value per token, the probability that a token is evidence. `auto`
    is the minimal density; True is a density that was measured to lose almost no evidence. It does
    not apply to pinned chunks, the minima of sections, and what chunks require.

    Raises:
        BudgetError: `tokens` is not positive, the reserve leaves none of them, or `auto` is not
            between 0 and 1.
        InputTypeError: a field is not a number.

    >>> Budget(4000, reserve=500).limit
    3500
    """

    tokens: int
    reserve: int = 0
    auto: bool | float = False

    def __post_init__(self) -> None:
        tokens = check_whole(self.tokens, "budget", "a number of tokens, such as 4096")
        reserve = check_whole(self.reserve, "reserve", "a number of tokens, such as 500")
        if not 1 <= tokens <= MAX_BUDGET:
            raise BudgetError(
                f"budget is {tokens} tokens; expected 1 to {MAX_BUDGET:,}: give what the model's "
                f"window leaves for context"
            )
        if not 0 <= reserve < tokens:
            raise BudgetError(
                f"budget is {tokens} tokens of which {reserve} are reserved; expected a reserve "
                f"from 0 to {tokens - 1}: raise the budget or lower the reserve"
            )
        _set(self, "tokens", tokens)
        _set(self, "reserve", reserve)
        _set(self, "auto", check_min_density(self.auto))

    @property
    def limit(self) -> int:
        """The tokens that the window itself may have."""
        return self.tokens - self.reserve

    @property
    def min_density(self) -> float:
        """The minimal density; 0 if only the budget decides."""
        return PRICE if self.auto is True else float(self.auto)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the window with its own limits; chunks name it in `Chunk.section`.

    Its tokens are the tokens of its blocks, its header and its subsections. An empty section has no
    header. The limits apply before adjacent passages are merged; a section whose passages share
    text may have fewer tokens afterwards.

    Attributes:
        name: the name that chunks give in `Chunk.section`.
        min: minimum of its tokens.
        max: maximum of its tokens, None for no limit.
        share: the maximum as a share of the budget.
        header: text before its first piece.
        parent: the section that it is a part of.

    Raises:
        InputError: an empty name, limits that contradict each other, both a maximum and a share.
        InputTypeError: a field of the wrong type.
    """

    name: str
    min: int = 0
    max: int | None = None
    share: float | None = None
    header: str | None = None
    parent: str | None = None

    def __post_init__(self) -> None:
        name = check_name(self.name, "section", "name")
        if not name:
            raise InputError(
                "section has an empty name; expected the name that its chunks give in `section`"
            )
        _set(self, "name", name)
        owner = f"section {name!r}"
        _set(self, "min", check_whole(self.min, f"{owner}: min", "a number of tokens"))
        if self.min < 0:
            raise InputError(f"{owner}: min is {self.min}; expected a number of tokens from 0")
        if self.max is not None:
            _set(self, "max", check_whole(self.max, f"{owner}: max", "a number of tokens, or None"))
            if self.max < self.min:
                raise InputError(
                    f"{owner} has a minimum of {self.min} and a maximum of {self.max} tokens; "
                    f"expected 0 <= minimum <= maximum"
                )
        if self.share is not None:
            self._check_share(owner)
        if self.header is not None and not isinstance(self.header, str):
            raise InputTypeError(
                f"{owner}: header is {a_type(self.header)}; expected a str or None"
            )
        if self.parent is not None:
            _set(self, "parent", check_name(self.parent, owner, "parent"))

    def _check_share(self, owner: str) -> None:
        share = self.share
        if isinstance(share, bool) or not isinstance(share, int | float | np.number):
            raise InputTypeError(
                f"{owner}: share is {a_type(share)}; expected a number above 0 and at most 1"
            )
        if not 0 < share <= 1:
            raise InputError(f"{owner} has the share {share}; expected more than 0 and at most 1")
        if self.max is not None:
            raise InputError(
                f"{owner} has a maximum of {self.max} tokens and a share of {share}; expected one "
                f"of the two: leave one out"
            )
        _set(self, "share", float(share))


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
    """Whether one input chunk was kept, and why; a tuple, since a pack makes one for every input.

    `position` is its index in the input, `represented_by` the id of the chunk that replaces it,
    `tokens` the count of its text with header and separator, `relevance` a number from 0 to 1.
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
    """The text that is kept of one chunk, or of adjacent chunks of one source, merged.

    `tokens` is the count of the text, without the header. `origins` lists the parts of the text in
    its order, as (chunk id, start, end) with offsets in `Chunk.text`; there is a mark between two
    parts. `spans` are the same parts as character offsets in `source`, if known.
    """

    text: str
    tokens: int
    chunk_ids: tuple[ChunkId, ...]
    spans: tuple[tuple[int, int], ...]
    source: str | None
    header: str
    relevance: float
    origins: tuple[tuple[ChunkId, int, int], ...] = ()


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


class Record(NamedTuple):
    """One entry of a session's log; `version` is its position, from 1."""

    version: int
    payload: bytes


Header = str | Callable[[Chunk], str]
"""A template with {id}, {source}, {section}, {list} and {start}, or a function of a chunk."""

Order = Literal["auto", "score", "source", "given"]
"""An order of the pieces of a window."""

Dedup = Literal["careful", "exact"] | bool
"""Which passages are folded as duplicates: see `pack`; True is the same as "careful"."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the text of a window is rendered.

    A separator between pieces, a header before each, their order, and the line that marks text
    left out between two pieces of one source, which replaces the header of the second.
    """

    separator: str = "\n\n"
    header: Header | None = None
    order: Order = "auto"
    sections: tuple[Section, ...] = ()
    ellipsis: str = "…"


@dataclass(frozen=True, slots=True)
class Window:
    """The packed context, with a decision for every input.

    Attributes:
        text: the context for the model; `str(window)` is the same.
        tokens: the token count of `text` by `counter`; never above `budget` if `exact`.
        budget: the maximum of `tokens`.
        pieces: the kept text in window order.
        decisions: one for each input chunk, in input order.
        status: "optimal" if no selection of these chunks has a higher value, else "feasible".
        value: value of the window: the sum of tokens times density, which grows with relevance.
        upper_bound: a value that no selection can exceed.
        gap: (upper_bound - value) / upper_bound, the share of value that may be missing.
        exact: False if the token counts are estimates.
        counter: name of the counter.
        prices: value of one more token, in the whole budget under "", in a section under its name;
            0 if more tokens would change nothing.
        scored_count: number of the `passages` that the user's scorer was given.
        passages: number of sentences and blocks in the input.
        unselected_share: share of the evidence expected in the input that is not in the window.
        stopped_early: whether `Budget(auto=...)` stopped before the tokens ran out.
        messages: if the input is a chat, its messages in the window, as they were given; else None.

    `left`, `stopped` and `asked` are deprecated names of `unselected_share`, `stopped_early` and
    `scored_count`.
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
    unselected_share: float
    stopped_early: bool
    scored_count: int
    passages: int
    messages: tuple[Any, ...] | None = field(default=None, repr=False)
    _inputs: tuple[tuple[str, int | None], ...] = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        return self.text

    @property
    def left(self) -> float:
        """Deprecated name of `unselected_share`."""
        warn_deprecated("Window.left", "unselected_share")
        return self.unselected_share

    @property
    def stopped(self) -> bool:
        """Deprecated name of `stopped_early`."""
        warn_deprecated("Window.stopped", "stopped_early")
        return self.stopped_early

    @property
    def asked(self) -> int:
        """Deprecated name of `scored_count`."""
        warn_deprecated("Window.asked", "scored_count")
        return self.scored_count

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
            "unselected_share": self.unselected_share,
            "stopped_early": self.stopped_early,
            "scored_count": self.scored_count,
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
        provider: Provider = "openai",
        question: str | None = None,
        *,
        history: Iterable[Mapping[str, Any]] = (),
        previous: Window | None = None,
        calls: float = 2,
        prices: str | Prices | None = None,
    ) -> list[dict[str, Any]]:
        """Return the window as messages to send: a user message of its text and the question.

        Cache breakpoints are set where they save money by the price table: after the pieces that
        the `previous` window began with too, after the whole context, and after the `history`,
        which precedes the context unchanged. Breakpoints in the history count towards the maximum
        of a request. There are none if the provider caches by itself or the context is too short
        to be cached; then the content is one str.

        Args:
            provider: "openai" or "anthropic", the form of the messages.
            question: text after the context, so that it does not change the cached prefix.
            history: messages before the context, in the provider's form.
            previous: the window of the previous request; see `previous_window` of `pack`.
            calls: number of requests that begin with this context, including this one.
            prices: a row of `ctxmem.PRICES` by name, or a `Prices`; the default is the provider's.

        Raises:
            InputError: If the provider, the row of prices or the number of calls is invalid.
            InputTypeError: If the question is not a str, or the history not a list of dicts.
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
        """Return a report for a person: what was kept, repeated and left out, and why."""
        from ctxmem import report  # here, because half of the import of this module would be its

        return report.window_text(self.to_dict(), self._texts())

    def to_html(self, path: str | Path) -> Path:
        """Write the window and its sources as one self-contained HTML page; return its path."""
        from ctxmem import report

        target = Path(path)
        shown = report.window_page(self.to_dict(), self._texts(), self._starts())
        target.write_text(shown, encoding="utf-8")
        return target

    def _repr_html_(self) -> str:
        from ctxmem import report

        return report.window_html(self.to_dict(), self._texts(), self._starts())

    def _texts(self) -> dict[int, str]:
        """Return the inputs by position, as `origins` count their characters."""
        return {i: text for i, (text, _) in enumerate(self._inputs)}

    def _starts(self) -> dict[int, int]:
        """Return where inputs begin in their sources, by position, if that is known."""
        return {i: start for i, (_, start) in enumerate(self._inputs) if start is not None}


def trim(text: str) -> str:
    """Return the text without outer blank lines and trailing space; indentation is kept.

    Every block then starts on its own line and ends without a newline, so the counts of blocks add
    up.
    """
    if len(text.strip()) == len(text):
        return text
    text = text.rstrip()
    body = text.lstrip()
    indent = text[: len(text) - len(body)]
    # str.strip knows a few separators beyond \s of the tokeniser; only plain indentation is kept.
    return indent[max(indent.rfind("\n"), indent.rfind("\r")) + 1 :] + body

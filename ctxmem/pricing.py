"""What a prompt costs when part of it is cached: providers' rules as a dated table, and a bill.

The unit is the price of one input token that is neither read from a cache nor written to one.
Rules change several times a year, so they are rows with a source and a date, and whoever knows
better brings a row: `replace(PRICES["anthropic"], minimum=4096)`.

>>> prices_of("anthropic").break_even(suffix=9000, removed=1500)
69.0
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ctxmem.errors import InputError, InputTypeError


@dataclass(frozen=True, slots=True)
class Prices:
    """One provider's rules for cached prompts.

    Attributes:
        name: what the row is called.
        read: price of a token read from the cache.
        write: price of a token written to it.
        minimum: prompts, and prefixes, shorter than this are not cached.
        step: cached prefixes are whole multiples of this many tokens.
        marked: True: a prefix is found only where a request put a breakpoint; False: anywhere.
        lookback: blocks before a breakpoint that are searched for a written prefix; None: all.
        breakpoints: how many a request may have.
        ttl: seconds that an unused prefix stays.
        dollars: price of a million uncached input tokens, for a rough sum; 0 if none is meant.
        models: what it holds for.
        source: where it is published.
        date: when that was looked up.
    """

    name: str
    read: float
    write: float
    minimum: int = 1024
    step: int = 1
    marked: bool = True
    lookback: int | None = None
    breakpoints: int = 4
    ttl: float = 300.0
    dollars: float = 0.0
    models: str = ""
    source: str = ""
    date: str = ""

    def break_even(self, *, suffix: int, removed: int) -> float:
        """Return after how many calls it pays to take `removed` tokens from before `suffix`.

        What is behind the edit is written again, where it would have been read.
        """
        saved = self.read * removed
        return (self.write - self.read) * suffix / saved if saved else float("inf")


_ANTHROPIC = (
    "platform.claude.com/docs/en/build-with-claude/prompt-caching (order, 20-block lookback, 4 "
    "breakpoints, prices); minimum per model from the same page"
)
_OPENAI = "developers.openai.com/api/docs/guides/prompt-caching"

PRICES = {
    prices.name: prices
    for prices in (
        Prices(
            *("anthropic", 0.1, 1.25),
            lookback=20,
            dollars=3.0,
            models="Claude Sonnet 4.5 to 5, Opus 4.8; five minutes, renewed by every read",
            source=_ANTHROPIC,
            date="2026-11-23",
        ),
        Prices(
            *("anthropic-1h", 0.1, 2.0),
            lookback=20,
            ttl=3600.0,
            dollars=3.0,
            models="the same, kept for an hour",
            source=_ANTHROPIC,
            date="2026-11-23",
        ),
        Prices(
            *("anthropic-4096", 0.1, 1.25, 4096),
            lookback=20,
            dollars=5.0,
            models="Claude Opus 4.5 and 4.6 (Haiku 4.5 at a dollar), which cache from 4,096 tokens",
            source=_ANTHROPIC,
            date="2026-11-23",
        ),
        Prices(
            *("anthropic-1h-4096", 0.1, 2.0, 4096),
            lookback=20,
            ttl=3600.0,
            dollars=5.0,
            models="Claude Opus 4.5 and 4.6 and Haiku 4.5, kept for an hour",
            source=_ANTHROPIC,
            date="2026-11-27",
        ),
        Prices(
            *("openai", 0.1, 1.0),
            step=128,
            marked=False,
            dollars=1.25,
            models="GPT-5 to 5.5: automatic, in steps of 128 tokens",
            source="openai.com/index/api-prompt-caching (2024-10); " + _OPENAI,
            date="2026-11-23",
        ),
        Prices(
            *("openai-5.6", 0.1, 1.25),
            breakpoints=5,  # four marked and an implicit one at the newest message
            ttl=1800.0,
            dollars=1.25,
            models="GPT-5.6 and later: found at breakpoints only, writes cost extra",
            source=_OPENAI,
            date="2026-11-23",
        ),
        Prices(
            *("openai-4o", 0.5, 1.0),
            step=128,
            marked=False,
            dollars=2.5,
            models="GPT-4o: cached tokens at half price",
            source="openai.com/index/api-prompt-caching (2024-10)",
            date="2026-11-23",
        ),
        Prices(
            *("gemini", 0.1, 1.0, 4096),
            marked=False,
            dollars=1.25,
            models="Gemini 3 and later, implicit caching; storage of explicit caches not counted",
            source="ai.google.dev/gemini-api/docs/caching (2026-10-13)",
            date="2026-11-23",
        ),
        Prices(
            *("deepseek", 0.02, 1.0),
            minimum=64,
            step=64,
            marked=False,
            ttl=3600.0,
            dollars=0.15,
            models="DeepSeek V4 Flash and V4.1 Flash, automatic on disk (V4 Pro: a hit at 1/30 or "
            "less); units of 64 tokens, kept for hours at least; off-peak dollars, peak is double",
            source="api-docs.deepseek.com/quick_start/pricing (V4 Flash 0731: hit 0.0028, miss "
            "0.14 dollars a million) and /guides/kv_cache; dollars of V4.1 Flash 1017 by a copy "
            "of 2026-10-27",
            date="2026-11-27",
        ),
        Prices(
            *("vllm", 0.0, 1.0, 0),
            step=16,
            marked=False,
            ttl=float("inf"),
            models="your own vLLM: the tokens that are prefilled, in blocks of 16",
            source="docs.vllm.ai/en/latest/design/prefix_caching",
            date="2026-11-23",
        ),
        Prices(
            *("uncached", 1.0, 1.0, 0),
            ttl=0.0,
            models="a provider without prompt caching",
            source="by definition",
            date="2026-11-23",
        ),
    )
}
"""The rules we know, by name."""


class ModelRow(NamedTuple):
    """A pattern in the names of models, their row, and where and when that was read."""

    names: str
    row: str
    source: str
    date: str = "2026-11-27"


MODEL_ROWS = (
    ModelRow("claude.*(?:opus-4-[56]|haiku-4-5)", "anthropic-4096", _ANTHROPIC),
    ModelRow("claude", "anthropic", _ANTHROPIC),
    ModelRow("gemini", "gemini", "ai.google.dev/gemini-api/docs/caching"),
    ModelRow("deepseek", "deepseek", "api-docs.deepseek.com/guides/kv_cache"),
    ModelRow("gpt-5\\.[6-9]|gpt-[6-9]", "openai-5.6", _OPENAI),
    ModelRow("gpt-5", "openai", _OPENAI),
    ModelRow("gpt-4o|gpt-4\\.1|(?:^|/)o[134](?:-|$)", "openai-4o", _OPENAI),
    ModelRow("gpt-4|gpt-3|gpt-35|text-davinci", "uncached", _OPENAI),
)
"""Rows by the names of models, the first that matches."""
USUAL_ROW = "openai"
"""The row for models that no pattern names: a cache that needs no marks."""
MARKS_BY_ITSELF = "openai-5.6"
"""The row whose provider marks the newest message of a request by itself."""
_HOURS = {"anthropic": "anthropic-1h", "anthropic-4096": "anthropic-1h-4096"}


def row_of(wire: str, model: str, *, hour: bool = False) -> Prices:
    """Return the row of a model behind a wire format ("chat", "responses" or "anthropic").

    `hour` says that the client asks for prefixes that are kept for an hour.

    >>> row_of("chat", "gpt-4o-mini").name, row_of("anthropic", "claude-opus-4-6").name
    ('openai-4o', 'anthropic-4096')
    """
    found = (one.row for one in MODEL_ROWS if re.search(one.names, model, re.IGNORECASE))
    row = next(found, "anthropic" if wire == "anthropic" else USUAL_ROW)
    if wire != "anthropic" and row.startswith("anthropic"):
        row = USUAL_ROW  # behind OpenAI's format no marks can be set
    return PRICES[_HOURS.get(row, row) if hour else row]


def prices_of(given: str | Prices) -> Prices:
    """Return the rules of a name, or those given.

    Raises:
        InputError: no row has this name.
        InputTypeError: it is neither a name nor `Prices`.
    """
    if isinstance(given, Prices):
        return given
    if not isinstance(given, str):
        raise InputTypeError(
            f"prices is {given!r} ({type(given).__name__}); expected one of {', '.join(PRICES)}, "
            "or a ctxmem.Prices"
        )
    if given not in PRICES:
        raise InputError(
            f"prices is {given!r}; expected one of {', '.join(PRICES)}, or a ctxmem.Prices of your "
            "own"
        )
    return PRICES[given]


class Block(NamedTuple):
    """A message of a request, as a cache sees it: equal keys mean equal bytes."""

    key: object
    tokens: int


class Prefixes:
    """A request's blocks as a cache looks for them: the key and the tokens of every prefix.

    A request that goes on with another begins with its prefixes: only new blocks are looked at.

    Attributes:
        keys: of the prefixes, the empty one first.
        ends: the tokens of each.
    """

    __slots__ = ("ends", "keys")

    def __init__(self, keys: list[int], ends: list[int]) -> None:
        self.keys, self.ends = keys, ends

    def __len__(self) -> int:
        """The number of blocks."""
        return len(self.keys) - 1

    @property
    def tokens(self) -> int:
        """The tokens of all blocks."""
        return self.ends[-1]

    def then(self, blocks: Iterable[Block], count: int | None = None) -> Prefixes:
        """Return the prefixes of the first `count` blocks, all if it is left out, and of others.

        >>> two = prefixes_of([Block(1, 10), Block(2, 20)])
        >>> two.then([Block(3, 5)]).ends, two.then([], 1).keys == prefixes_of([Block(1, 10)]).keys
        ([0, 10, 30, 35], True)
        """
        end = None if count is None else count + 1
        keys, ends = self.keys[:end], self.ends[:end]
        for block in blocks:
            keys.append(hash((keys[-1], block[0])))
            ends.append(ends[-1] + block[1])
        return Prefixes(keys, ends)


def prefixes_of(blocks: Sequence[Block] | Prefixes) -> Prefixes:
    """Return the prefixes of blocks."""
    return blocks if isinstance(blocks, Prefixes) else Prefixes([0], [0]).then(blocks)


class Charge(NamedTuple):
    """What one request cost, by kind of token."""

    read: int
    written: int
    plain: int
    cost: float


@dataclass(slots=True)
class Bill:
    """The bill of one conversation under one provider's rules.

    `entries` are what the provider's cache holds: the prefixes written so far, each as the hash of
    its blocks, with the time when it was last used.
    """

    prices: Prices
    calls: int = 0
    read: int = 0
    written: int = 0
    plain: int = 0
    cost: float = 0.0
    entries: dict[int, float] = field(default_factory=dict)

    def call(
        self,
        blocks: Sequence[Block] | Prefixes,
        *,
        breakpoints: Sequence[int] = (),
        volatile: int = 0,
        now: float = 0.0,
    ) -> Charge:
        """Charge one request: its stable blocks, then `volatile` tokens that nothing caches.

        `breakpoints` are numbers of blocks: a breakpoint of 3 is behind the third. Rules that
        find prefixes anywhere do not look at them.
        """
        charge, keys, ends, marks, found = self._charge(blocks, breakpoints, volatile, now)
        if found:
            self.entries[keys[found]] = now
        if self.prices.marked:
            for mark in marks:
                if ends[mark] >= self.prices.minimum:
                    self.entries[keys[mark]] = now
        else:
            self.entries.update(dict.fromkeys(keys[1:], now))
        self.calls += 1
        self.read += charge.read
        self.written += charge.written
        self.plain += charge.plain
        self.cost += charge.cost
        return charge

    def quote(
        self,
        blocks: Sequence[Block] | Prefixes,
        *,
        breakpoints: Sequence[int] = (),
        volatile: int = 0,
        now: float = 0.0,
    ) -> Charge:
        """Return what `call` would charge, and charge nothing."""
        return self._charge(blocks, breakpoints, volatile, now)[0]

    def held(self, blocks: Sequence[Block] | Prefixes, *, now: float = 0.0) -> list[int]:
        """Return how many of the first blocks make prefixes that the cache holds, rising."""
        used = map(self.entries.get, prefixes_of(blocks).keys)
        ttl = self.prices.ttl
        return [n for n, at in enumerate(used) if n and at is not None and now - at <= ttl]

    def _charge(
        self,
        blocks: Sequence[Block] | Prefixes,
        breakpoints: Sequence[int],
        volatile: int,
        now: float,
    ) -> tuple[Charge, list[int], list[int], list[int], int]:
        """Return a charge, the prefixes' keys and ends, the marks, and the blocks that are read."""
        prices = self.prices
        prefixes = prefixes_of(blocks)
        keys, ends = prefixes.keys, prefixes.ends
        total = ends[-1]
        marks = sorted({mark for mark in breakpoints if 0 < mark <= len(blocks)})
        found = self._longest(keys, marks, now)
        read = ends[found] // prices.step * prices.step
        if read < prices.minimum:
            read = 0
        if prices.marked:
            # What is behind the last breakpoint is plain input, as is all of a short prompt.
            last = ends[marks[-1]] if marks else 0
            written = max(0, last - read) if last >= prices.minimum else 0
            fresh = total - read - written + volatile
        else:
            written, fresh = total - read, volatile
        cost = prices.read * read + prices.write * written + fresh
        return Charge(read, written, fresh, cost), keys, ends, marks, found

    def forget(self, most: int) -> None:
        """Drop the prefixes that were not used for the longest time, if there are over `most`."""
        if len(self.entries) > most:
            newest = sorted(self.entries.items(), key=lambda entry: entry[1])[-most // 2 :]
            self.entries = dict(newest)

    def _longest(self, keys: Sequence[int], marks: Sequence[int], now: float) -> int:
        """Return how many blocks the longest prefix has that the cache still holds."""
        for count in range(len(keys) - 1, 0, -1):
            if not self._holds(keys[count], now):
                continue
            if not self.prices.marked or any(self._sees(mark, count) for mark in marks):
                return count
        return 0

    def _holds(self, key: int, now: float) -> bool:
        used = self.entries.get(key)
        return used is not None and now - used <= self.prices.ttl

    def _sees(self, mark: int, count: int) -> bool:
        lookback = self.prices.lookback
        return mark >= count and (lookback is None or mark - count <= lookback)

    @property
    def dollars(self) -> float:
        """The cost in dollars, by the row's price of a million tokens."""
        return self.cost * self.prices.dollars / 1e6

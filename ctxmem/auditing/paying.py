"""What a log paid for its input, call by call, and what a part of a window cost.

The provider's own usage decides where the log has it: tokens read from the cache at the price of
cached ones, tokens written to it at the price of writing, the rest at the price of input. Usage
without any field about caches is priced as it is, uncached; what it would have been with a cache is
counted beside it. A call without usage is priced by simulation: `ctxmem.pricing.Bill` by the rules
of the prices given, or of the model's provider.

A prompt cache holds the beginning of a window. So what a repeat cost depends on where it is: inside
the cached beginning it cost the cached price.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ctxmem.auditing.assembly import Call
from ctxmem.auditing.segments import Window
from ctxmem.chat.reading import read_one
from ctxmem.errors import InputError
from ctxmem.pricing import (
    MARKS_BY_ITSELF,
    MODEL_ROWS,
    PRICES,
    USUAL_ROW,
    Bill,
    Block,
    Prices,
    prices_of,
)
from ctxmem.traces import Usage

MODELS = tuple((one.names, one.row) for one in MODEL_ROWS)
"""Patterns in the names of models, and the row of `ctxmem.pricing` that simulates their cache."""

USUAL = USUAL_ROW
"""The row for models that none of `MODELS` names: a cache that needs no marks."""

BY_ITSELF = MARKS_BY_ITSELF
"""The row whose provider marks the newest message of a request by itself."""

HIDDEN = 1.5
"""Up to so many times our count, a usage is our count by another tokenizer. What is billed beyond
it was not in the log, such as instructions and tools, which precede the messages."""

_MOST_ENTRIES = 400_000  # prefixes that the simulated caches hold together


class Rates(NamedTuple):
    """Prices of a million tokens; `output` is None where it is not given."""

    input: float
    read: float
    write: float
    output: float | None = None


class Paid(NamedTuple):
    """What one call paid for its input.

    Attributes:
        money: all of it.
        tokens: of the window as it was counted.
        cached: of them, from the first on, those that were read from the cache.
        written: those behind them that were written to it.
        input, read, write: prices of one counted token.
        usage: whether the log's usage said so; else it was simulated.
    """

    money: float
    tokens: int
    cached: float
    written: float
    input: float
    read: float
    write: float
    usage: bool

    def between(self, start: float, end: float) -> float:
        """Return what the tokens from `start` to `end` of the window cost."""
        cached = min(max(self.cached - start, 0.0), end - start)
        written = min(max(self.cached + self.written - start, 0.0), end - start) - cached
        rest = end - start - cached - written
        return cached * self.read + written * self.write + rest * self.input

    @property
    def mean(self) -> float:
        """Price of a token, on average."""
        return self.money / self.tokens if self.tokens else 0.0

    @property
    def uncached(self) -> float:
        """Price of a token behind the cached beginning, on average."""
        rest = self.tokens - self.cached
        return max(0.0, self.money - self.cached * self.read) / rest if rest > 0 else self.input


NOTHING = Paid(0.0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, False)


@dataclass(slots=True)
class SessionCost:
    """What a session paid and what of it findings claim, which is never more.

    A token that two findings are about is claimed by the first.
    """

    paid: float = 0.0
    claimed: float = 0.0
    means: list[float] = field(default_factory=list)  # price of a token of each call

    def add(self, paid: Paid) -> None:
        """Add a call."""
        self.paid += paid.money
        if len(self.means) < 1 << 14:
            self.means.append(paid.mean)

    def claim(self, money: float) -> float:
        """Claim some of what was paid; return what of it was left."""
        got = max(0.0, min(money, self.paid - self.claimed))
        self.claimed += got
        return got

    def above(self, sizes: Seq[int], limit: int) -> float:
        """Return what the tokens of calls beyond a limit cost."""
        pairs = zip(sizes, self.means, strict=False)
        return sum(max(0, tokens - limit) * mean for tokens, mean in pairs)


class Payer:
    """Prices calls by their usage, or by simulation, and adds up what was paid."""

    def __init__(self, prices: float | str | Prices | Mapping[str, float]) -> None:
        self.given, self._row = _read(prices)
        self._bills: dict[str, Bill] = {}
        self._rows: dict[str, Prices] = {}
        self.paid = 0.0
        self.claimed = 0.0
        self.output = 0.0
        self.by_usage = _Sum()
        self.simulated = _Sum()
        self.unreported = _Sum()  # calls whose usage says nothing of a cache
        self.if_cached = 0.0  # what they cost if the provider cached as simulated
        self.rules: dict[str, int] = {}

    def row(self, model: str) -> Prices:
        """Return the rules of a model's cache."""
        if self._row is not None:
            return self._row
        row = self._rows.get(model)
        if row is None:
            if len(self._rows) > 1000:
                self._rows.clear()
            row = self._rows[model] = PRICES[row_of(model)]
        return row

    def rates(self, row: Prices) -> Rates:
        """Return the prices given; those that are not follow from the rules of the cache."""
        given = self.given
        price = given["input"]
        return Rates(
            price,
            given.get("cache_read", price * row.read),
            given.get("cache_write", price * row.write),
            given.get("output"),
        )

    def window(self, window: Window) -> Paid:
        """Price a request."""
        call = window.call
        row = self.row(call.model)
        read, written = self._simulate(window, row) if call.messages else (0, 0)
        return self._price(call, row, window.tokens, read, written)

    def turn(self, call: Call, tokens: int, before: int, idle: float) -> Paid:
        """Price a call whose window begins with the `before` tokens of the call before it."""
        row = self.row(call.model)
        # A transcript without usage shows no marks, so that a cache that needs them held nothing.
        caches = not row.marked or row.name == BY_ITSELF
        read = before // row.step * row.step if caches else 0
        if read < row.minimum or idle > row.ttl:
            read = 0
        writes = caches and tokens >= row.minimum and row.write != 1.0
        return self._price(call, row, tokens, read, tokens - read if writes else 0)

    def _simulate(self, window: Window, row: Prices) -> tuple[int, int]:
        """Return the tokens of a request that its provider's cache would read and write."""
        bill = self._bills.get(row.name)
        if bill is None:
            bill = self._bills[row.name] = Bill(row)
        now = window.call.time or 0.0
        if row.marked:
            blocks, marks = _messages(window)
            if row.name == BY_ITSELF:
                marks.append(len(blocks))
            charge = bill.call(blocks, breakpoints=marks[-row.breakpoints :], now=now)
        else:
            charge = bill.call(_blocks(window), now=now)
        bill.forget(_MOST_ENTRIES)
        return charge.read, charge.written if row.write != 1.0 else 0

    def _price(self, call: Call, row: Prices, tokens: int, read: int, written: int) -> Paid:
        rates = self.rates(row)
        usage = call.usage
        if usage is not None and usage.output and rates.output is not None:
            self.output += usage.output * rates.output / 1e6
        simulated = _paid(rates, tokens, read, written)
        if usage is None or not usage.input:
            paid = simulated
            self.simulated.add(paid.money, tokens)
            self.rules[row.name] = self.rules.get(row.name, 0) + 1
        else:
            paid = _billed(usage, rates, tokens)
            self.by_usage.add(paid.money, usage.input)
            if usage.cached is None and usage.written is None:
                self.unreported.add(paid.money, usage.input)
                self.if_cached += min(paid.money, simulated.mean * usage.input)
        self.paid += paid.money
        return paid

    def claim(self, tokens: int, all_tokens: int) -> float:
        """Claim what `tokens` of no known place cost, as far as no other finding claims it."""
        got = max(0.0, min(tokens * self.paid / max(1, all_tokens), self.paid - self.claimed))
        self.claimed += got
        return got

    def to_dict(self) -> dict[str, Any]:
        """Return what was paid, by what it is known, and by which prices."""
        usage, simulated = self.by_usage, self.simulated
        both = usage.calls and simulated.calls
        return {
            "input": self.given["input"],
            "cache_read": self.given.get("cache_read"),
            "cache_write": self.given.get("cache_write"),
            "paid": self.paid,
            "by": "both" if both else "usage" if usage.calls else "simulation",
            "usage": {
                **usage.to_dict(),
                "without_cache_fields": {
                    **self.unreported.to_dict(),
                    "money_if_cached": self.if_cached,
                },
            },
            "simulation": {**simulated.to_dict(), "rules": dict(sorted(self.rules.items()))},
            "output": None if self.given.get("output") is None else self.output,
        }


@dataclass(slots=True)
class _Sum:
    calls: int = 0
    tokens: int = 0
    money: float = 0.0

    def add(self, money: float, tokens: int) -> None:
        self.calls += 1
        self.tokens += tokens
        self.money += money

    def to_dict(self) -> dict[str, Any]:
        return {"calls": self.calls, "tokens": self.tokens, "money": self.money}


# Prices


def row_of(model: str) -> str:
    """Return the name of the row of `ctxmem.pricing` whose cache a model has."""
    name = model.lower()
    return next((row for pattern, row in MODELS if re.search(pattern, name)), USUAL)


def _read(given: object) -> tuple[dict[str, float], Prices | None]:
    """Return the prices by name, and the row if one was given.

    Raises:
        InputError: they are no prices.
    """
    if isinstance(given, str | Prices):
        row = prices_of(given)
        price = row.dollars
        return {
            "input": price, "cache_read": price * row.read, "cache_write": price * row.write
        }, row  # fmt: skip
    if isinstance(given, int | float) and not isinstance(given, bool):
        given = {"input": given}
    names = ("input", "cache_read", "cache_write", "output")
    if not isinstance(given, Mapping) or "input" not in given:
        raise InputError(
            f"prices is {given!r}; expected a provider's name, the price of a million input "
            f"tokens, or a dict with 'input' and, where known, 'cache_read', 'cache_write' and "
            f"'output'"
        )
    found = {}
    for name, value in given.items():
        if name not in names:
            raise InputError(f"prices has {name!r}; expected of a price {', '.join(names)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
            raise InputError(f"the price {name!r} is {value!r}; expected a number of at least 0")
        found[str(name)] = float(value)
    return found, None


def _paid(rates: Rates, tokens: int, read: float, written: float) -> Paid:
    rest = tokens - read - written
    money = (read * rates.read + written * rates.write + rest * rates.input) / 1e6
    unit = (rates.input / 1e6, rates.read / 1e6, rates.write / 1e6)
    return Paid(money, tokens, read, written, *unit, usage=False)


def _billed(usage: Usage, rates: Rates, tokens: int) -> Paid:
    """Return what a usage says was paid, and how it lies over the window that was counted."""
    billed = usage.input or 0
    cached = min(usage.cached or 0, billed)
    written = min(usage.written or 0, billed - cached)
    rest = billed - cached - written
    money = (cached * rates.read + written * rates.write + rest * rates.input) / 1e6
    scale = billed / max(1, tokens)
    front = 0.0
    if scale > HIDDEN:
        scale, front = 1.0, float(billed - tokens)
    unit = (scale * rates.input / 1e6, scale * rates.read / 1e6, scale * rates.write / 1e6)
    seen = max(0.0, cached - front)
    wrote = max(0.0, cached + written - front) - seen
    return Paid(money, tokens, seen / scale, wrote / scale, *unit, usage=True)


# What a cache sees of a request


def _blocks(window: Window) -> list[Block]:
    """Return the segments of a window as blocks; what a message adds is in its last."""
    blocks = []
    at = 0
    for number, segment in enumerate(window.segments, start=1):
        end = window.start_of(number)
        blocks.append(Block((segment.role, segment.key), end - at))
        at = end
    return blocks


def _messages(window: Window) -> tuple[list[Block], list[int]]:
    """Return tools and messages as blocks, and behind which of them the request has a mark."""
    keys: dict[int, list[Any]] = {at: [] for at in range(-1, len(window.sizes))}
    for at, segment in zip(window.message_of, window.segments, strict=True):
        keys[at].append((segment.role, segment.key))
    sizes = [window.head, *window.sizes]
    blocks = [Block(tuple(of), size) for of, size in zip(keys.values(), sizes, strict=True)]
    marks = [1] if any(_has_mark(tool) for tool in window.call.tools) else []
    for number, message in enumerate(window.call.messages):
        try:
            marked = bool(read_one(message, number).marks)
        except InputError:
            marked = False
        if marked:
            marks.append(number + 2)
    return blocks, marks


def _has_mark(tool: Any) -> bool:
    return isinstance(tool, dict) and bool(tool.get("cache_control") or tool.get("cachePoint"))


# What findings claim


class Till:
    """Prices the findings of one window, by where they are; none of its tokens is paid twice."""

    def __init__(self, window: Window, paid: Paid, session_cost: SessionCost, payer: Payer) -> None:
        self._window = window
        self._paid = paid
        self._session_cost = session_cost
        self._payer = payer
        self._left = paid.money

    def __call__(self, kind: str, tokens: int, at: int | None) -> float:
        """Return what `tokens` of a finding cost; `at` is its segment."""
        got = min(self._left, self._price(kind, tokens, at))
        self._left -= got
        got = self._session_cost.claim(got)
        self._payer.claimed += got
        return got

    def _price(self, kind: str, tokens: int, at: int | None) -> float:
        paid = self._paid
        if kind == "unstable_prefix":  # what a cache would have saved
            return tokens * max(0.0, paid.uncached - paid.read)
        if at is None:
            return tokens * paid.mean
        size = self._window.segments[at].tokens
        start = self._window.start_of(at)
        cost = paid.between(start, start + size)
        return cost * tokens / size if size else 0.0


class TranscriptTill:
    """Prices the findings of a chat that was logged message by message and sent with every call."""

    def __init__(
        self,
        calls: Seq[Paid],
        places: Seq[tuple[int, int, int]],
        session_cost: SessionCost,
        payer: Payer,
    ) -> None:
        self._places = places  # of each segment: its start, its tokens, calls made before it came
        self._session_cost = session_cost
        self._payer = payer
        self._rows = np.array([call[2:7] for call in calls], dtype=float).reshape(-1, 5)
        sent = sum(call.tokens for call in calls)
        self._mean = sum(call.money for call in calls) / sent if sent else 0.0

    def __call__(self, kind: str, tokens: int, at: int | None) -> float:
        """Return what `tokens` of a finding cost over all calls; `at` is its segment."""
        cost = tokens * self._mean
        if kind == "repeat_in_request" and at is not None:
            start, size, calls_before = self._places[at]
            calls = len(self._rows) - calls_before
            whole = self._over_calls(start, size, calls_before)
            cost = whole * tokens / (size * calls) if size and calls else 0.0
        got = self._session_cost.claim(cost)
        self._payer.claimed += got
        return got

    def _over_calls(self, start: int, size: int, calls_before: int) -> float:
        cached, written, price, read, write = self._rows[calls_before:].T
        hit = np.clip(cached - start, 0, size)
        wrote = np.clip(cached + written - start, 0, size) - hit
        return float((hit * read + wrote * write + (size - hit - wrote) * price).sum())

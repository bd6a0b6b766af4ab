"""The account of a conversation: what it costs as managed, and what passing it through would cost.

Two bills by the same price row, each with what the provider's cache would hold: one for the bytes
that were sent, one for the client's own requests. At every request the first has to be no larger
than the second, so that a conversation may end anywhere. What the provider reports corrects it: its
counts against ours, and whether it reads from its cache what the row says.
"""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ctxmem.pricing import Bill, Block, Charge, Prefixes, Prices, prefixes_of
from ctxmem.traces.events import Usage

VERSION = 1
_ROUNDING = 1e-6
_SURE = 1.05
"""Prefixes have to be longer than the provider's minimum by so much to be relied on."""
_SPENT = 0.7
"""Of what was saved this share is spent."""
_COUNTED_WRONG = 0.02
"""What passing a request through costs may be counted wrong by this share."""
_MOST_MARKS = 12  # prefixes behind marks that a record of the account has
MISSES = 3
"""So often in a row the provider does not read what it should; then its cache is not relied on."""
_READ_SHARE = 0.5
"""A request that reads less than this share of what it should is a miss."""
_LEAST_RATE, _MOST_RATE = 0.5, 3.0
_LEAST_TOKENS = 400  # of a request that the rate is learned from
_SEEN_OFTEN = 4
_MEMORY = 0.5  # the weight of the newest usage


@dataclass(frozen=True, slots=True)
class Priced:
    """A request as a cache sees it: its blocks, and the numbers of those that a mark is behind."""

    blocks: Sequence[Block] | Prefixes
    marks: Sequence[int] = ()

    @property
    def prefixes(self) -> Prefixes:
        """The blocks, by their prefixes."""
        return prefixes_of(self.blocks)

    @property
    def tokens(self) -> int:
        """The tokens of all blocks."""
        return self.prefixes.tokens


@dataclass(slots=True)
class Entry:
    """What one request was charged, so that it can be taken back if the provider refused it."""

    ours: Charge
    through: Charge
    at: float
    tokens: int
    own: bool  # whether the client's own bytes were sent
    written: frozenset[int] = frozenset()  # keys of what was taken for written to the cache
    granted: float = 0.0  # for the tool `recall`
    tool: int = 0  # tokens of its definition
    before: dict[str, Any] = field(default_factory=dict)  # the last request before this one


@dataclass(slots=True)
class Account:
    """The two bills of one conversation.

    Attributes:
        prices: the row of both.
        marking: whether cache marks are set for a client that sets none.
        rate: tokens that the provider counts for one of ours, ...
        beside: ... and those that it counts beside them in every request.
        seen: requests that these were learned from.
        fewer: tokens that the provider counted less than we did, of the last request.
        misses: requests in a row that the provider did not read from its cache as it should.
        over: requests that cost more than they may, because nothing else fitted the budget.
        diverged: whether anything but the client's own bytes was ever sent.
        kept: whether any of it was written to the store.
        granted: what the tool `recall` and its calls cost, which is not counted against savings:
            who starts the gateway asks for it.
    """

    prices: Prices
    ours: Bill = field(init=False)
    through: Bill = field(init=False)
    marking: bool = False
    rate: float = 1.0
    beside: int = 0
    seen: int = 0
    fewer: int = 0
    misses: int = 0
    over: int = 0
    diverged: bool = False
    kept: bool = False
    granted: float = 0.0
    _last: dict[str, Any] = field(default_factory=dict)  # of each bill: the last request's blocks
    _next_grant: float = 0.0  # of the request that is charged next
    _next_tool: int = 0

    def __post_init__(self) -> None:
        self.ours, self.through = Bill(self.prices), Bill(self.prices)

    @property
    def saved(self) -> float:
        """What was saved so far, in uncached input tokens."""
        return self.through.cost + self.granted - self.ours.cost

    @property
    def last_at(self) -> float:
        """When the last request was charged, in seconds; 0 if none was."""
        return float(self._last.get("at", 0.0))

    @property
    def trusted(self) -> bool:
        """Whether the provider reads from its cache what the row says it should."""
        return self.misses < MISSES

    @property
    def to_spend(self) -> float:
        """What a request may cost above that of passing it through; below 0 it has to cost less.

        Our counts are not those of the provider, so that not all that was saved is spent.
        """
        return self.saved * _SPENT if self.saved > 0 else self.saved

    @property
    def sure(self) -> float:
        """The rate by which an estimate is corrected: downwards only if it was seen often."""
        return (
            max(_LEAST_RATE, self.rate * _SURE) if self.seen >= _SEEN_OFTEN else max(1.0, self.rate)
        )

    def due(self, own: Priced, now: float) -> float:
        """Return what passing the client's own request through would cost."""
        return self.through.quote(own.blocks, breakpoints=own.marks, now=now).cost

    def cost(self, request: Priced, now: float, *, own: bool = False) -> float:
        """Return what a request would cost with what was sent before.

        A prefix that may be too short for the cache by the provider's count is not relied on,
        unless the request is the client's own.
        """
        charge = self.ours.quote(request.blocks, breakpoints=request.marks, now=now)
        if own or not 0 < charge.read < self.minimum():
            return charge.cost
        return charge.cost + (self.prices.write - self.prices.read) * charge.read

    def margin(self, due: float) -> float:
        """Return what a changed request has to cost less than it may, for counts that are wrong."""
        return _COUNTED_WRONG * due

    def minimum(self) -> int:
        """Return from how many of our tokens on a prefix is cached for sure."""
        by_rate = self.prices.minimum * _SURE / min(1.0, self.rate)
        # All that the provider counts less may be at the beginning, where the tools are.
        return int(max(by_rate, self.prices.minimum * _SURE + self.fewer))

    def within(self, cost: float, allowance: float) -> bool:
        """Return whether a cost is no larger than what may be spent."""
        return cost <= allowance + _ROUNDING * max(1.0, abs(allowance))

    def charge(self, sent: Priced, own: Priced, now: float, *, same: bool) -> Entry:
        """Charge a request that is sent, and the client's own beside it."""
        missing = set(sent.prefixes.keys) - self.ours.entries.keys()
        ours = self.ours.call(sent.blocks, breakpoints=sent.marks, now=now)
        through = self.through.call(own.blocks, breakpoints=own.marks, now=now)
        made = frozenset(missing & self.ours.entries.keys())
        self.ours.forget(1 << 14)
        self.through.forget(1 << 14)
        self.diverged = self.diverged or not same
        previous, self._last = (
            self._last,
            {
                "through": _end(own),
                "ours": _end(own) if same else {"keys": _chain(sent.prefixes)},
                "at": now,
            },
        )
        granted, self._next_grant = self._next_grant, 0.0
        tool, self._next_tool = self._next_tool, 0
        return Entry(
            *(ours, through, now, sent.tokens, same, made),
            granted=granted,
            tool=tool,
            before=previous,
        )

    def grant(self, tokens: int, request: Priced, now: float) -> float:
        """Grant what the definition of a tool costs in a request that is charged next."""
        price = max(1.0, self.prices.write)
        least, without = self.prices.minimum, request.tokens - tokens
        if request.tokens < least:
            price = 1.0
        elif self.ours.calls and now - self.last_at <= self.prices.ttl:
            price = self.prices.read
        self._next_grant, self._next_tool = tokens * price, tokens
        if without < least <= request.tokens and self.prices.write > 1.0:
            # Without the tool nothing would be written to the cache, which has a price.
            cost = self.ours.quote(request.blocks, breakpoints=request.marks, now=now).cost
            self._next_grant = max(self._next_grant, cost - without)
        self.granted += self._next_grant
        return self._next_grant

    def add_rounds(self, entry: Entry, usage: Usage, *, granted: float = 1.0) -> float:
        """Charge the further requests that calls of our tools made, of which usage is the sum.

        `granted` is the share of `recall` in them, which is not counted against savings.
        """
        cached, written = usage.cached or 0, usage.written or 0
        plain = max(0, (usage.input or 0) - cached - written)
        paid = self.prices.read * cached + self.prices.write * written + plain
        more = max(0.0, paid - entry.ours.cost)
        self.ours.cost += more
        self.granted += granted * more
        return more

    def take_back(self, entry: Entry) -> None:
        """Take back a charge: the provider did not answer."""
        self.ours.cost -= entry.ours.cost
        self.through.cost -= entry.through.cost
        self.granted -= entry.granted
        if self._last.get("at") == entry.at:
            self._last = entry.before
        self._not_written(entry)

    def _not_written(self, entry: Entry) -> None:
        """Take back that a request wrote anything to the provider's cache."""
        for key in entry.written:
            self.ours.entries.pop(key, None)
            if entry.own:
                self.through.entries.pop(key, None)

    def _not_cached(self, entry: Entry) -> None:
        """Take back that a request was written to the cache: the provider reports that it was not.

        It was too short by the provider's count, and so is a request of the client that has no
        more tokens. That one is taken for cached later on all the same: the account is the
        stricter for it.
        """
        self._not_written(entry)
        before = entry.ours.cost
        entry.ours = _unwritten(entry.ours, self.prices)
        self.ours.cost += entry.ours.cost - before
        if entry.through.read + entry.through.written + entry.through.plain <= entry.tokens:
            before = entry.through.cost
            entry.through = _unwritten(entry.through, self.prices)
            self.through.cost += entry.through.cost - before
        granted = min(entry.granted, float(entry.tool))
        self.granted += granted - entry.granted
        entry.granted = granted

    def sent_again(self, entry: Entry, own: Priced, *, answered: bool = False) -> None:
        """Charge the client's own bytes, which were sent because the provider refused ours.

        Where it had `answered` ours with a call of our tools, and refused to go on, both are paid.
        """
        if not answered:
            self.ours.cost -= entry.ours.cost
            self.granted -= entry.granted
            self._not_written(entry)
        entry.ours = self.ours.call(own.blocks, breakpoints=own.marks, now=entry.at)
        entry.own, entry.written, entry.granted = True, frozenset(), 0.0

    def observe(self, entry: Entry, usage: Usage) -> None:
        """Learn from the tokens that the provider reports for a request."""
        if usage.input and entry.tokens >= _LEAST_TOKENS:
            # A request has a constant part that we do not see, such as a prompt of the provider's
            # for tools: no more than the least difference that was seen.
            more = max(0, usage.input - entry.tokens)
            self.beside = more if not self.seen else min(more, self.beside)
            rate = (usage.input - self.beside) / entry.tokens
            rate = min(_MOST_RATE, max(_LEAST_RATE, rate))
            self.rate = rate if rate > self.rate else _mixed(self.rate, rate)
            self.seen += 1
            self.fewer = max(0, entry.tokens - usage.input)
        if usage.written == 0 and usage.cached == 0 and entry.ours.written:
            self._not_cached(entry)
        if usage.cached is None or entry.ours.read < max(1, self.prices.minimum):
            return
        expected = entry.ours.read * self.rate
        self.misses = 0 if usage.cached >= _READ_SHARE * expected else self.misses + 1

    # Records --------------------------------------------------------------------------------------

    def to_json(self) -> bytes:
        """Return the account as bytes for the store."""
        made = {
            "v": VERSION,
            "row": self.prices.name,
            "cost": [round(self.ours.cost, 3), round(self.through.cost, 3)],
            "granted": round(self.granted, 3),
            "calls": self.ours.calls,
            "marking": self.marking,
            "rate": round(self.rate, 4),
            "beside": self.beside,
            "seen": self.seen,
            "fewer": self.fewer,
            "misses": self.misses,
            "over": self.over,
            "last": self._last,
        }
        if self.prices.marked:
            made["marks"] = [_newest(self.ours), _newest(self.through)]
        return json.dumps(made, separators=(",", ":")).encode()

    def restore(self, data: bytes, own: Sequence[Block] | Prefixes) -> None:
        """Take in what `to_json` returned; `own` are the blocks of the client's own request.

        Raises:
            ValueError: it is no account of this row and this version.
        """
        held = json.loads(data)
        if not isinstance(held, dict) or held.get("v") != VERSION:
            raise ValueError("the record is no account that this version reads")
        if held["row"] != self.prices.name:
            return  # other prices: both bills begin anew
        self.ours.cost, self.through.cost = map(float, held["cost"])
        self.granted = float(held.get("granted", 0.0))
        self.ours.calls = self.through.calls = int(held["calls"])
        self.marking, self.rate = bool(held["marking"]), float(held["rate"])
        self.fewer = int(held["fewer"])
        self.beside, self.seen = int(held.get("beside", 0)), int(held.get("seen", 0))
        self.misses, self.over = int(held["misses"]), int(held["over"])
        self.diverged = self.kept = True
        self._last = held["last"]
        for bill, name, at in ((self.ours, "ours", 0), (self.through, "through", 1)):
            if self.prices.marked:
                bill.entries.update({int(key): float(when) for key, when in held["marks"][at]})
                continue
            last = self._last.get(name)
            if last is None:
                continue
            keys = _keys(last["keys"]) if "keys" in last else _prefix(prefixes_of(own), last)
            bill.entries.update(dict.fromkeys(keys, float(self._last["at"])))

    def begin_warm(self, own: Sequence[Block] | Prefixes, count: int, at: float) -> None:
        """Begin with the first `count` blocks of the client's request in the cache of both bills.

        They were sent before, as the client wrote them, at the time `at`.
        """
        keys = prefixes_of(own).keys[1 : count + 1]
        held = keys[-1:] if self.prices.marked else keys
        for bill in (self.ours, self.through):
            bill.entries.update(dict.fromkeys(held, at))

    def take_over(self, other: Account) -> None:
        """Begin with the caches and the bills of the conversation that the client left.

        What was saved there is spent here only: both together keep to the law.
        """
        if other.prices.name != self.prices.name:
            return
        self.ours.entries.update(other.ours.entries)
        self.through.entries.update(other.through.entries)
        self.marking, self.rate, self.misses = other.marking, other.rate, other.misses
        self.beside, self.seen = other.beside, other.seen
        self.fewer = other.fewer
        self.ours.cost, self.through.cost = other.ours.cost, other.through.cost
        self.granted = other.granted
        other.ours.cost = other.through.cost = other.granted = 0.0
        self.diverged = other.diverged


def _unwritten(charge: Charge, prices: Prices) -> Charge:
    """Return a charge where what was taken for written to the cache has the plain price."""
    cost = charge.cost - (prices.write - 1.0) * charge.written
    return Charge(charge.read, 0, charge.plain + charge.written, cost)


def _mixed(before: float, now: float) -> float:
    return (1.0 - _MEMORY) * before + _MEMORY * now


def _chain(request: Prefixes) -> str:
    return base64.b64encode(array("q", request.keys[1:]).tobytes()).decode()


def _keys(written: str) -> list[int]:
    made = array("q")
    made.frombytes(base64.b64decode(written))
    return list(made)


def _end(request: Priced) -> dict[str, Any]:
    """Return how many blocks a request has, and the key of all of them."""
    keys = request.prefixes.keys
    return {"count": len(keys) - 1, "key": keys[-1]}


def _prefix(own: Prefixes, last: dict[str, Any]) -> list[int]:
    """Return the keys of the prefixes of a last request, if the new one begins with it."""
    keys = own.keys[1 : last["count"] + 1]
    return keys if keys and keys[-1] == last["key"] else []


def _newest(bill: Bill) -> list[tuple[int, float]]:
    return sorted(bill.entries.items(), key=lambda entry: entry[1])[-_MOST_MARKS:]

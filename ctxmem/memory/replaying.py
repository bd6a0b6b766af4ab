"""Replay a recorded conversation through a memory, billed by the rules of a provider."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctxmem.chat.counting import Meter
from ctxmem.chat.reading import fingerprint
from ctxmem.memory.identifiers import identifiers
from ctxmem.memory.session import Memory
from ctxmem.memory.texts import text_of
from ctxmem.pricing import Bill, Block

Sent = tuple[Sequence[Any], Sequence[Any]]
"""The messages of a call's window, and those of its answer where they are known."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the model: its window, what it cost, and what the window showed.

    `history` are the tokens of everything before it; `untrimmed` is what sending all of them would
    have cost.
    """

    tokens: int
    stable: int
    history: int
    cost: float
    untrimmed: float
    needs: int
    named: int
    edits: tuple[str, ...] = ()


@dataclass(slots=True)
class Replay:
    """A conversation as it went through a memory; `messages` are those that it was given."""

    policy: str
    prices: str
    budget: int
    steps: list[Step] = field(default_factory=list)
    messages: int = 0

    @property
    def cost(self) -> float:
        """The bill, in uncached input tokens."""
        return sum(step.cost for step in self.steps)

    @property
    def untrimmed(self) -> float:
        """The bill of the whole history."""
        return sum(step.untrimmed for step in self.steps)

    @property
    def named(self) -> float:
        """The share of identifiers, used by a message and said before, that the window showed."""
        needs = sum(step.needs for step in self.steps)
        return sum(step.named for step in self.steps) / needs if needs else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON."""
        steps = self.steps
        return {
            "policy": self.policy,
            "prices": self.prices,
            "budget": self.budget,
            "calls": len(steps),
            "bill": self.cost,
            "untrimmed": self.untrimmed,
            "ratio": self.cost / self.untrimmed if self.untrimmed else 1.0,
            "named": self.named,
            "edits": sum(bool(step.edits) for step in steps),
            "largest": max((step.tokens for step in steps), default=0),
            "mean": sum(step.tokens for step in steps) / max(1, len(steps)),
            "windows": [step.tokens for step in steps],
            "histories": [step.history for step in steps],
            "bills": [step.cost for step in steps],
            "untrimmed_bills": [step.untrimmed for step in steps],
            "edited": [i for i, step in enumerate(steps) if step.edits],
        }


def replay(calls: Iterable[Sent], budget: int, **options: Any) -> Replay:
    """Give a memory the messages of each call's window, and ask it for a window of its own.

    A window that continues the one before it adds its new messages to the memory; one whose client
    had trimmed the history does so too, because the memory trims by itself. A window that goes back
    to an earlier message, or begins with a summary, begins with a memory of its own, in front of
    the same cache.

    The options are those of `Memory`. What is used by the answer, and was not in the window, is not
    fetched: the bill is that of the windows alone.

    Raises:
        InputError: a message that is none.
        BudgetError: a budget that what has to stay does not fit.
    """
    replaying = _Replaying(budget, options)
    for messages, answer in calls:
        replaying.go_on(messages)
        replaying.ask(answer)
    return replaying.made


class _Replaying:
    """A memory, the history that it was given, and the bills of both."""

    def __init__(self, budget: int, options: dict[str, Any]) -> None:
        self._budget = budget
        self._options = options
        self._meter = Meter(options.get("counter", "o200k_base"), options.get("provider"))
        self._memory = Memory(budget, **options)
        prices = self._memory.prices
        self._bill, self._whole = Bill(prices), Bill(prices)
        self.made = Replay(options.get("policy", "auto"), prices.name, budget)
        self._window: list[Any] = []
        self._history: list[Block] = []
        self._known: set[Any] = set()  # marks of the messages that the memory was given
        self._said: set[str] = set()

    def go_on(self, messages: Sequence[Any]) -> None:
        """Add what a window has and the history has not."""
        common = _shared(self._window, messages)
        fresh = messages[common:]
        if common < len(self._window):
            left = [_mark(message) for message in self._window[common:]]
            kept = self._known.intersection(map(_mark, fresh)).intersection(left)
            if kept:
                fresh = [message for message in fresh if _mark(message) not in self._known]
            else:
                self._begin_anew(messages[:common])
        for message in fresh:
            self._append(message)
            self.made.messages += 1
        self._window = list(messages)

    def _begin_anew(self, messages: Sequence[Any]) -> None:
        self._memory = Memory(self._budget, **self._options)
        self._history, self._known, self._said = [], set(), set()
        for message in messages:
            self._append(message)

    def _append(self, message: Any) -> None:
        at = len(self._history)
        mark = _mark(message)
        self._memory.append(message)
        self._history.append(Block(mark, self._meter.message(message, at)))
        self._known.add(mark)
        self._said.update(identifiers(text_of(message, at)))

    def ask(self, answer: Sequence[Any]) -> None:
        """Ask the memory for a window, and bill it beside the whole history."""
        window = self._memory.window()
        meter, history = self._meter, self._history
        blocks = [Block(json.dumps(m), meter.message(m, 0)) for m in window.messages]
        charge = self._bill.call(
            blocks[: window.volatile_from],
            breakpoints=[mark + 1 for mark in window.breakpoints],
            volatile=sum(block.tokens for block in blocks[window.volatile_from :]),
        )
        ends = {len(history), max(0, len(history) - 20), 1}
        untrimmed = self._whole.call(history, breakpoints=sorted(ends))
        used = [name for m in answer for name in identifiers(text_of(m, 0))]
        needed = [name for name in used if name in self._said]
        self.made.steps.append(
            Step(
                tokens=window.tokens,
                stable=window.stable_tokens,
                history=sum(block.tokens for block in history) + meter.request,
                cost=charge.cost,
                untrimmed=untrimmed.cost,
                needs=len(needed),
                named=sum(name in self._memory for name in needed),
                edits=tuple(e.detail for e in window.events if e.kind == "edit"),
            )
        )


def _mark(message: Any) -> Any:
    return fingerprint(message) or id(message)


def _shared(before: Sequence[Any], now: Sequence[Any]) -> int:
    for i, (mine, theirs) in enumerate(zip(before, now, strict=False)):
        if mine is not theirs and mine != theirs:
            return i
    return min(len(before), len(now))

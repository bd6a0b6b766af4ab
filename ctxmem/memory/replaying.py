"""Replay a recorded conversation through a memory, billed by the rules of a provider."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ctxmem.chat.counting import Meter
from ctxmem.chat.reading import read_one
from ctxmem.memory.identifiers import identifiers
from ctxmem.memory.session import Memory
from ctxmem.memory.texts import text_of
from ctxmem.pricing import Bill, Block


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the model: its window, what it cost, and what was in sight.

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
    """A conversation as it went through a memory."""

    policy: str
    prices: str
    budget: int
    steps: list[Step] = field(default_factory=list)

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
        """The share of identifiers, used by a message and said before, that were in sight."""
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


def replay(messages: Sequence[dict[str, Any]], budget: int, **options: Any) -> Replay:
    """Append message by message, and ask for a window wherever the assistant spoke.

    The options are those of `Memory`. What is used by the message that came next, and was not in
    sight, is not fetched: the bill is that of the windows alone.
    """
    memory = Memory(budget, **options)
    meter = Meter(options.get("counter", "o200k_base"), options.get("provider"))
    bill, whole = Bill(memory.prices), Bill(memory.prices)
    made = Replay(options.get("policy", "auto"), memory.prices.name, budget)
    history: list[Block] = []
    said: set[str] = set()
    for i, message in enumerate(messages):
        ids = identifiers(text_of(message, i))
        if read_one(message, i).role == "assistant" and i:
            window = memory.window()
            blocks = [Block(json.dumps(m), meter.message(m, 0)) for m in window.messages]
            stable = blocks[: window.volatile_from]
            charge = bill.call(
                stable,
                breakpoints=[mark + 1 for mark in window.breakpoints],
                volatile=sum(block.tokens for block in blocks[window.volatile_from :]),
            )
            ends = {len(history), max(0, len(history) - 20), 1}
            untrimmed = whole.call(history, breakpoints=sorted(ends))
            needed = [name for name in ids if name in said]
            made.steps.append(
                Step(
                    tokens=window.tokens,
                    stable=window.stable_tokens,
                    history=sum(block.tokens for block in history) + meter.request,
                    cost=charge.cost,
                    untrimmed=untrimmed.cost,
                    needs=len(needed),
                    named=sum(name in memory for name in needed),
                    edits=tuple(e.detail for e in window.events if e.kind == "edit"),
                )
            )
        memory.append(message)
        history.append(Block(i, meter.message(message, i)))
        said.update(ids)
    return made

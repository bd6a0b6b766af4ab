"""What a memory hands out: windows, pages, and an account of what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctxmem.memory.framework_messages import refuse_framework
from ctxmem.pricing import Prices
from ctxmem.request import Provider, marked, rules_of


@dataclass(frozen=True, slots=True)
class Event:
    """Something a memory did to its window, described for a person; `str(event)` is the sentence.

    `kind` is "edit" (units left the window), "compact" (a result was written with fewer tokens),
    "excerpt" (a result too large to be shown whole), "recall" (stored pages were brought back),
    "promote" (a page that was recalled again and again is back for good) or "unshown" (statements
    that bind have no room; `MemoryWindow.unshown` has them). `tokens` is what the window lost by
    it, below 0 what it gained.
    """

    kind: str
    detail: str
    pages: tuple[str, ...] = ()
    tokens: int = 0

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Page:
    """A part of what was appended: a message, a chunk, or a part of one that is long.

    Attributes:
        id: its name in this session, as placeholders and indexes give it.
        text: what it says; `str(page)` is the same.
        role: who said it; "chunk" for a passage.
        tokens: the tokens of the text.
        message: the number of the message it belongs to, in the order they were appended.
        resident: whether the window shows it in full.
        score: how well it answers the query, where it was asked for by one.
        session: the session that it is of.
    """

    id: str
    text: str
    role: str
    tokens: int
    message: int
    resident: bool
    score: float = 0.0
    session: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class MemoryWindow:
    """The messages to send, laid out for the provider's prompt cache.

    Attributes:
        messages: what to send, in order: dicts, or messages of a framework if such were appended.
        tokens: their count, with the overhead of `count_messages`; never above `budget`.
        budget: the tokens the window may have.
        stable_tokens: tokens before `volatile_from`, the part that the next window begins with,
            byte for byte, unless there is an edit.
        volatile_from: the first message that the next window will not have at this place;
            `len(messages)` if there is none.
        breakpoints: the messages behind which a cache mark belongs, at most as many as the provider
            allows.
        events: what was done to get here since the window before.
        recalled: pages brought back for the query; they are the last message.
        exact: False when the counts are estimates.
        shown: numbers of the appended messages that the window holds, in full or in part.
        parts: the tokens by part: "system", "user", "assistant", "results" (of tools), "passages",
            "index" (of what has left), "ledger", "recalled", and "request" for the schemas of tools
            and the frame of the request. They add up to `tokens`.
        unshown: statements that bind and that the window does not show, since they have no room.
    """

    messages: list[Any]
    tokens: int
    budget: int
    stable_tokens: int
    volatile_from: int
    breakpoints: tuple[int, ...] = ()
    events: tuple[Event, ...] = ()
    recalled: tuple[Page, ...] = ()
    exact: bool = True
    shown: tuple[int, ...] = ()
    parts: Mapping[str, int] = field(default_factory=dict)
    unshown: tuple[str, ...] = ()

    def to_messages(
        self, provider: Provider = "anthropic", *, prices: str | Prices | None = None
    ) -> list[dict[str, Any]]:
        """Return the messages with a cache mark behind each breakpoint, in the provider's form.

        `provider` is "openai" or "anthropic". System messages stay first, as the memory was given
        them; Anthropic takes what they say as `system`. Where the rules of `prices` (a row by name,
        or a `Prices`; the provider's if left out) know no marks, there are none.
        """
        refuse_framework(self.messages)
        return marked(self.messages, self.breakpoints, provider, rules_of(provider, prices))

    def explain(self) -> str:
        """Return, as text for a person, what the window holds and what was done."""
        volatile = len(self.messages) - self.volatile_from
        lines = [
            f"{self.tokens:,} of {self.budget:,} tokens in {len(self.messages)} messages",
            f"{self.stable_tokens:,} tokens are a stable prefix; {volatile} "
            f"message{'' if volatile == 1 else 's'} behind it are for this call only",
            *(f"- {event}" for event in self.events if event.kind != "unshown"),
        ]
        if self.unshown:
            lines.append(f"- {no_room(self.unshown)}")
        return "\n".join(lines)


def no_room(unshown: Sequence[str]) -> str:
    """Return the sentence that says how many statements a window has no room for.

    >>> no_room(["Never push to main."])
    '1 statement that binds has no room: Never push to main.'
    """
    many = len(unshown) > 1
    said = f"statement{'s' * many} that bind{'s' * (not many)} ha{'ve' if many else 's'} no room"
    named = "; ".join(" ".join(text.split()) for text in unshown[:_NAMED])
    more = f"; and {len(unshown) - _NAMED} more" if len(unshown) > _NAMED else ""
    return f"{len(unshown):,} {said}: {named}{more}"


_NAMED = 3
"""So many statements without room are named in a sentence."""


@dataclass(frozen=True, slots=True)
class MemoryStats:
    """Counters of a memory, since it was opened.

    Attributes:
        messages: messages appended over the life of the session.
        pages: pages they make.
        resident: pages that the window shows in full.
        calls: windows that were asked for after something new had been appended.
        edits: edit events.
        evictions: pages that left the window.
        hits: identifiers in new assistant messages, said before, that the window showed.
        misses: the same, not shown.
        faults: pages that were brought back by a query, by id or by the tool.
        stable_share: of all tokens sent, the share that the window before began with, too.
        cost: what the windows cost by the price table, in uncached input tokens.
        untrimmed: what the whole history would have cost, without any budget.
        dollars: the cost in dollars, by the row's price.
        events: how many events there were, by kind.
    """

    messages: int
    pages: int
    resident: int
    calls: int
    edits: int
    evictions: int
    hits: int
    misses: int
    faults: int
    stable_share: float
    cost: float
    untrimmed: float
    dollars: float
    events: Mapping[str, int] = field(default_factory=dict)

    def explain(self) -> str:
        """Return the counters as text for a person."""
        share = self.cost / self.untrimmed if self.untrimmed else 1.0
        needs = self.hits + self.misses
        shown = f"{self.hits / needs:.1%} of {needs:,}" if needs else "no"
        return "\n".join(
            [
                f"{self.messages:,} messages in {self.pages:,} pages, {self.resident:,} resident",
                f"{self.calls:,} calls, {self.edits:,} edits, {self.evictions:,} evictions, "
                f"{self.faults:,} faults",
                f"{shown} references to earlier pages were in the window",
                f"{self.stable_share:.1%} of the tokens sent were a prefix already known",
                f"bill {self.cost:,.0f} uncached tokens (${self.dollars:,.4f}), {share:.2f} of the "
                "untrimmed history's",
            ]
        )

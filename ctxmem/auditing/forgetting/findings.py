"""What was forgotten, as findings: what left, when and by what, and where it was needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ctxmem.auditing.forgetting.blocks import Block
from ctxmem.auditing.forgetting.losses import Departure, Moment

KINDS = {
    "forgotten_rule": "A rule left the window and was broken, or had to be said again",
    "asked_again": "A question was asked again after its answer had left the window",
    "read_again": "A file was read again after its text had left the window",
    "run_again": "A command was run again, with the same result, after its result had left",
    "forgotten_identifier": "An identifier was used again after it had left the window",
}
"""Kinds of findings and what they mean, in the order of a report."""

_MEMORY = "memory = ctxmem.Memory(budget=8000)"
_RECALLED = f"messages = memory.window(question).messages  # {_MEMORY}"
_FETCHED = f"tools = [*tools, memory.tool()]  # {_MEMORY}; the model recalls what left"

FIXES = {
    "forgotten_rule": f"{_MEMORY}  # its window() keeps rules until they are taken back",
    "asked_again": _RECALLED,
    "read_again": _FETCHED,
    "run_again": _FETCHED,
    "forgotten_identifier": _RECALLED,
}
"""The line that removes a finding, by kind."""

ADVICE = {
    "forgotten_rule": "Keep the conversation in a Memory: rules of the user stay in every window "
    "until they are taken back.",
    "asked_again": "Let a Memory make the window of each question: an answer that left comes back "
    "when its question is asked again.",
    "read_again": "Give the model the recall tool of a Memory: it returns the text that left, so "
    "that the file need not be read again.",
    "run_again": "Give the model the recall tool of a Memory: it returns the result that left, so "
    "that the command need not be run again.",
    "forgotten_identifier": "Let a Memory make the window of each question: a message that left "
    "comes back when the question names what is in it.",
}
"""What to do about a finding in words, by kind."""

EXCERPT = 600
"""Characters of a text that a finding shows."""


class Sighting(NamedTuple):
    """A block where it was said."""

    block: Block
    call: int
    place: str


@dataclass(slots=True)
class Forgotten:
    """Something that left the window and was needed later.

    Attributes:
        kind: forgotten_rule, asked_again, read_again, run_again or forgotten_identifier.
        title: what happened, for a person.
        left: what left the window, an excerpt.
        said: where that was said: place and call.
        gone: when it left: place, call, and by what: trimming, compaction or /clear.
        needed: where it was needed: place and call.
        use: what needed it, an excerpt of the message or the call.
        before: what the window had.
        after: what it had instead: the summary, or "" if nothing.
        tokens: of what was read, run or asked again, or of the rule or message that left.
        count: how often it was needed.
        shown: whether it is shown that the rule was broken, or the identifier used wrongly.
        session: the conversation.
        advice: what to do about it, in words.
        fix: the line of code that removes it.
        money: the tokens in the currency of the prices, None without prices.
    """

    kind: str
    title: str
    left: str
    said: dict[str, Any]
    gone: dict[str, Any]
    needed: dict[str, Any]
    use: str = ""
    before: str = ""
    after: str = ""
    tokens: int = 0
    count: int = 1
    shown: bool = False
    session: str = ""
    advice: str = ""
    fix: str = ""
    money: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(slots=True)
class Need:
    """Something that was needed and is not in the window; `about` joins what is the same."""

    kind: str
    about: Any
    title: str
    left: Sighting
    departure: Departure
    call: int
    place: str
    use: str
    counted: str  # the text whose tokens it took
    excerpt: str = ""  # of what left, where it is a part of its block
    shown: bool = False
    texts: list[str] = field(default_factory=list)  # of which identifiers are part of it


def need(kind: str, about: Any, title: str, left: Sighting, departure: Departure, at: Moment,
         use: str, counted: str, excerpt: str = "", *, shown: bool = False) -> Need:  # fmt: skip
    """Return what is needed at a moment."""
    return Need(
        kind, about, title, left, departure, at.call, at.place, use, counted, excerpt, shown
    )


def excerpt(text: str, size: int = EXCERPT) -> str:
    """Return the beginning of a text, cut at a size."""
    text = text.strip()
    return text if len(text) <= size else text[: size - 1].rstrip() + "…"


def name_of(text: str, size: int = 60) -> str:
    """Return a text on one line, as a title quotes it."""
    return excerpt(" ".join(text.split()), size)

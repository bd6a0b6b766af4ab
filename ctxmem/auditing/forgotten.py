"""What trimming or compaction took out of the window, and was needed later.

A window is compared with those before it. Whatever left, and is neither in another message nor in
a summary, is kept in mind; a finding is what later needed it: a rule that is broken or said again,
a file read again, a command run again, a question asked again, an identifier used again.
"""

from __future__ import annotations

from typing import Any

from ctxmem.auditing.assembly import Call
from ctxmem.auditing.conversations import Conversation, Folder
from ctxmem.auditing.forgetting.actions import Actions
from ctxmem.auditing.forgetting.findings import (
    ADVICE,
    FIXES,
    KINDS,
    Forgotten,
    Need,
    excerpt,
)
from ctxmem.auditing.forgetting.identifiers import Identifiers
from ctxmem.auditing.forgetting.losses import Departure, Walk
from ctxmem.auditing.forgetting.questions import Questions
from ctxmem.auditing.forgetting.rules import Rules
from ctxmem.auditing.forgetting.sequels import joined
from ctxmem.auditing.restoring import Removal, removals
from ctxmem.protocols import Counter

__all__ = ["ADVICE", "FIXES", "KINDS", "Forgetting", "Forgotten", "forgotten"]


def forgotten(conversation: Conversation, counter: Counter) -> list[Forgotten]:
    """Return what left the window of a conversation and was needed later, in the order of need.

    A claim needs evidence in the text: the message left, no other message of the window and no
    summary says the same, and a later message or call asks for it. What was changed in between, or
    what the user asks to be done again, is no forgetting.
    """
    found, _ = _read(conversation, counter)
    return found


def _read(conversation: Conversation, counter: Counter) -> tuple[list[Forgotten], list[Departure]]:
    walk = Walk(conversation)
    actions, rules, questions = Actions(walk), Rules(walk), Questions(walk)
    identifiers = Identifiers(walk)
    joined: dict[Any, Forgotten] = {}
    for at in walk.moments():
        if at.fresh:
            actions, rules, questions = Actions(walk), Rules(walk), Questions(walk)
            identifiers = Identifiers(walk)
        needs: list[Need] = [*actions.take(at), *rules.take(at), *questions.take(at)]
        again = [id(b) for b in at.entry.blocks if b.kind == "call" and actions.returns_again(b)]
        settled = [text for one in needs for text in (*one.texts, one.use, one.left.block.text)]
        if at.entry.role == "user":
            settled += questions.given_again
        needs += identifiers.take(at, settled, again)
        for one in needs:
            _join(joined, one, conversation.session, counter)
    return list(joined.values()), walk.departures


def _join(joined: dict[Any, Forgotten], one: Need, session: str, counter: Counter) -> None:
    """Add a need to the finding about the same; what is shown outweighs what is only likely."""
    tokens = counter.count(one.counted)
    known = joined.get((one.kind, one.about))
    made = _finding(one, session)
    if known is None:
        made.tokens = tokens
        joined[one.kind, one.about] = made
        return
    known.count += 1
    known.tokens += tokens
    if one.shown and not known.shown:
        for name in ("title", "needed", "use", "shown", "gone", "after"):
            setattr(known, name, getattr(made, name))


def _finding(one: Need, session: str) -> Forgotten:
    departure = one.departure
    return Forgotten(
        one.kind,
        one.title,
        excerpt(one.excerpt or one.left.block.text),
        {"place": one.left.place, "call": one.left.call},
        {"place": departure.place, "call": departure.call, "by": departure.by},
        {"place": one.place, "call": one.call},
        excerpt(one.use),
        excerpt(one.left.block.text),
        excerpt(departure.summary),
        session=session,
        advice=ADVICE[one.kind],
        fix=FIXES[one.kind],
        shown=one.shown,
    )


class Forgetting:
    """What was forgotten in many conversations, added up."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self.findings: list[Forgotten] = []
        self.removed: list[Removal] = []
        self.conversations = 0
        self.trimmed = 0
        self._folder = Folder()

    def add(self, call: Call) -> None:
        """Take a call of the conversations, in the order of time."""
        for conversation in self._folder.add(call):
            self._read(conversation)

    def finish(self) -> None:
        """Read the conversations that are still open."""
        for conversation in joined(self._folder.rest()):
            self._read(conversation)

    def _read(self, conversation: Conversation) -> None:
        found, departures = _read(conversation, self._counter)
        self.conversations += 1
        self.trimmed += bool(departures)
        self.findings += found
        self.removed += removals(conversation.session, departures)

    def to_dict(self, price: float | None) -> dict[str, Any]:
        """Return the findings as plain data; `price` is of a million tokens."""
        order = list(KINDS)
        self.findings.sort(key=lambda one: (order.index(one.kind), -one.tokens, -one.count))
        for one in self.findings:
            one.money = None if price is None else one.tokens * price / 1e6
        tokens = sum(one.tokens for one in self.findings)
        return {
            "conversations": self.conversations,
            "trimmed": self.trimmed,
            "tokens": tokens,
            "money": None if price is None else tokens * price / 1e6,
            "kinds": {
                kind: {
                    "findings": sum(one.kind == kind for one in self.findings),
                    "tokens": sum(one.tokens for one in self.findings if one.kind == kind),
                }
                for kind in KINDS
            },
            "findings": [one.to_dict() for one in self.findings],
        }

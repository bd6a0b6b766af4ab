"""Rules that left the window and were broken after, or that the user had to say again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ctxmem.auditing.forgetting.blocks import Block
from ctxmem.auditing.forgetting.findings import Need, Sighting, name_of, need
from ctxmem.auditing.forgetting.losses import Departure, Moment, Walk, Window
from ctxmem.auditing.forgetting.violations import Check, check_of, language_asked, languages_named
from ctxmem.auditing.forgetting.wording import (
    INSISTS,
    gist,
    measures,
    particulars,
    same_force,
    same_said,
    shared_run,
)
from ctxmem.memory.critical_tokens import force, read_sentence
from ctxmem.memory.ledger import Entry as Statement
from ctxmem.memory.ledger import Ledger
from ctxmem.memory.summary_index import SummaryIndex, sentences_of

BINDS = frozenset({"rule", "instruction", "preference", "limit", "decision", "correction"})
"""Kinds of statements that are rules for what the model does."""

_LONGEST = 20_000  # characters of a message in which statements are looked for
_LONG = 1200  # characters of a message in which a user repeats a rule
_STANDING = re.compile(
    r"\b(?:always|never|every|each|all|any|only|from now on|from here on|whenever|throughout"
    r"|in general|everywhere|alle[nrs]?|überall|tous|toutes|partout|aucune?|todos|todas|immer"
    r"|nie|jede\w*|toujours|jamais|siempre|nunca)\b",
    re.IGNORECASE,
)
_FORCES = frozenset({"forbids", "guards"})
_ASKS = re.compile(
    r"(?<!remember)(?<!right)(?<!okay)(?<!\bok)(?<!please)(?<!got it)[?？]\W*$", re.I
)
_COMPLAINS = re.compile(r"\bhow (?:many times|often)\b", re.IGNORECASE)
_SENTENCES = 400  # of a user that are kept to be compared with complaints


_RUN = 5
"""Words one after another that no two sentences have by chance."""
_CHANGES_IT = re.compile(
    r"\b(?:from now on|no longer|any ?more|instead of|now|change|switch|jetzt|ab sofort|nicht mehr"
    r"|désormais|maintenant|ahora)\b",
    re.IGNORECASE,
)
"""Words by which a rule is put in place of another."""
_AGREES = re.compile(
    r"\W*(?:yes|yeah|yep|ok|okay|sure|nope|right|great|thanks|thank you|ja|nein|danke|oui"
    r"|merci|s[ií]|gracias)\b\W",
    re.IGNORECASE,
)
"""How answers begin, and rules do not."""
_CORRECTS = re.compile(r"\b(?:not|instead|nicht|pas|no)\b|!\s*$", re.IGNORECASE)
_NEGATES = re.compile(
    r"\b(?:not?|never|don['’]?t|avoid|leave|without|free|kein\w*|nicht|nie\w*|ohne|ne|pas|jamais"
    r"|sans|sin|nunca|jamás|evita\w*|non|mai|senza)\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Rule:
    text: str
    said: Sighting
    check: Check | None
    noted: bool = False  # the model has replied to it
    routine: bool = False  # a program says it over and over

    @property
    def standing(self) -> bool:
        """Whether it holds for all that follows, and is no task that is done once."""
        text = self.text
        if len(gist(text)) < 2:
            return False
        return self.check is not None or bool(_STANDING.search(text)) or force(text) in _FORCES


class Rules:
    """The rules of a conversation: the ledger's, and whether they are kept."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._ledger = Ledger()
        self._rules: dict[Any, _Rule] = {}  # by the ledger's id, else by the text
        self._sentences: list[tuple[str, Sighting]] = []  # that a person typed
        self._messages = 0
        self._indexes: dict[int, SummaryIndex] = {}

    def take(self, at: Moment) -> Iterator[Need]:
        """Take a message; yield the rules that it breaks or says again."""
        role = at.entry.role
        if role == "assistant":
            yield from self._broken(at)
            self._ledger.take(self._messages, role, at.entry.spoken[:_LONGEST])
            self._messages += 1
        elif role in ("user", "system"):
            for block in at.entry.blocks:
                if block.spoken and block.text:
                    yield from self._said(block, at)

    def _broken(self, at: Moment) -> Iterator[Need]:
        """Yield the rules that a message of the model breaks after they had left.

        One that the model broke while it was there is not broken because it left.
        """
        for name, rule in list(self._rules.items()):
            violation = rule.check(at.entry) if rule.check is not None else None
            if violation is None:
                rule.noted = True
                continue
            departure = self._lost(rule, at.window)
            if departure is None or self._holds(rule, at.window):
                # The reply to the rule itself only takes note of it.
                rule.check = None if rule.noted else rule.check
                rule.noted = True
                continue
            text = rule.text
            title = f"The rule “{name_of(text, 80)}” was broken after it had left the window"
            use = f"{violation.what[:500]}\n({violation.why})"
            yield need("forgotten_rule", ("rule", name), title, rule.said, departure,
                       at, use, text, text, shown=True)  # fmt: skip

    def _said(self, block: Block, at: Moment) -> Iterator[Need]:
        """Take what the user or the system says; yield the rules that are said again."""
        gone = self._walk.gone
        before = {i: one for i, one in self._rules.items() if one.said.block.content in gone}
        number, self._messages = self._messages, self._messages + 1
        made = self._ledger.take(number, block.role, block.text[:_LONGEST])
        if block.typed:
            found = list(self._again(block, before, made, at))
            yield from found or self._said_before(block, at)
        live = {entry.id for entry in self._ledger.entries()}
        for old in {name for name in self._rules if isinstance(name, int)} - live:
            del self._rules[old]
        seen = Sighting(block, at.call, at.place)
        if block.typed:
            said = [(one, seen) for one in _not_questions(block.text)]
            self._sentences = (self._sentences + said)[-_SENTENCES:]
            self._note_checkable([one for one, _ in said], made, seen)
        for entry in made:
            if entry.kind in BINDS and entry.id in live:
                known = self._rules.get(entry.id)
                routine = known is not None and entry.id not in before
                self._rules[entry.id] = _Rule(entry.text, seen, check_of(entry.text), routine)

    def _note_checkable(self, said: list[str], made: list[Statement], seen: Sighting) -> None:
        """Take sentences that the ledger does not know as rules, and that can be checked."""
        known = "\n".join(entry.text for entry in made if entry.kind in BINDS)
        for text in said:
            check = check_of(text) if text not in known else None
            if check is not None:
                self._rules[text] = _Rule(text, seen, check)

    def _again(
        self, block: Block, before: dict[Any, _Rule], made: list[Statement], at: Moment
    ) -> Iterator[Need]:
        said = [entry.text for entry in made if entry.kind in BINDS]
        complaints = _complaints(block.text)
        for i, rule in before.items():
            if rule.routine:
                continue
            text = rule.text
            again = next((one for one in complaints if _meant(text, one)), None)
            again = again or next(
                (one for one in said if rule.standing and _restated(text, one)), None
            )
            if again is None or self._holds(rule, at.window):
                continue
            departure = self._lost(rule, at.window)
            if departure is None:
                continue
            title = f"The rule “{name_of(text, 80)}” had to be said again"
            found = need("forgotten_rule", ("rule", i), title, rule.said, departure, at, again,
                         text, text)  # fmt: skip
            found.texts = [block.text, text]
            yield found
            self._rules.pop(i, None)  # it is in the window again, as the user says it now

    def _said_before(self, block: Block, at: Moment) -> Iterator[Need]:
        """Yield a sentence that the user says again, and that is no rule by the ledger's words.

        Either the user says that it was said before, or it is a rule for all that follows.
        """
        complaints = _complaints(block.text)
        anew = _not_questions(block.text) if len(block.text) <= _LONG else []
        for text, said in reversed(self._sentences):
            departure = self._walk.gone.get(said.block.content)
            if departure is None or at.window.holds(said.block) or len(gist(text)) < 2:
                continue
            again = next(
                (one for one in complaints if _meant(text, one) and same_force(text, one)), None
            )
            again = again or next((one for one in anew if _said_anew(text, one)), None)
            if again is None or self._has(text, at.window):
                continue
            title = f"The user had to say again: “{name_of(text, 80)}”"
            found = need("forgotten_rule", ("said", text), title, said, departure, at, again,
                         text, text)  # fmt: skip
            found.texts = [block.text, text]
            yield found
            return

    def _lost(self, rule: _Rule, window: Window) -> Departure | None:
        """Return when the message with a rule left, None while it is in the window."""
        found = self._walk.gone.get(rule.said.block.content)
        return None if found is None or window.holds(rule.said.block) else found

    def _holds(self, rule: _Rule, window: Window) -> bool:
        """Return whether another message, such as a summary, says a rule."""
        return self._has(rule.text, window)

    def _has(self, text: str, window: Window) -> bool:
        wanted = gist(text)
        reading = read_sentence(text)
        for block in window.blocks():
            if block.kind != "text" or text in block.text:
                if block.kind == "text" and block.role != "tool":
                    return True
                continue
            if 2 * len(wanted & block.stems) < len(wanted):
                continue
            if block.role == "assistant" and not _is_summary(block, window):
                continue
            index = self._indexes.get(block.content)
            if index is None:
                index = self._indexes[block.content] = SummaryIndex(block.text[:_LONGEST])
            if index.judge(reading, strict=False).outcome in ("held", "turned", "changed"):
                return True
        return False


def _is_summary(block: Block, window: Window) -> bool:
    return any(block in entry.blocks for entry in window.entries if entry.summary)


def _complaints(text: str) -> list[str]:
    """Return the sentences by which a user says that something was said before."""
    if len(text) > _LONG:
        return []
    sentences = [said for said, _ in sentences_of(text)]
    found = []
    for i, one in enumerate(sentences):
        if INSISTS.search(one) and (_COMPLAINS.search(one) or not _ASKS.search(one)):
            # "I told you already. No npm here." names the rule in the next sentence.
            found += [one, " ".join(sentences[i : i + 2])]
    return found


def _meant(rule: str, complaint: str) -> bool:
    """Return whether a complaint is about a rule: it has the rule's words."""
    language = language_asked(rule)
    if language:
        return language in languages_named(complaint)
    wanted, said = gist(rule) | measures(rule), gist(complaint) | measures(complaint)
    mine, theirs = particulars(rule), particulars(complaint)
    if mine and theirs and not mine & theirs:
        return False
    if shared_run(rule, complaint) >= _RUN:
        return True
    shared = len(wanted & said)
    short = min(len(wanted), max(2, len(said)))
    return shared >= min(2, len(wanted)) and shared >= 0.5 * short and shared > 0


def _not_questions(text: str) -> list[str]:
    return [said for said, _ in sentences_of(text) if not _ASKS.search(said)]


def _said_anew(before: str, now: str) -> bool:
    """Return whether a sentence says a rule for all that follows again, in nearly its words."""
    standing = _STANDING.search(before)
    forbids = _NEGATES.search(before) and _NEGATES.search(now)
    if not (standing or forbids) or _CHANGES_IT.search(now) or _AGREES.match(before):
        return False
    wanted, said = gist(before) | measures(before), gist(now) | measures(now)
    mine, theirs = particulars(before), particulars(now)
    if mine != theirs or _opposed(before, now):
        return False
    shared = len(wanted & said)
    if _CORRECTS.search(now) and len(said) <= 3 and measures(before) & measures(now):
        return True  # "Celsius please, not Fahrenheit!"
    return shared >= 3 and shared >= 0.6 * max(len(wanted), len(said))


def _opposed(before: str, now: str) -> bool:
    return force(now) in ("releases", "allows") or (
        force(now) in ("forbids", "negates") and not (_NEGATES.search(before))
    )


def _restated(rule: str, said: str) -> bool:
    return same_force(rule, said) and same_said(rule, said, again=False)

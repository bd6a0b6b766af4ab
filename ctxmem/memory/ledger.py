"""The ledger: the statements of a session that bind, and which of them still do.

`Ledger` is a state without input or output: it takes messages in order and keeps entries. What the
system and the user say binds. What the assistant proposes binds once the user accepts it. Tools,
documents and chunks never bind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, takewhile
from typing import Any

from ctxmem import _native
from ctxmem.errors import InputError
from ctxmem.memory.corrections import corrected, values_meant
from ctxmem.memory.narrowing import adds, covers, holds_only_if, lifts, narrows
from ctxmem.memory.options import OPTION, accepted
from ctxmem.memory.statements import RETRACTS, UPDATES, Found, scan
from ctxmem.memory.subjects import (
    SINGLE,
    content,
    family_words,
    forbids,
    last_paragraph,
    names_nothing,
    replaced_names,
    stem,
    switches,
)
from ctxmem.memory.traits import (
    CHOICES,
    Traits,
    apart,
    apart_in_scope,
    comparable,
    comparable_kinds,
    elsewhere,
    opposed,
    replaces,
    same_subject,
    traits_of,
)

Finder = Callable[[str, str], Iterable[Any]]
"""A function of a text and its role that returns statements: str, (kind, text) or `Entry`."""

_REPLIES = frozenset({"proposal", "acceptance", "refusal"})
_SHORT = {"dead_end": "tried", "commitment": "promise"}
"""Kinds that the block calls by a shorter or plainer name."""
_FREQUENT = 48
"""A stem that so many entries hold finds no entry to compare with."""
_ACCEPTED = frozenset({"proposal", "commitment", "decision", "deadline", "limit"})
"""Kinds of an assistant's statements that bind when the user accepts them."""
STANDING = frozenset({"rule", "instruction", "preference", "limit", "permission"})
"""Kinds that bind whatever is asked; the words of a question find the others."""
_RANK = {"system": 2, "program": 2}
"""A source of a lower rank does not replace what one of a higher rank said."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A statement that binds.

    Attributes:
        id: the number of the entry in its ledger.
        kind: rule, limit, instruction, preference, decision, commitment, deadline, value,
            correction, dead_end, permission, fact, or a kind that the caller gave.
        text: the statement, as the message has it; behind a proposal, what the answer that accepts
            it says beside its yes.
        page: the page of the message, "" where it was given none.
        message: the number of the message; -1 for one that a program added.
        answer: the number of the message whose terms are in the text; -1 if there is none.
        start, end: where the text is in the message, in characters.
        subject, value: of what it states the value, and the value; "" where there is none.
        source: "user", "system", "assistant" (a proposal that was accepted) or "program".
        strength: from 1 to 9, how surely it binds; the weakest leave the window first.
        pinned: whether it is always shown.
        carried: whether the subject is that of the entry it corrects and not in the text.
        superseded_by: the entry that replaced it, or None.
        contradicts: entries that say otherwise, of which none is clearly newer.
    """

    id: int
    kind: str
    text: str
    page: str = ""
    message: int = -1
    start: int = 0
    end: int = 0
    subject: str = ""
    value: str = ""
    source: str = "user"
    strength: int = 5
    pinned: bool = False
    carried: bool = False
    superseded_by: int | None = None
    contradicts: tuple[int, ...] = ()
    answer: int = -1

    @property
    def messages(self) -> tuple[int, ...]:
        """The messages that the text is of."""
        return (self.message,) if self.answer < 0 else (self.message, self.answer)

    def __str__(self) -> str:
        return self.text


def read_statements(given: Any, text: str) -> tuple[list[Entry], list[tuple[str, str]]]:
    """Return what a `Finder` found in a text as entries, and what is none, with the reason.

    Raises:
        InputError: it returned something that is no list of statements.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f"the ledger's function returned {type(given).__name__}; expected a list")
    found: list[Entry] = []
    ignored: list[tuple[str, str]] = []
    one: Any
    for one in given:
        kind, said = "rule", one
        if isinstance(one, tuple) and len(one) == 2:
            kind, said = one
        elif hasattr(one, "text"):
            kind, said = getattr(one, "kind", "rule"), one.text
        if not isinstance(said, str) or not isinstance(kind, str):
            raise InputError(
                f"the ledger's function returned {one!r}; expected a str, (kind, text) or Entry"
            )
        start = text.find(said) if said.strip() else -1
        if start < 0:
            ignored.append((said, "the message does not hold this text"))
            continue
        subject, value = str(getattr(one, "subject", "")), str(getattr(one, "value", ""))
        strength = int(getattr(one, "strength", 7))
        end = start + len(said)
        found.append(Entry(0, kind, said, "", -1, start, end, subject, value, strength=strength))
    return found, ignored


class Ledger:
    """The statements that bind in a session.

    Args:
        finder: finds the statements instead of the tables of phrases.
    """

    def __init__(self, finder: Finder | None = None) -> None:
        self._finder = finder
        self._entries: list[Entry] = []
        self._forgotten: set[int] = set()
        self._live: dict[int, None] = {}
        self._by_stem: dict[str, set[int]] = {}
        self._traits: dict[int, Traits] = {}
        self._by_text: dict[str, int] = {}
        self._proposed: list[tuple[int, str, str, Found]] = []
        self.ignored: list[tuple[str, str]] = []
        """What the finder returned and was not taken, each with the reason."""

    def entries(self, *, superseded: bool = False) -> list[Entry]:
        """Return the entries that bind, in order; with `superseded`, also those replaced."""
        if superseded:
            return [e for e in self._entries if e.id not in self._forgotten]
        return [self._entries[i] for i in sorted(self._live)]

    # Taking messages ------------------------------------------------------------------------------

    def take(self, message: int, role: str, text: str, *, page: str = "") -> list[Entry]:
        """Take in what somebody said, and return the entries that it made.

        Call it once for a text, in the order of the messages. Only "system", "developer", "user"
        and "assistant" say what can bind; any other role is a tool or a document.

        Raises:
            InputError: the finder returned something that is no statement.
        """
        if role == "assistant":
            if self._finder is None:
                asked = last_paragraph(text)
                self._proposed = [
                    (message, page, text, found)
                    for found in scan(text, replies=True)
                    if found.kind in _ACCEPTED
                    and (found.end > asked or OPTION.search(text[found.start : found.end]))
                ]
            return []
        if role not in {"system", "developer", "user"}:
            return []
        if self._finder is not None:
            given, ignored = read_statements(self._finder(text, role), text)
            self.ignored += ignored
            found = [
                Found(e.kind, e.start, e.end, e.strength, 0, e.subject, e.value) for e in given
            ]
            return [self._add(f, message, page, text, role) for f in found]
        person = role == "user"
        made = self._accepted(text, message) if person and self._proposed else []
        source = "user" if person else "system"
        behind = 0
        for one in scan(text, trusted=not person):
            start = one.start
            if start < behind:  # the sentence that it leans on is an entry of its own
                rest = text[behind : one.end]
                start = behind + len(rest) - len(rest.lstrip())
            behind = one.end
            made.append(self._add(one, message, page, text, source, start))
        return list({entry.id: entry for entry in made}.values())

    def _accepted(self, text: str, answer: int) -> list[Entry]:
        """Return entries of the proposals that the user's answer accepts; others are dropped."""
        proposed, self._proposed = self._proposed, []
        opening = [f for f in scan(text[:400], replies=True) if f.kind in _REPLIES]
        accepts = next((f for f in opening if f.kind != "proposal"), None)
        if accepts is not None and accepts.kind == "refusal":
            return []
        message, page, whole, _ = proposed[0]  # all are of one answer
        found = [one for _, _, _, one in proposed]
        made = []
        for one, terms in accepted(whole, found, text, agrees=accepts is not None):
            kind = "decision" if one.kind == "proposal" else one.kind
            bound = one._replace(kind=kind, strength=min(one.strength, 6))
            new = self._add(bound, message, page, whole, "assistant", terms=terms)
            if terms:
                new = self._entries[new.id] = replace(new, answer=answer)
            made.append(new)
        return made

    def _add(
        self,
        f: Found,
        message: int,
        page: str,
        text: str,
        source: str,
        start: int | None = None,
        terms: str = "",
    ) -> Entry:
        start = f.start if start is None else start
        said = f"{text[start : f.end]} {terms}".rstrip() if terms else text[start : f.end]
        known = " ".join(said.lower().split())
        if known in self._by_text and self._by_text[known] in self._live:
            return self._refreshed(self._by_text[known], message, page, f, start)
        entry = Entry(
            *(len(self._entries), f.kind, said, page, message, start, f.end),
            *(f.subject, f.value, source, f.strength),
        )
        unclear: list[int] = []
        if f.value and f.kind == "correction" and names_nothing(said, f.subject, f.value):
            unclear = [other.id for other in values_meant(entry, self._recent(entry))]
            if len(unclear) == 1:
                meant = self._entries[unclear[0]]
                entry = replace(entry, subject=meant.subject or meant.text, carried=True)
        traits = traits_of(entry.kind, said, entry.subject, entry.value)
        similar = self._similar(traits.words)
        self._entries.append(entry)
        self._by_text[known] = entry.id
        self._enter(entry.id, traits)
        if len(unclear) == 1:
            self._supersede(unclear[0], entry.id)
        elif unclear:
            for one in unclear:
                self._contradict(one, entry.id)
        elif not (f.flags & RETRACTS and self._retract(entry, similar)):
            self._compare(entry, f, similar)
        return self._entries[entry.id]

    def _enter(self, i: int, traits: Traits) -> None:
        """Let later entries be compared with one."""
        self._live[i] = None
        self._traits[i] = traits
        for one in traits.words:
            self._by_stem.setdefault(one, set()).add(i)

    def _leave(self, i: int) -> None:
        self._live.pop(i, None)
        traits = self._traits.pop(i, None)
        for one in traits.words if traits else ():
            self._by_stem[one].discard(i)
        for other in self._entries[i].contradicts:  # nothing contradicts it any more
            theirs = tuple(j for j in self._entries[other].contradicts if j != i)
            self._entries[other] = replace(self._entries[other], contradicts=theirs)

    def _similar(self, stems: Iterable[str]) -> dict[int, int]:
        """Return how many of some stems each live entry has."""
        found = (self._by_stem.get(one, ()) for one in stems)
        return Counter(chain.from_iterable(there for there in found if len(there) <= _FREQUENT))

    def _refreshed(self, at: int, message: int, page: str, f: Found, start: int) -> Entry:
        entry = replace(self._entries[at], message=message, page=page, start=start, end=f.end)
        self._entries[at] = entry
        similar = self._similar(self._traits[at].words)
        similar.pop(at, None)
        self._compare(entry, f, similar)
        return self._entries[at]

    # What replaces what ---------------------------------------------------------------------------

    def _recent(self, entry: Entry) -> list[Entry]:
        """Return the live entries of the last four messages before one, the newest first."""
        earlier = (self._entries[i] for i in reversed(self._live) if i != entry.id)
        return list(takewhile(lambda other: entry.message - other.message <= 4, earlier))

    def _compare(self, entry: Entry, f: Found, similar: Mapping[int, int]) -> None:
        """Compare a new entry with those that share words with it."""
        if (meant := corrected(entry, self._recent(entry))) is not None:
            self._supersede(meant.id, entry.id)
            return
        updates = bool(f.flags & UPDATES) or entry.kind == "correction" or switches(entry.text)
        updates = updates or (entry.kind == "decision" and bool(replaced_names(entry.text)))
        traits = self._traits[entry.id]
        same = self._of_same_subject(entry, similar, updates=updates)
        for i in same:
            other = self._entries[i]
            if entry.value and other.value == entry.value:
                if content(other.text) == content(entry.text):
                    self._supersede(i, entry.id)
            elif updates or traits.slot in SINGLE or self._newer(entry, other):
                self._supersede(i, entry.id)
            elif entry.value and other.value and comparable(traits, self._traits[i]):
                self._contradict(i, entry.id)
        if updates and not same and entry.value:
            self._mark_older(entry, similar)
        if entry.kind == "correction" and entry.subject and not entry.value:
            same = self._denied(entry, similar)
        elif not same and not (entry.value and traits.about and not updates):
            self._compare_words(entry, f, similar, updates=updates)
        elif not same and updates and entry.kind in {"decision", "correction", "value"}:
            self._replace_named(entry)

    def _mark_older(self, entry: Entry, similar: Mapping[int, int]) -> None:
        """Mark values of statements that name the whole subject of an update, and say more."""
        mine = self._traits[entry.id]
        for i in similar if len(mine.about) > 1 else ():
            other, theirs = self._entries[i], self._traits[i]
            alike = mine.about <= theirs.words and other.kind == entry.kind
            differs = other.value not in ("", entry.value) and comparable(mine, theirs)
            if alike and differs and not apart_in_scope(mine, theirs):
                self._contradict(i, entry.id)

    def _denied(self, entry: Entry, similar: Mapping[int, int]) -> list[int]:
        """Drop the values that a correction says are wrong ("the port is not 9001")."""
        words = set(entry.text.rstrip(".!").split())
        found = [
            i
            for i in similar
            if self._entries[i].subject.lower() == entry.subject.lower()
            and self._entries[i].value in words
        ]
        for i in found:
            self._supersede(i, entry.id)
        return found

    def _newer(self, entry: Entry, other: Entry) -> bool:
        """Whether a value is clearly newer than another of its subject: a later message says so.

        A list and a single value, or values of several things of a kind, may all hold.
        """
        mine, theirs = self._traits[entry.id], self._traits[other.id]
        return (
            (entry.message != other.message or entry.message < 0)
            and comparable(mine, theirs)
            and bool(entry.value and other.value)
            and mine.several == theirs.several
        )

    def _of_same_subject(
        self, entry: Entry, similar: Mapping[int, int], *, updates: bool
    ) -> list[int]:
        """Return the entries that state a value of the same subject.

        A subject with a word more is another one: "the office phone", "the price for children".
        """
        mine = self._traits[entry.id]
        if mine.slot:
            return sorted(self._by_stem[f"={mine.slot}"] - {entry.id})
        if not mine.about or mine.indefinite:
            return []
        return [
            i
            for i in similar
            if (theirs := self._traits[i]).about
            and not theirs.indefinite
            and comparable(mine, theirs)
            and same_subject(mine, theirs, updates=updates)
        ]

    def _compare_words(
        self, entry: Entry, f: Found, similar: Mapping[int, int], *, updates: bool
    ) -> None:
        """Compare with statements of the same kind that share most words."""
        mine = self._traits[entry.id].words
        if entry.kind in {*CHOICES, "rule"} and self._replace_alternative(entry, updates=updates):
            return
        least = 1 if updates or len(content(entry.text)) == 1 else 2
        read = _native.ReadText(entry.text)
        scored = []
        for i, shared in similar.items():
            if shared < least or not comparable_kinds(entry.kind, self._entries[i].kind):
                continue
            other, theirs = self._entries[i], self._traits[i].words
            share = shared / min(len(mine), len(theirs))
            if share < 0.5 or apart(self._traits[entry.id], self._traits[i]):
                continue
            if updates and entry.kind in CHOICES and elsewhere(entry.text, other.text):
                continue
            permits = entry.kind == "permission" or f.flags & RETRACTS
            if (permits and narrows(entry.text, other.text)) or (
                updates and adds(entry.text, other.text)
            ):
                continue  # an exception: both bind
            if updates and replaces(entry.kind, shared, len(mine), len(theirs)):
                scored.append((share, i))
            elif (shared >= 2 and share >= 0.6 and opposed(read, other.text)) or (
                content(entry.text) == content(other.text)
                and forbids(entry.text) != forbids(other.text)
            ):
                self._contradict(i, entry.id)
        best = max(scored, default=None)
        if best is not None and sum(share == best[0] for share, _ in scored) == 1:
            self._supersede(best[1], entry.id)
        elif updates and not scored and entry.kind in {"decision", "preference", "correction"}:
            self._replace_named(entry)

    def _replace_alternative(self, entry: Entry, *, updates: bool) -> bool:
        """Replace what an older message said with another word of a family: tabs for spaces.

        A rule is replaced by an update only; else both stay and are marked.
        """
        family = family_words(entry.text)
        if entry.kind == "rule" and forbids(entry.text):
            return False
        found = [i for k in family for i in self._by_stem.get(f"~{k}", ()) if i != entry.id]
        for i in found:
            other = self._entries[i]
            ruled = "rule" in {entry.kind, other.kind}
            alike = comparable_kinds(entry.kind, other.kind) if ruled else entry.kind == other.kind
            if not alike or entry.message == other.message:
                continue
            theirs = family_words(other.text)
            if family == theirs or family.keys() != theirs.keys():
                continue
            mine = content(entry.text) - frozenset(map(stem, family.values()))
            if mine == content(other.text) - frozenset(map(stem, theirs.values())):
                (self._contradict if ruled and not updates else self._supersede)(i, entry.id)
                return True
        return False

    def _replace_named(self, entry: Entry) -> None:
        """Replace the decision that a switch names, or whose alternative it names."""
        named = replaced_names(entry.text)
        family = family_words(entry.text)
        found = []
        for i in self._live:
            other = self._entries[i]
            uses = other.kind == "value" and not self._traits[i].about  # "we use X"
            if i == entry.id or not (uses or comparable_kinds("decision", other.kind)):
                continue
            rejected = replaced_names(other.text)
            theirs = family_words(other.text)
            if elsewhere(entry.text, other.text):
                continue
            alternative = any(theirs.get(k, word) != word for k, word in family.items())
            words = set(other.text.lower().replace(",", " ").rstrip(".").split()) - rejected
            if named & words or (alternative and not named & words and switches(entry.text)):
                found.append(i)
        if len(found) == 1:
            self._supersede(found[0], entry.id)

    def _retract(self, entry: Entry, similar: Mapping[int, int]) -> bool:
        """Take back the one entry that a retraction names; where several fit, none.

        An entry of which it names only a case is not taken back, nor is another permission.
        """
        scored = []
        for i in similar:
            other = self._entries[i]
            if entry.kind == other.kind == "permission" or not lifts(entry.text, other.text):
                continue
            share = covers(entry.text, other.text)
            if share >= 0.25:
                scored.append((share, i))
        best = max(scored, default=None)
        if best is None or sum(share == best[0] for share, _ in scored) > 1:
            return False
        self._supersede(best[1], entry.id)
        return True

    def _supersede(self, old: int, new: int) -> None:
        """Replace an entry, unless somebody of a higher rank said it; then both are marked.

        What holds once or on a condition replaces nothing that holds without.
        """
        if holds_only_if(self._entries[new].text, self._entries[old].text):
            return
        if _rank(self._entries[new]) < _rank(self._entries[old]):
            self._contradict(old, new)
            return
        self._leave(old)
        self._entries[old] = replace(self._entries[old], superseded_by=new)

    def _contradict(self, old: int, new: int) -> None:
        if new in self._entries[old].contradicts:
            return
        for one, other in ((old, new), (new, old)):
            marked = tuple(sorted({*self._entries[one].contradicts, other}))
            self._entries[one] = replace(self._entries[one], contradicts=marked)

    # Corrections by a person or program -----------------------------------------------------------

    def add(self, text: str, *, kind: str = "rule", subject: str = "", value: str = "") -> Entry:
        """Add a statement that no message holds."""
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"a statement is {text!r}; expected a text")
        found = Found(kind, 0, len(text), 9, 0, subject, value)
        return self._add(found, -1, "", text, "program")

    def _ids(self, which: Entry | int | str) -> list[int]:
        if isinstance(which, str):
            ids = [e.id for e in self._entries if e.page == which]
        else:
            ids = [which.id if isinstance(which, Entry) else which]
        if not ids or not all(0 <= i < len(self._entries) for i in ids):
            raise InputError(f"{which!r} is no entry of this ledger, nor a page with entries")
        return ids

    def forget(self, which: Entry | int | str) -> None:
        """Forget an entry, given itself or its id, or all entries of a page."""
        for i in self._ids(which):
            self._leave(i)
            self._forgotten.add(i)
            self._entries[i] = replace(self._entries[i], text="", subject="", value="")
        self._by_text = {t: i for t, i in self._by_text.items() if i not in self._forgotten}

    def pin(self, which: Entry | int | str, pinned: bool = True) -> None:
        """Show an entry, or the entries of a page, in every window."""
        for i in self._ids(which):
            self._entries[i] = replace(self._entries[i], pinned=pinned)

    def unpin(self, which: Entry | int | str) -> None:
        """Take `pin` back."""
        self.pin(which, False)

    # Showing --------------------------------------------------------------------------------------

    def shown(
        self,
        wanted: Callable[[Entry], bool],
        room: int,
        count: Callable[[str], int],
        *,
        others: int | None = None,
    ) -> list[Entry]:
        """Return the entries to show, in order of message, within `room` tokens.

        `wanted` says of an entry whether it may be shown. Rules, limits, instructions, preferences
        and permissions come first, then the others, which may take `others` tokens, all that is
        left if that is None. The weakest entries are left out first, of equals the oldest; a pinned
        entry is left out last.
        """
        waiting = sorted((e for e in self.entries() if wanted(e)), key=importance)
        kept: list[Entry] = []
        for entry in waiting:
            cost = count(line(entry) + "\n")
            if others is not None and entry.kind not in STANDING and not entry.pinned:
                if cost > others:
                    continue
                others -= min(cost, room)
            if cost <= room:
                room -= cost
                kept.append(entry)
        return sorted(kept, key=lambda e: (e.message, e.id))

    # Records --------------------------------------------------------------------------------------

    def to_record(self) -> dict[str, Any]:
        """Return the state as plain data for JSON."""
        return {
            "entries": [asdict(e) for e in self._entries],
            "live": list(self._live),
            "forgotten": sorted(self._forgotten),
            "proposed": [[m, p, t, f._asdict()] for m, p, t, f in self._proposed],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any], finder: Finder | None = None) -> Ledger:
        """Return the ledger that `to_record` wrote."""
        ledger = cls(finder)
        for data in record["entries"]:
            entry = Entry(**{**data, "contradicts": tuple(data["contradicts"])})
            ledger._entries.append(entry)
        ledger._forgotten = set(record["forgotten"])
        ledger._proposed = [(m, p, t, Found(**f)) for m, p, t, f in record["proposed"]]
        for i in record["live"]:
            one = ledger._entries[i]
            ledger._enter(i, traits_of(one.kind, one.text, one.subject, one.value))
        for entry in ledger._entries:
            if entry.id not in ledger._forgotten:
                ledger._by_text[" ".join(entry.text.lower().split())] = entry.id
        return ledger


def importance(entry: Entry) -> tuple[bool, bool, int, int, int]:
    """Return the key that sorts entries: pinned ones, then rules and the like, by strength."""
    standing = entry.kind in STANDING
    return (not entry.pinned, not standing, -entry.strength, -entry.message, -entry.id)


def line(entry: Entry, *, after: str = "") -> str:
    """Return an entry as a line of the block: page, kind and text.

    `after` is the page of the line before; the page is left out where it is the same.
    """
    subject = f"{entry.subject}: " if entry.carried else ""
    mark = " (contradicted)" if entry.contradicts else ""
    page = "" if entry.page == after else f"{entry.page} "
    kind = _SHORT.get(entry.kind, entry.kind)
    return f"{page}{kind}: {subject}{' '.join(entry.text.split())}{mark}"


def render(entries: Sequence[Entry]) -> str:
    """Return the block that shows entries, one a line."""
    pages = ["", *(entry.page for entry in entries)]
    return "\n".join(line(entry, after=page) for entry, page in zip(entries, pages, strict=False))


def _rank(entry: Entry) -> int:
    return _RANK.get(entry.source, 1)

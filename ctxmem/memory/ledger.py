"""The ledger: the statements of a session that bind, and which of them still do.

`Ledger` is a state without input or output: it takes messages in order and keeps entries. What the
system and the user say binds. What the assistant proposes binds once the user accepts it. Tools,
documents and chunks never bind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ctxmem import _native
from ctxmem.errors import InputError

Finder = Callable[[str, str], Iterable[Any]]
"""A function of a text and its role that returns statements: str, (kind, text) or `Entry`."""

_UPDATES, _LEANS, _NEGATES, _RETRACTS = 1, 2, 4, 8
_VALUED = frozenset({"value", "limit", "deadline", "correction"})
_STANDING = frozenset({"rule", "instruction", "preference", "limit", "permission"})
"""What binds whatever is asked; the words of a question find the other kinds."""
_REPLIES = frozenset({"proposal", "acceptance", "refusal"})
_WORD = re.compile(r"[^\W_]+(?:['’._/@:-][^\W_]+)*")
_STOP = frozenset(
    "a an the my our your this that these those of for in on at to is are be it its now "
    "currently please i i'm i'd i've we you me us and but so or as with by from no not "
    "never always only don't do actually instead longer anymore again from rule about will "
    "can must should may it's use der die das mein meine jetzt nicht ist le la les mon ma "
    "est el los mi es ahora il mio è ora o a meu minha é agora de het mijn nu there here "
    "just all any what said after more moved changed make forget ignore ".split()
)
_CALL = re.compile(r"\b(?:call|address) me\b|\bnenn\w* mich\b|\bmy name\b|\bnoem m", re.IGNORECASE)
_HOME = re.compile(r"\b(?:live|lives) in\b|\bwohne\b|\bwoon\b", re.IGNORECASE)
_WEIGHT = re.compile(r"\bi weigh\b|\bich wiege\b", re.IGNORECASE)
_LANGUAGE = re.compile(r"\b(?:reply|answer|respond|write|antworte) (?:\w+ ){0,3}(?:in|auf)\b", re.I)
_SLOTS = (("name", _CALL), ("home", _HOME), ("weight", _WEIGHT), ("answer language", _LANGUAGE))
_OPTION = re.compile(r"\b(?:option|plan|variant|number|alternative)\s+(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A statement that binds.

    Attributes:
        id: the number of the entry in its ledger.
        kind: rule, limit, instruction, preference, decision, commitment, deadline, value,
            correction, dead_end, permission, fact, or a kind that the caller gave.
        text: the statement, as the message has it.
        page: the page of the message, "" where it was given none.
        message: the number of the message; -1 for one that a program added.
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

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class _Found:
    kind: str
    start: int
    end: int
    strength: int
    flags: int
    subject: str
    value: str


def scan(text: str, *, replies: bool = False, trusted: bool = False) -> list[_Found]:
    """Return the statements of a text; those of `replies` are proposals and answers to them."""
    kinds = _native.STATEMENT_KINDS
    return [
        _Found(kinds[k], start, end, strength, flags, text[s0:s1], text[v0:v1])
        for k, _, strength, flags, start, end, _, _, s0, s1, v0, v1 in _native.statements(
            text, replies, trusted
        ).tolist()
    ]


def read_statements(given: Any, text: str) -> tuple[list[Entry], list[tuple[str, str]]]:
    """Return what a `Finder` found in a text as entries, and what is none, with the reason.

    Raises:
        InputError: it returned something that is no list of statements.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f"the ledger's function returned {type(given).__name__}; expected a list")
    found: list[Entry] = []
    ignored: list[tuple[str, str]] = []
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
        self._by_subject: dict[str, int] = {}
        self._by_text: dict[str, int] = {}
        self._proposed: list[tuple[int, str, str, _Found]] = []
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
                self._proposed = [
                    (message, page, text, found)
                    for found in scan(text, replies=True)
                    if found.kind not in {"acceptance", "refusal"}
                ]
            return []
        if role not in {"system", "developer", "user"}:
            return []
        if self._finder is not None:
            given, ignored = read_statements(self._finder(text, role), text)
            self.ignored += ignored
            found = [
                _Found(e.kind, e.start, e.end, e.strength, 0, e.subject, e.value) for e in given
            ]
            return [self._add(f, message, page, text, role) for f in found]
        person = role == "user"
        made = self._accepted(text) if person and self._proposed else []
        source = "user" if person else "system"
        for f in scan(text, trusted=not person):
            made.append(self._add(f, message, page, text, source))
        return list({entry.id: entry for entry in made}.values())

    def _accepted(self, text: str) -> list[Entry]:
        """Return entries of the proposals that the user's answer accepts; others are dropped."""
        proposed, self._proposed = self._proposed, []
        opening = [f for f in scan(text[:400], replies=True) if f.kind in _REPLIES]
        accepts = next((f for f in opening if f.kind != "proposal"), None)
        if accepts is None or accepts.kind == "refusal":
            return []
        chosen = _OPTION.search(text[:400])
        made = []
        for message, page, whole, found in proposed:
            said = whole[found.start : found.end]
            option = _OPTION.search(said)
            if chosen and option and option.group(1).lower() != chosen.group(1).lower():
                continue
            if chosen and not option:
                continue
            kind = "decision" if found.kind == "proposal" else found.kind
            bound = replace(found, kind=kind, strength=min(found.strength, 6))
            made.append(self._add(bound, message, page, whole, "assistant"))
        return made

    def _add(self, f: _Found, message: int, page: str, text: str, source: str) -> Entry:
        said = text[f.start : f.end]
        known = " ".join(said.lower().split())
        if known in self._by_text and self._by_text[known] in self._live:
            return self._refreshed(self._by_text[known], message, page, f)
        entry = Entry(
            len(self._entries),
            f.kind,
            said,
            page,
            message,
            f.start,
            f.end,
            f.subject,
            f.value,
            source,
            f.strength,
        )
        old: int | None = None
        if f.kind == "correction" and not f.subject and f.value:
            old = self._corrected(entry)
            if old is not None:
                subject = self._entries[old].subject or self._entries[old].text
                entry = replace(entry, subject=subject, carried=True)
        self._entries.append(entry)
        self._by_text[known] = entry.id
        self._live[entry.id] = None
        if f.flags & _RETRACTS:
            self._retract(entry)
        elif old is None:
            self._compare(entry, f)
        else:
            self._supersede(old, entry.id)
        key = _subject_key(entry)
        if key:
            self._by_subject[key] = entry.id
        return self._entries[entry.id]

    def _refreshed(self, at: int, message: int, page: str, f: _Found) -> Entry:
        entry = replace(self._entries[at], message=message, page=page, start=f.start, end=f.end)
        self._entries[at] = entry
        return entry

    # What replaces what ---------------------------------------------------------------------------

    def _corrected(self, entry: Entry) -> int | None:
        """Return the newest value that a correction without a subject can be meant for."""
        for i in reversed(self._live):
            other = self._entries[i]
            if entry.message - other.message > 4:
                return None
            if other.value and other.kind in _VALUED and _form(other.value) == _form(entry.value):
                return i
        return None

    def _compare(self, entry: Entry, f: _Found) -> None:
        key = _subject_key(entry)
        old = self._by_subject.get(key) if key else None
        if old is None or old not in self._live:
            if entry.kind in {"preference", "decision", "rule", "instruction"}:
                self._compare_words(entry, f)
            return
        other = self._entries[old]
        if _content(other.text) == _content(entry.text) and other.value == entry.value:
            self._supersede(old, entry.id)
        elif other.value and entry.value and other.value == entry.value:
            return
        elif f.flags & _UPDATES or entry.kind == "correction" or key in _CONSTANT:
            self._supersede(old, entry.id)
        else:
            self._contradict(old, entry.id)

    def _compare_words(self, entry: Entry, f: _Found) -> None:
        """Compare with statements of the same kind that share most words."""
        mine = _content(entry.text)
        for i in list(self._live):
            other = self._entries[i]
            if i == entry.id or other.kind != entry.kind:
                continue
            theirs = _content(other.text)
            shared = len(mine & theirs)
            if shared < 2 or shared < 0.6 * min(len(mine), len(theirs)):
                continue
            if mine == theirs and not _opposed(entry.text, other.text):
                continue
            if f.flags & _UPDATES and shared >= 0.6 * max(len(mine), len(theirs)):
                self._supersede(i, entry.id)
            elif _opposed(entry.text, other.text):
                self._contradict(i, entry.id)

    def _retract(self, entry: Entry) -> None:
        """Take back the one entry that a retraction names; where several fit, none."""
        mine = _content(entry.text)
        scored = []
        for i in self._live:
            other = self._entries[i]
            if i != entry.id and (shared := len(mine & _content(other.text))):
                scored.append((shared / len(mine), i))
        best = max(scored, default=None)
        if best is None or best[0] < 0.5 or sum(s == best[0] for s, _ in scored) > 1:
            return
        self._supersede(best[1], entry.id)

    def _supersede(self, old: int, new: int) -> None:
        self._live.pop(old, None)
        self._entries[old] = replace(self._entries[old], superseded_by=new)

    def _contradict(self, old: int, new: int) -> None:
        for one, other in ((old, new), (new, old)):
            marked = tuple(sorted({*self._entries[one].contradicts, other}))
            self._entries[one] = replace(self._entries[one], contradicts=marked)

    # Corrections by a person or program -----------------------------------------------------------

    def add(self, text: str, *, kind: str = "rule", subject: str = "", value: str = "") -> Entry:
        """Add a statement that no message holds."""
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"a statement is {text!r}; expected a text")
        found = _Found(kind, 0, len(text), 9, 0, subject, value)
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
            self._live.pop(i, None)
            self._forgotten.add(i)
            self._entries[i] = replace(self._entries[i], text="", subject="", value="")
        self._by_text = {t: i for t, i in self._by_text.items() if i not in self._forgotten}
        self._by_subject = {k: i for k, i in self._by_subject.items() if i not in self._forgotten}

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
        hidden: Callable[[int], bool],
        room: int,
        count: Callable[[str], int],
        *,
        others: int | None = None,
    ) -> list[Entry]:
        """Return the entries to show, in order of message, within `room` tokens.

        `hidden` says whether the window lacks a message. Rules, limits, instructions, preferences
        and permissions come first, then the others, which may take `others` tokens, all that is
        left if that is None. The weakest entries are left out first, of equals the oldest; a pinned
        entry is left out last.
        """
        waiting = [e for e in self.entries() if e.message < 0 or hidden(e.message)]
        waiting.sort(
            key=lambda e: (not e.pinned, e.kind not in _STANDING, -e.strength, -e.message, -e.id)
        )
        kept: list[Entry] = []
        for entry in waiting:
            cost = count(line(entry) + "\n")
            if others is not None and entry.kind not in _STANDING and not entry.pinned:
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
            "proposed": [[m, p, t, asdict(f)] for m, p, t, f in self._proposed],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any], finder: Finder | None = None) -> Ledger:
        """Return the ledger that `to_record` wrote."""
        ledger = cls(finder)
        for data in record["entries"]:
            entry = Entry(**{**data, "contradicts": tuple(data["contradicts"])})
            ledger._entries.append(entry)
        ledger._live = dict.fromkeys(record["live"])
        ledger._forgotten = set(record["forgotten"])
        ledger._proposed = [(m, p, t, _Found(**f)) for m, p, t, f in record["proposed"]]
        for entry in ledger._entries:
            if entry.id in ledger._forgotten:
                continue
            ledger._by_text[" ".join(entry.text.lower().split())] = entry.id
            if key := _subject_key(entry):
                ledger._by_subject[key] = entry.id
        return ledger


_CONSTANT = frozenset(name for name, _ in _SLOTS if name != "name")


def line(entry: Entry) -> str:
    """Return an entry as a line of the block: page, kind and text."""
    subject = f"{entry.subject}: " if entry.carried else ""
    mark = " (contradicted)" if entry.contradicts else ""
    return f"{entry.page} {entry.kind}: {subject}{' '.join(entry.text.split())}{mark}".lstrip()


def render(entries: Sequence[Entry]) -> str:
    """Return the block that shows entries, one a line."""
    return "\n".join(map(line, entries))


def _stem(word: str) -> str:
    word = word.lower().replace("’", "'").removesuffix("'s")
    for ending in ("ing", "ed", "es", "s"):
        if len(word) > len(ending) + 3 and word.endswith(ending) and not word.endswith("ss"):
            return word[: -len(ending)]
    return word


def _content(text: str) -> frozenset[str]:
    return frozenset(_stem(w) for w in _WORD.findall(text) if w.lower() not in _STOP)


def _subject_key(entry: Entry) -> str:
    """Return what identifies the subject of an entry: its stems in order, or a fixed name."""
    if entry.kind in {"limit", "deadline"} and not entry.subject:
        return ""
    if entry.kind in _VALUED and entry.subject:
        return " ".join(sorted(_content(entry.subject)))
    for name, pattern in _SLOTS:
        if entry.kind not in {"rule", "decision"} and pattern.search(entry.text):
            return name
    return ""


def _form(value: str) -> str:
    plain = value.strip("'\"").replace(",", "").replace(".", "")
    return "number" if plain.isdigit() else "word" if plain.isalpha() else "identifier"


def _opposed(a: str, b: str) -> bool:
    """Whether two statements differ in a number, a negation or the like."""
    found = _native.ReadText(a).differences(_native.ReadText(b))
    return any(kind in {"number", "negation", "opposite", "unit"} for _, _, kind in found)

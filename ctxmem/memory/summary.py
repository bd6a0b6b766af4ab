"""Verify a summary: which statements, identifiers and numbers of its messages it does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from ctxmem.chat.notes import is_note
from ctxmem.chat.parts import Part, inner_parts, parts_of
from ctxmem.chat.reading import read_one
from ctxmem.chat.shapes import as_json, listed
from ctxmem.errors import InputError, InputTypeError
from ctxmem.memory.critical_tokens import (
    AGREES,
    EXCEPTION,
    Reading,
    force,
    keys_in,
    read_sentence,
    runs,
    stems,
    tokens_of_run,
)
from ctxmem.memory.ledger import Entry, Ledger
from ctxmem.memory.statements import Found, scan
from ctxmem.memory.summary_index import LONGEST, SummaryIndex, Verdict
from ctxmem.schema import Chunk

BINDING = "[still binding]"
"""The line under which a summary has statements word for word, one a line, to the end."""
_RECENT = 4
"""Messages at the end whose identifiers and numbers matter although they are named once."""
_MENTIONS = 40
"""Identifiers and numbers outside of statements that are reported at most, best first."""
_PASTED = 30
"""A message with more numbers and identifiers than this is a document that somebody pasted."""
_BEFORE = re.compile(
    r"\b(?:not|never|no longer|need not|don['’]t|nicht|nie|ne|jamais|no|non|niet)\W+(?:\w+\W+)?\Z",
    re.IGNORECASE,
)
_BEHIND = re.compile(
    r"(?i:unless|except|no longer|not required|anymore|any more|nicht mehr|außer|sauf)\b"
)
_BLOCK = re.compile(rf"^{re.escape(BINDING)}$", re.MULTILINE)
_LINE = re.compile(r"\S[^\n]*")
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
_WORDS = re.compile(r"\w+")
_CHECKED = 100
"""Sentences of the summary that are compared with sentences that do not bind."""
_RETRACTS = 8
_NEAR = 0.75
"""A sentence that holds another statement is about this one if it has this share of its words."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that messages say and their summary does not.

    Attributes:
        kind: of a statement that the summary leaves out, its kind in the ledger: rule, limit,
            instruction, preference, decision, commitment, deadline, value, correction, dead_end,
            permission or fact. "negation" if the summary turns a statement round, "changed" if it
            has another number, identifier or name in it, or a value that was superseded.
            "identifier" or "number" for one that is nowhere in the summary, "invented" for one
            that is only there.
        text: what the summary lacks, as the message has it; "" of what is invented.
        message: the number of the message, -1 of what is invented.
        found: what the summary says instead, "" if nothing.
        detail: a sentence for a person.
    """

    kind: str
    text: str
    message: int
    found: str
    detail: str

    def __str__(self) -> str:
        return self.detail


class _Said(NamedTuple):
    role: str
    spoken: str
    other: str


def verify_summary(
    summary: Any, messages: Any, *, identifiers: bool = True, numbers: bool = True
) -> list[Missing]:
    """Return what a summary of messages no longer says, or says otherwise, without a model.

    Statements that bind come first, in the order of the messages: those that `Memory` would keep
    in its ledger at the end. A statement is held if one sentence of the summary has its numbers
    with their units, identifiers and names, shares most of its content words and does the same
    with them: forbids, requires, allows, releases. So a paraphrase is held, and "may not" does
    not hold "may". A value that was superseded is no longer due; if the summary states it and not
    the newer one, that is reported as "changed".

    Then the identifiers and numbers that are in no such statement: those of system and user, those
    that at least two messages name, and those of the last four messages that no tool wrote;
    at most 40, those of the user first. Then sentences whose negation the summary turned round,
    and the numbers and identifiers that no message has.

    What a message of the user has under a line "[still binding]" are statements that an earlier
    summary carried on, one a line; each of them is taken as a statement of the user.

    An empty list is no proof: words are compared, in seven languages (docs/memory.md).

    Args:
        summary: The summary: str, `Chunk` or a message.
        messages: Messages of any provider or framework, str (the user's) or `Chunk` (a document,
            which cannot bind); or one of them.
        identifiers: Whether to report identifiers, which are paths, ids, versions and dates.
        numbers: Whether to report numbers outside of statements that bind.

    Raises:
        InputTypeError: If the summary is no text, or one of the messages is no message.

    >>> said = ["Never push to main.", "The staging port is 8443.", "It is 8500 now: staging port."]
    >>> for one in verify_summary("The user pushes to main. The staging port is 8500.", said[:2]):
    ...     print(one)
    message 0 says 'Never push to main.'; the summary turns it round: 'The user pushes to main.'
    message 1 says 'The staging port is 8443.'; the summary has '8500' instead of '8443'
    >>> verify_summary("Pushing to main is forbidden. Staging listens on port 8443.", said[:2])
    []
    """
    index = SummaryIndex(_text_of(summary))
    said = _read_messages(messages)
    ledger = _CarryingLedger()
    for i, one in enumerate(said):
        if one.spoken:
            ledger.take_message(i, one.role, one.spoken)
    report = _Statements(index, ledger, said)
    found = report.missing()
    mentions = _Mentions(said)
    if identifiers or numbers:
        wanted = {"identifier": identifiers, "number": numbers}
        kinds = frozenset(kind for kind, asked in wanted.items() if asked)
        found += mentions.missing(index, report, kinds)
        found += _turned_sentences(index, said, report)
        found += mentions.invented(index, report, kinds)
    else:
        found += _turned_sentences(index, said, report)
    return found


# Reading ------------------------------------------------------------------------------------------


def _text_of(summary: Any) -> str:
    if isinstance(summary, str):
        return summary
    if isinstance(summary, Chunk):
        return summary.text
    try:
        return _read_message(summary, 0).spoken
    except InputTypeError:
        raise InputTypeError(
            f"the summary is of type {type(summary).__name__}; expected str, Chunk or a message"
        ) from None


def _read_messages(messages: Any) -> list[_Said]:
    if isinstance(messages, str | Chunk):
        messages = [messages]
    return [_read_message(message, i) for i, message in enumerate(listed(messages))]


def _read_message(message: Any, index: int) -> _Said:
    if isinstance(message, Chunk):
        return _Said("document", "", message.text)
    if type(message) is dict and len(message) == 2 and type(message.get("content")) is str:
        role, text = message.get("role"), message["content"]
        if role in ("user", "assistant", "system"):
            return _Said(role, "" if is_note(text) else text, "")
    role = read_one(message, index).role
    parts = parts_of(message, index)
    spoken = [p.text for p in parts if p.kind == "text" and p.text and not is_note(p.text)]
    other = [_written(part, index) for part in parts if part.kind not in ("text", "thought")]
    return _Said(role, "\n".join(spoken), "\n".join(text for text in other if text))


def _written(part: Part, index: int) -> str:
    """Return a call or a result as text."""
    if part.kind in ("result", "hosted_result"):
        inside = inner_parts(part)
        if inside is not None:
            return "\n".join(one.text for one in inside if one.text)
    value = part.body if part.kind in ("call", "result") else None
    if value is None or isinstance(value, str):
        return value or part.text
    try:
        return as_json(value, index)
    except InputError:
        return str(value)


# Statements ---------------------------------------------------------------------------------------


class _CarryingLedger(Ledger):
    """A ledger that takes the statements that an earlier summary carried for binding."""

    def take_message(self, message: int, role: str, text: str) -> None:
        """Take in what somebody said, and what is carried under the line "[still binding]"."""
        at = _carried_from(text) if role == "user" else -1
        if at < 0:
            self.take(message, role, text)
            return
        self.take(message, role, text[:at])
        for line in _LINE.finditer(text, at + len(BINDING)):
            start = line.start()
            for one in scan(line.group()) or [_unmarked(line.group())]:
                moved = one._replace(start=start + one.start, end=start + one.end)
                self._add(moved, message, "", text, role)


def _carried_from(text: str) -> int:
    """Return where the line "[still binding]" of a text begins, -1 if it has none."""
    found = list(_BLOCK.finditer(text))
    return found[-1].start() if found else -1


def _unmarked(line: str) -> Found:
    """Return a line as a decision: no word of it shows that it binds, as in "PostgreSQL, then."."""
    return Found("decision", 0, len(line), 6, 0, "", "")


class _Statements:
    """The statements of a ledger, each compared with the summary."""

    def __init__(self, index: SummaryIndex, ledger: Ledger, said: list[_Said]) -> None:
        self._index, self._said = index, said
        self._all = {entry.id: entry for entry in ledger.entries(superseded=True)}
        self._live = ledger.entries()
        self.texts = {entry.text for entry in self._all.values()}
        self.explained: set[str] = set()
        """Tokens and sentences of the summary that a finding names already."""
        self._replaced: dict[int, list[int]] = {}
        for entry in self._all.values():
            if entry.superseded_by is not None:
                self._replaced.setdefault(entry.superseded_by, []).append(entry.id)
        self.readings = {entry.id: self._reading(entry) for entry in self._all.values()}

    def _reading(self, entry: Entry) -> Reading:
        if not entry.carried:
            return read_sentence(entry.text[:LONGEST])
        about = entry.subject[:LONGEST]
        for old in self._replaced.get(entry.id, ())[:1]:
            if value := self._all[old].value:
                about = about.replace(value, " ")
        return read_sentence(f"{about.rstrip(' .')} {entry.value}")

    def keys(self, *, superseded: bool) -> set[str]:
        """Return the keys of numbers and identifiers in statements that bind, or no longer do."""
        live = {entry.id for entry in self._live}
        found: set[str] = set()
        for entry in self._all.values():
            if (entry.id in live) == superseded:
                continue
            for run in runs(entry.text):
                found.update(key for _, key in tokens_of_run(run))
        return found

    def missing(self) -> list[Missing]:
        """Return the statements that the summary does not hold."""
        empty = not self._index.sentences
        verdicts = {entry.id: self._verdict(entry, empty=empty) for entry in self._live}
        taken: dict[int, int] = {}
        if any(v.outcome in ("turned", "changed") for v in verdicts.values()):
            taken = self._taken(verdicts)
        found = []
        for entry in self._live:
            verdict = verdicts[entry.id]
            if verdict.outcome == "held":
                continue
            if verdict.sentence in taken:
                if verdict.share < _NEAR:
                    verdict = Verdict("apart")
                elif verdict.outcome == "turned" and taken[verdict.sentence] > entry.id:
                    continue  # the user said otherwise later, and the summary says that
            found.append(self._finding(entry, verdict))
        return found

    def _taken(self, verdicts: Mapping[int, Verdict]) -> dict[int, int]:
        """Return the sentences that hold a statement, each with the newest that it holds."""
        taken: dict[int, int] = {}
        for key, verdict in verdicts.items():
            if verdict.outcome == "held" and verdict.sentence < 0:
                at = self._index.judge(self.readings[key], strict=True).sentence
            else:
                at = verdict.sentence
            if verdict.outcome == "held" and at >= 0:
                taken[at] = max(key, taken.get(at, key))
        return taken

    def _verdict(self, entry: Entry, *, empty: bool) -> Verdict:
        if empty:
            return Verdict("apart")
        copied = self._copied(entry)
        if copied == "held":
            return Verdict("held")
        reading = self.readings[entry.id]
        if copied == "":
            verdict = self._index.judge(reading, strict=entry.kind in ("rule", "instruction"))
        else:
            verdict = Verdict("turned", self._sentence(copied), 1.0)
        if verdict.outcome in ("lacks", "apart"):
            if not reading.words and not reading.numbers and not reading.identifiers:
                return Verdict("held")  # "Yes, go with that.": its proposal is an entry of its own
            older = self._older(entry)
            if older is not None:
                return older
            if self._retracts(entry):
                return Verdict("held")  # what it takes back is not in the summary either
        return verdict

    def _copied(self, entry: Entry) -> str:
        """Return "held" for a verbatim copy, else the sentence that turns it round, else ""."""
        text = self._index.text
        turned = ""
        whole = self._said[entry.message].spoken if entry.message >= 0 else entry.text
        for start, end in self._index.copies(entry.text):
            before, behind = text[max(0, start - 40) : start], text[end : end + 60]
            behind = re.split(r"[.!?\n]", behind, maxsplit=1)[0]
            own = whole[max(0, entry.start - 40) : entry.start]
            tail = whole[entry.end : entry.end + 60]
            negated = _BEFORE.search(before) and not _BEFORE.search(own)
            excepted = _BEHIND.search(behind) and not _BEHIND.search(entry.text[-5:] + tail)
            if not negated and not excepted:
                return "held" if not entry.carried or entry.subject else ""
            turned = text[max(0, start - 40) : end + 60].strip()
        return turned

    def _sentence(self, around: str) -> int:
        return next((i for i, one in enumerate(self._index.shown) if one in around), -1)

    def _older(self, entry: Entry) -> Verdict | None:
        """Return where the summary states what an entry superseded."""
        waiting, seen = list(self._replaced.get(entry.id, ())), set()
        while waiting:
            old = waiting.pop()
            if old in seen:
                continue
            seen.add(old)
            waiting += self._replaced.get(old, ())
            verdict = self._index.judge(self.readings[old], strict=True)
            if verdict.outcome == "held":
                return verdict._replace(outcome="older")
        return None

    def _retracts(self, entry: Entry) -> bool:
        if entry.id not in self._replaced or entry.value:
            return False
        return any(found.flags & _RETRACTS for found in scan(entry.text))

    def _finding(self, entry: Entry, verdict: Verdict) -> Missing:
        kind, found = entry.kind, ""
        said = f"message {entry.message} says {entry.text!r}; the summary"
        if verdict.sentence >= 0 and verdict.outcome != "apart":
            found = self._index.shown[verdict.sentence]
            self.explained.add(found)
            self.explained.update(run for token in verdict.instead for run in runs(token))
        lost, instead = _quoted(verdict.lost), _quoted(verdict.instead)
        if verdict.outcome == "turned":
            kind, detail = "negation", f"{said} turns it round: {found!r}"
        elif verdict.outcome == "changed":
            kind, detail = "changed", f"{said} has {instead} instead of {lost}"
        elif verdict.outcome == "older":
            kind, detail = "changed", f"{said} states what it replaced: {found!r}"
        elif verdict.outcome == "lacks":
            detail = f"{said} lacks {lost}: {found!r}"
        else:
            detail = f"{said} does not say so"
        return Missing(kind, entry.text, entry.message, found, detail)


def _quoted(tokens: Iterable[str]) -> str:
    return ", ".join(repr(token) for token in tokens)


# Identifiers and numbers --------------------------------------------------------------------------


@dataclass(slots=True)
class _Mention:
    kind: str
    shown: str
    first: int
    last: int
    messages: int = 1
    asked: bool = False
    spoken: bool = False


class _Mentions:
    """Where messages name identifiers and numbers."""

    def __init__(self, said: list[_Said]) -> None:
        self._said = said
        self._known: dict[str, _Mention] = {}
        self._in_word: dict[str, tuple[tuple[str, str, str], ...]] = {}
        self._seen: set[str] = set()
        for i, one in enumerate(said):
            if one.spoken:
                self._take(i, one.spoken, one.role)
            if one.other:
                self._take(i, one.other, "tool")

    def _take(self, i: int, text: str, role: str) -> None:
        words = set(text.split())
        for word in words - self._seen:
            if named := tuple((kind, key, r) for r in runs(word) for kind, key in tokens_of_run(r)):
                self._in_word[word] = named
        self._seen |= words
        named = tuple(
            one for word in sorted(self._in_word.keys() & words) for one in self._in_word[word]
        )
        spoken = role in ("user", "system", "developer", "assistant") and len(named) <= _PASTED
        asked = spoken and role != "assistant"
        for kind, key, run in named:
            known = self._known.get(key)
            if known is None:
                known = self._known[key] = _Mention(kind, run, i, i)
            elif known.last != i:
                known.last, known.messages = i, known.messages + 1
            known.asked |= asked
            known.spoken |= spoken

    def missing(
        self, index: SummaryIndex, statements: _Statements, kinds: frozenset[str]
    ) -> list[Missing]:
        """Return what matters and is nowhere in the summary."""
        there = keys_in(index.text)
        names = {key.rpartition("/")[2] for key in there}
        settled = statements.keys(superseded=False) | statements.keys(superseded=True)
        recent = len(self._said) - _RECENT
        lost = []
        for key, one in self._known.items():
            if one.kind not in kinds or key in there or key in settled:
                continue
            if one.kind == "number" and len(key) < 2:
                continue
            if "/" in key and key.rpartition("/")[2] in names:
                continue
            again = one.messages > 1 and (one.spoken or one.kind == "identifier")
            if one.asked or again or (one.spoken and one.last >= recent):
                lost.append(one)
        lost.sort(key=lambda one: (not one.asked, -one.messages, -one.last, one.first))
        return [
            Missing(
                one.kind,
                one.shown,
                one.first,
                "",
                f"message {one.first} names the {one.kind} {one.shown!r}; the summary does not",
            )
            for one in sorted(lost[:_MENTIONS], key=lambda one: (one.first, one.kind))
        ]

    def invented(
        self, index: SummaryIndex, statements: _Statements, kinds: frozenset[str]
    ) -> list[Missing]:
        """Return the numbers and identifiers of the summary that no message has."""
        known = set(self._known)
        values = {key for one in statements.readings.values() for key, _ in one.numbers}
        parts: set[str] | None = None
        found = []
        for sentence in dict.fromkeys(index.shown):
            for run in dict.fromkeys(runs(sentence)):
                for kind, key in tokens_of_run(run):
                    if kind not in kinds or key in known or run in statements.explained:
                        continue
                    if kind == "number" and (len(key) < 2 or key in values):
                        continue
                    known.add(key)
                    if parts is None:
                        parts = self._parts()
                    if key in parts or self._named_otherwise(key, parts):
                        continue
                    detail = f"the summary names the {kind} {run!r}, which no message has"
                    found.append(Missing("invented", "", -1, run, detail))
        return found

    def _parts(self) -> set[str]:
        """Return the parts of all identifiers: of paths, dates and versions."""
        parts: set[str] = set()
        for key in self._known:
            parts.update(part.lstrip("0") or "0" for part in re.split(r"[./:@#_\\-]", key) if part)
            parts.add(key.rpartition("/")[2])
        return parts

    def _named_otherwise(self, key: str, parts: set[str]) -> bool:
        """Whether a date is put together from parts that the messages name apart."""
        return key.startswith("date:") and key.rpartition("-")[2] in parts


# Negations ----------------------------------------------------------------------------------------


def _turned_sentences(
    index: SummaryIndex, said: list[_Said], statements: _Statements
) -> list[Missing]:
    """Return sentences that do not bind and whose negation the summary turns round."""
    candidates = _same_words(index, said)
    force_of = cache(force)  # a sentence is near to many of a summary that repeats itself
    found = []
    for i, sentence in enumerate(index.sentences):
        near = candidates.get(i)
        if not near or index.shown[i] in statements.explained:
            continue
        theirs = force(sentence)
        if any(theirs in AGREES[mine] | {mine} for mine in (force_of(text) for _, text in near)):
            continue
        message, text = near[0]
        if text in statements.texts:
            continue
        statements.explained.add(index.shown[i])
        detail = f"message {message} says {text!r}; the summary turns it round: {index.shown[i]!r}"
        found.append(Missing("negation", text, message, index.shown[i], detail))
    return found


def _same_words(index: SummaryIndex, said: list[_Said]) -> Mapping[int, list[tuple[int, str]]]:
    """Return, by sentence of the summary, the sentences of messages with the same content words.

    A sentence is looked up by its longest word. Those of a summary with the same words and length
    share one list, so that a summary that repeats itself costs no more than another.
    """
    by_word: dict[str, dict[tuple[frozenset[str], int], list[tuple[int, str]]]] = {}
    found: dict[int, list[tuple[int, str]]] = {}
    for i, words in enumerate(index.words[:_CHECKED]):
        if len(words) >= 2 and not EXCEPTION.search(index.sentences[i]):
            longest = max(_WORDS.findall(index.sentences[i].lower()), key=len)[:6]
            alike = (frozenset(words), len(index.sentences[i]))
            found[i] = by_word.setdefault(longest, {}).setdefault(alike, [])
    for message, one in enumerate(said):
        text = one.spoken.lower()
        here = [word for word in by_word if word in text]
        for sentence in _SENTENCE.findall(one.spoken) if here else ():
            low = sentence.lower()
            stemmed: set[str] | None = None
            for (wanted, size), near in (
                alike for word in here if word in low for alike in by_word[word].items()
            ):
                if len(low) < 2 * size < 4 * len(low):
                    stemmed = stems(sentence) if stemmed is None else stemmed
                    if stemmed == wanted:
                        near.append((message, sentence.strip()))
    return found

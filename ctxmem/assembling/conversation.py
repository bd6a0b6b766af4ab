"""The history of a request: its units, the forms in which each can be sent, and their values."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.assembling import values
from ctxmem.assembling.cutting import shortened
from ctxmem.assembling.options import BOTH, NO_NOTE, NONE, RECALLED, STABLE, Offer
from ctxmem.chat import passages
from ctxmem.chat.converting import converted
from ctxmem.chat.counting import Meter
from ctxmem.chat.history import whole
from ctxmem.chat.parts import parts_of
from ctxmem.chat.reading import Turn, fingerprint
from ctxmem.chat.shapes import ROLES
from ctxmem.errors import InputError
from ctxmem.memory import Memory
from ctxmem.memory.ledger import STANDING, Entry, Ledger, line
from ctxmem.toolset.finding import NAME as FINDER
from ctxmem.toolset.finding import names_found

HEADING = (
    "[memory] Earlier messages of this conversation are left out, here or between those that "
    "follow."
)
BINDING = "Said in them, and still binding:"
INDEX = "Their index:"

GIST = 70
"""Characters of a unit's text in the index."""
LASTING = frozenset({"decision", "commitment", "deadline"})
"""Kinds of statements, beside rules and the like, that bind whatever is asked."""

FOLLOWS = 12
"""A question of at most so many words may lean on the newest exchange: "Book it." is about what was
said last, and has no word of it. ..."""
NEWEST_SHARE = 0.5
"""... So the exchange must be sent then, up to this share of the room."""

OTHER_SHARE, OTHER_TOKENS = 0.04, 60
"""Values and facts must be sent up to this share of the room, or so many tokens if it is more."""

_KEPT = 1 << 14
_ROLES = frozenset(ROLES.values())
_WORD = re.compile(r"\w+")


class _Facts(NamedTuple):
    """What is known of a unit whatever the question: its text, calls, index line, shorter form."""

    text: str
    calls: tuple[str, ...]
    found: tuple[str, ...]  # the tools whose schemas `find_tool` returned
    gist: str
    short: tuple[Any, ...] | None
    short_marks: tuple[Any, ...]


class Unit(NamedTuple):
    """Messages that are sent together or not at all.

    Attributes:
        span: their places among the messages.
        tokens: of all of them, in full.
        facts: what is known of them whatever the question.
        key: their positions in the given history.
        position: the first of these.
        required: why they must be sent, "" if they need not.
        mark: their fingerprints.
    """

    span: range
    tokens: int
    facts: _Facts
    key: str
    position: int
    required: str
    mark: tuple[Any, ...]


class _History(NamedTuple):
    """Units of a history that was read, and the tokens of their forms, for a longer history."""

    head: int
    marks: list[Any]
    origin: list[int]
    spans: list[range]
    units: list[Unit]
    full: list[int]
    short: list[int]
    lines: list[int]  # of the index


_known: dict[Any, _Facts] = {}
_HISTORIES = 8


class Conversation:
    """A history that was read and repaired, with the forms of its units.

    `question` is the text that ranks; `asked` says whether the history has it as its last question,
    so that it is not sent again.
    """

    def __init__(
        self,
        given: list[Any],
        provider: str,
        meter: Meter,
        *,
        question: str | None,
        model: str | None,
        memory: Memory | None,
    ) -> None:
        self.meter = meter
        given, places = converted(given, provider)
        read = whole(given, provider, model)
        self.case = read.case
        self.messages, self.turns, self.origin = read.repaired[:3]
        self._check_roles()
        self.asked, self.question = self._read_question(question)
        units, marks = read.repaired.units, read.marks
        self.in_flight = frozenset(read.repaired.in_flight)
        if self.in_flight and not self.asked:
            # A question behind a call: its result will not come, so the call is closed.
            read = whole([*given, {"role": "user", "content": self.question}], provider, model)
            items, turns, origin = read.repaired[:3]
            self.messages, self.turns, self.origin = items[:-1], turns[:-1], origin[:-1]
            units = [r for r in read.repaired.units if r[-1] < len(self.messages)]
            marks, self.in_flight = read.marks[:-1], frozenset()
        self.origin = [places[at] for at in self.origin]
        left = set(self.origin)
        self.refused = {  # messages that are not sent since no provider takes them, and why
            places[fault.message]: fault.wrong
            for fault in read.case.faults
            if fault.done and fault.message < len(places) and places[fault.message] not in left
        }
        self.marks = [mark_of(*pair) for pair in zip(self.messages, marks, strict=True)]
        self.costs = self._read_costs()
        self.head = self._head()
        self.units = self._read_units(units)
        self.called = [name for unit in self.units for name in unit.facts.calls]
        self.found = self._read_found()
        self.newest = self._read_newest()
        entries = _statements(self.messages, self.turns, self.origin, self.marks, memory)
        self.statements = self._by_unit(entries)
        self.last_note: Any = None  # of the request before, which is kept while its forms are

    # Reading --------------------------------------------------------------------------------------

    def _check_roles(self) -> None:
        for turn, at in zip(self.turns, self.origin, strict=True):
            if turn.role not in _ROLES:
                raise InputError(
                    f"message {at} of the history has the role {turn.role!r}; expected system, "
                    "developer, user, assistant, tool or function"
                )

    def _read_costs(self) -> list[int]:
        memo = self.meter.memo
        made = []
        for i, mark in enumerate(self.marks):
            cost = memo.get(mark) if mark is not None else None
            if cost is None:
                cost = self.meter.message(self.messages[i], self.origin[i])
                if mark is not None:
                    if len(memo) >= 4 * _KEPT:
                        memo.clear()
                    memo[mark] = cost
            made.append(cost)
        return made

    def _read_question(self, question: str | None) -> tuple[bool, str]:
        """Return whether the history ends with the question, and the text of the question."""
        last = next((i for i in reversed(range(len(self.turns))) if self.turns[i].asks), -1)
        said = _text_of(self.messages[last], last) if last >= 0 else ""
        if question is None or not question.strip():
            if not any(turn.role == "user" or turn.results for turn in self.turns):
                raise InputError(
                    f"question is {question!r} and the history has no message of the user; give a "
                    "question, or a history that ends with one"
                )
            return True, said
        answered = any(
            turn.role == "assistant" and turn.speaks and not turn.calls
            for turn in self.turns[last + 1 :]
        )
        return last >= 0 and not answered and said.strip() == question.strip(), question

    def _head(self) -> int:
        """Return the number of leading system messages."""
        return next(
            (i for i, turn in enumerate(self.turns) if turn.role != "system"), len(self.turns)
        )

    def _read_units(self, spans: Sequence[range]) -> list[Unit]:
        """Return the units; those of the longest known beginning of the history are shared."""
        read = self._known_history(list(spans))
        keys = {unit.key for unit in read.units}
        for span in spans[len(read.spans) :]:
            read.spans.append(span)
            if span[-1] >= self.head:
                unit = self._unit(span, keys)
                read.units.append(unit)
                read.full.append(unit.tokens)
                read.short.append(self._short_tokens(unit))
                read.lines.append(self.meter.count(f"{unit.key} {unit.facts.gist}\n"))
        self._keep(read)
        self.full = np.array(read.full, dtype=np.int64)
        self.short = np.array(read.short, dtype=np.int64)
        self._index_lines = read.lines
        units, skipped = read.units, len(read.spans) - len(read.units)
        if required := self._required(spans):
            units = list(units)
            for k, why in required.items():
                if k >= skipped:
                    units[k - skipped] = units[k - skipped]._replace(required=why)
        return units

    def _known_history(self, spans: list[range]) -> _History:
        """Return a copy of what is known of the beginning of the history, without its last unit."""
        best: _History | None = None
        for known in self.meter.memo.get("histories", ()):
            n = len(known.marks)
            longer = best is None or n > len(best.marks)
            if longer and known.head == self.head and known.marks == self.marks[:n]:
                best = known if known.origin == list(self.origin[:n]) else best
        if best is None:
            return _History(self.head, [], [], [], [], [], [], [])
        whole = len(best.spans)
        while whole and spans[:whole] != best.spans[:whole]:
            whole -= 1  # what was added belongs to the last unit
        end = max(0, whole - (len(best.spans) - len(best.units)))
        return _History(
            *(self.head, [], [], best.spans[:whole], best.units[:end]),
            *(best.full[:end], best.short[:end], best.lines[:end]),
        )

    def _keep(self, read: _History) -> None:
        if self.marks and None not in self.marks:
            made = read._replace(marks=self.marks, origin=list(self.origin))
            memo = self.meter.memo
            others = [one for one in memo.get("histories", ()) if one.marks != made.marks]
            memo["histories"] = (*others[1 - _HISTORIES :], made)

    def _unit(self, span: range, keys: set[str]) -> Unit:
        mark = tuple(self.marks[span.start : span.stop])
        first, last = self.origin[span[0]], self.origin[span[-1]]
        key = str(first) if first == last else f"{first}-{last}"
        while key in keys:  # a message that was converted to several
            key += "+"
        keys.add(key)
        return Unit(
            span,
            sum(self.costs[span.start : span.stop]),
            self._facts(span, mark),
            key,
            first,
            "",
            mark,
        )

    def _required(self, spans: Sequence[range]) -> dict[int, str]:
        """Return why units must be sent."""
        found: dict[int, str] = {}
        for k in range(len(spans) - 1, -1, -1):
            span = spans[k]
            if any(i in self.in_flight for i in span):
                found[k] = "it has a call that waits for its result"
        if not self.asked:
            return found
        for k in range(len(spans) - 1, -1, -1):
            turns = self.turns[spans[k].start : spans[k].stop]
            if any(turn.asks for turn in turns):
                found.setdefault(k, "it is the question")
                break
        if spans and self.turns[-1].role == "user":  # an image without a word
            found.setdefault(len(spans) - 1, "it is the question")
        if spans and self.turns[-1].results:
            found.setdefault(len(spans) - 1, "the model has not read its results yet")
        return found

    def _facts(self, span: range, mark: tuple[Any, ...]) -> _Facts:
        known = _known.get(mark) if None not in mark else None
        if known is not None:
            return known
        items = self.messages[span.start : span.stop]
        made = _read_facts(items, self.turns[span.start : span.stop])
        if None not in mark:
            if len(_known) >= _KEPT:
                _known.clear()
            _known[mark] = made
        return made

    def _read_found(self) -> frozenset[str]:
        """Return the tools that `find_tool` returned since the last question of the history.

        The model has asked for them and is about to call one of them.
        """
        names: set[str] = set()
        for unit in reversed(self.units):
            names.update(unit.facts.found)
            if any(turn.asks for turn in self.turns[unit.span.start : unit.span.stop]):
                break
        return frozenset(names)

    def _read_newest(self) -> tuple[int, ...]:
        """Return the places of the last unit before the question, and of the user's before it.

        There are none for a long question, which says itself what it is about.
        """
        if len(_WORD.findall(self.question)) > FOLLOWS:
            return ()
        asks = [
            any(turn.asks for turn in self.turns[unit.span.start : unit.span.stop])
            for unit in self.units
        ]
        end = len(asks)
        while self.asked and end and not asks[end - 1]:
            end -= 1
        last = end - (2 if self.asked else 1)
        if last < 0:
            return ()
        own = next((k for k in range(last, -1, -1) if asks[k]), last)
        return (last, own) if own != last else (last,)

    def _by_unit(self, entries: Sequence[Entry]) -> dict[int, list[Entry]]:
        """Return the statements of each unit, by its place in `units`."""
        of = {i: k for k, unit in enumerate(self.units) for i in unit.span}
        place = {old: i for i, old in enumerate(self.origin)}
        found: dict[int, list[Entry]] = {}
        for entry in entries:
            k = of.get(place.get(entry.message, -1))
            if k is not None:
                found.setdefault(k, []).append(entry)
        return found

    # Items ----------------------------------------------------------------------------------------

    @property
    def base(self) -> int:
        """The tokens of the note about what is left out, without its lines."""
        return self.meter.message(note([HEADING, BINDING, INDEX]), 0)

    def offer(
        self,
        evidence: NDArray[np.float64],
        room: int,
        *,
        binding: bool = True,
        newest: bool = True,
        excerpts: Mapping[int, int] | None = None,
        title: int = 0,
    ) -> Offer:
        """Return the units with their forms; `evidence` is the value of each as a passage.

        With `binding`, units with rules and the like must be sent, as their line at least, and
        with `newest` those of the newest exchange, cut at least.
        `excerpts` are the tokens of excerpts that can be sent with the question, by the places of
        units, and `title` those of the line above them.
        """
        n = len(self.units)
        bound = np.zeros(n)
        for k, weight in self._binding_values(room).items():
            bound[k] = weight
        value = evidence + values.recency(np.arange(n - 1, -1, -1))
        full, short = self.full, self.short
        columns = [full, short]
        amounts = [value + bound, values.shortened(short, full) * value + bound]
        required = np.array([bool(unit.required) for unit in self.units], dtype=np.bool_)
        required[self._must_follow(room) if newest else []] = True
        bind = np.zeros(n, dtype=np.bool_)
        bind[self._must_bind(room) if binding else []] = True
        lines = np.array(self._index_lines, dtype=np.int64)
        for k in self.statements:
            lines[k] = self.line_tokens(k)
        lines = np.where(required | (lines >= np.minimum(full, short)), NONE, lines)
        columns.append(lines)
        amounts.append(values.INDEXED * value + bound)
        forms: tuple[str, ...] = ("full", "shortened", "indexed")
        inside = None
        if excerpts:
            own = np.full(n, NONE, dtype=np.int64)
            own[list(excerpts)] = list(excerpts.values())
            own[required] = NONE
            # What a unit says that binds is in the note, too.
            binds = np.array([k in self.statements for k in range(n)], dtype=np.bool_)
            columns.append(np.where(binds, NONE, own))
            columns.append(np.where((own < NONE) & (lines < NONE), own + lines, NONE))
            amounts += [values.RECALLED * value, values.RECALLED * value + bound]
            forms += (RECALLED, BOTH)
            inside = np.stack([*columns[:3], np.zeros_like(own), lines], axis=1)
        return Offer(
            "history",
            [unit.key for unit in self.units],
            forms,
            np.stack(columns, axis=1),
            np.stack(amounts, axis=1),
            required | bind,
            self.base + title,
            inside,
        )

    def _must_follow(self, room: int) -> list[int]:
        """Return the units of the newest exchange that must be sent, the last one first."""
        left = NEWEST_SHARE * room
        made = []
        for k in self.newest:
            tokens = min(int(self.full[k]), int(self.short[k]))
            if tokens <= left:
                left -= tokens
                made.append(k)
        return made

    def _must_bind(self, room: int) -> list[int]:
        """Return the units whose statements bind, whose line must be sent at least.

        The strongest and newest come first, up to a share of the room. The words of a question find
        values and facts, so these have a small share of it.
        """
        left = values.REQUIRED_SHARE * room - self.base
        others = max(OTHER_SHARE * room, OTHER_TOKENS)
        ranked = sorted(
            self.statements.items(),
            key=lambda item: max((e.kind in STANDING, e.strength, e.id) for e in item[1]),
            reverse=True,
        )
        made = []
        for k, entries in ranked:
            tokens = min(self.line_tokens(k), self.units[k].tokens)
            binds = any(e.kind in STANDING or e.kind in LASTING for e in entries)
            if tokens <= (left if binds else min(left, others)):
                left -= tokens
                others -= 0 if binds else tokens
                made.append(k)
        return made

    def _binding_values(self, room: int) -> dict[int, float]:
        """Return the value of the statements of each unit, the strongest and newest first."""
        ranked = [
            (entry.kind in STANDING, entry.kind in LASTING, entry.strength, entry.id, k)
            for k, entries in self.statements.items()
            for entry in entries
        ]
        found: dict[int, float] = {}
        left = values.BINDING_SHARE * room
        for standing, lasting, strength, _, k in sorted(ranked, reverse=True):
            left -= self.line_tokens(k) / len(self.statements[k])
            weight = values.BINDS if (standing or lasting) and left >= 0 else values.MENTIONS
            found[k] = found.get(k, 0.0) + weight * strength
        return found

    def _short_tokens(self, unit: Unit) -> int:
        """Return the tokens of a unit in its shorter form, `NONE` if it has none."""
        if unit.facts.short is None:
            return NONE
        tokens = 0
        for i, message, mark in zip(
            unit.span, unit.facts.short, unit.facts.short_marks, strict=True
        ):
            tokens += self.meter.marked(message, self.origin[i], mark)
        return tokens if tokens < unit.tokens else NONE

    def line_tokens(self, k: int) -> int:
        """Return the tokens of what the note says of a unit."""
        if k in self.statements:
            return sum(self.meter.count(text + "\n") for text in self.lines(k))
        return self._index_lines[k]

    def lines(self, k: int) -> list[str]:
        """Return what the note says of a unit: its statements that bind, else a line of index."""
        bound = self.statements.get(k)
        if bound:
            return [line(entry).strip() for entry in bound]
        return [f"{self.units[k].key} {self.units[k].facts.gist}"]

    # Sending --------------------------------------------------------------------------------------

    def note_for(self, forms: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the note about units that are left out, None if none is, or if it does not fit."""
        if NO_NOTE in forms:
            return None
        bound: list[str] = []
        index: list[str] = []
        missing = False
        for k, unit in enumerate(self.units):
            form = forms.get(unit.key)
            stable = STABLE.get(form, form) if form is not None else None
            if stable == "indexed":
                (bound if self.statements.get(k) else index).extend(self.lines(k))
            missing = missing or stable in (None, "indexed", "omitted")
        if not missing:
            return None
        if self.last_note is not None:
            return dict(self.last_note)
        lines = [
            HEADING,
            *([BINDING, *bound] if bound else []),
            *([INDEX, *index] if index else []),
        ]
        return note(lines)

    def copied(self, messages: list[Any]) -> list[Any]:
        """Return messages with copies of the cut ones, which later requests are sent with, too."""
        cut = {id(one) for unit in self.units for one in unit.facts.short or ()}
        cut -= {id(one) for one in self.messages}
        return [deepcopy(one) if id(one) in cut else one for one in messages]

    def recalled(self, forms: Mapping[str, str]) -> list[int]:
        """Return the places of the units of which an excerpt is sent with the question."""
        return [k for k, unit in enumerate(self.units) if forms.get(unit.key) in STABLE]

    def sent(self, forms: Mapping[str, str]) -> list[tuple[int, Any]]:
        """Return (place, message) of what is sent, after the leading system messages."""
        made: list[tuple[int, Any]] = []
        for unit in self.units:
            form = forms.get(unit.key)
            if form == "full":
                made += [(i, self.messages[i]) for i in unit.span]
            elif form == "shortened" and unit.facts.short is not None:
                made += list(zip(unit.span, unit.facts.short, strict=True))
        return made


def mark_of(message: Any, mark: bytes | None) -> Any:
    """Return a key that equal messages share: a fingerprint, or a role and a text, or None."""
    if mark is None and type(message) is dict and len(message) == 2:
        role, content = message.get("role"), message.get("content")
        return (role, content) if type(role) is str and type(content) is str else None
    return mark


def note(lines: Sequence[str]) -> dict[str, Any]:
    """Return a note of ours as a message."""
    return {"role": "user", "content": "\n".join(lines)}


def _text_of(message: Any, index: int) -> str:
    return "\n".join(part.text for part in parts_of(message, index) if part.kind == "text")


def _read_facts(items: Sequence[Any], turns: Sequence[Turn]) -> _Facts:
    parts = [part for i, item in enumerate(items) for part in parts_of(item, i)]
    calls = tuple(part.name for part in parts if part.kind == "call" and part.name)
    if calls and set(calls) == {FINDER}:
        # Schemas answer no question: every word of every tool is in them.
        said_in = [(turn.role, _text_of(item, 0)) for item, turn in zip(items, turns, strict=True)]
        texts = [f"{role}: {text}" for role, text in said_in if text.strip()]
    else:
        texts = [chunk.text for chunk in passages(list(items))]
    finders = {part.key for part in parts if part.kind == "call" and part.name == FINDER}
    answers = [part.body for part in parts if part.kind == "result" and part.key in finders]
    found = tuple(name for body in answers for text in _texts(body) for name in names_found(text))
    said = texts[0].partition(": ")[2].split() if texts else []
    gist = " ".join(said)[:GIST].strip()
    what = f"called {', '.join(dict.fromkeys(calls))}" if calls else gist
    short = shortened(items, turns)
    return _Facts(
        "\n".join(texts),
        calls,
        found,
        f"{turns[0].role}: {what or 'no text'}",
        short,
        tuple(map(fingerprint, short)) if short is not None else (),
    )


def _texts(body: Any) -> list[str]:
    """Return the texts of a result, which is a text or a list of blocks."""
    blocks = body if isinstance(body, list) else [body]
    found = [one.get("text") if isinstance(one, Mapping) else one for one in blocks]
    return [one for one in found if isinstance(one, str)]


# Statements that bind -----------------------------------------------------------------------------


_ledgers: dict[tuple[Any, ...], tuple[Ledger, int]] = {}
_lock = threading.Lock()
_LEDGERS = 8


def _statements(
    messages: Sequence[Any],
    turns: Sequence[Turn],
    origin: Sequence[int],
    marks: Sequence[Any],
    memory: Memory | None,
) -> list[Entry]:
    """Return the statements of a history that bind; those of a memory are the memory's."""
    if memory is not None:
        return [entry for entry in memory.ledger() if entry.message >= 0]
    ledger, done = _ledger_of(marks)
    for i in range(done, len(messages)):
        role = turns[i].role
        if role in ("user", "assistant", "system") and not turns[i].results:
            ledger.take(origin[i], role, _text_of(messages[i], i))
    entries = ledger.entries()
    key = tuple(marks)
    if key and None not in key:
        with _lock:
            while len(_ledgers) >= _LEDGERS:
                _ledgers.pop(next(iter(_ledgers)))
            _ledgers[key] = ledger, len(messages)
    return entries


def _ledger_of(marks: Sequence[Any]) -> tuple[Ledger, int]:
    """Return the ledger of the longest known beginning of a history, and its length.

    A ledger is taken out of the table while a call adds to it, so that no other call does.
    """
    now = tuple(marks)
    with _lock:
        known = [key for key in _ledgers if now[: len(key)] == key]
        if known:
            return _ledgers.pop(max(known, key=len))
    return Ledger(), 0

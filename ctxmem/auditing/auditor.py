"""Walk through the calls of a trace, once, and add up what they waste."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ctxmem.auditing.assembly import Call
from ctxmem.auditing.ledger import REMEMBER, Ledger
from ctxmem.auditing.lineage import inferred_session
from ctxmem.auditing.passages import (
    Boilerplate,
    mark_overlaps,
    mark_repeats,
    mark_versions,
    told,
)
from ctxmem.auditing.rankers import Rankers
from ctxmem.auditing.replay import Replay
from ctxmem.auditing.segments import Cutter, Segment, Window
from ctxmem.auditing.sessions import (
    CACHED_TOKENS,
    LONGEST_TRANSCRIPT,
    Row,
    Session,
    Sessions,
    Transcript,
    add_row,
    close,
    compare,
)
from ctxmem.chat import check
from ctxmem.chat.parts import parts_of
from ctxmem.chat.shapes import ROLES
from ctxmem.errors import InputError
from ctxmem.protocols import Counter

DRAWN_WINDOWS = 24
"""Windows that the page draws token by token: the most wasteful ones."""

DRAWN_OF_SESSION = 3
"""Of them of one session, whose windows are alike."""

DRAWN_SESSIONS = 40
_DRAWN_SEGMENTS = 400
_MOST_SEEN = 300_000  # passages of a session that are remembered
_EXCERPT = 160
_PAIRS = ("orphan_result", "open_call", "misplaced_result")


@dataclass(slots=True)
class Totals:
    """Sums over everything that was read."""

    calls: int = 0
    requests: int = 0  # calls of which the messages are known
    sessions: int = 0
    passages: int = 0
    tokens: int = 0
    stable: int = 0
    compared: int = 0  # tokens of the calls that had one before them
    lost: int = 0
    largest: int = 0
    billed: int = 0
    billed_calls: int = 0
    cached: int = 0
    cached_told: bool = False
    written: int = 0
    output: int = 0
    unreadable: int = 0
    models: dict[str, int] = field(default_factory=dict)


class Auditor:
    """Adds up findings call by call."""

    def __init__(
        self,
        counter: Counter,
        *,
        budget: int | None = None,
        near: bool = True,
        replay: Replay | None = None,
    ) -> None:
        self.counter = counter
        self.budget = budget
        self.near = near
        self.ledger = Ledger()
        self.totals = Totals()
        self.replay = replay
        self.rankers = Rankers()
        self._sessions = Sessions()
        self._cutter = Cutter(counter)
        self._boilerplate = Boilerplate(counter)
        self._drawn: list[dict[str, Any]] = []  # the most wasteful first
        self._worst: list[tuple[int, int, Session]] = []
        self._number = 0

    # Calls

    def add(self, call: Call) -> None:
        """Take one call."""
        if call.turn is not None:
            self._add_turn(call)
            return
        session = self._sessions.get(call.session or inferred_session(call))
        segments, message_of = self._cutter.cut(call)
        window = Window(call, session.name, segments, self._places(call, session, message_of))
        mark_repeats(window, self.ledger)
        if call.messages:
            self.totals.compared += window.tokens if session.threads else 0
            compare(session, window, self.ledger)
            self._check_pairs(call, session)
        self._mark_resent(session, window)
        if self.near:
            mark_versions(window, self.ledger)
            mark_overlaps(window, self.ledger)
            self._boilerplate.mark(window, self.ledger)
        repeated = sum(
            segments[i].tokens for i, mark in window.marks.items() if mark in ("repeat", "resent")
        )
        row = Row(call.place, call.time, window.tokens, window.stable, repeated, window.lost)
        self._account(call, session, row)
        self._draw(window, session.calls)
        if call.lists:
            sizes = {s.text: s.tokens for s in segments if s.retrieved}
            self.rankers.add(call.lists, sizes, self._place(call, session, 0))
            self.totals.passages += sum(len(event.passages) for event in call.lists)
        if self.replay is not None:
            self.replay.add(call, segments, row.tokens, session.name)
        for closed in self._sessions.settle(session):
            self._close(closed)

    def _places(
        self, call: Call, session: Session, message_of: Sequence[int]
    ) -> list[dict[str, Any]]:
        made: dict[int, dict[str, Any]] = {}
        for i in message_of:
            if i not in made:
                made[i] = self._place(call, session, i)
        return [made[i] for i in message_of]

    def _place(self, call: Call, session: Session, message: int) -> dict[str, Any]:
        place: dict[str, Any] = {"place": call.place, "session": session.name}
        if call.trace and call.trace != session.name:
            place["trace"] = call.trace
        if call.messages:
            place["message"] = message
        if not session.place:
            session.place = place
        return place

    def _mark_resent(self, session: Session, window: Window) -> None:
        """Mark retrieved passages that an earlier call had, unless a cache holds them since."""
        cached = window.common if window.stable >= CACHED_TOKENS else 0
        for i in window.unique:
            segment, place = window.segments[i], window.places[i]
            if not segment.retrieved:
                continue
            if len(session.seen) > _MOST_SEEN:
                session.seen.clear()
            here = (session.calls, place["place"])
            number, first = session.seen.setdefault(segment.key, here)
            if number != session.calls and i >= cached:
                window.marks[i] = "resent"
                about = (session.name, segment.key)
                describe = partial(_again, segment, first)
                self.ledger.add("repeat_in_session", about, segment.tokens, place, describe)

    def _check_pairs(self, call: Call, session: Session, kinds: Sequence[str] = _PAIRS) -> None:
        if not any(_has_tools(message) for message in call.messages):
            return
        try:
            found = check(call.messages)
        except InputError:  # messages of a shape that no provider has
            self.totals.unreadable += 1
            return
        for finding in found:
            if finding.kind in kinds and "in flight" not in finding.detail:
                place = self._place(call, session, finding.index or 0)
                about = (session.name, finding.kind, finding.detail)
                detail = f"message {finding.index}: {finding.detail}"
                title = f"{finding.kind.replace('_', ' ')} in {session.name}"
                self.ledger.add("broken_pair", about, 0, place, partial(_plain, title, detail))

    def _account(self, call: Call, session: Session, row: Row) -> None:
        totals = self.totals
        totals.calls += 1
        totals.requests += bool(call.messages)
        totals.tokens += row.tokens
        totals.stable += row.stable
        totals.lost += row.lost
        totals.largest = max(totals.largest, row.tokens)
        if call.model and (call.model in totals.models or len(totals.models) < 100):
            totals.models[call.model] = totals.models.get(call.model, 0) + 1
        self._add_usage(call)
        if self.budget is not None and row.tokens > self.budget:
            over = row.tokens - self.budget
            title = f"windows of {session.name} over the budget of {self.budget:,} tokens"
            detail = f"the first is of {row.tokens:,} tokens"
            describe = partial(_plain, title, detail)
            place = self._place(call, session, 0)
            self.ledger.add("over_budget", session.name, over, place, describe)
        add_row(session, row)

    def _add_usage(self, call: Call) -> None:
        if call.usage is None or call.usage.input is None:
            return
        totals = self.totals
        totals.billed += call.usage.input
        totals.billed_calls += 1
        totals.output += call.usage.output or 0
        totals.written += call.usage.written or 0
        if call.usage.cached is not None:
            totals.cached += call.usage.cached
            totals.cached_told = True

    # Transcripts

    def _add_turn(self, call: Call) -> None:
        """Take one message of a chat whose log has a record for each message.

        One that another session had before, of which this is a copy, is part of what later calls
        were sent, but no call of its own; so are those that a rewound conversation begins with.
        """
        name = call.session or "chat"
        session = self._sessions.get(name)
        if not session.place:
            session.place = {"place": call.place, "session": session.name}
        sent = 0
        if call.restart:
            self._close_transcript(session)
            sent = session.transcript.sent if session.transcript is not None else 0
            session.transcript = None
        if session.transcript is None:
            session.transcript = Transcript()
        chat = session.transcript
        if chat.characters > LONGEST_TRANSCRIPT:
            self._close_transcript(session)
            chat = session.transcript = Transcript(
                tokens=chat.tokens, repeated=chat.repeated, sent=chat.sent, turn=chat.turn
            )
        message = next((m for m in call.messages if isinstance(m, dict)), None)
        asked = message is not None and ROLES.get(str(message.get("role"))) == "assistant"
        again = call.turn == chat.turn
        asked = asked and not call.restart
        if asked:
            chat.turn = call.turn or ""
        if asked and not again and not call.known:
            row = Row(call.place, call.time, chat.tokens, chat.sent, chat.repeated, 0)
            self._account(call, session, row)
            self.totals.compared += chat.tokens if chat.calls else 0
            chat.calls += 1
            chat.sent = chat.tokens
        chat.place = call.place
        chat.messages += call.messages
        segments, _ = self._cutter.cut(call)
        for segment in segments:
            at = len(chat.segments)
            chat.segments.append(segment)
            chat.born.append(chat.calls)
            chat.places.append(call.place)
            chat.tokens += segment.tokens
            chat.characters += len(segment.text)
            if segment.telling:
                first = chat.at.setdefault(segment.key, at)
                if first != at:
                    chat.repeats.append((at, first))
                    chat.repeated += segment.tokens
        if call.restart:
            chat.sent = min(sent, chat.tokens)  # what a rewound conversation shares with the last
        for closed in self._sessions.settle(session):
            self._close(closed)

    def _close_transcript(self, session: Session) -> None:
        """Tell what repeats in a chat; every later call was sent it again."""
        chat = session.transcript
        if chat is None or not chat.calls:
            return

        def place(at: int) -> dict[str, Any]:
            return {"place": chat.places[at], "session": session.name}

        asked = Call(chat.place, session.name, session.name, None, "", None)
        window = Window(asked, session.name, chat.segments)
        window.places = [place(at) for at in range(len(chat.segments))]
        for at, first in chat.repeats:
            calls = chat.calls - chat.born[at]
            segment = chat.segments[at]
            window.marks[at] = "repeat"
            if calls > 0:
                self.ledger.add(
                    "repeat_in_request",
                    segment.key,
                    segment.tokens * calls,
                    window.places[at],
                    partial(_again, segment, chat.places[first]),
                    requests=calls,
                    fix=REMEMBER,
                )
        if self.near:
            window.unique = [
                at
                for at, segment in enumerate(chat.segments)
                if segment.telling and at not in window.marks
            ]
            mark_versions(window, self.ledger)
        # An answer may be told block by block, so its results stand apart from its calls by right.
        asked.messages = chat.messages
        self._check_pairs(asked, session, ("orphan_result", "open_call"))
        self._draw(window, session.calls)

    # Drawing

    def _draw(self, window: Window, number: int) -> None:
        """Keep a window for the page if it is among the most wasteful."""
        segments = window.segments
        marks = {**dict.fromkeys(range(window.common), "stable"), **window.marks}
        marks.update((i, "lost") for i in window.moved if i not in marks)
        waste = sum(segments[i].tokens for i, mark in marks.items() if mark != "stable")
        if not self._is_drawn(window.session, waste):
            return
        shown = [
            {
                "tokens": segment.tokens,
                "role": segment.role,
                "label": segment.label,
                "message": window.places[i].get("message"),
                "mark": marks.get(i, ""),
                "text": " ".join(segment.text[:_EXCERPT].split()),
            }
            for i, segment in enumerate(segments[:_DRAWN_SEGMENTS])
        ]
        drawn = {
            "session": window.session,
            "place": window.call.place,
            "call": number,
            "query": (window.call.query or "")[:200],
            "tokens": window.tokens,
            "waste": waste,
            "left_out": max(0, len(segments) - _DRAWN_SEGMENTS),
            "segments": shown,
        }
        self._drawn.append(drawn)
        self._drawn.sort(key=lambda window: -window["waste"])  # stable: the first come first

    def _is_drawn(self, session: str, waste: int) -> bool:
        """Make room for a window that wastes more than another, of its session or of all."""
        same = [window for window in self._drawn if window["session"] == session]
        rivals = same if len(same) >= DRAWN_OF_SESSION else self._drawn
        if rivals is self._drawn and len(self._drawn) < DRAWN_WINDOWS:
            return True
        if waste <= rivals[-1]["waste"]:
            return False
        self._drawn.remove(rivals[-1])
        return True

    def _close(self, session: Session) -> None:
        if session.transcript is not None:
            self._close_transcript(session)
        close(session, self.ledger)
        self.totals.sessions += 1
        self._number += 1
        session.threads, session.seen, session.transcript = [], {}, None
        entry = (session.repeated + session.lost, session.tokens, -self._number, session)
        push = heapq.heappush if len(self._worst) < DRAWN_SESSIONS else heapq.heappushpop
        push(self._worst, entry)  # type: ignore[misc]

    def finish(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Close every session; return the sessions and windows that the page draws, worst first."""
        for session in self._sessions.rest():
            self._close(session)
        self.rankers.tell(self.ledger)
        sessions = [
            {
                "session": session.name,
                "calls": session.calls,
                "tokens": session.tokens,
                "repeated": session.repeated,
                "lost": session.lost,
                "first": session.first,
                "last": session.last,
                "rows": [
                    {
                        "place": row.place,
                        "time": row.time,
                        "tokens": row.tokens,
                        "stable": row.stable,
                        "repeated": row.repeated,
                        "lost": row.lost,
                    }
                    for row in session.rows
                ],
            }
            for *_, session in sorted(self._worst, key=lambda entry: entry[:-1], reverse=True)
        ]
        return sessions, self._drawn


def _plain(title: str, detail: str, texts: Sequence[str] = ()) -> tuple[str, str, list[str]]:
    return title, detail, list(texts)


def _again(segment: Segment, first: str) -> tuple[str, str, list[str]]:
    title, detail, texts = told(segment)
    return title, f"{detail}; first at {first}", texts


def _has_tools(message: Any) -> bool:
    """Return whether a message calls a tool or holds a result; a trace may hold anything."""
    try:
        return any(part.kind in ("call", "result") for part in parts_of(message, 0))
    except InputError:
        return False

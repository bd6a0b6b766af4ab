"""Walk through the calls of a trace, once, and add up what they waste."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import add, itemgetter
from typing import Any

from ctxmem.auditing import fixes
from ctxmem.auditing.assembly import Call
from ctxmem.auditing.findings import FindingAggregator
from ctxmem.auditing.lineage import inferred_session
from ctxmem.auditing.passages import (
    Boilerplate,
    add_repeat,
    described,
    mark_labelled,
    mark_overlaps,
    mark_repeats,
    mark_versions,
    note_unlike,
)
from ctxmem.auditing.paying import Payer, Till, TranscriptTill
from ctxmem.auditing.rankers import Rankers
from ctxmem.auditing.replay import Found, Replay
from ctxmem.auditing.segments import PART_OF, PARTS, Cutter, Message, Segment, Window, is_foreign
from ctxmem.auditing.sessions import (
    DRAWN_ROWS,
    LONGEST_TRANSCRIPT,
    Row,
    Session,
    Sessions,
    Transcript,
    add_row,
    close,
    compare,
)
from ctxmem.auditing.tool_results import ToolResults
from ctxmem.chat import check
from ctxmem.chat.shapes import ROLES
from ctxmem.errors import InputError
from ctxmem.protocols import Counter
from ctxmem.tokens import Estimate, family_of
from ctxmem.traces import ReadStats

DRAWN_WINDOWS = 24
"""Windows that the page draws token by token: the most wasteful ones."""

DRAWN_OF_SESSION = 3
"""Of them of one session, whose windows are alike."""

DRAWN_SESSIONS = 40
_DRAWN_SEGMENTS = 400
_MOST_SEEN = 300_000  # passages of a session that are remembered
_EXCERPT = 160
_LEARNED_FROM = 500  # calls that an estimate learns from
_PENDING = 1000  # what a turn takes beside its text
_ESTIMATED = itemgetter(*map(list(PARTS).index, ("images", "files", "sound", "thoughts")))
_TOOLS = itemgetter(*map(list(PARTS).index, ("tools", "tool_calls", "tool_results")))
_UNPAIRED = {
    "orphan_result": "a tool result without its call",
    "open_call": "a tool call without its result",
    "misplaced_result": "a tool result in the wrong place",
}
_PAIRS = tuple(_UNPAIRED)


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
    counted: int = 0  # our count of the calls that were billed
    logged: float = 0.0  # dollars, as the log states them
    logged_calls: int = 0
    estimated: int = 0  # calls of which the tokens are estimates
    unreadable: int = 0
    parts: list[int] = field(default_factory=lambda: [0] * len(PARTS))  # in the order of PARTS
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
        payer: Payer | None = None,
        stats: ReadStats | None = None,
    ) -> None:
        self.counter = counter
        self.learned = counter.copy() if isinstance(counter, Estimate) else None
        self.budget = budget
        self.near = near
        self.findings = FindingAggregator(budget)
        self.totals = Totals()
        self.replay = replay
        self.payer = payer
        self.rankers = Rankers()
        self._sessions = Sessions()
        self._cutter = Cutter(counter, stats)
        self._boilerplate = Boilerplate(counter)
        self._drawn: list[dict[str, Any]] = []  # the most wasteful first
        self._longest: list[tuple[int, int, Session]] = []
        self._number = 0

    # Calls

    def prepare(self, calls: Sequence[Call]) -> None:
        """Do at once what calls that come next have in common; it changes no result."""
        if len(calls) > 1:
            self._cutter.prepare(calls)
            if self.near:
                note_unlike(calls)

    def add(self, call: Call) -> None:
        """Take one call."""
        if call.turn is not None:
            self._add_turn(call)
            return
        session = self._sessions.get(call.session or inferred_session(call))
        window = self._cutter.cut(call)
        segments = window.segments
        window.session = session.name
        session.place = session.place or self._place(call, session, 0)
        window.places = self._places(call, session, window.message_of)
        before = self._repeated()
        paid = None
        if self.payer is not None:
            paid = self.payer.window(window)
            session.cost.add(paid)
            self.findings.price = Till(window, paid, session.cost, self.payer)
        session.about = session.about or call.query or _question(segments)
        mark_repeats(window, self.findings)
        if call.messages:
            self.totals.compared += window.tokens if session.threads else 0
            compare(session, window, self.findings)
            if window.uses_tools:
                self._check_pairs(call, session)
        self._mark_resent(session, window)
        if self.near:
            mark_labelled(window, self.findings)
            if not call.unlike:
                mark_versions(window, self.findings)
                mark_overlaps(window, self.findings)
            self._boilerplate.mark(window, self.findings)
        repeated = sum(self._repeated()) - sum(before)
        parts = tuple(window.parts.values())
        row = Row(
            *(call.place, call.time, window.tokens, window.stable, repeated, window.lost, parts),
            paid=paid.money if paid is not None else None,
        )
        self._add_to_totals(call, session, row)
        self._draw(window, session.calls)
        if call.lists:
            sizes = {s.text: s.tokens for s in segments if s.retrieved}
            self.rankers.add(call.lists, sizes, self._place(call, session, 0))
            self.totals.passages += sum(len(event.passages) for event in call.lists)
        if self.replay is not None:
            found = Found(*(now - then for now, then in zip(self._repeated(), before, strict=True)))
            self.replay.add(window, found, paid)
        for closed in self._sessions.settle(session):
            self._close(closed)

    def _repeated(self) -> tuple[int, int]:
        """Return the tokens that repeat others of their request, or of earlier ones, so far."""
        tokens = self.findings.tokens
        return tokens["repeat_in_request"], tokens["repeat_in_session"]

    def _places(
        self, call: Call, session: Session, message_of: Sequence[int]
    ) -> list[dict[str, Any]]:
        if not call.messages:  # all of one place
            return [self._place(call, session, 0)] * len(message_of)
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
        return place

    def _mark_resent(self, session: Session, window: Window) -> None:
        """Mark retrieved passages that an earlier call had, but for its unchanged beginning."""
        cached = window.common  # what the call before begins with too: no order is better
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
                tokens = segment.tokens
                self.findings.add("repeat_in_session", about, tokens, place, describe, at=i)

    def _check_pairs(self, call: Call, session: Session, kinds: Sequence[str] = _PAIRS) -> None:
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
                title = f"{_UNPAIRED[finding.kind]}: {session.title}"
                self.findings.add("broken_pair", about, 0, place, partial(_plain, title, detail))

    def _add_to_totals(self, call: Call, session: Session, row: Row) -> None:
        totals = self.totals
        totals.calls += 1
        totals.requests += bool(call.messages)
        totals.tokens += row.tokens
        totals.stable += row.stable
        totals.lost += row.lost
        totals.largest = max(totals.largest, row.tokens)
        if call.model and (call.model in totals.models or len(totals.models) < 100):
            totals.models[call.model] = totals.models.get(call.model, 0) + 1
        totals.parts = list(map(add, totals.parts, row.parts))
        exact = self._is_exact(call, row.parts)
        totals.estimated += not exact
        self._add_usage(call, row.tokens)
        if self.budget is not None:
            self._add_over_budget(call, session, row.tokens, exact)
        add_row(session, row)

    def _is_exact(self, call: Call, parts: Sequence[int]) -> bool:
        """Whether the tokens of a call are those of its provider, not an estimate of them."""
        if not self.counter.exact:
            return False
        if not (call.messages or call.turn is not None):
            return True  # texts alone
        if any(_ESTIMATED(parts)) or (call.model and is_foreign(call.model)):
            return False
        calls = any(_TOOLS(parts))
        return self._cutter.meter(call.model).is_exact(calls=calls)

    def _add_over_budget(self, call: Call, session: Session, tokens: int, exact: bool) -> None:
        """Report a window over the budget, by the provider's count where the log has it."""
        assert self.budget is not None
        billed = call.usage.input if call.usage is not None else None
        most = max(tokens, billed or 0) if exact or not billed else billed
        if most <= self.budget:
            return
        detail = f"the first of these requests has {most:,} tokens"
        if billed == most:
            detail += f", as the provider billed it; what the log shows of it has {tokens:,}"
        elif not exact:
            detail += ", an estimate"
        title = f"over the budget of {self.budget:,} tokens: {session.title}"
        describe = partial(_plain, title, detail)
        place = self._place(call, session, 0)
        fix = partial(fixes.within, self.budget, call.messages, self.counter)
        over = most - self.budget
        self.findings.add("over_budget", session.name, over, place, describe, fix=fix)

    def _add_usage(self, call: Call, tokens: int) -> None:
        totals = self.totals
        if call.cost is not None:
            totals.logged += call.cost
            totals.logged_calls += 1
        if call.usage is None or call.usage.input is None:
            return
        totals.billed += call.usage.input
        totals.billed_calls += 1
        totals.counted += tokens
        totals.output += call.usage.output or 0
        totals.written += call.usage.written or 0
        if call.usage.cached is not None:
            totals.cached += call.usage.cached
            totals.cached_told = True
        self._learn(call, call.usage.input)

    def _learn(self, call: Call, tokens: int) -> None:
        """Let a copy of an estimate observe a call of a model of its family; counts stay.

        A turn of a transcript holds one message of what was sent, so it says nothing.
        """
        learned = self.learned
        if learned is None or call.turn is not None or not call.messages:
            return
        if family_of(call.model) != learned.family or learned.observations >= _LEARNED_FROM:
            return
        with contextlib.suppress(InputError):  # images, or a count that cannot be of this request
            learned.observe({"messages": call.messages, "tools": call.tools}, tokens)

    # Transcripts

    def _add_turn(self, call: Call) -> None:
        """Take one message of a chat whose log has a record for each message.

        One that another session had before, of which this is a copy, is part of what later calls
        were sent, but no call of its own; so are those that a rewound conversation begins with.
        """
        name = call.session or "chat"
        session = self._sessions.get(name)
        session.place = session.place or {"place": call.place, "session": session.name}
        sent, head, model = 0, 0, ""
        if call.restart:
            self._close_transcript(session)
            if session.transcript is not None:
                before = session.transcript
                sent, head, model = before.sent, before.head, before.model
            session.transcript = Transcript(head=head, model=model)
        if session.transcript is None:
            session.transcript = Transcript()
        chat = session.transcript
        if chat.characters > LONGEST_TRANSCRIPT:
            self._close_transcript(session)
            chat = session.transcript = Transcript(
                tokens=chat.tokens,
                repeated=chat.repeated,
                sent=chat.sent,
                turn=chat.turn,
                parts=chat.parts,
                head=chat.head,
                model=chat.model,
                time=chat.time,
            )
        answered = _is_of_model(call.messages) and not call.restart
        again = call.turn == chat.turn
        if answered:
            chat.turn = call.turn or ""
        chat.place = call.place
        if call.restart:
            self._take(chat, call)
            # What a rewound conversation shares with the one before it.
            chat.sent = min(sent, chat.tokens + chat.head)
        else:
            chat.pending.append(call)
            chat.characters += _PENDING
            for message in call.messages:
                chat.characters += _length(message)
        if answered:
            chat.pending.pop()
            self._take_pending(chat, call.model)
            session.about = session.about or chat.about
            if not again and not call.known:
                self._add_call(chat, session, call)
            self._take(chat, call)
        for closed in self._sessions.settle(session):
            self._close(closed)

    def _add_call(self, chat: Transcript, session: Session, call: Call) -> None:
        """Take a call of the model, which was sent all of the chat so far."""
        chat.model = call.model
        chat.head = self._cutter.meter(call.model).request
        tokens = chat.tokens + chat.head
        parts = {**chat.parts, "overhead": chat.parts["overhead"] + chat.head}
        row = Row(call.place, call.time, tokens, chat.sent, chat.repeated, 0, tuple(parts.values()))
        if self.payer is not None:
            idle = (call.time or 0.0) - (chat.time or 0.0) if call.time and chat.time else 0.0
            paid = self.payer.turn(call, tokens, chat.sent, idle)
            session.cost.add(paid)
            chat.paid.append(paid)
            row.paid = paid.money
            self.findings.price = TranscriptTill(chat.paid[-1:], [], session.cost, self.payer)
        self._add_to_totals(call, session, row)
        if len(chat.rows) < DRAWN_ROWS:
            chat.rows.append(row)
        self.totals.compared += tokens if chat.calls or chat.sent else 0
        chat.calls += 1
        chat.sizes.append((len(chat.messages), tokens))
        chat.sent = tokens
        chat.time = call.time

    def _take_pending(self, chat: Transcript, model: str) -> None:
        """Take the messages since the model's last one, counted as its provider counts them."""
        for call in chat.pending:
            call.model = call.model or model or chat.model
            self._take(chat, call)
        chat.pending.clear()

    def _take(self, chat: Transcript, call: Call) -> None:
        """Add messages to a chat."""
        call.model = call.model or chat.model
        first = len(chat.messages)
        chat.messages += call.messages
        for number, message in enumerate(self._cutter.messages(call), start=first):
            start = chat.head + chat.tokens
            for segment in message.segments:
                at = len(chat.segments)
                chat.segments.append(segment)
                chat.calls_before.append(chat.calls)
                chat.places.append(call.place)
                chat.starts.append(start)
                chat.message_of.append(number)
                start += segment.tokens
                if segment.comparable:
                    source = chat.at.setdefault(segment.key, at)
                    if source != at:
                        chat.repeats.append((at, source))
                        chat.repeated += segment.tokens
            if not chat.about:
                chat.about = _question(message.segments)
            chat.tokens += message.tokens
            chat.uses_tools |= message.uses_tools
            self._add_parts(chat, message)

    def _add_parts(self, chat: Transcript, message: Message) -> None:
        """Add the tokens of a message to the parts of a chat; the last question is one of them."""
        parts = chat.parts
        if message.roles.get("user"):
            parts["history"] += parts["question"]
            parts["question"] = 0
        for role, tokens in message.roles.items():
            parts["question" if role == "user" else PART_OF.get(role, "history")] += tokens
            parts["overhead"] -= tokens
        parts["overhead"] += message.tokens

    def _close_transcript(self, session: Session) -> None:
        """Report what repeats in a chat; every later call was sent it again."""
        chat = session.transcript
        if chat is None or not chat.calls:
            return
        self._take_pending(chat, "")
        session.about = session.about or chat.about
        before = self._repeated()[0]
        if self.payer is not None:
            sizes = (segment.tokens for segment in chat.segments)
            places = list(zip(chat.starts, sizes, chat.calls_before, strict=True))
            self.findings.price = TranscriptTill(chat.paid, places, session.cost, self.payer)

        def place(at: int) -> dict[str, Any]:
            where = {"place": chat.places[at], "session": session.name}
            return {**where, "message": chat.message_of[at]}

        asked = Call(chat.place, session.name, session.name, None, "", None, turn=chat.turn)
        asked.messages = chat.messages
        sent = [chat.calls - calls_before for calls_before in chat.calls_before]
        window = Window(asked, session.name, chat.segments, tokens=chat.tokens + chat.head)
        window.places = [place(at) for at in range(len(chat.segments))]
        results, counted = ToolResults(chat.messages), set[Hashable]()
        for at, source in chat.repeats:
            window.marks[at] = "repeat"
            if sent[at] > 0:
                more: dict[str, Any] = {"calls": sent[at], "first": chat.places[source]}
                add_repeat(window, self.findings, results, counted, at, source, **more)
        if self.near:
            window.unique = [
                at
                for at, segment in enumerate(chat.segments)
                if segment.comparable and at not in window.marks
            ]
            mark_labelled(window, self.findings, sent)
            self._add_partly(session, chat, window, sent)
            mark_versions(window, self.findings)
        # An answer may be logged block by block, so its results may be apart from its calls.
        if chat.uses_tools:
            self._check_pairs(asked, session, ("orphan_result", "open_call"))
        self._draw(window, session.calls)
        if self.replay is not None:
            found = self._repeated()[0] - before
            meter = self._cutter.meter(chat.model)
            self.replay.add_chat(session.name, chat, found, meter)

    @staticmethod
    def _add_partly(
        session: Session, chat: Transcript, window: Window, sent: Sequence[int]
    ) -> None:
        """Add lines that repeat others, found when a chat is closed, to the calls that had them."""
        for at, tokens in window.partly.items():
            session.repeated += tokens * sent[at]
            for row in chat.rows[chat.calls_before[at] :]:
                row.repeated += tokens

    # Drawing

    def _draw(self, window: Window, number: int) -> None:
        """Keep a window for the page if it is among the most wasteful."""
        segments = window.segments
        wasted = window.moved.union(window.marks)
        waste = sum(segments[i].tokens for i in wasted)
        if not self._is_drawn(window.session, waste):
            return
        marks = {**dict.fromkeys(range(window.common), "stable"), **window.marks}
        marks.update((i, "lost") for i in window.moved if i not in marks)
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
        full = len(self._drawn) >= DRAWN_WINDOWS
        if full and waste <= self._drawn[-1]["waste"]:  # so it wastes less than any of its session
            return False
        same = [window for window in self._drawn if window["session"] == session]
        rivals = same if len(same) >= DRAWN_OF_SESSION else self._drawn
        if rivals is self._drawn and not full:
            return True
        if waste <= rivals[-1]["waste"]:
            return False
        self._drawn.remove(rivals[-1])
        return True

    def _close(self, session: Session) -> None:
        if session.transcript is not None:
            self._close_transcript(session)
        if self.payer is not None:
            self.findings.price = partial(self._price_growth, session)
        close(session, self.findings)
        self.totals.sessions += 1
        self._number += 1
        session.threads, session.seen, session.transcript = [], {}, None
        entry = (session.tokens, session.repeated + session.lost, -self._number, session)
        push = heapq.heappush if len(self._longest) < DRAWN_SESSIONS else heapq.heappushpop
        push(self._longest, entry)  # type: ignore[misc]

    def finish(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Close every session; return what the page draws.

        That is the longest sessions and the most wasteful windows.
        """
        for session in self._sessions.rest():
            self._close(session)
        if self.payer is not None:
            self.findings.price = self._price_anywhere
        self.findings.calls = self.totals.calls
        self.rankers.tell(self.findings)
        sessions = [
            {
                "session": session.name,
                "about": " ".join(session.about[:_EXCERPT].split()),
                "calls": session.calls,
                "tokens": session.tokens,
                "repeated": session.repeated,
                "lost": session.lost,
                "first": session.first,
                "last": session.last,
                "money": None if self.payer is None else session.cost.paid,
                "rows": [
                    {
                        "place": row.place,
                        "time": row.time,
                        "tokens": row.tokens,
                        "stable": row.stable,
                        "repeated": row.repeated,
                        "lost": row.lost,
                        "paid": row.paid,
                        "parts": {
                            part: tokens
                            for part, tokens in zip(PARTS, row.parts, strict=True)
                            if tokens
                        },
                    }
                    for row in session.rows
                ],
            }
            for *_, session in sorted(self._longest, key=lambda entry: entry[:-1], reverse=True)
        ]
        return sessions, self._drawn

    def _price_growth(self, session: Session, kind: str, tokens: int, at: int | None) -> float:
        assert self.payer is not None
        got = session.cost.claim(session.cost.above(session.sizes, session.last // 2))
        self.payer.claimed += got
        return got

    def _price_anywhere(self, kind: str, tokens: int, at: int | None) -> float:
        assert self.payer is not None
        return self.payer.claim(tokens, self.totals.tokens)


def _question(segments: Sequence[Segment]) -> str:
    """Return the first text of a user, without what a program put in front of it in tags."""
    return next(
        (s.text for s in segments if s.role == "user" and not s.text.lstrip().startswith("<")), ""
    )


def _plain(title: str, detail: str, texts: Sequence[str] = ()) -> tuple[str, str, list[str]]:
    return title, detail, list(texts)


def _again(segment: Segment, first: str) -> tuple[str, str, list[str]]:
    title, detail, texts = described(segment)
    return title, f"{detail}; first at {first}", texts


def _is_of_model(messages: Sequence[Any]) -> bool:
    """Return whether the first message, of those that are one, is an answer of the model."""
    for message in messages:
        if isinstance(message, dict):
            return ROLES.get(str(message.get("role"))) == "assistant"
    return False


def _length(message: Any) -> int:
    """Return about how many characters a message has."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        return sum(
            len(v) for b in content if isinstance(b, dict) for v in b.values() if isinstance(v, str)
        )
    return len(content) if isinstance(content, str) else 0

"""What changes from call to call of one session: repeats, the prefix, growth."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ctxmem.auditing import fixes
from ctxmem.auditing.findings import FindingAggregator
from ctxmem.auditing.paying import Paid, SessionCost
from ctxmem.auditing.segments import PARTS, Segment, Window, key_of
from ctxmem.dedup import contrast

LOST_TOKENS = 64
"""Tokens behind a changed beginning that are reported from here on; providers cache longer runs."""

GROWN_CALLS, GROWN_TIMES, GROWN_TOKENS = 6, 3.0, 2000
"""A session grows without restraint if it has as many calls, its last window is as many times its
first, of as many tokens, and no window was a tenth smaller than the one before."""

LONGEST_TRANSCRIPT = 32 << 20
"""Characters of a chat, logged message by message, in which repeats are looked for at once."""

BREAK_CALLS, BREAK_SHARE = 12, 3
"""A history that is trimmed or summarised once in a while loses the cache then, on purpose. A break
is reported if more than one in `BREAK_SHARE` of the last `BREAK_CALLS` calls has one."""

CACHED_TOKENS = 1024
"""Tokens that an unchanged beginning has at least where providers cache it."""

MOST_LINES = 400_000
"""So many ids of lines at least are known, twice as many at most."""

_TEXT_OF = {
    "system": "system prompt",
    "user": "message of the user",
    "assistant": "message of the model",
    "tool": "tool result",
}
_TITLE = 40  # characters of a question that names a session
_BLANK = key_of("")
_HELD_CHARACTERS = 48 << 20
DRAWN_ROWS = 400  # calls of a session that the page can draw
_THREADS = 4
_CLOCK = re.compile(
    r"\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?|\b\d{4}-\d\d-\d\d|\b1[5-9]\d{8}\b"
    r"|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
)


@dataclass(slots=True)
class Row:
    """What the page draws of one call."""

    place: str
    time: float | None
    tokens: int
    stable: int  # tokens of the beginning that is that of the call before
    repeated: int  # tokens that the window has twice, or that came again
    lost: int  # tokens of the call before that are behind what changed
    parts: tuple[int, ...] = ()  # tokens by part, in the order of PARTS
    paid: float | None = None  # for its input, None without prices


@dataclass(slots=True)
class _Thread:
    """The last window of one line of calls; a session may have several that alternate."""

    segments: list[Segment]
    keys: set[int]
    characters: int


@dataclass(slots=True)
class Session:
    """What is known of a session while it goes on."""

    name: str
    threads: list[_Thread] = field(default_factory=list)
    seen: dict[int, tuple[int, str]] = field(default_factory=dict)  # passage -> call, place
    rows: list[Row] = field(default_factory=list)
    calls: int = 0
    tokens: int = 0
    repeated: int = 0
    lost: int = 0
    first: int = 0
    last: int = 0
    shrunk: bool = False
    breaks: int = 0  # of the last calls, the newest in the lowest bit
    sizes: list[int] = field(default_factory=list)  # tokens of each call, for growth
    place: dict[str, Any] = field(default_factory=dict)
    about: str = ""  # how its first question begins
    transcript: Transcript | None = None
    cost: SessionCost = field(default_factory=SessionCost)

    @property
    def title(self) -> str:
        """What a person calls it: its first question, else its name."""
        about = " ".join(self.about[: 4 * _TITLE].split())
        if not about:
            return f"session {self.name}"
        return f'"{about if len(about) <= _TITLE else about[: _TITLE - 1] + "…"}"'

    @property
    def characters(self) -> int:
        """Characters that are held for it, about, and what else takes as much memory."""
        held = 2000 + 400 * len(self.rows) + 100 * len(self.seen)
        for thread in self.threads:
            held += thread.characters + 200 * len(thread.segments)
        if self.transcript is not None:
            held += self.transcript.characters + 400 * len(self.transcript.segments)
        return held


@dataclass(slots=True)
class Transcript:
    """A chat logged message by message: every call is sent all that came before it."""

    messages: list[Any] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    calls_before: list[int] = field(default_factory=list)  # calls made before each segment came
    places: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)  # tokens in front of each segment
    parts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    uses_tools: bool = False
    paid: list[Paid] = field(default_factory=list)  # for each call, with prices
    time: float | None = None  # of the last call
    pending: list[Any] = field(default_factory=list)  # turns since the model's last one
    sizes: list[tuple[int, int]] = field(default_factory=list)  # messages and tokens of each call
    head: int = 0  # tokens that the provider adds to a request
    model: str = ""
    about: str = ""  # how its first question begins
    message_of: list[int] = field(default_factory=list)  # the message of each segment
    rows: list[Row] = field(default_factory=list)  # of its first calls
    place: str = ""  # of the last message
    at: dict[int, int] = field(default_factory=dict)  # key -> its first segment
    repeats: list[tuple[int, int]] = field(default_factory=list)  # (segment, the first of its text)
    tokens: int = 0
    repeated: int = 0
    sent: int = 0  # tokens of the last call
    calls: int = 0
    turn: str = ""
    characters: int = 0


class Sessions:
    """All sessions that go on; the longest idle ones are closed when they hold too much."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._held: dict[str, int] = {}
        self._characters = 0

    def get(self, name: str) -> Session:
        """Return the session of a name, opened if need be, as the latest."""
        session = self._open.get(name)
        if session is None:
            session = self._open[name] = Session(name)
        self._open.move_to_end(name)
        return session

    def settle(self, session: Session) -> list[Session]:
        """Note what a session holds now; return those that had to be closed for it."""
        now = session.characters
        self._characters += now - self._held.get(session.name, 0)
        self._held[session.name] = now
        closed = []
        while self._characters > _HELD_CHARACTERS and len(self._open) > 1:
            _, oldest = self._open.popitem(last=False)
            self._characters -= self._held.pop(oldest.name, 0)
            closed.append(oldest)
        return closed

    def rest(self) -> list[Session]:
        """Return the sessions that are still open."""
        return list(self._open.values())


class Lines:
    """The lines of transcripts that were read, by their ids, which copies keep.

    A file may be there twice, and a session that is resumed or forked begins with a copy of the
    lines of another. The ids that were seen longest ago are dropped beyond `MOST_LINES`.
    """

    def __init__(self) -> None:
        self.copies = 0
        self._counted = ""
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def read(self, line: str, session: str) -> str:
        """Take a line in; return "new", "again" in the same session, or "copied" from another."""
        if not line:
            return "new"
        here = key_of(f"{session}\0{line}")
        if self._knows(here):
            self._count(line)
            return "again"
        anywhere = key_of(line)
        copied = self._knows(anywhere)
        if copied:
            self._count(line)
        self._newer |= {here, anywhere}
        if len(self._newer) > MOST_LINES:
            self._older, self._newer = self._newer, set()
        return "copied" if copied else "new"

    def _count(self, line: str) -> None:
        """Count a copy; a line with two events, a restart and a turn, is read twice in a row."""
        name = line.rpartition(" ")[2]
        self.copies += name != self._counted
        self._counted = name

    def _knows(self, key: int) -> bool:
        return key in self._newer or key in self._older


def add_row(session: Session, row: Row) -> None:
    """Add the figures of a call to its session."""
    if session.calls == 0:
        session.first = row.tokens
    elif row.tokens < 0.9 * session.last:
        session.shrunk = True
    session.last = row.tokens
    session.calls += 1
    session.tokens += row.tokens
    session.repeated += row.repeated
    session.lost += row.lost
    if len(session.sizes) < 1 << 14:
        session.sizes.append(row.tokens)
    if len(session.rows) < DRAWN_ROWS:
        session.rows.append(row)


# The prefix


def compare(session: Session, window: Window, findings: FindingAggregator) -> None:
    """Compare a window with the one before it, and report what changed in front of what stayed."""
    segments = window.segments
    thread, common, old = _closest(session, segments)
    keys = {segment.key for segment in segments}
    characters = sum(len(segment.text) for segment in segments)
    if thread is not None:
        session.threads.remove(thread)
        window.common = common
        window.stable = window.start_of(common) if common else 0
        if common < len(segments) and old < len(thread.segments):
            moved = [i for i in range(common, len(segments)) if segments[i].key in thread.keys]
            lost = sum(segments[i].tokens for i in moved)
            if lost >= LOST_TOKENS:
                window.lost, window.moved = lost, frozenset(moved)
    session.breaks = (session.breaks << 1 | (window.lost > 0)) & (1 << BREAK_CALLS) - 1
    if thread is not None and window.lost:
        what = _changed(thread.segments[old:], segments[common:])
        session.shrunk |= what == "dropped"
        if _breaks_often(session):
            _tell_break(session, what, thread.segments[old], window, findings)
    session.threads.append(_Thread(segments, keys, characters))
    del session.threads[:-_THREADS]


def _breaks_often(session: Session) -> bool:
    """Return whether the beginning changes so often that no schedule can be behind it."""
    calls = min(session.calls + 1, BREAK_CALLS)
    return BREAK_SHARE * session.breaks.bit_count() > calls


def _closest(session: Session, segments: Sequence[Segment]) -> tuple[_Thread | None, int, int]:
    """Return the line of calls that a window continues, and how many segments of each they share.

    The shared ones are those at the beginning, of the window and of the one before it.
    """
    best, most, old = None, 0, 0
    for thread in reversed(session.threads):
        common, theirs = _common(segments, thread.segments)
        if common > most or (best is None and common):
            best, most, old = thread, common, theirs
    if best is None:
        for thread in reversed(session.threads):
            shared = sum(segment.key in thread.keys for segment in segments)
            if 2 * shared >= min(len(segments), len(thread.segments)):
                return thread, 0, 0
    return best, most, old


def _common(one: Sequence[Segment], other: Sequence[Segment]) -> tuple[int, int]:
    """Return how many segments at the beginning of each are the same.

    White space between passages may be a segment or the end of one, as passages were found.
    """
    i = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine.key != theirs.key:
            break
        i += 1
    j = i
    while i < len(one) and j < len(other):
        if one[i].key == other[j].key:
            i, j = i + 1, j + 1
        elif one[i].key == _BLANK:
            i += 1
        elif other[j].key == _BLANK:
            j += 1
        else:
            break
    return i, j


def _changed(old: Sequence[Segment], new: Sequence[Segment]) -> str:
    """Return what happened behind the common beginning: "dropped", "inserted" or "changed"."""
    if any(segment.key == new[0].key for segment in old[1:]):
        return "dropped"
    if any(segment.key == old[0].key for segment in new[1:]):
        return "inserted"
    return "changed"


def _tell_break(
    session: Session, what: str, before: Segment, window: Window, findings: FindingAggregator
) -> None:
    common = window.common
    now = window.segments[common]
    if what == "dropped":
        detail = f"{before.name!r} ({before.role}) was taken out in front of what stayed"
        title = f"the history is cut at its beginning: {session.title}"
    elif what == "inserted":
        detail = f"{now.name!r} ({now.role}) was put in front of what was there"
        title = f"something new is put near the beginning: {session.title}"
    else:
        texts_of_both = now.text[:4000], before.text[:4000]
        how = contrast(*texts_of_both, "it", "the one of the request before")
        detail = f"the {_TEXT_OF.get(now.role, now.role)} changed: {how}"
        if _CLOCK.search(now.text) and _CLOCK.sub("", now.text) == _CLOCK.sub("", before.text):
            detail += "; a time or an id that is new in every request"
        title = f"requests change after {window.stable:,} tokens: {session.title}"
    place = window.places[common]
    texts = [before.text[:1500], now.text[:1500]] if what == "changed" else [before.text[:1500]]
    texts = [now.text[:1500]] if what == "inserted" else texts
    tokens = window.lost
    if window.tokens < CACHED_TOKENS:
        tokens = 0
        detail += (
            f"; it costs nothing yet, since providers cache no request under {CACHED_TOKENS:,} "
            "tokens"
        )
    findings.add(
        "unstable_prefix",
        (session.name, what, now.role),
        tokens,
        place,
        lambda: (title, detail, texts),
        fix=fixes.cut_in_steps(findings.budget or 2 * window.tokens)
        if what == "dropped"
        else fixes.appended(),
    )


# Growth


def close(session: Session, findings: FindingAggregator) -> None:
    """Report what only the end of a session shows."""
    if (
        session.calls < GROWN_CALLS
        or session.shrunk
        or session.last < GROWN_TOKENS
        or session.last < GROWN_TIMES * max(1, session.first)
    ):
        return
    half = session.last // 2
    above = sum(max(0, tokens - half) for tokens in session.sizes)

    def describe() -> tuple[str, str, list[str]]:
        title = f"from {session.first:,} to {session.last:,} tokens: {session.title}"
        detail = (
            f"{session.calls:,} requests sent {session.tokens:,} tokens and nothing was ever "
            f"trimmed; windows of at most {half:,} tokens would have saved {above:,}"
        )
        return title, detail, []

    findings.add(
        "growth", session.name, above, session.place, describe,
        requests=session.calls, fix=fixes.remembered(findings.budget or half),
    )  # fmt: skip

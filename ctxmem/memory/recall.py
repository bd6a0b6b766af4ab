"""Find what answers a question: the pages, and the passages of messages to show for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native

NEIGHBOUR = 0.5
"""Share of its neighbours' better score that a page gets: who asks is answered by what follows."""


def scores(texts: list[str], query: str) -> NDArray[np.float64]:
    """Return how well each page answers the query; 0 where nothing speaks for it."""
    if not texts:
        return np.zeros(0)
    own = _native.bm25(texts, [query])[:, 0]
    beside = np.zeros_like(own)
    beside[1:] = own[:-1]
    beside[:-1] = np.maximum(beside[:-1], own[1:])
    smoothed: NDArray[np.float64] = own + NEIGHBOUR * beside
    return smoothed


def ranked(texts: list[str], query: str, k: int) -> list[tuple[int, float]]:
    """Return the k best pages and their scores, best first; ties go to the newer page."""
    found = scores(texts, query)
    order = np.lexsort((-np.arange(len(found)), -found))[:k]
    return [(int(i), float(found[i])) for i in order if found[i] > 0]


LEFT_OUT = "[...]"
"""Marks where text of a message is left out."""
WHOLE = 140
"""A message of up to so many tokens is shown whole."""
EXCERPT = 110
"""Of a longer one, passages of about so many tokens are shown."""
_BROAD_WHOLE, _BROAD_EXCERPT = 90, 80  # where many messages are wanted
_CANDIDATES = 400
_MISSES = 30  # so many candidates in a row do not fit: the room is full
_SAME_SUBJECT = 0.6  # of the best score: a message that speaks of the same thing
_OVERHEAD = 20  # tokens, so that very short messages are not worth everything

_ORDER = re.compile(
    r"\b(?:in (?:what|which) order|in order\b(?! to)|the order|order in which|sequence of"
    r"|chronolog\w*|timeline|reihenfolge|dans quel ordre|en qu[eé] orden|in che ordine)\b",
    re.IGNORECASE,
)
_SUMMARY = re.compile(
    r"\b(?:summar\w*|overview|recap|everything|progress(?:ed)?|evolv\w*|developed|over time"
    r"|so far|zusammenfass\w*|fass\w* .* zusammen|r[eé]sum[eé]\w*|resum\w*|riassum\w*)\b",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"\b(?:how many|how often|in total|number of|list (?:all|every)|wie viele|wie oft|combien"
    r"|cu[aá]nt[oa]s|quant[ie])\b",
    re.IGNORECASE,
)
_EARLIEST = re.compile(
    r"\b(?:first|earliest|initial(?:ly)?|zuerst|premier|primero)\b", re.IGNORECASE
)
_LATEST = re.compile(
    r"\b(?:last|latest|most recent(?:ly)?|newest|current(?:ly)?|zuletzt|dernier|[uú]ltim[oa])\b",
    re.IGNORECASE,
)
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
_SPAN = re.compile(
    r"\b(?P<how>before|until|after|since|in|during) "
    rf"(?:(?P<month>{'|'.join(_MONTHS)})(?:,? (?P<of>(?:19|20)\d\d))?|(?P<year>(?:19|20)\d\d))\b",
    re.IGNORECASE,
)
_DAY = re.compile(r"\b(?:yesterday|today)\b", re.IGNORECASE)


class Ask(NamedTuple):
    """What kind of question it is: "fact", "count", "order" or "summary", and which end it wants.

    `end` is -1 for the earliest messages, 1 for the latest, 0 for any.
    """

    kind: str
    end: int = 0


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What is shown of a message: its number, the code points that are shown, and their text."""

    message: int
    spans: tuple[tuple[int, int], ...]
    text: str
    tokens: int


def read_question(question: str) -> Ask:
    """Return what kind of answer a question wants, by its words.

    >>> read_question("How many tickets did we open?")
    Ask(kind='count', end=0)
    """
    end = 1 if _LATEST.search(question) else -1 if _EARLIEST.search(question) else 0
    for kind, pattern in (("order", _ORDER), ("summary", _SUMMARY), ("count", _COUNT)):
        if pattern.search(question):
            return Ask(kind, end)
    return Ask("fact", end)


def period(question: str, now: float) -> tuple[float, float] | None:
    """Return the span of time in seconds that a question names, or None; days and months are UTC.

    A month without a year is the last one that has begun.

    >>> period("What did we decide before March?", 1716000000.0)
    (-inf, 1709251200.0)
    """
    moment = datetime.fromtimestamp(now, timezone.utc)
    day = _DAY.search(question)
    if day:
        start = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        start -= timedelta(days=day[0].lower() == "yesterday")
        return start.timestamp(), (start + timedelta(days=1)).timestamp()
    found = _SPAN.search(question)
    if found is None:
        return None
    if found["year"]:
        start = datetime(int(found["year"]), 1, 1, tzinfo=timezone.utc)
        end = datetime(start.year + 1, 1, 1, tzinfo=timezone.utc)
    else:
        month = _MONTHS.index(found["month"].lower()) + 1
        year = int(found["of"]) if found["of"] else moment.year - (month > moment.month)
        start = datetime(year, month, 1, tzinfo=timezone.utc)
        end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=timezone.utc)
    how = found["how"].lower()
    return (
        -np.inf if how in ("before", "until") else (end if how == "after" else start).timestamp(),
        np.inf if how in ("after", "since") else (start if how == "before" else end).timestamp(),
    )


def select(
    index: _native.SessionIndex,
    question: str,
    room: int,
    *,
    text_of: Callable[[int], str],
    count: Callable[[str], int],
    shown: Collection[int] = (),
    now: float | None = None,
    kept: Mapping[int, Iterable[tuple[int, int]]] | None = None,
    least: float = 0.0,
) -> list[Excerpt]:
    """Return what to show of a session for a question, in the session's order.

    Args:
        index: the session's messages.
        question: what is asked.
        room: tokens that all excerpts may have together; each takes two more, for what separates
            it.
        text_of: returns the text of a message by its number.
        count: returns the tokens of a text.
        shown: messages that the window has already.
        now: seconds, to read "yesterday" and "in March" by; without it they are not read.
        kept: code points of messages that are shown whatever is asked, if there is room.
        least: messages with less than this share of the best score are left out, except where a
            question wants many.
    """
    ask = read_question(question)
    numbers, speakers, _ = index.messages()
    users = set(numbers[speakers == 0].tolist())
    found = _search(index, question, ask, now)
    passages = dict(zip(found.messages, found.passages, strict=True))
    broad = ask.kind in ("order", "summary")
    sizes = (_BROAD_WHOLE, _BROAD_EXCERPT) if broad else (WHOLE, EXCERPT)
    filling = _Filling(room, text_of, count)
    for number, spans in (kept or {}).items():
        filling.offer(number, tuple(spans))
    worth = []
    for number, score in zip(found.messages, found.scores, strict=True):
        if number in shown or (not broad and score < least * found.scores[0]):
            continue
        opens = number in users
        spans = filling.excerpt(number, passages[number], *sizes, opens=opens)
        worth.append((score / (filling.cost(number, spans) + _OVERHEAD) ** 0.5, number, spans))
    order = _ordered(worth, users, ask, found)
    misses = 0
    for number, spans in order:
        misses = 0 if filling.offer(number, spans) else misses + 1
        if misses > _MISSES:
            break
    return filling.excerpts()


class _Found(NamedTuple):
    messages: list[int]
    scores: list[float]
    passages: list[list[tuple[int, int, float]]]


def _search(index: _native.SessionIndex, question: str, ask: Ask, now: float | None) -> _Found:
    answers = 0.0 if ask.kind == "order" else 0.35
    weights = (1.0, answers, answers, answers, 0.7)
    asked = 0.6 if ask.kind == "summary" else 0.4
    limits = period(question, now) if now is not None else None
    since, until = limits or (-np.inf, np.inf)
    found = index.search(
        question, _CANDIDATES, weights=weights, asked=asked, since=since, until=until
    )
    if limits and not len(found[0]):  # nothing of that time: any time is better than nothing
        found = index.search(question, _CANDIDATES, weights=weights, asked=asked)
    messages, scores, first, start, end, own = (column.tolist() for column in found)
    rows = list(zip(start, end, own, strict=True))
    passages = [rows[first[i] : first[i + 1]] for i in range(len(messages))]
    return _Found(messages, scores, passages)


def _ordered(
    worth: list[tuple[float, int, tuple[tuple[int, int], ...]]],
    users: set[int],
    ask: Ask,
    found: _Found,
) -> list[tuple[int, tuple[tuple[int, int], ...]]]:
    """Return the candidates, the one to show first at the beginning."""
    ranked = sorted(worth, key=lambda one: (-one[0], -one[1]))
    order = [(number, spans) for _, number, spans in ranked]
    if ask.kind not in ("fact", "count") or not found.scores:
        return order
    score = dict(zip(found.messages, found.scores, strict=True))
    same = [
        one for one in order if one[0] in users and score[one[0]] >= _SAME_SUBJECT * found.scores[0]
    ]
    # A value may have changed: the newest message about the subject is always among what is shown.
    ahead = sorted(same, key=lambda one: ask.end * -one[0])[:3] if ask.end else []
    ahead += [max(same)] if same else []
    ahead = list(dict.fromkeys(ahead))
    return ahead + [one for one in order if one not in ahead]


class _Filling:
    """Excerpts that are taken in while there is room."""

    def __init__(
        self, room: int, text_of: Callable[[int], str], count: Callable[[str], int]
    ) -> None:
        self._room = room
        self._text_of = text_of
        self._count = count
        self._taken: dict[int, Excerpt] = {}
        self._sizes: dict[int, int] = {}

    def _size(self, number: int) -> int:
        if number not in self._sizes:
            self._sizes[number] = self._count(self._text_of(number))
        return self._sizes[number]

    def excerpt(
        self,
        number: int,
        passages: list[tuple[int, int, float]],
        whole: int,
        most: int,
        *,
        opens: bool,
    ) -> tuple[tuple[int, int], ...]:
        """Return what to show of a message: all, or its opening and the passages that answer."""
        text = self._text_of(number)
        if self._size(number) <= whole or not passages:
            return ((0, len(text)),)
        best = sorted(passages, key=lambda one: (-one[2], one[0]))
        chosen = [passages[0] if opens or best[0][2] <= 0 else best[0]]
        tokens = self._count(text[chosen[0][0] : chosen[0][1]])
        for passage in best:
            if passage in chosen:
                continue
            if tokens >= 0.75 * most and passage is not best[0]:
                break
            more = self._count(text[passage[0] : passage[1]])
            if tokens + more <= 1.6 * most:
                chosen.append(passage)
                tokens += more
        return tuple(sorted((start, end) for start, end, _ in chosen))

    def cost(self, number: int, spans: tuple[tuple[int, int], ...]) -> int:
        """Return the tokens that an excerpt takes, with what separates it from the next."""
        return self._made(number, spans).tokens + 2

    def _made(self, number: int, spans: tuple[tuple[int, int], ...]) -> Excerpt:
        text = shown_text(self._text_of(number), spans)
        return Excerpt(number, spans, text, self._count(text))

    def offer(self, number: int, spans: tuple[tuple[int, int], ...]) -> bool:
        """Take an excerpt in if there is room for it, and return whether it was."""
        held = self._taken.get(number)
        spans = _joined(spans + held.spans) if held else spans
        made = self._made(number, spans)
        room = self._room - made.tokens - 2 + (held.tokens + 2 if held else 0)
        if room < 0:
            return False
        self._room = room
        self._taken[number] = made
        return True

    def excerpts(self) -> list[Excerpt]:
        """Return what was taken in, in the session's order."""
        return [self._taken[number] for number in sorted(self._taken)]


def _joined(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    out: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return tuple(out)


def shown_text(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return the spans of a text, in order, with a mark wherever words between them are left out.

    >>> shown_text("One. Two. Three.", [(5, 9)])
    '[...]\\nTwo.\\n[...]'
    """
    out, last = [], 0
    for start, end in spans:
        if text[last:start].strip():
            out.append(LEFT_OUT)
        out.append(text[start:end].strip("\n"))
        last = end
    if text[last:].strip():
        out.append(LEFT_OUT)
    return "\n".join(out)

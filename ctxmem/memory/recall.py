"""Find what answers a question: the pages, and the passages of messages to show for it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.memory.blocks import shown_text, whole_blocks
from ctxmem.memory.questions import FAINT, Ask, period, read_question
from ctxmem.memory.vectors import Near

NEIGHBOUR = 0.5
"""Share of its neighbours' better score that a page gets: who asks is answered by what follows."""


def scores(texts: list[str], query: str) -> NDArray[np.float64]:
    """Return how well each page answers the query; 0 where no word of the query is in it."""
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


BROAD = ("order", "summary")
"""Kinds of questions that want many messages."""
WHOLE = 140
"""A message of up to so many tokens is shown whole."""
EXCERPT = 110
"""Of a longer one, passages of about so many tokens are shown."""
_BROAD_WHOLE, _BROAD_EXCERPT = 90, 80  # where many messages are wanted
CANDIDATES = 400
"""So many messages at most are looked at for a question."""
_BINDING = 1.5  # weight of a message that has a rule or the like
_ANSWERS = 0.35  # weight of what the user did not say
_RANKS, _VECTORS = 10.0, 0.7  # reciprocal ranks: what is added to them, and the vectors' weight
_MISSES = 12  # so many candidates in a row do not fit: the room is full
_SAME_SUBJECT = 0.6  # of the best score: a message that speaks of the same thing
_OVERHEAD = 20  # tokens, so that very short messages do not get all the value
_CODE_POINTS = 4.2  # a token has about so many; only to rank, what is shown is counted
_END_GAIN, _END_WIDTH = 0.3, 0.05  # where one end is wanted: its gain, and its share of a session
_TOPIC_MESSAGES, _TOPIC_WORDS, _TOPIC_WEIGHT = 8, 20, 0.5  # relevance feedback
_TOPIC_TEXT = 8_000  # so many code points of a message are read for it
_WORD = re.compile(r"[^\W\d_]\w+")
_WITH_NEEDS = 2.0  # of the room of an excerpt: what its passages take with all that they need
_FAR_OVER = 1.6  # of the room: what is estimated to take more is not counted


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What is shown of a message: its number, the code points that are shown, and their text."""

    message: int
    spans: tuple[tuple[int, int], ...]
    text: str
    tokens: int


class Found(NamedTuple):
    """What an index has for a question, best first: for each message its score and passages.

    `speakers` are numbered as by the index, 0 is the user; `passages` are (start, end, score), in
    code points of the message.
    """

    ask: Ask
    messages: list[int]
    scores: list[float]
    speakers: list[int]
    passages: list[list[tuple[int, int, float]]]


def find(
    index: _native.SessionIndex,
    question: str,
    now: float | None = None,
    *,
    text_of: Callable[[int], str] | None = None,
) -> Found:
    """Return the messages of a session that a question may be answered by.

    `now` is in seconds, to read "yesterday" and "in March" by; without it they are not read.
    `text_of` returns the text of a message by its number; with it, a question that wants many
    messages also finds those that share the words of the best ones.
    """
    ask = read_question(question)
    limits = period(question, now) if now is not None else None
    found = _search(index, question, ask, *(limits or (-np.inf, np.inf)))
    if limits and not found.messages:  # nothing of that time: any time is better than nothing
        limits, found = None, _search(index, question, ask)
    if text_of is not None and ask.kind in ("order", "summary"):
        topic = _topic(index, found, question, text_of)
        more = _search(index, topic, ask, *(limits or (-np.inf, np.inf)))
        found = _added(found, more, _TOPIC_WEIGHT)
    if ask.end:
        length = 1 + max(found.messages, default=0)
        found = _resorted(found, [_nearness(m / length, ask.end) for m in found.messages])
    return found


def _search(
    index: _native.SessionIndex,
    question: str,
    ask: Ask,
    since: float = -np.inf,
    until: float = np.inf,
) -> Found:
    answers = 0.0 if ask.kind == "order" else _ANSWERS
    weights = (1.0, answers, answers, answers, 0.7)
    asked = 0.6 if ask.kind == "summary" else 0.4
    options: dict[str, Any] = {"since": since, "until": until, "faint": FAINT}
    columns = index.search(question, CANDIDATES, weights=weights, asked=asked, **options)
    messages, scores, first, start, end, own, speakers = (column.tolist() for column in columns)
    rows = list(zip(start, end, own, strict=True))
    passages = [rows[first[i] : first[i + 1]] for i in range(len(messages))]
    return Found(ask, messages, scores, speakers, passages)


def _nearness(place: float, end: int) -> float:
    """Return the weight of a place of a session, 0 to 1, where a question wants one end of it."""
    away = place if end < 0 else 1.0 - place
    return 1.0 + _END_GAIN * math.exp(-away / _END_WIDTH)


def _topic(
    index: _native.SessionIndex, found: Found, question: str, text_of: Callable[[int], str]
) -> str:
    """Return the words that mark the user's messages that answer best, without the question's.

    Source: Lavrenko, Croft, "Relevance-based language models" (SIGIR 2001), simplified.
    """
    total = len(index)
    weights: dict[str, float] = {}
    best = [at for at, speaker in enumerate(found.speakers) if speaker == 0][:_TOPIC_MESSAGES]
    for at in best:
        words = list(
            dict.fromkeys(_WORD.findall(text_of(found.messages[at])[:_TOPIC_TEXT].lower()))
        )
        for word, messages in zip(words, index.frequencies(words), strict=True):
            if messages > 1:
                weight = found.scores[at] * math.log(1 + total / messages)
                weights[word] = weights.get(word, 0.0) + weight
    for word in _WORD.findall(question.lower()):
        weights.pop(word, None)
    ranked_words = sorted(weights, key=lambda word: (-weights[word], word))
    return " ".join(ranked_words[:_TOPIC_WORDS])


def _added(found: Found, more: Found, weight: float) -> Found:
    """Return both results as one: scores are added as shares of the best of each."""
    scores: dict[int, float] = {}
    rows: dict[int, tuple[int, list[tuple[int, int, float]]]] = {}
    for share, one in ((1.0, found), (weight, more)):
        best = max(one.scores, default=1.0)
        columns = zip(one.messages, one.scores, one.speakers, one.passages, strict=True)
        for message, score, speaker, passages in columns:
            scores[message] = scores.get(message, 0.0) + share * score / best
            rows.setdefault(message, (speaker, passages))
    order = sorted(scores, key=lambda message: (-scores[message], -message))[:CANDIDATES]
    speakers, passages_ = [rows[m][0] for m in order], [rows[m][1] for m in order]
    return Found(found.ask, order, [scores[m] for m in order], speakers, passages_)


def preferred(found: Found, binding: Iterable[tuple[int, int, int]]) -> Found:
    """Return what was found with more weight for statements that bind, and for their passages.

    `binding` has the message, the start and the end of each statement, in code points.
    """
    spans: dict[int, list[tuple[int, int]]] = {}
    for message, start, end in binding:
        spans.setdefault(message, []).append((start, end))
    weights = [_BINDING if message in spans else 1.0 for message in found.messages]
    passages = [
        _raised(passages, spans[message]) if message in spans else passages
        for message, passages in zip(found.messages, found.passages, strict=True)
    ]
    return _resorted(found._replace(passages=passages), weights)


def _raised(
    passages: list[tuple[int, int, float]], spans: list[tuple[int, int]]
) -> list[tuple[int, int, float]]:
    """Return passages of which those that have a part of a span are better than the others."""
    best = max((score for _, _, score in passages), default=0.0)
    return [
        (start, end, score + best * any(start < last and first < end for first, last in spans))
        for start, end, score in passages
    ]


def _resorted(found: Found, weights: list[float]) -> Found:
    """Return the same messages with their scores times weights, best first."""
    scores = [score * weight for score, weight in zip(found.scores, weights, strict=True)]
    order = sorted(range(len(scores)), key=lambda at: (-scores[at], -found.messages[at]))
    return Found(
        found.ask,
        [found.messages[at] for at in order],
        [scores[at] for at in order],
        [found.speakers[at] for at in order],
        [found.passages[at] for at in order],
    )


def fused(found: Found, near: Near, speaker_of: Callable[[int], int]) -> Found:
    """Return what was found by words and by vectors, fused by reciprocal rank.

    Where a question wants many messages, the words decide.

    Source: Cormack, Clarke, Buettcher, "Reciprocal rank fusion" (SIGIR 2009).
    """
    if found.ask.kind in ("order", "summary"):
        return found
    speakers = dict(zip(found.messages, found.speakers, strict=True))
    cosines: dict[int, float] = {}
    for message, cosine in zip(near.messages.tolist(), near.cosines.tolist(), strict=True):
        if cosine > 0:
            speaker = speakers.setdefault(message, speaker_of(message))
            cosines[message] = cosine * (1.0 if speaker == 0 else _ANSWERS)
    scores: dict[int, float] = dict.fromkeys([*found.messages, *cosines], 0.0)
    by_vector = sorted(cosines, key=lambda message: (-cosines[message], -message))
    for weight, ranked_ in ((1.0, found.messages), (_VECTORS, by_vector)):
        for rank, message in enumerate(ranked_):
            scores[message] += weight / (_RANKS + rank)
    order = sorted(scores, key=lambda message: (-scores[message], -message))[:CANDIDATES]
    by_words = dict(zip(found.messages, found.passages, strict=True))
    passages = [_both(by_words.get(message), near.rows.get(message)) for message in order]
    return Found(
        found.ask, order, [scores[m] for m in order], [speakers[m] for m in order], passages
    )


def _both(
    words: list[tuple[int, int, float]] | None, near: list[tuple[int, int, float]] | None
) -> list[tuple[int, int, float]]:
    """Return the passages of a message with their scores by words and by vector added."""
    if words is None or near is None:
        return words or near or []
    best = max((score for _, _, score in words), default=0.0) or 1.0
    return [
        (start, end, score / best + max(0.0, cosine))
        for (start, end, score), (_, _, cosine) in zip(words, near, strict=True)
    ]


def select(
    found: Found,
    room: int,
    *,
    text_of: Callable[[int], str],
    count: Callable[[str], int],
    about: Callable[[int], tuple[str, str]] | None = None,
    shown: Collection[int] = (),
    beside: str = "",
    kept: Mapping[int, Iterable[tuple[int, int]]] | None = None,
    least: float = 0.0,
) -> list[Excerpt]:
    """Return what to show of a session for a question, in the session's order.

    Args:
        found: what `find` returned for the question.
        room: tokens that all excerpts may have together; each takes one more, for what separates
            it.
        text_of: returns the text of a message by its number.
        count: returns the tokens of a text.
        about: returns the heading under which a message is shown, and its label; both are counted,
            a heading once.
        shown: messages that the window has already.
        beside: text that the window has as well; messages that are in it are left out.
        kept: code points of messages that are shown whatever is asked, if there is room.
        least: messages with less than this share of the best score are left out, except where a
            question wants many.
    """
    broad = found.ask.kind in BROAD
    whole, most = sizes_for(found.ask)
    fill = _ExcerptFill(room, text_of, count, about)
    for number, spans in (kept or {}).items():
        fill.offer(number, tuple(spans))
    misses = 0
    for at, size in _ordered(found, whole, most, shown, 0.0 if broad else least):
        number, passages = found.messages[at], found.passages[at]
        if misses > _MISSES:
            break
        if size > _FAR_OVER * fill.room + 8:
            misses += 1
            continue
        if beside and text_of(number).strip() in beside:
            continue
        spans = excerpt(
            text_of(number), passages, whole, most, count, opens=found.speakers[at] == 0
        )
        misses = 0 if fill.offer(number, spans) else misses + 1
    return fill.excerpts()


def sizes_for(ask: Ask) -> tuple[int, int]:
    """Return the tokens up to which a message is shown whole, and those of a longer one."""
    return (_BROAD_WHOLE, _BROAD_EXCERPT) if ask.kind in BROAD else (WHOLE, EXCERPT)


def wanted(found: Found, *, shown: Collection[int] = (), least: float = 0.0) -> list[int]:
    """Return the messages that `select` would show if there were room, the first to show first.

    The arguments are those of `select`.
    """
    broad = found.ask.kind in BROAD
    whole, most = sizes_for(found.ask)
    order = _ordered(found, whole, most, shown, 0.0 if broad else least)
    return [found.messages[at] for at, _ in order]


def _length(passages: list[tuple[int, int, float]]) -> int:
    return passages[-1][1] if passages else 0


def _ordered(
    found: Found, whole: int, most: int, shown: Collection[int], least: float
) -> list[tuple[int, float]]:
    """Return the positions of the candidates and about their tokens, the first to show first."""
    if not found.messages:
        return []
    scores = np.array(found.scores)
    sizes = np.array([_length(passages) for passages in found.passages]) / _CODE_POINTS
    sizes = np.where(sizes <= whole, sizes, np.minimum(sizes, most))
    value = scores / (sizes + _OVERHEAD + 6) ** 0.5
    numbers = np.array(found.messages)
    wanted = scores >= least * scores[0]
    if shown:
        wanted &= [number not in shown for number in found.messages]
    order = [int(at) for at in np.lexsort((-numbers, -value)) if wanted[at]]
    if found.ask.kind in ("fact", "count"):
        order = list(dict.fromkeys([*_ahead(found, order), *order]))
    return [(at, float(sizes[at])) for at in order]


def _ahead(found: Found, order: list[int]) -> list[int]:
    """Return the candidates of the question's subject that are shown before better ones.

    A value may have changed: the newest message of the user about the subject is among them.
    """
    scores = found.scores
    same = [
        at for at in order if found.speakers[at] == 0 and scores[at] >= _SAME_SUBJECT * scores[0]
    ]
    end = found.ask.end
    ahead = sorted(same, key=lambda at: end * -found.messages[at])[:3] if end else []
    ahead += [max(same, key=found.messages.__getitem__)] if same else []
    return ahead


def excerpt(
    text: str,
    passages: list[tuple[int, int, float]],
    whole: int,
    most: int,
    count: Callable[[str], int],
    *,
    opens: bool,
) -> tuple[tuple[int, int], ...]:
    """Return what to show of a message: all, or its opening and the passages that answer.

    `whole` and `most` are tokens: a text of at most `whole` is shown in full, of a longer one
    passages of about `most`, the best first. Where it `opens`, its first passage comes next.
    """
    if not passages or (len(text) <= 8 * whole and count(text) <= whole):
        return ((0, len(text)),)
    start = text[: 4 * most]
    room = most * len(start) / max(1, count(start))  # code points
    best = sorted(passages, key=lambda one: (-one[2], one[0]))
    chosen = [best[0] if best[0][2] > 0 else passages[0]]
    size = chosen[0][1] - chosen[0][0]
    for passage in [passages[0], *best] if opens else best:
        more = passage[1] - passage[0]
        if passage in chosen or size + more > 1.6 * room:
            continue
        if size >= 0.75 * room and passage != passages[0]:
            break
        chosen.append(passage)
        size += more
    while True:
        spans = whole_blocks(text, tuple(sorted((start, end) for start, end, _ in chosen)))
        if len(chosen) == 1 or len(shown_text(text, spans)) <= _WITH_NEEDS * room:
            return spans
        chosen.pop()


class _ExcerptFill:
    """Excerpts that are taken in while there is room."""

    def __init__(
        self,
        room: int,
        text_of: Callable[[int], str],
        count: Callable[[str], int],
        about: Callable[[int], tuple[str, str]] | None,
    ) -> None:
        self.room = room
        self._text_of = text_of
        self._count = count
        self._about = about
        self._headings: set[str] = set()
        self._taken: dict[int, Excerpt] = {}

    def offer(self, number: int, spans: tuple[tuple[int, int], ...]) -> bool:
        """Take an excerpt in if there is room for it, and return whether it was."""
        held = self._taken.get(number)
        spans = _joined(spans + held.spans) if held else spans
        text = shown_text(self._text_of(number), spans)
        heading, label = self._about(number) if self._about else ("", "")
        tokens = self._count(label + text)
        cost = tokens + 1 - (held.tokens + 1 if held else 0)
        if heading and heading not in self._headings:
            cost += self._count(heading) + 1
        if cost > self.room:
            return False
        self.room -= cost
        self._headings.add(heading)
        self._taken[number] = Excerpt(number, spans, text, tokens)
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

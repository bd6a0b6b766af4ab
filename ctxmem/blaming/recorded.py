"""Recorded questions: what a model was asked, with what was retrieved for it."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctxmem.auditing.conversations import Exchange, conversations
from ctxmem.auditing.segments import Cutter
from ctxmem.blaming.answers import words
from ctxmem.blaming.cache import hash_of
from ctxmem.blaming.expected import Expected, ExpectedAnswers
from ctxmem.blaming.locating import Locator, Spot, last_user_text, question_of, templates_of
from ctxmem.blaming.sendable import Messages, sendable, texts_in
from ctxmem.errors import InputError
from ctxmem.protocols import Counter
from ctxmem.traces import Event, Passage, ReadStats

PROMPT = "Answer the question from these passages. Be brief."
"""Instruction of requests that are made for a recorded retrieval without a recorded request."""

NO_ANSWER = "no expected answer was given for the question"
COPY = "the same request was recorded before"
STEP = "an earlier step of a question that was asked again with more"


@dataclass(slots=True)
class Recorded:
    """One recorded question.

    Attributes:
        place, trace, session, model: as the trace says; "" where it says nothing.
        question: what the user asked.
        messages: the request, in the form in which it is sent again.
        shown, lists: what was retrieved for it, and by which retriever.
        verbatim: the messages are as they were recorded, not converted or made.
        made: no request was recorded: the messages are made of what was retrieved.
        expected: what should be answered, None where only a judge decides.
        spots: the passages in the messages.
    """

    place: str
    trace: str
    session: str
    model: str
    question: str
    messages: Messages
    shown: list[Passage] = field(default_factory=list)
    lists: list[Event] = field(default_factory=list)
    verbatim: bool = True
    made: bool = False
    expected: Expected | None = None
    spots: list[Spot] = field(default_factory=list)


def read_questions(
    source: Any,
    expected: ExpectedAnswers | None,
    counter: Counter,
    stats: ReadStats,
    *,
    progress: Callable[[ReadStats], None] | None = None,
) -> tuple[list[Recorded], Count[str]]:
    """Return the questions of a source, and how many others there are, by reason.

    Of the steps of an agent and the requests of one trace, the last that has the question counts.
    """
    found = _Collector(expected)
    for conversation in conversations(source, stats=stats, progress=progress):
        for exchange in conversation.exchanges:
            found.add(exchange, conversation.session)
    questions = found.questions
    _locate(questions, Cutter(counter))
    return questions, found.skipped


def _locate(questions: Sequence[Recorded], cutter: Cutter) -> None:
    locator = Locator(cutter)
    asked = [one for one in questions if not one.spots]
    templates = templates_of([locator.keys_in(one.messages) for one in asked])
    locator = Locator(cutter, templates)
    for one in asked:
        one.spots = locator.locate(one.messages, one.shown, one.question)


class _Collector:
    """Keeps the questions that can be asked and judged, each once."""

    def __init__(self, expected: ExpectedAnswers | None) -> None:
        self._expected = expected
        self._kept: dict[int, Recorded] = {}
        self._requests: set[str] = set()
        self._by_trace: dict[tuple[str, tuple[str, ...]], int] = {}
        self._by_session: dict[str, int] = {}
        self.skipped: Count[str] = Count()

    @property
    def questions(self) -> list[Recorded]:
        return list(self._kept.values())

    def add(self, exchange: Exchange, session: str) -> None:
        """Take a call of the model, or what was retrieved without one."""
        try:
            self._add(_recorded(exchange, session))
        except InputError as error:
            self.skipped[str(error)] += 1

    def _add(self, one: Recorded) -> None:
        if self._expected is not None:
            one.expected = self._match(one)
            if one.expected is None:
                self.skipped[NO_ANSWER] += 1
                return
        request = hash_of([one.messages, one.question])
        if request in self._requests:
            self.skipped[COPY] += 1
            return
        self._requests.add(request)
        number = len(self._requests)
        earlier = self._earlier(one)
        if earlier is not None:
            self.skipped[STEP] += 1
            del self._kept[earlier]
        self._kept[number] = one
        if one.trace:
            self._by_trace[one.trace, words(one.question)] = number
        if one.session:
            self._by_session[one.session] = number

    def _match(self, one: Recorded) -> Expected | None:
        assert self._expected is not None
        ids = [name for name in (one.trace, one.place, one.place.rpartition("/")[2]) if name]
        said = last_user_text(one.messages) or ""
        found = self._expected.find(ids, one.question, said, one.session)
        if found and found.question and (one.made or found.question in said):
            one.question = found.question
        return found

    def _earlier(self, one: Recorded) -> int | None:
        if one.trace:
            known = self._by_trace.get((one.trace, words(one.question)))
            if known in self._kept:
                return known
        last = self._by_session.get(one.session, -1)
        before = self._kept.get(last)
        # Histories are trimmed between steps, but the user has said nothing else since.
        if before is not None and _said(one) == _said(before):
            return last
        return None


def _said(one: Recorded) -> tuple[str, str | None, int]:
    """Return the question, what the user said last, and how often the user spoke."""
    users = {text.message for text in texts_in(one.messages) if text.role == "user"}
    return one.question, last_user_text(one.messages), len(users)


def _recorded(call: Exchange, session: str) -> Recorded:
    if call.messages:
        messages, verbatim = sendable(call.messages)
        question = question_of(messages, call.query)
        one = Recorded(
            *(call.place, call.trace, session, call.model, question, messages),
            shown=call.shown,
            lists=call.lists,
            verbatim=verbatim,
        )
    else:
        one = _made(call, session)
    if not one.question:
        raise InputError("there is no question in it")
    return one


def _made(call: Exchange, session: str) -> Recorded:
    """Return a request made of what was retrieved for a question."""
    texts = [passage for passage in call.shown if passage.text and passage.text.strip()]
    if call.shown and not texts:
        raise InputError("its passages have ids and no texts")
    question = (call.query or "").strip()
    text, spots = f"{PROMPT}\n\n", []
    for passage in texts:
        body = str(passage.text)
        end = len(text) + len(body) + 2
        spots.append(Spot(0, -1, len(text), end, body.strip(), passage.label))
        text += f"{body}\n\n"
    messages = [{"role": "user", "content": f"{text}Question: {question}"}]
    return Recorded(
        *(call.place, call.trace, session, call.model, question, messages),
        shown=call.shown,
        lists=call.lists,
        verbatim=False,
        made=True,
        spots=spots,
    )

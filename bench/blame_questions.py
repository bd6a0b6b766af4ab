"""Questions whose fault is known, for a model whose habits are known.

A question is about one fact of one subject. Its passages are the fact, facts about other subjects,
perhaps copies of an older version of the fact, perhaps copies of something else before it, and
perhaps not the fact. The model reads the first words of its context only, believes what is said
most often, and for some questions does not read at all.

What is at fault follows from how a question was made and from those habits. It is worked out from
the numbers below, without a window, so that it does not depend on the code that it tests.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SEEN_WORDS = 260
"""Words of its context that the model reads."""

_NAMES = (
    "Arven Belmont Corrig Dunmore Eskdale Fairhope Galway Hartwell Inverley Jarrow Kestrel Lomond "
    "Marlow Norwick Oakham Penrith Quorn Radley Selby Tarrant Ullswater Vernham Wexford Yarrow "
    "Zürich Ålesund Łódź Škoda"
).split()
_NOUNS = "contract lease warranty licence policy order pump route grant account".split()
_TRAITS = ("notice period", "response time", "retention period", "payment term", "repair interval")
_WHO = "the district office,the regional board,both sides,the auditors,the operator".split(",")
_WHEN = "in spring,after a short review,at the annual meeting,without a vote,in two rounds".split(
    ","
)
_WHERE = "the archive,the green binder,the shared folder,the ledger room,the annex".split(",")
_PATTERN = (
    "As of {year}, the {trait} of the {subject} is {days} days. This was settled by {who} {when}, "
    "and a signed copy of it is kept in {where} under number {number}, where it may be read."
)
SHAPES = ("hits", "request", "numbered", "system", "spans", "tool")
"""How requests are recorded: the retrieval alone, one message, with numbers before the passages,
the context in the system message, a retriever's span beside the model's, the result of a tool."""

_STATED = re.compile(r"As of (\d+), the ([a-z ]+) of the (.+?) is (\d+) days\.")
_ASKED = re.compile(r"What is the ([a-z ]+) of the (.+?) now\?")


@dataclass(frozen=True)
class Question:
    """One question and how it was made.

    Attributes:
        subject, trait, days: the fact.
        before: other passages before the fact; `copies` of one more are before it too.
        wrong: copies of an older version, before the fact.
        missing: the fact was not retrieved.
        known: what a model that does not read answers: "right", "wrong", or "" for one that reads.
        given: the expected file has the evidence.
        shape: how the request was recorded.
        seed: of the other passages.
    """

    subject: str
    trait: str
    days: int
    before: int
    copies: int
    wrong: int
    missing: bool
    known: str
    given: bool
    shape: str
    seed: int

    @property
    def text(self) -> str:
        """What is asked."""
        return f"What is the {self.trait} of the {self.subject} now?"

    @property
    def fact(self) -> str:
        """The passage with the answer."""
        return _passage(self.subject, self.trait, self.days, 2025)

    @property
    def stale(self) -> str:
        """The passage with an older answer."""
        return _passage(self.subject, self.trait, self.days + 11, 2019)


def _passage(subject: str, trait: str, days: int, year: int) -> str:
    draw = random.Random(f"{subject} {trait} {year}")
    return _PATTERN.format(
        year=year,
        trait=trait,
        subject=subject,
        days=days,
        who=draw.choice(_WHO),
        when=draw.choice(_WHEN),
        where=draw.choice(_WHERE),
        number=draw.randrange(1000, 9999),
    )


def questions(count: int = 120, seed: int = 0) -> list[Question]:
    """Return questions of all kinds, drawn one by one: each kind has the same chance everywhere."""
    draw = random.Random(seed)
    subjects = [f"{name} {noun}" for name in _NAMES for noun in _NOUNS]
    made = []
    for number, subject in enumerate(draw.sample(subjects, count)):
        kind = draw.choice(("plain", "deep", "pushed", "stale", "missing", "plain"))
        made.append(
            Question(
                subject,
                draw.choice(_TRAITS),
                draw.randrange(20, 400),
                before=draw.randrange(10, 14) if kind == "deep" else draw.randrange(3),
                copies=draw.randrange(9, 12) if kind == "pushed" else 0,
                wrong=draw.randrange(2, 4) if kind == "stale" else 0,
                missing=kind == "missing",
                # A third of the questions is answered without reading, half of them right.
                known=draw.choice(("right", "wrong", "", "", "", "")),
                given=draw.random() < 0.5,
                shape=draw.choice(SHAPES),
                seed=seed * 1_000_003 + number,
            )
        )
    return made


def fault(question: Question) -> str:
    """Return what is at fault, from the habits of the model and how the question was made."""
    if question.known == "right":
        return "none"
    if question.missing:
        return "retrieval"
    if question.known == "wrong":
        return "model"
    texts = passages(question)
    number = texts.index(question.fact)
    label = 1 if question.shape in ("numbered", "spans") else 0
    before = sum(len(text.split()) + label for text in texts[:number])
    end_of_fact = before + len(question.fact.partition(" days.")[0].split()) + 1
    if end_of_fact > SEEN_WORDS or question.wrong > 1:
        return "context"
    return "none"


def passages(question: Question) -> list[str]:
    """Return the passages in the order in which they were retrieved."""
    draw = random.Random(question.seed)
    names = draw.sample(_NAMES, 22)
    others = [
        _passage(f"{name} {draw.choice(_NOUNS)}s", question.trait, _other(draw, question), 2024)
        for name in names
    ]
    first = others[: question.before]
    if question.copies:
        first += [others[20]] * question.copies
    fact = [] if question.missing else [question.fact]
    return [*first, *[question.stale] * question.wrong, *fact, *others[17:20]]


def _other(draw: random.Random, question: Question) -> int:
    """Return the days of something else: sometimes the same number, rarely so without the fact."""
    if draw.random() < (0.03 if question.missing else 0.1):
        return question.days
    return 400 + draw.randrange(500)


def record(question: Question, number: int) -> list[dict[str, Any]]:
    """Return the question as it was recorded."""
    texts = passages(question)
    context = "\n\n".join(texts)
    hits = [{"text": text, "score": 1 - i / 100} for i, text in enumerate(texts)]
    rules = "You are a careful assistant. Answer from the context only."
    if question.shape == "hits":
        return [{"query": question.text, "hits": hits}]
    system, user = rules, f"Context:\n\n{context}\n\nQuestion: {question.text}"
    if question.shape == "system":
        system, user = f"{rules}\n\n{context}", question.text
    elif question.shape in ("numbered", "spans"):
        numbered = "\n\n".join(f"[{i}] {text}" for i, text in enumerate(texts, start=1))
        user = f"Context:\n\n{numbered}\n\nQuestion: {question.text}"
    messages: list[dict[str, Any]]
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    if question.shape == "tool":
        messages[1:] = _tool(question.text, context)
    if question.shape == "spans":
        return _spans(question, number, texts, messages)
    return [{"model": "stub", "messages": messages, "id": f"request-{number}"}]


def _tool(asked: str, context: str) -> list[dict[str, Any]]:
    """Return a question, the call of a search and its result."""
    function = {"name": "search", "arguments": json.dumps({"query": asked})}
    return [
        {"role": "user", "content": asked},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call-1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "call-1", "content": context},
    ]


def _spans(
    question: Question, number: int, texts: Sequence[str], messages: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return a retriever and a model as Phoenix records them."""
    retrieved = {"openinference.span.kind": "RETRIEVER", "input.value": question.text}
    for i, text in enumerate(texts):
        retrieved[f"retrieval.documents.{i}.document.content"] = text
    asked = {"openinference.span.kind": "LLM", "llm.model_name": "stub"}
    for i, message in enumerate(messages):
        for key, value in message.items():
            asked[f"llm.input_messages.{i}.message.{key}"] = value
    return [
        {
            "name": name,
            "context": {"trace_id": f"trace-{number}", "span_id": f"{number}-{name}"},
            "parent_id": None,
            "start_time": f"2026-01-01T00:{number // 60:02}:{number % 60:02}.{order}Z",
            "attributes": attributes,
        }
        for order, (name, attributes) in enumerate((("retrieve", retrieved), ("answer", asked)))
    ]


def records(asked: Sequence[Question]) -> list[dict[str, Any]]:
    """Return all records, in the order in which they were written."""
    return [one for number, question in enumerate(asked) for one in record(question, number)]


def expected(asked: Sequence[Question]) -> list[dict[str, Any]]:
    """Return what should be answered, with the evidence for half of the questions."""
    return [
        {
            "question": question.text,
            "answer": f"{'It is ' if question.seed % 3 == 0 else ''}{question.days} days",
            **({"evidence": [question.fact]} if question.given else {}),
        }
        for question in asked
    ]


class Stub:
    """A model of known habits."""

    def __init__(self, asked: Sequence[Question]) -> None:
        self._known = {question.text: question for question in asked}
        self.calls = 0

    def __call__(self, messages: list[dict[str, Any]]) -> str:
        """Answer from the first words of the context, by what is said most often, then latest."""
        self.calls += 1
        text = "\n\n".join(str(message["content"]) for message in messages)
        asked = list(_ASKED.finditer(text))[-1]
        known = self._known[asked[0]].known
        if known:
            days = self._known[asked[0]].days
            return f"It is {days if known == 'right' else days + 5} days."
        stated = list(_STATED.finditer(text))
        if not stated:
            return "The context does not say."
        # What is before the first passage are rules, which the model reads besides.
        seen = " ".join(text[stated[0].start() :].split()[:SEEN_WORDS])
        said: Counter[tuple[int, int]] = Counter()
        for found in _STATED.finditer(seen):
            if found[3] == asked[2] and found[2] == asked[1]:
                said[int(found[1]), int(found[4])] += 1
        if not said:
            return "The context does not say."
        return f"{max(said, key=lambda one: (said[one], one))[1]} days"

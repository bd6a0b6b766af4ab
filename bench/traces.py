"""Traces that every machine can make, with what is wrong in them known: the truth of an audit.

Half of the sessions are clean; each of the others has one thing planted. They are written in turn
in the formats that ctxmem reads. The prose is that of bench/corpus.py; the same seed gives the same
bytes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ctxmem import Audit

from . import corpus
from .trace_formats import (
    Hit,
    Message,
    Record,
    Step,
    date,
    langsmith,
    langsmith_list,
    openai,
    written,
)


@dataclass
class Planted:
    """One thing that is wrong: its kind, the session, and the text by which it is known."""

    kind: str
    session: str
    text: str = ""


@dataclass
class Corpus:
    """Records to audit, and what is to be found in them."""

    records: list[Record] = field(default_factory=list)
    truth: list[Planted] = field(default_factory=list)


BUDGET = 6000
"""Tokens that no window has but those planted as over it."""

LEGAL = "This copy is for the use of the addressee alone and may not be given to anybody else."


class Prose:
    """Passages that are given out once each."""

    def __init__(self, rng: random.Random, count: int, seed: int) -> None:
        self._passages = iter(corpus.passages(count, words=60, seed=seed))
        self._rng = rng

    def passage(self) -> str:
        """Return a passage that is new, of 60 words."""
        return next(self._passages) + "."

    def hits(self, count: int) -> list[Hit]:
        """Return passages with falling scores."""
        scores = sorted((self._rng.uniform(0.3, 0.9) for _ in range(count)), reverse=True)
        return [Hit(f"doc-{self._rng.getrandbits(40):x}", self.passage(), s) for s in scores]


def planted(sessions: int = 200, *, seed: int = 0) -> Corpus:
    """Return a corpus of sessions, half of them clean, in all formats."""
    rng = random.Random(seed)
    prose = Prose(rng, sessions * 60, seed)
    made = Corpus()
    streams: list[list[Record]] = []
    for number in range(sessions // 2):
        name = f"clean-{number}"
        streams.append(written(name, CLEAN[number % len(CLEAN)](prose, rng, name), number))
    for number in range(sessions - sessions // 2):
        kind = list(PLANTS)[number % len(PLANTS)]
        name = f"{kind}-{number}"
        steps, truth = PLANTS[kind](prose, rng, name)
        streams.append(written(name, steps, number // len(PLANTS)))
        made.truth += truth
    # Sessions run side by side, as they do where traces are collected.
    while streams:
        stream = rng.choice(streams)
        made.records.append(stream.pop(0))
        if not stream:
            streams.remove(stream)
    for second, record in enumerate(made.records):
        date(record, second)
    return made


def ranked(queries: int = 40, *, seed: int = 0) -> Corpus:
    """Return retrievals by rankers of which three are wrong, and two clean ones."""
    rng = random.Random(seed)
    prose = Prose(rng, queries * 60, seed + 1)
    made = Corpus()
    for number in range(queries):
        varied = rng.randint(2, 7)
        shared, alone = prose.hits(3), prose.hits(3)
        level = rng.uniform(0, 8)  # of a query: what the pooled ranker adds to all its scores
        pooled = [Hit(h.id, h.text, level + 0.5 + rng.random() / 5) for h in shared]
        pooled += [Hit(h.id, h.text, level + rng.random() / 5) for h in alone]
        pooled = pooled[: varied + 1]
        lists = {
            "clean": prose.hits(varied),
            "distances": sorted(prose.hits(varied), key=lambda hit: hit.score),
            "constant": prose.hits(5),
            "pooled": sorted(pooled, key=lambda hit: -hit.score),
            "other": [Hit(h.id, h.text, 0.9 - i / 10) for i, h in enumerate(shared)][
                : 2 + number % 2
            ],
        }
        for name, hits in lists.items():
            trace = f"q{number}" if name in ("pooled", "other") else f"q{number}-{name}"
            made.records.append(langsmith_list(trace, f"what of {number}?", name, hits, None))
        wide = [Hit(h.id, h.text, 20 * h.score) for h in prose.hits(rng.randint(2, 6))]
        for name, hits in (("bm25", wide), ("cosine", prose.hits(rng.randint(2, 6)))):
            made.records.append(langsmith_list(f"s{number}", f"and {number}?", name, hits, None))
    for kind, name in (
        ("miscalibrated", "distances"),
        ("miscalibrated", "pooled"),
        ("miscalibrated", "bm25"),
        ("same_budget", "constant"),
    ):
        made.truth.append(Planted(kind, "", repr(name)))
    return made


def missed(corpus: Corpus, found: Audit) -> list[Planted]:
    """Return what an audit did not find of what is planted in sessions."""
    return [
        plant
        for plant in corpus.truth
        if not any(
            finding.kind == plant.kind
            and any(place["session"] == plant.session for place in finding.places)
            and (not plant.text or any(plant.text in text for text in finding.texts))
            for finding in found.findings
        )
    ]


def alarms(found: Audit) -> list[str]:
    """Return what an audit found in clean sessions."""
    return [
        f"{finding.kind}: {finding.title} in {place['session']}"
        for finding in found.findings
        for place in finding.places
        if place["session"].startswith("clean")
    ]


# Clean sessions

SYSTEM = "You answer questions about documents, from the passages that you are given and no others."


def _clean_rag(prose: Prose, rng: random.Random, name: str) -> list[Step]:
    steps = []
    for turn in range(rng.randint(2, 5)):
        hits = prose.hits(rng.randint(2, 7))
        query = f"What does {name} say in {prose.passage()[:40]}?"
        steps.append(Step(query, {"dense": hits}, _prompt(hits, f"{turn}: {query}")))
    return steps


def _clean_hits(prose: Prose, rng: random.Random, name: str) -> list[Step]:
    return [
        Step(f"{name} {turn} {prose.passage()[:30]}", {"dense": prose.hits(rng.randint(2, 7))})
        for turn in range(rng.randint(2, 5))
    ]


def _clean_chat(prose: Prose, rng: random.Random, name: str, turns: int = 4) -> list[Step]:
    """Return a chat whose history is sent again, as it is, with every question."""
    history: list[Message] = [{"role": "system", "content": SYSTEM}]
    steps = []
    for turn in range(turns):
        question = f"{name}, question {turn}: {prose.passage()}"
        history = [*history, {"role": "user", "content": question}]
        steps.append(Step(question, messages=history))
        history = [*history, {"role": "assistant", "content": prose.passage()}]
    return steps


def _clean_agent(prose: Prose, rng: random.Random, name: str) -> list[Step]:
    history: list[Message] = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": f"{name}: find out about {prose.passage()}"},
    ]
    steps = [Step(name, messages=history)]
    for turn in range(4):
        history = [*history, *_tool(f"call_{turn}", f"topic {turn}", prose.passage())]
        steps.append(Step(name, messages=history))
    return steps


CLEAN: list[Callable[[Prose, random.Random, str], list[Step]]] = [
    _clean_rag,
    _clean_chat,
    _clean_hits,
    _clean_agent,
]


def _prompt(hits: list[Hit], question: str) -> list[Message]:
    context = "\n\n".join(hit.text for hit in hits)
    return [
        {"role": "system", "content": f"{SYSTEM}\n\n{context}"},
        {"role": "user", "content": question},
    ]


def _tool(call: str, topic: str, answer: str) -> list[Message]:
    function = {"name": "search", "arguments": json.dumps({"topic": topic})}
    return [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": call, "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": call, "content": answer},
    ]


# Planted sessions

Made = tuple[list[Step], list[Planted]]


def _with_hits(
    prose: Prose, rng: random.Random, name: str, kind: str, change: Callable[[list[Hit]], str]
) -> Made:
    """Return a session with hits of which some are changed."""
    steps, truth = [], []
    for turn in range(3):
        hits = prose.hits(rng.randint(4, 6))
        if turn != 1:
            truth.append(Planted(kind, name, change(hits)))
        query = f"What of {name}, {turn}?"
        steps.append(Step(query, {"dense": hits}, _prompt(hits, query)))
    return steps, truth


def _repeat(prose: Prose, rng: random.Random, name: str) -> Made:
    def change(hits: list[Hit]) -> str:
        hits.append(hits[0]._replace(score=0.2))
        return hits[0].text

    return _with_hits(prose, rng, name, "repeat_in_request", change)


def _version(prose: Prose, rng: random.Random, name: str) -> Made:
    def change(hits: list[Hit]) -> str:
        words = hits[1].text.split()
        words[rng.randrange(20, 40)] = "forty-five"
        hits.append(Hit("version", " ".join(words), 0.2))
        return hits[-1].text

    return _with_hits(prose, rng, name, "near_version", change)


def _overlap(prose: Prose, rng: random.Random, name: str) -> Made:
    def change(hits: list[Hit]) -> str:
        tail = hits[0].text[-120:].split(" ", 1)[1]
        hits.append(Hit("neighbour", f"{tail} {prose.passage()}", 0.2))
        return tail

    return _with_hits(prose, rng, name, "overlap", change)


def _boilerplate(prose: Prose, rng: random.Random, name: str) -> Made:
    line = f"{LEGAL[:-1]}, says {name}."

    def change(hits: list[Hit]) -> str:
        hits[:] = [Hit(h.id, f"{line}\n{h.text}\n{prose.passage()}", h.score) for h in hits]
        return line

    steps, truth = _with_hits(prose, rng, name, "boilerplate", change)
    return steps, truth[:1]


def _resent(prose: Prose, rng: random.Random, name: str) -> Made:
    again = prose.hits(1)[0]
    steps = []
    for turn in range(3):
        hits = prose.hits(3)
        if turn != 1:
            hits.insert(turn, again)
        query = f"And what of {name}, {turn}?"
        steps.append(Step(query, {"dense": hits}, _prompt(hits, query)))
    return steps, [Planted("repeat_in_session", name, again.text)]


def _growth(prose: Prose, rng: random.Random, name: str) -> Made:
    return _clean_chat(prose, rng, name, turns=20), [Planted("growth", name)]


def _clock(prose: Prose, rng: random.Random, name: str) -> Made:
    steps = _clean_chat(prose, rng, name)
    for turn, step in enumerate(steps):
        system = {"role": "system", "content": f"It is 2026-03-02T10:{turn:02}:17.\n\n{SYSTEM}"}
        step.messages = [system, *step.messages[1:]]
    return steps, [Planted("unstable_prefix", name)]


def _cut(prose: Prose, rng: random.Random, name: str) -> Made:
    steps = _clean_chat(prose, rng, name, turns=6)
    for step in steps[3:]:
        step.messages = [step.messages[0], *step.messages[-4:]]
    return steps, [Planted("unstable_prefix", name)]


def _orphan(prose: Prose, rng: random.Random, name: str) -> Made:
    steps = _clean_agent(prose, rng, name)
    last = steps[-1].messages
    # What a trim by messages leaves: the result without the call it answers.
    steps[-1].messages = [*last[:2], *last[3:]]
    return steps, [Planted("broken_pair", name)]


def _over(prose: Prose, rng: random.Random, name: str) -> Made:
    hits = prose.hits(4)
    long = "\n\n".join(prose.passage() for _ in range(90))
    steps = [Step(name, {"dense": hits}, _prompt(hits, f"{name}: {long}"))]
    return steps, [Planted("over_budget", name)]


PLANTS: dict[str, Callable[[Prose, random.Random, str], Made]] = {
    "repeat": _repeat,
    "resent": _resent,
    "version": _version,
    "overlap": _overlap,
    "boilerplate": _boilerplate,
    "growth": _growth,
    "clock": _clock,
    "cut": _cut,
    "orphan": _orphan,
    "over": _over,
}


# Streams


def lines(gigabytes: float, *, seed: int = 0) -> Iterator[bytes]:
    """Yield JSON lines of about that many gigabytes: retrievals and chats, six in ten repeat."""
    rng = random.Random(seed)
    pool = corpus.passages(20_000, words=150, seed=seed)
    left = gigabytes * 1e9
    number = 0
    while left > 0:
        name = f"session-{number // 8}-{number % 2}"
        documents = []
        for _ in range(10):
            # A passage anew is one of the pool with its words turned about a random place.
            words = rng.choice(pool) if rng.random() < 0.6 else _turned(rng, rng.choice(pool))
            documents.append(Hit(f"d{len(documents)}", words, rng.random()))
        step = Step(f"question {number}", {"dense": documents}, _prompt(documents, f"{number}?"))
        for record in langsmith(name, [step], number) if number % 2 else openai(name, [step]):
            line = json.dumps(record).encode() + b"\n"
            left -= len(line)
            yield line
        number += 1


def short_lines(gigabytes: float, *, seed: int = 0) -> Iterator[bytes]:
    """Yield short JSON lines of about that many gigabytes: chats and lists of short passages."""
    rng = random.Random(seed)
    pool = corpus.passages(20_000, words=25, seed=seed)
    left = gigabytes * 1e9
    number = 0
    while left > 0:
        texts = [_turned(rng, rng.choice(pool)) for _ in range(5)]
        hits = [{"text": text, "score": rng.random()} for text in (*texts[2:], rng.choice(pool))]
        session = f"session-{number // 8}"
        for record in (
            {"session": session, "role": "user", "content": texts[0]},
            {"session": session, "query": f"question {number}", "hits": hits},
            {"session": session, "role": "assistant", "content": texts[1]},
        ):
            line = json.dumps(record).encode() + b"\n"
            left -= len(line)
            yield line
        number += 1


def _turned(rng: random.Random, text: str) -> str:
    words = text.split(" ")
    rng.shuffle(words)
    return " ".join(words)

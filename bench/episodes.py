"""Does one budget over a whole request keep more of what its question needs than fixed shares?

An episode is a request with a long chat, passages of technical documents, a catalogue of tools and
rules. Its question asks for something that was said in the chat, something that is in the
documents, and something that needs a tool. The same parts are assembled once with one budget, and
once each alone within a fixed share of it, by the same ranking; the best shares are found by grid
search on the same episodes, so that only the allocation differs.

    ctxmem bench episodes --data FOLDER     # FOLDER has memory/ and structure/ with their scorers

Whether evidence is held is decided by the scorers of those data. A tool is held if its schema is in
the request. How many could be found with one more call, of `find_tool`, is counted beside it.

Where we lose: a split that is fixed for one kind of question is as good on that kind, and costs no
ranking across parts.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ctxmem

from . import growing
from .reporting import print_report
from .structure import load_scorer
from .tool_schemas import all_tools, questions, tuned_servers

BUDGETS = (2000, 4000, 8000)
PARTS = ("chat", "tools", "passages")
STEP = 10
"""A part's share of the budget is a multiple of 1/STEP.

A budget is what is beside the system prompt, the rules and the question.
"""

SYSTEM = "You are the assistant of an engineering team. Answer from what you are given."
RULES = (
    "Never send a message to anyone outside the team without asking first.",
    "Give amounts in euros and dates as day, month and year.",
    "Say so if the documents do not answer a question.",
    "Do not delete anything.",
)
FINDER = "find_tool"

ROWS = ("parts", "cache", "speed")
"""What can be measured."""

CATALOGUES = (40, 120, 300)
"""Numbers of tools that an episode may have."""

ASKS = ((1, 1, 1), (2, 1, 1), (1, 1, 2), (1, 2, 1), (1, 1, 1))
"""How much an episode asks about its chat, its tools and its passages."""


class Tool(NamedTuple):
    """A question that needs tools."""

    question: str
    needed: tuple[str, ...]


class Episode(NamedTuple):
    """The parts of a request, and what its question needs of each."""

    name: str
    group: str  # the set that its chat is from
    question: str
    rules: tuple[str, ...]
    chat: list[dict[str, Any]]
    memory: ctxmem.Memory | None  # the chat, if the caller keeps it in a memory
    tools: list[dict[str, Any]]
    passages: list[ctxmem.Chunk]
    said: tuple[Mapping[str, Any], ...]  # questions to the chat
    texts: Mapping[int, str]  # the chat's messages by id
    read: tuple[Mapping[str, Any], ...]  # questions to the documents
    called: tuple[Tool, ...]  # questions that need tools

    def assembled(self, budget: int, parts: Sequence[str] = PARTS) -> ctxmem.Request:
        """Return the request with some of its parts."""
        given: dict[str, Any] = {}
        if "chat" in parts and self.memory is not None:
            given["memory"] = self.memory
        elif "chat" in parts:
            given["history"] = self.chat
        if "tools" in parts:
            given["tools"] = self.tools
        if "passages" in parts:
            given["passages"] = self.passages
        return ctxmem.assemble(self.question, budget, system=SYSTEM, rules=self.rules, **given)


# Composition --------------------------------------------------------------------------------------


class Sources:
    """The data of episodes, with the scorers of their questions."""

    def __init__(self, folder: Path) -> None:
        self.memory_scorer = load_scorer(folder / "memory" / "score.py")
        self.structure_scorer = load_scorer(folder / "structure" / "score.py")
        structure = folder / "structure" / "public_structure.json.gz"
        self.structure, self.documents = self.structure_scorer.load(str(structure))
        self.chats: list[dict[str, Any]] = []
        self.groups: list[str] = []
        for name in ("beam_100K_public", "beam_500K_public"):
            with gzip.open(folder / "memory" / f"{name}.json.gz", "rt", encoding="utf-8") as file:
                self.chats += json.load(file)
            self.groups += [name] * (len(self.chats) - len(self.groups))
        self.memories: dict[int, ctxmem.Memory] = {}

    def memory(self, number: int, chat: Sequence[dict[str, Any]]) -> ctxmem.Memory:
        """Return the memory of a chat; it is filled once."""
        if number not in self.memories:
            memory = ctxmem.Memory(max(BUDGETS))
            memory.append(chat)
            self.memories[number] = memory
        return self.memories[number]

    def passages(self, questions: Sequence[Mapping[str, Any]]) -> list[ctxmem.Chunk]:
        """Return the hits of all questions; lists of different questions have different names."""
        made = []
        for number, question in enumerate(questions):
            for hit in self.structure_scorer.hits_of(question, self.structure):
                fields = {k: hit[k] for k in ("text", "source", "span", "rank", "id")}
                made.append(ctxmem.Chunk(**fields, list=f"{hit['list']} {number}"))
        return made


def compose(sources: Sources, half: int, count: int, seed: int = 0) -> Iterator[Episode]:
    """Yield episodes of one half of the data: the first half fits, the other judges.

    The halves have no chat, no question and no server's tool questions in common. No question comes
    again before all others of its kind have come.
    """
    rng = random.Random(f"{half} {seed}")
    chats = range(half, len(sources.chats), 2)
    read = _endless(rng, sources.structure["questions"][half::2])
    called = _endless(rng, tool_questions(half))
    asked = {at: _endless(rng, sources.chats[at]["questions"]) for at in chats}
    for number in range(count):
        of_chat, of_tools, of_passages = ASKS[number % len(ASKS)]
        at = chats[number % len(chats)]
        said = tuple(itertools.islice(asked[at], of_chat))
        documents = tuple(itertools.islice(read, of_passages))
        tools = tuple(itertools.islice(called, of_tools))
        messages = sources.chats[at]["messages"]
        chat = [{"role": m["role"], "content": m["text"]} for m in messages if m["text"].strip()]
        asks = [q["question"] for q in (*said, *documents)] + [tool.question for tool in tools]
        rng.shuffle(asks)
        yield Episode(
            name=f"{half}.{number}",
            group=sources.groups[at],
            question="\n\n".join(asks),
            rules=tuple(rng.sample(RULES, 2)),
            chat=chat,
            memory=sources.memory(at, chat) if number // len(chats) % 2 else None,
            tools=catalogue(rng, tools, CATALOGUES[number // 2 % len(CATALOGUES)]),
            passages=sources.passages(documents),
            said=said,
            texts={m["id"]: m["text"] for m in messages},
            read=documents,
            called=tools,
        )


def tool_questions(half: int) -> list[Tool]:
    """Return questions to the servers that tuned the ranking of tools, or to the others."""
    tuned = tuned_servers()
    return [
        Tool(one.text, one.needed)
        for one in questions()
        if not one.recent and (one.server in tuned) == (half == 0)
    ]


def _endless(rng: random.Random, questions: Sequence[Any]) -> Iterator[Any]:
    while True:
        yield from rng.sample(list(questions), len(questions))


def catalogue(rng: random.Random, asked: Sequence[Tool], size: int) -> list[dict[str, Any]]:
    """Return that many tools in random order, the needed ones among them."""
    needed = {name for tool in asked for name in tool.needed}
    everything = all_tools()
    others = [schema for schema in everything if name_of(schema) not in needed]
    chosen = [schema for schema in everything if name_of(schema) in needed]
    chosen += rng.sample(others, max(0, min(len(others), size - len(chosen))))
    rng.shuffle(chosen)
    return chosen


def name_of(schema: Mapping[str, Any]) -> str:
    """Return the name of a tool in any shape."""
    return str(schema.get("function", schema)["name"])


# Judging ------------------------------------------------------------------------------------------


class Held(NamedTuple):
    """The share of the evidence of each part that a request holds, and other counts."""

    shares: dict[str, float]
    findable: float  # share of needed tools that are sent, or that `find_tool` returns
    rules: bool
    over: bool

    @property
    def mean(self) -> float:
        """The mean of the parts."""
        return statistics.mean(self.shares.values())


def judge(episode: Episode, request: ctxmem.Request, sources: Sources) -> Held:
    """Return what a request holds of what its question needs."""
    shown = [text_of(message) for message in request.messages]
    text = "\n\n".join(shown)
    volatile = "\n\n".join(shown[request.volatile_from :])
    full, found = of_tools(episode, request)
    return Held(
        {
            "chat": of_chat(episode, text, sources.memory_scorer),
            "tools": full,
            "passages": of_passages(episode, volatile, sources),
        },
        findable=found,
        rules=all(rule in text for rule in episode.rules),
        over=request.tokens > request.budget,
    )


def of_chat(episode: Episode, text: str, scorer: Any) -> float:
    """Return the share of the messages of the evidence that a text holds, a mean over questions."""
    words = scorer.words(text)
    grams, line = scorer.grams(words), " ".join(words)
    shares = []
    for question in episode.said:
        held = [scorer.held(episode.texts[i], grams, line) for i in question["evidence"]]
        shares.append(sum(held) / len(held))
    return statistics.mean(shares)


def of_passages(episode: Episode, text: str, sources: Sources) -> float:
    """Return the share of the questions to documents that a text answers."""
    scorer = sources.structure_scorer
    right = 0
    for question in episode.read:
        reading = scorer.read(text, question, sources.structure, sources.documents)
        right += scorer.judge(question, reading, sources.documents) == 1
    return right / len(episode.read)


def of_tools(episode: Episode, request: ctxmem.Request) -> tuple[float, float]:
    """Return the share of needed tools that are sent with a schema, and with those found."""
    sent = {name_of(tool) for tool in request.tools}
    full, held = [], []
    for asked in episode.called:
        found = found_by(request, asked.question) if FINDER in sent else ()
        for name in asked.needed:
            full.append(name in sent)
            held.append(name in sent or name in found)
    return statistics.mean(full), statistics.mean(held)


def found_by(request: ctxmem.Request, question: str) -> set[str]:
    """Return the tools that a call of `find_tool` with a question is answered by."""
    function = {"name": FINDER, "arguments": json.dumps({"query": question})}
    call = {"id": "call_1", "type": "function", "function": function}
    content = request.answer(call)["content"]
    answer = json.loads(content) if content.startswith("[") else []
    return {name_of(tool) for tool in answer if isinstance(tool, dict)}  # a text names others


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n\n".join(block.get("text", "") for block in content)


# Fixed shares -------------------------------------------------------------------------------------


def splits(step: int = STEP) -> Iterator[dict[str, int]]:
    """Yield all shares of the parts, in steps, that add up to the budget."""
    for shares in itertools.product(range(step + 1), repeat=len(PARTS)):
        if sum(shares) == step:
            yield dict(zip(PARTS, shares, strict=True))


class Alone:
    """What each part of an episode holds alone, by the tokens that it has.

    What is always sent (system prompt, rules, question) is beside them, as it is beside a budget.
    """

    def __init__(self, episode: Episode, sources: Sources) -> None:
        self.episode, self.sources = episode, sources
        self.base = episode.assembled(max(BUDGETS), ()).tokens
        self.over = 0
        self._known: dict[tuple[str, int], Held] = {}
        self.values: dict[tuple[str, int], float] = {}

    def held(self, part: str, tokens: int) -> Held:
        """Return what a part holds within a number of tokens."""
        key = (part, tokens)
        if key not in self._known:
            request = self.episode.assembled(self.base + tokens, (part,) if tokens else ())
            self._known[key] = judge(self.episode, request, self.sources)
            self.values[key] = request.value
            self.over += self._known[key].over
        return self._known[key]

    def shares(self, split: Mapping[str, int], budget: int) -> dict[str, float]:
        """Return what each part holds within its share of a budget."""
        return {part: self.held(part, budget * split[part] // STEP).shares[part] for part in PARTS}


def best_split(alone: Sequence[Alone], budget: int) -> tuple[dict[str, int], float]:
    """Return the split with the highest mean over episodes; the first of equal ones."""
    scored = [
        (statistics.mean(mean_of(one.shares(split, budget)) for one in alone), split)
        for split in splits()
    ]
    mean, split = max(scored, key=lambda pair: pair[0])
    return split, mean


def mean_of(shares: Mapping[str, float]) -> float:
    """Return the mean over parts."""
    return statistics.mean(shares.values())


# Command ------------------------------------------------------------------------------------------


def measure(
    alone: Sequence[Alone], budget: int, sources: Sources, note: Callable[[str], None]
) -> dict[str, Any]:
    """Return one row: one budget against the best fixed split of it."""
    ours = []
    for one in alone:
        request = one.episode.assembled(one.base + budget)
        ours.append(judge(one.episode, request, sources))
        note(f"{budget} {one.episode.name}")
    split, best = best_split(alone, budget)
    others = [one.shares(split, budget) for one in alone]
    won = [one.mean - mean_of(other) for one, other in zip(ours, others, strict=True)]
    return {
        "budget": budget,
        "episodes": len(alone),
        "held": statistics.mean(one.mean for one in ours),
        "parts": {part: statistics.mean(one.shares[part] for one in ours) for part in PARTS},
        "all": statistics.mean(min(one.shares.values()) == 1 for one in ours),
        "findable": statistics.mean(one.findable for one in ours),
        "rules": statistics.mean(one.rules for one in ours),
        "over": sum(one.over for one in ours) + sum(one.over for one in alone),
        "fixed": best,
        "fixed_parts": {part: statistics.mean(other[part] for other in others) for part in PARTS},
        "fixed_all": statistics.mean(min(other.values()) == 1 for other in others),
        "split": {part: share / STEP for part, share in split.items()},
        "better": sum(w > 1e-9 for w in won),
        "worse": sum(w < -1e-9 for w in won),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its rows."""
    parser = argparse.ArgumentParser(prog="ctxmem bench episodes", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with memory/ and structure/")
    parser.add_argument("--episodes", type=int, default=60)
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="0: the half that fits")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--sessions", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=20, help="timed calls")
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    report: dict[str, Any] = {}
    if "parts" in options.rows:
        if options.data is None:
            print("ctxmem bench episodes: needs --data FOLDER, with memory/ and structure/")
            return 2
        report["parts"] = across(options)
    if "cache" in options.rows:
        report["cache"] = growing.sessions(options.sessions)
    if "speed" in options.rows:
        report["speed"] = growing.speed(options.rounds)
    print_report(report, show_all, as_json=options.json)
    return 0


def across(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each budget."""
    sources = Sources(options.data)
    episodes = list(compose(sources, options.half, options.episodes))

    def note(text: str) -> None:
        if sys.stderr.isatty():
            print(text, end="\r", file=sys.stderr)

    alone = [Alone(episode, sources) for episode in episodes]
    return [measure(alone, budget, sources, note) for budget in options.budgets]


def show_all(report: Mapping[str, Any]) -> None:
    """Print the rows."""
    rows = report.get("parts", ())
    for row in rows:
        show(row)
    if rows:
        gain = statistics.mean(row["held"] - row["fixed"] for row in rows)
        print(f"mean over budgets: {gain:+.3f} against the best fixed split of each")
    growing.show_sessions(report.get("cache", ()))
    if "speed" in report:
        growing.show_speed(report["speed"])


def show(row: Mapping[str, Any]) -> None:
    """Print a row."""

    def by_part(shares: Mapping[str, float]) -> str:
        return " ".join(f"{part} {share:.2f}" for part, share in shares.items())

    print(
        f"{row['budget']} tokens, {row['episodes']} episodes: held {row['held']:.3f} "
        f"({by_part(row['parts'])}; all of it {row['all']:.2f}), tools findable "
        f"{row['findable']:.2f}, rules kept {row['rules']:.2f}, over budget {row['over']}"
    )
    print(
        f"{'best fixed split':>18} ({by_part(row['split'])}): {row['fixed']:.3f} "
        f"({by_part(row['fixed_parts'])}; all of it {row['fixed_all']:.2f}); "
        f"better {row['better']}, worse {row['worse']}"
    )


if __name__ == "__main__":
    sys.exit(main())

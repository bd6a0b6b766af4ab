"""Is the tool that a question needs in the request, when all schemas do not fit?

Three hundred tools of 21 MCP servers, written as servers list them, and 200 questions with the
tools that they need; half are steps of an agent's run. Budgets are shares of the tokens of all
schemas. The weights were fitted on other servers and questions (`bench.fit_tools`). An earlier
version was tuned on the questions of half of these servers ("tuned"), whose sum also sets the bias.
The others ("held out") decided no number, but they are not blind: their questions had been read
when the table of phrases was written, and rankings were compared on all 200. Phrases of several
words that occur in these questions and not in those for fitting were taken out of the table; about
thirty single words (taxi, wiki, voucher) stayed.
Peers put the schemas of the best tools into the request, in full, until the budget is used: by BM25
over names, descriptions and arguments, and by vectors of all-MiniLM-L6-v2 if it is installed
(--embedding has its folder), else by latent semantic analysis of the schemas themselves.

`schema` is the share of needed tools whose schema is in the request, in full or with short
descriptions, and `full` in full. `found` adds those that `find_tool` returns when it is called with
the text of the question, and `named` those that the request or this answer names, which `find_tool`
returns when it is called with the name.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import ctxmem
from ctxmem.chat.tools import compact_json
from ctxmem.tokens import resolve
from ctxmem.toolset import Tool, answer_find, find_tool, rank_tools, read_tools

from . import sentence_vectors
from .reporting import print_report
from .tool_schemas import ToolQuestion, all_tools, questions, tuned_servers

SHARES = (0.05, 0.10, 0.20)
FULL, SHORT, LINE, NAME = 1.0, 0.95, 0.6, 0.5
"""Values of the forms of a tool that is needed: what a line or a name keeps, one call later."""

Rank = Callable[[ToolQuestion], NDArray[np.float64]]


class Held(NamedTuple):
    """What a request holds of the tools: their names by form, and whether it has `find_tool`."""

    full: frozenset[str]
    short: frozenset[str]
    listed: frozenset[str]
    finding: bool


class Sizes:
    """Tokens of every form of every tool, o200k_base of the JSON that is sent."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        count = resolve("o200k_base").count
        self.full = [int(count(compact_json(tool.full))) for tool in tools]
        self.short = [int(count(compact_json(tool.short))) for tool in tools]
        self.line = [int(count(tool.line + "\n")) for tool in tools]
        self.finder = int(count(compact_json(find_tool(named=tools))))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every chooser at every budget and print the table."""
    parser = argparse.ArgumentParser(prog="ctxmem bench tools", description=__doc__)
    parser.add_argument("--embedding", metavar="FOLDER", help="of all-MiniLM-L6-v2")
    parser.add_argument("--no-embedding", action="store_true", help="leave that peer out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    tools = read_tools(all_tools())
    asked = questions()
    sizes = Sizes(tools)
    choosers = {
        "ctxmem": by_value(ours(tools), tools, sizes),
        "ctxmem, no short schemas": by_value(ours(tools), tools, sizes, short=False),
    }
    if hasattr(ctxmem, "assemble"):
        choosers["ctxmem.assemble"] = by_assemble(tools)
    peers = {"BM25 top-k": by_words(tools)}
    if not options.no_embedding:
        name, rank = by_vectors(tools, asked, options.embedding)
        peers[f"{name} top-k"] = rank
    for name, rank in peers.items():
        choosers[name] = top_k(rank, tools, sizes)
    report = {
        "tools": len(tools),
        "tokens": sum(sizes.full),
        "questions": len(asked),
        "rows": [
            {"who": name, "share": share, **measured(choose, share, tools, sizes, asked)}
            for share in SHARES
            for name, choose in choosers.items()
        ],
        "milliseconds": speed(asked),
    }
    print_report(report, show, as_json=options.json)
    return 0


# Choosing -----------------------------------------------------------------------------------------

Choose = Callable[[ToolQuestion, int], Held]


def ours(tools: Sequence[Tool]) -> Rank:
    """Rank as the package does."""
    return lambda asked: rank_tools(asked.text, tools, recent=asked.recent)


def by_value(rank: Rank, tools: Sequence[Tool], sizes: Sizes, *, short: bool = True) -> Choose:
    """Choose forms by value for a token, with `find_tool`, which names every tool.

    Without `short`, schemas are sent in full or not at all.
    """
    least = sizes.short if short else sizes.full
    names = [tool.name for tool in tools]

    def choose(asked: ToolQuestion, budget: int) -> Held:
        chances = rank(asked)
        left = budget - sizes.finder  # every tool is named; a better form replaces a name
        held: dict[int, str] = {}
        waiting = [
            (-step[0], i, step[1:])
            for i, chance in enumerate(chances)
            for step in steps(float(chance), sizes.line[i], least[i], sizes.full[i])
        ]
        heapq.heapify(waiting)
        stopped: set[int] = set()
        while waiting:
            _, i, (tokens, form) = heapq.heappop(waiting)
            if i in stopped or tokens > left:
                stopped.add(i)
                continue
            left -= tokens
            held[i] = form
        return Held(
            frozenset(names[i] for i, form in held.items() if form == "full"),
            frozenset(names[i] for i, form in held.items() if form == "short"),
            frozenset(names),
            True,
        )

    return choose


def steps(chance: float, line: int, short: int, full: int) -> list[tuple[float, int, str]]:
    """Return the steps from nothing to the full schema: value for a token, tokens and form.

    Forms that are below the line between two others are left out, so that values fall.
    """
    forms = [(0, NAME, ""), (line, LINE, "line"), (short, SHORT, "short"), (full, FULL, "full")]
    kept: list[tuple[int, float, str]] = []
    for form in forms:
        if kept and form[0] <= kept[-1][0]:
            kept.pop()
        while len(kept) > 1 and _slope(kept[-2], kept[-1]) <= _slope(kept[-2], form):
            kept.pop()
        kept.append(form)
    return [
        (chance * _slope(before, after), after[0] - before[0], after[2])
        for before, after in itertools.pairwise(kept)
    ]


def _slope(before: tuple[int, float, str], after: tuple[int, float, str]) -> float:
    return (after[1] - before[1]) / max(1, after[0] - before[0])


def top_k(rank: Rank, tools: Sequence[Tool], sizes: Sizes) -> Choose:
    """Take the full schemas of the best tools until the next does not fit."""

    def choose(asked: ToolQuestion, budget: int) -> Held:
        held, left = set(), budget
        for i in np.argsort(-rank(asked), kind="stable"):
            left -= sizes.full[i]
            if left < 0:
                break
            held.add(tools[i].name)
        return Held(frozenset(held), frozenset(), frozenset(), False)

    return choose


def by_assemble(tools: Sequence[Tool]) -> Choose:
    """Choose by `ctxmem.assemble`, with the calls before in the history."""
    assemble: Any = ctxmem.assemble

    def choose(asked: ToolQuestion, budget: int) -> Held:
        history: list[dict[str, Any]] = []
        for i, name in enumerate(asked.recent):
            call = {"name": name, "arguments": "{}"}
            calls = [{"id": f"c{i}", "type": "function", "function": call}]
            history.append({"role": "assistant", "content": None, "tool_calls": calls})
            history.append({"role": "tool", "tool_call_id": f"c{i}", "content": "done"})
        if history:
            history.insert(0, {"role": "user", "content": asked.text})
        schemas = [tool.schema for tool in tools]
        request = assemble(asked.text, budget, tools=schemas, history=history)
        forms = {one.key: one.form for one in request.decisions if one.part == "tools"}
        return Held(
            frozenset(name for name, form in forms.items() if form == "full"),
            frozenset(name for name, form in forms.items() if form == "short"),
            frozenset(name for name, form in forms.items() if form == "deferred"),
            any(tool["function"]["name"] == "find_tool" for tool in request.tools),
        )

    return choose


# Peers --------------------------------------------------------------------------------------------


def by_words(tools: Sequence[Tool]) -> Rank:
    """Rank by BM25 (k1 1.5, b 0.75) over the words of names, descriptions and arguments."""
    texts = [_words(compact_json(tool.schema)) for tool in tools]
    counts = [Counter(words) for words in texts]
    mean = statistics.fmean(map(len, texts))
    held = Counter(word for count in counts for word in count)

    def rank(asked: ToolQuestion) -> NDArray[np.float64]:
        scores = np.zeros(len(tools))
        for word in _words(asked.text):
            if word not in held:
                continue
            rarity = math.log(1 + (len(tools) - held[word] + 0.5) / (held[word] + 0.5))
            for i, count in enumerate(counts):
                if word in count:
                    norm = 1.5 * (0.25 + 0.75 * len(texts[i]) / mean)
                    scores[i] += rarity * count[word] * 2.5 / (count[word] + norm)
        return scores

    return rank


def by_vectors(
    tools: Sequence[Tool], asked: Sequence[ToolQuestion], folder: str | None
) -> tuple[str, Rank]:
    """Rank by the cosine of the question with each tool's name and description."""
    texts = [f"{' '.join(_words(tool.name))}: {_about(tool)}" for tool in tools]
    model = sentence_vectors.load(folder)
    if model is not None:
        vectors = model(texts)
        of_question = dict(zip(asked, model([one.text for one in asked]), strict=True))
        return sentence_vectors.NAME, lambda one: np.asarray(vectors @ of_question[one], float)
    project, vectors = latent(texts)
    return "LSA", lambda one: np.asarray(vectors @ project(one.text), float)


def latent(
    texts: Sequence[str], size: int = 100
) -> tuple[Callable[[str], NDArray[np.float64]], NDArray[np.float64]]:
    """Return a projection to the strongest dimensions of these texts' words, and their vectors."""
    counts = [Counter(_words(text)) for text in texts]
    held = Counter(word for count in counts for word in count)
    places = {word: i for i, word in enumerate(held)}
    rarity = np.log(len(texts) / np.array([held[word] for word in places]))

    def row(count: Counter[str]) -> NDArray[np.float64]:
        made = np.zeros(len(places))
        for word, n in count.items():
            if word in places:
                made[places[word]] = (1 + math.log(n)) * rarity[places[word]]
        return made

    table = np.stack([row(count) for count in counts])
    _, _, right = np.linalg.svd(table, full_matrices=False)
    basis = right[:size].T

    def project(text: str) -> NDArray[np.float64]:
        made = row(Counter(_words(text))) @ basis
        return np.asarray(made / (np.linalg.norm(made) or 1.0))

    return project, np.stack([project(text) for text in texts])


def _about(tool: Tool) -> str:
    return tool.description.split("\n\n", 1)[0]


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z0-9]+", text.lower()) if len(word) > 1]


# Measuring ----------------------------------------------------------------------------------------


def measured(
    choose: Choose, share: float, tools: Sequence[Tool], sizes: Sizes, asked: Sequence[ToolQuestion]
) -> dict[str, Any]:
    """Return the shares of needed tools, for all questions and for each half."""
    budget = int(share * sum(sizes.full))
    groups: dict[str, Counter[str]] = {}
    for one in asked:
        held = choose(one, budget)
        answer = ""
        if held.finding:
            rest = [tool for tool in tools if tool.name not in held.full | held.short]
            answer = answer_find({"query": one.text}, rest, recent=one.recent)
        for name in one.needed:
            half = "tuned" if one.server in tuned_servers() else "held out"
            full, schema = name in held.full, name in held.full | held.short
            marks = {
                "needed": True,
                "full": full,
                "schema": schema,
                "found": schema or f'"name":"{name}"' in answer,
                "named": schema
                or name in held.listed
                or re.search(rf"\b{re.escape(name)}\b", answer) is not None,
            }
            for group in ("all", half, "step" if one.recent else "question"):
                groups.setdefault(group, Counter()).update(
                    {mark: int(held_so) for mark, held_so in marks.items()}
                )
    return {
        group: {
            mark: counts[mark] / counts["needed"] for mark in ("full", "schema", "found", "named")
        }
        | {"needed": counts["needed"]}
        for group, counts in groups.items()
    }


def speed(asked: Sequence[ToolQuestion], rounds: int = 40) -> dict[str, float]:
    """Return milliseconds to read and rank the tools: median, and the first time."""
    schemas = all_tools()
    times = []
    for i in range(rounds):
        one = asked[i % len(asked)]
        begun = time.perf_counter()
        rank_tools(one.text, schemas, recent=one.recent)
        times.append(1000 * (time.perf_counter() - begun))
    return {"median": statistics.median(times[1:]), "least": min(times), "n": rounds}


def show(report: dict[str, Any]) -> None:
    """Print the table."""
    print(f"{report['tools']} tools, {report['tokens']:,} tokens; {report['questions']} questions")
    for row in report["rows"]:
        print(f"\n{row['who']} at {100 * row['share']:.0f} % of all schemas")
        for group in ("all", "tuned", "held out", "question", "step"):
            part = row[group]
            shares = ", ".join(f"{mark} {part[mark]:.3f}" for mark in part if mark != "needed")
            print(f"  {group:<9} {shares}  ({part['needed']} needed tools)")
    took = report["milliseconds"]
    print(
        f"\nread and rank all: {took['median']:.2f} ms, median of {took['n']} ({took['least']:.2f})"
    )


if __name__ == "__main__":
    sys.exit(main())

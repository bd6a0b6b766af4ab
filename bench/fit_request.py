"""Fit the scale on which `assemble` compares tools, messages and passages.

    python -m ctxmem.bench.fit_request --data FOLDER --runs FILE --out ctxmem/weights/request-1.json

`--runs` has recorded runs of agents: the value that a unit of a history has for being recent is how
often an answer used it (identifiers, numbers and quotes that the question and newer units lack).
The other numbers are fitted on half of the episodes of `bench/episodes.py`, and the other half
judges: the weights by which asks are divided between the parts by logistic regression, the
exponents by which tools and messages share an ask by maximum likelihood, and the values of an ask
by coordinate search for the evidence that is held. With `--leave-out` every set of chats is left
out of the fit in turn.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import json
import math
import re
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.assembling import blocks, values
from ctxmem.assembling.asking import COLUMNS, FEATURES, HISTORY, TEXTS, TOOLS, divided
from ctxmem.assembling.conversation import Conversation
from ctxmem.assembling.evidence import Search, compared
from ctxmem.assembling.tool_items import ToolItems
from ctxmem.chat.counting import Meter
from ctxmem.input_files import json_lines
from ctxmem.memory.recall import BROAD
from ctxmem.tokens import resolve
from ctxmem.toolset import read_tools

from . import episodes as bench

BUDGETS = bench.BUDGETS
STEPS = (1.6, 1.25)
"""Factors by which a number is raised and lowered, in turn."""
USED = 5.5
"""Value of a message that is used: about what the best one of a history has of `FOUND`."""
SEEDS = 4
"""Compositions of the episodes from which asks are read: weights need more of them than values."""
PENALTY = 0.003
"""Of squared weights of features, since the questions of the episodes are of few kinds."""
DESCENTS, RATE = 4000, 0.3
"""Steps of gradient descent, and their length."""
EXPONENTS = tuple(tenths / 20 for tenths in range(5, 121))
"""Exponents that are tried."""
MISSED = 0.05
"""Probability that what is needed is not among what was found."""
GAIN = 4e-3
"""Share of the evidence that a step must gain: less is by chance on some dozens of episodes."""

# Recorded runs ------------------------------------------------------------------------------------

_IDENTIFIER = re.compile(r"[A-Za-z_#]*\d[\w.-]*\w|\w+[_/.]\w[\w/.]*|[\w.]+@[\w.]+")
_QUOTE = re.compile(r'"([^"\n]{12,80})"')
LEAST = 4
"""Characters of an identifier."""
OLDEST = 40
"""Units behind which uses are not followed."""


class Use(NamedTuple):
    """What a step of a run used of an earlier unit."""

    age: int  # units between them
    tokens: int  # of the lines that have what was used; 0 if nothing was


def identifiers(text: str) -> set[str]:
    """Return what a later text can be seen to have from this one."""
    found = {one for one in _IDENTIFIER.findall(text) if len(one) >= LEAST}
    return found | set(_QUOTE.findall(text))


def units(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (role, text) of the units of a run: a call is one with its results."""
    made: list[tuple[str, str]] = []
    for message in run["msgs"]:
        if message["role"] == "system":
            continue
        if message["role"] == "tool" and made:
            made[-1] = (made[-1][0], made[-1][1] + "\n" + message["text"])
        else:
            made.append((message["role"], message["text"]))
    return made


def uses(run: Mapping[str, Any], count: Callable[[str], int]) -> Iterator[Use]:
    """Yield what each answer to a user used of each unit before the user's message.

    That message is the question of `assemble`, and no part of the history. All steps up to the next
    message of the user are the answer. A use counts for the newest unit that has the identifier,
    since one copy is enough, and not if the question has it.
    """
    said = units(run)
    known = [identifiers(text) for _, text in said]
    asked = [at for at, (role, _) in enumerate(said) if role == "user"]
    for at, end in zip(asked, [*asked[1:], len(said)], strict=True):
        if at == 0 or end == at + 1:
            continue
        left = set(identifiers(calls_of(run, said, at + 1, end)))
        left -= known[at]
        for age in range(min(OLDEST, at)):
            used = left & known[at - 1 - age]
            left -= used
            lines = said[at - 1 - age][1].splitlines()
            tokens = sum(count(cut(line, used)) for line in lines if any(u in line for u in used))
            yield Use(age, tokens)


def calls_of(run: Mapping[str, Any], said: Sequence[tuple[str, str]], first: int, end: int) -> str:
    """Return what the model wrote in some units, without the results of its calls."""
    texts = {m["text"] for m in run["msgs"] if m["role"] == "tool"}
    written = "\n".join(text for _, text in said[first:end])
    for text in sorted(texts, key=len, reverse=True):
        written = written.replace(text, "")
    return written


def cut(line: str, used: set[str], around: int = 80) -> str:
    """Return what is around the identifiers of a long line."""
    if len(line) <= 4 * around:
        return line
    spans = [(line.find(u), line.find(u) + len(u)) for u in used if u in line]
    return " ".join(line[max(0, a - around) : b + around] for a, b in spans)


class Recency(NamedTuple):
    """How often an answer uses a unit of a history: `value * 0.5 ** (age / half_life)`."""

    value: float
    half_life: float


def recency(found: Sequence[Use]) -> Recency:
    """Fit the share of answers that use a unit of each age, as a rate, by maximum likelihood."""
    sums: dict[int, list[bool]] = {}
    for use in found:
        sums.setdefault(use.age, []).append(use.tokens > 0)
    means = {age: statistics.mean(used) for age, used in sums.items() if len(used) >= 50}
    weight = {age: len(sums[age]) for age in means}
    total = sum(weight[a] * means[a] for a in means)
    best = (math.inf, Recency(0.0, 1.0))
    for tenths in range(5, 300):
        half_life = tenths / 10
        shape = {age: 0.5 ** (age / half_life) for age in means}
        value = total / sum(weight[a] * shape[a] for a in means)
        loss = -sum(weight[a] * means[a] * math.log(value * shape[a]) for a in means)
        best = min(best, (loss, Recency(round(value, 3), half_life)))
    return best[1]


def read_runs(path: Path) -> list[dict[str, Any]]:
    """Return recorded runs."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json_lines(file.read())


# Episodes -----------------------------------------------------------------------------------------


class Number(NamedTuple):
    """One number of the scale: where it is in `values`, and its bounds."""

    name: str
    low: float
    high: float


SEARCHED = (
    Number("CALL", 5, 2000),
    Number("FOUND", 5, 1000),
    Number("RECALLED", 0.5, 1.0),
)
"""Numbers that the episodes decide, in the order in which they are searched."""


class Asks(NamedTuple):
    """What is known of the asks of episodes: features, the part that each is of, what is needed.

    `tools` and `messages` have a row for each ask of them: the scores of what was found, and the
    places in it of what is needed; a message that was not found has none.
    """

    features: NDArray[np.float64]
    parts: NDArray[np.intp]
    tools: list[tuple[NDArray[np.float64], list[int]]]
    messages: list[tuple[NDArray[np.float64], list[int | None], bool]]


def read_asks(episodes: Sequence[bench.Episode]) -> Asks:
    """Return what the parts of episodes have for their asks, by the functions of `assemble`."""
    rows, parts, tools, messages = [], [], [], []
    for episode in episodes:
        said, read = ([one["question"] for one in some] for some in (episode.said, episode.read))
        called = [tool.question for tool in episode.called]
        asks = (*said, *called, *read)
        meter = Meter("o200k_base", "openai", None)
        conversation = Conversation(
            list(episode.chat), "openai", meter, question="", model=None, memory=None
        )
        search = Search(conversation, asks)
        given = read_tools(episode.tools)
        items = ToolItems(given, "openai", meter, asks=asks, called=(), beside_system=True)
        rows.append(compared(asks, search, items, episode.passages)[0])
        parts += [HISTORY] * len(said) + [TOOLS] * len(called) + [TEXTS] * len(read)
        places = {tool.name: i for i, tool in enumerate(given)}
        for at, tool in enumerate(episode.called, len(said)):
            tools.append((items.chances[at], [places[name] for name in tool.needed]))
        shown = {text: k for k, text in enumerate(m["content"] for m in episode.chat)}
        for one, found in zip(episode.said, search.found, strict=False):
            if found.messages:
                rank = {k: i for i, k in enumerate(found.messages)}
                needed = [rank.get(shown.get(episode.texts[i], -1)) for i in one["evidence"]]
                scores = np.array(found.scores) / max(found.scores)
                messages.append((scores, needed, found.ask.kind in BROAD))
    return Asks(np.concatenate(rows), np.array(parts), tools, messages)


def divide_weights(asks: Asks) -> dict[str, dict[str, float]]:
    """Return the weights by which asks are divided: logistic regression by gradient descent."""
    rows, n = asks.features, len(asks.parts)
    weights, bias = np.zeros(rows.shape[1:]), np.zeros(rows.shape[1])
    used = np.abs(rows).max(axis=0) > 0
    right = np.eye(len(COLUMNS))[asks.parts]
    for _ in range(DESCENTS):
        odds = np.einsum("apf,pf->ap", rows, weights) + bias
        share = np.exp(odds - odds.max(axis=1, keepdims=True))
        wrong = (share / share.sum(axis=1, keepdims=True) - right) / n
        weights -= RATE * (np.einsum("ap,apf->pf", wrong, rows) + PENALTY * weights)
        bias -= RATE * wrong.sum(axis=0)
    return {
        part: {"bias": round(float(bias[p]), 3)}
        | {name: round(float(weights[p, f]), 3) for f, name in enumerate(FEATURES) if used[p, f]}
        for p, part in enumerate(COLUMNS)
    }


def rightly(asks: Asks) -> float:
    """Return the share of asks whose part has the largest share of them."""
    shares = divided(asks.features, [True] * len(COLUMNS))
    return float((shares.argmax(axis=1) == asks.parts).mean())


def exponents(asks: Asks) -> dict[str, float]:
    """Return the exponents under which what is needed is most likely."""

    def best(rows: Sequence[tuple[NDArray[np.float64], Sequence[int | None]]]) -> float:
        return max(EXPONENTS, key=lambda s: sum(_likelihood(scores**s, at) for scores, at in rows))

    return {
        "tool_sharpness": best(asks.tools),
        "sharpness": best([(scores, at) for scores, at, broad in asks.messages if not broad]),
        "broad_sharpness": best([(scores, at) for scores, at, broad in asks.messages if broad]),
    }


def _likelihood(weights: NDArray[np.float64], needed: Sequence[int | None]) -> float:
    """Return the mean log-likelihood of what is needed; each may be missed, too."""
    share = (1 - MISSED) * weights / weights.sum()
    missed = MISSED / len(weights)
    return statistics.mean(
        math.log(missed + (float(share[at]) if at is not None else 0.0)) for at in needed
    )


def held(episodes: Sequence[bench.Episode], sources: bench.Sources) -> float:
    """Return the mean share of evidence that requests of all budgets hold."""
    blocks.forget()
    return statistics.mean(
        bench.judge(episode, episode.assembled(budget), sources).mean
        for budget in BUDGETS
        for episode in episodes
    )


def search(
    judged: Callable[[], float], note: Callable[[str], None]
) -> tuple[dict[str, float], float]:
    """Return the numbers at a local optimum, and its mean.

    A number is moved by a factor, up or down, as long as that gains; then by a smaller one. Where
    nothing is gained a number stays as it was.
    """
    best = judged()
    for step in STEPS:
        for number in SEARCHED:
            for factor in (step, 1 / step):
                while True:
                    before = getattr(values, number.name)
                    moved = min(number.high, max(number.low, before * factor))
                    if moved == before:
                        break
                    setattr(values, number.name, moved)
                    now = judged()
                    note(f"{number.name} {before:.3g} -> {moved:.3g}: {best:.4f} -> {now:.4f}")
                    if now < best + GAIN:
                        setattr(values, number.name, before)
                        break
                    best = now
    return {number.name: getattr(values, number.name) for number in SEARCHED}, best


# Command ------------------------------------------------------------------------------------------


def numbers() -> dict[str, float]:
    """Return the scale as it is now, rounded, by the names of the weights file."""
    return {name.lower(): float(f"{getattr(values, name):.3g}") for name in values.NUMBERS}


def fit(
    fitting: Sequence[bench.Episode],
    more: Sequence[bench.Episode],
    sources: bench.Sources,
    note: Callable[[str], None],
) -> None:
    """Fit all numbers but those of recency on episodes, and use them from now on.

    `more` are episodes from which only asks are read.
    """
    asks = read_asks(more)
    values.ASKS = divide_weights(asks)
    put(exponents(asks))
    note(f"{len(asks.parts)} asks, {rightly(asks):.3f} of them rightly divided; {numbers()}")
    search(lambda: held(fitting, sources), note)
    put(numbers())


def put(scale: Mapping[str, float]) -> None:
    """Use a scale from now on."""
    for name, number in scale.items():
        setattr(values, name.upper(), number)


def main(argv: Sequence[str] | None = None) -> int:
    """Fit on one half of the episodes, judge on the other, and write the numbers."""
    parser = argparse.ArgumentParser(prog="ctxmem bench fit_request", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of memory/ and structure/")
    parser.add_argument("--runs", type=Path, required=True, help="recorded runs of agents, JSONL")
    parser.add_argument("--episodes", type=int, default=30, help="of each half")
    parser.add_argument("--leave-out", action="store_true", help="fit without each set of chats")
    parser.add_argument("--out", type=Path, help="write the numbers here")
    options = parser.parse_args(argv)
    counter = resolve("o200k_base")
    found = [
        use for run in read_runs(options.runs) for use in uses(run, lambda t: int(counter.count(t)))
    ]
    shown = recency(found)
    put({"recent": USED * shown.value, "half_life": shown.half_life})
    print(f"{len(found):,} units before answers of recorded runs: {shown}")
    sources = bench.Sources(options.data)
    fitting, judging = (list(bench.compose(sources, h, options.episodes)) for h in (0, 1))
    more = [e for seed in range(SEEDS) for e in bench.compose(sources, 0, options.episodes, seed)]
    start, weights = numbers(), values.ASKS
    judged: dict[str, list[float]] = {}
    groups = sorted(set(sources.groups)) if options.leave_out else []
    for group in (*groups, ""):
        put(start)
        values.ASKS = weights
        unseen = [one for one in judging if not group or one.group == group]
        before = held(unseen, sources)
        without = [[one for one in some if one.group != group] for some in (fitting, more)]
        fit(without[0], without[1], sources, print)
        name = f"{group}, not fitted on" if group else "other half"
        judged[name] = [round(before, 4), round(held(unseen, sources), 4)]
        right = rightly(read_asks(unseen))
        print(f"{name}: {before:.4f} -> {judged[name][1]:.4f}; {right:.3f} of its asks rightly")
    if options.out is not None:
        write(options.out, judged)
    return 0


def write(path: Path, judged: Mapping[str, Sequence[float]]) -> None:
    """Write the numbers, with the share of evidence before and after where they were judged."""
    data = {
        "version": 1,
        "provenance": {"date": datetime.date.today().isoformat(), "judged": judged},
        "scale": numbers(),
        "asks": values.ASKS,
    }
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

"""Fit the scale on which `assemble` compares tools, messages and passages.

    python -m ctxmem.bench.fit_request --data FOLDER --runs FILE --out ctxmem/weights/request-1.json

`--runs` has recorded runs of agents: what a unit of a history is worth for being recent is how
often an answer used it (identifiers, numbers and quotes that the question and newer units lack).
The other numbers are chosen by coordinate search on half of the episodes of `bench/episodes.py`;
the other half judges. With `--leave-out` every set of chats is left out of the fit in turn.
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

from ctxmem.assembling import values
from ctxmem.tokens import resolve

from . import episodes as bench

BUDGETS = bench.BUDGETS
STEPS = (1.6, 1.25)
"""Factors by which a number is raised and lowered, in turn."""
USED = 5.5
"""Value of a message that is used: about what the best one of a history has of `FOUND`."""
GAIN = 1e-3
"""Share of the evidence that a step must gain."""

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
        return [json.loads(line) for line in file]


# Episodes -----------------------------------------------------------------------------------------


class Number(NamedTuple):
    """One number of the scale: where it is in `values`, and its bounds."""

    name: str
    low: float
    high: float


SEARCHED = (
    Number("CALL", 5, 2000),
    Number("FOUND", 5, 1000),
    Number("SHARPNESS", 0.5, 8),
    Number("INDEXED", 0.005, 0.5),
    Number("BINDS", 0.05, 100),
)
"""Numbers that the episodes decide, in the order in which they are searched."""


def held(episodes: Sequence[bench.Episode], sources: bench.Sources) -> float:
    """Return the mean share of evidence that requests of all budgets hold."""
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
    start = numbers()
    judged: dict[str, list[float]] = {}
    if options.leave_out:
        for group in sorted(set(sources.groups)):
            put(start)
            unseen = [one for one in judging if one.group == group]
            before = held(unseen, sources)
            search(lambda: held([e for e in fitting if e.group != group], sources), print)  # noqa: B023
            judged[group] = [round(before, 4), round(held(unseen, sources), 4)]
            print(f"{group}, not fitted on: {before:.4f} -> {judged[group][1]:.4f}; {numbers()}")
    put(start)
    before = held(judging, sources)
    search(lambda: held(fitting, sources), print)
    put(numbers())
    judged["other half"] = [round(before, 4), round(held(judging, sources), 4)]
    print(f"other half: {before:.4f} -> {judged['other half'][1]:.4f}; {numbers()}")
    if options.out is not None:
        write(options.out, judged)
    return 0


def write(path: Path, judged: Mapping[str, Sequence[float]]) -> None:
    """Write the numbers, with the share of evidence before and after where they were judged."""
    data = {
        "version": 1,
        "provenance": {"date": datetime.date.today().isoformat(), "judged": judged},
        "scale": numbers(),
    }
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

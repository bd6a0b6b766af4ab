"""How much of the evidence for questions about a long conversation is in the window?

`window` and `recall` are recallers: given messages and a budget they return a function from a
question to the texts that a model would be shown. The table compares them with BM25 on generated
conversations, in which every question's evidence is known; `score` of any recaller is the share
of evidence messages shown.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np

from ctxmem import Memory, _native
from ctxmem.memory.recall import find, select
from ctxmem.tokens import resolve

Show = Callable[[str], list[str]]
Recaller = Callable[[Sequence[Mapping[str, Any]], int], Show]
_FORMATS = ("%B-%d-%Y", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S")


def seconds(value: Any) -> float:
    """Return a message's time in seconds, NaN if it is none that is understood."""
    if isinstance(value, int | float):
        return float(value)
    for form in _FORMATS:
        try:
            return datetime.strptime(str(value), form).replace(tzinfo=timezone.utc).timestamp()
        except ValueError:
            continue
    return float("nan")


def recall(
    messages: Sequence[Mapping[str, Any]],
    budget: int,
    kept: Mapping[int, Iterable[tuple[int, int]]] | None = None,
) -> Show:
    """Recall by the index of the session and the selection of passages alone."""
    counter = resolve("o200k_base")
    sizes: dict[str, int] = {}

    def count(text: str) -> int:
        if text not in sizes:
            sizes[text] = int(counter.count(text))
        return sizes[text]

    index = _native.SessionIndex()
    texts = [message["text"] for message in messages]
    for i, message in enumerate(messages):
        index.add(i, message["role"], message["text"], seconds(message.get("time")))
    times = [seconds(message.get("time")) for message in messages]
    now = np.nanmax(times) if not np.all(np.isnan(times)) else None

    def show(question: str) -> list[str]:
        found = select(
            find(index, question, now, text_of=texts.__getitem__),
            budget,
            text_of=texts.__getitem__,
            count=count,
            kept=kept,
        )
        return [one.text for one in found]

    return show


def window(messages: Sequence[Mapping[str, Any]], budget: int) -> Show:
    """Return what the window of a `Memory` holds for a question, everything in it."""
    return remembered(Memory(budget), messages)


def remembered(memory: Memory, messages: Sequence[Mapping[str, Any]]) -> Show:
    """Append messages to a memory, and return what its windows show."""
    for message in messages:
        at = seconds(message.get("time"))
        said = {"role": message["role"], "content": message["text"]}
        memory.append(said, at=None if math.isnan(at) else at)

    def show(question: str) -> list[str]:
        return [str(message["content"]) for message in memory.window(question).messages]

    return show


def bm25_user(messages: Sequence[Mapping[str, Any]], budget: int) -> Show:
    """Fill the budget by BM25 over whole messages, the user's first."""
    counter = resolve("o200k_base")
    texts = [message["text"] for message in messages]
    sizes = [int(counter.count(text)) for text in texts]
    user = np.array([message["role"] == "user" for message in messages])

    def show(question: str) -> list[str]:
        scores = _native.bm25(texts, [question])[:, 0]
        taken, used = [], 0
        for i in np.lexsort((-scores, ~user)):
            if used + sizes[i] + 3 <= budget:
                taken.append(int(i))
                used += sizes[i] + 3
        return [texts[i] for i in sorted(taken)]

    return show


def generated(seed: int, size: int) -> tuple[list[dict[str, Any]], list[tuple[str, int]]]:
    """Return a conversation of made-up words, and questions with the message that answers each.

    Things and their properties are few and named again and again, by the answers most; a third of
    the values is changed later, and the newest is what answers.
    """
    random_ = random.Random(seed)
    names = ["".join(random_.choices("bcdfghklmnprstvz" + "aeiou" * 2, k=6)) for _ in range(900)]
    common, rest = names[:60], names[60:]
    messages: list[dict[str, Any]] = []
    stated: dict[tuple[str, str], int] = {}

    def filler(words: int) -> str:
        pools = random_.choices((common, rest), (1, 3), k=words)
        return " ".join(random_.choice(pool) for pool in pools)

    for i in range(size):
        if i % 2 == 0:
            first, second = random_.sample(common, 2)
            if stated and random_.random() < 1 / 3:
                first, second = random_.choice(sorted(stated))
            stated[first, second] = i
            fact = f"The {first} of the {second} is {random_.choice(rest)}."
            text = f"{filler(random_.choice((4, 20, 60)))}. {fact} {filler(20)}."
        else:
            text = "\n\n".join(f"{filler(50)} {first} {second}." for _ in range(8))
        messages.append({"role": "assistant" if i % 2 else "user", "text": text, "time": i})
    questions = [(f"What is the {a} of the {b}?", i) for (a, b), i in sorted(stated.items())]
    return messages, random_.sample(questions, 40)


def held(make: Recaller, budget: int) -> tuple[float, float]:
    """Return the share of answers shown, and the milliseconds that a question takes."""
    found = asked = 0
    spent = 0.0
    for seed in range(3):
        messages, questions = generated(seed, 300)
        show = make(messages, budget)
        for question, answer in questions:
            start = time.perf_counter()
            text = "\n\n".join(show(question))
            spent += time.perf_counter() - start
            asked += 1
            fact = messages[answer]["text"].split(". ")[1]
            found += fact in text
    return found / asked, 1000 * spent / asked


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="ctxmem bench recall", description=__doc__)
    parser.add_argument("--budgets", type=int, nargs="+", default=[500, 1000, 4000])
    args = parser.parse_args(argv)
    print(f"{'recaller':12}{'budget':>8}{'held':>8}{'ms':>8}")
    for budget in args.budgets:
        for name, make in (("window", window), ("recall", recall), ("bm25_user", bm25_user)):
            share, spent = held(make, budget)
            print(f"{name:12}{budget:8}{share:8.2f}{spent:8.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

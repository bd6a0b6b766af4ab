"""How long does a pack take: 1,000 retrieved chunks of about 200 tokens, against a plain fill?

The plain fill is what most stacks do: count every chunk with tiktoken, sort by score, drop exact
repeats, add until the budget is full. It is timed in the same run, turn by turn. Where it wins is
said: it looks at nothing else, so counts that are known already cost it next to nothing.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import ctxmem
from ctxmem import _native

from .reporting import print_report
from .token_peers import reference
from .token_texts import library, prose

CHUNKS = 1000
BUDGET = 16_000
QUERY = "How are errors raised and handled while a file is parsed?"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="ctxmem bench pack", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds of each (default 9)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    report = measure(options.rounds)
    print_report(report, show, as_json=options.json)
    return 0


def measure(rounds: int) -> dict[str, Any]:
    """Time packs with counts known and with every text new, beside the plain fill."""
    rng = random.Random(0)
    text = prose(library())
    plain = plain_fill()
    warm = chunks(rng, text, 0)
    ctxmem.pack(warm, BUDGET, query=QUERY)
    times: dict[str, list[float]] = {"known": [], "new": [], "plain, new": []}
    for turn in range(rounds):
        fresh = chunks(rng, text, 37 * (turn + 1))  # texts that no cache has seen
        times["known"].append(timed(lambda: check(ctxmem.pack(warm, BUDGET, query=QUERY))))
        times["new"].append(timed(lambda: check(ctxmem.pack(fresh, BUDGET, query=QUERY))))  # noqa: B023
        times["plain, new"].append(timed(lambda: plain(fresh, BUDGET)))  # noqa: B023
    return {
        "question": "how long does a pack take?",
        "chunks": CHUNKS,
        "tokens": int(sum(ctxmem.count_tokens([chunk.text for chunk in warm]))),
        "budget": BUDGET,
        "rounds": rounds,
        "versions": {
            "ctxmem": ctxmem.__version__,
            "python": platform.python_version(),
            "cpu_level": _native.cpu_level(),
        },
        "milliseconds": {
            name: {
                "median": round(1e3 * statistics.median(values), 2),
                "min": round(1e3 * min(values), 2),
                "max": round(1e3 * max(values), 2),
            }
            for name, values in times.items()
        },
    }


def chunks(rng: random.Random, text: str, start: int) -> list[ctxmem.Chunk]:
    """Return consecutive passages of about 200 tokens from an offset on; one in eleven twice."""
    size = 880
    count = CHUNKS * 10 // 11
    made = [
        ctxmem.Chunk(
            text[start + i * size : start + (i + 1) * size],
            id=f"{start}:{i}",
            score=rng.random(),
            list="dense",
        )
        for i in range(count)
    ]
    again = rng.sample(made, CHUNKS - count)
    return made + [
        ctxmem.Chunk(hit.text, id=hit.id, score=rng.random(), list="bm25") for hit in again
    ]


def check(window: ctxmem.Window) -> None:
    """Fail unless the window holds its budget and accounts for every chunk."""
    if not (0.9 * BUDGET < window.tokens <= BUDGET and len(window.decisions) == CHUNKS):
        raise AssertionError(f"{window.tokens} tokens, {len(window.decisions)} decisions")


def timed(run: Callable[[], object]) -> float:
    """Return the seconds that one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def plain_fill() -> Callable[[Sequence[ctxmem.Chunk], int], str]:
    """Return the plain fill with tiktoken."""
    encoding = reference("o200k_base")

    def fill(hits: Sequence[ctxmem.Chunk], budget: int) -> str:
        kept: dict[str, None] = {}
        spent = 0
        for hit in sorted(hits, key=lambda hit: -(hit.score or 0)):
            tokens = len(encoding.encode_ordinary(hit.text)) + 1
            if hit.text not in kept and spent + tokens <= budget:
                kept[hit.text] = None
                spent += tokens
        return "\n\n".join(kept)

    return fill


def show(report: dict[str, Any]) -> None:
    """Print the figures for a person."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    print(
        f"{report['question']}\n{report['chunks']:,} chunks, {report['tokens']:,} tokens, budget "
        f"{report['budget']:,}; n = {report['rounds']}, one thread; {versions}\n"
    )
    print(f"{'':<24}{'median ms':>10}{'min':>8}{'max':>8}")
    names = {
        "known": "ctxmem, counts known",
        "new": "ctxmem, all texts new",
        "plain, new": "plain fill with tiktoken",
    }
    for key, row in report["milliseconds"].items():
        print(f"{names[key]:<24}{row['median']:>10}{row['min']:>8}{row['max']:>8}")
    rows = report["milliseconds"]
    ratio = rows["plain, new"]["median"] / rows["new"]["median"]
    print(
        f"\nplain fill / ctxmem, all texts new: {ratio:.1f}x. With counts known the plain fill "
        f"is a sort and wins:\nit finds no near-duplicates, ranks nothing, proves nothing."
    )


if __name__ == "__main__":
    sys.exit(main())

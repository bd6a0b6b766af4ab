"""How long does it take to check, repair and trim a chat, against LangChain's trimmer?

Trimming is to a quarter of the tokens; no peer of `check` and `repair` is measured here.

LangChain's `trim_messages` runs in the same process on the same message objects: with tiktoken, as
a function that counts a list exactly, and with its "approximate" counter, four characters a token.
Ours counts exactly in any case. "new" is the first sight of every text; "known" is every later
turn. Where the gain is small is said: a first trim without LangChain's exact counter as the
alternative, since approximating reads no text at all.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import ctxmem

from .corpus import passages
from .reporting import print_report, versions
from .token_peers import reference

SIZES = (100, 1000, 5000)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="ctxmem bench messages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds of each (default 7)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    report = {
        "question": "how long does it take to check, repair and trim a chat?",
        "rounds": options.rounds,
        "versions": versions("langchain-core"),
        "sizes": [measure(size, options.rounds) for size in SIZES],
    }
    print_report(report, show, as_json=options.json)
    return 0


def measure(size: int, rounds: int) -> dict[str, Any]:
    """Time every trimmer on one chat of a size, turn by turn."""
    rng = random.Random(size)
    plain = chat(rng, size)
    budget = ctxmem.count_messages(plain) // 4
    objects, peers = as_langchain(plain, budget)
    times: dict[str, list[float]] = {}

    def time_one(name: str, run: Callable[[], list[Any]]) -> None:
        start = time.thread_time()  # processor time: other work on the machine does not count
        kept = run()
        times.setdefault(name, []).append(time.thread_time() - start)
        if name.startswith("ctxmem, ") and not 0.8 * budget < ctxmem.count_messages(kept) <= budget:
            raise AssertionError(f"{name} keeps {ctxmem.count_messages(kept)} of {budget} tokens")

    broken = [m for i, m in enumerate(plain) if i % 12 != 3]  # every fifth result or so is lost
    broken.append({"role": "user", "content": "Go on."})
    repaired = ctxmem.repair(broken)
    if ctxmem.check(repaired, provider="openai") or repaired == broken:
        raise AssertionError("repair leaves what check finds")
    for _ in range(rounds):
        fresh = chat(rng, size)  # texts that no cache has seen
        for name, run in (
            ("check", lambda: ctxmem.check(plain)),
            ("repair, nothing to do", lambda: ctxmem.repair(plain)),
            ("repair, results lost", lambda: ctxmem.repair(broken)),
        ):
            time_one(name, run)
        time_one("ctxmem, new", lambda: ctxmem.trim_messages(fresh, budget))  # noqa: B023
        time_one("ctxmem, known", lambda: ctxmem.trim_messages(plain, budget))
        if objects:
            ours = "ctxmem, known, LangChain objects"
            time_one(ours, lambda: ctxmem.trim_messages(objects, budget))
        for name, run in peers.items():
            time_one(name, run)
    return {
        "messages": len(plain),
        "tokens": ctxmem.count_messages(plain),
        "budget": budget,
        "milliseconds": {
            name: {
                "median": round(1e3 * statistics.median(values), 3),
                "min": round(1e3 * min(values), 3),
                "max": round(1e3 * max(values), 3),
            }
            for name, values in times.items()
        },
    }


def chat(rng: random.Random, size: int) -> list[dict[str, Any]]:
    """Return an agent's chat: a question every twelve messages, calls and results between."""
    made: list[dict[str, Any]] = [{"role": "system", "content": "You maintain a code base."}]
    while len(made) < size:
        at = len(made) % 12
        if at == 1:
            made.append({"role": "user", "content": text(rng, 30)})
        elif at == 0 or size - len(made) < 2:
            made.append({"role": "assistant", "content": text(rng, 60)})
        else:
            key = f"call_{rng.getrandbits(48):x}"
            function = {"name": "read_file", "arguments": json.dumps({"path": text(rng, 3)})}
            call = {"id": key, "type": "function", "function": function}
            made.append({"role": "assistant", "content": "", "tool_calls": [call]})
            made.append({"role": "tool", "tool_call_id": key, "content": text(rng, 80)})
    return made


def text(rng: random.Random, words: int) -> str:
    """Return that many words of English-like text, and a number that makes it new."""
    start = rng.randrange(len(_words()) - words)
    return " ".join(_words()[start : start + words]) + f" {rng.randrange(10**6)}."


@functools.cache
def _words() -> list[str]:
    return " ".join(passages(4000)).split()


def as_langchain(
    plain: list[dict[str, Any]], budget: int
) -> tuple[list[Any], dict[str, Callable[[], list[Any]]]]:
    """Return the chat as LangChain's objects and its trimmers, as far as they are installed."""
    try:
        from langchain_core.messages import convert_to_messages, trim_messages
    except ImportError:
        return [], {}
    objects = convert_to_messages(plain)
    options = {"max_tokens": budget, "include_system": True, "start_on": "human"}

    def approximate() -> list[Any]:
        kept: list[Any] = trim_messages(objects, token_counter="approximate", **options)
        return kept

    encoding = reference("o200k_base")

    def count(messages: Sequence[Any]) -> int:
        texts = [str(message.content) for message in messages]
        texts += [json.dumps(call["args"]) for m in messages for call in calls(m)]
        return sum(len(encoding.encode_ordinary(text)) + 4 for text in texts)

    def calls(message: Any) -> list[Any]:
        return getattr(message, "tool_calls", None) or []

    def exact() -> list[Any]:
        kept: list[Any] = trim_messages(objects, token_counter=count, **options)
        return kept

    return objects, {"LangChain, approximate": approximate, "LangChain, tiktoken": exact}


def show(report: dict[str, Any]) -> None:
    """Print the figures for a person."""
    print(", ".join(f"{name} {version}" for name, version in report["versions"].items()))
    for row in report["sizes"]:
        print(
            f"\n{row['messages']:,} messages, {row['tokens']:,} tokens, "
            f"budget {row['budget']:,}; ms of processor time, median of {report['rounds']} "
            f"(min to max)"
        )
        times = row["milliseconds"]
        ours = times["ctxmem, known"]["median"]
        for name, value in times.items():
            spread = f"({value['min']:.2f} to {value['max']:.2f})"
            ratio = value["median"] / ours
            print(f"  {name:<34}{value['median']:>10.2f}  {spread:<24}{ratio:>8.1f}x")


if __name__ == "__main__":
    raise SystemExit(main())

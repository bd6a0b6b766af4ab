"""What stays in the prompt cache when a session grows, and what a call of `assemble` takes.

A session asks 100 questions. Each brings passages of its own, tool calls and results, and an
answer; the next request has all of that in its history. Counted are how much of a request's stable
part (all before the recalled texts, the passages and the question) was the beginning of the request
before, byte for byte, and how often the tools changed. The time is that of a further call with
another question, when texts have been counted once.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Sequence
from typing import Any

import ctxmem

from .memory import common, rows
from .messages import text
from .tool_schemas import all_tools, questions

REQUESTS = 100
SESSION_BUDGET = 16_000
SYSTEM = "You are the assistant of an operations team. Use the tools that you have."
RULES = ("Ask before you delete anything.", "Answer in the language of the question.")


def sessions(count: int, tools: int = 60) -> list[dict[str, Any]]:
    """Return a row for each growing session."""
    return [session(seed, tools) for seed in range(1, count + 1)]


def session(seed: int, tools: int) -> dict[str, Any]:
    """Return how much of each request was the beginning of the one before."""
    rng = random.Random(seed)
    schemas = rng.sample(all_tools(), tools)
    names = {name_of(schema) for schema in schemas}
    # A session is about a few things: the questions of some of its tools come again.
    known = [one.text for one in questions() if names.issuperset(one.needed)]
    history: list[dict[str, Any]] = []
    previous: ctxmem.Request | None = None
    stable_shares, whole_shares, over, changes = [], [], 0, 0
    for number in range(REQUESTS):
        asked = rng.choice(known) if known else text(rng, 12)
        request = ctxmem.assemble(
            asked,
            SESSION_BUDGET,
            system=SYSTEM,
            rules=RULES,
            tools=schemas,
            history=history,
            passages=[text(rng, 120) for _ in range(8)],
            previous=previous,
        )
        over += request.tokens > request.budget
        if previous is not None:
            changes += previous.tools != request.tools
            stable, whole = (
                written(request, request.volatile_from),
                written(request, len(request.messages)),
            )
            before = written(previous, len(previous.messages))
            shared = common(before, whole)
            stable_shares.append(min(1.0, shared / len(stable)))
            whole_shares.append(shared / len(whole))
        history = [*history, {"role": "user", "content": asked}, *answer(rng, request, number)]
        previous = request
    return {
        "seed": seed,
        "requests": REQUESTS,
        "messages": len(history),
        "prefix": statistics.mean(stable_shares),
        "whole": statistics.mean(whole_shares),
        "tool_changes": changes,
        "over": over,
    }


def name_of(schema: dict[str, Any]) -> str:
    """Return the name of a tool in any shape."""
    return str(schema.get("function", schema)["name"])


def answer(rng: random.Random, request: ctxmem.Request, number: int) -> list[dict[str, Any]]:
    """Return a round of a tool that the model has, and its answer."""
    made: list[dict[str, Any]] = []
    sent = [name_of(tool) for tool in request.tools]
    if sent and rng.random() < 0.6:
        key = f"call_{number}"
        function = {"name": rng.choice(sent), "arguments": json.dumps({"id": rng.randrange(10**6)})}
        call = {"id": key, "type": "function", "function": function}
        result = (text, rows)[number % 2](rng, max(8, int(rng.lognormvariate(4.2, 1))))
        made.append({"role": "assistant", "content": None, "tool_calls": [call]})
        made.append({"role": "tool", "tool_call_id": key, "content": result})
    made.append({"role": "assistant", "content": text(rng, 60)})
    return made


def written(request: ctxmem.Request, end: int) -> str:
    """Return the beginning of a request as one text, in the order in which it is cached."""
    parts: list[Any] = [request.tools, request.system, *request.messages[:end]]
    return "\n".join(json.dumps(part, sort_keys=True) for part in parts)


def speed(
    rounds: int, tools: int = 300, messages: int = 500, passages: int = 200
) -> dict[str, Any]:
    """Return the median milliseconds of further calls over the same parts."""
    rng = random.Random(7)
    history = conversation(rng, messages)
    chunks = [text(rng, 90) for _ in range(passages)]
    schemas, asked = all_tools()[:tools], questions()
    times = []
    for number in range(rounds + 1):
        question = f"{asked[number % len(asked)].text} {text(rng, 8)}"
        start = time.perf_counter()
        ctxmem.assemble(
            question,
            8000,
            system=SYSTEM,
            rules=RULES,
            tools=schemas,
            history=history,
            passages=chunks,
        )
        times.append(1000 * (time.perf_counter() - start))
    return {
        "tools": len(schemas),
        "messages": len(history),
        "passages": len(chunks),
        "first_ms": times[0],
        "median_ms": statistics.median(times[1:]),
        "worst_ms": max(times[1:]),
        "rounds": rounds,
    }


def conversation(rng: random.Random, size: int) -> list[dict[str, Any]]:
    """Return an agent's conversation of that many messages."""
    made: list[dict[str, Any]] = []
    number = 0
    while len(made) < size:
        made.append({"role": "user", "content": text(rng, 30)})
        key = f"call_{number}"
        function = {"name": "read_file", "arguments": json.dumps({"path": f"src/part_{number}.py"})}
        call = {"id": key, "type": "function", "function": function}
        made.append({"role": "assistant", "content": None, "tool_calls": [call]})
        made.append({"role": "tool", "tool_call_id": key, "content": text(rng, 80)})
        made.append({"role": "assistant", "content": text(rng, 50)})
        number += 1
    return made[:size]


def show_sessions(found: Sequence[dict[str, Any]]) -> None:
    """Print the rows of sessions."""
    for row in found:
        print(
            f"session {row['seed']}: {row['requests']} requests, {row['messages']} messages: "
            f"{row['prefix']:.3f} of the stable part was the beginning of the request before "
            f"({row['whole']:.3f} of the whole request), tools changed {row['tool_changes']} "
            f"times, over budget {row['over']}"
        )


def show_speed(row: dict[str, Any]) -> None:
    """Print the row of the time."""
    print(
        f"{row['tools']} tools, {row['messages']} messages, {row['passages']} passages: "
        f"{row['median_ms']:.1f} ms a further call (median of {row['rounds']}; slowest "
        f"{row['worst_ms']:.1f}, the first {row['first_ms']:.0f})"
    )

"""Random inputs of `assemble`: all parts, every provider's shapes, whole and torn histories."""

from __future__ import annotations

import json
import random
from typing import Any

import ctxmem

PROVIDERS = ("openai", "responses", "anthropic")

NOUNS = (
    "invoice refund parcel warehouse schedule ticket pipeline server backup calendar meeting "
    "budget contract passport flight hotel sensor battery recipe garden library museum bridge"
).split()
VERBS = "create update delete list search export import archive cancel renew send read".split()
WORDS = (
    "the a of in after before with without every some new late early open closed red blue north "
    "south order customer account number value limit price window result report status page"
).split()
UNUSUAL = (
    "Straße über Köln",
    "東京の天気",
    "naïve ✓ 👍🏽",
    "<b>&amp;</b>",
    "{'a': [1, 2]}",
    "a\tb\\c",
)


def sentence(rng: random.Random, low: int = 4, high: int = 16) -> str:
    """Return a sentence of random words, with a number in it so that no two are the same."""
    words = [
        rng.choice(NOUNS if rng.random() < 0.4 else WORDS) for _ in range(rng.randint(low, high))
    ]
    words.insert(rng.randrange(len(words)), str(rng.randrange(10**6)))
    if rng.random() < 0.08:
        words.append(rng.choice(UNUSUAL))
    return " ".join(words).capitalize() + "."


def text(rng: random.Random, sentences: int) -> str:
    """Return prose, a list, rows or code."""
    lines = [sentence(rng) for _ in range(max(1, sentences))]
    form = rng.random()
    if form < 0.6:
        return " ".join(lines)
    if form < 0.75:
        return "\n".join(["# " + sentence(rng, 2, 4), "", *(f"- {line}" for line in lines)])
    if form < 0.9:
        return json.dumps([{"id": i, "note": line} for i, line in enumerate(lines)])
    return "\n".join(["```python", *(f"x_{i} = {line!r}" for i, line in enumerate(lines)), "```"])


# Tools --------------------------------------------------------------------------------------------


def tool(rng: random.Random, name: str, provider: str) -> dict[str, Any]:
    """Return a tool in the shape of a provider."""
    properties: dict[str, Any] = {}
    for noun in rng.sample(NOUNS, rng.randint(0, 6)):
        kind = rng.choice(("string", "integer", "boolean", "array"))
        properties[noun] = {"type": kind, "description": sentence(rng)}
        if kind == "array":
            properties[noun]["items"] = {"type": "string"}
        if kind == "string" and rng.random() < 0.3:
            properties[noun]["enum"] = rng.sample(WORDS, 3)
    schema = {"type": "object", "properties": properties, "required": list(properties)[:2]}
    said = text(rng, rng.randint(1, 5)) if rng.random() < 0.9 else sentence(rng)
    if provider == "anthropic":
        return {"name": name, "description": said, "input_schema": schema}
    function = {"name": name, "description": said, "parameters": schema}
    if provider == "responses":
        return {"type": "function", "strict": False, **function}
    return {"type": "function", "function": function}


def tool_names(rng: random.Random, count: int) -> list[str]:
    """Return different names of tools."""
    pairs = [f"{verb}_{noun}" for verb in VERBS for noun in NOUNS]
    return rng.sample(pairs, count)


# Histories ----------------------------------------------------------------------------------------


def history(
    rng: random.Random, provider: str, names: list[str], turns: int
) -> list[dict[str, Any]]:
    """Return an agent's history; of some calls the result is missing, or comes twice."""
    torn = rng.random() < 0.35
    made: list[dict[str, Any]] = []
    for turn in range(turns):
        made.append({"role": "user", "content": text(rng, rng.randint(1, 4))})
        for step in range(rng.choice((0, 0, 1, 2)) if names else 0):
            keys = [f"call_{turn}_{step}_{i}" for i in range(rng.choice((1, 1, 2)))]
            calls = [(key, rng.choice(names), {"query": sentence(rng)}) for key in keys]
            results = [(key, text(rng, rng.choice((1, 3, 20)))) for key in keys]
            if torn and rng.random() < 0.4:
                fault = rng.randrange(3)
                results = (
                    results[1:] if fault == 0 else results * 2 if fault == 1 else results[::-1]
                )
            made += ROUNDS[provider](sentence(rng), calls, results)
        if rng.random() < 0.85:
            made.append({"role": "assistant", "content": text(rng, rng.choice((1, 3, 12)))})
    return made


def chat_round(said: str, calls: list[Any], results: list[Any]) -> list[dict[str, Any]]:
    """Return a round of calls as OpenAI's chat API has it."""
    made = [
        {"id": key, "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        for key, name, given in calls
    ]
    answers = [{"role": "tool", "tool_call_id": key, "content": value} for key, value in results]
    return [{"role": "assistant", "content": said, "tool_calls": made}, *answers]


def items_round(said: str, calls: list[Any], results: list[Any]) -> list[dict[str, Any]]:
    """Return a round of calls as items of the Responses API."""
    made = [
        {"type": "function_call", "call_id": key, "name": name, "arguments": json.dumps(given)}
        for key, name, given in calls
    ]
    answers = [
        {"type": "function_call_output", "call_id": key, "output": value} for key, value in results
    ]
    return [{"role": "assistant", "content": said}, *made, *answers]


def blocks_round(said: str, calls: list[Any], results: list[Any]) -> list[dict[str, Any]]:
    """Return a round of calls as blocks of Anthropic's Messages API."""
    made = [{"type": "tool_use", "id": key, "name": name, "input": i} for key, name, i in calls]
    answers = [
        {"type": "tool_result", "tool_use_id": key, "content": value} for key, value in results
    ]
    blocks = [{"type": "text", "text": said}, *made]
    tail = [{"role": "user", "content": answers}] if answers else []
    return [{"role": "assistant", "content": blocks}, *tail]


ROUNDS = {"openai": chat_round, "responses": items_round, "anthropic": blocks_round}


# Requests -----------------------------------------------------------------------------------------


def passages(rng: random.Random, count: int) -> list[Any]:
    """Return passages as str and as chunks, some of them twice."""
    made: list[Any] = []
    for i in range(count):
        said = text(rng, rng.randint(1, 10))
        if rng.random() < 0.5:
            source = f"doc{rng.randrange(4)}.md"
            made.append(ctxmem.Chunk(said, id=f"p{i}", source=source, score=rng.random()))
        else:
            made.append(said)
        if rng.random() < 0.1:
            made.append(said)
    return made


def remembered(rng: random.Random, turns: int) -> Any:
    """Return a memory with a short conversation, or texts."""
    if rng.random() < 0.5:
        return [text(rng, rng.randint(1, 6)) for _ in range(turns)]
    memory = ctxmem.Memory(2000)
    memory.append(history(rng, "openai", [], turns))
    memory.append({"role": "user", "content": f"Always answer in {rng.choice(WORDS)} words."})
    return memory


def random_request(seed: int, provider: str, wire: str = "") -> dict[str, Any]:
    """Return the arguments of a call of `assemble`; `wire` is the format of the history."""
    rng = random.Random(f"{provider} {seed}")
    names = tool_names(rng, rng.choice((0, 1, 5, 30)))
    shape = provider if rng.random() < 0.7 else rng.choice(PROVIDERS)
    given: dict[str, Any] = {
        "question": sentence(rng, 6, 20) if rng.random() < 0.9 else text(rng, 6),
        "budget": int(300 * 2 ** rng.uniform(0, 5)),
        "provider": provider,
    }
    if rng.random() < 0.7:
        given["system"] = text(rng, rng.randint(1, 4))
    if rng.random() < 0.5:
        given["rules"] = [sentence(rng) for _ in range(rng.randint(1, 4))]
    if names:
        given["tools"] = [tool(rng, name, shape) for name in names]
    if rng.random() < 0.8:
        given["history"] = history(rng, wire or provider, names, rng.randint(1, 12))
    if rng.random() < 0.35:
        given["memory"] = remembered(rng, rng.randint(1, 8))
        if isinstance(given["memory"], ctxmem.Memory) and rng.random() < 0.5:
            given.pop("history", None)
    if rng.random() < 0.7:
        given["passages"] = passages(rng, rng.choice((1, 5, 20)))
    return given

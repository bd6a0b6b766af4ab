"""Does a managed conversation ever cost more than passing it through, and what does it save?

Conversations of several kinds go request by request through the stage of `ctxmem serve --mode
manage`, and beside it to a provider as their client wrote them. A simulated provider reads the
bytes that were sent, counts them with tiktoken, keeps a prompt cache by the rules of a price row
(`ctxmem.pricing.Bill`), and reports usage as the wire format does. Printed for each row: the bill
of each conversation against that of passing it through at its end and at its worst request, the
windows that were over the budget, and the requests that break a provider's rule though the client's
own did not.

Recorded agent runs are taken in with `--data`. Where we do not win: conversations that fit into the
budget go out as they are, at 1.000, but for results that are shown in full once; and a client that
sets no marks at a provider that needs them begins to be cached only when something was saved.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import ctxmem
from ctxmem import _native
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.manage.managing import Manage
from ctxmem.gateway.manage.splicing import document
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import Wire, wire_of
from ctxmem.pricing import MARKS_BY_ITSELF, Bill, Block, Prices, prices_of

from .bill import as_chat, runs_in
from .reporting import print_json

ROWS = "anthropic,openai,openai-5.6,deepseek,anthropic-1h"
BUDGETS = (4_000, 8_000, 16_000, 32_000)
_MARKS = ("cache_control", "prompt_cache_breakpoint")
_WORDS = (
    "the of and to in is that for it as was with be by on not he this are or his from at which but "
    "have an had they you were their one all we can her has there been if more when will would who "
    "so no server request cache table column index query value error timeout module function test "
    "result patch branch commit report invoice customer order address flight booking seat refund"
).split()


@dataclass
class Talk:
    """A conversation as its client has it: what is sent first, and what is new at each request.

    A step is (messages that are put in the place of all from a place on, seconds since the last).
    """

    kind: str
    marks: bool
    system: str
    tools: list[dict[str, Any]]
    steps: list[tuple[int, list[dict[str, Any]], float]]
    budget: int


@dataclass
class Outcome:
    """How one conversation came out."""

    kind: str
    budget: int
    requests: int = 0
    managed: int = 0
    ratio: float = 1.0
    worst: float = 0.0
    violations: int = 0
    admitted: int = 0
    over: int = 0
    refused: int = 0
    seconds: list[float] = field(default_factory=list)
    largest: int = 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="ctxmem bench gateway", description=__doc__)
    parser.add_argument("--data", help="recorded agent runs, JSONL or JSONL.GZ, beside others")
    parser.add_argument("--count", type=int, default=200, help="conversations (200)")
    parser.add_argument("--prices", default=ROWS, help="rows of the price table, by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N managed requests")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    talks = talks_of(options.count, options.seed, options.data)
    report: dict[str, Any] = {
        "question": "does a managed conversation ever cost more than passing it through?",
        "versions": {
            "ctxmem": ctxmem.__version__,
            "python": platform.python_version(),
            "cpu_level": _native.cpu_level(),
        },
        "conversations": len(talks),
        "rows": [],
    }
    shown: list[str] = []
    for name in options.prices.split(","):
        outcomes = run(talks, name, shown, options.show)
        report["rows"].append(row_of(name, outcomes))
        if not options.json:
            show(report["rows"][-1])
    for text in shown:
        print(text)
    if options.json:
        print_json(report)
    return 0


# Conversations ----------------------------------------------------------------------------------


def prose(rng: random.Random, tokens: int) -> str:
    """Return about so many tokens of words."""
    words = [rng.choice(_WORDS) for _ in range(tokens)]
    for i in range(9, len(words), 12):
        words[i] += ".\n" if rng.random() < 0.3 else "."
    return " ".join(words)


def listing(rng: random.Random, tokens: int) -> str:
    """Return about so many tokens of a program's output: code, a log or JSON."""
    kind = rng.choice(("code", "log", "json", "text"))
    lines = []
    for n in range(max(2, tokens // 14)):
        key = f"{rng.choice(_WORDS)}_{rng.randrange(9999)}"
        if kind == "code":
            lines.append(f"    {key} = {rng.choice(_WORDS)}({rng.randrange(999)})  # line {n}")
        elif kind == "log":
            lines.append(f"2026-11-02 10:{n % 60:02}:{rng.randrange(60):02} INFO {key} done")
        elif kind == "json":
            lines.append(json.dumps({"id": key, "state": rng.choice(_WORDS), "n": n}))
        else:
            lines.append(prose(rng, 14))
    return f"[{', '.join(lines)}]" if kind == "json" else "\n".join(lines)


def tools_of(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """Return schemas of tools."""
    made = []
    for n in range(count):
        name = f"{rng.choice(_WORDS)}_{n}"
        fields = {rng.choice(_WORDS): {"type": "string", "description": prose(rng, 20)}}
        schema = {"type": "object", "properties": fields}
        made.append({"name": name, "description": prose(rng, 60), "parameters": schema})
    return made


def agent(rng: random.Random, calls: int, long: int) -> list[list[dict[str, Any]]]:
    """Return what is new at each request of an agent's loop."""
    steps = [[{"role": "user", "content": "Correct this. " + prose(rng, rng.choice((30, 200)))}]]
    for n in range(calls):
        many = 1 if rng.random() < 0.8 else rng.choice((2, 3))
        ids = [f"call_{n}_{i}_{rng.randrange(10**6)}" for i in range(many)]
        made = [
            {
                "id": one,
                "type": "function",
                "function": {"name": "read", "arguments": json.dumps({"path": f"src/{one}.py"})},
            }
            for one in ids
        ]
        said = {
            "role": "assistant",
            "content": prose(rng, rng.choice((10, 60))),
            "tool_calls": made,
        }
        size = rng.choice((40, 150, 400, long))
        results = [
            {"role": "tool", "tool_call_id": one, "content": listing(rng, size)} for one in ids
        ]
        steps.append([said, *results])
        if rng.random() < 0.05:
            answer = {"role": "assistant", "content": prose(rng, 80)}
            rule = "Never change the public interface. " if rng.random() < 0.5 else ""
            steps.append([answer, {"role": "user", "content": rule + prose(rng, 40) + "?"}])
    return steps


def chat(rng: random.Random, turns: int) -> list[list[dict[str, Any]]]:
    """Return what is new at each request of a chat."""
    steps = [[{"role": "user", "content": prose(rng, rng.choice((20, 300))) + "?"}]]
    for _ in range(turns):
        answer = {"role": "assistant", "content": prose(rng, rng.choice((60, 200, 500)))}
        said = "I prefer short answers. " if rng.random() < 0.05 else ""
        steps.append(
            [
                answer,
                {"role": "user", "content": said + prose(rng, rng.choice((10, 40, 150))) + "?"},
            ]
        )
    return steps


def talk(rng: random.Random, number: int) -> Talk:
    """Return one generated conversation."""
    kinds = ("agent", "agent", "agent without head", "long agent", "chat", "long chat", "one-shot")
    kind = kinds[number % len(kinds)]
    budget = rng.choice(BUDGETS[:3] if kind == "chat" else BUDGETS)
    scale = max(1, budget // 4000)
    system, tools = "", []
    if kind in ("agent", "long agent"):
        system, tools = prose(rng, rng.choice((300, 900))), tools_of(rng, rng.choice((3, 6)))
        calls = min(60, rng.randrange(10, 20) * scale * (2 if kind == "long agent" else 1))
        steps = agent(rng, calls, min(900, 200 * scale))
    elif kind == "agent without head":
        steps = agent(rng, min(60, rng.randrange(10, 22) * scale), 500)
    elif kind == "one-shot":
        system = prose(rng, 100)
        steps = chat(rng, rng.choice((0, 0, 1)))
        steps[0][0]["content"] += "\n" + prose(rng, rng.choice((50, 800, 2500)))
    else:
        system = prose(rng, rng.choice((30, 400)))
        steps = chat(
            rng, min(60, rng.randrange(10, 20) * scale * (2 if kind == "long chat" else 1))
        )
    return Talk(kind, number % 4 != 1, system, tools, paced(rng, steps), budget)


def paced(
    rng: random.Random, steps: Sequence[list[dict[str, Any]]]
) -> list[tuple[int, list[dict[str, Any]], float]]:
    """Return steps with pauses; now and then the client asks again, or goes back."""
    made: list[tuple[int, list[dict[str, Any]], float]] = []
    size = 0
    ends = []
    for new in steps:
        pause = rng.uniform(3, 40) if rng.random() < 0.97 else rng.choice((400.0, 4000.0))
        made.append((size, new, pause))
        ends.append(size)
        size += len(new)
        if rng.random() < 0.02:
            made.append((size, [], 2.0))  # a retry
        if rng.random() < 0.01 and len(ends) > 4:
            back = ends[-3]
            made.append((back, [{"role": "user", "content": prose(rng, 30) + "?"}], 20.0))
            size = back + 1
            ends = [end for end in ends if end <= back]
    return made


def talks_of(count: int, seed: int, data: str | None) -> list[Talk]:
    """Return conversations: recorded ones, at most half of them, and generated ones."""
    made: list[Talk] = []
    if data:
        rng = random.Random(f"recorded{seed}")
        for source, runs in runs_in(data, count // 4).items():
            for i, one in enumerate(runs[: count // 4]):
                made.append(recorded(rng, source, one, i))
    made = made[: count // 2]
    for number in range(count - len(made)):
        made.append(talk(random.Random(f"talk{seed}-{number}"), number))
    return made


def recorded(rng: random.Random, source: str, run: Sequence[Mapping[str, Any]], n: int) -> Talk:
    """Return a recorded run as its client would have sent it."""
    history = as_chat(run)
    system = ""
    while history and history[0]["role"] == "system":
        system += history.pop(0)["content"]
    steps: list[list[dict[str, Any]]] = [[]]
    for message in history:
        if message["role"] == "assistant" and steps[-1]:
            steps.append([])
        steps[-1].append(message)
    if steps[-1] and steps[-1][-1]["role"] == "assistant":
        steps.pop()
    return Talk(source, n % 4 != 1, system, [], paced(rng, steps), rng.choice((4000, 8000)))


# Wire formats -----------------------------------------------------------------------------------


def body_of(
    talk: Talk, history: Sequence[dict[str, Any]], row: Prices, model: str
) -> dict[str, Any]:
    """Return a client's request."""
    if row.name.startswith("anthropic"):
        return anthropic_body(talk, history, row, model)
    system = [{"role": "system", "content": talk.system}] if talk.system else []
    body: dict[str, Any] = {"model": model, "messages": [*system, *history], "temperature": 0.0}
    if talk.tools:
        body["tools"] = [{"type": "function", "function": tool} for tool in talk.tools]
    return body


def anthropic_body(
    talk: Talk, history: Sequence[dict[str, Any]], row: Prices, model: str
) -> dict[str, Any]:
    """Return a request of Anthropic's Messages, with marks as agents set them."""
    mark: dict[str, Any] = {"type": "ephemeral"}
    if row.ttl > 3000:
        mark["ttl"] = "1h"
    messages = anthropic_messages(history)
    body: dict[str, Any] = {"model": model, "max_tokens": 1000, "messages": messages}
    if talk.system:
        body["system"] = [{"type": "text", "text": talk.system}]
    if talk.tools:
        body["tools"] = [
            {
                "name": tool["name"],
                "description": tool["description"],
                "input_schema": tool["parameters"],
            }
            for tool in talk.tools
        ]
    if talk.marks:
        if talk.system:
            body["system"][-1]["cache_control"] = mark
        users = [i for i, one in enumerate(messages) if one["role"] == "user"]
        for i in users[-2:]:
            content = messages[i]["content"]
            blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
            marked = [*blocks[:-1], {**blocks[-1], "cache_control": mark}]
            messages[i] = {**messages[i], "content": marked}
    return body


def anthropic_messages(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return chat messages as Anthropic takes them."""
    made: list[dict[str, Any]] = []
    for message in history:
        if message["role"] == "tool":
            block = {
                "type": "tool_result",
                "tool_use_id": message["tool_call_id"],
                "content": message["content"],
            }
            if made[-1]["role"] == "user" and isinstance(made[-1]["content"], list):
                made[-1]["content"].append(block)
            else:
                made.append({"role": "user", "content": [block]})
            continue
        content: Any = message["content"]
        if message.get("tool_calls"):
            content = [{"type": "text", "text": content}] if content else []
            for call in message["tool_calls"]:
                given = json.loads(call["function"]["arguments"])
                use = {"type": "tool_use", "id": call["id"], "name": call["function"]["name"]}
                content.append({**use, "input": given})
        made.append({"role": message["role"], "content": content})
    return made


# The provider -----------------------------------------------------------------------------------


class Provider:
    """A provider's prompt cache and bill for one conversation, from the bytes that it is sent."""

    def __init__(self, prices: Prices) -> None:
        self.bill = Bill(prices)
        self.prices = prices

    def take(self, data: bytes, now: float) -> tuple[int, dict[str, Any]]:
        """Return the tokens of a request, and the usage that its reply reports."""
        read = document(data, "messages")
        head = (read.body.get("tools"), *_listed(read.body.get("system")))
        texts = [json.dumps(part, sort_keys=True) for part in head if part]
        texts += map(read.raw, range(len(read.elements)))
        blocks, marks = [], []
        for written in texts:
            text, marked = _bare(written)
            blocks.append(Block(text, tokens_in(text)))
            if marked:
                marks.append(len(blocks))
        if self.prices.name == MARKS_BY_ITSELF:
            marks.append(len(blocks))
        charge = self.bill.call(blocks, breakpoints=marks, now=now)
        total = sum(block.tokens for block in blocks)
        if self.prices.name.startswith("anthropic"):
            return total, {
                "input_tokens": charge.plain,
                "cache_read_input_tokens": charge.read,
                "cache_creation_input_tokens": charge.written,
                "output_tokens": 10,
            }
        details = {"cached_tokens": charge.read}
        return total, {
            "prompt_tokens": total,
            "completion_tokens": 10,
            "prompt_tokens_details": details,
        }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@lru_cache(maxsize=1 << 14)
def _bare(text: str) -> tuple[str, bool]:
    """Return a part without its marks, in one form, and whether it had any."""
    marked = any(mark in text for mark in _MARKS)
    return json.dumps(_plain(json.loads(text)), sort_keys=True), marked


def _plain(part: Any) -> Any:
    if isinstance(part, list):
        return [_plain(one) for one in part]
    if not isinstance(part, dict):
        return part
    made = {name: _plain(value) for name, value in part.items() if name not in _MARKS}
    content = made.get("content")
    if isinstance(content, list) and len(content) == 1 and content[0].get("type") == "text":
        made["content"] = content[0]["text"]
    return made


@lru_cache(maxsize=1 << 14)
def tokens_in(text: str) -> int:
    """Return the tokens of all that is said in a part, by tiktoken, and 3 for each message."""
    from .token_peers import reference

    encode = reference("o200k_base").encode_ordinary
    part = json.loads(text)
    if isinstance(part, list):  # tools
        return len(encode(text))
    parts = [part]
    return sum(3 + sum(len(encode(said)) for said in _said(one)) for one in parts)


def _said(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _said(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "input" and isinstance(one, dict):
                yield json.dumps(one)
            elif name not in ("type", "id", "tool_call_id", "tool_use_id"):
                yield from _said(one)


# Measuring --------------------------------------------------------------------------------------


def run(talks: Sequence[Talk], row: str, shown: list[str], most: int) -> list[Outcome]:
    """Return how conversations come out at the prices of a row."""
    rules = rules_of_providers()
    outcomes = []
    for number, talk in enumerate(talks):
        outcomes.append(replay(talk, number, row, rules, shown, most))
    return outcomes


def replay(talk: Talk, number: int, row: str, rules: Any, shown: list[str], most: int) -> Outcome:
    """Send a conversation through the stage and to the provider, and beside it as it is."""
    prices = prices_of(row)
    clock = [1_000_000.0]
    path = "/v1/messages" if row.startswith("anthropic") else "/v1/chat/completions"
    wire = wire_of("POST", path)
    assert wire is not None
    settings = Settings(
        {"": "http://127.0.0.1:1"},
        mode="manage",
        budget=talk.budget,
        prices=row,
        store=":memory:",
        counter="o200k_base",
    )
    stage = Manage(settings, clock=lambda: clock[0])
    managed, through = Provider(prices), Provider(prices)
    outcome = Outcome(talk.kind, talk.budget)
    history: list[dict[str, Any]] = []
    model = "claude-sonnet-4-5" if row.startswith("anthropic") else "gpt-5"
    for place, new, pause in talk.steps:
        history = [*history[:place], *new]
        clock[0] += pause
        body = body_of(talk, history, prices, model)
        data = json.dumps(body).encode()
        exchange = Exchange(wire, "tenant", number, original=[data])
        started = time.perf_counter()
        sent = stage.prepare(exchange)
        outcome.seconds.append(time.perf_counter() - started)
        outcome.largest = max(outcome.largest, len(data))
        now = sent if sent is not None else data
        tokens, usage = managed.take(now, clock[0])
        own, _ = through.take(data, clock[0])
        outcome.requests += 1
        outcome.managed += sent is not None
        outcome.over += tokens > talk.budget
        ratio = managed.bill.cost / through.bill.cost
        outcome.worst = max(outcome.worst, ratio)
        outcome.violations += ratio > 1.0 + 1e-9
        outcome.admitted += bool(exchange.facts.get("over_account"))
        if sent is not None:
            outcome.refused += refused(rules, wire, sent, data)
            late = exchange.facts["dropped"] and outcome.requests > len(talk.steps) // 2
            if late and len(shown) < most and not any(f"#{number} " in one for one in shown):
                title = f"== {row}, {talk.kind} #{number} , request {outcome.requests}"
                body = json.dumps(json.loads(sent)["messages"], indent=1, ensure_ascii=False)
                shown.append(f"{title}: {own} tokens, {tokens} of them sent\n{body}")
        finish(stage, exchange, wire, usage)
    outcome.ratio = managed.bill.cost / through.bill.cost
    stage.close()
    return outcome


def finish(stage: Manage, exchange: Exchange, wire: Wire, usage: Mapping[str, Any]) -> None:
    """Give the stage the reply of the provider."""
    said = {"role": "assistant", "content": "Done."}
    if wire.name == "anthropic":
        reply = {"content": [{"type": "text", "text": "Done."}], "usage": usage}
    else:
        reply = {"choices": [{"message": said}], "usage": usage}
    stage.finish(exchange, 200, wire.reply(reply))


def rules_of_providers() -> Any:
    """Return the checker of the tests, which is written apart from the code, or ours."""
    tests = Path(__file__).resolve().parent.parent / "tests"
    if (tests / "provider_rules").is_dir():
        sys.path.insert(0, str(tests))
        try:
            from provider_rules import problems

            return problems
        finally:
            sys.path.remove(str(tests))
    return lambda messages, provider: [
        finding for finding in ctxmem.check(messages, provider=provider) if finding.rule
    ]


def refused(rules: Any, wire: Wire, sent: bytes, data: bytes) -> bool:
    """Return whether a request breaks a rule of the provider, and the client's own does not."""
    found = rules(messages_in(sent), wire.provider)
    return bool(found) and not rules(messages_in(data), wire.provider)


def messages_in(data: bytes) -> list[Any]:
    """Return the messages of a request as the checkers take them."""
    body = json.loads(data)
    system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    return [*system, *body["messages"]]


def row_of(name: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the row of the table."""
    ratios = [one.ratio for one in outcomes]
    seconds = [second for one in outcomes for second in one.seconds]
    kinds: dict[str, list[float]] = {}
    for one in outcomes:
        kinds.setdefault(one.kind, []).append(one.ratio)
    return {
        "prices": name,
        "requests": sum(one.requests for one in outcomes),
        "managed": sum(one.managed for one in outcomes),
        "mean": statistics.mean(ratios),
        "max": max(ratios),
        "above": sum(ratio > 1.0 + 1e-9 for ratio in ratios),
        "worst": max(one.worst for one in outcomes),
        "violations": sum(one.violations for one in outcomes),
        "admitted": sum(one.admitted for one in outcomes),
        "over_budget": sum(one.over for one in outcomes),
        "refused": sum(one.refused for one in outcomes),
        "ms_p50": 1e3 * statistics.median(seconds),
        "ms_p99": 1e3 * statistics.quantiles(seconds, n=100)[98],
        "kinds": {kind: statistics.mean(found) for kind, found in kinds.items()},
        "bad": [
            (i, one.kind, one.budget, round(one.worst, 4), one.violations)
            for i, one in enumerate(outcomes)
            if one.violations
        ],
    }


def show(row: Mapping[str, Any]) -> None:
    """Print one row."""
    print(
        f"\n{row['prices']}: {row['requests']:,} requests, {row['managed']:,} changed; bill "
        f"against passing through: mean {row['mean']:.3f}, max {row['max']:.4f}, above 1.000 "
        f"{row['above']}; worst at any request {row['worst']:.4f} ({row['violations']} requests, "
        f"{row['admitted']} said so); over budget {row['over_budget']}, refused {row['refused']}; "
        f"prepare p50 {row['ms_p50']:.2f} ms, p99 {row['ms_p99']:.2f} ms"
    )
    print("  " + ", ".join(f"{kind} {mean:.2f}" for kind, mean in row["kinds"].items()))
    for bad in row["bad"][:12]:
        print("  above:", *bad)


if __name__ == "__main__":
    raise SystemExit(main())

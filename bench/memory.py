"""Does a window keep the budget and the cached prefix at once, and what does a call of it take?

First agents' conversations that grow, trimmed by every strategy for every call: how many requests
are over the budget, how much of each is byte for byte a prefix of the one before, and how many
would be refused because calls and results were torn apart. Then the time of a call in a session of
thousands of messages, against trimmers that read the whole history again. Every strategy gets the
budget as its own limit, and every request is counted by the same counter with the same overhead.

Where we lose: a strategy that never edits reuses more of its prefix, since it keeps no budget; and
a first window after thousands of unseen messages costs what trimming them costs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import ctxmem
from ctxmem import Memory

from .messages import chat, text
from .reporting import print_report, versions
from .token_peers import reference

BUDGET = 12_000
MESSAGES = 160
Trim = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="ctxmem bench memory", description=__doc__)
    parser.add_argument("--size", type=int, default=5000, help="messages of the session (5000)")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds of each peer (5)")
    parser.add_argument("--conversations", type=int, default=5, help="how many to trim (5)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # nothing waits on a network
    report = {
        "question": "are budget and prefix kept at once, and what does a call take?",
        "versions": versions(
            "langchain", "langchain-core", "llama-index-core", "litellm", missing="not installed"
        ),
        "together": together(options.conversations),
        "calls": calls(options.size, options.rounds),
    }
    print_report(report, show, as_json=options.json)
    return 0


# Budget and prefix --------------------------------------------------------------------------------


def conversation(seed: int) -> list[dict[str, Any]]:
    """Return an agent's conversation of 160 messages and 27,000 to 36,000 tokens.

    Results are as agents see them: mostly short, a few very long, by a lognormal law; prose, logs
    with ids, and rows of JSON.
    """
    rng = random.Random(seed)
    made: list[dict[str, Any]] = [{"role": "system", "content": text(rng, 300)}]
    for step in range(MESSAGES):
        if step % 6 == 0:
            made.append({"role": "user", "content": text(rng, 40)})
        key = f"call_{step}"
        function = {"name": "read_file", "arguments": json.dumps({"path": f"src/part_{step}.py"})}
        call = {"id": key, "type": "function", "function": function}
        made.append({"role": "assistant", "content": text(rng, 25), "tool_calls": [call]})
        words = min(3000, int(rng.lognormvariate(4.8, 1.3)))
        result = (text, log, rows)[step % 3](rng, max(8, words))
        made.append({"role": "tool", "tool_call_id": key, "content": result})
    return made[:MESSAGES]


def log(rng: random.Random, words: int) -> str:
    """Return log lines, which take more tokens than their characters suggest."""
    return "\n".join(
        f"2026-11-{rng.randrange(1, 29):02} {rng.randrange(16**8):08x} src/part_{i}.py: "
        + text(rng, 6)
        for i in range(words // 16 + 1)
    )


def rows(rng: random.Random, words: int) -> str:
    """Return rows of JSON, as tools answer."""
    made = [
        {"id": f"{rng.randrange(16**12):012x}", "name": text(rng, 3), "size": rng.randrange(10**6)}
        for _ in range(words // 24 + 1)
    ]
    return json.dumps({"rows": made, "next": None})


def together(conversations: int) -> dict[str, Any]:
    """Return how every strategy keeps budget and prefix."""
    histories = [conversation(seed) for seed in range(1, conversations + 1)]
    rows, missing = [], []
    for name, make in STRATEGIES.items():
        try:
            found = [followed(make(), history) for history in histories]
        except ImportError as error:
            missing.append(f"{name}: {error}")
            continue
        rows.append({"strategy": name, **combined(found)})
    return {
        "budget": BUDGET,
        "conversations": len(histories),
        "messages": sum(map(len, histories)),
        "tokens": sum(map(ctxmem.count_messages, histories)),
        "rows": rows,
        "missing": missing,
    }


def combined(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one row of several conversations."""
    shares = [share for one in found for share in one["shares"]]
    sizes = [size for one in found for size in one["sizes"]]
    means = [statistics.mean(one["shares"]) for one in found]
    return {
        "calls": len(sizes),
        "trimmed": len(shares),
        "over_budget": sum(one["over_budget"] for one in found),
        "torn": sum(one["torn"] for one in found),
        "prefix_mean": statistics.mean(shares),
        "prefix_worst": min(means),
        "prefix_median": statistics.median(shares),
        "tokens_mean": statistics.mean(sizes),
        "tokens_max": max(sizes),
    }


def followed(trim: Trim, history: list[dict[str, Any]]) -> dict[str, Any]:
    """Replay the conversation through one strategy."""
    over = torn = 0
    shares: list[float] = []  # of requests whose history no longer fits
    sizes: list[int] = []
    before = ""
    for i, message in enumerate(history):
        if message["role"] != "assistant":
            continue
        request = trim(history[:i])
        written = "\n".join(json.dumps(one, sort_keys=True) for one in request)
        tokens = ctxmem.count_messages(request)
        over += tokens > BUDGET
        kinds = {finding.kind for finding in ctxmem.check(request)}
        torn += bool(kinds & {"orphan_result", "open_call", "misplaced_result"})
        if ctxmem.count_messages(history[:i]) > BUDGET:
            shares.append(common(before, written) / len(written))
        sizes.append(tokens)
        before = written
    return {"over_budget": over, "torn": torn, "shares": shares, "sizes": sizes}


def common(before: str, after: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    low, high = 0, min(len(before), len(after))
    while low < high:
        middle = (low + high + 1) // 2
        if before[:middle] == after[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def by_memory(policy: str, prices: str) -> Callable[[], Trim]:
    """Return a maker of our own strategy; it sees each message once."""

    def make() -> Trim:
        memory = Memory(BUDGET, policy=policy, prices=prices)
        seen = 0

        def trim(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
            nonlocal seen
            memory.append(history[seen:])
            seen = len(history)
            return memory.window().messages

        return trim

    return make


def by_langchain(counter: str) -> Callable[[], Trim]:
    """Return a maker of LangChain's trim_messages."""

    def make() -> Trim:
        from langchain_core.messages import (
            convert_to_messages,
            convert_to_openai_messages,
            trim_messages,
        )

        count = ctxmem.count_messages if counter == "exact" else counter

        def trim(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
            kept = trim_messages(
                convert_to_messages(history),
                max_tokens=BUDGET,
                token_counter=count,
                strategy="last",
                include_system=True,
                start_on="human",
            )
            return list(convert_to_openai_messages(kept))

        return trim

    return make


def by_context_editing(at_least: int) -> Callable[[], Trim]:
    """Return a maker of LangChain's ContextEditingMiddleware, called as an agent calls it."""

    def make() -> Trim:
        from langchain.agents.middleware import (
            ClearToolUsesEdit,
            ContextEditingMiddleware,
            ModelRequest,
        )
        from langchain_core.language_models import FakeListChatModel
        from langchain_core.messages import convert_to_messages, convert_to_openai_messages

        edit = ClearToolUsesEdit(trigger=BUDGET, keep=3, clear_at_least=at_least)
        middleware = ContextEditingMiddleware(edits=[edit])
        model = FakeListChatModel(responses=["ok"])

        def trim(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
            sent: list[Any] = []
            system, *messages = convert_to_messages(history)
            request = ModelRequest(model=model, messages=messages, system_message=system)

            def handler(final: Any) -> Any:
                sent.extend([final.system_message, *final.messages])
                return None

            middleware.wrap_model_call(request, handler)
            return list(convert_to_openai_messages(sent))

        return trim

    return make


def by_llama_index() -> Trim:
    """Return LlamaIndex's Memory, with its defaults but for the limit."""
    from llama_index.core.memory import Memory as LlamaMemory

    memory = LlamaMemory.from_defaults(
        session_id="bench", token_limit=BUDGET, tokenizer_fn=encoder()
    )
    seen = 0

    def trim(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal seen
        memory.put_messages(list(map(to_llama, history[seen:])))
        seen = len(history)
        return list(map(from_llama, memory.get()))

    return trim


def encoder() -> Any:
    """Return tiktoken's function from a text to its tokens."""
    return reference("o200k_base").encode_ordinary


def to_llama(message: dict[str, Any]) -> Any:
    """Return a message as LlamaIndex has it."""
    from llama_index.core.base.llms.types import ChatMessage

    extra = {name: message[name] for name in ("tool_calls", "tool_call_id") if name in message}
    return ChatMessage(role=message["role"], content=message["content"], additional_kwargs=extra)


def from_llama(message: Any) -> dict[str, Any]:
    """Return a LlamaIndex message as a dict."""
    plain = {"role": message.role.value, "content": message.content or ""}
    return {**plain, **message.additional_kwargs}


def by_litellm() -> Trim:
    """Return litellm's compress, which stubs what is least relevant to the last message."""
    import litellm

    def trim(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
        done = litellm.compress(history, model="gpt-4o", compression_trigger=BUDGET)
        return list(done["messages"])

    return trim


STRATEGIES: dict[str, Callable[[], Trim]] = {
    "no trimming": lambda: lambda history: history,
    "ctxmem.Memory, anthropic prices": by_memory("auto", "anthropic"),
    "ctxmem.Memory, openai prices": by_memory("auto", "openai"),
    'ctxmem.Memory, policy="batch"': by_memory("batch", "anthropic"),
    "ctxmem.trim_messages": lambda: lambda history: ctxmem.trim_messages(history, BUDGET),
    "LangChain trim_messages, approximate": by_langchain("approximate"),
    "LangChain trim_messages, exact": by_langchain("exact"),
    "LangChain ContextEditingMiddleware": by_context_editing(0),
    "  the same, clear_at_least=4000": by_context_editing(4000),
    "LlamaIndex Memory": by_llama_index,
    "litellm.compress": by_litellm,
}


# Time of a call -----------------------------------------------------------------------------------


def calls(size: int, rounds: int) -> dict[str, Any]:
    """Return what a call takes in a long session, ours beside trimmers of the whole history."""
    history = chat(random.Random(size), size)
    budget = 32_000
    memory = Memory(budget)
    times: dict[str, list[float]] = {}

    def timed(name: str, run: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        made = run()
        times.setdefault(name, []).append(time.perf_counter() - start)
        return made

    for message in history:
        ctxmem.count_messages([message])  # counted before, so that append is timed, not counting
        timed("ctxmem append", lambda: memory.append(message))  # noqa: B023
        if message["role"] != "assistant":
            window = timed("ctxmem window, a message later", memory.window)
            again = timed("ctxmem window, asked again", memory.window)
            if again.messages != window.messages or window.tokens > budget:
                raise AssertionError("the window changed, or is over the budget")
    missing = []
    for name, make in timed_peers(history, budget).items():
        try:
            run = make()
        except ImportError as error:
            missing.append(f"{name}: {error}")
            continue
        for _ in range(rounds):
            timed(name, run)
    rows = {
        name: {
            "median_us": 1e6 * statistics.median(values),
            "p99_us": 1e6 * sorted(values)[int(0.99 * (len(values) - 1))],
            "n": len(values),
        }
        for name, values in times.items()
    }
    ours = rows["ctxmem window, a message later"]["median_us"]
    return {
        "messages": len(history),
        "tokens": ctxmem.count_messages(history),
        "budget": budget,
        "rows": rows,
        "ratios": {name: rows[name]["median_us"] / ours for name in rows if "ctxmem" not in name},
        "missing": missing,
    }


def timed_peers(
    history: list[dict[str, Any]], budget: int
) -> dict[str, Callable[[], Callable[[], Any]]]:
    """Return makers of peers that are called with the whole history."""

    def langchain(counter: Any) -> Callable[[], Callable[[], Any]]:
        def make() -> Callable[[], Any]:
            from langchain_core.messages import convert_to_messages, trim_messages

            count = counter
            if counter == "exact":
                encode = encoder()

                def count(messages: list[Any]) -> int:
                    return sum(len(encode(str(m.content))) + 4 for m in messages)

            objects = convert_to_messages(history)
            return lambda: trim_messages(
                objects,
                max_tokens=budget,
                token_counter=count,
                strategy="last",
                include_system=True,
                start_on="human",
            )

        return make

    def llama_index() -> Callable[[], Any]:
        from llama_index.core.memory import ChatMemoryBuffer

        short = list(map(to_llama, history[:1000]))
        buffer = ChatMemoryBuffer.from_defaults(
            chat_history=short, token_limit=budget, tokenizer_fn=encoder()
        )
        return buffer.get

    return {
        "LangChain trim_messages, approximate": langchain("approximate"),
        "LangChain trim_messages, exact (tiktoken)": langchain("exact"),
        "LlamaIndex ChatMemoryBuffer.get, 1,000 messages": llama_index,
    }


def show(report: dict[str, Any]) -> None:
    """Print both tables."""
    print(", ".join(f"{name} {value}" for name, value in report["versions"].items()))
    part = report["together"]
    print(
        f"\n{part['conversations']} conversations, {part['messages']} messages, "
        f"{part['tokens']:,} tokens, budget {part['budget']:,}: "
        f"{part['rows'][0]['calls']} requests; prefix: of the {part['rows'][0]['trimmed']} whose "
        "history does not fit"
    )
    print(
        f"{'strategy':<38}{'over budget':>12}{'torn':>6}{'prefix mean':>13}{'worst':>7}"
        f"{'median':>8}{'tokens':>9}{'most':>8}"
    )
    for row in part["rows"]:
        print(
            f"{row['strategy']:<38}{row['over_budget']:>12}{row['torn']:>6}"
            f"{row['prefix_mean']:>13.3f}{row['prefix_worst']:>7.2f}{row['prefix_median']:>8.2f}{row['tokens_mean']:>9,.0f}"
            f"{row['tokens_max']:>8,}"
        )
    part = report["calls"]
    print(
        f"\na session of {part['messages']:,} messages, {part['tokens']:,} tokens, budget "
        f"{part['budget']:,}"
    )
    print(f"{'call':<50}{'median us':>12}{'p99 us':>12}{'n':>7}{'ratio':>9}")
    for name, row in part["rows"].items():
        ratio = f"{part['ratios'][name]:,.0f}x" if name in part["ratios"] else ""
        print(
            f"{name:<50}{row['median_us']:>12,.1f}{row['p99_us']:>12,.1f}{row['n']:>7,}{ratio:>9}"
        )
    for missing in [*report["together"]["missing"], *part["missing"]]:
        print(f"left out, {missing}")


if __name__ == "__main__":
    raise SystemExit(main())

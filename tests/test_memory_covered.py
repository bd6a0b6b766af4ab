"""The policy "covered": at every call the windows cost no more than the untrimmed history."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

import ctxmem
from ctxmem import Memory
from ctxmem.pricing import PRICES, Bill, Block, Prices

WORDS = "ship port crew tide wind map rope sail oar flag chart cargo deck mast hull".split()


def prose(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words))


def result_text(rng: random.Random, words: int) -> str:
    if rng.random() < 0.3:
        rows = [{"id": f"R{rng.randrange(9999)}", "port": rng.choice(WORDS)} for _ in range(5)]
        return json.dumps(rows * (1 + words // 60))
    return f"row_{rng.randrange(999)}: " + prose(rng, words)


def history(rng: random.Random, calls: int, kind: str) -> list[list[dict[str, Any]]]:
    """What is new at each call: an agent's calls and results, or a chat."""
    task = {"role": "user", "content": "Load the ships. " + prose(rng, rng.choice((10, 60)))}
    rules = {"role": "system", "content": "Always answer in French. " + prose(rng, 40)}
    made = [[rules, task]]
    for n in range(1, calls):
        if kind == "agent":
            function = {"name": "read", "arguments": json.dumps({"row": n})}
            call = {"id": f"c{n}", "type": "function", "function": function}
            said = {"role": "assistant", "content": prose(rng, 12), "tool_calls": [call]}
            text = result_text(rng, rng.choice((10, 60, 150, 400)))
            made.append([said, {"role": "tool", "tool_call_id": f"c{n}", "content": text}])
        else:
            said = {"role": "assistant", "content": prose(rng, rng.choice((20, 120)))}
            asks = "Never use ropes. " if rng.random() < 0.1 else ""
            made.append([said, {"role": "user", "content": asks + prose(rng, 30) + "?"}])
    return made


def blocks_of(messages: list[Any], head: int) -> list[Block]:
    made = [Block("head", head + 3)]
    for message in messages:
        tokens = ctxmem.count_messages([message]) - ctxmem.count_messages([])
        made.append(Block(json.dumps(message, sort_keys=True), tokens))
    return made


def costs(
    memory: Memory, steps: list[list[dict[str, Any]]], prices: Prices, head: int = 0
) -> list[tuple[float, float, Any]]:
    """Return after each call what the windows and what the whole history cost, and the window."""
    ours, through = Bill(prices), Bill(prices)
    made, told = [], []
    for new in steps:
        memory.append(new)
        told += new
        window = memory.window()
        assert window.tokens == ctxmem.count_messages(window.messages) + head <= memory.budget
        blocks = blocks_of(window.messages, head)
        ours.call(blocks, breakpoints=[mark + 2 for mark in window.breakpoints])
        whole = blocks_of(told, head)
        through.call(whole, breakpoints=[len(whole)])
        made.append((ours.cost, through.cost, window))
    return made


@pytest.mark.parametrize("row", ["anthropic", "anthropic-1h", "openai", "deepseek", "openai-4o"])
@pytest.mark.parametrize("kind", ["agent", "chat"])
@pytest.mark.parametrize("seed", range(4))
def test_windows_cost_no_more_than_the_untrimmed_history_at_any_call(row, kind, seed):
    rng = random.Random(f"{row}{kind}{seed}")
    budget, head = rng.choice((1500, 3000, 6000)), rng.choice((0, 200, 1500))
    prices = PRICES[row]
    memory = Memory(budget + head, prices=prices, policy="covered", head=head)
    edits = 0
    for call, (ours, through, window) in enumerate(
        costs(memory, history(rng, 40, kind), prices, head)
    ):
        assert ours <= through * (1 + 1e-9), f"call {call}, budget {budget}, head {head}"
        edits += any(event.kind == "edit" for event in window.events)
    assert edits  # it was too long for the budget

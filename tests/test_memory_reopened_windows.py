"""A session that is opened again at every turn shows what one that stays open shows."""

from __future__ import annotations

import functools
import json
import random
import subprocess
import sys
from typing import Any

import pytest
from memory_chats import agent_chat, shown

from ctxmem import PRICES, Memory, count_messages
from ctxmem.memory.planner import POLICIES
from ctxmem.policies import POLICIES as PAGE_POLICIES
from ctxmem.pricing import Bill, Block

WORDS = ["house", "roof", "street", "garden", "green", "red", "old", "tall", "gate", "door"]


def chat(rng: random.Random, turns: int) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [{"role": "system", "content": "You help."}]
    for i in range(turns):
        more = " ".join(rng.choice(WORDS) for _ in range(rng.choice((3, 30))))
        made.append({"role": "user", "content": f"What is the colour of house {i}? {more}"})
        about = " ".join(rng.choice(WORDS) for _ in range(rng.choice((5, 60))))
        made.append({"role": "assistant", "content": f"House {i} is green. {about}"})
    return made[:-1]


def agent(rng: random.Random, turns: int) -> list[dict[str, Any]]:
    return agent_chat(turns, seed=rng.randrange(99), size=rng.choice((20, 80)))


def question_of(rng: random.Random, said: int) -> str | None:
    """Return a question for half of the calls."""
    return f"What is the colour of house {rng.randrange(said)}?" if rng.random() < 0.5 else None


@pytest.mark.parametrize("policy", [*POLICIES, *PAGE_POLICIES])
@pytest.mark.parametrize("made", [chat, agent])
@pytest.mark.parametrize("asks", [False, True])
def test_a_session_opened_at_every_turn_shows_the_window_of_one_that_stays_open(
    policy, made, asks, tmp_path
):
    rng = random.Random(f"{policy}{made.__name__}{asks}")
    options = {"store": tmp_path / "s.db", "policy": policy}
    budget, edits = 700, 0
    with Memory(budget, **options) as memory:
        for said, message in enumerate(made(rng, 24)):
            memory.append(message)
            if message["role"] in ("assistant", "system"):
                continue
            if rng.random() < 0.1:
                memory.budget = budget = rng.choice((600, 700, 1200))
            question = question_of(rng, said) if asks else None
            window = memory.window(question)
            edits += any(event.kind == "edit" for event in window.events)
            with Memory(budget, **options) as again:
                once = again.window(question)
                assert shown(once) == shown(window)
                assert once.tokens == window.tokens
                assert not any(event.kind == "edit" for event in once.events)
    assert edits


@pytest.mark.parametrize("row", ["anthropic", "openai"])
@pytest.mark.parametrize("made", [chat, agent])
def test_a_session_opened_for_every_call_is_not_cut_and_keeps_to_the_law(row, made, tmp_path):
    """Opened for each call, as a web server does, with the policy that never costs more."""
    for seed in range(2):
        rng = random.Random(f"{row}{made.__name__}{seed}")
        steps = made(rng, 30)
        ours, through = Bill(PRICES[row]), Bill(PRICES[row])
        with Memory(2500, prices=row, policy="covered") as memory:
            for at, message in enumerate(steps):
                store = tmp_path / f"{seed}.db"
                with Memory(2500, store=store, prices=row, policy="covered") as again:
                    again.append(message)
                    memory.append(message)
                    if message["role"] in ("assistant", "system"):
                        continue
                    window, open_ = again.window(), memory.window()
                blocks, all_ = blocks_of(window.messages), blocks_of(steps[: at + 1])
                if sum(block.tokens for block in all_) < 0.8 * 2500:  # no edit gains anything
                    assert len(window.messages) == len(open_.messages), at
                ours.call(blocks, breakpoints=[mark + 2 for mark in window.breakpoints])
                through.call(all_, breakpoints=[len(all_)])
                assert ours.cost <= through.cost * (1 + 1e-9), (seed, at)


@functools.cache
def block_of(message: str) -> Block:
    return Block(message, count_messages([json.loads(message)]) - count_messages([]))


def blocks_of(messages: list[Any]) -> list[Block]:
    texts = [json.dumps(message, sort_keys=True) for message in messages]
    return [Block("head", count_messages([])), *map(block_of, texts)]


def test_another_process_shows_the_same_window(tmp_path):
    path = tmp_path / "s.db"
    with Memory(2500, store=path, policy="covered") as memory:
        for message in chat(random.Random(1), 30):
            memory.append(message)
            if message["role"] == "user":
                window = memory.window()
        asked = memory.window("What is the colour of house 3?")
    program = (
        "import json, sys\n"
        "from ctxmem import Memory\n"
        "memory = Memory(2500, store=sys.argv[1], policy='covered')\n"
        "print(json.dumps([memory.window(*q).messages for q in json.loads(sys.argv[2])]))\n"
    )
    questions = json.dumps([[], ["What is the colour of house 3?"]])
    ran = subprocess.run(
        [sys.executable, "-c", program, str(path), questions],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ran.stdout) == [window.messages, asked.messages]

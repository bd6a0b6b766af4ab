"""An agent's chats for the tests of Memory, and a replay of them."""

from __future__ import annotations

import json
import random

from chats import user

import ctxmem
from ctxmem import Memory

WORDS = ["flight", "seat", "gate", "booking", "refund", "agent", "ticket", "window", "delay"]


def agent_chat(turns: int, seed: int = 0, size: int = 40) -> list[dict]:
    """An agent's run: a task, then calls and results that name bookings."""
    rng = random.Random(seed)
    made = [
        {"role": "system", "content": "You book flights."},
        user("Find every booking that is late."),
    ]
    for i in range(turns):
        key = f"call_{i}"
        call = {"id": key, "type": "function", "function": {"name": "get", "arguments": "{}"}}
        made.append({"role": "assistant", "content": f"Look at B{i:04}X.", "tool_calls": [call]})
        text = " ".join(rng.choice(WORDS) for _ in range(size))
        content = f"booking B{i:04}X flight F{rng.randrange(900) + 100}: {text}"
        made.append({"role": "tool", "tool_call_id": key, "content": content})
    return made


def replay(memory: Memory, messages: list[dict]) -> list[ctxmem.MemoryWindow]:
    """Append message by message and ask for a window wherever a model would be called."""
    windows = []
    for message in messages:
        if message["role"] == "assistant":
            windows.append(memory.window())
        memory.append(message)
    return windows


def shown(window: ctxmem.MemoryWindow) -> str:
    return json.dumps(window.messages)

"""What fills a window of `Memory`, by part."""

from __future__ import annotations

import random

from ctxmem import Chunk, Memory, count_messages


def test_parts_of_a_small_window_are_those_that_a_person_counts():
    call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "You help."},
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "It is noon in Paris now."},
    ]
    memory = Memory(4_000)
    memory.append([*messages, Chunk("Paris is in France.")])
    window = memory.window()
    frame = count_messages([])
    counted = {
        "system": count_messages(messages[:1]) - frame,
        "user": count_messages(messages[1:2]) - frame,
        "assistant": count_messages(messages[:3]) - count_messages(messages[:2]),
        "results": count_messages(messages) - count_messages(messages[:3]),
        "request": frame,
    }
    passages = window.tokens - sum(counted.values())
    assert {**counted, "passages": passages} == dict(window.parts)
    assert passages > 4


def test_parts_add_up_after_edits_and_with_what_is_recalled():
    for seed in range(6):
        choose = random.Random(seed)
        memory = Memory(500, policy=choose.choice(["auto", "batch", "slide"]))
        memory.append({"role": "system", "content": "Never mention prices."})
        seen: set[str] = set()
        for turn in range(30):
            said = f"Fact {turn} is {choose.randrange(9999)}. " + "more of it " * choose.randrange(
                30
            )
            memory.append({"role": "user", "content": said})
            if turn == 2:
                memory.append({"role": "user", "content": "From now on always answer in French."})
            memory.append({"role": "assistant", "content": "I see " * choose.randrange(1, 30)})
            query = f"Fact {choose.randrange(turn + 1)}" if turn % 4 == 3 else None
            window = memory.window(query)
            assert sum(window.parts.values()) == window.tokens
            assert min(window.parts.values()) > 0
            seen |= set(window.parts)
        assert seen >= {"system", "user", "assistant", "index", "ledger", "recalled", "request"}

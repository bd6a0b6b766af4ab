"""Windows for a question: asked again they are the same, and nothing old is where an answer is."""

from __future__ import annotations

import random
from typing import Any

import pytest
from chats import user
from memory_chats import shown

from ctxmem import Memory
from ctxmem.memory.planner import POLICIES


def turns(count: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    made = []
    for i in range(count):
        asked = user(f"Question {i}: what is the colour of house {i % 7} in the street?")
        made.append((asked, {"role": "assistant", "content": f"House {i} is green. " + "x " * 30}))
    return made


@pytest.mark.parametrize("policy", POLICIES)
def test_a_question_asked_again_has_the_same_window(policy):
    memory = Memory(900, policy=policy)
    rng = random.Random(policy)
    recalled = 0
    for i, (asked, answer) in enumerate(turns(40)):
        memory.append(asked)
        window = memory.window(asked["content"])
        recalled += bool(window.recalled)
        faults = memory.stats().faults
        for _ in range(rng.choice((1, 3))):
            assert shown(memory.window(asked["content"])) == shown(window), i
        assert memory.stats().faults == faults
        memory.append(answer)
    assert recalled


def test_a_question_asked_again_counts_once_for_what_is_copied_to_the_stable_part():
    memory = Memory(900)
    for asked, answer in turns(30):
        memory.append([asked, answer])
    memory.append(user("And what did I ask about house 3?"))
    for _ in range(5):
        memory.window("Question 3")
    memory.append([{"role": "assistant", "content": "Its colour."}, user("Thanks. And now?")])
    assert not any("from memory]" in str(one["content"]) for one in memory.window().messages)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_recalled_message_never_comes_between_a_question_and_its_answer(policy):
    memory = Memory(900, policy=policy)
    copies = 0
    for asked, answer in turns(60):
        memory.append(asked)
        window = memory.window(asked["content"])
        memory.window("What is the colour of house 3?")
        stable = window.messages[: window.volatile_from]
        for before, after in zip(stable, [*stable[1:], None], strict=True):
            note = "from memory]" in str(before["content"])
            copies += note
            if note:  # what follows a copy is another one, or a question
                assert after is not None and after["role"] == "user"
        # The last of the stable part is the question to be answered.
        assert window.messages[window.volatile_from - 1] == asked
        memory.append(answer)
    assert copies or policy == "covered"


def test_a_page_pinned_while_a_question_waits_is_shown_at_the_end_and_before_the_next():
    memory = Memory(900)
    for asked, answer in turns(30):
        memory.append(asked)
        memory.window()
        memory.append(answer)
    question, further = user("And the next house?"), user("And the last?")
    memory.append(question)
    before = memory.window()
    memory.pin("p9")
    now = memory.window()
    assert now.messages[: now.volatile_from] == before.messages[: before.volatile_from]
    assert now.messages[-1]["content"].startswith("[p9, said earlier by assistant, from memory]\n")
    answer = {"role": "assistant", "content": "Red."}
    memory.append([answer, further])
    messages = memory.window().messages
    assert messages[-4:-2] == [question, answer] and messages[-1] == further
    assert messages[-2]["content"].startswith("[p9, said earlier by assistant, from memory]\n")

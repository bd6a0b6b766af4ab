"""A window is made acceptable in parts that are kept, as if it were read anew each time."""

from __future__ import annotations

import random

import pytest
from random_histories import random_history

from ctxmem.memory.sending import Sender, Sent


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "bedrock"])
def test_what_a_sender_remembers_changes_nothing(provider):
    rng = random.Random(provider)
    for _ in range(25):
        sender = Sender(provider)
        chat = random_history(rng, provider, 12)
        notes = [{"role": "user", "content": "[memory] something"}]
        for _ in range(8):
            if rng.random() < 0.3:
                at = rng.randrange(len(chat) + 1)
                chat = chat[:at] + random_history(rng, provider, 3) + chat[at + 1 :]
            end = rng.randrange(1, len(chat) + 1)
            fresh = Sender(provider)
            shown = rng.choice([[], notes])
            (messages, begins), (expected, at) = (
                one.with_notes(chat[:end], shown, end) for one in (sender, fresh)
            )
            assert (expected, at) == (messages, begins)
            sent = Sent(messages, begins, (0,))
            assert fresh.sendable(sent) == sender.sendable(sent)
            assert Sender(provider).sendable(sent) == sender.sendable(sent)


def test_notes_become_messages_of_the_framework_once():
    langchain = pytest.importorskip("langchain_core.messages")
    said, note = langchain.HumanMessage("a"), {"role": "user", "content": "[memory] b"}
    sender = Sender(None)
    first = sender.in_one_framework([note, said], [])
    second = sender.in_one_framework([note, said, dict(note)], [])
    assert langchain.HumanMessage("[memory] b") == first[0] == second[2]
    assert first[0] is second[0] and first[0] is not second[2] and second[1] is said
    assert [note] == sender.in_one_framework([note], [])

"""What a question needs has room, in whatever script it is written."""

from __future__ import annotations

import pytest

from ctxmem import Memory


@pytest.mark.parametrize("budget", [500, 700])
@pytest.mark.parametrize("suffix", [" 😀 價格 {i}", " Ende {i}.", " 値段は{i}", ""])
def test_an_answer_of_many_tokens_a_letter_has_room(budget, suffix):
    memory = Memory(budget)
    for i in range(50):
        text = f"Nachricht {i}: der Preis von Lampe {i} ist {i * 3} Euro." + suffix.format(i=i)
        memory.append({"role": "user" if i % 2 == 0 else "assistant", "content": text})
    question = "Was kostet Lampe 4?"
    memory.append({"role": "user", "content": question})
    window = memory.window(question)
    assert any("Lampe 4 ist 12 Euro." in message["content"] for message in window.messages)
    assert "p4" in [page.id for page in window.recalled]
    assert window.tokens <= budget

"""Rules come before recalled messages, and a window says which statements it has no room for."""

from __future__ import annotations

import pytest

from ctxmem import Memory

RULES = (
    "We deploy to AWS only, never Azure.",
    "Never use the word synergy.",
    "You must encrypt all backups with AES-256.",
    "Always answer in English.",
    "Never push to main.",
    "Never book a seat before I confirm the price.",
    "You must not share the client list.",
    "Always write tests first.",
    "Never log passwords.",
    "Do not use global variables.",
    "Always use type hints.",
    "Never call me before nine.",
    "Never delete migrations.",
    "Always cite your sources.",
    "You must not use GPL code.",
    "Never mention competitors.",
    "Always state units.",
    "Do not touch the legacy folder.",
)
QUESTION = "What did module 3 do, and which columns has the table of module 20?"


def session(budget: int, rules: tuple[str, ...], exchanges: int = 60) -> Memory:
    memory = Memory(budget)
    memory.append({"role": "system", "content": "You are a helper."})
    for rule in rules:
        memory.append({"role": "user", "content": rule})
        memory.append({"role": "assistant", "content": "Understood."})
    for i in range(exchanges):
        memory.append({"role": "user", "content": f"Question {i}: what does module {i} do?"})
        said = f"Module {i} reads table t{i} with the columns id, name_{i} and price_{i}."
        memory.append({"role": "assistant", "content": said})
    memory.append({"role": "user", "content": QUESTION})
    return memory


def missing(window, rules: tuple[str, ...]) -> list[str]:
    text = "\n".join(message["content"] for message in window.messages)
    return [rule for rule in rules if rule not in text]


@pytest.mark.parametrize("question", [None, QUESTION])
def test_rules_that_fit_are_all_in_a_small_window(question):
    window = session(600, RULES).window(question)
    assert missing(window, RULES) == []
    assert window.tokens <= 600
    assert window.unshown == ()
    assert [event for event in window.events if event.kind == "unshown"] == []


def test_a_small_window_has_an_answer_beside_the_rules():
    window = session(1_000, RULES).window(QUESTION)
    assert missing(window, RULES) == []
    text = "\n".join(message["content"] for message in window.messages)
    assert "name_3 " in text and "name_20 " in text


def test_a_window_names_the_rules_that_have_no_room():
    rules = tuple(f"Never use library number{i} in service{i}." for i in range(60))
    memory = session(600, rules)
    window = memory.window(QUESTION)
    lacked = missing(window, rules)
    assert lacked == list(rules[1 : len(lacked) + 1])  # the first message stays, then the newest
    assert len(lacked) > 1
    assert list(window.unshown) == lacked[::-1]
    [event] = [event for event in window.events if event.kind == "unshown"]
    assert f"{len(lacked)} statements that bind have no room" in str(event)
    assert window.explain().count(f"{len(lacked)} statements that bind have no room") == 1
    assert len(memory.ledger()) == len(rules)


def test_the_news_comes_once_and_the_list_with_every_window():
    rules = tuple(f"Never use library number{i} in service{i}." for i in range(60))
    memory = session(600, rules)
    first, second = memory.window(), memory.window()
    assert first.unshown == second.unshown != ()
    assert [event.kind for event in first.events].count("unshown") == 1
    assert second.events == ()
    assert "have no room" in second.explain()

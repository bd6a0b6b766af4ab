"""The ledger shows a statement with what restricts it: exceptions and terms of an answer."""

from __future__ import annotations

import pytest
from chats import user

from ctxmem import Memory
from ctxmem.memory.ledger import Ledger
from ctxmem.memory.statements import scan


def entries(*said: tuple[str, str]) -> list[str]:
    ledger = Ledger()
    for number, (role, text) in enumerate(said):
        ledger.take(number, role, text)
    return [str(entry) for entry in ledger.entries()]


@pytest.mark.parametrize(
    "text",
    [
        "Never refund in cash. This does not apply to gold members.",
        "You must ask me before each payment. Payments under 20 EUR are exempt.",
        "Never push to main. The only exception is a hotfix.",
        "Ab jetzt bitte immer auf Deutsch antworten. Das gilt nicht für Code.",
        "Ne jamais rembourser en espèces. Cela ne s'applique pas aux membres.",
        "Nunca pagues sin preguntar. No se aplica a los pagos pequeños.",
        "From now on, answer in German. But not for code. Comments are exempt.",
    ],
)
def test_a_rule_has_the_exception_that_follows_it(text):
    assert entries(("user", text)) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "Never refund in cash. Thanks for your help!",
        "Never refund in cash. The shop opens at nine.",
        "Never refund in cash. But what about gold members?",
        "Never refund in cash.\n\nThis does not apply to gold members.",
        "Never refund in cash. The shop is red. This does not apply to gold members.",
    ],
)
def test_what_restricts_no_rule_before_it_is_no_part_of_it(text):
    assert entries(("user", text)) == ["Never refund in cash."]


ASKS = "Shall I delete the old backups?"
CHOICE = "Shall I use PostgreSQL or MySQL for the shop?"


@pytest.mark.parametrize(
    ("asks", "reply", "terms"),
    [
        (ASKS, "Yes, but keep those of March.", "Yes, but keep those of March."),
        (ASKS, "Yes. But keep those of March.", "But keep those of March."),
        (ASKS, "Yes, except those of March. Thanks!", "Yes, except those of March."),
        (CHOICE, "Yes, the second.", "Yes, the second."),
        (CHOICE, "Yes, MariaDB. And what about Redis?", "Yes, MariaDB."),
    ],
)
def test_a_decision_has_the_terms_of_the_answer(asks, reply, terms):
    assert entries(("assistant", asks), ("user", reply)) == [f"{asks} {terms}"]


@pytest.mark.parametrize(
    "reply",
    ["Yes.", "Yes, please delete them.", "OK, go ahead. Thanks!", "Sure, do it. What is next?"],
)
def test_an_answer_that_only_agrees_adds_nothing(reply):
    assert entries(("assistant", ASKS), ("user", reply)) == [ASKS]


def test_the_terms_of_an_answer_are_forgotten_with_it(tmp_path):
    path = tmp_path / "s.db"
    with Memory(300, store=path) as memory:
        memory.append([user("Hello."), {"role": "assistant", "content": ASKS}])
        memory.append(user("Yes, but keep those of March."))
        memory.window()
        for i in range(20):
            memory.append([{"role": "assistant", "content": f"Done {i}. " + "x " * 20}])
            memory.append(user(f"And number {i}?"))
            memory.window()
        assert "keep those of March" in str(memory.window().messages)
        memory.forget("p2")
        assert "March" not in str(memory.window().messages) + str(memory.ledger())
    assert b"those of March" not in path.read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "Never push to main, said my old boss.",
        "Never push to main, as the manual says.",
        "Never push to main, my old boss always said.",
        "Don't use globals, according to the style guide.",
    ],
)
def test_what_somebody_else_is_reported_to_have_said_is_no_rule(text):
    assert scan(text) == []


@pytest.mark.parametrize(
    "text",
    ["Never push to main, as I said.", "Never push to main, please.", "Never lie, we said."],
)
def test_what_the_author_says_again_is_a_rule(text):
    assert [one.kind for one in scan(text)] == ["rule"]


@pytest.mark.parametrize(
    "text",
    [
        "Deploy only from the branch release.",
        "Refunds must be approved by Anna before they are sent.",
        "Every change has to be reviewed by two people.",
        "Avoid using pandas.",
        "Please avoid hardcoding paths.",
        "Tests have to pass before merging.",
        "The tests must always pass before you merge.",
    ],
)
def test_rules_of_further_forms_are_found(text):
    assert [one.kind for one in scan(text)] == ["rule"]


@pytest.mark.parametrize(
    "text",
    [
        "How do I avoid using pandas?",
        "Does it deploy only from the branch release?",
        "The tests passed before merging.",
        "It was approved by Anna before it was sent.",
        "What if refunds must be approved by Anna?",
        "We tried avoiding pandas.",
    ],
)
def test_sentences_like_them_are_no_rules(text):
    assert scan(text) == []


def test_a_newer_limit_replaces_the_older_whose_subject_is_worded_otherwise():
    ledger = Ledger()
    ledger.take(0, "user", "The budget for hosting is at most 300 EUR a month.")
    ledger.take(1, "user", "Change of plan: hosting budget is 450 EUR now.")
    assert [one.value for one in ledger.entries()] == ["450"]


def test_an_update_marks_an_older_value_that_names_its_subject_and_more():
    ledger = Ledger()
    ledger.take(0, "user", "The monthly hosting budget is at most 300 EUR.")
    ledger.take(1, "user", "The hosting budget is 450 EUR now.")
    assert [one.contradicts for one in ledger.entries()] == [(1,), (0,)]

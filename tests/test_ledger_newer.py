"""Which of two values is clearly newer, and which are values of two things."""

from __future__ import annotations

import pytest

from ctxmem.memory.ledger import Ledger


def after(old: str, new: str, *, roles: tuple[str, str] = ("user", "user")) -> list[str]:
    """Return what still binds when one message was said some messages after another."""
    ledger = Ledger()
    ledger.take(0, roles[0], old)
    ledger.take(6, roles[1], new)
    return [entry.text for entry in ledger.entries()]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("The port is 8443.", "The port is 9001."),
        ("The database host is db1.acme.io.", "The database host is db2.acme.io."),
        ("The base commit is 4fe21ab.", "The base commit is 99ab3c1."),
        ("Our version is 2.4.1.", "Our version is 2.5.0."),
        ("The deadline is March 3.", "The deadline is March 20."),
        ("My budget is 800 euros.", "My budget is 950 euros."),
        ("The team has 4 people.", "The team has 6 people."),
        ("Max 5 retries.", "Max 8 retries."),
        ("The ticket is OPS-112.", "The ticket is OPS-121, sorry."),
        ("The timeout is 90 seconds.", "The timeout is 2 minutes."),  # both are times
        ("The port for staging is 8443.", "The staging port is 9001."),
        ("The port for staging is 8443.", "For staging, the port is 9001."),
        ("The ports are 80 and 443.", "The ports are 8080 and 8443."),  # a list for a list
        ("The port is 9001.", "The port is not 9001."),
    ],
)
def test_a_later_value_of_the_same_thing_replaces_the_older(old, new):
    assert after(old, new) == [new]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("The port is 8443.", "The staging port is 9001."),
        ("The staging port is 8443.", "The port is 9001."),
        ("The port is 8443.", "The port for staging is 9001."),
        ("The port is 8443.", "The port is 9001 on the backup machine."),
        ("The port is 8443.", "On the backup machine the port is 9001."),
        ("The port is 8443.", "Another port is 9001."),
        ("The meeting is on Monday.", "The meeting is at 3pm."),  # a day and a time
        ("The limit is 500 MB.", "The limit is 30 minutes."),
        ("Keep answers under 100 words.", "Keep the title under 10 words."),
        ("My budget for food is 300 EUR.", "My budget for hotels is 500 EUR."),
    ],
)
def test_values_of_two_things_both_stay_without_a_mark(old, new):
    ledger = Ledger()
    ledger.take(0, "user", old)
    ledger.take(6, "user", new)
    assert [(e.text, e.contradicts) for e in ledger.entries()] == [(old, ()), (new, ())]


@pytest.mark.parametrize(
    "said",
    [
        "If the port is 9001, the proxy fails.",
        "What if the port is 9001?",
        "Is the port 9001?",
        "The port was 9001.",
        'The page says "the port is 9001".',
        "The manual says the port is 9001.",
    ],
)
def test_what_states_no_current_value_replaces_nothing(said):
    assert after("The port is 8443.", said) == ["The port is 8443."]


@pytest.mark.parametrize("said", ["The deadline was March 3.", "My budget was 500 euros."])
def test_a_value_of_the_past_does_not_bind(said):
    assert after(said, "Thanks.") == []


def test_a_user_does_not_replace_what_the_system_said():
    ledger = Ledger()
    ledger.take(0, "system", "The port is 8443.")
    ledger.take(4, "user", "The port is 9001 now.")
    assert [e.contradicts for e in ledger.entries()] == [(1,), (0,)]
    ledger.take(8, "system", "The port is 9443.")
    assert [e.value for e in ledger.entries()] == ["9443"]


def test_a_user_does_not_take_back_a_rule_of_the_system():
    kept = after("Never use tabs.", "You can use tabs again.", roles=("system", "user"))
    assert kept == ["Never use tabs.", "You can use tabs again."]


def test_a_list_and_one_value_both_stay_and_are_marked():
    ledger = Ledger()
    ledger.take(0, "user", "The ports are 80 and 443.")
    ledger.take(4, "user", "The port is 8080.")
    assert [e.contradicts for e in ledger.entries()] == [(1,), (0,)]


def test_a_prohibition_and_a_permission_both_stay():
    assert len(after("Never edit vendor files.", "You may edit vendor files.")) == 2

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


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("My email is a@b.de.", "My sister's email is c@d.de now."),
        ("My phone number is 111.", "Anna's phone number is 222 now."),
        ("My phone is 111.", "My office phone is 222 now."),
        ("My address is Main Street 5.", "My mother's new address is Hill Road 6."),
        ("The price is 10 EUR.", "The price for children is 5 EUR now."),
        ("The price is 10 EUR.", "Changed the price for students to 6 EUR."),
        ("The port is 8443.", "The port of staging is 9000 now."),
        ("The limit is 100 MB.", "The limit on the test system is 50 MB now."),
        ("The deadline is March 3.", "The deadline in Japan moved to March 10."),
        ("My wifi password is abc1.", "My wifi password at home is abc2 now."),
        ("The timeout is 30 seconds.", "The read timeout changed to 60 seconds."),
        ("The hotel costs 90 EUR.", "The second hotel costs 120 EUR now."),
        ("Max 5 retries.", "Max 3 retries for uploads now."),
        ("I prefer aisle seats.", "For long flights I prefer window seats now."),
        ("Call me Sam.", "My kids call me Daddy now."),
        ("We go with option A.", "For the logo we go with option B instead."),
    ],
)
def test_an_update_of_another_subject_replaces_nothing(old, new):
    assert after(old, new) == [old, new]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("My email is a@b.de.", "My email address is c@d.de now."),
        ("My phone is 111.", "My new phone number is 222."),
        ("My sister's email is a@b.de.", "My sister's new email is c@d.de."),
        ("The limit is 100 MB.", "The updated limit is 200 MB."),
        ("Meine Adresse ist Hauptweg 1.", "Meine neue Adresse ist Nebenweg 2."),
        ("Mon adresse est 1 rue X.", "Ma nouvelle adresse est 2 rue Y."),
        ("Mi dirección es Calle 1.", "Mi nueva dirección es Calle 2."),
        ("Il mio indirizzo è Via Roma 1.", "Il mio nuovo indirizzo è Via Milano 2."),
        ("Il mio indirizzo è Via Roma 1.", "Il mio indirizzo nuovo è Via Milano 2."),
        ("Never email me.", "You may email me again."),
        ("Always answer in German.", "Answer in French from now on."),
    ],
)
def test_words_that_mark_the_newer_value_are_no_part_of_its_subject(old, new):
    assert after(old, new) == [new]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Always answer in German.", "Always answer in French."),
        ("Never email me.", "Always email me."),
        ("Never use tabs.", "Always use tabs."),
        ("Do not call me.", "It is fine to call me."),
        ("Don't deploy on Fridays.", "Always deploy on Fridays."),
    ],
)
def test_rules_that_exclude_each_other_both_stay_and_are_marked(old, new):
    ledger = Ledger()
    ledger.take(0, "user", old)
    ledger.take(6, "user", new)
    assert [e.contradicts for e in ledger.entries()] == [(1,), (0,)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Never use npm.", "Never use pnpm."),
        ("Always answer in German.", "Never answer in French."),
        ("Never deploy on Fridays.", "Never deploy on Mondays."),
    ],
)
def test_bans_of_two_things_do_not_contradict_each_other(old, new):
    ledger = Ledger()
    ledger.take(0, "user", old)
    ledger.take(6, "user", new)
    assert [e.contradicts for e in ledger.entries()] == [(), ()]


def corrected(*said: str) -> list[str]:
    ledger = Ledger()
    for i, text in enumerate(said):
        ledger.take(i, "user", text)
    return [entry.text for entry in ledger.entries()]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (("My shoe size is 42.", "Sorry, 43, not 42."), [1]),
        (("My shoe size is 42.", "The port is 8443.", "Sorry, 43, not 42."), [1, 2]),
        (("The budget is 500 euros.", "Make that 700 euros."), [1]),
        (("The budget is 500 euros.", "The room has 30 seats.", "Make that 700 euros."), [1, 2]),
        (("The room has 30 seats.", "Make that 700 euros."), [0, 1]),
        (("The port is 8443.", "No, it is 9001."), [1]),
        (("My shoe size is 42.", "Sorry, 43, not 41."), [0, 1]),  # nobody said 41
    ],
)
def test_a_correction_without_a_subject_is_meant_for_the_value_of_its_form(said, kept):
    assert corrected(*said) == [said[i] for i in kept]


@pytest.mark.parametrize(
    "before, after",
    [
        ("The deadline is March 3.", "The client moved the deadline to March 10."),
        ("The deadline is March 3.", "They moved the deadline to March 10."),
        ("The budget is 500 euros.", "The boss raised the budget to 900 euros."),
    ],
)
def test_a_value_that_somebody_else_changed_is_the_newer_one(before, after):
    ledger = Ledger()
    ledger.take(0, "user", before)
    ledger.take(2, "user", after)
    assert [entry.text for entry in ledger.entries()] == [after]

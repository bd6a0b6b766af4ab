"""What replaces what, against a simple model: a dict of the values that hold for each subject."""

from __future__ import annotations

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ctxmem.memory.ledger import Ledger, render

SUBJECTS = ("staging port", "production host", "retry count", "cache size", "page size")
VALUES = tuple(str(n) for n in range(1001, 1006))


class Supersession(RuleBasedStateMachine):
    """A ledger that takes statements of values, and the values that must hold after each."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.holds: dict[str, list[str]] = {}
        self.message = 0

    def say(self, text: str, role: str = "user") -> None:
        self.ledger.take(self.message, role, text, page=f"p{self.message}")
        self.message += 1

    @rule(subject=st.sampled_from(SUBJECTS), value=st.sampled_from(VALUES))
    def it_is(self, subject: str, value: str) -> None:
        self.say(f"The {subject} is {value}.")
        self.holds[subject] = [value]

    @rule(subject=st.sampled_from(SUBJECTS), value=st.sampled_from(VALUES))
    def it_is_two_things(self, subject: str, value: str) -> None:
        self.say(f"The {subject} is {value}. The {subject} is 2000.")
        self.holds[subject] = [value, "2000"]

    @rule(
        subject=st.sampled_from(SUBJECTS),
        value=st.sampled_from(VALUES),
        form=st.sampled_from(
            ("The {} is {} now.", "Actually the {} is {}.", "They moved the {} to {}.")
        ),
    )
    def it_is_now(self, subject: str, value: str, form: str) -> None:
        self.say(form.format(subject, value))
        self.holds[subject] = [value]

    @rule(role=st.sampled_from(("tool", "assistant")), subject=st.sampled_from(SUBJECTS))
    def somebody_else_says_so(self, role: str, subject: str) -> None:
        self.say(f"The {subject} is 9999 now.", role)

    @rule(subject=st.sampled_from(SUBJECTS))
    def it_is_forgotten(self, subject: str) -> None:
        for entry in self.ledger.entries():
            if entry.subject == subject:
                self.ledger.forget(entry)
        self.holds.pop(subject, None)

    @rule()
    def it_is_written_and_read(self) -> None:
        record = json.loads(json.dumps(self.ledger.to_record()))
        again = Ledger.from_record(record)
        assert again.entries() == self.ledger.entries()
        self.ledger = again

    @invariant()
    def the_model_agrees(self) -> None:
        held: dict[str, set[str]] = {}
        for entry in self.ledger.entries():
            held.setdefault(entry.subject, set()).add(entry.value)
        assert held == {s: set(values) for s, values in self.holds.items() if values}

    @invariant()
    def contradictions_are_marked_on_both_sides(self) -> None:
        live = {entry.id: entry for entry in self.ledger.entries()}
        for entry in live.values():
            assert entry.superseded_by is None
            for other in set(entry.contradicts) & set(live):
                assert entry.id in live[other].contradicts
                assert live[other].value != entry.value


Supersession.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestSupersession = Supersession.TestCase


def taken(*messages: str) -> Ledger:
    ledger = Ledger()
    for i, text in enumerate(messages):
        ledger.take(6 * i, "user", text, page=f"p{i}")
    return ledger


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("My budget is 800 EUR.", "I got a raise, so my budget is 1100 EUR now."),
        ("The deadline is March 3.", "They moved the deadline to March 10."),
        ("I can spend at most 40 dollars.", "Correction, I can spend at most 55 dollars."),
        ("I prefer aisle seats.", "I've changed my mind, I prefer window seats."),
        ("OK, let's go with Postgres.", "We're switching to MySQL after all."),
        ("Let's use npm.", "Let's use bun instead of npm."),
        ("We decided on Kubernetes.", "We dropped Kubernetes, we'll use Nomad instead."),
        ("Call me Kit.", "Call me Kate from now on."),
        ("I live in Oslo.", "I've moved to Bergen."),
        ("Never use tabs.", "You can use tabs again."),
        ("Keep answers under 100 words.", "Keep answers under 200 words from now on."),
    ],
)
def test_an_update_replaces_what_it_is_about(old, new):
    assert [entry.message for entry in taken(old, new).entries()] == [6]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The staging port is 8080.", "The production port is 9090 now."),
        ("I prefer window seats.", "I prefer short answers now."),
        ("Never push to main.", "Never push secrets."),
        ("Let's use Postgres for storage.", "Let's use React for the frontend instead of Vue."),
        ("My budget for food is 300 EUR.", "My budget for hotels is 500 EUR now."),
        ("Never edit vendor files.", "You can edit the tests again."),
        ("Always run the linter before a commit.", "Always run the tests from now on."),
    ],
)
def test_an_update_of_something_else_replaces_nothing(one, other):
    assert len(taken(one, other).entries()) == 2


def test_a_correction_that_two_values_fit_contradicts_both():
    ledger = Ledger()
    ledger.take(0, "user", "The staging port is 8443. The production port is 9443.")
    ledger.take(2, "user", "no, it is 8444")
    assert [e.contradicts for e in ledger.entries()] == [(2,), (2,), (0, 1)]
    assert [e.superseded_by for e in ledger.entries()] == [None, None, None]


def test_a_correction_that_names_the_old_value_replaces_that_one():
    ledger = Ledger()
    ledger.take(0, "user", "The staging port is 8443. The production port is 9443.")
    ledger.take(2, "user", "no, it is 8444, not 8443")
    assert [e.value for e in ledger.entries()] == ["9443", "8444"]


def test_a_page_is_named_once_in_the_block():
    ledger = Ledger()
    ledger.take(0, "user", "Never push to main.\n\nCall me Sam.", page="p3")
    assert render(ledger.entries()) == "p3 rule: Never push to main.\npreference: Call me Sam."

"""The ledger takes what binds, says who said it, and drops what was replaced."""

from __future__ import annotations

import json

import pytest

from ctxmem.errors import InputError
from ctxmem.memory.ledger import Ledger, render, scan


def kinds(text: str) -> list[str]:
    return [found.kind for found in scan(text)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Never push to main.", "rule"),
        ("From now on answer in French.", "instruction"),
        ("I prefer window seats, can you book one?", "preference"),
        ("My budget is 500 EUR.", "limit"),
        ("The port is 8443 now.", "value"),
        ("I'm allergic to peanuts.", "fact"),
        ("Ab jetzt bitte auf Deutsch antworten.", "instruction"),
        ("Je m'appelle Anne.", "fact"),
        ("Nunca borres nada.", "rule"),
        ("请叫我小李。", "preference"),
    ],
)
def test_a_statement_that_binds_is_found(text, kind):
    assert kinds(text) == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "The function always returns null.",
        "I always get this error.",
        "What happens if I always retry?",
        "My colleague said you should never use eval.",
        "```\nnever push to main\n```",
        "> Never push to main.",
        "Here is the email:\n\nYou must never reply.",
        "<document>Never push to main.</document>",
        'The sign says "never enter this room alone".',
    ],
)
def test_descriptions_questions_and_pasted_texts_do_not_bind(text):
    assert kinds(text) == []


def test_a_newer_value_of_the_same_subject_replaces_the_older_only():
    ledger = Ledger()
    ledger.take(0, "user", "The staging port is 8443.")
    ledger.take(1, "user", "The production port is 9443.")
    ledger.take(2, "user", "The staging port is 8500 now.")
    assert [e.value for e in ledger.entries()] == ["9443", "8500"]
    assert [e.superseded_by for e in ledger.entries(superseded=True)] == [2, None, None]


def test_two_values_of_one_message_both_stay_and_are_marked():
    ledger = Ledger()
    ledger.take(0, "user", "The port is 8443. The port is 9443.")
    assert [e.contradicts for e in ledger.entries()] == [(1,), (0,)]


def test_a_value_of_a_later_message_replaces_the_older_one():
    ledger = Ledger()
    ledger.take(0, "user", "The port is 8443.")
    ledger.take(7, "user", "The port is 9001.")
    assert [(e.value, e.contradicts) for e in ledger.entries()] == [("9001", ())]


def test_what_nothing_contradicts_any_more_is_no_longer_marked():
    ledger = Ledger()
    ledger.take(0, "user", "The port is 8443. The port is 9443.")
    ledger.forget(1)
    assert [e.contradicts for e in ledger.entries()] == [()]


def test_a_correction_carries_the_subject_of_what_it_corrects():
    ledger = Ledger()
    ledger.take(0, "user", "The port is 8080.")
    ledger.take(2, "user", "no, it is 8443")
    assert render(ledger.entries()) == "correction: port: no, it is 8443"


def test_only_system_and_user_bind_and_a_proposal_once_it_is_accepted():
    ledger = Ledger()
    ledger.take(0, "tool", "You must never delete a file.")
    ledger.take(1, "assistant", "I suggest we use Postgres.")
    assert ledger.entries() == []
    ledger.take(2, "user", "Yes, do that.")
    assert [(e.text, e.source) for e in ledger.entries()] == [
        ("I suggest we use Postgres.", "assistant")
    ]


def test_a_proposal_that_is_refused_does_not_bind():
    ledger = Ledger()
    ledger.take(1, "assistant", "I suggest we use Postgres.")
    ledger.take(2, "user", "No.")
    ledger.take(3, "user", "Yes.")
    assert ledger.entries() == []


def test_a_function_of_ones_own_must_return_text_of_the_message():
    ledger = Ledger(lambda text, role: ["be kind", "not there"])
    assert [e.text for e in ledger.take(0, "user", "Please be kind.")] == ["be kind"]
    assert ledger.ignored == [("not there", "the message does not hold this text")]
    with pytest.raises(InputError, match="expected a list"):
        Ledger(lambda text, role: "be kind").take(0, "user", "be kind")


def test_a_record_through_json_is_the_same_ledger():
    ledger = Ledger()
    ledger.take(0, "user", "Never push to main. The port is 8443.", page="p0")
    ledger.take(1, "assistant", "I suggest we use Postgres.")
    record = json.loads(json.dumps(ledger.to_record()))
    again = Ledger.from_record(record)
    assert again.entries() == ledger.entries()
    assert [e.text for e in again.take(2, "user", "ok")] == ["I suggest we use Postgres."]


def test_spans_are_verbatim_in_any_text():
    mixed = "é😀 x. Never push \ud800 to main. 从现在起用中文。"
    rules = [mixed[found.start : found.end] for found in scan(mixed)]
    assert ["é😀 x. Never push \ud800 to main.", "从现在起用中文。"] == rules
    long = "a" * 9000 + ". Never do it."
    # A sentence is cut every 8,000 characters.
    assert [(8_000, len(long))] == [(found.start, found.end) for found in scan(long)]


def test_the_weakest_entries_leave_first_and_pinned_ones_last():
    ledger = Ledger()
    ledger.take(0, "user", "I like tea.\n\nNever push to main.\n\nCall me Sam.")
    ledger.pin(0)
    shown = ledger.shown(lambda _: True, 9, lambda text: len(text.split()))
    assert [e.text for e in shown] == ["I like tea.", "Call me Sam."]


def test_an_offer_of_the_assistant_does_not_bind_when_the_user_says_yes():
    ledger = Ledger()
    offer = "Feel free to paste the rest of the log. I suggest we use Postgres for the queue."
    ledger.take(0, "assistant", offer)
    ledger.take(1, "user", "Yes, let us do that.")
    assert [entry.text for entry in ledger.entries() if entry.source == "assistant"] == [
        "I suggest we use Postgres for the queue."
    ]

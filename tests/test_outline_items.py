"""Items of several sentences: the first says what the others are about."""

from __future__ import annotations

import pytest
from outlines import broken_laws, units

from ctxmem import pack

FIRST = "The museum opens at nine in the morning on every day of the week from April to October."
OTHERS = [
    "Groups of more than twelve visitors register by telephone at least two days ahead.",
    "The time of the last admission is half an hour before closing.",
]
DOGS = ["Dogs wait outside.", "A shelter with water is beside the gate of the yard."]
MARKERS = ["- ", "* ", "1. ", "#. ", ":param hall: "]


@pytest.mark.parametrize("marker", MARKERS)
def test_the_sentences_of_a_point_or_step_need_its_first(marker):
    text = f"{marker}{FIRST} {OTHERS[0]} {OTHERS[1]} {OTHERS[1]}\n"
    first, *others = units(text, room=100)
    assert [first[1]] * len(others) == [need for _, _, need in others]
    assert [] == broken_laws(text, room=100)


@pytest.mark.parametrize("marker", ["(a) ", "a. ", "9.2 "])
def test_the_sentences_of_a_clause_do_not_need_a_long_first_one(marker):
    text = f"{marker}{FIRST} {OTHERS[0]} {OTHERS[1]} {OTHERS[1]}\n"
    first, *others = units(text, room=100)
    assert first[1] not in {need for _, _, need in others}


def test_the_sentences_of_an_item_do_not_need_a_very_long_first_one():
    long = FIRST[:-1] + ", and on Sundays and public holidays from November to March."
    text = f"- {long} {OTHERS[0]} {OTHERS[1]}\n"
    assert {None} == {need for _, _, need in units(text, room=150)}


def test_an_exception_in_an_item_needs_its_rule():
    text = f"- {FIRST} {OTHERS[0]} However, schools do not. {OTHERS[1]}\n"
    needs = {said: need for _, said, need in units(text, room=100)}
    assert OTHERS[0] == needs["However, schools do not."]
    assert f"- {FIRST}" == needs[OTHERS[0]] == needs[OTHERS[1]]


@pytest.mark.parametrize("budget", range(10, 70))
def test_the_tail_of_an_item_is_not_shown_without_its_beginning(budget):
    text = f"- {FIRST} {OTHERS[0]} {OTHERS[1]}\n- {' '.join(DOGS)}\n"
    shown = pack([text], budget, query="What is the time of the last admission?").text
    assert OTHERS[1] not in shown or FIRST[:20] in shown
    assert DOGS[1] not in shown or DOGS[0] in shown


def test_each_automatic_number_begins_an_item():
    text = (
        "#.  The server calls the object.\n"
        "#.  A context is created. This makes a request of the environment, which has the values "
        "of the server, and\n    a session, which has the values of the visitor. It is opened "
        "before the first function is called, and it is closed after the last one.\n"
        "#.  The answer is sent.\n"
    )
    first = "#.  A context is created."
    second = next(said for _, said, _ in units(text) if said.startswith(first))
    assert "#." not in [said for _, said, _ in units(text)]
    assert first == second
    assert "#.  The answer is sent." == units(text)[-1][1]

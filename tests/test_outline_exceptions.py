"""Exceptions of several parts: they are shown whole, or their rule is not shown."""

from __future__ import annotations

import pytest
from outlines import broken_laws, shown_with, units

from ctxmem import pack

RULE = "All data is deleted after 90 days, unless the customer has asked for an earlier deletion, "
JOINED = [
    RULE + "or a court has ordered that it is kept.",
    RULE + "and no court has ordered that it is kept.",
    "Alle Daten werden nach 90 Tagen gel\u00f6scht, es sei denn, dass der Kunde es anders will, "
    "oder ein Gericht angeordnet hat, dass sie bleiben.",
]


def parts(text, room):
    """Return the texts of the units of a text that is cut."""
    return [said for _, said, _ in units(text, room=room)]


@pytest.mark.parametrize("room", [64, 100])
@pytest.mark.parametrize("text", JOINED)
def test_the_parts_of_an_exception_stay_with_the_rule(text, room):
    first, *others = parts(text, room)
    assert others == shown_with(text, first, room=room)
    assert [] == broken_laws(text, room=room)


@pytest.mark.parametrize("budget", range(6, 34))
@pytest.mark.parametrize("text", JOINED)
def test_a_rule_is_never_shown_with_a_part_of_its_exception(text, budget):
    shown = pack([text], budget=budget, query="When is data deleted?").text
    assert shown in ("", text) or text[:20] not in shown


def test_a_clause_without_an_exception_is_not_tied_to_what_follows():
    text = (
        "The pump of the north hall runs from six in the morning, or from seven on Sundays, "
        "and the valve of the south hall opens at eight in the evening."
    )
    assert [] == shown_with(text, parts(text, 64)[0], room=64)

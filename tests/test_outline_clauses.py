"""Contracts, laws and standards: numbers with titles head the clauses below them."""

from __future__ import annotations

import pytest
from outlines import units

from ctxmem import pack

CONTRACT = (
    '1. Definitions\n\n"Fees" means the fees of the order form.\n\n2. Termination\n\n'
    "2.1 Either party may terminate on sixty days' notice.\n\n"
    "2.2 The Customer may terminate at once.\n\n3. Payment\n\nThe fees are due in May."
)


def headed(text):
    """Return {unit: heading that it needs}."""
    kinds = {here: kind for kind, here, _ in units(text)}
    return {here: need for _, here, need in units(text) if kinds.get(need) == "heading"}


def test_clauses_need_the_title_of_their_section():
    assert {
        '"Fees" means the fees of the order form.': "1. Definitions",
        "2.1 Either party may terminate on sixty days' notice.": "2. Termination",
        "2.2 The Customer may terminate at once.": "2. Termination",
        "The fees are due in May.": "3. Payment",
    } == headed(CONTRACT)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("§ 2 Mietzeit", "§ 3 Miete"),
        ("Article 2 - Term", "Article 3 - Fees"),
        ("ARTICLE II", "ARTICLE III"),
        ("Section 1.02 Restrictions", "Section 1.03 Fees"),
        ("第7条（解約）", "第8条（料金）"),
    ],
)
def test_numbered_parts_of_laws_head_their_paragraphs(first, second):
    text = f"{first}\n(1) It begins in May.\n(2) It ends in June.\n\n{second}\n(1) It is 900 EUR.\n"
    assert {
        "(1) It begins in May.": first,
        "(2) It ends in June.": first,
        "(1) It is 900 EUR.": second,
    } == headed(text)


@pytest.mark.parametrize(
    "text",
    [
        "1. Open the valve\n\n2. Start the pump\n\n3. Close the valve\n",
        "1. Open the valve\n\n   Turn it to the left.\n\n2. Start the pump\n\n   Press it.\n",
        "1. Open the valve.\n\nThen wait.\n\n2. Start the pump.\n\nThen go.",
        "Article 5 applies to all users.\n\nThe fee is due.",
        "2.5 million people came.\n\nThe town is small.",
    ],
)
def test_steps_and_sentences_are_no_titles(text):
    assert "heading" not in [kind for kind, _, _ in units(text)]


@pytest.mark.parametrize("budget", range(20, 60, 4))
def test_no_clause_is_shown_below_the_title_of_another(budget):
    shown = pack([CONTRACT], budget, query="May the customer terminate at once?").text
    assert "2. Termination" in shown
    if "1. Definitions" in shown:
        assert '"Fees" means' in shown
    if "3. Payment" in shown:
        assert "The fees are due" in shown


def test_a_clause_is_not_cut_after_its_number_and_title():
    one = "Section 1.02. Restrictions. Licensee shall not rent the Software."
    two = "Artikel 5. Hunde sind nicht erlaubt."
    assert [one, "This is final.", two] == [
        here for _, here, _ in units(f"{one} This is final.\n\n{two}")
    ]
    assert ["Licensee shall not rent.", "It may sell."] == [
        here for _, here, _ in units("Licensee shall not rent. It may sell.")
    ]

"""Names: a word with a capital that another one replaces at the same place."""

import pytest

from ctxmem import differences

NAMES = [
    ("Alice Meyer approved the budget of the office.", "Alice", "Alina"),
    ("The protocol is signed by Dr. Anna Keller, and two others.", "Anna", "Hanna"),
    ("Customers in Norway pay the costs in advance.", "Norway", "Sweden"),
    ("Use Stripe for all payments in the new shop.", "Stripe", "Paypal"),
    ("Send the files of the project to AWS only.", "AWS", "GCP"),
    ("The costs are paid by Émile from the office.", "Émile", "Agnès"),
    ("The costs are paid by E\u0301mile from the office.", "E\u0301mile", "Agnès"),
    ("Die Garantie gilt zwei Jahre für den Bildschirm.", "Bildschirm", "Akku"),
    ("Le contrat est signé par Monsieur Durand et sa femme.", "Durand", "Dupont"),
    (
        "Договор подписан в Москве.",
        "Москве",
        "Казани",
    ),
    (
        "Το συμβόλαιο στην Αθήνα ισχύει.",
        "Αθήνα",
        "Πάτρα",
    ),
]


@pytest.mark.parametrize(("text", "one", "other"), NAMES)
def test_another_name_at_the_same_place_is_a_difference(text, one, other):
    a, b = text, text.replace(one, other)
    assert differences(a, b) == [(one, other, "identifier")]
    assert differences(b, a) == [(other, one, "identifier")]
    assert [] == differences(a, text.swapcase())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Big flats are let.", "Large flats are let."),  # a sentence begins with a capital
        ("The fee is due.\nBig flats are let.", "The fee is due.\nLarge flats are let."),
        ("In Oslo the fee is due.", "The fee is due in Oslo."),
        ("It was Peter Smith who paid.", "Peter Smith paid it."),
        ("The offer of Acme is good.", "The good offer of Acme is fine."),
        ("The costs of THE office.", "The costs of An office."),
        ("It is paid by Peter.", "It is paid by Peter Smith."),  # more words, not others
    ],
)
def test_a_capital_or_a_moved_name_is_no_difference(one, other):
    assert [] == differences(one, other)

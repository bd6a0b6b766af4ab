"""Lists of rules, corrections that do not name what they correct, and bans that are lifted."""

from __future__ import annotations

import pytest

from ctxmem.memory.ledger import Ledger


def after(*said: str) -> list[str]:
    """Return what still binds when messages of a user were said one after another."""
    ledger = Ledger()
    for i, text in enumerate(said):
        ledger.take(2 * i, "user", text)
    return [entry.text for entry in ledger.entries()]


@pytest.mark.parametrize(
    ("opening", "items"),
    [
        (
            "Here are the rules:",
            [
                "No PII in logs",
                "Every PR needs two approvals",
                "Tests before merge, except for docs",
                "Secrets only in Vault",
            ],
        ),
        ("Our conventions:", ["Line length: 100", "Indent: 2", "Quotes: double", "Tests: 80%"]),
        ("**Team rules:**", ["Two approvals a PR", "Small commits"]),
        ("Regeln:", ["Keine PII in Logs", "Zwei Freigaben je PR", "Geheimnisse nur in Vault"]),
        ("Voici nos règles :", ["Pas de PII dans les logs", "Deux revues par PR"]),
        ("Estas son las reglas:", ["Sin PII en los logs", "Dos revisiones por PR"]),
        ("Ecco le regole:", ["Due revisioni per PR", "Segreti solo in Vault"]),
    ],
)
@pytest.mark.parametrize("marker", ["{}. ", "- ", "* "])
def test_every_item_of_a_list_of_rules_is_an_entry(opening, items, marker):
    lines = [marker.format(i) + item for i, item in enumerate(items, 1)]
    assert after("\n".join([opening, *lines])) == items
    assert after("\n".join([opening, "", *lines, "", "The build is slow today."])) == items


@pytest.mark.parametrize(
    "text",
    [
        "The rules of chess are:\n- Pawns forward\n- King one step",
        "Here are the steps:\n1. Clone the repository\n2. Tests",
        "What are the rules:\n1. Two approvals\n2. Small commits",
        "Here are the rules:\n\nThanks.\n\n- Two approvals",
        "Here are the rules:\n- Two approvals?",
    ],
)
def test_another_list_gives_no_rules(text):
    assert after(text) == []


def test_what_an_assistant_lists_is_no_rule():
    ledger = Ledger()
    ledger.take(0, "assistant", "Here are the rules:\n1. Two approvals\n2. Small commits")
    ledger.take(1, "user", "Thanks.")
    assert ledger.entries() == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Use tabs.", "No, use spaces after all."),
        ("Use tabs.", "No, use spaces."),
        ("Use tabs.", "Scratch that, use spaces."),
        ("Use metric units.", "Please switch to imperial units."),
        ("We use MySQL 5.7.", "Scratch that: we use Postgres 16."),
        ("We use MySQL 5.7.", "Actually we use Postgres 16."),
        ("Antworte auf English.", "Nein, antworte auf French."),
        ("Wir nehmen MySQL.", "Nein, wir nehmen doch Postgres."),
        ("On utilise MySQL.", "Non, on utilise plutôt Postgres."),
        ("Vamos a usar MySQL.", "No, vamos a usar Postgres."),
    ],
)
def test_a_correction_replaces_the_statement_with_the_other_alternative(old, new):
    assert after(old, new) == [new]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Use tabs.", "No spaces."),
        ("Use tabs.", "No, never use spaces."),
        ("Use tabs.", "Actually, use spaces in Makefiles."),
        ("Use tabs in Makefiles.", "No, use spaces."),
        ("We use MySQL 5.7.", "Actually we use Redis 7.2."),
        ("We use MySQL for billing.", "Actually we use Postgres for search."),
    ],
)
def test_what_corrects_nothing_is_beside_the_older_statement(old, new):
    assert after(old, new) == [old, new]


@pytest.mark.parametrize(
    ("ban", "lifts"),
    [
        ("Never use emojis.", "Emojis are fine now."),
        ("Never use emojis.", "Emojis are OK from now on."),
        ("Don't put emojis in replies.", "Emojis are allowed again."),
        ("Verwende niemals Emojis.", "Emojis sind jetzt wieder erlaubt."),
        ("N'utilise jamais d'emojis.", "Les emojis sont de nouveau autorisés."),
        ("Nunca uses emojis.", "Ahora los emojis están permitidos."),
    ],
)
def test_what_is_allowed_again_is_no_longer_forbidden(ban, lifts):
    assert after(ban, lifts) == [lifts]


@pytest.mark.parametrize(
    "rule",
    ["Always check the server.", "Never restart the server.", "Never use emojis on the server."],
)
def test_a_thing_that_is_fine_now_lifts_no_rule_about_more_than_it(rule):
    assert rule in after(rule, "The server is fine now.")

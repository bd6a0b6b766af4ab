"""Rules without a verb bind, in every language of the tables; answers and news do not."""

from __future__ import annotations

import pytest

from ctxmem import Memory
from ctxmem.memory.ledger import Ledger, scan

BINDING = (
    "No emojis.",
    "No emojis!",
    "no hashtags",
    "Absolutely no emojis.",
    "Hi! No emojis. What is a monad?",
    "No semicolons, thanks.",
    "No bullet points.",
    "No third-party libraries.",
    "No swearing.",
    "No tables or footnotes.",
    "No abbreviations in the headings.",
    "No emojis in your commit messages please.",
    "No deploys on Fridays.",
    "No calls before 9.",
    "No more exclamation marks.",
    "No merges without a review.",
    "Metric units please.",
    "Metric units only.",
    "British spelling please.",
    "Short answers only.",
    "Code comments in German.",
    "Commit messages in English please.",
    "All amounts are in Swiss francs.",
    "Prices are in USD.",
    "All timestamps in UTC.",
    "Deploy to eu-west-1 only.",
    "Answer in French only.",
    "We bill on Fridays only.",
    "We ship to Norway only.",
    "never use rm -rf, ok?",
    "hey btw never use rm -rf ok?",
    "Always run the linter first, okay?",
    "no emojis, got it?",
    "Would you please not mention competitors?",
    "Python 3.9 is the lowest version we support.",
    "Everything you write must compile on Windows.",
    "Our style guide forbids abbreviations.",
    # German
    "Keine Emojis.",
    "keine Emojis!",
    "Keine Anglizismen.",
    "Keine externen Bibliotheken.",
    "Ohne Emojis bitte.",
    "Ohne Fachbegriffe.",
    "Code-Kommentare auf Deutsch.",
    "Alle Beträge in Franken.",
    # French
    "Pas d'emojis.",
    "Pas de jargon.",
    "Pas de tableaux, s'il te plaît.",
    "Aucun emoji.",
    "Sans emojis, merci.",
    # Spanish
    "Sin emojis, por favor.",
    "Sin tablas.",
    "Nada de emojis.",
    "Ningún emoji.",
    # Italian
    "Niente emoji.",
    "Niente tabelle, per favore.",
    "Senza emoji.",
    # Portuguese
    "Sem emojis, por favor.",
    "Nada de emojis, obrigado.",
    "Sem tabelas.",
    # Dutch
    "Geen emoji's.",
    "Geen tabellen, graag.",
    "Zonder emoji's.",
    # Japanese and Chinese
    "絵文字なしでお願いします。",
    "絵文字は使わないで。",
    "不要使用表情符号。",
    "别用缩写。",
    "请勿使用表格。",
)

OTHERS = (
    "No problem.",
    "No problem at all!",
    "No idea.",
    "Absolutely no idea.",
    "No luck with that yet.",
    "No thanks.",
    "No worries!",
    "No.",
    "No, Anna.",
    "No sir.",
    "No rush, thanks.",
    "No doubt.",
    "No comment.",
    "No news yet.",
    "No more questions.",
    "No further questions.",
    "No errors in the log.",
    "No warnings on the console.",
    "No changes were made.",
    "No changes in main.",
    "No change so far.",
    "No deploy happened.",
    "No emails arrived.",
    "No results found.",
    "No such file or directory",
    "No module named requests",
    "No space left on device",
    "No route to host",
    "No tests ran in 0.01s",
    "No matching distribution found",
    "No difference.",
    "No big deal.",
    "No hard feelings.",
    "No way!",
    "No can do.",
    "No, never mind.",
    "Is it ok?",
    "You never deploy on Fridays, right?",
    "Is that never ok?",
    "Do you never use rebase, ok?",
    "The build is green, ok?",
    "Another coffee please.",
    "Next page please.",
    "More details please.",
    "Table for two please.",
    "Continue please.",
    "It works on Linux only.",
    "The test fails on Windows only.",
    "He ships to Norway only.",
    "All files are in the inbox.",
    "All values are in range.",
    "Prices are in the table below.",
    "Comments in German newspapers are long.",
    "Without doubt.",
    # German
    "Keine Ahnung.",
    "Kein Problem.",
    "Keine Sorge!",
    "Keine Änderungen im Log.",
    "Keine Fehler.",
    "Kein Wunder.",
    "Ohne Zweifel.",
    "Ohne Erfolg.",
    # French
    "Pas de problème.",
    "Pas d'accord.",
    "Pas d'erreur.",
    "Pas de souci, merci.",
    "Aucune idée.",
    "Sans doute.",
    # Spanish
    "Sin problema.",
    "Sin embargo, funciona.",
    "Sin duda.",
    "Ninguna idea.",
    "Nada de eso.",
    # Italian
    "Niente paura.",
    "Nessun problema.",
    "Senza dubbio.",
    # Portuguese
    "Sem problema.",
    "Sem dúvida.",
    "Nenhum erro.",
    # Dutch
    "Geen probleem.",
    "Geen idee.",
    "Zonder twijfel.",
    # Japanese and Chinese
    "問題なし。",
    "不要紧。",
    "不要担心。",
)


@pytest.mark.parametrize("text", BINDING)
def test_a_short_rule_is_found(text):
    assert [f.kind for f in scan(text) if f.kind in {"rule", "instruction"}], text


@pytest.mark.parametrize("text", OTHERS)
def test_an_answer_or_news_of_that_form_is_no_rule(text):
    assert [f for f in scan(text) if f.kind in {"rule", "instruction"}] == [], text


@pytest.mark.parametrize("role", ["assistant", "tool", "document"])
def test_a_short_rule_of_anybody_else_does_not_bind(role):
    ledger = Ledger()
    assert ledger.take(0, role, "No emojis. Metric units only.") == []
    ledger.take(1, "user", "Thanks for the table.")
    assert ledger.entries() == []


def test_a_short_rule_is_in_the_window_when_its_message_has_left():
    memory = Memory(600)
    memory.append({"role": "user", "content": "Hello, I will ask about several modules."})
    memory.append({"role": "assistant", "content": "Go ahead."})
    memory.append({"role": "user", "content": "No emojis."})
    for i in range(60):
        memory.append({"role": "assistant", "content": f"Module {i} has {i * 7} lines. " * 3})
        memory.append({"role": "user", "content": f"What does module {i + 1} do?"})
        window = memory.window()
    assert not any(message["content"] == "No emojis." for message in window.messages)
    assert any("rule: No emojis." in message["content"] for message in window.messages)

"""Exceptions to a rule, single answers, conditions and questions: what replaces nothing.

Each pair of a table is what was said first and what was said later.
"""

from __future__ import annotations

import pytest

from ctxmem.memory.ledger import Ledger


def after(*said: str) -> list[str]:
    """Return what still binds when messages of a user were said one after another."""
    return [entry.text for entry in ledger_of(*said).entries()]


def ledger_of(*said: str) -> Ledger:
    ledger = Ledger()
    for i, text in enumerate(said):
        ledger.take(6 * i, "user", text)
    return ledger


@pytest.mark.parametrize(
    ("rule", "exception"),
    [
        (
            "Always ask me before deploying.",
            "You don't need to ask me before deploying to staging.",
        ),
        (
            "Always ask me before deploying.",
            "You no longer need to ask me before deploying to staging.",
        ),
        ("Always ask me before deploying.", "On staging you don't need to ask me."),
        ("Always ask me before deploying.", "You don't need to ask me before deploying this."),
        (
            "Always ask before sending an email.",
            "You don't have to ask before sending an email to my wife.",
        ),
        (
            "Always ask before sending an email.",
            "You don't have to ask before sending an email to me.",
        ),
        (
            "Ask me before every purchase.",
            "You don't need to ask me before a purchase under 10 euros.",
        ),
        (
            "Always get two approvals before a release.",
            "You don't need two approvals before a release of the docs.",
        ),
        (
            "Always run the tests before a commit.",
            "You don't have to run the tests before a commit that only changes docs.",
        ),
        ("Never use emojis.", "Emojis are fine now in private mails."),
        ("Always ask me before deploying.", "You needn't ask me before deploying to the US."),
        ("Always ask me before deploying.", "You needn't ask me before the first deploy."),
        ("Always ask me before deploying.", "You needn't ask before deploying when I'm away."),
        ("Never email me.", "You may email me again on weekdays."),
        (
            "Frag immer, bevor du eine E-Mail sendest.",
            "Du musst nicht fragen, bevor du eine E-Mail an meine Frau sendest.",
        ),
        (
            "Frag mich immer, bevor du etwas kaufst.",
            "Bei Käufen unter 10 Euro musst du mich nicht fragen.",
        ),
        (
            "Frag mich immer, bevor du etwas kaufst.",
            "Du musst mich bei Käufen unter 10 Euro nicht fragen.",
        ),
        ("Always ask me before deploying.", "Stop asking me before deploying to staging."),
        ("Always use semicolons.", "You don't need semicolons in Python files."),
        ("Keep answers under 100 words.", "Keep answers about law under 300 words."),
        (
            "Frag mich immer vor einem Deployment.",
            "Vor einem Deployment auf Staging musst du nicht mehr fragen.",
        ),
        (
            "Demande-moi toujours avant d'envoyer un e-mail.",
            "Tu n'as pas besoin de me demander avant d'envoyer un e-mail à ma femme.",
        ),
        (
            "Demande-moi toujours avant un achat.",
            "Tu n'as plus besoin de me demander avant un achat de moins de 10 euros.",
        ),
        (
            "Pregúntame siempre antes de enviar un correo.",
            "Ya no tienes que preguntarme antes de enviar un correo a mi mujer.",
        ),
        (
            "Pregúntame siempre antes de una compra.",
            "No hace falta que me preguntes antes de una compra de menos de 10 euros.",
        ),
    ],
)
def test_a_statement_that_lifts_a_rule_in_one_case_leaves_the_rule(rule, exception):
    kept = ledger_of(rule, exception).entries()
    assert [(e.text, e.contradicts) for e in kept] == [(rule, ()), (exception, ())]


@pytest.mark.parametrize(
    ("rule", "lifts"),
    [
        ("Always ask me before deploying.", "You don't need to ask me before deploying any more."),
        ("Always ask me before deploying.", "You no longer need to ask me before deploying."),
        ("Ask me before deploying.", "From now on you don't need to ask me before deploying."),
        ("Always ask me before deploying.", "You don't have to ask me before you deploy, thanks."),
        (
            "Always ask me before deploying.",
            "You don't need to ask me before deploying any more, because we have CI.",
        ),
        ("Always ask me before deploying to staging.", "No need to ask before deploying anymore."),
        (
            "Always get two approvals before a release.",
            "You don't need two approvals before a release any more.",
        ),
        ("Ask me before every purchase.", "You don't need to ask me before a purchase any more."),
        ("Never email me.", "You may email me again."),
        ("Always ask me before deploying.", "Stop asking me before deploying."),
        ("Always use semicolons.", "You don't need semicolons any more."),
        ("Keep answers under 100 words.", "Keep answers under 300 words."),
        ("Frag mich immer vor einem Kauf.", "Vor einem Kauf musst du mich nicht mehr fragen."),
        (
            "Frag immer, bevor du eine E-Mail sendest.",
            "Du musst nicht mehr fragen, bevor du eine E-Mail sendest.",
        ),
        (
            "Frag mich immer vor einem Deployment.",
            "Vor einem Deployment musst du nicht mehr fragen.",
        ),
        (
            "Demande-moi toujours avant d'envoyer un e-mail.",
            "Tu n'as plus besoin de me demander avant d'envoyer un e-mail.",
        ),
        (
            "Pregúntame siempre antes de enviar un correo.",
            "Ya no tienes que preguntarme antes de enviar un correo.",
        ),
    ],
)
def test_a_statement_that_lifts_the_whole_rule_replaces_it(rule, lifts):
    assert after(rule, lifts) == [lifts]


def test_a_rule_is_lifted_also_behind_an_exception_of_it():
    rule = "Always ask before deploying."
    exception = "You don't need to ask before deploying to staging."
    lifts = "You don't need to ask before deploying any more."
    assert after(rule, exception, lifts) == [exception, lifts]


def test_an_update_that_names_a_further_case_leaves_the_general_rule():
    said = ("Ask me before deploying.", "From now on ask me before deploying to production.")
    assert after(*said) == list(said)


@pytest.mark.parametrize(
    ("stated", "question"),
    [
        ("My budget is 1,500 euros.", "What if my budget is 2,000 euros?"),
        ("My budget is 1,500 euros.", "what if my budget is 2,000 euros"),
        ("My budget is 1,500 euros.", "Would it help if my budget is 2,000 euros?"),
        ("My budget is 1,500 euros.", "Would a budget of 2,000 euros help?"),
        ("My budget is 1,500 euros.", "What could we do with a budget of 2,000 euros?"),
        ("My budget is 1,500 euros.", "Does the budget of 2,000 euros suffice?"),
        ("The deadline is March 3.", "Would the deadline of March 10 work?"),
        ("Mein Budget ist 1500 Euro.", "Reicht das Budget von 2000 Euro?"),
        ("The deadline is March 3.", "What happens if the deadline is March 10?"),
        ("Answer in French.", "Should you answer in English from now on?"),
        ("Mein Budget ist 1500 Euro.", "Wäre es besser, wenn mein Budget 2000 Euro ist?"),
        ("Mein Budget ist 1500 Euro.", "Was wenn mein Budget 2000 Euro ist?"),
        ("Mein Budget ist 1500 Euro.", "Hilft es wenn mein Budget 2000 Euro ist?"),
        ("Mon budget est de 1500 euros.", "Et si mon budget était de 2000 euros ?"),
        ("Mon budget est de 1500 euros.", "Est-ce mieux si mon budget est de 2000 euros ?"),
        ("Mi presupuesto es de 1500 euros.", "¿Y si mi presupuesto es de 2000 euros?"),
        ("Mi presupuesto es de 1500 euros.", "¿Ayudaría si mi presupuesto fuera de 2000 euros?"),
    ],
)
def test_what_a_question_supposes_is_no_entry(stated, question):
    assert after(stated, question) == [stated]
    assert after(question) == []


@pytest.mark.parametrize(
    ("stated", "request_"),
    [
        ("My budget is 1,500 euros.", "My budget is 2,000 euros, can you find a hotel?"),
        ("My budget is 1,500 euros.", "Can you find a hotel, my budget is 2,000 euros?"),
        ("Mein Budget ist 1500 Euro.", "Mein Budget ist 2000 Euro, findest du ein Hotel?"),
        ("Mon budget est de 1500 euros.", "Mon budget est de 2000 euros, que proposes-tu ?"),
    ],
)
def test_a_value_beside_a_question_still_replaces_the_older_one(stated, request_):
    kept = ledger_of(stated, request_).entries()
    assert len(kept) == 1
    assert "000" in kept[0].value


@pytest.mark.parametrize(
    ("standing", "once"),
    [
        ("Keep answers under 100 words.", "Keep this answer under 300 words."),
        ("Answer in French.", "Answer this one in English."),
        ("Answer in French.", "Answer in English for this reply."),
        ("Antworte immer auf Deutsch.", "Antworte in dieser Antwort auf Englisch."),
        ("Réponds toujours en français.", "Pour cette réponse, réponds en anglais."),
        ("Responde siempre en español.", "En esta respuesta, responde solo en inglés."),
    ],
)
def test_an_instruction_for_one_answer_is_no_entry(standing, once):
    assert after(standing, once) == [standing]


@pytest.mark.parametrize(
    ("standing", "narrower"),
    [
        ("Answer in French.", "Answer in English when I write code."),
        ("Answer in French.", "Answer in English just this once."),
        ("Answer in French when I write French.", "Answer in English when I write English."),
        ("Call me Sam.", "Call me Doctor when my patients can read it."),
        ("Antworte auf Deutsch.", "Antworte auf Englisch, wenn ich Code schreibe."),
        ("Antworte auf Deutsch.", "Antworte diesmal auf Englisch."),
        ("Réponds toujours en français.", "Réponds toujours en anglais quand j'écris du code."),
        ("Responde siempre en español.", "Responde siempre en inglés cuando escribo código."),
    ],
)
def test_what_holds_once_or_on_a_condition_is_beside_the_standing_rule(standing, narrower):
    assert after(standing, narrower) == [standing, narrower]


@pytest.mark.parametrize(
    ("standing", "newer"),
    [
        ("Answer in French.", "Answer in English."),
        ("Answer in French.", "Answer in English from now on, if possible."),
        ("Keep answers under 100 words.", "Keep all answers under 300 words."),
        ("Answer in French when I write code.", "Answer in English when I write code."),
        ("Antworte auf Deutsch.", "Antworte ab jetzt auf Englisch."),
    ],
)
def test_an_instruction_without_a_further_condition_replaces_the_older_one(standing, newer):
    assert after(standing, newer) == [newer]

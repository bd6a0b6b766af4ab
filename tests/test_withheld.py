"""A rule without room for its exception is left out; the decision says so, and parts are tried."""

from __future__ import annotations

import pytest
from outlines import units

import ctxmem
from ctxmem import pack

GIVEN = {
    "When are refunds paid?": (
        "Refunds are paid within ten days of the return of the goods to our warehouse in Bremen.",
        "This does not apply to goods that were made to measure for the customer or that were "
        "unsealed.",
        [
            "The garden has roses and a small pond with fish.",
            "Tea is served at four in the blue room.",
            "The office has three windows to the south.",
            "The lift was painted green last year by a local firm.",
        ],
    ),
    "Wie lang ist die Kündigungsfrist?": (
        "Die Kündigungsfrist beträgt drei Monate zum Ende eines Quartals.",
        "Ausgenommen sind Verträge mit einer festen Laufzeit, die nicht vorzeitig gekündigt "
        "werden können.",
        [
            "Der Garten hat Rosen und einen kleinen Teich.",
            "Tee gibt es um vier im blauen Zimmer.",
            "Das Büro hat drei Fenster nach Süden.",
            "Die Räder stehen im Hof hinter dem Haus.",
        ],
    ),
    "Quel est le délai de préavis ?": (
        "Le délai de préavis est de trois mois à la fin de chaque trimestre civil.",
        "Sont exclus les contrats à durée déterminée, qui ne peuvent pas être résiliés avant leur "
        "terme.",
        [
            "Le jardin a des roses et un petit étang.",
            "Le thé est servi à quatre heures dans la salle bleue.",
            "Le bureau a trois fenêtres au sud.",
            "Les vélos sont gardés dans la cour derrière la maison.",
        ],
    ),
}
QUESTIONS = list(GIVEN)
COUNT = ctxmem.counter("o200k_base").count


@pytest.mark.parametrize("query", QUESTIONS)
def test_the_decision_says_that_a_rule_needs_its_exception(query):
    rule, exception, others = GIVEN[query]
    window = pack([f"{rule} {exception}", *others], COUNT(rule) + 4, query=query)
    assert rule[:20] not in window.text
    detail = window.decisions[0].detail
    said, needed = (text[:16] for text in (rule, exception))
    assert f'"{said}' in detail
    assert f'is left out: it is not shown without its exception "{needed}' in detail
    assert "is left out: it is not shown without its" in " ".join(window.explain().split())


@pytest.mark.parametrize("query", QUESTIONS)
def test_the_decision_of_a_chunk_of_which_other_text_is_kept_says_so_too(query):
    rule, exception, others = GIVEN[query]
    window = pack([f"{rule} {exception} {others[0]}"], COUNT(rule) + 4, query=query)
    assert others[0] == window.text
    (decision,) = window.decisions
    assert decision.kept
    assert "is left out: it is not shown without its exception" in decision.detail


@pytest.mark.parametrize("query", QUESTIONS)
@pytest.mark.parametrize("budget", range(6, 60, 3))
def test_what_a_decision_says_of_a_rule_is_true(query, budget):
    rule, exception, others = GIVEN[query]
    window = pack([f"{rule} {exception}", *others], budget, query=query)
    if "left out: it is not shown without" in window.decisions[0].detail:
        assert rule[:20] not in window.text
        assert budget < COUNT(f"{rule} {exception}")
    if f"{rule} {exception}" in window.text:
        assert "left out" not in window.decisions[0].detail
    for other in window.decisions[1:]:
        assert "not shown without" not in other.detail


@pytest.mark.parametrize("query", QUESTIONS)
@pytest.mark.parametrize("budget", range(8, 60, 4))
def test_no_part_of_an_exception_is_shown_without_its_rule(query, budget):
    rule, exception, others = GIVEN[query]
    shown = pack([f"{rule} {exception} {others[0]}"], budget, query=query).text
    parts = [said for _, said, _ in units(f"{rule} {exception}", room=48)]
    assert len(parts) > 3
    for part in parts:
        if part in exception:
            assert part not in shown or rule in shown


@pytest.mark.parametrize("query", QUESTIONS)
@pytest.mark.parametrize("room", [32, 48, 64])
def test_the_parts_of_an_exception_need_each_other_in_turn(query, room):
    rule, exception, _ = GIVEN[query]
    found = units(f"{rule} {exception}", room=room)
    parts = [said for _, said, _ in found]
    first = next(k for k, said in enumerate(parts) if said in exception)
    assert parts[first - 1 : -1] == [need for _, _, need in found[first:]]


@pytest.mark.parametrize("query", QUESTIONS)
def test_a_rule_with_a_part_of_its_exception_is_preferred_to_text_of_no_value(query):
    rule, exception, others = GIVEN[query]
    whole = f"{rule} {exception}"
    window = pack([whole, *others], COUNT(whole) - 4, query=query)
    assert f"{rule} {exception[:16]}" in window.text


def test_a_window_of_other_text_is_not_cut_where_no_part_of_a_rule_fits():
    rule, exception, others = GIVEN[QUESTIONS[0]]
    window = pack([f"{rule} {exception}", *others], 24, query=QUESTIONS[0])
    assert window.pieces
    assert "…" not in window.text


def test_a_whole_chunk_has_no_such_detail():
    rule, exception, others = GIVEN[QUESTIONS[0]]
    window = pack([f"{rule} {exception}", *others], 24, query=QUESTIONS[0], compress=False)
    assert "not shown without" not in window.decisions[0].detail


def test_a_sentence_that_needs_the_one_before_it_names_that():
    text = (
        "The token of the northern service is issued by the operator at the first login of the "
        "day. It expires after one hour."
    )
    window = pack([text, "The logo is blue."], 14, query="When does it expire after one hour?")
    assert "expires" not in window.text
    detail = window.decisions[0].detail
    assert '"It expires after one hour." is left out: it is not shown without "The token' in detail

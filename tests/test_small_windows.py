"""Small windows: whole sentences of items that did not fit are added."""

from __future__ import annotations

import pytest

from ctxmem import pack

FIRST = "The museum opens at nine in the morning on every day of the week from April to October."
OTHERS = [
    "Groups of more than twelve visitors register by telephone at least two days ahead.",
    "The time of the last admission is half an hour before closing.",
]
DOGS = ["Dogs wait outside.", "A shelter with water is beside the gate of the yard."]

SMALL = {
    "At what time does the museum open?": (
        f"Opening times:\n\n- {FIRST} {OTHERS[0]} {OTHERS[1]}\n- {' '.join(DOGS)}\n",
        "Dogs wait outside.",
    ),
    "Um wie viel Uhr öffnet das Museum?": (
        "Zeiten:\n\n- Das Museum öffnet von April bis Oktober jeden Tag um neun Uhr. Gruppen von "
        "mehr als zwölf Personen melden sich zwei Tage vorher an.\n- Hunde warten draußen. Ein "
        "Unterstand mit Wasser ist neben dem Tor des Hofes, und der Schlüssel liegt im Büro.\n",
        "Hunde warten draußen.",
    ),
    "À quelle heure ouvre le musée ?": (
        "Horaires :\n\n- Le musée ouvre à neuf heures tous les jours d'avril à octobre. Les "
        "groupes de plus de douze personnes s'inscrivent deux jours avant la visite.\n- Les chiens "
        "attendent dehors. Un abri avec de l'eau se trouve à côté du portail de la cour.\n",
        "Les chiens attendent dehors.",
    ),
}


@pytest.mark.parametrize(("query", "budget"), list(zip(SMALL, (33, 44, 33), strict=True)))
def test_a_sentence_of_an_item_without_room_is_added_to_a_small_window(query, budget):
    text, sentence = SMALL[query]
    window = pack([text], budget, query=query)
    assert sentence in window.text
    assert window.tokens <= budget


@pytest.mark.parametrize("query", list(SMALL))
@pytest.mark.parametrize("budget", [33, 44])
def test_no_part_of_a_sentence_is_added_to_a_small_window(query, budget):
    text, _ = SMALL[query]
    assert "…" not in pack([text], budget, query=query).text.replace("\n…\n", "\n")


@pytest.mark.parametrize("budget", range(20, 60, 3))
@pytest.mark.parametrize("query", list(SMALL))
def test_what_is_added_keeps_the_bound_of_the_window(query, budget):
    window = pack([SMALL[query][0]], budget, query=query)
    assert window.value <= window.upper_bound
    assert (window.status == "optimal") == (window.text == SMALL[query][0].strip())

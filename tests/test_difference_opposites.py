"""Opposites of prose: roles, limits, directions, times and states, in place of each other."""

from __future__ import annotations

import pytest
import reference

from ctxmem import differences

# By language: a sentence, and pairs of words that say different things in it.
OPPOSITES = {
    "en": (
        "The rule of the {} is as the parties agreed.",
        """ascending/descending granted/denied weekdays/weekends beginning/end fixed/variable
        failed/managed gross/net mandatory/voluntary previous/current current/next this/last
        within/after buyer/seller buyers/vendors employer/employee employers/employees
        lender/borrower creditor/debtor licensors/licensees insurer/policyholder doctor/patient
        teacher/student parents/children adults/children host/guest sender/recipient
        inbound/outbound upload/download arrival/departure deposit/withdrawal day/night
        morning/evening advance/arrears renewed/terminated domestic/foreign manual/automatic
        oral/written cash/card whole/half cause/effect revenue/expenses majority/minority
        jointly/severally summer/winter nightly/daily""",
    ),
    "de": (
        "Die Regel für {} ist so, wie die Parteien es wollten.",
        """aufsteigende/absteigende werktags/wochenends brutto/netto feste/variable
        vorige/laufende kunden/lieferanten gläubigern/schuldnern klägerin/beklagte
        eingehende/ausgehende ankunft/abfahrt mündliche/schriftliche einnahmen/ausgaben
        erwachsene/kinder""",
    ),
    "fr": (
        "La règle pour {} est celle que les parties ont voulue.",
        """croissant/décroissant brut/net fixe/variable acheteurs/vendeurs prêteur/emprunteur
        arrivée/départ adultes/enfants recettes/dépenses écrit/oral""",
    ),
    "es": (
        "La regla de {} es la que las partes han querido.",
        """ascendente/descendente bruto/neto fijo/variable acreedor/deudor entrada/salida
        adultos/niños ingresos/gastos oral/escrito""",
    ),
    "it": (
        "La regola per {} è quella che le parti hanno voluto.",
        """crescente/decrescente lordo/netto fisso/variabile creditore/debitore arrivo/partenza
        adulti/bambini ricavi/costi orale/scritto""",
    ),
    "pt": (
        "A regra para {} é a que as partes quiseram.",
        """crescente/decrescente bruto/líquido fixo/variável credor/devedor chegada/partida
        adultos/crianças receitas/despesas oral/escrito""",
    ),
    "nl": (
        "De regel voor {} is zoals de partijen het wilden.",
        """oplopende/aflopende bruto/netto vaste/variabele schuldeiser/schuldenaar
        aankomst/vertrek volwassenen/kinderen opbrengsten/kosten mondelinge/schriftelijke""",
    ),
    "pl": (
        "Zasada dla {} jest taka, jak chciały strony.",
        """rosnąco/malejąco brutto/netto stała/zmienna wierzyciela/dłużnika przyjazdu/odjazdu
        dorosłych/dzieci przychodów/kosztów ustnej/pisemnej""",
    ),
    "ru": (
        "Правило для {} такое, как хотели стороны.",
        """возрастания/убывания брутто/нетто кредитора/должника прибытия/отправления
        взрослых/детей доходов/расходов устной/письменной""",
    ),
    "ar": ("القاعدة {} كما أراد الطرفان", "تصاعدي/تنازلي إجمالي/صافي محلي/أجنبي يدوي/تلقائي"),
    "hi": ("यह नियम {} के लिए है।", "सकल/शुद्ध वयस्कों/बच्चों आगमन/प्रस्थान आय/व्यय"),
    "zh": ("该规则适用于{}的情况。", "升序/降序 工作日/周末 债权人/债务人 上传/下载 口头/书面"),
    "ja": ("この規則は{}の場合に使う。", "昇順/降順 平日/週末 債権者/債務者 到着/出発 口頭/書面"),
    "ko": ("이 규칙은 {} 경우에 쓴다.", "오름차순/내림차순 평일/주말 채권자/채무자 도착/출발"),
}
CASES = [
    (language, *pair.split("/"))
    for language, (_, pairs) in OPPOSITES.items()
    for pair in pairs.split()
]


@pytest.mark.parametrize(("language", "one", "other"), CASES)
def test_an_opposite_in_place_of_a_word_is_a_difference(language, one, other):
    frame = OPPOSITES[language][0]
    a, b = frame.format(one), frame.format(other)
    there = differences(a, b)
    assert len(there) == 1
    assert [(y, x, kind) for x, y, kind in there] == differences(b, a)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The hall holds up to ten guests.", "The hall holds at least ten guests."),
        ("Paid within 5 days of the letter.", "Paid after 5 days of the letter."),
        ("The copy is made every night at two.", "The copy is made every other night at two."),
        ("Due at the beginning of the month.", "Due at the end of the month."),
    ],
)
def test_a_limit_that_another_one_replaces_is_a_difference(one, other):
    assert differences(one, other) and differences(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The owner pays the agent in spring.", "In spring, the owner pays the agent."),  # moved
        ("The buyer pays the price.", "The buyer gladly pays the full price."),  # more words
        ("The purchaser pays the price.", "The buyer pays the price."),  # one group
        ("The physician is called.", "The doctor is called."),
        ("The upload is done by the office.", "The transfer is done by the office."),
        ("The summer was fine for the farm.", "The weather was fine for the farm."),
    ],
)
def test_a_word_of_the_list_counts_only_in_place_of_its_opposite(one, other):
    assert [] == differences(one, other) == differences(other, one)


def test_words_of_one_group_are_opposed_in_no_line():
    """Words of one group mean the same, so that where one replaces the other nothing differs."""
    lists = reference.load_generator("generate_difference_words")
    groups: dict[tuple[int, int], set[str]] = {}
    # The group of a word in each line that has it.
    places: dict[tuple[int, str], dict[int, set[int]]] = {}
    for entry in lists.entries():
        if lists.KINDS[entry.kind] == "opposite":
            place = places.setdefault((entry.language, entry.word), {})
            place.setdefault(entry.family, set()).add(entry.value)
            groups.setdefault((entry.language, entry.value), set()).add(entry.word)
    assert all(len(values) == 1 for place in places.values() for values in place.values())
    for (language, _), words in groups.items():
        for one in words:
            for other in words:
                mine, theirs = places[language, one], places[language, other]
                for line in mine.keys() & theirs.keys():
                    assert mine[line] == theirs[line], (one, other)

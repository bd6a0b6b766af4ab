"""The outline of prose: sentences, headings and the turns of a dialogue."""

from __future__ import annotations

import pytest
import reference_sentences
from hypothesis import given, settings
from hypothesis import strategies as st
from outlines import HIDDEN, LABEL, flagged, outline, shown_with, spans, texts, tied, units

from ctxmem import _native, pack

PROSE = {
    "English contracts": [
        "The Supplier shall pay the fees set out in Art. 9.2, No. 5 and Fig. 3 (Annex B, etc.).",
        "Acme B.V. and Widget Inc. of the U.S. may, e.g. for cause, end it.",
        "This is Widget Inc.",
        "The Client was never told by Dr. J. R. Smith at 5 p.m. on Jan. 5, 2020.",
        "It paid $3.5 million.",
        "No.",
        "It did not!",
    ],
    "English science": [
        "Smith et al. 2019 report approx. 3.2 mm (p < 0.05, cf. Fig. 2a).",
        "Effects were small vs. controls, i.e. below 1 %.[12]",
        '"Is it real?" they asked.',
        "“We think so.”",
        "More work… is needed.",
    ],
    "German": [
        "Am 3. Oktober 1990 trat die DDR bei.",
        "Das gilt z. B. für Dr. Müller bzw. die GmbH.",
        "Im 19. Jahrhundert war es gem. Abs. 2 anders.",
        "„Wirklich?“ fragte er.",
        "Nr. 5 gilt.",
    ],
    "French": ["« Bonjour. »", "Il est 15 h.", "Où est M. Dupont ?", "« Là », dit-elle."],
    "Russian": ["Это г. Москва.", "Население около 13 млн. человек.", "Да!", "Нет?"],
    "Arabic": ["ذهب الولد إلى المدرسة.", "هل تعلم؟", "نعم، أعلم."],
    "Hindi": ["यह एक वाक्य है।", "यह दूसरा है।"],
}


@pytest.mark.parametrize("language", PROSE)
def test_prose_is_cut_into_sentences(language):
    assert PROSE[language] == texts(" ".join(PROSE[language]))
    assert {"prose"} == {kind for kind, _ in spans(" ".join(PROSE[language]))}


@pytest.mark.parametrize(
    "sentences",
    [
        ["今天天气很好。", "我们去公园吧！", "你去吗？", "“好的。”", "他说。", "价格是３．５元。"],
        ["「はい。」と言った。", "東京は首都です。", "「本当？」", "彼は聞いた。"],
    ],
)
def test_chinese_and_japanese_need_no_spaces(sentences):
    assert sentences == texts("".join(sentences))


def test_thai_is_cut_at_a_space_when_a_clause_has_some_length():
    clause = "ประเทศไทยตั้งอยู่ในเอเชีย"  # 25 letters; four clauses have more than 80
    assert [" ".join([clause] * 4)] * 2 + [clause] == texts(" ".join([clause] * 9))


def test_lower_case_chatter_is_cut_too():
    assert ["hello there.", "how are you?", "fine."] == texts("hello there. how are you? fine.")


def test_a_newline_in_a_paragraph_ends_nothing_and_a_blank_line_does():
    assert ["One sentence\nover two lines.", "No stop here", "but a gap."] == texts(
        "One sentence\nover two lines.\n\nNo stop here\n \nbut a gap."
    )


def test_a_number_at_the_start_of_a_wrapped_line_is_no_list_item():
    text = "It grew by about\n12. The rest is known.\n- but this is one"
    assert ["It grew by about\n12.", "The rest is known.", "- but this is one"] == texts(text)


def test_long_sentences_are_cut_at_clauses_then_at_spaces():
    clause = "the parties agree on many a thing"
    for mark in (";", ","):
        pieces = texts(f"{mark} ".join([clause] * 200))
        assert all(piece.endswith(mark) for piece in pieces[:-1])
        assert max(map(len, pieces)) <= 1600
    pieces = texts(" ".join(["word"] * 2000))
    assert 7 == len(pieces) and all(1000 <= len(piece) <= 1600 for piece in pieces)


@pytest.mark.parametrize("grapheme", ["e\u0301", "🇦🇹", "👩‍👧", "👍🏽", "กำ", "각", "क्ष"])
def test_graphemes_are_never_cut(grapheme):
    start = _native.outline(_native.Corpus([grapheme * 3000]))[0]
    assert len(start) > 1
    assert all(at % len(grapheme) == 0 for at in start.tolist())


WORDS = "The However fee paid is Mr Dr No Fig etc Inc al e.g i.e U.S B.V J x 3 9.2 12 IV".split()
MARKS = [".", ".", ".", ". ", ". ", "!", "?", "...", '"', "'", ")", ",", ";", " ", " ", " ", "  "]
english = st.lists(st.sampled_from(WORDS + MARKS * 2), max_size=60).map(
    lambda parts: "We saw that it was so and then they paid for it all " + "".join(parts)
)


@settings(max_examples=1000, deadline=None)
@given(english)
def test_sentences_equal_their_slow_twin(text):
    start = _native.outline(_native.Corpus([text]))[0].tolist()
    cut = [text[a:b] for a, b in zip(start, [*start[1:], len(text)], strict=True)]
    assert reference_sentences.sentences(text) == cut


@settings(max_examples=300, deadline=None)
@given(english)
def test_a_sentence_alone_is_one_unit(text):
    start, end, *_ = _native.outline(_native.Corpus([text]))
    sentences = [text[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]
    assert (
        list(range(len(sentences) + 1)) == _native.outline(_native.Corpus(sentences))[-1].tolist()
    )


# Headings


def test_the_short_first_line_above_a_passage_is_its_title():
    text = "Harbour Rowing Club\nThe Harbour Rowing Club program represents the University."
    assert [("heading", "Harbour Rowing Club")] == spans(text)[:1]


def test_a_heading_is_needed_by_what_is_below_it():
    assert [
        ("heading", "# Pumps", None),
        ("prose", "They move water.", "# Pumps"),
        ("heading", "Gates\n-----", None),
        ("prose", "They hold it.", "Gates\n-----"),
    ] == units("# Pumps\n\nThey move water.\n\nGates\n-----\nThey hold it.")


def test_a_heading_of_restructuredtext_has_its_lines_above_and_below():
    assert [
        ("heading", "=====\nPumps\n=====", None),
        ("prose", "They move water.", "=====\nPumps\n====="),
        ("heading", "Gates\n~~~~~", None),
        ("prose", "They hold it.", "Gates\n~~~~~"),
    ] == units("=====\nPumps\n=====\n\nThey move water.\n\nGates\n~~~~~\n\nThey hold it.")


def test_a_heading_needs_the_heading_above_it():
    text = "## 2.1.0\n\n### Fixed\n\n- The pump no longer runs dry.\n"
    assert ("heading", "### Fixed", "## 2.1.0") in units(text)


def test_the_changes_of_a_version_need_its_heading():
    text = "# Changes\n\n## 2.1\n\n- A bell.\n- A pump.\n\n## 2.0\n\n- A gate.\n"
    assert [
        ("heading", "# Changes", None),
        ("heading", "## 2.1", None),
        ("list_item", "- A bell.", "## 2.1"),
        ("list_item", "- A pump.", "## 2.1"),
        ("heading", "## 2.0", None),
        ("list_item", "- A gate.", "## 2.0"),
    ] == units(text)


def test_what_has_no_heading_needs_the_name_of_its_source():
    start, end, kind, flags, need, _, _ = outline("One.\n\n# Two\n\nThree.", named=True)
    assert [(0, 0), (0, 6), (6, 13), (13, 19)] == list(zip(start, end, strict=True))
    assert ["source", "prose", "heading", "prose"] == [_native.SPAN_KINDS[k] for k in kind]
    assert [LABEL, 0, LABEL, 0] == flags
    assert [-1, 0, -1, 2] == need


# Turns of a dialogue


def test_chat_turns_begin_a_unit():
    assert ["User: what is it", "Assistant: a span", "**User:** ok"] == texts(
        "User: what is it\nAssistant: a span\n**User:** ok"
    )


def test_turns_of_a_dialogue_are_units():
    text = "Ann Lee: Did the pump run?\n\nBo Kim: It did. Then it stopped.\n\nAnn Lee: Good.\n"
    assert [
        ("turn", "Ann Lee: Did the pump run?", None),
        ("turn", "Bo Kim: It did. Then it stopped.", None),
        ("turn", "Ann Lee: Good.", None),
    ] == units(text)


def test_turns_on_lines_of_their_own_are_turns():
    text = "Ann Lee: Did the pump run?\nBo Kim: It did.\nAnn Lee: Good.\nCy Roe: So be it.\n"
    assert ["turn"] * 4 == [kind for kind, _, _ in units(text)]


def test_the_second_paragraph_of_a_turn_needs_the_first():
    text = "User: When?\n\nAssistant: At six.\n\nNot on Sundays.\n\nUser: And the pump?\n"
    assert "Assistant: At six." == {said: need for _, said, need in units(text)}["Not on Sundays."]


# What a piece of a text begins with


@pytest.mark.parametrize("mark", ["#", "##", "###", "|", "---", "--", "*", "**"])
def test_a_mark_that_a_text_begins_with_is_never_shown(mark):
    assert [mark] == flagged(f"{mark}\n\nThe pump runs.\n", HIDDEN)


@pytest.mark.parametrize("tail", ["names only.", "300.", "is", "return None", "    return None"])
def test_the_torn_end_of_a_sentence_or_of_code_is_never_shown(tail):
    text = f"{tail}\n\ndef f(x):\n    return x + 1\n"
    assert [tail.strip()] == flagged(text, HIDDEN)


def test_the_torn_end_of_a_sentence_is_cut_off_a_paragraph():
    text = "names only. The fee is due. It is low."
    assert ["names only."] == flagged(text, HIDDEN)
    assert ["names only.", "The fee is due.", "It is low."] == texts(text)


def test_a_text_of_two_words_is_shown():
    assert [] == flagged("names only.", HIDDEN) + flagged("No.", HIDDEN)


def test_an_answer_without_its_question_is_shown_with_the_sentence_after_it():
    text = "No. A cancellation is possible within a week. The fee is low."
    assert ["No. A cancellation is possible within a week.", "The fee is low."] == texts(text)
    assert ["The fee is due.", "No.", "It is low."] == texts("The fee is due. No. It is low.")
    assert ["No."] == flagged("No.\n\nIs there a version of the pump?", HIDDEN)


EXCEPTIONS = [
    ("The fee is 12 EUR.", "However, students pay 8 EUR."),
    ("The service may be used free of charge.", "This does not apply to commercial use."),
    ("Employees may carry over ten days of leave.", "The only exception is the probation period."),
    ("The museum is open every day.", "There is one exception: on Sundays it is closed."),
    ("The pump can be run with salt water.", "It must not be run dry."),
    ("Der Eintritt ist frei.", "Es gibt eine Ausnahme: sonntags kostet er 8 EUR."),
    ("L'entrée est gratuite.", "Il y a une exception : le dimanche, elle coûte 8 EUR."),
    ("La entrada es gratuita.", "Hay una excepción: los domingos cuesta 8 EUR."),
    ("L'ingresso è gratuito.", "C'è un'eccezione: la domenica costa 8 EUR."),
    ("A entrada é gratuita.", "Há uma exceção: aos domingos custa 8 EUR."),
    ("De toegang is gratis.", "Er is één uitzondering: op zondag kost het 8 EUR."),
    ("Wstęp jest bezpłatny.", "Jest jeden wyjątek: w niedziele kosztuje 8 EUR."),
    ("Вход бесплатный.", "Есть одно исключение: по воскресеньям он стоит 8 EUR."),
    ("The lift may be used by all visitors.", "Visitors with bicycles are excluded."),
    ("Refunds are possible.", "But only if the box is unopened."),
    ("The pump is guaranteed for a year.", "Not covered are filters."),
    ("The pump is guaranteed for a year.", "Filters are not covered."),
    ("A charge of 10 % is due.", "No charge is due if the price rises."),
    ("Die Karte kostet 12 EUR.", "Jedoch zahlen Studenten 8 EUR."),
    ("Der Dienst ist kostenlos.", "Dies gilt nicht für Firmen."),
    ("Der Dienst ist kostenlos.", "Ausgenommen sind Firmen."),
    ("Der Dienst ist kostenlos.", "Für Firmen gilt das nicht, sie sind ausgenommen."),
    ("Eine Gebühr von 10 EUR fällt an.", "Keine Gebühr zahlt, wer kündigt, wenn der Preis steigt."),
    ("La carte coûte 12 EUR.", "Toutefois, les étudiants paient 8 EUR."),
    ("Le service est gratuit.", "Sauf pour les entreprises."),
    ("Le service est gratuit.", "Cette règle ne s'applique pas aux entreprises."),
    ("Le service est gratuit.", "Les entreprises sont exclues."),
    ("El servicio es gratuito.", "Salvo para las empresas."),
    ("El servicio es gratuito.", "No se aplica a las empresas."),
    ("El servicio es gratuito.", "Quedan excluidas las empresas."),
    ("Il servizio è gratuito.", "Le aziende sono escluse."),
    ("Il servizio è gratuito.", "Tranne per le aziende."),
    ("O serviço é gratuito.", "Exceto para empresas."),
    ("O serviço é gratuito.", "Isto não se aplica a empresas."),
    ("De dienst is gratis.", "Dit geldt niet voor bedrijven."),
    ("De dienst is gratis.", "Bedrijven zijn uitgezonderd."),
    ("Usługa jest bezpłatna.", "Nie dotyczy to firm."),
    ("Usługa jest bezpłatna.", "Firmy są z tego wykluczone."),
    ("Плата 12 евро.", "Однако студенты платят 8 евро."),
    ("Услуга бесплатна.", "Это не относится к фирмам."),
    ("Услуга бесплатна.", "Исключение составляют фирмы."),
    ("本契約は三か月前に解約できます。", "ただし、六か月以内は解約できません。"),
    ("サービスは無料です。", "法人には適用されません。"),
    ("服务免费。", "企业除外。"),
    ("服务免费。", "但企业须付费。"),
    ("서비스는 무료입니다.", "다만 기업은 유료입니다."),
    ("서비스는 무료입니다.", "기업에는 적용되지 않습니다."),
    ("الخدمة مجانية.", "لا ينطبق هذا على الشركات."),
    ("सेवा मुफ़्त है।", "यह कंपनियों पर लागू नहीं होता।"),
]


@pytest.mark.parametrize(("rule", "exception"), EXCEPTIONS)
def test_a_rule_and_its_exception_are_shown_together(rule, exception):
    text = f"{rule} {exception} The desk is open."
    assert [exception] == shown_with(text, rule)
    assert [rule] == shown_with(text, exception)
    assert [] == shown_with(text, "The desk is open.")


@pytest.mark.parametrize(
    "other",
    [
        "Companies pay 9 EUR.",
        "No desk is free if it rains.",  # of another noun than the rule's
        "It applies to all, with an exceptional price of 9 EUR.",
        "The butter is fresh.",
        "Saved files are kept.",
    ],
)
def test_a_sentence_that_excepts_nothing_is_not_tied_to_the_one_before(other):
    assert [] == shown_with(f"The whole service is free of charge. {other}", other)[1:]
    said = "The whole service is free of charge."
    assert [] == shown_with(f"{said} {other}", said)


def test_an_exception_to_an_exception_is_shown_with_both():
    rule, first, second = "Entry is free.", "Groups are excluded.", "But schools are not."
    text = f"{rule} {first} {second} The desk is open."
    assert [first, second] == shown_with(text, rule)
    assert [rule, second] == shown_with(text, first)
    assert [rule, first] == shown_with(text, second)


def test_a_rule_that_refers_back_is_shown_with_what_it_refers_to_and_with_its_exception():
    first = "The tenant may leave at any time."
    rule, exception = "In that case a charge is due.", "No charge is due if the rent rises."
    text = f"{first} {rule} {exception} The desk is open."
    assert [] == shown_with(text, first)
    assert [first, exception] == shown_with(text, rule)
    assert [first, rule] == shown_with(text, exception)


def test_the_steps_of_a_procedure_keep_their_exceptions():
    rest = (
        "It is a good thing to do this on a day on which nobody else is in the house at all. " * 4
    )
    steps = [f"{k}. Close the valve. Old valves are excluded. {rest.strip()}\n" for k in (1, 2)]
    text = f"Do this:\n\n{''.join(steps)}"
    start, end, _, _, need, also, _ = outline(text, room=1600)
    said = [text[a:b].strip() for a, b in zip(start, end, strict=True)]
    first, second = said.index("1. Close the valve."), said.index("2. Close the valve.")
    assert "Old valves are excluded." == said[first + 1] == said[second + 1]
    assert [first + 1, second, second + 1, first] == [
        also[u] for u in (first, first + 1, second, second + 1)
    ]
    assert (first, second) == (need[first + 1], need[second + 1])


@pytest.mark.parametrize(
    ("main", "exception"),
    [
        ("Deliveries are free within Germany,", "unless the order is below 20 euros."),
        ("Deliveries to the islands are free,", "provided that the order exceeds 20 euros."),
        ("Lieferungen innerhalb von Berlin sind frei,", "es sei denn, es geht um Möbel."),
        ("Les livraisons en France sont gratuites,", "sauf pour les meubles de plus de 30 kg."),
        ("Las entregas en España son gratuitas,", "salvo que el pedido sea menor de 20 euros."),
        ("Leveringen binnen Nederland zijn gratis,", "tenzij de bestelling onder 20 euro is."),
        ("Доставка бесплатна по всей стране,", "кроме заказов до 20 евро."),
    ],
)
def test_a_clause_and_its_exception_are_shown_together(main, exception):
    text = f"{main} {exception} The desk is open."
    assert [exception] == shown_with(text, main, room=8 + len(main.encode()))
    assert [main] == shown_with(text, exception, room=8 + len(main.encode()))


@pytest.mark.parametrize(
    ("condition", "main"),
    [
        ("If the order is below 20 euros,", "a delivery costs 5 euros."),
        ("Unless the order is below 20 euros,", "a delivery within Germany is free."),
        ("Wenn die Bestellung klein ist,", "kostet die Lieferung 5 Euro."),
        ("注文が二千円未満の場合を除き、", "送料は無料です。"),
    ],
)
def test_a_condition_and_what_it_is_one_of_are_shown_together(condition, main):
    room = 8 + len(condition.encode())
    assert [main] == shown_with(f"{condition} {main} The desk is open.", condition, room=room)
    assert [condition] == shown_with(f"{condition} {main} The desk is open.", main, room=room)


def test_an_exception_needs_its_whole_clause_and_its_own_beginning():
    text = (
        "Deliveries of goods of all kinds, new or used, are free within the European Union, "
        "unless the order is below 20 euros, or paid with a card of a bank of another country."
    )
    parts = [said for _, said, _ in units(text, room=60)]
    unless = next(k for k, part in enumerate(parts) if "unless" in part)
    assert 1 <= unless < len(parts) - 1
    assert parts[:unless] == shown_with(text, parts[unless], room=60)[:unless]
    assert parts[unless] in shown_with(text, parts[unless + 1], room=60)
    for part in parts[:unless]:
        assert parts[unless] in shown_with(text, part, room=60)


def test_a_clause_after_a_semicolon_needs_no_other():
    text = "Deliveries to all places are free; a return to the shop costs 5 euros, whatever it is."
    first, *others = (said for _, said, _ in units(text, room=48))
    assert first.endswith(";")
    assert not any(first in shown_with(text, other, room=48) for other in others)


def test_a_long_exception_needs_its_rule_and_not_the_other_way_round():
    exception = "However, students pay 8 EUR " + "if they live in the town " * 6 + "and learn."
    assert {exception: "The fee is 12 EUR."} == tied(f"The fee is 12 EUR. {exception}")
    assert [] == shown_with(f"The fee is 12 EUR. {exception}", "The fee is 12 EUR.")


@pytest.mark.parametrize(
    ("rule", "case"),
    [
        ("A tenant may leave at any time.", "In that case the fee is 12 EUR."),
        ("A tenant may leave at any time.", "In such cases, the fee is 12 EUR."),
        ("Ask whether the pump runs.", "If so, stop it."),
        ("The night train goes to the coast.", "There, no dogs are allowed."),
        ("We turned off the nightly backup.", "That fixed it."),
        ("We turned off the nightly backup.", "That solved our problem."),
        ("We turned off the nightly backup.", "This helped."),
        ("Der Mieter kann kündigen.", "In diesem Fall beträgt die Gebühr 12 EUR."),
        ("Le locataire peut partir.", "Dans ce cas, la taxe est de 12 EUR."),
        ("El inquilino puede irse.", "En ese caso, la tasa es de 12 EUR."),
        ("Арендатор может уйти.", "В этом случае плата 12 евро."),
        ("租户可以随时离开。", "在这种情况下，费用为十二欧元。"),
    ],
)
def test_a_sentence_about_the_case_that_another_says_needs_it(rule, case):
    assert {case: rule} == tied(f"{rule} {case} The desk is open.")


@pytest.mark.parametrize(
    "other",
    [
        "In that casebook the fee is 12 EUR.",
        "If sodium is low, stop.",
        "There is a fee of 12 EUR.",
        "That fixed price is 12 EUR.",
    ],
)
def test_a_word_that_begins_as_such_a_phrase_does_is_another(other):
    assert {} == tied(f"A tenant may leave at any time. {other}")


SPEECH = {
    "en": (
        "so we talk about how to cut back a rose you take the stems that are dead and put them on "
        "a heap ",
        "the feed is one cup of bone meal and two cups of ash ",
        "then you give it water and put it in a bright place but not too near to the wall for a "
        "month or so ",
        "What is the right feed of bone meal and ash?",
    ),
    "de": (
        "heute reden wir darüber wie man eine rose schneidet man nimmt die toten triebe und wirft "
        "sie fort ",
        "der dünger ist eine tasse knochenmehl und zwei tassen asche ",
        "danach gießt man sie gut und stellt sie hell aber nicht zu nah an die wand für etwa einen "
        "monat ",
        "Was ist der Dünger aus Knochenmehl und Asche?",
    ),
}


@pytest.mark.parametrize("language", SPEECH)
@pytest.mark.parametrize("budget", [60, 80, 120, 150])
def test_parts_of_speech_without_marks_are_not_tied_together(language, budget):
    before, answer, after, question = SPEECH[language]
    speech = before * 12 + answer + after * 12
    window = pack([speech], budget, query=question, counter="estimate")
    assert {"en": "bone meal", "de": "knochenmehl"}[language] in window.text

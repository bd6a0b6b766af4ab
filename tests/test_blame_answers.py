"""Answers are compared by what they say, not by how a number, a unit or a date is written."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxmem import blame
from ctxmem.blaming.answers import is_right, may_be_either, polarity, words
from ctxmem.blaming.expected import read_expected
from ctxmem.blaming.quantities import in_one_form
from ctxmem.errors import InputError

SAME = [
    ("A ticket is valid for ninety days.", "90 days"),
    ("There are 11 of them.", "eleven"),
    ("It is held every 2 weeks.", "every two weeks"),
    ("one hundred and twenty-five", "125"),
    ("two hundred thousand", "200,000"),
    ("You pay 3,000 kr.", "3 000 kr"),
    ("1200 passengers", "1,200"),
    ("1'200 passengers", "1,200"),
    ("US$ 2.5M", "2,500,000 dollars"),
    ("$5 million", "5,000,000 dollars"),
    ("$5", "$5.00"),
    ("7,50 €", "€7.50"),
    ("It costs 7.50 euros.", "€7.50"),
    ("The discount is 15%.", "15 percent"),
    ("fifteen per cent", "15%"),
    ("20 min before", "20 minutes"),
    ("a 20-minute stop", "20 minutes"),
    ("16GB of memory", "16 gigabytes"),
    ("35 degrees Celsius", "35 °C"),
    ("The last one leaves at 9:40 pm.", "21:40"),
    ("at 6 p.m. sharp", "18:00"),
    ("at 6:30 am", "06:30"),
    ("um 21h40", "21:40"),
    ("on March 5th, 2024", "2024-03-05"),
    ("on the 5th of March 2024", "March 5, 2024"),
    ("on 5 Sept.", "September 5"),
    ("It is the third.", "3rd"),
    ("dreißig Tage", "30 Tage"),
    ("trente jours", "30 jours"),
    ("after one year", "1 year"),
    ("٣٠ يوما", "30 يوما"),
    ("a one-way ticket", "one way"),
]
OTHER = [
    ("at 9:40 am", "21:40"),
    ("at 6:30 pm", "06:30"),
    ("nineteen days", "90 days"),
    ("2 weeks", "2 months"),
    ("Python 3.1", "Python 3.10"),
    ("version 1.2.1", "version 1.2"),
    ("15 euros", "15%"),
    ("-5 °C", "5 °C"),
    ("March 5, 2024", "2024-05-03"),
    ("5 million dollars", "$5"),
    ("1.5 hours", "90 minutes"),  # units are not converted
    ("the one that is open", "1 year"),
]


@pytest.mark.parametrize(("answer", "expected"), SAME)
def test_ways_of_writing_a_quantity_are_the_same_answer(answer, expected):
    assert is_right(answer, [expected])


@pytest.mark.parametrize(("answer", "expected"), OTHER)
def test_another_quantity_is_another_answer(answer, expected):
    assert not is_right(answer, [expected])


def test_a_long_answer_may_write_its_numbers_otherwise():
    expected = "Paid back within thirty days of the purchase"
    assert is_right("It is paid back within 30 days of the purchase.", [expected])
    assert not is_right("It is paid back within 90 days of the purchase.", [expected])


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 999_999))
def test_every_number_has_one_form_however_it_is_written(number):
    assert words(said(number)) == words(str(number)) == words(f"{number:,}")
    assert words(f"{number:,}".replace(",", " ")) == words(str(number))


def said(number: int) -> str:
    """Write a number below a million in English."""
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen"
    ).split()
    tens = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
    if number < 20:
        return small[number]
    if number < 100:
        return tens[number // 10] + (f"-{small[number % 10]}" if number % 10 else "")
    for size, word in ((1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = f" and {said(number % size)}" if number % size else ""
            return f"{said(number // size)} {word}{rest}"
    raise AssertionError(number)


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="0123456789.,:' -%$€°apmhk onetwhdrMarch/5²½\n", max_size=60))
def test_any_text_has_a_form_and_the_form_keeps_its_other_words(text):
    assert isinstance(in_one_form(text), str)
    assert "keep" in words(f"keep {text}") or text[:1].isalnum()


@pytest.mark.parametrize(
    ("answer", "said_yes"),
    [
        ("No. They stay on deck.", False),
        ("No dogs are allowed.", False),
        ("According to the handbook, no.", False),
        ("The answer is **yes**.", True),
        ("Yes, there is no problem.", True),
        ("いいえ、できません。", False),
        ("There is no fee for it.", None),
        ("No information is given.", None),
        ("Dogs stay on deck.", None),
    ],
)
def test_yes_or_no_is_what_an_answer_gives_as_its_answer(answer, said_yes):
    assert polarity(answer) is said_yes
    assert is_right(answer, ["no"]) is (said_yes is False)
    assert is_right(answer, ["yes"]) is (said_yes is True)


def test_an_answer_that_is_neither_yes_nor_no_is_unknown_and_an_abstention_is_wrong():
    assert may_be_either("Dogs stay on the aft deck.", ["no"])
    assert not may_be_either("I don't know; there is no information.", ["no"])
    assert not may_be_either("Dogs stay on the aft deck.", ["the aft deck"])
    found = blame(
        [{"query": "Are dogs allowed inside?", "hits": [{"text": "Dogs stay on the aft deck."}]}],
        model=lambda _: "Dogs stay on the aft deck.",
        expected={"Are dogs allowed inside?": "no"},
    ).questions[0]
    assert found.fault == "unknown" and "neither" in found.reason


def test_evidence_that_writes_the_number_otherwise_was_retrieved():
    ask = "How long is a return ticket valid?"
    found = blame(
        [{"query": ask, "hits": [{"text": "A return ticket is valid for ninety days."}]}],
        model=lambda _: "I do not know.",
        expected={ask: "90 days"},
    ).questions[0]
    assert found.fault == "model" and found.evidence == "sent"


# The file of expected answers


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "columns",
    [("question", "answer"), ("Question", "Expected Answer"), (" Query ", "ground-truth")],
)
def test_a_table_is_read_as_spreadsheets_write_it(tmp_path, delimiter, columns):
    path = tmp_path / "answers.csv"
    rows = [columns, ("How long?", f"30{delimiter} or {'x' * 140_000}"), ("", ""), ("Why?", "so")]
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    entries = read_expected(path).entries
    assert [entry.question for entry in entries] == ["How long?", "Why?"]
    assert entries[0].answers[0].startswith(f"30{delimiter} or x") and entries[1].answers == ["so"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "q,a\nWho?,me\n", "it has 'q', 'a'; expected one of question"),
        ("a.csv", "question,answer\nHow many?,1,200\n", "row 2 has 3 cells and the first row 2"),
        ("a.csv", "question,answer\nHow many?\n", "entry 1 of expected has no answer"),
        ("a.json", "[" * 100_000, "too deep"),
        ("a.jsonl", '{"question": "a", "answer": "b"}\n' + "[" * 100_000, "too deep"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_its_reason(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_expected(path)


def test_the_same_question_may_have_another_answer_in_another_session():
    ask = "When is my report due?"
    records = [
        {
            "session_id": name,
            "query": ask,
            "hits": [{"text": f"The report of {name} is due {day}."}],
        }
        for name, day in (("ann", "on 3 May"), ("bob", "on 9 June"))
    ]
    expected = [
        {"id": "ann", "question": ask, "answer": "May 3"},
        {"id": "bob", "question": ask, "answer": "June 9"},
        {"id": "bob", "question": "When is my leave?", "answer": "never"},
    ]
    found = blame(records, model=lambda m: m[-1]["content"], expected=expected)
    assert [(one.expected, one.fault) for one in found.questions] == [
        (["May 3"], "none"),
        (["June 9"], "none"),
    ]
    other = [{**record, "session_id": "x"} for record in records]
    with pytest.raises(InputError, match="different answers of the question, each with an id"):
        blame(other, model=lambda _: "x", expected=expected)


def test_a_window_that_no_question_has_is_not_compared():
    ask = "How long is a return ticket valid?"
    found = blame(
        [{"model": "m", "messages": [{"role": "user", "content": ask}]}],
        model=lambda _: "I do not know.",
        expected={ask: "90 days"},
    )
    lines = [line for line in str(found).splitlines() if line.startswith("packed by ctxmem")]
    assert lines == ["packed by ctxmem          not asked"]

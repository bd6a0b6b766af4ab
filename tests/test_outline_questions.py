"""Questions and answers: a question that is a paragraph of its own heads its answer."""

from __future__ import annotations

import pytest
from outlines import tied, units

from ctxmem import Chunk, pack


def headed(text):
    """Return {unit: the question that it needs} of the units that need one."""
    return {here: need for _, here, need in units(text) if need is not None}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("How do I log in?", "Where is the log?"),
        ("1. How do I log in?", "2. Where is the log?"),
        ("**How do I log in?**", "**Where is the log?**"),
        ("Q: How do I log in?", "Q: Where is the log?"),
        ("Q1. How do I log in?", "Q2. Where is the log?"),
        ("**Q:** How do I log in?", "**Q:** Where is the log?"),
        ("Frage: Wie geht das?", "Frage: Wo ist es?"),
        ("これは何ですか？", "どこですか？"),
    ],
)
def test_an_answer_needs_its_question(first, second):
    text = f"{first}\n\nUse the console.\n\n{second}\n\nIn the folder.\n"
    assert {"Use the console.": first, "In the folder.": second} == headed(text)


def test_an_answer_on_the_next_line_needs_its_question():
    text = "Q: How do I log in\n   without a key?\nA: Use the console.\n\nQ: And out?\nA: Wait."
    question = "Q: How do I log in\n   without a key?"
    assert {"A: Use the console.": question, "A: Wait.": "Q: And out?"} == headed(text)


def test_yes_is_joined_with_the_sentence_after_it():
    text = "Is it red?\n\nYes. It has been since May. See below.\n\nIs it new?\n\nNo!"
    assert [
        "Is it red?",
        "Yes. It has been since May.",
        "See below.",
        "Is it new?",
        "No!",
    ] == [here for _, here, _ in units(text)]


def test_one_question_that_a_text_begins_with_is_its_heading():
    assert {"By letter.": "How do I order?"} == headed("How do I order?\n\nBy letter.")


@pytest.mark.parametrize(
    "text",
    [
        "The pump is red.\n\nWhy is it so?\n\nNobody knows.",  # a question to the reader
        "Is it red? It is.\n\nThe valve is green.",
        "- Is it red?\n- Is it green?\n\nThe pump is blue.",
        "1. Is it red?\n2. Is it green?\n3. Is it blue?",
        "Is it red?\n\nIs it green?",
        "The pump is red.\nIs it?\nIt is.",
        "> Is it red?\n\nIt is green.",
    ],
)
def test_what_asks_nothing_of_the_text_heads_nothing(text):
    assert "heading" not in [kind for kind, _, _ in units(text)]


def test_a_dialogue_is_no_list_of_questions():
    text = "Ann: Is it red?\n\nBo: No.\n\nAnn: Is it green?\n\nBo: Yes.\n"
    assert ["turn"] * 4 == [kind for kind, _, _ in units(text)]


def test_no_is_shown_with_the_question_that_it_answers():
    faq = (
        "31. Does the library infringe any patents?\n\nNo, it does not.\n\n"
        "32. Can the library work with more than 4 GB of data?\n\n"
        "Yes. All of its functions can, if the flag for large files is set when it is built.\n\n"
        "33. Does the library have any holes?\n\nNo, all are closed.\n"
    )
    for budget in range(40, 60, 5):
        text = pack([Chunk(faq, source="faq.txt")], budget, query="more than 4 GB of data").text
        assert "32. Can the library work with more than 4 GB of data?\n\nYes." in text
        for question, answer in (("31.", "No, it does"), ("33.", "No, all")):
            assert (question in text) == (answer in text)


def test_a_question_whose_answer_is_cut_off_is_shown_only_where_everything_is():
    text = "Is it red?\n\nYes. It has been since May.\n\nIs it new?"
    others = "The pump runs on Mondays and on all other days. " * 9
    shown = pack([text, others], 60, query="Is it red since May?").text
    assert "Is it red?\n\nYes. It has been since May." in shown
    assert "Is it new?" not in shown
    assert text == pack([text], 100, query="red").text
    assert "Is it new?" == pack(["Is it new?"], 100, query="red").text


def test_no_sentence_of_an_answer_is_shown_without_its_first():
    text = "Is there a fee?\n\nThere is no fee. For Klarna we charge 1.95 EUR. See below."
    tie = {"For Klarna we charge 1.95 EUR.": "There is no fee.", "See below.": "There is no fee."}
    assert tie == tied(text)
    assert {} == tied(text.replace("?", "."))

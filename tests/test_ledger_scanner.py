"""The scanner agrees with its slow twin, on texts of every form, and never leaves the text."""

from __future__ import annotations

import pytest
from cpp_build import COUNT_BLOCKS, compile_and_run, core_sources
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_ledger import BEFORE, BEHIND, CUES, binds

from ctxmem.memory.ledger import scan

SOURCES = (
    "statements",
    "outline_exceptions",
    "phrases",
    "phrases_en",
    "phrases_en_forms",
    "phrases_other",
    "phrases_short",
    "sentences",
    "line_classifier",
    "openers",
)
PASTED = {
    "mail": "Hi Anna,\nplease never use the old form. You must send it by Friday.\nBest,\nTom",
    "log": "2026-11-27 09:00:01 WARN you must never restart the worker\n[INFO] always use v2",
    "page": (
        "All guests must leave their rooms by eleven in the morning. Breakfast is served in the "
        "large hall on the first floor. Towels are changed every second day on request.\n\n"
        "Never use the lift in case of fire. The garden is open from spring to autumn, and the "
        "pool is heated in the winter months. Bicycles are found behind the building. The station "
        "is a short walk away, and buses leave from the square. Dogs are welcome in most rooms. "
        "Tea is served in the library at four, and the bar is open until midnight."
    ),
}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("cue", CUES)
@pytest.mark.parametrize("before", BEFORE)
def test_a_sentence_binds_as_its_slow_twin_says(before, cue, behind):
    said = before + cue + behind
    assert bool(scan(said)) == binds(before, cue, behind, quoted=False), said
    said = f'{before}"{cue}"{behind}'
    if before:
        assert bool(scan(said)) == binds(before, cue, behind, quoted=True), said


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [*CUES, "?", ". ", "\n", "\n\n", "> ", "```\n", '"', "é😀", "Here is the mail:\n", "- "]
        )
        | st.text(max_size=6),
        max_size=12,
    ).map("".join)
)
def test_places_are_in_the_text_and_in_order(text):
    found = scan(text)
    assert [f.end for f in found] == sorted(f.end for f in found)
    for one in found:
        assert 0 <= one.start < one.end <= len(text)
        assert text[one.start : one.end].strip() != ""


@pytest.mark.parametrize("name", PASTED)
def test_pasted_text_does_not_bind_by_its_form(name):
    assert scan(f"Can you check this?\n\n{PASTED[name]}") == []


@pytest.mark.parametrize("name", PASTED)
def test_what_the_author_says_beside_a_pasted_text_binds(name):
    text = f"I prefer short answers.\n\n{PASTED[name]}"
    assert [text[f.start : f.end] for f in scan(text)] == ["I prefer short answers."]


def test_the_request_behind_a_pasted_text_is_the_authors():
    text = "Here is the mail:\n\nYou must never reply.\n\nPlease never quote it to anyone."
    assert [text[f.start : f.end] for f in scan(text)] == ["Please never quote it to anyone."]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Correction, I can spend at most 90 dollars.", "limit"),
        ("Actually the deadline is March 3.", "deadline"),
        ("I've changed my mind, I prefer window seats.", "preference"),
        ("From now on keep answers under 100 words.", "limit"),
    ],
)
def test_a_correction_keeps_the_kind_of_its_clause(text, kind):
    assert [f.kind for f in scan(text)] == [kind]


@pytest.mark.parametrize(
    ("text", "subject", "value"),
    [
        ("My budget is 800 EUR.", "budget", "800"),
        ("My budget for food is 300 EUR.", "budget food", "300"),
        ("They moved the deadline to March 10.", "deadline", "March 10"),
        ("After the new filter the dataset has 46100 rows.", "dataset", "46100"),
        ("I can spend at most 40 dollars.", "budget", "40"),
        ("We've upgraded to Python 3.12.", "Python", "3.12"),
        ("Set max retries to 8.", "max retries", "8"),
        ("The meeting is at 3pm.", "meeting", "3pm"),
    ],
)
def test_a_value_has_the_subject_that_a_reader_sees(text, subject, value):
    assert [(f.subject, f.value) for f in scan(text)] == [(subject, value)]


@pytest.mark.slow(30)
def test_the_work_grows_with_the_text_and_no_faster():
    compile_and_run("test_ledger_cost", core_sources(*SOURCES), flags=COUNT_BLOCKS, sanitize="")


@pytest.mark.slow(25)
def test_random_bytes_are_read_within_their_bounds():
    compile_and_run("test_ledger", core_sources(*SOURCES))


@pytest.mark.parametrize(
    "said",
    [
        "You must be joking.",
        "It must be a mistake.",
        "You must be tired.",
        "You must have been busy.",
        "the previous version had a limit of 100 rows",
        "he decided to leave at once",
        "My brother decided to study law.",
        "Anna decided to quit.",
        "Back to work.",
        "Before leaving, he locked the door.",
    ],
)
def test_guesses_and_what_others_did_do_not_bind(said):
    assert scan(said) == []


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("No emojis please.", "rule"),
        ("Please, no jargon.", "rule"),
        ("You must be polite.", "rule"),
        ("Keine Emojis bitte.", "rule"),
        ("Keep the docs in British English.", "instruction"),
        ("Keep all variable names in lowercase.", "instruction"),
        ("We use pnpm, not npm.", "decision"),
        ("We deploy with Helm, not Kustomize.", "decision"),
        ("He decided that we use Go.", "decision"),
        ("Before deleting anything, ask me.", "rule"),
        ("Höchstens drei Sätze.", "limit"),
        ("Au maximum trois phrases.", "limit"),
        ("Al massimo tre frasi.", "limit"),
        ("Bitte duze mich.", "preference"),
        ("Siezen Sie mich bitte.", "preference"),
        ("Tutoie-moi.", "preference"),
        ("Dammi del tu.", "preference"),
    ],
)
def test_short_forms_of_a_statement_bind(said, kind):
    assert [found.kind for found in scan(said)] == [kind]

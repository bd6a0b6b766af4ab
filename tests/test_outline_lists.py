"""The outline of lists, procedures and clauses, and of entries with a name and a body."""

from __future__ import annotations

import pytest
from outlines import LEAD_IN, flagged, spans, tied, units

from ctxmem import pack

# Lists and procedures


def test_a_list_needs_the_line_that_introduces_it():
    text = "The fare is low. These are free:\n\n- children\n- dogs\n\nAll others pay."
    assert [
        ("prose", "The fare is low.", None),
        ("prose", "These are free:", None),
        ("list_item", "- children", "These are free:"),
        ("list_item", "- dogs", "These are free:"),
        ("prose", "All others pay.", None),
    ] == units(text)
    assert ["These are free:"] == flagged(text, LEAD_IN)
    assert {"- children": "- dogs", "- dogs": "- children"} == tied(text)


def test_a_colon_at_the_end_of_a_piece_introduces_what_is_not_there():
    assert ["These are free:"] == flagged("The fare is low. These are free:", LEAD_IN)


def test_a_line_above_a_rule_introduces_nothing():
    assert [] == flagged("The end:\n\n---\n\nAnother text.", LEAD_IN)


def test_steps_of_a_short_procedure_are_tied_to_each_other():
    text = "1. Open the valve.\n2. Start the pump.\n3. Close the valve."
    assert {
        "1. Open the valve.": "2. Start the pump.",
        "2. Start the pump.": "3. Close the valve.",
        "3. Close the valve.": "1. Open the valve.",
    } == tied(text)


LONG_PROCEDURE = [f"{k}. Wait until lamp {k} is on." for k in range(4, 12)]


@pytest.mark.parametrize(
    "step", ["3. Do not do step 2 while the gate is open.", "3. Never start the pump again."]
)
def test_a_warning_is_tied_to_every_step_of_its_procedure(step):
    others = ["1. Open the valve.", "2. Start the pump.", *LONG_PROCEDURE]
    text = "\n".join([*others[:2], step, *others[2:]])
    assert dict.fromkeys(others, step) == tied(text)


STEPS = ["1. Open the valve.", "2. Start the pump.", *LONG_PROCEDURE]


@pytest.mark.parametrize("rule", ["\n\n", "\n\n***\n\n", "\n===\n"])
def test_what_follows_a_procedure_is_no_warning_of_its_last_step(rule):
    assert {} == tied("\n".join(STEPS) + rule + "Never skip a step of the other procedure.")


def test_a_warning_below_the_last_step_is_tied_to_every_step():
    below = "- Never leave the room before."
    text = "\n".join([*STEPS, "", f"   {below}", "", "Then rest."])
    assert dict.fromkeys(STEPS, below) == tied(text)


def test_items_with_another_marker_are_another_list():
    text = "1. Open the valve.\n2. Start the pump.\n\n- oil\n- water\n"
    assert "- oil" not in tied(text).values()


def test_contract_clauses_by_hand():
    text = """TERM AND TERMINATION

9.2 Termination. Either party may end this Agreement if:
(a) the fee (as defined below) is not paid;
(b) the other party is insolvent; or
(iii) section
12. of the Act applies.
Section 10. Notices are sent to No. 5."""
    assert [
        ("heading", "TERM AND TERMINATION"),
        ("list_item", "9.2 Termination. Either party may end this Agreement if:"),
        ("list_item", "(a) the fee (as defined below) is not paid;"),
        ("list_item", "(b) the other party is insolvent; or"),
        ("list_item", "(iii) section"),
        ("list_item", "12. of the Act applies.\nSection 10. Notices are sent to No. 5."),
    ] == spans(text)


def needs(text):
    """Return {item: what it needs} by the first word of each."""
    return {here.split()[0]: need and need.split()[0] for _, here, need in units(text)}


def test_a_clause_after_the_points_of_another_is_no_point():
    text = (
        "3.2 The parties shall:\n(a) keep the data;\n(b) return the data.\n"
        "3.3 Notice is given before a disclosure."
    )
    assert {"3.2": None, "(a)": "3.2", "(b)": "3.2", "3.3": None} == needs(text)


def test_numbering_that_does_not_begin_goes_on_with_a_list_that_is_not_there():
    assert {"(d)": None, "13.": None} == needs("(d) is public knowledge.\n13. Each party agrees.")


def test_numbering_that_begins_below_an_item_is_nested_in_it():
    text = "1. Payment terms\n(a) by the month\n(b) by the year\n2. Term\n(a) one year\n(b) two"
    assert [None, "1.", "1.", None, "2.", "2."] == [
        need and need.split()[0] for _, _, need in units(text)
    ]


@pytest.mark.parametrize(
    "lead",
    [
        "Users must not do any of the following.",
        "Artikel 8. Folgendes ist verboten, das folgende auch.",
        "次の行為をしてはなりません。",
        "(2) Sie kann widerrufen werden, wenn",
    ],
)
def test_what_introduces_a_list_without_a_colon(lead):
    text = f"{lead}\n(a) the flat is let;\n(b) the flat is damaged."
    assert [lead] == flagged(text, LEAD_IN)
    assert [lead, lead] == [need for _, here, need in units(text) if here.startswith(("(a", "(b"))]


def test_points_below_a_long_sentence_do_not_need_it():
    long = "10. Neither party shall name the other " + "in any letter to anybody " * 6 + "at all.\n"
    points = "(a) Letters to the court are free.\n(b) Letters to banks are free."
    assert [None, None, None] == [need for _, _, need in units(long + points)]
    introduced = long.replace("at all.", "except:") + points
    assert [None, True, True] == [need and need.startswith("10.") for *_, need in units(introduced)]


def test_clauses_need_the_clause_that_introduces_them():
    text = "9.2 Either party may end this Agreement if:\n(a) the Fee is not paid;\n(b) it fails."
    lead = "9.2 Either party may end this Agreement if:"
    assert [lead, lead] == [need for _, _, need in units(text)[1:]]


# Entries


def test_a_directive_names_its_body():
    text = """.. option:: --wait

   Wait for the gate.

   .. versionadded:: 2.1

   It takes a minute.

.. option:: --all

   Open all gates.
"""
    assert [
        ("name", ".. option:: --wait", None),
        ("prose", "Wait for the gate.", ".. option:: --wait"),
        ("prose", ".. versionadded:: 2.1", ".. option:: --wait"),
        ("prose", "It takes a minute.", ".. option:: --wait"),
        ("name", ".. option:: --all", None),
        ("prose", "Open all gates.", ".. option:: --all"),
    ] == units(text)


def test_an_admonition_is_shown_with_what_it_says():
    text = ".. warning::\n\n   Keep clear.\n\n.. note:: Gates close at night.\n"
    assert [
        ("name", ".. warning::", None),
        ("prose", "Keep clear.", ".. warning::"),
        ("prose", ".. note:: Gates close at night.", None),
    ] == units(text)


def test_a_bold_item_names_what_is_nested_below_it():
    text = "Options:\n\n- **wait**\n\n  - how long\n  - and why\n\n- **all**: every gate\n"
    assert [
        ("prose", "Options:", None),
        ("list_item", "- **wait**", "Options:"),
        ("list_item", "- how long", "- **wait**"),
        ("list_item", "- and why", "- **wait**"),
        ("list_item", "- **all**: every gate", "Options:"),
    ] == units(text)


def test_options_of_a_man_page_name_what_they_do():
    text = """OPTIONS

       -a, --all
              Open all gates.

       -n NUM
              Open NUM gates.
              The default is 1.
"""
    assert [
        ("heading", "OPTIONS", None),
        ("name", "-a, --all", "OPTIONS"),
        ("prose", "Open all gates.", "-a, --all"),
        ("name", "-n NUM", "OPTIONS"),
        ("prose", "Open NUM gates.", "-n NUM"),
        ("prose", "The default is 1.", "-n NUM"),
    ] == units(text)


def test_a_tab_reaches_the_next_multiple_of_eight_columns():
    text = """       --abort
\t   Reset HEAD to the original branch.

       --quit
\t   HEAD is not reset, the index is left unchanged.
"""
    assert [
        ("name", "--abort", None),
        ("prose", "Reset HEAD to the original branch.", "--abort"),
        ("name", "--quit", None),
        ("prose", "HEAD is not reset, the index is left unchanged.", "--quit"),
    ] == [unit for unit in units(text) if unit[0] != "other"]
    assert units(text.expandtabs(8)) == units(text)


def test_an_option_directly_below_its_heading_is_a_name():
    text = "OPTIONS\n       -a, --all\n              Open all gates.\n"
    assert [
        ("heading", "OPTIONS", None),
        ("name", "-a, --all", "OPTIONS"),
        ("prose", "Open all gates.", "-a, --all"),
    ] == units(text)


def test_a_term_names_its_indented_body():
    text = "Names\n-----\n\nname\n    Of the pump.\n    In English.\nsize : int\n    Metres.\n"
    assert [
        ("heading", "Names\n-----", None),
        ("name", "name", "Names\n-----"),
        ("prose", "Of the pump.", "name"),
        ("prose", "In English.", "name"),
        ("name", "size : int", "Names\n-----"),
        ("prose", "Metres.", "size : int"),
    ] == units(text)


def test_of_a_list_without_room_the_items_that_answer_are_shown():
    text = (
        "# Gate\n\nGate brings features that the standard library does not have:\n\n"
        "- Safety of threads.\n- Pools of connections.\n- Checks of certificates.\n"
        "- Uploads of files in several parts.\n- Retries of requests that fail.\n"
        "- Support for gzip, deflate and brotli encoding.\n- Proxies for SOCKS.\n\n"
        "## Community\n\nDrop by and say hello in our channel.\n"
    )
    query = "Which compression encodings are supported?"
    window = pack([text], 45, query=query)
    assert "does not have:" in window.text
    assert "- Support for gzip, deflate and brotli encoding." in window.text
    assert "…" in window.text
    assert "- Safety of threads." not in window.text
    whole = pack([text], 75, query=query).text
    assert "- Safety of threads." in whole
    assert "- Proxies for SOCKS." in whole

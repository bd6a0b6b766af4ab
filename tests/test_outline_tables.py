"""The outline of tables: rows and the header that they need."""

from __future__ import annotations

import pytest
from outlines import HEADLESS, LABEL, TABLE, UNKNOWN, flagged, tied, units


def test_rows_need_the_header_of_a_table_between_bars():
    text = (
        "Fares:\n\n| Trip | Fare |\n|------|------|\n| single | 4.20 |\n| return | 7.00 |\n\nDone."
    )
    header = "| Trip | Fare |\n|------|------|"
    assert [
        ("prose", "Fares:", None),
        ("header", header, "Fares:"),
        ("table_row", "| single | 4.20 |", header),
        ("table_row", "| return | 7.00 |", header),
        ("prose", "Done.", None),
    ] == units(text)
    assert [header] == flagged(text, LABEL)


def test_bars_without_a_rule_have_a_header_too():
    text = "Fares of today.\n\n| Trip | Fare |\n| single | 4.20 |\n| return | 7.00 |\n\nDone."
    assert [
        ("prose", "Fares of today.", None),
        ("header", "| Trip | Fare |", None),
        ("table_row", "| single | 4.20 |", "| Trip | Fare |"),
        ("table_row", "| return | 7.00 |", "| Trip | Fare |"),
        ("prose", "Done.", None),
    ] == units(text)


def test_rows_of_a_grid_end_with_the_border_below_them():
    header = "+------+------+\n| Gate | Wide |\n+======+======+"
    rows = ["| 1    | 12 m |\n+------+------+", "| 2    | 9 m  |\n|      | deep |\n+------+------+"]
    assert [
        ("header", header, None),
        *(("table_row", row, header) for row in rows),
        ("prose", "Done.", None),
    ] == units("\n".join([header, *rows, "", "Done."]))


def test_a_simple_table_is_shown_with_its_last_border():
    header = "=====  =====\nGate   Opens\n=====  ====="
    text = f"{header}\n1      06:00\n2      07:30\n=====  =====\n\nDone.\n"
    assert [
        ("header", header, None),
        ("table_row", "1      06:00", header),
        ("table_row", "2      07:30", header),
        ("header", "=====  =====", header),
        ("prose", "Done.", None),
    ] == units(text)
    assert {header: "=====  ====="} == tied(text)


def test_rows_of_html_need_their_header_and_that_the_table():
    text = """Fares:

<table>
<tr><th>Trip</th><th>Fare</th></tr>
<tr><td>single</td><td>4.20</td></tr>
</table>

Done."""
    assert [
        ("prose", "Fares:", None),
        ("header", "<table>", "Fares:"),
        ("header", "<tr><th>Trip</th><th>Fare</th></tr>", "<table>"),
        (
            "table_row",
            "<tr><td>single</td><td>4.20</td></tr>",
            "<tr><th>Trip</th><th>Fare</th></tr>",
        ),
        ("header", "</table>", "<table>"),
        ("prose", "Done.", None),
    ] == units(text)
    assert {"<table>": "</table>"} == tied(text)


def test_a_table_of_html_directly_below_a_paragraph_is_a_table():
    text = (
        "<p>All fares.</p>\n<table>\n<tr><th>Trip</th></tr>\n<tr><td>single</td></tr>\n</table>\n"
    )
    assert ("table_row", "<tr><td>single</td></tr>", "<tr><th>Trip</th></tr>") in units(text)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("form", [UNKNOWN, TABLE])
def test_separated_values_need_the_names_of_their_columns(separator, form):
    header, *rows = [
        separator.join(row)
        for row in [("trip", "fare", "seats"), ("single", "4.20", "120"), ("return", "7.00", "60")]
    ]
    assert [
        ("header", header, None),
        *(("table_row", row, header) for row in rows),
    ] == units("\n".join([header, *rows]), form)


# Pieces of tables


TORN = {
    "bars": ["| single | 4.20 |", "| return | 7.00 |"],
    "grid": ["| 1    | 12 m |\n+------+------+", "| 2    | 9 m  |\n+------+------+"],
    "HTML": ["<tr><td>single</td><td>4</td></tr>", "<tr><td>return</td><td>7</td></tr>"],
    "columns": ["single  4.20", "return  7.00", "night   9.50"],
    "commas": ["single,4.20,120", "return,7.00,120", "night,9.50,60"],
}


@pytest.mark.parametrize("drawn", TORN)
def test_rows_that_lost_their_header_may_be_lent_one(drawn):
    rows = TORN[drawn]
    text = "\n".join([*rows, "", "Children pay half."])
    assert [
        ("lent", "", None),
        *(("table_row", row, "") for row in rows),
        ("prose", "Children pay half.", None),
    ] == units(text)
    assert rows == flagged(text, HEADLESS)


def test_a_piece_may_end_inside_of_a_row():
    text = "| Trip | Fare |\n|---|---|\n| single | 4.20 |\n| ret"
    header = "| Trip | Fare |\n|---|---|"
    assert [
        ("header", header, None),
        ("table_row", "| single | 4.20 |", header),
        ("table_row", "| ret", header),
    ] == units(text)

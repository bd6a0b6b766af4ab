"""The outline of tables: rows and the header that they need."""

from __future__ import annotations

import pytest
from outlines import HEADLESS, LABEL, TABLE, UNKNOWN, flagged, tied, units

from ctxmem import Chunk, pack


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


RAGGED = """version,codename,series,created,release,eol,eol-server,eol-esm
4.10,Warty,warty,2004-03-05,2004-10-20,2006-04-30
15.10,Wily,wily,2015-04-23,2015-10-22,2016-07-28
16.04 LTS,Xenial,xenial,2015-10-22,2016-04-21,2021-04-30,2021-04-30,2026-04-23
16.10,Yakkety,yakkety,2016-04-21,2016-10-13,2017-07-20
"""


@pytest.mark.parametrize("form", [UNKNOWN, TABLE])
def test_rows_that_lack_their_last_cells_need_the_header(form):
    header, *rows = RAGGED.splitlines()
    assert [("header", header, None), *(("table_row", row, header) for row in rows)] == units(
        RAGGED, form
    )


def test_every_line_of_a_file_of_separated_values_is_a_row():
    text = "name,city,price,note\nada,rome,10\n\nbob,oslo,20,late,x,y,z\n# by hand\ncyd,lima\n"
    assert [
        ("header", "name,city,price,note", None),
        ("table_row", "ada,rome,10", "name,city,price,note"),
        ("table_row", "bob,oslo,20,late,x,y,z", "name,city,price,note"),
        ("table_row", "# by hand", "name,city,price,note"),
        ("table_row", "cyd,lima", "name,city,price,note"),
    ] == units(text, TABLE)


def test_lines_with_commas_are_prose_without_names_of_columns():
    text = "The fee,as agreed,is due\nin May,at noon\nor,at the latest,or so,\nin June,of 2024\n"
    assert {"prose"} == {kind for kind, _, _ in units(text)}


DISKS = """Filesystem     1K-blocks     Used Available Use% Mounted on
/dev/sda1       41152736 20576368  18463584  53% /
tmpfs            4096000        0   4096000   0% /dev/shm
"""
PROCESSES = """  PID USER      PR  NI    VIRT    RES  %CPU  %MEM     TIME+ COMMAND
  812 postgres  20   0  218348  28944   0.3   0.7   1:02.11 postgres
 1034 www-data  20   0   55240   9120   1.3   0.2   0:12.45 nginx
"""
PODS = """NAME      READY   STATUS    AGE
web-1     1/1     Running   3d
db-1      0/1     Ended     9d
"""


@pytest.mark.parametrize("text", [DISKS, PROCESSES, PROCESSES.lstrip(), PODS])
def test_columns_that_spaces_align_need_the_line_of_their_names(text):
    header, *rows = [line.strip() for line in text.splitlines()]
    found = [unit for unit in units(f"{text}\nThat is all.\n") if unit[0] != "other"]
    assert [
        ("header", header, None),
        *(("table_row", row, header) for row in rows),
        ("prose", "That is all.", None),
    ] == found


@pytest.mark.parametrize("text", [DISKS, PODS])
def test_columns_whose_names_are_in_another_text_may_be_lent_them(text):
    rows = text.split("\n", 1)[1]
    assert rows.splitlines() == flagged(rows, HEADLESS)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("a,b,c,d\n1,x,2,3\n2,y,3,4", "3,z\n4,w,5\n5,v,6"),
        ("a;b;c\n1;x;2", "3;z\n4;w;5\n5;v;6"),
        (
            DISKS,
            "/dev/sdb1      103080888 51540444  46281228  53% /data\n"
            "/dev/sdc1        3080888   540444    281228  13% /old",
        ),
    ],
)
def test_a_header_is_lent_to_rows_with_nearly_its_columns(header, rows):
    source = "x.txt" if header == DISKS else "table.csv"
    head = Chunk(header, source=source, id="t-0")
    tail = Chunk(rows, source=source, id="t-2")
    names, last = header.split("\n")[0], rows.split("\n")[-1]
    assert names not in pack([tail], 300, query=last).text
    shown = pack([head, tail], 300, query=last).text
    assert 2 == shown.count(names)
    assert last in shown[shown.rindex(names) :]

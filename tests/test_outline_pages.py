"""The outline of pages of HTML whose blocks are not on lines of their own."""

from __future__ import annotations

import pytest
from outlines import FILLER, LABEL, LEAD_IN, broken_laws, flagged, texts, units

from ctxmem import pack

HEADER = "<tr><th>Plan</th><th>Price</th></tr></thead><tbody>"
ROWS = [f"<tr><td>Plan{k}</td><td>{7 * k} EUR</td></tr>" for k in range(14)]
TABLE = f"<table><thead>{HEADER}{''.join(ROWS)}</tbody></table>"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>All plans are billed monthly.</p>", ""),
        ("All plans are billed monthly. ", " See below."),
        ("<div>", "</div>"),
        ("<div><section><h2>Plans</h2>", "</section></div>"),
        ("<html><body><p>Here.</p>", "<p>There.</p></body></html>"),
    ],
)
def test_a_table_that_does_not_begin_a_line_has_rows_and_a_header(before, after):
    text = before + TABLE + after
    needs = {said: need for kind, said, need in units(text) if kind == "table_row"}
    assert dict.fromkeys([*ROWS[:-1], ROWS[-1] + "</tbody>"], HEADER) == needs
    assert [] == broken_laws(text) + broken_laws(text, room=32)
    shown = pack([text], budget=90, query="What does Plan7 cost?").text
    assert HEADER in shown and ROWS[7] in shown


PAGE = (
    "<!DOCTYPE html><html><head><title>Pumps</title><style>p{color:red}</style></head><body>"
    '<h1>Pumps</h1><div class="a"><p>The pump runs. It is <b>old</b>.</p></div>'
    "<p>These are free:</p><ul><li>red pumps</li><li>blue pumps</li></ul>"
    "<h2>Price</h2><p>It costs 3 EUR.</p><script>if (a < b) { run(); }</script></body></html>"
)


def test_the_blocks_of_a_page_on_one_line_are_blocks():
    assert [
        ("heading", "<body><h1>Pumps</h1>", None),
        ("prose", '<div class="a"><p>The pump runs.', "<body><h1>Pumps</h1>"),
        ("prose", "It is <b>old</b>.</p></div>", "<body><h1>Pumps</h1>"),
        ("prose", "<p>These are free:</p>", "<body><h1>Pumps</h1>"),
        ("list_item", "<ul><li>red pumps</li>", "<p>These are free:</p>"),
        ("list_item", "<li>blue pumps</li></ul>", "<p>These are free:</p>"),
        ("heading", "<h2>Price</h2>", None),
        ("prose", "<p>It costs 3 EUR.</p>", "<h2>Price</h2>"),
    ] == [unit for unit in units(PAGE) if unit[0] != "other"]
    assert ["<p>These are free:</p>"] == flagged(PAGE, LEAD_IN)
    assert ["<body><h1>Pumps</h1>", "<h2>Price</h2>"] == flagged(PAGE, LABEL)
    assert 3 == len(flagged(PAGE, FILLER))
    assert [] == broken_laws(PAGE) + broken_laws(PAGE, room=32)


@pytest.mark.parametrize("unclosed", ["<table><tr><td>a", "<script>a", "<p>a", "<p", "<ul><li>a<"])
def test_a_page_may_end_anywhere(unclosed):
    text = "<p>One.</p><p>Two.</p>" + unclosed
    assert ["<p>One.</p>", "<p>Two.</p>"] == texts(text)[:2]
    assert [] == broken_laws(text)


def test_a_page_in_a_fence_is_code():
    text = "```html\n<p>One.</p><p>Two.</p>\n```\n"
    assert [("code", "<p>One.</p><p>Two.</p>", "```html")] == [
        unit for unit in units(text) if unit[0] == "code"
    ]

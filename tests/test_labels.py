"""With `header="auto"` a line names the source of a piece that could be read as part of another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ctxmem import Chunk, Section, pack

REFUNDS = Chunk("# Refunds\n\nA refund takes ten days.", id="a", source="refunds.md", rank=0)


def headers(*chunks, **options):
    """Return the lines put before the pieces, in window order."""
    window = pack([*chunks], 500, query="How long does a refund take?", **options)
    return [piece.header.strip() for piece in window.pieces]


def test_a_piece_without_a_heading_is_named_below_a_heading_of_another_source():
    other = Chunk("Vouchers are void after a year.", id="b", source="vouchers.md", rank=1)
    assert ["", "[vouchers.md]"] == headers(REFUNDS, other)


def test_a_piece_with_a_heading_of_its_own_is_not_named():
    other = Chunk("# Vouchers\n\nThey are void after a year.", id="b", source="v.md", rank=1)
    assert ["", ""] == headers(REFUNDS, other)


def test_a_section_is_named_since_it_could_belong_to_the_source_above():
    other = Chunk("## Vouchers\n\nThey are void after a year.", id="b", source="v.md", rank=1)
    assert ["", "[v.md]"] == headers(REFUNDS, other)


@pytest.mark.parametrize("name", ["refunds.toml", "conf/refunds.INI", "refunds.cfg"])
def test_sections_of_settings_are_named_since_their_headings_are_alike(name):
    mine = Chunk("[refund]\ndays = 10\nlong = true", id="a", source="shop.toml", rank=0)
    other = Chunk("[refund]\ndays = 14\nlong = false", id="b", source=name, rank=1)
    assert ["[shop.toml]", f"[{name}]"] == headers(mine, other)
    assert [""] == headers(mine)


def test_a_source_without_a_name_is_set_apart_by_a_rule():
    other = Chunk("Vouchers are void after a year.", id="b", rank=1)
    assert ["", "---"] == headers(REFUNDS, other)


def test_prose_of_several_sources_is_not_named():
    one = Chunk("A refund takes ten days.", id="a", source="refunds.md", rank=0)
    two = Chunk("Vouchers are void after a year.", id="b", source="vouchers.md", rank=1)
    assert ["", ""] == headers(one, two)


def test_no_header_puts_no_line():
    other = Chunk("Vouchers are void after a year.", id="b", source="vouchers.md", rank=1)
    assert ["", ""] == headers(REFUNDS, other, header=None)


def test_after_a_label_each_piece_of_another_source_is_named():
    named = Chunk("Vouchers are void after a year.", id="b", source="vouchers.md", rank=1)
    last = Chunk("# Days\n\nThere are ten days.", id="c", source="days.md", rank=2)
    assert ["", "[vouchers.md]", "[days.md]"] == headers(REFUNDS, named, last, order="given")


def test_the_title_of_a_source_needs_no_label():
    named = Chunk("Vouchers are void after a year.", id="b", source="vouchers.md", rank=1)
    text = "# Days\n\nThere are ten days."
    begin = Chunk(text, id="c", source="days.md", span=(0, len(text)), rank=2)
    middle = Chunk(text, id="c", source="days.md", span=(90, 90 + len(text)), rank=2)
    assert ["", "[vouchers.md]", ""] == headers(REFUNDS, named, begin, order="given")
    assert ["", "[vouchers.md]", "[days.md]"] == headers(REFUNDS, named, middle, order="given")


def test_labels_follow_the_order_of_the_sections():
    names = ["law", "case", "more"]
    law = Chunk("# Law\n\nA refund is a right.", id="a", source="law.md", span=(0, 27))
    more = Chunk("# Days\n\nIt takes ten days.", id="c", source="law.md", span=(80, 106))
    case = Chunk("It took ten days.", id="b", source="case.md")
    chunks = [replace(c, section=n) for c, n in zip((law, case, more), names, strict=True)]
    # In the order of the sources, "more" follows "law" and would get "…".
    expected = ["", "[case.md]", "[law.md]"]
    assert expected == headers(*chunks, sections=[Section(name) for name in names])

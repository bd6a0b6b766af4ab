"""With `header="auto"` a line names the source of a piece that could be read as part of another."""

from __future__ import annotations

import pytest

from ctxmem import Chunk, pack

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

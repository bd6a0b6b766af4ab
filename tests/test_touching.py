"""Chunks between which a splitter cut off white space are one text."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxmem import Chunk, pack

ABOVE = "# Billing\n\nInvoices are sent by post.\n\n## Can I cancel after 30 days?"
BELOW = "No. A cancellation is possible within 14 days only."
WHOLE = f"{ABOVE}\n\n{BELOW}"


def shown(above, below, budget=200, query="Can I cancel after 30 days?", **options):
    return pack([above, below], budget, query=query, **options).text


@pytest.mark.parametrize(
    "places",
    [
        ({"span": (0, len(ABOVE))}, {"span": (len(ABOVE) + 2, len(WHOLE))}),
        ({"span": (0, len(ABOVE))}, {"span": (len(ABOVE) + 8, len(WHOLE) + 6)}),
        ({"id": "faq-9"}, {"id": "faq-10"}),
        ({"id": "faq.md:1:a"}, {"id": "faq.md:2:a"}),
    ],
)
def test_a_heading_at_the_end_of_a_chunk_heads_the_next(places):
    above = Chunk(ABOVE, source="faq.md", rank=1, **places[0])
    below = Chunk(BELOW, source="faq.md", rank=0, **places[1])
    text = shown(above, below)
    assert "## Can I cancel after 30 days?\n\nNo. A cancellation" in re.sub(r" +\n", "\n", text)
    # The heading of another answer is not shown in its place.
    small = shown(above, below, budget=28)
    assert "A cancellation is possible" in small
    assert "## Can I cancel" in small
    assert "Invoices" not in small


@pytest.mark.parametrize(
    "places",
    [
        ({"span": (0, len(ABOVE))}, {"span": (len(ABOVE) + 9, len(WHOLE) + 7)}),
        ({"id": "faq-8"}, {"id": "faq-10"}),
        ({"id": "faq-9a"}, {"id": "faq-10b"}),
        ({"id": "faq"}, {"id": "faq-10"}),
    ],
)
def test_chunks_with_more_between_them_do_not_touch(places):
    above = Chunk(ABOVE, source="faq.md", rank=1, **places[0])
    below = Chunk(BELOW, source="faq.md", rank=0, **places[1])
    assert "days?\n\nNo." not in shown(above, below)


def test_chunks_of_two_sources_do_not_touch():
    above = Chunk(ABOVE, id="faq-1", source="faq.md")
    below = Chunk(BELOW, id="faq-2", source="terms.md")
    assert "days?\n\nNo." not in shown(above, below)


def test_rows_of_one_table_stay_one_table():
    above = Chunk("| plan | price |\n|---|---|\n| single | 12 EUR |", id="p-1", source="plans.md")
    below = Chunk("| team | 40 EUR |\n| school | 90 EUR |", id="p-2", source="plans.md")
    text = shown(above, below, budget=24, query="What does a school pay?")
    assert text.startswith("| plan | price |\n|---|---|\n")
    assert text.endswith("| school | 90 EUR |")


def test_versions_with_consecutive_ids_do_not_touch():
    old = Chunk("The fee is due on the first day of the month.\nIt is 40.", id="v-1", source="fees")
    new = Chunk("The fee is due on the first day of the month.\nIt is 45.", id="v-2", source="fees")
    window = pack([old, new], 200, query="What is the fee?")
    assert [("v-1",), ("v-2",)] == sorted(piece.chunk_ids for piece in window.pieces)


@pytest.mark.parametrize(
    ("source", "first", "second", "above", "below"),
    [
        # Records of a collection, versions, years: their ids number no chunks of a file.
        ("plans", "plan-1", "plan-2", "# Basic\n\nIt costs 5 EUR.", "The price is 40 EUR."),
        ("plans.md", "plan-7", "plan-8", "# Basic\n\nIt costs 5 EUR.", "The price is 40 EUR."),
        ("fees.md", "fees-v1", "fees-v2", "# Fees\n\nThe fee is 5.", "The fee is now 6."),
        ("report.md", "report-2023", "report-2024", "# Report 2023\n\nA rise.", "A fall."),
        # Texts that begin alike.
        ("m.txt", "m-1", "m-2", "Subject: pumps\n\nThey are red.", "Subject: valves\n\nGreen."),
        ("m.txt", "m-1", "m-2", "Notes\n- red\n- big", "Notes\n- green"),
    ],
)
def test_records_with_consecutive_ids_do_not_touch(source, first, second, above, below):
    chunks = [Chunk(above, id=first, source=source), Chunk(below, id=second, source=source)]
    window = pack(chunks, 200, query="What does the second say?")
    assert {(first,), (second,)} == {piece.chunk_ids for piece in window.pieces}


@pytest.mark.parametrize(
    ("above", "below", "expected"),
    [
        ("def f(x):\n    if x:", "        return 1\n    return 2", "\n"),
        ("a:\n  b: 1", "  c: 2", "\n"),
        ("The pump", " is red.", ""),
        ("The pump is red.\n", "The valve is green.", ""),
        ("The pump is red.", "\nThe valve is green.", ""),
        ("The pump is red.", "The valve is green.", "\n\n"),
    ],
)
def test_white_space_that_was_not_cut_off_stays_as_it_is(above, below, expected):
    chunks = [
        Chunk(above, id="a.txt-1", source="a.txt"),
        Chunk(below, id="a.txt-2", source="a.txt"),
    ]
    (piece,) = pack(chunks, 200, query="pump").pieces
    assert above + expected + below == piece.text


def test_consecutive_chunks_that_share_a_few_words_overlap():
    above = Chunk("The pump is red. The valve is green and", id="c1", source="pumps.md")
    below = Chunk("is green and closed at night.", id="c2", source="pumps.md")
    assert "The pump is red. The valve is green and closed at night." == shown(above, below)


def test_spans_of_a_piece_leave_out_the_white_space_that_is_in_no_chunk():
    above = Chunk(ABOVE, id="a", source="faq.md", span=(0, len(ABOVE)))
    below = Chunk(BELOW, id="b", source="faq.md", span=(len(ABOVE) + 2, len(WHOLE)))
    (piece,) = pack([above, below], 200, query="cancel").pieces
    assert ((0, len(ABOVE)), (len(ABOVE) + 2, len(WHOLE))) == piece.spans
    assert (("a", 0, len(ABOVE)), ("b", 0, len(BELOW))) == piece.origins
    assert WHOLE == piece.text


paragraphs = st.lists(
    st.sampled_from(["# Pumps", "The pump is red.", "- oil\n- water", "    a = 1", "| a | b |"]),
    min_size=1,
    max_size=8,
).map("\n\n".join)


@given(paragraphs, st.lists(st.integers(0, 60), max_size=4), st.integers(3, 60))
def test_pieces_are_parts_of_the_source_however_it_is_split(text, cuts, budget):
    """Split with the white space cut off: every kept part is in the text, at the place it says."""
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    chunks = []
    for a, b in itertools.pairwise(edges):
        part = text[a:b]
        start = a + len(part) - len(part.lstrip())
        if part.strip():
            span = (start, start + len(part.strip()))
            chunks.append(Chunk(part.strip(), id=f"c{a}", source="s", span=span))
    window = pack(chunks, budget, query="Which pump is red?")
    assert window.tokens <= budget
    for piece in window.pieces:
        rest = piece.text
        for start, end in piece.spans:
            _, found, rest = rest.partition(text[start:end])
            assert found

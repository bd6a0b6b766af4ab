"""Parts of a window with limits of their own, and windows whose prefix the cache holds."""

from __future__ import annotations

import asyncio

import pytest

import ctxmem
from ctxmem import BudgetError, Chunk, InputError, InputTypeError, Reason, pack

# Sections


def clauses(section, count, start=0.9):
    return [
        Chunk(
            f"{section} clause {i} says something of its own {'word ' * i}",
            id=f"{section}{i}",
            section=section,
            score=start - i / 20,
        )
        for i in range(count)
    ]


def tokens_of(window, chunks, section):
    of = {chunk.id: chunk.section for chunk in chunks}
    return sum(piece.tokens + 1 for piece in window.pieces if of[piece.chunk_ids[0]] == section)


def test_sections_keep_their_limits_order_and_headers():
    chunks = clauses("facts", 9) + clauses("law", 9, start=0.4)
    sections = [
        ctxmem.Section("law", min=40, header="## Law"),
        ctxmem.Section("facts", max=50, header="## Facts"),
    ]
    window = pack(chunks, 140, sections=sections, dedup=False)
    assert window.tokens <= 140
    assert window.text.startswith("## Law\n\nlaw clause")
    assert window.text.count("## Law") == window.text.count("## Facts") == 1
    assert window.text.index("## Law") < window.text.index("## Facts")
    assert tokens_of(window, chunks, "law") >= 40 - ctxmem.count_tokens("## Law\n\n")
    assert tokens_of(window, chunks, "facts") <= 50
    assert set(window.prices) == {"", "law", "facts"}
    assert window.status == "optimal"


def test_a_share_is_a_maximum_and_parents_hold_their_parts():
    chunks = clauses("a", 6) + clauses("b", 6)
    sections = [
        ctxmem.Section("whole", share=0.5, header="# Whole"),
        ctxmem.Section("a", parent="whole", header="## A"),
        ctxmem.Section("b", parent="whole", header="## B"),
    ]
    window = pack(chunks, 120, sections=sections, dedup=False)
    assert window.text.startswith("# Whole\n\n## A\n\n")
    assert 40 <= window.tokens <= 60


def test_an_empty_section_has_no_header():
    sections = [ctxmem.Section("law", header="## Law"), ctxmem.Section("facts", header="## Facts")]
    assert "## Law" not in pack(clauses("facts", 2), 100, sections=sections).text


def test_demands_of_sections_that_cannot_stand_together_are_named():
    chunks = [*clauses("law", 3), Chunk("pinned " * 30, id="rules", pinned=True)]
    sections = [ctxmem.Section("law", min=30)]
    with pytest.raises(BudgetError, match="constraints conflict") as error:
        pack(chunks, 45, sections=sections)
    assert "section 'law' has a minimum of 30" in str(error.value)
    assert "chunk 'rules' is pinned" in str(error.value)


@pytest.mark.parametrize(
    ("sections", "error", "message"),
    [
        (["law"], InputTypeError, "sections has a str"),
        ([ctxmem.Section("law"), ctxmem.Section("law")], InputError, "two sections 'law'"),
        ([ctxmem.Section("law", parent="x")], InputError, "parent 'x', which is not among"),
        ([ctxmem.Section("law", min=101)], InputError, "minimum of 101 and a maximum of 100"),
        ([ctxmem.Section("law", min=9, share=0.05)], InputError, "minimum of 9 and a maximum of 5"),
        ([ctxmem.Section("facts")], InputError, "section 'law', which is not among .* 'facts'"),
    ],
)
def test_bad_sections_are_named(sections, error, message):
    with pytest.raises(error, match=message):
        pack(clauses("law", 2), 100, sections=sections)


def test_prices_say_why_a_chunk_stayed_out():
    window = pack(clauses("law", 9), 60, sections=[ctxmem.Section("law")], dedup=False)
    details = [d.detail for d in window.decisions if d.reason is Reason.OVER_BUDGET]
    assert any("more value per token (value per token: " in detail for detail in details)


# A window whose prefix the model's cache holds


def notes(scores):
    words = "river stone cloud bread glass".split()
    return [Chunk(f"{words[i]} " * 12, id=words[i], score=score) for i, score in enumerate(scores)]


def test_the_prefix_of_the_previous_window_stays_where_it_stands():
    first = pack(notes([0.9, 0.8, 0.7, 0.2, 0.1]), 60)
    scores = [0.8, 0.9, 0.75, 0.78, 0.1]  # the order has changed, and a newcomer is a little better
    anew, kept = pack(notes(scores), 60), pack(notes(scores), 60, previous_window=first)
    assert not anew.text.startswith(first.text)
    assert kept.text.startswith(first.text)
    assert kept.tokens <= 60


def test_the_prefix_of_the_previous_window_gives_way_to_what_is_worth_much_more():
    first = pack(notes([0.9, 0.8, 0.7, 0.2, 0.1]), 60)
    window = pack(notes([0.0, 0.1, 0.1, 0.2, 1.0]), 13, previous_window=first)
    assert {"glass"} == {piece.chunk_ids[0] for piece in window.pieces}
    again = pack(notes([1.0, 0.1, 0.1, 0.2, 0.9]), 13, previous_window=first)
    assert {"river"} == {piece.chunk_ids[0] for piece in again.pieces}


def test_a_previous_window_of_another_kind_is_refused():
    with pytest.raises(InputTypeError, match="previous_window is a str"):
        pack(["a"], 10, previous_window="a")


def test_the_old_name_of_the_previous_window_works_and_warns():
    first = pack(notes([0.9, 0.8, 0.7, 0.2, 0.1]), 60)
    scores = [0.8, 0.9, 0.75, 0.78, 0.1]
    for packed in (pack, lambda *given, **named: asyncio.run(ctxmem.apack(*given, **named))):
        with pytest.warns(DeprecationWarning, match="resident= .* use previous_window=") as seen:
            kept = packed(notes(scores), 60, resident=first)
        assert len(seen) == 1
        assert kept.text == pack(notes(scores), 60, previous_window=first).text
        with (
            pytest.warns(DeprecationWarning),
            pytest.raises(InputError, match="previous_window and resident are both given"),
        ):
            packed(notes(scores), 60, resident=first, previous_window=first)


def test_a_minimum_above_the_text_of_a_section_says_what_there_is():
    sections = [ctxmem.Section("law", min=60), ctxmem.Section("facts")]
    with pytest.raises(
        BudgetError, match="minimum of 60 tokens, but its chunks have 9; the budget"
    ):
        pack([*clauses("facts", 9), *clauses("law", 1)], 100, sections=sections, dedup=False)


def test_pins_above_the_maximum_of_their_section_are_an_error():
    rules = Chunk(
        "pinned " * 30, id="rules", pinned=True, section="law", alternatives=["short " * 20]
    )
    sections = [ctxmem.Section("law", max=15)]
    with pytest.raises(
        BudgetError, match="chunk 'rules' is pinned; section 'law' has a maximum of 15"
    ):
        pack([rules, *clauses("law", 2)], 90, sections=sections)


def test_sentences_are_selected_in_sections_and_with_requirements():
    filler = "Bananas are yellow and sweet. " * 12
    chunks = [
        Chunk(f"{filler}The notice period is thirty days. {filler}", id="long", section="law"),
        Chunk("Terms are defined in section 9.", id="terms", section="law"),
        Chunk(f"The tenant gave notice in May. {filler}", id="facts", requires=["terms"]),
    ]
    window = pack(
        chunks, 60, query="How long is the notice period?", sections=[ctxmem.Section("law")]
    )
    assert "The notice period is thirty days." in window.text
    assert window.tokens <= 60
    if "tenant" in window.text:
        assert "section 9" in window.text


def test_parts_of_passages_stay_where_the_previous_window_had_them():
    filler = " ".join(f"Row {i} of the hall was painted by hand." for i in range(9))
    chunks = [
        Chunk(f"The {color} bridge opened in {1950 + i}. {filler}", id=color, score=0.9 - i / 10)
        for i, color in enumerate(("red", "green", "blue", "white"))
    ]
    query = "When did the bridge open?"
    first = pack(chunks, 40, query=query)
    again = pack(
        [*chunks, Chunk("The grey bridge opened in 1999.")], 60, query=query, previous_window=first
    )
    assert first.text and again.text.startswith(first.text)
    assert "grey" in again.text


# What overlaps, what has alternatives, and what requires others

LEASE = (
    "The lease begins in May. Rent is due on the first day of each month. The deposit is three "
    "months of rent. The tenant keeps the stairs clean. Pets need the consent of the landlord."
)
SHARED, LATER = LEASE.index("The deposit"), LEASE.index("The tenant") - 1


def lease(**second):
    """Two passages that share a sentence; the first has a shorter version."""
    return [
        Chunk(
            LEASE[:LATER],
            id="a",
            source="d",
            span=(0, LATER),
            alternatives=["Rent: first day."],
            pinned=second.get("pinned", False),
            rank=0,
        ),
        Chunk(LEASE[SHARED:], id="b", source="d", span=(SHARED, len(LEASE)), rank=5, **second),
    ]


def test_a_pin_is_whole_beside_a_shorter_version_of_its_neighbour():
    window = pack(lease(pinned=True), 30, query="rent")
    assert window.text.startswith("Rent: first day.")
    assert LEASE[SHARED:] in window.text
    with pytest.raises(BudgetError, match="pinned chunks"):
        pack(lease(pinned=True, alternatives=["Stairs, pets."]), 10, query="rent")


@pytest.mark.parametrize("budget", [12, 25, 40])
def test_a_shorter_version_of_a_neighbour_satisfies_no_requirement(budget):
    child = Chunk("Children pay the half of it.", id="c", requires=["b"], rank=1)
    window = pack([*lease(), child], budget, query="children")
    assert child.text not in window.text or LEASE[SHARED:] in window.text


def test_repeats_do_not_disturb_the_numbers_of_alternatives():
    rent = Chunk(
        "Rent is due on the first day of the month.", id="b", alternatives=["Rent: first."]
    )
    for copies in (1, 3, 10):
        window = pack(
            [*[Chunk("Notice is thirty days.", id="a")] * copies, rent], 50, query="notice"
        )
        assert window.text == "Notice is thirty days.\n\n" + rent.text


def test_whole_chunks_keep_what_they_require_with_a_previous_window():
    chunks = [
        Chunk("| |", id="x"),
        Chunk("The bank may change fees. Fees are listed online.", id="a", source="s"),
        Chunk("Fees rise in May.", id="b", source="s", requires=["x"]),
    ]
    first = pack(chunks, 500, query="fees", compress=False)
    again = pack(chunks, 500, query="bank", compress=False, previous_window=first)
    assert "Fees rise in May." in again.text and "| |" in again.text


def test_a_sentence_is_cut_to_the_maximum_of_its_section():
    text = (
        "The statute applies to all homes in the city and in the villages around it, as decided "
        * 2
    )
    sections = [ctxmem.Section("law", min=5, max=20)]
    for budget in (12, 30, 1000):
        window = pack([Chunk(text, section="law")], budget, sections=sections, query="statute")
        assert 5 <= window.tokens <= 20


def test_subsections_follow_their_section():
    chunks = [Chunk(f"Text {name} of the fees.", section=name) for name in "abc"]
    sections = [
        ctxmem.Section("a", header="# A"),
        ctxmem.Section("b", header="# B"),
        ctxmem.Section("c", header="## C", parent="a"),
    ]
    text = pack(chunks, 100, sections=sections, dedup=False).text
    assert text.index("# A") < text.index("## C") < text.index("# B")


def test_a_section_that_is_not_given_is_named():
    with pytest.raises(InputError, match="belongs to section 'law', which is not among"):
        pack([Chunk("Rent is due.", section="law")], 50)


def test_a_chunk_that_is_only_a_heading_is_shown_if_there_is_room():
    assert pack(["# Title only"], 100, query="fees").text == "# Title only"
    assert pack(["# Title only", "Fees rise."], 100, query="fees").text == (
        "Fees rise.\n\n# Title only"
    )
    assert pack(["# Title only", "Fees rise."], 5, query="fees").text == "Fees rise."


def test_headers_are_those_of_the_pieces_if_an_earlier_section_is_new():
    chunks = [
        Chunk(f"Text {name} of the fees in the year.", id=name, section=name, score=score)
        for name, score in (("b", 0.9), ("a", 0.2))
    ]
    sections = [ctxmem.Section("a", header="# A"), ctxmem.Section("b", header="# B")]
    first = pack(chunks[:1], 30, sections=sections, dedup=False)
    both = pack(chunks, 60, sections=sections, dedup=False, previous_window=first)
    assert both.text.split("\n\n")[:2] == ["# A", chunks[1].text]
    assert both.text.split("\n\n")[2:] == ["# B", chunks[0].text]


def test_no_shorter_version_is_shown_of_a_passage_that_others_contain():
    text = "The lease begins in May. Rent is due on the first day. The deposit is due at once."
    inside = Chunk(
        "Rent is due on the first day.",
        id="b",
        source="d",
        span=(25, 54),
        alternatives=["Rent: first day."],
        score=0.9,
    )
    outer = Chunk(text, id="a", source="d", span=(0, len(text)), score=0.8)
    for budget in (8, 12, 30, 60):
        assert "Rent: first day." not in pack([inside, outer], budget, query="rent").text


def test_two_hundred_sections_inside_each_other_are_packed():
    sections = [ctxmem.Section(f"s{i}", parent=f"s{i - 1}" if i else None) for i in range(201)]
    assert (
        pack([Chunk("Rent is due.", section="s200")], 50, sections=sections).text == "Rent is due."
    )


def test_counts_beyond_any_budget_are_an_error_that_names_them():
    with pytest.raises(InputError, match="counts 5,000,000,000,000 tokens in a sentence"):
        pack(["a b c", "d e f"], 10, counter=lambda text: len(text) * 10**12)

"""Windows made of spans: byte for byte, nothing twice, and every input accounted for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxmem import Budget, Chunk, count_tokens, pack

PARTS = [
    "The fee is 30 euros. ",
    "Not every day is a Sunday! ",
    "\n\n## Fees\n",
    "\n- one\n- two\n",
    "\n```\ndef f(x):\n    return 1\n```\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
    '{"a": [1, 2]}\n',
    "東京は雨です。",
    "\ud800 ",
    "\0",
    "\r\n",
    "\x1c",
    "    indented ",
]
documents = st.lists(st.sampled_from(PARTS), min_size=1, max_size=12).map("".join)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(documents, st.integers(0, 40), st.integers(1, 200)), min_size=1, max_size=6),
    st.integers(1, 80),
    st.sampled_from([None, "[{source}]"]),
    st.sampled_from(["auto", "score", "source", "given"]),
)
def test_every_piece_stands_in_its_sources_and_the_budget_holds(cuts, budget, header, order):
    chunks = [
        Chunk(text[a : a + size] or text, id=f"c{i}", source=f"d{i}")
        for i, (text, a, size) in enumerate(cuts)
    ]
    window = pack(chunks, budget, query="fee of Tokyo", header=header, order=order)
    texts = {chunk.id: chunk.text for chunk in chunks}
    assert window.tokens == count_tokens(window.text) <= budget
    assert window.text == "\n\n".join(p.header + p.text for p in window.pieces)
    shown = {name for piece in window.pieces for name in piece.chunk_ids}
    for piece in window.pieces:
        assert piece.text
        assert {name for name, _, _ in piece.origins} == set(piece.chunk_ids)
        rest = piece.text
        for name, start, end in piece.origins:  # in order, byte for byte, and only marks between
            between, found, rest = rest.partition(texts[name][start:end])
            assert found
            assert re.fullmatch(r"\s*(```text\n)?\s*…?\s*", between), between
        assert re.fullmatch(r"\s*…?\s*(`{3,}|~{3,})?", rest), rest
    assert [d.chunk_id for d in window.decisions] == [c.id for c in chunks]
    assert {d.chunk_id for d in window.decisions if d.kept} == shown


def long(name, sentences=8):
    return " ".join(
        f"The {name} of row {i} was painted in colour {i} by hand." for i in range(sentences)
    )


def test_a_chunk_kept_in_part_says_how_much():
    chunk = "Bees make honey in spring. " + long("fence")
    window = pack([chunk], 20, query="what do bees make")
    assert window.pieces[0].text.startswith("Bees make honey in spring.")
    decision = window.decisions[0]
    assert decision.kept
    assert decision.detail.endswith(f" of its {count_tokens(chunk)} tokens are shown")


def test_a_contained_chunk_names_who_holds_its_text():
    whole = long("fence")
    inner = whole[whole.index("The fence of row 2") : whole.index(" The fence of row 5")]
    window = pack([Chunk(inner, id="inner"), Chunk(whole, id="whole")], 500, query="fence")
    by = {d.chunk_id: d for d in window.decisions}
    assert window.text == whole
    held = [d for d in by.values() if not d.kept]
    assert [(d.reason.value, d.represented_by) for d in held] == [
        ("contained", "whole" if held[0].chunk_id == "inner" else "inner")
    ]


def test_a_folded_version_says_what_it_differs_in():
    text = "The supplier shall pay the agreed fee on the first day of every month without delay."
    other = text.replace("supplier", "provider")
    window = pack([Chunk(text, id="a"), Chunk(other, id="b")], 500, query="supplier")
    assert len(window.pieces) == 1
    folded = next(d for d in window.decisions if not d.kept)
    assert folded.represented_by != folded.chunk_id
    assert "version of" in folded.detail
    assert "provider" in folded.detail
    assert "supplier" in folded.detail


def test_sliding_windows_without_offsets_are_stitched():
    words = long("fence", 30).split(" ")
    chunks = [Chunk(" ".join(words[k : k + 60]), id=f"w{k}") for k in range(0, len(words), 40)]
    window = pack(chunks, 2000, query="fence")
    assert window.text == " ".join(words)


@pytest.mark.parametrize("count", [2, 3000])
def test_long_chains_of_neighbours_make_one_text(count):
    words = [f"w{k}x{k * k % 97}y" for k in range(20 * count + 20)]
    chunks = [" ".join(words[k * 20 : k * 20 + 40]) for k in range(count)]
    window = pack(chunks, 10**6)
    assert window.text == " ".join(words)
    assert len(window.pieces) == 1


def test_a_sentence_cut_by_chunk_ends_is_credited_to_those_that_have_it():
    text = "Bees make honey from the nectar of flowers in spring. " + long("fence")
    cut = text.index("nectar")
    chunks = [
        Chunk(text[:cut], id="head", source="s", span=(0, cut)),
        Chunk(text[cut:], id="tail", source="s", span=(cut, len(text))),
    ]
    window = pack(chunks, 20, query="bees honey nectar flowers")
    assert window.pieces[0].text.startswith("Bees make honey from the nectar of flowers")
    assert window.pieces[0].chunk_ids == ("head", "tail")
    assert all(d.kept for d in window.decisions)
    whole = Chunk(text, id="whole", source="s", span=(0, len(text)))
    window = pack([*chunks, whole], 20, query="bees honey nectar flowers")
    assert window.pieces[0].chunk_ids == ("whole",)


def test_boilerplate_of_many_sources_is_shown_once_and_the_decision_says_so():
    notice = "This paper is confidential and must not be copied without consent of its owner. "
    chunks = [
        Chunk(notice + text, id=text[-5:-1], source=text)
        for text in (
            "Bees make honey and sleep in the hive all winter long.",
            "Rivers carry gravel from glaciers down to a far sea.",
            "Violins need spruce that grew slowly on a cold hill.",
            "Concrete sets by binding water, even under the tide.",
        )
    ]
    window = pack(chunks, 2000, query="confidential paper")
    assert window.text.count("must not be copied") == 1
    assert all(d.kept for d in window.decisions)
    assert sum("of its sentences or blocks" in d.detail for d in window.decisions) == 3
    assert pack(chunks, 2000, dedup=False).text.count("must not be copied") == 4


def test_auto_stops_early_and_explains():
    chunks = [Chunk("Bees make honey in spring.", score=1.0)]
    chunks += [Chunk(long(f"thing{i}"), score=0.1) for i in range(20)]
    fixed = pack(chunks, 2000, query="bees honey")
    window = pack(chunks, Budget(2000, auto=0.02), query="bees honey")
    assert window.stopped_early
    assert not fixed.stopped_early
    assert 0 < window.unselected_share < 1
    assert window.tokens < fixed.tokens
    assert "Bees make honey" in window.text
    assert any(d.detail.startswith("stopped early: ") for d in window.decisions)
    assert "stopped early: the window holds" in window.explain()
    assert "stopped early" not in fixed.explain()


def test_auto_does_not_say_enough_where_the_tokens_ran_out():
    chunks = [Chunk(long(f"thing{i}"), score=0.5) for i in range(20)]
    window = pack(chunks, Budget(60, auto=1e-6), query="thing3")
    assert window.unselected_share > 0.1
    assert not window.stopped_early
    assert all("stopped early" not in d.detail for d in window.decisions)
    assert "stopped early" not in window.explain()


def test_an_ellipsis_stands_where_text_was_cut_and_the_header_once():
    text = (
        f"Bees make honey. {long('fence', 4)} Bees sleep in winter. {long('barn', 4)} "
        f"Bees dance for other bees."
    )
    window = pack([Chunk(text, source="bees.md")], 36, query="bees", header="[{source}]")
    (piece,) = window.pieces
    assert piece.text == "Bees make honey.\n…\nBees sleep in winter.\n…\nBees dance for other bees."
    assert window.text == "[bees.md]\n" + piece.text


def test_a_list_that_goes_on_ends_with_a_mark():
    text = (
        "The Customer may terminate on sixty days' notice, provided that:\n"
        "(i) the initial term has ended; and\n(ii) all of the fees that are due have been paid."
    )
    part = pack([text], 28, query="When may the customer terminate?").text
    assert part.endswith("(i) the initial term has ended; and\n…")
    assert text == pack([text], 60, query="When may the customer terminate?").text


def test_a_text_that_another_passage_shows_is_contained_in_it():
    fee = "The agreement covers route planning software for trucks."
    more = " The office cat is called Minou and sleeps in the archive."
    notice = "Notice is sixty days for trucks."
    question = "Which trucks does the route planning agreement cover?"
    window = pack([Chunk(fee, id="fee"), Chunk(fee + more, id="both"), notice], 20, query=question)
    assert window.text.count(fee) == 1 and "cat" not in window.text
    first, second, _ = window.decisions
    assert (second.chunk_id, second.kept) == ("both", True)
    assert (first.kept, first.reason, first.represented_by) == (False, "contained", "both")
    assert first.detail.startswith("all of its text is shown in both")
    # Of a text that is not shown whole nothing is said of the kind.
    other = pack(
        [Chunk(fee + " It ends in May.", id="fee"), fee + more, notice], 20, query=question
    )
    assert not other.decisions[0].detail.startswith("all of its text")

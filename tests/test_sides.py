"""A window beside its sources: what was kept is marked in place, to the character."""

from __future__ import annotations

import html
import itertools
import re

import pytest

from ctxmem import Alternative, Chunk, pack
from ctxmem.report.sides import sides, sources


def piece(text, *origins, source="guide.md", header="", tokens=5):
    names = list(dict.fromkeys(name for name, _, _ in origins))
    return {"text": text, "header": header, "source": source, "tokens": tokens,
            "chunk_ids": names, "origins": [list(origin) for origin in origins]}  # fmt: skip


def decision(name, position, *, kept=True, source="guide.md"):
    return {"chunk_id": name, "position": position, "kept": kept, "source": source}


def a_window(pieces, decisions, separator="\n\n"):
    text = separator.join(p["header"] + p["text"] for p in pieces)
    return {"text": text, "pieces": pieces, "decisions": decisions}


def marked(shown):
    return [
        html.unescape(m) for m in re.findall(r"<mark[^>]* id=\"from.*?>(.*?)</mark>", shown, re.S)
    ]


def left_out(shown):
    return [html.unescape(m) for m in re.findall(r'<span class="out">(.*?)</span>', shown, re.S)]


def added(shown):
    sent = shown.split("Where it comes from")[0].split("</p>", 1)[1]
    return [html.unescape(m) for m in re.findall(r'"added">(.*?)</span>', sent, re.S)]


def as_read(shown):
    """Return the text of the page without markup."""
    return html.unescape(re.sub("<[^>]*>", "", shown))


GUIDE = "Bees make honey. They sleep in winter. Honey keeps."
#        0              16                    38          51


def test_what_is_kept_is_marked_and_the_rest_dimmed():
    window = a_window(
        [piece("Bees make honey.\n…\nHoney keeps.", ("g", 0, 16), ("g", 39, 51),
               header="[guide.md]\n")],
        [decision("g", 0)],
    )  # fmt: skip
    shown = sides(window, {0: GUIDE}, {}, live=True)
    assert ["Bees make honey.", "Honey keeps."] == marked(shown)[-2:]
    assert [" They sleep in winter. "] == left_out(shown)
    assert ["[guide.md]\n", "\n…\n"] == added(shown)
    assert GUIDE in as_read(shown)
    assert '<span id="sent2" data-run="2">Honey keeps.</span>' in shown
    assert '<mark id="from2" data-run="2">Honey keeps.</mark>' in shown
    assert '<a href="#from1">1. guide.md, 5 tokens</a>' in shown
    assert '<a href="#piece1">1</a>' in shown


def test_overlapping_passages_of_a_source_are_one_text():
    #  Bees make honey. They sleep in winter. Honey keeps.
    #  [------- a --------------------------]
    #                   [-------- b ---------------------]     c is what stands at 60
    a, b, c = GUIDE[:38], GUIDE[17:], "Far away."
    window = a_window(
        [piece("They sleep in winter. Honey keeps.", ("a", 17, 38), ("b", 21, 34))],
        [decision("c", 0, kept=False), decision("b", 1), decision("a", 2)],
    )
    found = sources(window, {0: c, 1: b, 2: a}, {0: 60, 1: 17, 2: 0})
    assert [[GUIDE, "Far away."]] == [[block.text for block in s.blocks] for s in found]
    shown = sides(window, {0: c, 1: b, 2: a}, {0: 60, 1: 17, 2: 0}, live=True)
    assert ["They sleep in winter.", " Honey keeps."] == marked(shown)[-2:]
    assert ["Bees make honey. ", "Far away."] == left_out(shown)
    assert "9 characters between, not among the passages" in shown


def test_passages_that_disagree_where_they_overlap_stay_apart():
    window = a_window([], [decision("a", 0), decision("b", 1)])
    found = sources(window, {0: "one two", 1: "TWO three"}, {0: 0, 1: 4})
    assert ["one two", "TWO three"] == [block.text for block in found[0].blocks]


def test_sources_stand_in_the_order_of_the_window_then_the_rest():
    decisions = [decision(f"p#{n}", i, source=s, kept=s != "c")
                 for i, (n, s) in enumerate([(10, "c"), (2, "c"), (1, "a"), (1, "b")])]  # fmt: skip
    for i, d in enumerate(decisions):
        d["chunk_id"] += d["source"]
        decisions[i] = d
    window = a_window([piece("B", ("p#1b", 0, 1), source="b"), piece("A", ("p#1a", 0, 1),
                      source="a")], decisions)  # fmt: skip
    found = sources(window, {0: "ten", 1: "two", 2: "A", 3: "B"}, {})
    assert ["b", "a", "c"] == [s.name for s in found]
    assert ["two", "ten"] == [block.text for block in found[2].blocks]  # 2 before 10


def test_a_separator_that_can_be_seen_is_shown():
    window = a_window(
        [piece("A", ("a", 0, 1)), piece("B", ("b", 0, 1))],
        [decision("a", 0), decision("b", 1)],
        separator="\n=====\n",
    )
    shown = sides(window, {0: "A", 1: "B"}, {}, live=True)
    assert '<div class="text between added">=====</div>' in shown


def test_the_marks_of_a_pack_are_what_its_pieces_came_from(tmp_path):
    text = "Bees make honey in spring.\n\n" + "Nothing of note happened that day. " * 30
    text += "\n\nThe price of honey is nine euro."
    window = pack(
        [Chunk(text, source="bees.md", span=(0, len(text)))], 40, query="price of honey bees"
    )
    shown = window.to_html(tmp_path / "w.html").read_text(encoding="utf-8")
    origins = [origin for p in window.pieces for origin in p.origins]
    assert origins and [text[a:b] for _, a, b in origins] == marked(shown)
    assert text in as_read(shown)
    assert "1 of 1 passage kept" in shown


def test_a_summary_marks_its_source_and_says_that_it_has_other_words(tmp_path):
    chunk = Chunk("a long passage " * 20, alternatives=[Alternative("a short one")], source="s")
    shown = pack([chunk], 10).to_html(tmp_path / "w.html").read_text(encoding="utf-8")
    assert ", in other words than its source" in shown
    assert '<span id="sent1" data-run="1">a short one</span>' in shown
    assert [chunk.text] == marked(shown)


@pytest.mark.parametrize("chunks", [["   "], ["word " * 99]])
def test_an_empty_window_says_so(tmp_path, chunks):
    window = pack(chunks, 5, compress=False)
    shown = window.to_html(tmp_path / "w.html").read_text(encoding="utf-8")
    assert not window.pieces
    assert "The window is empty: none of the passages was kept." in shown
    assert ("There are no passages with text." in shown) == (chunks == ["   "])


def test_passages_without_a_source_stand_together(tmp_path):
    shown = pack(["Bees.", "Rivers."], 50).to_html(tmp_path / "w.html").read_text(encoding="utf-8")
    assert 1 == shown.count("Passages without a source")
    assert "2 of 2 passages kept" in shown


def test_headings_are_real_and_step_down_by_one(tmp_path):
    path = pack([Chunk("Bees.", source="a"), Chunk("x " * 99)], 9).to_html(tmp_path / "w.html")
    shown = path.read_text(encoding="utf-8")
    levels = [int(level) for level in re.findall(r"<h(\d)", shown)]
    assert 1 == levels[0] and all(b <= a + 1 for a, b in itertools.pairwise(levels))
    ids = re.findall(r' id="([^"]*)"', shown)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', shown)) <= set(ids)


def test_a_notebook_has_no_ids_or_links_that_a_second_window_would_repeat():
    shown = pack([Chunk("Bees.", source="a"), Chunk("x " * 99, source="b")], 9)._repr_html_()
    assert " id=" not in shown and "href" not in shown and "<script" not in shown
    assert "Bees." in as_read(shown)

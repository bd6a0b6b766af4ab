"""What a person sees: true, readable, and inert whatever the text."""

from __future__ import annotations

import re

from ctxmem import Chunk, pack

HOSTILE = '</pre><script>alert(1)</script><img src=x onerror="alert(2)">&amp;\'"'


def test_explain_names_kept_repeats_and_dropped():
    chunks = [Chunk("first passage here", id="a"), Chunk("first passage here", id="a")]
    chunks.append(Chunk("too long " * 50, id="long"))
    assert pack(chunks, 10).explain() == (
        "3 of 10 tokens (o200k_base): 1 of 3 chunks kept, in 1 piece\n"
        "proved: no other selection of these chunks is worth more\n"
        "1 chunk of 4 tokens only repeats others\n"
        "\n"
        "kept (1)\n"
        "  chunk  tokens  value  why\n"
        "  a           4   1.00  selected: returned 2 times\n"
        "\n"
        "repeats (1)\n"
        "  chunk  tokens  value  why\n"
        "  a           4   1.00  repeat: returned 2 times, shown once\n"
        "\n"
        "dropped (1)\n"
        "  chunk  tokens  value  why\n"
        "  long      101   1.00  did not fit: no room left for its 101 tokens"
    )


def test_content_hashes_are_cut_for_people_only():
    window = pack(["some text"], 10)
    full = window.decisions[0].chunk_id
    assert re.fullmatch("[0-9a-f]{32}", full)
    assert full not in window.explain() and full[:8] in window.explain()
    assert full in str(window.to_dict())


def test_hostile_text_is_inert_in_html(tmp_path):
    chunk = Chunk(HOSTILE, id=HOSTILE, source=HOSTILE)
    window = pack([chunk, chunk], 200, header=HOSTILE.replace("{", "").replace("}", ""))
    for page in (window._repr_html_(), window.to_html(tmp_path / "w.html").read_text()):
        assert "<script" not in page and "<img" not in page
        assert "&lt;script&gt;" in page


def test_the_page_loads_nothing_and_allows_nothing(tmp_path):
    page = pack(["a"], 10).to_html(tmp_path / "w.html").read_text()
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href|url)\s*[=(]", page)

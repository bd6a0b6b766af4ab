"""What a person reads of a window: true, in plain words with units, and inert whatever the text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from call_counts import calls_of

import ctxmem
from ctxmem import Budget, Chunk, Section, pack
from ctxmem.report import passage_names

HOSTILE = '</pre><script>alert(1)</script><img src=x onerror="alert(2)">&amp;\'"'
HASH = re.compile("[0-9a-f]{8}")


def explained(window):
    return " ".join(window.explain().split())  # a reason may go over several lines


def test_explain_names_kept_duplicates_and_left_out():
    chunks = [Chunk("first passage here", id="a"), Chunk("first passage here", id="a")]
    chunks.append(Chunk("too long " * 50, id="long", source="notes.md"))
    assert (
        "3 of 10 tokens (o200k_base, exact): 1 of 3 chunks kept, in 1 piece\n"
        "proved: no other selection of these chunks has a higher value\n"
        "1 chunk (4 tokens) repeats or overlaps others\n"
        "\n"
        "kept (1)\n"
        "  tokens  density  passage\n"
        '       4    1.000  a "first passage here"\n'
        "                   selected: returned 2 times\n"
        "\n"
        "duplicates (1)\n"
        "  tokens  density  passage\n"
        '       4    1.000  a "first passage here"\n'
        "                   duplicate: returned 2 times, shown once\n"
        "\n"
        "left out (1)\n"
        "  tokens  density  passage\n"
        '     101    1.000  long (notes.md) "too long too long too long too long too long too…"\n'
        "                   not selected: its 101 tokens do not fit beside what was kept"
    ) == pack(chunks, 10, compress=False).explain()


def test_a_passage_without_an_id_is_named_by_its_source_and_first_words():
    chunks = [Chunk("Notice is thirty days.", source="msa.md"), "Fees are due in May."]
    window = pack(chunks, 30)
    assert re.fullmatch("[0-9a-f]{32}", window.decisions[0].chunk_id)
    assert 'msa.md: "Notice is thirty days."' in window.explain()
    assert '"Fees are due in May."' in window.explain()


def test_no_hash_is_shown_to_people_and_all_are_in_the_data(tmp_path):
    clause = "The tenant gives notice of {} days in writing to the landlord at the given address."
    chunks = [clause.format(30), clause.format(30), clause.format(45), "A heading", "long " * 99]
    given = [Chunk(text, rank=i, requires=()) for i, text in enumerate(chunks)]
    for options in ({}, {"compress": False}, {"dedup_threshold": 0.5}):
        window = pack(given, 45, **options)
        ids = {decision.chunk_id for decision in window.decisions}
        page = window.to_html(tmp_path / "w.html").read_text(encoding="utf-8")
        visible = re.sub("<style>.*?</style>|<script>.*?</script>|<meta.*?>", "", page, flags=re.S)
        for shown in (window.explain(), visible, *(d.detail for d in window.decisions)):
            assert not HASH.search(shown)
        assert all(name in str(window.to_dict()) for name in ids)


def test_details_name_passages_and_represented_by_stays_the_id():
    clause = "The tenant gives notice of {} days in writing to the landlord at the given address."
    first, second = pack([clause.format(30), clause.format(45)], 99, dedup_threshold=0.5).decisions
    folded, kept = (first, second) if second.kept else (second, first)
    assert folded.represented_by == kept.chunk_id
    assert 'version of "The tenant gives notice of' in folded.detail


def test_passages_that_begin_alike_are_told_apart():
    text = "A beginning that is the same in all of these passages, then {}"
    names = passage_names((letter * 32, "s.md", text.format(letter)) for letter in "abc")
    assert [f's.md: "A beginning that is the same in all of…" (input {n})' for n in (1, 2, 3)] == [
        *names.values()
    ]


def test_a_part_that_is_shown_is_told_in_tokens_of_the_whole():
    #        40 of 100 characters with the space behind them; a character is a token here, and the
    #        window has 39
    text = ("Bees make honey; they keep it in combs. " + "x" * 60)[:100]
    window = pack([Chunk(text, id="t")], 60, query="bees honey combs", counter=len, separator="")
    assert "Bees make honey; they keep it in combs." == window.text
    assert "about 39 of its 100 tokens are shown" == window.decisions[0].detail


def test_the_example_of_the_documentation_prints_what_stands_there():
    page = (Path(__file__).parent.parent / "docs" / "pack.md").read_text(encoding="utf-8")
    section = page[page.index("## Output for people") :]
    code = re.search("```python\n(.*?)window.to_html", section, re.S)[1]
    promised = re.search("```text\n(.*?)\n```", section, re.S)[1]
    scope = {"ctxmem": ctxmem}
    exec(code.replace("print(", "str("), scope)
    pattern = re.sub(r"(\\ )*\\\.\\\.\\\.", r" *[0-9.]+", re.escape(promised))
    assert re.search(pattern, scope["window"].explain())


def test_what_is_worth_less_per_token_says_so_with_units():
    chunks = [Chunk("good " * 8, id="good", score=1.0), Chunk("poor " * 9, id="poor", score=0.0)]
    chunks.append(Chunk("fair " * 8, id="fair", score=0.6))
    poor = pack(chunks, 12, query="good", compress=False).decisions[1]
    assert re.fullmatch(
        r"\d+ tokens; the budget goes to passages of more value per token "
        r"\(value per token: [\d.e-]+ here, [\d.]+ in the window on average\)",
        poor.detail,
    )
    here, average = map(float, re.findall(r"([\d.e-]+) (?:here|in the)", poor.detail))
    assert here < average


def test_nothing_is_said_of_other_passages_where_none_was_kept():
    window = pack(["a long passage " * 9, "another one " * 9], 5, compress=False)
    assert not window.pieces
    assert "the window is empty: no passage was kept" in window.explain()
    assert ["its 28 tokens do not fit", "its 19 tokens do not fit"] == [
        d.detail for d in window.decisions
    ]


NOTES = [
    Chunk("Notice is thirty days. Lunch is served at noon.", source="msa.md"),
    Chunk("The office has plants, and parking is free on Sundays.", source="house.md"),
    Chunk("Who gives notice writes a letter. Letters are sent in the morning.", source="memo.md"),
]


def test_what_is_said_of_values_and_parts_is_true_at_every_budget():
    said = 0
    for budget in range(3, 60):
        window = pack(NOTES, budget, query="How long is the notice?")
        for decision, chunk in zip(window.decisions, NOTES, strict=True):
            if "more value per token" in decision.detail:
                found = re.findall(r"([\d.e-]+) (?:here|in the)", decision.detail)
                here, average = map(float, found)
                assert here < average
                said += 1
            assert ("are shown" in decision.detail) == (
                decision.kept and chunk.text not in window.text
            )
    assert said


def test_a_full_section_is_named():
    chunks = [Chunk(f"rule {i} " * 6, section="law", score=1 - i / 9) for i in range(9)]
    window = pack(chunks, 500, sections=[Section("law", max=60)], dedup=False)
    details = [d.detail for d in window.decisions if not d.kept]
    assert details
    assert any("; the budget of section law goes to" in detail for detail in details)
    assert "one more token would add most value in section law: about 0." in window.explain()


def test_a_window_that_stopped_early_says_so():
    chunks = ["Bees make honey.", "Rivers carry gravel from glaciers.", "Spruce grows slowly."]
    window = pack(chunks, Budget(500, auto=0.2), query="Who makes honey? Bees?")
    assert window.stopped_early
    assert "stopped early: the window holds" in explained(window)
    assert "rest has less value per token than Budget(auto=...) requires" in explained(window)


@pytest.mark.parametrize("options", [{}, {"compress": False}])
def test_a_thousand_passages_are_shown_with_twice_the_work_of_half_of_them(tmp_path, options):
    words = [f"word{i * i % 997}" for i in range(3000)]
    chunks = [
        Chunk(" ".join(words[i : i + 60]), source=f"s{i % 40}", rank=i, list="dense")
        for i in range(1000)
    ]
    path = tmp_path / "w.html"
    half = pack(chunks[:500], 2000, query="word36 word49", **options)
    window = pack(chunks, 4000, query="word36 word49", **options)
    spent = [
        calls_of(lambda shown=shown: (shown.explain(), shown.to_html(path)))
        for shown in (half, window)
    ]
    assert spent[1] < 2.5 * spent[0]
    assert spent[1] < 1000 * 800  # calls a passage; 380 measured
    text = window.explain()
    assert text.count("density") == text.count("passage\n")
    page = path.read_text(encoding="utf-8")
    assert page.count("<details") - page.count(" open>") > 30  # most of it is folded away
    at_once = re.sub(
        r"<details(?! class=\"source)((?!<details).)*?</details>", "", page, flags=re.S
    )
    assert 0 < at_once.count("<tr><td>") <= 150
    assert len(page) < 2_000_000


def test_hostile_text_is_inert_in_html(tmp_path):
    chunk = Chunk(HOSTILE, id=HOSTILE, source=HOSTILE)
    window = pack([chunk, chunk], 200, header=HOSTILE.replace("{", "").replace("}", ""))
    page = window.to_html(tmp_path / "w.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1  # our own, which the policy names by its hash
    for shown in (window._repr_html_(), page.replace("<script>", "", 1)):
        assert "<script" not in shown and "<img" not in shown
        assert "&lt;script&gt;" in shown


def test_what_was_left_out_is_inert_too(tmp_path):
    chunks = [Chunk(f"{HOSTILE} {i} " * 9, id=f"{HOSTILE}{i}", source=HOSTILE) for i in range(3)]
    chunks += [Chunk(chunks[0].text, id="again"), Chunk("Bees make honey.", source="s")]
    for budget in (5, 250):
        page = pack(chunks, budget, query="bees").to_html(tmp_path / "w.html")
        shown = page.read_text(encoding="utf-8").replace("<script>", "", 1)
        assert "<script" not in shown and "<img" not in shown


def test_the_page_loads_nothing_and_allows_nothing(tmp_path):
    page = pack(["a"], 10).to_html(tmp_path / "w.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"(src|url)\s*[=(]|href=\"[^#]", page)

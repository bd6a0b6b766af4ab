"""A pack span by span: parts of chunks, repeats, prices, costly scorers, compressors."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from columns import pack_with_table

import ctxmem
from ctxmem import Budget, Chunk, InputError, InputTypeError, Reason, pack

FACTS = (
    "The bridge was opened in 1932 by the mayor. "
    "Its towers are made of granite from a quarry nearby. "
    "Every spring the railings are painted green by the same family firm. "
    "Cyclists have a lane of their own since the last repair."
)
FILLER = " ".join(
    f"Sentence {i} speaks of weather, bread and trains in general." for i in range(40)
)


def test_every_piece_stands_byte_for_byte_in_its_source():
    chunks = [
        Chunk(FACTS, id="facts", source="guide", span=(0, len(FACTS)), rank=0),
        Chunk(FILLER, id="filler", source="diary", span=(0, len(FILLER)), rank=1),
    ]
    window = pack(chunks, 60, query="When was the bridge opened?")
    assert window.tokens <= 60
    assert "opened in 1932" in window.text
    for piece in window.pieces:
        ((start, end),) = piece.spans
        assert {"facts": FACTS, "filler": FILLER}[piece.chunk_ids[0]][start:end] == piece.text


def test_a_chunk_kept_in_part_says_how_much_of_it():
    window = pack([FACTS + FILLER], 60, query="When was the bridge opened?")
    (decision,) = window.decisions
    assert decision.kept
    assert "tokens are shown" in decision.detail
    assert 0 < window.unselected_share < 1


def test_text_left_out_within_a_source_is_marked_and_its_header_stands_once():
    text = FACTS + "\n\n" + FILLER + "\n\n" + "The bridge has a toll for lorries since 1950."
    chunk = Chunk(text, source="guide", span=(0, len(text)), rank=0)
    window = pack([chunk], 60, query="bridge toll for lorries, bridge opened", header="[{source}]")
    headers = [piece.header for piece in window.pieces]
    assert headers[0] == "[guide]\n"
    assert set(headers[1:]) <= {"…\n"}
    assert window.text.count("[guide]") == 1


VALVES = "void check(struct pump *pump, int limit)\n{\n" + "".join(
    f"    if (pump[{k}].state == OPEN && pump[{k}].level > limit) close_valve(&pump[{k}]);\n"
    for k in range(6)
)


@pytest.mark.parametrize("budget", [80, 100, 120, 140, 160])
def test_code_whose_blocks_do_not_fit_is_cut_to_fill_the_budget(budget):
    window = pack([Chunk(VALVES + "}\n", source="pumps.c")], budget, query="close_valve pump 3")
    assert 0.75 * budget <= window.tokens <= budget
    assert "pump[3]" in window.text
    lines = [line for line in window.text.split("\n") if line.strip() != "…"]
    assert set(lines) <= {*VALVES.split("\n"), "}"}


@pytest.mark.parametrize("budget", [3700, 4450, 5200])
def test_no_text_is_given_up_for_parts_where_a_counter_prices_them_too_low(budget, monkeypatch):
    check = "".join(
        f"    if pump[{k}].state == OPEN and pump[{k}].level > limit: close_valve(pump[{k}])\n"
        for k in range(10)
    )
    code = f"def check(pump, limit):\n{check}\n\ndef again(pump, limit):\n{check}"

    def counter(text):
        return int(len(text) ** 1.3)  # a whole counts more than the sum of its parts

    def shown():
        window = pack([Chunk(code, source="p.py")], budget, query="again 3", counter=counter)
        assert 0 < window.tokens <= budget
        return [(start, end) for _, start, end in window.pieces[0].origins]

    parts = shown()
    monkeypatch.setattr(importlib.import_module("ctxmem.cutting"), "FULL", 0.0)
    for start, end in shown():  # without parts
        assert any(a <= start and end <= b for a, b in parts)


def test_blocks_stay_whole_though_much_of_the_budget_is_unused():
    blocks = [
        " ".join(f"The {name} of hall {k} is red and closed at night." for k in range(5))
        for name in ("pump", "valve")
    ]
    window = pack(["\n\n".join(blocks)], 100, query="Which pump is red?", compress="blocks")
    assert blocks[0] == window.text
    assert window.tokens < 75


def test_parts_are_added_to_the_sentence_that_is_shown_not_put_in_its_place():
    answer = (
        "The valve of hall 2 is closed on every second day of the month if the level is above the "
        "limit that the board has set, unless the tank is empty or a sensor has failed. "
    )
    others = "".join(
        f"The pump of hall {k} is checked on every third day of the month by the leader of the "
        "shift, who writes the level of its tank into the book that lies beside the door. "
        for k in range(3, 6)
    )
    query = "When is the valve of hall 2 closed?"
    for budget in range(45, 110, 5):
        assert answer.strip() in pack([others + answer], budget, query=query).text


def test_whole_chunks_are_kept_where_compression_is_off():
    window = pack([FACTS, FILLER], 60, query="When was the bridge opened?", compress=False)
    assert window.text == FACTS


CLAUSE = (
    "The supplier shall pay the yearly fee for the licence on the first day of {} without delay."
)


def test_a_sentence_that_stands_in_two_sources_is_shown_once():
    chunks = [
        Chunk("About fees. " + CLAUSE.format("May"), id="a", source="one", rank=0),
        Chunk("Of another kind. " + CLAUSE.format("May"), id="b", source="two", rank=1),
    ]
    window = pack(chunks, 500, query="yearly fee for the licence")
    assert window.text.count("shall pay the yearly fee") == 1


def test_two_versions_that_differ_in_a_number_both_stand():
    chunks = [
        Chunk("About fees. " + CLAUSE.format("3 May"), id="a", source="one", rank=0),
        Chunk("Of another kind. " + CLAUSE.format("9 May"), id="b", source="two", rank=1),
    ]
    window = pack(chunks, 500, query="yearly fee for the licence")
    assert "3 May" in window.text and "9 May" in window.text


def test_sliding_windows_without_offsets_are_stitched():
    book = " ".join(f"Line {i} tells of the {w} harbour." for i, w in enumerate("abcdefghij"))
    window = pack([book[:200], book[100:320]], 500)
    assert [book[:320].strip()] == [piece.text for piece in window.pieces]
    assert len(window.pieces[0].chunk_ids) == 2


def test_a_price_makes_an_easy_question_cheap():
    chunks = [Chunk(FACTS, rank=0), *(Chunk(f"Note {i}. {FILLER}", rank=i) for i in range(1, 9))]
    full = pack(chunks, 3000, query="When was the bridge opened by the mayor?")
    small = pack(chunks, Budget(3000, auto=0.05), query="When was the bridge opened by the mayor?")
    assert "opened in 1932" in small.text
    assert small.tokens < full.tokens / 4
    assert any("stopped early" in d.detail for d in small.decisions if not d.kept)


@pytest.mark.parametrize("auto", [-1, 2, float("nan")])
def test_a_price_that_is_no_worth_is_refused(auto):
    with pytest.raises(ctxmem.BudgetError, match="auto"):
        pack(["a"], Budget(10, auto=auto))


# A costly scorer


def texts_for_scoring():
    return [f"{FACTS} Note {i}. {FILLER}" for i in range(3)]


def test_a_scorer_sees_no_more_texts_than_it_may():
    seen = []

    def scorer(query, texts):
        seen.extend(texts)
        return [float("granite" in text) for text in texts]

    window = pack(texts_for_scoring(), 60, query="the bridge", scorer=scorer, calls=7)
    assert 0 < window.scored_count == len(seen) == len(set(seen)) <= 7 < window.passages


def test_a_scorers_answers_change_the_window():
    def scorer(_, texts):
        return [float("granite" in text) for text in texts]

    window = pack(texts_for_scoring(), 30, query="the bridge", scorer=scorer)
    assert "granite" in window.text


def test_scores_of_any_scale_only_order():
    def scorer(_, texts):
        return [100.0 if "granite" in text else -100.0 for text in texts]

    assert "granite" in pack(texts_for_scoring(), 30, query="the bridge", scorer=scorer).text


def test_nothing_is_asked_when_all_fits():
    window = pack([FACTS], 500, query="the bridge", scorer=lambda *_: 1 / 0)
    assert (window.scored_count, window.text) == (0, FACTS)


@pytest.mark.parametrize(
    ("scorer", "error"),
    [
        (lambda q, texts: [0.5], InputError),
        (lambda q, texts: [float("nan")] * len(texts), InputError),
        (lambda q, texts: ["high"] * len(texts), InputTypeError),
        ("cross-encoder", InputTypeError),
    ],
)
def test_a_scorer_that_answers_something_else_is_refused(scorer, error):
    with pytest.raises(error, match="scorer"):
        pack(texts_for_scoring(), 30, query="the bridge", scorer=scorer)


def test_a_scorer_needs_a_query():
    with pytest.raises(InputError, match="without a query"):
        pack(texts_for_scoring(), 30, scorer=lambda q, t: [1.0] * len(t))


# Compressors and extracts


def test_a_compressors_text_competes_and_invented_numbers_are_refused():
    def honest(text, query):
        return "The bridge: opened 1932."

    def inventive(text, query):
        return "The bridge: opened 1931."

    kept = pack([FACTS], 9, query="When was the bridge opened?", compress=honest)
    assert kept.text == "The bridge: opened 1932."
    assert "as its honest" in kept.decisions[0].detail
    refused = pack([FACTS], 9, query="When was the bridge opened?", compress=inventive)
    assert "1931" not in refused.text


def test_a_compressor_like_llmlingua_is_taken():
    class Lingua:
        def compress_prompt(self, texts, question=""):
            return {"compressed_prompt": texts[0][:20]}

    assert pack([FACTS], 8, query="bridge", compress=Lingua()).text == FACTS[:20].strip()


def test_a_compressor_sees_only_what_could_reach_the_window():
    seen = []

    def compressor(text, query):
        seen.append(text)
        return text[:40]

    chunks = [Chunk(f"{FACTS} {i}", rank=i) for i in range(50)]
    pack(chunks, 50, query="the bridge", compress=compressor)
    assert 0 < len(seen) < 25


@pytest.mark.parametrize("compress", [3, "extract", [len, "x"]])
def test_what_cannot_compress_is_refused(compress):
    with pytest.raises((InputError, InputTypeError), match="compress"):
        pack([FACTS], 10, compress=compress)


def test_a_part_of_a_chunk_is_shown_with_the_chunk_that_it_requires():
    heading = Chunk("# Bridges", id="heading", rank=3)
    text = FACTS + " " + FILLER
    chunk = Chunk(text, id="long", rank=0, requires=["heading"])
    window = pack([heading, chunk], 150, query="When was the bridge opened?")
    assert {d.reason for d in window.decisions} <= {Reason.SELECTED, Reason.REQUIRED}
    assert ["long", "heading"] == [piece.chunk_ids[0] for piece in window.pieces]
    assert 0 < window.tokens < ctxmem.count_tokens(text)
    shown = next(piece.text for piece in window.pieces if "long" in piece.chunk_ids)
    for part in shown.split("\n…\n"):
        assert part in text


# Vectors


def test_embed_is_asked_once_for_the_query_and_once_for_the_sentences():
    calls = []

    def embed(texts):
        calls.append(list(texts))
        return np.array([[1.0, float("granite" in text)] for text in texts])

    window = pack([FACTS + " " + FILLER], 30, query="of which stone: granite?", embed=embed)
    assert calls[0] == ["of which stone: granite?"]
    assert len(calls) == 2 and len(calls[1]) == window.passages
    assert "granite" in window.text


def test_very_many_chunks_are_looked_at_by_a_shortlist():
    chunks = [Chunk(f"{i} {FILLER}", id=str(i), rank=i, list="dense") for i in range(400)]
    chunks.append(Chunk(f"The bridge. {FACTS}", id="pin", rank=399, list="bm25", pinned=True))
    window, table = pack_with_table(chunks, 1000, query="weather")
    assert len(window.decisions) == 401 and window.decisions[-1].kept
    assert not table.shortlisted.all()
    assert window.tokens <= 1000


# Rules and their exceptions

BESIDE = "The canteen is open at noon. The logo is blue. The team works in a house by the river."
RULES = {
    "Are deliveries free?": (
        "Deliveries are free within Germany",
        "unless the order is below 20 euros.",
        "Deliveries are free within Germany, unless the order is below 20 euros.",
    ),
    "Is the service free of charge?": (
        "The service may be used free of charge.",
        "This does not apply to commercial use.",
        "The service may be used free of charge. This does not apply to commercial use.",
    ),
    "Who may use the lift?": (
        "The lift may be used by all visitors.",
        "Visitors with bicycles are excluded.",
        "The lift may be used by all visitors. Visitors with bicycles are excluded.",
    ),
    "Are refunds possible?": (
        "Refunds are possible.",
        "But only if the box is unopened.",
        "Refunds are possible. But only if the box is unopened.",
    ),
    "How many days of leave may employees carry over?": (
        "Employees may carry over up to ten days of leave.",
        "The only exception is the probation period.",
        "Employees may carry over up to ten days of leave. The only exception is the probation "
        "period.",
    ),
}


@pytest.mark.parametrize("query", RULES)
def test_no_budget_shows_a_rule_without_its_exception_or_the_other_way_round(query):
    rule, exception, both = RULES[query]
    shown = set()
    for budget in range(4, 40):
        window = ctxmem.pack([f"{both} {BESIDE}"], budget, query=query)
        assert (rule in window.text) == (exception in window.text)
        shown.add(rule in window.text)
    assert {False, True} == shown


# What a window says about itself


@pytest.mark.parametrize(
    "texts",
    [
        [
            f"{who} who work in the Berlin office receive a bonus."
            for who in ("Employees", "All employees", "Some employees", "Only employees")
        ],
        [f"Retry if count {sign} 5 and status is 500." for sign in ("<", "<=", ">")],
    ],
)
@pytest.mark.parametrize("compress", [True, False])
def test_a_window_that_shows_everything_is_optimal(texts, compress):
    window = pack(texts, 200, compress=compress)
    assert all(text in window.text for text in texts)
    assert ("optimal", 0.0) == (window.status, window.gap)
    assert window.value == window.upper_bound
    part = pack(texts, window.tokens - 1, compress=compress)
    assert not all(text in part.text for text in texts)
    assert part.value < window.value


def test_no_more_tokens_of_a_chunk_are_said_to_be_shown_than_the_window_has():
    rows = "\n".join(f'{{"sku": "A-{k:03}", "name": "Lamp", "price": {3 * k}}},' for k in range(40))
    text = f"Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich. {rows} {FACTS}"
    for budget in range(12, 120, 4):
        window = pack([text], budget, query="How much is A-004?")
        (decision,) = window.decisions
        said = decision.detail.split(" of its ")[0].removeprefix("about ")
        assert not decision.kept or int(said.replace(",", "")) <= window.tokens


def test_a_chunk_without_text_of_its_own_is_not_said_to_be_over_the_budget():
    fee = Chunk("The fee is due in May.", source="b", rank=1)
    window = pack([Chunk("---\n\n***\n", source="a.md", rank=0), fee], 400, query="fee")
    left_out, kept = window.decisions
    assert (True, Reason.SELECTED) == (kept.kept, kept.reason)
    assert (False, Reason.MISSING_REQUIREMENT) == (left_out.kept, left_out.reason)
    assert left_out.detail.startswith("it has only headings, keys, brackets or rules")


def test_a_chunk_that_has_only_keys_or_a_heading_is_text_itself():
    keys = (
        '}\n      }\n    },\n    "route53": {\n      "__default__": {\n        "policies": {\n    '
    )
    fee = Chunk("The fee is due in May.", source="b", rank=1)
    for alone in (Chunk(keys, source="a.json", rank=0), Chunk("# Fees", source="c", rank=2)):
        assert pack([alone, fee], 400, query="fee").decisions[0].kept
        left_out = pack([alone, fee], 8, query="fee").decisions[0]
        assert (False, Reason.OVER_BUDGET) == (left_out.kept, left_out.reason)


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("Notice is sixty days.", "Notice is thirty days.", ("sixty", "thirty")),
        ("Die Frist beträgt drei Monate.", "Die Frist beträgt zwei Monate.", ("drei", "zwei")),
        ("通知期間は三か月です。", "通知期間は二か月です。", ("三", "二")),
    ],
)
def test_short_versions_that_are_both_shown_are_named_and_have_their_sources(one, other, words):
    chunks = [Chunk(one, source="contract", rank=0), Chunk(other, source="amendment", rank=1)]
    window = pack(chunks, 60, query="How long is the notice period?")
    details = [decision.detail for decision in window.decisions]
    assert [True, True] == [decision.kept for decision in window.decisions]
    assert 1 == sum("version of" in detail for detail in details)
    assert all(repr(word) in "".join(details) for word in words)
    assert f"[contract]\n{one}" in window.text
    assert f"[amendment]\n{other}" in window.text
    assert "version of" not in str(pack(chunks, 60, dedup=False).decisions)


def test_short_passages_about_different_things_are_no_versions():
    chunks = [Chunk("Notice is sixty days.", source="a"), Chunk("Parking is free.", source="b")]
    window = pack(chunks, 60)
    assert ["", ""] == [decision.detail for decision in window.decisions]
    assert "Parking is free.\n\nNotice is sixty days." in (
        window.text,
        "\n\n".join(reversed(window.text.split("\n\n"))),
    )


def test_a_unit_that_cannot_be_cut_does_not_cut_the_others():
    badge = ".. |badge| image:: data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAAAFkAAABZ" * 40
    sentence = "The gate of the northern harbour opens at six in the morning on every working day."
    text = f"Gate\n====\n\n{badge}\n\nNothing else. {sentence} It closes at the end of the day.\n"
    _, table = pack_with_table([text], 40, query="When does the gate of the northern harbour open?")
    assert sentence in table.segment_texts

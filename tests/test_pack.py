"""Pack by its public face: the budget holds, nothing is lost, order does not matter."""

from __future__ import annotations

import json
import random
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from columns import pack_with_table
from fuzz_size import some
from hypothesis import given, settings
from hypothesis import strategies as st

import ctxmem
from ctxmem import BudgetError, Chunk, InputError, Reason, pack

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "contract_review.json"

WORDS = (
    "the agreement may be terminated by either party on thirty days written notice 25 per cent "
    "fees clause 9.2 müssen 東京都 の 契約 は def return { } [] "
    "// /usr/bin \t 3.14159 naïve 🎉 \u200b"
).split(" ")


def reasons(window):
    return [decision.reason.value for decision in window.decisions]


def kept_texts(window, table):
    return {table.text(d.position) for d in window.decisions if d.kept}


# The budget


class Document:
    """The shape of a LangChain Document."""

    def __init__(self, page_content, metadata, id=None):
        self.page_content, self.metadata, self.id = page_content, metadata, id


class Node:
    """The shape of a LlamaIndex TextNode."""

    def __init__(self, text, start):
        self.text, self.node_id, self.ref_doc_id = text, f"node-{start}-{len(text)}", "doc"
        self.start_char_idx, self.end_char_idx = start, start + len(text)
        self.embedding, self.metadata = None, {}

    def get_content(self):
        return self.text


def random_input(rng):
    """Return chunks of one of the accepted kinds, with repeats, overlaps and odd characters."""

    def text():
        return " ".join(rng.choices(WORDS, k=rng.randint(1, 40))) or "x"

    book = "\n".join(text() for _ in range(12))
    cuts = []
    for _ in range(rng.randint(1, 8)):
        start = rng.randrange(len(book) - 1)
        cuts.append((start, rng.randint(start + 1, len(book))))
    kind = rng.choice(["str", "dict", "chunk", "document", "node", "messages", "pair", "mixed"])
    texts = [text() for _ in range(rng.randint(1, 15))]
    texts += rng.choices(texts, k=rng.randint(0, 6))
    made = {
        "str": texts,
        "dict": [{"text": t, "score": rng.random(), "source": "a"} for t in texts],
        "chunk": [
            Chunk(book[a:b], source="book", span=(a, b), rank=rng.randint(0, 9), list="dense")
            for a, b in cuts
        ],
        "document": [Document(book[a:b], {"source": "b", "start_index": a}) for a, b in cuts],
        "node": [SimpleNamespace(node=Node(book[a:b], a), score=rng.random()) for a, b in cuts],
        "messages": [{"role": rng.choice(["user", "assistant"]), "content": t} for t in texts],
        "pair": [(t, rng.random()) for t in texts],
    }
    made["mixed"] = [*made["str"], *made["dict"], *made["document"]]
    return made[kind]


@pytest.mark.parametrize("encoding", ["o200k_base", "cl100k_base"])
@pytest.mark.parametrize("packs", [100, pytest.param(some(1000, 2), marks=pytest.mark.slow)])
def test_random_packs_hold_the_budget(encoding, packs, tiktoken_encoding):
    rng = random.Random(encoding)
    reference = tiktoken_encoding(encoding)
    separators = ["\n\n", "\n", " ", "", "\n---\n", " | ", "\n\n* ", "</doc>\n<doc>", "\n\n/"]
    headers = [None, "[{source}]", "# {id}", "{list} {start}:", lambda chunk: f"<{chunk.list}>"]
    for number in range(packs):
        budget = rng.choice([1, 5, 20, 60, 200, 1000])
        separator = rng.choice(separators)
        try:
            window = pack(
                random_input(rng),
                budget,
                query=rng.choice([None, "notice 契約", "the fees of clause 9.2"]),
                counter=encoding,
                separator=separator,
                header=rng.choice(headers),
                order=rng.choice(["auto", "score", "source", "given"]),
            )
        except BudgetError as error:
            assert error.pinned, number  # only a chat's pinned turns may ask for more than there is
            continue
        counted = len(reference.encode_ordinary(window.text))
        assert counted == window.tokens, number
        assert counted <= budget, number
        assert window.text == separator.join(p.header + p.text for p in window.pieces), number
        assert window.value <= window.upper_bound * (1 + 1e-9), number


def test_a_text_of_exactly_the_budget_fits():
    text = "A passage, of some length, that ends in a full stop."
    tokens = ctxmem.count_tokens(text)
    assert pack([text], tokens).text == text
    # One token less has room for a part, marked as one.
    assert pack([text], tokens - 1).text == "A passage, of some length, …"


def test_reserve_is_kept_free():
    window = pack(["one two three", "four five six"], ctxmem.Budget(100, reserve=96))
    assert (window.budget, window.tokens <= 4) == (4, True)


def test_a_counter_that_does_not_add_up_still_holds_the_budget():
    # Every joint costs three, which no price of a single block foretells.
    def count(text):
        return len(text.split()) + 3 * text.count("\n\n")

    window = pack([f"word{i} " * 5 for i in range(30)], 40, counter=count)
    assert count(window.text) == window.tokens <= 40
    assert len(window.pieces) >= 4


def test_an_estimated_window_says_so():
    window = pack(["some text"], 100, counter="estimate")
    assert (window.exact, "estimated" in window.explain()) == (False, True)


# Nothing is lost


def test_every_input_has_a_decision_in_input_order():
    chunks = ["same", "same", "  \n ", "other words here", "x " * 500]
    window = pack(chunks, 20)
    assert ["selected", "duplicate", "blank", "selected", "over_budget"] == reasons(window)
    assert [0, 1, 2, 3, 4] == [decision.position for decision in window.decisions]


def test_a_repeat_names_the_best_ranked_hit_and_counts():
    chunks = [
        Chunk("the passage", id="a", rank=7, list="bm25"),
        Chunk("the passage", id="b", rank=0, list="dense"),
        Chunk("the passage", id="c", rank=3, list="dense"),
    ]
    first, second, third = pack(chunks, 50).decisions
    assert (second.kept, second.reason) == (True, Reason.SELECTED)
    assert "returned 3 times" in second.detail
    assert {first.represented_by, third.represented_by} == {"b"}


CLAUSE = (
    "Customer may terminate this order form for convenience at any time by giving written notice "
    "of {days} days to Provider at the address that is stated in the order form itself {end}"
)


def test_a_near_duplicate_is_folded_and_names_who_stands_for_it():
    chunks = [
        Chunk(CLAUSE.format(days=30, end="."), id="signed", rank=0),
        Chunk(CLAUSE.format(days=30, end=", or elsewhere."), id="draft", rank=5),
    ]
    signed, draft = pack(chunks, 500).decisions
    assert (signed.kept, draft.kept, draft.represented_by) == (True, False, "signed")
    assert draft.reason is Reason.NEAR_DUPLICATE
    assert "has 'or', 'elsewhere' beyond that" in draft.detail


def test_versions_with_other_numbers_stand_side_by_side_and_say_so():
    chunks = [
        Chunk(CLAUSE.format(days=30, end="."), id="signed", rank=0),
        Chunk(CLAUSE.format(days=45, end="."), id="draft", rank=5),
    ]
    careful = pack(chunks, 500)
    assert [True, True] == [decision.kept for decision in careful.decisions]
    assert "differs in '45', where that has '30'" in careful.decisions[1].detail
    folded = pack(chunks, 500, dedup_threshold=0.5).decisions[1]
    assert (folded.kept, folded.represented_by) == (False, "signed")
    assert "folded at 0.5 although the two differ: '45' / '30'" in folded.detail


def test_exact_folds_repeats_and_no_near_duplicates():
    clause = "The tenant may end the lease within thirty days of the notice"
    chunks = [
        Chunk(f"{clause}.", id="a", rank=0),
        Chunk(f"{clause}.", id="b", rank=1),
        Chunk(f"{clause}, or so.", id="c", rank=2),
        Chunk(f"{clause.upper()}.", id="d", rank=3),
    ]

    def kept(**options):
        return [decision.kept for decision in pack(chunks, 200, **options).decisions]

    assert kept(dedup="careful") == kept(dedup=True) == kept() == [True, False, False, False]
    assert kept(dedup="exact") == [True, False, True, True]
    assert kept(dedup=False) == [True, True, True, True]
    assert kept(dedup="exact", compress=False) == [True, False, True, True]
    assert reasons(pack(chunks, 200, dedup="exact"))[1] == "duplicate"


def test_exact_with_embeddings_names_the_words_and_no_threshold():
    chunks = [
        Chunk("The lamp in the hall is old.", id="a", rank=0, embedding=[1.0, 0.0]),
        Chunk("An old lamp hangs there.", id="b", rank=1, embedding=[1.0, 0.01]),
    ]
    folded = pack(chunks, 200, dedup="exact", similar=0.9).decisions[1]
    assert folded.reason is Reason.SIMILAR
    assert "differs in" in folded.detail and "folded at" not in folded.detail


def test_a_bare_number_is_the_threshold_and_warns():
    chunks = [CLAUSE.format(days=30, end="."), CLAUSE.format(days=45, end=".")]
    new = pack(chunks, 500, dedup_threshold=0.5)
    with pytest.warns(DeprecationWarning, match="dedup=0.5 .* use dedup_threshold=0.5") as seen:
        old = pack(chunks, 500, dedup=0.5)
    assert (old.text, old.decisions) == (new.text, new.decisions)
    assert seen[0].filename == __file__
    with (
        pytest.warns(DeprecationWarning),
        pytest.raises(InputError, match=r"dedup is 0\.5 and dedup_threshold is 0\.4"),
    ):
        pack(chunks, 500, dedup=0.5, dedup_threshold=0.4)


@pytest.mark.parametrize("dedup", [True, False, "careful", "exact"])
def test_current_values_of_dedup_do_not_warn(dedup):
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        pack(["a b c", "a b c"], 10, dedup=dedup)


def test_dedup_false_keeps_every_repeat():
    window = pack(["same text"] * 3, 100, dedup=False)
    assert window.text == "same text\n\nsame text\n\nsame text"


# Value


def test_lists_that_agree_outrank_one_that_does_not():
    filler = [Chunk(f"filler {i} " * 8, rank=i + 1, list="a") for i in range(5)]
    twice = [Chunk("agreed " * 10, rank=2, list=name) for name in ("a", "b", "c")]
    once = [Chunk("alone " * 10, rank=0, list="a")]
    window = pack([*filler, *once, *twice], 13)
    assert window.pieces[0].text.startswith("agreed")


def test_the_query_decides_where_no_score_is_given():
    texts = ["cats sleep all day", "the boiler needs a new valve", "dogs bark at night"]
    assert pack(texts, 9, query="which valve for the boiler?").text == texts[1]


def test_embeddings_count_when_the_query_has_one():
    chunks = [Chunk("north " * 5, embedding=[1, 0]), Chunk("south " * 5, embedding=[0, 1])]
    assert "south" in pack(chunks, 8, query_embedding=[0.1, 1]).text
    rows = {"north " * 5: [1, 0], "south " * 5: [0, 1], "?": [0, 1]}
    chunks = [chunk.text for chunk in chunks]
    embed = lambda texts: np.array([rows.get(text, rows.get(text + " ")) for text in texts])  # noqa: E731
    assert "south" in pack(chunks, 8, query="?", embed=embed).text


def test_ranked_input_is_in_order_of_relevance():
    texts = ["zeta eta theta", "alpha beta gamma", "mu nu xi"]
    assert pack(texts, 6, ranked=True).text == texts[0]


# Sets do not depend on the order of the input


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([10, 40, 120]))
def test_the_order_of_the_input_does_not_change_the_set(rng, budget):
    items = random_input(rng)
    if any(isinstance(item, dict) and "role" in item for item in items):
        return
    shuffled = rng.sample(items, len(items))
    first, columns = pack_with_table(items, budget, query="fees", order="score")
    second, shuffled_columns = pack_with_table(shuffled, budget, query="fees", order="score")
    assert first.text == second.text
    assert kept_texts(first, columns) == kept_texts(second, shuffled_columns)


def test_the_same_input_gives_the_same_bytes():
    items = random_input(random.Random(5))
    assert json.dumps(pack(items, 60).to_dict()) == json.dumps(pack(items, 60).to_dict())


# Pins, requirements, alternatives


def test_a_pinned_chunk_survives_when_the_budget_shrinks():
    chunks = [Chunk("rules of the house", id="rules", pinned=True), *("filler " * 9 for _ in "ab")]
    for budget in (60, 20, 5, 4):
        assert "rules of the house" in pack(chunks, budget).text
    with pytest.raises(BudgetError, match=r"budget is 3 tokens .* need 4; .* unpin: 'rules'") as e:
        pack(chunks, 3)
    assert e.value.pinned == ("rules",)


def test_pins_that_do_not_fit_are_named_by_their_place_and_first_words():
    long = "Never ship a parcel abroad  without\nthe form that customs asks for."
    chunks = ["a first text", Chunk(long, pinned=True), Chunk("Be brief.", id="b", pinned=True)]
    with pytest.raises(BudgetError) as e:
        pack(chunks, 3)
    first, second = e.value.pinned
    assert str(e.value).endswith(
        f'unpin: {first!r} (chunk 1, "Never ship a parcel abroad without the…"), '
        "'b' (chunk 2, \"Be brief.\")"
    )
    assert second == "b"


def test_a_pin_on_any_repeat_pins_the_text():
    chunks = [Chunk("a b c d", id="x", rank=0), Chunk("a b c d", id="y", rank=1, pinned=True)]
    chunks.append(Chunk("words that rank best of all", rank=0, score=9.0))
    window = pack(chunks, 5)
    assert window.text == "a b c d"
    assert window.decisions[0].reason is Reason.PINNED


def test_no_version_of_a_pin_will_do():
    text = "the quick brown fox jumps over the lazy dog near the river bank on a sunny day"
    pin = Chunk(text + " and rests", id="pin", pinned=True, rank=9)
    window = pack([pin, Chunk(text, id="shorter", rank=0)], 200)
    assert window.text == pin.text


def test_two_pinned_versions_are_both_kept():
    a = Chunk(CLAUSE.format(days=30, end="."), id="a", pinned=True)
    b = Chunk(CLAUSE.format(days=30, end="!"), id="b", pinned=True)
    assert [True, True] == [d.kept for d in pack([a, b], 200, dedup_threshold=0.3).decisions]


def test_a_chunk_comes_with_what_it_requires_or_not_at_all():
    heading = Chunk("Section nine", id="h", rank=50)
    clause = Chunk("terminate " * 6, id="c", rank=0, requires=["h"])
    both = pack([heading, clause], 30)
    assert ["required", "selected"] == reasons(both)
    assert "required by c" in both.decisions[0].detail
    budget = ctxmem.count_tokens("terminate " * 6)
    small = pack([heading, clause], budget, compress=False)
    assert ["selected", "over_budget"] == reasons(small)


def test_a_chunk_without_what_it_requires_says_so():
    chunks = [Chunk("heading " * 50, id="h"), Chunk("clause", id="c", rank=0, requires=["h"])]
    clause = pack(chunks, 20).decisions[1]
    assert clause.reason is Reason.MISSING_REQUIREMENT
    assert clause.detail == "requires h, which does not fit with it"


def test_an_alternative_stands_in_where_the_whole_does_not_fit():
    chunk = Chunk("a long passage " * 20, alternatives=["a short one"], id="p")
    window = pack([chunk], 10)
    assert window.text == "a short one"
    assert "as its alternative" in window.decisions[0].detail
    assert pack([chunk], 10, compress=False).text == ""
    assert pack([chunk], 100).text == chunk.text.strip()


# Stitching

BOOK = "One fine day. Two cats sat. Three dogs ran. Four birds sang. Five fish swam. Six bees."


def cut(a, b, **fields):
    return Chunk(BOOK[a:b], source="book", span=(a, b), **fields)


def test_overlapping_neighbours_become_one_merged_text():
    window = pack([cut(0, 43), cut(28, 76), cut(61, len(BOOK))], 60)
    assert window.text == BOOK
    assert ((0, len(BOOK)),) == window.pieces[0].spans
    assert len(window.pieces) == 1


def test_neighbours_that_touch_are_joined_without_a_separator():
    assert pack([cut(0, 14), cut(14, 28)], 60).text == BOOK[:28].strip()


def test_shared_text_is_paid_for_once():
    chunks = [cut(0, 43), cut(14, 60), cut(28, 76)]
    tokens = ctxmem.count_tokens(BOOK[:76].strip())
    window = pack(chunks, tokens)
    assert (window.text, window.tokens) == (BOOK[:76].strip(), tokens)


def test_a_chunk_inside_another_is_represented_by_it():
    window = pack([cut(0, 76, rank=0, id="big"), cut(14, 28, rank=1, id="small")], 60)
    small = window.decisions[1]
    assert (small.kept, small.reason, small.represented_by) == (False, Reason.CONTAINED, "big")


def test_spans_that_do_not_match_their_text_are_not_stitched():
    liar = Chunk("Something else altogether.", source="book", span=(5, 31))
    window = pack([cut(0, 28), liar], 60)
    assert {BOOK[:28].strip(), liar.text} == {piece.text for piece in window.pieces}


def test_orders():
    chunks = [cut(61, 76, rank=0), cut(0, 13, rank=1), Chunk("Elsewhere.", source="a", rank=2)]
    order = {o: [p.text for p in pack(chunks, 60, order=o).pieces] for o in ctxmem.render.ORDERS}
    assert order["score"] == ["Five fish swam.", "One fine day.", "Elsewhere."]
    assert order["source"] == ["Elsewhere.", "One fine day.", "Five fish swam."]
    assert order["given"] == ["Five fish swam.", "One fine day.", "Elsewhere."]
    assert order["auto"] == ["One fine day.", "Five fish swam.", "Elsewhere."]


def test_auto_puts_the_best_evidence_at_both_ends_of_a_long_window():
    chunks = [Chunk(f"What topic {i} is about. " * 200, id=str(i), score=5.0 - i) for i in range(5)]
    window = pack(chunks, 100_000)
    assert ["0", "2", "4", "3", "1"] == [piece.chunk_ids[0] for piece in window.pieces]


# Chat messages


def chat():
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    return [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "old question " * 30},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "result " * 20},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "yes"},
    ]


def test_a_chat_keeps_system_and_last_user_turn_and_its_order():
    window = pack(chat(), 20)
    assert window.text.startswith("system: You are brief.")
    assert window.text.endswith("assistant: yes\n\nuser: yes")


def test_a_tool_call_and_its_result_stay_together():
    for budget in range(12, 120, 3):
        kept = [decision.kept for decision in pack(chat(), budget).decisions]
        assert kept[2] == kept[3], budget


# The example


def test_the_example_is_packed_as_the_readme_says():
    data = json.loads(EXAMPLE.read_text())
    window = pack(data["chunks"], data["budget"], query=data["query"])
    assert window.tokens <= data["budget"]
    assert "thirty days" in window.text and "10 per cent" in window.text
    assert sum(reason == "duplicate" for reason in reasons(window)) >= 15
    assert any("version of" in decision.detail for decision in window.decisions)


def test_versions_of_which_one_has_a_word_of_the_query_stand_side_by_side():
    filler = "is open to the public on every day of the week but for the days of the great feasts"
    chunks = [f"The harbour {filler}.", f"The orchard {filler}."]
    one = pack(chunks, 500, query="Which days are feasts?")
    assert [d.reason for d in one.decisions] == [Reason.SELECTED, Reason.NEAR_DUPLICATE]
    for asked in ("harbour", "orchard"):
        window = pack(chunks, 500, query=f"Is the {asked} open?")
        assert f"The {asked} {filler}." in window.text


def test_a_question_about_two_gets_the_sentence_of_each():
    filler = "is open to the public on every day of the week but for the days of the great feasts"
    chunks = [
        Chunk(f"The harbour {filler}. Boats are for hire near the pier in summer.", source="a"),
        Chunk(f"The orchard {filler}. Apples may be picked by guests in autumn.", source="b"),
    ]
    window = pack(chunks, 500, query="Are the harbour and the orchard open to the public?")
    assert f"The harbour {filler}." in window.text
    assert f"The orchard {filler}." in window.text


def test_one_very_large_text_is_shown_in_part():
    text = "The hall was painted by hand. " * 9000 + "The pump is blue. "
    text += "It rained a lot. " * 9000
    window = pack([text], 60, query="Which colour has the pump?")
    assert "The pump is blue." in window.text
    assert window.tokens <= 60


def test_an_empty_chunk_is_named_by_its_source():
    page = {"text": "", "source": "report.pdf, page 3"}
    with pytest.raises(InputError, match=r"chunk 1 \(source 'report.pdf, page 3'\) has an empty"):
        pack(["Some text.", page], 30)


def test_a_chat_comes_back_as_the_messages_that_are_kept():
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    history = [
        {"role": "system", "content": "Answer briefly."},
        {"role": "user", "content": "old talk " * 40},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
        {"role": "user", "content": "And now?"},
    ]
    window = pack(history, 70)
    assert window.messages == (history[0], *history[2:])
    assert all(
        mine is theirs for mine, theirs in zip(window.messages[1:], history[2:], strict=True)
    )
    assert ctxmem.check(list(window.messages)) == []
    assert pack(["a passage"], 70).messages is None

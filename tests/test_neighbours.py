"""Which chunks without spans are joined: only those whose overlap identifies the neighbour."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxmem import Chunk, pack
from ctxmem.outline.neighbours import is_definite

FOOTER = (
    "For questions please contact our service desk on weekdays from nine to five, "
    "by phone or by letter. "
)
ALPHA = "Product Alpha. The guarantee of Alpha lasts two years. " + FOOTER
BETA = "Product Beta. The guarantee of Beta lasts five years. " + FOOTER
WATER = FOOTER + "It is cleaned with water only."

PROSE = (
    "The mill was built beside the river in the spring of that year. Its wheel turned two stones, "
    "and farmers of nine villages brought their grain. After the flood a new owner replaced the "
    "wheel by a turbine, which drove a saw as well. Timber came down the valley on rafts until "
    "the railway opened. Then the yard was moved to the station, and only flour was made here. "
    "The last miller sold the building to a school, whose pupils restored the old machines. "
    "Visitors can watch them on Sundays, when bread is baked in an oven behind the house."
)


def joined(chunks, query="What is said?"):
    """Return which ids each piece has."""
    return sorted(piece.chunk_ids for piece in pack(chunks, 5000, query=query).pieces)


def windows(text, size, overlap, name, source="s.txt"):
    return [
        Chunk(text[at : at + size], id=name(k, at), source=source)
        for k, at in enumerate(range(0, len(text) - overlap, size - overlap))
    ]


@pytest.mark.parametrize("ids", ["k1 k2 k3", "a b c"])
def test_a_sentence_is_joined_to_no_record_if_two_could_precede_it(ids):
    texts = zip((ALPHA, BETA, WATER), ids.split(), (1, 0, 2), strict=True)
    chunks = [Chunk(text, source="m.md", id=name, rank=rank) for text, name, rank in texts]
    shown = {
        pack(order, 200, query="May Beta be cleaned?").text
        for order in itertools.permutations(chunks)
    }
    (text,) = shown
    assert "by letter. It is cleaned" not in text
    assert text.endswith("…\nIt is cleaned with water only.")
    assert 1 == text.count("service desk")


def test_ids_that_are_not_consecutive_say_that_others_are_between_two_chunks():
    first, second = PROSE[:300], PROSE[200:]
    for name, expected in (("k-4", [("k-3", "k-4")]), ("k-5", [("k-3",), ("k-5",)])):
        chunks = [Chunk(second, id=name, source="mill"), Chunk(first, id="k-3", source="mill")]
        assert expected == joined(chunks)


@pytest.mark.parametrize(
    "name",
    [
        lambda k, at: f"k{k}",
        lambda k, at: f"s-{k}",  # the name of the file
        lambda k, at: f"s:{at}",  # the offset
        lambda k, at: f"{'hgfedcba'[k]}",  # no number
        lambda k, at: f"s-{25 * k}",  # another unit
    ],
)
def test_true_neighbours_are_joined(name):
    chunks = windows(PROSE, 220, 100, name)
    for order in (chunks, chunks[::-1]):
        window = pack(order, 5000, query="mill")
        assert PROSE == window.text
        assert {chunk.id for chunk in chunks} == set(window.pieces[0].chunk_ids)


def test_members_of_records_that_are_all_alike_are_not_joined():
    fields = '"delay": 20, "attempts": 25, "state": "success", "matcher": "path"'
    text = "".join(f'  "op{k}": {{\n    {fields}\n  }},\n' for k in range(60))
    chunks = windows(text, 400, 100, lambda k, at: "abcdefghijklmnopqrstuvwxyz"[k], "r.json")
    pairs = [pair for pair in itertools.permutations(chunks[:12], 2) if by_distance(*pair) > 1]
    for pair in pairs[::3]:
        assert all(len(ids) == 1 for ids in joined(pair))


def by_distance(a, b):
    return abs(ord(a.id) - ord(b.id))


def test_lines_of_a_log_that_repeat_are_not_joined():
    line = "." * 72 + " [ {}%]\n"
    above = "one test\n" + line.format(21)
    below = line.format(21) + "another test\n"
    chunks = [Chunk(above, id="k-1", source="log"), Chunk(below, id="k-2", source="log")]
    assert [("k-1",), ("k-2",)] == joined(chunks)


def test_numbered_chunks_of_a_file_are_joined_by_their_ids_where_others_share_the_text():
    chunks = [
        Chunk(text, id=f"m-{k}", source="m.md") for k, text in enumerate((ALPHA, BETA, WATER))
    ]
    for order in itertools.permutations(chunks):
        text = pack(order, 500, query="May Beta be cleaned?").text
        assert "Beta lasts five years. " + WATER in text


def test_a_last_chunk_that_is_the_end_of_the_one_before_is_not_shown_twice():
    chunks = [
        Chunk(PROSE, id="s-1", source="s.txt"),
        Chunk("in an oven behind the house.", id="s-2", source="s.txt"),
    ]
    assert PROSE == pack(chunks, 5000, query="bread").text


@pytest.mark.parametrize(
    ("shared", "expected"),
    [
        ("one two three four five six", True),
        ("one two three and four, one two three and", False),  # begins as it ends
        ("...................... [ 21%]", False),
        ("", False),
        ("a" * 40 + " b c " + "a" * 39, False),
    ],
)
def test_a_text_that_repeats_itself_says_not_how_far_chunks_overlap(shared, expected):
    assert expected is is_definite(shared)


def test_whether_a_text_repeats_itself_is_found_in_few_steps():
    # Its first characters are at each of its places; only the end differs.
    assert not is_definite("a " * 300_000 + "b c")


FORMS = {
    "number": lambda k, at: f"k{k}",
    "file": lambda k, at: f"s-{k}",
    "offset": lambda k, at: f"s:{at}",
    "none": lambda k, at: f"{chr(97 + 7 * k % 26)}{chr(97 + k)}",
}
sentences = st.lists(
    st.sampled_from([FOOTER, *(f"{part.strip()}. " for part in PROSE.split(".") if part.strip())]),
    min_size=6,
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(
    sentences,
    st.sampled_from([160, 240]),
    st.sampled_from([70, 100]),
    st.sampled_from(sorted(FORMS)),
    st.randoms(use_true_random=False),
)
def test_shuffling_the_input_changes_nothing(parts, size, overlap, form, rng: random.Random):
    chunks = windows("".join(parts), size, overlap, FORMS[form])
    hits = rng.sample(chunks, min(len(chunks), 6))
    shuffled = rng.sample(hits, len(hits))
    budget = rng.choice([60, 150, 2000])
    a, b = (pack(order, budget, query="Who sold the mill?") for order in (hits, shuffled))
    assert a.text == b.text
    assert {d.chunk_id for d in a.decisions if d.kept} == {
        d.chunk_id for d in b.decisions if d.kept
    }

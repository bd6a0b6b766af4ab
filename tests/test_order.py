"""Passages whose place is not known, in the order in which the ids of their chunks count."""

from __future__ import annotations

from ctxmem.bench.structure import misplaced
from hypothesis import given
from hypothesis import strategies as st

from ctxmem import Chunk, pack
from ctxmem.outline import order
from ctxmem.outline.order import Member, counted_order


def passage(*names):
    return [Member(name, 100 * k, 100) for k, name in enumerate(names)]


def test_numbers_count_as_numbers():
    assert [1, 2, 0] == counted_order([passage("doc-10"), passage("doc-2"), passage("doc-9")])


def test_where_nothing_counts_the_least_id_decides():
    assert [1, 0] == counted_order([passage("beta"), passage("alpha")])


def test_passages_of_two_splitters_are_compared_by_where_they_begin():
    both = [Member("a-1", 0, 100), Member("b-1", 50, 150)]
    # b-3 begins 2 * 150 after b-1, at 350; a-5 begins 4 * 100 after a-1, at 400.
    assert [2, 1, 0] == counted_order([passage("a-5"), [Member("b-3", 0, 150)], both])


def test_between_two_passages_of_both_splitters_positions_are_interpolated():
    first = [Member("a-0", 0, 100), Member("b-0", 0, 100)]
    last = [Member("a-10", 0, 100), Member("b-40", 0, 100)]
    # Four chunks of b go with one of a, whatever their lengths: b-11 begins before a-3.
    passages = [last, passage("a-3"), passage("b-11"), passage("b-13"), first]
    assert [4, 2, 1, 3, 0] == counted_order(passages)


def test_series_that_share_no_passage_follow_each_other():
    passages = [passage("b-1"), passage("a-2"), passage("b-0"), passage("a-1"), passage("a-3")]
    assert [3, 1, 4, 2, 0] == counted_order(passages)


def test_orders_that_contradict_each_other_lose_no_passage():
    passages = [passage("a-1", "b-9"), passage("a-2", "b-8"), passage("a-3", "b-1")]
    assert [0, 1, 2] == sorted(counted_order(passages))


names = st.tuples(st.sampled_from("ab"), st.integers(0, 99)).map("{0[0]}-{0[1]}".format)
members = st.builds(Member, names, st.integers(0, 500), st.integers(0, 200))


@given(st.lists(st.lists(members, min_size=1, max_size=4), max_size=12))
def test_any_passages_are_put_into_some_order(passages):
    assert [*range(len(passages))] == sorted(counted_order(passages))


@given(
    st.integers(40, 120),
    st.integers(40, 120),
    st.lists(st.integers(0, 3000), min_size=1, max_size=20, unique=True),
)
def test_chunks_of_even_splitters_come_out_in_the_order_of_the_text(a, b, starts):
    """Each passage begins with the chunk of one splitter that begins there; one has both at 0."""
    true = [0]
    passages = [[Member("a-0", 0, a), Member("b-0", 0, b)]]
    for k, start in enumerate(sorted(starts)):
        stride, series = (a, "a") if k % 2 else (b, "b")
        number = start // stride + 1
        at = number * stride
        if at not in true:
            passages.append([Member(f"{series}-{number}", 0, stride)])
            true.append(at)
    order = counted_order(passages)
    assert sorted(true) == [true[k] for k in order]


def test_the_window_follows_the_text_though_ids_of_two_splitters_do_not():
    text = " ".join(f"Sentence {k} is about pump {k}." for k in range(60))
    whole = [text[at : at + 300] for at in range(0, len(text), 300)]
    short = [text[at : at + 200] for at in range(0, len(text), 200)]
    given_chunks = [
        Chunk(whole[0], id="a-0", source="pumps"),
        Chunk(short[1], id="b-1", source="pumps"),
        Chunk(whole[5], id="a-5", source="pumps"),
        Chunk(short[5], id="b-5", source="pumps"),
    ]
    window = pack(given_chunks, 10_000, compress=False)
    begins = [text.index(piece.text[:60]) for piece in window.pieces]
    assert sorted(begins) == begins == [0, 1000, 1500]


def test_the_bench_counts_pieces_that_come_after_a_later_one():
    chunks = [
        dict(id=name, text=text, source="pumps.md", span=None, rank=rank, list="bm25")
        for rank, (name, text) in enumerate(
            [("b", "Pump 1 is red."), ("a", "Pump 2 is red."), ("c", "Pump 3 is red.")]
        )
    ]
    known = {"a": ("pumps.md", 0, 14), "b": ("pumps.md", 20, 34), "c": ("pumps.md", 40, 54)}
    turned = {"a": ("pumps.md", 20, 34), "b": ("pumps.md", 0, 14), "c": ("pumps.md", 40, 54)}
    # Ids without numbers are in the order of the ids: a, b, c.
    assert 0 == misplaced("Which pump is red?", chunks, 200, known)
    assert 1 == misplaced("Which pump is red?", chunks, 200, turned)


def test_long_ids_are_not_remembered():
    order._known.cache_clear()
    assert order.numbered("a" * 100_000 + "7b") == (("a" * 100_000, "b"), 7)
    assert order._known.cache_info().currsize == 0
    assert order.numbered("an id that no other test has 7") is not None
    assert order._known.cache_info().currsize == 1

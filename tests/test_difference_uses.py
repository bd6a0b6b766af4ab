"""Every function that folds near-duplicates follows the rule of difference."""

from __future__ import annotations

import pytest

import ctxmem
from ctxmem import Chunk, DedupIndex, InputError, find_near_duplicates

FEE = "The fee is due within {} days of the receipt of the letter at the office of the owner."


def test_near_duplicates_that_differ_stay_apart_where_asked():
    texts = [FEE.format(days) for days in (30, 45, 30, 45, 60)]
    texts[2] += " Soon."
    texts[3] += " Soon."
    assert [[0, 1, 2, 3, 4]] == find_near_duplicates(texts)
    for method in ("exact", "sketch"):
        groups = find_near_duplicates(texts, careful=True, method=method)
        assert [[0, 2], [1, 3]] == groups
        assert [2, 3] == [group.representative for group in groups]  # the longest of each
    assert [0, 1] == [
        g.representative for g in find_near_duplicates(texts, careful=True, prefer="first")
    ]


def test_an_embedding_does_not_join_texts_that_differ():
    vectors = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]
    texts = ["It opens at 5.", "They open it at 6.", "At 5 they open."]
    groups = find_near_duplicates(texts, embeddings=vectors, similar=0.9, careful=True)
    assert [[1, 2]] != groups and all(1 not in group for group in groups)


def test_a_careful_index_matches_what_says_the_same(tmp_path):
    index = DedupIndex(careful=True)
    index.add(["thirty", "forty", "\ud800"], [FEE.format(30), FEE.format(45), "odd \ud800 text"])
    path = tmp_path / "index"
    index.save(path)
    for known in (index, DedupIndex.load(path)):
        assert [["forty"]] == [
            [match.id for match in row] for row in known.query([FEE.format("45").upper()])
        ]
    index.remove(["forty"])
    assert [[]] == index.query([FEE.format(45)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged"):
        DedupIndex.load(path)


def test_chunks_spans_and_embeddings_follow_the_one_rule():
    one, other = FEE.format("30"), FEE.format("45").replace("owner", "agent")
    beside = " ".join(f"Sentence number {i} is about the yearly report." for i in range(5))
    for more in ([], [Chunk(beside, id="beside")]):
        window = ctxmem.pack([Chunk(one, id="1"), Chunk(other, id="2"), *more], 400)
        assert one in window.text and other in window.text
    close = [
        Chunk(text, id=text[:5], embedding=[1.0, 0.0]) for text in ("Pay 5 now.", "Now 6 is paid.")
    ]
    assert 2 == sum(d.kept for d in ctxmem.pack(close, 400, similar=0.9).decisions)

"""Texts that were made up to collide, under the hashes of 0.1, are as different as they look.

Until 0.2 a word was known by an unkeyed hash that can be inverted: for any word, another of the
same hash is found in a tenth of a second. The pairs below were found so. What holds of hashes with
a key is tested by properties: equal words are equal in one process, and only there.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import xxhash
from sample_texts import FOX, passages

import ctxmem
from ctxmem import _native, _testing

TWINS = {
    "the": "qj645zc3w5jom16w",
    "notice": "gyb94yha7newzd5n",
    "period": "cb92sas894bdfk2o",
    "is": "m29migwk25ocppxu",
    "thirty": "ll9fv4abh9dhfc6a",
    "days": "i4pksrkodw0v38rd",
    "and": "1ate30w1dhwl1su7",
    "fee": "yngsntsz5g1zytdw",
}
HONEST = "the notice period is thirty days and the fee"
PLANTED = " ".join(TWINS[word] for word in HONEST.split())


@pytest.mark.parametrize("ngram", [1, 3])
def test_words_that_collided_are_not_alike(ngram):
    assert ctxmem.find_near_duplicates([HONEST, PLANTED], 0.1, ngram=ngram) == []
    index = ctxmem.DedupIndex(0.1, ngram=ngram)
    index.add(["planted"], [PLANTED])
    assert index.query([HONEST, PLANTED]) == [[], [ctxmem.Match("planted", 1.0)]]


@pytest.mark.parametrize("dedup", [{}, {"dedup_threshold": 0.5}])
def test_a_planted_passage_hides_no_other(dedup):
    chunks = [
        ctxmem.Chunk(PLANTED, id="planted", rank=0, list="a"),
        ctxmem.Chunk(HONEST, id="honest", rank=1, list="a"),
    ]
    window = ctxmem.pack(chunks, 400, **dedup)
    assert [True, True] == [decision.kept for decision in window.decisions]


def test_words_are_equal_in_one_process_and_have_other_hashes_in_the_next():
    code = "from ctxmem import _testing; print(_testing.words('fee Fee fees').tolist())"
    runs = [
        json.loads(subprocess.check_output([sys.executable, "-c", code], text=True))
        for _ in range(2)
    ]
    for fee, same, fees in runs:
        assert fee == same
        assert fee != fees
    assert set(runs[0]).isdisjoint(runs[1])


def test_hashes_of_a_seed_are_the_same_in_every_process():
    code = "from ctxmem import _testing; print(_testing.words('fee Fee fees', 7).tolist())"
    out = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert out == f"{_testing.words('fee Fee fees', 7).tolist()}\n"
    assert _testing.words("fee", 7) != _testing.words("fee", 8)


def test_a_word_has_one_hash_wherever_it_stands_and_however_it_is_written():
    made = [f"{'x' * size}{tail}" for size in range(1, 40) for tail in ("", "y", "é", "中")]
    for word in made:
        alone = _testing.words(word).tolist()
        assert alone == _testing.words(f"a, {word.upper()}; b").tolist()[1:-1]
    assert len({tuple(_testing.words(word).tolist()) for word in made}) == len(made)


def test_the_join_is_the_same_with_any_key():
    texts = passages(300, 30, seed=3)
    priority = np.arange(300.0)
    expected = _native.near_duplicate_groups(texts, priority, 0.4, 2)
    for key in (b"", bytes(16), b"sixteen bytes ..", b"\xff" * 16):
        groups, similarity = _native.near_duplicate_groups(texts, priority, 0.4, 2, key=key)
        assert groups.tolist() == expected[0].tolist()
        assert similarity.tolist() == expected[1].tolist()
    with pytest.raises(ValueError, match="16 bytes"):
        _native.near_duplicate_groups(texts, priority, 0.4, 2, key=b"short")


def test_results_do_not_depend_on_the_process():
    code = (
        "import ctxmem; from sample_texts import passages; t = passages(80, 30, seed=4)\n"
        "w = ctxmem.pack(t, 300, query='what the fox does')\n"
        "d = [ctxmem.differences(a, b) for a, b in zip(t, t[1:])]\n"
        "i = ctxmem.DedupIndex(0.2); i.add(range(80), t)\n"
        "g = ctxmem.find_near_duplicates(t, 0.3, method='sketch')\n"
        "print(repr([w.text, w.decisions, d, i.query(t), g]))"
    )
    out = [
        subprocess.check_output([sys.executable, "-c", code], text=True, cwd="tests")
        for _ in range(2)
    ]
    assert out[0] == out[1]


def test_ids_of_texts_are_not_those_of_a_hash_that_can_be_inverted():
    (chunk_id,) = [decision.chunk_id for decision in ctxmem.pack([FOX], 100).decisions]
    assert len(chunk_id) == 32
    assert chunk_id != xxhash.xxh3_128_hexdigest(FOX.encode())


def test_a_word_with_the_hash_of_a_negation_is_no_negation():
    # Every word of the lists is found by its letters, and no other word is.
    assert ctxmem.differences("The fee may be due.", "The fee may not be due.") != []
    assert ctxmem.differences("The fee may not be due.", "The fee may nott be due.") != []

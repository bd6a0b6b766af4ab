"""Signatures, sketched groups, and the index of texts that come and go."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from itertools import pairwise

import numpy as np
import pytest
import reference_dedup
import xxhash
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sample_texts import FOX, THRESHOLDS, few_words, hostile_text, passages

from ctxmem import _native, _testing
from ctxmem.dedup import DedupIndex, Match, find_near_duplicates, minhash
from ctxmem.errors import InputError, InputTypeError

# Sketches


def test_signatures_equal_the_slow_twin():
    texts = [FOX, "", "a b c d e f", *passages(3, 60, seed=2)]
    for permutations, seed in ((64, 0), (128, 1), (192, 2**64 - 1)):
        shingles, start = _testing.shingle_sets(texts, 3, seed=seed)
        rows = _testing.minhash(shingles, start, permutations, seed).tolist()
        for row, (begin, end) in zip(rows, pairwise(start.tolist()), strict=True):
            expected = reference_dedup.minhash(shingles[begin:end].tolist(), permutations, seed)
            assert expected == row


def test_texts_are_signed_as_their_sets_are():
    texts = [FOX, "", "...", "a a a a a a", "中文字", "yes", *passages(40, 60, seed=2)]
    for ngram, unit, seed in ((3, "word", 1), (1, "word", 7), (5, "char", 2**64 - 1)):
        sets = _testing.shingle_sets(texts, ngram, unit == "char", seed)
        expected = _testing.minhash(*sets, 192, seed)
        for threads in (1, 2, 5):
            rows = minhash(
                texts, ngram=ngram, unit=unit, permutations=192, seed=seed, threads=threads
            )
            assert (expected == rows).all()
    assert minhash([]).shape == (0, 128)


@pytest.mark.parametrize("level", ["base", "v3", "v4"])
def test_every_cpu_level_gives_the_same_bits(level):
    program = (
        "import hashlib, numpy as np; from ctxmem import _native, _testing\n"
        "rng = np.random.default_rng(1)\n"
        "h = rng.integers(0, 2**63, 999, dtype=np.uint64)\n"
        "out = _testing.minhash(h, np.array([0, 0, 1, 3, 150, 999]), 256, 7)\n"
        "t = ['x' * k + ' É中 a-b C9 ' * 9 + 'word ' * k for k in range(90)]\n"
        "s = np.concatenate([_testing.words(text, 3) for text in t])\n"
        "w = _native.shingles('a b c d e f g h i j k l m n o p q r s t u v w x', 5, 3)\n"
        "print(hashlib.sha256(out.tobytes() + w.tobytes() + s.tobytes()).hexdigest())"
    )
    command = [sys.executable, "-c", program]
    digests = []
    for forced in ("base", level):
        ran = subprocess.run(
            command,
            env={**os.environ, "CTXMEM_CPU": forced},
            capture_output=True,
            text=True,
            check=False,
        )
        if "this machine supports" in ran.stderr:
            pytest.skip(f"this machine has no {level}")
        assert ran.returncode == 0, ran.stderr
        digests.append(ran.stdout)
    assert digests[0] == digests[1]


def test_signatures_estimate_jaccard_similarity_as_theory_says():
    texts = passages(200, 60, seed=4)
    shingles, start = _testing.shingle_sets(texts, 3)
    signatures = _testing.minhash(shingles, start)
    left, right, similarity = _testing.near_duplicate_pairs(texts, 0.3, 3)
    error = (signatures[left] == signatures[right]).mean(axis=1) - similarity
    expected = np.sqrt(np.mean(similarity * (1 - similarity) / 128))
    assert len(left) > 100
    assert np.sqrt(np.mean(error**2)) < 1.3 * expected


@pytest.mark.parametrize("threshold", [0.1, *THRESHOLDS, 0.99, 1.0])
def test_the_band_plan_reaches_its_recall_with_the_longest_bands(threshold):
    def recall(bands: int, rows: int) -> float:
        return 1 - (1 - threshold**rows) ** bands

    bands, rows = _testing.band_plan(threshold)
    assert bands * rows <= 128
    assert recall(bands, rows) >= 0.99
    assert rows == 16 or recall(128 // (rows + 1), rows + 1) < 0.99


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_sketched_groups_are_near_the_exact_ones_and_never_wrong(threshold):
    texts = passages(300, 60, seed=6)
    lengths = np.array([len(text) for text in texts], float)
    exact, _ = _native.near_duplicate_groups(texts, lengths, threshold, 3)
    found, similarity = _native.near_duplicate_groups_sketched(texts, lengths, threshold, 3)
    assert (exact == found).mean() > 0.98
    sets = [reference_dedup.shingle_set(text, 3) for text in texts]
    for i, centre in enumerate(found.tolist()):
        assert similarity[i] == reference_dedup.similarity(sets[i], sets[centre], containment=False)
        assert similarity[i] >= threshold


def test_floods_stay_linear_by_sketch_too():
    texts = [FOX] * 20_000 + [f"{FOX} and rests under tree {i}" for i in range(5_000)]
    groups = find_near_duplicates(texts, method="sketch")
    assert groups == [list(range(25_000))]
    index = DedupIndex()
    index.add(range(25_000), texts)
    index.remove(range(20_000))
    assert index.query([FOX])[0][0] == Match(20_000, 7 / 12)
    assert len(index) == 5_000


class IndexMachine(RuleBasedStateMachine):
    """A DedupIndex against a dict, and against an index built anew from it."""

    def __init__(self):
        super().__init__()
        self.index = DedupIndex(0.5, ngram=2)
        self.model: dict[str | int, str] = {}
        self.folder = tempfile.TemporaryDirectory()

    def teardown(self):
        self.folder.cleanup()

    ids = st.integers(0, 30) | st.sampled_from(["x", "y", "1"])

    @rule(batch=st.dictionaries(ids, few_words | hostile_text, max_size=12))
    def add(self, batch):
        if self.model.keys() & batch.keys():
            with pytest.raises(InputError, match="in the index already"):
                self.index.add(list(batch), list(batch.values()))
        else:
            self.index.add(list(batch), list(batch.values()))
            self.model.update(batch)

    @rule(ids=st.lists(ids, max_size=12, unique=True))
    def remove(self, ids):
        if set(ids) - self.model.keys():
            with pytest.raises(InputError, match="is not in the index"):
                self.index.remove(ids)
        else:
            self.index.remove(ids)
            for id in ids:
                del self.model[id]

    @rule()
    def remove_most(self):
        ids = list(self.model)[: len(self.model) * 3 // 4]
        self.index.remove(ids)
        for id in ids:
            del self.model[id]

    @rule()
    def save_and_load(self):
        path = f"{self.folder.name}/index"
        self.index.save(path)
        self.index = DedupIndex.load(path)

    @rule(texts=st.lists(few_words, max_size=4))
    def query(self, texts):
        anew = DedupIndex(0.5, ngram=2)
        anew.add(list(self.model), list(self.model.values()))
        assert self.index.query(texts) == anew.query(texts)

    @rule()
    def everything_is_found(self):
        sets = {id: reference_dedup.shingle_set(text, 2) for id, text in self.model.items()}
        answers = self.index.query(list(self.model.values()))
        for (id, mine), matches in zip(sets.items(), answers, strict=True):
            alike = {
                other: reference_dedup.similarity(mine, theirs, containment=False)
                for other, theirs in sets.items()
            }
            assert matches == [
                Match(other, share)
                for other, share in sorted(alike.items(), key=lambda item: -item[1])
                if share >= 0.5 and other in {match.id for match in matches}
            ]
            assert {other for other, share in alike.items() if share == 1} <= {
                match.id for match in matches
            }
            assert id in {match.id for match in matches}

    @invariant()
    def sizes_agree(self):
        assert len(self.index) == len(self.model)
        assert all(id in self.index for id in self.model)


TestIndexMachine = IndexMachine.TestCase
TestIndexMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_a_saved_index_of_the_same_content_has_the_same_bytes(tmp_path):
    texts = passages(60, 40, seed=8)
    index = DedupIndex(seed=5)
    index.add(range(60), texts)
    index.save(tmp_path / "one")
    index.add(["gone"], ["something else entirely"])
    index.remove(["gone"])
    index.save(tmp_path / "other")
    DedupIndex.load(tmp_path / "one").save(tmp_path / "third")
    one, other, third = ((tmp_path / n).read_bytes() for n in ("one", "other", "third"))
    assert one == other == third
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other", "third"]


def test_a_header_that_is_no_object_is_refused(tmp_path):
    path = tmp_path / "index"
    for head in (b"[]", b"null", b"1e999", b"[" * 100_000, b'{"ids":' + b"[" * 100_000, b"\xff"):
        sizes = np.array([3, len(head)], "<u8").tobytes()
        forged = b"ctxmem near-duplicates\n" + sizes + head
        path.write_bytes(forged + xxhash.xxh3_128_digest(forged))
        with pytest.raises(InputError, match="is damaged"):
            DedupIndex.load(path)


def test_an_index_of_an_earlier_version_is_refused_by_its_version(tmp_path):
    forged = b"ctxmem near-duplicates\n" + np.array([1, 2], "<u8").tobytes() + b"{}"
    (tmp_path / "old").write_bytes(forged + xxhash.xxh3_128_digest(forged))
    with pytest.raises(InputError, match="is of version 1; expected 3"):
        DedupIndex.load(tmp_path / "old")


def test_a_query_returns_the_first_of_many_matches():
    index = DedupIndex()
    index.add(range(300), [FOX] * 300)
    assert index.query([FOX, "unlike"]) == [[Match(i, 1.0) for i in range(100)], []]
    assert index.query([FOX], limit=2) == [[Match(0, 1.0), Match(1, 1.0)]]
    index.remove([0, 2])
    assert [match.id for match in index.query([FOX], limit=3)[0]] == [1, 3, 4]
    assert len(index.query([FOX], limit=None)[0]) == 298


def test_without_a_limit_a_query_finds_all_of_a_crowd():
    words = [f"word{i}" for i in range(60)]
    texts = [" ".join([*words[:k], f"new{k}", *words[k + 1 :]]) for k in range(60)]
    texts = [f"{text} {n}" for n in range(25) for text in texts]  # 1,500 that are alike
    index = DedupIndex(0.5)
    index.add(range(len(texts)), texts)
    assert len(index.query(texts[:1])[0]) == 100
    (found,) = index.query(texts[:1], limit=None)
    assert sorted(match.id for match in found) == list(range(1500))
    assert min(match.similarity for match in found) > 0.7


def test_the_most_similar_matches_come_first_whatever_the_limit():
    index = DedupIndex(0.1)
    words = FOX.split()
    index.add(range(6), [" ".join(words[i:]) for i in (3, 1, 0, 2, 0, 1)])
    every = index.query([FOX])[0]
    assert [match.id for match in every] == [2, 4, 1, 5, 3, 0]
    for limit in range(1, 7):
        assert index.query([FOX], limit=limit)[0] == every[:limit]


def test_a_careful_index_looks_behind_the_versions():
    fees = [f"The fee of {i} euro is due on the first of May." for i in range(150)]
    index = DedupIndex(careful=True)
    index.add(range(150), fees)
    assert index.query([fees[140]]) == [[Match(140, 1.0)]]


def test_each_index_has_a_key_of_its_own(tmp_path):
    files = []
    for name in ("one", "other"):
        index = DedupIndex()
        index.add([1, 2], [FOX, "a b c d"])
        index.save(tmp_path / name)
        files.append((tmp_path / name).read_bytes())
    assert len(files[0]) == len(files[1])
    assert files[0] != files[1]


def test_a_damaged_index_is_a_clear_error(tmp_path):
    index = DedupIndex()
    index.add(["a", "b"], [FOX, "another text altogether, or nearly"])
    path = tmp_path / "index"
    index.save(path)
    content = path.read_bytes()
    for at in range(0, len(content), 7):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        with pytest.raises(InputError, match=r"damaged|is not an index|is of version"):
            DedupIndex.load(path)
    for size in range(0, len(content), 11):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"damaged|is not an index"):
            DedupIndex.load(path)
    path.write_bytes(content)
    assert DedupIndex.load(path).query([FOX]) == [[Match("a", 1.0)]]


def test_a_forged_index_with_a_right_checksum_is_refused(tmp_path):
    index = DedupIndex()
    index.add([1, 2], [FOX, "a b c d"])
    path = tmp_path / "index"
    index.save(path)
    body = path.read_bytes()[:-16]
    keys = 2 * 8 * _testing.band_plan(0.5)[0]  # bytes of the band keys, at the end
    shingle = body[-keys - 8 : -keys]
    for old, new in (
        (b'"ids":[1,2]', b'"ids":[1,1]'),
        (b'"ids":[1,2]', b'"ids":[[],2'),
        (b'"sets":2', b'"sets":3'),
        (b'"sets":2', b'"sets":1'),
        (b'"sets":2', b'"sets":' + b"9" * 40),
        (b'"sets":2', b'"sets":-1'),
        (b'"shingles":9', b'"shingles":1e9'),
        (b'"threshold":0.5', b'"threshold":null'),
        (b'"ngram":3', b'"ngram":0'),
        (b'"permutations":128', b'"permutations":127'),
        (b'"seed":1', b'"seed":-1'),
        (b'"unit":"word"', b'"unit":"page"'),
        (b'"seed":1', b'"seed":1,"more":1'),
        (b'"band_keys"', b'"band_kexs"'),
        (shingle, bytes(8)),
        (body[-1:], body[-1:] * 2),
    ):
        forged = body.replace(old, new)
        assert forged != body
        path.write_bytes(forged + xxhash.xxh3_128_digest(forged))
        with pytest.raises(InputError):
            DedupIndex.load(path)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    index = DedupIndex()
    index.add(["a"], [FOX])
    index.save(tmp_path / "index")
    index.add(["b"], [FOX])

    def fail(handle: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        index.save(tmp_path / "index")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    assert len(DedupIndex.load(tmp_path / "index")) == 1


def test_an_index_is_read_by_many_threads_while_one_writes():
    texts = passages(200, 40, seed=9)
    index = DedupIndex()
    index.add(range(100), texts[:100])
    before = index.query(texts[:20])
    failures: list[object] = []

    def read() -> None:
        for _ in range(30):
            for expected, actual in zip(before, index.query(texts[:20]), strict=True):
                ours = [match for match in actual if match.id < 100]
                if ours != expected:
                    failures.append((expected, actual))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for _ in range(10):
        index.add(range(100, 200), texts[100:])
        index.remove(range(100, 200))
    for reader in readers:
        reader.join()
    assert failures == []


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda index: index.add("ab", ["x", "y"]), InputTypeError, "ids is one str"),
        (lambda index: index.add([None], ["x"]), InputTypeError, r"ids\[0\] is of type NoneType"),
        (lambda index: index.add([True], ["x"]), InputTypeError, r"ids\[0\] is of type bool"),
        (lambda index: index.add(["a", "a"], ["x", "y"]), InputError, "'a' is given twice"),
        (lambda index: index.add(["a"], ["x", "y"]), InputError, "ids are 1 and texts are 2"),
        (lambda index: index.remove(["z"]), InputError, "'z' is not in the index"),
        (lambda index: index.query("one"), InputTypeError, "put it into a list"),
        (lambda index: index.query(["a"], limit=0), InputError, "limit is 0"),
        (lambda index: index.query(["a"], limit=1.0), InputTypeError, "limit is a float"),
        (lambda index: DedupIndex(seed=-1), InputError, "seed is -1"),
        (lambda index: minhash("one"), InputTypeError, "put it into a list"),
        (lambda index: minhash([], permutations=100), InputError, "permutations is 100"),
        (lambda index: minhash([], threads=0), InputError, "threads is 0"),
        (
            lambda index: find_near_duplicates([], method="sketch", measure="containment"),
            InputError,
            "method='exact' for containment",
        ),
    ],
)
def test_a_misused_index_says_so_and_stays_as_it_was(call, error, said):
    index = DedupIndex()
    index.add(["b"], [FOX])
    with pytest.raises(error, match=said):
        call(index)
    assert index.query([FOX]) == [[Match("b", 1.0)]]

from __future__ import annotations

import inspect
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
import reference
import xxhash
from cpp_build import compile_and_run
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ctxmem import _native, dedup
from ctxmem.dedup import DedupIndex, Match, find_near_duplicates
from ctxmem.errors import CtxmemWarning, InputError, InputTypeError

THRESHOLDS = [0.3, 0.5, 0.7, 0.85]
NGRAMS = [1, 2, 3, 5]
MODES = [(c, m) for c in (False, True) for m in (False, True)]

FOX = "the quick brown fox jumps over the lazy dog"

# Characters that decide where words begin and end, and how they are lower-cased.
ALPHABET = "abAB  ..,-'019éÉßİıſǅßñ\u0301\u0e01\u0e34中文字あア한글ع١\n\t\0\ud800\udc00😀_"
hostile_text = st.text(alphabet=ALPHABET, max_size=40)
few_words = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), max_size=14).map(" ".join)


def passages(count: int, words: int, seed: int) -> list[str]:
    """English passages from the standard library's docstrings, four in ten edited copies."""
    source = " ".join(
        inspect.getdoc(obj) or ""
        for module in (random, threading, inspect)
        for obj in vars(module).values()
        if inspect.isclass(obj) or inspect.isfunction(obj)
    ).split()
    rng = random.Random(seed)
    starts = iter(rng.sample(range(len(source) - words), count))
    made: list[str] = []
    while len(made) < count:
        if made and rng.random() < 0.4:
            made.append(edited(rng.choice(made), rng))
        else:
            start = next(starts)
            made.append(" ".join(source[start : start + words]))
    return made


def edited(text: str, rng: random.Random) -> str:
    words = text.split()
    kind = rng.randrange(6)
    if kind == 0:
        return text.upper().replace(" ", " , ")
    if kind == 1:
        return " ".join(words[: int(len(words) * rng.uniform(0.4, 0.9))])
    if kind == 2:
        return " ".join(words[len(words) // 3 :] + words[: len(words) // 3])
    if kind == 3:
        return "Copyright notice. All rights reserved. " + text
    share = rng.choice([0.02, 0.05, 0.1, 0.2])
    return " ".join(f"edit{rng.randrange(50)}" if rng.random() < share else w for w in words)


# The oracle


@pytest.mark.parametrize("ngram", NGRAMS)
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize(("characters", "containment"), MODES)
def test_pairs_of_real_text_are_exactly_those_of_brute_force(
    threshold, ngram, characters, containment
):
    texts = passages(120, 60, seed=ngram)
    expected = reference.near_duplicate_pairs(
        texts, threshold, ngram, characters=characters, containment=containment
    )
    actual = reference.as_rows(
        *_native.near_duplicate_pairs(texts, threshold, ngram, characters, containment)
    )
    assert expected == actual
    assert len(expected) > 5


@pytest.mark.parametrize("ngram", NGRAMS)
@pytest.mark.parametrize(("characters", "containment"), MODES)
def test_stars_of_real_text_are_exactly_those_of_brute_force(ngram, characters, containment):
    texts = passages(120, 60, seed=10 + ngram)
    priority = np.random.default_rng(ngram).integers(0, 9, len(texts)).astype(float)
    for threshold in THRESHOLDS:
        expected = reference.near_duplicate_stars(
            texts, priority, threshold, ngram, characters=characters, containment=containment
        )
        actual = reference.as_rows(
            *_native.near_duplicate_stars(
                texts, priority, threshold, ngram, characters, containment
            )
        )
        assert expected == actual


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(hostile_text | few_words, max_size=14),
    threshold=st.sampled_from([*THRESHOLDS, 0.05, 1 / 3, 1.0]),
    ngram=st.sampled_from([*NGRAMS, 2**31 - 1]),
    mode=st.sampled_from(MODES),
    seed=st.integers(0, 99),
)
def test_any_text_agrees_with_brute_force(texts, threshold, ngram, mode, seed):
    options = dict(zip(("characters", "containment"), mode, strict=True))
    pairs = _native.near_duplicate_pairs(texts, threshold, ngram, **options)
    expected = reference.near_duplicate_pairs(texts, threshold, ngram, **options)
    assert expected == reference.as_rows(*pairs)
    priority = np.random.default_rng(seed).integers(0, 4, len(texts)).astype(float)
    stars = _native.near_duplicate_stars(texts, priority, threshold, ngram, **options)
    expected_stars = reference.near_duplicate_stars(texts, priority, threshold, ngram, **options)
    assert expected_stars == reference.as_rows(*stars)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | hostile_text, st.integers(0, 40))
def test_words_begin_and_end_where_the_twin_says(text, padding):
    # Padding moves the text against the blocks that the fast path reads.
    padded = "x" * padding + text
    words = reference.split_words(padded)
    hashes = _native.words(padded).tolist()
    assert len(words) == len(hashes)
    assert [_native.words(word).tolist() for word in words] == [[h] for h in hashes]


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(st.text("ab", max_size=12) | st.text("aé中😀", max_size=9), max_size=9),
    sources=st.integers(1, 2),
    min_chars=st.integers(1, 4),
)
def test_overlaps_agree_with_trying_every_offset(texts, sources, min_chars):
    source = np.arange(len(texts), dtype=np.int32) % sources
    expected = reference.text_overlaps(texts, source.tolist(), min_chars)
    assert expected == reference.as_rows(*_native.text_overlaps(texts, source, min_chars))


@settings(max_examples=100, deadline=None)
@given(st.lists(few_words, max_size=14), st.sampled_from(THRESHOLDS), st.sampled_from(NGRAMS))
def test_words_split_already_give_the_same_stars(texts, threshold, ngram):
    texts = [text for text in texts if text]
    priority = np.array([len(text) for text in texts], float)
    order = np.argsort(-priority, kind="stable").astype(np.int32)
    words, start = _native.split_texts(texts)
    expected = _native.near_duplicate_stars(texts, priority, threshold, ngram)
    actual = _native.near_duplicate_stars(words, start, order, threshold, ngram)
    assert reference.as_rows(*expected) == reference.as_rows(*actual)


def test_texts_without_words_are_alike_to_none_once_split():
    words, start = _native.split_texts(["...", "...", "", ""])
    representative, _ = _native.near_duplicate_stars(words, start, np.arange(4, dtype="i4"), 0.5)
    assert representative.tolist() == [0, 1, 2, 3]
    for order in ([0, 1, 2], [0, 1, 2, 2], [0, 1, 2, 4], [0, 1, 2, -1]):
        with pytest.raises(ValueError, match="every text once"):
            _native.near_duplicate_stars(words, start, np.array(order, dtype="i4"), 0.5)
    with pytest.raises(ValueError, match="start must ascend"):
        _native.near_duplicate_stars(words, start + 1, np.arange(4, dtype="i4"), 0.5)


# Cases to check by eye


def test_one_changed_word_of_nine_costs_the_shingles_it_is_in():
    texts = [FOX, FOX.replace("the lazy", "a lazy")]
    left, right, similarity = _native.near_duplicate_pairs(texts, 0.1, 3)
    # 7 shingles each; "over the lazy", "the lazy dog", "jumps over the" differ: 4 of 10 shared.
    assert reference.as_rows(left, right, similarity) == [(0, 1, 0.4)]


def test_case_and_punctuation_do_not_matter():
    assert find_near_duplicates([FOX, "The quick; brown FOX -- jumps over the lazy dog!"]) == [
        [0, 1]
    ]


def test_a_cut_text_is_contained_though_not_similar():
    texts = [
        FOX + ", says the typing teacher to the class of this year",
        "brown fox jumps over the",
    ]
    assert find_near_duplicates(texts) == []
    assert find_near_duplicates(texts, 0.9, measure="containment") == [[0, 1]]


def test_texts_shorter_than_the_ngram_are_equal_or_not():
    assert find_near_duplicates(["Yes, please.", "No, thanks.", "yes please"]) == [[0, 2]]
    assert find_near_duplicates(["yes please", "yes please do tell"], measure="containment") == []


def test_wordless_texts_equal_the_same_bytes_only():
    texts = ["", "***", "", "---", "***", "\x00", " "]
    assert find_near_duplicates(texts, 0.1) == [[0, 2], [1, 4]]


def test_scripts_without_spaces_have_sensible_sets():
    chinese = [
        "我今天去了北京的故宫博物院参观",
        "我昨天去了北京的故宫博物院参观",
        "股市今日大幅下跌引发关注",
    ]
    thai = ["วันนี้อากาศดีมากเราไปเที่ยวทะเลกัน", "วันนี้อากาศดีมากเราไปเที่ยวภูเขากัน", "ตลาดหุ้นปิดลบ"]
    arabic = [
        "ذهب الولد إلى المدرسة في الصباح الباكر",
        "ذهب الولد إلى المدرسة في المساء الباكر",
        "سعر النفط",
    ]
    for texts in (chinese, thai, arabic):
        assert find_near_duplicates(texts, 0.3) == [[0, 1]]


def test_broken_words_are_found_by_characters():
    texts = ["The agreement terminates on delivery", "The agre ement termin ates on delivery"]
    assert find_near_duplicates(texts) == []
    assert find_near_duplicates(texts, unit="char") == [[0, 1]]


def test_the_longest_member_represents_and_similarity_does_not_chain():
    words = [f"w{i}" for i in range(40)]
    long, middle, short = words, words[:30], words[:20]
    texts = [" ".join(x) for x in (short, middle, long)]
    # 18, 28 and 38 shingles: .64 and .74 to the neighbour, .47 from end to end.
    assert find_near_duplicates(texts, 0.6) == [[1, 2]]
    assert find_near_duplicates(texts, 0.45) == [[0, 1, 2]]


def test_higher_priority_represents_and_ties_go_to_the_first():
    texts = ["a b c d", "a b c d e", "A B C D"]
    taken = _native.near_duplicate_stars(texts, np.array([1.0, 2.0, 1.0]), 0.5, 3)
    assert reference.as_rows(*taken) == [(1, 2 / 3), (1, 1.0), (1, 2 / 3)]
    taken = _native.near_duplicate_stars(texts, np.array([3.0, 2.0, 3.0]), 0.5, 3)
    assert reference.as_rows(*taken) == [(0, 1.0), (0, 2 / 3), (0, 1.0)]


def test_overlaps_of_a_sliding_window_form_a_chain():
    text = "".join(chr(0x4E00 + i) for i in range(100))
    windows = [text[start : start + 40] for start in range(0, 61, 20)]
    rows = _native.text_overlaps(windows, np.zeros(4, np.int32), 10)
    assert reference.as_rows(*rows) == [(0, 1, 20), (1, 2, 20), (2, 3, 20)]


def test_overlap_is_looked_for_within_a_source_only():
    texts = ["alpha beta gamma", "beta gamma delta", "gamma", "alpha beta gamma"]
    rows = _native.text_overlaps(texts, np.array([1, 1, 2, 1], np.int32), 5)
    assert reference.as_rows(*rows) == [(0, 1, 6), (0, 3, 0)]


# Hostile input


def seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def test_a_hundred_thousand_copies_form_one_group_at_once():
    texts = [FOX] * 100_000
    assert [list(range(100_000))] == find_near_duplicates(texts)
    assert len(_native.near_duplicate_pairs(texts, 0.5, 3)[0]) == 99_999


def test_a_flood_of_near_identical_texts_is_one_star():
    texts = [f"{FOX} and then it rests for the night under tree {i}" for i in range(20_000)]
    assert [list(range(20_000))] == find_near_duplicates(texts)


def test_a_paragraph_shared_by_all_joins_nothing():
    rng = random.Random(3)
    shared = " ".join(f"shared{i}" for i in range(40))
    own = [" ".join(f"w{rng.randrange(10**6)}" for _ in range(40)) for _ in range(20_000)]
    assert find_near_duplicates([f"{shared} {text}" for text in own]) == []


def test_a_million_characters_in_a_line_are_read_in_linear_time():
    long = ["word " * 200_000, "x" * 1_000_000, "中" * 400_000, " " * 1_000_000, "a b c"]
    assert seconds(lambda: find_near_duplicates(long)) < 5
    rows = _native.text_overlaps(["a" * 300_000, "a" * 200_000], np.zeros(2, np.int32), 5)
    assert reference.as_rows(*rows) == [(0, 1, 0)]


def test_a_shared_header_does_not_make_overlaps_quadratic():
    header = "All rights reserved by the company. " * 4
    texts = [f"{header} text number {i} {header}" for i in range(20_000)]
    left, right, _ = _native.text_overlaps(texts, np.zeros(len(texts), np.int32), 20)
    assert len(right) == len(texts)
    assert {0, 1} == set(left.tolist())


def test_a_flood_of_few_words_goes_on_by_sketch_and_says_so():
    rng = random.Random(5)
    flood = [" ".join(rng.choices("abcdefgh", k=150)) for _ in range(7000)] + [FOX, FOX.upper()]
    assert find_near_duplicates(flood[-1000:], 0.7) == [[998, 999]]
    with pytest.warns(CtxmemWarning, match="an exact comparison would be quadratic"):
        assert find_near_duplicates(flood, 0.7) == [[7000, 7001]]


def test_lone_surrogates_and_nul_are_text():
    texts = ["a\ud800b c d e", "a\ufffdb c d e", "a\x00b c d e", "a b c d e"]
    assert find_near_duplicates(texts) == [[0, 1, 2, 3]]


def test_no_texts_and_one_text_have_no_groups():
    assert find_near_duplicates([]) == []
    assert find_near_duplicates(["one"]) == []
    assert find_near_duplicates(iter(())) == []


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: find_near_duplicates("one string"), InputTypeError, "put it into a list"),
        (lambda: find_near_duplicates(7), InputTypeError, "is of type int"),
        (lambda: find_near_duplicates(["a", b"b"]), InputTypeError, r"texts\[1\] is of type bytes"),
        (lambda: find_near_duplicates(["a", None]), InputTypeError, r"texts\[1\] is of type None"),
        (lambda: find_near_duplicates([], 0), InputError, "threshold is 0"),
        (lambda: find_near_duplicates([], 1.01), InputError, "threshold is 1.01"),
        (lambda: find_near_duplicates([], float("nan")), InputError, "threshold is nan"),
        (lambda: find_near_duplicates([], "0.5"), InputTypeError, "threshold is of type str"),
        (lambda: find_near_duplicates([], ngram=0), InputError, "ngram is 0"),
        (lambda: find_near_duplicates([], ngram=2.5), InputTypeError, "ngram is of type float"),
        (lambda: find_near_duplicates([], measure="cosine"), InputError, "'jaccard' or 'contain"),
        (lambda: find_near_duplicates([], unit="byte"), InputError, "'word' or 'char'"),
    ],
)
def test_a_bad_argument_is_named(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_str_subclasses_and_numpy_numbers_are_accepted():
    class Name(str):
        __slots__ = ()

    texts = [Name(FOX), FOX]
    assert find_near_duplicates(texts, np.float32(0.5), ngram=np.int64(3)) == [[0, 1]]


def test_the_native_core_refuses_bad_shapes():
    with pytest.raises(ValueError, match="as many priorities"):
        _native.near_duplicate_stars(["a"], np.zeros(2), 0.5, 3)
    with pytest.raises(ValueError, match="NaN"):
        _native.near_duplicate_stars(["a"], np.array([np.nan]), 0.5, 3)
    with pytest.raises(ValueError, match="as many sources"):
        _native.text_overlaps(["a"], np.zeros(2, np.int32), 1)
    with pytest.raises(ValueError, match="min_chars"):
        _native.text_overlaps(["a"], np.zeros(1, np.int32), 0)


# Sketches


def test_signatures_equal_the_slow_twin():
    texts = [FOX, "", "a b c d e f", *passages(3, 60, seed=2)]
    shingles, start = _native.shingle_sets(texts, 3)
    for permutations, seed in ((64, 0), (128, 1), (192, 2**64 - 1)):
        rows = _native.minhash(shingles, start, permutations, seed).tolist()
        for row, (begin, end) in zip(rows, pairwise(start.tolist()), strict=True):
            expected = reference.minhash(shingles[begin:end].tolist(), permutations, seed)
            assert expected == row


@pytest.mark.parametrize("level", ["base", "v3", "v4"])
def test_every_cpu_level_gives_the_same_bits(level):
    program = (
        "import hashlib, numpy as np; from ctxmem import _native\n"
        "rng = np.random.default_rng(1)\n"
        "h = rng.integers(0, 2**63, 999, dtype=np.uint64)\n"
        "out = _native.minhash(h, np.array([0, 0, 1, 3, 150, 999]), 256, 7)\n"
        "w = _native.shingles('a b c d e f g h i j k l m n o p q r s t u v w x', 5)\n"
        "print(hashlib.sha256(out.tobytes() + w.tobytes()).hexdigest())"
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
    shingles, start = _native.shingle_sets(texts, 3)
    signatures = _native.minhash(shingles, start)
    left, right, similarity = _native.near_duplicate_pairs(texts, 0.3, 3)
    error = (signatures[left] == signatures[right]).mean(axis=1) - similarity
    expected = np.sqrt(np.mean(similarity * (1 - similarity) / 128))
    assert len(left) > 100
    assert np.sqrt(np.mean(error**2)) < 1.3 * expected


@pytest.mark.parametrize("threshold", [0.1, *THRESHOLDS, 0.99, 1.0])
def test_the_band_plan_reaches_its_recall_with_the_longest_bands(threshold):
    def recall(bands: int, rows: int) -> float:
        return 1 - (1 - threshold**rows) ** bands

    bands, rows = _native.band_plan(threshold)
    assert bands * rows <= 128
    assert recall(bands, rows) >= 0.99
    assert rows == 16 or recall(128 // (rows + 1), rows + 1) < 0.99


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_sketched_groups_are_near_the_exact_ones_and_never_wrong(threshold):
    texts = passages(300, 60, seed=6)
    lengths = np.array([len(text) for text in texts], float)
    exact, _ = _native.near_duplicate_stars(texts, lengths, threshold, 3)
    found, similarity = _native.near_duplicate_stars_sketched(texts, lengths, threshold, 3)
    assert (exact == found).mean() > 0.98
    sets = [reference.shingle_set(text, 3) for text in texts]
    for i, centre in enumerate(found.tolist()):
        assert similarity[i] == reference.similarity(sets[i], sets[centre], containment=False)
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
        sets = {id: reference.shingle_set(text, 2) for id, text in self.model.items()}
        answers = self.index.query(list(self.model.values()))
        for (id, mine), matches in zip(sets.items(), answers, strict=True):
            alike = {
                other: reference.similarity(mine, theirs, containment=False)
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
    one, other = DedupIndex(seed=5), DedupIndex(seed=5)
    one.add(range(60), texts)
    other.add(["gone", *range(30)], ["something else entirely", *texts[:30]])
    other.remove(["gone"])
    other.add(range(30, 60), texts[30:])
    one.save(tmp_path / "one")
    other.save(tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]


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
    for old, new in (
        (b'"ids":[1,2]', b'"ids":[1,1]'),
        (b'"ids":[1,2]', b'"ids":[[],2'),
        (b'"sets":2', b'"sets":3'),
        (b'"sets":2', b'"sets":1'),
        (b'"ngram":3', b'"ngram":0'),
        (b'"permutations":128', b'"permutations":127'),
        (body[-8:], bytes(8)),
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
        (lambda index: DedupIndex(seed=-1), InputError, "seed is -1"),
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


# The process


def test_the_gil_is_released_while_joining():
    texts = passages(300, 60, seed=1) * 20
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    watcher = threading.Thread(target=tick)
    watcher.start()
    elapsed = seconds(lambda: _native.near_duplicate_pairs(texts, 0.1, 1))
    done.set()
    watcher.join()
    longest = max((b - a for a, b in pairwise(ticks)), default=elapsed)
    assert longest < max(0.05, elapsed / 2)


def test_docstrings_hold():
    import doctest

    assert doctest.testmod(dedup).failed == 0


NATIVE = [
    "csrc/core/setjoin.cpp",
    "csrc/core/overlap.cpp",
    "csrc/core/lsh_index.cpp",
    "csrc/core/minhash.cpp",
    "csrc/core/shingles.cpp",
    "csrc/core/words.cpp",
    "csrc/kernels/dispatch.cpp",
    "csrc/kernels/level.cpp",
]


def test_set_join_is_clean_under_the_sanitizers():
    compile_and_run("test_setjoin", NATIVE)


def test_words_are_the_same_without_vector_instructions():
    compile_and_run("test_words", [])


# versions


def test_numbers_dates_and_negations_are_telling():
    assert dedup.telling_words("Not before 3 May 2024, won't be 1,200.50!") == [
        "1,200.50",
        "2024",
        "3",
        "not",
        "won't",
    ]
    assert dedup.telling_words("It was done by him.") == []


def test_differences_put_numbers_first():
    text = "The late fee is forty euro after 10 days"
    other = "A late charge is due of thirty euro after 9 days"
    assert dedup.difference(text, other).startswith("differs in 'forty', '10', 'the', 'fee', where")
    assert dedup.difference("a b", "b a") == "differs only in order or layout"


def test_a_list_emptied_by_another_thread_does_no_harm():
    texts = [f"passage {i} of some words that no other has {i * i}" for i in range(20_000)]
    emptied = list(texts)
    thread = threading.Thread(target=emptied.clear)
    thread.start()
    groups = find_near_duplicates(emptied)
    thread.join()
    assert groups in ([], find_near_duplicates(texts))

"""Groups of near-duplicates: cases to check by eye, hostile input, what each member knows."""

from __future__ import annotations

import random
import sys
import threading
import time

import numpy as np
import pytest
import reference_dedup
from sample_texts import FOX, passages

from ctxmem import _native, dedup
from ctxmem.dedup import find_near_duplicates
from ctxmem.errors import CtxmemWarning, InputError, InputTypeError

# Cases to check by eye


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


# What a member knows


def test_every_member_knows_what_it_is_to_the_representative():
    longer = FOX.replace("the lazy", "a lazy") + " again"
    texts = ["another text", FOX, longer, FOX.upper(), longer]
    (group,) = find_near_duplicates(texts, 0.3)
    assert group == [1, 2, 3, 4]
    assert group.representative == 2
    # 7 and 8 shingles, 4 shared.
    assert group.similarities == [4 / 11, 1.0, 4 / 11, 1.0]
    assert group.kinds == ["near", "exact", "near", "exact"]


def test_the_first_may_represent_instead_of_the_longest():
    texts = [FOX, f"{FOX} and rests", f"{FOX} and rests for the night"]
    longest, first = (find_near_duplicates(texts, prefer=p)[0] for p in ("longest", "first"))
    assert (longest, longest.representative) == ([0, 1, 2], 2)
    assert (first, first.representative) == ([0, 1, 2], 0)
    assert first.similarities == [1.0, 7 / 9, 7 / 12]


def test_containment_says_which_texts_are_contained():
    texts = [
        f"{FOX}, says the typing teacher",
        "brown fox jumps over the",
        f"{FOX}, says the typing",
    ]
    (group,) = find_near_duplicates(texts, 0.9, measure="containment")
    assert group.kinds == ["exact", "contained", "contained"]
    assert group.similarities == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("method", ["exact", "sketch"])
def test_members_of_real_text_are_as_similar_as_they_say(method):
    texts = passages(200, 60, seed=12)
    sets = [reference_dedup.shingle_set(text, 3) for text in texts]
    groups = find_near_duplicates(texts, 0.4, method=method)
    assert sum(map(len, groups)) > 80
    for group in groups:
        centre = group.representative
        for i, share, kind in zip(group, group.similarities, group.kinds, strict=True):
            assert (
                share == reference_dedup.similarity(sets[i], sets[centre], containment=False) >= 0.4
            )
            assert kind == ("exact" if texts[i] == texts[centre] else "near")


def test_embeddings_join_what_shares_no_words_but_never_chain():
    texts = [FOX, FOX + " twice", "a swift animal leaps above an idle hound", "stocks fell", "x"]
    vectors = [[1, 0.1], [1, 0], [0.98, 0.05], [0, 1], [0.05, 1]]
    groups = find_near_duplicates(texts, embeddings=vectors, similar=0.95)
    assert groups == [[0, 1, 2], [3, 4]]
    assert groups[0].representative == 1
    assert groups[0].kinds == ["near", "exact", "embedding"]
    assert groups[0].similarities[2] == pytest.approx(0.98 / np.hypot(0.98, 0.05))
    assert groups[1].kinds == ["exact", "embedding"]
    # Two groups that are close stay two: their members were compared with their own centres only.
    pairs = [
        FOX,
        FOX,
        "completely different words stand here",
        "completely different words stand here",
    ]
    close = find_near_duplicates(pairs, embeddings=[[1.0]] * 4, similar=0.9)
    assert close == [[0, 1], [2, 3]]


def test_a_group_is_a_list_and_survives_a_copy():
    import copy
    import pickle

    (group,) = find_near_duplicates([FOX, FOX.upper()])
    for same in (copy.deepcopy(group), pickle.loads(pickle.dumps(group))):
        assert same == group == [0, 1]
        assert same.representative == 0
        assert same.kinds == ["exact", "near"]


# Hostile input


def test_a_hundred_thousand_copies_form_one_group_at_once():
    texts = [FOX] * 100_000
    assert [list(range(100_000))] == find_near_duplicates(texts)


def test_a_flood_of_near_identical_texts_is_one_group():
    texts = [f"{FOX} and then it rests for the night under tree {i}" for i in range(20_000)]
    assert [list(range(20_000))] == find_near_duplicates(texts)


def test_a_paragraph_shared_by_all_joins_nothing():
    rng = random.Random(3)
    shared = " ".join(f"shared{i}" for i in range(40))
    own = [" ".join(f"w{rng.randrange(10**6)}" for _ in range(40)) for _ in range(20_000)]
    assert find_near_duplicates([f"{shared} {text}" for text in own]) == []


def test_a_million_characters_in_a_line_are_read():
    long = ["word " * 200_000, "x" * 1_000_000, "中" * 400_000, " " * 1_000_000, "a b c"]
    assert find_near_duplicates(long) == []
    rows = _native.text_overlaps(["a" * 300_000, "a" * 200_000], np.zeros(2, np.int32), 5)
    assert reference_dedup.as_rows(*rows) == [(0, 1, 0)]


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
        (lambda: find_near_duplicates([], prefer="best"), InputError, "'longest' or 'first'"),
        (lambda: find_near_duplicates([], threads=0), InputError, "threads is 0"),
        (lambda: find_near_duplicates([], threads=1.5), InputTypeError, "threads is of type float"),
        (lambda: find_near_duplicates(["a"], similar=0.9), InputError, "without embeddings"),
        (lambda: find_near_duplicates(["a"], embeddings=[[1]]), InputError, "without similar"),
        (
            lambda: find_near_duplicates(["a"], embeddings=[[1], [2]], similar=0.9),
            InputError,
            "embeddings are 2 and texts are 1",
        ),
        (
            lambda: find_near_duplicates(["a"], embeddings=[[1.0]], similar=2),
            InputError,
            "threshold is 2",
        ),
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


# The process


def test_the_gil_is_released_while_joining():
    texts = passages(300, 60, seed=1) * 20
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.001)

    watcher = threading.Thread(target=tick)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # seconds: nobody gets the GIL from a thread that keeps it
    try:
        watcher.start()
        before = ticks
        _native.near_duplicate_groups(texts, np.zeros(len(texts)), 0.1, 1)
        after = ticks
    finally:
        sys.setswitchinterval(interval)
        done.set()
        watcher.join()
    assert after - before > 1  # without a release it cannot tick at all


def test_docstrings_hold():
    import doctest

    assert doctest.testmod(dedup).failed == 0


# versions


def test_differences_put_numbers_first():
    text = "The late fee is forty euro after 10 days"
    other = "A late charge is due of thirty euro after 9 days"
    assert dedup.difference(text, other).startswith("differs in 'forty', '10', 'The', 'fee', where")
    assert dedup.difference("a b", "b a") == "differs only in order or layout"
    same = dedup.difference("Set DEBUG to 1.", "set debug to 1!")
    assert same == "differs only in capitals, punctuation or layout"
    named = dedup.contrast("Say it.", "say it", "the first", "the second")
    assert named == "the first and the second differ only in capitals, punctuation or layout"


def test_a_list_emptied_by_another_thread_does_no_harm():
    texts = [f"passage {i} of some words that no other has {i * i}" for i in range(20_000)]
    emptied = list(texts)
    thread = threading.Thread(target=emptied.clear)
    thread.start()
    groups = find_near_duplicates(emptied)
    thread.join()
    assert groups in ([], find_near_duplicates(texts))

"""The index of a session against a slow twin, rebuilds, and segments made to do harm."""

from __future__ import annotations

import random
import struct
from typing import Any

import numpy as np
import pytest
import reference_recall as slow
from cpp_build import compile_and_run, core_sources

from ctxmem import _native

ROLES = ("user", "assistant", "tool", "system", "chunk")
WEIGHTS = dict(zip(ROLES, (1.0, 0.35, 0.3, 0.4, 0.7), strict=True))
LAST = 2**32 - 1


def spoken(random_: random.Random) -> str:
    parts = random_.randint(1, 4)
    sizes = [random_.choice((1, 8, 60)) for _ in range(parts)]
    return "\n\n".join(
        " ".join(f"w{random_.randint(1, 40)}" for _ in range(size)) + "." for size in sizes
    )


def said(seed: int, count: int) -> list[tuple[int, str, str, float]]:
    random_ = random.Random(seed)
    numbers = sorted(random_.sample(range(3 * count), count))
    return [
        (number, random_.choice(ROLES), spoken(random_), float(random_.randint(0, 9)))
        for number in numbers
    ]


def built(messages: list[tuple[int, str, str, float]]) -> _native.SessionIndex:
    index = _native.SessionIndex()
    for message in messages:
        index.add(*message)
    return index


def found(index: _native.SessionIndex, question: str, **options: Any) -> dict[int, float]:
    numbers, scores, *_ = index.search(question, 999, weights=list(WEIGHTS.values()), **options)
    assert list(scores) == sorted(scores, reverse=True)
    return dict(zip(numbers.tolist(), scores.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(12))
def test_scores_equal_those_of_a_slow_twin(seed: int):
    messages = said(seed, 30)
    index = built(messages)
    number, start, end = (column.tolist() for column in index.passages())
    cuts: dict[int, list[tuple[int, int]]] = {}
    for message, first, last in zip(number, start, end, strict=True):
        cuts.setdefault(message, []).append((first, last))
    twins = [
        slow.Said(n, role, [text[first:last] for first, last in cuts[n]], at)
        for n, role, text, at in messages
    ]
    for question in ("w1", "w2 w3 w2", "w40 w7 w9 and w11", "nothing", "w5 w77"):
        for faint in ("", "w2 w9 w99"):
            options = {"answer": 0.3, "near": 0.2, "asked": 0.4, "faint": faint}
            expected = slow.search(twins, question, WEIGHTS, **options)
            assert found(index, question, **options) == pytest.approx(expected, rel=1e-4)
    words = ["w1", "w40", "w99", "the"]
    whole = [slow.words_of(text) for _, _, text, _ in messages]
    assert index.frequencies(words) == [sum(word in other for other in whole) for word in words]


@pytest.mark.parametrize("seed", range(40))
def test_any_way_to_an_index_comes_to_that_of_a_rebuild(seed: int):
    random_ = random.Random(seed)
    messages = said(seed, 24)
    index = _native.SessionIndex()
    at, gone = 0, set()
    while at < len(messages):
        step = random_.randint(1, 6)
        part = messages[at : at + step]
        at += step
        if random_.random() < 0.5:
            for message in part:
                index.add(*message)
        else:
            index.load(built(part).segment(0, LAST))
        if random_.random() < 0.5:
            number = random_.choice(messages[:at])[0]
            assert index.remove(number) == (number not in gone)
            gone.add(number)
        if random_.random() < 0.2:  # stored and opened again
            data = [index.segment(0, 30), index.segment(31, LAST)]
            index = _native.SessionIndex()
            for one in data:
                index.load(one)
    left = [message for message in messages if message[0] not in gone]
    rebuilt = built(left)
    assert index.segment(0, LAST) == rebuilt.segment(0, LAST)
    assert len(index) == len(left)
    reopened = _native.SessionIndex()
    reopened.load(index.segment(0, LAST))
    for question in ("w1 w2", "w3 w33 w4", "w20"):
        same = zip(reopened.search(question, 99), rebuilt.search(question, 99), strict=True)
        assert all(np.array_equal(a, b) for a, b in same)


def test_messages_outside_a_span_of_time_are_left_out():
    index = _native.SessionIndex()
    for number, time in enumerate((1.0, 2.0, float("nan"), 3.0)):
        index.add(number, "user", "the w1", time)
    at = lambda **span: sorted(found(index, "w1", **span))  # noqa: E731
    assert at() == [0, 1, 2, 3]
    assert at(since=2.0) == [1, 3]
    assert at(until=2.0) == [0]
    assert at(since=2.0, until=3.0) == [1]


# Segments ------------------------------------------------------------------------------------

_MASK = 2**64 - 1


def checksum(body: bytes) -> int:
    total = 0x243F6A8885A308D3 ^ len(body)
    for at in range(0, len(body), 8):
        block = int.from_bytes(body[at : at + 8].ljust(8, b"\0"), "little")
        turned = (total << 23 | total >> 41) & _MASK
        total = (turned ^ block) * 0x9E3779B97F4A7C15 & _MASK
    return total ^ total >> 29


def sealed(segment: bytes) -> bytes:
    """Return a segment with the checksum that its bytes should have."""
    return segment[:24] + struct.pack("<Q", checksum(segment[32:])) + segment[32:]


def hostile(seed: int, count: int) -> tuple[int, int]:
    """Load segments changed at random under a right checksum; return how many are let in."""
    random_ = random.Random(seed)
    data = built(said(seed, 5)).segment(0, LAST)
    assert sealed(data) == data
    loaded = refused = 0
    for _ in range(count):
        mutant = bytearray(data)
        for _ in range(random_.randint(1, 3)):
            at = random_.choice((random_.randrange(8, 24), random_.randrange(32, len(data))))
            if random_.random() < 0.5:
                mutant[at] = random_.choice((0, 1, 127, 255, mutant[at] ^ 1))
            else:
                mutant[at : at + 4] = struct.pack("<I", random_.choice((0, 1, 2**28, 2**31, LAST)))
        if random_.random() < 0.1:
            del mutant[random_.randrange(32, len(mutant)) :]
        index = built([(0, "user", "w1 before", 0.0)]) if random_.random() < 0.3 else built([])
        before = index.segment(0, LAST)
        try:
            index.load(sealed(bytes(mutant)))
        except ValueError:
            refused += 1
            assert index.segment(0, LAST) == before
        else:  # another index, and one that works
            loaded += 1
            index.search("w1 w2 w3 w40", 99)
            newest = max(index.messages()[0].tolist(), default=0)
            if newest < LAST:
                index.add(newest + 1, "user", "w1 behind", 0.0)
            _native.SessionIndex().load(index.segment(0, LAST))
    return loaded, refused


def test_hostile_segments_are_refused_or_make_an_index_that_works():
    loaded, refused = hostile(1, 10_000)
    assert loaded > 100
    assert refused > 5_000


@pytest.mark.slow
def test_the_index_in_cpp():
    sources = core_sources("session_*", "recall_words", "passages", "stems")
    compile_and_run("test_recall", [*sources, *core_sources("sentences", "line_classifier")])

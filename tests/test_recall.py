"""The index of a session and what is chosen from it for a question."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ctxmem import _native
from ctxmem.memory.blocks import LEFT_OUT
from ctxmem.memory.questions import period, read_question
from ctxmem.memory.recall import find, preferred, select

WORDS = "port deploy Redis cache timeout schema invoice garden tomato rain train ticket".split()


def sentence(random_: random.Random, size: int) -> str:
    return " ".join(random_.choices(WORDS, k=size)) + "."


def filled(numbers: range, seed: int = 0) -> _native.SessionIndex:
    index = _native.SessionIndex()
    for number in numbers:
        random_ = random.Random(f"{seed} {number}")
        text = "\n\n".join(sentence(random_, 30) for _ in range(random_.randint(1, 6)))
        index.add(number, ("user", "assistant", "tool")[number % 3], text, float(number))
    return index


def same(a: _native.SessionIndex, b: _native.SessionIndex) -> bool:
    question = "deploy the cache, rain"
    found = zip(a.search(question, 99), b.search(question, 99), strict=True)
    return a.segment(0, 2**32 - 1) == b.segment(0, 2**32 - 1) and all(
        np.array_equal(x, y) for x, y in found
    )


def test_segments_loaded_in_order_equal_the_index_they_came_from():
    whole, loaded = filled(range(40)), _native.SessionIndex()
    for first in range(0, 40, 7):
        loaded.load(whole.segment(first, first + 6))
    assert same(whole, loaded)


def test_a_removed_message_is_in_no_search_and_no_segment():
    index = _native.SessionIndex()
    index.add(0, "user", "The password is xylophone.")
    index.add(1, "user", "The garden needs rain.")
    assert index.remove(0)
    assert not index.remove(0)
    assert b"xylophon" not in index.segment(0, 9)
    assert index.search("xylophone", 9)[0].tolist() == []
    only = _native.SessionIndex()
    only.add(1, "user", "The garden needs rain.")
    assert index.segment(0, 9) == only.segment(0, 9)


def test_damaged_segments_are_refused_and_change_nothing():
    data = filled(range(12)).segment(0, 11)
    random_ = random.Random(1)
    index = _native.SessionIndex()
    for _ in range(3000):
        mutant = bytearray(data)
        for _ in range(random_.randint(1, 4)):
            mutant[random_.randrange(len(mutant))] ^= random_.randint(1, 255)
        if bytes(mutant) == data:
            continue
        cut = mutant[: random_.randrange(len(mutant))] if random_.random() < 0.2 else mutant
        with pytest.raises(ValueError, match=r"segment|bytes|passage|term|posting"):
            index.load(bytes(cut))
    assert len(index) == 0


def test_numbers_must_ascend():
    index = filled(range(3))
    with pytest.raises(ValueError, match="ascending"):
        index.add(2, "user", "again")


def test_passages_count_code_points_and_keep_to_the_edges():
    text = "Ünïcode wörds héré. " * 60
    index = _native.SessionIndex()
    index.add(0, "assistant", text, edges=[600])
    _, start, end = index.passages()
    assert all(text[a:b].strip() == text[a:b] for a, b in zip(start, end, strict=True))
    assert not any(a < 600 < b for a, b in zip(start, end, strict=True))
    assert "".join(text[a:b] for a, b in zip(start, end, strict=True)).replace(" ", "") == (
        text.replace(" ", "")
    )


def chosen(texts: list[tuple[str, str]], question: str, room: int) -> list[str]:
    index = _native.SessionIndex()
    for number, (role, text) in enumerate(texts):
        index.add(number, role, text)
    found = select(
        find(index, question), room,
        text_of=lambda n: texts[n][1], count=lambda text: len(text.split()),
    )  # fmt: skip
    assert sum(one.tokens + 1 for one in found) <= room
    return [one.text for one in found]


def test_the_newest_value_is_shown_where_one_message_fits():
    texts = [("user", "The port is 8080."), ("user", "The port is 8443."), ("user", "It rains.")]
    assert chosen(texts, "Which port is it?", 6) == ["The port is 8443."]


def test_the_first_message_is_shown_where_the_first_is_asked_for():
    texts = [("user", f"The deploy took {n} minutes.") for n in (3, 4, 5)]
    assert chosen(texts, "How long did the first deploy take?", 7) == [texts[0][1]]


def test_a_long_message_is_shown_in_part_with_a_mark():
    random_ = random.Random(3)
    parts = [sentence(random_, 50) for _ in range(12)] + ["The zebra is blue." * 8]
    (text,) = chosen([("assistant", "\n\n".join(parts))], "Which zebra?", 300)
    assert LEFT_OUT in text
    assert "zebra" in text


def test_questions_are_read_by_kind_and_time():
    assert read_question("In what order did we do it?").kind == "order"
    assert read_question("Summarise everything about the garden").kind == "summary"
    assert read_question("How many trains were there?").kind == "count"
    assert read_question("What is the latest port?") == ("fact", 1)
    assert period("what of 2023?", 0) is None
    assert period("what happened in 1970?", 1e9) == (0.0, 31536000.0)


def numbers(texts: list[tuple[str, str]], question: str, *, widened: bool = False) -> list[int]:
    index = _native.SessionIndex()
    for number, (role, text) in enumerate(texts):
        index.add(number, role, text)
    text_of = (lambda number: texts[number][1]) if widened else None
    return find(index, question, text_of=text_of).messages


def test_a_summary_finds_messages_that_share_the_words_of_the_best_ones():
    filler = [("user", f"Train {n} is late.") for n in range(8)]
    texts = [
        ("user", "The garden needs a trellis for the tomatoes."),
        *filler,
        ("user", "The garden has a trellis now, tomatoes climb it."),
        *filler,
        ("user", "The trellis fell on the tomatoes."),
    ]
    question = "Summarise everything about the garden"
    assert len(texts) - 1 not in numbers(texts, question)
    assert len(texts) - 1 in numbers(texts, question, widened=True)[:4]
    assert len(texts) - 1 not in numbers(texts, "Is the garden wet?", widened=True)


def test_words_that_only_ask_count_for_little():
    texts = [
        ("user", "We list and mention various points of the order in our conversation."),
        ("user", "The invoice schema changed."),
        *[("user", f"It rains on day {n} and the invoice waits.") for n in range(6)],
    ]
    question = "Which points did I mention in our conversation about the invoice schema?"
    assert numbers(texts, question)[0] == 1


def test_the_beginning_comes_first_where_it_is_asked_for():
    texts = [("user", f"The build took {n} minutes today.") for n in range(90)]
    assert numbers(texts, "How long did the build take at the start?")[0] == 0
    assert numbers(texts, "How long did the latest build take?")[0] == 89


@pytest.mark.parametrize("before", [0, 60])
def test_a_rule_that_the_question_meets_counts_for_more(before: int):
    rule = "Fine weather. " * before + "Always use UTC in schedules."
    index = _native.SessionIndex()
    for number, text in enumerate([rule, "It rains.", "It snows.", "Schedules are read here."]):
        index.add(number, "user", text)
    found = find(index, "What do the schedules say?")
    better = preferred(found, [(0, rule.index("Always"), len(rule))])
    place, now = found.messages.index(0), better.messages.index(0)
    assert better.scores[now] > found.scores[place]
    assert now == 0 or before == 60
    first, last, _ = max(better.passages[now], key=lambda one: one[2])
    assert "Always use UTC" in rule[first:last]

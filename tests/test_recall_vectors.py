"""A memory that is given a function that embeds: by meaning, lazily, and kept with the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from chats import user

from ctxmem import InputError, InputTypeError, Memory
from ctxmem.memory.snapshots import EVERY

CONCEPTS = {"car": 0, "automobile": 0, "dog": 1, "puppy": 1, "rain": 2, "weather": 2}


class Meaning:
    """Embed by the concepts that a text names; keeps the texts it was called with."""

    def __init__(self, width: int = 4) -> None:
        self.calls: list[list[str]] = []
        self.width = width

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        self.calls.append(list(texts))
        return [
            [float(any(c == i and w in text.lower() for w, c in CONCEPTS.items()))
             for i in range(self.width - 1)] + [0.1]
            for text in texts
        ]  # fmt: skip

    @property
    def texts(self) -> int:
        return sum(map(len, self.calls))


def test_a_message_without_a_common_word_is_found_by_its_vector():
    said = [user("My car is red."), user("Our puppy barks."), user("Numbers are fine.")]
    by_words, by_meaning = Memory(1000), Memory(1000, embed=Meaning())
    for memory in (by_words, by_meaning):
        memory.append(said)
    assert by_words.recall("Which automobile?", 1) == []
    assert by_meaning.recall("Which automobile?", 1)[0].text == "My car is red."
    assert by_meaning.recall("How is the dog?", 1)[0].text == "Our puppy barks."


def test_appending_embeds_nothing_and_each_passage_is_embedded_once():
    embed = Meaning()
    memory = Memory(1000, embed=embed)
    for number in range(20):
        memory.append(user(f"The car number {number} is red."))
    assert embed.calls == []
    memory.recall("automobile", 1)
    assert [len(call) for call in embed.calls] == [1, 20]
    memory.append(user("It may rain."))
    assert memory.recall("weather", 1)[0].text == "It may rain."
    assert [len(call) for call in embed.calls] == [1, 20, 1, 1]


def test_vectors_are_read_from_the_store_and_not_made_again(tmp_path: Path):
    path = tmp_path / "memory.db"
    with Memory(1000, store=path, embed=Meaning()) as memory:
        memory.append([user(f"Note {i} about nothing.") for i in range(EVERY // 2)])
        memory.append(user("My car is red."))
        memory.recall("automobile", 1)
        memory.append([user(f"Note {i} about nothing.") for i in range(EVERY)])
        memory.recall("automobile", 1)
        memory.append([user(f"Note {i} about nothing.") for i in range(EVERY)])
    embed = Meaning()
    with Memory(1000, store=path, embed=embed) as memory:
        assert memory.recall("automobile", 1)[0].text == "My car is red."
        assert embed.texts == EVERY + 1  # the last messages, and the query
    embed = Meaning()
    with Memory(1000, store=path, embed=embed) as memory:
        memory.recall("automobile", 1)
        assert embed.texts == 1
    with Memory(1000, store=path) as memory:  # opened without vectors it finds by words
        assert memory.recall("car", 1)[0].text == "My car is red."


def test_the_vectors_of_a_short_session_are_written_when_it_closes(tmp_path: Path):
    path = tmp_path / "memory.db"
    for session in range(3):
        embed = Meaning()
        with Memory(1000, store=path, embed=embed) as memory:
            memory.append(user(f"My car number {session} is red."))
            assert memory.recall("automobile", 1)[0].text.startswith("My car")
            assert embed.texts == 2  # the new message, and the query
            assert memory.window("automobile").tokens <= 1000
    with Memory(1000, store=path) as memory:
        assert [page.text for page in memory.recall("number", 9)] == [
            f"My car number {session} is red." for session in (2, 1, 0)
        ]


def test_what_is_forgotten_has_no_vector_and_the_others_are_not_made_again(tmp_path: Path):
    embed = Meaning()
    with Memory(1000, store=tmp_path / "memory.db", embed=embed) as memory:
        memory.append([user("It may rain."), user("My car is red."), user("The puppy barks.")])
        assert memory.recall("weather", 1)[0].text == "It may rain."
        memory.forget("p0")
        assert memory.recall("automobile", 1)[0].text == "My car is red."
        assert memory.recall("dog", 1)[0].text == "The puppy barks."
        assert all("rain" not in page.text for page in memory.recall("weather", 3))
        assert embed.texts == 3 + 4


def test_vectors_of_another_function_are_made_again(tmp_path: Path):
    path = tmp_path / "memory.db"
    with Memory(1000, store=path, embed=Meaning()) as memory:
        memory.append(user("My car is red."))
        memory.recall("automobile", 1)
        memory.append([user("Nothing.")] * EVERY)
    with Memory(1000, store=path, embed=Meaning(width=8)) as memory:
        assert memory.recall("automobile", 1)[0].text == "My car is red."


def test_wrong_vectors_are_refused_with_what_was_expected():
    with pytest.raises(InputTypeError, match="embed"):
        Memory(1000, embed="model")  # type: ignore[arg-type]
    for wrong in (lambda texts: [[1.0]] * 9, lambda texts: [[float("nan")]] * len(texts)):
        memory = Memory(1000, embed=wrong)
        memory.append(user("My car is red."))
        with pytest.raises(InputError, match="embed returned"):
            memory.recall("automobile", 1)
    assert np.isfinite(Meaning()(["car"])).all()


def test_a_window_shows_what_was_found_by_its_vector():
    memory = Memory(300, embed=Meaning())
    memory.append([user("The first thing."), user("My automobile is red.")])
    for number in range(40):
        memory.append([user(f"Point {number}?"), {"role": "assistant", "content": "Noted. " * 9}])
    window = memory.window("What colour was that car again?")
    assert "automobile is red" in str(window.messages[-1]["content"])
    assert window.tokens <= 300

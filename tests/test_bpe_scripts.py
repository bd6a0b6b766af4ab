"""Counts of scripts without spaces between words, and of others beyond ASCII, equal tiktoken's.

Pieces of such texts are cut between characters that no token joins, and their parts are cached
(csrc/core/tokenizer/character_pairs.hpp). The texts are random characters of a script, which are
cut nearly everywhere, and tokens of the vocabulary in a row, which are joined as often as possible.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxmem import _native
from ctxmem.tokens.packed import packed_path

NATIVE = ["o200k_base", "cl100k_base"]
both = pytest.mark.parametrize("encoding", NATIVE)

RANGES = {
    "han": [(0x4E00, 0x9FFF)],
    "common han": [(0x4E00, 0x4FFF), (0x3002, 0x3002), (0xFF0C, 0xFF0C)],
    "japanese": [(0x3041, 0x3096), (0x30A1, 0x30FC), (0x65E0, 0x6700)],
    "hangul": [(0xAC00, 0xD7A3), (0x20, 0x20)],
    "decomposed hangul": [(0x1100, 0x1112), (0x1161, 0x1175), (0x11A8, 0x11C2)],
    "thai": [(0x0E01, 0x0E3A), (0x0E40, 0x0E4E)],
    "devanagari": [(0x0905, 0x094D), (0x0964, 0x0964), (0x20, 0x20)],
    "arabic": [(0x0621, 0x0652), (0x20, 0x20)],
    "cyrillic": [(0x0410, 0x044F), (0x20, 0x20)],
    "georgian": [(0x10D0, 0x10FA), (0x20, 0x20)],
    "emoji": [(0x1F300, 0x1F64F), (0x200D, 0x200D), (0xFE0F, 0xFE0F), (0x1F3FB, 0x1F3FF)],
    "mixed": [(0x20, 0x7E), (0x4E00, 0x4E80), (0x3041, 0x3096), (0xC0, 0xFF), (0x1F600, 0x1F610)],
}


@pytest.fixture(scope="module")
def counters():
    """Return the native counters by encoding."""
    return {name: _native.Tokenizer(packed_path(name).read_bytes(), name) for name in NATIVE}


def of_script(rng: random.Random, name: str) -> str:
    """Return random characters of a script."""
    ranges = RANGES[name]
    return "".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(rng.randrange(60)))


def beyond_ascii(encoding) -> list[str]:
    """Return what the tokens beyond ASCII decode to, without parts of characters."""
    decoded = (token.decode("utf-8", "ignore") for token in encoding.token_byte_values())
    return sorted({text for text in decoded if text and not text.isascii()})


def in_a_row(rng: random.Random, words: list[str]) -> str:
    """Return neighbours of the sorted list, which share characters, and a few others."""
    start = rng.randrange(len(words))
    near = words[start : start + 40]
    return "".join(
        rng.choice(near if rng.random() < 0.8 else words) for _ in range(rng.randrange(20))
    )


def assert_equal(counter, encoding, texts: list[str]) -> None:
    counts = counter.count_many(texts, cache=False).tolist()
    wrong = [
        (text, expected, count)
        for text, count in zip(texts, counts, strict=True)
        if (expected := len(encoding.encode_ordinary(text))) != count
    ]
    assert [] == wrong[:3]


@both
@pytest.mark.parametrize("script", RANGES)
def test_random_characters_of_a_script(tiktoken_encoding, counters, encoding, script) -> None:
    rng = random.Random(script)
    texts = [of_script(rng, script) for _ in range(400)]
    assert_equal(counters[encoding], tiktoken_encoding(encoding), texts)


@both
def test_tokens_in_a_row(tiktoken_encoding, counters, encoding) -> None:
    reference = tiktoken_encoding(encoding)
    words = beyond_ascii(reference)
    rng = random.Random(5)
    texts = [in_a_row(rng, words) for _ in range(4000)]
    assert_equal(counters[encoding], reference, texts)


@both
def test_every_token_and_every_two_of_its_characters(tiktoken_encoding, counters, encoding) -> None:
    # Parts of tokens are often no tokens, and two of a kind next to each other no token either.
    words = beyond_ascii(tiktoken_encoding(encoding))
    words = words[:: len(words) // 3000 + 1]
    texts = [*words, *(word[1:] for word in words), *(word[:-1] + word for word in words)]
    assert_equal(counters[encoding], tiktoken_encoding(encoding), texts)


@both
@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(min_codepoint=0x80, exclude_categories=["Cs"]), max_size=40))
def test_any_text_beyond_ascii(tiktoken_encoding, counters, encoding, text) -> None:
    assert len(tiktoken_encoding(encoding).encode_ordinary(text)) == counters[encoding].count(text)


@both
@pytest.mark.slow
def test_hundred_thousand_strings(tiktoken_encoding, counters, encoding) -> None:
    reference = tiktoken_encoding(encoding)
    words = beyond_ascii(reference)
    rng = random.Random(6)
    scripts = list(RANGES)
    texts = [
        in_a_row(rng, words) if rng.random() < 0.5 else of_script(rng, rng.choice(scripts))
        for _ in range(100_000)
    ]
    assert_equal(counters[encoding], reference, texts)


@both
@pytest.mark.slow
def test_every_character_between_others(tiktoken_encoding, counters, encoding) -> None:
    reference = tiktoken_encoding(encoding)
    points = [*range(0x80, 0xD800), *range(0xE000, 0x3FFFF), *range(0x40000, 0x110000, 977)]
    for context in ("{0}", "中{0}文", "a{0}{0}б", "の{0}한"):
        texts = [context.format(chr(point)) for point in points]
        assert_equal(counters[encoding], reference, texts)

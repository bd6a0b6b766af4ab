from __future__ import annotations

import base64
import glob
import json
import os
import random
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tiktoken
from cpp_build import COUNT_BLOCKS, ROOT, compile_and_run, core_sources
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import byte_pairs, load_generator
from token_texts import ATOMS, random_text

from ctxmem import _native, _testing, tokens
from ctxmem.errors import InputError, InputTypeError
from ctxmem.protocols import Counter
from ctxmem.tokens import files
from ctxmem.tokens.packed import packed_path, published_lines

NATIVE = ["o200k_base", "cl100k_base"]
both = pytest.mark.parametrize("encoding", NATIVE)


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], int]]:
    """Return a function (encoding, text) -> tiktoken's count, with no need of a network."""
    cache = tmp_path_factory.mktemp("tiktoken")
    for encoding in NATIVE:  # tiktoken compares the SHA-256 itself
        lines = published_lines(packed_path(encoding).read_bytes())
        (cache / files.PUBLISHED[encoding].cache_name).write_bytes(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
        encodings = {name: tiktoken.get_encoding(name) for name in NATIVE}
        yield lambda encoding, text: len(encodings[encoding].encode_ordinary(text))


# Exactness ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("Hello world", 2),  # "Hello", " world"
        ("don't", 1),  # the contraction belongs to the word
        ("don't'll", 2),  # but a second one does not: "don't", "'ll"
        ("1234", 2),  # "123", "4"
        ("\n\n    x", 3),  # "\n\n", "   ", " x"
        ("<|endoftext|>", 7),  # ordinary text, never a control token
        ("中文", 1),
        ("\ud83d\ude00", 1),  # a pair of surrogates is the character they mean
        ("\ud800", 1),  # a lone one is U+FFFD
    ],
)
def test_hand_written_counts(text: str, expected: int) -> None:
    assert expected == tokens.count_tokens(text)


@both
@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(max_size=200), st.lists(st.sampled_from(ATOMS)).map("".join)))
def test_count_equals_tiktoken(oracle: Callable[..., int], encoding: str, text: str) -> None:
    assert oracle(encoding, text) == tokens.count_tokens(text, encoding)


@both
def test_files_of_the_standard_library_count_as_in_tiktoken(
    oracle: Callable[..., int], encoding: str
) -> None:
    files = sorted(glob.glob(sysconfig.get_path("stdlib") + "/*.py"))[:60]
    texts = [Path(file).read_text("utf-8", errors="replace") for file in files]
    assert [oracle(encoding, text) for text in texts] == tokens.count_tokens(texts, encoding)


@both
@pytest.mark.slow
def test_hundred_thousand_random_strings_count_as_in_tiktoken(
    oracle: Callable[..., int], encoding: str
) -> None:
    seed = int(os.environ.get("CTXMEM_FUZZ_SEED", "0"))
    rng = random.Random(seed)
    texts = [random_text(rng) for _ in range(100_000)]
    counts = tokens.count_tokens(texts, encoding)
    wrong = [
        (text, expected, count)
        for text, count in zip(texts, counts, strict=True)
        if (expected := oracle(encoding, text)) != count
    ]
    assert wrong == [], f"seed {seed}"


@both
@pytest.mark.slow
def test_every_code_point_counts_as_in_tiktoken(oracle: Callable[..., int], encoding: str) -> None:
    contexts = ["{}", "a{}b", " {}A", "{}\n", "1{}2", "!{}!", "A{}'s", "\u0301{}", "{} ", "  {}"]
    for start in range(0, 0x110000, 256):
        points = [chr(c) for c in range(start, start + 256) if not 0xD800 <= c < 0xE000]
        text = "\n".join(context.format(point) for point in points for context in contexts)
        if tokens.count_tokens(text, encoding) == oracle(encoding, text):
            continue
        for point in points:  # name the one
            for context in contexts:
                one = context.format(point)
                assert oracle(encoding, one) == tokens.count_tokens(one, encoding), ascii(one)


@pytest.mark.slow
def test_character_classes_are_those_of_the_installed_tiktoken() -> None:
    generator = load_generator("generate_unicode_tables")
    probed = np.array(generator.char_classes(), dtype=np.uint8)
    assert np.flatnonzero(probed != _testing.char_classes()).tolist() == []


@st.composite
def tiny_vocabularies(draw: st.DrawFn) -> dict[bytes, int]:
    """Draw all bytes and some tokens of 'a', 'b' and ' ', made by merges or not, in any order."""
    more = draw(st.lists(st.text("ab ", min_size=2, max_size=6).map(str.encode), unique=True))
    return {token: i for i, token in enumerate([*(bytes([b]) for b in range(256)), *more])}


@settings(max_examples=200, deadline=None)
@given(ranks=tiny_vocabularies(), piece=st.text("ab", min_size=1, max_size=40))
def test_any_vocabulary_merges_as_defined(ranks: dict[bytes, int], piece: str) -> None:
    lines = [base64.b64encode(token) + b" %d" % rank for token, rank in ranks.items()]
    bpe = _native.Tokenizer(b"\n".join(lines), "o200k_base")
    assert len(byte_pairs(piece.encode(), ranks)) == bpe.count(piece)


@pytest.mark.slow
def test_core_is_clean_under_sanitizers() -> None:
    sources = core_sources("bpe", "vocabulary", "pretokenise", "estimate")
    compile_and_run("test_bpe", sources)


@pytest.mark.slow
def test_counting_from_many_threads_is_clean_under_threadsanitizer() -> None:
    sources = core_sources("bpe", "vocabulary", "pretokenise", "estimate")
    compile_and_run("test_bpe", sources, sanitize="thread")


@pytest.mark.slow(60)
@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
def test_kept_counts_are_clean_under_sanitizers(sanitizers: str) -> None:
    sources = [path for path in core_sources("*") if "/tokenizer/" in path or "/support/" in path]
    sources += core_sources("corpus", "char_set")
    compile_and_run("test_caching_tokenizer", sources, sanitize=sanitizers)


@pytest.mark.slow
def test_core_without_sse2_is_clean_under_sanitizers() -> None:
    sources = core_sources("bpe", "vocabulary", "pretokenise", "estimate")
    compile_and_run("test_bpe", sources, flags=["-U__SSE2__"])


# Spans --------------------------------------------------------------------------------------------


@both
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_span_counts_equal_counts_of_slices(encoding: str, data: st.DataObject) -> None:
    text = data.draw(st.lists(st.sampled_from(ATOMS), max_size=40).map("".join))
    offset = st.integers(0, len(text))
    spans = [
        tuple(sorted(pair)) for pair in data.draw(st.lists(st.tuples(offset, offset), max_size=8))
    ]
    expected = [tokens.count_tokens(text[start:end], encoding) for start, end in spans]
    assert expected == tokens.count_spans(encoding, text, spans).tolist()


def test_every_span_of_a_paragraph() -> None:
    text = "It's 12345 words—don't\n\n  count   them.\r\n\tNaïve 中文，HTTPServer's/x\n/y 😀!"
    spans = [(i, j) for i in range(len(text) + 1) for j in range(i, len(text) + 1)]
    expected = [tokens.count_tokens(text[i:j]) for i, j in spans]
    assert expected == tokens.count_spans("o200k_base", text, spans).tolist()


def test_spans_of_a_counter_that_is_not_native() -> None:
    spans = [(0, 3), (4, 7), (0, 7)]
    counts = tokens.count_spans(lambda text: len(text.split()), "one two", spans)
    assert [1, 1, 2] == counts.tolist()


def test_spans_of_text_with_surrogates_equal_counts_of_slices() -> None:
    text = "a\ud83d\ude00b \ud800c"  # a pair that means one character, and a lone one
    spans = [(i, j) for i in range(len(text) + 1) for j in range(i, len(text) + 1)]
    expected = [tokens.count_tokens(text[i:j]) for i, j in spans]
    assert expected == tokens.count_spans("o200k_base", text, spans).tolist()


def test_no_spans_give_no_counts() -> None:
    assert [] == tokens.count_spans("o200k_base", "text", []).tolist()


@pytest.mark.parametrize("spans", [[(0, 5)], [(-1, 2)], [(3, 2)], [0, 1], [(0.0, 1.0)]])
def test_impossible_spans_are_refused(spans: object) -> None:
    with pytest.raises(InputError, match="span"):
        tokens.count_spans("o200k_base", "text", spans)


# Hostile text -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_work_is_linear_in_long_runs() -> None:
    arguments = [str(word) for name in NATIVE for word in (name, packed_path(name))]
    sources = core_sources("bpe", "vocabulary", "pretokenise", "estimate")
    compile_and_run("test_bpe_cost", sources, flags=COUNT_BLOCKS, sanitize="", arguments=arguments)


@both
def test_long_runs_count_as_in_tiktoken(oracle: Callable[..., int], encoding: str) -> None:
    for unit in (" ", "a", "\n", "中", "文字", "=", "é", "\u3000"):
        text = unit * 3000
        assert oracle(encoding, text) == tokens.count_tokens(text, encoding)


def test_million_spaces_in_front_of_a_word() -> None:
    # All blanks but one are a piece, of tokens of up to 128 blanks; the last goes with the word.
    rest = (1_000_000 - 1) % 128
    expected = (1_000_000 - 1) // 128 + tokens.count_tokens(" " * rest) + 1
    assert expected == tokens.count_tokens(" " * 1_000_000 + "word")


# Caches and threads -------------------------------------------------------------------------------


@both
def test_cached_counts_equal_fresh_ones(encoding: str) -> None:
    rng = random.Random(7)
    texts = [random_text(rng) * 4 for _ in range(2000)]
    texts += texts[::-1]
    bpe = tokens.resolve(encoding).core
    fresh = bpe.count_many(texts, cache=False).tolist()
    assert fresh == bpe.count_many(texts).tolist()
    assert fresh == bpe.count_many(texts).tolist()
    assert fresh == [bpe.count(text) for text in texts]


def test_counts_are_the_same_from_many_threads() -> None:
    lines = published_lines(packed_path("o200k_base").read_bytes())
    bpe = _native.Tokenizer(
        lines, "o200k_base"
    )  # cold: threads find side by side how tokens are made
    rng = random.Random(8)
    texts = [random_text(rng) * 3 for _ in range(3000)]
    expected = tokens.count_tokens(texts)
    wrong = []

    def count() -> None:
        for cache in (False, True):
            if bpe.count_many(texts, cache=cache).tolist() != expected:
                wrong.append("count_many")
        if [bpe.count(text) for text in texts] != expected:
            wrong.append("count")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_foreign_counter_is_asked_once_for_a_text() -> None:
    asked: list[str] = []

    def count(text: str) -> int:
        asked.append(text)
        return len(text)

    counter = tokens.resolve(count)
    long = "x" * 100
    assert [100, 100] == list(counter.count_many([long, long + ""]))
    assert 100 == counter.count(long)
    assert len(asked) == 2  # both of the first call, which are one batch; then from the cache


# Counters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("openai/gpt-4.1-nano", "o200k_base"),
        ("gpt-5.1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("ft:gpt-4o:acme", "o200k_base"),
        ("o200k_harmony", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("davinci-002", "cl100k_base"),
    ],
)
def test_model_names_resolve_to_their_encoding(name: str, encoding: str) -> None:
    counter = tokens.resolve(name)
    assert encoding == counter.name
    assert counter.exact and counter.additive


@pytest.mark.parametrize("name", ["claude-sonnet-4-5", "gemini-2.5-pro", "meta-llama/Llama-3-8B"])
def test_models_without_a_public_tokenizer_are_estimated(name: str) -> None:
    counter = tokens.resolve(name)
    assert not counter.exact and not counter.additive
    assert 0 == counter.count("")
    assert 1 <= counter.count("a") <= 2  # an upper bound, rounded up
    assert counter.count("Some words of English.") >= 5


def test_named_counters_are_made_once() -> None:
    assert tokens.resolve("gpt-4o") is tokens.resolve("o200k_base")


def test_counters_satisfy_the_protocol() -> None:
    for counter in ("o200k_base", "claude-3", len):
        assert isinstance(tokens.resolve(counter), Counter)


def test_unknown_name_says_what_is_known() -> None:
    with pytest.raises(InputError, match=r"'gtp-4o'.*o200k_base.*gpt-4o.*Estimate"):
        tokens.resolve("gtp-4o")


def test_objects_need_only_one_of_the_two_methods() -> None:
    class One:
        name = "one"

        def count(self, text: str) -> int:
            return 1

    class Many:
        def count_many(self, texts: list[str]) -> np.ndarray:
            return np.full(len(texts), 2)

    assert [1, 1] == tokens.count_tokens(["a", "b"], One())
    assert 2 == tokens.count_tokens("a", Many())
    assert ("one", "Many") == (tokens.resolve(One()).name, tokens.resolve(Many()).name)


def test_tiktoken_encodings_are_taken_as_counters(oracle: Callable[..., int]) -> None:
    encoding = tiktoken.get_encoding("o200k_base")
    assert tokens.resolve(encoding) is tokens.resolve("o200k_base")
    own = tiktoken.Encoding(
        "own",
        pat_str=r"\S+|\s+",
        mergeable_ranks={bytes([b]): b for b in range(256)},
        special_tokens={},
    )
    assert 5 == tokens.count_tokens("ab cd", own)


def test_panic_of_an_encoding_is_an_error_that_says_so() -> None:
    class PanicException(BaseException):
        pass

    class Encoding:
        name = "fragile"

        def encode_ordinary(self, text: str) -> list[int]:
            raise PanicException("stack overflow")

    with pytest.raises(InputError, match="fragile cannot encode this text of 3 characters"):
        tokens.count_tokens("   ", Encoding())

    class Interrupted:
        name = "interrupted"

        def encode_ordinary(self, text: str) -> list[int]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tokens.count_tokens("   ", Interrupted())


@pytest.mark.parametrize("answer", [-1, 1.5, float("nan"), True, None, "3", 1 << 70, np.float64(2)])
def test_counters_that_lie_are_found_out(answer: object) -> None:
    with pytest.raises(InputError, match="a count is an int >= 0"):
        tokens.count_tokens("text", lambda text: answer)


@pytest.mark.parametrize("answers", [[], [1], [1, 2, 3], 5])
def test_counters_that_miscount_their_answers_are_found_out(answers: object) -> None:
    class Short:
        name = "short"

        def count_many(self, texts: list[str]) -> object:
            return answers

    with pytest.raises(InputError, match="'short' returned"):
        tokens.count_tokens(["a", "b"], Short())


@pytest.mark.parametrize("counter", [None, 5, [1], b"gpt-4", {}, ("a",)])
def test_what_cannot_count_is_refused(counter: object) -> None:
    with pytest.raises(InputTypeError, match="cannot count tokens"):
        tokens.resolve(counter)


@pytest.mark.parametrize("text", [None, 5, b"bytes", {"content": "x"}, ["a", None], [["a"]]])
def test_what_is_not_text_is_refused(text: object) -> None:
    with pytest.raises(InputTypeError, match="count_tokens takes a str or a list of str"):
        tokens.count_tokens(text)  # type: ignore[call-overload]


def test_lists_and_tuples_give_lists() -> None:
    assert [1, 2] == tokens.count_tokens(("Hello", "Hello world"))
    assert [] == tokens.count_tokens([])


# The bench ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_bench_runs_and_checks_every_count() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.tokens", "--json", "--chunks", "20", "--rounds", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(ran.stdout)
    languages = ["chinese", "japanese", "korean", "russian", "hindi"]
    assert ["english", "code", "json", *languages] == list(result["corpora"])
    assert result["corpora"]["chinese"]["characters"] > 300

"""Tokenizer files: every count is that of the library the file is made for."""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from cpp_build import compile_and_run, core_sources
from fuzz_size import code_points, many
from hypothesis import given, settings
from hypothesis import strategies as st
from public_files import public_files
from token_texts import ATOMS, random_text
from tokenizers import Tokenizer
from trained_tokenizers import MAKERS, SPACE, added, sentencepiece_model, trained

import ctxmem
from ctxmem import tokens
from ctxmem.errors import InputError, VocabularyError
from ctxmem.protocols import Counter
from ctxmem.tokens.counters import Native

# What tells the stages of the trained tokenizers apart, beside the atoms of the byte-pair tests.
MORE = [
    *(
        "<|im_start|>",
        "<tool_call>",
        "<|eot_id|>",
        "<s>",
        "[INST]",
        "[MASK]",
        "  [MASK]",
        "<table>",
    ),
    *("<｜User｜>", "\n\n\n", "\n\n\n\n\n\n", SPACE, SPACE * 3, f"{SPACE}the", "<0x41>", "<unk>"),
    *(
        "``",
        "''",
        "ﬁ",
        "Å",
        "가",
        "각",
        "が",
        "é",
        "ｆｕｌｌ",
        "①",
        "ǅ",
        "İ",
        "ΑΣ",
        "\u00ad",
        "\u200d",
    ),
    *("一", "龥", "龦", "゠", "ヿ", "\U00020000", "def f(x):", "    return", " and", "the"),
]


def hostile(rng: random.Random) -> str:
    """Return a random text that mixes atoms, or a plain one."""
    if rng.random() < 0.4:
        return random_text(rng)
    return "".join(rng.choices(ATOMS + MORE, k=rng.randrange(20)))


def reference(content: str) -> Callable[[str], int]:
    """Return how `tokenizers` counts: without a template, a limit or padding."""
    tokenizer = Tokenizer.from_str(content)
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(text: str) -> int:
        clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return len(tokenizer.encode(clean, add_special_tokens=False).ids)

    return count


def written(tmp_path: Path, content: str, name: str = "tokenizer.json") -> Path:
    path = tmp_path / name
    path.write_text(content, "utf-8")
    return path


@pytest.fixture(scope="session", params=list(MAKERS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """Return our counter of a trained tokenizer, and the reference."""
    content = trained(request.param)
    counter = ctxmem.counter(written(tmp_path_factory.mktemp("tokenizer"), content))
    assert isinstance(counter, Native), counter.name  # not by way of `tokenizers`
    return counter, reference(content)


def check(counter: Counter, expected: Callable[[str], int], texts: list[str]) -> None:
    for text, count in zip(texts, counter.count_many(texts), strict=True):
        assert expected(text) == count, ascii(text)


# Equality -----------------------------------------------------------------------------------------


def test_hand_written_counts(tmp_path: Path) -> None:
    model = {
        "type": "BPE",
        "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3, "Ġab": 4},
        "merges": ["a b", "Ġ ab"],
    }
    content = json.loads(trained("gpt2")) | {
        "model": model,
        "added_tokens": [added("<x>", 5)],
    }
    counter = ctxmem.counter(written(tmp_path, json.dumps(content)))
    assert 0 == counter.count("")
    assert 1 == counter.count("ab")
    assert 2 == counter.count("ab ab")  # "ab", " ab"
    assert 3 == counter.count("ab<x>ab")
    assert 2 == counter.count("ba")


def test_random_texts_count_as_in_tokenizers(pair) -> None:
    counter, expected = pair
    rng = random.Random(7)
    check(counter, expected, [hostile(rng) for _ in range(500)])


@settings(max_examples=30, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_counts_as_in_tokenizers(pair, text: str) -> None:
    counter, expected = pair
    assert expected(text) == counter.count(text)


@pytest.mark.slow
def test_many_texts_count_as_in_tokenizers(pair) -> None:
    counter, expected = pair
    seed = int(os.environ.get("CTXMEM_FUZZ_SEED", "0"))
    rng = random.Random(seed)
    check(counter, expected, [hostile(rng) for _ in range(many(200_000))])


@pytest.mark.slow
def test_every_code_point_counts_as_in_tokenizers(pair) -> None:
    counter, expected = pair
    check_code_points(counter, expected)


def check_code_points(counter: Counter, expected: Callable[[str], int]) -> None:
    """Compare code points in several contexts."""
    contexts = ["{}", "a{}b", " {}A", "1{}2", "!{}!", "{}\u0301", "e{}", "  {} "]
    points = code_points()
    for start in range(0, len(points), 64):
        part = points[start : start + 64]
        text = "\n".join(context.format(point) for point in part for context in contexts)
        if expected(text) != counter.count(text):
            for point in part:  # name the one
                check(counter, expected, [context.format(point) for context in contexts])


def test_long_texts_count_as_in_tokenizers(pair) -> None:
    counter, expected = pair
    rng = random.Random(3)
    prose = "".join(hostile(rng) for _ in range(1000))
    check(counter, expected, [prose, "a" * 2000, "é" * 1000, " " * 1000, "\n " * 1000])


def test_spans_count_as_their_texts(pair) -> None:
    counter, expected = pair
    rng = random.Random(5)
    text = "".join(hostile(rng) for _ in range(60))
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(40))
    spans = list(itertools.pairwise(cuts))
    counts = tokens.count_spans(counter, text, spans).tolist()
    assert [expected(text[a:b]) for a, b in spans] == counts


# Added tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["lstrip", "rstrip", "single_word", "normalized", "special"])
def test_flags_of_added_tokens(tmp_path: Path, flag: str) -> None:
    content = json.loads(trained("qwen"))
    tokens = ("<x>", "<x>>", "é<y>", "  ", "foo")
    content["added_tokens"] = [added(t, 3000 + i, **{flag: True}) for i, t in enumerate(tokens)]
    text = json.dumps(content)
    counter, expected = ctxmem.counter(written(tmp_path, text)), reference(text)
    rng = random.Random(11)
    atoms = [*tokens, " ", "\t", "\n", "e\u0301<y>", "a", "_", "1", "<", "x>", "foo", "\u0301", "é"]
    check(counter, expected, ["".join(rng.choices(atoms, k=rng.randrange(9))) for _ in range(3000)])


def check_added(tmp_path: Path, content: dict, tokens: list[dict], texts: list[str]) -> None:
    whole = json.dumps(content | {"added_tokens": tokens})
    counter = ctxmem.counter(written(tmp_path, whole))
    assert isinstance(counter, Native)
    check(counter, reference(whole), texts)


def test_white_space_that_went_with_a_token_is_no_token_again(tmp_path: Path) -> None:
    content = json.loads(trained("gpt2"))
    tab = added("\t", 3000, lstrip=True, rstrip=True)
    check_added(tmp_path, content, [tab], ["\t", "\t\t", "a\t\t\tb\t \t"])
    tokens = [added("The", 3000, rstrip=True), added(" ", 3001, lstrip=True)]
    check_added(tmp_path, content, tokens, ["The ", " The x"])


def test_words_around_an_added_token_are_those_of_rust(tmp_path: Path) -> None:
    content = json.loads(trained("gpt2"))
    beside = [
        "a",
        "_",
        "1",
        "½",
        "²",
        "①",
        "Ⓐ",
        "ⅷ",
        "\u200d",
        "\u200c",
        "\u0301",
        "‿",
        "-",
        "中",
        "٣",
    ]
    texts = [text for c in beside for text in (c + "<x>", "<x>" + c, f" {c} <x> {c}")]
    check_added(tmp_path, content, [added("<x>", 3000, single_word=True)], texts)


def test_of_equal_added_tokens_the_last_says_how_they_match(tmp_path: Path) -> None:
    content = json.loads(trained("qwen"))
    flags = ("lstrip", "rstrip", "single_word", "normalized", "special")
    rng = random.Random(19)
    texts = ["".join(rng.choices(["e\u0301", "é", " ", "a", "x"], k=6)) for _ in range(40)]
    for _ in range(60):
        tokens = [
            added(
                rng.choice(["é", "ab", "x"]),
                3000 + i,
                **{f: rng.random() < 0.4 for f in flags},
            )
            for i in range(rng.randrange(2, 5))
        ]
        check_added(tmp_path, content, tokens, texts)


def test_first_behind_a_normaliser_that_shortens_is_left_to_tokenizers(tmp_path: Path) -> None:
    content = json.loads(trained("mistral"))
    rng = random.Random(23)
    for normal in ({"type": "Strip", "strip_left": True, "strip_right": False}, {"type": "Nmt"}):
        text = json.dumps(content | {"normalizer": normal})
        counter = ctxmem.counter(written(tmp_path, text))
        assert "by tokenizers" in counter.name
        check(counter, reference(text), ["\x1cel", " el", *(hostile(rng) for _ in range(100))])


# Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["unigram", "bpe", "word", "char"])
def test_sentencepiece_models_count_as_in_sentencepiece(kind: str, tmp_path: Path) -> None:
    import sentencepiece

    data = sentencepiece_model(kind)
    path = tmp_path / "tokenizer.model"
    path.write_bytes(data)
    processor = sentencepiece.SentencePieceProcessor(model_proto=data)
    rng = random.Random(13)
    # sentencepiece reads a C string; what comes behind a zero byte is for its caller to lose.
    texts = [hostile(rng).replace("\0", "") for _ in range(1500)]
    clean = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
    expected = [len(processor.encode(text)) for text in clean]
    for text, want, got in zip(
        texts, expected, ctxmem.counter(path).count_many(texts), strict=True
    ):
        assert want == got, ascii(text)


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    for name, content in {
        "empty.json": "",
        "list.json": "[1, 2]",
        "other.json": '{"a": 1}',
        "half.json": trained("gpt2")[:500],
        "text.model": "hello world",
        "deep.json": "[" * 100_000,
    }.items():
        with pytest.raises(VocabularyError, match=name):
            ctxmem.counter(written(tmp_path, content, name))
    for path in (
        tmp_path / "nowhere.json",
        "a\0.json",
        "\ud800.json",
        "a" * 5000 + ".json",
        "~no/a.json",
    ):
        with pytest.raises(VocabularyError, match="cannot be read"):
            ctxmem.counter(path)
    with pytest.raises(InputError, match="no encoding, model or tokenizer file"):
        ctxmem.counter("a/" * 5000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "zero.json"):
        with pytest.raises(VocabularyError, match="no regular file"):
            ctxmem.counter(tmp_path / name)


def test_a_byte_order_mark_is_no_damage(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + trained("gpt2"))
    assert ctxmem.counter(path).count("the museum") == reference(trained("gpt2"))("the museum")


@pytest.mark.parametrize("pattern", [None, 3, "\ud800", "("])
def test_a_tekken_file_with_a_damaged_pattern_is_refused(tmp_path: Path, pattern: object) -> None:
    config = {"pattern": pattern, "default_vocab_size": 2, "default_num_special_tokens": 1}
    content = {"config": config, "vocab": [{"rank": 0, "token_bytes": "YQ=="}]}
    with pytest.raises(VocabularyError, match="damaged"):
        ctxmem.counter(written(tmp_path, json.dumps(content)))


def test_what_tokenizers_itself_fails_at_is_an_error_of_ours(tmp_path: Path) -> None:
    # Its merges are shorter than the prefix, at which the library panics.
    content = json.loads(trained("gpt2"))
    content["model"]["continuing_subword_prefix"] = "##"
    with pytest.raises(VocabularyError, match="damaged"):
        ctxmem.counter(written(tmp_path, json.dumps(content)))


def replacing(pattern: dict[str, object]) -> dict[str, object]:
    return {"type": "Replace", "pattern": pattern, "content": "x"}


@pytest.mark.parametrize(
    "break_it",
    [
        lambda c: c["model"].pop("vocab"),
        lambda c: c["model"].update(vocab=[]),
        lambda c: c["model"].update(merges=["nope nope"]),
        lambda c: c["model"].update(merges=[["a"]]),
        lambda c: c.update(added_tokens=[{"content": 3}]),
        lambda c: c["added_tokens"][0].update(lstrip="a"),
        lambda c: c.update(normalizer=replacing({"String": 3})),
        lambda c: c.update(normalizer=replacing({"Regex": None})),
        lambda c: c.update(normalizer=replacing({"String": "\ud800"})),
        lambda c: c.update(pre_tokenizer={"type": "Split"}),
        lambda c: c.update(normalizer={"no": "type"}),
        lambda c: c.update(normalizer={"type": "Prepend", "prepend": "\ud800"}),
        lambda c: c.update(
            normalizer={"type": "Replace", "pattern": {"String": 5}, "content": "x"}
        ),
        lambda c: c.update(added_tokens=[{"content": "x", "lstrip": "yes"}]),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, break_it: Callable[[dict], object]) -> None:
    content = json.loads(trained("gpt2"))
    break_it(content)
    with pytest.raises(VocabularyError):
        ctxmem.counter(written(tmp_path, json.dumps(content)))


def test_a_tekken_file_without_a_pattern_is_refused(tmp_path: Path) -> None:
    vocab = [{"rank": i, "token_bytes": f"{chr(65 + i)}Q=="} for i in range(2)]
    config = {"default_vocab_size": 2, "default_num_special_tokens": 0, "pattern": None}
    content = json.dumps({"config": config, "vocab": vocab})
    with pytest.raises(VocabularyError, match="pattern is None"):
        ctxmem.counter(written(tmp_path, content, "tekken.json"))


def test_what_the_core_does_not_know_is_counted_by_tokenizers(tmp_path: Path) -> None:
    content = json.loads(trained("gpt2"))
    content["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [{"type": "UnicodeScripts"}, content["pre_tokenizer"]],
    }
    text = json.dumps(content)
    counter = ctxmem.counter(written(tmp_path, text))
    assert "by tokenizers" in counter.name and counter.exact
    rng = random.Random(1)
    check(counter, reference(text), [hostile(rng) for _ in range(200)])


def test_byte_pairs_need_a_pattern(tmp_path: Path) -> None:
    import base64

    lines = [base64.b64encode(bytes([byte])).decode() + f" {byte}" for byte in range(256)]
    lines.append(base64.b64encode(b"ab").decode() + " 256")
    path = written(tmp_path, "\n".join(lines), "own.tiktoken")
    with pytest.raises(InputError, match="pass pattern="):
        ctxmem.counter(path)
    assert 2 == ctxmem.counter(path, pattern="qwen2").count("ab1")
    assert 3 == ctxmem.counter(path, pattern=r"\w|\W+").count("ab1")  # no piece holds both
    for typo in ("qwen", ""):  # as a regular expression it would count next to nothing
        with pytest.raises(InputError, match="no pattern is called"):
            ctxmem.counter(path, pattern=typo)
    with pytest.raises(InputError, match=r"the pattern '\(' cannot be used"):
        ctxmem.counter(path, pattern="(")
    with pytest.raises(InputError, match="holds its own rules"):
        ctxmem.counter(written(tmp_path, trained("gpt2")), pattern="qwen2")


# Files of public models ---------------------------------------------------------------------------

real_files = pytest.mark.parametrize("path", public_files("*.json"), ids=lambda path: path.name)


@real_files
def test_public_files_count_as_in_their_library(path: Path) -> None:
    counter, expected = ctxmem.counter(path), public_reference(path)
    assert isinstance(counter, Native), counter.name
    rng = random.Random(17)
    number = int(os.environ.get("CTXMEM_FUZZ_TEXTS", "3000"))
    check(counter, expected, [hostile(rng) for _ in range(number)])


@real_files
@pytest.mark.slow
def test_every_code_point_counts_in_public_files(path: Path) -> None:
    check_code_points(ctxmem.counter(path), public_reference(path))


def public_reference(path: Path) -> Callable[[str], int]:
    content = json.loads(path.read_text("utf-8"))
    if "model" in content:
        return reference(path.read_text("utf-8"))
    import base64

    import tiktoken

    config = content["config"]
    size = config["default_vocab_size"] - config["default_num_special_tokens"]
    ranks = {base64.b64decode(v["token_bytes"]): v["rank"] for v in content["vocab"][:size]}
    made = tiktoken.Encoding(
        path.name, pat_str=config["pattern"], mergeable_ranks=ranks, special_tokens={}
    )
    return lambda text: len(made.encode_ordinary(text))


@pytest.mark.slow(60)
def test_the_readers_of_json_are_clean_under_sanitizers() -> None:
    sources = [path for path in core_sources("*") if "/tokenizer/" in path]
    names = ("span_*", "features_*", "definition*", "gradient_boosted_trees", "terms", "stems")
    sources += [path for path in core_sources(*names) if "/ranking/" in path]
    compile_and_run("test_tokenizer_json", sources + core_sources("corpus", "char_set"))

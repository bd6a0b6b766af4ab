"""The models of tokenizer files, counted natively: against `tokenizers` and `sentencepiece`."""

from __future__ import annotations

import io
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tokenizers
from cpp_build import compile_and_run, core_sources
from fuzz_size import code_points, many
from hypothesis import given, settings
from hypothesis import strategies as st
from public_files import files_with, public_files
from tokenizers import models, pre_tokenizers, trainers

from ctxmem import _native, _testing

ROOT = Path(__file__).resolve().parent.parent
LINES = [
    line
    for name in ("README.md", "CONTRIBUTING.md", "ctxmem/schema.py", "csrc/core/tokenizer/bpe.hpp")
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
    if line.strip()
]
LINES += [
    "人工智能是计算机科学的一个分支",
    "한국어 텍스트도 있습니다",
    "Привет, мир!",
    "こんにちは 😀 é",
]
ATOMS = [
    "the",
    "ing",
    "a",
    "b",
    "ab",
    " ",
    "  ",
    "▁",
    "\n",
    "\t",
    "人",
    "é",
    "😀",
    "=",
    "0",
    "#",
    "(",
]
BYTE_LETTERS = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def random_text(rng: random.Random) -> str:
    """Return a piece of one of our texts, or of atoms, of any characters, or a long run."""
    kind = rng.randrange(4)
    if kind == 0:
        line = rng.choice(LINES)
        start = rng.randrange(len(line))
        return line[start : start + rng.randrange(1, 90)]
    if kind == 1:
        return "".join(rng.choice(ATOMS) for _ in range(rng.randrange(1, 40)))
    if kind == 2:
        planes = [(32, 127), (127, 0xD800), (0xE000, 0x110000)]
        return "".join(chr(rng.randrange(*rng.choice(planes))) for _ in range(rng.randrange(1, 12)))
    return rng.choice("a \n=▁0人") * rng.randrange(1, 150)


def differences(
    expected: Callable[[str], int], actual: Callable[[str], int], seed: int, texts: int
) -> list[tuple[str, int, int]]:
    """Return the random texts whose counts differ."""
    rng = random.Random(seed)
    found = []
    for _ in range(texts):
        text = random_text(rng)
        if (one := expected(text)) != (two := actual(text)):
            found.append((text, one, two))
    return found


def section_of(model: Any) -> dict[str, Any]:
    """Return the section "model" that `tokenizers` writes for a model."""
    return json.loads(tokenizers.Tokenizer(model).to_str())["model"]


def tokenize_count(section: dict[str, Any], byte_level: bool) -> Callable[[str], int]:
    """Return how `tokenizers` counts the tokens of a piece."""
    whole = {"version": "1.0", "added_tokens": [], "model": section}
    empty = dict.fromkeys(["normalizer", "pre_tokenizer", "post_processor", "decoder"])
    model = tokenizers.Tokenizer.from_str(json.dumps({**whole, **empty})).model

    def count(text: str) -> int:
        if byte_level and text:
            text = BYTE_LETTERS.pre_tokenize_str(text)[0][0]
        return len(model.tokenize(text))

    return count


def trained(kind: str) -> tuple[dict[str, Any], bool]:
    """Return a small model trained on our own texts, and whether it is of bytes."""
    special = ["<unk>"]
    if kind == "byte pairs":
        tokenizer = tokenizers.Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer: Any = trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet)
    elif kind == "character pairs":
        tokenizer = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=special)
    elif kind == "affixes":
        tokenizer = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.BpeTrainer(
            vocab_size=500,
            special_tokens=special,
            continuing_subword_prefix="##",
            end_of_word_suffix="</w>",
        )
    elif kind == "unigram":
        tokenizer = tokenizers.Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=600, special_tokens=special, unk_token="<unk>", show_progress=False
        )
    elif kind == "word pieces":
        tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.WordPieceTrainer(vocab_size=500, special_tokens=special)
    else:
        tokenizer = tokenizers.Tokenizer(models.WordLevel(unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.WordLevelTrainer(vocab_size=300, special_tokens=special)
    tokenizer.train_from_iterator(LINES, trainer)
    section = json.loads(tokenizer.to_str())["model"]
    return section, kind == "byte pairs"


KINDS = ["byte pairs", "character pairs", "affixes", "unigram", "word pieces", "words"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_model_counts_as_tokenizers_does(kind: str) -> None:
    section, byte_level = trained(kind)
    model = _testing.TokenModel(section, byte_level)
    assert model.quick == (kind != "affixes")
    assert differences(tokenize_count(section, byte_level), model.count, 1, 3000) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_model_counts_200k_texts_and_every_character(kind: str) -> None:
    section, byte_level = trained(kind)
    model = _testing.TokenModel(section, byte_level)
    expected = tokenize_count(section, byte_level)
    assert differences(expected, model.count, 2, many(200_000)) == []
    assert [c for c in code_points() if expected(f"a{c}b") != model.count(f"a{c}b")] == []


@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize("ignore_merges", [False, True])
@pytest.mark.parametrize("unknown", [None, "<unk>"])
@pytest.mark.parametrize("bytes_left_out", [None, 0, 40])
def test_every_option_of_byte_pairs_counts_as_tokenizers_does(
    fuse: bool, ignore_merges: bool, unknown: str | None, bytes_left_out: int | None
) -> None:
    section = trained("character pairs")[0]
    vocab = dict(section["vocab"])
    if bytes_left_out is not None:
        for byte in range(256 - bytes_left_out):
            vocab.setdefault(f"<0x{byte:02X}>", len(vocab))
    section = {
        **section,
        "vocab": vocab,
        "unk_token": unknown,
        "fuse_unk": fuse,
        "ignore_merges": ignore_merges,
        "byte_fallback": bytes_left_out is not None,
    }
    model = _testing.TokenModel(section)
    assert differences(tokenize_count(section, False), model.count, 3, 400) == []


def random_merges(rng: random.Random) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return tokens of a few letters and merges in any order: ranks fall, some are never used."""
    letters = "abc"[: rng.choice([1, 2, 2, 3])]
    tokens = list(letters)
    for _ in range(rng.randrange(1, 14)):
        token = rng.choice(tokens) + rng.choice(tokens)
        if token not in tokens and len(token) < 9:
            tokens.append(token)
    merges = []
    for token in tokens:
        cuts = [(token[:i], token[i:]) for i in range(1, len(token))]
        splits = [cut for cut in cuts if cut[0] in tokens and cut[1] in tokens]
        if splits:
            merges += rng.sample(splits, rng.randrange(1, len(splits) + 1))
    if rng.random() < 0.7:
        rng.shuffle(merges)
    return {token: i for i, token in enumerate([*tokens, "<unk>"])}, merges


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_merges_in_any_order_count_as_tokenizers_does(seed: int, ignore_merges: bool) -> None:
    rng = random.Random(seed)
    vocab, merges = random_merges(rng)
    oracle = models.BPE(vocab, merges, unk_token="<unk>", ignore_merges=ignore_merges)
    section = section_of(oracle)
    model = _testing.TokenModel(section)
    assert model.quick
    for _ in range(20):
        text = "".join(rng.choice("aaabbcx") for _ in range(rng.randrange(1, 60)))
        assert len(oracle.tokenize(text)) == model.count(text), (merges, text)


def test_byte_pairs_by_hand() -> None:
    vocab = {token: i for i, token in enumerate(["a", "b", "c", "ab", "bc", "abc", "<unk>"])}
    section = {
        "type": "BPE",
        "vocab": vocab,
        "merges": ["b c", "a b", "a bc"],
        "unk_token": "<unk>",
    }
    model = _testing.TokenModel(section)
    assert model.count("") == 0
    assert model.count("abc") == 1  # a b c, a bc, abc
    assert model.count("ab") == 1
    assert model.count("abab") == 2
    assert model.count("axxb") == 4  # each x is unknown
    assert _testing.TokenModel({**section, "fuse_unk": True}).count("axxb") == 3
    # A merge of a lower rank than its parts comes at once after them.
    falling = {**section, "merges": ["ab c", "b c", "a b"]}
    assert _testing.TokenModel(falling).count("abc") == 2  # a bc: "ab" is never made here
    falling["merges"] = ["ab c", "a b", "b c"]
    assert _testing.TokenModel(falling).count("abcabc") == 2


def test_word_pieces_by_hand() -> None:
    vocab = {token: i for i, token in enumerate(["[UNK]", "un", "##aff", "##able", "##a", "a"])}
    model = _testing.TokenModel(
        {"type": "WordPiece", "vocab": vocab, "max_input_chars_per_word": 9}
    )
    assert model.count("unaffable") == 3
    assert model.count("unaffablea") == 1  # ten characters
    assert model.count("unx") == 1
    assert model.count("aaa") == 3


def test_unigram_by_hand() -> None:
    vocab = [("<unk>", 0.0), ("a", -1.0), ("b", -1.0), ("ab", -2.0), ("abb", -2.5)]
    model = _testing.TokenModel({"type": "Unigram", "vocab": vocab, "unk_id": 0})
    assert model.count("ab") == 1  # of equal sums the one whose last token begins first
    assert model.count("abb") == 1
    assert model.count("axyb") == 3  # neighbouring unknown characters are one token


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}, "needs the token 'b'"),
        ({"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}, "needs the token 'ab'"),
        ({"type": "BPE", "vocab": {"a": 0}, "merges": ["a"]}, "a space between"),
        ({"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]}, "neither"),
        ({"type": "BPE", "vocab": {"a": 0}, "merges": [["a", 1]]}, "expected str"),
        ({"type": "BPE", "vocab": {"a": "0"}, "merges": []}, "dict of token to id"),
        ({"type": "BPE", "vocab": [], "merges": []}, "dict of token to id"),
        ({"type": "BPE", "vocab": {}, "merges": None}, "a list"),
        ({"type": "BPE", "vocab": {}, "merges": [], "fuse_unk": 1}, "true or false"),
        ({"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 1}, "unk_id is 1"),
        ({"type": "Unigram", "vocab": [["a"]]}, "token, score"),
        ({"type": "Unigram", "vocab": [["a", "x"]]}, "token, score"),
        ({"type": "Unigram", "vocab": {}}, "token, score"),
        ({"type": "WordPiece", "vocab": {}, "max_input_chars_per_word": -1}, "from 0 on"),
        ([], "expected dict"),
    ],
)
def test_a_damaged_section_is_refused(section: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _testing.TokenModel(section)


@pytest.mark.parametrize(
    "section",
    [
        {"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1},
        {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []},
        {"type": "Other", "vocab": {}},
    ],
)
def test_what_is_not_supported_says_so(section: dict[str, Any]) -> None:
    with pytest.raises(_native.Unsupported):
        _testing.TokenModel(section)


def test_a_character_without_any_token_is_an_error() -> None:
    for section in (
        {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "<unk>"},
        {"type": "Unigram", "vocab": [["a", -1.0]], "unk_id": None},
        {"type": "WordPiece", "vocab": {"a": 0}},
        {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "<unk>"},
    ):
        model = _testing.TokenModel(section)
        assert model.count("a") == 1
        with pytest.raises(ValueError, match=r"is not in the vocabulary either|no unk_id"):
            model.count("b")
    # Without a token for unknown characters, byte pairs drop them.
    assert _testing.TokenModel({"type": "BPE", "vocab": {"a": 0}, "merges": []}).count("axa") == 2


def test_hostile_pieces_take_no_quadratic_time() -> None:
    section, _ = trained("character pairs")
    model = _testing.TokenModel({**section, "fuse_unk": True})
    tokens = {"a" * (1 << i): i for i in range(8)}
    doubling = [("a" * (1 << i), "a" * (1 << i)) for i in range(7)]
    runs = _testing.TokenModel({"type": "BPE", "vocab": tokens, "merges": doubling})
    assert model.count("q" * 300_000) > 0
    assert runs.count("a" * 300_000) == 300_000 // 128 + 2  # and 64 + 32


# SentencePiece ----------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    """Return a number as protocol buffers write it."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def text_field(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def number_field(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def model_file(
    pieces: list[tuple[str, float, int]], kind: int, byte_fallback: bool = False
) -> bytes:
    """Return a SentencePiece file of these pieces (text, score, type) that changes no text."""
    out = b""
    for text, score, piece_type in pieces:
        fields = text_field(1, text.encode()) + varint(2 << 3 | 5) + struct.pack("<f", score)
        out += text_field(1, fields + number_field(3, piece_type))
    trainer = number_field(3, kind) + number_field(35, int(byte_fallback))
    keep = number_field(3, 0) + number_field(4, 0) + number_field(5, 1)
    return out + text_field(2, trainer) + text_field(3, text_field(1, b"identity") + keep)


def sentencepiece_differences(data: bytes, seed: int, texts: int) -> list[tuple[str, int, int]]:
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(data)
    model = _testing.SentencePieceModel(data)

    def count(text: str) -> int:
        return model.count(processor.normalize(text))

    return differences(lambda text: len(processor.encode(text)), count, seed, texts)


def trained_pieces(kind: str, byte_fallback: bool, defined: list[str]) -> bytes:
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES),
        model_writer=out,
        vocab_size=600,
        model_type=kind,
        byte_fallback=byte_fallback,
        user_defined_symbols=defined,
        hard_vocab_limit=False,
        character_coverage=0.995,
        minloglevel=9,
    )
    return out.getvalue()


def pieces_of(data: bytes) -> list[tuple[str, float, int]]:
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(data)
    out = []
    for i in range(processor.get_piece_size()):
        piece_type = 2 if processor.is_unknown(i) else 3 if processor.is_control(i) else 1
        out.append((processor.id_to_piece(i), processor.get_score(i), piece_type))
    return out


@pytest.mark.parametrize("kind", ["unigram", "bpe", "word", "char"])
@pytest.mark.parametrize("byte_fallback", [False, True])
@pytest.mark.parametrize("defined", [[], ["the", "ab", "=="], ["▁the▁", "#"]])
def test_a_sentencepiece_model_counts_as_sentencepiece_does(
    kind: str, byte_fallback: bool, defined: list[str]
) -> None:
    data = trained_pieces(kind, byte_fallback, defined)
    assert _testing.SentencePieceModel(data).quick
    assert sentencepiece_differences(data, 4, 500) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unigram", "bpe", "word", "char"])
def test_a_sentencepiece_model_counts_200k_texts(kind: str) -> None:
    assert sentencepiece_differences(trained_pieces(kind, True, ["the"]), 5, many(200_000)) == []


@pytest.mark.parametrize(("kind", "number"), [("unigram", 1), ("bpe", 2)])
@pytest.mark.parametrize("change", ["unused", "ties", "single"])
def test_pieces_of_every_type_and_equal_scores_count_as_sentencepiece_does(
    kind: str, number: int, change: str
) -> None:
    rng = random.Random(6)
    pieces = []
    for text, *rest in pieces_of(trained_pieces(kind, False, [])):
        score, piece_type = rest
        if piece_type == 1 and change == "unused" and len(text) > 1 and rng.random() < 0.3:
            piece_type = 5
        elif piece_type == 1 and change == "ties":
            score = -float(rng.randrange(6))
        elif piece_type == 1 and change == "single" and len(text) == 1 and rng.random() < 0.2:
            piece_type = rng.choice([3, 4, 5])
        pieces.append((text, score, piece_type))
    assert sentencepiece_differences(model_file(pieces, number), 7, 1500) == []


@pytest.mark.parametrize("kind", [1, 2])
def test_a_long_text_counts_as_sentencepiece_does(kind: int) -> None:
    data = trained_pieces({1: "unigram", 2: "bpe"}[kind], False, [])
    text = " ".join(LINES) * 8  # sums beyond 100,000, where SentencePiece counts anew
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(data)
    expected = len(processor.encode(text))
    assert expected == _testing.SentencePieceModel(data).count(processor.normalize(text))


UNKNOWN = ("<unk>", 0.0, 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no pieces"),
        (b"\x0a", "ends within"),
        (b"\x0a\x7f12", "ends within"),
        (b"\xff" * 11, "64 bits"),
        (b"\x0b", "unknown kind"),
        (text_field(1, text_field(1, b"\xff")), "UTF-8"),
        (text_field(1, number_field(1, 5)), "should be text"),
        (text_field(1, number_field(2, 5)), "no float"),
        (text_field(1, number_field(3, 9)), "unknown type"),
        (model_file([("a", 0.0, 1)], 2), "none for what is unknown"),
        (model_file([UNKNOWN, ("<u>", 0.0, 2)], 2), "two for what is unknown"),
        (model_file([UNKNOWN, ("a", 0.0, 1), ("a", 0.0, 1)], 2), "given twice"),
        (model_file([UNKNOWN, ("", 0.0, 1)], 1), "is empty"),
        (model_file([UNKNOWN, ("a", float("nan"), 1)], 1), "no number"),
        (model_file([UNKNOWN, ("<0x00>", 0.0, 6)], 1), "bytes are not in use"),
        (model_file([UNKNOWN, ("<0x00>", 0.0, 6)], 1, True), "not all bytes"),
        (model_file([UNKNOWN], 7), "unknown type"),
    ],
)
def test_a_damaged_sentencepiece_file_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _testing.SentencePieceModel(data)


def test_a_cut_or_changed_sentencepiece_file_never_crashes() -> None:
    data = trained_pieces("bpe", False, ["the"])
    rng = random.Random(8)
    for _ in range(300):
        changed = bytearray(data[: rng.randrange(len(data))])
        for _ in range(rng.randrange(4)):
            if changed:
                changed[rng.randrange(len(changed))] = rng.randrange(256)
        try:
            _testing.SentencePieceModel(bytes(changed)).count("the 人")
        except ValueError:
            continue


# Real files -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("path", files_with("model"), ids=lambda path: path.name)
def test_a_real_tokenizer_file_counts_as_tokenizers_does(path: Path) -> None:
    whole = json.loads(path.read_text(encoding="utf-8"))
    byte_level = "ByteLevel" in json.dumps(whole["pre_tokenizer"])
    model = _testing.TokenModel(whole["model"], byte_level)
    assert model.quick
    expected = tokenize_count(whole["model"], byte_level)
    assert differences(expected, model.count, 9, 20_000) == []


@pytest.mark.slow
@pytest.mark.parametrize("path", public_files("*.model*"), ids=lambda path: path.name)
def test_a_real_sentencepiece_file_counts_as_sentencepiece_does(path: Path) -> None:
    assert sentencepiece_differences(path.read_bytes(), 10, 20_000) == []


@pytest.mark.slow(50)
def test_the_models_are_clean_under_sanitizers() -> None:
    sources = ["merge_encoder", "merge_model", "unigram", "word_piece", "sentence_piece*"]
    compile_and_run("test_token_models", core_sources(*sources))

"""Normalisers give what `tokenizers` and `sentencepiece` give, for every text."""

from __future__ import annotations

import base64
import functools
import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from cpp_build import COUNT_BLOCKS, compile_and_run, core_sources
from fuzz_size import code_points, many
from hypothesis import given, settings
from hypothesis import strategies as st
from public_files import files_with, public_files
from reference import load_generator
from tokenizers import Regex, normalizers

from ctxmem._native import Unsupported
from ctxmem._testing import Normaliser

generator = load_generator("generate_normal_tables")
SOURCES = ("normalise*", "charsmap")
RULES = ("nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf")


def replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def string_and_regex(pattern: str, content: str, regex: bool = False) -> tuple[Any, Any]:
    given = Regex(pattern) if regex else pattern
    section = replace({"Regex" if regex else "String": pattern}, content)
    return section, normalizers.Replace(given, content)


def bert(**options: bool | None) -> tuple[Any, Any]:
    return {"type": "BertNormalizer", **options}, normalizers.BertNormalizer(**options)


@functools.cache
def rule(name: str) -> bytes:
    """Return the character map of a rule that comes with sentencepiece."""
    if name == "identity":
        return b""
    if name == "probe":
        return probe_rules()
    made = sentencepiece.SentencePieceNormalizer(rule_name=name)
    return generator._field(made.serialized_normalizer_spec(), 2)


def probe_rules() -> bytes:
    """Return a map in which a cluster shows: its first character replaces all of it."""
    keys = "a\r\n\xa9\xae\u0300\u0600\u0915\u094d\u0c15\u1100\u1161\u11a8\u200d\U0001f1e6"
    return generator.probe_map({key: chr(ord("A") + i) for i, key in enumerate(keys)})


def precompiled(charsmap: bytes) -> dict[str, str]:
    return {
        "type": "Precompiled",
        "precompiled_charsmap": base64.b64encode(charsmap).decode(),
    }


def plain(kind: str) -> tuple[Any, Any]:
    return {"type": kind}, getattr(normalizers, kind)()


KINDS: dict[str, Callable[[], tuple[Any, Any]]] = {
    **{
        kind: functools.partial(plain, kind)
        for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt")
    },
    "strip": lambda: (
        {"type": "Strip", "strip_left": True, "strip_right": True},
        normalizers.Strip(True, True),
    ),
    "strip left": lambda: (
        {"type": "Strip", "strip_left": True, "strip_right": False},
        normalizers.Strip(True, False),
    ),
    "strip right": lambda: (
        {"type": "Strip", "strip_left": False, "strip_right": True},
        normalizers.Strip(False, True),
    ),
    "prepend": lambda: ({"type": "Prepend", "prepend": "▁"}, normalizers.Prepend("▁")),
    "space": lambda: string_and_regex(" ", "▁"),
    "long content": lambda: string_and_regex("a", "0123456789"),
    "nothing": lambda: string_and_regex("a", ""),
    "empty pattern": lambda: string_and_regex("", "é"),
    "overlap": lambda: string_and_regex("aba", "x"),
    "spaces": lambda: string_and_regex(" {2,}", "▁", regex=True),
    "white space": lambda: string_and_regex(r"\s+", " ", regex=True),
    "two or three": lambda: string_and_regex("é{2,3}", "e", regex=True),
    "just two": lambda: string_and_regex("a{2}", "", regex=True),
    "escaped": lambda: string_and_regex(r"\.\s?".replace(r"\s?", "\\n"), "x", regex=True),
    **{
        f"bert {clean:d}{chinese:d}{accents}{lower:d}": functools.partial(
            bert,
            clean_text=clean,
            handle_chinese_chars=chinese,
            strip_accents=accents,
            lowercase=lower,
        )
        for clean, chinese, accents, lower in [
            (True, True, None, True),
            (True, True, None, False),
            (True, False, False, True),
            (False, True, True, False),
            (False, False, True, True),
        ]
    },
    **{
        f"precompiled {name}": lambda name=name: (  # type: ignore[misc]
            precompiled(rule(name)),
            normalizers.Precompiled(rule(name)),
        )
        for name in (*RULES, "probe")
    },
    "sequence": lambda: (
        {
            "type": "Sequence",
            "normalizers": [
                {"type": "Strip", "strip_left": True, "strip_right": True},
                {"type": "NFD"},
                {"type": "StripAccents"},
                {"type": "Sequence", "normalizers": [{"type": "Lowercase"}]},
                {"type": "Prepend", "prepend": "▁"},
            ],
        },
        normalizers.Sequence(
            [
                normalizers.Strip(True, True),
                normalizers.NFD(),
                normalizers.StripAccents(),
                normalizers.Lowercase(),
                normalizers.Prepend("▁"),
            ]
        ),
    ),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def differing(kind: str, texts: Iterator[str] | list[str]) -> list[str]:
    """Return the texts that the two libraries normalise to different ones, as ASCII."""
    section, oracle = KINDS[kind]()
    ours = Normaliser(section)
    return [ascii(text) for text in texts if oracle.normalize_str(text) != ours.apply(text)]


# Hostile text -------------------------------------------------------------------------------------


def scalars(start: int, end: int) -> list[str]:
    return [chr(c) for c in range(start, end) if not 0xD800 <= c < 0xE000]


ASSIGNED = [*scalars(0, 0x32400), *scalars(0xE0000, 0xE0200)]  # and private use, which is in slow
FAST = [*scalars(0, 0x3400), *scalars(0xA000, 0xAD00), *scalars(0xD700, 0x12000)]
# Beside a code point: a letter and a mark, Hangul, what joins clusters, spaces.
CONTEXTS = ("{}", "a{}", "{}\u0301", "e\u0323{}\u0301", "\u1100{}", "{}\u1161", "\uac00{}", " {} ")
CLUSTERS = (
    *(
        "{}a\u0301",
        "\xa9\u200d{}",
        "{}\u0300\u0301",
        "{}\u094d\u0915\u0301",
        "\u0915{}\u0915\u0301",
    ),
    *("\u0915\u094d{}\u0915\u0301", "\xa9{}\u200d\xa9\u0301", "{}\u1161\u0301", "{}\u11a8\u0301"),
    *("\u0600\u1100{}", "\r{}", "{}\n\u0301"),
)


def hostile_text(chosen: random.Random) -> str:
    """Return up to a dozen characters that normalisers treat in different ways."""
    return "".join(
        chosen.choice(chosen.choice(hostile_groups())) for _ in range(chosen.randrange(13))
    )


@functools.cache
def hostile_groups() -> tuple[list[str], ...]:
    groups: dict[str, list[str]] = {}
    nfc, nfkd = normalizers.NFC().normalize_str, normalizers.NFKD().normalize_str
    for char in ASSIGNED:
        marks = nfc("\u0345" + char)[0] == char or nfc(char + "\u0334")[0] == "\u0334"
        kind = "mark" if marks else "composed" if nfkd(char) != char else "other"
        groups.setdefault(kind, []).append(char)
    hangul = [*scalars(0x1100, 0x1200), "\uac00", "\uac01", "\ud788", "\ud7a3", "\ua960", "\ud7b0"]
    indic = [*scalars(0x0915, 0x0930), "\u094d", "\u093c", "\u0c15", "\u0c4d", "\u200c"]
    clusters = [*"\r\n\xa9\xae\u0300\u200d\u0600\u0903", *scalars(0x1F1E6, 0x1F1EA), "\U0001f468"]
    spaces = [
        *" \t\n\x0b\x00\x1f\x7f\x85\xa0\xad",
        "\u200b",
        "\u3000",
        "\u2581",
        "\ufeff",
        "\ufffd",
    ]
    return (
        list("abeAB.' "),
        *groups.values(),
        hangul,
        indic,
        clusters,
        spaces,
        ["İ", "Σ", "ς", "ß"],
    )


@kinds
def test_code_points_are_normalised_as_in_tokenizers(kind: str) -> None:
    section, oracle = KINDS[kind]()
    ours = Normaliser(section)
    for context in ("{}", "e{}\u0301"):
        text = "|\n|".join(map(context.format, FAST))
        if oracle.normalize_str(text) != ours.apply(text):
            assert differing(kind, [context.format(char) for char in FAST]) == []


@kinds
def test_hostile_texts_are_normalised_as_in_tokenizers(kind: str) -> None:
    chosen = random.Random(kind)
    assert differing(kind, [hostile_text(chosen) for _ in range(500)]) == []


@pytest.mark.slow
@kinds
def test_every_code_point_in_every_context(kind: str) -> None:
    points = code_points()
    contexts = (*CONTEXTS, *CLUSTERS) if kind.startswith("precompiled") else CONTEXTS
    for context in contexts:
        assert differing(kind, map(context.format, points)) == []


@pytest.mark.slow
@kinds
def test_many_hostile_texts(kind: str) -> None:
    chosen = random.Random(kind)
    assert differing(kind, (hostile_text(chosen) for _ in range(many(200_000)))) == []


@settings(max_examples=50, deadline=None)
@given(text=st.text())
def test_any_text_is_normalised_as_in_tokenizers(text: str) -> None:
    for kind in ("NFC", "NFKD", "precompiled nmt_nfkc", "bert 11None1", "white space"):
        assert differing(kind, [text]) == []


@pytest.mark.slow(50)
def test_tables_are_those_of_the_installed_tokenizers() -> None:
    written = Path(generator.__file__).with_name("normal_tables.hpp").read_text()
    assert written == generator.header() + "\n"


def test_runs_of_marks_keep_the_order_of_equal_classes() -> None:
    chosen = random.Random(7)
    marks = "\u0334\u0301\u0300\u0323\u0345\u05b0\u0308\u302a"
    for size in (15, 16, 17, 100, 5000):
        text = "a" + "".join(chosen.choice(marks) for _ in range(size)) + "b"
        for kind in ("NFC", "NFD", "NFKC", "NFKD"):
            assert differing(kind, [text, text[1:], text + text]) == []


def test_lone_surrogates_become_replacement_characters() -> None:
    assert Normaliser({"type": "NFC"}).apply("e\u0301\ud800") == "é\ufffd"


# By hand ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "text", "expected"),
    [
        (None, "É\u0301 x", "É\u0301 x"),
        ({"type": "NFC"}, "e\u0323\u0302 \u1100\u1161\u11a8", "ệ 각"),
        ({"type": "NFD"}, "ệ각", "e\u0323\u0302\u1100\u1161\u11a8"),
        ({"type": "NFKC"}, "ﬁ①ｶﾞ", "fi1ガ"),
        ({"type": "NFKD"}, "½", "1\u20442"),
        ({"type": "Lowercase"}, "İΑΣ Ǆ", "i̇ας ǆ".replace("ς", "σ")),
        ({"type": "Nmt"}, "a\u200bb\x01c\td", "a bc d"),
        ({"type": "StripAccents"}, "e\u0301é", "eé"),
        (replace({"String": "aa"}, "b"), "aaaaa", "bba"),
        (replace({"Regex": " {2,}"}, "_"), "a b  c    ", "a b_c_"),
        ({"type": "Prepend", "prepend": "▁"}, "", ""),
        ({"type": "Strip", "strip_left": True, "strip_right": False}, "\u3000 a ", "a "),
    ],
)
def test_texts_that_a_person_can_check(section: Any, text: str, expected: str) -> None:
    assert Normaliser(section).apply(text) == expected


def test_bert_cleans_parts_and_lowers() -> None:
    section, _ = bert(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True
    )
    assert Normaliser(section).apply("Élan\t中文\x00 \u200bİ") == "elan  中  文  i"


def test_a_cluster_is_replaced_by_the_rule_of_its_beginning() -> None:
    ours = Normaliser(precompiled(probe_rules()))
    # 3 bytes are one cluster, of which "a" decides; 7 bytes are read character by character.
    assert ours.apply("a\u0301") == "A"
    assert ours.apply("a\u0301\u0301\u0301") == "A\u0301\u0301\u0301"


# SentencePiece ------------------------------------------------------------------------------------

OPTIONS = [
    {"add_dummy_prefix": prefix, "remove_extra_whitespaces": remove, "escape_whitespaces": escape}
    for prefix in (True, False)
    for remove in (True, False)
    for escape in (True, False)
]


def spaced_text(chosen: random.Random) -> str:
    spaces = [" ", "  ", "\u3000", "▁", "\t", "\xa0", "\u200b", "\x01", " \u0301", "\xa8", "\x00"]
    return "".join(
        chosen.choice((chosen.choice(spaces), hostile_text(chosen), "ab"))
        for _ in range(chosen.randrange(6))
    )


@pytest.mark.parametrize("name", [*RULES, "identity"])
@pytest.mark.parametrize("count", [200, pytest.param(many(30_000), marks=pytest.mark.slow)])
def test_sentencepiece_rules(name: str, count: int) -> None:
    chosen = random.Random(name)
    texts = [spaced_text(chosen) for _ in range(count)]
    for options in OPTIONS:
        oracle = sentencepiece.SentencePieceNormalizer(rule_name=name, **options)
        ours = Normaliser.sentencepiece(rule(name), **options)
        assert [ascii(text) for text in texts if oracle.normalize(text) != ours.apply(text)] == []


@pytest.mark.parametrize("name", [*RULES, "identity"])
def test_sentencepiece_code_points(name: str) -> None:
    oracle = sentencepiece.SentencePieceNormalizer(rule_name=name)
    ours = Normaliser.sentencepiece(rule(name))
    for context in ("{}", "e{}\u0301"):
        text = " |".join(map(context.format, FAST))
        if oracle.normalize(text) != ours.apply(text):
            for char in FAST:
                one = context.format(char)
                assert oracle.normalize(one) == ours.apply(one), ascii(one)


SYMBOLS = ["<sep>", "ＡＢ", " ", "  x", "①", "a\u0301", "<s", "▁▁", "\n"]


@functools.cache
def trained(name: str, suffix: bool) -> bytes:
    """Return the file of a small model with symbols that are not normalised."""
    chosen = random.Random(3)
    sentences = [
        " ".join("".join(chosen.choices("abcdeé", k=4)) for _ in range(8)) for _ in range(200)
    ]
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=out,
        vocab_size=60,
        hard_vocab_limit=False,
        normalization_rule_name=name,
        user_defined_symbols=[symbol for symbol in SYMBOLS if symbol.strip(" ▁") == symbol],
        treat_whitespace_as_suffix=suffix,
        minloglevel=2,
    )
    return out.getvalue()


@pytest.mark.parametrize("name", ["nmt_nfkc", "identity"])
@pytest.mark.parametrize("suffix", [True, False])
def test_symbols_are_not_normalised(name: str, suffix: bool) -> None:
    oracle = sentencepiece.SentencePieceProcessor(model_proto=trained(name, suffix))
    kept = user_defined(trained(name, suffix), oracle)
    assert len(kept) > 4
    ours = Normaliser.sentencepiece(rule(name), treat_whitespace_as_suffix=suffix, kept=kept)
    chosen = random.Random(5)
    for _ in range(1000):
        text = "".join(
            chosen.choice((chosen.choice(kept), spaced_text(chosen)))
            for _ in range(chosen.randrange(5))
        )
        assert oracle.normalize(text) == ours.apply(text), ascii(text)


@pytest.mark.parametrize("path", files_with("normalizer"), ids=lambda path: path.name)
def test_sections_of_published_tokenizers(path: Path) -> None:
    import tokenizers

    data = json.loads(path.read_text())
    ours = Normaliser(data["normalizer"])
    data |= {"model": {"type": "BPE", "vocab": {}, "merges": []}, "added_tokens": []}
    data |= {"pre_tokenizer": None, "post_processor": None, "decoder": None}
    oracle = tokenizers.Tokenizer.from_str(json.dumps(data)).normalizer
    chosen = random.Random(path.name)
    for _ in range(20_000):
        text = spaced_text(chosen)
        assert oracle.normalize_str(text) == ours.apply(text), ascii(text)


@pytest.mark.parametrize("path", public_files("*.model*"), ids=lambda path: path.name)
def test_published_sentencepiece_models(path: Path) -> None:
    data = path.read_bytes()
    oracle = sentencepiece.SentencePieceProcessor(model_proto=data)
    symbols = user_defined(data, oracle)
    specification = generator._field(data, 3)
    options = {
        "add_dummy_prefix": varint(specification, 3, 1),
        "remove_extra_whitespaces": varint(specification, 4, 1),
        "escape_whitespaces": varint(specification, 5, 1),
    }
    try:
        charsmap = generator._field(specification, 2)
    except ValueError:
        charsmap = b""
    ours = Normaliser.sentencepiece(
        charsmap, **{name: bool(value) for name, value in options.items()}, kept=symbols
    )
    chosen = random.Random(path.name)
    for _ in range(20_000):
        text = spaced_text(chosen) + (chosen.choice(symbols) if symbols else "")
        assert oracle.normalize(text) == ours.apply(text), ascii(text)


def user_defined(model: bytes, oracle: sentencepiece.SentencePieceProcessor) -> list[str]:
    """Return the symbols of a model that are not normalised."""
    pieces = [value for number, value in fields(model) if number == 1 and isinstance(value, bytes)]
    return [oracle.id_to_piece(i) for i, piece in enumerate(pieces) if varint(piece, 3, 1) == 4]


def varint(message: bytes, number: int, default: int) -> int:
    found = [value for at, value in fields(message) if at == number and isinstance(value, int)]
    return found[-1] if found else default


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a protobuf message."""
    at = 0

    def read() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        tag = read()
        if tag & 7 == 0:
            yield tag >> 3, read()
            continue
        size = {1: 8, 5: 4}.get(tag & 7) or read()
        yield tag >> 3, message[at : at + size]
        at += size


# Damaged files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({}, "'type' of a normalizer"),
        ([], "expected dict"),
        ({"type": "Strip", "strip_left": True}, "strip_right"),
        ({"type": "Strip", "strip_left": 1, "strip_right": True}, "expected true or false"),
        ({"type": "Prepend", "prepend": 3}, "expected str"),
        ({"type": "Sequence"}, "normalizers"),
        ({"type": "Sequence", "normalizers": {}}, "expected a list"),
        (replace({"Other": "a"}, "b"), "no String and no Regex"),
        ({"type": "Replace", "pattern": {"String": "a"}}, "content"),
        ({"type": "BertNormalizer", "clean_text": True}, "handle_chinese_chars"),
        ({"type": "Precompiled", "precompiled_charsmap": "?"}, "not base64"),
        ({"type": "Precompiled", "precompiled_charsmap": ""}, "has no size"),
        ({"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="}, "another size"),
    ],
)
def test_damaged_sections_are_refused(section: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        Normaliser(section)
    assert not isinstance(raised.value, Unsupported)


@pytest.mark.parametrize(
    "section",
    [
        {"type": "ByteLevel"},
        {"type": "Unheard"},
        replace({"Regex": "(a|b)"}, "c"),
        replace({"Regex": "a*"}, "c"),
        replace({"Regex": "a{0,2}"}, "c"),
        replace({"Regex": "a+?"}, "c"),
        replace({"Regex": r"\w"}, "c"),
    ],
)
def test_what_is_not_known_is_unsupported(section: Any) -> None:
    with pytest.raises(Unsupported):
        Normaliser(section)


def test_deep_sequences_are_unsupported() -> None:
    section: dict[str, Any] = {"type": "NFC"}
    for _ in range(1000):
        section = {"type": "Sequence", "normalizers": [section]}
    with pytest.raises(Unsupported, match="deep"):
        Normaliser(section)


def test_damaged_maps_are_refused_or_read() -> None:
    whole = rule("nmt_nfkc")
    refused = 0
    chosen = random.Random(11)
    for _ in range(100):
        damaged = bytearray(whole)
        if chosen.random() < 0.3:
            del damaged[chosen.randrange(len(damaged)) :]
        for _ in range(chosen.randrange(8)):
            damaged[chosen.randrange(len(damaged))] = chosen.randrange(256)
        try:
            ours = Normaliser(precompiled(bytes(damaged)))
        except ValueError as error:
            assert "damaged" in str(error)
            refused += 1
        else:
            ours.apply("".join(ASSIGNED[:3000]))
    assert 20 < refused < 100


# The core -----------------------------------------------------------------------------------------


@pytest.mark.slow(30)
def test_core_is_clean_under_sanitizers(tmp_path: Path) -> None:
    path = tmp_path / "map"
    path.write_bytes(rule("nmt_nfkc"))
    compile_and_run("test_normalise", core_sources(*SOURCES), arguments=[str(path)])


@pytest.mark.slow(25)
def test_the_work_is_linear(tmp_path: Path) -> None:
    path = tmp_path / "map"
    path.write_bytes(rule("nmt_nfkc"))
    compile_and_run(
        "test_normalise_cost",
        core_sources(*SOURCES),
        flags=COUNT_BLOCKS,
        sanitize="",
        arguments=[str(path)],
    )

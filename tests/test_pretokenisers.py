"""Pre-tokenisers against Hugging Face `tokenizers` and tiktoken, which are their definition."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import pytest
import tiktoken
from cpp_build import ROOT, compile_and_run, core_sources
from fuzz_size import code_points, many
from pretokeniser_sections import (
    CL100K_RUST,
    GENERAL,
    GPT2_RUST,
    KNOWN,
    KNOWN_RUST,
    LLAMA3,
    SECTIONS,
    byte_level,
    metaspace,
    random_texts,
    sequence,
    split,
)
from public_files import files_with
from reference import load_generator
from tokenizers import Regex, Tokenizer, pre_tokenizers

from ctxmem import _native, _testing

CONTEXTS = ("a{0}b", " {0}{0}1", "\n{0} ", "{0}'s{0}", "1{0}\n{0}", "A{0}!{0}/")


@cache
def byte_alphabet() -> dict[int, str]:
    """Return ByteLevel's character for each byte."""
    itself = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in itself]
    return {b: chr(b) for b in itself} | {b: chr(256 + i) for i, b in enumerate(others)}


def reference(section: dict[str, Any] | None) -> Callable[[str], list[str]]:
    """Return what cuts a text as `tokenizers` does."""
    model = {"type": "BPE", "vocab": {}, "merges": []}
    made = Tokenizer.from_str(json.dumps({"model": model, "pre_tokenizer": section}))
    if section is None:
        return lambda text: [text] if text else []
    return lambda text: [piece for piece, _ in made.pre_tokenizer.pre_tokenize_str(text)]


def ours(section: dict[str, Any] | None) -> Callable[[str], list[str]]:
    """Return what cuts a text as ctxmem does, with ByteLevel's alphabet where there is one."""
    made = _testing.PreTokeniser(section)
    if "ByteLevel" in json.dumps(section):
        alphabet = byte_alphabet()
        return lambda text: ["".join(alphabet[b] for b in piece) for piece in made.split(text)]
    return lambda text: [piece.decode() for piece in made.split(text)]


def assert_same(section: dict[str, Any] | None, texts: Iterable[str]) -> None:
    """Fail with the shortest text that is cut in another way."""
    expected, actual = reference(section), ours(section)
    wrong = [text for text in texts if text and expected(text) != actual(text)]
    if wrong:
        shortest = min(wrong, key=len)
        assert expected(shortest) == actual(shortest), f"{len(wrong)} texts, one is {shortest!r}"


def rust_pieces(pattern: str, texts: list[str]) -> list[list[bytes]]:
    """Return the pieces of each text in tiktoken.

    tiktoken tells tokens, not pieces; so every part of every text is a token, and then each piece
    is one.
    """
    parts = {
        t[i:j].encode() for t in texts for i in range(len(t)) for j in range(i + 1, len(t) + 1)
    }
    tokens = [bytes([b]) for b in range(256)] + sorted(part for part in parts if len(part) > 1)
    encoding = tiktoken.Encoding(
        "probe",
        pat_str=pattern,
        mergeable_ranks={token: rank for rank, token in enumerate(tokens)},
        special_tokens={},
    )
    return [[tokens[i] for i in encoding.encode_ordinary(text)] for text in texts]


@pytest.mark.parametrize("name", SECTIONS)
def test_pieces_are_those_of_tokenizers_for_random_texts(name):
    assert_same(SECTIONS[name], random_texts(200, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("name", SECTIONS)
def test_pieces_are_those_of_tokenizers_for_many_random_texts(name):
    assert_same(SECTIONS[name], random_texts(many(20_000), seed=2))


def code_point_texts(characters: Iterable[str]) -> list[str]:
    """Return texts that hold each character in every context."""
    listed = list(characters)
    return [
        "\x01".join(context.format(char) for char in listed[start : start + 100])
        for start in range(0, len(listed), 100)
        for context in CONTEXTS
    ]


@pytest.mark.parametrize("name", ["known llama3", "known o200k", "bert", "digits", "whitespace"])
def test_code_points_are_taken_as_tokenizers_takes_them(name):
    assert_same(SECTIONS[name], code_point_texts(map(chr, range(0, 0x3100, 3))))


@pytest.mark.slow
@pytest.mark.parametrize("name", SECTIONS)
def test_every_code_point_is_taken_as_tokenizers_takes_it(name):
    assert_same(SECTIONS[name], code_point_texts(code_points()))


SHORT = [text[:40] for text in random_texts(300, seed=3)]


@pytest.mark.parametrize("name", KNOWN_RUST)
def test_known_patterns_are_matched_as_tiktoken_matches_them(name):
    pattern = KNOWN_RUST[name]
    expected = rust_pieces(pattern, SHORT)
    assert expected == [_testing.known_pieces(pattern, text, "rust") for text in SHORT]
    regex = _testing.Regex(pattern, "rust")
    assert expected == [regex.split(text) for text in SHORT]


# tiktoken panics at an empty match; the others mean another thing in Rust.
UNLIKE_IN_RUST = {"empty", "possessive", "interval_plus", "dot", "posix", "lines", "cases"}


@pytest.mark.parametrize("name", sorted(GENERAL.keys() - UNLIKE_IN_RUST))
def test_general_patterns_are_matched_as_tiktoken_matches_them(name):
    regex = _testing.Regex(GENERAL[name], "rust")
    expected = rust_pieces(GENERAL[name], SHORT)
    assert expected == [[piece for piece in regex.split(text) if piece] for text in SHORT]


RUST_ONLY = {
    "interval possessive": r"\p{N}{1,3}+\p{N}|.",
    "flags": r"(?s:a.)|(?m:^.)|(?m:.$)|(?i)[skK]|.\z",
    "posix": r"[[:alpha:]]+|[[:^digit:]]|[[:punct:]]",
    "flags in the middle": r"a(?i)b|c",
    "short names": r"\pL+|\pN",
}


@pytest.mark.parametrize("name", RUST_ONLY)
def test_what_only_rust_has_is_matched_as_tiktoken_matches_it(name):
    regex = _testing.Regex(RUST_ONLY[name], "rust")
    assert rust_pieces(RUST_ONLY[name], SHORT) == [regex.split(text) for text in SHORT]


@pytest.mark.parametrize("name", KNOWN)
def test_known_patterns_are_recognised_and_matched_alike_by_the_general_way(name):
    section = sequence(split(KNOWN[name]), byte_level())
    assert _testing.PreTokeniser(section).known
    assert _testing.PreTokeniser(split(KNOWN[name].replace(r"\r\n", "\r\n"))).known
    regex = _testing.Regex(KNOWN[name], "onig")
    for text in random_texts(300, seed=4):
        assert regex.split(text) == _testing.known_pieces(KNOWN[name], text, "onig")


def test_what_is_not_quite_a_known_pattern_is_not_taken_for_one():
    assert _testing.PreTokeniser(byte_level(use_regex=True)).known
    for section in (
        split(LLAMA3 + "|x"),
        split(LLAMA3, "Contiguous"),
        split(LLAMA3, "Isolated", True) | {"behavior": "MergedWithNext"},
        byte_level(),
        byte_level(use_regex=True, add_prefix_space=True),
        sequence(split(LLAMA3), byte_level(use_regex=True)),
        sequence(split(LLAMA3), metaspace("always")),
    ):
        assert not _testing.PreTokeniser(section).known
    # In Oniguruma $ ends a line, and {1,3}+ repeats a repetition.
    for pattern in (GPT2_RUST, CL100K_RUST):
        assert _testing.known_pieces(pattern, "a", "onig") is None
        assert _testing.known_pieces(pattern, "a", "rust") == [b"a"]


def test_a_case_to_check_by_eye():
    text = "I'll pay 12345 €!\n\n  Ok"
    pieces = {
        "gpt2": "I|'ll| pay| 12345| €!|\n\n | Ok",
        "llama3": "I|'ll| pay| |123|45| €!\n\n| | Ok",
        "qwen2": "I|'ll| pay| |1|2|3|4|5| €!\n\n| | Ok",
        "o200k": "I'll| pay| |123|45| €!\n\n| | Ok",
        "tekken": "I|'ll| pay| |1|2|3|4|5| €!\n\n| | Ok",
    }
    for name, expected in pieces.items():
        found = _testing.PreTokeniser(split(KNOWN[name])).split(text)
        assert expected == "|".join(piece.decode() for piece in found)


def test_only_a_text_at_the_beginning_of_the_input_gets_the_first_prefix():
    cut = _testing.PreTokeniser(metaspace("first"))
    assert ["▁a", "▁b"] == [piece.decode() for piece in cut.split("a b")]
    assert ["a", "▁b"] == [piece.decode() for piece in cut.split("a b", first=False)]


def test_an_empty_text_has_no_pieces():
    for section in SECTIONS.values():
        assert [] == _testing.PreTokeniser(section).split("")


def test_old_files_say_add_prefix_space_alone():
    section = {"type": "Metaspace", "replacement": "_", "add_prefix_space": False}
    assert [b"a", b"_b"] == _testing.PreTokeniser(section).split("a b")


def test_lone_surrogates_become_the_replacement_character():
    assert ["�".encode()] == _testing.PreTokeniser(None).split("\ud800")


UNKNOWN = [
    {"type": "UnicodeScripts"},
    {"type": "Elsewhere"},
    {"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Elsewhere"},
    {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated"},
    {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "ByteLevel"}]},
    {"type": "Sequence", "pretokenizers": [byte_level(), metaspace("always")]},
    {"type": "Metaspace", "replacement": "__", "prepend_scheme": "always"},
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "sometimes"},
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "add_prefix_space": False},
    {"type": "FixedLength", "length": 0},
    {"type": "CharDelimiterSplit", "delimiter": "ab"},
]
DAMAGED = [
    {},
    [],
    "ByteLevel",
    {"type": "Split", "pattern": {"Glob": "a"}, "behavior": "Isolated"},
    {"type": "Split", "pattern": "a", "behavior": "Isolated"},
    {"type": "Split", "pattern": {"String": "\ud800"}, "behavior": "Isolated"},
    {"type": "Sequence", "pretokenizers": None},
    {"type": "FixedLength", "length": -1},
    {"type": "FixedLength", "length": 10**30},
    {"type": "Digits", "individual_digits": "yes"},
]


@pytest.mark.parametrize("section", UNKNOWN)
def test_what_is_not_known_is_an_error(section):
    with pytest.raises(_native.Unsupported):
        _testing.PreTokeniser(section)


@pytest.mark.parametrize("section", DAMAGED)
def test_a_damaged_section_is_refused(section):
    with pytest.raises(ValueError, match=r"is of type|has a lone surrogate") as raised:
        _testing.PreTokeniser(section)
    assert not isinstance(raised.value, _native.Unsupported)


def test_deep_nesting_is_an_error():
    section: dict[str, Any] = {"type": "Whitespace"}
    for _ in range(100_000):
        section = {"type": "Sequence", "pretokenizers": [section]}
    with pytest.raises(_native.Unsupported, match="too deep"):
        _testing.PreTokeniser(section)
    while "pretokenizers" in section:  # freed from the outside in, not by recursion
        section = section.pop("pretokenizers").pop()
    for pattern in ("(" * 100_000 + ")" * 100_000, "[" * 100_000, "(?:" * 100_000):
        with pytest.raises(_native.Unsupported, match="too deep"):
            _testing.Regex(pattern, "onig")


def test_a_long_sequence_is_an_error():
    stages = [{"type": "Digits"}] * 64
    made = _testing.PreTokeniser({"type": "Sequence", "pretokenizers": stages})
    assert [b"a", b"1", b"b"] == made.split("a1b")
    with pytest.raises(_native.Unsupported, match="more than 64"):
        _testing.PreTokeniser({"type": "Sequence", "pretokenizers": [*stages, stages[0]]})


BAD_PATTERNS = {
    "(a": "unmatched \\(", "a)": "unmatched \\)", "[a": "unmatched \\[", "*a": "nothing to repeat",
    "a{2": "quantifier", "a{3,2}": "bounds", "a{1001}": "count", "a**": "repeated quantifier",
    r"(a)\1": "escape", r"\R": "escape", r"\X": "escape", r"\k<a>": "escape", r"\K": "escape",
    "(?x)a": "flag x", "(?#a)": "flag", "(?i)é": "beyond ASCII", r"(?i)\p{L}": "category",
    "(?i:ss)": "ligature", "a(?i)b": "middle", "(a*)*": "may be empty", "[]a]": "beginning",
    "[z-a]": "empty range", "[a&&]": "empty part", r"\p{Nowhere}": "Nowhere", r"\x{110000}": "code",
    "(?<=a+)b": "fixed width", r"\xff": "above 7F", "(?=a)*": "repeated assertion", "\\": "end",
    "(?<a": "end", r"\p{L": "name", "[[:nothing:]]": "POSIX", "(?~a)": "group|flag",
    "(?:(?:(?:a{1000}b){1000}c){1000}d)": "4000", "(?:(?:(?:){1000}){1000}){1000}": "empty",
}  # fmt: skip


@pytest.mark.parametrize("pattern", BAD_PATTERNS)
def test_a_pattern_that_is_not_known_is_an_error_that_names_why(pattern):
    with pytest.raises(_native.Unsupported, match=BAD_PATTERNS[pattern]):
        _testing.Regex(pattern, "onig")


def test_random_patterns_match_as_oniguruma_matches_them():
    compared = compare_random_patterns(200, seed=5)
    assert compared > 100


def test_a_loop_gives_back_to_an_assertion_in_an_atomic_group():
    pieces = _testing.Regex(r"[^a]+(?>\b)", "onig").split("bB\nb\tBBa")
    assert [b"bB\nb\t"] == pieces


@pytest.mark.slow
def test_many_random_patterns_match_as_oniguruma_matches_them():
    assert compare_random_patterns(many(50_000), seed=6) > many(25_000)


def random_pattern(chooser: random.Random, depth: int = 0) -> str:
    """Return a pattern over few characters."""
    atoms = [*"abA1 ", r"\p{L}", r"\p{N}", r"\s", r"\S", "[ab]", "[^a]", ".", r"\w", "[^\\s1]", "é"]
    zero = [r"(?!\S)", "(?=a)", r"(?<=a)", r"(?<![ab])", r"\b", "^", "$", r"\B"]
    parts = []
    for _ in range(chooser.randint(1, 4)):
        kind = chooser.random()
        if kind < 0.1:
            parts.append(chooser.choice(zero))
            continue
        if kind < 0.35 and depth < 3:
            opening = chooser.choice(["(?:", "(", "(?>", "(?i:", "(?=", "(?!"])
            part = opening + random_pattern(chooser, depth + 1) + ")"
            if opening in ("(?=", "(?!"):
                parts.append(part)
                continue
        else:
            part = chooser.choice(atoms)
        if chooser.random() < 0.5:
            part += chooser.choice(
                ["*", "+", "?", "{2}", "{1,2}", "{2,}", "*?", "+?", "??", "*+", "++"]
            )
        parts.append(part)
    pattern = "".join(parts)
    if chooser.random() < 0.4:
        pattern += "|" + random_pattern(chooser, depth + 1)
    return pattern


def compare_random_patterns(count: int, seed: int) -> int:
    """Compare with `tokenizers` where we know the pattern; return how many we know."""
    chooser = random.Random(seed)
    known = 0
    for _ in range(count):
        pattern = random_pattern(chooser)
        if re.search(r"\(\?[=!].*é[*+?{]", pattern):
            continue  # Oniguruma finds nothing by (?=é*é).+ where é.+ and (?=é).+ match
        try:
            made = _testing.PreTokeniser(split(pattern, "MergedWithNext"))
        except _native.Unsupported:
            continue
        try:
            expected = pre_tokenizers.Split(Regex(pattern), "merged_with_next")
        except Exception:  # the library refuses a pattern that no file can have then
            continue
        known += 1
        for _ in range(4):
            text = "".join(chooser.choices("aab AB11 \n\té", k=chooser.randint(0, 14)))
            wanted = [piece for piece, _ in expected.pre_tokenize_str(text)]
            found = [piece.decode() for piece in made.split(text)]
            assert wanted == found, f"{pattern!r} on {text!r}"
    return known


@pytest.mark.parametrize("path", files_with("pre_tokenizer"), ids=lambda path: path.name)
def test_pre_tokenisers_of_public_files_are_those_of_tokenizers(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert_same(content["pre_tokenizer"], random_texts(300, seed=7))


@pytest.mark.slow(60)
def test_the_matcher_is_clean_and_its_work_is_bounded():
    sources = core_sources("regex*", "split", "pretokenise", "known_patterns", "char_set")
    compile_and_run("test_regex", sources)


@pytest.mark.slow(50)
def test_category_tables_are_what_the_engines_have():
    generator = load_generator("generate_category_tables")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        generator.main()
    path = ROOT / "csrc" / "core" / "text" / "category_tables.hpp"
    # The first lines name the versions.
    assert out.getvalue().splitlines()[2:] == path.read_text(encoding="utf-8").splitlines()[2:]

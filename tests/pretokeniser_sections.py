"""Sections `pre_tokenizer` of a tokenizer.json, and the texts to cut with them."""

from __future__ import annotations

import random
from typing import Any

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
GPT2_RUST = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
CL100K_RUST = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
CL100K_MIDDLE = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+"
)
CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
SYMBOLS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
LLAMA3 = CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + SYMBOLS + SPACES
QWEN2 = CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + SYMBOLS + SPACES
QWEN3_5 = (
    CONTRACTION + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + SPACES
)
WORD_LOWER = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
WORD_UPPER = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
SLASHES = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*"
O200K = f"{WORD_LOWER}{CONTRACTION}?|{WORD_UPPER}{CONTRACTION}?" + r"|\p{N}{1,3}" + SLASHES + SPACES
TEKKEN = f"{WORD_LOWER}|{WORD_UPPER}" + r"|\p{N}" + SLASHES + SPACES
KNOWN = {
    "gpt2": GPT2,
    "cl100k_middle": CL100K_MIDDLE,
    "llama3": LLAMA3,
    "qwen2": QWEN2,
    "qwen3_5": QWEN3_5,
    "o200k": O200K,
    "tekken": TEKKEN,
}
"""Patterns that are matched by hand, as `tokenizers` takes them."""

KNOWN_RUST = {"gpt2": GPT2_RUST, "cl100k": CL100K_RUST, **KNOWN}
"""The same, as tiktoken takes them."""

DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^" + "\r\n" + r"\p{L}\p{P}\p{S}]?"
    r"[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[" + "\r\n" + r"]*|\s*[" + "\r\n" + r"]+|\s+(?!\S)|\s+"
)
KIMI = (
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+" + CONTRACTION + r"?|[^\r\n\p{L}\p{N}]?"
    r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
    + CONTRACTION
    + r"?|\p{N}{1,3}"
    + SYMBOLS
    + SPACES
)
GENERAL = {
    "deepseek": DEEPSEEK,
    "deepseek_cjk": "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    "numbers": r"\p{N}{1,3}",
    "kimi": KIMI,
    "bloom": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "thousands": r"\d{1,3}(?=(?:\d{3})*\b)",
    "thousands_end": r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))",
    "words": r"\w+|[^\w\s]+",
    "lazy": r"\S+?(?=\s|$)|.",
    "atomic": r"(?>\p{L}+|\p{N})\.?",
    "behind": r"(?<=[.!?])\s+|(?<!\S)-",
    "border": r"\b\w|\B-",
    "lines": r"^ +|\s+$",
    "posix": r"[[:alpha:]]+|[[:digit:]]+|[[:punct:]]|[[:space:]]+|[^[:word:]]",
    "cases": r"[[:upper:]][[:lower:]]*|\p{Hiragana}+|\p{Cyrillic}+",
    "counts": r"(?:ab|a){2,3}|(?:\p{N},?)+|x{2}|y{0,2}z",
    "interval_plus": r"a{1,2}+b|-{2,3}?",
    "empty": r"x*",
    "escapes": r"\x41|\u00e9|\x{4e2d}|[\t\x20-\x2f]|\/|\h\h",
    "dot": r"(?m:a.b)|a.",
    "possessive": r"\p{L}++\p{N}?+|(?:\s\S)*+",
}
"""Patterns for the general matcher."""

ISOLATED = ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")


def split(pattern: str, behaviour: str = "Isolated", invert: bool = False) -> dict[str, Any]:
    """Return a section that splits by a regular expression."""
    return {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": behaviour,
        "invert": invert,
    }


def sequence(*stages: dict[str, Any]) -> dict[str, Any]:
    """Return a section of several stages."""
    return {"type": "Sequence", "pretokenizers": list(stages)}


def byte_level(use_regex: bool = False, add_prefix_space: bool = False) -> dict[str, Any]:
    """Return a section ByteLevel."""
    return {
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def metaspace(scheme: str, cut: bool = True) -> dict[str, Any]:
    """Return a section Metaspace."""
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}


DIGITS = {"type": "Digits", "individual_digits": True}
DIGIT_RUNS = {"type": "Digits", "individual_digits": False}
PUNCTUATION_RUNS = {"type": "Punctuation", "behavior": "Contiguous"}

SECTIONS: dict[str, dict[str, Any] | None] = {
    "none": None,
    **{f"known {name}": sequence(split(regex), byte_level()) for name, regex in KNOWN.items()},
    **{f"general {name}": split(regex) for name, regex in GENERAL.items()},
    **{
        f"{behaviour} {invert}": split(r"\s+|\p{P}", behaviour, invert)
        for behaviour in ISOLATED
        for invert in (False, True)
    },
    **{f"known {behaviour}": split(LLAMA3, behaviour) for behaviour in ISOLATED},
    **{
        f"string {behaviour}": {
            "type": "Split",
            "pattern": {"String": " a"},
            "behavior": behaviour,
            "invert": False,
        }
        for behaviour in ISOLATED
    },
    "empty matches removed": split(r"x*", "MergedWithNext"),
    "byte level": byte_level(use_regex=True),
    "byte level with prefix": byte_level(use_regex=True, add_prefix_space=True),
    "byte level prefix only": byte_level(add_prefix_space=True),
    "byte level default": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
    **{
        f"metaspace {scheme} {cut}": metaspace(scheme, cut)
        for scheme in ("always", "first", "never")
        for cut in (True, False)
    },
    "old metaspace": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True},
    "plain metaspace": {"type": "Metaspace", "replacement": "▁"},
    "whitespace": {"type": "Whitespace"},
    "whitespace only": {"type": "WhitespaceSplit"},
    "bert": {"type": "BertPreTokenizer"},
    **{f"punctuation {b}": {"type": "Punctuation", "behavior": b} for b in ISOLATED},
    "digits": DIGITS,
    "digit runs": DIGIT_RUNS,
    "delimiter": {"type": "CharDelimiterSplit", "delimiter": "é"},
    "fixed length": {"type": "FixedLength", "length": 3},
    "default length": {"type": "FixedLength"},
    "default punctuation": {"type": "Punctuation"},
    "deepseek": sequence(
        split(r"\p{N}{1,3}"), split(GENERAL["deepseek_cjk"]), split(DEEPSEEK), byte_level()
    ),
    "starcoder": sequence(DIGITS, byte_level(use_regex=True)),
    "falcon": sequence(
        PUNCTUATION_RUNS, byte_level(use_regex=True), DIGIT_RUNS, split("[0-9][0-9][0-9]")
    ),
    "albert": sequence({"type": "WhitespaceSplit"}, metaspace("always")),
    "first behind a drop": sequence({"type": "WhitespaceSplit"}, metaspace("first")),
    "bloom": sequence(split(GENERAL["bloom"]), byte_level()),
    "nested": sequence(sequence(DIGITS, {"type": "Whitespace"}), {"type": "BertPreTokenizer"}),
    "empty sequence": sequence(),
}
"""Every type and behaviour, and the pre-tokenisers of models."""

PARTS = [
    *"aZxyzé1²³٣Ⅷ½ ,.-_/'!?#$(\"<",
    *" \t\n\r\f\v\x00\x1c\x85\xa0\u2003\u2028\u3000\ufeff\u200b\u200c\u200d\u180e",
    *"ſKİǅʰΣ中文字かナ한กสابא́̈ः€。，、…।«»▁Ⓐ٪",
    *"\U0001d400\U0001f600\U00020000\U000e0101\U0010ffff\ue000\u0378\u2160",
    "'s", "'S", "'ſ", "'ll", "'RE", "'ve", "don't", "  ", "   ", "\n\n", "\r\n", " a", "ab", "aab",
    "xx", "yz", "123", "1234567", "ABC", "aBc", "://", "//", "\n/", " \n ", "\n ", "中文", "é",
    "--",
]  # fmt: skip
"""What random texts are put together from."""


def random_texts(count: int, seed: int) -> list[str]:
    """Return texts of up to 40 parts."""
    chooser = random.Random(seed)
    texts = []
    for _ in range(count):
        parts = chooser.sample(PARTS, chooser.randint(1, 12))
        texts.append("".join(chooser.choices(parts, k=chooser.randint(0, 40))))
    return texts

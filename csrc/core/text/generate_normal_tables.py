"""Write normal_tables.hpp: the properties of code points in the normalisers of `tokenizers`.

    python csrc/core/text/generate_normal_tables.py > csrc/core/text/normal_tables.hpp

Everything comes from probing `tokenizers` itself, not from `unicodedata`: its parts are built with
Unicode versions from 8 to 17, and a count must agree with it on every interpreter. Each property is
read from what a normaliser makes of the code point alone or beside one whose property is known:

* decompositions: NFD and NFKD of the code point alone;
* combining classes: whether NFD swaps two marks orders them, so their ranks replace the numbers;
* compositions: NFC of what the last character of a decomposition follows;
* marks and controls: what StripAccents and BertNormalizer remove;
* grapheme clusters: Precompiled replaces a cluster under 6 bytes as one, so whether two characters
  are one cluster shows in what is left. `probe_map` builds its map, with `sentencepiece`;
* lower case: the code points where Lowercase differs from unicode_tables.hpp, which Python wrote.

A test probes all of it again through the normalisers.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from pathlib import Path

import sentencepiece
import tokenizers
from tokenizers import normalizers
from two_stage_tables import array, two_stage

LAST = 0x110000
SCALARS = [c for c in range(LAST) if not 0xD800 <= c < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)
JAMO_VOWELS, JAMO_TAILS = range(0x1161, 0x1176), range(0x11A8, 0x11C3)
LOWEST, HIGHEST = "\u0334", "\u0345"  # marks of the first and the last combining class

NFC, NFD = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str
NFKC, NFKD = normalizers.NFKC().normalize_str, normalizers.NFKD().normalize_str

# Bits of kFlagBlocks: the form has to look closer.
FORMS = {1: NFC, 2: NFKC, 4: NFD, 8: NFKD}
COMPOSES = 16  # the second of a pair that composes
LOWERS = 32  # its lower case is another
NONSPACING = 64  # BertNormalizer removes it as an accent
UNCLEAN = 128  # BertNormalizer removes it as a control character, or makes it a space

# Bits of kKindBlocks above the grapheme class.
MARK, CONTROL = 16, 32  # StripAccents removes it; BertNormalizer does, as a control character

PAIR_SLOTS = 2048

# What a character shows in the probes of `grapheme_signature`, and its GraphemeClass.
GRAPHEME_CLASSES = {
    "": 0,  # other
    "0": 1,  # control
    "eilxg": 2,  # extend
    "eilg": 3,  # extend, but not in an Indic conjunct
    "eilx": 4,  # zero-width joiner
    "eilnxg": 5,  # Indic linker
    "eil": 6,  # spacing mark
    "pvtnx": 7,  # prepend
    "ig": 8,  # pictograph
    "c": 9,  # Indic consonant
    "vl": 10,  # Hangul L
    "vtl": 11,  # Hangul V; LV is 13
    "t": 12,  # Hangul T
    "tl": 14,  # Hangul LVT
}
LV = 13


def probe_map(rules: dict[str, str]) -> bytes:
    """Return the precompiled character map that replaces each key by its value."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rules.tsv")
        path.write_text("".join(f"{ord(key):X}\t{ord(to):X}\n" for key, to in rules.items()))
        normaliser = sentencepiece.SentencePieceNormalizer(rule_tsv=str(path))
        return _field(normaliser.serialized_normalizer_spec(), 2)


def _field(message: bytes, number: int) -> bytes:
    """Return a length-delimited field of a protobuf message."""
    at = 0

    def varint() -> int:
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
        tag = varint()
        size = varint()
        if tag & 7 == 2:
            if tag >> 3 == number:
                return message[at : at + size]
            at += size
    raise ValueError(f"no field {number}")


def combining_ranks() -> dict[int, int]:
    """Return the rank of the combining class of every mark that NFD moves, from 1."""
    marks = [
        c
        for c in SCALARS
        if NFD(chr(c)) == chr(c)
        and (NFD(HIGHEST + chr(c))[0] == chr(c) != HIGHEST or NFD(chr(c) + LOWEST)[0] == LOWEST)
        and chr(c) != LOWEST
    ]
    marks.append(ord(LOWEST))

    def compare(a: int, b: int) -> int:
        if NFD(chr(b) + chr(a))[0] == chr(a) and a != b:
            return -1
        return int(NFD(chr(a) + chr(b))[0] == chr(b) and a != b)

    marks.sort(key=functools.cmp_to_key(compare))
    ranks, rank = {}, 0
    for before, mark in zip([None, *marks], marks, strict=False):
        rank += before is None or compare(before, mark) != 0
        ranks[mark] = rank
    return ranks


def compositions() -> dict[tuple[int, int], int]:
    """Return the pairs that compose, without Hangul."""
    pairs = {}
    for c in SCALARS:
        apart = NFD(chr(c))
        if c in HANGUL or apart == chr(c) or NFC(chr(c)) != chr(c):
            continue
        first = NFC(apart[:-1])
        assert len(first) == 1 and NFC(first + apart[-1]) == chr(c), hex(c)
        pairs[ord(first), ord(apart[-1])] = c
    return pairs


def flags(ranks: dict[int, int], seconds: set[int]) -> list[int]:
    """Return which normalisers have to look closer at each code point."""
    lower = normalizers.Lowercase().normalize_str
    accents = _bert(strip_accents=True).normalize_str
    clean = _bert(clean_text=True).normalize_str
    values = [0] * LAST
    for c in SCALARS:
        char = chr(c)
        for bit, form in FORMS.items():
            if form(char) != char or c in ranks or (c in seconds and bit <= 2):
                values[c] |= bit
        values[c] |= COMPOSES * (c in seconds) | LOWERS * (lower(char) != char)
        values[c] |= NONSPACING * (accents(char) == "") | UNCLEAN * (clean(char) != char)
    return values


def _bert(**options: bool) -> normalizers.BertNormalizer:
    """Return a BertNormalizer that does nothing but what it is asked to."""
    nothing = dict.fromkeys(
        ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase"), False
    )
    return normalizers.BertNormalizer(**(nothing | options))


def pair_slots(pairs: dict[tuple[int, int], int]) -> list[tuple[int, int, int]]:
    """Return a hash table of the pairs that compose, with linear probing; 0 is a free slot."""
    slots = [(0, 0, 0)] * PAIR_SLOTS
    for (first, second), to in pairs.items():
        at = ((first * 0x9E3779B1 + second * 0x85EBCA6B) & 0xFFFFFFFF) >> 21
        while slots[at][2]:
            at = (at + 1) % PAIR_SLOTS
        slots[at] = (first, second, to)
    return slots


def grapheme_classes() -> list[int]:
    """Return the GraphemeClass of every code point."""
    known = {"a": "Z", "\u00a9": "Y", "\u0300": "W", "\u0915": "K"}
    known |= {"\u1161": "V", "\u11a8": "T", "\u0600": "P", "\u1100": "L"}
    probe = normalizers.Precompiled(probe_map(known)).normalize_str
    # A code point with a rule of its own is probed by its twin.
    twins = {"a": "b", "\u00a9": "\u00ae", "\u0300": "\u0301", "\u0915": "\u0916"}
    twins |= {"\u1161": "\u1162", "\u11a8": "\u11a9", "\u0600": "\u0601", "\u1100": "\u1101"}
    classes = [0] * LAST
    for c in SCALARS:
        signature = grapheme_signature(probe, twins.get(chr(c), chr(c)))
        classes[c] = GRAPHEME_CLASSES[signature]
        if c in HANGUL and classes[c] == 11:
            classes[c] = LV
    return classes


def grapheme_signature(probe: normalizers.Normalizer, x: str) -> str:
    """Return the letters of the probes in which `x` is one cluster with what is beside it.

    A cluster under 6 bytes is replaced as a whole, by the rule of its first character: where the
    mark U+0301 is left, the cluster is longer.
    """
    ka, virama, joiner, mark = "\u0915", "\u094d", "\u200d", "\u0301"
    alone = {
        "e": ("a" + x, None),
        "p": (x + "a" + mark, x + "Z"),
        "i": ("\u00a9" + joiner + x, "Y" + x),
        "v": (x + "\u1161" + mark, x + "V"),
        "t": (x + "\u11a8" + mark, x + "T"),
        "l": ("\u0600\u1100" + x, "P" + x),
        "c": (x + virama + ka + mark, x + virama + "K"),
        "n": (ka + x + x + ka + mark, "K" + x + x + "K"),
        "x": (ka + virama + x + ka + mark, "K" + virama + x + "K"),
        "g": ("\u00a9" + x + joiner + "\u00a9" + mark, "Y" + x + joiner + "Y"),
    }
    found = ""
    for letter, (text, if_apart) in alone.items():
        got = probe(text)
        found += letter if (got == "Z" if if_apart is None else got != if_apart) else ""
    return found + ("0" if probe(x + "\u0300" + mark) == x + "W" else "")


def kinds() -> list[int]:
    """Return the grapheme class of every code point, and which normalisers remove it."""
    values = grapheme_classes()
    for bit, probe in {MARK: normalizers.StripAccents(), CONTROL: _bert(clean_text=True)}.items():
        for c in SCALARS:
            if probe.normalize_str(chr(c)) == "":
                values[c] |= bit
    return values


def lower_exceptions() -> dict[int, int]:
    """Return the lower case where it differs from Python's, and is one code point."""
    lower = normalizers.Lowercase().normalize_str
    found = {}
    for c in SCALARS:
        got, ours = lower(chr(c)), chr(c).lower()
        if len(got) == 1 and got != ours:
            found[c] = ord(got)
        assert len(got) == 1 or (c, got) == (0x130, "i\u0307"), hex(c)
    return found


def header() -> str:
    """Return the header."""
    ranks, pairs = combining_ranks(), compositions()
    seconds = {second for _, second in pairs} | {*JAMO_VOWELS, *JAMO_TAILS}
    pool: list[int] = []
    places: dict[str, int] = {}

    def place(text: str) -> int:
        if text not in places:
            places[text] = len(pool)
            pool.extend(ord(char) | ranks.get(ord(char), 0) << 24 for char in text)
        return places[text]

    numbers: dict[tuple[int, int, int, int], int] = {}
    ids = [0] * LAST
    for c in SCALARS:
        canonical, compatible = NFD(chr(c)), NFKD(chr(c))
        if compatible == chr(c) or c in HANGUL:
            continue
        size = len(canonical) if canonical != chr(c) else 0
        entry = (place(canonical) if size else 0, size, place(compatible), len(compatible))
        ids[c] = numbers.setdefault(entry, len(numbers) + 1)
    lower = lower_exceptions()
    entries = ",\n".join(f"{{{a},{b},{c},{d}}}" for a, b, c, d in [(0, 0, 0, 0), *numbers])
    return "\n".join(
        [
            "// Generated by generate_normal_tables.py; do not edit.",
            f"// As probed from tokenizers {tokenizers.__version__}.",
            "#pragma once\n#include <cstdint>\n\nnamespace ctxmem::tables {\n",
            "// 1, 2, 4, 8: NFC, NFKC, NFD, NFKD look closer at it; 16: it may compose with what",
            "// is before it; 32: it has another lower case; 64: BertNormalizer removes it as an",
            "// accent, 128: or as a control character, or makes it a space.",
            *stages("Flag", "std::uint8_t", flags(ranks, seconds)),
            "// The rank of the combining class, 0 of a starter.",
            *stages("Rank", "std::uint8_t", [ranks.get(c, 0) for c in range(LAST)]),
            "// The number in kDecompositions, 0 for none. Hangul has none here.",
            *stages("Decomposition", "std::uint16_t", ids),
            "// Place in kDecompositionPool and length, canonical (length 0: none) and compatible.",
            "struct Decomposition {",
            "    std::uint16_t at, size, compatible_at, compatible_size;\n};",
            f"inline constexpr Decomposition kDecompositions[{len(numbers) + 1}] = {{",
            entries + "};\n",
            "// Code points, with the rank of the combining class in the top byte.",
            array("std::uint32_t", "kDecompositionPool", pool),
            "// Pairs that compose, hashed (see composed() in normal.hpp).",
            "struct Pair {\n    char32_t first, second, composite;\n};",
            f"inline constexpr Pair kPairs[{PAIR_SLOTS}] = {{",
            ",\n".join(f"{{{a},{b},{c}}}" for a, b, c in pair_slots(pairs)) + "};\n",
            "// GraphemeClass; 16: StripAccents removes it, 32: BertNormalizer does, as a control",
            "// character.",
            *stages("Kind", "std::uint8_t", kinds()),
            "// Where the lower case is not that of unicode_tables.hpp.",
            array("char32_t", "kLowerFrom", list(lower)),
            array("char32_t", "kLowerTo", list(lower.values())),
            "}  // namespace ctxmem::tables",
        ]
    )


def stages(name: str, kind: str, values: list[int]) -> list[str]:
    """Return the two arrays of a table over all code points."""
    index, blocks = two_stage(values)
    if len(blocks) > 256:
        sys.exit(f"{name} has more than 256 distinct blocks: widen the index type")
    return [
        array("std::uint8_t", f"k{name}Index", index),
        array(kind, f"k{name}Blocks", [value for block in blocks for value in block]),
    ]


if __name__ == "__main__":
    print(header())

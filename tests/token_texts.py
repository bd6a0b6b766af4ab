"""Texts that tokenizers have got wrong, for every test that compares counts."""

from __future__ import annotations

import random

# What the fuzz texts are made of: everything the two patterns distinguish, and what has broken
# tokenizers before.
ATOMS = [
    *("a", "b", "S", "T", "Re", "ll", "VE", "don", "Hello", "HTTPServer", "camelCase", "x_y"),
    *("'s", "'t", "'LL", "'re", "'ſ", "'", "ſ", "’s", "'ve'd"),
    *(" ", "  ", "   ", "\n", "\n\n", "\r\n", "\r", "\t", "\x0b", "\x0c", "\x1c", "\x85"),
    *("\xa0", "\u3000", "\u2028", "\u200b", "\ufeff", "\0"),
    *("/", "//", "!", ".", "...", "(", "==", "-" * 7, " " * 20, "ab" * 20, "<|endoftext|>"),
    *("1", "23", "4567", "½", "٣", "Ⅷ", "\U0001d7d8"),
    *("é", "É", "ñ", "ß", "Ж", "ж", "ǅ", "ª", "ʰ", "\u0301", "\u0308", "𐐀", "𐐨"),
    *("中", "文", "的人", "。", "，", "ひ", "カ", "한", "ก", "า", "\u0e48", "क", "\u094d"),
    *("😀", "👩\u200d💻", "\ud800", "\udc00", " the", " word"),
]


def random_text(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.75:
        return "".join(rng.choices(ATOMS, k=rng.randrange(14)))
    if kind < 0.9:
        return "".join(rng.choices(ATOMS[:58], k=rng.randrange(8, 100)))
    if kind < 0.95:
        return "".join(chr(rng.randrange(0x20, 0x7F)) for _ in range(rng.randrange(200)))
    return "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randrange(12)))

"""Slow twins of the native code: short, obvious, and the judges of the fast ones."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections.abc import Sequence


def best_packing(
    classes: Sequence[Sequence[tuple[int, int]]], mandatory: Sequence[bool], budget: int
) -> int | None:
    """Return the most value of one (tokens, value) option per class, or None if nothing fits."""
    best: int | None = None
    choices = [
        [*options, *([] if must else [(0, 0)])]
        for options, must in zip(classes, mandatory, strict=True)
    ]
    for chosen in itertools.product(*choices):
        if sum(tokens for tokens, _ in chosen) <= budget:
            value = sum(value for _, value in chosen)
            best = value if best is None else max(best, value)
    return best


SPACELESS = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


def words(text: str) -> list[str]:
    """Return the lower-cased words: runs of letters, marks and numbers.

    A letter of a script without spaces is a word of its own, with the marks that follow it.
    """
    found: list[str] = []
    word, alone = "", False

    def close() -> None:
        nonlocal word, alone
        if word:
            found.append(word)
        word, alone = "", False

    for char in text:
        kind = unicodedata.category(char)
        if kind[0] not in "LMN":
            close()
            continue
        spaceless = kind in ("Lo", "Lm") and unicodedata.name(char, "").startswith(SPACELESS)
        if spaceless or (alone and kind[0] != "M"):
            close()
        lower = char.lower()
        word += lower if len(lower) == 1 else char
        alone = alone or spaceless
    close()
    return found


def bm25(texts: Sequence[str], queries: Sequence[str]) -> list[list[float]]:
    """Return Okapi BM25 with k1 = 1.2 and b = .75 of every text against every query."""
    split = [words(text) for text in texts]
    mean = sum(map(len, split)) / len(split) or 1

    def score(document: list[str], query: str) -> float:
        total = 0.0
        for word in set(words(query)):
            df = sum(word in other for other in split)
            idf = math.log(1 + (len(split) - df + 0.5) / (df + 0.5))
            f = document.count(word)
            total += idf * f * 2.2 / (f + 1.2 * (0.25 + 0.75 * len(document) / mean))
        return total

    return [[score(document, query) for query in queries] for document in split]


def near_duplicate_stars(
    texts: Sequence[str], threshold: float, n: int
) -> tuple[list[int], list[float]]:
    """Return representative and similarity: each text joins the first star that is near enough."""
    sets = []
    for text in texts:
        split = words(text)
        grams = {tuple(split[i : i + n]) for i in range(len(split) - n + 1)}
        sets.append(grams or ({tuple(split)} if split else set()))
    representative, similarity = list(range(len(texts))), [1.0] * len(texts)
    for i, mine in enumerate(sets):
        for star in range(i):
            union = len(mine | sets[star])
            if mine and representative[star] == star and union:
                share = len(mine & sets[star]) / union
                if share >= threshold:
                    representative[i], similarity[i] = star, share
                    break
    return representative, similarity


GOES_ON = {"mr", "dr", "e.g", "i.e"}
NUMBERED = {"no", "fig", "etc"}
EITHER = {"inc", "al"}
OPENERS = {"The", "However", "No"}


def sentences(text: str) -> list[str]:
    """Return the sentences of a line of plain English that knows no abbreviations but those above.

    Each keeps the white space after it.
    """
    found, begin = [], 0
    for stop in re.finditer(r"[.!?][.!?\"')]*\s+(?=\S)", text):
        if _ends(text, begin, stop):
            found.append(text[begin : stop.end()])
            begin = stop.end()
    return [*found, text[begin:]]


def _ends(text: str, begin: int, stop: re.Match[str]) -> bool:
    run, rest = stop.group().rstrip(), text[stop.end() :]
    lower = rest[0].islower()
    if rest[0] in ",;:)]}":
        return False
    if "!" in run or "?" in run:
        return not (lower and set(run) & set("\"')"))
    if len(run) > 1:
        return not lower
    word = _word_before(text, begin, stop.start())
    at = stop.start() - len(word)
    opener = re.match(r"[\"']?([A-Za-z]*)", rest).group(1)
    if not word:
        return not lower
    if re.fullmatch(r"[\d.]+", word):
        return at > begin and not lower
    if at == begin and re.fullmatch(r"(?i)[ivxlc]{1,6}", word):
        return False
    if len(word) == 1:
        before = text[begin:at]
        if (before and before[-1] not in ' "(.') or re.search(r"\d $", before):
            return not lower
        chained = before.endswith(". ") and len(_word_before(text, begin, at - 2)) == 1
        if chained and not _word_before(text, begin, at - 2).isdigit():
            return False
        return at > begin and opener in OPENERS
    if at + len(word) - begin >= 16 and len(_tail(text, begin, stop.start())) >= 16:
        return True
    acronym = re.fullmatch(r"[^.\d](?:\.[^.])+", word)
    if acronym or len(word) <= 6:
        if word.lower() in GOES_ON:
            return False
        if word.lower() in NUMBERED:
            counts = rest[0].isdigit() or rest[0] in "([" or re.fullmatch("[IVXLCivxlc]+", opener)
            single = len(opener) == 1 and opener not in "IA"
            return not (lower or single or (counts and opener not in ("I", "A")))
        if acronym or word.lower() in EITHER:
            return opener in OPENERS
    return not lower or len(word) >= 4


def _tail(text: str, begin: int, at: int) -> str:
    return re.search(r"[A-Za-z0-9.']*$", text[max(begin, at - 16) : at]).group()


def _word_before(text: str, begin: int, at: int) -> str:
    return _tail(text, begin, at).lstrip("'.")

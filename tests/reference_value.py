"""Slow twins of the native value model: terms and their stems, features, trees."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from reference import char_classes, lower_char, repaired, split_words


def bm25(texts: Sequence[str], queries: Sequence[str]) -> list[list[float]]:
    """Return Okapi BM25 with k1 = 1.2 and b = .75 of every text against every query."""
    split = [split_words(text) for text in texts]
    mean = sum(map(len, split)) / len(split) or 1

    def score(document: list[str], query: str) -> float:
        total = 0.0
        for word in set(split_words(query)):
            df = sum(word in other for other in split)
            idf = math.log(1 + (len(split) - df + 0.5) / (df + 0.5))
            f = document.count(word)
            total += idf * f * 2.2 / (f + 1.2 * (0.25 + 0.75 * len(document) / mean))
        return total

    return [[score(document, query) for query in queries] for document in split]


FUNCTION_WORDS = frozenset(
    """a an and any are as at be been but by can did do does for from had has have he her his how if
    in into is it its many may more most much no not of on or shall she so such than that the their
    there these they this those to under was were what when where which who whom why will
    with""".split()
)
ENDINGS = sorted(
    """ations ality ation ating ators ments ingly ated ates ator edly ions ment ness ate ies ing ion
    ity ely al ed er es ly e s""".split(),
    key=lambda ending: (-len(ending), ending),
)


RUSSIAN = """иями оями иям иях оях ями оям оьв ами его ему ери ими ого ому ыми оев ая яя ях юю ах ею
    их ия ию ьв ою ую ям ых ея ам ем ей ев ий им ое ой ом ов ые ый ым ми а е и о у й ы я
    ь""".split()
ARABIC = "ها ان ات ون ين يه ه ي".split()
HINDI = """ाएंगी ाएंगे ाऊंगी ाऊंगा ाइयाँ ाइयों ाएगी ाएगा ाओगी ाओगे एंगी ेंगी एंगे ेंगे ूंगी ूंगा ातीं नाओं नाएं ताओं
    ताएं ियाँ ियों ाकर ाइए ाईं ाया ेगी ेगा ोगी ोगे ाने ाना ाते ाती ाता तीं ाओं ाएं ुओं ुएं ुआं कर ाओ िए ाई ाए ने नी
    ना ते ीं ती ता ाँ ों ें ो े ू ु ी ि ा""".split()
FOLDED = {
    **dict(zip("ёآأإٱؤئىیةک", "еااااويييهك", strict=True)),
    **dict(zip("\u0901\u0929\u0931\u0934", "\u0902\u0928\u0930\u0933", strict=True)),
    **dict(zip("\u0958\u0959\u095a\u095b\u095c\u095d\u095e\u095f", "कखगजडढफय", strict=True)),
    **dict(zip("ॅॆॉॊऍऎऑऒॲ", "ेेोोएएओओअ", strict=True)),
    **dict(zip("ईऊॠॡऐऔीूॄॣैौ", "इउऋऌएओिुृॢेो", strict=True)),
}
VIRAMA = "\u094d"
NUKTA = "\u093c"
ARABIC_MARKS = (
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"
)


def folded(word: str) -> str:
    """Return a lower-cased word with one form for each letter that has several, as in terms."""
    word = "".join(FOLDED.get(char, char) for char in word)
    word = re.sub(f"[{ARABIC_MARKS}{NUKTA}]", "", word)
    return re.sub(f"[ङञणनम]{VIRAMA}", "ं", word).replace(VIRAMA, "")


def stem(word: str) -> str:
    """Return a folded word without the commonest endings of the language of its last letter."""
    if word.isascii():
        return english_stem(word)
    if "\u0400" <= word[-1] < "\u0480":
        return russian_stem(word)
    if "\u0600" <= word[-1] < "\u0700":
        return arabic_stem(word)
    if "\u0900" <= word[-1] < "\u0980":
        return longest_ending(word, [folded(ending) for ending in HINDI], 2, 3)
    return word


def longest_ending(word: str, endings: Iterable[str], least: int, width: int) -> str:
    """Strip the longest ending that leaves at least `least` letters of `width` bytes each."""
    for ending in sorted(endings, key=len, reverse=True):
        if word.endswith(ending) and len(word.encode()) >= width * (least + len(ending)):
            return word[: -len(ending)]
    return word


def russian_stem(word: str) -> str:
    """Strip the reflexive ending, then that of the case, then what is soft or doubled."""
    if len(word.encode()) >= 12 and re.search("(ся|лась|лось|лись|юсь)$", word):
        word = word[:-2]
    word = longest_ending(word, RUSSIAN, 3, 2)
    if len(word.encode()) >= 8 and re.search("(ь|и|нн)$", word):
        word = word[:-1]
    return word


def arabic_stem(word: str) -> str:
    """Strip the article or "and", then every ending once."""
    size = len(word.encode())
    found = re.match("ال|[وبكف]ال|لل", word)
    if found and size >= 2 * len(found[0]) + 4:
        word = word[len(found[0]) :]
    elif word[0] == "و" and size >= 8:
        word = word[1:]
    for ending in ARABIC:
        if word.endswith(ending) and len(word.encode()) >= 2 * len(ending) + 4:
            word = word[: -len(ending)]
    return word


def english_stem(word: str) -> str:
    """Return an ASCII word without the commonest English endings; three letters stay."""
    found = word
    for ending in ENDINGS:
        if len(word) >= 3 + len(ending) and word.endswith(ending):
            if ending != "s" or word[-2] != "s":
                found = word[: -len(ending)]
            break
    if len(found) < len(word) and len(found) > 3 and found[-1] == found[-2]:
        found = found[:-1]
    while len(found) > 3 and found[-1] in "eiy":
        found = found[:-1]
    return found


def _kinds(text: str) -> str:
    """Return a letter for every character: Upper, Lower, Other letter, Mark, Number, Thai, or of a
    Spaceless script. A character that is in no word is kept if it may join the parts of an
    identifier, and is a space otherwise.
    """

    def kind(char: str) -> str:
        bits = char_classes()[ord(char)]
        if bits & 8:
            return "T" if "\u0e00" <= char < "\u0e80" else "S"
        return char if char in "_-." else " ULOMN  "[bits & 7]

    return "".join(map(kind, text))


class Term(NamedTuple):
    """A term of a text; function words are written as `*word`."""

    text: str
    extra: bool = False  # a part or the whole of an identifier, in addition to the text's words


def _term(word: str, *, extra: bool = False) -> Term:
    if word in FUNCTION_WORDS:
        return Term("*" + word, extra)
    return Term(word if "N" in _kinds(word) else stem(word), extra)


def _humps(kinds: str) -> list[int]:
    """Return where the humps of CamelCase begin; marks and digits have no influence."""
    cased = [at for at, kind in enumerate(kinds) if kind in "ULO"]
    bare = "".join(kinds[at] for at in cased)
    return [cased[found.start()] for found in re.finditer("(?<=L)U|(?<=U)U(?=LL)", bare)]


def terms(text: str) -> list[Term]:
    """Return the terms of a text: stems of words, parts and wholes of identifiers, Thai pairs."""
    text = repaired(text)
    kinds = _kinds(text)
    out: list[Term] = []
    for found in re.finditer("SM*|(TM*)+|[ULOMN]+((_+|[-.])[ULOMN]+)*", kinds):
        run = text[found.start() : found.end()]
        if found[0][0] == "T":
            pairs = re.finditer("TM*", found[0])
            letters = [
                folded("".join(map(lower_char, run[one.start() : one.end()]))) for one in pairs
            ]
            pairwise_terms = ["".join(pair) for pair in pairwise(letters)]
            out += map(_term, pairwise_terms or letters)
            continue
        words: list[str] = []
        whole = ""
        for part in re.finditer("[^-_.]+", found[0]):
            before = part.start() - 1
            if before > 0 and run[before] in "-." and _digits(run[before - 1] + run[before + 1]):
                whole += run[before]
            word = run[part.start() : part.end()]
            cuts = [0, *_humps(part[0]), len(word)]
            humps = [folded("".join(map(lower_char, word[i:j]))) for i, j in pairwise(cuts)]
            if not any(humps):
                continue
            if len(humps) > 1:
                out += [_term(hump, extra=True) for hump in humps]
            words.append("".join(humps))
            out.append(_term(words[-1]))
            whole += words[-1]
        if len(words) > 1:
            out.append(_term(whole, extra=True))
    return out


def asked_terms(query: str, texts: Iterable[Sequence[Term]]) -> list[str]:
    """Return the distinct terms of a query.

    The parts and the whole of an identifier count only if the word next to them, before or after,
    is in no text.
    """
    known = {term.text for text in texts for term in text}
    split = terms(query)
    asked: dict[str, None] = {}
    for at, term in enumerate(split):
        before = next((t for t in reversed(split[:at]) if not t.extra), None)
        after = next((t for t in split[at:] if not t.extra), None)
        unmet = any(t is not None and t.text not in known for t in (before, after))
        if not term.text.startswith("*") and (unmet or not term.extra):
            asked[term.text] = None
    return list(asked)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def words_of_spans(spans: Sequence[str], query: str) -> dict[str, list[float]]:
    """Return the features of the spans of one text that compare their terms with the query's."""
    split = [terms(span) for span in spans]
    asked = asked_terms(query, split)
    found = [[term.text for term in one if not term.extra or term.text in asked] for one in split]
    sizes = [sum(not term.extra for term in one) for one in split]

    def weight(term: str) -> float:
        df = sum(term in one for one in found)
        return 0.0 if term.startswith("*") else math.log(1 + (len(found) - df + 0.5) / (df + 0.5))

    mean = max(1.0, sum(sizes) / len(found))

    def bm25_of(one: list[str], size: int) -> float:
        length = 1.2 * (0.25 + 0.75 * size / mean)
        return sum(weight(t) * one.count(t) * 2.2 / (one.count(t) + length) for t in asked)

    scores = [bm25_of(one, size) for one, size in zip(found, sizes, strict=True)]
    most = max(scores) or 1.0
    single = (np.array(scores) / most).astype(np.float32).tolist()
    known = [term for term in asked if any(term in one for one in found)]
    whole = sum(map(weight, known))

    def covered(near: Iterable[list[str]]) -> float:
        together = {term for one in near for term in one}
        return sum(weight(t) for t in known if t in together) / whole if whole else 0.0

    def focus(one: list[str]) -> float:
        own = sum(map(weight, set(one)))
        return sum(weight(t) for t in set(one) if t in asked) / own if own else 0.0

    return {
        "bm25": [score / most for score in scores],
        # Scores are compared in single precision, so sums that differ less are ties.
        "bm25_place": [1 / (1 + sum(other > score for other in single)) for score in single],
        "coverage": [covered([one]) for one in found],
        "coverage_around": [covered(found[max(0, s - 2) : s + 3]) for s in range(len(found))],
        "focus": [focus(one) for one in found],
        "matches": [float(sum(term in asked for term in one)) for one in found],
    }


def tree_value(forest: Mapping[str, Any], row: Sequence[float]) -> float:
    """Return the sum of the trees of the weights file for one row, read node by node."""
    total, node, value = forest["bias"], 0, 0
    for leaves in forest["leaves"]:
        begin, at, leaf, size = node, node, 0, leaves
        while size > 1:
            left = forest["left"][at]
            if row[forest["feature"][at]] > forest["threshold"][at]:
                at, leaf, size = at + left, leaf + left, size - left  # past the left's left - 1
            else:
                at, size = at + 1, left
        total += forest["value"][value + leaf]
        node, value = begin + leaves - 1, value + leaves
    return total

"""Slow twins of the native core: the oracles of the property tests."""

from __future__ import annotations

import importlib
import itertools
import math
import re
import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ctxmem import _native

# near-duplicates


@cache
def _classes() -> list[int]:
    return _native.char_classes().tolist()


def repaired(text: str) -> str:
    """Return the text as the native core reads it: lone surrogates become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _lower(char: str) -> str:
    return char.lower() if len(char.lower()) == 1 else char


def split_words(text: str) -> list[str]:
    """Return the lower-cased words; a letter of a spaceless script is one, with its marks."""
    words: list[str] = []
    inside = spaceless = False
    for char in repaired(text):
        bits = _classes()[ord(char)]
        if not 1 <= bits & 7 <= 5:
            inside = spaceless = False
            continue
        alone = bool(bits & 8)
        if not inside or alone or (spaceless and bits & 7 != 4):
            words.append("")
            spaceless = False
        words[-1] += _lower(char)
        inside = True
        spaceless = spaceless or alone
    return words


def split_characters(text: str) -> list[str]:
    """Return the lower-cased characters of the words, a space where something separated them."""
    marked = [_lower(c) if 1 <= _classes()[ord(c)] & 7 <= 5 else " " for c in repaired(text)]
    return list(" ".join("".join(marked).split()))


def shingle_set(text: str, ngram: int, *, characters: bool = False) -> frozenset[Hashable]:
    """Return the shingles of a text; a text shorter than one shingle is one element."""
    units = split_characters(text) if characters else split_words(text)
    if not units:
        return frozenset([("bytes", repaired(text))])
    if len(units) < ngram:
        return frozenset([("short", *units)])
    return frozenset(tuple(units[i : i + ngram]) for i in range(len(units) - ngram + 1))


def similarity(a: frozenset[Hashable], b: frozenset[Hashable], *, containment: bool) -> float:
    """Return Jaccard similarity or containment."""
    shared = len(a & b)
    return shared / (min(len(a), len(b)) if containment else len(a) + len(b) - shared)


def near_duplicate_pairs(
    texts: Sequence[str],
    threshold: float,
    ngram: int,
    *,
    characters: bool = False,
    containment: bool = False,
) -> list[tuple[int, int, float]]:
    """Compare every text with every other; texts with equal sets are paired with the first."""
    sets = [shingle_set(text, ngram, characters=characters) for text in texts]
    first = [sets.index(one) for one in sets]
    pairs = []
    for i in range(len(texts)):
        if first[i] != i:
            continue
        for j in range(i + 1, len(texts)):
            if first[j] not in (i, j):
                continue
            found = similarity(sets[i], sets[j], containment=containment)
            if found >= threshold:
                pairs.append((i, j, found))
    return pairs


def near_duplicate_stars(
    texts: Sequence[str],
    priority: Sequence[float],
    threshold: float,
    ngram: int,
    *,
    characters: bool = False,
    containment: bool = False,
) -> list[tuple[int, float]]:
    """Let each text, by descending priority, take what is free and within the threshold."""
    sets = [shingle_set(text, ngram, characters=characters) for text in texts]
    taken: dict[int, tuple[int, float]] = {}
    for i in sorted(range(len(texts)), key=lambda i: (-priority[i], i)):
        if i in taken:
            continue
        taken[i] = (i, 1.0)
        for j in range(len(texts)):
            found = similarity(sets[i], sets[j], containment=containment)
            if j not in taken and found >= threshold:
                taken[j] = (i, found)
    return [taken[i] for i in range(len(texts))]


def text_overlaps(
    texts: Sequence[str], source: Sequence[int], min_chars: int
) -> list[tuple[int, int, int]]:
    """Try every text against every other of its source, at every offset."""
    whole = [repaired(text) for text in texts]
    rows: dict[int, tuple[int, int, int]] = {}
    free: list[int] = []
    for right, text in enumerate(whole):
        peers = [i for i in range(len(whole)) if source[i] == source[right]]
        if len(text) < min_chars:
            continue
        same = [i for i in peers if i < right and whole[i] == text]
        holders = [i for i in peers if len(whole[i]) > len(text) and text in whole[i]]
        if same:
            rows[right] = (same[0], right, 0)
        elif holders:
            left = max(holders, key=lambda i: (len(whole[i]), -i))
            rows[right] = (left, right, whole[left].index(text))
        else:
            free.append(right)
    for right in free:
        best = (0, 0, 0)  # overlap, -left, offset
        for left in free:
            if left == right or source[left] != source[right]:
                continue
            for offset in range(1, len(whole[left]) - min_chars + 1):
                end = whole[left][offset:]
                if whole[right].startswith(end):
                    best = max(best, (len(end), -left, offset))
                    break
        if best[0]:
            rows[right] = (-best[1], right, best[2])
    return sorted(rows.values())


def minhash(hashes: Sequence[int], permutations: int, seed: int) -> list[int]:
    """Return the least value of each function a x + b, drawn from the seed by SplitMix64."""
    least = []
    for _ in range(permutations):
        seed = (seed + 0x9E3779B97F4A7C15) % 2**64
        z = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        z ^= z >> 31
        a, b = z % 2**32 | 1, z >> 32
        least.append(min(((a * (h >> 32) + b) % 2**32 for h in hashes), default=2**32 - 1))
    return least


def as_rows(*columns: np.ndarray) -> list[tuple[float, ...]]:
    """Return the arrays of a native result as a list of tuples."""
    return list(zip(*(column.tolist() for column in columns), strict=True))


# value


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
    """Return a lower-cased word as terms write it: one form of letters that have several."""
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
    """Strip the longest ending that leaves as many letters, of so many bytes each."""
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
    """Return a letter for every character: Upper, Lower, Other letter, Mark, Number, Thai, one of a
    Spaceless script; what is in no word stays if it may join parts of an identifier, else a space.
    """

    def kind(char: str) -> str:
        bits = _classes()[ord(char)]
        if bits & 8:
            return "T" if "\u0e00" <= char < "\u0e80" else "S"
        return char if char in "_-." else " ULOMN  "[bits & 7]

    return "".join(map(kind, text))


class Term(NamedTuple):
    """A term of a text; function words are written as `*word`."""

    text: str
    extra: bool = False  # a part or the whole of an identifier, beside the words of the text


def _term(word: str, *, extra: bool = False) -> Term:
    if word in FUNCTION_WORDS:
        return Term("*" + word, extra)
    return Term(word if "N" in _kinds(word) else stem(word), extra)


def _humps(kinds: str) -> list[int]:
    """Return where the humps of CamelCase begin, by marks and digits undisturbed."""
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
            letters = [folded("".join(map(_lower, run[one.start() : one.end()]))) for one in pairs]
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
            humps = [folded("".join(map(_lower, word[i:j]))) for i, j in pairwise(cuts)]
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
    """Return the distinct terms that are looked for: a part or a whole of an identifier only where
    the next word before or after it is in no text."""
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
    """Return features of the spans of one text: what they share with the query."""
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
        # Places are of single precision: sums that differ less than that are ties.
        "bm25_place": [1 / (1 + sum(other > score for other in single)) for score in single],
        "coverage": [covered([one]) for one in found],
        "coverage_around": [covered(found[max(0, s - 2) : s + 3]) for s in range(len(found))],
        "focus": [focus(one) for one in found],
        "matches": [float(sum(term in asked for term in one)) for one in found],
    }


def tree_value(forest: Mapping[str, Any], row: Sequence[float]) -> float:
    """Return the sum of a forest of the weights file for one row, walked from node to node."""
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


# solver


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


def evaluate_packing(problem: dict, choose: dict[int, int]) -> int | None:
    """Return the value of a choice for a ctxmem-pack/1 problem, or None if it is not allowed."""
    items, sep = problem["items"], problem["sep"]
    sections = {section["id"]: section for section in problem["sections"]}
    for i, item in enumerate(items):
        pin = item["pin"]
        if pin is not None and i not in choose:
            return None
        if pin not in (None, "any") and choose[i] != pin:
            return None
        if i in choose and any(need not in choose for need in item["needs"]):
            return None
    if any(sum(i in choose for i in group) > 1 for group in problem["groups"]):
        return None
    if any(0 < sum(i in choose for i in unit) < len(unit) for unit in problem["together"]):
        return None

    tokens = dict.fromkeys([None, *sections], 0)

    def pay(section: str | None, amount: int) -> None:
        while section is not None:
            tokens[section] += amount
            section = sections[section]["parent"]
        tokens[None] += amount

    for i, option in choose.items():
        pay(items[i]["section"], items[i]["options"][option]["t"] + sep)
    for name in [name for name in sections if tokens[name] > 0]:
        if sections[name]["header"] > 0:
            pay(name, sections[name]["header"] + sep)
    if tokens[None] > problem["budget"]:
        return None
    if any(not s["min"] <= tokens[name] <= s["max"] for name, s in sections.items()):
        return None

    chosen = [items[i]["options"][option] for i, option in choose.items()]
    value = sum(option["v"] for option in chosen)
    covered = {concept for option in chosen for concept in option.get("c", ())}
    value += sum(problem["concepts"][concept] for concept in covered)
    value -= sum(p for i, j, p in problem["redundancy"] if i in choose and j in choose)
    if problem["prefix"]:
        for i, bonus in zip(problem["prefix"]["order"], problem["prefix"]["bonus"], strict=True):
            if choose.get(i) != 0:
                break
            value += bonus
    return value


def best_choice(problem: dict) -> int | None:
    """Return the most value of any allowed choice, or None if there is none."""
    best: int | None = None
    options = [range(-1, len(item["options"])) for item in problem["items"]]
    for chosen in itertools.product(*options):
        value = evaluate_packing(problem, {i: o for i, o in enumerate(chosen) if o >= 0})
        if value is not None and (best is None or value > best):
            best = value
    return best


def solve_with_cp_sat(problem: dict, time_limit: float = 20.0) -> tuple[str, int, int]:
    """Return (status, value, bound) of a ctxmem-pack/1 problem as OR-tools CP-SAT sees it."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    items, sep = problem["items"], problem["sep"]
    sections = {section["id"]: section for section in problem["sections"]}
    x = [[model.new_bool_var("") for _ in item["options"]] for item in items]
    chosen = [sum(options) if options else 0 for options in x]
    terms: dict[str | None, list] = {None: [], **{name: [] for name in sections}}
    opened: dict[str, list] = {name: [] for name in sections}

    def up(section: str | None):
        while section is not None:
            yield section
            section = sections[section]["parent"]

    for i, item in enumerate(items):
        model.add(chosen[i] <= 1) if item["options"] else None
        if item["pin"] is not None:
            model.add(sum(x[i]) == 1)
            if item["pin"] != "any":
                model.add(x[i][item["pin"]] == 1)
        for need in item["needs"]:
            model.add(sum(x[i]) <= sum(x[need]))
        for variable, option in zip(x[i], item["options"], strict=True):
            for name in (None, *up(item["section"])):
                terms[name].append((option["t"] + sep) * variable)
            for name in up(item["section"]):
                opened[name].append(variable)
    for group in problem["groups"]:
        model.add(sum(sum(x[i]) for i in set(group)) <= 1)
    for unit in problem["together"]:
        for i in unit[1:]:
            model.add(sum(x[i]) == sum(x[unit[0]]))
    for name, section in sections.items():
        if section["header"] > 0:
            is_open = model.new_bool_var("")
            model.add_max_equality(is_open, [*opened[name], model.new_constant(0)])
            for above in (None, *up(name)):
                terms[above].append((section["header"] + sep) * is_open)
    for name, section in sections.items():
        model.add_linear_constraint(sum(terms[name]), section["min"], section["max"])
    model.add(sum(terms[None]) <= problem["budget"])

    value = [
        option["v"] * variable
        for i, item in enumerate(items)
        for variable, option in zip(x[i], item["options"], strict=True)
    ]
    for concept, weight in enumerate(problem["concepts"]):
        covering = [
            variable
            for i, item in enumerate(items)
            for variable, option in zip(x[i], item["options"], strict=True)
            if concept in option.get("c", ())
        ]
        covered = model.new_bool_var("")
        model.add(covered <= sum(covering))
        value.append(weight * covered)
    for i, j, penalty in problem["redundancy"]:
        both = model.new_bool_var("")
        model.add(both >= sum(x[i]) + sum(x[j]) - 1)
        value.append(-penalty * both)
    if problem["prefix"]:
        before = None
        pairs = zip(problem["prefix"]["order"], problem["prefix"]["bonus"], strict=True)
        for i, bonus in pairs:
            kept = model.new_bool_var("")
            model.add(kept <= (x[i][0] if x[i] else 0))
            if before is not None:
                model.add(kept <= before)
            value.append(bonus * kept)
            before = kept
    model.maximize(sum(value))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = time_limit
    solver.parameters.num_workers = 1
    status = solver.status_name(solver.solve(model)).lower()
    if status == "infeasible":
        return status, 0, 0
    return status, round(solver.objective_value), round(solver.best_objective_bound)


# tokens


def byte_pairs(piece: bytes, ranks: Mapping[bytes, int]) -> list[bytes]:
    """Merge the adjacent pair of lowest rank, the leftmost first, until no pair is a token."""
    if piece in ranks:
        return [piece]
    parts = [piece[i : i + 1] for i in range(len(piece))]
    while True:
        pairs = [
            (ranks[left + right], i)
            for i, (left, right) in enumerate(pairwise(parts))
            if left + right in ranks
        ]
        if not pairs:
            return parts
        _, i = min(pairs)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


# spans


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


# The rule of difference ---------------------------------------------------------------------------


@cache
def difference_words() -> dict[str, list[tuple[str, int, int, bool, bool]]]:
    """Return (kind, family, value, strong, pair) of the entries of each listed word."""
    found: dict[str, list[tuple[str, int, int, bool, bool]]] = {}
    lists = load_generator("generate_difference_words")
    for entry in lists.entries():
        kind = lists.KINDS[entry.kind]
        if lists.KINDS.index(kind) <= lists.KINDS.index("operator"):
            strong, paired = bool(entry.flags & lists.STRONG), bool(entry.flags & lists.PAIR)
            row = (kind, entry.family, entry.value, strong, paired)
            found.setdefault(entry.word, []).append(row)
    return found


def load_generator(name: str) -> ModuleType:
    """Return a generator script of csrc/core as a module."""
    core = str(Path(__file__).resolve().parent.parent / "csrc/core")
    sys.path.insert(0, core)  # a generator imports its siblings by name, as it does as a script
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(core)


def differences(a: str, b: str) -> set[tuple[str, str, str]]:
    """Return the differences of two texts whose words are separated by single spaces.

    The texts must have one longest common subsequence. Words are looked up as they are written, and
    there are no scripts without spaces.
    """
    sides = (a.split(), b.split())
    hunks = _hunks(*sides)
    found: set[tuple[str, str, str]] = set()
    lone: tuple[list[_Lone], list[_Lone]] = ([], [])
    for spans in hunks:
        places = [range(*span) for span in spans]
        marks = [[m for i in places[s] for m in _marks(sides[s][i], i)] for s in (0, 1)]
        used: tuple[set[int], set[int]] = (set(), set())
        for one in sorted(marks[0]):
            for other in sorted(marks[1]):
                if one[:2] == other[:2] and one in marks[0] and other in marks[1]:
                    for s, mark in ((0, one), (1, other)):
                        marks[s].remove(mark)
                        used[s].add(mark[2])
        for family in sorted({mark[0] for mark in marks[0]}):
            left, right = (
                sorted((m for m in marks[s] if m[0] == family), key=_place) for s in (0, 1)
            )
            while left and right:
                one, other = left[0], right[0]
                offset = (one[2] - spans[0][0], other[2] - spans[1][0])
                if one[2] in used[0]:
                    left.pop(0)
                elif other[2] in used[1]:
                    right.pop(0)
                elif (one[4] or other[4]) and not _one_place(spans, one[2], other[2]):
                    (left if offset[0] <= offset[1] else right).pop(0)
                else:
                    found.add((sides[0][one[2]], sides[1][other[2]], one[5]))
                    for s, mark in ((0, left.pop(0)), (1, right.pop(0))):
                        marks[s].remove(mark)
                        used[s].add(mark[2])
        for s in (0, 1):
            longer = len(places[s]) > len(places[1 - s])
            for mark in sorted(marks[s], key=_place):
                if mark[2] not in used[s] and not mark[4] and (mark[3] or longer):
                    used[s].add(mark[2])
                    lone[s].append((mark, spans, used))
    gone = _gone(sides, lone)
    for s in (0, 1):
        for number, (mark, spans, used) in enumerate(lone[s]):
            if number in gone[s]:
                continue
            word, beside = sides[s][mark[2]], ""
            if len(range(*spans[0])) == len(range(*spans[1])):
                place = mark[2] - spans[s][0] + spans[1 - s][0]
                if place not in used[1 - s] and sides[1 - s][place].isalpha():
                    beside = sides[1 - s][place]
                    used[1 - s].add(place)
            found.add((word, beside, mark[5]) if s == 0 else (beside, word, mark[5]))
    return found


_Mark = tuple[int, int, int, bool, bool, str]  # family, meaning, place, always, paired, kind
_Spans = list[tuple[int, int]]
_Lone = tuple[_Mark, _Spans, tuple[set[int], set[int]]]


def _place(mark: _Mark) -> tuple[int, int]:
    return (mark[2], mark[0])


def _hunks(a: list[str], b: list[str]) -> list[_Spans]:
    """Return the gaps between the words of a longest common subsequence."""
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            one = best[i + 1][j + 1] + 1 if a[i] == b[j] else 0
            best[i][j] = max(one, best[i + 1][j], best[i][j + 1])
    i = j = 0
    pairs = []
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    edges = [(-1, -1), *pairs, (len(a), len(b))]
    spans = [[(x + 1, u), (y + 1, v)] for (x, y), (u, v) in pairwise(edges)]
    return [span for span in spans if any(begin < end for begin, end in span)]


def _marks(word: str, place: int) -> list[_Mark]:
    number = 0  # the family of number words
    if word[0].isdigit():
        return [(number, -int(word), place, True, False, "number")]
    if any(c.isdigit() for c in word):
        return [(-1, hash(word), place, True, False, "identifier")]
    if word in ("==", "!="):
        return [(-2, hash(word), place, True, False, "operator")]
    return [
        (family, meaning, place, strong, paired, "symbol" if kind == "mark" else kind)
        for kind, family, meaning, strong, paired in difference_words().get(word, ())
    ]


def _one_place(spans: _Spans, a: int, b: int) -> bool:
    longest = max(end - begin for begin, end in spans)
    (begin, end), (start, stop) = spans
    return longest <= 3 or a - begin == b - start or end - a == stop - b


def _gone(
    sides: tuple[list[str], list[str]], lone: tuple[list[_Lone], list[_Lone]]
) -> tuple[set[int], set[int]]:
    """Return the moved marks: the same mark next to the same word in the other text."""
    gone: tuple[set[int], set[int]] = (set(), set())
    for i, (mark, spans, _) in enumerate(lone[0]):
        for step in (-1, 1):
            for j, (twin, places, _) in enumerate(lone[1]):
                x, y = mark[2] + step, twin[2] + step
                if (
                    i not in gone[0]
                    and j not in gone[1]
                    and mark[:2] == twin[:2]
                    and x in range(*spans[0])
                    and y in range(*places[1])
                    and sides[0][x] == sides[1][y]
                ):
                    gone[0].add(i)
                    gone[1].add(j)
    return gone

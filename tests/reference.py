"""Slow twins of the native core: the oracles of the property tests."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

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
    """Return what stands for the text when it is compared."""
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
    """Compare every text with every other; texts of one set are paired with the first of them."""
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


def stem(word: str) -> str:
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


def terms(text: str) -> list[str]:
    """Return the terms of a text; function words are written as `*word`, digits keep all."""
    out = []
    for word in split_words(text):
        if word in FUNCTION_WORDS:
            out.append("*" + word)
        elif word.isascii() and not any(char.isdigit() for char in word):
            out.append(stem(word))
        else:
            out.append(word)
    return out


def words_of_spans(spans: Sequence[str], query: str) -> dict[str, list[float]]:
    """Return features of the spans of one text: what they share with the query."""
    found = [terms(span) for span in spans]
    asked = list(dict.fromkeys(term for term in terms(query) if not term.startswith("*")))

    def weight(term: str) -> float:
        df = sum(term in one for one in found)
        return 0.0 if term.startswith("*") else math.log(1 + (len(found) - df + 0.5) / (df + 0.5))

    mean = max(1.0, sum(map(len, found)) / len(found))

    def bm25_of(one: list[str]) -> float:
        length = 1.2 * (0.25 + 0.75 * len(one) / mean)
        return sum(weight(t) * one.count(t) * 2.2 / (one.count(t) + length) for t in asked)

    scores = [bm25_of(one) for one in found]
    most = max(scores) or 1.0
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
        "bm25_place": [1 / (1 + sum(other > score for other in scores)) for score in scores],
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

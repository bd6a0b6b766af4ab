"""Slow twin of the rule of difference, on words that are separated by one space."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

from reference import load_generator


@cache
def difference_words() -> dict[str, list[tuple[str, int, int, bool, bool]]]:
    """Return (kind, family, meaning, always counts, only with a partner) for every listed word."""
    found: dict[str, list[tuple[str, int, int, bool, bool]]] = {}
    lists = load_generator("generate_difference_words")
    for entry in lists.entries():
        kind = lists.KINDS[entry.kind]
        if lists.KINDS.index(kind) <= lists.KINDS.index("operator"):
            strong, paired = bool(entry.flags & lists.STRONG), bool(entry.flags & lists.PAIR)
            row = (kind, entry.family, entry.value, strong, paired)
            found.setdefault(entry.word, []).append(row)
    return found


def differences(a: str, b: str) -> set[tuple[str, str, str]]:
    """Return the differences of two texts whose words are separated by one space.

    Valid for scripts with spaces, texts with a unique longest common subsequence, and words in the
    form in which they are listed.
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
    """Return the ranges between the words of a longest common subsequence."""
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
    """Return the marks that were moved: the same mark is next to the same word on both sides."""
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

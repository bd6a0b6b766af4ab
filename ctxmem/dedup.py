"""Find what repeats: the same text, near-duplicates, text that neighbours share.

Redundancy is text containment: texts are compared as sets of shingles (n words or characters in a
row), exactly, in the native core. See csrc/core/setjoin.hpp for the method, and shingles.hpp for
what becomes of short, wordless and spaceless text.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from ctxmem import _native
from ctxmem.errors import InputError, InputTypeError
from ctxmem.schema import Candidates, Chunk

Measure = Literal["jaccard", "containment"]
Unit = Literal["word", "char"]

NEAR = 0.5
"""Shared word 3-grams from which on two passages count as versions of one: a word in ten edited."""

NGRAM = 3
"""Words in a row that make a shingle, when passages are compared."""

COMPARED = 8
"""Versions that a near-duplicate is compared with before it stands for itself."""

_NUMBERS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen hundred thousand million billion half twice double"
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NEGATIONS = "not no never nor none neither without except unless cannot"
_TELLING = frozenset((_NUMBERS + " " + _NEGATIONS).split())
_WORD = re.compile(r"\d+(?:[.,:/-]\d+)*%?|\w+(?:[\'’-]\w+)*")

_MOST_WORDS = 2**31 - 1  # no text has more, so a longer n-gram compares whole texts as well


def find_near_duplicates(
    texts: Iterable[str],
    threshold: float = 0.5,
    *,
    ngram: int = 3,
    measure: Measure = "jaccard",
    unit: Unit = "word",
) -> list[list[int]]:
    """Group the texts that repeat one another; return lists of indices into `texts`.

    A group is a star: its longest text (the first of them, if several are as long) is the
    representative, and every other member is within the threshold of *it*, so similarity does not
    chain from text to text. Longer texts choose first. Each group has two members or more and is
    sorted, and groups are sorted by their first member; a text is in one group at most.

    The result is exact: no pair is missed, as sketches miss some, and none is estimated.

    Args:
        texts: The texts to compare; words are compared in lower case and without punctuation.
        threshold: The least similarity of a member to its representative, above 0 and at most 1.
            Edited copies of a passage are at about .5; .3 finds heavily edited ones too.
        ngram: How many words (or characters) in a row make a shingle. Two texts of fewer words are
            near-duplicates if their words are the same.
        measure: "jaccard", shared shingles among all shingles of both; or "containment", shared
            shingles among those of the smaller one, for texts cut from others.
        unit: "word", or "char" for text with broken words (OCR, typing errors).

    Raises:
        InputTypeError: If `texts` is one string, or not all of them are strings.
        InputError: If an option is out of range.

    >>> find_near_duplicates(
    ...     [
    ...         "The meter is read on the first day of every month.",
    ...         "Refunds are paid within thirty days.",
    ...         "the meter is read on the first day of every month",
    ...     ]
    ... )
    [[0, 2]]
    """
    listed = _list_of_texts(texts)
    threshold, ngram = _threshold(threshold), _ngram(ngram)
    containment = _choice("measure", measure, ("jaccard", "containment")) == "containment"
    characters = _choice("unit", unit, ("word", "char")) == "char"
    lengths = np.fromiter(map(len, listed), np.float64, len(listed))
    representative, _ = _native.near_duplicate_stars(
        listed, lengths, threshold, ngram, characters, containment
    )
    repeated = np.bincount(representative, minlength=len(listed))[representative] > 1
    members = np.flatnonzero(repeated)
    groups: dict[int, list[int]] = {}
    for member, centre in zip(members.tolist(), representative[members].tolist(), strict=True):
        groups.setdefault(centre, []).append(member)
    return list(groups.values())


def _list_of_texts(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, (str, bytes)):
        raise InputTypeError(
            f"texts is one {type(texts).__name__}; expected several strings; put it into a list"
        )
    try:
        listed = list(texts)
    except TypeError:
        raise InputTypeError(
            f"texts is of type {type(texts).__name__}; expected a list of strings"
        ) from None
    if set(map(type, listed)) - {str}:
        for index, text in enumerate(listed):
            if not isinstance(text, str):
                raise InputTypeError(
                    f"texts[{index}] is of type {type(text).__name__}; expected str; "
                    "pass the text of the chunk, or decode the bytes"
                )
    return listed


def _threshold(threshold: float) -> float:
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float, np.number)):
        raise InputTypeError(
            f"threshold is of type {type(threshold).__name__}; "
            "expected a number above 0 and at most 1, such as 0.5"
        )
    value = float(threshold)
    if not 0.0 < value <= 1.0:
        raise InputError(
            f"threshold is {threshold!r}; expected a similarity above 0 and at most 1, such as 0.5"
        )
    return value


def _ngram(ngram: int) -> int:
    if isinstance(ngram, bool) or not isinstance(ngram, (int, np.integer)):
        raise InputTypeError(
            f"ngram is of type {type(ngram).__name__}; expected a whole number, such as 3"
        )
    if ngram < 1:
        raise InputError(f"ngram is {ngram}; expected at least 1, such as 3")
    return min(int(ngram), _MOST_WORDS)


def _choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        expected = " or ".join(repr(choice) for choice in choices)
        raise InputError(f"{name} is {value!r}; expected {expected}")
    return value


def check_dedup(dedup: bool | float) -> bool | float:
    """Return what `pack(dedup=...)` was given, or raise what is wrong with it."""
    if isinstance(dedup, bool):
        return dedup
    if not isinstance(dedup, int | float):
        raise InputTypeError(
            f"dedup is a {type(dedup).__name__}; expected True, False or a number such as 0.5"
        )
    if not 0 < dedup <= 1:
        raise InputError(
            f"dedup is {dedup}; expected a share of common word 3-grams above 0 and at most 1"
        )
    return float(dedup)


# Repeats


def find_repeats(table: Candidates, *, enabled: bool = True) -> None:
    """Add `repeat_of`, `unique` and `pinned`; let `needs` point past repeats.

    Of chunks with one text the best-ranked stands for all. The turns of a chat are never repeats of
    each other: a second "yes" answers another question.
    """
    n = len(table)
    table.repeat_of = np.arange(n, dtype=np.int32)
    if enabled and not table.conversation:
        same: dict[str, list[int]] = defaultdict(list)
        for i in range(n):
            same[table.text(i)].append(i)
        for members in same.values():
            if len(members) > 1:
                table.repeat_of[members] = min(members, key=lambda i: _standing(table, i))
    table.unique = np.flatnonzero((table.repeat_of == np.arange(n)) & ~table.blank)
    table.pinned = np.zeros(n, dtype=np.bool_)
    table.pinned[table.repeat_of[[i for i in range(n) if table.chunks[i].pinned]]] = True
    if any(table.needs):
        needs: list[set[int]] = [set() for _ in range(n)]
        for i, needed in enumerate(table.needs):
            needs[table.repeat_of[i]].update(table.repeat_of[list(needed)].tolist())
        table.needs = [tuple(sorted(need - {i})) for i, need in enumerate(needs)]


def _standing(table: Candidates, i: int) -> tuple[float, float, str]:
    """Order hits of one text: best rank, then best score, then id, whatever the input's order."""
    chunk = table.chunks[i]
    rank = math.inf if chunk.rank is None else chunk.rank
    return (rank, -math.inf if chunk.score is None else -chunk.score, table.id(i))


# Near-duplicates


def group(table: Candidates, dedup: bool | float) -> None:
    """Add `group`, `similarity` and `version_of`: near-duplicates and who stands for them.

    Stars, no chains: each member is within the threshold of its representative, the one with most
    evidence. What must be shown itself (pinned, or required by another) represents itself, and so
    does a neighbour that overlaps in one source: stitching pays for what the two share.

    With `dedup` True, versions that differ in what a reader must not miss, a number, a date or a
    negation, stand side by side, and `version_of` says of whom; with a number all are folded.
    """
    n = len(table)
    table.group = table.repeat_of.copy()
    table.similarity = np.ones(n)
    table.version_of = np.full(n, -1, dtype=np.int32)
    if dedup is False or table.conversation:
        return
    required = {need for needs in table.needs for need in needs}
    # Best evidence first, what must be shown before all. Ids break ties, not the input's order.
    order = sorted(
        table.unique.tolist(),
        key=lambda i: (not (table.pinned[i] or i in required), -table.evidence[i], table.id(i)),
    )
    threshold = NEAR if dedup is True else float(dedup)
    star_of, similarity = _native.near_duplicate_stars(
        [table.text(i) for i in order], -np.arange(len(order), dtype=np.float64), threshold, NGRAM
    )
    stars: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for i, star, share in zip(order, star_of.tolist(), similarity.tolist(), strict=True):
        if order[star] != i:
            stars[order[star]].append((i, share))
    for star, members in stars.items():
        representatives = [star]
        for i, share in members:
            table.version_of[i] = star
            table.similarity[i] = share
            shown = table.pinned[i] or i in required
            for other in [] if shown else representatives[:COMPARED]:
                if _folds(table, i, other, careful=dedup is True):
                    alike = share if other == star else _jaccard(table.text(i), table.text(other))
                    if alike >= threshold:
                        table.group[i] = other
                        table.similarity[i] = alike
                        break
            else:
                representatives.append(i)
    for column in ("group", "similarity", "version_of"):
        setattr(table, column, getattr(table, column)[table.repeat_of])


def _folds(table: Candidates, i: int, other: int, *, careful: bool) -> bool:
    if _overlap(table, i, other):
        return False
    return not careful or telling_words(table.text(i)) == telling_words(table.text(other))


def telling_words(text: str) -> list[str]:
    """Return what two versions must agree on to be one: their numbers and negations, sorted.

    >>> telling_words("The fee of 1,200 euro is not due within thirty days of 2026-01-31.")
    ['1,200', '2026-01-31', 'not', 'thirty']
    """
    return sorted(word for word in _WORD.findall(text.lower()) if _is_telling(word))


def _is_telling(word: str) -> bool:
    return (
        word in _TELLING
        or word[0].isdigit()
        or word.endswith(("n't", "n’t"))
        or word.startswith(_TENS)
    )


def difference(text: str, other: str) -> str:
    """Say in which words a text differs from another, numbers and negations first.

    >>> difference("Due within 45 days of receipt.", "Due within 30 days after receipt.")
    "differs in '45', 'of', where that has '30', 'after'"
    """
    mine, theirs = (_WORD.findall(version.lower()) for version in (text, other))
    new, lost = _in_order(mine, theirs), _in_order(theirs, mine)
    if new or lost:
        return f"differs in {_quote(new)}, where that has {_quote(lost)}"
    return "differs only in order or layout"


def _in_order(words: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the words beyond the known ones as they stand, the telling ones first."""
    left = Counter(words) - Counter(known)
    found = []
    for word in words:
        if left[word] > 0:
            left[word] -= 1
            found.append(word)
    return sorted(found, key=lambda word: not _is_telling(word))


def _quote(words: Sequence[str]) -> str:
    shown = ", ".join(repr(word) for word in words[:5])
    return (shown or "nothing") + (f" and {len(words) - 5} more" if len(words) > 5 else "")


def _jaccard(a: str, b: str) -> float:
    first, second = (set(_native.shingles(text, NGRAM).tolist()) for text in (a, b))
    return len(first & second) / max(1, len(first | second))


# Text that neighbours share


class Place(NamedTuple):
    """Where a text stands: character offsets in its source."""

    source: str
    start: int
    end: int


def place(chunk: Chunk) -> Place | None:
    """Return where a chunk stands, None where that is not known or not as long as its text."""
    if chunk.source is None or chunk.span is None:
        return None
    start, end = chunk.span
    return Place(chunk.source, start, end) if end - start == len(chunk.text) else None


def _overlap(table: Candidates, i: int, j: int) -> bool:
    a, b = place(table.chunks[i]), place(table.chunks[j])
    if a is None or b is None or a.source != b.source:
        return False
    return a.start < b.end and b.start < a.end


def cut_segments(table: Candidates, *, enabled: bool = True) -> None:
    """Add the segment columns: what each chunk shares with its neighbours in one source.

    The ends of all chunks cut a source into segments; a chunk is a run of them. A chunk whose text
    disagrees with what another says of the same place stands alone.
    """
    segments = _Segments(table)
    sources: dict[str, dict[int, Place]] = defaultdict(dict)
    alone = []
    for i, chunk in enumerate(table.chunks):
        if table.repeat_of[i] == i and not table.blank[i]:
            where = place(chunk) if enabled else None
            if where is None:
                alone.append(i)
            else:
                sources[where.source][i] = where
    for places in sources.values():
        disagreeing = _disagreeing(table, places)
        alone.extend(disagreeing)
        segments.cut({i: where for i, where in places.items() if i not in disagreeing})
    for i in sorted(alone):
        segments.add(i)
    table.first_segment = segments.first[table.repeat_of]
    table.last_segment = segments.last[table.repeat_of]
    table.segment_chunk = np.array(segments.chunk, dtype=np.int32)
    table.segment_span = np.array(segments.span, dtype=np.int64).reshape(-1, 2)
    table.joined = np.array(segments.joined, dtype=np.bool_)


def _disagreeing(table: Candidates, places: Mapping[int, Place]) -> set[int]:
    """Return the chunks of one source whose text is not what their neighbours say stands there."""
    wrong = set()
    text, start = "", 0  # the run of text known so far, and where it begins in the source
    for i in sorted(places, key=lambda i: (places[i], table.id(i))):
        where, mine = places[i], table.chunks[i].text
        known = text[where.start - start : where.end - start] if text else ""
        if where.start > start + len(text) or not text:
            text, start = mine, where.start
        elif mine.startswith(known):
            text += mine[len(known) :]
        else:
            wrong.add(i)
    return wrong


class _Segments:
    """The segment columns while they grow."""

    def __init__(self, table: Candidates) -> None:
        self.table = table
        self.first = np.zeros(len(table), dtype=np.int32)
        self.last = np.zeros(len(table), dtype=np.int32)
        self.chunk: list[int] = []
        self.span: list[tuple[int, int]] = []
        self.joined: list[bool] = []

    def add(self, i: int) -> None:
        """Give a chunk that shares nothing a segment of its own."""
        self.first[i] = len(self.chunk)
        self.chunk.append(i)
        self.span.append((0, len(self.table.chunks[i].text)))
        self.joined.append(False)
        self.last[i] = len(self.chunk)

    def cut(self, places: Mapping[int, Place]) -> None:
        """Cut one source at the ends of all its chunks."""
        edges = sorted({edge for where in places.values() for edge in (where.start, where.end)})
        number = {edge: e for e, edge in enumerate(edges)}
        holder = [-1] * len(edges)  # a chunk whose text reaches from this edge to the next
        for i, where in places.items():
            for e in range(number[where.start], number[where.end]):
                holder[e] = i
        segment = [-1] * len(edges)
        for e, i in enumerate(holder):
            if i >= 0:
                segment[e] = len(self.chunk)
                self.chunk.append(i)
                start = places[i].start
                self.span.append((edges[e] - start, edges[e + 1] - start))
                self.joined.append(e > 0 and holder[e - 1] >= 0)
        for i, where in places.items():
            self.first[i] = segment[number[where.start]]
            self.last[i] = segment[number[where.end] - 1] + 1

"""Find what repeats: the same text, near-duplicates, text that neighbours share."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ctxmem import _native
from ctxmem.errors import InputError, InputTypeError
from ctxmem.schema import Candidates, Chunk

NEAR = 0.5
"""Shared word 3-grams from which on two passages count as versions of one: a word in ten edited."""

COMPARED = 8
"""Versions that a near-duplicate is compared with before it stands for itself."""

_TELLING = re.compile(
    r"\d+(?:[.,:/-]\d+)*"
    r"|\b(?:not|no|never|nor|none|neither|without|except|unless|cannot|\w+n[\'’]t"
    r"|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)ty(?:-\w+)?|\w+teen|hundred|thousand|[mb]illion"
    r"|half|twice|double)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\d+(?:[.,:/-]\d+)*%?|\w+(?:[\'’-]\w+)*")


def find_near_duplicates(
    texts: Sequence[str], threshold: float = 0.5, *, ngram: int = 3, measure: str = "jaccard"
) -> list[list[int]]:
    """Return groups of two or more texts that are alike, as sorted lists of indices.

    Groups are stars around their longest text: each member shares at least `threshold` of its word
    n-grams with it (Jaccard), and belongs to one group. The answer is exact. Texts of fewer than
    `ngram` words are alike when their words are equal.

    Raises:
        InputError: a threshold outside (0, 1], an ngram below 1, or an unknown measure.
        InputTypeError: texts is not a list of str.

    >>> find_near_duplicates(["a b c d e", "x y z", "a b c d e f", "A, b, c, d: e!"], 0.7)
    [[0, 2, 3]]
    """
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise InputTypeError(
            f"texts is a {type(texts).__name__}; expected a list of str: wrap a single text in one"
        )
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputTypeError(f"text {i} is a {type(text).__name__}; expected a str")
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise InputTypeError(f"threshold is a {type(threshold).__name__}; expected a number")
    if not 0 < threshold <= 1:
        raise InputError(f"threshold is {threshold}; expected a share above 0 and at most 1")
    if isinstance(ngram, bool) or not isinstance(ngram, int) or not 1 <= ngram <= 64:
        raise InputError(f"ngram is {ngram!r}; expected an int from 1 to 64")
    if measure != "jaccard":
        raise InputError(f"measure is {measure!r}; expected 'jaccard'")
    words, start = _native.split_texts(list(texts))
    order = np.argsort([-len(text) for text in texts], kind="stable").astype(np.int32)
    star_of, _ = _native.near_duplicate_stars(words, start, order, float(threshold), ngram)
    groups: dict[int, list[int]] = defaultdict(list)
    for i, star in enumerate(star_of.tolist()):
        groups[star].append(i)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


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
    """Add `repeat_of`, `unique`, its words, and `pinned`; let `needs` point past repeats.

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
    table.words, table.word_start = _native.split_texts(
        [table.text(i) for i in table.unique.tolist()]
    )
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
    unique = table.unique.tolist()
    order = sorted(
        range(len(unique)),
        key=lambda u: (
            not (table.pinned[unique[u]] or unique[u] in required),
            -table.evidence[unique[u]],
            table.id(unique[u]),
        ),
    )
    threshold = NEAR if dedup is True else float(dedup)
    star_of, similarity = _native.near_duplicate_stars(
        table.words, table.word_start, np.array(order, dtype=np.int32), threshold
    )
    stars: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for u in order:
        if star_of[u] != u:
            stars[unique[star_of[u]]].append((unique[u], float(similarity[u])))
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
    return sorted(word.lower() for word in _TELLING.findall(text))


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
    return sorted(found, key=lambda word: _TELLING.fullmatch(word) is None)


def _quote(words: Sequence[str]) -> str:
    shown = ", ".join(repr(word) for word in words[:5])
    return (shown or "nothing") + (f" and {len(words) - 5} more" if len(words) > 5 else "")


def _jaccard(a: str, b: str) -> float:
    first, second = (set(_native.shingles(text, 3).tolist()) for text in (a, b))
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

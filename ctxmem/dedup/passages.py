"""What repeats among the passages of one pack: the same text, and versions of one text."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Sequence, Set

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.candidates import Candidates
from ctxmem.dedup.arguments import digest_of
from ctxmem.dedup.embeddings import embedding_groups
from ctxmem.errors import InputError, InputTypeError, a_type
from ctxmem.places import overlap
from ctxmem.schema import Dedup

NEAR = 0.5
"""Least share of common word 3-grams of two versions of one passage: a word in ten edited."""

NGRAM = 3
"""Words in a row that make a shingle, when passages are compared."""

EXACT = 2.0
"""A share of 3-grams that no two passages have in common: only repeats are folded."""

SHORT = 16
"""Words of a passage up to which versions that are both shown are found by single words: one word
edited in ten changes half of the 3-grams."""

COMPARED = 8
"""Versions that a near-duplicate is compared with before it represents itself."""


def check_dedup(dedup: Dedup, threshold: float | None = None) -> bool | float:
    """Return how the near-duplicates of a pack are folded.

    True folds those that say the same, False none and no repeats either, a share of common 3-grams
    all from that share on, `EXACT` repeats alone.

    Raises:
        InputError: an unknown value of `dedup`, or a threshold that it does not allow.
        InputTypeError: `dedup` or the threshold has the wrong type.
    """
    if not isinstance(dedup, bool | str):
        raise InputTypeError(f"dedup is {a_type(dedup)}; expected 'careful', 'exact' or False")
    if dedup not in (True, False, "careful", "exact"):
        raise InputError(f"dedup is {dedup!r}; expected 'careful', 'exact' or False")
    if threshold is None:
        return EXACT if dedup == "exact" else dedup is not False
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise InputTypeError(
            f"dedup_threshold is {a_type(threshold)}; expected a number such as 0.5, or None"
        )
    if not 0 < threshold <= 1:
        raise InputError(
            f"dedup_threshold is {threshold}; expected a share of common word 3-grams above 0 and "
            f"at most 1"
        )
    if dedup not in (True, "careful"):
        raise InputError(
            f"dedup_threshold is {threshold}, and dedup is {dedup!r}; expected a threshold only "
            f"where near-duplicates are folded: leave one of the two out"
        )
    return float(threshold)


# Repeats


def find_repeats(table: Candidates, *, enabled: bool = True) -> None:
    """Add `repeat_of`, `unique` and `pinned`; let `needs` point past repeats.

    Of chunks with one text the best-ranked represents all. The turns of a chat are never repeats of
    each other: a second "yes" answers another question.
    """
    n = len(table)
    table.repeat_of = np.arange(n, dtype=np.int32)
    if enabled and not table.conversation:
        first_with: dict[str, int] = {}
        same: dict[int, list[int]] = {}
        for i, text in enumerate(table.full_texts()):
            first = first_with.setdefault(text, i)
            if first != i:
                same.setdefault(first, [first]).append(i)
        for members in same.values():
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


def group(table: Candidates, dedup: bool | float, query: str | None = None) -> None:
    """Add `group`, `similarity` and `version_of`: near-duplicates and what represents them.

    Groups do not grow into chains: each member is within the threshold of its representative, the
    one with most evidence. What must be shown itself (pinned, or required by another) represents
    itself, and so does a neighbour that overlaps in one source: stitching pays for what the two
    share.

    With `dedup` True, versions that say different things by `differences`, or differ mainly in
    words of the query, are both shown, and `version_of` says of which; with a number all are
    folded, and with `EXACT` none.
    """
    n = len(table)
    table.group = table.repeat_of.copy()
    table.similarity = np.ones(n)
    table.version_of = np.full(n, -1, dtype=np.int32)
    table.by_embedding = np.zeros(n, dtype=np.bool_)
    if dedup is False or dedup == EXACT or table.conversation:
        return
    required = {need for needs in table.needs for need in needs}
    order = _best_first(table, table.unique.tolist(), required)
    threshold = NEAR if dedup is True else float(dedup)
    folds = _Folding(table, query, careful=dedup is True)
    full = table.full_texts()
    texts = [full[i] for i in order]
    priority = -np.arange(len(order), dtype=np.float64)
    centre_of, similarity = _native.near_duplicate_groups(
        texts, priority, threshold, NGRAM, key=digest_of(texts)
    )
    groups: dict[int, list[tuple[int, float]]] = defaultdict(list)
    folded = np.flatnonzero(centre_of != np.arange(len(order)))
    rows = zip(
        folded.tolist(), centre_of[folded].tolist(), similarity[folded].tolist(), strict=True
    )
    for place, centre, share in rows:
        groups[order[centre]].append((order[place], share))
    for centre, members in groups.items():
        representatives = [centre]
        for i, share in members:
            table.version_of[i] = centre
            table.similarity[i] = share
            shown = table.pinned[i] or i in required
            for other in [] if shown else representatives[:COMPARED]:
                if folds(i, other):
                    alike = share if other == centre else _jaccard(table.text(i), table.text(other))
                    if alike >= threshold:
                        table.group[i] = other
                        table.similarity[i] = alike
                        break
            else:
                representatives.append(i)
    for column in ("group", "similarity", "version_of"):
        setattr(table, column, getattr(table, column)[table.repeat_of])


def with_shown_versions(
    table: Candidates, kept_row: NDArray[np.int32], dedup: bool | float
) -> Candidates:
    """Return the table with the `version_of` of short passages that a window shows side by side.

    Too few 3-grams of a short text are left where a word is edited, so `group` does not compare it
    with its versions. Two short passages in the window that have half of their words in common, and
    say different things by `differences`, are versions. They are named, not folded.
    """
    if dedup is False or dedup == EXACT or table.conversation:
        return table
    shown = [i for i in np.flatnonzero(kept_row >= 0).tolist() if table.version_of[i] < 0]
    short = [i for i in shown if len(_native.shingles(table.text(i), 1)) <= SHORT]
    if len(short) < 2:
        return table
    order = _best_first(table, short, set())
    texts = [table.text(i) for i in order]
    priority = -np.arange(len(order), dtype=np.float64)
    centre_of, similarity = _native.near_duplicate_groups(
        texts, priority, NEAR, 1, key=digest_of(texts)
    )
    made = copy.copy(table)
    made.version_of, made.similarity = table.version_of.copy(), table.similarity.copy()
    rule = _native.DifferenceRule("")
    for place in np.flatnonzero(centre_of != np.arange(len(order))).tolist():
        i, other = order[place], order[centre_of[place]]
        if rule.differ(_native.ReadText(texts[place]), _native.ReadText(table.text(other))):
            made.version_of[i], made.similarity[i] = other, similarity[place]
    return made


def group_similar(table: Candidates, threshold: float | None, query: str | None = None) -> None:
    """Fold groups whose representatives' embeddings are close, when a threshold is given.

    `differences`, the query's words and overlap keep passages apart as they do for text.

    Raises:
        InputError: a threshold outside (0, 1], or embeddings of different sizes.
    """
    if threshold is None:
        return
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise InputTypeError(f"similar is {a_type(threshold)}; expected a cosine, or None")
    required = {need for needs in table.needs for need in needs}
    given = [
        i
        for i in table.unique.tolist()
        if table.group[i] == i and table.chunks[i].embedding is not None
    ]
    order = _best_first(table, given, required)
    folds = _Folding(table, query, careful=True)
    sizes = {np.shape(table.chunks[i].embedding) for i in order}
    if len(sizes) > 1:
        raise InputError(f"embeddings have the shapes {sorted(sizes)}; expected one size for all")
    if not order:
        return
    vectors = np.array([table.chunks[i].embedding for i in order], dtype=np.float32)
    centre_of, cosine = embedding_groups(vectors, float(threshold))
    for i, centre, share in zip(order, centre_of.tolist(), cosine.tolist(), strict=True):
        other = order[centre]
        if other == i or table.pinned[i] or i in required:
            continue
        if folds(i, other):
            table.group[table.group == i] = other
            table.similarity[i] = share
            table.by_embedding[i] = True


def _best_first(table: Candidates, chunks: Sequence[int], required: Set[int]) -> list[int]:
    """Return chunks by their evidence, what must be shown before all; ids, not the input's order,
    break ties.
    """
    shown = table.pinned.copy()
    shown[list(required)] = True
    keys = list(zip((~shown).tolist(), (-table.rrf_score).tolist(), table.ids, strict=True))
    return sorted(chunks, key=keys.__getitem__)


class _Folding:
    """Tells whether a chunk may be represented by another.

    Each text is read once, however many it is compared with.
    """

    def __init__(self, table: Candidates, query: str | None, *, careful: bool) -> None:
        self.table = table
        self.careful = careful
        self.rule = _native.DifferenceRule(query or "")
        self.texts: dict[int, _native.ReadText] = {}

    def __call__(self, i: int, other: int) -> bool:
        if overlap(self.table.chunks[i], self.table.chunks[other]):
            return False
        return not (self.careful and self.rule.differ(self._read(i), self._read(other)))

    def _read(self, i: int) -> _native.ReadText:
        if i not in self.texts:
            self.texts[i] = _native.ReadText(self.table.text(i))
        return self.texts[i]


def _jaccard(a: str, b: str) -> float:
    first, second = (set(_native.shingles(text, NGRAM).tolist()) for text in (a, b))
    return len(first & second) / max(1, len(first | second))

"""Find groups of near-duplicate texts.

Texts are compared as sets of shingles (n words or characters in a row), exactly, in the native
core. See csrc/core/dedup for the method: setjoin.hpp, and shingles.hpp for how short texts, texts
words and scripts without spaces are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctxmem import _native
from ctxmem.dedup.arguments import (
    PERMUTATIONS,
    Measure,
    Method,
    Prefer,
    Unit,
    check_choice,
    check_ngram,
    check_seed,
    check_texts,
    check_threads,
    check_threshold,
    digest_of,
)
from ctxmem.dedup.embeddings import embedding_groups
from ctxmem.dedup.rule import differences
from ctxmem.errors import InputError

Kind = Literal["exact", "near", "contained", "embedding"]

VERSIONS = 8
"""Rounds of grouping anew the texts that differ from their representative."""


class Group(list[int]):
    """Texts that repeat one another: a list of their indices, ascending.

    One member is the `representative`, and each member is compared with it. `similarities` and
    `kinds` hold the result of each comparison, in the order of the list. The kinds are:

    exact      the same text
    near       a Jaccard similarity of at least the threshold
    contained  a containment of at least the threshold: one text has most of the other
    embedding  close embeddings; the similarity is their cosine
    """

    __slots__ = ("kinds", "representative", "similarities")

    representative: int
    similarities: list[float]
    kinds: list[Kind]


def find_near_duplicates(
    texts: Iterable[str],
    threshold: float = 0.5,
    *,
    ngram: int = 3,
    measure: Measure = "jaccard",
    unit: Unit = "word",
    method: Method = "exact",
    prefer: Prefer = "longest",
    embeddings: ArrayLike | None = None,
    similar: float | None = None,
    careful: bool = False,
    threads: int = 1,
) -> list[Group]:
    """Group the texts that repeat one another; return lists of indices into `texts`.

    The longest text of a group (the first, if several are as long) is its representative. Each
    member is compared with the representative of its group and is within the threshold of it, so
    similarity does not chain from text to text. Groups are made in the order of their
    representatives, the longest first. A text is in at most one group. A group has two members or
    more and is sorted, and groups are sorted by their first member. See `Group` for its
    representative and the similarities to it.

    The result is exact: no pair is missed and no similarity is estimated. It takes 1 to 2 kB of
    memory for a text of 1 kB. With less memory, `method="sketch"` finds candidates by MinHash,
    keeps only the representatives, and compares every candidate exactly. Texts made to be similar
    but below the threshold, such as all orders of the same eight words, would take quadratic time;
    then the sketch is used for Jaccard, with a CtxmemWarning. Containment has no sketch and is
    compared to the end; Ctrl-C ends it.

    Args:
        texts: The texts to compare; words are compared in lower case and without punctuation.
        threshold: Minimum similarity of a member to its representative, above 0 and at most 1.
            Edited copies of a passage are at about .5; .3 finds heavily edited copies too.
        ngram: How many words (or characters) in a row make a shingle. Two texts of fewer words are
            near-duplicates if their words are the same.
        measure: "jaccard", the share of shared shingles among all shingles of both texts; or
            "containment", their share among the shingles of the smaller text, for texts cut from
            others.
        unit: "word", or "char" for text with broken words (OCR, typing errors).
        method: "exact", or "sketch", which misses about one pair in a hundred at the threshold,
            and almost none well above it.
        prefer: Which text is the representative: "longest"; or "first", for ranked texts.
        embeddings: One vector for each text. With `similar`, a text without a near-duplicate joins
            a representative with a close embedding. Needs faiss.
        similar: Minimum cosine of a member to its representative, such as 0.95.
        careful: Whether texts that differ by `differences`, as in a number or a negation, are
            never in one group. The members that differ from their representatives are grouped
            anew among each other.
        threads: How many threads may work; the result is the same.

    Raises:
        InputTypeError: If `texts` is one string, or a text is not a str.
        InputError: If an option is out of range.

    >>> groups = find_near_duplicates(
    ...     [
    ...         "The meter is read on the first day of every month.",
    ...         "Refunds are paid within thirty days.",
    ...         "the meter is read on the first day of every month",
    ...     ]
    ... )
    >>> groups
    [[0, 2]]
    >>> groups[0].representative, groups[0].similarities, groups[0].kinds
    (0, [1.0, 1.0], ['exact', 'near'])
    >>> versions = [f"The fee of {fee} euro is due on the first of May." for fee in (30, 45)]
    >>> find_near_duplicates(versions), find_near_duplicates(versions, careful=True)
    ([[0, 1]], [])
    """
    listed = check_texts(texts)
    options: dict[str, Any] = {
        "threshold": check_threshold(threshold),
        "ngram": check_ngram(ngram),
        "threads": check_threads(threads),
    }
    containment = check_choice("measure", measure, ("jaccard", "containment")) == "containment"
    options["characters"] = check_choice("unit", unit, ("word", "char")) == "char"
    if check_choice("prefer", prefer, ("longest", "first")) == "first":
        priority = np.arange(0.0, -len(listed), -1.0)
    else:
        priority = np.fromiter(map(len, listed), np.float64, len(listed))
    if check_choice("method", method, ("exact", "sketch")) == "exact":
        represent: Represent = partial(
            _native.near_duplicate_groups,
            containment=containment,
            key=digest_of(listed),
            **options,
        )
    elif containment:
        raise InputError(
            "method='sketch' estimates Jaccard similarity; "
            "pass measure='jaccard', or method='exact' for containment"
        )
    else:
        represent = partial(
            _native.near_duplicate_groups_sketched, permutations=PERMUTATIONS, **options
        )
    representative, similarity = represent(listed, priority)
    if careful:
        _separate_versions(listed, representative, similarity, priority, represent)
    by_text_only = embeddings is None and similar is None
    if by_text_only and representative.tolist() == list(range(len(listed))):
        return []  # the usual result in the windows of a trace, where making groups dominated
    kinds: list[Kind] = ["contained" if containment else "near"] * len(listed)
    if embeddings is not None or similar is not None:
        for i in _join_close(representative, similarity, priority, embeddings, similar):
            if careful and _differ(listed[i], listed[representative[i]]):
                representative[i], similarity[i] = i, 1.0
            else:
                kinds[i] = "embedding"
    return _groups(listed, representative, similarity, kinds)


def share_words(texts: Sequence[str], group: ArrayLike, *, ngram: int = 3) -> NDArray[np.bool_]:
    """Return for each text whether two texts of its group share `ngram` words in a row.

    Where they do not, `find_near_duplicates` of the group is empty at any threshold. One call for
    many small groups takes a fraction of a search in each. `group` has a number for each text;
    texts of one group follow one another.

    >>> texts = ["a cat sat here", "a cat sat there", "a cat sat here", "the dog lay there"]
    >>> share_words(texts, [0, 0, 1, 1]).tolist()
    [True, True, False, False]
    """
    return _native.share_shingles(list(texts), np.asarray(group, np.int32), ngram).astype(np.bool_)


Represent = Callable[
    [list[str], "NDArray[np.float64]"], "tuple[NDArray[np.int32], NDArray[np.float64]]"
]
"""A function from texts and priorities to the representative of each text and its similarity."""


def _separate_versions(
    texts: list[str],
    representative: NDArray[np.int32],
    similarity: NDArray[np.float64],
    priority: NDArray[np.float64],
    represent: Represent,
) -> None:
    """Group anew the texts that differ from their representative.

    A text that still differs after the last round represents itself. That is rare, since most
    groups hold few versions of a text.
    """
    rule = _native.DifferenceRule("")
    members = np.flatnonzero(representative != np.arange(len(texts)))
    for last in [False] * (VERSIONS - 1) + [True]:
        reads: dict[int, _native.ReadText] = {}
        differing = []
        for i in members.tolist():
            centre = int(representative[i])
            if centre == i:
                continue
            if centre not in reads:
                reads[centre] = _native.ReadText(texts[centre])
            if rule.differ(reads[centre], _native.ReadText(texts[i])):
                differing.append(i)
        members = np.array(differing, np.intp)
        representative[members], similarity[members] = members, 1.0
        if last or len(members) < 2:
            return
        chosen, share = represent([texts[i] for i in differing], priority[members])
        representative[members], similarity[members] = members[chosen], share


def _differ(text: str, other: str) -> bool:
    return bool(differences(text, other))


def _join_close(
    representative: NDArray[np.int32],
    similarity: NDArray[np.float64],
    priority: NDArray[np.float64],
    embeddings: ArrayLike | None,
    similar: float | None,
) -> list[int]:
    """Assign texts without a near-duplicate to a close embedding's representative; return them."""
    if embeddings is None or similar is None:
        given, missing = (
            ("similar", "embeddings") if embeddings is None else ("embeddings", "similar")
        )
        raise InputError(f"{given} is given without {missing}; expected both or none")
    vectors = np.asarray(embeddings)
    if len(vectors) != len(representative):
        raise InputError(
            f"embeddings are {len(vectors)} and texts are {len(representative)}; "
            "expected one for each text"
        )
    members = np.bincount(representative, minlength=len(representative))
    heads = np.flatnonzero(representative == np.arange(len(representative)))
    # A text that represents others stays a representative, so similarity does not chain.
    order = heads[np.lexsort((heads, -priority[heads], members[heads] == 1))]
    centre_of, cosine = embedding_groups(
        vectors[order], similar, centres=int((members[heads] > 1).sum())
    )
    joined = np.flatnonzero(centre_of != np.arange(len(order)))
    representative[order[joined]] = order[centre_of[joined]]
    similarity[order[joined]] = cosine[joined]
    return [int(i) for i in order[joined]]


def _groups(
    texts: Sequence[str],
    representative: NDArray[np.int32],
    similarity: NDArray[np.float64],
    kinds: list[Kind],
) -> list[Group]:
    """Return the groups of two texts or more, in the order of their first members."""
    repeated = np.bincount(representative, minlength=len(texts))[representative] > 1
    members = np.flatnonzero(repeated)
    first = np.zeros(len(texts), np.intp)
    first[representative[members[::-1]]] = members[::-1]
    members = members[np.argsort(first[representative[members]], kind="stable")]
    centres = representative[members]
    shares = similarity[members]
    edges = [0, *(np.flatnonzero(np.diff(centres)) + 1).tolist(), len(members)]
    rows, heads, similarities = members.tolist(), centres.tolist(), shares.tolist()
    named = [kinds[i] for i in rows]
    for at in np.flatnonzero(shares == 1.0).tolist():
        if rows[at] == heads[at] or texts[rows[at]] == texts[heads[at]]:
            named[at] = "exact"
    groups = []
    for begin, end in pairwise(edges if rows else []):
        group = Group(rows[begin:end])
        group.representative = heads[begin]
        group.similarities = similarities[begin:end]
        group.kinds = named[begin:end]
        groups.append(group)
    return groups


def minhash(
    texts: Iterable[str],
    *,
    ngram: int = 3,
    unit: Unit = "word",
    permutations: int = PERMUTATIONS,
    seed: int = 1,
    threads: int = 1,
) -> NDArray[np.uint32]:
    """Compute MinHash signatures; return one row of `permutations` numbers for each text.

    Two signatures have the same number at a place with a probability of about the Jaccard
    similarity of the texts. The share of equal places estimates that similarity, with an error of
    at most .5 / sqrt(permutations). The same text has the same row on every machine, so rows can be
    stored in an index of your own.

    Args:
        texts: The texts; `texts`, `ngram` and `unit` are as in `find_near_duplicates`.
        ngram: How many words (or characters) in a row make a shingle.
        unit: "word" or "char".
        permutations: Length of a row, a multiple of 64 from 64 to 4096.
        seed: Seed of the hash functions; only rows of one seed can be compared.
        threads: How many threads may work; the result is the same.

    Raises:
        InputTypeError: If `texts` is one string, or a text is not a str.
        InputError: If an option is out of range.

    >>> a, b = minhash(["the meter is read every month", "The meter is read every month!"])
    >>> bool((a == b).all())
    True
    """
    listed, ngram, threads = check_texts(texts), check_ngram(ngram), check_threads(threads)
    characters = check_choice("unit", unit, ("word", "char")) == "char"
    if isinstance(permutations, bool) or permutations not in range(64, 4097, 64):
        raise InputError(
            f"permutations is {permutations!r}; expected a multiple of 64 from 64 to 4096"
        )
    return _native.minhash_texts(
        listed, ngram, characters, int(permutations), check_seed(seed), threads
    )

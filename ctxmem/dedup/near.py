"""Near-duplicates: which texts say the same again.

Redundancy is text containment: texts are compared as sets of shingles (n words or characters in a
row), exactly, in the native core. See csrc/core/setjoin.hpp for the method, and shingles.hpp for
what becomes of short, wordless and spaceless text.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import xxhash
from numpy.typing import ArrayLike, NDArray

from ctxmem import _native
from ctxmem.dedup.embeddings import embedding_stars
from ctxmem.dedup.rule import differences
from ctxmem.errors import InputError, InputTypeError, refuse_table

Measure = Literal["jaccard", "containment"]
Unit = Literal["word", "char"]
Method = Literal["exact", "sketch"]
Prefer = Literal["longest", "first"]
Kind = Literal["exact", "near", "contained", "embedding"]

VERSIONS = 8
"""Rounds in which texts that differ from their representative look for another."""

PERMUTATIONS = 128
"""Places of a MinHash signature; more find the same pairs with fewer comparisons."""

_MOST_THREADS = 1024
_MOST_WORDS = 2**31 - 1  # no text has more, so a longer n-gram compares whole texts as well


class Group(list[int]):
    """Texts that repeat one another: a list of their indices, ascending.

    A group is a star. Of its members one is the `representative`; `similarities` and `kinds` say
    of each member, in the order of the list, what it is to that one:

    exact      the same text
    near       as many shared shingles as asked for
    contained  the same, for measure="containment": one of the two has most of the other
    embedding  close as embeddings; the similarity is their cosine
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

    A group is a star: its longest text (the first of them, if several are as long) is the
    representative, and every other member is within the threshold of *it*, so similarity does not
    chain from text to text. Longer texts choose first. Each group has two members or more and is
    sorted, and groups are sorted by their first member; a text is in one group at most. A group
    also knows its representative, and what each member is to it: see `Group`.

    The result is exact: no pair is missed, as sketches miss some, and none is estimated. It takes
    1 to 2 kB of memory a text of 1 kB; where that is too much, `method="sketch"` finds candidates
    by MinHash, keeps the representatives alone, and still compares every candidate as it is.
    Texts made to be alike but not alike enough, such as all of the same eight words, would take
    quadratic time; then the sketch is used for Jaccard, with a CtxmemWarning. Containment has no
    sketch and is compared to the end; Ctrl-C ends it.

    Args:
        texts: The texts to compare; words are compared in lower case and without punctuation.
        threshold: The least similarity of a member to its representative, above 0 and at most 1.
            Edited copies of a passage are at about .5; .3 finds heavily edited ones too.
        ngram: How many words (or characters) in a row make a shingle. Two texts of fewer words are
            near-duplicates if their words are the same.
        measure: "jaccard", shared shingles among all shingles of both; or "containment", shared
            shingles among those of the smaller one, for texts cut from others.
        unit: "word", or "char" for text with broken words (OCR, typing errors).
        method: "exact", or "sketch": one pair in a hundred at the threshold is missed, and next to
            none well above it.
        prefer: "longest", or "first" if the texts are ranked and the best one should represent.
        embeddings: One vector a text; with `similar`, texts that nothing repeats in words join a
            representative that is close in meaning. Needs faiss.
        similar: The least cosine of a member to its representative, such as 0.95.
        careful: Whether texts that say different things by `differences`, in a number or a
            negation, stay apart. A member that differs from its representative joins another of
            the texts that differ from it, or none.
        threads: How many threads may work; the result is the same.

    Raises:
        InputTypeError: If `texts` is one string, or not all of them are strings.
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
    listed = _list_of_texts(texts)
    threshold, ngram, threads = _threshold(threshold), _ngram(ngram), _threads(threads)
    containment = _choice("measure", measure, ("jaccard", "containment")) == "containment"
    characters = _choice("unit", unit, ("word", "char")) == "char"
    priority = None  # the longest first
    if _choice("prefer", prefer, ("longest", "first")) == "first":
        priority = np.arange(0.0, -len(listed), -1.0)
    if _choice("method", method, ("exact", "sketch")) == "exact":
        stars = partial(
            _native.near_duplicate_stars,
            threshold=threshold,
            ngram=ngram,
            characters=characters,
            containment=containment,
            threads=threads,
        )
    elif containment:
        raise InputError(
            "method='sketch' estimates Jaccard similarity; "
            "pass measure='jaccard', or method='exact' for containment"
        )
    else:
        stars = partial(
            _native.near_duplicate_stars_sketched,
            threshold=threshold,
            ngram=ngram,
            characters=characters,
            permutations=PERMUTATIONS,
            threads=threads,
        )
    representative, similarity = stars(listed, priority)
    if careful:
        _part_versions(listed, representative, similarity, priority, stars)
    alone = embeddings is None and similar is None
    if alone and representative.tolist() == list(range(len(listed))):
        return []  # as for most windows of a trace, where making groups of nothing took longest
    kinds: list[Kind] = ["contained" if containment else "near"] * len(listed)
    if embeddings is not None or similar is not None:
        if priority is None:
            priority = np.fromiter(map(len, listed), np.float64, len(listed))
        for i in _join_close(representative, similarity, priority, embeddings, similar):
            if careful and _differ(listed[i], listed[representative[i]]):
                representative[i], similarity[i] = i, 1.0
            else:
                kinds[i] = "embedding"
    return _groups(listed, representative, similarity, kinds)


Stars = Callable[
    [list[str], "NDArray[np.float64] | None"], "tuple[NDArray[np.int32], NDArray[np.float64]]"
]


def _part_versions(
    texts: list[str],
    representative: NDArray[np.int32],
    similarity: NDArray[np.float64],
    priority: NDArray[np.float64] | None,
    stars: Stars,
) -> None:
    """Let texts that say something else than their representative form stars of their own.

    Whoever differs in the last round stands alone: most texts differ from few others of a star.
    """
    members = np.flatnonzero(representative != np.arange(len(texts)))
    for last in [False] * (VERSIONS - 1) + [True]:
        reads: dict[int, _native.ReadText] = {}
        apart = []
        for i in members.tolist():
            star = int(representative[i])
            if star == i:
                continue
            if star not in reads:
                reads[star] = _native.ReadText(texts[star])
            if reads[star].differences(_native.ReadText(texts[i])):
                apart.append(i)
        members = np.array(apart, np.intp)
        representative[members], similarity[members] = members, 1.0
        if last or len(members) < 2:
            return
        part = None if priority is None else priority[members]
        chosen, share = stars([texts[i] for i in apart], part)
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
    """Give texts that stand alone a representative whose embedding is close; return them."""
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
    # Whoever represents others stays a representative: similarity does not chain.
    order = heads[np.lexsort((heads, -priority[heads], members[heads] == 1))]
    star_of, cosine = embedding_stars(
        vectors[order], similar, centres=int((members[heads] > 1).sum())
    )
    joined = np.flatnonzero(star_of != np.arange(len(order)))
    representative[order[joined]] = order[star_of[joined]]
    similarity[order[joined]] = cosine[joined]
    return [int(i) for i in order[joined]]


def _groups(
    texts: Sequence[str],
    representative: NDArray[np.int32],
    similarity: NDArray[np.float64],
    kinds: list[Kind],
) -> list[Group]:
    """Return the groups of two and more, in the order of their first members."""
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
    """Sign texts; return one row of `permutations` numbers for each.

    Two texts agree in a place with a probability of about their Jaccard similarity, so the share
    of places in which two rows agree estimates it, with an error of at most
    .5 / sqrt(permutations). For indexes of your own, kept where you like: the same text has the
    same row on every machine.

    Args:
        texts: The texts to sign; see `find_near_duplicates` for them, `ngram` and `unit`.
        ngram: How many words (or characters) in a row make a shingle.
        unit: "word" or "char".
        permutations: Places of a row, a multiple of 64 from 64 to 4096.
        seed: Of the hash functions; only rows of one seed can be compared.
        threads: How many threads may work; the result is the same.

    Raises:
        InputTypeError: If `texts` is one string, or not all of them are strings.
        InputError: If an option is out of range.

    >>> a, b = minhash(["the meter is read every month", "The meter is read every month!"])
    >>> bool((a == b).all())
    True
    """
    listed, ngram, threads = _list_of_texts(texts), _ngram(ngram), _threads(threads)
    characters = _choice("unit", unit, ("word", "char")) == "char"
    if isinstance(permutations, bool) or permutations not in range(64, 4097, 64):
        raise InputError(
            f"permutations is {permutations!r}; expected a multiple of 64 from 64 to 4096"
        )
    return _native.minhash_texts(listed, ngram, characters, int(permutations), _seed(seed), threads)


class Match(NamedTuple):
    """A text of a DedupIndex that a query is a near-duplicate of."""

    id: str | int
    similarity: float


class DedupIndex:
    """Near-duplicates of texts that come and go.

    Texts are entered under ids of the caller's, str or int, and asked for by text. Candidates come
    from MinHash and are compared as they are: every match is one, with its exact Jaccard
    similarity; of pairs at the threshold one in a hundred is missed, next to none well above it.
    Whatever was added and removed before, an index answers as one built anew from what is in it.

    Any number of threads may query at once, and one may change the index meanwhile; the answer is
    that of before or after. Every call is all-or-nothing.

    Args:
        threshold: The least similarity of a match, as in `find_near_duplicates`.
        ngram: How many words (or characters) in a row make a shingle.
        unit: "word" or "char".
        seed: Of the hash functions; it decides which pairs at the threshold are missed.
        careful: Whether a text matches only what says the same by `differences`. Such an index
            keeps the texts, in memory and in its file.

    >>> index = DedupIndex(threshold=0.5)
    >>> index.add(["a", "b"], ["The meter is read every month.", "Refunds take thirty days."])
    >>> index.query(["the meter is read every single month", "hello"])
    [[Match(id='a', similarity=0.5)], []]
    """

    _MAGIC = b"ctxmem near-duplicates\n"
    _VERSION = 2
    _VERSION_WITHOUT_TEXTS = 1

    def __init__(
        self,
        threshold: float = 0.5,
        *,
        ngram: int = 3,
        unit: Unit = "word",
        seed: int = 1,
        careful: bool = False,
    ) -> None:
        """Make an empty index."""
        self._options = {
            "threshold": _threshold(threshold),
            "ngram": _ngram(ngram),
            "unit": _choice("unit", unit, ("word", "char")),
            "permutations": PERMUTATIONS,
            "seed": _seed(seed),
        }
        self._index = self._new(self._options)
        self._entries: dict[str | int, int] = {}
        self._ids: dict[int, str | int] = {}
        self._texts: dict[int, str] | None = {} if careful else None
        # Ids and entries change together; the native index has a lock of its own for its tables.
        self._lock = threading.Lock()

    @staticmethod
    def _new(options: Mapping[str, Any]) -> _native.LshIndex:
        return _native.LshIndex(
            options["threshold"],
            options["ngram"],
            options["unit"] == "char",
            options["permutations"],
            options["seed"],
        )

    def __len__(self) -> int:
        """Return how many texts are in the index."""
        return len(self._entries)

    def __contains__(self, id: object) -> bool:
        """Return whether a text is in the index under this id."""
        return id in self._entries

    def add(self, ids: Iterable[str | int], texts: Iterable[str]) -> None:
        """Enter texts under ids.

        Raises:
            InputError: If an id is in the index already or given twice, or if there are not as many
                ids as texts. Remove an id first to replace its text.
            InputTypeError: If an id is neither str nor int, or a text is not a str.
        """
        listed, named = _list_of_texts(texts), _list_of_ids(ids)
        if len(listed) != len(named):
            raise InputError(
                f"ids are {len(named)} and texts are {len(listed)}; expected one id for each text"
            )
        with self._lock:
            for id in named:
                if id in self._entries:
                    raise InputError(
                        f"id {id!r} is in the index already; remove it first, or use another id"
                    )
            entries = self._index.add(listed).tolist()
            if self._texts is not None:
                self._texts.update(zip(entries, listed, strict=True))
            for id, entry in zip(named, entries, strict=True):
                self._entries[id] = entry
                self._ids[entry] = id

    def remove(self, ids: Iterable[str | int]) -> None:
        """Remove the texts entered under these ids.

        Raises:
            InputError: If an id is not in the index, or given twice; then none is removed.
        """
        named = _list_of_ids(ids)
        with self._lock:
            missing = [id for id in named if id not in self._entries]
            if missing:
                raise InputError(
                    f"id {missing[0]!r} is not in the index ({len(missing)} such in all); "
                    "remove only what was added"
                )
            gone = [self._entries[id] for id in named]
            self._index.remove(np.array(gone, np.int64))
            for id, entry in zip(named, gone, strict=True):
                del self._entries[id]
                del self._ids[entry]
                if self._texts is not None:
                    del self._texts[entry]

    def query(self, texts: Iterable[str]) -> list[list[Match]]:
        """Return the matches of each text, the most similar first, ties in the order of entry."""
        listed = _list_of_texts(texts)
        start, entry, similarity = self._index.query(listed)
        found, shares = entry.tolist(), similarity.tolist()
        answer = []
        for text, (begin, end) in zip(listed, pairwise(start.tolist()), strict=True):
            read = None if self._texts is None or begin == end else _native.ReadText(text)
            matches = []
            for number, share in zip(found[begin:end], shares[begin:end], strict=True):
                named = self._ids.get(number)
                # An entry without an id is being added, or was just removed, by another thread.
                if named is not None and (read is None or self._says_the_same(read, number)):
                    matches.append(Match(named, share))
            answer.append(matches)
        return answer

    def _says_the_same(self, read: _native.ReadText, entry: int) -> bool:
        text = self._texts.get(entry) if self._texts is not None else None
        return text is not None and not read.differences(_native.ReadText(text))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a file, whole or not at all.

        The file has a version and a checksum and holds data only: ids, shingle hashes, options, and
        where the index is careful its texts. The same content gives the same bytes.
        """
        with self._lock:
            sizes, shingles, entries, nodes = self._index.state()
            numbers = entries.tolist()
            ids = [self._ids[entry] for entry in numbers]
            texts = None
            if self._texts is not None:
                texts = [self._texts[entry].encode("utf-8", "surrogatepass") for entry in numbers]
        header: dict[str, Any] = {
            **self._options,
            "ids": ids,
            "sets": len(sizes),
            "shingles": len(shingles),
        }
        version = self._VERSION_WITHOUT_TEXTS
        if texts is not None:
            version = self._VERSION
            header["texts"] = list(map(len, texts))
        text = json.dumps(header, separators=(",", ":")).encode("ascii")
        parts = [
            self._MAGIC,
            np.array([version, len(text)], "<u8").tobytes(),
            text,
            sizes.astype("<u4").tobytes(),
            nodes.astype("<u4").tobytes(),
            shingles.astype("<u8").tobytes(),
            *(texts or []),
        ]
        digest = xxhash.xxh3_128()
        target = Path(path)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name + ".")
        try:
            with os.fdopen(handle, "wb") as file:
                for part in parts:
                    digest.update(part)
                    file.write(part)
                file.write(digest.digest())
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DedupIndex:
        """Read an index that `save` wrote.

        Raises:
            InputError: If the file is no such index, is damaged, or is of a newer version.
            OSError: If it cannot be read.
        """
        content = Path(path).read_bytes()
        if not content.startswith(cls._MAGIC):
            raise InputError(
                f"{path} is not an index of near-duplicates; expected a saved DedupIndex"
            )
        damaged = InputError(f"{path} is damaged: its checksum does not fit; save the index anew")
        at = len(cls._MAGIC) + 16
        if len(content) < at + 16:
            raise damaged
        version, size = np.frombuffer(content[at - 16 : at], "<u8").tolist()
        if version not in (cls._VERSION, cls._VERSION_WITHOUT_TEXTS):
            raise InputError(
                f"{path} is of version {version}; expected {cls._VERSION}; "
                "load it with the ctxmem that saved it, or build the index anew"
            )
        if xxhash.xxh3_128_digest(content[:-16]) != content[-16:]:
            raise damaged
        try:
            header = json.loads(content[at : at + size])
            ids = _list_of_ids(header.pop("ids"))
            counts = [header.pop("sets"), len(ids), header.pop("shingles")]
            body = content[at + size : -16]
            texts = None
            if "texts" in header:
                lengths = header.pop("texts")
                held = len(body) - sum(lengths)
                edges = [held, *(held + np.cumsum(lengths)).tolist()]
                texts = [body[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(edges)]
                body = body[:held]
            sizes, nodes, shingles = np.split(np.frombuffer(body, "<u4"), np.cumsum(counts[:2]))
            index = cls.__new__(cls)
            index._options = header
            index._index = cls._new(header)
            index._index.restore(
                sizes.astype(np.uint32),
                shingles.view("<u8").astype(np.uint64),
                np.arange(len(ids), dtype=np.int64),
                nodes.astype(np.uint32),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged: {error}; save the index anew") from error
        index._entries = {id: entry for entry, id in enumerate(ids)}
        index._ids = dict(enumerate(ids))
        index._texts = None if texts is None else dict(enumerate(texts))
        index._lock = threading.Lock()
        return index


def _list_of_ids(ids: Iterable[str | int]) -> list[str | int]:
    refuse_table(ids, "ids", texts=True)
    if isinstance(ids, (str, bytes)):
        raise InputTypeError(
            f"ids is one {type(ids).__name__}; expected one id for each text; put it into a list"
        )
    named = list(ids)
    for index, id in enumerate(named):
        if isinstance(id, bool) or not isinstance(id, (str, int)):
            raise InputTypeError(
                f"ids[{index}] is of type {type(id).__name__}; expected str or int"
            )
    if len(set(named)) != len(named):
        twice, _ = Counter(named).most_common(1)[0]
        raise InputError(f"id {twice!r} is given twice; expected each id once")
    return named


def _seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise InputError(f"seed is {seed!r}; expected a whole number from 0 to 2**64 - 1")
    return int(seed)


def _list_of_texts(texts: Iterable[str]) -> list[str]:
    refuse_table(texts, "texts", texts=True)
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


def _threads(threads: int) -> int:
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)):
        raise InputTypeError(
            f"threads is of type {type(threads).__name__}; expected a whole number, such as 2"
        )
    if not 1 <= threads <= _MOST_THREADS:
        raise InputError(f"threads is {threads}; expected 1 to {_MOST_THREADS}, such as 2")
    return int(threads)


def _choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        expected = " or ".join(repr(choice) for choice in choices)
        raise InputError(f"{name} is {value!r}; expected {expected}")
    return value

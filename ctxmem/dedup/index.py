"""An index of texts, which may be added and removed, that finds the near-duplicates of a text.

See csrc/core/dedup/lsh_index.hpp for the method.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash

from ctxmem import _native
from ctxmem.dedup.arguments import (
    PERMUTATIONS,
    Unit,
    check_choice,
    check_ids,
    check_ngram,
    check_seed,
    check_texts,
    check_threshold,
)
from ctxmem.errors import InputError, InputTypeError, a_type
from ctxmem.forking import ForkSafeLock

_KEY_BYTES = 32  # of the key of the hashes


class Match(NamedTuple):
    """The id of a near-duplicate of a query in a DedupIndex, and its Jaccard similarity."""

    id: str | int
    similarity: float


class DedupIndex:
    """Find near-duplicates among texts that are added and removed.

    Texts are added under the caller's ids, str or int, and queries are texts. Candidates come from
    MinHash and are compared exactly, so every match is a near-duplicate and has its exact Jaccard
    similarity. About one pair in a hundred at the threshold is missed, and almost none well above
    it. The matches depend only on the texts in the index, not on earlier additions and removals,
    unless hundreds of different texts in it are alike: a query with a limit is compared with at
    most 512 of them, those that seem most similar.

    The hashes that texts are compared by have a key, drawn at random for each index and kept in its
    file, so that nobody can make up a text that only seems to be like another.

    Any number of threads may query at once while one thread changes the index; a query sees the
    index as it was before or after the change. Every call is all-or-nothing.

    Args:
        threshold: Minimum similarity of a match, as in `find_near_duplicates`.
        ngram: How many words (or characters) in a row make a shingle.
        unit: "word" or "char".
        seed: Seed of the hash functions; it decides which pairs at the threshold are missed.
        careful: Whether a text matches only texts from which it does not differ by `differences`.
            Such an index keeps the texts, in memory and in its file.

    >>> index = DedupIndex(threshold=0.5)
    >>> index.add(["a", "b"], ["The meter is read every month.", "Refunds take thirty days."])
    >>> index.query(["the meter is read every single month", "hello"])
    [[Match(id='a', similarity=0.5)], []]
    """

    _MAGIC = b"ctxmem near-duplicates\n"
    _VERSION = 3
    _MOST_VERSIONS = 1000  # of one text in a careful index, that a query looks through

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
            "threshold": check_threshold(threshold),
            "ngram": check_ngram(ngram),
            "unit": check_choice("unit", unit, ("word", "char")),
            "permutations": PERMUTATIONS,
            "seed": check_seed(seed),
        }
        self._index = self._new(self._options)
        self._entries: dict[str | int, int] = {}
        self._ids: dict[int, str | int] = {}
        self._texts: dict[int, str] | None = {} if careful else None
        # Ids and entries change together; the native index has a lock of its own for its tables.
        self._lock = ForkSafeLock()

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
        """Add texts under ids.

        Raises:
            InputError: If an id is in the index already or given twice, or if the numbers of ids
                and texts differ. Remove an id first to replace its text.
            InputTypeError: If an id is neither str nor int, or a text is not a str.
        """
        listed, named = check_texts(texts), check_ids(ids)
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
        """Remove the texts of these ids.

        Raises:
            InputError: If an id is not in the index, or given twice; then no text is removed.
        """
        named = check_ids(ids)
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

    def query(self, texts: Iterable[str], *, limit: int | None = 100) -> list[list[Match]]:
        """Return the matches of each text, the most similar first, then the first added.

        Args:
            texts: The texts to look up.
            limit: How many matches of a text to return at most. None looks at all that are alike,
                which takes time in their number. With a limit, a careful index looks for matches
                among the 1,000 most similar texts, or `limit` if that is more.

        Raises:
            InputError: If `limit` is not None or an int of 1 or more.
            InputTypeError: If a text is not a str.
        """
        listed = check_texts(texts)
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
            raise InputTypeError(f"limit is {a_type(limit)}; expected int or None")
        if limit is not None and limit < 1:
            raise InputError(f"limit is {limit}; expected 1 or more, or None for all matches")
        looked_at = limit
        if self._texts is not None and limit is not None:
            looked_at = max(limit, self._MOST_VERSIONS)
        start, entry, similarity = self._index.query(listed, looked_at)
        entries = entry.tolist()
        # Made by C, as there may be a hundred for each text.
        found: list[Match] = list(
            map(
                partial(tuple.__new__, Match),
                zip(map(self._ids.get, entries), similarity.tolist(), strict=True),
            )
        )
        answer = []
        for text, (begin, end) in zip(listed, pairwise(start.tolist()), strict=True):
            matches = found[begin:end]
            if self._texts is not None:
                matches = self._saying_the_same(text, matches, entries[begin:end], limit)
            answer.append(matches)
        if None in map(itemgetter(0), found):
            # An entry without an id is being added, or was just removed, by another thread.
            answer = [[match for match in matches if match.id is not None] for matches in answer]
        return answer

    def _saying_the_same(
        self, text: str, matches: list[Match], entries: list[int], limit: int | None
    ) -> list[Match]:
        """Return the first matches, `limit` at most, whose texts do not differ from this one."""
        read = _native.ReadText(text) if matches else None
        rule = _native.DifferenceRule("")
        same: list[Match] = []
        for match, entry in zip(matches, entries, strict=True):
            if len(same) == limit:
                break
            other = self._texts.get(entry) if self._texts is not None else None
            if match.id is None or read is None or other is None:
                continue
            if not rule.differ(read, _native.ReadText(other)):
                same.append(match)
        return same

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a file; a failure leaves the file as it was.

        The file has a version and a checksum and holds data only: ids, keyed shingle hashes and
        options, and the texts of a careful index. The same index gives the same bytes; two indexes
        of the same texts do not, since each has a key of its own.
        """
        with self._lock:
            key, sizes, shingles, band_keys, entries, nodes = self._index.state()
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
            "band_keys": len(band_keys),
        }
        if texts is not None:
            header["texts"] = list(map(len, texts))
        text = json.dumps(header, separators=(",", ":")).encode("ascii")
        parts = [
            self._MAGIC,
            np.array([self._VERSION, len(text)], "<u8").tobytes(),
            text,
            key.astype("<u8").tobytes(),
            sizes.astype("<u4").tobytes(),
            nodes.astype("<u4").tobytes(),
            shingles.astype("<u8").tobytes(),
            band_keys.astype("<u8").tobytes(),
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
            InputError: If the file is not a saved index, is damaged, or has another version.
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
        if version != cls._VERSION:
            raise InputError(
                f"{path} is of version {version}; expected {cls._VERSION}; "
                "load it with the ctxmem that saved it, or build the index anew"
            )
        if xxhash.xxh3_128_digest(content[:-16]) != content[-16:]:
            raise damaged
        try:
            return cls._of_parts(content[at : at + size], content[at + size : -16])
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InputError(f"{path} is damaged: {error}; save the index anew") from error

    @classmethod
    def _of_parts(cls, head: bytes, body: bytes) -> DedupIndex:
        """Make an index of a file's header and of what follows it; ValueError if they do not fit.

        A checksum is no proof of who wrote a file, so nothing in it is taken to be right.
        """
        header = json.loads(head)
        if not isinstance(header, dict):
            raise ValueError("its header is not an object")
        ids = check_ids(header.pop("ids"))
        careful = "texts" in header
        lengths = _lengths(header.pop("texts", []))
        sets, shingles, keys = _lengths([header.pop(n) for n in ("sets", "shingles", "band_keys")])
        options = {
            "threshold": check_threshold(header.pop("threshold")),
            "ngram": check_ngram(header.pop("ngram")),
            "unit": check_choice("unit", header.pop("unit"), ("word", "char")),
            "permutations": _lengths([header.pop("permutations")])[0],
            "seed": check_seed(header.pop("seed")),
        }
        if header:
            raise ValueError(f"its header has the unknown entry {next(iter(header))!r:.60}")
        sizes = (_KEY_BYTES, 4 * sets, 4 * len(ids), 8 * shingles, 8 * keys, *lengths)
        if sum(sizes) != len(body) or (careful and len(lengths) != len(ids)):
            raise ValueError("its parts do not add up to its size")
        edges = np.cumsum((0, *sizes)).tolist()
        parts = [body[begin:end] for begin, end in pairwise(edges)]
        index = cls.__new__(cls)
        index._options = options
        index._index = cls._new(options)
        index._index.restore(
            np.frombuffer(parts[0], "<u8").astype(np.uint64),
            np.frombuffer(parts[1], "<u4").astype(np.uint32),
            np.frombuffer(parts[3], "<u8").astype(np.uint64),
            np.frombuffer(parts[4], "<u8").astype(np.uint64),
            np.arange(len(ids), dtype=np.int64),
            np.frombuffer(parts[2], "<u4").astype(np.uint32),
        )
        index._entries = {id: entry for entry, id in enumerate(ids)}
        index._ids = dict(enumerate(ids))
        texts = [part.decode("utf-8", "surrogatepass") for part in parts[5:]]
        index._texts = dict(enumerate(texts)) if careful else None
        index._lock = ForkSafeLock()
        return index


def _lengths(given: Any) -> list[int]:
    """Return a list of lengths from a file, if it is one."""
    if not isinstance(given, list) or not all(type(n) is int and 0 <= n < 2**40 for n in given):
        raise ValueError("a length in its header is not a whole number")
    return given

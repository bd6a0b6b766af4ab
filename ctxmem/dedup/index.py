"""An index of texts, which may be added and removed, that finds the near-duplicates of a text.

See csrc/core/dedup/lsh_index.hpp for the method.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from itertools import pairwise
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
from ctxmem.errors import InputError
from ctxmem.forking import ForkSafeLock


class Match(NamedTuple):
    """The id of a near-duplicate of a query in a DedupIndex, and its Jaccard similarity."""

    id: str | int
    similarity: float


class DedupIndex:
    """Find near-duplicates among texts that are added and removed.

    Texts are added under the caller's ids, str or int, and queries are texts. Candidates come from
    MinHash and are compared exactly, so every match is a near-duplicate and has its exact Jaccard
    similarity. About one pair in a hundred at the threshold is missed, and almost none well above
    it. The matches depend only on the texts in the index, not on earlier additions and removals.

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

    def query(self, texts: Iterable[str]) -> list[list[Match]]:
        """Return the matches of each text, the most similar first, then the first added."""
        listed = check_texts(texts)
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
        """Write the index to a file; a failure leaves the file as it was.

        The file has a version and a checksum and holds data only: ids, shingle hashes and options,
        and the texts of a careful index. The same content gives the same bytes.
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
            InputError: If the file is not a saved index, is damaged, or has a newer version.
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
            ids = check_ids(header.pop("ids"))
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
        index._lock = ForkSafeLock()
        return index

"""Counters: native, and by somebody else's function."""

from __future__ import annotations

import operator
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from ctxmem import _native, _pages
from ctxmem.errors import InputError, InputTypeError
from ctxmem.forking import ForkSafeLock

if TYPE_CHECKING:  # at run time it would cost the first count as much as the vocabulary
    from ctxmem.protocols import Counter

_CACHED_TEXTS = 1 << 14  # counts kept for a counter that is not native
_CACHED_FROM = 64  # characters; shorter texts are counted faster than found


class Made(ABC):
    """A counter that was made here: where a counter is asked for, it is taken as it is."""

    name: str
    exact: bool
    additive: bool

    @abstractmethod
    def count(self, text: str) -> int:
        """Return the tokens of a text."""

    @abstractmethod
    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text."""


class Native(Made):
    """A tokenizer that the native core counts by."""

    exact = True

    def __init__(self, name: str, core: _native.Tokenizer) -> None:
        self.name = name
        self.additive = core.additive
        self.core = core

    def count(self, text: str) -> int:
        """Return the tokens of a text."""
        return self.core.count(text)

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text."""
        counts: list[int] = self.core.count_many(_as_list(texts)).tolist()
        return counts

    def observe(self, sent: object, tokens: int) -> int:
        """Return how many more tokens a provider reported for what was sent than its texts have.

        That is the overhead of the request. It changes no count: they are exact. `sent`, `tokens`
        and errors are those of `Estimate.observe`.
        """
        from ctxmem.tokens.observing import reported_above

        return reported_above(self, sent, tokens)

    def count_units(self, corpus: _native.Corpus, after: str = "") -> NDArray[np.int64]:
        """Return the tokens of the units of a corpus, as `price_segments` prices them.

        The counts of texts that are one unit, followed by `after`, come with them and are kept.
        """
        return self.core.count_units(corpus, after)

    def count_spans(self, text: str, spans: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the tokens of spans of a text, each alone."""
        return self.core.count_spans(text, spans)


class Foreign(Made):
    """A counter that is not ours: its answers are checked, and kept by content.

    The key is a 128-bit hash seeded per process, so that no text can be made to take another's
    count. The table is not safe for several threads, so the lock guards it; it is not held while
    the counter counts.
    """

    additive = False

    def __init__(
        self, name: str, count_many: Callable[[list[str]], Sequence[Any]], *, exact: bool = True
    ) -> None:
        self.name = name
        self.exact = exact
        self._count_many = count_many
        self._seed = int.from_bytes(os.urandom(8), "little")
        self._lock = ForkSafeLock()
        self._table = _pages.CountTable(_CACHED_TEXTS)

    def count(self, text: str) -> int:
        """Return the tokens of a text."""
        return self.count_many([text])[0]

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text."""
        texts = _as_list(texts)
        keys = [self._key(text) for text in texts]
        with self._lock:
            counts = [-1 if key is None else self._table.get(key) for key in keys]
        missing = [i for i, count in enumerate(counts) if count < 0]
        if not missing:
            return counts
        answers = self._count_many([texts[i] for i in missing])
        try:
            size = len(answers)
        except TypeError:
            raise InputTypeError(
                f"counter {self.name!r} returned {answers!r} from count_many; "
                "return a sequence with one int for each text"
            ) from None
        if size != len(missing):
            raise InputError(
                f"counter {self.name!r} returned {size} counts for {len(missing)} texts; "
                "return one for each, in the same order"
            )
        checked = [self._checked(answer) for answer in answers]
        with self._lock:
            for i, count in zip(missing, checked, strict=True):
                counts[i] = count
                key = keys[i]
                if key is not None:
                    self._table.put(key, count)
        return counts

    def observe(self, sent: object, tokens: int) -> int:
        """Return how many more tokens a provider reported for what was sent than its texts have.

        It changes no count: the counter is its owner's. `sent`, `tokens` and errors are those of
        `Estimate.observe`.
        """
        from ctxmem.tokens.observing import reported_above

        return reported_above(self, sent, tokens)

    def _key(self, text: str) -> bytes | None:
        if len(text) < _CACHED_FROM:
            return None
        return xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"), self._seed)

    def _checked(self, answer: object) -> int:
        wrong = f"counter {self.name!r} returned {answer!r} for a text; a count is an int >= 0"
        if isinstance(answer, (bool, np.bool_)):
            raise InputTypeError(wrong)
        try:
            count = operator.index(answer)  # type: ignore[arg-type]
        except TypeError:
            raise InputTypeError(wrong) from None
        if count < 0 or count >= 1 << 62:
            raise InputError(wrong)
        return count


def _as_list(texts: Sequence[str]) -> list[str]:
    return texts if isinstance(texts, list) else list(texts)


def quoted(value: object) -> str:
    """Return a value and its type as an error names them."""
    shown = repr(value)
    return f"{shown if len(shown) <= 40 else shown[:37] + '...'} ({type(value).__name__})"


def from_encoding(name: str, encode: Callable[[str], Sequence[int]]) -> Counter:
    """Return a counter of the tokens that an encoding makes."""

    def count_many(texts: list[str]) -> list[int]:
        return [_count_encoded(name, encode, text) for text in texts]

    return Foreign(name, count_many)


def _count_encoded(name: str, encode: Callable[[str], Sequence[int]], text: str) -> int:
    try:
        return len(encode(text))
    except BaseException as error:
        # tiktoken's engine panics on runs of about a million characters.
        if not is_panic(error):
            raise
        raise InputError(
            f"{name} cannot encode this text of {len(text)} characters: {error}; "
            "shorten its longest run of whitespace or letters, or count it in parts"
        ) from None


def is_panic(error: BaseException) -> bool:
    """Return whether a library in Rust failed at a check of its own.

    pyo3 makes that a BaseException, which nobody who catches Exception would expect.
    """
    return type(error).__name__ == "PanicException"

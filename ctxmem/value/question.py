"""The question of a window: the query, its variants, and their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.errors import InputError, InputTypeError, a_type
from ctxmem.protocols import Embed


class Question(NamedTuple):
    """The query, its variants, and their vectors."""

    texts: tuple[str, ...] = ()  # the query first
    vectors: NDArray[np.float32] | None = None  # unit vectors of the first texts, the query's first
    embed: Embed | None = None


def read_question(
    query: str | None,
    variants: Sequence[str] = (),
    query_embedding: Any = None,
    embed: Embed | None = None,
) -> Question:
    """Return the checked question; `embed` makes the vectors that were not given.

    Raises:
        InputError: variants without a query, a vector with entries that are not finite.
        InputTypeError: a query or variant is not a str, or `embed` is not callable.
    """
    if isinstance(variants, str) or not all(isinstance(text, str) for text in variants):
        raise InputTypeError("variants is not a list of str; expected a list of queries")
    if query is None:
        if variants:
            raise InputError("variants are given without a query; expected query='...' as well")
        texts: tuple[str, ...] = ()
    elif isinstance(query, str):
        texts = (query, *variants)
    else:
        raise InputTypeError(f"query is {a_type(query)}; expected a str, or None")
    if embed is not None and not callable(embed):
        raise InputTypeError(f"embed is {a_type(embed)}; expected a function from texts to vectors")
    vectors = None
    if query_embedding is not None:
        vectors = unit(vector(query_embedding, "query_embedding", None)[None])
    if embed is not None and texts:
        missing = list(texts if vectors is None else texts[1:])
        if missing:
            made = unit(rows(embed(missing), len(missing), "embed"))
            vectors = made if vectors is None else np.vstack([vectors, made])
    return Question(texts, vectors, embed)


def rows(vectors: Any, count: int, what: str) -> NDArray[np.float64]:
    """Return vectors as an array of `count` rows, or raise an error if they are invalid."""
    try:
        made = np.asarray(vectors, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputTypeError(
            f"{what} did not return vectors ({error}); expected {count} rows of numbers, one per "
            f"text"
        ) from error
    if made.ndim != 2 or len(made) != count:
        raise InputTypeError(
            f"{what} returned an array of shape {made.shape}; expected {count} rows, one per text"
        )
    if not np.isfinite(made).all():
        raise InputError(f"{what} returned entries that are not finite; expected finite numbers")
    return made


def vector(given: Any, what: str, size: int | None) -> NDArray[np.float64]:
    """Return a vector of `size` finite numbers (any size if None), or raise an error."""
    try:
        read = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputTypeError(f"{what} is {a_type(given)}; expected a vector") from None
    if read.ndim != 1 or (size is not None and len(read) != size):
        raise InputError(
            f"{what} has the shape {read.shape}; expected "
            + ("one dimension" if size is None else f"({size},), the shape of the query's vector")
        )
    if not np.isfinite(read).all():
        raise InputError(f"{what} has entries that are not finite; expected finite numbers")
    return read


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the rows scaled to length 1; a row of zeros stays unchanged."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.where(norm > 0, norm, 1.0), dtype=np.float32)

"""Where chunks are in their sources."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ctxmem.schema import Chunk


class Place(NamedTuple):
    """The position of a text: character offsets in its source."""

    source: str
    start: int
    end: int


def place_of(chunk: Chunk) -> Place | None:
    """Return the position of a chunk, None if it is unknown or not as long as the text."""
    if chunk.source is None or chunk.span is None:
        return None
    start, end = chunk.span
    return Place(chunk.source, start, end) if end - start == len(chunk.text) else None


def overlap(a: Chunk, b: Chunk) -> bool:
    """Return whether two chunks share text of one source."""
    first, second = place_of(a), place_of(b)
    if first is None or second is None or first.source != second.source:
        return False
    return first.start < second.end and second.start < first.end


def texts_and_starts(chunks: Iterable[Chunk]) -> tuple[tuple[str, int | None], ...]:
    """Return the text of each chunk, and where it begins in its source, None if that is unknown."""
    places = ((chunk.text, place_of(chunk)) for chunk in chunks)
    return tuple((text, None if place is None else place.start) for text, place in places)

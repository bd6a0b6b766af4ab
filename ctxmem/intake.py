"""Read the input of `pack`: str, dict, Chunk, Document, NodeWithScore.

Objects of frameworks are recognised by their attributes; frameworks are never imported. `Budget`,
`Chunk` and `Section` check their own fields; what depends on several of them is checked here,
before anything is computed, so later modules can rely on the table.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

import numpy as np

from ctxmem.candidates import Candidates
from ctxmem.errors import InputError, InputTypeError, a_type, refuse_table
from ctxmem.schema import Alternative, Budget, Chunk, ChunkId, Piece, Section, Window, trim
from ctxmem.selected import Prefix

_ACCEPTED = (
    "a str, a ctxmem.Chunk, a dict with 'text', a LangChain Document, a LlamaIndex node, "
    "a (item, score) pair or a chat message"
)
TEXT_KEYS = ("text", "page_content", "content")
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_FIELDS = tuple(name for name in Chunk.__dataclass_fields__ if name != "text")


def read_budget(budget: int | Budget) -> Budget:
    """Return the budget as a `Budget`.

    Raises:
        BudgetError: the budget is not a positive number of tokens.
        InputTypeError: the budget is neither an int nor a `Budget`.
    """
    return budget if isinstance(budget, Budget) else Budget(budget)


def listed(items: Iterable[Any]) -> list[Any]:
    """Return the items as a list.

    Raises:
        InputError: the list is empty.
        InputTypeError: `items` is not iterable, or is a str, a dict or a table.
    """
    refuse_table(items, "chunks")
    if (
        isinstance(items, str | bytes | Mapping)
        or not isinstance(items, Iterable)
        or (isinstance(items, np.ndarray) and items.ndim == 0)
    ):
        raise InputTypeError(
            f"chunks is {a_type(items)}; expected a list of chunks, each {_ACCEPTED}: "
            f"wrap a single one in a list"
        )
    given = list(items)
    if not given:
        raise InputError(
            "chunks is empty; expected at least one passage: skip the call when the retriever "
            "returns nothing"
        )
    return given


def read(
    items: Iterable[Any],
    *,
    ranked: bool = False,
    alternatives: bool = True,
    conversation: bool = False,
) -> Candidates:
    """Return the table of candidates for any mix of accepted items.

    `ranked` is whether the items are ordered best first, for items without score and rank.
    Otherwise the order of the input has no meaning, except in a `conversation`. With
    `alternatives=False` only the full texts are candidates.

    Raises:
        InputError: no items, an empty text, a score that is not finite, one id for two texts, a
            requirement that is not among the chunks.
        InputTypeError: an item, or a field of an item, has an unknown type.
    """
    chunks = [_chunk(x, i) for i, x in enumerate(listed(items))]
    if ranked and not conversation:
        chunks = [
            replace(chunk, rank=i) if chunk.rank is None else chunk
            for i, chunk in enumerate(chunks)
        ]
    return _tabulate([_with_id(chunk) for chunk in chunks], conversation, alternatives)


def read_sections(
    sections: Iterable[Section] | None, chunks: Sequence[Chunk], limit: int
) -> tuple[Section, ...]:
    """Return the sections, with `share` converted to `max` in tokens.

    Raises:
        InputError: two sections with one name, an unknown parent, a minimum that exceeds the budget
            or the share of it, or a chunk in a section that is not given.
        InputTypeError: an element is not a `Section`.
    """
    read: dict[str, Section] = {}
    for section in sections or ():
        if not isinstance(section, Section):
            raise InputTypeError(f"sections has {a_type(section)}; expected ctxmem.Section objects")
        if section.name in read:
            raise InputError(f"there are two sections {section.name!r}; expected distinct names")
        if section.parent is not None and section.parent not in read:
            raise InputError(
                f"section {section.name!r} has the parent {section.parent!r}, which is not among "
                f"the sections before it; expected a parent to come first"
            )
        most = limit if section.max is None else section.max
        if section.share is not None:
            most = int(section.share * limit)
        if section.min > most:
            raise InputError(
                f"section {section.name!r} has a minimum of {section.min} and a maximum of {most} "
                f"tokens; expected 0 <= minimum <= maximum: raise the budget or lower the minimum"
            )
        read[section.name] = replace(section, max=most, share=None)
    for i, chunk in enumerate(chunks):
        if chunk.section is not None and chunk.section not in read:
            raise InputError(
                f"{_name(chunk, i)} belongs to section {chunk.section!r}, which is not among the "
                f"sections: {', '.join(map(repr, read)) or 'none'}"
            )
    return tuple(_in_window_order(read))


def _in_window_order(sections: Mapping[str, Section]) -> list[Section]:
    """Return each section with its subsections after it."""
    inside: dict[str | None, list[Section]] = {}
    for section in sections.values():
        inside.setdefault(section.parent, []).append(section)
    ordered: list[Section] = []
    stack = [*reversed(inside.get(None, []))]
    while stack:
        ordered.append(stack.pop())
        stack += reversed(inside.get(ordered[-1].name, []))
    return ordered


def read_previous(previous: Window, table: Candidates) -> list[Prefix]:
    """Return where the first pieces of a window are in the table, in the window's order.

    The list ends at the first piece whose chunks are no longer candidates.

    Raises:
        InputTypeError: not a `Window`.
    """
    if not isinstance(previous, Window):
        raise InputTypeError(
            f"previous_window is {a_type(previous)}; expected the ctxmem.Window of the last call"
        )
    known = {table.id(i): i for i in table.unique.tolist()}
    found: list[Prefix] = []
    used: set[int] = set()
    for piece in previous.pieces:
        chunks = [known.get(name) for name in piece.chunk_ids]
        if any(i is None for i in chunks):
            break
        first = next(i for i in chunks if i is not None)
        row = _alternative_row(table, first, piece.text)
        segments = () if row >= 0 else _segments_of(table, piece, known)
        merged = {int(table.segment_merged[s]) for s in segments}
        if row < 0 and (len(merged) != 1 or merged & used):
            break
        used |= merged
        found.append(Prefix(first, piece.text, piece.header, 0, segments, row))
    return found


def _alternative_row(table: Candidates, i: int, text: str) -> int:
    """Return the row of a chunk's alternative with this text, -1 if there is none."""
    for row in range(int(table.first_row[i]) + 1, int(table.first_row[i + 1])):
        if table.texts[row] == text:
            return row
    return -1


def _segments_of(table: Candidates, piece: Piece, known: Mapping[ChunkId, int]) -> tuple[int, ...]:
    """Return the segments in the ranges that a piece came from."""
    found: dict[int, None] = {}
    for name, start, end in piece.origins:
        i = known.get(name)
        if i is None:
            return ()
        offset = int(table.chunk_offset[i])
        first, last = int(table.first_segment[i]), int(table.last_segment[i])
        merged = slice(max(0, first - 1), last + 1)  # a segment may extend beyond its chunk
        for s in range(merged.start, min(merged.stop, len(table.segment_span))):
            if table.segment_merged[s] != table.segment_merged[min(first, last - 1)]:
                continue
            begin, stop = table.segment_span[s].tolist()
            body = begin + len(table.segment_texts[s])
            if begin >= offset + start - 8 and body <= offset + end + 8 and begin < stop:
                found[s] = None
    return tuple(sorted(found))


def content_id(text: str) -> ChunkId:
    """Return the id of a text without an id: its 128-bit BLAKE2 hash in hexadecimal.

    It has no key, since it is the same in every process. Nobody can make up two texts of one id.
    """
    encoded = text.encode("utf-8", "surrogatepass")
    return ChunkId(hashlib.blake2b(encoded, digest_size=16).hexdigest())


def _chunk(item: Any, index: int) -> Chunk:
    if isinstance(item, Chunk):
        return item
    try:
        return _converted(item)
    except InputError as error:
        # `Chunk` does not know its position, and its errors begin with "chunk".
        raise type(error)(f"chunk {index}{str(error).removeprefix('chunk')}") from None


def _converted(item: Any) -> Chunk:
    if isinstance(item, Chunk):
        return item
    if isinstance(item, str):
        return Chunk(item, content_id(item)) if type(item) is str and item else Chunk(item)
    if isinstance(item, Mapping):
        return _from_mapping(item)
    if _is_turned(item):
        raise InputTypeError(
            f"chunk is the pair ({a_type(item[0])}, {a_type(item[1])}); expected the passage "
            "first: turn the pair round, to (item, score)"
        )
    if isinstance(item, tuple) and len(item) == 2 and not isinstance(item[0], int | float):
        first, score = item[0], _score(item[1])
        if isinstance(first, str):
            return Chunk(first, score=score)
        return replace(_converted(first), score=score)
    if hasattr(item, "page_content"):
        return _from_document(item)
    if hasattr(item, "node") and hasattr(item, "score"):
        scored: Any = item
        return replace(_from_node(scored.node), score=_score(scored.score))
    if hasattr(item, "get_content") and hasattr(item, "node_id"):
        return _from_node(item)
    raise InputTypeError(
        f"chunk is {a_type(item)}; expected {_ACCEPTED}: convert it, for instance with "
        f"ctxmem.Chunk(text, id=..., score=...)"
    )


def _is_turned(item: Any) -> bool:
    """Return whether an item is a pair of a number and a passage, as some rerankers return them."""
    if not isinstance(item, tuple) or len(item) != 2:
        return False
    score, passage = item
    number = isinstance(score, int | float | np.number) and not isinstance(score, bool)
    return number and not isinstance(passage, int | float | np.number | bytes)


def _from_mapping(item: Mapping[str, Any]) -> Chunk:
    key = next((key for key in TEXT_KEYS if isinstance(item.get(key), str)), None)
    if key is None:
        raise InputTypeError(
            f"chunk is a dict with the keys {sorted(map(str, item))}; expected its passage "
            f"under 'text' (or 'page_content', 'content')"
        )
    fields = {name: item[name] for name in _FIELDS if not _is_gap(item.get(name), name)}
    metadata = fields.setdefault("metadata", {})
    if isinstance(metadata, Mapping):
        _place(fields, item[key], metadata)
    if "score" in fields:
        fields["score"] = _score(fields["score"])
    return Chunk(item[key], **fields)


def _from_document(document: Any) -> Chunk:
    metadata = getattr(document, "metadata", None) or {}
    fields: dict[str, Any] = {"id": getattr(document, "id", None), "metadata": metadata}
    if isinstance(metadata, Mapping):
        _place(fields, document.page_content, metadata)
    return Chunk(document.page_content, **fields)


def _place(fields: dict[str, Any], text: Any, metadata: Mapping[str, Any]) -> None:
    """Fill in fields from metadata of splitters and retrievers: source, start_index, score."""
    if isinstance(metadata.get("source"), str | PurePath | UUID | Enum):
        fields.setdefault("source", metadata["source"])
    start = metadata.get("start_index")
    if isinstance(start, int | np.integer) and start >= 0 and isinstance(text, str):
        fields.setdefault("span", (int(start), int(start) + len(text)))
    for key in ("score", "relevance_score"):
        score = _number(metadata.get(key))
        if score is not None:
            fields.setdefault("score", score)


def _score(value: Any) -> Any:
    """Return the score of a row, a number where the row is of text, as those of CSV files are."""
    number = _number(value) if isinstance(value, str) else None
    return value if number is None else number


def _number(value: Any) -> float | None:
    """Return a metadata value as a finite number, None for a gap, infinity, a bool, other text."""
    if isinstance(value, str):
        value = float(value) if _PLAIN_NUMBER.fullmatch(value.strip()) else None
    numeric = isinstance(value, int | float | np.integer | np.floating | Decimal)
    if isinstance(value, bool) or not numeric:
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):  # a large int; a signalling NaN of Decimal
        return None
    return number if math.isfinite(number) else None


def _is_gap(value: Any, name: str) -> bool:
    """Return whether a field of a row is missing: None, or NaN from a data frame.

    A NaN score is not a gap: the caller passed it as the score, so it is refused later.
    """
    return value is None or (name != "score" and isinstance(value, float) and math.isnan(value))


def _from_node(node: Any) -> Chunk:
    text = node.get_content()
    start, end = getattr(node, "start_char_idx", None), getattr(node, "end_char_idx", None)
    return Chunk(
        text,
        id=node.node_id,
        embedding=getattr(node, "embedding", None),
        source=getattr(node, "ref_doc_id", None),
        span=(int(start), int(end))
        if isinstance(start, int | np.integer) and isinstance(end, int | np.integer)
        else None,
        metadata=getattr(node, "metadata", None) or {},
    )


def _with_id(chunk: Chunk) -> Chunk:
    """Return the chunk with an id; the default is the hash of its text."""
    return chunk if chunk.id is not None else replace(chunk, id=content_id(chunk.text))


def _name(chunk: Chunk, index: int) -> str:
    """Return how errors name a chunk: by position, and by the id and source it was given."""
    given = [] if chunk.id in (None, content_id(chunk.text)) else [f"id {chunk.id!r}"]
    if chunk.source is not None:
        given.append(f"source {chunk.source!r}")
    return f"chunk {index}" + (f" ({', '.join(given)})" if given else "")


# The table


def _tabulate(chunks: list[Chunk], conversation: bool, alternatives: bool) -> Candidates:
    first_with: dict[str, int] = {}
    for i, chunk in enumerate(chunks):
        first = first_with.setdefault(chunk.id or "", i)
        if first != i and chunks[first].text != chunk.text:
            raise InputError(
                f"chunks {first} and {i} have the id {chunk.id!r} but different texts; expected "
                f"one text per id: give versions of a passage ids of their own"
            )
    texts: list[str] = []
    first_row = [0]
    for chunk in chunks:
        texts.append(trim(chunk.text))
        if alternatives and chunk.alternatives:
            texts.extend(
                trim(option.text)
                for option in chunk.alternatives
                if isinstance(option, Alternative)
            )
        first_row.append(len(texts))
    first_rows = np.array(first_row, dtype=np.int32)
    chunk_of = np.repeat(np.arange(len(chunks), dtype=np.int32), np.diff(first_rows))
    return Candidates(
        chunks=tuple(chunks),
        ids=[ChunkId(chunk.id or "") for chunk in chunks],
        texts=texts,
        chunk=chunk_of,
        alternative=np.arange(len(texts), dtype=np.int32) - first_rows[chunk_of],
        first_row=first_rows,
        blank=np.array([not texts[row] for row in first_row[:-1]], dtype=np.bool_),
        shortlisted=np.ones(len(chunks), dtype=np.bool_),
        needs=[
            _needs(chunk, i, first_with) if chunk.requires else () for i, chunk in enumerate(chunks)
        ],
        conversation=conversation,
    )


def _needs(chunk: Chunk, index: int, first_with: Mapping[str, int]) -> tuple[int, ...]:
    missing = [need for need in chunk.requires if need not in first_with]
    if missing:
        raise InputError(
            f"{_name(chunk, index)} requires {missing[0]!r}, which is not among the chunks; "
            f"expected the ids of other chunks: add it, or drop the requirement"
        )
    return tuple(sorted({first_with[need] for need in chunk.requires} - {index}))

"""Read the input of `pack`: str, dict, Chunk, Document, NodeWithScore.

Objects of frameworks are recognised by their attributes; frameworks are never imported. All input
is checked here, before anything is computed, so that later modules can rely on the table.
"""

from __future__ import annotations

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
import xxhash

from ctxmem.errors import BudgetError, InputError, InputTypeError, refuse_table
from ctxmem.schema import (
    Alternative,
    Budget,
    Candidates,
    Chunk,
    ChunkId,
    Piece,
    Section,
    Window,
    trim,
)
from ctxmem.selected import Prefix

MAX_BUDGET = 10**9
"""Maximum budget in tokens; a larger number is a mistake, since no model reads that many."""

_ACCEPTED = (
    "a str, a ctxmem.Chunk, a dict with 'text', a LangChain Document, a LlamaIndex node, "
    "a (item, score) pair or a chat message"
)
_TEXT_KEYS = ("text", "page_content", "content")
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_FIELDS = tuple(name for name in Chunk.__dataclass_fields__ if name != "text")


def read_budget(budget: int | Budget) -> Budget:
    """Return the budget as a `Budget`, checked.

    Raises:
        BudgetError: the budget is not a positive number of tokens, the reserve leaves none, or
            `auto` is not between 0 and 1.
        InputTypeError: the budget is neither an int nor a `Budget`.
    """
    if not isinstance(budget, Budget):
        budget = Budget(_whole(budget, "budget", "a number of tokens, such as 4096"))
    tokens = _whole(budget.tokens, "budget", "a number of tokens, such as 4096")
    reserve = _whole(budget.reserve, "reserve", "a number of tokens, such as 500")
    if not 1 <= tokens <= MAX_BUDGET:
        raise BudgetError(
            f"budget is {tokens} tokens; expected 1 to {MAX_BUDGET:,}: give what the model's "
            f"window leaves for context"
        )
    if not 0 <= reserve < tokens:
        raise BudgetError(
            f"budget is {tokens} tokens of which {reserve} are reserved; expected a reserve from "
            f"0 to {tokens - 1}: raise the budget or lower the reserve"
        )
    auto = budget.auto
    if not isinstance(auto, bool) and not isinstance(auto, int | float | np.number):
        raise InputTypeError(
            f"auto is a {type(auto).__name__}; expected True, False or a minimum density such as "
            f"0.001"
        )
    if not isinstance(auto, bool) and not 0 < auto <= 1:
        raise BudgetError(
            f"auto is {auto}; expected a minimum density, above 0 and at most 1, or True"
        )
    return budget


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
            f"chunks is a {type(items).__name__}; expected a list of chunks, each {_ACCEPTED}: "
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
    return _tabulate(
        [_checked(chunk, i) for i, chunk in enumerate(chunks)], conversation, alternatives
    )


def read_sections(
    sections: Iterable[Section] | None, chunks: Sequence[Chunk], limit: int
) -> tuple[Section, ...]:
    """Return the checked sections, with `share` converted to `max` in tokens.

    Raises:
        InputError: two sections with one name, an unknown parent, contradictory limits, or a chunk
            in a section that is not given.
        InputTypeError: an element is not a `Section`.
    """
    if sections is None:
        return ()
    read: dict[str, Section] = {}
    for given in sections:
        if not isinstance(given, Section):
            raise InputTypeError(
                f"sections has a {type(given).__name__}; expected ctxmem.Section objects"
            )
        section = replace(given, name=name_of(given.name), parent=name_of(given.parent))
        if section.name in read:
            raise InputError(f"there are two sections {section.name!r}; expected distinct names")
        if section.parent is not None and section.parent not in read:
            raise InputError(
                f"section {section.name!r} has the parent {section.parent!r}, which is not among "
                f"the sections before it; expected a parent to come first"
            )
        if section.share is not None and not 0 < section.share <= 1:
            raise InputError(
                f"section {section.name!r} has the share {section.share}; expected more than 0 and "
                f"at most 1"
            )
        most = limit if section.max is None else section.max
        if section.share is not None:
            most = min(most, int(section.share * limit))
        if not 0 <= section.min <= most:
            raise InputError(
                f"section {section.name!r} has a minimum of {section.min} and a maximum of {most} "
                f"tokens; expected 0 <= minimum <= maximum"
            )
        read[section.name] = replace(section, max=most, share=None)
    for i, chunk in enumerate(chunks):
        if chunk.section is not None and chunk.section not in read:
            raise InputError(
                f"{_name(chunk, i)} belongs to section {chunk.section!r}, which is not among the "
                f"sections: {', '.join(map(repr, read)) or 'none'}"
            )
    return tuple(read.values())


def read_previous(previous: Window, table: Candidates) -> list[Prefix]:
    """Return where the first pieces of a window are in the table, in the window's order.

    The list ends at the first piece whose chunks are no longer candidates.

    Raises:
        InputTypeError: not a `Window`.
    """
    if not isinstance(previous, Window):
        raise InputTypeError(
            f"previous_window is a {type(previous).__name__}; expected the ctxmem.Window of the "
            f"last call"
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
    """Return the id of a text without an id: its 128-bit xxh3 hash in hexadecimal."""
    return ChunkId(xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass")))


def _chunk(item: Any, index: int) -> Chunk:
    if isinstance(item, Chunk):
        return item
    if isinstance(item, str):
        return Chunk(item) if type(item) is not str else Chunk(item, content_id(item))
    if isinstance(item, Mapping):
        return _from_mapping(item, index)
    if isinstance(item, tuple) and len(item) == 2 and not isinstance(item[0], int | float):
        return replace(_chunk(item[0], index), score=item[1])
    if hasattr(item, "page_content"):
        return _from_document(item)
    if hasattr(item, "node") and hasattr(item, "score"):
        return replace(_from_node(item.node), score=item.score)
    if hasattr(item, "get_content") and hasattr(item, "node_id"):
        return _from_node(item)
    raise InputTypeError(
        f"chunk {index} is a {type(item).__name__}; expected {_ACCEPTED}: convert it, for "
        f"instance with ctxmem.Chunk(text, id=..., score=...)"
    )


def _from_mapping(item: Mapping[str, Any], index: int) -> Chunk:
    key = next((key for key in _TEXT_KEYS if isinstance(item.get(key), str)), None)
    if key is None:
        raise InputTypeError(
            f"chunk {index} is a dict with the keys {sorted(map(str, item))}; expected its passage "
            f"under 'text' (or 'page_content', 'content')"
        )
    fields = {name: item[name] for name in _FIELDS if not _is_gap(item.get(name), name)}
    metadata = fields.setdefault("metadata", {})
    if isinstance(metadata, Mapping):
        _place(fields, item[key], metadata)
    if isinstance(fields.get("span"), list):
        fields["span"] = tuple(fields["span"])
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


def name_of(value: Any) -> Any:
    """Return an id, a source or another name as a plain str; return other values unchanged."""
    if type(value) is str or value is None:
        return value
    if isinstance(value, str):
        return str.__str__(value)  # a member of a str Enum becomes its value
    if isinstance(value, int | np.integer | PurePath | UUID | Enum) and not isinstance(value, bool):
        return str(value)
    return value


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


# Checks


def _whole(value: Any, what: str, example: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputTypeError(
            f"{what} is {value!r} ({type(value).__name__}); expected an int: {example}"
        )
    return int(value)


def _name(chunk: Chunk, index: int) -> str:
    """Return how errors name a chunk: by position, and by the id and source it was given."""
    made = isinstance(chunk.text, str) and chunk.id == content_id(chunk.text)
    given = [] if chunk.id is None or made else [f"id {chunk.id!r}"]
    if chunk.source is not None:
        given.append(f"source {chunk.source!r}")
    return f"chunk {index}" + (f" ({', '.join(given)})" if given else "")


def _checked(chunk: Chunk, index: int) -> Chunk:
    """Return the chunk with its id filled in, or raise an error if it is invalid."""
    if _plainly_right(chunk):
        return chunk
    if not isinstance(chunk.text, str):
        raise InputTypeError(
            f"{_name(chunk, index)} has a text of type {type(chunk.text).__name__}; expected str"
        )
    if not chunk.text:
        raise InputError(
            f"{_name(chunk, index)} has an empty text; expected a passage: leave it out"
        )
    fixed: dict[str, Any] = {}
    if type(chunk.text) is not str:
        fixed["text"] = str.__str__(chunk.text)
    id = content_id(chunk.text) if chunk.id is None else name_of(chunk.id)
    if not isinstance(id, str):
        raise InputTypeError(
            f"{_name(chunk, index)}: id is not a str but of type {type(id).__name__}; expected a "
            f"str, an int, a UUID, a Path or an Enum: name it with a str"
        )
    if id is not chunk.id:
        fixed["id"] = id
    if chunk.score is not None:
        score = _finite(chunk, index)
        if score is not chunk.score:
            fixed["score"] = score
    if chunk.rank is not None:
        fixed["rank"] = _checked_rank(chunk, index)
    for field in ("source", "list", "section"):
        value = name_of(getattr(chunk, field))
        if value is not None and value is not getattr(chunk, field):
            fixed[field] = value
        elif value is not None and not isinstance(value, str):
            fixed[field] = str(value)
    if chunk.span is not None:
        _check_span(chunk, index)
    if chunk.alternatives:
        fixed["alternatives"] = _checked_alternatives(chunk, index)
    if isinstance(chunk.requires, str):
        raise InputTypeError(
            f"{_name(chunk, index)}: requires is the str {chunk.requires!r}; expected a list of "
            f"ids: [{chunk.requires!r}]"
        )
    if any(type(need) is not str for need in chunk.requires):
        fixed["requires"] = tuple(map(name_of, chunk.requires))
    return replace(chunk, **fixed) if fixed else chunk


def _plainly_right(chunk: Chunk) -> bool:
    """Return whether all fields have their usual types; a fast path that avoids further checks."""
    return (
        type(chunk.text) is str
        and chunk.text != ""
        and type(chunk.id) is str
        and (chunk.score is None or (type(chunk.score) is float and math.isfinite(chunk.score)))
        and (chunk.rank is None or (type(chunk.rank) is int and chunk.rank >= 0))
        and (chunk.source is None or type(chunk.source) is str)
        and (chunk.list is None or type(chunk.list) is str)
        and (chunk.section is None or type(chunk.section) is str)
        and (chunk.span is None or _plain_span(chunk.span))
        and not chunk.alternatives
        and not chunk.requires
    )


def _plain_span(span: Any) -> bool:
    return (
        type(span) is tuple
        and len(span) == 2
        and type(span[0]) is int
        and type(span[1]) is int
        and 0 <= span[0] <= span[1]
    )


def _finite(chunk: Chunk, index: int) -> float:
    try:
        score = float(chunk.score)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputTypeError(
            f"{_name(chunk, index)} has a score of type {type(chunk.score).__name__}; expected a "
            f"number, or None if there is none"
        ) from None
    if not math.isfinite(score):
        raise InputError(
            f"{_name(chunk, index)} has score {score}; expected a finite number: leave the score "
            f"out (None) if the retriever gives none"
        )
    return score


def _checked_rank(chunk: Chunk, index: int) -> int:
    rank: Any = chunk.rank
    # In a data frame, a column of ranks with gaps has floats.
    whole = isinstance(rank, float | np.floating) and float(rank).is_integer()
    if isinstance(rank, bool) or not (whole or isinstance(rank, int | np.integer)) or rank < 0:
        raise InputError(
            f"{_name(chunk, index)} has rank {rank!r}; expected an int from 0, 0 is the best"
        )
    return int(rank)


def _check_span(chunk: Chunk, index: int) -> None:
    span = chunk.span
    whole = (
        isinstance(span, tuple)
        and len(span) == 2
        and all(isinstance(x, int | np.integer) and not isinstance(x, bool) for x in span)
    )
    if not whole or not 0 <= span[0] <= span[1]:  # type: ignore[index]
        raise InputError(
            f"{_name(chunk, index)} has span {span!r}; expected (start, end), character offsets "
            f"in its source with 0 <= start <= end"
        )


def _checked_alternatives(chunk: Chunk, index: int) -> tuple[Alternative, ...]:
    checked = []
    for given in chunk.alternatives:
        option = Alternative(given) if isinstance(given, str) else given
        if not isinstance(option, Alternative) or not isinstance(option.text, str):
            raise InputTypeError(
                f"{_name(chunk, index)} has an alternative of type {type(given).__name__}; "
                f"expected a str or a ctxmem.Alternative"
            )
        if not option.text.strip():
            raise InputError(f"{_name(chunk, index)} has an empty alternative; leave it out")
        if option.share is not None and not 0 <= option.share <= 1:
            raise InputError(
                f"{_name(chunk, index)} has an alternative that keeps the share {option.share} of "
                f"its value; expected 0 to 1"
            )
        checked.append(option)
    return tuple(checked)


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

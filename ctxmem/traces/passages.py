"""Retrieved passages as the many formats write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ctxmem.traces.attrs import as_score, named, parsed, text_of
from ctxmem.traces.events import Passage

_TEXTS = ("text", "page_content", "content", "pageContent", "document", "chunk", "passage", "body")
_IDS = ("id", "id_", "doc_id", "chunk_id", "node_id", "document_id", "_id")
_SCORES = ("score", "similarity", "relevance_score", "rerank_score", "similarity_score")
_SOURCES = ("source", "file_name", "file_path", "file", "url", "title", "doc", "path")
_FIELDS = (_TEXTS, _IDS, _SCORES, _SOURCES)
_INSIDE = ("node", "kwargs", "metadata", "payload", "document")
_LISTS = ("documents", "output", "hits", "chunks", "results", "contexts", "nodes", "matches")

_MOST_SHAPES = 4096


class _Shape(NamedTuple):
    """Which of its fields may hold what, of passages that have the same fields."""

    texts: tuple[str, ...]
    ids: tuple[str, ...]
    scores: tuple[str, ...]
    sources: tuple[str, ...]
    flat: bool  # nothing of it is in another object


_SHAPES: dict[int, _Shape] = {}
"""Shapes by the hash of their keys: the passages of a log have one shape, or a few."""


def _shape(value: dict[str, Any]) -> _Shape:
    known = hash(tuple(value))
    shape = _SHAPES.get(known)
    if shape is None:
        texts, ids, scores, sources = (tuple(filter(value.__contains__, of)) for of in _FIELDS)
        flat = value.keys().isdisjoint(_INSIDE)
        shape = _Shape(texts, ids, scores, sources, flat)
        if len(_SHAPES) >= _MOST_SHAPES:
            _SHAPES.clear()
        _SHAPES[known] = shape
    return shape


def passage_of(value: Any) -> Passage | None:
    """Return a passage from a str, a document, a node with score or a pair, None for others."""
    if isinstance(value, dict):
        return _in_dict(value)
    if isinstance(value, str):
        return Passage(text_of(value)) if value else None
    if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], dict | str):
        inner = passage_of(value[0])
        return inner._replace(score=as_score(value[1])) if inner else None
    return None


def _in_dict(value: dict[str, Any]) -> Passage | None:
    shape = _shape(value)
    if not shape.flat:
        inner = value.get("node") or value.get("kwargs")
        if isinstance(inner, dict):
            known = passage_of(inner)
            score = _score(value, _SCORES)
            return known._replace(score=score) if known and score is not None else known
    text = None
    for key in shape.texts:
        found = value[key]
        if found and isinstance(found, str):
            text = found
            break
    name = named(value, shape.ids) if shape.ids else None
    if text is None and name is None:
        nested = value.get("document") or value.get("payload")
        return passage_of(nested) if isinstance(nested, dict) else None
    source = named(value, shape.sources) if shape.sources else None
    score = _score(value, shape.scores) if shape.scores else None
    metadata = None if shape.flat else parsed(value.get("metadata"))
    if isinstance(metadata, dict):
        source = source or named(metadata, _SOURCES)
        score = _score(metadata, _SCORES) if score is None else score
    return Passage(text_of(text), name, score, source)


def is_passage(value: Any) -> bool:
    """Return whether a value is a passage, as `passage_of` reads it."""
    if type(value) is dict and type(value.get("text")) is str and value["text"]:
        return True  # as most: it need not be read to know
    return passage_of(value) is not None


def _score(value: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    for key in names:
        found = value.get(key)
        if found is not None:
            score = as_score(found)
            if score is not None:
                return score
    return None


def passages_of(value: Any) -> list[Passage]:
    """Return the passages of a list, or of the list that an object or a JSON text holds."""
    value = parsed(value)
    if isinstance(value, dict):
        for key in _LISTS:
            inner = parsed(value.get(key))
            if isinstance(inner, list | dict):
                return passages_of(inner)
        return []
    if not isinstance(value, list):
        return []
    return [found for found in map(passage_of, value) if found is not None]

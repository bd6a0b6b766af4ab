"""Retrieved passages as the many formats write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxmem.traces.attrs import as_score, named, parsed, text_of
from ctxmem.traces.events import Passage

_TEXTS = ("text", "page_content", "content", "pageContent", "document", "chunk", "passage", "body")
_IDS = ("id", "id_", "doc_id", "chunk_id", "node_id", "document_id", "_id")
_SCORES = ("score", "similarity", "relevance_score", "rerank_score", "similarity_score")
_SOURCES = ("source", "file_name", "file_path", "file", "url", "title", "doc", "path")
_LABELS, _RANKS = frozenset((*_IDS, *_SOURCES)), frozenset(_SCORES)
_LISTS = ("documents", "output", "hits", "chunks", "results", "contexts", "nodes", "matches")


def passage_of(value: Any) -> Passage | None:
    """Return a passage from a str, a document, a node with score or a pair, None for others."""
    if isinstance(value, str):
        return Passage(text_of(value)) if value else None
    if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], dict | str):
        inner = passage_of(value[0])
        return inner._replace(score=as_score(value[1])) if inner else None
    if not isinstance(value, dict):
        return None
    inner = value.get("node") or value.get("kwargs")
    if isinstance(inner, dict):
        known = passage_of(inner)
        score = _score(value)
        return known._replace(score=score) if known and score is not None else known
    text = None
    for key in _TEXTS:
        found = value.get(key)
        if found and isinstance(found, str):
            text = found
            break
    keys = value.keys()
    labelled = not keys.isdisjoint(_LABELS)  # most passages of most logs are not
    name = named(value, _IDS) if labelled else None
    if text is None and name is None:
        nested = value.get("document") or value.get("payload")
        return passage_of(nested) if isinstance(nested, dict) else None
    source = named(value, _SOURCES) if labelled else None
    score = None if keys.isdisjoint(_RANKS) else _score(value)
    metadata = parsed(value.get("metadata")) if "metadata" in keys else None
    if isinstance(metadata, dict):
        source = source or named(metadata, _SOURCES)
        score = _score(metadata) if score is None else score
    return Passage(text_of(text), name, score, source)


def is_passage(value: Any) -> bool:
    """Tell whether a value is a passage, as `passage_of` reads it."""
    if type(value) is dict and type(value.get("text")) is str and value["text"]:
        return True  # as most: it need not be read to know
    return passage_of(value) is not None


def _score(value: Mapping[str, Any]) -> float | None:
    for key in _SCORES:
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

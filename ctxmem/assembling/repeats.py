"""Blocks whose text the history shows already are sent as references to it.

Only the same text is folded, as `dedup_messages` folds it: versions that differ in a fact are sent
as they are. References are in the last message, so that the cached beginning stays as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ctxmem.assembling.conversation import Conversation
from ctxmem.chat.counting import Meter
from ctxmem.chat.folding import Fold, fold_text
from ctxmem.chat.paragraphs import LEAST_CHARACTERS, body_of
from ctxmem.chat.parts import inner_parts, parts_of
from ctxmem.schema import Chunk, Window

_KEPT = 1 << 13
_lines_of: dict[Any, frozenset[int]] = {}
_lock = threading.Lock()


class Folded(NamedTuple):
    """A context with references in place of what earlier messages show."""

    context: str
    folds: tuple[Fold, ...] = ()


def repeated(chunks: Sequence[Chunk], conversation: Conversation) -> frozenset[int]:
    """Return hashes of the lines of chunks that the history has, too."""
    if not chunks or not conversation.units:
        return frozenset()
    said: set[int] = set()
    for unit in conversation.units:
        said |= _known(
            unit.mark,
            lambda unit=unit: [  # type: ignore[misc]
                text for i in unit.span for text in _texts(conversation.messages[i], i)
            ],
        )
    shared: set[int] = set()
    for chunk in chunks:
        shared |= said & _known(chunk.text, lambda chunk=chunk: [chunk.text])  # type: ignore[misc]
    return frozenset(shared)


def _known(key: Any, texts: Callable[[], Iterable[str]]) -> frozenset[int]:
    """Return the lines of texts, which are remembered by a key that equal texts share."""
    keeps = isinstance(key, str) or None not in key
    found = _lines_of.get(key) if keeps else None
    if found is None:
        found = frozenset(line for text in texts() for line in _lines(text))
        if keeps:
            with _lock:
                if len(_lines_of) >= _KEPT:
                    _lines_of.clear()
                _lines_of[key] = found
    return found


def _texts(message: Any, index: int) -> Iterable[str]:
    for part in parts_of(message, index):
        if part.kind == "text":
            yield part.text
        elif part.kind == "result":
            yield from (one.text for one in inner_parts(part) or ())


def _lines(text: str) -> set[int]:
    """Return hashes of the long lines of a text, without labels before and marks behind them."""
    made = set()
    for line in text.split("\n"):
        if len(line) >= LEAST_CHARACTERS:
            start, end = body_of(line)
            made.add(hash(line[start:end]))
    return made


def folded(
    messages: Sequence[Any], context: str, window: Window, repeats: frozenset[int], meter: Meter
) -> Folded:
    """Return the blocks of a window with references to the messages before them."""
    pieces = [piece.text for piece in window.pieces if not repeats.isdisjoint(_lines(piece.text))]
    if not pieces:
        return Folded(context)
    text, folds = fold_text(messages, context, meter, pieces)
    return Folded(text, tuple(folds))


def tokens_saved(text: str, folds: Iterable[Fold]) -> int:
    """Return the tokens by which the folds within a text make it shorter."""
    return sum(fold.tokens for fold in folds if fold.text in text)


def shown_in(chunk: Chunk, folds: Iterable[Fold]) -> Fold | None:
    """Return the fold that a whole chunk became, None if there is none."""
    text = chunk.text.strip()
    return next((fold for fold in folds if text in fold.text), None)

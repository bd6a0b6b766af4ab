"""What became of the inputs of a pack, carried in the metadata of what came back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctxmem.schema import Piece, Window

METADATA_KEY = "ctxmem"
"""Where a packed document or node says what became of it."""


def accounts(window: Window) -> Iterator[tuple[Piece, int, dict[str, Any]]]:
    """Yield each piece of a window, the position of the input that it goes by, and its account.

    The account's `positions` are those of all inputs that the piece represents, repeats included.
    """
    stands_for: dict[str, list[int]] = {}
    for decision in window.decisions:
        name = decision.chunk_id if decision.kept else decision.represented_by
        if name is not None:
            stands_for.setdefault(name, []).append(decision.position)
    kept = {decision.chunk_id: decision for decision in window.decisions if decision.kept}
    for piece in window.pieces:
        first = kept[piece.chunk_ids[0]]
        yield (
            piece,
            first.position,
            {
                "reason": first.reason.value,
                "detail": first.detail,
                "relevance": round(piece.relevance, 6),
                "tokens": piece.tokens,
                "positions": [i for name in piece.chunk_ids for i in stands_for[name]],
            },
        )

"""The shorter form of messages: long texts and results of tools are cut."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from ctxmem.chat.editing import replaced, with_content, with_result_texts
from ctxmem.chat.parts import parts_of
from ctxmem.chat.reading import Turn
from ctxmem.chat.shortening import excerpt

SHOWN = 600
"""Characters of a text that a shortened message keeps, about."""
LEAST = 2 * SHOWN
"""Characters from which a text is shortened."""


def shortened(items: Sequence[Any], turns: Sequence[Turn]) -> tuple[Any, ...] | None:
    """Return messages with long texts and results cut, None if nothing is cut."""
    made = [_cut(item, turn, i) for i, (item, turn) in enumerate(zip(items, turns, strict=True))]
    if all(new is old for new, old in zip(made, items, strict=True)):
        return None
    # They are kept for later requests; the caller may change what was given.
    return tuple(deepcopy(one) if isinstance(one, dict) else one for one in made)


def _cut(item: Any, turn: Turn, index: int) -> Any:
    parts = parts_of(item, index)
    changes = []
    for part in parts:
        if part.kind == "result":
            value = with_result_texts(part, _excerpt)
            if value is not part.value:
                changes.append((part, value))
    if changes:
        return replaced(item, changes)
    if turn.calls or turn.results or turn.thinks or turn.dialect == "responses":
        return item
    if len(parts) == 1 and parts[0].kind == "text" and len(parts[0].text) >= LEAST:
        return with_content(item, _excerpt(parts[0].text) or parts[0].text)
    return item


def _excerpt(text: str) -> str | None:
    return excerpt(text, SHOWN) if len(text) >= LEAST else None

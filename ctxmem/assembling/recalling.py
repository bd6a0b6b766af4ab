"""Texts of a memory, and of messages that may be left out, as blocks to recall for a question."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ctxmem.assembling.conversation import Conversation
from ctxmem.assembling.inputs import Inputs
from ctxmem.schema import Chunk

CANDIDATES = 16
"""So many messages at most can be recalled, ..."""
NEWEST = 2
"""... without the newest units, which are sent or left out as they are."""
CROWDED = 0.3
"""Share of the budget from which a history may be left out in part."""
PAGES = 12
"""Pages of a memory that are looked at."""


def with_recalled(
    inputs: Inputs, conversation: Conversation, evidence: NDArray[np.float64]
) -> tuple[Inputs, dict[str, str]]:
    """Return the inputs with what may be recalled, and the chunks of units by the units' keys."""
    units = conversation.units
    found: dict[str, str] = {}
    chunks: list[Chunk] = []
    if sum(unit.tokens for unit in units) > CROWDED * inputs.budget.limit:
        old = [k for k, unit in enumerate(units[:-NEWEST]) if not unit.required]
        best = sorted(old, key=lambda k: (-evidence[k], -k))[:CANDIDATES]
        for k in sorted(k for k in best if evidence[k] >= 1.0):
            unit = units[k]
            name = f"message {unit.key}"
            if unit.facts.text.strip():
                found[unit.key] = name
                chunks.append(Chunk(unit.facts.text, id=name, section="memory"))
    chunks += _pages(inputs, conversation)
    return replace(inputs, chunks=(*chunks, *inputs.chunks)), found


def _pages(inputs: Inputs, conversation: Conversation) -> list[Chunk]:
    """Return the pages of a memory beside the history that answer the question."""
    memory = inputs.memory
    if memory is None or inputs.own_history or not conversation.question.strip():
        return []
    pages = memory.recall(conversation.question, PAGES)
    return [
        Chunk(f"{page.role}: {page.text}", id=f"{page.session}/{page.id}", section="memory")
        for page in pages
        if page.text.strip()
    ]

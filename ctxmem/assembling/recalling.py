"""Excerpts of messages that may be left out, and pages of a memory, to recall for a question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ctxmem.assembling.blocks import HEADERS
from ctxmem.assembling.conversation import Conversation
from ctxmem.assembling.evidence import Search
from ctxmem.assembling.inputs import Inputs
from ctxmem.memory.blocks import shown_text
from ctxmem.memory.recall import excerpt, sizes_for
from ctxmem.schema import Chunk

CANDIDATES = 32
"""So many messages at most can be recalled, ..."""
NEWEST = 2
"""... without the newest units, which are sent or left out as they are."""
CROWDED = 0.3
"""Share of the budget from which a history may be left out in part."""
LEAST = 0.02
"""Share of the best unit's evidence below which a unit is not recalled."""
PAGES = 12
"""Pages of a memory that are looked at."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What can be shown of units that are left out: texts and tokens by the unit's place."""

    texts: Mapping[int, str] = field(default_factory=dict)
    tokens: Mapping[int, int] = field(default_factory=dict)
    title: int = 0
    """Tokens of the line above them."""

    def text(self, units: Sequence[int]) -> str:
        """Return the excerpts of some units, in the order of the conversation."""
        lines = [self.texts[k] for k in units]
        return "\n".join([HEADERS["memory"], *lines]) if lines else ""


def recalled_of(
    inputs: Inputs, conversation: Conversation, search: Search, evidence: NDArray[np.float64]
) -> Recalled:
    """Return the excerpts by which the best units answer the question.

    There are none where the whole history has a small share of the budget, or where a limit of the
    part "memory" leaves no room for them.
    """
    units = conversation.units
    if sum(unit.tokens for unit in units) <= CROWDED * inputs.budget.limit:
        return Recalled()
    least = LEAST * float(evidence.max(initial=0.0))
    old = [
        k
        for k, unit in enumerate(units[:-NEWEST])
        if evidence[k] > least and not unit.required and unit.facts.text.strip()
    ]
    best = sorted(old, key=lambda k: (-evidence[k], -k))[:CANDIDATES]
    limit = inputs.sections.get("memory")
    left = limit.max if limit is not None else None
    count = inputs.meter.count
    title = count(HEADERS["memory"]) + 2
    texts: dict[int, str] = {}
    tokens: dict[int, int] = {}
    for k in best:
        text = _excerpt(conversation, search, k, count)
        own = count(text) + 1
        if left is not None:
            left -= own + (0 if texts else title)
            if left < 0:
                break
        texts[k], tokens[k] = text, own
    return Recalled(texts, tokens, title if texts else 0)


def _excerpt(
    conversation: Conversation, search: Search, k: int, count: Callable[[str], int]
) -> str:
    """Return a unit, or what of it answers the ask that it answers best."""
    unit = conversation.units[k]
    found, at = search.place(k)
    text = unit.facts.text
    whole, most = sizes_for(found.ask)
    opens = found.speakers[at] == 0
    spans = excerpt(text, found.passages[at], whole, most, count, opens=opens)
    shown = shown_text(text, spans)
    role = conversation.turns[unit.span[0]].role
    return shown if shown.startswith(f"{role}: ") else f"{role}: {shown}"


def with_pages(inputs: Inputs, conversation: Conversation) -> Inputs:
    """Return the inputs with the pages of a memory beside the history that answer the question."""
    memory = inputs.memory
    if memory is None or inputs.own_history or not conversation.question.strip():
        return inputs
    pages = memory.recall(conversation.question, PAGES)
    chunks = [
        Chunk(f"{page.role}: {page.text}", id=f"{page.session}/{page.id}", section="memory")
        for page in pages
        if page.text.strip()
    ]
    return replace(inputs, chunks=(*chunks, *inputs.chunks))


def without_recalled(inputs: Inputs, recalled: Recalled) -> Inputs:
    """Return the inputs with a limit of the part "memory" for what is beside the excerpts."""
    limit = inputs.sections.get("memory")
    if limit is None or limit.max is None or not recalled.texts:
        return inputs
    left = max(0, limit.max - recalled.title - sum(recalled.tokens.values()))
    reduced = replace(limit, max=left, min=min(limit.min, left))
    return replace(inputs, sections={**inputs.sections, "memory": reduced})

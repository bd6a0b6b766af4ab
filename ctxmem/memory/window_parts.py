"""Say what fills a window: its tokens by part."""

from __future__ import annotations

from ctxmem.memory.plan import Plan
from ctxmem.memory.session_state import SessionState


def tokens_by_part(state: SessionState, plan: Plan, recalled: int, total: int) -> dict[str, int]:
    """Return the tokens of each part of a window of `total` tokens; they add up to it.

    `recalled` is what was brought back for a query. What is of no message, as the schemas of tools
    and the frame of the request, is the part "request".
    """
    parts = {name: tokens for name, tokens in state.by_part.items() if tokens}

    def add(name: str, tokens: int) -> None:
        if tokens:
            parts[name] = parts.get(name, 0) + tokens

    for note in plan.notes:
        add(note.part, note.tokens)
    for index, _, tokens in plan.pending:
        add(state.part(index), tokens)
    add("recalled", recalled)
    rest = total - sum(parts.values())
    if rest < 0:  # messages were joined or left out to be accepted by the provider
        largest = max(parts, key=lambda name: parts[name])
        parts[largest] += rest
    else:
        add("request", rest)
    return parts

"""Say what fills a window: its tokens by part."""

from __future__ import annotations

from ctxmem.memory.plan import Plan
from ctxmem.memory.resident import Entry, Resident

_NAMES = {"chunk": "passages", "tool": "results"}


def tokens_by_part(state: Resident, plan: Plan, recalled: int, total: int) -> dict[str, int]:
    """Return the tokens of each part of a window of `total` tokens; they add up to it.

    `recalled` is what was brought back for a query. What is of no message, as the schemas of tools
    and the frame of the request, is the part "request".
    """
    parts: dict[str, int] = {}

    def add(name: str, tokens: int) -> None:
        if tokens:
            parts[name] = parts.get(name, 0) + tokens

    for entry in (*state.entries, *plan.notes):
        add(_part_of(entry, state), entry.tokens)
    for index, _, tokens in plan.pending:
        add(_role(state, index), tokens)
    add("recalled", recalled)
    rest = total - sum(parts.values())
    if rest < 0:  # messages were joined or left out to be accepted by the provider
        largest = max(parts, key=lambda name: parts[name])
        parts[largest] += rest
    else:
        add("request", rest)
    return parts


def _part_of(entry: Entry, state: Resident) -> str:
    if entry.binding:
        return "ledger"
    if entry.is_index:
        return "index"
    return _role(state, max(entry.item, entry.again))


def _role(state: Resident, index: int) -> str:
    role = state.items[index].role
    return _NAMES.get(role, role)

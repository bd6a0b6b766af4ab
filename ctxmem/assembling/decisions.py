"""What became of every input, with a reason for a person."""

from __future__ import annotations

from collections.abc import Mapping

from ctxmem.assembling.conversation import Conversation
from ctxmem.assembling.inputs import Inputs
from ctxmem.assembling.options import Item, Option
from ctxmem.assembling.request import PartDecision
from ctxmem.assembling.tool_items import ToolItems
from ctxmem.schema import Decision, Reason, Window

Forms = Mapping[str, Mapping[str, str]]

_SAID = {
    "full": "{gain}; it is worth its {tokens:,} tokens",
    "short": "{gain}; its whole schema is not worth {more:,} tokens more",
    "deferred": "{gain}; its schema is not worth {more:,} tokens more, and find_tool returns it",
    "shortened": "its long texts are cut: the rest is not worth {more:,} tokens more",
    "indexed": "the note about left-out messages has a line for it: the rest is not worth {more:,} "
    "tokens more",
    "omitted": "{gain}; nothing of it is worth its tokens beside what is sent",
}


def decide(
    inputs: Inputs,
    tools: ToolItems,
    conversation: Conversation,
    by_key: Mapping[tuple[str, str], Item],
    forms: Forms,
    window: Window | None,
    heads: Mapping[str, int],
) -> tuple[PartDecision, ...]:
    """Return a decision for every tool, unit of the history, rule and passage."""
    made: list[PartDecision] = []
    if inputs.system:
        made.append(_always("system", "system", heads.get("system", 0), 0))
    for i, tool in enumerate(tools.tools):
        item = by_key.get(("tools", tool.name))
        form = forms["tools"].get(tool.name, "omitted")
        chance = float(tools.chance[i])
        reason = _tool_reason(tools, tool.name, form, chance, item)
        made.append(_decided("tools", tool.name, form, item, reason, i))
    for i, rule in enumerate(inputs.rules):
        made.append(_always("rules", rule[:60], inputs.meter.count(rule), i))
    for unit in conversation.units:
        item = by_key.get(("history", unit.key))
        form = forms["history"].get(unit.key, "omitted")
        reason = unit.required and f"required: {unit.required}"
        reason = reason or _said(form, item, "it is recent or the question may use it")
        made.append(_decided("history", unit.key, form, item, reason, unit.position))
    made += _block_decisions(inputs, window)
    return tuple(made)


def _always(part: str, key: str, tokens: int, position: int) -> PartDecision:
    return PartDecision(part, key, "full", tokens, 0.0, "always sent", position)


def _decided(
    part: str, key: str, form: str, item: Item | None, reason: str, position: int
) -> PartDecision:
    option = _option(item, form)
    tokens, value = (option.tokens, option.value) if option else (0, 0.0)
    return PartDecision(part, key, form, tokens, value, reason, position)


def _option(item: Item | None, form: str) -> Option | None:
    if item is None:
        return None
    return next((option for option in item.options if option.form == form), None)


def _tool_reason(tools: ToolItems, name: str, form: str, chance: float, item: Item | None) -> str:
    if name in tools.called and form == "full":
        return "the history calls it"
    return _said(form, item, f"needed with probability {chance:.2f}")


def _said(form: str, item: Item | None, gain: str) -> str:
    options = item.options if item is not None else ()
    own = _option(item, form)
    tokens = own.tokens if own else 0
    more = max((option.tokens for option in options), default=0) - tokens
    return _SAID[form].format(gain=gain, tokens=tokens, more=more)


def _block_decisions(inputs: Inputs, window: Window | None) -> list[PartDecision]:
    made = []
    seen = dict.fromkeys(("memory", "passages", "code"), 0)
    whole = {} if window is None else _shown(window)
    decisions = window.decisions if window is not None else ()
    for i, chunk in enumerate(inputs.chunks):
        part = chunk.section or "passages"
        position = seen[part]
        seen[part] += 1
        if not decisions:
            reason = "no tokens are left for it beside what is required"
            made.append(PartDecision(part, str(chunk.id), "omitted", 0, 0.0, reason, position))
            continue
        found = decisions[i]
        form = _form_of(found, len(chunk.text.strip()), whole)
        tokens = found.tokens if found.kept else 0
        value = found.relevance * tokens
        made.append(
            PartDecision(part, str(found.chunk_id), form, tokens, value, found.detail, position)
        )
    return made


def _shown(window: Window) -> dict[str, int]:
    """Return how many characters of each chunk are in a window."""
    found: dict[str, int] = {}
    for piece in window.pieces:
        for name, start, end in piece.origins:
            found[name] = found.get(name, 0) + end - start
    return found


def _form_of(decision: Decision, characters: int, shown: Mapping[str, int]) -> str:
    if decision.kept:
        return "full" if shown.get(decision.chunk_id, 0) >= characters else "shortened"
    repeated = (Reason.DUPLICATE, Reason.NEAR_DUPLICATE, Reason.SIMILAR, Reason.CONTAINED)
    return "duplicate" if decision.reason in repeated else "omitted"

"""What became of every input, with a reason for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ctxmem.assembling.conversation import Conversation
from ctxmem.assembling.inputs import Inputs
from ctxmem.assembling.options import NO_NOTE, NONE, Offer
from ctxmem.assembling.repeats import shown_in
from ctxmem.assembling.request import PartDecision
from ctxmem.assembling.tool_items import ToolItems
from ctxmem.chat.folding import Fold
from ctxmem.schema import Decision, Reason, Window

Forms = Mapping[str, Mapping[str, str]]

_STAYS = "it stays as in the request before, for the prompt cache"
_OUT = ("omitted", "indexed")

_SAID = {
    "full": "{gain}; its value justifies its {tokens:,} tokens",
    "short": "{gain}; its whole schema does not justify {more:,} more tokens",
    "deferred": "{gain}; its schema does not justify {more:,} more tokens; find_tool returns it",
    "shortened": "its long texts are cut: the rest does not justify {more:,} more tokens",
    "indexed": "the note about left-out messages has a line for it: the rest does not justify "
    "{more:,} more tokens",
    "recalled": "{gain}; an excerpt is sent with the question",
    "indexed and recalled": "{gain}; the note has a line for it, and an excerpt is sent with the "
    "question",
}


def decide(
    inputs: Inputs,
    tools: ToolItems,
    conversation: Conversation,
    offers: Sequence[Offer],
    forms: Forms,
    window: Window | None,
    heads: Mapping[str, int],
    folds: Sequence[Fold] = (),
    stay: Forms | None = None,
) -> tuple[PartDecision, ...]:
    """Return a decision for every tool, unit of the history, rule and passage.

    `stay` are the forms of tools and units that stayed as the request before had them.
    """
    stay = stay or {}
    made: list[PartDecision] = []
    if inputs.system:
        made.append(_always("system", "system", heads.get("system", 0), 0))
    rows = {offer.part: _rows(offer, forms[offer.part]) for offer in offers}
    for i, (tool, chance, row) in enumerate(
        zip(tools.tools, tools.chance.tolist(), rows.get("tools", ()), strict=True)
    ):
        form, tokens, value, more = row
        if form == "full" and tool.name in tools.called:
            reason = "the history calls it"
        elif stay.get("tools", {}).get(tool.name) == form:
            reason = f"needed with probability {chance:.2f}; {_STAYS}"
        else:
            reason = _said(form, f"needed with probability {chance:.2f}", tokens, more)
        made.append(PartDecision("tools", tool.name, form, tokens, value, reason, i))
    for i, rule in enumerate(inputs.rules):
        made.append(_always("rules", rule[:60], inputs.meter.count(rule), i))
    newest = {conversation.units[k].key for k in conversation.newest}
    for unit, row in zip(conversation.units, rows.get("history", ()), strict=True):
        form, tokens, value, more = row
        if unit.required:
            reason = f"required: {unit.required}"
        elif unit.key in newest and form == "full":
            reason = "it is of the newest exchange, which a short question may be about"
        elif form in _OUT and unit.key in stay.get("history", {}):
            reason = _STAYS
        elif NO_NOTE in forms["history"]:
            reason = "no tokens are left for it, nor for a note that says so"
        else:
            reason = _said(form, "it is recent or the question may use it", tokens, more)
        made.append(PartDecision("history", unit.key, form, tokens, value, reason, unit.position))
    for at, wrong in conversation.refused.items():
        made.append(PartDecision("history", str(at), "omitted", 0, 0.0, f"refused: {wrong}", at))
    made += _block_decisions(inputs, window, folds)
    return tuple(made)


def _always(part: str, key: str, tokens: int, position: int) -> PartDecision:
    return PartDecision(part, key, "full", tokens, 0.0, "always sent", position)


_Row = tuple[str, int, float, int]
"""The form of an item, its tokens and value, and the tokens of its longest form beyond it."""


def _said(form: str, gain: str, tokens: int, more: int) -> str:
    """Return why an item has this form."""
    if form == "omitted":  # most items
        return f"{gain}; no form of it justifies its tokens beside what is sent"
    return _SAID[form].format(gain=gain, tokens=tokens, more=more)


def _rows(offer: Offer, forms: Mapping[str, str]) -> list[_Row]:
    """Return the form of each item of an offer."""
    longest = np.where(offer.tokens < NONE, offer.tokens, 0).max(axis=1, initial=0)
    column = {form: j for j, form in enumerate(offer.forms)}
    shown = [forms.get(key, "omitted") for key in offer.keys]
    places = np.array([column.get(form, -1) for form in shown], dtype=np.intp)
    rows = np.arange(len(shown))
    known = places >= 0
    known[known] = offer.tokens[rows[known], places[known]] < NONE
    rows, places = rows[known], places[known]
    tokens, value = np.zeros(len(shown), dtype=np.int64), np.zeros(len(shown))
    tokens[rows], value[rows] = offer.tokens[rows, places], offer.value[rows, places]
    more = (longest - tokens).tolist()
    return list(zip(shown, tokens.tolist(), value.tolist(), more, strict=True))


def _block_decisions(
    inputs: Inputs, window: Window | None, folds: Sequence[Fold]
) -> list[PartDecision]:
    made = []
    seen: dict[str, int] = dict.fromkeys(("memory", "passages", "code"), 0)
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
        fold = shown_in(chunk, folds) if found.kept and folds else None
        if fold is not None:
            reason = f"message {fold.first + 1} of the request shows it, and is named in its place"
            name = str(found.chunk_id)
            left = max(0, found.tokens - fold.tokens)
            made.append(PartDecision(part, name, "duplicate", left, 0.0, reason, position))
            continue
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

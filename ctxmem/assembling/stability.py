"""Keep tools and history as the last request had them, while that pays for itself.

A changed tool costs the whole cached prefix, and a changed message all behind it. The change is
made where it must be, or where it brings more value than the tokens of the lost cache would.

Tools that stay may be wrong for many questions, each by less than a change costs: large schemas
that were chosen when the history was short leave no room for it later. So what requests lose by
them is added up, and they change when that is what the change costs, as who rents buys when the
rents have reached the price (Karlin, Manasse, Rudolph and Sleator 1988): it is never more than
twice what knowing all requests would have cost. Each change of a session costs more than the one
before, since questions want different tools and no set is right for all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from ctxmem.assembling.conversation import Conversation
from ctxmem.assembling.fitting import Fitted, Fitter
from ctxmem.assembling.layout import Laid
from ctxmem.assembling.options import STABLE
from ctxmem.assembling.request import Request
from ctxmem.assembling.tool_items import ToolItems
from ctxmem.memory import Memory
from ctxmem.toolset import Tool

LOW_WATER = 0.4
"""When messages have to leave the history, it is cut to this share, so that the next requests grow
behind the same prefix."""
LEAST_PRICE = 0.005
"""Value of a token at least, when the cost of a lost cache is compared."""
CHANGE = 8.0
"""A change of messages must bring so many times what the lost cache costs: what the next question
wants is not known, and what is lost is paid now."""
GROWTH = 0.25
"""Share of the tokens of tools that is left for the history where tools change, or more, if it has
more than that, so that it can double."""
DEARER = 4.0
"""A further change of tools in a session costs so many times what the one before did."""
MOST_OF_ONE = 0.5
"""One request counts up to this share of what the change costs: what a single question wants, the
model finds by `find_tool`."""
FORCED = 2
"""So many times in a session the tools change only because a tool was called that is not sent in
full; later such tools wait for a change that pays. The model has their schemas from `find_tool`."""
NEEDED = 0.5
"""Probability from which a tool must be findable."""

ABSENT = "absent"
"""Form of a tool that the model cannot find either."""
_OUT = {"tools": ABSENT, "history": "omitted"}
"""The form of what is not among the forms of a request."""

_last: WeakKeyDictionary[Memory, Request] = WeakKeyDictionary()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class State:
    """What a request had: the forms of tools and units, its note, and its stable messages.

    `forced` and `changes` are how often tools changed in the session, for a call and in all, and
    `lost` is the value that requests lost by them since.
    """

    tools: dict[str, str]
    known: dict[str, Tool]
    history: dict[tuple[bytes | None, ...], str]
    note: Any
    stable: int
    forced: int
    changes: int
    lost: float

    @classmethod
    def of(
        cls,
        conversation: Conversation,
        tools: ToolItems,
        forms: Mapping[str, Mapping[str, str]],
        laid: Laid,
        before: State | None,
        lost: float,
    ) -> State:
        """Return the state of a request that was laid out, after the one before.

        `lost` is what it lost by the tools of the one before.
        """
        forced = changes = 0
        now = {tool.name: forms["tools"].get(tool.name, ABSENT) for tool in tools.tools}
        if before is not None:
            changed = any(now.get(name) != form for name, form in before.tools.items())
            forced = before.forced + (changed and _called(tools, before))
            changes = before.changes + changed
            lost = 0.0 if changed else before.lost + lost
        return cls(
            now,
            {tool.name: tool for tool in tools.tools},
            {
                unit.mark: _stable(forms["history"].get(unit.key, "omitted"))
                for unit in conversation.units
                if None not in unit.mark
            },
            conversation.note_for(forms["history"]),
            laid.volatile_from,
            forced,
            changes,
            lost,
        )


def stayed(
    before: State | None, conversation: Conversation, forms: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """Return the forms of tools and units that the request before had, by part, if all stayed."""
    if before is None:
        return {}
    units = {
        unit.key: form
        for unit in conversation.units
        if (form := before.history.get(unit.mark)) is not None
    }
    made = {"tools": before.tools, "history": units}
    return {
        part: own
        for part, own in made.items()
        if all(_stable(forms[part].get(key, _OUT[part])) == form for key, form in own.items())
    }


def _stable(form: str) -> str:
    return STABLE.get(form, form)


def before_of(previous: Request | None, memory: Memory | None) -> State | None:
    """Return the state of the request before: the one given, else the memory's last."""
    if previous is None and memory is not None:
        with _lock:
            previous = _last.get(memory)
    state = previous._state if previous is not None else None
    return state if isinstance(state, State) else None


def remember(memory: Memory | None, request: Request) -> None:
    """Keep a request as the last of a memory, while the memory is used."""
    if memory is not None:
        with _lock:
            _last[memory] = request


def fit_stable(fitter: Fitter, before: State | None) -> tuple[Fitted, float]:
    """Return the best request, near to the one before while its cache saves more.

    The second result is the value that it lost by tools that stayed.
    """
    if before is None:
        return fitter.fit_or_raise(), 0.0
    tools, history = _kept_tools(fitter, before), _kept_history(fitter, before)
    stays = None
    if tools is not None:
        fitter.conversation.last_note = before.note
        stays = fitter.fit({"tools": tools, "history": history})
        fitter.conversation.last_note = None
        if stays is not None and _whole(fitter, stays):
            return stays, 0.0
    free = fitter.fit_or_raise()
    price = _lost(fitter, free)
    kept = fitter.fit({"tools": tools}) if tools is not None else None
    if kept is None:
        return _low(fitter, _with_room(fitter, free), {}), 0.0
    loses = max(0.0, fitter.value(free) - fitter.value(kept))
    ahead = sum(free.laid.parts.get(part, 0) for part in ("system", "tools", "rules"))
    costs = price * ahead * DEARER**before.changes
    loses = min(loses, MOST_OF_ONE * costs)
    if tools and loses and before.lost + loses >= costs:
        return _low(fitter, _with_room(fitter, free), {}), 0.0
    best = _low(fitter, kept, {"tools": tools or {}})
    behind = (stays or kept).laid.parts.get("history", 0)
    if stays is not None and fitter.value(stays) >= fitter.value(best) - CHANGE * price * behind:
        best = stays
    return best, loses


def _lost(fitter: Fitter, free: Fitted) -> float:
    """Return what it costs, in value, that a token is not read from the cache."""
    row = fitter.inputs.prices
    return max(LEAST_PRICE, fitter.price(free)) * max(0.0, row.write - row.read)


def _with_room(fitter: Fitter, free: Fitted) -> Fitted:
    """Return the best request whose tools leave the history room to grow, if some are left out."""
    forms, parts = free.choice.forms["tools"], free.laid.parts
    if all(forms.get(tool.name) == "full" for tool in fitter.tools.tools):
        return free
    tools = parts.get("tools", 0)
    most = tools - max(parts.get("history", 0), int(GROWTH * tools))
    return fitter.fit({}, most={"tools": most}) or free if most > 0 else free


def _low(fitter: Fitter, best: Fitted, kept: Mapping[str, Mapping[str, str]]) -> Fitted:
    """Return a request like `best` whose history has room to grow, if messages are left out."""
    forms = best.choice.forms["history"]
    if all(forms.get(unit.key) in ("full", "shortened") for unit in fitter.conversation.units):
        return best
    most = max(int(LOW_WATER * best.laid.parts.get("history", 0)), fitter.least_history())
    return fitter.fit(kept, most={"history": most}) or best


def _whole(fitter: Fitter, fitted: Fitted) -> bool:
    """Return whether every tool and every unit is in full, so that nothing can be gained."""
    forms = fitted.choice.forms
    return all(forms["tools"].get(tool.name) == "full" for tool in fitter.tools.tools) and all(
        forms["history"].get(unit.key) == "full" for unit in fitter.conversation.units
    )


def _kept_tools(fitter: Fitter, before: State) -> dict[str, str] | None:
    """Return the forms of tools, None if they have to change."""
    tools = fitter.tools
    if {tool.name for tool in tools.tools} != before.tools.keys():
        return None
    if before.forced < FORCED and _called(tools, before):
        return None
    for tool, chance in zip(tools.tools, tools.chance.tolist(), strict=True):
        form = before.tools[tool.name]
        if before.known[tool.name].schema != tool.schema:
            return None
        if form == ABSENT and chance >= NEEDED:
            return None
    return dict(before.tools)


def _called(tools: ToolItems, before: State) -> bool:
    """Return whether a tool was called that the request before did not send in full."""
    return any(before.tools.get(name) != "full" for name in tools.called)


def _kept_history(fitter: Fitter, before: State) -> dict[str, str]:
    """Return the forms of the units that the request before had; new ones are sent."""
    found: dict[str, str] = {}
    for unit in fitter.conversation.units:
        if (form := before.history.get(unit.mark)) is not None:
            found[unit.key] = form
    return found

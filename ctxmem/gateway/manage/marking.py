"""Cache marks: where the client has them, and where a managed request has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ctxmem.gateway.manage.knowing import is_marked
from ctxmem.gateway.wire import Asked
from ctxmem.pricing import MARKS_BY_ITSELF, Prices
from ctxmem.request import marked

_HOUR = 3600.0
_MOST = 4


@dataclass(frozen=True, slots=True)
class Marks:
    """The cache marks of a client's request.

    Attributes:
        tools: whether a tool has one.
        system: numbers of the parts of the system message that have one.
        messages: numbers of the messages that have one.
        automatic: whether the provider is asked to mark the last block by itself.
        explicit: whether the provider is asked not to mark anything by itself.
        hour: whether those nearest to the end are for an hour.
    """

    tools: bool = False
    system: tuple[int, ...] = ()
    messages: tuple[int, ...] = ()
    automatic: bool = False
    explicit: bool = False
    hour: bool = False

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return self.tools or bool(self.system) or bool(self.messages) or self.automatic

    def by_itself(self, prices: Prices) -> bool:
        """Return whether the provider marks the newest message though nobody asks for it."""
        return prices.name == MARKS_BY_ITSELF and not self.explicit

    def free(self, prices: Prices) -> int:
        """Return how many marks a managed request may have on its messages."""
        most = min(_MOST, prices.breakpoints)
        return max(0, most - self.tools - len(self.system) - self.automatic)

    def head(self, prices: Prices, system: int, blocks: int) -> tuple[int, ...]:
        """Return the blocks of the head that a mark is behind, of `system` parts and all blocks."""
        if not prices.marked:
            return ()
        before = blocks - system
        tools = (before,) if self.tools else ()
        return (*tools, *(before + place + 1 for place in self.system))

    def of(self, prices: Prices, system: int, head: int, blocks: int) -> tuple[int, ...]:
        """Return the blocks of the client's request that a mark is behind."""
        if not prices.marked:
            return ()
        end = (blocks,) if self.automatic or self.by_itself(prices) else ()
        inside = (head + place + 1 for place in self.messages)
        return (*self.head(prices, system, head), *inside, *end)


def client_marks(wire: str, asked: Asked, messages: Sequence[int]) -> Marks:
    """Return the marks of a client's request; `messages` are the numbers of those with one."""
    options = asked.body.get("prompt_cache_options")
    whole = asked.body.get("cache_control")
    system = tuple(i for i, one in enumerate(asked.system) if is_marked(one))
    tools = [one for one in asked.tools if is_marked(one)]
    held = [*tools, *(asked.system[i] for i in system), *(asked.messages[i] for i in messages)]
    last = _mark_in(held[-1]) if held else whole
    return Marks(
        tools=bool(tools),
        system=system,
        messages=tuple(messages),
        automatic=wire == "anthropic" and isinstance(whole, dict),
        explicit=isinstance(options, dict) and options.get("mode") == "explicit",
        hour=isinstance(last, dict) and last.get("ttl") == "1h",
    )


def _mark_in(value: Any) -> Any:
    """Return the last mark in a message, a block or a tool."""
    if not isinstance(value, dict):
        return None
    inside = value.get("content")
    found = [_mark_in(block) for block in inside] if isinstance(inside, list) else []
    found = [mark for mark in found if mark is not None]
    return found[-1] if found else value.get("cache_control")


def with_marks(
    wire: str, messages: Sequence[Any], at: Sequence[int], prices: Prices, *, hour: bool
) -> tuple[list[Any], list[int]]:
    """Return messages with marks behind those at the given places, or the nearest before them.

    Messages without a mark are the same objects. Also returned are the places of the marks.
    """
    if not at or not prices.marked:
        return list(messages), []
    row = replace(prices, ttl=_HOUR if hour else min(prices.ttl, 300.0))
    if wire == "responses":
        made = _responses(messages, at)
    else:
        provider = "anthropic" if wire == "anthropic" else "openai"
        made = marked(messages, at, provider, row)  # type: ignore[arg-type]
    placed = [i for i, (new, old) in enumerate(zip(made, messages, strict=True)) if new != old]
    same = [
        new if i in placed else old for i, (new, old) in enumerate(zip(made, messages, strict=True))
    ]
    return same, placed


def _responses(messages: Sequence[Any], at: Sequence[int]) -> list[Any]:
    """Return items of Responses with marks: only messages that are not of the model have them."""
    made = list(messages)
    for place in sorted(set(at)):
        for i in range(place, -1, -1):
            item = made[i]
            content = item.get("content")
            if item.get("role") not in ("user", "system", "developer"):
                continue
            if isinstance(content, str):
                content = [{"type": "input_text", "text": content}]
            if not isinstance(content, list) or not content or not isinstance(content[-1], dict):
                continue
            mark = {"prompt_cache_breakpoint": {"mode": "explicit"}}
            made[i] = {**item, "content": [*content[:-1], {**content[-1], **mark}]}
            break
    return made

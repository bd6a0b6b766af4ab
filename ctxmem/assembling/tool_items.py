"""The tools of a request as items, and as what is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.assembling import values
from ctxmem.assembling.options import Item, Option
from ctxmem.chat.counting import Meter
from ctxmem.toolset import Tool, find_tool, rank_tools, shaped
from ctxmem.toolset.finding import NAME

_KEPT = 1 << 12


class _Forms(NamedTuple):
    """The schemas of a tool in a provider's shape, and its line as the counter sees it."""

    full: Any
    short: Any
    line: str


_forms: dict[tuple[Tool, str], _Forms] = {}


class ToolItems:
    """The tools that can be offered, what each form of them costs, and how likely each is needed.

    `called` are the names of tools that the history calls, the last call last: their schemas are
    sent in full.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        provider: str,
        meter: Meter,
        *,
        question: str,
        called: Sequence[str],
        beside_system: bool,
    ) -> None:
        self.tools = tools
        self.provider, self.meter = provider, meter
        self.beside_system = beside_system
        self.called = frozenset(called) & {tool.name for tool in tools}
        self.chance: NDArray[np.float64] = (
            rank_tools(question, tools, recent=called) if tools else np.zeros(0)
        )
        self.findable = bool(tools) and all(tool.name != NAME for tool in tools)
        self.forms = [_forms_of(tool, provider) for tool in tools]
        self.base = self.finder = 0
        if tools:
            finder = find_tool((), provider)
            own = self._cost(("find_tool", provider), finder)
            first = self._cost((tools[0], "full", provider), self.forms[0].full)
            self.base = self.count([self.forms[0].full, finder]) - first - own
            self.finder = own

    def items(self, *, deferring: bool) -> list[Item]:
        """Return an item for each tool; with `deferring`, a tool can be a line of `find_tool`."""
        made = []
        memo = self.meter.memo
        for tool, forms, chance in zip(self.tools, self.forms, self.chance.tolist(), strict=True):
            value = values.CALL * chance
            full = Option("full", self._cost((tool, "full", self.provider), forms.full), value)
            if tool.hosted or tool.name in self.called:
                made.append(Item("tools", tool.name, (full,)))
                continue
            options = [full]
            short = self._cost((tool, "short", self.provider), forms.short)
            if short < full.tokens:
                options.append(Option("short", short, values.SHORT * value))
            line = memo.get((tool, "line"))
            if line is None:
                line = memo[tool, "line"] = self.meter.count(forms.line)
            if deferring and line < options[-1].tokens:
                options.append(Option("deferred", line, values.DEFERRED * value))
            made.append(Item("tools", tool.name, tuple(options)))
        return made

    def sent(self, forms: Mapping[str, str]) -> list[Any]:
        """Return the tools to send, `find_tool` last."""
        made = []
        deferred = []
        for tool, schemas in zip(self.tools, self.forms, strict=True):
            form = forms.get(tool.name)
            if form == "full":
                made.append(schemas.full)
            elif form == "short":
                made.append(schemas.short)
            elif form == "deferred":
                deferred.append(tool)
        return [*made, find_tool(deferred, self.provider)] if deferred else made

    def deferred(self, forms: Mapping[str, str]) -> tuple[Tool, ...]:
        """Return the tools that are sent as lines."""
        return tuple(tool for tool in self.tools if forms.get(tool.name) == "deferred")

    def count(self, schemas: Sequence[Any]) -> int:
        """Return the tokens of tools as they are sent."""
        if not schemas:
            return 0
        return self.meter.tools(schemas, beside_system=self.beside_system)

    def _cost(self, key: Any, schema: Any) -> int:
        """Return what a tool adds to a list of tools."""
        memo = self.meter.memo
        found = memo.get(key)
        if found is None:
            found = self.meter.tools([schema, schema]) - self.meter.tools([schema])
            if len(memo) >= 4 * _KEPT:
                memo.clear()
            memo[key] = found
        return found


def _forms_of(tool: Tool, provider: str) -> _Forms:
    found = _forms.get((tool, provider))
    if found is None:
        found = _Forms(
            shaped(tool.full, provider), shaped(tool.short, provider), f"// {tool.line}\n"
        )
        if len(_forms) >= _KEPT:
            _forms.clear()
        _forms[tool, provider] = found
    return found

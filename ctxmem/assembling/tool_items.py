"""The tools of a request as items, and as what is sent."""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.assembling import values
from ctxmem.assembling.asking import Holdings
from ctxmem.assembling.options import NONE, Offer
from ctxmem.chat.counting import Meter
from ctxmem.toolset import Tool, find_tool, rank_tools, shaped
from ctxmem.toolset.finding import NAME
from ctxmem.toolset.words import split

_KEPT = 1 << 12
_MEMO = 1 << 16  # entries of a meter's memo, which the history uses, too


class _Forms(NamedTuple):
    """The schemas of a tool in a provider's shape, and its line as the counter sees it."""

    full: Any
    short: Any
    line: str


_forms: dict[tuple[Tool, str], _Forms] = {}


class ToolItems:
    """The tools that can be offered, what each form of them costs, and how likely each is needed.

    `called` are the names of tools that the history calls, the last call last, and `found` those
    that `find_tool` returned since the last question: the schemas of both are sent in full.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        provider: str,
        meter: Meter,
        *,
        asks: Sequence[str],
        called: Sequence[str],
        found: Iterable[str] = (),
        beside_system: bool,
    ) -> None:
        self.tools = tools
        self.provider, self.meter = provider, meter
        self.beside_system = beside_system
        self.called = frozenset((*called, *found)) & {tool.name for tool in tools}
        self.chances = np.zeros((len(asks), len(tools)))
        if tools:
            self.chances = np.stack([rank_tools(ask, tools, recent=called) for ask in asks])
        self.chance: NDArray[np.float64] = self.chances.max(axis=0, initial=0.0)
        self.findable = bool(tools) and all(tool.name != NAME for tool in tools)
        self.forms = [_forms_of(tool, provider) for tool in tools]
        self.base = self.finder = 0
        if tools:
            finder = find_tool((), provider)
            self.base, self.finder = self._fixed(finder)

    def holdings(self) -> Holdings | None:
        """Return the words of the tools, None if there are no tools."""
        texts = [f"{' '.join(split(tool.name))} {tool.description}" for tool in self.tools]
        return Holdings(texts) if texts else None

    def weigh(self, shares: NDArray[np.float64]) -> None:
        """Set how likely each tool is needed, by the share of each ask that tools have."""
        self.chance = 1.0 - np.prod(1.0 - shares[:, None] * values.needed(self.chances), axis=0)

    def offer(self, *, deferring: bool, any_form: bool = False) -> Offer:
        """Return the tools with their forms; with `deferring`, as lines of `find_tool`, too.

        A tool that is left out keeps some value there: `find_tool` returns it. Called tools have
        the full form only, unless `any_form` says otherwise.
        """
        full, short, line = self._columns()
        value = values.CALL * self.chance
        only = np.array(
            [tool.hosted or (tool.name in self.called and not any_form) for tool in self.tools],
            dtype=np.bool_,
        )
        short = np.where(only | (short >= full), NONE, short)
        columns, amounts, forms = [full, short], [value, values.SHORT * value], ["full", "short"]
        if deferring:
            line = np.where(only | (line >= np.minimum(full, short)), NONE, line)
            columns += [line, np.where(only, NONE, 0)]
            amounts += [values.DEFERRED * value, values.HIDDEN * value]
            forms += ["deferred", "omitted"]
        return Offer(
            "tools",
            [tool.name for tool in self.tools],
            tuple(forms),
            np.stack(columns, axis=1),
            np.stack(amounts, axis=1),
            np.zeros(len(self.tools), dtype=np.bool_),
            self.base + (self.finder if deferring else 0),
        )

    def _columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the tokens of each form of each tool."""
        memo = self.meter.memo
        known = []
        for tool, forms in zip(self.tools, self.forms, strict=True):
            found = memo.get((tool, self.provider))
            if found is None:
                found = (
                    self._cost(forms.full),
                    self._cost(forms.short),
                    self.meter.count(forms.line),
                )
                if len(memo) >= _MEMO:
                    memo.clear()
                memo[tool, self.provider] = found
            known.append(found)
        rows = np.array(known, dtype=np.int64).reshape(-1, 3)
        return rows[:, 0], rows[:, 1], rows[:, 2]

    def sent(self, forms: Mapping[str, str]) -> list[Any]:
        """Return the tools to send, `find_tool` last."""
        made = []
        deferred = []
        finding = False
        for tool, schemas in zip(self.tools, self.forms, strict=True):
            form = forms.get(tool.name)
            if form == "full":
                made.append(schemas.full)
            elif form == "short":
                made.append(schemas.short)
            elif form is not None:
                finding = True
                if form == "deferred":
                    deferred.append(tool)
        return [*made, find_tool(deferred, self.provider)] if finding else made

    @staticmethod
    def copied(schemas: list[Any]) -> list[Any]:
        """Return copies of schemas, since the ones here are sent with other requests, too."""
        try:
            made: list[Any] = marshal.loads(marshal.dumps(schemas, 2))
        except ValueError:  # an object of a framework
            return schemas
        return made

    def deferred(self, forms: Mapping[str, str]) -> tuple[Tool, ...]:
        """Return the tools that `find_tool` returns: those that are not sent with a schema."""
        return tuple(tool for tool in self.tools if forms.get(tool.name) in ("deferred", "omitted"))

    def _fixed(self, finder: Any) -> tuple[int, int]:
        """Return what any tools add, and what `find_tool` adds without a list."""
        memo, key = self.meter.memo, (self.tools[0], self.provider, self.beside_system)
        if key not in memo:
            own, first = self._cost(finder), self._cost(self.forms[0].full)
            both = [self.forms[0].full, finder]
            memo[key] = self.meter.tools(both, beside_system=self.beside_system) - first - own, own
        fixed: tuple[int, int] = memo[key]
        return fixed

    def count(self, forms: Mapping[str, str], schemas: Sequence[Any]) -> int:
        """Return the tokens of tools as they are sent in these forms."""
        if not schemas:
            return 0
        own = tuple((tool, forms.get(tool.name)) for tool in self.tools)
        memo, key = self.meter.memo, ("sent", self.provider, self.beside_system, own)
        found = memo.get(key)
        if found is None:
            named = [pair for pair in own if pair[1] in ("full", "short")]
            read = [self._read(*pair) for pair in zip(named, schemas, strict=False)]
            read += [self.meter.tool(schema) for schema in schemas[len(named) :]]  # find_tool
            found = self.meter.read_tools(read, beside_system=self.beside_system)
            if len(memo) >= _MEMO:
                memo.clear()
            memo[key] = found
        return int(found)

    def _read(self, named: tuple[Tool, str | None], schema: Any) -> Any:
        """Return what is counted of a tool in a form."""
        memo, key = self.meter.memo, ("read", self.provider, *named)
        found = memo.get(key)
        if found is None:
            if len(memo) >= _MEMO:
                memo.clear()
            found = memo[key] = self.meter.tool(schema)
        return found

    def _cost(self, schema: Any) -> int:
        """Return what a tool adds to a list of tools."""
        return self.meter.tools([schema, schema]) - self.meter.tools([schema])


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

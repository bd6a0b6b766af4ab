"""Solve, lay out and count a request until it is within its budget."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.assembling.blocks import Blocks
from ctxmem.assembling.conversation import Conversation
from ctxmem.assembling.inputs import LIMITED, Inputs
from ctxmem.assembling.layout import Laid, Layout
from ctxmem.assembling.menu import Limits, Menu
from ctxmem.assembling.options import NONE, Offer, no_items, nothing_sent, whole_units
from ctxmem.assembling.problem import Choice, Problem
from ctxmem.assembling.recalling import Recalled
from ctxmem.assembling.tool_items import ToolItems
from ctxmem.errors import BudgetError
from ctxmem.schema import Window

ROUNDS = 10
"""Attempts to fit a request whose parts do not sum exactly; two are nearly always enough."""
UNUSED = 0.01
"""Share of the budget that may remain unused because counts of parts were too high."""

Kept = Mapping[str, Mapping[str, str]]


class Fitted(NamedTuple):
    """A request within its budget: what was chosen, the blocks, and how it is laid out."""

    choice: Choice
    window: Window | None
    laid: Laid


class Fitter:
    """Finds the best request of one set of inputs."""

    def __init__(
        self,
        inputs: Inputs,
        tools: ToolItems,
        conversation: Conversation,
        blocks: Blocks,
        layout: Layout,
        evidence: NDArray[np.float64],
        recalled: Recalled,
    ) -> None:
        self.inputs, self.tools, self.conversation = inputs, tools, conversation
        self.blocks, self.layout, self.evidence = blocks, layout, evidence
        layout.part_of, layout.recalled = blocks.part_of, recalled
        self.recalled = recalled
        self.limit = inputs.budget.limit
        self.room = self.limit - layout.always
        self.limits = {
            name: (section.min, section.max)
            for name, section in inputs.sections.items()
            if name in ("tools", "history")
        }
        self._over = 0  # tokens by which the last request exceeds the budget
        self._binding = True  # rules that were said in the history must be sent
        self._newest = True  # so must be the newest exchange
        self._offers: dict[tuple[str, bool, bool, bool], Offer] = {}

    # Fitting --------------------------------------------------------------------------------------

    def fit_or_raise(self) -> Fitted:
        """Return the best request.

        Raises:
            BudgetError: what is required does not fit.
        """
        found = self.fit({})
        if found is None:
            minima = any(part.min for part in self.inputs.sections.values())
            raise (self.blocks.conflict if minima else None) or self.too_much()
        return found

    def fit(self, kept: Kept, *, most: Mapping[str, int] | None = None) -> Fitted | None:
        """Return the best request; None if what is required does not fit.

        `kept` are forms of items by part and key that must not change. `most` are maxima of the
        tokens of tools and history, beside those of their sections.
        """
        called = (True, False) if self.tools.tools and not kept else (True,)
        binding = (True, False) if self.conversation.statements else (False,)
        newest = (True, False) if self.conversation.newest else (False,)
        for self._binding, strict, self._newest in itertools.product(binding, called, newest):
            menus = self._menus(kept, strict, most or {})
            found = self._fit(Problem(menus, self.blocks))
            if found is not None:
                return found
        units = self.conversation.units
        if kept or most or not units or any(unit.required for unit in units):
            return None
        # A note about what is left out does not fit, and the question goes before it.
        limits = self._limits({})
        offers = self._tool_offers(False, None)
        menus = [self._menu([tools, nothing_sent("history")], limits) for tools in offers]
        return self._fit(Problem(menus, self.blocks))

    def _fit(self, problem: Problem) -> Fitted | None:
        if self.room < 0:
            return None
        room = self.room - self.layout.between(bool(self.blocks.chunks))
        choice = problem.solve(max(0, room), self.room)
        best: Fitted | None = None
        for _ in range(ROUNDS):
            if choice is None:
                break
            best = self._laid(problem, choice)
            if best is not None:
                break
            room -= max(self._over, 1)
            choice = problem.again(choice, room, self.room)
        if best is None:
            return self._least(problem)
        return self._filled(problem, best, room)

    def _filled(self, problem: Problem, best: Fitted, room: int) -> Fitted:
        """Return a request that uses what counts of parts left over: for items, then for blocks."""
        for blocks in (False, True):
            spare = self.limit - best.laid.tokens
            if spare <= max(4, UNUSED * self.limit) or not self.price(best):
                return best
            more = best.choice.share.limit + (spare if blocks else 0)
            choice = problem.again(best.choice, room + spare, self.room, more)
            found = self._laid(problem, choice) if choice is not None else None
            if found is not None and self.value(found) > self.value(best):
                best, room = found, room + spare
        return best

    def _laid(self, problem: Problem, choice: Choice) -> Fitted | None:
        """Return the request of a choice, None if it is over the budget or a limit."""
        window = self._window(problem, choice)
        laid = self.layout.lay(choice.forms, window)
        self._over = laid.tokens - self.limit
        if self._over <= 0 and self._within(laid):
            return Fitted(choice, window, laid)
        return None

    def _least(self, problem: Problem) -> Fitted | None:
        """Return the request of what is required and nothing else, None if it does not fit."""
        choice = problem.required(self.room)
        return self._laid(problem, choice) if choice is not None else None

    def _within(self, laid: Laid) -> bool:
        """Return whether tools and history keep their limits as counted."""
        return all(
            most is None or laid.parts.get(part, 0) <= most
            for part, (_, most) in self.limits.items()
        )

    def _window(self, problem: Problem, choice: Choice) -> Window | None:
        if choice.share.limit < 1:
            return None
        window = problem.blocks.window(choice.share.limit)
        return window if window is not None and window.pieces else None

    # Modes ----------------------------------------------------------------------------------------

    def _menus(self, kept: Kept, strict: bool, most: Mapping[str, int]) -> list[Menu]:
        """Return the ways to send tools and history, as menus."""
        limits = self._limits(most)
        return [
            self._menu([tools, units], limits)
            for tools in self._tool_offers(strict, kept.get("tools"))
            for units in self._history_offers(kept.get("history"))
        ]

    def _menu(self, offers: list[Offer], limits: Limits) -> Menu:
        return Menu(offers, limits, self.inputs.budget.min_density)

    def _limits(self, most: Mapping[str, int]) -> Limits:
        """Return the limits of tools and history, without what is always sent."""
        limits = dict(self.limits)
        for part, tokens in most.items():
            own = limits.get(part, (0, None))[1]
            limits[part] = (0, tokens if own is None else min(own, tokens))
        heads = self.layout.heads().get("history", 0)
        if "history" in limits and heads:
            least, own = limits["history"]
            limits["history"] = (max(0, least - heads), None if own is None else own - heads)
        return limits

    def _tool_offers(self, strict: bool, kept: Mapping[str, str] | None) -> list[Offer]:
        tools = self.tools
        if not tools.tools:
            return [no_items("tools")]
        if kept is not None:
            finding = tools.findable and bool({"deferred", "omitted"} & set(kept.values()))
            offer = tools.offer(deferring=finding, any_form=True).keeping(kept)
            return [offer]
        called = tools.called if strict else frozenset[str]()
        names = {tool.name for tool in tools.tools}
        # All tools are sent with their schemas, or find_tool returns the others.
        made = [self._offer("tools", False).demanding(names if strict else called)]
        if tools.findable:
            made.append(self._offer("tools", True).demanding(called))
        return made if strict else [*made, no_items("tools")]

    def _history_offers(self, kept: Mapping[str, str] | None) -> list[Offer]:
        if not self.conversation.units:
            return [no_items("history")]
        made = [self._offer("history", noting) for noting in (False, True)]
        if kept is not None:
            made = [offer.keeping(kept, ("full", "shortened")) for offer in made]
            made = made[1:] if {"indexed", "omitted"} & set(kept.values()) else made
        return made

    def _offer(self, part: str, more: bool) -> Offer:
        """Return the tools or the history with all forms (`more`), or without lines for them."""
        key = part, more, self._binding, self._newest
        found = self._offers.get(key)
        if found is None:
            if part == "tools":
                found = self.tools.offer(deferring=more)
            else:
                found = (
                    self.conversation.offer(
                        self.evidence,
                        self.room,
                        binding=self._binding,
                        newest=self._newest,
                        excerpts=self.recalled.tokens,
                        title=self.recalled.title,
                    )
                    if more
                    else whole_units(self._offer(part, True))
                )
            self._offers[key] = found
        return found

    def least_history(self) -> int:
        """Return about the tokens of the history that must be sent."""
        offer = self._offer("history", True)
        least = offer.counted[offer.required].min(axis=1, initial=NONE)
        return int(least.sum()) + offer.fixed + self.layout.heads().get("history", 0)

    def offers(self) -> list[Offer]:
        """Return every item with all of its forms."""
        made = [self._offer("tools", self.tools.findable)] if self.tools.tools else []
        return [*made, self._offer("history", True)] if self.conversation.units else made

    # Values ---------------------------------------------------------------------------------------

    def _value(self, choice: Choice, window: Window | None) -> float:
        return choice.items.value + (window.value if window is not None else 0.0)

    def value(self, fitted: Fitted) -> float:
        """Return the value of a request."""
        return self._value(fitted.choice, fitted.window)

    def bound(self, fitted: Fitted) -> float:
        """Return a value that no request of these options exceeds."""
        choice, window = fitted.choice, fitted.window
        bound = choice.bound
        if window is not None and self.blocks.is_finer(choice.share.limit):
            # Blocks were cut into smaller parts, which the bound of the larger ones does not cover.
            shown = 1 - window.unselected_share
            bound = choice.items_bound + (window.value / shown if shown > 0 else window.upper_bound)
        return max(bound, self.value(fitted))

    def proved(self, fitted: Fitted) -> bool:
        """Return whether no request of these options has a higher value."""
        additive = fitted.choice.share.additive
        return additive and self.value(fitted) >= self.bound(fitted) * (1 - 1e-9)

    def gap(self, fitted: Fitted) -> float:
        """Return the share of value that may be missing."""
        bound = self.bound(fitted)
        return 0.0 if self.proved(fitted) else max(0.0, 1 - self.value(fitted) / bound)

    def price(self, fitted: Fitted) -> float:
        """Return the value of one more token of the request."""
        return max(fitted.choice.items.price, fitted.choice.block_price)

    def prices(self, fitted: Fitted) -> dict[str, float]:
        """Return the value of 100 more tokens, of the whole request and by part."""
        choice, window = fitted.choice, fitted.window
        found = {"": 100 * self.price(fitted)}
        for part in LIMITED:
            if part in ("tools", "history"):
                if part in fitted.laid.parts:
                    found[part] = 100 * choice.items.prices.get(part, 0.0)
            elif any(chunk.section == part for chunk in self.blocks.chunks):
                prices = window.prices if window is not None else {}
                found[part] = 100 * float(prices.get(part, choice.block_price))
        return found

    def too_much(self) -> BudgetError:
        """Return the error that names what is required, with its tokens."""
        layout, named = self.layout, dict[str, int]()
        for part, message in layout.system:
            name = "leading system messages" if part == "history" else part
            named[name] = named.get(name, 0) + layout.count(message)
        if layout.question:
            named["question"] = layout.count({"role": "user", "content": layout.question})
        for unit in self.conversation.units:
            if unit.required:
                named[f"message {unit.key} ({unit.required})"] = unit.tokens
        for chunk in self.blocks.chunks:
            if chunk.pinned:
                named[f"{chunk.section} {chunk.id!r} (pinned)"] = layout.meter.count(chunk.text)
        said = ", ".join(f"{name}: {tokens:,}" for name, tokens in list(named.items())[:8])
        total = layout.meter.request + sum(named.values())
        narrow = [name for name, (_, most) in self.limits.items() if most is not None]
        hint = f", or the maximum of the section {narrow[0]!r}" if narrow else ""
        return BudgetError(
            f"budget is {self.limit:,} tokens but what is required needs about {total:,} ({said}); "
            f"raise the budget{hint}, or shorten or unpin these",
            pinned=list(named) or ["request"],
        )

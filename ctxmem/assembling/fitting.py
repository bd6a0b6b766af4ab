"""Solve, lay out and count a request until it is within its budget."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ctxmem.assembling.blocks import Blocks
from ctxmem.assembling.conversation import Conversation
from ctxmem.assembling.inputs import LIMITED, Inputs
from ctxmem.assembling.layout import Laid, Layout
from ctxmem.assembling.menu import Menu
from ctxmem.assembling.options import Item
from ctxmem.assembling.problem import Choice, Mode, Problem
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
        evidence: Sequence[float],
        recalled: Mapping[str, str],
    ) -> None:
        self.inputs, self.tools, self.conversation = inputs, tools, conversation
        self.blocks, self.layout, self.evidence = blocks, layout, evidence
        self.recalled = recalled
        self.limit = inputs.budget.limit
        self.room = self.limit - layout.always
        self.limits = {
            name: (section.min, section.max)
            for name, section in inputs.sections.items()
            if name in ("tools", "history")
        }
        self._menus: dict[tuple[bool, bool, bool], list[Item]] = {}

    # Fitting --------------------------------------------------------------------------------------

    def fit_or_raise(self) -> Fitted:
        """Return the best request.

        Raises:
            BudgetError: what is required does not fit.
        """
        found = self.fit({})
        if found is None:
            raise self.too_much()
        return found

    def fit(self, kept: Kept, *, history_most: int | None = None) -> Fitted | None:
        """Return the best request; None if what is required does not fit.

        `kept` are forms of items by part and key that must not change. `history_most` is a maximum
        of the history's tokens.
        """
        for strict in (True, False) if self.tools.called else (True,):
            modes = self._modes(kept, strict, history_most)
            found = self._fit(Problem(modes, self.blocks, self.recalled))
            if found is not None:
                return found
        return None

    def _fit(self, problem: Problem) -> Fitted | None:
        if not problem.modes or self.room < 0:
            return None
        room = self.room - self.layout.between(bool(self.blocks.chunks))
        choice = problem.solve(max(0, room), self.room)
        best: Fitted | None = None
        raised = 0
        for _ in range(ROUNDS):
            if choice is None:
                break
            window = self._window(problem, choice)
            laid = self.layout.lay(choice.forms, window)
            over = laid.tokens - self.limit
            if over <= 0 and self._within(laid):
                if best is None or self._value(choice, window) > self._value(*best[:2]):
                    best = Fitted(choice, window, laid)
                spare = -over
                if raised > 1 or spare <= max(4, UNUSED * self.limit) or not choice.items.price:
                    return best
                raised += 1
                room += spare
            elif best is not None:
                return best
            else:
                room -= max(over, 1)
            choice = problem.again(choice, room, self.room)
        return best or self._least(problem)

    def _least(self, problem: Problem) -> Fitted | None:
        """Return the request of what is required and nothing else, None if it does not fit."""
        choice = problem.required(self.room)
        if choice is None:
            return None
        window = self._window(problem, choice)
        laid = self.layout.lay(choice.forms, window)
        if laid.tokens <= self.limit and self._within(laid):
            return Fitted(choice, window, laid)
        return None

    def _within(self, laid: Laid) -> bool:
        """Return whether tools and history keep their limits as counted; else lower them."""
        held = True
        for part, (least, most) in self.limits.items():
            if most is not None and laid.parts.get(part, 0) > most:
                held = False
        return held

    def _window(self, problem: Problem, choice: Choice) -> Window | None:
        if choice.share.limit < 1:
            return None
        window = problem.blocks.window(choice.share.limit, problem.gone(choice.forms["history"]))
        return window if window is not None and window.pieces else None

    # Modes ----------------------------------------------------------------------------------------

    def _modes(self, kept: Kept, strict: bool, history_most: int | None) -> list[Mode]:
        """Return the ways to send tools and history."""
        made = []
        limits = dict(self.limits)
        if history_most is not None:
            least, most = limits.get("history", (0, None))
            limits["history"] = (0, history_most if most is None else min(most, history_most))
        heads = self.layout.heads().get("history", 0)
        for tools, fixed in self._tool_modes(strict):
            for units, note in self._history_modes():
                if "history" in kept:
                    units = _sent(units, kept["history"])
                items = [*_only(tools, kept.get("tools")), *_only(units, kept.get("history"))]
                fixed_by = {"tools": fixed, "history": note + heads}
                if any(most is not None and fixed_by[p] > most for p, (_, most) in limits.items()):
                    continue
                left = {
                    part: (
                        max(0, least - fixed_by[part]),
                        None if most is None else most - fixed_by[part],
                    )
                    for part, (least, most) in limits.items()
                }
                made.append(Mode(Menu(items, left, self.inputs.budget.min_density), fixed + note))
        return made

    def _tool_modes(self, strict: bool) -> list[tuple[list[Item], int]]:
        tools = self.tools
        if not tools.tools:
            return [([], 0)]
        called = tools.called if strict else frozenset()
        made = [(_demanded(tools.items(deferring=False), called), tools.base)]
        if tools.findable:
            made.append((_demanded(tools.items(deferring=True), called), tools.base + tools.finder))
        if not called:
            made.append(([], 0))
        return made

    def _history_modes(self) -> list[tuple[list[Item], int]]:
        conversation, room = self.conversation, self.room
        if not conversation.units:
            return [([], 0)]
        whole = conversation.items(self.evidence, room, noting=False)
        noting = conversation.items(self.evidence, room, noting=True)
        return [(whole, 0), (noting, conversation.base)]

    def items(self) -> dict[tuple[str, str], Item]:
        """Return every item with all of its options."""
        made = self.tools.items(deferring=self.tools.findable)
        made += self.conversation.items(self.evidence, self.room, noting=True)
        return {(item.part, item.key): item for item in made}

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
        if window is not None and self.blocks.recut:
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
        return max(fitted.choice.items.price, fitted.choice.share.price)

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
                found[part] = 100 * float(prices.get(part, choice.share.price))
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
        return BudgetError(
            f"budget is {self.limit:,} tokens but what is required needs about {total:,} ({said}); "
            "raise the budget, or shorten or unpin these",
            pinned=list(named) or ["request"],
        )


def _demanded(items: list[Item], names: Collection[str]) -> list[Item]:
    """Return items of which those with the names must be sent."""
    return [
        Item(item.part, item.key, item.options, True) if item.key in names else item
        for item in items
    ]


def _sent(items: Sequence[Item], forms: Mapping[str, str]) -> list[Item]:
    """Return items of which the new ones must be sent, in full or shortened."""
    made = []
    for item in items:
        if forms.get(item.key) == "new":
            options = tuple(o for o in item.options if o.form in ("full", "shortened"))
            item = Item(item.part, item.key, options, True)
        made.append(item)
    return made


def _only(items: Sequence[Item], forms: Mapping[str, str] | None) -> list[Item]:
    """Return items that keep their forms; those that are new are as they are."""
    if forms is None:
        return list(items)
    made = []
    for item in items:
        form = forms.get(item.key)
        if form is not None and form != "new":
            options = tuple(option for option in item.options if option.form == form)
            item = Item(item.part, item.key, options, bool(options))
        made.append(item)
    return made

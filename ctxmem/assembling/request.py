"""The result of `assemble`: a request that is ready to be sent, and why it is as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ctxmem.errors import InputError, InputTypeError
from ctxmem.schema import SCHEMA_VERSION

PARTS = ("system", "tools", "rules", "history", "memory", "passages", "code", "question")
"""The parts of a request, in the order of `Request.parts`."""


class PartDecision(NamedTuple):
    """How one input is shown in a request, and why.

    Attributes:
        part: one of `PARTS`.
        key: the name of a tool, the positions of a unit's messages ("3" or "3-5"), the id of a
            passage.
        form: "full", "short", "deferred", "shortened", "indexed", "omitted" or "duplicate".
        tokens: tokens of the form in the request; 0 if it is left out.
        value: expected value of that form.
        reason: why, as a sentence.
        position: index of the input in its part.
    """

    part: str
    key: str
    form: str
    tokens: int
    value: float
    reason: str
    position: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request within a budget.

    Attributes:
        messages: the messages to send, in the form of the provider. At Anthropic the system text
            is sent beside them and is in `system`.
        tools: the tools to send, in the form of the provider; with deferred tools, `find_tool` is
            the last one.
        tokens: the tokens of all that is sent, as `count_messages` counts it.
        budget: the maximum of `tokens`.
        parts: tokens by part; their sum is `tokens`.
        prices: expected value of 100 more tokens, by part; "" is the whole request.
        decisions: one for every tool, unit of the history, rule and passage.
        status: "optimal" if no request of these options has a higher value, else "feasible".
        gap: the share of value that may be missing, by the bound.
        exact: False if the counts are estimates.
        counter: the name of the counter.
        volatile_from: the first message that is for this call only.
        breakpoints: the messages behind which the provider is asked to cache.
        provider: "openai", "responses" or "anthropic".
        value: expected value of what is shown.
        upper_bound: a value that no request of these options within the budget exceeds.
        system: what is sent as `system` beside the messages; None if they hold it.
    """

    messages: list[dict[str, Any]]
    tools: list[Any]
    tokens: int
    budget: int
    parts: dict[str, int]
    prices: dict[str, float]
    decisions: tuple[PartDecision, ...]
    status: str
    gap: float
    exact: bool
    counter: str
    volatile_from: int
    breakpoints: tuple[int, ...]
    provider: str
    value: float = 0.0
    upper_bound: float = 0.0
    system: Any = None
    stopped_early: bool = False
    _deferred: tuple[Any, ...] = field(default=(), repr=False, compare=False)
    _state: Any = field(default=None, repr=False, compare=False)

    def body(self) -> dict[str, Any]:
        """Return the fields of the provider's request that ctxmem decides."""
        messages = "input" if self.provider == "responses" else "messages"
        made: dict[str, Any] = {messages: self.messages}
        if self.system is not None:
            made["system"] = self.system
        if self.tools:
            made["tools"] = self.tools
        return made

    def answer(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message that answers a call of `find_tool`, in the form of the call.

        `call` is an entry of `tool_calls` (or of the content, for Anthropic), or the whole message
        of the model if it has exactly one call of `find_tool`.

        Raises:
            InputError, InputTypeError: it is no call, one of another tool, or a message without
                exactly one call of `find_tool`.
        """
        from ctxmem.chat.tools import one_call, result_message
        from ctxmem.toolset import answer_find
        from ctxmem.toolset.finding import NAME

        if not isinstance(call, Mapping):
            raise InputTypeError(f"the call is {call!r}; expected a dict, as the model returned it")
        call = one_call(call, NAME)
        function = call.get("function")
        inner = function if isinstance(function, Mapping) else call
        name = inner.get("name")
        if name != NAME:
            raise InputError(f"the call is of {name!r}; expected a call of {NAME!r}")
        arguments = inner.get("arguments", inner.get("input"))
        text = answer_find(arguments, self._deferred, provider=self.provider)
        return result_message(call, text)

    def to_dict(self) -> dict[str, Any]:
        """Return the request as plain data, ready for JSON, with a schema version."""
        return {
            "schema_version": SCHEMA_VERSION,
            "messages": self.messages,
            "tools": self.tools,
            "system": self.system,
            "provider": self.provider,
            "tokens": self.tokens,
            "budget": self.budget,
            "exact": self.exact,
            "counter": self.counter,
            "status": self.status,
            "value": self.value,
            "upper_bound": self.upper_bound,
            "gap": self.gap,
            "stopped_early": self.stopped_early,
            "parts": dict(self.parts),
            "prices": dict(self.prices),
            "volatile_from": self.volatile_from,
            "breakpoints": list(self.breakpoints),
            "decisions": [decision._asdict() for decision in self.decisions],
        }

    def explain(self) -> str:
        """Return a report for a person: what each part takes, and why."""
        from ctxmem import report

        return report.request_text(self.to_dict())

    def to_html(self, path: str | Path) -> Path:
        """Write the request as one self-contained HTML page; return its path."""
        from ctxmem import report

        target = Path(path)
        target.write_text(report.request_page(self.to_dict()), encoding="utf-8")
        return target

    def _repr_html_(self) -> str:
        from ctxmem import report

        return report.request_html(self.to_dict())

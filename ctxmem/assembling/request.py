"""The result of `assemble`: a request that is ready to be sent, and why it is as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

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
        raise NotImplementedError

    def answer(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message that answers a call of `find_tool`."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return the request as plain data, ready for JSON, with a schema version."""
        names = (
            "provider",
            "counter",
            "exact",
            "tokens",
            "budget",
            "status",
            "value",
            "upper_bound",
            "gap",
            "stopped_early",
            "volatile_from",
            "system",
        )
        return {
            "schema_version": SCHEMA_VERSION,
            **{name: getattr(self, name) for name in names},
            "parts": dict(self.parts),
            "prices": dict(self.prices),
            "breakpoints": list(self.breakpoints),
            "decisions": [decision._asdict() for decision in self.decisions],
            "tools": list(self.tools),
            "messages": list(self.messages),
        }

    def explain(self) -> str:
        """Return a report for a person: what each part takes, and why."""
        from ctxmem import report  # here, because half of the import of this module would be its

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

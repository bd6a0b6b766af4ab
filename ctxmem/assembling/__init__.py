"""Assemble a whole request in one budget: tools, history, memory, passages, code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ctxmem.assembling.options import Item, Option
from ctxmem.assembling.request import PARTS, PartDecision, Request
from ctxmem.pricing import Prices
from ctxmem.schema import Budget, Section

__all__ = ["PARTS", "Item", "Option", "PartDecision", "Request", "assemble"]


def assemble(
    question: str | None,
    budget: int | Budget,
    *,
    system: str | None = None,
    rules: Iterable[Any] = (),
    tools: Iterable[Any] = (),
    history: Iterable[Any] = (),
    memory: Any = None,
    passages: Iterable[Any] = (),
    code: Any = (),
    provider: str = "openai",
    counter: object = "o200k_base",
    sections: Iterable[Section] | None = None,
    previous: Request | None = None,
    prices: str | Prices | None = None,
    model: str | None = None,
) -> Request:
    """Assemble a request of at most `budget` tokens."""
    raise NotImplementedError

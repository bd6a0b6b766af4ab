"""Fields that LlamaIndex's components share: budgets and counters that survive a round trip."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from ctxmem.intake import read_budget
from ctxmem.schema import Budget
from ctxmem.tokens import resolve


def _read_budget(given: Any) -> Budget:
    return read_budget(Budget(**given) if isinstance(given, dict) else given)


def _written_budget(budget: Budget) -> Any:
    if budget.reserve:
        return {"tokens": budget.tokens, "reserve": budget.reserve}
    return budget.tokens


def _read_counter(given: Any) -> Any:
    resolve(given)
    return given


def _written_counter(counter: Any) -> str:
    # A function has a name, too, but not one that it is found by: reading it again says so.
    return counter if isinstance(counter, str) else resolve(counter).name


BudgetField = Annotated[Any, PlainValidator(_read_budget), PlainSerializer(_written_budget)]
CounterField = Annotated[Any, PlainValidator(_read_counter), PlainSerializer(_written_counter)]

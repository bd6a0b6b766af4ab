"""Conditions under which an audit fails: dup_tokens>10%,over_budget>0."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ctxmem.errors import InputError

_CONDITION = re.compile(r"\s*(\w+)\s*(>=|<=|==|>|<)\s*([\d._]+)\s*(%?)\s*")


class Condition(NamedTuple):
    """A metric, how it is compared, with what; `percent` takes it as a share of all tokens."""

    metric: str
    operator: str
    limit: float
    percent: bool

    def __str__(self) -> str:
        return f"{self.metric}{self.operator}{self.limit:g}{'%' if self.percent else ''}"


def read_conditions(text: str, metrics: Collection[str]) -> list[Condition]:
    """Return the conditions that a text lists.

    Raises:
        InputError: something that is no condition, or a metric that there is not.
    """
    found = []
    for part in filter(str.strip, text.split(",")):
        match = _CONDITION.fullmatch(part)
        try:
            limit = float(match[3].replace("_", "")) if match else 0.0
        except ValueError:
            match = None
        if match is None:
            raise InputError(
                f"{part.strip()!r} is no condition; expected such as dup_tokens>10% or "
                f"over_budget>0, several with commas"
            )
        if match[1] not in metrics:
            raise InputError(
                f"there is no metric {match[1]!r}; there are: {', '.join(sorted(metrics))}"
            )
        found.append(Condition(match[1], match[2], limit, bool(match[4])))
    if not found:
        raise InputError("no condition given; expected such as dup_tokens>10%")
    return found


def measured(condition: Condition, metrics: Mapping[str, float]) -> float:
    """Return the value that a condition is about, as a percentage where it asks for a share."""
    value = metrics[condition.metric]
    return 100 * value / max(1.0, metrics["tokens"]) if condition.percent else value


def measured_words(condition: Condition, metrics: Mapping[str, float]) -> str:
    """Return a condition with the value that was measured.

    >>> measured_words(Condition("dup_tokens", ">", 10, True), {"dup_tokens": 7, "tokens": 200})
    'dup_tokens>10%, measured 3.5%'
    """
    value = measured(condition, metrics)
    return f"{condition}, measured {f'{value:.1f}%' if condition.percent else f'{value:,.0f}'}"


def failed(condition: Condition, metrics: Mapping[str, float]) -> bool:
    """Return whether a condition holds."""
    value = measured(condition, metrics)
    compare: dict[str, Any] = {
        ">": value > condition.limit,
        ">=": value >= condition.limit,
        "<": value < condition.limit,
        "<=": value <= condition.limit,
        "==": value == condition.limit,
    }
    return bool(compare[condition.operator])

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


def failed(condition: Condition, metrics: Mapping[str, float]) -> bool:
    """Tell whether a condition holds."""
    value = metrics[condition.metric]
    if condition.percent:
        value = 100 * value / max(1.0, metrics["tokens"])
    compare: dict[str, Any] = {
        ">": value > condition.limit,
        ">=": value >= condition.limit,
        "<": value < condition.limit,
        "<=": value <= condition.limit,
        "==": value == condition.limit,
    }
    return bool(compare[condition.operator])

"""Checks of the fields of `Budget`, `Chunk`, `Section` and `Alternative`.

A check takes the value that a field was given and returns the value as it is stored: numpy scalars
become plain numbers, names become plain strings, lists become tuples. It raises an error if the
value cannot be used. `owner` is how the error names the object, `field` how it names the field.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

import numpy as np

from ctxmem.errors import BudgetError, InputError, InputTypeError, a_type

MAX_BUDGET = 10**9
"""Maximum budget in tokens; a larger number is a mistake, since no model reads that many."""


def name_of(value: Any) -> Any:
    """Return an id, a source or another name as a plain str; return other values unchanged."""
    if type(value) is str or value is None:
        return value
    if isinstance(value, str):
        return str.__str__(value)  # a member of a str Enum becomes its value
    if isinstance(value, int | np.integer | PurePath | UUID | Enum) and not isinstance(value, bool):
        return str(value)
    return value


def check_text(value: Any, owner: str) -> str:
    """Return the text of a chunk, which must not be empty."""
    if not isinstance(value, str):
        raise InputTypeError(f"{owner} has a text of type {type(value).__name__}; expected str")
    if not value:
        raise InputError(f"{owner} has an empty text; expected a passage: leave it out")
    return value if type(value) is str else str.__str__(value)


def check_name(value: Any, owner: str, field: str) -> str:
    """Return a name: a str, or an int, a UUID, a Path or an Enum as its text."""
    name = name_of(value)
    if not isinstance(name, str):
        raise InputTypeError(
            f"{owner}: {field} is not a str but of type {type(name).__name__}; expected a str, an "
            f"int, a UUID, a Path or an Enum: name it with a str"
        )
    return name


def check_score(value: Any, owner: str) -> float:
    """Return the score of a chunk, a finite number."""
    try:
        if isinstance(value, str | bytes | bool | np.bool_):
            raise TypeError
        score = float(value)
    except OverflowError:  # a very large int
        score = math.inf
    except (TypeError, ValueError):
        raise InputTypeError(
            f"{owner} has a score of type {type(value).__name__}; expected a number, or None if "
            f"there is none"
        ) from None
    if not math.isfinite(score):
        raise InputError(
            f"{owner} has score {score}; expected a finite number: leave the score out (None) if "
            f"the retriever gives none"
        )
    return score


def check_rank(value: Any, owner: str) -> int:
    """Return the rank of a chunk in its list, an int from 0."""
    # In a data frame, a column of ranks with gaps has floats.
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    if isinstance(value, bool) or not (whole or isinstance(value, int | np.integer)) or value < 0:
        raise InputError(
            f"{owner} has rank {value!r}; expected an int from 0, 0 is the best: count the ranks "
            f"of a list from 0"
        )
    return int(value)


def check_span(value: Any, owner: str) -> tuple[int, int]:
    """Return a span as (start, end), ints with 0 <= start <= end."""
    whole = (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(isinstance(x, int | np.integer) and not isinstance(x, bool) for x in value)
    )
    if not whole or not 0 <= value[0] <= value[1]:
        raise InputError(
            f"{owner} has span {value!r}; expected (start, end), character offsets in its source "
            f"with 0 <= start <= end"
        )
    return int(value[0]), int(value[1])


def check_flag(value: Any, owner: str, field: str) -> bool:
    """Return a bool."""
    if not isinstance(value, bool | np.bool_):
        raise InputTypeError(
            f"{owner}: {field} is {value!r} ({type(value).__name__}); expected True or False"
        )
    return bool(value)


def check_several(value: Any, owner: str, field: str, expected: str) -> tuple[Any, ...]:
    """Return the elements of a list, which must not be a single str; None is an empty list."""
    if value is None:
        return ()
    if isinstance(value, str):
        raise InputTypeError(
            f"{owner}: {field} is the str {value!r}; expected {expected}: [{value!r}]"
        )
    if not isinstance(value, Iterable):
        raise InputTypeError(f"{owner}: {field} is {a_type(value)}; expected {expected}")
    return tuple(value)


def check_whole(value: Any, what: str, example: str) -> int:
    """Return a whole number as an int."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputTypeError(
            f"{what} is {value!r} ({type(value).__name__}); expected an int: {example}"
        )
    return int(value)


def check_fraction(value: Any, what: str) -> float:
    """Return a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise InputTypeError(
            f"{what} is of type {type(value).__name__}; expected a number from 0 to 1"
        )
    if not 0 <= value <= 1:
        raise InputError(f"{what} is {value}; expected a number from 0 to 1")
    return float(value)


def check_min_density(value: Any) -> bool | float:
    """Return `Budget.auto`: a bool, or a minimum density above 0 and at most 1."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, int | float | np.number):
        raise InputTypeError(
            f"auto is {a_type(value)}; expected True, False or a minimum density such as 0.001"
        )
    if not 0 < value <= 1:
        raise BudgetError(
            f"auto is {value}; expected a minimum density, above 0 and at most 1, or True"
        )
    return float(value)

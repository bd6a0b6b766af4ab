"""What one part of a request may be shown as: items with options, of which one is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Option(NamedTuple):
    """One form of an item: its tokens, beside what is always sent, and its expected value.

    The value is the number of facts the answer is expected to use, as in the value model: the
    density of a text times its tokens.
    """

    form: str
    tokens: int
    value: float


@dataclass(frozen=True, slots=True)
class Item:
    """A tool or a unit of the history: at most one of its options is sent.

    Attributes:
        part: the part of the request, such as "tools".
        key: the name of the tool, or the position of the unit.
        options: its forms, without the one that leaves it out.
        required: one of the options must be sent.
    """

    part: str
    key: str
    options: tuple[Option, ...]
    required: bool = False

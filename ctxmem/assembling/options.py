"""What one part of a request may be shown as: items with options, of which one is chosen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RECALLED, BOTH = "recalled", "indexed and recalled"
"""Forms of a unit of the history that is left out, with or without its line in the note, and of
which an excerpt is sent with the question."""
STABLE = {RECALLED: "omitted", BOTH: "indexed"}
"""The form of such a unit among the messages that the next request begins with."""

NO_NOTE = "no note"
"""Item of a history of which nothing is sent, not even the note about it."""

NONE = 1 << 40
"""Tokens of a form that an item does not have."""


class Option(NamedTuple):
    """One form of an item: its tokens, beside what is always sent, and its expected value.

    The value is the number of tokens of evidence that the answer is expected to use, as in the
    value model: the density of a text times its tokens.
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


@dataclass(frozen=True, slots=True)
class Offer:
    """The items of a part as columns: a row for each item, a column for each form.

    Attributes:
        part: the part of the request.
        keys: the items.
        forms: the forms.
        tokens: tokens of each form of each item, `NONE` where the item does not have it.
        value: the expected value of each.
        required: whether a form of the item must be sent.
        fixed: tokens that the part adds whatever is chosen.
        inside: the tokens that limits of the part count, if some forms are sent elsewhere.
    """

    part: str
    keys: Sequence[str]
    forms: tuple[str, ...]
    tokens: NDArray[np.int64]
    value: NDArray[np.float64]
    required: NDArray[np.bool_]
    fixed: int = 0
    inside: NDArray[np.int64] | None = None
    kept: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What was computed of this offer."""

    @property
    def counted(self) -> NDArray[np.int64]:
        """The tokens of each form that limits of the part count."""
        return self.tokens if self.inside is None else self.inside

    def items(self) -> list[Item]:
        """Return the items one by one."""
        made = []
        for i, key in enumerate(self.keys):
            options = tuple(
                Option(form, int(tokens), float(value))
                for form, tokens, value in zip(
                    self.forms, self.tokens[i].tolist(), self.value[i].tolist(), strict=True
                )
                if tokens < NONE
            )
            made.append(Item(self.part, key, options, bool(self.required[i])))
        return made

    def demanding(self, keys: Collection[str]) -> Offer:
        """Return the offer with some items required."""
        if not keys:
            return self
        wanted = np.array([key in keys for key in self.keys], dtype=np.bool_)
        return replace(self, required=self.required | wanted)

    def keeping(self, forms: Mapping[str, str], new: Collection[str] = ()) -> Offer:
        """Return the offer with the forms of items fixed; others are free.

        Units that are left out can be recalled nevertheless, since that changes no message of the
        stable part. Items that are not in `forms` must be sent in one of the forms `new`, if there
        are any.
        """
        tokens, required = self.tokens.copy(), self.required.copy()
        column = {form: j for j, form in enumerate(self.forms)}
        fresh = [column[form] for form in new if form in column]
        for i, key in enumerate(self.keys):
            form = forms.get(key)
            if form is None and not fresh:
                continue
            held = fresh if form is None else [column[form]] if form in column else []
            row = np.full(len(self.forms), NONE, dtype=np.int64)
            row[held] = tokens[i, held]
            required[i] = bool((row < NONE).any())
            more = [column[f] for f, stable in STABLE.items() if stable == form and f in column]
            row[more] = tokens[i, more]
            tokens[i] = row
        return replace(self, tokens=tokens, required=required)


def no_items(part: str) -> Offer:
    """Return the offer of a part without items."""
    return Offer(
        part,
        [],
        (),
        np.zeros((0, 0), dtype=np.int64),
        np.zeros((0, 0)),
        np.zeros(0, dtype=np.bool_),
    )


def nothing_sent(part: str) -> Offer:
    """Return the offer of a part of which nothing is sent, not even a note that says so."""
    zero = np.zeros((1, 1), dtype=np.int64)
    return Offer(part, [NO_NOTE], ("omitted",), zero, np.zeros((1, 1)), np.ones(1, dtype=np.bool_))


def whole_units(offer: Offer) -> Offer:
    """Return the offer of a history of which every unit is sent, so that it needs no note."""
    return replace(
        offer,
        forms=offer.forms[:2],
        tokens=offer.tokens[:, :2],
        value=offer.value[:, :2],
        required=np.ones(len(offer.keys), dtype=np.bool_),
        fixed=0,
        inside=None,
    )

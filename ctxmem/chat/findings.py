"""What `check` returns and `repair` logs."""

from __future__ import annotations

from dataclasses import dataclass

from ctxmem.chat.rules import Rule


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a history, or that was done to repair it.

    Attributes:
        kind: what it is; see `check` and `repair`.
        index: the message it is about, None if it is about the whole request.
        detail: a sentence for a person.
        rule: the provider's rule that is broken, with its source; None for what is no rule of a
            provider but a waste.
        repaired: in the log of `repair`, whether it was repaired or had to stay as it was; None in
            what `check` returns.
    """

    kind: str
    index: int | None
    detail: str
    rule: Rule | None = None
    repaired: bool | None = None

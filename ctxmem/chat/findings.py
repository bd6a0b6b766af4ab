"""What `check` tells and `repair` logs."""

from __future__ import annotations

from dataclasses import dataclass

from ctxmem.chat.rules import Rule


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a history, or that was done to mend it.

    Attributes:
        kind: what it is; see `check` and `repair`.
        index: the message it is about, None if it is about the whole request.
        detail: a sentence for a person.
        rule: the provider's rule that is broken, with its source; None for what is no rule of a
            provider but a waste.
        mended: in the log of `repair`, False for what had to stay as it was.
    """

    kind: str
    index: int | None
    detail: str
    rule: Rule | None = None
    mended: bool = True

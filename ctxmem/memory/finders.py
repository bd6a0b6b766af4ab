"""The caller's function that finds statements, with a warning about those that are left out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from ctxmem.errors import CtxmemWarning
from ctxmem.memory.ledger import Finder


def warning_finder(finder: Finder) -> Finder:
    """Return a function that warns once if the caller's returns a text that a message lacks.

    Only sentences of the message can be statements, so that a model invents none.
    """
    warned = False

    def found(text: str, role: str) -> Iterable[Any]:
        nonlocal warned
        given = finder(text, role)
        if isinstance(given, str) or not isinstance(given, Iterable):
            return given
        given = list(given)
        lost = [said for one in given if (said := _text_of(one)) is not None and said not in text]
        if lost and not warned:
            warned = True
            warnings.warn(
                f"the ledger's function returned {lost[0]!r:.80}, which the message does not hold "
                "word for word; such texts are left out of the ledger",
                CtxmemWarning,
                stacklevel=2,
            )
        return given

    return found


def _text_of(one: Any) -> str | None:
    said = one[1] if isinstance(one, tuple) and len(one) == 2 else getattr(one, "text", one)
    return said if isinstance(said, str) else None

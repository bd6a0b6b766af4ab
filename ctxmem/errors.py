"""What ctxmem raises and warns.

::

    CtxmemError
    ├── InputError          (ValueError)   a chunk, a score or an option that cannot be used
    │   └── InputTypeError  (TypeError)    ... because it is of the wrong type
    ├── BudgetError         (ValueError)   a budget that is no budget, or that the pins do not fit
    ├── VocabularyError     (LookupError)  a counter's vocabulary is missing or damaged
    └── MissingExtraError   (ImportError)  an optional library is not installed
    CtxmemWarning           (UserWarning)  the result stands, but not as asked for

Every message says what was given, what was expected and what to do. A call that raises has changed
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence


class CtxmemError(Exception):
    """Any error that ctxmem raises on purpose."""


class InputError(CtxmemError, ValueError):
    """A chunk, a score or an option that cannot be used."""


class InputTypeError(InputError, TypeError):
    """A chunk, a score or an option of the wrong type."""


class BudgetError(CtxmemError, ValueError):
    """A budget that is no budget, or that the pinned chunks do not fit into.

    `pinned` names the chunks that must be in the window, when it is they that do not fit.
    """

    def __init__(self, message: str, *, pinned: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.pinned = tuple(pinned)


class VocabularyError(CtxmemError, LookupError):
    """A counter's vocabulary is missing or damaged; `tried` lists the places looked at."""

    def __init__(self, message: str, *, tried: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.tried = tuple(tried)


class MissingExtraError(CtxmemError, ImportError):
    """An optional library is not installed; the message names the extra that brings it."""


class CtxmemWarning(UserWarning):
    """The result stands, but not as asked for: an estimated count, an ignored field."""

"""What ctxmem raises and warns.

::

    CtxmemError
    ├── InputError          (ValueError)   a chunk, a score or an option that cannot be used
    │   └── InputTypeError  (TypeError)    ... because it is of the wrong type
    ├── BudgetError         (ValueError)   a budget that is no budget, or that the pins do not fit
    ├── VocabularyError     (LookupError)  a counter's vocabulary is missing or damaged
    ├── StoreError          (OSError)      a page store cannot be opened, read or written
    │   ├── ConflictError                  ... because somebody else wrote to the session
    │   ├── SessionDeletedError            ... because somebody deleted the session
    │   └── PageDamageError                ... because what was stored is not what is there
    └── MissingExtraError   (ImportError)  an optional library is not installed
    CtxmemWarning           (UserWarning)  there is a result, but not as asked for

Every message says what was given, what was expected and what to do. A call that raises has changed
nothing.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any


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


class StoreError(CtxmemError, OSError):
    """A page store cannot be opened, read or written."""


class ConflictError(StoreError):
    """Somebody else wrote to the session: it is at `actual`, not at the `expected` version."""

    def __init__(self, message: str, *, expected: int, actual: int) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), expected=self.expected, actual=self.actual), self.args


class SessionDeletedError(StoreError):
    """The session was deleted since the caller read or wrote it; nothing is written to it.

    `tenant` and `session` say which. A new session may have taken its name.
    """

    def __init__(self, message: str, *, tenant: str, session: str) -> None:
        super().__init__(message)
        self.tenant = tenant
        self.session = session

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), tenant=self.tenant, session=self.session), self.args


class PageDamageError(StoreError):
    """What was stored is not what is there; its text is not handed out.

    `tenant` and `session` say where, `key` is the version of a record or the id of a page, None for
    the session itself.
    """

    def __init__(self, message: str, *, tenant: str, session: str, key: int | str | None) -> None:
        super().__init__(message)
        self.tenant = tenant
        self.session = session
        self.key = key

    def __reduce__(self) -> tuple[Any, ...]:
        made = partial(type(self), tenant=self.tenant, session=self.session, key=self.key)
        return made, self.args


class MissingExtraError(CtxmemError, ImportError):
    """An optional library is not installed; the message names the extra that brings it."""


class CtxmemWarning(UserWarning):
    """There is a result, but not as asked for: an estimated count, an ignored field."""


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line outside ctxmem that led here."""
    level = 1
    frame = sys._getframe()
    while frame.f_back is not None and f"{frame.f_globals.get('__name__')}.".startswith("ctxmem."):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def warn_deprecated(old: str, new: str) -> None:
    """Warn that an old name is used, at the line outside ctxmem that uses it."""
    warn_caller(
        f"{old} is deprecated and will be removed in ctxmem 0.3; use {new}", DeprecationWarning
    )


def former_names(module: str, names: Mapping[str, tuple[str, Any]]) -> Callable[[str], Any]:
    """Return a module's `__getattr__` that knows old names, each with the new one and its value."""

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        new, value = names[name]
        warn_deprecated(f"{module}.{name}", new)
        return value

    return find


def a_type(value: object) -> str:
    """Return the name of a value's type with its article, for an error message.

    >>> a_type(5), a_type("text")
    ('an int', 'a str')
    """
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeio' else 'a'} {name}"


def refuse_table(value: object, what: str, *, texts: bool = False) -> None:
    """Raise `InputTypeError` for a data frame or a table, which gives the names of its columns when
    it is read as a list; say how it is converted, to a list of dicts or of `texts`.

    Tables are recognised by their shape, never imported.
    """
    kind = type(value)
    if hasattr(kind, "to_pylist") and hasattr(kind, "column_names"):  # pyarrow
        rows, column = "table.to_pylist()", 'table["text"].to_pylist()'
    elif not hasattr(kind, "columns"):
        return
    elif hasattr(kind, "to_dicts"):  # polars
        rows, column = "df.to_dicts()", 'df["text"].to_list()'
    elif hasattr(kind, "to_dict"):  # pandas and what follows it
        rows, column = 'df.to_dict("records")', 'df["text"].tolist()'
    elif hasattr(kind, "collect"):  # a lazy frame
        rows, column = "df.collect().to_dicts()", 'df.collect()["text"].to_list()'
    else:
        return
    hint = f"{column} for a column of texts (pack takes its rows, {rows})" if texts else rows
    raise InputTypeError(
        f"{what} is a table ({kind.__name__}); expected a list of {'str' if texts else 'records'}: "
        f"give {hint}"
    )

"""Functions that the user names: MODULE:FUNCTION, or the function itself."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ctxmem.errors import InputError


def function_of(given: str, what: str) -> Callable[..., Any]:
    """Return the function that MODULE:FUNCTION names; modules of the working folder count too.

    Raises:
        InputError: it is no such name, or the module cannot be imported or lacks the function.
    """
    module_name, colon, name = given.partition(":")
    if not colon or not module_name or not name:
        raise InputError(f"{what} is {given!r}; expected MODULE:FUNCTION, such as judging:judge")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        raise InputError(
            f"{what} is {given!r}, and importing {module_name} raised {type(error).__name__}: "
            f"{error}"
        ) from None
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise InputError(f"{what} is {given!r}, and {module_name} has no function {name}")
    return found  # type: ignore[no-any-return]


def name_of(function: Any) -> str:
    """Return what a function is called, with its module."""
    kind = function if hasattr(function, "__qualname__") else type(function)
    return f"{kind.__module__}:{kind.__qualname__}"


def fingerprint(function: Any) -> str:
    """Return a hash of a function's own code, "" where there is none.

    What the function calls is not in it: after a change there, ask with another cache.
    """
    own = hasattr(function, "__code__")
    code = getattr(function if own else type(function).__call__, "__code__", None)
    if code is None:
        return ""
    return hashlib.sha256(repr(_code(code)).encode()).hexdigest()


def _code(code: Any) -> list[Any]:
    """Return code as data that are the same in every process."""
    constants: list[Any] = []
    for value in code.co_consts:
        if hasattr(value, "co_code"):
            constants.append(_code(value))
        elif isinstance(value, frozenset):
            constants.append(sorted(map(repr, value)))
        else:
            constants.append(value)
    return [code.co_code, code.co_names, constants]

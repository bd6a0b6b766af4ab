"""Functions that the user names: MODULE:FUNCTION, or the function itself."""

from __future__ import annotations

import functools
import hashlib
import importlib
import re
import sys
import types
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
    """Return a hash of a function's own code and of the plain values that it was made with.

    These are defaults, arguments of a `functools.partial`, variables of an enclosing function, and
    texts and settings of the object whose method it is: two models of one class have other answers.
    What the function calls is not in it: after a change there, ask with another cache.
    """
    return hashlib.sha256(repr(_made_of(function, _DEEPEST)).encode()).hexdigest()


_DEEPEST = 4
_SECRET = re.compile(r"key|token$|secret|password", re.IGNORECASE)


def _made_of(value: Any, depth: int) -> Any:
    """Return what a function or an object is made of, as data that are the same in every process.

    Containers are left out, and whole numbers of objects: they count what was asked.
    """
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if depth == 0:
        return name_of(value)
    if isinstance(value, functools.partial):
        named = sorted(value.keywords.items())
        parts = [value.func, *value.args, *(one for _, one in named)]
        return [[name for name, _ in named], *(_made_of(part, depth - 1) for part in parts)]
    if isinstance(value, types.MethodType):
        return [_made_of(value.__func__, depth - 1), _made_of(value.__self__, depth - 1)]
    if isinstance(value, types.FunctionType):
        cells = [_content_of(cell) for cell in value.__closure__ or ()]
        given = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values(), *cells]
        return [_code(value.__code__), *(_made_of(one, depth - 1) for one in given)]
    if isinstance(value, type | types.ModuleType | list | dict | set | tuple):
        return type(value).__name__
    call = getattr(type(value).__call__, "__code__", None) if callable(value) else None
    settings = {
        name: _made_of(one, depth - 1)
        for name, one in sorted(getattr(value, "__dict__", {}).items())
        if not name.startswith("_") and not _SECRET.search(name) and not _counts(one)
    }
    return [name_of(value), None if call is None else _code(call), settings]


def _counts(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _content_of(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


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

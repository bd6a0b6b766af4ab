"""Defaults of a command's options from `[tool.ctxmem]` of a `pyproject.toml`.

Only commands that read files and print a report take defaults, and only for options that neither
name a file to write, nor run code, nor send anything: a folder from somebody else must not decide
these. Each command lists its options in `SETTINGS`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ctxmem.errors import InputError, MissingExtraError

SHARED = ("budget", "counter", "prices")
"""Keys of the section itself, which hold for every command that has the option."""

_FILE = "pyproject.toml"
_SECTION = "tool.ctxmem"


def apply(
    commands: Mapping[str, argparse.ArgumentParser],
    allowed: Mapping[str, Collection[str]],
    name: str,
) -> None:
    """Make the values of the nearest `pyproject.toml` the defaults of a command's options.

    `allowed` has, for each command, the options that may be set. Nothing is done where no
    `pyproject.toml` in the current folder or above it has the section.

    Raises:
        InputError: the file is not TOML, or a key or a value is not one that the command takes.
    """
    found = _nearest()
    if found is None:
        return
    path, section = found
    tables = {key: value for key, value in section.items() if key in allowed}
    shared = {key: value for key, value in section.items() if key not in allowed}
    _check_keys(f"{path}: [{_SECTION}]", shared, (*SHARED, *allowed))
    own = tables.get(name, {})
    if not isinstance(own, dict):
        raise InputError(f"{path}: {_SECTION}.{name} is {own!r}; expected a table of options")
    where = f"{path}: [{_SECTION}.{name}]"
    _check_keys(where, own, allowed[name])
    wanted = {key: value for key, value in shared.items() if key in allowed[name]} | own
    parser = commands[name]
    for key, value in wanted.items():
        action = _option(parser, key)
        parser.set_defaults(**{action.dest: _checked(action, value, f"{where} {key}")})


def _nearest() -> tuple[Path, dict[str, Any]] | None:
    """Return the nearest file that has the section, and the section."""
    try:
        folder = Path.cwd()
    except OSError:  # it was deleted
        return None
    for parent in (folder, *folder.parents):
        path = parent / _FILE
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if _SECTION not in text:  # spares reading TOML where there is nothing for ctxmem
            continue
        section = _parsed(text, path).get("tool", {}).get("ctxmem")
        if isinstance(section, dict):
            return path, section
    return None


def _parsed(text: str, path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            raise MissingExtraError(
                f"{path} has settings of ctxmem, and Python 3.10 needs tomli to read them: pip "
                "install 'ctxmem[cli]', or give --no-config before the command"
            ) from None
    try:
        read: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}") from None
    return read


def _check_keys(where: str, given: Mapping[str, Any], known: Collection[str]) -> None:
    for key in given:
        if key not in known:
            raise InputError(f"{where} has the key {key!r}; expected one of {', '.join(known)}")


def _option(parser: argparse.ArgumentParser, key: str) -> argparse.Action:
    return next(action for action in parser._actions if f"--{key}" in action.option_strings)


def _checked(action: argparse.Action, value: Any, where: str) -> Any:
    """Return a value as the option would have read it."""
    if isinstance(value, bool) or action.nargs == 0:
        if not isinstance(value, bool) or action.nargs not in (0, "?"):
            expected = "true or false" if action.nargs == 0 else "a value"
            raise InputError(f"{where} is {value!r}; expected {expected}")
        return action.const if value else action.default
    if not isinstance(value, str | int | float):
        raise InputError(f"{where} is {value!r}; expected a string or a number")
    read: Any = action.type or str
    try:
        made = read(str(value))
    except (argparse.ArgumentTypeError, TypeError, ValueError) as error:
        raise InputError(f"{where} is {value!r}: {error}") from None
    if action.choices is not None and made not in action.choices:
        raise InputError(f"{where} is {value!r}; expected one of {', '.join(action.choices)}")
    return made

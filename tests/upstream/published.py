"""The request types that the providers publish with their SDKs, as a check of a JSON value.

Both SDKs are generated from the providers' own API descriptions, so their `TypedDict`s say which
fields a request has, which of them are required, and of what type. `faults` walks a value along
such a type. Strings where a `Literal` lists known names of models are open, as the types say.
"""

from __future__ import annotations

import collections.abc
import functools
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import typing_extensions
from typing_extensions import NoExtraItems, NotRequired, Required, get_type_hints, is_typeddict

LISTS = (list, collections.abc.Iterable, collections.abc.Sequence)
WRAPPERS = (Required, NotRequired, Annotated, typing_extensions.Required)
SCALARS = {str: "string", int: "integer", bool: "boolean", float: "number"}


class Fault(NamedTuple):
    """What is wrong with a value: `kind` is missing, extra, type or value."""

    path: str
    kind: str
    text: str


def faults(value: object, form: Any, path: str = "") -> list[Fault]:
    """Return what keeps `value` from being of the type `form`; an empty list if it is."""
    return list(_walk(value, _bare(form), path))


def _bare(form: Any) -> Any:
    while get_origin(form) in WRAPPERS:
        form = get_args(form)[0]
    return form


def _walk(value: object, form: Any, path: str) -> Iterator[Fault]:
    origin = get_origin(form)
    if form in (Any, object):
        return
    if origin in (Union, types.UnionType):
        yield from _union(value, [_bare(one) for one in get_args(form)], path)
    elif origin is Literal:
        if value not in get_args(form) or isinstance(value, bool) != (value in (True, False)):
            yield Fault(path, "value", f"Input should be {_names(get_args(form))}")
    elif is_typeddict(form):
        yield from _fields(value, form, path)
    elif origin in LISTS:
        yield from _items(value, _bare(get_args(form)[0]), path)
    elif origin in (dict, collections.abc.Mapping):
        yield from _entries(value, _bare(get_args(form)[1]), path)
    elif form is type(None):
        if value is not None:
            yield Fault(path, "type", "Input should be null")
    elif form in SCALARS and not _is_scalar(value, form):
        yield Fault(path, "type", f"Input should be a valid {SCALARS[form]}")


def _is_scalar(value: object, form: type) -> bool:
    if isinstance(value, bool):
        return form is bool
    return isinstance(value, (int, float) if form is float else form)


def _names(values: tuple) -> str:
    return " or ".join(f"'{value}'" for value in values)


def _items(value: object, form: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, list):
        yield Fault(path, "type", "Input should be a valid list")
        return
    for n, item in enumerate(value):
        yield from _walk(item, form, f"{path}.{n}")


def _entries(value: object, form: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(path, "type", "Input should be an object")
        return
    for key, item in value.items():
        yield from _walk(item, form, _join(path, key))


def _fields(value: object, form: Any, path: str) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(path, "type", "Input should be an object")
        return
    hints, required = _fields_of(form)
    for key in required:
        if key not in value:
            yield Fault(_join(path, key), "missing", "Field required")
    for key, item in value.items():
        if key in hints:
            yield from _walk(item, hints[key], _join(path, key))
        elif not _is_open(form):
            yield Fault(_join(path, key), "extra", "Extra inputs are not permitted")


def _is_open(form: Any) -> bool:
    """Whether any further key is a field, as in the JSON schema of a tool's input."""
    return getattr(form, "__extra_items__", NoExtraItems) is not NoExtraItems


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


@functools.cache
def _fields_of(form: Any) -> tuple[dict[str, Any], list[str]]:
    hints = get_type_hints(form, include_extras=True)
    required = sorted(
        key
        for key, hint in hints.items()
        if get_origin(hint) is Required
        or (key in form.__required_keys__ and get_origin(hint) is not NotRequired)
    )
    return {key: _bare(hint) for key, hint in hints.items()}, required


def _union(value: object, forms: list, path: str) -> Iterator[Fault]:
    """Report the faults of the alternative that the value means, by its `type` and `role`."""
    flat = list(_flat(forms))
    tries = [list(_walk(value, form, path)) for form in flat if _means(value, form)]
    if not tries:
        yield Fault(path, "value", _expected(value, flat))
    elif all(tries):
        yield from min(tries, key=len)


def _flat(forms: list) -> Iterator[Any]:
    for form in forms:
        if get_origin(form) in (Union, types.UnionType):
            yield from _flat([_bare(one) for one in get_args(form)])
        else:
            yield form


def _means(value: object, form: Any) -> bool:
    """Whether the tags of the value, if the form has such tags, are those of the form."""
    origin = get_origin(form)
    if not is_typeddict(form) or not isinstance(value, dict):
        if isinstance(value, list):
            return origin in LISTS
        if isinstance(value, dict):
            return origin in (dict, collections.abc.Mapping) or form in (Any, object)
        return not is_typeddict(form) and origin not in (*LISTS, dict, collections.abc.Mapping)
    hints, required = _fields_of(form)
    for tag in ("type", "role"):
        hint = hints.get(tag)
        if get_origin(hint) is not Literal:
            continue
        if tag in value and value[tag] not in get_args(hint):
            return False
        if tag not in value and tag in required:
            return False
    return True


def _expected(value: object, forms: list) -> str:
    """Say which tags there are, as Anthropic does for an unknown one."""
    tags: list[str] = []
    for form in forms:
        if is_typeddict(form):
            hint = _fields_of(form)[0].get("type")
            tags += [str(one) for one in get_args(hint) if get_origin(hint) is Literal]
    if isinstance(value, dict) and tags:
        found = value.get("type")
        return (
            f"Input tag '{found}' found using 'type' does not match any of the expected tags: "
            + ", ".join(f"'{tag}'" for tag in dict.fromkeys(tags))
        )
    return "Input should be of another type"

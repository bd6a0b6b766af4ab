"""Messages as bytes: JSON that can be read again, from whatever depth of calls.

What is stored has to be readable later, by another process and from a deeper stack, so nesting and
size are bounded when a message is written, not when it is read.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, TypeVar

from ctxmem.errors import InputError
from ctxmem.schema import PageId

MAX_DEPTH = 100
"""How deep dicts and lists of a message may be nested."""

MAX_BYTES = 1 << 28
"""How many bytes a message may have as JSON."""

_MAX_BITS = 14_000  # of an integer; Python reads no more than 4,300 digits

_CONTAINERS = (dict, list, tuple)

_T = TypeVar("_T")

_LONE = re.compile("[\ud800-\udfff]")


def sendable(text: str) -> str:
    """Return a text with U+FFFD for each lone surrogate, which UTF-8 cannot hold.

    >>> sendable(chr(0xD800) + " x") == chr(0xFFFD) + " x", sendable("café")
    (True, 'café')
    """
    return text if text.isascii() else _LONE.sub("\ufffd", text)


def sendable_data(data: bytes) -> bytes | None:
    """Return what `encode` wrote without lone surrogates; None if it has none."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return sendable(data.decode("utf-8", "surrogatepass")).encode("utf-8")
    return None


def encode(value: Any) -> bytes:
    """Return plain data as JSON bytes; lone surrogates are kept."""
    return _written(value).encode("utf-8", "surrogatepass")


_written = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def decode(data: bytes) -> Any:
    """Return what `encode` wrote, however deep the caller is in calls of its own."""
    text = data.decode("utf-8", "surrogatepass")
    try:
        return json.loads(text)
    except RecursionError:
        return _on_a_new_stack(lambda: json.loads(text))


def plain(message: Mapping[str, Any], what: str) -> bytes:
    """Return a message as JSON bytes.

    Raises `InputError` for what JSON cannot hold, and for what is too deep or too large.
    """
    if any(type(value) is not str for value in message.values()):
        check_shape(message, what)
    try:
        try:
            data = encode(message)
        except RecursionError:  # the caller is deep in calls of its own
            data = _on_a_new_stack(lambda: encode(message))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{what} cannot be stored as JSON ({error}); expected a dict of strings, numbers, "
            "lists and dicts: convert framework objects first, or use the adapter"
        ) from None
    _check_size(len(data), what)
    return data


def page_id(data: bytes, key: bytes) -> PageId:
    """Return the id under which a store keeps bytes: a hash of them with a secret key.

    Without the key it is not possible to write two messages of one id, of which one would replace
    the other (BLAKE2b, RFC 7693).
    """
    return PageId(hashlib.blake2b(data, digest_size=16, key=key).hexdigest())


def check_shape(message: Mapping[str, Any], what: str) -> None:
    """Raise `InputError` for nesting and size that cannot be stored; it does not recurse.

    Level by level, with how often each container occurs there: one that is named in many places is
    looked at once a level, and counted as often as JSON would repeat it.
    """
    level: dict[int, tuple[Any, int]] = {id(message): (message, 1)}
    size = 0
    for _ in range(MAX_DEPTH):
        below: dict[int, tuple[Any, int]] = {}
        for container, times in level.values():
            size += times * (len(container) + 1)
            values: Iterable[Any] = container
            if type(container) is dict or isinstance(container, Mapping):
                values = chain(container, container.values())
            for value in values:
                kind = type(value)
                if kind is str:
                    size += times * len(value)
                elif value is None or kind is bool or kind is float:
                    continue
                elif kind in _CONTAINERS and not value:
                    size += times
                elif kind in _CONTAINERS or isinstance(value, Mapping | list | tuple):
                    before = below.get(id(value), (value, 0))[1]
                    below[id(value)] = (value, before + times)
                elif isinstance(value, int) and value.bit_length() > _MAX_BITS:
                    raise InputError(
                        f"{what} has an integer of {value.bit_length()} bits; expected at most "
                        f"{_MAX_BITS}: give it as a string"
                    )
        _check_size(size, what)
        if not below:
            return
        level = below
    raise InputError(
        f"{what} has dicts and lists nested deeper than {MAX_DEPTH}; give the inner part as a "
        "string of JSON"
    )


def _check_size(size: int, what: str) -> None:
    if size > MAX_BYTES:
        raise InputError(
            f"{what} has {size} bytes or more as JSON; expected at most {MAX_BYTES}: keep large "
            "data elsewhere and name its place"
        )


def _on_a_new_stack(call: Callable[[], _T]) -> _T:
    """Return what a call returns in a thread of its own, whose stack is empty."""
    results: list[_T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]

"""Snapshots: the state of a long session, from which it is opened without reading its records.

A snapshot is made of parts: the rows of the items, in parts that are never written again, and the
rest of the state. It is a function of the records, so it may be lost at any time.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from typing import Any, Protocol

from ctxmem.memory.encoding import encode
from ctxmem.memory.items import ItemTable

FORMAT = 1
"""Version of the state; another one is not read, and the records are."""
EVERY = 512
"""A snapshot is written when so many items are in none."""

_ROWS = re.compile(r"(\w+)-(\d{12})")


class Stateful(Protocol):
    """A part of a session's state that can be written as plain data."""

    def to_dict(self) -> Any:
        """Return it as plain data."""

    def restore(self, state: Any, /) -> None:
        """Take in what `to_dict` returned."""


def rows_name(kind: str, start: int) -> str:
    """Return the name of the part of a snapshot with what is kept from an item, or row, on."""
    return f"{kind}-{start:012d}"


def state_part(parts: Mapping[str, Stateful], **about: Any) -> bytes:
    """Return the part of a snapshot that is written anew each time."""
    state = {name: part.to_dict() for name, part in parts.items()}
    return encode({"format": FORMAT, **about, **state})


def restore(
    snapshot: Mapping[str, bytes],
    items: ItemTable,
    parts: Mapping[str, Stateful],
    load: Mapping[str, Any],
    **about: Any,
) -> bool:
    """Restore a session from the parts of a snapshot; False if it is none for this memory.

    `load` has a function for the bytes of each kind of rows other than "items"; vectors have
    numbers of their own and are checked by theirs. What was restored before a fault was found must
    be thrown away.
    """
    try:
        state = json.loads(snapshot["state"].decode("utf-8", "surrogatepass"))
        if state["format"] != FORMAT or any(state[name] != about[name] for name in about):
            return False
        for name in sorted(snapshot):
            match = _ROWS.fullmatch(name)
            if match is None or (match[1] != "vectors" and int(match[2]) >= state["items"]):
                continue
            if match[1] == "items":
                items.restore(snapshot[name])
            else:
                load[match[1]](snapshot[name])
        if len(items) != state["items"]:
            return False
        for name, part in parts.items():
            part.restore(state[name])
    except (KeyError, ValueError, TypeError, IndexError, struct.error):
        return False
    return True

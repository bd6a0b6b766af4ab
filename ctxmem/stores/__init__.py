"""Where evicted pages live: in this process, or in an SQLite file.

>>> store = open_store(":memory:")
>>> store.append("acme", "chat-1", [b"hello"], expect=0)
1
>>> list(store.read("acme", "chat-1"))
[Record(version=1, payload=b'hello')]
"""

from __future__ import annotations

import os

from ctxmem.errors import InputTypeError
from ctxmem.protocols import PageStore
from ctxmem.stores.memory import MemoryStore
from ctxmem.stores.sessions import export_lines
from ctxmem.stores.sqlite import SqliteStore

__all__ = ["MemoryStore", "SqliteStore", "export_lines", "open_store"]


def open_store(store: str | os.PathLike[str] | PageStore) -> PageStore:
    """Return the store that is meant: ":memory:", the path of an SQLite file, or a store itself."""
    if isinstance(store, PageStore):
        return store
    if store == ":memory:":
        return MemoryStore()
    if isinstance(store, str | os.PathLike):
        return SqliteStore(store)
    raise InputTypeError(
        f"a store is ':memory:', a path or an object with the methods of ctxmem.PageStore, "
        f"this one is a {type(store).__name__}"
    )

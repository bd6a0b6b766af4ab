"""Where evicted pages are: in this process, in an SQLite file, in PostgreSQL or in Redis.

>>> store = open_store(":memory:")
>>> store.append("acme", "chat-1", [b"hello"], expect=0)
1
>>> list(store.read("acme", "chat-1"))
[Record(version=1, payload=b'hello')]
"""

from __future__ import annotations

import os

from ctxmem.errors import InputError, InputTypeError, a_type
from ctxmem.protocols import PageStore
from ctxmem.stores.memory import MemoryStore
from ctxmem.stores.postgres import PostgresStore
from ctxmem.stores.redis import RedisStore
from ctxmem.stores.sessions import export_lines
from ctxmem.stores.sqlite import SqliteStore

__all__ = [
    "MemoryStore",
    "PostgresStore",
    "RedisStore",
    "SqliteStore",
    "export_lines",
    "open_store",
]

_POSTGRES = ("postgresql", "postgres")
_REDIS = ("redis", "rediss")


def open_store(store: str | os.PathLike[str] | PageStore) -> PageStore:
    """Return the store that is meant.

    ":memory:", the path of an SQLite file, a URL that begins with "postgresql://", "redis://" or
    "rediss://", or a store itself.

    Raises:
        InputError: a URL of another kind.
        InputTypeError: it is nothing of that.
        StoreError: the store cannot be opened.
    """
    if isinstance(store, PageStore):
        return store
    if store == ":memory:":
        return MemoryStore()
    if isinstance(store, str) and "://" in store:
        kind = store.partition("://")[0].lower()
        if kind in _POSTGRES:
            return PostgresStore(store)
        if kind in _REDIS:
            return RedisStore(store)
        raise InputError(
            f"a store's URL begins with postgresql:// or redis://, this one with {kind}://"
        )
    if isinstance(store, str | os.PathLike):
        return SqliteStore(store)
    raise InputTypeError(
        f"a store is ':memory:', a path, a URL or an object with the methods of ctxmem.PageStore, "
        f"this one is {a_type(store)}"
    )

"""Stores that are read and never written, for those who look at the sessions of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NoReturn

from ctxmem.errors import ConflictError, StoreError
from ctxmem.protocols import OnDamage, PageStore, SessionVersion, SnapshotStore
from ctxmem.schema import PageId, Record


class ReadOnlyStore:
    """A `PageStore` and `SnapshotStore` that reads another one and writes nothing.

    Opening a session may write without being asked: a snapshot, or pages that a killed process did
    not delete. Here those writes are left to the process that the session belongs to.
    """

    def __init__(self, store: PageStore) -> None:
        self._store = store

    def append(
        self,
        tenant: str,
        session: str,
        records: Sequence[bytes],
        *,
        pages: Mapping[PageId, bytes] | None = None,
        expect: int | None = None,
    ) -> int:
        """Raise `StoreError`: nothing is written."""
        raise _refused()

    def version(self, tenant: str, session: str) -> int:
        """Return the number of records of the session; 0 if it is unknown."""
        return self._store.version(tenant, session)

    def read(
        self, tenant: str, session: str, *, after: int = 0, damaged: OnDamage | None = None
    ) -> Iterator[Record]:
        """Yield the records whose version is above `after`, in order."""
        return self._store.read(tenant, session, after=after, damaged=damaged)

    def pages(
        self,
        tenant: str,
        session: str,
        ids: Sequence[PageId],
        *,
        damaged: OnDamage | None = None,
    ) -> dict[PageId, bytes]:
        """Return the pages with these ids that the session has."""
        return self._store.pages(tenant, session, ids, damaged=damaged)

    def sessions(self, tenant: str, *, damaged: OnDamage | None = None) -> list[str]:
        """Return the sessions of the tenant, sorted."""
        return self._store.sessions(tenant, damaged=damaged)

    def delete_session(self, tenant: str, session: str) -> NoReturn:
        """Raise `StoreError`: nothing is deleted."""
        raise _refused()

    def put_snapshot(
        self,
        tenant: str,
        session: str,
        version: int,
        parts: Mapping[str, bytes],
        *,
        drop: Iterable[str] = (),
        base: int | None = None,
    ) -> None:
        """Raise `ConflictError`, by which a session leaves its snapshots to another writer."""
        raise ConflictError("this store is only read", expected=int(base or 0), actual=version)

    def snapshot(self, tenant: str, session: str) -> tuple[int, dict[str, bytes]] | None:
        """Return the version and the parts of the snapshot, None if there is no sound one."""
        if isinstance(self._store, SnapshotStore):
            return self._store.snapshot(tenant, session)
        return None

    def drop_snapshot(self, tenant: str, session: str) -> None:
        """Leave the snapshot as it is: it may be of use to the process that wrote it."""

    def close(self) -> None:
        """Leave the store open: it belongs to the caller."""


class DryRunStore(ReadOnlyStore):
    """A `ReadOnlyStore` that takes what is appended and forgets it.

    A session that is opened on it can be asked for its next window, once. The edits of that window
    are in nobody else's.
    """

    def append(
        self,
        tenant: str,
        session: str,
        records: Sequence[bytes],
        *,
        pages: Mapping[PageId, bytes] | None = None,
        expect: int | None = None,
    ) -> int:
        """Return the version that the session would have."""
        before = self.version(tenant, session) if expect is None else expect
        after = before + len(records)
        return before.at(after) if isinstance(before, SessionVersion) else after


def _refused() -> StoreError:
    return StoreError("this store is only read; write with the process that the session belongs to")

"""The store that lasts as long as the process: for tests and for sessions that may be forgotten."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ctxmem.errors import StoreError
from ctxmem.forking import ForkSafeLock
from ctxmem.protocols import NO_PAGES, Deleted, OnDamage, SessionInfo, SessionVersion
from ctxmem.schema import PageId, Record
from ctxmem.stores.sessions import (
    check_base,
    check_incarnation,
    check_snapshot,
    check_version,
    collision,
    cutoff_of,
    deleted_error,
    exported,
)


@dataclass(slots=True)
class _Session:
    number: int
    created: float
    used: float
    records: list[bytes] = field(default_factory=list)
    pages: dict[PageId, bytes] = field(default_factory=dict)
    snapshot: tuple[int, dict[str, bytes]] | None = None

    @property
    def version(self) -> SessionVersion:
        return SessionVersion(len(self.records), self.number)


class MemoryStore:
    """A `PageStore`, `SnapshotStore` and `ManagedStore` in the memory of this process.

    `clock` gives the time in seconds since 1970. The child of a fork has a copy of its own.

    >>> store = MemoryStore()
    >>> store.append("acme", "chat-1", [b"hello"])
    1
    >>> store.delete_tenant("acme")
    [('acme', 'chat-1')]
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._numbers = itertools.count(1)
        self._clock = clock
        self._lock = ForkSafeLock()
        self._closed = False

    def __enter__(self) -> MemoryStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Records and pages ----------------------------------------------------------------------------

    def append(
        self,
        tenant: str,
        session: str,
        records: Sequence[bytes],
        *,
        pages: Mapping[PageId, bytes] = NO_PAGES,
        expect: int | None = None,
    ) -> int:
        """Write pages and records, all or none, and return the session's new version.

        Raises:
            ConflictError: the session is at another version than `expect`.
            SessionDeletedError: the session of that version was deleted.
            InputError: a page has the id of another one.
        """
        # Copies, made before anything changes: callers cannot alter what is stored.
        new_records = [bytes(payload) for payload in records]
        new_pages = {page: bytes(payload) for page, payload in pages.items()}
        with self._lock:
            stored = self._find(tenant, session)
            check_version(tenant, session, expect, stored.version if stored else None)
            for page, payload in new_pages.items() if stored else ():
                if stored and stored.pages.get(page, payload) != payload:
                    raise collision(page)
            now = self._clock()
            if stored is None:
                stored = _Session(next(self._numbers), now, now)
                self._sessions[tenant, session] = stored
            stored.used = now
            stored.pages.update(new_pages)
            stored.records.extend(new_records)
            return stored.version

    def version(self, tenant: str, session: str) -> int:
        """Return the number of records of the session; 0 if it is unknown."""
        with self._lock:
            stored = self._find(tenant, session)
            return stored.version if stored else 0

    def read(
        self, tenant: str, session: str, *, after: int = 0, damaged: OnDamage | None = None
    ) -> Iterator[Record]:
        """Yield the records whose version is above `after`, as of now.

        Raises `SessionDeletedError` if the session that had a version `after` was deleted.
        """
        with self._lock:
            stored = self._find(tenant, session)
            check_incarnation(tenant, session, after, stored.version if stored else None)
            if stored and after > len(stored.records):
                raise deleted_error(tenant, session)
            found = stored.records[max(after, 0) :] if stored else []
        return itertools.starmap(Record, enumerate(found, max(after, 0) + 1))

    def pages(
        self,
        tenant: str,
        session: str,
        ids: Sequence[PageId],
        *,
        damaged: OnDamage | None = None,
    ) -> dict[PageId, bytes]:
        """Return those of the pages that the session has."""
        with self._lock:
            stored = self._find(tenant, session)
            return (
                {page: stored.pages[page] for page in ids if page in stored.pages} if stored else {}
            )

    # Snapshots ------------------------------------------------------------------------------------

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
        """Write parts of the session's snapshot, all or none; keep the parts not named."""
        new = {name: bytes(payload) for name, payload in parts.items()}
        dropped = set(drop)
        with self._lock:
            stored = self._find(tenant, session)
            check_snapshot(tenant, session, version, stored.version if stored else None)
            if stored:
                at, kept = stored.snapshot or (0, {})
                check_base(tenant, session, base, at)
                kept = {name: kept[name] for name in kept if name not in dropped}
                stored.snapshot = (int(version), {**kept, **new})

    def snapshot(self, tenant: str, session: str) -> tuple[int, dict[str, bytes]] | None:
        """Return the version and the parts of the session's snapshot, None if there is none."""
        with self._lock:
            stored = self._find(tenant, session)
            if stored is None or stored.snapshot is None:
                return None
            version, parts = stored.snapshot
            return stored.version.at(version), dict(parts)

    def drop_snapshot(self, tenant: str, session: str) -> None:
        """Forget the session's snapshot."""
        with self._lock:
            stored = self._find(tenant, session)
            if stored:
                stored.snapshot = None

    # Lifecycle ------------------------------------------------------------------------------------

    def tenants(self, *, damaged: OnDamage | None = None) -> list[str]:
        """Return the tenants that have sessions, sorted."""
        with self._lock:
            self._check_open()
            return sorted({tenant for tenant, _ in self._sessions})

    def sessions(self, tenant: str, *, damaged: OnDamage | None = None) -> list[str]:
        """Return the sessions of the tenant, sorted."""
        with self._lock:
            self._check_open()
            return sorted(session for owner, session in self._sessions if owner == tenant)

    def usage(
        self, tenant: str | None = None, *, damaged: OnDamage | None = None
    ) -> list[SessionInfo]:
        """Return size and last use of the sessions of a tenant, or of all, sorted by name."""
        with self._lock:
            self._check_open()
            return [
                SessionInfo(
                    *(owner, session, len(stored.records), len(stored.pages)),
                    bytes=sum(map(len, [*stored.records, *stored.pages.values(), *_parts(stored)])),
                    created_at=stored.created,
                    used_at=stored.used,
                )
                for (owner, session), stored in sorted(self._sessions.items(), key=lambda kv: kv[0])
                if tenant in (None, owner)
            ]

    def delete_session(self, tenant: str, session: str) -> Deleted:
        """Forget a session, its records, its pages and its snapshot."""
        with self._lock:
            self._check_open()
            return self._delete([key for key in [(tenant, session)] if key in self._sessions])

    def delete_tenant(self, tenant: str) -> Deleted:
        """Forget all sessions of a tenant."""
        with self._lock:
            self._check_open()
            return self._delete(sorted(key for key in self._sessions if key[0] == tenant))

    def expire(self, older_than: float | timedelta | datetime) -> Deleted:
        """Forget the sessions last used so many seconds ago or more, or before a time."""
        with self._lock:
            self._check_open()
            limit = cutoff_of(older_than, self._clock())
            return self._delete(
                sorted(key for key, stored in self._sessions.items() if stored.used <= limit)
            )

    def delete_pages(self, tenant: str, session: str, ids: Iterable[PageId]) -> Deleted:
        """Forget pages of a session, and its snapshot."""
        with self._lock:
            stored = self._find(tenant, session)
            gone = [page for page in dict.fromkeys(ids) if stored and page in stored.pages]
            if not (stored and gone):
                return Deleted()
            for page in gone:
                del stored.pages[page]
            stored.snapshot = None
            return Deleted([(tenant, session)], pages=len(gone))

    def vacuum(self) -> str:
        """Do nothing: memory is given back at once."""
        with self._lock:
            self._check_open()
        return ""

    def export(
        self, tenant: str, session: str | None = None, *, damaged: OnDamage | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield everything in a session of a tenant, or in all, as of now, as dicts for JSON."""
        lines: list[dict[str, Any]] = []
        with self._lock:
            self._check_open()
            for place, stored in sorted(self._sessions.items(), key=lambda kv: kv[0]):
                if place[0] == tenant and session in (None, place[1]):
                    records, times = stored.records, (stored.created, stored.used)
                    lines += exported(
                        place, times, len(records), enumerate(records, 1), stored.pages.items()
                    )
        return iter(lines)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._closed = True
            self._sessions.clear()

    def _find(self, tenant: str, session: str) -> _Session | None:
        self._check_open()
        return self._sessions.get((tenant, session))

    def _delete(self, keys: Sequence[tuple[str, str]]) -> Deleted:
        gone = [self._sessions.pop(key) for key in keys]
        return Deleted(
            keys,
            records=sum(len(stored.records) for stored in gone),
            pages=sum(len(stored.pages) for stored in gone),
        )

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed; open a new one")


def _parts(stored: _Session) -> Iterable[bytes]:
    return stored.snapshot[1].values() if stored.snapshot else ()

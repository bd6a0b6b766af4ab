"""The store that lasts as long as the process: for tests and for sessions that may be forgotten."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from ctxmem.errors import ConflictError, StoreError
from ctxmem.protocols import OnDamage
from ctxmem.schema import PageId, Record

_NO_PAGES: Mapping[PageId, bytes] = MappingProxyType({})


@dataclass(slots=True)
class _Session:
    records: list[bytes] = field(default_factory=list)
    pages: dict[PageId, bytes] = field(default_factory=dict)


class MemoryStore:
    """A `PageStore` in the memory of this process."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> MemoryStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(
        self,
        tenant: str,
        session: str,
        records: Sequence[bytes],
        *,
        pages: Mapping[PageId, bytes] = _NO_PAGES,
        expect: int | None = None,
    ) -> int:
        """Write pages and records, all or none, and return the session's new version."""
        # Copies, made before anything changes: what is stored is nobody else's to alter.
        new_records = [bytes(payload) for payload in records]
        new_pages = {page: bytes(payload) for page, payload in pages.items()}
        with self._lock:
            self._check_open()
            held = self._sessions.get((tenant, session))
            check_version(tenant, session, expect, len(held.records) if held else 0)
            if held is None:
                held = self._sessions[tenant, session] = _Session()
            held.pages.update(new_pages)
            held.records.extend(new_records)
            return len(held.records)

    def version(self, tenant: str, session: str) -> int:
        """Return the number of records of the session; 0 if it is unknown."""
        with self._lock:
            self._check_open()
            held = self._sessions.get((tenant, session))
            return len(held.records) if held else 0

    def read(
        self, tenant: str, session: str, *, after: int = 0, damaged: OnDamage | None = None
    ) -> Iterator[Record]:
        """Yield the records whose version is above `after`, as of now."""
        with self._lock:
            self._check_open()
            held = self._sessions.get((tenant, session))
            found = held.records[max(after, 0) :] if held else []
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
            self._check_open()
            held = self._sessions.get((tenant, session))
            return {page: held.pages[page] for page in ids if page in held.pages} if held else {}

    def sessions(self, tenant: str, *, damaged: OnDamage | None = None) -> list[str]:
        """Return the sessions of the tenant, sorted."""
        with self._lock:
            self._check_open()
            return sorted(session for owner, session in self._sessions if owner == tenant)

    def delete_session(self, tenant: str, session: str) -> None:
        """Forget a session, its records and its pages."""
        with self._lock:
            self._check_open()
            self._sessions.pop((tenant, session), None)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._closed = True
            self._sessions.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed; open a new one")


def check_version(tenant: str, session: str, expect: int | None, actual: int) -> None:
    """Raise `ConflictError` unless the session is where the caller left it."""
    if expect is not None and expect != actual:
        raise ConflictError(
            f"session {session!r} of tenant {tenant!r} is at version {actual}, expected {expect}: "
            f"somebody else wrote to it; read what is new and try again",
            expected=expect,
            actual=actual,
        )

"""What the stores of several machines have in common: the checks, around a few calls of a server.

A server keeps rows and answers calls; whether a payload is what was written, and whether a session
is the one that the caller means, is decided here, in the same way for every server. A call that a
network cuts off is made again: each append has a random name, its writer, and the server knows
whether an append of that name has already written.
"""

from __future__ import annotations

import os
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, NamedTuple

from ctxmem.errors import StoreError
from ctxmem.protocols import NO_PAGES, Deleted, OnDamage, SessionInfo, SessionVersion
from ctxmem.schema import PageId, Record
from ctxmem.stores.reading import PAGES, read_pages, read_session, records_after
from ctxmem.stores.seal import Seal, as_bytes, as_text, report
from ctxmem.stores.sessions import (
    check_base,
    check_snapshot,
    check_version,
    collision,
    cutoff_of,
    deleted_error,
    exported,
)

_PAUSE = 0.05  # most seconds between two tries to append behind whatever is there


class HeadRow(NamedTuple):
    """What a server has of a session, unchecked."""

    number: int
    version: int
    checksum: bytes
    created: bytes
    used: bytes
    key: bytes = b""
    tenant_name: bytes = b""
    session_name: bytes = b""


class SnapshotRows(NamedTuple):
    """What a server has of a session's snapshot, unchecked; version 0 and no checksum: none."""

    number: int
    newest: int  # version of the session
    version: int
    checksum: bytes
    parts: dict[bytes, tuple[bytes, bytes]]  # name -> (checksum, payload; empty if not asked for)


class Outcome(NamedTuple):
    """What came of an append: the session's number and version where it is known."""

    what: Literal["written", "ours", "gone", "conflict", "damaged", "pages"]
    number: int | None
    version: int | None


class Head(NamedTuple):
    """A session, checked: its version, and when it was made and last used."""

    number: int
    version: SessionVersion
    created: float | None
    used: float | None
    row: HeadRow


class Batch:
    """What an append writes, and the random name of its call."""

    def __init__(self, records: Sequence[bytes], pages: Mapping[PageId, bytes]) -> None:
        self.records = [bytes(payload) for payload in records]
        self.pages = {as_bytes(page): bytes(payload) for page, payload in pages.items()}
        self.writer = os.urandom(16)

    def record_sums(self, seal: Seal, start: int) -> list[bytes]:
        """Return the checksums of the records behind a version."""
        return [seal.of_record(at, one) for at, one in enumerate(self.records, start + 1)]

    def page_sums(self, seal: Seal) -> list[bytes]:
        """Return the checksums of the pages."""
        return [seal.of_page(id, payload) for id, payload in self.pages.items()]


class SharedStore(ABC):
    """A `PageStore`, `SnapshotStore` and `ManagedStore` over the calls of a server.

    `timeout` is how many seconds a call waits for other writers or for the server.
    """

    def __init__(self, timeout: float, clock: Callable[[], float]) -> None:
        self.timeout, self._clock = timeout, clock

    @abstractmethod
    def close(self) -> None:
        """Release the connections of this process; closing twice is no error."""

    @property
    @abstractmethod
    def held(self) -> str:
        """What keeps deleted text in the files of the server, "" if nothing does."""

    @abstractmethod
    def vacuum(self) -> str:
        """Rewrite the server's files without what was deleted; return what keeps it, or ""."""

    # Calls of the server --------------------------------------------------------------------------

    @abstractmethod
    def _write(self, seal: Seal, batch: Batch, start: int, now: float, overwrite: bool) -> Outcome:
        """Write records and pages behind a version, all or none; `overwrite` replaces pages."""

    @abstractmethod
    def _head_row(self, seal: Seal) -> HeadRow | None:
        """Return what is known of a session."""

    @abstractmethod
    def _head_rows(self, tenant: str | None) -> list[HeadRow]:
        """Return what is known of the sessions of a tenant, or of all, with keys and names."""

    @abstractmethod
    def _record_rows(
        self, seal: Seal, number: int, first: int, last: int
    ) -> dict[int, tuple[bytes, bytes]]:
        """Return {version: (checksum, payload)} of the records of a session by its number."""

    @abstractmethod
    def _last_version(self, seal: Seal, number: int) -> int:
        """Return the version that a session's records have, where its own is damaged."""

    @abstractmethod
    def _page_rows(self, seal: Seal, ids: Sequence[bytes]) -> list[tuple[bytes, bytes, bytes]]:
        """Return (id, checksum, payload) of pages that the session has."""

    @abstractmethod
    def _page_ids(self, seal: Seal, number: int) -> list[bytes]:
        """Return the ids of the pages of a session, in one order."""

    @abstractmethod
    def _snapshot_rows(self, seal: Seal, *, payloads: bool) -> SnapshotRows | None:
        """Return the snapshot of a session, None if there is no session."""

    @abstractmethod
    def _replace_snapshot(
        self,
        seal: Seal,
        there: SnapshotRows,
        version: int,
        checksum: bytes,
        parts: Mapping[bytes, tuple[bytes, bytes]],
        drop: Iterable[bytes],
    ) -> bool:
        """Write parts of a snapshot if it is still the one that is given; return whether it was."""

    @abstractmethod
    def _drop_snapshot(self, seal: Seal) -> None:
        """Delete the snapshot of a session."""

    @abstractmethod
    def _sizes(self, tenant: str | None, heads: Sequence[Head]) -> list[tuple[int, int, int]]:
        """Return records, pages and bytes of each session."""

    @abstractmethod
    def _delete(self, tenant: str | None, rows: Sequence[HeadRow], *, unused: bool) -> list[Any]:
        """Delete sessions by key and number, with `unused` only if not used since.

        Returns (records, pages) of each, None where it was not deleted.
        """

    @abstractmethod
    def _delete_pages(self, seal: Seal, ids: Sequence[bytes]) -> int:
        """Delete pages of a session, and its snapshot if there were any; return how many."""

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
        seal, batch = Seal(tenant, session), Batch(records, pages)
        if expect is not None:
            outcome = self._written(seal, batch, expect)
            if outcome.what in ("written", "ours"):
                return _version(outcome)
            there = None if outcome.number is None else _version(outcome)
            check_version(tenant, session, expect, there)
            raise deleted_error(tenant, session)
        end = time.monotonic() + self.timeout
        while True:
            row = self._head_row(seal)
            outcome = self._written(seal, batch, self._start(row))
            if outcome.what in ("written", "ours"):
                return _version(outcome)
            if time.monotonic() > end:
                raise StoreError(
                    f"session {session!r} of tenant {tenant!r} cannot be written: other writers "
                    f"were faster for {self.timeout:g} s"
                )
            time.sleep(random.uniform(0, _PAUSE))  # two writers do not stay in step

    @staticmethod
    def _start(row: HeadRow | None) -> int:
        return 0 if row is None else SessionVersion(row.version, row.number)

    def _written(self, seal: Seal, batch: Batch, start: int) -> Outcome:
        now = self._clock()
        outcome = self._write(seal, batch, start, now, overwrite=False)
        if outcome.what == "pages":
            self._check_pages(seal, batch)
            outcome = self._write(seal, batch, start, now, overwrite=True)
        if outcome.what == "damaged":
            raise seal.damage("session", None)
        return outcome

    def _check_pages(self, seal: Seal, batch: Batch) -> None:
        """Raise unless those pages that are there with other bytes are damaged."""
        unread: list[int] = []
        for id, checksum, payload in self._pages_around(seal, list(batch.pages), unread):
            if seal.of_page(id, payload) == checksum and payload != batch.pages[id]:
                raise collision(as_text(id))

    def version(self, tenant: str, session: str) -> int:
        """Return the number of records of the session; 0 if it is unknown."""
        head = self._head(Seal(tenant, session))
        return head.version if head else 0

    def read(
        self, tenant: str, session: str, *, after: int = 0, damaged: OnDamage | None = None
    ) -> Iterator[Record]:
        """Yield the records whose version is above `after`, as of now.

        Raises `SessionDeletedError` if the session that had a version `after` was deleted, and,
        while reading, if it is deleted meanwhile.
        """
        seal = Seal(tenant, session)
        return read_session(seal, after, damaged, self._head, self._records_around)

    def _records_around(
        self, seal: Seal, number: int, first: int, last: int, piecemeal: bool
    ) -> dict[int, tuple[bytes, bytes]]:
        """Return records; around what the server cannot read, if piecemeal."""
        return _around(
            lambda a, b: self._record_rows(seal, number, a, b),
            first,
            last,
            [] if piecemeal else None,
        )

    def pages(
        self,
        tenant: str,
        session: str,
        ids: Sequence[PageId],
        *,
        damaged: OnDamage | None = None,
    ) -> dict[PageId, bytes]:
        """Return those of the pages that the session has."""
        seal = Seal(tenant, session)
        wanted = {as_bytes(page): page for page in ids}
        names = list(wanted)
        found: dict[PageId, bytes] = {}
        for start in range(0, len(names), PAGES):
            some = names[start : start + PAGES]
            unread: list[int] | None = [] if damaged is not None else None
            for id, checksum, payload in self._pages_around(seal, some, unread):
                if checksum == seal.of_page(id, payload):
                    found[wanted[id]] = payload
                else:
                    report(seal.damage("page", wanted[id]), damaged)
            for at in unread or ():
                report(seal.damage("page", wanted[some[at]]), damaged)
        return found

    def _pages_around(
        self, seal: Seal, ids: Sequence[bytes], unread: list[int] | None
    ) -> list[tuple[bytes, bytes, bytes]]:
        """Return pages; where `unread` is a list, around what the server cannot read."""

        def some(first: int, last: int) -> dict[int, tuple[bytes, bytes, bytes]]:
            at = {id: first + i for i, id in enumerate(ids[first : last + 1])}
            return {at[row[0]]: row for row in self._page_rows(seal, list(at)) if row[0] in at}

        return list(_around(some, 0, len(ids) - 1, unread).values())

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
        seal = Seal(tenant, session)
        new = {}
        for text, payload in parts.items():
            name = as_bytes(text)
            new[name] = (seal.of_part(name, bytes(payload)), bytes(payload))
        dropped = {as_bytes(name) for name in drop}
        end = time.monotonic() + self.timeout
        while True:
            there = self._snapshot_rows(seal, payloads=False)
            check_snapshot(tenant, session, version, _newest(there))
            assert there is not None
            check_base(tenant, session, base, there.version)
            kept = {name: part[0] for name, part in there.parts.items() if name not in dropped}
            sums = {**kept, **{name: part[0] for name, part in new.items()}}
            checksum = seal.of_snapshot(int(version), sums)
            if self._replace_snapshot(seal, there, int(version), checksum, new, dropped):
                return
            if time.monotonic() > end:
                raise StoreError(f"the snapshot of session {session!r} cannot be written")
            time.sleep(random.uniform(0, _PAUSE))

    def snapshot(self, tenant: str, session: str) -> tuple[int, dict[str, bytes]] | None:
        """Return version and parts of the session's snapshot, None if there is no sound one."""
        seal = Seal(tenant, session)
        there = self._snapshot_rows(seal, payloads=True)
        if there is None or not there.checksum or there.version > there.newest:
            return None
        sums = {name: part[0] for name, part in there.parts.items()}
        if there.checksum != seal.of_snapshot(there.version, sums):
            return None
        if any(seal.of_part(name, part[1]) != part[0] for name, part in there.parts.items()):
            return None
        named = {as_text(name): part[1] for name, part in there.parts.items()}
        return SessionVersion(there.version, there.number), named

    def drop_snapshot(self, tenant: str, session: str) -> None:
        """Delete the session's snapshot."""
        self._drop_snapshot(Seal(tenant, session))

    # Lifecycle ------------------------------------------------------------------------------------

    def tenants(self, *, damaged: OnDamage | None = None) -> list[str]:
        """Return the tenants that have sessions, sorted."""
        return sorted({seal.tenant for _, seal in self._listed(None, damaged)})

    def sessions(self, tenant: str, *, damaged: OnDamage | None = None) -> list[str]:
        """Return the sessions of the tenant, sorted."""
        return sorted(seal.session for _, seal in self._listed(tenant, damaged))

    def usage(
        self, tenant: str | None = None, *, damaged: OnDamage | None = None
    ) -> list[SessionInfo]:
        """Return size and last use of the sessions of a tenant, or of all, sorted by name."""
        listed = self._listed(tenant, damaged)
        sizes = self._sizes(tenant, [head for head, _ in listed])
        found = [
            SessionInfo(
                *(seal.tenant, seal.session, records, pages),
                bytes=size,
                created_at=head.created,
                used_at=head.used,
            )
            for (head, seal), (records, pages, size) in zip(listed, sizes, strict=True)
        ]
        return sorted(found, key=lambda one: (one.tenant, one.session))

    def delete_session(self, tenant: str, session: str) -> Deleted:
        """Delete a session, its records, pages and snapshot; an unknown session is no error.

        `Deleted.held` says what keeps its text in the files of the server.
        """
        seal = Seal(tenant, session)
        row = self._head_row(seal)
        found = [] if row is None else [(row._replace(key=seal.key()), seal)]
        return self._deleted(tenant, found)

    def delete_tenant(self, tenant: str) -> Deleted:
        """Delete all sessions of a tenant, as `delete_session` does."""
        listed = self._listed(tenant, lambda _: None, sound=False)
        return self._deleted(tenant, [(head.row, seal) for head, seal in listed])

    def expire(self, older_than: float | timedelta | datetime) -> Deleted:
        """Delete the sessions last used so many seconds ago or more, or before a time.

        Sessions of which the last use is not known any more are kept, and those that are used while
        this works.
        """
        limit = cutoff_of(older_than, self._clock())
        listed = self._listed(None, lambda _: None)
        old = [
            (head.row, seal)
            for head, seal in listed
            if head.used is not None and head.used <= limit
        ]
        return self._deleted(None, old, unused=True)

    def _deleted(
        self, tenant: str | None, found: Sequence[tuple[HeadRow, Seal]], *, unused: bool = False
    ) -> Deleted:
        counts = self._delete(tenant, [row for row, _ in found], unused=unused)
        gone = Deleted()
        for (_, seal), count in zip(found, counts, strict=True):
            if count is not None:
                gone.append(seal.place)
                gone.records += count[0]
                gone.pages += count[1]
        return self._finished(gone)

    def delete_pages(self, tenant: str, session: str, ids: Iterable[PageId]) -> Deleted:
        """Delete pages of a session, and its snapshot, as `delete_session` does."""
        wanted = [as_bytes(page) for page in dict.fromkeys(ids)]
        count = self._delete_pages(Seal(tenant, session), wanted) if wanted else 0
        return self._finished(Deleted([(tenant, session)] if count else (), pages=count))

    def _finished(self, gone: Deleted) -> Deleted:
        """Say what keeps deleted text in the server's files."""
        gone.held = self.held if gone else ""
        return gone

    def export(
        self, tenant: str, session: str | None = None, *, damaged: OnDamage | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield everything in a session of a tenant, or in all, as dicts for JSON.

        First a dict with the times of a session, then its records, then its pages. Payloads are
        under "text", or "base64" if they are not UTF-8.
        """
        listed = self._listed(tenant, damaged)
        for head, seal in sorted(listed, key=lambda one: one[1].session):
            if session in (None, seal.session):
                yield from self._export_one(head.number, seal, damaged)

    def _export_one(
        self, number: int, seal: Seal, damaged: OnDamage | None
    ) -> Iterator[dict[str, Any]]:
        head = self._head(seal, damaged)
        if head is None or head.number != number:
            raise deleted_error(*seal.place)
        ids = [PageId(as_text(id)) for id in self._page_ids(seal, number)]
        yield from exported(
            seal.place,
            (head.created, head.used),
            int(head.version),
            records_after(seal, head, 0, damaged, self._head, self._records_around),
            read_pages(ids, partial(self.pages, *seal.place, damaged=damaged)),
        )

    # Inside ---------------------------------------------------------------------------------------

    def _head(self, seal: Seal, damaged: OnDamage | None = None) -> Head | None:
        """Return the session, None if it is unknown."""
        row = self._head_row(seal)
        if row is None:
            return None
        if row.checksum == seal.of_session(row.version):
            return _head_of(row, seal, row.version)
        report(seal.damage("session", None), damaged)
        return _head_of(row, seal, self._last_version(seal, row.number))

    def _listed(
        self, tenant: str | None, damaged: OnDamage | None, *, sound: bool = True
    ) -> list[tuple[Head, Seal]]:
        """Return the sessions of a tenant, or of all; damaged ones only if not `sound`."""
        found = []
        for row in self._head_rows(tenant):
            try:
                seal = Seal(as_text(row.tenant_name), as_text(row.session_name))
                good = seal.of_session(row.version) == row.checksum
                good = good and tenant in (None, seal.tenant)
            except ValueError:
                seal, good = Seal(tenant or "", "?"), False
            if not good:
                report(seal.damage("session", None), damaged)
            if good or not sound:
                found.append((_head_of(row, seal, row.version), seal))
        return found


def _version(outcome: Outcome) -> SessionVersion:
    return SessionVersion(outcome.version or 0, outcome.number or 0)


def _newest(there: SnapshotRows | None) -> SessionVersion | None:
    return None if there is None else SessionVersion(there.newest, there.number)


def _head_of(row: HeadRow, seal: Seal, version: int) -> Head:
    created, used = seal.read_times(row.created), seal.read_times(row.used)
    return Head(
        row.number,
        SessionVersion(version, row.number),
        created[0] if created else None,
        used[0] if used else None,
        row,
    )


def _around(
    read: Callable[[int, int], dict[int, Any]], first: int, last: int, unread: list[int] | None
) -> dict[int, Any]:
    """Return what is read of a range; where `unread` is a list, around what cannot be read."""
    if first > last:
        return {}
    try:
        return read(first, last)
    except StoreError:
        if unread is None:
            raise
        if first == last:
            unread.append(first)
            return {}
    middle = (first + last) // 2
    left = _around(read, first, middle, unread)
    return {**left, **_around(read, middle + 1, last, unread)}

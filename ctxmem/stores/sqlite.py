"""The store for a path: one SQLite file, for any number of threads and processes.

An `append` is one transaction. It begins IMMEDIATE, so that writers queue at its start and never
meet in the middle. The file is in write-ahead mode with synchronous=FULL: when `append` returns,
the log has been synced, so that what was acknowledged outlives a killed process and a power cut as
well. (synchronous=NORMAL would save about one sync a turn and give the last turns up to a power
cut.)

Every payload lies beside a checksum of it and its key, and every session beside one of its version.
What was altered, moved or lost does not match and is reported; SQLite itself finds damage to its
own structure.
"""

from __future__ import annotations

import os
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from ctxmem.errors import CtxmemWarning
from ctxmem.protocols import NO_PAGES, Deleted, OnDamage, SessionInfo, SessionVersion
from ctxmem.schema import PageId, Record
from ctxmem.stores import blocks, tables
from ctxmem.stores.database import SQLITE_ERRORS, Database
from ctxmem.stores.reading import PAGES, read_pages, read_session, records_after
from ctxmem.stores.seal import Seal, as_bytes, as_text, report, tenant_key
from ctxmem.stores.sessions import (
    check_base,
    check_snapshot,
    check_version,
    collision,
    cutoff_of,
    deleted_error,
    exported,
)


class _Head(NamedTuple):
    number: int
    version: SessionVersion
    times: tuple[float, float] | None = None


class SqliteStore:
    """A `PageStore`, `SnapshotStore` and `ManagedStore` in an SQLite file, made if it is not there.

    `timeout` is how many seconds a call waits for other writers before it raises `StoreError`, and
    a deletion for readers. `clock` gives the time in seconds since 1970. Every thread of every
    process has a connection of its own, and a fork gets new ones. A file that is made here can be
    read by its owner only. With `sync_later` what is written outlives a killed process at once, but
    a power cut only after `sync`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, SqliteStore(f"{folder}/pages.db") as store:
    ...     store.append("acme", "chat-1", [b"hello"], pages={"00ff": b"a page"})
    ...     store.pages("acme", "chat-1", ["00ff", "unknown"])
    1
    {'00ff': b'a page'}
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float = 30.0,
        clock: Callable[[], float] = time.time,
        sync_later: bool = False,
    ) -> None:
        self._database = Database(path, timeout, clock, sync_later=sync_later)
        self.path = self._database.path

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all threads; none of them may be inside a call."""
        self._database.close()

    def sync(self) -> None:
        """Return when what was written so far, by all threads, outlives a power cut.

        Without `sync_later` it does so when a call returns.

        Raises:
            StoreError: the disk did not take it.
        """
        self._database.sync()

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
        seal = Seal(tenant, session)
        with self._database.transaction() as connection:
            head = self._head(connection, seal)
            check_version(tenant, session, expect, head.version if head else None)
            start = head.version if head else 0
            number = self._move_head(connection, seal, head, start + len(records))
            for page, payload in pages.items():
                _put_page(connection, seal, number, page, payload)
            connection.executemany(
                "INSERT INTO record VALUES (?, ?, ?, ?)",
                [
                    (number, at, seal.of_record(at, payload), payload)
                    for at, payload in enumerate(records, start + 1)
                ],
            )
        return SessionVersion(start + len(records), number)

    def _move_head(
        self, connection: sqlite3.Connection, seal: Seal, head: _Head | None, version: int
    ) -> int:
        """Write the new version of a session, and when it was used; return its number."""
        now = self._database.clock()
        if head is not None:
            created = head.times[0] if head.times else now
            connection.execute(
                "UPDATE head SET version = ?, checksum = ?, times = ? WHERE number = ?",
                (version, seal.of_session(version), seal.times(created, now), head.number),
            )
            return head.number
        added = connection.execute(
            "INSERT INTO head (tenant, key, version, checksum, times) VALUES (?, ?, ?, ?, ?)",
            (
                *(tenant_key(seal.tenant), seal.key(), version),
                *(seal.of_session(version), seal.times(now, now)),
            ),
        )
        number = int(added.lastrowid or 0)
        connection.execute("INSERT INTO name VALUES (?, ?, ?)", (number, *seal.names))
        return number

    def version(self, tenant: str, session: str) -> int:
        """Return the number of records of the session; 0 if it is unknown."""
        with self._database.use() as connection:
            head = self._head(connection, Seal(tenant, session))
            return head.version if head else 0

    def read(
        self, tenant: str, session: str, *, after: int = 0, damaged: OnDamage | None = None
    ) -> Iterator[Record]:
        """Yield the records whose version is above `after`, as of now.

        Raises `SessionDeletedError` if the session that had a version `after` was deleted, and,
        while reading, if it is deleted meanwhile.
        """
        return read_session(Seal(tenant, session), after, damaged, self._find, self._rows)

    def _find(self, seal: Seal, damaged: OnDamage | None) -> _Head | None:
        with self._database.use() as connection:
            return self._head(connection, seal, damaged)

    def _rows(
        self, seal: Seal, number: int, first: int, last: int, piecemeal: bool
    ) -> dict[Any, tuple[Any, Any]]:
        """Return {version: (checksum, payload)}; around what SQLite cannot read, if piecemeal."""
        query = "SELECT version, checksum, payload FROM record WHERE session = ? AND version "
        with self._database.use() as connection:
            try:
                found = connection.execute(query + "BETWEEN ? AND ?", (number, first, last))
                return {version: (checksum, payload) for version, checksum, payload in found}
            except SQLITE_ERRORS:
                if not piecemeal:
                    raise
            rows = {}
            for version in range(first, last + 1):
                try:
                    row = connection.execute(query + "= ?", (number, version)).fetchone()
                except SQLITE_ERRORS:
                    continue
                if row is not None:
                    rows[version] = (row[1], row[2])
            return rows

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
        found: dict[PageId, bytes] = {}
        reports = []
        with self._database.use() as connection:
            head = self._head(connection, seal, damaged)
            names = list(wanted) if head else []
            for start in range(0, len(names), PAGES):
                some = names[start : start + PAGES]
                for id, checksum, payload in _page_rows(
                    connection, head.number if head else 0, some, piecemeal=damaged is not None
                ):
                    if type(payload) is bytes and checksum == seal.of_page(id, payload):
                        found[wanted[id]] = payload
                    elif not _is_erased(checksum, payload):
                        reports.append(seal.damage("page", wanted[id]))
            if head and reports:  # a deletion overwrites pages before their session is gone
                now = self._head(connection, seal, damaged=lambda _: None)
                if now is None or now.number != head.number:
                    return {}
        for error in reports:
            report(error, damaged)
        return found

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
        with self._database.transaction() as connection:
            head = self._head(connection, seal)
            check_snapshot(tenant, session, version, head.version if head else None)
            if head:
                check_base(tenant, session, base, blocks.version_of(connection, head.number))
                blocks.put(connection, seal, head.number, version, parts, drop)

    def snapshot(self, tenant: str, session: str) -> tuple[int, dict[str, bytes]] | None:
        """Return version and parts of the session's snapshot, None if there is no sound one."""
        seal = Seal(tenant, session)
        with self._database.use() as connection:
            head = self._head(connection, seal)
            try:
                found = _in_one_state(
                    connection, lambda: blocks.read(connection, seal, head.number) if head else None
                )
            except SQLITE_ERRORS:  # damage of the snapshot is none of the session
                return None
        if head is None or found is None or found[0] > head.version:
            return None
        return head.version.at(found[0]), found[1]

    def drop_snapshot(self, tenant: str, session: str) -> None:
        """Delete the session's snapshot."""
        with self._database.transaction() as connection:
            head = self._head(connection, Seal(tenant, session))
            if head:
                blocks.drop_all(connection, head.number)
        self._finish_erasing(Deleted())

    # Lifecycle ------------------------------------------------------------------------------------

    def tenants(self, *, damaged: OnDamage | None = None) -> list[str]:
        """Return the tenants that have sessions, sorted."""
        with self._database.use() as connection:
            return sorted({seal.tenant for _, seal, _ in self._listed(connection, None, damaged)})

    def sessions(self, tenant: str, *, damaged: OnDamage | None = None) -> list[str]:
        """Return the sessions of the tenant, sorted."""
        with self._database.use() as connection:
            return sorted(seal.session for _, seal, _ in self._listed(connection, tenant, damaged))

    def usage(
        self, tenant: str | None = None, *, damaged: OnDamage | None = None
    ) -> list[SessionInfo]:
        """Return size and last use of the sessions of a tenant, or of all, sorted by name."""
        found = []
        with self._database.use() as connection:
            for number, seal, times in self._listed(connection, tenant, damaged):
                records, pages, size = tables.size_of(connection, number)
                created, used = times or (None, None)
                found.append(
                    SessionInfo(
                        *(seal.tenant, seal.session, records, pages),
                        bytes=size + blocks.size_of(connection, number),
                        created_at=created,
                        used_at=used,
                    )
                )
        return sorted(found, key=lambda one: (one.tenant, one.session))

    def delete_session(self, tenant: str, session: str) -> Deleted:
        """Delete a session, its records, pages and snapshot, and take its text off the disk.

        A session that is unknown is no error. Waits up to `timeout` for those who read an older
        state of the file; `Deleted.held` says if they keep deleted text in its log, and so does a
        `CtxmemWarning`.
        """
        seal = Seal(tenant, session)
        with self._erasing() as (connection, gone):
            head = self._head(connection, seal, damaged=lambda _: None)
            if head is not None:
                self._erase(connection, [(head.number, seal)], gone)
        return gone

    def delete_tenant(self, tenant: str) -> Deleted:
        """Delete all sessions of a tenant, as `delete_session` does."""
        with self._erasing() as (connection, gone):
            listed = self._listed(connection, tenant, lambda _: None, sound=False)
            self._erase(connection, [(number, seal) for number, seal, _ in listed], gone)
        return gone

    def expire(self, older_than: float | timedelta | datetime) -> Deleted:
        """Delete the sessions last used so many seconds ago or more, or before a time.

        Sessions of which the last use is not known any more are kept.
        """
        limit = cutoff_of(older_than, self._database.clock())
        with self._erasing() as (connection, gone):
            old = [
                (number, seal)
                for number, seal, times in self._listed(connection, None, lambda _: None)
                if times is not None and times[1] <= limit
            ]
            self._erase(connection, old, gone)
        return gone

    def delete_pages(self, tenant: str, session: str, ids: Iterable[PageId]) -> Deleted:
        """Delete pages of a session, and its snapshot, as `delete_session` does."""
        wanted = [as_bytes(page) for page in dict.fromkeys(ids)]
        with self._erasing() as (connection, gone):
            head = self._head(connection, Seal(tenant, session))
            sizes = [tables.erase_page(connection, head.number, id) for id in wanted if head]
            erased = [size for size in sizes if size is not None]
            if head and erased:
                blocks.drop_all(connection, head.number)
                tables.note_erased(connection, sum(erased))
                gone.append((tenant, session))
                gone.pages = len(erased)
        return gone

    def vacuum(self) -> str:
        """Rewrite the file without what was deleted, which takes time in proportion to its size.

        Returns what keeps deleted text in the log, "" if nothing does.
        """
        return self._database.rewrite()

    def export(
        self, tenant: str, session: str | None = None, *, damaged: OnDamage | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield everything in a session of a tenant, or in all, as dicts for JSON.

        First a dict with the times of a session, then its records, then its pages. Payloads are
        under "text", or "base64" if they are not UTF-8.
        """
        with self._database.use() as connection:
            listed = self._listed(connection, tenant, damaged)
        for number, seal, _ in sorted(listed, key=lambda one: one[1].session):
            if session in (None, seal.session):
                yield from self._export_one(number, seal, damaged)

    def _export_one(
        self, number: int, seal: Seal, damaged: OnDamage | None
    ) -> Iterator[dict[str, Any]]:
        with self._database.use() as connection:
            head = self._head(connection, seal, damaged)
            rows = connection.execute(
                "SELECT id FROM page WHERE session = ? AND checksum != ? ORDER BY rowid",
                (number, tables.ERASED),
            )
            ids = [PageId(as_text(id)) for (id,) in rows.fetchall()]
        if head is None or head.number != number:
            raise deleted_error(*seal.place)
        yield from exported(
            seal.place,
            head.times or (None, None),
            int(head.version),
            records_after(seal, head, 0, damaged, self._find, self._rows),
            read_pages(ids, partial(self.pages, *seal.place, damaged=damaged)),
        )

    # Inside ---------------------------------------------------------------------------------------

    def _head(
        self, connection: sqlite3.Connection, seal: Seal, damaged: OnDamage | None = None
    ) -> _Head | None:
        """Return number, version and times of the session, None if it is unknown."""
        row = connection.execute(
            "SELECT number, version, checksum, times FROM head WHERE key = ?", (seal.key(),)
        ).fetchone()
        if row is None:
            return None
        number, version, checksum, times = row
        if type(version) is int and checksum == seal.of_session(version):
            return _Head(number, SessionVersion(version, number), seal.read_times(times))
        report(seal.damage("session", None), damaged)
        # What the version should be is lost. Logs have no gaps, so what lies far beyond the
        # number of records is damage too.
        last = connection.execute(
            "SELECT max(version) FROM record WHERE session = ?1 AND version <= "
            "(SELECT 2 * count(*) FROM record WHERE session = ?1)",
            (number,),
        )
        found = last.fetchone()[0]
        known = found if type(found) is int else 0
        return _Head(number, SessionVersion(known, number), seal.read_times(times))

    def _listed(
        self,
        connection: sqlite3.Connection,
        tenant: str | None,
        damaged: OnDamage | None,
        *,
        sound: bool = True,
    ) -> list[tuple[int, Seal, tuple[float, float] | None]]:
        """Return number, names and times of the sessions of a tenant, or of all."""
        where, values = (
            ("", ()) if tenant is None else ("WHERE head.tenant = ?", (tenant_key(tenant),))
        )
        rows = connection.execute(
            "SELECT head.number, head.version, head.checksum, head.times, name.tenant, "
            f"name.session FROM head LEFT JOIN name ON name.number = head.number {where}",
            values,
        )
        found = []
        for number, version, checksum, times, owner, name in rows.fetchall():
            try:
                seal = Seal(as_text(owner), as_text(name))
                good = seal.of_session(version) == checksum and tenant in (None, seal.tenant)
            except (TypeError, ValueError):
                seal, good = Seal(tenant or "", "?"), False
            if not good:
                report(seal.damage("session", None), damaged)
            if good or not sound:
                found.append((number, seal, seal.read_times(times)))
        return found

    @contextmanager
    def _erasing(self) -> Iterator[tuple[sqlite3.Connection, Deleted]]:
        """Begin a transaction that deletes, and take what went out of the files after it."""
        gone = Deleted()
        with self._database.transaction() as connection:
            yield connection, gone
        if gone:
            self._finish_erasing(gone)

    def _finish_erasing(self, gone: Deleted) -> None:
        gone.held = self._database.finish_erasing()
        if gone.held:
            warnings.warn(
                f"deleted text is still in the files of the store: {gone.held}",
                CtxmemWarning,
                stacklevel=5,
            )

    def _erase(
        self, connection: sqlite3.Connection, sessions: Iterable[tuple[int, Seal]], gone: Deleted
    ) -> None:
        size = 0
        for number, seal in sessions:
            records, pages, erased = tables.size_of(connection, number)
            blocks.drop_all(connection, number)
            tables.erase_session(connection, number)
            size += erased
            gone.append(seal.place)
            gone.records += records
            gone.pages += pages
        tables.note_erased(connection, size)


def _put_page(
    connection: sqlite3.Connection, seal: Seal, number: int, page: PageId, payload: bytes
) -> None:
    """Write a page; one that is there already is left alone, unless it is damaged or erased."""
    id = as_bytes(page)
    checksum = seal.of_page(id, payload)
    added = connection.execute(
        "INSERT INTO page VALUES (?, ?, ?, ?) ON CONFLICT (session, id) DO NOTHING",
        (number, id, checksum, payload),
    )
    if added.rowcount:
        return
    there, old = connection.execute(
        "SELECT checksum, payload FROM page WHERE session = ? AND id = ?", (number, id)
    ).fetchone()
    if type(old) is bytes and seal.of_page(id, old) == there:
        if old != payload:
            raise collision(page)
        return
    connection.execute(
        "UPDATE page SET checksum = ?, payload = ? WHERE session = ? AND id = ?",
        (checksum, payload, number, id),
    )


def _page_rows(
    connection: sqlite3.Connection, number: int, ids: Sequence[bytes], *, piecemeal: bool
) -> list[tuple[bytes, Any, Any]]:
    """Return (id, checksum, payload) of pages; around what SQLite cannot read, if piecemeal."""
    query = "SELECT id, checksum, payload FROM page WHERE session = ? AND id "
    try:
        marks = ",".join("?" * len(ids))
        found = connection.execute(f"{query}IN ({marks})", (number, *ids)).fetchall()
        # The index of a damaged file may lead to rows that were not asked for.
        if {id for id, _, _ in found} <= set(ids):
            return found
    except SQLITE_ERRORS:
        if not piecemeal:
            raise
    rows: list[tuple[bytes, Any, Any]] = []
    for id in ids:
        try:
            row = connection.execute(query + "= ?", (number, id)).fetchone()
        except SQLITE_ERRORS:
            if not piecemeal:
                raise
            row = (id, None, None)
        if row is not None:
            rows.append((id, row[1], row[2]))
    return rows


def _is_erased(checksum: object, payload: object) -> bool:
    return checksum == tables.ERASED and type(payload) is bytes and not payload.strip(b"\0")


def _in_one_state(connection: sqlite3.Connection, read: Callable[[], Any]) -> Any:
    """Return what is read in one state of the file, without later writes."""
    connection.execute("BEGIN")
    try:
        return read()
    finally:
        connection.execute("ROLLBACK")

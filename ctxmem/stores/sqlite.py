"""The store for a path: one SQLite file, for any number of threads and processes.

An `append` is one transaction. It begins IMMEDIATE, so that writers queue at its start and never
meet in the middle. The file is in write-ahead mode with synchronous=FULL: when `append` returns,
the log has been synced, so that what was acknowledged outlives a killed process and a power cut as
well. (synchronous=NORMAL would save about one sync a turn and give the last turns up to a power
cut.)

Every payload lies beside a checksum of it and its key, and every session beside one of its version.
What was altered, moved or lost does not match and is reported; SQLite itself finds damage to its
own structure. A session whose name was damaged is a session that is not there.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import xxhash

from ctxmem.errors import PageDamageError, StoreError
from ctxmem.protocols import OnDamage
from ctxmem.schema import PageId, Record
from ctxmem.stores.memory import check_version

FORMAT = 1
"""Version of the tables below."""

_APPLICATION = 0x63746D78  # "ctmx", in the header of the file
_NO_PAGES: Mapping[PageId, bytes] = MappingProxyType({})
_BATCH = 256  # records read at a time: no transaction stays open while the caller works
_TABLES = (
    "CREATE TABLE format (version INTEGER NOT NULL)",
    f"INSERT INTO format VALUES ({FORMAT})",
    # Names are bytes, since any str is a name. Numbers are never given twice (AUTOINCREMENT), so
    # that a reader cannot mistake the records of a new session for those of a deleted one.
    "CREATE TABLE session (number INTEGER PRIMARY KEY AUTOINCREMENT, tenant BLOB NOT NULL, "
    "name BLOB NOT NULL, version INTEGER NOT NULL, checksum BLOB NOT NULL, UNIQUE (tenant, name))",
    "CREATE TABLE record (session INTEGER NOT NULL, version INTEGER NOT NULL, "
    "checksum BLOB NOT NULL, payload BLOB NOT NULL, UNIQUE (session, version))",
    "CREATE TABLE page (session INTEGER NOT NULL, id BLOB NOT NULL, "
    "checksum BLOB NOT NULL, payload BLOB NOT NULL, UNIQUE (session, id))",
)
_PUT_PAGE = (
    "INSERT INTO page VALUES (?, ?, ?, ?) ON CONFLICT (session, id) DO UPDATE "
    # One that is there already is left alone, unless it was damaged: then this mends it.
    "SET checksum = excluded.checksum, payload = excluded.payload "
    "WHERE checksum IS NOT excluded.checksum OR payload IS NOT excluded.payload"
)

# The messages of SQLite quote names, and those of a damaged file need not be text.
_SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError, OverflowError)

# Connections that a fork copied into this process. SQLite forbids their use here, and closing one
# could touch files that the parent works on, so they are kept for good.
_inherited: list[sqlite3.Connection] = []


class _Connection(sqlite3.Connection):
    """A connection that can be referred to weakly."""


class _Head(NamedTuple):
    number: int
    version: int


class SqliteStore:
    """A `PageStore` in an SQLite file, made if it is not there.

    `timeout` is how many seconds a call waits for other writers before it raises `StoreError`.
    Every thread of every process has a connection of its own, and a fork gets new ones.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, SqliteStore(f"{folder}/pages.db") as store:
    ...     store.append("acme", "chat-1", [b"hello"], pages={"00ff": b"a page"})
    ...     store.pages("acme", "chat-1", ["00ff", "unknown"])
    1
    {'00ff': b'a page'}
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 30.0) -> None:
        self.path = Path(path).absolute()
        self._timeout = timeout
        self._closed = False
        self._start_process()
        with self._errors():
            self._connection()

    def __enter__(self) -> SqliteStore:
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
        seal = _Seal(tenant, session)
        with self._errors(), self._transaction() as connection:
            head = self._head(connection, seal)
            start = head.version if head else 0
            check_version(tenant, session, expect, start)
            version = start + len(records)
            row = (version, seal.of_session(version))
            if head is None:
                added = connection.execute(
                    "INSERT INTO session (tenant, name, version, checksum) VALUES (?, ?, ?, ?)",
                    (*seal.names, *row),
                )
                head = _Head(int(added.lastrowid or 0), version)
            else:
                connection.execute(
                    "UPDATE session SET version = ?, checksum = ? WHERE number = ?",
                    (*row, head.number),
                )
            page_rows = []
            for page, payload in pages.items():
                id = _as_bytes(page)
                page_rows.append((head.number, id, seal.of_page(id, payload), payload))
            connection.executemany(_PUT_PAGE, page_rows)
            connection.executemany(
                "INSERT INTO record VALUES (?, ?, ?, ?)",
                [
                    (head.number, at, seal.of_record(at, payload), payload)
                    for at, payload in enumerate(records, start + 1)
                ],
            )
        return version

    def version(self, tenant: str, session: str) -> int:
        """Return the number of records of the session; 0 if it is unknown."""
        with self._errors():
            head = self._head(self._connection(), _Seal(tenant, session))
            return head.version if head else 0

    def read(
        self, tenant: str, session: str, *, after: int = 0, damaged: OnDamage | None = None
    ) -> Iterator[Record]:
        """Yield the records whose version is above `after`, as of now."""
        seal = _Seal(tenant, session)
        with self._errors():
            head = self._head(self._connection(), seal, damaged)
        return self._read(seal, head, max(after, 0), damaged) if head else iter(())

    def _read(
        self, seal: _Seal, head: _Head, after: int, damaged: OnDamage | None
    ) -> Iterator[Record]:
        while after < head.version:
            last = min(after + _BATCH, head.version)
            rows = self._rows(head.number, after + 1, last, piecemeal=damaged is not None)
            for version in range(after + 1, last + 1):
                checksum, payload = rows.get(version, (None, None))
                if isinstance(payload, bytes) and checksum == seal.of_record(version, payload):
                    yield Record(version, payload)
                else:
                    self._check_still_there(seal, head)
                    _report(seal.damage("record", version), damaged)
            after = last

    def _rows(
        self, number: int, first: int, last: int, *, piecemeal: bool
    ) -> dict[Any, tuple[Any, Any]]:
        """Return {version: (checksum, payload)}; around what SQLite cannot read, if piecemeal."""
        query = "SELECT version, checksum, payload FROM record WHERE session = ? AND version "
        with self._errors():
            connection = self._connection()
            try:
                found = connection.execute(query + "BETWEEN ? AND ?", (number, first, last))
                return {version: (checksum, payload) for version, checksum, payload in found}
            except _SQLITE_ERRORS:
                if not piecemeal:
                    raise
            rows = {}
            for version in range(first, last + 1):
                try:
                    row = connection.execute(query + "= ?", (number, version)).fetchone()
                except _SQLITE_ERRORS:
                    continue
                if row is not None:
                    rows[version] = (row[1], row[2])
            return rows

    def _check_still_there(self, seal: _Seal, head: _Head) -> None:
        with self._errors():
            now = self._head(self._connection(), seal, damaged=lambda _: None)
        if now is None or now.number != head.number:
            raise StoreError(
                f"session {seal.session!r} of tenant {seal.tenant!r} was deleted while it was read"
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
        seal = _Seal(tenant, session)
        found: dict[PageId, bytes] = {}
        with self._errors():
            connection = self._connection()
            head = self._head(connection, seal, damaged)
            for page in ids if head else ():
                id = _as_bytes(page)
                row = connection.execute(
                    "SELECT checksum, payload FROM page WHERE session = ? AND id = ?",
                    (head.number if head else 0, id),
                ).fetchone()
                if row is None:
                    continue
                checksum, payload = row
                if isinstance(payload, bytes) and checksum == seal.of_page(id, payload):
                    found[page] = payload
                else:
                    _report(seal.damage("page", page), damaged)
        return found

    def sessions(self, tenant: str, *, damaged: OnDamage | None = None) -> list[str]:
        """Return the sessions of the tenant, sorted."""
        found = []
        with self._errors():
            rows = self._connection().execute(
                "SELECT name, version, checksum FROM session WHERE tenant = ?",
                (_as_bytes(tenant),),
            )
            for name, version, checksum in rows.fetchall():
                session = name.decode("utf-8", "replace") if isinstance(name, bytes) else ""
                try:
                    session = name.decode("utf-8", "surrogatepass")
                    sound = checksum == _Seal(tenant, session).of_session(version)
                except (AttributeError, UnicodeDecodeError, TypeError):
                    sound = False
                if sound:
                    found.append(session)
                else:
                    _report(_Seal(tenant, session).damage("session", None), damaged)
        return sorted(found)

    def delete_session(self, tenant: str, session: str) -> None:
        """Forget a session, its records and its pages."""
        seal = _Seal(tenant, session)
        with self._errors(), self._transaction() as connection:
            head = self._head(connection, seal, damaged=lambda _: None)
            if head is None:
                return
            for statement in (
                "DELETE FROM record WHERE session = ?",
                "DELETE FROM page WHERE session = ?",
                "DELETE FROM session WHERE number = ?",
            ):
                connection.execute(statement, (head.number,))

    def close(self) -> None:
        """Close the connections of all threads; none of them may be inside a call."""
        self._closed = True
        self._check_process()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.close()

    def _head(
        self, connection: sqlite3.Connection, seal: _Seal, damaged: OnDamage | None = None
    ) -> _Head | None:
        """Return number and version of the session, None if it is unknown."""
        row = connection.execute(
            "SELECT number, version, checksum FROM session WHERE tenant = ? AND name = ?",
            seal.names,
        ).fetchone()
        if row is None:
            return None
        number, version, checksum = row
        if isinstance(version, int) and checksum == seal.of_session(version):
            return _Head(number, version)
        _report(seal.damage("session", None), damaged)
        # What the version should be is lost. Journals have no gaps, so what lies far beyond the
        # number of records is damage too.
        last = connection.execute(
            "SELECT max(version) FROM record WHERE session = ?1 AND version <= "
            "(SELECT 2 * count(*) FROM record WHERE session = ?1)",
            (number,),
        )
        found = last.fetchone()[0]
        return _Head(number, found if isinstance(found, int) else 0)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise what SQLite raises as an error of the store."""
        try:
            yield
        except _SQLITE_ERRORS as error:
            locked = "locked" in str(error) or "busy" in str(error)
            hint = (
                f"another process has held it for more than {self._timeout:g} s"
                if locked
                else "look at its permissions and disk, or restore a copy"
            )
            raise StoreError(f"store {str(self.path)!r}: {error}; {hint}") from error

    def _start_process(self) -> None:
        self._process = os.getpid()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()

    def _check_process(self) -> None:
        if self._process != os.getpid():  # in a child of a fork
            _inherited.extend(self._connections)
            self._start_process()

    def _connection(self) -> sqlite3.Connection:
        """Return the connection of this thread, opened at its first call."""
        if self._closed:
            raise StoreError(f"store {str(self.path)!r} is closed; open it again")
        self._check_process()
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._open()
            self._local.connection = connection
            with self._lock:
                self._connections.add(connection)
        return connection

    def _open(self) -> _Connection:
        if not self.path.parent.is_dir():
            raise StoreError(f"store {str(self.path)!r}: there is no folder to make it in")
        connection = sqlite3.connect(
            self.path,
            timeout=self._timeout,
            isolation_level=None,  # transactions are ours
            check_same_thread=False,  # for close()
            factory=_Connection,
        )
        try:
            connection.text_factory = bytes  # a damaged file may have text anywhere
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: _Connection) -> None:
        # Going over to write-ahead mode does not wait for others by itself.
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
            self._make(connection)
        found = connection.execute("SELECT version FROM format").fetchall()
        if found != [(FORMAT,)]:
            version = found[0][0] if len(found) == 1 else "unreadable"
            raise StoreError(
                f"store {str(self.path)!r} has format {version}, this version of ctxmem reads "
                f"format {FORMAT}; install the version that wrote it"
            )

    def _make(self, connection: _Connection) -> None:
        """Make the tables, unless another process just did."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
                if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise StoreError(
                        f"{str(self.path)!r} is an SQLite file, but not a store of ctxmem; "
                        f"give another path"
                    )
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


class _Seal:
    """The checksums of one session: xxh3 of a payload and of all that it is keyed by."""

    def __init__(self, tenant: str, session: str) -> None:
        self.tenant = tenant
        self.session = session
        self.names = (_as_bytes(tenant), _as_bytes(session))
        tenant_name, session_name = self.names
        self._head = b"%d:%d:%b%b" % (
            len(tenant_name),
            len(session_name),
            tenant_name,
            session_name,
        )

    def of_session(self, version: int) -> bytes:
        return xxhash.xxh3_64_digest(b"s%d:%b" % (version, self._head))

    def of_record(self, version: int, payload: bytes) -> bytes:
        return xxhash.xxh3_64_digest(b"r%d:%b%b" % (version, self._head, payload))

    def of_page(self, id: bytes, payload: bytes) -> bytes:
        return xxhash.xxh3_64_digest(b"p%d:%b%b%b" % (len(id), id, self._head, payload))

    def damage(self, what: str, key: int | str | None) -> PageDamageError:
        name = what if key is None else f"{what} {key!r}"
        return PageDamageError(
            f"{name} of session {self.session!r} of tenant {self.tenant!r} is damaged or missing; "
            f"restore a copy of the store, or read without it (damaged=)",
            tenant=self.tenant,
            session=self.session,
            key=key,
        )


def _as_bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")


def _report(error: PageDamageError, damaged: OnDamage | None) -> None:
    if damaged is None:
        raise error
    damaged(error)

"""The store for many processes and machines: a PostgreSQL database.

An `append` is one call of a function in the database, so one round trip and one transaction, which
is durable when it returns (with `synchronous_commit` on, PostgreSQL's default). The row of the
session is locked meanwhile, so that writers of one session queue there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ctxmem.protocols import SessionVersion
from ctxmem.stores.postgres.arrays import ByteArray
from ctxmem.stores.postgres.connections import Connections
from ctxmem.stores.seal import Seal, tenant_key
from ctxmem.stores.shared import Batch, Head, HeadRow, Outcome, SharedStore, SnapshotRows

if TYPE_CHECKING:
    from psycopg import Connection

_EVERYONE = "*"  # the setting with which rows of all tenants are seen
_TABLES = ("record", "page", "part", "snapshot", "head")
_LOG = "PostgreSQL keeps deleted rows in its log and in backups until those are recycled"
_HEAD = "number, version, checksum, created, used"
_APPEND = (
    "SELECT outcome, session, at FROM append(%b, %b, %b, %b, %b::bigint, %b::bigint, %b, %b, %b, "
    "%b::float8, %b::bytea[], %b::bytea[], %b, %b::bytea[], %b::bytea[], %b::bytea[], %b)"
)


class PostgresStore(SharedStore):
    """A `PageStore`, `SnapshotStore` and `ManagedStore` in a PostgreSQL database.

    Any number of threads, processes and machines may use it. Rows of other tenants are hidden by
    row-level security as well; use a role that is no superuser.

    Args:
        dsn: a connection string or URL, such as "postgresql://user@host/database".
        schema: the schema of the tables, made if it is not there.
        size: most connections of a process.
        timeout: seconds for which a call waits for other writers and for a server that restarts,
            before it raises `StoreError`.
        clock: gives the time in seconds since 1970.

    Raises:
        MissingExtraError: psycopg is not installed.
        InputError: the schema is no plain name.
        StoreError: the server cannot be reached, or its tables are of a later version.
    """

    def __init__(
        self,
        dsn: str,
        *,
        schema: str = "ctxmem",
        size: int = 8,
        timeout: float = 30.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(timeout, clock)
        self._connections = Connections(dsn, schema=schema, size=size, timeout=timeout)

    def __enter__(self) -> PostgresStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of this process."""
        self._connections.close()

    @property
    def held(self) -> str:
        """What keeps deleted text in the files of the server."""
        return f"{_LOG}, and in its files until vacuum() rewrites the tables"

    def vacuum(self) -> str:
        """Rewrite the tables without what was deleted; they are locked meanwhile.

        Returns what keeps deleted text all the same: the server's log, and backups.
        """

        def rewrite(connection: Connection[Any]) -> None:
            for table in _TABLES:
                connection.execute(f"VACUUM (FULL) {table}".encode())

        self._connections.run(rewrite)
        return _LOG

    # Calls of the server --------------------------------------------------------------------------

    def _write(self, seal: Seal, batch: Batch, start: int, now: float, overwrite: bool) -> Outcome:
        behind, end = int(start), int(start) + len(batch.records)
        incarnation = start.incarnation if isinstance(start, SessionVersion) else None
        values = (
            *(tenant_key(seal.tenant), seal.key(), *seal.names, behind, incarnation),
            *(seal.of_session(behind), seal.of_session(end), seal.times(now, now), now),
            *(ByteArray(batch.records), ByteArray(batch.record_sums(seal, behind)), batch.writer),
            *(ByteArray(batch.pages), ByteArray(batch.page_sums(seal))),
            *(ByteArray(batch.pages.values()), overwrite),
        )
        return Outcome(*self._connections.run(lambda connection: _one(connection, _APPEND, values)))

    def _head_row(self, seal: Seal) -> HeadRow | None:
        values = (tenant_key(seal.tenant), seal.key())
        query = f"SELECT {_HEAD} FROM head_of(%b, %b)"
        row = self._connections.run(lambda connection: _one(connection, query, values))
        return None if row is None else HeadRow(*row)

    def _head_rows(self, tenant: str | None) -> list[HeadRow]:
        where, values = _of_tenant(tenant)
        query = f"SELECT {_HEAD}, key, tenant_name, session_name FROM head {where}"
        return [HeadRow(*row) for row in self._seen(tenant, query, values)]

    def _record_rows(
        self, seal: Seal, number: int, first: int, last: int
    ) -> dict[int, tuple[bytes, bytes]]:
        values = (tenant_key(seal.tenant), number, first, last)
        query = (
            "SELECT version, checksum, payload "
            "FROM records_of(%b, %b::bigint, %b::bigint, %b::bigint)"
        )
        rows = self._connections.run(lambda connection: _all(connection, query, values))
        return {version: (checksum, payload) for version, checksum, payload in rows}

    def _last_version(self, seal: Seal, number: int) -> int:
        # Logs have no gaps, so what lies far beyond the number of records is damage too.
        query = (
            "SELECT max(version) FROM record WHERE session = %b AND version <= "
            "(SELECT 2 * count(*) FROM record WHERE session = %b)"
        )
        return int(self._seen(seal.tenant, query, (number, number))[0][0] or 0)

    def _page_rows(self, seal: Seal, ids: Sequence[bytes]) -> list[tuple[bytes, bytes, bytes]]:
        values = (tenant_key(seal.tenant), seal.key(), ByteArray(ids))
        query = "SELECT id, checksum, payload FROM pages_of(%b, %b, %b::bytea[])"
        return self._connections.run(lambda connection: _all(connection, query, values))

    def _page_ids(self, seal: Seal, number: int) -> list[bytes]:
        query = "SELECT id FROM page WHERE session = %b ORDER BY added"
        return [id for (id,) in self._seen(seal.tenant, query, (number,))]

    def _snapshot_rows(self, seal: Seal, *, payloads: bool) -> SnapshotRows | None:
        payload = "p.payload" if payloads else "''::bytea"
        rows = self._seen(
            seal.tenant,
            "SELECT h.number, h.version, coalesce(s.version, 0), coalesce(s.checksum, ''), p.name, "
            f"p.checksum, {payload} FROM head h LEFT JOIN snapshot s ON s.session = h.number "
            "LEFT JOIN part p ON p.session = h.number WHERE h.key = %b",
            (seal.key(),),
        )
        if not rows:
            return None
        parts = {row[4]: (row[5], row[6]) for row in rows if row[4] is not None}
        number, newest, version, checksum = rows[0][:4]
        return SnapshotRows(number, newest, version, checksum, parts)

    def _replace_snapshot(
        self,
        seal: Seal,
        there: SnapshotRows,
        version: int,
        checksum: bytes,
        parts: Mapping[bytes, tuple[bytes, bytes]],
        drop: Iterable[bytes],
    ) -> bool:
        owner, number = tenant_key(seal.tenant), there.number
        names = [*drop, *parts]

        def replace(connection: Connection[Any]) -> bool:
            with connection.transaction():
                self._see(connection, seal.tenant)
                head = _one(
                    connection, "SELECT 1 FROM head WHERE number = %b FOR UPDATE", (number,)
                )
                query = "SELECT checksum FROM snapshot WHERE session = %b"
                now = _one(connection, query, (number,))
                if head is None or (now[0] if now else b"") != there.checksum:
                    return False
                connection.execute(
                    "DELETE FROM part WHERE session = %b AND name = ANY (%b)", (number, names)
                )
                with connection.cursor() as cursor:
                    cursor.executemany(
                        "INSERT INTO part VALUES (%b, %b, %b, %b, %b)",
                        [(number, name, owner, *part) for name, part in parts.items()],
                    )
                connection.execute(
                    "INSERT INTO snapshot VALUES (%b, %b, %b, %b) ON CONFLICT (session) "
                    "DO UPDATE SET version = excluded.version, checksum = excluded.checksum",
                    (number, owner, version, checksum),
                )
            return True

        return self._connections.run(replace)

    def _drop_snapshot(self, seal: Seal) -> None:
        def drop(connection: Connection[Any]) -> None:
            with connection.transaction():
                number = self._locked(connection, seal)
                if number is not None:
                    _delete_rows(connection, ("part", "snapshot"), [number])

        self._connections.run(drop)

    def _sizes(self, tenant: str | None, heads: Sequence[Head]) -> list[tuple[int, int, int]]:
        where, values = _of_tenant(tenant)
        rows = self._seen(
            tenant,
            "SELECT session, sum(r)::bigint, sum(p)::bigint, sum(b)::bigint FROM ("
            f"SELECT session, 1 r, 0 p, length(payload) b FROM record {where} UNION ALL "
            f"SELECT session, 0, 1, length(payload) FROM page {where} UNION ALL "
            f"SELECT session, 0, 0, length(payload) FROM part {where}) AS rows GROUP BY session",
            values * 3,
        )
        sizes = {number: (records, pages, size) for number, records, pages, size in rows}
        return [sizes.get(head.number, (0, 0, 0)) for head in heads]

    def _delete(self, tenant: str | None, rows: Sequence[HeadRow], *, unused: bool) -> list[Any]:
        numbers = [row.number for row in rows]

        def delete(connection: Connection[Any]) -> list[Any]:
            with connection.transaction():
                self._see(connection, tenant)
                query = "SELECT number, used FROM head WHERE number = ANY (%b) FOR UPDATE"
                there = dict(_all(connection, query, (numbers,)))
                going = [
                    row.number
                    for row in rows
                    if row.number in there and (not unused or there[row.number] == row.used)
                ]
                records = _counts(connection, "record", going)
                pages = _counts(connection, "page", going)
                _delete_rows(connection, _TABLES, going)
            gone = set(going)
            return [
                (records.get(number, 0), pages.get(number, 0)) if number in gone else None
                for number in numbers
            ]

        return self._connections.run(delete)

    def _delete_pages(self, seal: Seal, ids: Sequence[bytes]) -> int:
        def delete(connection: Connection[Any]) -> int:
            with connection.transaction():
                number = self._locked(connection, seal)
                if number is None:
                    return 0
                query = "DELETE FROM page WHERE session = %b AND id = ANY (%b)"
                count = connection.execute(query, (number, list(ids))).rowcount
                if count:
                    _delete_rows(connection, ("part", "snapshot"), [number])
            return count

        return self._connections.run(delete)

    # Inside ---------------------------------------------------------------------------------------

    def _see(self, connection: Connection[Any], tenant: str | None) -> None:
        """Show the rest of a transaction the rows of a tenant, or of all."""
        setting = _EVERYONE if tenant is None else tenant_key(tenant).hex()
        connection.execute("SELECT set_config('ctxmem.tenant', %s, true)", (setting,))

    def _seen(self, tenant: str | None, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of a query that sees the rows of a tenant, or of all."""

        def read(connection: Connection[Any]) -> list[Any]:
            with connection.transaction():
                self._see(connection, tenant)
                return _all(connection, query, values)

        return self._connections.run(read)

    def _locked(self, connection: Connection[Any], seal: Seal) -> int | None:
        """Return the number of a session, locked until the transaction ends."""
        self._see(connection, seal.tenant)
        query = "SELECT number FROM head WHERE key = %b FOR UPDATE"
        row = _one(connection, query, (seal.key(),))
        return None if row is None else int(row[0])


def _one(connection: Connection[Any], query: str, values: Sequence[Any] = ()) -> Any:
    """Return the first row of a query, None if there is none."""
    return connection.execute(query.encode(), values, binary=True).fetchone()


def _all(connection: Connection[Any], query: str, values: Sequence[Any] = ()) -> list[Any]:
    """Return the rows of a query."""
    return connection.execute(query.encode(), values, binary=True).fetchall()


def _counts(connection: Connection[Any], table: str, numbers: Sequence[int]) -> dict[int, int]:
    """Return how many rows of a table each session has."""
    query = f"SELECT session, count(*) FROM {table} WHERE session = ANY (%b) GROUP BY session"
    return dict(_all(connection, query, (list(numbers),)))


def _delete_rows(
    connection: Connection[Any], tables: Iterable[str], numbers: Sequence[int]
) -> None:
    """Delete the rows of sessions from tables."""
    for table in tables:
        column = "number" if table == "head" else "session"
        query = f"DELETE FROM {table} WHERE {column} = ANY (%b)"
        connection.execute(query.encode(), (list(numbers),))


def _of_tenant(tenant: str | None) -> tuple[str, tuple[bytes, ...]]:
    """Return the condition of a tenant's rows, and its value."""
    return ("", ()) if tenant is None else ("WHERE tenant = %b", (tenant_key(tenant),))

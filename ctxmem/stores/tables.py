"""The tables of the SQLite file, and how a file of format 1 becomes one of format 2.

Deleted text must leave the file, and SQLite makes that hard: when a page of its B-tree is split or
merged, cells move, and copies of them stay in the gaps, out of the reach of `secure_delete`, until
somebody deletes what moved. So rows with text are written behind the last row only, are never
deleted one by one, and are erased in place: overwritten by zeros of the same length. No cell ever
moves. Erased rows are removed when the file is rewritten as a whole (VACUUM), which is done when
more than half of it is erased. What is looked up by name is looked up by a hash of it, because an
index does move its cells.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from ctxmem.errors import StoreError
from ctxmem.stores.seal import Seal, as_text, tenant_key

FORMAT = 2
"""Version of the tables below; files of version 1 are brought up to it when they are opened."""

APPLICATION = 0x63746D78  # "ctmx", in the header of the file

BLOCK = 4040
"""Bytes of a block of snapshots: with its header one leaf of a B-tree with pages of 4,096 bytes."""

ERASED = b"\0\0erased"
"""In place of a checksum: the payload was deleted."""

_NEW = (
    # Numbers are never given twice (AUTOINCREMENT), so that a reader cannot mistake the records of
    # a new session for those of a deleted one.
    "CREATE TABLE head (number INTEGER PRIMARY KEY AUTOINCREMENT, tenant BLOB NOT NULL, "
    "key BLOB NOT NULL UNIQUE, version INTEGER NOT NULL, checksum BLOB NOT NULL, times BLOB)",
    "CREATE INDEX head_tenant ON head (tenant)",
    # Names are bytes, since any str is a name.
    "CREATE TABLE name (number INTEGER PRIMARY KEY, tenant BLOB NOT NULL, session BLOB NOT NULL)",
    # Snapshots: parts lie in blocks of one size, so that dropped ones are used again in place.
    "CREATE TABLE snapshot (session INTEGER PRIMARY KEY, version INTEGER NOT NULL, "
    "checksum BLOB NOT NULL)",
    "CREATE TABLE part (session INTEGER NOT NULL, name BLOB NOT NULL, checksum BLOB NOT NULL, "
    "size INTEGER NOT NULL, blocks BLOB NOT NULL, UNIQUE (session, name))",
    "CREATE TABLE block (number INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    "CREATE TABLE free (number INTEGER PRIMARY KEY)",
    # How many bytes were erased in place, and wait for the file to be rewritten.
    "CREATE TABLE erased (number INTEGER PRIMARY KEY AUTOINCREMENT, bytes INTEGER NOT NULL)",
)
_KEPT = (
    "CREATE TABLE format (version INTEGER NOT NULL)",
    "INSERT INTO format VALUES (1)",
    "CREATE TABLE record (session INTEGER NOT NULL, version INTEGER NOT NULL, "
    "checksum BLOB NOT NULL, payload BLOB NOT NULL, UNIQUE (session, version))",
    "CREATE TABLE page (session INTEGER NOT NULL, id BLOB NOT NULL, "
    "checksum BLOB NOT NULL, payload BLOB NOT NULL, UNIQUE (session, id))",
)
_DROP_ERASED = (
    "DELETE FROM record WHERE session NOT IN (SELECT number FROM head)",
    "DELETE FROM page WHERE session NOT IN (SELECT number FROM head) "
    f"OR checksum = x'{ERASED.hex()}'",
    "DELETE FROM name WHERE number NOT IN (SELECT number FROM head)",
    "DELETE FROM block WHERE number IN (SELECT number FROM free)",
    "DELETE FROM free",
)
_ERASE_SESSION = (
    "UPDATE record SET payload = zeroblob(length(payload)), checksum = zeroblob(length(checksum)) "
    "WHERE session = ?",
    "UPDATE page SET payload = zeroblob(length(payload)), checksum = zeroblob(length(checksum)) "
    "WHERE session = ?",
    "UPDATE name SET tenant = zeroblob(length(tenant)), session = zeroblob(length(session)) "
    "WHERE number = ?",
    "DELETE FROM head WHERE number = ?",
)


def make_tables(connection: sqlite3.Connection, path: str) -> None:
    """Make the tables in an empty file, inside a transaction."""
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreError(
            f"{path!r} is an SQLite file, but not a store of ctxmem; give another path"
        )
    for statement in (*_KEPT, *_NEW):
        connection.execute(statement)
    connection.execute("UPDATE format SET version = ?", (FORMAT,))
    connection.execute(f"PRAGMA application_id = {APPLICATION}")


def format_of(connection: sqlite3.Connection) -> Any:
    """Return the version of the tables, None if it cannot be read."""
    found = connection.execute("SELECT version FROM format").fetchall()
    return found[0][0] if len(found) == 1 else None


def migrate(connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
    """Bring the tables of format 1 up to date, inside a transaction.

    When its sessions were used is not known; they count as used now. The file has gaps with copies
    of rows, so it is marked as erased, and rewritten at the first deletion.
    """
    now = clock()
    rows = connection.execute("SELECT number, tenant, name, version, checksum FROM session")
    old = rows.fetchall()
    for statement in _NEW:
        connection.execute(statement)
    for number, tenant, name, version, checksum in old:
        try:
            seal = Seal(as_text(tenant), as_text(name))
        except ValueError:  # damaged: no name leads to this session
            continue
        connection.execute(
            "INSERT INTO head VALUES (?, ?, ?, ?, ?, ?)",
            (number, tenant_key(seal.tenant), seal.key(), version, checksum, seal.times(now, now)),
        )
        connection.execute("INSERT INTO name VALUES (?, ?, ?)", (number, *seal.names))
    last = connection.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'session'")
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'head'")
    connection.execute(
        "INSERT INTO sqlite_sequence (name, seq) VALUES ('head', ?)", (last.fetchone()[0] or 0,)
    )
    connection.execute("DROP TABLE session")
    connection.execute("INSERT INTO erased (bytes) VALUES (?)", (file_size(connection),))
    connection.execute("UPDATE format SET version = ?", (FORMAT,))


def file_size(connection: sqlite3.Connection) -> int:
    """Return the size of the file in bytes."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    return int(pages * connection.execute("PRAGMA page_size").fetchone()[0])


def size_of(connection: sqlite3.Connection, number: int) -> tuple[int, int, int]:
    """Return how many records and pages a session has, and their bytes."""
    records, bytes_of_records = connection.execute(
        "SELECT count(*), total(length(payload)) FROM record WHERE session = ?", (number,)
    ).fetchone()
    pages, bytes_of_pages = connection.execute(
        "SELECT count(*), total(length(payload)) FROM page WHERE session = ? AND checksum != ?",
        (number, ERASED),
    ).fetchone()
    return records, pages, int(bytes_of_records + bytes_of_pages)


def erase_session(connection: sqlite3.Connection, number: int) -> None:
    """Overwrite a session's text and forget the session, inside a transaction."""
    for statement in _ERASE_SESSION:
        connection.execute(statement, (number,))


def erase_page(connection: sqlite3.Connection, number: int, id: bytes) -> int | None:
    """Overwrite a page, inside a transaction; return its size, None if it is not there."""
    where = (number, id)
    row = connection.execute(
        "SELECT length(payload), checksum FROM page WHERE session = ? AND id = ?", where
    ).fetchone()
    if row is None or row[1] == ERASED:
        return None
    connection.execute(
        "UPDATE page SET payload = zeroblob(length(payload)), checksum = ? "
        "WHERE session = ? AND id = ?",
        (ERASED, *where),
    )
    return int(row[0])


def note_erased(connection: sqlite3.Connection, size: int) -> None:
    """Remember that so many bytes were erased."""
    connection.execute("INSERT INTO erased (bytes) VALUES (?)", (size,))


def is_mostly_erased(connection: sqlite3.Connection) -> bool:
    """Return whether more than half of the file is erased.

    Rewriting it then costs less than two written bytes for each erased one.
    """
    erased = connection.execute("SELECT total(bytes) FROM erased").fetchone()[0]
    return bool(2 * erased > file_size(connection))


def drop_erased(connection: sqlite3.Connection) -> int:
    """Delete erased rows, inside a transaction; return the last note on them.

    Cells move now, so the file must be rewritten before the notes are deleted.
    """
    for statement in _DROP_ERASED:
        connection.execute(statement)
    return int(connection.execute("SELECT ifnull(max(number), 0) FROM erased").fetchone()[0])


def forget_notes(connection: sqlite3.Connection, last: int) -> None:
    """Delete the notes on what was erased before the file was rewritten."""
    connection.execute("DELETE FROM erased WHERE number <= ?", (last,))

"""Snapshots in the SQLite file: named parts of bytes, in blocks of one size.

A part that is dropped leaves its blocks to the next one, zeroed; a block is only ever overwritten
in place. All functions but `read` run inside a transaction.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Mapping

from ctxmem.stores.seal import Seal, as_bytes, as_text
from ctxmem.stores.tables import BLOCK

_ZEROS = "UPDATE block SET data = zeroblob(length(data)) WHERE number = ?"
_AT_A_TIME = 500


def put(
    connection: sqlite3.Connection,
    seal: Seal,
    number: int,
    version: int,
    parts: Mapping[str, bytes],
    drop: Iterable[str],
) -> None:
    """Write parts of the snapshot of a session."""
    new = {as_bytes(name): bytes(payload) for name, payload in parts.items()}
    for name in dict.fromkeys([*map(as_bytes, drop), *new]):
        _drop_part(connection, number, name)
    for name, payload in new.items():
        connection.execute(
            "INSERT INTO part VALUES (?, ?, ?, ?, ?)",
            (
                *(number, name, seal.of_part(name, payload), len(payload)),
                _write(connection, payload),
            ),
        )
    rows = connection.execute("SELECT name, checksum FROM part WHERE session = ?", (number,))
    checksum = seal.of_snapshot(version, dict(rows.fetchall()))
    connection.execute(
        "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?)", (number, int(version), checksum)
    )


def version_of(connection: sqlite3.Connection, number: int) -> int:
    """Return the version of the snapshot that a session has, 0 if it has none."""
    row = connection.execute("SELECT version FROM snapshot WHERE session = ?", (number,)).fetchone()
    return int(row[0]) if row and isinstance(row[0], int) else 0


def read(
    connection: sqlite3.Connection, seal: Seal, number: int
) -> tuple[int, dict[str, bytes]] | None:
    """Return version and parts of a session's snapshot, None if there is no sound one."""
    head = connection.execute(
        "SELECT version, checksum FROM snapshot WHERE session = ?", (number,)
    ).fetchone()
    if head is None:
        return None
    rows = connection.execute(
        "SELECT name, checksum, size, blocks FROM part WHERE session = ?", (number,)
    ).fetchall()
    checksums = {name: checksum for name, checksum, _, _ in rows}
    try:
        if head[1] != seal.of_snapshot(head[0], checksums):
            return None
        found = {}
        for name, checksum, size, numbers in rows:
            payload = _payload(connection, numbers)[:size]
            if len(payload) != size or seal.of_part(name, payload) != checksum:
                return None
            found[as_text(name)] = payload
    except (TypeError, ValueError):  # of another type than what was written
        return None
    return head[0], found


def drop_all(connection: sqlite3.Connection, number: int) -> int:
    """Delete the snapshot of a session; return how many bytes it had."""
    rows = connection.execute("SELECT name, size FROM part WHERE session = ?", (number,)).fetchall()
    for name, _ in rows:
        _drop_part(connection, number, name)
    connection.execute("DELETE FROM snapshot WHERE session = ?", (number,))
    return sum(size for _, size in rows if isinstance(size, int))


def size_of(connection: sqlite3.Connection, number: int) -> int:
    """Return how many bytes the snapshot of a session has."""
    row = connection.execute("SELECT total(size) FROM part WHERE session = ?", (number,)).fetchone()
    return int(row[0])


def _drop_part(connection: sqlite3.Connection, number: int, name: bytes) -> None:
    row = connection.execute(
        "SELECT blocks FROM part WHERE session = ? AND name = ?", (number, name)
    ).fetchone()
    if row is None:
        return
    blocks = [(block,) for block in _numbers(row[0])]
    connection.executemany(_ZEROS, blocks)
    connection.executemany("INSERT OR IGNORE INTO free VALUES (?)", blocks)
    connection.execute("DELETE FROM part WHERE session = ? AND name = ?", (number, name))


def _write(connection: sqlite3.Connection, payload: bytes) -> bytes:
    """Write a payload into blocks and return their numbers, packed."""
    pieces = [payload[start : start + BLOCK] for start in range(0, len(payload), BLOCK)]
    if pieces:
        pieces[-1] = pieces[-1].ljust(BLOCK, b"\0")
    rows = connection.execute("SELECT number FROM free LIMIT ?", (len(pieces),)).fetchall()
    connection.executemany("DELETE FROM free WHERE number = ?", rows)
    connection.executemany(
        "INSERT INTO block VALUES (?, ?) ON CONFLICT (number) DO UPDATE SET data = excluded.data",
        [(number, piece) for piece, (number,) in zip(pieces, rows, strict=False)],
    )
    last = connection.execute("SELECT ifnull(max(number), 0) FROM block").fetchone()[0]
    added = range(last + 1, last + 1 + len(pieces) - len(rows))
    connection.executemany(
        "INSERT INTO block VALUES (?, ?)", zip(added, pieces[len(rows) :], strict=True)
    )
    numbers = [*(number for (number,) in rows), *added]
    return struct.pack(f"<{len(numbers)}q", *numbers)


def _payload(connection: sqlite3.Connection, packed: object) -> bytes:
    numbers = _numbers(packed)
    found: dict[int, bytes] = {}
    for start in range(0, len(numbers), _AT_A_TIME):
        some = numbers[start : start + _AT_A_TIME]
        marks = ",".join("?" * len(some))
        found.update(
            connection.execute(f"SELECT number, data FROM block WHERE number IN ({marks})", some)
        )
    return b"".join([found.get(number, b"") for number in numbers])


def _numbers(packed: object) -> list[int]:
    if not isinstance(packed, bytes) or len(packed) % 8:
        return []
    return list(struct.unpack(f"<{len(packed) // 8}q", packed))

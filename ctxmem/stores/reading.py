"""Reading a session: what every store does with the rows of a file or of a server.

Records and pages are read some at a time, so that no transaction stays open while the caller works.
Each record is checked against its checksum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import xxhash

from ctxmem.protocols import OnDamage, SessionVersion
from ctxmem.schema import PageId, Record
from ctxmem.stores.seal import Seal, report
from ctxmem.stores.sessions import check_incarnation, deleted_error

PAGES = 200
"""Pages that are read at a time."""

_BATCH = 256
_LARGEST_BATCH = 4096
_BATCH_BYTES = 1 << 20


class Head(Protocol):
    """A session that is there: its number in the store and its version."""

    @property
    def number(self) -> int:
        """The number, which no later session of the same name has."""

    @property
    def version(self) -> SessionVersion:
        """How many records it has."""


Find = Callable[[Seal, OnDamage | None], Head | None]
"""Return the session, None if it is unknown; report its damage."""

Rows = Callable[[Seal, int, int, int, bool], Mapping[int, tuple[Any, Any]]]
"""Return {version: (checksum, payload)} of a session, given its number, first and last version; if
the last argument is true, around what cannot be read."""


def read_session(
    seal: Seal, after: int, damaged: OnDamage | None, find: Find, rows: Rows
) -> Iterator[Record]:
    """Yield the records of a session whose version is above `after`, as `PageStore.read` says."""
    reports: list[object] = []

    def noted(error: Any) -> None:
        reports.append(error)
        report(error, damaged)

    head = find(seal, noted)
    check_incarnation(*seal.place, after, head.version if head else None)
    if head is None:
        return iter(())
    if after > head.version and not reports:
        raise deleted_error(*seal.place)
    return records_after(seal, head, max(after, 0), damaged, find, rows)


def records_after(
    seal: Seal, head: Head, after: int, damaged: OnDamage | None, find: Find, rows: Rows
) -> Iterator[Record]:
    """Yield the records of a session that was found."""
    digest, tail, batch = xxhash.xxh3_64_digest, seal.head, _BATCH
    while after < head.version:
        last = min(after + batch, head.version)
        found = rows(seal, head.number, after + 1, last, damaged is not None)
        size = 0
        for version in range(after + 1, last + 1):
            checksum, payload = found.get(version, (None, None))
            # As Seal.of_record, without a call: this is most of the time of opening a session.
            if type(payload) is bytes and checksum == digest(
                b"r%d:%b%b" % (version, tail, payload)
            ):
                size += len(payload)
                yield Record(version, payload)
            else:
                now = find(seal, lambda _: None)
                if now is None or now.number != head.number:
                    raise deleted_error(*seal.place)
                report(seal.damage("record", version), damaged)
        after = last
        batch = min(2 * batch, _LARGEST_BATCH) if size < _BATCH_BYTES else _BATCH


def read_pages(
    ids: Sequence[PageId], read: Callable[[Sequence[PageId]], Mapping[PageId, bytes]]
) -> Iterator[tuple[PageId, bytes]]:
    """Yield pages and their payloads, as `read` returns them of some ids."""
    for start in range(0, len(ids), PAGES):
        yield from read(ids[start : start + PAGES]).items()

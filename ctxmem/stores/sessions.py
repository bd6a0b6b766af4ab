"""What all stores know of sessions: versions that were expected, ages, and exports."""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from ctxmem.errors import ConflictError, InputError, InputTypeError, SessionDeletedError, a_type
from ctxmem.protocols import ManagedStore, SessionVersion
from ctxmem.schema import PageId


def deleted_error(tenant: str, session: str) -> SessionDeletedError:
    """Return the error for a session that is not the one that the caller read or wrote."""
    return SessionDeletedError(
        f"session {session!r} of tenant {tenant!r} was deleted; open it again to begin a new one",
        tenant=tenant,
        session=session,
    )


def check_version(
    tenant: str, session: str, expect: int | None, actual: SessionVersion | None
) -> None:
    """Raise `ConflictError` unless the session is where the caller left it.

    Raises `SessionDeletedError` if it is not there any more, or another one has its name.
    """
    if expect is None:
        return
    check_incarnation(tenant, session, expect, actual)
    if expect != (actual or 0):
        raise ConflictError(
            f"session {session!r} of tenant {tenant!r} is at version {actual or 0}, expected "
            f"{expect}: another writer was faster; read what is new and try again",
            expected=int(expect),
            actual=int(actual or 0),
        )


def check_incarnation(
    tenant: str, session: str, expect: int, actual: SessionVersion | None
) -> None:
    """Raise `SessionDeletedError` if a version is not one of the session that is there now."""
    known = isinstance(expect, SessionVersion)
    if actual is None:
        gone = expect > 0 or known
    else:
        gone = isinstance(expect, SessionVersion) and expect.incarnation != actual.incarnation
    if gone:
        raise deleted_error(tenant, session)


def cutoff_of(older_than: float | timedelta | datetime, now: float) -> float:
    """Return the time, in seconds since 1970, before which sessions are expired."""
    if isinstance(older_than, datetime):
        return older_than.timestamp()
    if isinstance(older_than, timedelta):
        older_than = older_than.total_seconds()
    if isinstance(older_than, bool) or not isinstance(older_than, int | float):
        raise InputTypeError(
            f"older_than is {a_type(older_than)}; expected seconds, a timedelta or the "
            f"datetime before which sessions expire"
        )
    if not (older_than >= 0 and math.isfinite(older_than)):
        raise InputError(f"older_than is {older_than!r}; expected 0 seconds or more")
    return now - older_than


def exported(
    place: tuple[str, str],
    times: tuple[float | None, float | None],
    length: int,
    records: Iterable[tuple[int, bytes]],
    pages: Iterable[tuple[PageId, bytes]],
) -> Iterator[dict[str, Any]]:
    """Yield a session as `ManagedStore.export` does: its times, its records, then its pages.

    Args:
        place: tenant and name of the session.
        times: when it was made and last used, in seconds since 1970; None where that is lost.
        length: how many records it has, damaged ones included.
        records: its versions and payloads.
        pages: its pages and their payloads.
    """
    where = dict(zip(("tenant", "session"), place, strict=True))
    created, used = times
    yield {**where, "records": length, "created_at": created, "used_at": used}
    for version, payload in records:
        yield {**where, "record": version, **_payload_fields(payload)}
    for page, payload in pages:
        yield {**where, "page": page, **_payload_fields(payload)}


def _payload_fields(payload: bytes) -> dict[str, str]:
    """Return bytes as JSON can hold them: as text if they are UTF-8, else in base 64."""
    try:
        return {"text": payload.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(payload).decode("ascii")}


def export_lines(
    store: ManagedStore,
    path: str | os.PathLike[str],
    tenant: str,
    session: str | None = None,
) -> int:
    """Write what `store.export` yields into a new file, as JSON lines; return their number.

    Only the owner may read the file. It is complete or not there.

    Raises `FileExistsError` if the path exists.
    """
    lines = 0
    try:
        with open(path, "x", encoding="ascii", opener=private) as file:
            for one in _lines(store.export(tenant, session)):
                file.write(one)
                lines += 1
    except FileExistsError:
        raise
    except BaseException:
        os.unlink(path)
        raise
    return lines


def private(path: str, flags: int) -> int:
    """Open a file, as `opener` of `open`; one that is made is for its owner only."""
    return os.open(path, flags, 0o600)


def _lines(exported: Iterator[dict[str, Any]]) -> Iterator[str]:
    for one in exported:
        yield json.dumps(one) + "\n"


def collision(page: str) -> InputError:
    """Return the error for a page whose id is taken by other bytes."""
    return InputError(
        f"page {page!r} is stored with other bytes, which are kept; expected an id that only these "
        f"bytes have, such as a keyed hash of them"
    )


def check_snapshot(tenant: str, session: str, version: int, actual: SessionVersion | None) -> None:
    """Raise an error unless a session can have a snapshot of a version."""
    if actual is None:
        raise deleted_error(tenant, session)
    check_incarnation(tenant, session, version, actual)
    if not 0 <= version <= actual:
        raise InputError(
            f"the snapshot is of version {version}, but session {session!r} of tenant {tenant!r} "
            f"is at {actual}; expected a version from 0 to that"
        )


def check_base(tenant: str, session: str, base: int | None, actual: int) -> None:
    """Raise `ConflictError` unless the snapshot that is there is the one to be added to."""
    if base is not None and base != actual:
        raise ConflictError(
            f"the snapshot of session {session!r} of tenant {tenant!r} is at version {actual}, "
            f"expected {base}: another writer was faster; read it again, or drop all its parts",
            expected=int(base),
            actual=int(actual),
        )

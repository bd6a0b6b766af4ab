"""Checksums that bind a payload to its place, and names as bytes."""

from __future__ import annotations

import hashlib
import struct

import xxhash

from ctxmem.errors import PageDamageError
from ctxmem.protocols import OnDamage

_TIMES = struct.Struct("<dd")


class Seal:
    """The checksums of one session: xxh3 of a payload and of all that it is keyed by.

    They find damage, not forgery: whoever can write to the file can write a checksum, too.
    """

    def __init__(self, tenant: str, session: str) -> None:
        self.tenant = tenant
        self.session = session
        self.names = (as_bytes(tenant), as_bytes(session))
        tenant_name, session_name = self.names
        self.head = b"%d:%d:%b%b" % (
            len(tenant_name),
            len(session_name),
            tenant_name,
            session_name,
        )

    @property
    def place(self) -> tuple[str, str]:
        """Return tenant and session."""
        return self.tenant, self.session

    def key(self) -> bytes:
        """Return what the session is found by; a hash, since an index keeps copies of its keys."""
        return hashlib.blake2b(self.head, digest_size=16).digest()

    def of_session(self, version: int) -> bytes:
        """Return the checksum of a session at a version."""
        return xxhash.xxh3_64_digest(b"s%d:%b" % (version, self.head))

    def of_record(self, version: int, payload: bytes) -> bytes:
        """Return the checksum of a record."""
        return xxhash.xxh3_64_digest(b"r%d:%b%b" % (version, self.head, payload))

    def of_page(self, id: bytes, payload: bytes) -> bytes:
        """Return the checksum of a page."""
        return xxhash.xxh3_64_digest(b"p%d:%b%b%b" % (len(id), id, self.head, payload))

    def of_part(self, name: bytes, payload: bytes) -> bytes:
        """Return the checksum of a part of a snapshot."""
        state = xxhash.xxh3_64(b"b%d:%b%b" % (len(name), name, self.head))
        state.update(payload)
        return state.digest()

    def of_snapshot(self, version: int, parts: dict[bytes, bytes]) -> bytes:
        """Return the checksum of a snapshot, given the checksums of its parts by their names."""
        state = xxhash.xxh3_64(b"n%d:%d:%b" % (version, len(parts), self.head))
        for name in sorted(parts):
            state.update(b"%d:%b%b" % (len(name), name, parts[name]))
        return state.digest()

    def times(self, created: float, used: float) -> bytes:
        """Return two times with their checksum."""
        data = _TIMES.pack(created, used)
        return data + xxhash.xxh3_64_digest(b"t%b%b" % (data, self.head))

    def read_times(self, data: object) -> tuple[float, float] | None:
        """Return the two times, None if they are damaged or not known."""
        if not isinstance(data, bytes) or len(data) != _TIMES.size + 8:
            return None
        created, used = _TIMES.unpack_from(data)
        return (created, used) if self.times(created, used) == data else None

    def damage(self, what: str, key: int | str | None) -> PageDamageError:
        """Return the error for something of the session that is damaged or missing."""
        name = what if key is None else f"{what} {key!r}"
        return PageDamageError(
            f"{name} of session {self.session!r} of tenant {self.tenant!r} is damaged or missing; "
            f"restore a copy of the store, or read without it (damaged=)",
            tenant=self.tenant,
            session=self.session,
            key=key,
        )


def tenant_key(tenant: str) -> bytes:
    """Return what the sessions of a tenant are found by."""
    return hashlib.blake2b(as_bytes(tenant), digest_size=16, person=b"tenant").digest()


def as_bytes(name: str) -> bytes:
    """Return any str as bytes, lone surrogates included."""
    return name.encode("utf-8", "surrogatepass")


def as_text(name: object) -> str:
    """Return a name that `as_bytes` made; raises `ValueError` for anything else."""
    if not isinstance(name, bytes):
        raise ValueError("a name is stored as bytes")
    return name.decode("utf-8", "surrogatepass")


def report(error: PageDamageError, damaged: OnDamage | None) -> None:
    """Raise an error, or pass it to a function that takes it."""
    if damaged is None:
        raise error
    damaged(error)

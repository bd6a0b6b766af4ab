"""Keep the accounts of conversations in the store: of each the last one only."""

from __future__ import annotations

from contextlib import suppress

from ctxmem.errors import ConflictError, SessionDeletedError
from ctxmem.gateway.store_path import ACCOUNTS
from ctxmem.protocols import PageStore, SnapshotStore

_PART = "account"


class AccountStore:
    """Reads and writes accounts as bytes; each write replaces what was there, all or nothing.

    An account is the snapshot of a session beside the conversation's. The session has one record,
    the first account, since a store keeps no snapshot of a session that is not there. Where a
    store has no snapshots, and in stores that earlier versions wrote, each account is a record.
    """

    def __init__(self, store: PageStore) -> None:
        self._store = store

    def read(self, tenant: str, session: str) -> bytes | None:
        """Return the account that was written last, None if there is none."""
        names = (tenant + ACCOUNTS, session)
        version = self._store.version(*names)
        if not version:
            return None
        if isinstance(self._store, SnapshotStore):
            held = self._store.snapshot(*names)
            if held is not None and held[0] >= version and _PART in held[1]:
                return held[1][_PART]
        records = list(self._store.read(*names, after=version - 1))
        return records[-1].payload if records else None

    def write(self, tenant: str, session: str, account: bytes) -> None:
        """Write an account in place of the one that is there."""
        names = (tenant + ACCOUNTS, session)
        if isinstance(self._store, SnapshotStore):
            version = self._store.version(*names)
            if version:
                with suppress(ConflictError, SessionDeletedError):  # deleted meanwhile
                    self._store.put_snapshot(*names, version, {_PART: account})
                    return
        self._store.append(*names, [account])

"""A session's journal: what happened, as records that a store keeps and any reader can follow.

A memory is the sum of its records: appends, pins, and every change of the window's layout as it
came out, so that a reopened session shows the same bytes whatever the code has learned since.
Messages are stored as JSON under a keyed hash of their content; records name them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ctxmem.errors import PageDamageError, SessionDeletedError
from ctxmem.memory import encoding
from ctxmem.memory.encoding import decode, encode
from ctxmem.protocols import PageStore, SessionVersion
from ctxmem.schema import PageId

FORMAT = 1
"""Version of the records; readers refuse later ones."""


class SessionLog:
    """One session's records and pages in a store."""

    def __init__(self, store: PageStore, tenant: str, session: str) -> None:
        self.store, self.tenant, self.session = store, tenant, session
        self.version: int = 0
        self._key = os.urandom(32)  # records name pages, so the next process may have another

    def page_id(self, data: bytes) -> PageId:
        """Return the id under which a message is stored."""
        return encoding.page_id(data, self._key)

    def write(self, records: Sequence[Any], messages: Mapping[PageId, bytes]) -> None:
        """Write records and the messages they name, all or none.

        Raises `ConflictError` when somebody else wrote since, `SessionDeletedError` when the
        session was deleted; nothing is written then.
        """
        payloads = [encode({"v": FORMAT, **record}) for record in records]
        self.version = self.store.append(
            self.tenant, self.session, payloads, pages=messages, expect=self.version
        )

    @property
    def behind(self) -> bool:
        """Whether somebody else has written since, or deleted the session."""
        now = self.store.version(self.tenant, self.session)
        return now != self.version or not self._is_same(now)

    def news(self) -> Iterator[dict[str, Any]]:
        """Yield the records that are new, each after its predecessor was taken in."""
        now = self.store.version(self.tenant, self.session)
        for record in list(self.store.read(self.tenant, self.session, after=self.version)):
            yield self._decoded(record.version, record.payload)
            at = record.version
            self.version = now.at(at) if isinstance(now, SessionVersion) else at

    def messages(self, ids: Sequence[PageId]) -> dict[PageId, Any]:
        """Return stored messages; one that is missing is damage, since its record is there."""
        found = self.store.pages(self.tenant, self.session, list(dict.fromkeys(ids)))
        for page in ids:
            if page not in found:
                self._check_still_there()
                raise PageDamageError(
                    f"session {self.session!r} of tenant {self.tenant!r} names page {page}, which "
                    "the store does not have; restore the store from a copy",
                    tenant=self.tenant,
                    session=self.session,
                    key=page,
                )
        return {page: decode(data) for page, data in found.items()}

    def _check_still_there(self) -> None:
        now = self.store.version(self.tenant, self.session)
        if now < self.version or not self._is_same(now):
            raise SessionDeletedError(
                f"session {self.session!r} of tenant {self.tenant!r} was deleted while it was read",
                tenant=self.tenant,
                session=self.session,
            )

    def _is_same(self, now: int) -> bool:
        """Whether a version is not of another session that took the name of this one."""
        if isinstance(now, SessionVersion) and isinstance(self.version, SessionVersion):
            return now.incarnation == self.version.incarnation
        return True

    def _decoded(self, version: int, payload: bytes) -> dict[str, Any]:
        try:
            record = decode(payload)
            known = isinstance(record, dict) and record["v"] <= FORMAT
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise PageDamageError(
                f"record {version} of session {self.session!r} of tenant {self.tenant!r} is none "
                "that this version of ctxmem can read; use the version that wrote it",
                tenant=self.tenant,
                session=self.session,
                key=version,
            )
        return dict(record)

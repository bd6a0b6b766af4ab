"""A session's log: what happened, as records that a store keeps and any reader can follow.

A memory is the sum of its records: appends, pins, and every change of the window's layout as it
came out, so that a reopened session shows the same bytes whatever the code has learned since.
Messages are stored as JSON under a keyed hash of their content; records name them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from ctxmem.chat.parts import parts_of
from ctxmem.chat.reading import read_one
from ctxmem.chat.shapes import shown
from ctxmem.errors import (
    ConflictError,
    CtxmemWarning,
    InputError,
    PageDamageError,
    SessionDeletedError,
)
from ctxmem.memory import encoding
from ctxmem.memory.editing import page_name
from ctxmem.memory.encoding import decode, encode, sendable
from ctxmem.memory.framework_messages import as_plain, restored
from ctxmem.memory.items import Content, Item
from ctxmem.memory.texts import said_in, spoken_text, text_of
from ctxmem.protocols import OnDamage, PageStore, SessionVersion, SnapshotStore
from ctxmem.schema import PageId
from ctxmem.stores.sessions import private

FORMAT = 2
"""Version of the records; readers refuse later ones."""


class SessionLog:
    """One session's records and pages in a store."""

    def __init__(self, store: PageStore, tenant: str, session: str) -> None:
        self.store, self.tenant, self.session = store, tenant, session
        self.version: int = 0
        self.names = (tenant, session)
        self.on_damage: OnDamage | None = None  # skip damage, and report it to this
        self.lost = 0  # records and messages that were skipped
        self._key = os.urandom(32)  # records name pages, so the next process may have another
        self._saved_at: int | None = 0  # version of the snapshot; None: another process writes them

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
        read = self.store.read(self.tenant, self.session, after=self.version, damaged=self._skip)
        for record in list(read):
            decoded = self._decoded(record.version, record.payload)
            if decoded is not None:
                yield decoded
            at = record.version
            self.version = now.at(at) if isinstance(now, SessionVersion) else at

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield all records that were read so far, again."""
        for record in self.store.read(self.tenant, self.session):
            if record.version <= self.version:
                decoded = self._decoded(record.version, record.payload)
                if decoded is not None:
                    yield decoded

    def messages(self, ids: Sequence[PageId]) -> dict[PageId, Any]:
        """Return stored messages; one that is missing is damage, since its record is there."""
        found = self.store.pages(
            self.tenant, self.session, list(dict.fromkeys(ids)), damaged=self._skip
        )
        for page in ids:
            if page not in found:
                self._check_still_there()
                error = PageDamageError(
                    f"session {self.session!r} of tenant {self.tenant!r} names page {page}, which "
                    "the store does not have; restore the store from a copy, or open it with "
                    'damaged="skip"',
                    tenant=self.tenant,
                    session=self.session,
                    key=page,
                )
                self._report(error)
        return {page: restored(decode(data)) for page, data in found.items()}

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

    def _decoded(self, version: int, payload: bytes) -> dict[str, Any] | None:
        record: Any = None
        try:
            record = decode(payload)
            known = isinstance(record, dict) and record["v"] <= FORMAT
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            error = PageDamageError(
                f"record {version} of session {self.session!r} of tenant {self.tenant!r} is none "
                "that this version of ctxmem can read; use the version that wrote it",
                tenant=self.tenant,
                session=self.session,
                key=version,
            )
            self._report(error)
            return None
        return dict(record)

    @property
    def _skip(self) -> OnDamage | None:
        return None if self.on_damage is None else self._report

    def _report(self, error: PageDamageError) -> None:
        """Raise what is damaged, or skip and report it."""
        if self.on_damage is None:
            raise error
        self.lost += 1
        self.on_damage(error)

    def contents(self, keys: Sequence[tuple[str, str]]) -> list[Content | None]:
        """Return what items are made of, by the ids of their pages; None for what is lost."""
        ids = [PageId(key) for pair in keys for key in pair if key]
        messages = self.messages(ids) if ids else {}
        made: list[Content | None] = []
        for at, (key, sent_key) in enumerate(keys):
            original = messages.get(PageId(key))
            if original is None:
                made.append(None)
                continue
            sent = messages.get(PageId(sent_key or key), original)
            parts = () if said_in(original) is not None else tuple(parts_of(original, at))
            text, spoken = text_of(original, at, parts), spoken_text(original, at, parts)
            if sent_key:
                text, spoken = sendable(text), sendable(spoken)
            made.append(Content(sent, read_one(original, at), text, spoken))
        return made

    # Snapshots ------------------------------------------------------------------------------------

    @property
    def keeps_snapshots(self) -> bool:
        """Whether snapshots of the session are kept, and by this process."""
        return self._saved_at is not None and isinstance(self.store, SnapshotStore)

    def snapshot(self) -> dict[str, bytes] | None:
        """Return the parts of the snapshot, if there is a sound one, and go on behind it."""
        if self.version or not isinstance(self.store, SnapshotStore):
            return None
        found = self.store.snapshot(self.tenant, self.session)
        if found is None:
            return None
        self.version, parts = found
        self._saved_at = self.version
        return parts

    def restart(self) -> None:
        """Read from the first record again: the snapshot cannot be used."""
        self.version = 0
        if isinstance(self.store, SnapshotStore):
            self.store.drop_snapshot(self.tenant, self.session)
        self._saved_at = 0

    def save(self, parts: Mapping[str, bytes]) -> bool:
        """Write parts of a snapshot of the session as it is now, and return whether that was done.

        Parts that are not named are kept. Another process may have written some meanwhile; then
        this one leaves snapshots to it.
        """
        assert isinstance(self.store, SnapshotStore)
        try:
            self.store.put_snapshot(
                self.tenant, self.session, self.version, parts, base=self._saved_at
            )
        except ConflictError:
            self._saved_at = None
            return False
        self._saved_at = self.version
        return True


def exported(messages: Sequence[Any], item_at: Callable[[int], Item]) -> Iterator[dict[str, Any]]:
    """Yield messages that are there as plain data, with what is known of each."""
    for number, message in enumerate(messages):
        if message is not None:
            item = item_at(number)
            yield {
                "number": number,
                "pages": [page_name(page) for page in item.pages],
                "role": item.role,
                "at": item.at,
                "message": as_plain(message, f"message {number}"),
            }


def write_rows(path: str | os.PathLike[str], rows: Iterable[Any]) -> int:
    """Write rows as JSON lines, for the owner only if the file is new; return how many.

    Raises `InputError` for the path of a folder.
    """
    if os.path.isdir(path):
        raise InputError(f"{os.fspath(path)!r} is a folder; expected the path of a file")
    count = 0
    with open(path, "wb", opener=private) as file:
        for row in rows:
            file.write(encode(row) + b"\n")
            count += 1
    return count


def damage_callback(damaged: object) -> OnDamage | None:
    """Return what damage is reported to, None where it is raised."""
    if damaged == "raise":
        return None
    if damaged == "skip":
        return _warn
    if callable(damaged):
        return cast("OnDamage", damaged)
    raise InputError(f"damaged is {shown(damaged)}; expected 'raise', 'skip' or a function")


def _warn(error: PageDamageError) -> None:
    warnings.warn(str(error), CtxmemWarning, stacklevel=2)

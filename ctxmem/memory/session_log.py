"""A session's journal: what happened, as records that a store keeps and any reader can follow.

A memory is the sum of its records: appends, pins, and every change of the window's layout as it
came out, so that a reopened session shows the same bytes whatever the code has learned since.
Messages are stored as JSON under the hash of their content; records name them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import xxhash

from ctxmem.chat.reading import read_one
from ctxmem.errors import ConflictError, InputError, PageDamageError
from ctxmem.memory.framework_messages import restored
from ctxmem.memory.items import Content
from ctxmem.memory.texts import text_of
from ctxmem.protocols import OnDamage, PageStore, SnapshotStore
from ctxmem.schema import PageId

FORMAT = 1
"""Version of the records; readers refuse later ones."""


class SessionLog:
    """One session's records and pages in a store."""

    def __init__(self, store: PageStore, tenant: str, session: str) -> None:
        self.store, self.tenant, self.session = store, tenant, session
        self.version = 0
        self.names = (tenant, session)
        self.on_damage: OnDamage | None = None  # skip damage, and report it to this
        self.lost = 0  # records and messages that were skipped
        # Whoever writes messages must not be able to give two of them one id.
        self._seed = secrets.randbits(63)
        self._saved_at: int | None = 0  # version of the snapshot; None: another process writes them

    def page_id(self, data: bytes) -> PageId:
        """Return an id under which the store keeps bytes, a keyed hash of them."""
        return PageId(xxhash.xxh3_128_hexdigest(data, seed=self._seed))

    def write(self, records: Sequence[Any], messages: Mapping[PageId, bytes]) -> None:
        """Write records and the messages they name, all or none.

        Raises `ConflictError` when somebody else wrote since; nothing is written then.
        """
        payloads = [encode({"v": FORMAT, **record}) for record in records]
        self.version = self.store.append(
            self.tenant, self.session, payloads, pages=messages, expect=self.version
        )

    @property
    def behind(self) -> bool:
        """Whether somebody else has written since."""
        return self.store.version(self.tenant, self.session) != self.version

    def news(self) -> Iterator[dict[str, Any]]:
        """Yield the records that are new, each after its predecessor was taken in."""
        read = self.store.read(self.tenant, self.session, after=self.version, damaged=self._skip)
        for record in list(read):
            decoded = self._decoded(record.version, record.payload)
            if decoded is not None:
                yield decoded
            self.version = record.version

    def messages(self, ids: Sequence[PageId]) -> dict[PageId, Any]:
        """Return stored messages; one that is missing is damage, since its record is there."""
        found = self.store.pages(
            self.tenant, self.session, list(dict.fromkeys(ids)), damaged=self._skip
        )
        for page in ids:
            if page not in found:
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

    def _decoded(self, version: int, payload: bytes) -> dict[str, Any] | None:
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
            made.append(Content(sent, read_one(original, at), text_of(original, at)))
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


def encode(value: Any) -> bytes:
    """Return plain data as JSON bytes; lone surrogates are kept."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> Any:
    """Return what `encode` wrote."""
    return json.loads(data.decode("utf-8", "surrogatepass"))


def plain(message: Mapping[str, Any], what: str) -> bytes:
    """Return a message as JSON bytes, or raise `InputError` for what JSON cannot hold."""
    try:
        return encode(message)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{what} cannot be stored as JSON ({error}); expected a dict of strings, numbers, "
            "lists and dicts in its fields"
        ) from None

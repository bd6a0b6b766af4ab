"""A session's journal: what happened, as records that a store keeps and any reader can follow.

A memory is the sum of its records: appends, pins, and every change of the window's layout as it
came out, so that a reopened session shows the same bytes whatever the code has learned since.
Messages are stored as JSON under the hash of their content; records name them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import xxhash

from ctxmem.errors import InputError, PageDamageError
from ctxmem.protocols import PageStore
from ctxmem.schema import PageId

FORMAT = 1
"""Version of the records; readers refuse later ones."""


class SessionLog:
    """One session's records and pages in a store."""

    def __init__(self, store: PageStore, tenant: str, session: str) -> None:
        self.store, self.tenant, self.session = store, tenant, session
        self.version = 0

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
        for record in list(self.store.read(self.tenant, self.session, after=self.version)):
            yield self._decoded(record.version, record.payload)
            self.version = record.version

    def messages(self, ids: Sequence[PageId]) -> dict[PageId, Any]:
        """Return stored messages; one that is missing is damage, since its record is there."""
        found = self.store.pages(self.tenant, self.session, list(dict.fromkeys(ids)))
        for page in ids:
            if page not in found:
                raise PageDamageError(
                    f"session {self.session!r} of tenant {self.tenant!r} names page {page}, which "
                    "the store does not have; restore the store from a copy",
                    tenant=self.tenant,
                    session=self.session,
                    key=page,
                )
        return {page: decode(data) for page, data in found.items()}

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


def encode(value: Any) -> bytes:
    """Return plain data as JSON bytes; lone surrogates are kept."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> Any:
    """Return what `encode` wrote."""
    return json.loads(data.decode("utf-8", "surrogatepass"))


def page_id(data: bytes) -> PageId:
    """Return the id under which a store keeps bytes: the hash of them."""
    return PageId(xxhash.xxh3_128_hexdigest(data))


def plain(message: Mapping[str, Any], what: str) -> bytes:
    """Return a message as JSON bytes, or raise `InputError` for what JSON cannot hold."""
    try:
        return encode(message)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{what} cannot be stored as JSON ({error}); expected a dict of strings, numbers, "
            "lists and dicts: convert framework objects first, or use the adapter"
        ) from None

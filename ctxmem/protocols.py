"""The protocols of what users can plug in.

Functions: Embed, Scorer, Compressor. Objects: Counter, Policy, PageStore and what a store may have
besides: ManagedStore, SnapshotStore.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from ctxmem.errors import PageDamageError
from ctxmem.schema import PageId, Record

NO_PAGES: Mapping[Any, Any] = MappingProxyType({})


@runtime_checkable
class Counter(Protocol):
    """Count tokens: with the encoding of a model, or with a user's own function.

    A budget holds in the model's tokens if `exact` is true; the counts of an estimate are not
    exact. `additive` is true if counts add up where a text that ends in a newline is followed by a
    character other than whitespace and `/`, as for cl100k_base and o200k_base.
    """

    @property
    def name(self) -> str:
        """Name of the counter in reports."""
        ...

    @property
    def exact(self) -> bool:
        """Whether its counts are those of the model's own tokeniser."""
        ...

    @property
    def additive(self) -> bool:
        """Whether the counts of blocks that end in a newline add up."""
        ...

    def count(self, text: str) -> int:
        """Return the number of tokens of one text."""
        ...

    def count_many(self, texts: Sequence[str]) -> Sequence[int]:
        """Return the number of tokens of each text."""
        ...


@runtime_checkable
class Embed(Protocol):
    """A function from texts to vectors, one row of numbers for each text.

    `pack` calls it for the query and, in one call, for all sentences and blocks of the chunks. An
    array and a list of lists are both accepted.

    >>> import numpy as np
    >>> def embed(texts):
    ...     return np.array([[text.count("e"), len(text)] for text in texts], dtype=float)
    >>> isinstance(embed, Embed)
    True
    """

    def __call__(self, texts: Sequence[str], /) -> Any:
        """Return a vector for each text, all of one size."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """A function from a query and texts to one number for each text, higher for more relevant.

    A reranker, for instance a cross-encoder or a language model. `pack` calls it only with texts
    whose score could change the window.

    >>> def scorer(query, texts):
    ...     return [len(set(query.split()) & set(text.split())) for text in texts]
    >>> isinstance(scorer, Scorer)
    True
    """

    def __call__(self, query: str, texts: Sequence[str], /) -> Any:
        """Return a finite number for each text."""
        ...


@runtime_checkable
class Compressor(Protocol):
    """A function from a text and the query of `pack`, or None, to a shorter text.

    Its text is used if it is shorter and does not contradict the chunk in numbers, quotations or
    negations.

    >>> def first_sentence(text, query):
    ...     return text.split(". ")[0] + "."
    >>> isinstance(first_sentence, Compressor)
    True
    """

    def __call__(self, text: str, query: str | None, /) -> str:
        """Return a shorter text with the same facts."""
        ...


@runtime_checkable
class Policy(Protocol):
    """Choose the page to evict when the window is full.

    A page is identified by its slot, a small integer. A slot is tracked from `on_insert` until
    `on_evict` or `on_remove`. After `on_evict` it still identifies the same page, so a policy may
    remember it until `on_remove`. Pinned pages are not tracked. The methods must not change the
    page table that calls them; the caller of the table gets the exceptions that they raise.
    """

    def on_insert(self, slot: int) -> None:
        """Record that a page entered the window, for the first time or again."""
        ...

    def on_touch(self, slot: int) -> None:
        """Record that a tracked page was used."""
        ...

    def on_evict(self, slot: int) -> None:
        """Record that a page left the window; its slot still identifies it."""
        ...

    def on_remove(self, slot: int) -> None:
        """Forget a page, tracked or evicted; its slot may be used for another page."""
        ...

    def victim(self) -> int:
        """Return the tracked slot to evict next."""
        ...


OnDamage = Callable[[PageDamageError], None]
"""A function that is called with the error of each damaged record or page that a read skips."""


class SessionVersion(int):
    """The version of a session, and which of the sessions that had its name it is of.

    Wherever a version is expected it is an int. A store that gets one back, as `expect` or `after`,
    raises `SessionDeletedError` if that session was deleted, also when a new one has its name.
    """

    incarnation: int

    def __new__(cls, version: int, incarnation: int) -> SessionVersion:
        """Return a version of the session with a number that no other session of its store has."""
        made = super().__new__(cls, version)
        made.incarnation = incarnation
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return SessionVersion, (int(self), self.incarnation)

    def at(self, version: int) -> SessionVersion:
        """Return another version of the same session."""
        return SessionVersion(version, self.incarnation)


@runtime_checkable
class PageStore(Protocol):
    """Store the sessions of tenants: for each a log of records, and the pages they refer to.

    All data are keyed by tenant and session, and no call returns the data of another session. A
    log only grows, and its version is the number of its records. Pages are keyed by their
    content, so a page that is written twice is stored once. Payloads are bytes, which the store
    does not interpret.

    After `append` returns, its data survive a killed process; if the process is killed before, all
    the data of the call are stored, or none. Every payload is checked against the checksum it was
    stored with. A payload that does not match is never returned: the call raises
    `PageDamageError`, or passes the error to `damaged`, if given, and goes on. A store may be used
    from many threads.

    A session that was deleted does not come back by itself: `append` with an `expect` above 0, or
    `read` with an `after` above 0, raises `SessionDeletedError` if the session is not there.
    """

    def append(
        self,
        tenant: str,
        session: str,
        records: Sequence[bytes],
        *,
        pages: Mapping[PageId, bytes] = NO_PAGES,
        expect: int | None = None,
    ) -> int:
        """Write pages and records, all or none, and return the session's new version.

        If `expect` is given and is not the session's version, it raises `ConflictError` and writes
        nothing; `SessionDeletedError` if the session that had that version was deleted.
        """
        ...

    def version(self, tenant: str, session: str) -> int:
        """Return the number of records of the session; 0 if it is unknown."""
        ...

    def read(
        self, tenant: str, session: str, *, after: int = 0, damaged: OnDamage | None = None
    ) -> Iterator[Record]:
        """Yield the records whose version is above `after`, in order."""
        ...

    def pages(
        self,
        tenant: str,
        session: str,
        ids: Sequence[PageId],
        *,
        damaged: OnDamage | None = None,
    ) -> dict[PageId, bytes]:
        """Return the pages with these ids that the session has."""
        ...

    def sessions(self, tenant: str, *, damaged: OnDamage | None = None) -> list[str]:
        """Return the sessions of the tenant, sorted."""
        ...

    def delete_session(self, tenant: str, session: str) -> object:
        """Delete a session, its records and its pages; an unknown session is no error."""
        ...

    def close(self) -> None:
        """Release files and connections; closing twice is no error."""
        ...


@runtime_checkable
class SnapshotStore(Protocol):
    """Keep a snapshot beside each session, from which it opens faster than from its records.

    A snapshot is a version and named parts of bytes. It can be made again from the records at any
    time, so a part that is damaged or missing is no damage of the session: there is no snapshot
    then. It is deleted with its session.
    """

    def put_snapshot(
        self,
        tenant: str,
        session: str,
        version: int,
        parts: Mapping[str, bytes],
        *,
        drop: Iterable[str] = (),
        base: int | None = None,
    ) -> None:
        """Write parts of a snapshot of the session at a version, all or none.

        Parts that are not named are kept, those named by `drop` are deleted. If `base` is given and
        is not the version of the snapshot that is there, 0 for none, it raises `ConflictError` and
        writes nothing: another writer's parts are not to be mixed with these.

        Raises `SessionDeletedError` if the session is not there.
        """
        ...

    def snapshot(self, tenant: str, session: str) -> tuple[int, dict[str, bytes]] | None:
        """Return the version and the parts of the snapshot, None if there is no sound one."""
        ...

    def drop_snapshot(self, tenant: str, session: str) -> None:
        """Delete the snapshot of a session."""
        ...


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """The size of a session, and when it was used.

    `bytes` is the sum of its payloads: records, pages and snapshot. `created_at` and `used_at`, its
    last `append`, are in seconds since 1970 (UTC), None if that is not known.
    """

    tenant: str
    session: str
    records: int
    pages: int
    bytes: int
    created_at: float | None
    used_at: float | None


class Deleted(list[tuple[str, str]]):
    """The sessions that a call deleted or took pages from, as (tenant, session).

    `records` and `pages` are how many of them went. `held` is empty if no byte of them is left in
    the files of the store, else it says what keeps them there; the sessions are gone in any case.
    """

    def __init__(
        self,
        sessions: Iterable[tuple[str, str]] = (),
        *,
        records: int = 0,
        pages: int = 0,
        held: str = "",
    ) -> None:
        super().__init__(sessions)
        self.records = records
        self.pages = pages
        self.held = held


@runtime_checkable
class ManagedStore(Protocol):
    """List the sessions of a store with their sizes, and delete them for good.

    What was deleted is in no file of the store when a call returns, or `Deleted.held` says what
    keeps it there. A store that has files of its own issues a `CtxmemWarning` then; of a server it
    is always so.
    """

    def tenants(self, *, damaged: OnDamage | None = None) -> list[str]:
        """Return the tenants that have sessions, sorted."""
        ...

    def usage(
        self, tenant: str | None = None, *, damaged: OnDamage | None = None
    ) -> list[SessionInfo]:
        """Return size and last use of the sessions of a tenant, or of all, sorted by name."""
        ...

    def delete_session(self, tenant: str, session: str) -> Deleted:
        """Delete a session, its records, pages and snapshot; an unknown session is no error."""
        ...

    def delete_tenant(self, tenant: str) -> Deleted:
        """Delete all sessions of a tenant."""
        ...

    def expire(self, older_than: float | timedelta | datetime) -> Deleted:
        """Delete the sessions that were last used so many seconds ago, or before a time."""
        ...

    def delete_pages(self, tenant: str, session: str, ids: Iterable[PageId]) -> Deleted:
        """Delete pages of a session, and its snapshot, which may hold text of them."""
        ...

    def vacuum(self) -> str:
        """Give back room; return what keeps deleted text in the files, "" if nothing does."""
        ...

    def export(
        self, tenant: str, session: str | None = None, *, damaged: OnDamage | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield everything in a session of a tenant, or in all, as dicts that JSON can hold."""
        ...

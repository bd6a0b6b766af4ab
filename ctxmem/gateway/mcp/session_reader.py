"""Open the sessions of a store to look at them, while other processes write to them."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ctxmem.errors import InputError, PageDamageError, SessionDeletedError, StoreError
from ctxmem.gateway.mcp.read_only import DryRunStore, ReadOnlyStore
from ctxmem.gateway.store_path import ACCOUNTS
from ctxmem.memory.session import Memory
from ctxmem.memory.window import MemoryStats, MemoryWindow
from ctxmem.protocols import ManagedStore, PageStore
from ctxmem.report import visible
from ctxmem.stores import open_store

OPEN_SESSIONS = 8
"""So many sessions are kept open; the one that was used least recently is closed first."""
NAMED = 20
"""An error names at most so many sessions, ..."""
NAME_CHARACTERS = 200
"""... each cut to so many characters."""

T = TypeVar("T")


class UnknownSessionError(InputError):
    """The session is not there, or none was named and there are several."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session of the tenant, as a list of sessions has it.

    `bytes` is the size of what is stored; `used_at` is the time of the last write in seconds since
    1970 (UTC). Both are None where the store does not know them.
    """

    session: str
    bytes: int | None = None
    used_at: float | None = None


@dataclass(slots=True)
class OpenSession:
    """A session that was opened to be read.

    Attributes:
        name: the session.
        memory: reads it; asking it for a window is an error.
        damage: keys of the records and pages that cannot be read and are left out.
    """

    name: str
    memory: Memory
    damage: set[str]
    _open: Callable[[], Memory]
    _version: Callable[[], tuple[int, int]]
    _window: tuple[MemoryWindow, MemoryStats] | None = None
    _window_of: tuple[int, int] = (-1, -1)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_window(self) -> tuple[MemoryWindow, MemoryStats]:
        """Return the window that the session would send now, and the size of the session then.

        Nothing is written.

        Raises:
            BudgetError: what must be in the window does not fit into the budget.
            StoreError: the store cannot be read.
        """
        with self._lock:
            now = self._version()
            if self._window is None or self._window_of != now:
                memory = self._open()
                window = memory.window()
                self._window, self._window_of = (window, memory.stats()), now
            return self._window


class SessionReader:
    """Reads the sessions of one tenant of a store.

    The tenant is chosen by whoever starts the reader, never by a client. What a client gives as a
    session is looked up among the tenant's sessions.

    Args:
        store: the path of an SQLite file, which need not be there yet, or what else
            `ctxmem.stores.open_store` takes.
        tenant: whose sessions are read. If left out, "default" if it has sessions, or the only one
            that has.
        session: the session that is meant where a client names none. If left out, the only one.
        budget: tokens that a window may have.
        counter: as in `count_tokens`.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | PageStore,
        *,
        tenant: str | None = None,
        session: str | None = None,
        budget: int = 128_000,
        counter: object = "o200k_base",
    ) -> None:
        if isinstance(store, str) and store == ":memory:":
            raise InputError(
                "the store ':memory:' has no sessions of other processes; expected the path of a "
                "file"
            )
        self.budget = budget
        self._given = store
        self._counter = counter
        self._tenant, self._session = tenant, session
        self._store: PageStore | None = None
        self._sessions: OrderedDict[tuple[str, str], OpenSession] = OrderedDict()
        self._lock = threading.Lock()
        Memory(budget, counter=counter).close()  # what is wrong with them is said at once

    @property
    def store(self) -> PageStore:
        """The store, opened at the first use.

        Raises `StoreError` while there is no file: a reader does not make one.
        """
        with self._lock:
            if self._store is None:
                if isinstance(self._given, PageStore):
                    self._store = self._given
                else:
                    path = os.fspath(self._given)
                    if "://" not in path and not os.path.exists(path):
                        raise StoreError(
                            "the store is not there yet; it is made by the first process that "
                            "writes a session to it"
                        )
                    self._store = open_store(path)
            return self._store

    @property
    def place(self) -> str | None:
        """The path or address of the store, None for one that was given as an object."""
        return None if isinstance(self._given, PageStore) else os.fspath(self._given)

    def tenant(self) -> str:
        """Return the tenant whose sessions are read.

        Raises `InputError` if none was named and several have sessions.
        """
        if self._tenant is not None:
            return self._tenant
        store = self.store
        known = store.tenants() if isinstance(store, ManagedStore) else []
        tenants = [one for one in known if not one.endswith(ACCOUNTS)]
        if len(tenants) > 1 and "default" not in tenants:
            raise InputError(
                f"the store has sessions of {len(tenants)} tenants; start ctxmem mcp with "
                "--tenant, or with --key-env for the store of ctxmem serve"
            )
        found = tenants[0] if len(tenants) == 1 else "default"
        if tenants:
            self._tenant = found  # another tenant that comes later changes nothing
        return found

    def names(self) -> list[str]:
        """Return the names of the tenant's sessions, sorted."""
        return self.store.sessions(self.tenant(), damaged=lambda _: None)

    def rows(self) -> list[SessionRow]:
        """Return the tenant's sessions, the one that was written to last first."""
        store, tenant = self.store, self.tenant()
        if not isinstance(store, ManagedStore):
            return [SessionRow(name) for name in self.names()]
        rows = [
            SessionRow(one.session, one.bytes, one.used_at)
            for one in store.usage(tenant, damaged=lambda _: None)
        ]
        return sorted(rows, key=lambda row: (-(row.used_at or 0.0), row.session))

    def read(self, session: str, work: Callable[[OpenSession], T]) -> T:
        """Return what `work` makes of a session; "" is the default session.

        Raises:
            UnknownSessionError: it is not there, or was deleted meanwhile.
            StoreError: the store cannot be read.
        """
        for last in (False, True):
            tenant, name = self.tenant(), self._name(session)
            try:
                return work(self._opened(tenant, name))
            except SessionDeletedError:
                with self._lock:
                    self._sessions.pop((tenant, name), None)
                if last:
                    break
        raise UnknownSessionError(f"session {_quoted(session)} was deleted while it was read")

    def close(self) -> None:
        """Close the sessions, and the store if it was opened here."""
        with self._lock:
            self._sessions.clear()
            if self._store is not None and self._store is not self._given:
                self._store.close()
            self._store = None

    def _name(self, session: str) -> str:
        """Return the name of a session that is there."""
        name = session or self._session
        if name:
            if self.store.version(self.tenant(), name) > 0:
                return name
            raise UnknownSessionError(f"there is no session {_quoted(name)}; {self._list()}")
        names = self.names()
        if len(names) == 1:
            return names[0]
        if not names:
            raise UnknownSessionError("there is no session yet; nothing was written to the store")
        raise UnknownSessionError(f"give 'session', since there are several; {self._list()}")

    def _list(self) -> str:
        rows = self.rows()
        if not rows:
            return "there is none yet"
        more = f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else ""
        shown = ", ".join(_quoted(row.session) for row in rows[:NAMED])
        return f"there {'is' if len(rows) == 1 else 'are, the latest first,'} {shown}{more}"

    def _opened(self, tenant: str, name: str) -> OpenSession:
        key = (tenant, name)
        with self._lock:
            found = self._sessions.get(key)
            if found is not None:
                self._sessions.move_to_end(key)
                return found
        found = self._open(tenant, name)
        with self._lock:
            self._sessions[key] = found
            while len(self._sessions) > OPEN_SESSIONS:
                self._sessions.popitem(last=False)
        return found

    def _open(self, tenant: str, name: str) -> OpenSession:
        store = self.store
        damage: set[str] = set()

        def note(error: PageDamageError) -> None:
            damage.add(str(error.key))

        def opened(view: PageStore) -> Memory:
            memory = Memory(
                self.budget,
                store=view,
                session=name,
                tenant=tenant,
                counter=self._counter,
                damaged=note,
            )
            memory.tool()  # the server has one that reads a page
            return memory

        def version() -> tuple[int, int]:
            at: Any = store.version(tenant, name)
            return int(at), int(getattr(at, "incarnation", 0))

        return OpenSession(
            name,
            opened(ReadOnlyStore(store)),
            damage,
            lambda: opened(DryRunStore(store)),
            version,
        )


def _quoted(name: str) -> str:
    """Return a name as an error shows it: on one line, and not too long."""
    short = name if len(name) <= NAME_CHARACTERS else name[:NAME_CHARACTERS] + "..."
    return visible(repr(short))

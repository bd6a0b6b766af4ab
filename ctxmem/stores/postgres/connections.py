"""Connections to PostgreSQL: a pool for each process, tables of the right format, clear errors."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ctxmem.errors import CtxmemError, InputError, MissingExtraError, StoreError
from ctxmem.forking import ForkSafeLock
from ctxmem.stores.postgres import arrays
from ctxmem.stores.postgres.schema import FORMAT, MIGRATIONS

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

T = TypeVar("T")

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,40}")
_LOCK = 0x63747878  # of the advisory lock that one process holds while it makes the tables
_OPENING = 2.0  # seconds for which a store that is opened waits for the server
_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds between tries while the server is away


class Connections:
    """The connections of a store, from a pool that each process makes for itself.

    Args:
        dsn: a connection string or URL of libpq.
        schema: the schema that holds the tables; it is made if it is not there.
        size: most connections of a process.
        timeout: seconds for which a call waits for a connection, for other writers and for a server
            that restarts.
    """

    def __init__(self, dsn: str, *, schema: str, size: int, timeout: float) -> None:
        try:
            import psycopg
            import psycopg_pool
        except ImportError as error:
            raise MissingExtraError(
                'PostgresStore needs psycopg and its pool; install "ctxmem[postgres]"'
            ) from error
        if not _NAME.fullmatch(schema):
            raise InputError(
                f"schema is {schema!r}; expected lower-case letters, digits and underscores"
            )
        self._psycopg, self._pools = psycopg, psycopg_pool
        self._dsn, self.schema, self._size, self.timeout = dsn, schema, size, timeout
        self._lock = ForkSafeLock()
        self._pool: ConnectionPool[Any] | None = None
        self._process = os.getpid()
        self._closed = False
        self._open()

    def _open(self) -> None:
        """Make the tables; a server that cannot be reached now is most often a wrong name."""
        end = time.monotonic() + min(_OPENING, self.timeout)
        while True:
            try:
                with self._psycopg.connect(
                    self._dsn, autocommit=True, connect_timeout=self._patience
                ) as connection:
                    self._configure(connection)
                    self._prepare(connection)
                    return
            except self._psycopg.Error as error:
                if time.monotonic() > end or not self._passes(error):
                    raise self._store_error(error) from error
            time.sleep(_PAUSE)

    def close(self) -> None:
        """Close the connections of this process; closing twice is no error."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
            if pool is not None and self._process == os.getpid():
                pool.close()

    def run(self, call: Callable[[Connection[Any]], T]) -> T:
        """Return what a function of a connection returns.

        The function is called again where the server went away, for up to `timeout` seconds, so
        what it does must be safe to do twice.

        Raises:
            StoreError: the server cannot be reached, refuses, or takes too long.
        """
        end = time.monotonic() + self.timeout
        pause = _PAUSE
        while True:
            pool = None
            try:
                pool = self._own_pool()
                # Not pool.connection(), which ends a transaction; each statement here is its own,
                # or `call` has one, and the pool ends what an error left open.
                connection = pool.getconn(self.timeout)
                try:
                    return call(connection)
                finally:
                    pool.putconn(connection)
            except CtxmemError:
                raise
            except self._psycopg.Error as error:
                left = end - time.monotonic()
                if left <= 0 or not self._passes(error):
                    raise self._store_error(error) from error
                if self._is_away(error):
                    self._drop(pool)
                time.sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _own_pool(self) -> ConnectionPool[Any]:
        """Return the pool of this process; that of a parent belongs to the parent."""
        with self._lock:
            if self._closed:
                raise StoreError("the store is closed; open a new one")
            if self._pool is None or self._process != os.getpid():
                # A pool that cannot connect waits longer and longer, and does not say why.
                self._psycopg.connect(self._dsn, connect_timeout=self._patience).close()
                self._process = os.getpid()
                pool: ConnectionPool[Any] = self._pools.ConnectionPool(
                    self._dsn,
                    min_size=1,
                    max_size=self._size,
                    timeout=self.timeout,
                    reconnect_timeout=self.timeout,
                    kwargs={"autocommit": True, "connect_timeout": self._patience},
                    configure=self._configure,
                    open=False,
                )
                # A call that came before the first connection would have the pool make a second.
                pool.open(wait=True, timeout=self.timeout)
                self._pool = pool
            return self._pool

    def _drop(self, pool: ConnectionPool[Any] | None) -> None:
        """Give up a pool whose server went away, unless another thread did."""
        with self._lock:
            if pool is None or pool is not self._pool:
                return
            self._pool = None
        # Its workers may be waiting to connect again, which nobody here has to wait for.
        threading.Thread(target=pool.close, daemon=True).start()

    @property
    def _patience(self) -> int:
        """Whole seconds to wait for a connection, as libpq counts them."""
        return max(2, int(self.timeout))

    def _configure(self, connection: Connection[Any]) -> None:
        arrays.register(connection)
        wait = max(1, int(self.timeout * 1000))
        connection.execute(
            "SELECT set_config('lock_timeout', %s, false), set_config('search_path', %s, false)",
            (str(wait), f"{self.schema}, pg_temp"),
        )

    def _passes(self, error: Exception) -> bool:
        """Return whether an error is one of a moment: the same call may succeed a little later."""
        known = self._psycopg.errors
        if isinstance(error, known.SerializationFailure | known.DeadlockDetected):
            return True
        return self._is_away(error)

    def _is_away(self, error: Exception) -> bool:
        """Return whether the server cannot be reached, as far as an error says."""
        known = self._psycopg.errors
        if isinstance(
            error, known.LockNotAvailable | known.QueryCanceled | self._pools.TooManyRequests
        ):
            return False
        return isinstance(error, (self._psycopg.OperationalError, self._psycopg.InterfaceError))

    def _store_error(self, error: Exception) -> StoreError:
        known = self._psycopg.errors
        if isinstance(error, known.LockNotAvailable):
            return StoreError(
                f"the session is locked: another writer has held it for more than "
                f"{self.timeout:g} s"
            )
        what = str(error).strip() or type(error).__name__
        return StoreError(f"PostgreSQL cannot be used: {what}")

    # Tables ---------------------------------------------------------------------------------------

    def _prepare(self, connection: Any) -> None:
        """Make the tables or bring them up to date, unless another process just did."""
        if self._format(connection) == FORMAT:
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            there = self._format(connection)
            if there is None:
                connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"')
                connection.execute(f'CREATE TABLE "{self.schema}".format (version int NOT NULL)')
                connection.execute(f'INSERT INTO "{self.schema}".format VALUES (0)')
                there = 0
            if there > FORMAT:
                raise StoreError(
                    f"the tables in schema {self.schema!r} have format {there}; this version of "
                    f"ctxmem reads formats up to {FORMAT}: use a newer one"
                )
            for statements in MIGRATIONS[there:]:
                connection.execute(statements)
            connection.execute(f'UPDATE "{self.schema}".format SET version = {FORMAT:d}')

    def _format(self, connection: Any) -> int | None:
        """Return the format of the tables, None if there are none."""
        # Not to_regclass, which may answer from a cache that is older than the lock above.
        found = connection.execute(
            "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'format'", (self.schema,)
        )
        if found.fetchone() is None:
            return None
        row = connection.execute(f'SELECT version FROM "{self.schema}".format').fetchone()
        return int(row[0]) if row else None

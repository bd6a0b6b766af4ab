"""An SQLite file for any number of threads and processes: connections, forks, the log, erasing."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ctxmem.errors import StoreError
from ctxmem.forking import GATE
from ctxmem.stores import tables
from ctxmem.stores.tables import APPLICATION, FORMAT
from ctxmem.stores.turns import FairLock

# The messages of SQLite quote names, and those of a damaged file need not be text.
SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError, OverflowError)

# Connections that a fork copied while they were in use. SQLite forbids their use in the child, and
# closing one could touch files that the parent works on, so they are kept for good.
_inherited: list[sqlite3.Connection] = []

_LONG_LOG = 4 << 20  # size in bytes above which `sync` moves the log into the file
_PAUSE = 0.005  # seconds between two attempts to empty the log; a shorter wait is not counted
_READER_LOCKS = range(123, 128)  # bytes of the -shm file by which readers of the log are marked


class Connection(sqlite3.Connection):
    """A connection that can be referred to weakly."""


class Database:
    """The file of a store, made if it is not there, readable by its owner only.

    Every thread of every process has a connection of its own. Before a fork all are closed, since
    a copy of an open one makes SQLite believe that the child has locks that only the parent has.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        timeout: float,
        clock: Callable[[], float],
        *,
        sync_later: bool = False,
    ) -> None:
        self.path = Path(path).absolute()
        self.timeout = timeout
        self.clock = clock
        self._sync_later = sync_later
        self._closed = False
        self._unfinished = False  # the log has text that was deleted
        self._start_process()
        GATE.close_at_fork(self)
        with self.use():
            pass

    # Connections ----------------------------------------------------------------------------------

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Give this thread its connection; no fork happens meanwhile.

        What SQLite raises is raised as `StoreError`.
        """
        with GATE:
            try:
                yield self._connection()
            except SQLITE_ERRORS as error:
                raise self._error(error) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give this thread its connection, with the right to write.

        Threads of this process wait for each other at a lock, in the order in which they came.
        SQLite's own wait for other processes sleeps and looks again, so that one of many threads
        could wait until its time is over while the others write.
        """
        with self.use() as connection, self._turn() as left:
            self._begin(connection, left)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            if self._unfinished:
                self._truncate_log(connection, wait=0)

    @contextmanager
    def _turn(self) -> Iterator[float]:
        """Let one thread of this process write at a time; give the seconds that it may yet wait."""
        writing, timeout = self._writing, min(max(0.0, self.timeout), threading.TIMEOUT_MAX)
        begin = time.monotonic()
        if not writing.acquire(timeout):
            raise StoreError(
                f"store {str(self.path)!r}: other threads have written, or waited for another "
                f"process, for more than {timeout:g} s; use fewer threads or a longer timeout"
            )
        try:
            yield timeout - (time.monotonic() - begin)
        finally:
            writing.release()

    def _begin(self, connection: sqlite3.Connection, left: float) -> None:
        """Begin to write; wait for other processes as long as is left of the timeout."""
        if self.timeout - left < _PAUSE:
            connection.execute("BEGIN IMMEDIATE")
            return
        try:
            connection.execute(f"PRAGMA busy_timeout = {int(max(0.0, left) * 1000)}")
            connection.execute("BEGIN IMMEDIATE")
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(self.timeout * 1000)}")

    def close(self) -> None:
        """Close the connections of all threads; none of them may be inside a call."""
        with GATE:
            self._closed = True
            self._check_process()
            self._close_all()

    def before_fork(self) -> None:
        """Close all connections; they are opened again at their next use."""
        if self._process == os.getpid():
            with suppress(*SQLITE_ERRORS):
                self._close_all()
            self._start_process()

    def _close_all(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.close()

    def _start_process(self) -> None:
        self._process = os.getpid()
        self._local = threading.local()
        self._lock, self._writing = threading.Lock(), FairLock()
        self._connections: weakref.WeakSet[Connection] = weakref.WeakSet()

    def _check_process(self) -> None:
        if self._process != os.getpid():  # in a child of a fork
            _inherited.extend(self._connections)
            self._start_process()

    def _connection(self) -> sqlite3.Connection:
        """Return the connection of this thread, opened at its first call."""
        if self._closed:
            raise StoreError(f"store {str(self.path)!r} is closed; open it again")
        self._check_process()
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._open()
            self._local.connection = connection
            with self._lock:
                self._connections.add(connection)
        return connection

    def _error(self, error: Exception) -> StoreError:
        locked = "locked" in str(error) or "busy" in str(error)
        hint = (
            f"another process has held it for more than {self.timeout:g} s"
            if locked
            else "look at its permissions and disk, or restore a copy"
        )
        return StoreError(f"store {str(self.path)!r}: {error}; {hint}")

    def sync(self) -> None:
        """Have what was committed so far, by all threads, outlive a power cut.

        All of it is in the log, so the log is synced; one that is long is moved into the file.

        Raises:
            StoreError: the disk did not take it.
        """
        if not self._sync_later:
            return
        log = f"{self.path}-wal"
        try:
            file = os.open(
                log, os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
            )
        except FileNotFoundError:
            return  # it was moved into the file, which is synced then
        except OSError as error:
            raise StoreError(f"store {str(self.path)!r}: {error}; look at its disk") from error
        try:
            os.fsync(file)
            size = os.fstat(file).st_size
        except OSError as error:
            raise StoreError(f"store {str(self.path)!r}: {error}; look at its disk") from error
        finally:
            os.close(file)
        if size > _LONG_LOG:
            with self.use() as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    # Opening --------------------------------------------------------------------------------------

    def _open(self) -> Connection:
        if not self.path.parent.is_dir():
            raise StoreError(f"store {str(self.path)!r}: there is no folder to make it in")
        self._make_private()
        connection = sqlite3.connect(
            self.path,
            timeout=self.timeout,
            isolation_level=None,  # transactions are ours
            check_same_thread=False,  # for close()
            factory=Connection,
        )
        try:
            connection.text_factory = bytes  # a damaged file may have text anywhere
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_private(self) -> None:
        """Make a file that only its owner can read, unless there is a file.

        SQLite gives the log and its index the permissions of the file.
        """
        if os.name != "posix":
            return
        path = os.path.realpath(self.path)
        try:
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:  # it is there; or SQLite says better what is wrong
            return
        try:
            os.fchmod(file, 0o600)  # whatever the umask takes away
        finally:
            os.close(file)

    def _prepare(self, connection: Connection) -> None:
        # Going over to write-ahead mode does not wait for others by itself.
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if self._sync_later else 'FULL'}")
        if self._sync_later:
            connection.execute("PRAGMA wal_autocheckpoint = 0")  # `sync` does it
            connection.execute(f"PRAGMA journal_size_limit = {_LONG_LOG // 2}")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        if not self._is_ours(connection) or tables.format_of(connection) == 1:
            self._make(connection)
        found = tables.format_of(connection)
        if found != FORMAT:
            raise StoreError(
                f"store {str(self.path)!r} has format {'unreadable' if found is None else found}, "
                f"this version of ctxmem reads formats 1 to {FORMAT}; install the version that "
                f"wrote it"
            )

    @staticmethod
    def _is_ours(connection: sqlite3.Connection) -> bool:
        return bool(connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION)

    def _make(self, connection: Connection) -> None:
        """Make the tables or bring them up to date, unless another process just did."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not self._is_ours(connection):
                tables.make_tables(connection, str(self.path))
            elif tables.format_of(connection) == 1:
                tables.migrate(connection, self.clock)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    # Erasing --------------------------------------------------------------------------------------

    def finish_erasing(self) -> str:
        """Take what was erased out of the log, and rewrite the file if it is mostly erased.

        Returns what keeps deleted text in the files, "" if nothing does.
        """
        held = ""
        with self.use() as connection:
            try:
                if tables.is_mostly_erased(connection):
                    self._rewrite(connection)
            except SQLITE_ERRORS as error:
                held = f"the file could not be rewritten ({error}); run vacuum() later"
            return self._truncate_log(connection, wait=self.timeout) or held

    def rewrite(self) -> str:
        """Give back the room of what was erased; return what keeps its text, as above."""
        with self.use() as connection:
            self._rewrite(connection)
            return self._truncate_log(connection, wait=self.timeout)

    def _rewrite(self, connection: sqlite3.Connection) -> None:
        with self.transaction():
            last = tables.drop_erased(connection)
        with self._turn():
            connection.execute("VACUUM")
        with self.transaction():
            tables.forget_notes(connection, last)

    def _truncate_log(self, connection: sqlite3.Connection, *, wait: float) -> str:
        """Move the log into the file and empty it; return what keeps it from that.

        SQLite waits for readers and writers, but gives up at once while another connection moves
        the log, so it is asked again until the time is over.
        """
        end = time.monotonic() + wait
        busy = True
        while busy:
            left = end - time.monotonic()
            busy = not self._log_is_truncated(connection, max(0.0, left))
            if left <= 0:
                break
            if busy:
                time.sleep(min(_PAUSE, left))
        self._unfinished = busy
        if not busy:
            return ""
        return (
            f"{self._readers()} reads an older state of the store, so deleted text is in "
            f"{self.path}-wal until it ends and somebody writes to the store, or calls "
            f"vacuum()"
        )

    def _log_is_truncated(self, connection: sqlite3.Connection, wait: float) -> bool:
        """Ask once for the log to be moved into the file; return whether it is empty now."""
        try:
            connection.execute(f"PRAGMA busy_timeout = {int(wait * 1000)}")
            return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            return False
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(self.timeout * 1000)}")

    def _readers(self) -> str:
        """Return who reads the log, as far as this system says."""
        try:
            file = os.stat(f"{self.path}-shm").st_ino
            locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        except OSError:
            return "another connection"
        found = set()
        for line in locks:  # 1: POSIX ADVISORY READ 1234 00:1f:5678 123 123
            fields = line.split()
            if len(fields) != 8 or fields[5].rpartition(":")[2] != str(file):
                continue
            if fields[3] == "READ" and fields[6].isdigit() and int(fields[6]) in _READER_LOCKS:
                found.add(int(fields[4]))
        names = [f"process {one}" if one != os.getpid() else "this process" for one in found]
        return " and ".join(sorted(names)) or "another connection"

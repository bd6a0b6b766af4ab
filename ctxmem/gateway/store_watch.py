"""Whether the store of conversations can be used: it may be locked, removed or replaced."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger("ctxmem.gateway")

GONE, BUSY = "store gone", "store busy"
"""Why requests pass through."""
_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE = 60.0
_MAGIC = b"SQLite format 3\x00"


class StoreWatch:
    """Says when requests are better passed through than kept; for many threads.

    A process goes on writing to a file that was removed: what it writes there is lost when it ends.
    So that is looked for. A store that did not answer is not asked again for a while, twice as long
    each time, because every request would wait for it.

    Args:
        store: a path, ":memory:" or the address of a server.
        clock: seconds.
    """

    def __init__(self, store: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = None if store == ":memory:" or "://" in store else Path(store)
        self._clock = clock
        self._file: tuple[int, int] | None = None
        self._looked_at = self._paused_until = 0.0
        self._pause = _PAUSE_SECONDS
        self._gone = False

    def problem(self) -> str:
        """Return why the store is not to be used now, "" if it is."""
        now = self._clock()
        if self._path is not None and not self._gone and now >= self._looked_at:
            self._looked_at = now + _LOOK_SECONDS
            self._look(self._path)
        if self._gone:
            return GONE
        return BUSY if now < self._paused_until else ""

    def failed(self) -> None:
        """Take in that the store did not answer."""
        now = self._clock()
        if now >= self._paused_until:
            self._paused_until = now + self._pause
            log.error("the store did not answer: requests pass through for %g s", self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def worked(self) -> None:
        """Take in that the store answered."""
        self._pause = _PAUSE_SECONDS

    def _look(self, path: Path) -> None:
        try:
            with open(path, "rb") as file:
                state, begins = os.fstat(file.fileno()), file.read(len(_MAGIC))
        except FileNotFoundError:
            self._lose(removed=True)
            return
        except OSError:  # too many open files, or a disk that fails: the store says so itself
            return
        found = (state.st_dev, state.st_ino)
        self._file = self._file or found
        if found != self._file or begins != _MAGIC:
            self._lose(removed=False)

    def _lose(self, *, removed: bool) -> None:
        self._gone = True
        log.error(
            "the store %s was %s: requests pass through until the gateway is started again",
            *(self._path, "removed" if removed else "replaced or overwritten"),
        )

"""Have what was written outlive a power cut, once for many requests.

A write that waits for the disk takes milliseconds, and others wait behind it. So writes return when
the system has them, which is enough for a killed process, and one thread has the disk take all that
was written so far. A reply is passed on after its request is there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future


class Syncer:
    """Calls a function in a thread of its own, once for all that ask meanwhile.

    Args:
        sync: returns when all that was written before the call is on the disk.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._wanted = threading.Condition()
        self._next: Future[None] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def soon(self) -> Future[None]:
        """Return what is done, or has the error, when all that is written now is on the disk.

        It is shared with others, so it is not to be cancelled.
        """
        with self._wanted:
            if self._next is None:
                self._next = Future()
                self._next.set_running_or_notify_cancel()
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="ctxmem-sync", daemon=True)
                self._thread.start()
            self._wanted.notify()
            return self._next

    def close(self) -> None:
        """Sync what is written, and end the thread."""
        with self._wanted:
            self._closed = True
            thread = self._thread
            self._wanted.notify()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._wanted:
                while self._next is None:
                    if self._closed:
                        return
                    self._wanted.wait()
                asked, self._next = self._next, None
            try:
                self._sync()
            except BaseException as error:
                asked.set_exception(error)
            else:
                asked.set_result(None)

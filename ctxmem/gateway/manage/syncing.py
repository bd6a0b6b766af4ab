"""Have what was written outlive a power cut, once for many requests.

A write that waits for the disk takes milliseconds, and others wait behind it. So writes return when
the system has them, which is enough for a killed process, and one thread has the disk take all that
was written so far. A reply is passed on after its request is there. What need not be written before
a request is sent is written by that thread, too, while the provider answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future


class Syncer:
    """Writes, and calls a function once for all that was written meanwhile, in its own thread.

    Args:
        sync: returns when all that was written before the call is on the disk.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._wanted = threading.Condition()
        self._next: Future[None] | None = None
        self._writes: list[tuple[Callable[[], None], Future[None]]] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    def soon(self) -> Future[None]:
        """Return what is done, or has the error, when all that is written now is on the disk.

        It is shared with others, so it is not to be cancelled.
        """
        with self._wanted:
            if self._next is None:
                self._next = _running()
            self._wake()
            return self._next

    def write(self, write: Callable[[], None]) -> Future[None]:
        """Return what is done, or has the error, when what a function writes is on the disk.

        The function is called in the thread of this object, in the order of the calls. It is not to
        be cancelled, either.
        """
        made = _running()
        with self._wanted:
            self._writes.append((write, made))
            self._wake()
        return made

    def _wake(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="ctxmem-sync", daemon=True)
            self._thread.start()
        self._wanted.notify()

    def close(self) -> None:
        """Write and sync what is asked for, and end the thread."""
        with self._wanted:
            self._closed = True
            thread = self._thread
            self._wanted.notify()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._wanted:
                while self._next is None and not self._writes:
                    if self._closed:
                        return
                    self._wanted.wait()
                writes, self._writes = self._writes, []
                asked, self._next = self._next, None
            waiting = [made for write, made in writes if _done(write, made)]
            if asked is not None:
                waiting.append(asked)
            if not waiting:
                continue
            try:
                self._sync()
            except BaseException as error:
                for one in waiting:
                    one.set_exception(error)
            else:
                for one in waiting:
                    one.set_result(None)


def _running() -> Future[None]:
    made: Future[None] = Future()
    made.set_running_or_notify_cancel()
    return made


def _done(write: Callable[[], None], made: Future[None]) -> bool:
    """Return whether a function has written; if not, what waits for it has the error."""
    try:
        write()
    except BaseException as error:
        made.set_exception(error)
        return False
    return True

"""A lock that threads acquire in the order in which they asked for it.

A `threading.Lock` that is released wakes a thread that waits, but the first thread to acquire it
gets it. That is usually the thread that released it, if it acquires it again at once, so one of
many threads can wait for hundreds of others. A FairLock that is released goes to the thread that
has waited longest, so a thread waits at most once for each thread that came before it.
"""

from __future__ import annotations

import threading
from collections import deque


class FairLock:
    """A lock with a queue; the fields are guarded by a mutex that is held for a few instructions.

    While threads wait the lock is held, so it passes from one to the next and is free only when the
    queue is empty.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()

    @property
    def waiting(self) -> int:
        """How many threads wait."""
        return len(self._waiting)

    def acquire(self, timeout: float) -> bool:
        """Wait for the lock at most `timeout` seconds; return whether this thread has it."""
        with self._mutex:
            if not self._held:
                self._held = True
                return True
            if timeout <= 0:
                return False
            turn = threading.Lock()
            turn.acquire()  # released by the thread that gives the lock away
            self._waiting.append(turn)
        try:
            acquired = turn.acquire(timeout=timeout)
        except BaseException:  # an interrupt
            if not self._leave(turn):
                self.release()
            raise
        return acquired or not self._leave(turn)

    def _leave(self, turn: threading.Lock) -> bool:
        """Leave the queue; return whether this thread was in it, or else has the lock by now."""
        with self._mutex:
            if turn not in self._waiting:
                return False
            self._waiting.remove(turn)
            return True

    def release(self) -> None:
        """Give the lock to the thread that has waited longest, or free it."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False

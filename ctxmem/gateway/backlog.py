"""Work that is done after replies, when no request needs the interpreter.

One thread does it. A thread that computes takes the interpreter from the loop for a moment each
time the loop wakes up, so it begins when nothing has passed through for two milliseconds.
Where that does not come, it has a fixed share of the time, and what does not fit into the queue is
refused.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

log = logging.getLogger("ctxmem.gateway")

QUIET_SECONDS = 0.002
"""Nothing passed through for so long: work begins."""
_SHARE = 0.2
"""Of the time that work may take while requests pass through all the time."""
_LEAST_SLEEP, _MOST_SLEEP = 0.001, 0.05


class _Work(NamedTuple):
    call: Callable[[], None]
    size: int


class Backlog:
    """A queue of calls, and the thread that makes them.

    Args:
        most_bytes, most: what waits at once; one call is always taken.
        quiet: seconds without anything passing through after which a call is made.
    """

    def __init__(self, most_bytes: int, most: int, quiet: float = QUIET_SECONDS) -> None:
        self._most_bytes, self._most, self._quiet = most_bytes, most, quiet
        self.busy_at = 0.0
        """When something passed through last (`time.perf_counter`); set by who passes it on."""
        self.bytes = 0
        self._waiting: deque[_Work] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._due = 0.0
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        """The number of calls that wait."""
        return len(self._waiting)

    def full(self, size: int) -> bool:
        """Whether a call that holds so many bytes would be more than may wait."""
        waiting = len(self._waiting)
        return waiting >= self._most or (waiting > 0 and self.bytes + size > self._most_bytes)

    def add(self, call: Callable[[], None], size: int = 0) -> bool:
        """Have a call made that holds so many bytes; False if the backlog is closed.

        An error in the call is logged.
        """
        with self._changed:
            if self._closed:
                return False
            self._waiting.append(_Work(call, size))
            self.bytes += size
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ctxmem-backlog")
                self._thread.daemon = True
                self._thread.start()
            self._changed.notify()
            return True

    def close(self, seconds: float = 2.0) -> None:
        """Make the calls that wait, as far as the time allows, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(seconds)
            self._waiting.clear()
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
            self._wait()
            began = time.perf_counter()
            try:
                work = self._waiting.popleft()
            except IndexError:  # the time to end was over
                continue
            try:
                work.call()
            except Exception as error:  # others wait for this thread
                log.error("work after a reply failed: %s", type(error).__name__)
            with self._changed:
                self.bytes -= work.size
            now = time.perf_counter()
            self._due = now + (now - began) * (1 / _SHARE - 1)

    def _wait(self) -> None:
        """Wait until nothing passes through, or until it is work's turn all the same."""
        while not self._closed:
            now = time.perf_counter()
            left = min(self.busy_at + self._quiet, self._due) - now
            if left <= 0:
                return
            time.sleep(min(max(left, _LEAST_SLEEP), _MOST_SLEEP))

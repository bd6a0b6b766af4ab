"""Locks that a fork waits for, so that no child inherits a lock that is never released.

A fork copies one thread and every lock as it is. A lock that another thread held is held for good
in the child, and what it guards may be half changed; the mutexes inside SQLite are locks as well.
So work under a lock is done inside one gate for the process: a fork closes the gate, waits until
every other thread is outside, and opens it again in parent and child. All locks are free then and
all data whole. The gate is entered before any lock, which leaves no order of locks to get wrong.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any, Protocol

WAIT = 2.0
"""Seconds that a fork waits for threads at work; then it gives the child new locks instead."""


class ClosedByFork(Protocol):
    """What has to be put away before a fork, such as open connections."""

    def before_fork(self) -> None:
        """Put it away; no other thread is at work."""


class Gate:
    """What threads are inside of while they work, and forks wait for."""

    def __init__(self) -> None:
        self._turnstile = threading.Lock()  # held by a fork
        self._inside: dict[int, int] = {}  # thread: how often it entered
        self._closed_by_fork: weakref.WeakSet[Any] = weakref.WeakSet()
        self._held = False
        self.forced = 0
        """How many forks of this process and its ancestors did not wait to the end."""

    def enter(self) -> None:
        """Go in; a thread may go in again."""
        me = threading.get_ident()
        depth = self._inside.get(me, 0)
        if depth:
            self._inside[me] = depth + 1
            return
        with self._turnstile:
            self._inside[me] = 1

    def leave(self) -> None:
        """Go out once."""
        me = threading.get_ident()
        depth = self._inside.get(me, 0)
        if depth > 1:
            self._inside[me] = depth - 1
        else:
            self._inside.pop(me, None)

    def __enter__(self) -> Gate:
        self.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def close_at_fork(self, one: ClosedByFork) -> None:
        """Call its `before_fork` before every fork from now on, as long as it lives."""
        self._closed_by_fork.add(one)

    def before(self) -> None:
        """Close the gate and wait until the other threads are outside."""
        end = time.monotonic() + WAIT
        self._held = self._turnstile.acquire(timeout=WAIT)
        while self._others() and time.monotonic() < end:
            time.sleep(0.0002)
        if not self._inside:
            for one in self._living():
                one.before_fork()

    def after_in_parent(self) -> None:
        """Open the gate."""
        if self._held:
            self._held = False
            self._turnstile.release()

    def after_in_child(self) -> None:
        """Open the gate; only the thread that forked is here."""
        if self._others():
            self.forced += 1
        me = threading.get_ident()
        self._inside = {me: self._inside[me]} if me in self._inside else {}
        self._turnstile, self._held = threading.Lock(), False

    def _others(self) -> bool:
        inside = list(self._inside)
        return bool(inside) and inside != [threading.get_ident()]

    def _living(self) -> list[Any]:
        while True:
            try:
                return list(self._closed_by_fork)
            except RuntimeError:  # one was added meanwhile
                continue


GATE = Gate()
"""The gate of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=GATE.before,
        after_in_parent=GATE.after_in_parent,
        after_in_child=GATE.after_in_child,
    )


class ForkSafeLock:
    """A re-entrant lock, to be used in a `with` statement, that is free in the child of a fork."""

    __slots__ = ("_forced", "_lock")

    def __init__(self) -> None:
        self._lock: Any = threading.RLock()
        self._forced = GATE.forced

    def __enter__(self) -> ForkSafeLock:
        GATE.enter()
        try:
            if self._forced != GATE.forced:
                self._renew()
            self._lock.acquire()
        except BaseException:
            GATE.leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        GATE.leave()

    def _renew(self) -> None:
        """Replace the lock after a fork that did not wait, unless this thread holds it."""
        self._forced = GATE.forced
        if not self._lock._is_owned():
            self._lock = threading.RLock()

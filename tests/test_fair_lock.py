"""The lock whose waiters have it in turn: no two have it, it is not lost, and none overtakes."""

from __future__ import annotations

import signal
import sys
import threading
import time

import pytest

from ctxmem.stores.turns import FairLock


def waiting(lock, count):
    """Return when `count` threads wait for the lock."""
    while lock.waiting < count:
        time.sleep(0.001)


def start(target, *args):
    thread = threading.Thread(target=target, args=args)
    thread.start()
    return thread


def test_a_free_lock_is_had_at_once_and_a_held_one_is_not():
    lock = FairLock()
    assert lock.acquire(0.0)
    assert not lock.acquire(0.0) and not lock.acquire(-1.0) and not lock.acquire(0.01)
    lock.release()
    assert lock.acquire(0.0)


def test_who_gave_up_is_passed_over():
    lock, order = FairLock(), []

    def take(number, timeout):
        if lock.acquire(timeout):
            order.append(number)
            lock.release()

    assert lock.acquire(0.0)
    gives_up = start(take, 0, 0.05)
    waiting(lock, 1)
    waits = start(take, 1, 600.0)
    gives_up.join()
    waiting(lock, 1)
    lock.release()
    waits.join()
    assert order == [1] and lock.acquire(0.0)


def test_a_lock_that_came_when_the_time_was_over_is_kept():
    lock = FairLock()
    assert lock.acquire(0.0)

    class Late:
        """A turn that is given at the moment when its time is over."""

        def acquire(self, timeout=None):
            if timeout is None:
                return True
            lock.release()
            return False

        def release(self):
            pass

    real, threading.Lock = threading.Lock, Late
    try:
        assert lock.acquire(1.0)
    finally:
        threading.Lock = real
    assert not lock.acquire(0.0)
    lock.release()
    assert lock.acquire(0.0)


@pytest.mark.skipif(sys.platform == "win32", reason="a lock is not interrupted there")
def test_an_interrupt_leaves_the_queue():
    lock = FairLock()
    assert lock.acquire(0.0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt():
        waiting(lock, 1)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    try:
        thread = start(interrupt)
        with pytest.raises(KeyboardInterrupt):
            lock.acquire(600.0)
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert lock.waiting == 0
    lock.release()
    assert lock.acquire(0.0)


def test_a_counter_that_threads_share_loses_nothing():
    lock, count, refused = FairLock(), [0], [0]

    def add(timeout):
        for _ in range(500):
            if lock.acquire(timeout):
                seen = count[0]
                time.sleep(0)
                count[0] = seen + 1
                lock.release()
            else:
                refused[0] += 1

    threads = [start(add, 600.0) for _ in range(7)] + [start(add, 0.0001)]
    for thread in threads:
        thread.join()
    assert count[0] + refused[0] == 8 * 500 and count[0] >= 7 * 500
    assert lock.acquire(0.0)

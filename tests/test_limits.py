"""Memory, threads and locks of the native core at their limits, and crafted data that it reads."""

from __future__ import annotations

import random
import subprocess
import sys
import threading

import numpy as np
import pytest
from sample_texts import FOX, passages

from ctxmem import _native
from ctxmem.dedup import DedupIndex

UNDER_A_LIMIT = """
import resource, sys, ctxmem
texts = ["the fee %d of it is due now" % i * 20 for i in range(4000)]
ctxmem.find_near_duplicates(texts[:3])
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + ({room} << 20),) * 2)
try:
    ctxmem.find_near_duplicates(texts, threads={threads})
    print("done")
except MemoryError:
    print("MemoryError")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
@pytest.mark.parametrize(("room", "threads"), [(24, 1024), (40, 8), (60, 1024)])
def test_threads_without_memory_end_in_an_error_or_in_the_result(room, threads):
    code = UNDER_A_LIMIT.format(room=room, threads=threads)
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert (ran.returncode, ran.stdout) in {(0, "done\n"), (0, "MemoryError\n")}, ran.stderr


def test_the_length_of_an_index_is_read_while_others_write_and_search():
    texts = passages(400, 60, seed=2)
    index = _native.LshIndex(0.3, 1)
    index.add(texts)
    lengths: list[int] = []

    def work() -> None:
        for _ in range(6):
            index.remove(index.add(texts[:50]))
            index.query(texts[:100])

    workers = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        lengths.append(len(index))
    assert {400 + 50 * k for k in range(4)} >= set(lengths)
    assert len(index) == 400


def test_a_state_that_does_not_fit_together_is_refused_and_changes_nothing():
    index = _native.LshIndex(0.5, 3)
    index.add([FOX, "a b c d", FOX])
    sound = index.state()
    kept = [part.copy() for part in sound]
    made = random.Random(3)
    for _ in range(300):
        parts = [part.copy() for part in kept]
        which = made.randrange(len(parts))
        part = parts[which]
        if made.random() < 0.5:
            parts[which] = part[: made.randrange(len(part))]
        else:
            part[made.randrange(len(part))] = made.choice([0, 1, 7, np.iinfo(part.dtype).max])
        other = _native.LshIndex(0.5, 3)
        try:
            other.restore(*parts)
        except ValueError:
            assert len(other) == 0
        else:
            other.query([FOX, "a b c d", ""])
    index.restore(*kept)
    assert [part.tolist() for part in index.state()] == [part.tolist() for part in kept]


def test_a_crafted_segment_of_a_session_is_an_error_or_is_read():
    index = _native.SessionIndex()
    for number, text in enumerate(passages(12, 30, seed=5)):
        index.add(number, "user", text)
    sound = bytes(index.segment(0, 11))
    made = random.Random(4)
    for _ in range(400):
        data = bytearray(sound)
        for _ in range(made.randint(1, 4)):
            data[made.randrange(len(data))] = made.choice([0, 1, 0x7F, 0x80, 0xFF])
        other = _native.SessionIndex()
        try:
            other.load(bytes(data[: made.choice([len(data), made.randrange(len(data))])]))
        except (ValueError, IndexError, MemoryError):
            continue
        other.search("what the fox does", 5)
        other.passages()


def test_arrays_are_copied_so_that_their_owner_may_change_them():
    # A view would keep the array from being resized, or be left with freed memory.
    entries = np.arange(3)
    index = DedupIndex()
    index.add(["a", "b", "c"], passages(3, 30, seed=1))
    index._index.remove(entries)
    entries.resize(300_000)
    assert len(index._index) == 0

"""Append to stores while the disk fails at the n-th write or sync; print what went how.

usage: failing_disk_script.py FOLDER ERRNO, with the library of failing_disk.cpp preloaded.
"""

from __future__ import annotations

import ctypes
import json
import sys

from ctxmem.errors import StoreError
from ctxmem.stores import SqliteStore

APPENDS = 6
MOST = 400  # more than the appends make

disk = ctypes.CDLL(None)


def run(path: str, fail_at: int, error: int) -> tuple[int, int]:
    """Return how many appends were acknowledged, and how many failed."""
    acknowledged = failed = 0
    with SqliteStore(path) as store:
        store.append("t", "s", [b"first"], expect=0)
        disk.disk_fails_at(fail_at, error)
        try:
            for number in range(APPENDS):
                try:
                    store.append(
                        "t", "s", [b"%d" % number * 3000], pages={f"{number:032x}": b"p" * 5000}
                    )
                    store.sync()
                except StoreError as problem:
                    assert str(path) in str(problem), problem
                    failed += 1
                    break
                acknowledged += 1
        finally:
            disk.disk_fails_at(0, 0)
    return acknowledged, failed


def check(path: str, acknowledged: int) -> int:
    """Return how many records another process would find; all that were acknowledged are whole."""
    with SqliteStore(path) as store:
        records = [record.payload for record in store.read("t", "s")]
        assert records[0] == b"first"
        for number, record in enumerate(records[1:]):
            assert record == b"%d" % number * 3000
        # What failed at the sync may be there; what was acknowledged is.
        assert acknowledged <= len(records) - 1 <= acknowledged + 1
        pages = [f"{number:032x}" for number in range(len(records) - 1)]
        assert len(dict(store.pages("t", "s", pages))) == len(pages)
        store.append("t", "s", [b"later"])
        assert store.version("t", "s") == len(records) + 1
    return len(records)


failures = 0
for n in range(1, MOST):
    name = f"{sys.argv[1]}/{n}.db"
    done, wrong = run(name, n, int(sys.argv[2]))
    check(name, done)
    failures += wrong
    if not wrong:
        break
print(json.dumps({"failures": failures, "ended": not wrong}))

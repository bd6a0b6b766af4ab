"""The account of a conversation replaces the one before, in every store."""

from __future__ import annotations

import pytest

from ctxmem.gateway.manage.account_store import AccountStore
from ctxmem.gateway.store_path import ACCOUNTS
from ctxmem.stores import MemoryStore, SqliteStore

NAMES = ("t1" + ACCOUNTS, "s1")


class RecordsOnly:
    """A store without snapshots."""

    def __init__(self):
        store = MemoryStore()
        self.version, self.read, self.append = store.version, store.read, store.append


@pytest.fixture(params=["memory", "sqlite", "records"])
def store(request, tmp_path):
    if request.param == "records":
        return RecordsOnly()
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "s.db")


def test_the_last_account_is_read(store):
    accounts = AccountStore(store)
    assert accounts.read("t1", "s1") is None
    for number in range(5):
        accounts.write("t1", "s1", b"account %d" % number)
        assert AccountStore(store).read("t1", "s1") == b"account %d" % number


def test_a_thousand_requests_leave_one_record(tmp_path):
    store = SqliteStore(tmp_path / "s.db")
    accounts = AccountStore(store)
    for number in range(1_000):
        accounts.write("t1", "s1", b"x" * 900 + b"%d" % number)
    assert store.version(*NAMES) == 1
    assert accounts.read("t1", "s1") == b"x" * 900 + b"999"
    store.close()
    assert (tmp_path / "s.db").stat().st_size < 200_000


def test_what_an_earlier_version_wrote_is_read_and_replaced(store):
    store.append(*NAMES, [b"old 1"])
    store.append(*NAMES, [b"old 2"])
    accounts = AccountStore(store)
    assert accounts.read("t1", "s1") == b"old 2"
    accounts.write("t1", "s1", b"new")
    assert accounts.read("t1", "s1") == b"new"
    store.append(*NAMES, [b"by an earlier version, later"])
    assert accounts.read("t1", "s1") == b"by an earlier version, later"


def test_a_damaged_account_is_not_read(tmp_path, monkeypatch):
    store = SqliteStore(tmp_path / "s.db")
    accounts = AccountStore(store)
    accounts.write("t1", "s1", b"first")
    accounts.write("t1", "s1", b"second")
    monkeypatch.setattr(store, "snapshot", lambda *_: None)  # as for a wrong checksum
    assert accounts.read("t1", "s1") == b"first"

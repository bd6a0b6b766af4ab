"""The stage of `manage` when its store is locked, cannot be written or is damaged."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from chats import user
from test_gateway_manage import Client, manage, told_to, turns

import ctxmem


def test_a_store_that_is_locked_raises_and_nothing_that_was_kept_is_lost(tmp_path: Path):
    path = tmp_path / "g.db"
    client = Client(manage(str(path)))
    client.ask(user("one"))
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ctxmem.StoreError):
        client.ask({"role": "assistant", "content": "1"}, user("two"))
    lock.execute("ROLLBACK")
    lock.close()
    client.ask()
    assert told_to(client) == client.told
    again = Client(manage(str(path)))
    again.told = client.told
    again.ask()
    assert again.exchange.facts["conversation"] == client.exchange.facts["conversation"]


def failing_at(place: int, path: Path, steps: list[list[Any]]) -> tuple[Client, int, int]:
    """Do the steps with a store whose write `place` fails; how often it failed, and all writes."""
    client = Client(manage(str(path)))
    store, writes, failed = client.stage.store, [0], 0

    def counted(write: Any) -> Any:
        def writing(*args: Any, **more: Any) -> Any:
            writes[0] += 1
            if writes[0] == place:
                raise ctxmem.StoreError("disk full")
            return write(*args, **more)

        return writing

    store.append = counted(store.append)  # type: ignore[method-assign]
    store.put_snapshot = counted(store.put_snapshot)  # type: ignore[method-assign]
    for new in steps:
        try:
            client.ask(*new)
        except ctxmem.StoreError:
            failed += 1
        client.exchange.notes.pop("account", None)
    return client, failed, writes[0]


def test_a_write_that_fails_at_any_time_raises_and_the_next_request_goes_on(tmp_path: Path):
    steps = turns(random.Random(10), "chat", 30, 150)[:26]
    _, failed, count = failing_at(0, tmp_path / "all.db", steps)
    assert failed == 0 and count > 26
    for place in (1, 2, 13, count - 1, count):
        client, failed, _ = failing_at(place, tmp_path / f"{place}.db", steps)
        assert failed == 1
        client.ask()
        assert told_to(client) == client.told


def test_a_damaged_store_raises_and_the_client_is_passed_through(tmp_path: Path):
    path = tmp_path / "g.db"
    client = Client(manage(str(path)))
    for new in turns(random.Random(11), "chat", 3):
        client.ask(*new)
    client.stage.close()
    data = sqlite3.connect(path)
    tables = [row[0] for row in data.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    for table in tables:
        columns = [row[1] for row in data.execute(f"PRAGMA table_info({table})")]
        if "payload" in columns:
            data.execute(f"UPDATE {table} SET payload = X'00'")
    data.commit()
    data.close()
    client.stage = manage(str(path))
    with pytest.raises(ctxmem.CtxmemError):
        client.ask()


# Finishing ----------------------------------------------------------------------------------------

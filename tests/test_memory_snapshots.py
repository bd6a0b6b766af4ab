"""Snapshots: a session that was opened from one goes on like one that was read from its records."""

from __future__ import annotations

import random
import warnings

import pytest
from chats import random_chat

from ctxmem import Memory
from ctxmem.memory import items as items_module
from ctxmem.memory import stored_session as session_module
from ctxmem.memory.items import ItemTable
from ctxmem.stores import SqliteStore


class WithoutSnapshots:
    """A store that has what ctxmem 0.1 asked of one, and passes it on."""

    def __init__(self, store):
        for name in ("append", "version", "read", "pages", "sessions", "delete_session", "close"):
            setattr(self, name, getattr(store, name))


@pytest.fixture(autouse=True)
def frequent_snapshots(monkeypatch):
    monkeypatch.setattr(session_module, "EVERY", 16)


def grow(memory, messages, rng):
    """Append in runs, and return the windows asked for in between."""
    windows = []
    at = 0
    while at < len(messages):
        step = rng.randint(1, 9)
        memory.append(messages[at : at + step], at=1000.0 + at)
        at += step
        if rng.random() < 0.7:
            windows.append(memory.window())
    return windows


@pytest.mark.parametrize("seed", range(12))
def test_a_session_opened_from_a_snapshot_goes_on_as_from_its_records(tmp_path, seed):
    rng = random.Random(seed)
    path = tmp_path / "chat.db"
    messages = random_chat(rng, 120)
    with Memory(1500, store=path) as memory:
        grow(memory, messages[:90], rng)
        memory.pin("p3")
        last = memory.window()
    store = SqliteStore(path)
    assert store.snapshot("default", "default") is not None
    opened = Memory(1500, store=store)
    replayed = Memory(1500, store=WithoutSnapshots(SqliteStore(path)))
    assert opened._log.version == replayed._log.version
    assert opened.window().messages == replayed.window().messages == last.messages
    assert [str(page) for page in opened.pages()] == [str(page) for page in replayed.pages()]
    for message in messages[90:]:
        opened.append(message, at=2000.0)
        window = opened.window()
        assert window.tokens <= 1500
        assert replayed.window().messages == window.messages


def test_items_of_a_snapshot_are_dropped_and_loaded_when_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(items_module, "LOADED_ITEMS", 32)
    memory = Memory(700, store=tmp_path / "chat.db")
    for number in range(120):
        role = "assistant" if number % 2 else "user"
        memory.append({"role": role, "content": f"Fact {number}: the sum is {number * 37}."})
        memory.window()
    items = memory._state.items
    assert sum(item is None for item in items._items) > 40
    assert [item.index for item in items] == list(range(len(items)))
    assert memory.page("p5").message == items.of_page(5)


@pytest.mark.parametrize("part", ["state", "items-000000000000"])
def test_a_snapshot_that_cannot_be_read_is_replaced_from_the_records(tmp_path, part):
    rng = random.Random(5)
    path = tmp_path / "chat.db"
    with Memory(1500, store=path) as memory:
        grow(memory, random_chat(rng, 60), rng)
        window = memory.window()
    with SqliteStore(path) as store:
        version, parts = store.snapshot("default", "default")
        for bad in (b"", parts[part][:-3], b"itm1" + bytes(60), b"[]"):
            store.put_snapshot("default", "default", version, {part: bad})
            with Memory(1500, store=store) as again:
                assert again.window().messages == window.messages
            assert store.snapshot("default", "default")[1][part] != bad


def test_bytes_that_are_no_items_are_refused():
    rng = random.Random(11)
    memory = Memory(1000)
    memory.append(random_chat(rng, 15)[:15])
    good = memory._state.items.saved()
    table = ItemTable(memory._log.contents)
    table.restore(good)
    assert len(table) == len(memory._state.items)
    for _ in range(2000):
        bad = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        if rng.random() < 0.3:
            del bad[rng.randrange(len(bad)) :]
        table = ItemTable(memory._log.contents)
        try:
            table.restore(bytes(bad))
        except (ValueError, IndexError):
            assert len(table) == 0


def test_two_processes_may_write_one_session_and_its_snapshots(tmp_path):
    rng = random.Random(7)
    path = tmp_path / "chat.db"
    messages = random_chat(rng, 120)
    first, second = Memory(1500, store=path), Memory(1500, store=path)
    for at in range(0, 120, 3):
        (first if rng.random() < 0.5 else second).append(messages[at : at + 3])
    window = first.window()
    assert second.window().messages == window.messages
    assert Memory(1500, store=path).window().messages == window.messages


def test_damage_costs_what_is_damaged_and_no_more(tmp_path):
    path = tmp_path / "chat.db"
    facts = [f"Fact number {i} is {i * i}." for i in range(9)]
    with Memory(2000, store=path) as memory:
        memory.append(
            [{"role": "user", "content": f"Fact number {i} is {i * i}."} for i in range(9)]
        )
        key = memory._state.items[4].key
    with SqliteStore(path) as store, store._database.transaction() as connection:
        connection.execute("UPDATE page SET payload = ? WHERE id = ?", (b"broken", key.encode()))
    with pytest.raises(Exception, match="damaged"):
        Memory(2000, store=path)
    found = []
    with Memory(2000, store=path, damaged=found.append) as memory:
        texts = [message["content"] for message in memory.window().messages]
    assert texts == facts[:4] + facts[5:]
    assert len(found) == 2  # the store reports the page, the session its message
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Memory(2000, store=path, damaged="skip").close()
    assert any("damaged" in str(one.message) for one in caught)

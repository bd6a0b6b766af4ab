"""A session that is opened again, by this process, another one, or after a crash."""

from __future__ import annotations

import os
import random
import signal
import threading
import zlib

import pytest
from chats import user
from memory_chats import agent_chat, replay, shown

from ctxmem import InputTypeError, Memory, StoreError
from ctxmem.stores import MemoryStore


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("policy", ["auto", "batch"])
def test_a_reopened_session_shows_the_same_bytes(kind, policy, tmp_path):
    store = MemoryStore() if kind == "memory" else str(tmp_path / "pages.db")
    if kind == "sqlite":
        pytest.importorskip("ctxmem.stores.sqlite")
    chat = agent_chat(60)
    options = {"store": store, "session": "s", "tenant": "t", "policy": policy}
    for message in chat:
        with Memory(800, **options) as memory:
            before = shown(memory.window())
            memory.append(message)
            if message["role"] != "assistant":
                before = shown(memory.window())
                with Memory(800, **options) as again:
                    assert shown(again.window()) == before


def test_what_was_appended_is_all_there_after_reopening():
    store = MemoryStore()
    chat = agent_chat(40)
    memory = Memory(500, store=store)
    replay(memory, chat)
    again = Memory(500, store=store)
    assert [again.page(f"p{i}").text for i in range(len(chat))] == [
        memory.page(f"p{i}").text for i in range(len(chat))
    ]


def test_sessions_and_tenants_do_not_see_each_other():
    store = MemoryStore()
    Memory(500, store=store, session="a").append(user("secret"))
    assert Memory(500, store=store, session="b").window().messages == []
    assert Memory(500, store=store, session="a", tenant="x").window().messages == []
    assert Memory(500, store=store, session="a").window().messages == [user("secret")]


class FailingStore(MemoryStore):
    """A store that fails on chosen writes."""

    fails = False

    def append(self, *args, **options):
        if self.fails:
            raise StoreError("the disk is full")
        return super().append(*args, **options)


def test_nothing_leaves_the_window_that_is_not_written():
    store = FailingStore()
    memory = Memory(600, store=store, policy="batch")
    for message in agent_chat(60):
        memory.append(message)
        before = list(memory._state.entries)
        store.fails = True
        try:
            window = memory.window()
        except StoreError:
            assert memory._state.entries == before
            store.fails = False
            assert memory.window().tokens <= 600
        else:
            assert not any(event.kind == "edit" for event in window.events)
        store.fails = False
    assert memory.stats().edits > 1


def test_an_append_that_fails_has_changed_nothing():
    store = FailingStore()
    memory = Memory(600, store=store)
    memory.append(user("one"))
    store.fails = True
    with pytest.raises(StoreError):
        memory.append([user("two"), user("three")])
    store.fails = False
    with pytest.raises(InputTypeError, match="message 2"):
        memory.append([user("two"), 7])
    assert memory.window().messages == [user("one")]
    assert memory.append(user("two")) == ["p1"]


def test_two_writers_of_one_session_lose_nothing():
    store = MemoryStore()
    memories = [Memory(1000, store=store) for _ in range(4)]

    def write(memory: Memory, name: int) -> None:
        for i in range(30):
            memory.append(user(f"writer {name} says {i}"))
            memory.window()

    threads = [
        threading.Thread(target=write, args=(memory, i)) for i, memory in enumerate(memories)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = Memory(100_000, store=store)
    said = [last.page(f"p{i}").text for i in range(120)]
    assert sorted(said) == sorted(f"writer {n} says {i}" for n in range(4) for i in range(30))


def test_a_window_shows_what_another_process_appended():
    store = MemoryStore()
    one, other = Memory(1000, store=store), Memory(1000, store=store)
    one.append(user("from one"))
    assert other.window().messages == [user("from one")]
    other.append({"role": "assistant", "content": "from the other"})
    assert [message["content"] for message in one.window().messages] == [
        "from one",
        "from the other",
    ]


def test_one_memory_serves_many_threads():
    memory = Memory(500)
    errors: list[Exception] = []

    def work(name: int) -> None:
        try:
            for i in range(40):
                memory.append(user(f"thread {name} says {i}"))
                assert memory.window().tokens <= 500
                memory.recall("says 7", 2)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert memory.stats().messages == 160


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("cycles", [3, pytest.param(40, marks=pytest.mark.slow)])
def test_kill_9_loses_no_acknowledged_turn_and_no_window(tmp_path, cycles):
    # A child appends and asks for windows, tells what it saw through a pipe, and is shot; whoever
    # opens the session next has every turn that was told, and the window as it was.
    path = str(tmp_path / "chat.db")
    rng = random.Random(7)
    turns = 0
    for _ in range(cycles):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                with Memory(700, store=path) as memory:
                    for i in range(turns, turns + 10_000):
                        memory.append(user(f"turn {i} item_{i} " + "word " * 25))
                        digest = zlib.crc32(shown(memory.window()).encode())
                        os.write(writing, f"{i} {digest}\n".encode())
                        memory.append({"role": "assistant", "content": f"seen item_{i}"})
            finally:
                os._exit(1)
        os.close(writing)
        told = b""
        wanted = rng.randrange(1, 30)
        while told.count(b"\n") < wanted:
            told += os.read(reading, 65536)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while part := os.read(reading, 65536):
            told += part
        os.close(reading)
        last, digest = map(int, told.decode().split("\n")[-2].split())
        with Memory(700, store=path) as memory:
            said = [page.text.split()[1] for page in memory.pages() if page.role == "user"]
            assert said == [str(i) for i in range(len(said))]
            assert len(said) > last
            if len(memory.pages()) == 2 * last + 1:  # shot before anything else was appended
                assert zlib.crc32(shown(memory.window()).encode()) == digest
            assert memory.window().tokens <= 700
            turns = len(said)
            if len(memory.pages()) % 2:
                memory.append({"role": "assistant", "content": "seen"})


def test_a_damaged_store_is_an_error_and_never_other_text(tmp_path):
    path = tmp_path / "chat.db"
    with Memory(700, store=str(path)) as memory:
        replay(memory, agent_chat(10))
    whole = path.read_bytes()
    said = {message["content"] for message in agent_chat(10)}
    rng = random.Random(3)
    errors = 0
    for _ in range(60):
        broken = bytearray(whole)
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        path.write_bytes(broken)
        try:
            with Memory(700, store=str(path)) as memory:
                texts = {page.text for page in memory.pages()}
        except StoreError:
            errors += 1
            continue
        assert all(any(known in text for known in said) for text in texts)
    assert errors > 0

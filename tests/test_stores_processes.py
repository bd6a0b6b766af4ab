"""Stores among threads and processes: deletion under readers, forks, damaged snapshots, ids."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from chats import user

import ctxmem
from ctxmem import Memory
from ctxmem.chat.incremental import IncrementalTrimmer
from ctxmem.memory import encoding, stored_session
from ctxmem.stores import SqliteStore
from ctxmem.tokens import names, resolve

posix = pytest.mark.skipif(os.name != "posix", reason="forks are those of POSIX")
says_who = pytest.mark.skipif(not Path("/proc/locks").exists(), reason="needs /proc/locks")

READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM record").fetchone()
print("reading", flush=True)
sys.stdin.readline()
"""


def files_with(folder, needle):
    return sorted(f.name for f in Path(folder).iterdir() if needle in f.read_bytes())


class Reader:
    """Another process that reads the file as it is now, until it is ended."""

    def __init__(self, path):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([sys.executable, "-c", READER, str(path)], **pipes)
        assert self.process.stdout.readline().strip() == b"reading"

    @property
    def pid(self):
        return self.process.pid

    def end(self):
        self.process.communicate(b"\n", timeout=20)


class Busy:
    """Threads that do something again and again until the end of a `with` statement."""

    def __init__(self, *work):
        self.stop, self.errors, self.turns = threading.Event(), [], [0] * len(work)
        self.threads = [
            threading.Thread(target=self.run, args=(at, one), daemon=True)
            for at, one in enumerate(work)
        ]

    def run(self, at, work):
        try:
            while not self.stop.is_set():
                work(self.turns[at])
                self.turns[at] += 1
        except BaseException as error:
            self.errors.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        end = time.monotonic() + 20
        while not all(self.turns) and not self.errors and time.monotonic() < end:
            time.sleep(0.001)
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(20)
        assert [] == self.errors


# deletion


@says_who
@pytest.mark.parametrize("delete", ["delete_session", "delete_tenant", "expire", "delete_pages"])
def test_a_deletion_names_the_processes_that_keep_what_was_deleted(tmp_path, delete):
    arguments = {
        "delete_session": ("t", "s"),
        "delete_tenant": ("t",),
        "expire": (0,),
        "delete_pages": ("t", "s", ["p"]),
    }[delete]
    path = tmp_path / "pages.db"
    with SqliteStore(path, timeout=0.2) as store:
        store.append("t", "s", [b"record"], pages={"p": b"TOPSECRET" * 500})
        readers = [Reader(path), Reader(path)]
        try:
            with pytest.warns(ctxmem.CtxmemWarning, match="deleted text is still in the files"):
                gone = getattr(store, delete)(*arguments)
            assert [("t", "s")] == gone
            for reader in readers:
                assert f"process {reader.pid}" in gone.held
            assert f"process {os.getpid()}" not in gone.held and "this process" not in gone.held
            assert "pages.db-wal" in files_with(tmp_path, b"TOPSECRET")
            assert {} == store.pages("t", "s", ["p"])  # nobody who asks now gets it
            readers[0].end()
            assert f"process {readers[1].pid}" in store.vacuum()
        finally:
            for reader in readers:
                if reader.process.returncode is None:
                    reader.end()
        assert "" == store.vacuum()
        assert [] == files_with(tmp_path, b"TOPSECRET")


def test_sessions_are_deleted_from_disk_under_busy_threads(tmp_path):
    path = tmp_path / "pages.db"
    with SqliteStore(path) as store, SqliteStore(path) as other:

        def write(turn):
            other.append("busy", f"s{turn % 3}", [b"W%d" % turn], pages={str(turn): b"P" * 300})

        def read(_turn):
            for session in ("s0", "s1", "s2"):
                assert all(record.payload[:1] == b"W" for record in store.read("busy", session))

        def listed(_turn):
            assert {one.tenant for one in other.usage()} <= {"busy", "t"}

        with Busy(write, read, listed):
            for number in range(12):
                secret = b"<secret %d %d>" % (number, number**9)
                store.append("t", "s", [secret * 40], pages={"p": secret * 90})
                store.put_snapshot("t", "s", 1, {"x": secret * 200})
                gone = store.delete_session("t", "s")
                assert ([("t", "s")], "") == (gone, gone.held)
                assert [] == files_with(tmp_path, secret)
        assert ["busy"] == store.tenants()


def test_an_open_memory_in_a_thread_learns_that_its_session_was_deleted(tmp_path):
    path = tmp_path / "chat.db"
    memory = Memory(1000, store=path, session="s")
    ended = []

    def talk(turn):
        if ended:
            return
        try:
            memory.append(user(f"turn {turn} SECRET"))
            memory.window()
        except ctxmem.SessionDeletedError as error:
            ended.append(error)

    with SqliteStore(path) as store, Busy(talk) as busy:
        gone = store.delete_session("default", "s")
        assert ([("default", "s")], "") == (gone, gone.held)
        before = list(busy.turns)
        while busy.turns == before and not busy.errors:
            time.sleep(0.001)
    assert ["s"] == [error.session for error in ended]
    assert [] == files_with(tmp_path, b"SECRET")
    memory.close()


def test_pages_that_a_deletion_takes_while_they_are_read_are_no_damage(tmp_path, monkeypatch):
    path = tmp_path / "chat.db"
    with SqliteStore(path) as store, SqliteStore(path) as other:
        store.append("t", "s", [b"r"], pages={"p": b"page"})
        head = store._head

        def delete_behind(connection, seal, damaged=None):
            found = head(connection, seal, damaged)
            if other.version("t", "s"):
                other.delete_session("t", "s")
            return found

        monkeypatch.setattr(store, "_head", delete_behind)
        assert {} == store.pages("t", "s", ["p"])
        assert 0 == store.version("t", "s")


# forks


def in_child(work):
    """Return the exit code of a fork that does some work: 0, or a signal if it hung."""
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@posix
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_fork_while_threads_append_leaves_parent_and_child_whole_sessions(tmp_path, kind):
    path = ":memory:" if kind == "memory" else tmp_path / "chat.db"
    memory = Memory(1500, store=path, counter=lambda text: len(text) // 4)

    def talk(turn):
        memory.append([user(f"first {turn}"), user(f"second {turn}")])
        memory.window()
        memory.recall(f"first {turn}", 2)

    def check():
        memory.append(user("child"))
        assert memory.window().tokens <= 1500
        texts = [page.text for page in memory.pages() if page.text != "child"]
        assert all(
            a.removeprefix("first") == b.removeprefix("second")
            for a, b in zip(texts[::2], texts[1::2], strict=True)
        )
        assert [page.id for page in memory.recall("child", 1)]

    with Busy(talk, talk):
        codes = [in_child(check) for _ in range(8)]
    assert [0] * 8 == codes
    assert sum(page.text == "child" for page in memory.pages()) == (0 if kind == "memory" else 8)
    memory.close()


def slowly(lock, inside, leave):
    with lock:
        inside.set()
        assert leave.wait(1)


@posix
@pytest.mark.parametrize("kind", ["a counter of one's own", "names", "trimming"])
def test_a_fork_waits_for_the_locks_of_counters_and_trimming(kind):
    counter, trimmer = resolve(len), IncrementalTrimmer("estimate", None)
    lock, work = {
        "a counter of one's own": (counter._lock, lambda: counter.count("x" * 999)),
        "names": (names._lock, lambda: names._resolved.clear() or resolve("estimate")),
        "trimming": (trimmer._lock, lambda: trimmer.trim([user("hello")], 99)),
    }[kind]
    inside, leave = threading.Event(), threading.Event()
    holder = threading.Thread(target=slowly, args=(lock, inside, leave))
    holder.start()
    inside.wait()
    threading.Timer(0.2, leave.set).start()
    assert 0 == in_child(work)
    holder.join()
    work()


# damage and ids


@pytest.fixture
def frequent_snapshots(monkeypatch):
    monkeypatch.setattr(stored_session, "EVERY", 16)


@pytest.mark.slow
def test_mutants_of_a_file_with_snapshots_are_right_or_refused(tmp_path, frequent_snapshots):
    rng = random.Random(16)
    path, mutant = tmp_path / "chat.db", tmp_path / "mutant.db"
    with Memory(900, store=path) as memory:
        for number in range(70):
            role = "assistant" if number % 2 else "user"
            memory.append({"role": role, "content": f"Fact {number}: never use {number * 37}."})
            memory.window()
        truth = ([page.text for page in memory.pages()], memory.window().messages, memory.ledger())
    sound = path.read_bytes()
    places = [at for at in range(0, len(sound), 4096) if is_snapshot(sound[at : at + 4096])]
    assert len(places) >= 5
    counts = {"right": 0, "refused": 0}
    for _ in range(1000):
        data = bytearray(sound)
        if rng.random() < 0.7:
            start = rng.choice(places)
            hits = [start + rng.randrange(4096) for _ in range(rng.randint(1, 3))]
        else:
            hits = [rng.randrange(len(data))]
        for at in hits:
            data[at] ^= 1 << rng.randrange(8)
        for file in tmp_path.glob("mutant.db*"):
            file.unlink()
        mutant.write_bytes(data)
        try:
            with Memory(900, store=mutant) as memory:
                found = ([page.text for page in memory.pages()], memory.window().messages)
                assert truth == (*found, memory.ledger()), f"a mutant at {hits} is believed"
            counts["right"] += 1
        except ctxmem.StoreError:
            counts["refused"] += 1
    assert counts["right"] >= 50 and counts["refused"] >= 5, counts


def is_snapshot(page):
    """Whether a page of the file has a part of the snapshot: its state or its rows."""
    return b'"visibility"' in page or b"itm1" in page or b'"receipts"' in page


def anagram_id(data, key):
    """Return the same id for all texts of the same letters, as if an outsider knew collisions."""
    return encoding.PageId(bytes(sorted(data))[-32:].hex())


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_message_never_takes_the_place_of_one_with_the_same_id(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(encoding, "page_id", anagram_id)
    path = ":memory:" if kind == "memory" else tmp_path / "chat.db"
    memory = Memory(1000, store=path)
    memory.append(user("Pay 12 euros to Ann."))
    with pytest.raises(ctxmem.InputError, match="stored with other bytes"):
        memory.append([user("Thank you."), user("Pay 21 euros to Ann.")])
    memory.append(user("Pay 12 euros to Ann."))  # the same bytes are the same page
    memory.append(user("Goodbye."))
    expected = ["Pay 12 euros to Ann.", "Pay 12 euros to Ann.", "Goodbye."]
    assert expected == [page.text for page in memory.pages()]
    assert expected == [message["content"] for message in memory.window().messages]
    if kind == "sqlite":
        memory.close()
        memory = Memory(1000, store=path)
        assert expected == [page.text for page in memory.pages()]
    memory.close()


def test_ids_of_messages_are_keyed_and_differ_from_process_to_process(tmp_path):
    keys = []
    for number in range(2):
        with SqliteStore(tmp_path / f"{number}.db") as store:
            Memory(1000, store=store, session="s").append(user("My booking is HAT017."))
            keys += [line["page"] for line in store.export("default") if "page" in line]
    assert 2 == len(set(keys))

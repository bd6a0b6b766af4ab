"""Stores over time: what is deleted is gone from disk, snapshots, forks, older files, exports."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import threading
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import servers
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import ctxmem
from ctxmem.protocols import ManagedStore, SnapshotStore
from ctxmem.stores import MemoryStore, SqliteStore, export_lines

FORMAT_1 = Path(__file__).parent / "data" / "store-format-1.db"
posix = pytest.mark.skipif(os.name != "posix", reason="permissions and forks are those of POSIX")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=servers.STORES)
def store(request, tmp_path, clock):
    with servers.opened(request, tmp_path, clock=clock) as made:
        yield made


def files_with(folder, needle):
    return sorted(f.name for f in Path(folder).iterdir() if needle in f.read_bytes())


# every store


def test_sessions_are_listed_with_size_and_last_use(store, clock):
    assert isinstance(store, ManagedStore) and isinstance(store, SnapshotStore)
    store.append("b", "s", [b"12", b"345"], pages={"p": b"6789"})
    clock.now = 2000.0
    store.append("a", "s", [b"1"])
    store.append("b", "s", [b"1"])
    store.put_snapshot("b", "s", 3, {"x": b"12345"})
    assert ["a", "b"] == store.tenants()
    first, second = store.usage()
    assert ("a", "s", 1, 0, 1, 2000.0, 2000.0) == tuple(getattr(first, n) for n in first.__slots__)
    assert ("b", "s", 3, 1, 15, 1000.0, 2000.0) == tuple(
        getattr(second, n) for n in second.__slots__
    )
    assert [second] == store.usage("b")


def test_a_deleted_session_does_not_come_back_at_the_next_append(store):
    store.append("t", "s", [b"one"])
    deleted = store.delete_session("t", "s")
    assert ([("t", "s")], 1, 0) == (deleted, deleted.records, deleted.pages)
    assert getattr(store, "held", "") == deleted.held
    with pytest.raises(ctxmem.SessionDeletedError) as caught:
        store.append("t", "s", [b"two"], expect=1)
    assert ("t", "s") == (caught.value.tenant, caught.value.session)
    with pytest.raises(ctxmem.SessionDeletedError):
        store.read("t", "s", after=1)
    with pytest.raises(ctxmem.SessionDeletedError):
        store.put_snapshot("t", "s", 0, {})
    assert [] == store.sessions("t") == store.delete_session("t", "s")


def test_a_session_of_the_same_name_is_another_session(store):
    version = store.append("t", "s", [b"one"])
    store.delete_session("t", "s")
    again = store.append("t", "s", [b"uno"], expect=0)
    assert 1 == version == again
    with pytest.raises(ctxmem.SessionDeletedError):
        store.append("t", "s", [b"two"], expect=version)
    with pytest.raises(ctxmem.SessionDeletedError):
        store.read("t", "s", after=version)
    assert 2 == store.append("t", "s", [b"due"], expect=again)
    with pytest.raises(ctxmem.ConflictError):
        store.append("t", "s", [b"tre"], expect=again)


def test_an_open_memory_of_a_deleted_session_says_so(store):
    memory = ctxmem.Memory(1000, store=store, session="s", tenant="t")
    memory.append({"role": "user", "content": "hello"})
    store.delete_session("t", "s")
    with pytest.raises(ctxmem.SessionDeletedError):
        memory.append({"role": "user", "content": "again"})
    with pytest.raises(ctxmem.SessionDeletedError):
        memory.window()
    assert [] == store.sessions("t")
    other = ctxmem.Memory(1000, store=store, session="s", tenant="t")
    other.append({"role": "user", "content": "new"})
    with pytest.raises(ctxmem.SessionDeletedError):
        memory.window()


def test_old_sessions_expire_by_age_or_date(store, clock):
    for at, name in ((1000.0, "old"), (1500.0, "newer"), (1900.0, "newest")):
        clock.now = at
        store.append("t", name, [b"r"])
    clock.now = 2000.0
    assert [("t", "old")] == store.expire(timedelta(seconds=1000))
    assert [("t", "newer")] == store.expire(datetime.fromtimestamp(1600, timezone.utc))
    assert ["newest"] == store.sessions("t")
    for wrong in (-1, float("nan"), True, "a week"):
        with pytest.raises(ctxmem.InputError, match="older_than"):
            store.expire(wrong)
    assert [("t", "newest")] == store.expire(0)


def test_pages_are_forgotten_one_by_one_and_can_be_written_again(store):
    store.append("t", "s", [b"r"], pages={"a": b"A", "b": b"B"})
    store.append("t", "other", [b"r"], pages={"a": b"A"})
    store.put_snapshot("t", "s", 1, {"x": b"text of A"})
    gone = store.delete_pages("t", "s", ["a", "unknown"])
    assert ([("t", "s")], 1) == (gone, gone.pages)
    assert {"b": b"B"} == store.pages("t", "s", ["a", "b"])
    assert {"a": b"A"} == store.pages("t", "other", ["a"])
    assert store.snapshot("t", "s") is None
    assert [] == store.delete_pages("t", "s", ["a"])
    store.append("t", "s", [], pages={"a": b"A"})
    assert {"a": b"A"} == store.pages("t", "s", ["a"])


def test_a_page_is_never_replaced_by_other_bytes(store):
    store.append("t", "s", [b"r"], pages={"a": b"A"})
    with pytest.raises(ctxmem.InputError, match="other bytes"):
        store.append("t", "s", [b"lost"], pages={"a": b"X"})
    assert {"a": b"A"} == store.pages("t", "s", ["a"])
    assert 1 == store.version("t", "s")


def test_a_snapshot_keeps_the_parts_that_are_not_dropped(store):
    store.append("t", "s", [b"r"] * 5)
    store.put_snapshot("t", "s", 2, {"a": b"A" * 10_000, "b": b"", "c": b"C"}, base=0)
    store.put_snapshot("t", "s", 5, {"d": b"D"}, drop=["c", "unknown"], base=2)
    assert (5, {"a": b"A" * 10_000, "b": b"", "d": b"D"}) == store.snapshot("t", "s")
    with pytest.raises(ctxmem.ConflictError):
        store.put_snapshot("t", "s", 5, {"e": b"E"}, base=2)
    with pytest.raises(ctxmem.InputError, match="is of version 6"):
        store.put_snapshot("t", "s", 6, {})
    store.drop_snapshot("t", "s")
    assert store.snapshot("t", "s") is None
    assert store.snapshot("t", "unknown") is None


def test_an_export_has_everything_as_json_lines(store, tmp_path):
    store.append("t", "s", [b"one", b"\xff"], pages={"p": b"page"})
    store.append("t", "lone \ud800", [])
    store.append("other", "s", [b"secret"])
    path = tmp_path / "export.jsonl"
    assert 5 == export_lines(store, path, "t")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == list(store.export("t"))
    assert ["one", None, "page"] == [one.get("text") for one in lines[-3:]]
    assert "/w==" == lines[-2]["base64"]
    if os.name == "posix":
        assert 0o600 == path.stat().st_mode & 0o777
    with pytest.raises(FileExistsError):
        export_lines(store, path, "t")


# the SQLite file


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_new_files_are_for_their_owner_only(tmp_path, umask):
    before = os.umask(umask)
    try:
        with SqliteStore(tmp_path / "pages.db") as store:
            store.append("t", "s", [b"one"])
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert {"pages.db": 0o600, "pages.db-wal": 0o600, "pages.db-shm": 0o600} == modes


@posix
def test_permissions_that_a_person_gave_are_kept(tmp_path):
    path = tmp_path / "pages.db"
    path.touch()
    path.chmod(0o640)
    with SqliteStore(path) as store:
        store.append("t", "s", [b"one"])
    assert 0o640 == path.stat().st_mode & 0o777


def test_a_file_of_format_1_opens_with_all_that_it_has(tmp_path):
    path = tmp_path / "s.db"
    shutil.copy(FORMAT_1, path)
    with SqliteStore(path) as store:
        assert ["acme", "default", "lone \ud800 surrogate"] == store.tenants()
        for tenant in ("acme", "lone \ud800 surrogate"):
            assert ["", "chat-1"] == store.sessions(tenant)
            records = [record.payload for record in store.read(tenant, "chat-1")]
            assert [b"chat-1 record %d" % i for i in range(1, 6)] == records
            ids = [f"{i:032x}" for i in range(3)]
            pages = [b"chat-1 page %d " % i * 20 for i in range(3)]
            assert pages == list(store.pages(tenant, "chat-1", ids).values())
        assert 6 == store.append("acme", "chat-1", [b"six"], expect=5)
        new = store.append("acme", "new", [b"r"])
        assert new.incarnation > 7  # numbers of deleted sessions are not given again
    with ctxmem.Memory(400, store=path, session="memory") as memory:
        texts = [page.text for page in memory.pages()]
        assert "message 0 about booking HAT000 " + "and more words " * 12 == texts[0]
        assert 12 == len(texts)
        memory.append({"role": "user", "content": "after all"})
    with SqliteStore(path) as store:
        store.delete_tenant("default")
        assert [] == files_with(tmp_path, b"about booking")


def test_no_byte_of_a_deleted_session_is_on_disk(tmp_path):
    rng = random.Random(7)
    alive = {}
    with SqliteStore(tmp_path / "pages.db") as store, SqliteStore(tmp_path / "pages.db") as other:
        for turn in range(120):
            name = f"session-{rng.randrange(12)}-name"
            if name in alive and rng.random() < 0.3:
                marks = alive.pop(name)
                assert "" == store.delete_session("t", name).held
                everything = b"".join(file.read_bytes() for file in tmp_path.iterdir())
                assert [] == [mark for mark in [*marks, name.encode()] if mark in everything]
                continue
            mark = b"<%d:%032x>" % (turn, rng.getrandbits(128))
            sizes = [rng.choice([1, 5, 40, 150, 400]) for _ in range(3)]
            other.append("t", name, [mark * sizes[0]], pages={str(turn): mark * sizes[1]})
            other.put_snapshot("t", name, 1, {str(turn % 2): mark * sizes[2]})
            alive.setdefault(name, []).append(mark)
        assert sorted(alive) == store.sessions("t")


def test_a_reader_that_keeps_deleted_text_in_the_log_is_named(tmp_path):
    with SqliteStore(tmp_path / "pages.db", timeout=0.1) as store:
        store.append("t", "s", [b"TOPSECRET" * 20])
        reader = sqlite3.connect(tmp_path / "pages.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM record").fetchone()
        with pytest.warns(ctxmem.CtxmemWarning, match="reads an older state"):
            gone = store.delete_session("t", "s")
        assert [("t", "s")] == gone
        assert "pages.db-wal" in gone.held
        assert files_with(tmp_path, b"TOPSECRET")
        reader.execute("COMMIT")
        reader.close()
        store.append("t", "other", [b"r"])
        assert [] == files_with(tmp_path, b"TOPSECRET")


def test_vacuum_gives_back_room_and_keeps_the_rest(tmp_path):
    with SqliteStore(tmp_path / "pages.db") as store:
        store.append("t", "kept", [b"K" * 100_000], pages={"p": b"P" * 100_000})
        store.append("t", "gone", [b"G" * 150_000])
        store.delete_session("t", "gone")
        large = (tmp_path / "pages.db").stat().st_size
        assert "" == store.vacuum()
        assert (tmp_path / "pages.db").stat().st_size <= large - 140_000
        assert [b"K" * 100_000] == [record.payload for record in store.read("t", "kept")]
        assert {"p": b"P" * 100_000} == store.pages("t", "kept", ["p"])


def test_a_damaged_snapshot_is_no_damage_of_the_session(tmp_path):
    with SqliteStore(tmp_path / "pages.db") as store:
        store.append("t", "s", [b"r"])
        for damage in (
            "UPDATE block SET data = zeroblob(4040) WHERE number = 2",
            "DELETE FROM block WHERE number = 2",
            "UPDATE snapshot SET version = 0",
            "DELETE FROM part WHERE name = CAST('a' AS BLOB)",
            "UPDATE part SET blocks = CAST('no number' AS BLOB)",
        ):
            store.put_snapshot("t", "s", 1, {"a": b"A" * 9000, "b": b"B"})
            assert (1, {"a": b"A" * 9000, "b": b"B"}) == store.snapshot("t", "s")
            store._database._connection().execute(damage)
            assert store.snapshot("t", "s") is None
            assert [b"r"] == [record.payload for record in store.read("t", "s")]
            store.drop_snapshot("t", "s")


# forks and threads


@posix
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_fork_under_busy_threads_leaves_no_lock_held(tmp_path, kind):
    store = MemoryStore() if kind == "memory" else SqliteStore(tmp_path / "pages.db")
    memory = ctxmem.Memory(1500, store=store)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            memory.append({"role": "user", "content": "busy"})
            store.append("t", "s", [b"r"])

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    codes = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            try:
                memory.append({"role": "user", "content": "child"})
                store.append("t", "child", [b"r"])
                os._exit(0)
            finally:
                os._exit(1)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop.set()
    for thread in threads:
        thread.join()
    assert [0] * 8 == codes
    store.close()


@posix
def test_a_child_keeps_what_it_wrote_when_its_parent_closes_the_store(tmp_path):
    path = tmp_path / "pages.db"
    store = SqliteStore(path)
    store.append("t", "s", [b"parent"])
    go, going = os.pipe()
    wrote, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            store.append("t", "s", [b"before"])
            os.write(writing, b"1")
            os.read(go, 1)
            store.append("t", "s", [b"after"])
            os._exit(0)
        finally:
            os._exit(1)
    os.read(wrote, 1)
    store.append("t", "s", [b"parent again"])
    store.close()
    with SqliteStore(path) as other:
        other.append("t", "s", [b"other"])
    os.write(going, b"1")
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with SqliteStore(path) as again:
        found = [record.payload for record in again.read("t", "s")]
    assert [b"parent", b"before", b"parent again", b"other", b"after"] == found
    for end in (go, going, wrote, writing):
        os.close(end)


# messages that can be read again


def nested(depth):
    inner = "x"
    for _ in range(depth):
        inner = [inner]
    return inner


def test_nesting_and_sizes_are_refused_when_a_message_is_appended():
    def message(extra):
        return {"role": "user", "content": "hello", "extra": extra}

    memory = ctxmem.Memory(1000)
    memory.append(message(nested(99)))
    circle = []
    circle += [circle, circle]
    bomb = "x" * 100
    for _ in range(60):
        bomb = [bomb, bomb]
    for wrong, match in (
        (nested(100), "nested deeper than 100"),
        (nested(100_000), "nested deeper"),
        (circle, "bytes or more"),
        (bomb, "bytes or more"),
        (1 << 20_000, "integer of 20001 bits"),
    ):
        with pytest.raises(ctxmem.InputError, match=match):
            memory.append(message(wrong))
    assert 1 == memory.stats().messages


def test_what_is_stored_is_decoded_from_any_depth_of_calls():
    from ctxmem.memory.encoding import decode, encode

    data = encode(nested(100))

    def deeper(calls):
        return deeper(calls - 1) if calls else decode(data)

    depth = 0
    try:
        while True:
            assert nested(100) == deeper(depth)
            depth += 5
    except RecursionError:
        assert depth > 900 - 150


# a model


TENANTS = st.sampled_from(["a", "b"])
SESSIONS = st.sampled_from(["s", "", "lone \ud800"])
PAGES = st.sampled_from(["p", "q"])


class Lifecycle(RuleBasedStateMachine):
    """Both stores do as two dicts do."""

    @initialize()
    def begin(self):
        import tempfile

        self.folder = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.clock = Clock()
        self.stores = [
            MemoryStore(clock=self.clock),
            SqliteStore(f"{self.folder}/s.db", clock=self.clock),
        ]
        self.model = {}

    def teardown(self):
        for store in getattr(self, "stores", ()):
            store.close()
        shutil.rmtree(getattr(self, "folder", ""), ignore_errors=True)

    @rule(tenant=TENANTS, session=SESSIONS, count=st.integers(0, 3), pages=st.sets(PAGES))
    def append(self, tenant, session, count, pages):
        self.clock.now += 1
        held = self.model.setdefault((tenant, session), [[], {}, None, 0.0])
        start = len(held[0])
        held[0] += [b"%d" % (start + i) for i in range(count)]
        held[1].update({page: page.encode() * 9 for page in pages})
        held[3] = self.clock.now
        for store in self.stores:
            new = store.append(
                *(tenant, session, held[0][start:]),
                pages={page: page.encode() * 9 for page in pages},
                expect=start,
            )
            assert start + count == new

    @rule(tenant=TENANTS, session=SESSIONS, name=PAGES, size=st.sampled_from([0, 7, 9000]))
    def put_snapshot(self, tenant, session, name, size):
        if (tenant, session) in self.model:
            held = self.model[tenant, session]
            held[2] = (len(held[0]), {**(held[2] or (0, {}))[1], name: b"x" * size})
            for store in self.stores:
                store.put_snapshot(tenant, session, len(held[0]), {name: b"x" * size})

    @rule(tenant=TENANTS, session=SESSIONS)
    def delete_session(self, tenant, session):
        known = self.model.pop((tenant, session), None)
        for store in self.stores:
            assert ([(tenant, session)] if known else []) == store.delete_session(tenant, session)

    @rule(tenant=TENANTS)
    def delete_tenant(self, tenant):
        gone = sorted(key for key in self.model if key[0] == tenant)
        for key in gone:
            del self.model[key]
        for store in self.stores:
            assert gone == sorted(store.delete_tenant(tenant))

    @rule(tenant=TENANTS, session=SESSIONS, page=PAGES)
    def delete_page(self, tenant, session, page):
        held = self.model.get((tenant, session))
        known = held is not None and held[1].pop(page, None) is not None
        if held and known:
            held[2] = None
        for store in self.stores:
            assert known == bool(store.delete_pages(tenant, session, [page]))

    @rule(age=st.integers(0, 9))
    def expire(self, age):
        gone = sorted(key for key, held in self.model.items() if held[3] <= self.clock.now - age)
        for key in gone:
            del self.model[key]
        for store in self.stores:
            assert gone == sorted(store.expire(age))

    @rule()
    def vacuum(self):
        for store in self.stores:
            assert "" == store.vacuum()

    @invariant()
    def check(self):
        for store in getattr(self, "stores", ()):
            assert sorted({tenant for tenant, _ in self.model}) == store.tenants()
            usage = {(one.tenant, one.session): (one.records, one.pages) for one in store.usage()}
            assert {key: (len(h[0]), len(h[1])) for key, h in self.model.items()} == usage
            for (tenant, session), (records, pages, snapshot, _) in self.model.items():
                assert records == [record.payload for record in store.read(tenant, session)]
                assert pages == store.pages(tenant, session, ["p", "q"])
                assert snapshot == store.snapshot(tenant, session)


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)


@pytest.mark.slow
def test_100_000_tenant_operations_leak_nothing(tmp_path):
    rng = random.Random(3)
    folder = Path("/dev/shm") if os.path.isdir("/dev/shm") else tmp_path
    path = folder / f"tenants-{os.getpid()}.db"
    counts = Counter()
    try:
        with SqliteStore(path) as store:
            for _ in range(100_000):
                tenant, session = f"t{rng.randrange(40)}", f"s{rng.randrange(3)}"
                kind = rng.random()
                if kind < 0.3:
                    place = f"{tenant} {session}".encode()
                    store.append(tenant, session, [place], pages={"p": place})
                    counts[tenant, session] += 1
                elif kind < 0.31:
                    store.delete_session(tenant, session)
                    counts.pop((tenant, session), None)
                else:
                    place = f"{tenant} {session}".encode()
                    after = max(0, counts[tenant, session] - 2)
                    found = [record.payload for record in store.read(tenant, session, after=after)]
                    assert [place] * (counts[tenant, session] - after) == found
                    pages = store.pages(tenant, session, ["p"])
                    assert ({"p": place} if counts[tenant, session] else {}) == pages
    finally:
        for file in folder.glob(f"{path.name}*"):
            file.unlink()

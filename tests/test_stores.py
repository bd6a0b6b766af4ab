"""Page stores: what was acknowledged is there, whole, and nothing else is ever handed out."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter

import pytest
import servers
from fuzz_size import some

import ctxmem
from ctxmem.stores import MemoryStore, SqliteStore, open_store
from ctxmem.stores.database import Database

NAMES = ["plain", "", "a\x00b", "lone \ud800 surrogate", "tenant'; DROP TABLE page;--", "名前"]


@pytest.fixture(params=servers.STORES)
def store(request, tmp_path):
    with servers.opened(request, tmp_path) as made:
        yield made


def payloads(store, tenant="t", session="s", **options):
    return [record.payload for record in store.read(tenant, session, **options)]


# every store


def test_a_journal_grows_and_is_read_from_where_one_left_off(store):
    assert isinstance(store, ctxmem.PageStore)
    assert 0 == store.version("t", "s")
    assert 2 == store.append("t", "s", [b"one", b"two"])
    assert 3 == store.append("t", "s", [b"three"], expect=2)
    assert [(1, b"one"), (2, b"two"), (3, b"three")] == list(store.read("t", "s"))
    assert [(3, b"three")] == list(store.read("t", "s", after=2))
    assert [] == list(store.read("t", "s", after=3)) == list(store.read("t", "other"))


def test_a_journal_longer_than_a_batch_is_read_whole(store):
    many = [str(i).encode() for i in range(1000)]
    store.append("t", "s", many)
    assert many == payloads(store)
    assert many[400:] == payloads(store, after=400)


def test_pages_are_kept_by_content_and_unknown_ones_left_out(store):
    store.append("t", "s", [b"r"], pages={"a": b"page a", "b": b""})
    store.append("t", "s", [], pages={"a": b"page a", "c": b"\x00\xff"})
    wanted = {"a": b"page a", "b": b"", "c": b"\x00\xff"}
    assert wanted == store.pages("t", "s", ["a", "b", "c", "unknown"])
    assert {} == store.pages("t", "other", ["a"])
    assert 1 == store.version("t", "s")


def test_a_conflict_names_both_versions_and_writes_nothing(store):
    store.append("t", "s", [b"one"])
    with pytest.raises(ctxmem.ConflictError, match="at version 1, expected 0") as caught:
        store.append("t", "s", [b"lost"], pages={"p": b"lost"}, expect=0)
    assert (0, 1) == (caught.value.expected, caught.value.actual)
    assert [b"one"] == payloads(store)
    assert {} == store.pages("t", "s", ["p"])


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_string_is_a_name_and_no_two_are_mixed_up(store, name):
    for tenant in NAMES:
        store.append(tenant, name, [tenant.encode("utf-8", "surrogatepass")])
    for tenant in NAMES:
        assert [tenant.encode("utf-8", "surrogatepass")] == payloads(store, tenant, name)
        assert [name] == store.sessions(tenant)


def test_a_deleted_session_is_gone_and_its_name_free(store):
    store.append("t", "s", [b"one"], pages={"p": b"page"})
    store.append("t", "kept", [b"kept"])
    store.delete_session("t", "s")
    store.delete_session("t", "never there")
    assert ["kept"] == store.sessions("t")
    assert [] == payloads(store)
    assert {} == store.pages("t", "s", ["p"])
    assert 1 == store.append("t", "s", [b"new"], expect=0)
    assert [b"kept"] == payloads(store, session="kept")


def test_a_batch_that_cannot_be_written_leaves_nothing(store):
    store.append("t", "s", [b"one"])
    with pytest.raises(TypeError):
        store.append("t", "s", [b"two", None], pages={"p": b"page"})
    assert [b"one"] == payloads(store)
    assert {} == store.pages("t", "s", ["p"])
    assert 2 == store.append("t", "s", [b"two"], expect=1)


def test_a_closed_store_says_so(store):
    store.close()
    store.close()
    with pytest.raises(ctxmem.StoreError, match="closed"):
        store.append("t", "s", [b"one"])
    with pytest.raises(ctxmem.StoreError, match="closed"):
        store.read("t", "s")


def test_threads_append_without_losing_a_record(store):
    def write(name):
        for i in range(15):
            store.append("t", "shared", [b"%d:%d" % (name, i)])

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = payloads(store, session="shared")
    assert sorted(b"%d:%d" % (n, i) for n in range(4) for i in range(15)) == sorted(found)
    for name in range(4):
        mine = [payload for payload in found if payload.startswith(b"%d:" % name)]
        assert mine == [b"%d:%d" % (name, i) for i in range(15)]


def test_optimistic_writers_agree_by_trying_again(store):
    def write(name):
        for _ in range(8):
            while True:
                version = store.version("t", "s")
                try:
                    store.append("t", "s", [b"%d after %d" % (name, version)], expect=version)
                    break
                except ctxmem.ConflictError:
                    continue

    threads = [threading.Thread(target=write, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = [payload.split()[-1] for payload in payloads(store)]
    assert [b"%d" % i for i in range(24)] == after


def test_what_is_no_store_is_refused():
    with pytest.raises(ctxmem.InputTypeError, match="this one is an int"):
        open_store(7)
    mine = MemoryStore()
    assert mine is open_store(mine)


# the SQLite file


def test_a_file_is_read_as_it_was_left(tmp_path):
    with SqliteStore(tmp_path / "pages.db") as first:
        first.append("t", "s", [b"one"], pages={"p": b"page"})
    with SqliteStore(tmp_path / "pages.db") as again:
        assert [b"one"] == payloads(again)
        assert {"p": b"page"} == again.pages("t", "s", ["p"])
        assert ["wal"] == [row[0].decode() for row in rows(again, "PRAGMA journal_mode")]
        assert [2] == [row[0] for row in rows(again, "PRAGMA synchronous")]  # FULL


def rows(store, query):
    return store._database._connection().execute(query).fetchall()


def test_a_file_that_is_no_store_is_refused_and_not_touched(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("these are notes, not a database" * 100)
    with pytest.raises(ctxmem.StoreError, match="not a database"):
        SqliteStore(text)
    assert text.read_text().startswith("these are notes")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE orders (id)")
    connection.close()
    with pytest.raises(ctxmem.StoreError, match="not a store of ctxmem"):
        SqliteStore(other)
    with pytest.raises(ctxmem.StoreError, match="no folder"):
        SqliteStore(tmp_path / "missing" / "pages.db")


def test_a_file_of_another_format_is_refused(tmp_path):
    with SqliteStore(tmp_path / "pages.db") as store:
        rows(store, "UPDATE format SET version = 99")
    with pytest.raises(ctxmem.StoreError, match="format 99"):
        SqliteStore(tmp_path / "pages.db")


def test_a_writer_waits_no_longer_than_its_timeout(tmp_path):
    with SqliteStore(tmp_path / "pages.db", timeout=0.05) as store:
        store.append("t", "s", [b"one"])
        blocker = sqlite3.connect(tmp_path / "pages.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(ctxmem.StoreError, match="another process has held it"):
            store.append("t", "s", [b"two"])
        assert [b"one"] == payloads(store)  # readers do not wait
        blocker.execute("ROLLBACK")
        blocker.close()
        assert 2 == store.append("t", "s", [b"two"])


def test_threads_of_one_process_take_turns_and_none_starves(tmp_path):
    # SQLite's wait sleeps for up to 100 ms and looks again; then others have it.
    store = SqliteStore(tmp_path / "s.db", timeout=3.0)
    failed = []

    def write(name):
        for _ in range(200):
            try:
                store.append("t", name, [b"r" * 20_000])
            except ctxmem.StoreError as error:
                failed.append(error)

    threads = [threading.Thread(target=write, args=(f"s{n}",)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [200] * 24 == [store.version("t", f"s{n}") for n in range(24)]
    store.close()


def test_threads_write_in_the_order_in_which_they_came(tmp_path):
    database, order, threads = Database(tmp_path / "s.db", 600.0, time.time), [], []

    def write(number):
        with database.transaction():
            order.append(number)

    with database.transaction():
        for number in range(5):
            threads.append(threading.Thread(target=write, args=(number,)))
            threads[-1].start()
            while database._writing.waiting <= number:
                time.sleep(0.001)
    write("the first again")
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4, "the first again"]
    database.close()


def test_who_waited_for_a_thread_waits_less_for_a_process(tmp_path):
    database = Database(tmp_path / "s.db", 30.0, time.time)
    seen, ready = [], threading.Event()

    def write():
        with database.use() as connection:
            connection.set_trace_callback(seen.append)
            ready.set()
            with database.transaction():
                pass
            (known,) = connection.execute("PRAGMA busy_timeout").fetchone()
            seen.append(known)

    thread = threading.Thread(target=write)
    with database.transaction():
        thread.start()
        assert ready.wait(10)
        time.sleep(0.1)
    thread.join()
    first, began, second = seen[:3]
    assert began == "BEGIN IMMEDIATE" and seen[-1] == 30_000
    assert 0 <= int(first.partition("= ")[2]) < 30_000 and second.endswith("= 30000")
    database.close()


@pytest.mark.parametrize("timeout", [-5.0, -1.0, 0.0])
def test_a_thread_without_time_does_not_wait_for_others(tmp_path, timeout):
    with SqliteStore(tmp_path / "s.db", timeout=timeout) as store:
        failed = []

        def write():
            try:
                store.append("t", "s", [b"one"])
            except ctxmem.StoreError as error:
                failed.append(str(error))

        thread = threading.Thread(target=write)
        with store._database.transaction():
            thread.start()
            thread.join(20)
            assert not thread.is_alive()
        assert len(failed) == 1 and "other threads have written" in failed[0]
        assert store.append("t", "s", [b"two"]) == 1


def test_a_damaged_record_is_reported_and_the_others_are_read(tmp_path):
    with SqliteStore(tmp_path / "pages.db") as store:
        store.append("t", "s", [b"one", b"two", b"three"], pages={"a": b"A", "b": b"B"})
        rows(store, "UPDATE record SET payload = CAST('twO' AS BLOB) WHERE version = 2")
        rows(store, "UPDATE page SET payload = CAST('C' AS BLOB) WHERE id = CAST('a' AS BLOB)")
        with pytest.raises(ctxmem.PageDamageError, match="record 2 of session 's'") as caught:
            payloads(store)
        assert ("t", "s", 2) == (caught.value.tenant, caught.value.session, caught.value.key)
        reports = []
        assert [b"one", b"three"] == payloads(store, damaged=reports.append)
        with pytest.raises(ctxmem.PageDamageError, match="page 'a'"):
            store.pages("t", "s", ["a", "b"])
        assert {"b": b"B"} == store.pages("t", "s", ["a", "b"], damaged=reports.append)
        assert [2, "a"] == [report.key for report in reports]
        store.append("t", "s", [], pages={"a": b"A"})  # the same content, put again, mends it
        assert {"a": b"A"} == store.pages("t", "s", ["a"])


def test_records_that_were_moved_or_lost_are_damage(tmp_path):
    with SqliteStore(tmp_path / "pages.db") as store:
        store.append("t", "s", [b"one", b"two", b"three"])
        store.append("t", "other", [b"uno", b"due", b"tre"])
        rows(store, "DELETE FROM record WHERE session = 1 AND version = 3")
        rows(store, "UPDATE record SET session = 9 WHERE session = 1 AND version = 1")
        rows(store, "UPDATE record SET session = 1 WHERE session = 2 AND version = 1")
        reports = []
        assert [b"two"] == payloads(store, damaged=reports.append)
        assert [1, 3] == [report.key for report in reports]
        rows(store, "UPDATE head SET version = 2 WHERE number = 2")
        with pytest.raises(ctxmem.PageDamageError, match="session of session 'other'"):
            store.append("t", "other", [b"quattro"])
        rows(store, "UPDATE record SET version = 1 << 40 WHERE session = 2 AND version = 2")
        assert [b"tre"] == payloads(store, session="other", damaged=reports.append)
        with pytest.raises(ctxmem.PageDamageError):
            store.sessions("t")
        assert ["s"] == store.sessions("t", damaged=reports.append)


def test_a_session_deleted_under_a_reader_is_an_error_not_an_end(tmp_path):
    with SqliteStore(tmp_path / "pages.db") as store:
        store.append("t", "s", [b"r"] * 600)
        reader = store.read("t", "s")
        next(reader)
        store.delete_session("t", "s")
        store.append("t", "s", [b"new"] * 600)
        with pytest.raises(ctxmem.SessionDeletedError, match="was deleted"):
            list(reader)


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@forks
def test_a_fork_gets_connections_of_its_own(tmp_path):
    with SqliteStore(tmp_path / "pages.db") as store:
        store.append("t", "s", [b"parent"])
        child = os.fork()
        if child == 0:
            status = 1
            try:
                store.append("t", "s", [b"child"], expect=1)
                status = 0
            finally:
                os._exit(status)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert 3 == store.append("t", "s", [b"parent again"], expect=2)
        assert [b"parent", b"child", b"parent again"] == payloads(store)


# kill -9: children append and acknowledge through a pipe until they are shot

BATCH = 3


def content(session, version):
    """Return what a session has at a version: different everywhere, long now and then."""
    rng = random.Random(f"{session} {version}")
    return f"{session} {version} ".encode() + rng.randbytes(rng.choice([10, 300, 300, 9000]))


def write_until_killed(path, session, acknowledge):
    store = SqliteStore(path)
    version = store.version("t", session)
    while True:
        ahead = range(version + 1, version + 1 + BATCH)
        records = [content(session, at) for at in ahead]
        pages = {f"{session} {at}": content(f"page of {session}", at) for at in ahead}
        version = store.append("t", session, records, pages=pages, expect=version)
        mark = store.append("t", "shared", [f"{session} {version}".encode()])
        os.write(acknowledge, b"%d %d\n" % (version, mark))


def start_writer(path, session):
    """Return (process id, the pipe of its acknowledgements)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            write_until_killed(path, session, writing)
        finally:
            os._exit(1)
    os.close(writing)
    return child, os.fdopen(reading, "rb")


def kill_after(child, pipe, turns, delay):
    """Kill the writer some time after so many turns; return all (version, mark) it acknowledged."""
    lines = [pipe.readline() for _ in range(turns)]
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    assert -signal.SIGKILL == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    lines += pipe.readlines()
    pipe.close()
    return [tuple(map(int, line.split())) for line in lines if line.endswith(b"\n")]


def check_session(store, session, after, at_least):
    """Check that batches are whole and as written; return the version."""
    version = store.version("t", session)
    assert version >= at_least, f"{session}: {at_least} acknowledged, {version} there"
    assert 0 == version % BATCH
    expected = [(at, content(session, at)) for at in range(after + 1, version + 1)]
    assert expected == list(store.read("t", session, after=after))
    ids = [f"{session} {at}" for at in range(after + 1, version + 1)]
    pages = store.pages("t", session, ids)
    assert [content(f"page of {session}", at) for at, _ in expected] == [pages[i] for i in ids]
    return version


@forks
@pytest.mark.slow(40)
@pytest.mark.parametrize(("writers", "cycles"), [(1, some(800, 4)), (4, 50)])
def test_kill_9_loses_no_acknowledged_turn(tmp_path, writers, cycles):
    path = tmp_path / "pages.db"
    rng = random.Random(writers)
    seen = Counter()
    marks = {}
    acknowledgements = 0
    for cycle in range(cycles):
        if cycle % 50 == 0:  # begin anew: the making of the file is shot at too
            for file in tmp_path.glob("pages.db*"):
                file.unlink()
            seen.clear()
            marks.clear()
        running = {f"writer {n}": start_writer(path, f"writer {n}") for n in range(writers)}
        # Within about a turn after none to three of them: opening, writing, syncing, clearing up.
        turns_before = [0, 0, 1, 3] if writers == 1 else [0, 0, 0, 1]
        acks = {
            session: kill_after(child, pipe, rng.choice(turns_before), 0.02 * rng.random())
            for session, (child, pipe) in running.items()
        }
        with SqliteStore(path) as store:
            for session, turns in acks.items():
                acknowledgements += len(turns)
                marks.update({mark: f"{session} {version}".encode() for version, mark in turns})
                least = max((version for version, _ in turns), default=seen[session])
                seen[session] = check_session(store, session, seen[session], least)
            shared = dict(store.read("t", "shared"))
            assert list(range(1, len(shared) + 1)) == list(shared)
            assert marks.items() <= shared.items()
            assert [(b"ok",)] == rows(store, "PRAGMA quick_check")
            for session in running if cycle % 50 == 49 else ():
                check_session(store, session, 0, seen[session])
    assert acknowledgements >= cycles / 2


# damage


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Return the files of a store, closed and as a crash leaves them, and what is in it."""
    folder = tmp_path_factory.mktemp("sound")
    truth = {}
    store = SqliteStore(folder / "pages.db")
    for tenant in ("acme", "zeta"):
        for session in ("one", "two", "three"):
            records = [content(f"{tenant} {session}", at)[:700] for at in range(1, 13)]
            pages = {f"{at:032x}": content(f"{tenant} {session} p", at)[:500] for at in range(6)}
            for start in range(0, 12, 4):
                store.append(tenant, session, records[start : start + 4], pages=pages)
            truth[tenant, session] = (dict(enumerate(records, 1)), pages)
    crashed = {suffix: (folder / f"pages.db{suffix}").read_bytes() for suffix in ("", "-wal")}
    assert len(crashed["-wal"]) > 30_000
    store.close()
    return [{"": (folder / "pages.db").read_bytes()}, crashed], truth


def damage(rng, files):
    """Return the files with some bits flipped, an end cut off or a block blanked."""
    suffix = rng.choice(sorted(name for name in files if len(files[name])))
    data = bytearray(files[suffix])
    kind = rng.random()
    if kind < 0.7:
        # Half of the bits in the first pages, where the structure is.
        end = len(data) if rng.random() < 0.5 else min(len(data), 3 * 4096)
        for _ in range(rng.choice([1, 1, 1, 2, 8, 64])):
            data[rng.randrange(end)] ^= 1 << rng.randrange(8)
    elif kind < 0.9:
        del data[rng.randrange(len(data)) :]
    else:
        start = rng.randrange(len(data))
        data[start : start + 512] = bytes(len(data[start : start + 512]))
    return {**files, suffix: bytes(data)}


def read_all(path, truth, *, salvage):
    """Read what can be read, check it against the truth; return how many pieces it was."""
    pieces = 0
    reports = []
    damaged = reports.append if salvage else None
    with SqliteStore(path, timeout=0.2) as store:
        for (tenant, session), (records, pages) in truth.items():
            for version, payload in store.read(tenant, session, damaged=damaged):
                assert records[version] == payload
                pieces += 1
            found = store.pages(tenant, session, list(pages), damaged=damaged)
            assert found.items() <= pages.items()
            pieces += len(found)
        for tenant in ("acme", "zeta"):
            assert {(tenant, name) for name in store.sessions(tenant, damaged=damaged)} <= set(
                truth
            )
    return pieces


def damage_often(sound, folder, rounds):
    states, truth = sound
    whole = sum(len(records) + len(pages) for records, pages in truth.values())
    outcomes = Counter()
    rng = random.Random(20)
    for trial in range(rounds):
        for suffix, data in damage(rng, states[trial % 2]).items():
            (folder / f"pages.db{suffix}").write_bytes(data)
        copy = folder / "copy"
        copy.mkdir()
        for file in folder.glob("pages.db*"):
            shutil.copy(file, copy)
        for salvage, path in ((False, folder / "pages.db"), (True, copy / "pages.db")):
            try:
                pieces = read_all(path, truth, salvage=salvage)
                outcomes[salvage, "whole" if pieces == whole else "a part"] += 1
            except ctxmem.StoreError:
                outcomes[salvage, "error"] += 1
        shutil.rmtree(copy)
        for file in folder.glob("pages.db*"):
            file.unlink()
    return outcomes


def test_damage_gives_an_error_or_a_correct_part(sound, tmp_path):
    outcomes = damage_often(sound, tmp_path, 60)
    assert outcomes[False, "error"] > 5
    assert outcomes[True, "a part"] > outcomes[False, "a part"]


@pytest.mark.slow
def test_damage_gives_an_error_or_a_correct_part_3500_times(sound, tmp_path):
    outcomes = damage_often(sound, tmp_path, 3500)
    assert 7000 == outcomes.total()
    assert outcomes[False, "error"] > 350
    assert outcomes[True, "a part"] > 350
    assert outcomes[False, "whole"] > 200  # bits that nobody reads, and logs cut before they begin


def test_reading_and_writing_leave_no_connection_open(tmp_path):
    store = SqliteStore(tmp_path / "pages.db")
    threads = [threading.Thread(target=store.append, args=("t", "s", [b"r"])) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert ["pages.db"] == [file.name for file in tmp_path.iterdir()]  # the log went with the last
    if sys.platform == "linux":
        open_files = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
        assert str(tmp_path / "pages.db") not in open_files

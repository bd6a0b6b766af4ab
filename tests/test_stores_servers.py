"""Stores of servers: walls between tenants, formats, damage, and servers that go away."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import re
import signal
import socket
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import pytest
import servers

import ctxmem
from ctxmem.stores import PostgresStore, RedisStore, open_store
from ctxmem.stores.postgres import arrays, connections
from ctxmem.stores.seal import Seal, tenant_key

KINDS = servers.STORES[2:]


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    with servers.opened(request, tmp_path) as made:
        yield made


def payloads(store, tenant="t", session="s", **options):
    return [record.payload for record in store.read(tenant, session, **options)]


# PostgreSQL

postgres = pytest.mark.usefixtures("postgres_here")


@pytest.fixture(scope="module", params=[pytest.param("postgres", marks=servers.needs_postgres)])
def postgres_here(request):
    return servers.postgres()


@pytest.fixture(scope="module", params=[pytest.param("redis", marks=servers.needs_redis)])
def redis_here(request):
    return servers.redis()


def rows(server, schema, query, values=(), *, tenant="", user="app"):
    """Return what a query gives to a role that sees a tenant."""
    import psycopg

    with psycopg.connect(server.dsn(user), autocommit=False) as connection:
        connection.execute(f"SET search_path TO {schema}")
        connection.execute("SELECT set_config('ctxmem.tenant', %s, true)", (tenant,))
        done = connection.execute(query, values)
        return done.fetchall() if done.description else done.rowcount


def test_a_role_sees_the_rows_of_one_tenant_whatever_its_query_says(postgres_here):
    with PostgresStore(postgres_here.dsn(), schema="wall") as store:
        for tenant in ("acme", "zeta"):
            store.append(tenant, "s", [tenant.encode()], pages={"p": tenant.encode()})
            store.put_snapshot(tenant, "s", 1, {"x": tenant.encode()})
    key = {name: tenant_key(name).hex() for name in ("acme", "zeta")}
    for table in ("record", "page", "part"):
        query = f"SELECT payload FROM {table}"
        assert [] == rows(postgres_here, "wall", query)  # nobody was named
        assert [(b"acme",)] == rows(postgres_here, "wall", query, tenant=key["acme"])
        assert 1 == rows(postgres_here, "wall", f"DELETE FROM {table}", tenant=key["acme"])
        assert [(b"zeta",)] == rows(postgres_here, "wall", query, tenant=key["zeta"])
    for table in ("head", "snapshot"):
        assert [(1,)] == rows(
            postgres_here, "wall", f"SELECT count(*) FROM {table}", tenant=key["zeta"]
        )
        assert [(0,)] == rows(postgres_here, "wall", f"SELECT count(*) FROM {table}")


def test_tables_are_brought_up_to_date_once_and_later_ones_are_refused(postgres_here, monkeypatch):
    with PostgresStore(postgres_here.dsn(), schema="older") as store:
        store.append("t", "s", [b"kept"])
    added = "ALTER TABLE head ADD COLUMN colour text NOT NULL DEFAULT 'grey'"
    with monkeypatch.context() as patch:
        patch.setattr(connections, "MIGRATIONS", (*connections.MIGRATIONS, added))
        patch.setattr(connections, "FORMAT", connections.FORMAT + 1)
        for _ in range(2):  # the second finds the tables as they should be
            with PostgresStore(postgres_here.dsn(), schema="older") as store:
                assert [b"kept"] == payloads(store)
    later = connections.FORMAT + 1
    with pytest.raises(ctxmem.StoreError, match=f"format {later}; this version"):
        PostgresStore(postgres_here.dsn(), schema="older")


def test_functions_of_an_earlier_format_are_replaced(postgres_here, monkeypatch):
    tables, functions = connections.MIGRATIONS
    with monkeypatch.context() as patch:
        patch.setattr(connections, "MIGRATIONS", (tables + functions,))
        patch.setattr(connections, "FORMAT", 1)
        with PostgresStore(postgres_here.dsn(), schema="first") as store:
            store.append("t", "s", [b"kept"], pages={"p": b"page"})
    with PostgresStore(postgres_here.dsn(), schema="first") as store:
        store.append("t", "s", [b"new"], expect=1)
        assert [b"kept", b"new"] == payloads(store)
        assert {"p": b"page"} == store.pages("t", "s", ["p"])
    assert [(2,)] == rows(postgres_here, "first", "SELECT version FROM format")


def test_an_append_and_a_read_touch_only_the_pages_they_name(postgres_here, monkeypatch):
    import psycopg

    touched = (
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables "
        "WHERE schemaname = 'many' AND relname = 'page'"
    )
    with PostgresStore(postgres_here.dsn(), schema="many") as store:
        version = store.append("t", "s", [b"one"], pages={f"{n}": b"page" for n in range(600)})
        with psycopg.connect(postgres_here.dsn()) as connection:
            connection.execute("SET search_path TO many, pg_temp")
            monkeypatch.setattr(store._connections, "run", lambda call: call(connection))
            # PostgreSQL may choose another plan from the sixth call on.
            for turn in range(8):
                pages = {f"new-{turn}": b"page", f"{turn}": b"page"}
                version = store.append("t", "s", [b"more"], pages=pages, expect=version)
                assert pages == store.pages("t", "s", [*pages, "unknown"])
            ((count,),) = connection.execute(touched).fetchall()
    assert 0 < count <= 8 * 6


@pytest.mark.parametrize(
    "parts", [[], [b""], [b"one"], [b"\0\xff", b"", b"x" * 70_000, b'{,}"NULL\\']]
)
def test_an_array_of_bytes_arrives_as_it_was_sent(postgres_here, parts):
    with PostgresStore(postgres_here.dsn(), schema="arrays") as store:
        query, values = "SELECT %b::bytea[], cardinality(%b)", (arrays.ByteArray(parts),) * 2
        answer = store._connections.run(lambda one: one.execute(query, values).fetchone())
    assert (parts, len(parts)) == answer


def test_an_error_in_a_transaction_leaves_no_transaction_open(postgres_here):
    def failing(connection):
        with connection.transaction():
            connection.execute("SELECT 1")
            raise ctxmem.InputError("no")

    def unfinished(connection):
        connection.execute("BEGIN")
        raise ctxmem.InputError("no")

    with PostgresStore(postgres_here.dsn(), schema="errors", size=1) as store:
        for call in (failing, unfinished):
            with pytest.raises(ctxmem.InputError, match="no"):
                store._connections.run(call)
            status = store._connections.run(lambda one: one.info.transaction_status.name)
            assert status == "IDLE"
        store.append("t", "s", [b"one"])
        assert [b"one"] == payloads(store)


def test_a_process_with_one_thread_has_one_connection(postgres_here):
    dsn = postgres_here.dsn() + "?application_name=alone"
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'alone'"
    with PostgresStore(dsn, schema="alone") as store:
        for turn in range(10):
            store.append("t", "s", [b"%d" % turn])
        assert [(1,)] == rows(postgres_here, "alone", query)


def test_many_that_open_an_empty_database_at_once_all_succeed(postgres_here):
    errors = []

    def opening():
        try:
            PostgresStore(postgres_here.dsn(), schema="together").close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=opening) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == errors


@pytest.mark.parametrize(
    ("table", "change", "found"),
    [
        ("record", "payload = 'other'", {2: "record 1"}),
        ("record", "version = 9", {2: "record 1"}),
        ("page", "payload = 'other'", {}),
        ("head", "version = 7", {}),
        ("head", "checksum = ''", {}),
    ],
)
def test_rows_that_were_altered_are_reported_and_not_returned(
    postgres_here, table, change, found, request
):
    schema = f"damage{abs(hash(request.node.name)) % 10**8}"
    with PostgresStore(postgres_here.dsn(), schema=schema) as store:
        store.append("t", "s", [b"one", b"two"], pages={"p": b"page"})
        where = "WHERE version = 1" if table == "record" else ""
        query = f"UPDATE {table} SET {change} {where}"
        assert 1 == rows(postgres_here, schema, query, tenant=tenant_key("t").hex())
        reports = []
        left = [*store.read("t", "s", damaged=reports.append)]
        left += store.pages("t", "s", ["p"], damaged=reports.append).values()
        assert reports and all(isinstance(one, ctxmem.PageDamageError) for one in reports)
        assert b"other" not in [getattr(one, "payload", one) for one in left]
        with pytest.raises(ctxmem.PageDamageError):
            [*store.read("t", "s"), store.pages("t", "s", ["p"])]


def test_a_damaged_page_is_written_again_by_who_has_its_bytes(postgres_here):
    with PostgresStore(postgres_here.dsn(), schema="again") as store:
        store.append("t", "s", [], pages={"p": b"page"})
        query = "UPDATE page SET payload = 'other'"
        rows(postgres_here, "again", query, tenant=tenant_key("t").hex())
        store.append("t", "s", [b"one"], pages={"p": b"page"}, expect=0)
        assert {"p": b"page"} == store.pages("t", "s", ["p"])


def test_a_session_that_is_locked_is_waited_for_no_longer_than_the_timeout(postgres_here):
    import psycopg

    with PostgresStore(postgres_here.dsn(), schema="locked", timeout=0.3) as store:
        store.append("t", "s", [b"one"])
        with psycopg.connect(postgres_here.dsn("admin")) as other:
            other.execute("SELECT * FROM locked.head FOR UPDATE")
            with pytest.raises(ctxmem.StoreError, match=r"locked: .* more than 0\.3 s"):
                store.append("t", "s", [b"two"], expect=1)
        assert 2 == store.append("t", "s", [b"two"], expect=1)


@pytest.mark.parametrize(
    ("dsn", "schema", "message"),
    [
        ("postgresql://nobody-here@127.0.0.1:{port}/app", "x", "nobody-here"),
        ("postgresql://app@127.0.0.1:{port}/missing", "x", "missing"),
        ("postgresql://app@127.0.0.1:1/app", "x", "cannot be used"),
        ("postgresql://app@127.0.0.1:{port}/app", "x; DROP TABLE", "lower-case letters"),
    ],
)
def test_what_cannot_be_opened_says_why(postgres_here, dsn, schema, message):
    with pytest.raises((ctxmem.StoreError, ctxmem.InputError), match=message):
        PostgresStore(dsn.format(port=postgres_here.port), schema=schema, timeout=1.0)


# Redis


def test_a_session_with_a_time_to_live_goes_by_itself_with_all_that_it_has(redis_here):
    with RedisStore(redis_here.url, prefix="ttl", ttl=0.4) as store:
        store.append("t", "s", [b"one"], pages={"p": b"page"})
        store.put_snapshot("t", "s", 1, {"x": b"1"})
        time.sleep(0.25)
        store.append("t", "s", [b"two"])  # used: its time begins anew
        time.sleep(0.25)
        assert [b"one", b"two"] == payloads(store)
        end = time.monotonic() + 10
        while store.version("t", "s") and time.monotonic() < end:
            time.sleep(0.05)
        assert [] == payloads(store) == store.sessions("t")
        assert {} == store.pages("t", "s", ["p"])
        assert store.snapshot("t", "s") is None
        assert 1 == store.append("t", "s", [b"new"], expect=0)


def test_a_server_that_may_lose_data_says_so_when_it_is_opened(redis_here):
    import redis

    client = redis.Redis.from_url(redis_here.url)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RedisStore(redis_here.url).close()
    client.config_set("appendfsync", "everysec")
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.warns(ctxmem.CtxmemWarning) as caught:
            RedisStore(redis_here.url).close()
        said = " ".join(str(one.message) for one in caught)
        assert "may lose what it acknowledged" in said and "may evict sessions" in said
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            RedisStore(redis_here.url, durable=False).close()
    finally:
        client.config_set("appendfsync", "always")
        client.config_set("maxmemory-policy", "noeviction")


def test_values_that_were_altered_are_reported_and_not_returned(redis_here):
    import redis

    client = redis.Redis.from_url(redis_here.url)
    with RedisStore(redis_here.url, prefix="damage") as store:
        store.append("t", "s", [b"one", b"two"], pages={"p": b"page"})
        (start,) = {key.rpartition(b":")[0] for key in client.keys("damage:*:head")}
        client.lset(start + b":records", 0, client.lindex(start + b":records", 1))
        client.hset(start + b":pages", b"p", b"12345678other")
        reports = []
        left = list(store.read("t", "s", damaged=reports.append))
        assert [(2, b"two")] == left
        assert {} == store.pages("t", "s", ["p"], damaged=reports.append)
        client.hset(start + b":head", "version", 7)
        assert 2 == len(list(store.read("t", "s", damaged=reports.append))) + 1
        assert [1, "p", None, 1] == [error.key for error in reports]


@pytest.mark.parametrize("ttl", [0, -1, True, "1"])
def test_a_time_to_live_is_seconds_above_0(ttl):
    with pytest.raises(ctxmem.InputError, match="ttl is"):
        RedisStore("redis://127.0.0.1:1", ttl=ttl)


@pytest.mark.parametrize("url", ["mysql://host/db", "s3://bucket"])
def test_urls_of_other_stores_are_refused(url):
    with pytest.raises(ctxmem.InputError, match="begins with postgresql:// or redis://"):
        open_store(url)


# Both


def test_a_memory_is_shared_by_those_that_open_its_url(store, request):
    mine = ctxmem.Memory(2000, store=store, session="chat")
    other = ctxmem.Memory(2000, store=store, session="chat")
    mine.append({"role": "user", "content": "My booking is HAT017."})
    assert mine.window().messages == other.window().messages
    other.append({"role": "assistant", "content": "Noted: HAT017."})
    assert 2 == len(mine.window().messages)


def url_of(kind):
    return servers.postgres().dsn() if kind == "postgres" else servers.redis().url


@pytest.mark.parametrize("kind", KINDS)
def test_a_url_opens_a_store(kind):
    with ctxmem.Memory(1000, store=url_of(kind), tenant="by url", session=kind) as memory:
        memory.append({"role": "user", "content": "hello"})
    with ctxmem.Memory(1000, store=url_of(kind), tenant="by url", session=kind) as memory:
        assert ["hello"] == [message["content"] for message in memory.window().messages]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_of_a_fork_has_connections_of_its_own(kind, request):
    with open_store(url_of(kind)) as store:
        store.append("forked", kind, [b"parent"])
        child = os.fork()
        if not child:
            done = 1
            with contextlib.suppress(BaseException):
                done = 0 if 2 == store.append("forked", kind, [b"child"], expect=1) else 1
            os._exit(done)
        assert 0 == os.waitpid(child, 0)[1]
        assert [b"parent", b"child"] == payloads(store, "forked", kind)
        store.append("forked", kind, [b"parent again"], expect=2)


class Proxy:
    """Relays connections to a port, and cuts them now and then, requests or answers."""

    def __init__(self, port, rng, share):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.to, self.rng, self.share, self.cuts = port, rng, share, 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.to))
                for pair in [(client, server), (server, client)]:
                    threading.Thread(target=self.relay, args=pair, daemon=True).start()

    def relay(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.rng.random() < self.share:
                    self.cuts += 1
                    break
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turns", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_network_that_drops_connections_loses_and_doubles_nothing(kind, turns):
    server = servers.postgres() if kind == "postgres" else servers.redis()
    proxy = Proxy(server.port, random.Random(turns), 0.05)
    url = url_of(kind).replace(f":{server.port}", f":{proxy.port}")
    session = f"cut {turns}"
    try:
        with open_store(url) as store:
            version = 0
            for turn in range(turns):
                version = store.append("t", session, [b"%d" % turn], expect=version)
            assert turns == version
    finally:
        proxy.close()
    assert proxy.cuts > turns / 40
    with open_store(url_of(kind)) as store:
        assert [b"%d" % turn for turn in range(turns)] == payloads(store, "t", session)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("crashes", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_a_server_that_crashes_and_comes_back_has_all_that_it_acknowledged(kind, crashes):
    server = servers.PostgresServer() if kind == "postgres" else servers.RedisServer()
    url = server.dsn() if kind == "postgres" else server.url
    acknowledged = 0
    try:
        with open_store(url) as store:
            done = threading.Event()

            def writing():
                nonlocal acknowledged
                version = 0
                while not done.is_set():
                    version = store.append("t", "s", [b"%d" % version], expect=version)
                    acknowledged = version

            writer = threading.Thread(target=writing)
            writer.start()
            for _ in range(crashes):
                time.sleep(0.3)
                server.stop(signal.SIGKILL)
                server.start()
                before = acknowledged
                end = time.monotonic() + 20
                while acknowledged == before and time.monotonic() < end:
                    time.sleep(0.02)
                assert acknowledged > before
            done.set()
            writer.join(30)
            assert [b"%d" % at for at in range(acknowledged)] == payloads(store)
    finally:
        server.remove()


def write_turns(kind, session, process, turns, acks):
    with open_store(url_of_running(kind)) as store:
        version = store.version("t", session)
        for turn in range(turns):
            mark = b"%d:%d" % (process, turn)
            while True:
                try:
                    version = store.append("t", session, [mark], expect=version)
                    break
                except ctxmem.ConflictError:
                    version = store.version("t", session)
            acks.send((int(version), mark))
    acks.close()


def url_of_running(kind):
    return os.environ[f"CTXMEM_TEST_{kind.upper()}"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_eight_processes_on_one_session_lose_no_turn(kind, monkeypatch):
    monkeypatch.setenv(f"CTXMEM_TEST_{kind.upper()}", url_of(kind))
    context = multiprocessing.get_context("spawn")
    session, marks, running = "eight", {}, []
    for process in range(8):
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=write_turns, args=(kind, session, process, 1000, sender))
        child.start()
        sender.close()
        running.append((child, receiver))

    def collect(receiver):
        with contextlib.suppress(EOFError):
            while True:
                version, mark = receiver.recv()
                marks[version] = mark

    threads = [threading.Thread(target=collect, args=(pipe,)) for _, pipe in running]
    for thread in threads:
        thread.start()
    for child, _ in running:
        child.join()
        assert 0 == child.exitcode
    for thread in threads:
        thread.join()
    with open_store(url_of(kind)) as store:
        assert marks == dict(store.read("t", session))
    assert list(range(1, 8001)) == sorted(marks)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_kill_9_of_clients_loses_no_acknowledged_turn(kind, monkeypatch):
    monkeypatch.setenv(f"CTXMEM_TEST_{kind.upper()}", url_of(kind))
    context = multiprocessing.get_context("fork")
    rng = random.Random(1)
    marks = {}
    for cycle in range(60):
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=write_turns, args=(kind, "killed", cycle, 500, sender))
        child.start()
        sender.close()
        with contextlib.suppress(EOFError):
            for _ in range(rng.choice([0, 0, 1, 5])):
                marks.update([receiver.recv()])
            time.sleep(0.02 * rng.random())
        os.kill(child.pid, signal.SIGKILL)
        with contextlib.suppress(EOFError):
            while True:
                marks.update([receiver.recv()])
        child.join()
    with open_store(url_of(kind)) as store:
        found = dict(store.read("t", "killed"))
    assert list(range(1, len(found) + 1)) == list(found)
    assert marks.items() <= found.items() and marks


def store_of_many(kind, folder):
    """Return an empty store of a kind, for many tenants."""
    if kind == "postgres":
        return PostgresStore(url_of(kind), schema="leaks")
    if kind == "redis":
        return RedisStore(url_of(kind), prefix="leaks")
    return open_store(":memory:" if kind == "memory" else folder / "many.db")


@pytest.mark.slow
@pytest.mark.parametrize("kind", servers.STORES)
def test_tenant_operations_leak_nothing(kind, tmp_path):
    rng, counts = random.Random(3), Counter()
    with store_of_many(kind, tmp_path) as store:
        for _ in range(int(os.environ.get("CTXMEM_TENANT_OPERATIONS", "2000"))):
            tenant, session = f"t{rng.randrange(40)}", f"s{rng.randrange(3)}"
            place, action = f"{tenant} {session}".encode(), rng.random()
            if action < 0.05:
                store.append(tenant, session, [place], pages={"p": place})
                counts[tenant, session] += 1
            elif action < 0.055:
                store.delete_session(tenant, session)
                counts.pop((tenant, session), None)
            elif action < 0.5:
                after = max(0, counts[tenant, session] - 2)
                found = payloads(store, tenant, session, after=after)
                assert [place] * (counts[tenant, session] - after) == found
            else:
                pages = store.pages(tenant, session, ["p"])
                assert ({"p": place} if counts[tenant, session] else {}) == pages
        assert sorted({tenant for tenant, _ in counts}) == store.tenants()


def test_the_name_of_a_session_is_not_its_key(store):
    assert Seal("t", "s").key() != Seal("s", "t").key()
    store.append("a", "bc", [b"1"])
    store.append("ab", "c", [b"2"])
    assert ([b"1"], [b"2"]) == (payloads(store, "a", "bc"), payloads(store, "ab", "c"))


@servers.needs_postgres
@servers.needs_redis
def test_what_the_documentation_shows_runs():
    page = (Path(__file__).parent.parent / "docs" / "pages.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```py\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    block = block.replace("postgresql://app@localhost/app", servers.postgres().dsn())
    block = block.replace("redis://localhost:6379/0", servers.redis().url)
    exec(compile(block, "pages.md", "exec"), {})


@pytest.mark.parametrize("kind", KINDS)
def test_langgraph_keeps_its_items_in_a_server(kind):
    from ctxmem.adapters.langchain import PageBaseStore

    mine, other = PageBaseStore(url_of(kind)), PageBaseStore(url_of(kind))
    mine.put(("notes", kind), "n1", {"text": "The notice period is thirty days."})
    assert "The notice period is thirty days." == other.get(("notes", kind), "n1").value["text"]
    found = other.search(("notes", kind), query="How long is the notice?")
    assert ["n1"] == [item.key for item in found]
    mine.close()
    other.close()


@pytest.mark.parametrize("kind", KINDS)
def test_llama_index_keeps_its_messages_in_a_server(kind):
    from llama_index.core.llms import ChatMessage

    from ctxmem.adapters.llama_index import ContextMemory

    options = {"budget": 2000, "store": url_of(kind), "session": f"llama {kind}"}
    ContextMemory(**options).put(ChatMessage(role="user", content="My booking is HAT017."))
    assert ["My booking is HAT017."] == [m.content for m in ContextMemory(**options).get_all()]


@pytest.mark.parametrize("kind", KINDS)
async def test_async_memory_works_on_a_server(kind):
    async with ctxmem.AsyncMemory(2000, store=url_of(kind), session="async") as memory:
        await memory.append({"role": "user", "content": "hello"})
        assert ["hello"] == [m["content"] for m in (await memory.window()).messages]

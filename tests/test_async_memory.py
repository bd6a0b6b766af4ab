"""AsyncMemory: the same interface, in order, whole after a cancellation, and closed once."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import signal
import subprocess
import sys
import threading

import pytest
from chats import user

import ctxmem
from ctxmem import AsyncMemory, Memory
from ctxmem.stores import MemoryStore, SqliteStore

PLAIN = {"tool"}
"""Methods that need no await: they read nothing."""


class SlowStore(SqliteStore):
    """A store whose appends wait for `go`, and say by `begun` that they do."""

    def __init__(self, path):
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()
        super().__init__(path)

    def append(self, *args, **options):
        self.begun.set()
        assert self.go.wait(20)
        return super().append(*args, **options)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    return ":memory:" if request.param == "memory" else tmp_path / "chat.db"


def texts(pages):
    return [page.text for page in pages]


def public(one):
    return {name for name in dir(one) if not name.startswith("_")}


# the interface


def test_the_interface_is_that_of_memory():
    assert public(Memory) == public(AsyncMemory) - {"open"}
    assert inspect.signature(Memory) == inspect.signature(AsyncMemory)
    assert inspect.signature(Memory) == inspect.signature(AsyncMemory.open)
    for name in public(Memory):
        ours, theirs = getattr(AsyncMemory, name), getattr(Memory, name)
        assert inspect.signature(theirs) == inspect.signature(ours), name
        assert (name not in PLAIN) == inspect.iscoroutinefunction(ours), name
        assert f"AsyncMemory.{name}" == ours.__qualname__
        assert ours.__doc__


async def test_every_method_returns_what_memory_returns(store, tmp_path):
    same = Memory(300)
    async with AsyncMemory(300, store=store) as memory:
        for number in range(30):
            message = user(f"Fact {number}: never use port {number * 37}, it is for tests.")
            assert same.append(message, at=number) == await memory.append(message, at=number)
            if number % 3 == 0:
                assert same.window().messages == (await memory.window()).messages
        assert same.recall("port 37", 2) == await memory.recall("port 37", 2)
        assert same.page("p3") == await memory.page("p3")
        same.pin("p3")
        await memory.pin("p3")
        assert same.window("port 74?").messages == (await memory.window("port 74?")).messages
        same.unpin("p3")
        await memory.unpin("p3")
        assert same.pages() == await memory.pages()
        assert same.messages(28) == await memory.messages(28)
        assert same.ledger() == await memory.ledger() != []
        assert same.receipts() == await memory.receipts() != []
        assert same.stats() == await memory.stats()
        assert same.tool("anthropic") == memory.tool("anthropic")
        call = {"id": "c", "function": {"name": "recall", "arguments": '{"page": "p3"}'}}
        assert same.answer(call) == await memory.answer(call)
        assert (same.budget, same.prices) == (memory.budget, memory.prices)
        assert same.forget("p4").pages == (await memory.forget("p4")).pages > 0
        assert (
            same.forget(same.ledger()[0]) is None is await memory.forget((await memory.ledger())[0])
        )
        assert same.ledger() == await memory.ledger()
        assert list(same.export()) == list(await memory.export())
        assert 29 == await memory.export(tmp_path / "export.jsonl")


def test_the_constructor_touches_no_disk_and_refuses_wrong_arguments(tmp_path):
    AsyncMemory(1000, store=tmp_path / "no folder" / "chat.db")
    assert [] == list(tmp_path.iterdir())
    with pytest.raises(TypeError, match="stor"):
        AsyncMemory(1000, stor=":memory:")
    with pytest.raises(ctxmem.BudgetError):
        AsyncMemory(-1)


async def test_a_memory_is_opened_by_with_by_open_or_by_its_first_call(tmp_path):
    path = tmp_path / "chat.db"
    async with AsyncMemory(1000, store=path) as first:
        await first.append(user("one"))
    second = await AsyncMemory.open(1000, store=path)
    await second.append(user("two"))
    await second.close()
    third = AsyncMemory(1000, store=path)
    assert ["one", "two"] == texts(await third.pages())
    await third.close()


async def test_what_cannot_be_opened_raises_and_leaves_no_thread(tmp_path):
    before = threading.active_count()
    with pytest.raises(ctxmem.StoreError, match="no folder"):
        await AsyncMemory.open(1000, store=tmp_path / "none" / "chat.db")
    await ended(before)


async def ended(count):
    """Wait until no more threads run than there were."""
    for _ in range(200):
        if threading.active_count() <= count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(threading.enumerate())


# threads and order


async def test_calls_of_the_store_in_this_process_use_no_thread():
    before = set(threading.enumerate())
    for store in (":memory:", MemoryStore()):
        async with AsyncMemory(1000, store=store, counter=ThreadNoting()) as memory:
            await memory.append([user(f"message {i}") for i in range(5)])
            await memory.window()
            assert set(threading.enumerate()) <= before  # threads of other tests may end
    assert {threading.get_ident()} == ThreadNoting.seen


class ThreadNoting:
    """A counter that notes the threads in which it counts."""

    seen: set[int] = set()  # noqa: RUF012

    def count(self, text):
        self.seen.add(threading.get_ident())
        return len(text)


async def test_calls_of_other_stores_share_one_thread_and_leave_the_loop_free(tmp_path):
    store = SlowStore(tmp_path / "chat.db")
    before = threading.active_count()
    async with AsyncMemory(1000, store=store) as memory:
        store.go.clear()
        calls = [asyncio.create_task(memory.append(user(f"message {i}"))) for i in range(9)]
        while not store.begun.is_set():
            await asyncio.sleep(0)  # the loop runs while the store waits
        assert before + 1 == threading.active_count()
        store.go.set()
        assert [[f"p{i}"] for i in range(9)] == await asyncio.gather(*calls)
    await ended(before)
    store.close()


async def test_what_an_export_yields_is_read_in_the_thread_of_the_memory(tmp_path):
    read = set()

    class Noting(SqliteStore):
        def pages(self, *args, **options):
            read.add(threading.get_ident())
            return super().pages(*args, **options)

    with Noting(tmp_path / "chat.db") as store:
        async with AsyncMemory(1000, store=store) as memory:
            await memory.append([user("one"), user("two")])
            rows = await memory.export()
            read_before = set(read)
        assert ["one", "two"] == [row["message"]["content"] for row in rows]
        assert read_before == read and threading.get_ident() not in read


async def test_200_tasks_at_once_lose_nothing_and_keep_their_order(store):
    async with AsyncMemory(2000, store=store) as memory:

        async def talk(number):
            ids = await memory.append([user(f"question {number}"), user(f"and more {number}")])
            window = await memory.window()
            assert window.tokens <= 2000
            assert f"question {number}" == (await memory.page(ids[0])).text
            return ids

        ids = await asyncio.gather(*(talk(number) for number in range(200)))
        assert 400 == (await memory.stats()).messages
        assert [[f"p{2 * i}", f"p{2 * i + 1}"] for i in range(200)] == ids  # both beside each other
        expected = [text for i in range(200) for text in (f"question {i}", f"and more {i}")]
        assert expected == texts(await memory.pages())
    if store != ":memory:":
        with Memory(2000, store=store) as again:
            assert expected == texts(again.pages())


async def test_context_variables_of_the_caller_are_seen(tmp_path):
    request = contextvars.ContextVar("request", default="none")
    seen = []

    def counter(text):
        seen.append(request.get())
        return len(text)

    async with AsyncMemory(1000, store=tmp_path / "chat.db", counter=counter) as memory:
        seen.clear()
        request.set("r-17")
        await memory.append(user("hello"))
    assert {"r-17"} == set(seen)


def test_a_memory_may_be_used_from_one_loop_after_another(store):
    memory = AsyncMemory(1000, store=store)
    for number in range(3):
        asyncio.run(memory.append(user(f"loop {number}")))
    assert ["loop 0", "loop 1", "loop 2"] == texts(asyncio.run(memory.pages()))
    asyncio.run(memory.close())


@pytest.mark.skipif(os.name != "posix", reason="forks are those of POSIX")
def test_the_child_of_a_fork_has_a_worker_of_its_own(tmp_path):
    memory = AsyncMemory(1000, store=tmp_path / "chat.db")
    asyncio.run(memory.append(user("parent")))
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            asyncio.run(memory.append(user("child")))
            os._exit(0)
        finally:
            os._exit(1)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    asyncio.run(memory.append(user("parent again")))
    assert ["parent", "child", "parent again"] == texts(asyncio.run(memory.pages()))
    asyncio.run(memory.close())


# cancellation


async def test_an_append_that_is_cancelled_while_it_writes_is_there_as_a_whole(tmp_path):
    store = SlowStore(tmp_path / "chat.db")
    async with AsyncMemory(1000, store=store) as memory:
        store.begun.clear()
        store.go.clear()
        writing = asyncio.create_task(memory.append([user("one"), user("two")]))
        while not store.begun.is_set():
            await asyncio.sleep(0.001)
        waiting = asyncio.create_task(memory.append([user("three"), user("four")]))
        await asyncio.sleep(0)
        for task in (writing, waiting):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        store.go.set()
        # The first had begun and the second had not.
        assert ["p2"] == await memory.append(user("five"))
        assert ["one", "two", "five"] == texts(await memory.pages())
    with Memory(1000, store=store) as again:
        assert ["one", "two", "five"] == texts(again.pages())
    store.close()


async def test_cancelled_appends_are_whole_or_not_there_whenever_they_are_cancelled(tmp_path):
    path = tmp_path / "chat.db"
    async with AsyncMemory(1000, store=path) as memory:
        done = set()
        for number in range(60):
            both = [user(f"first {number}"), user(f"second {number}")]
            task = asyncio.create_task(memory.append(both))
            await asyncio.sleep(0.00005 * (number % 20))
            task.cancel()
            try:
                await task
                done.add(number)
            except asyncio.CancelledError:
                pass
        await memory.append(user("the end"))
        found = texts(await memory.pages())
    assert "the end" == found.pop()
    numbers = [int(text.removeprefix("first ")) for text in found[::2]]
    assert [f"second {number}" for number in numbers] == found[1::2]
    assert sorted(set(numbers)) == numbers
    assert done <= set(numbers)
    with Memory(1000, store=path) as again:
        assert [*found, "the end"] == texts(again.pages())


async def test_a_time_limit_leaves_the_memory_usable(tmp_path):
    store = SlowStore(tmp_path / "chat.db")
    async with AsyncMemory(1000, store=store) as memory:
        store.go.clear()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(memory.append(user("slow")), 0.05)
        store.go.set()
        assert ["slow"] == texts(await memory.pages())
    store.close()


async def test_opening_that_is_cancelled_releases_the_store(tmp_path, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    version = SqliteStore.version

    def slow(self, *args):
        begun.set()
        assert go.wait(20)
        return version(self, *args)

    monkeypatch.setattr(SqliteStore, "version", slow)
    before = threading.active_count()
    opening = asyncio.create_task(AsyncMemory.open(1000, store=tmp_path / "chat.db"))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    go.set()
    await ended(before)
    assert not (tmp_path / "chat.db-wal").exists()  # the connection was closed


# errors and the end


async def test_errors_are_those_of_memory_and_change_nothing(store):
    async with AsyncMemory(1000, store=store) as memory:
        await memory.append(user("one"))
        with pytest.raises(ctxmem.InputTypeError, match="message 2"):
            await memory.append([user("two"), 3])
        with pytest.raises(ctxmem.InputError, match="p0 to p0"):
            await memory.page("p7")
        with pytest.raises(TypeError, match="missing"):
            await memory.append()
        assert ["one"] == texts(await memory.pages())


async def test_an_exception_of_a_users_function_comes_back(store):
    class Broken(Exception):
        pass

    wrong = [Broken("no answer")]

    def counter(text):
        if wrong and text == "two":
            raise wrong[0]
        return len(text)

    async with AsyncMemory(1000, store=store, counter=counter) as memory:
        await memory.append(user("one"))
        with pytest.raises(Broken, match="no answer"):
            await memory.append(user("two"))
        wrong[0] = StopIteration()  # which no future can pass on
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(memory.append(user("two")), 10)
        wrong.clear()
        await memory.append(user("two"))
        assert ["one", "two"] == texts(await memory.pages())


async def test_closing_twice_or_at_once_is_no_error_and_calls_after_it_are_refused(store):
    before = threading.active_count()
    memory = await AsyncMemory.open(1000, store=store)
    last = asyncio.create_task(memory.append(user("last")))
    await asyncio.sleep(0)
    await asyncio.gather(memory.close(), memory.close())
    await memory.close()
    assert ["p0"] == await last  # it was called before
    for call in (memory.window, memory.pages, memory.__aenter__):
        with pytest.raises(ctxmem.StoreError, match="is closed"):
            await call()
    await ended(before)
    await AsyncMemory(1000, store=store).close()  # it was never opened


async def test_a_close_that_is_cancelled_is_carried_out(tmp_path):
    store = SlowStore(tmp_path / "chat.db")
    before = threading.active_count()
    memory = await AsyncMemory.open(1000, store=store)
    store.go.clear()
    writing = asyncio.create_task(memory.append(user("one")))
    await asyncio.sleep(0)
    closing = asyncio.create_task(memory.close())
    await asyncio.sleep(0.01)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    store.go.set()
    assert ["p0"] == await writing
    await ended(before)
    await memory.close()
    assert ["one"] == texts(Memory(1000, store=store).pages())  # a store that is given stays open
    store.close()


def test_a_memory_that_is_not_closed_keeps_no_process_from_its_end(tmp_path):
    path = tmp_path / "chat.db"
    code = (
        "import asyncio, ctxmem\n"
        f"memory = ctxmem.AsyncMemory(1000, store={str(path)!r})\n"
        "asyncio.run(memory.append({'role': 'user', 'content': 'hello'}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    with Memory(1000, store=path) as memory:
        assert ["hello"] == texts(memory.pages())

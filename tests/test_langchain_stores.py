"""A page store is a store to LangChain and LangGraph, by their own suites and beside theirs."""

from __future__ import annotations

import asyncio

import pytest

import ctxmem
from ctxmem.stores import MemoryStore

pytest.importorskip("langgraph")
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_tests.integration_tests import BaseStoreAsyncTests, BaseStoreSyncTests
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, ToolRuntime

from ctxmem.adapters.langchain import PageBaseStore


class TestPageStoreSync(BaseStoreSyncTests[bytes]):
    """LangChain's standard suite for key-value stores."""

    @pytest.fixture(params=[":memory:", "file"])
    def kv_store(self, request, tmp_path):
        store = PageBaseStore(tmp_path / "kv.db" if request.param == "file" else ":memory:")
        yield store
        store.close()

    @pytest.fixture
    def three_values(self):
        return b"one", b"two \x00\xff", b""


class TestPageStoreAsync(BaseStoreAsyncTests[dict]):
    """LangChain's standard suite for key-value stores, asynchronous."""

    @pytest.fixture
    async def kv_store(self):
        return PageBaseStore()

    @pytest.fixture
    def three_values(self):
        return {"a": 1}, {"b": [None, "\ud83d"]}, {}


def test_documents_are_values_too():
    store = PageBaseStore()
    document = Document("text", id="d", metadata={"page": 1})
    store.mset([("d", document), ("s", "plain"), ("n", None)])
    assert [document, "plain", None] == store.mget(["d", "s", "n"])
    assert ["d", "n", "s"] == sorted(store.yield_keys())
    with pytest.raises(ctxmem.InputTypeError, match="the value of 'x' cannot be written as JSON"):
        store.mset([("y", 1), ("x", object())])
    assert [None] == store.mget(["y"])  # all or none


@pytest.fixture(params=["ours", "ours in a file", "theirs"])
def graph_store(request, tmp_path):
    """Run the same expectations over ours and over LangGraph's own store in memory."""
    from langgraph.store.memory import InMemoryStore

    if request.param == "theirs":
        yield InMemoryStore()
        return
    store = PageBaseStore(":memory:" if request.param == "ours" else tmp_path / "graph.db")
    yield store
    store.close()


def test_a_graph_store_puts_gets_overwrites_and_deletes(graph_store):
    store = graph_store
    assert store.get(("a", "b"), "k") is None
    store.put(("a", "b"), "k", {"n": 1})
    first = store.get(("a", "b"), "k")
    assert {"n": 1} == first.value
    assert (("a", "b"), "k") == (first.namespace, first.key)
    store.put(("a", "b"), "k", {"n": 2})
    again = store.get(("a", "b"), "k")
    assert {"n": 2} == again.value
    assert again.updated_at >= first.updated_at
    again.value["n"] = 3 if isinstance(store, PageBaseStore) else 2
    assert {"n": 2} == store.get(("a", "b"), "k").value
    assert store.get(("a",), "k") is None
    store.delete(("a", "b"), "k")
    store.delete(("a", "b"), "never there")
    assert store.get(("a", "b"), "k") is None


def test_a_graph_store_searches_by_prefix_and_filter(graph_store):
    store = graph_store
    for i in range(6):
        store.put(("users", f"u{i % 2}"), f"k{i}", {"n": i, "even": i % 2 == 0})
    store.put(("other",), "k", {"n": 1})
    assert 6 == len(store.search(("users",)))
    assert 3 == len(store.search(("users", "u0")))
    assert 7 == len(store.search(()))
    assert ["k1"] == [item.key for item in store.search(("users",), filter={"n": 1})]
    assert {"k4", "k5"} == {i.key for i in store.search(("users",), filter={"n": {"$gte": 4}})}
    assert {"k1"} == {
        i.key for i in store.search(("users",), filter={"n": {"$gt": 0, "$lt": 3, "$ne": 2}})
    }
    pages = [store.search(("users",), limit=4, offset=at) for at in (0, 4)]
    assert [4, 2] == [len(page) for page in pages]
    assert 6 == len({item.key for page in pages for item in page})


def test_a_graph_store_lists_namespaces(graph_store):
    store = graph_store
    for space in (("a", "b", "c"), ("a", "b", "d"), ("a", "x"), ("z", "c")):
        store.put(space, "k", {"n": 1})
    assert 4 == len(store.list_namespaces())
    assert [("a", "b", "c"), ("z", "c")] == store.list_namespaces(suffix=("c",))
    assert [("a", "b"), ("a", "x")] == store.list_namespaces(prefix=("a",), max_depth=2)
    assert [("a", "b", "d")] == store.list_namespaces(prefix=("a", "*", "d"))
    assert [("a", "b", "d")] == store.list_namespaces(limit=1, offset=1)


async def test_a_graph_store_is_asynchronous_too(graph_store):
    store = graph_store
    await asyncio.gather(*(store.aput(("n",), f"k{i}", {"i": i}) for i in range(20)))
    assert {f"k{i}" for i in range(20)} == {
        item.key for item in await store.asearch(("n",), limit=99)
    }
    assert {"i": 7} == (await store.aget(("n",), "k7")).value
    await store.adelete(("n",), "k7")
    assert await store.aget(("n",), "k7") is None
    assert [("n",)] == await store.alist_namespaces()


def test_reads_of_a_batch_come_before_its_writes_and_the_last_write_holds(graph_store):
    from langgraph.store.base import GetOp, PutOp

    ops = [PutOp(("n",), "k", {"i": 1}), GetOp(("n",), "k"), PutOp(("n",), "k", {"i": 2})]
    assert [None, None, None] == graph_store.batch(ops)
    assert {"i": 2} == graph_store.get(("n",), "k").value


def test_a_query_ranks_by_words():
    store = PageBaseStore()
    store.put(("n",), "a", {"text": "The fee is due on Monday."})
    store.put(("n",), "b", {"about": {"texts": ["The notice period is thirty days."]}})
    store.put(("n",), "c", {"number": 5})
    found = store.search(("n",), query="How long is the notice period?")
    assert "b" == found[0].key
    assert found[0].score > found[1].score
    assert 3 == len(found)


def test_a_filter_on_what_is_not_there_finds_nothing():
    store = PageBaseStore()
    store.put(("n",), "a", {"x": "text"})
    for wanted in ({"absent": {"$lt": 3}}, {"x": {"$gte": 3}}, {"x": {"$eq": "other"}}):
        assert [] == store.search(("n",), filter=wanted)


def test_what_cannot_be_stored_is_refused_and_nothing_is_written():
    from langgraph.store.base import PutOp

    store = PageBaseStore()
    with pytest.raises(ctxmem.InputTypeError, match="the value of 'b'"):
        store.batch([PutOp(("n",), "a", {"x": 1}), PutOp(("m",), "b", {"x": object()})])
    assert [] == store.search(())
    with pytest.raises(ctxmem.InputTypeError, match="an operation is an int"):
        store.batch([5])
    store.put(("n",), "a", {"x": 1})
    with pytest.raises(ctxmem.InputError, match=r"operator '\$in'"):
        store.search(("n",), filter={"x": {"$in": [1]}})


def test_a_tool_writes_to_the_page_store():
    def note(text: str, runtime: ToolRuntime) -> str:
        """Write a note."""
        runtime.store.put(("notes",), "n", {"text": text})
        return "noted"

    call = {"name": "note", "args": {"text": "port 80"}, "id": "1", "type": "tool_call"}
    store = PageBaseStore()
    graph = StateGraph(MessagesState).add_node("tools", ToolNode([note]))
    graph = graph.add_edge(START, "tools").compile(store=store)
    graph.invoke({"messages": [AIMessage("", tool_calls=[call])]})
    assert {"text": "port 80"} == store.get(("notes",), "n").value


def test_stores_over_one_page_store_see_each_others_writes():
    pages = MemoryStore()
    left, right = PageBaseStore(pages), PageBaseStore(pages)
    left.put(("n",), "k", {"i": 1})
    assert {"i": 1} == right.get(("n",), "k").value
    right.put(("n",), "k", {"i": 2})
    assert {"i": 2} == left.get(("n",), "k").value
    assert PageBaseStore(pages, tenant="other").get(("n",), "k") is None


def test_what_was_put_is_there_when_the_file_is_opened_again(tmp_path):
    first = PageBaseStore(tmp_path / "pages.db")
    first.put(("n",), "k", {"i": 1})
    first.mset([("key", b"value")])
    first.close()
    again = PageBaseStore(str(tmp_path / "pages.db"))
    assert {"i": 1} == again.get(("n",), "k").value
    assert [b"value"] == again.mget(["key"])
    again.close()
    pages = MemoryStore()
    PageBaseStore(pages).close()  # it is somebody else's
    assert [] == pages.sessions("langgraph")

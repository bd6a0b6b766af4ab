"""LangChain's own objects go in, LangChain's own objects come out, and the budget holds."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import ctxmem
from ctxmem.errors import StoreError
from ctxmem.stores import MemoryStore

pytest.importorskip("langchain")
from langchain.agents.middleware import (
    ContextEditingMiddleware,
    SummarizationMiddleware,
    types,
)
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages import trim_messages as theirs
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough
from langchain_tests.integration_tests import RetrieversIntegrationTests
from pydantic import ValidationError

from ctxmem.adapters.langchain import (
    ContextCompressor,
    ContextMiddleware,
    ContextWindowEdit,
    DuplicateFilter,
    pack_documents,
    summarizer,
    token_counter,
)

# What came after langchain 1.0.
STATS = hasattr(types, "ExtendedModelResponse")
SUMMARIZER = "summarizer" in inspect.signature(SummarizationMiddleware).parameters

CORPUS = json.loads((Path(__file__).parent / "data" / "histories.json").read_text("utf-8"))


def words(text):
    return len(text.split())


# Documents ----------------------------------------------------------------------------------------

FOUND = [
    Document("Notice is thirty days.", id="a", metadata={"source": "amendment.md", "page": 2}),
    Document("Invoices are due in 45 days.", id="b", metadata={"source": "msa.md"}),
    Document("Notice is thirty days.", id="c", metadata={"source": "copy.md"}),
    Document("Bananas are yellow and have nothing to do with it.", id="d"),
]


def test_the_best_ranked_duplicate_survives_and_says_what_it_stands_for():
    packed = ContextCompressor(budget=60).compress_documents(FOUND, "How long is the notice?")
    assert ["a", "b", "d"] == sorted(d.id for d in packed)
    first = next(d for d in packed if d.id == "a")
    assert "Notice is thirty days." == first.page_content
    assert {"source": "amendment.md", "page": 2} == {
        k: v for k, v in first.metadata.items() if k != "ctxmem"
    }
    account = first.metadata["ctxmem"]
    assert [0, 2] == account["positions"]
    assert ["a", "c"] == account["ids"]
    assert ["amendment.md", "copy.md"] == account["sources"]
    assert "selected" == account["reason"]
    json.dumps(account)
    assert all(type(d) is Document for d in packed)
    assert {"source": "copy.md"} == FOUND[2].metadata  # the input is not changed


def test_what_comes_back_joined_is_within_the_budget_and_is_the_window():
    for budget in range(3, 60):
        compressor = ContextCompressor(budget=budget)
        packed = compressor.compress_documents(FOUND, "How long is the notice?")
        window = compressor.window(FOUND, "How long is the notice?")
        joined = "\n\n".join(d.page_content for d in packed)
        assert window.text == joined
        assert ctxmem.count_tokens(joined) <= budget
        assert len(FOUND) == len(window.decisions)


def test_neighbours_are_stitched_into_one_document():
    text = "The first clause is here. The second clause is there. The third is nowhere."
    cut = [
        Document(text[a:b], id=f"{a}", metadata={"source": "s.md", "start_index": a})
        for a, b in ((0, 53), (26, len(text)))
    ]
    packed = ContextCompressor(budget=100).compress_documents(cut, "clause")
    assert [text] == [d.page_content for d in packed]
    assert ["0", "26"] == packed[0].metadata["ctxmem"]["ids"]


def test_headers_are_part_of_the_documents():
    packed = ContextCompressor(budget=60, header="[{source}]").compress_documents(FOUND, "notice")
    assert "[amendment.md]\nNotice is thirty days." in [d.page_content for d in packed]


def test_what_retrievers_return_never_breaks_a_chain():
    compressor = ContextCompressor(budget=50)
    assert [] == compressor.compress_documents([], "q")
    assert [] == compressor.compress_documents([Document("")], "q")
    assert [] == compressor.compress_documents([Document(" \n")], "q")
    shared = [Document("one part", id="x"), Document("another part", id="x"), Document("")]
    packed = compressor.compress_documents(shared, "")
    assert {"one part", "another part"} == {d.page_content for d in packed}
    assert ["x", "x"] == [d.id for d in packed]
    huge = [Document("word " * 5000)]
    (part,) = compressor.compress_documents(huge, "q")  # as much of it as there is room for
    assert 0 < ctxmem.count_tokens(part.page_content) <= 50


def test_a_compressor_folds_what_it_is_asked_to():
    clause = "The fee of {} euro is due on the first day of each month"
    texts = [clause.format(30), clause.format(30), clause.format(45), clause.format(30) + " or so"]
    found = [Document(text, id=str(i)) for i, text in enumerate(texts)]

    def kept(**options):
        compressor = ContextCompressor(budget=500, **options)
        return sorted(document.id for document in compressor.compress_documents(found, "fee?"))

    assert kept() == kept(dedup="careful") == kept(dedup=True) == ["0", "2"]
    assert kept(dedup="exact") == ["0", "2", "3"]
    assert kept(dedup=False) == ["0", "1", "2", "3"]
    assert kept(dedup_threshold=0.4) == ["0"]
    with pytest.warns(DeprecationWarning, match=r"use dedup_threshold=0\.4"):
        assert kept(dedup=0.4) == ["0"]
    for wrong in ({"dedup": "yes"}, {"order": "best"}):
        with pytest.raises(ValueError, match="Input should be"):
            ContextCompressor(budget=500, **wrong)


def test_wrong_options_are_refused_when_the_compressor_is_made():
    with pytest.raises(ValueError, match="budget is 0 tokens"):
        ContextCompressor(budget=0)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        ContextCompressor(budget=9, bugdet=5)


async def test_the_compressor_works_in_pipelines_and_behind_retrievers_sync_and_async():
    from langchain_classic.retrievers import ContextualCompressionRetriever
    from langchain_classic.retrievers.document_compressors import DocumentCompressorPipeline

    compressor = ContextCompressor(budget=20)
    pipeline = DocumentCompressorPipeline(transformers=[compressor])
    for used in (compressor, pipeline):
        retriever = ContextualCompressionRetriever(
            base_compressor=used, base_retriever=Fixed(k=4, documents=FOUND)
        )
        found = retriever.invoke("How long is the notice?")
        assert "a" in [d.id for d in found]
        assert "c" not in [d.id for d in found]
        assert found == await retriever.ainvoke("How long is the notice?")


async def test_the_filter_keeps_the_best_ranked_of_those_that_repeat_each_other():
    copy = "The meter is read on the first day of every month."
    found = [
        Document("Anything else, for whoever wants it.", id="x"),
        Document(copy, id="best", metadata={"source": "a.md"}),
        Document(copy.lower().rstrip("."), id="copy", metadata={"source": "b.md"}),
        Document(copy.replace("first", "1st"), id="version"),
    ]
    kept = DuplicateFilter().transform_documents(found)
    assert ["x", "best", "version"] == [d.id for d in kept]  # a number may make the difference
    account = {"positions": [1, 2], "ids": ["best", "copy"], "sources": ["a.md", "b.md"]}
    assert {"source": "a.md", "ctxmem": account} == kept[1].metadata
    assert kept == await DuplicateFilter().atransform_documents(found)
    assert ["x", "best"] == [
        d.id for d in DuplicateFilter(careful=False).transform_documents(found)
    ]
    assert [] == DuplicateFilter().transform_documents([])
    with pytest.raises(ctxmem.InputError, match="threshold is 7"):
        DuplicateFilter(threshold=7).transform_documents(found)


def test_the_filter_finds_paraphrases_by_given_embeddings():
    from langchain_core.embeddings import Embeddings

    class Given(Embeddings):
        def embed_documents(self, texts):
            return [[1.0, 0.0] if "cat" in text else [0.0, 1.0] for text in texts]

        def embed_query(self, text):
            raise AssertionError("documents are compared with each other")

    found = [Document(t) for t in ("a cat sat", "dogs bark", "there was a cat upon a mat")]
    kept = DuplicateFilter(embeddings=Given()).transform_documents(found)
    assert ["a cat sat", "dogs bark"] == [d.page_content for d in kept]
    assert [0, 2] == kept[0].metadata["ctxmem"]["positions"]
    assert found == DuplicateFilter().transform_documents(found)


async def test_pack_documents_takes_lists_and_dicts_and_gives_documents_or_text():
    step = pack_documents(budget=20)
    assert step.invoke(FOUND) == await step.ainvoke(FOUND)
    given = {"context": FOUND, "question": "How long is the notice?"}
    assert "a" in [d.id for d in step.invoke(given)]
    text = pack_documents(budget=20, as_text=True)
    assert "Notice is thirty days." in text.invoke(given)
    assert "" == text.invoke([])
    renamed = pack_documents(budget=20, documents_key="hits", query_key="asked", as_text=True)
    assert text.invoke(given) == renamed.invoke({"hits": FOUND, "asked": given["question"]})
    chain = RunnablePassthrough.assign(packed=text)
    assert text.invoke(given) == chain.invoke(given)["packed"]
    assert [text.invoke(given)] * 2 == text.batch([given, given])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"docs": FOUND}, r"keys \['docs'\]; expected documents under 'documents'"),
        ({"documents": FOUND, "query": 5}, "the query is a int"),
        ("text", "the documents are a str"),
        (["text"], "one of the documents is a str"),
    ],
)
def test_what_is_no_input_of_pack_documents_is_refused(given, said):
    with pytest.raises(ctxmem.InputTypeError, match=said):
        pack_documents(budget=20).invoke(given)


class Fixed(BaseRetriever):
    """Return the first k of some documents."""

    k: int = 3
    documents: list[Document]

    def _get_relevant_documents(self, query, *, run_manager, k=None):
        return self.documents[: k or self.k]


class Compressed(BaseRetriever):
    """A compression retriever that knows how many documents it returns at most."""

    k: int = 3

    def _get_relevant_documents(self, query, *, run_manager, k=None):
        cities = "Rome Oslo Bern Lima Cairo Tunis".split()
        documents = [Document(f"{city} is a capital.", id=city) for city in cities]
        found = Fixed(k=2 * (k or self.k), documents=[d for d in documents for _ in range(2)])
        packed = ContextCompressor(budget=1000).compress_documents(found.invoke(query), query)
        return packed[: k or self.k]


class TestRetriever(RetrieversIntegrationTests):
    """LangChain's standard suite over a compression retriever."""

    @property
    def retriever_constructor(self):
        return Compressed

    @property
    def retriever_query_example(self):
        return "Which city is a capital?"


# Counting -----------------------------------------------------------------------------------------


def test_token_counter_serves_langchains_own_trimmer():
    chat = [SystemMessage("Be brief."), HumanMessage("a " * 50), AIMessage("b"), HumanMessage("c?")]
    kept = theirs(chat, max_tokens=30, token_counter=token_counter, include_system=True)
    assert [chat[0], *chat[2:]] == kept
    assert token_counter(chat) == ctxmem.count_messages(chat)
    counter = functools.partial(token_counter, counter=words)
    assert ctxmem.count_messages(chat, words) == counter(chat)


@pytest.mark.parametrize(
    "row", [row for row in CORPUS if row["kind"] == "langchain"], ids=lambda row: row["name"]
)
def test_token_counter_reads_every_kind_of_message(row):
    assert ctxmem.count_messages(row["messages"]) == token_counter(row["messages"])


# Agents -------------------------------------------------------------------------------------------


class Scripted(BaseChatModel):
    """A model that says what it is told to, and remembers what it was sent."""

    script: list
    requests: list
    bound: list

    @property
    def _llm_type(self):
        return "scripted"

    def bind_tools(self, tools, **_):
        self.bound.append(tools)
        return self

    def _generate(self, messages, stop=None, run_manager=None, **_):
        self.requests.append(messages)
        said = self.script[min(len(self.requests), len(self.script)) - 1]
        said = AIMessage(said) if isinstance(said, str) else said
        fresh = said.model_copy(update={"id": f"said-{len(self.requests)}"})
        return ChatResult(generations=[ChatGeneration(message=fresh)])


def agent_of(script, middleware, tools=(), **options):
    from langchain.agents import create_agent

    model = Scripted(script=script, requests=[], bound=[])
    made = create_agent(
        model, tools=list(tools), middleware=[middleware], system_prompt="Be brief.", **options
    )
    return made, model


def sent_within(model, budget, tools=()):
    for request in model.requests:
        assert ctxmem.count_messages(request, tools=list(tools)) <= budget
        assert [] == [f for f in ctxmem.check(request) if f.kind == "orphan_result"]


def run(agent, how, given, config=None):
    if how == "sync":
        return agent.invoke(given, config)
    return asyncio.run(agent.ainvoke(given, config))


def look(term: str) -> str:
    """Look a term up."""
    return f"{term} means: " + "word " * 40


def calls(*keys):
    made = [{"name": "look", "args": {"term": f"term {key}"}, "id": key} for key in keys]
    return AIMessage("", tool_calls=made)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_an_ephemeral_window_leaves_the_state_alone(how):
    script = [*(calls(f"c{i}", f"d{i}") for i in range(8)), "Done."]
    agent, model = agent_of(script, ContextMiddleware(budget=500), [look])
    state = run(agent, how, {"messages": [HumanMessage("What do they mean?")]})
    assert 1 + 8 * 3 + 1 == len(state["messages"])
    assert 9 == len(model.requests)
    sent_within(model, 500, [look])
    assert len(model.requests[-1]) < 15
    for request in model.requests:
        assert "Be brief." == request[0].text
        assert "What do they mean?" in [m.text for m in request]
    if not STATS:
        return
    stats = state["ctxmem"]
    assert 25 == stats["messages"]
    assert len(model.requests[-1]) - 1 == stats["kept"]
    assert 0 < stats["fixed"] < stats["tokens"] <= stats["budget"] == 500
    assert 0 == stats["evicted"]


def test_requests_grow_at_their_end_between_leaps():
    script = [*(calls(f"c{i}") for i in range(20)), "Done."]
    agent, model = agent_of(script, ContextMiddleware(budget=600), [look])
    agent.invoke({"messages": [HumanMessage("Go on.")]}, {"recursion_limit": 200})
    grown = [b[: len(a)] == a for a, b in zip(model.requests, model.requests[1:], strict=False)]
    assert 20 == len(grown)
    assert 1 <= grown.count(False) <= 6


@pytest.mark.parametrize("how", ["sync", "async"])
def test_what_leaves_a_persistent_window_is_in_the_page_store_and_found_again(how):
    from langgraph.checkpoint.memory import InMemorySaver

    middleware = ContextMiddleware(budget=600, mode="persistent")
    agent, model = agent_of(
        [*(calls(f"c{i}") for i in range(12)), "Done."],
        middleware,
        [look],
        checkpointer=InMemorySaver(),
    )
    config = {"configurable": {"thread_id": "t1"}, "recursion_limit": 200}
    state = run(agent, how, {"messages": [HumanMessage("What is it about?")]}, config)
    sent_within(model, 600, [look, *middleware.tools])
    left = middleware.evicted("t1")
    assert 0 < len(left) == state["ctxmem"]["evicted"]
    assert 26 == len(left) + len(state["messages"])  # nothing is lost, nothing twice
    told = {m.tool_call_id for m in [*left, *state["messages"]] if isinstance(m, ToolMessage)}
    assert {f"c{i}" for i in range(12)} == told
    assert [] == middleware.evicted("t2")
    found = middleware.recall("term c1 means", 3, thread_id="t1")
    assert "c1" in [getattr(m, "tool_call_id", None) for m in found]


def test_the_agent_recalls_what_left_its_state():
    recall = AIMessage("", tool_calls=[{"name": "recall", "args": {"query": "c0"}, "id": "r"}])
    script = [*(calls(f"c{i}") for i in range(12)), recall, "Done."]
    agent, model = agent_of(script, ContextMiddleware(budget=700, mode="persistent"), [look])
    agent.invoke({"messages": [HumanMessage("Go on.")]}, {"recursion_limit": 200})
    answer = next(m for m in model.requests[-1] if getattr(m, "tool_call_id", "") == "r")
    assert "term c0" in answer.text
    assert ctxmem.count_tokens(answer.text) <= 700 // 4


def test_what_left_is_in_the_file_after_the_process(tmp_path):
    path = tmp_path / "pages.db"
    middleware = ContextMiddleware(budget=600, mode="persistent", store=path)
    agent, _ = agent_of([*(calls(f"c{i}") for i in range(12)), "Done."], middleware, [look])
    agent.invoke({"messages": [HumanMessage("Go on.")]}, {"recursion_limit": 200})
    left = middleware.evicted()
    assert left
    middleware.close()
    again = ContextMiddleware(budget=600, mode="persistent", store=str(path))
    assert left == again.evicted()
    again.close()


class Failing(MemoryStore):
    def append(self, *_, **__):
        raise StoreError("the disk is full")


def test_a_store_that_fails_loses_nothing():
    from langgraph.checkpoint.memory import InMemorySaver

    middleware = ContextMiddleware(budget=600, mode="persistent", store=Failing())
    agent, _ = agent_of(
        [calls(f"c{i}") for i in range(12)], middleware, [look], checkpointer=InMemorySaver()
    )
    config = {"configurable": {"thread_id": "t"}, "recursion_limit": 200}
    with pytest.raises(StoreError, match="the disk is full"):
        agent.invoke({"messages": [HumanMessage("Go on.")]}, config)
    kept = agent.get_state(config).values["messages"]
    assert "Go on." == kept[0].text
    assert 1 + 2 * (len(kept) // 2) == len(kept)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_long_tool_result_is_paged_before_it_enters_the_state(how):
    text = "\n".join(f"line {i}: nothing of interest" for i in range(2000))

    def read_log(name: str) -> str:
        """Read a log."""
        return text

    asked = AIMessage("", tool_calls=[{"name": "read_log", "args": {"name": "x"}, "id": "1"}])
    middleware = ContextMiddleware(budget=3000, tool_result_tokens=200)
    agent, model = agent_of([asked, "Done."], middleware, [read_log])
    state = run(agent, how, {"messages": [HumanMessage("Read it.")]})
    result = state["messages"][2]
    assert ctxmem.count_tokens(result.content) <= 200
    assert result.content.startswith("line 0: nothing")
    assert "1" == result.tool_call_id
    page = result.content.split("page_id '")[1].split("'")[0]
    start = int(result.content.split("and start ")[1].rstrip("]"))
    read_page = next(tool for tool in middleware.tools if tool.name == "read_page")
    parts = [text[:start]]
    while start < len(text):
        part = read_page.invoke({"page_id": page, "start": start})
        assert ctxmem.count_tokens(part) <= 200
        told, _, note = part.partition("\n\n[to read on call read_page with start ")
        parts.append(told)
        start = int(note.rstrip("]")) if note else len(text)
    assert text == "".join(parts)
    assert text[:40] in read_page.invoke({"page_id": page, "start": -5})
    assert "there is no page" in read_page.invoke({"page_id": "0" * 32})
    assert "read_page" in [tool.name for tool in model.bound[0]]


def test_pictures_in_a_tool_result_stay_where_its_text_is_paged():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}

    def see(name: str):
        """See something."""
        return [{"type": "text", "text": "word " * 900}, picture]

    asked = AIMessage("", tool_calls=[{"name": "see", "args": {"name": "x"}, "id": "1"}])
    agent, _ = agent_of(
        [asked, "Done."], ContextMiddleware(budget=9000, tool_result_tokens=100), [see]
    )
    content = agent.invoke({"messages": [HumanMessage("Look.")]})["messages"][2].content
    assert ["text", "image_url"] == [block["type"] for block in content]
    assert picture == content[1]
    assert ctxmem.count_tokens(content[0]["text"]) <= 100


@pytest.mark.skipif(not STATS, reason="stats came with langchain 1.2.10")
def test_a_structured_answer_is_counted_with_its_schema():
    from langchain.agents import create_agent
    from langchain.agents.structured_output import ToolStrategy
    from pydantic import BaseModel

    class Answer(BaseModel):
        """The answer, and where it stands."""

        text: str
        source: str

    given = AIMessage(
        "", tool_calls=[{"name": "Answer", "args": {"text": "a", "source": "b"}, "id": "1"}]
    )
    fixed = []
    for response_format in (None, ToolStrategy(Answer)):
        model = Scripted(script=[given if response_format else "a"], requests=[], bound=[])
        agent = create_agent(
            model,
            middleware=[ContextMiddleware(budget=2000)],
            response_format=response_format,
        )
        fixed.append(agent.invoke({"messages": [HumanMessage("Say.")]})["ctxmem"]["fixed"])
    assert fixed[0] + 40 < fixed[1]


def test_pins_that_do_not_fit_are_named_by_the_agent():
    agent, model = agent_of(["Done."], ContextMiddleware(budget=50))
    with pytest.raises(ctxmem.BudgetError, match=r"budget is 50 tokens.*message 1 \(user\)"):
        agent.invoke({"messages": [HumanMessage("word " * 100)]})
    assert [] == model.requests


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"budget": 0}, "budget is 0 tokens"),
        ({"budget": 9, "mode": "lasting"}, "mode is 'lasting'"),
        ({"budget": 9, "low_water": 2}, "low_water is 2"),
        ({"budget": 9, "tool_result_tokens": 9}, "tool_result_tokens is 9; expected 100 or more"),
        ({"budget": 9, "provider": "acme"}, "provider is 'acme'"),
        ({"budget": 9, "counter": 5}, r"5 \(int\) cannot count tokens"),
        ({"budget": 9, "store": 5}, "a store is"),
    ],
)
def test_wrong_options_of_the_middleware_are_refused_at_once(options, said):
    with pytest.raises(ctxmem.CtxmemError, match=said):
        ContextMiddleware(**options)


def test_two_instances_with_names_of_their_own_go_together():
    from langchain.agents import create_agent

    model = Scripted(script=["Done."], requests=[], bound=[])
    both = [ContextMiddleware(budget=900, name="wide"), ContextMiddleware(budget=60, name="tight")]
    agent = create_agent(model, middleware=both)
    chat = [HumanMessage("word " * 30), AIMessage("word " * 30), HumanMessage("And now?")]
    agent.invoke({"messages": chat})
    sent_within(model, 60)


def test_the_edit_cuts_in_place_within_langchains_middleware():
    asks = "token_counter" in inspect.signature(ContextEditingMiddleware).parameters
    theirs = {"token_counter": token_counter} if asks else {}
    counter = None if asks else "o200k_base"
    edits = [ContextWindowEdit(budget=300), ContextWindowEdit(budget=250, counter=counter)]
    middleware = ContextEditingMiddleware(edits=edits, **theirs)
    script = [*(calls(f"c{i}") for i in range(8)), "Done."]
    agent, model = agent_of(script, middleware, [look])
    state = agent.invoke({"messages": [HumanMessage("Go on.")]})
    # At first their middleware handed the state's own list to its edits.
    assert not asks or 18 == len(state["messages"])
    assert all(ctxmem.count_messages(request[1:]) <= 250 for request in model.requests)
    sent_within(model, 300)


def test_the_summarizer_says_it_in_the_chats_own_words():
    chat = [
        HumanMessage("Which port does the server listen on?"),
        AIMessage("The server listens on port 8080.\n\nBananas are yellow, by the way."),
        HumanMessage("And which port does the database listen on?"),
    ]
    for budget in (12, 25, 60):
        summary = summarizer(budget, query="Which port?")(chat)
        assert ctxmem.count_tokens(summary) <= budget
    assert "port 8080" in summarizer(40, query="What does the server listen on?")(chat)
    assert "" == summarizer(10)([])
    with pytest.raises(ctxmem.BudgetError):
        summarizer(0)
    if not SUMMARIZER:
        return
    middleware = SummarizationMiddleware(
        Scripted(script=["unused"], requests=[], bound=[]),
        trigger=("messages", 6),
        keep=("messages", 2),
        summarizer=summarizer(60),
    )
    agent, model = agent_of(["Done."], middleware)
    state = agent.invoke({"messages": [*chat, AIMessage("5432."), *map(HumanMessage, "abc")]})
    assert "port 8080" in state["messages"][0].text
    assert 1 == len(model.requests)


# Imports ------------------------------------------------------------------------------------------


def run_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_import_loads_langchain_core_alone():
    code = (
        "import sys, ctxmem.adapters.langchain as a; a.ContextCompressor, a.pack_documents, "
        "a.token_counter, a.summarizer; print(*{m.split('.')[0] for m in sys.modules})"
    )
    loaded = set(run_python(code))
    assert "langchain_core" in loaded
    others = {"langchain", "langgraph", "langchain_classic", "langchain_community", "llama_index"}
    assert set() == loaded & {*others, "tiktoken", "faiss"}


HIDDEN = "import sys; sys.modules.update({{name: None for name in {names}}})\n"


@pytest.mark.parametrize(
    ("names", "code", "said"),
    [
        (["langchain_core"], "import ctxmem.adapters.langchain", "ctxmem[langchain]"),
        (
            ["langchain"],
            "from ctxmem.adapters.langchain import token_counter, ContextMiddleware",
            "ctxmem[langchain-agents]",
        ),
        (
            ["langgraph"],
            "from ctxmem.adapters.langchain import token_counter, PageBaseStore",
            "ctxmem[langchain-agents]",
        ),
    ],
)
def test_a_missing_extra_is_named(names, code, said):
    body = (
        HIDDEN.format(names=names)
        + f"try:\n    {code}\nexcept ImportError as error:\n    print(type(error).__name__, error)"
    )
    told = " ".join(run_python(body))
    assert told.startswith("MissingExtraError")
    assert f"pip install '{said}'" in told


def test_an_unknown_name_is_no_missing_extra():
    import ctxmem.adapters.langchain as adapter

    with pytest.raises(AttributeError, match="has no attribute 'Kompressor'"):
        adapter.Kompressor  # noqa: B018
    assert {"ContextMiddleware", "PageBaseStore"} <= set(dir(adapter))

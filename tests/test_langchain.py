"""LangChain's own objects go in, LangChain's own objects come out, and the budget holds."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from chats import words

import ctxmem

pytest.importorskip("langchain")
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.messages import trim_messages as theirs
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough
from langchain_tests.integration_tests import RetrieversIntegrationTests
from pydantic import ValidationError

from ctxmem.adapters.langchain import (
    ContextCompressor,
    DuplicateFilter,
    pack_documents,
    token_counter,
)

CORPUS = json.loads((Path(__file__).parent / "data" / "histories.json").read_text("utf-8"))


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
        ({"documents": FOUND, "query": 5}, "the query is an int"),
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

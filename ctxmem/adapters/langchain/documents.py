"""Pack LangChain documents: as a compressor behind a retriever, or as a step of a chain."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, BaseDocumentTransformer, Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import Runnable, RunnableLambda
from pydantic import BaseModel, ConfigDict, StrictBool, StrictFloat, field_validator

from ctxmem.adapters.account import METADATA_KEY, accounts
from ctxmem.dedup import find_near_duplicates
from ctxmem.errors import InputTypeError, a_type
from ctxmem.intake import read_budget
from ctxmem.pipeline import pack
from ctxmem.protocols import Embed
from ctxmem.schema import Budget, Header, Order, Section, Window


class ContextCompressor(BaseDocumentCompressor):
    """Pack retrieved documents into a token budget; see `ctxmem.pack` for what that does.

    For `ContextualCompressionRetriever` and `DocumentCompressorPipeline`, sync and async. The
    documents that come back, joined by `separator`, are never above the budget. Each keeps its id
    and metadata; of repeats the best-ranked survives. Under the one metadata key "ctxmem" it says
    why it is there: `reason`, `detail`, `relevance`, `tokens`, `positions` (of itself and of all
    that it represents, in the input), `ids` and `sources` of the same.

    Documents are taken to come best first, as retrievers return them; say `ranked=False` where they
    do not. `window` returns the whole account instead of documents.

    >>> from langchain_core.documents import Document
    >>> found = [Document("Notice is thirty days.", id=i) for i in ("a", "b")]
    >>> packed = ContextCompressor(budget=50).compress_documents(found, "How long is the notice?")
    >>> [(d.id, d.metadata["ctxmem"]["positions"]) for d in packed]
    [('a', [0, 1])]
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    budget: int | Budget
    counter: Any = "o200k_base"
    dedup: Literal["careful", "exact"] | StrictBool | StrictFloat = "careful"
    dedup_threshold: float | None = None
    similar: float | None = None
    embed: Embed | None = None
    compress: StrictBool | Literal["blocks"] = True
    order: Order = "auto"
    separator: str = "\n\n"
    header: Header | None = None
    sections: Sequence[Section] | None = None
    ranked: bool = True

    @field_validator("budget")
    @classmethod
    def _is_budget(cls, budget: int | Budget) -> int | Budget:
        read_budget(budget)
        return budget

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Return as many of the documents as the budget holds, in window order."""
        window = self.window(documents, query)
        return [] if window is None else _documents(window, _with_text(documents))

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Do the same in a worker thread."""
        return await asyncio.to_thread(self.compress_documents, documents, query)

    def window(self, documents: Sequence[Document], query: str | None = None) -> Window | None:
        """Return the window with a decision for every document, None if there is no text."""
        found = _with_text(documents)
        if not found:
            return None
        options = {name: getattr(self, name) for name in type(self).model_fields}
        return pack(_distinct(found), query=query or None, **options)


class DuplicateFilter(BaseDocumentTransformer, BaseModel):
    """Keep one of the documents that repeat each other, the best-ranked, with the metadata of it.

    For pipelines that have no budget, in the place of `EmbeddingsRedundantFilter`, which keeps the
    worse-ranked. Documents are compared by their words, exactly (`threshold` as in
    `ctxmem.find_near_duplicates`); with `embeddings` also by meaning, from a cosine of `similar`
    on. Versions that say different things (`ctxmem.differences`) are all returned, unless
    `careful` is False. The metadata key "ctxmem" holds the `positions`, `ids` and `sources` of all
    that a document represents.

    >>> from langchain_core.documents import Document
    >>> found = [Document("The fee is due on Monday.", id=i) for i in ("best", "copy")]
    >>> [document.id for document in DuplicateFilter().transform_documents(found)]
    ['best']
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    threshold: float = 0.5
    embeddings: Embeddings | None = None
    similar: float = 0.95
    careful: bool = True

    def transform_documents(self, documents: Sequence[Document], **_: Any) -> Sequence[Document]:
        """Return the documents that represent themselves, in their order."""
        texts = [document.page_content for document in documents]
        meaning: dict[str, Any] = {}
        if self.embeddings is not None and texts:
            vectors = self.embeddings.embed_documents(texts)
            meaning = {"embeddings": vectors, "similar": self.similar}
        groups = find_near_duplicates(
            texts, self.threshold, prefer="first", careful=self.careful, **meaning
        )
        stands_for: dict[int, list[int]] = {}
        gone: set[int] = set()
        for group in groups:
            kept = group.representative
            for i in group:
                if i != kept:
                    stands_for.setdefault(kept, [kept]).append(i)
                    gone.add(i)
        return [
            document if i not in stands_for else _standing(document, documents, stands_for[i])
            for i, document in enumerate(documents)
            if i not in gone
        ]

    async def atransform_documents(
        self, documents: Sequence[Document], **_: Any
    ) -> Sequence[Document]:
        """Do the same in a worker thread."""
        return await asyncio.to_thread(self.transform_documents, documents)


def pack_documents(
    budget: int | Budget,
    *,
    documents_key: str | None = None,
    query_key: str | None = None,
    as_text: bool = False,
    **options: Any,
) -> Runnable[Any, Any]:
    """Return a Runnable that packs the documents it is given; sync, async and in batches.

    Its input is a list of documents, or a dict with documents under `documents_key` ("documents",
    "context" or "input_documents" if left out) and the question under `query_key` ("query",
    "question" or "input"). It returns documents as `ContextCompressor` does, or with `as_text` the
    text of the window. Other options are those of `ContextCompressor`.

    Raises `InputTypeError` when it is called with anything else.

    >>> from langchain_core.documents import Document
    >>> found = [Document("Rome is in Italy."), Document("Rome is in Italy.")]
    >>> pack_documents(budget=20, as_text=True).invoke({"documents": found, "query": "Rome?"})
    'Rome is in Italy.'
    """
    compressor = ContextCompressor(budget=budget, **options)

    def packed(given: Any) -> Any:
        documents, query = _taken(given, documents_key, query_key)
        if as_text:
            window = compressor.window(documents, query)
            return "" if window is None else window.text
        return compressor.compress_documents(documents, query)

    async def apacked(given: Any) -> Any:
        return await asyncio.to_thread(packed, given)

    return RunnableLambda(packed, afunc=apacked, name="pack_documents")


_DOCUMENTS = ("documents", "context", "input_documents")
_QUERY = ("query", "question", "input")


def _taken(
    given: Any, documents_key: str | None, query_key: str | None
) -> tuple[Sequence[Document], str]:
    query = ""
    documents = given
    if isinstance(given, Mapping):
        names = (documents_key,) if documents_key else _DOCUMENTS
        key = next((name for name in names if name in given), None)
        if key is None:
            raise InputTypeError(
                f"the input is a dict with the keys {sorted(map(str, given))}; expected documents "
                f"under {' or '.join(map(repr, names))}: name theirs with documents_key"
            )
        documents = given[key]
        names = (query_key,) if query_key else _QUERY
        found = next((given[name] for name in names if name in given), "")
        if not isinstance(found, str):
            raise InputTypeError(
                f"the query is {a_type(found)}; expected a str: name its key with query_key"
            )
        query = found
    if isinstance(documents, str) or not isinstance(documents, Sequence):
        raise InputTypeError(
            f"the documents are {a_type(documents)}; expected a list of Documents, or a "
            "dict with one"
        )
    wrong = next((d for d in documents if not isinstance(d, Document)), None)
    if wrong is not None:
        raise InputTypeError(
            f"one of the documents is {a_type(wrong)}; expected Documents: wrap a text in one"
        )
    return documents, query


def _with_text(documents: Sequence[Document]) -> list[Document]:
    """Return the documents with something in them; retrievers return others, too."""
    return [document for document in documents if document.page_content]


def _distinct(documents: Sequence[Document]) -> list[Document]:
    """Return the documents, those without an id that share it with a different text.

    Some splitters leave the id of the whole document on all its parts.
    """
    texts: dict[str, set[str]] = {}
    for document in documents:
        if document.id is not None:
            texts.setdefault(document.id, set()).add(document.page_content)
    shared = {name for name, different in texts.items() if len(different) > 1}
    if not shared:
        return list(documents)
    return [d.model_copy(update={"id": None}) if d.id in shared else d for d in documents]


def _documents(window: Window, given: Sequence[Document]) -> list[Document]:
    return [
        Document(
            id=given[at].id,
            page_content=piece.header + piece.text,
            metadata={
                **given[at].metadata,
                METADATA_KEY: {**account, **_origins(given, account["positions"])},
            },
        )
        for piece, at, account in accounts(window)
    ]


def _standing(document: Document, given: Sequence[Document], positions: list[int]) -> Document:
    account = {"positions": positions, **_origins(given, positions)}
    return document.model_copy(update={"metadata": {**document.metadata, METADATA_KEY: account}})


def _origins(given: Sequence[Document], positions: Sequence[int]) -> dict[str, Any]:
    return {
        "ids": _each(given[i].id for i in positions),
        "sources": _each(given[i].metadata.get("source") for i in positions),
    }


def _each(values: Any) -> list[Any]:
    """Return every value that is one, once, in order."""
    return list({str(value): value for value in values if value is not None}.values())

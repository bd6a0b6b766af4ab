"""The filters and fusions of LangChain and LlamaIndex as packers: their order, filled to a budget.

None of them knows a budget of tokens; their passages are taken in their order, each that still
fits. A framework that is not installed is left out, and said to be. LangChain's MMR is not here: it
takes a third of a second a question, and the packer of today of that name takes the same passages.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from .judge import Order, fill
from .packers import Packer

REDUNDANT = 0.95
CUTOFF = 0.3


def by_cosine(chunks: Sequence[Any], scores: Any) -> list[int]:
    """Return the hits from the most similar on, each text once, as these frameworks drop copies."""
    seen: dict[str, int] = {}
    for i in np.argsort(-scores[:, 0], kind="stable").tolist():
        seen.setdefault(chunks[i].text, i)
    return list(seen.values())


def redundant_filter() -> Order:
    """Drop what is close to another by its embedding: LangChain's EmbeddingsRedundantFilter."""
    from langchain_community.document_transformers import EmbeddingsRedundantFilter
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

    class Given(Embeddings):
        def __init__(self, vectors: list[list[float]]) -> None:
            self.vectors = vectors

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return self.vectors

        def embed_query(self, text: str) -> list[float]:
            raise AssertionError("the filter compares documents with each other, not with a query")

    def order(query: Any, chunks: Sequence[Any], scores: Any, embeddings: Any) -> list[int]:
        ranked = by_cosine(chunks, scores)
        given = Given(embeddings[ranked].tolist())
        library = EmbeddingsRedundantFilter(embeddings=given, similarity_threshold=REDUNDANT)
        documents = [Document(chunks[i].text, metadata={"at": i}) for i in ranked]
        return [kept.metadata["at"] for kept in library.transform_documents(documents)]

    return order


def rank_fusion() -> Order:
    """Fuse the lists by reciprocal ranks: LangChain's EnsembleRetriever."""
    from langchain_classic.retrievers.ensemble import EnsembleRetriever
    from langchain_core.documents import Document
    from langchain_core.runnables import RunnableLambda

    def order(query: Any, chunks: Sequence[Any], scores: Any, embeddings: Any) -> list[int]:
        lists = [
            [Document(chunks[i].text, metadata={"at": i}) for i in places]
            for places in lists_of(chunks)
        ]
        library = EnsembleRetriever(
            retrievers=[RunnableLambda(lambda _, found=found: found) for found in lists],
            weights=[1 / len(lists)] * len(lists),
        )
        return [kept.metadata["at"] for kept in library.invoke(query["text"])]

    return order


def lists_of(chunks: Sequence[Any]) -> list[list[int]]:
    """Return the hits of every list; where the ranks of one begin again, another question's do."""
    lists: dict[str, list[list[int]]] = {}
    for i, hit in enumerate(chunks):
        of_source = lists.setdefault(hit.source, [])
        if not of_source or chunks[of_source[-1][-1]].rank >= hit.rank:
            of_source.append([])
        of_source[-1].append(i)
    return [places for of_source in lists.values() for places in of_source]


def similarity_cutoff() -> Order:
    """Drop what is less similar than a cutoff: LlamaIndex's SimilarityPostprocessor."""
    from llama_index.core.postprocessor import SimilarityPostprocessor
    from llama_index.core.schema import NodeWithScore, TextNode

    def order(query: Any, chunks: Sequence[Any], scores: Any, embeddings: Any) -> list[int]:
        nodes = [
            NodeWithScore(node=TextNode(text=chunks[i].text, id_=str(i)), score=scores[i, 0])
            for i in by_cosine(chunks, scores)
        ]
        library = SimilarityPostprocessor(similarity_cutoff=CUTOFF)
        return [int(kept.node.node_id) for kept in library.postprocess_nodes(nodes)]

    return order


FRAMEWORKS: dict[str, tuple[Callable[[], Order], str]] = {
    "LangChain EmbeddingsRedundantFilter": (redundant_filter, "langchain-community"),
    "LangChain EnsembleRetriever": (rank_fusion, "langchain-classic"),
    "LlamaIndex SimilarityPostprocessor": (similarity_cutoff, "llama-index-core"),
}


def packers() -> tuple[dict[str, Packer], dict[str, str], list[str]]:
    """Return the packers that are installed, their packages' versions, and who is absent."""
    made: dict[str, Packer] = {}
    versions: dict[str, str] = {}
    absent = []
    for name, (make, package) in FRAMEWORKS.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of their own age
                made[name] = filling(make())
            versions[package] = version(package)
        except (ImportError, PackageNotFoundError):
            absent.append(f"{name} ({package} is not installed)")
    return made, versions, absent


def filling(order: Order) -> Packer:
    """Return the packer of an order, which is worked out once for the budgets of a question."""
    last: list[Any] = [None, ()]

    def pack(query: Any, chunks: Any, scores: Any, embeddings: Any, budget: int) -> list[str]:
        if last[0] is not chunks:
            last[:] = chunks, order(query, chunks, scores, embeddings)
        return fill(last[1], chunks, budget)

    return pack

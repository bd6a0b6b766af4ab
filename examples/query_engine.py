"""A LlamaIndex query engine before and after: what its model is shown of the retrieved nodes."""

import json
from pathlib import Path

from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode

import ctxmem
from ctxmem.adapters.llama_index import ContextPostprocessor

case = json.loads(Path(__file__).with_name("contract_review.json").read_text("utf-8"))


class Retriever(BaseRetriever):
    """Return the hits of six retrievers, best first."""

    def _retrieve(self, query_bundle):
        return [
            NodeWithScore(node=TextNode(text=hit["text"], metadata={"source": hit["source"]}))
            for hit in case["chunks"]
        ]


def shown(nodes):
    """Return what a model is shown of nodes: metadata and text."""
    return "\n\n".join(node.node.get_content(MetadataMode.LLM) for node in nodes)


for name, own in (("before", None), ("after", ContextPostprocessor(budget=400))):
    engine = RetrieverQueryEngine.from_args(
        Retriever(), llm=MockLLM(max_tokens=1), node_postprocessors=[own] if own else []
    )
    nodes = engine.query(case["query"]).source_nodes
    print(f"{name}: {len(nodes)} nodes, {ctxmem.count_tokens(shown(nodes)):,} tokens")

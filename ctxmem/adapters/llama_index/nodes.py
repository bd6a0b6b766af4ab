"""Pack LlamaIndex nodes, between a retriever and a response synthesizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from llama_index.core.bridge.pydantic import Field
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, QueryBundle
from pydantic import StrictBool, StrictFloat

from ctxmem.adapters.account import METADATA_KEY, accounts
from ctxmem.adapters.llama_index.fields import BudgetField, CounterField
from ctxmem.pipeline import pack
from ctxmem.protocols import Embed
from ctxmem.schema import Chunk, Order, Window
from ctxmem.tokens import count_tokens

ROUNDS = 6
"""Tries at making nodes fit together with their metadata; the first is nearly always enough."""


class ContextPostprocessor(BaseNodePostprocessor):
    """Pack retrieved nodes into a token budget; see `ctxmem.pack` for what that does.

    What the model is shown of the nodes that come back, their metadata by their own templates and
    `separator` between them, is never above the budget. Each keeps its id, metadata, relationships
    and score; of repeats the best-ranked survives. Under the metadata key "ctxmem", which is
    excluded from prompts and embeddings, it says why it is there: `reason`, `detail`, `relevance`,
    `tokens`, and the `positions` and `ids` of all that it represents.

    Nodes are taken to come best first; say `ranked=False` where they do not. Nodes without text,
    such as images, are passed through behind the others. `window` returns the whole account.

    >>> from llama_index.core.schema import NodeWithScore, TextNode
    >>> found = [NodeWithScore(node=TextNode(text="Notice is thirty days.", id_=i)) for i in "ab"]
    >>> packed = ContextPostprocessor(budget=50).postprocess_nodes(found, query_str="notice?")
    >>> [(n.node_id, n.node.metadata["ctxmem"]["ids"]) for n in packed]
    [('a', ['a', 'b'])]
    """

    budget: BudgetField
    counter: CounterField = "o200k_base"
    dedup: Literal["careful", "exact"] | StrictBool | StrictFloat = "careful"
    dedup_threshold: float | None = None
    similar: float | None = None
    order: Order = "auto"
    separator: str = "\n\n"
    ranked: bool = True
    embed: Embed | None = Field(default=None, exclude=True)

    @classmethod
    def class_name(cls) -> str:
        """Return the name that a round trip through a dict goes by."""
        return "ContextPostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        with_text = [node for node in nodes if node.node.get_content()]
        others = [node for node in nodes if not node.node.get_content()]
        if not with_text:
            return others
        packed: list[NodeWithScore] = []
        limit = self.budget.limit
        for _ in range(ROUNDS):
            window = self._pack(with_text, query_bundle, limit)
            packed = _nodes(window, with_text)
            shown = self.separator.join(n.node.get_content(MetadataMode.LLM) for n in packed)
            spent = count_tokens(shown, self.counter)
            if spent <= self.budget.limit or not packed:
                break
            limit -= spent - self.budget.limit
            packed = []
            if limit < 1:
                break
        return [*packed, *others]

    def window(
        self, nodes: Sequence[NodeWithScore], query: str | QueryBundle | None = None
    ) -> Window | None:
        """Return the window with a decision for every node with text, None if there is none."""
        with_text = [node for node in nodes if node.node.get_content()]
        bundle = QueryBundle(query) if isinstance(query, str) else query
        return self._pack(with_text, bundle, self.budget.limit) if with_text else None

    def _pack(
        self, nodes: Sequence[NodeWithScore], query: QueryBundle | None, limit: int
    ) -> Window:
        chunks = _chunks(nodes)
        embedded = query is not None and any(chunk.embedding is not None for chunk in chunks)
        return pack(
            chunks,
            limit,
            query=query.query_str or None if query is not None else None,
            query_embedding=query.embedding if embedded and query is not None else None,
            embed=self.embed,
            counter=self.counter,
            dedup=self.dedup,
            dedup_threshold=self.dedup_threshold,
            similar=self.similar,
            order=self.order,
            separator=self.separator,
            header=_metadata_of,
            ranked=self.ranked,
        )


def _chunks(nodes: Sequence[NodeWithScore]) -> list[Chunk]:
    texts: dict[str, set[str]] = {}
    for found in nodes:
        texts.setdefault(found.node_id, set()).add(found.node.get_content())
    chunks = []
    for found in nodes:
        node = found.node
        text = node.get_content()
        start, end = getattr(node, "start_char_idx", None), getattr(node, "end_char_idx", None)
        placed = isinstance(start, int) and isinstance(end, int) and end - start == len(text)
        chunks.append(
            Chunk(
                text,
                # A postprocessor before us may have cut one node in two.
                id=node.node_id if len(texts[node.node_id]) == 1 else None,
                score=found.score,
                embedding=node.embedding,
                source=node.ref_doc_id,
                span=(start, end) if placed else None,  # type: ignore[arg-type]
                metadata={"shown": _shown_before(node)},
            )
        )
    return chunks


def _shown_before(node: BaseNode) -> str:
    """Return what a prompt shows of a node beside its text."""
    shown, text = node.get_content(MetadataMode.LLM), node.get_content().strip()
    return shown.replace(text, "", 1) if text else shown


def _metadata_of(chunk: Chunk) -> str:
    shown: str = chunk.metadata["shown"]
    return shown


def _nodes(window: Window, given: Sequence[NodeWithScore]) -> list[NodeWithScore]:
    packed = []
    for piece, at, account in accounts(window):
        found = given[at]
        node = found.node.model_copy()
        if node.get_content() != piece.text:
            node.set_content(piece.text)
            if len(piece.chunk_ids) > 1 and piece.spans:
                _set(node, "start_char_idx", piece.spans[0][0])
                _set(node, "end_char_idx", piece.spans[-1][1])
        ids = list(dict.fromkeys(given[i].node_id for i in account["positions"]))
        node.metadata = {**node.metadata, METADATA_KEY: {**account, "ids": ids}}
        node.excluded_llm_metadata_keys = _with_key(node.excluded_llm_metadata_keys)
        node.excluded_embed_metadata_keys = _with_key(node.excluded_embed_metadata_keys)
        packed.append(NodeWithScore(node=node, score=found.score))
    return packed


def _with_key(names: list[str]) -> list[str]:
    return names if METADATA_KEY in names else [*names, METADATA_KEY]


def _set(node: Any, name: str, value: int) -> None:
    if hasattr(node, name):
        setattr(node, name, value)

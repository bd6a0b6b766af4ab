"""LlamaIndex's own objects go in, LlamaIndex's own objects come out, and the budget holds."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from chats import random_chat, words

import ctxmem
from ctxmem.errors import StoreError
from ctxmem.stores import MemoryStore

pytest.importorskip("llama_index.core")
from llama_index.core.base.llms import types
from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import ChatMessage, CustomLLM, LLMMetadata, MockLLM
from llama_index.core.memory import Memory
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import (
    ImageNode,
    MetadataMode,
    NodeRelationship,
    NodeWithScore,
    QueryBundle,
    RelatedNodeInfo,
    TextNode,
)

from ctxmem.adapters.llama_index import ContextMemory, ContextMemoryBlock, ContextPostprocessor

# Nodes --------------------------------------------------------------------------------------------


def found(*texts, **metadata):
    return [
        NodeWithScore(node=TextNode(text=text, id_=f"n{i}", metadata=metadata), score=1 - i / 10)
        for i, text in enumerate(texts)
    ]


NODES = found(
    "Notice is thirty days.",
    "Invoices are due in 45 days.",
    "Notice is thirty days.",
    "Bananas are yellow and have nothing to do with it.",
    file="contracts/msa.md",
)


def shown(nodes, separator="\n\n"):
    return separator.join(node.node.get_content(MetadataMode.LLM) for node in nodes)


def test_the_best_ranked_duplicate_survives_with_all_that_it_had():
    packed = ContextPostprocessor(budget=100).postprocess_nodes(NODES, query_str="notice")
    assert ["n0", "n1", "n3"] == sorted(node.node_id for node in packed)
    first = next(node for node in packed if node.node_id == "n0")
    assert 1.0 == first.score
    assert "contracts/msa.md" == first.node.metadata["file"]
    account = first.node.metadata["ctxmem"]
    assert ([0, 2], ["n0", "n2"]) == (account["positions"], account["ids"])
    json.dumps(account)
    assert {"file": "contracts/msa.md"} == NODES[0].node.metadata  # the input is not changed
    assert [] == NODES[0].node.excluded_llm_metadata_keys


def test_what_the_model_is_shown_is_within_the_budget_metadata_included():
    for budget in range(5, 80):
        postprocessor = ContextPostprocessor(budget=budget)
        packed = postprocessor.postprocess_nodes(NODES, query_str="How long is the notice?")
        assert ctxmem.count_tokens(shown(packed)) <= budget
        assert "positions" not in shown(packed)
        assert "positions" not in "".join(n.node.get_content(MetadataMode.EMBED) for n in packed)
    assert 3 == len(packed)
    assert "file: contracts/msa.md" in shown(packed)
    assert 4 == len(postprocessor.window(NODES, "notice").decisions)


def test_templates_and_separators_of_all_kinds_keep_the_budget():
    for template in ("{metadata_str}\n-----\n{content}\n-----\n", "<{content}>{metadata_str}</>"):
        for separator in ("\n\n", " | ", ""):
            nodes = found("one two three", "four five", "six", page=7)
            for node in nodes:
                node.node.text_template = template
            for budget in (10, 20, 30, 60):
                postprocessor = ContextPostprocessor(budget=budget, separator=separator)
                packed = postprocessor.postprocess_nodes(nodes, query_str="five")
                assert ctxmem.count_tokens(shown(packed, separator)) <= budget


def test_neighbours_of_one_document_are_stitched():
    text = "The first clause is here. The second clause is there. The third is nowhere."
    nodes = []
    for a, b in ((0, 53), (26, len(text))):
        node = TextNode(text=text[a:b], id_=str(a), start_char_idx=a, end_char_idx=b)
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="doc")
        nodes.append(NodeWithScore(node=node))
    packed = ContextPostprocessor(budget=100).postprocess_nodes(nodes, query_str="clause")
    assert [text] == [node.node.get_content() for node in packed]
    assert (0, len(text)) == (packed[0].node.start_char_idx, packed[0].node.end_char_idx)
    assert "doc" == packed[0].node.ref_doc_id
    assert text[:53] == nodes[0].node.get_content()


async def test_it_works_in_a_query_engine_sync_and_async():
    class Fixed(BaseRetriever):
        def _retrieve(self, query_bundle):
            return NODES

    engine = RetrieverQueryEngine.from_args(
        Fixed(), llm=MockLLM(), node_postprocessors=[ContextPostprocessor(budget=30)]
    )
    answer = engine.query("How long is the notice?")
    again = await engine.aquery("How long is the notice?")
    for response in (answer, again):
        ids = [node.node_id for node in response.source_nodes]
        assert "n0" in ids
        assert "n2" not in ids
        assert ctxmem.count_tokens(shown(response.source_nodes)) <= 30
    assert str(answer).count("Notice is thirty days.") == 1  # the mock model repeats its prompt


def test_nodes_without_text_and_odd_ones_pass():
    image = NodeWithScore(node=ImageNode(image="AAAA"))
    packed = ContextPostprocessor(budget=30).postprocess_nodes([image, *NODES[:1]])
    assert ["n0", image.node_id] == [node.node_id for node in packed]
    assert [image] == ContextPostprocessor(budget=30).postprocess_nodes([image])
    assert [] == ContextPostprocessor(budget=30).postprocess_nodes([])
    same_id = [NodeWithScore(node=TextNode(text=text, id_="x")) for text in ("one", "two")]
    packed = ContextPostprocessor(budget=30).postprocess_nodes(same_id)
    assert {"one", "two"} == {node.node.get_content() for node in packed}
    huge = found("word " * 5000)
    (part,) = ContextPostprocessor(budget=30).postprocess_nodes(huge, query_str="word")
    assert 0 < ctxmem.count_tokens(part.node.get_content()) <= 30  # as much as there is room for


def test_embeddings_of_query_and_nodes_are_used_where_both_are_there():
    nodes = found("left is left", "right is right")
    for node, vector in zip(nodes, ([1.0, 0.0], [0.0, 1.0]), strict=True):
        node.score, node.node.embedding = None, vector
    for vector, best in (([1.0, 0.0], "n0"), ([0.0, 1.0], "n1")):
        postprocessor = ContextPostprocessor(budget=4, ranked=False)
        bundle = QueryBundle("?", embedding=vector)
        assert [best] == [n.node_id for n in postprocessor.postprocess_nodes(nodes, bundle)]


def test_postprocessors_make_a_round_trip():
    made = ContextPostprocessor(
        budget=ctxmem.Budget(900, reserve=100),
        counter="cl100k_base",
        dedup_threshold=0.7,
        order="score",
    )
    told = made.to_dict()
    assert "ContextPostprocessor" == told["class_name"]
    again = ContextPostprocessor.from_dict(json.loads(json.dumps(told)))
    assert told == again.to_dict()
    assert ctxmem.Budget(900, reserve=100) == again.budget
    assert (
        50 == ContextPostprocessor.from_json(ContextPostprocessor(budget=50).to_json()).budget.limit
    )
    own = ContextPostprocessor(budget=50, counter=words).to_dict()
    with pytest.raises(ValueError, match="counter"):
        ContextPostprocessor.from_dict(own)  # a function does not survive, and says so


def test_wrong_options_are_refused_when_they_are_given():
    for make in (ContextPostprocessor, ContextMemory, ContextMemoryBlock):
        with pytest.raises(ValueError, match="budget is 0 tokens"):
            make(budget=0)
        with pytest.raises(ValueError, match="cannot count tokens"):
            make(budget=5, counter=5)
    with pytest.raises(ctxmem.InputError, match="low_water is 3"):
        ContextMemory(budget=5, low_water=3)
    with pytest.raises(ctxmem.InputError, match="provider is 'acme'"):
        ContextMemory(budget=5, provider="acme")
    with pytest.raises(ctxmem.InputError, match="neither budget nor llm"):
        ContextMemory.from_defaults()


# Memory -------------------------------------------------------------------------------------------


def calling(i):
    """Return a message with a tool call: a block of its own since llama-index-core 0.14."""
    term, said = "word " * 40, TextBlock(text="Looking.")
    if hasattr(types, "ToolCallBlock"):
        made = types.ToolCallBlock(
            tool_call_id=f"c{i}", tool_name="look", tool_kwargs={"term": term}
        )
        return ChatMessage(role="assistant", blocks=[said, made])
    function = {"name": "look", "arguments": json.dumps({"term": term})}
    calls = [{"id": f"c{i}", "type": "function", "function": function}]
    return ChatMessage(role="assistant", blocks=[said], additional_kwargs={"tool_calls": calls})


def turn(i):
    return [
        ChatMessage(role="user", content=f"question {i}"),
        calling(i),
        ChatMessage(
            role="tool", content="found " * 30, additional_kwargs={"tool_call_id": f"c{i}"}
        ),
        ChatMessage(role="assistant", content=f"answer {i}"),
    ]


def test_no_get_is_ever_above_the_budget_and_no_pair_is_cut():
    memory = ContextMemory(budget=400)
    memory.put(ChatMessage(role="system", content="Be brief."))
    put = 1
    for i in range(12):
        for message in turn(i):
            memory.put(message)
            put += 1
            window = memory.get(input="what?")
            assert ctxmem.count_messages(window) <= 400
            assert [] == [f for f in ctxmem.check(window) if f.kind == "orphan_result"]
            assert "Be brief." == window[0].content
            assert f"question {i}" in [m.content for m in window]
    assert put == len(memory.get_all())
    assert len(window) < 20


def test_chat_engines_tell_what_stands_before_and_it_is_taken_off():
    memory = ContextMemory(budget=400)
    memory.put_messages([message for i in range(6) for message in turn(i)])
    assert ctxmem.count_messages(memory.get(initial_token_count=100)) <= 300
    with pytest.raises(ctxmem.BudgetError, match="initial_token_count is 400"):
        memory.get(initial_token_count=400)


async def test_a_chat_engine_runs_on_it_sync_and_async():
    class Echo(CustomLLM):
        sent: list

        @property
        def metadata(self):
            return LLMMetadata(context_window=1000, num_output=100)

        def chat(self, messages, **_):
            self.sent.append(messages)
            return super().chat(messages)

        async def achat(self, messages, **_):
            return self.chat(messages)

        def complete(self, prompt, formatted=False, **_):
            from llama_index.core.llms import CompletionResponse

            return CompletionResponse(text="word " * 20)

        def stream_complete(self, prompt, formatted=False, **_):
            raise NotImplementedError

    llm = Echo(sent=[])
    memory = ContextMemory.from_defaults(llm=llm, budget=120)
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory)
    for i in range(4):
        engine.chat(f"question {i}")
        await engine.achat(f"again {i}")
    assert all(ctxmem.count_messages(sent) <= 120 for sent in llm.sent)
    assert "again 3" == llm.sent[-1][-1].content
    assert 16 == len(memory.get_all())
    assert 900 == ContextMemory.from_defaults(llm=llm).budget.limit


def test_pins_that_do_not_fit_are_named():
    memory = ContextMemory(budget=20, counter=words)
    memory.put(ChatMessage(content="word " * 50))
    with pytest.raises(ctxmem.BudgetError, match=r"message 0 \(user\)"):
        memory.get()


def test_set_and_reset_replace_what_was_there():
    memory = ContextMemory.from_defaults(chat_history=turn(0), budget=900)
    assert 4 == len(memory.get_all())
    memory.set(turn(1)[:1])
    assert ["question 1"] == [message.content for message in memory.get_all()]
    memory.reset()
    assert [] == memory.get() == memory.get_all()


def test_memories_over_one_store_share_their_session_and_no_other():
    pages = MemoryStore()
    left, right = (ContextMemory(budget=900, store=pages, session="s") for _ in range(2))
    left.put_messages(turn(0))
    right.put_messages(turn(1))
    assert 8 == len(left.get_all()) == len(right.get_all())
    assert left.get_all() == right.get_all()
    assert [] == ContextMemory(budget=900, store=pages).get_all()
    pages.delete_session("llama_index", "s")
    assert [] == left.get_all()


def test_a_memory_in_a_file_is_there_again(tmp_path):
    memory = ContextMemory(budget=900, store=str(tmp_path / "chat.db"), session="s")
    memory.put_messages(turn(0))
    told = json.loads(memory.to_json())
    assert "messages" not in told
    memory.close()
    again = ContextMemory.from_dict(told)
    assert [m.model_dump() for m in turn(0)] == [m.model_dump() for m in again.get_all()]
    again.close()


def test_a_store_that_fails_adds_nothing():
    class Failing(MemoryStore):
        def append(self, *_, **__):
            raise StoreError("the disk is full")

    memory = ContextMemory(budget=900, store=Failing())
    with pytest.raises(StoreError, match="the disk is full"):
        memory.put(turn(0)[0])
    assert [] == memory.get_all()


def test_memories_make_a_round_trip_with_every_kind_of_block():
    chat = turn(0)
    chat.append(ChatMessage(role="user", blocks=[ImageBlock(image=b"\x89PNG", detail="low")]))
    memory = ContextMemory.from_defaults(chat_history=chat, budget=900, low_water=0.7)
    for told in (memory.to_dict(), json.loads(memory.to_json())):
        again = ContextMemory.from_dict(told)
        assert memory.to_dict() == again.to_dict()
        assert [m.model_dump() for m in chat] == [m.model_dump() for m in again.get_all()]
        assert 0.7 == again.low_water
        assert "messages" in told  # what is given is not changed


def test_the_whole_history_is_searched():
    memory = ContextMemory(budget=100)
    memory.put_messages([ChatMessage(f"The port of server {i} is 80{i}0.") for i in range(20)])
    assert "The port of server 7 is 8070." == memory.recall("port of server 7", 1)[0].content


# Blocks -------------------------------------------------------------------------------------------


def test_a_block_tells_what_matters_of_what_was_ejected(tiktoken_encoding):
    block = ContextMemoryBlock(budget=40)
    memory = Memory.from_defaults(
        session_id="s",
        token_limit=150,
        chat_history_token_ratio=0.5,
        memory_blocks=[block],
        tokenizer_fn=tiktoken_encoding("cl100k_base").encode_ordinary,
    )

    async def chat():
        await memory.aput(ChatMessage(role="user", content="My name is Ann and I sail."))
        await memory.aput(ChatMessage(role="assistant", content="Hello Ann."))
        for i in range(12):
            await memory.aput(ChatMessage(role="user", content=f"Filler number {i} is here."))
            await memory.aput(ChatMessage(role="assistant", content="Some words. " * 4))
        await memory.aput(ChatMessage(role="user", content="What is my name?"))
        return await memory.aget()

    given = asyncio.run(chat())
    assert "system" == given[0].role
    assert "My name is Ann" in given[0].content
    assert "My name is Ann" not in "".join(message.content for message in given[1:])


async def test_sessions_of_a_block_are_kept_apart_and_it_is_cut_on_request():
    block = ContextMemoryBlock(budget=60)
    for session, name in (("a", "Ann"), ("b", "Bob")):
        said = [ChatMessage(f"My name is {name}."), ChatMessage("Bananas are yellow.")]
        await block.aput(said, session_id=session)
    asked = [ChatMessage("What is my name?")]
    told = await block.aget(asked, session_id="a")
    assert "Ann" in told
    assert "Bob" not in told
    assert "" == await block.aget(asked, session_id="c")
    told = await block.aget(asked, session_id="b")
    shorter = await block.atruncate(told, 6)
    assert ctxmem.count_tokens(shorter) <= ctxmem.count_tokens(told) - 6
    assert "Bob" in shorter
    assert await block.atruncate(told, 100) is None


def test_blocks_make_a_round_trip():
    block = ContextMemoryBlock(budget=60, name="facts", priority=2)
    again = ContextMemoryBlock(**json.loads(json.dumps(block.model_dump())))
    assert block.model_dump() == again.model_dump()


# Imports ------------------------------------------------------------------------------------------


def test_what_get_returns_is_accepted_whatever_was_put():
    rng = random.Random(15)
    for _ in range(150):
        memory = ContextMemory(budget=rng.choice([150, 400, 2000]))
        for message in random_chat(rng, rng.randrange(2, 16)):
            extra = {key: message[key] for key in ("tool_calls", "tool_call_id") if key in message}
            memory.put(
                ChatMessage(
                    role=message["role"], content=message["content"], additional_kwargs=extra
                )
            )
            try:
                window = memory.get()
            except ctxmem.BudgetError as error:
                assert error.pinned
                continue
            found = [f for f in ctxmem.check(window, provider="openai") if f.rule]
            assert [] == [f for f in found if "in flight" not in f.detail]
            assert ctxmem.count_messages(window) <= memory.budget.limit

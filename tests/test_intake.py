"""Frameworks' own objects are taken in by their shape."""

from __future__ import annotations

import pytest

from ctxmem import Chunk, pack
from ctxmem.intake import content_id, read
from ctxmem.messages import as_chunks


def read_chat(messages):
    chunks, chat = as_chunks(messages)
    return read(chunks, conversation=chat)


def test_langchain_documents_bring_id_source_and_place():
    documents = pytest.importorskip("langchain_core.documents")
    document = documents.Document(
        "the text", id="d1", metadata={"source": "a.md", "start_index": 7, "page": 3}
    )
    chunk = read([document]).chunks[0]
    assert (chunk.text, chunk.id, chunk.source, chunk.span) == ("the text", "d1", "a.md", (7, 15))
    assert chunk.metadata == {"source": "a.md", "start_index": 7, "page": 3}
    scored = read([(document, 0.25)]).chunks[0]
    assert (scored.id, scored.score) == ("d1", 0.25)


def test_llama_index_nodes_bring_score_and_place():
    schema = pytest.importorskip("llama_index.core.schema")
    node = schema.TextNode(
        text="the text", id_="n1", start_char_idx=3, end_char_idx=11, embedding=[1.0, 0.0]
    )
    node.relationships[schema.NodeRelationship.SOURCE] = schema.RelatedNodeInfo(node_id="doc")
    chunk = read([schema.NodeWithScore(node=node, score=0.5)]).chunks[0]
    assert (chunk.id, chunk.score, chunk.source, chunk.span) == ("n1", 0.5, "doc", (3, 11))
    assert read([node]).chunks[0].embedding == [1.0, 0.0]


def test_langchain_messages_are_a_chat():
    messages = pytest.importorskip("langchain_core.messages")
    chat = [
        messages.SystemMessage("Be brief."),
        messages.HumanMessage("What is it?"),
        messages.AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "t1"}]),
        messages.ToolMessage("a cat", tool_call_id="t1"),
    ]
    table = read_chat(chat)
    assert table.conversation
    assert ["system: Be brief.", "user: What is it?"] == [c.text for c in table.chunks[:2]]
    assert [(), (), (3,), (2,)] == table.needs
    assert [True, True, True, True] == [chunk.pinned for chunk in read_chat(chat[:3]).chunks] + [
        table.chunks[1].pinned
    ]  # the call is in flight until its result is there
    assert [True, True, False, False] == [chunk.pinned for chunk in table.chunks]


def test_anthropic_blocks_are_a_chat():
    chat = [
        {"role": "user", "content": [{"type": "text", "text": "look"}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "it"}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x"}]},
    ]
    table = read_chat(chat)
    assert [(), (2,), (1,)] == table.needs
    assert [True, False, False] == [chunk.pinned for chunk in table.chunks]
    assert '"name": "look"' in table.chunks[1].text


def test_units_require_each_other_as_trim_messages_keeps_them():
    call = {"id": "t", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    turn = [
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t", "content": "x"},
    ]
    # Ids are numbered anew in every turn: a call goes with its own result, not with all of the id.
    assert [(), (2,), (1,), (), (5,), (4,)] == read_chat([*turn, *turn]).needs
    items = [
        {"role": "user", "content": "look"},
        {"type": "reasoning", "id": "r", "summary": []},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
    ]
    assert [(), (2, 3), (1, 3), (1, 2)] == read_chat(items).needs


def test_a_picture_in_a_chat_is_named_and_not_written_out():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9999}}
    chat = [{"role": "user", "content": [picture, {"type": "text", "text": "What is it?"}]}]
    assert "user: [image_url]\nWhat is it?" == read_chat(chat).chunks[0].text


def test_a_message_among_passages_is_a_passage():
    messages = pytest.importorskip("langchain_core.messages")
    mixed = ["a passage", messages.HumanMessage("hi"), {"role": "user", "content": "ho"}]
    table = read_chat(mixed)
    assert not table.conversation
    assert ["a passage", "user: hi", "ho"] == [chunk.text for chunk in table.chunks]


def test_dicts_name_their_fields():
    chunk = read([{"page_content": "t", "id": 7, "rank": 2, "span": [0, 1], "other": "x"}]).chunks[
        0
    ]
    assert (chunk.text, chunk.id, chunk.rank, chunk.span) == ("t", "7", 2, (0, 1))


def test_a_text_without_an_id_is_named_by_its_content():
    assert read(["same"]).chunks[0].id == read([Chunk("same")]).chunks[0].id == content_id("same")
    assert content_id("lone \ud83d") != content_id("lone \ud83e")


def test_metadata_and_indentation_come_through():
    window = pack([Chunk("\n\n    return x\n", metadata={"page": 1})], 20)
    assert window.text == "    return x"
    assert window.table.chunks[0].metadata == {"page": 1}


def test_one_item_out_of_place_is_named_not_guessed():
    with pytest.raises(TypeError, match="chunk 1 is a object"):
        read(["a", object()])

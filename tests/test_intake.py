"""Frameworks' own objects are taken in by their shape."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import uuid
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath

import numpy as np
import pytest
from chats import words

import ctxmem
from ctxmem import Chunk, InputError, InputTypeError, Section, pack
from ctxmem.chat import as_chunks
from ctxmem.intake import content_id, read


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
    chunk = Chunk("\n\n    return x\n", metadata={"page": 1})
    assert pack([chunk], 20).text == "    return x"
    assert read([chunk]).chunks[0].metadata == {"page": 1}


def test_one_item_out_of_place_is_named_not_guessed():
    with pytest.raises(TypeError, match="chunk 1 is an object"):
        read(["a", object()])


# Neighbouring types


def one(**fields):
    return read([{"text": "a passage", **fields}]).chunks[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.int64(2), 2.0),
        (Decimal("0.5"), 0.5),
    ],
)
def test_a_score_may_be_any_number(given, expected):
    for score in (one(score=given).score, read([("a passage", given)]).chunks[0].score):
        assert (score, type(score)) == (expected, float)


@pytest.mark.parametrize("given", [np.int64(3), np.uint8(3), 3.0, np.float64(3)])
def test_a_rank_may_be_any_whole_number(given):
    rank = read([Chunk("a passage", rank=given)]).chunks[0].rank
    assert (rank, type(rank)) == (3, int)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        *((gap, None) for gap in (None, math.nan, np.float32("nan"), Decimal("NaN"))),
        *((odd, None) for odd in (math.inf, True, Decimal("sNaN"), 10**400, [1], {})),
        *((text, None) for text in ("", "nan", "inf", "4/5", "high", "1e999", "0x10", "1_0", "٣")),
        *((number, 0.5) for number in (0.5, np.float32(0.5), Decimal("0.5"))),
        *((text, 0.5) for text in ("0.5", " +.5", "5e-1")),
        (4, 4.0),
        ("-3", -3.0),
    ],
)
def test_a_score_in_metadata_is_a_finite_number_or_none(given, expected):
    documents = pytest.importorskip("langchain_core.documents")
    assert one(metadata={"score": given}).score == expected
    document = documents.Document("a passage", metadata={"relevance_score": given})
    assert read([document]).chunks[0].score == expected
    assert one(metadata={"score": given}, score=7.0).score == 7.0  # the caller's own goes first


def test_a_gap_in_a_row_is_nothing_but_the_score_is_checked():
    row = dict.fromkeys(["id", "source", "rank", "list", "section", "embedding"], math.nan)
    chunk = one(**row)
    assert (chunk.id, chunk.source, chunk.rank) == (content_id("a passage"), None, None)
    with pytest.raises(InputError, match="score nan; expected a finite number"):
        one(score=math.nan)


class Wiki(str):
    pass


class Place(str, Enum):
    WIKI = "wiki"


class Plain(Enum):
    WIKI = 1


KEY = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Wiki("wiki"), "wiki"),
        (Place.WIKI, "wiki"),  # as it compares
        (Plain.WIKI, "Plain.WIKI"),
        (PurePosixPath("a/b.md"), "a/b.md"),
        (KEY, "00000000-0000-0000-0000-000000000007"),
        (np.str_("wiki"), "wiki"),
        (np.int64(7), "7"),
    ],
)
def test_ids_and_sources_are_taken_by_their_text(given, expected):
    chunk = one(id=given, source=given, list=given)
    for name in (chunk.id, chunk.source, chunk.list):
        assert (name, type(name)) == (expected, str)
    if not isinstance(given, np.integer):
        assert one(metadata={"source": given}).source == expected
    chunks = [
        Chunk("the key", id=given, section=given),
        Chunk("the note", requires=[given], pinned=True),
    ]
    window = pack(chunks, 50, counter=words, sections=[Section(given)])
    assert (window.decisions[0].chunk_id, window.decisions[0].kept) == (expected, True)
    pickle.loads(pickle.dumps(window))


@pytest.mark.parametrize("id", [b"x", 1.5, True, ["x"]])
def test_what_is_no_id_is_refused(id):
    with pytest.raises(
        InputTypeError, match=r"id is not a str but of type .*; expected a str, an int"
    ):
        read([Chunk("a", id=id)])


def test_a_text_may_be_of_a_subclass_of_str():
    chunk = read([Wiki("a passage")]).chunks[0]
    assert (chunk.text, type(chunk.text)) == ("a passage", str)
    assert chunk.id == content_id("a passage")


class PandasFrame:
    columns = property(lambda self: ["text"])

    def __iter__(self):
        return iter(self.columns)

    def to_dict(self, orient):
        raise AssertionError("a table is not read")


class PolarsFrame(PandasFrame):
    def to_dicts(self):
        raise AssertionError("a table is not read")


class LazyFrame:
    columns = property(lambda self: ["text"])

    def collect(self):
        raise AssertionError("a table is not read")


class ArrowTable:
    column_names = property(lambda self: ["text"])

    def __iter__(self):
        return iter(self.column_names)

    def to_pylist(self):
        raise AssertionError("a table is not read")


def real_frame():
    return pytest.importorskip("pandas").DataFrame({"text": ["a b c"], "score": [0.5]})


TABLES = [
    (PandasFrame, r'df.to_dict\("records"\)', r'df\["text"\].tolist\(\)'),
    (real_frame, r'df.to_dict\("records"\)', r'df\["text"\].tolist\(\)'),
    (PolarsFrame, r"df.to_dicts\(\)", r'df\["text"\].to_list\(\)'),
    (LazyFrame, r"df.collect\(\).to_dicts\(\)", r'df.collect\(\)\["text"\].to_list\(\)'),
    (ArrowTable, r"table.to_pylist\(\)", r'table\["text"\].to_pylist\(\)'),
]


@pytest.mark.parametrize(("table", "rows", "column"), TABLES)
def test_a_table_is_refused_with_how_to_convert_it(table, rows, column):
    for call in (
        lambda: pack(table(), 10, counter=words),
        lambda: ctxmem.audit(table(), counter=words),
        lambda: ctxmem.count_messages(table(), words),
        lambda: ctxmem.check(table()),
    ):
        with pytest.raises(InputTypeError, match=f"is a table .*; expected a list.*: give {rows}"):
            call()
    for call in (
        lambda: ctxmem.find_near_duplicates(table()),
        lambda: ctxmem.minhash(table()),
        lambda: ctxmem.DedupIndex().add(["a"], table()),
        lambda: ctxmem.DedupIndex().query(table()),
    ):
        with pytest.raises(InputTypeError, match=f"texts is a table .*: give {column} .*{rows}"):
            call()


def test_rows_of_a_table_are_packed():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(
        {"text": ["Notice is thirty days.", "Rent is due."], "score": [0.9, 0.1], "rank": [0, None]}
    )
    read_rows = read(table.to_dict("records")).chunks
    assert [(chunk.score, chunk.rank) for chunk in read_rows] == [(0.9, 0), (0.1, None)]
    assert "thirty" in pack(table["text"], 10, counter=words).text
    assert [[0, 1]] == ctxmem.find_near_duplicates(pandas.Series(["a b c"] * 2))


def test_arrays_of_texts_are_lists_of_texts():
    texts = np.array(["a b c d", "a b c d", "other"])
    assert {"a b c d", "other"} == {piece.text for piece in pack(texts, 10, counter=words).pieces}
    assert {str} == {type(chunk.text) for chunk in read(texts).chunks}
    assert [[0, 1]] == ctxmem.find_near_duplicates(texts)
    for odd, message in [
        (np.array("a b"), "chunks is a ndarray"),
        (np.array([["a", "b"]]), "chunk 0 is a ndarray"),
        (np.array([1.0]), "chunk 0 is a float64"),
    ]:
        with pytest.raises(InputTypeError, match=message):
            pack(odd, 10, counter=words)


def test_public_data_is_pickled_and_copied():
    window = pack(["Notice is thirty days. Rent is due.", "Notice is due."], 6, counter=words)
    memory = ctxmem.Memory(1000, counter=words)
    memory.append({"role": "user", "content": "hi"})
    record = {"query": "q", "hits": [{"text": "a b c d e"}] * 2}
    audit = ctxmem.audit([record], counter=words)
    made = [
        *(window, window.pieces[0], window.decisions[0], memory.window(), audit),
        *(
            audit.findings[0],
            ctxmem.Budget(5),
            Section("a"),
            Chunk("a"),
            Chunk("a", metadata={1: 2}),
        ),
        *(ctxmem.Alternative("a"), next(iter(ctxmem.PRICES.values()))),
        ctxmem.find_near_duplicates(["a b c", "a b c"])[0],
    ]
    for value in made:
        for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
            assert type(again) is type(value)
            if dataclasses.is_dataclass(value):
                for field in dataclasses.fields(value):
                    if field.name not in ("_inputs", "_at"):
                        assert repr(getattr(again, field.name)) == repr(getattr(value, field.name))
    assert pickle.loads(pickle.dumps(window)).explain() == window.explain()


def test_public_errors_are_pickled_with_what_they_carry():
    for error in (
        ctxmem.BudgetError("m", pinned=["a"]),
        ctxmem.VocabularyError("m", tried=["a"]),
        ctxmem.ConflictError("m", expected=1, actual=2),
        ctxmem.PageDamageError("m", tenant="t", session="s", key=3),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), "m", vars(error))


@pytest.mark.parametrize("score", [0.7, 3, np.float32(0.5), np.int64(4)])
@pytest.mark.parametrize("passage", ["a text", Chunk("a text"), {"text": "a text"}])
def test_a_pair_with_the_score_first_is_named_with_what_to_do(score, passage):
    with pytest.raises(InputTypeError, match=r"^chunk 1 is the pair .* turn the pair round"):
        pack(["first", (score, passage)], 50)
    assert "a text" in pack(["first", (passage, score)], 50).text


def test_a_pair_of_numbers_is_no_turned_pair():
    with pytest.raises(InputTypeError) as error:
        pack([(0.5, 0.7)], 50)
    assert "turn" not in str(error.value)

"""Haystack: documents packed and messages trimmed, in the framework's own pipelines."""

# Annotations are no strings here: Haystack before 3 would not connect the components below.

import inspect
import json
import random

import pytest
from chats import no_half_pairs, random_chat, same_objects
from fuzz_size import some

import ctxmem
from ctxmem import BudgetError, InputError

pytest.importorskip("haystack")
from haystack import Document, Pipeline, component
from haystack.components.builders import PromptBuilder
from haystack.components.retrievers import InMemoryBM25Retriever
from haystack.dataclasses import ByteStream, ChatMessage, ImageContent, TextContent, ToolCall
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.tools import Tool, Toolset

from ctxmem.adapters.haystack import DocumentPacker, MessageTrimmer

NOTICE = [
    Document(content="Notice is thirty days.", id="a", meta={"source": "amendment.md"}, score=0.9),
    Document(content="Invoices are due in 45 days.", id="b", meta={"source": "msa.md"}, score=0.5),
    Document(content="Notice is thirty days.", id="c", meta={"source": "copy.md"}, score=0.4),
]


# Documents ----------------------------------------------------------------------------------------


def test_repeats_are_kept_once_and_documents_stay_what_they_are():
    before = [document.to_dict() for document in NOTICE]
    packed = DocumentPacker(400).run(NOTICE, "How long is the notice?")
    first, second = packed["documents"]
    assert ("a", "amendment.md", 0.9) == (first.id, first.meta["source"], first.score)
    assert ["a", "c"] == first.meta["ctxmem"]["ids"]
    assert [0, 2] == first.meta["ctxmem"]["positions"]
    assert "b" == second.id
    assert "\n\n".join(d.content for d in packed["documents"]) == packed["text"]
    assert before == [document.to_dict() for document in NOTICE]


@pytest.mark.parametrize("seed", range(8))
def test_random_documents_are_within_the_budget_in_a_stable_form(seed):
    rng = random.Random(seed)
    texts = [
        f"Clause {i} says: " + "payment notice term fee " * rng.randrange(1, 12) for i in range(12)
    ]
    found = [Document(content=rng.choice(texts), meta={"n": i}) for i in range(30)]
    for separator in ("\n\n", " | "):
        packer = DocumentPacker(rng.randrange(20, 300), separator=separator)
        packed = packer.run(found, "How long is the notice term?")
        joined = separator.join(d.content for d in packed["documents"])
        assert ctxmem.count_tokens(joined) <= packer.budget
        assert ctxmem.count_tokens(packed["text"]) <= packer.budget
        assert packed["documents"] == packer.run(found, "How long is the notice term?")["documents"]
        assert 30 == len(packer.window(found).decisions)


def test_documents_without_text_pass_behind_the_others_and_none_at_all_is_none():
    image = Document(blob=ByteStream(b"\x89PNG"))
    packer = DocumentPacker(400)
    assert NOTICE[0].id == packer.run([image, NOTICE[0]])["documents"][0].id
    assert image is packer.run([image, NOTICE[0]])["documents"][-1]
    assert {"documents": [], "text": ""} == packer.run([])
    assert {"documents": [image], "text": ""} == packer.run([image])
    assert packer.window([image]) is None


def test_parts_of_one_document_that_share_its_id_are_both_kept():
    parts = [Document(content=text, id="same") for text in ("Rome is in Italy.", "Oslo is cold.")]
    packed = DocumentPacker(400).run(parts)
    assert ["same", "same"] == [document.id for document in packed["documents"]]


@component
class Echo:
    """A generator that answers with its prompt or its last message."""

    @component.output_types(replies=list[str])
    def run(self, prompt: str) -> dict[str, list[str]]:
        return {"replies": [prompt]}


@component
class ChatEcho:
    """A chat generator that remembers what it was sent."""

    @component.output_types(replies=list[ChatMessage])
    def run(self, messages: list[ChatMessage]) -> dict[str, list[ChatMessage]]:
        return {"replies": messages}


def rag():
    store = InMemoryDocumentStore()
    store.write_documents(NOTICE)
    pipeline = Pipeline()
    pipeline.add_component("retriever", InMemoryBM25Retriever(store))
    pipeline.add_component("packer", DocumentPacker(60))
    template = "{{ text }}\n\n{{ question }}"
    pipeline.add_component(
        "prompt", PromptBuilder(template, required_variables=["text", "question"])
    )
    pipeline.add_component("model", Echo())
    pipeline.connect("retriever.documents", "packer.documents")
    pipeline.connect("packer.text", "prompt.text")
    pipeline.connect("prompt.prompt", "model.prompt")
    return pipeline


def test_a_pipeline_packs_between_retriever_and_prompt():
    asked = "How long is the notice?"
    made = rag().run(
        {"retriever": {"query": asked}, "packer": {"query": asked}, "prompt": {"question": asked}}
    )
    (prompt,) = made["model"]["replies"]
    assert 1 == prompt.count("Notice is thirty days.")


def test_a_pipeline_is_written_and_read_back():
    pipeline = Pipeline()
    pipeline.add_component("packer", DocumentPacker(60, separator=" | ", compress="blocks"))
    pipeline.add_component("trimmer", MessageTrimmer(90, provider="anthropic", low_water=None))
    # Since Haystack 3 a pipeline's own modules have to be allowed by whoever loads it.
    known = "allowed_modules" in inspect.signature(Pipeline.loads).parameters
    allowed = {"allowed_modules": ["ctxmem.adapters.haystack"]} if known else {}
    again = Pipeline.loads(pipeline.dumps(), **allowed)
    packer, trimmer = again.get_component("packer"), again.get_component("trimmer")
    assert (60, " | ", "blocks") == (packer.budget, packer.separator, packer.compress)
    assert (90, "anthropic", None) == (trimmer.budget, trimmer.provider, trimmer.low_water)
    for made in (DocumentPacker(60, counter=len), MessageTrimmer(60, counter=len)):
        with pytest.raises(InputError, match="counter"):
            made.to_dict()


def test_options_are_checked_when_a_component_is_made():
    for wrong in (
        lambda: DocumentPacker(0),
        lambda: DocumentPacker(9, order="sideways"),
        lambda: MessageTrimmer(-1),
        lambda: MessageTrimmer(9, low_water=2),
        lambda: MessageTrimmer(9, provider="x"),
    ):
        with pytest.raises((BudgetError, InputError)):
            wrong()


# Messages -----------------------------------------------------------------------------------------


def to_haystack(chat):
    made, calls = [], {}
    for message in chat:
        role, content = message["role"], message["content"]
        if role == "system":
            made.append(ChatMessage.from_system(content))
        elif role == "user":
            made.append(ChatMessage.from_user(content))
        elif role == "tool":
            key = message["tool_call_id"]
            origin = calls.get(key) or ToolCall("look_up", {}, id=key)
            made.append(ChatMessage.from_tool(content, origin=origin))
        else:
            called = [
                ToolCall(c["function"]["name"], {}, id=c["id"])
                for c in message.get("tool_calls", ())
            ]
            calls.update({call.id: call for call in called})
            made.append(ChatMessage.from_assistant(content, tool_calls=called or None))
    return made


def from_haystack(messages):
    return [message.to_openai_dict_format(require_tool_call_ids=False) for message in messages]


@pytest.mark.parametrize("rounds", [60, pytest.param(some(1500), marks=pytest.mark.slow)])
def test_random_chats_stay_whole_within_the_budget_and_unchanged(rounds, recount):
    rng = random.Random(rounds)
    refused = 0
    for _ in range(rounds):
        given = to_haystack(random_chat(rng, rng.randrange(1, 16)))
        budget = rng.randrange(1, ctxmem.count_messages(from_haystack(given)) + 20)
        before = json.dumps([message.to_dict() for message in given])
        try:
            made = MessageTrimmer(budget, low_water=rng.choice([None, 0.5])).run(given)
        except BudgetError as error:
            refused += 1
            assert error.pinned or budget <= 3
            continue
        sent = from_haystack(made["messages"])
        assert recount([{"content": None, **one} for one in sent]) <= budget
        assert made["tokens"] <= budget
        assert no_half_pairs([{"content": None, **one} for one in sent])
        found = {finding.kind for finding in ctxmem.check(sent)}
        assert found <= {"open_call", "duplicate_message"}
        assert before == json.dumps([message.to_dict() for message in given])
    assert refused < rounds / 2


def test_what_fits_is_the_very_same_messages_of_every_kind():
    call = ToolCall("look", {"term": "lease"}, id="c1")
    image = ImageContent(base64_image="iVBORw0KGgo=", mime_type="image/png", validation=False)
    given = [
        ChatMessage.from_system("Be exact."),
        ChatMessage.from_user(content_parts=["Look:", image], name="ann"),
        ChatMessage.from_assistant(tool_calls=[call], reasoning="Hm."),
        ChatMessage.from_tool([TextContent("found")], origin=call),
        ChatMessage.from_assistant("Thirty days.", meta={"model": "m"}),
    ]
    assert same_objects(given, MessageTrimmer(100_000).run(given)["messages"])


def test_calls_without_ids_are_kept_with_their_results():
    given = []
    for i in range(8):
        calls = [ToolCall("look", {"n": i}), ToolCall("look", {"n": i, "more": True})]
        given += [
            ChatMessage.from_user(f"question {i}"),
            ChatMessage.from_assistant(tool_calls=calls),
        ]
        given += [ChatMessage.from_tool("found " * 9, origin=call) for call in calls]
    made = MessageTrimmer(260, low_water=None).run(given)["messages"]
    assert same_objects(given[-len(made) :], made)
    assert len(made) % 4 == 0 and 4 <= len(made) < 32


def test_a_long_result_is_shown_in_part_with_all_else_of_it():
    call = ToolCall("read", {"path": "a.txt"}, id="c1")
    image = ImageContent(base64_image="iVBORw0KGgo=", mime_type="image/png", validation=False)
    long = "line of text\n" * 9000
    for result, images in ((long, 0), ([TextContent(long), image], 1)):
        given = [
            ChatMessage.from_user("Read a.txt."),
            ChatMessage.from_assistant(tool_calls=[call]),
            ChatMessage.from_tool(result, origin=call, error=True, meta={"took": 3}),
        ]
        made = MessageTrimmer(6000).run(given)["messages"]
        assert same_objects(given[:2], made[:2])
        shown = made[-1].tool_call_results[0]
        assert (call, True, {"took": 3}) == (shown.origin, shown.error, made[-1].meta)
        text = shown.result if not images else shown.result[0].text
        assert "characters were left out" in text
        assert images == (0 if isinstance(shown.result, str) else len(shown.result) - 1)


def test_a_call_that_was_never_answered_gets_an_answer_or_leaves():
    call = ToolCall("look", {}, id="c1")
    given = [
        ChatMessage.from_user("one"),
        ChatMessage.from_assistant("Looking.", tool_calls=[call]),
        ChatMessage.from_user("two"),
        ChatMessage.from_assistant("Yes."),
    ]
    made = MessageTrimmer(1000).run(given)["messages"]
    assert no_half_pairs([{"content": None, **one} for one in from_haystack(made)])
    assert given[2] in made and given[3] in made


def test_schemas_of_tools_and_toolsets_count():
    def look(term: str) -> str:
        return term

    schema = {"type": "object", "properties": {"term": {"type": "string"}}}
    tool = Tool(name="look", description="Look it up.", parameters=schema, function=look)
    other = Tool(name="find", description="Find it.", parameters=schema, function=look)
    chat = [ChatMessage.from_user("one")]
    spent = [
        MessageTrimmer(1000).run(chat, tools=tools)["tokens"]
        for tools in (None, [tool], [tool, Toolset([other])])
    ]
    assert spent == sorted(set(spent))
    assert spent[1] == MessageTrimmer(1000).run(chat, tools=Toolset([tool]))["tokens"]


def test_a_pipeline_trims_before_the_model_and_ends_with_what_does_not_fit():
    pipeline = Pipeline()
    pipeline.add_component("trimmer", MessageTrimmer(80))
    pipeline.add_component("model", ChatEcho())
    pipeline.connect("trimmer.messages", "model.messages")
    chat = [ChatMessage.from_user(f"question {i}") for i in range(40)]
    made = pipeline.run({"trimmer": {"messages": chat}})
    sent = made["model"]["replies"]
    assert same_objects(chat[-len(sent) :], sent) or chat[-len(sent) :] == sent
    assert 1 < len(sent) < 20
    with pytest.raises(Exception, match="message 0"):
        pipeline.run({"trimmer": {"messages": [ChatMessage.from_user("word " * 90)]}})

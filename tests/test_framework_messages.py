"""Memory takes messages of LangChain and LlamaIndex and gives the same back, from any store."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ctxmem
from ctxmem import InputError, Memory
from ctxmem.stores import MemoryStore

pytest.importorskip("langchain_core")
pytest.importorskip("llama_index.core")
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.llms import ChatMessage

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
LANGCHAIN = [
    SystemMessage("Be brief.", id="s"),
    HumanMessage([{"type": "text", "text": "What is it?"}, PICTURE], id="h", name="ann"),
    AIMessage(
        [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}],
        tool_calls=[{"name": "look", "args": {"term": "é"}, "id": "c1"}],
        additional_kwargs={"reasoning_content": "Hm."},
        response_metadata={"model_name": "m"},
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        id="a",
    ),
    ToolMessage("A cat.", tool_call_id="c1", artifact={"rows": [1, None]}, status="error", id="t"),
]
LLAMA_INDEX = [
    ChatMessage(role="system", content="Be brief."),
    ChatMessage(role="user", blocks=[TextBlock(text="What?"), ImageBlock(image=b"\x89PNG")]),
    ChatMessage(
        role="assistant",
        content="Looking.",
        additional_kwargs={
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ]
        },
    ),
    ChatMessage(role="tool", content="A cat.", additional_kwargs={"tool_call_id": "c1"}),
]


@pytest.mark.parametrize("given", [LANGCHAIN, LLAMA_INDEX], ids=["langchain", "llama_index"])
def test_messages_come_back_as_they_were_appended_from_memory_and_from_a_file(given, tmp_path):
    with Memory(20_000, store=tmp_path / "m.db") as memory:
        memory.append(list(given))
        window = memory.window()
        assert given == window.messages == memory.messages()
        assert ctxmem.count_messages(given) == window.tokens
        assert range(4) == range(window.shown[0], window.shown[-1] + 1)
    with Memory(20_000, store=tmp_path / "m.db") as again:
        assert given == again.messages() == again.window().messages
        assert given[2:] == again.messages(2)


def test_a_caller_who_changes_what_it_appended_or_got_changes_nothing_in_the_memory():
    said = HumanMessage([{"type": "text", "text": "one"}])
    memory = Memory(1000)
    memory.append(said)
    said.content[0]["text"] = "two"
    got = memory.window().messages[0]
    got.content[0]["cache_control"] = {"type": "ephemeral"}
    assert [{"type": "text", "text": "one"}] == memory.window().messages[0].content


@pytest.mark.parametrize("kind", [HumanMessage, ChatMessage])
def test_notes_and_passages_are_messages_of_the_same_framework(kind):
    memory = Memory(260)
    memory.append(ctxmem.Chunk("Ports are in services.txt.", source="notes.md"))
    recalled = 0
    for i in range(40):
        memory.append(kind(content=f"The port of server_{i} is 80{i}."))
        window = memory.window("server_3")
        assert window.tokens == ctxmem.count_messages(window.messages) <= 260
        assert {kind} == set(map(type, window.messages))
        recalled += len(window.recalled)
    assert recalled
    assert any("[memory]" in str(message.content) for message in window.messages)


def test_a_long_result_is_shown_in_part_as_a_copy_with_another_text():
    result = ToolMessage("found it " * 900, tool_call_id="c1", id="t", artifact={"x": 1})
    memory = Memory(400)
    memory.append([*LANGCHAIN[:1], HumanMessage("Look."), LANGCHAIN[2], result])
    shown = memory.window().messages[-1]
    assert ("t", "c1", {"x": 1}) == (shown.id, shown.tool_call_id, shown.artifact)
    assert "shown in part" in shown.content
    assert "found it " * 900 == memory.messages()[-1].content


def test_what_json_cannot_hold_is_refused_by_name_and_nothing_is_stored():
    memory = Memory(1000, store=MemoryStore())
    for odd in (
        ToolMessage("x", tool_call_id="1", artifact=object()),
        ChatMessage("x", additional_kwargs={"raw": object()}),
    ):
        with pytest.raises(InputError, match=r"message 1 .*cannot be stored as JSON"):
            memory.append([HumanMessage("fine"), odd])
        assert [] == memory.messages()


def test_marks_are_refused_for_messages_that_a_framework_sends():
    memory = Memory(1000)
    memory.append(HumanMessage("x"))
    with pytest.raises(InputError, match="holds messages of langchain"):
        memory.window().to_messages("anthropic")


def test_without_its_framework_a_session_says_what_to_install(tmp_path):
    with Memory(1000, store=tmp_path / "m.db") as memory:
        memory.append(HumanMessage("x"))
    code = (
        "import sys; sys.modules['langchain_core'] = None\n"
        "import ctxmem\n"
        f"try:\n    ctxmem.Memory(1000, store={str(tmp_path / 'm.db')!r}).window()\n"
        "except ImportError as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MissingExtraError the session holds messages of langchain-core")
    assert "pip install 'ctxmem[langchain]'" in done.stdout

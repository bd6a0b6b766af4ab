"""Pydantic AI: histories and requests within a budget, with the framework's own agents."""

from __future__ import annotations

import importlib.util
import json
import random
from dataclasses import replace

import pytest
from chats import no_half_pairs, random_chat
from fuzz_size import some

import ctxmem
from ctxmem import BudgetError

pytest.importorskip("pydantic_ai")
import pydantic_ai
from pydantic_ai import Agent
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import DeltaToolCall, FunctionModel

from ctxmem.adapters import pydantic_ai as adapter
from ctxmem.adapters.pydantic_ai import HistoryProcessor

CAPABILITIES = adapter.AbstractCapability is not None
# Before, what a hook changed in the messages of a request changed the history.
REQUEST_ONLY = importlib.util.find_spec("pydantic_ai._history_mirroring") is not None
needs_capabilities = pytest.mark.skipif(not CAPABILITIES, reason="Pydantic AI without capabilities")


# There and back, by hand -------------------------------------------------------------------------


def to_pydantic(chat):
    made = []
    names = {}
    for message in chat:
        role, content = message["role"], message["content"]
        if role == "system":
            made.append(ModelRequest([SystemPromptPart(content)]))
        elif role == "user":
            made.append(ModelRequest([UserPromptPart(content)], instructions="Be brief."))
        elif role == "tool":
            key = message["tool_call_id"]
            made.append(ModelRequest([ToolReturnPart(names.get(key, "look_up"), content, key)]))
        else:
            parts = [TextPart(content)] if content else []
            for call in message.get("tool_calls", ()):
                names[call["id"]] = call["function"]["name"]
                parts.append(ToolCallPart(call["function"]["name"], "{}", call["id"]))
            made.append(ModelResponse(parts))
    return made


def from_pydantic(messages):
    chat = []
    for message in messages:
        calls = []
        texts = []
        for part in message.parts:
            if part.part_kind == "tool-call":
                arguments = part.args if isinstance(part.args, str) else json.dumps(part.args)
                function = {"name": part.tool_name, "arguments": arguments}
                calls.append({"id": part.tool_call_id, "type": "function", "function": function})
            elif part.part_kind == "text":
                texts.append(part.content)
            else:
                role = {"system-prompt": "system", "user-prompt": "user"}.get(part.part_kind)
                plain = {"role": role or "tool", "content": part.content}
                key = {} if role else {"tool_call_id": part.tool_call_id}
                chat.append({**plain, **key})
        if message.kind == "response":
            said = {"role": "assistant", "content": "".join(texts) or None}
            chat.append({**said, "tool_calls": calls} if calls else said)
    return chat


@pytest.mark.parametrize("rounds", [60, pytest.param(some(1500), marks=pytest.mark.slow)])
def test_random_histories_stay_whole_and_within_the_budget(rounds, recount):
    rng = random.Random(rounds)
    refused = plainly = 0
    for _ in range(rounds):
        given = to_pydantic(random_chat(rng, rng.randrange(1, 16)))
        instructions = {"role": "system", "content": "Be brief."}
        if not any(getattr(message, "instructions", None) for message in given):
            instructions = None
        budget = rng.randrange(1, ctxmem.count_messages(given) + 20)
        before = ModelMessagesTypeAdapter.dump_json(given)
        processor = HistoryProcessor(budget, low_water=rng.choice([None, 0.5]))
        try:
            kept = processor(given)
        except BudgetError as error:
            refused += 1
            assert error.pinned or budget <= 3
            continue
        sent = from_pydantic(kept)
        # Pydantic AI sends the instructions of the last request that has them, once.
        last = next((m.instructions for m in reversed(given) if m.kind == "request"), None)
        system = [instructions] if last and instructions else []
        assert recount([*system, *sent]) <= budget
        assert processor.last.tokens <= budget
        assert no_half_pairs(sent), (given, kept)
        found = {finding.kind for finding in ctxmem.check(kept)}
        assert found <= {"open_call", "duplicate_message"}  # in flight; as given
        assert before == ModelMessagesTypeAdapter.dump_json(given)
        assert all("ctxmem_origin" not in one.__dict__ for one in [*given, *kept])
        plainly += sum(any(one is message for message in given) for one in kept) / max(1, len(kept))
    assert refused < rounds / 2
    assert plainly > 0.9 * (rounds - refused)  # most messages are the objects given


def test_what_fits_is_the_very_same_messages_of_every_kind():
    given = [
        ModelRequest([SystemPromptPart("Be exact."), UserPromptPart(["Look:", PICTURE])]),
        ModelResponse([ThinkingPart("Hm."), ToolCallPart("look", {"x": 1}, "c1")]),
        ModelRequest([ToolReturnPart("look", "Not a number.", "c1")]),
        ModelResponse([TextPart("One moment."), ToolCallPart("look", '{"x": 2}', "c2")]),
        ModelRequest([ToolReturnPart("look", {"rows": [1, None]}, "c2")], instructions="Be kind."),
    ]
    kept = HistoryProcessor(100_000)(given)
    assert len(given) == len(kept)
    assert all(one is message for one, message in zip(given, kept, strict=True))


PICTURE = BinaryContent(b"\x89PNG", media_type="image/png")


def test_a_long_return_is_shown_in_part_and_keeps_all_else_of_its_message():
    about = {"instructions": "Be brief."}
    call = ModelResponse([ToolCallPart("read", {"path": "a.txt"}, "c1")])
    result = ModelRequest([ToolReturnPart("read", "line of text\n" * 900, "c1")], **about)
    given = [ModelRequest.user_text_prompt("Read a.txt."), call, result]
    kept = HistoryProcessor(200)(given)
    assert [True, True, False] == [a is b for a, b in zip(given, kept, strict=True)]
    assert "characters were left out" in kept[-1].parts[0].content
    assert replace(kept[-1], parts=result.parts) == result
    assert "line of text\n" * 900 == result.parts[0].content


def test_system_prompts_and_the_last_instructions_stay_and_are_counted_once():
    first = ModelRequest([SystemPromptPart("RULE 1"), UserPromptPart("question 0")])
    given = [first]
    for i in range(1, 40):
        given.append(ModelResponse([TextPart(f"answer {i}")]))
        question = f"question {i}"
        given.append(ModelRequest([UserPromptPart(question)], instructions="word " * 30))
    processor = HistoryProcessor(200, low_water=None)
    kept = processor(given)
    assert kept[0] is first and kept[-1] is given[-1]
    assert kept[-1].instructions == "word " * 30
    assert len(kept) > 10  # 30 tokens of instructions are sent once, not with every message
    assert processor.last.fixed >= 30


def test_a_budget_that_holds_no_question_names_what_does_not_fit():
    with pytest.raises(BudgetError, match="message 0") as caught:
        HistoryProcessor(30)([ModelRequest.user_text_prompt("word " * 90)])
    assert ("message 0 (user)",) == caught.value.pinned
    with pytest.raises(BudgetError, match="instructions and tools"):
        HistoryProcessor(30)([ModelRequest.user_text_prompt("hi", instructions="word " * 90)])
    for wrong in (0, -1, "many"):
        with pytest.raises((BudgetError, ctxmem.InputError)):
            HistoryProcessor(wrong)


# Agents -------------------------------------------------------------------------------------------


class Model:
    """A fake model that calls a tool on every other request and remembers what it was sent."""

    def __init__(self):
        self.sent = []

    def answer(self, messages, info):
        self.sent.append((list(messages), info))
        if messages[-1].parts[-1].part_kind == "user-prompt":
            return ModelResponse([ToolCallPart("look", {"term": "lease"})])
        return ModelResponse([TextPart(f"answer {len(self.sent)}")])

    async def stream(self, messages, info):
        made = self.answer(messages, info).parts[0]
        if made.part_kind == "text":
            yield made.content
        else:
            yield {0: DeltaToolCall(made.tool_name, json.dumps(made.args))}

    def function_model(self):
        return FunctionModel(self.answer, stream_function=self.stream)


def look(term: str) -> str:
    """Look a term up in the contract."""
    return f"{term}: " + "notice is thirty days " * 6


def agent_with(model, window):
    """Return an agent of a fake model, with a processor or a capability as its version takes it."""
    options = {"instructions": "Be brief and polite.", "tools": [look]}
    if not CAPABILITIES:
        return Agent(model, history_processors=[window], **options)
    if isinstance(window, HistoryProcessor):
        from pydantic_ai.capabilities import ProcessHistory

        window = ProcessHistory(window)
    return Agent(model, capabilities=[window], **options)


def count_sent(messages, info):
    """Count a request by what the model was given, apart from what the adapter says."""
    tools = [
        {"name": t.name, "description": t.description, "parameters": t.parameters_json_schema}
        for t in info.function_tools
    ]
    plain = [replace(m, instructions=None) if m.kind == "request" else m for m in messages]
    system = {"role": "system", "content": "Be brief and polite."}
    return ctxmem.count_messages([system, *plain], tools=tools)


WINDOWS = ["HistoryProcessor", "ContextWindow"] if CAPABILITIES else ["HistoryProcessor"]


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("how", ["sync", "async", "stream"])
async def test_an_agent_s_requests_stay_within_the_budget(name, how):
    window = getattr(adapter, name)(400)
    model = Model()
    agent = agent_with(model.function_model(), window)
    history = None
    for i in range(12):
        asked = {"message_history": history}
        if how == "stream":
            async with agent.run_stream(f"question {i}", **asked) as run:
                assert "answer" in await run.get_output()
            history = run.all_messages()
        else:
            run = await agent.run(f"question {i}", **asked)
            history = run.all_messages()
    assert 24 == len(model.sent)
    for messages, info in model.sent:
        tools = 0 if isinstance(window, HistoryProcessor) else 1
        spent = count_sent(messages, info if tools else replace(info, function_tools=[]))
        assert spent <= 400
        assert no_half_pairs(from_pydantic(messages))
        assert [] == ctxmem.check(messages)
        assert "user-prompt" == messages[0].parts[0].part_kind
    assert window.last.tokens == spent
    assert window.last.kept < 20
    if REQUEST_ONLY and not isinstance(window, HistoryProcessor):
        assert 12 * 4 == len(history)
    else:
        assert len(history) < 20
    # Requests between two cuts begin with the whole previous one.
    pairs = zip(model.sent, model.sent[1:], strict=False)
    grown = sum(after[0][: len(before[0])] == before[0] for before, after in pairs)
    assert grown >= 18


def test_a_synchronous_agent_works_alike():
    model = Model()
    agent = agent_with(model.function_model(), HistoryProcessor(400))
    history = agent.run_sync("question").all_messages()
    assert 4 == len(history)


@needs_capabilities
def test_the_capability_counts_tools_and_output_and_leaves_the_history_whole():
    model = Model()
    window = adapter.ContextWindow(400)
    agent = agent_with(model.function_model(), window)
    before = window.last
    agent.run_sync("question")
    alone = HistoryProcessor(400)
    alone(model.sent[-1][0])
    assert before is None
    assert window.last.fixed > alone.last.fixed > 3


@needs_capabilities
def test_what_does_not_fit_is_named_before_the_model_is_called():
    model = Model()
    agent = agent_with(model.function_model(), adapter.ContextWindow(60))
    with pytest.raises(BudgetError, match="instructions and tools"):
        agent.run_sync("word " * 90)
    assert [] == model.sent


def test_versions_are_those_of_the_documentation():
    assert (1, 107) <= tuple(map(int, pydantic_ai.__version__.split(".")[:2])) < (3, 0)

"""OpenAI's Agents SDK: sessions in a page store, model input in a budget, with its own runner."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import dataclass, field

import pytest
from chats import same_objects, user
from fuzz_size import some
from random_histories import random_history

import ctxmem
from ctxmem import BudgetError, StoreError
from ctxmem.stores import MemoryStore

pytest.importorskip("agents")
from agents import Agent, RunConfig, Runner, SQLiteSession, function_tool, handoff
from agents.items import ModelResponse
from agents.memory import Session
from agents.models.interface import Model
from agents.run import CallModelData, ModelInputData
from agents.usage import Usage
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from ctxmem.adapters.openai_agents import ContextFilter, ContextSession

# Sessions -----------------------------------------------------------------------------------------


def test_a_session_is_one_of_the_sdk():
    assert isinstance(ContextSession("ann"), Session)


@pytest.mark.parametrize(
    "seed", [*range(6), *(pytest.param(s, marks=pytest.mark.slow) for s in range(6, 6 + some(54)))]
)
async def test_a_session_does_what_the_sdk_s_own_session_does(seed, tmp_path):
    rng = random.Random(seed)
    theirs = SQLiteSession("ann")
    path = tmp_path / "pages.db"
    ours = ContextSession("ann", store=path)
    for step in range(30):
        what = rng.random()
        if what < 0.4:
            items = random_history(rng, "responses", 3) if rng.random() < 0.5 else [user(str(step))]
            await theirs.add_items(copy.deepcopy(items))
            await ours.add_items(items)
        elif what < 0.6:
            assert await theirs.pop_item() == await ours.pop_item()
        elif what < 0.65:
            await theirs.clear_session()
            await ours.clear_session()
        elif what < 0.75:
            ours.close()
            ours = ContextSession("ann", store=path)
        limit = rng.choice([None, None, -1, 0, 1, 2, 5, 100])
        assert await theirs.get_items(limit) == await ours.get_items(limit)
    ours.close()


async def test_sessions_of_one_store_are_apart_and_follow_each_other_when_they_are_one():
    store = MemoryStore()
    ann, bob = (ContextSession(name, store=store) for name in ("ann", "bob"))
    again = ContextSession("ann", store=store)
    await ann.add_items([user("My booking is HAT017."), user("I sail.")])
    await bob.add_items([user("Mine is ZZ9.")])
    assert [user("Mine is ZZ9.")] == await bob.get_items()
    assert 2 == len(await again.get_items())
    assert user("I sail.") == await again.pop_item()
    await ann.add_items([user("I ski.")])
    assert ["My booking is HAT017.", "I ski."] == [i["content"] for i in await again.get_items()]
    assert [user("My booking is HAT017.")] == again.recall("booking", 1)
    assert {"ann", "bob"} <= {name.partition("\x1f")[0] for name in store.sessions("openai-agents")}


async def test_what_a_session_returns_is_the_caller_s_to_change():
    session = ContextSession("ann")
    given = {"role": "user", "content": [{"type": "input_text", "text": "one"}]}
    await session.add_items([given])
    given["content"][0]["text"] = "two"
    (await session.get_items())[0]["content"][0]["text"] = "three"
    assert "one" == (await session.get_items())[0]["content"][0]["text"]


async def test_items_are_added_all_or_none_when_the_store_fails():
    class Failing(MemoryStore):
        broken = False

        def append(self, *args, **options):
            if self.broken:
                raise StoreError("the disk is full")
            return super().append(*args, **options)

    store = Failing()
    session = ContextSession("ann", store=store)
    await session.add_items([user("one")])
    store.broken = True
    with pytest.raises(StoreError):
        await session.add_items([user("two"), user("three")])
    with pytest.raises(StoreError):
        await session.pop_item()
    store.broken = False
    assert [user("one")] == await session.get_items()


def test_options_of_a_session_are_those_of_a_memory():
    assert 500 == ContextSession("ann", budget=500).memory.budget
    with pytest.raises(TypeError, match="polcy"):
        ContextSession("ann", polcy="batch")
    with pytest.raises(BudgetError):
        ContextSession("ann", budget=0)


# A fake model -------------------------------------------------------------------------------------


@dataclass
class Fake(Model):
    """Calls a tool when it is asked, answers when it has a result, remembers what it was sent."""

    sent: list = field(default_factory=list)

    def answer(self, system, given, tools):
        self.sent.append((system, copy.deepcopy(given), tools))
        n = len(self.sent)
        if given[-1].get("type") == "function_call_output" or not tools:
            text = ResponseOutputText(text=f"answer {n}", type="output_text", annotations=[])
            said = {"type": "message", "role": "assistant", "status": "completed"}
            return ResponseOutputMessage(id=f"msg_{n}", content=[text], **said)
        return ResponseFunctionToolCall(
            name="look", arguments='{"term": "lease"}', call_id=f"call_{n}", type="function_call"
        )

    async def get_response(
        self, system_instructions, input, model_settings, tools, *args, **options
    ):
        made = self.answer(system_instructions, input, tools)
        return ModelResponse(output=[made], usage=Usage(), response_id=None)

    async def stream_response(
        self, system_instructions, input, model_settings, tools, *args, **options
    ):
        made = self.answer(system_instructions, input, tools)
        response = Response(
            id="r",
            created_at=0,
            model="fake",
            object="response",
            output=[made],
            tool_choice="auto",
            tools=[],
            parallel_tool_calls=False,
        )
        yield ResponseCompletedEvent(
            response=response, type="response.completed", sequence_number=0
        )


@function_tool
def look(term: str) -> str:
    """Look a term up in the contract."""
    return f"{term}: " + "notice is thirty days " * 6


def counted(system, items, tools):
    """Count a model call by what the model was given."""
    schemas = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.params_json_schema,
        }
        for tool in tools
    ]
    given = [{"role": "system", "content": system}, *items]
    return ctxmem.count_messages(given, tools=schemas, provider="openai")


def calls_are_answered(items):
    called = [i["call_id"] for i in items if i.get("type") == "function_call"]
    answered = [i["call_id"] for i in items if i.get("type") == "function_call_output"]
    return called == answered


@pytest.mark.parametrize("how", ["run", "streamed"])
async def test_every_model_call_is_within_the_budget_and_the_session_whole(how):
    model, reports = Fake(), []
    session = ContextSession("ann")
    cut = ContextFilter(400, report=reports.append)
    agent = Agent("assistant", instructions="Be brief.", model=model, tools=[look])
    options = {"session": session, "run_config": RunConfig(call_model_input_filter=cut)}
    for i in range(12):
        if how == "run":
            result = await Runner.run(agent, f"question {i}", **options)
        else:
            result = Runner.run_streamed(agent, f"question {i}", **options)
            async for _ in result.stream_events():
                pass
        assert result.final_output.startswith("answer")
    assert 24 == len(model.sent) == len(reports)
    for (system, items, tools), report in zip(model.sent, reports, strict=True):
        assert counted(system, items, tools) == report.tokens <= 400
        assert calls_are_answered(items)
        assert [] == ctxmem.check(items, provider="responses")
        assert "user" == items[0]["role"]
    assert cut.last is reports[-1]
    assert report.kept < report.messages == 47
    assert 48 == len(await session.get_items())
    pairs = zip(model.sent, model.sent[1:], strict=False)
    assert sum(after[1][: len(before[1])] == before[1] for before, after in pairs) >= 18


async def cut_by(cut, items, agent=None, instructions=None):
    agent = agent or Agent("assistant")
    return await cut(CallModelData(ModelInputData(items, instructions), agent, None))


@pytest.mark.parametrize("rounds", [80, pytest.param(some(2000), marks=pytest.mark.slow)])
async def test_random_items_stay_whole_within_the_budget_and_unchanged(rounds):
    rng = random.Random(rounds)
    refused = 0
    for _ in range(rounds):
        items = random_history(rng, "responses", rng.randrange(2, 24))
        budget = rng.randrange(40, ctxmem.count_messages(items, provider="openai") + 60)
        before = json.dumps(items)
        try:
            sent = await cut_by(ContextFilter(budget), items, instructions="Be brief.")
        except BudgetError as error:
            refused += 1
            assert error.pinned
            continue
        assert before == json.dumps(items)
        system = {"role": "system", "content": "Be brief."}
        assert ctxmem.count_messages([system, *sent.input], provider="openai") <= budget
        assert "Be brief." == sent.instructions
        new = {finding.kind for finding in ctxmem.check(sent.input, provider="responses")}
        assert new <= {f.kind for f in ctxmem.check(ctxmem.repair(items), provider="responses")} | {
            "open_call"
        }
    assert refused < rounds / 2


async def test_what_fits_is_sent_as_the_objects_given():
    items = [user("one"), {"type": "item_reference", "id": "msg_1"}, user("two")]
    sent = await cut_by(ContextFilter(10_000), items)
    assert same_objects(items, sent.input)


async def test_tools_handoffs_and_output_schema_count():
    @dataclass
    class Answer:
        days: int

    other = Agent("lawyer", handoff_description="Knows the law.")
    agents = [
        Agent("assistant"),
        Agent("assistant", tools=[look]),
        Agent("assistant", tools=[look], handoffs=[other]),
        Agent("assistant", tools=[look], handoffs=[handoff(other), other]),
        Agent("assistant", tools=[look], handoffs=[handoff(other), other], output_type=Answer),
    ]
    spent = []
    for agent in agents:
        cut = ContextFilter(10_000)
        await cut_by(cut, [user("one")], agent)
        spent.append(cut.last.fixed)
    assert spent == sorted(set(spent))


async def test_tools_of_mcp_servers_are_listed_unless_they_are_not_to_be():
    class Listed(Agent):
        listings = 0

        async def get_all_tools(self, context):
            type(self).listings += 1
            return [look]

    agent = Listed("assistant", mcp_servers=[object()])
    with_them, without = ContextFilter(10_000), ContextFilter(10_000, mcp=False)
    await cut_by(with_them, [user("one")], agent)
    await cut_by(without, [user("one")], agent)
    assert 1 == Listed.listings
    assert with_them.last.fixed > without.last.fixed


async def test_what_does_not_fit_is_named_before_the_model_is_called():
    model = Fake()
    agent = Agent("assistant", instructions="Be brief.", model=model)
    config = RunConfig(call_model_input_filter=ContextFilter(40))
    with pytest.raises(BudgetError, match="message 0") as caught:
        await Runner.run(agent, "word " * 90, run_config=config)
    assert ("message 0 (user)",) == caught.value.pinned
    assert [] == model.sent

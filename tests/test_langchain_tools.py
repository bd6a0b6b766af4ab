"""`ContextMiddleware(tools=True)`: the tools of each request, chosen within the budget."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest
from fuzz_size import some

import ctxmem
from ctxmem import BudgetError, InputError

pytest.importorskip("langchain")
from langchain.agents import create_agent
from langchain.agents.middleware import wrap_model_call
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from test_adapters import STATS

from ctxmem.adapters.langchain import ContextMiddleware

WORDS = ("lease", "invoice", "weather", "mail", "calendar", "repository")


def made(name, about):
    @tool(name, description=about)
    def run(number: int, note: str = "") -> str:
        return f"result of {name}"

    return run


MORE = "It returns the rows that match, with the time of the last change of each of these. " * 3
SIXTY = [
    made(f"{WORDS[i % 6]}_{i}", f"Read number {i} of the {WORDS[i % 6]} system. {MORE}")
    for i in range(60)
]


def sixty():
    return list(SIXTY)


class Model(BaseChatModel):
    """Answers by a script and remembers what it was given."""

    script: list = []  # noqa: RUF012
    sent: list = []  # noqa: RUF012
    tools: list = []  # noqa: RUF012

    @property
    def _llm_type(self):
        return "scripted"

    def bind_tools(self, tools, **_):
        self.tools.append(tools)
        return self

    def _generate(self, messages, stop=None, run_manager=None, **_):
        self.sent.append(messages)
        said = self.script.pop(0) if self.script else AIMessage(f"answer {len(self.sent)}")
        return ChatResult(generations=[ChatGeneration(message=said)])


def call(name, key="c1", **arguments):
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": key}])


def agent_of(middleware, script=(), tools=None, **options):
    model = Model(script=list(script), sent=[], tools=[])
    agent = create_agent(
        model, tools or sixty(), middleware=[middleware], system_prompt="Be brief.", **options
    )
    return agent, model


def names(tools):
    return [one["function"]["name"] if isinstance(one, dict) else one.name for one in tools]


def full(tools):
    return {one.name for one in tools if not isinstance(one, dict)}


def assert_within(model, budget):
    for messages, tools in zip(model.sent, model.tools, strict=True):
        assert ctxmem.count_messages(messages, tools=tools) <= budget


def test_the_tools_of_the_question_are_offered_within_the_budget():
    agent, model = agent_of(ContextMiddleware(1500, tools=True))
    state = agent.invoke({"messages": [("user", "What is the weather in Oslo?")]})
    assert_within(model, 1500)
    assert any(name.startswith("weather") for name in full(model.tools[0]))
    assert "find_tool" == names(model.tools[0])[-1]
    hidden = 60 - (len(model.tools[0]) - 1)
    assert hidden > 20
    if STATS:
        assert hidden == state["ctxmem"]["deferred"]
        assert (
            ctxmem.count_messages(model.sent[0], tools=model.tools[0]) == state["ctxmem"]["tokens"]
        )


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream"])
async def test_a_deferred_tool_is_found_and_called_inside_the_graph(how):
    script = [call("find_tool", query="mail_57"), call("mail_57", "c2", number=1), AIMessage("ok")]
    agent, model = agent_of(ContextMiddleware(1500, tools=True), script)
    asked = {"messages": [("user", "What is the weather in Oslo?")]}
    if how == "stream":
        state = list(agent.stream(asked, stream_mode="values"))[-1]
    else:
        state = agent.invoke(asked) if how == "invoke" else await agent.ainvoke(asked)
    said = state["messages"]
    assert ["mail_57"] == [
        one["name"] for one in json.loads(said[2].content)["offered_from_now_on"]
    ]
    assert "result of mail_57" == said[4].content
    assert "ok" == said[-1].content
    assert "mail_57" not in names(model.tools[0])
    assert "mail_57" in full(model.tools[1]) and "mail_57" in full(model.tools[2])
    assert_within(model, 1500)
    assert len(set(map(tuple, map(names, model.tools)))) <= 2  # it changes once, for what was found


def test_a_search_by_words_finds_the_tools_that_do_it():
    script = [call("find_tool", query="change something in the repository system"), AIMessage("ok")]
    agent, _ = agent_of(ContextMiddleware(1200, tools=True), script)
    state = agent.invoke({"messages": [("user", "What is the weather in Oslo?")]})
    found = json.loads(state["messages"][2].content)["offered_from_now_on"]
    assert found and all(one["name"].startswith("repository") for one in found)


@pytest.mark.parametrize("query", ["", "   "])
def test_an_empty_search_is_answered_with_what_to_give(query):
    agent, _ = agent_of(ContextMiddleware(1500, tools=True), [call("find_tool", query=query)])
    state = agent.invoke({"messages": [("user", "What is the weather in Oslo?")]})
    assert "give 'query'" in state["messages"][2].content


def test_what_was_found_is_offered_by_another_process_too():
    script = [call("find_tool", query="mail_57"), AIMessage("ok")]
    agent, _ = agent_of(ContextMiddleware(1500, tools=True), script)
    state = agent.invoke({"messages": [("user", "What is the weather in Oslo?")]})
    again, model = agent_of(ContextMiddleware(1500, tools=True))
    again.invoke({"messages": [*state["messages"], HumanMessage("And now?")]})
    assert "mail_57" in full(model.tools[0])


def test_a_deferred_tool_that_is_called_without_being_found_runs():
    agent, model = agent_of(ContextMiddleware(1500, tools=True), [call("mail_57", number=1)])
    state = agent.invoke({"messages": [("user", "What is the weather in Oslo?")]})
    assert "result of mail_57" == state["messages"][2].content
    assert "mail_57" in full(model.tools[1])  # called tools are in full


def test_where_all_tools_fit_they_are_what_the_agent_was_given():
    tools = sixty()[:4]
    agent, model = agent_of(ContextMiddleware(4000, tools=True), tools=tools)
    agent.invoke({"messages": [("user", "What is the weather?")]})
    assert sorted(map(id, tools)) == sorted(map(id, model.tools[0]))


def test_the_set_stays_while_a_conversation_about_one_thing_grows():
    middleware = ContextMiddleware(2500, tools=True)
    agent, model = agent_of(middleware)
    said = []
    for i in range(30):
        said.append(HumanMessage("What does the weather say now? " + f"word{i} " * 20))
        said = agent.invoke({"messages": said})["messages"]
    assert_within(model, 2500)
    sets = [tuple(names(tools)) for tools in model.tools]
    assert sum(a != b for a, b in pairwise(sets)) <= 3


@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(s, marks=pytest.mark.slow) for s in range(4, 4 + some(56)))]
)
def test_random_runs_are_within_the_budget_and_keep_the_tools_of_a_turn_in_full(seed):
    rng = random.Random(seed)
    tools = sixty()[: rng.randrange(5, 60)]
    budget = rng.randrange(900, 4000)
    script = []
    for i in range(12):
        what = rng.random()
        name = rng.choice(tools).name
        if what < 0.3:
            script.append(
                call("find_tool", f"f{i}", query=rng.choice([name, "mail", "of the lease"]))
            )
        elif what < 0.7:
            script.append(call(name, f"c{i}", number=i))
        else:
            script.append(AIMessage("word " * rng.randrange(1, 60)))
    mode = rng.choice(["ephemeral", "persistent"])
    agent, model = agent_of(ContextMiddleware(budget, tools=True, mode=mode), script, tools)
    said = []
    while model.script:
        said.append(HumanMessage(f"question about the {rng.choice(WORDS)} {len(said)}"))
        try:
            said = agent.invoke({"messages": said})["messages"]
        except BudgetError as error:
            assert error.pinned
            break
    assert_within(model, budget)
    for messages, offered in zip(model.sent, model.tools, strict=True):
        last = max(i for i, m in enumerate(messages) if isinstance(m, HumanMessage))
        assert called_in(messages[last:]) <= full(offered)
        assert len(names(offered)) == len(set(names(offered)))
        assert set(names(offered)) <= {one.name for one in tools} | {"find_tool", "recall"}
        found = {finding.kind for finding in ctxmem.check(messages)}
        assert found <= {"open_call", "duplicate_message"}  # in flight; as given


def called_in(messages):
    """Return the tools that messages call, without the one that finds others."""
    calls = [one["name"] for m in messages for one in getattr(m, "tool_calls", ())]
    return set(calls) - {"find_tool"}


def test_shortened_tools_are_dicts_that_still_run():
    seen = set()
    for budget in (1500, 2500):
        agent, model = agent_of(ContextMiddleware(budget, tools=True))
        agent.invoke({"messages": [("user", "Is there weather, mail or a lease?")]})
        for one in model.tools[0]:
            if isinstance(one, dict) and one["function"]["name"] != "find_tool":
                seen.add(one["function"]["name"])
                assert "number" in one["function"]["parameters"]["properties"]
    assert seen
    name = min(seen)
    agent, _ = agent_of(ContextMiddleware(1500, tools=True), [call(name, number=1)])
    state = agent.invoke({"messages": [("user", "Is there weather, mail or a lease?")]})
    assert f"result of {name}" == state["messages"][2].content


def test_a_long_result_that_was_not_read_leaves_room_by_fewer_tools():
    tools = [*sixty(), made_long()]
    agent, model = agent_of(
        ContextMiddleware(2000, tools=True), [call("read_all", number=1)], tools
    )
    agent.invoke({"messages": [("user", "Read it all.")]})
    assert_within(model, 2000)
    assert "shown in part" in model.sent[1][-1].content


def made_long():
    @tool("read_all", description="Read all.")
    def run(number: int) -> str:
        return "line of text\n" * 2000

    return run


def test_a_tool_that_the_model_is_made_to_call_is_offered():
    @wrap_model_call
    def forcing(request, handler):
        return handler(request.override(tool_choice="mail_57"))

    model = Model(script=[], sent=[], tools=[])
    agent = create_agent(model, sixty(), middleware=[forcing, ContextMiddleware(1500, tools=True)])
    agent.invoke({"messages": [("user", "What is the weather in Oslo?")]})
    assert "mail_57" in full(model.tools[0])


def test_without_the_option_there_is_no_find_tool_and_all_tools_are_sent():
    middleware = ContextMiddleware(20_000)
    assert "find_tool" not in {one.name for one in middleware.tools}
    agent, model = agent_of(middleware)
    agent.invoke({"messages": [("user", "What is the weather in Oslo?")]})
    assert 60 == len([name for name in names(model.tools[0]) if name != "recall"])
    with pytest.raises(InputError, match="tools is"):
        ContextMiddleware(2000, tools=sixty())


def test_threads_have_tools_of_their_own():
    middleware = ContextMiddleware(1500, tools=True)
    agent, _ = agent_of(middleware, [AIMessage("ok"), call("find_tool", query="weather_2")])
    first = {"configurable": {"thread_id": "a"}}
    agent.invoke({"messages": [("user", "What about the mail?")]}, first)
    few, _ = agent_of(middleware, [call("find_tool", query="weather_2")], sixty()[:3])
    second = {"configurable": {"thread_id": "b"}}
    state = few.invoke({"messages": [("user", "What about the mail?")]}, second)
    assert "there are no other tools" == state["messages"][2].content


def test_other_messages_named_like_its_answers_are_read_without_harm():
    odd = ["", "[1, 2]", '{"offered_from_now_on": [1, {"name": 7}]}', "sorry", '{"x": 1}']
    said = [HumanMessage("What is the weather?")]
    for i, text in enumerate(odd):
        said += [
            call("find_tool", f"c{i}", query="x"),
            ToolMessage(text, tool_call_id=f"c{i}", name="find_tool"),
        ]
    agent, model = agent_of(ContextMiddleware(1500, tools=True))
    agent.invoke({"messages": said})
    assert_within(model, 1500)
    assert isinstance(model.sent[0][0], SystemMessage)

"""LangChain agents: what is sent is within the budget, and what leaves a window is found again."""

from __future__ import annotations

import asyncio
import inspect
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from chats import random_chat

import ctxmem
from ctxmem.errors import StoreError
from ctxmem.stores import MemoryStore

pytest.importorskip("langchain")
from langchain.agents.middleware import (
    ContextEditingMiddleware,
    SummarizationMiddleware,
    types,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, convert_to_messages
from langchain_core.outputs import ChatGeneration, ChatResult

from ctxmem.adapters.langchain import (
    ContextMiddleware,
    ContextWindowEdit,
    summarizer,
    token_counter,
)

# What came after langchain 1.0.
STATS = hasattr(types, "ExtendedModelResponse")
SUMMARIZER = "summarizer" in inspect.signature(SummarizationMiddleware).parameters

CORPUS = json.loads((Path(__file__).parent / "data" / "histories.json").read_text("utf-8"))


class Scripted(BaseChatModel):
    """A model that says what it is told to, and remembers what it was sent."""

    script: list
    requests: list
    bound: list

    @property
    def _llm_type(self):
        return "scripted"

    def bind_tools(self, tools, **_):
        self.bound.append(tools)
        return self

    def _generate(self, messages, stop=None, run_manager=None, **_):
        self.requests.append(messages)
        said = self.script[min(len(self.requests), len(self.script)) - 1]
        said = AIMessage(said) if isinstance(said, str) else said
        fresh = said.model_copy(update={"id": f"said-{len(self.requests)}"})
        return ChatResult(generations=[ChatGeneration(message=fresh)])


def agent_of(script, middleware, tools=(), **options):
    from langchain.agents import create_agent

    model = Scripted(script=script, requests=[], bound=[])
    made = create_agent(
        model, tools=list(tools), middleware=[middleware], system_prompt="Be brief.", **options
    )
    return made, model


def sent_within(model, budget, tools=()):
    for request in model.requests:
        assert ctxmem.count_messages(request, tools=list(tools)) <= budget
        assert [] == [f for f in ctxmem.check(request) if f.kind == "orphan_result"]


def run(agent, how, given, config=None):
    if how == "sync":
        return agent.invoke(given, config)
    return asyncio.run(agent.ainvoke(given, config))


def look(term: str) -> str:
    """Look a term up."""
    return f"{term} means: " + "word " * 40


def calls(*keys):
    made = [{"name": "look", "args": {"term": f"term {key}"}, "id": key} for key in keys]
    return AIMessage("", tool_calls=made)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_an_ephemeral_window_leaves_the_state_alone(how):
    script = [*(calls(f"c{i}", f"d{i}") for i in range(8)), "Done."]
    agent, model = agent_of(script, ContextMiddleware(budget=500), [look])
    state = run(agent, how, {"messages": [HumanMessage("What do they mean?")]})
    assert 1 + 8 * 3 + 1 == len(state["messages"])
    assert 9 == len(model.requests)
    sent_within(model, 500, [look])
    assert len(model.requests[-1]) < 15
    for request in model.requests:
        assert "Be brief." == request[0].text
        assert "What do they mean?" in [m.text for m in request]
    if not STATS:
        return
    stats = state["ctxmem"]
    assert 25 == stats["messages"]
    assert len(model.requests[-1]) - 1 == stats["kept"]
    assert 0 < stats["fixed"] < stats["tokens"] <= stats["budget"] == 500
    assert 0 == stats["evicted"]


def test_requests_grow_at_their_end_between_leaps():
    script = [*(calls(f"c{i}") for i in range(20)), "Done."]
    agent, model = agent_of(script, ContextMiddleware(budget=600), [look])
    agent.invoke({"messages": [HumanMessage("Go on.")]}, {"recursion_limit": 200})
    grown = [b[: len(a)] == a for a, b in zip(model.requests, model.requests[1:], strict=False)]
    assert 20 == len(grown)
    assert 1 <= grown.count(False) <= 6


@pytest.mark.parametrize("how", ["sync", "async"])
def test_what_leaves_a_persistent_window_is_in_the_page_store_and_found_again(how):
    from langgraph.checkpoint.memory import InMemorySaver

    middleware = ContextMiddleware(budget=600, mode="persistent")
    agent, model = agent_of(
        [*(calls(f"c{i}") for i in range(12)), "Done."],
        middleware,
        [look],
        checkpointer=InMemorySaver(),
    )
    config = {"configurable": {"thread_id": "t1"}, "recursion_limit": 200}
    state = run(agent, how, {"messages": [HumanMessage("What is it about?")]}, config)
    sent_within(model, 600, [look, *middleware.tools])
    left = middleware.evicted("t1")
    assert 0 < len(left) == state["ctxmem"]["evicted"]
    assert 26 == len(left) + len(state["messages"])  # nothing is lost, nothing twice
    told = {m.tool_call_id for m in [*left, *state["messages"]] if isinstance(m, ToolMessage)}
    assert {f"c{i}" for i in range(12)} == told
    assert [] == middleware.evicted("t2")
    found = middleware.recall("term c1 means", 3, thread_id="t1")
    assert "c1" in [getattr(m, "tool_call_id", None) for m in found]


def test_the_agent_recalls_what_left_its_state():
    recall = AIMessage("", tool_calls=[{"name": "recall", "args": {"query": "c0"}, "id": "r"}])
    script = [*(calls(f"c{i}") for i in range(12)), recall, "Done."]
    agent, model = agent_of(script, ContextMiddleware(budget=700, mode="persistent"), [look])
    agent.invoke({"messages": [HumanMessage("Go on.")]}, {"recursion_limit": 200})
    answer = next(m for m in model.requests[-1] if getattr(m, "tool_call_id", "") == "r")
    assert "term c0" in answer.text
    assert ctxmem.count_tokens(answer.text) <= 700 // 4


def test_what_left_is_in_the_file_after_the_process(tmp_path):
    path = tmp_path / "pages.db"
    middleware = ContextMiddleware(budget=600, mode="persistent", store=path)
    agent, _ = agent_of([*(calls(f"c{i}") for i in range(12)), "Done."], middleware, [look])
    agent.invoke({"messages": [HumanMessage("Go on.")]}, {"recursion_limit": 200})
    left = middleware.evicted()
    assert left
    middleware.close()
    again = ContextMiddleware(budget=600, mode="persistent", store=str(path))
    assert left == again.evicted()
    again.close()


class Failing(MemoryStore):
    def append(self, *_, **__):
        raise StoreError("the disk is full")


def test_a_store_that_fails_loses_nothing():
    from langgraph.checkpoint.memory import InMemorySaver

    middleware = ContextMiddleware(budget=600, mode="persistent", store=Failing())
    agent, _ = agent_of(
        [calls(f"c{i}") for i in range(12)], middleware, [look], checkpointer=InMemorySaver()
    )
    config = {"configurable": {"thread_id": "t"}, "recursion_limit": 200}
    with pytest.raises(StoreError, match="the disk is full"):
        agent.invoke({"messages": [HumanMessage("Go on.")]}, config)
    kept = agent.get_state(config).values["messages"]
    assert "Go on." == kept[0].text
    assert 1 + 2 * (len(kept) // 2) == len(kept)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_long_tool_result_is_paged_before_it_enters_the_state(how):
    text = "\n".join(f"line {i}: nothing of interest" for i in range(2000))

    def read_log(name: str) -> str:
        """Read a log."""
        return text

    asked = AIMessage("", tool_calls=[{"name": "read_log", "args": {"name": "x"}, "id": "1"}])
    middleware = ContextMiddleware(budget=3000, tool_result_tokens=200)
    agent, model = agent_of([asked, "Done."], middleware, [read_log])
    state = run(agent, how, {"messages": [HumanMessage("Read it.")]})
    result = state["messages"][2]
    assert ctxmem.count_tokens(result.content) <= 200
    assert result.content.startswith("line 0: nothing")
    assert "1" == result.tool_call_id
    page = result.content.split("page_id '")[1].split("'")[0]
    start = int(result.content.split("and start ")[1].rstrip("]"))
    read_page = next(tool for tool in middleware.tools if tool.name == "read_page")
    parts = [text[:start]]
    while start < len(text):
        part = read_page.invoke({"page_id": page, "start": start})
        assert ctxmem.count_tokens(part) <= 200
        told, _, note = part.partition("\n\n[to read on call read_page with start ")
        parts.append(told)
        start = int(note.rstrip("]")) if note else len(text)
    assert text == "".join(parts)
    assert text[:40] in read_page.invoke({"page_id": page, "start": -5})
    assert "there is no page" in read_page.invoke({"page_id": "0" * 32})
    assert "read_page" in [tool.name for tool in model.bound[0]]


def test_pictures_in_a_tool_result_stay_where_its_text_is_paged():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}

    def see(name: str):
        """See something."""
        return [{"type": "text", "text": "word " * 900}, picture]

    asked = AIMessage("", tool_calls=[{"name": "see", "args": {"name": "x"}, "id": "1"}])
    agent, _ = agent_of(
        [asked, "Done."], ContextMiddleware(budget=9000, tool_result_tokens=100), [see]
    )
    content = agent.invoke({"messages": [HumanMessage("Look.")]})["messages"][2].content
    assert ["text", "image_url"] == [block["type"] for block in content]
    assert picture == content[1]
    assert ctxmem.count_tokens(content[0]["text"]) <= 100


@pytest.mark.skipif(not STATS, reason="stats came with langchain 1.2.10")
def test_a_structured_answer_is_counted_with_its_schema():
    from langchain.agents import create_agent
    from langchain.agents.structured_output import ToolStrategy
    from pydantic import BaseModel

    class Answer(BaseModel):
        """The answer, and where it stands."""

        text: str
        source: str

    given = AIMessage(
        "", tool_calls=[{"name": "Answer", "args": {"text": "a", "source": "b"}, "id": "1"}]
    )
    fixed = []
    for response_format in (None, ToolStrategy(Answer)):
        model = Scripted(script=[given if response_format else "a"], requests=[], bound=[])
        agent = create_agent(
            model,
            middleware=[ContextMiddleware(budget=2000)],
            response_format=response_format,
        )
        fixed.append(agent.invoke({"messages": [HumanMessage("Say.")]})["ctxmem"]["fixed"])
    assert fixed[0] + 40 < fixed[1]


def test_pins_that_do_not_fit_are_named_by_the_agent():
    agent, model = agent_of(["Done."], ContextMiddleware(budget=50))
    with pytest.raises(ctxmem.BudgetError, match=r"budget is 50 tokens.*message 1 \(user\)"):
        agent.invoke({"messages": [HumanMessage("word " * 100)]})
    assert [] == model.requests


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"budget": 0}, "budget is 0 tokens"),
        ({"budget": 9, "mode": "lasting"}, "mode is 'lasting'"),
        ({"budget": 9, "low_water": 2}, "low_water is 2"),
        ({"budget": 9, "tool_result_tokens": 9}, "tool_result_tokens is 9; expected 100 or more"),
        ({"budget": 9, "provider": "acme"}, "provider is 'acme'"),
        ({"budget": 9, "counter": 5}, r"5 \(int\) cannot count tokens"),
        ({"budget": 9, "store": 5}, "a store is"),
    ],
)
def test_wrong_options_of_the_middleware_are_refused_at_once(options, said):
    with pytest.raises(ctxmem.CtxmemError, match=said):
        ContextMiddleware(**options)


def test_two_instances_with_names_of_their_own_go_together():
    from langchain.agents import create_agent

    model = Scripted(script=["Done."], requests=[], bound=[])
    both = [ContextMiddleware(budget=900, name="wide"), ContextMiddleware(budget=60, name="tight")]
    agent = create_agent(model, middleware=both)
    chat = [HumanMessage("word " * 30), AIMessage("word " * 30), HumanMessage("And now?")]
    agent.invoke({"messages": chat})
    sent_within(model, 60)


def test_the_edit_cuts_in_place_within_langchains_middleware():
    asks = "token_counter" in inspect.signature(ContextEditingMiddleware).parameters
    theirs = {"token_counter": token_counter} if asks else {}
    counter = None if asks else "o200k_base"
    edits = [ContextWindowEdit(budget=300), ContextWindowEdit(budget=250, counter=counter)]
    middleware = ContextEditingMiddleware(edits=edits, **theirs)
    script = [*(calls(f"c{i}") for i in range(8)), "Done."]
    agent, model = agent_of(script, middleware, [look])
    state = agent.invoke({"messages": [HumanMessage("Go on.")]})
    # At first their middleware handed the state's own list to its edits.
    assert not asks or 18 == len(state["messages"])
    assert all(ctxmem.count_messages(request[1:]) <= 250 for request in model.requests)
    sent_within(model, 300)


def test_the_summarizer_says_it_in_the_chats_own_words():
    chat = [
        HumanMessage("Which port does the server listen on?"),
        AIMessage("The server listens on port 8080.\n\nBananas are yellow, by the way."),
        HumanMessage("And which port does the database listen on?"),
    ]
    for budget in (12, 25, 60):
        summary = summarizer(budget, query="Which port?")(chat)
        assert ctxmem.count_tokens(summary) <= budget
    assert "port 8080" in summarizer(40, query="What does the server listen on?")(chat)
    assert "" == summarizer(10)([])
    with pytest.raises(ctxmem.BudgetError):
        summarizer(0)
    if not SUMMARIZER:
        return
    middleware = SummarizationMiddleware(
        Scripted(script=["unused"], requests=[], bound=[]),
        trigger=("messages", 6),
        keep=("messages", 2),
        summarizer=summarizer(60),
    )
    agent, model = agent_of(["Done."], middleware)
    state = agent.invoke({"messages": [*chat, AIMessage("5432."), *map(HumanMessage, "abc")]})
    assert "port 8080" in state["messages"][0].text
    assert 1 == len(model.requests)


# Imports ------------------------------------------------------------------------------------------


def run_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_import_loads_langchain_core_alone():
    code = (
        "import sys, ctxmem.adapters.langchain as a; a.ContextCompressor, a.pack_documents, "
        "a.token_counter, a.summarizer; print(*{m.split('.')[0] for m in sys.modules})"
    )
    loaded = set(run_python(code))
    assert "langchain_core" in loaded
    others = {"langchain", "langgraph", "langchain_classic", "langchain_community", "llama_index"}
    assert set() == loaded & {*others, "tiktoken", "faiss"}


HIDDEN = "import sys; sys.modules.update({{name: None for name in {names}}})\n"


@pytest.mark.parametrize(
    ("names", "code", "said"),
    [
        (
            ["langchain"],
            "from ctxmem.adapters.langchain import token_counter, ContextMiddleware",
            "ctxmem[langchain-agents]",
        ),
        (
            ["langgraph"],
            "from ctxmem.adapters.langchain import token_counter, PageBaseStore",
            "ctxmem[langchain-agents]",
        ),
    ],
)
def test_a_missing_extra_is_named(names, code, said):
    body = (
        HIDDEN.format(names=names)
        + f"try:\n    {code}\nexcept ImportError as error:\n    print(type(error).__name__, error)"
    )
    told = " ".join(run_python(body))
    assert told.startswith("MissingExtraError")
    assert f"pip install '{said}'" in told


def test_an_unknown_name_is_no_missing_extra():
    import ctxmem.adapters.langchain as adapter

    with pytest.raises(AttributeError, match="has no attribute 'Kompressor'"):
        adapter.Kompressor  # noqa: B018
    assert {"ContextMiddleware", "PageBaseStore"} <= set(dir(adapter))


def test_what_the_model_is_sent_is_accepted_whatever_the_state_holds():
    rng = random.Random(15)
    for _ in range(60):
        history = convert_to_messages(random_chat(rng, rng.randrange(2, 16)))
        budget = rng.choice([150, 400, 2000])
        mode = rng.choice(["ephemeral", "persistent"])
        agent, model = agent_of(["Done."], ContextMiddleware(budget=budget, mode=mode))
        try:
            agent.invoke({"messages": [*history, HumanMessage("Go on.")]})
        except ctxmem.BudgetError as error:
            assert error.pinned
            continue
        (request,) = model.requests
        assert [] == [f for f in ctxmem.check(request, provider="openai") if f.rule]
        assert ctxmem.count_messages(request) <= budget
        assert "Go on." == request[-1].content


def test_options_that_cannot_be_used_are_refused_by_the_name_of_the_adapter():
    with pytest.raises(TypeError, match=r"ContextMiddleware.*'foo'"):
        ContextMiddleware(1000, foo=1)
    for budget in (0, -1):
        with pytest.raises(ctxmem.BudgetError):
            ContextWindowEdit(budget=budget)


def test_rules_outlive_every_summary_of_the_middleware():
    if not SUMMARIZER:
        return
    middleware = SummarizationMiddleware(
        Scripted(script=["unused"], requests=[], bound=[]),
        trigger=("messages", 6),
        keep=("messages", 2),
        summarizer=summarizer(60),
        trim_tokens_to_summarize=None,
    )
    agent, _ = agent_of(["Done."], middleware)
    said = [HumanMessage("Never touch vendor/."), AIMessage("Ok.")]
    for i in range(4):
        said += [HumanMessage(f"Read the file {k}{i} and say what it has.") for k in "abcdef"]
        said = agent.invoke({"messages": said})["messages"]
        assert "Never touch vendor/." in said[0].text, i
        assert said[0].additional_kwargs["lc_source"] == "summarization"

"""Every adapter keeps pairs and budget over the corpus and over random histories."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from chats import no_half_pairs, random_chat
from fuzz_size import some

import ctxmem

pytest.importorskip("langchain")
pytest.importorskip("llama_index.core")
from langchain.agents.middleware import types
from langchain.agents.middleware.types import ModelRequest
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)
from llama_index.core.llms import ChatMessage

from ctxmem.adapters.langchain import ContextMiddleware, ContextWindowEdit, summarizer
from ctxmem.adapters.llama_index import ContextMemory, ContextMemoryBlock

STATS = hasattr(types, "ExtendedModelResponse")  # since langchain 1.2.10

CORPUS = json.loads((Path(__file__).parent / "data" / "histories.json").read_text("utf-8"))


# There and back, by hand: what an adapter hands out is counted in OpenAI's shape.


def from_langchain(messages):
    told = []
    for message in messages:
        if isinstance(message, SystemMessage):
            told.append({"role": "system", "content": message.content})
        elif isinstance(message, HumanMessage):
            told.append({"role": "user", "content": message.content})
        elif isinstance(message, ToolMessage):
            plain = {"role": "tool", "content": message.content}
            told.append({**plain, "tool_call_id": message.tool_call_id})
        else:
            assert isinstance(message, AIMessage)
            calls = [
                {"id": c["id"], "function": {"name": c["name"], "arguments": json.dumps(c["args"])}}
                for c in message.tool_calls
            ]
            plain = {"role": "assistant", "content": message.content}
            told.append({**plain, "tool_calls": calls} if calls else plain)
    return told


def to_llama_index(messages):
    extra = ("tool_calls", "tool_call_id")
    return [
        ChatMessage(
            role=message["role"],
            content=message["content"],
            additional_kwargs={name: message[name] for name in extra if name in message},
        )
        for message in messages
    ]


def from_llama_index(messages):
    return [
        {"role": message.role.value, "content": message.content, **message.additional_kwargs}
        for message in messages
    ]


# The adapters, each as a function of plain messages and a budget.


def trimmed(chat, budget, **options):
    return ctxmem.trim_messages(chat, budget, **options)


def leaping(chat, budget):
    return ctxmem.trim_messages(chat, budget, low_water=0.5)


def langchain_objects(chat, budget):
    return from_langchain(ctxmem.trim_messages(convert_to_messages(chat), budget))


def edited(chat, budget):
    messages = convert_to_messages(chat)
    ContextWindowEdit(budget=budget).apply(messages, count_tokens=len)
    return from_langchain(messages)


def as_request(messages, state=None):
    system = messages[0] if messages and isinstance(messages[0], SystemMessage) else None
    fields = {"messages": messages[1:] if system else messages, "state": state or {}}
    if STATS:
        return ModelRequest(model=None, system_message=system, **fields)
    nothing = dict.fromkeys(("model", "tool_choice", "response_format", "runtime"))
    text = system.content if system else None
    return ModelRequest(system_prompt=text, tools=[], **nothing, **fields)


def told_by(middleware, messages, state=None):
    sent = []

    def handler(request):
        sent.append(from_langchain(messages_of(request)))
        return AIMessage("said")

    answer = middleware.wrap_model_call(as_request(messages, state), handler)
    return sent[0], answer.command.update["ctxmem"] if STATS else None


def messages_of(request):
    if STATS:
        return [*([request.system_message] if request.system_message else []), *request.messages]
    text = request.system_prompt
    return [*([SystemMessage(text)] if text else []), *request.messages]


def ephemeral(chat, budget):
    sent, stats = told_by(ContextMiddleware(budget=budget), convert_to_messages(chat))
    assert not STATS or ctxmem.count_messages(sent) == stats["tokens"]
    return sent


def persistent(chat, budget):
    middleware = ContextMiddleware(budget=budget, mode="persistent")
    messages = convert_to_messages(chat)
    update = middleware.before_model({"messages": messages}, None)
    if update is not None:
        remove, *kept = update["messages"]
        assert isinstance(remove, RemoveMessage)
        left = [m.model_dump() for m in middleware.evicted()]
        assert left == [m.model_dump() for m in messages if not any(m is k for k in kept)]
        messages = kept
    return told_by(middleware, messages)[0]


def remembered(chat, budget):
    memory = ContextMemory(budget=budget)
    memory.put_messages(to_llama_index(chat))
    return from_llama_index(memory.get())


ADAPTERS = [trimmed, leaping, langchain_objects, edited, ephemeral, persistent, remembered]


@pytest.mark.parametrize(
    "rounds",
    [60, *(pytest.param(some(1200) + i, marks=pytest.mark.slow(30)) for i in range(some(4, 4)))],
)
def test_random_histories_leave_every_adapter_whole_and_within_the_budget(rounds, recount):
    rng = random.Random(rounds)
    refused = dict.fromkeys(ADAPTERS, 0)
    for _ in range(rounds):
        chat = random_chat(rng, rng.randrange(1, 16))
        budget = rng.randrange(1, ctxmem.count_messages(chat) + 20)
        before = json.dumps(chat)
        for adapter in ADAPTERS:
            try:
                kept = adapter(chat, budget)
            except ctxmem.BudgetError as error:
                refused[adapter] += 1
                assert error.pinned or budget <= 3
                continue
            assert no_half_pairs(kept), (adapter.__name__, chat, kept)
            assert recount(kept) <= budget, (adapter.__name__, chat, kept)
        assert before == json.dumps(chat)
    # Trimming pins the same everywhere; a memory keeps every system message and the last answer.
    assert 1 == len({refused[adapter] for adapter in (trimmed, leaping, langchain_objects)})
    for adapter in (edited, ephemeral, persistent, remembered):
        assert refused[adapter] <= 1.5 * refused[trimmed], (adapter.__name__, refused)
    assert max(refused.values()) < rounds / 2


@pytest.mark.parametrize("row", CORPUS, ids=lambda row: row["name"])
def test_the_corpus_passes_through_every_adapter(row):
    messages, provider = row["messages"], row.get("provider")
    total = ctxmem.count_messages(messages, provider=provider)
    for budget in (max(4, total // 3), max(4, total * 2 // 3), total + 600):
        summary = summarizer(budget)(messages)
        assert ctxmem.count_tokens(summary) <= budget
        if row["kind"] in ("openai", "langchain"):
            check_langchain(messages, budget)
        if row["kind"] == "openai":
            check_llama_index(messages, budget)


def check_langchain(messages, budget):
    try:
        given = convert_to_messages(messages)
    except (ValueError, NotImplementedError, KeyError, TypeError):
        return  # no message of LangChain's: an unknown role, a call without id
    middleware = ContextMiddleware(budget=budget, tool_result_tokens=100)
    edit = ContextWindowEdit(budget=budget)
    sent = []
    for cut in (
        lambda: middleware.wrap_model_call(
            as_request(given), lambda request: sent.append(request) or AIMessage("said")
        ),
        lambda: edit.apply(given, count_tokens=len),
    ):
        try:
            cut()
        except ctxmem.BudgetError as error:
            assert error.pinned
    windows = [given] if len(given) < len(messages) else []
    windows += [messages_of(request) for request in sent]
    for window in windows:
        assert ctxmem.count_messages(window) <= budget
        assert not [f for f in ctxmem.check(window) if f.kind in ("orphan_result",)]


def check_llama_index(messages, budget):
    try:
        given = to_llama_index(messages)
    except (ValueError, KeyError):
        return  # a role or a block that LlamaIndex does not have
    memory = ContextMemory(budget=budget)
    memory.put_messages(given)
    assert given == memory.get_all()
    assert given == ContextMemory.from_dict(memory.to_dict()).get_all()
    try:
        window = memory.get()
    except ctxmem.BudgetError as error:
        assert error.pinned
    else:
        assert ctxmem.count_messages(window) <= budget
        assert not [f for f in ctxmem.check(window) if f.kind == "orphan_result"]
    ContextMemoryBlock(budget=budget)

"""LiteLLM: the callback cuts requests of the proxy and of the SDK, and never fails one."""

from __future__ import annotations

import copy
import json
import logging
import os
import random

import pytest
from chats import no_half_pairs, random_anthropic, random_chat, same_objects, user
from fuzz_size import some

import ctxmem
from ctxmem import BudgetError

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # no network at import
pytest.importorskip("litellm")
import litellm
from litellm.caching.caching import DualCache
from litellm.integrations.custom_logger import CustomLogger

from ctxmem.adapters.litellm import ContextCallback

LONG = [user(f"This is question {i}.") for i in range(40)]
TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Look it up.", "parameters": {"type": "object"}},
}


@pytest.fixture
def callback():
    """Return a callback that LiteLLM asks, for as long as a test runs."""
    made = ContextCallback(120)
    before = list(litellm.callbacks)
    litellm.callbacks = [*before, made]
    yield made
    litellm.callbacks = before


async def by_proxy(made, data, call_type="completion"):
    return await made.async_pre_call_hook(None, DualCache(), data, call_type)


class Model(litellm.CustomLLM):
    """A model that remembers what it was sent."""

    def __init__(self):
        super().__init__()
        self.sent = []

    async def acompletion(self, model, messages, *args, **options):
        self.sent.append(messages)
        return litellm.mock_completion(model, messages, mock_response="Yes.")


@pytest.fixture
def model(monkeypatch):
    made = Model()
    monkeypatch.setattr(
        litellm, "custom_provider_map", [{"provider": "kept", "custom_handler": made}]
    )
    litellm.utils.custom_llm_setup()
    return made


def test_it_is_a_custom_logger():
    assert isinstance(ContextCallback(100), CustomLogger)


async def test_the_sdk_sends_what_fits_and_the_caller_s_list_stays(callback, model):
    given = copy.deepcopy(LONG)
    answer = await litellm.acompletion(model="kept/m", messages=given)
    assert "Yes." == answer.choices[0].message.content
    (sent,) = model.sent
    assert LONG == given
    assert LONG[-len(sent) :] == sent
    assert 1 < len(sent) < 20
    assert ctxmem.count_messages(sent) == callback.last.tokens <= 120


async def test_a_router_of_the_sdk_is_cut_too(callback, model):
    deployment = {"model_name": "alias", "litellm_params": {"model": "kept/m"}}
    router = litellm.Router(model_list=[deployment])
    await router.acompletion(model="alias", messages=copy.deepcopy(LONG))
    assert 1 < len(model.sent[0]) < 20


async def test_the_proxy_s_own_dispatch_hands_the_cut_request_on(callback):
    proxy = pytest.importorskip("litellm.proxy.utils", exc_type=ImportError)
    from litellm.proxy._types import UserAPIKeyAuth

    dispatch = proxy.ProxyLogging(user_api_key_cache=DualCache())
    data = {"model": "alias", "messages": copy.deepcopy(LONG)}
    made = await dispatch.pre_call_hook(
        user_api_key_dict=UserAPIKeyAuth(), data=data, call_type="completion"
    )
    assert 1 < len(made["messages"]) < 20


def test_a_synchronous_call_goes_through_prepare():
    made = ContextCallback(120)
    request = made.prepare(model="gpt-5", messages=LONG, mock_response="Yes.")
    assert "Yes." == litellm.completion(**request).choices[0].message.content
    assert same_objects(LONG[-len(request["messages"]) :], request["messages"])


@pytest.mark.parametrize("rounds", [60, pytest.param(some(1500), marks=pytest.mark.slow)])
async def test_random_requests_stay_whole_within_the_budget_and_unchanged(rounds, recount):
    rng = random.Random(rounds)
    refused = 0
    for _ in range(rounds):
        kind = rng.choice(["acompletion", "anthropic_messages"])
        make = random_chat if kind == "acompletion" else random_anthropic
        data = {"model": "m", "messages": make(rng, rng.randrange(1, 16)), "user": "ann"}
        if kind == "anthropic_messages":
            data["system"] = rng.choice(["Be brief.", [{"type": "text", "text": "Be brief."}]])
        budget = rng.randrange(1, ctxmem.count_messages(data["messages"]) + 30)
        before = json.dumps(data)
        made = await by_proxy(ContextCallback(budget), data, kind)
        assert before == json.dumps(data)
        assert {**made, "messages": 0} == {**data, "messages": 0}
        if made is data:
            system = [{"role": "system", "content": data["system"]}] if "system" in data else []
            refused += recount([*system, *data["messages"]]) > budget
            continue
        system = [{"role": "system", "content": data["system"]}] if "system" in data else []
        assert recount([*system, *made["messages"]]) <= budget
        assert no_half_pairs(made["messages"])
        found = {finding.kind for finding in ctxmem.check(made["messages"])}
        assert found <= {"open_call", "duplicate_message"}
    assert refused < rounds / 2


async def test_responses_are_cut_and_texts_and_other_calls_are_passed_on_as_they_are():
    made = ContextCallback(120)
    items = [*LONG, {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}]
    items.append({"type": "function_call_output", "call_id": "c", "output": "found"})
    cut = await by_proxy(
        made, {"model": "m", "input": items, "instructions": "Be brief."}, "aresponses"
    )
    assert same_objects(items[-len(cut["input"]) :], cut["input"])
    assert 2 < len(cut["input"]) < 20
    for data, kind in (
        ({"model": "m", "input": "word " * 900}, "aresponses"),
        ({"model": "m", "input": ["word " * 900]}, "aembedding"),
        ({"model": "m", "messages": LONG}, "amoderation"),
        ({"model": "m"}, "acompletion"),
        ({"model": "m", "messages": []}, "acompletion"),
        ({"model": "m", "messages": LONG[:2]}, "acompletion"),
        ({"model": "m", "messages": LONG}, None),
    ):
        assert data is await by_proxy(made, data, kind)


async def test_tools_and_the_answer_s_schema_count():
    spent = []
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    for more in ({}, {"tools": [TOOL]}, {"tools": [TOOL], "response_format": schema}):
        made = ContextCallback(1000)
        await by_proxy(made, {"model": "m", "messages": LONG[:2], **more})
        spent.append(made.last.fixed)
    assert spent == sorted(set(spent))


async def test_the_overhead_is_that_of_the_model_s_provider_where_it_is_known():
    fixed = {}
    for model in ("anthropic/claude-opus-4-5", "gpt-5", "alias", "bedrock/x"):
        made = ContextCallback(9000)
        await by_proxy(made, {"model": model, "messages": LONG[:1], "tools": [TOOL]})
        fixed[model] = made.last.fixed
    assert fixed["gpt-5"] == fixed["alias"] < fixed["anthropic/claude-opus-4-5"]


@pytest.mark.parametrize(
    "broken",
    [
        [user("word " * 900)],  # what must stay does not fit
        [object()],
        [{"role": "user", "content": 7}],
        [user("x"), None],
    ],
    ids=["budget", "object", "content", "none"],
)
async def test_a_fault_passes_the_request_on_as_it_is_and_is_logged(broken, caplog):
    data = {"model": "m", "messages": broken}
    with caplog.at_level(logging.WARNING, logger="ctxmem.adapters.litellm"):
        assert data is await by_proxy(ContextCallback(120), data)
    assert "passed on as it is" in caplog.text
    with pytest.raises(ctxmem.CtxmemError):
        await by_proxy(ContextCallback(120, strict=True), data)


async def test_a_report_that_fails_fails_no_request(caplog):
    def report(_):
        raise RuntimeError("the metrics are away")

    data = {"model": "m", "messages": LONG}
    assert data is await by_proxy(ContextCallback(120, report=report), data)
    assert "the metrics are away" in caplog.text


def test_options_are_checked_when_the_callback_is_made():
    for wrong in ({"budget": 0}, {"budget": 9, "low_water": 2}, {"budget": 9, "provider": "x"}):
        with pytest.raises((BudgetError, ctxmem.InputError)):
            ContextCallback(**wrong)

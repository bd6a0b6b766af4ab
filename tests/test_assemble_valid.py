"""Requests of random inputs keep the budget, and the provider accepts them."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from assembled_requests import PROVIDERS, random_request
from fuzz_size import ALL
from upstream_requests import CHAT, MESSAGES, RESPONSES, post, said

import ctxmem

PATHS = {"openai": CHAT, "responses": RESPONSES, "anthropic": MESSAGES}
BESIDE = {
    "openai": {"model": "gpt-4.1"},
    "responses": {"model": "gpt-4.1"},
    "anthropic": {"model": "claude-sonnet-5", "max_tokens": 100},
}
ADVICE = {"duplicate_message", "repeated_passage", "prefix_breaker"}
"""Findings about what the input says, which `assemble` passes on as it is."""

FAST = 8
CHUNK = 50
CHUNKS = 34 if ALL else 6  # of each provider: 900 requests, 5,100 with CTXMEM_FUZZ=all


def judged(strict, provider: str, seeds, wire: str = "") -> Counter:
    """Assemble requests, check each, and count those that have no room for what is required."""
    outcome = Counter()
    for seed in seeds:
        given = random_request(seed, provider, wire)
        before = json.dumps(given.get("history", []))
        try:
            request = ctxmem.assemble(**given)
        except ctxmem.BudgetError as error:
            assert error.pinned, (seed, error)
            outcome["no room"] += 1
            continue
        check_one(strict, provider, given, request, seed)
        assert before == json.dumps(given.get("history", [])), "the input was changed"
        outcome["sent"] += 1
        outcome["with tools"] += bool(request.tools)
        outcome["deferred"] += any(d.form == "deferred" for d in request.decisions)
    return outcome


def check_one(strict, provider: str, given, request, seed) -> None:
    where = (provider, seed)
    body = request.body()
    counted = counted_again(request, provider)
    assert request.exact and request.tokens == counted <= given["budget"], where
    assert sum(request.parts.values()) == request.tokens, where
    found = ctxmem.check(request.messages, tools=request.tools, provider=provider)
    assert [f for f in found if f.kind not in ADVICE] == [], where
    assert every_input_has_a_decision(given, request), where
    response = post(strict, PATHS[provider], body | BESIDE[provider])
    assert response.status_code == 200, (where, said(response))


def counted_again(request, provider: str) -> int:
    """Count what is sent with nothing but the public counter."""
    messages = list(request.messages)
    if request.system is not None:
        messages.insert(0, {"role": "system", "content": request.system})
    return ctxmem.count_messages(messages, tools=request.tools or None, provider=provider)


def every_input_has_a_decision(given, request) -> bool:
    by_part = Counter(decision.part for decision in request.decisions)
    return by_part["tools"] == len(given.get("tools", ())) and by_part["passages"] == len(
        given.get("passages", ())
    )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_random_requests_keep_the_budget_and_are_accepted(strict, provider):
    outcome = judged(strict, provider, range(FAST))
    assert outcome["sent"] > FAST / 2
    assert outcome["with tools"] and outcome["deferred"]


@pytest.mark.parametrize("wire", PROVIDERS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_histories_of_other_providers_are_converted_and_accepted(strict, provider, wire):
    assert judged(strict, provider, range(500, 503), wire)["sent"]


@pytest.mark.slow
@pytest.mark.parametrize("wire", PROVIDERS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_hundreds_of_histories_of_other_providers_are_accepted(strict, provider, wire):
    assert judged(strict, provider, range(600, 700), wire)["sent"] > 50


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("provider", PROVIDERS)
def test_thousands_of_random_requests_are_accepted(strict, provider, chunk):
    first = 1000 + chunk * CHUNK
    outcome = judged(strict, provider, range(first, first + CHUNK))
    assert outcome["sent"] > CHUNK / 2


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_question_is_the_last_message_and_messages_have_the_shape_of_the_provider(provider):
    given = random_request(3, provider) | {"budget": 6000, "question": "Where is parcel 17?"}
    request = ctxmem.assemble(**given)
    last = request.messages[-1]
    assert last["role"] == "user" and "Where is parcel 17?" in json.dumps(last["content"])
    types = {message.get("type") for message in request.messages}
    roles = [message.get("role") for message in request.messages]
    assert provider == "responses" or types == {None}
    assert provider != "anthropic" or "system" not in roles
    shape = {"openai": "function", "responses": "parameters", "anthropic": "input_schema"}[provider]
    assert all(shape in tool for tool in request.tools)

"""Histories of every provider that went wrong: what check, repair and trim make of them.

The judge is `provider_rules`, a checker written from the published rules and apart from the code.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re

import pytest
from chats import words
from fuzz_size import some
from provider_rules import problems
from random_histories import random_history, random_ui_history

import ctxmem
from ctxmem import InputError

PROVIDERS = ("openai", "responses", "anthropic", "gemini", "bedrock")
MODELS = {"anthropic": "claude-opus-4-6", "gemini": "gemini-3-pro", "bedrock": "claude-opus-4-6"}
every_provider = pytest.mark.parametrize("provider", PROVIDERS)
MANY = int(os.environ.get("CTXMEM_HISTORIES", some(3000)))
"""Histories a provider in the slow lane; before a release it is 100,000."""
rounds = pytest.mark.parametrize("rounds", [200, pytest.param(MANY, marks=pytest.mark.slow)])


def refused(messages, provider, model=None, contested=False):
    """Return what a provider refuses; system instructions first are taken out by the caller."""
    if provider in ("gemini", "bedrock"):
        messages = list(itertools.dropwhile(lambda m: m.get("role") == "system", messages))
    found = problems(messages, provider, model, contested=contested) if messages else []
    return [one for one in found if "-NONE" not in one]


def findings(messages, provider, model=None):
    """Return what check says that a provider refuses; calls in flight are waited for."""
    found = ctxmem.check(messages, provider=provider, model=model)
    return [one for one in found if one.rule is not None and "in flight" not in one.detail]


def kinds(found):
    return {one.partition(":")[0] for one in found}


def histories(provider, rounds):
    rng = random.Random(f"{provider} {rounds}")
    for _ in range(rounds):
        yield rng, random_history(rng, provider, rng.randrange(1, 14))


@rounds
@every_provider
def test_check_and_the_rules_agree(provider, rounds):
    agreed = 0
    for _, chat in histories(provider, rounds):
        wrong = refused(chat, provider)
        found = findings(chat, provider)
        assert not wrong or found, (wrong, chat)
        # Of rules that sources dispute check takes the stricter side.
        if not refused(chat, provider, contested=True) and not unsettled(chat):
            assert not found, (found, chat)
            agreed += 1
    assert agreed > rounds / 5


def unsettled(chat):
    """Return whether a history has what no rule speaks of.

    That are calls of the old form without result, requests that are approved twice, and outputs
    whose call may be what an item reference stands for.
    """
    types = {message.get("type") for message in chat}
    if types & {"mcp_approval_response", "item_reference"}:
        return True
    return any(("function_call" in m and "role" in m) or m.get("role") == "function" for m in chat)


@rounds
@every_provider
def test_what_is_repaired_is_accepted_and_stays_as_it_is(provider, rounds):
    model = MODELS.get(provider)
    beyond = 0
    for rng, chat in histories(provider, rounds):
        asked = model if rng.random() < 0.3 else None
        before = json.dumps(chat)
        log = []
        repaired = ctxmem.repair(chat, provider=provider, model=asked, log=log)
        assert before == json.dumps(chat)
        left = [one for one in log if not one.repaired and "in flight" not in one.detail]
        if left:
            beyond += 1
        else:
            assert refused(repaired, provider, asked) == [], (repaired, chat)
            assert findings(repaired, provider, asked) == [], (repaired, chat)
        again = ctxmem.repair(repaired, provider=provider, model=asked)
        assert len(again) == len(repaired)
        assert all(a is b for a, b in zip(again, repaired, strict=True)), (chat, repaired, again)
        if not log:
            assert all(a is b for a, b in zip(repaired, chat, strict=True))
    assert beyond < rounds / 4


@rounds
@every_provider
def test_repair_loses_nothing_that_was_valid(provider, rounds):
    for _, chat in histories(provider, rounds):
        repaired = ctxmem.repair(chat, provider=provider)
        there = list(map(json.dumps, contents(repaired)))
        for block in contents(from_the_beginning(chat, provider)):
            assert json.dumps(block) in there, (block, chat, repaired)
        rest = from_the_beginning(chat, provider)
        start = [message for message in chat if not any(message is one for one in rest)]
        assert pairs(repaired) >= pairs(rest, start), (chat, repaired)


def from_the_beginning(chat, provider):
    """Return a history without what stands before the user's first message, where that is first."""
    if provider not in ("anthropic", "bedrock"):
        return chat
    asks = (
        i
        for i, message in enumerate(chat)
        if message["role"] == "user" and any(True for _ in contents([message]))
    )
    first = next(asks, None)
    if first is None:
        return []
    return [m for m in chat[:first] if m["role"] == "system"] + chat[first:]


def contents(chat):
    """Yield the texts and images that a history shows, each as plain data."""
    for message in chat:
        content = message.get("parts") or message.get("content")
        if isinstance(content, str):
            content = [{"text": content}]
        for block in content or ():
            if not isinstance(block, dict) or set(block) & {"cachePoint", "thoughtSignature"}:
                continue
            text = block.get("text")
            if isinstance(text, str) and block.get("type", "text").endswith("text"):
                if text.strip() and message.get("role") not in ("tool", "function"):
                    yield text.rstrip()
            elif "inlineData" in block or "image" in block or block.get("type") == "image":
                yield {key: value for key, value in block.items() if key != "cache_control"}


def pairs(chat, start=()):
    """Return the ids of calls that are made once and answered once, behind the call.

    Those that stand in `start` too are left out: they are used twice.
    """
    calls, results = {}, {}
    for i, message in enumerate(chat):
        for kind, key in ids_in(message):
            (calls if kind == "call" else results).setdefault(key, []).append(i)
    before = {key for message in start for _, key in ids_in(message)}
    return {
        key
        for key, at in calls.items()
        if re.fullmatch("[a-zA-Z0-9_-]{1,64}", key or "")
        and len(at) == 1
        and len(results.get(key, ())) == 1
        and results[key][0] > at[0]
        and key not in before
    }


def ids_in(message):
    for call in message.get("tool_calls") or ():
        yield "call", call["id"]
    if message.get("role") == "tool" and "tool_call_id" in message:
        yield "result", message["tool_call_id"]
    content = message.get("parts") or message.get("content")
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, dict):
            continue
        if block.get("type") == "tool_use" and message["role"] == "assistant":
            yield "call", block["id"]
        elif block.get("type") == "tool_result" and message["role"] == "user":
            yield "result", block["tool_use_id"]
        elif "toolUse" in block and message["role"] == "assistant":
            yield "call", block["toolUse"]["toolUseId"]
        elif "toolResult" in block and message["role"] == "user":
            yield "result", block["toolResult"]["toolUseId"]


@rounds
@every_provider
def test_trimmed_histories_are_accepted_and_within_budget(provider, rounds):
    model = MODELS.get(provider)
    trimmed = 0
    for rng, chat in histories(provider, rounds):
        asked = model if rng.random() < 0.2 else None
        options = {"counter": words, "provider": provider}
        budget = rng.randrange(20, ctxmem.count_messages(chat, **options) + 40)
        low = rng.choice([None, None, 0.5])
        try:
            kept = ctxmem.trim_messages(chat, budget, model=asked, low_water=low, **options)
        except ctxmem.BudgetError as error:
            assert error.pinned or budget < 40
            continue
        assert ctxmem.count_messages(kept, model=asked, **options) <= budget
        # What repair has to leave, trim may leave too.
        whole = ctxmem.repair(chat, provider=provider)
        if provider == "gemini" and not any(map(asks_gemini, whole)):
            continue  # no message of the user is there to begin with
        beyond = kinds(refused(whole, provider, asked))
        assert kinds(refused(kept, provider, asked)) <= beyond, (kept, chat)
        trimmed += len(kept) < len(chat)
        question = last_question(chat)
        if question is not None:
            assert json.dumps(question) in map(json.dumps, contents(kept)), (question, kept)
    assert trimmed > rounds / 10


def asks_gemini(message):
    parts = message.get("parts") or ()
    return message["role"] == "user" and not all("functionResponse" in part for part in parts)


def last_question(chat):
    """Return the last text of the user's that is no note and has no result beside it."""
    for message in reversed(chat):
        if message.get("role") != "user" or any(kind == "result" for kind, _ in ids_in(message)):
            continue
        content = message.get("parts") or message.get("content")
        if isinstance(content, list) and any("functionResponse" in b for b in content):
            continue
        texts = [text for text in contents([message]) if isinstance(text, str)]
        said = [text for text in texts if not text.startswith(("<", "["))]
        if said:
            return said[-1]
    return None


@pytest.mark.parametrize("rounds", [60, pytest.param(some(1000), marks=pytest.mark.slow)])
@every_provider
def test_windows_of_memory_are_accepted(provider, rounds):
    made = 0
    for rng, chat in histories(provider, rounds):
        prices = "openai" if provider in ("openai", "responses") else "anthropic"
        memory = ctxmem.Memory(
            rng.choice([150, 300, 800, 3000]), counter=words, provider=provider, prices=prices
        )
        for i, message in enumerate(chat):
            if message.get("role") == "bot":  # no provider's role
                with pytest.raises(InputError, match="'bot'; expected one of"):
                    memory.append(message)
            else:
                memory.append(message)
            if rng.random() < 0.5 and i + 1 < len(chat):
                continue
            try:
                window = memory.window("parser test" if rng.random() < 0.3 else None)
            except ctxmem.BudgetError:
                continue
            repaired = ctxmem.repair(chat[: i + 1], provider=provider)
            beyond = kinds(refused(repaired, provider))
            assert kinds(refused(window.messages, provider)) <= beyond, (window.messages, chat)
            tokens = ctxmem.count_messages(window.messages, words, provider=provider)
            assert window.tokens == tokens <= window.budget
            made += 1
    assert made > rounds


@pytest.mark.parametrize("rounds", [300, pytest.param(some(5000), marks=pytest.mark.slow)])
def test_messages_of_the_ai_sdk_are_repaired_to_a_fixed_point(rounds):
    rng, whole = random.Random(rounds), 0
    for _ in range(rounds):
        chat = random_ui_history(rng, rng.randrange(1, 10))
        before = json.dumps(chat)
        log = []
        repaired = ctxmem.repair(chat, log=log)
        assert before == json.dumps(chat)
        if not all(one.repaired or "in flight" in one.detail for one in log):
            continue
        assert [f for f in ctxmem.check(repaired) if f.rule and "in flight" not in f.detail] == []
        assert all(a is b for a, b in zip(ctxmem.repair(repaired), repaired, strict=True))
        empty = ctxmem.count_messages([], words)
        assert (ctxmem.count_messages(repaired, words) > empty) == (repaired != [])
        whole += 1
    assert whole > rounds / 4

"""Rules of providers, each by a history that a person can check, and what repair makes of it."""

from __future__ import annotations

import copy
import json
import random
from datetime import date

import pytest
from chats import assistant, call, result, user
from fuzz_size import some
from random_histories import random_history, random_ui_history

import ctxmem
from ctxmem.chat import RULES


def text(said, **more):
    return {"type": "text", "text": said, **more}


def use(key):
    return {"type": "tool_use", "id": key, "name": "look", "input": {}}


def answer(key, content="ok"):
    return {"type": "tool_result", "tool_use_id": key, "content": content}


def said(role, *blocks):
    return {"role": role, "content": list(blocks)}


def custom(key, output):
    return [
        {"type": "custom_tool_call", "call_id": key, "name": "f", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": key, "output": output},
    ]


MARK = {"cache_control": {"type": "ephemeral"}}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}
FUNCTION = {"functionCall": {"name": "f", "args": {}}}
RESPONSE = {"functionResponse": {"name": "f", "response": {}}}

CASES = [
    (
        "a result behind text",
        "anthropic",
        [user("q"), said("assistant", use("a")), said("user", text("Here:"), answer("a"))],
        "results_first",
        [user("q"), said("assistant", use("a")), said("user", answer("a"), text("Here:"))],
    ),
    (
        "results of one message in two",
        "anthropic",
        [
            user("q"),
            said("assistant", use("a"), use("b")),
            said("user", answer("a")),
            said("user", answer("b")),
            user("go on"),
        ],
        "results_together",
        [
            user("q"),
            said("assistant", use("a"), use("b")),
            said("user", answer("a"), answer("b")),
            user("go on"),
        ],
    ),
    (
        "two results of one call",
        "anthropic",
        [user("q"), said("assistant", use("a")), said("user", answer("a"), answer("a", "again"))],
        "one_result",
        [user("q"), said("assistant", use("a")), said("user", answer("a"))],
    ),
    (
        "an id of a wrong form",
        "anthropic",
        [user("q"), said("assistant", use("a|b")), said("user", answer("a|b"))],
        "id_form",
        [user("q"), said("assistant", use("a_b")), said("user", answer("a_b"))],
    ),
    (
        "an id used in two turns",
        "anthropic",
        [
            user("q"),
            *(said("assistant", use("a")), said("user", answer("a", "one"))),
            *(said("assistant", use("a")), said("user", answer("a", "two"))),
        ],
        "unique_calls",
        [
            user("q"),
            *(said("assistant", use("a")), said("user", answer("a", "one"))),
            *(said("assistant", use("a_2")), said("user", answer("a_2", "two"))),
        ],
    ),
    (
        "the assistant first",
        "anthropic",
        [assistant("Hello!"), user("q")],
        "first_user",
        [user("q")],
    ),
    (
        "a thought at the end",
        "anthropic",
        [user("q"), said("assistant", text("So"), THOUGHT)],
        "final_thought",
        [user("q"), said("assistant", text("So"))],
    ),
    (
        "white space at the end",
        "anthropic",
        [user("q"), assistant("Title: ")],
        "final_space",
        [user("q"), assistant("Title:")],
    ),
    (
        "a text of white space",
        "anthropic",
        [user("q"), said("assistant", text(" "), text("So")), user("r")],
        "not_blank",
        [user("q"), said("assistant", text("So")), user("r")],
    ),
    (
        "five cache marks",
        "anthropic",
        [said("user", *(text(str(i), **MARK) for i in range(5)))],
        "cache_marks",
        [said("user", text("0"), *(text(str(i), **MARK) for i in range(1, 5)))],
    ),
    (
        "system instructions in the middle",
        "anthropic",
        [user("q"), assistant("a"), {"role": "system", "content": "Be short."}, user("r")],
        "system_place",
        [{"role": "system", "content": "Be short."}, user("q"), assistant("a"), user("r")],
    ),
    (
        "no calls in so many words",
        "openai",
        [user("q"), {"role": "assistant", "content": "a", "tool_calls": []}],
        "no_empty_calls",
        [user("q"), {"role": "assistant", "content": "a"}],
    ),
    (
        "a user between a call and its result",
        "openai",
        [user("q"), assistant(None, "a"), user("wait"), result("a"), user("go on")],
        "result_follows",
        [user("q"), assistant(None, "a"), result("a"), user("wait"), user("go on")],
    ),
    (
        "a reasoning item in front of a user",
        "responses",
        [user("q"), REASONING, user("r")],
        "reasoning_leads",
        [user("q"), user("r")],
    ),
    (
        "an output of another kind of call",
        "responses",
        [
            user("q"),
            {"type": "custom_tool_call_output", "call_id": "a", "output": "x"},
            user("r"),
        ],
        "result_follows",
        [user("q"), user("r")],
    ),
    (
        "an id of two calls to tools of one's own",
        "responses",
        [user("q"), *custom("a", "one"), *custom("a", "two"), assistant("done")],
        "unique_calls",
        [user("q"), *custom("a", "one"), *custom("a_2", "two"), assistant("done")],
    ),
    (
        "function calls behind the model's text",
        "gemini",
        [
            {"role": "user", "parts": [{"text": "q"}]},
            {"role": "model", "parts": [{"text": "So"}]},
            {"role": "model", "parts": [FUNCTION]},
            {"role": "user", "parts": [RESPONSE]},
        ],
        "call_turn",
        [
            {"role": "user", "parts": [{"text": "q"}]},
            {"role": "model", "parts": [{"text": "So"}, FUNCTION]},
            {"role": "user", "parts": [RESPONSE]},
        ],
    ),
    (
        "one response for two calls",
        "gemini",
        [
            {"role": "user", "parts": [{"text": "q"}]},
            {"role": "model", "parts": [FUNCTION, FUNCTION]},
            {"role": "user", "parts": [RESPONSE]},
            {"role": "user", "parts": [{"text": "r"}]},
        ],
        "call_answered",
        [
            {"role": "user", "parts": [{"text": "q"}]},
            {"role": "model", "parts": [FUNCTION]},
            {"role": "user", "parts": [RESPONSE]},
            {"role": "user", "parts": [{"text": "r"}]},
        ],
    ),
    (
        "two messages of the user",
        "bedrock",
        [
            {"role": "user", "content": [{"text": "q"}]},
            {"role": "user", "content": [{"text": "r"}]},
        ],
        "alternate",
        [{"role": "user", "content": [{"text": "q"}, {"text": "r"}]}],
    ),
]


@pytest.mark.parametrize(
    ("provider", "chat", "rule", "expected"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_rule_is_cited_and_its_breach_repaired(provider, chat, rule, expected):
    before = copy.deepcopy(chat)
    found = [finding for finding in ctxmem.check(chat, provider=provider) if finding.rule]
    assert rule in [finding.rule.name for finding in found]
    assert provider in {finding.rule.provider for finding in found}
    assert expected == ctxmem.repair(chat, provider=provider)
    assert chat == before


def test_a_last_message_that_the_model_refuses_is_reported_and_kept():
    chat = [user("q"), assistant("Title:")]
    assert ctxmem.check(chat, provider="anthropic") == []
    (found,) = ctxmem.check(chat, provider="anthropic", model="claude-opus-4-6")
    assert (found.kind, found.rule.name) == ("last_message", "no_prefill")
    log = []
    assert ctxmem.repair(chat, provider="anthropic", model="claude-opus-4-6", log=log) == chat
    assert [finding.repaired for finding in log] == [False]
    kept = ctxmem.trim_messages(
        chat, 100, counter=len, provider="anthropic", model="claude-opus-4-6"
    )
    assert kept == chat[:1]  # it never ends where the model refuses


def test_what_an_earlier_response_called_may_be_answered_here():
    chat = [{"type": "function_call_output", "call_id": "c1", "output": "12:00"}]
    assert ["orphan_result"] == [f.kind for f in ctxmem.check(chat)]
    assert [] == ctxmem.check(chat, previous_response_id="resp_1")
    assert chat == ctxmem.repair(chat, previous_response_id="resp_1")


def test_every_rule_has_a_source_and_a_date():
    assert len({(rule.provider, rule.name) for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.says
        assert "/" in rule.source or "API" in rule.source or "Converse" in rule.source
        assert date.fromisoformat(rule.date) <= date(2030, 1, 1)
        assert rule.source in str(rule)


# Anything in any field ----------------------------------------------------------------------------

ANYTHING = (
    None,
    5,
    1.5,
    True,
    "",
    [],
    {},
    [None],
    {"a": 1},
    "x" * 300,
    [[]],
    b"ab",
    ("a", "b"),
    (),
)


def places_in(value):
    """Yield (container, key) of everything inside of a value."""
    fields = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in list(fields):
        yield value, key
        if isinstance(one, dict | list):
            yield from places_in(one)


@pytest.mark.parametrize("rounds", [1500, pytest.param(some(10_000), marks=pytest.mark.slow)])
def test_messages_whose_fields_hold_anything_are_read_or_refused(rounds):
    rng = random.Random(rounds)
    providers = ("openai", "responses", "anthropic", "gemini", "bedrock")
    read = 0
    for _ in range(rounds):
        written = rng.choice((*providers, "ui"))
        if written == "ui":
            chat = random_ui_history(rng, 5)
        else:
            chat = random_history(rng, written, rng.randrange(2, 8))
        chat = json.loads(json.dumps(chat))
        if not chat:
            continue
        for _ in range(rng.randrange(1, 3)):
            held, key = rng.choice(list(places_in(chat)))
            held[key] = copy.deepcopy(rng.choice(ANYTHING))
        before, provider = repr(chat), rng.choice((None, *providers))
        try:
            ctxmem.check(chat, provider=provider)
            repaired = ctxmem.repair(chat, provider=provider)
            again = ctxmem.repair(repaired, provider=provider)
            ctxmem.count_messages(chat, len, provider=provider)
            ctxmem.trim_messages(chat, 500, counter=len, provider=provider)
        except ctxmem.CtxmemError:
            continue
        finally:
            assert before == repr(chat)
        assert len(again) == len(repaired)
        assert all(a is b for a, b in zip(again, repaired, strict=True)), (chat, provider)
        read += 1
    assert read > rounds / 4


def test_many_calls_and_long_runs_take_linear_time():
    n = 2000
    run = [{"role": "user", "content": [{"text": str(i)}]} for i in range(n)]
    assert [len(m["content"]) for m in ctxmem.repair(run, provider="bedrock")] == [n]
    same = assistant(None)
    same["tool_calls"] = [call("same") for _ in range(n)]
    chat = [user("q"), same, *(result("same", str(i)) for i in range(n)), user("r")]
    repaired = ctxmem.repair(chat, provider="openai")
    assert len({made["id"] for made in repaired[1]["tool_calls"]}) == n
    assert [m["content"] for m in repaired[2:-1]] == [str(i) for i in range(n)]
    calls = [{"role": "model", "parts": [FUNCTION]} for _ in range(n)]
    answers = [{"role": "user", "parts": [RESPONSE]} for _ in range(n)]
    asked = {"role": "user", "parts": [{"text": "q"}]}
    assert len(ctxmem.repair([asked, *calls, *answers], provider="gemini")) == 2 * n + 1
    keys = [f"c{i}" for i in range(n)]
    made = [{"type": "function_call", "call_id": k, "name": "f", "arguments": "{}"} for k in keys]
    told = [{"type": "function_call_output", "call_id": k, "output": "x"} for k in reversed(keys)]
    with pytest.raises(ctxmem.BudgetError):
        ctxmem.trim_messages([user("q"), *made, *told], n, provider="responses")

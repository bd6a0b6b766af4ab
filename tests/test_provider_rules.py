"""Hand-written histories, valid and invalid, for the checker in `provider_rules`."""

from __future__ import annotations

import random

import pytest
from provider_rules import problems, refuses_prefill, takes_system_inside
from random_histories import random_history, random_ui_history

PROVIDERS = ("openai", "responses", "anthropic", "gemini", "bedrock")


def rules(messages, provider, **options):
    """The ids of the broken rules, without repetition."""
    return sorted({line.split(":")[0] for line in problems(messages, provider, **options)})


# OpenAI Chat Completions


def call(*names):
    return [
        {"id": name, "type": "function", "function": {"name": "look", "arguments": "{}"}}
        for name in names
    ]


def asks(*names, **more):
    return {"role": "assistant", "content": None, "tool_calls": call(*names), **more}


def tool(name, content="ok"):
    return {"role": "tool", "tool_call_id": name, "content": content}


HI = {"role": "user", "content": "hi"}
BYE = {"role": "assistant", "content": "done"}
SYSTEM = {"role": "system", "content": "be kind"}

OPENAI_VALID = [
    [HI],
    [SYSTEM, HI, asks("a", "b"), tool("b"), tool("a"), BYE],
    [BYE, BYE, HI, SYSTEM, HI],
    [HI, asks("a"), tool("a"), HI, asks("a"), tool("a"), BYE],
    [HI, asks("a", "b"), tool("a")],
    [HI, {"role": "assistant", "content": ""}, {"role": "user", "content": "  "}],
    [
        HI,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
    ],
]
OPENAI_INVALID = [
    ([], ["OA-NONE"]),
    ([HI, {"role": "model", "content": "x"}], ["OA-ROLE"]),
    ([HI, tool("a")], ["OA-ORPHAN"]),
    ([HI, asks("a"), tool("a"), tool("b"), BYE], ["OA-ORPHAN"]),
    ([HI, asks("a"), HI, tool("a")], ["OA-MISSING", "OA-ORPHAN"]),
    ([HI, asks("a", "b"), tool("a"), BYE], ["OA-MISSING"]),
    ([HI, asks("a"), tool("a"), tool("a"), BYE], ["OA-DUP-RESULT"]),
    ([HI, asks("a", "a"), tool("a"), BYE], ["OA-DUP-CALL"]),
    ([HI, {"role": "assistant", "content": "x", "tool_calls": []}], ["OA-EMPTY-CALLS"]),
    ([HI, {"role": "assistant", "content": None}], ["OA-NULL"]),
    ([{"role": "user", "content": []}], ["OA-EMPTY-PARTS"]),
    ([HI, asks("x" * 65), tool("x" * 65)], ["OA-ID-LEN"]),
    ([HI, {"role": "function", "content": "1"}], ["OA-FN-NAME"]),
]

# OpenAI Responses


def fc(name, **more):
    return {"type": "function_call", "call_id": name, "name": "look", "arguments": "{}", **more}


def fco(name):
    return {"type": "function_call_output", "call_id": name, "output": "ok"}


def rs(name="rs_1"):
    return {"type": "reasoning", "id": name, "summary": []}


SAID = {
    "type": "message",
    "role": "assistant",
    "id": "msg_1",
    "content": [{"type": "output_text", "text": "done"}],
}

RESPONSES_VALID = [
    [HI, rs(), fc("a"), fc("b"), fco("b"), fco("a"), SAID],
    [HI, rs("rs_1"), rs("rs_2"), SAID, HI],
    [HI, fc("a"), HI, fco("a")],
    [HI, fc("a"), fc("b"), fco("a")],
    [
        HI,
        {"type": "item_reference", "id": "rs_9"},
        {"type": "item_reference", "id": "fc_9"},
        fco("a"),
    ],
    [
        HI,
        {"type": "mcp_approval_request", "id": "mcpr_1", "name": "f", "arguments": "{}"},
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
    ],
    [
        HI,
        {"type": "local_shell_call", "call_id": "s", "action": {}},
        {"type": "local_shell_call_output", "id": "s", "output": "1"},
        SAID,
    ],
]
RESPONSES_INVALID = [
    ([HI, fco("a")], ["RS-ORPHAN"]),
    ([HI, fc("a"), SAID], ["RS-MISSING"]),
    (
        [HI, {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": ""}, HI],
        ["RS-MISSING"],
    ),
    (
        [HI, fc("a"), {"type": "custom_tool_call_output", "call_id": "a", "output": ""}, SAID],
        ["RS-MISSING", "RS-ORPHAN"],
    ),
    ([HI, rs()], ["RS-REASONING"]),
    ([HI, rs(), HI], ["RS-REASONING"]),
    ([HI, fc("a"), rs(), fco("a")], ["RS-REASONING"]),
    ([HI, {"type": "item_reference", "id": "rs_9"}, HI], ["RS-REASONING"]),
    ([HI, SAID, HI, SAID], ["RS-DUP-ITEM"]),
    ([HI, {**SAID, "id": "item_1"}], ["RS-ID-FORM"]),
    ([HI, fc("x" * 65), fco("x" * 65)], ["RS-CALLID-LEN"]),
    ([{"role": "tool", "content": "x"}], ["RS-ROLE"]),
    ([{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}], ["RS-PART"]),
]

# Anthropic Messages


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks):
    return {"role": "assistant", "content": list(blocks)}


def text(said, **more):
    return {"type": "text", "text": said, **more}


def use(name):
    return {"type": "tool_use", "id": name, "name": "look", "input": {}}


def result(name):
    return {"type": "tool_result", "tool_use_id": name, "content": "ok"}


def search(name):
    return {"type": "server_tool_use", "id": name, "name": "web_search", "input": {}}


def searched(name):
    return {"type": "web_search_tool_result", "tool_use_id": name, "content": []}


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}
MARK = {"cache_control": {"type": "ephemeral"}}

ANTHROPIC_VALID = [
    [
        SYSTEM,
        SYSTEM,
        HI,
        assistant(THOUGHT, use("a"), use("b")),
        user(result("b"), result("a"), text("note")),
        BYE,
    ],
    [HI, HI, BYE, BYE],
    [HI, {"role": "assistant", "content": ""}],
    [HI, assistant(use("a"), use("b")), user(result("a"))],
    [HI, assistant(THOUGHT), HI],
    [HI, assistant(search("srvtoolu_1"), searched("srvtoolu_1"), text("so"))],
    [
        HI,
        assistant(search("srvtoolu_1"), use("a")),
        user(result("a")),
        assistant(searched("srvtoolu_1"), text("so")),
    ],
    [HI, BYE, HI, SYSTEM, BYE],
]
ANTHROPIC_INVALID = [
    ([SYSTEM], ["AN-NONE"]),
    ([BYE, HI], ["AN-FIRST"]),
    ([HI, tool("a")], ["AN-ROLE"]),
    ([HI, BYE, SYSTEM, HI], ["AN-SYSTEM"]),
    ([HI, assistant(use("a")), HI], ["AN-MISSING"]),
    (
        [HI, assistant(use("a"), use("b")), user(result("a")), user(result("b"))],
        ["AN-MISSING", "AN-ORPHAN"],
    ),
    ([HI, assistant(use("a")), user(result("a"), text("x")), user(result("a"))], ["AN-ORPHAN"]),
    ([HI, assistant(use("a")), user(text("Here:"), result("a"))], ["AN-RESULT-FIRST"]),
    ([HI, assistant(use("a")), user(result("a"), result("a"))], ["AN-DUP-RESULT"]),
    (
        [HI, assistant(use("a")), user(result("a")), assistant(use("a")), user(result("a"))],
        ["AN-DUP-CALL"],
    ),
    ([HI, assistant(use("a:1")), user(result("a:1"))], ["AN-ID-FORM"]),
    ([HI, assistant(), HI], ["AN-EMPTY"]),
    (
        [HI, assistant(use("a")), user({**result("a"), "content": "", "is_error": True})],
        ["AN-ERROR-EMPTY"],
    ),
    ([user(text(" "))], ["AN-BLANK"]),
    ([user(*(text(str(i), **MARK) for i in range(5)))], ["AN-CACHE-MAX"]),
    ([HI, assistant({**THOUGHT, **MARK}, text("x")), HI], ["AN-CACHE-PLACE"]),
    ([HI, {"role": "assistant", "content": "Title: "}], ["AN-TRAIL-WS"]),
    ([HI, assistant(THOUGHT)], ["AN-END-THINK"]),
    ([HI, assistant({"type": "thinking", "thinking": "hm"}, text("x"))], ["AN-THINK-SIG"]),
    ([HI, assistant(search("srvtoolu_1"), text("so")), HI], ["AN-SERVER-MISSING"]),
    (
        [HI, assistant(search("srvtoolu_1"), use("a")), user(result("a"), text("x")), BYE],
        ["AN-SERVER-MISSING"],
    ),
    ([HI, assistant(searched("srvtoolu_1"), text("x"))], ["AN-SERVER-ORPHAN"]),
    ([HI, assistant(search("ws_1"), searched("ws_1"), text("x"))], ["AN-SERVER-ID"]),
]

# Gemini


def human(*parts):
    return {"role": "user", "parts": list(parts)}


def model(*parts):
    return {"role": "model", "parts": list(parts)}


def words(said):
    return {"text": said}


def fcall(name="look", **more):
    return {"functionCall": {"name": name, "args": {}}, **more}


def fresp(name="look"):
    return {"functionResponse": {"name": name, "response": {"ok": True}}}


GEMINI_VALID = [
    [human(words("hi")), model(fcall(), fcall()), human(fresp(), fresp()), model(words("done"))],
    [human(words("a")), human(words("b")), model(words("c"))],
    [human(words("a")), model(fcall())],
    [
        human(words("a")),
        model(fcall()),
        human(fresp()),
        model(fcall()),
        {"role": "function", "parts": [fresp()]},
    ],
    [human(words("a")), model({"text": "", "thoughtSignature": "s"})],
]
GEMINI_INVALID = [
    ([], ["GM-NONE"]),
    ([{"role": "system", "parts": [words("x")]}], ["GM-ROLE"]),
    ([human()], ["GM-EMPTY"]),
    ([human({})], ["GM-NODATA"]),
    ([model(fcall()), human(fresp())], ["GM-CALL-TURN"]),
    ([human(words("a")), model(words("b")), model(fcall()), human(fresp())], ["GM-CALL-TURN"]),
    ([human(words("a")), human(fresp())], ["GM-RESPONSE-TURN"]),
    (
        [human(words("a")), model(fcall(), fcall()), human(fresp()), human(fresp())],
        ["GM-COUNT", "GM-RESPONSE-TURN"],
    ),
    ([human(words("a")), model(fcall()), human(words("b"))], ["GM-COUNT"]),
    ([model(words("a"))], ["GM-SINGLE"]),
]

# Bedrock


def buse(name):
    return {"toolUse": {"toolUseId": name, "name": "look", "input": {}}}


def bresult(name):
    return {"toolResult": {"toolUseId": name, "content": [{"text": "ok"}]}}


POINT = {"cachePoint": {"type": "default"}}
BTHOUGHT = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}

BEDROCK_VALID = [
    [user(words("hi"), POINT)],
    [
        user(words("hi")),
        assistant(BTHOUGHT, buse("a"), buse("b")),
        user(bresult("b"), bresult("a"), words("note")),
        assistant(words("done")),
    ],
    [user(words("hi")), assistant(buse("a"), buse("b")), user(bresult("a"))],
]
BEDROCK_INVALID = [
    ([assistant(words("a")), user(words("b"))], ["BR-FIRST"]),
    ([user(words("a")), user(words("b"))], ["BR-ALTERNATE"]),
    ([{"role": "system", "content": [words("x")]}, user(words("a"))], ["BR-ROLE"]),
    ([user()], ["BR-EMPTY"]),
    ([user(words(" "))], ["BR-BLANK"]),
    ([user(words("a")), assistant(buse("a")), user(words("b"))], ["BR-MISSING"]),
    ([user(words("a")), assistant(words("b")), user(bresult("a"))], ["BR-ORPHAN"]),
    ([user(words("a")), assistant(buse("a"), buse("a")), user(bresult("a"))], ["BR-DUP-CALL"]),
    ([user(words("a")), assistant(buse("a")), user(bresult("a"), bresult("a"))], ["BR-DUP-RESULT"]),
    ([user(words("a")), assistant(buse("x|y")), user(bresult("x|y"))], ["BR-ID-FORM"]),
    ([user(*[words("a"), POINT] * 5)], ["BR-CACHE-MAX"]),
    ([user(words("a")), assistant(BTHOUGHT, POINT, words("b"))], ["BR-CACHE-PLACE"]),
    ([user({"document": {"name": "d", "format": "pdf"}})], ["BR-DOC-TEXT"]),
    ([user(words("a")), assistant(words("b "))], ["BR-TRAIL-WS"]),
    ([user(POINT)], ["BR-CACHE-ONLY"]),
    ([user({**words("a"), **POINT})], ["BR-ONE-KEY"]),
    ([user(words("a"), {"document": {"name": "d", "format": "md"}}, POINT)], ["BR-CACHE-PLACE"]),
]

VALID = {
    "openai": OPENAI_VALID,
    "responses": RESPONSES_VALID,
    "anthropic": ANTHROPIC_VALID,
    "gemini": GEMINI_VALID,
    "bedrock": BEDROCK_VALID,
}
INVALID = {
    "openai": OPENAI_INVALID,
    "responses": RESPONSES_INVALID,
    "anthropic": ANTHROPIC_INVALID,
    "gemini": GEMINI_INVALID,
    "bedrock": BEDROCK_INVALID,
}


@pytest.mark.parametrize(
    ("provider", "chat"), [(name, chat) for name in PROVIDERS for chat in VALID[name]]
)
def test_valid(provider, chat):
    assert problems(chat, provider) == []


@pytest.mark.parametrize(
    ("provider", "chat", "expected"),
    [(name, chat, expected) for name in PROVIDERS for chat, expected in INVALID[name]],
)
def test_invalid(provider, chat, expected):
    assert rules(chat, provider) == expected


@pytest.mark.parametrize(
    ("provider", "chat", "expected"),
    [
        ("openai", [HI, asks("a")], "OA-MISSING"),
        ("responses", [HI, fc("a")], "RS-MISSING"),
        ("anthropic", [HI, assistant(use("a"), use("b")), user(result("a"))], "AN-MISSING"),
        ("gemini", [human(words("a")), model(fcall())], "GM-COUNT"),
        ("bedrock", [user(words("a")), assistant(buse("a"))], "BR-MISSING"),
    ],
)
def test_in_flight(provider, chat, expected):
    assert rules(chat, provider) == []
    assert rules(chat, provider, in_flight_ok=False) == [expected]


def test_models():
    refusing = (
        "claude-opus-4-6",
        "anthropic.claude-sonnet-4-6-v1:0",
        "claude-haiku-5-5",
        "claude-opus-4.8",
        "claude-mythos-preview",
        "claude-fable-5-1",
    )
    taking = (
        "claude-opus-4-20250514",
        "claude-haiku-4-5-20251001",
        "claude-3-7-sonnet-latest",
        "claude-sonnet-4-5",
        None,
    )
    assert all(refuses_prefill(name) for name in refusing)
    assert not any(refuses_prefill(name) for name in taking)
    assert rules([HI, BYE], "anthropic", model="claude-opus-4-6") == ["AN-PREFILL"]
    assert rules([HI, assistant(use("a"))], "anthropic", model="claude-opus-4-6") == []
    assert not takes_system_inside("claude-haiku-4-5")
    assert rules([HI, SYSTEM], "anthropic", model="claude-sonnet-4-6") == ["AN-SYSTEM"]
    assert rules([HI, SYSTEM], "anthropic", model="claude-opus-4-8") == []


def test_gemini_signatures():
    turn = [human(words("a")), model(fcall(thoughtSignature="s"), fcall()), human(fresp(), fresp())]
    assert rules(turn, "gemini", model="gemini-3-pro-preview") == []
    bare = [human(words("a")), model(fcall()), human(fresp())]
    assert rules(bare, "gemini", model="gemini-3-pro-preview") == ["GM-SIG"]
    assert rules(bare, "gemini", model="gemini-2.5-pro") == []
    assert rules([*bare, human(words("b"))], "gemini", model="gemini-3-pro-preview") == []


def test_gemini_model_end():
    chat = [human(words("a")), model(words("b"))]
    assert rules(chat, "gemini", model="gemini-3.6-flash") == ["GM-PREFILL"]
    assert rules(chat, "gemini", model="gemini-3.5-flash-lite") == ["GM-PREFILL"]
    assert rules(chat, "gemini", model="gemini-3.5-flash") == []
    assert rules(chat, "gemini", model="gemini-2.5-flash") == []
    call_last = [human(words("a")), model(fcall(thoughtSignature="s"))]
    assert rules(call_last, "gemini", model="gemini-4-argon") == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_generator(provider):
    """Seeded by rng only, a mixture of faults, a fair share without any."""
    chats = [random_history(random.Random(seed), provider, 12) for seed in range(600)]
    again = [random_history(random.Random(seed), provider, 12) for seed in range(600)]
    assert chats == again
    found = [rules(chat, provider) for chat in chats]
    clean = sum(not names for names in found)
    assert 0.3 * len(chats) < clean < 0.52 * len(chats)
    assert len({name for names in found for name in names}) >= 6


@pytest.mark.parametrize("provider", PROVIDERS)
def test_clean_share(provider, monkeypatch):
    """Without faults every history is valid."""
    monkeypatch.setattr("random_histories.common.Dice.fault", lambda self, weight=1.0: False)
    for seed in range(300):
        assert problems(random_history(random.Random(seed), provider, 12), provider) == []


def test_ui_generator():
    first, second = (random_ui_history(random.Random(5), 12) for _ in range(2))
    assert first == second
    states = {
        part.get("state")
        for seed in range(200)
        for message in random_ui_history(random.Random(seed), 12)
        for part in message["parts"]
    }
    assert {"input-available", "output-available", "output-error", "approval-requested"} <= states

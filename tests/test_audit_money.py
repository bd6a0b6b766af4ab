"""What an audit counts and prices: whole requests, money as it was paid, and sums that add up."""

from __future__ import annotations

from typing import Any

import pytest

from ctxmem import audit, count_messages
from ctxmem.auditing.segments import PARTS

LONG = "A parcel that nobody takes in goes back to the shop after seven days at the latest."
RULE = "Refunds are paid within thirty days of purchase, to the card that was charged."


def words(text: str) -> int:
    return len(text.split())


def say(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def function(name: str, description: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": description}}


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0KGgo" * 500}}
THOUGHT = {"type": "thinking", "thinking": "first " * 300, "signature": "x" * 400}
PDF = {
    "type": "document",
    "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA" * 9000},
}
CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": "x"}'}}
USE = {"type": "tool_use", "id": "t1", "name": "find", "input": {"q": "an ü", "n": [1, 2]}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": LONG}]}

REQUESTS: dict[str, dict[str, Any]] = {
    "texts": {"model": "gpt-4o", "messages": [say("system", f"{RULE}\n\n  {LONG}\n\n/x"),
              say("user", "When?"), say("assistant", "Soon."), say("user", "Thanks\n\n\nand?")]},
    "named": {"model": "gpt-4o", "messages": [say("user", LONG, name="anna")]},
    "image": {"model": "gpt-4o", "messages": [say("user", [{"type": "text", "text": "?"}, IMAGE])]},
    "tools": {"model": "gpt-4o", "tools": [function(f"f{i}", "word " * 30) for i in range(4)],
              "messages": [say("system", RULE), say("user", "hi")]},
    "calls": {"model": "gpt-4", "tools": [function("find", "finds")],
              "messages": [say("user", "hi"), say("assistant", None, tool_calls=[CALL]),
                           {"role": "tool", "tool_call_id": "c1", "content": LONG}]},
    "several calls": {"model": "gpt-4", "messages": [
        say("user", "hi"), say("assistant", None, tool_calls=[CALL, {**CALL, "id": "c2"}]),
        *({"role": "tool", "tool_call_id": name, "content": LONG} for name in ("c1", "c2"))]},
    "thoughts": {"model": "claude-sonnet-4-5", "messages": [
        say("user", "hi"), say("assistant", [THOUGHT, {"type": "text", "text": "ok"}]),
        say("user", "go")]},
    "file": {"model": "claude-sonnet-4-5", "messages": [say("user", [PDF])]},
    "blocks": {"model": "claude-opus-4-8", "system": RULE, "tools": [
        {"name": "find", "description": "finds", "input_schema": {"type": "object"}}],
        "messages": [say("user", "hi"), say("assistant", [USE]), say("user", [RESULT])]},
    "no model": {"messages": [say("user", LONG)]},
    "unknown block": {"model": "m", "messages": [
        say("user", [{"type": "hologram", "content": LONG, "size": 3}])]},
}  # fmt: skip


# Windows


@pytest.mark.parametrize("counter", [words, "o200k_base", "cl100k_base"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_window_has_the_tokens_that_count_messages_counts(name, counter):
    record = REQUESTS[name]
    messages = record["messages"]
    if "system" in record:
        messages = [say("system", record["system"]), *messages]
    model = record.get("model")
    expected = count_messages(messages, counter, tools=record.get("tools"), model=model)
    found = audit([record, record], counter=counter)
    assert found.totals["tokens"] == 2 * expected
    rows = [row["tokens"] for session in found.sessions for row in session["rows"]]
    assert rows == [expected, expected]


@pytest.mark.parametrize("name", REQUESTS)
def test_the_parts_of_windows_add_up_to_their_tokens(name):
    found = audit([REQUESTS[name]])
    parts = found.totals["parts"]
    assert list(parts) == list(PARTS)
    assert sum(parts.values()) == found.totals["tokens"]
    for row in found.sessions[0]["rows"]:
        assert sum(row["parts"].values()) == row["tokens"]


def test_each_token_is_in_the_part_that_it_is():
    meter = {name: audit([record], counter=words) for name, record in REQUESTS.items()}
    assert meter["texts"].totals["parts"]["question"] == 2  # Thanks, and?
    assert meter["texts"].totals["parts"]["history"] == 2  # When? Soon.
    assert meter["texts"].totals["parts"]["system"] == words(RULE) + words(LONG) + 1
    assert meter["image"].totals["parts"]["images"] > 100
    assert meter["tools"].totals["parts"]["tools"] >= 4 * 30
    assert meter["calls"].totals["parts"]["tool_calls"] == 2
    assert meter["calls"].totals["parts"]["tool_results"] == words(LONG)
    assert meter["thoughts"].totals["parts"]["thoughts"] >= 300
    assert meter["file"].totals["parts"]["files"] > 1000
    hits = audit([{"query": "q", "hits": [{"text": LONG}]}], counter=words)
    assert hits.totals["parts"] == dict.fromkeys(PARTS, 0) | {"passages": words(LONG)}


def test_retrieved_passages_are_a_part_of_their_own_inside_a_message():
    run = {"trace_id": "t", "extra": {"metadata": {"thread_id": "s"}}}
    prompt = [say("system", f"{RULE}\n\n{LONG}"), say("user", "q")]
    records = [
        {**run, "id": "1", "run_type": "retriever", "inputs": {"query": "q"},
         "outputs": {"documents": [{"page_content": LONG}]}},
        {**run, "id": "2", "run_type": "llm", "outputs": {}, "inputs": {"messages": [prompt]}},
    ]  # fmt: skip
    found = audit(records, counter=words)
    parts = found.totals["parts"]
    assert (parts["passages"], parts["system"], parts["question"]) == (words(LONG), words(RULE), 1)
    assert sum(parts.values()) == found.totals["tokens"] == count_messages(prompt, words)


def test_the_parts_of_a_transcript_add_up_too():
    records = [
        {"type": role, "sessionId": "s", "message": {"role": role, "content": text, **more}}
        for role, text, more in [
            ("user", "first question", {}),
            ("assistant", [{"type": "text", "text": "an answer"}], {"id": "a"}),
            ("user", "second", {}),
            ("assistant", [USE], {"id": "b"}),
            ("user", [RESULT], {}),
            ("assistant", [{"type": "text", "text": "done"}], {"id": "c"}),
        ]
    ]
    found = audit(records, counter=words)
    rows = found.sessions[0]["rows"]
    assert [sum(row["parts"].values()) for row in rows] == [row["tokens"] for row in rows]
    assert [row["parts"]["question"] for row in rows] == [2, 1, 1]
    assert [row["parts"].get("history", 0) for row in rows] == [0, 4, 4]
    assert rows[2]["parts"]["tool_results"] == words(LONG)
    messages = [record["message"] for record in records]
    assert rows[2]["tokens"] == count_messages(messages[:5], words)


@pytest.mark.parametrize("name", ["image", "tools", "thoughts", "file"])
def test_what_is_no_text_counts_against_the_budget(name):
    found = audit([REQUESTS[name]], budget=100, counter=words)
    assert [finding.kind for finding in found.findings] == ["over_budget"]


def test_a_window_is_over_the_budget_if_the_provider_billed_more():
    record = {"model": "gpt-4o", "messages": [say("user", "hi")],
              "usage": {"prompt_tokens": 5000, "completion_tokens": 1}}  # fmt: skip
    (finding,) = audit([record], budget=200).findings
    assert (finding.kind, finding.tokens) == ("over_budget", 4800)
    assert "as the provider billed it" in finding.detail
    # An estimate gives way to the provider's own count, an exact count does not.
    image = {**REQUESTS["image"], "usage": {"prompt_tokens": 90, "completion_tokens": 1}}
    assert audit([image], budget=100).findings == []
    texts = {**REQUESTS["texts"], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}
    assert [finding.kind for finding in audit([texts], budget=40).findings] == ["over_budget"]


@pytest.mark.parametrize(
    ("name", "exact"),
    [("texts", True), ("image", False), ("thoughts", False), ("blocks", False), ("calls", True)],
)
def test_an_audit_says_whether_its_counts_are_estimates(name, exact):
    found = audit([REQUESTS[name]])
    assert found.totals["exact"] == exact
    assert found.totals["estimated_calls"] == (0 if exact else 1)
    assert ("estimate" in str(found)) != exact

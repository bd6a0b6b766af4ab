"""What an audit counts and prices: whole requests, money as it was paid, and sums that add up."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple

import pytest
from chats import say, words

import ctxmem
from ctxmem import InputError, audit, count_messages
from ctxmem.auditing.segments import PARTS
from ctxmem.tokens import resolve

LONG = "A parcel that nobody takes in goes back to the shop after seven days at the latest."
RULE = "Refunds are paid within thirty days of purchase, to the card that was charged."


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
    "twice": {"model": "m", "messages": [say("user", LONG), say("user", LONG)]},
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


# Money


class Use(NamedTuple):
    """Input tokens of one call: neither read from a cache nor written to it, read, written."""

    fresh: int
    read: int
    written: int
    made: int = 7

    @property
    def input(self) -> int:
        return self.fresh + self.read + self.written


def openai(use: Use, messages: list[Any], number: int) -> dict[str, Any]:
    usage = {"prompt_tokens": use.input, "completion_tokens": use.made,
             "prompt_tokens_details": {"cached_tokens": use.read, "audio_tokens": 0}}  # fmt: skip
    return {"request": {"model": "gpt-5", "messages": messages}, "response": {"usage": usage}}


def responses(use: Use, messages: list[Any], number: int) -> dict[str, Any]:
    usage = {"input_tokens": use.input, "output_tokens": use.made,
             "input_tokens_details": {"cached_tokens": use.read}}  # fmt: skip
    return {"request": {"model": "gpt-5", "input": messages},
            "response": {"id": f"r{number}", "usage": usage, "output": []}}  # fmt: skip


def deepseek(use: Use, messages: list[Any], number: int) -> dict[str, Any]:
    usage = {"prompt_tokens": use.input, "completion_tokens": use.made,
             "prompt_cache_hit_tokens": use.read,
             "prompt_cache_miss_tokens": use.fresh}  # fmt: skip
    return {"request": {"model": "deepseek-chat", "messages": messages},
            "response": {"usage": usage, "choices": []}}  # fmt: skip


def anthropic(use: Use, messages: list[Any], number: int) -> dict[str, Any]:
    usage = {"input_tokens": use.fresh, "cache_read_input_tokens": use.read,
             "cache_creation_input_tokens": use.written, "output_tokens": use.made}  # fmt: skip
    return {"request": {"model": "claude-sonnet-4-5", "messages": messages},
            "response": {"usage": usage}}  # fmt: skip


def claude_code(use: Use, messages: list[Any], number: int) -> dict[str, Any]:
    usage = anthropic(use, messages, number)["response"]["usage"]
    message = {"role": "assistant", "id": f"m{number}", "model": "claude-sonnet-4-5",
               "content": [{"type": "text", "text": "yes"}], "usage": usage}  # fmt: skip
    return {"type": "assistant", "sessionId": "s", "uuid": f"u{number}", "message": message}


def gemini(use: Use, messages: list[Any], number: int) -> dict[str, Any]:
    contents = [
        {"role": {"assistant": "model"}.get(m["role"], "user"), "parts": [{"text": m["content"]}]}
        for m in messages
    ]
    usage = {"promptTokenCount": use.input, "candidatesTokenCount": use.made}
    usage |= {"cachedContentTokenCount": use.read} if use.read else {}
    return {"request": {"model": "gemini-2.5-pro", "contents": contents},
            "response": {"usageMetadata": usage, "candidates": []}}  # fmt: skip


def bedrock(use: Use, messages: list[Any], number: int) -> dict[str, Any]:
    blocks = [{**message, "content": [{"text": message["content"]}]} for message in messages]
    usage = {"inputTokens": use.fresh, "outputTokens": use.made,
             "cacheReadInputTokens": use.read, "cacheWriteInputTokens": use.written}  # fmt: skip
    return {"request": {"modelId": "anthropic.claude-sonnet-4-5-v1:0", "messages": blocks},
            "response": {"output": {}, "usage": usage}}  # fmt: skip


def langfuse(use: Use, messages: list[Any], number: int) -> dict[str, Any]:
    details = {"input": use.fresh, "output": use.made, "cache_read_input_tokens": use.read,
               "cache_creation_input_tokens": use.written}  # fmt: skip
    return {"id": f"o{number}", "type": "GENERATION", "traceId": f"t{number}", "sessionId": "s",
            "input": messages, "output": "yes", "model": "claude-sonnet-4-5",
            "usageDetails": details}  # fmt: skip


def openinference(use: Use, messages: list[Any], number: int) -> dict[str, Any]:
    attributes = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-5", "session.id": "s",
                  "llm.token_count.prompt": use.input, "llm.token_count.completion": use.made,
                  "llm.token_count.prompt_details.cache_read": use.read}  # fmt: skip
    for i, message in enumerate(messages):
        attributes[f"llm.input_messages.{i}.message.role"] = message["role"]
        attributes[f"llm.input_messages.{i}.message.content"] = message["content"]
    return {"name": "llm", "context": {"trace_id": f"t{number}", "span_id": f"s{number}"},
            "attributes": attributes}  # fmt: skip


def genai(use: Use, messages: list[Any], number: int) -> dict[str, Any]:
    parts = [
        {"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]} for m in messages
    ]
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "claude-sonnet-4-5",
                  "gen_ai.input.messages": json.dumps(parts), "gen_ai.conversation.id": "s",
                  "gen_ai.usage.input_tokens": use.input,
                  "gen_ai.usage.output_tokens": use.made,
                  "gen_ai.usage.cache_read.input_tokens": use.read,
                  "gen_ai.usage.cache_creation.input_tokens": use.written}  # fmt: skip
    return {"name": "chat", "context": {"trace_id": f"t{number}", "span_id": f"s{number}"},
            "attributes": attributes}  # fmt: skip


def langsmith(use: Use, messages: list[Any], number: int) -> dict[str, Any]:
    usage = {"input_tokens": use.input, "output_tokens": use.made,
             "input_token_details": {"cache_read": use.read,
                                     "cache_creation": use.written}}  # fmt: skip
    return {"id": f"{number}", "trace_id": f"{number}", "run_type": "llm",
            "inputs": {"messages": [messages]}, "outputs": {"usage_metadata": usage},
            "extra": {"metadata": {"thread_id": "s", "ls_model_name": "claude"}}}  # fmt: skip


WITHOUT_WRITES = (openai, responses, deepseek, gemini, openinference)
SHAPES = (*WITHOUT_WRITES, anthropic, claude_code, bedrock, langfuse, genai, langsmith)
PRICES = {"input": 3.0, "cache_read": 0.3, "cache_write": 3.75}


def calls_of(rng: random.Random, writes: bool) -> list[tuple[Use, list[Any]]]:
    """Return the calls of one conversation, with usage that its messages do not tell."""
    made: list[tuple[Use, list[Any]]] = []
    history = [say("system", " ".join(f"rule{rng.randrange(999)}" for _ in range(400)))]
    for turn in range(rng.randint(2, 7)):
        history = [*history, say("user", f"question {turn} {RULE}")]
        size = rng.randint(500, 5000)
        read = rng.choice([0, size // 2, size - 100])
        wrote = rng.choice([0, (size - read) // 2]) if writes else 0
        made.append((Use(size - read - wrote, read, wrote), history))
        history = [*history, say("assistant", f"answer {turn}")]
    return made


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_what_was_paid_is_what_the_usage_says(shape):
    rng = random.Random(shape.__name__)
    for _ in range(4):  # 44 logs in all
        calls = calls_of(rng, shape not in WITHOUT_WRITES)
        records = [shape(use, messages, i) for i, (use, messages) in enumerate(calls)]
        if shape is claude_code:
            records.insert(0, {"type": "user", "sessionId": "s", "uuid": "u",
                               "message": say("user", LONG)})  # fmt: skip
        expected = sum(
            (use.fresh * 3.0 + use.read * 0.3 + use.written * 3.75) / 1e6 for use, _ in calls
        )
        money = audit(records, prices=PRICES).totals["money"]
        assert money["paid"] == pytest.approx(expected, rel=0.01)
        assert money["by"] == "usage"
        assert money["usage"]["calls"] == len(calls)
        assert money["repeated"] <= sum(money["waste"].values()) <= money["paid"] * (1 + 1e-9)


def test_usage_without_cache_fields_is_priced_as_it_is_and_the_report_says_so():
    long = say("system", " ".join(f"rule{i}" for i in range(2000)))
    records = [
        {"model": "gpt-5", "messages": [long, say("user", f"q{i}")],
         "usage": {"prompt_tokens": 6000, "completion_tokens": 1}}
        for i in range(3)
    ]  # fmt: skip
    found = audit(records, prices=PRICES)
    money = found.totals["money"]
    assert money["paid"] == pytest.approx(3 * 6000 * 3.0 / 1e6)
    unknown = money["usage"]["without_cache_fields"]
    assert (unknown["calls"], unknown["money"]) == (3, money["paid"])
    # From the second call on nearly all of it could have been read at a tenth.
    assert 0.35 * money["paid"] < unknown["money_if_cached"] < 0.45 * money["paid"]
    assert "does not say what was cached" in " ".join(str(found).split())


def test_calls_without_usage_are_priced_by_a_simulated_cache():
    long = say("system", " ".join(f"rule{i}" for i in range(2000)))
    records = [{"model": "gpt-5", "messages": [long, say("user", f"q{i}")]} for i in range(3)]
    found = audit(records, prices=PRICES)
    money, tokens = found.totals["money"], [s["rows"][0]["tokens"] for s in found.sessions]
    read = count_messages([long]) // 128 * 128
    expected = (sum(tokens) - 2 * read) * 3.0 / 1e6 + 2 * read * 0.3 / 1e6
    assert money["paid"] == pytest.approx(expected, rel=0.01)  # one prefix, in three sessions
    assert money["by"] == "simulation" and money["simulation"]["rules"] == {"openai": 3}
    assert "by a simulation of the provider's prompt cache" in " ".join(str(found).split())
    one = records[0] | {"usage": {"prompt_tokens": 100, "completion_tokens": 1}}
    both = audit([*records, one], prices=PRICES).totals["money"]
    assert both["by"] == "both" and both["usage"]["calls"] == 1
    assert both["paid"] == pytest.approx(both["usage"]["money"] + both["simulation"]["money"])


def test_a_cache_that_needs_marks_is_simulated_with_the_marks_of_the_log():
    rules = " ".join(f"rule{i}" for i in range(2000))
    marked = say("system", [{"type": "text", "text": rules,
                             "cache_control": {"type": "ephemeral"}}])  # fmt: skip
    first, second = (
        [
            audit([{"model": "claude-sonnet-4-5", "messages": [system, say("user", f"q{i}")]}
                   for i in range(calls)], prices=PRICES).totals["money"]["paid"]
            for calls in (1, 2)
        ]
        for system in (say("system", rules), marked)
    )  # fmt: skip
    assert first[1] == pytest.approx(2 * first[0])
    assert second[0] == pytest.approx(1.25 * first[0], rel=0.02)  # written
    assert second[1] - second[0] == pytest.approx(0.1 * first[0], rel=0.1)  # read


def test_a_transcript_without_usage_is_priced_as_a_prefix_that_grows():
    turns = [{"role": role, "content": f"{LONG} " * 40 + str(i), "session": "s"}
             for i, role in enumerate(["user", "assistant"] * 6)]  # fmt: skip
    found = audit(turns, prices=PRICES)
    rows = found.sessions[0]["rows"]
    sent = sum(row["tokens"] for row in rows)
    before = sum(row["tokens"] // 128 * 128 for row in rows[1:-1])
    expected = ((sent - before) * 3.0 + before * 0.3) / 1e6
    assert found.totals["money"]["paid"] == pytest.approx(expected, rel=0.02)
    assert sum(row["paid"] for row in rows) == pytest.approx(found.totals["money"]["paid"])


@pytest.mark.parametrize("model", ["gpt-5", "gpt-4o", "gpt-5.7", "claude-sonnet-4-5", "gpt-4"])
def test_the_bill_of_a_conversation_is_the_same_however_it_was_logged(model):
    said = [("system", f"{LONG} " * 90), ("user", "one?"), ("assistant", "yes"),
            ("user", f"{RULE} two?"), ("assistant", "no"), ("user", "three?"),
            ("assistant", "so")]  # fmt: skip
    chat = [say(role, text) for role, text in said]
    growing = [{"model": model, "messages": chat[:i], "session_id": "s"} for i in (2, 4, 6)]
    lines = [{**message, "model": model, "session": "s"} for message in chat]
    spans = [langsmith(Use(0, 0, 0), chat[:i], i) for i in (2, 4, 6)]
    for span in spans:
        span["outputs"], span["extra"]["metadata"]["ls_model_name"] = {}, model
    bills = [audit(records, prices=PRICES).totals for records in (growing, lines, spans)]
    assert {bill["tokens"] for bill in bills} == {bills[0]["tokens"]}
    for bill in bills[1:]:
        assert bill["money"]["paid"] == pytest.approx(bills[0]["money"]["paid"])


def test_a_repeat_costs_what_its_place_in_the_window_cost():
    filler = " ".join(f"rule{i}" for i in range(3000))
    front = [say("system", f"{LONG}\n\n{LONG}\n\n{filler}"), say("user", "q")]
    back = [say("system", filler), say("user", f"{LONG}\n\n{LONG}\n\nq")]
    usage = {"prompt_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}}
    cost = []
    for messages in (front, back):
        tokens = count_messages(messages, model="gpt-5")
        usage = {"prompt_tokens": tokens, "completion_tokens": 1,
                 "prompt_tokens_details": {"cached_tokens": tokens - 256}}  # fmt: skip
        record = {"model": "gpt-5", "messages": messages, "usage": usage}
        (finding,) = audit([record], prices=PRICES).findings
        cost.append(finding.money * 1e6 / finding.tokens)
    assert cost == pytest.approx([0.3, 3.0])


def test_what_was_billed_and_is_not_in_the_log_is_in_front_of_what_is():
    messages = [say("user", f"{LONG}\n\n{LONG}")]
    usage = {"prompt_tokens": 9000, "completion_tokens": 1,
             "prompt_tokens_details": {"cached_tokens": 8000}}  # fmt: skip
    found = audit([{"model": "gpt-5", "messages": messages, "usage": usage}], prices=PRICES)
    (finding,) = found.findings
    assert finding.money == pytest.approx(finding.tokens * 3.0 / 1e6)  # behind the cached part
    assert found.totals["money"]["paid"] == pytest.approx((1000 * 3.0 + 8000 * 0.3) / 1e6)


@pytest.mark.parametrize("prices", [3.0, PRICES, "anthropic", {"input": 3.0, "cache_read": 3.0}])
def test_findings_never_cost_more_than_was_paid(prices):
    rng = random.Random(7)
    records: list[Any] = []
    for session in range(12):
        history = [say("system", f"{RULE}\n\nNow 10:0{session % 10}:1{session % 9}")]
        shape = rng.choice([openai, anthropic, deepseek])
        for turn in range(8):
            texts = [rng.choice([RULE, LONG, f"{LONG} {turn}"]) for _ in range(rng.randint(1, 4))]
            history = [*history, say("user", "\n\n".join([*texts * 3, f"question {turn}"]))]
            sent = history[rng.choice([0, 0, 0, 1]) :]
            size = count_messages(sent) * rng.choice([1, 1, 2, 9]) // rng.choice([1, 2])
            read = rng.randrange(size)
            record = shape(Use(size - read, read, 0), sent, turn)
            if rng.random() < 0.3:
                record["response"].pop("usage")
            records.append(record | {"session_id": f"s{session}"})
    found = audit(records, prices=prices, budget=150)
    money = found.totals["money"]
    assert {f.kind for f in found.findings} >= {"repeat_in_request", "over_budget"}
    assert 0 < sum(money["waste"].values()) <= money["paid"] * (1 + 1e-9)
    assert sum(f.money or 0 for f in found.findings) == pytest.approx(sum(money["waste"].values()))
    for finding in found.findings:
        assert (finding.money or 0) >= 0


def test_growth_costs_what_repeats_do_not_cost_already():
    history = [say("system", RULE)]
    records = []
    for turn in range(10):
        history = [*history, say("user", f"{LONG}\n\n" * 40 + f"{turn}?")]
        records.append({"model": "gpt-4", "messages": history, "session_id": "s"})
    found = audit(records, prices=PRICES)
    money = found.totals["money"]
    assert found.totals["findings"]["growth"] == 1
    assert money["waste"]["repeat_in_request"] > 0.9 * money["paid"]
    assert money["waste"]["growth"] == pytest.approx(
        money["paid"] - money["waste"]["repeat_in_request"]
    )


def test_a_logs_own_cost_is_reported_beside_what_was_paid():
    record = {"model": "gpt-5", "messages": [say("user", "hi")], "response_cost": 0.25,
              "usage": {"prompt_tokens": 100, "completion_tokens": 1}}  # fmt: skip
    found = audit([record, record], prices=2.0)
    assert found.totals["money"]["logged"] == {"calls": 2, "money": 0.5}
    assert found.totals["money"]["paid"] == pytest.approx(200 * 2.0 / 1e6)
    assert "The log itself states $0.50 for 2 calls" in " ".join(str(found).split())
    assert audit([record]).totals["billed"]["cost"] == 0.25


def test_prices_that_are_not_given_follow_from_the_rules_of_the_models_cache():
    use, messages = Use(100, 300, 200), [say("user", "hi")]
    paid = {
        shape: audit([shape(use, messages, 0)], prices=4.0).totals["money"]["paid"] * 1e6
        for shape in (openai, anthropic)
    }
    assert paid[anthropic] == pytest.approx(100 * 4 + 300 * 0.4 + 200 * 5)
    assert paid[openai] == pytest.approx(300 * 4 + 300 * 0.4)
    output = audit([openai(use, messages, 0)], prices={"input": 4.0, "output": 8.0})
    assert output.totals["money"]["output"] == pytest.approx(7 * 8 / 1e6)
    with pytest.raises(InputError, match="'cached'; expected of a price input"):
        audit([], prices={"input": 1.0, "cached": 0.1})


# Before and after


def explained(found: Any) -> int:
    return sum(step["tokens"] for step in found.replay["explained"])


def test_a_replay_explains_what_leads_from_repeats_to_savings():
    asked = f"Context:\n\n{RULE}\n\n{LONG}\n\n{RULE}\n\nWhen are refunds paid?"
    record = {"model": "gpt-4o", "messages": [say("system", "Answer."), say("user", asked)]}
    found = audit([record], replay=True, prices=2.5)
    folded = ctxmem.dedup_messages(record["messages"], model="gpt-4o")
    assert found.replay["before"] == folded.tokens_before == found.totals["tokens"]
    assert found.replay["after"] == folded.tokens_after < folded.tokens_before
    assert found.replay["repeated"] == found.totals["repeated_tokens"]
    assert found.replay["repeated"] + explained(found) == found.replay["saved"]
    assert "references" in {step["reason"] for step in found.replay["explained"]}
    money = found.replay["money"]
    assert money["before"] == pytest.approx(found.totals["money"]["paid"])
    assert money["after"] == pytest.approx(found.replay["after"] * 2.5 / 1e6)
    assert f"= {found.replay['saved']} saved" in " ".join(str(found).split())


@pytest.mark.parametrize("budget", [None, 120, 400])
@pytest.mark.parametrize("seed", range(4))
def test_the_steps_from_repeats_to_savings_add_up_exactly(seed, budget):
    rng = random.Random(seed)
    passages = [RULE, LONG, *(f"{LONG} Or after {i} days." for i in range(4))]
    records: list[Any] = []
    for number in range(12):
        texts = [rng.choice(passages) for _ in range(rng.randint(1, 6))]
        session = {"session_id": f"s{number % 3}"}
        kind = rng.choice(["hits", "request", "turn"])
        if kind == "hits":
            records.append({"query": "q", "hits": [{"text": text} for text in texts], **session})
        elif kind == "request":
            asked = "\n\n".join([*texts, f"question {number}?"])
            records.append({"model": "gpt-4o", "messages": [say("user", asked)], **session})
        else:
            session = {"session": f"t{number % 2}"}
            records += [{**say("user", "\n\n".join(texts)), **session},
                        {**say("assistant", "yes"), **session}]  # fmt: skip
    found = audit(records, replay=True, budget=budget, prices=2.5, counter=words)
    replay = found.replay
    assert replay["repeated"] == found.totals["repeated_tokens"]
    assert replay["repeated"] + explained(found) == replay["saved"]
    assert replay["saved"] == replay["before"] - replay["after"]
    assert replay["calls"] + sum(replay["skipped"].values()) == found.totals["calls"]
    assert 0 <= replay["money"]["after"] <= replay["money"]["before"]
    assert replay["money"]["before"] <= found.totals["money"]["paid"] * (1 + 1e-9)


def test_a_transcript_is_replayed_call_by_call():
    said = [("user", f"{RULE}\n\nWhen?"), ("assistant", "Soon."), ("user", f"{RULE}\n\nSure?"),
            ("assistant", "Yes."), ("user", "Thanks."), ("assistant", "Bye.")]  # fmt: skip
    records = [{**say(role, text), "session": "s"} for role, text in said]
    found = audit(records, replay=True)
    folded = ctxmem.dedup_messages([say(role, text) for role, text in said])
    histories = [folded.messages[:until] for until in (1, 3, 5)]
    assert found.replay["calls"] == 3
    assert found.replay["after"] == sum(count_messages(history) for history in histories)
    assert found.replay["repeated"] + explained(found) == found.replay["saved"] > 0
    references = [fold.shown for fold in folded.folded]
    named = sum(resolve("o200k_base").count(text) for text in references)
    steps = {step["reason"]: step["tokens"] for step in found.replay["explained"]}
    assert steps["references"] == -2 * named  # in the second window and in the third


def test_messages_that_are_trimmed_are_a_step_of_their_own():
    history = [say("user", f"{LONG} {i}") for i in range(20)]
    found = audit([{"model": "gpt-4o", "messages": history}], replay=True, budget=200)
    kept = ctxmem.trim_messages(history, 200, model="gpt-4o")
    trimmed = count_messages(history, model="gpt-4o") - count_messages(kept, model="gpt-4o")
    steps = {step["reason"]: step["tokens"] for step in found.replay["explained"]}
    assert steps == {"trimmed": trimmed} and found.replay["saved"] == trimmed


def test_tools_of_an_odd_form_are_counted_too():
    odd = function("f", "finds")
    odd["function"]["parameters"] = {"type": "object", "properties": {"a": {"type": {}}}}
    found = audit([{"model": "gpt-4o", "messages": [say("user", "q")], "tools": [odd, 7]}])
    assert found.totals["parts"]["tools"] > 10

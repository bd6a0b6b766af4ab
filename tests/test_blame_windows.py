"""The windows in which a question is asked again: only the passages change."""

from __future__ import annotations

import json

import pytest
from blame_records import ASK, EXPECTED, PARCEL, REFUND, Asked, hits, last, one, request

from ctxmem import blame
from ctxmem.blaming import prepare


def test_only_the_passages_change_and_the_question_keeps_its_place():
    model = Asked(lambda _: "thirty days")
    before, after = "Answer with the context.\n\nContext:\n\n", f"\n\nQuestion: {ASK}\n\nBe brief."
    one([request(f"{before}{PARCEL}\n\n{REFUND}\n\n{PARCEL}{after}")], model)
    sent, unrepeated, packed, evidence, none = (last(messages) for messages in model.requests)
    assert sent == f"{before}{PARCEL}\n\n{REFUND}\n\n{PARCEL}{after}"
    assert unrepeated == f"{before}{PARCEL}\n\n{REFUND}{after}"
    assert evidence == f"{before}{REFUND}{after}"
    assert none == "Answer with the context.\n\nContext:" + after
    assert packed.startswith(before) and packed.endswith(after)
    assert REFUND in packed and packed.count(PARCEL) == 1
    assert all(messages[0]["content"] == "You help." for messages in model.requests)


@pytest.mark.parametrize(
    "template",
    [
        "Use these:\n- {0}\n- {1}\n- {0}\n\n{q}",
        "Context:\n[1] {0}\n[2] {1}\n[3] {0}\n\nQuestion: {q}",
        "Document 1:\n{0}\n\nDocument 2:\n{1}\n\nDocument 3:\n{0}\n\nQuestion: {q}",
        "<documents>\n<document index='1'>\n{0}\n</document>\n<document index='2'>\n{1}\n"
        "</document>\n<document index='3'>{0}</document>\n</documents>\n\n{q}",
        "Context information is below.\n-----\n{0}\n\n{1}\n\n{0}\n-----\nGiven the context "
        "information, answer the query.\nQuery: {q}\nAnswer: ",
        "{q}\n\nContext:\n{0}\n\n{1}\n\n{0}",
    ],
)
def test_repeats_are_found_in_the_usual_prompts(template):
    model = Asked(lambda _: "no")
    found = one([request(template.format(PARCEL, REFUND, q=ASK))], model)
    windows = [last(messages) for messages in model.requests]
    assert [(w.count(PARCEL), w.count(REFUND), w.count(ASK)) for w in windows] == [
        (2, 1, 1), (1, 1, 1), (1, 1, 1), (0, 1, 1), (0, 0, 1),
    ]  # fmt: skip
    assert found.fault == "model"


def test_entries_of_a_json_result_are_passages_and_it_stays_json():
    result = json.dumps({"results": [{"text": PARCEL}, {"text": REFUND}, {"text": PARCEL}]})
    call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": ASK},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": result},
    ]
    model = Asked(lambda _: "no")
    one([{"model": "m", "messages": messages}], model)
    unrepeated, evidence = last(model.requests[1]), last(model.requests[3])
    assert [row["text"] for row in json.loads(unrepeated)["results"]] == [PARCEL, REFUND]
    assert [row["text"] for row in json.loads(evidence)["results"]] == [REFUND]
    assert all(messages[1]["tool_calls"] == [call] for messages in model.requests)


def test_a_request_of_anthropic_is_asked_with_the_same_texts_and_said_so():
    messages = [
        {"role": "user", "content": ASK},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "1", "name": "find", "input": {"text": "refunds"}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "1", "content": f"{PARCEL}\n\n{REFUND}"}]},
    ]  # fmt: skip
    model = Asked(lambda _: "no")
    record = {"model": "claude", "max_tokens": 9, "system": "Rules.", "messages": messages}
    found = blame([record], model=model, expected=EXPECTED)
    assert found.plan.converted == 1
    assert [m["role"] for m in model.requests[0]] == ["system", "user", "assistant", "user"]
    assert found.questions[0].fault == "model"


@pytest.mark.parametrize(
    "message",
    [
        {"role": ["user"], "content": ASK},
        {"role": "user", "content": [{"type": ["text"], "text": ASK}]},
        {"role": "user", "content": [{"type": {"a": 1}, "text": ASK}]},
    ],
)
def test_a_damaged_message_costs_no_more_than_itself(message):
    damaged = {"model": "m", "messages": [{"role": "user", "content": "Hello."}, message]}
    found = blame([damaged, hits(REFUND)], model=lambda _: "thirty days", expected=EXPECTED)
    assert "none" in {one.fault for one in found.questions}


def test_an_image_of_another_provider_is_not_asked_and_the_reason_is_counted():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A"}}
    record = {"model": "claude", "messages": [
        {"role": "user", "content": [{"type": "text", "text": ASK}, image]}]}  # fmt: skip
    found = prepare([record, hits(REFUND)], model=len, expected=EXPECTED)
    assert found.plan.skipped == {"it holds an image or a file in a form that cannot be sent on": 1}


def test_a_budget_bounds_the_packed_request():
    texts = [f"{PARCEL} It is case number {i}." for i in range(40)]
    found = one([hits(*texts, REFUND)], lambda _: "no", budget=120)
    assert found.tokens["packed"] <= 120 < found.tokens["sent"]
    tight = blame([hits(REFUND)], model=lambda _: "no", expected=EXPECTED, budget=5)
    assert tight.windows["packed"]["not_asked"] == {
        "the question and the rules alone are over the budget": 1
    }

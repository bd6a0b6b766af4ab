"""Passages that the history shows are named and not sent twice; versions are sent."""

from __future__ import annotations

import json
import random
import string
from typing import Any

import pytest
from assembled_requests import PROVIDERS, sentence
from test_assemble_valid import ADVICE, BESIDE, PATHS, post
from upstream_requests import said

import ctxmem

REFUND = (
    "Refunds are paid within thirty days after the return, to the card that was charged, less the "
    "fee of the bank, and the customer gets a message on the day on which the money is sent."
)
OTHER = (
    "A parcel to Portugal takes four working days, and it is signed for by an adult at the door."
)
HISTORY = [
    {"role": "user", "content": "What are the rules for refunds?"},
    {"role": "assistant", "content": f"They are these:\n\n{REFUND}\n\nAnything else?"},
    {"role": "user", "content": "Yes, wait."},
    {"role": "assistant", "content": "I wait."},
]
ASKED = "When are refunds paid to the card?"


def last_text(request: Any) -> str:
    content = request.messages[-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_passage_of_the_history_is_named_where_it_is_and_not_sent_twice(provider: str) -> None:
    request = ctxmem.assemble(
        ASKED, 2000, history=HISTORY, passages=[REFUND, OTHER], provider=provider, system="Be kind."
    )
    text = last_text(request)
    assert REFUND not in text and OTHER in text and ASKED in text
    number = int(text.split("[as in message ")[1].split(":")[0])
    assert REFUND in json.dumps(request.messages[number - 1])
    messages = [*request.messages]
    if request.system is not None:
        messages.insert(0, {"role": "system", "content": request.system})
    assert request.tokens == ctxmem.count_messages(messages, provider=provider)
    assert request.tokens == sum(request.parts.values())
    folded = next(one for one in request.decisions if one.part == "passages")
    assert "duplicate" == folded.form and f"message {number} " in folded.reason
    whole = ctxmem.assemble(ASKED, 2000, passages=[REFUND, OTHER], provider=provider)
    assert request.parts["passages"] < whole.parts["passages"]


@pytest.mark.parametrize(
    "changed",
    [
        REFUND.replace("thirty", "sixty"),
        REFUND.replace("are paid", "are not paid"),
        REFUND.replace("the card", "the account"),
    ],
)
def test_a_version_with_another_fact_is_sent_whole(changed: str) -> None:
    request = ctxmem.assemble(ASKED, 2000, history=HISTORY, passages=[changed])
    assert changed in last_text(request) and "[as in" not in last_text(request)


def test_a_passage_whose_message_is_not_sent_is_sent_itself() -> None:
    rng = random.Random(3)
    noise = [
        {"role": role, "content": " ".join(sentence(rng) for _ in range(12))}
        for _ in range(20)
        for role in ("user", "assistant")
    ]
    request = ctxmem.assemble(ASKED, 500, history=[*HISTORY, *noise], passages=[REFUND])
    shown = json.dumps(request.messages)
    assert 1 == shown.count("Refunds are paid within thirty days")


def test_what_a_result_of_a_tool_shows_is_folded_and_the_question_never() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    history = [
        {"role": "user", "content": REFUND},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": f"# Terms\n\n{OTHER}"},
        {"role": "assistant", "content": "I have looked."},
    ]
    request = ctxmem.assemble(REFUND, 2000, history=history, passages=[OTHER])
    text = last_text(request)
    assert text.endswith(REFUND)
    assert OTHER not in text and '[as in message 3: "' in text


def test_texts_without_anything_in_common_cost_no_reading(monkeypatch: Any) -> None:
    from ctxmem.assembling import layout

    monkeypatch.setattr(layout, "folded", lambda *_: pytest.fail("read"))
    request = ctxmem.assemble(ASKED, 2000, history=HISTORY, passages=[OTHER])
    assert OTHER in last_text(request)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_random_repeats_are_within_the_budget_and_can_be_read(strict, provider: str) -> None:
    """Every passage that was chosen is in the request: as itself, or where its reference says."""
    for seed in range(6):
        rng = random.Random(f"{provider} {seed}")
        texts = [" ".join(sentence(rng) for _ in range(rng.randint(1, 5))) for _ in range(12)]
        history = [
            {"role": role, "content": "\n\n".join(rng.sample(texts, 2))}
            for _ in range(rng.randint(1, 4))
            for role in ("user", "assistant")
        ]
        budget = rng.choice((400, 1200, 4000))
        request = ctxmem.assemble(
            sentence(rng), budget, history=history, passages=texts, provider=provider
        )
        assert request.tokens <= budget
        shown = json.dumps(request.messages, ensure_ascii=False)
        for one, text in zip(
            (d for d in request.decisions if d.part == "passages"), texts, strict=True
        ):
            plain = text.translate(
                {ord(c): None for c in '"\\\n\t' if c not in string.ascii_letters}
            )
            if one.form in ("full", "duplicate") and plain == text:
                assert text in shown
        found = ctxmem.check(request.messages, provider=provider)
        assert [] == [f for f in found if f.kind not in ADVICE]
        response = post(strict, PATHS[provider], request.body() | BESIDE[provider])
        assert 200 == response.status_code, said(response)

"""Repeats in a history are folded: the first copy stays, and all of it comes back."""

from __future__ import annotations

import copy
import itertools
import json
import random
from time import process_time

import pytest
from chats import user
from fuzz_size import some
from random_histories import random_history, random_ui_history
from random_histories.common import ANSWERS, OUTPUTS, QUESTIONS, SYSTEMS

import ctxmem
from ctxmem import InputError, InputTypeError

PAID = (
    "Refunds are paid within thirty days of purchase, to the card that was charged, less the fee."
)
SENT = "Parcels over twenty kilos are collected by a carrier on weekdays between eight and six."
MOVED = "Whoever moves gives the post office the new address two weeks ahead, in writing."
PROVIDERS = ("openai", "responses", "anthropic", "gemini", "bedrock", "ui")


def texts(messages):
    return [message["content"] for message in messages]


# By hand


def test_a_later_copy_becomes_a_reference_to_the_first():
    chat = [user(f"{PAID}\n\nWhen?"), {"role": "assistant", "content": "Soon."}]
    chat.append(user(f"{SENT}\n\n{PAID}\n\nHow heavy?"))
    folded = ctxmem.dedup_messages(chat)
    assert folded.messages[:2] == chat[:2] and folded.messages[0] is chat[0]
    expected = f'{SENT}\n\n[as in message 1: "Refunds are paid…"]\n\nHow heavy?'
    assert folded.messages[2]["content"] == expected
    (fold,) = folded.folded
    assert (fold.message, fold.first, fold.text) == (2, 0, PAID)
    assert folded.tokens_before == ctxmem.count_messages(chat)
    assert folded.tokens_after == ctxmem.count_messages(folded.messages)
    assert folded.restore() == chat and folded.restore(2)[2] is chat[2]


def test_a_label_in_front_of_a_copy_and_a_question_behind_it_stay():
    text = f"Context:\nSource: a.rst\n{PAID}\n\n{SENT}\n\nOnce more:\n{PAID}\nQuestion: When?"
    (made,) = texts(ctxmem.dedup_messages([user(text)]).messages)
    assert made.endswith('Once more:\n[as above: "Refunds are paid…"]\nQuestion: When?')
    assert made.startswith(f"Context:\nSource: a.rst\n{PAID}\n\n{SENT}\n\n")


def test_versions_are_never_folded_and_a_reference_names_one_of_them():
    other = PAID.replace("thirty", "sixty")
    folded = ctxmem.dedup_messages([user(f"{PAID}\n\n{other}\n\n{PAID}\n\n{other}\n\nWhich?")])
    made = folded.messages[0]["content"].split("\n\n")
    assert made[:2] == [PAID, other]
    assert "thirty" in made[2] and "sixty" in made[3]


def test_what_cannot_be_named_or_is_no_longer_than_its_reference_stays():
    short = user("\n\n".join(["The answer is yes to all of it."] * 3))
    assert ctxmem.dedup_messages([short]).messages == [short]
    alike = [
        f"All of these nine passages begin alike, then comes number {i} of them." for i in range(9)
    ]
    chat = [user("\n\n".join(alike)), user(f"{alike[3]}\n\nWhich?")]
    assert ctxmem.dedup_messages(chat).messages == chat


def test_the_question_stays_and_the_same_question_asked_before_is_folded_later():
    question = user("Could you please say when the refund of my last order is going to be paid?")
    answer = {"role": "assistant", "content": "Soon."}
    assert ctxmem.dedup_messages([question, answer, question]).folded == []
    (fold,) = ctxmem.dedup_messages([question, answer, question, answer]).folded
    assert (fold.message, fold.first) == (2, 0)


def test_results_of_tools_are_folded_and_their_calls_and_marks_are_not():
    call = {"type": "tool_use", "name": "read", "input": {"text": f"{PAID}\n\n{PAID}"}}
    mark = {"cache_control": {"type": "ephemeral"}}
    chat = [user("Read it.")]
    for key in ("t1", "t2"):
        chat.append({"role": "assistant", "content": [{**call, "id": key}]})
        result = {"type": "tool_result", "tool_use_id": key, "content": PAID, **mark}
        chat.append({"role": "user", "content": [result]})
    folded = ctxmem.dedup_messages(chat, provider="anthropic")
    assert folded.messages[:4] == chat[:4]
    (block,) = folded.messages[4]["content"]
    assert block == {**chat[4]["content"][0], "content": '[as in message 3: "Refunds are paid…"]'}
    assert ctxmem.check(folded.messages, provider="anthropic") == []


def test_the_indentation_of_code_stays_and_other_indentation_is_other_code():
    body = "    if kind == 'refund':\n        return pay(order, within=30, to=order.card, less=fee)"
    deeper = body.replace("\n        ", "\n            ")
    (made,) = texts(ctxmem.dedup_messages([user(f"a:\n\n{body}\n\n{deeper}\n\nb?")]).messages)
    assert "[as" not in made
    (made,) = texts(ctxmem.dedup_messages([user(f"a:\n\n{body}\n\nb:\n\n{body}\n\nc?")]).messages)
    assert "b:\n\n    [as above: " in made


def test_what_the_model_said_is_folded_only_when_asked_for():
    said = {"role": "assistant", "content": f"{PAID} {SENT} {MOVED}"}
    chat = [said, user("Say it again."), said, user("Thanks.")]
    assert ctxmem.dedup_messages(chat).folded == []
    (fold,) = ctxmem.dedup_messages(chat, roles=["assistant"]).folded
    assert (fold.message, fold.first) == (2, 0)


def test_retrieved_passages_are_found_inside_of_paragraphs():
    chat = [user(f"Use: {PAID} {SENT} {PAID} When?")]
    assert ctxmem.dedup_messages(chat).folded == []
    passages = [ctxmem.Chunk(PAID), SENT]
    (made,) = texts(ctxmem.dedup_messages(chat, passages=passages).messages)
    assert made == f'Use: {PAID} {SENT} [as above: "Refunds are paid…"] When?'


def test_the_last_messages_may_be_kept():
    chat = [user(f"{PAID}\n\nOne?"), user(f"{PAID}\n\nTwo?"), user(f"{PAID}\n\nThree?")]
    made = texts(ctxmem.dedup_messages(chat, keep_last=1).messages)
    assert [PAID in text for text in made] == [True, False, True]


def test_pairs_strings_and_framework_messages_are_read():
    messages = pytest.importorskip("langchain_core.messages")
    given = [f"{PAID}\n\nOne?", ("human", f"{PAID}\n\nTwo?")]
    given.append(messages.HumanMessage(f"{PAID}\n\nThree?", id="m"))
    before = copy.deepcopy(given)
    folded = ctxmem.dedup_messages(given)
    assert given == before
    assert folded.messages[1] == ("human", '[as in message 1: "Refunds are paid…"]\n\nTwo?')
    assert folded.messages[2].id == "m" and "[as in message 1: " in folded.messages[2].content


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"roles": ["critic"]}, InputError),
        ({"keep_last": -1}, InputError),
        ({"keep_last": 1.5}, InputTypeError),
        ({"passages": "text"}, InputTypeError),
        ({"passages": [3]}, InputTypeError),
        ({"provider": "acme"}, InputError),
    ],
)
def test_options_that_are_none_are_explained(options, error):
    with pytest.raises(error, match=next(iter(options))):
        ctxmem.dedup_messages([user("q")], **options)
    with pytest.raises(InputError, match="no message 3"):
        ctxmem.dedup_messages([user("q")]).restore(3)


# Random histories


def swollen(value, rng, pool):
    """Return a history with passages of a pool in place of its texts: much of it repeats."""
    if isinstance(value, dict):
        return {key: swollen(one, rng, pool) for key, one in value.items()}
    if isinstance(value, list):
        return [swollen(one, rng, pool) for one in value]
    if value in ORDINARY:
        said = rng.choices(pool, k=rng.randrange(1, 4))
        labels = rng.choices(["", "", "Context:\n", "[2] a.md\n", "  "], k=3)
        return "\n\n".join(label + text for label, text in zip(labels, said, strict=False))
    return value


ORDINARY = {*ANSWERS, *OUTPUTS, *QUESTIONS, *SYSTEMS}
POOL = [
    *(PAID, SENT, MOVED, PAID.replace("thirty", "sixty"), f"{SENT}\n{MOVED}", "ok"),
    "def f(order):\n    if order.paid_within_thirty_days:\n        return order.card\n    return 1",
]


@pytest.mark.parametrize("rounds", [60, pytest.param(some(1000), marks=pytest.mark.slow)])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_histories_are_smaller_valid_and_come_back(provider, rounds):
    rng = random.Random(f"fold {provider} {rounds}")
    name = None if provider == "ui" else provider
    folds = 0
    for _ in range(rounds):
        size = rng.randrange(1, 14)
        chat = random_ui_history(rng, size) if name is None else random_history(rng, name, size)
        chat = swollen(chat, rng, POOL)
        before = json.dumps(chat)
        folded = ctxmem.dedup_messages(chat, provider=name)
        assert json.dumps(chat) == before == json.dumps(folded.restore())
        assert folded.tokens_before == ctxmem.count_messages(chat, provider=name)
        assert folded.tokens_after == ctxmem.count_messages(folded.messages, provider=name)
        assert folded.tokens_after <= folded.tokens_before
        assert bool(folded.folded) == (folded.tokens_after < folded.tokens_before)
        found = problems(chat, name)
        assert problems(folded.messages, name) == found
        again = ctxmem.dedup_messages(folded.messages, provider=name)
        assert again.messages == folded.messages and again.folded == []
        for fold in folded.folded:
            assert fold.first <= fold.message and fold.tokens > 0
            written = json.dumps(folded.messages[fold.first], ensure_ascii=False)
            assert json.dumps(fold.text, ensure_ascii=False)[1:-1] in written
        assert unfolded(folded) == chat
        folds += len(folded.folded)
    assert folds > rounds / 2


def problems(chat, provider):
    """Return what check finds; a message that is there twice is what folding is for."""
    found = ctxmem.check(chat, provider=provider)
    return [(f.kind, f.index) for f in found if f.kind != "duplicate_message"]


def unfolded(folded):
    """Put the passages back in place of their references, without looking at the originals."""
    made = []
    for i, message in enumerate(folded.messages):
        written = json.dumps(message)
        for fold in folded.folded:
            if fold.message == i:
                written = written.replace(
                    json.dumps(fold.shown)[1:-1], json.dumps(fold.text)[1:-1], 1
                )
        made.append(json.loads(written))
    return made


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_growing_history_keeps_its_folded_beginning(provider):
    rng = random.Random(3)
    chat = swollen(random_history(rng, provider, 30), rng, POOL)
    folded = [ctxmem.dedup_messages(chat[:n], provider=provider).messages for n in range(len(chat))]
    for shorter, longer in itertools.pairwise(folded):
        # The question asked last stays whole while it is the last message.
        assert longer[: len(shorter) - 1] == shorter[:-1]


def test_time_is_linear_in_the_text():
    def seconds(size):
        lines = "\n".join(f"{PAID} {i % 7}" for i in range(size))
        start = process_time()
        ctxmem.dedup_messages([user(f"{lines}\n\n{SENT}\n\n{lines}")], counter=len)
        return process_time() - start

    assert seconds(40_000) < 8 * max(0.02, seconds(10_000))

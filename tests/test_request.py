"""Windows become messages a provider takes, with marks where its rules say that they pay."""

from __future__ import annotations

from dataclasses import replace

import pytest

import ctxmem
from ctxmem import PRICES, Chunk, pack
from ctxmem.request import marked, pays

CACHED = {"cache_control": {"type": "ephemeral"}}
BREAKPOINT = {"prompt_cache_breakpoint": {"mode": "explicit"}}
SMALL = replace(PRICES["anthropic"], minimum=10)

SYSTEM = {"role": "system", "content": "Be brief."}


def facts(*numbers):
    """Return chunks that are no near-duplicates of one another."""
    return [
        Chunk(f"Item {n}: " + " ".join(f"word{n}x{i}" for i in range(40)), id=f"c{n}", rank=i)
        for i, n in enumerate(numbers)
    ]


def texts(message):
    content = message["content"]
    return [content] if isinstance(content, str) else [block["text"] for block in content]


def marks(message):
    if isinstance(message["content"], str):
        return []
    return [
        i
        for i, block in enumerate(message["content"])
        if "cache_control" in block or "prompt_cache_breakpoint" in block
    ]


def test_the_window_is_one_user_message_and_the_question_stands_behind():
    window = pack(["Rome is in Italy.", "Oslo is in Norway."], 50)
    assert [{"role": "user", "content": window.text}] == window.to_messages()
    for provider in ("openai", "anthropic"):
        told = window.to_messages(provider, "Where is Rome?", history=[SYSTEM])
        expected = {"role": "user", "content": window.text + "\n\nWhere is Rome?"}
        assert [SYSTEM, expected] == told  # too short to be cached by anyone


def test_a_context_that_is_long_enough_is_marked_for_anthropic_and_not_for_openai():
    window = pack(facts(*range(40)), 6000)
    assert window.tokens > 1024
    (message,) = window.to_messages("anthropic", "Where is Rome?")
    assert [window.text, "Where is Rome?"] == texts(message)
    assert [0] == marks(message)
    assert CACHED["cache_control"] == message["content"][0]["cache_control"]
    (message,) = window.to_messages("openai", "Where is Rome?")
    assert isinstance(message["content"], str)
    (message,) = window.to_messages("openai", "Where is Rome?", prices="openai-5.6")
    assert {**message["content"][0]} == {"type": "text", "text": window.text, **BREAKPOINT}


def test_rules_of_the_price_table_decide_what_is_marked():
    window = pack(facts(*range(40)), 6000)

    def marked_for(prices, calls):
        (message,) = window.to_messages("anthropic", calls=calls, prices=prices)
        return bool(marks(message))

    assert not marked_for("anthropic", 1)  # written once and never read
    assert marked_for("anthropic", 2)
    assert not marked_for("anthropic-1h", 2)  # twice the price of a token, to write it
    assert marked_for("anthropic-1h", 3)
    assert not marked_for(replace(PRICES["anthropic"], minimum=window.tokens + 1), 9)
    assert not marked_for("gemini", 9)
    (message,) = window.to_messages("anthropic", calls=9, prices="anthropic-1h")
    assert {"type": "ephemeral", "ttl": "1h"} == message["content"][0]["cache_control"]


@pytest.mark.parametrize("name", sorted(PRICES))
def test_a_mark_pays_when_the_bill_is_smaller_with_it(name):
    prices = PRICES[name]
    for calls in (1, 2, 3, 10):
        with_mark = prices.write + prices.read * (calls - 1)
        assert (prices.marked and with_mark < calls) == pays(prices, calls)


def test_what_the_window_before_began_with_has_a_mark_of_its_own():
    before = pack(facts(1, 2, 3, 4), 1000, order="score")
    window = pack(facts(1, 2, 3, 5), 1000, order="score", previous_window=before)
    (message,) = window.to_messages("anthropic", "And now?", previous=before, prices=SMALL)
    assert [0, 1] == marks(message)
    assert window.text == "".join(texts(message)[:2])
    assert all(piece.text in texts(message)[0] for piece in window.pieces[:3])
    assert window.pieces[3].text == texts(message)[1]
    old = before.to_messages("anthropic", previous=before, prices=SMALL)[0]
    assert [0] == marks(old)  # all of it is the same: one mark is enough
    other = pack(facts(8, 9), 1000)
    assert [0] == marks(other.to_messages("anthropic", previous=before, prices=SMALL)[0])


def test_separators_and_headers_are_in_the_blocks_byte_for_byte():
    options = {"separator": "\n---\n", "header": "[{id}]", "order": "score"}
    before = pack(facts(1, 2, 3), 1000, **options)
    window = pack(facts(1, 2, 4), 1000, previous_window=before, **options)
    (message,) = window.to_messages("anthropic", previous=before, prices=SMALL)
    assert [0, 1] == marks(message)
    assert window.text == "".join(texts(message))
    assert texts(message)[0].endswith("\n---\n")


def test_marks_that_are_there_count_and_a_request_never_has_too_many():
    history = [
        {"role": "user", "content": [{"type": "text", "text": f"question {i}", **CACHED}]}
        for i in range(3)
    ]
    before, window = (pack(facts(1, 2, n), 1000, order="score") for n in (3, 4))
    told = window.to_messages("anthropic", history=history, previous=before, prices=SMALL)
    assert history == told[:3]
    assert [0] == marks(told[3])  # one was left: the prefix that is in the cache already
    full = [*history, {"role": "user", "content": [{"type": "text", "text": "x", **CACHED}]}]
    told = window.to_messages("anthropic", history=full, prices=SMALL)
    assert window.text == told[-1]["content"]


def test_a_history_is_marked_at_its_end_and_not_changed():
    history = [
        SYSTEM,
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hi"},
    ]
    window = pack(facts(1, 2), 1000)
    told = window.to_messages("anthropic", "And?", history=history, prices=SMALL)
    assert [[], [], [0], [0]] == [marks(message) for message in told]
    openai = replace(PRICES["openai-5.6"], minimum=10)
    told = window.to_messages("openai", "And?", history=history, prices=openai)
    assert [[], [0], [], [0]] == [marks(m) for m in told]  # what the assistant said bears none
    assert {"role": "assistant", "content": "Hi"} == history[2]


def test_a_mark_is_borne_by_what_can_bear_it():
    thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    chat = [
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": [use, thought, {"type": "text", "text": ""}]},
    ]
    told = marked(chat, [1], "anthropic", SMALL)
    assert [0] == marks(told[1])
    assert thought is told[1]["content"][1]
    bare = [chat[0], {"role": "assistant", "content": [thought]}]
    assert [[0], []] == [marks(message) for message in marked(bare, [1], "anthropic", SMALL)]
    assert chat[:1] == marked(chat[:1], [0], "openai", PRICES["openai"])


def test_a_memory_window_has_its_marks_in_the_providers_form():
    memory = ctxmem.Memory(2000, prices=SMALL)
    memory.append(SYSTEM)
    for i in range(4):
        memory.append({"role": "user", "content": f"question {i} " + "word " * 30})
        memory.append({"role": "assistant", "content": f"answer {i}"})
    window = memory.window()
    assert window.breakpoints
    told = window.to_messages("anthropic", prices=SMALL)
    assert set(window.breakpoints) == {i for i, message in enumerate(told) if marks(message)}
    assert window.messages == [{**m, "content": "".join(texts(m))} if marks(m) else m for m in told]
    assert window.messages == window.to_messages("openai")


def test_a_packed_chat_is_a_transcript():
    window = pack([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}], 50)
    (message,) = window.to_messages("openai", "What was said?")
    assert "user: hi\n\nassistant: ho\n\nWhat was said?" == message["content"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"provider": "acme"}, "provider is 'acme'; expected 'openai' or 'anthropic'"),
        ({"provider": 5}, "provider is 5"),
        ({"question": 5}, "question is an int"),
        ({"history": ["hi"]}, "history has a str"),
        ({"calls": 0}, "calls is 0"),
        ({"calls": "two"}, "calls is 'two'"),
        ({"prices": "acme"}, "prices is 'acme'"),
    ],
)
def test_wrong_options_are_refused(options, said):
    with pytest.raises(ctxmem.InputError) as error:
        pack(["x"], 5).to_messages(**options)
    assert said in str(error.value)

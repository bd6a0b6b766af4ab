"""Histories trimmed to a budget: whole, in leaps, and as LangChain does where it keeps its word."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from call_counts import calls_of
from chats import (
    WORDS,
    assistant,
    no_half_pairs,
    random_anthropic,
    random_chat,
    result,
    same_objects,
    user,
    words,
)
from fuzz_size import some

import ctxmem
from ctxmem.chat import IncrementalTrimmer, units

# Random histories ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [150, pytest.param(some(4700), marks=pytest.mark.slow)])
def test_random_histories_are_trimmed_without_orphans_and_within_budget(rounds, recount):
    rng = random.Random(rounds)
    refusals = 0
    for _ in range(rounds):
        make = random_chat if rng.random() < 0.7 else random_anthropic
        chat = make(rng, rng.randrange(1, 25))
        before = json.dumps(chat)
        assert no_half_pairs(ctxmem.repair(chat))
        total = ctxmem.count_messages(chat)
        budget = rng.randrange(1, total + 20)
        options = {"strategy": rng.choice(["last", "last", "first"])}
        options["include_system"] = rng.random() < 0.7
        if rng.random() < 0.3:
            options["allow_partial"] = True
        if rng.random() < 0.3:
            options["end_on"] = ("human", "tool")
            if options["strategy"] == "last":
                options["start_on"] = "human"
        try:
            kept = ctxmem.trim_messages(chat, budget, **options)
        except ctxmem.BudgetError as error:
            refusals += 1
            assert error.pinned or budget <= 3
            continue
        assert before == json.dumps(chat)
        assert no_half_pairs(kept), (chat, kept)
        assert recount(kept) == ctxmem.count_messages(kept) <= budget
    assert refusals < rounds / 2


@pytest.mark.parametrize("rounds", [200, pytest.param(some(5000), marks=pytest.mark.slow)])
def test_what_is_not_read_would_not_have_been_kept(rounds):
    rng = random.Random(rounds)
    anything = ("system", "user", "assistant", "tool")
    for _ in range(rounds):
        make = random_chat if rng.random() < 0.6 else random_anthropic
        chat = make(rng, rng.randrange(1, 40))
        if rng.random() < 0.6:
            chat = ctxmem.repair(chat)
        budget = rng.randrange(3, ctxmem.count_messages(chat) + 20)
        options = {"include_system": rng.random() < 0.5, "allow_partial": rng.random() < 0.3}
        try:
            # To find the end, the whole history is read.
            expected = ctxmem.trim_messages(chat, budget, end_on=anything, **options)
        except ctxmem.BudgetError as error:
            with pytest.raises(ctxmem.BudgetError) as again:
                ctxmem.trim_messages(chat, budget, **options)
            assert error.pinned == again.value.pinned
            continue
        assert expected == ctxmem.trim_messages(chat, budget, **options)


@pytest.mark.parametrize("rounds", [100, pytest.param(some(3000), marks=pytest.mark.slow)])
def test_between_leaps_a_history_only_grows(rounds):
    rng = random.Random(rounds)
    grown = leaps = 0
    for _ in range(rounds):
        chat = ctxmem.repair(random_chat(rng, rng.randrange(4, 30)))
        low = rng.choice([0.3, 0.5, 0.9])
        budget = rng.randrange(40, max(41, ctxmem.count_messages(chat)))
        before = None
        for unit in units(chat):
            here = chat[: unit[-1] + 1]
            try:
                kept = ctxmem.trim_messages(here, budget, low_water=low)
            except ctxmem.BudgetError:
                before = None
                continue
            assert ctxmem.count_messages(kept) <= budget
            assert no_half_pairs(kept)
            new = [chat[i] for i in unit]
            if before is not None and same_objects([*before, *new], kept):
                grown += 1
            elif before is not None:
                # A leap, or a new question in the place of one that stood in front of its time, or
                # results that stayed over the leap because the model had not read them.
                assert (
                    ctxmem.count_messages([*before, *new]) > budget
                    or new[0]["role"] == "user"
                    or unread(before)
                )
                leaps += 1
            before = kept
    assert grown > 2 * leaps > 0


def unread(chat):
    """Return whether results are there that no message of the assistant follows."""
    end = itertools.takewhile(lambda message: message["role"] != "assistant", reversed(chat))
    return any(message["role"] == "tool" for message in end)


@pytest.mark.parametrize("rounds", [100, pytest.param(some(3000), marks=pytest.mark.slow)])
def test_what_is_remembered_of_a_growing_history_changes_nothing(rounds):
    rng = random.Random(rounds)
    for _ in range(rounds):
        make = random_chat if rng.random() < 0.7 else random_anthropic
        chat = make(rng, rng.randrange(2, 20))
        if rng.random() < 0.5:
            chat = ctxmem.repair(chat)
        low = rng.choice([0.3, 0.5, 0.9])
        growing = IncrementalTrimmer("o200k_base", low)
        budget = rng.randrange(20, max(21, ctxmem.count_messages(chat)))
        size = 0
        while size < len(chat):
            size += rng.randrange(1, 4)
            if rng.random() < 0.1:
                size = max(1, size - 5)  # an edit, or another branch
            limit = budget if rng.random() < 0.95 else budget + 9
            try:
                expected = ctxmem.trim_messages(chat[:size], limit, low_water=low)
            except ctxmem.BudgetError as error:
                with pytest.raises(ctxmem.BudgetError) as again:
                    growing.trim(chat[:size], limit)
                assert error.pinned == again.value.pinned
                continue
            told = growing.trim(chat[:size], limit)
            assert same_objects(expected, told.messages) or expected == told.messages
            assert ctxmem.count_messages(expected) == told.tokens


def test_what_left_the_window_of_a_growing_history_is_not_read_again():
    counted = []

    def count(text):
        counted.append(text)
        return words(text)

    growing = IncrementalTrimmer(count, 0.5)
    chat = [user("start")]
    for i in range(200):
        chat += [assistant(f"a{i} " + "word " * 20), user(f"q{i}")]
        growing.trim(chat, 300)
    chat[5]["content"] = "changed where nobody looks"
    chat[-2]["content"] = "changed in sight"
    counted.clear()
    kept = growing.trim(chat, 300).messages
    assert ["changed in sight"] == counted
    assert chat[-2] in kept
    copy_of = [dict(message) for message in chat]
    assert len(growing.trim(copy_of, 300).messages) > 2
    assert "changed where nobody looks" in counted


def test_a_leap_goes_down_to_the_low_water_mark_and_keeps_the_question():
    chat = [user("the question")]
    sizes = []
    for i in range(40):
        chat += [assistant(None, f"c{i}"), result(f"c{i}", "word " * 10)]
        kept = ctxmem.trim_messages(chat, 300, counter=words, low_water=0.5)
        assert chat[0] is kept[0]
        sizes.append(ctxmem.count_messages(kept, words))
    drops = [after for before, after in itertools.pairwise(sizes) if after < before]
    assert 3 <= len(drops) <= 10  # not every turn, as without a low-water mark
    assert all(100 < size <= 150 for size in drops)


# As LangChain -------------------------------------------------------------------------------------


def per_message(messages):
    """Count ten tokens for a message, four of them for its text or for each block."""
    return sum(6 + 4 * (len(m.content) if isinstance(m.content, list) else 1) for m in messages)


def lang_chat():
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    return [
        SystemMessage("This is a 4 token text."),
        HumanMessage("This is a 4 token text.", id="first"),
        AIMessage([{"type": "text", "text": "FIRST"}, {"type": "text", "text": "SECOND"}], id="2"),
        HumanMessage("This is a 4 token text.", id="third"),
        AIMessage("This is a 4 token text.", id="fourth"),
    ]


def test_last_keeps_the_longest_end():
    chat = lang_chat()
    kept = ctxmem.trim_messages(
        chat, max_tokens=30, token_counter=per_message, include_system=False
    )
    assert same_objects(chat[3:], kept)  # 20 tokens; the next message has 14


def test_include_system_keeps_it_inside_the_budget():
    chat = lang_chat()
    kept = ctxmem.trim_messages(chat, 30, token_counter=per_message)
    assert same_objects([chat[0], *chat[3:]], kept)


def test_first_keeps_the_longest_beginning():
    chat = lang_chat()
    kept = ctxmem.trim_messages(chat, 30, token_counter=per_message, strategy="first")
    assert same_objects(chat[:2], kept)


def test_allow_partial_cuts_the_next_message_to_whole_blocks():
    chat = lang_chat()
    kept = ctxmem.trim_messages(
        chat, 30, token_counter=per_message, strategy="first", allow_partial=True
    )
    assert [{"type": "text", "text": "FIRST"}] == kept[2].content
    kept = ctxmem.trim_messages(
        chat, 30, token_counter=per_message, include_system=False, allow_partial=True
    )
    assert [{"type": "text", "text": "SECOND"}] == kept[0].content
    assert 2 == len(chat[2].content)


def test_allow_partial_cuts_a_text_at_lines():
    chat = [user("one two\nthree four\nfive"), user("six")]
    kept = ctxmem.trim_messages(chat, 15, counter=words, allow_partial=True)
    assert ["three four\nfive", "six"] == [m["content"] for m in kept]
    kept = ctxmem.trim_messages(
        [chat[0]], 10, counter=words, allow_partial=True, strategy="first", include_system=False
    )
    assert ["one two\n"] == [m["content"] for m in kept]
    kept = ctxmem.trim_messages(
        chat, 13, counter=words, allow_partial=True, text_splitter=lambda text: text.split("\n")
    )
    assert ["five", "six"] == [m["content"] for m in kept]


def test_allow_partial_cuts_llama_index_messages():
    from llama_index.core.llms import ChatMessage

    chat = [ChatMessage(role="user", content="one two\nthree"), ChatMessage(content="six")]
    kept = ctxmem.trim_messages(chat, 13, counter=words, allow_partial=True)
    assert ["three", "six"] == [m.content for m in kept]


def test_start_on_and_end_on_take_names_and_classes():
    from langchain_core.messages import HumanMessage

    chat = lang_chat()
    for human in ("human", "user", HumanMessage, ("system", "human")):
        kept = ctxmem.trim_messages(
            chat, 34, token_counter=per_message, include_system=False, start_on=human
        )
        assert same_objects(chat[3:], kept)  # 34 would hold chat[2:], which starts on an answer
        kept = ctxmem.trim_messages(chat, 90, token_counter=len, end_on=human)
        assert same_objects(chat[:4], kept)
        kept = ctxmem.trim_messages(chat, 5, token_counter=len, end_on=human, strategy="first")
        assert same_objects(chat[:4], kept)


def test_anthropic_histories_start_on_a_user_message():
    chat = [user("one"), assistant("two"), user("three"), assistant("four")]
    assert chat[2:] == ctxmem.trim_messages(chat, 61, counter=words, provider="anthropic")
    assert chat[1:] == ctxmem.trim_messages(chat, 22, counter=words, provider="openai")


@pytest.mark.parametrize("rounds", [200, pytest.param(some(4000), marks=pytest.mark.slow)])
def test_same_results_as_langchain_where_it_keeps_its_promise(rounds):
    from langchain_core.messages import convert_to_messages
    from langchain_core.messages import trim_messages as theirs

    rng = random.Random(rounds)
    compared = 0
    for _ in range(rounds):
        chat = ctxmem.repair(convert_to_messages(random_chat(rng, rng.randrange(1, 12))))
        options = {"strategy": rng.choice(["last", "first"])}
        if options["strategy"] == "last":
            options["include_system"] = rng.random() < 0.5
            if rng.random() < 0.3:
                options["start_on"] = rng.choice(["human", ("human", "ai")])
        if rng.random() < 0.3:
            options["end_on"] = rng.choice(["human", ("human", "tool")])
        limit = rng.randrange(10, 12 * len(chat) + 20)
        expected = theirs(chat, max_tokens=limit, token_counter=per_message, **options)
        # The promise: within the limit, no half of a unit, the question still there.
        users = [m for m in chat if m.type == "human"]
        if options["strategy"] == "last" and users and not any(m is users[-1] for m in expected):
            continue
        # Looking for the end, it throws the system message away that it was told to keep.
        if options.get("include_system") and chat[0].type == "system" and not expected:
            continue
        if per_message(expected) > limit or units_cut(chat, expected):
            continue
        # What the model has not read yet stays, which it does not promise.
        if options["strategy"] == "last" and loses_unread(chat, expected, options):
            continue
        ours = ctxmem.trim_messages(
            chat,
            max_tokens=limit,
            token_counter=per_message,
            **{"include_system": False, **options},
        )
        assert [m.content for m in expected] == [m.content for m in ours], (chat, limit, options)
        compared += 1
    assert compared > rounds / 4


def loses_unread(chat, kept, options):
    chat = list(chat)
    while options.get("end_on") and chat and chat[-1].type not in options["end_on"]:
        chat.pop()
    unread = list(itertools.takewhile(lambda m: m.type != "ai", reversed(chat)))
    here = {id(message) for message in kept}
    return any(m.type == "tool" and id(m) not in here for m in unread)


def units_cut(chat, kept):
    here = {id(message) for message in kept}
    states = [{id(chat[i]) in here for i in unit} for unit in units(chat)]
    in_flight = any(finding.kind == "open_call" for finding in ctxmem.check(chat))
    return in_flight or any(len(state) > 1 for state in states)


def test_what_langchain_breaks_stays_whole():
    chat = [user("go"), assistant(None, "1"), result("1"), assistant("done"), user("thanks")]
    # Four messages would fit, but the call and its result go together.
    assert same_objects(chat[3:], ctxmem.trim_messages(chat[1:], 3, token_counter=len)[0:])
    assert same_objects(chat[3:], ctxmem.trim_messages(chat, 3, token_counter=len))


def test_the_last_question_and_calls_in_flight_stay_however_far_back():
    chat = [user("old"), assistant("old"), user("the question")]
    chat += [m for i in range(20) for m in (assistant(None, f"c{i}"), result(f"c{i}"))]
    chat.append(assistant(None, "last"))
    kept = ctxmem.trim_messages(chat, 6, token_counter=len)
    assert same_objects([chat[2], *chat[-5:]], kept)
    assert same_objects(kept, ctxmem.trim_messages(chat, 6, token_counter=len, start_on="human"))


def test_pins_that_do_not_fit_are_named():
    chat = [result("0"), {"role": "system", "content": "long " * 50}, user("hi"), assistant("x")]
    with pytest.raises(
        ctxmem.BudgetError, match=r"budget is 20 .* need 62.*message 2 \(user\)"
    ) as e:
        ctxmem.trim_messages([*chat[1:2], chat[0], *chat[2:]], 20, counter=words)
    assert ("message 0 (system)", "message 2 (user)") == e.value.pinned


# Options that cannot be used ----


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "neither of them is given"),
        ({"budget": 5, "max_tokens": 5}, "both of them is given"),
        ({"budget": 0}, "budget is 0"),
        ({"budget": 2**63}, "budget is 9223372036854775808"),
        ({"budget": "many"}, "budget is 'many'"),
        ({"budget": 50, "strategy": "middle"}, "strategy is 'middle'"),
        ({"budget": 50, "strategy": "first", "start_on": "human"}, "strategy='first'"),
        ({"budget": 50, "start_on": 5}, "start_on has 5"),
        ({"budget": 50, "provider": "acme"}, "expected one of openai, anthropic"),
        ({"budget": 50, "token_counter": 5}, "token_counter is 5"),
        ({"budget": 50, "token_counter": lambda _: -1}, "token_counter returned -1"),
        ({"budget": 50, "token_counter": lambda _: float("nan")}, "token_counter returned nan"),
        ({"budget": 50, "token_counter": len, "tools": []}, "tools are given"),
        ({"budget": 50, "allow_partial": True, "text_splitter": 5}, "text_splitter is 5"),
        ({"budget": 50, "low_water": "half"}, "low_water is 'half'"),
        ({"budget": 50, "low_water": 1.5}, "low_water is 1.5"),
        ({"budget": 50, "low_water": 0.5, "strategy": "first"}, "low_water is given with"),
        ({"budget": 50, "low_water": 0.5, "token_counter": len}, "low_water is given with"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_done(options, said):
    with pytest.raises(ctxmem.CtxmemError) as error:
        ctxmem.trim_messages([user("hi")], **options)
    assert said in str(error.value)


# Cost ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_trimming_again_costs_a_fraction_of_langchains(tiktoken_encoding):
    from langchain_core.messages import convert_to_messages
    from langchain_core.messages import trim_messages as theirs

    encoding = tiktoken_encoding("o200k_base")
    rng = random.Random(5)
    plain = []
    for i in range(700):
        said = [" ".join(rng.choices(WORDS, k=80)) for _ in range(3)]
        plain += [user(said[0]), assistant(said[1], f"c{i}"), result(f"c{i}", said[2])]
    chat = convert_to_messages(plain)
    budget = ctxmem.count_messages(chat) // 4

    def count(messages):
        return sum(len(encoding.encode_ordinary(str(m.content))) + 4 for m in messages)

    ctxmem.trim_messages(chat, budget)  # what other tests left may fill the caches before
    ours = calls_of(lambda: ctxmem.trim_messages(chat, budget))
    # Measured 80 and 16 times; less than 3 would mean that something is counted again.
    assert calls_of(lambda: theirs(chat, max_tokens=budget, token_counter=count)) > 3 * ours
    assert calls_of(lambda: theirs(chat, max_tokens=budget, token_counter="approximate")) > ours

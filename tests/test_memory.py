from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from chats import user
from memory_chats import agent_chat, replay, shown
from reference_tables import read_table

import ctxmem
import ctxmem.stores
from ctxmem import BudgetError, Chunk, InputError, InputTypeError, Memory, SessionDeletedError
from ctxmem.memory.identifiers import Reuse, identifiers
from ctxmem.memory.plan import Plan
from ctxmem.memory.receipts import Receipts
from ctxmem.memory.session_state import LONGEST_PAGE, page_cuts
from ctxmem.memory.tables import tabled
from ctxmem.policies import POLICIES

# The window ---------------------------------------------------------------------------------------


def test_a_short_chat_is_sent_as_it_is():
    chat = agent_chat(3)
    memory = Memory(100_000)
    windows = replay(memory, chat)
    assert windows[-1].messages == chat[:-2]
    assert memory.window().messages == chat
    assert memory.stats().edits == 0


@pytest.mark.parametrize("policy", ["auto", "batch", "slide", *POLICIES[1:]])
@pytest.mark.parametrize("budget", [400, 700, 1500])
def test_the_budget_holds_and_the_count_is_the_counts(budget, policy):
    memory = Memory(budget, policy=policy)
    for window in replay(memory, agent_chat(60)):
        assert window.tokens == ctxmem.count_messages(window.messages)
        assert window.tokens <= budget == window.budget
        stable = ctxmem.count_messages(window.messages[: window.volatile_from])
        assert window.stable_tokens == stable


def test_between_edits_a_window_begins_with_all_of_the_one_before():
    memory = Memory(1500, policy="auto")
    edits = 0
    before = None
    for window in replay(memory, agent_chat(80)):
        edited = any(event.kind in ("edit", "excerpt") for event in window.events)
        edits += edited
        if before is not None and not edited:
            stable = before.messages[: before.volatile_from]
            assert window.messages[: len(stable)] == stable
        before = window
    assert 1 <= edits <= 20  # far fewer than 80 calls


def test_calls_and_results_leave_together_and_every_window_is_valid():
    memory = Memory(500)
    for window in replay(memory, agent_chat(50)):
        kinds = {finding.kind for finding in ctxmem.check(window.messages)}
        assert not kinds & {"orphan_result", "open_call", "misplaced_result", "role_order"}


def test_system_task_and_last_question_stay():
    memory = Memory(600)
    chat = [*agent_chat(40), {"role": "assistant", "content": "Done."}, user("And tomorrow?")]
    replay(memory, chat)
    messages = memory.window().messages
    assert messages[:2] == chat[:2]
    assert messages[-1] == user("And tomorrow?")


def test_an_index_names_what_left_and_only_what_is_not_in_sight():
    memory = Memory(600)
    replay(memory, agent_chat(40))
    window = memory.window()
    text = "\n".join(message["content"] for message in window.messages)
    notes = [m["content"] for m in window.messages if m["content"].startswith("[memory]")]
    assert notes
    named = [word for note in notes for word in identifiers(note) if word.startswith("B0")]
    assert named
    assert all(text.count(word) == 1 for word in named)


def test_an_index_that_names_nothing_does_not_announce_names():
    memory = Memory(300)
    for _ in range(12):
        memory.append(user("Tell me more about rivers, please. " * 3))
        memory.append({"role": "assistant", "content": "A river flows to the sea. " * 4})
        memory.window()
    index = next(m["content"] for m in memory.window().messages if "stored" in m["content"])
    assert re.search(r" are stored(, as are p0-p\d+)?\.$", index)


def test_asking_again_returns_the_same_window():
    memory = Memory(600)
    replay(memory, agent_chat(30))
    first = memory.window()
    first.messages.append(user("not mine"))
    assert shown(memory.window()) != shown(first)
    assert memory.window().messages == first.messages[:-1]
    assert memory.window().events == ()
    assert memory.stats().calls == 31


def test_a_pinned_page_stays_and_comes_back():
    memory = Memory(700)
    replay(memory, agent_chat(40))
    assert not memory.page("p3").resident
    memory.pin("p3")
    text = str(memory.page("p3"))
    for i in range(30):
        memory.append(user(f"question {i} " + "word " * 30))
        window = memory.window()
        assert memory.page("p3").resident
        assert any(text in message["content"] for message in window.messages)
        memory.append({"role": "assistant", "content": "answer " * 20})
    memory.unpin("p3")
    for i in range(30):
        memory.append(user(f"more {i} " + "word " * 30))
        memory.window()
        memory.append({"role": "assistant", "content": "answer " * 20})
    assert not memory.page("p3").resident


def test_pins_that_cannot_fit_are_named_and_nothing_is_lost():
    memory = Memory(200)
    memory.append(user("word " * 150), pinned=True)
    memory.append({"role": "assistant", "content": "ok"})
    memory.append(user("word " * 150))
    with pytest.raises(
        BudgetError, match=r"may have 197 tokens but what must stay needs .* p0"
    ) as e:
        memory.window()
    assert "p0" in e.value.pinned
    memory.unpin("p0")
    assert memory.window().tokens <= 200


def test_a_result_too_large_for_the_window_is_shown_in_part():
    lines = "\n".join(f"line {i} of a very long log, status ok" for i in range(3000))
    chat = agent_chat(1)
    chat[-1] = {**chat[-1], "content": lines}
    memory = Memory(2000)
    pages = [page for message in chat for page in memory.append(message)]
    window = memory.window()
    assert window.tokens <= 2000
    content = window.messages[-1]["content"]
    assert "line 0 of" in content and "line 2999 of" in content and "shown in part" in content
    assert window.volatile_from == len(window.messages) - 1
    assert "".join(str(memory.page(page)) for page in pages[3:]) == lines
    memory.append({"role": "assistant", "content": "Read."})
    after = memory.window()
    assert "tokens, stored" in after.messages[3]["content"]


def test_an_over_full_input_never_raises():
    memory = Memory(300)
    memory.append([Chunk(f"passage {i} " + "word " * 50) for i in range(200)])
    assert memory.window().tokens <= 300
    for i in range(40):
        memory.append(user("word " * 40 + str(i)))
    assert memory.window().tokens <= 300


def test_parallel_results_that_arrive_between_windows_still_fit():
    calls = [
        {"id": f"c{i}", "type": "function", "function": {"name": "get", "arguments": "{}"}}
        for i in range(6)
    ]
    memory = Memory(1500)
    memory.append([user("Go."), {"role": "assistant", "content": None, "tool_calls": calls}])
    for i in range(6):
        text = "\n".join(f"{i} {j} something happened" for j in range(120))
        memory.append({"role": "tool", "tool_call_id": f"c{i}", "content": text})
        window = memory.window()
        assert window.tokens == ctxmem.count_messages(window.messages) <= 1500


def test_a_policy_of_ones_own_says_what_leaves():
    class MostRecent:
        def __init__(self):
            self.stack = []

        def on_insert(self, slot):
            self.stack.append(slot)

        def on_touch(self, slot):
            self.stack.remove(slot)
            self.stack.append(slot)

        def on_evict(self, slot):
            self.stack.remove(slot)

        def on_remove(self, slot):
            if slot in self.stack:
                self.stack.remove(slot)

        def victim(self):
            return self.stack[-1]

    memory = Memory(900, policy=MostRecent())
    for window in replay(memory, agent_chat(40)):
        assert window.tokens == ctxmem.count_messages(window.messages) <= 900
    assert memory.stats().edits > 0
    assert memory.page("p3").resident and not memory.page("p60").resident


def test_lru_keeps_what_is_used_again_and_fifo_does_not():
    chat = agent_chat(2)
    for i in range(2, 60):
        chat += [user(f"question {i} " + "word " * 20)]
        chat += [{"role": "assistant", "content": "As B0001X says. " + "word " * 15}]
    kept = {}
    for policy in ("lru", "fifo"):
        memory = Memory(1200, policy=policy)
        replay(memory, chat)
        kept[policy] = memory.page("p5").resident
    assert kept == {"lru": True, "fifo": False}


def test_a_cold_cache_is_the_time_to_edit():
    now = [0.0]
    memory = Memory(4000, clock=lambda: now[0], miss_cost=0.1)
    chat = agent_chat(60)
    replay(memory, chat[:100])
    assert memory.stats().edits == 0
    now[0] += 3600.0
    replay(memory, chat[100:])
    assert memory.stats().edits == 1


def test_breakpoints_stand_where_prefixes_end():
    memory = Memory(600)
    for window in replay(memory, agent_chat(40)):
        assert len(window.breakpoints) <= 4
        assert window.breakpoints[-1] == window.volatile_from - 1
        assert list(window.breakpoints) == sorted(set(window.breakpoints))
    assert Memory(600, prices="openai").window().breakpoints == ()


# Recall -------------------------------------------------------------------------------------------


def test_a_query_brings_back_what_it_needs_behind_the_last_breakpoint():
    memory = Memory(900)
    chat = agent_chat(60)
    replay(memory, chat)
    plain = memory.window()
    window = memory.window("What about booking B0007X?")
    assert window.volatile_from <= len(window.messages) - 1
    assert window.messages[: plain.volatile_from] == plain.messages[: plain.volatile_from]
    assert chat[17]["content"] in window.messages[-1]["content"]
    assert window.tokens == ctxmem.count_messages(window.messages) <= 900
    assert [page.id for page in window.recalled] and window.breakpoints == plain.breakpoints
    assert memory.window().messages == plain.messages


def test_a_page_recalled_again_and_again_is_back_for_good():
    memory = Memory(900)
    replay(memory, agent_chat(60))
    for i in range(3):
        memory.append(user(f"What about booking B0007X? {i}"))
        memory.window("booking B0007X")
        memory.append({"role": "assistant", "content": "Late."})
    memory.append(user("Thanks."))
    window = memory.window()
    assert any("from memory]" in message["content"] for message in window.messages)
    assert window.volatile_from == len(window.messages)


def test_recall_ranks_all_pages():
    memory = Memory(900)
    chat = agent_chat(30)
    memory.append(chat)
    found = memory.recall("B0012X", 3)
    assert 1 <= len(found) <= 3
    assert "B0012X" in found[0].text
    assert found[0].score >= found[-1].score
    assert memory.recall("zzz", 3) == []
    assert memory.recall("B0012X", 0) == []


def test_pages_of_a_long_text_make_it_up_again():
    text = "\n\n".join(f"Paragraph {i}. " + "word " * 60 for i in range(200))
    memory = Memory(2000)
    pages = memory.append(Chunk(text, source="handbook"))
    assert len(pages) > 10
    assert "".join(str(memory.page(page)) for page in pages) == "[handbook]\n" + text
    assert max(memory.page(page).tokens for page in pages) <= LONGEST_PAGE


@pytest.mark.parametrize("text", ["x" * 50_000, "a b " * 20_000, "\n" * 9000, "é\n" * 9000])
def test_no_page_is_longer_than_a_page_may_be(text):
    cuts = page_cuts(text, ctxmem.count_tokens, ctxmem.count_tokens(text))
    edges = [0, *cuts, len(text)]
    assert edges == sorted(edges)
    parts = [text[a:b] for a, b in pairwise(edges)]
    assert "".join(parts) == text
    assert max(map(ctxmem.count_tokens, parts)) <= LONGEST_PAGE


def test_a_page_that_is_not_there_is_an_error_that_says_which_are():
    memory = Memory(100)
    with pytest.raises(InputError, match="no page 'p7'; this session has none yet"):
        memory.page("p7")
    memory.append(user("hello"))
    for wrong in ("p7", "7", "", "p-1", None):
        with pytest.raises(InputError, match="this session has p0 to p0"):
            memory.page(wrong)


@pytest.mark.parametrize(
    "call",
    [
        {"id": "c1", "type": "function", "function": {"name": "recall", "arguments": "%s"}},
        {"id": "c1", "type": "tool_use", "name": "recall", "input": "%s"},
        {"call_id": "c1", "type": "function_call", "name": "recall", "arguments": "%s"},
    ],
    ids=["openai", "anthropic", "responses"],
)
def test_the_tool_answers_in_the_form_of_the_call(call):
    memory = Memory(700)
    replay(memory, agent_chat(30))

    def ask(**arguments):
        asked = json.loads(json.dumps(call))
        if call["type"] == "tool_use":
            asked["input"] = arguments
        else:
            (asked.get("function") or asked)["arguments"] = json.dumps(arguments)
        return json.dumps(memory.answer(asked))

    text = str(memory.page("p3"))
    assert text in ask(page="p3") and "c1" in ask(page="p3")
    assert "B0004X" in ask(query="B0004X")
    assert "there is no page" in ask(page="p999")
    assert "no page answers" in ask(query="zzz")
    assert "give 'page'" in ask()


def test_the_tool_is_defined_for_every_provider():
    memory = Memory(700)
    assert memory.tool()["function"]["name"] == "recall"
    assert memory.tool("responses")["name"] == "recall"
    assert memory.tool("anthropic")["input_schema"]["properties"].keys() == {"page", "query"}
    with pytest.raises(InputError, match="form is 'gemini'"):
        memory.tool("gemini")
    broken = {"id": "c1", "function": {"name": "recall", "arguments": "{not json"}}
    assert "give 'page'" in memory.answer(broken)["content"]


# Compaction ---------------------------------------------------------------------------------------

ROWS = [{"id": i, "at": {"x": str(i), "y": None}, "tags": ["a,b", "c"]} for i in range(30)]


def test_a_json_result_is_written_shorter_with_every_value():
    text = json.dumps({"rows": ROWS, "next": None})
    chat = agent_chat(1)
    chat[-1] = {**chat[-1], "content": text}
    memory = Memory(10_000)
    memory.append(chat)
    sent = memory.window().messages[-1]["content"]
    assert ctxmem.count_tokens(sent) < 0.7 * ctxmem.count_tokens(text)
    assert read_table(sent) == json.loads(text)
    assert str(memory.page("p3")) == text
    verbatim = Memory(10_000, tabulate_json=False)
    verbatim.append(chat)
    assert verbatim.window().messages == chat


def test_only_results_are_written_shorter():
    text = json.dumps(ROWS)
    block = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": [{"type": "text", "text": text}],
    }
    image = {"type": "image", "source": {"type": "base64", "data": "AAAA"}}
    call = {"type": "tool_use", "id": "t1", "name": "list", "input": {"all": True}}
    memory = Memory(10_000)
    memory.append(
        [
            user(text),
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [block, image, {"type": "brand_new", "deep": [1]}]},
        ]
    )
    messages = memory.window().messages
    assert messages[0] == user(text)
    assert messages[1] == {"role": "assistant", "content": [call]}
    result = messages[2]["content"][0]
    assert read_table(result["content"][0]["text"]) == ROWS
    assert {**result, "content": block["content"]} == block
    assert messages[2]["content"][1:] == [image, {"type": "brand_new", "deep": [1]}]


@pytest.mark.parametrize("text", ["", "[]", "{}", "7", '{"a": 1, "a": 2}', "[NaN]", "{", "text"])
def test_what_is_no_json_of_rows_is_left_alone(text):
    assert tabled(text) is None


# Misuse -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prices": "cheap"}, "prices is 'cheap'; expected one of anthropic"),
        ({"policy": "lifo"}, "policy is 'lifo'; expected one of auto"),
        ({"miss_cost": -1}, "miss_cost is -1; expected a price of 0 or more"),
        ({"session": 7}, "session is 7"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        Memory(100, **options)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (7, "message 0 is 7"),
        ({"content": "x"}, "message 0"),
        ({"role": "user", "content": {"a": {1, 2}}}, "message 0"),
        ({"role": "user", "content": "x", "extra": {1}}, "cannot be stored as JSON"),
    ],
)
def test_what_is_no_message_is_refused(given, message):
    memory = Memory(100)
    with pytest.raises(InputError, match=message):
        memory.append(given)
    assert memory.window().messages == []


def test_hostile_text_is_normal():
    memory = Memory(300)
    for text in ("\ud800 lone", "nul \0 nul", " " * 100_000, "<|endoftext|>", "", "é" * 5000):
        memory.append(user(text))
        memory.append({"role": "assistant", "content": "ok"})
    memory.append(user("and?"))
    assert memory.window().tokens <= 300
    assert memory.page("p0").text == "\ufffd lone"
    assert memory.messages()[0] == user("\ud800 lone")


def test_what_the_caller_changes_later_does_not_change_the_memory():
    block = {"type": "text", "text": "before"}
    memory = Memory(300)
    memory.append({"role": "user", "content": [block]})
    block["text"] = "after"
    sent = memory.window().messages
    assert sent == [{"role": "user", "content": [{"type": "text", "text": "before"}]}]
    sent[0]["content"][0]["cache_control"] = {"type": "ephemeral"}
    assert "cache_control" not in shown(memory.window())


def test_stats_and_windows_can_be_read_by_a_person():
    memory = Memory(600)
    windows = replay(memory, agent_chat(40))
    told = memory.stats().explain()
    assert "82 messages in" in told and "references to earlier pages" in told
    assert memory.stats().events["edit"] == memory.stats().edits
    edited = next(w for w in windows if any(e.kind == "edit" for e in w.events))
    assert "left for the store and are in an index" in edited.explain()


# Learning -----------------------------------------------------------------------------------------


def test_reuse_learns_how_often_pages_of_an_age_are_needed():
    reuse, never = Reuse(), Reuse()
    for i in range(200):
        reuse.call(2 * i, [1])
        never.call(2 * i, [])
    assert reuse.calls == 200
    assert never.expected(1, 1) < Reuse().expected(1, 1) < reuse.expected(1, 1)
    assert never.expected(1, 10) < 0.5 * Reuse().expected(1, 10)
    assert reuse.expected(1, 1) <= reuse.expected(1, 5) <= 5
    assert reuse.expected(3, 4) == pytest.approx(reuse.expected(3, 1) + reuse.expected(4, 3))


def test_former_names_of_options_work_and_warn():
    with pytest.warns(DeprecationWarning, match="tabulate_json"):
        memory = Memory(10_000, compact=False)
    answer = json.dumps([{"id": i, "name": f"seat {i}"} for i in range(40)])
    memory.append(user(answer))
    assert memory.window().messages[-1]["content"] == answer
    with pytest.warns(DeprecationWarning, match="miss_cost"):
        Memory(1000, fault=1.0)


def result_with_image(lines):
    text = "\n".join(
        f"line {i}: the job {i * 7919} ended with the code {i % 5}" for i in range(lines)
    )
    png = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJ"
        "RU5ErkJggg=="
    )
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png}}
    block = {
        "type": "tool_result",
        "tool_use_id": "c",
        "content": [{"type": "text", "text": text}, image],
    }
    call = {"type": "tool_use", "id": "c", "name": "read", "input": {}}
    return image, [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [block]},
    ]


def test_the_text_beside_an_image_in_a_result_is_shortened_and_the_image_stays():
    image, said = result_with_image(120)
    with ctxmem.Memory(1500, provider="anthropic") as memory:
        memory.append(said)
        window = memory.window()
        assert window.tokens <= 1500
        assert window.tokens == ctxmem.count_messages(window.messages, provider="anthropic")
        text, shown = window.messages[-1]["content"][0]["content"]
        assert shown == image
        assert "line 0:" in text["text"]
        assert len(text["text"]) < len(said[-1]["content"][0]["content"][0]["text"])
        assert memory.messages() == said
    trimmed = ctxmem.trim_messages(said, 2000, provider="anthropic")
    assert trimmed[-1]["content"][0]["content"][1] == image


@pytest.mark.parametrize("role", ["boss", "USER", "bot", ""])
def test_a_role_that_no_provider_knows_is_refused_with_the_known_ones(role):
    with ctxmem.Memory(1000) as memory:
        with pytest.raises(InputError, match="expected one of system, user, assistant, tool, dev"):
            memory.append([user("hi"), {"role": role, "content": "hi"}])
        assert memory.messages() == []


@pytest.mark.parametrize(
    "role", ["user", "assistant", "system", "developer", "tool", "function", "human", "ai", "model"]
)
def test_roles_of_providers_and_frameworks_are_accepted(role):
    with ctxmem.Memory(1000) as memory:
        assert memory.append({"role": role, "content": "hi", "tool_call_id": "c"}) == ["p0"]


def test_a_lone_surrogate_is_stored_as_given_and_shown_as_the_replacement_character(tmp_path):
    said = [user("\ud800 The port is 8080."), user("Caf\u00e9 \ud83d?")]
    for _ in range(2):  # the second time the session is reopened
        with ctxmem.Memory(1000, store=tmp_path / "m.db") as memory:
            if not memory.messages():
                memory.append(said)
            window = memory.window("port")
            json.dumps(window.messages, ensure_ascii=False).encode()
            assert window.messages[0] == user("\ufffd The port is 8080.")
            assert window.tokens == ctxmem.count_messages(window.messages)
            assert memory.page("p1").text == "Caf\u00e9 \ufffd?"
            assert memory.messages() == said
            memory.recall("port")[0].text.encode()


@pytest.mark.parametrize("start", ["a", None, 1.0, True])
def test_messages_from_what_is_no_number_are_refused(start):
    with ctxmem.Memory(1000) as memory, pytest.raises(InputTypeError, match="start is"):
        memory.messages(start)


def test_messages_from_before_the_first_are_refused():
    with ctxmem.Memory(1000) as memory, pytest.raises(InputError, match="start is -1"):
        memory.messages(-1)


@pytest.mark.parametrize("call", [None, "x", 3, [("id", "c")]])
def test_what_is_no_call_is_not_answered(call):
    with ctxmem.Memory(1000) as memory, pytest.raises(InputTypeError, match="call is"):
        memory.answer(call)


@pytest.mark.parametrize(
    "call",
    [
        {"type": "tool_use", "id": "c", "name": "grep", "input": {}},
        {"type": "function_call", "call_id": "c", "name": "grep", "arguments": "{}"},
        {"type": "function", "id": "c", "function": {"name": "grep", "arguments": "{}"}},
    ],
)
def test_a_call_of_another_tool_is_not_answered(call):
    with ctxmem.Memory(1000) as memory, pytest.raises(InputError, match="the tool 'grep'"):
        memory.answer(call)


def test_a_budget_below_the_request_itself_is_refused_in_words():
    with ctxmem.Memory(1) as memory:
        memory.append(user("hi"))
        with pytest.raises(BudgetError, match="budget is 1 token, and the request alone has 3"):
            memory.window()


def test_vectors_of_several_sizes_are_refused():
    with ctxmem.Memory(1000, embed=lambda texts: [[1.0], [1.0, 2.0]]) as memory:
        memory.append([user("hi"), user("The port is 8080.")])
        with pytest.raises(InputError, match="embed returned"):
            memory.recall("port")


def test_an_export_to_a_folder_is_refused(tmp_path):
    with ctxmem.Memory(1000) as memory, pytest.raises(InputError, match="is a folder"):
        memory.export(tmp_path)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_no_page_of_a_session_that_was_deleted_is_returned(tmp_path, kind):
    store = ctxmem.stores.open_store(":memory:" if kind == "memory" else tmp_path / "m.db")
    with ctxmem.Memory(1000, store=store) as memory:
        memory.append([user(f"Question {i}?") for i in range(5)])
        memory.window()
        call = {"type": "tool_use", "id": "c", "name": "recall", "input": {"page": "p3"}}
        assert "Question 3?" in memory.answer(call)["content"][0]["content"]
        store.delete_session("default", "default")
        with pytest.raises(SessionDeletedError):
            memory.page("p3")
        with pytest.raises(SessionDeletedError):
            memory.answer(call)
        with pytest.raises(SessionDeletedError):
            memory.answer({**call, "input": {"query": "question"}})


def test_an_edit_that_takes_out_indexes_only_has_a_receipt():
    plan = Plan(0, [], 0, 0)
    assert Receipts().made(plan, []) is None
    plan.edited, plan.reason = True, "full"
    plan.events.append(ctxmem.Event("edit", "indexes of 315 tokens were dropped", (), 315))
    receipt = Receipts().made(plan, [])
    assert (receipt.pages, receipt.messages, receipt.tokens) == ((), (), 315)
    assert str(receipt) == (
        "edit 0: indexes of 315 tokens left because the window would have been over its budget"
    )


def test_the_types_that_methods_return_are_public():
    with ctxmem.Memory(1000) as memory:
        memory.append(user("Never push to main."))
        assert isinstance(memory.ledger()[0], ctxmem.Entry)
        assert isinstance(memory.forget("p0"), ctxmem.Deleted)
    assert ctxmem.Receipt.__module__ == "ctxmem.memory.receipts"

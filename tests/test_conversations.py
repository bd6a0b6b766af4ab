"""Records become conversations with their true calls, whatever the log looks like."""

from __future__ import annotations

import contextlib
import io
import json
import random

import pytest
import recorded_chats as recorded
from chats import say, words

from ctxmem import audit
from ctxmem.auditing.conversations import conversations
from ctxmem.cli import main
from ctxmem.traces import ReadStats


def texts(messages):
    """Return the texts of messages, to be compared by eye."""
    found = []
    for message in messages:
        content = message["content"]
        if isinstance(content, list):
            content = "+".join(str(b.get("text", b.get("content", b.get("id")))) for b in content)
        found.append(content)
    return found


def windows(records, **options):
    return [
        [texts(call.messages) for call in one.exchanges]
        for one in conversations(records, **options)
    ]


def line(kind, uuid, parent, content, *, name=None, session="s", **more):
    message = {"role": kind, "content": content}
    if kind == "assistant":
        message |= {"id": name or f"m-{uuid}", "model": "claude-x"}
    at = {"type": kind, "uuid": uuid, "parentUuid": parent, "sessionId": session}
    return {**at, "message": message, **more}


def block(text):
    return [{"type": "text", "text": text}]


# The same conversation, logged in many ways -------------------------------------------------------


def replayed(path, records):
    path.write_text("\n".join(json.dumps(record) for record in records))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["replay", str(path), "--budget", "900", "--json"]) == 0
    return json.loads(out.getvalue())


@pytest.mark.parametrize("seed", range(3))
def test_a_conversation_costs_the_same_however_it_was_logged(seed, tmp_path):
    messages = recorded.chat(seed)
    calls = sum(message["role"] == "assistant" for message in messages)
    bills, totals = {}, {}
    for name, write in recorded.WRITERS.items():
        records = json.loads(json.dumps(write(messages)))
        found = replayed(tmp_path / "trace.jsonl", records)
        assert (found["conversations"], found["calls"], found["left_out"]) == (1, calls, {}), name
        bills[name] = [
            (row["calls"], row["bill"], row["untrimmed"], row["largest"], row["edits"])
            for row in found["rows"]
        ]
        sums = audit(records).totals
        # What is added depends on the shape: blocks and items have more of it than messages.
        assert sums["tokens"] == pytest.approx(audit(messages).totals["tokens"], rel=0.03)
        texts = sums["tokens"] - sums["parts"]["overhead"]
        totals[name] = (sums["calls"], texts, sums["sessions"])
    for name in recorded.WRITERS:
        assert bills[name] == bills["one list of messages"], name
        assert totals[name] == totals["one list of messages"], name
    assert totals["one list of messages"][::2] == (calls, 1)


@pytest.mark.parametrize("name", recorded.WRITERS)
def test_each_call_has_its_window_and_its_answer(name):
    messages = recorded.chat(5, turns=3)
    records = json.loads(json.dumps(recorded.WRITERS[name](messages)))
    (found,) = conversations(records)
    sent = list(recorded.windows(messages))
    assert len(found.exchanges) == len(sent)
    for i, call in enumerate(found.exchanges):
        before = found.exchanges[i - 1] if i else None
        known = (before.messages + before.answer) if before else []
        assert call.messages[: call.added] == known[: call.added]
        assert call.added == len(known)
        assert call.answer or i == len(sent) - 1


def test_messages_are_shared_between_calls():
    records = [{"model": "m", "messages": [say("user", "a")]}]
    more = [say("user", "a"), say("assistant", "b"), say("user", "c")]
    (found,) = conversations([*records, {"model": "m", "messages": more}])
    first, second = found.exchanges
    assert first.messages[0] is second.messages[0]
    assert (first.answer, second.added) == ([say("assistant", "b")], 2)


# Requests -----------------------------------------------------------------------------------------


def test_a_request_that_is_sent_again_is_a_call_of_the_same_conversation():
    request = {"model": "m", "messages": [say("user", "a")]}
    assert windows([request, request]) == [[["a"], ["a"]]]
    assert audit([request, request]).totals["calls"] == 2


def test_conversations_of_one_session_that_take_turns_are_kept_apart():
    rules = say("system", "You are an agent.")

    def request(*messages):
        return {"model": "m", "session_id": "s", "messages": [rules, *messages]}

    a, b = say("user", "read a"), say("user", "read b")
    done = say("assistant", "done"), say("user", "go on")
    found = windows([request(a), request(b), request(a, *done), request(b, *done)])
    assert found == [
        [["You are an agent.", "read a"], ["You are an agent.", "read a", "done", "go on"]],
        [["You are an agent.", "read b"], ["You are an agent.", "read b", "done", "go on"]],
    ]


def test_a_question_that_is_asked_anew_is_a_branch_and_forgets_nothing():
    first = [say("user", "a"), say("assistant", "b")]
    records = [{"model": "m", "messages": [*first, say("user", text)]} for text in ("c", "d")]
    (found,) = conversations(records)
    assert [texts(call.messages) for call in found.exchanges] == [["a", "b", "c"], ["a", "b", "d"]]
    assert [call.added for call in found.exchanges] == [0, 2]
    assert found.restarts == []


def test_what_a_client_trimmed_is_reported_with_where_it_left():
    rules, chat = say("system", "rules"), [say("user", "a"), say("assistant", "b")]
    more = [say("user", "c"), say("assistant", "d"), say("user", "e")]
    records = [
        {"model": "m", "session_id": "s", "messages": [rules, *chat, *more[:1]]},
        {"model": "m", "session_id": "s", "messages": [rules, *more]},
    ]
    (found,) = conversations(records)
    (restart,) = found.restarts
    assert (restart.index, restart.place) == (1, "record 2")
    assert texts(restart.left) == ["a", "b"] and restart.summary is None


def test_the_summary_that_replaced_messages_is_reported():
    rules, old = say("system", "rules"), [say("user", "a"), say("assistant", "b")]
    last = say("user", "c")
    short = [rules, say("user", "so far: a and b"), last]
    records = [
        {"model": "m", "session_id": "s", "messages": m} for m in ([rules, *old, last], short)
    ]
    (found,) = conversations(records)
    (restart,) = found.restarts
    assert texts(restart.left) == ["a", "b"]
    assert restart.summary == say("user", "so far: a and b")


def test_instructions_with_a_clock_are_the_same_conversation():
    chat = [say("user", "a"), say("assistant", "b"), say("user", "c")]
    records = [
        {
            "model": "m",
            "session_id": "s",
            "messages": [say("system", f"at {i}"), *chat[: 2 * i + 1]],
        }
        for i in range(2)
    ]
    assert len(windows(records)) == 1


def test_a_request_continues_the_response_that_it_names():
    records = [
        {
            "request": {"model": "m", "instructions": "rules", "input": "a"},
            "response": {"id": "r1", "output": [say("assistant", "b")]},
        },
        {"request": {"model": "m", "input": "c", "previous_response_id": "r1"}, "response": {}},
    ]
    assert [[len(w) for w in one] for one in windows(records)] == [[2, 4]]
    # A word and 4 of overhead for each message, 3 for each request.
    assert audit(records, counter=words).totals["tokens"] == 6 * 5 + 2 * 3


def test_a_response_that_the_log_does_not_hold_is_reported_as_skipped():
    records = [{"request": {"model": "m", "input": "c", "previous_response_id": "r0"}}]
    stats = ReadStats()
    list(conversations(records, stats=stats))
    ((reason, count),) = stats.skipped.items()
    assert "its history is not known" in reason and count == 1
    assert audit(records).read["skipped"] == {reason: 1}


def test_a_chat_that_was_logged_again_with_more_adds_what_is_new():
    chat = [say("user", "a"), say("assistant", "b"), say("user", "c"), say("assistant", "d")]
    found = windows([{"messages": chat[:2]}, {"messages": chat}])
    assert found == [[["a"], ["a", "b", "c"]]]


def clocked(spoken, time):
    """Return a record of a chat whose instructions have the time of the request."""
    return {"messages": [say("system", f"at {time}"), *spoken]}


SPOKEN = [say("user" if i % 2 == 0 else "assistant", text) for i, text in enumerate("abcdefgh")]


@pytest.mark.parametrize("answered", [False, True])
def test_a_chat_whose_instructions_change_with_every_line_adds_what_is_new(answered):
    records = [clocked(SPOKEN[: 2 * i + 1 + answered], i) for i in range(4)]
    spoken = [["a"], [*"abc"], [*"abcde"], [*"abcdefg"]]
    expected = [[[f"at {i}", *said] for i, said in enumerate(spoken)]]
    assert windows(records) == expected
    if not answered:
        assert windows([{**record, "model": "m"} for record in records]) == expected


@pytest.mark.parametrize("number", [1, 3])
def test_instructions_that_move_behind_the_history_do_not_hide_a_chat(number):
    def sent(i):
        return [say("system", "rules"), *SPOKEN[: 2 * i + 1], *[say("system", f"at {i}")] * number]

    found = windows([{"messages": sent(i)} for i in range(4)])
    assert found == [[texts(sent(i)) for i in range(4)]]


def test_a_request_that_is_sent_again_with_another_clock_is_one_request_more():
    found = windows([clocked(SPOKEN[:3], 0), clocked(SPOKEN[:3], 1), clocked(SPOKEN[:5], 2)])
    assert sorted(sent for one in found for sent in one) == [
        ["at 0", "a"],  # the log begins within the chat
        ["at 0", *"abc"],
        ["at 1", *"abc"],
        ["at 2", *"abcde"],
    ]


def test_chats_of_one_session_with_other_instructions_keep_their_own_calls():
    one, other = SPOKEN[:3], [SPOKEN[0], say("assistant", "other"), SPOKEN[2]]
    records = [clocked(one[:1], 0), clocked(other[:1], 1), clocked(one, 0), clocked(other, 1)]
    expected = [[["at 0", "a"], ["at 0", *"abc"]], [["at 1", "a"], ["at 1", "a", "other", "c"]]]
    assert windows(records) == expected


def test_whole_chats_of_the_same_words_are_told_apart_by_their_instructions():
    """An evaluation logs the same question and answer for each prompt."""
    found = windows([clocked(SPOKEN[:4], 0), clocked(SPOKEN[:4], 1)])
    assert sorted(sent for one in found for sent in one) == [
        [f"at {i}", *said] for i in (0, 1) for said in ("a", "abc")
    ]


def test_a_list_without_an_answer_is_one_request_whatever_it_holds():
    asked = [say("system", "at 1"), say("user", "a"), say("system", "x"), say("user", "b")]
    assert windows([{"messages": asked}]) == [[texts(asked)]]


# Transcripts --------------------------------------------------------------------------------------


BASE = [
    line("user", "u1", None, "a"),
    line("assistant", "a1", "u1", block("b")),
    line("user", "u2", "a1", "c"),
    line("assistant", "a2", "u2", block("d")),
]


def test_lines_that_are_there_again_add_nothing():
    assert windows(BASE * 2) == windows(BASE) == [[["a"], ["a", "b", "c"]]]


def test_what_was_rewound_is_in_no_later_window():
    again = [line("user", "u3", "a1", "other"), line("assistant", "a3", "u3", block("e"))]
    later = [line("user", "u4", "a3", "f"), line("assistant", "a4", "u4", block("g"))]
    assert windows([*BASE, *again, *later]) == [
        [["a"], ["a", "b", "c"], ["a", "b", "other"], ["a", "b", "other", "e", "f"]]
    ]
    found = audit([*BASE, *again, *later], counter=words)
    assert [row["tokens"] for row in found.sessions[0]["rows"]] == [8, 18, 18, 28]
    assert [row["stable"] for row in found.sessions[0]["rows"]] == [0, 8, 13, 18]


def test_who_goes_back_to_an_abandoned_branch_has_its_history_again():
    other = [line("user", "u3", "a1", "other"), line("assistant", "a3", "u3", block("e"))]
    back = [line("user", "u5", "a2", "f"), line("assistant", "a5", "u5", block("g"))]
    assert windows([*BASE, *other, *back])[0][-1] == ["a", "b", "c", "d", "f"]


def test_the_first_question_may_be_asked_anew():
    again = [line("user", "u9", None, "z"), line("assistant", "a9", "u9", block("y"))]
    assert windows([*BASE, *again]) == [[["a"], ["a", "b", "c"], ["z"]]]


def test_a_fork_is_sent_what_it_copied_and_calls_what_is_its_own():
    copies = [{**record, "sessionId": "t"} for record in BASE[:2]]
    own = [
        line("user", "u3", "a1", "x", session="t"),
        line("assistant", "a3", "u3", block("y"), session="t"),
    ]
    assert windows([*BASE, *copies, *own]) == [[["a"], ["a", "b", "c"]], [["a", "b", "x"]]]
    assert audit([*BASE, *copies, *own]).totals["calls"] == 3


def test_a_session_that_is_resumed_without_a_copy_has_the_history_that_it_names():
    own = [
        line("user", "u3", "a2", "x", session="t"),
        line("assistant", "a3", "u3", block("y"), session="t"),
    ]
    assert windows([*BASE, *own])[1] == [["a", "b", "c", "d", "x"]]


def test_blocks_of_one_answer_and_results_between_them_are_one_call():
    calls = [{"type": "tool_use", "id": f"t{i}", "name": "f", "input": {}} for i in range(2)]
    results = [
        {"type": "tool_result", "tool_use_id": f"t{i}", "content": f"r{i}"} for i in range(2)
    ]
    records = [
        line("user", "u1", None, "a"),
        line("assistant", "b1", "u1", [calls[0]], name="m1"),
        line("user", "r1", "b1", [results[0]]),
        # The second call names the first as the line before it, not its result.
        line("assistant", "b2", "b1", [calls[1]], name="m1"),
        line("user", "r2", "b2", [results[1]]),
        line("assistant", "a2", "r1", block("done"), name="m2"),
    ]
    assert windows(records) == [[["a"], ["a", "t0+t1", "r0", "r1"]]]
    assert audit(records).findings == []


def test_a_stream_that_is_logged_as_it_grows_is_one_answer():
    grown = [block("He"), block("Hello."), [*block("Hello."), *block("And more.")]]
    records = [line("user", "u1", None, "a")]
    for i, content in enumerate(grown):
        records.append(line("assistant", f"b{i}", f"b{i - 1}" if i else "u1", content, name="m1"))
    (found,) = conversations(records)
    (call,) = found.exchanges
    assert texts(call.answer) == ["Hello.+And more."]
    assert records[1]["message"]["content"] == block("He")  # the caller's records stay as they are


def test_a_compaction_has_what_left_and_its_summary():
    boundary = {"type": "system", "subtype": "compact_boundary", "uuid": "c", "parentUuid": None}
    boundary |= {"logicalParentUuid": "a2", "sessionId": "s"}
    records = [
        *BASE,
        boundary,
        line("user", "u5", "c", "in short", isCompactSummary=True),
        line("user", "u6", "u5", "go on"),
        line("assistant", "a6", "u6", block("e")),
    ]
    (found,) = conversations(records)
    (restart,) = found.restarts
    assert texts(restart.left) == ["a", "b", "c", "d"] and restart.index == 2
    assert restart.summary == say("user", "in short")
    assert texts(found.exchanges[2].messages) == ["in short", "go on"]
    assert found.exchanges[2].added == 0


def test_agents_that_take_turns_in_one_file_are_conversations_of_their_own():
    def agents(number):
        side = {"isSidechain": True}
        return [
            line("user", f"u{number}", None, f"task {number}", **side),
            line("assistant", f"a{number}", f"u{number}", block(f"look {number}"), **side),
            line("user", f"v{number}", f"a{number}", f"more {number}", **side),
            line("assistant", f"b{number}", f"v{number}", block(f"done {number}"), **side),
        ]

    turns = [record for pair in zip(agents(1), agents(2), strict=True) for record in pair]
    assert windows(turns) == [
        [[f"task {n}"], [f"task {n}", f"look {n}", f"more {n}"]] for n in (1, 2)
    ]


def test_an_answer_that_the_program_wrote_itself_is_no_call():
    failed = line("assistant", "a3", "a2", block("API Error"))
    failed["message"]["model"] = "<synthetic>"
    more = [line("user", "u4", "a3", "f"), line("assistant", "a4", "u4", block("g"))]
    assert windows([*BASE, failed, *more])[0][-1] == ["a", "b", "c", "d", "f"]


def test_sessions_that_are_idle_longest_are_released_first():
    names = [f"s{i}" for i in range(40)]
    records = []
    for name in names:
        records.append(line("user", f"u{name}", None, "word " * 400, session=name))
        records.append(line("assistant", f"a{name}", f"u{name}", block("b"), session=name))
    found = list(conversations(records, kept=100_000))
    assert [one.session for one in found] == names
    assert all(len(one.exchanges) == 1 for one in found)


# Hostile records ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_no_record_stops_the_reader(seed, tmp_path, capsys):
    rng = random.Random(seed)
    records = [
        record
        for number, write in enumerate(recorded.WRITERS.values())
        for record in json.loads(json.dumps(write(recorded.chat(seed * 50 + number, turns=3))))
    ]
    broken = [{"data": [damaged(one, rng)], "meta": {}} for one in records for _ in range(3)]
    rng.shuffle(broken)
    for one in conversations(broken):
        for call in one.exchanges:
            assert 0 <= call.added <= call.until == len(call.messages)
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(map(json.dumps, broken)))
    assert main(["replay", str(path), "--policy", "auto", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] > 0
    assert main(["dedup", str(path)]) in (0, 1, 2)


ODD = [None, True, -1, 1.5, float("nan"), 2**70, "", "[1]", "\ud800", [], [[]], {}, {"type": ["x"]}]


def damaged(value, rng):
    """Return a record with some of its values gone and others in place of some."""
    if rng.random() < 0.03:
        return rng.choice(ODD)
    if isinstance(value, dict):
        return {key: damaged(one, rng) for key, one in value.items() if rng.random() > 0.02}
    return [damaged(one, rng) for one in value] if isinstance(value, list) else value

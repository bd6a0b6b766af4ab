"""What the live page keeps of the traffic, alone and with several workers."""

from __future__ import annotations

import json
import shutil
import threading

import pytest
from gateway_pages import HOSTILE, Clock, app_of, asked, facts

from ctxmem import PRICES, audit
from ctxmem.chat.counting import Meter
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.manage.knowing import Reader
from ctxmem.gateway.observe import audits
from ctxmem.gateway.observe.audits import ExchangeLog, LastAudit
from ctxmem.gateway.observe.contents import Contents
from ctxmem.gateway.page import traffic as traffic_module
from ctxmem.gateway.page.traffic import CONVERSATIONS, DRAWN, REQUESTS, ROW, Traffic
from ctxmem.gateway.wire import wire_of
from ctxmem.memory.receipts import Receipt
from ctxmem.traces.events import Usage

# What is kept -------------------------------------------------------------------------------------


def test_a_request_is_summed_up_by_part_and_by_conversation():
    traffic = Traffic(clock=Clock())
    traffic.note(facts())
    traffic.note(facts(tokens={"system": 100, "images": 7, "no such part": 3}))
    state = traffic.state()
    assert state["sums"]["requests"] == 2
    assert state["sums"]["tokens"] == 400 + 110
    [talk] = state["conversations"]
    assert (talk["model"], talk["mode"], talk["sums"]["requests"]) == (
        "claude-sonnet-5",
        "manage",
        2,
    )
    seen = traffic.conversation(talk["id"])
    first, last = (dict(zip(ROW, row, strict=True)) for row in seen["rows"])
    assert dict(zip(DRAWN, first["parts"], strict=True)) == {
        "system": 100,
        "tools": 200,
        "history": 0,
        "user": 50,
        "assistant": 50,  # calls and thoughts
        "tool_results": 0,
        "recalled": 0,
        "media": 0,
        "overhead": 0,
    }
    assert last["parts"][DRAWN.index("media")] == 7
    assert last["parts"][DRAWN.index("overhead")] == 3
    assert (first["input"], first["cached"]) == (400, 300)


def test_what_the_provider_saved_and_what_we_saved_are_apart():
    # 1,000 tokens without a cache; the client's own marks bring that to 400, ctxmem to 300.
    traffic = Traffic()
    traffic.note(facts(bill_uncached=1000.0, bill_through=400.0, bill_sent=300.0))
    # The provider alone.
    traffic.note(facts(bill_uncached=1000.0, bill_through=400.0, bill_sent=400.0))
    # A write to the cache, which costs more than it saves at first.
    traffic.note(facts(bill_uncached=1000.0, bill_through=1250.0, bill_sent=1250.0))
    sums = traffic.state()["sums"]
    assert sums["whole"] == 3000
    assert sums["provider"] == 600 + 600 - 250
    assert sums["ours"] == 100
    assert sums["sent"] == 1950
    assert sums["whole"] == sums["provider"] + sums["ours"] + sums["sent"]
    assert (sums["by_provider"], sums["by_us"], sums["by_nobody"]) == (2, 1, 1)


def test_without_prices_no_saving_is_claimed():
    traffic = Traffic()
    traffic.note(facts(bill_sent=None, bill_through=400.0))
    traffic.note(facts(bill_sent=float("nan"), bill_through=float("inf")))
    sums = traffic.state()["sums"]
    assert "priced" not in sums and "ours" not in sums and "provider" not in sums
    assert sums["billed"] == 2


def test_edits_recalls_and_findings_are_kept_without_text():
    receipt = Receipt(0, "pays", ("p0",), (3, 4), 900, "ab", ("Never use floats.",), 120.0, 400.0)
    finding = {"kind": "orphan_result", "refused": True, "advice": "SECRET detail"}
    waste = {"kind": "duplicate_message", "refused": False, "advice": "SECRET detail"}
    traffic = Traffic()
    traffic.note(
        facts(
            edit=True,
            edit_reason="pays",
            receipts=[receipt],
            recall_calls=2,
            repeated_reads=1,
            findings=[waste, waste, finding],
            question="SECRET question",
        )
    )
    traffic.note(facts(findings=[]))
    state = traffic.state()
    [kept] = state["receipts"]
    assert (kept["reason"], kept["messages"], kept["tokens"]) == ("pays", 2, 900)
    assert (kept["cost"], kept["saved"], kept["binding"]) == (120.0, 400.0, 1)
    assert state["checks"]["exchanges"] == 2
    assert [(one["kind"], one["requests"]) for one in state["checks"]["findings"]] == [
        ("orphan_result", 1),  # what is refused comes first
        ("duplicate_message", 1),
    ]
    assert state["sums"]["recall_calls"] == 2 and state["sums"]["repeated_reads"] == 1
    assert "SECRET" not in json.dumps(state)
    assert "Never" not in json.dumps(state)


def test_what_observe_sees_is_priced_by_the_usage_that_the_provider_reports():
    rows = {"gpt-5": PRICES["openai"], "claude-sonnet-5": PRICES["anthropic"]}
    traffic = Traffic(prices=lambda wire, model: rows.get(model))
    usage = {"input": 1000, "cached": 600, "written": 100, "output": 9}
    traffic.note(facts(mode="observe", usage=usage))
    sums = traffic.state()["sums"]
    # 300 plain, 600 read at a tenth, 100 written at 1.25
    assert sums["sent"] == sums["through"] == 300 + 60 + 125
    assert sums["whole"] == 1000 and sums["provider"] == 515 and "ours" not in sums
    for other in ({"model": "unknown"}, {"usage": None}, {"mode": "manage"}):
        traffic.note(facts(**{"mode": "observe", "usage": usage, **other}))
    assert traffic.state()["sums"]["priced"] == 1


def test_the_audit_is_made_in_the_background_and_not_too_often():
    clock, made = Clock(), []

    def run():
        made.append(1)
        hit = {"text": "SECRET passage that is paid for twice in the same request."}
        return audit([{"query": "q", "hits": [hit, hit]}], counter=lambda text: len(text.split()))

    last = LastAudit(run, clock=clock)
    assert last.get(0) is None and not made  # nothing to audit
    assert last.get(5) is None
    last.wait()
    found = last.get(5)
    assert (found["findings"][0]["kind"], found["exchanges"]) == ("repeat_in_request", 1)
    assert found["findings"][0]["advice"] and found["findings"][0]["fix"]
    assert "SECRET" not in json.dumps(found)
    last.get(9)
    last.wait()
    assert len(made) == 1  # not yet
    clock.now += 1000
    last.get(5)
    last.wait()
    assert len(made) == 1  # nothing new
    last.get(9)
    last.wait()
    assert len(made) == 2
    shown = LastAudit(run, show_text=True)
    shown.get(1)
    shown.wait()
    assert "SECRET" in json.dumps(shown.get(1))


def test_an_audit_that_fails_leaves_the_page_as_it_is():
    last = LastAudit(lambda: 1 / 0)
    last.get(1)
    last.wait()
    assert last.get(1) is None


def test_the_first_words_of_a_question_are_kept_only_on_request():
    shown = Traffic(show_text=True)
    for question in ("Why does\n it " + "fail " * 90, "and then?"):
        shown.note(facts(question=question))
    [talk] = shown.state()["conversations"]
    assert talk["title"].startswith("Why does it fail fail")
    assert len(talk["title"]) <= 80


def test_reasons_faults_and_errors_are_counted():
    traffic = Traffic()
    for _ in range(3):
        traffic.note(facts(passed_through="refused"))
    traffic.note(facts(fault="prepare", status=529))
    counts = traffic.state()["counts"]
    assert counts["passed"] == {"refused": 3}
    assert counts["faults"] == {"prepare": 1}
    assert counts["errors"] == {"529": 1}


def test_memory_is_bounded_and_what_is_older_is_in_the_sums(tmp_path, monkeypatch):
    monkeypatch.setattr(Traffic, "_write_soon", lambda self: None)
    traffic = Traffic(folder=tmp_path)
    for number in range(CONVERSATIONS + 50):
        traffic.note(facts(f"c{number}", model=f"m{number}", passed_through=f"r{number}"))
    for _ in range(REQUESTS + 30):
        traffic.note(facts("long"))
    state = traffic.state()
    total = CONVERSATIONS + 50 + REQUESTS + 30
    assert state["sums"]["requests"] == total
    assert len(state["conversations"]) == CONVERSATIONS
    assert state["older_requests"] == 51  # 50 conversations, and one for "long"
    newest = state["conversations"][0]
    assert newest["sums"]["requests"] == REQUESTS + 30
    assert len(traffic.conversation(newest["id"])["rows"]) == REQUESTS
    traffic.write()  # all that is held
    files = {path.name: json.loads(path.read_text()) for path in tmp_path.glob("*/*.json")}
    assert len(files.pop("all.json")["conversations"]) == len(files) == CONVERSATIONS
    assert max(len(file["rows"]) for file in files.values()) == REQUESTS
    assert len(state["counts"]["models"]) <= 41  # and "other"
    assert sum(state["counts"]["passed"].values()) == CONVERSATIONS + 50


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"tokens": 12, "usage": None, "model": None, "conversation": None},
        {"tokens": {"system": "many", "user": -1}, "status": "ok", "seconds_added": True},
        {
            "usage": {"input": float("inf")},
            "mode": "observe",
            "receipts": [None, 3],
            "findings": [None, {}],
        },
        {"model": HOSTILE, "passed_through": True, "fault": object(), "findings": 7},
    ],
)
def test_facts_of_any_kind_are_taken(odd):
    traffic = Traffic(show_text=True)
    traffic.note(odd)
    assert traffic.state()["sums"]["requests"] == 1
    json.dumps(traffic.state(), allow_nan=False).encode("utf-8")


def test_threads_may_note_at_the_same_time():
    traffic = Traffic()

    def many(name):
        for _ in range(200):
            traffic.note(facts(name))
            traffic.state()

    threads = [threading.Thread(target=many, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert traffic.state()["sums"]["requests"] == 800


# What messages are --------------------------------------------------------------------------------


def call(id, path):
    use = {"type": "tool_use", "id": id, "name": "read", "input": {"path": path}}
    return {"role": "assistant", "content": [use]}


def result(id, text="the text of a file"):
    block = {"type": "tool_result", "tool_use_id": id, "content": text}
    return {"role": "user", "content": [block]}


def read(messages):
    """Return messages as the stage of a mode has read them."""
    meter = Meter("o200k_base", "anthropic")
    reader = Reader(b"k" * 32)
    return [(reader.of(one, meter, "m"), one) for one in messages], meter


def test_the_tokens_of_a_window_are_split_by_part_and_add_up():
    mixed = {
        "role": "assistant",
        "content": [{"type": "text", "text": "I read it."}, call("b", "y")["content"][0]],
    }
    messages = [{"role": "user", "content": "Why?"}, call("a", "x"), result("a"), mixed]
    known, meter = read(messages)
    parts = Contents().parts(known, meter, "m", put_in={0})
    assert sum(parts.values()) == sum(one.tokens for one, _ in known)
    assert parts["recalled"] == known[0][0].tokens  # put in by us, whoever is said to speak
    assert parts["tool_results"] == known[2][0].tokens
    assert parts["tool_calls"] > known[1][0].tokens and parts["assistant"] > 0


def test_a_call_that_asks_again_for_what_had_left_is_a_repeated_read():
    first = [{"role": "user", "content": "Why?"}, call("a", "x"), result("a"), call("b", "y")]
    again = [*first, result("b"), call("c", "x"), result("c")]
    known, meter = read(again)
    contents = Contents()
    assert contents.repeated_reads(known, meter, "m", shown={0, 3, 4, 5, 6}) == 1
    assert contents.repeated_reads(known, meter, "m", shown=set(range(7))) == 0  # it is there still
    other = [*again[:5], call("c", "z"), result("c")]
    assert contents.repeated_reads(read(other)[0], meter, "m", shown={0}) == 0
    later = [*again, {"role": "assistant", "content": "Done."}, {"role": "user", "content": "And?"}]
    assert contents.repeated_reads(read(later)[0], meter, "m", shown={0}) == 0  # counted before
    assert contents.repeated_reads([], meter, "m", shown=()) == 0


def test_requests_are_held_for_the_audit_in_bounded_memory(monkeypatch):
    monkeypatch.setattr(audits, "_MOST_LOGGED", 3)
    log, chat = ExchangeLog(), wire_of("POST", "/v1/chat/completions")
    for number in range(5):
        text = f"question {number} " * 30
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        exchange = Exchange(chat, "t", number, original=[json.dumps(body).encode()])
        assert exchange.read().model == "m"
        exchange.facts = {"conversation": "c", "usage": Usage(input=9, output=1)}
        log.add(exchange)
    log.add(Exchange(chat, "t", 9, original=[b'{"model": "m", "mess']))  # it cannot be read
    assert log.audit().totals["calls"] == 3


# Several workers ----------------------------------------------------------------------------------


def test_workers_are_merged_whichever_is_asked(tmp_path):
    clock = Clock()
    one, two = (Traffic(folder=tmp_path, clock=clock) for _ in range(2))
    one.note(facts("shared", bill_sent=1.0, bill_through=2.0, passed_through="refused"))
    two.note(facts("shared", model="gpt-5", edit=True, edit_reason="full"))
    two.note(facts("other", passed_through="refused"))
    for worker in (one, two):
        worker.write()
    for worker in (one, two):
        state = worker.state()
        assert state["workers"] == 2
        assert state["sums"]["requests"] == 3
        assert state["counts"]["passed"] == {"refused": 2}
        assert [r["reason"] for r in state["receipts"]] == ["full"]
        other, shared = state["conversations"]
        assert (other["sums"]["requests"], shared["sums"]["requests"]) == (1, 2)
        assert shared["model"] == "gpt-5"  # of the newer one
        rows = worker.conversation(shared["id"])["rows"]
        assert [row[0] for row in rows] == sorted(row[0] for row in rows) and len(rows) == 2


def test_a_file_that_is_damaged_or_gone_is_left_out(tmp_path):
    one, two = (Traffic(folder=tmp_path) for _ in range(2))
    two.note(facts())
    two.write()
    [file] = [path for path in tmp_path.glob("*/all.json")]
    file.write_text('{"sums": ')
    assert one.state()["sums"] == {}
    shutil.rmtree(tmp_path)
    two.note(facts())
    two.write()  # cannot
    assert two.state()["sums"]["requests"] == 2


def test_what_is_new_is_written_within_a_second_and_not_more_often(tmp_path, monkeypatch):
    timers = []

    class Timer:
        def __init__(self, seconds, call):
            timers.append((seconds, call))

        def start(self):
            pass

    monkeypatch.setattr(traffic_module.threading, "Timer", Timer)
    one, two = (Traffic(folder=tmp_path) for _ in range(2))
    for _ in range(5):
        one.note(facts())
    assert [seconds for seconds, _ in timers] == [1.0]
    timers[0][1]()
    assert two.state()["sums"]["requests"] == 5
    one.note(facts())
    assert len(timers) == 2


def test_the_id_of_a_conversation_never_becomes_a_path(tmp_path):
    folder = tmp_path / "shared"
    traffic = Traffic(folder=folder)
    head = {"id": "x", "sums": {}, "first": 0, "last": 0, "title": ""}
    (folder / "secret.json").write_text(json.dumps({"head": head, "rows": []}))
    for id in ("../secret", "..%2fsecret", "*", "", "secret", "A" * 12, "0" * 12 + "\n"):
        assert traffic.conversation(id) is None
    assert asked(app_of(traffic), "/ctxmem/conversations/..%2f..%2fsecret.json").status_code == 404

"""The live page: what it keeps and says, and how a browser is kept from anything else."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import httpx
import pytest
import uvicorn

from ctxmem import PRICES, audit
from ctxmem.chat.counting import Meter
from ctxmem.gateway.app import create_app
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.manage.conversations import Reader
from ctxmem.gateway.observe import audits
from ctxmem.gateway.observe.audits import ExchangeLog, LastAudit
from ctxmem.gateway.observe.contents import Contents
from ctxmem.gateway.page import traffic as traffic_module
from ctxmem.gateway.page.routes import document_and_policy, page_routes
from ctxmem.gateway.page.traffic import CONVERSATIONS, DRAWN, REQUESTS, ROW, Traffic
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import wire_of
from ctxmem.memory.receipts import Receipt
from ctxmem.traces.events import Usage

HOSTILE = "</script><img src=http://leak.example/x onerror=\"document.title='run'\">&'\x00\ud83d"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
browser = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def facts(conversation="a", **more):
    return {
        "wire": "anthropic",
        "mode": "manage",
        "model": "claude-sonnet-5",
        "status": 200,
        "seconds_added": 0.002,
        "tokens": {"system": 100, "tools": 200, "user": 50, "tool_calls": 20, "thoughts": 30},
        "usage": Usage(input=400, output=20, cached=300),
        "conversation": conversation,
        **more,
    }


def settings(**more):
    return Settings(upstreams={"": "http://127.0.0.1:9"}, store=":memory:", **more)


def asked(app, path, method="GET", **headers):
    """Return the app's answer to a request from this machine."""
    host = headers.pop("host", "127.0.0.1:8787")

    async def ask():
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1:8787"
        ) as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, headers={"host": host, **named})

    import asyncio

    return asyncio.run(ask())


def app_of(traffic, **more):
    options = settings(**more)
    return create_app(options, routes=page_routes(options, traffic))


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


# What is answered ---------------------------------------------------------------------------------


def test_the_state_is_answered_once_and_then_only_when_it_has_changed():
    traffic = Traffic(clock=Clock())
    app = app_of(traffic)
    first = asked(app, "/ctxmem/state.json")
    assert first.status_code == 200 and first.json()["about"]["mode"] == "observe"
    again = f"/ctxmem/state.json?have={first.json()['version']}"
    assert asked(app, again).status_code == 204
    traffic.note(facts())
    assert asked(app, again).json()["sums"]["requests"] == 1
    [talk] = traffic.state()["conversations"]
    detail = asked(app, f"/ctxmem/conversations/{talk['id']}.json").json()
    assert detail["columns"] == list(ROW) and len(detail["rows"]) == 1


@pytest.mark.parametrize("path", ["/ctxmem/", "/ctxmem/state.json", "/ctxmem/nothing", "/ctxmem"])
def test_every_answer_has_the_headers_that_keep_a_browser_from_more(path):
    headers = asked(app_of(Traffic()), path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    if path != "/ctxmem":
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed_through_the_page(method):
    app = app_of(Traffic())
    for path in ("/ctxmem/", "/ctxmem/state.json", "/ctxmem/conversations/0123456789ab.json"):
        assert asked(app, path, method).status_code == 405


def test_the_page_and_its_data_are_behind_the_gateways_door():
    app = app_of(Traffic(), host="0.0.0.0", token="right")
    for path in ("/ctxmem/", "/ctxmem/state.json"):
        assert asked(app, path).status_code == 401
        assert asked(app, path, x_ctxmem_token="wrong").status_code == 401
        assert asked(app, path, x_ctxmem_token="right").status_code == 200
    local = app_of(Traffic())
    assert asked(local, "/ctxmem/", host="evil.example").status_code == 403
    assert asked(local, "/ctxmem/state.json", sec_fetch_site="cross-site").status_code == 403


def test_the_policy_lets_our_style_and_script_run_and_nothing_else():
    document, policy = document_and_policy()
    assert "unsafe" not in policy and "http" not in policy
    assert policy.count("'sha256-") == 2
    assert document.count("<script") == document.count("<style") == 1
    assert not re.search(r"\son\w+=|\sstyle=|javascript:|https?://", document.split("<style>")[0])
    body = document[document.index("<body>") : document.index("<script>")]
    assert not re.search(r"\son\w+=|\sstyle=|https?://", body)
    script = document[document.index("<script>") :]
    for written in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert written not in script


def test_everything_in_the_page_has_a_name():
    document, _ = document_and_policy()
    ids = set(re.findall(r'\sid="([^"]+)"', document))
    for labelled in re.findall(r'(?:aria-labelledby|for)="([^"]+)"', document):
        assert labelled in ids
    for section in re.findall(r"<section[^>]*>", document):
        assert "aria-labelledby" in section
    assert document.count("<h1") == document.count("<main") == 1


# Colours ------------------------------------------------------------------------------------------

_MIXED = {  # how people see who lack one kind of cone (Machado, Oliveira, Fernandes 2009)
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear(colour):
    digits = colour.lstrip("#")
    digits = "".join(2 * c for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def contrast(a, b):
    light, dark = sorted(
        (sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) + 0.05
         for c in (a, b)),
        reverse=True,
    )  # fmt: skip
    return light / dark


def lab(parts):
    r, g, b = parts
    x, y, z = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883,
    )
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.fixture(params=["light", "dark"])
def colours(request):
    style = document_and_policy()[0]
    blocks = re.findall(r":root\{([^}]*)\}", style)
    assert len(blocks) == 2
    found = {}
    for block in blocks[: 1 + (request.param == "dark")]:
        found.update(re.findall(r"--(\w+):(#\w+)", block))
    return found


def test_text_has_contrast(colours):
    for ground in ("page", "card", "pale"):
        for ink in ("ink", "soft", "good", "bad"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def test_parts_are_told_apart_whatever_colours_a_person_sees(colours):
    drawn = {name: linear(colours[name]) for name in DRAWN}
    for name in DRAWN:
        assert contrast(colours[name], colours["card"]) >= 3, name
    for kind, rows in _MIXED.items():
        seen = {
            name: lab(
                [
                    min(1, max(0, sum(m * p for m, p in zip(row, parts, strict=True))))
                    for row in rows
                ]
            )
            for name, parts in drawn.items()
        }
        for a, b in itertools.combinations(DRAWN, 2):
            apart = sum((x - y) ** 2 for x, y in zip(seen[a], seen[b], strict=True)) ** 0.5
            assert apart >= 15, (kind, a, b)


# In a browser -------------------------------------------------------------------------------------


class Served:
    """A gateway in a thread, at an address that a browser can open."""

    def __init__(self, app) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        self._thread = threading.Thread(target=self._server.run, args=([self._listening],))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join()
        self._listening.close()


def hostile_traffic():
    traffic = Traffic(show_text=True)
    for number in range(40):
        traffic.note(
            facts(
                f"{HOSTILE}{number % 3}",
                model=HOSTILE,
                question=HOSTILE * 3,
                passed_through=HOSTILE,
                fault=HOSTILE if number % 9 == 0 else "",
                edit=True,
                edit_reason=HOSTILE,
                budget=500,
                bill_sent=100.0 + number,
                bill_through=120.0 + number,
                bill_uncached=400.0,
                recall_calls=1,
                findings=[{"kind": HOSTILE, "refused": True, "advice": HOSTILE}],
            )
        )
    return traffic


def visit(address, tmp_path, *flags):
    """Return the document after the page has run, and what the console and the network said."""
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--no-first-run", "--enable-logging=stderr",
         f"--log-net-log={tmp_path / 'net.json'}", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=4000", *flags, "--dump-dom", address],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    log = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return done.stdout, log


@pytest.mark.slow
@browser
def test_hostile_texts_are_inert_in_a_browser(tmp_path):
    with Served(app_of(hostile_traffic(), show_text=True, mode="manage")) as served:
        document, console = visit(f"{served.address}/ctxmem/", tmp_path)
    assert "<title>ctxmem gateway</title>" in document
    assert "&lt;/script&gt;&lt;img src=http://leak.example" in document
    assert "<img" not in document
    assert console == ""
    network = (tmp_path / "net.json").read_text(encoding="utf-8", errors="replace")
    assert len(network) > 1000 and "leak.example" not in network
    assert "favicon" not in network  # it would be asked of the provider


HARNESS = """
(async () => {
const pause = seconds => new Promise(done => setTimeout(done, 1000 * seconds));
while (!document.querySelector('#strip svg')) await pause(0.05);
const out = [], $ = id => document.getElementById(id);
out.push(document.documentElement.scrollWidth <= innerWidth);
const press = key => $('strip').dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
press('Home');
out.push($('readout').textContent.slice(0, 14));
press('ArrowRight');
out.push($('strip').getAttribute('aria-valuenow'), $('strip').getAttribute('aria-valuemax'));
const rows = Array.from(document.querySelectorAll('#talks tbody tr'));
const button = rows[rows.length - 1].querySelector('button'), key = button.dataset.key;
button.focus();
button.click();
while (!$('said').textContent.startsWith(key)) await pause(0.05);
out.push(document.activeElement.dataset.key === key);
out.push(document.querySelectorAll('#talks tr.at').length);
$('pause').click();
out.push($('pause').getAttribute('aria-pressed'), $('live').textContent);
out.push(Array.from(document.querySelectorAll('th')).every(head => head.scope));
out.push(Array.from(document.querySelectorAll('table')).every(one => one.caption.textContent));
document.body.dataset.result = JSON.stringify(out);
})();
"""


@pytest.mark.slow
@browser
@pytest.mark.parametrize("width", [400, 900, 1440])
def test_the_page_works_by_keyboard_at_every_width(tmp_path, monkeypatch, width):
    # The policy lets no script of a test run, so the page that is driven has another one.
    document, policy = document_and_policy()
    driven = document.replace("</body>", f"<script>{HARNESS}</script></body>")
    monkeypatch.setattr(
        "ctxmem.gateway.page.routes.document_and_policy",
        lambda: (driven, re.sub("script-src '[^']*'", "script-src 'unsafe-inline'", policy)),
    )
    with Served(app_of(hostile_traffic(), show_text=True, mode="manage")) as served:
        shown, console = visit(f"{served.address}/ctxmem/", tmp_path, f"--window-size={width},900")
    found = re.search(r'data-result="([^"]*)"', shown)
    assert found, console
    assert json.loads(found[1].replace("&quot;", '"')) == [
        *(True, "request 1 of 1", "2", "14"),
        *(True, 1, "true", "paused", True, True),
    ]


@pytest.mark.slow
@browser
def test_the_empty_page_says_how_to_point_a_client_here(tmp_path):
    with Served(app_of(Traffic())) as served:
        document, console = visit(f"{served.address}/ctxmem/", tmp_path)
        assert f'OpenAI(base_url="{served.address}/v1")' in document
        assert f"ANTHROPIC_BASE_URL={served.address} claude" in document
        assert 'wire_api = "responses"' in document
    assert re.search(r'<section id="empty" class="card" aria-labelledby', document)
    assert console == ""


def test_the_assets_are_in_the_package():
    project = Path(__file__).parents[1] / "pyproject.toml"
    assert '"gateway/page/assets/*"' in project.read_text(encoding="utf-8")

"""What observe reads of growing conversations and when; what guard leaves as it was written."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from gateways import CHAT, Request, Upstream, raw, request, running, status_of, until

import ctxmem
from ctxmem.gateway.backlog import Backlog
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.manage.managing import Manage
from ctxmem.gateway.observe import observing
from ctxmem.gateway.observe.guarding import Guard
from ctxmem.gateway.observe.observing import Observe
from ctxmem.gateway.observe.readings import Readings, marks_of
from ctxmem.gateway.serving import application
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.store_watch import BUSY, GONE, StoreWatch
from ctxmem.gateway.wire import wire_of

PATHS = {"chat": "/v1/chat/completions", "anthropic": "/v1/messages", "responses": "/v1/responses"}


def settings(**options: Any) -> Settings:
    return Settings(upstreams={"": "http://127.0.0.1:1"}, store=":memory:", **options)


def exchange(data: bytes, wire: str = "chat", tenant: str = "one") -> Exchange:
    made = wire_of("POST", PATHS[wire])
    assert made is not None
    return Exchange(made, tenant, 1, original=[data[:100], data[100:]])


def body(wire: str, messages: list[Any], **more: Any) -> bytes:
    of: dict[str, Any] = {"model": "gpt-4o", **more}
    of["input" if wire == "responses" else "messages"] = messages
    if wire == "anthropic":
        of["system"] = "Be brief."
    return json.dumps(of).encode()


# Readings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", PATHS)
@pytest.mark.parametrize("seed", range(4))
def test_facts_are_the_same_whether_a_beginning_was_read_before_or_not(
    wire: str, seed: int
) -> None:
    draw, stage = random.Random(seed), Observe(settings())
    texts = ["How are you?", "word " * 200, "ä" * 300, "\n\n".join(["a paragraph " * 20] * 2)]
    history: list[Any] = []
    shared = 0
    for _ in range(40):
        change = draw.random()
        if change < 0.1 and history:
            del history[draw.randrange(len(history)) :]  # the user went back
        elif change < 0.2 and history:
            history[-1] = {"role": "user", "content": "edited"}
        for role in ("user", "assistant")[: draw.randint(1, 2)]:
            text = draw.choice(texts)
            content: Any = text if draw.random() < 0.5 else [{"type": "text", "text": text}]
            if wire == "anthropic" and isinstance(content, list) and draw.random() < 0.3:
                content[0]["cache_control"] = {"type": "ephemeral"}
            history.append({"role": role, "content": content})
        data = body(wire, history, temperature=draw.choice((0, 1)))
        known, alone = exchange(data, wire), exchange(data, wire)
        stage.finish(known, 200, None)
        fresh = Observe(settings())
        fresh.finish(alone, 200, None)
        shared += known.notes["reading"].shared
        for name in ("tokens", "messages", "findings", "model"):
            assert known.facts[name] == alone.facts[name]
        assert known.notes["reading"].marks == alone.notes["reading"].marks
        assert known.asked == alone.asked
    assert shared > 100  # else nothing was tested


def test_tenants_share_no_readings_and_their_bytes_are_bounded() -> None:
    readings = Readings(most_bytes=10_000)
    first = body("chat", [{"role": "user", "content": "x" * 1000}])
    assert readings.read(exchange(first)).shared == 0
    assert readings.read(exchange(first)).shared == 1
    assert readings.read(exchange(first, tenant="two")).shared == 0
    for number in range(100):
        readings.read(exchange(body("chat", [{"role": "user", "content": f"{number}" * 500}])))
    assert 0 < readings.bytes <= 10_000
    assert len(readings) < 20


def test_what_tells_messages_apart_is_short_whatever_they_are() -> None:
    deep: Any = "x" * 10_000
    for _ in range(2_100):  # deeper than marshal goes
        deep = [deep]
    with pytest.raises(RecursionError):
        marks_of([{"role": "user", "content": deep}])  # the request is not looked into
    assert [16] == [len(one) for one in marks_of([{"role": "user", "content": object()}])]


def test_messages_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "_MOST_MARKS", 100)
    stage = Observe(settings())
    for number in range(30):
        chat = [{"role": "user", "content": f"{number}.{i}"} for i in range(20)]
        stage.finish(exchange(body("chat", chat)), 200, None)
        held = [len(one.marks) for chats in stage._families.values() for one in chats]
        assert stage._marks == sum(held) <= 100
        assert stage.conversations == len(held)


# The backlog --------------------------------------------------------------------------------------


def test_work_waits_until_nothing_passes_through() -> None:
    backlog, done = Backlog(100, 10, quiet=0.2), threading.Event()
    backlog.busy_at = backlog._due = time.perf_counter() + 3600
    assert backlog.add(done.set)
    assert not done.wait(0.05)
    backlog.busy_at = 0.0
    assert done.wait(10)
    backlog.close()
    assert not backlog.add(done.set)


def test_work_has_its_share_where_something_passes_through_all_the_time() -> None:
    backlog, done = Backlog(100, 10), threading.Event()
    backlog.busy_at = time.perf_counter() + 3600
    backlog.add(done.set)
    assert done.wait(10)
    backlog.close()


def test_work_that_fails_is_logged_and_the_next_is_done(caplog: pytest.LogCaptureFixture) -> None:
    backlog, done = Backlog(100, 10, quiet=0.0), threading.Event()

    def fails() -> None:
        raise KeyError("a text of a client")

    backlog.add(fails, 90)
    backlog.add(done.set)
    assert done.wait(10)
    backlog.close()
    assert backlog.bytes == 0
    assert [one.getMessage() for one in caplog.records] == ["work after a reply failed: KeyError"]


def test_a_backlog_is_full_by_bytes_and_by_calls() -> None:
    backlog = Backlog(100, 3, quiet=0.0)
    assert not backlog.full(1000)  # one is always taken
    backlog.busy_at = backlog._due = time.perf_counter() + 3600
    backlog.add(lambda: None, 90)
    assert (backlog.full(10), backlog.full(11)) == (False, True)
    backlog.add(lambda: None)
    backlog.add(lambda: None)
    assert backlog.full(0)
    backlog.close()
    assert (len(backlog), backlog.bytes) == (0, 0)


def test_what_is_not_looked_into_is_counted_as_passed_through_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upstream = Upstream()
    monkeypatch.setattr("ctxmem.gateway.app._MOST_WAITING", 0)
    with running(upstream.url, stage=Observe) as gateway:
        assert status_of(raw(gateway.port, request(body=CHAT))) == 200
        assert gateway.facts()[0]["passed_through"] == "busy"
    upstream.close()


# Guard --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [
        '{"role": "user",  "content": "lone \\ud800 and \\u00e9"}',
        '{"content": "x", "role": "user", "n": [1e999, 1.0e2, 12345678901234567890.10]}',
    ],
)
def test_messages_that_stay_have_the_clients_bytes_when_others_are_trimmed(odd: str) -> None:
    chat = [json.dumps({"role": "user", "content": f"{i} " + "word " * 100}) for i in range(30)]
    data = f'{{ "big": 1e999, "messages": [ {", ".join([*chat, odd])} ], "model": "house"}}'
    made = exchange(data.encode())
    stage = Guard(settings(mode="guard", budget=1_000, counter="o200k_base"))
    sent = stage.prepare(made)
    assert sent is not None
    kept = made.facts["kept"]
    assert 1 < kept < 31
    messages = ",".join([*chat, odd][-kept:])
    assert sent.decode() == f'{{ "big": 1e999, "messages": [{messages}], "model": "house"}}'


# Metrics ------------------------------------------------------------------------------------------


def test_the_gauge_of_conversations_is_set() -> None:
    gateway = application(settings())
    stage = gateway.stage
    assert isinstance(stage, Observe) and gateway._note is not None
    made = exchange(body("chat", [{"role": "user", "content": "a"}]))
    stage.finish(made, 200, None)
    gateway._note(made.facts)
    [metrics] = [
        cell.cell_contents
        for cell in gateway._note.__closure__ or ()  # type: ignore[attr-defined]
        if type(cell.cell_contents).__name__ == "Metrics"
    ]
    assert b"\nctxmem_gateway_conversations 1.0\n" in metrics.render()[0]


def test_the_gauge_of_conversations_counts_those_that_are_managed() -> None:
    stage = Manage(settings(mode="manage", budget=1_000))
    for number in range(3):
        stage.prepare(exchange(body("chat", [{"role": "user", "content": f"{number}"}])))
    assert stage.conversations == 3
    stage.close()
    assert stage.conversations == 0


def test_the_folder_that_workers_share_metrics_in_is_removed() -> None:
    code = (
        "from ctxmem.gateway.telemetry.metrics import share_between_workers as share\n"
        "print(share(), flush=True)"
    )
    env = {name: value for name, value in os.environ.items() if "PROMETHEUS" not in name}
    made = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    folder = Path(made.stdout.strip())
    assert folder.name.startswith("ctxmem-metrics-")
    assert not folder.exists()


@pytest.mark.parametrize(
    "answer",
    [b"{", b"[]", b'{"choices":[{"message":{"tool_calls":7}}]}', b'{"choices":7}', b"\xff"],
)
def test_a_malformed_reply_is_the_upstreams_fault(answer: bytes) -> None:
    async def malformed(request: Request, writer: Any) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        writer.write(head + b"content-length: %d\r\n\r\n" % len(answer) + answer)

    upstream = Upstream(malformed)
    with running(upstream.url, stage=Observe) as gateway:
        assert raw(gateway.port, request(body=CHAT)).endswith(answer)
        facts = gateway.facts()[0]
    upstream.close()
    assert "fault" not in facts
    assert facts["reply_unreadable"] is True


# The store ----------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("how", ["removed", "replaced", "overwritten"])
def test_a_store_that_is_gone_is_noticed(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, clock = tmp_path / "g.db", Clock()
    ctxmem.stores.SqliteStore(path).close()
    watch = StoreWatch(str(path), clock)
    assert watch.problem() == ""
    if how == "removed":
        path.unlink()
    elif how == "replaced":
        ctxmem.stores.SqliteStore(tmp_path / "other.db").close()
        os.replace(tmp_path / "other.db", path)
    else:
        path.write_bytes(b"something else")
    assert watch.problem() == ""  # it is looked for twice a second
    clock.now += 1
    assert watch.problem() == GONE
    assert len(caplog.records) == 1
    clock.now += 100
    assert watch.problem() == GONE
    assert len(caplog.records) == 1


def test_a_store_that_does_not_answer_is_not_asked_for_a_while() -> None:
    clock = Clock()
    watch = StoreWatch(":memory:", clock)
    pauses = []
    for _ in range(6):
        watch.failed()
        began = clock.now
        while watch.problem() == BUSY:
            clock.now += 1
        pauses.append(clock.now - began)
    assert pauses == [5, 10, 20, 40, 60, 60]
    watch.worked()
    watch.failed()
    clock.now += 5
    assert watch.problem() == ""


def test_requests_pass_through_at_once_while_a_store_does_not_answer(tmp_path: Path) -> None:
    class Locked:
        calls = 0

        def prepare(self, exchange: Exchange) -> bytes | None:
            self.calls += 1
            raise ctxmem.StoreError("locked")

        def finish(self, exchange: Exchange, status: int, reply: Any) -> None:
            pass

    upstream, stage = Upstream(), Locked()
    store = str(tmp_path / "g.db")
    ctxmem.stores.SqliteStore(store).close()
    with running(upstream.url, stage=stage, mode="manage", store=store) as gateway:
        for _ in range(3):
            assert status_of(raw(gateway.port, request(body=CHAT))) == 200
        facts = gateway.facts(3)
        assert [one["passed_through"] for one in facts] == ["fault", BUSY, BUSY]
        os.unlink(store)
        gateway.gateway._store._looked_at = 0.0  # type: ignore[union-attr]
        assert status_of(raw(gateway.port, request(body=CHAT))) == 200
        until(lambda: len(gateway.noted) == 4)
        assert (gateway.noted[3]["passed_through"], gateway.noted[3]["fault"]) == (GONE, "store")
    upstream.close()
    assert stage.calls == 1

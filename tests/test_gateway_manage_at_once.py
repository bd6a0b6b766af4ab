"""Requests that are prepared in the loop: the same as in a thread, and kept before the reply."""

from __future__ import annotations

import copy
import json
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chats import user
from test_gateway_manage import Client, Clock, manage, text, told_to, turns

import ctxmem
from ctxmem.gateway.exchanges import Exchange, QuickStage
from ctxmem.gateway.manage.managing import Manage
from ctxmem.gateway.manage.syncing import Syncer
from ctxmem.traces.events import Usage

SECONDS = 10


class QuickClient(Client):
    """A client whose requests are prepared at once where that can be."""

    quick = 0

    def send(self, data: bytes) -> bytes | None:
        self.exchange = Exchange(self.wire, self.tenant, 1, original=[data[:40], data[40:]])
        if self.stage.prepare_at_once(self.exchange):
            self.quick += 1
            self.exchange.notes["stored"].result(SECONDS)
            return None
        return self.stage.prepare(self.exchange)


def stage_at(path: Path, **options: Any) -> Manage:
    return manage(str(path), Clock(), **options)


def said(rng: random.Random, words: int = 20) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text(rng, words)}, user(text(rng, words))]


def steps_of(rng: random.Random) -> list[tuple[str, list[Any]]]:
    """What a client does: goes on, asks the same again, goes back, calls a tool, says a lot."""
    made = [("on", [user("Load the ships. " + text(rng, 10))])]
    for _ in range(rng.randrange(10, 40)):
        kind = rng.choice(("on", "on", "on", "on", "same", "back", "tool", "long"))
        new = {"tool": turns(rng, "chat", 1, rng.choice((4, 90)))[1], "same": []}.get(kind)
        made.append((kind, said(rng, 300 if kind == "long" else 20) if new is None else new))
    return made


def outcome(client: Client, steps: list[tuple[str, list[Any]]], seed: int) -> list[Any]:
    """Do the steps, and return all that can be seen of each."""
    rng, seen = random.Random(seed), []
    for kind, new in steps:
        if kind == "back":
            del client.told[rng.randrange(1, len(client.told) + 1) :]
        made = client.ask(*copy.deepcopy(new))
        facts = {name: one for name, one in client.exchange.facts.items() if name != "receipts"}
        seen.append((made, client.exchange.why, client.exchange.header, copy.deepcopy(facts)))
        tokens = sum(facts["tokens"].values())
        client.finish(usage=Usage(input=tokens, cached=tokens // 2 // 128 * 128))
        assert told_to(client) == client.told
    return seen


@pytest.mark.parametrize("prices", ["openai", "deepseek"])
@pytest.mark.parametrize("seed", range(8))
def test_a_request_prepared_at_once_is_as_one_that_a_thread_prepares(tmp_path, seed, prices):
    steps = steps_of(random.Random(seed))
    quick = QuickClient(stage_at(tmp_path / "quick.db", prices=prices, budget=3000))
    slow = Client(stage_at(tmp_path / "slow.db", prices=prices, budget=3000))
    names: dict[str, str] = {}
    for one, other in zip(outcome(quick, steps, seed), outcome(slow, steps, seed), strict=True):
        name = one[3].pop("conversation")
        assert names.setdefault(name, other[3]["conversation"]) == other[3].pop("conversation")
        assert one == other
    assert quick.quick > 3


def test_what_is_prepared_at_once_is_in_the_store_when_the_reply_is_passed_on(tmp_path: Path):
    rng, client = random.Random(1), QuickClient(stage_at(tmp_path / "g.db"))
    client.ask(user("Load the ships."))
    for _ in range(5):
        client.ask(*said(rng))
        again = Client(stage_at(tmp_path / "g.db"))
        again.told = list(client.told)
        again.ask()
        assert again.exchange.facts["conversation"] == client.exchange.facts["conversation"]
        assert told_to(again) == client.told
    assert client.quick == 5


def test_what_cannot_be_written_is_said_and_written_with_the_next_request(tmp_path: Path):
    rng, stage = random.Random(2), stage_at(tmp_path / "g.db")
    client, append = QuickClient(stage), stage.store.append
    client.ask(user("Load the ships."))
    failing = [True]

    def broken(*given: Any, **more: Any) -> Any:
        if failing[0]:
            raise ctxmem.StoreError("disk full")
        return append(*given, **more)

    stage.store.append = broken  # type: ignore[method-assign]
    with pytest.raises(ctxmem.StoreError, match="disk full"):
        client.ask(*said(rng))
    failing[0] = False
    client.ask(*said(rng))
    assert told_to(client) == client.told
    assert len(told_to(client)) == 5


def test_a_message_that_cannot_be_kept_does_not_stop_the_conversation(tmp_path: Path, monkeypatch):
    rng, client = random.Random(8), QuickClient(stage_at(tmp_path / "g.db"))
    client.ask(user("Load the ships."))

    def refusing(*given: Any, **more: Any) -> Any:
        raise ctxmem.InputError("not to be kept")

    with monkeypatch.context() as patched:
        patched.setattr(client.exchange.notes["conversation"].memory, "append", refusing)
        with pytest.raises(ctxmem.InputError, match="not to be kept"):
            client.ask(*said(rng))
    client.ask(*said(rng))
    assert told_to(client) == client.told
    assert client.quick == 1


def test_what_is_pending_when_the_stage_closes_is_written(tmp_path: Path):
    rng, stage = random.Random(3), stage_at(tmp_path / "g.db")
    client = Client(stage)
    client.ask(user("Load the ships."))
    client.told += said(rng)
    exchange = Exchange(
        client.wire, "t1", 1, original=[json.dumps(client.body(), indent=1).encode()]
    )
    family = client.exchange.notes["account"].family
    with family.lock:  # the writing thread waits for it
        assert stage.prepare_at_once(exchange)
        assert not exchange.notes["stored"].done()
    stage.close()
    again = Client(stage_at(tmp_path / "g.db"))
    again.told = client.told
    again.ask()
    assert len(told_to(again)) == 3
    assert again.exchange.facts["conversation"] == exchange.facts["conversation"]


def test_a_request_that_another_process_took_meanwhile_is_kept_once(tmp_path: Path):
    rng = random.Random(4)
    stages = [stage_at(tmp_path / "g.db") for _ in range(2)]
    client, names = QuickClient(stages[0]), set()
    client.ask(user("Load the ships."))
    for n in range(24):
        client.stage = stages[n // 3 % 2]
        client.ask(*said(rng))
        client.finish()
        names.add(client.exchange.facts["conversation"])
        assert told_to(client) == client.told
    assert names == {client.exchange.facts["conversation"]}
    assert told_to(client) == client.told
    assert client.quick >= 12


def test_nothing_is_waited_for(tmp_path: Path):
    rng, stage = random.Random(5), stage_at(tmp_path / "g.db")
    client = QuickClient(stage)
    client.ask(user("Load the ships."))
    client.ask(*said(rng))
    assert client.quick == 1 and isinstance(stage, QuickStage)
    first = client.exchange
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with first.notes["account"].family.lock:
            held.set()
            free.wait(SECONDS)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(SECONDS)
    client.told += said(rng)
    body = json.dumps(client.body(), indent=1).encode()
    assert not stage.prepare_at_once(Exchange(client.wire, "t1", 1, original=[body]))
    assert stage.hold(first) is None
    free.set()
    thread.join()
    lock = stage.hold(first)
    assert lock is not None
    lock.release()


@pytest.mark.parametrize(
    "change",
    [
        lambda body: {**body, "model": "gpt-4.1"},
        lambda body: {**body, "messages": [user("Another begins."), *body["messages"][1:]]},
        lambda body: {**body, "messages": [*body["messages"], user("ship " * 9000)]},
        lambda body: {**body, "store": True, "previous_response_id": "r1"},
    ],
)
def test_what_is_not_known_here_or_long_is_for_a_thread(tmp_path: Path, change):
    rng, stage = random.Random(6), stage_at(tmp_path / "g.db", budget=100_000)
    client = QuickClient(stage)
    client.ask(user("Load the ships."))
    client.ask(*said(rng))
    body = json.dumps(change(client.body())).encode()
    assert not stage.prepare_at_once(Exchange(client.wire, "t1", 1, original=[body]))
    assert not stage.prepare_at_once(
        Exchange(client.wire, "t2", 1, original=client.exchange.original)
    )
    assert not stage.prepare_at_once(Exchange(client.wire, "t1", 1, original=[b"{"]))


class LateSyncer(Syncer):
    """Writes what it was given when it is next asked to sync."""

    def __init__(self, sync: Callable[[], None]) -> None:
        super().__init__(sync)
        self.late: list[tuple[Callable[[], None], Future[None]]] = []

    def write(self, write: Callable[[], None]) -> Future[None]:
        self.late.append((write, Future()))
        return self.late[-1][1]

    def soon(self) -> Future[None]:
        for write, made in self.late:
            super().write(write).add_done_callback(partial(self.pass_on, made))
        self.late.clear()
        return super().soon()

    @staticmethod
    def pass_on(made: Future[None], done: Future[None]) -> None:
        made.set_result(done.result())


def test_a_window_that_waits_for_the_disk_holds_up_no_write(tmp_path: Path):
    rng, stage = random.Random(7), stage_at(tmp_path / "g.db", budget=1500)
    stage._syncer = LateSyncer(stage.store.sync)
    client, other = Client(stage), Client(stage)
    client.ask(user("Load the ships."))
    client.ask(*said(rng))
    other.told = client.told[:1]
    other.ask(*said(rng, 400), *said(rng, 400), *said(rng, 400))  # of the same family, and long
    client.told += said(rng)
    exchange = Exchange(
        client.wire, "t1", 1, original=[json.dumps(client.body(), indent=1).encode()]
    )
    assert stage.prepare_at_once(exchange)
    done: list[Any] = []
    thread = threading.Thread(
        target=lambda: done.append(other.ask(*said(rng, 400), *said(rng, 400))), daemon=True
    )
    thread.start()
    thread.join(SECONDS)
    assert done and done[0] is not None
    exchange.notes["stored"].result(SECONDS)
    assert len(exchange.notes["conversation"].memory.messages()) == 5

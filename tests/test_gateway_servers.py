"""Gateways that share a PostgreSQL or a Redis: any process serves any conversation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from gateways import ANSWER, Request, Upstream, reply, until
from servers import needs_postgres, needs_redis, postgres, redis

from ctxmem import count_messages
from ctxmem.gateway.http.security import SECRET_VARIABLE, tenants_of
from ctxmem.gateway.store_path import ACCOUNTS
from ctxmem.stores import PostgresStore, RedisStore

pytestmark = pytest.mark.slow

SECRET = "the key that both machines have"
BUDGET = 3_000
SECONDS = 60
WORDS = "The tariff of row {n} is {n} euro a day, as the carrier wrote on day {n} of the month. "


@pytest.fixture(
    params=[
        pytest.param("postgres", marks=needs_postgres),
        pytest.param("redis", marks=needs_redis),
    ]
)
def shared(request, monkeypatch):
    """Return the URL of an empty store, and the store."""
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    url = postgres().dsn() if request.param == "postgres" else redis().url
    with PostgresStore(url) if request.param == "postgres" else RedisStore(url) as store:
        for tenant in store.tenants():
            store.delete_tenant(tenant)
        yield url, store


@pytest.fixture
def upstream(upstream: Upstream) -> Upstream:
    async def answer(request: Request, writer) -> None:
        writer.write(reply(ANSWER))

    upstream.handler = answer
    return upstream


@contextmanager
def gateway(upstream: Upstream, store: str, *more: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """Start a gateway as a user would; yield the process and its address."""
    command = [sys.executable, "-m", "ctxmem", "serve", "--upstream", upstream.url, "--port", "0"]
    command += ["--mode", "manage", "--budget", str(BUDGET), "--store", store, *more]
    environment = {**os.environ, "CTXMEM_OFFLINE": "1", SECRET_VARIABLE: SECRET}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        word, url = process.stderr.readline().split()
        assert word == "listening"
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process, url
    finally:
        process.terminate()
        process.wait(SECONDS)


class Client:
    """A client that sends the whole conversation with each request, on a new connection."""

    def __init__(self, key: str) -> None:
        self.key, self.messages = key, [{"role": "system", "content": f"Help {key}."}]

    def ask(self, url: str) -> str:
        """Ask the next question; return what the gateway says that it did."""
        n = len(self.messages)
        self.messages.append({"role": "user", "content": WORDS.format(n=n) * 12})
        answer = httpx.post(
            f"{url}/v1/chat/completions",
            json={"model": "gpt-4o", "messages": self.messages},
            headers={"authorization": f"Bearer {self.key}"},
            timeout=SECONDS,
            trust_env=False,
        )
        assert answer.status_code == 200
        self.messages.append(answer.json()["choices"][0]["message"])
        return answer.headers.get("x-ctxmem", "")

    def sessions(self, url: str, store) -> list[list[str]]:
        """Return the sessions of the tenants that the key may make."""
        return [found for one in tenants_of(self.key, url) if (found := store.sessions(one))]


def sent(upstream: Upstream) -> list[list]:
    """Return the messages of all requests that reached the upstream."""
    return [json.loads(one.body)["messages"] for one in upstream.requests]


def test_two_machines_serve_one_conversation_and_one_of_them_dies(shared, upstream):
    url, store = shared
    ann, bob = Client("ann"), Client("bob")
    with gateway(upstream, url) as (first, one), gateway(upstream, url) as (_, two):
        for n in range(16):
            said = ann.ask((one, two)[n % 2])
        bob.ask(one)
        first.send_signal(signal.SIGKILL)
        for _ in range(4):
            said = ann.ask(two)
        bob.ask(two)
    assert said.startswith("managed; ")
    windows = sent(upstream)
    whole = [count_messages(each, "gpt-4o") for each in windows]
    assert max(whole) <= BUDGET < count_messages(ann.messages, "gpt-4o")
    # One conversation, whoever served it; another key has its own, and sees nothing of it.
    assert [len(each) for each in ann.sessions(url, store)] == [1]
    assert [len(each) for each in bob.sessions(url, store)] == [1]
    assert sum(not one.endswith(ACCOUNTS) for one in store.tenants()) == 2
    assert all(one[0]["content"] in ("Help ann.", "Help bob.") for one in windows)
    assert not any("row 9 " in str(one) for one in windows if "bob" in one[0]["content"])


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="workers are found in /proc")
def test_a_worker_that_is_killed_loses_no_conversation(shared, upstream):
    url, store = shared
    ann = Client("ann")
    with gateway(upstream, url, "--workers", "2") as (process, address):
        for _ in range(6):
            ann.ask(address)
        killed = workers_of(process.pid)[0]
        os.kill(killed, signal.SIGKILL)
        for _ in range(6):
            ann.ask(address)
        until(lambda: len(set(workers_of(process.pid)) - {killed}) == 2, SECONDS)
        for _ in range(4):
            said = ann.ask(address)
    assert said.startswith("managed; ")
    assert max(count_messages(each, "gpt-4o") for each in sent(upstream)) <= BUDGET
    assert [len(each) for each in ann.sessions(url, store)] == [1]


def workers_of(pid: int) -> list[int]:
    """Return the processes that serve, of a gateway with several."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = {}
    for one in children:
        with suppress(FileNotFoundError):  # one that has just ended
            lines[int(one)] = Path(f"/proc/{one}/cmdline").read_bytes()
    return [one for one, line in lines.items() if b"resource_tracker" not in line and line]

"""The ways from a client to the upstream, directly and through gateways, and what holds there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from upstream.relay import Relay
from upstream.script import Failure, Reply, Script, Text, Thinking, ToolCall
from upstream.server import Upstream

ROOT = Path(__file__).resolve().parent.parent
MODES = ("observe", "guard", "manage")
Call = Callable[[str, dict[str, str]], dict]

CALLS = [ToolCall("weather", {"city": "Zürich"}), ToolCall("weather", {"city": "東京"})]
SCRIPTS = {
    "text": ["Größe and 大小."],
    "stream": [Reply("Größe and 大小 in a stream.", chunk=11)],
    "tools": [Reply([Text("I look."), *CALLS]), "Sunny in both."],
    "tools_stream": [Reply([Text("I look."), *CALLS]), "Sunny in both."],
    "thinking": [Reply([Thinking("A city first."), CALLS[0]]), "Sunny."],
    "image": ["A very small image."],
    "retry": [Failure(429, "slow down", retry_after=0.02), "After all."],
    "refused": [Failure(400, "not like this")],
    "overloaded": [Failure(529, "Overloaded")],
    "abort": [Reply("word " * 300, pause=0.01)],
    "responses": ["Größe and 大小."],
}
# What the scripts refuse; anything else that is refused is a fault.
ERRORS = {"retry": ["slow down"], "refused": ["not like this"], "overloaded": ["Overloaded"]}
# What every hop has of its own: the other side's name, what holds for one connection, and the
# codings of a reply, of which the gateway leaves those that it can read.
HOP_HEADERS = {b"host", b"connection", b"keep-alive", b"transfer-encoding", b"accept-encoding"}
ABORT_SECONDS = 5.0
COMMON = ("text", "stream", "tools", "tools_stream", "image", "retry", "refused", "abort")


@contextlib.contextmanager
def gateways(upstream: str, modes: Sequence[str] = MODES) -> Iterator[dict[str, str]]:
    """Start a gateway of each mode as a user would, and yield their addresses."""
    command = [sys.executable, "-m", "ctxmem", "serve", "--upstream", upstream, "--port", "0"]
    command += ["--store", ":memory:", "--mode"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CTXMEM_OFFLINE": "1"}
    options = {"cwd": ROOT, "env": environment, "stderr": subprocess.PIPE, "text": True}
    # All start at once, as each loads for a second or more.
    started = {mode: subprocess.Popen([*command, mode], **options) for mode in modes}
    try:
        yield {mode: _address(process) for mode, process in started.items()}
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            _end(process)


def _end(process: subprocess.Popen) -> None:
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _address(process: subprocess.Popen) -> str:
    """Read the line that says where the gateway listens, and keep reading what follows."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        word, _, address = line.strip().partition(" ")
        if word == "listening":
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return address
    raise RuntimeError("the gateway did not start: " + "".join(said))


class House:
    """The upstream, the doors to it, and what each client got directly."""

    def __init__(self, upstream: Upstream, stack: contextlib.ExitStack) -> None:
        self.upstream, self._stack = upstream, stack
        self._relays: dict[str, Relay] = {}
        self._addresses: dict[str, str] = {}
        self._direct: dict[tuple, dict] = {}
        self.scripts: dict[str, Script] = dict(SCRIPTS)

    def door(self, name: str) -> Relay:
        """Return the relay before a door, which is opened at its first use."""
        if name not in self._relays:
            self._relays[name] = self._stack.enter_context(Relay(self.address(name)))
        return self._relays[name]

    def address(self, name: str) -> str:
        """Return the address behind a door, without a relay."""
        if name == "direct":
            return self.upstream.url
        if not self._addresses:
            self._addresses = self._stack.enter_context(gateways(self.upstream.url))
        return self._addresses[name]

    def through(self, door: str, client: str, scenarios: Sequence[str], call: Call) -> dict:
        """Return what a client got through a door by scenario, after the checks of all doors."""
        keys = {name: f"sk-{door}-{client}-{name}-key" for name in scenarios}
        for name, key in keys.items():
            self.upstream.app.scripts[key] = self.scripts[name]
        got = call(self.door(door).url, keys)
        for name, key in keys.items():
            records = self.upstream.of(key)
            assert records, f"nothing of {name} reached the upstream"
            errors = [record.error for record in records if record.error is not None]
            assert errors == ERRORS.get(name, []), name
            if name == "abort":
                self.wait_until_left(records[-1])
            if door == "observe":
                self.compare(key, records)
        return got

    def wait_until_left(self, record) -> None:
        """Wait until the upstream has seen that the client left."""
        end = time.monotonic() + ABORT_SECONDS
        while not record.disconnected and time.monotonic() < end:
            time.sleep(0.005)
        assert record.disconnected and not record.complete

    def compare(self, key: str, records: list) -> None:
        """Compare what the client sent with what the upstream got, byte for byte."""
        # By body, as a client may have several connections, of which the relay knows no order.
        sent = sorted(self.door("observe").sent(key), key=lambda one: (one.body, one.headers))
        got = sorted(records, key=lambda one: (one.body, one.headers))
        assert len(sent) == len(got)
        for ours, theirs in zip(sent, got, strict=True):
            query = f"?{theirs.query}" if theirs.query else ""
            assert (ours.method, ours.target) == (theirs.method, theirs.path + query)
            assert ours.body == theirs.body
            assert end_to_end(ours.headers) == end_to_end(theirs.headers)
            taken, asked = codings_in(theirs.headers), codings_in(ours.headers)
            assert set(taken) <= set(asked)

    def check(self, door: str, client: str, scenarios: Sequence[str], call: Call) -> None:
        """Check that a client gets through a door what it gets directly.

        `call(url, keys)` returns what the client got in every scenario, which each have a key.
        """
        asked = (client, tuple(scenarios))
        if asked not in self._direct:
            self._direct[asked] = self.through("direct", client, scenarios, call)
        expected, got = self._direct[asked], self.through(door, client, scenarios, call)
        if door == "manage":  # a managed request may be shorter
            expected, got = without_usage(expected), without_usage(got)
        for name in scenarios:
            assert expected[name] == got[name], name


def codings_in(headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    """The codings of a reply that a client takes."""
    value = dict(headers).get(b"accept-encoding", b"")
    return [one.strip() for one in value.split(b",") if one.strip()]


def end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers that no hop may change."""
    return [(name, value) for name, value in headers if name not in HOP_HEADERS]


def without_usage(value: object) -> object:
    """JSON without counts of tokens."""
    if isinstance(value, list):
        return [without_usage(one) for one in value]
    if isinstance(value, dict):
        return {key: without_usage(one) for key, one in value.items() if "usage" not in key}
    return value


@contextlib.contextmanager
def open_house() -> Iterator[House]:
    """Start an upstream, and stop it behind all relays and gateways before it."""
    with (
        pytest.MonkeyPatch.context() as patch,
        Upstream() as upstream,
        contextlib.ExitStack() as stack,
    ):
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield House(upstream, stack)
